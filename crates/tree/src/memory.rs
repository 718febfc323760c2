use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::{ContentId, Entry, EntryKind, Tree, TreeError, TreePath};

/// A tree of files held in memory: for tests, local manifests and generated files.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    files: BTreeMap<TreePath, File>,
}

#[derive(Debug, Clone)]
struct File {
    content: Bytes,
    id: OnceLock<ContentId>,
}

impl File {
    /// Names the content, in this process and in others.
    fn id(&self) -> ContentId {
        self.id.get_or_init(|| id(&Sha256::digest(&self.content))).clone()
    }
}

impl MemoryTree {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces one file; directories come to be with their files.
    pub fn insert(&mut self, path: TreePath, content: impl Into<Bytes>) {
        self.files.insert(path, File { content: content.into(), id: OnceLock::new() });
    }

    fn below<'a>(&'a self, dir: &'a TreePath) -> impl Iterator<Item = (&'a TreePath, &'a File)> {
        let prefix = if dir.is_root() { String::new() } else { format!("{}/", dir.as_str()) };
        self.files.iter().filter(move |(path, _)| path.as_str().starts_with(&prefix))
    }

    fn is_directory(&self, path: &TreePath) -> bool {
        path.is_root() || self.below(path).next().is_some()
    }

    fn directory_id(&self, path: &TreePath) -> ContentId {
        let mut hasher = Sha256::new();
        for (path, file) in self.below(path) {
            hasher.update(path.as_str());
            hasher.update([0]);
            hasher.update(file.id().0);
        }
        id(&hasher.finalize())
    }
}

fn id(digest: &[u8]) -> ContentId {
    ContentId(digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

impl Tree for MemoryTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        let name = path.file_name().to_owned();
        Ok(match self.files.get(path) {
            Some(file) => Some(Entry { name, kind: EntryKind::File, id: file.id() }),
            None if self.is_directory(path) => {
                Some(Entry { name, kind: EntryKind::Directory, id: self.directory_id(path) })
            }
            None => None,
        })
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        match self.files.get(path) {
            Some(file) => Ok(file.content.clone()),
            None if self.is_directory(path) => Err(TreeError::NotAFile(path.clone())),
            None => Err(TreeError::NotFound(path.clone())),
        }
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        if self.files.contains_key(path) {
            return Err(TreeError::NotADirectory(path.clone()));
        }
        if !self.is_directory(path) {
            return Err(TreeError::NotFound(path.clone()));
        }
        let depth = path.parts().count();
        let mut entries = BTreeMap::new();
        for (below, file) in self.below(path) {
            let mut rest = below.parts().skip(depth);
            let Some(name) = rest.next() else { continue };
            let entry = if rest.next().is_none() {
                Entry { name: name.to_owned(), kind: EntryKind::File, id: file.id() }
            } else {
                Entry { name: name.to_owned(), kind: EntryKind::Directory, id: self.directory_id(&path.child(name)) }
            };
            entries.insert(name.to_owned(), entry);
        }
        Ok(entries.into_values().collect())
    }
}
