//! Pods: a node for each, a status from its kubelet, and an end.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Simulation;
use super::kubelet::{Fault, fits, status, unschedulable};
use super::object::{condition, is_deleted, items, name, namespace, text, uid};
use super::world::{Id, Kind};
use crate::admin::Admin;
use crate::auth::User;
use crate::error::ApiError;
use crate::registry::DeleteOptions;

impl Simulation {
    pub(super) fn pod(&mut self, namespace: &str, pod_name: &str) -> Result<(), ApiError> {
        let Some(pod) = self.world.get(Kind::Pod, namespace, pod_name) else { return Ok(()) };
        if is_deleted(&pod) {
            return self.end(&pod);
        }
        if matches!(text(&pod, "/status/phase"), "Succeeded" | "Failed") {
            return Ok(());
        }
        if !text(&pod, "/spec/nodeName").is_empty() {
            return self.report(&pod);
        }
        // Another scheduler's pods are left to it.
        if text(&pod, "/spec/schedulerName") == "default-scheduler" { self.schedule(&pod) } else { Ok(()) }
    }

    /// Lets a deleted pod go at once: its containers take no time to stop.
    fn end(&self, pod: &Value) -> Result<(), ApiError> {
        if pod["metadata"]["deletionGracePeriodSeconds"] == 0 {
            // It has been said; finalizers hold it.
            return Ok(());
        }
        let options =
            DeleteOptions { grace_period_secs: Some(0), uid: Some(uid(pod).to_owned()), ..DeleteOptions::default() };
        self.kubelet_of(pod).delete(&Kind::Pod.gvr(), namespace(pod), name(pod), &options).map(drop)
    }

    /// Returns the hands of the kubelet of a pod's node.
    fn kubelet_of(&self, pod: &Value) -> Admin {
        let node = format!("system:node:{}", text(pod, "/spec/nodeName"));
        let mut kubelet = self.kubelet.clone();
        kubelet.act_as(Some(&Arc::new(User::new(node).in_groups(["system:nodes"]).authenticated())));
        kubelet
    }

    fn schedule(&mut self, pod: &Value) -> Result<(), ApiError> {
        let nodes = self.world.list(Kind::Node, "");
        let usable = nodes.iter().filter(|node| {
            node["spec"]["unschedulable"] != true && super::object::is_true(node, "Ready") && fits(pod, node)
        });
        let load = |node: &Value| self.world.pods_per_node.get(name(node)).copied().unwrap_or(0);
        let gated = items(pod, "/spec/schedulingGates").next().is_some();
        let chosen = usable.min_by_key(|node| (load(node), name(node).to_owned()));
        let chosen = chosen.filter(|_| Fault::of(pod) != Fault::Pending && !gated);
        let Some(node) = chosen else {
            let next = unschedulable(pod, nodes.len(), self.admin.now());
            let fresh = condition(pod, "PodScheduled").is_none();
            Self::write_status_as(&self.scheduler, Kind::Pod, pod, next.clone())?;
            if fresh {
                let why = items(&next, "/conditions").find(|have| have["type"] == "PodScheduled");
                let why = why.map_or("", |have| text(have, "/message")).to_owned();
                self.event(Kind::Pod, pod, true, "FailedScheduling", &why);
            }
            return Ok(());
        };
        self.scheduler.bind((namespace(pod), name(pod)), name(node))?;
        let message = format!("Successfully assigned {}/{} to {}", namespace(pod), name(pod), name(node));
        self.event(Kind::Pod, pod, false, "Scheduled", &message);
        Ok(())
    }

    fn report(&mut self, pod: &Value) -> Result<(), ApiError> {
        let node = self.world.get(Kind::Node, "", text(pod, "/spec/nodeName"));
        let host = node.as_deref().map_or("", |node| {
            let address = items(node, "/status/addresses").find(|address| address["type"] == "InternalIP");
            address.map_or("", |address| text(address, "/address"))
        });
        let pod_ip = if pod["spec"]["hostNetwork"] == true { host.to_owned() } else { address_of(uid(pod)) };
        let (next, again) = status(pod, (&pod_ip, host), self.admin.cluster_options().start_delay, self.admin.now());
        if let Some(wait) = again {
            self.later(Id::new(Kind::Pod, namespace(pod), name(pod)), wait);
        }
        let waits = |status: &Value| text(status, "/containerStatuses/0/state/waiting/reason").to_owned();
        let (before, after) = (waits(&pod["status"]), waits(&next));
        let is_first = pod["status"].get("containerStatuses").is_none();
        let runs = next["containerStatuses"][0]["state"].get("waiting").is_none();
        let ran = pod["status"]["containerStatuses"][0]["state"].get("running").is_some();
        Self::write_status_as(&self.kubelet_of(pod), Kind::Pod, pod, next)?;
        if (runs && !ran && (is_first || before == "ContainerCreating")) || (is_first && after == "CrashLoopBackOff") {
            self.tell_start(pod);
        }
        if after != before && after.ends_with("BackOff") {
            self.tell_back_off(pod, &after);
        }
        Ok(())
    }

    /// Says of each container what its kubelet says when it starts.
    fn tell_start(&self, pod: &Value) {
        for container in items(pod, "/spec/containers") {
            let image = text(container, "/image");
            let pulled = format!("Container image {image:?} already present on machine and can be accessed by the pod");
            self.event(Kind::Pod, pod, false, "Pulled", &pulled);
            self.event(Kind::Pod, pod, false, "Created", "Container created");
            self.event(Kind::Pod, pod, false, "Started", "Container started");
        }
    }

    fn tell_back_off(&self, pod: &Value, why: &str) {
        let place = format!("{}_{}({})", name(pod), namespace(pod), uid(pod));
        for container in items(pod, "/spec/containers") {
            let (container, image) = (text(container, "/name"), text(container, "/image"));
            if why == "CrashLoopBackOff" {
                let message = format!("Back-off restarting failed container {container} in pod {place}");
                self.event(Kind::Pod, pod, true, "BackOff", &message);
            } else {
                self.event(Kind::Pod, pod, false, "Pulling", &format!("Pulling image {image:?}"));
                self.event(Kind::Pod, pod, true, "Failed", &super::kubelet::pull_failure(image));
                self.event(Kind::Pod, pod, true, "Failed", "Error: ErrImagePull");
                self.event(Kind::Pod, pod, false, "BackOff", &format!("Back-off pulling image {image:?}"));
                self.event(Kind::Pod, pod, true, "Failed", "Error: ImagePullBackOff");
            }
        }
    }
}

/// Returns an address within 10.244.0.0/14 that follows from the uid, so that no pool has to be kept.
fn address_of(uid: &str) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in uid.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    let [_, _, high, low] = hash.to_be_bytes();
    let second = 244 + (hash >> 24 & 3);
    format!("10.{second}.{high}.{}", low.clamp(1, 254))
}

/// Returns what a Service's endpoints say of a pod, once it has an address.
pub(super) fn endpoint_of(pod: &Value) -> Option<Value> {
    let ip = pod["status"]["podIP"].as_str()?;
    let ready = super::object::is_ready(pod) && !is_deleted(pod);
    Some(json!({
        "addresses": [ip],
        "conditions": {
            "ready": ready,
            "serving": super::object::is_ready(pod),
            "terminating": is_deleted(pod),
        },
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": { "kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod) },
    }))
}
