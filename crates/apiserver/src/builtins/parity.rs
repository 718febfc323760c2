//! Compares what is made of each new object with what a real kube-apiserver made of it, and why bad ones are refused.
//!
//! `tests/{defaults,refusals}/record.sh` asked; the answers are committed, so that this runs without a real server.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Allocator, Builtins, Refusal, WriteContext};

const UID: &str = "00000000-0000-4000-8000-000000000000";
const NOW: &str = "2026-01-01T00:00:00Z";

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Lists the cases of a folder: name and request path.
fn cases(folder: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(tests().join(folder).join("paths.txt")).expect("paths.txt is there");
    let case = |line: &str| line.split_once(' ').map(|(name, path)| (format!("{folder}/{name}"), path.to_owned()));
    text.lines().map(|line| case(line).expect("a name and a path")).collect()
}

fn gvk(object: &Value) -> (String, String, String) {
    let api_version = object["apiVersion"].as_str().expect("an apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    (group.to_owned(), version.to_owned(), object["kind"].as_str().expect("a kind").to_owned())
}

fn read(name: &str) -> Value {
    let text = fs::read_to_string(tests().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Puts a constant in place of what differs from run to run.
fn steady(mut object: Value) -> Value {
    if let Some(uid) = object["metadata"]["uid"].as_str() {
        let text = object.to_string().replace(uid, UID);
        object = serde_json::from_str(&text).expect("a uid holds nothing that JSON escapes");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["creationTimestamp", "resourceVersion", "uid", "namespace"] {
            metadata.remove(field);
        }
    }
    if let Some(status) = object["status"].as_object_mut() {
        status.entry("lastPhaseTransitionTime").and_modify(|time| *time = json!(NOW));
    }
    let spec = &mut object["spec"];
    if spec["clusterIP"].as_str().is_some_and(|ip| ip != "None") {
        spec["clusterIP"] = json!("IP");
        spec["clusterIPs"] = json!(["IP"]);
    }
    if let Some(spec) = spec.as_object_mut() {
        spec.entry("healthCheckNodePort").and_modify(|port| *port = json!("PORT"));
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                port.entry("nodePort").and_modify(|port| *port = json!("PORT"));
            }
        }
    }
    object
}

/// Lists the paths at which two values differ.
fn differences(path: &str, want: &Value, have: &Value, found: &mut Vec<String>) {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            let mut keys: Vec<&String> = want.keys().chain(have.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let none = Value::String("(absent)".to_owned());
                let (want, have) = (want.get(key).unwrap_or(&none), have.get(key).unwrap_or(&none));
                differences(&format!("{path}.{key}"), want, have, found);
            }
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            for (at, (want, have)) in want.iter().zip(have).enumerate() {
                differences(&format!("{path}[{at}]"), want, have, found);
            }
        }
        _ if want == have => {}
        _ => found.push(format!("{path}: want {want}, have {have}")),
    }
}

/// Differences that are meant, by case and path.
const KNOWN: &[(&str, &str, &str)] = &[
    ("job-parallel", ".metadata.labels.", "Go lets both label maps be one, so the generated labels show up twice"),
    ("persistentvolume", ".metadata.finalizers", "admission's part"),
    ("pod", ".spec.preemptionPolicy", "admission's part"),
    ("pod", ".spec.priority", "admission's part"),
    ("pod", ".spec.tolerations", "admission's part"),
];

#[test]
fn new_objects_become_what_a_real_server_makes_of_them() {
    let builtins = Builtins::get();
    let mut found = Vec::new();
    let mut count = 0;
    for (case, path) in cases("defaults") {
        let name = case.trim_start_matches("defaults/");
        let (input, output) = (read(&format!("{case}.in.json")), read(&format!("{case}.out.json")));
        let (mut object, want) = (input, steady(output));
        let plural = path.rsplit('/').next().expect("a path ends in a plural");
        let (group, version, kind) = gvk(&object);
        assert_eq!(builtins.by_plural(&group, &version, plural).map(|resource| &resource.kind), Some(&kind), "{name}");

        let unknown = builtins.normalize(&group, &version, &kind, &mut object).expect("it decodes");
        assert_eq!(unknown, Vec::<String>::new(), "{name}");
        let allocator = Allocator::default();
        let ctx = WriteContext { uid: UID, now: NOW, allocator: &allocator, dry_run: false, shares_labels: false };
        builtins.prepare_create(&group, &version, &kind, &mut object, &ctx).expect("it can be created");
        builtins.read_back(&group, &version, &kind, &mut object);
        if builtins.sets_generation(&group, &kind) {
            object["metadata"]["generation"] = json!(1);
        }
        identify(&mut object, path.contains("/namespaces/"));
        let problems = builtins.validate(&group, &kind, &object, None);
        object["metadata"].as_object_mut().expect("every object has metadata").remove("uid");
        assert_eq!(problems, [], "{name}");

        let mut again = object.clone();
        builtins.normalize(&group, &version, &kind, &mut again).expect("it decodes");
        assert_eq!(again, object, "{name}: a second round changes nothing");

        let mut here = Vec::new();
        differences("", &want, &steady(object), &mut here);
        here.retain(|line| !KNOWN.iter().any(|(case, path, _)| name.starts_with(case) && line.starts_with(path)));
        found.extend(here.into_iter().map(|line| format!("{name} {line}")));
        count += 1;
    }
    assert!(found.is_empty(), "{} differences in {count} objects:\n{}", found.len(), found.join("\n"));
    assert!(count >= 60, "only {count} objects were compared");
}

/// Gives an object what the registry has given it by the time it is validated.
fn identify(object: &mut Value, namespaced: bool) {
    object["metadata"]["uid"] = json!(UID);
    if namespaced && object["metadata"].get("namespace").is_none() {
        object["metadata"]["namespace"] = json!("default");
    }
}

/// Says why an object is refused, in the words of the server; empty when it is not.
fn refusal(builtins: &Builtins, mut object: Value) -> String {
    let (group, version, kind) = gvk(&object);
    if let Err(error) = builtins.normalize(&group, &version, &kind, &mut object) {
        return format!("{kind} in version {version:?} cannot be handled as a {kind}: {error}");
    }
    let allocator = Allocator::default();
    let ctx = WriteContext { uid: UID, now: NOW, allocator: &allocator, dry_run: true, shares_labels: false };
    let mut problems = match builtins.prepare_create(&group, &version, &kind, &mut object, &ctx) {
        Ok(()) => {
            let resource = builtins.by_kind(&group, &version, &kind);
            identify(&mut object, resource.is_some_and(|resource| resource.namespaced));
            builtins.validate(&group, &kind, &object, None)
        }
        Err(Refusal::Invalid(problems)) => problems,
        Err(refusal) => panic!("{refusal:?}"),
    };
    if problems.is_empty() {
        return String::new();
    }
    let dot = if group.is_empty() { "" } else { "." };
    let name = &object["metadata"]["name"];
    let all: Vec<String> = problems.drain(..).map(|problem| problem.to_string()).collect();
    let shown = if all.len() == 1 { all[0].clone() } else { format!("[{}]", all.join(", ")) };
    format!("{kind}{dot}{group} {name} is invalid: {shown}")
}

#[test]
fn bad_objects_are_refused_in_the_words_of_a_real_server() {
    let mut found = Vec::new();
    let cases = cases("refusals");
    for (case, _) in &cases {
        let want = read(&format!("{case}.out.json"))["message"].as_str().unwrap_or_default().to_owned();
        let have = refusal(Builtins::get(), read(&format!("{case}.in.json")));
        if want != have && !DIFFERENT_WORDS.iter().any(|(known, _)| case.ends_with(known)) {
            found.push(format!("{case}\n  want {want}\n  have {have}"));
        }
    }
    assert!(found.is_empty(), "{} of {} differ:\n{}", found.len(), cases.len(), found.join("\n"));
}

/// Refusals whose words differ on purpose, and why.
const DIFFERENT_WORDS: &[(&str, &str)] = &[
    ("deployment-strategy", "Go prints its internal struct, whose field names no client knows"),
    ("pdb", "Go prints its internal struct, whose field names no client knows"),
    ("service-ports", "Go prints its internal struct, whose field names no client knows"),
];
