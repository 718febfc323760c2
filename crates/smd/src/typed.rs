//! Values read by their type: checked, compared, merged, cut down; after structured-merge-diff v6's `typed` package.

mod compare;
mod merge;
mod reconcile;
mod remove;
mod to_set;
mod validate;

use std::fmt;

use serde_json::Value;

pub(crate) use compare::compare_valid;
pub use compare::{Comparison, compare};
pub use merge::merge;
pub(crate) use merge::merge_valid;
pub(crate) use reconcile::reconcile;
pub use remove::{extract, remove};
pub use to_set::to_set;
pub(crate) use to_set::to_set_valid;
pub use validate::{Duplicates, validate, validate_with};

use crate::path::{Path, PathElement, Scalar, Trail};
use crate::schema::{ListRelation, ListTy};

/// One thing wrong with a value, in the words of the Go library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationError {
    /// Where, such as `.spec.ports[port=80]`; empty for the whole object.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// Everything wrong with a value; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedError(pub Vec<ValidationError>);

impl fmt::Display for TypedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = &self.0[..] {
            return only.fmt(f);
        }
        f.write_str("errors:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for TypedError {}

/// Collects mistakes on the way through a value.
#[derive(Default)]
struct Mistakes(Vec<ValidationError>);

impl Mistakes {
    fn add(&mut self, at: &Trail<'_>, message: impl Into<String>) {
        self.0.push(ValidationError { path: Path::from(at).to_string(), message: message.into() });
    }

    fn into_result(self) -> Result<(), TypedError> {
        if self.0.is_empty() { Ok(()) } else { Err(TypedError(self.0)) }
    }
}

/// Names an item of an associative list, or says why it cannot be named.
pub(crate) fn element_of(list: ListTy<'_>, item: &Value) -> Result<PathElement, String> {
    match list.relation() {
        ListRelation::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListRelation::Set => element_of_set(item),
        ListRelation::Map(keys) if keys.is_empty() => element_of_set(item),
        ListRelation::Map(keys) => element_of_map(list, keys, item),
    }
}

fn element_of_set(item: &Value) -> Result<PathElement, String> {
    match item {
        Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
        Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
        Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
        scalar => Ok(PathElement::Value(Scalar::from(scalar))),
    }
}

fn element_of_map(list: ListTy<'_>, keys: &[Box<str>], item: &Value) -> Result<PathElement, String> {
    let fields = match item {
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        Value::Object(fields) => fields,
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let item_map = list.item().map();
    let mut key = Vec::with_capacity(keys.len());
    for name in keys {
        if let Some(value) = fields.get(&**name) {
            key.push((name.to_string(), Scalar::from(value)));
            continue;
        }
        let Some(item_map) = item_map else {
            return Err(format!("couldn't find default value for {name}: associative list may not have non-map types"));
        };
        // A key field without a value or default is left out: its absence is what tells the item apart.
        if let Some(default) = item_map.declared(name).and_then(|field| field.default.as_ref()) {
            key.push((name.to_string(), Scalar::from(default)));
        }
    }
    if key.is_empty() {
        let quoted: Vec<String> = keys.iter().map(|name| crate::go::quote(name)).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default \
             values for any key fields)",
            quoted.join(" ")
        ));
    }
    key.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(PathElement::Key(key))
}

/// Whether two values are equal, numbers by their value: `1` equals `1.0`.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => left == right || Scalar::from(left) == Scalar::from(right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| equal(left, right)))
        }
        _ => left == right,
    }
}

/// Whether a value is a text, a number or a boolean: neither a map nor a list, nor `null`, which stands for any of them.
fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

/// The items of a list value; `null` and anything else has none.
fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a map or list has nothing in it. `null`, absence and values of another shape count as nothing.
fn is_empty_map(value: Option<&Value>) -> bool {
    value.and_then(Value::as_object).is_none_or(serde_json::Map::is_empty)
}
