//! How an app goes away: its objects first, then its finalizers.

use std::collections::BTreeMap;

use bowline_cluster::ApiError;
use bowline_model::{Deletion, Object, ObjectKey, Propagation};
use serde_json::json;
use tracing::info;

use crate::look::{read, served};
use crate::shared::{Shared, Speaker};

/// How far a deletion has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// Objects are on their way out; looked at again when one of them changes.
    Waiting,
    /// The finalizers are off.
    Done,
}

/// Deletes what the app's deletion says, and takes the finalizers off when that is done.
///
/// Depends on nothing but the cluster: the source, and whatever else the app refers to, may be gone. An
/// object is deleted when it is in the inventory, its marks name this app, no other app desires it, and it does
/// not ask to stay.
pub(crate) async fn farewell(
    shared: &Shared,
    speaker: &Speaker,
    resource: &Object,
    deletion: &Deletion,
    inventory: &BTreeMap<ObjectKey, String>,
) -> Result<Farewell, ApiError> {
    if let Some(propagation) = deletion.prune
        && !bowline_model::is_planted(bowline_model::Planted::FinalizerGoesFirst)
        && remove_objects(shared, speaker, resource, propagation, inventory).await?
        && propagation == Propagation::Foreground
    {
        return Ok(Farewell::Waiting);
    }
    let left: Vec<&str> =
        resource.finalizers().filter(|name| !deletion.finalizers.iter().any(|ours| ours == name)).collect();
    let patch = json!({"metadata": {
        "finalizers": if left.is_empty() { json!(null) } else { json!(left) },
        "resourceVersion": resource.resource_version(),
    }});
    let Some(served) = shared.cluster.resource(&speaker.kind.gvk).await? else { return Ok(Farewell::Done) };
    let manager = &speaker.kind.manager;
    match shared.cluster.merge_patch(&served, resource.namespace(), resource.name(), "", manager, &patch).await {
        Ok(_) => Ok(Farewell::Done),
        Err(error) if error.is_not_found() => Ok(Farewell::Done),
        Err(error) => Err(error),
    }
}

/// Deletes the objects and tells whether some are still there.
async fn remove_objects(
    shared: &Shared,
    speaker: &Speaker,
    resource: &Object,
    propagation: Propagation,
    inventory: &BTreeMap<ObjectKey, String>,
) -> Result<bool, ApiError> {
    let app = resource.key();
    let mut leaving = Vec::new();
    for (key, version) in inventory {
        let Some(kind) = served(shared, key, version).await? else { continue };
        let Some(live) = read(shared, &kind, key).await? else { continue };
        let marks = speaker.dialect.marks(&live);
        if marks.owner.as_ref() != Some(&app)
            || marks.keep
            || marks.leave_alone
            || !shared.index.claimed_by_others(key, &app).is_empty()
        {
            continue;
        }
        let rules = speaker.dialect.adopt(&app, None, &mut live.clone());
        leaving.push(((rules.wave, rules.rank, key.clone()), kind, live));
    }
    leaving.sort_by(|a, b| b.0.cmp(&a.0));
    let remain = !leaving.is_empty();
    // The highest wave goes first, and the next one when it is gone.
    let wave = leaving.first().map(|((wave, ..), ..)| *wave);
    for ((at, _, key), kind, live) in leaving {
        let waits_its_turn = propagation == Propagation::Foreground && Some(at) != wave;
        if live.is_deleting() || waits_its_turn {
            continue;
        }
        info!(object = %key, %app, "Deleting an object of an app that goes away");
        shared.cluster.delete(&kind, &key.namespace, &key.name, live.uid(), propagation, false).await?;
    }
    Ok(remain)
}
