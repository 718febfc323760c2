//! Who owns whom: the index garbage collection reads.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use crate::resource::StoreKey;
use crate::seeds::Seeds;
use crate::store::{Key, Stored};

/// The place of one object in the cluster.
pub(crate) type Place = (StoreKey, Key);

/// A [`Place`] in a fraction of its room: there is one for every object.
#[derive(Debug)]
struct Spot {
    collection: Arc<StoreKey>,
    /// `namespace/name`; neither has a slash in it.
    key: Box<str>,
}

impl Spot {
    fn place(&self) -> Place {
        let (namespace, name) = self.key.split_once('/').unwrap_or(("", &self.key));
        (StoreKey::clone(&self.collection), (namespace.to_owned(), name.to_owned()))
    }
}

/// Places of all objects by uid, and of all dependents by their owners' uids.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    live: HashMap<Arc<str>, Spot>,
    /// Each collection's name, once.
    collections: BTreeSet<Arc<StoreKey>>,
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
                let collection = match self.collections.get(&place.0) {
                    Some(collection) => Arc::clone(collection),
                    None => {
                        let collection = Arc::new(place.0.clone());
                        self.collections.insert(Arc::clone(&collection));
                        collection
                    }
                };
                let key = format!("{}/{}", place.1.0, place.1.1).into();
                self.live.insert(Arc::clone(&new.uid), Spot { collection, key });
            }
            (Some(old), None) => {
                self.live.remove(&old.uid);
                if self.seeds.as_ref().is_some_and(|seeds| seeds.place(&old.uid).is_some()) {
                    self.gone_seeds.insert(Arc::clone(&old.uid));
                }
            }
            (None, None) => {}
        }
    }

    /// Returns where the object with this uid is, if it still is.
    pub(crate) fn place(&self, uid: &str) -> Option<Place> {
        let seed = || self.seeds.as_ref()?.place(uid).filter(|_| !self.gone_seeds.contains(uid)).cloned();
        self.live.get(uid).map(Spot::place).or_else(seed)
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
