//! RFC 6902 as the real server applies it, which is not quite as the RFC has it.
//!
//! It uses version 4 of Go's `evanphx/json-patch`: what is missing in an object reads as null, so `replace` adds and `copy`
//! copies null; indices count from the end when negative; a `path` is what comes after its first slash; only `replace` and
//! `test` may name the whole document.

use serde_json::Value;

/// Returns the document after all operations, or `None` when one does not apply.
pub(crate) fn apply(document: &Value, operations: &[Value]) -> Option<Value> {
    let mut document = document.clone();
    for operation in operations {
        let path = operation["path"].as_str();
        let value = || operation["value"].clone();
        match operation["op"].as_str()? {
            "add" => add(&mut document, path?, value())?,
            "remove" => drop(remove(&mut document, path?)?),
            "replace" => replace(&mut document, path?, value())?,
            "move" => {
                let moved = remove(&mut document, operation["from"].as_str()?)?;
                add(&mut document, path?, moved)?;
            }
            "copy" => {
                let copied = read(&mut document, operation["from"].as_str()?)?;
                add(&mut document, path?, copied)?;
            }
            "test" => {
                let want = value();
                let is_same = match path? {
                    "" => document == want,
                    path => read(&mut document, path)? == want,
                };
                if !is_same {
                    return None;
                }
            }
            _ => return None,
        }
    }
    Some(document)
}

/// Applies operations one after the other; the error says of the first that does not apply what Go's library says.
pub(crate) fn apply_or_say(document: &Value, operations: &[Value]) -> Result<Value, String> {
    let mut document = document.clone();
    for operation in operations {
        document = match apply(&document, std::slice::from_ref(operation)) {
            Some(next) => next,
            None => return Err(explain(&mut document, operation)),
        };
    }
    Ok(document)
}

/// Says why an operation does not apply.
fn explain(document: &mut Value, operation: &Value) -> String {
    const MISSING: &str = "missing value";
    let text = |key: &str| operation[key].as_str().unwrap_or_default().to_owned();
    let (op, path, from) = (text("op"), text("path"), text("from"));
    let mut at = |path: &str| find(document, path).map(|(holder, key)| (holder.clone(), key));
    match op.as_str() {
        "add" => match at(&path) {
            None => format!("add operation does not apply: doc is missing path: \"{path}\": {MISSING}"),
            Some((holder, key)) => format!("error in add for path: '{path}': {}", refused(&holder, &key, true)),
        },
        "remove" => match at(&path) {
            None => format!("remove operation does not apply: doc is missing path: \"{path}\": {MISSING}"),
            Some((holder, key)) => format!("error in remove for path: '{path}': {}", refused(&holder, &key, false)),
        },
        "replace" => match at(&path) {
            None => format!("replace operation does not apply: doc is missing path: {path}: {MISSING}"),
            Some(_) => format!("replace operation does not apply: doc is missing key: {path}: {MISSING}"),
        },
        "move" | "copy" => match (at(&from), at(&path)) {
            (None, _) => format!("{op} operation does not apply: doc is missing from path: {from}: {MISSING}"),
            (_, None) => format!("{op} operation does not apply: doc is missing destination path: {path}: {MISSING}"),
            (Some((holder, key)), _) if op == "move" => {
                format!("error in move for path: '{key}': {}", refused(&holder, &key, false))
            }
            (Some((holder, key)), _) => format!("error in copy for from: '{from}': {}", refused(&holder, &key, false)),
        },
        "test" if !path.is_empty() && at(&path).is_none() => {
            format!("test operation does not apply: is missing path: {path}: {MISSING}")
        }
        "test" => format!("testing value {path} failed: test failed"),
        other => format!("Unexpected kind: {other}"),
    }
}

/// Says why a list or an object does not take a key.
fn refused(holder: &Value, key: &str, is_new: bool) -> String {
    match (holder, key.parse::<i64>()) {
        (Value::Array(_), Ok(index)) => {
            format!("Unable to access invalid index: {index}: invalid index referenced")
        }
        (Value::Array(_), Err(_)) => {
            let why = format!("strconv.Atoi: parsing {key:?}: invalid syntax");
            if is_new { format!("value was not a proper array index: '{key}': {why}") } else { why }
        }
        _ => format!("Unable to remove nonexistent key: {key}: missing value"),
    }
}

/// Finds what holds the last step of a path, and that step.
fn find<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let mut steps = path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).peekable();
    let mut at = document;
    loop {
        let step = steps.next()?;
        if steps.peek().is_none() {
            return Some((at, step));
        }
        at = match at {
            Value::Object(map) => map.get_mut(&step)?,
            Value::Array(all) => {
                let index = index(&step, all.len())?;
                all.get_mut(index)?
            }
            _ => return None,
        };
        if !at.is_object() && !at.is_array() {
            return None;
        }
    }
}

/// Reads an index below `len`; a negative one counts from the end.
fn index(step: &str, len: usize) -> Option<usize> {
    let index: i64 = step.parse().ok()?;
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}

fn read(document: &mut Value, path: &str) -> Option<Value> {
    match find(document, path)? {
        (Value::Object(map), key) => Some(map.get(&key).cloned().unwrap_or_default()),
        (Value::Array(all), step) => all.get(index(&step, all.len())?).cloned(),
        _ => None,
    }
}

fn add(document: &mut Value, path: &str, value: Value) -> Option<()> {
    match find(document, path)? {
        (Value::Object(map), key) => drop(map.insert(key, value)),
        (Value::Array(all), step) if step == "-" => all.push(value),
        (Value::Array(all), step) => {
            // The new item counts: one past the end is inside, and -1 is the end.
            let index = index(&step, all.len() + 1)?;
            all.insert(index, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(document: &mut Value, path: &str) -> Option<Value> {
    match find(document, path)? {
        (Value::Object(map), key) => map.remove(&key),
        (Value::Array(all), step) => {
            let index = index(&step, all.len())?;
            Some(all.remove(index))
        }
        _ => None,
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *document = Some(value).filter(|value| value.is_object() || value.is_array())?;
        return Some(());
    }
    match find(document, path)? {
        (Value::Object(map), key) => drop(map.insert(key, value)),
        (Value::Array(all), step) => {
            let index = index(&step, all.len())?;
            all[index] = value;
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_do_what_the_real_server_does() {
        let document = json!({ "a": { "b": 1 }, "l": [1, 2], "x/y": { "~": 0 } });
        let one = |operation: Value| apply(&document, &[operation]);
        let changed = |operation: Value| one(operation).expect("it applies");
        assert_eq!(changed(json!({ "op": "replace", "path": "/a/none", "value": 2 }))["a"]["none"], 2);
        assert_eq!(changed(json!({ "op": "copy", "from": "/none", "path": "/c" }))["c"], Value::Null);
        assert_eq!(changed(json!({ "op": "add", "path": "/l/-", "value": 3 }))["l"], json!([1, 2, 3]));
        assert_eq!(changed(json!({ "op": "add", "path": "/l/2", "value": 3 }))["l"], json!([1, 2, 3]));
        assert_eq!(changed(json!({ "op": "add", "path": "/l/-1", "value": 3 }))["l"], json!([1, 2, 3]));
        assert_eq!(changed(json!({ "op": "remove", "path": "/l/-2" }))["l"], json!([2]));
        assert_eq!(changed(json!({ "op": "replace", "path": "/x~1y/~0", "value": 1 }))["x/y"]["~"], 1);
        assert_eq!(changed(json!({ "op": "add", "path": "ignored/new", "value": 1 }))["new"], 1);
        assert_eq!(changed(json!({ "op": "replace", "path": "", "value": {} })), json!({}));
        assert_eq!(changed(json!({ "op": "test", "path": "/none", "value": null })), document);
        for refused in [
            json!({ "op": "remove", "path": "/none" }),
            json!({ "op": "move", "from": "/none", "path": "/c" }),
            json!({ "op": "add", "path": "/no/where", "value": 1 }),
            json!({ "op": "add", "path": "", "value": {} }),
            json!({ "op": "add", "path": "/l/4", "value": 1 }),
            json!({ "op": "add", "path": "/a/b/c", "value": 1 }),
            json!({ "op": "remove", "path": "/l/2" }),
            json!({ "op": "replace", "path": "", "value": 1 }),
            json!({ "op": "test", "path": "/a/b", "value": 2 }),
            json!({ "op": "fly", "path": "/a" }),
            json!({ "path": "/a" }),
        ] {
            assert_eq!(one(refused.clone()), None, "{refused}");
        }
    }
}
