//! Cuts a stream at its `---` lines.
//!
//! A line that starts with `---` and a blank ends the document before it wherever it stands, in YAML as in
//! Kubernetes' own reader; so each piece can be parsed alone, and a mistake in one leaves the others whole.

/// A piece of a stream, with whole lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk<'t> {
    pub(crate) text: &'t [u8],
    /// Lines of the stream before this piece.
    pub(crate) lines_before: u32,
}

/// Cuts `text`; a byte order mark in front of it is left out.
pub(crate) fn chunks(text: &[u8]) -> Vec<Chunk<'_>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut chunks = Vec::new();
    // Most texts are one piece, and hold no line that could end it.
    let cut = |at: usize| text[at + 1..].starts_with(b"---");
    if !text.iter().enumerate().any(|(at, byte)| *byte == b'\n' && cut(at)) {
        return vec![Chunk { text, lines_before: 0 }];
    }
    let (mut start, mut start_line) = (0, 0);
    // Directives (`%YAML 1.1`) belong to the document whose `---` follows them.
    let mut only_directives = true;
    let mut offset = 0;
    for (line_number, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if is_separator(line) && offset > start && !only_directives {
            chunks.push(Chunk { text: &text[start..offset], lines_before: start_line });
            (start, start_line) = (offset, line_number as u32);
        }
        only_directives = match line.trim_ascii_start().first() {
            None | Some(b'#') => only_directives,
            Some(_) => line.starts_with(b"%") && only_directives,
        };
        offset += line.len();
    }
    chunks.push(Chunk { text: &text[start..], lines_before: start_line });
    chunks
}

fn is_separator(line: &[u8]) -> bool {
    line.strip_prefix(b"---").is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(u32, &str)> {
        chunks(text.as_bytes())
            .into_iter()
            .map(|chunk| (chunk.lines_before, std::str::from_utf8(chunk.text).expect("was text")))
            .collect()
    }

    #[test]
    fn pieces_begin_at_their_separator() {
        assert_eq!(cut("a: 1\n---\nb: 2\n--- # c\nd"), [(0, "a: 1\n"), (1, "---\nb: 2\n"), (3, "--- # c\nd")]);
        assert_eq!(cut("---x: 1\n ---\n"), [(0, "---x: 1\n ---\n")]);
        assert_eq!(cut("%YAML 1.1\n# hello\n---\na: 1\n"), [(0, "%YAML 1.1\n# hello\n---\na: 1\n")]);
        assert_eq!(cut("\u{feff}---\r\na\r\n---\r\n"), [(0, "---\r\na\r\n"), (2, "---\r\n")]);
        assert_eq!(cut(""), [(0, "")]);
    }
}
