//! What the tests of sources share: repositories, hubs, and real servers of Git in front of them.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

pub mod http;
pub mod ssh;
pub mod web;

use std::path::PathBuf;
use std::time::Duration;

use bowline_model::{GitRef, Remote};
use bowline_source::{Options, Polled, SourceError, Sources, Subscription};
use bowline_tree::{Tree, TreePath};
use git2::{FileMode, Oid, Repository, Signature, Time};

pub const INTERVAL: Duration = Duration::from_hours(1);
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// A bare repository in a directory of its own.
pub struct Repo {
    pub dir: tempfile::TempDir,
    pub git: Repository,
}

impl Default for Repo {
    fn default() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let git = Repository::init_bare(dir.path().join("repo.git")).expect("a repository");
        git.set_head("refs/heads/main").expect("a branch name");
        Self { dir, git }
    }
}

impl Repo {
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("repo.git")
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Commits files to a branch on top of what it has, and returns the commit.
    pub fn commit(&self, branch: &str, files: &[(&str, &str)]) -> Oid {
        let parent = self.git.find_reference(&format!("refs/heads/{branch}")).ok();
        let parent = parent.map(|reference| reference.peel_to_commit().expect("a commit"));
        let base = parent.as_ref().map(|commit| commit.tree().expect("a tree"));
        let mut builder = git2::build::TreeUpdateBuilder::new();
        for (path, content) in files {
            let (mode, id) = match content.strip_prefix("-> ") {
                Some(target) => (FileMode::Link, self.git.blob(target.as_bytes()).expect("written")),
                None => (FileMode::Blob, self.git.blob(content.as_bytes()).expect("written")),
            };
            builder.upsert(*path, id, mode);
        }
        let tree = match base {
            Some(base) => builder.create_updated(&self.git, &base).expect("a tree"),
            None => {
                let empty = self.git.treebuilder(None).expect("a builder").write().expect("a tree");
                builder.create_updated(&self.git, &self.git.find_tree(empty).expect("a tree")).expect("a tree")
            }
        };
        self.commit_tree(branch, tree, parent.as_ref().map(git2::Commit::id).as_slice())
    }

    pub fn commit_tree(&self, branch: &str, tree: Oid, parents: &[Oid]) -> Oid {
        let count = self.git.odb().map(|odb| {
            let mut count = 0;
            odb.foreach(|_| {
                count += 1;
                true
            })
            .expect("counted");
            count
        });
        // Each commit gets a time of its own, and so an id.
        let time = Time::new(1_700_000_000 + count.expect("counted"), 0);
        let who = Signature::new("Ann Lee", "ann@example.com", &time).expect("a signature");
        let tree = self.git.find_tree(tree).expect("a tree");
        let parents: Vec<_> = parents.iter().map(|id| self.git.find_commit(*id).expect("a commit")).collect();
        let parents: Vec<_> = parents.iter().collect();
        let commit = self.git.commit(None, &who, &who, "Change\n\nBecause.\n", &tree, &parents).expect("a commit");
        self.git.reference(&format!("refs/heads/{branch}"), commit, true, "").expect("a branch");
        commit
    }

    pub fn tag(&self, name: &str, commit: Oid) {
        self.git.reference(&format!("refs/tags/{name}"), commit, true, "").expect("a tag");
    }

    pub fn annotated_tag(&self, name: &str, commit: Oid) -> Oid {
        let who = Signature::new("Ann Lee", "ann@example.com", &Time::new(1_700_000_000, 0)).expect("a signature");
        let object = self.git.find_object(commit, None).expect("an object");
        self.git.tag(name, &object, &who, "a tag", true).expect("a tag")
    }
}

/// A hub with its clones in a directory of its own.
pub struct Hub {
    pub dir: tempfile::TempDir,
    pub sources: Sources,
}

impl Default for Hub {
    fn default() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let sources = Sources::new(dir.path(), options());
        Self { dir, sources }
    }
}

pub fn options() -> Options {
    Options { local_interval: Duration::from_millis(20), ..Options::default() }
}

impl Hub {
    pub fn subscribe(&self, remote: &Remote, wanted: GitRef) -> Subscription {
        self.sources.subscribe(remote, &wanted.into(), INTERVAL, TIMEOUT)
    }

    /// The outcome of one check.
    pub async fn check(&self, remote: &Remote, wanted: GitRef) -> Polled {
        self.subscribe(remote, wanted).fresh().await
    }

    /// Resolves, as text: the revision, or the error.
    pub async fn resolve(&self, remote: &Remote, wanted: GitRef) -> String {
        match self.check(remote, wanted).await.outcome {
            Ok(revision) => revision.to_string(),
            Err(error) => error.to_string(),
        }
    }

    pub async fn fails(&self, remote: &Remote, wanted: GitRef) -> std::sync::Arc<SourceError> {
        self.check(remote, wanted).await.outcome.expect_err("fails")
    }

    /// Every file of what a reference means: path and content.
    pub async fn files(&self, remote: &Remote, wanted: GitRef) -> Vec<(String, String)> {
        let revision = self.check(remote, wanted).await.outcome.expect("resolves");
        let tree = self.sources.open(remote, &GitRef::Head.into(), &revision).await.expect("opens");
        files(&*tree)
    }

    /// The directories of the clones.
    pub fn clones(&self) -> Vec<PathBuf> {
        let remotes = std::fs::read_dir(self.dir.path().join("git")).into_iter().flatten().flatten();
        remotes
            .flat_map(|remote| std::fs::read_dir(remote.path()).into_iter().flatten().flatten())
            .map(|clone| clone.path())
            .filter(|clone| clone.file_name().is_some_and(|name| name.to_string_lossy().starts_with("clone-")))
            .collect()
    }
}

pub fn files(tree: &dyn Tree) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![TreePath::root()];
    while let Some(dir) = open.pop() {
        for entry in tree.list(&dir).expect("listed") {
            let path = dir.child(&entry.name);
            match entry.kind {
                bowline_tree::EntryKind::Directory => open.push(path),
                bowline_tree::EntryKind::Submodule => found.push((path.to_string(), "submodule".into())),
                _ => {
                    let content = tree.read(&path).expect("read");
                    found.push((path.to_string(), String::from_utf8_lossy(&content).into_owned()));
                }
            }
        }
    }
    found.sort();
    found
}

pub fn path(text: &str) -> TreePath {
    TreePath::parse(text).expect("inside")
}

pub fn branch(name: &str) -> GitRef {
    GitRef::Branch(name.into())
}

/// Git's own server side, or `None` with the test reported as skipped; with `CI=true` it must be there.
pub fn git_server() -> Option<PathBuf> {
    let mut places = vec![PathBuf::from("/usr/lib/git-core"), "/usr/libexec/git-core".into()];
    if let Ok(output) = std::process::Command::new("git").arg("--exec-path").output() {
        places.insert(0, String::from_utf8_lossy(&output.stdout).trim().into());
    }
    let found = places.into_iter().map(|place| place.join("git-http-backend")).find(|file| file.exists());
    if found.is_none() {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{name} needs git's http-backend");
        eprintln!("skipped: {name} needs git's http-backend");
    }
    found
}
