//! The marks that Flux puts on objects, and the wishes that users put there.

use bowline_model::{AppId, ApplyRule, LiveMarks, Object, ObjectRules, Phase};

use crate::kustomization_key;

const OWNER_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
const OWNER_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
const RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
const SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
const FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";

/// The order of kinds in a sync (fluxcd/pkg `ssa/utils`, sorted by kind alone); others stand at [`OTHERS`].
const KIND_ORDER: &[&str] = &[
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Where kinds of no special place stand.
const OTHERS: u32 = 1000;

/// Kinds that come last: once there, they may refuse everything else.
const KINDS_LAST: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Puts the owner's labels on a rendered object and reads the wishes off it.
pub(crate) fn adopt(app: &AppId, object: &mut Object) -> ObjectRules {
    let wishes = Wishes::of(object);
    object.set_label(OWNER_NAME, &app.name);
    object.set_label(OWNER_NAMESPACE, &app.namespace);
    let kind = object.kind();
    ObjectRules {
        phase: Phase::Sync,
        wave: stage(kind),
        rank: rank(kind),
        hook: None,
        apply: if wishes.leave_alone() {
            ApplyRule::Never
        } else if wishes.only_if_absent {
            ApplyRule::IfAbsent
        } else {
            ApplyRule::Always
        },
        prune: !wishes.keep(),
        force: wishes.force,
        // Flux waits neither for what it does not apply nor, where an app applies itself, for itself.
        ignore_health: wishes.leave_alone() || object.key() == *app,
    }
}

/// Reads owner and wishes off a live object.
pub(crate) fn marks(live: &Object) -> LiveMarks {
    let wishes = Wishes::of(live);
    let owner = match (live.label(OWNER_NAME), live.label(OWNER_NAMESPACE)) {
        (Some(name), Some(namespace)) if !name.is_empty() => Some(kustomization_key(namespace, name)),
        _ => None,
    };
    LiveMarks { owner, keep: wishes.keep(), leave_alone: wishes.leave_alone() }
}

/// The stage of a sync that a kind belongs to; each waits for the one before it.
///
/// Definitions, namespaces and cluster roles come first, then every kind whose name ends in `Class`.
fn stage(kind: &str) -> i32 {
    match kind {
        "CustomResourceDefinition" | "Namespace" | "ClusterRole" => 0,
        kind if kind.ends_with("Class") => 1,
        _ => 2,
    }
}

fn rank(kind: &str) -> u32 {
    if let Some(place) = KIND_ORDER.iter().position(|known| *known == kind) {
        return place as u32;
    }
    KINDS_LAST.iter().position(|known| *known == kind).map_or(OTHERS, |place| OTHERS + 1 + place as u32)
}

/// What labels and annotations of an object ask for.
struct Wishes {
    unmanaged: bool,
    ignored: bool,
    only_if_absent: bool,
    force: bool,
    keep: bool,
}

impl Wishes {
    fn of(object: &Object) -> Self {
        let says = |key: &str, want: &str| {
            let is = |value: Option<&str>| value.is_some_and(|value| value.eq_ignore_ascii_case(want));
            is(object.label(key)) || is(object.annotation(key))
        };
        // `ssa: Override` is what happens anyway. `ssa: Merge` only spares other managers' fields from a
        // clean-up that no rule here asks for.
        Self {
            unmanaged: says(RECONCILE, "disabled"),
            ignored: says(SSA, "Ignore"),
            only_if_absent: says(SSA, "IfNotPresent"),
            force: says(FORCE, "enabled"),
            keep: says(PRUNE, "disabled"),
        }
    }

    fn leave_alone(&self) -> bool {
        self.unmanaged || self.ignored
    }

    fn keep(&self) -> bool {
        self.keep || self.leave_alone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(kind: &str, metadata: Value) -> Object {
        let mut metadata = metadata;
        metadata["name"] = json!("a");
        Object::from_value(json!({"apiVersion": "v1", "kind": kind, "metadata": metadata})).expect("is an object")
    }

    #[test]
    fn adopted_objects_name_their_owner() {
        let app = kustomization_key("shop", "cart");
        let mut config = object("ConfigMap", json!({"namespace": "x"}));
        let rules = adopt(&app, &mut config);
        assert_eq!(
            (rules.apply, rules.prune, rules.force, rules.ignore_health),
            (ApplyRule::Always, true, false, false)
        );
        let marks = marks(&config);
        assert_eq!(marks, LiveMarks { owner: Some(app), keep: false, leave_alone: false });
    }

    #[test]
    fn wishes_are_read_from_labels_and_annotations_in_any_case() {
        // Wish, value, apply rule, may be pruned, force, live: keep, live: leave alone.
        type Want = (ApplyRule, bool, bool, bool, bool);
        let table: &[(&str, &str, Want)] = &[
            (RECONCILE, "Disabled", (ApplyRule::Never, false, false, true, true)),
            (RECONCILE, "enabled", (ApplyRule::Always, true, false, false, false)),
            (SSA, "ignore", (ApplyRule::Never, false, false, true, true)),
            (SSA, "IfNotPresent", (ApplyRule::IfAbsent, true, false, false, false)),
            (SSA, "Merge", (ApplyRule::Always, true, false, false, false)),
            (SSA, "Override", (ApplyRule::Always, true, false, false, false)),
            (FORCE, "Enabled", (ApplyRule::Always, true, true, false, false)),
            (PRUNE, "DISABLED", (ApplyRule::Always, false, false, true, false)),
        ];
        for (key, value, want) in table {
            for place in ["labels", "annotations"] {
                let mut config = object("ConfigMap", json!({place: {*key: value}}));
                let live = marks(&config);
                let rules = adopt(&kustomization_key("a", "b"), &mut config);
                let have = (rules.apply, rules.prune, rules.force, live.keep, live.leave_alone);
                assert_eq!(have, *want, "{key}: {value} in {place}");
            }
        }
    }

    #[test]
    fn kinds_come_in_stages() {
        let kinds = [
            "CustomResourceDefinition",
            "Namespace",
            "ClusterRole",
            "StorageClass",
            "ExampleClass",
            "ServiceAccount",
            "ConfigMap",
            "Deployment",
            "Widget",
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ];
        let places: Vec<_> = kinds.iter().map(|kind| (stage(kind), rank(kind))).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!((stage("Namespace"), stage("GatewayClass"), stage("Service")), (0, 1, 2));
    }

    #[test]
    fn an_app_that_applies_itself_does_not_wait_for_itself() {
        let app = kustomization_key("flux-system", "flux-system");
        let own = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "flux-system", "namespace": "flux-system"},
        });
        assert!(adopt(&app, &mut Object::from_value(own).expect("is an object")).ignore_health);
    }
}
