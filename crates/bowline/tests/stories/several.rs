//! Applications with several sources, and files in a source that say how it is rendered.

use bowline_model::Object;
use serde_json::{Value, json};

use crate::git::Repository;
use crate::stage::{Stage, condition, config_map};

crate::stories!(
    several_sources_are_joined,
    files_in_the_source_say_how_it_is_rendered,
    one_of_several_sources_fails_and_nothing_changes,
);

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.2.3\n";
const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-config\ndata:\n  \
                      key: {{ .Values.greeting | quote }}\n  file: {{ .Values.file | quote }}\n";

fn charts() -> Repository {
    Repository::new(&[
        ("shop/Chart.yaml", CHART),
        ("shop/values.yaml", "greeting: hello\nfile: none\n"),
        ("shop/templates/config.yaml", CONFIG),
    ])
}

/// Creates an Application over several sources.
async fn install(stage: &Stage, sources: Value) -> Object {
    let mut app = stage.application_value("one", "", "");
    let spec = app["spec"].as_object_mut().expect("is a map");
    spec.remove("source");
    spec.insert("sources".to_owned(), sources);
    stage.apply(app).await
}

async fn key(stage: &Stage, name: &str) -> Option<String> {
    stage.object("v1", "ConfigMap", name).await.and_then(|found| found.text("/data/key").map(str::to_owned))
}

/// Waits until the Application is synced at these commits, one for each source.
async fn until_synced(stage: &Stage, commits: &[&str]) {
    stage
        .until(&format!("synced at {commits:?}"), async || {
            let app = stage.application("one").await;
            app.text("/status/sync/status") == Some("Synced")
                && app.at("/status/sync/revisions") == Some(&json!(commits))
        })
        .await;
}

async fn several_sources_are_joined(stage: &Stage) {
    let charts = charts();
    let values = Repository::new(&[("env/prod.yaml", "greeting: good day\n"), ("motd.txt", "of a file")]);
    let plain = Repository::new(&[
        ("a/more.yaml", &config_map("more", "plain")),
        ("a/again.yaml", &config_map("one-config", "the last one")),
    ]);
    stage.start();
    let helm =
        json!({"valueFiles": ["$values/env/*.yaml"], "fileParameters": [{"name": "file", "path": "$values/motd.txt"}]});
    let sources = json!([
        {"repoURL": charts.url(), "targetRevision": "main", "path": "shop", "helm": helm},
        {"repoURL": values.url(), "targetRevision": "main", "ref": "values"},
    ]);
    let app = install(stage, sources.clone()).await;
    until_synced(stage, &[&charts.head(), &values.head()]).await;
    let config = stage.object("v1", "ConfigMap", "one-config").await.expect("is there");
    assert_eq!((config.text("/data/key"), config.text("/data/file")), (Some("good day"), Some("of a file")));
    let status = stage.application("one").await;
    assert_eq!(status.at("/status/sourceTypes"), Some(&json!(["Helm", ""])));
    assert_eq!(status.at("/status/history/0/revisions"), Some(&json!([charts.head(), values.head()])));
    assert_eq!(status.at("/status/history/0/sources"), Some(&sources));
    assert_eq!(status.at("/status/operationState/syncResult/revisions"), Some(&json!([charts.head(), values.head()])));

    // A commit to any of them is followed.
    let newer = values.change("env/prod.yaml", "greeting: good night\n");
    until_synced(stage, &[&charts.head(), &newer]).await;
    stage.until("the newer value", async || key(stage, "one-config").await.as_deref() == Some("good night")).await;

    // What two sources have, the later one decides, and it is told.
    let mut three = sources.clone();
    three.as_array_mut().expect("a list").push(json!({"repoURL": plain.url(), "targetRevision": "main", "path": "a"}));
    stage.patch(&app, "", json!({"spec": {"sources": three}})).await;
    until_synced(stage, &[&charts.head(), &newer, &plain.head()]).await;
    stage.until("the last one wins", async || key(stage, "one-config").await.as_deref() == Some("the last one")).await;
    assert_eq!(key(stage, "more").await.as_deref(), Some("plain"));
    let message = stage.until_condition("one", "RepeatedResourceWarning", "appeared 2 times").await;
    let wanted =
        format!("Resource /ConfigMap/{}/one-config appeared 2 times among application resources.", stage.target());
    assert_eq!(message, wanted);

    // What a source takes along when it goes is pruned; what another has too stays.
    stage.patch(&app, "", json!({"spec": {"sources": sources}})).await;
    stage.until("the source is gone", async || key(stage, "more").await.is_none()).await;
    stage
        .until("the chart has it again", async || key(stage, "one-config").await.as_deref() == Some("good night"))
        .await;
    stage
        .until("nothing is told any more", async || {
            condition(&stage.application("one").await, "RepeatedResourceWarning").is_none()
        })
        .await;
}

async fn files_in_the_source_say_how_it_is_rendered(stage: &Stage) {
    let repository = charts();
    stage.start();
    stage.argo_app("one", &repository.url(), "shop").await;
    stage.until_synced("one", &repository.head()).await;
    assert_eq!(key(stage, "one-config").await.as_deref(), Some("hello"));
    repository.write("shop/.argocd-source.yaml", "helm:\n  parameters:\n  - name: greeting\n    value: for all\n");
    repository.write("shop/.argocd-source-two.yaml", "helm:\n  releaseName: other\n");
    let all = repository.commit("parameters");
    stage.until_synced("one", &all).await;
    stage.until("the file counts", async || key(stage, "one-config").await.as_deref() == Some("for all")).await;
    // The Application's own file wins; it goes by the name on its objects.
    let own = format!("shop/.argocd-source-{}.yaml", "one");
    let own =
        repository.change(&own, "helm:\n  parameters:\n  - name: greeting\n    value: for one\nrepoURL: nowhere\n");
    stage.until_synced("one", &own).await;
    stage.until("its own file wins", async || key(stage, "one-config").await.as_deref() == Some("for one")).await;
    let broken = repository.change("shop/.argocd-source.yaml", "helm: [1, 2\n");
    stage.until_condition("one", "ComparisonError", "shop/.argocd-source.yaml").await;
    assert_ne!(broken, own);
    assert_eq!(key(stage, "one-config").await.as_deref(), Some("for one"));
}

async fn one_of_several_sources_fails_and_nothing_changes(stage: &Stage) {
    let charts = charts();
    let plain = Repository::new(&[("a/more.yaml", &config_map("more", "plain"))]);
    stage.start();
    let sources = |reference: &str| {
        json!([
            {"repoURL": charts.url(), "targetRevision": "main", "path": "shop"},
            {"repoURL": plain.url(), "targetRevision": reference, "path": "a"},
        ])
    };
    let app = install(stage, sources("main")).await;
    until_synced(stage, &[&charts.head(), &plain.head()]).await;
    stage.patch(&app, "", json!({"spec": {"sources": sources("gone")}})).await;
    charts.change("shop/values.yaml", "greeting: never\n");
    stage.until_condition("one", "ComparisonError", "gone").await;
    assert_eq!(key(stage, "one-config").await.as_deref(), Some("hello"));
    assert_eq!(key(stage, "more").await.as_deref(), Some("plain"));
    stage.patch(&app, "", json!({"spec": {"sources": sources("main")}})).await;
    until_synced(stage, &[&charts.head(), &plain.head()]).await;
    stage.until("it goes on", async || key(stage, "one-config").await.as_deref() == Some("never")).await;
}
