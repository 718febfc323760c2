//! JSON merge patches that a client computes, for custom resources.
//!
//! The rules are those of apimachinery's `jsonmergepatch` 1.35 and of evanphx/json-patch v4, on which it stands. The
//! latter reads every number as a float, so that whole numbers beyond 2^53 lose digits and `1.0` equals `1`.

use serde_json::{Map, Value};

use crate::strategic::merge::without_nulls;
use crate::strategic::{ThreeWay, ThreeWayError, check, map_of};

/// Computes the JSON merge patch that makes `original` into `modified`.
///
/// Null stands for an empty object. Lists are replaced whole, what is gone is null. The rule is
/// `jsonpatch.CreateMergePatch`, which Helm uses for custom resources.
pub fn json_merge_patch(original: &Value, modified: &Value) -> Result<Value, ThreeWayError> {
    Ok(Value::Object(difference(&floats(map_of(original)?), &floats(map_of(modified)?))))
}

/// Computes the JSON merge patch that brings a live object to `modified`, leaving what others set.
///
/// Fields of `modified` that differ from `current` are set; what `original` had and `modified` has no longer is deleted.
/// The rule is `jsonmergepatch.CreateThreeWayJSONMergePatch`, which kubectl uses for custom resources, with
/// [`Precondition::IDENTITY`](crate::Precondition::IDENTITY).
pub fn three_way_json_patch(objects: ThreeWay<'_>) -> Result<Value, ThreeWayError> {
    let (original, modified) = (floats(map_of(objects.original)?), floats(map_of(objects.modified)?));
    let current = floats(map_of(objects.current)?);
    let additions = filtered(difference(&current, &modified), false);
    let deletions = filtered(difference(&original, &modified), true);
    let (additions, deletions) = (Value::Object(additions), Value::Object(deletions));
    if values_conflict(&additions, &deletions) {
        return Err(ThreeWayError::Conflict { patch: additions, changes: deletions });
    }
    let (Value::Object(additions), Value::Object(mut patch)) = (additions, deletions) else { return Ok(Value::Null) };
    merge(&mut patch, additions);
    check(patch, objects.preconditions).map(Value::Object)
}

/// Tells whether two values differ where both say something.
///
/// Maps are compared in the fields they share, lists item by item, all else as it is: `1` and `1.0` differ. The rule is
/// `mergepatch.HasConflicts`.
pub fn values_conflict(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.iter().any(|(name, left)| right.get(name).is_some_and(|right| values_conflict(left, right)))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() != right.len() || left.iter().zip(right).any(|(left, right)| values_conflict(left, right))
        }
        _ => left != right,
    }
}

fn difference(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (name, value) in new {
        match (old.get(name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                let changes = difference(old, new);
                if !changes.is_empty() {
                    patch.insert(name.clone(), Value::Object(changes));
                }
            }
            (Some(old), new) if old == new => {}
            (_, new) => {
                patch.insert(name.clone(), new.clone());
            }
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    patch
}

/// The nulls of a patch, or all but the nulls. Lists are kept whole.
fn filtered(patch: Map<String, Value>, nulls: bool) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in patch {
        let kept = match value {
            Value::Null => nulls.then_some(Value::Null),
            // A map that is set empty is a value, not a patch that changes nothing.
            Value::Object(map) if map.is_empty() => (!nulls).then_some(Value::Object(map)),
            Value::Object(map) => {
                let inner = filtered(map, nulls);
                (!inner.is_empty()).then_some(Value::Object(inner))
            }
            other => (!nulls).then_some(other),
        };
        out.extend(kept.map(|value| (name, value)));
    }
    out
}

/// Lays a patch over a document. Maps within the patch lose their nulls where the document has no map.
fn merge(document: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, change) in patch {
        if change.is_null() {
            document.remove(&name);
            continue;
        }
        match (document.get_mut(&name), change) {
            (Some(Value::Object(old)), Value::Object(change)) => merge(old, change),
            (Some(Value::Object(_)), change) => {
                document.insert(name, change);
            }
            (_, change) => {
                document.insert(name, without_nulls(change));
            }
        }
    }
}

fn floats(map: Map<String, Value>) -> Map<String, Value> {
    map.into_iter().map(|(name, value)| (name, as_float(value))).collect()
}

/// A number as it is after Go read it as a float and wrote it again: whole where it has no fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "Go loses the same digits")]
fn as_float(value: Value) -> Value {
    /// Beyond this, Go writes an exponent, or digits that do not fit a whole number.
    const WHOLE: f64 = 9_223_372_036_854_775_807.0;
    match value {
        Value::Number(number) => {
            let float = number.as_i64().map_or_else(|| number.as_f64().unwrap_or_default(), |whole| whole as f64);
            if float.fract() == 0.0 && (-WHOLE..WHOLE).contains(&float) {
                Value::from(float as i64)
            } else {
                Value::from(float)
            }
        }
        Value::Array(items) => Value::Array(items.into_iter().map(as_float).collect()),
        Value::Object(map) => Value::Object(floats(map)),
        other => other,
    }
}
