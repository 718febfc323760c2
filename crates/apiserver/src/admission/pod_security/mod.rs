//! `PodSecurity`: a namespace's labels say which pods it takes, and of which it warns.
//!
//! Follows `k8s.io/pod-security-admission` v0.35. Pods are refused by the `enforce` level; templates of workloads are
//! only warned of. Auditing writes to a log nobody keeps here. Nothing is exempt.

mod checks;
mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Operation, Request, text};
use crate::error::{ApiError, Cause};
use crate::registry::{Registry, meta_text};
use crate::resource::Gvr;

use checks::{Violation, evaluate};
use policy::{Level, LevelVersion, Policy};

/// Pods looked at when a namespace's level is raised.
const MAX_PODS: usize = 3000;

/// Subresources whose writes say nothing of what a pod may do.
const IGNORED: [&str; 8] = ["attach", "binding", "eviction", "exec", "log", "portforward", "proxy", "status"];

pub(super) fn validate(
    registry: &mut Registry<'_>,
    request: &Request<'_>,
    object: &Value,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    let resource = request.target.resource;
    if request.is_of("", "namespaces") {
        return validate_namespace(registry, request, object, warnings);
    }
    if resource.is("", "pods") {
        return validate_pod(registry, request, object, warnings);
    }
    let template = match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "podtemplates") => "/template",
        ("", "replicationcontrollers")
        | ("apps", "daemonsets" | "deployments" | "replicasets" | "statefulsets")
        | ("batch", "jobs") => "/spec/template",
        ("batch", "cronjobs") => "/spec/jobTemplate/spec/template",
        _ => return Ok(()),
    };
    if let Some(template) = object.pointer(template).filter(|_| request.target.subresource.is_empty()) {
        let policy = policy_of(registry, request.target.namespace);
        warn(&policy, template, warnings);
    }
    Ok(())
}

fn policy_of(registry: &mut Registry<'_>, namespace: &str) -> Policy {
    let found = registry.resource(&Gvr::new("", "v1", "namespaces")).ok();
    let found = found.and_then(|resource| registry.find(&resource, "", namespace));
    found.map(|namespace| Policy::read(&namespace.value["metadata"]["labels"]).0).unwrap_or_default()
}

fn warn(policy: &Policy, pod: &Value, warnings: &mut Vec<String>) {
    let violations = evaluate(policy.warn, pod);
    if !violations.is_empty() {
        warnings.push(format!("would violate PodSecurity \"{}\": {}", policy.warn, detail(&violations)));
    }
}

fn detail(violations: &[Violation]) -> String {
    let told = violations.iter().map(|violation| {
        if violation.detail.is_empty() {
            violation.reason.to_owned()
        } else {
            format!("{} ({})", violation.reason, violation.detail)
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

fn validate_pod(
    registry: &mut Registry<'_>,
    request: &Request<'_>,
    pod: &Value,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    if IGNORED.contains(&request.target.subresource) || request.old.is_some_and(|old| !is_significant(old, pod)) {
        return Ok(());
    }
    let policy = policy_of(registry, request.target.namespace);
    let violations = evaluate(policy.enforce, pod);
    if violations.is_empty() {
        warn(&policy, pod, warnings);
        return Ok(());
    }
    let why = format!("violates PodSecurity \"{}\": {}", policy.enforce, detail(&violations));
    Err(request.forbid(pod, &why))
}

/// Returns whether an update changes what the checks read: of a pod that is the images and which containers there are.
fn is_significant(old: &Value, new: &Value) -> bool {
    let images = |pod: &Value, list: &str| -> Vec<Value> {
        pod["spec"][list].as_array().into_iter().flatten().map(|container| container["image"].clone()).collect()
    };
    let by_name = |pod: &Value| -> BTreeSet<(String, String)> {
        let added = pod["spec"]["ephemeralContainers"].as_array().into_iter().flatten();
        added.map(|container| (text(container, "/name").to_owned(), text(container, "/image").to_owned())).collect()
    };
    ["containers", "initContainers"].iter().any(|list| images(old, list) != images(new, list))
        || !by_name(new).is_subset(&by_name(old))
}

fn validate_namespace(
    registry: &mut Registry<'_>,
    request: &Request<'_>,
    namespace: &Value,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    let (policy, mistakes) = Policy::read(&namespace["metadata"]["labels"]);
    let name = if request.name.is_empty() { request.target.name } else { request.name };
    let refuse = |mistakes: Vec<Cause>| Err(ApiError::invalid("", "Namespace", name, mistakes));
    let Some(old) = request.old.filter(|_| request.operation == Operation::Update) else {
        return if mistakes.is_empty() { Ok(()) } else { refuse(mistakes) };
    };
    let (before, old_mistakes) = Policy::read(&old["metadata"]["labels"]);
    if !mistakes.is_empty() && mistakes != old_mistakes {
        return refuse(mistakes);
    }
    let (now, then) = (policy.enforce, before.enforce);
    let stricter = now.level > then.level || now.version != then.version;
    if now != then && now.level != Level::Privileged && stricter {
        warn_of_pods(registry, meta_text(namespace, "name"), now, warnings);
    }
    Ok(())
}

/// Tells which of the pods there are would not be taken any more.
fn warn_of_pods(registry: &mut Registry<'_>, namespace: &str, enforce: LevelVersion, warnings: &mut Vec<String>) {
    let pods = one_of_each_controller_first(crate::admission::all(registry, ("", "v1", "pods"), Some(namespace)));
    let mut violations: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for pod in pods.iter().take(MAX_PODS) {
        let found = evaluate(enforce, pod);
        if !found.is_empty() {
            let reasons = found.iter().map(|violation| violation.reason).collect::<Vec<_>>().join(", ");
            violations.entry(reasons).or_default().push(meta_text(pod, "name"));
        }
    }
    if pods.len() > MAX_PODS {
        warnings.push(format!(
            "new PodSecurity enforce level only checked against the first {MAX_PODS} of {} existing pods",
            pods.len()
        ));
    }
    if !violations.is_empty() {
        warnings.push(format!(
            "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{enforce}\""
        ));
    }
    let mut told: Vec<String> = violations
        .into_iter()
        .map(|(reasons, names)| {
            let first = names.iter().min().copied().unwrap_or_default();
            match names.len() {
                1 => format!("{first}: {reasons}"),
                2 => format!("{first} (and 1 other pod): {reasons}"),
                many => format!("{first} (and {} other pods): {reasons}", many - 1),
            }
        })
        .collect();
    told.sort();
    warnings.extend(told);
}

fn one_of_each_controller_first(pods: Vec<Arc<Value>>) -> Vec<Arc<Value>> {
    let mut seen = BTreeSet::new();
    let (first, rest): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| {
        let owners = pod["metadata"]["ownerReferences"].as_array();
        let controller = owners.into_iter().flatten().find(|owner| owner["controller"] == true);
        controller.is_none_or(|owner| seen.insert(text(owner, "/uid").to_owned()))
    });
    first.into_iter().chain(rest).collect()
}
