//! Lists that merge item by item, and the order of their items.

use serde_json::{Map, Value};

use super::merge::{Onto, merge_map, unknown_directive};
use super::meta::Meta;
use super::{DIRECTIVE, OBJECT, PatchError, wrong_kind};
use crate::go;

/// Whether lists are of maps; their items must be of one kind.
pub(super) fn is_of_maps<L: AsRef<[Value]>>(lists: &[L]) -> Result<bool, PatchError> {
    let mut items = lists.iter().flat_map(AsRef::as_ref);
    let first = items.next().ok_or(PatchError::NoItems)?;
    if first.is_array() {
        return Err(PatchError::ListOfLists);
    }
    // A decoder makes whole and other numbers different kinds.
    if items.any(|item| go::type_name(item) != go::type_name(first)) {
        let printed: Vec<String> = lists.iter().map(|list| print(list.as_ref())).collect();
        return Err(PatchError::MixedItems(format!("[{}]", printed.join(" "))));
    }
    Ok(first.is_object())
}

fn print(list: &[Value]) -> String {
    let items: Vec<String> = list.iter().map(go::plain).collect();
    format!("[{}]", items.join(" "))
}

/// Merges the items of a patch into a list, which has `room` for so many.
pub(super) fn merge_list(
    item: Meta<'_>,
    key: &str,
    (original, room): (Vec<Value>, usize),
    patch: Vec<Value>,
    deletes: bool,
    onto: Onto,
) -> Result<Vec<Value>, PatchError> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    if !is_of_maps(&[&original, &patch])? {
        if deletes && onto == Onto::Object {
            return Ok(original.into_iter().filter(|value| !patch.contains(value)).collect());
        }
        let (merged, order) = united(original, room, &patch);
        let parts = split(merged, &patch, key)?;
        return in_order(parts, &patch, &order, key, false);
    }
    if key.is_empty() {
        return Err(PatchError::NoMergeKeyDeclared(item.name()));
    }
    let (original, patch) = follow_directives(key, original, patch)?;
    let mut merged = original.clone();
    for change in &patch {
        let Value::Object(change) = change else { continue };
        let named = key_of(change, key)?;
        match merged.iter_mut().find_map(|old| old.as_object_mut().filter(|old| old.get(key) == Some(named))) {
            Some(old) => *old = merge_map(item, std::mem::take(old), change.clone(), onto)?,
            None => merged.push(Value::Object(change.clone())),
        }
    }
    let parts = split(merged, &patch, key)?;
    in_order(parts, &patch, &original, key, true)
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
        let Value::Object(fields) = change else { continue };
        match fields.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
            None => plain.push(Value::Object(fields)),
            Some("delete") => {
                let named = key_of(&fields, key)?;
                original.retain(|old| old.get(key) != Some(named));
            }
            Some("replace") => replaces = true,
            Some("merge") => return Err(PatchError::MergeDirective),
            Some(_) => return Err(unknown_directive(fields)),
        }
    }
    Ok(if replaces { (plain, Vec::new()) } else { (original, plain) })
}

/// The value an item is known by.
pub(super) fn key_of<'v>(item: &'v Map<String, Value>, key: &str) -> Result<&'v Value, PatchError> {
    item.get(key)
        .ok_or_else(|| PatchError::NoMergeKey { item: go::plain(&Value::Object(item.clone())), key: key.to_owned() })
}

/// The same of an item that may not be a map.
pub(super) fn key_of_item<'v>(item: &'v Value, key: &str) -> Result<&'v Value, PatchError> {
    key_of(item.as_object().ok_or_else(|| wrong_kind(OBJECT, item))?, key)
}

/// The distinct scalars of two lists, and what Go then takes for the order of the first: it appends to that very list
/// where it has room, and closes gaps with the last value.
pub(super) fn united(mut original: Vec<Value>, room: usize, patch: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let mut both: Vec<Value> = original.iter().chain(patch).cloned().collect();
    let length = deduplicate(&mut both);
    if both.len() <= room {
        original = both[..original.len()].to_vec();
    }
    both.truncate(length);
    (both, original)
}

/// How many items a list has room for that was decoded: Go doubles it as it grows.
pub(super) fn room_of(length: usize) -> usize {
    length.next_power_of_two()
}

/// Moves the distinct values to the front, as Go does: the last one takes the place of a repeated one. Returns how many
/// they are.
pub(super) fn deduplicate(items: &mut [Value]) -> usize {
    let mut length = items.len();
    let mut at = 0;
    while at + 1 < length {
        let mut other = at + 1;
        while other < length {
            if items[at] == items[other] {
                length -= 1;
                items[other] = items[length].clone();
            } else {
                other += 1;
            }
        }
        at += 1;
    }
    length
}

/// A merged list in two parts: the items that an order names, and the server's own.
pub(super) type Parts = (Vec<Value>, Vec<Value>);

/// Splits a list by whether an order names the items.
pub(super) fn split(merged: Vec<Value>, order: &[Value], key: &str) -> Result<Parts, PatchError> {
    let (mut named, mut other) = (Vec::with_capacity(merged.len()), Vec::new());
    for item in merged {
        let is_named =
            if key.is_empty() { order.contains(&item) } else { names(order, key_of_item(&item, key)?, key)? };
        if is_named { named.push(item) } else { other.push(item) }
    }
    Ok((named, other))
}

fn names(order: &[Value], named: &Value, key: &str) -> Result<bool, PatchError> {
    for (at, item) in order.iter().enumerate() {
        if item.as_object().ok_or(PatchError::OrderOfScalars(at))?.get(key) == Some(named) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What an item is known by in its list: the value of the key field, or itself.
fn identity<'v>(item: &'v Value, key: &str, is_of_maps: bool) -> Option<&'v Value> {
    if is_of_maps { item.get(key) } else { Some(item) }
}

fn place(item: &Value, order: &[Value], key: &str, is_of_maps: bool) -> Option<usize> {
    let identity_of_item = identity(item, key, is_of_maps);
    order.iter().position(|other| identity(other, key, is_of_maps) == identity_of_item)
}

/// Puts a merged list in order: items of the patch as the patch has them, the server's as they were. Where one of each
/// meet, the server's comes first only if it stood before the other already.
pub(super) fn in_order(
    (of_patch, of_server): Parts,
    patch_order: &[Value],
    server_order: &[Value],
    key: &str,
    is_of_maps: bool,
) -> Result<Vec<Value>, PatchError> {
    let of_patch = sort_by_order(of_patch, patch_order, key, is_of_maps)?;
    let of_server = sort_by_order(of_server, server_order, key, is_of_maps)?;
    let mut out = Vec::with_capacity(of_patch.len() + of_server.len());
    let mut of_patch = of_patch.into_iter().peekable();
    for item in of_server {
        let own_place = place(&item, server_order, key, is_of_maps);
        while let Some(other) = of_patch.peek() {
            let is_before = match (own_place, place(other, server_order, key, is_of_maps)) {
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

/// Sorts items as an order has them. Deletions come last.
pub(super) fn sort_by_order(
    items: Vec<Value>,
    order: &[Value],
    key: &str,
    is_of_maps: bool,
) -> Result<Vec<Value>, PatchError> {
    let mut deletions = Vec::new();
    let mut kept = items;
    if is_of_maps {
        for item in kept.iter().chain(order) {
            key_of_item(item, key)?;
        }
        (deletions, kept) = kept.into_iter().partition(is_deletion);
    }
    let mut placed: Vec<(Option<usize>, Value)> =
        kept.into_iter().map(|item| (place(&item, order, key, is_of_maps), item)).collect();
    // Go takes whatever the order does not name for less than anything, on both sides of a comparison.
    insertion_sort(&mut placed, |(one, _), (other, _)| match (one, other) {
        (Some(one), Some(other)) => one < other,
        _ => true,
    });
    Ok(placed.into_iter().map(|(_, item)| item).chain(deletions).collect())
}

/// Go's sort of short slices, which shows when a comparison contradicts itself.
pub(super) fn insertion_sort<T>(items: &mut [T], is_less: impl Fn(&T, &T) -> bool) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && is_less(&items[at], &items[at - 1]) {
            items.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// Whether an item is there to be deleted.
pub(super) fn is_deletion(item: &Value) -> bool {
    item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete")
}

/// Makes the server's order what Go sees of it after a merge: where items were deleted, later ones move up and new ones
/// take the freed places, for Go changes the very list whose order it reads afterwards.
pub(super) fn overwrite_deleted(order: &mut [Value], patch: &[Value], key: &str) {
    let directive = |item: &Value| item.get(DIRECTIVE).and_then(Value::as_str).map(str::to_owned);
    let mut length = order.len();
    for deleted in patch.iter().filter(|item| is_deletion(item)) {
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
pub(super) fn check_order(patch: &[Value], order: &[Value], key: &str) -> Result<(), PatchError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    if let (false, Some(item)) = (key.is_empty(), patch.iter().find(|item| !item.is_object())) {
        return Err(wrong_kind(OBJECT, item));
    }
    let mut items = patch.iter().filter(|item| key.is_empty() || !is_deletion(item)).peekable();
    let mut rest = order.iter();
    while let Some(item) = items.peek() {
        // As in Go, a mark at the end is passed over only while there is order left.
        let Some(next) = rest.as_slice().first() else {
            return Err(PatchError::OrderMismatch { list: print(patch), order: print(order) });
        };
        if item.get(DIRECTIVE).is_some() {
            items.next();
            continue;
        }
        let is_next = if key.is_empty() {
            *item == next
        } else {
            // Both must be maps before either must have the key.
            let maps = [item, next].map(|item| item.as_object().ok_or_else(|| wrong_kind(OBJECT, item)));
            let [item, next] = maps;
            let (item, next) = (item?, next?);
            key_of(item, key)? == key_of(next, key)?
        };
        if is_next {
            items.next();
        }
        rest.next();
    }
    Ok(())
}
