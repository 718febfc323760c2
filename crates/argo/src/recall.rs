//! Reading back what status says about the last sync.

use bowline_model::{BegunSync, InventoryEntry, Object, ObjectKey, Recalled, Revision};
use serde_json::Value;

/// Returns the objects of the last sync and the last revision that was wholly applied.
///
/// Hooks are no part of an inventory, and definitions of kinds are left out because Argo CD never takes one away.
/// Status lists objects that were never written beside those that were: what is pruned must carry the
/// application's mark as well.
pub(crate) fn recall(resource: &Object) -> Recalled {
    let resources = resource.at("/status/resources").and_then(Value::as_array);
    let inventory = resources.into_iter().flatten().filter_map(entry).collect();
    let applied = applied(resource).map(Revision::of_commit);
    Recalled { inventory, applied, begun: begun(resource) }
}

/// An automatic sync that still runs. One that was asked for is still asked for, and is begun again as a whole.
fn begun(resource: &Object) -> Option<BegunSync> {
    let state = resource.at("/status/operationState").filter(|state| state["phase"] == "Running")?;
    if state["operation"]["initiatedBy"]["automated"] != true {
        return None;
    }
    let revision = Revision::of_commit(revision_of(&state["syncResult"])?);
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
fn applied(resource: &Object) -> Option<String> {
    let newest = resource.at("/status/history").and_then(Value::as_array).and_then(|history| history.last());
    if let Some(revision) = newest.and_then(revision_of) {
        return Some(revision);
    }
    let state = resource.at("/status/operationState")?;
    let sync = &state["operation"]["sync"];
    let is_whole = sync["resources"].as_array().is_none_or(Vec::is_empty) && sync["dryRun"] != true;
    if state["phase"] == "Succeeded" && is_whole { revision_of(&state["syncResult"]) } else { None }
}

/// The revision of a record; with `sources`, the first of its revisions.
pub(crate) fn revision_of(record: &Value) -> Option<String> {
    let one = record["revision"].as_str().filter(|text| !text.is_empty());
    one.or_else(|| record["revisions"][0].as_str().filter(|text| !text.is_empty())).map(str::to_owned)
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
            let begun = recall_status(status.clone()).begun.map(|begun| begun.revision.digest);
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
            let commit = recall_status(status.clone()).applied.map(|revision| revision.digest);
            assert_eq!(commit.as_deref(), want, "{status}");
        }
    }
}
