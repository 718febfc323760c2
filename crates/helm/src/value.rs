//! Values as templates see them.

use bowline_gotmpl::{List, Map, Str, Value};
use serde_json::Value as Json;

use crate::yaml::Table;

/// Makes a template's value: numbers of `--set` are `int64`, all others `float64`.
pub(crate) fn to_template(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::int64(number),
            None => Value::float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Str(text.into()),
        Json::Array(items) => Value::List(items.iter().map(to_template).collect::<List>()),
        Json::Object(table) => Value::Map(to_map(table)),
    }
}

/// Makes a template's map of a table.
pub(crate) fn to_map(table: &Table) -> Map {
    table.iter().map(|(key, value)| (Str::from(key), to_template(value))).collect()
}
