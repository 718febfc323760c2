//! The status of a pod that is written (`ValidatePodStatusUpdate` in `pkg/apis/core/validation`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::errors::at;
use super::{Errors, items, names, network, number, text};

pub(super) fn check(old: &Value, new: &Value, errors: &mut Errors) {
    let (before, status, spec) = (&old["status"], &new["status"], &new["spec"]);
    conditions(status, errors);
    nominated(before, status, spec, errors);
    if let Some(generation) = number(status, "observedGeneration").filter(|generation| *generation < 0) {
        errors.invalid_number("status.observedGeneration", generation, "must be a non-negative integer");
    }
    if status["qosClass"] != before["qosClass"] {
        errors.invalid("status.qosClass", &json!(text(status, "qosClass")), "field is immutable");
    }
    for (statuses, containers) in [
        ("containerStatuses", Some("containers")),
        ("initContainerStatuses", Some("initContainers")),
        ("ephemeralContainerStatuses", None),
    ] {
        let containers = containers.map(|list| &spec[list]);
        transitions(&before[statuses], &status[statuses], (containers, spec), &at("status", statuses), errors);
    }
    claims(&status["resourceClaimStatuses"], &spec["resourceClaims"], errors);
    addresses(before, status, "podIPs", errors);
    if let Some(first) = status["hostIPs"][0].as_object()
        && first.get("ip").and_then(Value::as_str).unwrap_or_default() != text(status, "hostIP")
    {
        let ip = text(&status["hostIPs"][0], "ip");
        errors.invalid_text("status.hostIPs[0].ip", ip, "must be equal to `hostIP`");
    }
    addresses(before, status, "hostIPs", errors);
    for statuses in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        for (index, container) in items(&status[statuses]) {
            user(&container["user"], text(&spec["os"], "name"), &format!("status.{statuses}[{index}].user"), errors);
        }
    }
}

fn conditions(status: &Value, errors: &mut Errors) {
    for (index, condition) in items(&status["conditions"]) {
        let path = format!("status.conditions[{index}]");
        if let Some(generation) = number(condition, "observedGeneration").filter(|generation| *generation < 0) {
            errors.invalid_number(&at(&path, "observedGeneration"), generation, "must be a non-negative integer");
        }
        let kind = text(condition, "type");
        if !["Initialized", "PodScheduled", "Ready"].contains(&kind) {
            errors.invalid_each(&at(&path, "Type"), kind, names::label_key(kind));
        }
    }
}

fn nominated(before: &Value, status: &Value, spec: &Value, errors: &mut Errors) {
    let nominated = text(status, "nominatedNodeName");
    if !nominated.is_empty() && nominated != text(before, "nominatedNodeName") {
        errors.invalid_each("status.nominatedNodeName", nominated, names::dns_subdomain(nominated));
        if !text(spec, "nodeName").is_empty() {
            let detail = "may not be set on pods that are already bound to a node";
            errors.forbidden("status.nominatedNodeName", detail);
        }
    }
}

/// A container that has ended stays so, unless it is to run again.
fn transitions(
    before: &Value,
    after: &Value,
    (containers, spec): (Option<&Value>, &Value),
    path: &str,
    errors: &mut Errors,
) {
    for (index, old) in items(before) {
        let Some(ended) = old["state"]["terminated"].as_object() else { continue };
        let code = ended.get("exitCode").and_then(Value::as_i64).unwrap_or(0);
        let goes_on = |new: &Value| new["name"] == old["name"] && new["state"]["terminated"].is_null();
        let goes_on = items(after).filter(|(_, new)| goes_on(new)).count();
        let may = containers.is_some_and(|containers| {
            let container = items(containers).find(|(_, container)| container["name"] == old["name"]);
            container.is_some_and(|(_, container)| runs_again(container, spec, code))
        });
        // Of containers of the pod itself the first is looked at.
        let told = if containers.is_some() { goes_on.min(1) } else { goes_on };
        for _ in 0..if may { 0 } else { told } {
            errors.forbidden(&format!("{path}[{index}].state"), "may not be transitioned to non-terminated state");
        }
    }
}

/// Returns whether a container that ended with a code runs again: by its rules, by its policy, by that of its pod.
fn runs_again(container: &Value, spec: &Value, code: i64) -> bool {
    let own = text(container, "restartPolicy");
    let by_policy = |policy: &str| match policy {
        "OnFailure" => code != 0,
        "Never" => false,
        _ => true,
    };
    if own.is_empty() {
        return by_policy(text(spec, "restartPolicy"));
    }
    let rule = items(&container["restartPolicyRules"]).find(|(_, rule)| {
        let is_listed = items(&rule["exitCodes"]["values"]).any(|(_, value)| value.as_i64() == Some(code));
        match text(&rule["exitCodes"], "operator") {
            "In" => is_listed,
            "NotIn" => !is_listed,
            _ => false,
        }
    });
    rule.is_some_and(|(_, rule)| text(rule, "action") == "Restart") || by_policy(own)
}

fn claims(statuses: &Value, claims: &Value, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for (index, status) in items(statuses) {
        let (field, name) = (format!("status.resourceClaimStatuses[{index}].name"), text(status, "name"));
        if !items(claims).any(|(_, claim)| text(claim, "name") == name) {
            errors.invalid_text(&field, name, "must match the name of an entry in `spec.resourceClaims`");
        }
        if !known.insert(name) {
            errors.duplicate(&field, &json!(name));
        }
        if let Some(claim) = status["resourceClaimName"].as_str() {
            errors.invalid_each(&field, claim, names::dns_subdomain(claim));
        }
    }
}

/// Checks addresses that were not there before, and that there is one of a family.
fn addresses(before: &Value, status: &Value, field: &str, errors: &mut Errors) {
    let known: BTreeSet<&str> = items(&before[field]).map(|(_, entry)| text(entry, "ip")).collect();
    let ips: Vec<&str> = items(&status[field]).map(|(_, entry)| text(entry, "ip")).collect();
    let path = at("status", field);
    for (index, ip) in ips.iter().enumerate().filter(|(_, ip)| !known.contains(**ip)) {
        network::legacy_ip(ip, &format!("{path}[{index}]"), errors);
    }
    if ips.len() < 2 {
        return;
    }
    if let Some((index, wrong)) = ips.iter().enumerate().find(|(_, ip)| network::sloppy_ip(ip).is_none()) {
        errors.internal(&path, &format!("failed to check for dual stack with error:invalid IP[{index}]: {wrong}"));
    }
    let is_v4 = |ip: &&str| network::sloppy_ip(ip).is_some_and(|ip| ip.is_ipv4());
    let is_v6 = |ip: &&str| network::sloppy_ip(ip).is_some_and(|ip| ip.is_ipv6());
    if ips.len() > 2 || !ips.iter().any(is_v4) || !ips.iter().any(is_v6) {
        let shown: Vec<String> = ips.iter().map(|ip| format!("{{\"IP\":{}}}", json!(ip))).collect();
        let detail = "may specify no more than one IP for each IP family";
        errors.invalid_printed(&path, &format!("[{}]", shown.join(",")), detail);
    }
}

fn user(user: &Value, os: &str, path: &str, errors: &mut Errors) {
    let linux = &user["linux"];
    let path = at(path, "linux");
    if linux.is_null() {
        return;
    }
    if os == "windows" {
        return errors.forbidden(&path, "cannot be set for a windows pod");
    }
    let mut check = |field: &str, id: i64| {
        if !(0..=i64::from(i32::MAX)).contains(&id) {
            errors.invalid_number(field, id, "must be between 0 and 2147483647, inclusive");
        }
    };
    for field in ["uid", "gid"] {
        check(&at(&path, field), number(linux, field).unwrap_or(0));
    }
    for (index, group) in items(&linux["supplementalGroups"]) {
        check(&format!("{path}.supplementalGroups[{index}]"), group.as_i64().unwrap_or(0));
    }
}
