use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The files the repository begins with.
const FILES: [(&str, &str); 5] = [
    ("shop/config.yaml", include_str!("../../../../examples/shop/config.yaml")),
    ("shop/deployment.yaml", include_str!("../../../../examples/shop/deployment.yaml")),
    ("shop/service.yaml", include_str!("../../../../examples/shop/service.yaml")),
    ("podinfo/service.yaml", include_str!("../../../../examples/podinfo/service.yaml")),
    ("podinfo/workload.yaml", include_str!("../../../../examples/podinfo/workload.yaml")),
];

/// A Git repository with a work tree: what a person edits and commits.
pub(crate) struct Repository {
    path: PathBuf,
    repository: git2::Repository,
}

impl Repository {
    /// Makes the repository with a first commit on `main`, or opens the one that an earlier demo left.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        if let Ok(repository) = git2::Repository::open(path) {
            return Ok(Self { path: path.to_owned(), repository });
        }
        let mut options = git2::RepositoryInitOptions::new();
        options.initial_head("main").mkdir(true).external_template(false);
        let repository = git2::Repository::init_opts(path, &options).context("cannot make a Git repository")?;
        let made = Self { path: path.to_owned(), repository };
        for (name, content) in FILES {
            made.write(name, content)?;
        }
        made.commit("shop and podinfo")?;
        Ok(made)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    pub(crate) fn read(&self, name: &str) -> anyhow::Result<String> {
        std::fs::read_to_string(self.path.join(name)).with_context(|| format!("cannot read `{name}`"))
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> anyhow::Result<()> {
        let path = self.path.join(name);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(&path, content).with_context(|| format!("cannot write `{name}`"))
    }

    pub(crate) fn remove(&self, name: &str) -> anyhow::Result<()> {
        std::fs::remove_file(self.path.join(name)).with_context(|| format!("cannot remove `{name}`"))
    }

    /// Commits everything in the work tree and returns the commit.
    pub(crate) fn commit(&self, message: &str) -> anyhow::Result<String> {
        let mut index = self.repository.index()?;
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None)?;
        index.update_all(["*"], None)?;
        index.write()?;
        let tree = self.repository.find_tree(index.write_tree()?)?;
        let signature = git2::Signature::now("Demo", "demo@bowline.example")?;
        let parent = self.repository.head().ok().and_then(|head| head.peel_to_commit().ok());
        let parents: Vec<_> = parent.iter().collect();
        let id = self.repository.commit(Some("HEAD"), &signature, &signature, message, &tree, &parents)?;
        Ok(id.to_string())
    }
}
