//! Webhooks and everybody else: who waits for a webhook, and what becomes of a write that loses a race meanwhile.

mod certified;

use std::collections::BTreeMap;

use bowline_apiserver::{Admin, Cluster, Gvr, Options, PatchKind, ServicePort};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tower::ServiceExt as _;

/// A review that waits for its answer.
struct Asked {
    request: Value,
    answer: oneshot::Sender<Value>,
}

/// A cluster with a webhook behind the service `hooks/hook`, whose reviews come out here.
async fn cluster_with_hook(kind: &str) -> (Cluster, mpsc::Receiver<Asked>) {
    let (tls, ca) = certified::server("hook.hooks.svc");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, sender) = (tls.clone(), sender.clone());
            tokio::spawn(async move {
                let stream = tls.accept(stream).await.expect("the cluster trusts it");
                let service = service_fn(move |request| reply(request, sender.clone()));
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let service = ServicePort { namespace: "hooks".to_owned(), name: "hook".to_owned(), port: 443 };
    let services = BTreeMap::from([(service, address)]);
    let cluster = Cluster::new(Options { controllers: false, services, ..Options::default() });
    let hook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "hook"},
        "webhooks": [{
            "name": "hook.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 30,
            "clientConfig": {"caBundle": ca, "service": {"namespace": "hooks", "name": "hook", "path": "/ask"}},
            "rules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE", "UPDATE"],
            }],
        }],
    });
    let plural = format!("{}s", kind.to_lowercase());
    cluster.admin().create(&Gvr::new("admissionregistration.k8s.io", "v1", &plural), hook).expect("it is valid");
    (cluster, receiver)
}

async fn reply(request: Request<Incoming>, asked: mpsc::Sender<Asked>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let review: Value = serde_json::from_slice(&body).expect("a review is JSON");
    let (answer, answered) = oneshot::channel();
    let request = review["request"].clone();
    let uid = request["uid"].clone();
    asked.send(Asked { request, answer }).await.expect("the test listens");
    let mut response = answered.await.expect("the test answers");
    response["uid"] = uid;
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    Ok(Response::new(Full::new(Bytes::from(review.to_string()))))
}

async fn ask(cluster: &Cluster, method: &str, path: &str, content_type: &str, body: Value) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type)
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("it is a request");
    let answer = cluster.service().oneshot(request).await.expect("no fault is set");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a body ends").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: &str = "application/json";

fn map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data})
}

fn maps() -> Gvr {
    Gvr::new("", "v1", "configmaps")
}

fn write_behind(admin: &Admin, name: &str, data: Value) {
    let patch = json!({"data": data});
    admin.patch(&maps(), ("default", name), "", PatchKind::Merge, &patch).expect("it is there");
}

#[tokio::test]
async fn a_slow_webhook_holds_up_only_those_it_is_asked_about() {
    let (cluster, mut reviews) = cluster_with_hook("ValidatingWebhookConfiguration").await;
    let slow = tokio::spawn({
        let cluster = cluster.clone();
        async move { ask(&cluster, "POST", MAPS, JSON, map("slow", json!({}))).await }
    });
    let asked = reviews.recv().await.expect("the webhook is asked");
    assert_eq!(asked.request["name"], "slow");
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "quick"}});
    let (status, _) = ask(&cluster, "POST", "/api/v1/namespaces/default/secrets", JSON, secret).await;
    assert_eq!(status, 201, "another write does not wait");
    let (status, list) = ask(&cluster, "GET", MAPS, JSON, Value::Null).await;
    let names: Vec<&Value> =
        list["items"].as_array().into_iter().flatten().map(|one| &one["metadata"]["name"]).collect();
    assert_eq!((status, names.contains(&&json!("slow"))), (200, false), "a read sees nothing of what is not yet done");
    asked.answer.send(json!({"allowed": true})).expect("the webhook waits for it");
    let (status, made) = slow.await.expect("it ends");
    assert_eq!((status, &made["metadata"]["uid"]), (201, &asked.request["object"]["metadata"]["uid"]));
}

#[tokio::test]
async fn a_write_that_loses_a_race_is_run_again() {
    let (cluster, mut reviews) = cluster_with_hook("MutatingWebhookConfiguration").await;
    let admin = cluster.admin();
    admin.create(&maps(), map("raced", json!({"a": "1"}))).expect("it is valid");
    let patched = tokio::spawn({
        let cluster = cluster.clone();
        let patch = json!({"data": {"b": "2"}});
        async move { ask(&cluster, "PATCH", &format!("{MAPS}/raced"), "application/merge-patch+json", patch).await }
    });
    let first = reviews.recv().await.expect("the webhook is asked");
    assert_eq!(first.request["object"]["data"], json!({"a": "1", "b": "2"}));
    write_behind(&admin, "raced", json!({"c": "3"}));
    first.answer.send(json!({"allowed": true})).expect("the webhook waits for it");
    let second = reviews.recv().await.expect("the webhook is asked about the newer object");
    assert_eq!(second.request["object"]["data"], json!({"a": "1", "b": "2", "c": "3"}));
    second.answer.send(json!({"allowed": true})).expect("the webhook waits for it");
    let (status, object) = patched.await.expect("it ends");
    assert_eq!((status, &object["data"]), (200, &json!({"a": "1", "b": "2", "c": "3"})));
}

#[tokio::test]
async fn a_write_of_a_named_revision_that_loses_a_race_is_refused() {
    let (cluster, mut reviews) = cluster_with_hook("ValidatingWebhookConfiguration").await;
    let admin = cluster.admin();
    let mut object = Value::clone(&admin.create(&maps(), map("raced", json!({"a": "1"}))).expect("it is valid"));
    object["data"] = json!({"b": "2"});
    let put = tokio::spawn({
        let cluster = cluster.clone();
        async move { ask(&cluster, "PUT", &format!("{MAPS}/raced"), JSON, object).await }
    });
    let asked = reviews.recv().await.expect("the webhook is asked");
    write_behind(&admin, "raced", json!({"c": "3"}));
    asked.answer.send(json!({"allowed": true})).expect("the webhook waits for it");
    let (status, answer) = put.await.expect("it ends");
    assert_eq!((status, &answer["reason"]), (409, &json!("Conflict")));
}
