//! Git in memory: one history, and what goes wrong on the way to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bowline_model::{GitRef, Remote, Revision};
use bowline_source::{CommitInfo, GitRemotes, SourceError};
use bowline_tree::{MemoryTree, Tree, TreePath};
use futures::future::BoxFuture;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::trace::{Trace, hexadecimal};

/// The one repository of a simulated world.
pub(crate) const URL: &str = "https://git.example/fleet.git";

/// What lies between an engine and Git at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    /// Nothing is wrong.
    Open,
    /// Nobody answers.
    Away,
    /// Answers take this long.
    Slow(Duration),
}

/// The repository, as everybody shares it.
#[derive(Clone)]
pub(crate) struct Git(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    commits: Vec<Commit>,
    /// When which commit was told to whom: cluster, time, position.
    told: Vec<(usize, Instant, usize)>,
}

struct Commit {
    id: String,
    tree: Arc<MemoryTree>,
    info: CommitInfo,
}

impl Git {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a commit that holds exactly these files, and returns its id.
    pub(crate) fn commit(&self, files: &BTreeMap<String, String>, message: &str, at: Timestamp) -> String {
        let mut tree = MemoryTree::new();
        let mut hasher = Sha256::new();
        for (path, content) in files {
            let path = TreePath::parse(path).expect("holds because the simulator's paths are plain");
            hasher.update(path.as_str());
            hasher.update(content);
            tree.insert(path, content.clone());
        }
        self.with(|state| {
            hasher.update(state.commits.len().to_le_bytes());
            let id = hexadecimal(&hasher.finalize()[..20]);
            let info = CommitInfo {
                author: "Ann".to_owned(),
                email: "ann@example.com".to_owned(),
                date: at,
                message: message.to_owned(),
            };
            state.commits.push(Commit { id: id.clone(), tree: Arc::new(tree), info });
            id
        })
    }

    /// Returns the position of the newest commit.
    pub(crate) fn head(&self) -> usize {
        self.with(|state| state.commits.len().saturating_sub(1))
    }

    pub(crate) fn id(&self, at: usize) -> String {
        self.with(|state| state.commits[at].id.clone())
    }

    /// Returns the oldest commit that an engine may still be working with: the newest it was told of `ago`.
    pub(crate) fn floor(&self, cluster: usize, ago: Duration) -> usize {
        let now = Instant::now();
        self.with(|state| {
            let told = state.told.iter().filter(|(whom, at, _)| *whom == cluster && now.duration_since(*at) >= ago);
            told.map(|(.., commit)| *commit).max().unwrap_or(0)
        })
    }

    /// Returns the repository as one cluster's engine reaches it.
    pub(crate) fn seen_by(&self, cluster: usize, road: Arc<dyn Fn() -> Road + Send + Sync>, trace: Trace) -> Remotes {
        Remotes { git: self.clone(), cluster, road, trace }
    }
}

/// The repository at the end of one engine's road.
pub(crate) struct Remotes {
    git: Git,
    cluster: usize,
    road: Arc<dyn Fn() -> Road + Send + Sync>,
    trace: Trace,
}

impl Remotes {
    async fn travel(&self) -> Result<(), SourceError> {
        match (self.road)() {
            Road::Open => Ok(()),
            Road::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Road::Away => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                Err(SourceError::Unreachable { url: URL.to_owned(), source: Box::new(source) })
            }
        }
    }

    fn find(&self, revision: &Revision) -> Result<usize, SourceError> {
        let found = self.git.with(|state| state.commits.iter().position(|commit| commit.id == revision.digest));
        found.ok_or_else(|| SourceError::ReferenceNotFound {
            url: URL.to_owned(),
            wanted: GitRef::Commit(revision.digest.clone()).into(),
        })
    }
}

impl GitRemotes for Remotes {
    fn resolve<'a>(&'a self, _: &'a Remote, wanted: &'a GitRef) -> BoxFuture<'a, Result<Revision, SourceError>> {
        Box::pin(async move {
            self.travel().await?;
            let head = self.git.head();
            let id = self.git.id(head);
            self.trace.line(&format!("c{} git says {wanted} is {}", self.cluster, &id[..8]));
            self.git.with(|state| state.told.push((self.cluster, Instant::now(), head)));
            Ok(match wanted {
                GitRef::Commit(id) => Revision::of_commit(id.clone()),
                GitRef::Branch(name) | GitRef::Any(name) => Revision::named(name.clone(), id),
                _ => Revision::named("main", id),
            })
        })
    }

    fn open<'a>(&'a self, _: &'a Remote, revision: &'a Revision) -> BoxFuture<'a, Result<Arc<dyn Tree>, SourceError>> {
        Box::pin(async move {
            let at = self.find(revision)?;
            Ok(self.git.with(|state| Arc::clone(&state.commits[at].tree)) as Arc<dyn Tree>)
        })
    }

    fn commit_info<'a>(
        &'a self,
        _: &'a Remote,
        revision: &'a Revision,
    ) -> BoxFuture<'a, Result<CommitInfo, SourceError>> {
        Box::pin(async move {
            let at = self.find(revision)?;
            Ok(self.git.with(|state| state.commits[at].info.clone()))
        })
    }

    fn is_ancestor<'a>(&'a self, _: &'a Remote, old: &'a Revision, new: &'a Revision) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async move { Some(self.find(old).ok()? <= self.find(new).ok()?) })
    }
}
