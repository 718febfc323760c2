//! Prefixes and suffixes of names.

use bowline_yaml::nodes::Tag;

use super::field_spec::each_field;
use crate::build::{Build, ObjectId};
use crate::config::FieldSpec;
use crate::error::BuildError;
use crate::id::ResId;
use crate::node::{Kind, Node};
use crate::resource::{PREFIXES, SUFFIXES};

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

/// Puts a text before or after names, or whatever fields are named.
pub(crate) fn affix(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    side: Side,
    text: &str,
    fields: &[FieldSpec],
) -> Result<(), BuildError> {
    for id in objects {
        let Some(node) = build.node(*id) else { continue };
        let original = build.store.original_id(node);
        if keeps_name(&original) {
            continue;
        }
        for field in fields.iter().filter(|field| original.gvk.is_selected_by(&field.gvk)) {
            if field.path == "metadata/name" {
                let list = if side == Side::Before { PREFIXES } else { SUFFIXES };
                build.store.append_to_annotation(node, list, text)?;
                if !text.is_empty() {
                    build.store.store_previous_id(node)?;
                }
            }
            each_field(&mut build.store, field, node, Some((Kind::Scalar, Tag::Text)), &mut |store, at| {
                let old = &store[at].text;
                let new = if side == Side::Before { format!("{text}{old}") } else { format!("{old}{text}") };
                let value = store.add(Node::scalar(&new));
                store.set_scalar(at, value)
            })?;
        }
    }
    Ok(())
}

/// Tells whether the name of an object means something by itself.
fn keeps_name(id: &ResId) -> bool {
    let kind = id.gvk.kind.as_str();
    matches!(kind, "CustomResourceDefinition" | "Namespace")
        || (kind == "APIService" && id.gvk.group == "apiregistration.k8s.io")
}
