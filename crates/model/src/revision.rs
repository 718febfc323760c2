use std::fmt;
use std::str::FromStr;

/// The exact version of a source: `main@sha1:9f3c…`, or `sha1:9f3c…` when asked for by commit.
///
/// The form is Flux's (RFC 0005).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// The branch, tag or reference that led here; `None` when the commit itself was asked for.
    pub name: Option<String>,
    /// The commit, as 40 hexadecimal digits.
    pub commit: String,
}

/// A text that is not a revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a revision of the form `name@sha1:commit`")]
pub struct RevisionError(pub String);

impl Revision {
    /// Names a commit reached by a branch, tag or reference.
    pub fn named(name: impl Into<String>, commit: impl Into<String>) -> Self {
        Self { name: Some(name.into()), commit: commit.into() }
    }

    /// Returns the first seven digits of the commit, as Git shortens it.
    pub fn short(&self) -> &str {
        self.commit.get(..7).unwrap_or(&self.commit)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}@sha1:{}", self.commit),
            None => write!(f, "sha1:{}", self.commit),
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
        match digest.split_once(':') {
            Some(("sha1" | "sha256", commit)) if !commit.is_empty() => Ok(Self { name, commit: commit.to_owned() }),
            _ => Err(RevisionError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_the_same() {
        for text in ["main@sha1:9f3c1d2", "sha1:9f3c1d2", "refs/pull/1/head@sha1:9f3c1d2"] {
            assert_eq!(text.parse::<Revision>().expect("is one").to_string(), text);
        }
        assert!("main".parse::<Revision>().is_err());
    }
}
