//! Places in a text: lines, columns, and what may stand between nodes.

/// The characters that end a line (YAML 1.1).
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Returns where the line begins that `at` is in.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].char_indices().rev().find(|(_, c)| is_break(*c)).map_or(0, |(start, c)| start + c.len_utf8())
}

/// Returns where the line ends that `at` is in: before its break.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find(is_break).map_or(text.len(), |length| at + length)
}

/// Returns the place after the break at `at`, which may be the end of the text.
pub(super) fn after_break(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    if rest.starts_with("\r\n") { at + 2 } else { at + rest.chars().next().map_or(0, char::len_utf8) }
}

/// Returns the place before the break that ends at `at`; `at` itself where none does.
pub(super) fn before_break(text: &str, at: usize) -> usize {
    let rest = &text[..at];
    match rest.chars().next_back() {
        Some('\n') if rest.ends_with("\r\n") => at - 2,
        Some(c) if is_break(c) => at - c.len_utf8(),
        _ => at,
    }
}

/// Counts the characters before `at` in its line.
pub(super) fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].chars().count()
}

/// Tells whether only blanks stand before `at` in its line.
pub(super) fn begins_line(text: &str, at: usize) -> bool {
    text[line_start(text, at)..at].chars().all(|c| matches!(c, ' ' | '\t'))
}

/// Tells whether only blanks and a comment stand after `at` in its line.
pub(super) fn ends_line(text: &str, at: usize) -> bool {
    let rest = text[at..line_end(text, at)].trim_start_matches([' ', '\t']);
    rest.is_empty() || rest.starts_with('#')
}

/// Passes blanks, breaks and comments.
pub(super) fn skip_blank(text: &str, mut at: usize) -> usize {
    loop {
        match text[at..].chars().next() {
            Some('#') => at = line_end(text, at),
            Some(c) if is_break(c) || matches!(c, ' ' | '\t') => at += c.len_utf8(),
            _ => return at,
        }
    }
}

/// Returns the lines of a part of a text without their breaks; one that ends with a break has no empty line after it.
pub(super) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = line_end(text, at);
        lines.push(&text[at..end]);
        at = after_break(text, end);
    }
    lines
}

/// Returns the line break that a text uses first; none has `\n`.
pub(super) fn line_break(text: &str) -> &'static str {
    match text.find(['\n', '\r']) {
        Some(at) if text[at..].starts_with("\r\n") => "\r\n",
        Some(at) if text[at..].starts_with('\r') => "\r",
        _ => "\n",
    }
}
