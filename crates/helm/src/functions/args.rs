//! How functions read their arguments.

use bowline_gotmpl::{FuncError, List, Map, Shape, Str, Type, Value, sprint};

pub(super) type Gives = Result<Value, FuncError>;

/// What Go says of the type of nil.
pub(super) const NIL: &str = "runtime error: invalid memory address or nil pointer dereference";

pub(super) static INTS: Type = Type::Slice(&Type::INT);
pub(super) static LISTS: Type = Type::Slice(&Type::LIST);
pub(super) const ANY: Type = Type::Any;
pub(super) const STRING: Type = Type::String;

pub(super) fn text(value: &Value) -> Str {
    value.as_str().cloned().unwrap_or_default()
}

pub(super) fn int(value: &Value) -> i64 {
    value.as_int().unwrap_or_default()
}

pub(super) fn map(value: &Value) -> Map {
    value.as_map().cloned().unwrap_or_else(|| Map::nil(&Type::MAP))
}

pub(super) fn truth(value: &Value) -> bool {
    matches!(value, Value::Bool(true))
}

#[expect(clippy::unnecessary_wraps, reason = "functions of templates give a `Gives`")]
pub(super) fn string(bytes: impl Into<Str>) -> Gives {
    Ok(Value::Str(bytes.into()))
}

#[expect(clippy::unnecessary_wraps, reason = "functions of templates give a `Gives`")]
pub(super) fn boolean(truth: bool) -> Gives {
    Ok(Value::Bool(truth))
}

#[expect(clippy::unnecessary_wraps, reason = "functions of templates give a `Gives`")]
pub(super) fn list(items: Vec<Value>) -> Gives {
    Ok(Value::List(List::new(items)))
}

pub(super) fn fail<T>(message: impl Into<String>) -> Result<T, FuncError> {
    Err(FuncError::new(message))
}

/// Returns what a value of the host is made of, and other values as they are.
pub(super) fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::Object(object) => match object.shape() {
            Shape::Plain(inner) => Some(inner),
            _ => None,
        },
        other => Some(other.clone()),
    }
}

/// Returns the kind of a value's type, as Go's `reflect` names it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "invalid",
        Value::Bool(_) => "bool",
        Value::Int(kind, _) => kind.name(),
        Value::Uint(kind, _) => kind.name(),
        Value::Float(kind, _) => kind.name(),
        Value::Complex(..) => "complex128",
        Value::Str(_) => "string",
        Value::Bytes(_) | Value::List(_) => "slice",
        Value::Map(_) => "map",
        Value::Func(_) => "func",
        Value::Object(object) => match object.shape() {
            Shape::Struct(_) => "struct",
            Shape::Pointer(_) | Shape::NilPointer => "ptr",
            Shape::Plain(inner) => kind(&inner),
        },
    }
}

/// Returns the elements of a slice of any type; `None` for what is none.
pub(super) fn elements(value: &Value) -> Option<Vec<Value>> {
    match plain(value)? {
        Value::List(list) => Some(list.to_vec()),
        Value::Bytes(bytes) => {
            let bytes = bytes.unwrap_or_default();
            Some(bytes.iter().map(|byte| Value::Uint(bowline_gotmpl::UintKind::Uint8, u64::from(*byte))).collect())
        }
        _ => None,
    }
}

/// Returns the elements of a slice, or the error that `what` begins, which ends in the kind of the value.
pub(super) fn items(value: &Value, what: &str) -> Result<Vec<Value>, FuncError> {
    if matches!(value, Value::Nil) {
        return fail(NIL);
    }
    elements(value).ok_or_else(|| FuncError::new(format!("{what} {}", kind(value))))
}

/// Returns a value as text: strings and bytes as they are, others as they print.
pub(super) fn strval(value: &Value) -> Str {
    match value {
        Value::Str(text) => text.clone(),
        Value::Bytes(bytes) => Str::new(bytes.as_deref().unwrap_or_default()),
        Value::Object(object) => object.text().unwrap_or_else(|| sprint(std::slice::from_ref(value))),
        other => sprint(std::slice::from_ref(other)),
    }
}

/// Returns a list as texts, without what is nil; what is no list is the only one.
pub(super) fn strings(value: &Value) -> Vec<Str> {
    match elements(value) {
        Some(items) => items.iter().filter(|item| !matches!(item, Value::Nil)).map(strval).collect(),
        None if matches!(value, Value::Nil) => Vec::new(),
        None => vec![strval(value)],
    }
}

/// Tells whether a value is the zero value of its type, or empty.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(object) => match object.shape() {
            Shape::Struct(_) | Shape::Pointer(_) => false,
            Shape::NilPointer => true,
            Shape::Plain(inner) => is_empty(&inner),
        },
        other => !other.is_true(),
    }
}
