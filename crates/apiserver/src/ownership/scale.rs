//! Writes of the `scale` subresource: owners of replicas seen through a window.

use bowline_smd::{Path, ReplicasPath};
use serde_json::Value;

use crate::builtins::Builtins;
use crate::catalog::Catalog;
use crate::error::ApiError;
use crate::registry::metadata;
use crate::registry::scale::ScalePaths;
use crate::resource::{Gvk, Resource};

/// Returns the type of a `Scale`.
pub(super) fn type_of(resource: &Resource) -> bowline_smd::TypeRef {
    if resource.custom().is_some() {
        return bowline_smd::TypeRef::deduced();
    }
    let schemas = Builtins::get().schemas(&resource.group, &resource.version);
    schemas
        .and_then(|schemas| schemas.named("io.k8s.api.autoscaling.v1.Scale"))
        .unwrap_or_else(bowline_smd::TypeRef::deduced)
}

/// Returns where each version of a kind keeps its replicas.
fn paths(resource: &Resource, catalog: &Catalog) -> Vec<ReplicasPath> {
    if resource.custom().is_none() {
        let versions: &[&str] = match resource.plural.as_str() {
            "replicationcontrollers" => &["v1"],
            "replicasets" => &["apps/v1beta2", "apps/v1"],
            _ => &["apps/v1beta1", "apps/v1beta2", "apps/v1"],
        };
        let path = || Some(Path::of_fields(["spec", "replicas"]));
        return versions
            .iter()
            .map(|version| ReplicasPath { api_version: (*version).to_owned(), path: path() })
            .collect();
    }
    let same = catalog.versions_of(&resource.group, &resource.plural);
    same.iter()
        .map(|other| {
            let path =
                ScalePaths::of(other).ok().map(|paths| Path::of_fields(paths.spec.trim_start_matches('/').split('/')));
            ReplicasPath { api_version: other.api_version(), path }
        })
        .collect()
}

/// Gives a scale the owners of the object's replicas.
pub(crate) fn show_owners(
    resource: &Resource,
    catalog: &Catalog,
    object: &Value,
    scale: &mut Value,
) -> Result<(), ApiError> {
    let owners = bowline_smd::scale_owners(object["metadata"].get("managedFields"), &paths(resource, catalog))
        .map_err(|error| ApiError::unforeseen(error.to_string()))?;
    if let Some(owners) = owners {
        scale["metadata"]["managedFields"] = owners;
    }
    Ok(())
}

/// Gives the object the owners its scale has after a write.
pub(crate) fn take_owners(
    resource: &Resource,
    catalog: &Catalog,
    object: &mut Value,
    scale: &Value,
) -> Result<(), ApiError> {
    let owners = bowline_smd::parent_owners(
        object["metadata"].get("managedFields"),
        scale["metadata"].get("managedFields"),
        &paths(resource, catalog),
        &resource.api_version(),
    )
    .map_err(|error| ApiError::unforeseen(error.to_string()))?;
    match owners {
        Some(owners) => drop(metadata(object).insert("managedFields".to_owned(), owners)),
        None => drop(metadata(object).remove("managedFields")),
    }
    Ok(())
}

/// Returns whether the texts of owned fields are in another order than the fields: 443 before 80.
///
/// Owners that were seen through a scale are stored in the order of the texts; all other writes put them in their own.
pub(crate) fn reorders(object: &Value) -> bool {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.into_iter().any(|entry| is_out_of_order(&entry["fieldsV1"]))
}

fn is_out_of_order(fields: &Value) -> bool {
    let Some(map) = fields.as_object() else { return false };
    for prefix in ["k:", "v:"] {
        let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
        let keys: Vec<Value> = map.keys().filter_map(|key| parse(key.strip_prefix(prefix)?)).collect();
        if keys.windows(2).any(|pair| order(&pair[0], &pair[1]).is_gt()) {
            return true;
        }
    }
    map.values().any(is_out_of_order)
}

/// Compares two values as the paths they are in are ordered.
fn order(left: &Value, right: &Value) -> std::cmp::Ordering {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let (mut left, mut right) = (left.iter(), right.iter());
            loop {
                match (left.next(), right.next()) {
                    (Some(left), Some(right)) => {
                        let found = left.0.cmp(right.0).then_with(|| order(left.1, right.1));
                        if found.is_ne() {
                            return found;
                        }
                    }
                    (left, right) => return left.is_some().cmp(&right.is_some()),
                }
            }
        }
        (Value::Number(left), Value::Number(right)) => {
            left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(std::cmp::Ordering::Equal)
        }
        (Value::String(left), Value::String(right)) => left.cmp(right),
        // Values of several types, numbers first.
        (left, right) => left.is_string().cmp(&right.is_string()),
    }
}

/// Returns the kind of scales.
pub(crate) fn gvk() -> Gvk {
    Gvk::new("autoscaling", "v1", "Scale")
}

/// Returns whether a subresource is written as a scale.
pub(super) fn is_scale(subresource: &str) -> bool {
    subresource == "scale"
}

/// Returns the version in which a subresource is written.
pub(super) fn api_version(resource: &Resource, subresource: &str) -> String {
    if is_scale(subresource) { gvk().api_version() } else { resource.api_version() }
}
