//! From a [`Report`] to an `Application`'s status, in Argo CD's own shape.
//!
//! Status is worked on as the value that the cluster stores, so that fields which nobody here knows stay. Times
//! change only together with something else: raising a report onto the status it made answers with no change.

mod blame;
mod compare;
mod conditions;
mod events;
mod health;
mod history;
mod refresh;
mod refusal;
mod spec;
mod sync;

use bowline_engine::Raised;
use bowline_model::{Activity, Object, Report};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::ArgoOptions;
use crate::lower::operation_id;
use blame::Blame;
use spec::Spec;

pub use refresh::{wants_hard_refresh, wants_refresh};
pub(crate) use refusal::raise_refusal;

pub(crate) fn raise(resource: &Object, report: &Report, options: &ArgoOptions) -> Raised {
    let spec = Spec::of(resource);
    let old = old_status(resource);
    let blame = Blame::of(report);
    let mut status = old.clone();
    let is_compared = blame.is_comparison() || is_known(report);
    if is_compared {
        compare::write(&mut status, report, &spec, &blame);
        health::write(&mut status, report, &blame);
    }
    if is_compared || blame != Blame::Nothing {
        conditions::write(&mut status, report, &spec, &blame);
        status.insert("controllerNamespace".to_owned(), json!(options.control_namespace));
    }
    sync::write(&mut status, resource, report, &spec);
    history::write(&mut status, report, &spec);
    let is_refreshed = refresh::is_answered(resource, report);
    let patch = patch(resource, report, is_refreshed);
    finish(&old, status, patch, is_refreshed, report.now)
}

/// Tells whether desired and live state have been compared.
fn is_known(report: &Report) -> bool {
    // A render may truly have no objects; a report of a failure just does not tell them.
    let is_empty = report.render_digest.is_some() && report.activity != Activity::Starting && report.failure.is_none();
    is_empty || !report.objects.is_empty()
}

fn old_status(resource: &Object) -> Map<String, Value> {
    resource.at("/status").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Takes off what was asked for and has been taken up: an operation, a refresh.
fn patch(resource: &Object, report: &Report, is_refreshed: bool) -> Option<Value> {
    let mut patch = Map::new();
    if let Some(operation) = resource.at("/operation").filter(|operation| !operation.is_null()) {
        let taken_up = report.sync.as_ref().and_then(|sync| sync.request.as_ref());
        let asks_nothing = operation.get("sync").is_none_or(Value::is_null);
        let is_begun = taken_up.is_some_and(|(_, id)| operation_id(resource).as_ref() == Some(id));
        if asks_nothing || is_begun || sync::hopeless(resource, report).is_some() {
            patch.insert("operation".to_owned(), Value::Null);
        }
    }
    if is_refreshed {
        patch.insert("metadata".to_owned(), refresh::patch());
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Dates the status when anything else in it changed, and tells what changed by Events.
fn finish(
    old: &Map<String, Value>,
    mut status: Map<String, Value>,
    patch: Option<Value>,
    is_refreshed: bool,
    now: Timestamp,
) -> Raised {
    let is_changed = status != *old;
    if is_changed || is_refreshed {
        status.insert("reconciledAt".to_owned(), json!(time(now)));
    }
    Raised {
        events: if is_changed { events::of(old, &status) } else { Vec::new() },
        status: (is_changed || is_refreshed).then_some(Value::Object(status)),
        patch,
    }
}

/// Writes a moment as the API does: whole seconds, UTC.
fn time(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Sets a field, or takes it off.
fn put(map: &mut Map<String, Value>, field: &str, value: Option<Value>) {
    match value {
        Some(value) => map.insert(field.to_owned(), value),
        None => map.remove(field),
    };
}

/// Returns the text at a JSON pointer below `map`; empty when there is none.
fn text<'a>(map: &'a Map<String, Value>, field: &str, pointer: &str) -> &'a str {
    map.get(field).and_then(|value| value.pointer(pointer)).and_then(Value::as_str).unwrap_or_default()
}
