//! The main job: the cluster becomes what the repository says, and stays so.

use serde_json::json;

use crate::git::Repository;
use crate::stage::{KINDS, Stage, config_map, deployment};

crate::stories!(
    an_application_is_installed,
    a_kustomization_is_installed,
    a_commit_is_applied,
    what_is_deleted_or_edited_is_put_back,
    what_leaves_git_is_pruned,
    nothing_is_written_at_rest,
);

async fn an_application_is_installed(stage: &Stage) {
    let repository =
        Repository::new(&[("app/a.yaml", &config_map("settings", "one")), ("app/b.yaml", &deployment("web", 2))]);
    stage.start();
    stage.argo_app("shop", &repository.url(), "app").await;
    stage.until_synced("shop", "").await;

    let settings = stage.object("v1", "ConfigMap", "settings").await.expect("was applied");
    let tracking = format!("shop:/ConfigMap:{}/settings", stage.target());
    assert_eq!(settings.annotation("argocd.argoproj.io/tracking-id"), Some(&*tracking));
    let app = stage.application("shop").await;
    assert_eq!(app.text("/status/operationState/phase"), Some("Succeeded"));
    assert_eq!(app.at("/status/history").and_then(|history| history.as_array()).map(Vec::len), Some(1));
}

async fn a_kustomization_is_installed(stage: &Stage) {
    let repository =
        Repository::new(&[("app/a.yaml", &config_map("settings", "one")), ("app/b.yaml", &deployment("web", 1))]);
    stage.start();
    stage.flux_app("fleet", &repository.url(), "./app").await;
    stage.until_ready("fleet", "").await;

    let web = stage.object("apps/v1", "Deployment", "web").await.expect("was applied");
    assert_eq!(web.label("kustomize.toolkit.fluxcd.io/name"), Some("fleet"));
    let app = stage.kustomization("fleet").await;
    let entries = app.at("/status/inventory/entries").and_then(|entries| entries.as_array()).expect("an inventory");
    let ids: Vec<_> = entries.iter().filter_map(|entry| entry["id"].as_str()).collect();
    assert_eq!(
        ids,
        [format!("{0}_settings__ConfigMap", stage.target()), format!("{0}_web_apps_Deployment", stage.target())]
    );
}

async fn a_commit_is_applied(stage: &Stage) {
    let repository = Repository::new(&[
        ("one/a.yaml", &config_map("one", "1")),
        ("two/a.yaml", &config_map("two", "1")),
        ("three/a.yaml", &config_map("three", "1")),
    ]);
    let engine = stage.start();
    stage.argo_app("one", &repository.url(), "one").await;
    stage.argo_app("two", &repository.url(), "two").await;
    stage.flux_app("three", &repository.url(), "three").await;
    stage.until_synced("one", "").await;
    stage.until_synced("two", "").await;
    stage.until_ready("three", "").await;
    let renders = engine.counters().renders.load(std::sync::atomic::Ordering::Relaxed);

    let commit = repository.change("one/a.yaml", &config_map("one", "2"));
    stage.until_synced("one", &commit).await;
    stage.until_synced("two", &commit).await;
    stage.until_ready("three", &commit).await;
    let one = stage.object("v1", "ConfigMap", "one").await.expect("is there");
    assert_eq!(one.text("/data/key"), Some("2"));
    let after = engine.counters().renders.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(after - renders, 1, "only the app whose files changed is rendered again");
}

async fn what_is_deleted_or_edited_is_put_back(stage: &Stage) {
    let repository = Repository::new(&[
        ("one/a.yaml", &config_map("one", "right")),
        ("one/b.yaml", &deployment("one", 2)),
        ("two/a.yaml", &config_map("two", "right")),
    ]);
    stage.start();
    stage.argo_app("one", &repository.url(), "one").await;
    stage.flux_app("two", &repository.url(), "two").await;
    stage.until_synced("one", "").await;
    stage.until_ready("two", "").await;

    for name in ["one", "two"] {
        let object = stage.object("v1", "ConfigMap", name).await.expect("is there");
        stage.delete(&object).await;
        stage.until("it comes back", async || stage.object("v1", "ConfigMap", name).await.is_some()).await;

        let object = stage.object("v1", "ConfigMap", name).await.expect("is there");
        stage.patch(&object, "", json!({"data": {"key": "wrong", "extra": "stays"}})).await;
        stage
            .until("the field is put back", async || {
                let object = stage.object("v1", "ConfigMap", name).await;
                object.is_some_and(|object| object.text("/data/key") == Some("right"))
            })
            .await;
        let object = stage.object("v1", "ConfigMap", name).await.expect("is there");
        assert_eq!(object.text("/data/extra"), Some("stays"), "a field that nobody here desires is left alone");
    }

    let web = stage.object("apps/v1", "Deployment", "one").await.expect("is there");
    stage.patch(&web, "", json!({"spec": {"replicas": 7}})).await;
    stage
        .until("the scale is put back", async || {
            let web = stage.object("apps/v1", "Deployment", "one").await;
            web.is_some_and(|web| web.at("/spec/replicas") == Some(&json!(2)))
        })
        .await;
}

async fn what_leaves_git_is_pruned(stage: &Stage) {
    let repository = Repository::new(&[
        ("one/a.yaml", &config_map("one-a", "1")),
        ("one/b.yaml", &config_map("one-b", "1")),
        ("two/a.yaml", &config_map("two-a", "1")),
        ("two/b.yaml", &config_map("two-b", "1")),
    ]);
    stage.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign", "namespace": stage.target()}})).await;
    stage.start();
    stage.argo_app("one", &repository.url(), "one").await;
    stage.flux_app("two", &repository.url(), "two").await;
    stage.until_synced("one", "").await;
    stage.until_ready("two", "").await;

    repository.remove("one/b.yaml");
    repository.remove("two/b.yaml");
    let commit = repository.commit("fewer");
    stage.until_synced("one", &commit).await;
    stage.until_ready("two", &commit).await;
    for gone in ["one-b", "two-b"] {
        stage.until("it is pruned", async || stage.object("v1", "ConfigMap", gone).await.is_none()).await;
    }
    for kept in ["one-a", "two-a", "foreign"] {
        assert!(stage.object("v1", "ConfigMap", kept).await.is_some(), "{kept} stays");
    }
}

async fn nothing_is_written_at_rest(stage: &Stage) {
    let _silence = KINDS.write().await;
    let repository = Repository::new(&[
        ("one/a.yaml", &config_map("one", "1")),
        ("one/b.yaml", &deployment("one", 1)),
        ("two/a.yaml", &deployment("two", 1)),
    ]);
    let engine = stage.start();
    stage.argo_app("one", &repository.url(), "one").await;
    stage.flux_app("two", &repository.url(), "two").await;
    stage.until_synced("one", "").await;
    stage.until_ready("two", "").await;
    // Events, and the last status of a Deployment, may still be on their way.
    let mut looks = 0;
    stage
        .until("it comes to rest", async || {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            let before =
                std::mem::replace(&mut looks, engine.counters().looks.load(std::sync::atomic::Ordering::Relaxed));
            stage.wire.take_log().is_empty() && before == looks
        })
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(stage.wire.take_log(), [], "at rest there are no requests but watches");

    // A new process writes nothing either: everything is as it should be.
    stage.stop();
    stage.start();
    stage
        .until("the new process has looked", async || {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            stage.wire.take_log().is_empty()
        })
        .await;
    let app = stage.application("one").await;
    let version = app.resource_version().to_owned();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(stage.application("one").await.resource_version(), version);
}
