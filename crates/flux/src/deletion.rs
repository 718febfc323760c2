use bowline_model::{Deletion, Object, Propagation};
use serde_json::Value;

use crate::api::{FINALIZER, KUSTOMIZATION};

/// Says how a resource goes away.
///
/// A Kustomization takes its objects along when `deletionPolicy` says so, or mirrors `prune`, as it does by
/// default; never when it is suspended. A source leaves nothing behind.
pub(crate) fn deletion(resource: &Object) -> Option<Deletion> {
    if !resource.finalizers().any(|finalizer| finalizer == FINALIZER) {
        return None;
    }
    let is_on = |field| resource.at(field).and_then(Value::as_bool).unwrap_or(false);
    let prunes = match resource.text("/spec/deletionPolicy") {
        Some("Delete" | "WaitForTermination") => true,
        None | Some("" | "MirrorPrune") => is_on("/spec/prune"),
        // `Orphan`, and any word of a later version: what is not understood deletes nothing.
        Some(_) => false,
    };
    let prunes = prunes && resource.kind() == KUSTOMIZATION && !is_on("/spec/suspend");
    Some(Deletion { finalizers: vec![FINALIZER.to_owned()], prune: prunes.then_some(Propagation::Background) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kustomization(spec: Value, finalizers: &[&str]) -> Object {
        Object::from_value(json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "a", "namespace": "b", "finalizers": finalizers}, "spec": spec,
        }))
        .expect("is an object")
    }

    #[test]
    fn policy_prune_and_suspend_decide_what_is_deleted() {
        for (spec, prunes) in [
            (json!({"prune": true}), true),
            (json!({"prune": false}), false),
            (json!({"prune": true, "suspend": true}), false),
            (json!({"prune": true, "deletionPolicy": "Orphan"}), false),
            (json!({"prune": true, "deletionPolicy": "Later"}), false),
            (json!({"prune": false, "deletionPolicy": "MirrorPrune"}), false),
            (json!({"prune": false, "deletionPolicy": "Delete"}), true),
            (json!({"prune": false, "deletionPolicy": "WaitForTermination"}), true),
            (json!({"prune": false, "deletionPolicy": "Delete", "suspend": true}), false),
        ] {
            let deletion = deletion(&kustomization(spec.clone(), &["other", FINALIZER])).expect("holds the finalizer");
            assert_eq!(deletion.prune.is_some(), prunes, "{spec}");
            assert_eq!(deletion.finalizers, [FINALIZER]);
        }
        assert_eq!(deletion(&kustomization(json!({"prune": true}), &["other"])), None);
    }
}
