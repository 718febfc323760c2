use std::collections::BTreeMap;

use jiff::Timestamp;

use super::time_text;
use crate::api::Snapshot;

/// How many snapshots are kept.
const MAX_SNAPSHOTS: usize = 5;

/// One sync that has ended.
pub(super) struct Attempt<'a> {
    pub(super) digest: &'a str,
    /// The reason of `Ready`.
    pub(super) status: &'a str,
    pub(super) revision: &'a str,
    pub(super) ended: Timestamp,
    /// In Go's form; `None` when nothing had to be done.
    pub(super) duration: Option<String>,
}

/// Adds a sync to the history, newest first, and tells whether it was not there yet.
///
/// Syncs of one digest and one outcome are one snapshot that counts them.
pub(super) fn upsert(history: &mut Vec<Snapshot>, attempt: &Attempt<'_>) -> bool {
    let ended = time_text(attempt.ended);
    let metadata = BTreeMap::from([("revision".to_owned(), attempt.revision.to_owned())]);
    let place = position(history, attempt.digest, attempt.status);
    let snapshot = match place {
        Some(place) if is_told(&history[place], &ended, &metadata) => return false,
        Some(place) => {
            let old = history.remove(place);
            Snapshot {
                last_reconciled: ended,
                last_reconciled_duration: attempt.duration.clone().unwrap_or(old.last_reconciled_duration),
                metadata: Some(metadata),
                total_reconciliations: old.total_reconciliations + 1,
                ..old
            }
        }
        None => Snapshot {
            digest: attempt.digest.to_owned(),
            first_reconciled: ended.clone(),
            last_reconciled: ended,
            last_reconciled_duration: attempt.duration.clone().unwrap_or_else(|| "0s".to_owned()),
            last_reconciled_status: attempt.status.to_owned(),
            metadata: Some(metadata),
            total_reconciliations: 1,
        },
    };
    history.insert(0, snapshot);
    history.truncate(MAX_SNAPSHOTS);
    true
}

/// Finds the snapshot of a digest and an outcome.
pub(super) fn position(history: &[Snapshot], digest: &str, status: &str) -> Option<usize> {
    history.iter().position(|snapshot| snapshot.digest == digest && snapshot.last_reconciled_status == status)
}

/// Whether the snapshot holds this sync already. Times compare as texts: all have one form.
fn is_told(snapshot: &Snapshot, ended: &str, metadata: &BTreeMap<String, String>) -> bool {
    let revision = |metadata: &BTreeMap<String, String>| metadata.get("revision").cloned();
    *snapshot.last_reconciled >= *ended && snapshot.metadata.as_ref().and_then(revision) == revision(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt<'a>(digest: &'a str, status: &'a str, second: i64) -> Attempt<'a> {
        Attempt {
            digest,
            status,
            revision: "main@sha1:1",
            ended: Timestamp::from_second(second).expect("is a time"),
            duration: Some("1s".to_owned()),
        }
    }

    #[test]
    fn syncs_of_one_digest_and_outcome_are_counted_together() {
        let mut history = Vec::new();
        assert!(upsert(&mut history, &attempt("sha256:a", "ReconciliationSucceeded", 10)));
        assert!(!upsert(&mut history, &attempt("sha256:a", "ReconciliationSucceeded", 10)), "the same sync");
        assert!(upsert(&mut history, &attempt("sha256:a", "HealthCheckFailed", 20)));
        assert!(upsert(&mut history, &attempt("sha256:a", "ReconciliationSucceeded", 30)));
        let told: Vec<_> = history
            .iter()
            .map(|snapshot| {
                let first = snapshot.first_reconciled == "1970-01-01T00:00:10Z";
                (&*snapshot.last_reconciled_status, snapshot.total_reconciliations, first)
            })
            .collect();
        assert_eq!(told, [("ReconciliationSucceeded", 2, true), ("HealthCheckFailed", 1, false)]);
    }

    #[test]
    fn the_same_objects_at_a_newer_revision_are_told() {
        let mut history = Vec::new();
        upsert(&mut history, &attempt("sha256:a", "ReconciliationSucceeded", 10));
        let newer = Attempt { revision: "main@sha1:2", ..attempt("sha256:a", "ReconciliationSucceeded", 10) };
        assert!(upsert(&mut history, &newer));
        assert_eq!(history.len(), 1);
    }

    #[test]
    fn only_the_last_few_are_kept() {
        let mut history = Vec::new();
        let digests: Vec<_> = (0..9).map(|n| format!("sha256:{n}")).collect();
        for (n, digest) in digests.iter().enumerate() {
            upsert(&mut history, &attempt(digest, "ReconciliationSucceeded", n as i64));
        }
        let kept: Vec<_> = history.iter().map(|snapshot| &*snapshot.digest).collect();
        assert_eq!(kept, ["sha256:8", "sha256:7", "sha256:6", "sha256:5", "sha256:4"]);
    }
}
