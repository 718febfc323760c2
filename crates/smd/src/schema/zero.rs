//! What a built-in object looks like before anything is set.

use serde_json::{Map, Value};

use super::{MapTy, ScalarKind, Ty};

/// Structs inside structs end somewhere; types that contain themselves by value do not exist in Go.
const MAX_DEPTH: usize = 16;

/// The fields Go writes even when they are empty: those with a default, and those that are required.
pub(super) fn zero_value(ty: Ty<'_>) -> Value {
    match ty.map() {
        Some(map) if ty.table.go_zero_values => zero_struct(map, 0),
        _ => Value::Object(Map::new()),
    }
}

fn zero_struct(map: MapTy<'_>, depth: usize) -> Value {
    let mut out = Map::new();
    for field in &map.node.fields {
        let ty = map.field_type(field);
        let value = match (&field.default, ty.map()) {
            // `{}` says that the field is a struct held by value.
            (Some(Value::Object(_)), Some(inner)) if depth < MAX_DEPTH && !inner.is_free_form() => {
                zero_struct(inner, depth + 1)
            }
            (Some(Value::Object(_)), _) => Value::Object(Map::new()),
            (Some(_), _) => zero_scalar(ty),
            (None, _) if field.required => Value::Null,
            (None, _) => continue,
        };
        out.insert(field.name.to_string(), value);
    }
    Value::Object(out)
}

fn zero_scalar(ty: Ty<'_>) -> Value {
    match ty.node.scalar {
        Some(ScalarKind::Numeric) => Value::from(0),
        Some(ScalarKind::Boolean) => Value::Bool(false),
        Some(ScalarKind::String) => Value::String(String::new()),
        _ => Value::Null,
    }
}
