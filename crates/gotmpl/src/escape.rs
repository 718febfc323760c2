//! `html`, `js` and `urlquery`.

use smallvec::SmallVec;

use crate::error::Limit;
use crate::print;
use crate::rv::Rv;
use crate::unicode::{decode, is_print};
use crate::value::Value;

/// Appends the text of the arguments, as `print` joins them; what is no value at all is `<no value>`.
pub(crate) fn joined(out: &mut Vec<u8>, args: SmallVec<[Rv; 4]>, max_depth: usize) -> Result<(), Limit> {
    let values: SmallVec<[Value; 4]> = args
        .into_iter()
        .map(|arg| match arg.into_any() {
            Value::Nil => Value::str("<no value>"),
            value => value,
        })
        .collect();
    print::append_all_printable(out, &values, max_depth)
}

/// Escapes text for HTML.
pub(crate) fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        let escaped = match byte {
            0 => "\u{FFFD}",
            b'"' => "&#34;",
            b'\'' => "&#39;",
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            byte => {
                out.push(*byte);
                continue;
            }
        };
        out.extend_from_slice(escaped.as_bytes());
    }
    out
}

/// Escapes text for a string in JavaScript.
pub(crate) fn js(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let (c, len) = decode(rest);
        let escaped = match byte {
            b'\\' => "\\\\".to_owned(),
            b'\'' => "\\'".to_owned(),
            b'"' => "\\\"".to_owned(),
            b'<' | b'>' | b'&' | b'=' | 0..b' ' => format!("\\u{byte:04X}"),
            _ if !byte.is_ascii() && !is_print(c) => format!("\\u{:04X}", u32::from(c)),
            _ => {
                out.extend_from_slice(&rest[..len]);
                rest = &rest[len..];
                continue;
            }
        };
        out.extend_from_slice(escaped.as_bytes());
        rest = &rest[len..];
    }
    out
}

/// Escapes text for the query of a URL.
pub(crate) fn query(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            byte => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}
