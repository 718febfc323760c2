//! Taking a document apart as Go's `encoding/json` fills a struct: by field, whatever the case of the keys.

use serde_json::Value as Json;

use crate::yaml::{cannot_unmarshal, scalar_text};

/// Calls `field` for each entry of an object, with the key in lower case; null is an empty object.
pub(super) fn object(
    value: &Json,
    place: &str,
    ty: &str,
    mut field: impl FnMut(&str, &Json) -> Result<(), String>,
) -> Result<(), String> {
    match value {
        Json::Null => Ok(()),
        Json::Object(entries) => entries.iter().try_for_each(|(key, value)| field(&key.to_ascii_lowercase(), value)),
        other => Err(cannot_unmarshal(other, place, ty)),
    }
}

/// Sets a string; null leaves it as it is.
pub(super) fn text(into: &mut String, value: &Json, place: &str) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    *into = scalar_text(value).ok_or_else(|| cannot_unmarshal(value, place, "string"))?;
    Ok(())
}

/// Sets a boolean; null leaves it as it is.
pub(super) fn truth(into: &mut bool, value: &Json, place: &str) -> Result<(), String> {
    match value {
        Json::Null => {}
        Json::Bool(truth) => *into = *truth,
        other => return Err(cannot_unmarshal(other, place, "bool")),
    }
    Ok(())
}

/// Sets a list; null empties it.
pub(super) fn list<T>(
    into: &mut Vec<T>,
    value: &Json,
    place: &str,
    ty: &str,
    item: impl FnMut(&Json) -> Result<T, String>,
) -> Result<(), String> {
    *into = match value {
        Json::Null => Vec::new(),
        Json::Array(items) => items.iter().map(item).collect::<Result<_, _>>()?,
        other => return Err(cannot_unmarshal(other, place, ty)),
    };
    Ok(())
}

/// Reads a list of strings.
pub(super) fn texts(into: &mut Vec<String>, value: &Json, place: &str) -> Result<(), String> {
    list(into, value, place, "[]string", |item| {
        let mut one = String::new();
        text(&mut one, item, place)?;
        Ok(one)
    })
}
