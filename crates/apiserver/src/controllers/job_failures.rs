//! What a Job makes of its failed pods: its failure policy, and how long it waits before the next try.
//!
//! Follows `pkg/controller/job` (`pod_failure_policy.go`, `backoff_utils.go`) of Kubernetes v1.35.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::object::{items, left, name, namespace, text, time};

/// The first wait; each failure since the last success doubles it.
const FIRST_SECS: i64 = 10;
const LONGEST_SECS: i64 = 600;

/// What a policy says of one failed pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Count,
    Ignore,
    /// The job fails, for this reason.
    FailJob(String),
}

/// Returns what the first rule that fits a failed pod says; without one it counts.
pub(super) fn action(job: &Value, pod: &Value) -> Action {
    for (index, rule) in items(job, "/spec/podFailurePolicy/rules").enumerate() {
        let kind = text(rule, "/action");
        let place = format!("{}/{}", namespace(pod), name(pod));
        let message = if rule["onExitCodes"].is_object() {
            exited_as(&rule["onExitCodes"], pod).map(|(container, code)| {
                format!(
                    "Container {container} for pod {place} failed with exit code {code} matching {kind} rule at index {index}"
                )
            })
        } else {
            condition_of(rule, pod)
                .map(|kind_of| format!("Pod {place} has condition {kind_of} matching {kind} rule at index {index}"))
        };
        match (message, kind) {
            (Some(_), "Ignore") => return Action::Ignore,
            (Some(message), "FailJob") => return Action::FailJob(message),
            (Some(_), _) => return Action::Count,
            (None, _) => {}
        }
    }
    Action::Count
}

fn exited_as<'a>(rule: &Value, pod: &'a Value) -> Option<(&'a str, i64)> {
    let statuses = items(pod, "/status/containerStatuses").chain(items(pod, "/status/initContainerStatuses"));
    let wanted = rule["containerName"].as_str();
    statuses.filter(|status| wanted.is_none_or(|wanted| status["name"] == wanted)).find_map(|status| {
        let code = status["state"]["terminated"]["exitCode"].as_i64().filter(|code| *code != 0)?;
        let listed = items(rule, "/values").any(|value| *value == json!(code));
        let fits = if rule["operator"] == "NotIn" { !listed } else { listed };
        fits.then(|| (text(status, "/name"), code))
    })
}

fn condition_of<'a>(rule: &Value, pod: &'a Value) -> Option<&'a str> {
    let has = |condition: &Value| {
        items(rule, "/onPodConditions")
            .any(|pattern| pattern["type"] == condition["type"] && pattern["status"] == condition["status"])
    };
    items(pod, "/status/conditions").find(|condition| has(condition)).map(|condition| text(condition, "/type"))
}

/// Returns when a pod's last container ended.
fn ended_at(pod: &Value) -> Option<Timestamp> {
    items(pod, "/status/containerStatuses")
        .filter_map(|status| time(&status["state"]["terminated"]["finishedAt"]))
        .max()
}

/// Returns how long the next pod must wait, counting the failures since the last success.
pub(super) fn back_off(pods: &[Arc<Value>], now: Timestamp) -> Duration {
    let of = |phase: &str| -> Vec<Timestamp> {
        let ended = pods.iter().filter(|pod| text(pod, "/status/phase") == phase);
        ended.filter_map(|pod| ended_at(pod)).collect()
    };
    let last_success = of("Succeeded").into_iter().max();
    let failures: Vec<Timestamp> =
        of("Failed").into_iter().filter(|at| last_success.is_none_or(|success| *at > success)).collect();
    let Some(last) = failures.iter().max() else { return Duration::ZERO };
    let doublings = u32::try_from(failures.len() - 1).unwrap_or(u32::MAX).min(10);
    let secs = (FIRST_SECS << doublings).min(LONGEST_SECS);
    left(&json!(last.to_string()), secs, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: i64, at: &str) -> Value {
        json!({
            "metadata": { "name": "p", "namespace": "a" },
            "status": { "phase": "Failed", "containerStatuses": [
                { "name": "c", "state": { "terminated": { "exitCode": code, "finishedAt": at } } }
            ] },
        })
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let job = json!({ "spec": { "podFailurePolicy": { "rules": [
            { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
            { "action": "FailJob", "onExitCodes": { "operator": "In", "values": [3] } },
            { "action": "Ignore", "onExitCodes": { "operator": "NotIn", "values": [1] } },
        ] } } });
        let at = "2026-01-01T00:00:00Z";
        assert_eq!(action(&job, &failed(1, at)), Action::Count);
        assert_eq!(action(&job, &failed(2, at)), Action::Ignore);
        let message = "Container c for pod a/p failed with exit code 3 matching FailJob rule at index 1";
        assert_eq!(action(&job, &failed(3, at)), Action::FailJob(message.to_owned()));
    }

    #[test]
    fn each_failure_doubles_the_wait() {
        let at = |secs: i64| Timestamp::from_second(1_767_225_600 + secs).expect("in range");
        let pods: Vec<Arc<Value>> = (0..3).map(|n| Arc::new(failed(1, &at(n).to_string()))).collect();
        assert_eq!(back_off(&pods, at(2)), Duration::from_secs(40));
        assert_eq!(back_off(&pods[..1], at(4)), Duration::from_secs(6));
        assert_eq!(back_off(&pods, at(60)), Duration::ZERO);
    }
}
