//! What others changed of an app's objects: told once, and put on record with its end.

use bowline_model::{Object, Revisions};

use crate::dialect::EventDraft;
use crate::drifts::{DriftEnd, DriftLine, drifts, sentences};
use crate::happening::Counters;
use crate::look::Look;

use super::Task;

impl Task {
    /// Compares what departs now with what was told before.
    ///
    /// Only what departs from a revision that was wholly written is drift: before, it is what a sync has yet to do.
    pub(super) fn note_drift(&mut self, resource: &Object, looked: &Look, revision: &Revisions, heals: bool) {
        let is_written = self.memory.written.as_ref().is_some_and(|written| written.is_same(revision));
        if !is_written || self.renders_anew() {
            return;
        }
        let found = drifts(&looked.plan, &|key| self.memory.inventory.contains_key(key));
        if found == self.drifted {
            return;
        }
        let is_new = |name: &_| !self.drifted.contains_key(name);
        let begun: Vec<_> = found.iter().filter(|(name, _)| is_new(name)).collect();
        let end = if heals { DriftEnd::Healed } else { DriftEnd::Over };
        let ended = self.drifted.iter().filter(|(name, _)| !found.contains_key(name)).map(|field| (field, Some(end)));
        let line = |((name, field), end): ((&(_, String), &bowline_model::Drifted), Option<DriftEnd>)| DriftLine {
            at: self.shared.now(),
            app: self.id.clone(),
            object: Clone::clone(&name.0),
            field: field.clone(),
            end,
        };
        let lines: Vec<DriftLine> = begun.iter().map(|field| (*field, None)).chain(ended).map(line).collect();
        for _ in &begun {
            Counters::add(&self.shared.counters.drifts);
        }
        let event = |(_, message)| EventDraft {
            warning: false,
            reason: "Drifted".to_owned(),
            message,
            annotations: Vec::new(),
        };
        let events = sentences(begun).into_iter().map(event).collect();
        self.shared.events.send(&self.speaker, resource, events, self.shared.now());
        if let Some(ledger) = &self.shared.ledger {
            ledger.write(&lines);
        }
        self.drifted = found;
    }
}
