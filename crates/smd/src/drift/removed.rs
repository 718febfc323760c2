//! What our manager set before and the desired object no longer sets.

use serde_json::{Map, Value};

use super::owner::OwnEntries;
use super::{Departure, is_ignored_at_top, is_ignored_in_metadata};
use crate::path::{Path, PathElement, Scalar};
use crate::schema::{Handling, ListTy, Ty};
use crate::typed::element_of;

/// Finds the fields of our manager's apply that are still live and no longer desired.
pub(super) fn removed<'a>(
    ty: Ty<'_>,
    desired: &Value,
    live: &'a Value,
    own: &OwnEntries<'_>,
    departures: &mut Vec<Departure<'a>>,
) {
    if let Some(applied) = own.applied {
        Removed { path: Vec::new(), departures }.level(ty, applied, Some(desired), live);
    }
}

struct Removed<'w, 'a> {
    path: Vec<PathElement>,
    departures: &'w mut Vec<Departure<'a>>,
}

impl<'a> Removed<'_, 'a> {
    fn level(&mut self, ty: Ty<'_>, fields: &Map<String, Value>, want: Option<&Value>, have: &'a Value) {
        // Inside an atomic value that is still desired, it has been compared as a whole.
        let is_atomic = match ty.handling(ty.shape(Some(have))) {
            Handling::Map(map) => map.atomic,
            Handling::List(list) => list.is_atomic(),
            Handling::Scalar(_) => true,
        };
        if is_atomic && want.is_some() {
            return;
        }
        for (key, below) in fields {
            if key == "." || self.is_ignored(key) {
                continue;
            }
            let Ok(element) = PathElement::parse(key) else { continue };
            let Some(have) = child(ty, have, &element).filter(|have| !have.is_null()) else { continue };
            let want = want.and_then(|want| child(ty, want, &element)).filter(|want| !want.is_null());
            let below = below.as_object().filter(|below| !below.is_empty());
            let is_owned_itself = below.is_none_or(|below| below.contains_key("."));
            let child_ty = child_type(ty, &element);
            self.path.push(element);
            match (want, below) {
                (None, _) if is_owned_itself => {
                    self.departures.push(Departure { path: Path(self.path.clone()), want: None, have: Some(have) });
                }
                (want, Some(below)) => self.level(child_ty, below, want, have),
                _ => {}
            }
            self.path.pop();
        }
    }

    fn is_ignored(&self, key: &str) -> bool {
        let Some(name) = key.strip_prefix("f:") else { return false };
        match &self.path[..] {
            [] => is_ignored_at_top(name),
            [PathElement::Field(parent)] if parent == "metadata" => is_ignored_in_metadata(name),
            _ => false,
        }
    }
}

fn child_type<'t>(ty: Ty<'t>, element: &PathElement) -> Ty<'t> {
    let below = match element {
        PathElement::Field(name) => ty.map().map(|map| map.any_value_type(name)),
        _ => ty.list().map(ListTy::item),
    };
    below.unwrap_or_else(|| Ty::deduced(ty.table))
}

fn child<'v>(ty: Ty<'_>, value: &'v Value, element: &PathElement) -> Option<&'v Value> {
    match element {
        PathElement::Field(name) => value.as_object()?.get(name),
        PathElement::Index(position) => value.as_array()?.get(usize::try_from(*position).ok()?),
        PathElement::Value(scalar) => value.as_array()?.iter().find(|item| scalar.matches(item)),
        PathElement::Key(key) => {
            let list = ty.list()?;
            value.as_array()?.iter().find(|item| has_key(list, item, key, element))
        }
    }
}

fn has_key(list: ListTy<'_>, item: &Value, key: &[(String, Scalar)], element: &PathElement) -> bool {
    let written = key.iter().all(|(name, scalar)| item.get(name).is_some_and(|value| scalar.matches(value)));
    // Otherwise the item may owe a key field to its default.
    written || element_of(list, item).as_ref() == Ok(element)
}
