//! Cases answered by the Go library the API server uses; see `oracle/`.
//!
//! A case is a folder with `case.json`, a series of applies and updates of one object, and `result.json`, what each
//! came to. `SMD_CASES` names another folder of cases to run instead.

use std::fs;
use std::path::{Path, PathBuf};

use bowline_smd::{
    ApplyRequest, Gvk, Path as FieldPath, Schemas, Set, TypeRef, UpdateRequest, apply, strategic_merge, update,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const API_VERSION: &str = "demo.example/v1";

#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    live: Option<Value>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    apply: Option<Value>,
    /// A merge patch: the new object is the live one with this laid over.
    update: Option<Value>,
    /// A strategic merge patch of the live object.
    patch: Option<Value>,
    manager: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    force: bool,
    /// Top-level fields the endpoint ignores.
    #[serde(default)]
    reset: Vec<String>,
    now: String,
}

fn demo_type() -> TypeRef {
    let mut schemas = Schemas::new();
    schemas.add_openapi_v3(include_bytes!("openapi.json")).expect("the document parses");
    schemas.type_of(&Gvk::new("demo.example", "v1", "Demo")).expect("the document has the kind")
}

fn merge_patch(target: Option<Value>, patch: &Value) -> Value {
    let Value::Object(fields) = patch else { return patch.clone() };
    let mut out = match target {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    for (name, value) in fields {
        let old = out.remove(name);
        if !value.is_null() {
            out.insert(name.clone(), merge_patch(old, value));
        }
    }
    Value::Object(out)
}

fn carry_out(ty: &TypeRef, live: Option<&Value>, step: &Step) -> Result<Value, String> {
    let reset_fields: Set = step.reset.iter().map(|name| FieldPath::of_fields([name.as_str()])).collect();
    if let Some(config) = &step.apply {
        let request = ApplyRequest {
            ty,
            empty: None,
            live,
            config,
            manager: &step.manager,
            api_version: API_VERSION,
            subresource: &step.subresource,
            force: step.force,
            now: &step.now,
            reset_fields: &reset_fields,
            versions: None,
        };
        return apply(request).map(|applied| applied.object).map_err(|error| error.to_string());
    }
    let empty = json!({"apiVersion": API_VERSION, "kind": "Demo"});
    let before = live.cloned().unwrap_or(empty);
    let new = match (&step.update, &step.patch) {
        (Some(patch), _) => merge_patch(Some(before), patch),
        (None, Some(patch)) => strategic_merge(ty, &before, patch).map_err(|error| error.to_string())?,
        (None, None) => panic!("a step applies, updates or patches"),
    };
    let request = UpdateRequest {
        ty,
        live,
        new: &new,
        manager: &step.manager,
        api_version: API_VERSION,
        subresource: &step.subresource,
        now: &step.now,
        reset_fields: &reset_fields,
        versions: None,
    };
    update(request).map_err(|_| "refused".to_owned())
}

/// Runs a case and returns what went otherwise than the answers say.
fn run(ty: &TypeRef, folder: &Path) -> Vec<String> {
    let read =
        |name: &str| fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{} {name}: {error}", folder.display()));
    let case: Case = serde_json::from_slice(&read("case.json")).expect("a case");
    let answers: Vec<Value> = serde_json::from_slice(&read("result.json")).expect("answers");
    let mut live = case.live;
    let mut wrong = Vec::new();
    for (number, (step, want)) in case.steps.iter().zip(&answers).enumerate() {
        let have = match carry_out(ty, live.as_ref(), step) {
            Ok(mut object) => {
                object["metadata"]["uid"] = json!("u-1");
                live = Some(object.clone());
                json!({"object": object})
            }
            Err(error) => json!({"error": error}),
        };
        if have != *want {
            let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("a value prints");
            wrong.push(format!("{} step {number}:\nwant {}\nhave {}", folder.display(), pretty(want), pretty(&have)));
            break;
        }
    }
    wrong
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the variable names another folder of cases")]
fn objects_end_up_as_the_go_library_leaves_them() {
    let root = std::env::var_os("SMD_CASES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases"), PathBuf::from);
    let ty = demo_type();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(&root).expect("the folder of cases").map(|entry| entry.expect("an entry").path()).collect();
    folders.retain(|folder| folder.join("case.json").exists());
    folders.sort();
    assert!(!folders.is_empty(), "no cases in {}", root.display());
    let wrong: Vec<String> = folders.iter().flat_map(|folder| run(&ty, folder)).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases differ\n{}",
        wrong.len(),
        folders.len(),
        wrong[..wrong.len().min(3)].join("\n")
    );
}
