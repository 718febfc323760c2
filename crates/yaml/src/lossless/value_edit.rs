//! The same edits on values: what an edited text must read back as.

use serde_json::{Map, Value};

use super::error::EditError;
use super::find::Exact;
use crate::number::{Num, to_json};

/// Returns a value as it is read once it is written: floats without a fraction are integers then.
pub(super) fn as_read(value: &Value, max_depth: usize) -> Result<Value, EditError> {
    let too_deep = EditError::Limit { limit: max_depth, unit: "maps and lists within each other" };
    Ok(match value {
        Value::Array(items) => {
            let depth = max_depth.checked_sub(1).ok_or(too_deep)?;
            Value::Array(items.iter().map(|item| as_read(item, depth)).collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => {
            let depth = max_depth.checked_sub(1).ok_or(too_deep)?;
            let read = |(key, value): (&String, &Value)| Ok((key.clone(), as_read(value, depth)?));
            Value::Object(entries.iter().map(read).collect::<Result<_, EditError>>()?)
        }
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().map(Num::Float);
            float.and_then(to_json).unwrap_or_else(|| value.clone())
        }
        scalar => scalar.clone(),
    })
}

pub(super) fn get<'v>(mut value: &'v Value, path: &[Exact]) -> Option<&'v Value> {
    for step in path {
        value = match step {
            Exact::Key(key) => value.as_object()?.get(key)?,
            Exact::Index(at) => value.as_array()?.get(*at)?,
        };
    }
    Some(value)
}

fn get_mut<'v>(mut value: &'v mut Value, path: &[Exact]) -> Option<&'v mut Value> {
    for step in path {
        value = match step {
            Exact::Key(key) => value.as_object_mut()?.get_mut(key)?,
            Exact::Index(at) => value.as_array_mut()?.get_mut(*at)?,
        };
    }
    Some(value)
}

pub(super) fn set(root: &mut Value, path: &[Exact], value: Value) {
    if let Some(place) = get_mut(root, path) {
        *place = value;
    }
}

pub(super) fn add_entry(root: &mut Value, path: &[Exact], key: &str, value: Value) {
    let Some(map) = get_mut(root, path) else { return };
    if map.is_null() {
        *map = Value::Object(Map::new());
    }
    if let Some(entries) = map.as_object_mut() {
        entries.insert(key.to_owned(), value);
    }
}

pub(super) fn add_item(root: &mut Value, path: &[Exact], at: usize, value: Value) {
    if let Some(items) = get_mut(root, path).and_then(Value::as_array_mut).filter(|items| at <= items.len()) {
        items.insert(at, value);
    }
}

pub(super) fn remove(root: &mut Value, path: &[Exact]) {
    let Some((last, parent)) = path.split_last() else { return };
    match (get_mut(root, parent), last) {
        (Some(Value::Object(entries)), Exact::Key(key)) => {
            entries.remove(key);
        }
        (Some(Value::Array(items)), Exact::Index(at)) if *at < items.len() => {
            items.remove(*at);
        }
        _ => {}
    }
}
