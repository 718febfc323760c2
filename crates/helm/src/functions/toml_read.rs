//! Reading TOML, as BurntSushi's parser does, with its errors.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bowline_gotmpl::{List, Map, Str, Type, Value, quote};

use super::toml::{self, DEEPEST, LOCAL_DATE, LOCAL_DATETIME, LOCAL_TIME};
use super::toml_lex::{Fail, Item, Kind, Lexer};
use super::{dates, layout_read, strconv};

/// A table as it is read: what names it shares it.
type Table = Rc<RefCell<BTreeMap<String, Node>>>;

#[derive(Clone)]
enum Node {
    Table(Table),
    /// `[[…]]`, and tables within an array while it is read.
    Tables(Vec<Table>),
    Array(Rc<Vec<Node>>),
    Scalar(Value),
}

impl Node {
    /// The table that the node is, or the last one of it.
    fn table(&self) -> Option<Table> {
        match self {
            Self::Table(table) => Some(table.clone()),
            Self::Tables(tables) => tables.last().cloned(),
            Self::Array(_) | Self::Scalar(_) => None,
        }
    }

    fn value(&self) -> Value {
        static TABLES: Type = Type::Slice(&Type::MAP);
        stacker::maybe_grow(32 * 1024, 1024 * 1024, || match self {
            Self::Table(table) => table_value(table),
            Self::Tables(tables) => Value::List(List::typed(&TABLES, tables.iter().map(table_value).collect())),
            Self::Array(items) => Value::List(items.iter().map(Self::value).collect()),
            Self::Scalar(value) => value.clone(),
        })
    }
}

fn table_value(table: &Table) -> Value {
    let entries = table.borrow();
    Value::Map(entries.iter().map(|(key, node)| (Str::from(key), node.value())).collect::<Map>())
}

/// Reads a document; the error is what Go says of it.
pub(super) fn read(text: &[u8]) -> Result<Value, String> {
    let marks: [&[u8]; 3] = [b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"];
    let text = marks.into_iter().find_map(|mark| text.strip_prefix(mark)).unwrap_or(text);
    if text.iter().take(6).any(|byte| *byte == 0) {
        let why = "files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8";
        return Err(format!("toml: line 1: {why}"));
    }
    let mut reader = Reader {
        lexer: Lexer::new(text),
        context: Vec::new(),
        key: String::new(),
        line: 0,
        arrays: BTreeSet::new(),
        implicit: BTreeSet::new(),
        top: Table::default(),
        depth: 0,
    };
    loop {
        let item = reader.next()?;
        if item.kind == Kind::Eof {
            return Ok(table_value(&reader.top));
        }
        reader.top_level(&item)?;
    }
}

struct Reader<'t> {
    lexer: Lexer<'t>,
    /// The key of the table that is being filled.
    context: Vec<String>,
    /// The last part of the key whose value is being read.
    key: String,
    /// The line of the last key.
    line: i64,
    /// The keys whose values are arrays, as they are written.
    arrays: BTreeSet<Vec<u8>>,
    /// The keys of tables that nothing but a longer key made.
    implicit: BTreeSet<Vec<u8>>,
    top: Table,
    depth: usize,
}

impl Reader<'_> {
    fn error<T>(&self, line: i64, message: &str) -> Result<T, String> {
        let last = match (self.key.is_empty(), self.context.is_empty()) {
            (true, _) => shown(&self.context),
            (false, true) => self.key.clone(),
            (false, false) => format!("{}.{}", shown(&self.context), self.key),
        };
        if last.is_empty() {
            return Err(format!("toml: line {line}: {message}"));
        }
        Err(format!("toml: line {line} (last key {}): {message}", quote(last.as_bytes())))
    }

    fn next(&mut self) -> Result<Item, String> {
        match self.lexer.item() {
            Ok(item) => Ok(item),
            Err(Fail { line, message }) => self.error(line, &message),
        }
    }

    fn top_level(&mut self, item: &Item) -> Result<(), String> {
        match item.kind {
            Kind::Comment => self.next().map(|_| ()),
            Kind::TableStart => {
                let key = self.read_key(Kind::TableEnd)?;
                self.enter(&key, false)?;
                self.arrays.remove(&toml::key(&self.context));
                Ok(())
            }
            Kind::TablesStart => {
                let key = self.read_key(Kind::TablesEnd)?;
                self.enter(&key, true)?;
                self.arrays.remove(&toml::key(&self.context));
                Ok(())
            }
            _ => {
                let outer = self.context.clone();
                self.read_key_into_context()?;
                let value = self.next()?;
                let value = self.value(&value, false)?;
                self.set_noting_kind(value)?;
                self.context = outer;
                self.key.clear();
                Ok(())
            }
        }
    }

    /// Reads the parts of a key up to what ends it.
    fn read_key(&mut self, end: Kind) -> Result<Vec<String>, String> {
        let mut item = self.next()?;
        self.line = item.line;
        let mut key = Vec::new();
        while item.kind != end && item.kind != Kind::Eof {
            key.push(self.text(&item)?.unwrap_or(item.text));
            if key.len() > DEEPEST {
                return self.error(self.line, "a key has too many parts");
            }
            item = self.next()?;
        }
        Ok(key)
    }

    /// Reads a key, and makes all but its last part the context.
    fn read_key_into_context(&mut self) -> Result<Vec<String>, String> {
        let mut key = self.read_key(Kind::KeyEnd)?;
        self.key = key.pop().unwrap_or_default();
        for part in &key {
            let mut context = self.context.clone();
            context.push(part.clone());
            if context.len() > DEEPEST {
                return self.error(self.line, "a key has too many parts");
            }
            self.implicit.insert(toml::key(&context));
            self.enter(&context, false)?;
        }
        Ok(key)
    }

    /// Goes to a table, making it and what it is in as needed; `is_new` adds one to an array of tables.
    fn enter(&mut self, key: &[String], is_new: bool) -> Result<(), String> {
        let Some((last, parents)) = key.split_last() else { return Ok(()) };
        let mut table = self.top.clone();
        for (at, part) in parents.iter().enumerate() {
            let found = table.borrow().get(part).map(Node::table);
            table = match found {
                Some(Some(next)) => next,
                Some(None) => {
                    let key = shown(&key[..=at]);
                    return self.error(self.line, &format!("Key '{key}' was already created as a hash."));
                }
                None => {
                    self.implicit.insert(toml::key(&key[..=at]));
                    let next = Table::default();
                    table.borrow_mut().insert(part.clone(), Node::Table(next.clone()));
                    next
                }
            };
        }
        self.context = parents.to_vec();
        if is_new {
            let mut entries = table.borrow_mut();
            let node = entries.entry(last.clone()).or_insert_with(|| Node::Tables(Vec::new()));
            let Node::Tables(tables) = node else {
                let key = shown(key);
                return self
                    .error(self.line, &format!("Key '{key}' was already created and cannot be used as an array."));
            };
            tables.push(Table::default());
        } else {
            self.set(last, Node::Table(Table::default()))?;
        }
        self.context.push(last.clone());
        Ok(())
    }

    /// Gives a key of the context a value, unless it has one.
    fn set(&mut self, key: &str, value: Node) -> Result<(), String> {
        let mut table = self.top.clone();
        for at in 0..self.context.len() {
            let found = table.borrow().get(&self.context[at]).and_then(Node::table);
            let Some(next) = found else {
                let key = shown(&self.context[..=at]);
                return self.error(self.line, &format!("Key '{key}' has already been defined."));
            };
            table = next;
        }
        let mut whole = self.context.clone();
        whole.push(key.to_owned());
        let written = toml::key(&whole);
        if table.borrow().contains_key(key) {
            let was_implicit = self.implicit.remove(&written);
            if !was_implicit {
                return self.error(self.line, &format!("Key '{}' has already been defined.", shown(&whole)));
            }
            if !self.arrays.contains(&written) {
                return Ok(());
            }
        }
        table.borrow_mut().insert(key.to_owned(), value);
        Ok(())
    }

    /// Gives the key that was read last its value, and notes whether it is an array.
    fn set_noting_kind(&mut self, value: Node) -> Result<(), String> {
        let is_array = matches!(value, Node::Array(_));
        let key = self.key.clone();
        self.set(&key, value)?;
        self.note_kind(is_array);
        Ok(())
    }

    fn note_kind(&mut self, is_array: bool) {
        let mut key = self.context.clone();
        if !self.key.is_empty() {
            key.push(self.key.clone());
        }
        if key.is_empty() {
            key.push(String::new());
        }
        let written = toml::key(&key);
        if is_array {
            self.arrays.insert(written);
        } else {
            self.arrays.remove(&written);
        }
    }

    /// Returns a text of any form; `None` for other pieces.
    fn text(&self, item: &Item) -> Result<Option<String>, String> {
        Ok(Some(match item.kind {
            Kind::Plain | Kind::Raw => item.text.clone(),
            Kind::Escaped => self.unescaped(item, &item.text)?,
            Kind::Multiline => self.unescaped(item, &joined(without_first_line_end(&item.text)))?,
            Kind::RawMultiline => without_first_line_end(&item.text).to_owned(),
            _ => return Ok(None),
        }))
    }

    fn value(&mut self, item: &Item, in_array: bool) -> Result<Node, String> {
        if let Some(text) = self.text(item)? {
            return Ok(Node::Scalar(Value::str(text)));
        }
        let nested = matches!(item.kind, Kind::Array | Kind::InlineStart);
        if nested && self.depth > DEEPEST {
            return self.error(item.line, "values are nested too deeply");
        }
        self.depth += usize::from(nested);
        let made = stacker::maybe_grow(64 * 1024, 1024 * 1024, || match item.kind {
            Kind::Bool => Ok(Node::Scalar(Value::Bool(item.text == "true"))),
            Kind::Integer => self.integer(item),
            Kind::Float => self.float(item),
            Kind::Datetime => self.datetime(item),
            Kind::Array => self.array(),
            Kind::InlineStart => self.inline(in_array),
            other => self.error(item.line, &format!("unexpected {other:?}")),
        })?;
        self.depth -= usize::from(nested);
        Ok(made)
    }

    fn integer(&self, item: &Item) -> Result<Node, String> {
        let (text, shown) = (&item.text, quote(item.text.as_bytes()));
        if !underscores_fit(text) {
            return self
                .error(item.line, &format!("Invalid integer {shown}: underscores must be surrounded by digits"));
        }
        if has_leading_zero(text) {
            return self.error(item.line, &format!("Invalid integer {shown}: cannot have leading zeroes"));
        }
        match whole_number(text) {
            Some(number) => Ok(Node::Scalar(Value::int64(number))),
            None => self.error(item.line, &format!("{text} is out of range for int64")),
        }
    }

    fn float(&self, item: &Item) -> Result<Node, String> {
        let (text, shown) = (&item.text, quote(item.text.as_bytes()));
        let mut parts = text.split(['.', 'e', 'E']).filter(|part| !part.is_empty()).peekable();
        let leading_zero = parts.peek().is_some_and(|part| has_leading_zero(part));
        if !parts.all(underscores_fit) {
            return self.error(item.line, &format!("Invalid float {shown}: underscores must be surrounded by digits"));
        }
        if leading_zero {
            return self.error(item.line, &format!("Invalid float {shown}: cannot have leading zeroes"));
        }
        let bytes = text.as_bytes();
        let fits = |at: usize| bytes[at] != b'.' || bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !(0..bytes.len()).all(fits) {
            let message = format!("Invalid float {shown}: '.' must be followed by one or more digits");
            return self.error(item.line, &message);
        }
        let digits = text.replace('_', "");
        let number = match digits.as_str() {
            "nan" | "+nan" => f64::NAN,
            "-nan" => -f64::NAN,
            digits => match strconv::float(digits.as_bytes()) {
                Some(number) => number,
                // What is a number to Rust, and none to Go, is beyond the range.
                None if digits.parse::<f64>().is_ok() => {
                    return self.error(item.line, &format!("{text} is out of range for float64"));
                }
                None => return self.error(item.line, &format!("Invalid float value: {shown}")),
            },
        };
        Ok(Node::Scalar(Value::float(number)))
    }

    fn datetime(&self, item: &Item) -> Result<Node, String> {
        const FORMS: [(&str, &str); 7] = [
            ("2006-01-02T15:04:05.999999999Z07:00", ""),
            ("2006-01-02T15:04:05.999999999", LOCAL_DATETIME),
            ("2006-01-02", LOCAL_DATE),
            ("15:04:05.999999999", LOCAL_TIME),
            ("2006-01-02T15:04Z07:00", ""),
            ("2006-01-02T15:04", LOCAL_DATETIME),
            ("15:04", LOCAL_TIME),
        ];
        let text = item.text.replace('z', "Z").replace(['t', ' '], "T");
        let read = FORMS.iter().find_map(|(form, zone)| {
            let found = layout_read::parse(form.as_bytes(), text.as_bytes()).ok()?;
            Some((found, form, zone))
        });
        match read {
            Some(((secs, nanos, offset, name), form, zone)) if !lacks_leading_zero(&text, form) => {
                let name = if zone.is_empty() { name } else { (*zone).to_owned() };
                Ok(Node::Scalar(dates::made((secs, nanos, offset, name))))
            }
            _ => self.error(item.line, &format!("invalid datetime: {}", quote(text.as_bytes()))),
        }
    }

    fn array(&mut self) -> Result<Node, String> {
        self.note_kind(true);
        let mut items = Vec::new();
        loop {
            let item = self.next()?;
            match item.kind {
                Kind::ArrayEnd | Kind::Eof => return Ok(Node::Array(Rc::new(items))),
                Kind::Comment => {
                    self.next()?;
                }
                _ => items.push(self.value(&item, true)?),
            }
        }
    }

    fn inline(&mut self, in_array: bool) -> Result<Node, String> {
        let (outer, outer_key) = (self.context.clone(), self.key.clone());
        let mut inner = outer.clone();
        inner.push(std::mem::take(&mut self.key));
        self.implicit.insert(toml::key(&inner));
        self.context.clone_from(&inner);
        self.enter(&inner, in_array)?;
        let made = Table::default();
        loop {
            let item = self.next()?;
            match item.kind {
                Kind::InlineEnd | Kind::Eof => break,
                Kind::Comment => {
                    self.next()?;
                    continue;
                }
                _ => {}
            }
            let parents = self.read_key_into_context()?;
            let value = self.next()?;
            let value = self.value(&value, false)?;
            self.set_noting_kind(value.clone())?;
            let mut table = made.clone();
            for part in &parents {
                let node =
                    table.borrow_mut().entry(part.clone()).or_insert_with(|| Node::Table(Table::default())).clone();
                let Node::Table(next) = node else {
                    let context = quote(toml::key(&self.context));
                    return self.error(self.line, &format!("{context} is not a table"));
                };
                table = next;
            }
            table.borrow_mut().insert(self.key.clone(), value);
            self.context.clone_from(&inner);
        }
        (self.context, self.key) = (outer, outer_key);
        Ok(Node::Table(made))
    }

    fn unescaped(&self, item: &Item, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            let escape = rest.next().unwrap_or('\\');
            let digits = match escape {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            if digits > 0 {
                let hex: String = rest.by_ref().take(digits).collect();
                match u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32) {
                    Some(c) => out.push(c),
                    None => {
                        return self.error(item.line, &format!("Escaped character '\\u{hex}' is not valid UTF-8."));
                    }
                }
                continue;
            }
            out.push(match escape {
                'b' => '\u{8}',
                't' => '\t',
                'n' => '\n',
                'f' => '\u{c}',
                'r' => '\r',
                'e' => '\u{1b}',
                ' ' | '\t' => return self.error(item.line, &format!("invalid escape: '\\{escape}'")),
                other => other,
            });
        }
        Ok(out)
    }
}

fn shown(key: &[String]) -> String {
    String::from_utf8_lossy(&toml::key(key)).into_owned()
}

fn without_first_line_end(text: &str) -> &str {
    text.strip_prefix('\n').or_else(|| text.strip_prefix("\r\n")).unwrap_or(text)
}

/// Takes out the line ends that a backslash comes before, with all blanks that follow.
fn joined(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let after = &rest[at + 1..];
        if after.starts_with('\\') {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        }
        let end = after.trim_start_matches([' ', '\t', '\r', '\n']);
        if after[..after.len() - end.len()].contains('\n') {
            out.push_str(&rest[..at]);
            rest = end;
        } else {
            out.push_str(&rest[..=at]);
            rest = after;
        }
    }
    out + rest
}

fn has_leading_zero(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes {
        [b'0', second, ..] => !matches!(second, b'b' | b'o' | b'x'),
        [b'-' | b'+', b'0', _, ..] => true,
        _ => false,
    }
}

fn underscores_fit(text: &str) -> bool {
    if matches!(text, "nan" | "+nan" | "-nan" | "inf" | "-inf" | "+inf") {
        return true;
    }
    let mut accept = false;
    for c in text.chars() {
        if c == '_' && !accept {
            return false;
        }
        accept = c.is_ascii_hexdigit();
    }
    accept
}

fn whole_number(text: &str) -> Option<i64> {
    let digits = text.replace('_', "");
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        _ => (10, &digits[..]),
    };
    i64::from_str_radix(digits, radix).ok()
}

/// Go reads hours of one digit; TOML has none.
fn lacks_leading_zero(text: &str, form: &str) -> bool {
    for (at, mark) in form.bytes().enumerate() {
        if matches!(mark, b'.' | b'Z') {
            return false;
        }
        if !mark.is_ascii_digit() && text.as_bytes().get(at) != Some(&mark) {
            return true;
        }
    }
    false
}
