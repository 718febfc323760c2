//! Argo CD's built-in checks.
//!
//! They are those of `gitops-engine/pkg/health` in Argo CD 3, with its messages; custom kinds are in `table`.

use bowline_model::{Health, Object};
use serde_json::Value;

use crate::fields::{Condition, conditions, degraded, healthy, is_going, items, progressing, suspended, text, unknown};
use crate::{pod, table, workload};

type Check = fn(&Object) -> Health;

/// The checks: group, kind, the versions that the check reads (none for all), and the check. Sorted.
const CHECKS: &[(&str, &str, &[&str], Check)] = &[
    ("", "PersistentVolumeClaim", &["v1"], persistent_volume_claim),
    ("", "Pod", &["v1"], pod::argo),
    ("", "Service", &["v1"], service),
    ("apiregistration.k8s.io", "APIService", &["v1", "v1beta1"], api_service),
    ("apps", "DaemonSet", &["v1"], workload::daemon_set),
    ("apps", "Deployment", &["v1"], workload::deployment),
    ("apps", "ReplicaSet", &["v1"], workload::replica_set),
    ("apps", "StatefulSet", &["v1"], workload::stateful_set),
    ("argoproj.io", "Workflow", &[], workflow),
    ("autoscaling", "HorizontalPodAutoscaler", &["v1", "v2", "v2beta1", "v2beta2"], pod_autoscaler),
    ("batch", "Job", &["v1"], job),
    ("extensions", "Ingress", &[], ingress),
    ("networking.k8s.io", "Ingress", &[], ingress),
];

pub(crate) fn assess(object: &Object) -> Option<Health> {
    if is_going(object) {
        return Some(progressing("Pending deletion"));
    }
    let gvk = object.gvk();
    let found = CHECKS.iter().find(|(group, kind, ..)| *group == gvk.group && *kind == gvk.kind);
    let Some((_, kind, versions, check)) = found else { return table::assess(object) };
    if !versions.is_empty() && !versions.contains(&gvk.version.as_str()) {
        let kind = if *kind == "HorizontalPodAutoscaler" { "HPA" } else { kind };
        return Some(unknown(format!("unsupported {kind} GVK: {gvk}")));
    }
    Some(check(object))
}

fn service(object: &Object) -> Health {
    if text(object, "/spec/type") == "LoadBalancer" { ingress(object) } else { healthy("") }
}

fn ingress(object: &Object) -> Health {
    if items(object, "/status/loadBalancer/ingress").is_empty() { progressing("") } else { healthy("") }
}

fn persistent_volume_claim(object: &Object) -> Health {
    match text(object, "/status/phase") {
        "Lost" => degraded(""),
        "Pending" => progressing(""),
        "Bound" => healthy(""),
        _ => unknown(""),
    }
}

fn api_service(object: &Object) -> Health {
    let Some(available) = conditions(object).find(|condition| condition.kind == "Available") else {
        return progressing("Waiting to be processed");
    };
    let message = format!("{}: {}", available.reason, available.message);
    if available.status == "True" { healthy(message) } else { progressing(message) }
}

fn job(object: &Object) -> Health {
    let mut message = String::new();
    let (mut is_complete, mut is_suspended) = (false, false);
    let mut failure = None;
    for condition in conditions(object) {
        match condition.kind {
            "Failed" => failure = Some(condition.message),
            "Complete" => {
                is_complete = true;
                condition.message.clone_into(&mut message);
            }
            "Suspended" => {
                is_complete = true;
                condition.message.clone_into(&mut message);
                is_suspended |= condition.status == "True";
            }
            _ => {}
        }
    }
    match failure {
        Some(failure) => degraded(failure),
        None if !is_complete => progressing(message),
        // Argo CD gives the message of the failure here, of which there is none.
        None if is_suspended => suspended(""),
        None => healthy(message),
    }
}

fn workflow(object: &Object) -> Health {
    let message = text(object, "/status/message");
    match text(object, "/status/phase") {
        "" | "Pending" | "Running" => progressing(message),
        "Succeeded" => healthy(message),
        "Failed" | "Error" => degraded(message),
        _ => unknown(message),
    }
}

/// `autoscaling/v1` keeps its conditions as JSON in an annotation.
fn pod_autoscaler(object: &Object) -> Health {
    const ANNOTATION: &str = "autoscaling.alpha.kubernetes.io/conditions";
    if object.api_version() != "autoscaling/v1" {
        return from_autoscaler_conditions(items(object, "/status/conditions"));
    }
    match object.annotation(ANNOTATION).map(serde_json::from_str::<Vec<Value>>) {
        None => from_autoscaler_conditions(&[]),
        Some(Ok(conditions)) => from_autoscaler_conditions(&conditions),
        Some(Err(error)) => unknown(format!("failed to convert conditions annotation to typed: {error}")),
    }
}

fn from_autoscaler_conditions(conditions: &[Value]) -> Health {
    for condition in conditions.iter().map(Condition::read) {
        match (condition.kind, condition.reason) {
            ("AbleToScale", "FailedGetScale" | "FailedUpdateScale")
            | ("ScalingActive", "FailedGetResourceMetric" | "InvalidSelector") => return degraded(condition.message),
            ("AbleToScale" | "ScalingLimited", _) if condition.status == "True" => return healthy(condition.message),
            _ => {}
        }
    }
    progressing("Waiting to Autoscale")
}

#[cfg(test)]
mod tests {
    use super::CHECKS;

    #[test]
    fn the_table_is_sorted() {
        assert!(CHECKS.is_sorted_by_key(|(group, kind, ..)| (*group, *kind)));
    }
}
