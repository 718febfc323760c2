//! Objects: what they are called now, what they were called, and what is noted in their annotations on the way.

use std::collections::BTreeMap;
use std::rc::Rc;

use bowline_yaml::nodes::{Style, Tag};

use crate::error::BuildError;
use crate::id::{DEFAULT_NAMESPACE, Gvk, ResId, is_cluster_scoped};
use crate::node::{Kind, Node, NodeId, Store};

/// Annotations that are taken off at the end of a build.
pub(crate) const PREVIOUS_KINDS: &str = "internal.config.kubernetes.io/previousKinds";
pub(crate) const PREVIOUS_NAMES: &str = "internal.config.kubernetes.io/previousNames";
pub(crate) const PREVIOUS_NAMESPACES: &str = "internal.config.kubernetes.io/previousNamespaces";
pub(crate) const PREFIXES: &str = "internal.config.kubernetes.io/prefixes";
pub(crate) const SUFFIXES: &str = "internal.config.kubernetes.io/suffixes";
pub(crate) const REF_BY: &str = "internal.config.kubernetes.io/refBy";
pub(crate) const BEHAVIOR: &str = "internal.config.kubernetes.io/generatorBehavior";
pub(crate) const NEEDS_HASH: &str = "internal.config.kubernetes.io/needsHashSuffix";
pub(crate) const ALLOW_NAME_CHANGE: &str = "internal.config.kubernetes.io/allowNameChange";
pub(crate) const ALLOW_KIND_CHANGE: &str = "internal.config.kubernetes.io/allowKindChange";
pub(crate) const HELM_GENERATED: &str = "internal.config.kubernetes.io/helm-generated";
pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";
pub(crate) const ENABLED: &str = "enabled";
const INTERNAL: &str = "internal.config.kubernetes.io/";
const LEGACY: [&str; 3] = ["config.kubernetes.io/index", "config.kubernetes.io/path", "config.k8s.io/id"];

/// All that are taken off at the end, in the order in which generators keep them.
pub(crate) const BUILD_ANNOTATIONS: [&str; 19] = [
    PREVIOUS_KINDS,
    PREVIOUS_NAMES,
    PREFIXES,
    SUFFIXES,
    PREVIOUS_NAMESPACES,
    ALLOW_NAME_CHANGE,
    ALLOW_KIND_CHANGE,
    REF_BY,
    BEHAVIOR,
    NEEDS_HASH,
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    HELM_GENERATED,
];

pub(crate) type Texts = BTreeMap<String, String>;

/// Kind, name and namespace of an object, where they are not empty and not the default ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Called {
    api_version: Option<Rc<str>>,
    kind: Option<Rc<str>>,
    name: Option<Rc<str>>,
    namespace: Option<Rc<str>>,
}

impl Store {
    pub(crate) fn kind(&self, id: NodeId) -> &str {
        self.field_text(id, "kind")
    }

    pub(crate) fn api_version(&self, id: NodeId) -> &str {
        self.field_text(id, "apiVersion")
    }

    fn metadata(&self, id: NodeId) -> Option<NodeId> {
        if self[id].is_null() {
            return None;
        }
        self.field(id, "metadata").filter(|metadata| !self[*metadata].is_empty())
    }

    fn metadata_text(&self, id: NodeId, name: &str) -> &str {
        let value = self.metadata(id).and_then(|metadata| self.field(metadata, name));
        value.filter(|value| !self[*value].is_empty()).map_or("", |value| &self[value].text)
    }

    pub(crate) fn name(&self, id: NodeId) -> &str {
        self.metadata_text(id, "name")
    }

    pub(crate) fn namespace(&self, id: NodeId) -> &str {
        self.metadata_text(id, "namespace")
    }

    pub(crate) fn gvk(&self, id: NodeId) -> Gvk {
        Gvk::known(self.api_version(id), self.kind(id))
    }

    /// What an object is called now.
    pub(crate) fn current_id(&self, id: NodeId) -> ResId {
        ResId { gvk: self.gvk(id), name: self.name(id).to_owned(), namespace: self.namespace(id).to_owned() }
    }

    /// What an object was called before all that renamed it.
    pub(crate) fn original_id(&self, id: NodeId) -> ResId {
        self.previous(id).next().unwrap_or_else(|| self.current_id(id))
    }

    /// What an object was called, the first name first.
    pub(crate) fn previous_ids(&self, id: NodeId) -> Vec<ResId> {
        self.previous(id).collect()
    }

    fn previous(&self, id: NodeId) -> impl Iterator<Item = ResId> {
        let annotations = self.metadata_map(id, "annotations");
        let noted = annotations.and_then(|map| Some((map, self.field(map, PREVIOUS_NAMES)?)));
        noted.into_iter().flat_map(move |(annotations, names)| {
            let names = self[names].text.split(',');
            let namespaces = self.field_text(annotations, PREVIOUS_NAMESPACES).split(',');
            let kinds = self.field_text(annotations, PREVIOUS_KINDS).split(',');
            let api_version = self.api_version(id);
            names.zip(namespaces.zip(kinds)).map(move |(name, (namespace, kind))| ResId {
                gvk: Gvk::plain(api_version, kind),
                name: name.to_owned(),
                namespace: namespace.to_owned(),
            })
        })
    }

    /// Tells whether an object is called so, or may once have been: what nothing else needs to be asked of.
    pub(crate) fn may_be_called(&self, id: NodeId, name: &str) -> bool {
        self.name(id) == name || self.annotation(id, PREVIOUS_NAMES).is_some_and(|names| names.contains(name))
    }

    /// What an object is called now, to be looked up by: of two whose ids are equal it is the same.
    pub(crate) fn called(&self, id: NodeId) -> Called {
        let text = |map: Option<NodeId>, name: &str| {
            let value = map.and_then(|map| self.field(map, name)).filter(|value| !self[*value].text.is_empty());
            value.map(|value| Rc::clone(&self[value].text))
        };
        let metadata = self.metadata(id);
        let is_written =
            |name: &str| metadata.and_then(|it| self.field(it, name)).is_some_and(|it| !self[it].is_empty());
        let (api_version, kind) = (text(Some(id), "apiVersion"), text(Some(id), "kind"));
        let is_cluster_scoped =
            is_cluster_scoped(api_version.as_deref().unwrap_or_default(), kind.as_deref().unwrap_or_default());
        let namespace = text(metadata, "namespace").filter(|_| !is_cluster_scoped && is_written("namespace"));
        Called {
            // Without a group there may be a slash all the same.
            api_version: api_version.map(|text| text.strip_prefix('/').map_or_else(|| Rc::clone(&text), Rc::from)),
            kind,
            name: text(metadata, "name").filter(|_| is_written("name")),
            namespace: namespace.filter(|namespace| **namespace != *DEFAULT_NAMESPACE),
        }
    }

    /// What an object is called now, then what it was called; all count as inside namespaces.
    ///
    /// Of one that had no name for a while it is not known any more which name was of which kind.
    pub(crate) fn all_plain_ids(&self, id: NodeId) -> Result<Vec<ResId>, BuildError> {
        let count = |name: &str| self.words_of(id, name).len();
        let names = count(PREVIOUS_NAMES);
        if names > 0 && (count(PREVIOUS_NAMESPACES) != names || count(PREVIOUS_KINDS) != names) {
            return Err(BuildError::new(
                "number of previous names, number of previous namespaces, number of previous kinds not equal",
            ));
        }
        let mut ids = vec![self.current_id(id)];
        ids[0].gvk.is_cluster_scoped = false;
        ids.extend(self.previous_ids(id));
        Ok(ids)
    }

    fn metadata_map(&self, id: NodeId, name: &str) -> Option<NodeId> {
        self.metadata(id).and_then(|metadata| self.field(metadata, name))
    }

    fn texts(&self, id: NodeId, name: &str) -> Texts {
        let Some(map) = self.metadata_map(id, name) else { return Texts::new() };
        let pairs = self[map].content.chunks_exact(2);
        pairs.map(|pair| (self[pair[0]].text.to_string(), self[pair[1]].text.to_string())).collect()
    }

    pub(crate) fn annotations(&self, id: NodeId) -> Texts {
        self.texts(id, "annotations")
    }

    pub(crate) fn annotation(&self, id: NodeId, name: &str) -> Option<&str> {
        let annotations = self.metadata_map(id, "annotations")?;
        self.field(annotations, name).map(|value| &*self[value].text)
    }

    pub(crate) fn labels(&self, id: NodeId) -> Texts {
        self.texts(id, "labels")
    }

    pub(crate) fn set_annotations(&mut self, id: NodeId, texts: &Texts) -> Result<(), BuildError> {
        self.set_texts(id, "annotations", texts)
    }

    pub(crate) fn set_labels(&mut self, id: NodeId, texts: &Texts) -> Result<(), BuildError> {
        self.set_texts(id, "labels", texts)
    }

    /// Writes a map of texts anew, sorted; an empty one goes.
    fn set_texts(&mut self, id: NodeId, name: &str, texts: &Texts) -> Result<(), BuildError> {
        let Some(metadata) = self.lookup(id, &["metadata"], Some(Kind::Map))? else { return Ok(()) };
        self.clear(metadata, name)?;
        if texts.is_empty() {
            return Ok(());
        }
        let Some(map) = self.lookup(metadata, &[name], Some(Kind::Map))? else { return Ok(()) };
        for (key, value) in texts {
            let value = self.add(Node::text(value));
            self.set_field(map, key, value)?;
        }
        Ok(())
    }

    /// Sets one annotation and leaves the others as they are.
    pub(crate) fn annotate(&mut self, id: NodeId, name: &str, value: &str) -> Result<(), BuildError> {
        if let Some(metadata) = self.get(id, "metadata")? {
            let annotations = self.get(metadata, "annotations")?;
            if annotations.is_some_and(|annotations| self[annotations].content.is_empty()) {
                self.clear(metadata, "annotations")?;
            }
            if self[metadata].content.is_empty() {
                self.clear(id, "metadata")?;
            }
        }
        self.set_metadata_text(id, "annotations", name, value)
    }

    /// Sets one entry of a map in the metadata.
    pub(crate) fn set_metadata_text(
        &mut self,
        id: NodeId,
        map: &str,
        name: &str,
        value: &str,
    ) -> Result<(), BuildError> {
        let Some(map) = self.lookup(id, &["metadata", map], Some(Kind::Map))? else { return Ok(()) };
        let node = Node { style: Style::Single, tag: Tag::Text, ..Node::scalar(value) };
        let value = self.add(node);
        self.set_field(map, name, value).map(|_| ())
    }

    pub(crate) fn set_kind_text(&mut self, id: NodeId, kind: &str) -> Result<(), BuildError> {
        self.set_text_field_always(id, "kind", kind)
    }

    pub(crate) fn set_gvk(&mut self, id: NodeId, gvk: &Gvk) -> Result<(), BuildError> {
        self.set_kind_text(id, &gvk.kind)?;
        self.set_text_field_always(id, "apiVersion", &gvk.api_version())
    }

    fn set_text_field_always(&mut self, id: NodeId, name: &str, text: &str) -> Result<(), BuildError> {
        let value = self.add(Node::scalar(text));
        self.set_field(id, name, value).map(|_| ())
    }

    pub(crate) fn set_name(&mut self, id: NodeId, name: &str) -> Result<(), BuildError> {
        let Some(metadata) = self.lookup(id, &["metadata"], Some(Kind::Map))? else { return Ok(()) };
        self.set_text_field_always(metadata, "name", name)
    }

    pub(crate) fn set_namespace(&mut self, id: NodeId, namespace: &str) -> Result<(), BuildError> {
        if namespace.is_empty() {
            return match self.get(id, "metadata")? {
                Some(metadata) => self.clear(metadata, "namespace"),
                None => Ok(()),
            };
        }
        let Some(metadata) = self.lookup(id, &["metadata"], Some(Kind::Map))? else { return Ok(()) };
        self.set_text_field_always(metadata, "namespace", namespace)
    }

    /// Notes what an object is called before it is renamed.
    pub(crate) fn store_previous_id(&mut self, id: NodeId) -> Result<(), BuildError> {
        let current = self.current_id(id);
        self.append_to_annotation(id, PREVIOUS_NAMES, &current.name)?;
        self.append_to_annotation(id, PREVIOUS_NAMESPACES, current.effective_namespace())?;
        self.append_to_annotation(id, PREVIOUS_KINDS, &current.gvk.kind)
    }

    /// Adds a word to an annotation that holds a list of them.
    pub(crate) fn append_to_annotation(&mut self, id: NodeId, name: &str, value: &str) -> Result<(), BuildError> {
        if value.is_empty() {
            return Ok(());
        }
        let text = match self.annotation(id, name) {
            Some(text) => format!("{text},{value}"),
            None => value.to_owned(),
        };
        self.annotate(id, name, &text)
    }

    /// The words of an annotation that holds a list of them.
    pub(crate) fn words_of(&self, id: NodeId, name: &str) -> Vec<&str> {
        self.annotation(id, name).map_or_else(Vec::new, |text| text.split(',').collect())
    }

    pub(crate) fn is_enabled(&self, id: NodeId, name: &str) -> bool {
        self.annotation(id, name) == Some(ENABLED)
    }

    pub(crate) fn enable(&mut self, id: NodeId, name: &str) -> Result<(), BuildError> {
        let mut annotations = self.annotations(id);
        annotations.insert(name.to_owned(), ENABLED.to_owned());
        self.set_annotations(id, &annotations)
    }

    /// The annotations that Kustomize and its functions keep for themselves.
    pub(crate) fn internal_annotations(&self, id: NodeId) -> Texts {
        let mut annotations = self.annotations(id);
        annotations.retain(|name, _| name.starts_with(INTERNAL) || LEGACY.contains(&name.as_str()));
        annotations
    }

    /// Refuses what has no kind or no name.
    pub(crate) fn validate_metadata(&self, id: NodeId) -> Result<(), BuildError> {
        let found = |name: &str| self.field(id, name).filter(|value| !self[*value].is_empty());
        let (api_version, kind, metadata) = (found("apiVersion"), found("kind"), found("metadata"));
        let inner = |name: &str| metadata.and_then(|it| self.field(it, name)).filter(|it| !self[*it].is_empty());
        let parts = [api_version, kind, inner("name"), inner("namespace"), inner("labels"), inner("annotations")];
        if parts.iter().all(Option::is_none) {
            return Err(BuildError::new("missing Resource metadata"));
        }
        let text = |part: Option<NodeId>| part.map_or("", |part| &*self[part].text);
        if !text(kind).is_empty()
            && (text(kind).ends_with("List") || inner("name").is_some_and(|_| !text(inner("name")).is_empty()))
        {
            return Ok(());
        }
        let what = if text(kind).is_empty() { "kind" } else { "metadata.name" };
        let map = |name: &str| {
            let texts = if inner(name).is_some() { self.texts(id, name) } else { Texts::new() };
            let pairs: Vec<String> = texts.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            pairs.join(" ")
        };
        Err(BuildError::new(format!(
            "missing {what} in object {{{{{} {}}} {{{{{} {}}} map[{}] map[{}]}}}}",
            text(api_version),
            text(kind),
            text(inner("name")),
            text(inner("namespace")),
            map("labels"),
            map("annotations")
        )))
    }
}
