//! PodDisruptionBudgets and HorizontalPodAutoscalers: their status alone. Evictions read it; nothing is scaled.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Simulation;
use super::object::{
    controller_of, int, int_or_percent, is_active, is_deleted, is_ready, items, set_condition, text, uid,
};
use super::world::Kind;
use crate::builtins::selects;
use crate::error::ApiError;

impl Simulation {
    pub(super) fn budget(&mut self, namespace: &str, budget_name: &str) -> Result<(), ApiError> {
        let Some(budget) = self.world.get(Kind::Budget, namespace, budget_name) else { return Ok(()) };
        if is_deleted(&budget) {
            return Ok(());
        }
        let mut pods = self.world.list(Kind::Pod, namespace);
        let chosen = budget["spec"].get("selector").is_some();
        pods.retain(|pod| chosen && is_active(pod) && selects(&budget["spec"]["selector"], &pod["metadata"]["labels"]));
        let healthy = pods.iter().filter(|pod| is_ready(pod)).count() as i64;
        let least = &budget["spec"]["minAvailable"];
        // A plain number needs no more than the pods there are; shares are of what the controllers want.
        let expected = if least.is_number() { pods.len() as i64 } else { self.wanted_by_controllers(&pods) };
        let desired = match budget["spec"].get("maxUnavailable") {
            Some(most) => expected - int_or_percent(most, expected, true),
            None => int_or_percent(least, expected, true),
        };
        let desired = desired.max(0);
        let allowed = if expected == 0 { 0 } else { (healthy - desired).max(0) };
        let (word, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
        let generation = &budget["metadata"]["generation"];
        let mut conditions: Vec<Value> = items(&budget, "/status/conditions").cloned().collect();
        let want = json!({
            "type": "DisruptionAllowed", "status": word, "reason": reason, "message": "", "observedGeneration": generation,
        });
        set_condition(&mut conditions, want, &self.now());
        let status = json!({
            "conditions": conditions,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": expected,
            "observedGeneration": generation,
        });
        self.write_status(Kind::Budget, &budget, status)
    }

    /// Returns how many pods the controllers of some pods want together; pods without one are not counted.
    fn wanted_by_controllers(&self, pods: &[Arc<Value>]) -> i64 {
        let mut wanted = BTreeMap::new();
        for pod in pods {
            let Some(owner) = controller_of(pod).and_then(|uid| self.world.by_uid(uid)) else { continue };
            // What a Deployment wants is shared by its ReplicaSets.
            let above = controller_of(&owner).and_then(|uid| self.world.by_uid(uid));
            let owner = above.filter(|above| above["spec"]["replicas"].is_number()).unwrap_or(owner);
            wanted.insert(uid(&owner).to_owned(), int(&owner, "/spec/replicas"));
        }
        wanted.values().sum()
    }

    pub(super) fn autoscaler(&mut self, namespace: &str, scaler_name: &str) -> Result<(), ApiError> {
        let Some(scaler) = self.world.get(Kind::Autoscaler, namespace, scaler_name) else { return Ok(()) };
        if is_deleted(&scaler) {
            return Ok(());
        }
        let target = &scaler["spec"]["scaleTargetRef"];
        let kind = match text(target, "/kind") {
            "Deployment" => Kind::Deployment,
            "StatefulSet" => Kind::StatefulSet,
            _ => return Ok(()),
        };
        let object = self.world.get(kind, namespace, text(target, "/name"));
        let now = self.now();
        let mut conditions: Vec<Value> = items(&scaler, "/status/conditions").cloned().collect();
        let verdicts: &[(&str, &str, &str, &str)] = match &object {
            None => &[(
                "AbleToScale",
                "False",
                "FailedGetScale",
                "the HPA controller was unable to get the target's current scale",
            )],
            Some(_) => &[
                ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size"),
                (
                    "ScalingActive",
                    "True",
                    "ValidMetricFound",
                    "the HPA was able to successfully calculate a replica count",
                ),
                ("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range"),
            ],
        };
        for (kind, status, reason, message) in verdicts {
            let want = json!({ "type": kind, "status": status, "reason": reason, "message": message });
            set_condition(&mut conditions, want, &now);
        }
        let replicas = object.as_ref().map_or(0, |object| int(object, "/status/replicas"));
        let mut status =
            json!({ "conditions": conditions, "currentMetrics": Value::Null, "desiredReplicas": replicas });
        if replicas != 0 {
            status["currentReplicas"] = json!(replicas);
        }
        self.write_status(Kind::Autoscaler, &scaler, status)
    }
}
