//! A quick reader, and writer, of the YAML that programs write: block maps and lists, plain and quoted scalars, block scalars, flow
//! collections of those.
//!
//! It gives what the full reader gives, or declines: anything unusual or wrong (anchors, tags, merge keys, tabs outside
//! comments and block scalars, complex keys, directives) is left to the full reader, which tells what is wrong. So it
//! needs no errors of its own, no places and no tree: `None` means that it declines. A test holds the two equal.

mod flow;
mod make;
mod scalar;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use make::{Make, Name};
pub(crate) use write::write;

use std::borrow::Cow;

use serde_json::Value;

use crate::Rules;
use crate::nodes::Style;
use crate::split::Chunk;
use make::Values;

/// Deeper texts are left to the full reader: this one calls itself for each level.
const MAX_DEPTH: usize = 64;
/// Where keys end that the full reader may no longer take for keys.
const MAX_KEY_BYTES: usize = 1000;

/// What a piece of a stream says: nothing, or one document and the line it begins at.
#[derive(Debug, PartialEq)]
pub(crate) enum Read<T = Value> {
    Nothing,
    Document(T, u32),
}

/// Reads a piece of a stream that holds one document at most.
///
/// Of a map at the top only the entries whose keys are `wanted` are made; the others are checked all the same.
pub(crate) fn read(chunk: &Chunk<'_>, rules: Rules, max_depth: usize, wanted: &dyn Fn(&str) -> bool) -> Option<Read> {
    let text = std::str::from_utf8(chunk.text).ok()?;
    Some(match read_by(Values { rules, wanted }, text, max_depth)? {
        Read::Nothing => Read::Nothing,
        Read::Document(value, line) => Read::Document(value, chunk.lines_before + line),
    })
}

/// Reads a text that holds one document at most, and returns what was made of it and the line it begins at, from 1; what
/// was made before the reader declined is of no use.
pub(crate) fn read_by<M: Make>(maker: M, text: &str, max_depth: usize) -> Option<Read<M::Made>> {
    if !is_usual(text) {
        return None;
    }
    // Blanks alone on a last line may be part of a block scalar. One that has no end otherwise gets one.
    let last_line = &text[text.rfind('\n').map_or(0, |at| at + 1)..];
    let (ended, unbroken_end) = if last_line.is_empty() {
        (Cow::Borrowed(text), usize::MAX)
    } else if last_line.bytes().all(|byte| byte == b' ') {
        return None;
    } else {
        let mut ended = String::with_capacity(text.len() + 1);
        ended.push_str(text);
        ended.push('\n');
        (Cow::Owned(ended), text.len())
    };
    let max_depth = max_depth.min(MAX_DEPTH);
    let mut reader =
        Reader { bytes: ended.as_bytes(), text: &ended, at: 0, next: None, unbroken_end, maker, max_depth };
    reader.begin()?;
    let Some(root) = reader.next else { return Some(Read::Nothing) };
    let line = ended[..reader.at].matches('\n').count() as u32 + 1;
    let made = reader.root(root)?;
    reader.next.is_none().then_some(Read::Document(made, line))
}

/// Tells whether a text has no characters but those that YAML allows and that mean nothing to lines.
fn is_usual(text: &str) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    // Without a branch for each byte.
    let all_plain = |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & is_plain(byte));
    text.as_bytes().chunks(256).all(all_plain)
        || text.chars().all(|c| match c {
            ..'\u{80}' => is_plain(&(c as u8)),
            '\u{2028}' | '\u{2029}' | '\u{feff}' => false,
            _ => matches!(c, '\u{a0}'..='\u{fffd}' | '\u{10000}'..),
        })
}

struct Reader<'t, M> {
    /// The text; its last line has an end.
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// After each node: the column of what comes next, which `at` stands at; `None` at the end of the text.
    next: Option<usize>,
    /// Where the text ends, if its last line has no end of its own.
    unbroken_end: usize,
    maker: M,
    max_depth: usize,
}

/// Where a node stands.
#[derive(Clone, Copy)]
struct Place {
    /// The column of the map or list around it.
    parent: usize,
    depth: usize,
    /// Whether its value is made.
    keep: bool,
}

enum Key<'t> {
    /// A key, and where its `:` is.
    Is(Name<'t>, usize),
    /// Something else begins here.
    No,
}

impl<'t, M: Make> Reader<'t, M> {
    /// Returns the byte at a place; there always is a line end before the end.
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b'\n')
    }

    fn is_blank_or_end(&self, at: usize) -> bool {
        matches!(self.byte(at), b' ' | b'\n')
    }

    /// Goes past spaces.
    fn skip_spaces(&mut self) {
        while self.byte(self.at) == b' ' && self.at < self.bytes.len() {
            self.at += 1;
        }
    }

    /// Goes to the beginning of the next line.
    fn skip_line(&mut self) {
        self.at = self.text[self.at..].find('\n').map_or(self.text.len(), |end| self.at + end + 1);
    }

    /// Goes from the beginning of a line to what comes next that is no comment.
    fn content(&mut self) -> Option<()> {
        loop {
            let line = self.at;
            self.skip_spaces();
            match self.bytes.get(self.at) {
                None => {
                    self.next = None;
                    return Some(());
                }
                Some(b'\n') => self.at += 1,
                Some(b'#') => self.skip_line(),
                Some(byte) => {
                    // Indicators of documents, and directives.
                    if self.at == line && (matches!(byte, b'-' | b'.') && self.is_three(line) || *byte == b'%') {
                        return None;
                    }
                    self.next = Some(self.at - line);
                    return Some(());
                }
            }
        }
    }

    /// Tells whether `---` or `...` stands at a place.
    fn is_three(&self, at: usize) -> bool {
        matches!(self.bytes.get(at..at + 3), Some(b"---" | b"..."))
    }

    /// Goes from the end of a node to what comes next; there may be nothing but a comment on the line.
    fn end_of_node(&mut self) -> Option<()> {
        self.end_of_line()?;
        self.content()
    }

    fn end_of_line(&mut self) -> Option<()> {
        let end = self.at;
        self.skip_spaces();
        match self.byte(self.at) {
            b'\n' => self.at += 1,
            b'#' if self.at > end => self.skip_line(),
            _ => return None,
        }
        Some(())
    }

    /// Goes to the document's content, past a line of `---`.
    fn begin(&mut self) -> Option<()> {
        loop {
            let line = self.at;
            self.skip_spaces();
            match self.bytes.get(self.at) {
                Some(b'\n') => self.at += 1,
                Some(b'#') => self.skip_line(),
                Some(b'-') if self.at == line && self.bytes[line..].starts_with(b"---") => {
                    self.at += 3;
                    self.end_of_line()?;
                    return self.content();
                }
                _ => {
                    self.at = line;
                    return self.content();
                }
            }
        }
    }

    fn root(&mut self, column: usize) -> Option<M::Made> {
        let place = Place { parent: 0, depth: 0, keep: true };
        match self.byte(self.at) {
            b'-' if self.is_blank_or_end(self.at + 1) => self.list(column, place),
            b'{' | b'[' => self.flow_node(place),
            _ => match self.key()? {
                Key::Is(name, colon) => self.map(column, place, (name, colon)),
                Key::No => None,
            },
        }
    }

    /// Reads what begins at a column of its own: on a line, or behind the `-` of a list.
    fn block(&mut self, column: usize, place: Place) -> Option<M::Made> {
        match self.byte(self.at) {
            b'-' if self.is_blank_or_end(self.at + 1) => self.list(column, place),
            b'{' | b'[' => self.flow_node(place),
            _ => match self.key()? {
                Key::Is(name, colon) => self.map(column, place, (name, colon)),
                Key::No => self.scalar(place),
            },
        }
    }

    fn inside(&self, column: usize, place: Place) -> Option<Place> {
        (place.depth < self.max_depth).then_some(Place { parent: column, depth: place.depth + 1, ..place })
    }

    fn list(&mut self, column: usize, place: Place) -> Option<M::Made> {
        let inside = self.inside(column, place)?;
        let mut items = M::List::default();
        loop {
            let dash = self.at;
            self.at += 1;
            self.skip_spaces();
            let item = if matches!(self.byte(self.at), b'\n' | b'#') {
                self.at = dash + 1;
                self.end_of_node()?;
                match self.next {
                    Some(next) if next > column => self.block(next, inside)?,
                    _ => self.maker.nothing(),
                }
            } else {
                self.block(column + (self.at - dash), inside)?
            };
            if place.keep {
                self.maker.add_item(&mut items, item);
            }
            match self.next {
                Some(next) if next == column => {}
                Some(next) if next > column => return None,
                _ => break,
            }
            if !(self.byte(self.at) == b'-' && self.is_blank_or_end(self.at + 1)) {
                break;
            }
        }
        Some(self.maker.list(items))
    }

    fn map(&mut self, column: usize, place: Place, first: (Name<'t>, usize)) -> Option<M::Made> {
        let mut inside = self.inside(column, place)?;
        let mut map = M::Map::default();
        let (mut name, mut colon) = first;
        loop {
            let key = self.maker.key(name)?;
            inside.keep = place.keep && (place.depth > 0 || self.maker.is_wanted(&key));
            self.at = colon + 1;
            self.skip_spaces();
            let value = if matches!(self.byte(self.at), b'\n' | b'#') {
                self.at = colon + 1;
                self.end_of_node()?;
                match self.next {
                    Some(next) if next > column => self.block(next, inside)?,
                    // A list may stand as far left as its key.
                    Some(next) if next == column && self.byte(self.at) == b'-' && self.is_blank_or_end(self.at + 1) => {
                        self.list(column, inside)?
                    }
                    _ => self.maker.nothing(),
                }
            } else if matches!(self.byte(self.at), b'{' | b'[') {
                self.flow_node(inside)?
            } else {
                self.scalar(inside)?
            };
            if inside.keep {
                self.maker.add_entry(&mut map, key, value)?;
            }
            match self.next {
                Some(next) if next == column => {}
                Some(next) if next > column => return None,
                _ => break,
            }
            let Key::Is(next_name, next_colon) = self.key()? else { return None };
            (name, colon) = (next_name, next_colon);
        }
        Some(self.maker.map(map))
    }

    /// Looks for a key at this place, which must be on one line; goes nowhere.
    fn key(&mut self) -> Option<Key<'t>> {
        let start = self.at;
        match self.byte(start) {
            quote @ (b'"' | b'\'') => {
                let (text, end) = self.quoted_ahead()?;
                let colon = end + self.bytes[end..].iter().take_while(|byte| **byte == b' ').count();
                if self.byte(colon) != b':' || !self.is_blank_or_end(colon + 1) {
                    return Some(Key::No);
                }
                let is_on_line = !self.bytes[start..end].contains(&b'\n');
                (is_on_line && colon - start < MAX_KEY_BYTES)
                    .then_some(Key::Is(Name { text, style: Style::of_quote(quote) }, colon))
            }
            b'|' | b'>' => Some(Key::No),
            _ if !self.may_begin_plain(start) => None,
            _ => {
                for (offset, byte) in self.bytes[start..].iter().enumerate() {
                    let at = start + offset;
                    match byte {
                        b':' if self.is_blank_or_end(at + 1) => {
                            let text = self.text[start..at].trim_end_matches(' ');
                            let name = Name { text: Cow::Borrowed(text), style: Style::Plain };
                            return (offset < MAX_KEY_BYTES).then_some(Key::Is(name, at));
                        }
                        b'\n' => break,
                        b'#' if self.bytes[at - 1] == b' ' => break,
                        b'\t' => return None,
                        _ => {}
                    }
                }
                Some(Key::No)
            }
        }
    }

    /// Tells whether a plain scalar may begin at a place, outside of flow collections.
    fn may_begin_plain(&self, at: usize) -> bool {
        match self.byte(at) {
            b'-' | b'?' | b':' => !matches!(self.byte(at + 1), b' ' | b'\n' | b'\t'),
            b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@'
            | b'`' | b' ' | b'\n' | b'\t' => false,
            _ => true,
        }
    }
}
