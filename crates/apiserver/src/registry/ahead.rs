//! The parts of an apply that need no lock, done before it is taken.
//!
//! Merging a configuration and reading the outcome by its schema depend on nothing but the live object, the schemas and the
//! time. Where those are still the same once the lock is held, what came of it counts; else it is done again.

use std::sync::Arc;

use serde_json::Value;

use super::update::merge;
use super::{Target, WriteOptions};
use crate::catalog::Catalog;
use crate::cluster::Cluster;
use crate::error::ApiError;
use crate::ownership::Ownership;
use crate::patch;
use crate::rules;
use crate::store::Stored;
use crate::stored::Kept;

/// What an apply comes to if the object is still as it was.
#[derive(Debug, Clone)]
pub(crate) struct Ahead {
    live: Arc<Kept>,
    catalog: Arc<Catalog>,
    now: String,
    /// The live object, in the version of the request.
    pub(super) current: Arc<Value>,
    pub(super) outcome: Result<Value, ApiError>,
    /// What the writer is to be told so far, and the like.
    pub(super) options: WriteOptions,
}

impl Ahead {
    pub(super) fn holds(&self, live: &Stored, catalog: &Arc<Catalog>, now: &str) -> bool {
        Arc::ptr_eq(&self.live, live.kept()) && Arc::ptr_eq(&self.catalog, catalog) && self.now == now
    }
}

impl Cluster {
    /// Works out what an apply of an object that exists will come to.
    pub(crate) fn apply_ahead(
        &self,
        target: &Target<'_>,
        config: &Value,
        options: &WriteOptions,
    ) -> Option<Box<Ahead>> {
        if target.subresource == "scale" || patch::check_apply(target, config).is_err() {
            return None;
        }
        let store = target.resource.store_key();
        let (live, catalog) = self.with_state(|state, _| {
            let live = state.stores.get(&store).and_then(|store| store.get(&target.key()));
            // A write of what is not shown whole begins with what is kept, which is the lock's.
            let live = live.filter(|live| !state.concealed.contains_key(&*live.uid));
            (live, Arc::clone(&state.catalog))
        });
        let live = live?;
        let current = rules::present(target.resource, &live.value);
        let (resource, subresource, clock) = (target.resource.as_ref(), target.subresource, self.clock());
        let ownership = Ownership { resource, subresource, catalog: Arc::clone(&catalog), clock };
        let now = clock.now_seconds();
        let mut options = options.clone();
        let outcome = merge(target, &ownership, &current, config, &mut options);
        Some(Box::new(Ahead { live: Arc::clone(live.kept()), catalog, now, current, outcome, options }))
    }
}
