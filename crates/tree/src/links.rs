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
    let mut links = 0;
    while let Some(part) = rest.pop() {
        // The root has one part, an empty one.
        if part.is_empty() {
            continue;
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
                let led = if target.starts_with('/') { None } else { at.join(&target).ok() };
                let Some(led) = led else {
                    return Err(LinkError::Leaves { link: next, target });
                };
                rest.extend(led.as_str().rsplit('/').map(str::to_owned));
                at = TreePath::root();
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
