//! The tracking id: `<app>:<group>/<kind>:<namespace>/<name>`.

use bowline_model::{AppId, ObjectKey};

use crate::types::{GROUP, KIND};

/// How long a label's value may be.
const LONGEST_LABEL: usize = 63;

/// Returns the name that an application goes by on its objects.
///
/// The bare name in the control namespace, `<namespace>_<name>` elsewhere.
pub fn instance_name(app: &AppId, control_namespace: &str) -> String {
    if app.namespace == control_namespace { app.name.clone() } else { format!("{}_{}", app.namespace, app.name) }
}

/// Returns the application that a name on an object stands for.
pub fn app_id_of_instance(instance: &str, control_namespace: &str) -> AppId {
    // No name of Kubernetes' holds an underscore.
    let (namespace, name) = instance.split_once('_').unwrap_or((control_namespace, instance));
    AppId::new(GROUP, KIND, namespace, name)
}

/// Returns the tracking id of an object.
///
/// For a cluster-scoped object, Argo CD writes the application's destination namespace where a namespaced object
/// has its own: give it in `key` to get the very same text.
pub fn tracking_id(instance: &str, key: &ObjectKey) -> String {
    format!("{instance}:{}/{}:{}/{}", key.group, key.kind, key.namespace, key.name)
}

/// Returns the application's name from a tracking id that was made for the object it is on.
///
/// A copy of the annotation on another object, as controllers make them that copy all annotations of a parent,
/// says nothing. The namespace of a cluster-scoped object does not count.
pub(super) fn instance_of<'a>(id: &'a str, live: &ObjectKey) -> Option<&'a str> {
    let (instance, rest) = id.split_once(':')?;
    let (group_kind, namespaced) = rest.split_once(':')?;
    let (group, kind) = group_kind.split_once('/')?;
    let (namespace, name) = namespaced.split_once('/')?;
    let is_same = group == live.group
        && kind == live.kind
        && name == live.name
        && (live.namespace.is_empty() || namespace == live.namespace);
    (is_same && !instance.is_empty()).then_some(instance)
}

/// Cuts a name to what a label may hold; a label may not end in punctuation.
pub(super) fn cut_for_label(instance: &str) -> &str {
    instance.get(..LONGEST_LABEL).map_or(instance, |cut| cut.trim_end_matches(['-', '_', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_peers_form() {
        let here = AppId::new(GROUP, KIND, "argocd", "shop");
        let elsewhere = AppId::new(GROUP, KIND, "team-a", "shop");
        let deployment = ObjectKey::new("apps", "Deployment", "web", "cart");
        let service = ObjectKey::new("", "Service", "web", "cart");
        for (app, key, want) in [
            (&here, &deployment, "shop:apps/Deployment:web/cart"),
            (&here, &service, "shop:/Service:web/cart"),
            (&elsewhere, &service, "team-a_shop:/Service:web/cart"),
        ] {
            let instance = instance_name(app, "argocd");
            let id = tracking_id(&instance, key);
            assert_eq!(id, want);
            assert_eq!(instance_of(&id, key), Some(instance.as_str()));
            assert_eq!(&app_id_of_instance(&instance, "argocd"), app);
        }
    }

    #[test]
    fn an_id_speaks_for_its_own_object_only() {
        let pod = ObjectKey::new("", "Pod", "web", "cart-1");
        assert_eq!(instance_of("shop:apps/Deployment:web/cart", &pod), None);
        assert_eq!(instance_of("shop:/Pod:other/cart-1", &pod), None);
        assert_eq!(instance_of("shop", &pod), None);
        assert_eq!(instance_of(":/Pod:web/cart-1", &pod), None);
        let role = ObjectKey::new("rbac.authorization.k8s.io", "ClusterRole", "", "system:cart");
        for namespace in ["", "web"] {
            let id = format!("shop:rbac.authorization.k8s.io/ClusterRole:{namespace}/system:cart");
            assert_eq!(instance_of(&id, &role), Some("shop"), "{id}");
        }
    }

    #[test]
    fn labels_are_cut_to_what_they_may_hold() {
        let long = format!("{}-{}", "a".repeat(62), "b".repeat(10));
        assert_eq!(cut_for_label(&long), "a".repeat(62));
        assert_eq!(cut_for_label("short"), "short");
    }
}
