//! `status.history`: the last syncs that succeeded, oldest first.

use bowline_model::{Report, SyncPhase};
use serde_json::{Map, Value, json};

use super::spec::Spec;
use super::{put, time};

/// Adds the sync that just succeeded, and drops the oldest entries beyond the limit.
///
/// Syncs of some objects only, dry runs, and syncs that put back what had drifted leave no entry.
pub(super) fn write(status: &mut Map<String, Value>, report: &Report, spec: &Spec<'_>) {
    let mut history = status.get("history").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(entry) = entry(status, report, spec, &history) {
        history.push(entry);
    }
    let excess = history.len().saturating_sub(spec.history_limit());
    history.drain(..excess);
    put(status, "history", (!history.is_empty()).then_some(Value::Array(history)));
}

fn entry(status: &Map<String, Value>, report: &Report, spec: &Spec<'_>, history: &[Value]) -> Option<Value> {
    let sync = report.sync.as_ref().filter(|sync| sync.phase == SyncPhase::Succeeded)?;
    let finished_at = sync.finished_at?;
    let state = status.get("operationState")?;
    let is_partial = state["operation"]["sync"]["resources"].as_array().is_some_and(|list| !list.is_empty());
    if sync.heals || sync.dry_run || is_partial {
        return None;
    }
    let mut entry = Map::new();
    for field in ["source", "sources"] {
        put(&mut entry, field, state["syncResult"].get(field).cloned());
    }
    spec.write_revision(&mut entry, &spec.shown(&sync.revision));
    entry.insert("deployStartedAt".to_owned(), json!(time(sync.started_at)));
    let is_this = |old: &Value| {
        ["deployStartedAt", "revision", "revisions"].iter().all(|field| old.get(*field) == entry.get(*field))
    };
    if history.iter().any(is_this) {
        return None;
    }
    entry.insert("deployedAt".to_owned(), json!(time(finished_at)));
    let last = history.iter().filter_map(|old| old["id"].as_i64()).max();
    entry.insert("id".to_owned(), json!(last.map_or(0, |id| id.saturating_add(1))));
    entry.insert("initiatedBy".to_owned(), state["operation"].get("initiatedBy").cloned().unwrap_or(json!({})));
    Some(Value::Object(entry))
}
