use bowline_model::{Deletion, Object, Propagation};
use serde_json::Value;

use crate::api::{FINALIZER, HELM_RELEASE, KUSTOMIZATION};

/// Says how a resource goes away.
///
/// A Kustomization takes its objects along when `deletionPolicy` says so, or mirrors `prune`, as it does by
/// default; never when it is suspended. A source leaves nothing behind.
pub(crate) fn deletion(resource: &Object) -> Option<Deletion> {
    if !resource.finalizers().any(|finalizer| finalizer == FINALIZER) {
        return None;
    }
    let is_on = |field| resource.at(field).and_then(Value::as_bool).unwrap_or(false);
    let prune = match resource.text("/spec/deletionPolicy") {
        Some("Delete") => Some(Propagation::Background),
        // To delete in the foreground is to wait until everything is gone.
        Some("WaitForTermination") => Some(Propagation::Foreground),
        None | Some("" | "MirrorPrune") => is_on("/spec/prune").then_some(Propagation::Background),
        // `Orphan`, and any word of a later version: what is not understood deletes nothing.
        Some(_) => None,
    };
    let prune = match resource.kind() {
        KUSTOMIZATION => prune,
        HELM_RELEASE => uninstall(resource),
        _ => None,
    };
    let may_prune = !is_on("/spec/suspend");
    Some(Deletion { finalizers: vec![FINALIZER.to_owned()], prune: prune.filter(|_| may_prune) })
}

/// How the objects of a HelmRelease go, which it takes along as `helm uninstall` does.
fn uninstall(resource: &Object) -> Option<Propagation> {
    match resource.text("/spec/uninstall/deletionPropagation") {
        None | Some("" | "background") => Some(Propagation::Background),
        Some("foreground") => Some(Propagation::Foreground),
        Some("orphan") => Some(Propagation::Orphan),
        Some(_) => None,
    }
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
        for (spec, prune) in [
            (json!({"prune": true}), Some(Propagation::Background)),
            (json!({"prune": false}), None),
            (json!({"prune": true, "suspend": true}), None),
            (json!({"prune": true, "deletionPolicy": "Orphan"}), None),
            (json!({"prune": true, "deletionPolicy": "Later"}), None),
            (json!({"prune": false, "deletionPolicy": "MirrorPrune"}), None),
            (json!({"prune": false, "deletionPolicy": "Delete"}), Some(Propagation::Background)),
            (json!({"prune": false, "deletionPolicy": "WaitForTermination"}), Some(Propagation::Foreground)),
            (json!({"prune": false, "deletionPolicy": "Delete", "suspend": true}), None),
        ] {
            let deletion = deletion(&kustomization(spec.clone(), &["other", FINALIZER])).expect("holds the finalizer");
            assert_eq!(deletion.prune, prune, "{spec}");
            assert_eq!(deletion.finalizers, [FINALIZER]);
        }
        assert_eq!(deletion(&kustomization(json!({"prune": true}), &["other"])), None);
    }
}
