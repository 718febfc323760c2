//! Documents within texts: values put into JSON or YAML that a field holds.

use serde_json::Value;

use super::path_match::match_path;
use super::replacement::set_value;
use crate::build::go_json;
use crate::error::BuildError;
use crate::kustomization::FieldOptions;
use crate::node::{Kind, NodeId, Store};
use crate::read::read_one;

/// Puts a value into a document within a text; tells whether there was one.
///
/// What goes wrong on the way means that there was none.
pub(crate) fn set_within_text(
    store: &mut Store,
    target: NodeId,
    value: NodeId,
    path: &[String],
    options: Option<&FieldOptions>,
) -> bool {
    try_set(store, target, value, path, options).is_ok_and(|set| set)
}

fn try_set(
    store: &mut Store,
    target: NodeId,
    value: NodeId,
    path: &[String],
    options: Option<&FieldOptions>,
) -> Result<bool, BuildError> {
    if path.len() < 2 {
        return Ok(false);
    }
    let mut holder = None;
    for end in 1..path.len() {
        let Ok(Some(field)) = store.lookup(target, &path[..end], None) else { continue };
        if store[field].kind != Kind::Scalar {
            continue;
        }
        let text = store[field].text.to_string();
        if let Ok(document) = read_one(store, &text) {
            holder = Some((field, document, &path[end..]));
            break;
        }
    }
    let Some((field, Some(document), inside)) = holder else { return Ok(false) };
    let create = options.filter(|options| options.create).map(|_| store[value].kind);
    let Some(found) = match_path(store, document, inside, create)? else { return Ok(false) };
    if found.is_empty() {
        return Ok(false);
    }
    for at in found {
        set_value(store, options, at, value)?;
    }
    let old = store[field].text.to_string();
    let text = written(store, document, &old)?;
    store[field].text = text.as_str().into();
    Ok(true)
}

/// Writes a document in the format that it had.
fn written(store: &Store, document: NodeId, old: &str) -> Result<String, BuildError> {
    if !old.trim_start().starts_with(['{', '[']) {
        return Ok(store.write(document).trim().to_owned());
    }
    let value: Value = store.value(document).map_err(BuildError::new)?;
    if old.contains('\n') && old.contains("  ") {
        let pretty = serde_json::to_string_pretty(&value).map_err(|error| BuildError::new(error.to_string()))?;
        return Ok(escaped(&pretty));
    }
    Ok(go_json(&value))
}

fn escaped(text: &str) -> String {
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
