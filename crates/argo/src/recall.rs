//! Reading back what status says about the last sync.

use bowline_model::{BegunSync, InventoryEntry, Object, ObjectKey, Recalled, Revision, Revisions};
use serde_json::Value;

/// Returns the objects of the last sync and the last revision that was wholly applied.
///
/// Hooks are no part of an inventory, and definitions of kinds are left out because Argo CD never takes one away.
/// Status lists objects that were never written beside those that were: what is pruned must carry the
/// application's mark as well.
pub(crate) fn recall(resource: &Object) -> Recalled {
    let resources = resource.at("/status/resources").and_then(Value::as_array);
    let inventory = resources.into_iter().flatten().filter_map(entry).collect();
    Recalled { inventory, applied: applied(resource).and_then(parse), begun: begun(resource), release: None }
}

/// An automatic sync that still runs. One that was asked for is still asked for, and is begun again as a whole.
fn begun(resource: &Object) -> Option<BegunSync> {
    let state = resource.at("/status/operationState").filter(|state| state["phase"] == "Running")?;
    if state["operation"]["initiatedBy"]["automated"] != true {
        return None;
    }
    let revision = parse(revisions_of(&state["syncResult"]))?;
    Some(BegunSync { revision, started_at: state["startedAt"].as_str()?.parse().ok()? })
}

fn entry(resource: &Value) -> Option<InventoryEntry> {
    let text = |field: &str| resource[field].as_str().unwrap_or_default();
    let is_crd = text("kind") == "CustomResourceDefinition" && text("group") == "apiextensions.k8s.io";
    if resource["hook"] == true || is_crd || text("kind").is_empty() || text("name").is_empty() {
        return None;
    }
    let key = ObjectKey::new(text("group"), text("kind"), text("namespace"), text("name"));
    Some(InventoryEntry { key, version: text("version").to_owned() })
}

/// The newest entry of the history; where no history is kept, the last sync if it succeeded and was whole.
fn applied(resource: &Object) -> Option<Vec<String>> {
    let newest = resource.at("/status/history").and_then(Value::as_array).and_then(|history| history.last());
    if let Some(revisions) = newest.map(revisions_of).filter(|revisions| !revisions.is_empty()) {
        return Some(revisions);
    }
    let state = resource.at("/status/operationState")?;
    let sync = &state["operation"]["sync"];
    let is_whole = sync["resources"].as_array().is_none_or(Vec::is_empty) && sync["dryRun"] != true;
    (state["phase"] == "Succeeded" && is_whole).then(|| revisions_of(&state["syncResult"]))
}

/// Reads revisions as they are shown: a commit, the digest of an artifact, the version of a chart.
fn parse(shown: Vec<String>) -> Option<Revisions> {
    const COMMIT_DIGITS: usize = 40;
    Revisions::of(shown.into_iter().map(|text| match text.strip_prefix("sha256:") {
        Some(digest) => Revision::of_archive(None, digest),
        None if text.len() == COMMIT_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Revision::of_commit(text)
        }
        None => Revision::of_version(text),
    }))
}

/// The revision of a record; with `sources`, the first of its revisions.
pub(crate) fn revision_of(record: &Value) -> Option<String> {
    revisions_of(record).into_iter().next()
}

/// The revisions of a record, one for each source.
pub(crate) fn revisions_of(record: &Value) -> Vec<String> {
    if let Some(one) = record["revision"].as_str().filter(|text| !text.is_empty()) {
        return vec![one.to_owned()];
    }
    let several = record["revisions"].as_array().into_iter().flatten();
    several.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recall_status(status: Value) -> Recalled {
        let value = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "a", "namespace": "argocd"}, "status": status});
        recall(&Object::from_value(value).expect("is an object"))
    }

    #[test]
    fn hooks_and_definitions_are_not_in_the_inventory() {
        let recalled = recall_status(json!({"resources": [
            {"version": "v1", "kind": "Service", "namespace": "web", "name": "cart", "status": "Synced"},
            {"group": "batch", "version": "v1", "kind": "Job", "namespace": "web", "name": "migrate", "hook": true},
            {"group": "apiextensions.k8s.io", "version": "v1", "kind": "CustomResourceDefinition", "name": "x.y"},
        ]}));
        let want = InventoryEntry { key: ObjectKey::new("", "Service", "web", "cart"), version: "v1".to_owned() };
        assert_eq!(recalled.inventory, [want]);
    }

    #[test]
    fn an_automatic_sync_that_runs_is_begun() {
        let state = |phase: &str, automated: bool| {
            json!({"operationState": {"phase": phase, "startedAt": "2026-01-02T03:04:05Z",
                "operation": {"initiatedBy": {"automated": automated}}, "syncResult": {"revision": "b"}}})
        };
        for (status, want) in [
            (json!({}), None),
            (state("Running", true), Some("b")),
            (state("Running", false), None),
            (state("Succeeded", true), None),
        ] {
            let begun = recall_status(status.clone()).begun.map(|begun| begun.revision.short().to_owned());
            assert_eq!(begun.as_deref(), want, "{status}");
        }
    }

    #[test]
    fn the_applied_revision_is_the_newest_that_was_whole() {
        let succeeded = |sync: Value| json!({"operationState": {"phase": "Succeeded", "operation": {"sync": sync}, "syncResult": {"revision": "b"}}});
        let history = json!({"history": [{"revision": "a"}, {"revisions": ["c"]}]});
        for (status, want) in [
            (json!({}), None),
            (succeeded(json!({})), Some("b")),
            (succeeded(json!({"resources": [{"kind": "X", "name": "x"}]})), None),
            (succeeded(json!({"dryRun": true})), None),
            (history, Some("c")),
        ] {
            let commit = recall_status(status.clone()).applied.map(|revision| revision.short().to_owned());
            assert_eq!(commit.as_deref(), want, "{status}");
        }
    }
}
