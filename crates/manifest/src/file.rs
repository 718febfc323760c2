//! One file's text to objects.

use bowline_model::{Location, Object, ObjectError};
use bowline_yaml::{Document, Problem};
use serde_json::Value;

use crate::{ManifestObject, ManifestProblem};

/// Turns a YAML problem into one with a file.
pub(crate) fn yaml_problem(file: &str, problem: &Problem) -> ManifestProblem {
    ManifestProblem::Yaml {
        at: Location { file: file.to_owned(), line: Some(problem.line), column: Some(problem.column) },
        kind: problem.kind,
        message: problem.message.clone(),
    }
}

/// Adds the object of a document, or the objects of the list it is.
pub(crate) fn add_objects(
    file: &str,
    document: Document<'_>,
    is_list: fn(&Value) -> bool,
    objects: &mut Vec<ManifestObject>,
    problems: &mut Vec<ManifestProblem>,
) {
    if !is_list(&document.value) {
        let origin = Location::line(file, document.line);
        match Object::from_value(document.value) {
            Ok(object) => objects.push(ManifestObject { object, origin }),
            Err(source) => problems.push(ManifestProblem::NotAnObject { at: origin, source }),
        }
        return;
    }
    let list = kind_of(&document.value).unwrap_or_default().to_owned();
    let Some(Value::Array(items)) = document.value.get("items") else { return };
    for (index, item) in items.iter().enumerate() {
        let origin = Location::line(file, document.line_of(&format!("/items/{index}")));
        match Object::from_value(item.clone()) {
            Ok(object) => objects.push(ManifestObject { object, origin }),
            Err(source) => problems.push(ManifestProblem::BadItem { at: origin, list: list.clone(), index, source }),
        }
    }
}

/// Returns the kind a document names; `None` when it names none.
pub(crate) fn kind_of(value: &Value) -> Option<&str> {
    value.get("kind").and_then(Value::as_str).filter(|kind| !kind.is_empty())
}

/// The problem of a document without a kind.
pub(crate) fn no_kind(file: &str, document: &Document<'_>) -> ManifestProblem {
    let source = match &document.value {
        Value::Object(map) => match map.get("kind") {
            None | Some(Value::Null | Value::String(_)) => ObjectError::Missing("kind"),
            Some(_) => ObjectError::WrongType("kind", "a text"),
        },
        _ => ObjectError::NotAMap,
    };
    ManifestProblem::NotAnObject { at: Location::line(file, document.line), source }
}
