//! Values as Go's `%#v` prints them, which is how go-yaml tells of keys that cannot be.

use std::fmt::Write as _;

use crate::Rules;
use crate::compose::{Content, Id, Tree};
use crate::number::{Num, format_float};
use crate::resolve::{Meaning, resolve, resolve_tagged};

/// How much of a key is told.
const LONGEST: usize = 4096;

/// Returns what a node prints as; the end of a long one is left out.
pub(crate) fn shown(tree: &Tree, id: Id, rules: Rules) -> String {
    let mut out = String::new();
    append(&mut out, tree, id, rules);
    out
}

/// Returns what a node prints as that is an operand itself: nil is told otherwise then.
pub(crate) fn shown_alone(tree: &Tree, id: Id, rules: Rules) -> String {
    let made = shown(tree, id, rules);
    if made == NIL { "<nil>".to_owned() } else { made }
}

const NIL: &str = "interface {}(nil)";

fn append(out: &mut String, tree: &Tree, id: Id, rules: Rules) {
    if out.len() > LONGEST || tree.endless.contains_key(&id) {
        return;
    }
    let node = &tree.nodes[tree.follow(id)];
    match &node.content {
        Content::List(items) => {
            out.push_str("[]interface {}{");
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                append(out, tree, *item, rules);
            }
            out.push('}');
        }
        Content::Map(entries) => {
            let mut all: Vec<String> = Vec::new();
            for (key, value) in entries.iter().take(LONGEST) {
                let mut entry = shown(tree, *key, rules);
                entry.push(':');
                append(&mut entry, tree, *value, rules);
                all.push(entry);
            }
            // Nothing comes first.
            all.sort_by(|a, b| (!a.starts_with(NIL)).cmp(&!b.starts_with(NIL)).then(a.cmp(b)));
            out.push_str("map[interface {}]interface {}{");
            out.push_str(&all.join(", "));
            out.push('}');
        }
        Content::Scalar { text, plain, .. } => {
            let meaning = match &node.tag {
                Some(tag) => resolve_tagged(tag, text, rules).unwrap_or(Meaning::Text),
                None if *plain => resolve(text, rules),
                None => Meaning::Text,
            };
            out.push_str(&scalar(&meaning, text));
        }
        Content::Alias(_) => {}
    }
}

fn scalar(meaning: &Meaning, text: &str) -> String {
    match meaning {
        Meaning::Null => NIL.to_owned(),
        Meaning::Bool(truth) => truth.to_string(),
        Meaning::Number(Num::Signed(number)) => number.to_string(),
        Meaning::Number(Num::Unsigned(number)) => format!("{number:#x}"),
        Meaning::Number(Num::Float(number)) if number.is_nan() => "NaN".to_owned(),
        Meaning::Number(Num::Float(number)) if number.is_infinite() => {
            if *number > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
        }
        Meaning::Number(Num::Float(number)) => format_float(*number),
        Meaning::Timestamp(_) | Meaning::Text => quoted(text),
    }
}

/// Quotes a text as Go does, its escapes those of `strconv.Quote`.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || c == '\u{7f}' => {
                write!(out, "\\x{:02x}", u32::from(c)).expect("holds because memory takes it");
            }
            c if is_hidden(c) && c > '\u{ffff}' => {
                write!(out, "\\U{:08x}", u32::from(c)).expect("holds because memory takes it");
            }
            c if is_hidden(c) => write!(out, "\\u{:04x}", u32::from(c)).expect("holds because memory takes it"),
            c => out.push(c),
        }
    }
    out + "\""
}

/// Tells whether a character beyond ASCII shows nothing: blanks, controls, formats and private ones.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || c > '~' && c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}')
        || matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..)
}
