//! Owners while a request is carried out: keyed by identity.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::Operation;
use super::versions::{Changes, VersionError, Views};
use crate::go;
use crate::set::Set;
use crate::typed::reconcile;

/// What makes a manager itself: appliers are the same whichever version they apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ManagerId {
    pub(super) manager: String,
    pub(super) operation: Operation,
    /// Empty for appliers.
    pub(super) api_version: String,
    pub(super) subresource: String,
    /// The text the server sorts managers by: the entry as JSON, without its fields and time.
    identifier: String,
}

impl ManagerId {
    pub(super) fn new(manager: &str, operation: Operation, api_version: &str, subresource: &str) -> Self {
        let api_version = if operation == Operation::Apply { "" } else { api_version };
        Self {
            manager: manager.to_owned(),
            operation,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
            identifier: identifier(manager, operation, api_version, subresource),
        }
    }

    /// The identity of whoever sends a request; a nameless one is `unknown`.
    pub(super) fn of_request(manager: &str, operation: Operation, api_version: &str, subresource: &str) -> Self {
        Self::new(if manager.is_empty() { "unknown" } else { manager }, operation, api_version, subresource)
    }
}

fn identifier(manager: &str, operation: Operation, api_version: &str, subresource: &str) -> String {
    let mut text = String::from("{");
    let parts = [
        ("manager", manager),
        ("operation", operation.as_str()),
        ("apiVersion", api_version),
        ("subresource", subresource),
    ];
    for (name, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
        if text.len() > 1 {
            text.push(',');
        }
        let value = serde_json::to_string(value).expect("holds because a text is encoded");
        text.extend(["\"", name, "\":", &go::escape_html(&value)]);
    }
    text.push('}');
    text
}

impl Ord for ManagerId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identifier.cmp(&other.identifier)
    }
}

impl PartialOrd for ManagerId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) fields: Set,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
}

/// All managers of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Owners(pub(super) BTreeMap<ManagerId, Owned>);

impl Owners {
    /// Brings recorded sets in line with a schema in which something became atomic, and forgets the managers of versions
    /// that are gone.
    pub(super) fn reconcile(&mut self, views: &Views<'_>, live: &Value) -> Result<(), VersionError> {
        let mut types = BTreeMap::new();
        for owned in self.0.values() {
            if !types.contains_key(&owned.api_version) {
                let ty = views.convert(Cow::Borrowed(live), &owned.api_version)?.map(|(_, ty)| ty);
                types.insert(owned.api_version.clone(), ty);
            }
        }
        self.0.retain(|_, owned| types.get(&owned.api_version).is_some_and(Option::is_some));
        for owned in self.0.values_mut() {
            if let Some(Some(ty)) = types.get(&owned.api_version)
                && let Some(fields) = reconcile(ty, &owned.fields)
            {
                owned.fields = fields;
            }
        }
        Ok(())
    }

    /// The fields of others that a change touches.
    pub(super) fn conflicts(&self, changes: &Changes, own: Option<&ManagerId>) -> BTreeMap<ManagerId, Set> {
        self.0
            .iter()
            .filter(|(id, _)| Some(*id) != own)
            .filter_map(|(id, owned)| {
                let change = changes.of(&owned.api_version)?;
                let touched = owned.fields.intersection(&change.modified);
                let touched = touched.union(&owned.fields.intersection(&change.added));
                (!touched.is_empty()).then(|| (id.clone(), touched))
            })
            .collect()
    }

    /// Takes what a change touched or removed from everyone but `own`, and forgets who is left with nothing.
    pub(super) fn take(&mut self, changes: &Changes, own: Option<&ManagerId>) {
        for (id, owned) in &mut self.0 {
            if Some(id) == own {
                continue;
            }
            if let Some(change) = changes.of(&owned.api_version) {
                for lost in [&change.modified, &change.added, &change.removed] {
                    if !lost.is_empty() {
                        owned.fields = owned.fields.difference(lost);
                    }
                }
            }
        }
        self.0.retain(|_, owned| !owned.fields.is_empty());
    }
}
