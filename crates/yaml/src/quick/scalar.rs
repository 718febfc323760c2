//! Scalars: plain, quoted, and blocks.

use std::borrow::Cow;

use super::{Make, Place, Reader};
use crate::nodes::Style;

/// What becomes of the line ends at the end of a block scalar.
#[derive(PartialEq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

impl<'t, M: Make> Reader<'t, M> {
    /// Reads a scalar that is a node, and goes to what comes next.
    pub(super) fn scalar(&mut self, place: Place) -> Option<M::Made> {
        match self.byte(self.at) {
            b'|' => self.block_scalar(true, place),
            b'>' => self.block_scalar(false, place),
            quote @ (b'"' | b'\'') => {
                let text = self.quoted()?;
                self.end_of_node()?;
                Some(self.maker.text(text, Style::of_quote(quote), place.keep))
            }
            _ => self.plain(place),
        }
    }

    fn plain(&mut self, place: Place) -> Option<M::Made> {
        if !self.may_begin_plain(self.at) {
            return None;
        }
        let (first, mut is_open) = self.plain_line()?;
        let mut text = Cow::Borrowed(first);
        while is_open {
            // Lines that stand deeper than what is around the scalar belong to it.
            let mut blank_lines = 0;
            let line = loop {
                let line = self.at;
                self.skip_spaces();
                if self.at == self.bytes.len() {
                    break self.at;
                }
                if self.byte(self.at) != b'\n' {
                    break line;
                }
                self.at += 1;
                blank_lines += 1;
            };
            if self.at - line <= place.parent || self.byte(self.at) == b'#' {
                self.at = line;
                break;
            }
            let (part, goes_on) = self.plain_line()?;
            fold(text.to_mut(), blank_lines);
            text.to_mut().push_str(part);
            is_open = goes_on;
        }
        self.content()?;
        self.maker.plain(&text, place.keep)
    }

    /// Reads what a line has of a plain scalar, goes to the next line, and tells whether the scalar may go on there.
    fn plain_line(&mut self) -> Option<(&'t str, bool)> {
        let start = self.at;
        let mut goes_on = true;
        let mut end = start;
        for byte in &self.bytes[start..] {
            match byte {
                b'\n' => break,
                b':' if self.is_blank_or_end(end + 1) => return None,
                b'#' if end > start && self.bytes[end - 1] == b' ' => {
                    goes_on = false;
                    break;
                }
                b'\t' => return None,
                _ => end += 1,
            }
        }
        self.at = end;
        self.skip_line();
        Some((self.text[start..end].trim_end_matches(' '), goes_on))
    }

    /// Reads a quoted scalar, and returns where it ends; goes nowhere.
    pub(super) fn quoted_ahead(&mut self) -> Option<(Cow<'t, str>, usize)> {
        let start = self.at;
        let text = self.quoted()?;
        Some((text, std::mem::replace(&mut self.at, start)))
    }

    /// Reads a quoted scalar, and goes to its end.
    pub(super) fn quoted(&mut self) -> Option<Cow<'t, str>> {
        let quote = self.byte(self.at);
        self.at += 1;
        let start = self.at;
        // Most have nothing in them that is not meant as it stands.
        let plain = self.bytes[start..]
            .iter()
            .position(|byte| *byte == quote || matches!(byte, b'\n' | b'\t') || (*byte == b'\\' && quote == b'"'))?;
        let end = start + plain;
        if self.bytes[end] == quote && self.byte(end + 1) != b'\'' {
            self.at = end + 1;
            return Some(Cow::Borrowed(&self.text[start..end]));
        }
        let mut made = self.text[start..end].to_owned();
        // What comes before is kept at the end of a line, spaces after it are not.
        let mut kept = made.trim_end_matches(' ').len();
        self.at = end;
        loop {
            match *self.bytes.get(self.at)? {
                b'\'' if quote == b'\'' => {
                    if self.byte(self.at + 1) != b'\'' {
                        break;
                    }
                    made.push('\'');
                    kept = made.len();
                    self.at += 2;
                }
                b'"' if quote == b'"' => break,
                b'\\' if quote == b'"' => {
                    if self.byte(self.at + 1) == b'\n' {
                        self.at += 1;
                        let breaks = self.line_ends()?;
                        made.extend(std::iter::repeat_n('\n', breaks - 1));
                    } else {
                        made.push(self.escaped()?);
                    }
                    kept = made.len();
                }
                b'\n' => {
                    made.truncate(kept);
                    let breaks = self.line_ends()?;
                    fold(&mut made, breaks - 1);
                    kept = made.len();
                }
                b'\t' => return None,
                byte => {
                    let from = self.at;
                    let is_end = |byte: &u8| matches!(byte, b'\'' | b'"' | b'\\' | b'\n' | b'\t' | b' ');
                    self.at += self.bytes[from + 1..].iter().position(is_end)? + 1;
                    made.push_str(&self.text[from..self.at]);
                    if byte != b' ' || self.at > from + 1 {
                        kept = made.len();
                    }
                }
            }
        }
        self.at += 1;
        Some(Cow::Owned(made))
    }

    /// Goes past line ends and the spaces after them, and returns how many line ends there were.
    fn line_ends(&mut self) -> Option<usize> {
        let mut count = 0;
        while self.bytes.get(self.at) == Some(&b'\n') {
            count += 1;
            self.at += 1;
            // Indicators of documents may not stand within.
            if self.is_three(self.at) {
                return None;
            }
            self.skip_spaces();
        }
        Some(count)
    }

    /// Reads an escape of a double-quoted scalar.
    fn escaped(&mut self) -> Option<char> {
        let (c, digits) = match self.byte(self.at + 1) {
            b'0' => ('\0', 0),
            b'a' => ('\u{7}', 0),
            b'b' => ('\u{8}', 0),
            b't' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\u{b}', 0),
            b'f' => ('\u{c}', 0),
            b'r' => ('\r', 0),
            b'e' => ('\u{1b}', 0),
            b' ' => (' ', 0),
            b'"' => ('"', 0),
            b'\\' => ('\\', 0),
            b'x' => ('\0', 2),
            b'u' => ('\0', 4),
            b'U' => ('\0', 8),
            _ => return None,
        };
        self.at += 2;
        if digits == 0 {
            return Some(c);
        }
        let text = self.bytes.get(self.at..self.at + digits)?;
        self.at += digits;
        let code = text.iter().try_fold(0_u32, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))?;
        char::from_u32(code)
    }

    fn block_scalar(&mut self, literal: bool, place: Place) -> Option<M::Made> {
        let (chomping, increment) = self.block_header()?;
        let mut indent = increment.map_or(0, |increment| place.parent + increment);
        let mut text = String::new();
        let (mut has_break, mut was_blank) = (false, false);
        let (mut blank_lines, mut column) = self.block_indent(&mut indent, place.parent)?;
        while column == indent && self.at < self.bytes.len() {
            let is_blank = matches!(self.byte(self.at), b' ' | b'\t');
            if has_break && !literal && !was_blank && !is_blank {
                if blank_lines == 0 {
                    text.push(' ');
                }
            } else if has_break {
                text.push('\n');
            }
            text.extend(std::iter::repeat_n('\n', blank_lines));
            was_blank = is_blank;
            let start = self.at;
            self.skip_line();
            if place.keep {
                text.push_str(&self.text[start..self.at - 1]);
            }
            has_break = true;
            (blank_lines, column) = self.block_indent(&mut indent, place.parent)?;
        }
        if has_break && chomping != Chomping::Strip {
            text.push('\n');
        }
        if chomping == Chomping::Keep {
            text.extend(std::iter::repeat_n('\n', blank_lines));
        }
        // The line end that was added to the text is none of the scalar's.
        let line = self.at - column;
        if line >= self.unbroken_end && text.ends_with('\n') {
            text.pop();
        }
        self.at = line;
        self.content()?;
        let style = if literal { Style::Literal } else { Style::Folded };
        Some(self.maker.text(Cow::Owned(text), style, place.keep))
    }

    /// Reads what follows `|` or `>` on its line: what becomes of the last line ends, and how deep the text stands.
    fn block_header(&mut self) -> Option<(Chomping, Option<usize>)> {
        let (mut chomping, mut increment) = (None, None);
        self.at += 1;
        loop {
            match self.byte(self.at) {
                b'-' if chomping.is_none() => chomping = Some(Chomping::Strip),
                b'+' if chomping.is_none() => chomping = Some(Chomping::Keep),
                digit @ b'1'..=b'9' if increment.is_none() => increment = Some(usize::from(digit - b'0')),
                _ => break,
            }
            self.at += 1;
        }
        self.end_of_line()?;
        Some((chomping.unwrap_or(Chomping::Clip), increment))
    }

    /// Goes past blank lines and the spaces before a line of a block scalar, and returns how many lines there were and
    /// the column; finds out how deep the scalar stands if that is not known.
    fn block_indent(&mut self, indent: &mut usize, parent: usize) -> Option<(usize, usize)> {
        let (mut blank_lines, mut deepest) = (0, 0);
        let column = loop {
            let line = self.at;
            while (*indent == 0 || self.at - line < *indent) && self.bytes.get(self.at) == Some(&b' ') {
                self.at += 1;
            }
            let column = self.at - line;
            deepest = deepest.max(column);
            match self.bytes.get(self.at) {
                Some(b'\t') if *indent == 0 || column < *indent => return None,
                Some(b'\n') => self.at += 1,
                _ => break column,
            }
            blank_lines += 1;
        };
        if *indent == 0 {
            *indent = deepest.max(parent + 1);
        }
        Some((blank_lines, column))
    }
}

/// Joins two lines of a scalar, with so many blank ones between.
fn fold(text: &mut String, blank_lines: usize) {
    if blank_lines == 0 {
        text.push(' ');
    } else {
        text.extend(std::iter::repeat_n('\n', blank_lines));
    }
}
