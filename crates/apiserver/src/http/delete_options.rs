//! The options of a deletion: in the body, or in the query when there is no body.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::list_options::parse_int;
use super::service::Call;
use super::{body, negotiate};
use crate::error::{ApiError, Cause};
use crate::registry::{DeleteOptions, Propagation, WriteOptions};

/// Reads and checks them.
pub(super) fn read(call: &Call<'_>) -> Result<(DeleteOptions, WriteOptions), ApiError> {
    let given = if call.body.is_empty() { from_query(call)? } else { from_body(call)? };
    check(&given)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let delete = DeleteOptions {
        propagation: match given["propagationPolicy"].as_str() {
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            _ => None,
        },
        orphan_dependents: given["orphanDependents"].as_bool(),
        grace_period_secs: given["gracePeriodSeconds"].as_i64(),
        uid: text(&given["preconditions"]["uid"]),
        resource_version: text(&given["preconditions"]["resourceVersion"]),
    };
    let dry_run = given["dryRun"].as_array().is_some_and(|all| !all.is_empty());
    let user = Some(Arc::clone(call.user));
    Ok((delete, WriteOptions { manager: call.manager(), user, dry_run, sent: given, ..WriteOptions::default() }))
}

fn from_body(call: &Call<'_>) -> Result<Value, ApiError> {
    body::delete_options(negotiate::sent(call.header(CONTENT_TYPE))?, call.body)
}

/// Puts the query into the shape of a body.
fn from_query(call: &Call<'_>) -> Result<Value, ApiError> {
    let query = call.query;
    let mut given = json!({});
    if query.has("gracePeriodSeconds") {
        given["gracePeriodSeconds"] = json!(parse_int(query.text("gracePeriodSeconds"))?);
    }
    if query.has("orphanDependents") {
        given["orphanDependents"] = json!(query.flag("orphanDependents"));
    }
    if query.has("propagationPolicy") {
        given["propagationPolicy"] = json!(query.text("propagationPolicy"));
    }
    if query.has("dryRun") {
        given["dryRun"] = json!(query.all("dryRun"));
    }
    for key in ["uid", "resourceVersion"] {
        if !query.text(key).is_empty() {
            given["preconditions"][key] = json!(query.text(key));
        }
    }
    Ok(given)
}

/// Checks the values (k8s: `ValidateDeleteOptions`).
fn check(given: &Value) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    let field = "propagationPolicy";
    if let Some(policy) = given[field].as_str() {
        if given["orphanDependents"].is_boolean() {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            causes.push(Cause::invalid(field, &policy.into(), why));
        }
        if !["Foreground", "Background", "Orphan"].contains(&policy) {
            let allowed = ["Foreground", "Background", "Orphan", "nil"].map(str::to_owned);
            causes.push(Cause::unsupported(field, &policy.into(), &allowed));
        }
    }
    let dry_run = given["dryRun"].as_array().map(Vec::as_slice).unwrap_or_default();
    if dry_run.iter().any(|word| word != "All") {
        causes.push(Cause::unsupported("dryRun", &json!(dry_run), &["All".to_owned()]));
    }
    if causes.is_empty() { Ok(()) } else { Err(ApiError::invalid("meta.k8s.io", "DeleteOptions", "", causes)) }
}
