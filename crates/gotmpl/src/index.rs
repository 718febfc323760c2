//! `index`, `slice` and `len`.

use std::rc::Rc;

use crate::builtins::prepared;
use crate::bytes::Str;
use crate::error::FuncError;
use crate::object::Shape;
use crate::rv::Rv;
use crate::types::Type;
use crate::value::Value;

/// `index item 1 "a"` is `item[1]["a"]`.
pub(crate) fn index(item: Rv, indexes: &[Rv]) -> Result<Rv, FuncError> {
    let mut item = item.dig();
    if matches!(item, Rv::Invalid) {
        return Err("index of untyped nil".into());
    }
    for index in indexes {
        let whole = item.into_any();
        let value = plain(whole.clone()).ok_or("index of nil pointer")?;
        let index = index.as_any();
        item = match value {
            Value::List(list) => {
                let at = position(index, list.len())?;
                let element = list.get(at).cloned().ok_or("reflect: slice index out of range")?;
                Rv::of(list.ty().elem(), element)
            }
            Value::Str(text) => {
                let at = position(index, text.len())?;
                Rv::byte(*text.get(at).ok_or("reflect: string index out of range")?)
            }
            Value::Bytes(bytes) => {
                let bytes = bytes.unwrap_or_default();
                let at = position(index, bytes.len())?;
                Rv::byte(*bytes.get(at).ok_or("reflect: slice index out of range")?)
            }
            Value::Map(map) => {
                let elem = map.ty().elem();
                let key = prepared(index.clone(), &Type::String)?;
                let found = key.as_str().and_then(|key| map.get(key));
                Rv::of(elem, found.unwrap_or_else(|| elem.zero()))
            }
            _ => return Err(format!("can't index item of type {}", pointee(&whole)).into()),
        };
    }
    Ok(item)
}

/// `slice item 1 2` is `item[1:2]`.
pub(crate) fn slice(item: Rv, indexes: &[Rv]) -> Result<Rv, FuncError> {
    let item = item.dig();
    if matches!(item, Rv::Invalid) {
        return Err("slice of untyped nil".into());
    }
    let whole = item.into_any();
    let item = plain(whole.clone()).ok_or("slice of nil pointer")?;
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()).into());
    }
    let (len, capacity) = match &item {
        Value::Str(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Value::Str(text) => (text.len(), text.len()),
        Value::List(list) => (list.len(), list.capacity()),
        Value::Bytes(bytes) => {
            let len = bytes.as_ref().map_or(0, |bytes| bytes.len());
            (len, len)
        }
        _ => return Err(format!("can't slice item of type {}", pointee(&whole)).into()),
    };
    let mut bounds = [0, len, capacity];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        // Unlike `index`, Go does not look into interfaces here.
        if matches!(index, Rv::Iface(_)) {
            return Err("cannot index slice/array with type interface {}".into());
        }
        *bound = position(index.as_any(), capacity)?;
    }
    let [from, to, max] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}").into());
    }
    if indexes.len() == 3 && to > max {
        return Err(format!("invalid slice index: {to} > {max}").into());
    }
    let part = match item {
        Value::Str(text) => Value::Str(Str::new(&text[from..to])),
        Value::List(list) => Value::List(list.sliced(from, to, max)),
        Value::Bytes(Some(bytes)) => Value::Bytes(Some(Rc::from(&bytes[from..to]))),
        other => other,
    };
    Ok(Rv::Typed(if let Value::Object(object) = whole { object.over(part) } else { part }))
}

/// `len item`
pub(crate) fn length(item: &Rv) -> Result<usize, FuncError> {
    let value = match item {
        Rv::Invalid => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        Rv::Typed(value) | Rv::Iface(value) => value,
    };
    let value = match value {
        Value::Nil => None,
        other => plain(other.clone()),
    };
    match value.ok_or("len of nil pointer")? {
        Value::Str(text) => Ok(text.len()),
        Value::Bytes(bytes) => Ok(bytes.map_or(0, |bytes| bytes.len())),
        Value::List(list) => Ok(list.len()),
        Value::Map(map) => Ok(map.len()),
        // What is plain and has no length is no map or list; its host type, if any, is what Go names.
        _ => Err(format!("len of type {}", pointee(item.as_any())).into()),
    }
}

/// Looks behind a host type; `None` for nil.
fn plain(value: Value) -> Option<Value> {
    match value {
        Value::Nil => None,
        Value::Object(object) => match object.shape() {
            Shape::NilPointer => None,
            Shape::Plain(value) => Some(value),
            Shape::Struct(_) | Shape::Pointer(_) => Some(Value::Object(object)),
        },
        other => Some(other),
    }
}

/// The name of the type that a pointer points to, or of the value's own.
fn pointee(value: &Value) -> String {
    value.type_name().trim_start_matches('*').to_owned()
}

/// Checks an index against the greatest one allowed.
fn position(index: &Value, max: usize) -> Result<usize, FuncError> {
    let number = match index {
        Value::Int(_, number) => *number,
        Value::Uint(_, number) => *number as i64,
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_name()).into()),
    };
    usize::try_from(number)
        .ok()
        .filter(|number| *number <= max)
        .ok_or_else(|| format!("index out of range: {number}").into())
}
