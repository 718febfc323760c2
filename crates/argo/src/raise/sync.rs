//! `status.operationState`: the sync that runs, or the last one.

use bowline_model::{Activity, Failure, Object, ObjectOutcome, ObjectResult, Report, SyncPhase, SyncReport};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::spec::Spec;
use super::{put, text, time};
use crate::lower::operation_id;

/// How often Argo CD tries a sync again that nobody asked for, where the policy says nothing.
const AUTOMATIC_RETRIES: u32 = 5;

pub(super) fn write(status: &mut Map<String, Value>, resource: &Object, report: &Report, spec: &Spec<'_>) {
    match &report.sync {
        Some(sync) => {
            let state = state(status, resource, sync, spec);
            status.insert("operationState".to_owned(), state);
        }
        None => end_abandoned(status, resource, report),
    }
    if let Some(failure) = hopeless(resource, report) {
        refuse(status, resource, failure, report.now);
    }
}

/// Returns why the operation that is asked for has not begun although everything else is done.
pub(super) fn hopeless<'a>(resource: &Object, report: &'a Report) -> Option<&'a Failure> {
    let asked = operation_id(resource)?;
    let begun = report.sync.as_ref().and_then(|sync| sync.request.as_ref()).is_some_and(|(_, id)| *id == asked);
    report.failure.as_ref().filter(|_| !begun && report.activity == Activity::Settled)
}

/// Ends an operation that was never begun, so that the application is not held up by it.
pub(super) fn refuse(status: &mut Map<String, Value>, resource: &Object, failure: &Failure, now: Timestamp) {
    let operation = resource.at("/operation").filter(|value| value.is_object()).cloned();
    let state = json!({
        "operation": operation.unwrap_or_else(|| json!({})),
        "phase": phase(SyncPhase::Error),
        "message": failure.one_line(),
        "startedAt": time(now),
        "finishedAt": time(now),
        "syncResult": {"revision": ""},
    });
    status.insert("operationState".to_owned(), state);
}

fn state(status: &Map<String, Value>, resource: &Object, sync: &SyncReport, spec: &Spec<'_>) -> Value {
    let mut state = Map::new();
    let operation = match status.get("operationState") {
        Some(old) if is_of(old, sync, spec) => old["operation"].clone(),
        _ => operation(resource, sync, spec),
    };
    state.insert("operation".to_owned(), operation);
    state.insert("phase".to_owned(), json!(phase(sync.phase)));
    put(&mut state, "message", Some(message(sync)).filter(|text| !text.is_empty()).map(Value::from));
    state.insert("startedAt".to_owned(), json!(time(sync.started_at)));
    put(&mut state, "finishedAt", sync.finished_at.map(|moment| json!(time(moment))));
    put(&mut state, "retryCount", (sync.retries > 0).then(|| json!(sync.retries)));
    let mut result = Map::new();
    spec.write_source(&mut result);
    spec.write_revision(&mut result, &spec.shown(&sync.revision));
    // Required by the definition; with several sources it stays empty.
    result.entry("revision").or_insert_with(|| json!(""));
    let resources: Vec<Value> = sync.results.iter().map(|one| resource_result(one, sync.dry_run)).collect();
    put(&mut result, "resources", (!resources.is_empty()).then_some(Value::Array(resources)));
    put(&mut result, "managedNamespaceMetadata", spec.sync_policy("managedNamespaceMetadata").cloned());
    // Like the operation, the result speaks of the spec that the sync began with.
    if let Some(old) = status.get("operationState").filter(|old| is_of(old, sync, spec)) {
        for field in ["source", "sources", "managedNamespaceMetadata"] {
            put(&mut result, field, old["syncResult"].get(field).cloned());
        }
    }
    state.insert("syncResult".to_owned(), Value::Object(result));
    Value::Object(state)
}

/// Tells whether a stored state speaks of this sync.
fn is_of(state: &Value, sync: &SyncReport, spec: &Spec<'_>) -> bool {
    state["startedAt"] == time(sync.started_at)
        && crate::recall::revisions_of(&state["syncResult"]) == spec.shown(&sync.revision)
}

/// Returns what was asked: as it was written, or for an automatic sync as Argo CD would have written it.
fn operation(resource: &Object, sync: &SyncReport, spec: &Spec<'_>) -> Value {
    let mut what = Map::new();
    spec.write_revision(&mut what, &spec.shown(&sync.revision));
    put(&mut what, "prune", sync.prune.then_some(Value::Bool(true)));
    put(&mut what, "dryRun", sync.dry_run.then_some(Value::Bool(true)));
    put(&mut what, "syncOptions", spec.sync_policy("syncOptions").cloned());
    if let Some((who, id)) = &sync.request {
        if operation_id(resource).as_ref() == Some(id) {
            return resource.at("/operation").cloned().unwrap_or(Value::Null);
        }
        let by = if who.is_empty() { json!({}) } else { json!({"username": who}) };
        return json!({"initiatedBy": by, "sync": what});
    }
    let retry = spec.sync_policy("retry").cloned().unwrap_or_else(|| json!({"limit": AUTOMATIC_RETRIES}));
    json!({"initiatedBy": {"automated": true}, "retry": retry, "sync": what})
}

fn phase(phase: SyncPhase) -> &'static str {
    match phase {
        SyncPhase::Running => "Running",
        SyncPhase::Succeeded => "Succeeded",
        SyncPhase::Failed => "Failed",
        SyncPhase::Error => "Error",
    }
}

/// Says in Argo CD's words how a sync went.
pub(super) fn message(sync: &SyncReport) -> String {
    let refused: Vec<&str> = sync
        .results
        .iter()
        .filter(|result| result.outcome == ObjectOutcome::Failed && !result.is_hook)
        .map(|result| result.message.as_str())
        .collect();
    match sync.phase {
        SyncPhase::Succeeded if sync.retries > 0 => {
            format!("successfully synced (all tasks run) (retried {} times)", sync.retries)
        }
        SyncPhase::Succeeded => "successfully synced (all tasks run)".to_owned(),
        SyncPhase::Failed if !refused.is_empty() => {
            let reasons = refused.join(",");
            let retried = if sync.retries > 0 { format!(" (retried {} times).", sync.retries) } else { String::new() };
            format!("one or more objects failed to apply, reason: {reasons}{retried}")
        }
        SyncPhase::Failed if sync.message.is_empty() => {
            "one or more synchronization tasks completed unsuccessfully".to_owned()
        }
        SyncPhase::Failed | SyncPhase::Error | SyncPhase::Running => sync.message.clone(),
    }
}

fn resource_result(result: &ObjectResult, dry_run: bool) -> Value {
    let (status, hook_phase) = match result.outcome {
        ObjectOutcome::Created | ObjectOutcome::Configured | ObjectOutcome::Unchanged => ("Synced", "Succeeded"),
        ObjectOutcome::Pruned => ("Pruned", "Succeeded"),
        ObjectOutcome::PruneSkipped => ("PruneSkipped", "Succeeded"),
        ObjectOutcome::Failed => ("SyncFailed", "Failed"),
        ObjectOutcome::Running => ("Synced", "Running"),
    };
    let mut entry = Map::new();
    for (field, value) in [
        ("group", result.key.group.as_str()),
        ("version", &result.version),
        ("kind", &result.key.kind),
        ("namespace", &result.key.namespace),
        ("name", &result.key.name),
        ("status", status),
        ("hookPhase", hook_phase),
        ("syncPhase", result.phase.as_str()),
    ] {
        entry.insert(field.to_owned(), json!(value));
    }
    put(&mut entry, "hookType", result.is_hook.then(|| json!(result.phase.as_str())));
    put(&mut entry, "images", (!result.images.is_empty()).then(|| json!(result.images)));
    let mut words = object_message(result);
    if dry_run {
        words.push_str(" (dry run)");
    }
    entry.insert("message".to_owned(), json!(words));
    Value::Object(entry)
}

/// Says what was done as `kubectl apply --server-side` does.
fn object_message(result: &ObjectResult) -> String {
    let done = |word: &str| {
        let kind = result.key.kind.to_lowercase();
        let resource = if result.key.group.is_empty() { kind } else { format!("{kind}.{}", result.key.group) };
        format!("{resource}/{} {word}", result.key.name)
    };
    let or = |default: &str| if result.message.is_empty() { default.to_owned() } else { result.message.clone() };
    match result.outcome {
        ObjectOutcome::Created | ObjectOutcome::Configured if result.is_hook => or(&done("serverside-applied")),
        ObjectOutcome::Created | ObjectOutcome::Configured => done("serverside-applied"),
        ObjectOutcome::Unchanged => done("unchanged"),
        ObjectOutcome::Pruned => "pruned".to_owned(),
        ObjectOutcome::PruneSkipped => or("ignored (requires pruning)"),
        ObjectOutcome::Failed | ObjectOutcome::Running => result.message.clone(),
    }
}

/// Ends a sync that a former process began and that this one will not go on with.
fn end_abandoned(status: &mut Map<String, Value>, resource: &Object, report: &Report) {
    let phase = text(status, "operationState", "/phase");
    let is_running = phase == "Running" || phase == "Terminating";
    if !is_running || report.activity != Activity::Settled || operation_id(resource).is_some() {
        return;
    }
    // What passes by itself is no end: the sync is gone on with at the next pass.
    if report.failure.as_ref().is_some_and(|failure| failure.transient) {
        return;
    }
    if let Some(Value::Object(state)) = status.get_mut("operationState") {
        state.insert("phase".to_owned(), json!("Error"));
        state.insert("message".to_owned(), json!("the controller was restarted before the sync ended"));
        state.insert("finishedAt".to_owned(), json!(time(report.now)));
    }
}
