//! Laying one patch over an object, or over another patch.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::meta::{Meta, Strategy};
use super::{DELETE_FROM, DIRECTIVE, LIST, ORDER_OF, PatchError, RETAIN_KEYS, key_or_nothing, list, wrong_kind};
use crate::go;

/// What a patch is laid over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Onto {
    /// An object: directives are followed.
    Object,
    /// Another patch: directives and nulls are kept, for whoever applies both as one.
    Patch,
}

pub(super) fn merge_map(
    meta: Meta<'_>,
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    onto: Onto,
) -> Result<Map<String, Value>, PatchError> {
    match patch.get(DIRECTIVE).map(|directive| directive.as_str()) {
        None => {}
        Some(Some("replace")) => {
            patch.remove(DIRECTIVE);
            return Ok(patch);
        }
        Some(Some("delete")) => return Ok(Map::new()),
        Some(_) => return Err(unknown_directive(patch)),
    }
    retain_keys(&mut original, &mut patch, onto)?;
    order_lists(meta, &mut original, &mut patch, onto)?;
    // How many items the lists have room for that were deleted from.
    let mut rooms = BTreeMap::new();
    for (key, change) in patch {
        let deleted_from = match key.strip_prefix(DELETE_FROM) {
            Some(_) if onto == Onto::Patch => {
                original.insert(key, change);
                continue;
            }
            Some(rest) => Some(rest.strip_prefix('/').ok_or(PatchError::DeleteList)?),
            None => None,
        };
        let name = match deleted_from {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => key.clone(),
        };
        let length = original.get(&name).and_then(Value::as_array).map_or(0, Vec::len);
        let room = rooms.get(&name).copied().unwrap_or_else(|| list::room_of(length));
        if deleted_from.is_some() {
            rooms.insert(name.clone(), length);
        }
        merge_field(meta, &mut original, name, (change, room), deleted_from.is_some(), onto)?;
    }
    Ok(original)
}

pub(super) fn unknown_directive(map: Map<String, Value>) -> PatchError {
    let directive = map.get(DIRECTIVE).map(go::as_text).unwrap_or_default();
    PatchError::UnknownDirective { directive, map: go::plain(&Value::Object(map)) }
}

fn merge_field(
    meta: Meta<'_>,
    original: &mut Map<String, Value>,
    name: String,
    (change, room): (Value, usize),
    deletes: bool,
    onto: Onto,
) -> Result<(), PatchError> {
    if change.is_null() {
        original.remove(&name);
        if onto == Onto::Object {
            return Ok(());
        }
    }
    let old = match original.get_mut(&name) {
        Some(old) if go::type_name(old) == go::type_name(&change) => old,
        found => {
            // A list of values to delete says nothing of a field that is not a list.
            if found.is_some() || !deletes {
                set_anew(original, name, change, deletes, onto);
            }
            return Ok(());
        }
    };
    let merged = match (std::mem::take(old), change) {
        (Value::Object(old), Value::Object(change)) => {
            let (of_field, strategy) = meta.of_map(&name)?;
            let merged = if strategy.replaces() { change } else { merge_map(of_field, old, change, onto)? };
            Value::Object(merged)
        }
        (Value::Array(old), Value::Array(change)) => {
            let (item, strategy) = meta.of_list(&name)?;
            Value::Array(merge_lists(item, strategy, (old, room), change, deletes, onto)?)
        }
        (_, scalar) => scalar,
    };
    *old = merged;
    Ok(())
}

/// Sets a field that is not there, or holds a value of another kind.
fn set_anew(original: &mut Map<String, Value>, name: String, change: Value, deletes: bool, onto: Onto) {
    if deletes {
        return;
    }
    let change = if onto == Onto::Object { without_nulls(change) } else { change };
    match without_directives(change) {
        Some(value) => original.insert(name, value),
        None => original.remove(&name),
    };
}

pub(super) fn merge_lists(
    item: Meta<'_>,
    strategy: Strategy<'_>,
    original: (Vec<Value>, usize),
    patch: Vec<Value>,
    deletes: bool,
    onto: Onto,
) -> Result<Vec<Value>, PatchError> {
    if strategy.merges() || deletes {
        return list::merge_list(item, key_or_nothing(strategy.merge_key()), original, patch, deletes, onto);
    }
    Ok(patch)
}

/// Fields that the patch does not name among those to retain go; the patch must not set others.
fn retain_keys(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    onto: Onto,
) -> Result<(), PatchError> {
    let Some(names) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    if onto == Onto::Patch {
        let own = original.entry(RETAIN_KEYS).or_insert_with(|| names.clone());
        if *own != names {
            return Err(PatchError::RetainKeysDiffer { one: go::plain(own), other: go::plain(&names) });
        }
        return Ok(());
    }
    let names = names.as_array().ok_or(PatchError::RetainKeys)?;
    let retained = |name: &String| names.iter().any(|other| other.as_str() == Some(name));
    let is_exempt =
        |name: &str, change: &Value| change.is_null() || name.starts_with(DELETE_FROM) || name.starts_with(ORDER_OF);
    if patch.iter().any(|(name, change)| !is_exempt(name, change) && !retained(name)) {
        return Err(PatchError::RetainKeys);
    }
    original.retain(|name, _| retained(name));
    Ok(())
}

/// Follows `$setElementOrder/name`, and merges the lists it is about on the way.
fn order_lists(
    meta: Meta<'_>,
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    onto: Onto,
) -> Result<(), PatchError> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(ORDER_OF)).cloned().collect();
    for directive in directives {
        let Some(order) = patch.remove(&directive) else { continue };
        if onto == Onto::Patch && original.entry(directive.as_str()).or_insert_with(|| order.clone()) != &order {
            return Err(PatchError::SetElementOrder);
        }
        let Value::Array(order) = order else { return Err(wrong_kind(LIST, &order)) };
        let name = directive[ORDER_OF.len()..].strip_prefix('/').ok_or(PatchError::SetElementOrder)?;
        order_list(meta, original, patch, name, &order, onto)?;
    }
    Ok(())
}

fn order_list(
    meta: Meta<'_>,
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    name: &str,
    order: &[Value],
    onto: Onto,
) -> Result<(), PatchError> {
    let old = list_at(original, name)?;
    let change = list_at(patch, name)?;
    let (item, strategy) = meta.of_list(name)?;
    let key = key_or_nothing(strategy.merge_key());
    let [old_items, changed_items] = [old, change].map(|list| list.map_or(&[][..], Vec::as_slice));
    list::check_order(changed_items, order, key)?;
    let is_of_maps = list::is_of_maps(&[old_items, changed_items]);
    let mut before = old.cloned().unwrap_or_default();
    let merged = match (old.cloned(), change.cloned()) {
        (None, None) => return Ok(()),
        (Some(old), None) => old,
        (None, Some(change)) => change.into_iter().filter_map(without_directives).collect(),
        (Some(old), Some(change)) => {
            match is_of_maps {
                Ok(true) if strategy.merges() => list::overwrite_deleted(&mut before, &change, key),
                Ok(false) if strategy.merges() => {
                    let room = list::room_of(before.len());
                    before = list::united(before, room, &change).1;
                }
                _ => {}
            }
            let room = list::room_of(old.len());
            merge_lists(item, strategy, (old, room), change, false, onto)?
        }
    };
    let parts = list::split(merged, order, key)?;
    let both = list::in_order(parts, order, &before, key, is_of_maps?)?;
    original.insert(name.to_owned(), Value::Array(both));
    patch.remove(name);
    Ok(())
}

fn list_at<'v>(map: &'v Map<String, Value>, name: &str) -> Result<Option<&'v Vec<Value>>, PatchError> {
    match map.get(name) {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(other) => Err(wrong_kind(LIST, other)),
    }
}

/// Returns a value without the nulls in its maps: what a patch sets anew sets none.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, without_nulls(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        scalar => scalar,
    }
}

/// The value without maps that have a `$patch`; `None` when it is one itself. Other directives stay.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => Some(Value::Object(
            map.into_iter().filter_map(|(name, value)| Some((name, without_directives(value)?))).collect(),
        )),
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        scalar => Some(scalar),
    }
}
