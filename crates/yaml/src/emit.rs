//! Values to text, in the style of `sigs.k8s.io/yaml`: go-yaml v2's writer.
//!
//! Blocks of two spaces, lists not indented under their key, keys in go-yaml's order, texts plain where they
//! stay texts, double quotes where they would not, literal blocks for several lines.

use libyaml_safer::{Emitter, Encoding, Event, MappingStyle, ScalarStyle, SequenceStyle};
use serde_json::{Number, Value};

use crate::number::{format_float, integral};
use crate::resolve::needs_quotes;
use crate::sort::sort_keys;

/// Writes a value as `sigs.k8s.io/yaml` does.
///
/// The text ends with a newline. Reading it back gives the same value, a float without a fraction read as an
/// integer.
pub fn to_yaml(value: &Value) -> String {
    crate::quick::write(value).unwrap_or_else(|| write_fully(value))
}

/// Writes a value, whatever is in it.
pub(crate) fn write_fully(value: &Value) -> String {
    let mut events = vec![Event::stream_start(Encoding::Utf8), Event::document_start(None, &[], true)];
    push_value(&mut events, value);
    events.push(Event::document_end(true));
    events.push(Event::stream_end());
    restore_escapes(&write_events(events, true))
}

/// Writes the events of one document; long lines are folded where that is asked for.
pub(crate) fn write_events(events: impl IntoIterator<Item = Event>, folds: bool) -> String {
    let mut output = Vec::new();
    let mut emitter = Emitter::new();
    emitter.set_output_string(&mut output);
    emitter.set_unicode(true);
    if !folds {
        emitter.set_width(-1);
    }
    for event in events {
        emitter.emit(event).expect("holds because the events are balanced and memory takes every write");
    }
    drop(emitter);
    let text = String::from_utf8(output).expect("holds because the writer was asked for UTF-8");
    // libyaml closes a document whose last block keeps its newlines with `...`; go-yaml does not.
    match text.strip_suffix("...\n") {
        Some(body) if body.ends_with('\n') => body.to_owned(),
        _ => text,
    }
}

fn push_value(events: &mut Vec<Event>, value: &Value) {
    match value {
        Value::Null => events.push(plain("null")),
        Value::Bool(true) => events.push(plain("true")),
        Value::Bool(false) => events.push(plain("false")),
        Value::Number(number) => events.push(plain(&number_text(number))),
        Value::String(text) => events.push(text_event(text)),
        Value::Array(items) => {
            events.push(Event::sequence_start(None, None, true, SequenceStyle::Block));
            for item in items {
                push_value(events, item);
            }
            events.push(Event::sequence_end());
        }
        Value::Object(map) => {
            events.push(Event::mapping_start(None, None, true, MappingStyle::Block));
            let mut keys: Vec<&String> = map.keys().collect();
            sort_keys(&mut keys);
            for key in keys {
                events.push(text_event(key));
                push_value(events, &map[key.as_str()]);
            }
            events.push(Event::mapping_end());
        }
    }
}

pub(crate) fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            integral(float).map_or_else(|| format_float(float), |whole| whole.to_string())
        }
        _ => number.to_string(),
    }
}

fn plain(text: &str) -> Event {
    Event::scalar(None, None, text, true, true, ScalarStyle::Plain)
}

/// Go writes JSON first and reads that as YAML, where this character is a line break that is folded.
const NEXT_LINE: char = '\u{85}';

fn folded(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(NEXT_LINE) {
        made.push_str(rest[..at].trim_end_matches(' '));
        let after = rest[at..].trim_start_matches([NEXT_LINE, ' ']);
        let breaks = rest[at..rest.len() - after.len()].matches(NEXT_LINE).count();
        if breaks == 1 {
            made.push(' ');
        }
        made.extend(std::iter::repeat_n('\n', breaks - 1));
        rest = after;
    }
    made + rest
}

fn text_event(text: &str) -> Event {
    if text.contains(NEXT_LINE) {
        return text_event(&folded(text));
    }
    if text.contains(is_escaped_by_go) || text.starts_with(BYTE_ORDER_MARK) {
        return Event::scalar(None, None, &hide_escapes(text), true, true, ScalarStyle::DoubleQuoted);
    }
    let style = if text.contains('\n') {
        ScalarStyle::Literal
    } else if needs_quotes(text) {
        ScalarStyle::DoubleQuoted
    } else {
        ScalarStyle::Plain
    };
    Event::scalar(None, None, text, true, true, style)
}

/// Stands for a backslash that libyaml must not see. It is a private character, which libyaml just writes; a
/// text that has it is kept whole by [`ITSELF`].
const MARKER: char = '\u{f8ff}';
const ITSELF: char = 'i';
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// go-yaml v2 takes only the basic plane for printable.
pub(crate) fn is_escaped_by_go(c: char) -> bool {
    c > '\u{ffff}' || c == MARKER
}

/// Puts as many columns in place of each character as go-yaml's escape has, so that long lines fold where
/// go-yaml's do.
///
/// go-yaml looks for a byte order mark at the start of the text whichever character it writes, and so escapes
/// all of a text that begins with one.
pub(crate) fn hide_escapes(text: &str) -> String {
    let all = text.starts_with(BYTE_ORDER_MARK);
    let mut hidden = String::with_capacity(text.len());
    for c in text.chars() {
        let code = u32::from(c);
        match c {
            MARKER if !all => hidden.extend([MARKER, ITSELF]),
            c if !all && !is_escaped_by_go(c) => hidden.push(c),
            '\u{a0}' => hidden.extend([MARKER, '_']),
            // These have short escapes, which libyaml writes as well.
            '\0' | '\u{7}'..='\r' | '\u{1b}' | '"' | '\\' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                hidden.push(c);
            }
            c => {
                let escape = match c {
                    '\0'..='\u{ff}' => format!("{MARKER}x{code:02X}"),
                    '\u{100}'..='\u{ffff}' => format!("{MARKER}u{code:04X}"),
                    _ => format!("{MARKER}U{code:08X}"),
                };
                hidden.push_str(&escape);
            }
        }
    }
    hidden
}

pub(crate) fn restore_escapes(text: &str) -> String {
    let mut parts = text.split(MARKER);
    let mut restored = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.strip_prefix(ITSELF) {
            Some(rest) => {
                restored.push(MARKER);
                restored.push_str(rest);
            }
            None => {
                restored.push('\\');
                restored.push_str(part);
            }
        }
    }
    restored
}
