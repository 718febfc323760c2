//! What every check asks of an object.

use bowline_model::{Health, HealthStatus, Object};
use serde_json::Value;

/// One entry of `status.conditions`. Fields that are absent are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition<'o> {
    pub(crate) kind: &'o str,
    pub(crate) status: &'o str,
    pub(crate) reason: &'o str,
    pub(crate) message: &'o str,
}

impl<'o> Condition<'o> {
    /// Reads one condition by fields named as Kubernetes names them.
    pub(crate) fn read(value: &'o Value) -> Self {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        Self { kind: text("type"), status: text("status"), reason: text("reason"), message: text("message") }
    }

    pub(crate) fn is(&self, kind: &str, status: &str) -> bool {
        self.kind == kind && self.status == status
    }

    /// The message, or the reason where there is none.
    pub(crate) fn words(&self) -> &'o str {
        if self.message.is_empty() { self.reason } else { self.message }
    }
}

/// Returns `status.conditions`, in their order.
pub(crate) fn conditions(object: &Object) -> impl Iterator<Item = Condition<'_>> {
    items(object, "/status/conditions").iter().map(Condition::read)
}

/// Finds the first condition of a type.
pub(crate) fn condition<'o>(object: &'o Object, kind: &str) -> Option<Condition<'o>> {
    conditions(object).find(|condition| condition.kind == kind)
}

/// Returns a list; an absent one is empty.
pub(crate) fn items<'o>(object: &'o Object, pointer: &str) -> &'o [Value] {
    object.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns an integer; `None` when it is absent or none.
pub(crate) fn integer(object: &Object, pointer: &str) -> Option<i64> {
    object.at(pointer).and_then(Value::as_i64)
}

/// Returns an integer of the status; 0 when it is absent, as Go's typed structs read it.
pub(crate) fn count(object: &Object, pointer: &str) -> i64 {
    integer(object, pointer).unwrap_or(0)
}

pub(crate) fn text<'o>(object: &'o Object, pointer: &str) -> &'o str {
    object.text(pointer).unwrap_or_default()
}

pub(crate) fn is_true(object: &Object, pointer: &str) -> bool {
    object.at(pointer) == Some(&Value::Bool(true))
}

/// Holds a hook back until Argo CD has looked at it: such an object is not on its way out yet.
const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";

/// Tells whether an object is being deleted, and not only held by the finalizer of a hook.
pub(crate) fn is_going(object: &Object) -> bool {
    object.is_deleting() && !object.finalizers().any(|finalizer| finalizer == HOOK_FINALIZER)
}

pub(crate) fn healthy(message: impl Into<String>) -> Health {
    Health::new(HealthStatus::Healthy, message)
}

pub(crate) fn progressing(message: impl Into<String>) -> Health {
    Health::new(HealthStatus::Progressing, message)
}

pub(crate) fn degraded(message: impl Into<String>) -> Health {
    Health::new(HealthStatus::Degraded, message)
}

pub(crate) fn suspended(message: impl Into<String>) -> Health {
    Health::new(HealthStatus::Suspended, message)
}

pub(crate) fn unknown(message: impl Into<String>) -> Health {
    Health::new(HealthStatus::Unknown, message)
}
