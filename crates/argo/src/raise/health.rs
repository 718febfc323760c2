//! `status.health`: the worst of what the application manages.

use std::fmt::Write as _;

use bowline_model::{HealthStatus, ObjectReport, ObjectSync, Report};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::blame::Blame;
use super::{put, text, time};
use crate::types::{GROUP, KIND};

/// How many objects a message names.
const NAMED: usize = 3;

pub(super) fn write(status: &mut Map<String, Value>, report: &Report, blame: &Blame) {
    if report.objects.is_empty() && blame.is_comparison() {
        if text(status, "health", "/status").is_empty() {
            set(status, HealthStatus::Unknown, None, report.now);
        }
        return;
    }
    let (verdict, message) = verdict(report);
    set(status, verdict, message, report.now);
}

/// Writes a verdict; its time changes only with it.
pub(super) fn set(status: &mut Map<String, Value>, verdict: HealthStatus, message: Option<String>, now: Timestamp) {
    let old = text(status, "health", "/status");
    let since = text(status, "health", "/lastTransitionTime");
    let since = if old == verdict.as_str() && !since.is_empty() { since.to_owned() } else { time(now) };
    let mut health = Map::new();
    health.insert("status".to_owned(), json!(verdict.as_str()));
    health.insert("lastTransitionTime".to_owned(), json!(since));
    put(&mut health, "message", message.map(Value::from));
    status.insert("health".to_owned(), Value::Object(health));
}

/// Objects that are missing do not count unless all are; neither do hooks, the application itself, nor
/// applications below it of which nothing is known.
fn verdict(report: &Report) -> (HealthStatus, Option<String>) {
    let managed: Vec<_> =
        report.objects.iter().filter(|object| object.hook.is_none() && object.key != report.id).collect();
    if !managed.is_empty() && managed.iter().all(|object| is_missing(object)) {
        return (HealthStatus::Missing, None);
    }
    let judged: Vec<_> = managed.into_iter().filter_map(|object| Some((object, judged(object)?))).collect();
    let worst = judged.iter().map(|(_, status)| *status).max().unwrap_or(HealthStatus::Healthy);
    if worst == HealthStatus::Healthy {
        return (worst, None);
    }
    let culprits: Vec<_> = judged.iter().filter(|(_, status)| *status == worst).map(|(object, _)| *object).collect();
    (worst, Some(caused_by(&culprits)))
}

fn judged(object: &ObjectReport) -> Option<HealthStatus> {
    let status = object.health.as_ref()?.status;
    let is_child_app = object.key.group == GROUP && object.key.kind == KIND;
    let is_silent = status == HealthStatus::Missing || (is_child_app && status == HealthStatus::Unknown);
    (!is_silent).then_some(status)
}

/// Kinds without health are missing when they differ as a whole rather than in some field.
fn is_missing(object: &ObjectReport) -> bool {
    match &object.health {
        Some(health) => health.status == HealthStatus::Missing,
        None => object.sync == ObjectSync::OutOfSync && object.drift.is_empty() && !object.requires_pruning,
    }
}

/// Names the objects; what the first says is added where it is not bound to change by the second.
fn caused_by(culprits: &[&ObjectReport]) -> String {
    let names: Vec<_> = culprits.iter().take(NAMED).map(|object| object.key.to_string()).collect();
    let mut message = format!("Caused by {}", names.join(", "));
    if culprits.len() > NAMED {
        let _ = write!(message, " and {} more", culprits.len() - NAMED);
    }
    let health = culprits.first().and_then(|object| object.health.as_ref());
    if let Some(health) =
        health.filter(|health| health.status > HealthStatus::Progressing && !health.message.is_empty())
    {
        let _ = write!(message, ": {}", health.message);
    }
    message
}
