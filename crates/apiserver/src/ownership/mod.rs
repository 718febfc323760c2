//! Who owns which fields of an object: what server-side apply and every other write record.

mod reset;
pub(crate) mod scale;
mod versions;

use std::sync::Arc;

use bowline_smd::{ApplyError, ApplyRequest, TypeRef, UpdateRequest};
use serde_json::Value;

use self::versions::Served;
use crate::autoscaler;
use crate::builtins::Builtins;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::error::{ApiError, Cause};
use crate::registry::{WriteOptions, metadata};
use crate::resource::Resource;

pub(crate) use reset::status_stands_alone;

/// A write whose owners are kept.
#[derive(Debug, Clone)]
pub(crate) struct Ownership<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) subresource: &'a str,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: &'a Clock,
}

/// Returns the type whose fields are owned, or the shape of anything when there is none.
pub(crate) fn type_of(resource: &Resource) -> TypeRef {
    if let Some(custom) = resource.custom() {
        return custom.ty.clone();
    }
    let gvk = bowline_smd::Gvk::new(resource.group.clone(), resource.version.clone(), resource.kind.clone());
    let schemas = Builtins::get().schemas(&resource.group, &resource.version);
    schemas.and_then(|schemas| schemas.type_of(&gvk)).unwrap_or_else(TypeRef::deduced)
}

impl Ownership<'_> {
    fn type_of(&self) -> TypeRef {
        if scale::is_scale(self.subresource) { scale::type_of(self.resource) } else { type_of(self.resource) }
    }

    /// Records who wrote what in a create, replacement or patch.
    ///
    /// `object` is as its writer wants it, decoded and defaulted; what the endpoint does not write may be in it.
    pub(crate) fn record(&self, live: Option<&Value>, object: Value, options: &WriteOptions) -> Value {
        let reset_fields = reset::fields(self.resource, self.subresource);
        let (object, unset) = without_unset_times(self.resource, live, object);
        let is_old_autoscaler =
            self.resource.is("autoscaling", "horizontalpodautoscalers") && self.resource.version == "v1";
        // What the conversion says in annotations is owned, and not written.
        let written = is_old_autoscaler.then(|| object.clone());
        let (object, was) = as_converted(self.resource, object);
        let empty = if live.is_none() { self.empty() } else { None };
        let versions = Served { resource: self.resource, subresource: self.subresource, catalog: &self.catalog };
        let is_scale = scale::is_scale(self.subresource);
        let request = UpdateRequest {
            ty: &self.type_of(),
            live: live.or(empty.as_deref()),
            new: &object,
            manager: &options.manager,
            api_version: &scale::api_version(self.resource, self.subresource),
            subresource: self.subresource,
            now: &self.clock.now_seconds(),
            reset_fields: &reset_fields,
            versions: (!is_scale).then_some(&versions),
        };
        // Where ownership cannot be told, the real server writes the object without it.
        let mut object = bowline_smd::update(request).unwrap_or_else(|error| {
            tracing::debug!(%error, kind = self.resource.kind, "Field owners could not be recorded");
            let mut object = object;
            metadata(&mut object).remove("managedFields");
            object
        });
        if let Some(mut written) = written {
            let owners = metadata(&mut object).remove("managedFields");
            match owners {
                Some(owners) => drop(metadata(&mut written).insert("managedFields".to_owned(), owners)),
                None => drop(metadata(&mut written).remove("managedFields")),
            }
            return written;
        }
        for key in unset {
            object[key] = Value::Null;
        }
        if let Some(was) = was {
            match was {
                Some(annotations) => drop(metadata(&mut object).insert("annotations".to_owned(), annotations)),
                None => drop(metadata(&mut object).remove("annotations")),
            }
        }
        object
    }

    /// Returns what a new object of a built-in kind is compared with.
    fn empty(&self) -> Option<Arc<Value>> {
        if self.resource.custom().is_some() || scale::is_scale(self.subresource) {
            return None;
        }
        let Resource { group, version, kind, .. } = self.resource;
        Builtins::get().unset(group, version, kind)
    }

    /// Merges an applied configuration into the live object, or into nothing; tells whether that left it as it was.
    pub(crate) fn apply(
        &self,
        live: Option<&Value>,
        config: &Value,
        options: &WriteOptions,
    ) -> Result<(Value, bool), ApiError> {
        let reset_fields = reset::fields(self.resource, self.subresource);
        let versions = Served { resource: self.resource, subresource: self.subresource, catalog: &self.catalog };
        let is_scale = scale::is_scale(self.subresource);
        // It is asked for only where nobody owns anything yet.
        let has_owners = |live: &Value| live["metadata"]["managedFields"].as_array().is_some_and(|all| !all.is_empty());
        let empty = if live.is_some_and(has_owners) { None } else { self.empty() };
        let request = ApplyRequest {
            empty: empty.as_deref(),
            ty: &self.type_of(),
            live,
            config,
            manager: &options.manager,
            api_version: &scale::api_version(self.resource, self.subresource),
            subresource: self.subresource,
            force: options.force,
            now: &self.clock.now_seconds(),
            reset_fields: &reset_fields,
            versions: (!is_scale).then_some(&versions),
        };
        match bowline_smd::apply(request) {
            Ok(applied) => Ok((applied.object, applied.merged_nothing)),
            Err(error) => Err(refusal(&error)),
        }
    }

    /// Applies a scale.
    ///
    /// The real server cannot convert the scales of custom resources, so of those only an apply that changes nothing is
    /// carried out.
    pub(crate) fn apply_scale(&self, scale: &Value, config: &Value, options: &WriteOptions) -> Result<Value, ApiError> {
        const WHY: &str = "request to convert CR to an invalid group/version: autoscaling/v1";
        let is_custom = self.resource.custom().is_some();
        if is_custom && scale["metadata"].get("managedFields").is_none() {
            return Err(ApiError::unforeseen(format!(
                "failed to create manager for existing fields: failed to convert live object (/; autoscaling/v1, \
                 Kind=Scale) to proper version: {WHY}"
            )));
        }
        let (applied, _) = self.apply(Some(scale), config, options)?;
        let changed = ["metadata", "spec", "status"].iter().any(|part| {
            let plain = |scale: &Value| {
                let mut part = scale[*part].clone();
                part.as_object_mut().map(|part| part.remove("managedFields"));
                part
            };
            plain(scale) != plain(&applied)
        });
        if is_custom && changed {
            let text = |key: &str| config["metadata"][key].as_str().unwrap_or_default().to_owned();
            return Err(ApiError::unforeseen(format!(
                "failed to convert new object ({}/{}; autoscaling/v1, Kind=Scale) to proper version: {WHY}",
                text("namespace"),
                text("name"),
            )));
        }
        Ok(applied)
    }
}

fn refusal(error: &ApplyError) -> ApiError {
    match error {
        ApplyError::Conflicts(conflicts) => {
            let causes = conflicts.0.iter().map(|conflict| Cause {
                reason: "FieldManagerConflict",
                message: conflict.cause(),
                field: conflict.path.to_string(),
            });
            ApiError::new(409, "Conflict", conflicts.to_string()).with_causes(causes.collect())
        }
        ApplyError::WrongVersion { .. } | ApplyError::SetsManagedFields => ApiError::bad_request(error.to_string()),
        _ => ApiError::unforeseen(error.to_string()),
    }
}

/// Takes out the times a new Event is without: to Go they are not there, so nobody owns them.
///
/// Who takes a time away later owns that there is none.
fn without_unset_times(resource: &Resource, live: Option<&Value>, mut object: Value) -> (Value, Vec<String>) {
    let mut unset = Vec::new();
    if resource.plural == "events" && resource.custom().is_none() {
        let map = object.as_object_mut().into_iter().flatten();
        let was_there = |key: &str| live.is_some_and(|live| live.get(key).is_some());
        unset = map.filter(|(key, value)| value.is_null() && !was_there(key)).map(|(key, _)| key.clone()).collect();
        if let Some(map) = object.as_object_mut() {
            map.retain(|key, _| !unset.contains(key));
        }
    }
    (object, unset)
}

/// Shows an object as it comes back from Go's internal form, with the annotations it had.
///
/// A DaemonSet's template generation has a field there, and is written as an annotation in every version since.
#[expect(clippy::option_option, reason = "nothing was put aside, or the annotations there were, which may be none")]
fn as_converted(resource: &Resource, mut object: Value) -> (Value, Option<Option<Value>>) {
    const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
    if resource.is("autoscaling", "horizontalpodautoscalers") && resource.version == "v1" {
        // The internal form always has a metric to scale by.
        autoscaler::to_v2(&mut object);
        autoscaler::to_v1(&mut object);
        return (object, None);
    }
    if !resource.is("apps", "daemonsets") {
        return (object, None);
    }
    let meta = metadata(&mut object);
    let was = meta.get("annotations").cloned();
    let generation: i64 =
        was.as_ref().and_then(|was| was[TEMPLATE_GENERATION].as_str()?.parse().ok()).unwrap_or_default();
    let annotations = meta.entry("annotations").or_insert_with(|| Value::Object(serde_json::Map::new()));
    annotations[TEMPLATE_GENERATION] = generation.to_string().into();
    (object, Some(was))
}
