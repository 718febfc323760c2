//! What a structural schema is to CEL: its type, and the values of objects that fit it
//! (k8s: `apiserver/pkg/cel/common/{schemas,values}.go`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Value as Json, json};

use super::library::times as library_time;
use super::types::{ObjectType, Type};
use super::value::{Key, List, ListKind, Value};

/// Words CEL keeps for itself.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Returns the name CEL has for a field, if it can have one.
pub(crate) fn escape(name: &str) -> Option<String> {
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let mut letters = name.chars();
    let first = letters.next()?;
    let is_start = first.is_ascii_alphabetic() || "_.-/".contains(first);
    if !is_start || !letters.all(|letter| letter.is_ascii_alphanumeric() || "_.-/".contains(letter)) {
        return None;
    }
    // Only double underscores are ambiguous.
    Some(
        name.replace("__", "__underscores__")
            .replace('.', "__dot__")
            .replace('-', "__dash__")
            .replace('/', "__slash__"),
    )
}

/// Returns a schema as expressions see it: of a resource, with what every resource has.
pub(super) fn whole(schema: &Json, is_resource: bool) -> Cow<'_, Json> {
    if is_resource { Cow::Owned(with_meta(schema)) } else { Cow::Borrowed(schema) }
}

/// Adds what every resource has to its schema.
fn with_meta(schema: &Json) -> Json {
    let mut schema = schema.clone();
    let (own, meta) = (&schema["properties"], &schema["properties"]["metadata"]);
    let is_text = |schema: &Json| schema["type"] == "string";
    if is_text(&own["kind"])
        && is_text(&own["apiVersion"])
        && meta["type"] == "object"
        && is_text(&meta["properties"]["name"])
        && is_text(&meta["properties"]["generateName"])
    {
        return schema;
    }
    let text = json!({"type": "string"});
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    schema["properties"]["apiVersion"] = text.clone();
    schema["properties"]["kind"] = text.clone();
    schema["properties"]["metadata"] =
        json!({"type": "object", "properties": {"name": text.clone(), "generateName": text}});
    schema
}

/// Returns the type of what fits a schema; `None` where expressions cannot reach it.
pub(crate) fn type_of(schema: &Json, is_resource: bool) -> Option<Type> {
    named_type_of(schema, is_resource, "object")
}

pub(crate) fn named_type_of(schema: &Json, is_resource: bool, name: &str) -> Option<Type> {
    if schema["x-kubernetes-int-or-string"] == true || schema["format"] == "int-or-string" {
        return Some(Type::Dyn);
    }
    let schema = &*whole(schema, is_resource);
    match schema["type"].as_str().unwrap_or_default() {
        "array" => {
            let items = schema.get("items").filter(|items| items.is_object())?;
            named_type_of(items, is_embedded(items), &format!("{name}.@idx")).map(Type::list)
        }
        "object" => {
            let additional = &schema["additionalProperties"];
            if additional.is_object() {
                let value = named_type_of(additional, is_embedded(additional), &format!("{name}.@elem"))?;
                return Some(Type::map(Type::String, value));
            }
            let mut fields = BTreeMap::new();
            for (field, property) in schema["properties"].as_object().into_iter().flatten() {
                let inner = named_type_of(property, is_embedded(property), &format!("{name}.{field}"));
                if let (Some(name), Some(inner)) = (escape(field), inner) {
                    // Most words CEL keeps for itself may be fields all the same.
                    if RESERVED.contains(&field.as_str()) {
                        fields.insert(field.clone(), inner.clone());
                    }
                    fields.insert(name, inner);
                }
            }
            Some(Type::Object(Arc::new(ObjectType { name: name.to_owned(), fields })))
        }
        "string" => Some(match schema["format"].as_str().unwrap_or_default() {
            "byte" => Type::Bytes,
            "duration" => Type::Duration,
            "date" | "date-time" => Type::Timestamp,
            _ => Type::String,
        }),
        "boolean" => Some(Type::Bool),
        "number" => Some(Type::Double),
        "integer" => Some(Type::Int),
        _ => None,
    }
}

fn is_embedded(schema: &Json) -> bool {
    schema["x-kubernetes-embedded-resource"] == true
}

/// Returns the value of what fits a schema.
pub(crate) fn value_of(json: &Json, schema: &Json, is_resource: bool) -> Value {
    let schema = &*whole(schema, is_resource);
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), schema["type"] == "number") {
            (Some(number), false) => Value::Int(number),
            _ => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => text_value(text, schema),
        Json::Array(items) => {
            let below = &schema["items"];
            let items = items.iter().map(|item| value_of(item, below, is_embedded(below))).collect();
            let kind = match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => ListKind::Set,
                Some("map") => {
                    let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                    ListKind::Map(keys.filter_map(Json::as_str).filter_map(escape).collect())
                }
                _ => ListKind::Ordered,
            };
            Value::List(Arc::new(List { items, kind }))
        }
        Json::Object(map) => {
            let additional = &schema["additionalProperties"];
            let mut out = BTreeMap::new();
            for (name, child) in map {
                // A field that is null is as good as missing; an entry of a map is not.
                if child.is_null() && !additional.is_object() {
                    continue;
                }
                if additional.is_object() {
                    let value = value_of(child, additional, is_embedded(additional));
                    out.insert(Key::String(Arc::from(&**name)), value);
                } else if let (Some(field), Some(property)) = (escape(name), schema["properties"].get(name)) {
                    let value = value_of(child, property, is_embedded(property));
                    if RESERVED.contains(&name.as_str()) {
                        out.insert(Key::String(Arc::from(&**name)), value.clone());
                    }
                    out.insert(Key::String(Arc::from(field)), value);
                }
            }
            Value::Map(Arc::new(out))
        }
    }
}

fn text_value(text: &str, schema: &Json) -> Value {
    let special = match schema["format"].as_str().unwrap_or_default() {
        _ if schema["type"] != "string" => None,
        "byte" => base64::engine::general_purpose::STANDARD.decode(text).ok().map(|bytes| Value::Bytes(bytes.into())),
        "duration" => library_time::parse_duration(text).ok().map(Value::Duration),
        "date" => library_time::parse(&format!("{text}T00:00:00Z")),
        "date-time" => library_time::parse(text),
        _ => None,
    };
    special.unwrap_or_else(|| Value::text(text))
}
