use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;

use crate::{ContentId, Entry, Tree, TreeError, TreePath};

/// What a read saw at a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Nothing was there.
    Absent,
    /// The content with this id, whole: of a directory, its names and everything below.
    Content(ContentId),
}

/// Every read of one render: path and what was seen there.
///
/// A render whose read set holds for another tree would give the same result from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSet {
    marks: BTreeMap<TreePath, Mark>,
}

impl ReadSet {
    /// Tells whether every read would see the same in `tree`.
    ///
    /// Costs one look-up per recorded path; an error reading `tree` counts as a difference, so that the
    /// render is done again and reports the error itself.
    pub fn holds_in(&self, tree: &dyn Tree) -> bool {
        self.marks.iter().all(|(path, mark)| tree.entry(path).is_ok_and(|entry| mark_of(entry.as_ref()) == *mark))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&TreePath, &Mark)> {
        self.marks.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }
}

impl FromIterator<(TreePath, Mark)> for ReadSet {
    fn from_iter<I: IntoIterator<Item = (TreePath, Mark)>>(marks: I) -> Self {
        Self { marks: marks.into_iter().collect() }
    }
}

fn mark_of(entry: Option<&Entry>) -> Mark {
    entry.map_or(Mark::Absent, |entry| Mark::Content(entry.id.clone()))
}

/// A tree that remembers what was asked of it.
///
/// A listing is recorded as the id of the directory, which covers everything below it: coarser than the
/// names alone, but one look-up, and a reader that lists a directory nearly always reads its files too.
pub struct Recorder<'a> {
    tree: &'a dyn Tree,
    reads: Mutex<ReadSet>,
}

impl<'a> Recorder<'a> {
    pub fn new(tree: &'a dyn Tree) -> Self {
        Self { tree, reads: Mutex::new(ReadSet::default()) }
    }

    /// Ends the recording and returns what was read.
    pub fn finish(self) -> ReadSet {
        self.reads.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn note(&self, path: &TreePath, entry: Option<&Entry>) {
        let mut reads = self.reads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        reads.marks.insert(path.clone(), mark_of(entry));
    }
}

impl Tree for Recorder<'_> {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        let entry = self.tree.entry(path)?;
        self.note(path, entry.as_ref());
        Ok(entry)
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        self.entry(path)?;
        self.tree.read(path)
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        self.entry(path)?;
        self.tree.list(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryTree;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).expect("inside")
    }

    fn tree(files: &[(&str, &str)]) -> MemoryTree {
        let mut tree = MemoryTree::new();
        for (name, content) in files {
            tree.insert(path(name), (*content).to_owned());
        }
        tree
    }

    #[test]
    fn a_read_set_holds_until_what_was_read_changes() {
        let before = tree(&[("a/one.yaml", "1"), ("b/two.yaml", "2")]);
        let recorder = Recorder::new(&before);
        recorder.list(&path("a")).expect("is there");
        recorder.entry(&path("a/kustomization.yaml")).expect("answers");
        recorder.read(&path("a/one.yaml")).expect("is there");
        let reads = recorder.finish();

        assert!(reads.holds_in(&before));
        assert!(reads.holds_in(&tree(&[("a/one.yaml", "1"), ("b/two.yaml", "changed")])), "b was not read");
        assert!(!reads.holds_in(&tree(&[("a/one.yaml", "changed")])), "a file changed");
        assert!(!reads.holds_in(&tree(&[("a/one.yaml", "1"), ("a/new.yaml", "")])), "a listing changed");
        assert!(!reads.holds_in(&tree(&[("a/one.yaml", "1"), ("a/kustomization.yaml", "")])), "an absence ended");
        assert!(!reads.holds_in(&tree(&[])), "all is gone");
    }
}
