//! The life of a pod as a function: its spec, its fault and what it has already been through give its status.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::object::{annotation, int, items, left, name, set_condition, text, uid};
use crate::clock::rfc3339_seconds;

/// The annotation that names what goes wrong.
const FAULT: &str = "sim.bowline.dev/fault";

/// What goes wrong with a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Its containers keep exiting with 1.
    CrashLoop,
    /// It ends with exit code 1, if it is one that ends.
    FailJob,
    /// Its images cannot be pulled.
    ImagePull,
    /// It runs and is never ready.
    NotReady,
    /// Its containers keep running out of memory.
    OutOfMemory,
    /// No node will have it.
    Pending,
    /// It takes this long to start.
    Slow {
        secs: i64,
    },
}

impl Fault {
    pub(super) fn of(pod: &Value) -> Self {
        match annotation(pod, FAULT).unwrap_or_default() {
            "crashloop" => Self::CrashLoop,
            "fail-job" => Self::FailJob,
            "imagepull" => Self::ImagePull,
            "notready" => Self::NotReady,
            "oom" => Self::OutOfMemory,
            "pending" => Self::Pending,
            other => match other.strip_prefix("slow=").and_then(|text| text.strip_suffix('s')) {
                Some(secs) => secs.parse().map_or(Self::None, |secs| Self::Slow { secs }),
                None => Self::None,
            },
        }
    }
}

/// What has become of all the containers of a pod together.
struct Outcome {
    phase: &'static str,
    ready: bool,
    state: Value,
    last: Value,
    restarts: u32,
}

/// Pods that serve run for good; those of Jobs and tests do their work and end.
fn finishes(pod: &Value) -> bool {
    text(pod, "/spec/restartPolicy") != "Always"
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({ "waiting": { "reason": reason, "message": message } })
}

fn exited(code: u32, reason: &str, started: &str, finished: &str) -> Value {
    json!({ "terminated": { "exitCode": code, "reason": reason, "startedAt": started, "finishedAt": finished } })
}

fn decide(pod: &Value, fault: Fault, started: &str, now: Timestamp) -> Outcome {
    let moment = rfc3339_seconds(now);
    let running = json!({ "running": { "startedAt": started } });
    let outcome = |phase, ready, state| Outcome { phase, ready, state, last: json!({}), restarts: 0 };
    // A loop's count does not grow, so that a cluster at rest is quiet.
    let looping = |code, reason| Outcome {
        phase: "Running",
        ready: false,
        state: waiting("CrashLoopBackOff", ""),
        last: exited(code, reason, started, started),
        restarts: 5,
    };
    match fault {
        Fault::ImagePull => outcome("Pending", false, waiting("ImagePullBackOff", "")),
        Fault::CrashLoop => looping(1, "Error"),
        Fault::OutOfMemory => looping(137, "OOMKilled"),
        Fault::NotReady => outcome("Running", false, running),
        Fault::Slow { secs } if left(&json!(started), secs, now) > Duration::ZERO => {
            outcome("Pending", false, json!({ "waiting": { "reason": "ContainerCreating" } }))
        }
        // Every pod is seen running once before it ends.
        _ if !finishes(pod) || text(pod, "/status/phase") != "Running" => outcome("Running", true, running),
        Fault::FailJob => outcome("Failed", false, exited(1, "Error", started, &moment)),
        _ => outcome("Succeeded", false, exited(0, "Completed", started, &moment)),
    }
}

/// Returns the status a kubelet would report of a pod bound to it, and when to look again.
///
/// `usual` is how long a pod takes to start when it does not say. Asked again of a pod that already has this status, it changes nothing.
pub(super) fn status(
    pod: &Value,
    addresses: (&str, &str),
    usual: Duration,
    now: Timestamp,
) -> (Value, Option<Duration>) {
    let (pod_ip, host_ip) = addresses;
    let moment = rfc3339_seconds(now);
    let fault = match Fault::of(pod) {
        Fault::None if usual >= Duration::from_secs(1) => {
            Fault::Slow { secs: i64::try_from(usual.as_secs()).unwrap_or(i64::MAX) }
        }
        fault => fault,
    };
    let mut status = pod["status"].clone();
    if status.get("startTime").is_none() {
        status["startTime"] = json!(moment);
    }
    let started = text(&status, "/startTime").to_owned();
    if status.get("podIP").is_none() {
        status["podIP"] = json!(pod_ip);
        status["podIPs"] = json!([{ "ip": pod_ip }]);
        status["hostIP"] = json!(host_ip);
        status["hostIPs"] = json!([{ "ip": host_ip }]);
    }
    let outcome = decide(pod, fault, &started, now);
    status["phase"] = json!(outcome.phase);
    let generation = int(pod, "/metadata/generation");
    status["observedGeneration"] = json!(generation);
    status["containerStatuses"] = container_statuses(pod, &outcome);
    let inits = init_statuses(pod, &outcome, &started);
    if inits.as_array().is_some_and(|inits| !inits.is_empty()) {
        status["initContainerStatuses"] = inits;
    }
    let mut conditions: Vec<Value> = items(pod, "/status/conditions").cloned().collect();
    for mut condition in conditions_of(pod, &outcome) {
        condition["observedGeneration"] = json!(generation);
        condition["lastProbeTime"] = Value::Null;
        set_condition(&mut conditions, condition, &moment);
    }
    status["conditions"] = json!(conditions);
    let again = match fault {
        Fault::Slow { secs } => Some(left(&json!(started), secs, now)).filter(|wait| *wait > Duration::ZERO),
        _ => None,
    };
    (status, again)
}

fn conditions_of(pod: &Value, outcome: &Outcome) -> Vec<Value> {
    let names: Vec<&str> = items(pod, "/spec/containers").filter_map(|container| container["name"].as_str()).collect();
    let readiness = match outcome.phase {
        "Succeeded" => json!({ "status": "False", "reason": "PodCompleted" }),
        "Failed" => json!({ "status": "False", "reason": "PodFailed" }),
        _ if outcome.ready => json!({ "status": "True" }),
        _ => json!({
            "status": "False",
            "reason": "ContainersNotReady",
            "message": format!("containers with unready status: [{}]", names.join(" ")),
        }),
    };
    let of = |kind: &str, mut body: Value| {
        body["type"] = json!(kind);
        body
    };
    let yes = || json!({ "status": "True" });
    vec![
        of("PodReadyToStartContainers", yes()),
        of("Initialized", yes()),
        of("Ready", readiness.clone()),
        of("ContainersReady", readiness),
        of("PodScheduled", yes()),
    ]
}

fn container_status(pod: &Value, container: &Value, state: &Value) -> Value {
    let started = state.get("running").is_some();
    let pulled = state.get("waiting").is_none_or(|waiting| waiting["reason"] == "CrashLoopBackOff");
    let image = text(container, "/image");
    json!({
        "name": container["name"],
        "image": image,
        "imageID": if pulled { image } else { "" },
        "containerID": if pulled { format!("simulated://{}/{}", uid(pod), text(container, "/name")) } else { String::new() },
        "state": state,
        "lastState": {},
        "ready": false,
        "started": started,
        "restartCount": 0,
    })
}

/// Drops the container id of a container that never was, as Go does.
fn without_empty_id(mut status: Value) -> Value {
    if status["containerID"] == "" {
        drop(status.as_object_mut().map(|status| status.remove("containerID")));
    }
    status
}

fn container_statuses(pod: &Value, outcome: &Outcome) -> Value {
    let mut statuses: Vec<Value> = items(pod, "/spec/containers")
        .map(|container| {
            let mut status = container_status(pod, container, &outcome.state);
            if let Some(message) = waiting_message(pod, container, &outcome.state) {
                status["state"]["waiting"]["message"] = json!(message);
            }
            status["ready"] = json!(outcome.ready);
            status["restartCount"] = json!(outcome.restarts);
            status["lastState"] = outcome.last.clone();
            without_empty_id(status)
        })
        .collect();
    // The kubelet's order is by name, not the spec's.
    statuses.sort_by(|a, b| text(a, "/name").cmp(text(b, "/name")));
    Value::Array(statuses)
}

/// Returns what a kubelet says of a container that it keeps trying to start.
fn waiting_message(pod: &Value, container: &Value, state: &Value) -> Option<String> {
    match state["waiting"]["reason"].as_str()? {
        "CrashLoopBackOff" => Some(format!(
            "back-off 5m0s restarting failed container={} pod={}_{}({})",
            text(container, "/name"),
            name(pod),
            super::object::namespace(pod),
            uid(pod)
        )),
        "ImagePullBackOff" => {
            let image = text(container, "/image");
            let cause = pull_failure(image);
            let cause = cause.split_once(": ").map_or("", |(_, cause)| cause);
            Some(format!("Back-off pulling image {image:?}: ErrImagePull: {cause}"))
        }
        _ => None,
    }
}

/// Returns how a pull of an image that is not there fails.
pub(super) fn pull_failure(image: &str) -> String {
    format!(
        "Failed to pull image {image:?}: rpc error: code = NotFound desc = failed to pull and unpack image {image:?}: \
         failed to resolve reference {image:?}: {image}: not found"
    )
}

/// Init containers are done; sidecars run for as long as the pod does.
fn init_statuses(pod: &Value, outcome: &Outcome, started: &str) -> Value {
    let over = matches!(outcome.phase, "Succeeded" | "Failed");
    let statuses = items(pod, "/spec/initContainers").map(|container| {
        let sidecar = container["restartPolicy"] == "Always";
        let state = if sidecar && !over {
            json!({ "running": { "startedAt": started } })
        } else {
            exited(0, "Completed", started, started)
        };
        let mut status = container_status(pod, container, &state);
        status["ready"] = json!(!(over && sidecar));
        without_empty_id(status)
    });
    statuses.collect()
}

/// Returns the status the scheduler gives a pod that no node will have.
pub(super) fn unschedulable(pod: &Value, nodes: usize, now: Timestamp) -> Value {
    let mut status = pod["status"].clone();
    let mut conditions: Vec<Value> = items(pod, "/status/conditions").cloned().collect();
    let why = if nodes == 0 {
        "no nodes available to schedule pods"
    } else {
        "node(s) didn't match Pod's node affinity/selector"
    };
    let message = if nodes == 0 { why.to_owned() } else { format!("0/{nodes} nodes are available: {nodes} {why}.") };
    let condition = json!({
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastProbeTime": null,
        "observedGeneration": int(pod, "/metadata/generation"),
    });
    set_condition(&mut conditions, condition, &rfc3339_seconds(now));
    status["conditions"] = json!(conditions);
    status["phase"] = json!("Pending");
    status
}

/// Returns whether a node may take a pod by selector, required affinity and name.
pub(super) fn fits(pod: &Value, node: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let selected =
        pod["spec"]["nodeSelector"].as_object().into_iter().flatten().all(|(key, want)| labels.get(key) == Some(want));
    let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let terms: Vec<&Value> = items(pod, required).collect();
    let wanted = |term: &&Value| {
        let by_label = items(term, "/matchExpressions").all(|rule| matches(rule, labels.get(text(rule, "/key"))));
        let by_field = items(term, "/matchFields").all(|rule| matches(rule, Some(&json!(name(node)))));
        by_label && by_field
    };
    selected && (terms.is_empty() || terms.iter().any(wanted))
}

fn matches(rule: &Value, have: Option<&Value>) -> bool {
    let listed = have.is_some_and(|have| items(rule, "/values").any(|value| value == have));
    match text(rule, "/operator") {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => have.is_some(),
        "DoesNotExist" => have.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(policy: &str, fault: &str) -> Value {
        json!({
            "metadata": { "name": "p", "uid": "u", "annotations": { FAULT: fault } },
            "spec": { "restartPolicy": policy, "containers": [{ "name": "b", "image": "i" }, { "name": "a", "image": "i" }] },
            "status": { "phase": "Pending" },
        })
    }

    fn lives(mut pod: Value, now: Timestamp) -> Value {
        for _ in 0..2 {
            let (status, _) = status(&pod, ("10.0.0.1", "10.1.0.1"), Duration::ZERO, now);
            pod["status"] = status;
        }
        pod
    }

    #[test]
    fn every_fault_runs_its_course() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let table = [
            ("Always", "", "Running", true),
            ("Always", "fail-job", "Running", true),
            ("Always", "crashloop", "Running", false),
            ("Always", "oom", "Running", false),
            ("Always", "imagepull", "Pending", false),
            ("Always", "notready", "Running", false),
            ("Always", "slow=30s", "Pending", false),
            ("Never", "", "Succeeded", false),
            ("OnFailure", "fail-job", "Failed", false),
            ("Never", "notready", "Running", false),
        ];
        for (policy, fault, phase, ready) in table {
            let after = lives(pod(policy, fault), now);
            assert_eq!(
                (text(&after, "/status/phase"), super::super::object::is_ready(&after)),
                (phase, ready),
                "{policy} {fault}"
            );
            if ["Succeeded", "Failed"].contains(&phase) {
                continue;
            }
            let (again, _) = status(&after, ("10.0.0.1", "10.1.0.1"), Duration::ZERO, now);
            assert_eq!(again, after["status"], "{policy} {fault}: at rest nothing changes");
        }
    }

    #[test]
    fn a_slow_pod_becomes_ready_in_its_time() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let mut pod = pod("Always", "slow=30s");
        let (first, wait) = status(&pod, ("10.0.0.1", "10.1.0.1"), Duration::ZERO, start);
        assert_eq!(wait, Some(Duration::from_secs(30)));
        pod["status"] = first;
        let later = start.checked_add(jiff::SignedDuration::from_secs(30)).expect("in range");
        let (second, wait) = status(&pod, ("10.0.0.1", "10.1.0.1"), Duration::ZERO, later);
        assert_eq!((text(&second, "/phase"), wait), ("Running", None));
    }
}
