//! Playing a sequence against a server, and making what two servers answered comparable.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bowline_apiserver::{Clock, Cluster, Options};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use regex::Regex;
use serde_json::{Value, json};
use tower::ServiceExt;

/// What a server said.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn to_json(&self) -> Value {
        json!({"status": self.status, "warnings": self.warnings, "body": self.body})
    }
}

/// A request, ready to be sent.
struct Sent<'a> {
    method: &'a str,
    path: &'a str,
    content_type: &'a str,
    body: Option<&'a Value>,
}

/// A server.
#[derive(Clone)]
pub(crate) enum Server {
    /// One that listens, with its address and token.
    Real { client: reqwest::Client, address: String, token: String },
    /// Ours, whose clock shows what the cell says.
    Ours { cluster: Cluster, now: Arc<Mutex<Timestamp>> },
}

impl Server {
    pub(crate) fn ours() -> Self {
        let now = Arc::new(Mutex::new(Timestamp::UNIX_EPOCH));
        let shown = Arc::clone(&now);
        let clock = Clock::new(move || *shown.lock().expect("holds because no holder panics"));
        Self::Ours { cluster: Cluster::new(Options { clock, controllers: false, ..Options::default() }), now }
    }

    pub(crate) fn set_time(&self, time: Timestamp) {
        if let Self::Ours { now, .. } = self {
            *now.lock().expect("holds because no holder panics") = time;
        }
    }

    async fn send(&self, sent: &Sent<'_>) -> Answer {
        let bytes = sent.body.map(|body| serde_json::to_vec(body).expect("a value prints")).unwrap_or_default();
        match self {
            Self::Real { client, address, token } => {
                let method = sent.method.parse().expect("a method");
                let request = client
                    .request(method, format!("{address}{}", sent.path))
                    .bearer_auth(token)
                    .header("content-type", sent.content_type)
                    .header("user-agent", "sequences/1.0")
                    .body(bytes);
                let answer = request.send().await.expect("the real server answers");
                let status = answer.status().as_u16();
                let warnings = warnings(answer.headers());
                let bytes = answer.bytes().await.expect("the real server answers whole");
                Answer { status, warnings, body: body_of(&bytes) }
            }
            Self::Ours { cluster, .. } => {
                let request = Request::builder()
                    .method(sent.method)
                    .uri(sent.path)
                    .header("content-type", sent.content_type)
                    .header("user-agent", "sequences/1.0")
                    .body(Full::new(Bytes::from(bytes)))
                    .expect("a request");
                let answer = cluster.service().oneshot(request).await.expect("our server answers");
                let status = answer.status().as_u16();
                let warnings = warnings(answer.headers());
                let bytes = answer.into_body().collect().await.expect("our server answers whole").to_bytes();
                Answer { status, warnings, body: body_of(&bytes) }
            }
        }
    }

    /// Makes the namespace and the definitions that sequences need.
    pub(crate) async fn prepare(&self, ns: &str, definitions: &[Value]) {
        for definition in definitions {
            let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
            let answer = self.post(path, definition).await;
            assert!(matches!(answer.status, 201 | 409), "a definition is refused: {}", answer.body);
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}});
        let answer = self.post("/api/v1/namespaces", &namespace).await;
        assert_eq!(answer.status, 201, "the namespace is refused: {}", answer.body);
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(&Sent { method: "POST", path, content_type: "application/json", body: Some(body) }).await
    }

    pub(crate) async fn get_status(&self, path: &str) -> u16 {
        self.send(&Sent { method: "GET", path, content_type: "", body: None }).await.status
    }

    /// Carries out a step; an edit reads the object first, and both answers are returned.
    pub(crate) async fn play(&self, step: &Value, names: &[(&str, &str)]) -> Vec<Answer> {
        let mut text = step.to_string();
        for (placeholder, name) in names {
            text = text.replace(placeholder, name);
        }
        let step: Value = serde_json::from_str(&text).expect("a step");
        let (method, path) = step["do"].as_str().and_then(|words| words.split_once(' ')).expect("`do` has two words");
        let content_type = step["type"].as_str().unwrap_or("application/json");
        let mut answers = Vec::new();
        let mut body = step.get("body").cloned();
        if step.get("edit").is_some() || step.get("migrate").is_some() {
            let plain = path.split('?').next().unwrap_or_default();
            let live = self.send(&Sent { method: "GET", path: plain, content_type, body: None }).await;
            let found = live.status == 200;
            let object = live.body.clone();
            answers.push(live);
            if !found {
                return answers;
            }
            body = Some(match step.get("edit") {
                Some(edits) => edited(object, edits),
                None => migration(&object, step["migrate"].as_str().unwrap_or_default()),
            });
        }
        answers.push(self.send(&Sent { method, path, content_type, body: body.as_ref() }).await);
        answers
    }
}

fn warnings(headers: &http::HeaderMap) -> Vec<String> {
    headers.get_all("warning").iter().map(|value| value.to_str().unwrap_or_default().to_owned()).collect()
}

fn body_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

fn edited(mut object: Value, edits: &Value) -> Value {
    for edit in edits.as_array().into_iter().flatten() {
        if let Some(change) = edit.get("merge") {
            json_patch::merge(&mut object, change);
        } else if let Some(at) = edit["remove"].as_str() {
            let removal = json!([{"op": "remove", "path": at}]);
            let operations: json_patch::Patch = serde_json::from_value(removal).expect("a patch");
            // What is not there need not be removed.
            drop(json_patch::patch(&mut object, &operations));
        } else if let Some(number) = edit["entry"].as_u64() {
            if let Some(entry) = entry_at(&mut object, number) {
                for (key, value) in edit["set"].as_object().into_iter().flatten() {
                    entry[key] = value.clone();
                }
            }
        } else if let Some(number) = edit["drop-entry"].as_u64() {
            if let Some(entries) = object["metadata"]["managedFields"].as_array_mut().filter(|all| !all.is_empty()) {
                entries.remove(number as usize % entries.len());
            }
        } else if let Some(at) = edit["set"].as_str() {
            let addition = json!([{"op": "add", "path": at, "value": edit["value"]}]);
            let operations: json_patch::Patch = serde_json::from_value(addition).expect("a patch");
            drop(json_patch::patch(&mut object, &operations));
        }
    }
    object
}

fn entry_at(object: &mut Value, number: u64) -> Option<&mut Value> {
    let entries = object["metadata"]["managedFields"].as_array_mut()?;
    let count = entries.len();
    entries.get_mut(number as usize % count.max(1))
}

/// What kubectl sends before its first server-side apply of an object it applied on its own side.
fn migration(object: &Value, manager: &str) -> Value {
    let mut entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    for entry in &mut entries {
        if entry["operation"] == "Update" && entry.get("subresource").is_none() {
            entry["operation"] = json!("Apply");
            entry["manager"] = json!(manager);
            break;
        }
    }
    json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": object["metadata"]["resourceVersion"]},
    ])
}

/// Replaces what two servers cannot agree on by labels, in the order of its appearance.
pub(crate) struct Normal {
    uids: BTreeMap<String, usize>,
    versions: BTreeMap<String, usize>,
    addresses: BTreeMap<String, usize>,
    names: Vec<(String, String)>,
    uid: Regex,
    volume: Regex,
    version: Regex,
}

impl Normal {
    pub(crate) fn new(names: &[(&str, &str)]) -> Self {
        Self {
            uids: BTreeMap::new(),
            versions: BTreeMap::new(),
            addresses: BTreeMap::new(),
            names: names.iter().map(|(placeholder, name)| ((*name).to_owned(), (*placeholder).to_owned())).collect(),
            uid: Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}").expect("a pattern"),
            volume: Regex::new("^kube-api-access-[a-z0-9]{5}$").expect("a pattern"),
            version: Regex::new(r#"(\\?"resourceVersion\\?":\\?")(\d+)"#).expect("a pattern"),
        }
    }

    pub(crate) fn answer(&mut self, answer: &Answer) -> Value {
        let mut value = answer.to_json();
        self.value(&mut value, "");
        // Go tells of the managers in conflict in the order of a map, another one each time.
        if let Some(causes) = value.pointer_mut("/body/details/causes").and_then(Value::as_array_mut)
            && causes.first().is_some_and(|cause| cause["reason"] == "FieldManagerConflict")
        {
            causes.sort_by_key(|cause| cause["message"].to_string());
        }
        if value["body"]["details"]["group"] == CUSTOM_GROUP {
            sort_causes(&mut value["body"]);
        }
        if let Some(message) = value["body"]["message"].as_str().and_then(steady_faults) {
            value["body"]["message"] = json!(message);
        }
        value
    }

    fn value(&mut self, value: &mut Value, key: &str) {
        match value {
            Value::Object(map) => {
                for (key, below) in map.iter_mut() {
                    self.value(below, key);
                }
                let renamed = map.keys().any(|key| self.names.iter().any(|(name, _)| key.contains(name.as_str())));
                if renamed {
                    *map = std::mem::take(map).into_iter().map(|(key, below)| (self.plain(&key), below)).collect();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item, key)),
            Value::String(text) => *text = self.text(text, key),
            Value::Number(_) if matches!(key, "nodePort" | "healthCheckNodePort") => {
                let label = label(&mut self.addresses, &value.to_string());
                *value = json!(format!("<port-{label}>"));
            }
            _ => {}
        }
    }

    fn plain(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, placeholder)| text.replace(name, placeholder))
    }

    fn text(&mut self, text: &str, key: &str) -> String {
        if key == "resourceVersion" && text.parse::<u64>().is_ok_and(|version| version > 1) {
            return format!("<rv-{}>", label(&mut self.versions, text));
        }
        if matches!(key, "clusterIP" | "clusterIPs") && text.parse::<std::net::IpAddr>().is_ok() {
            return format!("<ip-{}>", label(&mut self.addresses, text));
        }
        if self.volume.is_match(text) {
            return format!("kube-api-access-<{}>", label(&mut self.addresses, text));
        }
        let text = self.plain(text);
        let uids = &mut self.uids;
        let text = self.uid.replace_all(&text, |found: &regex::Captures<'_>| {
            if found[0].starts_with("00000000") {
                found[0].to_owned()
            } else {
                format!("<uid-{}>", label(uids, &found[0]))
            }
        });
        let versions = &mut self.versions;
        let text = self.version.replace_all(&text, |found: &regex::Captures<'_>| {
            format!("{}<rv-{}>", &found[1], label(versions, &found[2]))
        });
        text.into_owned()
    }
}

/// The group of the custom resources that sequences are about.
const CUSTOM_GROUP: &str = "seq.bowline.test";

/// Sorts what is wrong with a custom resource: Go goes through a schema's fields in the order of a map, another one each
/// time.
fn sort_causes(body: &mut Value) {
    if let Some(causes) = body.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
        causes.sort_by_key(Value::to_string);
    }
    let list = body["message"].as_str().and_then(|message| message.split_once(" is invalid: ["));
    if let Some((what, list)) = list {
        let mut items: Vec<&str> = list.trim_end_matches(']').split(", ").collect();
        items.sort_unstable();
        body["message"] = json!(format!("{what} is invalid: [{}]", items.join(", ")));
    }
}

/// Tells the faults of a configuration in one order, and of one with an unknown field only that it has one: Go goes through
/// fields in the order of a map, and stops at the first it does not know.
fn steady_faults(message: &str) -> Option<String> {
    const UNKNOWN: &str = "field not declared in schema";
    let at = message.find("errors:\n").or_else(|| message.find(": .").map(|at| at + 2))?;
    let (what, faults) = message.split_at(at);
    if faults.contains(UNKNOWN) {
        return Some(format!("{what}{UNKNOWN}"));
    }
    let mut lines: Vec<&str> = faults.lines().collect();
    lines.sort_unstable();
    Some(format!("{what}{}", lines.join("\n")))
}

fn label(labels: &mut BTreeMap<String, usize>, text: &str) -> usize {
    let next = labels.len() + 1;
    *labels.entry(text.to_owned()).or_insert(next)
}

/// Tells where two values differ.
pub(crate) fn differences(at: &str, want: &Value, have: &Value, out: &mut Vec<String>) {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            for (key, want) in want {
                match have.get(key) {
                    Some(have) => differences(&format!("{at}/{key}"), want, have, out),
                    None => out.push(format!("{at}/{key}: want {want}, have nothing")),
                }
            }
            for (key, have) in have.iter().filter(|(key, _)| !want.contains_key(*key)) {
                out.push(format!("{at}/{key}: want nothing, have {have}"));
            }
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            for (index, (want, have)) in want.iter().zip(have).enumerate() {
                differences(&format!("{at}/{index}"), want, have, out);
            }
        }
        _ if want == have || same_number(want, have) => {}
        _ => out.push(format!("{at}: want {want}, have {have}")),
    }
}

fn same_number(want: &Value, have: &Value) -> bool {
    matches!((want.as_f64(), have.as_f64()), (Some(want), Some(have)) if want.to_bits() == have.to_bits())
}
