//! Lists that merge item by item.

use serde_json::{Map, Value};

use super::{DIRECTIVE, PatchError, merge_map, without_directives};
use crate::go;
use crate::schema::Ty;

/// Whether lists are of maps; their items must be of one kind.
pub(super) fn is_of_maps(lists: &[&[Value]]) -> Result<bool, PatchError> {
    let mut items = lists.iter().copied().flatten();
    let first = items.next().ok_or(PatchError::NoItems)?;
    if first.is_array() {
        return Err(PatchError::ListOfLists);
    }
    // A decoder makes whole and other numbers different kinds.
    if items.any(|item| go::type_name(item) != go::type_name(first)) {
        let printed: Vec<String> = lists.iter().map(|list| go::plain(&Value::Array(list.to_vec()))).collect();
        return Err(PatchError::MixedItems(format!("[{}]", printed.join(" "))));
    }
    Ok(first.is_object())
}

/// Merges the items of a patch into a list.
pub(super) fn merge_list(
    item: Option<Ty<'_>>,
    key: Option<&str>,
    original: Vec<Value>,
    patch: Vec<Value>,
    name: &str,
) -> Result<Vec<Value>, PatchError> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    if !is_of_maps(&[&original, &patch])? {
        let merged = unique(original.iter().chain(&patch));
        return in_order(merged, &patch, &original, None);
    }
    let key = key.ok_or_else(|| PatchError::NoMergeKeyDeclared(name.to_owned()))?;
    let (original, patch) = follow_directives(key, original, patch)?;
    let mut merged = original.clone();
    for change in &patch {
        let Value::Object(change) = change else { continue };
        let named = key_of(change, key)?;
        match merged.iter_mut().find_map(|old| old.as_object_mut().filter(|old| old.get(key) == Some(named))) {
            Some(old) => *old = merge_map(item, std::mem::take(old), change.clone())?,
            None => merged.extend(without_directives(Value::Object(change.clone()))),
        }
    }
    in_order(merged, &patch, &original, Some(key))
}

/// Deletes the items that the patch marks so, or all when it replaces the list; returns both without marks.
fn follow_directives(
    key: &str,
    mut original: Vec<Value>,
    patch: Vec<Value>,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut replaces = false;
    for change in patch {
        let Value::Object(fields) = &change else { continue };
        match fields.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
            None => plain.push(change),
            Some("delete") => {
                let named = key_of(fields, key)?;
                original.retain(|old| old.get(key) != Some(named));
            }
            Some("replace") => replaces = true,
            Some("merge") => return Err(PatchError::MergeDirective),
            Some(_) => {
                let directive = fields.get(DIRECTIVE).map(go::as_text).unwrap_or_default();
                return Err(PatchError::UnknownDirective { directive, map: go::plain(&change) });
            }
        }
    }
    if replaces {
        return Ok((plain.into_iter().filter_map(without_directives).collect(), Vec::new()));
    }
    Ok((original, plain))
}

fn key_of<'v>(item: &'v Map<String, Value>, key: &str) -> Result<&'v Value, PatchError> {
    item.get(key)
        .ok_or_else(|| PatchError::NoMergeKey { item: go::plain(&Value::Object(item.clone())), key: key.to_owned() })
}

fn unique<'v>(items: impl Iterator<Item = &'v Value>) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for item in items {
        if !out.contains(item) {
            out.push(item.clone());
        }
    }
    out
}

/// What an item is known by in its list: the value of the key field, or itself.
fn identity<'v>(item: &'v Value, key: Option<&str>) -> Option<&'v Value> {
    match key {
        Some(key) => item.get(key),
        None => Some(item),
    }
}

fn place(item: &Value, order: &[Value], key: Option<&str>) -> Option<usize> {
    order.iter().position(|other| identity(other, key) == identity(item, key))
}

/// Puts a merged list in order: items of the patch as the patch has them, the server's as they were. Where one of each
/// meet, the server's comes first only if it stood before the other already.
pub(super) fn in_order(
    merged: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, PatchError> {
    if let Some(key) = key {
        if let (Some(at), false) = (patch_order.iter().position(|item| !item.is_object()), merged.is_empty()) {
            return Err(PatchError::OrderOfScalars(at));
        }
        for item in merged.iter().chain(patch_order).chain(server_order) {
            match item {
                Value::Object(fields) => key_of(fields, key)?,
                other => return Err(super::wrong_kind(super::OBJECT, other)),
            };
        }
    }
    let (mut of_patch, mut of_server): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| place(item, patch_order, key).is_some());
    of_patch.sort_by_key(|item| place(item, patch_order, key));
    of_server.sort_by_key(|item| place(item, server_order, key).unwrap_or(usize::MAX));

    let mut out = Vec::with_capacity(of_patch.len() + of_server.len());
    let mut of_patch = of_patch.into_iter().peekable();
    for item in of_server {
        let own_place = place(&item, server_order, key);
        while let Some(other) = of_patch.peek() {
            let is_before = match (own_place, place(other, server_order, key)) {
                (Some(own), Some(other)) => own < other,
                _ => false,
            };
            if is_before {
                break;
            }
            out.extend(of_patch.next());
        }
        out.push(item);
    }
    out.extend(of_patch);
    Ok(out)
}

/// Makes the server's order what Go sees of it after a merge: where items were deleted, later ones move up and new ones
/// take the freed places, for Go changes the very list whose order it reads afterwards.
pub(super) fn overwrite_deleted(order: &mut [Value], patch: &[Value], key: &str) {
    let directive = |item: &Value| item.get(DIRECTIVE).and_then(Value::as_str).map(str::to_owned);
    let mut length = order.len();
    for deleted in patch.iter().filter(|item| directive(item).as_deref() == Some("delete")) {
        while let Some(at) = order[..length].iter().position(|item| item.get(key) == deleted.get(key)) {
            for next in at + 1..length {
                order[next - 1] = order[next].clone();
            }
            length -= 1;
        }
    }
    if patch.iter().any(|item| directive(item).as_deref() == Some("replace")) {
        return;
    }
    for new in patch.iter().filter(|item| directive(item).is_none()) {
        if order[..length].iter().any(|item| item.get(key) == new.get(key)) {
            continue;
        }
        // A full list grows elsewhere.
        let Some(free) = order.get_mut(length) else { return };
        *free = new.clone();
        length += 1;
    }
}

/// Checks that the items of a patch come in the order it gives.
pub(super) fn check_order(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), PatchError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let is_marked = |item: &Value| item.get(DIRECTIVE).is_some();
    let is_deleted = |item: &Value| item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete");
    let mut items = patch.iter().filter(|item| key.is_none() || !is_deleted(item)).peekable();
    let mut rest = order.iter();
    while let Some(item) = items.peek() {
        // As in Go, a mark at the end is passed over only while there is order left.
        let Some(next) = rest.as_slice().first() else {
            let print = |list: &[Value]| go::plain(&Value::Array(list.to_vec()));
            return Err(PatchError::OrderMismatch { list: print(patch), order: print(order) });
        };
        if is_marked(item) {
            items.next();
            continue;
        }
        if let Some(key) = key {
            for item in [item, next] {
                match item {
                    Value::Object(fields) => key_of(fields, key)?,
                    other => return Err(super::wrong_kind(super::OBJECT, other)),
                };
            }
        }
        if identity(item, key) == identity(next, key) {
            items.next();
        }
        rest.next();
    }
    Ok(())
}
