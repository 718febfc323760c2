//! `eq`, `lt` and the other comparisons.

use crate::error::{FuncError, Limit};
use crate::object::Shape;
use crate::print::Printer;
use crate::rv::Rv;
use crate::value::Value;

/// Kinds of values that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invalid,
    Bool,
    Complex,
    Int,
    Float,
    Str,
    Uint,
}

fn basic(value: &Value) -> Value {
    match value {
        Value::Object(object) => match object.shape() {
            Shape::Plain(plain) => plain,
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Bool(_) => Kind::Bool,
        Value::Complex(..) => Kind::Complex,
        Value::Int(..) => Kind::Int,
        Value::Float(..) => Kind::Float,
        Value::Str(_) => Kind::Str,
        Value::Uint(..) => Kind::Uint,
        _ => Kind::Invalid,
    }
}

/// Tells whether the first value equals one of the others.
pub(crate) fn equal_any(args: &[Rv], max_depth: usize) -> Result<bool, FuncError> {
    let Some((first, others)) = args.split_first() else { return Err("missing argument for comparison".into()) };
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first.as_any(), other.as_any(), max_depth)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(left: &Value, right: &Value, max_depth: usize) -> Result<bool, FuncError> {
    // Strings are what is compared most.
    if let (Value::Str(left), Value::Str(right)) = (left, right) {
        return Ok(left == right);
    }
    let (a, b) = (basic(left), basic(right));
    let equal = match (&a, &b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(_, a), Value::Int(_, b)) => a == b,
        (Value::Uint(_, a), Value::Uint(_, b)) => a == b,
        (Value::Int(_, a), Value::Uint(_, b)) | (Value::Uint(_, b), Value::Int(_, a)) => u64::try_from(*a) == Ok(*b),
        (Value::Float(_, a), Value::Float(_, b)) => same_float(*a, *b),
        (Value::Complex(a, b), Value::Complex(c, d)) => same_float(*a, *c) && same_float(*b, *d),
        (Value::Str(a), Value::Str(b)) => a == b,
        _ if kind(&a) != kind(&b) => {
            if !matches!(a, Value::Nil) && !matches!(b, Value::Nil) {
                let (left, right) = (left.type_name(), right.type_name());
                return Err(format!("incompatible types for comparison: {left} and {right}").into());
            }
            false
        }
        _ => return same(left, right, max_depth),
    };
    Ok(equal)
}

/// Compares two values of no basic kind, as Go's `==` does where it can.
fn same(left: &Value, right: &Value, max_depth: usize) -> Result<bool, FuncError> {
    let text = |value: &Value, verb| -> Result<String, Limit> {
        let mut out = Vec::new();
        Printer::new(&mut out, max_depth).reflected(value, verb)?;
        Ok(crate::unicode::lossy(&out))
    };
    let shape = |value: &Value| -> u8 {
        match basic(value) {
            Value::List(_) | Value::Bytes(_) => 1,
            Value::Map(_) => 2,
            Value::Func(_) => 3,
            Value::Object(object) => match object.shape() {
                Shape::Struct(_) => 4,
                _ => 5,
            },
            _ => 0,
        }
    };
    let (a, b) = (shape(left), shape(right));
    if a != b && a != 0 && b != 0 {
        let message = format!(
            "non-comparable types {}: {}, {}: {}",
            text(left, 's')?,
            left.type_name(),
            right.type_name(),
            text(right, 'v')?
        );
        return Err(message.into());
    }
    if left.is_nil() || right.is_nil() {
        return Ok(left.is_nil() == right.is_nil());
    }
    match (left, right) {
        (Value::Object(left), Value::Object(right)) if right.is_comparable() => {
            Ok(std::rc::Rc::ptr_eq(left, right) || (left.type_name() == right.type_name() && left.equals(right)))
        }
        _ => Err(format!("non-comparable type {}: {}", text(right, 's')?, right.type_name()).into()),
    }
}

/// Go's `==`: not a number is equal to nothing.
#[expect(clippy::float_cmp, reason = "templates compare floats exactly, as Go does")]
fn same_float(left: f64, right: f64) -> bool {
    left == right
}

/// `lt`
pub(crate) fn less(left: &Rv, right: &Rv) -> Result<bool, FuncError> {
    let (left, right) = (left.as_any(), right.as_any());
    let (a, b) = (basic(left), basic(right));
    if kind(&a) == Kind::Invalid || kind(&b) == Kind::Invalid {
        return Err("invalid type for comparison".into());
    }
    match (&a, &b) {
        (Value::Int(_, a), Value::Int(_, b)) => Ok(a < b),
        (Value::Uint(_, a), Value::Uint(_, b)) => Ok(a < b),
        (Value::Int(_, a), Value::Uint(_, b)) => Ok(u64::try_from(*a).is_ok_and(|a| a < *b) || *a < 0),
        (Value::Uint(_, a), Value::Int(_, b)) => Ok(u64::try_from(*b).is_ok_and(|b| *a < b)),
        (Value::Float(_, a), Value::Float(_, b)) => Ok(a < b),
        (Value::Str(a), Value::Str(b)) => Ok(a < b),
        (Value::Bool(_), Value::Bool(_)) | (Value::Complex(..), Value::Complex(..)) => {
            Err("invalid type for comparison".into())
        }
        _ => {
            let (left, right) = (left.type_name(), right.type_name());
            Err(format!("incompatible types for comparison: {left} and {right}").into())
        }
    }
}

/// `le`: less or equal, each by its own rule.
pub(crate) fn less_or_equal(left: &Rv, right: &Rv) -> Result<bool, FuncError> {
    if less(left, right)? {
        return Ok(true);
    }
    // Values that can be ordered are of basic kinds, which need no depth.
    equal(left.as_any(), right.as_any(), 0)
}
