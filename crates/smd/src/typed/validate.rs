//! Whether a value is of its type.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Mistakes, TypedError, element_of};
use crate::go;
use crate::path::Trail;
use crate::schema::{Handling, ListTy, MapTy, ScalarKind, Ty, TypeRef};

/// Whether an associative list may name an item twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// As in objects the server holds already.
    Allowed,
    /// As in what a client applies.
    Refused,
}

/// Checks a value against its type, refusing duplicates: undeclared fields, scalars of the wrong kind, list items that
/// cannot be told apart. Bounds and required fields are validators' business.
pub fn validate(ty: &TypeRef, value: &Value) -> Result<(), TypedError> {
    validate_with(ty, value, Duplicates::Refused)
}

/// Checks a value as [`validate`] does, with a say in duplicates.
pub fn validate_with(ty: &TypeRef, value: &Value, duplicates: Duplicates) -> Result<(), TypedError> {
    let mut walk = Validation { mistakes: Mistakes::default(), duplicates };
    walk.value(ty.ty(), value, &Trail::Top);
    walk.mistakes.into_result()
}

struct Validation {
    mistakes: Mistakes,
    duplicates: Duplicates,
}

impl Validation {
    fn value(&mut self, ty: Ty<'_>, value: &Value, at: &Trail<'_>) {
        match ty.handling(ty.shape(Some(value))) {
            Handling::Scalar(kind) => {
                if let Err(message) = check_scalar(kind, Some(value)) {
                    self.mistakes.add(at, message);
                }
            }
            Handling::Map(map) => self.map(map, value, at),
            Handling::List(list) => self.list(list, value, at),
        }
    }

    fn map(&mut self, map: MapTy<'_>, value: &Value, at: &Trail<'_>) {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => return,
            other => return self.mistakes.add(at, format!("expected map, got &{{{}}}", go::plain(other))),
        };
        for (name, value) in fields {
            let at = Trail::Field(at, name);
            match map.value_type(name) {
                Some(ty) => self.value(ty, value, &at),
                // The Go library looks no further in this map.
                None => return self.mistakes.add(&at, "field not declared in schema"),
            }
        }
    }

    fn list(&mut self, list: ListTy<'_>, value: &Value, at: &Trail<'_>) {
        let items = match value {
            Value::Array(items) => items,
            Value::Null => return,
            other => return self.mistakes.add(at, format!("expected list, got &{{{}}}", go::plain(other))),
        };
        if list.is_atomic() {
            for (position, item) in items.iter().enumerate() {
                self.value(list.item(), item, &Trail::Index(at, position));
            }
            return;
        }
        let mut seen = BTreeSet::new();
        for (position, item) in items.iter().enumerate() {
            let element = match element_of(list, item) {
                Ok(element) => element,
                Err(message) => return self.mistakes.add(at, format!("element {position}: {message}")),
            };
            if self.duplicates == Duplicates::Refused && seen.contains(&element) {
                self.mistakes.add(at, format!("duplicate entries for key {element}"));
            }
            self.value(list.item(), item, &Trail::Item(at, &element));
            if self.duplicates == Duplicates::Refused {
                seen.insert(element);
            }
        }
    }
}

/// Checks one scalar. `null` and absence fit every kind.
pub(super) fn check_scalar(kind: ScalarKind, value: Option<&Value>) -> Result<(), String> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(()) };
    let fits = match kind {
        ScalarKind::Numeric => value.is_number(),
        ScalarKind::String => value.is_string(),
        ScalarKind::Boolean => value.is_boolean(),
        ScalarKind::Untyped => !value.is_object() && !value.is_array(),
    };
    if fits {
        return Ok(());
    }
    Err(match kind {
        ScalarKind::Numeric => format!("expected numeric (int or float), got {}", go::type_name(value)),
        ScalarKind::String => format!("expected string, got &value.valueUnstructured{{Value:{}}}", go::syntax(value)),
        ScalarKind::Boolean => format!("expected boolean, got &{{{}}}", go::plain(value)),
        ScalarKind::Untyped => format!("expected any scalar, got &{{{}}}", go::plain(value)),
    })
}
