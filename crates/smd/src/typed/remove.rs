//! Taking paths out of a value, and taking a value apart to some of its paths.

use serde_json::{Map, Value};

use super::element_of;
use crate::path::PathElement;
use crate::schema::{Handling, ListTy, MapTy, Ty, TypeRef};
use crate::set::Set;

/// The value without the paths of `set`.
///
/// A map or list that loses all it had becomes `null`, unless it is itself in the set; see
/// [`Set::ensure_named_fields`].
pub fn remove(ty: &TypeRef, value: &Value, set: &Set) -> Value {
    walk(ty.ty(), value, set, Keep::Others)
}

/// The value cut down to the paths of `set` and what leads to them.
///
/// Of a list item, its key fields are kept when they are in the set, as they are in every set made by
/// [`to_set`](crate::to_set).
pub fn extract(ty: &TypeRef, value: &Value, set: &Set) -> Value {
    walk(ty.ty(), value, set, Keep::Named)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// What the set does not name.
    Others,
    /// What the set names.
    Named,
}

fn walk(ty: Ty<'_>, value: &Value, set: &Set, keep: Keep) -> Value {
    match ty.handling(ty.shape(Some(value))) {
        Handling::Scalar(_) => value.clone(),
        Handling::Map(map) => match value.as_object() {
            Some(fields) if fields.is_empty() || map.atomic => whole(value, keep),
            Some(fields) => walk_map(map, fields, set, keep),
            None => Value::Null,
        },
        Handling::List(list) => match value.as_array() {
            Some(items) if items.is_empty() || list.is_atomic() => whole(value, keep),
            Some(items) => walk_list(list, items, set, keep),
            None => Value::Null,
        },
    }
}

fn whole(value: &Value, keep: Keep) -> Value {
    if keep == Keep::Named { value.clone() } else { Value::Null }
}

/// What remains of a part that the set names, goes through, or does neither with.
fn part(ty: Ty<'_>, value: &Value, set: &Set, element: &PathElement, keep: Keep) -> Option<Value> {
    let named = set.has_member(element);
    let below = set.child(element);
    match (keep, below) {
        (Keep::Others, _) if named => None,
        (Keep::Others, None) => Some(value.clone()),
        (Keep::Named, None) if !named => None,
        (Keep::Named, None) => Some(stub(ty, value)),
        (_, Some(below)) => Some(walk(ty, value, below, keep)),
    }
}

/// A part owned by itself, without what is in it: all of it when it is one value, else an empty one.
fn stub(ty: Ty<'_>, value: &Value) -> Value {
    match ty.handling(ty.shape(Some(value))) {
        Handling::Map(map) if !map.atomic && value.is_object() => Value::Object(Map::new()),
        Handling::List(list) if !list.is_atomic() && value.is_array() => Value::Array(Vec::new()),
        _ => value.clone(),
    }
}

fn walk_map(map: MapTy<'_>, fields: &Map<String, Value>, set: &Set, keep: Keep) -> Value {
    let kept: Map<String, Value> = fields
        .iter()
        .filter_map(|(name, value)| {
            let element = PathElement::field(name.as_str());
            Some((name.clone(), part(map.any_value_type(name), value, set, &element, keep)?))
        })
        .collect();
    if kept.is_empty() { Value::Null } else { Value::Object(kept) }
}

fn walk_list(list: ListTy<'_>, items: &[Value], set: &Set, keep: Keep) -> Value {
    let kept: Vec<Value> = items
        .iter()
        .filter_map(|item| match element_of(list, item) {
            Ok(element) => part(list.item(), item, set, &element, keep),
            Err(_) => (keep == Keep::Others).then(|| item.clone()),
        })
        .collect();
    if kept.is_empty() { Value::Null } else { Value::Array(kept) }
}
