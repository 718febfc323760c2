//! `status.sync`, `status.resources` and `status.summary`.

use std::collections::BTreeSet;

use bowline_model::{HealthStatus, ObjectReport, ObjectSync, Report};
use serde_json::{Map, Value, json};

use super::blame::Blame;
use super::spec::Spec;
use super::{put, text};
use crate::types::{GROUP, KIND};

pub(super) fn write(status: &mut Map<String, Value>, report: &Report, spec: &Spec<'_>, blame: &Blame) {
    let verdict = if blame.is_comparison() { ObjectSync::Unknown } else { verdict(&report.objects) };
    let mut sync = Map::new();
    sync.insert("status".to_owned(), json!(word(verdict)));
    sync.insert("comparedTo".to_owned(), spec.compared_to());
    let known = report.revision.as_ref().map(|revisions| spec.shown(revisions));
    let shown = known.or_else(|| status.get("sync").map(crate::recall::revisions_of)).unwrap_or_default();
    if !shown.is_empty() {
        spec.write_revision(&mut sync, &shown);
    }
    status.insert("sync".to_owned(), Value::Object(sync));
    // While desired state is not known, the last objects stay listed: they are the inventory.
    if !blame.is_comparison() {
        let resources: Vec<Value> = report.objects.iter().filter(|object| is_listed(object)).map(resource).collect();
        put(status, "resources", (!resources.is_empty()).then_some(Value::Array(resources)));
        status.insert("resourceHealthSource".to_owned(), json!("appTree"));
        spec.write_source_type(status, &report.renderers);
        summarise(status, &report.objects);
    }
}

/// Returns Argo CD's word.
fn word(sync: ObjectSync) -> &'static str {
    match sync {
        ObjectSync::Synced => "Synced",
        ObjectSync::OutOfSync => "OutOfSync",
        ObjectSync::Unknown => "Unknown",
    }
}

/// The worst of all that counts; hooks do not.
fn verdict(objects: &[ObjectReport]) -> ObjectSync {
    objects.iter().filter(|object| object.hook.is_none()).map(object_verdict).max().unwrap_or(ObjectSync::Synced)
}

fn object_verdict(object: &ObjectReport) -> ObjectSync {
    if object.requires_pruning { ObjectSync::OutOfSync } else { object.sync }
}

/// A hook is listed while its object is there.
fn is_listed(object: &ObjectReport) -> bool {
    let is_live = object.health.as_ref().is_some_and(|health| health.status != HealthStatus::Missing);
    object.hook.is_none() || is_live
}

fn resource(object: &ObjectReport) -> Value {
    let mut entry = Map::new();
    for (field, value) in [
        ("group", &object.key.group),
        ("version", &object.version),
        ("kind", &object.key.kind),
        ("namespace", &object.key.namespace),
        ("name", &object.key.name),
    ] {
        put(&mut entry, field, (!value.is_empty()).then(|| json!(value)));
    }
    if object.hook.is_some() {
        entry.insert("hook".to_owned(), json!(true));
    } else {
        entry.insert("status".to_owned(), json!(word(object_verdict(object))));
    }
    put(&mut entry, "requiresPruning", object.requires_pruning.then_some(Value::Bool(true)));
    put(&mut entry, "syncWave", (object.wave != 0).then(|| json!(object.wave)));
    Value::Object(entry)
}

/// Addresses of the application are kept as they are: nothing here knows them.
fn summarise(status: &mut Map<String, Value>, objects: &[ObjectReport]) {
    let mut summary = status.get("summary").and_then(Value::as_object).cloned().unwrap_or_default();
    let images: BTreeSet<&String> = objects.iter().flat_map(|object| &object.images).collect();
    put(&mut summary, "images", (!images.is_empty()).then(|| json!(images)));
    let is_app_of_apps = objects.iter().any(|object| object.key.group == GROUP && object.key.kind == KIND);
    put(&mut summary, "isAppOfApps", is_app_of_apps.then_some(Value::Bool(true)));
    status.insert("summary".to_owned(), Value::Object(summary));
}

/// Says that desired and live state cannot be compared, and leaves the rest as it was.
pub(super) fn forget(status: &mut Map<String, Value>, spec: &Spec<'_>) {
    if text(status, "sync", "/status") == "Unknown" {
        return;
    }
    let mut sync = status.get("sync").and_then(Value::as_object).cloned().unwrap_or_default();
    sync.insert("status".to_owned(), json!("Unknown"));
    sync.entry("comparedTo").or_insert_with(|| spec.compared_to());
    status.insert("sync".to_owned(), Value::Object(sync));
}
