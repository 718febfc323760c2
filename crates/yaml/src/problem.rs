use std::fmt;

/// One mistake in a text, and its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What sort of mistake.
    pub kind: ProblemKind,
    /// What is wrong, in go-yaml's words where it has some.
    pub message: String,
}

/// What sort of mistake a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// The text is not YAML.
    Syntax,
    /// The text is YAML, but says what cannot be: a key twice, a number that JSON cannot hold.
    Value,
    /// A limit was passed.
    Limit,
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, line: u32, column: u32, message: String) -> Self {
        Self { line, column, kind, message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Problem {}
