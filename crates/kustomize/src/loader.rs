//! Files of a build: what may be read from where, and which directories are being built.

use std::rc::Rc;
use std::sync::Arc;

use bowline_tree::{EntryKind, LinkError, PathError, Tree, TreePath, resolve};
use bytes::Bytes;

use crate::error::BuildError;

/// From where files may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoadRestrictions {
    /// Only from below the kustomization that names them.
    #[default]
    RootOnly,
    /// From anywhere in the tree.
    None,
}

/// Fetches what is named by an address.
pub trait Remotes {
    /// Returns the content of a file that is named by `http` or `https`.
    fn file(&self, url: &str) -> Result<Bytes, String>;

    /// Returns the files of a repository, and the directory in it that is named.
    fn repository(&self, url: &str) -> Result<(Arc<dyn Tree>, TreePath), String>;
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
            let Some(remotes) = self.remotes else { return Err(remote_refused(path)) };
            return remotes.file(path).map_err(|why| BuildError::remote(format!("HTTP Error: {why}")));
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
        if is_repository(path) {
            return self.open_repository(path);
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

    fn open_repository(self: &Rc<Self>, url: &str) -> Result<Self, BuildError> {
        let Some(remotes) = self.remotes else { return Err(remote_refused(url)) };
        let (tree, root) = remotes.repository(url).map_err(BuildError::new)?;
        let fetched = Self {
            files: Files::Fetched(tree),
            shown: url.into(),
            root: TreePath::root(),
            referrer: Some(Rc::clone(self)),
            restrictions: LoadRestrictions::RootOnly,
            remotes: self.remotes,
            depth: self.depth + 1,
        };
        let root = fetched.confirm(&root)?;
        Ok(Self { root, ..fetched })
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

/// Tells whether a path names a repository: by a scheme, as `user@host:path`, or on GitHub.
pub(crate) fn is_repository(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let rest = lower.strip_prefix("git::").unwrap_or(&lower);
    let rest = rest.split('?').next().unwrap_or_default();
    if path.starts_with('/') {
        return false;
    }
    let schemes = ["ssh://", "https://", "http://", "file://"];
    let (has_scheme, rest) = match schemes.iter().find_map(|scheme| rest.strip_prefix(scheme)) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let name_length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count();
    let has_user = name_length > 0 && rest.as_bytes()[0].is_ascii_alphabetic() && rest[name_length..].starts_with('@');
    let rest = if has_user { &rest[name_length + 1..] } else { rest };
    let on_github = rest.starts_with("github.com/") || rest.starts_with("github.com:");
    if !has_scheme && !has_user && !on_github {
        return false;
    }
    let Some((_, inside)) = rest.split_once(['/', ':']) else { return false };
    let is_marked = ["_git/", "//", ".git"].iter().any(|mark| inside.contains(mark));
    is_marked || inside.split('/').count() >= 2 || lower.starts_with("file://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_told_from_paths() {
        for url in [
            "https://github.com/org/repo//dir?ref=v1",
            "github.com/org/repo",
            "git@github.com:org/repo",
            "ssh://git@host/org/repo.git/dir",
            "git::https://host/org/repo",
        ] {
            assert!(is_repository(url), "{url}");
        }
        for path in ["../base", "base/dir", "/absolute", "https://host/file", "github.com", "a@b"] {
            assert!(!is_repository(path), "{path}");
        }
    }

    #[test]
    fn dots_within_names_are_a_mistake() {
        assert!(is_ambiguous("../a..b"));
        assert!(!is_ambiguous("../../a.b"));
    }
}
