//! Metadata inside of custom resources: of the object itself and of resources embedded in it
//! (k8s: `apiserver/schema/objectmeta`).

use serde_json::{Value, json};

use super::names::{self, dns_1035_label};
use crate::error::Cause;

/// The fields of `ObjectMeta`.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The fields of an `OwnerReference`.
const OWNER_FIELDS: [&str; 6] = ["apiVersion", "blockOwnerDeletion", "controller", "kind", "name", "uid"];

/// Removes from an object's metadata what `ObjectMeta` does not have; returns the paths.
pub(super) fn drop_unknown_metadata(object: &mut Value, path: &str) -> Vec<String> {
    let prefix = if path.is_empty() { "metadata".to_owned() } else { format!("{path}.metadata") };
    let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return Vec::new() };
    let mut unknown = Vec::new();
    meta.retain(|name, child| {
        let known = FIELDS.contains(&name.as_str());
        if !known {
            unknown.push(format!("{prefix}.{name}"));
        } else if name == "ownerReferences" {
            let owners = child.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut);
            for (at, owner) in owners.enumerate() {
                owner.retain(|name, _| {
                    let known = OWNER_FIELDS.contains(&name.as_str());
                    if !known {
                        unknown.push(format!("{prefix}.ownerReferences[{at}].{name}"));
                    }
                    known
                });
            }
        }
        known
    });
    unknown
}

/// Removes unknown metadata of embedded resources; returns the paths.
pub(super) fn coerce(object: &mut Value, schema: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    coerce_at(object, schema, "", &mut unknown);
    unknown
}

fn coerce_at(value: &mut Value, schema: &Value, path: &str, unknown: &mut Vec<String>) {
    if value.is_object() && schema["x-kubernetes-embedded-resource"] == true {
        unknown.extend(drop_unknown_metadata(value, path));
        if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            // What Go reads and writes back has no empty fields.
            meta.retain(|_, child| !child.is_null());
        }
    }
    match value {
        Value::Object(map) => {
            for (name, child) in map {
                let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if let Some(property) = schema["properties"].get(name) {
                    coerce_at(child, property, &at, unknown);
                } else if schema["additionalProperties"].is_object() {
                    coerce_at(child, &schema["additionalProperties"], &at, unknown);
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                coerce_at(item, &schema["items"], &format!("{path}[{at}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Returns what is wrong with the resources embedded in an object.
pub(crate) fn validate(object: &Value, schema: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    validate_at(object, schema, "", &mut causes);
    causes
}

/// Does the same for a value below `path`, taking it for a resource when its schema says so.
pub(crate) fn validate_at(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    match value {
        Value::Object(map) => {
            if schema["x-kubernetes-embedded-resource"] == true {
                validate_resource(value, path, causes);
            }
            for (name, child) in map {
                let at = join(path, name);
                if let Some(property) = schema["properties"].get(name) {
                    validate_at(child, property, &at, causes);
                } else if schema["additionalProperties"].is_object() {
                    validate_at(child, &schema["additionalProperties"], &format!("{path}[{name}]"), causes);
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                validate_at(item, &schema["items"], &format!("{path}[{at}]"), causes);
            }
        }
        _ => {}
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn validate_resource(value: &Value, path: &str, causes: &mut Vec<Cause>) {
    for name in ["apiVersion", "kind"] {
        if value.get(name).is_none() {
            causes.push(Cause::required(join(path, name), ""));
        }
    }
    if let Some(version) = value.get("apiVersion") {
        let at = join(path, "apiVersion");
        match version.as_str() {
            None => causes.push(Cause::invalid(at, version, "must be a string")),
            Some("") => causes.push(Cause::invalid(at, version, "must not be empty")),
            Some(text) if text.matches('/').count() > 1 => {
                causes.push(Cause::invalid(at, version, format!("unexpected GroupVersion string: {text}")));
            }
            Some(_) => {}
        }
    }
    if let Some(kind) = value.get("kind") {
        let at = join(path, "kind");
        match kind.as_str() {
            None => causes.push(Cause::invalid(at, kind, "must be a string")),
            Some("") => causes.push(Cause::invalid(at, kind, "must not be empty")),
            Some(text) => {
                if let Some(why) = dns_1035_label(&text.to_lowercase()) {
                    let why = format!("may have mixed case, but should otherwise match: {why}");
                    causes.push(Cause::invalid(at, kind, why));
                }
            }
        }
    }
    if let Some(meta) = value.get("metadata").filter(|meta| meta.is_object()) {
        let mut found = crate::registry::validate_embedded_metadata(value);
        if let Some(name) = meta["name"].as_str().filter(|name| !name.is_empty()) {
            for why in names::path_segment(name) {
                found.insert(0, Cause::invalid("metadata.name", &json!(name), why));
            }
        }
        for mut cause in found {
            cause.field = join(path, &cause.field);
            causes.push(cause);
        }
    }
}
