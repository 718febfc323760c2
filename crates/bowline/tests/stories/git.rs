use std::path::Path;

use tempfile::TempDir;

/// A repository that a story writes to and Bowline reads from.
pub(crate) struct Repository {
    dir: TempDir,
    repository: git2::Repository,
}

impl Repository {
    /// Makes a repository with these files in its first commit on `main`.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let mut options = git2::RepositoryInitOptions::new();
        options.initial_head("main").external_template(false);
        let repository = git2::Repository::init_opts(dir.path(), &options).expect("a repository can be made");
        let made = Self { dir, repository };
        for (path, content) in files {
            made.write(path, content);
        }
        made.commit("first");
        made
    }

    /// Makes a repository with these files, whatever is in them.
    pub(crate) fn of_bytes(files: &[(String, Vec<u8>)]) -> Self {
        let made = Self::new(&[]);
        for (path, content) in files {
            let path = made.dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("has a parent")).expect("directories can be made");
            std::fs::write(path, content).expect("a file can be written");
        }
        made.commit("files");
        made
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.dir.path().display())
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("directories can be made");
        std::fs::write(path, content).expect("a file can be written");
    }

    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.dir.path().join(path)).expect("a file can be removed");
    }

    /// Commits the whole work tree and returns the commit's id.
    pub(crate) fn commit(&self, message: &str) -> String {
        let mut index = self.repository.index().expect("there is an index");
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).expect("files can be added");
        index.update_all(["*"], None).expect("removals can be noted");
        index.write().expect("the index can be written");
        let tree = index.write_tree().expect("a tree can be written");
        let tree = self.repository.find_tree(tree).expect("the tree is there");
        let who = git2::Signature::now("Story", "story@bowline.example").expect("a signature");
        let parent = self.repository.head().ok().and_then(|head| head.peel_to_commit().ok());
        let parents: Vec<_> = parent.iter().collect();
        self.repository.commit(Some("HEAD"), &who, &who, message, &tree, &parents).expect("a commit").to_string()
    }

    /// Writes one file and commits it.
    pub(crate) fn change(&self, path: &str, content: &str) -> String {
        self.write(path, content);
        self.commit(path)
    }

    /// Returns the commit that `HEAD` names.
    pub(crate) fn head(&self) -> String {
        self.repository.head().expect("has commits").peel_to_commit().expect("a commit").id().to_string()
    }

    /// Makes a branch where `HEAD` is.
    pub(crate) fn branch(&self, name: &str) {
        let commit = self.repository.head().expect("has commits").peel_to_commit().expect("a commit");
        self.repository.branch(name, &commit, false).expect("a branch can be made");
    }

    /// Makes a lightweight tag where `HEAD` is.
    pub(crate) fn tag(&self, name: &str) {
        let commit = self.repository.head().expect("has commits").peel(git2::ObjectType::Commit).expect("a commit");
        self.repository.tag_lightweight(name, &commit, true).expect("a tag can be made");
    }

    /// Sets the branch and the work tree back to a commit, as a forced push would.
    pub(crate) fn rewind(&self, commit: &str) {
        let id = commit.parse().expect("a commit id");
        let commit = self.repository.find_object(id, None).expect("the commit is there");
        self.repository.reset(&commit, git2::ResetType::Hard, None).expect("can be set back");
    }
}
