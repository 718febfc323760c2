//! The lexer: template text to tokens, by the rules of Go's `text/template/parse`.

use crate::quote;
use crate::unicode::{decode, is_digit, is_letter, is_print};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Bool,
    /// A printable ASCII character; grab bag for comma etc.
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    fn is_keyword(self) -> bool {
        use Kind::{Block, Break, Continue, Define, Dot, Else, End, If, Nil, Range, Template, With};
        matches!(self, Block | Break | Continue | Dot | Define | Else | End | If | Nil | Range | Template | With)
    }
}

/// A token: where it starts and ends in the text, and on which line it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) line: u32,
}

impl Item {
    pub(crate) const NONE: Self = Self { kind: Kind::Error, start: 0, end: 0, line: 0 };
}

pub(crate) struct Lexer<'t> {
    /// The whole text, which tokens point into; `input` is emptied by an error.
    whole: &'t [u8],
    input: &'t [u8],
    left: &'t [u8],
    right: &'t [u8],
    pos: usize,
    start: usize,
    parens: usize,
    line: u32,
    start_line: u32,
    inside: bool,
    /// Whether `break` and `continue` are keywords: they are not where functions have these names.
    pub(crate) break_is_keyword: bool,
    pub(crate) continue_is_keyword: bool,
    /// What is wrong, once a token of kind `Error` was given.
    error: Option<String>,
}

const SPACES: &[u8] = b" \t\r\n";

impl<'t> Lexer<'t> {
    pub(crate) fn new(input: &'t [u8], left: &'t [u8], right: &'t [u8]) -> Self {
        Self {
            whole: input,
            input,
            left,
            right,
            pos: 0,
            start: 0,
            parens: 0,
            line: 1,
            start_line: 1,
            inside: false,
            break_is_keyword: true,
            continue_is_keyword: true,
            error: None,
        }
    }

    /// Returns the text of a token.
    pub(crate) fn text_of(&self, item: Item) -> &'t [u8] {
        &self.whole[item.start as usize..item.end as usize]
    }

    /// Returns how Go's parser names a token in its messages.
    pub(crate) fn describe(&self, item: Item) -> String {
        let text = self.text_of(item);
        match item.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => self.error.clone().unwrap_or_default(),
            kind if kind.is_keyword() => format!("<{}>", String::from_utf8_lossy(text)),
            _ if text.len() > 10 => {
                let mut end = 0;
                for _ in 0..10 {
                    end += decode(&text[end..]).1;
                }
                format!("{}...", quote::quoted(&text[..end]))
            }
            _ => quote::quoted(text),
        }
    }

    fn rest(&self) -> &'t [u8] {
        &self.input[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        let rest = self.rest();
        if rest.is_empty() { None } else { Some(decode(rest).0) }
    }

    fn next(&mut self) -> Option<char> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let (c, len) = decode(rest);
        self.pos += len;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn item(&mut self, kind: Kind) -> Item {
        let item = Item { kind, start: self.start as u32, end: self.pos as u32, line: self.start_line };
        self.start = self.pos;
        self.start_line = self.line;
        item
    }

    /// Skips over what was passed without counting its lines.
    fn ignore(&mut self) {
        self.count_lines();
        self.start = self.pos;
        self.start_line = self.line;
    }

    fn count_lines(&mut self) {
        self.line += memchr::memchr_iter(b'\n', &self.input[self.start..self.pos]).count() as u32;
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.next();
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn error(&mut self, message: impl Into<String>) -> Item {
        let item = Item { kind: Kind::Error, start: self.start as u32, end: self.start as u32, line: self.start_line };
        self.error = Some(message.into());
        self.start = 0;
        self.pos = 0;
        self.input = &[];
        item
    }

    pub(crate) fn next_item(&mut self) -> Item {
        if self.inside { self.inside_action() } else { self.text() }
    }

    fn text(&mut self) -> Item {
        loop {
            let Some(at) = find(self.rest(), self.left) else {
                self.pos = self.input.len();
                if self.pos > self.start {
                    self.count_lines();
                    return self.item(Kind::Text);
                }
                return self.item(Kind::Eof);
            };
            if at > 0 {
                self.pos += at;
                let after = &self.input[self.pos + self.left.len()..];
                let trim = if has_left_trim(after) {
                    let text = &self.input[self.start..self.pos];
                    text.len() - text.iter().rposition(|byte| !SPACES.contains(byte)).map_or(0, |last| last + 1)
                } else {
                    0
                };
                self.pos -= trim;
                self.count_lines();
                let item = self.item(Kind::Text);
                self.pos += trim;
                self.ignore();
                if item.end > item.start {
                    return item;
                }
            }
            if let Some(item) = self.left_delim() {
                return item;
            }
        }
    }

    /// Reads the left delimiter; `None` when a comment followed, and text goes on.
    fn left_delim(&mut self) -> Option<Item> {
        self.pos += self.left.len();
        let marker = if has_left_trim(self.rest()) { 2 } else { 0 };
        if self.input[self.pos + marker..].starts_with(b"/*") {
            self.pos += marker;
            self.ignore();
            return self.comment();
        }
        let item = self.item(Kind::LeftDelim);
        self.inside = true;
        self.pos += marker;
        self.ignore();
        self.parens = 0;
        Some(item)
    }

    fn comment(&mut self) -> Option<Item> {
        self.pos += 2;
        let Some(at) = find(self.rest(), b"*/") else { return Some(self.error("unclosed comment")) };
        self.pos += at + 2;
        let Some(trim) = self.at_right_delim() else {
            return Some(self.error("comment ends before closing delimiter"));
        };
        self.count_lines();
        self.start = self.pos;
        self.start_line = self.line;
        if trim {
            self.pos += 2;
        }
        self.pos += self.right.len();
        if trim {
            self.pos += left_spaces(self.rest());
        }
        self.ignore();
        None
    }

    /// Tells whether a right delimiter follows, and if so whether it trims.
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim(rest) && begins(&rest[2..], self.right) {
            return Some(true);
        }
        begins(rest, self.right).then_some(false)
    }

    fn right_delim(&mut self) -> Item {
        let trim = self.at_right_delim() == Some(true);
        if trim {
            self.pos += 2;
            self.ignore();
        }
        self.pos += self.right.len();
        let item = self.item(Kind::RightDelim);
        if trim {
            self.pos += left_spaces(self.rest());
            self.ignore();
        }
        self.inside = false;
        item
    }

    fn inside_action(&mut self) -> Item {
        if self.at_right_delim().is_some() {
            if self.parens == 0 {
                return self.right_delim();
            }
            return self.error("unclosed left paren");
        }
        let Some(c) = self.peek() else { return self.error("unclosed action") };
        if is_space(c) {
            return self.space();
        }
        if c.is_ascii_digit() || c == '+' || c == '-' {
            return self.number();
        }
        if is_alphanumeric(c) {
            return self.identifier();
        }
        self.next();
        match c {
            '=' => self.item(Kind::Assign),
            ':' => {
                if self.next() == Some('=') {
                    self.item(Kind::Declare)
                } else {
                    self.error("expected :=")
                }
            }
            '|' => self.item(Kind::Pipe),
            '"' => self.quoted(b'"', "unterminated quoted string", Kind::String),
            '\'' => self.quoted(b'\'', "unterminated character constant", Kind::CharConstant),
            '`' => {
                let rest = self.rest();
                let Some(end) = memchr::memchr(b'`', rest) else {
                    return self.error("unterminated raw quoted string");
                };
                self.line += memchr::memchr_iter(b'\n', &rest[..end]).count() as u32;
                self.pos += end + 1;
                self.item(Kind::RawString)
            }
            '$' => {
                if self.at_terminator() {
                    self.item(Kind::Variable)
                } else {
                    self.field_or_variable(Kind::Variable)
                }
            }
            '.' => match self.rest().first() {
                Some(byte) if !byte.is_ascii_digit() => self.field_or_variable(Kind::Field),
                _ => {
                    self.pos -= 1;
                    self.number()
                }
            },
            '(' => {
                self.parens += 1;
                self.item(Kind::LeftParen)
            }
            ')' => {
                let Some(parens) = self.parens.checked_sub(1) else { return self.error("unexpected right paren") };
                self.parens = parens;
                self.item(Kind::RightParen)
            }
            c if c.is_ascii() && is_print(c) => self.item(Kind::Char),
            c => self.error(format!("unrecognized character in action: {}", code_point(c))),
        }
    }

    fn space(&mut self) -> Item {
        let count = left_spaces(self.rest());
        let spaces = &self.rest()[..count];
        self.line += memchr::memchr_iter(b'\n', spaces).count() as u32;
        self.pos += count;
        let last = &self.input[self.pos - 1..];
        if has_right_trim(last) && begins(&last[2..], self.right) {
            self.pos -= 1;
            if self.input[self.pos] == b'\n' {
                self.line -= 1;
            }
            if count == 1 {
                return self.right_delim();
            }
        }
        self.item(Kind::Space)
    }

    fn identifier(&mut self) -> Item {
        self.skip_word();
        if !self.at_terminator() {
            return self.bad_character();
        }
        let kind = match &self.input[self.start..self.pos] {
            b"block" => Kind::Block,
            b"break" if self.break_is_keyword => Kind::Break,
            b"continue" if self.continue_is_keyword => Kind::Continue,
            b"define" => Kind::Define,
            b"else" => Kind::Else,
            b"end" => Kind::End,
            b"if" => Kind::If,
            b"range" => Kind::Range,
            b"nil" => Kind::Nil,
            b"template" => Kind::Template,
            b"with" => Kind::With,
            b"true" | b"false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.item(kind)
    }

    fn field_or_variable(&mut self, kind: Kind) -> Item {
        if self.at_terminator() {
            return self.item(if kind == Kind::Variable { kind } else { Kind::Dot });
        }
        self.skip_word();
        if !self.at_terminator() {
            return self.bad_character();
        }
        self.item(kind)
    }

    /// Goes past letters, digits and underscores.
    fn skip_word(&mut self) {
        loop {
            // Nearly always all of it is ASCII.
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let rest = self.rest();
            self.pos += rest.iter().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
            if !self.peek().is_some_and(|c| !c.is_ascii() && is_alphanumeric(c)) {
                return;
            }
            self.next();
        }
    }

    fn bad_character(&mut self) -> Item {
        // At the end of the input every word is terminated, so that there is a character.
        let c = self.peek().unwrap_or(crate::unicode::REPLACEMENT);
        self.error(format!("bad character {}", code_point(c)))
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || begins(self.rest(), self.right),
        }
    }

    fn quoted(&mut self, quote: u8, unterminated: &str, kind: Kind) -> Item {
        loop {
            // What does not end or escape anything is passed at once.
            let rest = self.rest();
            self.pos += memchr::memchr3(quote, b'\\', b'\n', rest).unwrap_or(rest.len());
            match self.next() {
                Some('\\') => {
                    if matches!(self.next(), None | Some('\n')) {
                        return self.error(unterminated);
                    }
                }
                None | Some('\n') => return self.error(unterminated),
                Some(c) if c == char::from(quote) => return self.item(kind),
                Some(_) => {}
            }
        }
    }

    fn number(&mut self) -> Item {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            // Complex: 1+2i. No spaces, must end in 'i'.
            if !self.scan_number() || self.input[self.pos - 1] != b'i' {
                return self.bad_number();
            }
            return self.item(Kind::Complex);
        }
        self.item(Kind::Number)
    }

    fn bad_number(&mut self) -> Item {
        let text = quote::quoted(&self.input[self.start..self.pos]);
        self.error(format!("bad number syntax: {text}"))
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if !exponent.is_empty() && self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

/// Formats a character as Go's `%#U` does.
fn code_point(c: char) -> String {
    if is_print(c) { format!("U+{:04X} '{c}'", u32::from(c)) } else { format!("U+{:04X}", u32::from(c)) }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    // Delimiters are a few bytes: to prepare a search for them would cost more than it saves.
    let (first, rest) = what.split_first()?;
    memchr::memchr_iter(*first, text).find(|at| text[at + 1..].starts_with(rest))
}

/// Tells whether a text begins with a delimiter: nearly always the first byte says no.
fn begins(text: &[u8], delimiter: &[u8]) -> bool {
    text.first() == delimiter.first() && text.starts_with(delimiter)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || is_letter(c) || is_digit(c)
}

fn left_spaces(text: &[u8]) -> usize {
    text.iter().position(|byte| !SPACES.contains(byte)).unwrap_or(text.len())
}

fn has_left_trim(text: &[u8]) -> bool {
    matches!(text, [b'-', space, ..] if SPACES.contains(space))
}

fn has_right_trim(text: &[u8]) -> bool {
    matches!(text, [space, b'-', ..] if SPACES.contains(space))
}
