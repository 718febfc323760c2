use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bowline_model::{AppId, Failure, ObjectKey, ObjectOutcome, Revisions};

/// Something worth telling a person who looks on: what the loop did, and how long it took.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A sync ended.
    Synced {
        app: AppId,
        revision: Revisions,
        cause: Cause,
        /// From the moment the cause was seen to the end of the last write.
        took: Duration,
        /// What was done, without the objects that were as desired already.
        done: Vec<(ObjectKey, ObjectOutcome)>,
        failure: Option<Failure>,
    },
    /// All objects of the app are healthy at its revision.
    Healthy { app: AppId, revision: Revisions },
    /// Something stands in the way.
    Failed { app: AppId, failure: Failure },
    /// The app went away, and its objects if they were to.
    Removed { app: AppId },
}

/// Why a sync was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The source has a newer revision.
    Revision,
    /// Live objects departed from the revision that was applied.
    Drift,
    /// Somebody asked.
    Request,
    /// A sync before it failed.
    Retry,
}

/// What the engine has done since it started.
#[derive(Debug, Default)]
pub struct Counters {
    pub renders: AtomicU64,
    /// Renders that were had from the disk.
    pub renders_kept: AtomicU64,
    /// Looks at a new revision that needed no render, because nothing that was read had changed.
    pub renders_spared: AtomicU64,
    pub syncs: AtomicU64,
    pub syncs_failed: AtomicU64,
    pub heals: AtomicU64,
    /// Fields and objects that others changed.
    pub drifts: AtomicU64,
    pub applies: AtomicU64,
    pub prunes: AtomicU64,
    pub status_writes: AtomicU64,
    pub looks: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns each counter's name and value, for metrics.
    pub fn read(&self) -> [(&'static str, u64); 11] {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("renders", get(&self.renders)),
            ("renders_kept", get(&self.renders_kept)),
            ("renders_spared", get(&self.renders_spared)),
            ("syncs", get(&self.syncs)),
            ("syncs_failed", get(&self.syncs_failed)),
            ("heals", get(&self.heals)),
            ("drifts", get(&self.drifts)),
            ("applies", get(&self.applies)),
            ("prunes", get(&self.prunes)),
            ("status_writes", get(&self.status_writes)),
            ("looks", get(&self.looks)),
        ]
    }
}
