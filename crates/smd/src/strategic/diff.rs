//! The patch that makes one object into another.
//!
//! Go sorts the old side's lists of scalars in place while it compares, and reads them again afterwards; so the old side
//! is changed here too.

use serde_json::{Map, Value, json};

use super::meta::Meta;
use super::{DELETE_FROM, DIRECTIVE, ORDER_OF, PatchError, RETAIN_KEYS, key_or_nothing, list};
use crate::go;

/// What goes into a patch.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "these are the four switches of the Go library, by their names")]
pub(super) struct Wanted {
    /// The order of lists that merge.
    pub(super) orders: bool,
    /// Leaves out what is new or changed.
    pub(super) no_additions: bool,
    /// Leaves out what is gone.
    pub(super) no_deletions: bool,
    /// The names of fields, where only these may stay.
    pub(super) retained_keys: bool,
}

pub(super) fn diff_maps(
    meta: Meta<'_>,
    original: &mut Map<String, Value>,
    modified: &Map<String, Value>,
    wanted: Wanted,
) -> Result<Map<String, Value>, PatchError> {
    let mut patch = Map::new();
    for (name, new) in modified {
        let Some(old) = original.get_mut(name) else {
            set(&mut patch, name, new, wanted);
            continue;
        };
        if name == DIRECTIVE {
            let (Value::String(old), Value::String(_)) = (&*old, new) else { return Err(PatchError::DirectiveNotText) };
            if new.as_str() != Some(old) {
                patch.insert(name.clone(), new.clone());
            }
            continue;
        }
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => diff_map(meta, name, old, new, &mut patch, wanted)?,
            (Value::Array(old), Value::Array(new)) => diff_list(meta, name, old, new, &mut patch, wanted)?,
            (old, new) if old == new => {}
            (_, new) => set(&mut patch, name, new, wanted),
        }
    }
    if !wanted.no_deletions {
        for name in original.keys().filter(|name| !modified.contains_key(*name)) {
            patch.insert(name.clone(), Value::Null);
        }
    }
    let retained: Vec<&String> = modified.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name).collect();
    let loses = || original.iter().any(|(name, value)| !value.is_null() && !modified.contains_key(name));
    if wanted.retained_keys && !retained.is_empty() && (!patch.is_empty() || loses()) {
        let mut retained: Vec<Value> = retained.into_iter().map(|name| json!(name)).collect();
        sort_scalars(&mut retained);
        patch.insert(RETAIN_KEYS.to_owned(), Value::Array(retained));
    }
    Ok(patch)
}

fn set(patch: &mut Map<String, Value>, name: &str, new: &Value, wanted: Wanted) {
    if !wanted.no_additions {
        patch.insert(name.to_owned(), new.clone());
    }
}

fn diff_map(
    meta: Meta<'_>,
    name: &str,
    old: &mut Map<String, Value>,
    new: &Map<String, Value>,
    patch: &mut Map<String, Value>,
    wanted: Wanted,
) -> Result<(), PatchError> {
    let (of_field, strategy) = match meta.of_map(name) {
        Ok(found) => found,
        Err(_) if old == new => return Ok(()),
        Err(error) => return Err(error),
    };
    if strategy.replaces() {
        if !wanted.no_additions {
            patch.insert(name.to_owned(), Value::Object(new.clone()));
        }
        return Ok(());
    }
    let wanted = Wanted { retained_keys: strategy.retains_keys(), ..wanted };
    let changes = diff_maps(of_field, old, new, wanted)?;
    if !changes.is_empty() {
        patch.insert(name.to_owned(), Value::Object(changes));
    }
    Ok(())
}

fn diff_list(
    meta: Meta<'_>,
    name: &str,
    old: &mut Vec<Value>,
    new: &[Value],
    patch: &mut Map<String, Value>,
    wanted: Wanted,
) -> Result<(), PatchError> {
    let (item, strategy) = match meta.of_list(name) {
        Ok(found) => found,
        Err(_) if old.as_slice() == new => return Ok(()),
        Err(error) => return Err(error),
    };
    if !strategy.merges() {
        if !wanted.no_additions && old.as_slice() != new {
            patch.insert(name.to_owned(), json!(new));
        }
        return Ok(());
    }
    let wanted = Wanted { retained_keys: strategy.retains_keys(), ..wanted };
    let changes = diff_items(item, key_or_nothing(strategy.merge_key()), old, new, wanted)?;
    for (name, items) in [
        (name.to_owned(), changes.set),
        (format!("{DELETE_FROM}/{name}"), changes.deleted),
        (format!("{ORDER_OF}/{name}"), changes.order),
    ] {
        if !items.is_empty() {
            patch.insert(name, Value::Array(items));
        }
    }
    Ok(())
}

/// What a patch says of a list that merges.
#[derive(Default)]
struct ListChanges {
    /// Items to merge; of maps, deletions too.
    set: Vec<Value>,
    /// Scalars to delete.
    deleted: Vec<Value>,
    order: Vec<Value>,
}

fn diff_items(
    item: Meta<'_>,
    key: &str,
    old: &mut Vec<Value>,
    new: &[Value],
    wanted: Wanted,
) -> Result<ListChanges, PatchError> {
    if old.is_empty() {
        let set = if wanted.no_additions { Vec::new() } else { new.to_vec() };
        return Ok(ListChanges { set, ..ListChanges::default() });
    }
    if list::is_of_maps(&[old.as_slice(), new])? {
        return diff_named(item, key, old, new, wanted);
    }
    let (set, deleted) = diff_scalars(old, new, wanted);
    let set = list::sort_by_order(set, new, key, false)?;
    let deletes = !wanted.no_deletions && !deleted.is_empty();
    // The old side is sorted by now.
    let changes = !wanted.no_additions && old.as_slice() != new;
    let order = if wanted.orders && (deletes || changes) { new.to_vec() } else { Vec::new() };
    Ok(ListChanges { set, deleted, order })
}

fn diff_named(
    item: Meta<'_>,
    key: &str,
    old: &mut [Value],
    new: &[Value],
    wanted: Wanted,
) -> Result<ListChanges, PatchError> {
    let is_same_length = old.len() == new.len();
    let keys: Vec<Value> = old.iter().map(|item| item.get(key).cloned().unwrap_or_default()).collect();
    let (set, deletions) = diff_sorted(item, key, old, new, wanted)?;
    let mut set = list::sort_by_order(set, new, key, true)?;
    let mut is_same_order = is_same_length;
    for (was, item) in keys.iter().zip(new).filter(|_| is_same_length) {
        if was != list::key_of_item(item, key)? {
            is_same_order = false;
            break;
        }
    }
    set.extend(deletions);
    let changes = !wanted.no_additions && (!set.is_empty() || !is_same_order);
    let deletes = !wanted.no_deletions && !set.is_empty();
    let order = if wanted.orders && (changes || deletes) {
        new.iter().map(|item| json!({ key: item.get(key) })).collect()
    } else {
        Vec::new()
    };
    Ok(ListChanges { set, deleted: Vec::new(), order })
}

/// Compares two lists of maps in the order of their keys' texts: what to merge, and what to delete.
fn diff_sorted(
    item: Meta<'_>,
    key: &str,
    old: &mut [Value],
    new: &[Value],
    wanted: Wanted,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut olds: Vec<(String, &mut Value)> = old.iter_mut().map(|item| (text_of_key(item, key), item)).collect();
    let mut news: Vec<(String, &Value)> = new.iter().map(|item| (text_of_key(item, key), item)).collect();
    insertion_sort_texts(&mut olds);
    insertion_sort_texts(&mut news);
    let (mut set, mut deletions) = (Vec::new(), Vec::new());
    let (mut olds, mut news) = (olds.into_iter().peekable(), news.into_iter().peekable());
    loop {
        // Both must have the key before either is looked at.
        if let Some((_, old)) = olds.peek() {
            list::key_of_item(old, key)?;
        }
        if let Some((_, new)) = news.peek() {
            list::key_of_item(new, key)?;
        }
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return Ok((set, deletions)),
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(_), None) => std::cmp::Ordering::Less,
        };
        let old = if order.is_le() { olds.next().map(|(_, item)| item) } else { None };
        let new = if order.is_ge() { news.next().map(|(_, item)| item) } else { None };
        match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                let mut changes = diff_maps(item, old, new, wanted)?;
                if !changes.is_empty() {
                    changes.insert(key.to_owned(), list::key_of(new, key)?.clone());
                    set.push(Value::Object(changes));
                }
            }
            (None, Some(new)) if !wanted.no_additions => set.push(new.clone()),
            (Some(old), None) if !wanted.no_deletions => {
                deletions.push(json!({ key: list::key_of_item(old, key)?, DIRECTIVE: "delete" }));
            }
            _ => {}
        }
    }
}

fn text_of_key(item: &Value, key: &str) -> String {
    go::plain(item.get(key).unwrap_or(&Value::Null))
}

/// Go's comparison takes equal texts for less, so those change places.
fn insertion_sort_texts<T>(items: &mut [(String, T)]) {
    list::insertion_sort(items, |(one, _), (other, _)| one <= other);
}

/// Sorts scalars by their texts.
pub(super) fn sort_scalars(items: &mut [Value]) {
    items.sort_by_cached_key(go::plain);
}

/// What to add to a list of scalars, and what to delete. Sorts the old list.
fn diff_scalars(old: &mut [Value], new: &[Value], wanted: Wanted) -> (Vec<Value>, Vec<Value>) {
    sort_scalars(old);
    let mut new = new.to_vec();
    sort_scalars(&mut new);
    let (mut added, mut deleted) = (Vec::new(), Vec::new());
    let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => break,
            (Some(old), Some(new)) => go::plain(old).cmp(&go::plain(new)),
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(_), None) => std::cmp::Ordering::Less,
        };
        let old = if order.is_le() { olds.next() } else { None };
        let new = if order.is_ge() { news.next() } else { None };
        match (old, new) {
            (None, Some(new)) if !wanted.no_additions => added.push(new.clone()),
            (Some(old), None) if !wanted.no_deletions => deleted.push(old.clone()),
            _ => {}
        }
    }
    let length = list::deduplicate(&mut deleted);
    deleted.truncate(length);
    (added, deleted)
}
