//! The grammar of `--set`, `--set-string`, `--set-file` and `--set-json`: `a.b[0].c=1,d={x,y}`.

use serde_json::Value as Json;

use crate::chart::is_go_space;
use crate::yaml::Table;

/// The greatest index that a list may get.
pub(super) const MAX_INDEX: i64 = 65536;
/// How deep names may be nested by dots.
pub(super) const MAX_NAME_LEVEL: usize = 30;
/// How deep lists may be nested in lists; Helm has no bound.
pub(super) const MAX_LIST_LEVEL: usize = 1000;

/// How many elements the indices of all lines may ask for together; Helm has no bound, and a short line can ask for
/// gigabytes.
const MAX_ELEMENTS: u64 = 1_000_000;

/// Checks that lines do not ask for lists too long to be meant.
pub(super) fn check_indices<'l>(lines: impl Iterator<Item = &'l String>) -> Result<(), SetError> {
    let mut elements = 0;
    for line in lines {
        for (at, _) in line.match_indices('[') {
            let after = &line[at + 1..];
            let Some((index, rest)) = after.split_once(']') else { break };
            // Longer ones are refused by themselves, and what nothing follows is part of a value.
            if rest.starts_with(['[', '.', '=']) && index.len() <= 5 {
                elements += index.parse::<u64>().map_or(0, |index| index + 1);
            }
        }
    }
    if elements > MAX_ELEMENTS {
        return Err(SetError(format!("indices of {elements} are greater than the supported {MAX_ELEMENTS} together")));
    }
    Ok(())
}

/// Why a line of `--set` cannot be understood, in Helm's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SetError(pub String);

/// Why parsing stopped.
pub(super) enum Stop {
    /// The line is at its end: no mistake by itself.
    End,
    Wrong(String),
}

pub(super) fn wrong<T>(text: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Wrong(text.into()))
}

/// Sets what a line of `--set` says: numbers, booleans and null are taken as such.
pub fn parse_into(line: &str, values: &mut Table) -> Result<(), SetError> {
    run(line, values, Kind::Typed)
}

/// Sets what a line of `--set-string` says: every value is a string.
pub fn parse_into_string(line: &str, values: &mut Table) -> Result<(), SetError> {
    run(line, values, Kind::Text)
}

/// Sets what a line of `--set-json` says: values are JSON.
pub fn parse_json_into(line: &str, values: &mut Table) -> Result<(), SetError> {
    run(line, values, Kind::Json)
}

/// Sets what a line of `--set-file` says: a value is what `read` returns for it.
pub fn parse_into_file(
    line: &str,
    values: &mut Table,
    read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<(), SetError> {
    run(line, values, Kind::File(read))
}

fn run(line: &str, values: &mut Table, kind: Kind<'_>) -> Result<(), SetError> {
    let mut parser = Parser { text: Cursor::new(line), kind };
    loop {
        match parser.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Wrong(text)) => return Err(SetError(text)),
        }
    }
}

enum Kind<'r> {
    Typed,
    Text,
    Json,
    File(&'r dyn Fn(&str) -> Result<Vec<u8>, String>),
}

/// A place in a line.
pub(super) struct Cursor<'t> {
    pub(super) rest: &'t str,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    /// Reads up to a stop character, which is taken too; `None` if the line ends first. With `escapes`, a backslash
    /// takes away what the next character means.
    pub(super) fn until(&mut self, stops: &[char], escapes: bool) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(c) = self.next() {
            if stops.contains(&c) {
                return (text, Some(c));
            }
            if escapes && c == '\\' {
                let Some(next) = self.next() else { return (text, None) };
                text.push(next);
            } else {
                text.push(c);
            }
        }
        (text, None)
    }

    /// Reads an index up to its bracket.
    pub(super) fn index(&mut self, escapes: bool) -> Result<i64, Stop> {
        match self.until(&[']'], escapes) {
            (_, None) => Err(Stop::End),
            (text, Some(_)) => atoi(&text).map_err(|why| Stop::Wrong(format!("error parsing index: {why}"))),
        }
    }
}

/// Go's `strconv.Atoi`.
fn atoi(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let quoted = || bowline_gotmpl::quote(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("strconv.Atoi: parsing {}: invalid syntax", quoted()));
    }
    text.parse().map_err(|_| format!("strconv.Atoi: parsing {}: value out of range", quoted()))
}

struct Parser<'t, 'r> {
    text: Cursor<'t>,
    kind: Kind<'r>,
}

impl Parser<'_, '_> {
    fn key(&mut self, values: &mut Table, level: usize) -> Result<(), Stop> {
        let (key, stop) = self.text.until(&['=', '[', ',', '.'], true);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => wrong(format!("key {} has no value", bowline_gotmpl::quote(&key))),
            Some('[') => {
                let index = self.text.index(true)?;
                let mut list = take_list(values, &key)?;
                let result = self.item(&mut list, index, level, 0);
                set(values, &key, Json::Array(list));
                result
            }
            Some('=') => self.key_value(values, &key),
            Some(',') => {
                set(values, &key, Json::String(String::new()));
                wrong(format!("key {} has no value (cannot end with ,)", bowline_gotmpl::quote(&key)))
            }
            Some(_) => nested_key(values, &key, level, |inner, level| self.key(inner, level)),
        }
    }

    fn key_value(&mut self, values: &mut Table, key: &str) -> Result<(), Stop> {
        if matches!(self.kind, Kind::Json) {
            if self.empty_value() {
                set(values, key, Json::Null);
                return Ok(());
            }
            let value = self.json()?;
            set(values, key, value);
            self.empty_value();
            return Ok(());
        }
        match self.value()? {
            Some(value) => {
                set(values, key, value);
                Ok(())
            }
            None => {
                set(values, key, Json::String(String::new()));
                Err(Stop::End)
            }
        }
    }

    /// Reads what stands after `=`: a list or a single value; `None` at the end of the line.
    fn value(&mut self) -> Result<Option<Json>, Stop> {
        match self.text.rest.chars().next() {
            None => Ok(None),
            Some('{') => {
                self.text.next();
                let mut list = Vec::new();
                loop {
                    let (text, stop) = self.text.until(&[',', '}'], true);
                    match stop {
                        None => return wrong("list must terminate with '}'"),
                        Some('}') => {
                            if self.text.rest.starts_with(',') {
                                self.text.next();
                            }
                            list.push(self.scalar(text)?);
                            return Ok(Some(Json::Array(list)));
                        }
                        Some(_) => list.push(self.scalar(text)?),
                    }
                }
            }
            Some(_) => {
                let (text, _) = self.text.until(&[','], true);
                self.scalar(text).map(Some)
            }
        }
    }

    fn scalar(&self, text: String) -> Result<Json, Stop> {
        match &self.kind {
            Kind::Text | Kind::Json => Ok(Json::String(text)),
            Kind::Typed => Ok(typed(text)),
            Kind::File(read) => match read(&text) {
                Ok(bytes) => Ok(Json::String(String::from_utf8_lossy(&bytes).into_owned())),
                Err(why) => wrong(why),
            },
        }
    }

    fn item(&mut self, list: &mut Vec<Json>, index: i64, level: usize, depth: usize) -> Result<(), Stop> {
        check_item(index, depth)?;
        let (text, stop) = self.text.until(&['[', '.', '='], true);
        if !text.is_empty() {
            let text = runes(&text);
            return wrong(format!("unexpected data at end of array index: {text}"));
        }
        match stop {
            None => Err(Stop::End),
            Some('=') if matches!(self.kind, Kind::Json) => {
                if self.empty_value() {
                    return set_index(list, index, Json::Null);
                }
                let value = self.json()?;
                set_index(list, index, value)?;
                self.empty_value();
                Ok(())
            }
            Some('=') => {
                let value = self.value()?.unwrap_or_else(|| Json::String(String::new()));
                set_index(list, index, value)
            }
            Some('[') => {
                let next = self.text.index(true)?;
                nested_list(list, index, |inner| self.item(inner, next, level, depth + 1))
            }
            Some(_) => nested_map(list, index, |inner| self.key(inner, level)),
        }
    }

    /// Skips spaces up to a comma, which is taken, or the end; false if something else comes first.
    fn empty_value(&mut self) -> bool {
        loop {
            match self.text.rest.chars().next() {
                None => return true,
                Some(',') => {
                    self.text.next();
                    return true;
                }
                Some(c) if is_go_space(c) => {
                    self.text.next();
                }
                Some(_) => return false,
            }
        }
    }

    fn json(&mut self) -> Result<Json, Stop> {
        let mut stream = serde_json::Deserializer::from_str(self.text.rest).into_iter::<Json>();
        match stream.next() {
            Some(Ok(value)) => {
                let read = stream.byte_offset();
                self.text.rest = &self.text.rest[read..];
                Ok(crate::yaml::float(value))
            }
            Some(Err(error)) => wrong(error.to_string()),
            None => Err(Stop::End),
        }
    }
}

pub(super) fn check_item(index: i64, depth: usize) -> Result<(), Stop> {
    if index < 0 {
        return wrong(format!("negative {index} index not allowed"));
    }
    if depth > MAX_LIST_LEVEL {
        return wrong(format!("lists are nested deeper than the supported {MAX_LIST_LEVEL} levels"));
    }
    Ok(())
}

/// Sets the keys of a table within a table.
pub(super) fn nested_key(
    values: &mut Table,
    key: &str,
    level: usize,
    parse: impl FnOnce(&mut Table, usize) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let level = level + 1;
    if level > MAX_NAME_LEVEL {
        return wrong(format!(
            "value name nested level is greater than maximum supported nested level of {MAX_NAME_LEVEL}"
        ));
    }
    let existing = match values.get_mut(key) {
        None => None,
        Some(Json::Object(inner)) => Some(std::mem::take(inner)),
        Some(other) => return wrong(not_a(other, "map[string]interface {}")),
    };
    let existed = existing.is_some();
    let mut inner = existing.unwrap_or_default();
    let result = parse(&mut inner, level);
    let is_empty = inner.is_empty();
    if existed || !is_empty {
        set(values, key, Json::Object(inner));
    }
    if result.is_ok() && is_empty {
        return wrong(format!("key map {} has no value", bowline_gotmpl::quote(key)));
    }
    result
}

/// Takes the list of a key out of a table, to be put back.
pub(super) fn take_list(values: &mut Table, key: &str) -> Result<Vec<Json>, Stop> {
    match values.get_mut(key) {
        None => Ok(Vec::new()),
        Some(Json::Array(list)) => Ok(std::mem::take(list)),
        Some(other) => wrong(not_a(other, "[]interface {}")),
    }
}

/// Sets an element of a list within a list.
pub(super) fn nested_list(
    list: &mut Vec<Json>,
    index: i64,
    parse: impl FnOnce(&mut Vec<Json>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut inner = match usize::try_from(index).ok().and_then(|at| list.get_mut(at)) {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(inner)) => std::mem::take(inner),
        Some(other) => return wrong(not_a(other, "[]interface {}")),
    };
    parse(&mut inner)?;
    set_index(list, index, Json::Array(inner))
}

/// Sets the keys of a table within a list.
pub(super) fn nested_map(
    list: &mut Vec<Json>,
    index: i64,
    parse: impl FnOnce(&mut Table) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let place = usize::try_from(index).ok().filter(|at| *at < list.len());
    let mut inner = match place.map(|at| list[at].take()) {
        Some(Json::Object(inner)) => inner,
        _ => Table::new(),
    };
    let result = parse(&mut inner);
    match (place, result) {
        (_, Ok(())) => set_index(list, index, Json::Object(inner)),
        (Some(at), Err(stop)) => {
            list[at] = Json::Object(inner);
            Err(stop)
        }
        // Helm forgets what was set at the very end of a line in a table that it made for it.
        (None, Err(stop)) => Err(stop),
    }
}

pub(super) fn set(values: &mut Table, key: &str, value: Json) {
    if !key.is_empty() {
        values.insert(key.to_owned(), value);
    }
}

pub(super) fn set_index(list: &mut Vec<Json>, index: i64, value: Json) -> Result<(), Stop> {
    if index < 0 {
        return wrong(format!("negative {index} index not allowed"));
    }
    if index > MAX_INDEX {
        return wrong(format!("index of {index} is greater than maximum supported index of {MAX_INDEX}"));
    }
    let index = index as usize;
    if list.len() <= index {
        list.resize(index + 1, Json::Null);
    }
    list[index] = value;
    Ok(())
}

/// What Go says when a value is not of the type that it is taken for.
fn not_a(value: &Json, want: &str) -> String {
    let is = match value {
        Json::Null => "nil",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float64",
        Json::Number(_) => "int64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    };
    format!("unable to parse key: interface conversion: interface {{}} is {is}, not {want}")
}

/// Go's `%q` of a list of characters.
pub(super) fn runes(text: &str) -> String {
    let quoted: Vec<String> = text
        .chars()
        .map(|c| {
            bowline_gotmpl::sprintf("%q", &[bowline_gotmpl::Value::int(i64::from(u32::from(c)))]).to_text().into_owned()
        })
        .collect();
    format!("[{}]", quoted.join(" "))
}

fn typed(text: String) -> Json {
    if text.eq_ignore_ascii_case("true") {
        return Json::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Json::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Json::Null;
    }
    if text == "0" {
        return 0_i64.into();
    }
    if !text.starts_with('0')
        && let Ok(number) = text.parse::<i64>()
    {
        return number.into();
    }
    Json::String(text)
}
