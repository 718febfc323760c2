//! `reflect.DeepEqual`

use bowline_gotmpl::{Shape, Value};

/// Levels after which two values are not compared further, and taken for equal: only maps that contain themselves are
/// deeper.
const DEEPEST: usize = 10_000;

pub(super) fn deep_equal(left: &Value, right: &Value) -> bool {
    equal(left, right, DEEPEST)
}

#[expect(clippy::float_cmp, reason = "Go compares floats exactly")]
fn equal(left: &Value, right: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(kind, left), Value::Int(other, right)) => kind == other && left == right,
        (Value::Uint(kind, left), Value::Uint(other, right)) => kind == other && left == right,
        (Value::Float(kind, left), Value::Float(other, right)) => kind == other && left == right,
        (Value::Complex(re, im), Value::Complex(other_re, other_im)) => re == other_re && im == other_im,
        (Value::Str(left), Value::Str(right)) => left == right,
        (Value::Bytes(left), Value::Bytes(right)) => left == right,
        (Value::List(left), Value::List(right)) => {
            left.ty() == right.ty()
                && left.is_nil() == right.is_nil()
                && left.len() == right.len()
                && stacker::maybe_grow(32 * 1024, 1024 * 1024, || {
                    left.iter().zip(right.iter()).all(|(left, right)| equal(left, right, depth))
                })
        }
        (Value::Map(left), Value::Map(right)) => {
            left.ty() == right.ty()
                && left.is_nil() == right.is_nil()
                && left.len() == right.len()
                && (left.is_same(right)
                    || stacker::maybe_grow(32 * 1024, 1024 * 1024, || {
                        left.entries()
                            .iter()
                            .all(|(key, value)| right.get(key).is_some_and(|other| equal(value, &other, depth)))
                    }))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.type_name() == right.type_name()
                && match (left.shape(), right.shape()) {
                    (Shape::NilPointer, Shape::NilPointer) => true,
                    (Shape::Plain(left), Shape::Plain(right)) => equal(&left, &right, depth),
                    (Shape::Struct(left_fields), Shape::Struct(right_fields))
                    | (Shape::Pointer(left_fields), Shape::Pointer(right_fields)) => {
                        left.text() == right.text()
                            && left_fields.len() == right_fields.len()
                            && left_fields
                                .iter()
                                .zip(&right_fields)
                                .all(|(left, right)| equal(&left.value, &right.value, depth))
                    }
                    _ => false,
                }
        }
        _ => false,
    }
}
