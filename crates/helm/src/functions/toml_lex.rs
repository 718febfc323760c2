//! Taking TOML apart, as BurntSushi's lexer does: what it calls an error, and on which line, depends on its states.

mod scalars;

use std::collections::VecDeque;

use bowline_gotmpl::{IntKind, Value, decode_rune, sprintf};

use super::case::is_letter;
use super::runes::BAD;

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Eof,
    Text,
    Plain,
    Escaped,
    Raw,
    Multiline,
    RawMultiline,
    Bool,
    Integer,
    Float,
    Datetime,
    Array,
    ArrayEnd,
    TableStart,
    TableEnd,
    TablesStart,
    TablesEnd,
    KeyStart,
    KeyEnd,
    Comment,
    InlineStart,
    InlineEnd,
}

/// A piece, with the line where it ends.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) line: i64,
}

/// Why the lexer stops, and at which line.
#[derive(Debug)]
pub(super) struct Fail {
    pub(super) line: i64,
    pub(super) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Top,
    TopEnd,
    TableEnd,
    TablesEnd,
    TableName,
    TableNameEnd,
    BareName,
    QuotedName,
    Key,
    KeyName,
    KeyEnd,
    Value,
    ArrayValue,
    ArrayValueEnd,
    InlineValue,
    InlineValueEnd,
    Text,
    Multiline,
    Raw,
    RawMultiline,
    Comment,
}

type Next = Result<Option<State>, Fail>;

pub(super) struct Lexer<'t> {
    input: &'t [u8],
    start: usize,
    at: usize,
    line: i64,
    /// Whether the end was read, and not yet given back.
    ended: bool,
    escaped: bool,
    widths: [usize; 4],
    state: Option<State>,
    stack: Vec<State>,
    items: VecDeque<Result<Item, Fail>>,
}

fn is_blank(c: Option<char>) -> bool {
    matches!(c, Some('\t' | ' '))
}

fn is_line_end(c: Option<char>) -> bool {
    matches!(c, Some('\n' | '\r'))
}

fn is_digit(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_ascii_digit())
}

/// `%q` of a character; the end reads as NUL.
fn quoted(c: Option<char>) -> String {
    let number = Value::Int(IntKind::Int32, i64::from(u32::from(c.unwrap_or('\0'))));
    sprintf(b"%q", &[number]).to_text().into_owned()
}

fn or_end(c: Option<char>) -> String {
    c.map_or_else(|| "end of file".to_owned(), |c| format!("'{c}'"))
}

impl<'t> Lexer<'t> {
    pub(super) fn new(input: &'t [u8]) -> Self {
        Self {
            input,
            start: 0,
            at: 0,
            line: 1,
            ended: false,
            escaped: false,
            widths: [0; 4],
            state: Some(State::Top),
            stack: Vec::new(),
            items: VecDeque::new(),
        }
    }

    /// Returns the next piece.
    pub(super) fn item(&mut self) -> Result<Item, Fail> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return item;
            }
            let Some(state) = self.state else {
                return Ok(Item { kind: Kind::Eof, text: String::new(), line: self.line });
            };
            match self.step(state) {
                Ok(next) => self.state = next,
                Err(fail) => {
                    self.state = None;
                    self.items.push_back(Err(fail));
                }
            }
        }
    }

    fn step(&mut self, state: State) -> Next {
        match state {
            State::Top => self.top(),
            State::TopEnd => self.top_end(),
            State::TableEnd => {
                self.emit(Kind::TableEnd);
                Ok(Some(State::TopEnd))
            }
            State::TablesEnd => {
                let c = self.next()?;
                if c != Some(']') {
                    let c = quoted(c);
                    return self.fail(format!("expected end of table array name delimiter ']', but got {c} instead"));
                }
                self.emit(Kind::TablesEnd);
                Ok(Some(State::TopEnd))
            }
            State::TableName => self.table_name(),
            State::TableNameEnd => {
                self.skip_blanks()?;
                match self.next()? {
                    Some('.') => self.skip_to(State::TableName),
                    Some(']') => self.back_out(),
                    c => self.fail(format!("expected '.' or ']' to end table name, but got {} instead", quoted(c))),
                }
            }
            State::BareName => {
                while self.next()?.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {}
                self.give_back();
                self.emit(Kind::Text);
                self.back_out()
            }
            State::QuotedName => {
                let c = self.next()?;
                self.skip_to(if c == Some('"') { State::Text } else { State::Raw })
            }
            State::Key => self.key(),
            State::KeyName => {
                self.skip_blanks()?;
                match self.peek()? {
                    Some('"' | '\'') => {
                        self.ignore();
                        self.then(State::KeyEnd, State::QuotedName)
                    }
                    Some('=') | None => self.fail("unexpected '='"),
                    Some('.') => self.fail("unexpected '.'"),
                    _ => self.then(State::KeyEnd, State::BareName),
                }
            }
            State::KeyEnd => self.key_end(),
            State::Value => self.value(),
            State::ArrayValue => self.array_value(),
            State::ArrayValueEnd => self.array_value_end(),
            State::InlineValue => self.inline_value(),
            State::InlineValueEnd => self.inline_value_end(),
            State::Text => self.string(),
            State::Multiline => self.multiline(),
            State::Raw => self.raw(),
            State::RawMultiline => self.raw_multiline(),
            State::Comment => {
                loop {
                    let c = self.next()?;
                    if c.is_none() || is_line_end(c) {
                        break;
                    }
                }
                self.give_back();
                self.emit(Kind::Text);
                self.back_out()
            }
        }
    }

    /// Reads a character; `None` at the end.
    fn next(&mut self) -> Result<Option<char>, Fail> {
        let Some(byte) = self.input.get(self.at).copied() else {
            self.ended = true;
            return Ok(None);
        };
        if byte == b'\n' {
            self.line += 1;
        }
        let (c, width) = decode_rune(&self.input[self.at..]);
        if c == BAD && width == 1 {
            // Not by way of `fail`: it is told with the line it is on, at the end too.
            return Err(Fail { line: self.line, message: format!("invalid UTF-8 byte: 0x{byte:02x}") });
        }
        let is_control = matches!(c, '\0'..='\u{1f}' | '\u{7f}') && !matches!(c, '\t' | '\n' | '\r');
        if is_control || (c == '\r' && self.input.get(self.at + 1) != Some(&b'\n')) {
            let message = format!("TOML files cannot contain control characters: '0x{:02x}'", u32::from(c));
            return Err(Fail { line: self.line, message });
        }
        self.widths.rotate_right(1);
        self.widths[0] = width;
        self.at += width;
        Ok(Some(c))
    }

    /// Gives the last character back; up to four times.
    fn give_back(&mut self) {
        if std::mem::take(&mut self.ended) {
            return;
        }
        self.at -= self.widths[0];
        self.widths.rotate_left(1);
        self.widths[3] = 0;
        if self.input.get(self.at) == Some(&b'\n') {
            self.line -= 1;
        }
    }

    fn accept(&mut self, c: char) -> Result<bool, Fail> {
        if self.next()? == Some(c) {
            return Ok(true);
        }
        self.give_back();
        Ok(false)
    }

    fn peek(&mut self) -> Result<Option<char>, Fail> {
        let c = self.next()?;
        self.give_back();
        Ok(c)
    }

    fn ignore(&mut self) {
        self.start = self.at;
    }

    fn skip_blanks(&mut self) -> Result<(), Fail> {
        while is_blank(self.next()?) {}
        self.give_back();
        self.ignore();
        Ok(())
    }

    fn current(&self) -> String {
        String::from_utf8_lossy(&self.input[self.start..self.at]).into_owned()
    }

    fn emit(&mut self, kind: Kind) {
        let item = Item { kind, text: self.current(), line: self.line };
        self.items.push_back(Ok(item));
        self.start = self.at;
    }

    fn fail(&self, message: impl Into<String>) -> Next {
        let after_line = self.ended && self.at > 0 && self.input[self.at - 1] == b'\n';
        Err(Fail { line: self.line - i64::from(after_line), message: message.into() })
    }

    fn fail_line_before<T>(&self, message: impl Into<String>) -> Result<T, Fail> {
        Err(Fail { line: self.line - 1, message: message.into() })
    }

    #[expect(clippy::unnecessary_wraps, reason = "a step of the lexer gives a `Next`")]
    fn skip_to(&mut self, next: State) -> Next {
        self.ignore();
        Ok(Some(next))
    }

    /// Goes to a state, and afterwards to another one.
    #[expect(clippy::unnecessary_wraps, reason = "a step of the lexer gives a `Next`")]
    fn then(&mut self, after: State, next: State) -> Next {
        self.stack.push(after);
        Ok(Some(next))
    }

    #[expect(clippy::unnecessary_wraps, reason = "a step of the lexer gives a `Next`")]
    fn back_out(&mut self) -> Next {
        Ok(self.stack.pop())
    }

    fn emitted(&mut self, kind: Kind) -> Next {
        self.emit(kind);
        self.back_out()
    }

    #[expect(clippy::unnecessary_wraps, reason = "a step of the lexer gives a `Next`")]
    fn comment(&mut self, after: State) -> Next {
        self.stack.push(after);
        self.ignore();
        self.emit(Kind::Comment);
        Ok(Some(State::Comment))
    }

    fn top(&mut self) -> Next {
        let c = self.next()?;
        if is_blank(c) || is_line_end(c) {
            return self.skip_to(State::Top);
        }
        match c {
            Some('#') => self.comment(State::Top),
            Some('[') => {
                if self.peek()? == Some('[') {
                    self.next()?;
                    self.emit(Kind::TablesStart);
                    self.then(State::TablesEnd, State::TableName)
                } else {
                    self.emit(Kind::TableStart);
                    self.then(State::TableEnd, State::TableName)
                }
            }
            None => {
                self.emit(Kind::Eof);
                Ok(None)
            }
            Some(_) => {
                self.give_back();
                self.then(State::TopEnd, State::Key)
            }
        }
    }

    fn top_end(&mut self) -> Next {
        let c = self.next()?;
        match c {
            Some('#') => self.comment(State::Top),
            _ if is_blank(c) => Ok(Some(State::TopEnd)),
            _ if is_line_end(c) => self.skip_to(State::Top),
            None => {
                self.emit(Kind::Eof);
                Ok(None)
            }
            _ => {
                let c = quoted(c);
                self.fail(format!(
                    "expected a top-level item to end with a newline, comment, or EOF, but got {c} instead"
                ))
            }
        }
    }

    fn table_name(&mut self) -> Next {
        self.skip_blanks()?;
        match self.peek()? {
            Some(']') | None => self.fail("unexpected end of table name (table names cannot be empty)"),
            Some('.') => self.fail("unexpected table separator (table names cannot be empty)"),
            Some('"' | '\'') => {
                self.ignore();
                self.then(State::TableNameEnd, State::QuotedName)
            }
            _ => self.then(State::TableNameEnd, State::BareName),
        }
    }

    fn key(&mut self) -> Next {
        self.skip_blanks()?;
        match self.peek()? {
            Some('=') | None => self.fail("unexpected '=': key name appears blank"),
            Some('.') => self.fail("unexpected '.': keys cannot start with a '.'"),
            _ => {
                self.emit(Kind::KeyStart);
                Ok(Some(State::KeyName))
            }
        }
    }

    fn key_end(&mut self) -> Next {
        self.skip_blanks()?;
        let c = self.next()?;
        match c {
            None => self.fail("unexpected EOF; expected key separator '='"),
            Some('.') => self.skip_to(State::KeyName),
            Some('=') => {
                self.emit(Kind::KeyEnd);
                self.skip_to(State::Value)
            }
            Some('\n') => self.fail_line_before("expected '.' or '=', but got '\\n' instead"),
            _ => self.fail(format!("expected '.' or '=', but got {} instead", quoted(c))),
        }
    }

    fn value(&mut self) -> Next {
        let c = self.next()?;
        match c {
            Some('\t' | ' ') => self.skip_to(State::Value),
            Some('0'..='9') => {
                self.give_back();
                self.number_or_date()
            }
            Some('[') => {
                self.ignore();
                self.emit(Kind::Array);
                Ok(Some(State::ArrayValue))
            }
            Some('{') => {
                self.ignore();
                self.emit(Kind::InlineStart);
                Ok(Some(State::InlineValue))
            }
            Some(mark @ ('"' | '\'')) => {
                let (one, many) = match mark {
                    '"' => (State::Text, State::Multiline),
                    _ => (State::Raw, State::RawMultiline),
                };
                if self.accept(mark)? {
                    if self.accept(mark)? {
                        return self.skip_to(many);
                    }
                    self.give_back();
                }
                self.skip_to(one)
            }
            Some('.') => self.fail("floats must start with a digit, not '.'"),
            Some('-' | '+') => self.signed(),
            Some(c) => {
                if matches!(c, 'i' | 'n')
                    && (self.accept('n')? && self.accept('f')? || self.accept('a')? && self.accept('n')?)
                {
                    return self.emitted(Kind::Float);
                }
                if is_letter(c) {
                    self.give_back();
                    return self.boolean();
                }
                if c == '\n' {
                    return self.fail_line_before("expected value but found '\\n' instead");
                }
                self.fail(format!("expected value but found {} instead", quoted(Some(c))))
            }
            None => self.fail("unexpected EOF; expected value"),
        }
    }

    fn array_value(&mut self) -> Next {
        let c = self.next()?;
        match c {
            _ if is_blank(c) || is_line_end(c) => self.skip_to(State::ArrayValue),
            Some('#') => self.comment(State::ArrayValue),
            Some(',') => self.fail("unexpected comma"),
            Some(']') => self.array_end(),
            _ => {
                self.give_back();
                self.then(State::ArrayValueEnd, State::Value)
            }
        }
    }

    fn array_value_end(&mut self) -> Next {
        let c = self.next()?;
        match c {
            _ if is_blank(c) || is_line_end(c) => self.skip_to(State::ArrayValueEnd),
            Some('#') => self.comment(State::ArrayValueEnd),
            Some(',') => self.skip_to(State::ArrayValue),
            Some(']') => self.array_end(),
            _ => self.fail(format!("expected a comma (',') or array terminator (']'), but got {}", or_end(c))),
        }
    }

    fn array_end(&mut self) -> Next {
        self.ignore();
        self.emitted(Kind::ArrayEnd)
    }

    fn inline_value(&mut self) -> Next {
        let c = self.next()?;
        match c {
            _ if is_blank(c) || is_line_end(c) => self.skip_to(State::InlineValue),
            Some('#') => self.comment(State::InlineValue),
            Some(',') => self.fail("unexpected comma"),
            Some('}') => self.inline_end(),
            _ => {
                self.give_back();
                self.then(State::InlineValueEnd, State::Key)
            }
        }
    }

    fn inline_value_end(&mut self) -> Next {
        let c = self.next()?;
        match c {
            _ if is_blank(c) || is_line_end(c) => self.skip_to(State::InlineValueEnd),
            Some('#') => self.comment(State::InlineValueEnd),
            Some(',') => {
                self.ignore();
                self.skip_blanks()?;
                let end = self.peek()? == Some('}');
                Ok(Some(if end { State::InlineValueEnd } else { State::InlineValue }))
            }
            Some('}') => self.inline_end(),
            _ => {
                let c = or_end(c);
                self.fail(format!("expected a comma or an inline table terminator '}}', but got {c} instead"))
            }
        }
    }

    fn inline_end(&mut self) -> Next {
        self.ignore();
        self.emitted(Kind::InlineEnd)
    }
}
