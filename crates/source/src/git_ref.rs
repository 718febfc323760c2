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

/// The longest name or constraint.
const MAX_LENGTH: usize = 1024;

impl GitRef {
    /// The same, cut where it is too long to be shown.
    pub(crate) fn shortened(&self) -> Self {
        let cut = |text: &String| text.chars().take(80).collect();
        match self {
            Self::Head => Self::Head,
            Self::Branch(text) => Self::Branch(cut(text)),
            Self::Tag(text) => Self::Tag(cut(text)),
            Self::Semver(text) => Self::Semver(cut(text)),
            Self::Name(text) => Self::Name(cut(text)),
            Self::Commit(text) => Self::Commit(cut(text)),
            Self::Any(text) => Self::Any(cut(text)),
        }
    }

    /// Says why no repository can have this; such texts never reach a remote.
    pub(crate) fn flaw(&self) -> Option<String> {
        let (text, blanks) = match self {
            Self::Head => return None,
            Self::Branch(text) | Self::Tag(text) | Self::Name(text) | Self::Commit(text) => (text, false),
            Self::Semver(text) | Self::Any(text) => (text, true),
        };
        if text.len() > MAX_LENGTH {
            return Some(format!("it is longer than {MAX_LENGTH} bytes"));
        }
        if text.is_empty() && !matches!(self, Self::Any(_)) {
            return Some("it is empty".into());
        }
        let bad = |letter: char| letter.is_control() || (letter == ' ' && !blanks);
        text.chars().find(|letter| bad(*letter)).map(|letter| format!("it holds the character {letter:?}"))
    }
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
