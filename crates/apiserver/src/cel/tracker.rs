//! What an evaluation has cost so far (cel-go: `interpreter/runtimecost.go`).
//!
//! Costs of calls are told from the values of their arguments, which are found on a stack by the numbers of the steps that
//! gave them. A value that is not where it is looked for, as after a failure, makes a call cost nothing; so it is upstream.

use super::cost;
use super::plan::{Base, Call, Place, Step};
use super::value::Value;

/// The most one evaluation may cost (k8s: `celconfig.PerCallLimit`).
const MOST: u64 = 1_000_000;

/// What stops an evaluation without a result.
#[derive(Debug)]
pub(super) enum Stop {
    /// It costs too much.
    Limit,
    /// What would be a panic upstream.
    Broken(String),
}

/// A value, or `None` for a failure, and the number of the step it came from.
#[derive(Debug)]
struct Entry {
    id: u64,
    value: Option<Value>,
}

/// The cost, and the stack of values it is told from.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    pub(super) cost: u64,
    stack: Vec<Entry>,
    /// Where each step's values are on the stack, so that a long one need not be searched.
    places: Vec<Vec<usize>>,
}

impl Tracker {
    /// Puts a step's value on the stack.
    pub(super) fn push(&mut self, id: u64, value: Option<&Value>) -> Result<(), Stop> {
        let number = usize::try_from(id).unwrap_or_default();
        if self.places.len() <= number {
            self.places.resize_with(number + 1, Vec::new);
        }
        self.places[number].push(self.stack.len());
        self.stack.push(Entry { id, value: value.cloned() });
        if self.cost > MOST { Err(Stop::Limit) } else { Ok(()) }
    }

    /// Takes a step's newest value from the stack, and all above it; `None` when there is none.
    #[expect(clippy::option_option, reason = "a step may have been taken, and yet have had no value")]
    fn take(&mut self, id: u64) -> Option<Option<Value>> {
        let at = *self.places.get(usize::try_from(id).ok()?)?.last()?;
        let mut last = None;
        while self.stack.len() > at {
            let entry = self.stack.pop()?;
            self.places[usize::try_from(entry.id).ok()?].pop();
            last = Some(entry.value);
        }
        last
    }

    pub(super) fn drop(&mut self, id: u64) {
        self.take(id);
    }

    /// Takes the values of steps, the last one first, till one is missing.
    fn take_all<'a>(&mut self, steps: impl DoubleEndedIterator<Item = &'a Step>) -> Option<Vec<Option<Value>>> {
        let mut out = steps.rev().map(|step| self.take(step.id())).collect::<Option<Vec<_>>>()?;
        out.reverse();
        Some(out)
    }

    pub(super) fn see_place(&mut self, place: &Place) {
        match &place.base {
            Base::Choice { condition, truthy, falsy, .. } => {
                for id in [falsy.id(), truthy.id(), condition.id()] {
                    self.drop(id);
                }
            }
            _ => {
                self.drop(place.id());
                self.cost += 1;
            }
        }
        if place.test.is_some() {
            self.cost = self.cost.wrapping_sub(1);
        }
    }

    pub(super) fn see_list(&mut self, items: &[(Step, bool)]) {
        self.take_all(items.iter().map(|(item, _)| item));
        self.cost += cost::LIST;
    }

    pub(super) fn see_map(&mut self, entries: &[(Step, Step, bool)]) {
        for (key, value, _) in entries.iter().rev() {
            if self.take(value.id()).is_none() || self.take(key.id()).is_none() {
                break;
            }
        }
        self.cost += cost::MAP;
    }

    pub(super) fn see_call(&mut self, call: &Call, result: Option<&Value>) -> Result<(), Stop> {
        if let Some(args) = self.take_all(call.args.iter()) {
            let cost = cost::of_call(call, &args, result).map_err(Stop::Broken)?;
            self.cost = self.cost.wrapping_add(cost);
        }
        self.push(call.id, result)
    }
}
