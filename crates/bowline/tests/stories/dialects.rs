//! What each dialect's resources ask for beside being kept: order, pauses, requests, hooks, and how they go away.

use std::process::Command;

use bowline_model::Object;
use serde_json::{Value, json};

use crate::bystander::heals;
use crate::git::Repository;
use crate::stage::{Stage, condition, config_map, deployment};

crate::stories!(
    dependencies_are_waited_for,
    dependencies_that_go_round_are_told,
    what_is_suspended_is_left_alone,
    an_application_syncs_when_asked,
    a_failed_request_is_told_and_not_repeated,
    pruning_that_is_off_leaves_objects,
    deletion_takes_objects_along_where_asked,
    a_namespace_is_made_where_asked,
    a_target_namespace_replaces_any_other,
    waves_wait_for_health,
    hooks_run_around_a_sync,
    what_this_version_does_not_do_is_told,
    what_happens_is_recorded_as_events,
    kubectl_reads_the_resources_as_the_peers,
);

/// A Service that is not healthy before [`release`]: nobody here gives it an address.
fn held(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  type: LoadBalancer\n  \
         loadBalancerClass: stories.example/none\n  selector:\n    app: {name}\n  ports:\n    - port: 80\n"
    )
}

async fn release(stage: &Stage, name: &str) {
    let service = stage.object("v1", "Service", name).await.expect("is there");
    stage.patch(&service, "status", json!({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}})).await;
}

async fn until_there(stage: &Stage, kind: &str, name: &str) -> Object {
    let api_version = if kind == "Job" { "batch/v1" } else { "v1" };
    stage
        .until(&format!("{kind} {name} is there"), async || stage.object(api_version, kind, name).await.is_some())
        .await;
    stage.object(api_version, kind, name).await.expect("is there")
}

async fn is_there(stage: &Stage, name: &str) -> bool {
    stage.object("v1", "ConfigMap", name).await.is_some()
}

/// Installs a Kustomization that depends on others, over the source of that name.
async fn kustomization(stage: &Stage, source: &str, name: &str, depends_on: &[&str]) -> Object {
    let mut app = stage.kustomization_value(name, name);
    app["spec"]["sourceRef"]["name"] = json!(source);
    app["spec"]["dependsOn"] = depends_on.iter().map(|name| json!({"name": name})).collect();
    stage.apply(app).await
}

/// A Job, which is ready once it has run.
fn suspended(name: &str, is_suspended: bool) -> String {
    job(name, "Sync").replacen("spec:\n", &format!("spec:\n  suspend: {is_suspended}\n"), 1)
}

async fn dependencies_are_waited_for(stage: &Stage) {
    let repository = Repository::new(&[
        ("base/a.yaml", &suspended("base", true)),
        ("middle/a.yaml", &config_map("middle", "1")),
        ("top/a.yaml", &config_map("top", "1")),
    ]);
    stage.start();
    stage.apply(stage.git_repository_value("all", &repository.url())).await;
    kustomization(stage, "all", "top", &["middle"]).await;
    let home = stage.home();
    let ready = stage.until_not_ready("top", &format!("dependency '{home}/middle' not found")).await;
    assert_eq!(ready["reason"], "DependencyNotReady");
    kustomization(stage, "all", "middle", &["base"]).await;
    kustomization(stage, "all", "base", &[]).await;
    until_there(stage, "Job", "base").await;
    let ready = stage.until_not_ready("middle", &format!("dependency '{home}/base' is not ready")).await;
    assert_eq!(ready["reason"], "DependencyNotReady");
    stage.until_not_ready("top", &format!("dependency '{home}/middle' is not ready")).await;
    assert!(!is_there(stage, "middle").await && !is_there(stage, "top").await, "nothing is applied before its time");

    let commit = repository.change("base/a.yaml", &suspended("base", false));
    for name in ["base", "middle", "top"] {
        stage.until_ready(name, &commit).await;
    }
    assert!(is_there(stage, "middle").await && is_there(stage, "top").await);
    // A commit passes along the chain.
    repository.write("middle/a.yaml", &config_map("middle", "2"));
    let commit = repository.change("top/a.yaml", &config_map("top", "2"));
    for name in ["base", "middle", "top"] {
        stage.until_ready(name, &commit).await;
    }
}

async fn dependencies_that_go_round_are_told(stage: &Stage) {
    let repository =
        Repository::new(&[("left/a.yaml", &config_map("left", "1")), ("right/a.yaml", &config_map("right", "1"))]);
    stage.start();
    stage.apply(stage.git_repository_value("all", &repository.url())).await;
    kustomization(stage, "all", "left", &["right"]).await;
    let right = kustomization(stage, "all", "right", &["left"]).await;
    let home = stage.home();
    for (name, other) in [("left", "right"), ("right", "left")] {
        stage.until_not_ready(name, &format!("goes round: {home}/{name} → {home}/{other} → {home}/{name}")).await;
        let app = stage.kustomization(name).await;
        assert_eq!(condition(&app, "Stalled").map(|stalled| &stalled["status"]), Some(&json!("True")));
        assert!(!is_there(stage, name).await);
    }
    stage.patch(&right, "", json!({"spec": {"dependsOn": null}})).await;
    stage.until_ready("left", "").await;
    stage.until_ready("right", "").await;
    assert!(condition(&stage.kustomization("left").await, "Stalled").is_none());
}

async fn what_is_suspended_is_left_alone(stage: &Stage) {
    let repository = Repository::new(&[
        ("one/a.yaml", &config_map("one", "1")),
        ("two/a.yaml", &config_map("two", "1")),
        ("three/a.yaml", &config_map("three", "1")),
    ]);
    stage.start();
    let one = stage.argo_app("one", &repository.url(), "one").await;
    let two = stage.flux_app("two", &repository.url(), "two").await;
    stage.argo_app("three", &repository.url(), "three").await;
    stage.until_synced("one", "").await;
    stage.until_ready("two", "").await;
    stage.until_synced("three", "").await;

    let skip = "argocd.argoproj.io/skip-reconcile";
    stage.patch(&one, "", json!({"metadata": {"annotations": {skip: "true"}}})).await;
    stage.patch(&two, "", json!({"spec": {"suspend": true}})).await;
    // When a third app has seen its newer spec, the two have seen theirs.
    let three = stage.application("three").await;
    stage.patch(&three, "", json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}})).await;
    stage
        .until("the refresh is answered", async || {
            stage.application("three").await.annotation("argocd.argoproj.io/refresh").is_none()
        })
        .await;
    for name in ["one", "two"] {
        let object = stage.object("v1", "ConfigMap", name).await.expect("is there");
        stage.delete(&object).await;
    }
    repository.write("one/a.yaml", &config_map("one", "2"));
    repository.write("two/a.yaml", &config_map("two", "2"));
    let commit = repository.change("three/a.yaml", &config_map("three", "2"));
    stage.until_synced("three", &commit).await;
    heals(stage, "three").await;
    assert!(!is_there(stage, "one").await && !is_there(stage, "two").await, "what is suspended is not put back");

    stage.patch(&one, "", json!({"metadata": {"annotations": {skip: null}}})).await;
    stage.patch(&two, "", json!({"spec": {"suspend": false}})).await;
    stage.until_synced("one", &commit).await;
    stage.until_ready("two", &commit).await;
    assert!(is_there(stage, "one").await && is_there(stage, "two").await);
}

/// An Application that does nothing by itself.
async fn manual(stage: &Stage, url: &str) -> Object {
    let mut app = stage.application_value("one", url, "app");
    app["spec"]["syncPolicy"] = json!({});
    stage.apply(app).await
}

async fn until_out_of_sync(stage: &Stage, name: &str, commit: &str) -> Object {
    stage
        .until(&format!("Application {name} is out of sync with {commit:?}"), async || {
            let app = stage.application(name).await;
            app.text("/status/sync/status") == Some("OutOfSync")
                && (commit.is_empty() || app.text("/status/sync/revision") == Some(commit))
        })
        .await;
    stage.application(name).await
}

async fn ask(stage: &Stage, app: &Object, sync: Value) {
    let operation = json!({"initiatedBy": {"username": "somebody"}, "sync": sync});
    stage.patch(app, "", json!({ "operation": operation })).await;
}

async fn until_ended(stage: &Stage, phase: &str) -> Object {
    stage
        .until(&format!("the operation has {phase}"), async || {
            let app = stage.application("one").await;
            app.at("/operation").is_none() && app.text("/status/operationState/phase") == Some(phase)
        })
        .await;
    stage.application("one").await
}

async fn an_application_syncs_when_asked(stage: &Stage) {
    let repository = Repository::new(&[("app/a.yaml", &config_map("a", "1")), ("app/b.yaml", &config_map("b", "1"))]);
    stage.start();
    let app = manual(stage, &repository.url()).await;
    let seen = until_out_of_sync(stage, "one", "").await;
    assert_eq!(seen.text("/status/health/status"), Some("Missing"));
    assert!(seen.at("/status/operationState").is_none() && seen.at("/status/history").is_none());
    assert!(!is_there(stage, "a").await, "nothing is applied unasked");

    ask(stage, &app, json!({"revision": repository.head(), "prune": true})).await;
    let done = until_ended(stage, "Succeeded").await;
    assert_eq!(done.text("/status/operationState/operation/initiatedBy/username"), Some("somebody"));
    assert_eq!(done.text("/status/operationState/syncResult/revision"), Some(&*repository.head()));
    assert_eq!(done.at("/status/operationState/syncResult/resources").and_then(Value::as_array).map(Vec::len), Some(2));
    let history = done.at("/status/history").and_then(Value::as_array).expect("a history");
    assert_eq!(history.len(), 1);
    assert_eq!(history[0]["initiatedBy"]["username"], "somebody");
    stage.until_synced("one", &repository.head()).await;

    // A commit, a deleted object and one that left Git are shown, and nothing is done about them.
    repository.remove("app/b.yaml");
    let commit = repository.change("app/a.yaml", &config_map("a", "2"));
    let seen = until_out_of_sync(stage, "one", &commit).await;
    let resources = seen.at("/status/resources").and_then(Value::as_array).expect("resources");
    let b = resources.iter().find(|resource| resource["name"] == "b").expect("is listed");
    assert_eq!((&b["status"], &b["requiresPruning"]), (&json!("OutOfSync"), &json!(true)));
    let a = stage.object("v1", "ConfigMap", "a").await.expect("is there");
    assert_eq!(a.text("/data/key"), Some("1"));

    // A dry run changes nothing; then one object is asked for, then all.
    ask(stage, &app, json!({"dryRun": true})).await;
    let tried = until_ended(stage, "Succeeded").await;
    assert_eq!(tried.at("/status/operationState/operation/sync/dryRun"), Some(&json!(true)));
    assert_eq!(stage.object("v1", "ConfigMap", "a").await.expect("is there").text("/data/key"), Some("1"));
    ask(stage, &app, json!({"resources": [{"kind": "ConfigMap", "name": "a"}]})).await;
    stage
        .until("the one object is applied", async || {
            stage.object("v1", "ConfigMap", "a").await.is_some_and(|a| a.text("/data/key") == Some("2"))
        })
        .await;
    until_ended(stage, "Succeeded").await;
    assert!(is_there(stage, "b").await, "pruning was not asked for");
    ask(stage, &app, json!({"prune": true})).await;
    stage.until("it is pruned", async || !is_there(stage, "b").await).await;
    until_ended(stage, "Succeeded").await;
    stage.until_synced("one", &commit).await;
}

async fn a_failed_request_is_told_and_not_repeated(stage: &Stage) {
    let repository = Repository::new(&[
        ("app/a.yaml", &config_map("a", "1")),
        ("app/b.yaml", &deployment("web", 1).replace("replicas: 1", "replicas: one")),
    ]);
    stage.start();
    let app = manual(stage, &repository.url()).await;
    until_out_of_sync(stage, "one", "").await;
    ask(stage, &app, json!({})).await;
    let failed = until_ended(stage, "Failed").await;
    let message = failed.text("/status/operationState/message").unwrap_or_default();
    assert!(message.contains("app/b.yaml:1: ") && message.contains(".spec.replicas"), "{message}");
    assert_eq!(failed.text("/status/sync/status"), Some("OutOfSync"));
    assert!(is_there(stage, "a").await, "the others are applied");
    assert!(failed.at("/status/history").is_none(), "only what was applied whole is history");

    // A revision that is nowhere ends the request too.
    ask(stage, &app, json!({"revision": "no-such-branch"})).await;
    let failed = until_ended(stage, "Error").await;
    let message = failed.text("/status/operationState/message").unwrap_or_default();
    assert!(message.contains("`no-such-branch` is not in"), "{message}");
}

async fn pruning_that_is_off_leaves_objects(stage: &Stage) {
    let repository = Repository::new(&[
        ("one/a.yaml", &config_map("one-a", "1")),
        ("one/b.yaml", &config_map("one-b", "1")),
        ("two/a.yaml", &config_map("two-a", "1")),
        ("two/b.yaml", &config_map("two-b", "1")),
        ("three/a.yaml", &config_map("three-a", "1")),
        (
            "three/b.yaml",
            &config_map("three-b", "1")
                .replace("metadata:\n", "metadata:\n  annotations: {argocd.argoproj.io/sync-options: Prune=false}\n"),
        ),
    ]);
    stage.start();
    let mut app = stage.application_value("one", &repository.url(), "one");
    app["spec"]["syncPolicy"]["automated"]["prune"] = json!(false);
    stage.apply(app).await;
    stage.apply(stage.git_repository_value("two", &repository.url())).await;
    let mut app = stage.kustomization_value("two", "two");
    app["spec"]["prune"] = json!(false);
    stage.apply(app).await;
    stage.argo_app("three", &repository.url(), "three").await;
    stage.until_synced("one", "").await;
    stage.until_ready("two", "").await;
    stage.until_synced("three", "").await;

    for name in ["one", "two", "three"] {
        repository.remove(&format!("{name}/b.yaml"));
    }
    let commit = repository.commit("fewer");
    for name in ["one", "three"] {
        let seen = until_out_of_sync(stage, name, &commit).await;
        let resources = seen.at("/status/resources").and_then(Value::as_array).expect("resources");
        let left = resources.iter().find(|resource| resource["name"] == format!("{name}-b")).expect("is listed");
        assert_eq!((&left["status"], &left["requiresPruning"]), (&json!("OutOfSync"), &json!(true)));
    }
    // As with Flux, what may not be pruned is let go.
    stage.until_ready("two", &commit).await;
    for name in ["one", "two", "three"] {
        heals(stage, &format!("{name}-a")).await;
        assert!(is_there(stage, &format!("{name}-b")).await, "{name}-b stays");
    }
}

async fn deletion_takes_objects_along_where_asked(stage: &Stage) {
    let names = ["a-with", "a-without", "f-with", "f-without"];
    let files: Vec<_> = names
        .iter()
        .flat_map(|name| {
            [
                (format!("{name}/a.yaml"), config_map(name, "1")),
                (format!("{name}/b.yaml"), deployment(&format!("{name}-web"), 1)),
            ]
        })
        .collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let repository = Repository::new(&files);
    let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "foreign", "namespace": stage.target()}});
    stage.apply(foreign).await;
    stage.start();
    let mut app = stage.application_value("a-with", &repository.url(), "a-with");
    app["metadata"]["finalizers"] = json!(["resources-finalizer.argocd.argoproj.io"]);
    stage.apply(app).await;
    stage.argo_app("a-without", &repository.url(), "a-without").await;
    stage.apply(stage.git_repository_value("all", &repository.url())).await;
    kustomization(stage, "all", "f-with", &[]).await;
    let mut app = stage.kustomization_value("f-without", "f-without");
    app["spec"]["sourceRef"]["name"] = json!("all");
    app["spec"]["prune"] = json!(false);
    stage.apply(app).await;
    for name in ["a-with", "a-without"] {
        stage.until_synced(name, "").await;
    }
    for name in ["f-with", "f-without"] {
        stage.until_ready(name, "").await;
    }

    // Apps that never had anything, because their repository is nowhere, go away as well.
    let mut app = stage.application_value("a-broken", "file:///nowhere/at/all", "app");
    app["metadata"]["finalizers"] = json!(["resources-finalizer.argocd.argoproj.io"]);
    stage.apply(app).await;
    stage.flux_app("f-broken", "file:///nowhere/at/all", "app").await;
    stage.until_condition("a-broken", "ComparisonError", "there is no repository").await;
    stage.until_not_ready("f-broken", "there is no repository").await;
    stage.delete(&stage.application("a-broken").await).await;
    stage.delete(&stage.kustomization("f-broken").await).await;
    let broken = stage.get("source.toolkit.fluxcd.io/v1", "GitRepository", &stage.home(), "f-broken").await;
    stage.delete(&broken.expect("is there")).await;

    // The source goes first: to go away needs nothing but the cluster.
    let all = stage.get("source.toolkit.fluxcd.io/v1", "GitRepository", &stage.home(), "all").await;
    stage.delete(&all.expect("is there")).await;
    for name in ["a-with", "a-without"] {
        stage.delete(&stage.application(name).await).await;
    }
    for name in ["f-with", "f-without"] {
        stage.delete(&stage.kustomization(name).await).await;
    }
    for (api_version, kind) in [
        ("argoproj.io/v1alpha1", "Application"),
        ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
        ("source.toolkit.fluxcd.io/v1", "GitRepository"),
    ] {
        stage
            .until(&format!("no {kind} is left"), async || {
                stage.list(api_version, kind, &stage.home()).await.is_empty()
            })
            .await;
    }
    for name in ["a-with", "f-with"] {
        let web = format!("{name}-web");
        stage
            .until(&format!("the objects of {name} are gone"), async || {
                !is_there(stage, name).await && stage.object("apps/v1", "Deployment", &web).await.is_none()
            })
            .await;
    }
    for name in ["a-without", "f-without"] {
        assert!(is_there(stage, name).await, "the objects of {name} stay");
        assert!(stage.object("apps/v1", "Deployment", &format!("{name}-web")).await.is_some());
    }
    assert!(is_there(stage, "foreign").await);
}

async fn a_namespace_is_made_where_asked(stage: &Stage) {
    let repository = Repository::new(&[("app/a.yaml", &config_map("a", "1"))]);
    let made = stage.unique("made");
    stage.start();
    let mut app = stage.application_value("one", &repository.url(), "app");
    app["spec"]["destination"]["namespace"] = json!(made);
    stage.apply(app.clone()).await;
    stage.until_condition("one", "SyncError", &format!("namespaces \"{made}\" not found")).await;
    app["spec"]["syncPolicy"]["syncOptions"] = json!(["CreateNamespace=true"]);
    app["spec"]["syncPolicy"]["managedNamespaceMetadata"] = json!({"labels": {"team": "stories"}});
    stage.apply(app).await;
    stage.until_synced("one", "").await;
    let namespace = stage.get("v1", "Namespace", "", &made).await.expect("was made");
    assert_eq!(namespace.label("team"), Some("stories"));
    assert!(stage.get("v1", "ConfigMap", &made, "a").await.is_some());
    // It does not belong to the application, which does not prune it.
    assert!(namespace.annotation("argocd.argoproj.io/tracking-id").is_none());
    stage.delete(&namespace).await;
}

async fn a_target_namespace_replaces_any_other(stage: &Stage) {
    let text = config_map("a", "1").replace("metadata:\n", "metadata:\n  namespace: default\n");
    let repository = Repository::new(&[("two/a.yaml", &text)]);
    stage.start();
    stage.flux_app("two", &repository.url(), "two").await;
    stage.until_ready("two", "").await;
    assert!(is_there(stage, "a").await);
    assert!(stage.get("v1", "ConfigMap", "default", "a").await.is_none());
}

fn in_wave(text: &str, wave: i32) -> String {
    text.replacen(
        "metadata:\n",
        &format!("metadata:\n  annotations: {{argocd.argoproj.io/sync-wave: \"{wave}\"}}\n"),
        1,
    )
}

async fn waves_wait_for_health(stage: &Stage) {
    let repository = Repository::new(&[
        ("app/a.yaml", &in_wave(&config_map("last", "1"), 3)),
        ("app/b.yaml", &in_wave(&deployment("web", 1), 2)),
        ("app/c.yaml", &held("held")),
        ("app/d.yaml", &in_wave(&config_map("first", "1"), -1)),
    ]);
    stage.start();
    stage.argo_app("one", &repository.url(), "app").await;
    until_there(stage, "Service", "held").await;
    assert!(is_there(stage, "first").await, "the first wave was first");
    stage
        .until("the application is progressing", async || {
            let app = stage.application("one").await;
            app.text("/status/operationState/phase") == Some("Running")
        })
        .await;
    assert!(stage.object("apps/v1", "Deployment", "web").await.is_none(), "a wave waits for the one before");
    release(stage, "held").await;
    stage
        .until("the last wave is there", async || {
            let last = is_there(stage, "last").await;
            if last {
                let web = stage.object("apps/v1", "Deployment", "web").await.expect("is there before");
                assert_eq!(web.at("/status/availableReplicas"), Some(&json!(1)), "it was waited for");
            }
            last
        })
        .await;
    stage.until_synced("one", "").await;
    let app = stage.application("one").await;
    let resources = app.at("/status/resources").and_then(Value::as_array).expect("resources");
    let waves: Vec<_> = resources.iter().map(|resource| (&resource["name"], &resource["syncWave"])).collect();
    assert!(
        waves.contains(&(&json!("last"), &json!(3))) && waves.contains(&(&json!("first"), &json!(-1))),
        "{waves:?}"
    );
}

fn job(name: &str, phase: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations:\n    argocd.argoproj.io/hook: {phase}\n\
         spec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n        - name: main\n          \
         image: registry.example/{name}:1\n"
    )
}

async fn hooks_run_around_a_sync(stage: &Stage) {
    let repository = Repository::new(&[
        ("app/a.yaml", &job("before", "PreSync")),
        ("app/b.yaml", &config_map("between", "1")),
        ("app/c.yaml", &job("after", "PostSync")),
    ]);
    stage.start();
    stage.argo_app("one", &repository.url(), "app").await;
    stage.until_synced("one", "").await;
    // Versions count all writes of a cluster, one after another.
    let version = |object: &Object| object.resource_version().parse::<u64>().expect("a number");
    let between = stage.object("v1", "ConfigMap", "between").await.expect("is there");
    let before = until_there(stage, "Job", "before").await;
    let after = until_there(stage, "Job", "after").await;
    assert_eq!(before.at("/status/succeeded"), Some(&json!(1)));
    assert!(version(&before) < version(&between), "the first hook had ended before anything was applied");
    assert!(version(&between) < version(&after));
    stage
        .until("the operation has ended", async || {
            stage.application("one").await.text("/status/operationState/phase") == Some("Succeeded")
        })
        .await;
    let after = until_there(stage, "Job", "after").await;
    assert_eq!(after.at("/status/succeeded"), Some(&json!(1)));
    let app = stage.application("one").await;
    let results = app.at("/status/operationState/syncResult/resources").and_then(Value::as_array).expect("results");
    let hooks: Vec<_> = results.iter().filter(|result| result["hookType"].is_string()).collect();
    assert_eq!(hooks.len(), 2);
    assert!(hooks.iter().all(|hook| hook["hookPhase"] == "Succeeded"), "{hooks:?}");
    assert_eq!((&hooks[0]["hookType"], &hooks[1]["hookType"]), (&json!("PreSync"), &json!("PostSync")));

    // To put back what drifted runs no hook; the next commit runs them anew.
    heals(stage, "between").await;
    stage.until_synced("one", "").await;
    assert_eq!(until_there(stage, "Job", "before").await.uid(), before.uid());
    let commit = repository.change("app/b.yaml", &config_map("between", "2"));
    stage.until_synced("one", &commit).await;
    stage
        .until("the hooks have run anew", async || {
            let app = stage.application("one").await;
            app.text("/status/operationState/phase") == Some("Succeeded")
                && app.text("/status/operationState/syncResult/revision") == Some(&*commit)
        })
        .await;
    assert_ne!(until_there(stage, "Job", "before").await.uid(), before.uid());
    assert_ne!(until_there(stage, "Job", "after").await.uid(), after.uid());
}

/// Waits for an Event about a resource, and returns how it stands: its type, and the component it is from.
async fn until_recorded(stage: &Stage, about: (&str, &str), reason: &str, text: &str) -> (String, String) {
    let mut found = None;
    stage
        .until(&format!("{about:?} has an Event {reason}: {text}"), async || {
            let events = stage.list("v1", "Event", &stage.home()).await;
            let is_it = |event: &&Object| {
                (event.text("/involvedObject/kind"), event.text("/involvedObject/name"))
                    == (Some(about.0), Some(about.1))
                    && event.text("/reason") == Some(reason)
                    && event.text("/message").is_some_and(|message| message.contains(text))
            };
            found = events.iter().find(is_it).cloned();
            found.is_some()
        })
        .await;
    let event = found.expect("was found");
    let text = |field| event.text(field).unwrap_or_default().to_owned();
    (text("/type"), text("/source/component"))
}

async fn what_happens_is_recorded_as_events(stage: &Stage) {
    let repository =
        Repository::new(&[("one/a.yaml", &config_map("one", "1")), ("two/a.yaml", &config_map("two", "1"))]);
    stage.start();
    stage.argo_app("one", &repository.url(), "one").await;
    stage.flux_app("two", &repository.url(), "two").await;
    stage.until_synced("one", "").await;
    stage.until_ready("two", "").await;
    let head = repository.head();
    let (argo, flux, source) = (("Application", "one"), ("Kustomization", "two"), ("GitRepository", "two"));
    let normal = |component: &str| ("Normal".to_owned(), component.to_owned());
    let warning = |component: &str| ("Warning".to_owned(), component.to_owned());
    let controller = "argocd-application-controller";
    for (reason, text) in [
        ("OperationStarted", format!("Initiated automated sync to '{head}'")),
        ("OperationCompleted", format!("Sync operation to {head} succeeded")),
        ("ResourceUpdated", "Updated sync status: ".to_owned()),
    ] {
        assert_eq!(until_recorded(stage, argo, reason, &text).await, normal(controller));
    }
    assert_eq!(until_recorded(stage, source, "NewArtifact", "'first'").await, normal("source-controller"));
    let controller = "kustomize-controller";
    assert_eq!(until_recorded(stage, flux, "Progressing", "/two created").await, normal(controller));
    assert_eq!(until_recorded(stage, flux, "ReconciliationSucceeded", "next run in 10m0s").await, normal(controller));

    let broken = |name: &str| format!("{}  broken: [1, 2\n", config_map(name, "2"));
    repository.write("one/a.yaml", &broken("one"));
    repository.change("two/a.yaml", &broken("two"));
    assert_eq!(until_recorded(stage, flux, "BuildFailed", "two/a.yaml:").await, warning(controller));
    until_recorded(stage, argo, "ResourceUpdated", "Updated sync status: Synced -> Unknown").await;
}

async fn what_this_version_does_not_do_is_told(stage: &Stage) {
    let repository =
        Repository::new(&[("one/a.yaml", &config_map("one", "1")), ("two/a.yaml", &config_map("two", "1"))]);
    stage.start();
    let one = stage.argo_app("one", &repository.url(), "one").await;
    let two = stage.flux_app("two", &repository.url(), "two").await;
    stage.until_synced("one", "").await;
    stage.until_ready("two", "").await;

    // To go on without what is asked for would apply something else: nothing is done, and nothing undone.
    stage.patch(&one, "", json!({"spec": {"source": {"kustomize": {"version": "v4.5.7"}}}})).await;
    stage.patch(&two, "", json!({"spec": {"postBuild": {"substitute": {"a": "b"}}}})).await;
    stage.until_condition("one", "InvalidSpecError", "kustomize version v4.5.7 is not registered").await;
    let ready = stage.until_not_ready("two", "`spec.postBuild`").await;
    assert_eq!(ready["reason"], "Unsupported");
    let app = stage.kustomization("two").await;
    assert_eq!(condition(&app, "Stalled").map(|stalled| &stalled["status"]), Some(&json!("True")));
    let app = stage.application("one").await;
    assert_eq!(app.text("/status/health/status"), Some("Unknown"));
    assert!(is_there(stage, "one").await && is_there(stage, "two").await);

    stage.patch(&one, "", json!({"spec": {"source": {"kustomize": null}}})).await;
    stage.patch(&two, "", json!({"spec": {"postBuild": null}})).await;
    stage.until_synced("one", "").await;
    stage.until_ready("two", "").await;
    heals(stage, "one").await;
    heals(stage, "two").await;

    // Another cluster is not this one.
    let elsewhere = json!({"spec": {"destination": {"server": "https://elsewhere.example"}}});
    stage.patch(&one, "", elsewhere).await;
    stage.until_condition("one", "InvalidSpecError", "`https://elsewhere.example` is not the one").await;
    assert!(is_there(stage, "one").await);
}

#[expect(clippy::print_stderr, reason = "a story that did not run must say so")]
async fn kubectl_reads_the_resources_as_the_peers(stage: &Stage) {
    if Command::new("kubectl").arg("version").arg("--client").output().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the story needs kubectl");
        eprintln!("skipped: kubectl_reads_the_resources_as_the_peers needs kubectl");
        return;
    }
    let repository =
        Repository::new(&[("one/a.yaml", &config_map("one", "1")), ("two/a.yaml", &config_map("two", "1"))]);
    stage.start();
    stage.argo_app("one", &repository.url(), "one").await;
    stage.flux_app("two", &repository.url(), "two").await;
    stage.until_synced("one", "").await;
    let dir = tempfile::tempdir().expect("a directory can be made");
    let kubeconfig = dir.path().join("kubeconfig");
    std::fs::write(&kubeconfig, stage.kubeconfig().await).expect("can be written");
    let kubectl = async |arguments: &[&str]| {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&kubeconfig).arg("--cache-dir").arg(dir.path().join("cache")).args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().expect("kubectl runs")).await;
        let output = output.expect("does not panic");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    let home = stage.home();
    for resource in ["kustomization/two", "gitrepository/two"] {
        let said = kubectl(&["wait", "--for=condition=ready", resource, "-n", &home, "--timeout=30s"]).await;
        assert!(said.contains("condition met"), "{said}");
    }
    kubectl(&["wait", "--for=jsonpath={.status.health.status}=Healthy", "application/one", "-n", &home]).await;

    let table = kubectl(&["get", "applications,kustomizations,gitrepositories", "-A"]).await;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let headers: Vec<_> = table.lines().filter(|line| line.starts_with("NAMESPACE")).map(words).collect();
    assert_eq!(
        headers,
        [
            words("NAMESPACE NAME SYNC STATUS HEALTH STATUS"),
            words("NAMESPACE NAME AGE READY STATUS"),
            words("NAMESPACE NAME URL AGE READY STATUS"),
        ],
        "{table}"
    );
    let row = |begin: &str| {
        let row = table.lines().map(words).find(|row| row.first() == Some(&home) && row[1].starts_with(begin));
        row.unwrap_or_else(|| panic!("{begin} is not in\n{table}"))
    };
    assert_eq!(row("application.argoproj.io/one")[2..], ["Synced", "Healthy"]);
    let revision = format!("main@sha1:{}", repository.head());
    let applied = row("kustomization.kustomize.toolkit.fluxcd.io/two");
    assert_eq!(applied[3..], ["True", "Applied", "revision:", &*revision]);
    let stored = row("gitrepository.source.toolkit.fluxcd.io/two");
    assert_eq!(stored[2], repository.url());
    assert_eq!(stored[4..], ["True", "stored", "artifact", "for", "revision", &*format!("'{revision}'")]);
    let wide = kubectl(&["get", "app", "-n", &home, "-o", "wide"]).await;
    assert_eq!(words(&wide)[..8], words("NAME SYNC STATUS HEALTH STATUS REVISION PROJECT one")[..8]);
}
