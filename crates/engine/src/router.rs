//! The engine from outside, and the one place where changes of the cluster are handed to tasks.

use std::sync::Arc;

use bowline_cluster::{ApiError, Change, Cluster, Known, Live, WatchScope};
use bowline_model::{AppId, Gvk, ObjectKey};
use bowline_source::Sources;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::dialect::{Dialect, Unread};
use crate::happening::{Counters, Happening};
use crate::index::Mailbox;
use crate::shared::{AppView, Options, Shared, Speaker};
use crate::task::Task;

/// The engine: keeps what the dialects' resources in a cluster describe.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

impl Engine {
    /// Makes an engine; nothing happens before [`Engine::run`].
    pub fn new(
        cluster: Cluster,
        sources: Sources,
        dialects: Vec<Arc<dyn Dialect>>,
        options: Options,
        shutdown: CancellationToken,
    ) -> Self {
        Self { shared: Arc::new(Shared::new(cluster, sources, dialects, options, shutdown)), tasks: TaskTracker::new() }
    }

    /// Runs until the shutdown token is cancelled, and lets every task finish the write it is at.
    pub async fn run(&self) -> Result<(), ApiError> {
        let Some(mut changes) = self.shared.cluster.changes() else {
            return Err(ApiError::Unreachable("the changes of this cluster are taken by another engine".to_owned()));
        };
        let definitions =
            WatchScope::all(Gvk::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition")).metadata_only();
        let kinds = tokio::select! {
            biased;
            () = self.shared.shutdown.cancelled() => return Ok(()),
            kinds = self.wait_for_kinds(&definitions) => kinds?,
        };
        info!(kinds = kinds.len(), "Engine started");
        let mut kinds = kinds;
        let recorder = tokio::spawn({
            let shared = self.shared.clone();
            async move { shared.events.run(&shared).await }
        });
        loop {
            tokio::select! {
                // In this order here and elsewhere, so that a simulated run can happen again.
                biased;
                () = self.shared.shutdown.cancelled() => break,
                change = changes.recv() => match change {
                    Some(change) => {
                        if self.route(&change, &kinds, &definitions) {
                            // An optional kind may have come. That it has not is told when the engine starts.
                            if let Err(error) = self.watch_kinds(&definitions, &mut kinds).await {
                                debug!(%error, "What kinds there are is not known");
                            }
                        }
                    }
                    None => break,
                },
            }
        }
        self.tasks.close();
        // Watches must not block on a full channel while tasks finish.
        let drain = async { while changes.recv().await.is_some() {} };
        tokio::select! {
            biased;
            () = self.tasks.wait() => {}
            () = drain => {}
        }
        // The last words of the tasks; fails only if recording panicked, which is told already.
        let _ = recorder.await;
        info!("Engine stopped");
        Ok(())
    }

    /// Watches the kinds of all dialects, once the cluster serves them.
    async fn wait_for_kinds(&self, definitions: &WatchScope) -> Result<Vec<Speaker>, ApiError> {
        let mut speakers = Vec::new();
        let mut failures: u32 = 0;
        loop {
            match self.watch_kinds(definitions, &mut speakers).await {
                Ok(missing) if missing.is_empty() => return Ok(speakers),
                Ok(missing) => {
                    if failures.is_multiple_of(30) {
                        warn!(?missing, "The cluster does not serve these kinds; run `bowline install --crds`");
                    }
                }
                Err(error) => warn!(%error, "The cluster cannot be read yet"),
            }
            failures += 1;
            tokio::time::sleep(
                std::time::Duration::from_secs(1).min(std::time::Duration::from_millis(50 << failures.min(5))),
            )
            .await;
            self.shared.cluster.forget_discovery();
        }
    }

    async fn watch_kinds(
        &self,
        definitions: &WatchScope,
        speakers: &mut Vec<Speaker>,
    ) -> Result<Vec<String>, ApiError> {
        let cluster = &self.shared.cluster;
        if let Some(resource) = cluster.resource(&definitions.gvk).await? {
            cluster.watch(definitions.clone(), resource);
        }
        let mut missing = Vec::new();
        for dialect in &self.shared.dialects {
            for kind in dialect.resources() {
                if speakers.iter().any(|known| known.kind.gvk == kind.gvk) {
                    continue;
                }
                match cluster.resource(&kind.gvk).await? {
                    Some(resource) => {
                        cluster.watch(WatchScope::all(kind.gvk.clone()), resource);
                        speakers.push(Speaker { dialect: dialect.clone(), kind });
                    }
                    None if kind.is_optional => {}
                    None => missing.push(kind.gvk.to_string()),
                }
            }
        }
        Ok(missing)
    }

    /// Hands a change to the tasks it concerns, and tells whether the cluster may have another kind since.
    fn route(&self, change: &Change, speakers: &[Speaker], definitions: &WatchScope) -> bool {
        let seen = Instant::now();
        let Change::Object { scope, before, after } = change else { return false };
        let Some(live) = after.as_ref().or(before.as_ref()) else { return false };
        let key = &live.key;
        let index = &self.shared.index;
        if **scope == *definitions {
            self.definition_changed(key);
            return self.is_awaited(key, speakers);
        }
        index.wake_referrers(&Unread::Object(key.clone()), seen);
        for reference in index.labelled_references(key) {
            index.wake_referrers(&reference, seen);
        }
        // An equal version is a write of ours come back: whoever wrote knows already.
        let is_echo = matches!((before, after), (Some(before), Some(after)) if before.version == after.version);
        if let Some(speaker) = speakers.iter().find(|speaker| speaker.kind.gvk == scope.gvk) {
            if is_echo && index.has_task(key) {
                return false;
            }
            self.resource_changed(speaker, key, after.is_some(), seen);
        }
        if scope.name.is_empty() && scope.labels.is_empty() {
            self.note_marks(before.as_deref(), after.as_deref(), &scope.gvk.version);
            if !is_echo {
                index.wake_live(key, seen);
            }
        }
        false
    }

    /// Tells whether a definition is that of a kind which a dialect speaks of and which was not there.
    fn is_awaited(&self, definition: &ObjectKey, speakers: &[Speaker]) -> bool {
        let kinds = self.shared.dialects.iter().flat_map(|dialect| dialect.resources());
        let mut missing = kinds.filter(|kind| !speakers.iter().any(|known| known.kind.gvk == kind.gvk));
        missing.any(|kind| definition.name == format!("{}.{}", kind.plural, kind.gvk.group))
    }

    fn resource_changed(&self, speaker: &Speaker, key: &ObjectKey, is_there: bool, seen: Instant) {
        let index = &self.shared.index;
        let only = &self.shared.options.only_namespaces;
        if !only.is_empty() && !only.contains(&key.namespace) {
            return;
        }
        if is_there && !index.has_task(key) {
            let mailbox = Arc::new(Mailbox::default());
            index.add_task(key, mailbox.clone());
            self.shared.standings.begin(key);
            let task = Task::new(self.shared.clone(), speaker.clone(), key.clone(), mailbox);
            self.tasks.spawn(task.run());
        } else {
            index.wake_task(key, |wake| {
                wake.resource.get_or_insert(seen);
            });
        }
    }

    /// Keeps the record of live objects whose marks prove their owner.
    fn note_marks(&self, before: Option<&Live>, after: Option<&Live>, version: &str) {
        let owner = |live: Option<&Live>| -> Option<AppId> {
            let metadata = live?.marks();
            self.shared
                .dialects
                .iter()
                .filter(|dialect| dialect.marks_are_proof())
                .find_map(|dialect| dialect.marks(&metadata).owner)
        };
        let Some(key) = after.or(before).map(|live| &live.key) else { return };
        let (was, is) = (owner(before), owner(after));
        if was == is {
            return;
        }
        self.shared.index.mark(key, was.as_ref(), is.as_ref(), version);
        // An object with an app's marks that the app does not look at: applied by a process that is gone.
        if let Some(owner) = is {
            self.shared.index.wake_task(&owner, |wake| {
                wake.live.get_or_insert_with(Instant::now);
            });
        }
    }

    fn definition_changed(&self, key: &ObjectKey) {
        debug!(definition = key.name, "A definition changed");
        let group = key.name.split_once('.').map_or("", |(_, group)| group);
        self.shared.cluster.forget_discovery();
        self.shared.cluster.forget_schemas(group);
        self.shared.index.wake_all(|wake| wake.kinds = true);
    }

    /// Returns every app as it stands, by key.
    pub fn apps(&self) -> Vec<AppView> {
        self.shared.views()
    }

    /// Returns a number that grows whenever an app's view changes.
    pub fn edition(&self) -> watch::Receiver<u64> {
        self.shared.edition.subscribe()
    }

    /// Returns what happens from now on.
    pub fn happenings(&self) -> broadcast::Receiver<Happening> {
        self.shared.happenings.subscribe()
    }

    /// Returns what was done since the start.
    pub fn counters(&self) -> Arc<Counters> {
        self.shared.counters.clone()
    }

    /// Tells whether the dialects' resources have been read: before that, nothing is decided.
    pub fn is_ready(&self) -> bool {
        let kinds = self.shared.dialects.iter().flat_map(|dialect| dialect.resources());
        let mut kinds = kinds.filter(|kind| !kind.is_optional);
        kinds.all(|kind| matches!(self.shared.cluster.list(&WatchScope::all(kind.gvk.clone())), Known::Yes(_)))
    }
}
