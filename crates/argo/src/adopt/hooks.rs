//! Hooks and waves, in Argo CD's annotations and in Helm's.

use bowline_model::{Hook, Object, Phase};

use crate::words::{self, comma_separated};

/// Returns the phase of an object, and how it goes away when it is a hook.
///
/// An object that names several phases belongs to the first of them. Hooks of deletion, unknown hooks and
/// `Skip` are hooks that never run.
pub(super) fn read(object: &Object) -> (Phase, Option<Hook>) {
    let ours = object.annotation(words::HOOK);
    // Helm marks definitions of kinds as hooks; they are part of the desired state.
    let helms = object.annotation(words::HELM_HOOK).filter(|value| *value != "crd-install");
    if ours.is_none() && helms.is_none() {
        return (Phase::Sync, None);
    }
    let mut phases: Vec<Phase> = comma_separated(ours).filter_map(argo_phase).collect();
    if phases.is_empty() {
        phases = comma_separated(helms).filter_map(helm_phase).collect();
    }
    let phase = phases.into_iter().min().unwrap_or(Phase::Never);
    (phase, Some(deletion(object)))
}

/// Returns the wave: Argo CD's annotation, else Helm's weight, else 0.
pub(super) fn wave(object: &Object) -> i32 {
    let number = |annotation| object.annotation(annotation).and_then(|text| text.parse().ok());
    number(words::SYNC_WAVE).or_else(|| number(words::HELM_HOOK_WEIGHT)).unwrap_or(0)
}

fn argo_phase(word: &str) -> Option<Phase> {
    match word {
        "PreSync" => Some(Phase::PreSync),
        "Sync" => Some(Phase::Sync),
        "PostSync" => Some(Phase::PostSync),
        "SyncFail" => Some(Phase::SyncFail),
        "Skip" | "PreDelete" | "PostDelete" => Some(Phase::Never),
        _ => None,
    }
}

/// Argo CD does not tell an install from an upgrade, and runs no tests and no hooks of rollback.
fn helm_phase(word: &str) -> Option<Phase> {
    match word {
        "pre-install" | "pre-upgrade" => Some(Phase::PreSync),
        "post-install" | "post-upgrade" => Some(Phase::PostSync),
        "pre-delete" | "post-delete" => Some(Phase::Never),
        _ => None,
    }
}

fn deletion(object: &Object) -> Hook {
    let mut hook = Hook::default();
    let policies = comma_separated(object.annotation(words::HOOK_DELETE_POLICY))
        .chain(comma_separated(object.annotation(words::HELM_HOOK_DELETE_POLICY)));
    for policy in policies {
        match policy {
            "BeforeHookCreation" | "before-hook-creation" => hook.delete_before_creation = true,
            "HookSucceeded" | "hook-succeeded" => hook.delete_when_succeeded = true,
            "HookFailed" | "hook-failed" => hook.delete_when_failed = true,
            _ => {}
        }
    }
    if hook == Hook::default() { Hook { delete_before_creation: true, ..hook } } else { hook }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(annotations: serde_json::Value) -> Object {
        let value = json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "a", "annotations": annotations}});
        Object::from_value(value).expect("is an object")
    }

    #[test]
    fn phases_come_from_either_annotation() {
        let cases = [
            (json!({}), Phase::Sync, false),
            (json!({"argocd.argoproj.io/hook": "PostSync"}), Phase::PostSync, true),
            (json!({"argocd.argoproj.io/hook": "PostSync, PreSync"}), Phase::PreSync, true),
            (json!({"argocd.argoproj.io/hook": "Sync"}), Phase::Sync, true),
            (json!({"argocd.argoproj.io/hook": "Skip"}), Phase::Never, true),
            (json!({"argocd.argoproj.io/hook": "presync"}), Phase::Never, true),
            (json!({"helm.sh/hook": "pre-install,pre-upgrade"}), Phase::PreSync, true),
            (json!({"helm.sh/hook": "post-upgrade"}), Phase::PostSync, true),
            (json!({"helm.sh/hook": "test"}), Phase::Never, true),
            (json!({"helm.sh/hook": "crd-install"}), Phase::Sync, false),
            (json!({"helm.sh/hook": "pre-install", "argocd.argoproj.io/hook": "PostSync"}), Phase::PostSync, true),
        ];
        for (annotations, phase, is_hook) in cases {
            let (have, hook) = read(&object(annotations.clone()));
            assert_eq!((have, hook.is_some()), (phase, is_hook), "{annotations}");
        }
    }

    #[test]
    fn hooks_go_before_the_next_one_unless_they_say_when() {
        let policy = |annotations| read(&object(annotations)).1.expect("is a hook");
        let before = Hook { delete_before_creation: true, ..Hook::default() };
        assert_eq!(policy(json!({"helm.sh/hook": "pre-install"})), before);
        assert_eq!(
            policy(
                json!({"argocd.argoproj.io/hook": "Sync", "argocd.argoproj.io/hook-delete-policy": "HookSucceeded"})
            ),
            Hook { delete_when_succeeded: true, ..Hook::default() }
        );
        assert_eq!(
            policy(
                json!({"helm.sh/hook": "pre-install", "helm.sh/hook-delete-policy": "before-hook-creation,hook-failed"})
            ),
            Hook { delete_when_failed: true, ..before }
        );
    }

    #[test]
    fn waves_fall_back_to_weights() {
        for (annotations, want) in [
            (json!({}), 0),
            (json!({"argocd.argoproj.io/sync-wave": "-5"}), -5),
            (json!({"argocd.argoproj.io/sync-wave": "x", "helm.sh/hook-weight": "3"}), 3),
            (json!({"argocd.argoproj.io/sync-wave": "0", "helm.sh/hook-weight": "3"}), 0),
        ] {
            assert_eq!(wave(&object(annotations.clone())), want, "{annotations}");
        }
    }
}
