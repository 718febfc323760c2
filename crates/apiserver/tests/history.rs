//! Properties of histories: what a watcher pieces together is what a list shows, and pages add up to the whole.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bowline_apiserver::{Cluster, DeleteOptions, Gvr, Options, PatchKind};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt;

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
static GVR: LazyLock<Gvr> = LazyLock::new(|| Gvr::new("", "v1", "secrets"));

#[derive(Debug, Clone)]
enum Step {
    Create { name: u8, chosen: bool },
    Label { name: u8, chosen: bool },
    Edit { name: u8, value: u8 },
    Delete { name: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = 0..5_u8;
    let step = prop_oneof![
        (name.clone(), any::<bool>()).prop_map(|(name, chosen)| Step::Create { name, chosen }),
        (name.clone(), any::<bool>()).prop_map(|(name, chosen)| Step::Label { name, chosen }),
        (name.clone(), any::<u8>()).prop_map(|(name, value)| Step::Edit { name, value }),
        name.prop_map(|name| Step::Delete { name }),
    ];
    prop::collection::vec(step, 1..60)
}

/// Carries a step out; one that cannot be (no such object) does nothing, as in life.
fn act(cluster: &Cluster, step: &Step) {
    let admin = cluster.admin();
    let label = |chosen: bool| if chosen { "yes" } else { "no" };
    let patch = |name: u8, body: Value| {
        let _ = admin.patch(&GVR, ("default", &format!("s{name}")), "", PatchKind::Merge, &body);
    };
    match *step {
        Step::Create { name, chosen } => {
            let meta = json!({"name": format!("s{name}"), "namespace": "default", "labels": {"chosen": label(chosen)}});
            let _ = admin.create(&GVR, json!({ "metadata": meta }));
        }
        Step::Label { name, chosen } => patch(name, json!({"metadata": {"labels": {"chosen": label(chosen)}}})),
        Step::Edit { name, value } => patch(name, json!({"metadata": {"annotations": {"v": value.to_string()}}})),
        Step::Delete { name } => {
            let _ = admin.delete(&GVR, "default", &format!("s{name}"), &DeleteOptions::default());
        }
    }
}

async fn get(cluster: &Cluster, path: &str) -> Vec<u8> {
    let request = Request::builder().uri(path).body(Full::new(Bytes::new())).expect("a valid request");
    let answer = cluster.service().oneshot(request).await.expect("an answer");
    assert_eq!(answer.status(), 200, "{path}");
    answer.into_body().collect().await.expect("a body").to_bytes().to_vec()
}

async fn list(cluster: &Cluster, query: &str) -> Value {
    serde_json::from_slice(&get(cluster, &format!("{SECRETS}?{query}")).await).expect("JSON")
}

/// Name and revision of each item.
fn shown(list: &Value) -> BTreeMap<String, String> {
    list["items"].as_array().expect("items").iter().map(identity).collect()
}

fn identity(object: &Value) -> (String, String) {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    (text("name"), text("resourceVersion"))
}

async fn watched(cluster: &Cluster, rv: &str) -> BTreeMap<String, String> {
    let path = format!("{SECRETS}?watch=1&resourceVersion={rv}&labelSelector=chosen%3Dyes&timeoutSeconds=1");
    let text = get(cluster, &path).await;
    let mut have = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let event: Value = serde_json::from_slice(line).expect("a JSON line");
        let (name, rv) = identity(&event["object"]);
        let known = have.contains_key(&name);
        match event["type"].as_str() {
            Some("ADDED") => assert!(!known, "{name} was added twice"),
            Some("MODIFIED") => assert!(known, "{name} was modified before it was added"),
            Some("DELETED") => {
                assert!(known, "{name} was deleted before it was added");
                have.remove(&name);
                continue;
            }
            other => panic!("an event of type {other:?}"),
        }
        have.insert(name, rv);
    }
    have
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn what_is_watched_is_what_is_listed(steps in steps()) {
        paused().block_on(async {
            let cluster = Cluster::new(Options { controllers: false, ..Options::default() });
            let rv = cluster.resource_version().to_string();
            for step in &steps {
                act(&cluster, step);
            }
            let want = shown(&list(&cluster, "labelSelector=chosen%3Dyes").await);
            assert_eq!(watched(&cluster, &rv).await, want);
        });
    }

    #[test]
    fn pages_show_one_revision_whatever_happens_between(before in steps(), after in steps()) {
        paused().block_on(async {
            let cluster = Cluster::new(Options { controllers: false, ..Options::default() });
            for step in &before {
                act(&cluster, step);
            }
            let want = shown(&list(&cluster, "").await);
            let mut page = list(&cluster, "limit=2").await;
            let rv = page["metadata"]["resourceVersion"].clone();
            let mut have = shown(&page);
            let mut changes = after.iter();
            while let Some(token) = page["metadata"]["continue"].as_str() {
                changes.by_ref().take(3).for_each(|step| act(&cluster, step));
                page = list(&cluster, &format!("limit=2&continue={token}")).await;
                assert_eq!(page["metadata"]["resourceVersion"], rv);
                have.extend(shown(&page));
            }
            assert_eq!(have, want);
        });
    }
}
