//! Status as it is written (`Validate…StatusUpdate` in `pkg/apis/*/validation`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::errors::at;
use super::{
    Errors, FieldError, NOT_NEGATIVE, claim_status, core, entries, is_empty, items, job_status, meta, names, network,
    number, pod_status, pods, text,
};
use crate::builtins::Quantity;

const MORE_THAN_ALL: &str = "cannot be greater than status.replicas";

pub(in crate::builtins) fn validate(group: &str, kind: &str, old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (before, status) = (&old["status"], &new["status"]);
    match (group, kind) {
        ("", "Node") => core::node_status(status, &mut errors),
        ("", "PersistentVolumeClaim") => claim(status, &mut errors),
        ("", "ResourceQuota") => core::quota_status(status, &mut errors),
        ("batch", "Job") => job_status::check(old, new, &mut errors),
        ("resource.k8s.io", "ResourceClaim") => claim_status::check(old, new, &mut errors),
        ("", "Pod") => pod_status::check(old, new, &mut errors),
        ("", "ReplicationController") | ("apps", "ReplicaSet") => {
            let parts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
            counts(status, &["replicas"], &mut errors);
            counts(status, &parts, &mut errors);
            // Controllers have none that are terminating.
            counts(status, &["observedGeneration", "terminatingReplicas"], &mut errors);
            shares(status, &parts, "readyReplicas", &mut errors);
        }
        ("", "Namespace") => {
            let is_ending = new["metadata"]["deletionTimestamp"].is_string();
            let phase = &status["phase"];
            if is_ending && phase != "Terminating" {
                let why = "may only be 'Terminating' if `deletionTimestamp` is not empty";
                errors.invalid("status.Phase", phase, why);
            } else if !is_ending && phase != "Active" {
                errors.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty");
            }
        }
        ("flowcontrol.apiserver.k8s.io", _) => {
            let mut known = BTreeSet::new();
            for (index, condition) in items(&status["conditions"]) {
                let path = format!("status.conditions[{index}]");
                if !known.insert(text(condition, "type")) {
                    errors.duplicate(&format!("{path}.type"), &condition["type"]);
                }
                errors.wants_text(condition, "type", &path);
            }
        }
        ("", "Service") => service(before, status, text(&new["spec"], "type"), &mut errors),
        ("apiregistration.k8s.io", "APIService") => {
            for (index, condition) in items(&status["conditions"]) {
                let path = format!("status.conditions[{index}].status");
                if !["True", "False", "Unknown"].contains(&text(condition, "status")) {
                    errors.not_supported(&path, &condition["status"], &["True", "False", "Unknown"]);
                }
            }
        }
        ("apps", "DaemonSet") => {
            let counted = [
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
                "observedGeneration",
                "updatedNumberScheduled",
                "numberAvailable",
                "numberUnavailable",
                "collisionCount",
            ];
            counts(status, &counted, &mut errors);
            collisions(before, status, &mut errors);
        }
        ("apps", "Deployment") => {
            let counted = [
                "observedGeneration",
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
                "unavailableReplicas",
                "terminatingReplicas",
                "collisionCount",
            ];
            counts(status, &counted, &mut errors);
            shares(status, &["updatedReplicas", "readyReplicas", "availableReplicas"], "readyReplicas", &mut errors);
            collisions(before, status, &mut errors);
        }
        ("apps", "StatefulSet") => {
            let counted = [
                "replicas",
                "readyReplicas",
                "currentReplicas",
                "updatedReplicas",
                "availableReplicas",
                "observedGeneration",
                "collisionCount",
            ];
            counts(status, &counted, &mut errors);
            let parts = ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
            shares(status, &parts, "status.readyReplicas", &mut errors);
            collisions(before, status, &mut errors);
        }
        ("networking.k8s.io", "Ingress") => {
            for (index, ingress) in items(&status["loadBalancer"]["ingress"]) {
                let path = format!("status.loadBalancer.ingress[{index}]");
                address(ingress, &path, &known_addresses(&before["loadBalancer"]["ingress"]), &mut errors);
                host(ingress, &path, &mut errors);
            }
        }
        ("policy", "PodDisruptionBudget") => {
            conditions(&status["conditions"], "status.conditions", &mut errors);
            counts(status, &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"], &mut errors);
        }
        _ => {}
    }
    errors.into_list()
}

const MOST_REASON_BYTES: usize = 1024;
const MOST_MESSAGE_BYTES: usize = 32 * 1024;

/// Checks conditions of the common form (`ValidateConditions` in `apimachinery/pkg/apis/meta/v1/validation`).
pub(super) fn conditions(list: &Value, path: &str, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for (index, condition) in items(list) {
        let path = format!("{path}[{index}]");
        if !known.insert(text(condition, "type")) {
            errors.duplicate(&at(&path, "type"), &condition["type"]);
        }
        meta::label_key(condition, "type", &path, errors);
        if !["False", "True", "Unknown"].contains(&text(condition, "status")) {
            errors.not_supported(&at(&path, "status"), &condition["status"], &["False", "True", "Unknown"]);
        }
        if let Some(generation) = number(condition, "observedGeneration").filter(|generation| *generation < 0) {
            let detail = "must be greater than or equal to zero";
            errors.invalid_number(&at(&path, "observedGeneration"), generation, detail);
        }
        if condition["lastTransitionTime"].is_null() {
            errors.required(&at(&path, "lastTransitionTime"), "");
        }
        if errors.wants_text(condition, "reason", &path) {
            let reason = text(condition, "reason");
            if !is_reason(reason) {
                let detail = "a condition reason must start with alphabetic character, optionally followed by a string of \
                              alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. \
                              'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex \
                              used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";
                errors.invalid_text(&at(&path, "reason"), reason, detail);
            }
            if reason.len() > MOST_REASON_BYTES {
                errors.too_long(&at(&path, "reason"), MOST_REASON_BYTES);
            }
        }
        if text(condition, "message").len() > MOST_MESSAGE_BYTES {
            errors.too_long(&at(&path, "message"), MOST_MESSAGE_BYTES);
        }
    }
}

fn is_reason(reason: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_,:".contains(&byte);
    reason.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && reason.bytes().all(is_inner)
        && !reason.ends_with([',', ':'])
}

/// What becomes of a volume that grows, in the order that messages list it.
const RESIZES: [&str; 5] = [
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];

fn claim(status: &Value, errors: &mut Errors) {
    let is_negative = |amount: &Value| {
        let amount = amount.as_str().and_then(|text| text.parse::<Quantity>().ok());
        amount.map(|amount| amount.value()).filter(|amount| *amount < 0)
    };
    let whole = "must be a valid resource quantity";
    for (name, amount) in entries(&status["capacity"]) {
        if let Some(amount) = is_negative(amount) {
            errors.invalid_printed(&format!("status.capacity[{name}]"), &amount.to_string(), whole);
        }
    }
    const STATUSES: &str = "status.allocatedResourceStatuses";
    for (name, resize) in entries(&status["allocatedResourceStatuses"]) {
        claimed_resource(name, STATUSES, errors);
        if !RESIZES.contains(&resize.as_str().unwrap_or_default()) {
            errors.not_supported(STATUSES, &json!(name), &RESIZES);
        }
    }
    const RESOURCES: &str = "status.allocatedResources";
    for (name, amount) in entries(&status["allocatedResources"]) {
        let path = format!("{RESOURCES}[{name}]");
        if !claimed_resource(name, RESOURCES, errors) {
            continue;
        }
        match is_negative(amount) {
            Some(amount) => errors.invalid_printed(&path, &amount.to_string(), whole),
            None => pods::quantity_value("storage", amount, &path, errors),
        }
    }
}

/// Checks the name of what a claim was given; tells whether it is one.
fn claimed_resource(name: &str, path: &str, errors: &mut Errors) -> bool {
    let problems = names::label_key(name);
    let is_known = pods::is_storage_or_foreign(name);
    if problems.is_empty() && !is_known {
        errors.not_supported(path, &json!(name), &["storage"]);
    }
    let is_sound = problems.is_empty() && is_known;
    errors.invalid_each(path, name, problems);
    is_sound
}

fn count(status: &Value, field: &str) -> i64 {
    number(status, field).unwrap_or(0)
}

fn counts(status: &Value, fields: &[&str], errors: &mut Errors) {
    for field in fields {
        if let Some(number) = number(status, field).filter(|number| *number < 0) {
            errors.invalid_number(&format!("status.{field}"), number, NOT_NEGATIVE);
        }
    }
}

/// There are no more replicas of a sort than there are replicas, nor more available ones than ready ones.
fn shares(status: &Value, fields: &[&str], ready: &str, errors: &mut Errors) {
    for field in fields {
        if count(status, field) > count(status, "replicas") {
            errors.invalid_number(&format!("status.{field}"), count(status, field), MORE_THAN_ALL);
        }
    }
    let available = count(status, "availableReplicas");
    if available > count(status, "readyReplicas") {
        let detail = format!("cannot be greater than {ready}");
        errors.invalid_number("status.availableReplicas", available, &detail);
    }
}

fn collisions(before: &Value, status: &Value, errors: &mut Errors) {
    let Some(had) = number(before, "collisionCount") else { return };
    if number(status, "collisionCount").is_none_or(|has| has < had) {
        errors.invalid_number("status.collisionCount", count(status, "collisionCount"), "cannot be decremented");
    }
}

fn known_addresses(list: &Value) -> BTreeSet<&str> {
    items(list).map(|(_, entry)| text(entry, "ip")).collect()
}

/// Checks an address that was not there before.
fn address(entry: &Value, path: &str, known: &BTreeSet<&str>, errors: &mut Errors) {
    let ip = text(entry, "ip");
    if !ip.is_empty() && !known.contains(ip) {
        network::legacy_ip(ip, &format!("{path}.ip"), errors);
    }
}

fn host(entry: &Value, path: &str, errors: &mut Errors) {
    let (name, path) = (text(entry, "hostname"), format!("{path}.hostname"));
    if name.is_empty() {
        return;
    }
    errors.invalid_each(&path, name, names::dns_subdomain(name));
    if network::sloppy_ip(name).is_some() {
        errors.invalid_text(&path, name, "must be a DNS name, not an IP address");
    }
}

fn service(before: &Value, status: &Value, kind: &str, errors: &mut Errors) {
    const PATH: &str = "status.loadBalancer.ingress";
    let list = &status["loadBalancer"]["ingress"];
    if kind != "LoadBalancer" {
        if !is_empty(list) {
            errors.forbidden(PATH, "may only be used when `spec.type` is 'LoadBalancer'");
        }
        return;
    }
    let known = known_addresses(&before["loadBalancer"]["ingress"]);
    for (index, ingress) in items(list) {
        let path = format!("{PATH}[{index}]");
        address(ingress, &path, &known, errors);
        let (mode, field) = (&ingress["ipMode"], format!("{path}.ipMode"));
        match (mode.is_null(), text(ingress, "ip").is_empty()) {
            (true, false) => errors.required(&field, "must be specified when `ip` is set"),
            (false, true) => errors.forbidden(&field, "may not be specified when `ip` is not set"),
            _ => errors.one_of(&field, mode, &["Proxy", "VIP"]),
        }
        host(ingress, &path, errors);
    }
}
