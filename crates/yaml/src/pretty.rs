//! Values to text, in the style of go-yaml v3 with an indentation of two: what Helm's `toYamlPretty` writes.
//!
//! Lists are indented under their keys, and lines are not folded.

use std::borrow::Cow;

use libyaml_safer::{Encoding, Event, ScalarStyle};

use crate::emit::{BYTE_ORDER_MARK, hide_escapes, is_escaped_by_go, restore_escapes, write_events};
use crate::resolve::needs_quotes_to_v3;
use crate::sort::{is_less_to_v3, sort_by};
use crate::value::decode_base64;

/// A value as it is to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Pretty {
    /// A scalar written as it is: a number, a boolean, a time, `null`.
    Plain(String),
    /// A text, quoted where it would mean something else.
    Text(String),
    /// Bytes that are no text, in base64, by the tag `!!binary`.
    Binary(String),
    /// A list.
    List(Vec<Pretty>),
    /// A map; its entries are sorted if they are not those of a struct.
    Map {
        /// The keys, which are scalars, with their values.
        entries: Vec<(Pretty, Pretty)>,
        /// Whether the entries are written in the order of their keys.
        sorted: bool,
    },
}

impl Pretty {
    fn scalar(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Text(text) | Self::Binary(text) => text,
            Self::List(_) | Self::Map { .. } => "",
        }
    }

    /// What a key is sorted by; of bytes that are no text each counts as U+FFFD.
    fn sorted_by(&self) -> Cow<'_, str> {
        let Self::Binary(encoded) = self else { return self.scalar().into() };
        let bytes = decode_base64(encoded).unwrap_or_default();
        let mut text = String::new();
        for part in bytes.utf8_chunks() {
            text.push_str(part.valid());
            text.extend(part.invalid().iter().map(|_| '\u{fffd}'));
        }
        text.into()
    }

    /// Tells whether lines of its own are needed.
    fn is_nested(&self) -> bool {
        match self {
            Self::List(items) => !items.is_empty(),
            Self::Map { entries, .. } => !entries.is_empty(),
            _ => false,
        }
    }
}

/// Writes a value; the text ends with a newline. Takes stack for each level of the value: a kilobyte or two.
#[must_use]
pub fn to_yaml_pretty(value: Pretty) -> String {
    let mut out = String::new();
    write(&mut out, value, 0);
    out
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Writes a value from where the line is: maps and lists begin there, and go on at the indentation.
fn write(out: &mut String, value: Pretty, indent: usize) {
    match value {
        Pretty::Map { mut entries, sorted } if !entries.is_empty() => {
            if sorted {
                sort_by(&mut entries, &|(a, _), (b, _)| is_less_to_v3(&a.sorted_by(), &b.sorted_by()));
            }
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    pad(out, indent);
                }
                entry(out, &key, value, indent);
            }
        }
        Pretty::List(items) if !items.is_empty() => {
            for (at, item) in items.into_iter().enumerate() {
                if at > 0 {
                    pad(out, indent);
                }
                out.push_str("- ");
                write(out, item, indent + 2);
            }
        }
        Pretty::List(_) => out.push_str("[]\n"),
        Pretty::Map { .. } => out.push_str("{}\n"),
        scalar => {
            out.push_str(&written(&scalar, indent.max(2)));
            out.push('\n');
        }
    }
}

/// The bytes that a key may have to stand in one line with its value.
const LONGEST_SIMPLE_KEY: usize = 128;

fn entry(out: &mut String, key: &Pretty, value: Pretty, indent: usize) {
    let text = key.scalar();
    let tag = if matches!(key, Pretty::Binary(_)) { "!!binary".len() } else { 0 };
    let simple =
        !text.contains(['\n', '\u{85}', '\u{2028}', '\u{2029}', '\r']) && text.len() + tag <= LONGEST_SIMPLE_KEY;
    if !simple {
        out.push_str("? ");
        out.push_str(&written(key, indent + 2));
        out.push('\n');
        pad(out, indent);
        out.push_str(": ");
        write(out, value, indent + 2);
        return;
    }
    out.push_str(&written(key, indent + 2));
    out.push(':');
    if value.is_nested() {
        out.push('\n');
        pad(out, indent + 2);
    } else {
        out.push(' ');
    }
    write(out, value, indent + 2);
}

/// Stands for a tab, which libyaml takes for a character to be escaped, and go-yaml v3 does not.
const TAB: char = '\u{f8fe}';

/// Returns a scalar without the line end after it; the lines of a block begin at the indentation.
fn written(scalar: &Pretty, indent: usize) -> String {
    let (text, tag) = match scalar {
        Pretty::Plain(text) => return text.clone(),
        Pretty::Binary(text) => (text, "!!binary "),
        other => (&other.scalar().to_owned(), ""),
    };
    let needs_quotes = tag.is_empty() && needs_quotes_to_v3(text);
    let block = text.contains('\n');
    let style = if block {
        ScalarStyle::Literal
    } else if needs_quotes || text.contains('\t') {
        ScalarStyle::DoubleQuoted
    } else {
        ScalarStyle::Plain
    };
    format!("{tag}{}", self::scalar(text, style, indent))
}

/// Writes a scalar in a style, or in the next best one; see [`written`].
pub(crate) fn scalar(text: &str, style: ScalarStyle, indent: usize) -> String {
    let hidden = text.replace('\t', &TAB.to_string());
    let made = if hidden.contains(is_escaped_by_go) || text.starts_with(BYTE_ORDER_MARK) {
        // All of a text after a byte order mark is escaped, and tabs as tabs.
        let source = if text.starts_with(BYTE_ORDER_MARK) { text } else { &hidden };
        emitted(&hide_escapes(source), ScalarStyle::DoubleQuoted)
    } else {
        emitted(&hidden, style)
    };
    let quoted = made.starts_with('"');
    let made = restore_escapes(&made).replace(TAB, if quoted { "\\t" } else { "\t" });
    let is_block = made.starts_with(['|', '>']) && !quoted;
    if is_block { made.replace("\n  ", &format!("\n{}", " ".repeat(indent))) } else { made }
}

fn emitted(text: &str, style: ScalarStyle) -> String {
    let events = [
        Event::stream_start(Encoding::Utf8),
        Event::document_start(None, &[], true),
        Event::scalar(None, None, text, true, true, style),
        Event::document_end(true),
        Event::stream_end(),
    ];
    let text = write_events(events, false);
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}
