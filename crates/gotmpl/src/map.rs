//! Go's maps with string keys.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::bytes::Str;
use crate::drop;
use crate::types::Type;
use crate::value::Value;

/// A Go map with string keys, for example `map[string]interface {}`; may be nil.
///
/// A reference, as in Go: clones share the entries, and what one inserts the others see. Entries are kept in the order
/// of their keys, which is the order in which Go's templates range over them.
///
/// Maps are counted references, so a map that is put into itself (`set $d "self" $d`) is never freed. That is bounded
/// by what one execution may make at all; whoever runs untrusted templates for long may run them in a thread or process
/// of its own. Printing and converting such a map ends in an error, not in an overflow of the stack.
#[derive(Clone)]
pub struct Map {
    entries: Option<Rc<Entries>>,
    ty: &'static Type,
}

struct Entries(RefCell<BTreeMap<Str, Value>>);

impl Map {
    /// Makes an empty `map[string]interface {}`.
    pub fn new() -> Self {
        Self::typed(&Type::MAP)
    }

    /// Makes an empty map of type `ty`, such as `&Type::STRING_MAP`; what is inserted must be of its element type.
    pub fn typed(ty: &'static Type) -> Self {
        Self { entries: Some(Rc::new(Entries(RefCell::default()))), ty }
    }

    /// Makes the nil map of a type: it reads as an empty one, and nothing can be inserted.
    pub fn nil(ty: &'static Type) -> Self {
        Self { entries: None, ty }
    }

    /// Tells whether this is the nil map, which is empty too.
    pub fn is_nil(&self) -> bool {
        self.entries.is_none()
    }

    /// Returns the map's type.
    pub fn ty(&self) -> &'static Type {
        self.ty
    }

    /// Returns how many entries there are.
    pub fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, |entries| entries.0.borrow().len())
    }

    /// Tells whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value of a key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.entries.as_ref()?.0.borrow().get(key.as_ref()).cloned()
    }

    /// Tells whether a key has a value.
    pub fn contains(&self, key: impl AsRef<[u8]>) -> bool {
        self.entries.as_ref().is_some_and(|entries| entries.0.borrow().contains_key(key.as_ref()))
    }

    /// Gives a key a value, and returns the one it had. A nil map stays as it is.
    pub fn insert(&self, key: impl Into<Str>, value: impl Into<Value>) -> Option<Value> {
        self.entries.as_ref()?.0.borrow_mut().insert(key.into(), value.into())
    }

    /// Takes a key away, and returns the value it had.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.entries.as_ref()?.0.borrow_mut().remove(key.as_ref())
    }

    /// Returns the keys as they are now, sorted.
    pub fn keys(&self) -> Vec<Str> {
        self.entries.as_ref().map_or_else(Vec::new, |entries| entries.0.borrow().keys().cloned().collect())
    }

    /// Returns the entries as they are now, sorted by key. Later changes of the map do not show.
    pub fn entries(&self) -> Vec<(Str, Value)> {
        let Some(entries) = &self.entries else { return Vec::new() };
        entries.0.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Tells whether both are the same map, not only equal ones.
    pub fn is_same(&self, other: &Self) -> bool {
        self.address() == other.address()
    }

    /// Returns the same map under another type of the same make-up: a change of one shows in the other.
    pub fn retyped(&self, ty: &'static Type) -> Self {
        Self { entries: self.entries.clone(), ty }
    }

    /// Returns an address that is equal for the same map; 0 for nil.
    pub(crate) fn address(&self) -> usize {
        self.entries.as_ref().map_or(0, |entries| Rc::as_ptr(entries).addr())
    }

    pub(crate) fn is_unique(&self) -> bool {
        self.entries.as_ref().is_some_and(|entries| Rc::strong_count(entries) == 1 && !entries.0.borrow().is_empty())
    }

    pub(crate) fn drain_unique(&mut self, mut each: impl FnMut(&mut Value)) {
        if let Some(entries) = self.entries.as_mut().and_then(Rc::get_mut) {
            entries.0.get_mut().values_mut().for_each(&mut each);
        }
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        drop::unnest(self.0.get_mut().values_mut());
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{} entries]", self.ty, self.len())
    }
}

impl<K: Into<Str>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let map = Self::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}
