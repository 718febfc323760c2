//! Failures told in full: what, why, where and what to do.

use std::borrow::Cow;
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
        harmless(&out).into_owned()
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Trouble {}

/// Returns a text without what a terminal would obey: control characters but line ends and tabs, and what turns the
/// direction of writing. Charts, commits and servers may say anything.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(obeyed) { Cow::Owned(text.replace(obeyed, "")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::{Trouble, harmless};

    /// C14
    #[test]
    fn terminals_are_told_nothing_but_text() {
        assert_eq!(harmless("a\u{1b}[31mb\u{9b}c\u{202e}d\r\n\te"), "a[31mbcd\n\te");
        let told = Trouble::because("cannot", "\u{1b}]0;title\u{7}", "\u{8}").told();
        assert!(!told.contains(['\u{1b}', '\u{7}', '\u{8}']), "{told:?}");
    }
}
