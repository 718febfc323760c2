//! Who owns what: `metadata.managedFields`, server-side apply, and the bookkeeping of other writes.
//!
//! The layers are those of apimachinery's `managedfields` package, 1.35. Who knows the versions of a kind says so by
//! [`Versions`]; else a manager's fields recorded at another version are read by the type of the request's version.

mod apply;
mod cap;
mod conflict;
mod entry;
mod last_applied;
mod owners;
mod scale;
mod update;
mod versions;

pub use apply::{Applied, ApplyError, ApplyRequest, apply};
pub use conflict::{Conflict, Conflicts};
pub use entry::{ManagedFields, ManagedFieldsError, ManagerEntry, Operation};
pub use scale::{ReplicasPath, parent_owners, scale_owners};
pub use update::{UpdateError, UpdateRequest, update};
pub use versions::{VersionError, Versions};

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::path::Path;
use crate::set::Set;
use crate::typed::equal;

/// The fields nobody owns, for the server sets them or they name the object.
pub fn unowned_fields() -> Set {
    unowned().clone()
}

fn unowned() -> &'static Set {
    static UNOWNED: LazyLock<Set> = LazyLock::new(name_unowned);
    &UNOWNED
}

fn name_unowned() -> Set {
    const IN_METADATA: [&str; 9] = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    let top = ["apiVersion", "kind", "metadata"].map(|name| Path::of_fields([name]));
    top.into_iter().chain(IN_METADATA.map(|name| Path::of_fields(["metadata", name]))).collect()
}

fn metadata(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata")?.as_object()
}

fn managed_fields(object: &Value) -> Option<&Value> {
    metadata(object)?.get("managedFields")
}

fn without_managed_fields(object: &Value) -> Value {
    let Value::Object(fields) = object else { return object.clone() };
    let copy = |(name, value): (&String, &Value)| match value {
        // The owners are most of many an object: they are not copied to be thrown away.
        Value::Object(metadata) if name == "metadata" => {
            let kept = metadata.iter().filter(|(name, _)| *name != "managedFields");
            (name.clone(), kept.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        value => (name.clone(), value.clone()),
    };
    fields.iter().map(copy).collect()
}

/// Writes the field; nothing to write takes it away.
fn set_managed_fields(object: &mut Value, managed: Option<Value>) {
    let Some(object) = object.as_object_mut() else { return };
    match managed {
        Some(managed) => {
            let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("managedFields".to_owned(), managed);
            }
        }
        None => {
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("managedFields");
            }
        }
    }
}

/// Takes back the live entries when all that differs between them and the new ones is a time: a write that changes
/// nothing else is no write at all.
pub fn keep_times_of_unchanged(live: Option<&Value>, new: &mut Value) {
    let Some(live) = live else { return };
    let (Some(old_entries), Some(new_entries)) = (managed_fields(live), managed_fields(new)) else { return };
    // What is small is looked at first: there most writes that change anything differ.
    if !same_metadata_but_owners(live, new) || old_entries == new_entries || !same_but_times(old_entries, new_entries) {
        return;
    }
    if same_without(live, new, "metadata", equal) {
        let old_entries = old_entries.clone();
        set_managed_fields(new, Some(old_entries));
    }
}

fn same_but_times(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_array(), new.as_array()) else { return false };
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_without(old, new, "time", |a, b| a == b))
}

fn same_metadata_but_owners(old: &Value, new: &Value) -> bool {
    match (metadata(old), metadata(new)) {
        (Some(_), Some(_)) => same_without(&old["metadata"], &new["metadata"], "managedFields", equal),
        (old, new) => old.is_none() && new.is_none(),
    }
}

/// Whether two maps are the same but for one field.
fn same_without(old: &Value, new: &Value, name: &str, same: impl Fn(&Value, &Value) -> bool) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return false };
    let count = |map: &Map<String, Value>| map.len() - usize::from(map.contains_key(name));
    count(old) == count(new)
        && old.iter().filter(|(key, _)| *key != name).all(|(key, old)| new.get(key).is_some_and(|new| same(old, new)))
}
