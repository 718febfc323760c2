use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;

use crate::{ContentId, Entry, EntryKind, Tree, TreeError, TreePath};

/// A tree of files held in memory: for tests, local manifests and generated files.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    files: BTreeMap<TreePath, Bytes>,
}

impl MemoryTree {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces one file; directories come to be with their files.
    pub fn insert(&mut self, path: TreePath, content: impl Into<Bytes>) {
        self.files.insert(path, content.into());
    }

    fn below<'a>(&'a self, dir: &'a TreePath) -> impl Iterator<Item = (&'a TreePath, &'a Bytes)> {
        let prefix = if dir.is_root() { String::new() } else { format!("{}/", dir.as_str()) };
        self.files.iter().filter(move |(path, _)| path.as_str().starts_with(&prefix))
    }

    fn is_directory(&self, path: &TreePath) -> bool {
        path.is_root() || self.below(path).next().is_some()
    }

    fn directory_id(&self, path: &TreePath) -> ContentId {
        id(&self.below(path).collect::<Vec<_>>())
    }
}

/// An id good within one process, which is all a tree in memory needs.
fn id(content: &impl Hash) -> ContentId {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    ContentId(format!("{:016x}", hasher.finish()))
}

impl Tree for MemoryTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        let name = path.file_name().to_owned();
        Ok(match self.files.get(path) {
            Some(content) => Some(Entry { name, kind: EntryKind::File, id: id(content) }),
            None if self.is_directory(path) => {
                Some(Entry { name, kind: EntryKind::Directory, id: self.directory_id(path) })
            }
            None => None,
        })
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        match self.files.get(path) {
            Some(content) => Ok(content.clone()),
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
        for (file, content) in self.below(path) {
            let mut rest = file.parts().skip(depth);
            let Some(name) = rest.next() else { continue };
            let entry = if rest.next().is_none() {
                Entry { name: name.to_owned(), kind: EntryKind::File, id: id(content) }
            } else {
                Entry { name: name.to_owned(), kind: EntryKind::Directory, id: self.directory_id(&path.child(name)) }
            };
            entries.insert(name.to_owned(), entry);
        }
        Ok(entries.into_values().collect())
    }
}
