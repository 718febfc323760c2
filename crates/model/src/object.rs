use std::fmt;

use serde_json::{Map, Value};

use crate::{Gvk, ObjectKey};

/// One Kubernetes object: a JSON map with `apiVersion`, `kind` and a name.
///
/// Fields stay as they were read; typed structs would drop what they do not know.
#[derive(Clone, PartialEq)]
pub struct Object(Value);

/// Why a value is not a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The document is a list, a text or a number.
    #[error("the document is not a map")]
    NotAMap,
    /// A field every object needs is absent, or not a text.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field is there with the wrong shape.
    #[error("`{0}` must be {1}")]
    WrongType(&'static str, &'static str),
}

impl Object {
    /// Checks the shape every object has, and wraps the value.
    ///
    /// A `metadata.generateName` counts as a name.
    pub fn from_value(value: Value) -> Result<Self, ObjectError> {
        let map = value.as_object().ok_or(ObjectError::NotAMap)?;
        let text = |map: &Map<String, Value>, field: &str, path: &'static str| match map.get(field) {
            Some(Value::String(text)) if !text.is_empty() => Ok(()),
            None | Some(Value::Null | Value::String(_)) => Err(ObjectError::Missing(path)),
            Some(_) => Err(ObjectError::WrongType(path, "a text")),
        };
        text(map, "apiVersion", "apiVersion")?;
        text(map, "kind", "kind")?;
        let metadata = match map.get("metadata") {
            Some(Value::Object(metadata)) => metadata,
            None | Some(Value::Null) => return Err(ObjectError::Missing("metadata.name")),
            Some(_) => return Err(ObjectError::WrongType("metadata", "a map")),
        };
        if text(metadata, "generateName", "metadata.generateName").is_err() {
            text(metadata, "name", "metadata.name")?;
        }
        for (field, path) in [("labels", "metadata.labels"), ("annotations", "metadata.annotations")] {
            match metadata.get(field) {
                None | Some(Value::Null | Value::Object(_)) => {}
                Some(_) => return Err(ObjectError::WrongType(path, "a map")),
            }
        }
        Ok(Self(value))
    }

    /// Returns the value, whole.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// Returns the value for changes; the caller keeps `apiVersion`, `kind` and the name as they are.
    pub fn value_mut(&mut self) -> &mut Value {
        &mut self.0
    }

    /// Unwraps the value.
    pub fn into_value(self) -> Value {
        self.0
    }

    /// Returns the value at a JSON pointer (`/spec/replicas`).
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        // serde_json's own makes a text of each step; this is asked for each name of each object of each pass.
        if pointer.contains('~') {
            return self.0.pointer(pointer);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(&self.0, |value, step| match value {
            Value::Object(map) => map.get(step),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Returns the text at a JSON pointer; `None` when absent or not a text.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.at(pointer).and_then(Value::as_str)
    }

    fn required(&self, pointer: &str) -> &str {
        self.text(pointer).unwrap_or_default()
    }

    /// Returns `apiVersion`.
    pub fn api_version(&self) -> &str {
        self.required("/apiVersion")
    }

    /// Returns `kind`.
    pub fn kind(&self) -> &str {
        self.required("/kind")
    }

    /// Returns group, version and kind.
    pub fn gvk(&self) -> Gvk {
        Gvk::from_api_version(self.api_version(), self.kind())
    }

    /// Returns the name; empty for an object that only has a `generateName`.
    pub fn name(&self) -> &str {
        self.required("/metadata/name")
    }

    /// Returns the namespace; empty when the object has none.
    pub fn namespace(&self) -> &str {
        self.required("/metadata/namespace")
    }

    /// Sets or, with an empty text, removes the namespace.
    pub fn set_namespace(&mut self, namespace: &str) {
        let metadata = self.metadata_mut();
        if namespace.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.insert("namespace".to_owned(), Value::String(namespace.to_owned()));
        }
    }

    /// Returns the key that names this object.
    pub fn key(&self) -> ObjectKey {
        let gvk = self.gvk();
        ObjectKey::new(gvk.group, gvk.kind, self.namespace(), self.name())
    }

    /// Returns `metadata.uid`; empty before the object was stored.
    pub fn uid(&self) -> &str {
        self.required("/metadata/uid")
    }

    /// Returns `metadata.resourceVersion`; empty before the object was stored.
    pub fn resource_version(&self) -> &str {
        self.required("/metadata/resourceVersion")
    }

    /// Returns `metadata.generation`; 0 where the server sets none.
    pub fn generation(&self) -> i64 {
        self.at("/metadata/generation").and_then(Value::as_i64).unwrap_or(0)
    }

    /// Tells whether the object is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.text("/metadata/deletionTimestamp").is_some()
    }

    /// Returns one annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.0.get("metadata")?.get("annotations")?.get(key)?.as_str()
    }

    /// Returns one label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.0.get("metadata")?.get("labels")?.get(key)?.as_str()
    }

    /// Sets one annotation.
    pub fn set_annotation(&mut self, key: &str, value: &str) {
        self.metadata_map("annotations").insert(key.to_owned(), Value::String(value.to_owned()));
    }

    /// Sets one label.
    pub fn set_label(&mut self, key: &str, value: &str) {
        self.metadata_map("labels").insert(key.to_owned(), Value::String(value.to_owned()));
    }

    /// Returns the finalizers, in their order.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.at("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        self.0
            .get_mut("metadata")
            .and_then(Value::as_object_mut)
            .expect("holds because from_value refuses objects without a metadata map")
    }

    fn metadata_map(&mut self, field: &str) -> &mut Map<String, Value> {
        let slot = self.metadata_mut().entry(field).or_insert_with(|| Value::Object(Map::new()));
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        slot.as_object_mut().expect("holds because it was just made a map")
    }
}

impl fmt::Debug for Object {
    /// Writes the kind and the key only: an object may be a Secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} {})", self.api_version(), self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_is_named() {
        let cases = [
            (json!([]), ObjectError::NotAMap),
            (json!({"kind": "X", "metadata": {"name": "a"}}), ObjectError::Missing("apiVersion")),
            (json!({"apiVersion": "v1", "metadata": {"name": "a"}}), ObjectError::Missing("kind")),
            (json!({"apiVersion": "v1", "kind": "X"}), ObjectError::Missing("metadata.name")),
            (json!({"apiVersion": "v1", "kind": "X", "metadata": {}}), ObjectError::Missing("metadata.name")),
            (
                json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": 1}}),
                ObjectError::WrongType("metadata.name", "a text"),
            ),
            (
                json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "a", "labels": []}}),
                ObjectError::WrongType("metadata.labels", "a map"),
            ),
        ];
        for (value, want) in cases {
            assert_eq!(Object::from_value(value.clone()), Err(want), "{value}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"p": "aHVudGVy"}});
        let object = Object::from_value(secret).expect("is an object");
        assert_eq!(format!("{object:?}"), "Object(v1 Secret/a)");
    }

    #[test]
    fn labels_are_made_where_there_were_none() {
        let mut object =
            Object::from_value(json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "a", "labels": null}}))
                .expect("is an object");
        object.set_label("a", "b");
        assert_eq!(object.label("a"), Some("b"));
    }
}
