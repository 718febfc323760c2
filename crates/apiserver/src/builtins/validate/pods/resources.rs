//! Requests and limits, of containers and of pods, and claims of devices.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::core::QUOTA_RESOURCES;
use super::super::errors::at;
use super::super::{Errors, NOT_NEGATIVE, entries, internal, is_empty, items, names, text};
use super::containers::Context;
use crate::builtins::Quantity;

/// What is counted in whole objects.
const COUNTED: [&str; 9] = [
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

const HUGE: &str = "hugepages-";

pub(in super::super) fn is_huge(name: &str) -> bool {
    name.starts_with(HUGE)
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Returns whether a resource is storage, or none that Kubernetes itself knows.
pub(in super::super) fn is_storage_or_foreign(name: &str) -> bool {
    name == "storage" || !is_native(name)
}

fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::label_key(&format!("requests.{name}")).is_empty()
}

/// Returns whether limits may be higher than requests.
pub(in super::super) fn allows_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge(name)
}

pub(in super::super) fn resource_name(name: &str, path: &str, errors: &mut Errors) {
    let problems = names::label_key(name);
    if !problems.is_empty() {
        return errors.invalid_each(path, name, problems);
    }
    let huge = is_huge(name) || name.starts_with("requests.hugepages-");
    if !name.contains('/') && name != "storage" && !QUOTA_RESOURCES.contains(&name) && !huge {
        errors.invalid_text(path, name, "must be a standard resource type or fully qualified");
    }
}

pub(in super::super) fn container_resource_name(name: &str, path: &str, errors: &mut Errors) {
    resource_name(name, path, errors);
    if name.split('/').count() == 1 {
        if !["cpu", "memory", "ephemeral-storage"].contains(&name) && !is_huge(name) {
            errors.invalid_text(path, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid_text(path, name, "doesn't follow extended resource name standard");
    }
}

fn pod_resource_name(name: &str, path: &str, errors: &mut Errors) {
    let before = errors.len();
    resource_name(name, path, errors);
    if errors.len() == before && !["cpu", "memory"].contains(&name) && !is_huge(name) {
        errors.not_supported(path, &Value::from(name), &["cpu", "hugepages-", "memory"]);
    }
}

fn quantity(value: &Value) -> Option<Quantity> {
    value.as_str()?.parse().ok()
}

/// Checks that an amount is not negative, and whole where objects are counted.
pub(in super::super) fn quantity_value(name: &str, value: &Value, path: &str, errors: &mut Errors) {
    let Some(amount) = quantity(value) else { return };
    if amount.nanos() < 0 {
        errors.invalid(path, value, NOT_NEGATIVE);
    }
    if (COUNTED.contains(&name) || is_extended(name)) && rounded_up_millis(amount) % 1000 != 0 {
        errors.invalid(path, value, "must be an integer");
    }
}

fn rounded_up_millis(amount: Quantity) -> i128 {
    let (millis, rest) = (amount.nanos() / 1_000_000, amount.nanos() % 1_000_000);
    if rest > 0 { millis + 1 } else { millis }
}

type NameCheck = fn(&str, &str, &mut Errors);

pub(in super::super) fn requirements(
    requirements: &Value,
    check_name: NameCheck,
    claims: &[&str],
    path: &str,
    errors: &mut Errors,
) {
    let (mut huge, mut computes) = (false, false);
    let (limits, requests) = (&requirements["limits"], &requirements["requests"]);
    for (name, value) in entries(limits) {
        let field = format!("{path}.limits[{name}]");
        check_name(name, &field, errors);
        quantity_value(name, value, &field, errors);
        huge |= huge_pages(name, value, &field, errors);
        computes |= ["cpu", "memory"].contains(&name.as_str());
    }
    for (name, value) in entries(requests) {
        let field = format!("{path}.requests[{name}]");
        check_name(name, &field, errors);
        quantity_value(name, value, &field, errors);
        let (amount, limit) = (quantity(value), limits.get(name));
        if let (Some(amount), Some(limit)) = (amount, limit.and_then(quantity)) {
            if amount != limit && !allows_overcommit(name) {
                let detail = format!("must be equal to {name} limit of {limit}");
                errors.invalid(&format!("{path}.requests"), value, &detail);
            } else if amount.nanos() > limit.nanos() {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                errors.invalid(&format!("{path}.requests"), value, &detail);
            }
        } else if limit.is_none() && !allows_overcommit(name) {
            errors.required(&format!("{path}.limits"), "Limit must be set for non overcommitable resources");
        }
        huge |= huge_pages(name, value, &field, errors);
        computes |= ["cpu", "memory"].contains(&name.as_str());
    }
    if huge && !computes {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
    used_claims(&requirements["claims"], claims, &format!("{path}.claims"), errors);
}

fn huge_pages(name: &str, value: &Value, field: &str, errors: &mut Errors) -> bool {
    let Some(size) = name.strip_prefix(HUGE) else { return false };
    let size = size.parse::<Quantity>().ok().map(|size| size.nanos()).filter(|nanos| *nanos > 0);
    let divisible = size.zip(quantity(value)).is_some_and(|(size, amount)| amount.nanos() % size == 0);
    if !divisible {
        let detail = format!("{} is not positive integer multiple of {name}", value.as_str().unwrap_or_default());
        errors.invalid(field, value, &detail);
    }
    true
}

pub(super) fn claim_names(list: &Value) -> Vec<&str> {
    items(list).map(|(_, claim)| text(claim, "name")).filter(|name| !name.is_empty()).collect()
}

fn used_claims(list: &Value, known: &[&str], path: &str, errors: &mut Errors) {
    let mut seen = BTreeSet::<String>::new();
    for (index, claim) in items(list) {
        let (field, name, request) = (format!("{path}[{index}]"), text(claim, "name"), text(claim, "request"));
        if name.is_empty() {
            errors.required(&field, "");
        } else if seen.contains(name) {
            errors.duplicate(&field, &claim["name"]);
        } else {
            let mut key = name.to_owned();
            if !request.is_empty() {
                errors.invalid_each(&format!("{field}.request"), request, names::dns_label(request));
                key = format!("{name}/{request}");
            }
            let prefix = format!("{name}/");
            if seen.contains(&key) {
                errors.duplicate(&field, &Value::from(key.as_str()));
            } else if request.is_empty() {
                for _ in seen.iter().filter(|key| key.starts_with(&prefix)) {
                    errors.duplicate(&field, &claim["name"]);
                }
            }
            seen.insert(key);
        }
        if !name.is_empty() && !known.contains(&name) {
            let mut sorted: Vec<&str> = known.to_vec();
            sorted.sort_unstable();
            let detail = if sorted.is_empty() {
                "must be one of the names in pod.spec.resourceClaims which is empty".to_owned()
            } else {
                format!("must be one of the names in pod.spec.resourceClaims: {}", sorted.join(", "))
            };
            errors.not_found(&field, &claim["name"], &detail);
        }
    }
}

pub(super) fn pod_claims(list: &Value, path: &str, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for (index, claim) in items(list) {
        let path = format!("{path}[{index}]");
        let name = text(claim, "name");
        if name.is_empty() {
            errors.required(&format!("{path}.name"), "");
        } else if !known.insert(name) {
            errors.duplicate(&format!("{path}.name"), &claim["name"]);
        } else {
            errors.invalid_each(&format!("{path}.name"), name, names::dns_label(name));
        }
        let (own, template) = (claim["resourceClaimName"].as_str(), claim["resourceClaimTemplateName"].as_str());
        let printed = || internal::print("io.k8s.api.core.v1.PodResourceClaim", claim);
        match (own, template) {
            (Some(_), Some(_)) => {
                let detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                errors.invalid_printed(&path, &printed(), detail);
            }
            (None, None) => {
                let detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                errors.invalid_printed(&path, &printed(), detail);
            }
            _ => {}
        }
        for (field, name) in [("resourceClaimName", own), ("resourceClaimTemplateName", template)] {
            if let Some(name) = name {
                errors.invalid_each(&format!("{path}.{field}"), name, names::dns_subdomain(name));
            }
        }
    }
}

/// Checks the resources of the pod as a whole.
pub(super) fn of_pod(context: &Context<'_>, path: &str, errors: &mut Errors) {
    let own = &context.spec["resources"];
    if own.is_null() {
        return;
    }
    let path = at(path, "resources");
    if text(context.os, "name") == "windows" {
        return errors.forbidden(&path, "may not be set for a windows pod");
    }
    if !is_empty(&own["claims"]) {
        errors.forbidden(&format!("{path}.claims"), "claims may not be set for Resources at pod-level");
    }
    requirements(own, pod_resource_name, &context.claims, &path, errors);
    for (name, value) in entries(&own["requests"]) {
        let used = aggregate(context.spec, name);
        if let (Some(used), Some(asked)) = (used, quantity(value))
            && used.nanos() > asked.nanos()
        {
            let detail = format!("must be greater than or equal to aggregate container requests of {used}");
            errors.invalid(&format!("{path}.requests[{name}]"), value, &detail);
        }
    }
    for (index, container) in items(&context.spec["containers"]) {
        for (name, limit) in entries(&container["resources"]["limits"]) {
            let of_pod = own["limits"].get(name);
            if let (Some(limit), Some(most)) = (quantity(limit), of_pod.and_then(quantity))
                && limit.nanos() > most.nanos()
            {
                let field =
                    format!("{}.containers[{index}].resources.limits[{name}]", path.trim_end_matches(".resources"));
                let detail = format!("must be less than or equal to pod limits of {most}");
                errors.invalid(&field, &Value::from(limit.to_string()), &detail);
            }
        }
    }
}

/// Returns what the containers ask for together: those that run side by side, or the greediest init container.
fn aggregate(spec: &Value, name: &str) -> Option<Quantity> {
    let asks = |container: &Value| container["resources"]["requests"].get(name).and_then(quantity);
    let mut sum: Option<Quantity> = None;
    for (_, container) in items(&spec["containers"]) {
        if let Some(amount) = asks(container) {
            sum = Some(match sum {
                Some(sum) => sum.with_nanos(sum.nanos() + amount.nanos()),
                None => amount,
            });
        }
    }
    for (_, container) in items(&spec["initContainers"]) {
        if let Some(amount) = asks(container)
            && sum.is_none_or(|sum| amount.nanos() > sum.nanos())
        {
            sum = Some(amount);
        }
    }
    sum
}
