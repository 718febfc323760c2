//! Health of a live object, decided from the object alone.
//!
//! [`assess`] judges by the rules of one of the two peers: Argo CD's built-in checks, or kstatus as Flux uses it.
//! No clock is read and no other object: what takes time (a pod that cannot be scheduled) is on its way until
//! whoever waits for it loses patience. [`Rules`] puts users' own before it, in Lua or CEL.
#![warn(missing_docs)]

mod argo;
mod fields;
mod kstatus;
mod pod;
mod rules;
mod table;
mod workload;

pub use rules::{RuleError, Rules, scripts_of_settings};

use bowline_model::{Health, HealthJudge, HealthStatus, Object};

/// Judges a live object; `None` when its kind has no health.
///
/// kstatus knows a verdict for every kind, Argo CD only for those it has a check for.
pub fn assess(judge: HealthJudge, object: &Object) -> Option<Health> {
    match judge {
        HealthJudge::ArgoCd => argo::assess(object),
        HealthJudge::Kstatus => Some(kstatus::assess(object)),
    }
}

/// Returns the health of an app from that of its objects: the worst.
///
/// An object that is missing counts only when all are: it is out of sync, which is told elsewhere. No objects
/// are healthy. The rule is Argo CD's (`controller/health.go`).
pub fn worst(statuses: impl IntoIterator<Item = HealthStatus>) -> HealthStatus {
    let mut worst_there = None;
    let mut any_missing = false;
    for status in statuses {
        if status == HealthStatus::Missing {
            any_missing = true;
        } else {
            worst_there = worst_there.max(Some(status));
        }
    }
    match worst_there {
        Some(status) => status,
        None if any_missing => HealthStatus::Missing,
        None => HealthStatus::Healthy,
    }
}
