//! Whether a schema is structural: every field has one type, said outside of `allOf`, `anyOf`, `oneOf` and `not`
//! (k8s: `apiserver/schema/{validation,complete}.go`).

use serde_json::{Value, json};

use crate::error::Cause;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Returns what keeps a schema from being structural, in order.
pub(crate) fn check(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if is_convertible(schema) {
        check_invariants(schema, Level::Root, path, &mut causes);
        check_completeness(schema, Some(schema), path, path, &mut causes);
    }
    causes.sort_by_cached_key(|cause| format!("{}: {}", cause.field, cause.message));
    causes
}

/// What upstream cannot turn into a structural schema is refused elsewhere, in plainer words.
fn is_convertible(schema: &Value) -> bool {
    const UNSUPPORTED: [&str; 6] = ["id", "$schema", "$ref", "patternProperties", "dependencies", "definitions"];
    let is_set = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    };
    let own = !UNSUPPORTED.iter().any(|key| is_set(&schema[*key]))
        && schema["additionalItems"].is_null()
        && !schema["items"].is_array()
        && schema["x-kubernetes-preserve-unknown-fields"] != false;
    own && children(schema).all(is_convertible)
}

fn children(schema: &Value) -> impl Iterator<Item = &Value> {
    let one = ["items", "not", "additionalProperties"].into_iter().map(|key| &schema[key]);
    let many = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|key| schema[key].as_array().into_iter().flatten());
    let named = schema["properties"].as_object().into_iter().flatten().map(|(_, child)| child);
    one.chain(many).chain(named).filter(|child| child.is_object())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn check_invariants(schema: &Value, level: Level, path: &str, causes: &mut Vec<Cause>) {
    let kind = text(&schema["type"]);
    if kind == "array" && !schema["items"].is_object() {
        causes.push(Cause::required(format!("{path}.items"), "must be specified"));
    }
    if schema["items"].is_object() {
        check_invariants(&schema["items"], Level::Item, &format!("{path}.items"), causes);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        check_invariants(property, Level::Field, &format!("{path}.properties[{name}]"), causes);
    }
    let additional = &schema["additionalProperties"];
    if !additional.is_null() {
        if level == Level::Root {
            causes.push(Cause::forbidden(format!("{path}.additionalProperties"), "must not be used at the root"));
        }
        if additional.is_object() {
            check_invariants(additional, Level::Field, &format!("{path}.additionalProperties"), causes);
        }
    }
    check_extensions(schema, level, path, causes);
    let skip_any = is_int_or_string(&schema["anyOf"]);
    let skip_first = is_int_or_string(&schema["allOf"][0]["anyOf"]);
    check_values(schema, skip_any, skip_first, path, causes);
    check_meta(schema, level, path, causes);
}

fn check_extensions(schema: &Value, level: Level, path: &str, causes: &mut Vec<Cause>) {
    let (kind, is) = (text(&schema["type"]), |key: &str| schema[key] == true);
    let embedded = is("x-kubernetes-embedded-resource");
    let keeps = is("x-kubernetes-preserve-unknown-fields");
    if is("x-kubernetes-int-or-string") {
        let why = "must be false if x-kubernetes-int-or-string is true";
        if keeps {
            causes.push(Cause::invalid(format!("{path}.x-kubernetes-preserve-unknown-fields"), &json!(true), why));
        }
        if embedded {
            causes.push(Cause::invalid(format!("{path}.x-kubernetes-embedded-resource"), &json!(true), why));
        }
    }
    if embedded && kind != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        if kind.is_empty() {
            causes.push(Cause::required(format!("{path}.type"), why));
        } else {
            causes.push(Cause::invalid(format!("{path}.type"), &json!(kind), why));
        }
    } else if kind.is_empty() && !is("x-kubernetes-int-or-string") && !keeps {
        let why = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        causes.push(Cause::required(format!("{path}.type"), why));
    }
    if embedded && !schema["additionalProperties"].is_null() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        causes.push(Cause::forbidden(format!("{path}.additionalProperties"), why));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        causes.push(Cause::invalid(format!("{path}.type"), &json!(kind), "must be object at the root"));
    }
    let is_empty = schema["properties"].as_object().is_none_or(serde_json::Map::is_empty);
    if embedded && !keeps && is_empty {
        let why = "must not be empty if x-kubernetes-embedded-resource is true without \
                   x-kubernetes-preserve-unknown-fields";
        causes.push(Cause::required(format!("{path}.properties"), why));
    }
}

/// Restricts what may be said of `apiVersion`, `kind` and `metadata`.
fn check_meta(schema: &Value, level: Level, path: &str, causes: &mut Vec<Cause>) {
    let checked = level == Level::Root || schema["x-kubernetes-embedded-resource"] == true;
    for name in ["kind", "apiVersion"] {
        if let Some(property) = schema["properties"].get(name).filter(|_| checked)
            && property["type"] != "string"
        {
            let path = format!("{path}.properties[{name}].type");
            causes.push(Cause::invalid(path, &json!(text(&property["type"])), "must be string"));
        }
    }
    let Some(metadata) = schema["properties"].get("metadata") else { return };
    let path = format!("{path}.properties[metadata]");
    if checked && metadata["type"] != "object" {
        causes.push(Cause::invalid(format!("{path}.type"), &json!(text(&metadata["type"])), "must be object"));
    }
    if level == Level::Root {
        let only_names = metadata["properties"]
            .as_object()
            .is_none_or(|map| map.keys().all(|name| name == "name" || name == "generateName"));
        let only_known = metadata.as_object().into_iter().flatten().all(|(key, value)| {
            ["type", "properties", "default"].contains(&key.as_str()) || value.is_null() || *value == false
        });
        if !only_names || !only_known {
            let why =
                "must not specify anything other than name and generateName, but metadata is implicitly specified";
            causes.push(Cause::forbidden(path, why));
        }
    }
}

/// `anyOf: [{type: integer}, {type: string}]`, the one place where types may be alternatives.
fn is_int_or_string(any_of: &Value) -> bool {
    *any_of == json!([{"type": "integer"}, {"type": "string"}])
}

fn check_values(schema: &Value, skip_any: bool, skip_first: bool, path: &str, causes: &mut Vec<Cause>) {
    let all = |key: &str| schema[key].as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate();
    if !skip_any {
        for (at, nested) in all("anyOf") {
            check_nested(nested, false, &format!("{path}.anyOf[{at}]"), causes);
        }
    }
    for (at, nested) in all("allOf") {
        check_nested(nested, skip_first && at == 0, &format!("{path}.allOf[{at}]"), causes);
    }
    for (at, nested) in all("oneOf") {
        check_nested(nested, false, &format!("{path}.oneOf[{at}]"), causes);
    }
    if schema["not"].is_object() {
        check_nested(&schema["not"], false, &format!("{path}.not"), causes);
    }
    let pattern = text(&schema["pattern"]);
    if let Err(error) = regex::Regex::new(pattern) {
        let why = format!(
            "must be a valid regular expression, but isn't: {}",
            super::super::regexes::explain(&error, pattern)
        );
        causes.push(Cause::invalid(format!("{path}.pattern"), &schema["pattern"], why));
    }
}

/// What may not be said in an alternative, with the words for it.
const FORBIDDEN: [(&str, &str); 12] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
];

fn check_nested(nested: &Value, skip_any: bool, path: &str, causes: &mut Vec<Cause>) {
    check_values(nested, skip_any, false, path, causes);
    if nested["items"].is_object() {
        check_nested(&nested["items"], false, &format!("{path}.items"), causes);
    }
    for (name, child) in nested["properties"].as_object().into_iter().flatten() {
        check_nested(child, false, &format!("{path}.properties[{name}]"), causes);
    }
    for (key, why) in FORBIDDEN {
        let is_set = match &nested[key] {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        };
        if is_set {
            causes.push(Cause::forbidden(format!("{path}.{key}"), why));
        }
    }
    if nested["x-kubernetes-validations"].as_array().is_some_and(|rules| !rules.is_empty()) {
        let why = "must be empty to be structural";
        causes.push(Cause::forbidden(format!("{path}.x-kubernetes-validations"), why));
    }
    if nested["properties"].get("metadata").is_some() {
        let why = "must not be specified in a nested context";
        causes.push(Cause::forbidden(format!("{path}.properties[metadata]"), why));
    }
}

/// Every field an alternative speaks of must have its type outside of it.
fn check_completeness(values: &Value, schema: Option<&Value>, schema_path: &str, path: &str, causes: &mut Vec<Cause>) {
    if values["not"].is_object() {
        check_nested_completeness(&values["not"], schema, schema_path, &format!("{path}.not"), causes);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (at, nested) in values[key].as_array().into_iter().flatten().enumerate() {
            check_nested_completeness(nested, schema, schema_path, &format!("{path}.{key}[{at}]"), causes);
        }
    }
}

fn check_nested_completeness(
    nested: &Value,
    schema: Option<&Value>,
    schema_path: &str,
    path: &str,
    causes: &mut Vec<Cause>,
) {
    let Some(schema) = schema else {
        causes.push(Cause::required(schema_path, &format!("because it is defined in {path}")));
        return;
    };
    check_completeness(nested, Some(schema), schema_path, path, causes);
    if nested["items"].is_object() {
        let items = schema.get("items").filter(|items| items.is_object());
        let (schema_path, path) = (format!("{schema_path}.items"), format!("{path}.items"));
        check_nested_completeness(&nested["items"], items, &schema_path, &path, causes);
    }
    for (name, child) in nested["properties"].as_object().into_iter().flatten() {
        let property = schema["properties"].get(name);
        let (schema_path, path) = (format!("{schema_path}.properties[{name}]"), format!("{path}.properties[{name}]"));
        check_nested_completeness(child, property, &schema_path, &path, causes);
    }
}
