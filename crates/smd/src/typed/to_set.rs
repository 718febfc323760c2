//! The paths a value sets.

use std::collections::BTreeSet;

use serde_json::Value;

use super::element_of;
use crate::path::PathElement;
use crate::schema::{Handling, ListTy, MapTy, Ty, TypeRef};
use crate::set::Set;

/// The paths `value` sets, as its applier would own them.
///
/// A scalar or atomic value is its own path; a list item is its path and what is in it; a free-form key is its own
/// path too, while a struct field is only when it is `null` or `{}`. Items that cannot be named are left out.
pub fn to_set(ty: &TypeRef, value: &Value) -> Set {
    let mut set = Set::new();
    walk(ty.ty(), value, &mut Vec::new(), &mut set);
    set
}

fn walk(ty: Ty<'_>, value: &Value, path: &mut Vec<PathElement>, set: &mut Set) {
    match ty.handling(ty.shape(Some(value))) {
        Handling::Scalar(_) => set.insert(path),
        Handling::Map(map) if map.atomic => set.insert(path),
        Handling::List(list) if list.is_atomic() => set.insert(path),
        Handling::Map(map) => walk_map(map, value, path, set),
        Handling::List(list) => walk_list(list, value, path, set),
    }
}

fn walk_map(map: MapTy<'_>, value: &Value, path: &mut Vec<PathElement>, set: &mut Set) {
    for (name, value) in value.as_object().into_iter().flatten() {
        path.push(PathElement::field(name.as_str()));
        walk(map.any_value_type(name), value, path, set);
        let is_empty = match value {
            Value::Null => true,
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if is_empty || map.declared(name).is_none() {
            set.insert(path);
        }
        path.pop();
    }
}

fn walk_list(list: ListTy<'_>, value: &Value, path: &mut Vec<PathElement>, set: &mut Set) {
    let named: Vec<(PathElement, &Value)> = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| element_of(list, item).ok().map(|element| (element, item)))
        .collect();
    let mut seen = BTreeSet::new();
    let repeated: BTreeSet<&PathElement> =
        named.iter().map(|(element, _)| element).filter(|element| !seen.insert(*element)).collect();
    for (element, item) in &named {
        path.push(element.clone());
        // Items that share a name are owned as one.
        if !repeated.contains(element) {
            walk(list.item(), item, path, set);
        }
        set.insert(path);
        path.pop();
    }
}
