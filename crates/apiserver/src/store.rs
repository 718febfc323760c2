//! Objects of one collection, and the bounded history its watchers read from.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

/// Namespace (empty when cluster-scoped) and name.
pub(crate) type Key = (String, String);

/// One state of one object; never changed, only replaced.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) value: Arc<Value>,
    pub(crate) rv: u64,
    pub(crate) uid: Arc<str>,
    json: OnceLock<Bytes>,
}

impl Stored {
    pub(crate) fn new(value: Value, rv: u64) -> Self {
        let uid = value["metadata"]["uid"].as_str().unwrap_or_default().into();
        Self { value: Arc::new(value), rv, uid, json: OnceLock::new() }
    }

    /// Returns the JSON, encoded at the first call and shared by every reader and watcher after it.
    pub(crate) fn json(&self) -> Bytes {
        self.json.get_or_init(|| to_bytes(&self.value)).clone()
    }

    pub(crate) fn key(&self) -> Key {
        let meta = &self.value["metadata"];
        let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
        (text("namespace"), text("name"))
    }
}

/// Encodes a value that cannot fail to encode.
pub(crate) fn to_bytes(value: &Value) -> Bytes {
    serde_json::to_vec(value).expect("holds because a JSON value has only text keys").into()
}

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

/// One entry of a collection's history.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) rv: u64,
    pub(crate) change: Change,
    /// The object after the change; after a deletion its last state, with the deletion's revision.
    pub(crate) object: Arc<Stored>,
    pub(crate) previous: Option<Arc<Stored>>,
}

/// One collection.
#[derive(Debug)]
pub(crate) struct Store {
    objects: BTreeMap<Key, Arc<Stored>>,
    ring: VecDeque<Arc<Event>>,
    window: usize,
    /// Revision of the newest event that fell out of the ring.
    dropped: u64,
    /// Revisions before this one cannot be asked for any more, even when nothing happened here since.
    compacted: u64,
    /// Absent while the collection is not served.
    wake: Option<watch::Sender<u64>>,
}

impl Store {
    pub(crate) fn new(window: usize, compacted: u64) -> Self {
        Self { objects: BTreeMap::new(), ring: VecDeque::new(), window, dropped: 0, compacted, wake: None }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Stored>> {
        self.objects.get(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Returns objects in key order, of one namespace or of all, beginning after `after`.
    pub(crate) fn iter<'a>(
        &'a self,
        namespace: Option<&'a str>,
        after: Option<&Key>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Stored>)> + 'a {
        let start = match (after, namespace) {
            (Some(key), _) => Bound::Excluded(key.clone()),
            (None, Some(ns)) => Bound::Included((ns.to_owned(), String::new())),
            (None, None) => Bound::Unbounded,
        };
        self.objects
            .range((start, Bound::Unbounded))
            .take_while(move |((ns, _), _)| namespace.is_none_or(|want| want == ns))
    }

    pub(crate) fn put(&mut self, key: Key, object: Arc<Stored>) {
        let previous = self.objects.insert(key, Arc::clone(&object));
        let change = if previous.is_some() { Change::Modified } else { Change::Added };
        self.record(Event { rv: object.rv, change, object, previous });
    }

    pub(crate) fn remove(&mut self, key: &Key, last: Arc<Stored>) {
        let previous = self.objects.remove(key);
        self.record(Event { rv: last.rv, change: Change::Deleted, object: last, previous });
    }

    fn record(&mut self, event: Event) {
        let rv = event.rv;
        self.ring.push_back(Arc::new(event));
        while self.ring.len() > self.window {
            self.forget_oldest();
        }
        if let Some(wake) = &self.wake {
            wake.send_replace(rv);
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(event) = self.ring.pop_front() {
            self.dropped = event.rv;
            self.compacted = self.compacted.max(event.rv);
        }
    }

    /// Forgets all history before `rv`.
    pub(crate) fn compact(&mut self, rv: u64) {
        while self.ring.front().is_some_and(|event| event.rv <= rv) {
            self.forget_oldest();
        }
        self.compacted = self.compacted.max(rv);
    }

    /// Returns the oldest revision a new watch or exact list may ask for.
    pub(crate) fn oldest(&self) -> u64 {
        self.compacted
    }

    /// Returns up to `limit` events after `rv`, or `None` when some of them were forgotten.
    pub(crate) fn events_after(&self, rv: u64, limit: usize) -> Option<Vec<Arc<Event>>> {
        if rv < self.dropped {
            return None;
        }
        let start = self.ring.partition_point(|event| event.rv <= rv);
        Some(self.ring.iter().skip(start).take(limit).cloned().collect())
    }

    /// Returns the collection as it was at `rv`, by undoing what happened since; `None` when that was forgotten.
    pub(crate) fn at(&self, rv: u64) -> Option<BTreeMap<Key, Arc<Stored>>> {
        if rv < self.compacted {
            return None;
        }
        let mut objects = self.objects.clone();
        for event in self.ring.iter().rev().take_while(|event| event.rv > rv) {
            let key = event.object.key();
            match &event.previous {
                Some(previous) => objects.insert(key, Arc::clone(previous)),
                None => objects.remove(&key),
            };
        }
        Some(objects)
    }

    /// Returns a receiver that changes at every event, and closes when the collection is no longer served.
    pub(crate) fn subscribe(&mut self) -> watch::Receiver<u64> {
        self.wake.get_or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// Ends all watches once they have told what happened so far.
    pub(crate) fn close(&mut self) {
        self.wake = None;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, rv: u64) -> Arc<Stored> {
        Arc::new(Stored::new(json!({"metadata": {"name": name, "namespace": "a", "uid": name}}), rv))
    }

    fn key(name: &str) -> Key {
        ("a".to_owned(), name.to_owned())
    }

    #[test]
    fn the_past_is_the_present_undone() {
        let mut store = Store::new(10, 0);
        store.put(key("x"), object("x", 1));
        store.put(key("y"), object("y", 2));
        store.put(key("x"), object("x", 3));
        store.remove(&key("y"), object("y", 4));
        let names = |rv| store.at(rv).map(|all| all.into_values().map(|o| (o.key().1, o.rv)).collect::<Vec<_>>());
        assert_eq!(names(2), Some(vec![("x".to_owned(), 1), ("y".to_owned(), 2)]));
        assert_eq!(names(4), Some(vec![("x".to_owned(), 3)]));
    }

    #[test]
    fn what_fell_out_of_the_window_is_gone() {
        let mut store = Store::new(2, 0);
        for rv in 1..=4 {
            store.put(key("x"), object("x", rv));
        }
        assert!(store.events_after(1, 10).is_none());
        assert_eq!(store.events_after(2, 10).map(|e| e.len()), Some(2));
        store.compact(9);
        assert_eq!(store.oldest(), 9);
        assert!(store.events_after(4, 10).is_some(), "a watcher that has seen everything loses nothing");
    }
}
