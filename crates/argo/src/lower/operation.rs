//! A sync that is asked for by writing `operation`.

use std::fmt::Write as _;

use bowline_model::{Failure, Object, ObjectKey, SyncRequest};
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
    let mut id = String::with_capacity(2 * ID_BYTES);
    for byte in digest.iter().take(ID_BYTES) {
        let _ = write!(id, "{byte:02x}");
    }
    Some(id)
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
        wanted: revision(sync, spec)?.as_deref().map(wanted),
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

/// Returns the commit that is asked for; `None` for the application's own target.
fn revision(sync: &SyncOperation, spec: &ApplicationSpec) -> Result<Option<String>, Failure> {
    let source = match (listed(sync.sources.as_ref()), &sync.source) {
        ([], source) => source.as_ref(),
        ([one], _) => Some(one),
        _ => return Err(unsupported("operation.sync.sources")),
    };
    if let Some(source) = source {
        let untargeted = |source: &ApplicationSource| ApplicationSource { target_revision: None, ..source.clone() };
        if untargeted(source) != untargeted(effective(spec)?) {
            return Err(unsupported("operation.sync.source").help("sync to a revision of the application's own source"));
        }
    }
    let asked = match (filled(sync.revision.as_deref()), listed(sync.revisions.as_ref())) {
        (Some(revision), _) => Some(revision),
        (None, [one]) => filled(Some(one)),
        (None, []) => None,
        (None, _) => return Err(unsupported("operation.sync.revisions")),
    };
    let asked = asked.or_else(|| source.and_then(|source| filled(source.target_revision.as_deref())));
    Ok(asked.map(str::to_owned))
}
