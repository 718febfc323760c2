//! StatefulSets: numbered pods with numbered claims, made and replaced in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Simulation;
use super::object::{int, is_deleted, is_ready, items, label, name, namespace, owner_reference, pod_from, text, uid};
use super::revisions::HASH;
use super::world::Kind;
use crate::error::ApiError;

fn ordinal(pod: &Value) -> i64 {
    name(pod).rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or(-1)
}

impl Simulation {
    pub(super) fn stateful_set(&mut self, namespace: &str, set_name: &str) -> Result<(), ApiError> {
        let Some(set) = self.world.get(Kind::StatefulSet, namespace, set_name) else { return Ok(()) };
        // A pod is a member by its name as well: that of the set and a number.
        let is_member = |pod: &Value| {
            let number = name(pod).strip_prefix(set_name).and_then(|rest| rest.strip_prefix('-'));
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        let pods = self.claimed(Kind::StatefulSet, &set, Kind::Pod, is_member)?;
        let pods: BTreeMap<i64, Arc<Value>> = pods.into_iter().map(|pod| (ordinal(&pod), pod)).collect();
        let current = text(&set, "/status/currentRevision").to_owned();
        let update = self.revision(Kind::StatefulSet, &set, &[&current])?;
        let update = name(&update).to_owned();
        let current = if current.is_empty() { update.clone() } else { current };
        if !is_deleted(&set) {
            self.move_pods(&set, &pods, &current, &update)?;
        }
        self.stateful_set_status(&set, &current, &update)
    }

    /// Takes the next step: make the first missing pod, remove the last surplus one, or replace the last outdated one.
    fn move_pods(
        &self,
        set: &Value,
        pods: &BTreeMap<i64, Arc<Value>>,
        current: &str,
        update: &str,
    ) -> Result<(), ApiError> {
        let start = int(set, "/spec/ordinals/start");
        let wanted = start..start + int(set, "/spec/replicas");
        let ordered = set["spec"]["podManagementPolicy"] != "Parallel";
        let partition = int(set, "/spec/updateStrategy/rollingUpdate/partition");
        for at in wanted.clone() {
            match pods.get(&at) {
                None => {
                    let revision = if at - start < partition { current } else { update };
                    self.spawn_numbered(set, at, revision)?;
                    if ordered {
                        return Ok(());
                    }
                }
                Some(pod) if text(pod, "/status/phase") == "Failed" || text(pod, "/status/phase") == "Succeeded" => {
                    self.delete(Kind::Pod, pod)?;
                    return Ok(());
                }
                Some(pod) if ordered && (is_deleted(pod) || !is_ready(pod)) => {
                    // A pod that stands in the way of the next is replaced when its template is the reason.
                    if label(pod, HASH) == Some(update) || at - start < partition || is_deleted(pod) {
                        return Ok(());
                    }
                }
                Some(_) => {}
            }
        }
        let surplus: Vec<&Arc<Value>> =
            pods.iter().rev().filter(|(at, _)| !wanted.contains(at)).map(|(_, pod)| pod).collect();
        for pod in surplus {
            if !is_deleted(pod) {
                self.delete(Kind::Pod, pod)?;
                self.event(Kind::StatefulSet, set, false, "SuccessfulDelete", &deletion_message(set, pod));
                if set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"] == "Delete" {
                    // They wait for the pod to be gone.
                    self.claims_of(set, name(pod)).iter().try_for_each(|claim| self.delete(Kind::Claim, claim))?;
                }
            }
            if ordered {
                return Ok(());
            }
        }
        if set["spec"]["updateStrategy"]["type"] == "OnDelete" {
            return Ok(());
        }
        for at in wanted.rev().take_while(|at| at - start >= partition) {
            let Some(pod) = pods.get(&at) else { return Ok(()) };
            if label(pod, HASH) != Some(update) && !is_deleted(pod) {
                self.delete(Kind::Pod, pod)?;
                self.event(Kind::StatefulSet, set, false, "SuccessfulDelete", &deletion_message(set, pod));
                return Ok(());
            }
            if is_deleted(pod) || !is_ready(pod) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn spawn_numbered(&self, set: &Value, at: i64, revision: &str) -> Result<(), ApiError> {
        let pod_name = format!("{}-{at}", name(set));
        // During a partitioned update the lower pods keep the older template.
        let old = self.world.get(Kind::ControllerRevision, namespace(set), revision);
        let template =
            old.as_ref().and_then(|old| old.pointer("/data/spec/template")).unwrap_or(&set["spec"]["template"]);
        let mut pod = pod_from(template, set, Kind::StatefulSet.api_version(), "StatefulSet");
        pod["metadata"]["name"] = json!(pod_name);
        pod["metadata"]["generateName"] = json!(format!("{}-", name(set)));
        if pod["metadata"]["labels"].is_null() {
            pod["metadata"]["labels"] = json!({});
        }
        for (key, value) in [
            (HASH, revision),
            ("apps.kubernetes.io/pod-index", at.to_string().as_str()),
            ("statefulset.kubernetes.io/pod-name", pod_name.as_str()),
        ] {
            pod["metadata"]["labels"][key] = json!(value);
        }
        pod["spec"]["hostname"] = json!(pod_name);
        if let Some(service) = set["spec"].get("serviceName") {
            pod["spec"]["subdomain"] = service.clone();
        }
        for template in items(set, "/spec/volumeClaimTemplates") {
            let claim = format!("{}-{pod_name}", name(template));
            self.ensure_claim(set, template, &claim)?;
            let mount = json!({ "name": name(template), "persistentVolumeClaim": { "claimName": claim } });
            let mut volumes: Vec<Value> =
                items(&pod, "/spec/volumes").filter(|have| have["name"] != name(template)).cloned().collect();
            volumes.push(mount);
            pod["spec"]["volumes"] = json!(volumes);
        }
        self.create(Kind::Pod, pod)?;
        let message = format!("create Pod {pod_name} in StatefulSet {} successful", name(set));
        self.event(Kind::StatefulSet, set, false, "SuccessfulCreate", &message);
        Ok(())
    }

    fn claims_of(&self, set: &Value, pod: &str) -> Vec<Arc<Value>> {
        let names = items(set, "/spec/volumeClaimTemplates").map(|template| format!("{}-{pod}", name(template)));
        names.filter_map(|claim| self.world.get(Kind::Claim, namespace(set), &claim)).collect()
    }

    fn ensure_claim(&self, set: &Value, template: &Value, claim: &str) -> Result<(), ApiError> {
        if self.world.get(Kind::Claim, namespace(set), claim).is_some() {
            return Ok(());
        }
        let mut labels = template["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        labels.extend(set["spec"]["selector"]["matchLabels"].as_object().cloned().unwrap_or_default());
        let mut object = json!({
            "metadata": {
                "name": claim,
                "namespace": namespace(set),
                "labels": labels,
                "annotations": template["metadata"].get("annotations").cloned().unwrap_or_else(|| json!({})),
            },
            "spec": template["spec"],
        });
        if set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete" {
            let owner = owner_reference(set, Kind::StatefulSet.api_version(), "StatefulSet");
            object["metadata"]["ownerReferences"] = json!([owner]);
        }
        match self.create(Kind::Claim, object) {
            Err(error) if !error.is_conflict() && error.code != 409 => Err(error),
            _ => Ok(()),
        }
    }

    fn stateful_set_status(&mut self, set: &Value, current: &str, update: &str) -> Result<(), ApiError> {
        // Looked up again, for a pod may just have been made.
        let mut pods = self.world.owned(uid(set), Kind::Pod);
        pods.retain(|pod| !is_deleted(pod));
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        let available = self.available(Kind::StatefulSet, set, &pods);
        let at = |revision: &str| pods.iter().filter(|pod| label(pod, HASH) == Some(revision)).count();
        let wanted = usize::try_from(int(set, "/spec/replicas")).unwrap_or(0);
        let rolled_out = at(update) == pods.len() && ready == pods.len() && pods.len() == wanted;
        let current = if rolled_out { update } else { current };
        let mut status = json!({
            "observedGeneration": set["metadata"]["generation"],
            "replicas": pods.len(),
            "availableReplicas": available,
            "collisionCount": set["status"].get("collisionCount").cloned().unwrap_or_else(|| json!(0)),
            "currentRevision": current,
            "updateRevision": update,
        });
        let fields = [("readyReplicas", ready), ("currentReplicas", at(current)), ("updatedReplicas", at(update))];
        for (field, value) in fields.into_iter().filter(|(_, value)| *value != 0) {
            status[field] = json!(value);
        }
        self.write_status(Kind::StatefulSet, set, status)
    }
}

fn deletion_message(set: &Value, pod: &Value) -> String {
    format!("delete Pod {} in StatefulSet {} successful", name(pod), name(set))
}
