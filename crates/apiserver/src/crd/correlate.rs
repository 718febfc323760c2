//! Which part of the old object a part of the new one descends from, so that what was wrong before and did not change
//! may stay (k8s: `apiserver/pkg/cel/common/equality.go`).

use serde_json::Value;

/// A value, the value it replaces and their schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Correlated<'a> {
    pub(crate) value: &'a Value,
    pub(crate) old: &'a Value,
    pub(crate) schema: &'a Value,
}

impl Correlated<'_> {
    /// Returns the correlated field of an object or entry of a map.
    pub(crate) fn key(&self, name: &str) -> Option<Self> {
        let (value, old) = (self.value.as_object()?.get(name)?, self.old.as_object()?.get(name)?);
        let schema = (self.schema["properties"].get(name))
            .or_else(|| Some(&self.schema["additionalProperties"]).filter(|schema| schema.is_object()))?;
        Some(Self { value, old, schema })
    }

    /// Returns the correlated item of a list; only items of lists of type `map` have one.
    pub(crate) fn index(&self, at: usize) -> Option<Self> {
        let item = self.value.as_array()?.get(at)?;
        let old = old_item(self.schema, self.old, item)?;
        Some(Self { value: item, old, schema: self.schema.get("items")? })
    }

    /// Returns whether nothing changed; the order of a list of type `map` is no change.
    pub(crate) fn is_unchanged(&self) -> bool {
        match (self.value, self.old) {
            (Value::Array(new), Value::Array(old)) => {
                if self.schema["x-kubernetes-list-type"] != "map" {
                    return new == old;
                }
                new.len() == old.len()
                    && (0..new.len()).all(|at| self.index(at).is_some_and(|item| item.is_unchanged()))
            }
            (Value::Object(new), Value::Object(old)) => {
                new.len() == old.len()
                    && new.keys().all(|name| self.key(name).is_some_and(|child| child.is_unchanged()))
            }
            (new, old) => new == old,
        }
    }
}

/// Finds the old item with the keys of `item` in a list of type `map`.
pub(crate) fn old_item<'a>(schema: &Value, old: &'a Value, item: &Value) -> Option<&'a Value> {
    if schema["x-kubernetes-list-type"] != "map" || !item.is_object() {
        return None;
    }
    let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"].as_array()?.iter().filter_map(Value::as_str).collect();
    let same = |old: &&Value| old.is_object() && keys.iter().all(|key| old.get(*key) == item.get(*key));
    old.as_array()?.iter().find(same)
}
