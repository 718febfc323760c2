//! The webhooks of a case: a server that both control planes call, that answers as the script says, and that tells what
//! it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::certified;

/// A running server; it ends with this.
pub(super) struct Hooks {
    port: u16,
    ca: String,
    state: Arc<Mutex<State>>,
    stop: CancellationToken,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<String, Value>,
    reviews: Vec<Value>,
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Hooks {
    pub(super) fn start() -> Self {
        let (tls, ca) = certified::server("127.0.0.1");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a listener need not block");
        let port = listener.local_addr().expect("it listens").port();
        let (state, stop) = (Arc::new(Mutex::new(State::default())), CancellationToken::new());
        let (shared, ended) = (Arc::clone(&state), stop.clone());
        // On a thread of its own it answers in time, however busy the cases are.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async move {
                let listener = TcpListener::from_std(listener).expect("it listens");
                let inner = ended.clone();
                ended.run_until_cancelled_owned(serve(listener, tls, shared, inner)).await;
            });
        });
        Self { port, ca, state, stop }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the authority's certificate as a `caBundle`.
    pub(super) fn ca(&self) -> String {
        self.ca.clone()
    }

    /// Says how a path is answered from now on.
    pub(super) fn answer(&self, path: &str, answer: Value) {
        self.lock().answers.insert(path.to_owned(), answer);
    }

    /// Returns what was asked since the last time.
    pub(super) fn take_reviews(&self) -> Vec<Value> {
        std::mem::take(&mut self.lock().reviews)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, state: Arc<Mutex<State>>, stop: CancellationToken) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            // Whoever does not trust the authority ends the connection here.
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(|request| reply(request, Arc::clone(&state)));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }));
    }
}

async fn reply(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    let content_type = request.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let mut review: Value = serde_json::from_slice(&body).unwrap_or_default();
    let script = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let script = state.answers.get(&path).cloned().unwrap_or_else(|| json!({ "allowed": true }));
        if script["unseen"] != true {
            let mut told = review.clone();
            tidy(&mut told);
            state.reviews.push(json!({ "path": path, "query": query, "type": content_type, "review": told }));
        }
        script
    };
    if script["hang"] == true {
        std::future::pending::<()>().await;
    }
    let uid = review["request"]["uid"].take();
    let body = answer_body(&script, &review, &uid);
    let code = u16::try_from(script["code"].as_u64().unwrap_or(200)).unwrap_or(200);
    let content_type = script["type"].as_str().unwrap_or("application/json");
    Ok(Response::builder()
        .status(code)
        .header("content-type", content_type)
        .body(Full::new(Bytes::from(body)))
        .expect("a script names good headers"))
}

/// Writes the answer that a script describes: a `body` as it is, a whole `review`, or the fields of a response.
fn answer_body(script: &Value, review: &Value, uid: &Value) -> String {
    let uid = uid.as_str().unwrap_or_default();
    if let Some(text) = script["body"].as_str() {
        return text.to_owned();
    }
    if script["convert"].is_object() {
        return converted(script, review, uid);
    }
    if script["review"].is_object() {
        return script["review"].to_string().replace("<uid>", uid);
    }
    let mut response = script.clone();
    if let Some(map) = response.as_object_mut() {
        for key in ["unseen", "code", "type"] {
            map.remove(key);
        }
    }
    if response.get("uid").is_none() {
        response["uid"] = json!(uid);
    }
    if let Some(patch) = script.get("patch") {
        let text = patch.as_str().map_or_else(|| patch.to_string(), str::to_owned);
        response["patch"] = json!(STANDARD.encode(text));
        if script.get("patchType").is_none() {
            response["patchType"] = json!("JSONPatch");
        }
        if script["patchType"].is_null() && script.get("patchType").is_some() {
            response.as_object_mut().expect("it is a response").remove("patchType");
        }
    }
    json!({ "apiVersion": review["apiVersion"], "kind": review["kind"], "response": response }).to_string()
}

/// Answers a `ConversionReview`: moves what the script says up from a version, or down to it, and puts what it sets.
fn converted(script: &Value, review: &Value, uid: &str) -> String {
    let wanted = review["request"]["desiredAPIVersion"].as_str().unwrap_or_default();
    let (group, to) = wanted.split_once('/').unwrap_or_default();
    let objects = review["request"]["objects"].as_array().cloned().unwrap_or_default();
    let convert = |mut object: Value| {
        let from = object["apiVersion"].as_str().and_then(|version| version.rsplit_once('/')).map_or("", |(_, v)| v);
        let (up, down) = (script["convert"][from].clone(), script["convert"][to].clone());
        for (old, new) in up.as_object().into_iter().flatten() {
            shift(&mut object, old, new.as_str().unwrap_or_default());
        }
        for (old, new) in down.as_object().into_iter().flatten() {
            shift(&mut object, new.as_str().unwrap_or_default(), old);
        }
        object["apiVersion"] = json!(wanted);
        if let Some(version) =
            script["stamp"].as_str().filter(|_| script["convert"].as_object().is_some_and(Map::is_empty))
        {
            object["apiVersion"] = json!(format!("{group}/{version}"));
        }
        for (pointer, value) in script["set"].as_object().into_iter().flatten() {
            put(&mut object, pointer, value.clone());
        }
        object
    };
    let objects: Vec<Value> = objects.into_iter().map(convert).collect();
    let response = json!({ "uid": uid, "result": { "status": "Success" }, "convertedObjects": objects });
    json!({ "apiVersion": review["apiVersion"], "kind": review["kind"], "response": response }).to_string()
}

/// Moves a value from one pointer to another of the same object.
fn shift(object: &mut Value, from: &str, to: &str) {
    let (holder, key) = from.rsplit_once('/').unwrap_or_default();
    let taken = object.pointer_mut(holder).and_then(Value::as_object_mut).and_then(|map| map.remove(key));
    if let Some(taken) = taken {
        put(object, to, taken);
    }
}

/// Puts a value at a pointer; null takes away what is there.
fn put(object: &mut Value, pointer: &str, value: Value) {
    let (holder, key) = pointer.rsplit_once('/').unwrap_or_default();
    let Some(map) = object.pointer_mut(holder).and_then(Value::as_object_mut) else { return };
    if value.is_null() {
        map.remove(key);
    } else {
        map.insert(key.to_owned(), value);
    }
}

/// Takes out of a review what tells one control plane from another: who its administrator is.
fn tidy(review: &mut Value) {
    let user = &mut review["request"]["userInfo"];
    let groups = user["groups"].as_array();
    if groups.is_some_and(|groups| groups.iter().any(|group| group == "system:masters")) {
        *user = json!("<administrator>");
    }
    if review["request"]["userInfo"].is_null()
        && let Some(request) = review["request"].as_object_mut()
    {
        request.remove("userInfo");
    }
}
