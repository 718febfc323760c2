//! Who is to be woken by what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bowline_model::{AppId, ObjectKey};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::dialect::Unread;

/// What woke a task.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wake {
    /// A live object it desires or has applied changed; when the first such change was seen.
    pub(crate) live: Option<Instant>,
    /// The resource, or something that lowering looked at, changed.
    pub(crate) resource: Option<Instant>,
    /// Definitions came or went: what was unknown may be known now.
    pub(crate) kinds: bool,
}

/// A task's letter box: wakes add up until they are looked at.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    wake: Mutex<Wake>,
    notify: Notify,
}

impl Mailbox {
    pub(crate) fn put(&self, change: impl FnOnce(&mut Wake)) {
        change(&mut lock(&self.wake));
        self.notify.notify_one();
    }

    pub(crate) fn take(&self) -> Wake {
        std::mem::take(&mut *lock(&self.wake))
    }

    /// Tells whether there is something to take: a sync that waited has heard of it, and left it here.
    pub(crate) fn is_full(&self) -> bool {
        let wake = lock(&self.wake);
        wake.live.is_some() || wake.resource.is_some() || wake.kinds
    }

    /// Waits until there is something to take, or there was since the last wait.
    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who looks at what. One lock for all, held for look-ups only.
#[derive(Debug, Default)]
pub(crate) struct Index(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tasks: BTreeMap<AppId, Arc<Mailbox>>,
    /// Live objects, and the apps that desire or have applied them.
    live: BTreeMap<ObjectKey, BTreeSet<AppId>>,
    /// What lowering looked at.
    references: BTreeMap<Unread, BTreeSet<AppId>>,
    /// Apps by the objects they desire.
    claims: BTreeMap<ObjectKey, BTreeSet<AppId>>,
    /// Live objects whose marks prove an owner, by owner.
    marked: BTreeMap<AppId, BTreeMap<ObjectKey, String>>,
}

/// What one task looks at, to be put in place of what it looked at before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Interests {
    pub(crate) live: BTreeSet<ObjectKey>,
    pub(crate) references: BTreeSet<Unread>,
    pub(crate) claims: BTreeSet<ObjectKey>,
}

impl Index {
    pub(crate) fn add_task(&self, id: &AppId, mailbox: Arc<Mailbox>) {
        lock(&self.0).tasks.insert(id.clone(), mailbox);
    }

    pub(crate) fn has_task(&self, id: &AppId) -> bool {
        lock(&self.0).tasks.contains_key(id)
    }

    pub(crate) fn remove_task(&self, id: &AppId, interests: &Interests) {
        let mut inner = lock(&self.0);
        inner.tasks.remove(id);
        inner.marked.remove(id);
        inner.exchange(id, interests, &Interests::default());
    }

    pub(crate) fn exchange(&self, id: &AppId, old: &Interests, new: &Interests) {
        if old != new {
            lock(&self.0).exchange(id, old, new);
        }
    }

    /// Returns the other apps that desire the object now.
    pub(crate) fn claimed_by_others(&self, key: &ObjectKey, app: &AppId) -> BTreeSet<AppId> {
        let inner = lock(&self.0);
        inner.claims.get(key).into_iter().flatten().filter(|other| *other != app).cloned().collect()
    }

    /// Notes whose marks a live object carries; `version` is the API version it was read in.
    pub(crate) fn mark(&self, key: &ObjectKey, before: Option<&AppId>, after: Option<&AppId>, version: &str) {
        let mut inner = lock(&self.0);
        if let Some(before) = before
            && let Some(marked) = inner.marked.get_mut(before)
        {
            marked.remove(key);
        }
        if let Some(after) = after {
            inner.marked.entry(after.clone()).or_default().insert(key.clone(), version.to_owned());
        }
    }

    pub(crate) fn marked(&self, app: &AppId) -> BTreeMap<ObjectKey, String> {
        lock(&self.0).marked.get(app).cloned().unwrap_or_default()
    }

    pub(crate) fn wake_task(&self, id: &AppId, change: impl FnOnce(&mut Wake)) {
        if let Some(mailbox) = lock(&self.0).tasks.get(id) {
            mailbox.put(change);
        }
    }

    pub(crate) fn wake_all(&self, change: impl Fn(&mut Wake)) {
        for mailbox in lock(&self.0).tasks.values() {
            mailbox.put(&change);
        }
    }

    /// Wakes the apps that look at a live object.
    pub(crate) fn wake_live(&self, key: &ObjectKey, seen: Instant) {
        let inner = lock(&self.0);
        for id in inner.live.get(key).into_iter().flatten() {
            if let Some(mailbox) = inner.tasks.get(id) {
                mailbox.put(|wake| {
                    wake.live.get_or_insert(seen);
                });
            }
        }
    }

    /// Wakes the apps whose lowering looked at something.
    pub(crate) fn wake_referrers(&self, reference: &Unread, seen: Instant) {
        let inner = lock(&self.0);
        for id in inner.references.get(reference).into_iter().flatten() {
            if let Some(mailbox) = inner.tasks.get(id) {
                mailbox.put(|wake| {
                    wake.resource.get_or_insert(seen);
                });
            }
        }
    }

    /// Returns the look-ups by label that an object of this kind and namespace may be an answer to.
    pub(crate) fn labelled_references(&self, key: &ObjectKey) -> Vec<Unread> {
        let inner = lock(&self.0);
        let is_about = |reference: &&Unread| match reference {
            Unread::Labelled(kind, namespace, _, _) => *kind == key.group_kind() && *namespace == key.namespace,
            Unread::Object(_) => false,
        };
        inner.references.keys().filter(is_about).cloned().collect()
    }
}

impl Inner {
    fn exchange(&mut self, id: &AppId, old: &Interests, new: &Interests) {
        swap(&mut self.live, id, &old.live, &new.live);
        swap(&mut self.references, id, &old.references, &new.references);
        swap(&mut self.claims, id, &old.claims, &new.claims);
        // What one app lets go, another may have been waiting for.
        let heirs: BTreeSet<_> = old
            .claims
            .difference(&new.claims)
            .filter_map(|key| self.claims.get(key))
            .flatten()
            .filter(|heir| *heir != id)
            .collect();
        for mailbox in heirs.into_iter().filter_map(|heir| self.tasks.get(heir)) {
            mailbox.put(|wake| {
                wake.live.get_or_insert_with(Instant::now);
            });
        }
    }
}

fn swap<K: Ord + Clone>(map: &mut BTreeMap<K, BTreeSet<AppId>>, id: &AppId, old: &BTreeSet<K>, new: &BTreeSet<K>) {
    for key in old.difference(new) {
        if let Some(ids) = map.get_mut(key) {
            ids.remove(id);
            if ids.is_empty() {
                map.remove(key);
            }
        }
    }
    for key in new.difference(old) {
        map.entry(key.clone()).or_default().insert(id.clone());
    }
}
