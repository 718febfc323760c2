use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bowline_cluster::{ApiResource, Cluster, Known, WatchScope};
use bowline_model::{GroupKind, Gvk, Object, ObjectKey, Revision, SourceSpec};

use crate::dialect::{Unread, World};
use crate::index::lock;
use crate::shared::Shared;

/// What lowering sees: the watch cache, and a note of everything it asked.
pub(crate) struct CachedWorld<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) kinds: &'a Kinds,
    pub(crate) asked: Mutex<BTreeSet<Unread>>,
    /// Whether it asked for a revision: then it must be asked again when there is a newer one.
    pub(crate) asked_revision: AtomicBool,
}

/// The versions in which the kinds that lowering asks for are read.
#[derive(Default, Clone)]
pub(crate) struct Kinds(BTreeMap<GroupKind, Option<ApiResource>>);

/// What is known of a kind that lowering asks for.
enum KnownKind<'a> {
    /// Nobody has asked yet.
    NotYet,
    /// The cluster does not have it, so there are no objects of it.
    Absent,
    /// It is read in this version.
    ReadAs(&'a Gvk),
}

impl Kinds {
    fn known(&self, kind: &GroupKind) -> KnownKind<'_> {
        match self.0.get(kind) {
            None => KnownKind::NotYet,
            Some(None) => KnownKind::Absent,
            Some(Some(resource)) => KnownKind::ReadAs(&resource.gvk),
        }
    }

    /// Forgets the kinds that were not there: they may have come.
    pub(crate) fn forget_absent(&mut self) {
        self.0.retain(|_, resource| resource.is_some());
    }
}

impl World for CachedWorld<'_> {
    fn get(&self, key: &ObjectKey) -> Result<Option<Arc<Object>>, Unread> {
        let unread = Unread::Object(key.clone());
        lock(&self.asked).insert(unread.clone());
        let gvk = match self.kinds.known(&key.group_kind()) {
            KnownKind::ReadAs(gvk) => gvk,
            KnownKind::Absent => return Ok(None),
            KnownKind::NotYet => return Err(unread),
        };
        match self.shared.cluster.get(gvk, &key.namespace, &key.name) {
            Known::Yes(live) => Ok(live.map(|live| Arc::new(live.object()))),
            Known::NotYet => Err(unread),
        }
    }

    fn labelled(
        &self,
        kind: &GroupKind,
        namespace: &str,
        label: &str,
        value: &str,
    ) -> Result<Vec<Arc<Object>>, Unread> {
        let unread = Unread::Labelled(kind.clone(), namespace.to_owned(), label.to_owned(), value.to_owned());
        lock(&self.asked).insert(unread.clone());
        let gvk = match self.kinds.known(kind) {
            KnownKind::ReadAs(gvk) => gvk,
            KnownKind::Absent => return Ok(Vec::new()),
            KnownKind::NotYet => return Err(unread),
        };
        if label.is_empty()
            && let Known::Yes(found) = self.shared.cluster.list(&WatchScope::all(gvk.clone()))
        {
            let objects = found.iter().map(|live| live.object()).filter(|object| object.namespace() == namespace);
            return Ok(objects.map(Arc::new).collect());
        }
        match self.shared.cluster.list(&labelled_scope(gvk, namespace, label, value)) {
            Known::Yes(found) => Ok(found.iter().map(|live| Arc::new(live.object())).collect()),
            Known::NotYet => Err(unread),
        }
    }

    fn revision(&self, source: &SourceSpec) -> Option<Revision> {
        self.asked_revision.store(true, Ordering::Relaxed);
        match &source.pinned {
            Some(revision) => Some(revision.clone()),
            None => self.shared.revision(&source.remote, &source.wanted),
        }
    }
}

pub(crate) fn labelled_scope(gvk: &Gvk, namespace: &str, label: &str, value: &str) -> WatchScope {
    let labels = if label.is_empty() { String::new() } else { format!("{label}={value}") };
    WatchScope::labelled(gvk.clone(), namespace, labels)
}

/// Reads what lowering asked for, and goes on watching it.
pub(crate) async fn read(
    cluster: &Cluster,
    kinds: &mut Kinds,
    unread: &Unread,
) -> Result<(), bowline_cluster::ApiError> {
    let kind = match unread {
        Unread::Object(key) => key.group_kind(),
        Unread::Labelled(kind, ..) => kind.clone(),
    };
    let resource = match kinds.0.get(&kind) {
        Some(resource) => resource.clone(),
        None => {
            let discovery = cluster.discovery().await?;
            let found = match discovery.preferred(&kind)? {
                Some(found) => Some(found.clone()),
                None => cluster.rediscover(Some(&discovery)).await?.preferred(&kind)?.cloned(),
            };
            kinds.0.insert(kind, found.clone());
            found
        }
    };
    let Some(resource) = resource else { return Ok(()) };
    let scope = match unread {
        // A whole-kind watch answers already, where there is one.
        Unread::Labelled(_, _, label, _)
            if label.is_empty() && cluster.is_complete(&WatchScope::all(resource.gvk.clone())) =>
        {
            return Ok(());
        }
        Unread::Object(_) if cluster.is_complete(&WatchScope::all(resource.gvk.clone())) => return Ok(()),
        Unread::Object(key) => WatchScope::one(resource.gvk.clone(), &key.namespace, &key.name),
        Unread::Labelled(_, namespace, label, value) => labelled_scope(&resource.gvk, namespace, label, value),
    };
    cluster.watch_complete(scope, resource).await;
    Ok(())
}
