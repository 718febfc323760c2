use bowline_engine::{EventDraft, Raised};
use bowline_model::Object;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{READY, RECONCILING, STALLED, time_text};
use crate::api::{Condition, FINALIZER, REQUESTED_AT};

/// The longest message that a condition may hold, by the definitions' own schema.
const MAX_MESSAGE_BYTES: usize = 32_768;

/// A status being rewritten: what stands there, and what should.
pub(super) struct Draft<'a> {
    pub(super) resource: &'a Object,
    generation: i64,
    now: Timestamp,
    status: Map<String, Value>,
    had: Vec<Condition>,
    conditions: Vec<Condition>,
}

impl<'a> Draft<'a> {
    /// Starts from what stands in the resource's status; `generation` is the one that is being answered.
    pub(super) fn of(resource: &'a Object, generation: i64, now: Timestamp) -> Self {
        let status = resource.at("/status").and_then(Value::as_object).cloned().unwrap_or_default();
        let had: Vec<Condition> = status
            .get("conditions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|condition| serde_json::from_value(condition.clone()).ok())
            .collect();
        Self { resource, generation, now, status, conditions: had.clone(), had }
    }

    /// Returns a condition as it is now.
    pub(super) fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Tells whether a condition is there with this status.
    pub(super) fn is(&self, kind: &str, status: &str) -> bool {
        self.condition(kind).is_some_and(|condition| condition.status == status)
    }

    /// Sets a condition; its time moves only when its status does.
    pub(super) fn mark(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let message = cut(message);
        let had = self.had.iter().find(|condition| condition.kind == kind && condition.status == status);
        let condition = Condition {
            last_transition_time: had.map_or_else(|| time_text(self.now), |had| had.last_transition_time.clone()),
            message: message.to_owned(),
            observed_generation: Some(self.generation),
            reason: reason.to_owned(),
            status: status.to_owned(),
            kind: kind.to_owned(),
        };
        match self.conditions.iter_mut().find(|condition| condition.kind == kind) {
            Some(place) => *place = condition,
            None => self.conditions.push(condition),
        }
    }

    /// Takes a condition off.
    pub(super) fn remove(&mut self, kind: &str) {
        self.conditions.retain(|condition| condition.kind != kind);
    }

    /// Tells whether `Ready` says something else than it did.
    pub(super) fn ready_changed(&self) -> bool {
        let said = |conditions: &[Condition]| {
            let ready = conditions.iter().find(|condition| condition.kind == READY)?;
            Some((ready.status.clone(), ready.reason.clone(), ready.message.clone()))
        };
        said(&self.had) != said(&self.conditions)
    }

    /// Reads a field of the status, `None` when absent or not of this shape.
    pub(super) fn field<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_value(self.status.get(name)?.clone()).ok()
    }

    /// Sets a field of the status.
    pub(super) fn set(&mut self, name: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).expect("holds because status fields are plain data");
        self.status.insert(name.to_owned(), value);
    }

    /// Says that status answers the generation in hand: it was carried out, or refused for good.
    pub(super) fn observe_generation(&mut self) {
        self.set("observedGeneration", self.generation);
    }

    /// Says that the last request for a look was answered.
    pub(super) fn answer_request(&mut self) {
        if let Some(token) = self.resource.annotation(REQUESTED_AT) {
            self.set("lastHandledReconcileAt", token);
        }
    }

    /// Returns what there is to write.
    pub(super) fn finish(mut self, events: Vec<EventDraft>) -> Raised {
        if !same_conditions(&self.had, &self.conditions) {
            self.conditions.sort_by(|one, other| place(&one.kind).cmp(&place(&other.kind)));
            let conditions = std::mem::take(&mut self.conditions);
            self.set("conditions", conditions);
        }
        let status = Value::Object(self.status);
        let stands = self.resource.at("/status").is_some_and(|stands| *stands == status)
            || (self.resource.at("/status").is_none() && status.as_object().is_some_and(Map::is_empty));
        Raised { status: (!stands).then_some(status), patch: finalizer_patch(self.resource), events }
    }
}

/// Adds Flux's finalizer where it is missing: without it, deleting the resource would leave no time to prune.
///
/// A merge patch replaces lists whole, so the patch holds the finalizers of others too, and the resource
/// version, so that it fails where another added one in the meantime.
fn finalizer_patch(resource: &Object) -> Option<Value> {
    if resource.is_deleting() || resource.finalizers().any(|finalizer| finalizer == FINALIZER) {
        return None;
    }
    let finalizers: Vec<_> = resource.finalizers().chain([FINALIZER]).collect();
    let mut metadata = json!({"finalizers": finalizers});
    if !resource.resource_version().is_empty() {
        metadata["resourceVersion"] = json!(resource.resource_version());
    }
    Some(json!({"metadata": metadata}))
}

/// Compares without regard to order: taking over a status of Flux's own writes nothing.
fn same_conditions(had: &[Condition], have: &[Condition]) -> bool {
    had.len() == have.len() && had.iter().all(|condition| have.contains(condition))
}

/// Flux's order: what is in the way first, then `Ready`, then the rest by name.
fn place(kind: &str) -> (u8, &str) {
    match kind {
        STALLED => (0, kind),
        RECONCILING => (1, kind),
        READY => (2, kind),
        _ => (3, kind),
    }
}

/// Cuts a message to what a condition may hold, at a character.
fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)]
}
