//! The order of kinds within a wave.

/// The kinds that have a place, first to last; all others come after.
///
/// Argo CD: `gitops-engine/pkg/sync/sync_tasks.go`.
const KINDS: &[&str] = &[
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

/// Returns the place of a kind within a wave, lower first.
pub(super) fn rank(kind: &str) -> u32 {
    KINDS.iter().position(|have| *have == kind).unwrap_or(KINDS.len()) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_one_place() {
        assert_eq!(KINDS.iter().collect::<BTreeSet<_>>().len(), KINDS.len());
        for pair in [("Namespace", "Secret"), ("Service", "Deployment"), ("Job", "Ingress"), ("APIService", "Widget")] {
            assert!(rank(pair.0) < rank(pair.1), "{pair:?}");
        }
    }
}
