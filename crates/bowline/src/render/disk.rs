//! A directory of this machine as a tree.

use std::fs::{FileType, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bowline_tree::{ContentId, Entry, EntryKind, Tree, TreeError, TreePath};
use bytes::Bytes;
use nix::fcntl::OFlag;

/// The largest file that is read: nothing larger fits into a chart.
const MAX_FILE_BYTES: u64 = 100 << 20;

/// The files below a directory, as they are when they are read. Links are told, not followed.
pub(super) struct DiskTree {
    root: PathBuf,
}

impl DiskTree {
    /// Returns the tree that a directory is part of, and its place in there.
    ///
    /// The tree is the Git work tree around the directory, or the directory itself where there is none: links may
    /// lead anywhere in it, and nowhere else.
    pub(super) fn around(directory: &Path) -> io::Result<(Self, TreePath)> {
        let directory = directory.canonicalize()?;
        let root = directory.ancestors().find(|parent| parent.join(".git").exists()).unwrap_or(&directory);
        let inside = directory.strip_prefix(root).unwrap_or(Path::new(""));
        let inside = inside.to_str().and_then(|path| TreePath::parse(path).ok());
        let (root, inside) = match inside {
            Some(inside) => (root.to_owned(), inside),
            // A name that is no text cannot be told of within a tree.
            None => (directory, TreePath::root()),
        };
        Ok((Self { root }, inside))
    }

    /// The place of the top, as it is told.
    pub(super) fn shown(&self) -> String {
        let shown = self.root.display().to_string();
        if shown == "/" { String::new() } else { shown }
    }

    fn path(&self, path: &TreePath) -> PathBuf {
        if path.is_root() { self.root.clone() } else { self.root.join(path.as_str()) }
    }
}

impl Tree for DiskTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        match self.path(path).symlink_metadata() {
            Ok(metadata) => {
                let parent = path.parent().unwrap_or_else(TreePath::root);
                Ok(entry(path.file_name().to_owned(), &parent, metadata.file_type()))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(store(path, &error)),
        }
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        let full = self.path(path);
        // A link is not followed, and a pipe that nobody writes to is not waited for.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(&full) {
            Ok(file) => file,
            Err(error) => return not_opened(path, &full, &error),
        };
        let metadata = file.metadata().map_err(|error| store(path, &error))?;
        // Pipes and devices have no end.
        if !metadata.is_file() {
            return Err(TreeError::NotAFile(path.clone()));
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(TreeError::TooLarge { path: path.clone(), size: metadata.len(), limit: MAX_FILE_BYTES });
        }
        // As much as was there: so nothing is asked again only to hear that it has ended. Where the size is not told, all.
        let size = if metadata.len() == 0 { MAX_FILE_BYTES } else { metadata.len() };
        let mut data = Vec::with_capacity(metadata.len() as usize);
        file.take(size).read_to_end(&mut data).map_err(|error| store(path, &error))?;
        Ok(Bytes::from(data))
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let mut entries = Vec::new();
        let listed = std::fs::read_dir(self.path(path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => TreeError::NotFound(path.clone()),
            io::ErrorKind::NotADirectory => TreeError::NotADirectory(path.clone()),
            _ => store(path, &error),
        })?;
        for listed in listed {
            let listed = listed.map_err(|error| store(path, &error))?;
            let Ok(name) = listed.file_name().into_string() else {
                return Err(TreeError::Store { path: path.clone(), why: "a name in it is no text".to_owned() });
            };
            // The directory itself tells the kinds: no file is asked.
            let kind = listed.file_type().map_err(|error| store(path, &error))?;
            entries.extend(entry(name, path, kind));
        }
        entries.sort();
        Ok(entries)
    }
}

/// Tells what is there that could not be opened: a link is told by its target.
fn not_opened(path: &TreePath, full: &Path, error: &io::Error) -> Result<Bytes, TreeError> {
    match full.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => {
            let target = std::fs::read_link(full).map_err(|error| store(path, &error))?;
            Ok(Bytes::copy_from_slice(target.as_os_str().as_bytes()))
        }
        Ok(metadata) if !metadata.is_file() => Err(TreeError::NotAFile(path.clone())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(TreeError::NotFound(path.clone())),
        _ => Err(store(path, error)),
    }
}

/// Pipes, sockets and devices are no part of a tree.
fn entry(name: String, parent: &TreePath, kind: FileType) -> Option<Entry> {
    let kind = match kind {
        kind if kind.is_symlink() => EntryKind::Symlink,
        kind if kind.is_dir() => EntryKind::Directory,
        kind if kind.is_file() => EntryKind::File,
        _ => return None,
    };
    // Good for as long as the tree lives, which is one rendering: two files are never taken for one.
    let id = parent.child(&name).as_str().to_owned();
    Some(Entry { name, kind, id: ContentId(id) })
}

fn store(path: &TreePath, error: &io::Error) -> TreeError {
    TreeError::Store { path: path.clone(), why: error.to_string() }
}
