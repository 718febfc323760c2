use std::fmt;

/// What is wanted of a remote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wanted {
    /// A commit of a Git repository.
    Git(GitRef),
    /// A version of a chart: of a Helm repository (`https://…`), or of a registry (`oci://host/path`, where the chart
    /// is at `path/name`).
    Chart {
        /// The chart's name.
        name: String,
        /// An exact version or a constraint (Masterminds' rules); empty for the newest that is no pre-release.
        version: String,
    },
    /// An artifact of an OCI registry (`oci://host/path`).
    Oci(OciRef),
}

/// Which commit of a Git repository is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GitRef {
    /// Whatever the repository's `HEAD` points to.
    Head,
    /// The newest commit of a branch, named without `refs/heads/`.
    Branch(String),
    /// The commit of a tag, named without `refs/tags/`.
    Tag(String),
    /// The greatest tag that satisfies a semantic version constraint (Masterminds' rules), as Flux applies it: tags are
    /// versions of three numbers, with or without `v`.
    Semver(String),
    /// A full reference name, as `refs/pull/1/head`.
    Name(String),
    /// One commit, by its full id: 40 hexadecimal digits.
    Commit(String),
    /// Argo CD's `targetRevision`: `HEAD` or nothing, a constraint over tags, a branch, a tag, a full reference name, a
    /// full or a shortened commit.
    Any(String),
}

/// Which artifact of an OCI repository is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OciRef {
    /// Whatever a tag points to.
    Tag(String),
    /// The greatest tag that satisfies a semantic version constraint (Masterminds' rules).
    Semver {
        /// The constraint.
        range: String,
        /// A regular expression of the tags that take part.
        filter: Option<String>,
    },
    /// One manifest, by its digest: `sha256:…`.
    Digest(String),
}

impl Wanted {
    /// Tells whether this is a version of a chart, whose files have the chart's directory for their root.
    pub fn is_chart(&self) -> bool {
        matches!(self, Self::Chart { .. })
    }
}

impl From<GitRef> for Wanted {
    fn from(wanted: GitRef) -> Self {
        Self::Git(wanted)
    }
}

impl From<OciRef> for Wanted {
    fn from(wanted: OciRef) -> Self {
        Self::Oci(wanted)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git(wanted) => wanted.fmt(f),
            Self::Chart { name, version } if version.is_empty() => write!(f, "chart `{name}`"),
            Self::Chart { name, version } => write!(f, "chart `{name}` with version `{version}`"),
            Self::Oci(wanted) => wanted.fmt(f),
        }
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

impl fmt::Display for OciRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(name) => write!(f, "tag `{name}`"),
            Self::Semver { range, filter: None } => write!(f, "a tag with version `{range}`"),
            Self::Semver { range, filter: Some(filter) } => {
                write!(f, "a tag with version `{range}` that matches `{filter}`")
            }
            Self::Digest(digest) => write!(f, "digest `{digest}`"),
        }
    }
}
