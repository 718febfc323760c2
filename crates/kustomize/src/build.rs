//! One build: its nodes, its objects, and what is known of kinds.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use bowline_yaml::nodes::Tag;
use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

use crate::config::FieldSpec;
use crate::error::BuildError;
use crate::id::ResId;
use crate::node::{Kind, Node, NodeId, Store};
use crate::resource::{BEHAVIOR, BUILD_ANNOTATIONS, Called, NEEDS_HASH, ORIGIN, Texts};
use crate::schema::Schemas;
use crate::transform::field_spec::each_field;
use crate::{Options, generate};

/// The number of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectId(u32);

/// Objects in the order in which they were loaded or made.
pub(crate) type Objects = Vec<ObjectId>;

/// What objects are called.
pub(crate) type Names = HashSet<Option<Called>>;

/// An object: its root node, unless it was deleted, and the vars that take their values from it.
#[derive(Debug, Clone, Default)]
struct Object {
    node: Option<NodeId>,
    var_names: Vec<String>,
}

/// Nodes that a build may make: a few gigabytes.
const MAX_NODES: usize = 50_000_000;

pub(crate) struct Build<'a> {
    pub(crate) store: Store,
    objects: Vec<Object>,
    pub(crate) schemas: SchemaChoice,
    pub(crate) options: &'a Options<'a>,
    pub(crate) warnings: Vec<String>,
    /// Charts made use of chance.
    pub(crate) is_random: bool,
}

impl<'a> Build<'a> {
    pub(crate) fn new(options: &'a Options<'a>) -> Self {
        Self {
            store: Store::default(),
            objects: Vec::new(),
            schemas: SchemaChoice::default(),
            options,
            warnings: Vec::new(),
            is_random: false,
        }
    }

    /// Takes the schemas that a kustomization names.
    pub(crate) fn choose_schemas(
        &mut self,
        openapi: Option<&Texts>,
        custom: Option<&[u8]>,
        is_root: bool,
    ) -> Result<(), BuildError> {
        let is_unknown =
            |node| Schemas::built_in().of_kind(self.store.api_version(node), self.store.kind(node)).is_none();
        let was_unknown_read = custom.is_some() && self.objects.iter().filter_map(|object| object.node).any(is_unknown);
        self.schemas.choose(openapi, custom, is_root, was_unknown_read)
    }

    pub(crate) fn add(&mut self, node: NodeId) -> ObjectId {
        let id = u32::try_from(self.objects.len()).expect("holds because there are no more objects than nodes");
        self.objects.push(Object { node: Some(node), var_names: Vec::new() });
        ObjectId(id)
    }

    /// Refuses a build that makes more nodes than it may.
    pub(crate) fn check_size(&self) -> Result<(), BuildError> {
        if self.store.len() <= MAX_NODES {
            return Ok(());
        }
        Err(BuildError::limit(
            format!("the build makes more than the limit of {MAX_NODES} values"),
            "build its parts one by one",
        ))
    }

    /// The root of an object; `None` once it is deleted.
    pub(crate) fn node(&self, id: ObjectId) -> Option<NodeId> {
        self.objects[id.0 as usize].node
    }

    pub(crate) fn set_node(&mut self, id: ObjectId, node: Option<NodeId>) {
        self.objects[id.0 as usize].node = node;
    }

    pub(crate) fn var_names(&self, id: ObjectId) -> &[String] {
        &self.objects[id.0 as usize].var_names
    }

    pub(crate) fn add_var_name(&mut self, id: ObjectId, name: &str) {
        self.objects[id.0 as usize].var_names.push(name.to_owned());
    }

    pub(crate) fn is_gone(&self, id: ObjectId) -> bool {
        self.store.is_missing_or_empty(self.node(id))
    }

    pub(crate) fn current_id(&self, id: ObjectId) -> ResId {
        self.node(id).map_or_else(ResId::default, |node| self.store.current_id(node))
    }

    pub(crate) fn original_id(&self, id: ObjectId) -> ResId {
        self.node(id).map_or_else(ResId::default, |node| self.store.original_id(node))
    }

    /// Everything an object was called, then what it is called now.
    pub(crate) fn any_ids(&self, id: ObjectId) -> Vec<ResId> {
        let Some(node) = self.node(id) else { return Vec::new() };
        let mut ids = self.store.previous_ids(node);
        ids.push(self.store.current_id(node));
        ids
    }

    /// What an object is called now, to be looked up by; nothing once it is deleted.
    pub(crate) fn called(&self, id: ObjectId) -> Option<Called> {
        self.node(id).map(|node| self.store.called(node))
    }

    pub(crate) fn names(&self, objects: &[ObjectId]) -> Names {
        objects.iter().map(|id| self.called(*id)).collect()
    }

    /// Adds objects, none of which may be called as another one is.
    pub(crate) fn append_all(&self, objects: &mut Objects, others: &[ObjectId]) -> Result<(), BuildError> {
        self.append_new(&mut self.names(objects), objects, others)
    }

    /// The same, where the names of all objects are known; none may have been renamed since.
    pub(crate) fn append_new(
        &self,
        names: &mut Names,
        objects: &mut Objects,
        others: &[ObjectId],
    ) -> Result<(), BuildError> {
        for other in others {
            if !names.insert(self.called(*other)) {
                let id = self.current_id(*other);
                return Err(BuildError::new(format!("may not add resource with an already registered id: {id}")));
            }
            objects.push(*other);
        }
        Ok(())
    }

    /// Adds generated objects: each is new, or takes the place of one, or adds to one.
    pub(crate) fn absorb_all(&mut self, objects: &mut Objects, others: &[ObjectId]) -> Result<(), BuildError> {
        others.iter().try_for_each(|other| self.absorb(objects, *other))
    }

    fn absorb(&mut self, objects: &mut Objects, other: ObjectId) -> Result<(), BuildError> {
        let id = self.current_id(other);
        let matches = self.matching_id(objects, &id);
        let Some(node) = self.node(other) else { return Ok(()) };
        let behavior = self.store.annotation(node, BEHAVIOR).unwrap_or_default().to_owned();
        match matches[..] {
            [] if matches!(behavior.as_str(), "merge" | "replace") => {
                Err(BuildError::new(format!("id {} does not exist; cannot merge or replace", go_syntax(&id))))
            }
            [] => self.append_all(objects, &[other]),
            [old] => {
                let Some(old_node) = self.node(old) else { return Ok(()) };
                match behavior.as_str() {
                    "replace" => self.copy_metadata(other, old)?,
                    "merge" => self.merge_data(other, node, old, old_node)?,
                    _ => {
                        let behavior = if behavior == "create" { "create" } else { "unspecified" };
                        return Err(BuildError::new(format!(
                            "id {} exists; can not use behavior: '{behavior}', behavior must be merge or replace",
                            go_syntax(&id)
                        )));
                    }
                }
                self.replace(objects, old, other)
            }
            _ => {
                let texts: Vec<String> = matches.iter().filter_map(|id| Some(self.json(self.node(*id)?))).collect();
                Err(BuildError::new(format!(
                    "found multiple objects [{}] that could accept merge of {id}",
                    texts.join(" ")
                )))
            }
        }
    }

    /// Puts an object in the place of another, which must be called the same.
    fn replace(&self, objects: &mut Objects, old: ObjectId, new: ObjectId) -> Result<(), BuildError> {
        let id = self.current_id(new);
        let is_same = |node: NodeId| self.store.name(node) == id.name && id.equals(&self.store.current_id(node));
        let mut same = (0..objects.len()).filter(|at| self.node(objects[*at]).is_some_and(is_same));
        match (same.next(), same.count()) {
            (None, _) => Err(BuildError::new(format!("cannot find resource with id {id} to replace"))),
            (Some(_), more) if more > 0 => {
                Err(BuildError::new(format!("in Replace: id matched {} resources", more + 1)))
            }
            (Some(at), _) if objects[at] != old => Err(BuildError::new("unexpected target index in replacement")),
            (Some(at), _) => {
                objects[at] = new;
                Ok(())
            }
        }
    }

    fn merge_data(&mut self, other: ObjectId, node: NodeId, old: ObjectId, old_node: NodeId) -> Result<(), BuildError> {
        let origin = self.store.annotation(old_node, ORIGIN).map(str::to_owned);
        let is_secret = self.store.api_version(node) == "v1" && self.store.kind(node) == "Secret";
        let old_data = if is_secret {
            generate::secret_data(&self.store, old_node)?
        } else {
            generate::data(&self.store, old_node, "data")
        };
        let old_binary = generate::data(&self.store, old_node, "binaryData");
        self.copy_metadata(other, old)?;
        let mut data = old_data;
        data.extend(generate::data(&self.store, node, "data"));
        generate::set_data(&mut self.store, node, "data", &data)?;
        let mut binary = old_binary;
        binary.extend(generate::data(&self.store, node, "binaryData"));
        generate::set_data(&mut self.store, node, "binaryData", &binary)?;
        if let Some(origin) = origin {
            let mut annotations = self.store.annotations(node);
            annotations.insert(ORIGIN.to_owned(), origin);
            self.store.set_annotations(node, &annotations)?;
        }
        Ok(())
    }

    /// Takes over name, namespace, labels and annotations from another object; own labels and annotations win.
    pub(crate) fn copy_metadata(&mut self, to: ObjectId, from: ObjectId) -> Result<(), BuildError> {
        let (Some(node), Some(from_node)) = (self.node(to), self.node(from)) else { return Ok(()) };
        self.copy_metadata_of_nodes(node, from_node)?;
        let names = self.objects[from.0 as usize].var_names.clone();
        self.objects[to.0 as usize].var_names = names;
        Ok(())
    }

    pub(crate) fn copy_metadata_of_nodes(&mut self, node: NodeId, from: NodeId) -> Result<(), BuildError> {
        let store = &mut self.store;
        let mut labels = store.labels(from);
        labels.extend(store.labels(node));
        store.set_labels(node, &labels)?;
        let (theirs, own) = (store.annotations(from), store.annotations(node));
        let needs_hash = own.contains_key(NEEDS_HASH);
        let mut merged: Texts = theirs.clone();
        merged.extend(own);
        for name in BUILD_ANNOTATIONS {
            match theirs.get(name) {
                Some(value) => merged.insert(name.to_owned(), value.clone()),
                None => merged.remove(name),
            };
        }
        if !needs_hash {
            merged.remove(NEEDS_HASH);
        }
        store.set_annotations(node, &merged)?;
        let (name, namespace) = (store.name(from).to_owned(), store.namespace(from).to_owned());
        store.set_name(node, &name)?;
        store.set_namespace(node, &namespace)
    }

    /// The objects of which any name fits.
    pub(crate) fn matching_any_id(&self, objects: &[ObjectId], fits: &dyn Fn(&ResId) -> bool) -> Objects {
        let of = |id: &ObjectId| !self.is_gone(*id) && self.any_ids(*id).iter().any(fits);
        objects.iter().copied().filter(of).collect()
    }

    /// The objects that are, or were, called so.
    pub(crate) fn matching_id(&self, objects: &[ObjectId], id: &ResId) -> Objects {
        let may_be = |it: &ObjectId| self.node(*it).is_some_and(|node| self.store.may_be_called(node, &id.name));
        let near: Objects = objects.iter().copied().filter(may_be).collect();
        self.matching_any_id(&near, &|other| id.equals(other))
    }

    /// The one object that is, or was, called so.
    pub(crate) fn get_by_id(&self, objects: &[ObjectId], id: &ResId) -> Result<ObjectId, BuildError> {
        let count = match self.matching_id(objects, id)[..] {
            [one] => return Ok(one),
            [] => "no",
            _ => "multiple",
        };
        Err(BuildError::new(format!("{count} matches for Id {id}; failed to find unique target for patch {id}")))
    }

    /// Sets an annotation as the transformer of annotations does.
    pub(crate) fn annotate_with_tag(&mut self, node: NodeId, name: &str, text: &str) -> Result<(), BuildError> {
        let value = self.store.add(Node { tag: Tag::Text, ..Node::scalar(text) });
        let field = FieldSpec { path: "metadata/annotations".to_owned(), create: true, ..FieldSpec::default() };
        each_field(&mut self.store, &field, node, Some((Kind::Map, Tag::Map)), &mut |store, at| {
            store.set_field(at, name, value).map(|_| ())
        })
    }

    /// An object in one line of JSON.
    pub(crate) fn json(&self, node: NodeId) -> String {
        self.store.value(node).map_or_else(|why| format!("<{why}>"), |value| go_json(&value))
    }
}

/// Numbers as Go's JSON encoder writes them.
struct GoNumbers;

impl Formatter for GoNumbers {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        if value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
            return write!(writer, "{value}");
        }
        let text = format!("{value:e}");
        writer.write_all(if value.abs() < 1.0 { text } else { text.replace('e', "e+") }.as_bytes())
    }
}

/// Writes a value as Go's JSON encoder does, which escapes what HTML would not take.
pub(crate) fn go_json(value: &Value) -> String {
    let mut text = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut text, GoNumbers));
    let text = written.ok().and_then(|()| String::from_utf8(text).ok());
    let text = text.expect("holds because values are written as text, and memory takes all of it");
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Writes an id as Go's `%#v` does.
fn go_syntax(id: &ResId) -> String {
    let gvk = &id.gvk;
    format!(
        "resid.ResId{{Gvk:resid.Gvk{{Group:{:?}, Version:{:?}, Kind:{:?}, isClusterScoped:{}}}, Name:{:?}, Namespace:{:?}}}",
        gvk.group, gvk.version, gvk.kind, gvk.is_cluster_scoped, id.name, id.namespace
    )
}

/// Which schemas hold: the first kustomization that names some decides for all.
#[derive(Debug, Default)]
pub(crate) struct SchemaChoice {
    custom: Option<Vec<u8>>,
    version: String,
    known: Option<Arc<Schemas>>,
    built_in: BuiltIn,
}

/// Whether the schemas that are built in hold beside custom ones: they do once they were read, or asked whether an object lies
/// in a namespace whose kind is not among the usual ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum BuiltIn {
    #[default]
    Unused,
    /// They were asked for, and are read after the custom ones, in whose place they come.
    Due,
    /// They were read, and custom ones come in their place.
    Read,
}

impl SchemaChoice {
    /// Takes the choice of a kustomization.
    pub(crate) fn choose(
        &mut self,
        openapi: Option<&Texts>,
        custom: Option<&[u8]>,
        is_root: bool,
        was_unknown_read: bool,
    ) -> Result<(), BuildError> {
        const BUILT_IN: &str = "v1.21.2";
        if !is_root && (self.custom.is_some() || !self.version.is_empty()) {
            return Ok(());
        }
        let version = openapi.and_then(|openapi| openapi.get("version"));
        if let Some(custom) = custom {
            if version.is_some() {
                return Err(BuildError::new("builtin version and custom schema provided, cannot use both"));
            }
            self.custom = Some(custom.to_vec());
            "custom".clone_into(&mut self.version);
            self.built_in = match self.known.take() {
                Some(_) => BuiltIn::Read,
                None if was_unknown_read => BuiltIn::Due,
                None => BuiltIn::Unused,
            };
            return Ok(());
        }
        self.version = version.cloned().unwrap_or_default();
        if !self.version.is_empty() && self.version != BUILT_IN {
            return Err(BuildError::new("the specified OpenAPI version is not built in"));
        }
        Ok(())
    }

    /// What is known of kinds.
    pub(crate) fn known(&mut self) -> Result<Arc<Schemas>, BuildError> {
        if let Some(known) = &self.known {
            return Ok(Arc::clone(known));
        }
        let known = match &self.custom {
            None => Schemas::built_in(),
            Some(text) => {
                let document = crate::text::yaml_to_json(text)
                    .map_err(|why| BuildError::new(format!("invalid schema file: {why}")))?;
                let mut schemas = match self.built_in {
                    BuiltIn::Unused => Schemas::default(),
                    BuiltIn::Due | BuiltIn::Read => Schemas::clone(&Schemas::built_in()),
                };
                schemas.add_document(&document, self.built_in != BuiltIn::Due);
                Arc::new(schemas)
            }
        };
        self.known = Some(Arc::clone(&known));
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::go_json;

    #[test]
    fn numbers_are_written_as_in_go() {
        let values = json!([1e20, 1e21, 1.5e-7, 1e-6, 3.0, -2.5, 0.0, 12_345_678_901_234_567_890_u64, -1.25e30]);
        let want = "[100000000000000000000,1e+21,1.5e-7,0.000001,3,-2.5,0,12345678901234567890,-1.25e+30]";
        assert_eq!(go_json(&values), want);
        assert_eq!(go_json(&json!({"<a>": "&\u{2028}"})), r#"{"\u003ca\u003e":"\u0026\u2028"}"#);
    }
}
