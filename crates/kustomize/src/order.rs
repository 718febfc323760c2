//! The order in which objects are written.

use std::collections::HashMap;

use crate::id::{Gvk, ResId};

/// The kinds that others need, first.
pub(crate) const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
/// The kinds that would stand in the way of others, last.
pub(crate) const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The place of a kind among all, where nothing else is said.
pub(crate) fn default_rank(kind: &str) -> i64 {
    if let Some(at) = FIRST.iter().position(|first| *first == kind) {
        return at as i64 - FIRST.len() as i64;
    }
    LAST.iter().position(|last| *last == kind).map_or(0, |at| at as i64 + 1)
}

/// Returns the numbers of objects in the order in which they are written.
pub(crate) fn legacy_order(ids: &[ResId], first: &[String], last: &[String]) -> Vec<usize> {
    let mut ranks = HashMap::new();
    for (at, kind) in first.iter().enumerate() {
        ranks.insert(kind.as_str(), at as i64 - first.len() as i64);
    }
    for (at, kind) in last.iter().enumerate() {
        ranks.insert(kind.as_str(), at as i64 + 1);
    }
    let rank = |kind: &str| ranks.get(kind).copied().unwrap_or_default();
    let mut order: Vec<(usize, i64, String, String)> =
        ids.iter().enumerate().map(|(at, id)| (at, rank(&id.gvk.kind), id.gvk.sort_text(), id_text(id))).collect();
    order.sort_by(|(a, a_rank, a_kind, a_id), (b, b_rank, b_kind, b_id)| {
        let by_kind = if both_namespaces(&ids[*a].gvk, &ids[*b].gvk) { b_kind.cmp(a_kind) } else { a_kind.cmp(b_kind) };
        if ids[*a].gvk == ids[*b].gvk { a_id.cmp(b_id) } else { a_rank.cmp(b_rank).then(by_kind) }
    });
    order.into_iter().map(|(at, ..)| at).collect()
}

/// Kubernetes' own namespaces come before what else is called so.
fn both_namespaces(a: &Gvk, b: &Gvk) -> bool {
    a.kind == "Namespace" && b.kind == "Namespace" && (a.group.is_empty() || b.group.is_empty())
}

fn id_text(id: &ResId) -> String {
    let namespace = if id.namespace.is_empty() { "~X" } else { &id.namespace };
    let name = if id.name.is_empty() { "~N" } else { &id.name };
    format!("{}|{namespace}|{name}", id.gvk)
}
