//! JSON patches (RFC 6902), with the mistakes of the library that Kustomize uses.

use serde_json::Value;

use crate::decode::{Decode, Decoder, Strictness};
use crate::error::BuildError;

/// Operations, one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct JsonPatch {
    pub(crate) operations: Vec<Operation>,
}

/// One operation, as it is written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Operation(serde_json::Map<String, Value>);

impl Decode for Operation {
    fn decode(decoder: &mut Decoder, value: &Value, path: &str) -> Self {
        Self(Decode::decode(decoder, value, path))
    }
}

impl JsonPatch {
    /// Reads a patch in JSON or YAML.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let value = if text.starts_with('[') {
            serde_json::from_str(text).map_err(|error| json_problem(text, &error))?
        } else {
            crate::text::yaml_to_json(text.as_bytes())?
        };
        match &value {
            Value::Null => Ok(Self::default()),
            Value::Array(_) => Ok(Self { operations: Decoder::new(Strictness::Strict, "").read(&value)? }),
            other => {
                let found = match other {
                    Value::Object(_) => "object",
                    Value::String(_) => "string",
                    Value::Number(_) => "number",
                    _ => "bool",
                };
                Err(format!("json: cannot unmarshal {found} into Go value of type jsonpatch.Patch"))
            }
        }
    }

    /// Changes a document.
    pub(crate) fn apply(&self, document: &mut Value) -> Result<(), BuildError> {
        self.operations.iter().try_for_each(|operation| operation.apply(document)).map_err(BuildError::new)
    }
}

fn json_problem(text: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let found = line.as_bytes().get(error.column().saturating_sub(1)).map_or(' ', |byte| char::from(*byte));
    format!("invalid character {found:?} in literal")
}

const MISSING: &str = "missing value";

impl Operation {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn apply(&self, document: &mut Value) -> Result<(), String> {
        let kind = self.text("op").unwrap_or("unknown");
        let value = || self.0.get("value").cloned().unwrap_or_default();
        let decode = |name: &str| {
            self.text(name).ok_or_else(|| match name {
                "path" => format!("{kind} operation failed to decode path: {MISSING}"),
                _ => format!("{kind} operation failed to decode from: operation, missing from field: {MISSING}"),
            })
        };
        match kind {
            "add" => {
                let path = decode("path")?;
                let (parent, key) = find(document, path).ok_or_else(|| {
                    format!("add operation does not apply: doc is missing path: \"{path}\": {MISSING}")
                })?;
                add(parent, &key, value()).map_err(|why| format!("error in add for path: '{path}': {why}"))
            }
            "remove" => {
                let path = decode("path")?;
                let (parent, key) = find(document, path).ok_or_else(|| {
                    format!("remove operation does not apply: doc is missing path: \"{path}\": {MISSING}")
                })?;
                remove(parent, &key).map(|_| ()).map_err(|why| format!("error in remove for path: '{path}': {why}"))
            }
            "replace" => replace(document, decode("path")?, value()),
            "move" => {
                let from = decode("from")?;
                let (parent, key) = find(document, from).ok_or_else(|| {
                    format!("move operation does not apply: doc is missing from path: {from}: {MISSING}")
                })?;
                get(parent, &key).map_err(|why| format!("error in move for path: '{key}': {why}"))?;
                let moved = remove(parent, &key).map_err(|why| format!("error in move for path: '{key}': {why}"))?;
                let path = decode("path")?;
                let (parent, key) = find(document, path).ok_or_else(|| {
                    format!("move operation does not apply: doc is missing destination path: {path}: {MISSING}")
                })?;
                add(parent, &key, moved).map_err(|why| format!("error in move for path: '{path}': {why}"))
            }
            "copy" => {
                let from = decode("from")?;
                let (parent, key) = find(document, from).ok_or_else(|| {
                    format!("copy operation does not apply: doc is missing from path: {from}: {MISSING}")
                })?;
                let copied = get(parent, &key).map_err(|why| format!("error in copy for from: '{from}': {why}"))?;
                let copied = copied.cloned().unwrap_or_default();
                let path = decode("path")?;
                let (parent, key) = find(document, path).ok_or_else(|| {
                    format!("copy operation does not apply: doc is missing destination path: {path}: {MISSING}")
                })?;
                add(parent, &key, copied).map_err(|why| format!("error while adding value during copy: {why}"))
            }
            "test" => {
                let path = decode("path")?;
                self.test(document, path)
            }
            other => Err(format!("Unexpected kind: {other}")),
        }
    }

    fn test(&self, document: &mut Value, path: &str) -> Result<(), String> {
        let failed = || format!("testing value {path} failed: test failed");
        let wanted = self.0.get("value").filter(|value| !value.is_null());
        if path.is_empty() {
            return if wanted.is_some_and(|wanted| is_equal(document, wanted)) { Ok(()) } else { Err(failed()) };
        }
        let (parent, key) = find(document, path)
            .ok_or_else(|| format!("test operation does not apply: is missing path: {path}: {MISSING}"))?;
        let found = get(parent, &key).map_err(|why| format!("error in test for path: '{path}': {why}"))?;
        match (found.filter(|found| !found.is_null()), wanted) {
            (None, None) => Ok(()),
            (Some(found), Some(wanted)) if is_equal(found, wanted) => Ok(()),
            _ => Err(failed()),
        }
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("replace operation value must be object or array: %!w(<nil>)".to_owned());
        }
        *document = value;
        return Ok(());
    }
    let (parent, key) = find(document, path)
        .ok_or_else(|| format!("replace operation does not apply: doc is missing path: {path}: {MISSING}"))?;
    get(parent, &key)
        .map_err(|_| format!("replace operation does not apply: doc is missing key: {path}: {MISSING}"))?;
    match parent {
        Value::Array(items) => {
            let at = index(&key, items.len(), items.len())?;
            items[at] = value;
        }
        Value::Object(map) => {
            map.insert(key, value);
        }
        _ => {}
    }
    Ok(())
}

/// Numbers are equal by their texts, as they are written without a fraction of zero.
fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_equal(a, b)))
        }
        _ => a == b,
    }
}

/// Finds what holds the last part of a path.
fn find<'v>(document: &'v mut Value, path: &str) -> Option<(&'v mut Value, String)> {
    let mut parts: Vec<String> =
        path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let key = parts.pop()?;
    let mut at = document;
    for part in &parts {
        at = match at {
            Value::Object(map) => map.get_mut(part)?,
            Value::Array(items) => {
                let index = index(part, items.len(), items.len()).ok()?;
                items.get_mut(index)?
            }
            _ => return None,
        };
    }
    (at.is_object() || at.is_array()).then_some((at, key))
}

/// Reads a place in a list: from the end where it is below zero.
fn index(key: &str, below: usize, from_end: usize) -> Result<usize, String> {
    let at: i64 = key.parse().map_err(|_| format!("strconv.Atoi: parsing {key:?}: invalid syntax"))?;
    let refused = || format!("Unable to access invalid index: {at}: invalid index referenced");
    let place = if at < 0 { from_end as i64 + at } else { at };
    let place = usize::try_from(place).map_err(|_| refused())?;
    if place < below { Ok(place) } else { Err(refused()) }
}

fn get<'v>(parent: &'v Value, key: &str) -> Result<Option<&'v Value>, String> {
    match parent {
        Value::Array(items) => Ok(items.get(index(key, items.len(), items.len())?)),
        other => Ok(other.get(key)),
    }
}

fn add(parent: &mut Value, key: &str, value: Value) -> Result<(), String> {
    match parent {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            if key.parse::<i64>().is_err() {
                let why = format!("strconv.Atoi: parsing {key:?}: invalid syntax");
                return Err(format!("value was not a proper array index: '{key}': {why}"));
            }
            let length = items.len() + 1;
            items.insert(index(key, length, length)?, value);
        }
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
        }
        _ => {}
    }
    Ok(())
}

fn remove(parent: &mut Value, key: &str) -> Result<Value, String> {
    match parent {
        Value::Array(items) => {
            let at = index(key, items.len(), items.len())?;
            Ok(items.remove(at))
        }
        Value::Object(map) => {
            map.remove(key).ok_or_else(|| format!("Unable to remove nonexistent key: {key}: {MISSING}"))
        }
        _ => Ok(Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(patch: &str, mut document: Value) -> Result<Value, String> {
        let patch = JsonPatch::parse(patch)?;
        patch.apply(&mut document).map_err(|error| error.to_string())?;
        Ok(document)
    }

    #[test]
    fn operations_do_what_they_say() {
        let document = json!({"a": [1, 2, 3], "b": {"c/d": 1}});
        for (patch, want) in [
            ("- {op: add, path: /a/-, value: 4}", json!({"a": [1, 2, 3, 4], "b": {"c/d": 1}})),
            ("- {op: add, path: /a/0, value: 0}", json!({"a": [0, 1, 2, 3], "b": {"c/d": 1}})),
            ("- {op: replace, path: /b/c~1d, value: 2}", json!({"a": [1, 2, 3], "b": {"c/d": 2}})),
            ("- {op: replace, path: /b/new, value: 2}", json!({"a": [1, 2, 3], "b": {"c/d": 1, "new": 2}})),
            ("- {op: remove, path: /a/-1}", json!({"a": [1, 2], "b": {"c/d": 1}})),
            ("- {op: move, from: /a/0, path: /b/x}", json!({"a": [2, 3], "b": {"c/d": 1, "x": 1}})),
            (
                "[{\"op\": \"copy\", \"from\": \"/b\", \"path\": \"/c\"}]",
                json!({"a": [1, 2, 3], "b": {"c/d": 1}, "c": {"c/d": 1}}),
            ),
        ] {
            assert_eq!(patched(patch, document.clone()), Ok(want), "{patch}");
        }
    }

    #[test]
    fn c13_indexes_beyond_the_end_are_refused() {
        let document = json!({"a": [1]});
        for patch in [
            "- {op: add, path: /a/2147483647, value: 0}",
            "- {op: remove, path: /a/2147483647}",
            "- {op: replace, path: /a/-2147483648, value: 0}",
            "- {op: replace, path: /a/99999999999999999999, value: 0}",
            "- {op: add, path: /a/~0~1, value: 0}",
            "- {op: remove, path: /a/-}",
            "- {op: remove, path: /missing}",
            "- {op: test, path: /a/0, value: 2}",
            "- {op: nothing, path: /a}",
        ] {
            assert!(patched(patch, document.clone()).is_err(), "{patch}");
        }
    }
}
