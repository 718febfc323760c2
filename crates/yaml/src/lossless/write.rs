//! New values as text: in one line, in lines of their own, or as a block scalar.
//!
//! What is written here is read back before it is kept, so that these rules need only be good, not perfect.

use std::fmt::Write as _;

use serde_json::Value;

use crate::compose::Style;
use crate::emit::number_text;
use crate::resolve::{needs_quotes, needs_quotes_to_v3};

/// How the text around an edit is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// How many columns a map is indented under its key.
    pub(super) step: usize,
    /// How many columns the dashes of a list are.
    pub(super) list_offset: usize,
    /// How keys are written where the neighbours are so: `Single`, `Double`, or `Plain` for as needed.
    pub(super) keys: Style,
    /// How texts are.
    pub(super) texts: Style,
    /// Which quotes are taken where some are needed.
    pub(super) quotes: Style,
    /// Whether a blank stands after the colons of neighbours in brackets.
    pub(super) spaced: bool,
}

impl Manner {
    /// The same, with everything in double quotes: what is read right wherever it stands.
    pub(super) fn careful(self) -> Self {
        Self { keys: Style::DOUBLE, texts: Style::DOUBLE, ..self }
    }
}

/// Returns a scalar, or a map or list within brackets, in one line.
pub(super) fn inline(value: &Value, manner: &Manner, in_flow: bool) -> String {
    let mut out = String::new();
    append(&mut out, value, manner, in_flow);
    out
}

fn append(out: &mut String, value: &Value, manner: &Manner, in_flow: bool) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(text) => out.push_str(&styled(text, manner.texts, manner.quotes, in_flow)),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                append(out, item, manner, true);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                append_entry(out, key, value, manner);
            }
            out.push('}');
        }
    }
}

/// Returns an entry as it stands within brackets.
pub(super) fn flow_entry(key: &str, value: &Value, manner: &Manner) -> String {
    let mut out = String::new();
    append_entry(&mut out, key, value, manner);
    out
}

fn append_entry(out: &mut String, key: &str, value: &Value, manner: &Manner) {
    let key = styled(key, manner.keys, manner.quotes, true);
    // Only after a quoted key is a colon without a blank one that ends it.
    let blank = if manner.spaced || !key.ends_with('"') { " " } else { "" };
    out.push_str(&key);
    out.push(':');
    out.push_str(blank);
    append(out, value, manner, true);
}

/// Returns a text in the wanted style, or in another that can hold it.
pub(super) fn styled(text: &str, style: Style, quotes: Style, in_flow: bool) -> String {
    let quotes = match style {
        Style::SINGLE | Style::DOUBLE => style,
        _ if is_plain(text, in_flow) => return text.to_owned(),
        _ => quotes,
    };
    if quotes == Style::SINGLE && is_single(text) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    double(text)
}

/// Tells whether a text without quotes is still that text, to readers of YAML 1.1 and 1.2.
fn is_plain(text: &str, in_flow: bool) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return false };
    let second = chars.next().unwrap_or(' ');
    let first_is_good = match first {
        '-' | '?' | ':' => !(second.is_whitespace() || in_flow && ",[]{}".contains(second)),
        c => !c.is_whitespace() && !",[]{}#&*!|>'\"%@`".contains(c),
    };
    first_is_good
        && text != "<<"
        && text != "="
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !(in_flow && text.contains([',', '[', ']', '{', '}', '?']))
        && !(text.starts_with("---") || text.starts_with("..."))
        && text.chars().all(is_shown)
        && !needs_quotes(text)
        && !needs_quotes_to_v3(text)
}

fn is_single(text: &str) -> bool {
    text.chars().all(is_shown)
}

/// Tells whether a character can stand in a text as it is, in any style and line.
fn is_shown(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

/// Returns a text in double quotes, by escapes that JSON has too.
pub(super) fn double(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_shown(c) => out.push(c),
            c => write!(out, "\\u{:04x}", u32::from(c)).expect("holds because memory takes it"),
        }
    }
    out + "\""
}

/// A scalar in lines of its own.
pub(super) struct Block {
    /// What stands where the value begins: `|2-`.
    pub(super) header: String,
    /// The lines after it.
    pub(super) lines: Vec<String>,
}

/// Writes a text as a literal block; `None` of one that such a block cannot hold, or that is better written otherwise.
///
/// The lines begin at `column`, which is `offset` more than the block around it has.
pub(super) fn literal(text: &str, offset: usize, column: usize) -> Option<Block> {
    if !text.contains('\n') || !text.chars().all(|c| is_shown(c) || matches!(c, '\n' | '\t')) {
        return None;
    }
    let body = text.trim_end_matches('\n');
    if body.trim().is_empty() {
        return None;
    }
    let mut header = "|".to_owned();
    if text.starts_with([' ', '\t', '\n']) {
        header.push_str(&Some(offset).filter(|by| (1..=9).contains(by))?.to_string());
    }
    header.push_str(chomping(text));
    Some(Block { header, lines: padded(text, column) })
}

/// The sign of what becomes of the line breaks at the end of a text.
pub(super) fn chomping(text: &str) -> &'static str {
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => "-",
        1 if !body.is_empty() => "",
        _ => "+",
    }
}

/// Returns the lines of a text, indented; empty ones stay empty. The last line break is none of its own.
pub(super) fn padded(text: &str, column: usize) -> Vec<String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let pad = " ".repeat(column);
    text.split('\n').map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") }).collect()
}

/// Tells whether a value is written in lines of its own where there is room.
pub(super) fn is_nested(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        _ => false,
    }
}

/// Returns the lines of a map or list by indentation; all but the first are indented. A scalar is one line.
pub(super) fn block_lines(value: &Value, column: usize, manner: &Manner) -> Vec<String> {
    let mut lines = Vec::new();
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                lines.extend(entry_lines(key, value, manner));
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                lines.extend(item_lines(item, manner, 2));
            }
        }
        scalar => lines.push(inline(scalar, manner, false)),
    }
    indent_all_but_first(&mut lines, column);
    lines
}

/// The lines here have no indentation of their own, but for what is deeper; so that callers indent them once.
fn indent_all_but_first(lines: &mut [String], column: usize) {
    let pad = " ".repeat(column);
    for line in lines.iter_mut().skip(1) {
        if !line.is_empty() {
            line.insert_str(0, &pad);
        }
    }
}

/// Returns the lines of one entry, without the indentation that its map has.
pub(super) fn entry_lines(key: &str, value: &Value, manner: &Manner) -> Vec<String> {
    let mut first = styled(key, manner.keys, manner.quotes, false);
    first.push(':');
    let offset = if value.is_array() { manner.list_offset } else { manner.step };
    if is_nested(value) {
        let mut nested = block_lines(value, offset, manner);
        nested[0].insert_str(0, &" ".repeat(offset));
        nested.insert(0, first);
        return nested;
    }
    first.push(' ');
    scalar_lines(first, value, offset, manner)
}

/// Returns the lines of one item, without the indentation of its dash; its content stands `gap` columns after that.
pub(super) fn item_lines(value: &Value, manner: &Manner, gap: usize) -> Vec<String> {
    let mut first = "-".to_owned();
    first.push_str(&" ".repeat(gap.max(2) - 1));
    if is_nested(value) {
        let mut nested = block_lines(value, gap.max(2), manner);
        nested[0].insert_str(0, &first);
        return nested;
    }
    scalar_lines(first, value, 2, manner)
}

fn scalar_lines(mut first: String, value: &Value, offset: usize, manner: &Manner) -> Vec<String> {
    if let Value::String(text) = value
        && manner.texts == Style::PLAIN
        && let Some(block) = literal(text, offset, offset)
    {
        first.push_str(&block.header);
        return std::iter::once(first).chain(block.lines).collect();
    }
    first.push_str(&inline(value, manner, false));
    vec![first]
}
