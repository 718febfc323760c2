//! Who owns which fields of an object: what server-side apply and every other write record.

mod reset;
pub(crate) mod scale;
mod versions;

use bowline_smd::{ApplyError, ApplyRequest, TypeRef, UpdateRequest};
use serde_json::Value;

use self::versions::Served;
use crate::builtins::Builtins;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::error::{ApiError, Cause};
use crate::registry::{WriteOptions, metadata};
use crate::resource::Resource;

pub(crate) use reset::status_stands_alone;

/// A write whose owners are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ownership<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) subresource: &'a str,
    pub(crate) catalog: &'a Catalog,
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
        let (object, unset) = without_unset_times(self.resource, object);
        let versions = Served { resource: self.resource, catalog: self.catalog };
        let is_scale = scale::is_scale(self.subresource);
        let request = UpdateRequest {
            ty: &self.type_of(),
            live,
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
        for key in unset {
            object[key] = Value::Null;
        }
        object
    }

    /// Merges an applied configuration into the live object, or into nothing; tells whether anything changed.
    pub(crate) fn apply(
        &self,
        live: Option<&Value>,
        config: &Value,
        options: &WriteOptions,
    ) -> Result<(Value, bool), ApiError> {
        let reset_fields = reset::fields(self.resource, self.subresource);
        let versions = Served { resource: self.resource, catalog: self.catalog };
        let is_scale = scale::is_scale(self.subresource);
        let request = ApplyRequest {
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
            Ok(applied) => Ok((applied.object, applied.changed)),
            Err(error) => Err(refusal(&error)),
        }
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

/// Takes out the times of an Event that are written as null: to Go they are not there, so nobody owns them.
fn without_unset_times(resource: &Resource, mut object: Value) -> (Value, Vec<String>) {
    let mut unset = Vec::new();
    if resource.plural == "events" && resource.custom().is_none() {
        let map = object.as_object_mut().into_iter().flatten();
        unset = map.filter(|(_, value)| value.is_null()).map(|(key, _)| key.clone()).collect();
        if let Some(map) = object.as_object_mut() {
            map.retain(|key, _| !unset.contains(key));
        }
    }
    (object, unset)
}
