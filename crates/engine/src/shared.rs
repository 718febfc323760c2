use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bowline_cluster::Cluster;
use bowline_model::{AppId, Commit, Remote, Report, Revision, SourceSpec, Wanted};
use bowline_source::{SourceError, Sources};
use bowline_tree::Tree;
use jiff::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::sync::{OnceCell, Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::cache::{CacheOptions, RenderCache};
use crate::checks::Checks;
use crate::dependencies::PinBoard;
use crate::dialect::{Dialect, ResourceKind};
use crate::drifts::{Ledger, LedgerOptions};
use crate::events::Events;
use crate::happening::{Counters, Happening};
use crate::index::{Index, lock};
use crate::standing::Standings;

/// Happenings that an onlooker may lag behind before it misses some.
const HAPPENINGS: usize = 1024;

/// Status writes under way of apps that have nothing else to write. They may take their time: what an app
/// is waiting for goes first.
const BACKGROUND_WRITES: usize = 4;

/// Where work goes that keeps a thread busy or waits for the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Workplace {
    /// The runtime's own threads for it.
    #[default]
    Threads,
    /// Right here: a simulation has one thread, and what happens in it must be able to happen again.
    Here,
}

impl Workplace {
    /// Does a piece of work; fails when it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        match self {
            Self::Threads => tokio::task::spawn_blocking(work).await,
            Self::Here => Ok(work()),
        }
    }
}

/// Passes under way at once of apps that a new revision does not touch.
const UNTOUCHED_PASSES: usize = 8;

/// How the engine runs.
#[derive(Clone)]
pub struct Options {
    /// Tells the time of day. Waits use tokio's clock, which tests may pause.
    pub now: fn() -> Timestamp,
    /// Seeds everything random: jitter, and the names of Events.
    pub seed: u64,
    /// Looks after the resources of these namespaces alone; empty for all.
    pub only_namespaces: BTreeSet<String>,
    /// How long lowering or looking may wait for a first answer of the cluster before the wait is reported.
    pub patience: Duration,
    /// Where renders are kept; `None` keeps none.
    pub cache: Option<CacheOptions>,
    /// Where renders are made.
    pub workplace: Workplace,
    /// Where what others changed is on record; `None` keeps none.
    pub ledger: Option<LedgerOptions>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            now: Timestamp::now,
            seed: 0,
            only_namespaces: BTreeSet::new(),
            patience: Duration::from_secs(30),
            cache: None,
            workplace: Workplace::default(),
            ledger: None,
        }
    }
}

/// One app as it stands, for pages and `--output json`.
#[derive(Debug, Clone)]
pub struct AppView {
    /// The dialect's name.
    pub dialect: &'static str,
    /// The last report.
    pub report: Arc<Report>,
}

pub(crate) struct Shared {
    pub(crate) cluster: Cluster,
    pub(crate) sources: Sources,
    pub(crate) dialects: Vec<Arc<dyn Dialect>>,
    pub(crate) options: Options,
    pub(crate) index: Index,
    pub(crate) standings: Standings,
    pub(crate) counters: Arc<Counters>,
    pub(crate) happenings: broadcast::Sender<Happening>,
    pub(crate) background: Semaphore,
    pub(crate) events: Events,
    pub(crate) cache: Option<Arc<RenderCache>>,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) checks: Checks,
    /// Passes of apps that a new revision does not touch: those that it does touch go first.
    pub(crate) untouched: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) pins: PinBoard,
    views: Mutex<BTreeMap<AppId, AppView>>,
    /// Counts changes of `views`.
    pub(crate) edition: watch::Sender<u64>,
    /// The newest revision of each source, as tasks learn it: what dependencies are compared with.
    revisions: Mutex<BTreeMap<(Remote, Wanted), Revision>>,
    /// What many apps ask of one commit at once, when it is new.
    recent: Mutex<VecDeque<Arc<Recent>>>,
    random: Mutex<SmallRng>,
}

/// Commits that are kept at hand: about one a source that changed lately.
const RECENT: usize = 16;

struct Recent {
    remote: Remote,
    is_chart: bool,
    digest: String,
    tree: OnceCell<Arc<dyn Tree>>,
    commit: OnceCell<Option<Commit>>,
}

impl Recent {
    fn is_of(&self, source: &SourceSpec, revision: &Revision) -> bool {
        (self.digest == revision.digest || bowline_model::is_planted(bowline_model::Planted::StaleFiles))
            && self.is_chart == source.wanted.is_chart()
            && self.remote == source.remote
    }
}

impl Shared {
    pub(crate) fn new(
        cluster: Cluster,
        sources: Sources,
        dialects: Vec<Arc<dyn Dialect>>,
        options: Options,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            cluster,
            sources,
            dialects,
            index: Index::default(),
            standings: Standings::default(),
            counters: Arc::default(),
            happenings: broadcast::channel(HAPPENINGS).0,
            background: Semaphore::new(BACKGROUND_WRITES),
            events: Events::new(),
            ledger: options.ledger.clone().map(Ledger::new),
            checks: Checks::default(),
            untouched: Arc::new(Semaphore::new(UNTOUCHED_PASSES)),
            cache: options.cache.clone().map(|options| Arc::new(RenderCache::open(options))),
            shutdown,
            pins: PinBoard::default(),
            views: Mutex::default(),
            edition: watch::channel(0).0,
            revisions: Mutex::default(),
            recent: Mutex::default(),
            random: Mutex::new(SmallRng::seed_from_u64(options.seed)),
            options,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.options.now)()
    }

    pub(crate) fn tell(&self, happening: Happening) {
        // Fails when nobody looks on, which is fine.
        let _ = self.happenings.send(happening);
    }

    pub(crate) fn show(&self, dialect: &'static str, report: Arc<Report>) {
        lock(&self.views).insert(report.id.clone(), AppView { dialect, report });
        self.edition.send_modify(|edition| *edition += 1);
    }

    pub(crate) fn hide(&self, id: &AppId) {
        lock(&self.views).remove(id);
        self.edition.send_modify(|edition| *edition += 1);
    }

    pub(crate) fn views(&self) -> Vec<AppView> {
        lock(&self.views).values().cloned().collect()
    }

    pub(crate) fn note_revision(&self, remote: &Remote, wanted: &Wanted, revision: &Revision) {
        lock(&self.revisions).insert((remote.clone(), wanted.clone()), revision.clone());
    }

    pub(crate) fn revision(&self, remote: &Remote, wanted: &Wanted) -> Option<Revision> {
        lock(&self.revisions).get(&(remote.clone(), wanted.clone())).cloned()
    }

    fn recent(&self, source: &SourceSpec, revision: &Revision) -> Arc<Recent> {
        let mut recent = lock(&self.recent);
        if let Some(known) = recent.iter().find(|known| known.is_of(source, revision)) {
            return known.clone();
        }
        let new = Arc::new(Recent {
            remote: source.remote.clone(),
            is_chart: source.wanted.is_chart(),
            digest: revision.digest.clone(),
            tree: OnceCell::new(),
            commit: OnceCell::new(),
        });
        recent.push_front(new.clone());
        recent.truncate(RECENT);
        new
    }

    /// Opens the files of a revision, once for all who ask.
    pub(crate) async fn tree(&self, source: &SourceSpec, revision: &Revision) -> Result<Arc<dyn Tree>, SourceError> {
        let recent = self.recent(source, revision);
        let open = async || self.sources.open(&source.remote, &source.wanted, revision).await;
        recent.tree.get_or_try_init(open).await.cloned()
    }

    /// Forgets an opened revision, so that the next who asks opens it anew.
    pub(crate) fn forget_tree(&self, source: &SourceSpec, revision: &Revision) {
        lock(&self.recent).retain(|known| !known.is_of(source, revision));
    }

    /// Returns the commit behind a revision, where there is one and the clone has it.
    pub(crate) async fn commit(&self, source: &SourceSpec, revision: &Revision) -> Option<Commit> {
        let recent = self.recent(source, revision);
        let read = async || {
            let info = self.sources.commit_info(&source.remote, revision).await.ok()??;
            Some(Commit { author: info.author.clone(), subject: info.subject().to_owned(), date: info.date })
        };
        recent.commit.get_or_init(read).await.clone()
    }

    /// Returns 64 random bits as hexadecimal digits.
    pub(crate) fn random_suffix(&self) -> String {
        use rand::Rng as _;
        format!("{:016x}", lock(&self.random).next_u64())
    }

    /// Spreads a wait by a twentieth to each side, as Flux spreads its intervals.
    pub(crate) fn jitter(&self, wait: Duration) -> Duration {
        use rand::RngExt as _;
        wait.mul_f64(lock(&self.random).random_range(0.95..1.05))
    }
}

/// One of the dialects, and one kind of its resources.
#[derive(Clone)]
pub(crate) struct Speaker {
    pub(crate) dialect: Arc<dyn Dialect>,
    pub(crate) kind: ResourceKind,
}
