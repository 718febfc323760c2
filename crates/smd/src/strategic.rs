//! Strategic merge patch: JSON merge patch that knows how lists merge.
//!
//! The rules are those of apimachinery's `strategicpatch`, 1.35: [`strategic_merge`] applies a patch as the API server
//! does; [`two_way_patch`] and [`three_way_patch`] compute one as `kubectl apply` and Helm 3 do. Where Go walks a map,
//! whose order changes from run to run, the order here is that of the names: of several mistakes the first is told.
//!
//! Three things of Go are left out. Deleting from a set of scalars in the same patch that adds to it leaves a list whose
//! room Go counts otherwise, which shows in the order when the list had repeated values. A value that cannot be compared, such as a map where a list's items have their name,
//! makes Go panic; here it is compared. And Go's sort is not stable: beyond twelve items, those of one name may change
//! places among themselves.

mod conflict;
mod diff;
mod error;
mod list;
pub(crate) mod merge;
mod meta;
mod three_way;

use serde_json::Value;

use crate::go;
use crate::schema::TypeRef;

pub use error::PatchError;
pub use meta::PatchLookup;
pub use three_way::{Precondition, ThreeWay, ThreeWayError, patches_conflict, three_way_patch, two_way_patch};

pub(crate) use three_way::{check, map_of};

use merge::Onto;
use meta::Meta;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const ORDER_OF: &str = "$setElementOrder";

const OBJECT: &str = "map[string]interface {}";
const LIST: &str = "[]interface {}";

/// Applies a strategic merge patch to an object.
///
/// Lists with the patch strategy `merge` merge item by item, by their merge key or, without one, as sets of scalars;
/// all others are replaced. `$patch: delete|replace`, `$retainKeys`, `$deleteFromPrimitiveList/x` and
/// `$setElementOrder/x` are followed. `null` deletes. An object that is null is empty. What Go leaves of directives in values that are new to the object
/// is left here too: whoever decodes the result meets unknown fields. The API server refuses such patches for custom
/// resources.
pub fn strategic_merge(ty: &TypeRef, original: &Value, patch: &Value) -> Result<Value, PatchError> {
    let (original, patch) = (map_of(original)?, map_of(patch)?);
    merge::merge_map(Meta::of(ty, PatchLookup::GoTypes), original, patch, Onto::Object).map(Value::Object)
}

fn wrong_kind(expected: &'static str, given: &Value) -> PatchError {
    // How Go prints the type of nothing.
    let given = if given.is_null() { "%!s(<nil>)" } else { go::type_name(given) };
    PatchError::WrongKind { expected, given }
}

/// The key of items in lists that have none: no field is called so.
fn key_or_nothing(key: Option<&str>) -> &str {
    key.unwrap_or_default()
}
