//! What was fetched for an app beside its sources, and when a fetch that failed is tried again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bowline_model::{Failure, Revisions};
use tokio::time::Instant;

use crate::remotes::Fetched;

/// The wait after the first failure; it doubles, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// What addresses in kustomizations meant for one set of revisions.
#[derive(Default)]
pub(super) struct Elsewhere {
    of: Option<Revisions>,
    fetched: Arc<Mutex<Fetched>>,
    /// How often fetching failed, one time after another; until when it is not tried again, and what was wrong.
    failing: Option<(u32, Instant, Failure)>,
    /// Somebody asked for what is newest: the next render is none that was kept.
    pub(super) is_fresh: bool,
}

impl Elsewhere {
    /// Returns what was fetched for these revisions; for others, nothing was.
    pub(super) fn of(&mut self, revisions: &Revisions) -> Arc<Mutex<Fetched>> {
        if self.of.as_ref() != Some(revisions) {
            *self = Self { of: Some(revisions.clone()), is_fresh: self.is_fresh, ..Self::default() };
        }
        Arc::clone(&self.fetched)
    }

    /// Returns what was wrong when it was tried last, if it is too early to try again.
    pub(super) fn still_failing(&self) -> Option<Failure> {
        let (_, until, failure) = self.failing.as_ref()?;
        (Instant::now() < *until).then(|| failure.clone())
    }

    /// Notes what a render came to.
    pub(super) fn note(&mut self, failure: Option<&Failure>) {
        let Some(failure) = failure.filter(|failure| failure.transient) else {
            self.failing = None;
            return;
        };
        let times = self.failing.as_ref().map_or(0, |(times, ..)| *times);
        let wait = FIRST_WAIT.saturating_mul(1 << times.min(10)).min(LONGEST_WAIT);
        self.failing = Some((times + 1, Instant::now() + wait, failure.clone()));
    }

    /// Forgets everything; tells whether there was something.
    pub(super) fn forget(&mut self) -> bool {
        let had = self.failing.is_some() || !self.fetched.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        *self = Self::default();
        had
    }
}
