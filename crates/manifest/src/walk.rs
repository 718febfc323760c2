//! Files of a tree by their path, in order, and where symbolic links lead.

use bowline_model::Location;
use bowline_tree::{Entry, EntryKind, LinkError, Resolved, Tree, TreeError, TreePath};

use crate::problem::whole_file;
use crate::{Limits, ManifestProblem};

/// What a walk does with a directory.
pub(crate) enum Descend {
    Yes,
    No,
}

/// Visits every entry below `dir` in the order of Go's `filepath.Walk`: names sorted within each directory, a
/// directory's content right after its name.
pub(crate) fn walk(
    tree: &dyn Tree,
    dir: &TreePath,
    limits: &Limits,
    visit: &mut dyn FnMut(&TreePath, &Entry) -> Result<Descend, ManifestProblem>,
) -> Result<(), ManifestProblem> {
    below(tree, dir, limits, 0, visit)
}

fn below(
    tree: &dyn Tree,
    dir: &TreePath,
    limits: &Limits,
    depth: usize,
    visit: &mut dyn FnMut(&TreePath, &Entry) -> Result<Descend, ManifestProblem>,
) -> Result<(), ManifestProblem> {
    if depth > limits.max_depth {
        return Err(ManifestProblem::TooDeep { at: place(dir), limit: limits.max_depth });
    }
    for entry in tree.list(dir).map_err(|source| unreadable(dir, source))? {
        let path = dir.child(&entry.name);
        let descend = visit(&path, &entry)?;
        if entry.kind == EntryKind::Directory && matches!(descend, Descend::Yes) {
            below(tree, &path, limits, depth + 1, visit)?;
        }
    }
    Ok(())
}

/// The place that names a file or directory as a whole.
pub(crate) fn place(path: &TreePath) -> Location {
    whole_file(path.to_string())
}

pub(crate) fn unreadable(path: &TreePath, source: TreeError) -> ManifestProblem {
    ManifestProblem::Read { at: place(path), source }
}

/// Follows the links in `path`, in any of its parts. A link that leaves the source, or leads in a circle, is an
/// error that names the link.
pub(crate) fn resolve(tree: &dyn Tree, path: &TreePath) -> Result<Resolved, ManifestProblem> {
    bowline_tree::resolve(tree, path).map_err(|error| match error {
        LinkError::Leaves { link, target } => {
            ManifestProblem::BadLink { at: place(&link), target, why: "leaves the source" }
        }
        LinkError::Circle { link, target } => {
            ManifestProblem::BadLink { at: place(&link), target, why: "leads in a circle" }
        }
        LinkError::Read { path, source } => unreadable(&path, source),
    })
}

/// Tells whether a name ends in one of these, as Go's tools ask: letter case counts.
pub(crate) fn has_ending(name: &str, endings: &[&str]) -> bool {
    endings.iter().any(|ending| name.ends_with(ending))
}

/// Adds up what is read, and stops at the limit on all files together.
pub(crate) struct Budget {
    left: usize,
    limit: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { left: limits.max_combined_bytes, limit: limits.max_combined_bytes }
    }

    pub(crate) fn read(
        &mut self,
        tree: &dyn Tree,
        path: &TreePath,
        named: &TreePath,
    ) -> Result<bytes::Bytes, ManifestProblem> {
        let content = tree.read(path).map_err(|source| unreadable(named, source))?;
        match self.left.checked_sub(content.len()) {
            Some(left) => self.left = left,
            None => return Err(ManifestProblem::TooLarge { at: place(named), limit: self.limit }),
        }
        Ok(content)
    }
}
