//! Validation of the common kinds, with upstream's messages (`pkg/apis/*/validation`, v1.35.4).
//!
//! Upstream checks far more; ported is what manifests get wrong in practice: required fields, names, labels, selectors,
//! ports, enumerations and references within one object.

mod core;
mod errors;
mod networking;
mod pods;
mod rbac;
mod workloads;

use serde_json::{Map, Value};

use super::{FieldError, names};
use errors::Errors;

pub(super) use errors::{forbidden, invalid};

/// Returns the entries of a map, or none.
fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Returns the elements of a list with their indexes, or none.
fn items(value: &Value) -> impl Iterator<Item = (usize, &Value)> {
    value.as_array().into_iter().flatten().enumerate()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn number(value: &Value, field: &str) -> Option<i64> {
    value[field].as_i64()
}

pub(super) fn validate(group: &str, kind: &str, object: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata(group, kind, object, &mut errors);
    match (group, kind) {
        ("", "ConfigMap") => core::config_map(object, &mut errors),
        ("", "Secret") => core::secret(object, &mut errors),
        ("", "Service") => core::service(object, &mut errors),
        ("", "PersistentVolumeClaim") => core::claim_spec(&object["spec"], "spec", &mut errors),
        ("", "PersistentVolume") => core::volume(&object["spec"], &mut errors),
        ("", "Pod") => pods::pod_spec(&object["spec"], "spec", &mut errors),
        ("", "PodTemplate") => pods::template(&object["template"], "template", &mut errors),
        ("", "ReplicationController") => workloads::replication_controller(&object["spec"], &mut errors),
        ("apps", "Deployment") => workloads::deployment(&object["spec"], &mut errors),
        ("apps", "ReplicaSet") => workloads::replica_set(&object["spec"], &mut errors),
        ("apps", "StatefulSet") => workloads::stateful_set(&object["spec"], &mut errors),
        ("apps", "DaemonSet") => workloads::daemon_set(&object["spec"], &mut errors),
        ("autoscaling", "HorizontalPodAutoscaler") => workloads::autoscaler(&object["spec"], &mut errors),
        ("batch", "Job") => workloads::job(&object["spec"], "spec", &mut errors),
        ("batch", "CronJob") => workloads::cron_job(&object["spec"], &mut errors),
        ("networking.k8s.io", "Ingress") => networking::ingress(&object["spec"], &mut errors),
        ("networking.k8s.io", "NetworkPolicy") => networking::network_policy(&object["spec"], &mut errors),
        ("policy", "PodDisruptionBudget") => workloads::disruption_budget(&object["spec"], &mut errors),
        ("rbac.authorization.k8s.io", "Role") => rbac::rules(object, true, &mut errors),
        ("rbac.authorization.k8s.io", "ClusterRole") => {
            rbac::rules(object, false, &mut errors);
            rbac::aggregation(object, &mut errors);
        }
        ("rbac.authorization.k8s.io", "RoleBinding") => rbac::binding(object, true, &mut errors),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => rbac::binding(object, false, &mut errors),
        _ => {}
    }
    errors.into_list()
}

fn metadata(group: &str, kind: &str, object: &Value, errors: &mut Errors) {
    let metadata = &object["metadata"];
    let check = match (group, kind) {
        ("", "Namespace") => names::dns_label,
        // Services may begin with a digit since 1.35's relaxed names only behind a gate that is off.
        ("", "Service") => names::dns_1035_label,
        ("rbac.authorization.k8s.io", _) => names::path_segment,
        ("", "Event") | ("events.k8s.io", _) => names::dns_subdomain,
        _ => names::dns_subdomain,
    };
    let name = text(metadata, "name");
    if name.is_empty() {
        errors.required("metadata.name", "name or generateName is required");
    } else {
        for problem in check(name) {
            errors.invalid("metadata.name", &metadata["name"], &problem);
        }
    }
    labels(&metadata["labels"], "metadata.labels", errors);
    annotations(&metadata["annotations"], errors);
    for (at, owner) in items(&metadata["ownerReferences"]) {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, field).is_empty() {
                let detail = if field == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                errors.invalid(&format!("metadata.ownerReferences[{at}].{field}"), &owner[field], detail);
            }
        }
    }
    for (_, finalizer) in items(&metadata["finalizers"]) {
        for problem in names::label_key(finalizer.as_str().unwrap_or_default()) {
            errors.invalid("metadata.finalizers", finalizer, &problem);
        }
    }
}

fn labels(map: &Value, path: &str, errors: &mut Errors) {
    for (key, value) in entries(map) {
        for problem in names::label_key(key) {
            errors.invalid(path, &Value::from(key.as_str()), &problem);
        }
        for problem in names::label_value(value.as_str().unwrap_or_default()) {
            errors.invalid(path, value, &problem);
        }
    }
}

/// The most that the annotations of one object may hold together.
const ANNOTATION_LIMIT_BYTES: usize = 256 * 1024;

fn annotations(map: &Value, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in entries(map) {
        for problem in names::label_key(&key.to_lowercase()) {
            errors.invalid("metadata.annotations", &Value::from(key.as_str()), &problem);
        }
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > ANNOTATION_LIMIT_BYTES {
        errors.too_long("metadata.annotations", ANNOTATION_LIMIT_BYTES);
    }
}

fn non_negative(value: &Value, fields: &[&str], path: &str, errors: &mut Errors) {
    for field in fields {
        if number(value, field).is_some_and(|number| number < 0) {
            errors.invalid(&format!("{path}.{field}"), &value[field], "must be greater than or equal to 0");
        }
    }
}

/// Checks a label selector's own syntax.
fn selector(selector: &Value, path: &str, errors: &mut Errors) {
    labels(&selector["matchLabels"], &format!("{path}.matchLabels"), errors);
    for (at, requirement) in items(&selector["matchExpressions"]) {
        let path = format!("{path}.matchExpressions[{at}]");
        let empty = requirement["values"].as_array().is_none_or(Vec::is_empty);
        match text(requirement, "operator") {
            "In" | "NotIn" if empty => {
                errors.required(&format!("{path}.values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !empty => {
                errors.forbidden(
                    &format!("{path}.values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                );
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.invalid(&format!("{path}.operator"), &requirement["operator"], "not a valid selector operator"),
        }
        for problem in names::label_key(text(requirement, "key")) {
            errors.invalid(&format!("{path}.key"), &requirement["key"], &problem);
        }
    }
}

fn is_empty_selector(selector: &Value) -> bool {
    let none = |field: &str| match &selector[field] {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => true,
    };
    none("matchLabels") && none("matchExpressions")
}

/// Returns whether a label selector matches a set of labels; an empty one matches all.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let empty = Map::new();
    let labels = labels.as_object().unwrap_or(&empty);
    entries(&selector["matchLabels"]).all(|(key, value)| labels.get(key) == Some(value))
        && items(&selector["matchExpressions"]).all(|(_, requirement)| {
            let have = labels.get(text(requirement, "key"));
            let listed = have.is_some_and(|have| items(&requirement["values"]).any(|(_, value)| value == have));
            match text(requirement, "operator") {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => have.is_some(),
                "DoesNotExist" => have.is_none(),
                _ => false,
            }
        })
}
