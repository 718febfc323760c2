//! Go's view of characters: decoding that survives bad bytes, and character classes.

use crate::tables::{DIGITS, LETTERS, PRINTABLE};

/// What stands for bytes that are not UTF-8.
pub const REPLACEMENT: char = '\u{FFFD}';

/// Returns the first character of `bytes` and its length; U+FFFD and 1 for a byte that starts none, 0 for no bytes.
#[inline]
pub fn decode(bytes: &[u8]) -> (char, usize) {
    match bytes.first() {
        None => (REPLACEMENT, 0),
        Some(&first) if first < 0x80 => (char::from(first), 1),
        Some(&first) => decode_wide(first, bytes),
    }
}

fn decode_wide(first: u8, bytes: &[u8]) -> (char, usize) {
    let len = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return (REPLACEMENT, 1),
    };
    bytes
        .get(..len)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| text.chars().next())
        .map_or((REPLACEMENT, 1), |c| (c, len))
}

/// Returns how many characters `bytes` are, bad bytes counting one each.
pub(crate) fn count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() {
        return bytes.len();
    }
    let mut rest = bytes;
    let mut count = 0;
    while !rest.is_empty() {
        rest = &rest[decode(rest).1..];
        count += 1;
    }
    count
}

/// Appends a character.
pub(crate) fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Returns the character of a number, or U+FFFD where there is none.
pub(crate) fn from_code(code: u64) -> char {
    u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(REPLACEMENT)
}

/// `unicode.IsLetter`
pub(crate) fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { is_in(&LETTERS, c) }
}

/// `unicode.IsDigit`
pub(crate) fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { is_in(&DIGITS, c) }
}

/// `strconv.IsPrint`
pub(crate) fn is_print(c: char) -> bool {
    if c.is_ascii() { (' '..='~').contains(&c) } else { is_in(&PRINTABLE, c) }
}

fn is_in(ranges: &[(u32, u32)], c: char) -> bool {
    let code = u32::from(c);
    let at = ranges.partition_point(|range| range.1 < code);
    ranges.get(at).is_some_and(|range| range.0 <= code)
}

/// Returns bytes as text, with U+FFFD for every single byte that is not UTF-8, as Go's JSON encoder has it.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let (c, len) = decode(rest);
        text.push(c);
        rest = &rest[len..];
    }
    text
}
