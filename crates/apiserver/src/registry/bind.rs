//! The `binding` subresource: a pod gets its node.

use serde_json::{Value, json};

use super::{Registry, Target, is_terminating, meta_text, metadata};
use crate::error::ApiError;

impl Registry<'_> {
    /// Gives a pod the node that a `Binding` names, as a scheduler asks for.
    ///
    /// No field manager is noted and no generation begins, as upstream, where a binding writes past both
    /// (k8s: `pkg/registry/core/pod/storage`).
    pub(crate) fn bind(&mut self, target: &Target<'_>, binding: &Value) -> Result<(), ApiError> {
        let name = target.name;
        if meta_text(binding, "name") != name {
            return Err(ApiError::bad_request("name in URL does not match name in Binding object"));
        }
        check_target(&binding["target"])?;
        let live = self.live(target)?;
        let refuse = |why: String| Err(ApiError::kind_conflict("", "pods/binding", name, &why));
        let mut pod = Value::clone(&live.value);
        if is_terminating(&pod) {
            return refuse(format!("pod {name} is being deleted, cannot be assigned to a host"));
        }
        if let Some(node) = pod["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
            return refuse(format!("pod {name} is already assigned to node {node:?}"));
        }
        pod["spec"]["nodeName"] = binding["target"]["name"].clone();
        for key in ["annotations", "labels"] {
            for (name, value) in binding["metadata"][key].as_object().into_iter().flatten() {
                metadata(&mut pod).entry(key).or_insert_with(|| json!({}))[name] = value.clone();
            }
        }
        schedule(&mut pod, &self.clock.now_seconds());
        self.commit(target.resource, target.key(), pod)?;
        Ok(())
    }
}

fn check_target(node: &Value) -> Result<(), ApiError> {
    let kind = node["kind"].as_str().unwrap_or_default();
    if !matches!(kind, "" | "Node") {
        let why = format!("target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\"");
        return Err(ApiError::unforeseen(why));
    }
    if node["name"].as_str().unwrap_or_default().is_empty() {
        return Err(ApiError::unforeseen("target.name: Required value"));
    }
    Ok(())
}

/// Notes that the pod has its node.
fn schedule(pod: &mut Value, now: &str) {
    let conditions = &mut pod["status"]["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let done = json!({ "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now });
    if let Value::Array(conditions) = conditions {
        conditions.retain(|condition| condition["type"] != "PodScheduled");
        conditions.push(done);
    }
}
