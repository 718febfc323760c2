//! ControllerRevisions: the templates that StatefulSets and DaemonSets have had, and how those move from one to the next.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Simulation;
use super::object::{int, name, owner_reference, template_hash, uid};
use super::world::Kind;
use crate::error::ApiError;

/// The label that ties a pod to a revision.
pub(super) const HASH: &str = "controller-revision-hash";

impl Simulation {
    /// Returns the revision of the owner's present template, made when it is new, and forgets those beyond the limit.
    ///
    /// `in_use` are revisions that pods or the status still name.
    pub(super) fn revision(&self, kind: Kind, owner: &Value, in_use: &[&str]) -> Result<Arc<Value>, ApiError> {
        let template = &owner["spec"]["template"];
        let data = json!({ "spec": { "template": with_patch(template) } });
        let mut history = self.world.owned(uid(owner), Kind::ControllerRevision);
        history.sort_by_key(|revision| int(revision, "/revision"));
        let newest = history.last().map_or(0, |revision| int(revision, "/revision"));
        let current = match history.iter().position(|revision| revision["data"] == data) {
            Some(at) => {
                let found = history.remove(at);
                if int(&found, "/revision") == newest {
                    found
                } else {
                    // An old template came back: its revision becomes the newest.
                    let mut next = Value::clone(&found);
                    next["revision"] = json!(newest + 1);
                    self.update(Kind::ControllerRevision, next)?
                }
            }
            None => {
                let hash = template_hash(template, int(owner, "/status/collisionCount"));
                let mut labels = template["metadata"]["labels"].clone();
                labels[if kind == Kind::StatefulSet { "controller.kubernetes.io/hash" } else { HASH }] = json!(hash);
                self.create(
                    Kind::ControllerRevision,
                    json!({
                        "metadata": {
                            "name": format!("{}-{hash}", name(owner)),
                            "namespace": owner["metadata"]["namespace"],
                            "labels": labels,
                            "annotations": owner["metadata"].get("annotations").cloned().unwrap_or_else(|| json!({})),
                            "ownerReferences": [owner_reference(owner, kind.api_version(), kind.api_kind())],
                        },
                        "data": data,
                        "revision": newest + 1,
                    }),
                )?
            }
        };
        let limit = usize::try_from(int(owner, "/spec/revisionHistoryLimit")).unwrap_or(0);
        history.retain(|revision| !in_use.contains(&name(revision)) && uid(revision) != uid(&current));
        let surplus = history.len().saturating_sub(limit);
        for revision in history.into_iter().take(surplus) {
            self.delete(Kind::ControllerRevision, &revision)?;
        }
        Ok(current)
    }
}

/// The data is a patch that puts the whole template in place.
fn with_patch(template: &Value) -> Value {
    let mut template = template.clone();
    template["$patch"] = json!("replace");
    template
}

/// Returns the hash part of a revision's name.
pub(super) fn hash_of(revision: &Value) -> String {
    name(revision).rsplit('-').next().unwrap_or_default().to_owned()
}
