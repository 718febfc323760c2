//! What changed between two values of a type.

use serde_json::Value;

use super::validate::check_scalar;
use super::{Mistakes, TypedError, element_of, equal, is_empty_map, is_scalar, items};
use crate::pairs::pairs;
use crate::path::{PathElement, Trail};
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
    walk(ty, earlier, later, false)
}

/// Compares as [`compare`] does, where the earlier value is known to be of the type.
pub(crate) fn compare_valid(ty: &TypeRef, earlier: &Value, later: &Value) -> Result<Comparison, TypedError> {
    walk(ty, earlier, later, true)
}

fn walk(ty: &TypeRef, earlier: &Value, later: &Value, is_valid: bool) -> Result<Comparison, TypedError> {
    let mut walk = Compare { out: Comparison::default(), mistakes: Mistakes::default(), is_valid };
    walk.node(ty.ty(), Some(earlier), Some(later), &Trail::Top);
    walk.mistakes.into_result().map(|()| walk.out)
}

struct Compare {
    out: Comparison,
    mistakes: Mistakes,
    /// Whether the earlier value has no mistakes, so that what equals a part of it need not be looked through for some.
    is_valid: bool,
}

/// An item of an associative list and its name.
type Named<'v> = (PathElement, &'v Value);

/// The first name on either side.
fn first_of<'n>(left: &'n [Named<'_>], right: &'n [Named<'_>]) -> Option<&'n PathElement> {
    match (left.first(), right.first()) {
        (Some((left, _)), Some((right, _))) => Some(left.min(right)),
        (left, right) => left.or(right).map(|(name, _)| name),
    }
}

impl Compare {
    fn node(&mut self, ty: Ty<'_>, left: Option<&Value>, right: Option<&Value>, at: &Trail<'_>) {
        let left_shape = ty.shape(left);
        let right_shape = ty.shape(right);
        let is_leaf = if right.is_none() {
            self.handle(ty, left_shape, left, right, at)
        } else {
            if left.is_some() && left_shape != right_shape {
                // The value changed its shape: what the old one had is compared first.
                self.handle(ty, left_shape, left, right, at);
            }
            self.handle(ty, right_shape, left, right, at)
        };
        if !is_leaf {
            if left.is_none() {
                self.out.added.insert_at(at);
            } else if right.is_none() {
                self.out.removed.insert_at(at);
            }
        }
    }

    /// Returns whether the values were compared as one.
    fn handle(
        &mut self,
        ty: Ty<'_>,
        shape: Shape,
        left: Option<&Value>,
        right: Option<&Value>,
        at: &Trail<'_>,
    ) -> bool {
        match ty.handling(shape) {
            Handling::Scalar(kind) => {
                if let (Err(left), Err(right)) = (check_scalar(kind, left), check_scalar(kind, right)) {
                    self.mistakes.add(at, format!("lhs: {left}"));
                    self.mistakes.add(at, format!("rhs: {right}"));
                    return false;
                }
                self.leaf(left, right, at);
                true
            }
            Handling::Map(map) => {
                if map.atomic || (is_empty_map(left) && is_empty_map(right)) {
                    self.leaf(left, right, at);
                    return true;
                }
                self.map(map, left, right, at);
                false
            }
            Handling::List(list) => {
                if list.is_atomic() || (items(left).is_empty() && items(right).is_empty()) {
                    self.leaf(left, right, at);
                    return true;
                }
                self.list(list, items(left), items(right), at);
                false
            }
        }
    }

    fn leaf(&mut self, left: Option<&Value>, right: Option<&Value>, at: &Trail<'_>) {
        match (left, right) {
            (None, _) => self.out.added.insert_at(at),
            (_, None) => self.out.removed.insert_at(at),
            (Some(left), Some(right)) if !equal(left, right) => self.out.modified.insert_at(at),
            _ => {}
        }
    }

    fn map(&mut self, map: MapTy<'_>, left: Option<&Value>, right: Option<&Value>, at: &Trail<'_>) {
        let left = left.and_then(Value::as_object);
        let right = right.and_then(Value::as_object);
        for (left, right) in
            pairs(left.into_iter().flatten(), right.into_iter().flatten(), |(name, _)| *name, |(name, _)| *name)
        {
            // Scalars that are the same, one of which fits its type, are not looked up.
            if let (true, Some((_, left)), Some((_, right))) = (self.is_valid, left, right)
                && is_scalar(right)
                && left == right
            {
                continue;
            }
            let Some((name, _)) = left.or(right) else { continue };
            let ty = map.any_value_type(name);
            self.node(ty, left.map(|(_, value)| value), right.map(|(_, value)| value), &Trail::Field(at, name));
        }
    }

    fn list(&mut self, list: ListTy<'_>, left: &[Value], right: &[Value], at: &Trail<'_>) {
        if self.is_valid && left == right {
            return;
        }
        let (left, right) = (self.named(list, left, at), self.named(list, right, at));
        let (mut left, mut right) = (&left[..], &right[..]);
        while let Some(element) = first_of(left, right) {
            let same = |side: &[Named<'_>]| side.iter().take_while(|(name, _)| name == element).count();
            let (lefts, rights);
            (lefts, left) = left.split_at(same(left));
            (rights, right) = right.split_at(same(right));
            self.item(list.item(), lefts, rights, &Trail::Item(at, element));
        }
    }

    /// The items with their names, sorted by them.
    fn named<'v>(&mut self, list: ListTy<'_>, items: &'v [Value], at: &Trail<'_>) -> Vec<Named<'v>> {
        let mut named = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            match element_of(list, item) {
                Ok(element) => named.push((element, item)),
                Err(message) => self.mistakes.add(at, format!("element {position}: {message}")),
            }
        }
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named
    }

    fn item(&mut self, ty: Ty<'_>, lefts: &[Named<'_>], rights: &[Named<'_>], at: &Trail<'_>) {
        match (lefts, rights) {
            ([] | [_], [] | [_]) => {
                self.node(ty, lefts.first().map(|(_, left)| *left), rights.first().map(|(_, right)| *right), at);
            }
            ([_, _, ..], [_, _, ..]) => {
                let is_same = |((_, left), (_, right)): (&Named<'_>, &Named<'_>)| equal(left, right);
                if lefts.len() != rights.len() || !lefts.iter().zip(rights).all(is_same) {
                    self.out.modified.insert_at(at);
                }
            }
            // Duplicates before, at most one now: what remains is new, the duplicates are gone.
            ([_, _, ..], _) => {
                if let Some((_, right)) = rights.first() {
                    self.node(ty, None, Some(right), at);
                }
                self.out.removed.insert_at(at);
            }
            (_, [_, _, ..]) => {
                if let Some((_, left)) = lefts.first() {
                    self.node(ty, Some(left), None, at);
                }
                self.out.added.insert_at(at);
            }
        }
    }
}
