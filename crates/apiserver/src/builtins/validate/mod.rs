//! Validation of the built-in kinds, with upstream's messages in upstream's order (`pkg/apis/*/validation`, v1.35.4).

mod autoscaling;
mod claim_status;
mod cluster;
mod core;
mod devices;
mod errors;
mod flowcontrol;
mod internal;
mod job_status;
mod jobs;
mod meta;
mod network;
mod networking;
mod pod_status;
mod pods;
mod rbac;
mod registration;
mod schedule;
mod service;
mod status;
mod storage;
mod workloads;

use serde_json::{Map, Value};

use super::{FieldError, names};
use errors::{Errors, at};
use meta::is_empty_selector;

/// The words of upstream for a number that is below nothing.
const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

/// The same for one that is not above it.
const POSITIVE: &str = "must be greater than zero";

pub(super) use errors::{forbidden, invalid};
pub(super) use network::{unusual_cidr, unusual_ip};
pub(super) use pods::every_container;
pub(super) use status::validate as validate_status;

/// Checks the addresses of a Service, which must be sound before any is allocated.
pub(super) fn service_addresses(service: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    service::addresses(&service["spec"], &mut errors);
    errors.into_list()
}

/// Checks who balances the load of a Service.
pub(super) fn balancer_class(service: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    service::balancer_class(&service["spec"], &mut errors);
    errors.into_list()
}

/// Prints a value of a type of version 1 as Go prints the internal one.
pub(super) fn printed_inside(name: &str, value: &Value) -> String {
    if value.is_null() { "null".to_owned() } else { internal::print(name, value) }
}

/// Checks the tolerations of a pod.
pub(super) fn mistakes_in_tolerations(pod: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    pods::tolerations(&pod["spec"]["tolerations"], "spec.tolerations", &mut errors);
    errors.into_list()
}

/// Checks the taints of a node.
pub(super) fn mistakes_in_taints(node: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    core::taints(&node["spec"]["taints"], &mut errors);
    errors.into_list()
}

/// Returns what is wrong with a label selector.
pub(super) fn mistakes_in_selector(selector: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::selector(selector, path, &mut errors);
    errors.into_list()
}

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

/// Returns whether there is nothing in a value: no value, or an empty list, map or text.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

pub(super) fn validate(group: &str, kind: &str, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let metadata = |errors: &mut Errors| match old {
        None => meta::of_new(group, kind, object, errors),
        Some(old) => meta::of_successor(group, kind, old, object, errors),
    };
    let spec = &object["spec"];
    if (group, kind) == ("policy", "PodDisruptionBudget") {
        // Its metadata is looked at only where nothing else is wrong.
        workloads::disruption_budget(spec, &mut errors);
        if errors.len() == 0 {
            metadata(&mut errors);
        }
        return errors.into_list();
    }
    if kind != "Event" {
        metadata(&mut errors);
    }
    if old.is_some() && is_checked_once(group, kind) {
        return errors.into_list();
    }
    match group {
        "" => of_core(kind, object, old.is_none(), &mut errors),
        "apps" | "autoscaling" | "batch" => of_workloads(kind, object, old.is_none(), &mut errors),
        "storage.k8s.io" => of_storage(kind, object, old.is_none(), &mut errors),
        _ => of_others(group, kind, object, old, &mut errors),
    }
    if let ("events.k8s.io", "Event", Some(old)) = (group, kind, old) {
        meta::of_any_successor(old, object, &mut errors);
        cluster::event_successor(old, object, &mut errors);
        return errors.into_list();
    }
    if kind == "Event" && errors.len() == 0 {
        metadata(&mut errors);
    }
    errors.into_list()
}

/// Kinds of whose successors nothing is checked but what may not change.
fn is_checked_once(group: &str, kind: &str) -> bool {
    matches!((group, kind), ("resource.k8s.io", "ResourceClaim") | ("scheduling.k8s.io", "PriorityClass"))
}

fn of_core(kind: &str, object: &Value, is_new: bool, errors: &mut Errors) {
    let spec = &object["spec"];
    match kind {
        "ConfigMap" => core::config_map(object, errors),
        "Endpoints" => networking::endpoints(object, errors),
        "Event" => cluster::legacy_event(object, true, errors),
        "LimitRange" => core::limit_range(object, errors),
        "Namespace" => core::namespace(object, errors),
        "Node" => core::node(object, is_new, errors),
        "PersistentVolume" => {
            let name = text(&object["metadata"], "name");
            // Upstream looks at a volume that is changed twice.
            for _ in 0..if is_new { 1 } else { 2 } {
                storage::volume_spec(spec, name, false, "spec", errors);
            }
        }
        "PersistentVolumeClaim" => storage::claim_spec(spec, "spec", errors),
        "Pod" => pods::pod(object, is_new, errors),
        "PodTemplate" => pods::template(&object["template"], "template", errors),
        "ReplicationController" => workloads::replication_controller(spec, errors),
        "ResourceQuota" => core::quota(object, errors),
        "Secret" => core::secret(object, errors),
        "Service" => service::service(object, errors),
        _ => {}
    }
}

fn of_workloads(kind: &str, object: &Value, is_new: bool, errors: &mut Errors) {
    let spec = &object["spec"];
    match kind {
        "ControllerRevision" => workloads::revision(object, is_new, errors),
        "CronJob" => jobs::cron_job(object, errors),
        "DaemonSet" => workloads::daemon_set(spec, errors),
        "Deployment" => workloads::deployment(spec, errors),
        "HorizontalPodAutoscaler" => autoscaling::autoscaler(object, errors),
        "Job" if is_new => jobs::job(object, errors),
        "Job" => jobs::successor(object, errors),
        "ReplicaSet" => workloads::replica_set(spec, errors),
        "StatefulSet" => workloads::stateful_set(spec, is_new, errors),
        _ => {}
    }
}

fn of_storage(kind: &str, object: &Value, is_new: bool, errors: &mut Errors) {
    match kind {
        "CSIDriver" => storage::csi_driver(object, errors),
        "CSINode" => {
            // Upstream looks at one that is changed twice.
            for _ in 0..if is_new { 1 } else { 2 } {
                storage::csi_node(object, errors);
            }
        }
        "CSIStorageCapacity" => storage::csi_capacity(object, errors),
        "StorageClass" => storage::class(object, errors),
        "VolumeAttachment" => storage::attachment(object, is_new, errors),
        "VolumeAttributesClass" => storage::attributes_class(object, errors),
        _ => {}
    }
}

fn of_others(group: &str, kind: &str, object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    match (group, kind) {
        ("apiregistration.k8s.io", "APIService") => registration::api_service(object, errors),
        ("coordination.k8s.io", "Lease") => cluster::lease(spec, errors),
        ("coordination.k8s.io", "LeaseCandidate") => cluster::lease_candidate(spec, errors),
        ("discovery.k8s.io", "EndpointSlice") => networking::endpoint_slice(object, errors),
        ("events.k8s.io", "Event") if old.is_none() => cluster::event(object, errors),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => flowcontrol::flow_schema(object, errors),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => flowcontrol::priority_level(object, errors),
        ("networking.k8s.io", "Ingress") => networking::ingress(object, errors),
        ("networking.k8s.io", "IngressClass") => networking::ingress_class(spec, errors),
        ("networking.k8s.io", "IPAddress") => networking::ip_address(object, errors),
        ("networking.k8s.io", "NetworkPolicy") => {
            // Upstream looks at one that is changed twice.
            for _ in 0..if old.is_none() { 1 } else { 2 } {
                networking::network_policy(spec, errors);
            }
        }
        ("networking.k8s.io", "ServiceCIDR") => match old {
            None => networking::service_cidr(spec, errors),
            Some(old) => networking::service_cidr_successor(&old["spec"], spec, errors),
        },
        ("node.k8s.io", "RuntimeClass") => networking::runtime_class(object, errors),
        ("rbac.authorization.k8s.io", "Role") => rbac::rules(object, true, errors),
        ("rbac.authorization.k8s.io", "ClusterRole") => {
            rbac::rules(object, false, errors);
            rbac::aggregation(object, errors);
        }
        ("rbac.authorization.k8s.io", "RoleBinding") => rbac::binding(object, true, errors),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => rbac::binding(object, false, errors),
        ("resource.k8s.io", "DeviceClass") => devices::class(spec, errors),
        ("resource.k8s.io", "ResourceClaim") => devices::claim(spec, "spec", errors),
        ("resource.k8s.io", "ResourceClaimTemplate") => devices::claim_template(spec, errors),
        ("resource.k8s.io", "ResourceSlice") => devices::slice(spec, old.map(|old| &old["spec"]), errors),
        ("scheduling.k8s.io", "PriorityClass") => cluster::priority_class(object, errors),
        ("scheduling.k8s.io", "Workload") => cluster::workload(spec, errors),
        _ => {}
    }
}

fn non_negative(value: &Value, fields: &[&str], path: &str, errors: &mut Errors) {
    for field in fields {
        if let Some(number) = number(value, field).filter(|number| *number < 0) {
            errors.invalid_number(&at(path, field), number, NOT_NEGATIVE);
        }
    }
}

/// Checks a path that begins with a domain, such as `example.com/controller`.
fn prefixed_path(path: &str, field: &str, errors: &mut Errors) {
    if path.is_empty() {
        return errors.required(field, "");
    }
    let Some((host, rest)) = path.split_once('/').filter(|(host, rest)| !host.is_empty() && !rest.is_empty()) else {
        let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        return errors.invalid_text(field, path, detail);
    };
    errors.invalid_each(field, host, names::dns_subdomain(host));
    if !rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte)) {
        let detail = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
        errors.invalid_text(field, rest, detail);
    }
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
