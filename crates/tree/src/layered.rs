use bytes::Bytes;

use crate::{ContentId, Entry, EntryKind, Tree, TreeError, TreePath};

/// A tree with one file put over another tree's, or added to it.
///
/// The ids of the directories that hold the file are those of the tree below.
pub struct Layered<'a> {
    tree: &'a dyn Tree,
    directory: TreePath,
    name: String,
    content: Bytes,
    id: ContentId,
}

impl<'a> Layered<'a> {
    /// Puts the file `name` of `directory` over what `tree` has there; `id` names its content.
    pub fn new(tree: &'a dyn Tree, directory: TreePath, name: &str, content: Bytes, id: ContentId) -> Self {
        Self { tree, directory, name: name.to_owned(), content, id }
    }

    fn own_entry(&self) -> Entry {
        Entry { name: self.name.clone(), kind: EntryKind::File, id: self.id.clone() }
    }

    fn is_own(&self, path: &TreePath) -> bool {
        *path == self.directory.child(&self.name)
    }
}

impl Tree for Layered<'_> {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        if self.is_own(path) { Ok(Some(self.own_entry())) } else { self.tree.entry(path) }
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        if self.is_own(path) { Ok(self.content.clone()) } else { self.tree.read(path) }
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let mut entries = self.tree.list(path)?;
        if *path == self.directory {
            match entries.binary_search_by(|entry| entry.name.as_str().cmp(&self.name)) {
                Ok(at) => entries[at] = self.own_entry(),
                Err(at) => entries.insert(at, self.own_entry()),
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryTree;

    #[test]
    fn a_file_stands_over_anothers_or_is_added() {
        let path = |text: &str| TreePath::parse(text).expect("a path");
        let mut tree = MemoryTree::new();
        for (name, content) in [("a/x", "old"), ("a/z", "z"), ("b", "b")] {
            tree.insert(path(name), content);
        }
        for (name, names) in [("x", vec!["x", "z"]), ("y", vec!["x", "y", "z"])] {
            let layered = Layered::new(&tree, path("a"), name, Bytes::from_static(b"new"), ContentId("n".into()));
            let own = path("a").child(name);
            assert_eq!(layered.read(&own).expect("there"), "new");
            assert_eq!(layered.entry(&own).expect("read").expect("there").id, ContentId("n".into()));
            let listed: Vec<String> =
                layered.list(&path("a")).expect("a directory").into_iter().map(|entry| entry.name).collect();
            assert_eq!(listed, names);
            assert_eq!(layered.read(&path("a/z")).expect("there"), "z");
            assert_eq!(layered.list(&TreePath::root()).expect("a directory").len(), 2);
        }
    }
}
