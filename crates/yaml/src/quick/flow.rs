//! Flow collections: `[a, b]`, `{a: b}`.

use std::borrow::Cow;

use super::{MAX_KEY_BYTES, Make, Name, Place, Reader};
use crate::nodes::Style;

impl<'t, M: Make> Reader<'t, M> {
    /// Reads a flow collection that is a node, and goes to what comes next.
    pub(super) fn flow_node(&mut self, place: Place) -> Option<M::Made> {
        let value = self.flow(place)?;
        self.end_of_node()?;
        Some(value)
    }

    fn flow(&mut self, place: Place) -> Option<M::Made> {
        match self.byte(self.at) {
            b'[' => self.flow_list(place),
            b'{' => self.flow_map(place),
            b'"' | b'\'' => {
                let style = Style::of_quote(self.byte(self.at));
                let text = self.quoted()?;
                // `'a'b` and the like.
                let is_end = matches!(self.byte(self.at), b' ' | b'\n' | b',' | b']' | b'}' | b':');
                is_end.then(|| self.maker.text(text, style, place.keep))
            }
            _ => {
                let text = self.flow_plain()?;
                self.maker.plain(text, place.keep)
            }
        }
    }

    fn flow_list(&mut self, place: Place) -> Option<M::Made> {
        let inside = self.inside(place.parent, place)?;
        let mut items = M::List::default();
        self.at += 1;
        self.flow_blanks()?;
        if self.byte(self.at) == b']' {
            self.at += 1;
            return Some(self.maker.list(items));
        }
        loop {
            let item = self.flow(inside)?;
            if place.keep {
                self.maker.add_item(&mut items, item);
            }
            if self.flow_goes_on(b']')? {
                continue;
            }
            return Some(self.maker.list(items));
        }
    }

    fn flow_map(&mut self, place: Place) -> Option<M::Made> {
        let inside = self.inside(place.parent, place)?;
        let mut map = M::Map::default();
        self.at += 1;
        self.flow_blanks()?;
        if self.byte(self.at) == b'}' {
            self.at += 1;
            return Some(self.maker.map(map));
        }
        loop {
            let start = self.at;
            let name = match self.byte(start) {
                quote @ (b'"' | b'\'') => Name { text: self.quoted()?, style: Style::of_quote(quote) },
                _ => Name { text: Cow::Borrowed(self.flow_plain()?), style: Style::Plain },
            };
            // Behind a quoted key the `:` needs no blank.
            let quoted = name.style != Style::Plain;
            if self.byte(self.at) != b':' || !(quoted || self.is_blank_or_end(self.at + 1)) {
                return None;
            }
            if self.at - start >= MAX_KEY_BYTES || self.bytes[start..self.at].contains(&b'\n') {
                return None;
            }
            self.at += 1;
            self.flow_blanks()?;
            let key = self.maker.key(name)?;
            let value = self.flow(inside)?;
            if place.keep {
                self.maker.add_entry(&mut map, key, value)?;
            }
            if self.flow_goes_on(b'}')? {
                continue;
            }
            return Some(self.maker.map(map));
        }
    }

    /// Goes to the next item, or past the end of the collection, and tells which; a comma must have an item after it.
    fn flow_goes_on(&mut self, end: u8) -> Option<bool> {
        self.flow_blanks()?;
        let byte = self.byte(self.at);
        self.at += 1;
        if byte == end {
            return Some(false);
        }
        if byte != b',' {
            return None;
        }
        self.flow_blanks()?;
        (!matches!(self.byte(self.at), b',' | b']' | b'}')).then_some(true)
    }

    /// Goes past spaces and line ends.
    fn flow_blanks(&mut self) -> Option<()> {
        loop {
            match self.bytes.get(self.at)? {
                b' ' => self.at += 1,
                b'\n' => {
                    self.at += 1;
                    // Indicators of documents, and directives.
                    if self.is_three(self.at) || self.byte(self.at) == b'%' {
                        return None;
                    }
                }
                _ => return Some(()),
            }
        }
    }

    /// Reads a plain scalar on one line, without anything in it that may mean something else.
    fn flow_plain(&mut self) -> Option<&'t str> {
        let start = self.at;
        let first = self.byte(start);
        let begins = first.is_ascii_alphanumeric()
            || matches!(first, b'/' | b'.' | b'_' | b'~' | b'+' | b'$' | b'(' | b'^' | b'<' | b'=')
            || (first == b'-' && self.byte(start + 1).is_ascii_alphanumeric());
        if !begins {
            return None;
        }
        let mut at = start;
        loop {
            match self.byte(at) {
                b',' | b']' | b'}' | b'\n' => break,
                b':' if self.is_blank_or_end(at + 1) => break,
                b':' if matches!(self.byte(at + 1), b',' | b'?' | b'[' | b']' | b'{' | b'}') => return None,
                b'[' | b'{' | b'?' | b'#' | b'\t' => return None,
                _ => at += 1,
            }
        }
        let text = self.text[start..at].trim_end_matches(' ');
        self.at = at;
        // One that goes on behind a line end is left to the full reader.
        if self.byte(at) == b'\n' {
            self.flow_blanks()?;
            if !matches!(self.byte(self.at), b',' | b']' | b'}') {
                return None;
            }
        }
        Some(text)
    }
}
