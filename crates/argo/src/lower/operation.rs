//! A sync that is asked for by writing `operation`.

use bowline_model::{Failure, Object, ObjectKey, Reason, SyncRequest, Wanted};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::source::{effective, wanted};
use super::sync::retry;
use super::{filled, listed, unsupported};
use crate::types::{ApplicationSource, ApplicationSpec, Operation, SyncOperation};

/// How many bytes of a digest name an operation.
const ID_BYTES: usize = 16;

/// Names the operation of a resource, by what it says and by when it was written; `None` when there is none.
///
/// The time tells two syncs apart that ask for the same, one after the other. It is that of the field manager
/// who wrote the operation, so that no write of anybody else changes the name.
pub(crate) fn operation_id(resource: &Object) -> Option<String> {
    let operation = resource.at("/operation").filter(|value| !value.is_null())?;
    let entries = resource.at("/metadata/managedFields").and_then(Value::as_array);
    let writers = entries.into_iter().flatten().filter(|entry| entry["fieldsV1"].get("f:operation").is_some());
    let written_at = writers.filter_map(|entry| entry["time"].as_str()).max().unwrap_or_default();
    let digest = Sha256::digest(format!("{written_at}\n{operation}").as_bytes());
    Some(hex::encode(&digest[..ID_BYTES]))
}

/// Returns the sync that an operation asks for; `None` when it asks for none.
pub(super) fn request(
    resource: &Object,
    operation: &Operation,
    spec: &ApplicationSpec,
) -> Result<Option<SyncRequest>, Failure> {
    let Some(sync) = &operation.sync else { return Ok(None) };
    check(sync)?;
    let only = listed(sync.resources.as_ref()).iter().map(|resource| {
        ObjectKey::new(
            resource.group.as_deref().unwrap_or_default(),
            &*resource.kind,
            resource.namespace.as_deref().unwrap_or_default(),
            &*resource.name,
        )
    });
    Ok(Some(SyncRequest {
        id: operation_id(resource).unwrap_or_default(),
        wanted: revisions(sync, spec)?,
        prune: sync.prune == Some(true),
        dry_run: sync.dry_run == Some(true),
        only: only.collect(),
        initiated_by: operation.initiated_by.clone().unwrap_or_default().username.unwrap_or_default(),
        retry: retry(operation.retry.as_ref(), "operation.retry")?,
        resumes: false,
    }))
}

/// Returns the sync that was asked for, was taken up, and has not ended: Argo CD too goes on with what
/// `operationState` says is running. Automatic syncs need nobody to ask for them.
pub(super) fn resumed(resource: &Object, spec: &ApplicationSpec) -> Option<SyncRequest> {
    let state = resource.at("/status/operationState").filter(|state| state["phase"] == "Running")?;
    let operation: Operation = serde_json::from_value(state.get("operation")?.clone()).ok()?;
    if operation.initiated_by.as_ref().is_some_and(|by| by.automated == Some(true)) {
        return None;
    }
    let request = request(resource, &operation, spec).ok()??;
    let id = format!("resumed {}", state["startedAt"].as_str().unwrap_or_default());
    Some(SyncRequest { id, resumes: true, ..request })
}

fn check(sync: &SyncOperation) -> Result<(), Failure> {
    if !listed(sync.manifests.as_ref()).is_empty() {
        return Err(unsupported("operation.sync.manifests"));
    }
    if sync.sync_strategy.as_ref().is_some_and(|strategy| strategy.apply.is_some()) {
        return Err(unsupported("operation.sync.syncStrategy.apply"));
    }
    Ok(())
}

/// Returns what is asked for of each source; nothing of one that stays at the application's own target.
fn revisions(sync: &SyncOperation, spec: &ApplicationSpec) -> Result<Vec<Option<Wanted>>, Failure> {
    let own = effective(spec)?;
    let given: Vec<&ApplicationSource> = match (listed(sync.sources.as_ref()), &sync.source) {
        ([], source) => source.iter().collect(),
        (sources, _) => sources.iter().collect(),
    };
    let untargeted = |source: &ApplicationSource| ApplicationSource { target_revision: None, ..source.clone() };
    let is_own = |(given, own): (&&ApplicationSource, &&ApplicationSource)| untargeted(given) == untargeted(own);
    if !given.is_empty() && (given.len() != own.len() || !given.iter().zip(&own).all(is_own)) {
        return Err(unsupported("operation.sync.source").help("sync to revisions of the application's own sources"));
    }
    let several = listed(sync.revisions.as_ref());
    if !several.is_empty() && several.len() != own.len() {
        let message = format!("`operation.sync.revisions` has {} entries for {} sources", several.len(), own.len());
        return Err(Failure::new(Reason::InvalidSpec, message).help("name one revision for each source"));
    }
    let one = filled(sync.revision.as_deref()).filter(|_| own.len() == 1);
    let asked = |at: usize| {
        one.or_else(|| filled(several.get(at).map(String::as_str)))
            .or_else(|| filled(given.get(at).and_then(|source| source.target_revision.as_deref())))
    };
    Ok(own.iter().enumerate().map(|(at, source)| Some(wanted(source, Some(asked(at)?)))).collect())
}
