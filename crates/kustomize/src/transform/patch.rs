//! Patches: strategic merges and JSON patches, laid over what they name or select.

use std::fmt;

use crate::build::{Build, ObjectId, Objects};
use crate::error::BuildError;
use crate::kustomization::{Patch, Selector};
use crate::loader::Loader;
use crate::merge::{NewItems, merge};
use crate::node::NodeId;
use crate::read::read_objects;
use crate::resource::{ALLOW_KIND_CHANGE, ALLOW_NAME_CHANGE};
use crate::transform::json_patch::JsonPatch;

/// A patch that was read.
#[derive(Debug, Clone)]
pub(crate) enum Loaded {
    Merges(Vec<NodeId>),
    Json(JsonPatch),
}

/// A patch with what it is laid over.
#[derive(Debug, Clone)]
pub(crate) struct LoadedPatch {
    loaded: Loaded,
    target: Option<Selector>,
    source: Source,
}

/// Where a patch is written.
#[derive(Debug, Clone)]
enum Source {
    Inline(String),
    File(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(text) => write!(f, "[patch: {text:?}]"),
            Self::File(path) => write!(f, "[path: {path:?}]"),
        }
    }
}

/// Reads an entry of `patches`.
pub(crate) fn load(
    build: &mut Build<'_>,
    loader: &Loader<'_>,
    patch: &Patch,
    shown: &dyn Fn() -> String,
) -> Result<LoadedPatch, BuildError> {
    let inline = patch.inline.trim();
    let (text, source) = match (inline.is_empty(), patch.path.is_empty()) {
        (true, true) => return Err(BuildError::new(format!("must specify one of patch and path in\n{}", shown()))),
        (false, false) => {
            return Err(BuildError::new(format!("patch and path can't be set at the same time\n{}", shown())));
        }
        (false, true) => (inline.to_owned(), Source::Inline(inline.to_owned())),
        (true, false) => {
            let content = loader
                .load(&patch.path)
                .map_err(|error| error.within(format!("failed to get the patch file from path({})", patch.path)))?;
            (String::from_utf8_lossy(&content).into_owned(), Source::File(patch.path.clone()))
        }
    };
    let merges = read_objects(&mut build.store, text.as_bytes());
    // What holds objects is no list of operations.
    let has_objects = merges.as_ref().is_ok_and(|merges| !merges.is_empty());
    let json = if text.is_empty() || has_objects {
        Err("empty json patch operations".to_owned())
    } else {
        JsonPatch::parse(&text)
    };
    let loaded = match (merges, json) {
        (Err(error), _) if error.is_limit() => return Err(error),
        (Err(_), Err(_)) => return Err(BuildError::new(format!("unable to parse SM or JSON patch from {source}"))),
        (Ok(merges), _) => {
            let options = patch.options.clone().unwrap_or_default();
            for node in &merges {
                if options.allow_name_change {
                    build.store.enable(*node, ALLOW_NAME_CHANGE)?;
                }
                if options.allow_kind_change {
                    build.store.enable(*node, ALLOW_KIND_CHANGE)?;
                }
            }
            Loaded::Merges(merges)
        }
        (Err(_), Ok(json)) => Loaded::Json(json),
    };
    Ok(LoadedPatch { loaded, target: patch.target.clone(), source })
}

impl LoadedPatch {
    pub(crate) fn apply(&self, build: &mut Build<'_>, objects: &mut Objects) -> Result<(), BuildError> {
        match (&self.loaded, &self.target) {
            (Loaded::Merges(patches), _) if patches.is_empty() => Ok(()),
            (Loaded::Merges(patches), Some(target)) => {
                let [patch] = patches[..] else {
                    return Err(BuildError::new(format!(
                        "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {}",
                        self.source
                    )));
                };
                let selected = build.select(objects, target).map_err(|error| {
                    let id = target.id();
                    let (annotations, labels) = (&target.annotations, &target.labels);
                    error.within(format!(
                        "unable to find patch target \"{id}:a={annotations}:l={labels}\" in `resources`"
                    ))
                })?;
                merge_into_each(build, objects, &selected, patch)
            }
            (Loaded::Merges(patches), None) => {
                for patch in patches {
                    let id = build.store.original_id(*patch);
                    let target = build
                        .get_by_id(objects, &id)
                        .map_err(|error| error.within(format!("no resource matches strategic merge patch \"{id}\"")))?;
                    merge_into(build, target, *patch)?;
                }
                Ok(())
            }
            (Loaded::Json(_), None) => {
                Err(BuildError::new(format!("must specify a target for JSON patch {}", self.source)))
            }
            (Loaded::Json(patch), Some(target)) => {
                for id in build.select(objects, target)? {
                    let Some(node) = build.node(id) else { continue };
                    build.store.store_previous_id(node)?;
                    apply_json(build, id, patch)?;
                }
                Ok(())
            }
        }
    }
}

/// Applies a JSON patch to an object; what Kustomize keeps in its annotations stays.
pub(crate) fn apply_json(build: &mut Build<'_>, id: ObjectId, patch: &JsonPatch) -> Result<(), BuildError> {
    let Some(node) = build.node(id) else { return Ok(()) };
    let internal = build.store.internal_annotations(node);
    let mut document = build.store.value(node).map_err(BuildError::new)?;
    patch.apply(&mut document)?;
    if !document.is_object() {
        return Err(BuildError::new("json: cannot unmarshal array into Go value of type map[string]interface {}"));
    }
    let node = build.store.add_value(&document);
    build.set_node(id, Some(node));
    let mut annotations = build.store.annotations(node);
    annotations.extend(internal);
    build.store.set_annotations(node, &annotations)
}

/// Lays one patch over all selected objects.
fn merge_into_each(
    build: &mut Build<'_>,
    objects: &mut Objects,
    selected: &[ObjectId],
    patch: NodeId,
) -> Result<(), BuildError> {
    let names = build.names(selected);
    let mut kept = Objects::with_capacity(objects.len());
    for id in objects.iter().copied() {
        if let Some(node) = build.node(id)
            && names.contains(&build.called(id))
        {
            let copy = build.store.copy(patch);
            build.copy_metadata_of_nodes(copy, patch)?;
            let (mut gvk, kind) = (build.store.gvk(node), build.store.kind(patch).to_owned());
            gvk.kind = kind;
            build.store.set_gvk(copy, &gvk)?;
            merge_into(build, id, copy)?;
        }
        if !build.is_gone(id) {
            kept.push(id);
        }
    }
    objects.clear();
    build.append_all(objects, &kept)
}

/// Lays a strategic merge over one object, which keeps its name and kind unless the patch may change them.
pub(crate) fn merge_into(build: &mut Build<'_>, id: ObjectId, patch: NodeId) -> Result<(), BuildError> {
    let Some(node) = build.node(id) else { return Ok(()) };
    let schemas = build.schemas.known()?;
    let store = &mut build.store;
    let (name, namespace, kind) =
        (store.name(node).to_owned(), store.namespace(node).to_owned(), store.kind(node).to_owned());
    let (may_rename, may_change_kind) =
        (store.is_enabled(patch, ALLOW_NAME_CHANGE), store.is_enabled(patch, ALLOW_KIND_CHANGE));
    if may_rename || may_change_kind {
        store.store_previous_id(node)?;
    }
    if merge(store, &schemas, patch, node, NewItems::First)?.is_none() {
        build.set_node(id, None);
        return Ok(());
    }
    if store[node].is_empty() {
        return Ok(());
    }
    if !may_change_kind {
        store.set_kind_text(node, &kind)?;
    }
    if !may_rename {
        store.set_name(node, &name)?;
    }
    store.set_namespace(node, &namespace)
}

/// Lays strategic merges over the objects that they name.
pub(crate) fn merge_by_name(
    build: &mut Build<'_>,
    objects: &mut Objects,
    patches: &[NodeId],
) -> Result<(), BuildError> {
    for patch in patches {
        let id = build.store.original_id(*patch);
        let target = build.get_by_id(objects, &id)?;
        merge_into_each(build, objects, &[target], *patch)?;
    }
    Ok(())
}
