//! What one request remembers from run to run.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::call::{Answer, Question};
use crate::clock::{Clock, Random};
use crate::error::{ApiError, Details};

/// How long a write may take with all webhooks it has to wait for, as upstream.
pub(crate) const REQUEST_PATIENCE: Duration = Duration::from_secs(34);

/// How often a request runs before its writer is told that it lost every race.
pub(crate) const MAX_ROUNDS: usize = 256;

/// The answers a request has had so far, and the questions it could not go on without.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// The time and the chance of the first run.
    fixed: Option<(Timestamp, Random)>,
    answers: BTreeMap<String, Answer>,
    wanted: Vec<Question>,
    /// What an object became by what its kind asks for, which hands out addresses and ports.
    prepared: Option<Prepared>,
}

#[derive(Debug)]
struct Prepared {
    before: Value,
    after: Value,
    is_new: bool,
}

impl Replay {
    /// Returns the clock and the generator of this run, which are those of the first.
    pub(crate) fn fix(&mut self, clock: &Clock, random: &mut Random) -> (Clock, Random) {
        let (now, chance) = self.fixed.get_or_insert_with(|| (clock.now(), Random::new(random.next_u64()))).clone();
        (Clock::new(move || now), chance)
    }

    /// Returns the answer to a question.
    pub(super) fn answer(&self, key: &str) -> Option<&Answer> {
        self.answers.get(key)
    }

    /// Notes a question without whose answer the request cannot go on.
    pub(super) fn want(&mut self, question: Question) {
        self.wanted.push(question);
    }

    /// Takes the questions of the last run.
    pub(crate) fn take_wanted(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.wanted)
    }

    pub(crate) fn remember(&mut self, answers: Vec<(String, Answer)>) {
        self.answers.extend(answers);
    }

    /// Returns what an object became when it was prepared in an earlier run.
    pub(crate) fn prepared(&self, object: &Value) -> Option<Value> {
        self.prepared.as_ref().filter(|prepared| prepared.before == *object).map(|prepared| prepared.after.clone())
    }

    pub(crate) fn prepare(&mut self, before: Value, after: Value, is_new: bool) {
        self.prepared = Some(Prepared { before, after, is_new });
    }

    /// Returns the new object that was prepared and has not been stored.
    pub(crate) fn take_prepared(&mut self) -> Option<Value> {
        self.prepared.take().filter(|prepared| prepared.is_new).map(|prepared| prepared.after)
    }
}

/// Ends a run that cannot go on; nobody is ever told.
pub(crate) fn unanswered() -> ApiError {
    ApiError::unforeseen("a webhook has yet to be asked")
}

/// Refuses a write that has waited for its webhooks for too long.
pub(crate) fn out_of_time() -> ApiError {
    let message = "Timeout: request did not complete within requested timeout";
    ApiError::new(504, "Timeout", message).about(Details::default())
}

/// Refuses a write whose webhooks had to be asked ever anew.
pub(crate) fn outrun() -> ApiError {
    ApiError::new(409, "Conflict", "the object changes faster than its webhooks answer; please try again")
}
