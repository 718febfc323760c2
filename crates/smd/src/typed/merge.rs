//! Laying an applied configuration over a live object.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::validate::check_scalar;
use super::{Mistakes, TypedError, element_of, is_empty_map, is_scalar, items};
use crate::pairs::pairs;
use crate::path::{PathElement, Trail};
use crate::schema::{Handling, ListTy, MapTy, Shape, Ty, TypeRef};

/// Merges `config` into `live`: its scalars and atomic values win, maps merge by field, associative lists by item.
///
/// Live list items stay where they are, shared ones follow the configuration's order, new ones come after their
/// predecessor there. An item that `config` names twice is an error; live duplicates are left alone.
pub fn merge(ty: &TypeRef, live: &Value, config: &Value) -> Result<Value, TypedError> {
    walk(ty, live, config, false)
}

/// Merges as [`merge`] does, where both values are known to be of the type, and `config` to name no item twice.
pub(crate) fn merge_valid(ty: &TypeRef, live: &Value, config: &Value) -> Result<Value, TypedError> {
    walk(ty, live, config, true)
}

fn walk(ty: &TypeRef, live: &Value, config: &Value, is_valid: bool) -> Result<Value, TypedError> {
    let mut walk = Merge { mistakes: Mistakes::default(), is_valid };
    let merged = walk.node(ty.ty(), Some(live), Some(config), &Trail::Top);
    walk.mistakes.into_result().map(|()| merged.unwrap_or(Value::Null))
}

/// A `null` item, standing for live items that share a name: they do not merge.
const NOTHING: &Value = &Value::Null;

struct Merge {
    mistakes: Mistakes,
    /// Whether neither value has mistakes: then what one side alone has stays as it is, and an applied scalar wins
    /// whatever its type.
    is_valid: bool,
}

impl Merge {
    fn node(&mut self, ty: Ty<'_>, left: Option<&Value>, right: Option<&Value>, at: &Trail<'_>) -> Option<Value> {
        if let (true, Some(left), None) = (self.is_valid, left, right) {
            return Some(left.clone());
        }
        let left_shape = ty.shape(left);
        let right_shape = ty.shape(right);
        if right.is_none() {
            return self.handle(ty, left_shape, left, right, at);
        }
        if left.is_some() && left_shape != right_shape {
            // The value changes its shape; the old one is looked at for its mistakes alone.
            self.handle(ty, left_shape, left, right, at);
        }
        self.handle(ty, right_shape, left, right, at)
    }

    fn handle(
        &mut self,
        ty: Ty<'_>,
        shape: Shape,
        left: Option<&Value>,
        right: Option<&Value>,
        at: &Trail<'_>,
    ) -> Option<Value> {
        let keep_right = || right.or(left).cloned();
        match ty.handling(shape) {
            Handling::Scalar(kind) => {
                if let (Err(left), Err(right)) = (check_scalar(kind, left), check_scalar(kind, right)) {
                    self.mistakes.add(at, format!("lhs: {left}"));
                    self.mistakes.add(at, format!("rhs: {right}"));
                    return None;
                }
                keep_right()
            }
            Handling::Map(map) if map.atomic || (is_empty_map(left) && is_empty_map(right)) => keep_right(),
            Handling::Map(map) => self.map(map, left, right, at),
            Handling::List(list) if list.is_atomic() || (items(left).is_empty() && items(right).is_empty()) => {
                keep_right()
            }
            Handling::List(list) => self.list(list, items(left), items(right), at),
        }
    }

    fn map<'v>(
        &mut self,
        map: MapTy<'_>,
        left: Option<&'v Value>,
        right: Option<&'v Value>,
        at: &Trail<'_>,
    ) -> Option<Value> {
        let left = left.and_then(Value::as_object);
        let right = right.and_then(Value::as_object);
        let fields =
            pairs(left.into_iter().flatten(), right.into_iter().flatten(), |(name, _)| *name, |(name, _)| *name);
        let merged = fields.filter_map(|(left, right)| {
            let (name, _) = left.or(right)?;
            if let (true, Some((_, value))) = (self.is_valid, right.or(left))
                && (right.is_none() || is_scalar(value))
            {
                return Some((name.clone(), value.clone()));
            }
            let ty = map.any_value_type(name);
            let value = |side: Option<(&String, &'v Value)>| side.map(|(_, value)| value);
            let merged = self.node(ty, value(left), value(right), &Trail::Field(at, name))?;
            Some((name.clone(), merged))
        });
        let out: Map<String, Value> = merged.collect();
        (!out.is_empty()).then_some(Value::Object(out))
    }

    fn list(&mut self, list: ListTy<'_>, left: &[Value], right: &[Value], at: &Trail<'_>) -> Option<Value> {
        let mistakes_before = self.mistakes.0.len();
        let right = self.index(list, right, false, at);
        let left = self.index(list, left, true, at);
        if self.mistakes.0.len() > mistakes_before {
            return None;
        }
        let mut shared: VecDeque<&PathElement> =
            right.order.iter().map(|(element, _)| element).filter(|element| left.has(element)).collect();
        let mut merged: BTreeSet<&PathElement> = BTreeSet::new();
        let mut out = Vec::with_capacity(left.order.len().max(right.order.len()));
        let (mut at_left, mut at_right) = (0, 0);
        while at_left < left.order.len() || at_right < right.order.len() {
            let here = left.order.get(at_left);
            let there = right.order.get(at_right);
            if let (Some((element, _)), Some((applied, _))) = (here, there) {
                if element == applied {
                    merged.insert(element);
                    out.extend(self.item(list, (element, at), left.get(element), right.get(element)));
                    at_left += 1;
                    at_right += 1;
                    shared.pop_front();
                    continue;
                }
                if right.has(element) && shared.front().is_some_and(|next| *next != element) {
                    // Shared, but its turn comes later: it is emitted where the configuration has it.
                    at_left += 1;
                    continue;
                }
            }
            if let Some((element, item)) = here {
                if !right.has(element) {
                    out.extend(self.item(list, (element, at), Some(item), None));
                    at_left += 1;
                    continue;
                }
                if merged.contains(element) {
                    at_left += 1;
                }
            }
            if let Some((element, _)) = there {
                merged.insert(element);
                out.extend(self.item(list, (element, at), left.get(element), right.get(element)));
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
        (element, at): (&PathElement, &Trail<'_>),
        left: Option<&Value>,
        right: Option<&Value>,
    ) -> Option<Value> {
        self.node(list.item(), left, right, &Trail::Item(at, element))
    }

    fn index<'v>(
        &mut self,
        list: ListTy<'_>,
        values: &'v [Value],
        duplicates_allowed: bool,
        at: &Trail<'_>,
    ) -> Index<'v> {
        let mut index = Index { order: Vec::with_capacity(values.len()), sorted: Vec::with_capacity(values.len()) };
        for (position, item) in values.iter().enumerate() {
            let element = match element_of(list, item) {
                Ok(element) => element,
                Err(message) => {
                    self.mistakes.add(at, format!("element {position}: {message}"));
                    continue;
                }
            };
            match index.find(&element) {
                Ok(_) if !duplicates_allowed => {
                    self.mistakes.add(at, format!("duplicate entries for key {element}"));
                    continue;
                }
                Ok(found) => index.sorted[found].1 = NOTHING,
                Err(place) => index.sorted.insert(place, (index.order.len(), item)),
            }
            index.order.push((element, item));
        }
        index
    }
}

/// A list's items in order, each with its name, and where to find the first of each name.
struct Index<'v> {
    order: Vec<(PathElement, &'v Value)>,
    /// Places in `order`, sorted by name, with what the name stands for.
    sorted: Vec<(usize, &'v Value)>,
}

impl<'v> Index<'v> {
    fn find(&self, element: &PathElement) -> Result<usize, usize> {
        self.sorted.binary_search_by(|(place, _)| self.order[*place].0.cmp(element))
    }

    fn has(&self, element: &PathElement) -> bool {
        self.find(element).is_ok()
    }

    fn get(&self, element: &PathElement) -> Option<&'v Value> {
        self.find(element).ok().map(|found| self.sorted[found].1)
    }
}
