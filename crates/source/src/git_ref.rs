use std::fmt;

/// What of a repository is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GitRef {
    /// What the remote's `HEAD` points to.
    Head,
    /// A branch, without `refs/heads/`.
    Branch(String),
    /// A tag, without `refs/tags/`.
    Tag(String),
    /// The highest tag that meets a version constraint, as [`crate::semver`] reads it and Flux applies it: tags
    /// are versions of three numbers, with or without `v`.
    Semver(String),
    /// A full reference name, such as `refs/pull/420/head`.
    Name(String),
    /// A commit, as 40 hexadecimal digits.
    Commit(String),
    /// Argo CD's `targetRevision`: `HEAD` or nothing, a version constraint over tags, a branch, a tag, a full
    /// reference name, a full or a shortened commit.
    Any(String),
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("`HEAD`"),
            Self::Branch(name) => write!(f, "branch `{name}`"),
            Self::Tag(name) => write!(f, "tag `{name}`"),
            Self::Semver(text) => write!(f, "a tag with version `{text}`"),
            Self::Name(name) => write!(f, "reference `{name}`"),
            Self::Commit(id) => write!(f, "commit `{id}`"),
            Self::Any(text) => write!(f, "revision `{text}`"),
        }
    }
}
