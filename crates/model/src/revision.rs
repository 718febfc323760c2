use std::fmt;
use std::str::FromStr;

/// The exact version of a source: `main@sha1:9f3c…`, or `sha1:9f3c…` when asked for by commit; `1.4.2@sha256:…` of a
/// chart, `latest@sha256:…` of an OCI artifact.
///
/// The form is Flux's (RFC 0005).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// The branch, tag or reference that led here, or a chart's version; `None` when the content itself was asked for.
    pub name: Option<String>,
    /// What made the digest, and with it what it is of.
    pub algorithm: Algorithm,
    /// Hexadecimal digits: 40 of a commit, 64 of an archive or a manifest. Empty where no more than the name is known,
    /// as after a restart of an app whose status holds the version of its chart alone.
    pub digest: String,
}

/// What makes a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Git's: the digest names a commit.
    Sha1,
    /// That of archives of charts, and of the manifests of OCI artifacts.
    Sha256,
}

/// A text that is not a revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a revision of the form `name@sha1:commit`")]
pub struct RevisionError(pub String);

impl Algorithm {
    /// Returns the word before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

impl Revision {
    /// Names a commit reached by a branch, tag or reference.
    pub fn named(name: impl Into<String>, commit: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::of_commit(commit) }
    }

    /// Names a commit that was asked for itself.
    pub fn of_commit(commit: impl Into<String>) -> Self {
        Self { name: None, algorithm: Algorithm::Sha1, digest: commit.into() }
    }

    /// Names the archive of a chart by version and digest, or an OCI artifact by tag and digest.
    pub fn of_archive(name: Option<String>, sha256: impl Into<String>) -> Self {
        Self { name, algorithm: Algorithm::Sha256, digest: sha256.into() }
    }

    /// Names a chart of which no more is known than its version.
    pub fn of_version(version: impl Into<String>) -> Self {
        Self::of_archive(Some(version.into()), "")
    }

    /// Tells whether two revisions hold the same files: their digests are equal or, where one has none, their names.
    pub fn is_same(&self, other: &Self) -> bool {
        if self.digest.is_empty() || other.digest.is_empty() {
            return self.algorithm == other.algorithm && self.name == other.name;
        }
        self.digest == other.digest
    }

    /// Returns what a person tells it by: the first seven digits of a commit, as Git shortens it; the version of a
    /// chart, the tag of an artifact.
    pub fn short(&self) -> &str {
        match (self.algorithm, &self.name) {
            (Algorithm::Sha256, Some(name)) => name,
            _ => self.digest.get(..7).unwrap_or(&self.digest),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = self.algorithm.as_str();
        match &self.name {
            Some(name) if self.digest.is_empty() => f.write_str(name),
            Some(name) => write!(f, "{name}@{algorithm}:{}", self.digest),
            None => write!(f, "{algorithm}:{}", self.digest),
        }
    }
}

impl FromStr for Revision {
    type Err = RevisionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, digest) = match text.rsplit_once('@') {
            Some((name, digest)) => (Some(name.to_owned()), digest),
            None => (None, text),
        };
        let (algorithm, digest) = match digest.split_once(':') {
            Some(("sha1", digest)) => (Algorithm::Sha1, digest),
            Some(("sha256", digest)) => (Algorithm::Sha256, digest),
            _ => return Err(RevisionError(text.to_owned())),
        };
        if digest.is_empty() {
            return Err(RevisionError(text.to_owned()));
        }
        Ok(Self { name, algorithm, digest: digest.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_the_same() {
        for text in [
            "main@sha1:9f3c1d2",
            "sha1:9f3c1d2",
            "refs/pull/1/head@sha1:9f3c1d2",
            "1.4.2@sha256:9f3c1d2",
            "1.4.2+build@sha256:9f3c1d2",
            "sha256:9f3c1d2",
        ] {
            assert_eq!(text.parse::<Revision>().expect("is one").to_string(), text);
        }
        for text in ["main", "main@sha1:", "md5:1", ""] {
            assert!(text.parse::<Revision>().is_err(), "{text}");
        }
    }

    #[test]
    fn charts_are_the_same_by_digest_and_else_by_version() {
        let chart = |version: &str, digest: &str| Revision::of_archive(Some(version.into()), digest);
        let known = Revision::of_version("1.4.2");
        assert!(known.is_same(&chart("1.4.2", "aa")) && chart("1.4.2", "aa").is_same(&known));
        assert!(!known.is_same(&chart("1.4.3", "aa")));
        assert!(!chart("1.4.2", "bb").is_same(&chart("1.4.2", "aa")), "published anew under the same version");
        assert!(Revision::named("main", "aa").is_same(&Revision::of_commit("aa")));
        assert!(!Revision::named("1.4.2", "aa").is_same(&known), "a tag is no chart");
        assert_eq!((known.to_string().as_str(), chart("1.4.2", "0123456789").short()), ("1.4.2", "1.4.2"));
    }
}
