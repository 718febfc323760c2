//! Values taken from one field and put into others.

use super::path_match::match_path;
use super::structured::set_within_text;
use crate::build::{Build, ObjectId};
use crate::error::BuildError;
use crate::kustomization::{FieldOptions, Replacement, Selector, SourceSelector, TargetSelector};
use crate::node::{Kind, Node, NodeId, Store};
use crate::path;
use crate::select::{Patterns, Requirements};

const DEFAULT_PATH: &str = "metadata.name";

/// Carries out replacements one after the other.
pub(crate) fn replace(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    replacements: &[Replacement],
) -> Result<(), BuildError> {
    let nodes: Vec<NodeId> = objects.iter().filter_map(|id| build.node(*id)).collect();
    for replacement in replacements {
        let store = &mut build.store;
        let value = match (&replacement.source, &replacement.source_value, &replacement.targets) {
            (_, _, None) | (None, None, _) => {
                return Err(BuildError::new("replacements must specify a source and at least one target"));
            }
            (Some(_), Some(_), _) => {
                return Err(BuildError::new("value and resource selectors are mutually exclusive"));
            }
            (None, Some(text), _) => store.add(Node::scalar(text)),
            (Some(source), None, _) => source_value(store, &nodes, source)?,
        };
        for target in replacement.targets.iter().flatten() {
            set_targets(store, &nodes, value, target)?;
        }
    }
    Ok(())
}

fn source_value(store: &mut Store, nodes: &[NodeId], source: &SourceSelector) -> Result<NodeId, BuildError> {
    let node = source_node(store, nodes, source)?;
    let field_path = if source.field_path.is_empty() { DEFAULT_PATH } else { &source.field_path };
    let parts = path::split_with_brackets(field_path, '.');
    let found =
        store.lookup(node, &parts, None).map_err(|error| error.within("error looking up replacement source"))?;
    let Some(found) = found.filter(|found| !store[*found].is_empty()) else {
        let id = source.selector.id();
        return Err(BuildError::new(format!("fieldPath `{field_path}` is missing for replacement source {id}")));
    };
    let Some(options) = source.options.as_ref().filter(|options| !options.delimiter.is_empty()) else {
        return Ok(found);
    };
    if store[found].kind != Kind::Scalar {
        return Err(BuildError::new("delimiter option can only be used with scalar nodes"));
    }
    let text = store[found].text.to_string();
    let part = usize::try_from(options.index).ok().and_then(|at| text.split(options.delimiter.as_str()).nth(at));
    let Some(part) = part else {
        return Err(BuildError::new(format!("options.index {} is out of bounds for value {text}", options.index)));
    };
    let copy = store.copy(found);
    store[copy].text = part.into();
    Ok(copy)
}

fn source_node(store: &Store, nodes: &[NodeId], source: &SourceSelector) -> Result<NodeId, BuildError> {
    let selector = source.selector.id();
    let mut found = None;
    for node in nodes {
        let ids = store.all_plain_ids(*node).map_err(|error| error.within("error getting node IDs"))?;
        if ids.iter().any(|id| id.is_selected_by(&selector)) && found.replace(*node).is_some() {
            return Err(BuildError::new(format!("multiple matches for selector {}", shown(source))));
        }
    }
    found.ok_or_else(|| BuildError::new(format!("nothing selected by {}", shown(source))))
}

fn shown(source: &SourceSelector) -> String {
    let mut parts = vec![source.selector.id().to_string()];
    // By the time it is told, the path has its default only if it was looked at.
    if !source.field_path.is_empty() {
        parts.push(source.field_path.clone());
    }
    if let Some(options) = source.options.as_ref().filter(|options| !options.delimiter.is_empty() || options.create) {
        parts.push(format!("{}({}), create={}", options.delimiter, options.index, options.create));
    }
    parts.join(":")
}

fn set_targets(store: &mut Store, nodes: &[NodeId], value: NodeId, target: &TargetSelector) -> Result<(), BuildError> {
    let Some(select) = &target.select else {
        return Err(BuildError::new("target must specify resources to select"));
    };
    let within = |error: BuildError| error.within("error creating target selector");
    let patterns = Patterns::new(select).map_err(within)?;
    let rejected: Vec<(&Selector, Patterns)> = target
        .reject
        .iter()
        .map(|reject| Ok((reject, Patterns::new(reject)?)))
        .collect::<Result<_, BuildError>>()
        .map_err(within)?;
    for node in nodes {
        let ids = store.all_plain_ids(*node)?;
        if !has_labels(store, *node, select)? {
            continue;
        }
        let mut is_rejected = false;
        for (reject, patterns) in &rejected {
            let by_labels = !reject.annotations.is_empty() || !reject.labels.is_empty();
            is_rejected |= by_labels && has_labels(store, *node, reject)?;
            is_rejected |= !reject.id().is_empty() && ids.iter().any(|id| patterns.fits(id));
        }
        if !is_rejected && ids.iter().any(|id| patterns.fits(id)) {
            set_fields(store, *node, value, target)?;
        }
    }
    Ok(())
}

fn has_labels(store: &Store, node: NodeId, selector: &Selector) -> Result<bool, BuildError> {
    let annotations = Requirements::parse(&selector.annotations)?;
    let labels = Requirements::parse(&selector.labels)?;
    Ok((annotations.is_empty() || annotations.fit(&store.annotations(node)))
        && (labels.is_empty() || labels.fit(&store.labels(node))))
}

fn set_fields(store: &mut Store, node: NodeId, value: NodeId, target: &TargetSelector) -> Result<(), BuildError> {
    let default = [DEFAULT_PATH.to_owned()];
    let paths = if target.field_paths.is_empty() { &default[..] } else { &target.field_paths };
    let options = target.options.as_ref();
    for field_path in paths {
        let create = options.filter(|options| options.create).map(|_| store[value].kind);
        let parts = path::split_with_brackets(field_path, '.');
        if set_within_text(store, node, value, &parts, options) {
            continue;
        }
        let verb = if create.is_some() { "find or create" } else { "find" };
        let unable = || format!("unable to {verb} field {field_path:?} in replacement target");
        let found = match_path(store, node, &parts, create).map_err(|error| error.within(unable()))?;
        let found = found.unwrap_or_default();
        if found.is_empty() {
            return Err(BuildError::new(unable()));
        }
        for at in found {
            set_value(store, options, at, value)?;
        }
    }
    Ok(())
}

/// Puts a value into a field, or into a part of it.
pub(crate) fn set_value(
    store: &mut Store,
    options: Option<&FieldOptions>,
    at: NodeId,
    value: NodeId,
) -> Result<(), BuildError> {
    let value = store.copy(value);
    if let Some(options) = options.filter(|options| !options.delimiter.is_empty()) {
        if store[at].kind != Kind::Scalar {
            return Err(BuildError::new("delimiter option can only be used with scalar nodes"));
        }
        let new = if store[value].is_null() { String::new() } else { store[value].text.to_string() };
        let old = store[at].text.to_string();
        let mut parts: Vec<&str> = old.split(options.delimiter.as_str()).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, &new),
            Ok(index) if index >= parts.len() => parts.push(&new),
            Ok(index) => parts[index] = &new,
        }
        store[value].text = parts.join(&options.delimiter).as_str().into();
    }
    if store[at].kind == Kind::Scalar {
        // Only the text: a number stays a number, and a text a text.
        store[at].text = store[value].text.clone();
    } else {
        store.overwrite(at, value);
    }
    Ok(())
}
