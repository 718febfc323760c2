use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bowline_model::Revision;
use bowline_tree::Tree;
use git2::{Oid, Repository};
use tokio::sync::{Semaphore, mpsc};

use crate::ancestry;
use crate::commit::CommitInfo;
use crate::limits::{MAX_PARALLEL_READS, MAX_PARALLEL_REMOTES};
use crate::local;
use crate::remote::{Address, Remote};
use crate::resolve::{Listing, Resolved, Unresolved, full_commit};
use crate::store::{Store, lock};
use crate::tree::GitTree;
use crate::wire::{Depth, HttpClients, Session, Stage, Want};
use crate::{GitRef, SourceError};

/// How many pieces of a pack wait between the network and the disk.
const QUEUE: usize = 16;

/// What all mirrors share.
pub(crate) struct Edge {
    pub(crate) clients: HttpClients,
    remotes: Semaphore,
    reads: Semaphore,
    pub(crate) allow_local: bool,
}

impl Edge {
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
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Finds the revision that `wanted` means now, and sees to it that its files are here.
    pub(crate) async fn resolve(self: &Arc<Self>, wanted: &GitRef, timeout: Duration) -> Result<Revision, SourceError> {
        if let Some(why) = wanted.flaw() {
            return Err(SourceError::InvalidReference { wanted: wanted.shortened(), why });
        }
        // A commit never changes: once it is here, nobody needs to be asked.
        if let GitRef::Commit(text) | GitRef::Any(text) = wanted
            && let Some(commit) = full_commit(text)
            && self.has(commit).await?
        {
            return Ok(revision(None, commit));
        }
        let found = match self.address()? {
            Address::Local(path) => self.resolve_local(path, wanted, timeout).await?,
            Address::Http(..) | Address::Ssh(_) => {
                self.talk(timeout, async |session| self.resolve_remote(session, wanted).await).await?
            }
        };
        Ok(revision(found.name, found.commit))
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
        let commit = full_commit(&revision.commit).ok_or_else(|| SourceError::InvalidReference {
            wanted: GitRef::Commit(revision.commit.clone()),
            why: "a commit has 40 hexadecimal digits".into(),
        })?;
        let mut again = true;
        loop {
            if !self.has(commit).await? {
                self.fetch_commit(commit, timeout).await?;
            }
            let read = read.clone();
            let mirror = Arc::clone(self);
            let result = blocking(move || read(mirror.store()?, commit)).await;
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
                let source = blocking(move || Ok(local::descends(&local::open(&path, &url)?, new, old))).await;
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

    // --- local repositories ---

    async fn resolve_local(
        self: &Arc<Self>,
        path: PathBuf,
        wanted: &GitRef,
        timeout: Duration,
    ) -> Result<Found, SourceError> {
        let (mirror, wanted) = (Arc::clone(self), wanted.clone());
        let work = async {
            let _permit = self.edge.reads.acquire().await;
            let (found, held) = blocking(move || {
                let source = local::open(&path, &mirror.url)?;
                let found = mirror.choose_local(&source, &wanted)?;
                let held = mirror.store()?.has_commit(found.commit);
                Ok((found, held.then_some(()).ok_or((mirror, path))))
            })
            .await?;
            if let Err((mirror, path)) = held {
                let _alone = self.fetching.lock().await;
                let commit = found.commit;
                blocking(move || mirror.copy_local(&path, commit)).await?;
            }
            Ok(found)
        };
        self.within(timeout, &Stage::new("reading the repository"), work).await
    }

    fn choose_local(&self, source: &Repository, wanted: &GitRef) -> Result<Found, SourceError> {
        let failed =
            |error: git2::Error| SourceError::Protocol { url: self.url.clone(), why: error.message().to_owned() };
        let listing = local::list(source, wanted).map_err(failed)?;
        match self.choose(wanted, &listing)? {
            Choice::Found(found) => {
                let is_commit = source.find_commit(found.commit).is_ok();
                if is_commit { Ok(found) } else { Err(self.not_found(wanted)) }
            }
            Choice::Short(digits) => {
                let object = source.revparse_single(&digits).map_err(|error| match error.code() {
                    git2::ErrorCode::Ambiguous => SourceError::AmbiguousCommit { url: self.url.clone(), short: digits },
                    _ => self.not_found(wanted),
                })?;
                let commit = object.peel_to_commit().map_err(|_| self.not_found(wanted))?.id();
                Ok(Found { name: None, commit, object: None })
            }
        }
    }

    fn copy_local(&self, path: &Path, commit: Oid) -> Result<(), SourceError> {
        let source = local::open(path, &self.url)?;
        let copy = |store: &Store| {
            if store.has_commit(commit) {
                return Ok(());
            }
            local::copy(&source, &[commit], store, &self.url)?;
            store.keep(commit, true)
        };
        match copy(&*self.store()?) {
            Err(error @ (SourceError::Damaged { .. } | SourceError::Store { .. })) => {
                self.discard(&error);
                copy(&*self.store()?)?;
            }
            result => result?,
        }
        self.tidy()
    }

    // --- remotes on the network ---

    /// Holds one conversation within the time given.
    async fn talk<T>(
        &self,
        timeout: Duration,
        talk: impl AsyncFnOnce(&mut Session<'_>) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        // The wait for a turn is bounded by the deadlines of those who have theirs.
        let _permit = self.edge.remotes.acquire().await;
        let stage = Stage::new("connecting");
        let conversation = async {
            let mut session = Session::open(&self.remote, &self.edge.clients, stage.clone()).await?;
            let result = talk(&mut session).await?;
            session.close().await;
            Ok(result)
        };
        self.within(timeout, &stage, conversation).await
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

    async fn resolve_remote(
        self: &Arc<Self>,
        session: &mut Session<'_>,
        wanted: &GitRef,
    ) -> Result<Found, SourceError> {
        let prefixes = wanted.prefixes();
        let listing = if prefixes.is_empty() { Listing::default() } else { session.list(&prefixes).await? };
        let found = match self.choose(wanted, &listing)? {
            Choice::Found(found) => found,
            Choice::Short(digits) => self.find_short(session, &listing, wanted, digits).await?,
        };
        if !self.has(found.commit).await? {
            self.take(session, &found).await?;
        }
        Ok(found)
    }

    /// Fetches what was found and is not here.
    async fn take(self: &Arc<Self>, session: &mut Session<'_>, found: &Found) -> Result<(), SourceError> {
        let _alone = self.fetching.lock().await;
        if self.has(found.commit).await? {
            return Ok(());
        }
        let mut want = Want { objects: vec![found.object.unwrap_or(found.commit)], ..Want::default() };
        if found.object.is_none() && !session.can_want_any_commit() {
            let listing = session.list(&[]).await?;
            let tip = listing.refs.iter().find(|listed| listed.peeled.unwrap_or(listed.id) == found.commit);
            match tip {
                Some(tip) => want.objects = vec![tip.id],
                // An old server gives no commit by its id: take all it has, and look.
                None => want = Want { objects: listing.tips(), depth: Depth::All, ..Want::default() },
            }
        }
        let fresh = match self.store() {
            Ok(store) => {
                want.have = store.haves();
                self.receive(session, &want, store).await
            }
            Err(error) => Err(error),
        };
        match fresh {
            Err(error @ SourceError::Store { .. }) => {
                self.discard(&error);
                want.have.clear();
                self.receive(session, &want, self.store()?).await?;
            }
            result => result?,
        }
        let (mirror, commit) = (Arc::clone(self), found.commit);
        let shallow = want.depth == Depth::One;
        blocking(move || {
            let store = mirror.store()?;
            if !store.has_commit(commit) {
                return Err(mirror.not_found(&GitRef::Commit(commit.to_string())));
            }
            store.keep(commit, shallow)?;
            mirror.tidy()
        })
        .await
    }

    /// Takes one pack in: the network on one side, a thread for the disk on the other.
    async fn receive(&self, session: &mut Session<'_>, want: &Want, store: Arc<Store>) -> Result<(), SourceError> {
        let (sink, parts) = mpsc::channel(QUEUE);
        let disk = tokio::task::spawn_blocking(move || store.take_pack(parts));
        let sent = session.fetch(want, sink).await;
        let kept = disk.await.map_err(|error| SourceError::Internal { why: error.to_string() })?;
        match (sent, kept) {
            (Ok(()), kept) => kept,
            // When the pack broke off, the disk only noticed.
            (Err(error), _) => Err(error),
        }
    }

    /// Finds a shortened commit that no reference names: among what is here, then in the whole history.
    async fn find_short(
        self: &Arc<Self>,
        session: &mut Session<'_>,
        listing: &Listing,
        wanted: &GitRef,
        digits: String,
    ) -> Result<Found, SourceError> {
        for ask in [false, true] {
            if ask {
                self.take_history(session, listing.tips()).await?;
            }
            let mirror = Arc::clone(self);
            let short = digits.clone();
            let found = blocking(move || {
                let ambiguous = |_| SourceError::AmbiguousCommit { url: mirror.url.clone(), short: short.clone() };
                let here = mirror.store()?.find_commit(&short).map_err(ambiguous)?;
                match here {
                    // What is here may be one of several; the history knows all.
                    Some(commit) if !ask => Ok(Some(commit)),
                    _ => mirror.history()?.find_commit(&short).map_err(ambiguous),
                }
            })
            .await?;
            if let Some(commit) = found {
                return Ok(Found { name: None, commit, object: None });
            }
        }
        Err(self.not_found(wanted))
    }

    async fn fetch_history(self: &Arc<Self>, tip: Oid, timeout: Duration) -> Result<(), SourceError> {
        self.talk(timeout, async |session| {
            if !session.can_filter() || !session.can_want_any_commit() {
                let what = "no way to fetch commits without files".into();
                return Err(SourceError::Unsupported { url: self.url.clone(), what });
            }
            self.take_history(session, vec![tip]).await
        })
        .await
    }

    async fn take_history(self: &Arc<Self>, session: &mut Session<'_>, tips: Vec<Oid>) -> Result<(), SourceError> {
        let _alone = self.fetching.lock().await;
        let history = self.history()?;
        let missing: Vec<Oid> = tips.into_iter().filter(|tip| !history.has(*tip)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let want = Want { objects: missing.clone(), have: history.haves(), depth: Depth::Commits };
        self.receive(session, &want, Arc::clone(&history)).await?;
        blocking(move || {
            for tip in missing {
                // Tags may lead to anything; commits are what later fetches can start from.
                if history.has_commit(tip) {
                    history.keep(tip, false)?;
                }
            }
            Ok(())
        })
        .await
    }

    // --- what both have in common ---

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
            Err(Unresolved::Invalid(why)) => Err(SourceError::InvalidReference { wanted: wanted.clone(), why }),
        }
    }

    fn not_found(&self, wanted: &GitRef) -> SourceError {
        SourceError::ReferenceNotFound { url: self.url.clone(), wanted: wanted.clone() }
    }

    async fn has(self: &Arc<Self>, commit: Oid) -> Result<bool, SourceError> {
        let mirror = Arc::clone(self);
        blocking(move || Ok(mirror.store()?.has_commit(commit))).await
    }

    fn store(&self) -> Result<Arc<Store>, SourceError> {
        let mut current = lock(&self.store);
        if let Some(store) = current.as_ref() {
            if !store.is_damaged() {
                return Ok(Arc::clone(store));
            }
            store.doom();
        }
        let dir = match current.take() {
            // The damaged one goes with its last user; the next lies beside it.
            Some(store) => next_dir(store.dir()),
            None => newest_dir(&self.dir).map_err(|error| SourceError::store(&error))?,
        };
        let store = Arc::new(Store::open(&dir)?);
        *current = Some(Arc::clone(&store));
        Ok(store)
    }

    /// Gives up the store: the next one is made anew.
    fn discard(&self, why: &SourceError) {
        tracing::warn!(url = %self.url, %why, "Local clone is given up and made anew");
        let mut current = lock(&self.store);
        if let Some(store) = current.take() {
            store.doom();
            let dir = next_dir(store.dir());
            drop(store);
            // Should that fail, the next use tries it again and reports why.
            *current = Store::open(&dir).ok().map(Arc::new);
        }
    }

    /// Writes the store anew, with what was fetched lately, when it has become scattered.
    fn tidy(&self) -> Result<(), SourceError> {
        let old = self.store()?;
        if !old.is_scattered() {
            return Ok(());
        }
        let fresh = Store::open(&next_dir(old.dir()))?;
        let source = Repository::open_bare(old.dir()).map_err(|error| SourceError::damaged(&error))?;
        let commits = old.haves();
        local::copy(&source, &commits, &fresh, &self.url)?;
        for commit in commits.iter().rev() {
            fresh.keep(*commit, true)?;
        }
        tracing::debug!(url = %self.url, commits = commits.len(), "Local clone was written anew");
        old.doom();
        *lock(&self.store) = Some(Arc::new(fresh));
        Ok(())
    }

    fn history(&self) -> Result<Arc<Store>, SourceError> {
        let mut current = lock(&self.history);
        if let Some(store) = current.as_ref().filter(|store| !store.is_damaged()) {
            return Ok(Arc::clone(store));
        }
        let dir = self.dir.join("history.git");
        if current.take().is_some() {
            // It was damaged.
            std::fs::remove_dir_all(&dir).map_err(|error| SourceError::store(&error))?;
        }
        let store = Arc::new(Store::open(&dir)?);
        *current = Some(Arc::clone(&store));
        Ok(store)
    }
}

enum Choice {
    Found(Found),
    Short(String),
}

fn revision(name: Option<String>, commit: Oid) -> Revision {
    Revision { name, commit: commit.to_string() }
}

/// A file beside the clones whose age tells when they were last in use.
pub(crate) const MARK: &str = "used";

/// Clones are numbered, so that a new one can be made while an old one is still read: `clone-7.git`.
const PREFIX: &str = "clone-";

fn number(dir: &Path) -> Option<u64> {
    dir.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(".git")?.parse().ok()
}

fn next_dir(dir: &Path) -> PathBuf {
    dir.with_file_name(format!("{PREFIX}{}.git", number(dir).map_or(1, |number| number + 1)))
}

/// Finds the clone of the highest number, and removes those a former process left behind.
fn newest_dir(parent: &Path) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(parent)?;
    let mut clones: Vec<(u64, PathBuf)> =
        std::fs::read_dir(parent)?.flatten().filter_map(|file| Some((number(&file.path())?, file.path()))).collect();
    clones.sort();
    let newest = clones.pop().map_or_else(|| parent.join(format!("{PREFIX}1.git")), |(_, dir)| dir);
    for (_, old) in clones {
        // What cannot be removed takes room and does no other harm.
        let _kept = std::fs::remove_dir_all(old);
    }
    Ok(newest)
}

/// Runs what reads or writes the disk on a thread where waiting is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(SourceError::Internal { why: error.to_string() }),
    }
}
