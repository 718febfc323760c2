//! What changed, told as Events.

use bowline_engine::EventDraft;
use serde_json::{Map, Value};

use super::text;
use crate::recall::revision_of;

/// Compares two statuses of one application.
pub(super) fn of(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<EventDraft> {
    let mut events = Vec::new();
    let phase = |status| text(status, "operationState", "/phase");
    let started = |status| text(status, "operationState", "/startedAt");
    let is_new = started(new) != started(old);
    if is_new && !started(new).is_empty() && phase(new) != "Error" {
        events.push(draft(false, "OperationStarted", initiated(new)));
    }
    if (is_new || !is_ended(phase(old))) && is_ended(phase(new)) {
        let is_good = phase(new) == "Succeeded";
        events.push(draft(!is_good, "OperationCompleted", completed(new)));
    }
    for (what, field) in [("sync", "sync"), ("health", "health")] {
        let (before, after) = (text(old, field, "/status"), text(new, field, "/status"));
        if before != after {
            events.push(draft(false, "ResourceUpdated", format!("Updated {what} status: {before} -> {after}")));
        }
    }
    events
}

fn draft(warning: bool, reason: &str, message: String) -> EventDraft {
    EventDraft { warning, reason: reason.to_owned(), message, annotations: Vec::new() }
}

fn is_ended(phase: &str) -> bool {
    matches!(phase, "Succeeded" | "Failed" | "Error")
}

fn revision(status: &Map<String, Value>) -> String {
    status.get("operationState").and_then(|state| revision_of(&state["syncResult"])).unwrap_or_default()
}

fn initiated(status: &Map<String, Value>) -> String {
    let by = status.get("operationState").map(|state| &state["operation"]["initiatedBy"]);
    let revision = revision(status);
    match by.and_then(|by| by["username"].as_str()).filter(|name| !name.is_empty()) {
        _ if by.is_some_and(|by| by["automated"] == true) => format!("Initiated automated sync to '{revision}'"),
        Some(name) => format!("{name} initiated sync to '{revision}'"),
        None => format!("Initiated sync to '{revision}'"),
    }
}

fn completed(status: &Map<String, Value>) -> String {
    let resources = status.get("operationState").map(|state| &state["operation"]["sync"]["resources"]);
    let is_partial = resources.and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let sync = if is_partial { "Partial sync" } else { "Sync" };
    let revision = revision(status);
    match text(status, "operationState", "/phase") {
        "Succeeded" => format!("{sync} operation to {revision} succeeded"),
        _ => format!("{sync} operation to {revision} failed: {}", text(status, "operationState", "/message")),
    }
}
