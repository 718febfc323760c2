//! What the parts of a pod that have their own endpoints may become.

use serde_json::{Value, json};

use crate::builtins::quality_of_service;
use crate::error::Cause;

/// Returns what is wrong with a pod changed through `ephemeralcontainers` or `resize`.
pub(super) fn validate_part(subresource: &str, live: &Value, next: &Value) -> Vec<Cause> {
    match subresource {
        "ephemeralcontainers" => ephemeral(live, next),
        "resize" => resize(live, next),
        _ => Vec::new(),
    }
}

/// A pod's containers stay, with more or less processor time and memory (k8s: `ValidatePodResize`).
fn resize(live: &Value, next: &Value) -> Vec<Cause> {
    const ALONE: &str = "only cpu and memory resources are mutable";
    let mut causes = Vec::new();
    if quality_of_service(&live["spec"]) != quality_of_service(&next["spec"]) {
        let class = &live["status"]["qosClass"];
        causes.push(Cause::invalid("spec", class, "Pod QOS Class may not change as a result of resizing"));
    }
    let strangers = out_of_order(live, next);
    if !strangers.is_empty() {
        causes.extend(strangers);
        return causes;
    }
    for key in ["initContainers", "containers"] {
        for (at, (before, after)) in list(live, key).zip(list(next, key)).enumerate() {
            if key == "initContainers" && before["restartPolicy"] != "Always" {
                continue;
            }
            for part in ["requests", "limits"] {
                let had = before["resources"][part].as_object().into_iter().flat_map(|had| had.keys());
                if had.into_iter().any(|name| after["resources"][part].get(name).is_none()) {
                    let why = format!("resource {part} cannot be removed");
                    causes.push(Cause::forbidden(format!("spec.{key}[{at}].resources.{part}"), &why));
                }
            }
        }
    }
    for (before, after) in list(live, "containers").zip(list(next, "containers")) {
        if but_size(before, before) != but_size(after, before) {
            causes.push(Cause::forbidden("spec", ALONE));
        }
    }
    for (before, after) in list(live, "initContainers").zip(list(next, "initContainers")) {
        if after["restartPolicy"] == "Always" {
            if but_size(before, before) != but_size(after, before) {
                let why = "only cpu and memory resources for sidecar containers are mutable";
                causes.push(Cause::forbidden("spec", why));
            }
        } else if before != after {
            causes.push(Cause::forbidden("spec", "resources for non-sidecar init containers are immutable"));
        }
    }
    causes
}

/// Tells which containers are not where they were.
fn out_of_order(live: &Value, next: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for key in ["containers", "initContainers"] {
        if list(live, key).count() != list(next, key).count() {
            let why = format!("{key} may not be added or removed on resize");
            causes.push(Cause::forbidden(format!("spec.{key}"), &why));
            continue;
        }
        for (at, (before, after)) in list(live, key).zip(list(next, key)).enumerate() {
            if before["name"] != after["name"] {
                let why = format!("{key} may not be renamed or reordered on resize");
                causes.push(Cause::forbidden(format!("spec.{key}[{at}].name"), &why));
            }
        }
    }
    causes
}

/// Returns a container as though it had the processor time and memory of `sized`.
fn but_size(container: &Value, sized: &Value) -> Value {
    let mut out = container.clone();
    let part = |part: &str| {
        let mut all = container["resources"][part].as_object().cloned().unwrap_or_default();
        for name in ["cpu", "memory"] {
            match sized["resources"][part].get(name) {
                Some(size) => drop(all.insert(name.to_owned(), size.clone())),
                None => drop(all.remove(name)),
            }
        }
        Value::Object(all)
    };
    out["resources"] = json!({ "limits": part("limits"), "requests": part("requests") });
    out
}

fn list<'a>(pod: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    pod["spec"][key].as_array().into_iter().flatten()
}

/// Ephemeral containers come, and stay as they came.
fn ephemeral(live: &Value, next: &Value) -> Vec<Cause> {
    const FIELD: &str = "spec.ephemeralContainers";
    let mut causes = Vec::new();
    for before in list(live, "ephemeralContainers") {
        let name = &before["name"];
        match list(next, "ephemeralContainers").find(|after| after["name"] == *name) {
            None => {
                causes.push(Cause::forbidden(
                    FIELD,
                    &format!("existing ephemeral containers {name} may not be removed\n"),
                ));
            }
            // Upstream adds a comparison of two dumps of its internal types, which is not made up here.
            Some(after) if after != before => {
                causes.push(Cause::forbidden(
                    FIELD,
                    &format!("existing ephemeral containers {name} may not be changed\n"),
                ));
            }
            Some(_) => {}
        }
    }
    causes
}
