//! A kustomization in a source: its file with what the resource lays over it, built.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bowline_kustomize::{Charts, LoadRestrictions, Options, Order, Remotes, build};
use bowline_manifest::{Limits, directory, survey};
use bowline_model::{
    DirectoryOptions, Failure, KUSTOMIZATION_FILES, KustomizeBuild, KustomizeImage, KustomizeOptions, KustomizePairs,
    Location, Object, Reason, Remote, RemoteBases, Renderer,
};
use bowline_tree::{ContentId, Entry, Layered, MemoryTree, Tree, TreeError, TreePath};
use bowline_yaml::{Rules, parse_first_as};
use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{Chance, Net, Surroundings};
use crate::remotes::{RemoteFiles, beside, not_fetched};

/// The version of Kustomize that builds are equal to.
const VERSION: &str = "v5.8.2";

/// What a kustomization is built with, beside its files.
pub(super) struct Context<'a> {
    /// The source's own remote.
    pub(super) own: &'a Remote,
    /// Fetches what is elsewhere; `None` where nothing is fetched.
    pub(super) net: Option<&'a Net>,
    /// What charts see.
    pub(super) surroundings: Option<&'a Surroundings>,
    /// Time and chance, as templates see them.
    pub(super) chance: &'a Chance,
    /// Templates made use of chance: another render gives something else.
    pub(super) is_random: Cell<bool>,
}

impl Context<'_> {
    fn charts(&self, build: &KustomizeBuild) -> Result<Option<Charts>, Failure> {
        let (Some(charts), Some(surroundings)) = (&build.charts, self.surroundings) else { return Ok(None) };
        let version = if charts.kube_version.is_empty() { &surroundings.kube_version } else { &charts.kube_version };
        let served = match &charts.api_versions[..] {
            [] => surroundings.api_versions.iter().cloned().collect(),
            named => named.to_vec(),
        };
        let seed = self.chance.seed;
        Ok(Some(Charts {
            now: (self.chance.now, 0),
            random: Arc::new(move || super::chart::random(StdRng::from_seed(seed))),
            kube_version: super::chart::kube_version(version)?.map_or_else(String::new, |version| version.version),
            api_versions: served.into_iter().chain(charts.more_api_versions.iter().cloned()).collect(),
        }))
    }
}

/// Builds the kustomization of a directory, as Argo CD does.
pub(super) fn kustomize(
    tree: &dyn Tree,
    options: &KustomizeOptions,
    context: &Context<'_>,
) -> Result<Vec<(Object, Location)>, Failure> {
    let top = directory(tree, &options.path).map_err(|problem| Failure::of(&problem))?;
    let mut file = None;
    for name in KUSTOMIZATION_FILES {
        let path = top.child(name);
        if tree.entry(&path).map_err(|error| unreadable(&path, &error))?.is_some() {
            file = Some(path);
            break;
        }
    }
    let file = file.unwrap_or_else(|| top.child(KUSTOMIZATION_FILES[0]));
    build_file(tree, &top, &file, options, context)
}

/// Builds the kustomization of a directory; where there is no file of one, makes one of its manifests, as Flux does.
///
/// Manifests are read as they are first: all that is wrong with them is told together, and their places are known.
pub(super) fn generate(
    tree: &dyn Tree,
    files: &DirectoryOptions,
    options: &KustomizeOptions,
    context: &Context<'_>,
) -> Result<(Renderer, Vec<(Object, Location)>), Failure> {
    let found = survey(tree, &files.path, &Limits::default()).map_err(|problem| Failure::of(&problem))?;
    if let Some(file) = &found.file {
        return Ok((Renderer::Kustomize, build_file(tree, &found.directory, file, options, context)?));
    }
    let is_plain = found.resources.is_empty() || (!found.nests && options.is_plain());
    let written = if found.nests { Vec::new() } else { super::directory(tree, files)? };
    if is_plain {
        return Ok((Renderer::Directory, written));
    }
    let made = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": found.resources,
    });
    let file = found.directory.child(KUSTOMIZATION_FILES[0]);
    let content = edited(made, &file, options, &|path| exists(tree, &found.directory, path))?;
    let mut built = build_edited(tree, &found.directory, &file, content, options, context)?;
    let name = |object: &Object| (object.gvk(), object.name().to_owned());
    let places: BTreeMap<_, _> = written.into_iter().map(|(object, place)| (name(&object), place)).collect();
    for (object, place) in &mut built {
        if let Some(written_at) = places.get(&name(object)) {
            place.clone_from(written_at);
        }
    }
    Ok((Renderer::Kustomize, built))
}

/// The file of objects that a post-renderer is given.
const HELM_OUTPUT: &str = "helm-output.yaml";

/// Where an object is written that a post-renderer gave another name.
pub(super) fn post_rendered_place() -> Location {
    Location { file: HELM_OUTPUT.to_owned(), line: None, column: None }
}

/// Lets the objects of a release through a kustomization that has nothing else, as Flux does.
pub(super) fn post_render(objects: &[Object], options: &KustomizeOptions) -> Result<Vec<Object>, Failure> {
    let texts: Vec<String> = objects.iter().map(|object| bowline_yaml::to_yaml(object.value())).collect();
    let top = TreePath::root();
    let file = top.child(KUSTOMIZATION_FILES[0]);
    let made = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [HELM_OUTPUT],
    });
    let mut tree = MemoryTree::new();
    tree.insert(top.child(HELM_OUTPUT), texts.join("---\n"));
    tree.insert(file.clone(), edited(made, &file, options, &|_| false)?);
    // Nothing but these objects takes part.
    let context = Context {
        own: &Remote::default(),
        net: None,
        surroundings: None,
        chance: &Chance::default(),
        is_random: Cell::default(),
    };
    let built = build_tree(&tree, &top, &file, options, &context).map_err(|failure| {
        let message = format!("post-rendering failed: {}", failure.message);
        Failure { message, ..failure }
    })?;
    Ok(built.into_iter().map(|(object, _)| object).collect())
}

fn build_file(
    tree: &dyn Tree,
    top: &TreePath,
    file: &TreePath,
    options: &KustomizeOptions,
    context: &Context<'_>,
) -> Result<Vec<(Object, Location)>, Failure> {
    if options.is_plain() {
        return build_tree(tree, top, file, options, context);
    }
    let content = tree.read(file).map_err(|error| unreadable(file, &error))?;
    let value = parse_first_as(Rules::Sigs, &content, &bowline_yaml::Limits::default())
        .map_err(|error| Failure::new(Reason::InvalidManifest, error.to_string()).at(place(file)))?;
    let content = edited(value, file, options, &|path| exists(tree, top, path))?;
    build_edited(tree, top, file, content, options, context)
}

fn build_edited(
    tree: &dyn Tree,
    top: &TreePath,
    file: &TreePath,
    content: String,
    options: &KustomizeOptions,
    context: &Context<'_>,
) -> Result<Vec<(Object, Location)>, Failure> {
    let id = ContentId(hex::encode(Sha256::digest(&content)));
    let layered = Layered::new(tree, top.clone(), file.file_name(), Bytes::from(content), id);
    build_tree(&layered, top, file, options, context)
}

fn build_tree(
    tree: &dyn Tree,
    top: &TreePath,
    file: &TreePath,
    options: &KustomizeOptions,
    context: &Context<'_>,
) -> Result<Vec<(Object, Location)>, Failure> {
    let watched = Watched { tree, failed: Mutex::default() };
    let restrictions = if options.reads_everywhere { LoadRestrictions::None } else { LoadRestrictions::RootOnly };
    let repository = |address: &str| beside(context.own, address, options.build.remotes == RemoteBases::AsSource);
    let remote_files = context.net.filter(|_| options.build.remotes != RemoteBases::Refused).map(|net| RemoteFiles {
        sources: &net.sources,
        runtime: &net.runtime,
        repository: &repository,
        fetched: &net.fetched,
        failed: Mutex::default(),
    });
    let how = Options {
        restrictions,
        order: if options.build.keeps_order { Order::None } else { Order::Legacy },
        managed_by_label: options.build.managed_by_label,
        charts: context.charts(&options.build)?,
        remotes: remote_files.as_ref().map(|files| files as &dyn Remotes),
        version: VERSION.to_owned(),
        ..Options::default()
    };
    let built = build(&watched, top, &how).map_err(|error| {
        if let Some(failed) = watched.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return unreadable(file, &failed);
        }
        let failed = remote_files.as_ref().and_then(RemoteFiles::failure);
        if let Some(failed) = failed {
            return not_fetched(&failed, error.to_string()).at(place(file));
        }
        let failure = Failure::new(Reason::InvalidManifest, error.to_string()).at(place(file));
        match error.help {
            Some(help) => failure.help(help),
            None => failure,
        }
    })?;
    context.is_random.set(context.is_random.get() || built.is_random);
    built
        .objects
        .into_iter()
        .map(|mut value| {
            mark(&mut value, "labels", &options.common_labels);
            mark(&mut value, "annotations", &options.common_annotations);
            let object = Object::from_value(value).map_err(|error| {
                let message = format!("what the kustomization builds is no object: {error}");
                Failure::new(Reason::InvalidManifest, message).at(place(file))
            })?;
            Ok((object, place(file)))
        })
        .collect()
}

/// Sets labels or annotations of an object.
fn mark(object: &mut Value, field: &str, pairs: &BTreeMap<String, String>) {
    if pairs.is_empty() || !object["metadata"].is_object() {
        return;
    }
    if !object["metadata"][field].is_object() {
        object["metadata"][field] = json!({});
    }
    for (name, value) in pairs {
        object["metadata"][field][name] = json!(value);
    }
}

/// Lays options over a kustomization, and writes it.
fn edited(
    value: Value,
    file: &TreePath,
    options: &KustomizeOptions,
    exists: &dyn Fn(&str) -> bool,
) -> Result<String, Failure> {
    let invalid = |message: String| Failure::new(Reason::InvalidManifest, message).at(place(file));
    let mut map = match value {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        _ => return Err(invalid("the kustomization is no map of fields".to_owned())),
    };
    let texts =
        [("namePrefix", &options.name_prefix), ("nameSuffix", &options.name_suffix), ("namespace", &options.namespace)];
    for (field, text) in texts {
        if let Some(text) = text {
            map.insert(field.to_owned(), json!(text));
        }
    }
    if !options.images.is_empty() {
        merge_images(list(&mut map, "images").map_err(invalid)?, &options.images);
    }
    for (name, count) in &options.replicas {
        let replicas = list(&mut map, "replicas").map_err(invalid)?;
        replicas.retain(|have| have["name"] != **name);
        replicas.push(json!({ "name": name, "count": count }));
    }
    add_labels(&mut map, options).map_err(invalid)?;
    add_pairs(&mut map, "commonAnnotations", "annotation", &options.annotations).map_err(invalid)?;
    if !options.patches.is_empty() {
        list(&mut map, "patches").map_err(invalid)?.extend(options.patches.iter().cloned());
    }
    for path in options.components.iter().filter(|path| !options.ignore_missing_components || exists(path)) {
        let components = list(&mut map, "components").map_err(invalid)?;
        if !components.iter().any(|have| have == path) {
            components.push(json!(path));
        }
    }
    if !options.build_metadata.is_empty() {
        map.insert("buildMetadata".to_owned(), json!(options.build_metadata));
    }
    Ok(bowline_yaml::to_yaml(&Value::Object(map)))
}

/// Returns a list of the kustomization, to add to.
fn list<'m>(map: &'m mut Map<String, Value>, field: &str) -> Result<&'m mut Vec<Value>, String> {
    let value = map.entry(field).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().ok_or_else(|| format!("`{field}` of the kustomization is no list"))
}

fn merge_images(have: &mut Vec<Value>, images: &[KustomizeImage]) {
    for image in images {
        let old = have.iter().position(|have| have["name"] == *image.name);
        let mut next = match old.map(|at| have[at].take()) {
            Some(Value::Object(old)) if !image.replaces => old,
            _ => Map::from_iter([("name".to_owned(), json!(image.name))]),
        };
        if let Some(name) = &image.new_name {
            next.insert("newName".to_owned(), json!(name));
        }
        if image.new_tag.is_some() || image.digest.is_some() {
            for (field, text) in [("newTag", &image.new_tag), ("digest", &image.digest)] {
                match text {
                    Some(text) => next.insert(field.to_owned(), json!(text)),
                    None => next.remove(field),
                };
            }
        }
        match old {
            Some(at) => have[at] = Value::Object(next),
            None => have.push(Value::Object(next)),
        }
    }
}

fn add_labels(map: &mut Map<String, Value>, options: &KustomizeOptions) -> Result<(), String> {
    let added = &options.labels;
    if !added.without_selectors {
        return add_pairs(map, "commonLabels", "label", &added.labels);
    }
    if added.labels.pairs.is_empty() {
        return Ok(());
    }
    let labels = list(map, "labels")?;
    let fits =
        |have: &Value| have["includeSelectors"] != true && (have["includeTemplates"] == true) == added.in_templates;
    let at = labels.iter().position(fits).unwrap_or_else(|| {
        let mut fresh = json!({ "pairs": {} });
        if added.in_templates {
            fresh["includeTemplates"] = json!(true);
        }
        labels.push(fresh);
        labels.len() - 1
    });
    match labels[at].as_object_mut() {
        Some(entry) => add_pairs(entry, "pairs", "label", &added.labels),
        None => Err("an entry of `labels` of the kustomization is no map".to_owned()),
    }
}

fn add_pairs(map: &mut Map<String, Value>, field: &str, what: &str, added: &KustomizePairs) -> Result<(), String> {
    if added.pairs.is_empty() {
        return Ok(());
    }
    let value = map.entry(field).or_insert(Value::Null);
    if value.is_null() {
        *value = json!({});
    }
    let have = value.as_object_mut().ok_or_else(|| format!("`{field}` of the kustomization is no map"))?;
    for (name, text) in &added.pairs {
        if have.contains_key(name) && !added.force {
            return Err(format!("{what} {name} already in kustomization file"));
        }
        have.insert(name.clone(), json!(text));
    }
    Ok(())
}

fn exists(tree: &dyn Tree, top: &TreePath, path: &str) -> bool {
    let found = top.join(path).map(|path| tree.entry(&path));
    // What cannot be read is not missing: the build will say why.
    !matches!(found, Ok(Ok(None)))
}

fn place(file: &TreePath) -> Location {
    Location { file: file.to_string(), line: None, column: None }
}

fn unreadable(path: &TreePath, error: &TreeError) -> Failure {
    let reason = match error {
        TreeError::Store { .. } => Reason::SourceUnreadable,
        _ => Reason::InvalidManifest,
    };
    Failure::new(reason, error.to_string()).at(place(path))
}

/// A tree that remembers that its store failed: that is no mistake of the kustomization's.
struct Watched<'a> {
    tree: &'a dyn Tree,
    failed: Mutex<Option<TreeError>>,
}

impl Watched<'_> {
    fn note<T>(&self, answer: Result<T, TreeError>) -> Result<T, TreeError> {
        if let Err(error @ TreeError::Store { .. }) = &answer {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        answer
    }
}

impl Tree for Watched<'_> {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, TreeError> {
        self.note(self.tree.entry(path))
    }

    fn read(&self, path: &TreePath) -> Result<Bytes, TreeError> {
        self.note(self.tree.read(path))
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        self.note(self.tree.list(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_over(file: &str, options: &KustomizeOptions) -> Result<Value, String> {
        let parse = |text: &str| {
            parse_first_as(Rules::Sigs, text.as_bytes(), &bowline_yaml::Limits::default()).expect("is YAML")
        };
        let here = TreePath::parse("app/kustomization.yaml").expect("a path");
        edited(parse(file), &here, options, &|path| path == "there")
            .map(|text| parse(&text))
            .map_err(|failure| failure.message)
    }

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn lists_are_merged_by_name_or_added_to() {
        let image = |name: &str, tag: Option<&str>, replaces| KustomizeImage {
            name: name.to_owned(),
            new_tag: tag.map(str::to_owned),
            replaces,
            ..KustomizeImage::default()
        };
        let options = KustomizeOptions {
            name_prefix: Some("eu-".to_owned()),
            images: vec![image("a", Some("2"), false), image("b", Some("2"), true), image("c", None, false)],
            replicas: vec![("web".to_owned(), 3)],
            patches: vec![json!({ "path": "new.yaml" })],
            components: vec!["there".to_owned(), "gone".to_owned(), "had".to_owned()],
            ignore_missing_components: true,
            ..KustomizeOptions::default()
        };
        let file = "namePrefix: us-\nnameSuffix: '-1'\npatches: [{path: old.yaml}]\ncomponents: [had]\n\
                    replicas: [{name: web, count: 1}, {name: db, count: 1}]\n\
                    images: [{name: a, newName: x, digest: 'sha256:aa'}, {name: b, newName: y, newTag: '1'}]\n";
        let want = json!({
            "namePrefix": "eu-", "nameSuffix": "-1",
            "patches": [{ "path": "old.yaml" }, { "path": "new.yaml" }],
            "components": ["had", "there"],
            "replicas": [{ "name": "db", "count": 1 }, { "name": "web", "count": 3 }],
            "images": [{ "name": "a", "newName": "x", "newTag": "2" }, { "name": "b", "newTag": "2" }, { "name": "c" }],
        });
        assert_eq!(laid_over(file, &options), Ok(want));
    }

    #[test]
    fn labels_and_annotations_take_no_place_unless_forced() {
        let mut options = KustomizeOptions::default();
        options.annotations.pairs = pairs(&[("a", "2")]);
        let said = laid_over("commonAnnotations: {a: '1'}\n", &options);
        assert_eq!(said, Err("annotation a already in kustomization file".to_owned()));
        options.annotations.force = true;
        options.labels.labels.pairs = pairs(&[("team", "web")]);
        let want = json!({ "commonAnnotations": { "a": "2" }, "commonLabels": { "team": "web" } });
        assert_eq!(laid_over("commonAnnotations: {a: '1'}\n", &options), Ok(want));
        options.annotations = KustomizePairs::default();
        options.labels.without_selectors = true;
        options.labels.in_templates = true;
        let want = json!({ "labels": [
            { "pairs": { "b": "1" }, "includeSelectors": true },
            { "pairs": { "team": "web" }, "includeTemplates": true },
        ]});
        assert_eq!(laid_over("labels: [{pairs: {b: '1'}, includeSelectors: true}]\n", &options), Ok(want));
    }

    #[test]
    fn fields_of_other_kinds_are_refused_by_name() {
        let options = KustomizeOptions { patches: vec![json!({ "path": "p" })], ..KustomizeOptions::default() };
        assert_eq!(laid_over("patches: a\n", &options), Err("`patches` of the kustomization is no list".to_owned()));
        assert_eq!(laid_over("[]\n", &options), Err("the kustomization is no map of fields".to_owned()));
    }
}
