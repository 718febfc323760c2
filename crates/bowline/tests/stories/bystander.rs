use crate::git::Repository;
use crate::stage::{Stage, config_map};

/// One healthy app of each dialect: what goes wrong in a story must not reach them.
pub(crate) struct Bystander {
    _repository: Repository,
}

impl Bystander {
    /// Installs the apps, once Bowline runs.
    pub(crate) async fn install(stage: &Stage) -> Self {
        let repository = Repository::new(&[
            ("one/a.yaml", &config_map("bystander-one", "right")),
            ("two/a.yaml", &config_map("bystander-two", "right")),
        ]);
        stage.argo_app("bystander-one", &repository.url(), "one").await;
        stage.flux_app("bystander-two", &repository.url(), "two").await;
        stage.until_synced("bystander-one", "").await;
        stage.until_ready("bystander-two", "").await;
        Self { _repository: repository }
    }

    /// Fails the story unless both apps are well and are still looked after.
    pub(crate) async fn goes_on(&self, stage: &Stage) {
        for name in ["bystander-one", "bystander-two"] {
            heals(stage, name).await;
        }
        stage.until_synced("bystander-one", "").await;
        stage.until_ready("bystander-two", "").await;
    }
}

/// Deletes a ConfigMap and waits until it is put back.
pub(crate) async fn heals(stage: &Stage, name: &str) {
    let object = stage.object("v1", "ConfigMap", name).await.expect("is there");
    stage.delete(&object).await;
    stage
        .until(&format!("{name} comes back"), async || {
            let back = stage.object("v1", "ConfigMap", name).await;
            back.is_some_and(|back| back.uid() != object.uid())
        })
        .await;
}
