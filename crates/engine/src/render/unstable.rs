//! What comes of time or chance in a render: what two renders of the same files do not agree on.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bowline_model::Unstable;
use serde_json::Value;

use super::Written;

/// Fields that are told of one object; the others are like them.
const FIELDS: usize = 8;
/// Objects that are told of.
const OBJECTS: usize = 16;

/// Returns the fields in which two renders differ, by object.
pub(super) fn differences(one: &[Written], other: &[Written]) -> Vec<Unstable> {
    let others: BTreeMap<_, _> = other.iter().map(|written| (written.object.key(), &written.object)).collect();
    let mut found = Vec::new();
    for written in one {
        let key = written.object.key();
        let mut paths = Vec::new();
        match others.get(&key) {
            Some(other) => differ(written.object.value(), other.value(), &mut String::new(), &mut paths),
            None => paths.push(".metadata.name".to_owned()),
        }
        if !paths.is_empty() {
            found.push(Unstable { key, paths });
        }
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found.truncate(OBJECTS);
    found
}

fn differ(one: &Value, other: &Value, at: &mut String, paths: &mut Vec<String>) {
    if one == other || paths.len() == FIELDS {
        return;
    }
    let length = at.len();
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            for name in one.keys().chain(other.keys().filter(|name| !one.contains_key(*name))) {
                at.push('.');
                at.push_str(name);
                differ(one.get(name).unwrap_or(&Value::Null), other.get(name).unwrap_or(&Value::Null), at, paths);
                at.truncate(length);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                let _ = write!(at, "[{index}]");
                differ(one, other, at, paths);
                at.truncate(length);
            }
        }
        _ => paths.push(at.clone()),
    }
}

#[cfg(test)]
mod tests {
    use bowline_model::{Location, Object};
    use serde_json::json;

    use super::*;

    fn written(name: &str, rest: Value) -> Written {
        let mut value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        value["data"] = rest;
        Written::new((Object::from_value(value).expect("is an object"), Location::line("a", 1)))
    }

    #[test]
    fn fields_that_differ_are_named() {
        let one = [
            written("a", json!({"x": 1, "y": [{"z": 1}, 2], "gone": true})),
            written("b", json!({"x": 1})),
            written("random-1", json!({})),
        ];
        let other = [
            written("a", json!({"x": 1, "y": [{"z": 2}, 2], "new": 1})),
            written("b", json!({"x": 1})),
            written("random-2", json!({})),
        ];
        let told: Vec<(String, Vec<String>)> =
            differences(&one, &other).into_iter().map(|found| (found.key.name, found.paths)).collect();
        let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            told,
            [
                ("a".to_owned(), paths(&[".data.gone", ".data.y[0].z", ".data.new"])),
                ("random-1".to_owned(), paths(&[".metadata.name"])),
            ]
        );
        assert_eq!(differences(&one, &one), []);
        let many: serde_json::Map<String, Value> = (0..30).map(|at| (format!("k{at:02}"), json!(at))).collect();
        let found = differences(&[written("a", Value::Object(many))], &[written("a", json!({}))]);
        assert_eq!(found[0].paths.len(), FIELDS);
    }
}
