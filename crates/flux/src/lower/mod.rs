//! Resources to [`App`](bowline_model::App) and [`SourceSpec`](bowline_model::SourceSpec).

mod credentials;
mod depends;
mod health;
mod helm_chart;
mod helm_release;
mod helm_repository;
mod helm_values;
mod ignore;
mod kustomization;
mod oci_repository;
mod source;

use std::time::Duration;

use bowline_engine::LowerError;
use bowline_model::{Failure, Object, ObjectKey, Reason, Revision, SourceSpec, parse_go_duration};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::FluxOptions;

use health::custom_health;
pub(crate) use helm_chart::lower_helm_chart;
pub(crate) use helm_release::{Step, lower_helm_release, namespace as release_namespace, release_name};
pub(crate) use helm_repository::lower_helm_repository;
pub(crate) use kustomization::{effective_timeout, lower_kustomization};
pub(crate) use oci_repository::lower_oci_repository;
pub(crate) use source::lower_git_repository;

/// Refuses a source in another namespace where references stay in their own.
fn check_namespace(resource: &Object, source: &ObjectKey, options: &FluxOptions) -> Result<(), LowerError> {
    if !options.no_cross_namespace_refs || source.namespace == resource.namespace() {
        return Ok(());
    }
    let message = format!(
        "can't access '{}/{}/{}', cross-namespace references have been blocked",
        source.kind, source.namespace, source.name
    );
    Err(invalid(Reason::AccessDenied, message))
}

/// Keeps a source that is told to pause at the artifact it has.
fn pin_if_suspended(resource: &Object, mut source: SourceSpec) -> Result<SourceSpec, LowerError> {
    if source::is_suspended(resource) {
        source.pinned = Some(stored(resource).ok_or_else(|| {
            let message = "Source artifact not found, retrying in 30s";
            LowerError::Waiting(Failure::new(Reason::SourceUnreadable, message).transient(), Some(depends::REQUEUE))
        })?);
    }
    Ok(source)
}

/// Reads the revision of the artifact that a source's status has: of a chart, the version and the archive's digest.
fn stored(resource: &Object) -> Option<Revision> {
    let revision = resource.text("/status/artifact/revision")?;
    if let Ok(revision) = revision.parse() {
        return Some(revision);
    }
    let digest = resource.text("/status/artifact/digest")?.strip_prefix("sha256:")?;
    Some(Revision::of_archive(Some(revision.to_owned()), digest))
}

/// Reads a resource's spec.
pub(crate) fn spec_of<T: DeserializeOwned>(resource: &Object) -> Result<T, LowerError> {
    let spec = resource.at("/spec").cloned().unwrap_or(Value::Null);
    serde_json::from_value(spec).map_err(|error| invalid(Reason::InvalidSpec, format!("cannot read `spec`: {error}")))
}

fn invalid(reason: Reason, message: impl Into<String>) -> LowerError {
    LowerError::Invalid(Failure::new(reason, message))
}

/// Refuses a resource that uses fields Bowline does nothing with: to pass over them would apply something
/// else than what was asked for.
fn refuse_unsupported(resource: &Object, fields: &[&str]) -> Result<(), LowerError> {
    let used: Vec<_> = fields
        .iter()
        .filter(|field| resource.at(&format!("/spec/{field}")).is_some_and(says_something))
        .map(|field| format!("`spec.{}`", field.replace('/', ".")))
        .collect();
    if used.is_empty() { Ok(()) } else { Err(unsupported(&used)) }
}

/// Says that Bowline does not do what these fields, named as they are to be shown, ask for.
fn unsupported(fields: &[String]) -> LowerError {
    let (verb, them) = if fields.len() == 1 { ("is", "it") } else { ("are", "them") };
    let message = format!("{} {verb} not supported by Bowline", fields.join(", "));
    LowerError::Invalid(
        Failure::new(Reason::Unsupported, message)
            .help(format!("remove {them}, or leave this resource to Flux and suspend it here")),
    )
}

/// Tells whether a field asks for anything: empty texts, lists and maps, `false` and null do not.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn duration(field: &str, text: &str) -> Result<Duration, LowerError> {
    parse_go_duration(text).map_err(|error| invalid(Reason::InvalidSpec, format!("`spec.{field}`: {error}")))
}

fn optional_duration(field: &str, text: Option<&str>) -> Result<Option<Duration>, LowerError> {
    text.map(|text| duration(field, text)).transpose()
}
