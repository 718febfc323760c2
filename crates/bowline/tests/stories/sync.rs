//! When Bowline writes, when it waits, and when it leaves alone.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bowline_model::Object;
use http::Method;
use serde_json::{Value, json};

use crate::git::Repository;
use crate::stage::{Stage, condition, config_map, deployment};

crate::stories!(
    what_the_server_normalises_is_no_drift,
    a_newer_commit_overtakes_a_sync_that_waits,
    a_failed_sync_is_tried_again_until_its_cause_is_gone,
    a_sync_that_was_asked_for_is_carried_through,
    what_does_not_become_healthy_is_told_in_time,
    health_of_a_settled_app_is_followed,
    drift_is_shown_where_healing_is_off,
    what_others_own_is_no_drift,
);

/// One of each common kind, written as people write them: with what the server leaves out, rewrites or adds to.
const AS_PEOPLE_WRITE: &str = include_str!("as-people-write.yaml");

/// How long Bowline must have written nothing before it counts as being at rest.
const REST: Duration = Duration::from_millis(1500);

/// Waits until Bowline has written nothing for a while.
async fn until_at_rest(stage: &Stage) {
    stage
        .until("it comes to rest", async || {
            let _ = stage.wire.take_log();
            tokio::time::sleep(REST).await;
            writes(stage).is_empty()
        })
        .await;
}

/// Returns what Bowline wrote since the last call.
fn writes(stage: &Stage) -> Vec<(Method, String)> {
    stage.wire.take_log().into_iter().filter(|(method, _)| *method != Method::GET).collect()
}

/// Every object that a manifest file asks for, as it is live.
async fn live_objects(stage: &Stage, manifest: &str) -> BTreeMap<String, Object> {
    let mut live = BTreeMap::new();
    for document in manifest.split("\n---\n") {
        let field = |name: &str| {
            let line = document.lines().find(|line| line.trim_start().starts_with(name));
            line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.trim()).expect("a field").to_owned()
        };
        let (api_version, kind, name) = (field("apiVersion"), field("kind"), field("name"));
        for namespace in [stage.target(), String::new()] {
            if let Some(object) = stage.get(&api_version, &kind, &namespace, &name).await {
                live.insert(format!("{kind}/{name}"), object);
                break;
            }
        }
    }
    live
}

fn at<'a>(object: Option<&'a Object>, pointer: &str) -> Option<&'a Value> {
    object.and_then(|object| object.at(pointer))
}

/// M9: defaulting never causes a perpetual difference, and neither does any other rewriting by the server.
async fn what_the_server_normalises_is_no_drift(stage: &Stage) {
    let manifest = |dialect: &str| AS_PEOPLE_WRITE.replace("NAME", &format!("{dialect}-{}", stage.target()));
    let (argo, flux) = (manifest("a"), manifest("f"));
    let repository = Repository::new(&[("argo/all.yaml", &argo), ("flux/all.yaml", &flux)]);
    stage.start();
    stage.argo_app("argo", &repository.url(), "argo").await;
    let mut kustomization = stage.kustomization_value("flux", "flux");
    kustomization["spec"]["wait"] = json!(false);
    stage.apply(stage.git_repository_value("flux", &repository.url())).await;
    stage.apply(kustomization).await;
    let is_synced = async || stage.application("argo").await.text("/status/sync/status") == Some("Synced");
    stage.until("the Application is synced", is_synced).await;
    stage.until_ready("flux", "").await;
    until_at_rest(stage).await;

    let mut before = BTreeMap::new();
    for manifest in [&argo, &flux] {
        let live = live_objects(stage, manifest).await;
        let wanted = manifest.split("\n---\n").count();
        assert_eq!(live.len(), wanted, "all are live: {:?}", live.keys().collect::<Vec<_>>());
        before.extend(live);
    }
    tokio::time::sleep(REST).await;
    assert_eq!(writes(stage), [], "nothing is written at rest");

    // A new process has nothing to remember by, and writes nothing either.
    stage.kill();
    let _ = stage.wire.take_log();
    let engine = stage.start();
    stage.until("it has looked", async || engine.counters().looks.load(Ordering::Relaxed) > 2).await;
    tokio::time::sleep(2 * REST).await;
    assert_eq!(writes(stage), [], "a new process finds nothing to do");
    assert!(is_synced().await, "and the Application is still synced");

    let mut after = BTreeMap::new();
    for manifest in [&argo, &flux] {
        after.extend(live_objects(stage, manifest).await);
    }
    for (name, before) in &before {
        let after = after.get(name);
        // Controllers go on writing status, on a real cluster; what is desired stays byte for byte.
        for pointer in ["/metadata/uid", "/metadata/generation", "/metadata/labels", "/spec", "/data", "/rules"] {
            assert_eq!(at(after, pointer), before.at(pointer), "{pointer} of {name}");
        }
    }
}

/// A Deployment in a first wave that never becomes ready, and a ConfigMap that waits for it.
fn waves(fault: Option<&str>) -> String {
    let mut web = deployment("web", 1);
    if let Some(fault) = fault {
        let annotated = format!(
            "metadata:\n      annotations:\n        sim.bowline.dev/fault: {fault}\n      labels:\n        app: web"
        );
        web = web.replace("metadata:\n      labels:\n        app: web", &annotated);
    }
    let last = config_map("last", "1")
        .replace("  name: last", "  name: last\n  annotations:\n    argocd.argoproj.io/sync-wave: \"1\"");
    format!("{web}---\n{last}")
}

async fn a_newer_commit_overtakes_a_sync_that_waits(stage: &Stage) {
    let repository = Repository::new(&[("app/all.yaml", &waves(Some("notready")))]);
    stage.start();
    stage.argo_app("app", &repository.url(), "app").await;
    stage
        .until("the first wave is written", async || stage.object("apps/v1", "Deployment", "web").await.is_some())
        .await;
    stage
        .until("the sync waits", async || {
            let app = stage.application("app").await;
            app.text("/status/operationState/phase") == Some("Running")
        })
        .await;
    assert!(stage.object("v1", "ConfigMap", "last").await.is_none(), "the second wave waits for the first");

    let commit = repository.change("app/all.yaml", &waves(None));
    stage.until_synced("app", &commit).await;
    assert!(stage.object("v1", "ConfigMap", "last").await.is_some());
    let app = stage.application("app").await;
    assert_eq!(app.text("/status/operationState/phase"), Some("Succeeded"));
    assert_eq!(app.text("/status/operationState/syncResult/revision"), Some(&*commit));
}

async fn a_failed_sync_is_tried_again_until_its_cause_is_gone(stage: &Stage) {
    let nowhere = stage.unique("nowhere");
    let manifest = |name: &str| config_map(name, "1").replace("\ndata:", &format!("\n  namespace: {nowhere}\ndata:"));
    let repository = Repository::new(&[
        ("argo/a.yaml", &manifest("argo")),
        ("argo/b.yaml", &config_map("beside", "1")),
        ("flux/a.yaml", &manifest("flux")),
    ]);
    stage.start();
    stage.argo_app("argo", &repository.url(), "argo").await;
    stage.apply(stage.git_repository_value("flux", &repository.url())).await;
    let mut kustomization = stage.kustomization_value("flux", "flux");
    kustomization["spec"]["targetNamespace"] = json!(nowhere);
    stage.apply(kustomization).await;

    stage
        .until("the Application says what failed, and tries again", async || {
            let app = stage.application("argo").await;
            let message = app.text("/status/operationState/message").unwrap_or_default();
            message.contains(&nowhere) && message.contains("not found") && message.contains("retrying")
        })
        .await;
    stage.until_not_ready("flux", &nowhere).await;
    assert!(stage.object("v1", "ConfigMap", "beside").await.is_some(), "what can be applied is applied");

    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": nowhere}});
    let namespace = stage.apply(namespace).await;
    stage.until_synced("argo", "").await;
    stage.until_ready("flux", "").await;
    let app = stage.application("argo").await;
    assert_eq!(app.text("/status/operationState/phase"), Some("Succeeded"));
    stage.delete(&namespace).await;
}

async fn what_does_not_become_healthy_is_told_in_time(stage: &Stage) {
    let repository = Repository::new(&[("app/all.yaml", &waves(Some("notready")))]);
    stage.start();
    stage.apply(stage.git_repository_value("app", &repository.url())).await;
    let mut kustomization = stage.kustomization_value("app", "app");
    kustomization["spec"]["timeout"] = json!("2s");
    stage.apply(kustomization).await;
    let ready = stage.until_not_ready("app", "web").await;
    assert_eq!(ready["reason"], "HealthCheckFailed", "{ready}");
    let app = stage.kustomization("app").await;
    assert_eq!(condition(&app, "Healthy").map(|healthy| &healthy["status"]), Some(&json!("False")));

    let commit = repository.change("app/all.yaml", &waves(None));
    stage.until_ready("app", &commit).await;
    let app = stage.kustomization("app").await;
    assert_eq!(condition(&app, "Healthy").map(|healthy| &healthy["status"]), Some(&json!("True")));
}

async fn health_of_a_settled_app_is_followed(stage: &Stage) {
    let repository =
        Repository::new(&[("argo/a.yaml", &deployment("argo", 1)), ("flux/a.yaml", &deployment("flux", 1))]);
    stage.start();
    stage.argo_app("argo", &repository.url(), "argo").await;
    stage.flux_app("flux", &repository.url(), "flux").await;
    stage.until_synced("argo", "").await;
    stage.until_ready("flux", "").await;

    // A pod goes bad by itself: nothing that anybody desires has changed.
    let pods = stage.list("v1", "Pod", &stage.target()).await;
    assert_eq!(pods.len(), 2);
    for pod in &pods {
        stage.patch(pod, "", json!({"metadata": {"annotations": {"sim.bowline.dev/fault": "notready"}}})).await;
    }
    stage
        .until("the Application is no longer healthy", async || {
            let app = stage.application("argo").await;
            app.text("/status/health/status") == Some("Progressing")
                && app.text("/status/sync/status") == Some("Synced")
        })
        .await;
    for pod in &pods {
        stage.patch(pod, "", json!({"metadata": {"annotations": {"sim.bowline.dev/fault": null}}})).await;
    }
    stage.until_synced("argo", "").await;
    stage.until_ready("flux", "").await;
}

async fn drift_is_shown_where_healing_is_off(stage: &Stage) {
    let repository = Repository::new(&[("app/a.yaml", &config_map("settings", "right"))]);
    stage.start();
    let mut app = stage.application_value("app", &repository.url(), "app");
    app["spec"]["syncPolicy"]["automated"]["selfHeal"] = json!(false);
    stage.apply(app).await;
    stage.until_synced("app", "").await;

    let settings = stage.object("v1", "ConfigMap", "settings").await.expect("is there");
    stage.patch(&settings, "", json!({"data": {"key": "wrong"}})).await;
    stage
        .until("the drift is shown", async || {
            let app = stage.application("app").await;
            app.text("/status/sync/status") == Some("OutOfSync")
                && app.text("/status/resources/0/status") == Some("OutOfSync")
        })
        .await;
    until_at_rest(stage).await;
    let settings = stage.object("v1", "ConfigMap", "settings").await.expect("is there");
    assert_eq!(settings.text("/data/key"), Some("wrong"), "it is left");

    // A new process leaves it as well: the revision was applied once.
    stage.kill();
    let engine = stage.start();
    stage.until("it has looked", async || engine.counters().looks.load(Ordering::Relaxed) > 1).await;
    until_at_rest(stage).await;
    let settings = stage.object("v1", "ConfigMap", "settings").await.expect("is there");
    assert_eq!(settings.text("/data/key"), Some("wrong"), "it is still left");

    // Put right by hand, it is in sync again; a new commit is applied over drift.
    stage.patch(&settings, "", json!({"data": {"key": "right"}})).await;
    stage.until_synced("app", "").await;
    stage.patch(&settings, "", json!({"data": {"key": "wrong"}})).await;
    let commit = repository.change("app/a.yaml", &config_map("settings", "newer"));
    stage.until_synced("app", &commit).await;
    let settings = stage.object("v1", "ConfigMap", "settings").await.expect("is there");
    assert_eq!(settings.text("/data/key"), Some("newer"));
}

/// L13: an autoscaler, an injector and a status writer go on beside Bowline, and nobody fights.
async fn what_others_own_is_no_drift(stage: &Stage) {
    let unscaled = |name: &str| deployment(name, 1).replace("  replicas: 1\n", "");
    let repository = Repository::new(&[("argo/a.yaml", &unscaled("argo")), ("flux/a.yaml", &unscaled("flux"))]);
    let engine = stage.start();
    stage.argo_app("argo", &repository.url(), "argo").await;
    stage.flux_app("flux", &repository.url(), "flux").await;
    stage.until_synced("argo", "").await;
    stage.until_ready("flux", "").await;

    let syncs = engine.counters().syncs.load(Ordering::Relaxed);
    for name in ["argo", "flux"] {
        let web = stage.object("apps/v1", "Deployment", name).await.expect("is there");
        stage.patch(&web, "scale", json!({"spec": {"replicas": 3}})).await;
        let injected = json!({"metadata": {"labels": {"injected.example/by": "hook"}, "annotations": {"a.example/b": "c"}},
            "spec": {"template": {"spec": {"priorityClassName": "", "nodeSelector": {"disk": "any"}}}}});
        stage.patch(&web, "", injected).await;
    }
    for round in 0..20 {
        for name in ["argo", "flux"] {
            let web = stage.object("apps/v1", "Deployment", name).await.expect("is there");
            stage.patch(&web, "status", json!({"status": {"collisionCount": round}})).await;
        }
    }
    stage
        .until("Bowline has seen it", async || {
            let before = engine.counters().looks.load(Ordering::Relaxed);
            tokio::time::sleep(REST).await;
            engine.counters().looks.load(Ordering::Relaxed) == before
        })
        .await;
    assert_eq!(engine.counters().syncs.load(Ordering::Relaxed), syncs, "none of it makes a sync");
    for name in ["argo", "flux"] {
        let web = stage.object("apps/v1", "Deployment", name).await.expect("is there");
        assert_eq!(web.at("/spec/replicas"), Some(&json!(3)));
        assert_eq!(web.label("injected.example/by"), Some("hook"));
        assert_eq!(web.text("/spec/template/spec/nodeSelector/disk"), Some("any"));
    }
    assert_eq!(stage.application("argo").await.text("/status/sync/status"), Some("Synced"));
}

/// Nobody but the person who asked makes this sync, so it must be tried again, and ended by the next process.
async fn a_sync_that_was_asked_for_is_carried_through(stage: &Stage) {
    let nowhere = stage.unique("later");
    let manifest = config_map("asked", "1").replace("\ndata:", &format!("\n  namespace: {nowhere}\ndata:"));
    let repository = Repository::new(&[("app/a.yaml", &manifest)]);
    stage.start();
    let mut app = stage.application_value("app", &repository.url(), "app");
    app["spec"]["syncPolicy"] = json!({});
    let app = stage.apply(app).await;
    stage
        .until("it is compared", async || {
            stage.application("app").await.text("/status/sync/status") == Some("OutOfSync")
        })
        .await;
    let retry = json!({"limit": 50, "backoff": {"duration": "200ms", "factor": 2, "maxDuration": "1s"}});
    let operation = json!({"initiatedBy": {"username": "somebody"}, "retry": retry, "sync": {"prune": true}});
    stage.patch(&app, "", json!({"operation": operation})).await;
    let retries = async |least: u64| {
        let app = stage.application("app").await;
        app.at("/status/operationState/retryCount").and_then(Value::as_u64).is_some_and(|count| count >= least)
    };
    stage.until("it is tried again", async || retries(2).await).await;

    stage.kill();
    stage.start();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": nowhere}});
    let namespace = stage.apply(namespace).await;
    stage.until_synced("app", "").await;
    let app = stage.application("app").await;
    assert_eq!(app.text("/status/operationState/phase"), Some("Succeeded"));
    assert_eq!(app.text("/status/operationState/operation/initiatedBy/username"), Some("somebody"));
    assert_eq!(app.at("/operation"), None);
    stage.delete(&namespace).await;
}
