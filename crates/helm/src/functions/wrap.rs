//! Texts cut and broken as Masterminds' goutils does it: by bytes.

use super::runes::is_space;

/// `AbbreviateFull`; an error of it is an empty text.
pub(super) fn abbreviated(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let len = text.len() as i64;
    if len == 0 || width < 4 {
        return Vec::new();
    }
    if len <= width {
        return text.to_vec();
    }
    let mut offset = offset.min(len);
    if len - offset < width - 3 {
        offset = len - (width - 3);
    }
    if offset <= 4 {
        return [&text[..(width - 3) as usize], b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    let rest = if offset + width - 3 < len {
        abbreviated(&text[offset as usize..], 0, width - 3)
    } else {
        text[(len - (width - 3)) as usize..].to_vec()
    };
    [&b"..."[..], &rest].concat()
}

/// Each byte stands for the character of its number, as goutils takes it.
fn characters(text: &[u8]) -> impl Iterator<Item = char> + '_ {
    text.iter().map(|byte| char::from(*byte))
}

pub(super) fn initials(text: &[u8]) -> String {
    let mut out = String::new();
    let mut gap = true;
    for c in characters(text) {
        if is_space(c) {
            gap = true;
        } else if std::mem::take(&mut gap) {
            out.push(c);
        }
    }
    out
}

pub(super) fn without_space(text: &[u8]) -> Vec<u8> {
    if !characters(text).any(is_space) {
        return text.to_vec();
    }
    characters(text).filter(|c| !is_space(*c)).collect::<String>().into_bytes()
}

/// `WrapCustom`
pub(super) fn wrapped(text: &[u8], width: i64, newline: &[u8], cut_words: bool) -> Vec<u8> {
    let newline = if newline.is_empty() { b"\n" } else { newline };
    let width = width.max(1) as usize;
    let mut out = Vec::new();
    let mut at = 0;
    while text.len() - at > width {
        if text[at] == b' ' {
            at += 1;
            continue;
        }
        if let Some(space) = text[at..=at + width].iter().rposition(|byte| *byte == b' ') {
            out.extend_from_slice(&text[at..at + space]);
            out.extend_from_slice(newline);
            at += space + 1;
        } else if cut_words {
            out.extend_from_slice(&text[at..at + width]);
            out.extend_from_slice(newline);
            at += width;
        } else if let Some(space) = text[at + width..].iter().position(|byte| *byte == b' ') {
            out.extend_from_slice(&text[at..at + width + space]);
            out.extend_from_slice(newline);
            at += width + space + 1;
        } else {
            out.extend_from_slice(&text[at..]);
            at = text.len();
        }
    }
    out.extend_from_slice(&text[at..]);
    out
}
