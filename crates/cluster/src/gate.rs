use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many writes may be under way at first, and at most.
///
/// The API server sheds load by itself (429, priority and fairness): a fixed rate on our side would only
/// be too low for a large server and too high for a small one.
const START: usize = 24;
const LIMIT: usize = 96;
const LEAST: usize = 2;

/// Successes after which one more write may be under way.
const GROW_EVERY: usize = 64;

/// Bounds the writes under way, and adapts the bound: a success now and then widens it, a 429 halves it.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    permits: Arc<Semaphore>,
    width: AtomicUsize,
    successes: AtomicUsize,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            permits: Arc::new(Semaphore::new(START)),
            width: AtomicUsize::new(START),
            successes: AtomicUsize::new(0),
        }))
    }

    pub(crate) async fn enter(&self) -> OwnedSemaphorePermit {
        self.0.permits.clone().acquire_owned().await.expect("holds because the semaphore is never closed")
    }

    /// A write went through.
    pub(crate) fn widen(&self) {
        let count = self.0.successes.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(GROW_EVERY) && self.0.width.load(Ordering::Relaxed) < LIMIT {
            self.0.width.fetch_add(1, Ordering::Relaxed);
            self.0.permits.add_permits(1);
        }
    }

    /// The server said it has too much to do.
    pub(crate) fn narrow(&self) {
        let width = self.0.width.load(Ordering::Relaxed);
        let least = if bowline_model::is_planted(bowline_model::Planted::BusyForEver) { 0 } else { LEAST };
        let fewer = (width / 2).max(least);
        let forgotten = self.0.permits.forget_permits(width - fewer);
        self.0.width.fetch_sub(forgotten, Ordering::Relaxed);
    }
}
