//! JSON as Go's `encoding/json` reads it, with Go's errors.

use bowline_gotmpl::quote;
use serde_json::{Map, Number, Value};

/// Lists and maps inside each other, more than which Go does not read; ours end sooner than the stack.
const DEEPEST: usize = 10_000;

/// Reads a text as one value; the error is Go's. Beside the value comes the error for a number that is too large, which
/// counts only where a value of its kind is wanted at all.
pub(super) fn read(text: &[u8]) -> Result<(Value, Option<String>), String> {
    let mut reader = Reader { text, at: 0, too_large: None };
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.unexpected("after top-level value"));
    }
    Ok((value, reader.too_large))
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    /// The first number that no float can hold: told only if the text is JSON at all.
    too_large: Option<String>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Says what is wrong with the byte here, or that there is none.
    fn unexpected(&self, context: &str) -> String {
        // Go reads a space after the end: where one is wrong, that is what is wrong.
        let needs_more =
            context.starts_with("in ") && context != "in string literal" || context.contains("decimal point");
        let byte = match self.peek() {
            Some(byte) => byte,
            None if needs_more => b' ',
            None => return "unexpected end of JSON input".to_owned(),
        };
        let shown = match byte {
            b'\'' => r"'\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            other => {
                let quoted = quote(char::from(other).to_string());
                format!("'{}'", &quoted[1..quoted.len() - 1])
            }
        };
        format!("invalid character {shown} {context}")
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        self.space();
        match self.peek() {
            Some(b'{') => stacker::maybe_grow(32 * 1024, 1024 * 1024, || self.object(depth + 1)),
            Some(b'[') => stacker::maybe_grow(32 * 1024, 1024 * 1024, || self.array(depth + 1)),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn literal(&mut self, name: &str, value: Value) -> Result<Value, String> {
        self.at += 1;
        for expected in name[1..].chars() {
            if self.peek() != Some(expected as u8) {
                return Err(self.unexpected(&format!("in literal {name} (expecting '{expected}')")));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err("exceeded max depth".to_owned());
        }
        self.at += 1;
        let mut map = Map::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(map));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            let value = self.value(depth)?;
            map.insert(key, value);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(map));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err("exceeded max depth".to_owned());
        }
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                _ => return Err(self.unexpected("after array element")),
            }
        }
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected("in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.unexpected("after decimal point in numeric literal"));
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.unexpected("in exponent of numeric literal"));
            }
            self.digits();
        }
        let text = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        let number = text.parse::<f64>().ok().and_then(Number::from_f64);
        if number.is_none() && self.too_large.is_none() {
            self.too_large = Some(format!("json: cannot unmarshal number {text} into Go value of type float64"));
        }
        Ok(Value::Number(number.unwrap_or_else(|| 0.into())))
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut out)?;
                }
                Some(0x20..) => {
                    let (c, len) = super::runes::decode(&self.text[self.at..]);
                    out.push(c);
                    self.at += len;
                }
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), String> {
        let c = match self.peek() {
            Some(b'u') => {
                self.at += 1;
                let unit = self.unit()?;
                if !(0xd800..0xdc00).contains(&unit) {
                    out.push(char::from_u32(unit).unwrap_or(super::runes::BAD));
                    return Ok(());
                }
                // A pair of surrogates is one character; half a pair is none.
                let here = self.at;
                if self.text[here..].starts_with(b"\\u") {
                    self.at += 2;
                    let second = self.unit()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
                        out.push(char::from_u32(code).unwrap_or(super::runes::BAD));
                        return Ok(());
                    }
                    self.at = here;
                }
                out.push(super::runes::BAD);
                return Ok(());
            }
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(other @ (b'"' | b'\\' | b'/')) => char::from(other),
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.at += 1;
        out.push(c);
        Ok(())
    }

    fn unit(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Err(self.unexpected("in \\u hexadecimal character escape")) };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }
}
