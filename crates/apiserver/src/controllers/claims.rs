//! Who controls what: orphans that a selector fits are adopted, and what a selector no longer fits is let go of.
//!
//! Follows `pkg/controller/controller_ref_manager.go`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Simulation;
use super::object::{is_deleted, namespace, owner_reference, uid};
use super::world::{Kind, selector_of};
use crate::builtins::selects;
use crate::error::ApiError;
use crate::patch::PatchKind;

impl Simulation {
    /// Returns the objects of a kind that an owner controls, after adopting those it should and releasing those it should
    /// not; `fits` is what else must be true of an orphan.
    pub(super) fn claimed(
        &self,
        kind: Kind,
        owner: &Value,
        of: Kind,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Vec<Arc<Value>>, ApiError> {
        let selector = selector_of(kind, owner);
        let chosen = |object: &Value| selects(&selector, &object["metadata"]["labels"]);
        let mut mine = self.world.owned(uid(owner), of);
        if is_deleted(owner) {
            mine.retain(|object| chosen(object));
            return Ok(mine);
        }
        let (mut mine, strangers): (Vec<_>, Vec<_>) = mine.into_iter().partition(|object| chosen(object));
        for stranger in strangers.iter().filter(|stranger| !is_deleted(stranger)) {
            self.disown(owner, of, stranger)?;
        }
        for orphan in self.world.orphans(of, namespace(owner)) {
            if !is_deleted(&orphan) && chosen(&orphan) && fits(&orphan) {
                mine.push(self.adopt(kind, owner, of, &orphan)?);
            }
        }
        Ok(mine)
    }

    fn adopt(&self, kind: Kind, owner: &Value, of: Kind, orphan: &Value) -> Result<Arc<Value>, ApiError> {
        let mut references = references(orphan);
        references.push(owner_reference(owner, kind.api_version(), kind.api_kind()));
        self.write_references(of, orphan, references)
    }

    fn disown(&self, owner: &Value, of: Kind, object: &Value) -> Result<Arc<Value>, ApiError> {
        let mut references = references(object);
        references.retain(|reference| reference["uid"] != uid(owner));
        self.write_references(of, object, references)
    }

    fn write_references(&self, of: Kind, object: &Value, references: Vec<Value>) -> Result<Arc<Value>, ApiError> {
        let references = if references.is_empty() { Value::Null } else { Value::Array(references) };
        let patch = json!({ "metadata": { "uid": uid(object), "ownerReferences": references } });
        let place = (namespace(object), super::object::name(object));
        self.admin.patch(&of.gvr(), place, "", PatchKind::Merge, &patch)
    }
}

fn references(object: &Value) -> Vec<Value> {
    object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default()
}
