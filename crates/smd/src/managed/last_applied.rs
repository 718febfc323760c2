//! kubectl's annotation of what it last applied on the client's side.

use serde_json::Value;

use super::metadata;
use crate::go;
use crate::schema::TypeRef;
use crate::set::Set;
use crate::typed::{compare, to_set, validate};

pub(super) const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The annotation's text, when it is there and not empty.
pub(super) fn of(object: &Value) -> Option<&str> {
    let annotations = metadata(object)?.get("annotations")?;
    annotations.get(ANNOTATION)?.as_str().filter(|text| !text.is_empty())
}

/// The fields kubectl applied on the client's side and that are still as it left them: no conflict to take over.
pub(super) fn allowed_conflicts(ty: &TypeRef, api_version: &str, live: &Value) -> Option<Set> {
    let applied: Value = serde_json::from_str(of(live)?).ok()?;
    if applied.get("apiVersion")?.as_str()? != api_version {
        return None;
    }
    validate(ty, live).ok()?;
    validate(ty, &applied).ok()?;
    let change = compare(ty, &applied, live).ok()?;
    let fields = to_set(ty, &applied);
    Some(fields.difference(&change.modified).difference(&change.added).difference(&change.removed))
}

/// Brings the annotation up to date with what was applied on the server's side, where it exists.
pub(super) fn refresh(object: &mut Value, config: &Value) {
    if of(object).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(meta) = config.get_mut("metadata").and_then(Value::as_object_mut) {
        // What is no map of texts is none to Go, which writes back what it read.
        let is_read =
            |annotations: &Value| annotations.as_object().is_some_and(|all| all.values().all(Value::is_string));
        match meta.get_mut("annotations").filter(|annotations| is_read(annotations)).and_then(Value::as_object_mut) {
            Some(annotations) => drop(annotations.remove(ANNOTATION)),
            None => drop(meta.remove("annotations")),
        }
    }
    // Go's encoder ends with a newline.
    let text = format!("{}\n", go::escape_html(&config.to_string()));
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.insert(ANNOTATION.to_owned(), Value::String(text));
    }
}
