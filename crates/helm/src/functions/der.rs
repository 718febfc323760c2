//! DER, as far as keys and certificates need it, and PEM around it.

use super::encoding::{base64, base64_decoded};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BITS: u8 = 0x03;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Writes an element.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let len = content.len();
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let bytes = len.to_be_bytes();
        let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        out.push(0x80 | bytes.len() as u8);
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(content);
    out
}

/// Writes elements one after the other within another one.
pub(super) fn nested(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// Writes a number that is not negative.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len().saturating_sub(1));
    let mut content = bytes[zeros..].to_vec();
    if content.first().is_none_or(|first| *first >= 0x80) {
        content.insert(0, 0);
    }
    element(INTEGER, &content)
}

/// Writes bits, of which all of the last byte count.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    nested(BITS, &[&[0], bytes])
}

/// An element that was read: its tag, its content, all of it, and what follows.
pub(super) struct Element<'t> {
    pub(super) tag: u8,
    pub(super) content: &'t [u8],
    pub(super) whole: &'t [u8],
    pub(super) rest: &'t [u8],
}

/// Reads the first element.
pub(super) fn read(text: &[u8]) -> Option<Element<'_>> {
    let tag = *text.first()?;
    let first = *text.get(1)?;
    let (len, header) = if first < 0x80 {
        (usize::from(first), 2)
    } else {
        let count = usize::from(first & 0x7f);
        let bytes = text.get(2..2 + count).filter(|_| (1..=4).contains(&count))?;
        (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), 2 + count)
    };
    let content = text.get(header..header.checked_add(len)?)?;
    let end = header + len;
    Some(Element { tag, content, whole: &text[..end], rest: &text[end..] })
}

/// Reads the elements within an element.
pub(super) fn children(content: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut all = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let one = read(rest)?;
        rest = one.rest;
        all.push(one);
    }
    Some(all)
}

/// Writes bytes as PEM.
pub(super) fn pem(label: &str, bytes: &[u8]) -> String {
    let text = base64(bytes);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}

/// Reads the first PEM block: its label and bytes.
pub(super) fn from_pem(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = String::from_utf8_lossy(text);
    let start = text.find("-----BEGIN ")?;
    let rest = &text[start + 11..];
    let (label, rest) = rest.split_once("-----")?;
    let end = rest.find(&format!("-----END {label}-----"))?;
    let mut body = &rest[..end];
    // Headers end with an empty line.
    if body.contains(": ")
        && let Some(at) = body.find("\n\n")
    {
        body = &body[at + 2..];
    }
    let digits: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    Some((label.to_owned(), base64_decoded(&digits).ok()?))
}
