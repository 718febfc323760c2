//! The call of a webhook: one HTTPS request, and Go's words for all that can go wrong with it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::response::{Verdict, verify};

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// How much of an answer that is no answer is told (k8s: `client-go/rest`).
const MAX_TOLD_BYTES: usize = 2048;

/// Where somebody listens.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Scheme, host and port as messages tell them.
    pub(super) origin: String,
    pub(super) path: String,
    /// The name its certificate must have.
    pub(super) server_name: String,
    /// Host and port to connect to, or why that cannot be.
    pub(super) dial: Result<String, String>,
    /// The authorities it may be certified by, PEM in base64; the machine's own when empty.
    pub(super) ca: String,
}

/// A review that somebody has to be sent.
#[derive(Debug)]
pub(crate) struct Question {
    /// What its answer is remembered by.
    pub(super) key: String,
    pub(super) group: &'static str,
    pub(super) kind: &'static str,
    pub(super) version: &'static str,
    pub(super) is_mutating: bool,
    pub(super) timeout_secs: u64,
    pub(super) place: Place,
    pub(super) request: Value,
}

/// What came of a question.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Which of the answers that were waited for together came first.
    pub(super) order: usize,
    /// What the webhook decided, or why it could not be asked.
    pub(super) verdict: Result<Verdict, String>,
}

/// Asks all questions at once, each under a uid of its own; none is waited for past `until`.
pub(crate) async fn ask_all(
    questions: Vec<Question>,
    until: Instant,
    mut uid: impl FnMut() -> String,
) -> Vec<(String, Answer)> {
    let mut under_way: FuturesUnordered<_> = (questions.into_iter())
        .map(|question| {
            let uid = uid();
            async move {
                let verdict = ask(&question, &uid, until).await;
                (question.key, verdict)
            }
        })
        .collect();
    let mut answers = Vec::new();
    while let Some((key, verdict)) = under_way.next().await {
        answers.push((key, Answer { order: answers.len(), verdict }));
    }
    answers
}

async fn ask(question: &Question, uid: &str, until: Instant) -> Result<Verdict, String> {
    let mut review = json!({
        "kind": question.kind, "apiVersion": format!("{}/{}", question.group, question.version),
        "request": question.request,
    });
    review["request"]["uid"] = json!(uid);
    let limit = Duration::from_secs(question.timeout_secs).min(until.saturating_duration_since(Instant::now()));
    let failed = |why: String| format!("failed to call webhook: {why}");
    let tls = tls_config(&question.place).map_err(|why| format!("could not get REST client: {why}"))?;
    let answer = post(&question.place, tls, &review, limit, limit).await.map_err(failed)?;
    let answer = read(&answer, (question.group, question.version, question.kind)).map_err(failed)?;
    verify(&answer, uid, question.is_mutating, question.version)
        .map_err(|why| format!("received invalid webhook response: {why}"))
}

/// Reads an answer as the kind it must be; what does not look like JSON is YAML.
pub(super) fn read(answer: &Bytes, (group, version, kind): (&str, &str, &str)) -> Result<Value, String> {
    let value: Value = if answer.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice(answer)
            .map_err(|_| format!("couldn't get version/kind; json parse error: {}", json_problem(answer)))?
    } else {
        bowline_yaml::parse_one(answer, &bowline_yaml::Limits::default())
            .map_err(|_| format!("couldn't get version/kind; json parse error: {}", json_problem(answer)))?
    };
    if !value.is_object() {
        let found = json_word(&value);
        return Err(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go value of type struct {{ \
             APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
        ));
    }
    if kind == "AdmissionReview" {
        check_types(&value)?;
    }
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    let (has_version, has_kind) = (text("apiVersion"), text("kind"));
    let want = format!("{group}/{version}");
    if (has_version.is_empty() || has_version == want) && (has_kind.is_empty() || has_kind == kind) {
        // What it does not say it is, is told by whoever looks at it.
        return Ok(value);
    }
    let (has_group, bare) = crate::resource::split_api_version(has_version);
    let is_review = has_group == group && has_kind == kind && ["v1", "v1beta1"].contains(&bare);
    if is_review || (has_version == "v1" && has_kind == "Status") {
        return Err(format!("converting ({bare}.{has_kind}) to ({version}.{kind}): unknown conversion"));
    }
    let scheme = "in scheme \"pkg/runtime/scheme.go:111\"";
    Err(format!("no kind {has_kind:?} is registered for version {has_version:?} {scheme}"))
}

/// Refuses an answer that does not say it is of the kind it must be.
pub(super) fn check_kind(review: &Value, version: &str, kind: &str) -> Result<(), String> {
    let text = |key: &str| review[key].as_str().unwrap_or_default();
    if text("apiVersion") == version && text("kind") == kind {
        return Ok(());
    }
    let (group, bare) = crate::resource::split_api_version(text("apiVersion"));
    Err(format!("expected webhook response of {version}, Kind={kind}, got {group}/{bare}, Kind={}", text("kind")))
}

/// Refuses an answer whose fields are of other types than Go's.
fn check_types(review: &Value) -> Result<(), String> {
    let response = &review["response"];
    let refuse = |value: &Value, field: &str, ty: &str| {
        Err(format!("json: cannot unmarshal {} into Go struct field {field} of type {ty}", json_word(value)))
    };
    if !response.is_null() && !response.is_object() {
        return refuse(response, "AdmissionReview.response", "v1.AdmissionResponse");
    }
    for (key, ty) in [("uid", "types.UID"), ("patchType", "v1.PatchType")] {
        if let Some(value) = response.get(key).filter(|value| !value.is_null() && !value.is_string()) {
            return refuse(value, &format!("AdmissionResponse.response.{key}"), ty);
        }
    }
    match response.get("allowed") {
        Some(value) if !value.is_null() && !value.is_boolean() => {
            refuse(value, "AdmissionResponse.response.allowed", "bool")
        }
        _ => Ok(()),
    }
}

/// Returns what JSON calls the type of a value.
pub(super) fn json_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Says in Go's words why something is no JSON.
pub(super) fn json_problem(text: &[u8]) -> String {
    const START: &str = "looking for beginning of value";
    let Err(error) = serde_json::from_slice::<Value>(text) else { return String::new() };
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let lines = text.split(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let before: usize = lines.map(|line| line.len() + 1).sum();
    let at = (before + error.column()).saturating_sub(1).min(text.len().saturating_sub(1));
    let shown = |at: usize| format!("'{}'", text.get(at).copied().map_or(' ', char::from));
    // A word that begins like a literal is one until it is not.
    let start = text[..at].iter().rposition(|byte| !byte.is_ascii_alphabetic()).map_or(0, |before| before + 1);
    for literal in ["true", "false", "null"] {
        let same = text[start..].iter().zip(literal.bytes()).take_while(|(have, want)| *have == want).count();
        if same > 0 && same < literal.len() && start + same <= at {
            let want = &literal[same..=same];
            return format!("invalid character {} in literal {literal} (expecting '{want}')", shown(start + same));
        }
    }
    format!("invalid character {} {START}", shown(at))
}

/// Sends a review; the error says where it was sent, as Go's client does.
///
/// `told` is how long its answer is waited for, as far as who is asked knows; `limit` is what is left of it.
pub(super) async fn post(
    place: &Place,
    tls: Arc<ClientConfig>,
    review: &Value,
    limit: Duration,
    told: Duration,
) -> Result<Bytes, String> {
    let secs = told.as_secs() + u64::from(told.subsec_nanos() > 0);
    let path = format!("{}?timeout={}", place.path, go_seconds(secs));
    let url = format!("{}{path}", place.origin);
    let failed = |why: String| format!("Post {url:?}: {why}");
    let exchange = async {
        let dial = place.dial.clone().map_err(failed)?;
        let stream = TcpStream::connect(&dial).await.map_err(|error| failed(dial_problem(&dial, &error)))?;
        let name = ServerName::try_from(place.server_name.clone()).map_err(|error| failed(error.to_string()))?;
        let connector = TlsConnector::from(tls);
        let stream = connector.connect(name, stream).await.map_err(|error| failed(tls_problem(&error, place)))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(error.to_string()))?;
        let connection = tokio::spawn(connection);
        let host = place.origin.trim_start_matches("https://");
        let request = Request::post(&path)
            .header(HOST, host)
            .header(ACCEPT, "application/json, */*")
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "kube-apiserver-admission")
            .body(Full::new(Bytes::from(review.to_string())))
            .map_err(|error| failed(error.to_string()))?;
        let answer = sender.send_request(request).await.map_err(|_| failed("EOF".to_owned()))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|_| {
            "unexpected error when reading response body. Please retry. Original error: unexpected EOF".to_owned()
        })?;
        connection.abort();
        heed(parts.status, &parts.headers, body.to_bytes())
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(failed("context deadline exceeded".to_owned())),
    }
}

/// Prints a time as Go prints a `time.Duration`.
fn go_seconds(secs: u64) -> String {
    if secs < 60 { format!("{secs}s") } else { format!("{}m{}s", secs / 60, secs % 60) }
}

/// Takes the body of a good answer, or says what a bad one means (k8s: `client-go/rest`, `NewGenericServerResponse`).
fn heed(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Result<Bytes, String> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if (200..=206).contains(&status.as_u16()) {
        if body.is_empty() {
            let code = status.as_u16();
            return Err(format!("0-length response with status code: {code} and content type: {content_type}"));
        }
        return Ok(body);
    }
    // A whole `Status` speaks for itself.
    let given: Option<Value> = serde_json::from_slice(&body).ok();
    if let Some(given) = given.filter(|given| given["kind"] == "Status" && given["apiVersion"] == "v1") {
        return Err(given["message"].as_str().unwrap_or_default().to_owned());
    }
    let is_text = content_type.is_empty() || content_type.starts_with("text/");
    let told = String::from_utf8_lossy(&body[..body.len().min(MAX_TOLD_BYTES)]).trim().to_owned();
    let told = if is_text { told } else { "unknown".to_owned() };
    Err(match status.as_u16() {
        400 => "the server rejected our request for an unknown reason".to_owned(),
        401 => "the server has asked for the client to provide credentials".to_owned(),
        403 | 415 => told,
        404 => "the server could not find the requested resource".to_owned(),
        405 => "the server does not allow this method on the requested resource".to_owned(),
        406 if told.is_empty() || told == "unknown" => {
            "the server was unable to respond with a content type that the client supports".to_owned()
        }
        406 => told,
        409 => "the server reported a conflict".to_owned(),
        422 => "the server rejected our request due to an error in our request".to_owned(),
        429 => "the server has received too many requests and has asked us to try again later".to_owned(),
        503 => "the server is currently unable to handle the request".to_owned(),
        504 => {
            "the server was unable to return a response in the time allotted, but may still be processing the request"
                .to_owned()
        }
        code if code >= 500 => {
            format!("an error on the server ({told:?}) has prevented the request from succeeding")
        }
        code => format!("the server responded with the status code {code} but did not return more information"),
    })
}

fn dial_problem(dial: &str, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => format!("dial tcp {dial}: connect: connection refused"),
        std::io::ErrorKind::NetworkUnreachable => format!("dial tcp {dial}: connect: network is unreachable"),
        std::io::ErrorKind::HostUnreachable => format!("dial tcp {dial}: connect: no route to host"),
        _ => {
            let host = dial.rsplit_once(':').map_or(dial, |(host, _)| host);
            format!("dial tcp: lookup {host}: no such host")
        }
    }
}

/// Says in Go's words why a certificate is not trusted.
fn tls_problem(error: &std::io::Error, place: &Place) -> String {
    use rustls::CertificateError as Bad;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let name = &place.server_name;
    let why = match inner {
        Some(rustls::Error::InvalidCertificate(Bad::UnknownIssuer)) => "certificate signed by unknown authority",
        Some(rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. })) => {
            "certificate has expired or is not yet valid"
        }
        Some(rustls::Error::InvalidCertificate(Bad::NotValidForNameContext { presented, .. })) => {
            return format!("tls: failed to verify certificate: x509: {}", other_name(name, presented));
        }
        Some(other) => return format!("tls: {other}"),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => return "EOF".to_owned(),
        None => return error.to_string(),
    };
    format!("tls: failed to verify certificate: x509: {why}")
}

/// Says in Go's words that a certificate is for others, whom rustls prints as `DnsName("x")` and `IpAddress(x)`.
fn other_name(name: &str, presented: &[String]) -> String {
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    let start = if is_address { "IpAddress(" } else { "DnsName(" };
    let valid: Vec<&str> = presented
        .iter()
        .filter_map(|shown| shown.strip_prefix(start)?.strip_suffix(')'))
        .map(|shown| shown.trim_matches('"'))
        .collect();
    match (valid.is_empty(), is_address) {
        (true, true) => {
            format!("cannot validate certificate for {name} because it doesn't contain any IP SANs")
        }
        (true, false) => format!("certificate is not valid for any names, but wanted to match {name}"),
        _ => format!("certificate is valid for {}, not {name}", valid.join(", ")),
    }
}

/// Trusts the authorities of a bundle, or those of the machine.
pub(super) fn tls_config(place: &Place) -> Result<Arc<ClientConfig>, String> {
    let ca = &place.ca;
    let mut roots = RootCertStore::empty();
    if ca.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    } else {
        let pem = STANDARD.decode(ca).unwrap_or_default();
        for certificate in CertificateDer::pem_slice_iter(&pem).flatten() {
            roots.add_parsable_certificates([certificate]);
        }
        if roots.is_empty() {
            let why = "unable to load root certificates: unable to parse bytes as PEM block";
            return Err(why.to_owned());
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
