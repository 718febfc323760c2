//! Files of a build: what may be read from where, and which directories are being built.

use std::rc::Rc;
use std::sync::Arc;

use bowline_tree::{EntryKind, LinkError, PathError, Tree, TreePath, resolve};
use bytes::Bytes;

use crate::error::BuildError;
use crate::remote::{NotFetched, Remotes, RepositoryUrl, status_text};

/// From where files may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoadRestrictions {
    /// Only from below the kustomization that names them.
    #[default]
    RootOnly,
    /// From anywhere in the tree.
    None,
}

/// The files that one build reads.
#[derive(Clone)]
pub(crate) enum Files<'a> {
    Given(&'a dyn Tree),
    Fetched(Arc<dyn Tree>),
}

impl Files<'_> {
    pub(crate) fn tree(&self) -> &dyn Tree {
        match self {
            Self::Given(tree) => *tree,
            Self::Fetched(tree) => tree.as_ref(),
        }
    }
}

/// Reads files on behalf of one kustomization.
#[derive(Clone)]
pub(crate) struct Loader<'a> {
    files: Files<'a>,
    /// What paths in messages begin with.
    shown: Rc<str>,
    root: TreePath,
    referrer: Option<Rc<Loader<'a>>>,
    restrictions: LoadRestrictions,
    remotes: Option<&'a dyn Remotes>,
    /// What the files were fetched by, where that is so.
    repository: Option<Rc<RepositoryUrl>>,
    depth: usize,
}

/// Kustomizations in each other.
const MAX_DEPTH: usize = 1000;

impl<'a> Loader<'a> {
    pub(crate) fn new(
        tree: &'a dyn Tree,
        directory: &TreePath,
        restrictions: LoadRestrictions,
        shown: &str,
        remotes: Option<&'a dyn Remotes>,
    ) -> Result<Self, BuildError> {
        let start = Self {
            files: Files::Given(tree),
            shown: shown.into(),
            root: TreePath::root(),
            referrer: None,
            restrictions,
            remotes,
            repository: None,
            depth: 0,
        };
        let root = start.confirm(directory)?;
        Ok(Self { root, ..start })
    }

    pub(crate) fn tree(&self) -> &dyn Tree {
        self.files.tree()
    }

    pub(crate) fn root_path(&self) -> &TreePath {
        &self.root
    }

    /// The directory, as messages tell of it.
    pub(crate) fn root(&self) -> String {
        self.show(&self.root)
    }

    pub(crate) fn show(&self, path: &TreePath) -> String {
        if path.is_root() && !self.shown.is_empty() {
            self.shown.to_string()
        } else {
            format!("{}/{}", self.shown, path.as_str())
        }
    }

    /// Follows links to what must be a directory.
    fn confirm(&self, path: &TreePath) -> Result<TreePath, BuildError> {
        const MUST: &str = "must build at directory";
        let resolved = self.follow(path).map_err(|error| error.within(format!("{MUST}: not a valid directory")))?;
        match resolved.1 {
            EntryKind::Directory => Ok(resolved.0),
            _ => Err(BuildError::new(format!("{MUST}: '{}': file is not directory", self.show(&resolved.0)))),
        }
    }

    fn follow(&self, path: &TreePath) -> Result<(TreePath, EntryKind), BuildError> {
        let shown = self.show(path);
        match resolve(self.tree(), path) {
            Ok(resolved) => match resolved.kind {
                Some(kind) => Ok((resolved.path, kind)),
                None => {
                    let missing = self.show(&self.first_missing(&resolved.path));
                    Err(BuildError::new(format!(
                        "evalsymlink failure on '{shown}' : lstat {missing}: no such file or directory"
                    )))
                }
            },
            Err(LinkError::Leaves { link, target }) => {
                let link = self.show(&link);
                Err(BuildError::new(format!("security; the link '{link}' leads out of the source, to '{target}'"))
                    .with_help("links may lead anywhere in the source, and nowhere else"))
            }
            Err(LinkError::Circle { .. }) => {
                Err(BuildError::new(format!("evalsymlink failure on '{shown}' : EvalSymlinks: too many links")))
            }
            Err(LinkError::Read { source, .. }) => Err(BuildError::new(source.to_string())),
        }
    }

    /// The first part of a path that is not there.
    fn first_missing(&self, path: &TreePath) -> TreePath {
        let mut at = TreePath::root();
        for part in path.parts() {
            at = at.child(part);
            if !self.tree().entry(&at).is_ok_and(|entry| entry.is_some()) {
                break;
            }
        }
        at
    }

    /// Turns a path that a kustomization names into one of the tree.
    fn join(&self, path: &str) -> Result<TreePath, BuildError> {
        self.root.join(path).map_err(|error| match error {
            PathError::Escapes(path) => BuildError::new(format!(
                "security; file '{}/{path}' is not in or below '{}'",
                self.root(),
                self.shown_top()
            ))
            .with_help("a kustomization reads files of its own source, and no others"),
            PathError::Nul => BuildError::new(format!("invalid argument: {path:?}")),
        })
    }

    fn shown_top(&self) -> &str {
        if self.shown.is_empty() { "/" } else { &self.shown }
    }

    /// Tells whether there is anything of a name in the directory itself, which links have been followed to.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        !matches!(self.tree().entry(&self.root.child(name)), Ok(None))
    }

    /// Reads a file that the kustomization names.
    pub(crate) fn load(&self, path: &str) -> Result<Bytes, BuildError> {
        if is_remote_file(path) {
            return self.fetch(path);
        }
        if path.starts_with('/') {
            return Err(BuildError::new(format!("security; file '{path}' is not in or below '{}'", self.root()))
                .with_help("name the file by a path from the kustomization's own directory"));
        }
        let joined = self.join(path)?;
        let (found, kind) = self.follow(&joined)?;
        if kind != EntryKind::File {
            let shown = self.show(&joined);
            return Err(BuildError::new(match self.restrictions {
                LoadRestrictions::RootOnly => format!("'{shown}' must resolve to a file"),
                LoadRestrictions::None => format!("read {shown}: is a directory"),
            }));
        }
        if self.restrictions == LoadRestrictions::RootOnly && !is_in_or_below(&found, &self.root) {
            let shown = self.show(&joined);
            return Err(BuildError::new(format!("security; file '{shown}' is not in or below '{}'", self.root())));
        }
        self.tree().read(&found).map_err(|error| BuildError::new(error.to_string()))
    }

    fn fetch(&self, url: &str) -> Result<Bytes, BuildError> {
        let Some(remotes) = self.remotes else { return Err(remote_refused(url)) };
        remotes.file(url).map_err(|why| match why {
            // Then it is tried as one.
            NotFetched::Status(..) if RepositoryUrl::parse(url).is_ok() => BuildError::new("URL is a git repository"),
            NotFetched::Status(status) => {
                let text = status_text(status);
                BuildError::http(format!("HTTP Error: status code {status} ({text})"))
            }
            NotFetched::Failed(why) => BuildError::new(why),
        })
    }

    /// Opens another directory, or a repository, on behalf of this kustomization.
    pub(crate) fn open(self: &Rc<Self>, path: &str) -> Result<Self, BuildError> {
        if path.is_empty() {
            return Err(BuildError::new("new root cannot be empty"));
        }
        if self.depth >= MAX_DEPTH {
            return Err(BuildError::limit(
                format!("kustomizations are nested deeper than the limit of {MAX_DEPTH}"),
                "name bases directly instead of by way of so many others",
            ));
        }
        if let Ok(url) = RepositoryUrl::parse(path) {
            return self.open_repository(url);
        }
        if path.starts_with('/') {
            return Err(BuildError::new(format!("new root '{path}' cannot be absolute")));
        }
        if is_ambiguous(path) {
            let clean = TreePath::root().join(path).map_or_else(|_| path.to_owned(), |path| path.to_string());
            return Err(BuildError::new(format!(
                "path {path:?} is ambiguous: resolves to {clean:?} after normalization, which is likely not the intended target; check for YAML indentation errors in your kustomization file"
            )));
        }
        let root = self.confirm(&self.join(path)?)?;
        self.refuse_circle(&root)?;
        Ok(Self { root, referrer: Some(Rc::clone(self)), depth: self.depth + 1, ..Self::clone(self) })
    }

    fn open_repository(self: &Rc<Self>, url: RepositoryUrl) -> Result<Self, BuildError> {
        let mut at = Some(&**self);
        while let Some(loader) = at {
            if let Some(before) = loader.repository.as_ref().filter(|before| before.raw.starts_with(&url.raw)) {
                return Err(BuildError::new(format!(
                    "cycle detected: URI '{}' referenced by previous URI '{}'",
                    url.raw, before.raw
                )));
            }
            at = loader.referrer.as_deref();
        }
        let Some(remotes) = self.remotes else { return Err(remote_refused(&url.raw)) };
        let tree = remotes.repository(&url).map_err(BuildError::new)?;
        let fetched = Self {
            files: Files::Fetched(tree),
            shown: url.to_string().into(),
            root: TreePath::root(),
            referrer: Some(Rc::clone(self)),
            // What is not in the source is never allowed to read all of what it came with.
            restrictions: LoadRestrictions::RootOnly,
            remotes: self.remotes,
            depth: self.depth + 1,
            repository: None,
        };
        let (root, kind) = fetched.follow(&url.path())?;
        if kind != EntryKind::Directory {
            let shown = fetched.show(&root);
            return Err(BuildError::new(format!(
                "'{shown}' refers to file '{}'; expecting directory",
                root.file_name()
            )));
        }
        Ok(Self { root, repository: Some(Rc::new(url)), ..fetched })
    }

    /// Refuses a directory that is, or holds, one that is being built.
    fn refuse_circle(&self, root: &TreePath) -> Result<(), BuildError> {
        let mut at = Some(self);
        while let Some(loader) = at {
            if Rc::ptr_eq(&loader.shown, &self.shown) && is_in_or_below(&loader.root, root) {
                return Err(BuildError::new(format!(
                    "cycle detected: candidate root '{}' contains visited root '{}'",
                    self.show(root),
                    self.show(&loader.root)
                )));
            }
            at = loader.referrer.as_deref();
        }
        Ok(())
    }
}

fn remote_refused(path: &str) -> BuildError {
    BuildError::remote(format!("`{path}` is remote, and nothing is fetched here"))
        .with_help("keep the files in the source itself, or allow remote bases")
}

fn is_in_or_below(path: &TreePath, directory: &TreePath) -> bool {
    let rest = path.as_str().strip_prefix(directory.as_str());
    directory.is_root() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Tells whether a part of a path holds dots by mistake: `a..b`.
fn is_ambiguous(path: &str) -> bool {
    path.split('/').any(|part| part != ".." && part.contains(".."))
}

fn is_remote_file(path: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| path.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_within_names_are_a_mistake() {
        assert!(is_ambiguous("../a..b"));
        assert!(!is_ambiguous("../../a.b"));
    }
}
