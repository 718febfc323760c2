//! What is written to a resource that cannot be lowered.

use bowline_engine::{Raised, Refusal};
use bowline_model::{Failure, HealthStatus, Object};
use jiff::Timestamp;
use serde_json::json;

use super::spec::Spec;
use super::{compare, conditions, finish, health, old_status, refresh, sync};
use crate::{ArgoOptions, lower};

/// A suspended application is left alone, status and all, as Argo CD leaves it.
pub(crate) fn raise_refusal(resource: &Object, refusal: &Refusal, options: &ArgoOptions, now: Timestamp) -> Raised {
    match refusal {
        Refusal::Suspended => Raised::default(),
        Refusal::Invalid(failure) => match refused_operation(resource) {
            Some(failure) => refuse_operation(resource, &failure, now),
            None => refuse(resource, "InvalidSpecError", failure, options, now),
        },
        Refusal::Waiting(failure) => refuse(resource, "ComparisonError", failure, options, now),
    }
}

/// Writes a failure; the objects, the history and the last sync stay as they are.
fn refuse(resource: &Object, condition: &str, failure: &Failure, options: &ArgoOptions, now: Timestamp) -> Raised {
    let old = old_status(resource);
    let mut status = old.clone();
    compare::forget(&mut status, &Spec::of(resource));
    if condition == "InvalidSpecError" {
        health::set(&mut status, HealthStatus::Unknown, None, now);
    }
    conditions::set(&mut status, &[(condition, failure.one_line())], now);
    status.insert("controllerNamespace".to_owned(), json!(options.control_namespace));
    let is_refreshed = refresh::wants_refresh(resource);
    let patch = is_refreshed.then(|| json!({"metadata": refresh::patch()}));
    finish(&old, status, patch, is_refreshed, now)
}

/// Returns why the operation that is asked for cannot be done, when all else in the resource can be read.
fn refused_operation(resource: &Object) -> Option<Failure> {
    let spec = lower::read_spec(resource).ok()?;
    lower::request(resource, &spec).err()
}

fn refuse_operation(resource: &Object, failure: &Failure, now: Timestamp) -> Raised {
    let old = old_status(resource);
    let mut status = old.clone();
    sync::refuse(&mut status, resource, failure, now);
    finish(&old, status, Some(json!({"operation": null})), false, now)
}
