//! Runs every file of `tests/cases`: one request a line, with what must come back.
//!
//! A line is `{"do": "METHOD /path", "headers": {}, "body": …, "status": 200, "want": {…}, "absent": ["/pointer"],
//! "says": ["text of the reply"], "warns": ["text"], "save": {"name": "/pointer"}}`; all but `do` and `status` may be left
//! out. `want` is a part of the reply: objects may hold more, lists may not. `${name}` stands for what was saved. Each
//! file has a cluster of its own; lines that begin with `#` say what is shown.

use std::collections::BTreeMap;
use std::path::Path;

use bowline_apiserver::{Body, Cluster, Options};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::ServiceExt;

#[tokio::test]
async fn every_step_gets_its_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of cases is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let (mut steps, mut wrong) = (0, Vec::new());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a case can be read");
        let cluster = Cluster::new(Options { controllers: false, ..Options::default() });
        let mut saved = BTreeMap::new();
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            steps += 1;
            if let Err(told) = run(&cluster, line, &mut saved).await {
                wrong.push(format!("{name}:{}: {told}", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {steps} steps went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

async fn run(cluster: &Cluster, line: &str, saved: &mut BTreeMap<String, String>) -> Result<(), String> {
    let mut text = line.to_owned();
    for (name, value) in saved.iter() {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    let step: Value = serde_json::from_str(&text).map_err(|error| format!("not a step: {error}"))?;
    let (method, path) = step["do"].as_str().and_then(|words| words.split_once(' ')).ok_or("`do` is missing")?;
    let mut request = Request::builder().method(method).uri(path).header("user-agent", "steps/1.0");
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap_or_default());
    }
    let body = match &step["body"] {
        Value::Null => Bytes::new(),
        Value::String(text) => Bytes::from(text.clone()),
        other => Bytes::from(other.to_string()),
    };
    let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    let answer = cluster.service().oneshot(request).await.map_err(|error| error.to_string())?;
    check(&step, answer, saved).await
}

async fn check(step: &Value, answer: Response<Body>, saved: &mut BTreeMap<String, String>) -> Result<(), String> {
    let status = answer.status().as_u16();
    let warnings: Vec<String> =
        answer.headers().get_all("warning").iter().map(|value| value.to_str().unwrap_or_default().to_owned()).collect();
    let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    let value: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut wrong = Vec::new();
    if step["status"] != status {
        wrong.push(format!("status {status}, want {}", step["status"]));
    }
    if let Some(want) = step.get("want") {
        differs("", want, &value, &mut wrong);
    }
    for pointer in step["absent"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.pointer(pointer).is_some() {
            wrong.push(format!("{pointer} is there"));
        }
    }
    for said in step["says"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !text.contains(said) && value["message"].as_str().is_none_or(|message| !message.contains(said)) {
            wrong.push(format!("does not say {said:?}"));
        }
    }
    for said in step["warns"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !warnings.iter().any(|warning| warning.replace('\\', "").contains(said)) {
            wrong.push(format!("does not warn {said:?} but {warnings:?}"));
        }
    }
    for (name, pointer) in step["save"].as_object().into_iter().flatten() {
        let found = value.pointer(pointer.as_str().unwrap_or_default()).cloned().unwrap_or_default();
        saved.insert(name.clone(), found.as_str().map_or_else(|| found.to_string(), str::to_owned));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let shown: String = text.chars().take(700).collect();
    Err(format!("{}: {}\n    {shown}", step["do"], wrong.join("; ")))
}

/// Tells where `have` lacks something of `want`.
fn differs(at: &str, want: &Value, have: &Value, wrong: &mut Vec<String>) {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            for (key, want) in want {
                differs(&format!("{at}/{key}"), want, have.get(key).unwrap_or(&Value::Null), wrong);
            }
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            for (index, (want, have)) in want.iter().zip(have).enumerate() {
                differs(&format!("{at}/{index}"), want, have, wrong);
            }
        }
        _ if want == have => {}
        _ => wrong.push(format!("{at} is {have}, want {want}")),
    }
}
