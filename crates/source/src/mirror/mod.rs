//! One remote and its clone: what is asked of it, wherever it lies.

mod clones;
mod local;
mod network;

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bowline_model::{GitRef, Remote, Revision};
use bowline_tree::Tree;
use git2::Oid;
use tokio::sync::Semaphore;

use crate::SourceError;
use crate::ancestry;
use crate::commit::CommitInfo;
use crate::limits::{MAX_PARALLEL_READS, MAX_PARALLEL_REMOTES};
use crate::remote::{Address, Located as _};
use crate::resolve::{Listing, Resolve as _, Resolved, Unresolved, full_commit};
use crate::store::{Store, lock};
use crate::tree::GitTree;
use crate::wire::{HttpClients, Stage};

/// What all mirrors share.
pub(crate) struct Edge {
    pub(crate) clients: HttpClients,
    remotes: Semaphore,
    reads: Semaphore,
    pub(crate) allow_local: bool,
}

impl Edge {
    /// Waits until one more remote may be spoken to.
    pub(crate) async fn permit(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.remotes.acquire().await.expect("holds because nobody closes it")
    }

    pub(crate) fn new(allow_local: bool) -> Self {
        Self {
            clients: HttpClients::default(),
            remotes: Semaphore::new(MAX_PARALLEL_REMOTES),
            reads: Semaphore::new(MAX_PARALLEL_READS),
            allow_local,
        }
    }
}

/// One remote and the clone of it that all its users share.
pub(crate) struct Mirror {
    remote: Remote,
    url: String,
    dir: PathBuf,
    edge: Arc<Edge>,
    store: Mutex<Option<Arc<Store>>>,
    /// Commits without their files, for questions about history; made when first asked.
    history: Mutex<Option<Arc<Store>>>,
    /// What followed references mean: these commits stay here, come what may.
    current: Mutex<HashMap<GitRef, Oid>>,
    /// Held while objects come in: one fetch at a time.
    fetching: tokio::sync::Mutex<()>,
}

/// What is wanted of a remote, found.
#[derive(Debug, Clone)]
struct Found {
    name: Option<String>,
    commit: Oid,
    /// What to ask a server for, when a reference led here.
    object: Option<Oid>,
}

impl Mirror {
    pub(crate) fn new(remote: Remote, dir: PathBuf, edge: Arc<Edge>) -> Self {
        Self {
            url: remote.shown_url(),
            remote,
            dir,
            edge,
            store: Mutex::default(),
            history: Mutex::default(),
            current: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Finds the revision that `wanted` means now, and sees to it that its files are here.
    pub(crate) async fn resolve(self: &Arc<Self>, wanted: &GitRef, timeout: Duration) -> Result<Revision, SourceError> {
        let found = self.find(wanted, timeout).await?;
        lock(&self.current).insert(wanted.clone(), found.commit);
        Ok(Revision { name: found.name, ..Revision::of_commit(found.commit.to_string()) })
    }

    /// Ends the care for what a reference means.
    pub(crate) fn forget(&self, wanted: &GitRef) {
        lock(&self.current).remove(wanted);
    }

    async fn find(self: &Arc<Self>, wanted: &GitRef, timeout: Duration) -> Result<Found, SourceError> {
        if let Some(why) = wanted.flaw() {
            return Err(SourceError::InvalidReference { wanted: wanted.shortened().into(), why });
        }
        // A commit never changes: once it is here, nobody needs to be asked.
        if let GitRef::Commit(text) | GitRef::Any(text) = wanted
            && let Some(commit) = full_commit(text)
            && self.has(commit).await?
        {
            return Ok(Found { name: None, commit, object: None });
        }
        match self.address()? {
            Address::Local(path) => self.resolve_local(path, wanted, timeout).await,
            Address::Http(..) | Address::Ssh(_) => {
                self.talk(timeout, async |session| self.resolve_remote(session, wanted).await).await
            }
        }
    }

    /// Opens the files of a revision; fetches them when they are not here.
    pub(crate) async fn tree(
        self: &Arc<Self>,
        revision: &Revision,
        timeout: Duration,
    ) -> Result<Arc<dyn Tree>, SourceError> {
        let tree = self.with_commit(revision, timeout, GitTree::open).await?;
        Ok(Arc::new(tree))
    }

    /// Reads what a commit says of itself.
    pub(crate) async fn commit_info(
        self: &Arc<Self>,
        revision: &Revision,
        timeout: Duration,
    ) -> Result<CommitInfo, SourceError> {
        self.with_commit(revision, timeout, |store, commit| store.commit(commit).map(|commit| commit.info)).await
    }

    /// Reads from the store; when that shows damage, once more from a store made anew.
    async fn with_commit<T: Send + 'static>(
        self: &Arc<Self>,
        revision: &Revision,
        timeout: Duration,
        read: impl Fn(Arc<Store>, Oid) -> Result<T, SourceError> + Clone + Send + 'static,
    ) -> Result<T, SourceError> {
        let commit = full_commit(&revision.digest).ok_or_else(|| SourceError::InvalidReference {
            wanted: GitRef::Commit(revision.digest.clone()).into(),
            why: "a commit has 40 hexadecimal digits".into(),
        })?;
        let mut again = true;
        loop {
            let fetched = if self.has(commit).await? { Ok(()) } else { self.fetch_commit(commit, timeout).await };
            let (mirror, read) = (Arc::clone(self), read.clone());
            let result = match fetched {
                Ok(()) => blocking(move || read(mirror.store()?, commit)).await,
                Err(error) => Err(error),
            };
            match result {
                Err(error) if error.is_damage() && again => again = false,
                result => return result,
            }
        }
    }

    async fn fetch_commit(self: &Arc<Self>, commit: Oid, timeout: Duration) -> Result<(), SourceError> {
        let found = Found { name: None, commit, object: None };
        match self.address()? {
            Address::Local(path) => {
                let wanted = GitRef::Commit(commit.to_string());
                self.resolve_local(path, &wanted, timeout).await.map(|_| ())
            }
            Address::Http(..) | Address::Ssh(_) => {
                self.talk(timeout, async |session| self.take(session, &found).await).await
            }
        }
    }

    /// Tells whether `new` descends from `old`; `None` when the history is not to be had.
    pub(crate) async fn descends(self: &Arc<Self>, old: Oid, new: Oid, timeout: Duration) -> Option<bool> {
        if old == new {
            return Some(true);
        }
        match self.address().ok()? {
            Address::Local(path) => {
                let url = self.url.clone();
                let source =
                    blocking(move || Ok(crate::local::descends(&crate::local::open(&path, &url)?, new, old))).await;
                source.ok().flatten()
            }
            Address::Http(..) | Address::Ssh(_) => {
                for ask in [false, true] {
                    if ask {
                        self.fetch_history(new, timeout).await.ok()?;
                    }
                    let mirror = Arc::clone(self);
                    let known = blocking(move || {
                        let history = mirror.history()?;
                        Ok(ancestry::descends(&history, new, old))
                    });
                    if let Some(answer) = known.await.ok().flatten() {
                        return Some(answer);
                    }
                }
                None
            }
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Notes that the clone is in use, for whoever looks for clones that are not.
    pub(crate) fn mark_used(&self) -> std::io::Result<()> {
        if self.dir.exists() { std::fs::write(self.dir.join(MARK), "") } else { Ok(()) }
    }

    fn address(&self) -> Result<Address, SourceError> {
        match self.remote.address()? {
            Address::Local(_) if !self.edge.allow_local => Err(SourceError::LocalNotAllowed { url: self.url.clone() }),
            address => Ok(address),
        }
    }

    fn choose(&self, wanted: &GitRef, listing: &Listing) -> Result<Choice, SourceError> {
        match wanted.resolve(listing) {
            Ok(Resolved::Tip(tip)) => {
                Ok(Choice::Found(Found { name: Some(tip.name), commit: tip.commit, object: Some(tip.object) }))
            }
            Ok(Resolved::Commit(commit)) => Ok(Choice::Found(Found { name: None, commit, object: None })),
            Ok(Resolved::Short(digits)) => Ok(Choice::Short(digits)),
            Err(Unresolved::NotFound) => Err(self.not_found(wanted)),
            Err(Unresolved::Ambiguous) => {
                let (GitRef::Any(short) | GitRef::Commit(short)) = wanted else { return Err(self.not_found(wanted)) };
                Err(SourceError::AmbiguousCommit { url: self.url.clone(), short: short.clone() })
            }
            Err(Unresolved::Invalid(why)) => Err(SourceError::InvalidReference { wanted: wanted.clone().into(), why }),
        }
    }

    fn not_found(&self, wanted: &GitRef) -> SourceError {
        SourceError::ReferenceNotFound { url: self.url.clone(), wanted: wanted.clone().into() }
    }

    async fn within<T>(
        &self,
        timeout: Duration,
        stage: &Stage,
        work: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        match tokio::time::timeout(timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(SourceError::TimedOut { url: self.url.clone(), after: timeout, doing: stage.get() }),
        }
    }

    async fn has(self: &Arc<Self>, commit: Oid) -> Result<bool, SourceError> {
        let mirror = Arc::clone(self);
        blocking(move || Ok(mirror.store()?.has_commit(commit))).await
    }
}

enum Choice {
    Found(Found),
    Short(String),
}

/// A file beside the clones whose age tells when they were last in use.
pub(crate) const MARK: &str = "used";

/// Runs what reads or writes the disk on a thread where waiting is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(SourceError::Internal { why: error.to_string() }),
    }
}
