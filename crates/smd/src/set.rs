//! Sets of paths: what a manager owns, what a change touched.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::pairs::pairs;
use crate::path::{Path, PathElement, PathElementError, Trail};
use crate::schema::{ListTy, Ty, TypeRef};

/// A set of paths, kept as a tree.
///
/// A child need not be a member: `.spec.replicas` alone is a set whose root has the child `spec`, which has the
/// member `replicas`. No node is empty, so equal sets have equal trees. Copies share their subtrees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Set {
    /// Sorted, as are the children.
    members: Vec<PathElement>,
    children: Vec<Child>,
}

type Child = (PathElement, Arc<Set>);

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

    /// Puts a level together from what was found there, in any order; of children of the same name the last counts.
    pub(crate) fn level(mut members: Vec<PathElement>, mut children: Vec<(PathElement, Self)>) -> Self {
        if !members.is_sorted_by(|a, b| a < b) {
            members.sort();
            members.dedup();
        }
        if !children.is_sorted_by(|a, b| a.0 < b.0) {
            children.reverse();
            children.sort_by(|a, b| a.0.cmp(&b.0));
            children.dedup_by(|next, kept| next.0 == kept.0);
        }
        let children = children.into_iter().filter(|(_, child)| !child.is_empty());
        Self { members, children: children.map(|(element, child)| (element, Arc::new(child))).collect() }
    }

    /// The members at this level, sorted.
    pub fn members(&self) -> &[PathElement] {
        &self.members
    }

    /// The subtrees at this level, sorted; none is empty.
    pub fn children(&self) -> impl Iterator<Item = (&PathElement, &Self)> {
        self.children.iter().map(|(element, child)| (element, &**child))
    }

    /// Whether `element` is a member at this level.
    pub fn has_member(&self, element: &PathElement) -> bool {
        self.members.binary_search(element).is_ok()
    }

    /// The subtree below `element`.
    pub fn child(&self, element: &PathElement) -> Option<&Self> {
        let at = self.children.binary_search_by(|(have, _)| have.cmp(element)).ok()?;
        Some(&self.children[at].1)
    }

    /// Whether no path is in the set.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    /// The number of paths.
    pub fn len(&self) -> usize {
        self.members.len() + self.children().map(|(_, child)| child.len()).sum::<usize>()
    }

    /// Adds a path. The empty path names the whole object, whose ownership is not recorded.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => self.insert_member(Cow::Borrowed(last)),
            [first, rest @ ..] => self.child_mut(Cow::Borrowed(first)).insert(rest),
        }
    }

    /// Adds the path to where a walk is.
    pub(crate) fn insert_at(&mut self, at: &Trail<'_>) {
        if let Some((parent, element)) = at.last() {
            self.level_at(parent).insert_member(element);
        }
    }

    /// The subtree where a walk is, made when there is none: something must be put there.
    fn level_at(&mut self, at: &Trail<'_>) -> &mut Self {
        match at.last() {
            None => self,
            Some((parent, element)) => self.level_at(parent).child_mut(element),
        }
    }

    fn insert_member(&mut self, member: Cow<'_, PathElement>) {
        if let Err(at) = self.members.binary_search(&member) {
            self.members.insert(at, member.into_owned());
        }
    }

    fn child_mut(&mut self, element: Cow<'_, PathElement>) -> &mut Self {
        let at = match self.children.binary_search_by(|(have, _)| have.cmp(&element)) {
            Ok(at) => at,
            Err(at) => {
                self.children.insert(at, (element.into_owned(), Arc::default()));
                at
            }
        };
        Arc::make_mut(&mut self.children[at].1)
    }

    /// Whether exactly this path is in the set.
    pub fn contains(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.has_member(last),
            [first, rest @ ..] => self.child(first).is_some_and(|child| child.contains(rest)),
        }
    }

    /// Whether `other` has every path of this set.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.members_beside(other).all(|(own, theirs)| own.is_none() || theirs.is_some())
            && self.children_beside(other).all(|pair| match pair {
                (Some((_, own)), Some((_, theirs))) => Arc::ptr_eq(own, theirs) || own.is_subset(theirs),
                (own, _) => own.is_none(),
            })
    }

    /// The paths in either set.
    pub fn union(&self, other: &Self) -> Self {
        let members = self.members_beside(other).filter_map(|(own, theirs)| own.or(theirs)).cloned();
        let children = self.children_beside(other).filter_map(|pair| match pair {
            (Some((element, own)), Some((_, theirs))) if !Arc::ptr_eq(own, theirs) => {
                Some((element.clone(), Arc::new(own.union(theirs))))
            }
            (own, theirs) => own.or(theirs).cloned(),
        });
        Self { members: members.collect(), children: children.collect() }
    }

    /// Adds every path of `other`.
    pub fn extend(&mut self, other: &Self) {
        if self.is_empty() {
            self.clone_from(other);
        } else if !other.is_empty() {
            *self = self.union(other);
        }
    }

    /// The paths in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        let members = self.members_beside(other).filter_map(|(own, theirs)| theirs.and(own)).cloned();
        let children = self.children_beside(other).filter_map(|pair| match pair {
            (Some((element, own)), Some((_, theirs))) => Some((element.clone(), own.intersection(theirs))),
            _ => None,
        });
        Self::level(members.collect(), children.collect())
    }

    /// The paths that are not in `other`. A path below a member of `other` stays.
    pub fn difference(&self, other: &Self) -> Self {
        self.minus(other, false)
    }

    /// The paths that are neither in `other` nor below one of its members.
    pub fn recursive_difference(&self, other: &Self) -> Self {
        self.minus(other, true)
    }

    fn minus(&self, other: &Self, recursive: bool) -> Self {
        let members = self.members_beside(other).filter_map(|(own, theirs)| own.filter(|_| theirs.is_none())).cloned();
        let children = self.children_beside(other).filter_map(|pair| {
            let (own, theirs) = pair;
            let (element, own) = own.filter(|(element, _)| !recursive || !other.has_member(element))?;
            let left = match theirs {
                None => Arc::clone(own),
                Some((_, theirs)) => Arc::new(own.minus(theirs, recursive)),
            };
            (!left.is_empty()).then(|| (element.clone(), left))
        });
        Self { members: members.collect(), children: children.collect() }
    }

    fn members_beside<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (Option<&'a PathElement>, Option<&'a PathElement>)> {
        pairs(&self.members, &other.members, |own| *own, |theirs| *theirs)
    }

    fn children_beside<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (Option<&'a Child>, Option<&'a Child>)> {
        pairs(&self.children, &other.children, |(element, _)| element, |(element, _)| element)
    }

    /// The members below which nothing else is in the set.
    pub fn leaves(&self) -> Self {
        let members = self.members.iter().filter(|member| self.child(member).is_none()).cloned();
        let children = self.children().map(|(element, child)| (element.clone(), child.leaves()));
        Self::level(members.collect(), children.collect())
    }

    /// Adds the struct fields on the way to each path, so that removing the set removes emptied structs too.
    pub fn ensure_named_fields(&self, ty: &TypeRef) -> Self {
        self.ensure_named(Some(ty.ty()))
    }

    fn ensure_named(&self, ty: Option<Ty<'_>>) -> Self {
        let map = ty.and_then(Ty::map);
        let list = ty.and_then(Ty::list);
        let mut members = self.members.clone();
        for (element, _) in &self.children {
            if let (PathElement::Field(name), Some(map)) = (element, map)
                && map.declared(name).is_some()
            {
                members.push(element.clone());
            }
        }
        let children = self.children().map(|(element, child)| {
            let below = match element {
                PathElement::Field(name) => map.and_then(|map| map.value_type(name)),
                PathElement::Key(_) => list.map(ListTy::item),
                _ => None,
            };
            (element.clone(), child.ensure_named(below))
        });
        let children = children.collect();
        Self::level(members, children)
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
        for (element, child) in self.children() {
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
        let (mut members, mut children) = (Vec::with_capacity(map.len()), Vec::new());
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
            match (child_is_member, child.is_empty()) {
                (true, true) => members.push(element),
                (true, false) => {
                    members.push(element.clone());
                    children.push((element, child));
                }
                (false, _) => children.push((element, child)),
            }
        }
        let set = Self::level(members, children);
        let is_member = is_member || set.is_empty();
        Ok((set, is_member))
    }

    /// Writes the `fieldsV1` value.
    pub fn to_fields_v1(&self) -> Value {
        self.write(false)
    }

    fn write(&self, is_member: bool) -> Value {
        let own = is_member.then(|| (".".to_owned(), Value::Object(Map::new())));
        let parts =
            pairs(&self.members, &self.children, |member| *member, |(element, _)| element).map(|pair| match pair {
                (member, Some((element, child))) => (element.encode(), child.write(member.is_some())),
                (member, None) => {
                    let member = member.expect("holds because a pair has a left or a right");
                    (member.encode(), Value::Object(Map::new()))
                }
            });
        Value::Object(own.into_iter().chain(parts).collect())
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
