//! Values to and from JSON.

use serde_json::Value as Json;

use crate::bytes::Str;
use crate::error::Limit;
use crate::limits::Limits;
use crate::list::List;
use crate::map::Map;
use crate::object::Shape;
use crate::stack;
use crate::unicode;
use crate::value::Value;

impl Value {
    /// Makes a value of JSON as Go's `json.Unmarshal` into an `interface {}` does: every number is a `float64`.
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Nil,
            Json::Bool(truth) => Self::Bool(*truth),
            // Numbers beyond the range do not come out of a parser.
            Json::Number(number) => Self::float(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::Str(text.into()),
            Json::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            Json::Object(entries) => {
                Self::Map(entries.iter().map(|(key, value)| (Str::from(key), Self::from_json(value))).collect())
            }
        }
    }

    /// Returns the value as JSON: nil slices and maps are `null`, bytes that are no UTF-8 are U+FFFD, floats that are no
    /// numbers are `null`, functions are `null`, bytes are a list of numbers, and host objects are their fields.
    pub fn to_json(&self) -> Result<Json, Limit> {
        self.to_json_within(Limits::default().value_depth)
    }

    fn to_json_within(&self, depth: usize) -> Result<Json, Limit> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Limit::ValueDepth(Limits::default().value_depth));
        };
        stack::deeper(32 * 1024, 1024 * 1024, || {
            Ok(match self {
                Self::Nil | Self::Func(_) | Self::Complex(..) => Json::Null,
                Self::Bool(truth) => Json::Bool(*truth),
                Self::Int(_, number) => (*number).into(),
                Self::Uint(_, number) => (*number).into(),
                Self::Float(_, number) => serde_json::Number::from_f64(*number).map_or(Json::Null, Json::Number),
                Self::Str(text) => Json::String(unicode::lossy(text)),
                Self::Bytes(bytes) => bytes.as_ref().map_or(Json::Null, |bytes| bytes.to_vec().into()),
                Self::List(list) if list.is_nil() => Json::Null,
                Self::List(list) => json_list(list, depth)?,
                Self::Map(map) if map.is_nil() => Json::Null,
                Self::Map(map) => json_map(map, depth)?,
                Self::Object(object) => match object.shape() {
                    Shape::NilPointer => Json::Null,
                    Shape::Plain(value) => value.to_json_within(depth)?,
                    Shape::Struct(fields) | Shape::Pointer(fields) => fields
                        .into_iter()
                        .map(|field| Ok((field.name.to_owned(), field.value.to_json_within(depth)?)))
                        .collect::<Result<_, Limit>>()?,
                },
            })
        })
    }
}

fn json_list(list: &List, depth: usize) -> Result<Json, Limit> {
    let items: Result<Vec<Json>, Limit> = list.iter().map(|item| item.to_json_within(depth)).collect();
    Ok(Json::Array(items?))
}

fn json_map(map: &Map, depth: usize) -> Result<Json, Limit> {
    let entries =
        map.entries().into_iter().map(|(key, value)| Ok((unicode::lossy(&key), value.to_json_within(depth)?)));
    Ok(Json::Object(entries.collect::<Result<_, Limit>>()?))
}
