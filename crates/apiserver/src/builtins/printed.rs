//! Objects as Go's encoder and its library for patches write them between them.

use serde_json::{Value, json};

use super::types::{Shape, Types};

/// Writes a patched value: where it is as it was, as Go's encoder wrote it, else its fields in order.
pub(super) fn patched(types: &Types, shape: Option<&Shape>, was: Option<&Value>, value: &Value, out: &mut String) {
    if was == Some(value) {
        return encoded(types, shape, value, out);
    }
    match value {
        Value::Object(map) => {
            braced(map.iter(), out, |name, below, out| {
                let was = was.and_then(|was| was.get(name));
                patched(types, shape_of(types, shape, name), was, below, out);
            });
        }
        Value::Array(items) => {
            let before: &[Value] = was.and_then(Value::as_array).map_or(&[], Vec::as_slice);
            bracketed(items, out, |item, out| {
                let was = before.iter().find(|was| *was == item);
                patched(types, item_of(shape), was, item, out);
            });
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// Writes a value in the order in which its type declares its fields.
fn encoded(types: &Types, shape: Option<&Shape>, value: &Value, out: &mut String) {
    match (value, shape) {
        (Value::Object(map), Some(Shape::Struct(id))) => {
            let known = types.get(*id);
            let names: Vec<&String> = known.declared.iter().map(|at| &known.fields[*at].name).collect();
            let declared = names.iter().filter_map(|name| map.get_key_value(name.as_str()));
            let others = map.iter().filter(|(name, _)| !names.contains(name));
            braced(declared.chain(others), out, |name, below, out| {
                encoded(types, shape_of(types, shape, name), below, out);
            });
        }
        (Value::Object(map), _) => {
            braced(map.iter(), out, |name, below, out| encoded(types, shape_of(types, shape, name), below, out));
        }
        (Value::Array(items), _) => bracketed(items, out, |item, out| encoded(types, item_of(shape), item, out)),
        (scalar, _) => out.push_str(&scalar.to_string()),
    }
}

fn braced<'v>(
    fields: impl Iterator<Item = (&'v String, &'v Value)>,
    out: &mut String,
    mut below: impl FnMut(&str, &Value, &mut String),
) {
    out.push('{');
    for (at, (name, value)) in fields.enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&json!(name).to_string());
        out.push(':');
        below(name, value, out);
    }
    out.push('}');
}

fn bracketed(items: &[Value], out: &mut String, mut below: impl FnMut(&Value, &mut String)) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        below(item, out);
    }
    out.push(']');
}

fn shape_of<'t>(types: &'t Types, shape: Option<&'t Shape>, name: &str) -> Option<&'t Shape> {
    match shape? {
        Shape::Struct(id) => types.get(*id).field(name).map(|field| &field.shape),
        Shape::Map(below) => Some(below),
        _ => None,
    }
}

fn item_of(shape: Option<&Shape>) -> Option<&Shape> {
    match shape? {
        Shape::List(below) => Some(below),
        _ => None,
    }
}
