//! The ids by which `status.inventory` names objects.

use bowline_model::{BegunSync, InventoryEntry, Object, ObjectKey, Revision};
use serde_json::Value;

use crate::api::ResourceRef;

/// The group whose names may hold colons.
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// Writes an object's id: `<namespace>_<name>_<group>_<kind>`.
///
/// The names of RBAC objects may hold colons, which are written `__` (cli-utils, `pkg/object/objmetadata.go`).
pub(crate) fn id_of(key: &ObjectKey) -> String {
    let name = if key.group == RBAC_GROUP { key.name.replace(':', "__") } else { key.name.clone() };
    format!("{}_{name}_{}_{}", key.namespace, key.group, key.kind)
}

/// Reads an id; `None` when it names no object.
///
/// Namespace, group and kind hold no underscore, so whatever is left between them is the name.
pub(crate) fn parse_id(id: &str) -> Option<ObjectKey> {
    let (namespace, rest) = id.split_once('_')?;
    let (rest, kind) = rest.rsplit_once('_')?;
    let (name, group) = rest.rsplit_once('_')?;
    if name.is_empty() || kind.is_empty() {
        return None;
    }
    let name = if group == RBAC_GROUP { name.replace("__", ":") } else { name.to_owned() };
    Some(ObjectKey::new(group, kind, namespace, name))
}

/// Returns the entries of a resource's inventory as they stand in its status.
pub(crate) fn entries(resource: &Object) -> Vec<ResourceRef> {
    let entries = resource.at("/status/inventory/entries").and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(|entry| serde_json::from_value(entry.clone()).ok()).collect()
}

/// Returns the sync that status says goes on, at a revision that has not been applied.
pub(crate) fn begun(resource: &Object) -> Option<BegunSync> {
    let attempted = resource.text("/status/lastAttemptedRevision")?;
    if resource.text("/status/lastAppliedRevision") == Some(attempted) {
        return None;
    }
    let conditions = resource.at("/status/conditions")?.as_array()?;
    let reconciling = conditions.iter().find(|one| one["type"] == "Reconciling" && one["status"] == "True")?;
    let started_at = reconciling["lastTransitionTime"].as_str()?.parse().ok()?;
    let revision: Revision = attempted.parse().ok()?;
    Some(BegunSync { revision: revision.into(), started_at })
}

/// Returns the objects of a resource's inventory, sorted.
pub(crate) fn recall(resource: &Object) -> Vec<InventoryEntry> {
    let mut recalled: Vec<_> = entries(resource)
        .into_iter()
        .filter_map(|entry| Some(InventoryEntry { key: parse_id(&entry.id)?, version: entry.v }))
        .collect();
    recalled.sort();
    recalled.dedup_by(|one, other| one.key == other.key);
    recalled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse_the_same() {
        let rbac = "rbac.authorization.k8s.io";
        for (key, id) in [
            (ObjectKey::new("apps", "Deployment", "shop", "cart"), "shop_cart_apps_Deployment"),
            (ObjectKey::new("", "Service", "shop", "cart"), "shop_cart__Service"),
            (ObjectKey::new("", "Namespace", "", "shop"), "_shop__Namespace"),
            (
                ObjectKey::new(rbac, "ClusterRole", "", "system:a:b"),
                "_system__a__b_rbac.authorization.k8s.io_ClusterRole",
            ),
            (ObjectKey::new(rbac, "Role", "x", "with_one"), "x_with_one_rbac.authorization.k8s.io_Role"),
            (ObjectKey::new(rbac, "Role", "x", "ends:"), "x_ends___rbac.authorization.k8s.io_Role"),
            (ObjectKey::new(rbac, "Role", "x", ":starts"), "x___starts_rbac.authorization.k8s.io_Role"),
            (ObjectKey::new("a.b.example.com", "Widget", "x", "a.b-c"), "x_a.b-c_a.b.example.com_Widget"),
        ] {
            assert_eq!(id_of(&key), id);
            assert_eq!(parse_id(id), Some(key), "{id}");
        }
    }

    #[test]
    fn what_is_no_id_names_nothing() {
        for id in ["", "a", "a_b", "a_b_c", "____", "ns__group_Kind", "ns_name_group_"] {
            assert_eq!(parse_id(id), None, "{id}");
        }
    }
}
