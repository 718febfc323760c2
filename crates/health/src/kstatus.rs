//! kstatus, as Flux uses it.
//!
//! The rules are those of `pkg/kstatus/status` in cli-utils (Flux's fork, 1.4), with its words, and Flux's own
//! reading of Jobs. InProgress and Terminating are Progressing here, Current is Healthy, Failed is Degraded.

use bowline_model::{Health, Object};

use crate::fields::{conditions, count, degraded, healthy, integer, progressing, text, unknown};
use crate::pod;

pub(crate) fn assess(object: &Object) -> Health {
    if object.is_deleting() {
        return progressing("Resource scheduled for deletion");
    }
    if let Some(malformed) = malformed(object) {
        return malformed;
    }
    generic(object)
        .or_else(|| of_kind(object))
        .or_else(|| ready(object))
        .unwrap_or_else(|| healthy("Resource is current"))
}

/// kstatus fails on conditions that are no list; the object cannot be told then.
fn malformed(object: &Object) -> Option<Health> {
    let is_list_or_absent = object.at("/status/conditions").is_none_or(|value| value.is_array() || value.is_null());
    (!is_list_or_absent).then(|| unknown("`status.conditions` is not a list"))
}

fn generic(object: &Object) -> Option<Health> {
    let generation = integer(object, "/metadata/generation");
    let observed = integer(object, "/status/observedGeneration");
    if let Some((generation, observed)) = generation.zip(observed)
        && generation != observed
    {
        let kind = object.kind();
        return Some(progressing(format!(
            "{kind} generation is {generation}, but latest observed generation is {observed}"
        )));
    }
    conditions(object).find_map(|condition| match (condition.kind, condition.status) {
        ("Reconciling", "True") => Some(progressing(condition.message)),
        ("Stalled", "True") => Some(degraded(condition.message)),
        _ => None,
    })
}

fn of_kind(object: &Object) -> Option<Health> {
    let gvk = object.gvk();
    Some(match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "ConfigMap" | "Secret") | ("batch", "CronJob") => healthy("Resource is always ready"),
        ("", "PersistentVolumeClaim") => persistent_volume_claim(object),
        ("", "Pod") => pod::kstatus(object),
        ("", "Service") => service(object),
        ("apps" | "extensions", "DaemonSet") => daemon_set(object),
        ("apps" | "extensions", "Deployment") => deployment(object),
        ("apps" | "extensions", "ReplicaSet") => replica_set(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => custom_resource_definition(object),
        ("batch", "Job") => job(object),
        ("policy", "PodDisruptionBudget") => healthy("AllowedDisruptions has been computed."),
        _ => return None,
    })
}

/// A `Ready` condition decides where nothing else does. False is not failed: it may become true.
fn ready(object: &Object) -> Option<Health> {
    conditions(object).filter(|condition| condition.kind == "Ready").find_map(|condition| match condition.status {
        "True" => Some(healthy("Resource is Ready")),
        "False" | "Unknown" => Some(progressing(condition.message)),
        _ => None,
    })
}

/// Returns the first of these that falls short, as `Name: have/want`.
fn short_of(pairs: &[(&str, i64, i64)]) -> Option<Health> {
    pairs
        .iter()
        .find(|(_, have, want)| have < want)
        .map(|(name, have, want)| progressing(format!("{name}: {have}/{want}")))
}

fn too_many(have: i64, want: i64) -> Option<Health> {
    (have > want).then(|| progressing(format!("Pending termination: {}", have - want)))
}

fn deployment(object: &Object) -> Health {
    // Without a deadline the controller sets no condition, and the roll-out counts as progressing.
    let no_deadline = i64::from(i32::MAX);
    let mut has_new_replica_set =
        integer(object, "/spec/progressDeadlineSeconds").is_none_or(|deadline| deadline == no_deadline);
    let mut is_available = false;
    for condition in conditions(object) {
        match condition.kind {
            "Progressing" if condition.reason == "ProgressDeadlineExceeded" => {
                return degraded("Progress deadline exceeded");
            }
            "Progressing" => {
                has_new_replica_set |= condition.status == "True" && condition.reason == "NewReplicaSetAvailable";
            }
            "Available" => is_available |= condition.status == "True",
            _ => {}
        }
    }
    let wanted = integer(object, "/spec/replicas").unwrap_or(1);
    let all = count(object, "/status/replicas");
    let updated = count(object, "/status/updatedReplicas");
    let available = count(object, "/status/availableReplicas");
    let ready = count(object, "/status/readyReplicas");
    short_of(&[("Replicas", all, wanted), ("Updated", updated, wanted)])
        .or_else(|| too_many(all, wanted))
        .or_else(|| short_of(&[("Available", available, updated), ("Ready", ready, wanted)]))
        .or_else(|| (!has_new_replica_set).then(|| progressing("ReplicaSet not Available")))
        .or_else(|| (!is_available).then(|| progressing("Deployment not Available")))
        .unwrap_or_else(|| healthy(format!("Deployment is available. Replicas: {all}")))
}

fn stateful_set(object: &Object) -> Health {
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return healthy("StatefulSet is using the ondelete update strategy");
    }
    let wanted = integer(object, "/spec/replicas").unwrap_or(1);
    let all = count(object, "/status/replicas");
    let ready = count(object, "/status/readyReplicas");
    let updated = count(object, "/status/updatedReplicas");
    let early = short_of(&[("Replicas", all, wanted), ("Ready", ready, wanted)]).or_else(|| too_many(all, wanted));
    if let Some(early) = early {
        return early;
    }
    if let Some(partition) = integer(object, "/spec/updateStrategy/rollingUpdate/partition").filter(|at| *at != -1) {
        return short_of(&[("updated", updated, wanted - partition)])
            .unwrap_or_else(|| healthy(format!("Partition rollout complete. updated: {updated}")));
    }
    let current = count(object, "/status/currentReplicas");
    if let Some(fewer) = short_of(&[("current", current, wanted)]) {
        return fewer;
    }
    if text(object, "/status/currentRevision") != text(object, "/status/updateRevision") {
        return progressing("Waiting for updated revision to match current");
    }
    healthy(format!("All replicas scheduled as expected. Replicas: {all}"))
}

fn replica_set(object: &Object) -> Health {
    if conditions(object).any(|condition| condition.is("ReplicaFailure", "True")) {
        return progressing("Replica Failure condition. Check Pods");
    }
    let wanted = integer(object, "/spec/replicas").unwrap_or(1);
    let all = count(object, "/status/replicas");
    short_of(&[
        ("Labelled", count(object, "/status/fullyLabeledReplicas"), wanted),
        ("Available", count(object, "/status/availableReplicas"), wanted),
        ("Ready", count(object, "/status/readyReplicas"), wanted),
    ])
    .or_else(|| too_many(all, wanted))
    .unwrap_or_else(|| healthy(format!("ReplicaSet is available. Replicas: {all}")))
}

fn daemon_set(object: &Object) -> Health {
    let kind = object.kind();
    // Zero desired pods are no proof of anything before the controller has looked.
    for field in ["metadata.generation", "status.observedGeneration"] {
        if integer(object, &format!("/{}", field.replace('.', "/"))).is_none() {
            return progressing(format!("{kind} {field} not found"));
        }
    }
    let Some(desired) = integer(object, "/status/desiredNumberScheduled").filter(|desired| *desired != -1) else {
        return progressing("Missing .status.desiredNumberScheduled");
    };
    short_of(&[
        ("Current", count(object, "/status/currentNumberScheduled"), desired),
        ("Updated", count(object, "/status/updatedNumberScheduled"), desired),
        ("Available", count(object, "/status/numberAvailable"), desired),
        ("Ready", count(object, "/status/numberReady"), desired),
    ])
    .unwrap_or_else(|| healthy(format!("All replicas scheduled as expected. Replicas: {desired}")))
}

fn persistent_volume_claim(object: &Object) -> Health {
    match object.text("/status/phase").unwrap_or("unknown") {
        "Bound" => healthy("PVC is Bound"),
        phase => progressing(format!("PVC is not Bound. phase: {phase}")),
    }
}

fn service(object: &Object) -> Health {
    if text(object, "/spec/type") == "LoadBalancer" && text(object, "/spec/clusterIP").is_empty() {
        return progressing("ClusterIP not set. Service type: LoadBalancer");
    }
    healthy("Service is ready")
}

/// Flux waits for a Job to complete; plain kstatus takes a running Job for current.
fn job(object: &Object) -> Health {
    let completions =
        integer(object, "/spec/completions").or_else(|| integer(object, "/spec/parallelism")).unwrap_or(1);
    let succeeded = count(object, "/status/succeeded");
    let active = count(object, "/status/active");
    let failed = count(object, "/status/failed");
    let ended = conditions(object).find_map(|condition| match (condition.kind, condition.status) {
        ("Complete", "True") => Some(healthy(format!("Job Completed. succeeded: {succeeded}/{completions}"))),
        ("Failed", "True") => Some(degraded(format!("Job Failed. failed: {failed}/{completions}"))),
        _ => None,
    });
    match ended {
        Some(ended) => ended,
        None if text(object, "/status/startTime").is_empty() => progressing("Job not started"),
        None => progressing(format!("Job in progress. success:{succeeded}, active: {active}, failed: {failed}")),
    }
}

fn custom_resource_definition(object: &Object) -> Health {
    conditions(object)
        .find_map(|condition| match (condition.kind, condition.status) {
            ("NamesAccepted", "False") => Some(degraded(condition.message)),
            ("Established", "False") if condition.reason != "Installing" => Some(degraded(condition.message)),
            ("Established", "True") => Some(healthy("CRD is established")),
            _ => None,
        })
        .unwrap_or_else(|| progressing("Install in progress"))
}
