//! Reading an object as Go would, and writing it back: unknown fields go, zero values are dropped or added.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::defaults;
use super::quantity::Quantity;
use super::times;
use super::types::{Field, Shape, Struct, TypeId, Types};
use crate::clock::{rfc3339_micros, rfc3339_seconds};

/// A value that its field's type cannot hold.
///
/// The message is that of Go's decoder, which the server sends back as 400 `BadRequest` behind
/// `Deployment in version "v1" cannot be handled as a Deployment: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The JSON type is wrong.
    #[error("json: cannot unmarshal {found} into Go struct field {owner}.{field} of type {want}")]
    WrongType {
        /// What was found: `string`, `number`, `bool`, `array`, `object`.
        found: String,
        /// The Go struct that holds the field.
        owner: String,
        /// The path of the field, without indexes.
        field: String,
        /// The field's Go type.
        want: String,
    },
    /// The text does not have the form its field needs.
    #[error("{0}")]
    BadText(String),
}

/// Decodes and encodes `value` as the type `id` and returns the paths of fields the type does not know.
pub(super) fn round_trip(types: &Types, id: TypeId, value: &mut Value) -> Result<Vec<String>, DecodeError> {
    walk(types, id, value, true)
}

/// Adds the fields Go always writes, without what absent ones default to.
pub(super) fn fill_zeros(types: &Types, id: TypeId, value: &mut Value) -> Result<(), DecodeError> {
    walk(types, id, value, false).map(drop)
}

fn walk(types: &Types, id: TypeId, value: &mut Value, with_defaults: bool) -> Result<Vec<String>, DecodeError> {
    let mut walk = Walk { types, path: Vec::new(), unknown: Vec::new(), with_defaults, wrong: None };
    walk.structure(id, value)?;
    if let Some(wrong) = walk.wrong {
        return Err(wrong);
    }
    walk.unknown.sort();
    Ok(walk.unknown)
}

enum Step<'a> {
    /// A field, and the structs it is inlined from.
    Field(Cow<'a, str>, Option<&'a str>),
    Index(usize),
    Key(String),
}

struct Walk<'a> {
    types: &'a Types,
    path: Vec<Step<'a>>,
    unknown: Vec<String>,
    with_defaults: bool,
    /// The first value of a wrong type. Go reads on behind it, and tells it unless a type's own reader gives up.
    wrong: Option<DecodeError>,
}

impl<'a> Walk<'a> {
    fn structure(&mut self, id: TypeId, value: &mut Value) -> Result<(), DecodeError> {
        let types: &'a Types = self.types;
        let structure = types.get(id);
        if value.is_null() {
            *value = json!({});
        }
        let Value::Object(object) = value else {
            let wrong = self.wrong_type(value, structure, structure.go_path());
            self.save(wrong);
            return Ok(());
        };
        // Both are sorted by name, so one pass meets every field the object has and every one it lacks.
        let mut fields = structure.fields.iter().peekable();
        let (mut gone, mut added) = (Vec::new(), Vec::new());
        for (key, value) in &mut *object {
            while let Some(field) = fields.next_if(|field| field.name.as_str() < key.as_str()) {
                added.extend(self.absent(field).map(|zero| (field, zero)));
            }
            let Some(field) = fields.next_if(|field| field.name == *key) else {
                self.path.push(Step::Field(Cow::Owned(key.clone()), None));
                let path = self.spelled();
                self.unknown.push(path);
                self.path.pop();
                gone.push(Cow::Owned(key.clone()));
                continue;
            };
            if !self.field(structure, field, value)? {
                gone.push(Cow::Borrowed(field.name.as_str()));
            }
        }
        for field in fields {
            added.extend(self.absent(field).map(|zero| (field, zero)));
        }
        for name in gone {
            object.remove(&*name);
        }
        for (field, zero) in added {
            object.insert(field.name.clone(), zero);
        }
        Ok(())
    }

    /// Reads the value of a field, and returns whether the encoder writes it.
    fn field(&mut self, owner: &Struct, field: &'a Field, value: &mut Value) -> Result<bool, DecodeError> {
        if value.is_null() {
            // A pointer or list that is null is absent; so is the zero value.
            let Some(zero) = self.absent(field) else { return Ok(false) };
            *value = zero;
            return Ok(true);
        }
        self.path.push(Step::Field(Cow::Borrowed(&field.name), field.inside.as_deref()));
        self.shape(owner, &field.shape, field.spelled.as_deref(), value)?;
        self.path.pop();
        let stays = field.pointer
            || !is_zero(&field.shape, value)
            || defaults::tells_empty_from_none(owner.go_name(), &field.name);
        if stays {
            return Ok(true);
        }
        if let Some(default) = &field.default {
            *value = default.clone();
        } else if field.omitempty {
            return Ok(false);
        } else if matches!(field.shape, Shape::List(_) | Shape::Map(_) | Shape::Bytes) {
            // Storage knows no difference between an empty list and none.
            *value = Value::Null;
        }
        Ok(true)
    }

    /// Returns what the encoder writes for a field that was not given.
    fn absent(&mut self, field: &Field) -> Option<Value> {
        let says = |default: &Value| self.with_defaults || default.as_object().is_some_and(Map::is_empty);
        if let Some(default) = field.default.as_ref().filter(|default| says(default)) {
            return Some(default.clone());
        }
        if field.pointer {
            return (!field.omitempty).then_some(Value::Null);
        }
        if field.omitzero {
            return None;
        }
        // `omitempty` never drops a struct, and these are structs in Go.
        match &field.shape {
            Shape::Struct(id) => {
                let mut empty = json!({});
                self.structure(*id, &mut empty).ok()?;
                Some(empty)
            }
            Shape::Time | Shape::MicroTime => Some(Value::Null),
            Shape::Any => (!field.omitempty).then_some(Value::Null),
            Shape::Quantity => Some(json!("0")),
            Shape::IntOrString => Some(json!(0)),
            Shape::Duration => Some(json!("0s")),
            _ if field.omitempty => None,
            Shape::String => Some(json!("")),
            Shape::Bool => Some(json!(false)),
            Shape::Int32 | Shape::Int64 | Shape::Float => Some(json!(0)),
            Shape::List(_) | Shape::Map(_) | Shape::Bytes | Shape::SchemaOr => Some(Value::Null),
        }
    }

    /// Keeps a mistake that Go tells when it has read everything: the first of them.
    fn save(&mut self, wrong: DecodeError) {
        self.wrong.get_or_insert(wrong);
    }

    /// Reads a value; `spelled` is what Go calls its type, where the shape does not say it.
    fn shape(
        &mut self,
        owner: &Struct,
        shape: &Shape,
        spelled: Option<&str>,
        value: &mut Value,
    ) -> Result<(), DecodeError> {
        let fits = match shape {
            Shape::Any => true,
            Shape::String => value.is_string(),
            Shape::Bool => value.is_boolean(),
            Shape::Int32 => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            Shape::Int64 => value.as_i64().is_some(),
            Shape::Float => value.is_number(),
            Shape::IntOrString => {
                value.is_string() || value.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
            }
            // Whatever it is, its text is read, and refused as a text.
            Shape::Quantity => true,
            Shape::Bytes | Shape::Time | Shape::MicroTime | Shape::Duration => value.is_string(),
            Shape::List(_) => value.is_array(),
            Shape::Map(_) => value.is_object(),
            Shape::Struct(id) if value.is_object() || value.is_null() => return self.structure(*id, value),
            Shape::Struct(_) => false,
            Shape::SchemaOr => return self.schema_or(owner, value),
        };
        if let (Shape::Bytes, Value::Array(items)) = (shape, &*value) {
            // Go takes a list of small numbers for bytes, too.
            let wrong = items.iter().find(|item| item.as_u64().is_none_or(|number| number > 255));
            match wrong.map(|item| self.wrong_type(item, owner, "uint8")) {
                Some(wrong) => self.save(wrong),
                None => {
                    let bytes: Vec<u8> = items.iter().filter_map(|item| u8::try_from(item.as_u64()?).ok()).collect();
                    *value = json!(STANDARD.encode(bytes));
                }
            }
            return Ok(());
        }
        if !fits {
            let want = spelled.map_or_else(|| self.go_type(shape), str::to_owned);
            let wrong = self.wrong_type(value, owner, &want);
            let reads_itself = matches!(shape, Shape::IntOrString | Shape::Time | Shape::MicroTime | Shape::Duration);
            // What reads itself gives up at once.
            if reads_itself {
                return Err(wrong);
            }
            self.save(wrong);
            return Ok(());
        }
        match (shape, value) {
            (Shape::List(element), Value::Array(items)) => {
                let spelled = spelled.and_then(|spelled| spelled.strip_prefix("[]"));
                for (at, item) in items.iter_mut().enumerate() {
                    self.path.push(Step::Index(at));
                    self.element(owner, element, spelled, item)?;
                    self.path.pop();
                }
            }
            (Shape::Map(element), Value::Object(entries)) => {
                let spelled = spelled.and_then(|spelled| spelled.strip_prefix("map[string]"));
                for (key, item) in entries.iter_mut() {
                    self.path.push(Step::Key(key.clone()));
                    self.element(owner, element, spelled, item)?;
                    self.path.pop();
                }
            }
            (Shape::Quantity, value) => {
                let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
                match text.parse::<Quantity>() {
                    Ok(quantity) => *value = json!(quantity.to_string()),
                    Err(error) => return Err(DecodeError::BadText(format!("{error}"))),
                }
            }
            (Shape::Time, Value::String(text)) => *text = rfc3339_seconds(times::seconds(text)?),
            (Shape::MicroTime, Value::String(text)) => *text = rfc3339_micros(times::micros(text)?),
            (Shape::Bytes, Value::String(text)) => match bytes(text) {
                Ok(bytes) => *text = STANDARD.encode(bytes),
                Err(error) => self.save(error),
            },
            _ => {}
        }
        Ok(())
    }

    /// Reads an element of a list or map, where null stands for the zero value.
    fn element(
        &mut self,
        owner: &Struct,
        shape: &Shape,
        spelled: Option<&str>,
        value: &mut Value,
    ) -> Result<(), DecodeError> {
        if value.is_null() {
            match shape {
                Shape::String | Shape::Bytes => *value = json!(""),
                Shape::Quantity => *value = json!("0"),
                Shape::Struct(_) => {}
                _ => return Ok(()),
            }
        }
        self.shape(owner, shape, spelled, value)
    }

    fn schema_or(&mut self, owner: &Struct, value: &mut Value) -> Result<(), DecodeError> {
        match value {
            Value::Object(_) => self.structure(self.types.json_schema, value),
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let schema = Shape::Struct(self.types.json_schema);
                items.iter_mut().try_for_each(|item| self.shape(owner, &schema, None, item))
            }
            Value::Bool(_) | Value::Array(_) => Ok(()),
            _ => Err(self.wrong_type(value, owner, "v1.JSONSchemaProps")),
        }
    }

    fn wrong_type(&self, value: &Value, owner: &Struct, want: &str) -> DecodeError {
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if number.is_f64() => format!("number {number}"),
            Value::Number(number) if want.starts_with("int") => format!("number {number}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        let names: Vec<&str> = (self.path.iter())
            .flat_map(|step| match step {
                Step::Field(name, inside) => [*inside, Some(&**name)],
                Step::Index(_) | Step::Key(_) => [None, None],
            })
            .flatten()
            .collect();
        DecodeError::WrongType {
            found,
            owner: owner.go_name().to_owned(),
            field: names.join("."),
            want: want.to_owned(),
        }
    }

    fn go_type(&self, shape: &Shape) -> String {
        match shape {
            Shape::String => "string".to_owned(),
            Shape::Bytes => "[]uint8".to_owned(),
            Shape::Bool => "bool".to_owned(),
            Shape::Int32 | Shape::IntOrString => "int32".to_owned(),
            Shape::Int64 => "int64".to_owned(),
            Shape::Float => "float64".to_owned(),
            Shape::Quantity => "resource.Quantity".to_owned(),
            Shape::Time | Shape::MicroTime | Shape::Duration => "string".to_owned(),
            Shape::Any | Shape::SchemaOr => "v1.JSON".to_owned(),
            Shape::List(element) => format!("[]{}", self.go_type(element)),
            Shape::Map(element) => format!("map[string]{}", self.go_type(element)),
            Shape::Struct(id) => self.types.get(*id).go_path().to_owned(),
        }
    }

    /// Spells the path as error messages do: `spec.containers[0].image`.
    fn spelled(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Field(name, _) if text.is_empty() => text.push_str(name),
                Step::Field(name, _) => write!(text, ".{name}").expect("writing to a string does not fail"),
                Step::Key(name) => write!(text, ".{name}").expect("writing to a string does not fail"),
                Step::Index(at) => write!(text, "[{at}]").expect("writing to a string does not fail"),
            }
        }
        text
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, DecodeError> {
    STANDARD.decode(text.replace(['\n', '\r'], "")).map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            // Go points to the beginning of the four letters that are not whole.
            base64::DecodeError::InvalidLength(length) => length - length % 4,
            base64::DecodeError::InvalidPadding if text.ends_with('=') => text.len(),
            base64::DecodeError::InvalidPadding => text.len() - text.len() % 4,
        };
        DecodeError::BadText(format!("illegal base64 data at input byte {at}"))
    })
}

/// Returns what is empty at a pointer: a list, a map or bytes; `None` where the field holds something else.
pub(super) fn empty_at(types: &Types, id: TypeId, pointer: &str) -> Option<Value> {
    let mut shape = Shape::Struct(id);
    for step in pointer.split('/').skip(1) {
        shape = match shape {
            // Selectors are printed as they are written, without what is empty.
            Shape::Struct(id) if types.get(id).go_name() == "LabelSelector" => return None,
            Shape::Struct(id) => types.get(id).field(step)?.shape.clone(),
            Shape::List(element) | Shape::Map(element) => *element,
            _ => return None,
        };
    }
    match shape {
        Shape::List(_) => Some(json!([])),
        Shape::Map(_) => Some(json!({})),
        Shape::Bytes => Some(json!("")),
        _ => None,
    }
}

/// Returns whether `omitempty` would drop the value of a field that is not a pointer.
pub(super) fn is_zero(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::String | Shape::Bytes => value.as_str() == Some(""),
        Shape::Bool => *value == json!(false),
        Shape::Int32 | Shape::Int64 => value.as_i64() == Some(0),
        Shape::Float => value.as_f64() == Some(0.0),
        Shape::List(_) => value.as_array().is_some_and(Vec::is_empty),
        Shape::Map(_) => value.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}
