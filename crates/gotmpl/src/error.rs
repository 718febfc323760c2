//! What can be wrong with a template, in Go's words.

use std::error::Error;
use std::fmt;

use crate::unicode;

/// A text that is no template. Prints as Go's error does: `template: NAME:LINE: MESSAGE`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: {name}:{line}: {message}")]
pub struct ParseError {
    /// The name given to the text.
    pub name: String,
    /// The line, counted from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(name: &[u8], line: u32, message: impl Into<String>) -> Self {
        Self { name: unicode::lossy(name), line, message: message.into() }
    }
}

/// A template that could not be executed. Prints as Go's error does.
#[derive(Debug)]
pub struct ExecError {
    /// The name of the template that was being executed.
    pub template: String,
    /// Where in which text; `None` if nothing was executed yet.
    pub at: Option<Box<Location>>,
    /// What is wrong there: Go's message without its place.
    pub message: String,
    /// Which limit was reached, here or in what this called.
    pub limit: Option<Limit>,
    /// What a function that was called said, if it said more than a text.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

/// The place of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The name of the text.
    pub name: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in bytes, counted from 0 as Go counts it.
    pub column: usize,
    /// The part of the template, as Go prints it.
    pub context: String,
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            None if self.template.is_empty() => write!(f, "template: {}", self.message),
            None => write!(f, "template: {}: {}", self.template, self.message),
            Some(at) => {
                let Location { name, line, column, context } = at.as_ref();
                let (template, message) = (crate::quote::quoted(self.template.as_bytes()), &self.message);
                write!(f, "template: {name}:{line}:{column}: executing {template} at <{context}>: {message}")
            }
        }
    }
}

impl Error for ExecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

/// A bound of [`Limits`](crate::Limits) that an execution came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Too many steps.
    #[error("more than {0} steps")]
    Steps(u64),
    /// Too much output.
    #[error("more than {0} bytes of output")]
    Output(usize),
    /// Templates within templates, too deep.
    #[error("exceeded maximum template depth ({0})")]
    Depth(usize),
    /// A value too deep to print or convert, perhaps one that contains itself.
    #[error("value is nested deeper than {0} levels")]
    ValueDepth(usize),
}

/// What a function reports when it cannot do what it was asked for.
#[derive(Debug)]
pub struct FuncError {
    /// The text; a template prints it after `error calling NAME: `.
    pub message: String,
    /// The limit, if that is why.
    pub limit: Option<Limit>,
    /// The error behind the text, for whoever wants to know more than the text.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl FuncError {
    /// Makes an error of a text.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), limit: None, cause: None }
    }

    /// Makes an error that wraps another one and says the same.
    pub fn wrap(cause: impl Error + Send + Sync + 'static) -> Self {
        Self { message: cause.to_string(), limit: None, cause: Some(Box::new(cause)) }
    }
}

impl fmt::Display for FuncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<String> for FuncError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for FuncError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<Limit> for FuncError {
    fn from(limit: Limit) -> Self {
        Self { message: limit.to_string(), limit: Some(limit), cause: None }
    }
}

impl From<ExecError> for FuncError {
    fn from(error: ExecError) -> Self {
        Self { message: error.to_string(), limit: error.limit, cause: Some(Box::new(error)) }
    }
}

impl From<ParseError> for FuncError {
    fn from(error: ParseError) -> Self {
        Self::wrap(error)
    }
}
