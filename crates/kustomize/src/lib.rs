//! Kustomizations, built as Kustomize 5.8 builds them, byte for byte, in the process that needs them.
//!
//! [`build`] reads a directory of a [`Tree`] and whatever it names, and returns its objects. Nothing else is read and
//! nothing is written: no other program runs, and what is remote is fetched by whoever calls, if at all.
#![warn(missing_docs)]

mod build;
mod config;
mod configurations;
mod decode;
mod error;
mod field;
mod generate;
mod helm;
mod id;
mod kustomization;
mod loader;
mod merge;
mod node;
mod order;
mod origin;
mod path;
mod pattern;
mod plugins;
mod read;
mod remote;
mod resource;
mod schema;
mod select;
mod steps;
mod target;
mod text;
mod transform;
mod write;

pub use error::BuildError;
pub use helm::Charts;
pub use loader::LoadRestrictions;
pub use remote::{NotARepository, NotFetched, RemoteChart, Remotes, RepositoryUrl};

use std::collections::HashSet;

use bowline_tree::{Tree, TreePath};
use serde_json::Value;

use build::{Build, Objects};
use loader::Loader;
use resource::{BUILD_ANNOTATIONS, ORIGIN, TRANSFORMATIONS};
use target::{Gathered, Memory, Target};

/// The order in which objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// What others need first, webhooks last: what `kustomize build` does.
    #[default]
    Legacy,
    /// As they are loaded.
    None,
}

/// How a kustomization is built: the flags of `kustomize build`.
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// From where files may be read.
    pub restrictions: LoadRestrictions,
    /// The order of the objects, where the kustomization does not say one.
    pub order: Order,
    /// Lets charts be rendered; without it, they are refused.
    pub charts: Option<Charts>,
    /// Whether objects get a label that says what built them.
    pub managed_by_label: bool,
    /// What the label says after `kustomize-`.
    pub version: String,
    /// What paths in messages begin with: the place of the tree's top.
    pub shown_root: String,
    /// Fetches what is remote; without it, remote files and bases are refused.
    pub remotes: Option<&'a dyn Remotes>,
}

/// What came of a build.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Built {
    /// The objects, in order.
    pub objects: Vec<Value>,
    /// What Kustomize would warn of.
    pub warnings: Vec<String>,
    /// Charts made use of chance: another build gives something else.
    pub is_random: bool,
}

impl Built {
    /// Returns what `kustomize build` prints.
    pub fn to_yaml(&self) -> String {
        let documents: Vec<String> = self.objects.iter().map(bowline_yaml::to_yaml).collect();
        documents.join(SEPARATOR)
    }
}

/// What stands between two documents.
const SEPARATOR: &str = "---\n";

/// What came of a build, printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// The text of each object, in order.
    pub documents: Vec<String>,
    /// What Kustomize would warn of.
    pub warnings: Vec<String>,
}

impl Printed {
    /// Goes through what `kustomize build` prints, piece by piece: together they may be long.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        let documents = self.documents.iter().enumerate();
        documents.flat_map(|(at, document)| [if at == 0 { "" } else { SEPARATOR }, document.as_str()])
    }
}

/// Builds the kustomization of a directory.
///
/// # Errors
///
/// The first mistake there is, in Kustomize's words.
pub fn build(tree: &dyn Tree, directory: &TreePath, options: &Options<'_>) -> Result<Built, BuildError> {
    let mut objects = Vec::new();
    let Told { warnings, is_random } = build_each(tree, directory, options, &mut |value| objects.push(value))?;
    Ok(Built { objects, warnings, is_random })
}

/// Builds the kustomization of a directory, and prints it: with less memory than [`Built::to_yaml`] of what [`build`]
/// returns, for there is never more than one object beside its text.
///
/// # Errors
///
/// The first mistake there is, in Kustomize's words.
pub fn print(tree: &dyn Tree, directory: &TreePath, options: &Options<'_>) -> Result<Printed, BuildError> {
    let mut documents = Vec::new();
    let told = build_each(tree, directory, options, &mut |value| documents.push(bowline_yaml::to_yaml(&value)))?;
    Ok(Printed { documents, warnings: told.warnings })
}

/// What there is to tell beside the objects.
struct Told {
    warnings: Vec<String>,
    is_random: bool,
}

/// Builds a kustomization, and hands its objects over in order.
fn build_each(
    tree: &dyn Tree,
    directory: &TreePath,
    options: &Options<'_>,
    take: &mut dyn FnMut(Value),
) -> Result<Told, BuildError> {
    let loader = Loader::new(tree, directory, options.restrictions, &options.shown_root, options.remotes)?;
    let mut build = Build::new(options);
    let mut memory = Memory::default();
    let mut target = Target::load(&mut build, &mut memory, loader)?;
    target.choose_schemas(&mut build, true)?;
    target.begin_origins();
    let gathered = target.gather(&mut build, &mut memory, Gathered::default())?;
    drop(memory);
    let objects = finish(&mut build, &target, gathered)?;
    for node in objects.into_iter().filter_map(|id| build.node(id)) {
        take(build.store.value(node).map_err(|why| not_printed(&build, node, why))?);
    }
    Ok(Told { warnings: build.warnings, is_random: build.is_random })
}

/// Tells why an object cannot be printed, and of which object it is told.
fn not_printed(build: &Build<'_>, node: node::NodeId, why: String) -> BuildError {
    let repeated = write::repeated_keys(&build.store.write(node));
    let why = if repeated.is_empty() { why } else { format!("yaml: unmarshal errors:\n{}", repeated.join("\n")) };
    BuildError::new(format!("map[string]interface {{}}(nil): {why}"))
}

/// Does what is done once, at the top: hashes, references, vars, order, and taking off what was noted on the way.
fn finish(build: &mut Build<'_>, target: &Target<'_>, gathered: Gathered) -> Result<Objects, BuildError> {
    let mut objects = gathered.objects;
    transform::hash::add_hashes(build, &objects)?;
    transform::name_reference::fix_references(build, &objects, &gathered.config.name_reference)?;
    if !gathered.vars.is_empty() {
        let values = transform::vars::values(build, &objects, &gathered.vars)?;
        let used = transform::vars::expand(build, &objects, &values, &gathered.config.var_reference)?;
        let unused: Vec<&str> = values.keys().filter(|name| !used.contains(*name)).map(String::as_str).collect();
        if !unused.is_empty() {
            build.warnings.push(format!("well-defined vars that were never replaced: {}", unused.join(",")));
        }
    }
    drop_local(build, &mut objects)?;
    let mut objects = sorted(build, target, objects)?;
    let spec = target.spec();
    let asks = |what: &str| spec.build_metadata.iter().any(|asked| asked == what);
    if build.options.managed_by_label || asks("managedByLabel") {
        let entry = ("app.kubernetes.io/managed-by".to_owned(), format!("kustomize-{}", build.options.version));
        let field =
            config::FieldSpec { path: "metadata/labels".to_owned(), create: true, ..config::FieldSpec::default() };
        transform::labels::set_entries(build, &objects, &[entry].into(), &[field])?;
    }
    objects.retain(|id| build.node(*id).is_some());
    for node in objects.iter().filter_map(|id| build.node(*id)).collect::<Vec<_>>() {
        let mut annotations = build.store.annotations(node);
        let had_some = !annotations.is_empty();
        for name in BUILD_ANNOTATIONS {
            annotations.remove(name);
        }
        if !asks("originAnnotations") {
            annotations.remove(ORIGIN);
        }
        if !asks("transformerAnnotations") {
            annotations.remove(TRANSFORMATIONS);
        }
        if had_some || !(asks("originAnnotations") && asks("transformerAnnotations")) {
            build.store.set_annotations(node, &annotations)?;
        }
    }
    Ok(objects)
}

/// Leaves out what is marked as being of use to the build alone.
fn drop_local(build: &Build<'_>, objects: &mut Objects) -> Result<(), BuildError> {
    const LOCAL: &str = "config.kubernetes.io/local-config";
    let mut names = Vec::with_capacity(objects.len());
    let mut kept = HashSet::new();
    for id in objects.iter().copied() {
        let Some(node) = build.node(id).filter(|node| !build.store[*node].is_empty()) else { continue };
        build.store.validate_metadata(node)?;
        let name = build.current_id(id).to_string();
        if build.store.annotation(node, LOCAL).is_none_or(|local| local == "false") {
            kept.insert(name.clone());
        }
        names.push((id, name));
    }
    // They go by their names: what is called as one that stays does stay, and of what goes each must have its own.
    let mut gone = HashSet::new();
    if let Some((_, name)) = names.iter().find(|(_, name)| !kept.contains(name) && !gone.insert(name)) {
        return Err(BuildError::new(format!("id {name} not found in removal")));
    }
    names.retain(|(_, name)| kept.contains(name));
    *objects = names.into_iter().map(|(id, _)| id).collect();
    Ok(())
}

fn sorted(build: &Build<'_>, target: &Target<'_>, objects: Objects) -> Result<Objects, BuildError> {
    let names = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>();
    let (first, last) = match &target.spec().sort_options {
        None if build.options.order == Order::None => return Ok(objects),
        None => (names(&order::FIRST), names(&order::LAST)),
        Some(options) => match (options.order.as_str(), &options.legacy) {
            ("fifo", None) => return Ok(objects),
            ("fifo", Some(_)) => {
                return Err(BuildError::new(
                    "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'",
                ));
            }
            ("legacy", None) => (names(&order::FIRST), names(&order::LAST)),
            ("legacy", Some(legacy)) => (legacy.first.clone(), legacy.last.clone()),
            _ => return Err(BuildError::new("the field 'sortOptions.order' must be one of [fifo, legacy]")),
        },
    };
    let ids: Vec<_> = objects.iter().map(|id| build.current_id(*id)).collect();
    let order = order::legacy_order(&ids, &first, &last);
    let mut sorted = Objects::with_capacity(objects.len());
    build
        .append_all(&mut sorted, &order.into_iter().map(|at| objects[at]).collect::<Vec<_>>())
        .map_err(|error| error.within("SortOrderTransformer: Failed to append to resources"))?;
    Ok(sorted)
}
