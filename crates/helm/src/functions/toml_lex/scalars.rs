//! Texts, numbers, dates and truths of TOML.

use bowline_gotmpl::quote;

use super::super::case::is_letter;
use super::{Fail, Item, Kind, Lexer, Next, is_digit, is_line_end, quoted};

impl Lexer<'_> {
    pub(super) fn string(&mut self) -> Next {
        loop {
            let c = self.next()?;
            match c {
                None => return self.fail("unexpected EOF; expected '\"'"),
                _ if is_line_end(c) => return self.fail_line_before("strings cannot contain newlines"),
                Some('\\') => self.escape()?,
                Some('"') => {
                    self.give_back();
                    let kind = if std::mem::take(&mut self.escaped) { Kind::Escaped } else { Kind::Plain };
                    return self.closed(kind, 1);
                }
                _ => {}
            }
        }
    }

    /// Emits the text before so many closing marks.
    fn closed(&mut self, kind: Kind, marks: usize) -> Next {
        self.emit(kind);
        for _ in 0..marks {
            self.next()?;
        }
        self.ignore();
        self.back_out()
    }

    pub(super) fn raw(&mut self) -> Next {
        loop {
            let c = self.next()?;
            match c {
                None => return self.fail("unexpected EOF; expected \"'\""),
                _ if is_line_end(c) => return self.fail_line_before("strings cannot contain newlines"),
                Some('\'') => {
                    self.give_back();
                    return self.closed(Kind::Raw, 1);
                }
                _ => {}
            }
        }
    }

    pub(super) fn multiline(&mut self) -> Next {
        loop {
            match self.next()? {
                None => return self.fail("unexpected EOF; expected '\"\"\"'"),
                Some('\\') => {
                    if !is_line_end(self.next()?) {
                        self.give_back();
                        self.escape()?;
                    }
                }
                Some('"') => {
                    if let Some(next) =
                        self.closing('"', |read| read.ends_with(b"\"\"\"\"\"") && !read.ends_with(b"\\\"\"\"\"\""))?
                    {
                        self.escaped = false;
                        return next;
                    }
                }
                Some(_) => {}
            }
        }
    }

    pub(super) fn raw_multiline(&mut self) -> Next {
        loop {
            match self.next()? {
                None => return self.fail("unexpected EOF; expected \"'''\""),
                Some('\'') => {
                    if let Some(next) = self.closing('\'', |read| read.ends_with(b"'''''"))? {
                        return next;
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// Reads what may be the end of a text of many lines, after its first mark. Marks may come before the last three.
    fn closing(&mut self, mark: char, too_many: impl Fn(&[u8]) -> bool) -> Result<Option<Next>, Fail> {
        if !self.accept(mark)? {
            return Ok(None);
        }
        if !self.accept(mark)? {
            self.give_back();
            return Ok(None);
        }
        if self.peek()? == Some(mark) {
            if too_many(&self.input[self.start..self.at]) {
                let six = String::from(mark).repeat(6);
                let around = if mark == '"' { '\'' } else { '"' };
                return Ok(Some(self.fail(format!("unexpected {around}{six}{around}"))));
            }
            self.give_back();
            self.give_back();
            return Ok(None);
        }
        for _ in 0..3 {
            self.give_back();
        }
        let kind = if mark == '"' { Kind::Multiline } else { Kind::RawMultiline };
        Ok(Some(self.closed(kind, 3)))
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<(), Fail> {
        self.escaped = true;
        let c = self.next()?;
        let (digits, words) = match c {
            Some('e' | 'b' | 't' | 'n' | 'f' | 'r' | '"' | ' ' | '\t' | '\\') => return Ok(()),
            Some('x') => (2, "two hexadecimal digits after '\\x'"),
            Some('u') => (4, "four hexadecimal digits after '\\u'"),
            Some('U') => (8, "eight hexadecimal digits after '\\U'"),
            _ => {
                let message = format!("invalid escape in string '\\{}'", c.unwrap_or('\0'));
                return Err(Fail { line: self.line - i64::from(self.ended), message });
            }
        };
        for _ in 0..digits {
            if !self.next()?.is_some_and(|c| c.is_ascii_hexdigit()) {
                let current = quote(self.current().as_bytes());
                return self.fail(format!("expected {words}, but got {current} instead")).map(|_| ());
            }
        }
        Ok(())
    }

    pub(super) fn number_or_date(&mut self) -> Next {
        if self.next()? == Some('0') {
            let c = self.next()?;
            match c {
                _ if is_digit(c) => {}
                Some('_') => return self.decimal(),
                Some('.' | 'e' | 'E') => return self.float(),
                Some('b') => return self.based("a binary", |c| matches!(c, '0' | '1')),
                Some('o') => return self.based("an octal", |c| matches!(c, '0'..='7')),
                Some('x') => return self.based("a hexadecimal", |c| c.is_ascii_hexdigit()),
                _ => {
                    self.give_back();
                    return self.emitted(Kind::Integer);
                }
            }
        }
        loop {
            let c = self.next()?;
            match c {
                _ if is_digit(c) => {}
                Some('-' | ':') => return self.datetime(),
                Some('_') => return self.decimal(),
                Some('.' | 'e' | 'E') => return self.float(),
                _ => {
                    self.give_back();
                    return self.emitted(Kind::Integer);
                }
            }
        }
    }

    fn datetime(&mut self) -> Next {
        while self.next()?.is_some_and(|c| matches!(c, '0'..='9' | '-' | ':' | 'T' | 't' | ' ' | '.' | 'Z' | 'z' | '+'))
        {
        }
        self.give_back();
        let item = Item { kind: Kind::Datetime, text: self.current().trim().to_owned(), line: self.line };
        self.items.push_back(Ok(item));
        self.start = self.at;
        self.back_out()
    }

    fn based(&mut self, name: &str, is_digit: impl Fn(char) -> bool) -> Next {
        let c = self.peek()?;
        if !c.is_some_and(&is_digit) {
            let shown = format!("{}{}", self.current(), c.unwrap_or('\0'));
            return self.fail(format!("not {name} number: '{shown}'"));
        }
        while self.next()?.is_some_and(|c| is_digit(c) || c == '_') {}
        self.give_back();
        self.emitted(Kind::Integer)
    }

    fn decimal(&mut self) -> Next {
        loop {
            match self.next()? {
                Some('0'..='9' | '_') => {}
                Some('.' | 'e' | 'E') => return self.float(),
                _ => {
                    self.give_back();
                    return self.emitted(Kind::Integer);
                }
            }
        }
    }

    fn float(&mut self) -> Next {
        while self.next()?.is_some_and(|c| matches!(c, '0'..='9' | '_' | '.' | '-' | '+' | 'e' | 'E')) {}
        self.give_back();
        self.emitted(Kind::Float)
    }

    /// Reads a number after its sign.
    pub(super) fn signed(&mut self) -> Next {
        let c = self.next()?;
        match c {
            Some('i') if !(self.accept('n')? && self.accept('f')?) => {
                self.fail(format!("invalid float: '{}'", self.current()))
            }
            Some('n') if !(self.accept('a')? && self.accept('n')?) => {
                self.fail(format!("invalid float: '{}'", self.current()))
            }
            Some('i' | 'n') => self.emitted(Kind::Float),
            Some('.') => self.fail("floats must start with a digit, not '.'"),
            Some('0') => match self.peek()? {
                Some(base @ ('b' | 'o' | 'x')) => {
                    self.fail(format!("cannot use sign with non-decimal numbers: '{}{base}'", self.current()))
                }
                _ => self.decimal(),
            },
            Some('1'..='9') => self.decimal(),
            _ => self.fail(format!("expected a digit but got {}", quoted(c))),
        }
    }

    pub(super) fn boolean(&mut self) -> Next {
        let mut word = String::new();
        while let Some(c) = self.next()?.filter(|c| is_letter(*c)) {
            word.push(c);
        }
        self.give_back();
        if word == "true" || word == "false" {
            return self.emitted(Kind::Bool);
        }
        self.fail(format!("expected value but found {} instead", quote(word.as_bytes())))
    }
}
