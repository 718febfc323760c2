//! From JSON to protobuf, byte for byte as upstream writes it.
//!
//! Upstream writes every field that is no pointer, zero or not, in the order of the numbers, and maps by key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::reader::Wire;
use super::table::{Slot, Slots, Table};
use crate::builtins::types::{Field, Shape, Struct, TypeId, Types};
use crate::store::to_bytes;

pub(super) struct Encoder<'a> {
    types: &'a Types,
    table: &'a Table,
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_tag(out: &mut Vec<u8>, number: u32, wire: Wire) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire.number()));
}

/// Writes bytes, a text or a message.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, Wire::Bytes);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a number.
pub(crate) fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, Wire::Varint);
    put_varint(out, value);
}

/// Writes a number with a fraction.
pub(crate) fn put_double(out: &mut Vec<u8>, number: u32, value: f64) {
    put_tag(out, number, Wire::Fixed64);
    out.extend_from_slice(&value.to_le_bytes());
}

impl<'a> Encoder<'a> {
    pub(super) fn new(types: &'a Types, table: &'a Table) -> Self {
        Self { types, table }
    }

    pub(super) fn object(&self, id: TypeId, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        self.slots(self.types.get(id), self.table.slots(id), value, &mut out);
        out
    }

    fn slots(&self, owner: &Struct, slots: &Slots, value: &Value, out: &mut Vec<u8>) {
        for (number, slot) in slots {
            match slot {
                Slot::Inlined(inner) => {
                    let mut bytes = Vec::new();
                    self.slots(owner, inner, value, &mut bytes);
                    put_bytes(out, *number, &bytes);
                }
                Slot::Field { at, wrapped, .. } => {
                    let field = &owner.fields[*at];
                    let given = value.get(&field.name).filter(|value| !value.is_null());
                    if *wrapped {
                        if let Some(Value::Array(_)) = given {
                            put_bytes(out, *number, &self.wrapped(&field.shape, field, given.unwrap_or(&Value::Null)));
                        }
                    } else if given.is_some() || !field.pointer {
                        self.value(*number, &field.shape, field, given.unwrap_or(&Value::Null), out);
                    }
                }
            }
        }
    }

    fn wrapped(&self, shape: &Shape, field: &Field, value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.value(1, shape, field, value, &mut bytes);
        bytes
    }

    /// Writes a value, or the zero value of its type for null.
    fn value(&self, number: u32, shape: &Shape, field: &Field, value: &Value, out: &mut Vec<u8>) {
        match shape {
            Shape::String => put_bytes(out, number, value.as_str().unwrap_or_default().as_bytes()),
            Shape::Bool => put_number(out, number, u64::from(value.as_bool().unwrap_or_default())),
            // Negative numbers are written as 64 bits.
            Shape::Int32 | Shape::Int64 => put_number(out, number, value.as_i64().unwrap_or_default() as u64),
            Shape::Float => put_double(out, number, value.as_f64().unwrap_or_default()),
            Shape::Bytes => {
                if let Some(text) = value.as_str() {
                    put_bytes(out, number, &STANDARD.decode(text).unwrap_or_default());
                }
            }
            Shape::List(element) => {
                for item in value.as_array().into_iter().flatten() {
                    self.value(number, element, field, item, out);
                }
            }
            Shape::Map(element) => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    let mut entry = Vec::new();
                    put_bytes(&mut entry, 1, key.as_bytes());
                    if matches!(**element, Shape::List(_)) {
                        put_bytes(&mut entry, 2, &self.wrapped(element, field, item));
                    } else {
                        self.value(2, element, field, item, &mut entry);
                    }
                    put_bytes(out, number, &entry);
                }
            }
            Shape::Struct(id) => put_bytes(out, number, &self.object(*id, value)),
            Shape::Quantity => {
                let mut bytes = Vec::new();
                put_bytes(&mut bytes, 1, value.as_str().unwrap_or("0").as_bytes());
                put_bytes(out, number, &bytes);
            }
            Shape::IntOrString => put_bytes(out, number, &int_or_string(value)),
            Shape::Time => put_bytes(out, number, &time(value, false)),
            Shape::MicroTime => put_bytes(out, number, &time(value, true)),
            Shape::Any => {
                let mut bytes = Vec::new();
                if !value.is_null() {
                    put_bytes(&mut bytes, 1, &to_bytes(value));
                }
                put_bytes(out, number, &bytes);
            }
            Shape::SchemaOr => put_bytes(out, number, &self.schema_or(&field.name, value)),
            // No served type has one.
            Shape::Duration => {}
        }
    }

    fn schema_or(&self, field: &str, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        let schema = |value: &Value| self.object(self.types.json_schema, value);
        let is_bool = field.starts_with("additional");
        if is_bool {
            put_number(&mut out, 1, u64::from(value.as_bool().unwrap_or(true)));
        }
        match value {
            Value::Object(_) => put_bytes(&mut out, if is_bool { 2 } else { 1 }, &schema(value)),
            Value::Array(items) => {
                for item in items {
                    match item {
                        Value::String(name) => put_bytes(&mut out, 2, name.as_bytes()),
                        item => put_bytes(&mut out, 2, &schema(item)),
                    }
                }
            }
            _ => {}
        }
        out
    }
}

fn int_or_string(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, 1, u64::from(value.is_string()));
    put_number(&mut out, 2, value.as_i64().unwrap_or_default() as u64);
    put_bytes(&mut out, 3, value.as_str().unwrap_or_default().as_bytes());
    out
}

/// Writes a time; the zero time is an empty message.
fn time(value: &Value, micros: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(time) = value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
        let nanos = if micros { time.subsec_nanosecond() / 1000 * 1000 } else { 0 };
        put_number(&mut out, 1, time.as_second() as u64);
        put_number(&mut out, 2, nanos as u64);
    }
    out
}
