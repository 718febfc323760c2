//! Read-only file trees at one revision, with every read recorded.
//!
//! A [`Tree`] is the files of one source at one revision. Renderers see nothing else, so what a render
//! depends on is exactly what it read here. [`Recorder`] wraps a tree and keeps those reads as a
//! [`ReadSet`]: asking the tree of a newer commit whether the read set still holds costs one look-up per
//! entry, and tells whether the render must be done again.

mod layered;
mod links;
mod memory;
mod path;
mod record;

pub use layered::Layered;
pub use links::{LinkError, Resolved, resolve};
pub use memory::MemoryTree;
pub use path::{PathError, TreePath};
pub use record::{Mark, ReadSet, Recorder};

use bytes::Bytes;

/// What an entry of a directory is.
///
/// Symbolic links are reported, never followed by the tree itself: the reader decides, and resolves
/// the target inside the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    File,
    Directory,
    Symlink,
    /// A submodule: never fetched, never entered.
    Submodule,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The last part of the path, without a slash.
    pub name: String,
    pub kind: EntryKind,
    /// Names the content: the same content always has the same id, within one kind of source. For Git
    /// it is the object id; of a directory it covers everything below it.
    pub id: ContentId,
}

/// Names the content of a file or directory: a Git object id, or a digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(pub String);

/// The files of one source at one revision.
///
/// All methods are pure for a given tree: the same question always has the same answer.
pub trait Tree: Send + Sync {
    /// Returns the entry at `path`, or `None` when there is nothing. The root is a directory.
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError>;

    /// Returns the whole content of the file at `path`. A symbolic link's content is its target.
    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError>;

    /// Returns the entries of the directory at `path`, sorted by name (bytes), complete or not at all.
    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError>;
}

/// Why a tree could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    #[error("`{0}` does not exist")]
    NotFound(TreePath),
    #[error("`{0}` is not a file")]
    NotAFile(TreePath),
    #[error("`{0}` is not a directory")]
    NotADirectory(TreePath),
    #[error("`{path}` is {size} bytes, more than the limit of {limit}")]
    TooLarge { path: TreePath, size: u64, limit: u64 },
    /// The store behind the tree failed: an object is missing or damaged.
    #[error("cannot read `{path}`: {why}")]
    Store { path: TreePath, why: String },
}
