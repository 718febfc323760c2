//! The newest decoded objects of the process, so that what is written is not decoded again for those who read it next.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::Kept;

/// The newest decoded objects of the process, whichever clusters they are of.
///
/// Bounded by the size of their text: 8 shards of 256 KiB are about 16 MiB of values.
#[derive(Debug, Default)]
struct Recent {
    /// By address of the text, which the entry itself keeps from being used again.
    entries: HashMap<usize, Entry>,
    order: VecDeque<Mention>,
    /// Those that were replaced by others: they go first.
    superseded: VecDeque<Mention>,
    bytes: usize,
    serial: u64,
}

#[derive(Debug)]
struct Entry {
    kept: Arc<Kept>,
    value: Arc<Value>,
    serial: u64,
}

/// Names an entry: once it is gone its address may be another's.
#[derive(Debug, Clone, Copy)]
struct Mention {
    address: usize,
    serial: u64,
}

impl Recent {
    fn insert(&mut self, kept: &Arc<Kept>, value: &Arc<Value>) {
        let address = address(kept);
        if self.entries.contains_key(&address) {
            return;
        }
        self.serial += 1;
        let serial = self.serial;
        self.entries.insert(address, Entry { kept: Arc::clone(kept), value: Arc::clone(value), serial });
        self.order.push_back(Mention { address, serial });
        self.bytes += kept.text.len();
    }

    fn has(&self, mention: Mention) -> bool {
        self.entries.get(&mention.address).is_some_and(|entry| entry.serial == mention.serial)
    }

    /// Takes out what should be forgotten first; `None` when there is nothing.
    fn pop(&mut self) -> Option<Entry> {
        loop {
            let mention = self.superseded.pop_front().or_else(|| self.order.pop_front())?;
            if self.has(mention) {
                let entry = self.entries.remove(&mention.address)?;
                self.bytes -= entry.kept.text.len();
                return Some(entry);
            }
        }
    }

    /// Strikes from the order what went out of it.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.entries.len() + SHARDS {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|mention| self.has(*mention));
            self.order = order;
        }
    }
}

const SHARDS: usize = 8;
const SHARD_BYTES: usize = 256 * 1024;

pub(super) struct Shard(Mutex<Recent>);

fn address(kept: &Arc<Kept>) -> usize {
    Arc::as_ptr(kept).addr()
}

/// Returns where a state is remembered, if it is.
pub(super) fn shard(kept: &Arc<Kept>) -> &'static Shard {
    static RECENT: LazyLock<[Shard; SHARDS]> = LazyLock::new(|| std::array::from_fn(|_| Shard(Mutex::default())));
    // Allocations begin at multiples of 16, often of 64: the bits above tell them apart.
    &RECENT[(address(kept) >> 7) % SHARDS]
}

impl Shard {
    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn decode(&self, kept: &Arc<Kept>) -> Arc<Value> {
        let found = self.recent().entries.get(&address(kept)).map(|entry| Arc::clone(&entry.value));
        if let Some(value) = found {
            return value;
        }
        let value = serde_json::from_slice(kept.json()).expect("holds because the text was encoded from a value");
        let value = Arc::new(value);
        self.remember(kept, &value);
        value
    }

    pub(super) fn supersede(&self, kept: &Arc<Kept>) {
        let mut recent = self.recent();
        let address = address(kept);
        if let Some(serial) = recent.entries.get(&address).map(|entry| entry.serial) {
            recent.superseded.push_back(Mention { address, serial });
        }
    }

    pub(super) fn remember(&self, kept: &Arc<Kept>, value: &Arc<Value>) {
        let mut gone = Vec::new();
        let mut recent = self.recent();
        recent.insert(kept, value);
        while recent.bytes > SHARD_BYTES {
            let Some(entry) = recent.pop() else { break };
            gone.push(entry);
        }
        recent.tidy();
        // Dropping a large tree takes longer than finding one; others need not wait for it.
        drop(recent);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::Change;
    use crate::stored::FieldOrder;

    #[test]
    fn what_was_replaced_is_forgotten_first() {
        let text = |at: usize| Kept::new(&json!({ "at": at }), 1, Change::Added, FieldOrder::Sorted);
        let mut recent = Recent::default();
        let all: Vec<Arc<Kept>> = (0..3).map(|at| Arc::new(text(at))).collect();
        let value = Arc::new(Value::Null);
        for kept in &all {
            recent.insert(kept, &value);
        }
        let serial = recent.entries[&address(&all[1])].serial;
        recent.superseded.push_back(Mention { address: address(&all[1]), serial });
        let order: Vec<usize> = std::iter::from_fn(|| recent.pop()).map(|entry| address(&entry.kept)).collect();
        assert_eq!(order, [1, 0, 2].map(|at: usize| address(&all[at])));
        assert_eq!((recent.bytes, recent.entries.len()), (0, 0));
        for _ in 0..1000 {
            recent.insert(&all[0], &value);
            let mention = *recent.order.back().expect("it was put there");
            recent.superseded.push_back(mention);
            recent.pop();
            recent.tidy();
        }
        assert!(recent.order.len() <= SHARDS + 1, "{}", recent.order.len());
    }
}
