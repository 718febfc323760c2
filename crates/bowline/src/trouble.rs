//! Failures told in full: what, why, where and what to do.

use std::fmt::{self, Write as _};

/// A failure with all that a person can be told about it.
#[derive(Debug)]
pub(crate) struct Trouble {
    what: String,
    reasons: Vec<Reason>,
    is_usage: bool,
}

/// One reason of a failure, with its place and a way out where there are any.
#[derive(Debug)]
pub(crate) struct Reason {
    pub(crate) why: String,
    pub(crate) at: Option<String>,
    pub(crate) help: Option<String>,
}

impl Trouble {
    pub(crate) fn new(what: impl Into<String>, reasons: Vec<Reason>) -> Self {
        Self { what: what.into(), reasons, is_usage: false }
    }

    /// Makes a failure of one reason.
    pub(crate) fn because(what: impl Into<String>, why: impl fmt::Display, help: &str) -> Self {
        let help = Some(help.to_owned()).filter(|help| !help.is_empty());
        Self::new(what, vec![Reason { why: why.to_string(), at: None, help }])
    }

    /// Says that the arguments are to blame.
    pub(crate) fn of_usage(mut self) -> Self {
        self.is_usage = true;
        self
    }

    pub(crate) fn is_usage(&self) -> bool {
        self.is_usage
    }

    /// Returns everything, line by line.
    pub(crate) fn told(&self) -> String {
        let mut out = format!("error: {}", self.what);
        for reason in &self.reasons {
            let lines = [("why", Some(&reason.why)), ("at", reason.at.as_ref()), ("help", reason.help.as_ref())];
            for (head, text) in lines.into_iter().filter_map(|(head, text)| Some((head, text?))) {
                let _ = write!(out, "\n{head:>5}: {text}");
            }
        }
        out
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Trouble {}
