//! Status as it is written (`Validate…StatusUpdate` in `pkg/apis/*/validation`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Errors, FieldError, NOT_NEGATIVE, is_empty, items, names, network, number, text};

const MORE_THAN_ALL: &str = "cannot be greater than status.replicas";

pub(in crate::builtins) fn validate(group: &str, kind: &str, old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (before, status) = (&old["status"], &new["status"]);
    match (group, kind) {
        ("", "Pod") => pod(before, status, new, &mut errors),
        ("", "ReplicationController") => {
            let counted =
                ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"];
            counts(status, &counted, &mut errors);
            shares(
                status,
                &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
                "readyReplicas",
                &mut errors,
            );
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
        ("apps", "ReplicaSet") => {
            let counted = [
                "replicas",
                "fullyLabeledReplicas",
                "readyReplicas",
                "availableReplicas",
                "observedGeneration",
                "terminatingReplicas",
            ];
            counts(status, &counted, &mut errors);
            shares(
                status,
                &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
                "readyReplicas",
                &mut errors,
            );
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
            counts(status, &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"], &mut errors);
        }
        _ => {}
    }
    errors.into_list()
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

fn pod(before: &Value, status: &Value, pod: &Value, errors: &mut Errors) {
    let nominated = text(status, "nominatedNodeName");
    if !nominated.is_empty() && nominated != text(before, "nominatedNodeName") {
        errors.invalid_each("status.nominatedNodeName", nominated, names::dns_subdomain(nominated));
        if !text(&pod["spec"], "nodeName").is_empty() {
            let detail = "may not be set on pods that are already bound to a node";
            errors.forbidden("status.nominatedNodeName", detail);
        }
    }
    if let Some(generation) = number(status, "observedGeneration").filter(|generation| *generation < 0) {
        errors.invalid_number("status.observedGeneration", generation, "must be a non-negative integer");
    }
    if status["qosClass"] != before["qosClass"] {
        errors.invalid("status.qosClass", &json!(text(status, "qosClass")), "field is immutable");
    }
    for field in ["podIPs", "hostIPs"] {
        let known = known_addresses(&before[field]);
        let ips: Vec<&str> = items(&status[field]).map(|(_, entry)| text(entry, "ip")).collect();
        for (index, ip) in ips.iter().enumerate().filter(|(_, ip)| !known.contains(**ip)) {
            network::legacy_ip(ip, &format!("status.{field}[{index}]"), errors);
        }
    }
}
