//! Go's syntax of regular expressions, checked as Go checks it and said anew for the `regex` crate.

use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};

use super::{re2_classes, runes::decode};

/// Compiles a pattern; the error is what Go says after `error parsing regexp: `.
pub(super) fn compile(pattern: &[u8]) -> Result<Regex, String> {
    if let Err(error) = std::str::from_utf8(pattern) {
        return Err(format!("invalid UTF-8: `{}`", String::from_utf8_lossy(&pattern[error.valid_up_to()..])));
    }
    let mut parser = Parser {
        text: pattern,
        at: 0,
        out: String::with_capacity(pattern.len() + 8),
        names: Vec::new(),
        flags: Flags::default(),
    };
    parser.parse()?;
    RegexBuilder::new(&parser.out)
        .size_limit(16 << 20)
        .build()
        .map_err(|_| format!("expression too large: `{}`", String::from_utf8_lossy(pattern)))
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    out: String,
    names: Vec<String>,
    flags: Flags,
}

/// Which of `i`, `m`, `s` and `U` are on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Flags([bool; 4]);

impl Flags {
    const NAMES: &str = "imsU";

    fn set(&mut self, name: char, on: bool) {
        if let Some(at) = Self::NAMES.find(name) {
            self.0[at] = on;
        }
    }

    /// Returns the beginning of a group in which these flags hold.
    fn group(self) -> String {
        let named =
            |on: bool| Self::NAMES.chars().zip(self.0).filter(move |(_, flag)| *flag == on).map(|(name, _)| name);
        let (on, off): (String, String) = (named(true).collect(), named(false).collect());
        if off.is_empty() { format!("(?{on}:") } else { format!("(?{on}-{off}:") }
    }
}

/// What stands before a repetition: where it begins in what is made, and the flags it was read with.
#[derive(Debug, Clone, Copy)]
struct Operand {
    start: usize,
    flags: Flags,
    /// Where it ends, if flags were changed since.
    end: Option<usize>,
}

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// More repetitions than that Go does not take.
const MOST_REPEATS: u32 = 1000;

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn slice(&self, from: usize, to: usize) -> String {
        String::from_utf8_lossy(&self.text[from..to.min(self.text.len())]).into_owned()
    }

    fn rest(&self, from: usize) -> String {
        self.slice(from, self.text.len())
    }

    fn push_literal(&mut self, c: char) {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_' {
            let _ = write!(self.out, "\\x{:02x}", u32::from(c));
        } else {
            self.out.push(c);
        }
    }

    fn parse(&mut self) -> Result<(), String> {
        let whole = self.rest(0);
        // The groups that are open: where each begins, and the flags before it.
        let mut groups: Vec<(usize, Flags)> = Vec::new();
        // What stands before that can be repeated, and where the last repetition began.
        let mut operand: Option<Operand> = None;
        let mut last_repeat: Option<usize> = None;
        while let Some(byte) = self.peek() {
            let mut repeat = None;
            let (start, flags) = (self.out.len(), self.flags);
            let here = Some(Operand { start, flags, end: None });
            match byte {
                b'(' => {
                    let opens = if self.text[self.at..].starts_with(b"(?") {
                        self.flags()?
                    } else {
                        self.emit(1, "(");
                        true
                    };
                    if opens {
                        groups.push((start, flags));
                        operand = None;
                    } else if let Some(operand) = &mut operand {
                        // Flags are nothing to be repeated: what is before them is.
                        operand.end.get_or_insert(start);
                    }
                }
                b'|' => {
                    self.emit(1, "|");
                    operand = None;
                }
                b')' => {
                    let Some((start, flags)) = groups.pop() else {
                        return Err(format!("unexpected ): `{whole}`"));
                    };
                    self.flags = flags;
                    self.emit(1, ")");
                    operand = Some(Operand { start, flags, end: None });
                }
                b'^' | b'$' | b'.' => {
                    self.out.push(char::from(byte));
                    self.at += 1;
                    operand = here;
                }
                b'[' => {
                    self.class()?;
                    operand = here;
                }
                b'*' | b'+' | b'?' => {
                    let before = self.at;
                    self.at += 1;
                    repeat = Some(self.repeated(before, &char::from(byte).to_string(), &mut operand, last_repeat)?);
                }
                b'{' => {
                    let before = self.at;
                    if let Some((min, max, end)) = self.bounds() {
                        self.at = end;
                        let too_many = min > MOST_REPEATS || max.is_some_and(|max| max > MOST_REPEATS || min > max);
                        if too_many {
                            return Err(format!("invalid repeat count: `{}`", self.slice(before, end)));
                        }
                        let text = match max {
                            Some(max) if max == min => format!("{{{min}}}"),
                            Some(max) => format!("{{{min},{max}}}"),
                            None => format!("{{{min},}}"),
                        };
                        repeat = Some(self.repeated(before, &text, &mut operand, last_repeat)?);
                    } else {
                        self.push_literal('{');
                        self.at += 1;
                        operand = here;
                    }
                }
                b'\\' => {
                    let last = self.escape()?;
                    operand = last.map(|start| Operand { start, flags, end: None }).or(operand);
                }
                _ => {
                    let (c, len) = decode(&self.text[self.at..]);
                    self.at += len;
                    self.push_literal(c);
                    operand = here;
                }
            }
            last_repeat = repeat;
        }
        if !groups.is_empty() {
            return Err(format!("missing closing ): `{whole}`"));
        }
        Ok(())
    }

    /// Ends a repetition that began at `before`, with its sign of being lazy.
    fn repeated(
        &mut self,
        before: usize,
        text: &str,
        operand: &mut Option<Operand>,
        last_repeat: Option<usize>,
    ) -> Result<usize, String> {
        let lazy = self.peek() == Some(b'?');
        if lazy {
            self.at += 1;
        }
        if let Some(last) = last_repeat {
            return Err(format!("invalid nested repetition operator: `{}`", self.slice(last, self.at)));
        }
        let Some(Operand { start, flags, end }) = *operand else {
            return Err(format!("missing argument to repetition operator: `{}`", self.slice(before, self.at)));
        };
        if let Some(end) = end {
            // The `regex` crate wants what is repeated right here, though as it was read before the flags changed.
            let repeated = self.out.split_off(start);
            let (repeated, changes) = repeated.split_at(end - start);
            self.out.push_str(changes);
            let moved = self.out.len();
            self.out += &flags.group();
            self.out += repeated;
            self.out.push(')');
            *operand = Some(Operand { start: moved, flags: self.flags, end: None });
        }
        self.out.push_str(text);
        if lazy {
            self.out.push('?');
        }
        Ok(before)
    }

    /// Reads `{n}`, `{n,}` or `{n,m}`, and where it ends.
    fn bounds(&self) -> Option<(u32, Option<u32>, usize)> {
        let mut at = self.at + 1;
        let number = |at: &mut usize| {
            let start = *at;
            while self.text.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            let digits = std::str::from_utf8(&self.text[start..*at]).ok()?;
            if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
                return None;
            }
            Some(digits.parse().unwrap_or(u32::MAX))
        };
        let min = number(&mut at)?;
        match self.text.get(at)? {
            b'}' => Some((min, Some(min), at + 1)),
            b',' => {
                at += 1;
                if self.text.get(at) == Some(&b'}') {
                    return Some((min, None, at + 1));
                }
                let max = number(&mut at)?;
                (self.text.get(at) == Some(&b'}')).then_some((min, Some(max), at + 1))
            }
            _ => None,
        }
    }

    /// Reads `(?…`; tells whether it opens a group.
    fn flags(&mut self) -> Result<bool, String> {
        let start = self.at;
        let rest = &self.text[start..];
        if rest.starts_with(b"(?P<") || rest.starts_with(b"(?<") {
            let from = start + if rest[2] == b'P' { 4 } else { 3 };
            let Some(len) = memchr::memchr(b'>', &self.text[from..]) else {
                return Err(format!("invalid named capture: `{}`", self.rest(start)));
            };
            let name = self.slice(from, from + len);
            let fine = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !fine {
                return Err(format!("invalid named capture: `{}`", self.slice(start, from + len + 1)));
            }
            self.at = from + len + 1;
            // Names may begin with a digit to Go, and come twice: such a group goes without its name.
            self.out.push('(');
            if !self.names.contains(&name) && !name.starts_with(|c: char| c.is_ascii_digit()) {
                let _ = write!(self.out, "?P<{name}>");
            }
            self.names.push(name);
            return Ok(true);
        }
        let mut at = start + 2;
        let mut negative = false;
        let mut any = false;
        while let Some(byte) = self.text.get(at).copied() {
            at += 1;
            match byte {
                b'i' | b'm' | b's' | b'U' => any = true,
                b'-' if !negative => {
                    negative = true;
                    any = false;
                }
                b':' | b')' => {
                    if negative && !any {
                        break;
                    }
                    let text = self.slice(start, at);
                    // The `regex` crate takes each name once, and Go any number of times: the last one counts.
                    let (mut on, mut named) = (true, Vec::new());
                    for name in text.chars().filter(|name| *name == '-' || Flags::NAMES.contains(*name)) {
                        on &= name != '-';
                        self.flags.set(name, on);
                        named.retain(|(other, _)| *other != name);
                        named.push((name, on));
                    }
                    let of = |wanted: bool| {
                        named.iter().filter(move |(name, on)| *on == wanted && *name != '-').map(|(name, _)| *name)
                    };
                    let (on, off): (String, String) = (of(true).collect(), of(false).collect());
                    let off = if off.is_empty() { off } else { format!("-{off}") };
                    let end = char::from(byte);
                    if end == ':' || !on.is_empty() || !off.is_empty() {
                        let _ = write!(self.out, "(?{on}{off}{end}");
                    }
                    self.at = at;
                    return Ok(byte == b':');
                }
                _ => break,
            }
        }
        // The sign that ends it is shown as a whole character.
        let (_, len) = decode(&self.text[at - 1..]);
        Err(format!("invalid or unsupported Perl syntax: `{}`", self.slice(start, at - 1 + len.max(1))))
    }

    /// Reads an escape; tells where the last thing it stands for begins, if it stands for any.
    fn escape(&mut self) -> Result<Option<usize>, String> {
        let start = self.at;
        let mut begin = Some(self.out.len());
        match self.text.get(self.at + 1).copied() {
            Some(b'A') => self.emit(2, "\\A"),
            Some(b'z') => self.emit(2, "\\z"),
            Some(b'b') => self.emit(2, "(?-u:\\b)"),
            Some(b'B') => self.emit(2, "(?-u:\\B)"),
            Some(b'Q') => {
                let body = start + 2;
                let len = memchr::memmem::find(&self.text[body..], b"\\E");
                let end = len.map_or(self.text.len(), |len| body + len);
                let literal = self.slice(body, end);
                begin = None;
                for c in literal.chars() {
                    begin = Some(self.out.len());
                    self.push_literal(c);
                }
                self.at = len.map_or(end, |_| end + 2);
            }
            Some(perl @ (b'd' | b'D' | b's' | b'S' | b'w' | b'W')) => {
                let class = perl_class(perl);
                self.emit(2, class);
            }
            Some(b'p' | b'P') => {
                let class = self.unicode_class()?;
                self.out.push_str(&class);
            }
            _ => {
                let c = self.escaped_char()?;
                self.push_literal(c);
            }
        }
        Ok(begin)
    }

    fn emit(&mut self, len: usize, text: &str) {
        self.at += len;
        self.out.push_str(text);
    }

    /// Reads `\pN` or `\p{Name}`.
    fn unicode_class(&mut self) -> Result<String, String> {
        let start = self.at;
        let mut negative = self.text[start + 1] == b'P';
        let name = match self.text.get(start + 2) {
            None => return Err(format!("invalid character class range: `{}`", self.rest(start))),
            Some(b'{') => {
                let Some(len) = memchr::memchr(b'}', &self.text[start..]) else {
                    return Err(format!("invalid character class range: `{}`", self.rest(start)));
                };
                self.at = start + len + 1;
                self.slice(start + 3, start + len)
            }
            Some(_) => {
                let (_, len) = decode(&self.text[start + 2..]);
                self.at = start + 2 + len;
                self.slice(start + 2, self.at)
            }
        };
        let plain = name.strip_prefix('^').unwrap_or(&name);
        negative ^= plain.len() != name.len();
        let class = match re2_classes::known(plain) {
            None => return Err(format!("invalid character class range: `{}`", self.slice(start, self.at))),
            Some("Any") => if negative { "[^\\x{0}-\\x{10FFFF}]" } else { "[\\x{0}-\\x{10FFFF}]" }.to_owned(),
            // No text has any of these.
            Some("Cs" | "Surrogate") => {
                if negative { "[\\x{0}-\\x{10FFFF}]" } else { "[^\\x{0}-\\x{10FFFF}]" }.to_owned()
            }
            Some(name) => format!("\\{}{{{name}}}", if negative { 'P' } else { 'p' }),
        };
        Ok(class)
    }

    /// Reads an escape that stands for one character.
    fn escaped_char(&mut self) -> Result<char, String> {
        let start = self.at;
        self.at += 1;
        let Some(byte) = self.peek() else { return Err("trailing backslash at end of expression: ``".to_owned()) };
        let (c, len) = decode(&self.text[self.at..]);
        self.at += len;
        let invalid = |parser: &Self| format!("invalid escape sequence: `{}`", parser.slice(start, parser.at));
        let code = match byte {
            b'1'..=b'7' if !matches!(self.peek(), Some(b'0'..=b'7')) => return Err(invalid(self)),
            b'0'..=b'7' => {
                let mut code = u32::from(byte - b'0');
                for _ in 0..2 {
                    if let Some(digit @ b'0'..=b'7') = self.peek() {
                        code = code * 8 + u32::from(digit - b'0');
                        self.at += 1;
                    }
                }
                code
            }
            b'x' => {
                let mut code = 0u32;
                if self.peek() == Some(b'{') {
                    self.at += 1;
                    let mut digits = 0;
                    loop {
                        let Some(byte) = self.peek() else { return Err(invalid(self)) };
                        let (_, len) = decode(&self.text[self.at..]);
                        self.at += len;
                        match char::from(byte).to_digit(16) {
                            Some(digit) => code = code * 16 + digit,
                            None if byte == b'}' && digits > 0 => break,
                            None => return Err(invalid(self)),
                        }
                        digits += 1;
                        if code > 0x10_FFFF {
                            return Err(invalid(self));
                        }
                    }
                } else {
                    let mut digits = [None; 2];
                    for digit in &mut digits {
                        *digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
                        let (_, len) = decode(&self.text[self.at..]);
                        self.at += len;
                    }
                    let [Some(high), Some(low)] = digits else { return Err(invalid(self)) };
                    code = high * 16 + low;
                }
                code
            }
            b'a' => 7,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'v' => 11,
            other if other < 0x80 && !other.is_ascii_alphanumeric() => u32::from(c),
            _ => return Err(invalid(self)),
        };
        char::from_u32(code).ok_or_else(|| invalid(self))
    }

    fn class(&mut self) -> Result<(), String> {
        let start = self.at;
        let missing = format!("missing closing ]: `{}`", self.rest(start));
        self.at += 1;
        self.out.push('[');
        if self.peek() == Some(b'^') {
            self.at += 1;
            self.out.push('^');
        }
        let mut first = true;
        loop {
            match self.peek() {
                None => return Err(missing),
                Some(b']') if !first => {
                    self.at += 1;
                    self.out.push(']');
                    return Ok(());
                }
                _ => {}
            }
            first = false;
            if self.text[self.at..].starts_with(b"[:")
                && let Some(len) = memchr::memmem::find(&self.text[self.at + 2..], b":]")
            {
                let name = self.slice(self.at, self.at + len + 4);
                let plain = &name[2..name.len() - 2];
                if !POSIX.contains(&plain.strip_prefix('^').unwrap_or(plain)) {
                    return Err(format!("invalid character class range: `{name}`"));
                }
                self.emit(len + 4, &name);
                continue;
            }
            if self.peek() == Some(b'\\') {
                match self.text.get(self.at + 1).copied() {
                    Some(perl @ (b'd' | b'D' | b's' | b'S' | b'w' | b'W')) => {
                        self.emit(2, perl_class(perl));
                        continue;
                    }
                    Some(b'p' | b'P') => {
                        let class = self.unicode_class()?;
                        self.out.push_str(&class);
                        continue;
                    }
                    _ => {}
                }
            }
            self.range(&missing)?;
        }
    }

    /// Reads a character or a range of them.
    fn range(&mut self, missing: &str) -> Result<(), String> {
        let start = self.at;
        let low = self.class_char(missing)?;
        let mut high = low;
        if self.peek() == Some(b'-') && self.text.get(self.at + 1).is_some_and(|byte| *byte != b']') {
            self.at += 1;
            high = self.class_char(missing)?;
            if high < low {
                return Err(format!("invalid character class range: `{}`", self.slice(start, self.at)));
            }
        }
        let _ = write!(self.out, "\\x{{{:x}}}", u32::from(low));
        if high != low {
            let _ = write!(self.out, "-\\x{{{:x}}}", u32::from(high));
        }
        Ok(())
    }

    fn class_char(&mut self, missing: &str) -> Result<char, String> {
        match self.peek() {
            None => Err(missing.to_owned()),
            Some(b'\\') => self.escaped_char(),
            Some(_) => {
                let (c, len) = decode(&self.text[self.at..]);
                self.at += len;
                Ok(c)
            }
        }
    }
}

/// Go's Perl classes are of ASCII alone.
fn perl_class(name: u8) -> &'static str {
    match name {
        b'd' => "[0-9]",
        b'D' => "[^0-9]",
        b's' => "[\\t\\n\\f\\r ]",
        b'S' => "[^\\t\\n\\f\\r ]",
        b'w' => "[0-9A-Za-z_]",
        _ => "[^0-9A-Za-z_]",
    }
}
