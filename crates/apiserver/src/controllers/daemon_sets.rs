//! DaemonSets: one pod for each node that fits.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Simulation;
use super::kubelet::fits;
use super::object::{int, int_or_percent, is_deleted, is_ready, items, label, name, pod_from, text};
use super::revisions::{HASH, hash_of};
use super::world::Kind;
use crate::error::ApiError;

/// Returns the node a daemon pod is for, which its affinity names before the scheduler agrees.
fn node_of(pod: &Value) -> &str {
    let bound = text(pod, "/spec/nodeName");
    if bound.is_empty() {
        let terms = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
        return text(pod, &format!("{terms}/0/matchFields/0/values/0"));
    }
    bound
}

impl Simulation {
    pub(super) fn daemon_set(&mut self, namespace: &str, set_name: &str) -> Result<(), ApiError> {
        let Some(set) = self.world.get(Kind::DaemonSet, namespace, set_name) else { return Ok(()) };
        let revision = self.revision(Kind::DaemonSet, &set, &[])?;
        let hash = hash_of(&revision);
        let probe = json!({ "spec": set["spec"]["template"]["spec"] });
        let nodes = self.world.list(Kind::Node, "");
        let wanted: Vec<&str> = nodes.iter().filter(|node| fits(&probe, node)).map(|node| name(node)).collect();
        let mut pods: BTreeMap<String, Vec<Arc<Value>>> = BTreeMap::new();
        for pod in self.claimed(Kind::DaemonSet, &set, Kind::Pod, |_| true)? {
            pods.entry(node_of(&pod).to_owned()).or_default().push(pod);
        }
        if !is_deleted(&set) {
            self.place(&set, &wanted, &pods, &hash)?;
        }
        self.daemon_set_status(&set, &wanted, &pods, &hash)
    }

    fn place(
        &self,
        set: &Value,
        wanted: &[&str],
        pods: &BTreeMap<String, Vec<Arc<Value>>>,
        hash: &str,
    ) -> Result<(), ApiError> {
        for (node, there) in pods {
            let keep = usize::from(wanted.contains(&node.as_str()));
            let live = there.iter().filter(|pod| !is_deleted(pod));
            let ended = live.clone().filter(|pod| matches!(text(pod, "/status/phase"), "Failed" | "Succeeded"));
            for pod in ended.chain(live.skip(keep)) {
                self.delete(Kind::Pod, pod)?;
            }
        }
        for node in wanted {
            if pods.get(*node).is_none_or(|there| there.iter().all(|pod| is_deleted(pod))) {
                self.spawn_on(set, node, hash)?;
            }
        }
        if set["spec"]["updateStrategy"]["type"] == "OnDelete" {
            return Ok(());
        }
        let rolling = &set["spec"]["updateStrategy"]["rollingUpdate"];
        let may_miss = int_or_percent(&rolling["maxUnavailable"], wanted.len() as i64, true).max(1);
        let on = |node: &&str| pods.get(*node).into_iter().flatten().find(|pod| !is_deleted(pod));
        let missing = wanted.iter().filter(|node| on(node).is_none_or(|pod| !is_ready(pod))).count() as i64;
        let outdated: Vec<&Arc<Value>> =
            wanted.iter().filter_map(on).filter(|pod| label(pod, HASH) != Some(hash)).collect();
        // Replacing what does not work costs nothing.
        let (broken, working): (Vec<_>, Vec<_>) = outdated.into_iter().partition(|pod| !is_ready(pod));
        let room = usize::try_from(may_miss - missing).unwrap_or(0);
        broken.into_iter().chain(working.into_iter().take(room)).try_for_each(|pod| self.delete(Kind::Pod, pod))
    }

    fn spawn_on(&self, set: &Value, node: &str, hash: &str) -> Result<(), ApiError> {
        let mut pod = pod_from(&set["spec"]["template"], set, Kind::DaemonSet.api_version(), "DaemonSet");
        pod["metadata"]["generateName"] = json!(format!("{}-", name(set)));
        pod["metadata"]["labels"][HASH] = json!(hash);
        pod["metadata"]["labels"]["pod-template-generation"] = json!(int(set, "/metadata/generation").to_string());
        pod["spec"]["affinity"] = json!({
            "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
                { "matchFields": [{ "key": "metadata.name", "operator": "In", "values": [node] }] }
            ] } },
        });
        let mut tolerations: Vec<Value> = items(set, "/spec/template/spec/tolerations").cloned().collect();
        for (key, effect) in [
            ("node.kubernetes.io/not-ready", "NoExecute"),
            ("node.kubernetes.io/unreachable", "NoExecute"),
            ("node.kubernetes.io/disk-pressure", "NoSchedule"),
            ("node.kubernetes.io/memory-pressure", "NoSchedule"),
            ("node.kubernetes.io/pid-pressure", "NoSchedule"),
            ("node.kubernetes.io/unschedulable", "NoSchedule"),
        ] {
            tolerations.push(json!({ "key": key, "operator": "Exists", "effect": effect }));
        }
        pod["spec"]["tolerations"] = json!(tolerations);
        let created = self.create(Kind::Pod, pod)?;
        self.event(Kind::DaemonSet, set, false, "SuccessfulCreate", &format!("Created pod: {}", name(&created)));
        Ok(())
    }

    fn daemon_set_status(
        &mut self,
        set: &Value,
        wanted: &[&str],
        pods: &BTreeMap<String, Vec<Arc<Value>>>,
        hash: &str,
    ) -> Result<(), ApiError> {
        let live: Vec<Arc<Value>> = pods.values().flatten().filter(|pod| !is_deleted(pod)).cloned().collect();
        let (here, elsewhere): (Vec<_>, Vec<_>) = live.into_iter().partition(|pod| wanted.contains(&node_of(pod)));
        let available = self.available(Kind::DaemonSet, set, &here);
        let mut status = json!({
            "currentNumberScheduled": here.len(),
            "desiredNumberScheduled": wanted.len(),
            "numberMisscheduled": elsewhere.len(),
            "numberReady": here.iter().filter(|pod| is_ready(pod)).count(),
            "observedGeneration": set["metadata"]["generation"],
        });
        let fields = [
            ("numberAvailable", available),
            ("numberUnavailable", wanted.len().saturating_sub(available)),
            ("updatedNumberScheduled", here.iter().filter(|pod| label(pod, HASH) == Some(hash)).count()),
        ];
        for (field, value) in fields.into_iter().filter(|(_, value)| *value != 0) {
            status[field] = json!(value);
        }
        self.write_status(Kind::DaemonSet, set, status)
    }
}
