//! Go's slices.

use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use crate::drop;
use crate::types::Type;
use crate::value::Value;

/// A Go slice, for example `[]interface {}`; may be nil.
///
/// Clones share the elements. Elements never change: no function of templates, sprig or Helm writes into a slice that
/// exists, so sharing cannot be told from Go's, and reading takes no locks or borrows. What "changes" a list makes a
/// new one.
#[derive(Clone)]
pub struct List {
    items: Option<Rc<Items>>,
    ty: &'static Type,
}

pub(crate) struct Items {
    /// All elements up to the capacity; those after `len` are reached by slicing beyond the length.
    pub(crate) all: Vec<Value>,
    len: usize,
}

impl List {
    /// Makes a `[]interface {}`.
    pub fn new(items: Vec<Value>) -> Self {
        Self::typed(&Type::LIST, items)
    }

    /// Makes a slice of type `ty`, such as `&Type::STRINGS`; the elements must be of its element type.
    pub fn typed(ty: &'static Type, items: Vec<Value>) -> Self {
        let len = items.len();
        Self { items: Some(Rc::new(Items { all: items, len })), ty }
    }

    /// Makes a `[]string`.
    pub fn strings<S: Into<crate::Str>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::typed(&Type::STRINGS, items.into_iter().map(|item| Value::Str(item.into())).collect())
    }

    /// Makes the nil slice of a type.
    pub fn nil(ty: &'static Type) -> Self {
        Self { items: None, ty }
    }

    /// Tells whether this is the nil slice, which is empty too.
    pub fn is_nil(&self) -> bool {
        self.items.is_none()
    }

    /// Returns the slice's type.
    pub fn ty(&self) -> &'static Type {
        self.ty
    }

    /// Returns the elements.
    pub fn as_slice(&self) -> &[Value] {
        self.items.as_ref().map_or(&[], |items| &items.all[..items.len])
    }

    /// Returns how many elements Go would find room for.
    pub fn capacity(&self) -> usize {
        self.items.as_ref().map_or(0, |items| items.all.len())
    }

    /// Returns `list[from:to:max]`; the caller has checked `from <= to <= max <= capacity`.
    pub(crate) fn sliced(&self, from: usize, to: usize, max: usize) -> Self {
        let Some(items) = &self.items else { return self.clone() };
        let all = items.all[from..max].to_vec();
        Self { items: Some(Rc::new(Items { all, len: to - from })), ty: self.ty }
    }

    /// Returns the same slice under another type of the same make-up.
    pub(crate) fn retyped(&self, ty: &'static Type) -> Self {
        Self { items: self.items.clone(), ty }
    }

    /// Returns an address that is equal for slices that share their elements; 0 for nil.
    pub(crate) fn address(&self) -> usize {
        self.items.as_ref().map_or(0, |items| Rc::as_ptr(items).addr())
    }

    pub(crate) fn take_unique(&mut self) -> Option<Vec<Value>> {
        let items = Rc::get_mut(self.items.as_mut()?)?;
        Some(std::mem::take(&mut items.all))
    }

    pub(crate) fn is_unique(&self) -> bool {
        self.items.as_ref().is_some_and(|items| Rc::strong_count(items) == 1 && !items.all.is_empty())
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        drop::unnest(self.all.iter_mut());
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        self.as_slice()
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{} elements]", self.ty, self.len())
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::new(items.into_iter().collect())
    }
}
