//! `TaintNodesByCondition`: a new node takes no pods until a controller has seen that it is ready.

use serde_json::{Value, json};

use super::Request;

pub(crate) const NOT_READY: &str = "node.kubernetes.io/not-ready";

pub(super) fn mutate(request: &Request<'_>, node: &mut Value) {
    if !request.is_create_of("", "nodes") {
        return;
    }
    let taints = &mut node["spec"]["taints"];
    if !taints.is_array() {
        *taints = json!([]);
    }
    if let Value::Array(taints) = taints
        && !taints.iter().any(|taint| taint["key"] == NOT_READY && taint["effect"] == "NoSchedule")
    {
        taints.push(json!({ "key": NOT_READY, "effect": "NoSchedule" }));
    }
}
