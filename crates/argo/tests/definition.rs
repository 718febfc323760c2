//! The definition made from the Rust types is the peer's own, but for the words.

use std::path::PathBuf;

use bowline_yaml::Limits;
use serde_json::{Value, json};

/// Reads one of the peer's own files, from `BOWLINE_CRDS` or beside the checkout; tells when it is not there.
fn peers_file(test: &str, name: &str) -> Option<Value> {
    let root = std::env::var_os("BOWLINE_CRDS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/crds"), PathBuf::from);
    let file = root.join("argo-cd").join(name);
    let Ok(text) = std::fs::read(&file) else {
        eprintln!("skipped {test}: no {}", file.display());
        return None;
    };
    Some(bowline_yaml::parse_one(&text, &Limits::default()).expect("the peer's file is YAML"))
}

#[test]
fn the_definition_is_the_peers() {
    let Some(want) = peers_file("the_definition_is_the_peers", "application-crd.yaml") else { return };
    let have = bowline_argo::definition().to_value();
    let mut differences = Vec::new();
    compare("spec", &plain(&have["spec"]), &plain(&want["spec"]), &mut differences);
    for pointer in ["/apiVersion", "/kind", "/metadata/name", "/metadata/labels"] {
        let (have, want) = (have.pointer(pointer), want.pointer(pointer));
        if have != want {
            differences.push(format!("{pointer}: have {have:?}, want {want:?}"));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// A description is a text; a property of that name would be a schema.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, value)| *key != "description" || !value.is_string())
            .map(|(key, value)| {
                let mut value = plain(value);
                if let (true, Value::Array(words)) = (key == "required" || key == "enum", &mut value) {
                    words.sort_by_key(Value::to_string);
                }
                (key.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

fn compare(path: &str, have: &Value, want: &Value, differences: &mut Vec<String>) {
    if let (Value::Object(have), Value::Object(want)) = (have, want) {
        for key in have.keys().chain(want.keys().filter(|key| !have.contains_key(*key))) {
            let absent = json!(null);
            let path = format!("{path}.{key}");
            compare(&path, have.get(key).unwrap_or(&absent), want.get(key).unwrap_or(&absent), differences);
        }
    } else if let (Value::Array(have), Value::Array(want), true) = (have, want, path.ends_with("versions")) {
        for (index, (have, want)) in have.iter().zip(want).enumerate() {
            compare(&format!("{path}[{index}]"), have, want, differences);
        }
    } else if have != want {
        let short = |value: &Value| value.to_string().chars().take(200).collect::<String>();
        differences.push(format!("{path}: have {}, want {}", short(have), short(want)));
    }
}

#[test]
fn the_peers_example_can_be_read() {
    let Some(value) = peers_file("the_peers_example_can_be_read", "application.yaml") else { return };
    let application: bowline_argo::types::Application =
        serde_json::from_value(value).expect("every field has its type");
    let source = application.spec.source.expect("has a source");
    assert!(source.helm.is_some() && source.kustomize.is_some() && source.directory.is_some());
}

#[test]
fn every_field_is_described() {
    fn walk(path: &str, schema: &Value, missing: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if property["description"].as_str().is_none_or(str::is_empty) {
                missing.push(path.clone());
            }
            walk(&path, property, missing);
        }
        if schema["items"].is_object() {
            walk(&format!("{path}[]"), &schema["items"], missing);
        }
    }
    let mut missing = Vec::new();
    walk("", &bowline_argo::definition().schema, &mut missing);
    // The API server refuses a description of metadata.
    assert_eq!(missing, [".metadata"]);
}
