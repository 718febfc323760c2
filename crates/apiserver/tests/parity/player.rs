//! Plays a script on one server.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::hooks::Hooks;
use super::normal::Normal;
use super::script::{Act, Case, Step};
use super::server::{Asked, Credentials, Lines, Server};

/// How long a condition may take to come true, and an event to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
const EVENT_PATIENCE: Duration = Duration::from_secs(10);
/// How long the real server is given to take notice of webhooks and definitions.
const SETTLING: Duration = Duration::from_millis(1500);
const BETWEEN_LOOKS: Duration = Duration::from_millis(40);

/// Returns one normalised answer a step.
pub(super) async fn play(case: &Case, server: &Server) -> Vec<Value> {
    let ns = format!("p-{}", case.name.replace('/', "-"));
    server.make_namespace(&ns).await;
    let mut saved = BTreeMap::from([("id".to_owned(), ns.replace('-', "")), ("ns".to_owned(), ns)]);
    let mut player = Player { server, normal: Normal::default(), watches: BTreeMap::new() };
    let hooks = case.has_hooks.then(Hooks::start);
    if let Some(hooks) = &hooks {
        saved.insert("hookport".to_owned(), hooks.port().to_string());
        saved.insert("hookca".to_owned(), hooks.ca());
        player.normal.call(&hooks.ca(), "<hook authority>");
        player.normal.call(&format!("localhost:{}", hooks.port()), "<hook>");
    }
    let mut answers = Vec::new();
    for step in &case.steps {
        let answer = match &step.act {
            Act::Collect { watch, count } => player.collect(watch, *count).await,
            Act::Request { raw, watch } => player.request(step, raw, watch.as_deref(), &mut saved).await,
            Act::Hook { path, raw } => {
                let hooks = hooks.as_ref().expect("holds because a script that scripts webhooks names them");
                hooks.answer(path, fill(raw, &saved));
                json!({})
            }
            Act::Reviews => {
                let hooks = hooks.as_ref().expect("holds because a script that scripts webhooks names them");
                let reviews: Vec<Value> =
                    hooks.take_reviews().into_iter().map(|review| player.normal.object(review)).collect();
                json!({ "reviews": reviews })
            }
        };
        if step.settle && matches!(server, Server::Real { .. }) {
            tokio::time::sleep(SETTLING).await;
        }
        answers.push(reduce(step, answer));
    }
    answers
}

struct Player<'a> {
    server: &'a Server,
    normal: Normal,
    watches: BTreeMap<String, Lines>,
}

impl Player<'_> {
    async fn request(
        &mut self,
        step: &Step,
        raw: &Value,
        watch: Option<&str>,
        saved: &mut BTreeMap<String, String>,
    ) -> Value {
        let asked = fill(raw, saved);
        let begin = Instant::now();
        loop {
            let answer = self.server.ask(&to_request(&asked)).await;
            if let Some(name) = watch.filter(|_| answer.status == 200) {
                let headers = self.normal.headers(&answer.headers);
                self.watches.insert(name.to_owned(), Lines::new(answer.body));
                return json!({ "status": answer.status, "headers": headers });
            }
            let (status, headers) = (answer.status, answer.headers.clone());
            let bytes = answer.whole().await;
            let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            if !is_reached(&asked, status, &value) && begin.elapsed() < PATIENCE {
                tokio::time::sleep(BETWEEN_LOOKS).await;
                continue;
            }
            for (name, pointer) in &step.save {
                let found = value.pointer(pointer).cloned().unwrap_or_default();
                saved.insert(name.clone(), found.as_str().map_or_else(|| found.to_string(), str::to_owned));
            }
            let headers = self.normal.headers(&headers);
            return json!({ "status": status, "headers": headers, "body": self.normal.body(&bytes) });
        }
    }

    async fn collect(&mut self, watch: &str, count: usize) -> Value {
        let Some(lines) = self.watches.get_mut(watch) else { return json!({ "events": "the watch is not open" }) };
        let mut events = Vec::new();
        while events.len() < count {
            match tokio::time::timeout(EVENT_PATIENCE, lines.next()).await {
                Err(_) => {
                    events.push(json!("<none came>"));
                    break;
                }
                Ok(None) => {
                    events.push(json!("<closed>"));
                    break;
                }
                Ok(Some(line)) => match serde_json::from_slice::<Value>(&line) {
                    Ok(event) if is_plain_bookmark(&event) => {}
                    Ok(event) => {
                        let mut object = event["object"].clone();
                        if event["type"] == "BOOKMARK" && object["metadata"].is_object() {
                            object["metadata"]["resourceVersion"] = json!("<list-rv>");
                        }
                        events.push(json!({ "type": event["type"], "object": self.normal.object(object) }));
                    }
                    Err(_) => events.push(self.normal.body(&line)),
                },
            }
        }
        json!({ "events": events })
    }
}

fn is_plain_bookmark(event: &Value) -> bool {
    event["type"] == "BOOKMARK"
        && event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"].as_str().is_none()
}

/// Puts what was saved in place of `${name}`.
fn fill(raw: &Value, saved: &BTreeMap<String, String>) -> Value {
    match raw {
        Value::String(text) if text.contains("${") => {
            let mut text = text.clone();
            for (name, value) in saved {
                text = text.replace(&format!("${{{name}}}"), value);
            }
            Value::String(text)
        }
        Value::Array(all) => all.iter().map(|value| fill(value, saved)).collect(),
        Value::Object(map) => {
            let filled: Map<String, Value> = map
                .iter()
                .map(|(key, value)| {
                    let Value::String(key) = fill(&json!(key), saved) else { unreachable!("a text stays a text") };
                    (key, fill(value, saved))
                })
                .collect();
            Value::Object(filled)
        }
        other => other.clone(),
    }
}

fn to_request(asked: &Value) -> Asked {
    let (method, path) = asked["do"].as_str().and_then(|text| text.split_once(' ')).unwrap_or_default();
    let body = match (&asked["body"], asked["body64"].as_str()) {
        (_, Some(text)) => {
            Bytes::from(base64::engine::general_purpose::STANDARD.decode(text).expect("`body64` is base64"))
        }
        (Value::Null, None) => Bytes::new(),
        (Value::String(text), None) => Bytes::from(text.clone()),
        (other, None) => Bytes::from(other.to_string()),
    };
    let mut headers: Vec<(String, String)> = vec![("user-agent".to_owned(), "parity/1.0".to_owned())];
    let given = asked["headers"].as_object();
    let has = |name: &str| given.is_some_and(|given| given.keys().any(|key| key.eq_ignore_ascii_case(name)));
    if !has("accept") {
        headers.push(("accept".to_owned(), "*/*".to_owned()));
    }
    if !body.is_empty() && !has("content-type") {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    for (name, value) in given.into_iter().flatten() {
        let one = |value: &Value| (name.to_ascii_lowercase(), value.as_str().unwrap_or_default().to_owned());
        headers.retain(|(have, _)| !(have == "user-agent" && name.eq_ignore_ascii_case("user-agent")));
        match value {
            Value::Array(all) => headers.extend(all.iter().map(one)),
            // Null leaves out a header that would be sent by itself.
            Value::Null => {}
            value => headers.push(one(value)),
        }
    }
    let credentials = match &asked["as"] {
        Value::String(text) if text == "anonymous" => Credentials::None,
        Value::Object(map) => Credentials::Token(map["token"].as_str().unwrap_or_default().to_owned()),
        _ => Credentials::Admin,
    };
    Asked { method: method.to_owned(), path: path.to_owned(), headers, body, credentials }
}

fn is_reached(asked: &Value, status: u16, value: &Value) -> bool {
    let is_status = asked["until_status"].as_u64().is_none_or(|want| want == u64::from(status));
    let is_there = asked["until"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(pointer, want)| value.pointer(pointer).unwrap_or(&Value::Null) == want);
    let is_long = asked["until_len"].as_object().into_iter().flatten().all(|(pointer, want)| {
        value.pointer(pointer).and_then(Value::as_array).map(|all| all.len() as u64) == want.as_u64()
    });
    is_status && is_there && is_long
}

/// Leaves of an answer what the step compares.
fn reduce(step: &Step, mut answer: Value) -> Value {
    if let Some(only) = &step.only {
        let mut kept = Map::new();
        for pointer in only {
            kept.insert(pointer.clone(), answer["body"].pointer(pointer).cloned().unwrap_or(Value::Null));
        }
        if answer.get("body").is_some() {
            answer["body"] = Value::Object(kept);
        }
    }
    let root = ["events", "reviews"].into_iter().find(|root| answer.get(root).is_some()).unwrap_or("body");
    for pointer in &step.ignore {
        let from = match pointer.strip_prefix("headers:") {
            Some(name) => {
                if let Some(headers) = answer["headers"].as_object_mut() {
                    headers.remove(name);
                }
                continue;
            }
            None => &mut answer[root],
        };
        remove(from, &pointer.split('/').skip(1).collect::<Vec<_>>());
    }
    answer
}

/// Removes what a pointer names; `*` stands for every item.
fn remove(value: &mut Value, path: &[&str]) {
    match (path, value) {
        ([], _) => {}
        (["*", rest @ ..], Value::Array(all)) => all.iter_mut().for_each(|value| remove(value, rest)),
        (["*", rest @ ..], Value::Object(map)) => map.values_mut().for_each(|value| remove(value, rest)),
        ([last], Value::Object(map)) => {
            map.remove(&last.replace("~1", "/").replace("~0", "~"));
        }
        ([key, rest @ ..], Value::Object(map)) => {
            if let Some(value) = map.get_mut(&key.replace("~1", "/").replace("~0", "~")) {
                remove(value, rest);
            }
        }
        ([index, rest @ ..], Value::Array(all)) => {
            if let Some(value) = index.parse::<usize>().ok().and_then(|index| all.get_mut(index)) {
                remove(value, rest);
            }
        }
        _ => {}
    }
}
