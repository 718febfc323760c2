//! Strategic merge patch: JSON merge patch that knows how lists merge.
//!
//! The rules are those of apimachinery's `strategicpatch`, 1.35, for applying one patch to an object. Directives that
//! come with a value the object does not have yet are dropped with it, where Go leaves some of them to the decoder.

mod list;

use serde_json::{Map, Value};

use crate::go;
use crate::schema::{Field, MapTy, PatchStrategy, Ty, TypeRef};

/// Why a patch does not apply, in the words of the Go library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// A merging list has lists in it.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// A list of values to delete is not a list.
    #[error("invalid patch format of primitive list")]
    DeleteList,
    /// The names to retain are not a list, or lack a field the patch sets.
    #[error("invalid patch format of retainKeys")]
    RetainKeys,
    /// An order is not a list.
    #[error("invalid patch format of setElementOrder list")]
    SetElementOrder,
    /// The patch has an order and items that contradict it.
    #[error("The order in patch list:\n{list}\n doesn't match $setElementOrder list:\n{order}\n")]
    OrderMismatch {
        /// The items.
        list: String,
        /// The order.
        order: String,
    },
    /// An item does not have the field that tells items apart.
    #[error("map: {item} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The item, as Go prints it.
        item: String,
        /// The field.
        key: String,
    },
    /// A merging list has maps but no field that tells them apart.
    #[error("cannot merge lists without merge key for {0}")]
    NoMergeKeyDeclared(String),
    /// An order of named items has something else in it.
    #[error("value for key {0} is not a map")]
    OrderOfScalars(usize),
    /// A list has maps next to scalars, or scalars of several kinds.
    #[error("list element types are not identical: {0}")]
    MixedItems(String),
    /// An order is given for a list that is empty on both sides.
    #[error("no elements in any of the given slices")]
    NoItems,
    /// A directive nobody knows.
    #[error("unknown patch type: {directive} in map: {map}")]
    UnknownDirective {
        /// The directive.
        directive: String,
        /// The map it stands in, as Go prints it.
        map: String,
    },
    /// `$patch: merge` for an item.
    #[error("merging lists cannot yet be specified in the patch")]
    MergeDirective,
    /// A part of the patch goes into a field that the type does not have.
    #[error("unable to find api field in struct {owner} for the json field {}", go::quote(.field))]
    UnknownField {
        /// The Go struct.
        owner: String,
        /// The field.
        field: String,
    },
    /// A part of the patch goes into a map or list inside a free-form map.
    #[error("merging an object in json but data type is not struct, instead is: map")]
    NotAStruct,
    /// A value of another kind than its place asks for.
    #[error("expected a {expected}, but received a {given}")]
    WrongKind {
        /// The kind asked for.
        expected: &'static str,
        /// The kind given.
        given: &'static str,
    },
}

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const ORDER_OF: &str = "$setElementOrder";

/// Applies a strategic merge patch to an object.
///
/// Lists with the patch strategy `merge` merge item by item, by their merge key or, without one, as sets of scalars;
/// all others are replaced. `$patch: delete|replace`, `$retainKeys`, `$deleteFromPrimitiveList/x` and
/// `$setElementOrder/x` are followed. `null` deletes. The API server refuses such patches for custom resources.
pub fn strategic_merge(ty: &TypeRef, original: &Value, patch: &Value) -> Result<Value, PatchError> {
    let Value::Object(patch) = patch else { return Err(wrong_kind(OBJECT, patch)) };
    let original = match original {
        Value::Null => Map::new(),
        Value::Object(map) => map.clone(),
        other => return Err(wrong_kind(OBJECT, other)),
    };
    merge_map(Some(ty.ty()), original, patch.clone()).map(Value::Object)
}

const OBJECT: &str = "map[string]interface {}";
const LIST: &str = "[]interface {}";

fn wrong_kind(expected: &'static str, given: &Value) -> PatchError {
    // How Go prints the type of nothing.
    let given = if given.is_null() { "%!s(<nil>)" } else { go::type_name(given) };
    PatchError::WrongKind { expected, given }
}

/// A field of a map by its name: what it holds, and how patches to it work.
fn lookup<'a>(map: Option<MapTy<'a>>, name: &str) -> (Option<Ty<'a>>, Option<&'a PatchStrategy>) {
    let Some(map) = map else { return (None, None) };
    let strategy = map.declared(name).and_then(|field: &Field| field.patch.as_deref());
    (map.value_type(name), strategy)
}

fn merge_map(
    ty: Option<Ty<'_>>,
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
) -> Result<Map<String, Value>, PatchError> {
    if let Some(directive) = patch.remove(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => match without_directives(Value::Object(patch)) {
                Some(Value::Object(patch)) => Ok(patch),
                _ => Ok(Map::new()),
            },
            Some("delete") => Ok(Map::new()),
            _ => {
                let directive_text = go::as_text(&directive);
                patch.insert(DIRECTIVE.to_owned(), directive);
                Err(PatchError::UnknownDirective { directive: directive_text, map: go::plain(&Value::Object(patch)) })
            }
        };
    }
    let map = ty.and_then(Ty::map);
    if let Some(names) = patch.remove(RETAIN_KEYS) {
        retain_keys(&mut original, &patch, &names)?;
    }
    order_lists(map, &mut original, &mut patch)?;
    for (key, change) in patch {
        if let Some(name) = key.strip_prefix(DELETE_FROM) {
            let name = name.strip_prefix('/').ok_or(PatchError::DeleteList)?;
            delete_values(map, &mut original, name, change)?;
        } else {
            check_field(ty, &original, &key, &change)?;
            merge_field(map, &mut original, key, change)?;
        }
    }
    Ok(original)
}

/// Refuses to merge into what a built-in type does not declare; what is only set is left to the decoder.
fn check_field(
    ty: Option<Ty<'_>>,
    original: &Map<String, Value>,
    name: &str,
    change: &Value,
) -> Result<(), PatchError> {
    let Some(ty) = ty.filter(|ty| ty.table.go_zero_values) else { return Ok(()) };
    let merges = matches!(
        (original.get(name), change),
        (Some(Value::Object(_)), Value::Object(_)) | (Some(Value::Array(_)), Value::Array(_))
    );
    match ty.map() {
        _ if !merges => Ok(()),
        Some(map) if map.declared(name).is_some() => Ok(()),
        Some(map) if map.is_free_form() && ty.component().is_none() => Err(PatchError::NotAStruct),
        _ => {
            let owner = ty.component().and_then(|name| name.rsplit('.').next()).unwrap_or_default().to_owned();
            Err(PatchError::UnknownField { owner, field: name.to_owned() })
        }
    }
}

fn merge_field(
    map: Option<MapTy<'_>>,
    original: &mut Map<String, Value>,
    name: String,
    change: Value,
) -> Result<(), PatchError> {
    let old = original.remove(&name);
    let (ty, strategy) = lookup(map, &name);
    let merged = match (old, change) {
        (_, Value::Null) => None,
        // What replaces goes in as it is; directives in it are unknown fields to the decoder.
        (Some(Value::Object(_)), Value::Object(change)) if strategy.is_some_and(|strategy| strategy.replace) => {
            Some(Value::Object(change))
        }
        (Some(Value::Object(old)), Value::Object(change)) => Some(Value::Object(merge_map(ty, old, change)?)),
        (Some(Value::Array(old)), Value::Array(change)) => match strategy {
            Some(strategy) if strategy.merge => {
                let item = ty.and_then(Ty::list).map(crate::schema::ListTy::item);
                let key = strategy.merge_key.as_deref();
                Some(Value::Array(list::merge_list(item, key, old, change, &name)?))
            }
            _ => Some(Value::Array(change)),
        },
        (_, change) => without_directives(without_nulls(change)),
    };
    if let Some(merged) = merged {
        original.insert(name, merged);
    }
    Ok(())
}

/// Fields that the patch does not name among those to retain go; the patch must not set others.
fn retain_keys(original: &mut Map<String, Value>, patch: &Map<String, Value>, names: &Value) -> Result<(), PatchError> {
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

/// Follows `$deleteFromPrimitiveList/name`.
fn delete_values(
    map: Option<MapTy<'_>>,
    original: &mut Map<String, Value>,
    name: &str,
    values: Value,
) -> Result<(), PatchError> {
    let Value::Array(values) = values else {
        // Of another kind than the list, it is passed over.
        return Ok(());
    };
    let Some(Value::Array(old)) = original.get_mut(name) else { return Ok(()) };
    if old.is_empty() && values.is_empty() {
        return Ok(());
    }
    if list::is_of_maps(&[old, &values])? {
        let (ty, strategy) = lookup(map, name);
        let item = ty.and_then(Ty::list).map(crate::schema::ListTy::item);
        let key = strategy.and_then(|strategy| strategy.merge_key.as_deref());
        *old = list::merge_list(item, key, std::mem::take(old), values, name)?;
        return Ok(());
    }
    old.retain(|value| !values.contains(value));
    Ok(())
}

/// Follows `$setElementOrder/name`, and merges the lists it is about on the way.
fn order_lists(
    map: Option<MapTy<'_>>,
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
) -> Result<(), PatchError> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(ORDER_OF)).cloned().collect();
    for directive in directives {
        let Some(order) = patch.remove(&directive) else { continue };
        let Value::Array(order) = order else { return Err(wrong_kind(LIST, &order)) };
        let name = directive[ORDER_OF.len()..].strip_prefix('/').ok_or(PatchError::SetElementOrder)?;
        let take = |from: &mut Map<String, Value>| match from.remove(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(wrong_kind(LIST, &other)),
        };
        // A list the patch deletes is left to the rest of the merge.
        if patch.get(name).is_some_and(Value::is_null) {
            return Err(wrong_kind(LIST, &Value::Null));
        }
        let change = take(patch)?;
        let old = take(original)?;
        let (ty, strategy) = lookup(map, name);
        let item = ty.and_then(Ty::list).map(crate::schema::ListTy::item);
        let key = strategy.and_then(|strategy| strategy.merge_key.as_deref());
        list::check_order(change.as_deref().unwrap_or_default(), &order, key)?;
        let mut before = old.clone().unwrap_or_default();
        let is_of_maps = list::is_of_maps(&[&before, change.as_deref().unwrap_or_default()]);
        let (merged, is_of_maps) = match (old, change) {
            (None, None) => continue,
            (Some(old), None) => (old, is_of_maps?),
            (None, Some(change)) => (change.into_iter().filter_map(without_directives).collect(), is_of_maps?),
            (Some(old), Some(change)) => {
                let merged = if strategy.is_some_and(|strategy| strategy.merge) {
                    if let Some(key) = key {
                        list::overwrite_deleted(&mut before, &change, key);
                    }
                    list::merge_list(item, key, old, change, name)?
                } else {
                    change.into_iter().filter_map(without_directives).collect()
                };
                (merged, is_of_maps?)
            }
        };
        let key = if is_of_maps { key } else { None };
        original.insert(name.to_owned(), Value::Array(list::in_order(merged, &order, &before, key)?));
    }
    Ok(())
}

/// What a patch sets anew sets no nulls.
fn without_nulls(value: Value) -> Value {
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

/// The value without directives; `None` when it is one itself.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let is_directive = |name: &str| {
                name == RETAIN_KEYS
                    || [DELETE_FROM, ORDER_OF]
                        .iter()
                        .any(|directive| name.strip_prefix(directive).is_some_and(|rest| rest.starts_with('/')))
            };
            let kept = map.into_iter().filter(|(name, _)| !is_directive(name));
            Some(Value::Object(kept.filter_map(|(name, value)| Some((name, without_directives(value)?))).collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        scalar => Some(scalar),
    }
}
