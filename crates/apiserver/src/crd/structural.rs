//! Pruning and defaulting by a structural schema (k8s: `apiserver/schema/{pruning,defaulting}`).

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::embedded;

const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Removes fields the schema does not name and nulls that are no value, and returns the unknown fields' paths.
pub(crate) fn prune(object: &mut Value, schema: &Value) -> Vec<String> {
    let mut unknown = embedded::drop_unknown_metadata(object, "");
    let fields = prune_fields(object, schema, true);
    unknown.extend(fields);
    drop_nulls(object, Some(schema));
    unknown.extend(embedded::coerce(object, schema));
    unknown
}

/// Removes unknown fields only, and returns their paths in order.
pub(crate) fn prune_fields(value: &mut Value, schema: &Value, is_resource: bool) -> Vec<String> {
    let mut pruner = Pruner { path: String::new(), unknown: Vec::new() };
    pruner.prune(value, Some(schema), is_resource);
    pruner.unknown.sort();
    pruner.unknown
}

struct Pruner {
    path: String,
    unknown: Vec<String>,
}

impl Pruner {
    /// `schema` is absent where nothing is said, which leaves only scalars.
    fn prune(&mut self, value: &mut Value, schema: Option<&Value>, is_resource: bool) {
        let keeps = schema.is_some_and(|schema| schema["x-kubernetes-preserve-unknown-fields"] == true);
        self.walk(value, schema, is_resource, keeps);
    }

    fn walk(&mut self, value: &mut Value, schema: Option<&Value>, is_resource: bool, keeps: bool) {
        match value {
            Value::Object(map) => {
                let at_root = self.path.is_empty();
                map.retain(|name, child| self.keep_field(name, child, schema, is_resource, keeps, at_root));
            }
            Value::Array(items) => {
                let below = schema.and_then(|schema| schema.get("items"));
                if keeps && below.is_none() {
                    return;
                }
                for (at, item) in items.iter_mut().enumerate() {
                    let length = self.path.len();
                    let _ = write!(self.path, "[{at}]");
                    if keeps {
                        self.walk(item, below, is_embedded(below), true);
                    } else {
                        self.prune(item, below, is_embedded(below));
                    }
                    self.path.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn keep_field(
        &mut self,
        name: &str,
        child: &mut Value,
        schema: Option<&Value>,
        is_resource: bool,
        keeps: bool,
        at_root: bool,
    ) -> bool {
        if is_resource && META_FIELDS.contains(&name) {
            return true;
        }
        let length = self.path.len();
        if !at_root {
            self.path.push('.');
        }
        self.path.push_str(name);
        let property = schema.and_then(|schema| schema["properties"].get(name));
        let additional = schema.and_then(|schema| schema.get("additionalProperties"));
        let known = if let Some(property) = property {
            self.prune(child, Some(property), is_embedded(Some(property)));
            true
        } else if let Some(additional) = additional {
            let below = Some(additional).filter(|schema| schema.is_object());
            self.prune(child, below, is_embedded(below));
            true
        } else {
            keeps
        };
        if !known && (!META_FIELDS.contains(&name) || !at_root) {
            self.unknown.push(self.path.clone());
        }
        self.path.truncate(length);
        known
    }
}

fn is_embedded(schema: Option<&Value>) -> bool {
    schema.is_some_and(|schema| schema["x-kubernetes-embedded-resource"] == true)
}

/// Removes nulls where null is neither a value nor replaced by a default.
pub(crate) fn drop_nulls(value: &mut Value, schema: Option<&Value>) {
    if is_embedded(schema)
        && let Some(meta) = value.get_mut("metadata").filter(|meta| meta.is_null())
    {
        // Metadata is read as what it is in Go, which has no null.
        *meta = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map.retain(|name, child| {
            let below = schema.and_then(|schema| field_schema(schema, name));
            let goes =
                child.is_null() && below.is_some_and(|below| below["nullable"] != true && default_of(below).is_none());
            if !goes {
                drop_nulls(child, below);
            }
            !goes
        }),
        Value::Array(items) => {
            let below = schema.and_then(|schema| schema.get("items"));
            for item in items {
                drop_nulls(item, below);
            }
        }
        _ => {}
    }
}

fn field_schema<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let additional = || schema.get("additionalProperties").filter(|schema| schema.is_object());
    schema["properties"].get(name).or_else(additional)
}

/// Returns a schema's default; null is none.
fn default_of(schema: &Value) -> Option<&Value> {
    schema.get("default").filter(|default| !default.is_null())
}

/// Gives absent fields their defaults, also in place of nulls where null is no value.
pub(crate) fn apply_defaults(value: &mut Value, schema: &Value) {
    let replaced = |child: &Value, schema: &Value| child.is_null() && schema["nullable"] != true;
    match value {
        Value::Object(map) => {
            default_fields(map, schema);
            let declared = schema["properties"].as_object();
            let additional = &schema["additionalProperties"];
            for (name, child) in map.iter_mut() {
                if let Some(property) = declared.and_then(|declared| declared.get(name)) {
                    apply_defaults(child, property);
                } else if additional.is_object() {
                    if replaced(child, additional) {
                        *child = additional["default"].clone();
                    }
                    apply_defaults(child, additional);
                }
            }
        }
        Value::Array(items) => {
            let Some(below) = schema.get("items") else { return };
            for item in items {
                if replaced(item, below) {
                    *item = below["default"].clone();
                }
                apply_defaults(item, below);
            }
        }
        _ => {}
    }
}

fn default_fields(map: &mut Map<String, Value>, schema: &Value) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let Some(default) = default_of(property) else { continue };
        let is_absent = map.get(name).is_none_or(|child| child.is_null() && property["nullable"] != true);
        if is_absent {
            map.insert(name.clone(), default.clone());
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
        assert_eq!(prune(&mut object, &schema()), Vec::<String>::new());
        apply_defaults(&mut object, &schema());
        assert_eq!(object, json!({"spec": {"size": 3}}));
    }
}
