//! Characters as Go's `unicode` sees them, in bytes that need not be UTF-8.

pub(super) use bowline_gotmpl::{REPLACEMENT as BAD, decode_rune as decode};

/// Returns the last character and its length.
pub(super) fn decode_last(bytes: &[u8]) -> (char, usize) {
    for len in (2..=4.min(bytes.len())).rev() {
        let at = bytes.len() - len;
        let (c, size) = decode(&bytes[at..]);
        if size == len {
            return (c, len);
        }
    }
    bytes.last().map_or((BAD, 0), |last| if *last < 0x80 { (char::from(*last), 1) } else { (BAD, 1) })
}

/// Returns the characters, U+FFFD for every bad byte, with their places.
pub(super) fn runes(bytes: &[u8]) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (c, len) = decode(&bytes[at..]);
        let here = at;
        at += len;
        (len > 0).then_some((here, c))
    })
}

/// Maps each character.
pub(super) fn mapped(bytes: &[u8], map: impl FnMut(char) -> char) -> Vec<u8> {
    let mut map = map;
    runes(bytes).map(|(_, c)| map(c)).collect::<String>().into_bytes()
}

pub(super) fn is_space(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ' | '\u{85}' | '\u{a0}') || (c > '\u{ff}' && c.is_whitespace())
}

/// `unicode.ToUpper`: one character for one.
pub(super) fn upper(c: char) -> char {
    let mut all = c.to_uppercase();
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => match u32::from(c) {
            code @ 0x1f80..=0x1faf => char::from_u32(code | 8).unwrap_or(c),
            code @ (0x1fb3 | 0x1fc3 | 0x1ff3) => char::from_u32(code + 9).unwrap_or(c),
            _ => c,
        },
    }
}

/// `unicode.ToLower`: one character for one.
pub(super) fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// `unicode.ToTitle`
pub(super) fn title(c: char) -> char {
    match c {
        'Ǆ'..='ǆ' => 'ǅ',
        'Ǉ'..='ǉ' => 'ǈ',
        'Ǌ'..='ǌ' => 'ǋ',
        'Ǳ'..='ǳ' => 'ǲ',
        '\u{10d0}'..='\u{10ff}' => c,
        other => upper(other),
    }
}

/// `unicode.IsTitle`
pub(super) fn is_title(c: char) -> bool {
    matches!(c, 'ǅ' | 'ǈ' | 'ǋ' | 'ǲ' | '\u{1f88}'..='\u{1f8f}' | '\u{1f98}'..='\u{1f9f}' | '\u{1fa8}'..='\u{1faf}'
        | '\u{1fbc}' | '\u{1fcc}' | '\u{1ffc}')
}

/// `strings.TrimSpace`
pub(super) fn trim_space(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes, is_space), is_space)
}

pub(super) fn trim_start(mut bytes: &[u8], out: impl Fn(char) -> bool) -> &[u8] {
    loop {
        let (c, len) = decode(bytes);
        if len == 0 || !out(c) {
            return bytes;
        }
        bytes = &bytes[len..];
    }
}

pub(super) fn trim_end(mut bytes: &[u8], out: impl Fn(char) -> bool) -> &[u8] {
    loop {
        let (c, len) = decode_last(bytes);
        if len == 0 || !out(c) {
            return bytes;
        }
        bytes = &bytes[..bytes.len() - len];
    }
}

/// Returns where `part` is in `bytes`.
pub(super) fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, part)
}

/// `strings.SplitN`: at most `most` parts, all if that is negative.
pub(super) fn split<'t>(text: &'t [u8], separator: &[u8], most: i64) -> Vec<&'t [u8]> {
    let most = if most < 0 { usize::MAX } else { most as usize };
    let mut parts = Vec::new();
    let mut rest = text;
    if most == 0 {
        return parts;
    }
    if separator.is_empty() {
        while !rest.is_empty() {
            if parts.len() + 1 == most {
                parts.push(rest);
                break;
            }
            let (_, len) = decode(rest);
            let (one, after) = rest.split_at(len);
            parts.push(one);
            rest = after;
        }
        return parts;
    }
    while parts.len() + 1 < most
        && let Some(at) = find(rest, separator)
    {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    parts
}

/// `strings.ReplaceAll`
pub(super) fn replaced(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    if old.is_empty() {
        // Between all characters, and at both ends.
        out.extend_from_slice(new);
        let mut rest = text;
        while !rest.is_empty() {
            let (_, len) = decode(rest);
            out.extend_from_slice(&rest[..len]);
            out.extend_from_slice(new);
            rest = &rest[len..];
        }
        return out;
    }
    let mut last = 0;
    for at in memchr::memmem::find_iter(text, old) {
        out.extend_from_slice(&text[last..at]);
        out.extend_from_slice(new);
        last = at + old.len();
    }
    out.extend_from_slice(&text[last..]);
    out
}
