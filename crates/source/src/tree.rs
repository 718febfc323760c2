use std::sync::Arc;

use bowline_tree::{ContentId, Entry, EntryKind, Tree, TreeError, TreePath};
use bytes::Bytes;
use git2::Oid;

use crate::SourceError;
use crate::limits::MAX_BLOB_BYTES;
use crate::store::Store;

/// The files of one commit, read from the object database as they are asked for.
pub(crate) struct GitTree {
    store: Arc<Store>,
    root: Oid,
}

/// One line of a tree object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawEntry {
    pub(crate) name: Box<str>,
    pub(crate) kind: EntryKind,
    pub(crate) id: Oid,
}

impl RawEntry {
    /// Reads a tree object, sorted by name; `None` when it is malformed or holds a name that no path may have.
    pub(crate) fn parse_all(mut data: &[u8]) -> Option<Vec<Self>> {
        let mut entries = Vec::new();
        while !data.is_empty() {
            let space = data.iter().position(|&byte| byte == b' ')?;
            let mode = u32::from_str_radix(std::str::from_utf8(&data[..space]).ok()?, 8).ok()?;
            let rest = &data[space + 1..];
            let end = rest.iter().position(|&byte| byte == 0)?;
            let name = String::from_utf8_lossy(&rest[..end]);
            if matches!(name.as_ref(), "" | "." | "..") || name.contains('/') {
                return None;
            }
            let id = Oid::from_bytes(rest.get(end + 1..end + 21)?).ok()?;
            let kind = match mode & 0o170_000 {
                0o040_000 => EntryKind::Directory,
                0o120_000 => EntryKind::Symlink,
                0o160_000 => EntryKind::Submodule,
                _ => EntryKind::File,
            };
            entries.push(Self { name: name.into(), kind, id });
            data = &rest[end + 21..];
        }
        // Git sorts directories as if their names ended in a slash.
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Some(entries)
    }

    fn entry(&self) -> Entry {
        Entry { name: self.name.to_string(), kind: self.kind, id: ContentId(self.id.to_string()) }
    }
}

impl GitTree {
    /// Opens a commit that is in the store.
    pub(crate) fn open(store: Arc<Store>, commit: Oid) -> Result<Self, SourceError> {
        let root = store.commit(commit)?.tree;
        // Shows damage here, where the clone can still be built anew.
        store.tree(root)?;
        Ok(Self { store, root })
    }

    fn find(&self, path: &TreePath) -> Result<Option<RawEntry>, TreeError> {
        let mut at = RawEntry { name: "".into(), kind: EntryKind::Directory, id: self.root };
        for part in path.parts() {
            if at.kind != EntryKind::Directory {
                return Ok(None);
            }
            let entries = self.entries(path, at.id)?;
            match entries.binary_search_by(|entry| entry.name.as_ref().cmp(part)) {
                Ok(index) => at = entries[index].clone(),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    fn entries(&self, path: &TreePath, tree: Oid) -> Result<Arc<[RawEntry]>, TreeError> {
        self.store.tree(tree).map_err(|error| failed(path, &error))
    }
}

fn failed(path: &TreePath, error: &SourceError) -> TreeError {
    TreeError::Store { path: path.clone(), why: error.to_string() }
}

impl Tree for GitTree {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        Ok(self.find(path)?.map(|found| found.entry()))
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        let found = self.find(path)?.ok_or_else(|| TreeError::NotFound(path.clone()))?;
        if !matches!(found.kind, EntryKind::File | EntryKind::Symlink) {
            return Err(TreeError::NotAFile(path.clone()));
        }
        let size = self.store.blob_size(found.id).map_err(|error| failed(path, &error))?;
        if size > MAX_BLOB_BYTES {
            return Err(TreeError::TooLarge { path: path.clone(), size, limit: MAX_BLOB_BYTES });
        }
        self.store.blob(found.id).map(Bytes::from).map_err(|error| failed(path, &error))
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let found = self.find(path)?.ok_or_else(|| TreeError::NotFound(path.clone()))?;
        if found.kind != EntryKind::Directory {
            return Err(TreeError::NotADirectory(path.clone()));
        }
        Ok(self.entries(path, found.id)?.iter().map(RawEntry::entry).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(entries: &[(&str, &str)]) -> Vec<u8> {
        entries.iter().flat_map(|(mode, name)| [mode.as_bytes(), b" ", name.as_bytes(), &[0; 21]].concat()).collect()
    }

    #[test]
    fn a_tree_object_is_read_and_sorted_by_name() {
        let data = raw(&[("100644", "a.b"), ("40000", "a"), ("120000", "link"), ("160000", "sub"), ("100755", "x")]);
        let entries = RawEntry::parse_all(&data).expect("is one");
        let have: Vec<_> = entries.iter().map(|entry| (entry.name.as_ref(), entry.kind)).collect();
        let want = [
            ("a", EntryKind::Directory),
            ("a.b", EntryKind::File),
            ("link", EntryKind::Symlink),
            ("sub", EntryKind::Submodule),
            ("x", EntryKind::File),
        ];
        assert_eq!(have, want);
    }

    #[test]
    fn names_that_leave_the_directory_are_damage() {
        for name in ["..", ".", "", "a/b"] {
            assert_eq!(RawEntry::parse_all(&raw(&[("100644", name)])), None, "{name}");
        }
        assert_eq!(RawEntry::parse_all(b"100644 cut off"), None);
    }
}
