//! Patterns of names. Nearly all are plain names, for which no automaton is made.

use regex::Regex;

/// A pattern that a whole text fits, or does not.
pub(crate) enum Pattern {
    /// Signs that mean themselves, and dots, which mean any sign.
    Plain(String),
    Any(Regex),
}

impl Pattern {
    /// Reads a pattern; `None` where it is none.
    pub(crate) fn whole(text: &str) -> Option<Self> {
        if is_plain(text) {
            return Some(Self::Plain(text.to_owned()));
        }
        Regex::new(&format!("^(?:{text})$")).ok().map(Self::Any)
    }

    pub(crate) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Plain(pattern) => after(pattern, text).is_some_and(str::is_empty),
            Self::Any(regex) => regex.is_match(text),
        }
    }
}

/// Tells whether a pattern has only signs that mean themselves, and dots.
pub(crate) fn is_plain(pattern: &str) -> bool {
    pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-/.:@".contains(&byte))
}

/// Returns what follows where a text begins as a plain pattern says.
pub(crate) fn after<'t>(pattern: &str, text: &'t str) -> Option<&'t str> {
    let mut rest = text.chars();
    for want in pattern.chars() {
        let have = rest.next()?;
        if !(have == want || (want == '.' && have != '\n')) {
            return None;
        }
    }
    Some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_patterns_fit_what_the_automaton_fits() {
        for pattern in ["web", "a.b", "...", "", "docker.io/x/y:1"] {
            assert!(is_plain(pattern));
            let regex = Regex::new(&format!("^(?:{pattern})$")).expect("is a pattern");
            let plain = Pattern::whole(pattern).expect("is a pattern");
            for text in ["web", "webs", "we", "a.b", "axb", "a\nb", "äöü", "", "docker.io/x/y:1", "docker-io/x/y:1"]
            {
                assert_eq!(plain.fits(text), regex.is_match(text), "{pattern} {text}");
            }
        }
        assert!(Pattern::whole("(").is_none());
        assert!(Pattern::whole("a|b").is_some_and(|pattern| pattern.fits("b")));
    }
}
