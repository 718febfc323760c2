//! Manifests that are wrong: the file and line are told on the app they belong to, and what can go on goes on.

use serde_json::json;

use crate::bystander::{Bystander, heals};
use crate::git::Repository;
use crate::pair;
use crate::stage::{KINDS, Stage, condition, config_map, deployment};

crate::stories!(
    one_broken_file_of_ten_changes_nothing,
    documents_that_are_no_objects_are_told,
    an_unknown_kind_does_not_hold_up_the_rest,
    a_kind_may_come_with_its_objects,
    an_empty_render_does_not_prune,
    an_object_has_one_owner,
    a_rejected_object_does_not_hold_up_the_rest,
    an_immutable_field_is_told_and_forced,
    an_object_of_two_megabytes_is_told,
    what_is_mended_does_not_wait_for_a_retry,
    a_retry_says_the_same_at_the_same_time,
    what_another_renderer_is_for_is_told,
    a_namespace_that_is_not_there_is_told,
);

async fn one_broken_file_of_ten_changes_nothing(stage: &Stage) {
    let names: Vec<String> = (0..10).map(|at| format!("{at}.yaml")).collect();
    let texts: Vec<String> = (0..10).map(|at| config_map(&format!("{{}}-{at}"), "old")).collect();
    let files: Vec<_> = names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let repository = pair::repository(&files);
    stage.start();
    let bystander = Bystander::install(stage).await;
    pair::install(stage, &repository).await;
    pair::until_installed(stage, "").await;

    pair::write(&repository, "1.yaml", |app| config_map(&format!("{app}-1"), "new"));
    pair::remove(&repository, "3.yaml");
    pair::write(&repository, "7.yaml", |app| format!("{}  broken: [1, 2\n", config_map(&format!("{app}-7"), "new")));
    let broken = repository.commit("a broken file");
    let (_, ready) = pair::until_told(stage, "ComparisonError", "{}/7.yaml:").await;
    assert_eq!(ready["reason"], "BuildFailed");
    let place = ready["message"].as_str().and_then(|message| message.split(": ").next()).unwrap_or_default();
    assert!(place.starts_with("two/7.yaml:7") || place.starts_with("two/7.yaml:8"), "the line is told: {ready}");
    let app = stage.application("one").await;
    assert_eq!(app.text("/status/sync/status"), Some("Unknown"));
    assert_eq!(app.text("/status/sync/revision"), Some(&*broken));
    for name in ["one", "two"] {
        let changed = stage.object("v1", "ConfigMap", &format!("{name}-1")).await.expect("is there");
        assert_eq!(changed.text("/data/key"), Some("old"), "nothing is applied");
        assert!(stage.object("v1", "ConfigMap", &format!("{name}-3")).await.is_some(), "nothing is pruned");
    }
    bystander.goes_on(stage).await;

    pair::write(&repository, "7.yaml", |app| config_map(&format!("{app}-7"), "new"));
    let mended = repository.commit("mended");
    pair::until_installed(stage, &mended).await;
    pair::until_nothing_is_told(stage).await;
    for name in ["one", "two"] {
        let changed = stage.object("v1", "ConfigMap", &format!("{name}-1")).await.expect("is there");
        assert_eq!(changed.text("/data/key"), Some("new"));
        assert!(stage.object("v1", "ConfigMap", &format!("{name}-3")).await.is_none());
    }
}

async fn documents_that_are_no_objects_are_told(stage: &Stage) {
    let repository = pair::repository(&[("a.yaml", &config_map("{}", "1"))]);
    stage.start();
    let bystander = Bystander::install(stage).await;
    pair::install(stage, &repository).await;
    pair::until_installed(stage, "").await;
    let begin = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}-fine\n---\n";
    for (text, words) in [
        ("apiVersion: v1\nmetadata:\n  name: {}-x\ndata: {}\n", "`kind`"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  labels: {a: b}\n", "`metadata.name`"),
    ] {
        pair::write(&repository, "b.yaml", |app| format!("{begin}{text}").replace("{}", app));
        repository.commit(words);
        let (message, ready) = pair::until_told(stage, "ComparisonError", words).await;
        assert!(message.starts_with("one/b.yaml:6: "), "{message}");
        assert!(ready["message"].as_str().is_some_and(|message| message.starts_with("two/b.yaml:6: ")), "{ready}");
        assert_eq!(ready["reason"], "BuildFailed");
        for name in ["one", "two"] {
            assert!(stage.object("v1", "ConfigMap", &format!("{name}-fine")).await.is_none(), "nothing is applied");
            assert!(stage.object("v1", "ConfigMap", name).await.is_some(), "nothing is pruned");
        }
    }
    bystander.goes_on(stage).await;
}

/// A kind of its own for a story and an app of it.
fn definition(stage: &Stage, app: &str) -> String {
    let (group, plural) = (stage.unique("kinds") + ".example", format!("{app}s"));
    let kind = kind(app);
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {plural}.{group}\n\
         spec:\n  group: {group}\n  scope: Namespaced\n  names:\n    plural: {plural}\n    singular: {app}\n    \
         kind: {kind}\n    listKind: {kind}List\n  versions:\n    - name: v1\n      served: true\n      storage: true\n      \
         schema:\n        openAPIV3Schema:\n          type: object\n          properties:\n            spec:\n              \
         type: object\n              x-kubernetes-preserve-unknown-fields: true\n"
    )
}

fn kind(app: &str) -> String {
    format!("{}{}", app[..1].to_uppercase(), &app[1..])
}

fn custom(stage: &Stage, app: &str, value: &str) -> String {
    let group = stage.unique("kinds") + ".example";
    format!("apiVersion: {group}/v1\nkind: {}\nmetadata:\n  name: {app}\nspec:\n  key: \"{value}\"\n", kind(app))
}

async fn custom_object(stage: &Stage, app: &str) -> Option<bowline_model::Object> {
    let group = stage.unique("kinds") + ".example";
    stage.object(&format!("{group}/v1"), &kind(app), app).await
}

async fn an_unknown_kind_does_not_hold_up_the_rest(stage: &Stage) {
    let _changes_kinds = KINDS.read().await;
    let repository = pair::repository(&[("a.yaml", &config_map("{}", "1"))]);
    pair::write(&repository, "b.yaml", |app| custom(stage, app, "1"));
    let commit = repository.commit("an unknown kind");
    stage.start();
    let bystander = Bystander::install(stage).await;
    pair::install(stage, &repository).await;
    let (message, ready) = pair::until_told(stage, "SyncError", "the cluster has no kind").await;
    assert!(message.contains("one/b.yaml:1: "), "{message}");
    assert!(message.contains("CustomResourceDefinition"), "{message}");
    assert!(ready["message"].as_str().is_some_and(|message| message.contains("two/b.yaml:1: ")), "{ready}");
    assert_eq!(ready["reason"], "ReconciliationFailed");
    for name in ["one", "two"] {
        stage.until("the others are applied", async || stage.object("v1", "ConfigMap", name).await.is_some()).await;
        heals(stage, name).await;
    }
    bystander.goes_on(stage).await;

    // Somebody installs the kinds; nothing else has to be done.
    for app in ["one", "two"] {
        let text = definition(stage, app);
        let (documents, _) = bowline_yaml::parse_documents(text.as_bytes(), &bowline_yaml::Limits::default());
        stage.apply(documents[0].value.clone()).await;
    }
    pair::until_installed(stage, &commit).await;
    pair::until_nothing_is_told(stage).await;
    for app in ["one", "two"] {
        assert!(custom_object(stage, app).await.is_some(), "{app} is made");
    }
}

async fn a_kind_may_come_with_its_objects(stage: &Stage) {
    let _changes_kinds = KINDS.read().await;
    let repository = pair::repository(&[("c.yaml", &config_map("{}", "1"))]);
    // By name the object comes before its definition.
    pair::write(&repository, "a.yaml", |app| custom(stage, app, "1"));
    pair::write(&repository, "b.yaml", |app| definition(stage, app));
    let commit = repository.commit("kinds and objects");
    stage.start();
    pair::install(stage, &repository).await;
    pair::until_installed(stage, &commit).await;
    for app in ["one", "two"] {
        let made = custom_object(stage, app).await.expect("is made");
        assert_eq!(made.text("/spec/key"), Some("1"));
        // And from now on it is looked after like any other.
        stage.delete(&made).await;
        stage.until("it comes back", async || custom_object(stage, app).await.is_some()).await;
    }
    pair::remove(&repository, "a.yaml");
    let commit = repository.commit("without the objects");
    pair::until_installed(stage, &commit).await;
    for app in ["one", "two"] {
        stage.until("it is pruned", async || custom_object(stage, app).await.is_none()).await;
    }
}

async fn an_empty_render_does_not_prune(stage: &Stage) {
    let repository = pair::repository(&[("a.yaml", &config_map("{}", "1")), ("b.yaml", &config_map("{}-b", "1"))]);
    pair::write(&repository, "README.md", |_| "No manifest.\n".to_owned());
    repository.commit("with a text");
    stage.start();
    let bystander = Bystander::install(stage).await;
    pair::install(stage, &repository).await;
    pair::until_installed(stage, "").await;

    pair::remove(&repository, "a.yaml");
    pair::remove(&repository, "b.yaml");
    repository.commit("nothing left");
    let (_, ready) = pair::until_told(stage, "SyncError", "pruning would delete all 2 of them").await;
    assert_eq!(ready["reason"], "PruneFailed");
    bystander.goes_on(stage).await;
    for name in ["one", "one-b", "two", "two-b"] {
        assert!(stage.object("v1", "ConfigMap", name).await.is_some(), "{name} stays");
    }

    // One object is enough to say that it is meant.
    pair::write(&repository, "b.yaml", |app| config_map(&format!("{app}-b"), "2"));
    let commit = repository.commit("one left");
    pair::until_installed(stage, &commit).await;
    pair::until_nothing_is_told(stage).await;
    for name in ["one", "two"] {
        stage.until("it is pruned", async || stage.object("v1", "ConfigMap", name).await.is_none()).await;
    }
}

async fn an_object_has_one_owner(stage: &Stage) {
    // Four apps, two a dialect; each of the last three wants what an app before it has.
    let repository = Repository::new(&[
        ("a1/own.yaml", &config_map("a1", "1")),
        ("a1/to-argo.yaml", &config_map("to-argo", "a1")),
        ("a1/to-flux.yaml", &config_map("to-flux", "a1")),
        ("f1/own.yaml", &config_map("f1", "1")),
        ("f1/from-flux.yaml", &config_map("from-flux", "f1")),
        ("a2/own.yaml", &config_map("a2", "1")),
        ("a2/to-argo.yaml", &config_map("to-argo", "a2")),
        ("a3/own.yaml", &config_map("a3", "1")),
        ("a3/from-flux.yaml", &config_map("from-flux", "a3")),
        ("f2/own.yaml", &config_map("f2", "1")),
        ("f2/to-flux.yaml", &config_map("to-flux", "f2")),
    ]);
    let url = repository.url();
    stage.start();
    stage.argo_app("a1", &url, "a1").await;
    stage.flux_app("f1", &url, "f1").await;
    stage.until_synced("a1", "").await;
    stage.until_ready("f1", "").await;
    let shared = ["to-argo", "to-flux", "from-flux"];
    let mut before = Vec::new();
    for name in shared {
        before.push(stage.object("v1", "ConfigMap", name).await.expect("is there"));
    }
    stage.argo_app("a2", &url, "a2").await;
    stage.argo_app("a3", &url, "a3").await;
    stage.flux_app("f2", &url, "f2").await;
    let home = stage.home();
    let message = stage.until_condition("a2", "SharedResourceWarning", "/to-argo belongs to").await;
    assert!(message.contains(&format!("Application {home}/a1")), "{message}");
    let message = stage.until_condition("a3", "SharedResourceWarning", "/from-flux belongs to").await;
    assert!(message.contains(&format!("Kustomization {home}/f1")), "{message}");
    let ready = stage.until_not_ready("f2", "/to-flux belongs to").await;
    assert!(ready["message"].as_str().is_some_and(|text| text.contains(&format!("Application {home}/a1"))), "{ready}");
    // The first keep what they have, and are told nothing; the later ones have the rest of theirs.
    stage.until_synced("a1", "").await;
    stage.until_ready("f1", "").await;
    for (name, before) in shared.iter().zip(&before) {
        let now = stage.object("v1", "ConfigMap", name).await.expect("is there");
        assert_eq!((now.uid(), now.text("/data/key")), (before.uid(), before.text("/data/key")));
    }
    for name in ["a2", "a3", "f2"] {
        assert!(stage.object("v1", "ConfigMap", name).await.is_some(), "{name} is applied");
    }

    // The first let go: the second take over what is there.
    for path in ["a1/to-argo.yaml", "a1/to-flux.yaml", "f1/from-flux.yaml"] {
        repository.remove(path);
    }
    let commit = repository.commit("let go");
    for name in ["a1", "a2", "a3"] {
        stage.until_synced(name, &commit).await;
    }
    for name in ["f1", "f2"] {
        stage.until_ready(name, &commit).await;
    }
    for ((name, before), owner) in shared.iter().zip(&before).zip(["a2", "f2", "a3"]) {
        let now = stage.object("v1", "ConfigMap", name).await.expect("is there");
        assert_eq!(now.uid(), before.uid(), "{name} was never deleted");
        assert_eq!(now.text("/data/key"), Some(owner));
        assert!(!now.is_deleting());
    }
    assert!(condition(&stage.application("a2").await, "SharedResourceWarning").is_none());
}

async fn a_rejected_object_does_not_hold_up_the_rest(stage: &Stage) {
    let repository = pair::repository(&[("a.yaml", &config_map("{}", "1"))]);
    let mismatch = |app: &str| {
        deployment(&format!("{app}-web"), 1).replace("      labels:\n        app: ", "      labels:\n        other: ")
    };
    pair::write(&repository, "b.yaml", |app| format!("# A comment.\n---\n{}", mismatch(app)));
    repository.commit("a deployment that selects nothing");
    stage.start();
    let bystander = Bystander::install(stage).await;
    pair::install(stage, &repository).await;
    let (message, ready) = pair::until_told(stage, "SyncError", "`selector` does not match template `labels`").await;
    assert!(message.contains("one/b.yaml:3: "), "{message}");
    assert!(ready["message"].as_str().is_some_and(|message| message.contains("two/b.yaml:3: ")), "{ready}");
    assert_eq!(ready["reason"], "ReconciliationFailed");
    for name in ["one", "two"] {
        assert!(stage.object("v1", "ConfigMap", name).await.is_some(), "the others are applied");
    }
    bystander.goes_on(stage).await;

    // A value of the wrong type is refused by the server in other words.
    pair::write(&repository, "b.yaml", |app| {
        deployment(&format!("{app}-web"), 1).replace("replicas: 1", "replicas: one")
    });
    repository.commit("a number that is none");
    pair::until_told(stage, "SyncError", ".spec.replicas").await;
    pair::write(&repository, "b.yaml", |app| deployment(&format!("{app}-web"), 1));
    let commit = repository.commit("mended");
    pair::until_installed(stage, &commit).await;
    pair::until_nothing_is_told(stage).await;
}

async fn an_immutable_field_is_told_and_forced(stage: &Stage) {
    let repository = pair::repository(&[("a.yaml", &config_map("{}", "1")), ("b.yaml", &deployment("{}-web", 1))]);
    stage.start();
    let bystander = Bystander::install(stage).await;
    pair::install(stage, &repository).await;
    pair::until_installed(stage, "").await;
    let mut before = Vec::new();
    for name in ["one-web", "two-web"] {
        before.push(stage.object("apps/v1", "Deployment", name).await.expect("is there"));
    }

    let other = |app: &str| deployment(&format!("{app}-web"), 1).replace(&format!("app: {app}-web"), "app: other");
    pair::write(&repository, "a.yaml", |app| config_map(app, "2"));
    pair::write(&repository, "b.yaml", other);
    let commit = repository.commit("another selector");
    let (message, ready) = pair::until_told(stage, "SyncError", "field is immutable").await;
    assert!(message.contains("one/b.yaml:1: ") && message.contains("force"), "{message}");
    assert!(ready["message"].as_str().is_some_and(|message| message.contains("two/b.yaml:1: ")), "{ready}");
    for (name, before) in ["one-web", "two-web"].iter().zip(&before) {
        let now = stage.object("apps/v1", "Deployment", name).await.expect("is there");
        assert_eq!(now.uid(), before.uid(), "nothing is deleted unasked");
    }
    for name in ["one", "two"] {
        let now = stage.object("v1", "ConfigMap", name).await.expect("is there");
        assert_eq!(now.text("/data/key"), Some("2"), "the others are applied");
    }
    bystander.goes_on(stage).await;

    let app = stage.application("one").await;
    stage.patch(&app, "", json!({"spec": {"syncPolicy": {"syncOptions": ["Force=true"]}}})).await;
    let app = stage.kustomization("two").await;
    stage.patch(&app, "", json!({"spec": {"force": true}})).await;
    pair::until_installed(stage, &commit).await;
    for (name, before) in ["one-web", "two-web"].iter().zip(&before) {
        let now = stage.object("apps/v1", "Deployment", name).await.expect("is there");
        assert_ne!(now.uid(), before.uid(), "it was replaced");
        assert_eq!(now.text("/spec/selector/matchLabels/app"), Some("other"));
    }

    // One object may ask for it alone, in the words of each dialect.
    stage.patch(&stage.application("one").await, "", json!({"spec": {"syncPolicy": {"syncOptions": null}}})).await;
    stage.patch(&stage.kustomization("two").await, "", json!({"spec": {"force": false}})).await;
    pair::write(&repository, "b.yaml", |app| {
        let annotation = match app {
            "one" => "argocd.argoproj.io/sync-options: Force=true",
            _ => "kustomize.toolkit.fluxcd.io/force: enabled",
        };
        deployment(&format!("{app}-web"), 1).replacen(
            "metadata:\n",
            &format!("metadata:\n  annotations: {{{annotation}}}\n"),
            1,
        )
    });
    let commit = repository.commit("the first selector");
    pair::until_installed(stage, &commit).await;
    for name in ["one-web", "two-web"] {
        let now = stage.object("apps/v1", "Deployment", name).await.expect("is there");
        assert_eq!(now.text("/spec/selector/matchLabels/app"), Some(name));
    }
}

async fn an_object_of_two_megabytes_is_told(stage: &Stage) {
    let _changes_kinds = KINDS.read().await;
    let huge = "x".repeat(2_000_000);
    let repository = pair::repository(&[("a.yaml", &config_map("{}", "1"))]);
    pair::write(&repository, "b.yaml", |app| config_map(&format!("{app}-big"), &huge));
    repository.commit("a big ConfigMap");
    stage.start();
    let bystander = Bystander::install(stage).await;
    pair::install(stage, &repository).await;
    let (message, _) = pair::until_told(stage, "SyncError", "Too long").await;
    assert!(message.contains("one/b.yaml:1: "), "{}", &message[..message.len().min(500)]);
    for name in ["one", "two"] {
        assert!(stage.object("v1", "ConfigMap", name).await.is_some(), "the others are applied");
    }
    bystander.goes_on(stage).await;

    // A kind without rules of its own: here it is the store that refuses.
    pair::write(&repository, "b.yaml", |app| format!("{}---\n{}", definition(stage, app), custom(stage, app, &huge)));
    repository.commit("a big object of another kind");
    let (message, ready) = pair::until_told(stage, "SyncError", "request is too large").await;
    assert!(message.contains("one/b.yaml:"), "{}", &message[..message.len().min(500)]);
    assert!(ready["message"].as_str().is_some_and(|message| message.contains("two/b.yaml:")));
    assert_eq!(ready["reason"], "ReconciliationFailed");
    bystander.goes_on(stage).await;

    pair::write(&repository, "b.yaml", |app| config_map(&format!("{app}-big"), "small"));
    let commit = repository.commit("small");
    pair::until_installed(stage, &commit).await;
}

async fn what_is_mended_does_not_wait_for_a_retry(stage: &Stage) {
    let broken = deployment("web", 1).replace("replicas: 1", "replicas: one");
    let repository = Repository::new(&[("app/a.yaml", &broken)]);
    stage.start();
    let mut app = stage.application_value("one", &repository.url(), "app");
    app["spec"]["syncPolicy"]["retry"] = json!({"limit": 0});
    stage.apply(app).await;
    let given_up = async |text: &str| {
        stage.until_condition("one", "SyncError", text).await;
        stage
            .until("the sync has failed for good", async || {
                stage.application("one").await.text("/status/operationState/phase") == Some("Failed")
            })
            .await;
    };
    given_up(".spec.replicas").await;
    // A new commit is tried at once, and so is a new spec.
    let commit = repository.change("app/a.yaml", &deployment("web", 1));
    stage.until_synced("one", &commit).await;
    let before = stage.object("apps/v1", "Deployment", "web").await.expect("is there");
    let commit = repository.change("app/a.yaml", &deployment("web", 1).replace("app: web", "app: other"));
    given_up("field is immutable").await;
    let app = stage.application("one").await;
    stage.patch(&app, "", json!({"spec": {"syncPolicy": {"syncOptions": ["Force=true"]}}})).await;
    stage.until_synced("one", &commit).await;
    assert_ne!(stage.object("apps/v1", "Deployment", "web").await.expect("is there").uid(), before.uid());
}

async fn a_retry_says_the_same_at_the_same_time(stage: &Stage) {
    let repository = pair::repository(&[("a.yaml", &deployment("{}", 1).replace("replicas: 1", "replicas: one"))]);
    stage.start();
    pair::install(stage, &repository).await;
    let (_, ready) = pair::until_told(stage, "SyncError", ".spec.replicas").await;
    let told = condition(&stage.application("one").await, "SyncError").cloned();
    let mut seen = std::collections::BTreeSet::new();
    stage
        .until("it was tried again twice", async || {
            let app = stage.application("one").await;
            assert_eq!(condition(&app, "SyncError").cloned(), told);
            let two = stage.kustomization("two").await;
            let now = condition(&two, "Ready").cloned().unwrap_or_default();
            assert_eq!((&now["status"], &now["lastTransitionTime"]), (&ready["status"], &ready["lastTransitionTime"]));
            seen.insert(app.at("/status/operationState/retryCount").and_then(serde_json::Value::as_i64));
            seen.len() > 2
        })
        .await;
}

async fn what_another_renderer_is_for_is_told(stage: &Stage) {
    let repository = pair::repository(&[("a.yaml", &config_map("{}", "1"))]);
    stage.start();
    let bystander = Bystander::install(stage).await;
    pair::install(stage, &repository).await;
    pair::until_installed(stage, "").await;
    pair::write(&repository, "b.jsonnet", |_| "{}\n".to_owned());
    let commit = repository.commit("a file for another renderer");
    let told = "one/b.jsonnet: a Jsonnet file cannot be rendered";
    let message = stage.until_condition("one", "ComparisonError", told).await;
    assert!(message.starts_with("one/"), "{message}");
    // Flux does not look at such files.
    stage.until_ready("two", &commit).await;
    for name in ["one", "two"] {
        assert!(stage.object("v1", "ConfigMap", name).await.is_some(), "nothing is pruned");
    }
    bystander.goes_on(stage).await;
}

async fn a_namespace_that_is_not_there_is_told(stage: &Stage) {
    let elsewhere = stage.unique("elsewhere");
    let within = |namespace: &str, name: &str| {
        config_map(name, "1").replace("metadata:\n", &format!("metadata:\n  namespace: {namespace}\n"))
    };
    let (here, there) = (within(&stage.target(), "{}"), within(&elsewhere, "{}-b"));
    let repository = pair::repository(&[("a.yaml", &here), ("b.yaml", &there)]);
    let commit = repository.head();
    stage.start();
    let bystander = Bystander::install(stage).await;
    stage.argo_app("one", &repository.url(), "one").await;
    stage.apply(stage.git_repository_value("two", &repository.url())).await;
    // A target namespace would replace the one that the object names.
    let mut app = stage.kustomization_value("two", "two");
    app["spec"].as_object_mut().expect("a map").remove("targetNamespace");
    stage.apply(app).await;
    let (message, ready) = pair::until_told(stage, "SyncError", &format!("namespaces \"{elsewhere}\" not found")).await;
    assert!(message.contains("one/b.yaml:1: "), "{message}");
    assert!(ready["message"].as_str().is_some_and(|message| message.contains("two/b.yaml:1: ")), "{ready}");
    for name in ["one", "two"] {
        stage.until("the others are applied", async || stage.object("v1", "ConfigMap", name).await.is_some()).await;
    }
    bystander.goes_on(stage).await;

    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere}});
    let namespace = stage.apply(namespace).await;
    pair::until_installed(stage, &commit).await;
    for name in ["one-b", "two-b"] {
        assert!(stage.get("v1", "ConfigMap", &elsewhere, name).await.is_some());
    }
    stage.delete(&namespace).await;
}
