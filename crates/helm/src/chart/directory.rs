//! A chart that is a directory of a tree.

use bowline_tree::{EntryKind, LinkError, Tree, TreeError, TreePath};

use super::ignore::Rules;
use super::{Chart, File, LoadError, MAX_CHART_BYTES, load_files};

/// Directories within each other; only links that lead around in a circle come here.
const MAX_DEPTH: usize = 200;

/// Loads the chart in the directory `path` of a tree.
///
/// Symbolic links are followed inside the tree; one that leads out of it is an error.
pub fn load_directory(tree: &dyn Tree, path: &TreePath) -> Result<Chart, LoadError> {
    let (top, _) = resolve(tree, path)?;
    let rules = match resolve(tree, &top.child(".helmignore")) {
        Ok((file, EntryKind::File)) => Rules::parse(&tree.read(&file)?)?,
        _ => Rules::parse(b"")?,
    };
    let mut walk = Walk { tree, rules, files: Vec::new(), left: MAX_CHART_BYTES };
    walk.directory(&top, "", 0)?;
    load_files(walk.files)
}

struct Walk<'a> {
    tree: &'a dyn Tree,
    rules: Rules,
    files: Vec<File>,
    left: u64,
}

impl Walk<'_> {
    fn directory(&mut self, path: &TreePath, name: &str, depth: usize) -> Result<(), LoadError> {
        if depth > MAX_DEPTH {
            return Err(LoadError::Symlink { path: name.to_owned(), why: "too many links".to_owned() });
        }
        for entry in self.tree.list(path)? {
            let name = if name.is_empty() { entry.name.clone() } else { format!("{name}/{}", entry.name) };
            let (path, kind) = match entry.kind {
                EntryKind::Symlink => resolve(self.tree, &path.child(&entry.name))?,
                kind => (path.child(&entry.name), kind),
            };
            match kind {
                EntryKind::Directory => {
                    if !self.rules.ignores(&name, true) {
                        self.directory(&path, &name, depth + 1)?;
                    }
                }
                EntryKind::File => {
                    if !self.rules.ignores(&name, false) {
                        self.file(&path, name)?;
                    }
                }
                // A submodule that was not fetched is an empty directory to Helm.
                EntryKind::Symlink | EntryKind::Submodule => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &TreePath, name: String) -> Result<(), LoadError> {
        let data = self.tree.read(path)?;
        self.left = self.left.checked_sub(data.len() as u64).ok_or(LoadError::TooLarge {
            what: "chart exceeds maximum decompressed size of",
            limit: MAX_CHART_BYTES,
            unit: " bytes",
        })?;
        let start = if data.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        self.files.push(File { name, data: data.slice(start..) });
        Ok(())
    }
}

/// Follows symbolic links, also those on the way, to what is really there.
fn resolve(tree: &dyn Tree, path: &TreePath) -> Result<(TreePath, EntryKind), LoadError> {
    let broken = |why: &str| LoadError::Symlink { path: path.to_string(), why: why.to_owned() };
    let found = bowline_tree::resolve(tree, path).map_err(|error| match error {
        LinkError::Leaves { .. } => broken("it leads out of the source"),
        LinkError::Circle { .. } => broken("too many links"),
        LinkError::Read { source, .. } => LoadError::Tree(source),
    })?;
    match found.kind {
        Some(kind) => Ok((found.path, kind)),
        None => Err(TreeError::NotFound(found.path).into()),
    }
}
