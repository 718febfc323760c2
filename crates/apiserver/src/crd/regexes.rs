//! Go's words for what is wrong with a regular expression, as far as they can be told from the regex crate's.

use regex::Error;

/// Explains why a pattern cannot be compiled.
pub(crate) fn explain(error: &Error, pattern: &str) -> String {
    let told = error.to_string();
    let (why, part) = if told.contains("unclosed group") {
        ("missing closing )", pattern)
    } else if told.contains("unopened group") {
        ("unexpected )", pattern)
    } else if told.contains("unclosed character class") {
        ("missing closing ]", pattern.find('[').map_or(pattern, |at| &pattern[at..]))
    } else if told.contains("repetition operator missing expression") {
        let at = pattern.find(['*', '+', '?']).unwrap_or(0);
        ("missing argument to repetition operator", pattern.get(at..=at).unwrap_or(pattern))
    } else if told.contains("look-around") {
        let at = pattern.find("(?").unwrap_or(0);
        let end = if pattern[at..].starts_with("(?<") { at + 4 } else { at + 3 };
        ("invalid or unsupported Perl syntax", pattern.get(at..end).unwrap_or(pattern))
    } else if told.contains("invalid character class range") {
        let part = pattern.find('-').and_then(|at| pattern.get(at - 1..at + 2)).unwrap_or(pattern);
        ("invalid character class range", part)
    } else if told.contains("incomplete escape") {
        ("trailing backslash at end of expression", "")
    } else if told.contains("unrecognized escape") || told.contains("backreferences") {
        let at = pattern.find('\\').unwrap_or(0);
        ("invalid escape sequence", pattern.get(at..at + 2).unwrap_or(pattern))
    } else {
        ("invalid expression", pattern)
    };
    format!("error parsing regexp: {why}: `{part}`")
}
