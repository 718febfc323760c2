//! From protobuf to JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Number, Value, json};

use super::reader::{Reader, Wire, WireError};
use super::table::{Slot, Slots, Table};
use super::{DefaultKind, ProtobufError};
use crate::builtins::Builtins;
use crate::builtins::decode::is_zero;
use crate::builtins::types::{Field, Shape, Struct, TypeId, Types};
use crate::clock::{rfc3339_micros, rfc3339_seconds};

/// How deep messages may lie in each other. Only JSON schemas and raw objects nest, and those of use not a tenth of it.
const MAX_DEPTH: u32 = 256;

/// Messages that are bytes with a meaning: `FieldsV1`, `RawExtension`, `JSON` have them in their first field.
const RAW: u32 = 1;

pub(super) struct Decoder<'a> {
    types: &'a Types,
    table: &'a Table,
    depth: u32,
}

impl<'a> Decoder<'a> {
    /// Makes a decoder for a message that lies `depth` messages deep.
    pub(super) fn new(types: &'a Types, table: &'a Table, depth: u32) -> Self {
        Self { types, table, depth }
    }

    pub(super) fn object(&mut self, id: TypeId, data: &[u8]) -> Result<Map<String, Value>, WireError> {
        let mut out = Map::new();
        self.message(id, data, &mut out)?;
        Ok(out)
    }

    /// Reads a message over what is there already, as repeated occurrences of one message do.
    fn message(&mut self, id: TypeId, data: &[u8], out: &mut Map<String, Value>) -> Result<(), WireError> {
        if self.depth == MAX_DEPTH {
            return Err(WireError::TooDeep);
        }
        self.depth += 1;
        let structure = self.types.get(id);
        self.slots(structure, self.table.slots(id), data, out)?;
        self.depth -= 1;
        // Go's encoder leaves these out; fields that protobuf always writes are full of them.
        for field in structure.fields.iter().filter(|field| field.omitempty && !field.pointer) {
            if out.get(&field.name).is_some_and(|value| is_zero(&field.shape, value)) {
                out.remove(&field.name);
            }
        }
        Ok(())
    }

    fn slots(
        &mut self,
        owner: &'a Struct,
        slots: &'a Slots,
        data: &[u8],
        out: &mut Map<String, Value>,
    ) -> Result<(), WireError> {
        let mut reader = Reader::new(data, owner.go_name());
        while let Some((number, wire)) = reader.tag()? {
            match slots.get(&number) {
                None => reader.skip(wire)?,
                Some(Slot::Inlined(inner)) => {
                    let data = reader.bytes(wire, owner.go_name())?;
                    self.slots(owner, inner, data, out)?;
                }
                Some(Slot::Field { at, wrapped, go_name }) => {
                    let field = &owner.fields[*at];
                    let value = out.entry(field.name.clone()).or_insert(Value::Null);
                    if *wrapped {
                        let mut inner = Reader::new(reader.bytes(wire, go_name)?, go_name);
                        self.wrapped_list(field, &mut inner, value)?;
                    } else {
                        self.value(&field.shape, field, go_name, &mut reader, wire, value)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads the list that is the first field of a message of its own.
    fn wrapped_list(&mut self, field: &Field, reader: &mut Reader<'_>, into: &mut Value) -> Result<(), WireError> {
        let shape = match &field.shape {
            Shape::Map(element) => element,
            shape => shape,
        };
        if into.is_null() {
            *into = json!([]);
        }
        while let Some((number, wire)) = reader.tag()? {
            if number == RAW {
                self.value(shape, field, "Items", reader, wire, into)?;
            } else {
                reader.skip(wire)?;
            }
        }
        Ok(())
    }

    fn value(
        &mut self,
        shape: &Shape,
        field: &Field,
        go_name: &str,
        reader: &mut Reader<'_>,
        wire: Wire,
        into: &mut Value,
    ) -> Result<(), WireError> {
        *into = match shape {
            Shape::String => Value::String(reader.text(wire, go_name)?),
            Shape::Bool => Value::Bool(reader.number(wire, go_name)? != 0),
            // Go keeps the lower 32 bits.
            Shape::Int32 => json!(reader.number(wire, go_name)? as i32),
            Shape::Int64 => json!(reader.number(wire, go_name)? as i64),
            Shape::Float => float(reader.double(wire, go_name)?),
            Shape::Bytes => Value::String(STANDARD.encode(reader.bytes(wire, go_name)?)),
            Shape::List(element) => return self.item(element, field, go_name, reader, wire, into),
            Shape::Map(element) => {
                let data = reader.bytes(wire, go_name)?;
                return self.entry(element, field, go_name, data, into);
            }
            Shape::Struct(id) => {
                let data = reader.bytes(wire, go_name)?;
                let mut fields = match into.take() {
                    Value::Object(fields) => fields,
                    _ => Map::new(),
                };
                self.message(*id, data, &mut fields)?;
                Value::Object(fields)
            }
            Shape::Quantity => {
                let text = single_text(reader.bytes(wire, go_name)?, "Quantity")?;
                let quantity: crate::builtins::Quantity =
                    text.parse().map_err(|error| WireError::BadText(format!("{error}")))?;
                json!(quantity.to_string())
            }
            Shape::IntOrString => int_or_string(reader.bytes(wire, go_name)?)?,
            Shape::Time => time(reader.bytes(wire, go_name)?, false)?,
            Shape::MicroTime => time(reader.bytes(wire, go_name)?, true)?,
            // No served type has one.
            Shape::Duration => return reader.skip(wire),
            Shape::Any => self.raw(reader.bytes(wire, go_name)?)?,
            Shape::SchemaOr => self.schema_or(&field.name, reader.bytes(wire, go_name)?)?,
        };
        Ok(())
    }

    fn item(
        &mut self,
        element: &Shape,
        field: &Field,
        go_name: &str,
        reader: &mut Reader<'_>,
        wire: Wire,
        into: &mut Value,
    ) -> Result<(), WireError> {
        if !into.is_array() {
            *into = json!([]);
        }
        let Value::Array(items) = into else { return Ok(()) };
        if wire == Wire::Bytes && matches!(element, Shape::Bool | Shape::Int32 | Shape::Int64) {
            let mut packed = Reader::new(reader.bytes(wire, go_name)?, go_name);
            while !packed.is_at_end() {
                let mut item = Value::Null;
                self.value(element, field, go_name, &mut packed, Wire::Varint, &mut item)?;
                items.push(item);
            }
            return Ok(());
        }
        let mut item = Value::Null;
        self.value(element, field, go_name, reader, wire, &mut item)?;
        items.push(item);
        Ok(())
    }

    fn entry(
        &mut self,
        element: &Shape,
        field: &Field,
        go_name: &str,
        data: &[u8],
        into: &mut Value,
    ) -> Result<(), WireError> {
        let mut reader = Reader::new(data, go_name);
        let (mut key, mut value) = (String::new(), Value::Null);
        while let Some((number, wire)) = reader.tag()? {
            match number {
                1 => key = reader.text(wire, go_name)?,
                2 if matches!(element, Shape::List(_)) => {
                    let mut inner = Reader::new(reader.bytes(wire, go_name)?, go_name);
                    self.wrapped_list(field, &mut inner, &mut value)?;
                }
                2 => self.value(element, field, go_name, &mut reader, wire, &mut value)?,
                _ => reader.skip(wire)?,
            }
        }
        if value.is_null() {
            value = match element {
                Shape::String | Shape::Bytes => json!(""),
                Shape::Quantity => json!("0"),
                Shape::Struct(_) | Shape::Map(_) => json!({}),
                Shape::Bool => json!(false),
                Shape::Int32 | Shape::Int64 | Shape::Float | Shape::IntOrString => json!(0),
                _ => Value::Null,
            };
        }
        if !into.is_object() {
            *into = json!({});
        }
        if let Value::Object(entries) = into {
            entries.insert(key, value);
        }
        Ok(())
    }

    /// Reads the bytes of a `FieldsV1`, `RawExtension` or `JSON`: JSON, or an object in an envelope of its own.
    fn raw(&mut self, data: &[u8]) -> Result<Value, WireError> {
        let mut bytes: &[u8] = &[];
        let mut reader = Reader::new(data, "RawExtension");
        while let Some((number, wire)) = reader.tag()? {
            match number {
                RAW => bytes = reader.bytes(wire, "Raw")?,
                _ => reader.skip(wire)?,
            }
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        if Builtins::is_protobuf(bytes) {
            if self.depth == MAX_DEPTH {
                return Err(WireError::TooDeep);
            }
            let unnamed = DefaultKind { api_version: "", kind: "" };
            let inner = Builtins::get().decode_at_depth(bytes, unnamed, self.depth + 1);
            return inner.map_err(|error| match error {
                ProtobufError::Object { why, .. } => why,
                other => WireError::BadText(other.to_string()),
            });
        }
        serde_json::from_slice(bytes).map_err(|error| WireError::BadText(error.to_string()))
    }

    /// Reads what JSON schemas hold where a schema, a boolean, a list of schemas or a list of names may stand.
    fn schema_or(&mut self, field: &str, data: &[u8]) -> Result<Value, WireError> {
        let mut reader = Reader::new(data, "JSONSchemaPropsOr");
        let (mut schema, mut flag) = (None, None);
        let mut list: Vec<Value> = Vec::new();
        let is_bool = field.starts_with("additional");
        while let Some((number, wire)) = reader.tag()? {
            match (number, is_bool) {
                (1, true) => flag = Some(reader.number(wire, "Allows")? != 0),
                (1, false) | (2, true) => {
                    let data = reader.bytes(wire, "Schema")?;
                    schema = Some(Value::Object(self.object(self.types.json_schema, data)?));
                }
                (2, false) if field == "dependencies" => list.push(json!(reader.text(wire, "Property")?)),
                (2, false) => {
                    let data = reader.bytes(wire, "JSONSchemas")?;
                    list.push(Value::Object(self.object(self.types.json_schema, data)?));
                }
                _ => reader.skip(wire)?,
            }
        }
        Ok(match (list.is_empty(), schema) {
            (false, _) => Value::Array(list),
            (true, Some(schema)) => schema,
            (true, None) if is_bool => Value::Bool(flag.unwrap_or_default()),
            (true, None) => Value::Null,
        })
    }
}

/// Prints a number as Go does: without a fraction when it has none.
fn float(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        json!(number as i64)
    } else {
        Number::from_f64(number).map_or(Value::Null, Value::Number)
    }
}

/// Reads a message whose first field is a text.
fn single_text(data: &[u8], message: &str) -> Result<String, WireError> {
    let mut reader = Reader::new(data, message);
    let mut text = String::new();
    while let Some((number, wire)) = reader.tag()? {
        match number {
            1 => text = reader.text(wire, "String_")?,
            _ => reader.skip(wire)?,
        }
    }
    Ok(text)
}

fn int_or_string(data: &[u8]) -> Result<Value, WireError> {
    let mut reader = Reader::new(data, "IntOrString");
    let (mut kind, mut number, mut text) = (0, 0, String::new());
    while let Some((at, wire)) = reader.tag()? {
        match at {
            1 => kind = reader.number(wire, "Type")? as i64,
            2 => number = reader.number(wire, "IntVal")? as i32,
            3 => text = reader.text(wire, "StrVal")?,
            _ => reader.skip(wire)?,
        }
    }
    match kind {
        0 => Ok(json!(number)),
        1 => Ok(json!(text)),
        _ => Err(WireError::BadText("impossible IntOrString.Type".to_owned())),
    }
}

/// Reads a time; an empty message is the zero time, which JSON spells null.
fn time(data: &[u8], micros: bool) -> Result<Value, WireError> {
    if data.is_empty() {
        return Ok(Value::Null);
    }
    let mut reader = Reader::new(data, "Timestamp");
    let (mut secs, mut nanos) = (0, 0);
    while let Some((number, wire)) = reader.tag()? {
        match number {
            1 => secs = reader.number(wire, "Seconds")? as i64,
            2 => nanos = reader.number(wire, "Nanos")? as i32,
            _ => reader.skip(wire)?,
        }
    }
    if !micros {
        nanos = 0;
    }
    let out_of_range = || WireError::BadText("Time.MarshalJSON: year outside of range [0,9999]".to_owned());
    let time = Timestamp::new(secs, nanos).map_err(|_| out_of_range())?;
    Ok(json!(if micros { rfc3339_micros(time) } else { rfc3339_seconds(time) }))
}
