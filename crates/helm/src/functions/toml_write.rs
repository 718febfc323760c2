//! How TOML is written: what is no table first, then tables, each sorted by key.

use bowline_gotmpl::{Context, FuncError, List, Shape, Str, Value, sprint};

use super::args::{kind, plain};
use super::toml::{self, DEEPEST, Scalar};

/// What TOML calls a value; `None` for what is nil.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    Tables,
    Other,
    Nil,
}

impl Kind {
    fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::Tables)
    }
}

/// An error's text: of TOML, or of a limit.
enum Stop {
    Toml(String),
    Limit(FuncError),
}

impl From<FuncError> for Stop {
    fn from(error: FuncError) -> Self {
        Self::Limit(error)
    }
}

type Wrote = Result<(), Stop>;

/// An entry of a table: its key, its value, and whether a comma follows it in one line.
type Entry = (Str, Value, bool);

/// Writes a value, or tells why TOML has none like it; the outer error is one of limits.
pub(super) fn write(ctx: &mut Context<'_, '_>, value: &Value) -> Result<Result<Vec<u8>, String>, FuncError> {
    let mut writer = Writer { ctx, out: Vec::new(), counted: 0, key: Vec::new() };
    let wrote = match value {
        Value::Nil => Err(Stop::Limit(FuncError::new(toml::NOTHING))),
        value => writer.entry(value, 0),
    };
    match wrote.and_then(|()| writer.count()) {
        Ok(()) => Ok(Ok(writer.out)),
        Err(Stop::Toml(error)) => Ok(Err(error)),
        Err(Stop::Limit(error)) => Err(error),
    }
}

struct Writer<'w, 'a, 'h> {
    ctx: &'w mut Context<'a, 'h>,
    out: Vec<u8>,
    counted: usize,
    key: Vec<Str>,
}

fn stop<T>(message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Toml(message.into()))
}

fn deeper(depth: usize) -> Wrote {
    if depth > DEEPEST {
        return Err(Stop::Limit(FuncError::new("toml: a value contains itself")));
    }
    Ok(())
}

fn kind_of(ctx: &mut Context<'_, '_>, value: &Value, depth: usize) -> Result<Kind, Stop> {
    deeper(depth)?;
    if toml::own_text(value).is_some() {
        return Ok(Kind::Other);
    }
    if value.is_nil() {
        return Ok(Kind::Nil);
    }
    match value {
        Value::Complex(..) | Value::Func(_) | Value::Uint(bowline_gotmpl::UintKind::Uintptr, _) => {
            stop(format!("unsupported type: {}", kind(value)))
        }
        Value::Map(_) => Ok(Kind::Table),
        Value::List(list) => kind_of_list(ctx, list, depth),
        Value::Object(object) => match object.shape() {
            Shape::Plain(inner) => kind_of(ctx, &inner, depth),
            _ => Ok(Kind::Table),
        },
        _ => Ok(Kind::Other),
    }
}

fn kind_of_list(ctx: &mut Context<'_, '_>, list: &List, depth: usize) -> Result<Kind, Stop> {
    // What is looked at again and again, as a list of lists is, counts each time.
    ctx.charge(list.len() as u64)?;
    let mut tables = !list.is_empty();
    for item in list.iter() {
        match stacker::maybe_grow(32 * 1024, 1024 * 1024, || kind_of(ctx, item, depth + 1))? {
            Kind::Nil => return stop("toml: cannot encode array with nil element"),
            kind => tables &= kind == Kind::Table,
        }
    }
    Ok(if tables { Kind::Tables } else { Kind::Other })
}

/// Returns the entries of a table in the order in which they are written.
fn entries(ctx: &mut Context<'_, '_>, value: &Value, depth: usize) -> Result<Vec<Entry>, Stop> {
    let (all, is_struct) = match value {
        Value::Map(map) => (map.entries(), false),
        Value::Object(object) => match object.shape() {
            Shape::Struct(fields) | Shape::Pointer(fields) => {
                (fields.into_iter().map(|field| (field.name.into(), field.value)).collect(), true)
            }
            Shape::Plain(inner) => return entries(ctx, &inner, depth),
            Shape::NilPointer => (Vec::new(), true),
        },
        _ => (Vec::new(), false),
    };
    let (mut direct, mut tables) = (Vec::new(), Vec::new());
    let count = all.len();
    for (at, (key, value)) in all.into_iter().enumerate() {
        if is_struct && !key.first().is_some_and(u8::is_ascii_uppercase) {
            continue;
        }
        let kind = kind_of(ctx, &value, depth + 1)?;
        let entry = (key, value, kind, at + 1 < count);
        if kind.is_table() { tables.push(entry) } else { direct.push(entry) }
    }
    // A map's comma is left out after the last of its keys, a struct's after the last field it declares.
    let ends = [(direct.len(), !tables.is_empty()), (tables.len(), false)];
    let mut made = Vec::new();
    for (part, (len, more)) in [direct, tables].into_iter().zip(ends) {
        for (at, (key, value, kind, more_fields)) in part.into_iter().enumerate() {
            if kind != Kind::Nil {
                made.push((key, value, if is_struct { more_fields } else { more || at + 1 < len }));
            }
        }
    }
    Ok(made)
}

impl Writer<'_, '_, '_> {
    fn count(&mut self) -> Wrote {
        let new = self.out.len() - self.counted;
        self.counted = self.out.len();
        self.ctx.charge(1)?;
        Ok(self.ctx.charge_bytes(new)?)
    }

    fn text(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn line(&mut self) {
        if !self.out.is_empty() {
            self.out.push(b'\n');
        }
    }

    fn indent(&mut self) {
        let spaces = 2 * self.key.len().saturating_sub(1);
        self.out.resize(self.out.len() + spaces, b' ');
    }

    /// Writes a value under the key where the writer is: as an assignment, as a table, or as tables.
    fn entry(&mut self, value: &Value, depth: usize) -> Wrote {
        deeper(depth)?;
        self.count()?;
        stacker::maybe_grow(32 * 1024, 1024 * 1024, || {
            if toml::own_text(value).is_some() {
                return self.assign(value, depth);
            }
            let inner = plain(value).unwrap_or_else(|| value.clone());
            match &inner {
                Value::Complex(..) | Value::Func(_) | Value::Uint(bowline_gotmpl::UintKind::Uintptr, _) => {
                    let key = String::from_utf8_lossy(&toml::key(&self.key)).into_owned();
                    stop(format!("unsupported type for key '{key}': {}", kind(&inner)))
                }
                Value::List(list) if kind_of(self.ctx, &inner, depth)? == Kind::Tables => self.tables(list, depth),
                Value::Map(_) | Value::Object(_) if value.is_nil() => Ok(()),
                Value::Map(_) | Value::Object(_) => self.table(&inner, depth),
                _ => self.assign(&inner, depth),
            }
        })
    }

    fn assign(&mut self, value: &Value, depth: usize) -> Wrote {
        let Some(last) = self.key.last().cloned() else { return self.element(value, depth) };
        self.indent();
        toml::key_part(&mut self.out, &last);
        self.text(b" = ");
        self.element(value, depth)?;
        self.line();
        Ok(())
    }

    fn head(&mut self, open: &[u8], close: &[u8]) {
        self.indent();
        self.text(open);
        let key = toml::key(&self.key);
        self.text(&key);
        self.text(close);
        self.line();
    }

    fn table(&mut self, value: &Value, depth: usize) -> Wrote {
        if self.key.len() == 1 {
            self.line();
        }
        if !self.key.is_empty() {
            self.head(b"[", b"]");
        }
        self.entries(value, depth)
    }

    fn tables(&mut self, list: &List, depth: usize) -> Wrote {
        if self.key.is_empty() {
            return stop("toml: top-level values must be Go maps or structs");
        }
        for item in list.iter() {
            self.line();
            self.head(b"[[", b"]]");
            self.entries(item, depth)?;
        }
        Ok(())
    }

    fn entries(&mut self, value: &Value, depth: usize) -> Wrote {
        for (key, value, _) in entries(self.ctx, value, depth)? {
            self.key.push(key);
            self.entry(&value, depth + 1)?;
            self.key.pop();
        }
        Ok(())
    }

    /// Writes a value in one line.
    fn element(&mut self, value: &Value, depth: usize) -> Wrote {
        deeper(depth)?;
        self.count()?;
        match toml::own_text(value) {
            Some(Scalar::Plain(text)) => {
                self.text(&text);
                return Ok(());
            }
            Some(Scalar::Quoted(text)) => {
                self.quoted(&text);
                return Ok(());
            }
            None => {}
        }
        stacker::maybe_grow(32 * 1024, 1024 * 1024, || match value {
            Value::Str(text) => {
                self.quoted(text);
                Ok(())
            }
            Value::Float(_, number) => {
                self.float(*number, value);
                Ok(())
            }
            Value::List(list) => self.array(list, depth),
            Value::Bytes(bytes) => {
                let bytes = bytes.clone().unwrap_or_default();
                self.ctx.charge(bytes.len() as u64)?;
                let all: Vec<String> = bytes.iter().map(u8::to_string).collect();
                self.text(format!("[{}]", all.join(", ")).as_bytes());
                Ok(())
            }
            Value::Map(_) => self.inline(value, depth),
            Value::Object(object) => match object.shape() {
                Shape::Plain(inner) => self.element(&inner, depth),
                _ => self.inline(value, depth),
            },
            other => {
                self.text(&sprint(std::slice::from_ref(other)));
                Ok(())
            }
        })
    }

    fn quoted(&mut self, text: &[u8]) {
        self.out.push(b'"');
        toml::escape(&mut self.out, text);
        self.out.push(b'"');
    }

    fn float(&mut self, number: f64, value: &Value) {
        if !number.is_finite() {
            let sign = if number.is_sign_negative() { "-" } else { "" };
            let name = if number.is_nan() { "nan" } else { "inf" };
            self.text(format!("{sign}{name}").as_bytes());
            return;
        }
        let text = sprint(std::slice::from_ref(value));
        self.text(&text);
        if !text.iter().any(|byte| matches!(byte, b'e' | b'.')) {
            self.text(b".0");
        }
    }

    fn array(&mut self, list: &List, depth: usize) -> Wrote {
        self.text(b"[");
        for (at, item) in list.iter().enumerate() {
            if at > 0 {
                self.text(b", ");
            }
            self.element(item, depth + 1)?;
        }
        self.text(b"]");
        Ok(())
    }

    fn inline(&mut self, value: &Value, depth: usize) -> Wrote {
        self.text(b"{");
        for (key, value, comma) in entries(self.ctx, value, depth)? {
            toml::key_part(&mut self.out, &key);
            self.text(b" = ");
            self.element(&value, depth + 1)?;
            if comma {
                self.text(b", ");
            }
        }
        self.text(b"}");
        Ok(())
    }
}
