use std::collections::{BinaryHeap, HashSet};

use git2::Oid;

use crate::limits::MAX_ANCESTRY;
use crate::store::Store;

/// Tells whether `new` has `old` among its ancestors; `None` when the store lacks a commit on the way.
///
/// That `old` itself is not here tells nothing against it: a complete history without it is an answer.
pub(crate) fn descends(store: &Store, new: Oid, old: Oid) -> Option<bool> {
    if !store.has_commit(new) {
        return None;
    }
    let first = store.commit(new).ok()?;
    let mut seen = HashSet::from([new]);
    // The youngest first: the way to a recent ancestor is short.
    let mut open = BinaryHeap::from([(first.committed, new)]);
    while let Some((_, commit)) = open.pop() {
        if seen.len() > MAX_ANCESTRY {
            return None;
        }
        for parent in store.commit(commit).ok()?.parents {
            if parent == old {
                return Some(true);
            }
            if seen.insert(parent) {
                // A missing parent is no damage here: nobody said that it would be there.
                if !store.has_commit(parent) {
                    return None;
                }
                open.push((store.commit(parent).ok()?.committed, parent));
            }
        }
    }
    Some(false)
}
