//! ReplicaSets, and the ReplicationControllers they come from: as many pods as asked for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Simulation;
use super::object::{
    condition, int, is_active, is_deleted, is_ready, items, left, name, pod_from, set_condition, text,
};
use super::world::{Id, Kind};
use crate::error::ApiError;

/// The most pods one look creates; the events of their creation bring the next look.
pub(super) const BURST: usize = 500;

impl Simulation {
    pub(super) fn replica_set(&mut self, kind: Kind, namespace: &str, set_name: &str) -> Result<(), ApiError> {
        let Some(set) = self.world.get(kind, namespace, set_name) else { return Ok(()) };
        let mut pods = self.claimed(kind, &set, Kind::Pod, is_active)?;
        let terminating = pods.iter().filter(|pod| is_deleted(pod)).count();
        pods.retain(|pod| is_active(pod));
        let mut failure = None;
        if !is_deleted(&set) {
            let wanted = usize::try_from(int(&set, "/spec/replicas")).unwrap_or(0);
            if pods.len() < wanted {
                for _ in 0..(wanted - pods.len()).min(BURST) {
                    match self.spawn(kind, &set) {
                        Ok(pod) => pods.push(pod),
                        Err(error) => {
                            failure = Some(error);
                            break;
                        }
                    }
                }
            } else {
                pods.sort_by_key(|pod| rank(pod));
                for pod in pods.drain(..pods.len() - wanted) {
                    self.delete(Kind::Pod, &pod)?;
                    self.event(kind, &set, false, "SuccessfulDelete", &format!("Deleted pod: {}", name(&pod)));
                }
            }
        }
        let reason = failure.as_ref().map(|error| format!("{error}"));
        self.replica_set_status(kind, &set, &pods, terminating, reason.as_deref())?;
        failure.map_or(Ok(()), Err)
    }

    /// Creates one pod of a template; its name is generated.
    pub(super) fn spawn(&self, kind: Kind, owner: &Value) -> Result<Arc<Value>, ApiError> {
        let mut pod = pod_from(&owner["spec"]["template"], owner, kind.api_version(), kind.api_kind());
        // A generated name may have 63 characters, five of them drawn.
        let prefix: String = format!("{}-", name(owner)).chars().take(58).collect();
        pod["metadata"]["generateName"] = json!(prefix);
        match self.create(Kind::Pod, pod) {
            Ok(pod) => {
                self.event(kind, owner, false, "SuccessfulCreate", &format!("Created pod: {}", name(&pod)));
                Ok(pod)
            }
            Err(error) => {
                self.event(kind, owner, true, "FailedCreate", &format!("Error creating: {error}"));
                Err(error)
            }
        }
    }

    fn replica_set_status(
        &mut self,
        kind: Kind,
        set: &Value,
        pods: &[Arc<Value>],
        terminating: usize,
        failure: Option<&str>,
    ) -> Result<(), ApiError> {
        let labels = &set["spec"]["template"]["metadata"]["labels"];
        let labelled = |pod: &Value| {
            let have = &pod["metadata"]["labels"];
            labels.as_object().into_iter().flatten().all(|(key, value)| have.get(key) == Some(value))
        };
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        let available = self.available(kind, set, pods);
        let mut status = json!({ "replicas": pods.len(), "observedGeneration": set["metadata"]["generation"] });
        let fields = [
            ("fullyLabeledReplicas", pods.iter().filter(|pod| labelled(pod)).count()),
            ("readyReplicas", ready),
            ("availableReplicas", available),
        ];
        for (field, value) in fields.into_iter().filter(|(_, value)| *value != 0) {
            status[field] = json!(value);
        }
        if kind == Kind::ReplicaSet {
            status["terminatingReplicas"] = json!(terminating);
        }
        let mut conditions: Vec<Value> = items(set, "/status/conditions").cloned().collect();
        match failure {
            Some(message) if condition(set, "ReplicaFailure").is_none() => {
                let want =
                    json!({ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message });
                set_condition(&mut conditions, want, &self.now());
            }
            Some(_) => {}
            None => conditions.retain(|condition| condition["type"] != "ReplicaFailure"),
        }
        if !conditions.is_empty() {
            status["conditions"] = json!(conditions);
        }
        self.write_status(kind, set, status)
    }

    /// Counts the pods that have been ready for `minReadySeconds`; looks again when the next one will have been.
    pub(super) fn available(&mut self, kind: Kind, owner: &Value, pods: &[Arc<Value>]) -> usize {
        let at_least_secs = int(owner, "/spec/minReadySeconds");
        let now = self.admin.now();
        let mut count = 0;
        let mut next: Option<Duration> = None;
        for pod in pods.iter().filter(|pod| is_ready(pod)) {
            let since = condition(pod, "Ready").map_or(&Value::Null, |condition| &condition["lastTransitionTime"]);
            let wait = if at_least_secs == 0 { Duration::ZERO } else { left(since, at_least_secs, now) };
            if wait == Duration::ZERO {
                count += 1;
            } else {
                next = Some(next.map_or(wait, |next| next.min(wait)));
            }
        }
        if let Some(wait) = next {
            self.later(Id::new(kind, super::object::namespace(owner), name(owner)), wait);
        }
        count
    }
}

/// Orders pods by how little is lost with them: unscheduled, pending, not ready, then the youngest.
fn rank(pod: &Value) -> (bool, bool, bool, std::cmp::Reverse<String>) {
    let created = text(pod, "/metadata/creationTimestamp").to_owned();
    let scheduled = !text(pod, "/spec/nodeName").is_empty();
    (scheduled, text(pod, "/status/phase") == "Running", is_ready(pod), std::cmp::Reverse(created))
}
