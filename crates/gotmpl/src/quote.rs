//! Go's quoted strings, written and read (`strconv`).

use crate::unicode::{decode, is_print, push};

/// Appends `bytes` as a double-quoted Go string; with `ascii`, everything else is escaped.
pub(crate) fn quote(out: &mut Vec<u8>, bytes: &[u8], ascii: bool) {
    out.push(b'"');
    let mut rest = bytes;
    while !rest.is_empty() {
        let plain = rest.iter().take_while(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')).count();
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        if rest.is_empty() {
            break;
        }
        let (c, len) = decode(rest);
        if len == 1 && !rest[0].is_ascii() {
            hex(out, "\\x", u32::from(rest[0]), 2);
        } else {
            escape(out, c, '"', ascii);
        }
        rest = &rest[len..];
    }
    out.push(b'"');
}

/// Returns `bytes` as a double-quoted Go string.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    quote(&mut out, bytes, false);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends a character as a single-quoted Go character.
pub(crate) fn quote_char(out: &mut Vec<u8>, c: char, ascii: bool) {
    out.push(b'\'');
    escape(out, c, '\'', ascii);
    out.push(b'\'');
}

fn escape(out: &mut Vec<u8>, c: char, quote: char, ascii: bool) {
    if c == quote || c == '\\' {
        out.push(b'\\');
        push(out, c);
        return;
    }
    if (c.is_ascii() || !ascii) && is_print(c) {
        push(out, c);
        return;
    }
    let short = match c {
        '\x07' => "\\a",
        '\x08' => "\\b",
        '\x0C' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\x0B' => "\\v",
        _ => {
            let code = u32::from(c);
            return match code {
                0..0x20 | 0x7F => hex(out, "\\x", code, 2),
                0x20..0x10000 => hex(out, "\\u", code, 4),
                _ => hex(out, "\\U", code, 8),
            };
        }
    };
    out.extend_from_slice(short.as_bytes());
}

fn hex(out: &mut Vec<u8>, prefix: &str, code: u32, digits: u32) {
    out.extend_from_slice(prefix.as_bytes());
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(code >> (4 * digit) & 0xF) as usize]);
    }
}

/// Tells whether Go would write `bytes` between backquotes as they are.
pub(crate) fn can_backquote(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (c, len) = decode(rest);
        let fine = match len {
            1 => rest[0].is_ascii() && (c >= ' ' || c == '\t') && c != '`' && c != '\x7F',
            _ => c != '\u{FEFF}',
        };
        if !fine {
            return false;
        }
        rest = &rest[len..];
    }
    true
}

/// Tells whether a literal means just what stands between its quotes.
pub(crate) fn is_literal(literal: &[u8]) -> bool {
    match literal {
        [b'`', body @ .., b'`'] => memchr::memchr2(b'`', b'\r', body).is_none(),
        [b'"', body @ .., b'"'] => body.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')),
        _ => false,
    }
}

/// Reads a Go string literal, quotes included; `None` is Go's "invalid syntax".
pub(crate) fn unquote(literal: &[u8]) -> Option<Vec<u8>> {
    let (&quote, rest) = literal.split_first()?;
    let (&last, body) = rest.split_last()?;
    if last != quote {
        return None;
    }
    match quote {
        b'`' => (!body.contains(&b'`')).then(|| body.iter().copied().filter(|byte| *byte != b'\r').collect()),
        b'"' => {
            let mut out = Vec::with_capacity(body.len());
            let mut rest = body;
            while !rest.is_empty() {
                if rest[0] == b'\n' {
                    return None;
                }
                let (code, wide, len) = unquote_char(rest, b'"')?;
                if wide {
                    push(&mut out, crate::unicode::from_code(u64::from(code)));
                } else {
                    out.push(code as u8);
                }
                rest = &rest[len..];
            }
            Some(out)
        }
        _ => None,
    }
}

/// Reads one possibly escaped character: its code, whether it is a character rather than a byte, and its length.
pub(crate) fn unquote_char(bytes: &[u8], quote: u8) -> Option<(u32, bool, usize)> {
    let &first = bytes.first()?;
    if first == quote {
        return None;
    }
    if !first.is_ascii() {
        let (c, len) = decode(bytes);
        return Some((u32::from(c), true, len));
    }
    if first != b'\\' {
        return Some((u32::from(first), false, 1));
    }
    let &kind = bytes.get(1)?;
    let simple = |code: u8| Some((u32::from(code), false, 2));
    match kind {
        b'a' => simple(7),
        b'b' => simple(8),
        b'f' => simple(12),
        b'n' => simple(10),
        b'r' => simple(13),
        b't' => simple(9),
        b'v' => simple(11),
        b'x' => Some((digits(bytes.get(2..4)?, 16)?, false, 4)),
        b'u' => valid(digits(bytes.get(2..6)?, 16)?, 6),
        b'U' => valid(digits(bytes.get(2..10)?, 16)?, 10),
        b'0'..=b'7' => {
            let code = digits(bytes.get(1..4)?, 8)?;
            (code <= 255).then_some((code, false, 4))
        }
        b'\\' => simple(b'\\'),
        b'\'' | b'"' if kind == quote => simple(kind),
        _ => None,
    }
}

fn valid(code: u32, len: usize) -> Option<(u32, bool, usize)> {
    char::from_u32(code).map(|_| (code, true, len))
}

fn digits(bytes: &[u8], radix: u32) -> Option<u32> {
    bytes.iter().try_fold(0u32, |code, byte| {
        let digit = char::from(*byte).to_digit(radix)?;
        code.checked_mul(radix)?.checked_add(digit)
    })
}
