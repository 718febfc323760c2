//! A tree with links in it.

use std::collections::BTreeMap;

use bowline_tree::{ContentId, Entry, EntryKind, MemoryTree, Tree, TreeError, TreePath};
use bytes::Bytes;

/// A tree with links: a target per path, beside files.
pub(crate) struct Linked {
    files: MemoryTree,
    links: BTreeMap<TreePath, &'static str>,
}

impl Linked {
    pub(crate) fn new(files: &[(&str, &str)], links: &[(&str, &'static str)]) -> Self {
        let path = |text: &str| TreePath::parse(text).expect("is inside");
        let mut tree = MemoryTree::new();
        for (name, content) in files {
            tree.insert(path(name), (*content).to_owned());
        }
        Self { files: tree, links: links.iter().map(|(from, to)| (path(from), *to)).collect() }
    }
}

fn link(path: &TreePath) -> Entry {
    Entry { name: path.file_name().to_owned(), kind: EntryKind::Symlink, id: ContentId(path.to_string()) }
}

impl Tree for Linked {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        if self.links.contains_key(path) { Ok(Some(link(path))) } else { self.files.entry(path) }
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        self.links.get(path).map_or_else(|| self.files.read(path), |target| Ok(Bytes::from_static(target.as_bytes())))
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let mut entries = self.files.list(path)?;
        entries.extend(self.links.keys().filter(|from| from.parent().as_ref() == Some(path)).map(link));
        entries.sort();
        Ok(entries)
    }
}
