//! Owners of an object as owners of its `Scale`, and back.
//!
//! The rules are those of apimachinery's `ScaleHandler`, 1.35, with its oddities: an updater's entry is split when it
//! comes back from the scale, for the version is part of its identity there and differs.

use serde_json::Value;

use super::ManagedFieldsError;
use super::owners::{ManagerId, Owned, Owners};
use crate::path::Path;
use crate::set::Set;

const SCALE_VERSION: &str = "autoscaling/v1";

/// Where a version of a kind keeps its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicasPath {
    /// The version, such as `apps/v1`.
    pub api_version: String,
    /// The path; `None` in a version that has no scale.
    pub path: Option<Path>,
}

/// Returns the `managedFields` of an object's scale: those of whoever owns its replicas.
pub fn scale_owners(managed: Option<&Value>, versions: &[ReplicasPath]) -> Result<Option<Value>, ManagedFieldsError> {
    let owners = Owners::decode(managed)?;
    let mut out = Owners::default();
    for (id, owned) in owners.0 {
        let Some(path) = path_of(versions, &owned.api_version).flatten() else { continue };
        if owned.fields.contains(path.elements()) {
            let owned = Owned { fields: replicas_of_scale(), api_version: SCALE_VERSION.to_owned(), ..owned };
            out.0.insert(id, owned);
        }
    }
    Ok(out.entries().encode())
}

/// Returns the `managedFields` of an object after those of its scale became `scale`; `api_version` is the version the
/// object was reached by.
pub fn parent_owners(
    managed: Option<&Value>,
    scale: Option<&Value>,
    versions: &[ReplicasPath],
    api_version: &str,
) -> Result<Option<Value>, ManagedFieldsError> {
    let owners = Owners::decode(managed)?;
    let mut of_scale = Owners::decode(scale)?;
    let times: Vec<(ManagerId, Option<String>)> =
        owners.0.iter().map(|(id, owned)| (id.clone(), owned.time.clone())).collect();
    let mut out = Owners::default();
    for (id, mut owned) in owners.0 {
        let Some(path) = path_of(versions, &owned.api_version) else { continue };
        match path.filter(|path| owned.fields.contains(path.elements())) {
            Some(path) if of_scale.0.remove(&id).is_none() => {
                owned.fields = owned.fields.difference(&Set::of([path.clone()]));
                if !owned.fields.is_empty() {
                    out.0.insert(id, owned);
                }
            }
            _ => drop(out.0.insert(id, owned)),
        }
    }
    let Some(path) = path_of(versions, api_version).flatten() else { return Ok(out.entries().encode()) };
    for (id, owned) in of_scale.0 {
        if !owned.fields.contains(Path::of_fields(["spec", "replicas"]).elements()) {
            continue;
        }
        // The time is that of the same manager's entry before, if there was one.
        let time = times.iter().find(|(other, _)| *other == id).and_then(|(_, time)| time.clone());
        let owned = Owned { fields: Set::of([path.clone()]), api_version: api_version.to_owned(), time };
        out.0.insert(id, owned);
    }
    Ok(out.entries().encode())
}

#[expect(clippy::option_option, reason = "a version that is not known differs from one whose scale has no path")]
fn path_of<'v>(versions: &'v [ReplicasPath], api_version: &str) -> Option<Option<&'v Path>> {
    versions.iter().find(|version| version.api_version == api_version).map(|version| version.path.as_ref())
}

fn replicas_of_scale() -> Set {
    Set::of([Path::of_fields(["spec", "replicas"])])
}
