//! Faults, counters, credentials and fleets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use bowline_apiserver::{Cluster, Fault, Faults, Fleet, Gvr, Options};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
static GVR: LazyLock<Gvr> = LazyLock::new(|| Gvr::new("", "v1", "configmaps"));

fn cluster() -> Cluster {
    Cluster::new(Options { controllers: false, ..Options::default() })
}

fn request(method: &str, path: &str, token: Option<&str>, body: &Value) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("user-agent", "tester/2");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Full::new(Bytes::from(body.to_string()))).expect("a valid request")
}

fn map(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

async fn json_of<B: http_body::Body<Error: std::fmt::Debug>>(answer: Response<B>) -> Value {
    let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test]
async fn a_storm_of_conflicts_passes() {
    let cluster = cluster();
    let left = Arc::new(AtomicU64::new(3));
    let counter = Arc::clone(&left);
    cluster.set_faults(Some(Faults::new(move |request| {
        let storms = request.is_write()
            && request.resource == "configmaps"
            && request.user_agent == "tester/2"
            && counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if storms { Fault::conflict() } else { Fault::None }
    })));
    let mut codes = Vec::new();
    for _ in 0..4 {
        let answer = cluster.service().oneshot(request("POST", MAPS, None, &map("a"))).await.expect("an answer");
        codes.push(answer.status().as_u16());
    }
    assert_eq!(codes, [409, 409, 409, 201]);
}

#[tokio::test]
async fn a_dropped_connection_may_have_done_its_work() {
    let cluster = cluster();
    cluster.set_faults(Some(Faults::new(|_| Fault::DropBefore)));
    assert!(cluster.service().oneshot(request("POST", MAPS, None, &map("before"))).await.is_err());
    cluster.set_faults(Some(Faults::new(|_| Fault::DropAfterCommit)));
    assert!(cluster.service().oneshot(request("POST", MAPS, None, &map("after"))).await.is_err());
    let admin = cluster.admin();
    assert!(admin.get(&GVR, "default", "before").expect("served").is_none());
    assert!(admin.get(&GVR, "default", "after").expect("served").is_some());
}

#[tokio::test]
async fn overload_says_when_to_come_back() {
    let cluster = cluster();
    cluster.set_faults(Some(Faults::new(|_| Fault::too_many_requests(7))));
    let answer = cluster.service().oneshot(request("GET", MAPS, None, &Value::Null)).await.expect("an answer");
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[tokio::test]
async fn requests_are_counted_and_controllers_are_not() {
    let cluster = cluster();
    cluster.admin().create(&GVR, json!({"metadata": {"name": "own", "namespace": "default"}})).expect("created");
    assert_eq!(cluster.requests().total(), 0);
    for path in [MAPS, "/api/v1/configmaps"] {
        cluster.service().oneshot(request("GET", path, None, &Value::Null)).await.expect("an answer");
    }
    cluster.service().oneshot(request("POST", MAPS, None, &map("a"))).await.expect("an answer");
    let log = cluster.requests();
    assert_eq!((log.total(), log.verb("list"), log.writes()), (3, 2, 1));
    assert_eq!(log.counts["create"]["configmaps"], 1);
}

#[tokio::test]
async fn only_those_with_the_token_are_let_in() {
    let options =
        Options { controllers: false, token: Some("right".to_owned()), allow_anonymous: false, ..Options::default() };
    let cluster = Cluster::new(options);
    for (token, want) in [(None, 401), (Some("wrong"), 401), (Some("right"), 200)] {
        let answer = cluster.service().oneshot(request("GET", MAPS, token, &Value::Null)).await.expect("an answer");
        assert_eq!(answer.status(), want, "{token:?}");
    }
    let health = cluster.service().oneshot(request("GET", "/livez", None, &Value::Null)).await.expect("an answer");
    assert_eq!(health.status(), 200);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let cluster = cluster();
    let stored = json!({"metadata": {"name": "big"}, "data": {"k": "x".repeat(2_000_000)}});
    let answer = cluster.service().oneshot(request("POST", MAPS, None, &stored)).await.expect("an answer");
    let code = answer.status().as_u16();
    let status = json_of(answer).await;
    assert!(code == 500 || code == 422, "{status}");
    let sent = json!({"metadata": {"name": "big"}, "data": {"k": "x".repeat(4_000_000)}});
    let answer = cluster.service().oneshot(request("POST", MAPS, None, &sent)).await.expect("an answer");
    assert_eq!(answer.status(), 413);
    assert_eq!(json_of(answer).await["reason"], "RequestEntityTooLarge");
    // What was refused took no revision.
    let before = cluster.resource_version();
    cluster.service().oneshot(request("POST", MAPS, None, &stored)).await.expect("an answer");
    assert_eq!(cluster.resource_version(), before);
}

#[tokio::test]
async fn many_clusters_share_an_address() {
    let fleet = Fleet::new();
    for name in ["east", "west"] {
        fleet.insert(name, cluster());
    }
    let post = request("POST", &format!("/clusters/east{MAPS}"), None, &map("a"));
    assert_eq!(fleet.service().oneshot(post).await.expect("an answer").status(), 201);
    for (name, want) in [("east", 200), ("west", 404), ("north", 404)] {
        let get = request("GET", &format!("/clusters/{name}{MAPS}/a"), None, &Value::Null);
        assert_eq!(fleet.service().oneshot(get).await.expect("an answer").status(), want, "{name}");
    }
    assert_eq!(fleet.names(), ["east", "west"]);
}

#[test]
fn the_same_seed_makes_the_same_cluster() {
    let uid = |seed| {
        let cluster = Cluster::new(Options { controllers: false, seed, ..Options::default() });
        let made = cluster.admin().create(&GVR, json!({"metadata": {"generateName": "a-", "namespace": "default"}}));
        let made = made.expect("created");
        (made["metadata"]["name"].clone(), made["metadata"]["uid"].clone())
    };
    assert_eq!(uid(1), uid(1));
    assert_ne!(uid(1), uid(2));
}
