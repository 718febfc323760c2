//! `status.conditions`.

use bowline_model::{Activity, ObjectKey, Report, SyncPhase, SyncReport};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::blame::Blame;
use super::spec::Spec;
use super::{put, text, time};

/// The types that are judged anew each time; all others stay as they are.
const JUDGED: &[&str] = &[
    "ComparisonError",
    "InvalidSpecError",
    "NonDeterministicWarning",
    "RepeatedResourceWarning",
    "SharedResourceWarning",
    "SyncError",
    "UnknownError",
];

pub(super) fn write(status: &mut Map<String, Value>, report: &Report, spec: &Spec<'_>, blame: &Blame) {
    let mut wanted: Vec<(&str, String)> = Vec::new();
    match blame {
        Blame::Nothing => {}
        Blame::Comparison(message) => wanted.push(("ComparisonError", message.clone())),
        Blame::Shared(message) => wanted.push(("SharedResourceWarning", message.clone())),
        Blame::Unknown(message) => wanted.push(("UnknownError", message.clone())),
        Blame::Sync(message) if failed(report).is_none() => wanted.push(("SyncError", message.clone())),
        Blame::Sync(_) => {}
    }
    if let Some(sync) = failed(report) {
        wanted.push(("SyncError", failed_message(sync, spec, blame)));
    } else if is_retrying(report) && wanted.is_empty() {
        // What the attempt before ran into stands until this one has ended.
        wanted.extend(old_message(status, "SyncError").map(|message| ("SyncError", message)));
    } else if report.sync.is_none() && text(status, "sync", "/status") == "OutOfSync" {
        // After a restart nobody remembers the sync; what it said still holds until the next one.
        wanted.extend(old_message(status, "SyncError").map(|message| ("SyncError", message)));
    }
    if !blame.is_comparison() {
        wanted.extend(report.repeated.iter().map(|repeated| ("RepeatedResourceWarning", repeated_message(repeated))));
        let unstable = report.unstable.iter().map(ToString::to_string);
        wanted.extend(unstable.map(|message| ("NonDeterministicWarning", message)));
    }
    set(status, &wanted, report.now);
}

fn repeated_message((key, count): &(ObjectKey, usize)) -> String {
    let (group, kind, namespace, name) = (&key.group, &key.kind, &key.namespace, &key.name);
    format!("Resource {group}/{kind}/{namespace}/{name} appeared {count} times among application resources.")
}

/// Replaces the judged conditions; one that says the same keeps its time.
pub(super) fn set(status: &mut Map<String, Value>, wanted: &[(&str, String)], now: Timestamp) {
    let old = status.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_judged = |condition: &Value| condition["type"].as_str().is_some_and(|name| JUDGED.contains(&name));
    let mut conditions: Vec<Value> = old.iter().filter(|condition| !is_judged(condition)).cloned().collect();
    for (name, message) in wanted {
        let same = old.iter().find(|condition| condition["type"] == *name && condition["message"] == *message);
        let since = same.and_then(|condition| condition["lastTransitionTime"].as_str());
        conditions.push(json!({
            "type": name, "message": message,
            "lastTransitionTime": since.map_or_else(|| time(now), str::to_owned),
        }));
    }
    // Those that were not judged may be ordered by somebody else: a stable sort by type alone.
    conditions.sort_by(|a, b| a["type"].as_str().cmp(&b["type"].as_str()));
    put(status, "conditions", (!conditions.is_empty()).then_some(Value::Array(conditions)));
}

/// Returns the last sync when nobody asked for it and it failed for good, or is about to be tried again.
fn failed(report: &Report) -> Option<&SyncReport> {
    let is_failure = |sync: &&SyncReport| matches!(sync.phase, SyncPhase::Failed | SyncPhase::Error);
    report.sync.as_ref().filter(|sync| sync.automatic && sync.finished_at.is_some()).filter(is_failure)
}

/// Tells whether a further attempt at a sync goes on.
fn is_retrying(report: &Report) -> bool {
    report.activity == Activity::Syncing && report.sync.as_ref().is_some_and(|sync| sync.retries > 0)
}

fn failed_message(sync: &SyncReport, spec: &Spec<'_>, blame: &Blame) -> String {
    let reason = match blame {
        Blame::Sync(message) => message.clone(),
        _ => super::sync::message(sync),
    };
    format!("Failed last sync attempt to [{}]: {reason}", spec.shown(&sync.revision).join(","))
}

fn old_message(status: &Map<String, Value>, name: &str) -> Option<String> {
    let conditions = status.get("conditions")?.as_array()?;
    let old = conditions.iter().find(|condition| condition["type"] == *name)?;
    old["message"].as_str().map(str::to_owned)
}
