//! Patches that a client computes: from an old object to a new one, and from there to what is live.

use serde_json::{Map, Value};

use super::diff::{Wanted, diff_maps};
use super::merge::{Onto, merge_map};
use super::meta::Meta;
use super::{OBJECT, PatchError, PatchLookup, conflict, wrong_kind};
use crate::go;
use crate::schema::TypeRef;

/// What a patch must leave alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// This field of the object, such as `kind`.
    KeyUnchanged(&'static str),
    /// This field of `metadata`, such as `name`.
    MetadataKeyUnchanged(&'static str),
}

impl Precondition {
    /// What kubectl and Helm demand of patches to custom resources: the same `apiVersion`, `kind` and name.
    pub const IDENTITY: [Self; 3] =
        [Self::KeyUnchanged("apiVersion"), Self::KeyUnchanged("kind"), Self::MetadataKeyUnchanged("name")];

    fn holds(&self, patch: &Map<String, Value>) -> bool {
        match self {
            Self::KeyUnchanged(name) => !patch.contains_key(*name),
            Self::MetadataKeyUnchanged(name) => patch.get("metadata").and_then(|meta| meta.get(*name)).is_none(),
        }
    }
}

/// Why a client computes no patch.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ThreeWayError {
    /// A part of the objects cannot be compared or merged.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The patch, given here, changes what it must leave alone.
    #[error("precondition failed for: {}", go::plain(.0))]
    Precondition(Value),
    /// The live object was changed where the new one changes too. [`ThreeWayError::told`] prints both in full.
    #[error("patch conflicts with changes made from original to current")]
    Conflict {
        /// The patch that would have come of it.
        patch: Value,
        /// What was changed from the old object to the live one.
        changes: Value,
    },
}

impl ThreeWayError {
    /// The message as the Go library has it, given a writer of YAML in the style of `sigs.k8s.io/yaml`.
    pub fn told(&self, to_yaml: impl Fn(&Value) -> String) -> String {
        match self {
            Self::Conflict { patch, changes } => format!(
                "patch:\n{}\nconflicts with changes made from original to current:\n{}\n",
                to_yaml(patch),
                to_yaml(changes)
            ),
            other => other.to_string(),
        }
    }
}

/// What a three-way patch is computed from.
#[derive(Debug, Clone, Copy)]
pub struct ThreeWay<'a> {
    /// What was applied last: kubectl's annotation, or the manifest of Helm's last release. Null or empty when nothing
    /// was.
    pub original: &'a Value,
    /// What is to be applied.
    pub modified: &'a Value,
    /// The live object.
    pub current: &'a Value,
    /// What the patch must leave alone.
    pub preconditions: &'a [Precondition],
}

/// Computes the strategic merge patch that makes `original` into `modified`.
///
/// Null stands for an empty object. The patch says the order of merging lists it changes (`$setElementOrder`), the
/// fields that stay where only named ones may (`$retainKeys`), and what goes (`null`, `$patch: delete`,
/// `$deleteFromPrimitiveList`). It is empty when nothing changes.
///
/// The rule is `strategicpatch.CreateTwoWayMergePatch`.
pub fn two_way_patch(
    ty: &TypeRef,
    lookup: PatchLookup,
    original: &Value,
    modified: &Value,
    preconditions: &[Precondition],
) -> Result<Value, ThreeWayError> {
    let wanted = Wanted { orders: true, ..Wanted::default() };
    let patch = diff_maps(Meta::of(ty, lookup), &mut map_of(original)?, &map_of(modified)?, wanted)?;
    check(patch, preconditions).map(Value::Object)
}

/// Computes the strategic merge patch that brings a live object to `modified`, leaving what others set.
///
/// Fields of `modified` that differ from `current` are set; what `original` had and `modified` has no longer is deleted;
/// all else stays. With `overwrite`, as kubectl and Helm have it, the patch wins over changes made meanwhile; without,
/// the same field changed on both sides is [`ThreeWayError::Conflict`].
///
/// The rule is `strategicpatch.CreateThreeWayMergePatch`; kubectl applies it with [`PatchLookup::OpenApi`], Helm 3 with
/// [`PatchLookup::GoTypes`], both to built-in kinds only.
pub fn three_way_patch(
    ty: &TypeRef,
    lookup: PatchLookup,
    objects: ThreeWay<'_>,
    overwrite: bool,
) -> Result<Value, ThreeWayError> {
    let meta = Meta::of(ty, lookup);
    let (mut original, mut current) = (map_of(objects.original)?, map_of(objects.current)?);
    let modified = map_of(objects.modified)?;
    let wanted = Wanted { orders: true, no_deletions: true, ..Wanted::default() };
    let additions = diff_maps(meta, &mut current, &modified, wanted)?;
    let wanted = Wanted { orders: true, no_additions: true, ..Wanted::default() };
    let deletions = diff_maps(meta, &mut original, &modified, wanted)?;
    let patch = merge_map(meta, deletions, additions, Onto::Patch)?;
    let patch = check(patch, objects.preconditions)?;
    if overwrite {
        return Ok(Value::Object(patch));
    }
    let changes = diff_maps(meta, &mut original, &current, Wanted::default())?;
    let (mut patch, mut changes) = (Value::Object(patch), Value::Object(changes));
    if conflict::values_conflict(meta, super::meta::Strategy::default(), &mut patch, &mut changes)? {
        return Err(ThreeWayError::Conflict { patch, changes });
    }
    Ok(patch)
}

/// Tells whether two strategic merge patches change the same field differently.
///
/// The rule is `strategicpatch.MergingMapsHaveConflicts`.
pub fn patches_conflict(ty: &TypeRef, lookup: PatchLookup, left: &Value, right: &Value) -> Result<bool, PatchError> {
    let (mut left, mut right) = (Value::Object(map_of(left)?), Value::Object(map_of(right)?));
    conflict::values_conflict(Meta::of(ty, lookup), super::meta::Strategy::default(), &mut left, &mut right)
}

/// Refuses a patch that changes what it must leave alone.
pub(crate) fn check(
    patch: Map<String, Value>,
    preconditions: &[Precondition],
) -> Result<Map<String, Value>, ThreeWayError> {
    if preconditions.iter().all(|precondition| precondition.holds(&patch)) {
        return Ok(patch);
    }
    Err(ThreeWayError::Precondition(Value::Object(patch)))
}

/// An object's fields, numbers as Go's decoder has them: whole ones beyond 64 bits are floats.
pub(crate) fn map_of(object: &Value) -> Result<Map<String, Value>, PatchError> {
    match object {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map.iter().map(|(name, value)| (name.clone(), decoded(value))).collect()),
        other => Err(wrong_kind(OBJECT, other)),
    }
}

fn decoded(value: &Value) -> Value {
    match value {
        Value::Number(number) if !number.is_i64() => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => Value::Array(items.iter().map(decoded).collect()),
        Value::Object(map) => Value::Object(map.iter().map(|(name, value)| (name.clone(), decoded(value))).collect()),
        other => other.clone(),
    }
}
