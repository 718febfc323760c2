//! Numbers of replicas.

use bowline_yaml::nodes::Tag;

use super::field_spec::each_field;
use crate::build::{Build, ObjectId};
use crate::config::FieldSpec;
use crate::error::BuildError;
use crate::kustomization::Replica;
use crate::node::{Kind, Node};

/// Sets the number of replicas of what has a name.
pub(crate) fn set_replicas(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    replica: &Replica,
    fields: &[FieldSpec],
) -> Result<(), BuildError> {
    let mut found = false;
    for field in fields {
        for id in build.matching_any_id(objects, &|id| id.name == replica.name && id.gvk.is_selected_by(&field.gvk)) {
            found = true;
            let Some(node) = build.node(id) else { continue };
            each_field(&mut build.store, field, node, Some((Kind::Scalar, Tag::Int)), &mut |store, at| {
                let value = store.add(Node { tag: Tag::Int, ..Node::scalar(&replica.count.to_string()) });
                store.set_scalar(at, value)
            })?;
        }
    }
    if found {
        return Ok(());
    }
    let kinds: Vec<String> = fields.iter().map(|field| field.gvk.to_string()).collect();
    Err(BuildError::new(format!(
        "resource with name {} does not match a config with the following GVK [{}]",
        replica.name,
        kinds.join(" ")
    )))
}
