//! Resources to [`App`](bowline_model::App) and [`SourceSpec`](bowline_model::SourceSpec).

mod credentials;
mod depends;
mod kustomization;
mod source;

use std::time::Duration;

use bowline_engine::LowerError;
use bowline_model::{Failure, Object, Reason, parse_go_duration};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use kustomization::{effective_timeout, lower_kustomization};
pub(crate) use source::lower_git_repository;

/// Reads a resource's spec.
fn spec_of<T: DeserializeOwned>(resource: &Object) -> Result<T, LowerError> {
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
        .map(|field| format!("`spec.{field}`"))
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
