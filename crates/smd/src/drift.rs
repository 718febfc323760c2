//! How a live object departs from the desired one, without asking a server.
//!
//! The answer is by ownership: what the desired object sets must be there, what our manager set before and no longer
//! sets must go, and everything else is somebody else's business.

mod equal;
mod owner;
mod removed;
mod step;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use owner::{Owner, owners};

use crate::normalize::{base64, same_scalar};
use crate::path::Path;
use crate::schema::{Handling, ListTy, MapTy, Ty, TypeRef};
use equal::{find_item, same_whole};
use owner::OwnEntries;
use step::Step;

/// One path at which live and desired state differ. No two paths of one answer contain each other.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDrift {
    /// Where. An atomic list or map is one value, and so is one path.
    pub path: Path,
    /// The desired value; `None` when the field must go.
    pub want: Option<Value>,
    /// The live value; `None` when there is none.
    pub have: Option<Value>,
    /// Who owns the field now, us aside; the latest when there are several, `None` when there is nobody.
    pub owner: Option<Owner>,
}

/// Compares a live object with the desired one, as seen by the manager that applies the desired one.
///
/// Empty means in sync: applying `desired` would change nothing a user could see. Otherwise the paths are sorted. The
/// rules:
///
/// - Every value `desired` sets must be in `live` and equal as the API server reads it: quantities by amount, times
///   by instant, numbers by value, `stringData` of a Secret as `data`. `null` sets nothing.
/// - Maps are compared by what `desired` names, associative lists by item with keys defaulted from the schema, in any
///   order. Atomic lists and maps are compared whole, save for fields of their structs that `live` alone has and that
///   are what the server gives by default.
/// - A zero value (`false`, `0`, `""`, `{}`) that `live` lacks counts as equal when our manager owns it: the server
///   dropped it while storing what we applied. So do empty lists and maps.
/// - Fields our manager's apply owns and `desired` no longer sets are drift; fields neither sets nor owns are not.
/// - `status`, and metadata only the server sets, are ignored.
pub fn drift(ty: &TypeRef, desired: &Value, live: &Value, manager: &str) -> Vec<FieldDrift> {
    let desired = with_string_data_merged(desired);
    let own = OwnEntries::of(live, manager);
    let mut departures = Vec::new();
    wanted(ty.ty(), &desired, live, &own, &mut departures);
    removed::removed(ty.ty(), &desired, live, &own, &mut departures);
    let mut found: Vec<FieldDrift> = departures
        .into_iter()
        .map(|departure| FieldDrift {
            owner: owner::owner_of(live, &departure.path, manager),
            path: departure.path,
            want: departure.want.cloned(),
            have: departure.have.cloned(),
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// A difference, before values are copied.
struct Departure<'a> {
    path: Path,
    want: Option<&'a Value>,
    have: Option<&'a Value>,
}

/// Top-level fields that are compared, if at all, on their own.
fn is_ignored_at_top(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "status")
}

/// Metadata that names the object or that only the server sets.
fn is_ignored_in_metadata(name: &str) -> bool {
    matches!(
        name,
        "name"
            | "namespace"
            | "creationTimestamp"
            | "deletionTimestamp"
            | "deletionGracePeriodSeconds"
            | "selfLink"
            | "uid"
            | "clusterName"
            | "generation"
            | "managedFields"
            | "resourceVersion"
    )
}

/// A Secret as the server stores it: `stringData` encoded and laid over `data`.
fn with_string_data_merged(desired: &Value) -> Cow<'_, Value> {
    let is = |name: &str, text: &str| desired.get(name).and_then(Value::as_str) == Some(text);
    let texts = match desired.get("stringData") {
        Some(Value::Object(texts)) if is("kind", "Secret") && is("apiVersion", "v1") => texts,
        _ => return Cow::Borrowed(desired),
    };
    let mut merged = desired.as_object().cloned().unwrap_or_default();
    merged.remove("stringData");
    let data = merged.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if !data.is_object() {
        *data = Value::Object(Map::new());
    }
    if let Some(data) = data.as_object_mut() {
        for (name, text) in texts {
            if let Some(text) = text.as_str() {
                data.insert(name.clone(), Value::String(base64(text.as_bytes())));
            }
        }
    }
    Cow::Owned(Value::Object(merged))
}

/// Finds what `desired` sets and `live` does not have so.
fn wanted<'a>(
    ty: Ty<'_>,
    desired: &'a Value,
    live: &'a Value,
    own: &OwnEntries<'_>,
    departures: &mut Vec<Departure<'a>>,
) {
    let Some(map) = ty.map() else { return };
    let mut walk = Wanted { own, departures };
    for (name, want) in desired.as_object().into_iter().flatten() {
        if is_ignored_at_top(name) {
            continue;
        }
        let at = Step::Field { parent: None, name };
        let ty = map.any_value_type(name);
        let have = live.get(name);
        match (name.as_str(), want, ty.map()) {
            ("metadata", Value::Object(fields), Some(map)) => {
                for (name, want) in fields.iter().filter(|(name, _)| !is_ignored_in_metadata(name)) {
                    let at = Step::Field { parent: Some(&at), name };
                    walk.value(map.any_value_type(name), &at, want, have.and_then(|have| have.get(name)));
                }
            }
            _ => walk.value(ty, &at, want, have),
        }
    }
}

struct Wanted<'w, 'a> {
    own: &'w OwnEntries<'w>,
    departures: &'w mut Vec<Departure<'a>>,
}

impl<'a> Wanted<'_, 'a> {
    fn value(&mut self, ty: Ty<'_>, at: &Step<'_>, want: &'a Value, have: Option<&'a Value>) {
        if want.is_null() {
            return;
        }
        let Some(have) = have.filter(|have| !have.is_null()) else {
            if !self.may_be_absent(ty, at, want) {
                self.report(at, want, None);
            }
            return;
        };
        let same = match (ty.handling(ty.shape(Some(want))), want, have) {
            (Handling::Scalar(_), ..) => same_scalar(ty.format(), want, have),
            (Handling::Map(map), Value::Object(want), Value::Object(have)) if !map.atomic => {
                return self.map(map, at, want, have);
            }
            (Handling::List(list), Value::Array(want), Value::Array(have)) if !list.is_atomic() => {
                return self.list(list, at, want, have);
            }
            _ => same_whole(ty, want, have, &|| self.own.owns(at)),
        };
        if !same {
            self.report(at, want, Some(have));
        }
    }

    fn map(&mut self, map: MapTy<'_>, at: &Step<'_>, want: &'a Map<String, Value>, have: &'a Map<String, Value>) {
        for (name, want) in want {
            self.value(map.any_value_type(name), &Step::Field { parent: Some(at), name }, want, have.get(name));
        }
    }

    fn list(&mut self, list: ListTy<'_>, at: &Step<'_>, want: &'a [Value], have: &'a [Value]) {
        for (position, want) in want.iter().enumerate() {
            let have = find_item(list, want, have, position);
            self.value(list.item(), &Step::Item { parent: at, list, item: want, position }, want, have);
        }
    }

    /// Whether the server may have stored this value by leaving it out.
    fn may_be_absent(&self, ty: Ty<'_>, at: &Step<'_>, want: &Value) -> bool {
        match want {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) if fields.is_empty() => {
                let is_free_form = ty.map().is_some_and(MapTy::is_free_form) && ty.node.scalar.is_none();
                is_free_form || self.own.owns(at)
            }
            Value::Object(fields) => ty.map().is_some_and(|map| {
                fields.iter().all(|(name, want)| {
                    self.may_be_absent(map.any_value_type(name), &Step::Field { parent: Some(at), name }, want)
                })
            }),
            scalar => equal::is_zero(scalar) && self.own.owns(at),
        }
    }

    fn report(&mut self, at: &Step<'_>, want: &'a Value, have: Option<&'a Value>) {
        self.departures.push(Departure { path: at.path(), want: Some(want), have });
    }
}
