//! The annotation that asks for a look at the source.

use bowline_model::{Activity, Object, Report};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::words;

/// Tells whether a resource asks for a look at its source now.
pub fn wants_refresh(resource: &Object) -> bool {
    resource.annotation(words::REFRESH).is_some()
}

/// Tells whether a resource asks for its source to be rendered again whatever is cached.
pub fn wants_hard_refresh(resource: &Object) -> bool {
    resource.annotation(words::REFRESH) == Some("hard")
}

/// Tells whether a report was made after the look that was asked for.
///
/// When it was asked is read off the annotation's field manager. Where the server keeps none, any report counts
/// that is past the start.
pub(super) fn is_answered(resource: &Object, report: &Report) -> bool {
    let is_looked = report.activity != Activity::Starting || report.failure.is_some();
    wants_refresh(resource) && is_looked && asked_at(resource).is_none_or(|asked| report.now >= asked)
}

pub(super) fn patch() -> Value {
    json!({"annotations": {words::REFRESH: null}})
}

fn asked_at(resource: &Object) -> Option<Timestamp> {
    let field = format!("f:{}", words::REFRESH);
    let entries = resource.at("/metadata/managedFields")?.as_array()?;
    let owners = entries.iter().filter(|entry| entry["fieldsV1"]["f:metadata"]["f:annotations"].get(&field).is_some());
    owners.filter_map(|entry| entry["time"].as_str()?.parse().ok()).max()
}
