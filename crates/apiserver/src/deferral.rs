//! Writes of the cluster's own controllers that webhooks have to be asked about.
//!
//! A controller looks at one object at a time, without waiting. A write of its that comes to a webhook is put off: the look
//! ends, the webhook is asked while others are looked at, the write is carried out by itself, and then the object is
//! looked at again. If the write was refused, the same write of the next look is told so.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::cluster::{Cluster, lock};
use crate::error::ApiError;
use crate::registry::{Registry, WriteOptions};
use crate::webhooks::call::{Question, ask_all};
use crate::webhooks::{MAX_ROUNDS, REQUEST_PATIENCE, Replay, out_of_time, outrun, unanswered};

/// A write, as often as it has to be tried.
type Write = Box<dyn Fn(&mut Registry<'_>, &mut WriteOptions) -> Result<(), ApiError> + Send>;

/// What becomes of writes that cannot be carried out at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deferral(Arc<Mutex<Pending>>);

#[derive(Debug, Default)]
struct Pending {
    /// The write that the look ended with.
    write: Option<Deferred>,
    /// Writes nobody waits for.
    asides: Vec<Deferred>,
    /// What came of the write that the last look at the object ended with.
    refusal: Option<ApiError>,
}

/// A write that was put off.
pub(crate) struct Deferred {
    cluster: Cluster,
    write: Write,
    options: WriteOptions,
    replay: Replay,
    questions: Vec<Question>,
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").field("questions", &self.questions).finish_non_exhaustive()
    }
}

impl Deferral {
    /// Begins a look at an object, whose last look ended with a write that came to this.
    pub(crate) fn begin(&self, refusal: Option<ApiError>) {
        let mut pending = lock(&self.0);
        pending.refusal = refusal;
        pending.write = None;
    }

    /// Returns the write that the look ended with.
    pub(crate) fn take(&self) -> Option<Deferred> {
        lock(&self.0).write.take()
    }

    /// Returns the writes nobody waits for.
    pub(crate) fn take_asides(&self) -> Vec<Deferred> {
        std::mem::take(&mut lock(&self.0).asides)
    }

    /// Carries out a write, or puts it off; all others after it are put off by not being done.
    pub(crate) fn run<T>(
        &self,
        cluster: &Cluster,
        is_aside: bool,
        options: WriteOptions,
        write: impl Fn(&mut Registry<'_>, &mut WriteOptions) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        if lock(&self.0).write.is_some() {
            return Err(unanswered());
        }
        let mut replay = Replay::default();
        let answer = cluster.with_replay(&mut replay, |registry| write(registry, &mut options.clone()));
        let questions = replay.take_wanted();
        if questions.is_empty() {
            return answer;
        }
        let mut pending = lock(&self.0);
        if let Some(error) = pending.refusal.take_if(|_| !is_aside) {
            drop(pending);
            release(cluster, &mut replay);
            return Err(error);
        }
        let write: Write = Box::new(move |registry, options| write(registry, options).map(drop));
        let deferred = Deferred { cluster: cluster.clone(), write, options, replay, questions };
        if is_aside {
            pending.asides.push(deferred);
        } else {
            pending.write = Some(deferred);
        }
        Err(unanswered())
    }
}

impl Deferred {
    /// Asks the webhooks, and writes.
    pub(crate) async fn carry_out(mut self) -> Result<(), ApiError> {
        let until = Instant::now() + REQUEST_PATIENCE;
        for _ in 0..MAX_ROUNDS {
            if Instant::now() >= until {
                return Err(out_of_time());
            }
            let questions = std::mem::take(&mut self.questions);
            let answers = ask_all(questions, until, || self.cluster.request_id()).await;
            self.replay.remember(answers);
            let (write, mut options) = (&self.write, self.options.clone());
            let answer = self.cluster.with_replay(&mut self.replay, |registry| write(registry, &mut options));
            self.questions = self.replay.take_wanted();
            if self.questions.is_empty() {
                release(&self.cluster, &mut self.replay);
                return answer;
            }
        }
        Err(outrun())
    }
}

/// Gives back what was handed out to an object that came to nothing.
fn release(cluster: &Cluster, replay: &mut Replay) {
    if let Some(left) = replay.take_prepared() {
        cluster.with_state(|state, _| state.allocator.release(&left));
    }
}
