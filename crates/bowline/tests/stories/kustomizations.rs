//! Kustomizations in Git: built, with what the resources of either dialect lay over them.

use serde_json::{Value, json};

use crate::git::Repository;
use crate::stage::{Stage, config_map, deployment};

crate::stories!(
    an_overlay_is_installed_and_followed,
    an_application_lays_over_a_kustomization,
    flux_lays_over_kustomizations_and_manifests,
    a_kustomization_that_fails_changes_nothing,
);

const BASE: &str = "resources: [web.yaml]\nconfigMapGenerator:\n- name: settings\n  literals: [colour=red]\n";
const OVERLAY: &str = "resources: [../../base]\nnamePrefix: prod-\n";

fn repository() -> Repository {
    Repository::new(&[
        ("base/kustomization.yaml", BASE),
        ("base/web.yaml", &deployment("web", 1)),
        ("overlays/prod/kustomization.yaml", OVERLAY),
        ("fleet/plain.yaml", &config_map("plain", "1")),
        ("fleet/nested/kustomization.yaml", "resources: [../../base]\nnameSuffix: \"-2\"\n"),
    ])
}

/// Returns the names of the ConfigMaps that a generator made of `prefix`.
async fn generated(stage: &Stage, prefix: &str) -> Vec<String> {
    let all = stage.list("v1", "ConfigMap", &stage.target()).await;
    all.iter().map(|object| object.name().to_owned()).filter(|name| name.starts_with(prefix)).collect()
}

async fn an_overlay_is_installed_and_followed(stage: &Stage) {
    let repository = repository();
    stage.start();
    stage.argo_app("one", &repository.url(), "overlays/prod").await;
    stage.until_synced("one", "").await;
    stage.object("apps/v1", "Deployment", "prod-web").await.expect("is there");
    let first = generated(stage, "prod-settings-").await;
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(stage.application("one").await.text("/status/sourceType"), Some("Kustomize"));

    let commit = repository.change("base/kustomization.yaml", &BASE.replace("red", "blue"));
    stage.until_synced("one", &commit).await;
    stage
        .until("the settings of before are pruned", async || {
            let now = generated(stage, "prod-settings-").await;
            now.len() == 1 && now != first
        })
        .await;
}

async fn an_application_lays_over_a_kustomization(stage: &Stage) {
    let repository = repository();
    stage.start();
    let mut app = stage.application_value("one", &repository.url(), "overlays/prod");
    app["spec"]["source"]["kustomize"] = json!({
        "namePrefix": "eu-",
        "replicas": [{"name": "web", "count": 2}],
        "images": ["registry.example/web=registry.example/other:9"],
        "commonLabels": {"team": "web"}, "labelWithoutSelector": true,
        "patches": [{
            "target": {"kind": "Deployment"},
            "patch": "- {op: add, path: /metadata/annotations, value: {patched: 'yes'}}",
        }],
    });
    stage.apply(app).await;
    stage.until_synced("one", "").await;
    let web = stage.object("apps/v1", "Deployment", "eu-web").await.expect("the application's prefix wins");
    assert_eq!(web.at("/spec/replicas"), Some(&json!(2)));
    assert_eq!(web.text("/spec/template/spec/containers/0/image"), Some("registry.example/other:9"));
    assert_eq!(web.label("team"), Some("web"));
    assert_eq!(web.annotation("patched"), Some("yes"));
    assert_eq!(web.at("/spec/selector/matchLabels/team"), None);
}

async fn flux_lays_over_kustomizations_and_manifests(stage: &Stage) {
    let repository = repository();
    stage.start();
    stage.apply(stage.git_repository_value("fleet", &repository.url())).await;
    let mut app: Value = stage.kustomization_value("fleet", "./fleet");
    app["spec"]["patches"] = json!([{
        "target": {"kind": "ConfigMap", "name": "plain"}, "patch": "- {op: add, path: /data/more, value: m}",
    }]);
    app["spec"]["commonMetadata"] = json!({"labels": {"team": "web"}});
    stage.apply(app).await;
    stage.until_ready("fleet", "").await;
    let plain = stage.object("v1", "ConfigMap", "plain").await.expect("is there");
    assert_eq!(plain.text("/data/more"), Some("m"));
    assert_eq!(plain.label("team"), Some("web"));
    let nested = stage.object("apps/v1", "Deployment", "web-2").await.expect("is there");
    assert_eq!(nested.label("team"), Some("web"));
    assert_eq!(nested.at("/spec/selector/matchLabels/team"), None);
}

async fn a_kustomization_that_fails_changes_nothing(stage: &Stage) {
    let repository = repository();
    stage.start();
    stage.argo_app("one", &repository.url(), "overlays/prod").await;
    stage.flux_app("two", &repository.url(), "./fleet").await;
    stage.until_synced("one", "").await;
    stage.until_ready("two", "").await;
    let first = generated(stage, "prod-settings-").await;
    repository.change("base/kustomization.yaml", "resources: [gone.yaml]\n");
    let message = stage.until_condition("one", "ComparisonError", "gone.yaml").await;
    assert!(message.contains("overlays/prod/kustomization.yaml"), "{message}");
    stage.until_not_ready("two", "gone.yaml").await;
    stage.object("apps/v1", "Deployment", "prod-web").await.expect("stays");
    stage.object("apps/v1", "Deployment", "web-2").await.expect("stays");
    assert_eq!(generated(stage, "prod-settings-").await, first);
}
