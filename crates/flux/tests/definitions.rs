//! The definitions made from Rust types, compared with Flux's own.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bowline_yaml::{Limits, parse_one};
use serde_json::{Value, json};

/// Says what may differ, and why.
const EXPECTED_DIFFERENCES: &[(&str, &str)] = &[
    ("/metadata/annotations/controller-gen.kubebuilder.io~1version", "names the generator of the peer's file"),
    (
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/url/pattern",
        "Bowline reads `file://` too; every URL of the peer's fits as well",
    ),
];

#[test]
#[expect(clippy::print_stdout, reason = "a test that did not run must say so")]
fn every_path_is_the_peers() {
    let Some(folder) = peer_folder() else {
        println!("skipped: every_path_is_the_peers (no definitions at $BOWLINE_CRDS or ../shared/crds)");
        return;
    };
    let mut differences = Vec::new();
    for definition in bowline_flux::definitions() {
        let file = folder.join(format!("flux/{}_{}.yaml", definition.group, definition.plural));
        let text = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let want = parse_one(&text, &Limits::default()).unwrap_or_else(|errors| panic!("{errors:?}"));
        compare("", &want, &definition.to_value(), &mut differences);
        assert_eq!(only_version(&want), definition.version);
    }
    differences.retain(|(path, _)| EXPECTED_DIFFERENCES.iter().all(|(known, _)| known != path));
    let told: Vec<_> = differences.iter().map(|(path, what)| format!("{path}: {what}")).collect();
    assert!(told.is_empty(), "{} differences:\n{}", told.len(), told.join("\n"));
}

#[test]
fn every_field_is_described() {
    let mut bare = Vec::new();
    for definition in bowline_flux::definitions() {
        undescribed(definition.kind, &definition.schema, &mut bare);
    }
    bare.retain(|path| !path.ends_with("/metadata"));
    assert!(bare.is_empty(), "{bare:#?}");
}

fn peer_folder() -> Option<PathBuf> {
    let named = std::env::var_os("BOWLINE_CRDS").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/crds");
    named.into_iter().chain([beside]).find(|folder| folder.join("flux").is_dir())
}

fn only_version(definition: &Value) -> &str {
    let versions = definition["spec"]["versions"].as_array().expect("is a list");
    assert_eq!(versions.len(), 1, "the peer serves one version");
    versions[0]["name"].as_str().expect("is a text")
}

/// Collects the paths at which two values differ; descriptions, and the order of what has none, do not count.
fn compare(path: &str, want: &Value, have: &Value, differences: &mut Vec<(String, String)>) {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            let keys: BTreeSet<_> = want.keys().chain(have.keys()).collect();
            for key in keys {
                if key == "description" && want.get(key).or(have.get(key)).is_some_and(Value::is_string) {
                    continue;
                }
                let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (want.get(key), have.get(key)) {
                    (Some(want), Some(have)) => compare(&path, want, have, differences),
                    (Some(want), None) => differences.push((path, format!("missing {want}"))),
                    (None, have) => differences.push((path, format!("unexpected {}", have.unwrap_or(&json!(null))))),
                }
            }
        }
        (Value::Array(want), Value::Array(have)) if path.ends_with("/required") || path.ends_with("/enum") => {
            let sorted = |list: &[Value]| list.iter().map(Value::to_string).collect::<BTreeSet<_>>();
            if sorted(want) != sorted(have) {
                differences.push((path.to_owned(), format!("want {want:?}, have {have:?}")));
            }
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            for (at, (want, have)) in want.iter().zip(have).enumerate() {
                compare(&format!("{path}/{at}"), want, have, differences);
            }
        }
        (want, have) if want == have => {}
        (want, have) => differences.push((path.to_owned(), format!("want {want}, have {have}"))),
    }
}

fn undescribed(path: &str, schema: &Value, bare: &mut Vec<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, field) in properties {
            let path = format!("{path}/{name}");
            if field.get("description").is_none() {
                bare.push(path.clone());
            }
            undescribed(&path, field, bare);
        }
    }
    if let Some(items) = schema.get("items") {
        undescribed(&format!("{path}[]"), items, bare);
    }
}
