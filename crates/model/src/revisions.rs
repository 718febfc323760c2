use std::fmt;
use std::ops::Deref;

use crate::Revision;

/// The exact versions of all sources of an app, in the order of its sources: nearly always just one.
///
/// It reads as the first of them, which is what a person is told where there is room for one alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revisions {
    first: Revision,
    more: Vec<Revision>,
}

impl Revisions {
    /// Takes revisions together; `None` of none at all.
    pub fn of(revisions: impl IntoIterator<Item = Revision>) -> Option<Self> {
        let mut revisions = revisions.into_iter();
        let first = revisions.next()?;
        Some(Self { first, more: revisions.collect() })
    }

    /// Returns the revision of each source.
    pub fn all(&self) -> impl Iterator<Item = &Revision> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// Tells whether all sources hold the same files.
    pub fn is_same(&self, other: &Self) -> bool {
        self.more.len() == other.more.len() && self.all().zip(other.all()).all(|(one, other)| one.is_same(other))
    }
}

impl Deref for Revisions {
    type Target = Revision;

    fn deref(&self) -> &Revision {
        &self.first
    }
}

impl From<Revision> for Revisions {
    fn from(first: Revision) -> Self {
        Self { first, more: Vec::new() }
    }
}

impl fmt::Display for Revisions {
    /// Writes all of them, with commas between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.more.iter().try_for_each(|revision| write!(f, ", {revision}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sources_count() {
        let of = |digests: &[&str]| {
            Revisions::of(digests.iter().map(|digest| Revision::named("main", *digest))).expect("has one")
        };
        assert!(of(&["a", "b"]).is_same(&of(&["a", "b"])));
        assert!(!of(&["a", "b"]).is_same(&of(&["a", "c"])) && !of(&["a"]).is_same(&of(&["a", "b"])));
        assert_eq!(of(&["a", "b"]).to_string(), "main@sha1:a, main@sha1:b");
        assert_eq!((of(&["a", "b"]).digest.as_str(), Revisions::of([])), ("a", None));
    }
}
