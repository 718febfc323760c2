//! Every plugin that Kustomize has built in, each with what it takes and what it refuses; hashes of other kinds; and the
//! older words of fields.
//!
//! `plugins/cases.txt` holds kustomizations, `plugins/answers.json` what Kustomize answered. Where `BOWLINE_KUSTOMIZE` names
//! the referee (`conformance/kustomize`) it is asked again; with `UPDATE=1` its answers are written down.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use bowline_kustomize::{Options, Order, build};
use bowline_tree::{MemoryTree, TreePath};
use serde_json::{Value, json};

/// What every case has beside its kustomization.
const FILES: [(&str, &str); 6] = [
    (
        "/top/web.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels: {app: web}\nspec:\n  replicas: 1\n  \
         selector:\n    matchLabels: {app: web}\n  template:\n    metadata:\n      labels: {app: web}\n    spec:\n      \
         containers:\n      - name: web\n        image: shop/web:1\n        env:\n        - name: A\n          value: a\n        \
         envFrom:\n        - configMapRef: {name: settings}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n\
         data:\n  a: one\n  b: two:three\n",
    ),
    (
        "/top/roles.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: bind\nroleRef: {kind: Role, name: r, \
         apiGroup: rbac.authorization.k8s.io}\nsubjects:\n- {kind: ServiceAccount, name: default}\n- {kind: ServiceAccount, \
         name: other, namespace: x}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: other\n  namespace: x\n",
    ),
    ("/top/merge.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 7\n"),
    ("/top/json.yaml", "- {op: replace, path: /spec/replicas, value: 8}\n"),
    (
        "/top/replace.yaml",
        "- source: {kind: ConfigMap, name: settings, fieldPath: data.a}\n  targets:\n  - select: {kind: Deployment}\n    \
         fieldPaths: [metadata.annotations.from]\n    options: {create: true}\n",
    ),
    ("/top/targets.yaml", "targets:\n- selector: {kind: Deployment}\n  fieldPath: metadata/annotations/place\n"),
];

fn cases() -> Vec<(String, String)> {
    let text = include_str!("plugins/cases.txt");
    let cases = text.split("=== ").skip(1);
    cases
        .map(|case| {
            let (name, kustomization) = case.split_once('\n').expect("a case has a name and a kustomization");
            (name.to_owned(), kustomization.to_owned())
        })
        .collect()
}

fn ours(kustomization: &str) -> Value {
    let mut tree = MemoryTree::new();
    for (name, content) in FILES.iter().chain(&[("/top/kustomization.yaml", kustomization)]) {
        tree.insert(TreePath::parse(name).expect("is inside"), (*content).to_owned());
    }
    let options = Options { order: Order::None, ..Options::default() };
    match build(&tree, &TreePath::parse("top").expect("is inside"), &options) {
        Ok(built) => json!({ "out": built.to_yaml() }),
        Err(error) => json!({ "err": error.to_string() }),
    }
}

fn theirs(referee: &Path, cases: &[(String, String)]) -> Vec<Value> {
    let mut child =
        Command::new(referee).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the referee starts");
    let mut input = child.stdin.take().expect("is piped");
    let mut output = BufReader::new(child.stdout.take().expect("is piped"));
    let mut answers = Vec::new();
    for (_, kustomization) in cases {
        let mut files: serde_json::Map<String, Value> =
            FILES.iter().map(|(name, content)| ((*name).to_owned(), json!(content))).collect();
        files.insert("/top/kustomization.yaml".to_owned(), json!(kustomization));
        writeln!(input, "{}", json!({"files": files, "path": "/top", "order": "none"})).expect("the referee listens");
        let mut line = String::new();
        output.read_line(&mut line).expect("the referee answers");
        let mut answer: Value = serde_json::from_str(&line).expect("the referee answers in JSON");
        // What follows tells where things lie in memory.
        const MARK: &str = "nodes unequal";
        if let Some((before, _)) = answer["err"].as_str().and_then(|why| why.split_once(MARK)) {
            answer["err"] = json!(format!("{before}{MARK}"));
        }
        answers.push(answer);
    }
    drop(input);
    child.wait().expect("the referee ends");
    answers
}

#[test]
fn every_plugin_does_what_kustomize_has_it_do() {
    let cases = cases();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins/answers.json");
    let mut answers: Vec<Value> =
        std::fs::read(&recorded).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    if let Some(referee) = std::env::var_os("BOWLINE_KUSTOMIZE") {
        let now = theirs(Path::new(&referee), &cases);
        if std::env::var_os("UPDATE").is_some() {
            let text = serde_json::to_string_pretty(&now).expect("answers are values");
            std::fs::write(&recorded, text + "\n").expect("answers can be written");
            answers = now;
        } else {
            assert_eq!(answers, now, "Kustomize answers otherwise than is recorded");
        }
    }
    assert_eq!(answers.len(), cases.len(), "every case has an answer");
    let mut wrong = Vec::new();
    let mut failed = 0;
    for ((name, kustomization), want) in cases.iter().zip(&answers) {
        let have = ours(kustomization);
        failed += usize::from(want.get("err").is_some());
        let text = |answer: &Value| answer["out"].as_str().or(answer["err"].as_str()).unwrap_or_default().to_owned();
        if have.get("out") != want.get("out") || have.get("err").is_some() != want.get("err").is_some() {
            wrong.push(format!("{name}:\n--- have\n{}\n--- want\n{}", text(&have), text(want)));
        } else if have != *want && std::env::var_os("BOWLINE_WORDS").is_some() {
            eprintln!("{name}: other words\n  have {}\n  want {}", text(&have), text(want));
        }
    }
    eprintln!("plugins: {} cases, {failed} that fail in both", cases.len());
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
