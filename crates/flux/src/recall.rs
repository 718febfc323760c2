//! Reading back what the status of a HelmRelease says about the last release.

use bowline_model::{BegunSync, LastRelease, Object, Recalled, Revision, Revisions};
use serde_json::Value;

use crate::inventory;

/// Returns the objects of the last release, its number, and the chart's files it was made of.
pub(crate) fn release(resource: &Object) -> Recalled {
    let attempted = attempted(resource);
    let is_released = condition(resource, "Released").is_some_and(|released| released["status"] == "True");
    Recalled {
        inventory: inventory::recall(resource),
        release: last(resource),
        begun: begun(resource, attempted.as_ref()),
        applied: attempted.filter(|_| is_released),
    }
}

fn attempted(resource: &Object) -> Option<Revisions> {
    let revision: Revision = resource.text("/status/lastAttemptedRevisionDigest")?.parse().ok()?;
    Some(revision.into())
}

fn last(resource: &Object) -> Option<LastRelease> {
    let newest = resource.at("/status/history/0")?;
    let number = newest["version"].as_u64().and_then(|number| u32::try_from(number).ok())?;
    Some(LastRelease { number, digest: newest["digest"].as_str()?.to_owned() })
}

fn begun(resource: &Object, attempted: Option<&Revisions>) -> Option<BegunSync> {
    let reconciling = condition(resource, "Reconciling").filter(|reconciling| reconciling["status"] == "True")?;
    // Waiting for another app, or for a source, is no sync.
    condition(resource, "Released").filter(|released| released["status"] == "Unknown")?;
    let started_at = reconciling["lastTransitionTime"].as_str()?.parse().ok()?;
    Some(BegunSync { revision: attempted?.clone(), started_at })
}

fn condition<'a>(resource: &'a Object, kind: &str) -> Option<&'a Value> {
    resource.at("/status/conditions")?.as_array()?.iter().find(|condition| condition["type"] == kind)
}
