//! Eviction: a deletion that disruption budgets may refuse (k8s: `pkg/registry/core/pod/storage/eviction.go`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::{DeleteOptions, Registry, Target, WriteOptions, is_terminating, meta_text};
use crate::builtins::selects;
use crate::error::{ApiError, Cause, Details};
use crate::resource::Gvr;
use crate::rules;

/// More evictions than this that no controller has seen yet are too many.
const MAX_DISRUPTED: usize = 2000;

const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

impl Registry<'_> {
    /// Deletes a pod unless that would leave too few of its kind.
    pub(crate) fn evict(
        &mut self,
        target: &Target<'_>,
        delete: &DeleteOptions,
        options: &mut WriteOptions,
    ) -> Result<(), ApiError> {
        let pod = Arc::clone(&self.live(target)?.value);
        let phase = pod["status"]["phase"].as_str().unwrap_or_default();
        if !matches!(phase, "Failed" | "Pending" | "Succeeded") && !is_terminating(&pod) {
            self.ask_budget(target, &pod, options)?;
        }
        self.mark_and_delete(target, delete, options)
    }

    fn ask_budget(&mut self, target: &Target<'_>, pod: &Value, options: &mut WriteOptions) -> Result<(), ApiError> {
        let resource = self.resource(&Gvr::new("policy", "v1", "poddisruptionbudgets"))?;
        let labels = pod["metadata"].get("labels").cloned().unwrap_or_else(|| json!({}));
        let budgets: Vec<Arc<Value>> = (self.all(&resource, Some(target.namespace)).into_iter())
            .map(|stored| Arc::clone(&stored.value))
            .filter(|budget| budget["spec"]["selector"].is_object() && selects(&budget["spec"]["selector"], &labels))
            .collect();
        let budget = match budgets.as_slice() {
            [] => return Ok(()),
            [budget] => budget,
            _ => {
                let message =
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(ApiError::unforeseen(message));
            }
        };
        let number = |key: &str| budget["status"][key].as_i64().unwrap_or(0);
        let ready = pod["status"]["conditions"].as_array().into_iter().flatten();
        let is_ready = ready.into_iter().any(|have| have["type"] == "Ready" && have["status"] == "True");
        if !is_ready {
            let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
            let (have, want) = (number("currentHealthy"), number("desiredHealthy"));
            if always || (have >= want && want > 0) {
                return Ok(());
            }
        }
        let next = count_disruption(budget, meta_text(pod, "name"), &self.clock.now_seconds())?;
        if options.dry_run {
            return Ok(());
        }
        let name = meta_text(budget, "name");
        let target = Target { resource: &resource, namespace: target.namespace, name, subresource: "status" };
        let mut write = WriteOptions { manager: "kube-apiserver".to_owned(), ..WriteOptions::default() };
        self.update(&target, next, &mut write).map(drop)
    }

    /// Says in the pod's status why it goes, and deletes it. The mark is the server's own and has no field manager.
    fn mark_and_delete(
        &mut self,
        target: &Target<'_>,
        delete: &DeleteOptions,
        options: &mut WriteOptions,
    ) -> Result<(), ApiError> {
        let live = self.live(target)?;
        let mut delete = delete.clone();
        let grace = rules::grace_period(&live.value, delete.grace_period_secs);
        let fits = delete.uid.as_deref().is_none_or(|uid| uid == &*live.uid)
            && delete.resource_version.as_deref().is_none_or(|rv| rv == live.rv.to_string());
        if !options.dry_run && fits && grace > 0 {
            let mut next = Value::clone(&live.value);
            let mut conditions = next["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.retain(|condition| condition["type"] != "DisruptionTarget");
            conditions.push(json!({
                "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting", "lastProbeTime": null, "lastTransitionTime": self.clock.now_seconds(),
            }));
            next["status"]["conditions"] = Value::Array(conditions);
            let stored = self.commit(target.resource, target.key(), next)?;
            if delete.resource_version.is_some() {
                delete.resource_version = Some(stored.rv.to_string());
            }
        }
        self.delete(target, &delete, options).map(drop)
    }
}

/// Takes one disruption from a budget, or refuses.
fn count_disruption(budget: &Value, pod: &str, now: &str) -> Result<Value, ApiError> {
    let name = meta_text(budget, "name");
    let status = &budget["status"];
    let number = |key: &str| status[key].as_i64().unwrap_or(0);
    if number("observedGeneration") < budget["metadata"]["generation"].as_i64().unwrap_or(0) {
        return Err(refused(
            &format!("The disruption budget {name} is still being processed by the server."),
            Some(10),
        ));
    }
    let forbid = |why: &str| {
        let message = format!("poddisruptionbudget.policy {name:?} is forbidden: {why}");
        let details = Details {
            name: name.to_owned(),
            group: "policy".to_owned(),
            kind: "poddisruptionbudget".to_owned(),
            ..Details::default()
        };
        ApiError::new(403, "Forbidden", message).about(details)
    };
    let allowed = number("disruptionsAllowed");
    if allowed < 0 {
        return Err(forbid("pdb disruptions allowed is negative"));
    }
    if status["disruptedPods"].as_object().is_some_and(|pods| pods.len() > MAX_DISRUPTED) {
        return Err(forbid("DisruptedPods map too big - too many evictions not confirmed by PDB controller"));
    }
    if allowed == 0 {
        return Err(refused(&why_none(budget), None));
    }
    let mut next = budget.clone();
    next["status"]["disruptionsAllowed"] = json!(allowed - 1);
    if allowed == 1 {
        let conditions = next["status"]["conditions"].as_array_mut().into_iter().flatten();
        for condition in conditions.filter(|condition| condition["type"] == "DisruptionAllowed") {
            condition["status"] = json!("False");
            condition["reason"] = json!("InsufficientPods");
            condition["lastTransitionTime"] = json!(now);
        }
    }
    if !next["status"]["disruptedPods"].is_object() {
        next["status"]["disruptedPods"] = json!({});
    }
    next["status"]["disruptedPods"][pod] = json!(now);
    Ok(next)
}

/// Tells why a budget allows no disruption.
fn why_none(budget: &Value) -> String {
    let (name, status) = (meta_text(budget, "name"), &budget["status"]);
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let condition = conditions
        .into_iter()
        .find(|condition| condition["type"] == "DisruptionAllowed" && condition["status"] == "False")
        .map(|condition| ["reason", "message"].map(|key| condition[key].as_str().unwrap_or_default()))
        .filter(|[_, message]| !message.is_empty());
    let number = |key: &str| status[key].as_i64().unwrap_or(0);
    let (have, want) = (number("currentHealthy"), number("desiredHealthy"));
    let refuses = format!("The disruption budget {name} does not allow evicting pods currently");
    match condition {
        Some(["SyncFailed", message]) => format!("{refuses} because it failed sync: {message}"),
        _ if have <= want => {
            format!("The disruption budget {name} needs {want} healthy pods and has {have} currently")
        }
        Some([reason, message]) => format!("{refuses} ({reason}): {message}"),
        None => refuses,
    }
}

fn refused(why: &str, retry_after_secs: Option<u32>) -> ApiError {
    let cause = Cause { reason: "DisruptionBudget", message: why.to_owned(), field: String::new() };
    let details = Details { causes: vec![cause], retry_after_secs, ..Details::default() };
    ApiError::new(429, "TooManyRequests", REFUSED).about(details)
}
