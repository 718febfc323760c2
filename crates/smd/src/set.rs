//! Sets of paths: what a manager owns, what a change touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use crate::path::{Path, PathElement, PathElementError};
use crate::schema::{ListTy, Ty, TypeRef};

/// A set of paths, kept as a tree.
///
/// A child need not be a member: `.spec.replicas` alone is a set whose root has the child `spec`, which has the
/// member `replicas`. No node is empty, so equal sets have equal trees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Set {
    members: BTreeSet<PathElement>,
    children: BTreeMap<PathElement, Set>,
}

/// Why a `fieldsV1` value is not a set of paths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// A part that should be a map is something else.
    #[error("field set is not a map at `{0}`")]
    NotAMap(Path),
    /// A key does not parse.
    #[error("field set has a malformed key at `{at}`")]
    Key {
        /// The path the key stands under.
        at: Path,
        /// What is wrong with it.
        source: PathElementError,
    },
}

impl Set {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The set of these paths.
    pub fn of(paths: impl IntoIterator<Item = Path>) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(path.elements());
        }
        set
    }

    /// The members at this level.
    pub fn members(&self) -> &BTreeSet<PathElement> {
        &self.members
    }

    /// The subtrees at this level; none is empty.
    pub fn children(&self) -> &BTreeMap<PathElement, Set> {
        &self.children
    }

    /// The subtree below `element`.
    pub fn child(&self, element: &PathElement) -> Option<&Self> {
        self.children.get(element)
    }

    /// Whether no path is in the set.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    /// The number of paths.
    pub fn len(&self) -> usize {
        self.members.len() + self.children.values().map(Self::len).sum::<usize>()
    }

    /// Adds a path. The empty path names the whole object, whose ownership is not recorded.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => {
                if !self.members.contains(last) {
                    self.members.insert(last.clone());
                }
            }
            [first, rest @ ..] => match self.children.get_mut(first) {
                Some(child) => child.insert(rest),
                None => self.children.entry(first.clone()).or_default().insert(rest),
            },
        }
    }

    /// Whether exactly this path is in the set.
    pub fn contains(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|child| child.contains(rest)),
        }
    }

    /// Whether `other` has every path of this set.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.members.is_subset(&other.members)
            && self.children.iter().all(|(element, own)| {
                own.is_empty() || other.children.get(element).is_some_and(|theirs| own.is_subset(theirs))
            })
    }

    /// The paths in either set.
    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.extend(other);
        out
    }

    /// Adds every path of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.members.extend(other.members.iter().cloned());
        for (element, theirs) in &other.children {
            match self.children.get_mut(element) {
                Some(own) => own.extend(theirs),
                None => {
                    self.children.insert(element.clone(), theirs.clone());
                }
            }
        }
    }

    /// The paths in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: self.map_children(|element, own| {
                other.children.get(element).map(|theirs| own.intersection(theirs)).unwrap_or_default()
            }),
        }
    }

    /// The paths that are not in `other`. A path below a member of `other` stays.
    pub fn difference(&self, other: &Self) -> Self {
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: self.map_children(|element, own| match other.children.get(element) {
                Some(theirs) => own.difference(theirs),
                None => own.clone(),
            }),
        }
    }

    /// The paths that are neither in `other` nor below one of its members.
    pub fn recursive_difference(&self, other: &Self) -> Self {
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: self.map_children(|element, own| {
                if other.members.contains(element) {
                    return Self::new();
                }
                match other.children.get(element) {
                    Some(theirs) => own.recursive_difference(theirs),
                    None => own.clone(),
                }
            }),
        }
    }

    /// The members below which nothing else is in the set.
    pub fn leaves(&self) -> Self {
        Self {
            members: self.members.iter().filter(|member| !self.children.contains_key(member)).cloned().collect(),
            children: self.map_children(|_, own| own.leaves()),
        }
    }

    /// Adds the struct fields on the way to each path, so that removing the set removes emptied structs too.
    pub fn ensure_named_fields(&self, ty: &TypeRef) -> Self {
        self.ensure_named(Some(ty.ty()))
    }

    fn ensure_named(&self, ty: Option<Ty<'_>>) -> Self {
        let map = ty.and_then(Ty::map);
        let list = ty.and_then(Ty::list);
        let mut members = self.members.clone();
        for element in self.children.keys() {
            if let (PathElement::Field(name), Some(map)) = (element, map)
                && map.declared(name).is_some()
            {
                members.insert(element.clone());
            }
        }
        let children = self
            .children
            .iter()
            .map(|(element, child)| {
                let below = match element {
                    PathElement::Field(name) => map.and_then(|map| map.value_type(name)),
                    PathElement::Key(_) => list.map(ListTy::item),
                    _ => None,
                };
                (element.clone(), child.ensure_named(below))
            })
            .collect();
        Self { members, children }
    }

    fn map_children(&self, change: impl Fn(&PathElement, &Self) -> Self) -> BTreeMap<PathElement, Self> {
        self.children
            .iter()
            .filter_map(|(element, child)| {
                let changed = change(element, child);
                (!changed.is_empty()).then(|| (element.clone(), changed))
            })
            .collect()
    }

    /// Every path, a level's members before what is below them; the order in which conflicts are told.
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::with_capacity(self.len());
        self.collect_paths(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &mut Vec<PathElement>, paths: &mut Vec<Path>) {
        for member in &self.members {
            prefix.push(member.clone());
            paths.push(Path(prefix.clone()));
            prefix.pop();
        }
        for (element, child) in &self.children {
            prefix.push(element.clone());
            child.collect_paths(prefix, paths);
            prefix.pop();
        }
    }

    /// Reads a `fieldsV1` value. Elements of a type unknown to us are skipped, as the API server does.
    pub fn from_fields_v1(fields: &Value) -> Result<Self, FieldsError> {
        Self::read(fields, &mut Vec::new()).map(|(set, _)| set)
    }

    /// Returns the subtree, and whether its root is itself a member.
    fn read(fields: &Value, at: &mut Vec<PathElement>) -> Result<(Self, bool), FieldsError> {
        let map = match fields {
            Value::Object(map) => map,
            Value::Null => return Ok((Self::new(), true)),
            _ => return Err(FieldsError::NotAMap(Path(at.clone()))),
        };
        let mut set = Self::new();
        let mut is_member = false;
        for (key, below) in map {
            if key == "." {
                is_member = true;
                continue;
            }
            let element = match PathElement::parse(key) {
                Ok(element) => element,
                Err(PathElementError::UnknownType(_)) => continue,
                Err(source) => return Err(FieldsError::Key { at: Path(at.clone()), source }),
            };
            at.push(element);
            let (child, child_is_member) = Self::read(below, at)?;
            let element = at.pop().expect("holds because it was pushed above");
            if child_is_member {
                set.members.insert(element.clone());
            }
            if !child.is_empty() {
                set.children.insert(element, child);
            }
        }
        let is_member = is_member || set.is_empty();
        Ok((set, is_member))
    }

    /// Writes the `fieldsV1` value.
    pub fn to_fields_v1(&self) -> Value {
        self.write(false)
    }

    fn write(&self, is_member: bool) -> Value {
        let mut map = Map::new();
        if is_member {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for member in &self.members {
            if !self.children.contains_key(member) {
                map.insert(member.encode(), Value::Object(Map::new()));
            }
        }
        for (element, child) in &self.children {
            map.insert(element.encode(), child.write(self.members.contains(element)));
        }
        Value::Object(map)
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, path) in self.paths().iter().enumerate() {
            let newline = if position > 0 { "\n" } else { "" };
            write!(f, "{newline}{path}")?;
        }
        Ok(())
    }
}

impl FromIterator<Path> for Set {
    fn from_iter<I: IntoIterator<Item = Path>>(paths: I) -> Self {
        Self::of(paths)
    }
}
