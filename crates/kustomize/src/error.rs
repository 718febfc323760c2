//! Why a kustomization is not built.

use crate::node::Kind;

/// Why a kustomization is not built, in Kustomize's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BuildError {
    message: String,
    cause: Cause,
    /// What to do, where there is one thing.
    pub help: Option<&'static str>,
}

/// What is asked of an error on its way up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Any,
    /// A text is no YAML.
    Malformed,
    /// A node is of another kind than what is to be done with it needs.
    WrongKind(&'static str),
    /// A remote file could not be had: nothing else is tried in its place.
    Remote,
    /// A server answered, and had no such file: nothing else is tried in its place.
    Http,
    /// A limit was passed.
    Limit,
}

/// The most that a message may have before words are put around it, in bytes.
const MAX_MESSAGE: usize = 64 << 10;

impl BuildError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: Cause::Any, help: None }
    }

    pub(crate) fn malformed(message: String) -> Self {
        Self { cause: Cause::Malformed, ..Self::new(message) }
    }

    pub(crate) fn remote(message: String) -> Self {
        Self { cause: Cause::Remote, ..Self::new(message) }
    }

    pub(crate) fn http(message: String) -> Self {
        Self { cause: Cause::Http, ..Self::new(message) }
    }

    pub(crate) fn limit(message: String, help: &'static str) -> Self {
        Self { cause: Cause::Limit, help: Some(help), ..Self::new(message) }
    }

    pub(crate) fn wrong_kind(message: String, kind: Kind) -> Self {
        Self { cause: Cause::WrongKind(kind.name()), ..Self::new(message) }
    }

    pub(crate) fn with_help(self, help: &'static str) -> Self {
        Self { help: Some(help), ..self }
    }

    /// Puts words in front of the message, as long as anybody could still read it.
    pub(crate) fn within(self, prefix: impl AsRef<str>) -> Self {
        if self.is_long() {
            return self;
        }
        Self { message: format!("{}: {}", prefix.as_ref(), self.message), ..self }
    }

    /// Puts another message in place of this one, whose words it holds.
    pub(crate) fn reworded(self, message: String) -> Self {
        Self { message, ..self }
    }

    /// Tells whether a message is so long that no more words are put around it: some of them quote it again and again.
    pub(crate) fn is_long(&self) -> bool {
        self.message.len() > MAX_MESSAGE
    }

    pub(crate) fn is_malformed(&self) -> bool {
        self.cause == Cause::Malformed
    }

    /// Tells whether nothing else may be tried once this is known.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.cause, Cause::Remote | Cause::Limit)
    }

    /// Tells whether what is named cannot be something else than a file.
    pub(crate) fn is_http(&self) -> bool {
        self.cause == Cause::Http
    }

    pub(crate) fn is_limit(&self) -> bool {
        self.cause == Cause::Limit
    }

    /// The kind of the node that stood where another was needed, unless it was a scalar.
    pub(crate) fn is_wrong_kind_but_scalar(&self) -> bool {
        matches!(self.cause, Cause::WrongKind(name) if name != Kind::Scalar.name())
    }
}
