//! JSON as Go's decoder reads it: the same texts are refused with the same words, and of a field given twice the last counts.
//!
//! The reader keeps its own stack, so that a body of brackets costs memory in proportion to its size and no more.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

/// How deep values may lie in each other.
///
/// Go stops at 10,000. What reads a body after this reader walks it by recursion, on stacks of two megabytes; nothing of
/// use is a tenth as deep as this.
pub(super) const MAX_DEPTH: usize = 500;

/// A value, and the paths of the fields it gives twice.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parsed {
    pub(super) value: Value,
    pub(super) duplicates: Vec<String>,
}

/// Reads one JSON value; the error is in the words of Go's `encoding/json`.
pub(super) fn parse(text: &[u8]) -> Result<Parsed, String> {
    let mut reader = Reader { text, at: 0, duplicates: Vec::new() };
    let value = reader.document()?;
    Ok(Parsed { value, duplicates: reader.duplicates })
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    duplicates: Vec<String>,
}

/// A list or object that is not finished; the name is that of the field being read.
enum Open {
    List(Vec<Value>),
    Object(Map<String, Value>, String),
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Value, String> {
        let mut open: Vec<Open> = Vec::new();
        let mut value = self.begin(&mut open)?;
        loop {
            // A value is finished, or a list or object has begun that holds one more.
            let Some(done) = value.take() else {
                value = self.begin(&mut open)?;
                continue;
            };
            match open.pop() {
                None => {
                    self.skip_space();
                    return match self.text.get(self.at) {
                        None => Ok(done),
                        Some(letter) => Err(unexpected(*letter, "after top-level value")),
                    };
                }
                Some(Open::List(mut items)) => {
                    items.push(done);
                    match self.next()? {
                        b',' => open.push(Open::List(items)),
                        b']' => value = Some(Value::Array(items)),
                        other => return Err(unexpected(other, "after array element")),
                    }
                }
                Some(Open::Object(mut fields, name)) => {
                    if fields.contains_key(&name) {
                        let path = spell(&open, &name);
                        self.duplicates.push(path);
                    }
                    fields.insert(name, done);
                    match self.next()? {
                        b',' => {
                            let name = self.name(None)?;
                            open.push(Open::Object(fields, name));
                        }
                        b'}' => value = Some(Value::Object(fields)),
                        other => return Err(unexpected(other, "after object key:value pair")),
                    }
                }
            }
        }
    }

    /// Reads a scalar or an empty list or object; `None` when one has begun that is not empty.
    fn begin(&mut self, open: &mut Vec<Open>) -> Result<Option<Value>, String> {
        let letter = self.next()?;
        Ok(Some(match letter {
            b'{' => {
                check_depth(open, letter)?;
                match self.next()? {
                    b'}' => Value::Object(Map::new()),
                    letter => {
                        let name = self.name(Some(letter))?;
                        open.push(Open::Object(Map::new(), name));
                        return Ok(None);
                    }
                }
            }
            b'[' => {
                check_depth(open, letter)?;
                self.skip_space();
                if self.text.get(self.at) == Some(&b']') {
                    self.at += 1;
                    Value::Array(Vec::new())
                } else {
                    open.push(Open::List(Vec::new()));
                    return Ok(None);
                }
            }
            b'"' => Value::String(self.string()?),
            b'-' | b'0'..=b'9' => self.number(letter)?,
            b't' => self.literal("true", Value::Bool(true))?,
            b'f' => self.literal("false", Value::Bool(false))?,
            b'n' => self.literal("null", Value::Null)?,
            other => return Err(unexpected(other, "looking for beginning of value")),
        }))
    }

    fn skip_space(&mut self) {
        while self.text.get(self.at).is_some_and(|letter| matches!(letter, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Passes over space and takes a letter.
    fn next(&mut self) -> Result<u8, String> {
        self.skip_space();
        self.letter()
    }

    fn letter(&mut self) -> Result<u8, String> {
        let letter = *self.text.get(self.at).ok_or("unexpected end of JSON input")?;
        self.at += 1;
        Ok(letter)
    }

    /// Reads the name of a field and the colon; `first` is its first letter when it has been taken already.
    fn name(&mut self, first: Option<u8>) -> Result<String, String> {
        let first = match first {
            Some(letter) => letter,
            None => self.next()?,
        };
        if first != b'"' {
            return Err(unexpected(first, "looking for beginning of object key string"));
        }
        let name = self.string()?;
        match self.next()? {
            b':' => Ok(name),
            other => Err(unexpected(other, "after object key")),
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, String> {
        for want in word.bytes().skip(1) {
            let letter = self.letter()?;
            if letter != want {
                let context = format!("in literal {word} (expecting {})", quote(want));
                return Err(unexpected(letter, &context));
            }
        }
        Ok(value)
    }

    fn number(&mut self, first: u8) -> Result<Value, String> {
        let begin = self.at - 1;
        let mut digit = first;
        if first == b'-' {
            digit = self.letter()?;
            if !digit.is_ascii_digit() {
                return Err(unexpected(digit, "in numeric literal"));
            }
        }
        if digit != b'0' {
            self.digits();
        }
        let mut is_whole = true;
        if self.text.get(self.at) == Some(&b'.') {
            is_whole = false;
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            is_whole = false;
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        let text = std::str::from_utf8(&self.text[begin..self.at]).expect("holds because these are digits and signs");
        if is_whole {
            if let Ok(number) = text.parse::<i64>() {
                return Ok(number.into());
            }
            if let Ok(number) = text.parse::<u64>() {
                return Ok(number.into());
            }
        }
        let number = text.parse::<f64>().ok().and_then(Number::from_f64);
        number.map(Value::Number).ok_or_else(|| {
            // Go's own type for any number.
            format!("json: cannot unmarshal number {text} into Go value of type float64")
        })
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, context: &str) -> Result<(), String> {
        let letter = self.letter()?;
        if !letter.is_ascii_digit() {
            return Err(unexpected(letter, context));
        }
        self.digits();
        Ok(())
    }

    /// Reads a string whose opening quote has been taken. What is no UTF-8 is replaced.
    fn string(&mut self) -> Result<String, String> {
        let mut out: Vec<u8> = Vec::new();
        let mut begin = self.at;
        loop {
            let letter = self.letter()?;
            match letter {
                b'"' => {
                    out.extend_from_slice(&self.text[begin..self.at - 1]);
                    break;
                }
                b'\\' => {
                    out.extend_from_slice(&self.text[begin..self.at - 1]);
                    let letter = self.escape()?;
                    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    begin = self.at;
                }
                0..0x20 => return Err(unexpected(letter, "in string literal")),
                _ => {}
            }
        }
        Ok(String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn escape(&mut self) -> Result<char, String> {
        Ok(match self.letter()? {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            letter @ (b'\\' | b'/' | b'"') => char::from(letter),
            b'u' => {
                let high = self.hex()?;
                if let Some(letter) = char::from_u32(high) {
                    return Ok(letter);
                }
                // Half of a pair; alone it means nothing, and what follows it is read for itself.
                let before = self.at;
                if high < 0xdc00 && self.text[self.at..].starts_with(b"\\u") {
                    self.at += 2;
                    let low = self.hex()?;
                    if (0xdc00..0xe000).contains(&low) {
                        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = before;
                }
                char::REPLACEMENT_CHARACTER
            }
            other => return Err(unexpected(other, "in string escape code")),
        })
    }

    fn hex(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            let letter = self.letter()?;
            let digit = char::from(letter).to_digit(16);
            code = code * 16 + digit.ok_or_else(|| unexpected(letter, "in \\u hexadecimal character escape"))?;
        }
        Ok(code)
    }
}

fn check_depth(open: &[Open], letter: u8) -> Result<(), String> {
    if open.len() < MAX_DEPTH { Ok(()) } else { Err(unexpected(letter, "exceeded max depth")) }
}

fn spell(open: &[Open], name: &str) -> String {
    let mut path = String::new();
    let field = |path: &mut String, name: &str| {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
    };
    for step in open {
        match step {
            Open::List(items) => drop(write!(path, "[{}]", items.len())),
            Open::Object(_, name) => field(&mut path, name),
        }
    }
    field(&mut path, name);
    path
}

fn unexpected(letter: u8, context: &str) -> String {
    format!("invalid character {} {context}", quote(letter))
}

/// Quotes a byte as Go does, which takes it for a code point.
fn quote(letter: u8) -> String {
    match letter {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        7 => r"'\a'".to_owned(),
        8 => r"'\b'".to_owned(),
        11 => r"'\v'".to_owned(),
        12 => r"'\f'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{letter:02x}'"),
        0x80..0xa0 | 0xad => format!("'\\u{letter:04x}'"),
        0xa0 => r"'\u00a0'".to_owned(),
        _ => format!("'{}'", char::from(letter)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn duplicates_are_found_and_the_last_wins() {
        let parsed = parse(br#"{"a": 1, "b": {"c": [0, {"d": 1, "d": 2}]}, "a": 3}"#).expect("valid JSON");
        assert_eq!(parsed.value, json!({"a": 3, "b": {"c": [0, {"d": 2}]}}));
        assert_eq!(parsed.duplicates, ["b.c[1].d", "a"]);
    }

    #[test]
    fn mistakes_are_told_in_gos_words() {
        let rows = [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            (r#"{"a""#, "unexpected end of JSON input"),
            ("nope", "invalid character 'o' in literal null (expecting 'u')"),
            ("{a}", "invalid character 'a' looking for beginning of object key string"),
            (r#"{"a" 1}"#, "invalid character '1' after object key"),
            (r#"{"a":1 "b"}"#, "invalid character '\"' after object key:value pair"),
            (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{}x", "invalid character 'x' after top-level value"),
            ("01", "invalid character '1' after top-level value"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1ex", "invalid character 'x' in exponent of numeric literal"),
            ("\"\n\"", "invalid character '\\n' in string literal"),
            (r#""\q""#, "invalid character 'q' in string escape code"),
            (r#""\u12x4""#, "invalid character 'x' in \\u hexadecimal character escape"),
            ("1e999", "json: cannot unmarshal number 1e999 into Go value of type float64"),
            ("\u{fc}", "invalid character '\u{c3}' looking for beginning of value"),
        ];
        for (text, want) in rows {
            assert_eq!(parse(text.as_bytes()).expect_err(text), want, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(parse(deep.as_bytes()).expect_err("too deep"), "invalid character '[' exceeded max depth");
        let lone = parse(br#""\ud800x\ud83d\ude00""#).expect("half a pair is replaced");
        assert_eq!(lone.value, json!("\u{fffd}x\u{1f600}"));
    }

    proptest! {
        #[test]
        fn what_serde_reads_is_read_the_same(text in r#"[\[\]{}:,"a\\u0-9.e+ -]{0,24}"#) {
            let own = parse(text.as_bytes()).map(|parsed| parsed.value);
            match serde_json::from_str::<Value>(&text) {
                Ok(value) => prop_assert_eq!(own, Ok(value)),
                // Half a surrogate pair is an error there, and a replacement character in Go.
                Err(error) if error.to_string().contains("surrogate") || error.to_string().contains("hex escape") => {}
                Err(_) => prop_assert!(own.is_err(), "{}", text),
            }
        }

        #[test]
        fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }
    }
}
