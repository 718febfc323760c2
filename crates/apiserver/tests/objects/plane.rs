//! The two servers, and what is put aside before their answers are compared.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bowline_apiserver::Cluster;
use bowline_apiserver::builtins::Builtins;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const AGENT: &str = "objects/1.0";

/// What a server answered; of status 0 where it answered nothing.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Value,
}

/// A real control plane; one that was started here ends with it.
pub(crate) struct Plane {
    child: Option<Child>,
    server: String,
    token: String,
    client: reqwest::Client,
}

impl Plane {
    pub(crate) fn from_environment() -> Option<Self> {
        let program = std::env::var("BOWLINE_JUDGE").ok()?;
        let (child, line) = if Path::new(&program).extension().is_some_and(|ending| ending == "json") {
            (None, std::fs::read_to_string(&program).expect("the ready file can be read"))
        } else {
            let mut child = Command::new(&program)
                .args(["-housekeeping", "-service-accounts", "-nodes", "0"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("the control plane can be started");
            let mut line = String::new();
            let out = child.stdout.take().expect("its output is a pipe");
            BufReader::new(out).read_line(&mut line).expect("it says where it is");
            (Some(child), line)
        };
        let ready: Value = serde_json::from_str(&line).expect("the line is JSON");
        let text = |key: &str| ready[key].as_str().expect("the line names server and token").to_owned();
        let client = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .build()
            .expect("a client needs nothing that may be missing");
        Some(Self { child, server: text("server"), token: text("token"), client })
    }

    async fn send(&self, method: &str, path: &str, (media, body): (&str, &[u8])) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("the methods are known ones");
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.server))
            .header("user-agent", AGENT)
            .header("content-type", media)
            .header("accept", "application/json")
            .bearer_auth(&self.token);
        if !body.is_empty() {
            request = request.body(body.to_vec());
        }
        let reply = match request.send().await {
            Ok(reply) => reply,
            // Its handlers may panic, which ends the stream.
            Err(error) if !error.is_connect() => return Answer::default(),
            Err(error) => panic!("the real server is there: {error:?}"),
        };
        let status = reply.status().as_u16();
        let warnings = warnings(reply.headers());
        let bytes = reply.bytes().await.expect("the answer has an end");
        Answer { status, warnings, body: parse(&bytes) }
    }

    pub(crate) async fn ask(&self, question: &Question) -> Answer {
        self.send(&question.method, &question.path, (&question.media, &question.bytes())).await
    }

    pub(crate) async fn wait_for_service_account(&self, namespace: &str) {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        for _ in 0..200 {
            if self.ask(&Question::read(&path)).await.status == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the namespace gets a service account");
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It ends when its input does.
            drop(child.stdin.take());
            drop(child.wait());
        }
    }
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(bytes)))
}

fn warnings(headers: &http::HeaderMap) -> Vec<String> {
    headers.get_all("warning").iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

/// What is asked of both servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) media: String,
    pub(crate) body: Value,
}

impl Question {
    pub(crate) fn new(method: &str, path: &str, media: &str, body: Value) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), media: media.to_owned(), body }
    }

    pub(crate) fn read(path: &str) -> Self {
        Self::new("GET", path, JSON, Value::Null)
    }

    fn bytes(&self) -> Vec<u8> {
        match &self.body {
            Value::Null => Vec::new(),
            body if self.media == PROTOBUF => {
                Builtins::get().encode_protobuf(body).expect("a body that is sent as protobuf fits its kind")
            }
            body => body.to_string().into_bytes(),
        }
    }
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
pub(crate) const MERGE: &str = "application/merge-patch+json";

pub(crate) async fn ask_ours(cluster: &Cluster, question: &Question) -> Answer {
    let request = Request::builder()
        .method(question.method.as_str())
        .uri(&question.path)
        .header("user-agent", AGENT)
        .header("content-type", &question.media)
        .header("accept", "application/json")
        .body(Full::new(Bytes::from(question.bytes())))
        .expect("the path is one");
    let reply = cluster.service().oneshot(request).await.expect("nothing drops the connection");
    let status = reply.status().as_u16();
    let warnings = warnings(reply.headers());
    let bytes = reply.into_body().collect().await.expect("the body has an end").to_bytes();
    Answer { status, warnings, body: parse(&bytes) }
}

impl Answer {
    /// Puts constants in place of what differs from run to run.
    pub(crate) fn steady(mut self) -> Self {
        let is_object = matches!(self.status, 200 | 201) && self.body["kind"] != "Status";
        if !is_object {
            // Some refusals quote the uid that the object would have had.
            let text = blank_uids(&self.body.to_string());
            let text =
                ["resourceVersion", "creationTimestamp", "time"].iter().fold(text, |text, key| blank_after(&text, key));
            self.body = parse(blank_allocated(&text).as_bytes());
        }
        let uid = self.body["metadata"]["uid"].as_str().map(str::to_owned);
        if let (true, Some(uid)) = (is_object, uid) {
            self.body = parse(self.body.to_string().replace(&uid, "UID").as_bytes());
        }
        if self.body["kind"] == "LimitRange" {
            // One without a name is named by a uid.
            self.body = parse(blank_uids(&self.body.to_string()).as_bytes());
        }
        self.without_others_writes();
        let meta = &mut self.body["metadata"];
        for key in ["resourceVersion", "deletionTimestamp"] {
            if meta[key].is_string() {
                meta[key] = json!("STEADY");
            }
        }
        if meta["creationTimestamp"].is_string() {
            meta["creationTimestamp"] = json!("NOW");
        }
        for entry in meta["managedFields"].as_array_mut().into_iter().flatten() {
            entry["time"] = json!("NOW");
        }
        if self.body["kind"] == "PersistentVolume" && self.body["status"]["lastPhaseTransitionTime"].is_string() {
            self.body["status"]["lastPhaseTransitionTime"] = json!("NOW");
        }
        let conditions = self.body.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
        for condition in conditions.into_iter().flatten() {
            // The words' own times are of another year.
            let time = &mut condition["lastTransitionTime"];
            if time.as_str().is_some_and(|time| !time.starts_with("2024-")) {
                *time = json!("NOW");
            }
        }
        if self.body["kind"] == "Node" {
            // The real server runs without the plugin that taints new nodes, as its nodes are made ready by hand.
            let taints = self.body["spec"]["taints"].as_array_mut();
            if let Some(taints) = taints {
                taints
                    .retain(|taint| taint["key"] != "node.kubernetes.io/not-ready" || taint["effect"] != "NoSchedule");
                if taints.is_empty() {
                    drop(self.body["spec"].as_object_mut().map(|spec| spec.remove("taints")));
                }
            }
        }
        for taint in self.body["spec"]["taints"].as_array_mut().into_iter().flatten() {
            if taint["timeAdded"].is_string() {
                taint["timeAdded"] = json!("NOW");
            }
        }
        if self.body["kind"] == "Service" && is_object {
            self.steady_service();
        }
        self
    }

    /// Returns whether the real server's own controllers write what it is about, beside whoever asks and at any time.
    fn is_controlled(&self) -> bool {
        const CONTROLLED: [&str; 6] =
            ["APIService", "FlowSchema", "Namespace", "PriorityLevelConfiguration", "ResourceQuota", "ServiceCIDR"];
        self.body["kind"].as_str().is_some_and(|kind| CONTROLLED.contains(&kind))
    }

    /// Takes out who owns what where this server notes no owners and the real one does: nobody's changes are noted of an
    /// object of which nobody owns anything, and its controllers are somebody.
    pub(crate) fn without_owners_of_controllers(mut self, have: &Self) -> Self {
        if self.is_controlled() && have.body["metadata"]["managedFields"].is_null() {
            self.body["metadata"]["managedFields"] = Value::Null;
        }
        self
    }

    /// Takes out what those controllers write.
    fn without_others_writes(&mut self) {
        let is_controlled = self.is_controlled();
        let was_stored = self.body["metadata"]["resourceVersion"].is_string();
        if !is_controlled || !was_stored {
            return;
        }
        if let Some(body) = self.body.as_object_mut() {
            body.remove("status");
        }
        let meta = &mut self.body["metadata"];
        if let Some(entries) = meta["managedFields"].as_array_mut() {
            entries.retain(|entry| entry["manager"] == "objects" && entry["subresource"].is_null());
            if entries.is_empty() {
                meta["managedFields"] = Value::Null;
            }
        }
        if let Some(names) = meta["finalizers"].as_array_mut() {
            names.retain(|name| !name.as_str().is_some_and(|name| name.starts_with("networking.k8s.io/")));
            if names.is_empty() {
                drop(meta.as_object_mut().map(|meta| meta.remove("finalizers")));
            }
        }
    }

    fn steady_service(&mut self) {
        let spec = &mut self.body["spec"];
        if spec["clusterIP"].as_str().is_some_and(|ip| ip.starts_with("10.")) {
            spec["clusterIP"] = json!("IP");
            spec["clusterIPs"] = json!(["IP"]);
        }
        for port in spec["ports"].as_array_mut().into_iter().flatten() {
            if port["nodePort"].is_number() {
                port["nodePort"] = json!("PORT");
            }
        }
        if spec["healthCheckNodePort"].is_number() {
            spec["healthCheckNodePort"] = json!("PORT");
        }
    }
}

/// Returns whether two refusals give the same causes in the same order, but for the order of a map's entries.
pub(crate) fn same_causes(want: &Value, have: &Value) -> bool {
    let of_map = |cause: &&Value| {
        let field = cause["field"].as_str().unwrap_or_default();
        let named = field.split('[').skip(1).any(|part| !part.starts_with(|letter: char| letter.is_ascii_digit()));
        named
            || ["abels", "nnotations", "nodeSelector", "allocatedResources", "allocatedResourceStatuses"]
                .iter()
                .any(|end| field.ends_with(end))
    };
    let parts = |body: &Value| {
        let causes = body["details"]["causes"].as_array().cloned().unwrap_or_default();
        let ordered: Vec<String> = causes.iter().filter(|cause| !of_map(cause)).map(ToString::to_string).collect();
        let mut others: Vec<String> = causes.iter().filter(of_map).map(ToString::to_string).collect();
        others.sort();
        (ordered, others, body["details"]["name"].clone(), body["details"]["group"].clone())
    };
    parts(want) == parts(have)
}

/// The uids of the objects' own words begin like this and stay.
const OWN_UID: &str = "9b0a1f3e-";

/// Blanks the text that follows a key of an object that a refusal quotes as JSON in a string.
fn blank_after(text: &str, key: &str) -> String {
    let mark = format!("{key}\\\\\\\":\\\\\\\"");
    let mut parts = text.split(&mark);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(&mark);
        out.push_str("STEADY");
        out.push_str(part.find('\\').map_or("", |end| &part[end..]));
    }
    out
}

/// Blanks the addresses and ports that a refusal quotes of a service, which every server allocates for itself.
fn blank_allocated(text: &str) -> String {
    if !text.contains(r#"kind\\\":\\\"Service\\\""#) {
        return text.to_owned();
    }
    let mut out = String::new();
    for (at, part) in text.split("\\\"10.").enumerate() {
        if at > 0 {
            out.push_str("\\\"IP");
            out.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.'));
        } else {
            out.push_str(part);
        }
    }
    let mut ports = out.split(r#"odePort\\\":"#);
    let mut text = ports.next().unwrap_or_default().to_owned();
    for part in ports {
        text.push_str(r#"odePort\\\":PORT"#);
        text.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    }
    text
}

fn blank_uids(text: &str) -> String {
    const FORM: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    let is_uid = |at: usize| {
        text.get(at..at + FORM.len()).is_some_and(|part| {
            let fits = |(have, want): (u8, u8)| if want == b'x' { have.is_ascii_hexdigit() } else { have == want };
            part.bytes().zip(FORM.bytes()).all(fits) && !part.starts_with(OWN_UID)
        })
    };
    let (mut out, mut rest) = (String::new(), 0);
    for at in 0..text.len() {
        if at >= rest && text.is_char_boundary(at) && is_uid(at) {
            out.push_str(&text[rest..at]);
            out.push_str("UID");
            rest = at + FORM.len();
        }
    }
    out.push_str(&text[rest..]);
    out
}

/// Lists the paths at which two values differ.
pub(crate) fn differences(path: &str, want: &Value, have: &Value, found: &mut Vec<String>) {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            let mut keys: Vec<&String> = want.keys().chain(have.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                match (want.get(key), have.get(key)) {
                    (Some(want), Some(have)) => differences(&format!("{path}.{key}"), want, have, found),
                    (Some(want), None) => found.push(format!("{path}.{key}: want {want}, have nothing")),
                    (None, Some(have)) => found.push(format!("{path}.{key}: want nothing, have {have}")),
                    (None, None) => {}
                }
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
