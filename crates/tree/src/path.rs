use std::fmt;

/// A path inside a tree: parts joined by `/`, no `.`, no `..`, no leading slash. The root is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(String);

/// Why a text is not a path inside a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("path `{0}` leaves the source")]
    Escapes(String),
    #[error("path contains a NUL byte")]
    Nul,
}

impl TreePath {
    /// The top of the tree.
    pub const ROOT: Self = Self(String::new());

    /// The top of the tree.
    pub fn root() -> Self {
        Self::ROOT
    }

    /// Reads `text` as a path from the root: `./a//b/` and `a/b` are the same, a leading slash means the
    /// root, `a/../b` is `b`, and a path that climbs above the root is an error.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Self::root().join(text.trim_start_matches('/'))
    }

    /// Resolves `text` against this path, taken as a directory. A leading slash starts at the root again.
    pub fn join(&self, text: &str) -> Result<Self, PathError> {
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        let mut parts: Vec<&str> = if text.starts_with('/') { Vec::new() } else { self.parts().collect() };
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return Err(PathError::Escapes(text.to_owned()));
                    }
                }
                name => parts.push(name),
            }
        }
        Ok(Self(parts.join("/")))
    }

    /// This path and one more name, which must be a plain file name as a tree's listing gives it.
    pub fn child(&self, name: &str) -> Self {
        debug_assert!(!name.contains('/') && name != ".." && name != ".", "a listing holds plain names");
        if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{}/{name}", self.0)) }
    }

    /// The directory that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        Some(Self(self.0.rsplit_once('/').map_or_else(String::new, |(dir, _)| dir.to_owned())))
    }

    /// The last part; empty for the root.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }

    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised() {
        for (text, want) in [("", "."), ("./a//b/", "a/b"), ("/a", "a"), ("a/../b", "b"), (".", ".")] {
            assert_eq!(TreePath::parse(text).expect("inside").to_string(), want, "{text}");
        }
    }

    #[test]
    fn paths_cannot_leave_the_tree() {
        for text in ["..", "a/../../b", "/..", "../a"] {
            assert_eq!(TreePath::parse(text), Err(PathError::Escapes(text.trim_start_matches('/').to_owned())));
        }
        assert!(TreePath::parse("a").expect("inside").join("../../x").is_err());
    }

    #[test]
    fn parents_and_names() {
        let path = TreePath::parse("a/b/c").expect("inside");
        assert_eq!(path.file_name(), "c");
        assert_eq!(path.parent().expect("has one").as_str(), "a/b");
        assert_eq!(TreePath::root().parent(), None);
    }
}
