//! `+`, `-`, `*`, `/` and `%`.

use std::sync::Arc;

use jiff::SignedDuration;

use super::eval::{Failure, Outcome, concatenate};
use super::value::Value;

pub(super) fn apply(name: &str, a: &Value, b: &Value) -> Outcome {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => integers(name, *a, *b),
        (Value::Uint(a), Value::Uint(b)) => unsigned(name, *a, *b),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(match name {
            "_+_" => a + b,
            "_-_" => a - b,
            "_*_" => a * b,
            "_/_" => a / b,
            _ => return Err(Failure::no_overload()),
        })),
        (Value::String(a), Value::String(b)) if name == "_+_" => Ok(Value::text(format!("{a}{b}"))),
        (Value::Bytes(a), Value::Bytes(b)) if name == "_+_" => {
            Ok(Value::Bytes(a.iter().chain(b.iter()).copied().collect::<Vec<u8>>().into()))
        }
        (Value::List(a), Value::List(b)) if name == "_+_" => Ok(Value::List(Arc::new(concatenate(a, b)))),
        _ => times(name, a, b),
    }
}

fn integers(name: &str, a: i64, b: i64) -> Outcome {
    let result = match name {
        "_+_" => a.checked_add(b),
        "_-_" => a.checked_sub(b),
        "_*_" => a.checked_mul(b),
        "_/_" if b == 0 => return Err(Failure::new("division by zero")),
        "_/_" => a.checked_div(b),
        _ if b == 0 => return Err(Failure::new("modulus by zero")),
        _ => a.checked_rem(b),
    };
    result.map(Value::Int).ok_or_else(|| Failure::new("integer overflow"))
}

fn unsigned(name: &str, a: u64, b: u64) -> Outcome {
    let result = match name {
        "_+_" => a.checked_add(b),
        "_-_" => a.checked_sub(b),
        "_*_" => a.checked_mul(b),
        "_/_" if b == 0 => return Err(Failure::new("division by zero")),
        "_/_" => a.checked_div(b),
        _ if b == 0 => return Err(Failure::new("modulus by zero")),
        _ => a.checked_rem(b),
    };
    result.map(Value::Uint).ok_or_else(|| Failure::new("unsigned integer overflow"))
}

fn times(name: &str, a: &Value, b: &Value) -> Outcome {
    let overflow = |what: &str| Failure::new(format!("{what} overflow"));
    match (name, a, b) {
        ("_+_", Value::Duration(a), Value::Duration(b)) => {
            a.checked_add(*b).map(Value::Duration).ok_or_else(|| overflow("duration"))
        }
        ("_-_", Value::Duration(a), Value::Duration(b)) => {
            a.checked_sub(*b).map(Value::Duration).ok_or_else(|| overflow("duration"))
        }
        ("_+_", Value::Timestamp(at, zone), Value::Duration(by))
        | ("_+_", Value::Duration(by), Value::Timestamp(at, zone)) => at
            .checked_add(SignedDuration::from_nanos(*by))
            .map(|at| Value::Timestamp(at, *zone))
            .map_err(|_| overflow("timestamp")),
        ("_-_", Value::Timestamp(at, zone), Value::Duration(by)) => at
            .checked_sub(SignedDuration::from_nanos(*by))
            .map(|at| Value::Timestamp(at, *zone))
            .map_err(|_| overflow("timestamp")),
        ("_-_", Value::Timestamp(a, _), Value::Timestamp(b, _)) => {
            let nanos = a.duration_since(*b).as_nanos();
            i64::try_from(nanos).map(Value::Duration).map_err(|_| overflow("timestamp"))
        }
        _ => Err(Failure::no_overload()),
    }
}
