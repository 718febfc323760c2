//! Whether two patches of one object contradict each other.
//!
//! Go sorts lists of scalars in place while it compares, and prints the patches afterwards; so both are changed here
//! too.

use serde_json::{Map, Value};

use super::meta::{Meta, Strategy};
use super::{DIRECTIVE, PatchError, RETAIN_KEYS, diff, key_or_nothing, list};
use crate::go;

pub(super) fn maps_conflict(
    meta: Meta<'_>,
    left: &mut Map<String, Value>,
    right: &mut Map<String, Value>,
) -> Result<bool, PatchError> {
    for (name, left) in left.iter_mut().filter(|(name, _)| *name != DIRECTIVE && *name != RETAIN_KEYS) {
        let Some(right) = right.get_mut(name) else { continue };
        let (of_value, strategy) = match left {
            Value::Array(_) => meta.of_list(name)?,
            Value::Object(_) => meta.of_map(name)?,
            _ => (meta, Strategy::default()),
        };
        if values_conflict(of_value, strategy, left, right)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Compares two patches as wholes, where a directive speaks for all fields.
pub(super) fn values_conflict(
    meta: Meta<'_>,
    strategy: Strategy<'_>,
    left: &mut Value,
    right: &mut Value,
) -> Result<bool, PatchError> {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            if left.get(DIRECTIVE) != right.get(DIRECTIVE) {
                return Ok(true);
            }
            Ok(!strategy.replaces() && maps_conflict(meta, left, right)?)
        }
        (Value::Array(left), Value::Array(right)) => lists_conflict(meta, strategy, left, right),
        (left, right) => Ok(left != right),
    }
}

fn lists_conflict(
    item: Meta<'_>,
    strategy: Strategy<'_>,
    left: &mut [Value],
    right: &mut [Value],
) -> Result<bool, PatchError> {
    let is_of_maps = list::is_of_maps(&[&*left, &*right])?;
    if strategy.merges() {
        // Sets of scalars merge whatever is in them.
        return if is_of_maps { named_conflict(item, strategy, left, right) } else { Ok(false) };
    }
    if left.len() != right.len() {
        return Ok(true);
    }
    let mut length = left.len();
    if !is_of_maps {
        length = sort_distinct(left);
        // Go panics where the right one has fewer.
        if sort_distinct(right) < length {
            return Ok(true);
        }
    }
    for (left, right) in left.iter_mut().zip(right).take(length) {
        if values_conflict(item, Strategy::default(), left, right)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn sort_distinct(items: &mut [Value]) -> usize {
    let length = list::deduplicate(items);
    diff::sort_scalars(&mut items[..length]);
    length
}

fn named_conflict(
    item: Meta<'_>,
    strategy: Strategy<'_>,
    left: &mut [Value],
    right: &mut [Value],
) -> Result<bool, PatchError> {
    let key = key_or_nothing(strategy.merge_key());
    for item in left.iter().chain(&*right) {
        if item.get(key).is_none() {
            return Err(PatchError::NoMergeKeyToCompare { item: go::plain(item), key: key.to_owned() });
        }
    }
    // Of items that share a key, the last counts.
    for at in 0..left.len() {
        let named = left[at].get(key).cloned();
        if left[at + 1..].iter().any(|later| later.get(key) == named.as_ref()) {
            continue;
        }
        let Some(right) = right.iter_mut().rev().find(|other| other.get(key) == named.as_ref()) else { continue };
        if values_conflict(item, Strategy::default(), &mut left[at], right)? {
            return Ok(true);
        }
    }
    Ok(false)
}
