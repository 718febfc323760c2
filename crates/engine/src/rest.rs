//! An app at rest: in sync, healthy, and with nothing to do until something changes.

use std::sync::Arc;

use bowline_cluster::{Cluster, Known};
use bowline_model::{App, Gvk, HealthStatus, ObjectKey, ObjectReport};

use crate::look::Look;

/// What the last pass saw of an app that it found in sync and healthy.
///
/// For as long as all of it stays, another pass would see the same: it need not parse, compare or judge one
/// object again, and the parsed objects need not be kept, which are most of what an app costs in memory.
pub(crate) struct Rest {
    pub(crate) app: Arc<App>,
    seen: Vec<(Gvk, ObjectKey, Option<u64>)>,
    /// What was reported of each object.
    pub(crate) objects: Vec<ObjectReport>,
}

impl Rest {
    /// Returns what to remember of a pass that found nothing to do, or `None` when something is still on its way.
    ///
    /// Called right after the look: what changed in between has woken the task again.
    pub(crate) fn after(cluster: &Cluster, app: &App, looked: &Look) -> Option<Self> {
        let is_calm = |object: &ObjectReport| {
            !object.requires_pruning
                && object.hook.is_none()
                && object.health.as_ref().is_none_or(|health| health.status == HealthStatus::Healthy)
        };
        if looked.blocked().is_some() || !looked.plan.is_quiet() || !looked.objects.iter().all(is_calm) {
            return None;
        }
        let mut seen = Vec::with_capacity(looked.objects.len());
        for item in &looked.plan.items {
            let gvk = Gvk::new(&*item.key.group, &*item.version, &*item.key.kind);
            let version = version(cluster, &gvk, &item.key)?;
            // The cache may have moved on since the look: then this is not what the look saw.
            let live = looked.live.get(&item.key).and_then(Option::as_ref);
            let looked_at = live.and_then(|live| live.object.resource_version().parse().ok());
            if version != looked_at {
                return None;
            }
            seen.push((gvk, item.key.clone(), version));
        }
        Some(Self { app: Arc::new(app.clone()), seen, objects: looked.objects.clone() })
    }

    /// Tells whether nothing has changed: neither what is wanted of the app, nor a live object of it.
    pub(crate) fn holds(&self, cluster: &Cluster, app: &App) -> bool {
        // Without an endpoint of its own, writing status makes a new generation of the resource: it says nothing.
        let asked = App { generation: self.app.generation, ..app.clone() };
        if bowline_model::is_planted(bowline_model::Planted::RestsForEver) {
            return *self.app == asked;
        }
        *self.app == asked && self.seen.iter().all(|(gvk, key, seen)| version(cluster, gvk, key) == Some(*seen))
    }

    /// Tells whether these are the objects that were looked at.
    pub(crate) fn covers<'a>(&self, mut keys: impl Iterator<Item = &'a ObjectKey>) -> bool {
        keys.all(|key| self.seen.iter().any(|(_, seen, _)| seen == key))
    }
}

/// Returns the version of a live object, `Some(None)` when there is none, and `None` when that is not known.
#[expect(clippy::option_option, reason = "absent and unknown are different answers")]
fn version(cluster: &Cluster, gvk: &Gvk, key: &ObjectKey) -> Option<Option<u64>> {
    match cluster.get(gvk, &key.namespace, &key.name) {
        Known::Yes(live) => Some(live.map(|live| live.version)),
        Known::NotYet => None,
    }
}
