//! Versions and constraints as they are usually written, read without regular expressions: to compile those takes longer
//! than to render a small chart.

/// The parts of a version; what it lacks is empty. Minor and patch begin with their dots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts<'t> {
    /// All of it.
    pub(super) whole: &'t str,
    pub(super) numbers: [&'t str; 3],
    /// What follows the first hyphen.
    pub(super) prerelease: &'t str,
    /// What follows the plus sign.
    pub(super) metadata: &'t str,
}

/// A version, and how another must stand to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound<'t> {
    pub(super) operator: &'t str,
    pub(super) version: Parts<'t>,
}

/// Reads a version that is nothing more: `None` if it is none.
pub(super) fn version(text: &str) -> Option<Parts<'_>> {
    let mut reader = Reader { text, at: 0 };
    let parts = reader.version(|byte| byte.is_ascii_digit())?;
    reader.is_at_end().then_some(parts)
}

/// Reads bounds that must all hold, with spaces or commas between them.
///
/// `None` is what is no constraint, and what only looks like one to few: ranges such as `1 - 2`, and single bars.
pub(super) fn bounds(text: &str) -> Option<Vec<Bound<'_>>> {
    let mut reader = Reader { text, at: 0 };
    let mut bounds = Vec::new();
    reader.spaces();
    loop {
        let operator = reader.operator();
        reader.spaces();
        let version = reader.version(|byte| byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*'))?;
        bounds.push(Bound { operator, version });
        let end = reader.at;
        reader.spaces();
        if reader.is_at_end() {
            return Some(bounds);
        }
        if reader.take(b',') {
            reader.spaces();
        } else if reader.at == end {
            return None;
        }
    }
}

/// Whether a byte is what Go's `\s` stands for.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Takes ASCII that fits, so that what was taken is text.
    fn while_is(&mut self, fits: impl Fn(u8) -> bool) -> &'t str {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii() && fits(byte)) {
            self.at += 1;
        }
        &self.text[from..self.at]
    }

    fn spaces(&mut self) {
        self.while_is(is_space);
    }

    fn operator(&mut self) -> &'t str {
        const OPERATORS: [&str; 10] = ["!=", ">=", "=>", "<=", "=<", "~>", "=", ">", "<", "~"];
        let rest = &self.text[self.at..];
        let found = OPERATORS.iter().chain(&["^"]).find(|operator| rest.starts_with(**operator));
        let operator = &rest[..found.map_or(0, |operator| operator.len())];
        self.at += operator.len();
        operator
    }

    fn version(&mut self, is_number: impl Fn(u8) -> bool) -> Option<Parts<'t>> {
        let from = self.at;
        self.take(b'v');
        let major = self.while_is(&is_number);
        if major.is_empty() {
            return None;
        }
        let mut numbers = [major, "", ""];
        for number in &mut numbers[1..] {
            let dot = self.at;
            if !self.take(b'.') || self.while_is(&is_number).is_empty() {
                self.at = dot;
                break;
            }
            *number = &self.text[dot..self.at];
        }
        let prerelease = self.labels(b'-');
        let metadata = self.labels(b'+');
        Some(Parts { whole: &self.text[from..self.at], numbers, prerelease, metadata })
    }

    /// Takes a sign and labels with dots between them; nothing at all where they are not whole.
    fn labels(&mut self, sign: u8) -> &'t str {
        let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let before = self.at;
        if !self.take(sign) {
            return "";
        }
        let from = self.at;
        if self.while_is(is_label).is_empty() {
            self.at = before;
            return "";
        }
        loop {
            let end = self.at;
            if !self.take(b'.') || self.while_is(is_label).is_empty() {
                self.at = end;
                return &self.text[from..end];
            }
        }
    }
}
