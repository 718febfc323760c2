//! Objects of one collection, and the bounded history its watchers read from.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tokio::sync::watch;

use crate::stored::Kept;
pub(crate) use crate::stored::{Stored, to_bytes};

/// Namespace (empty when cluster-scoped) and name.
pub(crate) type Key = (String, String);

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It came to be.
    Added,
    /// It changed.
    Modified,
    /// It is gone.
    Deleted,
}

impl Change {
    /// Returns what a watch calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One entry of a collection's history.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) rv: u64,
    pub(crate) change: Change,
    /// The object after the change; after a deletion its last state, with the deletion's revision.
    pub(crate) object: Arc<Stored>,
    pub(crate) previous: Option<Arc<Stored>>,
}

/// An [`Event`] as it is kept.
#[derive(Debug)]
struct Record {
    change: Change,
    object: Arc<Kept>,
    previous: Option<Arc<Kept>>,
}

impl Record {
    fn rv(&self) -> u64 {
        self.object.rv()
    }

    fn event(&self) -> Event {
        let previous = self.previous.as_ref().map(Stored::of);
        Event { rv: self.rv(), change: self.change, object: Stored::of(&self.object), previous }
    }
}

/// Why a watcher cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// It did not read while the window moved on.
    Slow,
    /// What it has yet to see was forgotten on purpose.
    Forgotten,
}

/// One collection.
#[derive(Debug)]
pub(crate) struct Store {
    objects: BTreeMap<Key, Arc<Kept>>,
    ring: VecDeque<Record>,
    window: usize,
    /// Revision of the newest event that fell out of the ring.
    dropped: u64,
    /// Revision up to which history was forgotten on purpose, not for want of room.
    forgotten: u64,
    /// Revisions before this one cannot be asked for any more, even when nothing happened here since.
    compacted: u64,
    /// What wakes each watcher, in the order they came: a channel of its own, for tokio wakes those of one channel in
    /// an order of chance, and a simulated run must be able to happen again.
    wake: Vec<watch::Sender<u64>>,
}

impl Store {
    pub(crate) fn new(window: usize, compacted: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            ring: VecDeque::new(),
            window,
            dropped: 0,
            forgotten: 0,
            compacted,
            wake: Vec::new(),
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        self.objects.get(key).map(Stored::of)
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Returns objects in key order, of one namespace or of all, beginning after `after`.
    pub(crate) fn iter<'a>(
        &'a self,
        namespace: Option<&'a str>,
        after: Option<&Key>,
    ) -> impl Iterator<Item = (&'a Key, Arc<Stored>)> + 'a {
        let start = match (after, namespace) {
            (Some(key), _) => Bound::Excluded(key.clone()),
            (None, Some(ns)) => Bound::Included((ns.to_owned(), String::new())),
            (None, None) => Bound::Unbounded,
        };
        self.objects
            .range((start, Bound::Unbounded))
            .take_while(move |((ns, _), _)| namespace.is_none_or(|want| want == ns))
            .map(|(key, kept)| (key, Stored::of(kept)))
    }

    /// Takes up an object that was always there: nobody is told, and nothing before it can be asked for.
    pub(crate) fn seed(&mut self, key: Key, object: &Arc<Kept>) {
        self.dropped = self.dropped.max(object.rv());
        self.compacted = self.compacted.max(object.rv());
        self.objects.insert(key, Arc::clone(object));
    }

    pub(crate) fn put(&mut self, key: Key, object: &Stored) {
        let object = Arc::clone(object.kept());
        let previous = self.objects.insert(key, Arc::clone(&object));
        let change = if previous.is_some() { Change::Modified } else { Change::Added };
        self.record(Record { change, object, previous });
    }

    /// Puts an object without telling anybody.
    pub(crate) fn restore(&mut self, key: Key, object: &Stored) {
        self.objects.insert(key, Arc::clone(object.kept()));
    }

    pub(crate) fn remove(&mut self, key: &Key, last: &Stored) {
        let previous = self.objects.remove(key);
        self.record(Record { change: Change::Deleted, object: Arc::clone(last.kept()), previous });
    }

    fn record(&mut self, record: Record) {
        let rv = record.rv();
        self.ring.push_back(record);
        while self.ring.len() > self.window {
            self.forget_oldest();
        }
        self.wake.retain(|wake| wake.send(rv).is_ok());
    }

    fn forget_oldest(&mut self) {
        if let Some(record) = self.ring.pop_front() {
            self.dropped = record.rv();
            self.compacted = self.compacted.max(record.rv());
        }
    }

    /// Forgets all history before `rv`.
    pub(crate) fn compact(&mut self, rv: u64) {
        while self.ring.front().is_some_and(|record| record.rv() <= rv) {
            self.forget_oldest();
        }
        self.forgotten = self.forgotten.max(rv);
        self.compacted = self.compacted.max(rv);
    }

    /// Returns the oldest revision a new watch or exact list may ask for.
    pub(crate) fn oldest(&self) -> u64 {
        self.compacted
    }

    /// Returns up to `limit` events after `rv`.
    pub(crate) fn events_after(&self, rv: u64, limit: usize) -> Result<Vec<Event>, Behind> {
        if rv < self.dropped {
            return Err(if rv < self.forgotten { Behind::Forgotten } else { Behind::Slow });
        }
        let start = self.ring.partition_point(|record| record.rv() <= rv);
        Ok(self.ring.iter().skip(start).take(limit).map(Record::event).collect())
    }

    /// Returns the collection as it was at `rv`, by undoing what happened since; `None` when that was forgotten.
    pub(crate) fn at(&self, rv: u64) -> Option<BTreeMap<Key, Arc<Stored>>> {
        if rv < self.compacted {
            return None;
        }
        let mut objects = self.objects.clone();
        for record in self.ring.iter().rev().take_while(|record| record.rv() > rv) {
            let key = Stored::of(&record.object).key();
            match &record.previous {
                Some(previous) => objects.insert(key, Arc::clone(previous)),
                None => objects.remove(&key),
            };
        }
        Some(objects.into_iter().map(|(key, kept)| (key, Stored::of(&kept))).collect())
    }

    /// Returns a receiver that changes at every event, and closes when the collection is no longer served.
    pub(crate) fn subscribe(&mut self) -> watch::Receiver<u64> {
        self.wake.retain(|wake| !wake.is_closed());
        let (wake, watcher) = watch::channel(0);
        self.wake.push(wake);
        watcher
    }

    /// Returns what wakes the watchers.
    #[cfg(test)]
    pub(crate) fn wakers(&self) -> Vec<watch::Sender<u64>> {
        self.wake.clone()
    }

    /// Ends all watches once they have told what happened so far.
    pub(crate) fn close(&mut self) {
        self.wake.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stored::FieldOrder;

    fn object(name: &str, rv: u64) -> Stored {
        let value = json!({"metadata": {"name": name, "namespace": "a", "uid": name}});
        Stored::new(value, rv, Change::Added, FieldOrder::Sorted)
    }

    fn key(name: &str) -> Key {
        ("a".to_owned(), name.to_owned())
    }

    #[test]
    fn the_past_is_the_present_undone() {
        let mut store = Store::new(10, 0);
        store.put(key("x"), &object("x", 1));
        store.put(key("y"), &object("y", 2));
        store.put(key("x"), &object("x", 3));
        store.remove(&key("y"), &object("y", 4));
        let names = |rv| store.at(rv).map(|all| all.into_values().map(|o| (o.key().1, o.rv)).collect::<Vec<_>>());
        assert_eq!(names(2), Some(vec![("x".to_owned(), 1), ("y".to_owned(), 2)]));
        assert_eq!(names(4), Some(vec![("x".to_owned(), 3)]));
    }

    #[test]
    fn what_fell_out_of_the_window_is_gone() {
        let mut store = Store::new(2, 0);
        for rv in 1..=4 {
            store.put(key("x"), &object("x", rv));
        }
        let after = |store: &Store, rv| store.events_after(rv, 10).map(|events| events.len());
        assert_eq!(after(&store, 1), Err(Behind::Slow));
        assert_eq!(after(&store, 2), Ok(2));
        store.compact(9);
        assert_eq!(store.oldest(), 9);
        assert_eq!(after(&store, 3), Err(Behind::Forgotten));
        assert_eq!(after(&store, 4), Ok(0), "a watcher that has seen everything loses nothing");
    }
}
