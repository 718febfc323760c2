//! Objects as Go's encoder and its library for patches write them between them.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::types::{Shape, Types};

/// Writes a patched value: what the patch did not touch as Go's encoder wrote it, else its fields in order.
///
/// `touched` has the fields, and the indexes of items, that the patch names; what it gives them is in order already.
pub(super) fn patched(types: &Types, shape: Option<&Shape>, touched: Option<&Value>, value: &Value, out: &mut String) {
    let Some(touched) = touched else { return encoded(types, shape, value, out) };
    match (value, touched.is_object()) {
        (Value::Object(map), true) => braced(map.iter(), out, |name, below, out| {
            patched(types, shape_of(types, shape, name), touched.get(name), below, out);
        }),
        (Value::Array(items), true) => bracketed(items, out, |at, item, out| {
            patched(types, item_of(shape), touched.get(at.to_string()), item, out);
        }),
        (given, _) => out.push_str(&given.to_string()),
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
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            // Only of what is owned there are keys that are values.
            entries.sort_by(|a, b| by_element(a.0, b.0));
            braced(entries.into_iter(), out, |name, below, out| {
                encoded(types, shape_of(types, shape, name), below, out);
            });
        }
        (Value::Array(items), _) => bracketed(items, out, |_, item, out| encoded(types, item_of(shape), item, out)),
        (scalar, _) => out.push_str(&scalar.to_string()),
    }
}

/// Orders what is owned of a list: by the values of its keys, numbers as numbers.
fn by_element(a: &str, b: &str) -> Ordering {
    let parsed = |key: &str| key.strip_prefix("k:").and_then(|key| serde_json::from_str::<Value>(key).ok());
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (parsed(a), parsed(b)) else { return a.cmp(b) };
    let by_value = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.as_str().cmp(&b.as_str()),
    };
    let fields = before.iter().zip(&after).map(|(a, b)| a.0.cmp(b.0).then_with(|| by_value(a.1, b.1)));
    fields.fold(Ordering::Equal, Ordering::then).then(before.len().cmp(&after.len()))
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

fn bracketed(items: &[Value], out: &mut String, mut below: impl FnMut(usize, &Value, &mut String)) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        below(at, item, out);
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
