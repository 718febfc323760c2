//! Conversions between types: `int('1')`, `string(2.5)`.

use super::super::eval::{Failure, Outcome};
use super::super::value::Value;
use super::{net, times};

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    let [value] = args else { return None };
    Some(match name {
        "string" => to_string(value)?,
        "int" => to_int(value)?,
        "uint" => to_uint(value)?,
        "double" => match value {
            Value::Double(_) => Ok(value.clone()),
            Value::Int(number) => Ok(Value::Double(*number as f64)),
            Value::Uint(number) => Ok(Value::Double(*number as f64)),
            Value::String(text) => text.parse().map(Value::Double).map_err(|_| conversion_error("string", "double")),
            _ => return None,
        },
        "bool" => match value {
            Value::Bool(_) => Ok(value.clone()),
            Value::String(text) => match &**text {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
                _ => Err(conversion_error("string", "bool")),
            },
            _ => return None,
        },
        "bytes" => match value {
            Value::Bytes(_) => Ok(value.clone()),
            Value::String(text) => Ok(Value::Bytes(text.as_bytes().into())),
            _ => return None,
        },
        _ => return None,
    })
}

pub(super) fn conversion_error(from: &str, to: &str) -> Failure {
    Failure::new(format!("type conversion error from '{from}' to '{to}'"))
}

fn to_int(value: &Value) -> Option<Outcome> {
    let overflow = || Failure::new("integer overflow");
    Some(match value {
        Value::Int(_) => Ok(value.clone()),
        Value::Uint(number) => i64::try_from(*number).map(Value::Int).map_err(|_| overflow()),
        Value::Double(number) => {
            let fits = number.is_finite() && *number > -9.223_372_036_854_776e18 && *number < 9.223_372_036_854_776e18;
            if fits { Ok(Value::Int(*number as i64)) } else { Err(overflow()) }
        }
        Value::String(text) => text.parse().map(Value::Int).map_err(|_| conversion_error("string", "int")),
        Value::Timestamp(at, _) => Ok(Value::Int(at.as_second())),
        Value::Duration(nanos) => Ok(Value::Int(*nanos)),
        _ => return None,
    })
}

fn to_uint(value: &Value) -> Option<Outcome> {
    let overflow = || Failure::new("unsigned integer overflow");
    Some(match value {
        Value::Uint(_) => Ok(value.clone()),
        Value::Int(number) => u64::try_from(*number).map(Value::Uint).map_err(|_| overflow()),
        Value::Double(number) => {
            let fits = number.is_finite() && *number >= 0.0 && *number < 1.844_674_407_370_955_2e19;
            if fits { Ok(Value::Uint(*number as u64)) } else { Err(overflow()) }
        }
        Value::String(text) => text.parse().map(Value::Uint).map_err(|_| conversion_error("string", "uint")),
        _ => return None,
    })
}

fn to_string(value: &Value) -> Option<Outcome> {
    Some(Ok(Value::text(match value {
        Value::String(_) => return Some(Ok(value.clone())),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => crate::error::go_float(*number),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => return Some(Err(Failure::new("invalid UTF-8 in bytes, cannot convert to string"))),
        },
        Value::Timestamp(at, zone) => times::print(*at, *zone),
        Value::Duration(nanos) => times::print_duration(*nanos),
        Value::Ip(ip) => ip.to_string(),
        Value::Cidr(ip, bits) => net::print_cidr(*ip, *bits),
        _ => return None,
    })))
}

/// Prints a value as errors do.
pub(in crate::cel) fn show(value: &Value) -> String {
    match to_string(value) {
        Some(Ok(Value::String(text))) => text.to_string(),
        _ => match value {
            Value::List(list) => {
                let items: Vec<String> = list.items.iter().map(show).collect();
                format!("[{}]", items.join(", "))
            }
            // Upstream's null is a number within.
            Value::Null => "0".to_owned(),
            other => other.type_name().to_owned(),
        },
    }
}
