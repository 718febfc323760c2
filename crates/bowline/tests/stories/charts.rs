//! Helm charts in Git: what an Application says of one is what is rendered, and what is wrong with one is told.

use bowline_model::Object;
use serde_json::{Value, json};

use crate::bystander::Bystander;
use crate::git::Repository;
use crate::stage::Stage;

crate::stories!(
    a_chart_is_installed_and_followed,
    values_come_from_everywhere,
    a_chart_that_fails_changes_nothing,
    a_chart_sees_what_the_cluster_serves,
);

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.2.3\n";

const CONFIG: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-config
data:
  key: {{ required "say a greeting" .Values.greeting | quote }}
  port: {{ printf "%v" .Values.port | quote }}
  release: "{{ .Release.Name }} in {{ .Release.Namespace }} by {{ .Release.Service }}"
  chance: {{ randAlphaNum 12 | quote }}
"#;

/// A ConfigMap of the chart under a name of its own, with more in its metadata.
fn template(name: &str, metadata: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Release.Name }}}}-{name}\n{metadata}data: {{}}\n"
    )
}

fn repository() -> Repository {
    Repository::new(&[
        ("shop/Chart.yaml", CHART),
        ("shop/values.yaml", "greeting: hello\nport: 8080\n"),
        ("shop/templates/config.yaml", CONFIG),
        ("shop/templates/more.yaml", &template("more", "")),
        (
            "shop/templates/before.yaml",
            &template("before", "  annotations:\n    helm.sh/hook: pre-install,pre-upgrade\n"),
        ),
        ("shop/templates/tests/test.yaml", &template("test", "  annotations:\n    helm.sh/hook: test\n")),
        ("shop/templates/NOTES.txt", "Look at {{ .Release.Name }}.\n"),
        ("env/prod.yaml", "greeting: good day\n"),
        ("elsewhere/a.yaml", "a: 1\n"),
    ])
}

async fn install(stage: &Stage, repository: &Repository, helm: Value) -> Object {
    let mut app = stage.application_value("one", &repository.url(), "shop");
    if !helm.is_null() {
        app["spec"]["source"]["helm"] = helm;
    }
    stage.apply(app).await
}

async fn config(stage: &Stage, name: &str) -> Object {
    stage.object("v1", "ConfigMap", name).await.expect("the ConfigMap is there")
}

async fn a_chart_is_installed_and_followed(stage: &Stage) {
    let repository = repository();
    stage.start();
    install(stage, &repository, Value::Null).await;
    stage.until_synced("one", &repository.head()).await;
    let first = config(stage, "one-config").await;
    assert_eq!(first.text("/data/key"), Some("hello"));
    assert_eq!(first.text("/data/port"), Some("8080"));
    let release = format!("one in {} by Helm", stage.target());
    assert_eq!(first.text("/data/release"), Some(&*release));
    assert_eq!(stage.application("one").await.text("/status/sourceType"), Some("Helm"));
    config(stage, "one-before").await;
    assert!(stage.object("v1", "ConfigMap", "one-test").await.is_none(), "tests are not run");

    // What the chart does not read is no new version of it, and chance is the same for the same app.
    let elsewhere = repository.change("elsewhere/a.yaml", "a: 2\n");
    stage.until_synced("one", &elsewhere).await;
    repository.write("shop/values.yaml", "greeting: hi\nport: 8080\n");
    repository.remove("shop/templates/more.yaml");
    let commit = repository.commit("another greeting, and less");
    stage.until_synced("one", &commit).await;
    let second = config(stage, "one-config").await;
    assert_eq!(second.text("/data/key"), Some("hi"));
    assert_eq!(second.text("/data/chance"), first.text("/data/chance"));
    stage
        .until("what the chart lost is pruned", async || stage.object("v1", "ConfigMap", "one-more").await.is_none())
        .await;

    // Drift is put back from what is rendered again.
    stage.patch(&second, "", json!({"data": {"key": "by hand"}})).await;
    stage
        .until("the chart's value is back", async || config(stage, "one-config").await.text("/data/key") == Some("hi"))
        .await;
    assert_eq!(config(stage, "one-config").await.text("/data/chance"), first.text("/data/chance"));
}

async fn values_come_from_everywhere(stage: &Stage) {
    let repository = repository();
    stage.start();
    let helm = json!({
        "releaseName": "web",
        "valueFiles": ["/env/prod.yaml", "not-there.yaml"],
        "ignoreMissingValueFiles": true,
        "valuesObject": {"port": 1},
        "parameters": [{"name": "port", "value": "2"}],
    });
    let app = install(stage, &repository, helm).await;
    stage.until_synced("one", "").await;
    let found = config(stage, "web-config").await;
    assert_eq!(found.text("/data/key"), Some("good day"), "of the file");
    assert_eq!(found.text("/data/port"), Some("2"), "a parameter wins");

    let helm = json!({"releaseName": "web", "valueFiles": null, "ignoreMissingValueFiles": null, "parameters": [
        {"name": "greeting", "value": "$ARGOCD_APP_NAME, at ${ARGOCD_APP_REVISION_SHORT}", "forceString": true},
    ]});
    stage.patch(&app, "", json!({"spec": {"source": {"helm": helm}}})).await;
    let greeting = |commit: &str| format!("{}, at {}", "one", &commit[..7]);
    let first = greeting(&repository.head());
    let says = async |wanted: &str| {
        let have = config(stage, "web-config").await;
        have.text("/data/key").is_some_and(|key| key.ends_with(wanted)) && have.text("/data/port") == Some("1")
    };
    stage.until("the revision is named", async || says(&first).await).await;
    let second = greeting(&repository.change("elsewhere/a.yaml", "a: 2\n"));
    stage.until("the newer revision is named", async || says(&second).await).await;
}

async fn a_chart_that_fails_changes_nothing(stage: &Stage) {
    let repository = repository();
    stage.start();
    let bystander = Bystander::install(stage).await;
    let app = install(stage, &repository, Value::Null).await;
    stage.until_synced("one", "").await;

    repository.write("shop/values.yaml", "port: 1\n");
    repository.remove("shop/templates/more.yaml");
    let commit = repository.commit("no greeting");
    let message = stage.until_condition("one", "ComparisonError", "say a greeting").await;
    assert!(message.contains("shop/templates/config.yaml:6"), "{message}");
    assert!(message.contains("greeting"), "{message}");
    config(stage, "one-more").await;
    assert_eq!(config(stage, "one-config").await.text("/data/key"), Some("hello"));
    bystander.goes_on(stage).await;

    let parameters = json!([{"name": "greeting", "value": "back"}]);
    stage.patch(&app, "", json!({"spec": {"source": {"helm": {"parameters": parameters}}}})).await;
    stage.until_synced("one", &commit).await;
    assert_eq!(config(stage, "one-config").await.text("/data/key"), Some("back"));
    assert!(stage.object("v1", "ConfigMap", "one-more").await.is_none());

    for (helm, words) in [
        (json!({"valueFiles": ["gone.yaml"]}), "`gone.yaml`"),
        (json!({"valueFiles": ["../../../etc/passwd"]}), "leaves the source"),
        (json!({"valueFiles": null, "values": "a: [1, 2"}), "the values of the resource"),
        (json!({"values": null, "kubeVersion": "new"}), "invalid kube version"),
    ] {
        stage.patch(&app, "", json!({"spec": {"source": {"helm": helm}}})).await;
        stage.until_condition("one", "ComparisonError", words).await;
        config(stage, "one-config").await;
    }
    bystander.goes_on(stage).await;
}

async fn a_chart_sees_what_the_cluster_serves(stage: &Stage) {
    let seen = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: seen\ndata:\n  \
                version: {{ .Capabilities.KubeVersion.Version | quote }}\n  \
                apps: {{ .Capabilities.APIVersions.Has \"apps/v1/Deployment\" | quote }}\n  \
                argo: {{ .Capabilities.APIVersions.Has \"argoproj.io/v1alpha1/Application\" | quote }}\n  \
                none: {{ .Capabilities.APIVersions.Has \"example.org/v1\" | quote }}\n";
    let repository = Repository::new(&[("shop/Chart.yaml", CHART), ("shop/templates/seen.yaml", seen)]);
    stage.start();
    let app = install(stage, &repository, Value::Null).await;
    stage.until_synced("one", "").await;
    let found = config(stage, "seen").await;
    assert!(
        found.text("/data/version").is_some_and(|version| version.starts_with("v1.35.")),
        "{:?}",
        found.at("/data")
    );
    let has = |found: &Object| ["apps", "argo", "none"].map(|key| found.text(&format!("/data/{key}")) == Some("true"));
    assert_eq!(has(&found), [true, true, false]);

    let helm = json!({"kubeVersion": "1.30.1", "apiVersions": ["example.org/v1"]});
    stage.patch(&app, "", json!({"spec": {"source": {"helm": helm}}})).await;
    stage
        .until("the chart sees what it is told", async || {
            let found = config(stage, "seen").await;
            found.text("/data/version") == Some("v1.30.1") && has(&found)[2]
        })
        .await;
}
