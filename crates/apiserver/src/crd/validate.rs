//! Validation of custom resources by their schema, in the words of kube-openapi's validator.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use regex::Regex;
use serde_json::{Value, json};

use crate::cluster::lock;
use crate::error::{Cause, show};

/// Returns what the schema has against an object.
///
/// CEL rules (`x-kubernetes-validations`) are not evaluated.
pub(crate) fn validate(object: &Value, schema: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(object, schema, "", true, &mut causes);
    causes
}

fn check(value: &Value, schema: &Value, path: &str, is_resource: bool, causes: &mut Vec<Cause>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    let int_or_string = schema["x-kubernetes-int-or-string"] == true;
    if int_or_string {
        if !value.is_string() && !value.is_i64() && !value.is_u64() {
            causes.push(wrong_type(value, path, "integer,string"));
            return;
        }
    } else if let Some(want) = schema["type"].as_str()
        && !has_type(value, want)
    {
        causes.push(wrong_type(value, path, want));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let texts: Vec<String> =
            allowed.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
        causes.push(Cause::unsupported(path, value, &texts));
    }
    match value {
        Value::String(text) => check_text(value, text, schema, path, causes),
        Value::Number(_) => check_number(value, schema, path, causes),
        Value::Array(items) => check_list(value, items, schema, path, causes),
        Value::Object(_) => check_object(value, schema, path, is_resource, causes),
        Value::Null | Value::Bool(_) => {}
    }
    check_combined(value, schema, path, is_resource, causes);
}

fn has_type(value: &Value, want: &str) -> bool {
    match want {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn wrong_type(value: &Value, path: &str, want: &str) -> Cause {
    let found = type_name(value);
    Cause::type_invalid(path, &json!(found), &format!("{path} in body must be of type {want}: {found:?}"))
}

fn check_text(value: &Value, text: &str, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let length = text.chars().count() as u64;
    if let Some(longest) = schema["maxLength"].as_u64().filter(|longest| length > *longest) {
        let s = if longest == 1 { "" } else { "s" };
        causes.push(Cause::too_long(path, value, &format!("may not be more than {longest} byte{s}")));
    }
    if let Some(shortest) = schema["minLength"].as_u64().filter(|shortest| length < *shortest) {
        causes.push(Cause::invalid(path, value, format!("{path} in body should be at least {shortest} chars long")));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !matches_pattern(pattern, text)
    {
        causes.push(Cause::invalid(path, value, format!("{path} in body should match '{pattern}'")));
    }
    if let Some(format) = schema["format"].as_str()
        && !has_format(format, text)
    {
        causes.push(Cause::invalid(path, value, format!("{path} in body must be of type {format}: {text:?}")));
    }
}

/// Matches a pattern anywhere in a text; a pattern that is no regular expression matches everything.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut compiled = lock(&COMPILED);
    if !compiled.contains_key(pattern) {
        compiled.insert(pattern.to_owned(), Regex::new(pattern).ok());
    }
    compiled.get(pattern).and_then(Option::as_ref).is_none_or(|regex| regex.is_match(text))
}

fn has_format(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "cidr" => text.split_once('/').is_some_and(|(address, bits)| {
            let most = if address.contains(':') { 128 } else { 32 };
            address.parse::<std::net::IpAddr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
        }),
        "uuid" | "uuid4" => uuid::Uuid::parse_str(text).is_ok(),
        "byte" => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(text).is_ok()
        }
        "uri" => text.split_once(':').is_some_and(|(scheme, _)| !scheme.is_empty()) || text.starts_with('/'),
        _ => true,
    }
}

fn check_number(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(number) = value.as_f64() else { return };
    let mut refuse = |why: String| causes.push(Cause::invalid(path, value, format!("{path} in body should be {why}")));
    if let Some(least) = schema["minimum"].as_f64() {
        let exclusive = schema["exclusiveMinimum"] == true;
        if number < least || (exclusive && number <= least) {
            refuse(format!("greater than {}{}", if exclusive { "" } else { "or equal to " }, schema["minimum"]));
        }
    }
    if let Some(most) = schema["maximum"].as_f64() {
        let exclusive = schema["exclusiveMaximum"] == true;
        if number > most || (exclusive && number >= most) {
            refuse(format!("less than {}{}", if exclusive { "" } else { "or equal to " }, schema["maximum"]));
        }
    }
    if let Some(step) = schema["multipleOf"].as_f64()
        && step > 0.0
        && (number / step).fract() != 0.0
    {
        refuse(format!("a multiple of {}", schema["multipleOf"]));
    }
    let fits = match schema["format"].as_str() {
        Some("int32") => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Some("int64") => value.as_i64().is_some() || value.is_f64(),
        _ => true,
    };
    if !fits {
        let format = schema["format"].as_str().unwrap_or_default();
        causes.push(Cause::invalid(
            path,
            value,
            format!("{path} in body must be of type {format}: {:?}", value.to_string()),
        ));
    }
}

fn too_many(path: &str, have: usize, most: u64) -> Cause {
    let message = format!("Too many: {have}: must have at most {most} item{}", if most == 1 { "" } else { "s" });
    Cause { reason: "FieldValueTooMany", message, field: path.to_owned() }
}

fn check_list(value: &Value, items: &[Value], schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let count = items.len() as u64;
    if let Some(most) = schema["maxItems"].as_u64().filter(|most| count > *most) {
        causes.push(too_many(path, items.len(), most));
    }
    if let Some(least) = schema["minItems"].as_u64().filter(|least| count < *least) {
        let why = format!("{path} in body should have at least {least} items");
        causes.push(Cause::invalid(path, &json!(count), why));
    }
    let _ = value;
    for (at, item) in items.iter().enumerate() {
        check(item, &schema["items"], &format!("{path}[{at}]"), false, causes);
    }
    let keys: Vec<&str> =
        schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let identity = |item: &Value| match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Some(item.clone()),
        Some("map") => Some(keys.iter().filter_map(|key| Some(((*key).to_owned(), item.get(key)?.clone()))).collect()),
        _ => None,
    };
    let mut seen = std::collections::BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let Some(identity) = identity(item) else { break };
        if !seen.insert(identity.to_string()) {
            causes.push(Cause::duplicate(format!("{path}[{at}]"), &identity));
        }
    }
}

fn check_object(value: &Value, schema: &Value, path: &str, is_resource: bool, causes: &mut Vec<Cause>) {
    let Some(map) = value.as_object() else { return };
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(most) = schema["maxProperties"].as_u64().filter(|most| map.len() as u64 > *most) {
        causes.push(too_many(path, map.len(), most));
    }
    if let Some(least) = schema["minProperties"].as_u64().filter(|least| (map.len() as u64) < *least) {
        let why = format!("{path} in body should have at least {least} properties");
        causes.push(Cause::invalid(path, value, why));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            causes.push(Cause::required(at(name), ""));
        }
    }
    let is_resource = is_resource || schema["x-kubernetes-embedded-resource"] == true;
    let additional = &schema["additionalProperties"];
    for (name, child) in map {
        if is_resource && name == "metadata" {
            continue;
        }
        if let Some(property) = schema["properties"].get(name) {
            check(child, property, &at(name), false, causes);
        } else if additional.is_object() {
            check(child, additional, &at(name), false, causes);
        }
    }
}

fn check_combined(value: &Value, schema: &Value, path: &str, is_resource: bool, causes: &mut Vec<Cause>) {
    let holds = |schema: &Value| {
        let mut wrong = Vec::new();
        check(value, schema, path, is_resource, &mut wrong);
        wrong
    };
    let shown = if value.is_object() || value.is_array() { json!("") } else { value.clone() };
    let shown_path = if path.is_empty() { "<nil>" } else { path };
    let mut refuse = |why: &str| {
        let message = format!("Invalid value: {}: {path:?} {why}", show(&shown));
        causes.push(Cause { reason: "FieldValueInvalid", message, field: shown_path.to_owned() });
    };
    if let Some(schemas) = schema["anyOf"].as_array()
        && !schemas.iter().any(|schema| holds(schema).is_empty())
    {
        refuse("must validate at least one schema (anyOf)");
    }
    if let Some(schemas) = schema["oneOf"].as_array() {
        let valid = schemas.iter().filter(|schema| holds(schema).is_empty()).count();
        if valid == 0 {
            refuse("must validate one and only one schema (oneOf). Found none valid");
        } else if valid > 1 {
            refuse(&format!("must validate one and only one schema (oneOf). Found {valid} valid alternatives"));
        }
    }
    if let Some(schema) = schema.get("not").filter(|schema| schema.is_object())
        && holds(schema).is_empty()
    {
        refuse("must not validate the schema (not)");
    }
    for schema in schema["allOf"].as_array().into_iter().flatten() {
        causes.extend(holds(schema));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_as_the_real_server_tells_them() {
        let schema = json!({"type": "object", "required": ["spec"], "properties": {"spec": {
            "type": "object", "required": ["color"], "properties": {
                "color": {"type": "string", "enum": ["red", "blue"]},
                "size": {"type": "integer", "minimum": 1, "maximum": 5},
                "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2},
                "list": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
                "port": {"x-kubernetes-int-or-string": true},
            },
        }}});
        let rows = [
            (
                json!({"spec": {"color": "purple"}}),
                r#"spec.color: Unsupported value: "purple": supported values: "red", "blue""#,
            ),
            (json!({"spec": {}}), "spec.color: Required value"),
            (json!({}), "spec: Required value"),
            (
                json!({"spec": {"color": "red", "size": "x"}}),
                r#"spec.size: Invalid value: "string": spec.size in body must be of type integer: "string""#,
            ),
            (
                json!({"spec": {"color": "red", "size": 0}}),
                "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
            ),
            (
                json!({"spec": {"color": "red", "name": "A1"}}),
                r#"spec.name: Invalid value: "A1": spec.name in body should match '^[a-z]+$'"#,
            ),
            (json!({"spec": {"color": "red", "list": ["a", "b"]}}), "spec.list: Too many: 2: must have at most 1 item"),
        ];
        for (object, want) in rows {
            let told: Vec<String> =
                validate(&object, &schema).iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
            assert_eq!(told, [want]);
        }
        assert!(validate(&json!({"spec": {"color": "red", "port": 3}}), &schema).is_empty());
    }
}
