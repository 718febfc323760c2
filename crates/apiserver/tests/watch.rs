//! Watches, from what they begin with to how they end.

use std::time::Duration;

use bowline_apiserver::{Body, Cluster, Fault, Faults, Options};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const INITIAL: &str = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

fn cluster(watch_window: usize) -> Cluster {
    Cluster::new(Options { controllers: false, watch_window, ..Options::default() })
}

async fn send(cluster: &Cluster, method: &str, path: &str, accept: &str, body: &Value) -> Response<Body> {
    let patch = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("accept", accept)
        .header("content-type", patch)
        .body(Full::new(if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) }))
        .expect("a valid request");
    cluster.service().oneshot(request).await.expect("an answer")
}

async fn write(cluster: &Cluster, method: &str, path: &str, body: Value) -> Value {
    let answer = send(cluster, method, path, "application/json", &body).await;
    let code = answer.status();
    let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
    assert!(code.is_success(), "{method} {path}: {}", String::from_utf8_lossy(&bytes));
    serde_json::from_slice(&bytes).expect("JSON")
}

async fn create(cluster: &Cluster, name: &str, labels: Value) -> String {
    let made = write(cluster, "POST", MAPS, json!({"metadata": {"name": name, "labels": labels}})).await;
    made["metadata"]["resourceVersion"].as_str().expect("a revision").to_owned()
}

/// An open watch, read an event at a time.
struct Watch {
    body: Body,
    rest: Vec<u8>,
}

impl Watch {
    async fn open(cluster: &Cluster, path: &str) -> Self {
        Self::open_as(cluster, path, "application/json").await
    }

    async fn open_as(cluster: &Cluster, path: &str, accept: &str) -> Self {
        let answer = send(cluster, "GET", path, accept, &Value::Null).await;
        assert_eq!(answer.status(), 200);
        Self { body: answer.into_body(), rest: Vec::new() }
    }

    /// Returns the next event, or `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a JSON line"));
            }
            let frame = self.body.frame().await?.expect("an infallible body");
            self.rest.extend_from_slice(&frame.into_data().expect("data"));
        }
    }

    /// Returns type and name of the next `count` events.
    async fn take(&mut self, count: usize) -> Vec<(String, String)> {
        let mut taken = Vec::new();
        for _ in 0..count {
            let event = self.next().await.expect("another event");
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            taken.push((text(&event["type"]), text(&event["object"]["metadata"]["name"])));
        }
        taken
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned())).collect()
}

#[tokio::test]
async fn a_watch_tells_what_happens_after_its_revision() {
    let cluster = cluster(100);
    let rv = create(&cluster, "a", json!({})).await;
    create(&cluster, "b", json!({})).await;
    let mut watch = Watch::open(&cluster, &format!("{MAPS}?watch=1&resourceVersion={rv}")).await;
    write(&cluster, "PATCH", &format!("{MAPS}/a"), json!({"data": {"k": "v"}})).await;
    write(&cluster, "DELETE", &format!("{MAPS}/b"), Value::Null).await;
    write(&cluster, "POST", "/api/v1/namespaces/kube-system/configmaps", json!({"metadata": {"name": "c"}})).await;
    create(&cluster, "d", json!({})).await;
    let want = pairs(&[("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b"), ("ADDED", "d")]);
    assert_eq!(watch.take(4).await, want);
}

#[tokio::test]
async fn deletions_carry_their_own_revision() {
    let cluster = cluster(100);
    let rv = create(&cluster, "a", json!({})).await;
    let mut watch = Watch::open(&cluster, &format!("{MAPS}?watch=1&resourceVersion={rv}")).await;
    write(&cluster, "DELETE", &format!("{MAPS}/a"), Value::Null).await;
    let event = watch.next().await.expect("an event");
    assert_eq!(event["object"]["metadata"]["resourceVersion"], cluster.resource_version().to_string());
}

#[tokio::test]
async fn entering_and_leaving_a_selection_are_added_and_deleted() {
    let cluster = cluster(100);
    create(&cluster, "a", json!({"app": "x"})).await;
    let mut watch = Watch::open(&cluster, &format!("{MAPS}?watch=1&labelSelector=app%3Dx&resourceVersion=0")).await;
    for (name, label) in [("a", "y"), ("a", "y2"), ("a", "x")] {
        write(&cluster, "PATCH", &format!("{MAPS}/{name}"), json!({"metadata": {"labels": {"app": label}}})).await;
    }
    assert_eq!(watch.take(3).await, pairs(&[("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]));
}

#[tokio::test]
async fn a_watch_without_a_revision_begins_with_what_there_is() {
    let cluster = cluster(100);
    create(&cluster, "a", json!({})).await;
    let mut watch = Watch::open(&cluster, &format!("{MAPS}?watch=1&fieldSelector=metadata.name%3Da")).await;
    create(&cluster, "b", json!({})).await;
    write(&cluster, "PATCH", &format!("{MAPS}/a"), json!({"data": {"k": "v"}})).await;
    assert_eq!(watch.take(2).await, pairs(&[("ADDED", "a"), ("MODIFIED", "a")]));
}

#[tokio::test]
async fn a_streaming_list_ends_its_initial_events_with_a_bookmark() {
    let cluster = cluster(100);
    create(&cluster, "a", json!({})).await;
    let mut watch = Watch::open(&cluster, &format!("{MAPS}?{INITIAL}&fieldSelector=metadata.name%3Da")).await;
    assert_eq!(watch.take(1).await, pairs(&[("ADDED", "a")]));
    let bookmark = watch.next().await.expect("a bookmark");
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["kind"], "ConfigMap");
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], cluster.resource_version().to_string());
}

#[tokio::test]
async fn the_rules_of_streaming_lists_are_held() {
    let cluster = cluster(100);
    for query in [
        "watch=1&sendInitialEvents=true",
        "watch=1&sendInitialEvents=true&resourceVersionMatch=Exact",
        "watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1",
    ] {
        let answer = send(&cluster, "GET", &format!("{MAPS}?{query}"), "application/json", &Value::Null).await;
        assert_eq!(answer.status(), 422, "{query}");
    }
}

#[tokio::test]
async fn a_forgotten_revision_is_told_within_the_watch() {
    let cluster = cluster(100);
    let rv = create(&cluster, "a", json!({})).await;
    let mut live = Watch::open(&cluster, &format!("{MAPS}?watch=1&resourceVersion={rv}")).await;
    create(&cluster, "b", json!({})).await;
    cluster.compact();
    let mut late = Watch::open(&cluster, &format!("{MAPS}?watch=1&resourceVersion={rv}")).await;
    let event = late.next().await.expect("an event");
    assert_eq!(event["type"], "ERROR");
    assert_eq!(event["object"]["code"], 410);
    assert_eq!(event["object"]["reason"], "Expired");
    let current = cluster.resource_version();
    assert_eq!(event["object"]["message"], format!("too old resource version: {rv} ({current})"));
    assert!(late.next().await.is_none());
    // The open watch lost an event it had not read.
    assert_eq!(live.next().await.expect("an event")["object"]["code"], 410);
    let mut fresh = Watch::open(&cluster, &format!("{MAPS}?watch=1&resourceVersion={current}")).await;
    create(&cluster, "c", json!({})).await;
    assert_eq!(fresh.take(1).await, pairs(&[("ADDED", "c")]));
}

#[tokio::test]
async fn a_continue_token_from_before_is_answered_410_with_a_way_on() {
    let cluster = cluster(100);
    for name in ["a", "b", "c"] {
        create(&cluster, name, json!({})).await;
    }
    let page = write(&cluster, "GET", &format!("{MAPS}?limit=1"), Value::Null).await;
    let token = page["metadata"]["continue"].as_str().expect("a token").to_owned();
    create(&cluster, "d", json!({})).await;
    cluster.compact();
    let path = format!("{MAPS}?limit=1&continue={token}");
    let answer = send(&cluster, "GET", &path, "application/json", &Value::Null).await;
    assert_eq!(answer.status(), 410);
    let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
    let status: Value = serde_json::from_slice(&bytes).expect("JSON");
    let token = status["metadata"]["continue"].as_str().expect("another token");
    let page = write(&cluster, "GET", &format!("{MAPS}?limit=1&continue={token}"), Value::Null).await;
    assert_eq!(page["items"][0]["metadata"]["name"], "b");
}

#[tokio::test]
async fn a_watcher_that_falls_behind_the_window_starts_anew() {
    let cluster = cluster(4);
    let rv = create(&cluster, "a", json!({})).await;
    let path = format!("{MAPS}?watch=1&resourceVersion={rv}");
    let mut watch = Watch::open(&cluster, &path).await;
    for at in 0..10 {
        write(&cluster, "PATCH", &format!("{MAPS}/a"), json!({"data": {"k": at.to_string()}})).await;
    }
    assert!(watch.next().await.is_none(), "it ends without a word");
    assert_eq!(Watch::open(&cluster, &path).await.next().await.expect("an event")["object"]["code"], 410);
}

#[tokio::test(start_paused = true)]
async fn an_idle_watch_is_bookmarked_and_ends_in_time() {
    let cluster = cluster(100);
    let rv = cluster.resource_version();
    let path = format!("{MAPS}?watch=1&resourceVersion={rv}&allowWatchBookmarks=true&timeoutSeconds=90");
    let mut watch = Watch::open(&cluster, &path).await;
    write(&cluster, "POST", "/api/v1/namespaces/default/secrets", json!({"metadata": {"name": "elsewhere"}})).await;
    let started = tokio::time::Instant::now();
    let mut kinds = Vec::new();
    while let Some(event) = watch.next().await {
        kinds.push(event["type"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(kinds.last().map(String::as_str), Some("BOOKMARK"));
    assert_eq!(started.elapsed().as_secs(), 90);
}

#[tokio::test]
async fn tables_and_metadata_can_be_watched() {
    let cluster = cluster(100);
    create(&cluster, "a", json!({})).await;
    create(&cluster, "b", json!({})).await;
    let path = format!("{MAPS}?watch=1&resourceVersion=0&labelSelector=%21x");
    let mut table = Watch::open_as(&cluster, &path, "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    let (first, second) = (table.next().await.expect("an event"), table.next().await.expect("an event"));
    assert_eq!(first["object"]["kind"], "Table");
    assert_eq!(first["object"]["columnDefinitions"][0]["name"], "Name");
    assert!(second["object"]["columnDefinitions"].is_null());
    let accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    let mut metadata = Watch::open_as(&cluster, &path, accept).await;
    assert_eq!(metadata.next().await.expect("an event")["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test]
async fn the_end_of_a_crd_is_the_end_of_its_watches() {
    let cluster = cluster(100);
    let crd = json!({
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Cluster", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for _ in 0..2 {
        write(&cluster, "POST", crds, crd.clone()).await;
        let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "one"}});
        write(&cluster, "POST", "/apis/example.com/v1/things", thing).await;
        let mut watch = Watch::open(&cluster, "/apis/example.com/v1/things?watch=1").await;
        assert_eq!(watch.take(1).await, pairs(&[("ADDED", "one")]));
        write(&cluster, "DELETE", &format!("{crds}/things.example.com"), Value::Null).await;
        assert_eq!(watch.take(1).await, pairs(&[("DELETED", "one")]));
        assert!(watch.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn faults_happen_to_watches() {
    let cluster = cluster(100);
    create(&cluster, "a", json!({})).await;
    let path = format!("{MAPS}?watch=1&timeoutSeconds=30");
    cluster.set_faults(Some(Faults::new(|request| match request.verb.as_str() {
        "watch" => Fault::CloseWatch,
        _ => Fault::None,
    })));
    assert!(Watch::open(&cluster, &path).await.next().await.is_none());
    cluster.set_faults(Some(Faults::new(|_| Fault::HangWatch)));
    let mut hung = Watch::open(&cluster, &path).await;
    assert!(tokio::time::timeout(Duration::from_secs(20), hung.next()).await.is_err());
    cluster.set_faults(Some(Faults::new(|_| Fault::Expire)));
    assert_eq!(Watch::open(&cluster, &path).await.next().await.expect("an event")["object"]["code"], 410);
    cluster.set_faults(None);
    assert_eq!(Watch::open(&cluster, &path).await.take(1).await, pairs(&[("ADDED", "a")]));
}
