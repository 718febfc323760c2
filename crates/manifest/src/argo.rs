//! Argo CD's rules for a directory source.
//!
//! They are those of `reposerver/repository/repository.go` in Argo CD 3 (`getPotentiallyValidManifests`,
//! `getObjsFromYAMLOrJson`) and of `docs/user-guide/directory.md`.

use std::collections::BTreeMap;

use bowline_model::{DirectoryOptions, KUSTOMIZATION_FILES, Location, ObjectKey};
use bowline_tree::{Entry, EntryKind, Tree, TreePath};
use bowline_yaml::{Document, Problem, Rules};
use serde_json::Value;

use crate::file::{add_objects, kind_of, no_kind, yaml_problem};
use crate::glob::Glob;
use crate::walk::{Budget, Descend, has_ending, place, resolve, walk};
use crate::{Foreign, Limits, ManifestObject, ManifestProblem, Rendered};

/// A file with this text is left out.
const SKIP_MARK: &[u8] = b"# +argocd:skip-file-rendering";

pub(crate) fn render(
    tree: &dyn Tree,
    options: &DirectoryOptions,
    limits: &Limits,
    rendered: &mut Rendered,
) -> Result<(), ManifestProblem> {
    let dir = directory(tree, &options.path)?;
    if let Some(problem) = for_another_renderer(tree, &dir, options)? {
        return Err(problem);
    }
    let selection = Selection {
        include: (!options.include.is_empty()).then(|| Glob::parse(&options.include)).transpose()?,
        exclude: (!options.exclude.is_empty()).then(|| Glob::parse(&options.exclude)).transpose()?,
        any_extension: options.any_extension,
        skip: dir.parts().count(),
    };

    let mut budget = Budget::new(limits);
    walk(tree, &dir, limits, &mut |path, entry| {
        if entry.kind == EntryKind::Directory {
            return Ok(if options.recurse { Descend::Yes } else { Descend::No });
        }
        if selection.takes(path, entry) {
            take_file(tree, path, entry, limits, &mut budget, rendered)?;
        }
        Ok(Descend::No)
    })?;
    keep_last(rendered);
    Ok(())
}

/// Finds the file that makes Argo CD take the directory for a chart or a kustomization.
///
/// It looks when the source does not say what it is; options of a directory say so.
fn for_another_renderer(
    tree: &dyn Tree,
    dir: &TreePath,
    options: &DirectoryOptions,
) -> Result<Option<ManifestProblem>, ManifestProblem> {
    let is_explicit =
        options.recurse || options.any_extension || !options.include.is_empty() || !options.exclude.is_empty();
    if is_explicit {
        return Ok(None);
    }
    let found = marker(tree, dir)?;
    Ok(found.map(|(at, what)| ManifestProblem::Unsupported { at, what }))
}

/// Finds what a directory is for, by the file that says so.
pub(crate) fn detect(tree: &dyn Tree, path: &str) -> Result<Option<Foreign>, ManifestProblem> {
    let dir = directory(tree, path)?;
    Ok(marker(tree, &dir)?.map(|(_, what)| what))
}

fn marker(tree: &dyn Tree, dir: &TreePath) -> Result<Option<(Location, Foreign)>, ManifestProblem> {
    let entries = tree.list(dir).map_err(|source| crate::walk::unreadable(dir, source))?;
    let found = entries.iter().filter(|entry| entry.kind != EntryKind::Directory).find_map(|entry| {
        let what = match entry.name.as_str() {
            "Chart.yaml" => Foreign::HelmChart,
            name if KUSTOMIZATION_FILES.contains(&name) => Foreign::Kustomization,
            _ => return None,
        };
        Some((place(&dir.child(&entry.name)), what))
    });
    Ok(found)
}

/// Finds the directory of a source, links followed.
pub(crate) fn directory(tree: &dyn Tree, path: &str) -> Result<TreePath, ManifestProblem> {
    let found = TreePath::parse(path)
        .map_err(|_| ManifestProblem::PathEscapes { path: path.to_owned() })
        .and_then(|path| resolve(tree, &path))?;
    match found.kind {
        Some(EntryKind::Directory) => Ok(found.path),
        None => Err(ManifestProblem::PathNotFound { path: path.to_owned() }),
        Some(_) => Err(ManifestProblem::NotADirectory { path: path.to_owned() }),
    }
}

/// Which files are manifests.
struct Selection {
    include: Option<Glob>,
    exclude: Option<Glob>,
    any_extension: bool,
    /// Parts of the path that globs do not see.
    skip: usize,
}

impl Selection {
    fn takes(&self, path: &TreePath, entry: &Entry) -> bool {
        let has_extension = has_ending(&entry.name, &[".yaml", ".yml", ".json", ".jsonnet"]);
        if !has_extension && !self.any_extension {
            return false;
        }
        let relative: Vec<&str> = path.parts().skip(self.skip).collect();
        let relative = relative.join("/");
        !self.exclude.as_ref().is_some_and(|glob| glob.matches(&relative))
            && self.include.as_ref().is_none_or(|glob| glob.matches(&relative))
    }
}

fn take_file(
    tree: &dyn Tree,
    path: &TreePath,
    entry: &Entry,
    limits: &Limits,
    budget: &mut Budget,
    rendered: &mut Rendered,
) -> Result<(), ManifestProblem> {
    let real = match entry.kind {
        EntryKind::File => path.clone(),
        EntryKind::Symlink => match follow(tree, path, rendered)? {
            Some(real) => real,
            None => return Ok(()),
        },
        EntryKind::Directory | EntryKind::Submodule => return Ok(()),
    };
    if has_ending(&entry.name, &[".jsonnet"]) {
        let problem = ManifestProblem::Unsupported { at: place(path), what: Foreign::Jsonnet };
        rendered.problems.push(problem);
        return Ok(());
    }
    let text = budget.read(tree, &real, path)?;
    if text.windows(SKIP_MARK.len()).any(|window| window == SKIP_MARK) {
        return Ok(());
    }
    read_text(path.as_str(), &text, limits, rendered);
    Ok(())
}

/// Follows a link to a file. One that leads to nothing or to a directory is left out, as Argo CD does; one that
/// leads out of the source is a problem.
fn follow(tree: &dyn Tree, link: &TreePath, rendered: &mut Rendered) -> Result<Option<TreePath>, ManifestProblem> {
    let resolved = match resolve(tree, link) {
        Ok(resolved) => resolved,
        Err(problem @ ManifestProblem::BadLink { .. }) => {
            rendered.problems.push(problem);
            return Ok(None);
        }
        Err(problem) => return Err(problem),
    };
    let what = match resolved.kind {
        Some(EntryKind::File) => return Ok(Some(resolved.path)),
        None => "nothing",
        Some(_) => "a directory",
    };
    rendered.warnings.push(ManifestProblem::LinkLeftOut { at: place(link), target: resolved.path.to_string(), what });
    Ok(None)
}

fn read_text(file: &str, text: &[u8], limits: &Limits, rendered: &mut Rendered) {
    let (documents, broken) = bowline_yaml::parse_documents_as(Rules::Sigs, text, &limits.yaml);
    let is_json = has_ending(file, &[".json"]);
    if is_json && let Some(second) = documents.get(1) {
        let at = bowline_model::Location::line(file, second.line);
        rendered.problems.push(ManifestProblem::SeveralInJson { at });
        return;
    }
    // Argo CD stops at the first document that it cannot take, and forgives a file whose very first one is
    // such, if the file does not look like a manifest: values files and the like may lie around.
    let first_bad = documents.iter().position(|document| kind_of(&document.value).is_none());
    let first_broken_line = broken.first().map(|problem| problem.line);
    let good_before = documents
        .iter()
        .take(first_bad.unwrap_or(usize::MAX))
        .any(|document| first_broken_line.is_none_or(|line| document.line < line));
    let is_bad = first_bad.is_some() || !broken.is_empty();
    if is_bad && !good_before && !is_json && !looks_like_a_manifest(text) {
        rendered.warnings.extend(broken.iter().take(1).map(|problem| ManifestProblem::FileLeftOut {
            at: bowline_model::Location {
                file: file.to_owned(),
                line: Some(problem.line),
                column: Some(problem.column),
            },
            message: problem.message.clone(),
        }));
        return;
    }
    add_all(file, documents, &broken, rendered);
}

/// Takes the objects out of a text that a renderer printed: every document must be an object or a list.
pub(crate) fn read_printed(file: &str, text: &[u8], limits: &Limits, rendered: &mut Rendered) {
    let (documents, broken) = bowline_yaml::parse_documents_as(Rules::Sigs, text, &limits.yaml);
    add_all(file, documents, &broken, rendered);
}

fn add_all(file: &str, documents: Vec<Document<'_>>, broken: &[Problem], rendered: &mut Rendered) {
    rendered.problems.extend(broken.iter().map(|problem| yaml_problem(file, problem)));
    for document in documents {
        if kind_of(&document.value).is_none() {
            rendered.problems.push(no_kind(file, &document));
        } else {
            add_objects(file, document, is_list, &mut rendered.objects, &mut rendered.problems);
        }
    }
}

fn looks_like_a_manifest(text: &[u8]) -> bool {
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    has(b"apiVersion:") && has(b"kind:") && has(b"metadata:")
}

/// Anything with a list of `items` is a list to Argo CD; and a `…List` whose items are `null` is an empty one.
fn is_list(value: &Value) -> bool {
    match value.get("items") {
        Some(Value::Array(_)) => true,
        Some(Value::Null) => kind_of(value).is_some_and(|kind| kind.ends_with("List")),
        _ => false,
    }
}

/// Of objects with one key the last is taken, and a warning says so.
pub(crate) fn keep_last(rendered: &mut Rendered) {
    let mut counts: BTreeMap<ObjectKey, usize> = BTreeMap::new();
    // An object that only has a `generateName` is a new one each time.
    for object in rendered.objects.iter().filter(|object| !object.object.name().is_empty()) {
        *counts.entry(object.object.key()).or_default() += 1;
    }
    counts.retain(|_, count| *count > 1);
    if counts.is_empty() {
        return;
    }
    let mut kept: Vec<ManifestObject> = Vec::with_capacity(rendered.objects.len());
    let mut left = counts.clone();
    for object in std::mem::take(&mut rendered.objects) {
        let key = object.object.key();
        match left.get_mut(&key) {
            Some(remaining) if *remaining > 1 => *remaining -= 1,
            Some(_) => {
                let count = counts[&key];
                let warning = ManifestProblem::Repeated { at: object.origin.clone(), key: Box::new(key), count };
                rendered.warnings.push(warning);
                kept.push(object);
            }
            None => kept.push(object),
        }
    }
    rendered.objects = kept;
}
