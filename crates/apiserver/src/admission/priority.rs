//! `Priority`: a pod's priority is its class's, and there is one default class at most.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Operation, Request, text};
use crate::error::ApiError;
use crate::registry::Registry;

const GROUP: &str = "scheduling.k8s.io";

fn classes(registry: &mut Registry<'_>) -> Vec<Arc<Value>> {
    super::all(registry, (GROUP, "v1", "priorityclasses"), None)
}

/// Returns the default class; of several the one that counts least.
fn default_class(registry: &mut Registry<'_>) -> Option<Arc<Value>> {
    let all = classes(registry).into_iter().filter(|class| class["globalDefault"] == true);
    all.min_by_key(|class| class["value"].as_i64())
}

pub(super) fn mutate(registry: &mut Registry<'_>, request: &Request<'_>, pod: &mut Value) -> Result<(), ApiError> {
    if !request.is_of("", "pods") {
        return Ok(());
    }
    if let Some(old) = request.old {
        for field in ["priority", "preemptionPolicy"] {
            if let (None, Some(value)) = (pod["spec"].get(field), old["spec"].get(field)) {
                pod["spec"][field] = value.clone();
            }
        }
        return Ok(());
    }
    let name = text(pod, "/spec/priorityClassName").to_owned();
    let class = if name.is_empty() {
        default_class(registry)
    } else {
        let found = classes(registry).into_iter().find(|class| text(class, "/metadata/name") == name);
        let missing = || request.forbid(pod, &format!("no PriorityClass with name {name} was found"));
        Some(found.ok_or_else(missing)?)
    };
    let priority = class.as_ref().and_then(|class| class["value"].as_i64()).unwrap_or(0);
    let policy = match &class {
        Some(class) => class["preemptionPolicy"].as_str().unwrap_or_default(),
        None => "PreemptLowerPriority",
    };
    if let Some(given) = pod["spec"]["priority"].as_i64().filter(|given| *given != priority) {
        let why = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {priority} from the given PriorityClass name"
        );
        return Err(request.forbid(pod, &why));
    }
    if let Some(given) = pod["spec"]["preemptionPolicy"].as_str().filter(|given| !policy.is_empty() && *given != policy)
    {
        let why = format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        );
        return Err(request.forbid(pod, &why));
    }
    if let Some(class) = class.as_ref().filter(|_| name.is_empty()) {
        pod["spec"]["priorityClassName"] = class["metadata"]["name"].clone();
    }
    pod["spec"]["priority"] = json!(priority);
    if !policy.is_empty() {
        pod["spec"]["preemptionPolicy"] = json!(policy);
    }
    Ok(())
}

pub(super) fn validate(registry: &mut Registry<'_>, request: &Request<'_>, class: &Value) -> Result<(), ApiError> {
    if !request.is_of(GROUP, "priorityclasses") || class["globalDefault"] != true {
        return Ok(());
    }
    let Some(default) = default_class(registry) else { return Ok(()) };
    let name = text(&default, "/metadata/name");
    if request.operation == Operation::Create || name != text(class, "/metadata/name") {
        let why = format!("PriorityClass {name} is already marked as default. Only one default can exist");
        return Err(request.forbid(class, &why));
    }
    Ok(())
}
