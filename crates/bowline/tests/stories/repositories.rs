//! Charts of Helm repositories and of OCI registries, and artifacts, for both dialects.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::git::Repository;
use crate::releases::{release, until_says};
use crate::remotes::web::{Page, Web, basic, packed, sha256};
use crate::stage::{Stage, condition, config_map};

crate::stories!(
    charts_of_a_repository_are_followed,
    charts_of_a_registry_are_followed,
    an_artifact_is_followed,
    a_repository_that_is_gone_takes_nothing_along,
    dependencies_are_fetched,
);

const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const FILES_LAYER: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";
const LOGIN: (&str, &str) = ("me", "hunter2");

/// A chart with one ConfigMap, which tells its version.
fn chart(version: &str) -> Vec<u8> {
    let about = format!("apiVersion: v2\nname: shop\nversion: {version}\n");
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-config\ndata:\n  \
                  key: {{ .Chart.Version | quote }}\n  greeting: {{ .Values.greeting | quote }}\n";
    packed(&[
        ("shop/Chart.yaml", &about),
        ("shop/values.yaml", "greeting: hello\n"),
        ("shop/prod.yaml", "greeting: good day\n"),
        ("shop/templates/config.yaml", config),
    ])
}

/// Publishes versions of the chart in a Helm repository.
fn publish(web: &Web, versions: &[&str]) {
    let mut index = "apiVersion: v1\nentries:\n  shop:\n".to_owned();
    for version in versions {
        let archive = chart(version);
        let digest = sha256(&archive);
        let _ =
            writeln!(index, "  - {{name: shop, version: {version}, urls: ['shop-{version}.tgz'], digest: {digest}}}");
        web.put(&format!("/charts/shop-{version}.tgz"), Page::of(archive));
    }
    let etag = format!("\"{}\"", sha256(index.as_bytes()));
    web.put("/charts/index.yaml", Page::of(index).with("ETag", etag));
}

/// Publishes versions of the chart in a registry.
fn push(web: &Web, versions: &[&str]) {
    for version in versions {
        web.push("charts/shop", version, CHART_LAYER, &chart(version));
    }
    web.put("/v2/charts/shop/tags/list", Page::of(json!({"name": "charts/shop", "tags": versions}).to_string()));
}

async fn secret(stage: &Stage, name: &str, labels: Value, data: Value) {
    stage
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": stage.home(), "labels": labels},
            "stringData": data,
        }))
        .await;
}

async fn application(stage: &Stage, source: Value) {
    let mut app = stage.application_value("two", "", "");
    app["spec"]["source"] = source;
    stage.apply(app).await;
}

async fn helm_release(stage: &Stage, spec: Value) {
    let mut release = json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "one", "namespace": stage.home()},
        "spec": {"interval": "10m", "timeout": "30s", "releaseName": "one", "targetNamespace": stage.target()},
    });
    release["spec"].as_object_mut().expect("a map").extend(spec.as_object().cloned().unwrap_or_default());
    stage.apply(release).await;
}

async fn data(stage: &Stage, name: &str, field: &str) -> String {
    let config = stage.object("v1", "ConfigMap", name).await;
    config.and_then(|config| config.text(&format!("/data/{field}")).map(str::to_owned)).unwrap_or_default()
}

/// Asks both for a look at what is newest.
async fn look_again(stage: &Stage, at: &str) {
    let release = release(stage).await;
    stage.patch(&release, "", json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": at}}})).await;
    let app = stage.application("two").await;
    stage.patch(&app, "", json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}})).await;
}

async fn charts_of_a_repository_are_followed(stage: &Stage) {
    let web = Web::start().await;
    web.guard(&basic(LOGIN.0, LOGIN.1), "Basic realm=\"charts\"", &[]);
    publish(&web, &["1.2.0", "1.2.1", "2.0.0"]);
    let login = json!({"username": LOGIN.0, "password": LOGIN.1});
    secret(stage, "login", json!({}), login.clone()).await;
    let mut repository = login;
    repository["type"] = json!("helm");
    repository["url"] = json!(web.url("charts"));
    secret(stage, "argo", json!({"argocd.argoproj.io/secret-type": "repository"}), repository).await;
    stage.start();
    stage
        .apply(json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository",
            "metadata": {"name": "charts", "namespace": stage.home()},
            "spec": {"interval": "10m", "url": web.url("charts"), "secretRef": {"name": "login"}},
        }))
        .await;
    let reference = json!({"kind": "HelmRepository", "name": "charts"});
    let wanted = json!({"chart": "shop", "version": "1.2.x", "sourceRef": reference, "valuesFiles": ["values.yaml", "prod.yaml"]});
    helm_release(stage, json!({"chart": {"spec": wanted}})).await;
    application(stage, json!({"repoURL": web.url("charts"), "chart": "shop", "targetRevision": "1.2.x"})).await;

    let told = until_says(stage, "True", "with chart shop@1.2.1").await;
    assert_eq!(told.text("/status/lastAttemptedRevision"), Some("1.2.1"));
    let files = [data(stage, "one-config", "key").await, data(stage, "one-config", "greeting").await];
    assert_eq!(files, ["1.2.1", "good day"]);
    stage.until_synced("two", "1.2.1").await;
    assert_eq!(data(stage, "two-config", "key").await, "1.2.1");
    assert_eq!(stage.application("two").await.text("/status/history/0/revision"), Some("1.2.1"));

    publish(&web, &["1.2.0", "1.2.1", "1.2.2", "2.0.0"]);
    look_again(stage, "now").await;
    until_says(stage, "True", "Helm upgrade succeeded").await;
    stage.until_synced("two", "1.2.2").await;
    let both = [data(stage, "one-config", "key").await, data(stage, "two-config", "key").await];
    assert_eq!(both, ["1.2.2", "1.2.2"]);
    // A restart finds everything in place.
    stage.stop();
    stage.start();
    look_again(stage, "again").await;
    stage
        .until("the request is answered", async || {
            release(stage).await.text("/status/lastHandledReconcileAt") == Some("again")
        })
        .await;
    assert_eq!(release(stage).await.at("/status/history/0/version"), Some(&json!(2)));
}

async fn charts_of_a_registry_are_followed(stage: &Stage) {
    let web = Web::start().await;
    push(&web, &["1.2.0", "1.2.1"]);
    let registry = web.oci("charts");
    let bare = registry.trim_start_matches("oci://").to_owned();
    let fields = json!({"type": "helm", "url": bare, "enableOCI": "true", "insecureOCIForceHttp": "true"});
    secret(stage, "argo", json!({"argocd.argoproj.io/secret-type": "repository"}), fields).await;
    stage.start();
    stage
        .apply(json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository",
            "metadata": {"name": "charts", "namespace": stage.home()},
            "spec": {"interval": "10m", "type": "oci", "insecure": true, "url": registry},
        }))
        .await;
    let reference = json!({"kind": "HelmRepository", "name": "charts"});
    let wanted = json!({"chart": "shop", "version": "<1.2.1", "sourceRef": reference});
    helm_release(stage, json!({"chart": {"spec": wanted}})).await;
    application(stage, json!({"repoURL": bare, "chart": "shop", "targetRevision": "1.2.1"})).await;
    until_says(stage, "True", "with chart shop@1.2.0").await;
    stage.until_synced("two", "1.2.1").await;
    let both = [data(stage, "one-config", "key").await, data(stage, "two-config", "key").await];
    assert_eq!(both, ["1.2.0", "1.2.1"]);

    // The same chart, by a HelmChart and by an OCIRepository of its own.
    let own = json!({"kind": "HelmRepository", "name": "charts"});
    for (kind, spec) in [
        ("HelmChart", json!({"interval": "10m", "chart": "shop", "version": "1.2.1", "sourceRef": own})),
        (
            "OCIRepository",
            json!({"interval": "10m", "url": format!("{registry}/shop"), "insecure": true, "ref": {"tag": "1.2.0"}}),
        ),
    ] {
        stage
            .apply(json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": kind,
                "metadata": {"name": "shop", "namespace": stage.home()}, "spec": spec,
            }))
            .await;
        let live = release(stage).await;
        let change = json!({"chart": null, "chartRef": {"kind": kind, "name": "shop"}});
        stage.patch(&live, "", json!({ "spec": change })).await;
        let version = if kind == "HelmChart" { "1.2.1" } else { "1.2.0" };
        stage.until(&format!("{kind}: {version}"), async || data(stage, "one-config", "key").await == version).await;
        until_says(stage, "True", &format!("with chart shop@{version}")).await;
        stage
            .until(&format!("the {kind} is ready"), async || {
                let source = stage.get("source.toolkit.fluxcd.io/v1", kind, &stage.home(), "shop").await;
                source.is_some_and(|source| condition(&source, "Ready").is_some_and(|ready| ready["status"] == "True"))
            })
            .await;
    }
    let chart = stage.get("source.toolkit.fluxcd.io/v1", "HelmChart", &stage.home(), "shop").await.expect("is there");
    assert_eq!(chart.text("/status/artifact/revision"), Some("1.2.1"));
}

async fn an_artifact_is_followed(stage: &Stage) {
    let web = Web::start().await;
    let files = |value: &str| packed(&[("deploy/config.yaml", &config_map("config", value))]);
    let digest = web.push("manifests", "latest", FILES_LAYER, &files("first"));
    stage.start();
    stage
        .apply(json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository",
            "metadata": {"name": "three", "namespace": stage.home()},
            "spec": {"interval": "1s", "insecure": true, "url": web.oci("manifests")},
        }))
        .await;
    let mut app = stage.kustomization_value("three", "./deploy");
    app["spec"]["sourceRef"]["kind"] = json!("OCIRepository");
    stage.apply(app).await;
    stage.until_ready("three", &format!("latest@sha256:{digest}")).await;
    assert_eq!(data(stage, "config", "key").await, "first");
    let digest = web.push("manifests", "latest", FILES_LAYER, &files("second"));
    stage.until_ready("three", &format!("latest@sha256:{digest}")).await;
    assert_eq!(data(stage, "config", "key").await, "second");
}

async fn a_repository_that_is_gone_takes_nothing_along(stage: &Stage) {
    let web = Web::start().await;
    publish(&web, &["1.2.0"]);
    stage.start();
    stage
        .apply(json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository",
            "metadata": {"name": "charts", "namespace": stage.home()},
            "spec": {"interval": "10m", "url": web.url("charts")},
        }))
        .await;
    let wanted = json!({"chart": "shop", "version": "*", "sourceRef": {"kind": "HelmRepository", "name": "charts"}});
    helm_release(stage, json!({"chart": {"spec": wanted}})).await;
    application(stage, json!({"repoURL": web.url("charts"), "chart": "shop", "targetRevision": "*"})).await;
    until_says(stage, "True", "with chart shop@1.2.0").await;
    stage.until_synced("two", "1.2.0").await;
    web.remove("/charts/index.yaml");
    look_again(stage, "now").await;
    stage.until_condition("two", "ComparisonError", "there is no repository").await;
    let both = [data(stage, "one-config", "key").await, data(stage, "two-config", "key").await];
    assert_eq!(both, ["1.2.0", "1.2.0"]);
    // A chart that is not there is told, and what is there stays.
    publish(&web, &["1.2.0"]);
    let live = release(stage).await;
    stage.patch(&live, "", json!({"spec": {"chart": {"spec": {"chart": "cart"}}}})).await;
    let told = until_says(stage, "False", "cart").await;
    assert_eq!(condition(&told, "Ready").expect("is there")["reason"], "ArtifactFailed");
    assert_eq!(data(stage, "one-config", "key").await, "1.2.0");
}

/// A chart with one ConfigMap, which tells the chart's version.
fn part(name: &str, version: &str) -> [(String, String); 2] {
    let config = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Release.Name }}}}-{name}\ndata:\n  \
         key: {{{{ .Chart.Version | quote }}}}\n"
    );
    [
        (format!("{name}/Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: {version}\n")),
        (format!("{name}/templates/config.yaml"), config),
    ]
}

fn packed_part(name: &str, version: &str) -> Vec<u8> {
    let files = part(name, version);
    packed(&files.each_ref().map(|(path, text)| (path.as_str(), text.as_str())))
}

/// Publishes versions of the chart `side` in a Helm repository.
fn publish_side(web: &Web, versions: &[&str]) {
    let mut index = "apiVersion: v1\nentries:\n  side:\n".to_owned();
    for version in versions {
        let archive = packed_part("side", version);
        let digest = sha256(&archive);
        let _ =
            writeln!(index, "  - {{name: side, version: {version}, urls: ['side-{version}.tgz'], digest: {digest}}}");
        web.put(&format!("/parts/side-{version}.tgz"), Page::of(archive));
    }
    web.put("/parts/index.yaml", Page::of(index));
}

/// What `shop` says of itself, with dependencies of three sorts.
fn shop(side: &str, parts: &str, registry: &str) -> String {
    format!(
        "apiVersion: v2\nname: shop\nversion: 1.2.3\ndependencies:\n\
         - {{name: side, version: {side}, repository: '{parts}'}}\n\
         - {{name: extra, version: 0.1.x, repository: '{registry}'}}\n\
         - {{name: base, version: '*', repository: 'file://../base'}}\n"
    )
}

async fn dependencies_are_fetched(stage: &Stage) {
    let (web, registry) = (Web::start().await, Web::start().await);
    web.guard(&basic(LOGIN.0, LOGIN.1), "Basic realm=\"charts\"", &[]);
    publish_side(&web, &["1.0.0"]);
    registry.push("parts/extra", "0.1.4", CHART_LAYER, &packed_part("extra", "0.1.4"));
    registry.put("/v2/parts/extra/tags/list", Page::of(json!({"name": "parts/extra", "tags": ["0.1.4"]}).to_string()));
    let (parts, oci) = (web.url("parts"), registry.oci("parts"));
    let mut files: Vec<(String, String)> = part("base", "3.0.0").into();
    files.extend(part("shop", "1.2.3"));
    files[2].1 = shop("~1.0.0", &parts, &oci);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let repository = Repository::new(&files);

    // Argo CD knows repositories by Secrets, Flux by HelmRepositories.
    let login = json!({"username": LOGIN.0, "password": LOGIN.1});
    secret(stage, "login", json!({}), login.clone()).await;
    let mut template = login;
    template["type"] = json!("helm");
    template["url"] = json!(web.url(""));
    secret(stage, "argo", json!({"argocd.argoproj.io/secret-type": "repo-creds"}), template).await;
    let bare = oci.trim_start_matches("oci://");
    let plain = json!({"type": "helm", "url": bare, "enableOCI": "true", "insecureOCIForceHttp": "true"});
    secret(stage, "argo-oci", json!({"argocd.argoproj.io/secret-type": "repository"}), plain).await;
    stage.start();
    stage.apply(stage.git_repository_value("charts", &repository.url())).await;
    for (name, spec) in [
        ("parts", json!({"interval": "10m", "url": parts, "secretRef": {"name": "login"}})),
        ("oci-parts", json!({"interval": "10m", "url": oci, "type": "oci", "insecure": true})),
    ] {
        stage
            .apply(json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository",
                "metadata": {"name": name, "namespace": stage.home()}, "spec": spec,
            }))
            .await;
    }
    let chart = json!({"chart": "shop", "sourceRef": {"kind": "GitRepository", "name": "charts"}});
    helm_release(stage, json!({"chart": {"spec": chart}})).await;
    application(stage, json!({"repoURL": repository.url(), "path": "shop"})).await;
    until_says(stage, "True", "with chart shop@1.2.3").await;
    stage.until_synced("two", &repository.head()).await;
    for app in ["one", "two"] {
        for (name, version) in [("side", "1.0.0"), ("extra", "0.1.4"), ("base", "3.0.0"), ("shop", "1.2.3")] {
            assert_eq!(data(stage, &format!("{app}-{name}"), "key").await, version, "{app}-{name}");
        }
    }

    // A revision stays what it was: what is rendered again asks nobody, though something newer is there.
    publish_side(&web, &["1.0.0", "1.0.1"]);
    let asked = [web.count("GET"), registry.count("GET")];
    let side = stage.object("v1", "ConfigMap", "two-side").await.expect("is there");
    stage.patch(&side, "", json!({"data": {"key": "by hand"}})).await;
    stage.until("drift is put back", async || data(stage, "two-side", "key").await == "1.0.0").await;
    assert_eq!([web.count("GET"), registry.count("GET")], asked);

    // What is not there is told, and takes nothing along.
    let broken = repository.change("shop/Chart.yaml", &shop("^7", &parts, &oci));
    let want = [
        "the dependencies of chart `shop` cannot be built: could not download side from".to_owned(),
        format!("from {parts}"),
    ];
    for app in ["one", "two"] {
        look_again(stage, &broken).await;
        stage
            .until(&format!("{app} tells which dependency is not there"), async || {
                let told = match app {
                    "one" => release(stage).await,
                    _ => stage.application("two").await,
                };
                let told = told.at("/status/conditions").map(Value::to_string).unwrap_or_default();
                want.iter().all(|want| told.contains(want))
            })
            .await;
        assert_eq!(data(stage, &format!("{app}-side"), "key").await, "1.0.0");
    }
    let mended = repository.change("shop/Chart.yaml", &shop("1.0.1", &parts, &oci));
    look_again(stage, &mended).await;
    stage.until_synced("two", &mended).await;
    stage
        .until("both have the newer one", async || {
            data(stage, "one-side", "key").await == "1.0.1" && data(stage, "two-side", "key").await == "1.0.1"
        })
        .await;
}
