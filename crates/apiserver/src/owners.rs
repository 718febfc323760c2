//! Who owns whom: the index garbage collection reads.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::resource::StoreKey;
use crate::seeds::Seeds;
use crate::store::{Key, Stored};

/// The place of one object in the cluster.
pub(crate) type Place = (StoreKey, Key);

/// A [`Place`] in a fraction of its room: there is one for every object.
///
/// `collection/namespace/name`, the collection as its place among them; neither of the others has a slash in it.
type Spot = Box<str>;

/// A uid in a fraction of its room: the number that it spells, or one made of it where it is spelled otherwise.
type Mark = [u8; 16];

fn mark(uid: &str) -> Mark {
    let mut spelled = Uuid::encode_buffer();
    match Uuid::try_parse(uid) {
        Ok(number) if number.hyphenated().encode_lower(&mut spelled) == uid => number.into_bytes(),
        _ => {
            let mut mark = Mark::default();
            mark.copy_from_slice(&Sha256::digest(uid)[..16]);
            mark
        }
    }
}

/// Places of all objects by uid, and of all dependents by their owners' uids.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    live: HashMap<Mark, Spot>,
    /// Each collection's name, once.
    collections: Vec<StoreKey>,
    dependents: HashMap<String, BTreeSet<Place>>,
    /// What the cluster began with; shared with other clusters, so what is gone of it is noted apart.
    seeds: Option<Arc<Seeds>>,
    gone_seeds: HashSet<Arc<str>>,
}

impl Owners {
    /// Knows what the cluster begins with.
    pub(crate) fn begin_with(&mut self, seeds: Arc<Seeds>) {
        self.seeds = Some(seeds);
    }

    /// Follows one object from `old` to `new`.
    pub(crate) fn track(&mut self, place: &Place, old: Option<&Stored>, new: Option<&Stored>) {
        let before = old.map(|stored| owner_uids(&stored.value)).unwrap_or_default();
        let after = new.map(|stored| owner_uids(&stored.value)).unwrap_or_default();
        for uid in before.difference(&after) {
            if let Some(places) = self.dependents.get_mut(*uid) {
                places.remove(place);
                if places.is_empty() {
                    self.dependents.remove(*uid);
                }
            }
        }
        for uid in after.difference(&before) {
            self.dependents.entry((*uid).to_owned()).or_default().insert(place.clone());
        }
        match (old, new) {
            (Some(old), Some(new)) if old.uid == new.uid => {}
            (_, Some(new)) => {
                let known = self.collections.iter().position(|collection| *collection == place.0);
                let collection = known.unwrap_or_else(|| {
                    self.collections.push(place.0.clone());
                    self.collections.len() - 1
                });
                let spot = format!("{collection}/{}/{}", place.1.0, place.1.1);
                self.live.insert(mark(&new.uid), spot.into());
            }
            (Some(old), None) => {
                self.live.remove(&mark(&old.uid));
                if self.seeds.as_ref().is_some_and(|seeds| seeds.place(&old.uid).is_some()) {
                    self.gone_seeds.insert(Arc::from(&*old.uid));
                }
            }
            (None, None) => {}
        }
    }

    /// Returns where the object with this uid is, if it still is.
    pub(crate) fn place(&self, uid: &str) -> Option<Place> {
        let seed = || self.seeds.as_ref()?.place(uid).filter(|_| !self.gone_seeds.contains(uid)).cloned();
        self.live.get(&mark(uid)).and_then(|spot| self.place_of(spot)).or_else(seed)
    }

    fn place_of(&self, spot: &str) -> Option<Place> {
        let (collection, key) = spot.split_once('/')?;
        let (namespace, name) = key.split_once('/')?;
        let collection = self.collections.get(collection.parse::<usize>().ok()?)?;
        Some((collection.clone(), (namespace.to_owned(), name.to_owned())))
    }

    /// Returns the objects that name this uid as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Place> {
        self.dependents.get(uid).map(|places| places.iter().cloned().collect()).unwrap_or_default()
    }
}

/// Returns the uids in `metadata.ownerReferences`.
pub(crate) fn owner_uids(object: &Value) -> BTreeSet<&str> {
    references(object).filter_map(|reference| reference["uid"].as_str()).collect()
}

/// Returns `metadata.ownerReferences`.
pub(crate) fn references(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::mark;

    #[test]
    fn uids_that_are_spelled_differently_are_different() {
        let uids = [
            "6d3c1d0e-6d0b-4a86-8a2b-3f7f6b5d9c11",
            "6D3C1D0E-6D0B-4A86-8A2B-3F7F6B5D9C11",
            "6d3c1d0e6d0b4a868a2b3f7f6b5d9c11",
            "{6d3c1d0e-6d0b-4a86-8a2b-3f7f6b5d9c11}",
            "urn:uuid:6d3c1d0e-6d0b-4a86-8a2b-3f7f6b5d9c11",
            "mine",
            "",
        ];
        for (at, uid) in uids.iter().enumerate() {
            assert!(uids[at + 1..].iter().all(|other| mark(other) != mark(uid)), "{uid}");
        }
    }
}
