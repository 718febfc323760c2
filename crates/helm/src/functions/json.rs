//! JSON as Go's `encoding/json` writes it.

use bowline_gotmpl::{Context, FloatKind, FuncError, Object, Shape, Value};
use serde_json::{Map as JsonMap, Number, Value as Json};

use super::args::fail;
use super::runes::{BAD, decode};

/// How JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// In one line, with `<`, `>` and `&` escaped.
    Escaped,
    /// The same with two spaces for each level.
    Pretty,
    /// In one line, with nothing escaped that need not be.
    Raw,
}

/// Levels beyond which a value is taken to contain itself.
const DEEPEST: usize = 1000;

const CYCLE: &str = "json: unsupported value: encountered a cycle via map[string]interface {}";

/// What a value of the host is in JSON.
enum Made {
    Text(String),
    Value(Value),
    Fields(Vec<bowline_gotmpl::Field>),
    Fails(&'static str),
    Null,
}

fn made(object: &dyn Object) -> Made {
    if let Some(text) = super::dates::to_json(object) {
        // The year has four digits, and no sign.
        if text.find('-') != Some(4) {
            return Made::Fails(
                "json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: year outside of range [0,9999]",
            );
        }
        return Made::Text(text);
    }
    match object.shape() {
        Shape::Plain(value) => Made::Value(value),
        Shape::NilPointer => Made::Null,
        Shape::Pointer(_) if object.type_name() == "*semver.Version" => {
            Made::Text(object.text().map(|text| text.to_text().into_owned()).unwrap_or_default())
        }
        Shape::Struct(fields) | Shape::Pointer(fields) => {
            Made::Fields(fields.into_iter().filter(|field| field.name.starts_with(char::is_uppercase)).collect())
        }
    }
}

/// Writes a value; its bytes are counted.
pub(super) fn encode(ctx: &mut Context<'_, '_>, value: &Value, style: Style) -> Result<Vec<u8>, FuncError> {
    let mut writer = Writer { ctx, out: Vec::new(), style, counted: 0 };
    writer.value(value, 0)?;
    let Writer { ctx, out, counted, .. } = writer;
    ctx.charge_bytes(out.len() - counted)?;
    Ok(out)
}

struct Writer<'w, 'a, 'h> {
    ctx: &'w mut Context<'a, 'h>,
    out: Vec<u8>,
    style: Style,
    counted: usize,
}

impl Writer<'_, '_, '_> {
    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Counts what was written since the last time.
    fn count(&mut self) -> Result<(), FuncError> {
        let new = self.out.len() - self.counted;
        self.counted = self.out.len();
        self.ctx.charge_bytes(new)
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), FuncError> {
        if depth > DEEPEST {
            return fail(CYCLE);
        }
        stacker::maybe_grow(32 * 1024, 1024 * 1024, || match value {
            Value::Nil => {
                self.text("null");
                Ok(())
            }
            Value::Bool(truth) => {
                self.text(if *truth { "true" } else { "false" });
                Ok(())
            }
            Value::Int(_, number) => {
                self.text(&number.to_string());
                Ok(())
            }
            Value::Uint(_, number) => {
                self.text(&number.to_string());
                Ok(())
            }
            Value::Float(kind, number) => {
                let text = float(*kind, *number)?;
                self.text(&text);
                Ok(())
            }
            Value::Str(text) => {
                self.string(text);
                Ok(())
            }
            Value::Bytes(None) => {
                self.text("null");
                Ok(())
            }
            Value::Bytes(Some(bytes)) => {
                let text = super::encoding::base64(bytes);
                self.string(text.as_bytes());
                Ok(())
            }
            Value::List(list) if list.is_nil() => {
                self.text("null");
                Ok(())
            }
            Value::List(list) => {
                self.open(b'[');
                for (at, item) in list.iter().enumerate() {
                    self.begin_item(at, depth)?;
                    self.value(item, depth + 1)?;
                }
                self.close(b']', list.is_empty(), depth);
                Ok(())
            }
            Value::Map(map) if map.is_nil() => {
                self.text("null");
                Ok(())
            }
            Value::Map(map) => self.entries(map.entries(), depth),
            Value::Object(object) => match made(object.as_ref()) {
                Made::Null => {
                    self.text("null");
                    Ok(())
                }
                Made::Fails(why) => fail(why),
                Made::Text(text) => {
                    self.string(text.as_bytes());
                    Ok(())
                }
                Made::Value(value) => self.value(&value, depth),
                Made::Fields(fields) => {
                    self.entries(fields.into_iter().map(|field| (field.name.into(), field.value)).collect(), depth)
                }
            },
            Value::Complex(..) | Value::Func(_) => fail(format!("json: unsupported type: {}", value.type_name())),
        })
    }

    fn entries(&mut self, entries: Vec<(bowline_gotmpl::Str, Value)>, depth: usize) -> Result<(), FuncError> {
        let empty = entries.is_empty();
        self.open(b'{');
        for (at, (key, value)) in entries.into_iter().enumerate() {
            self.begin_item(at, depth)?;
            self.string(&key);
            self.text(if self.style == Style::Pretty { ": " } else { ":" });
            self.value(&value, depth + 1)?;
        }
        self.close(b'}', empty, depth);
        Ok(())
    }

    fn open(&mut self, byte: u8) {
        self.out.push(byte);
    }

    fn begin_item(&mut self, at: usize, depth: usize) -> Result<(), FuncError> {
        if at > 0 {
            self.out.push(b',');
        }
        self.line(depth + 1);
        self.count()
    }

    fn close(&mut self, byte: u8, empty: bool, depth: usize) {
        if !empty {
            self.line(depth);
        }
        self.out.push(byte);
    }

    fn line(&mut self, depth: usize) {
        if self.style == Style::Pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + 2 * depth, b' ');
        }
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        let mut rest = text;
        while !rest.is_empty() {
            let (c, len) = decode(rest);
            match c {
                '"' => self.text("\\\""),
                '\\' => self.text("\\\\"),
                '\n' => self.text("\\n"),
                '\r' => self.text("\\r"),
                '\t' => self.text("\\t"),
                '\u{8}' => self.text("\\b"),
                '\u{c}' => self.text("\\f"),
                '<' | '>' | '&' if self.style != Style::Raw => self.escape(c),
                '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => self.escape(c),
                BAD if len == 1 => self.escape(c),
                _ => self.out.extend_from_slice(&rest[..len]),
            }
            rest = &rest[len..];
        }
        self.out.push(b'"');
    }

    fn escape(&mut self, c: char) {
        let escape = format!("\\u{:04x}", u32::from(c));
        self.text(&escape);
    }
}

/// Writes a float as Go's encoder does.
fn float(kind: FloatKind, number: f64) -> Result<String, FuncError> {
    if !number.is_finite() {
        let name = if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        };
        return fail(format!("json: unsupported value: {name}"));
    }
    let single = kind == FloatKind::Float32;
    let size = number.abs();
    let large = if single { size as f32 >= 1e21 || (size as f32) < 1e-6 } else { !(1e-6..1e21).contains(&size) };
    if size == 0.0 || !large {
        return Ok(if single { (number as f32).to_string() } else { number.to_string() });
    }
    let text = if single { format!("{:e}", number as f32) } else { format!("{number:e}") };
    Ok(if text.contains("e-") { text } else { text.replace('e', "e+") })
}

/// Returns a value as the JSON that Go would read back out of its own: what YAML is written of.
pub(super) fn tree(ctx: &mut Context<'_, '_>, value: &Value) -> Result<Json, FuncError> {
    branch(ctx, value, 0)
}

fn branch(ctx: &mut Context<'_, '_>, value: &Value, depth: usize) -> Result<Json, FuncError> {
    if depth > DEEPEST {
        return fail(CYCLE);
    }
    stacker::maybe_grow(32 * 1024, 1024 * 1024, || {
        Ok(match value {
            Value::Nil | Value::Bytes(None) => Json::Null,
            Value::Bool(truth) => Json::Bool(*truth),
            Value::Int(_, number) => (*number).into(),
            Value::Uint(_, number) => (*number).into(),
            Value::Float(kind, number) => {
                let text = float(*kind, *number)?;
                let number = text.parse().unwrap_or(*number);
                Number::from_f64(number).map_or(Json::Null, Json::Number)
            }
            Value::Str(text) => Json::String(text.to_text().into_owned()),
            Value::Bytes(Some(bytes)) => Json::String(super::encoding::base64(bytes)),
            Value::List(list) if list.is_nil() => Json::Null,
            Value::List(list) => {
                ctx.charge(list.len() as u64)?;
                Json::Array(list.iter().map(|item| branch(ctx, item, depth + 1)).collect::<Result<_, _>>()?)
            }
            Value::Map(map) if map.is_nil() => Json::Null,
            Value::Map(map) => {
                ctx.charge(map.len() as u64)?;
                let mut made = JsonMap::new();
                for (key, item) in map.entries() {
                    made.insert(key.to_text().into_owned(), branch(ctx, &item, depth + 1)?);
                }
                Json::Object(made)
            }
            Value::Object(object) => match made(object.as_ref()) {
                Made::Null => Json::Null,
                Made::Fails(why) => return fail(why),
                Made::Text(text) => Json::String(text),
                Made::Value(value) => branch(ctx, &value, depth)?,
                Made::Fields(fields) => {
                    let mut made = JsonMap::new();
                    for field in fields {
                        made.insert(field.name.to_owned(), branch(ctx, &field.value, depth + 1)?);
                    }
                    Json::Object(made)
                }
            },
            Value::Complex(..) | Value::Func(_) => {
                return fail(format!("json: unsupported type: {}", value.type_name()));
            }
        })
    })
}
