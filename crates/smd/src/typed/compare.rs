//! What changed between two values of a type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::validate::check_scalar;
use super::{Mistakes, TypedError, element_of, equal, is_empty_map, items};
use crate::path::PathElement;
use crate::schema::{Handling, ListTy, MapTy, Shape, Ty, TypeRef};
use crate::set::Set;

/// The paths that differ between an earlier and a later value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// In the later value only.
    pub added: Set,
    /// In the earlier value only.
    pub removed: Set,
    /// In both, but different.
    pub modified: Set,
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.modified.is_empty()
    }

    /// Leaves out the fields of a set and everything below them.
    #[must_use]
    pub fn without(self, fields: &Set) -> Self {
        if fields.is_empty() {
            return self;
        }
        Self {
            added: self.added.recursive_difference(fields),
            removed: self.removed.recursive_difference(fields),
            modified: self.modified.recursive_difference(fields),
        }
    }
}

/// Compares an earlier with a later value.
///
/// A node in one of them only adds every path on the way down; an atomic value is one path; a list item that occurs
/// more than once is compared as one value with its twins. Comparing happens on values as written: `1000m` and `1`
/// differ.
pub fn compare(ty: &TypeRef, earlier: &Value, later: &Value) -> Result<Comparison, TypedError> {
    let mut walk = Compare { out: Comparison::default(), mistakes: Mistakes::default(), path: Vec::new() };
    walk.node(ty.ty(), Some(earlier), Some(later));
    walk.mistakes.into_result().map(|()| walk.out)
}

struct Compare {
    out: Comparison,
    mistakes: Mistakes,
    path: Vec<PathElement>,
}

impl Compare {
    fn node(&mut self, ty: Ty<'_>, left: Option<&Value>, right: Option<&Value>) {
        let left_shape = ty.shape(left);
        let right_shape = ty.shape(right);
        let is_leaf = if right.is_none() {
            self.handle(ty, left_shape, left, right)
        } else {
            if left.is_some() && left_shape != right_shape {
                // The value changed its shape: what the old one had is compared first.
                self.handle(ty, left_shape, left, right);
            }
            self.handle(ty, right_shape, left, right)
        };
        if !is_leaf {
            if left.is_none() {
                self.out.added.insert(&self.path);
            } else if right.is_none() {
                self.out.removed.insert(&self.path);
            }
        }
    }

    /// Returns whether the values were compared as one.
    fn handle(&mut self, ty: Ty<'_>, shape: Shape, left: Option<&Value>, right: Option<&Value>) -> bool {
        match ty.handling(shape) {
            Handling::Scalar(kind) => {
                if let (Err(left), Err(right)) = (check_scalar(kind, left), check_scalar(kind, right)) {
                    self.mistakes.add(&self.path, format!("lhs: {left}"));
                    self.mistakes.add(&self.path, format!("rhs: {right}"));
                    return false;
                }
                self.leaf(left, right);
                true
            }
            Handling::Map(map) => {
                if map.atomic || (is_empty_map(left) && is_empty_map(right)) {
                    self.leaf(left, right);
                    return true;
                }
                self.map(map, left, right);
                false
            }
            Handling::List(list) => {
                if list.is_atomic() || (items(left).is_empty() && items(right).is_empty()) {
                    self.leaf(left, right);
                    return true;
                }
                self.list(list, items(left), items(right));
                false
            }
        }
    }

    fn leaf(&mut self, left: Option<&Value>, right: Option<&Value>) {
        match (left, right) {
            (None, _) => self.out.added.insert(&self.path),
            (_, None) => self.out.removed.insert(&self.path),
            (Some(left), Some(right)) if !equal(left, right) => self.out.modified.insert(&self.path),
            _ => {}
        }
    }

    fn map(&mut self, map: MapTy<'_>, left: Option<&Value>, right: Option<&Value>) {
        let left = left.and_then(Value::as_object);
        let right = right.and_then(Value::as_object);
        let names: BTreeSet<&String> =
            left.iter().flat_map(|map| map.keys()).chain(right.iter().flat_map(|map| map.keys())).collect();
        for name in names {
            self.path.push(PathElement::field(name.as_str()));
            self.node(
                map.any_value_type(name),
                left.and_then(|map| map.get(name)),
                right.and_then(|map| map.get(name)),
            );
            self.path.pop();
        }
    }

    fn list(&mut self, list: ListTy<'_>, left: &[Value], right: &[Value]) {
        let mut named: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for (is_left, side) in [(true, left), (false, right)] {
            for (position, item) in side.iter().enumerate() {
                match element_of(list, item) {
                    Ok(element) => {
                        let (lefts, rights) = named.entry(element).or_default();
                        if is_left { lefts.push(item) } else { rights.push(item) }
                    }
                    Err(message) => self.mistakes.add(&self.path, format!("element {position}: {message}")),
                }
            }
        }
        for (element, (lefts, rights)) in named {
            self.path.push(element);
            self.item(list.item(), &lefts, &rights);
            self.path.pop();
        }
    }

    fn item(&mut self, ty: Ty<'_>, lefts: &[&Value], rights: &[&Value]) {
        match (lefts, rights) {
            ([] | [_], [] | [_]) => self.node(ty, lefts.first().copied(), rights.first().copied()),
            ([_, _, ..], [_, _, ..]) => {
                let same =
                    lefts.len() == rights.len() && lefts.iter().zip(rights).all(|(left, right)| equal(left, right));
                if !same {
                    self.out.modified.insert(&self.path);
                }
            }
            // Duplicates before, at most one now: what remains is new, the duplicates are gone.
            ([_, _, ..], _) => {
                if let Some(right) = rights.first() {
                    self.node(ty, None, Some(right));
                }
                self.out.removed.insert(&self.path);
            }
            (_, [_, _, ..]) => {
                if let Some(left) = lefts.first() {
                    self.node(ty, Some(left), None);
                }
                self.out.added.insert(&self.path);
            }
        }
    }
}
