//! Argo CD's checks of what runs pods: the rules of `kubectl rollout status`, with its words.

use bowline_model::{Health, Object};

use crate::fields::{condition, count, degraded, healthy, integer, is_true, progressing, suspended, text};

pub(crate) fn deployment(object: &Object) -> Health {
    if is_true(object, "/spec/paused") {
        return suspended("Deployment is paused");
    }
    if object.generation() > count(object, "/status/observedGeneration") {
        return progressing(
            "Waiting for rollout to finish: observed deployment generation less than desired generation",
        );
    }
    if condition(object, "Progressing").is_some_and(|condition| condition.reason == "ProgressDeadlineExceeded") {
        return degraded(format!("Deployment {:?} exceeded its progress deadline", object.name()));
    }
    let wanted = integer(object, "/spec/replicas");
    let updated = count(object, "/status/updatedReplicas");
    let all = count(object, "/status/replicas");
    let available = count(object, "/status/availableReplicas");
    let rest = match wanted {
        Some(wanted) if updated < wanted => format!("{updated} out of {wanted} new replicas have been updated..."),
        _ if all > updated => format!("{} old replicas are pending termination...", all - updated),
        _ if available < updated => format!("{available} of {updated} updated replicas are available..."),
        _ => return healthy(""),
    };
    progressing(format!("Waiting for rollout to finish: {rest}"))
}

pub(crate) fn replica_set(object: &Object) -> Health {
    if object.generation() > count(object, "/status/observedGeneration") {
        return progressing(
            "Waiting for rollout to finish: observed replica set generation less than desired generation",
        );
    }
    if let Some(failure) = condition(object, "ReplicaFailure").filter(|condition| condition.status == "True") {
        return degraded(failure.message);
    }
    let available = count(object, "/status/availableReplicas");
    match integer(object, "/spec/replicas") {
        Some(wanted) if available < wanted => progressing(format!(
            "Waiting for rollout to finish: {available} out of {wanted} new replicas are available..."
        )),
        _ => healthy(""),
    }
}

pub(crate) fn daemon_set(object: &Object) -> Health {
    if object.generation() > count(object, "/status/observedGeneration") {
        return progressing(
            "Waiting for rollout to finish: observed daemon set generation less than desired generation",
        );
    }
    let desired = count(object, "/status/desiredNumberScheduled");
    let updated = count(object, "/status/updatedNumberScheduled");
    let available = count(object, "/status/numberAvailable");
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return healthy(format!("daemon set {updated} out of {desired} new pods have been updated"));
    }
    let rest = if updated < desired {
        format!("{updated} out of {desired} new pods have been updated...")
    } else if available < desired {
        format!("{available} of {desired} updated pods are available...")
    } else {
        return healthy("");
    };
    progressing(format!("Waiting for daemon set {:?} rollout to finish: {rest}", object.name()))
}

pub(crate) fn stateful_set(object: &Object) -> Health {
    let observed = count(object, "/status/observedGeneration");
    if observed == 0 || object.generation() > observed {
        return progressing("Waiting for statefulset spec update to be observed...");
    }
    let wanted = integer(object, "/spec/replicas");
    let ready = count(object, "/status/readyReplicas");
    let updated = count(object, "/status/updatedReplicas");
    if let Some(wanted) = wanted.filter(|wanted| ready < *wanted) {
        return progressing(format!("Waiting for {} pods to be ready...", wanted - ready));
    }
    match text(object, "/spec/updateStrategy/type") {
        "RollingUpdate" if object.at("/spec/updateStrategy/rollingUpdate").is_some_and(|value| !value.is_null()) => {
            let partition = integer(object, "/spec/updateStrategy/rollingUpdate/partition");
            let wanted = wanted.zip(partition).map(|(wanted, partition)| wanted - partition);
            if let Some(wanted) = wanted.filter(|wanted| updated < *wanted) {
                return progressing(format!(
                    "Waiting for partitioned roll out to finish: {updated} out of {wanted} new pods have been updated..."
                ));
            }
            return healthy(format!("partitioned roll out complete: {updated} new pods have been updated..."));
        }
        "OnDelete" => return healthy(format!("statefulset has {ready} ready pods")),
        _ => {}
    }
    let update_revision = text(object, "/status/updateRevision");
    let current_revision = text(object, "/status/currentRevision");
    if update_revision != current_revision {
        return progressing(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {update_revision}..."
        ));
    }
    let current = count(object, "/status/currentReplicas");
    healthy(format!("statefulset rolling update complete {current} pods at revision {current_revision}..."))
}
