//! Charts of our own making, with what Helm 4.3.1 printed for them.
//!
//! With `BOWLINE_HELM` naming that binary, Helm is asked again and its answers are written down.

mod support;

use std::path::Path;
use std::process::Command;

use bowline_helm::values::ValueSources;
use bowline_tree::{MemoryTree, TreePath};
use serde_json::{Map, Value as Json};
use support::{Call, helm_template};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/charts.json");

fn strings(case: &Json, key: &str) -> Vec<String> {
    let list = case[key].as_array().map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn files(case: &Json) -> &Map<String, Json> {
    case["files"].as_object().expect("holds because every case has files")
}

#[test]
fn charts_render_as_by_helm() {
    let text = std::fs::read_to_string(CASES).expect("the cases are there");
    let mut cases: Vec<Json> = serde_json::from_str(&text).expect("the cases are JSON");
    if let Some(helm) = std::env::var_os("BOWLINE_HELM") {
        for case in &mut cases {
            case["answer"] = Json::String(ask(Path::new(&helm), case));
        }
        let text = serde_json::to_string_pretty(&cases).expect("cases are values");
        std::fs::write(CASES, text + "\n").expect("the cases can be written");
    }
    let mut wrong = Vec::new();
    for case in &cases {
        let mut tree = MemoryTree::new();
        for (name, content) in files(case) {
            let content = content.as_str().unwrap_or_default().to_owned();
            tree.insert(TreePath::parse(name).expect("is inside"), content);
        }
        let call = Call {
            name: "rel".to_owned(),
            namespace: "ns".to_owned(),
            kube_version: case["kube-version"].as_str().map(str::to_owned),
            api_versions: strings(case, "api-versions"),
            values: ValueSources {
                files: strings(case, "values"),
                json: strings(case, "set-json"),
                set: strings(case, "set"),
                strings: strings(case, "set-string"),
                set_files: strings(case, "set-file"),
                literals: strings(case, "set-literal"),
            },
        };
        let read = |name: &str| {
            let content = files(case).get(name).and_then(Json::as_str);
            content
                .map(|text| text.as_bytes().to_vec())
                .ok_or_else(|| format!("open {name}: no such file or directory"))
        };
        let got = match helm_template(&tree, &TreePath::root(), &call, &read) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => format!("Error: {error}\n"),
        };
        if Some(got.as_str()) != case["answer"].as_str() {
            wrong.push(format!("{}:\n got  {got:?}\n want {}", case["name"], case["answer"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn ask(helm: &Path, case: &Json) -> String {
    let directory = tempfile::tempdir().expect("a directory can be made");
    for (name, content) in files(case) {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("is in the directory")).expect("directories can be made");
        std::fs::write(path, content.as_str().unwrap_or_default()).expect("files can be written");
    }
    let mut command = Command::new(helm);
    command.current_dir(directory.path()).args(["template", "rel", ".", "--namespace", "ns", "--include-crds"]);
    if let Some(version) = case["kube-version"].as_str() {
        command.args(["--kube-version", version]);
    }
    for flag in ["values", "set-json", "set", "set-string", "set-file", "set-literal", "api-versions"] {
        for value in strings(case, flag) {
            command.arg(format!("--{flag}")).arg(value);
        }
    }
    let output = command.output().expect("helm runs");
    if output.status.success() {
        return String::from_utf8_lossy(&output.stdout).into_owned();
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // What Helm logs is no part of its error.
    text.split_inclusive('\n').filter(|line| !line.starts_with("level=") && !line.starts_with("20")).collect()
}
