//! Upper and lower case, and the cases of names.

use std::sync::OnceLock;

use regex::Regex;

use super::runes::{BAD, decode, is_space, is_title, lower, mapped, title, upper};

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident $pattern:literal),+ $(,)?) => {
        $($(#[$doc])* pub(super) fn $name(c: char) -> bool {
            static CLASS: OnceLock<Regex> = OnceLock::new();
            let class = CLASS.get_or_init(|| Regex::new($pattern).expect("holds because the pattern is constant"));
            class.is_match(c.encode_utf8(&mut [0; 4]))
        })+
    };
}

classes! {
    is_upper_wide r"^\p{Lu}",
    is_lower_wide r"^\p{Ll}",
    is_punct_wide r"^\p{P}",
    is_number_wide r"^\p{N}",
    is_letter_wide r"^\p{L}",
}

fn is_upper(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_uppercase() } else { is_upper_wide(c) }
}

fn is_lower(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_lowercase() } else { is_lower_wide(c) }
}

/// `unicode.IsLetter`
pub(super) fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { is_letter_wide(c) }
}

fn is_number(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { is_number_wide(c) }
}

pub(super) fn swapped(text: &[u8]) -> Vec<u8> {
    let mut after_space = true;
    mapped(text, |c| {
        if is_upper(c) || is_title(c) {
            after_space = false;
            lower(c)
        } else if is_lower(c) {
            if std::mem::take(&mut after_space) { title(c) } else { upper(c) }
        } else {
            after_space = is_space(c);
            c
        }
    })
}

/// `strings.Title`
pub(super) fn titled(text: &[u8]) -> Vec<u8> {
    let mut previous = ' ';
    mapped(text, |c| {
        let begins = match std::mem::replace(&mut previous, c) {
            before if before.is_ascii() => !before.is_ascii_alphanumeric() && before != '_',
            before => !is_letter(before) && !is_digit(before) && is_space(before),
        };
        if begins { title(c) } else { c }
    })
}

fn is_digit(c: char) -> bool {
    is_number(c) && c.is_numeric()
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || is_space(c)
}

fn is_alphabet(c: char) -> bool {
    is_letter(c) && !matches!(c, '\u{4e00}'..='\u{9fcc}' | '\u{3400}'..='\u{4d85}' | '\u{20000}'..='\u{2b81d}')
}

fn is_punct(c: char) -> bool {
    is_punct_wide(c)
}

/// xstrings' `ToPascalCase`
pub(super) fn pascal(text: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut current = '\0';
    let mut size = 0;
    let mut first_is_upper = false;
    while !rest.is_empty() {
        (current, size) = decode(rest);
        rest = &rest[size..];
        if !is_connector(current) {
            first_is_upper = is_upper(current);
            current = upper(current);
            break;
        }
        out.push(current);
    }
    if rest.is_empty() {
        if size != 0 {
            out.push(current);
        }
        return out;
    }
    while !rest.is_empty() {
        let before = current;
        (current, size) = decode(rest);
        rest = &rest[size..];
        if is_connector(current) && is_connector(before) {
            out.push(before);
            continue;
        }
        if is_connector(before) {
            first_is_upper = is_upper(current);
            current = upper(current);
        } else {
            if first_is_upper {
                if is_upper(current) {
                    current = lower(current);
                } else {
                    first_is_upper = false;
                }
            }
            out.push(before);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Invalid,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punct,
    Other,
}

/// xstrings' `ToSnakeCase` and `ToKebabCase`
pub(super) fn lower_with(text: &[u8], connector: char) -> Vec<u8> {
    let mut out = Vec::new();
    if text.is_empty() {
        return out;
    }
    let (mut word, mut part, mut rest) = next_word(text);
    while !rest.is_empty() {
        if word != Word::Connector {
            push_lower(&mut out, word, part, connector);
        }
        let (before, last) = (word, part);
        (word, part, rest) = next_word(rest);
        match before {
            Word::Number => {
                while matches!(word, Word::Alphabet | Word::Number) {
                    push_lower(&mut out, word, part, connector);
                    (word, part, rest) = next_word(rest);
                }
                if !matches!(word, Word::Invalid | Word::Punct | Word::Connector) {
                    push(&mut out, connector);
                }
            }
            Word::Connector => push_lower(&mut out, before, last, connector),
            Word::Punct => {}
            _ => {
                if word != Word::Number {
                    if !matches!(word, Word::Connector | Word::Punct) {
                        push(&mut out, connector);
                    }
                    continue;
                }
                if rest.is_empty() {
                    continue;
                }
                let last = part;
                (word, part, rest) = next_word(rest);
                if word != Word::Alphabet {
                    push_lower(&mut out, Word::Number, last, connector);
                    if !matches!(word, Word::Connector | Word::Punct) {
                        push(&mut out, connector);
                    }
                    continue;
                }
                push(&mut out, connector);
                push_lower(&mut out, Word::Number, last, connector);
                while matches!(word, Word::Alphabet | Word::Number) {
                    push_lower(&mut out, word, part, connector);
                    (word, part, rest) = next_word(rest);
                }
                if !matches!(word, Word::Invalid | Word::Connector | Word::Punct) {
                    push(&mut out, connector);
                }
            }
        }
    }
    push_lower(&mut out, word, part, connector);
    out
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn push_lower(out: &mut Vec<u8>, word: Word, part: &[u8], connector: char) {
    if !matches!(word, Word::Upper | Word::Connector) {
        out.extend_from_slice(part);
        return;
    }
    for (_, c) in super::runes::runes(part) {
        push(
            out,
            if is_connector(c) {
                connector
            } else if is_upper(c) {
                lower(c)
            } else {
                c
            },
        );
    }
}

/// Returns the next character that is UTF-8, `before` where there is none, and how many bytes were read.
fn next_valid(text: &[u8], before: char) -> (char, usize) {
    let mut size = 0;
    while size < text.len() {
        let (c, len) = decode(&text[size..]);
        size += len;
        if c != BAD {
            return (c, size);
        }
    }
    (before, size)
}

fn next_word(text: &[u8]) -> (Word, &[u8], &[u8]) {
    if text.is_empty() {
        return (Word::Invalid, text, text);
    }
    let (first, mut offset) = next_valid(text, BAD);
    if first == BAD {
        return (Word::Invalid, &text[..offset], &text[offset..]);
    }
    let mut c = first;
    let run = |mut offset: usize, mut c: char, goes_on: &dyn Fn(char) -> bool| {
        let mut size = 0;
        while offset < text.len() {
            (c, size) = next_valid(&text[offset..], c);
            if !goes_on(c) {
                break;
            }
            offset += size;
        }
        (offset, c, size)
    };
    let word = if is_connector(first) {
        (offset, ..) = run(offset, c, &is_connector);
        Word::Connector
    } else if is_punct(first) {
        (offset, ..) = run(offset, c, &is_punct);
        Word::Punct
    } else if is_upper(first) {
        if offset < text.len() {
            let (second, size) = next_valid(&text[offset..], c);
            if is_upper(second) {
                let mut last = size;
                offset += size;
                c = second;
                while offset < text.len() {
                    let size;
                    (c, size) = next_valid(&text[offset..], c);
                    if !is_upper(c) {
                        break;
                    }
                    last = size;
                    offset += size;
                }
                if offset < text.len() && is_alphabet(c) {
                    offset -= last;
                }
            } else if is_alphabet(second) {
                offset += size;
                (offset, ..) = run(offset, second, &|c| is_alphabet(c) && !is_upper(c));
            }
        }
        Word::Upper
    } else if is_alphabet(first) {
        (offset, ..) = run(offset, c, &|c| is_alphabet(c) && !is_upper(c));
        Word::Alphabet
    } else if is_number(first) {
        (offset, ..) = run(offset, c, &is_number);
        Word::Number
    } else {
        (offset, ..) = run(offset, c, &|c| !(is_connector(c) || is_alphabet(c) || is_number(c) || is_punct(c)));
        Word::Other
    };
    (word, &text[..offset], &text[offset..])
}
