//! Equality as the API server sees it.

use serde_json::{Map, Value};

use crate::normalize::same_scalar;
use crate::schema::{CodeDefault, Handling, ListRelation, ListTy, MapTy, Ty};
use crate::typed;

/// Whether an atomic value is as desired, server defaults inside its structs aside. `is_ours` says whether our manager
/// owns it; it is asked only when a zero value is missing.
pub(super) fn same_whole(ty: Ty<'_>, want: &Value, have: &Value, is_ours: &dyn Fn() -> bool) -> bool {
    if is_nothing(want) && is_nothing(have) {
        return true;
    }
    match (ty.handling(ty.shape(Some(want))), want, have) {
        (Handling::Scalar(_), ..) => same_scalar(ty.format(), want, have),
        (Handling::Map(map), Value::Object(want), Value::Object(have)) => same_fields(map, want, have, is_ours),
        (Handling::List(list), Value::Array(want), Value::Array(have)) => {
            want.len() == have.len()
                && want.iter().zip(have).all(|(want, have)| same_whole(list.item(), want, have, is_ours))
        }
        _ => typed::equal(want, have),
    }
}

fn same_fields(
    map: MapTy<'_>,
    want: &Map<String, Value>,
    have: &Map<String, Value>,
    is_ours: &dyn Fn() -> bool,
) -> bool {
    let all_wanted = want.iter().filter(|(_, want)| !want.is_null()).all(|(name, want)| {
        match have.get(name).filter(|have| !have.is_null()) {
            Some(value) => {
                same_whole(map.any_value_type(name), want, value, is_ours)
                    || has_default_entries(map, name, want, value, have)
            }
            None => is_nothing(want) || (is_zero(want) && is_ours()),
        }
    });
    all_wanted
        && have.iter().all(|(name, value)| {
            want.get(name).is_some_and(|want| !want.is_null())
                || is_nothing(value)
                || is_default(map, name, value)
                || has_default_entries(map, name, &Value::Null, value, have)
        })
}

/// Whether the server gives the field this value when it is absent.
fn is_default(map: MapTy<'_>, name: &str, have: &Value) -> bool {
    let Some(field) = map.declared(name) else { return false };
    let is = |default: &Value| same_whole(map.field_type(field), default, have, &|| false);
    let in_code = match field.code_default.as_deref() {
        Some(CodeDefault::Value(default)) => is(default),
        _ => false,
    };
    in_code || field.default.as_ref().is_some_and(is)
}

/// Whether the server filled the entries of a map that are not desired from those of its siblings.
fn has_default_entries(map: MapTy<'_>, name: &str, want: &Value, have: &Value, siblings: &Map<String, Value>) -> bool {
    let Some(field) = map.declared(name) else { return false };
    let (Some(CodeDefault::EntriesOf(sources)), Some(have)) = (field.code_default.as_deref(), have.as_object()) else {
        return false;
    };
    let Some(entries) = map.field_type(field).map() else { return false };
    let same =
        |name: &str, left: &Value, right: &Value| same_scalar(entries.any_value_type(name).format(), left, right);
    want.as_object().into_iter().flatten().all(|(name, _)| have.contains_key(name))
        && have.iter().all(|(name, value)| match want.get(name) {
            Some(want) => same(name, want, value),
            None => sources
                .iter()
                .find_map(|source| siblings.get(*source)?.get(name))
                .is_some_and(|default| same(name, default, value)),
        })
}

/// Whether a value is `null` or an empty container, which the server may write either way.
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Whether a value is what Go takes for empty.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        other => is_nothing(other),
    }
}

/// Finds the live item that a desired item of an associative list stands for; most often it is at the same place.
pub(super) fn find_item<'a>(list: ListTy<'_>, want: &Value, have: &'a [Value], position: usize) -> Option<&'a Value> {
    let is_same = |have: &&Value| same_item(list, want, have);
    have.get(position).filter(is_same).or_else(|| have.iter().find(is_same))
}

fn same_item(list: ListTy<'_>, want: &Value, have: &Value) -> bool {
    let keys = match list.relation() {
        ListRelation::Map(keys) if !keys.is_empty() => keys,
        _ => return same_scalar(list.item().format(), want, have),
    };
    let (Some(want), Some(have)) = (want.as_object(), have.as_object()) else { return false };
    let item = list.item().map();
    keys.iter().all(|key| {
        let default = || item.and_then(|item| item.declared(key)?.default.as_ref());
        match (want.get(&**key).or_else(default), have.get(&**key).or_else(default)) {
            (Some(want), Some(have)) => typed::equal(want, have),
            (None, None) => true,
            _ => false,
        }
    })
}
