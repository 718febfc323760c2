use crate::{EntryKind, Tree, TreeError, TreePath};

/// How many links may lead to the next link: what Linux allows.
const MAX_LINKS: usize = 40;

/// What stands at a path once links are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The path without links.
    pub path: TreePath,
    /// What is there; `None` where there is nothing.
    pub kind: Option<EntryKind>,
}

/// Why links could not be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("the link `{link}` leads out of the source, to `{target}`")]
    Leaves { link: TreePath, target: String },
    #[error("the link `{link}` leads in a circle, by way of `{target}`")]
    Circle { link: TreePath, target: String },
    #[error("{source}")]
    Read { path: TreePath, source: TreeError },
}

/// Follows the links in `path`, in any of its parts, without ever leaving the tree.
///
/// A `..` in a link's target leads to the directory that really holds what stands before it, as with every
/// operating system: behind a link to a directory, that is not the directory of the link.
pub fn resolve(tree: &dyn Tree, path: &TreePath) -> Result<Resolved, LinkError> {
    let kind_at = |path: &TreePath| match tree.entry(path) {
        Ok(entry) => Ok(entry.map(|entry| entry.kind)),
        Err(source) => Err(LinkError::Read { path: path.clone(), source }),
    };
    // Nearly always there is no link on the way.
    match kind_at(path)? {
        None | Some(EntryKind::Symlink) => {}
        kind => return Ok(Resolved { path: path.clone(), kind }),
    }
    // What is still to be entered, the next part last.
    let mut rest: Vec<String> = path.as_str().rsplit('/').map(str::to_owned).collect();
    let mut at = TreePath::root();
    // The link whose target is being entered.
    let mut by: Option<(TreePath, String)> = None;
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match part.as_str() {
            // The root has one part, an empty one.
            "" | "." => continue,
            ".." => {
                let Some(parent) = at.parent() else {
                    let (link, target) = by.unwrap_or_else(|| (path.clone(), part));
                    return Err(LinkError::Leaves { link, target });
                };
                at = parent;
                continue;
            }
            _ => {}
        }
        let next = at.child(&part);
        match kind_at(&next)? {
            None => return Ok(Resolved { path: next, kind: None }),
            Some(EntryKind::Symlink) => {
                let content = tree.read(&next).map_err(|source| LinkError::Read { path: next.clone(), source })?;
                let target = String::from_utf8_lossy(&content).into_owned();
                links += 1;
                if links > MAX_LINKS {
                    return Err(LinkError::Circle { link: path.clone(), target });
                }
                if target.starts_with('/') || target.contains('\0') {
                    return Err(LinkError::Leaves { link: next, target });
                }
                rest.extend(target.rsplit('/').map(str::to_owned));
                by = Some((next, target));
            }
            Some(EntryKind::Directory) => at = next,
            kind @ Some(EntryKind::File | EntryKind::Submodule) => {
                let kind = if rest.is_empty() { kind } else { None };
                return Ok(Resolved { path: next, kind });
            }
        }
    }
    Ok(Resolved { path: at, kind: Some(EntryKind::Directory) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContentId, Entry};

    /// Directories `a/b` and `c`, the files `a/x` and `c/x`, and links.
    struct Linked(&'static [(&'static str, &'static str)]);

    impl Linked {
        fn kind(&self, path: &str) -> Option<EntryKind> {
            match path {
                "" | "a" | "a/b" | "c" => Some(EntryKind::Directory),
                "a/x" | "c/x" => Some(EntryKind::File),
                path => self.0.iter().any(|(link, _)| *link == path).then_some(EntryKind::Symlink),
            }
        }
    }

    impl Tree for Linked {
        fn read(&self, path: &TreePath) -> Result<bytes::Bytes, TreeError> {
            let target = self.0.iter().find(|(link, _)| *link == path.as_str());
            target.map(|(_, to)| bytes::Bytes::from(*to)).ok_or_else(|| TreeError::NotFound(path.clone()))
        }

        fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
            Err(TreeError::NotFound(path.clone()))
        }

        fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
            let id = ContentId(path.as_str().to_owned());
            Ok(self.kind(path.as_str()).map(|kind| Entry { name: path.file_name().to_owned(), kind, id }))
        }
    }

    #[test]
    fn links_lead_where_an_operating_system_goes() {
        let tree = Linked(&[
            ("d", "a/b"),
            ("c/up", "../d/../x"),
            ("c/out", "../../x"),
            ("c/root", "/etc"),
            ("c/around", "around"),
            ("c/gone", "../a/gone"),
        ]);
        let at = |path: &str| resolve(&tree, &TreePath::parse(path).expect("is a path"));
        let found = |path: &str| at(path).map(|found| (found.path.to_string(), found.kind)).expect("stays inside");
        assert_eq!(found("d"), ("a/b".to_owned(), Some(EntryKind::Directory)));
        // `d` is `a/b`, whose parent is `a`.
        assert_eq!(found("c/up"), ("a/x".to_owned(), Some(EntryKind::File)));
        assert_eq!(found("c/gone"), ("a/gone".to_owned(), None));
        assert_eq!(found("c/x/y"), ("c/x".to_owned(), None));
        assert!(matches!(at("c/out"), Err(LinkError::Leaves { target, .. }) if target == "../../x"));
        assert!(matches!(at("c/root"), Err(LinkError::Leaves { .. })));
        assert!(matches!(at("c/around"), Err(LinkError::Circle { .. })));
    }
}
