//! Defaults of built-in types that live in the API server's code and not in its OpenAPI.
//!
//! Only those inside atomic lists and maps are listed: anywhere else a defaulted field is one that nobody set, which is
//! no drift. From the `defaults.go` files of Kubernetes 1.35.

use super::CodeDefault;

/// Component, field, value as JSON; sorted.
const CODE_DEFAULTS: &[(&str, &str, &str)] = &[
    ("io.k8s.api.admissionregistration.v1.MatchResources", "matchPolicy", r#""Equivalent""#),
    ("io.k8s.api.admissionregistration.v1.NamedRuleWithOperations", "scope", r#""*""#),
    ("io.k8s.api.admissionregistration.v1.RuleWithOperations", "scope", r#""*""#),
    ("io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern", "status", r#""True""#),
    ("io.k8s.api.core.v1.EndpointPort", "protocol", r#""TCP""#),
    ("io.k8s.api.core.v1.ObjectFieldSelector", "apiVersion", r#""v1""#),
    ("io.k8s.api.core.v1.PersistentVolumeClaim", "apiVersion", r#""v1""#),
    ("io.k8s.api.core.v1.PersistentVolumeClaim", "kind", r#""PersistentVolumeClaim""#),
    ("io.k8s.api.core.v1.PersistentVolumeClaim", "status", r#"{"phase": "Pending"}"#),
    ("io.k8s.api.core.v1.PersistentVolumeClaimSpec", "volumeMode", r#""Filesystem""#),
    ("io.k8s.api.core.v1.ServiceAccountTokenProjection", "expirationSeconds", "3600"),
    ("io.k8s.api.discovery.v1.EndpointPort", "name", r#""""#),
    ("io.k8s.api.discovery.v1.EndpointPort", "protocol", r#""TCP""#),
    ("io.k8s.api.networking.v1.NetworkPolicyPort", "protocol", r#""TCP""#),
    ("io.k8s.api.rbac.v1.RoleRef", "apiGroup", r#""rbac.authorization.k8s.io""#),
    ("io.k8s.api.rbac.v1.Subject", "apiGroup", r#""rbac.authorization.k8s.io""#),
    ("io.k8s.api.resource.v1.DeviceSubRequest", "allocationMode", r#""ExactCount""#),
    ("io.k8s.api.resource.v1.DeviceSubRequest", "count", "1"),
    ("io.k8s.api.resource.v1.DeviceToleration", "operator", r#""Equal""#),
    ("io.k8s.api.resource.v1.ExactDeviceRequest", "allocationMode", r#""ExactCount""#),
    ("io.k8s.api.resource.v1.ExactDeviceRequest", "count", "1"),
];

/// Component, field, the sibling fields whose entries it takes over; sorted.
const DEFAULT_ENTRIES: &[(&str, &str, &[&str])] = &[
    ("io.k8s.api.core.v1.LimitRangeItem", "default", &["max"]),
    ("io.k8s.api.core.v1.LimitRangeItem", "defaultRequest", &["default", "min"]),
];

/// What the server's code gives a field of a component.
pub(super) fn code_default(component: &str, field: &str) -> Option<CodeDefault> {
    let key = (component, field);
    if let Ok(row) = DEFAULT_ENTRIES.binary_search_by(|(name, of, _)| (*name, *of).cmp(&key)) {
        return Some(CodeDefault::EntriesOf(DEFAULT_ENTRIES[row].2));
    }
    let row = CODE_DEFAULTS.binary_search_by(|(name, of, _)| (*name, *of).cmp(&key)).ok()?;
    let value =
        serde_json::from_str(CODE_DEFAULTS[row].2).expect("holds because a test reads every value of the table");
    Some(CodeDefault::Value(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_their_values_are_json() {
        assert!(CODE_DEFAULTS.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
        assert!(DEFAULT_ENTRIES.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
        for (component, field, _) in CODE_DEFAULTS {
            assert!(code_default(component, field).is_some(), "{component} {field}");
        }
    }
}
