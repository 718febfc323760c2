//! Pruning and defaulting by a structural schema.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Removes fields the schema does not name and returns their paths.
pub(crate) fn prune(object: &mut Value, schema: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut path = String::new();
    prune_at(object, schema, true, &mut path, &mut unknown);
    unknown
}

fn prune_at(value: &mut Value, schema: &Value, is_resource: bool, path: &mut String, unknown: &mut Vec<String>) {
    let keeps_unknown = schema["x-kubernetes-preserve-unknown-fields"] == true;
    match value {
        Value::Object(map) => {
            let is_resource = is_resource || schema["x-kubernetes-embedded-resource"] == true;
            let additional = &schema["additionalProperties"];
            map.retain(|key, child| {
                if is_resource && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                    return true;
                }
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
                let known = if let Some(property) = schema["properties"].get(key) {
                    prune_at(child, property, false, path, unknown);
                    true
                } else if additional.is_object() {
                    prune_at(child, additional, false, path, unknown);
                    true
                } else {
                    let known = keeps_unknown || *additional == true;
                    if !known {
                        unknown.push(path.clone());
                    }
                    known
                };
                path.truncate(length);
                known
            });
        }
        Value::Array(items) => {
            let schema = &schema["items"];
            // Items of a list below `preserve-unknown-fields` have no schema: nothing in them is unknown.
            if !schema.is_object() {
                return;
            }
            for (at, item) in items.iter_mut().enumerate() {
                let length = path.len();
                let _ = write!(path, "[{at}]");
                prune_at(item, schema, false, path, unknown);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// Gives absent fields their defaults, and drops nulls where null is no value.
pub(crate) fn apply_defaults(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => default_fields(map, schema),
        Value::Array(items) => {
            for item in items {
                apply_defaults(item, &schema["items"]);
            }
        }
        _ => {}
    }
}

fn default_fields(map: &mut Map<String, Value>, schema: &Value) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let is_absent = match map.get(name) {
            None => true,
            Some(Value::Null) => property["nullable"] != true,
            Some(_) => false,
        };
        if is_absent {
            match property.get("default") {
                Some(default) => drop(map.insert(name.clone(), default.clone())),
                None => drop(map.remove(name)),
            }
        }
        if let Some(child) = map.get_mut(name) {
            apply_defaults(child, property);
        }
    }
    let additional = &schema["additionalProperties"];
    if additional.is_object() {
        let declared = schema["properties"].as_object();
        for (name, child) in map.iter_mut() {
            if declared.is_none_or(|declared| !declared.contains_key(name)) {
                apply_defaults(child, additional);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "size": {"type": "integer", "default": 3},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "items": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
                "child": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
            }},
        }})
    }

    #[test]
    fn what_the_schema_does_not_name_is_pruned() {
        let mut object = json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "x"}, "other": 1, "spec": {
            "free": {"any": {"thing": 1}}, "labels": {"a": "b"}, "items": [{"a": "1", "b": "2"}], "typo": true,
            "child": {"apiVersion": "v1", "kind": "C", "metadata": {}, "spec": {"x": 1}},
        }});
        let mut unknown = prune(&mut object, &schema());
        unknown.sort();
        assert_eq!(unknown, ["other", "spec.child.spec.x", "spec.items[0].b", "spec.typo"]);
        assert_eq!(object["spec"]["free"], json!({"any": {"thing": 1}}));
        assert_eq!(object["spec"]["labels"], json!({"a": "b"}));
    }

    #[test]
    fn absent_fields_get_defaults_and_nulls_go() {
        let mut object = json!({"spec": {"size": null, "free": null}});
        apply_defaults(&mut object, &schema());
        assert_eq!(object, json!({"spec": {"size": 3}}));
    }
}
