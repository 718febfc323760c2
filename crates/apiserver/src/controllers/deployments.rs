//! Deployments: a ReplicaSet for each template, moved from old to new as the strategy allows.
//!
//! Follows `pkg/controller/deployment` of Kubernetes v1.35.4.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Simulation;
use super::object::{
    annotation, condition, int, int_or_percent, is_deleted, items, left, name, owner_reference, set_condition,
    template_hash, uid,
};
use super::world::{Id, Kind};
use crate::error::ApiError;

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAX: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations of a Deployment that its ReplicaSets do not take over.
const NOT_COPIED: [&str; 6] = [
    "deprecated.deployment.rollback.to",
    DESIRED,
    MAX,
    REVISION,
    "deployment.kubernetes.io/revision-history",
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// One Deployment and its ReplicaSets, oldest first.
struct Rollout {
    deployment: Arc<Value>,
    new: Option<Arc<Value>>,
    old: Vec<Arc<Value>>,
}

fn replicas(object: &Value) -> i64 {
    int(object, "/spec/replicas")
}

fn available(set: &Value) -> i64 {
    int(set, "/status/availableReplicas")
}

impl Rollout {
    fn all(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.old.iter().chain(&self.new)
    }

    fn total(&self) -> i64 {
        self.all().map(|set| replicas(set)).sum()
    }

    fn wanted(&self) -> i64 {
        replicas(&self.deployment)
    }

    fn is_rolling(&self) -> bool {
        self.deployment["spec"]["strategy"]["type"] == "RollingUpdate"
    }

    /// Returns how many pods there may be beyond the wanted ones, and how many of those may be missing.
    fn slack(&self) -> (i64, i64) {
        let rolling = &self.deployment["spec"]["strategy"]["rollingUpdate"];
        let surge = int_or_percent(&rolling["maxSurge"], self.wanted(), true);
        let unavailable = int_or_percent(&rolling["maxUnavailable"], self.wanted(), false);
        // Both zero would never move; upstream then lets one be missing.
        (surge, if surge == 0 && unavailable == 0 { 1 } else { unavailable })
    }

    fn max_surge(&self) -> i64 {
        if self.is_rolling() { self.slack().0 } else { 0 }
    }

    fn max_unavailable(&self) -> i64 {
        if self.is_rolling() && self.wanted() > 0 { self.slack().1.min(self.wanted()) } else { 0 }
    }

    /// Returns how large the new ReplicaSet may be made now.
    fn new_size(&self, current: i64) -> i64 {
        if !self.is_rolling() {
            return self.wanted();
        }
        let room = self.wanted() + self.max_surge() - self.total();
        if room <= 0 { current } else { current + room.min(self.wanted() - current) }
    }
}

fn same_template(deployment: &Value, set: &Value) -> bool {
    let without_hash = |object: &Value| {
        let mut template = object["spec"]["template"].clone();
        if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove(HASH);
        }
        template
    };
    without_hash(deployment) == without_hash(set)
}

impl Simulation {
    pub(super) fn deployment(&mut self, namespace: &str, name: &str) -> Result<(), ApiError> {
        let Some(deployment) = self.world.get(Kind::Deployment, namespace, name) else { return Ok(()) };
        let mut sets = self.claimed(Kind::Deployment, &deployment, Kind::ReplicaSet, |_| true)?;
        sets.sort_by(|a, b| {
            let key = |set: &Value| (set["metadata"]["creationTimestamp"].to_string(), revision(set));
            key(a).cmp(&key(b))
        });
        let at = sets.iter().position(|set| same_template(&deployment, set));
        let new = at.map(|at| sets.remove(at));
        let mut rollout = Rollout { deployment, new, old: sets };
        if is_deleted(&rollout.deployment) {
            return self.deployment_status(&rollout, false);
        }
        self.follow_revision(&mut rollout)?;
        if is_paused(&rollout) || is_scaled(&rollout) {
            self.scale(&rollout)?;
            return self.deployment_status(&rollout, false);
        }
        let moved = if rollout.is_rolling() { self.roll(&mut rollout)? } else { self.recreate(&mut rollout)? };
        if !moved && is_complete(&rollout, &rollout.deployment["status"]) {
            self.forget_old_revisions(&rollout)?;
        }
        self.deployment_status(&rollout, true)
    }

    /// Gives the new ReplicaSet the Deployment's annotations and the newest revision number.
    fn follow_revision(&mut self, rollout: &mut Rollout) -> Result<(), ApiError> {
        let Some(new) = &rollout.new else { return Ok(()) };
        let newest = rollout.old.iter().map(|set| revision(set)).max().unwrap_or(0);
        let number = revision(new).max(newest + 1);
        let ready_secs = rollout.deployment["spec"].get("minReadySeconds");
        let wanted = set_annotations(rollout, new, number);
        if new["metadata"]["annotations"] != wanted || new["spec"].get("minReadySeconds") != ready_secs {
            let mut set = Value::clone(new);
            set["metadata"]["annotations"] = wanted;
            match ready_secs {
                Some(secs) => set["spec"]["minReadySeconds"] = secs.clone(),
                None => drop(set["spec"].as_object_mut().map(|spec| spec.remove("minReadySeconds"))),
            }
            rollout.new = Some(self.update(Kind::ReplicaSet, set)?);
        }
        Ok(())
    }

    fn ensure_new(&mut self, rollout: &mut Rollout) -> Result<(), ApiError> {
        if rollout.new.is_some() {
            return Ok(());
        }
        let deployment = Arc::clone(&rollout.deployment);
        let spec = &deployment["spec"];
        let hash = template_hash(&spec["template"], int(&deployment, "/status/collisionCount"));
        let mut template = spec["template"].clone();
        template["metadata"]["labels"][HASH] = json!(hash);
        let mut selector = spec["selector"].clone();
        if selector["matchLabels"].is_null() {
            selector["matchLabels"] = json!({});
        }
        selector["matchLabels"][HASH] = json!(hash);
        let size = rollout.new_size(0);
        let set_name = format!("{}-{hash}", name(&deployment));
        let mut set = json!({
            "metadata": {
                "name": set_name,
                "namespace": deployment["metadata"]["namespace"],
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner_reference(&deployment, Kind::Deployment.api_version(), "Deployment")],
            },
            "spec": { "replicas": size, "selector": selector, "template": template },
        });
        if let Some(secs) = spec.get("minReadySeconds") {
            set["spec"]["minReadySeconds"] = secs.clone();
        }
        let newest = rollout.old.iter().map(|set| revision(set)).max().unwrap_or(0);
        set["metadata"]["annotations"] = set_annotations(rollout, &set, newest + 1);
        let created = match self.create(Kind::ReplicaSet, set) {
            Ok(created) => created,
            Err(error) => {
                let message = format!("Failed to create new replica set {set_name:?}: {error}");
                self.progress_condition(rollout, "False", "ReplicaSetCreateError", &message)?;
                return Err(error);
            }
        };
        if size > 0 {
            let message = format!("Scaled up replica set {set_name} from 0 to {size}");
            self.event(Kind::Deployment, &deployment, false, "ScalingReplicaSet", &message);
        }
        rollout.new = Some(created);
        Ok(())
    }

    fn progress_condition(&self, rollout: &Rollout, status: &str, reason: &str, message: &str) -> Result<(), ApiError> {
        let deployment = &rollout.deployment;
        if condition(deployment, "Progressing")
            .is_some_and(|have| have["reason"] == reason && have["message"] == message)
        {
            return Ok(());
        }
        let mut next = deployment["status"].clone();
        let mut conditions: Vec<Value> = items(deployment, "/status/conditions").cloned().collect();
        let want = json!({
            "type": "Progressing", "status": status, "reason": reason, "message": message, "lastUpdateTime": self.now(),
        });
        set_condition(&mut conditions, want, &self.now());
        next["conditions"] = json!(conditions);
        self.write_status(Kind::Deployment, deployment, next)
    }

    fn roll(&mut self, rollout: &mut Rollout) -> Result<bool, ApiError> {
        let fresh = rollout.new.is_none();
        self.ensure_new(rollout)?;
        if fresh {
            return Ok(true);
        }
        let Some(new) = rollout.new.clone() else { return Ok(false) };
        let wanted = rollout.wanted();
        let size = if replicas(&new) > wanted { wanted } else { rollout.new_size(replicas(&new)) };
        if size != replicas(&new) {
            rollout.new = Some(self.resize(rollout, &new, size)?);
            return Ok(true);
        }
        self.shrink_old(rollout, &new)
    }

    fn shrink_old(&mut self, rollout: &mut Rollout, new: &Value) -> Result<bool, ApiError> {
        let at_least = rollout.wanted() - rollout.max_unavailable();
        let missing = replicas(new) - available(new);
        let mut room = rollout.total() - at_least - missing;
        let mut moved = false;
        // Pods that do not work go first: they serve nobody.
        for at in 0..rollout.old.len() {
            let set = Arc::clone(&rollout.old[at]);
            let broken = (replicas(&set) - available(&set)).min(room);
            if broken > 0 {
                rollout.old[at] = self.resize(rollout, &set, replicas(&set) - broken)?;
                room -= broken;
                moved = true;
            }
        }
        let mut spare: i64 = rollout.all().map(|set| available(set)).sum::<i64>() - at_least;
        spare = spare.min(room);
        for at in 0..rollout.old.len() {
            let set = Arc::clone(&rollout.old[at]);
            let fewer = replicas(&set).min(spare);
            if fewer > 0 {
                rollout.old[at] = self.resize(rollout, &set, replicas(&set) - fewer)?;
                spare -= fewer;
                moved = true;
            }
        }
        Ok(moved)
    }

    fn recreate(&mut self, rollout: &mut Rollout) -> Result<bool, ApiError> {
        let mut moved = false;
        for at in 0..rollout.old.len() {
            let set = Arc::clone(&rollout.old[at]);
            if replicas(&set) > 0 {
                rollout.old[at] = self.resize(rollout, &set, 0)?;
                moved = true;
            }
        }
        let left = rollout.old.iter().map(|set| self.world.owned(uid(set), Kind::Pod).len()).sum::<usize>();
        if moved || left > 0 {
            return Ok(true);
        }
        self.ensure_new(rollout)?;
        let Some(new) = rollout.new.clone() else { return Ok(false) };
        if replicas(&new) != rollout.wanted() {
            rollout.new = Some(self.resize(rollout, &new, rollout.wanted())?);
            return Ok(true);
        }
        Ok(false)
    }

    /// Spreads a changed number of replicas over the ReplicaSets that have some, in proportion to their size.
    fn scale(&mut self, rollout: &Rollout) -> Result<(), ApiError> {
        let active: Vec<&Arc<Value>> = rollout.all().filter(|set| replicas(set) > 0).collect();
        match active.as_slice() {
            [] => {
                if let Some(set) = rollout.new.as_ref().or(rollout.old.last()) {
                    self.resize(rollout, set, rollout.wanted())?;
                }
            }
            [only] => {
                self.resize(rollout, only, rollout.wanted())?;
            }
            several => {
                let saturated = rollout
                    .new
                    .as_ref()
                    .is_some_and(|new| replicas(new) == rollout.wanted() && available(new) == rollout.wanted());
                let allowed = if rollout.wanted() > 0 { rollout.wanted() + rollout.max_surge() } else { 0 };
                let mut add = allowed - rollout.total();
                let (total, by) = (rollout.total().max(1), add);
                let mut largest_first: Vec<&&Arc<Value>> = several.iter().collect();
                largest_first.sort_by_key(|set| -replicas(set));
                for (at, set) in largest_first.iter().enumerate().rev() {
                    let is_new = rollout.new.as_ref().is_some_and(|new| uid(new) == uid(set));
                    // The largest comes last and takes what rounding left over.
                    let share = if at == 0 { add } else { by * replicas(set) / total };
                    add -= share;
                    let size = if saturated && !is_new { 0 } else { (replicas(set) + share).max(0) };
                    self.resize(rollout, set, size)?;
                }
            }
        }
        Ok(())
    }

    /// Sets a ReplicaSet's size and what it remembers of the Deployment's.
    fn resize(&self, rollout: &Rollout, set: &Arc<Value>, size: i64) -> Result<Arc<Value>, ApiError> {
        let before = replicas(set);
        let mut next = Value::clone(set);
        next["spec"]["replicas"] = json!(size);
        next["metadata"]["annotations"][DESIRED] = json!(rollout.wanted().to_string());
        next["metadata"]["annotations"][MAX] = json!((rollout.wanted() + rollout.max_surge()).to_string());
        if next == **set {
            return Ok(Arc::clone(set));
        }
        let updated = self.update(Kind::ReplicaSet, next)?;
        if size != before {
            let direction = if size > before { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {} from {before} to {size}", name(set));
            self.event(Kind::Deployment, &rollout.deployment, false, "ScalingReplicaSet", &message);
        }
        Ok(updated)
    }

    fn forget_old_revisions(&self, rollout: &Rollout) -> Result<(), ApiError> {
        let Some(limit) = rollout.deployment["spec"]["revisionHistoryLimit"].as_u64() else { return Ok(()) };
        let mut idle: Vec<&Arc<Value>> = (rollout.old.iter())
            .filter(|set| replicas(set) == 0 && int(set, "/status/replicas") == 0 && !is_deleted(set))
            .collect();
        idle.sort_by_key(|set| revision(set));
        let surplus = idle.len().saturating_sub(limit as usize);
        idle.into_iter().take(surplus).try_for_each(|set| self.delete(Kind::ReplicaSet, set))
    }

    fn deployment_status(&mut self, rollout: &Rollout, rolls: bool) -> Result<(), ApiError> {
        let deployment = &rollout.deployment;
        let mut status = counts(rollout);
        let now = self.now();
        let mut conditions: Vec<Value> = items(deployment, "/status/conditions").cloned().collect();
        let enough = int(&status, "/availableReplicas") >= rollout.wanted() - rollout.max_unavailable();
        let (word, reason, message) = if enough {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        update_condition(&mut conditions, "Available", word, reason, message, &now);
        pause_condition(rollout, &mut conditions, &now);
        if rolls {
            self.progress(rollout, &status, &mut conditions, &now);
        }
        replica_failure(rollout, &mut conditions, &now);
        status["conditions"] = json!(conditions);

        let newest = rollout.new.as_ref().and_then(|new| annotation(new, REVISION));
        if newest.is_some_and(|newest| annotation(deployment, REVISION) != Some(newest)) && !is_deleted(deployment) {
            let mut next = Value::clone(deployment);
            if next["metadata"]["annotations"].is_null() {
                next["metadata"]["annotations"] = json!({});
            }
            next["metadata"]["annotations"][REVISION] = json!(newest);
            next["status"] = status;
            return self.admin.update_status(&Kind::Deployment.gvr(), next).map(drop);
        }
        self.write_status(Kind::Deployment, deployment, status)
    }

    /// Tells how the rollout goes, and has it looked at again when its deadline passes.
    fn progress(&mut self, rollout: &Rollout, status: &Value, conditions: &mut Vec<Value>, now: &str) {
        let deployment = &rollout.deployment;
        let deadline_secs = int(deployment, "/spec/progressDeadlineSeconds");
        if deadline_secs >= i64::from(i32::MAX) {
            conditions.retain(|condition| condition["type"] != "Progressing");
            return;
        }
        let current = condition(deployment, "Progressing");
        let settled = int(status, "/replicas") == int(status, "/updatedReplicas")
            && current.is_some_and(|current| current["reason"] == "NewReplicaSetAvailable");
        if settled {
            return;
        }
        let what = match &rollout.new {
            Some(new) => format!("ReplicaSet {:?}", name(new)),
            None => format!("Deployment {:?}", name(deployment)),
        };
        if is_complete(rollout, status) {
            let message = format!("{what} has successfully progressed.");
            update_condition(conditions, "Progressing", "True", "NewReplicaSetAvailable", &message, now);
            return;
        }
        let resumed = current.is_some_and(|current| current["status"] == "Unknown");
        if current.is_none() || resumed || has_progressed(&deployment["status"], status) {
            let message = format!("{what} is progressing.");
            let transition = current.filter(|current| current["status"] == "True");
            let transition = transition.map_or(json!(now), |current| current["lastTransitionTime"].clone());
            conditions.retain(|condition| condition["type"] != "Progressing");
            conditions.push(json!({
                "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": message,
                "lastUpdateTime": now, "lastTransitionTime": transition,
            }));
        }
        let since = conditions.iter().find(|condition| condition["type"] == "Progressing");
        let since = since.map_or(Value::Null, |condition| condition["lastUpdateTime"].clone());
        let wait = left(&since, deadline_secs, self.admin.now());
        if wait > Duration::ZERO {
            let id = Id::new(Kind::Deployment, super::object::namespace(deployment), name(deployment));
            self.later(id, wait);
        } else {
            let message = format!("{what} has timed out progressing.");
            update_condition(conditions, "Progressing", "False", "ProgressDeadlineExceeded", &message, now);
        }
    }
}

fn is_paused(rollout: &Rollout) -> bool {
    rollout.deployment["spec"]["paused"] == true
}

/// Says once that a rollout stands still, and once that it goes on.
fn pause_condition(rollout: &Rollout, conditions: &mut Vec<Value>, now: &str) {
    let reason =
        condition(&rollout.deployment, "Progressing").map_or("", |have| have["reason"].as_str().unwrap_or_default());
    if ["ReplicaSetCreateError", "ProgressDeadlineExceeded"].contains(&reason) {
        return;
    }
    if is_paused(rollout) {
        update_condition(conditions, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now);
    } else if reason == "DeploymentPaused" {
        update_condition(conditions, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed", now);
    }
}

fn revision(set: &Value) -> i64 {
    annotation(set, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The wanted number changed since the ReplicaSets were last told.
fn is_scaled(rollout: &Rollout) -> bool {
    let told = |set: &Arc<Value>| annotation(set, DESIRED).and_then(|text| text.parse::<i64>().ok());
    rollout.all().filter(|set| replicas(set) > 0).any(|set| told(set).is_some_and(|told| told != rollout.wanted()))
}

fn set_annotations(rollout: &Rollout, set: &Value, number: i64) -> Value {
    let mut map: Map<String, Value> = set["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    for (key, value) in rollout.deployment["metadata"]["annotations"].as_object().into_iter().flatten() {
        if !NOT_COPIED.contains(&key.as_str()) {
            map.insert(key.clone(), value.clone());
        }
    }
    map.insert(REVISION.to_owned(), json!(number.to_string()));
    map.entry(DESIRED).or_insert_with(|| json!(rollout.wanted().to_string()));
    map.entry(MAX).or_insert_with(|| json!((rollout.wanted() + rollout.max_surge()).to_string()));
    Value::Object(map)
}

fn is_complete(rollout: &Rollout, status: &Value) -> bool {
    let wanted = rollout.wanted();
    ["/updatedReplicas", "/replicas", "/availableReplicas"].iter().all(|field| int(status, field) == wanted)
        && int(status, "/observedGeneration") >= int(&rollout.deployment, "/metadata/generation")
}

fn has_progressed(before: &Value, after: &Value) -> bool {
    let old = |status: &Value| int(status, "/replicas") - int(status, "/updatedReplicas");
    let more = |field: &str| int(after, field) > int(before, field);
    more("/updatedReplicas") || old(after) < old(before) || more("/readyReplicas") || more("/availableReplicas")
}

fn counts(rollout: &Rollout) -> Value {
    let sum = |field: &str| rollout.all().map(|set| int(set, field)).sum::<i64>();
    let available = sum("/status/availableReplicas");
    let mut status = json!({ "observedGeneration": rollout.deployment["metadata"]["generation"] });
    let fields = [
        ("replicas", sum("/status/replicas")),
        ("updatedReplicas", rollout.new.as_ref().map_or(0, |new| int(new, "/status/replicas"))),
        ("readyReplicas", sum("/status/readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (rollout.total() - available).max(0)),
    ];
    for (field, value) in fields.into_iter().filter(|(_, value)| *value != 0) {
        status[field] = json!(value);
    }
    status["terminatingReplicas"] = json!(sum("/status/terminatingReplicas"));
    if let Some(collisions) = rollout.deployment["status"].get("collisionCount") {
        status["collisionCount"] = collisions.clone();
    }
    status
}

fn replica_failure(rollout: &Rollout, conditions: &mut Vec<Value>, now: &str) {
    conditions.retain(|condition| condition["type"] != "ReplicaFailure");
    let failure = rollout.new.iter().chain(&rollout.old).find_map(|set| condition(set, "ReplicaFailure"));
    if let Some(failure) = failure {
        let mut failure = failure.clone();
        failure["lastUpdateTime"] = failure.get("lastTransitionTime").cloned().unwrap_or_else(|| json!(now));
        conditions.push(failure);
    }
}

/// Sets a condition unless status and reason are already so (`SetDeploymentCondition`).
fn update_condition(conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str, now: &str) {
    let same = |have: &Value| have["type"] == kind && have["status"] == status && have["reason"] == reason;
    if conditions.iter().any(same) {
        return;
    }
    let want = json!({ "type": kind, "status": status, "reason": reason, "message": message, "lastUpdateTime": now });
    set_condition(conditions, want, now);
}
