//! Flux's rules for a directory without a kustomization file.
//!
//! kustomize-controller makes a kustomization of every `.yaml` and `.yml` file under the path
//! (`kustomize/kustomize_generator.go` in fluxcd/pkg) and builds that; what is here is what such a build does
//! to files that nothing transforms. Files that source-controller leaves out of the artifact are not there.

use std::collections::BTreeMap;

use bowline_model::{DirectoryOptions, KUSTOMIZATION_FILES, Location, ObjectError, ObjectKey};
use bowline_tree::{EntryKind, Tree, TreePath};
use bowline_yaml::Rules;
use serde_json::Value;

use crate::file::{add_objects, kind_of, no_kind, yaml_problem};
use crate::ignore::{IGNORE_FILE, Ignored};
use crate::walk::{Budget, Descend, has_ending, place, unreadable, walk};
use crate::{Foreign, Limits, ManifestProblem, Rendered, Survey};

/// Objects with this annotation are for tools only: Kustomize drops them from its output.
const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";

pub(crate) fn render(
    tree: &dyn Tree,
    options: &DirectoryOptions,
    limits: &Limits,
    rendered: &mut Rendered,
) -> Result<(), ManifestProblem> {
    let (dir, mut ignored) = top(tree, &options.path)?;
    if let Some(file) = enter(tree, &dir, &mut ignored)? {
        return Err(kustomization(&file));
    }
    let mut budget = Budget::new(limits);
    walk(tree, &dir, limits, &mut |path, entry| {
        let is_directory = entry.kind == EntryKind::Directory;
        if ignored.ignores(path, is_directory) {
            return Ok(Descend::No);
        }
        if is_directory {
            if let Some(file) = enter(tree, path, &mut ignored)? {
                rendered.problems.push(kustomization(&file));
                return Ok(Descend::No);
            }
            return Ok(Descend::Yes);
        }
        let is_yaml = has_ending(&entry.name, &[".yaml", ".yml"]);
        if entry.kind == EntryKind::File && is_yaml {
            let text = budget.read(tree, path, path)?;
            read_text(path.as_str(), &text, limits, rendered);
        }
        Ok(Descend::No)
    })?;
    rendered.objects.retain(|object| object.object.annotation(LOCAL_CONFIG).is_none());
    refuse_duplicates(rendered);
    Ok(())
}

/// Finds out what Flux would make a kustomization of.
pub(crate) fn survey(tree: &dyn Tree, path: &str, limits: &Limits) -> Result<Survey, ManifestProblem> {
    let (dir, mut ignored) = top(tree, path)?;
    let mut survey = Survey { directory: dir.clone(), file: None, resources: Vec::new(), nests: false };
    survey.file = enter(tree, &dir, &mut ignored)?;
    if survey.file.is_some() {
        return Ok(survey);
    }
    let skip = if dir.is_root() { 0 } else { dir.as_str().len() + 1 };
    walk(tree, &dir, limits, &mut |path, entry| {
        let is_directory = entry.kind == EntryKind::Directory;
        if ignored.ignores(path, is_directory) {
            return Ok(Descend::No);
        }
        let is_nested = is_directory && enter(tree, path, &mut ignored)?.is_some();
        let is_yaml = entry.kind == EntryKind::File && has_ending(&entry.name, &[".yaml", ".yml"]);
        if is_nested || is_yaml {
            survey.nests |= is_nested;
            survey.resources.push(path.as_str()[skip..].to_owned());
        }
        Ok(if is_directory && !is_nested { Descend::Yes } else { Descend::No })
    })?;
    Ok(survey)
}

/// Returns the directory that a path names, and what is left out below it.
fn top(tree: &dyn Tree, path: &str) -> Result<(TreePath, Ignored), ManifestProblem> {
    let dir = clamped(path);
    match tree.entry(&dir).map_err(|source| unreadable(&dir, source))?.map(|entry| entry.kind) {
        Some(EntryKind::Directory) => {}
        // source-controller leaves symbolic links and submodules out of the artifact.
        None | Some(EntryKind::Symlink | EntryKind::Submodule) => {
            return Err(ManifestProblem::PathNotFound { path: path.to_owned() });
        }
        Some(EntryKind::File) => return Err(ManifestProblem::NotADirectory { path: path.to_owned() }),
    }
    match Ignored::above(tree, &dir)? {
        Some(ignored) => Ok((dir, ignored)),
        None => Err(ManifestProblem::PathNotFound { path: path.to_owned() }),
    }
}

/// Reads a path as Flux joins it to the artifact: `..` above the root stays at the root.
fn clamped(text: &str) -> TreePath {
    let mut path = TreePath::root();
    for part in text.split('/') {
        path = match part {
            "" | "." => path,
            ".." => path.parent().unwrap_or_default(),
            name => path.child(name),
        };
    }
    path
}

/// Takes up the ignore file of a directory, and finds a kustomization file in it.
fn enter(tree: &dyn Tree, dir: &TreePath, ignored: &mut Ignored) -> Result<Option<TreePath>, ManifestProblem> {
    let entries = tree.list(dir).map_err(|source| unreadable(dir, source))?;
    let is_file = |name: &str| entries.iter().any(|entry| entry.kind == EntryKind::File && entry.name == name);
    ignored.enter(tree, dir, is_file(IGNORE_FILE))?;
    Ok(KUSTOMIZATION_FILES
        .iter()
        .filter(|name| is_file(name))
        .map(|name| dir.child(name))
        .find(|path| !ignored.ignores(path, false)))
}

fn kustomization(file: &TreePath) -> ManifestProblem {
    ManifestProblem::Unsupported { at: place(file), what: Foreign::Kustomization }
}

fn read_text(file: &str, text: &[u8], limits: &Limits, rendered: &mut Rendered) {
    let (documents, broken) = bowline_yaml::parse_documents_as(Rules::Kyaml, text, &limits.yaml);
    rendered.problems.extend(broken.iter().map(|problem| yaml_problem(file, problem)));
    let first = rendered.objects.len();
    for document in documents {
        if kind_of(&document.value).is_none() {
            rendered.problems.push(no_kind(file, &document));
        } else {
            add_objects(file, document, is_list, &mut rendered.objects, &mut rendered.problems);
        }
    }
    // Kustomize knows objects by name only.
    for object in rendered.objects[first..].iter().filter(|object| object.object.name().is_empty()) {
        let source = ObjectError::Missing("metadata.name");
        rendered.problems.push(ManifestProblem::NotAnObject { at: object.origin.clone(), source });
    }
}

fn is_list(value: &Value) -> bool {
    kind_of(value).is_some_and(|kind| kind.ends_with("List"))
        && matches!(value.get("items"), Some(Value::Array(_) | Value::Null))
}

fn refuse_duplicates(rendered: &mut Rendered) {
    let mut seen: BTreeMap<ObjectKey, &Location> = BTreeMap::new();
    for object in rendered.objects.iter().filter(|object| !object.object.name().is_empty()) {
        let key = object.object.key();
        if let Some(first) = seen.get(&key) {
            let (key, first) = (Box::new(key), Box::new((*first).clone()));
            rendered.problems.push(ManifestProblem::Duplicate { at: object.origin.clone(), key, first });
        } else {
            seen.insert(key, &object.origin);
        }
    }
}
