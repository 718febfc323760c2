//! OpenAPI v2 in protobuf, as `openapiv2/OpenAPIv2.proto` of gnostic has it: what client-go and Argo CD read.
//!
//! Maps are lists of named messages there, and what the format has no field for is a named YAML text.

use serde_json::Value;

use crate::builtins::{put_bytes, put_double, put_number};

/// Where a field of a JSON object goes.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Double,
    Flag,
    /// A list of texts.
    Texts,
    /// A list of any values.
    Anys,
    Any,
    /// A message made by this function.
    Message(fn(&Value) -> Vec<u8>),
    /// A list of messages made by this function.
    Messages(fn(&Value) -> Vec<u8>),
}

use Kind::{Any, Anys, Double, Flag, Message, Messages, Number, Text, Texts};

type Fields = &'static [(&'static str, u32, Kind)];

/// Encodes a whole document.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    const FIELDS: Fields = &[
        ("swagger", 1, Text),
        ("info", 2, Message(info)),
        ("paths", 8, Message(paths)),
        ("definitions", 9, Message(|all| named(1, all, schema))),
        ("parameters", 10, Message(|all| named(1, all, own_parameter))),
        ("security", 12, Messages(security)),
        ("securityDefinitions", 13, Message(|all| named(1, all, security_definition))),
    ];
    message(document, FIELDS, 16)
}

/// Writes an object field by field; those that begin with `x-` are extensions under the number given last.
fn message(object: &Value, fields: Fields, extensions: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, number, kind) in fields {
        if let Some(value) = object.get(name) {
            put(&mut out, *number, *kind, value);
        }
    }
    for (name, value) in object.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-")) {
        put_bytes(&mut out, extensions, &pair(name, &any(value)));
    }
    out
}

fn put(out: &mut Vec<u8>, number: u32, kind: Kind, value: &Value) {
    let items = || value.as_array().into_iter().flatten();
    match kind {
        Text => put_bytes(out, number, value.as_str().unwrap_or_default().as_bytes()),
        Number => put_number(out, number, value.as_i64().unwrap_or_default() as u64),
        Double => put_double(out, number, value.as_f64().unwrap_or_default()),
        Flag => put_number(out, number, u64::from(value.as_bool().unwrap_or_default())),
        Texts => items().for_each(|item| put_bytes(out, number, item.as_str().unwrap_or_default().as_bytes())),
        Anys => items().for_each(|item| put_bytes(out, number, &any(item))),
        Any => put_bytes(out, number, &any(value)),
        Message(make) => put_bytes(out, number, &make(value)),
        Messages(make) => items().for_each(|item| put_bytes(out, number, &make(item))),
    }
}

/// Wraps a message in the only field of another.
fn wrapped(number: u32, inner: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inner.len() + 8);
    put_bytes(&mut out, number, inner);
    out
}

fn pair(name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + value.len() + 8);
    put_bytes(&mut out, 1, name.as_bytes());
    put_bytes(&mut out, 2, value);
    out
}

/// Writes the entries of a map as named messages under one number.
fn named(number: u32, all: &Value, make: fn(&Value) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in all.as_object().into_iter().flatten() {
        put_bytes(&mut out, number, &pair(name, &make(value)));
    }
    out
}

fn any(value: &Value) -> Vec<u8> {
    wrapped(2, bowline_yaml::to_yaml(value).as_bytes())
}

fn info(info: &Value) -> Vec<u8> {
    message(info, &[("title", 1, Text), ("version", 2, Text), ("description", 3, Text)], 7)
}

fn security(requirement: &Value) -> Vec<u8> {
    named(1, requirement, |scopes| {
        let mut out = Vec::new();
        put(&mut out, 1, Texts, scopes);
        out
    })
}

fn security_definition(definition: &Value) -> Vec<u8> {
    const API_KEY: Fields = &[("type", 1, Text), ("name", 2, Text), ("in", 3, Text), ("description", 4, Text)];
    wrapped(2, &message(definition, API_KEY, 5))
}

fn paths(all: &Value) -> Vec<u8> {
    named(2, all, |item| {
        const FIELDS: Fields = &[
            ("get", 2, Message(operation)),
            ("put", 3, Message(operation)),
            ("post", 4, Message(operation)),
            ("delete", 5, Message(operation)),
            ("options", 6, Message(operation)),
            ("head", 7, Message(operation)),
            ("patch", 8, Message(operation)),
            ("parameters", 9, Messages(parameter)),
        ];
        message(item, FIELDS, 10)
    })
}

fn operation(operation: &Value) -> Vec<u8> {
    const FIELDS: Fields = &[
        ("tags", 1, Texts),
        ("summary", 2, Text),
        ("description", 3, Text),
        ("operationId", 5, Text),
        ("produces", 6, Texts),
        ("consumes", 7, Texts),
        ("parameters", 8, Messages(parameter)),
        ("responses", 9, Message(|all| named(1, all, response))),
        ("schemes", 10, Texts),
        ("deprecated", 11, Flag),
    ];
    message(operation, FIELDS, 13)
}

fn response(response: &Value) -> Vec<u8> {
    const FIELDS: Fields = &[("description", 1, Text), ("schema", 2, Message(|it| wrapped(1, &schema(it))))];
    wrapped(1, &message(response, FIELDS, 5))
}

/// Writes a parameter, or a reference to a shared one.
fn parameter(parameter: &Value) -> Vec<u8> {
    if parameter.get("$ref").is_some() {
        return wrapped(2, &message(parameter, &[("$ref", 1, Text), ("description", 2, Text)], 0));
    }
    wrapped(1, &own_parameter(parameter))
}

fn own_parameter(parameter: &Value) -> Vec<u8> {
    const BODY: Fields = &[
        ("description", 1, Text),
        ("name", 2, Text),
        ("in", 3, Text),
        ("required", 4, Flag),
        ("schema", 5, Message(schema)),
    ];
    const QUERY: Fields = &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 6, Text),
        ("format", 7, Text),
        ("uniqueItems", 20, Flag),
    ];
    const PATH: Fields = &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 5, Text),
        ("format", 6, Text),
        ("uniqueItems", 19, Flag),
    ];
    match parameter["in"].as_str() {
        Some("body") => wrapped(1, &message(parameter, BODY, 6)),
        Some("path") => wrapped(2, &wrapped(4, &message(parameter, PATH, 22))),
        _ => wrapped(2, &wrapped(3, &message(parameter, QUERY, 23))),
    }
}

fn schema(of: &Value) -> Vec<u8> {
    const FIELDS: Fields = &[
        ("$ref", 1, Text),
        ("format", 2, Text),
        ("title", 3, Text),
        ("description", 4, Text),
        ("default", 5, Any),
        ("multipleOf", 6, Double),
        ("maximum", 7, Double),
        ("exclusiveMaximum", 8, Flag),
        ("minimum", 9, Double),
        ("exclusiveMinimum", 10, Flag),
        ("maxLength", 11, Number),
        ("minLength", 12, Number),
        ("pattern", 13, Text),
        ("maxItems", 14, Number),
        ("minItems", 15, Number),
        ("uniqueItems", 16, Flag),
        ("maxProperties", 17, Number),
        ("minProperties", 18, Number),
        ("required", 19, Texts),
        ("enum", 20, Anys),
        ("additionalProperties", 21, Message(additional)),
        ("type", 22, Message(|ty| wrapped(1, ty.as_str().unwrap_or_default().as_bytes()))),
        ("items", 23, Message(|items| wrapped(1, &schema(items)))),
        ("properties", 25, Message(|all| named(1, all, schema))),
        ("example", 30, Any),
    ];
    message(of, FIELDS, 31)
}

fn additional(of: &Value) -> Vec<u8> {
    match of {
        Value::Bool(flag) => {
            let mut out = Vec::new();
            put_number(&mut out, 2, u64::from(*flag));
            out
        }
        of => wrapped(1, &schema(of)),
    }
}
