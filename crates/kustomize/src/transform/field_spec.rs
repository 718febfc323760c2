//! Going to the fields that a specification names.

use bowline_yaml::nodes::Tag;

use crate::config::FieldSpec;
use crate::error::BuildError;
use crate::id::{ResId, split_api_version};
use crate::node::{Kind, NodeId, Store};
use crate::path;

/// What is done to a field.
pub(crate) type Set<'f> = &'f mut dyn FnMut(&mut Store, NodeId) -> Result<(), BuildError>;

/// Does something to each field of an object that a specification names.
///
/// A field that is not there is made of the given kind, where the specification says so.
pub(crate) fn each_field(
    store: &mut Store,
    spec: &FieldSpec,
    object: NodeId,
    made: Option<(Kind, Tag)>,
    set: Set<'_>,
) -> Result<(), BuildError> {
    if !is_of_kind(store, spec, object) {
        return Ok(());
    }
    each_field_at(store, &spec.path, object, made.filter(|_| spec.create), set)
}

/// The same of an object that is known to be of the kind; a field is made where a kind is given.
pub(crate) fn each_field_at(
    store: &mut Store,
    path: &str,
    object: NodeId,
    made: Option<(Kind, Tag)>,
    set: Set<'_>,
) -> Result<(), BuildError> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    Walker { made, set }.walk(store, object, Some(inner)).map_err(|error| {
        let mut id: ResId = store.current_id(object);
        id.gvk.is_cluster_scoped = false;
        error.within(format!("considering field '{path}' of object {id}"))
    })
}

fn is_of_kind(store: &Store, spec: &FieldSpec, object: NodeId) -> bool {
    let want = &spec.gvk;
    if !want.kind.is_empty() && want.kind != store.kind(object) {
        return false;
    }
    if want.group.is_empty() && want.version.is_empty() {
        return true;
    }
    let (group, version) = split_api_version(store.api_version(object));
    (want.group.is_empty() || want.group == group) && (want.version.is_empty() || want.version == version)
}

struct Walker<'f> {
    made: Option<(Kind, Tag)>,
    set: Set<'f>,
}

impl Walker<'_> {
    /// Goes on from a node by what is left of the path.
    fn walk(&mut self, store: &mut Store, at: NodeId, path: Option<&str>) -> Result<(), BuildError> {
        let Some(path) = path else { return (self.set)(store, at) };
        if store[at].is_null() {
            return Ok(());
        }
        match store[at].kind {
            Kind::List => {
                for item in store[at].content.clone() {
                    self.walk(store, item, Some(path))
                        .map_err(|error| error.within(format!("visit traversal on path: [{}]", shown(path))))?;
                }
                Ok(())
            }
            Kind::Map => self.walk_map(store, at, path),
            _ => Err(BuildError::new("expected sequence or mapping node")),
        }
    }

    fn walk_map(&mut self, store: &mut Store, at: NodeId, path: &str) -> Result<(), BuildError> {
        let (part, rest) = path::first(path, '/');
        let (name, is_list) = part.strip_suffix("[]").map_or((&*part, false), |name| (name, true));
        if name.is_empty() {
            return Err(BuildError::new("cannot set or create an empty field name"));
        }
        let made = self.made.filter(|_| !is_list);
        let (create, becomes) = match made {
            None => (None, is_list.then_some((Kind::List, Tag::Implicit))),
            Some((kind, tag)) if rest.is_none() => (Some(kind), Some((kind, tag))),
            Some(_) => (Some(Kind::Map), Some((Kind::Map, Tag::Map))),
        };
        // Nearly always it is the name of a field, and is there or is not to be made.
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.ends_with(char::is_whitespace);
        let found = if is_name { store.field(at, name) } else { None };
        let field = match found {
            None if is_name && create.is_none() => None,
            None => store.lookup(at, &[name], create).map_err(|error| error.within(format!("fieldName: {name}")))?,
            found => found,
        };
        let Some(field) = field else { return Ok(()) };
        if store[field].is_null()
            && let Some((kind, tag)) = becomes
        {
            store.set_kind(field, kind, tag);
        }
        self.walk(store, field, rest)
    }
}

/// What is left of a path, as Go prints a list.
fn shown(path: &str) -> String {
    let (mut shown, mut rest) = (String::new(), Some(path));
    while let Some(path) = rest {
        let (part, next) = path::first(path, '/');
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(&part);
        rest = next;
    }
    shown
}
