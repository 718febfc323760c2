//! The paths a value sets.

use serde_json::Value;

use super::{element_of, is_scalar};
use crate::path::PathElement;
use crate::schema::{Handling, ListTy, MapTy, Ty, TypeRef};
use crate::set::Set;

/// The paths `value` sets, as its applier would own them.
///
/// A scalar or atomic value is its own path; a list item is its path and what is in it; a free-form key is its own
/// path too, while a struct field is only when it is `null` or `{}`. Items that cannot be named are left out.
pub fn to_set(ty: &TypeRef, value: &Value) -> Set {
    below(ty.ty(), value, false).unwrap_or_default()
}

/// Returns the paths that [`to_set`] does, of a value that is known to be of the type.
pub(crate) fn to_set_valid(ty: &TypeRef, value: &Value) -> Set {
    below(ty.ty(), value, true).unwrap_or_default()
}

/// What a value sets below itself; `None` when it is one path, its own.
fn below(ty: Ty<'_>, value: &Value, is_valid: bool) -> Option<Set> {
    match ty.handling(ty.shape(Some(value))) {
        Handling::Scalar(_) => None,
        Handling::Map(map) => (!map.atomic).then(|| below_map(map, value, is_valid)),
        Handling::List(list) => (!list.is_atomic()).then(|| below_list(list, value, is_valid)),
    }
}

fn below_map(map: MapTy<'_>, value: &Value, is_valid: bool) -> Set {
    let Some(fields) = value.as_object() else { return Set::new() };
    let (mut members, mut children) = (Vec::with_capacity(fields.len()), Vec::new());
    for (name, value) in fields {
        // A scalar that fits is its own path, whatever its type.
        if is_valid && is_scalar(value) {
            members.push(PathElement::field(name.as_str()));
            continue;
        }
        let set = below(map.any_value_type(name), value, is_valid);
        let is_empty = match value {
            Value::Null => true,
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        let is_member = set.is_none() || is_empty || map.declared(name).is_none();
        put(&mut members, &mut children, PathElement::field(name.as_str()), is_member, set);
    }
    Set::level(members, children)
}

fn below_list(list: ListTy<'_>, value: &Value, is_valid: bool) -> Set {
    let items = value.as_array().into_iter().flatten();
    let mut named: Vec<(PathElement, &Value)> =
        items.filter_map(|item| element_of(list, item).ok().map(|element| (element, item))).collect();
    if !named.is_sorted_by(|a, b| a.0 <= b.0) {
        named.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let (mut members, mut children) = (Vec::with_capacity(named.len()), Vec::new());
    let mut named = named.into_iter().peekable();
    while let Some((element, item)) = named.next() {
        // Items that share a name are owned as one.
        let mut is_repeated = false;
        while named.next_if(|(next, _)| *next == element).is_some() {
            is_repeated = true;
        }
        let set = if is_repeated { None } else { below(list.item(), item, is_valid) };
        put(&mut members, &mut children, element, true, set);
    }
    Set::level(members, children)
}

fn put(
    members: &mut Vec<PathElement>,
    children: &mut Vec<(PathElement, Set)>,
    element: PathElement,
    is_member: bool,
    below: Option<Set>,
) {
    let below = below.filter(|below| !below.is_empty());
    match (is_member, below) {
        (true, None) => members.push(element),
        (true, Some(below)) => {
            members.push(element.clone());
            children.push((element, below));
        }
        (false, Some(below)) => children.push((element, below)),
        (false, None) => {}
    }
}
