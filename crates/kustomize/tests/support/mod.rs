//! A tree of files on disk, and what is read of the corpus.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use bowline_tree::{ContentId, Entry, EntryKind, Tree, TreeError, TreePath};
use bytes::Bytes;

/// The files below a directory.
pub(crate) struct DiskTree {
    pub(crate) root: PathBuf,
}

impl DiskTree {
    fn path(&self, path: &TreePath) -> PathBuf {
        self.root.join(path.as_str())
    }
}

fn store(path: &TreePath, error: &io::Error) -> TreeError {
    TreeError::Store { path: path.clone(), why: error.to_string() }
}

impl Tree for DiskTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        let Ok(metadata) = self.path(path).symlink_metadata() else { return Ok(None) };
        let kind = match metadata.file_type() {
            kind if kind.is_symlink() => EntryKind::Symlink,
            kind if kind.is_dir() => EntryKind::Directory,
            _ => EntryKind::File,
        };
        Ok(Some(Entry { name: path.file_name().to_owned(), kind, id: ContentId(String::new()) }))
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        let full = self.path(path);
        if full.is_symlink() {
            let target = std::fs::read_link(&full).map_err(|error| store(path, &error))?;
            return Ok(Bytes::copy_from_slice(target.as_os_str().as_bytes()));
        }
        std::fs::read(&full).map(Bytes::from).map_err(|error| store(path, &error))
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let mut entries = Vec::new();
        for listed in std::fs::read_dir(self.path(path)).map_err(|error| store(path, &error))? {
            let listed = listed.map_err(|error| store(path, &error))?;
            let name = listed.file_name().to_string_lossy().into_owned();
            entries.extend(self.entry(&path.child(&name))?);
        }
        entries.sort();
        Ok(entries)
    }
}

/// The corpus, where there is one.
pub(crate) fn corpus() -> Option<PathBuf> {
    std::env::var_os("BOWLINE_CORPUS").map(PathBuf::from).filter(|path| path.join("kustomize").is_dir())
}

/// Where two texts begin to differ: the line, and both.
pub(crate) fn first_difference(have: &str, want: &str) -> String {
    let (mut have_lines, mut want_lines) = (have.lines(), want.lines());
    for line in 1.. {
        match (have_lines.next(), want_lines.next()) {
            (None, None) => return "only in line ends".to_owned(),
            (have, want) if have != want => return format!("line {line}: have {have:?}, want {want:?}"),
            _ => {}
        }
    }
    String::new()
}

/// Reads a file, which is there.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}
