use serde_json::Value;

use crate::git::Repository;
use crate::stage::{Stage, condition};

/// Installs `one`, an Application over `one/`, and `two`, a Kustomization over `two/`.
pub(crate) async fn install(stage: &Stage, repository: &Repository) {
    stage.argo_app("one", &repository.url(), "one").await;
    stage.flux_app("two", &repository.url(), "two").await;
}

/// Waits until both have applied a commit; an empty one stands for any.
pub(crate) async fn until_installed(stage: &Stage, commit: &str) {
    stage.until_synced("one", commit).await;
    stage.until_ready("two", commit).await;
}

/// Waits until both tell what is wrong: the text with `{}` put for the directory of each.
///
/// Returns the Application's message and the Kustomization's `Ready`.
pub(crate) async fn until_told(stage: &Stage, argo_condition: &str, text: &str) -> (String, Value) {
    let message = stage.until_condition("one", argo_condition, &text.replace("{}", "one")).await;
    let ready = stage.until_not_ready("two", &text.replace("{}", "two")).await;
    (message, ready)
}

/// Writes a file into the directory of each.
pub(crate) fn write(repository: &Repository, name: &str, content: impl Fn(&str) -> String) {
    for app in ["one", "two"] {
        repository.write(&format!("{app}/{name}"), &content(app));
    }
}

/// Removes a file from the directory of each.
pub(crate) fn remove(repository: &Repository, name: &str) {
    for app in ["one", "two"] {
        repository.remove(&format!("{app}/{name}"));
    }
}

/// Makes a repository with files in the directory of each; `{}` in a text stands for the app's name.
pub(crate) fn repository(files: &[(&str, &str)]) -> Repository {
    let mut all = Vec::new();
    for app in ["one", "two"] {
        all.extend(files.iter().map(|(name, text)| (format!("{app}/{name}"), text.replace("{}", app))));
    }
    let all: Vec<_> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    Repository::new(&all)
}

/// Waits until no condition of the Application tells of a failure.
pub(crate) async fn until_nothing_is_told(stage: &Stage) {
    stage
        .until("nothing is wrong any more", async || {
            let app = stage.application("one").await;
            ["ComparisonError", "SyncError", "SharedResourceWarning"].iter().all(|kind| condition(&app, kind).is_none())
        })
        .await;
}
