//! Laying an applied configuration over a live object.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::validate::check_scalar;
use super::{Mistakes, TypedError, element_of, is_empty_map, items};
use crate::path::PathElement;
use crate::schema::{Handling, ListTy, MapTy, Shape, Ty, TypeRef};

/// Merges `config` into `live`: its scalars and atomic values win, maps merge by field, associative lists by item.
///
/// Live list items stay where they are, shared ones follow the configuration's order, new ones come after their
/// predecessor there. An item that `config` names twice is an error; live duplicates are left alone.
pub fn merge(ty: &TypeRef, live: &Value, config: &Value) -> Result<Value, TypedError> {
    let mut walk = Merge { mistakes: Mistakes::default(), path: Vec::new() };
    let merged = walk.node(ty.ty(), Some(live), Some(config));
    walk.mistakes.into_result().map(|()| merged.unwrap_or(Value::Null))
}

/// A `null` item, standing for live items that share a name: they do not merge.
const NOTHING: &Value = &Value::Null;

struct Merge {
    mistakes: Mistakes,
    path: Vec<PathElement>,
}

impl Merge {
    fn node(&mut self, ty: Ty<'_>, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
        let left_shape = ty.shape(left);
        let right_shape = ty.shape(right);
        if right.is_none() {
            return self.handle(ty, left_shape, left, right);
        }
        if left.is_some() && left_shape != right_shape {
            // The value changes its shape; the old one is looked at for its mistakes alone.
            self.handle(ty, left_shape, left, right);
        }
        self.handle(ty, right_shape, left, right)
    }

    fn handle(&mut self, ty: Ty<'_>, shape: Shape, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
        let keep_right = || right.or(left).cloned();
        match ty.handling(shape) {
            Handling::Scalar(kind) => {
                if let (Err(left), Err(right)) = (check_scalar(kind, left), check_scalar(kind, right)) {
                    self.mistakes.add(&self.path, format!("lhs: {left}"));
                    self.mistakes.add(&self.path, format!("rhs: {right}"));
                    return None;
                }
                keep_right()
            }
            Handling::Map(map) if map.atomic || (is_empty_map(left) && is_empty_map(right)) => keep_right(),
            Handling::Map(map) => self.map(map, left, right),
            Handling::List(list) if list.is_atomic() || (items(left).is_empty() && items(right).is_empty()) => {
                keep_right()
            }
            Handling::List(list) => self.list(list, items(left), items(right)),
        }
    }

    fn map(&mut self, map: MapTy<'_>, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
        let left = left.and_then(Value::as_object);
        let right = right.and_then(Value::as_object);
        let names: BTreeSet<&String> =
            left.iter().flat_map(|map| map.keys()).chain(right.iter().flat_map(|map| map.keys())).collect();
        let mut out = Map::new();
        for name in names {
            self.path.push(PathElement::field(name.as_str()));
            let merged = self.node(
                map.any_value_type(name),
                left.and_then(|map| map.get(name)),
                right.and_then(|map| map.get(name)),
            );
            self.path.pop();
            if let Some(merged) = merged {
                out.insert(name.clone(), merged);
            }
        }
        (!out.is_empty()).then_some(Value::Object(out))
    }

    fn list(&mut self, list: ListTy<'_>, left: &[Value], right: &[Value]) -> Option<Value> {
        let mistakes_before = self.mistakes.0.len();
        let right = self.index(list, right, false);
        let left = self.index(list, left, true);
        if self.mistakes.0.len() > mistakes_before {
            return None;
        }
        let mut shared: VecDeque<&PathElement> =
            right.order.iter().map(|(element, _)| element).filter(|element| left.items.contains_key(element)).collect();
        let mut merged: BTreeSet<&PathElement> = BTreeSet::new();
        let mut out = Vec::with_capacity(left.order.len().max(right.order.len()));
        let (mut at_left, mut at_right) = (0, 0);
        while at_left < left.order.len() || at_right < right.order.len() {
            let here = left.order.get(at_left);
            let there = right.order.get(at_right);
            if let (Some((element, _)), Some((applied, _))) = (here, there) {
                if element == applied {
                    merged.insert(element);
                    out.extend(self.item(list, element, left.get(element), right.get(element)));
                    at_left += 1;
                    at_right += 1;
                    shared.pop_front();
                    continue;
                }
                if right.items.contains_key(element) && shared.front().is_some_and(|next| *next != element) {
                    // Shared, but its turn comes later: it is emitted where the configuration has it.
                    at_left += 1;
                    continue;
                }
            }
            if let Some((element, item)) = here {
                if !right.items.contains_key(element) {
                    out.extend(self.item(list, element, Some(item), None));
                    at_left += 1;
                    continue;
                }
                if merged.contains(element) {
                    at_left += 1;
                }
            }
            if let Some((element, _)) = there {
                merged.insert(element);
                out.extend(self.item(list, element, left.get(element), right.get(element)));
                at_right += 1;
                if shared.front().is_some_and(|next| *next == element) {
                    shared.pop_front();
                }
            }
        }
        (!out.is_empty()).then_some(Value::Array(out))
    }

    fn item(
        &mut self,
        list: ListTy<'_>,
        element: &PathElement,
        left: Option<&Value>,
        right: Option<&Value>,
    ) -> Option<Value> {
        self.path.push(element.clone());
        let merged = self.node(list.item(), left, right);
        self.path.pop();
        merged
    }

    fn index<'v>(&mut self, list: ListTy<'_>, values: &'v [Value], duplicates_allowed: bool) -> Index<'v> {
        let mut index = Index { items: BTreeMap::new(), order: Vec::with_capacity(values.len()) };
        for (position, item) in values.iter().enumerate() {
            let element = match element_of(list, item) {
                Ok(element) => element,
                Err(message) => {
                    self.mistakes.add(&self.path, format!("element {position}: {message}"));
                    continue;
                }
            };
            let repeated = index.items.contains_key(&element);
            if repeated && !duplicates_allowed {
                self.mistakes.add(&self.path, format!("duplicate entries for key {element}"));
                continue;
            }
            index.items.insert(element.clone(), if repeated { NOTHING } else { item });
            index.order.push((element, item));
        }
        index
    }
}

/// A list's items by name, and their names in order.
struct Index<'v> {
    items: BTreeMap<PathElement, &'v Value>,
    order: Vec<(PathElement, &'v Value)>,
}

impl<'v> Index<'v> {
    fn get(&self, element: &PathElement) -> Option<&'v Value> {
        self.items.get(element).copied()
    }
}
