//! Nodes: the taint a node is born with goes when it is ready.

use serde_json::Value;

use super::Simulation;
use super::object::is_ready;
use super::world::Kind;
use crate::admission::NOT_READY;
use crate::error::ApiError;

impl Simulation {
    pub(super) fn node(&mut self, name: &str) -> Result<(), ApiError> {
        let Some(node) = self.world.get(Kind::Node, "", name).filter(|node| is_ready(node)) else { return Ok(()) };
        let mut next = Value::clone(&node);
        let Some(taints) = next["spec"]["taints"].as_array_mut() else { return Ok(()) };
        taints.retain(|taint| taint["key"] != NOT_READY);
        if taints.is_empty() {
            next["spec"].as_object_mut().map(|spec| spec.remove("taints"));
        }
        if next == *node { Ok(()) } else { self.update(Kind::Node, next).map(drop) }
    }
}
