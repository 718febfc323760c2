//! Repositories on this machine: their references are read in place, their objects copied.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use bowline_model::GitRef;
use git2::{ErrorCode, ObjectType, Oid, Reference, Repository};

use crate::SourceError;
use crate::commit::Commit;
use crate::limits::MAX_DEPTH;
use crate::resolve::{Listed, Listing};
use crate::store::{Store, pack_error};
use crate::tree::RawEntry;
use bowline_model::semver::{Constraint, Version};

/// Opens a repository by the path of its work tree or of its Git directory.
///
/// Nothing is asked of the owner of its files: opened as bare it is never written, and nothing its
/// configuration names is ever run.
pub(crate) fn open(path: &Path, url: &str) -> Result<Repository, SourceError> {
    Repository::open_bare(git_dir(path)).map_err(|error| match error.code() {
        ErrorCode::NotFound => SourceError::RepositoryNotFound { url: url.to_owned() },
        _ => SourceError::Protocol { url: url.to_owned(), why: error.message().to_owned() },
    })
}

fn git_dir(path: &Path) -> PathBuf {
    let inner = path.join(".git");
    if inner.is_dir() {
        return inner;
    }
    if let Ok(text) = fs::read_to_string(&inner)
        && let Some(target) = text.trim().strip_prefix("gitdir: ")
    {
        return path.join(target);
    }
    if !path.exists() {
        let mut bare = path.as_os_str().to_owned();
        bare.push(".git");
        if Path::new(&bare).is_dir() {
            return bare.into();
        }
    }
    path.to_owned()
}

/// Lists what is needed to resolve `wanted`: often that is one look-up.
pub(crate) fn list(repository: &Repository, wanted: &GitRef) -> Result<Listing, git2::Error> {
    let exact = |names: Vec<String>| {
        let mut listing = Listing::default();
        for name in names {
            match repository.find_reference(&name) {
                Ok(reference) => listing.add(&reference),
                Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => {}
                Err(error) => return Err(error),
            }
        }
        listing.refs.sort();
        Ok(listing)
    };
    match wanted {
        GitRef::Head => exact(vec!["HEAD".into()]),
        GitRef::Branch(name) => exact(vec![format!("refs/heads/{name}")]),
        GitRef::Tag(name) => exact(vec![format!("refs/tags/{name}")]),
        GitRef::Name(name) => exact(vec![name.clone()]),
        GitRef::Commit(_) => Ok(Listing::default()),
        GitRef::Semver(_) => all(repository, "refs/tags/*"),
        GitRef::Any(text) if matches!(text.as_str(), "" | "HEAD") => exact(vec!["HEAD".into()]),
        GitRef::Any(text) => {
            if Version::parse(text).is_ok() || Constraint::parse(text).is_err() {
                let names = vec![text.clone(), format!("refs/heads/{text}"), format!("refs/tags/{text}")];
                let listing = exact(names)?;
                if !listing.refs.is_empty() {
                    return Ok(listing);
                }
            }
            all(repository, "refs/*")
        }
    }
}

fn all(repository: &Repository, pattern: &str) -> Result<Listing, git2::Error> {
    let mut listing = Listing::default();
    for reference in repository.references_glob(pattern)? {
        listing.add(&reference?);
    }
    listing.refs.sort();
    Ok(listing)
}

impl Listing {
    /// Adds a reference; one that leads nowhere, such as the `HEAD` of an empty repository, is left out.
    fn add(&mut self, reference: &Reference<'_>) {
        let Ok(name) = reference.name() else { return };
        if name == "HEAD" {
            self.head = reference.symbolic_target().ok().flatten().map(str::to_owned);
        }
        let Ok(target) = reference.resolve() else { return };
        let Some(id) = target.target() else { return };
        let peeled = target.peel(ObjectType::Commit).ok().map(|commit| commit.id()).filter(|commit| *commit != id);
        self.refs.push(Listed { name: name.to_owned(), id, peeled });
    }
}

/// Copies a commit and its files; what the store has already is left out, and so are the parents.
///
/// The objects arrive in one pack, which is there whole or not at all.
pub(crate) fn copy(from: &Repository, commits: &[Oid], to: &Store, url: &str) -> Result<(), SourceError> {
    let failed = |error: git2::Error| SourceError::Protocol { url: url.to_owned(), why: error.message().to_owned() };
    let odb = from.odb().map_err(failed)?;
    let mut missing = Missing { to, seen: HashSet::new(), objects: Vec::new() };
    for &commit in commits {
        let object = odb.read(commit).map_err(failed)?;
        if object.kind() != ObjectType::Commit {
            return Err(SourceError::Protocol { url: url.to_owned(), why: format!("{commit} is not a commit") });
        }
        let parsed = Commit::parse(object.data());
        let parsed = parsed.ok_or_else(|| SourceError::Protocol {
            url: url.to_owned(),
            why: format!("commit {commit} is malformed"),
        })?;
        missing.tree(&odb, parsed.tree, url, 0)?;
        missing.objects.push(commit);
    }
    let mut builder = from.packbuilder().map_err(failed)?;
    for object in missing.objects {
        builder.insert_object(object, None).map_err(failed)?;
    }
    let mut indexer = to.indexer()?;
    let mut refused = None;
    builder
        .foreach(|chunk| match indexer.write_all(chunk) {
            Ok(()) => true,
            Err(error) => {
                refused = Some(error);
                false
            }
        })
        .map_err(|error| match refused.take() {
            Some(refused) => pack_error(refused, url),
            None => failed(error),
        })?;
    to.finish_pack(indexer, url)
}

/// What the store lacks.
struct Missing<'a> {
    to: &'a Store,
    seen: HashSet<Oid>,
    objects: Vec<Oid>,
}

impl Missing<'_> {
    /// A directory that is there is there with all below it.
    fn tree(&mut self, from: &git2::Odb<'_>, tree: Oid, url: &str, depth: usize) -> Result<(), SourceError> {
        if depth > MAX_DEPTH {
            let what = "the depth of directories";
            return Err(SourceError::TooLarge { url: url.to_owned(), what, limit: MAX_DEPTH as u64 });
        }
        if !self.seen.insert(tree) || self.to.has(tree) {
            return Ok(());
        }
        let broken = |why: String| SourceError::Protocol { url: url.to_owned(), why };
        let object = from.read(tree).map_err(|error| broken(error.message().to_owned()))?;
        let entries = RawEntry::parse_all(object.data()).ok_or_else(|| broken(format!("tree {tree} is malformed")))?;
        for entry in entries {
            match entry.kind {
                bowline_tree::EntryKind::Directory => self.tree(from, entry.id, url, depth + 1)?,
                bowline_tree::EntryKind::Submodule => {}
                _ => {
                    if self.seen.insert(entry.id) && !self.to.has(entry.id) {
                        self.objects.push(entry.id);
                    }
                }
            }
        }
        self.objects.push(tree);
        Ok(())
    }
}

/// Tells whether `new` has `old` among its ancestors; `None` when the repository lacks one of them.
pub(crate) fn descends(repository: &Repository, new: Oid, old: Oid) -> Option<bool> {
    repository.graph_descendant_of(new, old).ok()
}
