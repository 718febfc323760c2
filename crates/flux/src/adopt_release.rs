//! The marks on objects of HelmReleases, and the order in which Helm installs them.

use bowline_engine::install_rank;
use bowline_model::{AppId, ApplyRule, LiveMarks, Object, ObjectRules, Phase};

use crate::helm_release_key;

const OWNER_NAME: &str = "helm.toolkit.fluxcd.io/name";
const OWNER_NAMESPACE: &str = "helm.toolkit.fluxcd.io/namespace";
/// Helm's own word on keeping an object.
const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// Puts the owner's labels on a rendered object and says where it stands.
///
/// Definitions come before everything, hooks too, and none is ever pruned: with it would go every resource of its kind.
/// Whether an object is a hook is the render's to say, which knows an install from an upgrade.
pub(crate) fn adopt(app: &AppId, object: &mut Object) -> ObjectRules {
    object.set_label(OWNER_NAME, &app.name);
    object.set_label(OWNER_NAMESPACE, &app.namespace);
    let kind = object.kind();
    let is_definition = is_definition(object);
    ObjectRules {
        phase: if is_definition { Phase::PreSync } else { Phase::Sync },
        wave: if is_definition { i32::MIN } else { 0 },
        rank: install_rank(kind).0 as u32,
        hook: None,
        apply: ApplyRule::Always,
        prune: !(is_definition || keeps(object)),
        force: false,
        ignore_health: object.key() == *app,
    }
}

/// Reads the owner off a live object; `None` where it is no HelmRelease.
pub(crate) fn marks(live: &Object) -> Option<LiveMarks> {
    let (name, namespace) = (live.label(OWNER_NAME)?, live.label(OWNER_NAMESPACE)?);
    let owner = (!name.is_empty()).then(|| helm_release_key(namespace, name))?;
    Some(LiveMarks { owner: Some(owner), keep: is_definition(live) || keeps(live), leave_alone: false })
}

fn is_definition(object: &Object) -> bool {
    object.kind() == "CustomResourceDefinition"
}

fn keeps(object: &Object) -> bool {
    object.annotation(RESOURCE_POLICY).is_some_and(|policy| policy.trim() == "keep")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(kind: &str, annotations: &Value) -> Object {
        let metadata = json!({"name": "a", "namespace": "b", "annotations": annotations});
        Object::from_value(json!({"apiVersion": "v1", "kind": kind, "metadata": metadata})).expect("is an object")
    }

    #[test]
    fn objects_name_their_release_and_what_asks_to_stay_stays() {
        let app = helm_release_key("home", "shop");
        for (kind, annotations, stays) in [
            ("ConfigMap", json!({}), false),
            ("ConfigMap", json!({"helm.sh/resource-policy": "keep"}), true),
            ("CustomResourceDefinition", json!({}), true),
        ] {
            let mut object = object(kind, &annotations);
            assert_eq!(marks(&object), None);
            let rules = adopt(&app, &mut object);
            let marks = marks(&object).expect("is marked");
            assert_eq!((marks.owner.as_ref(), marks.keep, rules.prune), (Some(&app), stays, !stays), "{kind}");
        }
    }

    #[test]
    fn kinds_come_in_helms_order() {
        let app = helm_release_key("home", "shop");
        let place = |kind: &str| {
            let rules = adopt(&app, &mut object(kind, &json!({})));
            (rules.phase, rules.wave, rules.rank)
        };
        let kinds = ["CustomResourceDefinition", "Namespace", "Secret", "Service", "Deployment", "Ingress", "Widget"];
        let places: Vec<_> = kinds.into_iter().map(place).collect();
        assert!(places.is_sorted(), "{places:?}");
    }
}
