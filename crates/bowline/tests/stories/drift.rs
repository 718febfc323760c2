//! What others may change, what is told of what they change, and settings of an installation that say so.

use bowline_engine::{DriftEnd, read_ledger};
use serde_json::json;

use crate::git::Repository;
use crate::stage::Stage;

crate::stories!(
    fields_of_others_stay_theirs,
    ignored_fields_of_a_kustomization_stay,
    settings_judge_health_and_name_fields,
    drift_is_told_and_on_record,
);

fn settings(key: &str, free: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{key: '{key}', free: '{free}'}}\n")
}

async fn edit(stage: &Stage, patch: serde_json::Value) {
    let object = stage.object("v1", "ConfigMap", "settings").await.expect("is there");
    stage.patch(&object, "", json!({ "data": patch })).await;
}

async fn until_data(stage: &Stage, key: &str, free: &str) {
    stage
        .until(&format!("key is {key} and free is {free}"), async || {
            let object = stage.object("v1", "ConfigMap", "settings").await;
            object
                .is_some_and(|object| object.text("/data/key") == Some(key) && object.text("/data/free") == Some(free))
        })
        .await;
}

async fn fields_of_others_stay_theirs(stage: &Stage) {
    let repository = Repository::new(&[("app/a.yaml", &settings("1", "ours"))]);
    stage.start();
    let mut app = stage.application_value("shop", &repository.url(), "app");
    app["spec"]["ignoreDifferences"] = json!([{"kind": "ConfigMap", "jqPathExpressions": [".data | .free, .nothing"]}]);
    app["spec"]["syncPolicy"]["syncOptions"] = json!(["RespectIgnoreDifferences=true"]);
    stage.apply(app.clone()).await;
    stage.until_synced("shop", "").await;
    until_data(stage, "1", "ours").await;

    // What is put back beside it leaves it as it is, and so does a newer revision.
    edit(stage, json!({"key": "edited", "free": "theirs"})).await;
    until_data(stage, "1", "theirs").await;
    let commit = repository.change("app/a.yaml", &settings("2", "ours again"));
    stage.until_synced("shop", &commit).await;
    until_data(stage, "2", "theirs").await;

    // Without the rule it is drift.
    app["spec"]["ignoreDifferences"] = json!([]);
    stage.apply(app).await;
    until_data(stage, "2", "ours again").await;
}

async fn ignored_fields_of_a_kustomization_stay(stage: &Stage) {
    let repository = Repository::new(&[("app/a.yaml", &settings("1", "ours"))]);
    stage.start();
    stage.apply(stage.git_repository_value("fleet", &repository.url())).await;
    let mut app = stage.kustomization_value("fleet", "./app");
    app["spec"]["ignore"] = json!([{"paths": ["/data/free"], "target": {"kind": "Config.*", "name": "settings"}}]);
    stage.apply(app).await;
    stage.until_ready("fleet", "").await;
    edit(stage, json!({"key": "edited", "free": "theirs"})).await;
    until_data(stage, "1", "theirs").await;
    let commit = repository.change("app/a.yaml", &settings("2", "ours again"));
    stage.until_ready("fleet", &commit).await;
    until_data(stage, "2", "theirs").await;
}

async fn settings_judge_health_and_name_fields(stage: &Stage) {
    let script = "hs = {}\nif obj.data.key == 'bad' then\n  hs.status = 'Degraded'\n  hs.message = 'it is bad'\n\
                  else\n  hs.status = 'Healthy'\nend\nreturn hs\n";
    let customizations = "ConfigMap:\n  ignoreDifferences: |\n    jsonPointers: [/data/free]\n";
    stage
        .apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "argocd-cm", "namespace": stage.home()},
            "data": {"resource.customizations.health.ConfigMap": script, "resource.customizations": customizations},
        }))
        .await;
    let repository = Repository::new(&[("app/a.yaml", &settings("good", "ours"))]);
    stage.start();
    stage.argo_app("shop", &repository.url(), "app").await;
    stage.until_synced("shop", "").await;
    edit(stage, json!({"free": "theirs"})).await;

    repository.change("app/a.yaml", &settings("bad", "theirs"));
    stage
        .until("the application is degraded", async || {
            stage.application("shop").await.text("/status/health/status") == Some("Degraded")
        })
        .await;
    until_data(stage, "bad", "theirs").await;
}

async fn drift_is_told_and_on_record(stage: &Stage) {
    let repository = Repository::new(&[("app/a.yaml", &settings("1", "ours"))]);
    let engine = stage.start();
    stage.argo_app("shop", &repository.url(), "app").await;
    stage.until_synced("shop", "").await;
    edit(stage, json!({"key": "edited"})).await;
    until_data(stage, "1", "ours").await;
    stage
        .until("an Event tells who did it", async || {
            stage.list("v1", "Event", &stage.home()).await.iter().any(|event| {
                event.text("/reason") == Some("Drifted")
                    && event.text("/message").is_some_and(|message| {
                        message.contains("`.data.key` is \"edited\", not \"1\", by kubectl-edit (Update) at 20")
                    })
            })
        })
        .await;
    let object = stage.object("v1", "ConfigMap", "settings").await.expect("is there");
    stage.delete(&object).await;
    until_data(stage, "1", "ours").await;
    let mut told = Vec::new();
    stage
        .until("all of it is on record", async || {
            told = read_ledger(&stage.drift_folder()).expect("can be read");
            told.len() == 4
        })
        .await;
    let lines: Vec<_> = told.iter().map(|line| (line.field.path.as_str(), line.end)).collect();
    let (began, healed) = (None, Some(DriftEnd::Healed));
    assert_eq!(lines, [(".data.key", began), (".data.key", healed), ("", began), ("", healed)]);
    assert_eq!(told[0].field.manager.as_deref(), Some("kubectl-edit"));
    assert!(engine.counters().read().contains(&("drifts", 2)));
}
