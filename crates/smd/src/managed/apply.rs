//! Server-side apply.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::conflict::{Conflict, Conflicts};
use super::owners::{ManagerId, Owned, Owners};
use super::update::UpdateError;
use super::update::{UpdateRequest, record};
use super::versions::{VersionError, Versions, Views};
use super::{
    ManagedFieldsError, Operation, last_applied, managed_fields, metadata, set_managed_fields, unowned,
    without_managed_fields,
};
use crate::schema::TypeRef;
use crate::set::Set;
use crate::typed::{Duplicates, TypedError, equal, merge_valid, remove, to_set, to_set_valid, validate, validate_with};

/// Under whose name the fields of an object go that nobody owned before its first apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// An apply.
#[derive(Debug, Clone, Copy)]
pub struct ApplyRequest<'a> {
    /// The object's type.
    pub ty: &'a TypeRef,
    /// The object as it is; `None` when it does not exist.
    pub live: Option<&'a Value>,
    /// An object of the kind before anything is set; `None` takes what the type tells of it.
    pub empty: Option<&'a Value>,
    /// What is applied.
    pub config: &'a Value,
    /// Who applies; empty counts as `unknown`.
    pub manager: &'a str,
    /// The version of the endpoint, such as `apps/v1`.
    pub api_version: &'a str,
    /// The subresource applied to; empty for the object itself.
    pub subresource: &'a str,
    /// Whether to take fields from their owners.
    pub force: bool,
    /// The time, RFC 3339 in UTC and whole seconds.
    pub now: &'a str,
    /// Fields this endpoint ignores: they are not recorded, and nothing conflicts over them.
    pub reset_fields: &'a Set,
    /// The other versions of the kind.
    pub versions: Option<&'a dyn Versions>,
}

impl<'a> ApplyRequest<'a> {
    fn views(&self) -> Views<'a> {
        Views { api_version: self.api_version, ty: self.ty, others: self.versions, reset_fields: self.reset_fields }
    }
}

/// What an apply came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The object, before defaulting and admission, with its owners recorded.
    pub object: Value,
    /// Whether it differs from the live object, owners included. Without a live object it does.
    pub changed: bool,
    /// Whether the configuration changed nothing of the live object, whoever owns it now.
    pub merged_nothing: bool,
}

/// Why an apply was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields it would change: 409.
    #[error(transparent)]
    Conflicts(Conflicts),
    /// It is for another version than the endpoint's, or another kind than the live object: 400.
    #[error("invalid object type: {0}")]
    WrongVersion(String),
    /// It sets owners: 400.
    #[error("metadata.managedFields must be nil")]
    SetsManagedFields,
    /// The live object's owners cannot be read: 500.
    #[error("failed to decode managed fields: {0}")]
    LiveOwners(ManagedFieldsError),
    /// It is not of the type: 500.
    #[error("failed to create typed patch object ({object}): {mistakes}")]
    Config {
        /// Namespace, name and kind, as the server prints them.
        object: String,
        /// What is wrong.
        mistakes: TypedError,
    },
    /// The live object is not of the type: 500.
    #[error("failed to create typed live object ({object}): {mistakes}")]
    Live {
        /// Namespace, name and kind, as the server prints them.
        object: String,
        /// What is wrong.
        mistakes: TypedError,
    },
    /// The live object, whose fields nobody owned, is not of the type: 500.
    #[error(
        "failed to create manager for existing fields: failed to convert new object ({object}) to smd typed: {mistakes}"
    )]
    Existing {
        /// Namespace, name and kind, as the server prints them.
        object: String,
        /// What is wrong.
        mistakes: UpdateError,
    },
    /// It does not merge: 500.
    #[error("failed to merge config: {0}")]
    Merge(TypedError),
    /// The outcome cannot be had or compared in a version in which somebody owns fields: 500.
    #[error(transparent)]
    Version(#[from] VersionError),
}

/// Applies a configuration as the API server does.
pub fn apply(request: ApplyRequest<'_>) -> Result<Applied, ApplyError> {
    let is_version = request.config.get("apiVersion").and_then(Value::as_str) == Some(request.api_version);
    let is_kind = request.live.is_none_or(|live| live.get("kind") == request.config.get("kind"));
    if !is_version || !is_kind {
        return Err(ApplyError::WrongVersion(describe_kind(request.config)));
    }
    let owners = Owners::decode(request.live.and_then(managed_fields)).map_err(ApplyError::LiveOwners)?;
    let live = request.live.map_or_else(|| empty_object(request.config), without_managed_fields);
    if managed_fields(request.config).is_some_and(|entries| !entries.is_null()) {
        // Whose the live object's fields are is told before the configuration is looked at.
        if owners.0.is_empty() && request.live.is_some() {
            record_existing(&request, &live, &mut owners.clone())?;
        }
        return Err(ApplyError::SetsManagedFields);
    }
    let kept = (request.manager == "kubectl").then(|| owners.clone());
    let outcome = match (attempt(&request, &live, owners, request.force), kept) {
        (Err(ApplyError::Conflicts(conflicts)), Some(owners)) => {
            take_over_from_client_side(&request, &live, owners, conflicts)?
        }
        (outcome, _) => outcome?,
    };
    let mut object = outcome.object;
    if request.manager == "kubectl" {
        last_applied::refresh(&mut object, request.config);
    }
    set_managed_fields(&mut object, outcome.owners.entries().encode());
    // Of what was merged into another object than the live one only kubectl's annotation can make the live one again.
    if outcome.merged_nothing || request.manager == "kubectl" {
        super::keep_times_of_unchanged(request.live, &mut object);
    }
    let changed = request.live.is_none_or(|live| !equal(live, &object));
    Ok(Applied { object, changed, merged_nothing: outcome.merged_nothing })
}

struct Outcome {
    object: Value,
    owners: Owners,
    merged_nothing: bool,
}

fn attempt(request: &ApplyRequest<'_>, live: &Value, mut owners: Owners, force: bool) -> Result<Outcome, ApplyError> {
    if owners.0.is_empty() && request.live.is_some() {
        record_existing(request, live, &mut owners)?;
    }
    validate(request.ty, request.config)
        .map_err(|mistakes| ApplyError::Config { object: describe(request.config), mistakes })?;
    validate_with(request.ty, live, Duplicates::Allowed)
        .map_err(|mistakes| ApplyError::Live { object: describe(live), mistakes })?;
    let views = request.views();
    let id = ManagerId::of_request(request.manager, Operation::Apply, request.api_version, request.subresource);
    // A manager keeps its time even where the version it wrote has gone, and what it owned with it.
    let time = owners.0.get(&id).and_then(|last| last.time.clone());
    owners.reconcile(&views, live)?;
    let merged = merge_valid(request.ty, live, request.config).map_err(ApplyError::Merge)?;

    let last = owners.0.get(&id).cloned();
    let own = Owned {
        fields: to_set_valid(request.ty, request.config).recursive_difference(request.reset_fields),
        api_version: request.api_version.to_owned(),
        time,
    };
    owners.0.insert(id.clone(), own);
    let new = match last {
        Some(last) if !last.fields.is_empty() => {
            prune(&views, merged, &last, &owners, &id).map_err(VersionError::of("failed to prune fields"))?
        }
        _ => merged,
    };

    let changes = views.changes(live, &new, &mut owners)?;
    let conflicts = owners.conflicts(&changes, Some(&id));
    if !force && !conflicts.is_empty() {
        let conflicts =
            conflicts.iter().flat_map(|(id, fields)| fields.paths().into_iter().map(|path| Conflict::new(id, path)));
        return Err(ApplyError::Conflicts(Conflicts(conflicts.collect())));
    }
    owners.take(&changes, Some(&id));
    let merged_nothing = equal(live, &new);
    if let Some(own) = owners.0.get_mut(&id) {
        own.fields = own.fields.difference(unowned());
        if !merged_nothing {
            own.time = Some(request.now.to_owned());
        }
        if own.fields.is_empty() {
            owners.0.remove(&id);
        }
    }
    Ok(Outcome { object: new, owners, merged_nothing: merged_nothing && request.live.is_some() })
}

/// What was there before anybody's ownership was kept belongs to a manager of its own.
fn record_existing(request: &ApplyRequest<'_>, live: &Value, owners: &mut Owners) -> Result<(), ApplyError> {
    let creation = UpdateRequest {
        ty: request.ty,
        live: request.empty,
        new: live,
        manager: BEFORE_FIRST_APPLY,
        api_version: request.api_version,
        subresource: request.subresource,
        now: request.now,
        reset_fields: request.reset_fields,
        versions: request.versions,
    };
    record(&creation, live, owners).map_err(|mistakes| ApplyError::Existing { object: describe(live), mistakes })
}

/// Takes out what the applier set the last time and no longer sets, unless somebody owns it.
fn prune(
    views: &Views<'_>,
    merged: Value,
    last: &Owned,
    owners: &Owners,
    id: &ManagerId,
) -> Result<Value, VersionError> {
    // Where the applier still sets all it set, in the one version anybody wrote, nothing goes.
    let own = owners.0.get(id).map(|own| &own.fields);
    let is_one_version = owners.0.values().chain([last]).all(|owned| owned.api_version == views.api_version);
    if is_one_version && own.is_some_and(|own| last.fields.is_subset(own)) {
        return Ok(merged);
    }
    const STEP: &str = "failed to convert merged object to last applied version";
    let then = views.convert(Cow::Owned(merged.clone()), &last.api_version).map_err(VersionError::of(STEP))?;
    let Some((then, ty)) = then else { return Ok(merged) };
    let before = last.fields.ensure_named_fields(&ty);
    let pruned = remove(&ty, &then, &before);

    // Back comes what anybody owns, the applier's new fields among them; in the version of the last apply first, for
    // without what is owned there an object may not convert.
    let mut owned: BTreeMap<&str, Set> = BTreeMap::new();
    for owner in owners.0.values() {
        owned.entry(&owner.api_version).or_default().extend(&owner.fields);
    }
    let mut versions: Vec<&str> = owned.keys().copied().collect();
    versions.sort_by_key(|version| *version != last.api_version);
    let mut states: (Cow<'_, Value>, Cow<'_, Value>) = (then.clone(), Cow::Owned(pruned));
    for version in versions {
        let convert = |what: &str, state: &Cow<'_, Value>| {
            let step = format!("failed add back owned items: failed to convert {what} object at version {version}");
            views.convert(Cow::Owned(state.clone().into_owned()), version).map_err(VersionError::of(&step))
        };
        let (Some((whole, ty)), Some((pruned, _))) = (convert("merged", &states.0)?, convert("pruned", &states.1)?)
        else {
            continue;
        };
        let kept = to_set(&ty, &pruned).ensure_named_fields(&ty).union(&owned[version].ensure_named_fields(&ty));
        let pruned = remove(&ty, &whole, &to_set(&ty, &whole).ensure_named_fields(&ty).difference(&kept));
        states = (whole, Cow::Owned(pruned));
    }

    // Back comes what went only because something around it did, and was never the applier's.
    const BACK: &str = "failed add back dangling items: failed to convert pruned object to last applied version";
    let back = views.convert(states.1, &last.api_version).map_err(VersionError::of(BACK))?;
    let Some((pruned, _)) = back else { return Ok(then.into_owned()) };
    let pruned_set = to_set(&ty, &pruned).ensure_named_fields(&ty);
    let whole_set = to_set(&ty, &then).ensure_named_fields(&ty);
    let pruned = remove(&ty, &then, &whole_set.difference(&pruned_set).intersection(&before));
    match views.convert(Cow::Owned(pruned), views.api_version)? {
        Some((pruned, _)) => Ok(pruned.into_owned()),
        None => Ok(merged),
    }
}

/// Whoever moves from client-side to server-side apply with kubectl keeps what the annotation says is theirs.
fn take_over_from_client_side(
    request: &ApplyRequest<'_>,
    live: &Value,
    owners: Owners,
    conflicts: Conflicts,
) -> Result<Outcome, ApplyError> {
    let Some(allowed) = last_applied::allowed_conflicts(request.ty, request.api_version, live) else {
        return Err(ApplyError::Conflicts(conflicts));
    };
    let remaining: Vec<Conflict> =
        conflicts.0.into_iter().filter(|conflict| !allowed.contains(conflict.path.elements())).collect();
    if remaining.is_empty() {
        return attempt(request, live, owners, true);
    }
    Err(ApplyError::Conflicts(Conflicts(remaining)))
}

fn empty_object(config: &Value) -> Value {
    let mut object = Map::new();
    for name in ["apiVersion", "kind"] {
        if let Some(text) = config.get(name) {
            object.insert(name.to_owned(), text.clone());
        }
    }
    Value::Object(object)
}

/// `namespace/name; group/version, Kind=kind`, as the server names an object in these errors.
fn describe(object: &Value) -> String {
    let nothing = json!("");
    let text = |value: Option<&Value>| value.unwrap_or(&nothing).as_str().unwrap_or_default().to_owned();
    let in_metadata = |name: &str| text(metadata(object).and_then(|metadata| metadata.get(name)));
    format!("{}/{}; {}", in_metadata("namespace"), in_metadata("name"), describe_kind(object))
}

/// `group/version, Kind=kind`, as Go prints it.
fn describe_kind(object: &Value) -> String {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let slash = if text("apiVersion").contains('/') { "" } else { "/" };
    format!("{slash}{}, Kind={}", text("apiVersion"), text("kind"))
}
