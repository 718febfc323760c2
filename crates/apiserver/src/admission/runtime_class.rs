//! `RuntimeClass`: a pod takes the overhead and the place its runtime class says.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Request;
use super::resources::read;
use crate::error::ApiError;
use crate::registry::Registry;
use crate::resource::Gvr;

fn class_of(registry: &mut Registry<'_>, request: &Request<'_>, pod: &Value) -> Result<Option<Arc<Value>>, ApiError> {
    let Some(name) = pod["spec"]["runtimeClassName"].as_str() else { return Ok(None) };
    if name.is_empty() {
        // Upstream's client asks for nothing without a name.
        return Err(ApiError::unforeseen("resource name may not be empty"));
    }
    let resource = registry.resource(&Gvr::new("node.k8s.io", "v1", "runtimeclasses"))?;
    match registry.find(&resource, "", name) {
        Some(stored) => Ok(Some(Arc::clone(&stored.value))),
        None => Err(request.forbid(pod, &format!("pod rejected: RuntimeClass {name:?} not found"))),
    }
}

const MISMATCH: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

pub(super) fn mutate(registry: &mut Registry<'_>, request: &Request<'_>, pod: &mut Value) -> Result<(), ApiError> {
    if !request.is_create_of("", "pods") {
        return Ok(());
    }
    let Some(class) = class_of(registry, request, pod)? else { return Ok(()) };
    if let Some(overhead) = class.get("overhead").filter(|overhead| overhead.is_object()) {
        let fixed = &overhead["podFixed"];
        let given = pod["spec"]["overhead"].as_object().is_some_and(|given| !given.is_empty());
        if given && read(&pod["spec"]["overhead"]) != read(fixed) {
            return Err(request.forbid(pod, MISMATCH));
        }
        if fixed.is_object() {
            pod["spec"]["overhead"] = fixed.clone();
        }
    }
    if let Some(scheduling) = class.get("scheduling").filter(|scheduling| scheduling.is_object()) {
        schedule(request, pod, scheduling)?;
    }
    Ok(())
}

fn schedule(request: &Request<'_>, pod: &mut Value, scheduling: &Value) -> Result<(), ApiError> {
    for (key, value) in scheduling["nodeSelector"].as_object().into_iter().flatten() {
        if let Some(have) = pod["spec"]["nodeSelector"].get(key).filter(|have| *have != value) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let why = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                text(value),
                text(have)
            );
            return Err(request.forbid(pod, &why));
        }
        if !pod["spec"]["nodeSelector"].is_object() {
            pod["spec"]["nodeSelector"] = json!({});
        }
        pod["spec"]["nodeSelector"][key] = value.clone();
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut all = list(&pod["spec"]["tolerations"]);
    all.extend(list(&scheduling["tolerations"]));
    if !all.is_empty() {
        pod["spec"]["tolerations"] = Value::Array(merged(&all));
    }
    Ok(())
}

/// Leaves out tolerations that another one covers; of two equal ones the first stays.
fn merged(all: &[Value]) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for (at, toleration) in all.iter().enumerate() {
        let covered = kept.iter().any(|other| covers(other, toleration))
            || all[at + 1..].iter().any(|other| other != toleration && covers(other, toleration));
        if !covered {
            kept.push(toleration.clone());
        }
    }
    kept
}

/// Returns whether `wide` tolerates all that `narrow` does (k8s: `util/tolerations`).
fn covers(wide: &Value, narrow: &Value) -> bool {
    let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
    if wide == narrow {
        return true;
    }
    let (key, operator) = (text(wide, "key"), text(wide, "operator"));
    if key != text(narrow, "key") && !(key.is_empty() && operator == "Exists") {
        return false;
    }
    let effect = text(wide, "effect");
    if effect != text(narrow, "effect") && !effect.is_empty() {
        return false;
    }
    if effect == "NoExecute" {
        let longer = match (wide["tolerationSeconds"].as_i64(), narrow["tolerationSeconds"].as_i64()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wide), Some(narrow)) => wide >= narrow,
        };
        if !longer {
            return false;
        }
    }
    match operator.as_str() {
        "Exists" => true,
        "Equal" | "" => {
            matches!(text(narrow, "operator").as_str(), "Equal" | "") && text(wide, "value") == text(narrow, "value")
        }
        _ => false,
    }
}

pub(super) fn validate(registry: &mut Registry<'_>, request: &Request<'_>, pod: &Value) -> Result<(), ApiError> {
    if !request.is_create_of("", "pods") {
        return Ok(());
    }
    let class = class_of(registry, request, pod)?;
    let overhead = class.as_ref().and_then(|class| class.get("overhead")).filter(|overhead| overhead.is_object());
    let given = &pod["spec"]["overhead"];
    match overhead {
        Some(overhead) if read(&overhead["podFixed"]) != read(given) => Err(request.forbid(pod, MISMATCH)),
        None if given.is_object() => {
            let why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
            Err(request.forbid(pod, why))
        }
        _ => Ok(()),
    }
}
