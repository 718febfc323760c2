//! `ResourceQuota`: what a namespace's quotas still allow, and how much of them is used.
//!
//! Follows `apiserver/pkg/admission/plugin/resourcequota` for the refusals and `pkg/controller/resourcequota` for the
//! count, which is taken again whenever something ends or a quota changes.

mod counters;

use std::sync::Arc;

use serde_json::{Value, json};

use super::resources::{Amounts, add, mask, read, subtract, write};
use super::{Operation, Request, text};
use crate::error::ApiError;
use crate::registry::{Registry, Target, WriteOptions, is_terminating};
use crate::resource::{Gvr, Resource};
use crate::store::{Change, Stored};

use counters::Counter;

/// What a write will have used of one quota, to be written once the object is sure to be stored.
#[derive(Debug)]
pub(crate) struct Charge {
    quota: Arc<Value>,
    used: Amounts,
}

fn quotas(registry: &mut Registry<'_>, namespace: &str) -> Vec<Arc<Value>> {
    super::all(registry, ("", "v1", "resourcequotas"), Some(namespace))
}

/// Refuses what a quota does not allow; returns what the write uses.
pub(super) fn check(
    registry: &mut Registry<'_>,
    request: &Request<'_>,
    object: &Value,
) -> Result<Vec<Charge>, ApiError> {
    let target = request.target;
    if target.namespace.is_empty() || !target.resource.namespaced {
        return Ok(Vec::new());
    }
    let counter = Counter::of(target.resource);
    if !counter.handles(request, object) {
        return Ok(Vec::new());
    }
    let quotas = quotas(registry, target.namespace);
    if quotas.is_empty() {
        return Ok(Vec::new());
    }
    let now = registry.clock.now();
    let matching = |quota: &Value, object: &Value| {
        read(&quota["status"]["hard"]).keys().any(|name| counter.tracks(name)) && counter.is_in_scope(quota, object)
    };
    let mut pertinent = Vec::new();
    for quota in quotas.iter().filter(|quota| matching(quota, object)) {
        let name = text(quota, "/metadata/name");
        let hard = read(&quota["status"]["hard"]);
        let restricted: Vec<&str> = hard.keys().map(String::as_str).filter(|name| counter.tracks(name)).collect();
        if let Some(why) = counter.lacks(&restricted, object) {
            return Err(request.forbid(object, &format!("failed quota: {name}: {why}")));
        }
        if restricted.iter().any(|name| quota["status"]["used"].get(*name).is_none()) {
            let names = restricted.join(",");
            return Err(request.forbid(object, &format!("status unknown for quota: {name}, resources: {names}")));
        }
        pertinent.push(quota);
    }
    let usage = counter.usage(object, now);
    let negative: Vec<&str> =
        usage.iter().filter(|(_, amount)| amount.nanos() < 0).map(|(name, _)| name.as_str()).collect();
    if !negative.is_empty() {
        let why = format!("quota usage is negative for resource(s): {}", negative.join(","));
        return Err(request.forbid(object, &why));
    }
    let mut charges = Vec::new();
    for quota in pertinent {
        let before = request.old.filter(|old| request.operation == Operation::Update && matching(quota, old));
        let mut more = before.map_or_else(|| usage.clone(), |old| subtract(&usage, &counter.usage(old, now)));
        more.retain(|_, amount| amount.nanos() != 0);
        if !more.is_empty() {
            charges.push(charge(request, object, quota, &more)?);
        }
    }
    Ok(charges)
}

fn charge(request: &Request<'_>, object: &Value, quota: &Arc<Value>, more: &Amounts) -> Result<Charge, ApiError> {
    let (hard, used) = (read(&quota["status"]["hard"]), read(&quota["status"]["used"]));
    let asked = mask(more, &hard);
    let mut total = used.clone();
    add(&mut total, &asked);
    let over: Amounts = (asked.iter())
        .filter(|(name, _)| hard.get(*name).is_some_and(|most| total[*name].nanos() > most.nanos()))
        .map(|(name, amount)| (name.clone(), *amount))
        .collect();
    if !over.is_empty() && request.target.subresource != "status" {
        let why = format!(
            "exceeded quota: {}, requested: {}, used: {}, limited: {}",
            text(quota, "/metadata/name"),
            pairs(&over),
            pairs(&mask(&used, &over)),
            pairs(&mask(&hard, &over)),
        );
        return Err(request.forbid(object, &why));
    }
    Ok(Charge { quota: Arc::clone(quota), used: total })
}

fn pairs(amounts: &Amounts) -> String {
    amounts.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
}

/// Writes down what a write used.
pub(super) fn collect(registry: &mut Registry<'_>, charges: Vec<Charge>) {
    for charge in charges {
        let mut quota = Value::clone(&charge.quota);
        quota["status"]["used"] = write(&charge.used);
        store(registry, quota, "kube-apiserver");
    }
}

fn store(registry: &mut Registry<'_>, quota: Value, manager: &str) {
    let Ok(resource) = registry.resource(&Gvr::new("", "v1", "resourcequotas")) else { return };
    let meta = |key: &str| quota["metadata"][key].as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (meta("namespace"), meta("name"));
    let target = Target { resource: &resource, namespace: &namespace, name: &name, subresource: "status" };
    let mut options = WriteOptions { manager: manager.to_owned(), ..WriteOptions::default() };
    if let Err(error) = registry.update(&target, quota, &mut options) {
        tracing::debug!(%error, namespace, name, "The use of a quota could not be written");
    }
}

/// Returns whether a change may have given something back, or changed what is counted.
pub(crate) fn frees(resource: &Resource, change: Change, now: &Stored, old: Option<&Stored>) -> bool {
    if !resource.namespaced {
        return false;
    }
    let Some(old) = old.filter(|_| change == Change::Modified) else {
        return change == Change::Deleted || resource.is("", "resourcequotas");
    };
    let differs = |pointer: &str| now.value.pointer(pointer) != old.value.pointer(pointer);
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "resourcequotas") => differs("/spec") || differs("/status/hard"),
        ("", "pods") => differs("/status/phase") || is_terminating(&now.value) != is_terminating(&old.value),
        ("", "services") => differs("/spec/type") || differs("/spec/ports"),
        ("", "persistentvolumeclaims") => differs("/spec/resources") || differs("/status/allocatedResources"),
        _ => false,
    }
}

/// Counts again what a namespace's quotas are used for.
pub(crate) fn recount(registry: &mut Registry<'_>, namespace: &str) {
    let quotas = quotas(registry, namespace);
    let now = registry.clock.now();
    for quota in quotas {
        let hard = read(&quota["spec"]["hard"]);
        let mut used = mask(&read(&quota["status"]["used"]), &hard);
        let mut fresh = Amounts::new();
        for resource in counters::tracked(registry, &hard) {
            let counter = Counter::of(&resource);
            for name in hard.keys().filter(|name| counter.tracks(name)) {
                fresh.entry(name.clone()).or_insert_with(|| super::resources::count(0));
            }
            for stored in registry.all(&resource, Some(namespace)) {
                if counter.is_in_scope(&quota, &stored.value) {
                    add(&mut fresh, &counter.usage(&stored.value, now));
                }
            }
        }
        used.extend(mask(&fresh, &hard));
        let unchanged = read(&quota["status"]["hard"]) == hard
            && quota["status"]["used"].is_object()
            && same(&read(&quota["status"]["used"]), &used);
        if !unchanged {
            let mut next = Value::clone(&quota);
            next["status"] = json!({ "hard": write(&hard), "used": write(&used) });
            store(registry, next, "kube-controller-manager");
        }
    }
}

fn same(left: &Amounts, right: &Amounts) -> bool {
    left.len() == right.len()
        && left.iter().all(|(name, amount)| right.get(name).is_some_and(|other| other.nanos() == amount.nanos()))
}
