//! HelmReleases: charts that Flux would install, from Git.

use bowline_model::Object;
use serde_json::{Value, json};

use crate::git::Repository;
use crate::stage::{Stage, condition};

crate::stories!(
    a_release_is_installed_and_upgraded,
    values_of_a_release_come_from_the_cluster,
    a_release_that_fails_deletes_nothing,
    drift_is_what_the_release_says_it_is,
    objects_are_changed_once_they_are_rendered,
);

const CONFIG: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-config
data:
  key: {{ required "say a greeting" .Values.greeting | quote }}
  other: {{ .Values.other | default "none" | quote }}
  release: "{{ .Release.Revision }} {{ .Release.IsUpgrade }} {{ .Release.Namespace }}"
"#;

const CRD: &str = r"apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.GROUP
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

fn hook(event: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Release.Name }}}}-{event}\n  annotations:\n    \
         helm.sh/hook: {event}\ndata: {{}}\n"
    )
}

fn repository() -> Repository {
    Repository::new(&[
        ("shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.2.3\nappVersion: \"7\"\n"),
        ("shop/values.yaml", "greeting: hello\n"),
        ("shop/prod.yaml", "greeting: good day\n"),
        ("shop/templates/config.yaml", CONFIG),
        ("shop/templates/more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n"),
        ("shop/templates/install.yaml", &hook("pre-install")),
        ("shop/templates/upgrade.yaml", &hook("post-upgrade")),
        ("shop/templates/test.yaml", &hook("test")),
    ])
}

/// Creates a GitRepository and a HelmRelease of the chart in it.
pub(crate) async fn install(stage: &Stage, url: &str, spec: &Value) -> Object {
    stage.apply(stage.git_repository_value("one", url)).await;
    let mut release = json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "one", "namespace": stage.home()},
        "spec": {
            "interval": "10m", "timeout": "30s", "targetNamespace": stage.target(), "releaseName": "one",
            "chart": {"spec": {"chart": "shop", "sourceRef": {"kind": "GitRepository", "name": "one"}}},
        },
    });
    let fields = spec.as_object().cloned().unwrap_or_default();
    release["spec"].as_object_mut().expect("a map").extend(fields);
    stage.apply(release).await
}

pub(crate) async fn release(stage: &Stage) -> Object {
    let found = stage.get("helm.toolkit.fluxcd.io/v2", "HelmRelease", &stage.home(), "one").await;
    found.expect("the HelmRelease is there")
}

/// Waits until the HelmRelease says this of itself.
pub(crate) async fn until_says(stage: &Stage, status: &str, text: &str) -> Object {
    stage
        .until(&format!("Ready is {status} and says {text}"), async || {
            let release = release(stage).await;
            condition(&release, "Ready").is_some_and(|ready| {
                ready["status"] == status && ready["message"].as_str().is_some_and(|message| message.contains(text))
            })
        })
        .await;
    release(stage).await
}

async fn data(stage: &Stage, field: &str) -> String {
    let config = stage.object("v1", "ConfigMap", "one-config").await;
    config.and_then(|config| config.text(&format!("/data/{field}")).map(str::to_owned)).unwrap_or_default()
}

async fn is_there(stage: &Stage, name: &str) -> bool {
    stage.object("v1", "ConfigMap", name).await.is_some()
}

async fn a_release_is_installed_and_upgraded(stage: &Stage) {
    let _kinds = crate::stage::KINDS.read().await;
    let repository = repository();
    let group = format!("{}.example.org", stage.unique("widgets"));
    repository.write("shop/crds/widgets.yaml", &CRD.replace("GROUP", &group));
    repository.commit("a definition");
    stage.start();
    let created = install(stage, &repository.url(), &json!({})).await;
    let name = format!("{}/one.v1", stage.target());
    let first =
        until_says(stage, "True", &format!("Helm install succeeded for release {name} with chart shop@1.2.3")).await;
    assert_eq!(condition(&first, "Ready").expect("is there")["reason"], "InstallSucceeded");
    assert_eq!(data(stage, "release").await, format!("1 false {}", stage.target()));
    assert!(is_there(stage, "one-pre-install").await && !is_there(stage, "one-post-upgrade").await);
    assert!(!is_there(stage, "one-test").await, "tests are not run");
    let config = stage.object("v1", "ConfigMap", "one-config").await.expect("is there");
    assert_eq!(config.label("helm.toolkit.fluxcd.io/name"), Some("one"));
    assert_eq!(config.label("app.kubernetes.io/managed-by"), Some("Helm"));
    assert_eq!(config.annotation("meta.helm.sh/release-name"), Some("one"));
    let newest = first.at("/status/history/0").expect("is told").clone();
    assert_eq!(
        (&newest["version"], &newest["status"], &newest["appVersion"]),
        (&json!(1), &json!("deployed"), &json!("7"))
    );
    assert_eq!(first.text("/status/lastAttemptedRevision"), Some("1.2.3"));
    let definition = async || {
        stage.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", &format!("widgets.{group}")).await
    };
    assert!(definition().await.is_some());

    // What changes nothing is no upgrade, and neither is a restart.
    repository.change("elsewhere.txt", "x\n");
    stage.stop();
    stage.start();
    repository.write("shop/values.yaml", "greeting: hi\n");
    repository.remove("shop/templates/more.yaml");
    repository.commit("another greeting, and less");
    let name = format!("{}/one.v2", stage.target());
    let second = until_says(stage, "True", &format!("Helm upgrade succeeded for release {name}")).await;
    assert_eq!(
        (data(stage, "key").await, data(stage, "release").await),
        ("hi".to_owned(), format!("2 true {}", stage.target()))
    );
    assert!(is_there(stage, "one-post-upgrade").await);
    assert!(!is_there(stage, "more").await, "what the chart lost is pruned");
    let statuses: Vec<_> = second
        .at("/status/history")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|one| (one["version"].clone(), one["status"].clone()))
        .collect();
    assert_eq!(statuses, [(json!(2), json!("deployed")), (json!(1), json!("superseded"))]);

    // Other values make another release, though nothing is new in Git.
    stage.patch(&created, "", json!({"spec": {"values": {"other": "set"}}})).await;
    until_says(stage, "True", &format!("{}/one.v3", stage.target())).await;
    assert_eq!((data(stage, "other").await, data(stage, "key").await), ("set".to_owned(), "hi".to_owned()));

    // The chart's objects go with the release; definitions stay.
    stage.delete(&release(stage).await).await;
    stage.until("the objects are gone", async || !is_there(stage, "one-config").await).await;
    assert!(definition().await.is_some());
    stage.delete(&definition().await.expect("is there")).await;
}

async fn values_of_a_release_come_from_the_cluster(stage: &Stage) {
    let repository = repository();
    stage.start();
    let holder = |kind: &str, name: &str, field: &str, data: Value| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": stage.home()}, field: data});
    stage
        .apply(holder("ConfigMap", "common", "data", json!({"values.yaml": "greeting: of a map\nother: of a map\n"})))
        .await;
    let from = json!([
        {"kind": "ConfigMap", "name": "common"},
        {"kind": "Secret", "name": "keys", "valuesKey": "token", "targetPath": "other"},
        {"kind": "ConfigMap", "name": "nowhere", "optional": true},
    ]);
    let files = json!({"spec": {"chart": "shop", "sourceRef": {"kind": "GitRepository", "name": "one"}, "valuesFiles": ["shop/prod.yaml"]}});
    install(stage, &repository.url(), &json!({"valuesFrom": from, "chart": files})).await;
    until_says(stage, "False", "is not there").await;
    let secret = stage.apply(holder("Secret", "keys", "stringData", json!({"token": "'17'"}))).await;
    until_says(stage, "True", "install succeeded").await;
    assert_eq!((data(stage, "key").await, data(stage, "other").await), ("of a map".to_owned(), "17".to_owned()));

    // They are watched: what changes there makes another release. The resource's own values win over maps.
    stage.patch(&secret, "", json!({"stringData": {"token": "18"}})).await;
    stage.until("the newer value", async || data(stage, "other").await == "18").await;
    let common = stage.get("v1", "ConfigMap", &stage.home(), "common").await.expect("is there");
    stage.patch(&common, "", json!({"data": {"values.yaml": "other: x\n"}})).await;
    stage.until("files stand for the chart's own", async || data(stage, "key").await == "good day").await;
    stage.patch(&release(stage).await, "", json!({"spec": {"values": {"greeting": "inline"}}})).await;
    stage.until("inline wins", async || data(stage, "key").await == "inline").await;
    stage.patch(&secret, "", json!({"stringData": {"token": "a\u{0}b=,[,"}})).await;
    stage.patch(&common, "", json!({"data": {"values.yaml": "a: [1"}})).await;
    let told = until_says(stage, "False", "key 'values.yaml' of ConfigMap").await;
    assert!(!told.value().to_string().contains("a\\u0000b"), "no secret is told");
    assert_eq!(data(stage, "key").await, "inline");
}

async fn a_release_that_fails_deletes_nothing(stage: &Stage) {
    let repository = repository();
    stage.start();
    let remediation = json!({"remediation": {"retries": 1, "strategy": "uninstall", "remediateLastFailure": true}});
    let created = install(stage, &repository.url(), &json!({"upgrade": remediation})).await;
    until_says(stage, "True", "install succeeded").await;
    repository.write("shop/values.yaml", "other: 1\n");
    repository.remove("shop/templates/more.yaml");
    repository.commit("no greeting");
    let told = until_says(stage, "False", "say a greeting").await;
    let ready = condition(&told, "Ready").expect("is there");
    assert_eq!(ready["reason"], "UpgradeFailed");
    assert!(ready["message"].as_str().is_some_and(|message| message.contains("nothing is rolled back or uninstalled")));
    assert!(is_there(stage, "more").await && data(stage, "key").await == "hello");
    stage.patch(&created, "", json!({"spec": {"values": {"greeting": "back"}}})).await;
    until_says(stage, "True", "upgrade succeeded").await;
    assert_eq!(data(stage, "key").await, "back");
    for (spec, words) in [
        (json!({"test": {"enable": true}}), "`spec.test.enable`"),
        (json!({"test": null, "upgrade": {"preserveValues": true}}), "`spec.upgrade.preserveValues`"),
    ] {
        stage.patch(&created, "", json!({ "spec": spec })).await;
        until_says(stage, "False", words).await;
        assert_eq!(data(stage, "key").await, "back");
    }
}

async fn drift_is_what_the_release_says_it_is(stage: &Stage) {
    let repository = repository();
    stage.start();
    let created = install(stage, &repository.url(), &json!({"driftDetection": {"mode": "warn"}})).await;
    until_says(stage, "True", "install succeeded").await;
    let config = stage.object("v1", "ConfigMap", "one-config").await.expect("is there");
    stage.patch(&config, "", json!({"data": {"key": "by hand"}})).await;
    stage
        .until("the drift is told", async || {
            condition(&release(stage).await, "Drifted").is_some_and(|drifted| {
                drifted["status"] == "True"
                    && drifted["message"].as_str().is_some_and(|message| message.contains("ConfigMap"))
            })
        })
        .await;
    assert_eq!(data(stage, "key").await, "by hand");
    stage.patch(&created, "", json!({"spec": {"driftDetection": {"mode": "enabled"}}})).await;
    stage.until("it is put back", async || data(stage, "key").await == "hello").await;
    stage
        .until("nothing drifts", async || {
            condition(&release(stage).await, "Drifted").is_some_and(|drifted| drifted["status"] == "False")
        })
        .await;
    assert_eq!(release(stage).await.at("/status/history/0/version"), Some(&json!(1)), "it is the same release");
}

async fn objects_are_changed_once_they_are_rendered(stage: &Stage) {
    let repository = repository();
    stage.start();
    let patch = |text: &str, target: Value| json!({"patch": text, "target": target});
    let renderers = json!([
        {"kustomize": {"patches": [
            patch("- {op: add, path: /data/first, value: \"1\"}\n", json!({"kind": "ConfigMap", "name": "one-.*"})),
            patch("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n$patch: delete\n", json!({"name": "more"})),
        ]}},
        {"kustomize": {"patches": [
            patch("- {op: copy, from: /data/first, path: /data/second}\n", json!({"name": "one-config"})),
        ]}},
    ]);
    let metadata = json!({"labels": {"team": "carts"}, "annotations": {"example.org/cost": "7"}});
    let created =
        install(stage, &repository.url(), &json!({"postRenderers": renderers, "commonMetadata": metadata})).await;
    until_says(stage, "True", "Helm install succeeded").await;
    let config = stage.object("v1", "ConfigMap", "one-config").await.expect("is there");
    assert_eq!([config.text("/data/first"), config.text("/data/second")], [Some("1"), Some("1")]);
    assert_eq!(config.text("/data/key"), Some("hello"), "what the chart says stays");
    assert_eq!(config.label("team"), Some("carts"));
    assert_eq!(config.annotation("example.org/cost"), Some("7"));
    assert_eq!(config.annotation("meta.helm.sh/release-name"), Some("one"), "and so does what Helm says");
    let hook = stage.object("v1", "ConfigMap", "one-pre-install").await.expect("is there");
    assert_eq!((hook.text("/data/first"), hook.label("team")), (Some("1"), Some("carts")));
    assert!(!is_there(stage, "more").await, "a patch took it out");

    // Another label is another release; hooks may be left alone.
    let other = json!({"commonMetadata": {"labels": {"team": "shops"}}, "postRenderStrategy": "nohooks"});
    stage.patch(&created, "", json!({"spec": other})).await;
    until_says(stage, "True", &format!("{}/one.v2", stage.target())).await;
    let config = stage.object("v1", "ConfigMap", "one-config").await.expect("is there");
    assert_eq!(config.label("team"), Some("shops"));
    let hook = stage.object("v1", "ConfigMap", "one-post-upgrade").await.expect("is there");
    assert_eq!((hook.text("/data/first"), hook.label("team")), (None, None));
}
