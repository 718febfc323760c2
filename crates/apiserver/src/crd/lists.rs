//! What lists of type `set` and `map` promise: no item, or no key, twice (k8s: `apiserver/schema/listtype`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::error::Cause;

/// Returns the items that repeat an earlier one.
pub(crate) fn check(object: &Value, schema: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check_at(object, schema, "", &mut causes);
    causes
}

fn check_at(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    match value {
        Value::Object(map) => {
            for (name, child) in map {
                if let Some(property) = schema["properties"].get(name) {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    check_at(child, property, &path, causes);
                } else if schema["additionalProperties"].is_object() {
                    check_at(child, &schema["additionalProperties"], &format!("{path}[{name}]"), causes);
                }
            }
        }
        Value::Array(items) => {
            check_list(items, schema, path, causes);
            for (at, item) in items.iter().enumerate() {
                check_at(item, &schema["items"], &format!("{path}[{at}]"), causes);
            }
        }
        _ => {}
    }
}

fn check_list(items: &[Value], schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let identities: Vec<Value> = match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => items.to_vec(),
        Some("map") => {
            if let Some(at) = items.iter().position(|item| !item.is_null() && !item.is_object()) {
                let why = "must be an object for an array of list-type map";
                causes.push(Cause::invalid(format!("{path}[{at}]"), &items[at], why));
                return;
            }
            items.iter().map(|item| keys_of(item, schema)).collect()
        }
        _ => return,
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (at, identity) in identities.iter().enumerate() {
        let times = seen.entry(identity.to_string()).or_default();
        *times += 1;
        // The third and later appearances are not told again.
        if *times == 2 {
            causes.push(Cause::duplicate(format!("{path}[{at}]"), identity));
        }
    }
}

fn keys_of(item: &Value, schema: &Value) -> Value {
    let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let found: Map<String, Value> = keys.filter_map(|key| Some((key.to_owned(), item.get(key)?.clone()))).collect();
    json!(found)
}
