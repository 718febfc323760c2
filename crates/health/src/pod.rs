//! Health of a pod, by each judge.

use bowline_model::{Health, Object};
use serde_json::Value;

use crate::fields::{condition, conditions, degraded, healthy, items, progressing, text, unknown};

/// Judges a pod that ends by itself as one that runs for ever.
const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";

/// Argo CD's check.
///
/// A pod that ends by itself is most often a hook: it is on its way while it runs, and waiting for an image is
/// no failure of it, for it may still run once the image is there.
pub(crate) fn argo(object: &Object) -> Health {
    let policy = text(object, "/spec/restartPolicy");
    let runs_for_ever = policy == "Always" || object.annotation(IGNORE_RESTART_POLICY) == Some("true");
    if runs_for_ever && let Some(message) = failed_waits(object) {
        return degraded(message);
    }
    let message = text(object, "/status/message");
    match text(object, "/status/phase") {
        "Pending" => progressing(message),
        "Succeeded" => healthy(message),
        "Failed" if !message.is_empty() => degraded(message),
        "Failed" => degraded(first_failure(object)),
        "Running" if runs_for_ever => {
            let is_ready = condition(object, "Ready").is_some_and(|condition| condition.status == "True");
            let has_ended_before = items(object, "/status/containerStatuses")
                .iter()
                .any(|container| container.pointer("/lastState/terminated").is_some_and(|ended| !ended.is_null()));
            match (is_ready, has_ended_before) {
                (true, _) => healthy(message),
                (false, true) => degraded(message),
                (false, false) => progressing(message),
            }
        }
        "Running" if matches!(policy, "OnFailure" | "Never") => progressing(message),
        _ => unknown(message),
    }
}

/// The messages of containers that wait because something failed.
fn failed_waits(object: &Object) -> Option<String> {
    let messages: Vec<&str> = items(object, "/status/containerStatuses")
        .iter()
        .filter_map(|container| container.pointer("/state/waiting"))
        .filter(|waiting| {
            let reason = field(waiting, "reason");
            reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff")
        })
        .map(|waiting| field(waiting, "message"))
        .collect();
    (!messages.is_empty()).then(|| messages.join(", "))
}

fn first_failure(object: &Object) -> String {
    items(object, "/status/initContainerStatuses")
        .iter()
        .chain(items(object, "/status/containerStatuses"))
        .filter_map(|container| Some((container, container.pointer("/state/terminated")?)))
        .find_map(|(container, ended)| {
            let exit_code = ended.get("exitCode").and_then(Value::as_i64).unwrap_or(0);
            match (field(ended, "message"), field(ended, "reason")) {
                ("", "OOMKilled") => Some("OOMKilled".to_owned()),
                ("", _) if exit_code != 0 => {
                    Some(format!("container {:?} failed with exit code {exit_code}", field(container, "name")))
                }
                ("", _) => None,
                (message, _) => Some(message.to_owned()),
            }
        })
        .unwrap_or_default()
}

fn field<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// kstatus's check.
///
/// A pod that cannot be scheduled fails there 15 seconds after its creation. No clock is read here: it stays in
/// progress, and the deadline of whoever waits ends it, which also gives an autoscaler the time it needs.
pub(crate) fn kstatus(object: &Object) -> Health {
    let phase = text(object, "/status/phase");
    match phase {
        "Succeeded" => healthy("Pod has completed successfully"),
        "Failed" => healthy("Pod has completed, but not successfully"),
        "Running" => {
            if conditions(object).any(|condition| condition.is("Ready", "True")) {
                return healthy("Pod is Ready");
            }
            let crashing: Vec<&str> = items(object, "/status/containerStatuses")
                .iter()
                .filter(|container| {
                    container.pointer("/state/waiting").is_some_and(|wait| field(wait, "reason") == "CrashLoopBackOff")
                })
                .map(|container| field(container, "name"))
                .collect();
            if crashing.is_empty() {
                progressing("Pod is running but is not Ready")
            } else {
                degraded(format!("Containers in CrashLoop state: {}", crashing.join(",")))
            }
        }
        "Pending" => {
            let is_unschedulable = conditions(object)
                .any(|condition| condition.is("PodScheduled", "False") && condition.reason == "Unschedulable");
            progressing(if is_unschedulable { "Pod has not been scheduled" } else { "Pod is in the Pending phase" })
        }
        "" => progressing("Pod phase not available"),
        _ => unknown(format!("unknown phase {phase}")),
    }
}
