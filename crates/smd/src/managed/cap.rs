//! Keeping the number of updaters down.

use std::collections::BTreeMap;

use super::Operation;
use super::owners::{ManagerId, Owners};
use crate::time;

/// How many updaters an object keeps apart; Kubernetes has 10 as well.
const MAX_UPDATERS: usize = 10;

/// Under whose name the oldest are put together.
const ANCIENT: &str = "ancient-changes";

/// Merges the oldest updaters of the same version until few enough are left.
pub(super) fn cap_updaters(owners: &mut Owners) {
    let mut updaters: Vec<ManagerId> =
        owners.0.keys().filter(|id| id.operation == Operation::Update).cloned().collect();
    let mut count = updaters.len();
    if count <= MAX_UPDATERS {
        return;
    }
    let seconds = |id: &ManagerId| {
        let time = owners.0.get(id).and_then(|owned| owned.time.as_deref());
        time.and_then(time::parse).map_or(0, |instant| instant.seconds)
    };
    // The sort is stable, and the keys came sorted by identity.
    updaters.sort_by_cached_key(|id| seconds(id));
    let mut first_of_version: BTreeMap<String, ManagerId> = BTreeMap::new();
    for id in updaters {
        if count <= MAX_UPDATERS {
            break;
        }
        let Some(owned) = owners.0.get(&id) else { continue };
        let version = owned.api_version.clone();
        let Some(first) = first_of_version.get(&version) else {
            first_of_version.insert(version, id);
            continue;
        };
        let bucket = ManagerId::new(ANCIENT, Operation::Update, &version, "");
        if !owners.0.contains_key(&bucket)
            && let Some(owned) = owners.0.remove(first)
        {
            owners.0.insert(bucket.clone(), owned);
        }
        if id == bucket {
            continue;
        }
        if let Some(merged) = owners.0.remove(&id)
            && let Some(bucket) = owners.0.get_mut(&bucket)
        {
            bucket.fields.extend(&merged.fields);
            // The later of the two: they come oldest first.
            bucket.time = merged.time;
            count -= 1;
        }
    }
}
