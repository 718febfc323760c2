//! Bookkeeping for writes that are not an apply: create, replace, patch.

use serde_json::Value;

use super::cap::cap_updaters;
use super::owners::{ManagerId, Owned, Owners};
use super::versions::{VersionError, Versions, Views};
use super::{Operation, managed_fields, metadata, set_managed_fields, unowned, without_managed_fields};
use crate::schema::TypeRef;
use crate::set::Set;
use crate::typed::{Duplicates, TypedError, validate_with};

/// A write that has been carried out already, and whose owners are to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct UpdateRequest<'a> {
    /// The object's type.
    pub ty: &'a TypeRef,
    /// The object before the write; `None` for a create.
    pub live: Option<&'a Value>,
    /// The object after it.
    pub new: &'a Value,
    /// Who writes; empty counts as `unknown`.
    pub manager: &'a str,
    /// The version written, such as `apps/v1`.
    pub api_version: &'a str,
    /// The subresource written through; empty for the object itself.
    pub subresource: &'a str,
    /// The time, RFC 3339 in UTC and whole seconds.
    pub now: &'a str,
    /// Fields this endpoint ignores: they are neither recorded nor compared.
    pub reset_fields: &'a Set,
    /// The other versions of the kind.
    pub versions: Option<&'a dyn Versions>,
}

/// Why the owners of an object cannot be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// One of the objects is not of its type.
    #[error(transparent)]
    Typed(#[from] TypedError),
    /// The objects cannot be had or compared in a version in which somebody owns fields.
    #[error(transparent)]
    Version(#[from] VersionError),
}

/// Returns the new object with `metadata.managedFields` as the API server would write it.
///
/// `managedFields` in the new object counts, so a client may edit it; `[]` or `[{}]` forgets every owner. An object
/// that has no owners goes on having none until somebody applies it. A write that changes nothing but times keeps the
/// old ones. On an error the API server writes the object without the field.
pub fn update(request: UpdateRequest<'_>) -> Result<Value, UpdateError> {
    let mut owners = owners_for(&request);
    let mut new = without_managed_fields(request.new);
    let exists = request.live.and_then(metadata).and_then(|metadata| metadata.get("uid")).is_some_and(is_text);
    // Without owners, an existing object was last written before ownership was kept, or had it taken away.
    if !(owners.0.is_empty() && exists) {
        record(&request, &new, &mut owners)?;
        cap_updaters(&mut owners);
    }
    set_managed_fields(&mut new, owners.entries().encode());
    super::keep_times_of_unchanged(request.live, &mut new);
    Ok(new)
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn owners_for(request: &UpdateRequest<'_>) -> Owners {
    let of_live = || Owners::decode(request.live.and_then(managed_fields)).unwrap_or_default();
    // Through a subresource nobody sets owners.
    if !request.subresource.is_empty() {
        return of_live();
    }
    match managed_fields(request.new) {
        Some(Value::Array(entries)) if is_reset(entries) => Owners::default(),
        // A client that does not know the field must not lose it.
        written => match Owners::decode(written) {
            Ok(owners) if !owners.0.is_empty() => owners,
            _ => of_live(),
        },
    }
}

fn is_reset(entries: &[Value]) -> bool {
    match entries {
        [] => true,
        [only] => only.as_object().is_some_and(serde_json::Map::is_empty),
        _ => false,
    }
}

/// Gives the writer what it changed, and takes that from the others.
pub(super) fn record(request: &UpdateRequest<'_>, new: &Value, owners: &mut Owners) -> Result<(), UpdateError> {
    let before = match request.live {
        Some(live) => without_managed_fields(live),
        None => request.ty.zero_value(),
    };
    validate_with(request.ty, new, Duplicates::Allowed)?;
    validate_with(request.ty, &before, Duplicates::Allowed)?;
    let views = Views {
        api_version: request.api_version,
        ty: request.ty,
        others: request.versions,
        reset_fields: request.reset_fields,
    };
    owners.reconcile(&views, &before)?;
    let changes = views.changes(&before, new, owners)?;
    owners.take(&changes, None);
    let change = changes.of(request.api_version).expect("holds because the request's own version is always compared");
    let taken = change.modified.union(&change.added).recursive_difference(request.reset_fields).difference(unowned());
    if taken.is_empty() {
        return Ok(());
    }
    let id = ManagerId::of_request(request.manager, Operation::Update, request.api_version, request.subresource);
    let owned = owners.0.entry(id).or_insert_with(|| Owned {
        fields: Set::new(),
        api_version: request.api_version.to_owned(),
        time: None,
    });
    owned.fields.extend(&taken);
    owned.time = Some(request.now.to_owned());
    Ok(())
}
