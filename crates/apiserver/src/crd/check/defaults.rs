//! Whether a schema's defaults fit it (k8s: `apiserver/schema/defaulting/validation.go`).

use serde_json::Value;

use crate::cel::rules;
use crate::crd::{embedded, structural, validate};
use crate::error::Cause;

/// Returns the defaults that are not what their schemas ask for.
pub(super) fn check(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    check_at(schema, path, false, &mut causes);
    causes
}

fn check_at(schema: &Value, path: &str, in_metadata: bool, causes: &mut Vec<Cause>) {
    let is_embedded = schema["x-kubernetes-embedded-resource"] == true;
    let in_metadata = in_metadata && !is_embedded;
    if !schema["default"].is_null() {
        check_default(schema, path, in_metadata, causes);
    }
    if schema["items"].is_object() {
        check_at(&schema["items"], &format!("{path}.items"), in_metadata, causes);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let is_meta = is_embedded && ["metadata", "apiVersion", "kind"].contains(&name.as_str());
        check_at(property, &format!("{path}.properties[{name}]"), in_metadata || is_meta, causes);
    }
}

fn check_default(schema: &Value, path: &str, in_metadata: bool, causes: &mut Vec<Cause>) {
    let (default, path) = (&schema["default"], format!("{path}.default"));
    let is_embedded = schema["x-kubernetes-embedded-resource"] == true;
    if !in_metadata {
        let mut pruned = default.clone();
        structural::prune_fields(&mut pruned, schema, is_embedded);
        if pruned != *default {
            causes.push(Cause::invalid(path.clone(), default, "must not have unknown fields"));
        }
    }
    let mut wrong = Vec::new();
    embedded::validate_at(default, schema, &path, &mut wrong);
    if wrong.is_empty() {
        wrong = validate::validate_at(default, schema, None, &path);
    }
    if wrong.is_empty() {
        // A default is checked as one that was there before, and as a new one.
        let rules = rules::SchemaRules::new(schema, is_embedded);
        wrong = rules.check_at(default, Some(default), &path);
        if wrong.is_empty() {
            wrong = rules.check_at(default, None, &path);
        }
    }
    causes.extend(wrong);
}
