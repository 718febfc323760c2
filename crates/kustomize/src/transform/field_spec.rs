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
    let path = path::split(&spec.path, '/');
    let mut walker = Walker { spec, made, set };
    walker.walk(store, object, &path).map_err(|error| {
        let mut id: ResId = store.current_id(object);
        id.gvk.is_cluster_scoped = false;
        error.within(format!("considering field '{}' of object {id}", spec.path))
    })
}

fn is_of_kind(store: &Store, spec: &FieldSpec, object: NodeId) -> bool {
    let want = &spec.gvk;
    if !want.kind.is_empty() && want.kind != store.kind(object) {
        return false;
    }
    let (group, version) = split_api_version(store.api_version(object));
    (want.group.is_empty() || want.group == group) && (want.version.is_empty() || want.version == version)
}

struct Walker<'a, 'f> {
    spec: &'a FieldSpec,
    made: Option<(Kind, Tag)>,
    set: Set<'f>,
}

impl Walker<'_, '_> {
    fn walk(&mut self, store: &mut Store, at: NodeId, path: &[String]) -> Result<(), BuildError> {
        if path.is_empty() {
            return (self.set)(store, at);
        }
        if store[at].is_null() {
            return Ok(());
        }
        match store[at].kind {
            Kind::List => {
                for item in store[at].content.clone() {
                    self.walk(store, item, path)
                        .map_err(|error| error.within(format!("visit traversal on path: [{}]", path.join(" "))))?;
                }
                Ok(())
            }
            Kind::Map => self.walk_map(store, at, path),
            _ => Err(BuildError::new("expected sequence or mapping node")),
        }
    }

    fn walk_map(&mut self, store: &mut Store, at: NodeId, path: &[String]) -> Result<(), BuildError> {
        let (name, is_list) = path[0].strip_suffix("[]").map_or((path[0].as_str(), false), |name| (name, true));
        if name.is_empty() {
            return Err(BuildError::new("cannot set or create an empty field name"));
        }
        let made = self.made.filter(|_| self.spec.create && !is_list);
        let (create, becomes) = match made {
            None => (None, is_list.then_some((Kind::List, Tag::Implicit))),
            Some((kind, tag)) if path.len() == 1 => (Some(kind), Some((kind, tag))),
            Some(_) => (Some(Kind::Map), Some((Kind::Map, Tag::Map))),
        };
        let field = store.lookup(at, &[name], create).map_err(|error| error.within(format!("fieldName: {name}")))?;
        let Some(field) = field else { return Ok(()) };
        if store[field].is_null()
            && let Some((kind, tag)) = becomes
        {
            store.set_kind(field, kind, tag);
        }
        self.walk(store, field, &path[1..])
    }
}
