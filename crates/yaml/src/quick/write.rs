//! A quick writer of values whose texts have no unusual characters: the style of [`crate::to_yaml`], without events.

use serde_json::{Map, Value};

use crate::emit::number_text;
use crate::resolve::needs_quotes;
use crate::sort::sort_keys;

/// Deeper values are left to the full writer: this one calls itself for each level.
const MAX_DEPTH: usize = 64;
/// Longer keys are written in another way.
const MAX_KEY_BYTES: usize = 128;
/// Texts are folded at the first space beyond this column.
const WIDTH: usize = 80;
/// How much deeper each level stands.
const STEP: usize = 2;

/// Writes a value as the full writer does, or declines.
pub(crate) fn write(value: &Value) -> Option<String> {
    let mut writer = Writer { out: String::new(), column: 0 };
    match value {
        Value::Object(map) if !map.is_empty() => writer.map(map, 0, 0)?,
        Value::Array(items) if !items.is_empty() => writer.list(items, 0, 0)?,
        // What has no indentation yet is folded and indented otherwise.
        Value::String(text) if 2 * text.len() > WIDTH || text.contains('\n') => return None,
        value => writer.node(value, 0)?,
    }
    if writer.column > 0 {
        writer.out.push('\n');
    }
    Some(writer.out)
}

struct Writer {
    out: String,
    /// How many characters the last line has.
    column: usize,
}

impl Writer {
    /// Writes text without line ends.
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += if text.is_ascii() { text.len() } else { text.chars().count() };
    }

    fn put_char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn line_end(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Goes to a column: of this line if nothing but indentation and dashes is on it, else of the next.
    fn indent(&mut self, column: usize, begun: bool) {
        if !begun && self.column > 0 {
            self.line_end();
        }
        self.out.extend(std::iter::repeat_n(' ', column.saturating_sub(self.column)));
        self.column = self.column.max(column);
    }

    /// Writes a map that is not empty; its first key follows what is on the line if that only begins the map.
    fn map(&mut self, map: &Map<String, Value>, indent: usize, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut keys: Vec<&String> = map.keys().collect();
        sort_keys(&mut keys);
        for (at, key) in keys.into_iter().enumerate() {
            self.indent(indent, at == 0);
            if key.len() > MAX_KEY_BYTES || key.contains('\n') {
                return None;
            }
            self.text(key, indent + STEP, false)?;
            self.put_char(':');
            match &map[key.as_str()] {
                Value::Object(inner) if !inner.is_empty() => {
                    self.line_end();
                    self.map(inner, indent + STEP, depth + 1)?;
                }
                Value::Array(items) if !items.is_empty() => {
                    self.line_end();
                    self.list(items, indent, depth + 1)?;
                }
                value => {
                    self.put_char(' ');
                    self.node(value, indent + STEP)?;
                }
            }
        }
        Some(())
    }

    /// Writes a list that is not empty.
    fn list(&mut self, items: &[Value], indent: usize, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        for (at, item) in items.iter().enumerate() {
            self.indent(indent, at == 0);
            self.put("- ");
            match item {
                Value::Object(inner) if !inner.is_empty() => self.map(inner, indent + STEP, depth + 1)?,
                Value::Array(inner) if !inner.is_empty() => self.list(inner, indent + STEP, depth + 1)?,
                value => self.node(value, indent + STEP)?,
            }
        }
        Some(())
    }

    /// Writes what stands on the line: a scalar, or an empty map or list.
    fn node(&mut self, value: &Value, indent: usize) -> Option<()> {
        match value {
            Value::Null => self.put("null"),
            Value::Bool(true) => self.put("true"),
            Value::Bool(false) => self.put("false"),
            Value::Number(number) => self.put(&number_text(number)),
            Value::String(text) => self.text(text, indent, true)?,
            Value::Array(_) => self.put("[]"),
            Value::Object(_) => self.put("{}"),
        }
        Some(())
    }

    /// Writes a text; `indent` is for its further lines, which a key may not have.
    fn text(&mut self, text: &str, indent: usize, folds: bool) -> Option<()> {
        let traits = Traits::of(text)?;
        if traits.has_break && !traits.has_tab && !traits.ends_with_space && !traits.space_before_break {
            self.literal(text, indent);
        } else if traits.has_break || traits.has_tab || needs_quotes(text) {
            self.double_quoted(text, indent, folds);
        } else if traits.may_be_plain {
            self.plain(text, indent, folds);
        } else {
            self.single_quoted(text, indent, folds);
        }
        Some(())
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put_char('|');
        if text.starts_with([' ', '\n']) {
            self.put_char('2');
        }
        match text.strip_suffix('\n') {
            None => self.put_char('-'),
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => self.put_char('+'),
            Some(_) => {}
        }
        self.line_end();
        for line in text.split_inclusive('\n') {
            let (line, is_ended) = line.strip_suffix('\n').map_or((line, false), |line| (line, true));
            if !line.is_empty() {
                self.out.extend(std::iter::repeat_n(' ', indent));
                self.out.push_str(line);
                self.column = indent + 1;
            }
            if is_ended {
                self.line_end();
            }
        }
    }

    fn plain(&mut self, text: &str, indent: usize, folds: bool) {
        if !folds || self.column + text.len() <= WIDTH {
            return self.put(text);
        }
        let mut after_space = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let is_space = c == ' ';
            if is_space && !after_space && self.column > WIDTH && chars.peek() != Some(&' ') {
                self.line_end();
                self.indent(indent, true);
            } else {
                self.put_char(c);
            }
            after_space = is_space;
        }
    }

    fn single_quoted(&mut self, text: &str, indent: usize, folds: bool) {
        self.put_char('\'');
        let (mut after_space, mut is_first) = (false, true);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let is_space = c == ' ';
            let may_break = folds && !after_space && self.column > WIDTH && !is_first;
            if is_space && may_break && chars.peek().is_some_and(|next| *next != ' ') {
                self.line_end();
                self.indent(indent, true);
            } else {
                if c == '\'' {
                    self.put_char('\'');
                }
                self.put_char(c);
            }
            (after_space, is_first) = (is_space, false);
        }
        self.put_char('\'');
    }

    fn double_quoted(&mut self, text: &str, indent: usize, folds: bool) {
        self.put_char('"');
        let (mut after_space, mut is_first) = (false, true);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let is_space = c == ' ';
            match c {
                '\n' => self.put("\\n"),
                '\t' => self.put("\\t"),
                '"' => self.put("\\\""),
                '\\' => self.put("\\\\"),
                ' ' if folds && !after_space && self.column > WIDTH && !is_first && chars.peek().is_some() => {
                    self.line_end();
                    self.indent(indent, true);
                    if chars.peek() == Some(&' ') {
                        self.put_char('\\');
                    }
                }
                c => self.put_char(c),
            }
            (after_space, is_first) = (is_space, false);
        }
        self.put_char('"');
    }
}

/// What decides how a text is written.
struct Traits {
    has_break: bool,
    has_tab: bool,
    ends_with_space: bool,
    space_before_break: bool,
    may_be_plain: bool,
}

impl Traits {
    /// Returns the traits of a text that has no unusual characters.
    fn of(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut traits = Self {
            has_break: false,
            has_tab: false,
            ends_with_space: bytes.last() == Some(&b' '),
            space_before_break: false,
            may_be_plain: true,
        };
        let Some(first) = bytes.first() else { return Some(traits) };
        let ends_at = |at: usize| matches!(bytes.get(at), None | Some(b' ' | b'\n'));
        match first {
            b' ' | b'#' | b',' | b'[' | b']' | b'{' | b'}' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%'
            | b'@' | b'`' => traits.may_be_plain = false,
            b'?' | b':' | b'-' if ends_at(1) => traits.may_be_plain = false,
            _ => {}
        }
        if text.starts_with("---") || text.starts_with("...") || traits.ends_with_space {
            traits.may_be_plain = false;
        }
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' => {
                    traits.has_break = true;
                    traits.space_before_break |= at > 0 && bytes[at - 1] == b' ';
                }
                b'\t' => traits.has_tab = true,
                b':' if ends_at(at + 1) => traits.may_be_plain = false,
                b'#' if at > 0 && bytes[at - 1] == b' ' => traits.may_be_plain = false,
                b' '..=b'~' => {}
                0x80.. => {}
                _ => return None,
            }
        }
        let is_usual = |c: char| {
            c.is_ascii()
                || (matches!(c, '\u{a1}'..='\u{d7ff}' | '\u{e000}'..='\u{f8fe}' | '\u{f900}'..='\u{fffd}')
                    && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'))
        };
        (text.is_ascii() || text.chars().all(is_usual)).then_some(traits)
    }
}
