//! Labels and annotations.

use bowline_yaml::nodes::Tag;

use super::field_spec::each_field;
use crate::build::{Build, ObjectId};
use crate::config::FieldSpec;
use crate::error::BuildError;
use crate::node::{Kind, Node};
use crate::resource::Texts;

/// Sets entries in the maps that fields name.
pub(crate) fn set_entries(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    entries: &Texts,
    fields: &[FieldSpec],
) -> Result<(), BuildError> {
    for object in objects.iter().filter_map(|id| build.node(*id)).collect::<Vec<_>>() {
        for (key, value) in entries {
            // One node for all fields of an object: who changes one of them later changes all.
            let value = build.store.add(Node { tag: Tag::Text, ..Node::scalar(value) });
            for field in fields {
                each_field(&mut build.store, field, object, Some((Kind::Map, Tag::Map)), &mut |store, at| {
                    store.set_field(at, key, value).map(|_| ())
                })?;
            }
        }
    }
    Ok(())
}
