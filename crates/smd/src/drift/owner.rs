//! Who owns a path, read from `metadata.managedFields` as it stands.

use serde_json::{Map, Value};

use super::step::Step;
use crate::managed::Operation;
use crate::path::{Path, PathElement};
use crate::time;

/// A manager that owns a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub manager: String,
    /// How it writes.
    pub operation: Operation,
    /// When it last took a field of the object, RFC 3339.
    pub time: Option<String>,
    /// The subresource it writes through; empty for the object itself.
    pub subresource: String,
}

fn entries(live: &Value) -> &[Value] {
    live.get("metadata")
        .and_then(|metadata| metadata.get("managedFields"))
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Our manager's field sets.
pub(super) struct OwnEntries<'a> {
    all: Vec<&'a Value>,
    /// What it applied to the object itself.
    pub(super) applied: Option<&'a Map<String, Value>>,
}

impl<'a> OwnEntries<'a> {
    pub(super) fn of(live: &'a Value, manager: &str) -> Self {
        let own = || entries(live).iter().filter(|entry| text(entry, "manager") == manager);
        let applied = own()
            .find(|entry| text(entry, "operation") == "Apply" && text(entry, "subresource").is_empty())
            .and_then(|entry| entry.get("fieldsV1")?.as_object());
        Self { all: own().filter_map(|entry| entry.get("fieldsV1")).collect(), applied }
    }

    /// Whether our manager owns the path, by an apply or otherwise.
    pub(super) fn owns(&self, at: &Step<'_>) -> bool {
        let path = at.path();
        self.all.iter().any(|fields| names(fields, path.elements()))
    }
}

/// Returns all managers that own a path, or something below it.
pub fn owners(live: &Value, path: &Path) -> Vec<Owner> {
    entries(live)
        .iter()
        .filter(|entry| entry.get("fieldsV1").is_some_and(|fields| names(fields, path.elements())))
        .map(owner)
        .collect()
}

/// The latest of the managers that own a path, ours aside.
pub(super) fn owner_of(live: &Value, path: &Path, manager: &str) -> Option<Owner> {
    entries(live)
        .iter()
        .filter(|entry| text(entry, "manager") != manager)
        .filter(|entry| entry.get("fieldsV1").is_some_and(|fields| names(fields, path.elements())))
        .max_by_key(|entry| time::parse(text(entry, "time")))
        .map(owner)
}

fn owner(entry: &Value) -> Owner {
    Owner {
        manager: text(entry, "manager").to_owned(),
        operation: if text(entry, "operation") == "Apply" { Operation::Apply } else { Operation::Update },
        time: entry.get("time").and_then(Value::as_str).map(str::to_owned),
        subresource: text(entry, "subresource").to_owned(),
    }
}

/// Whether a field set names the path, something below it, or an atomic value around it.
fn names(fields: &Value, path: &[PathElement]) -> bool {
    let mut at = fields;
    for (depth, element) in path.iter().enumerate() {
        let Some(map) = at.as_object() else { return false };
        if map.is_empty() {
            return depth > 0;
        }
        match map.get(&element.encode()).or_else(|| find(map, element)) {
            Some(below) => at = below,
            None => return false,
        }
    }
    true
}

/// Keys may be written with other spacing or number forms than ours.
fn find<'a>(map: &'a Map<String, Value>, element: &PathElement) -> Option<&'a Value> {
    if matches!(element, PathElement::Field(_)) {
        return None;
    }
    map.iter().find(|(key, _)| PathElement::parse(key).as_ref() == Ok(element)).map(|(_, below)| below)
}
