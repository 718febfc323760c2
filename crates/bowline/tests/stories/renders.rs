//! Renders that are kept: what a restart does not do again, what is on no disk, and what another render would change.

use std::path::Path;

use bowline_engine::Engine;
use serde_json::json;

use crate::git::Repository;
use crate::stage::{Stage, config_map};

crate::stories!(a_restart_renders_only_what_holds_secrets, what_comes_of_chance_is_told);

fn counter(engine: &Engine, name: &str) -> u64 {
    let found = engine.counters().read().into_iter().find(|(counter, _)| *counter == name);
    found.map(|(_, count)| count).expect("is counted")
}

/// Finds a text in the files below a folder, packed ones included.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        if entry.path().is_dir() {
            return holds(&entry.path(), text);
        }
        let file = std::fs::read(entry.path()).unwrap_or_default();
        // A file of the cache begins with a line and a digest.
        let packed = file.get(16 + 32..).unwrap_or_default();
        let content = zstd::decode_all(packed).unwrap_or_default();
        content.windows(text.len()).any(|found| found == text.as_bytes())
    })
}

async fn a_restart_renders_only_what_holds_secrets(stage: &Stage) {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {word: swordfish}\n";
    let repository = Repository::new(&[
        ("one/a.yaml", &config_map("one", "1")),
        ("two/a.yaml", &config_map("two", "2")),
        ("three/a.yaml", secret),
    ]);
    stage.start();
    stage.argo_app("one", &repository.url(), "one").await;
    stage.flux_app("two", &repository.url(), "./two").await;
    stage.flux_app("three", &repository.url(), "./three").await;
    stage.until_synced("one", "").await;
    stage.until_ready("two", "").await;
    stage.until_ready("three", "").await;
    stage.kill();

    // Nothing that was read has changed, though the commit is another.
    repository.change("elsewhere.yaml", "a: 1\n");
    let engine = stage.start();
    stage.until_synced("one", &repository.head()).await;
    stage.until_ready("two", &repository.head()).await;
    stage.until_ready("three", &repository.head()).await;
    assert_eq!(counter(&engine, "renders"), 1, "the one with a Secret");
    assert_eq!(counter(&engine, "renders_kept"), 2);
    assert_eq!(counter(&engine, "applies"), 0);
    let kept = stage.renders_folder();
    assert!(holds(&kept, "\"two\""), "the cache can be searched");
    assert!(!holds(&kept, "swordfish") && !holds(&kept, "c3dvcmRmaXNo"), "a Secret is on the disk");
}

async fn what_comes_of_chance_is_told(stage: &Stage) {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lucky}\ndata:\n  fixed: a\n  number: {{ randNumeric 12 | quote }}\n";
    let chart = "apiVersion: v2\nname: shop\nversion: 1.2.3\n";
    let repository = Repository::new(&[("shop/Chart.yaml", chart), ("shop/templates/config.yaml", config)]);
    stage.start();
    stage.argo_app("one", &repository.url(), "shop").await;
    stage.until_synced("one", "").await;
    stage.until_condition("one", "NonDeterministicWarning", "`.data.number`").await;

    // What is put back is what was there.
    let before = stage.object("v1", "ConfigMap", "lucky").await.expect("was applied");
    stage.patch(&before, "", json!({"data": {"fixed": "b"}})).await;
    stage
        .until("it is put back", async || {
            let now = stage.object("v1", "ConfigMap", "lucky").await;
            now.is_some_and(|now| now.text("/data/fixed") == Some("a"))
        })
        .await;
    let after = stage.object("v1", "ConfigMap", "lucky").await.expect("is there");
    // A chart is rendered again where the kinds of a cluster change, and others work on the real one: not what chance made.
    assert_eq!(after.at("/data"), before.at("/data"));
}
