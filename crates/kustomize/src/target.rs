//! A kustomization and all that it names, put together.

mod generators;
mod kept;
mod read;
mod vars;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use crate::build::{Build, Names, ObjectId, Objects};
use crate::config::Config;
use crate::configurations::{load_configurations, load_crds};
use crate::error::BuildError;
use crate::kustomization::{COMPONENT, Kustomization, Var};
use crate::loader::Loader;
use crate::node::NodeId;
use crate::origin::{ConfiguredBy, Origin, set_origins};
use crate::plugins;
use crate::read::read_objects;
use crate::resource::ORIGIN;
use crate::steps::{self, Planned, in_file};
use kept::{Kept, keep, restore};
use read::read_kustomization;

/// Kustomizations that one build may go through, each as often as it is gone through.
const MAX_VISITS: usize = 10_000;

/// What has been put together so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gathered {
    pub(crate) objects: Objects,
    pub(crate) config: Arc<Config>,
    pub(crate) vars: BTreeMap<String, Var>,
}

impl Gathered {
    fn merge_config(&mut self, other: &Arc<Config>) -> Result<(), BuildError> {
        // Nearly always all have the default fields and nothing else.
        if Arc::ptr_eq(&self.config, other) {
            return Ok(());
        }
        let is_new = self.config.name_prefix.is_empty() && self.config.name_reference.is_empty();
        if is_new && Arc::ptr_eq(other, &Config::default_fields()) {
            self.config = Arc::clone(other);
            return Ok(());
        }
        Arc::make_mut(&mut self.config).merge(other)
    }

    fn merge_var(&mut self, var: Var) -> Result<(), BuildError> {
        if self.vars.contains_key(&var.name) {
            return Err(BuildError::new(format!("var '{}' already encountered", var.name)));
        }
        self.vars.insert(var.name.clone(), var);
        Ok(())
    }
}

/// A directory, the namespace that its charts inherit, and where it is named.
type Place = (String, String, Option<Origin>);

/// What one build remembers of its kustomizations.
#[derive(Default)]
pub(crate) struct Memory {
    parsed: HashMap<String, Rc<(Kustomization, &'static str)>>,
    /// How often bases were put together, and what came of those that were more than once.
    bases: HashMap<Place, (usize, Option<Rc<Kept>>)>,
    visits: usize,
}

/// One kustomization.
pub(crate) struct Target<'a> {
    pub(crate) kustomization: Rc<(Kustomization, &'static str)>,
    pub(crate) loader: Rc<Loader<'a>>,
    pub(crate) origin: Option<Origin>,
    build_metadata: Rc<Vec<String>>,
    pub(crate) helm_namespace: String,
}

impl<'a> Target<'a> {
    /// Reads the kustomization of a directory.
    pub(crate) fn load(build: &mut Build<'_>, memory: &mut Memory, loader: Loader<'a>) -> Result<Self, BuildError> {
        memory.visits += 1;
        if memory.visits > MAX_VISITS {
            return Err(BuildError::limit(
                format!("the build goes through more than the limit of {MAX_VISITS} kustomizations"),
                "name each base and component once",
            ));
        }
        let place = loader.root();
        let kustomization = match memory.parsed.get(&place) {
            Some(parsed) => Rc::clone(parsed),
            None => {
                let parsed = Rc::new(read_kustomization(build, &loader)?);
                memory.parsed.insert(place, Rc::clone(&parsed));
                parsed
            }
        };
        let build_metadata = Rc::new(kustomization.0.build_metadata.clone());
        Ok(Self { kustomization, loader: Rc::new(loader), origin: None, build_metadata, helm_namespace: String::new() })
    }

    pub(crate) fn spec(&self) -> &Kustomization {
        &self.kustomization.0
    }

    /// Begins to note origins, where that is asked for.
    pub(crate) fn begin_origins(&mut self) {
        self.origin = (!self.build_metadata.is_empty()).then(Origin::default);
    }

    /// Takes over which schemas hold.
    pub(crate) fn choose_schemas(&self, build: &mut Build<'_>, is_root: bool) -> Result<(), BuildError> {
        let openapi = self.spec().openapi.as_ref();
        let custom = match openapi.and_then(|openapi| openapi.get("path")) {
            Some(path) => Some(self.loader.load(path)?),
            None => None,
        };
        build.choose_schemas(openapi, custom.as_deref(), is_root)
    }

    /// Puts together what the kustomization names, and does to it what it says.
    pub(crate) fn gather(
        &self,
        build: &mut Build<'_>,
        memory: &mut Memory,
        mut all: Gathered,
    ) -> Result<Gathered, BuildError> {
        let spec = self.spec();
        self.add_resources(build, memory, &mut all, &spec.resources)
            .map_err(|error| wrapped(error, "accumulating resources"))?;
        let config = load_configurations(&self.loader, &spec.configurations)?;
        all.merge_config(&config)?;
        let crds = load_crds(&self.loader, &spec.crds)?;
        if let Some(crds) = crds {
            all.merge_config(&Arc::new(crds))?;
        }
        self.run_generators(build, memory, &mut all)?;
        for path in &spec.components {
            all = self
                .add_component(build, memory, all, path)
                .map_err(|error| wrapped(error, "accumulating components"))?;
        }
        self.run_transformers(build, memory, &mut all)?;
        self.run_validators(build, memory, &mut all)?;
        self.merge_vars(build, &mut all)?;
        Ok(all)
    }

    fn add_resources(
        &self,
        build: &mut Build<'_>,
        memory: &mut Memory,
        all: &mut Gathered,
        paths: &[String],
    ) -> Result<(), BuildError> {
        let mut names = build.names(&all.objects);
        for path in paths {
            let Err(as_file) = self.add_file(build, &mut names, all, path) else { continue };
            if as_file.is_final() || as_file.is_http() {
                return Err(as_file);
            }
            let within = |error: BuildError| {
                if error.is_final() { error } else { error.within(format!("accumulation err='{as_file}'")) }
            };
            let loader = match self.loader.open(path) {
                Ok(loader) => loader,
                Err(error) if as_file.is_malformed() && !error.is_final() => return Err(as_file),
                Err(error) => return Err(within(error)),
            };
            let base = self.base(build, memory, loader, path).map_err(within)?;
            build
                .append_new(&mut names, &mut all.objects, &base.objects)
                .and_then(|()| all.merge_config(&base.config))
                .and_then(|()| base.vars.into_values().try_for_each(|var| all.merge_var(var)))
                .map_err(|error| {
                    let root = self.loader.open(path).map_or_else(|_| path.clone(), |loader| loader.root());
                    within(error.within(format!("recursed merging from path '{root}'")))
                })?;
        }
        Ok(())
    }

    fn add_file(
        &self,
        build: &mut Build<'_>,
        names: &mut Names,
        all: &mut Gathered,
        path: &str,
    ) -> Result<(), BuildError> {
        let within = |error: BuildError| error.within(format!("accumulating resources from '{path}'"));
        let content = self.loader.load(path).map_err(|error| if error.is_final() { error } else { within(error) })?;
        let nodes = read_objects(&mut build.store, &content).map_err(|error| within(in_file(error, path)))?;
        build.check_size()?;
        let objects: Objects = nodes.into_iter().map(|node| build.add(node)).collect();
        build.append_all(&mut Objects::new(), &objects).map_err(within)?;
        if let Some(origin) = &self.origin {
            let text = origin.append(path).text();
            for node in objects.iter().filter_map(|id| build.node(*id)).collect::<Vec<_>>() {
                build.annotate_with_tag(node, ORIGIN, &text)?;
            }
        }
        build
            .append_new(names, &mut all.objects, &objects)
            .map_err(|error| error.within(format!("merging resources from '{path}'")))
    }

    /// Opens what a path of this kustomization names, which takes over what holds for all.
    fn child(
        &self,
        build: &mut Build<'_>,
        memory: &mut Memory,
        loader: Loader<'a>,
        path: &str,
        is_component: bool,
    ) -> Result<Self, BuildError> {
        let root = loader.root();
        let mut child = Target::load(build, memory, loader)
            .map_err(|error| wrapped(error, &format!("couldn't make target for path '{root}'")))?;
        child.build_metadata = Rc::clone(&self.build_metadata);
        child.origin = self.origin.as_ref().map(|origin| origin.append(path));
        child.helm_namespace =
            if self.spec().namespace.is_empty() { self.helm_namespace.clone() } else { self.spec().namespace.clone() };
        child.choose_schemas(build, false)?;
        match (is_component, child.spec().kind == COMPONENT) {
            (true, false) => Err(BuildError::new(format!(
                "expected kind '{COMPONENT}' for path '{root}' but got '{}'",
                child.spec().kind
            ))),
            (false, true) => Err(BuildError::new(format!("expected kind != '{COMPONENT}' for path '{root}'"))),
            _ => Ok(child),
        }
    }

    /// Puts a base together, or takes a copy of what came of it before.
    fn base(
        &self,
        build: &mut Build<'_>,
        memory: &mut Memory,
        loader: Loader<'a>,
        path: &str,
    ) -> Result<Gathered, BuildError> {
        let root = loader.root();
        let origin = self.origin.as_ref().map(|origin| origin.append(path));
        let helm_namespace =
            if self.spec().namespace.is_empty() { &self.helm_namespace } else { &self.spec().namespace };
        let key = (root.clone(), helm_namespace.clone(), origin);
        if let Some((_, Some(kept))) = memory.bases.get(&key) {
            return Ok(restore(build, &Rc::clone(kept)));
        }
        let child = self.child(build, memory, loader, path, false)?;
        let gathered = stacker::maybe_grow(256 << 10, 4 << 20, || child.gather(build, memory, Gathered::default()))
            .map_err(|error| wrapped(error, &format!("recursed accumulation of path '{root}'")))?;
        let (count, kept) = memory.bases.entry(key).or_default();
        *count += 1;
        if *count > 1 {
            *kept = Some(Rc::new(keep(build, &gathered)));
        }
        Ok(gathered)
    }

    fn add_component(
        &self,
        build: &mut Build<'_>,
        memory: &mut Memory,
        all: Gathered,
        path: &str,
    ) -> Result<Gathered, BuildError> {
        let loader = self.loader.open(path).map_err(|error| {
            if error.is_final() {
                error
            } else {
                let message = format!("loader.New {:?}", error.to_string());
                error.reworded(message)
            }
        })?;
        let root = loader.root();
        let quoted = |error: BuildError| {
            if error.is_final() || error.is_long() {
                return error;
            }
            let message = format!("accumulateDirectory: {:?}", error.to_string());
            error.reworded(message)
        };
        let child = self.child(build, memory, loader, path, true).map_err(quoted)?;
        let gathered = stacker::maybe_grow(256 << 10, 4 << 20, || child.gather(build, memory, all))
            .map_err(|error| quoted(wrapped(error, &format!("recursed accumulation of path '{root}'"))))?;
        // All is put into what is empty: names and fields that do not go together are found then.
        let mut merged = Gathered { vars: gathered.vars, ..Gathered::default() };
        build
            .append_all(&mut merged.objects, &gathered.objects)
            .and_then(|()| merged.merge_config(&gathered.config))
            .map_err(|error| quoted(wrapped(error, &format!("recursed merging from path '{root}'"))))?;
        Ok(merged)
    }

    fn origin_of(&self, kind: &str) -> Option<Origin> {
        self.origin.as_ref().map(|origin| origin.builtin(self.kustomization.1, kind))
    }

    /// The configurations of plugins: each entry is one, or the path of a file or base with some.
    fn plugin_objects(
        &self,
        build: &mut Build<'_>,
        memory: &mut Memory,
        entries: &[String],
    ) -> Result<Objects, BuildError> {
        let mut all = Gathered::default();
        let mut paths = Vec::new();
        for entry in entries {
            let Ok(nodes) = read_objects(&mut build.store, entry.as_bytes()) else {
                paths.push(entry.clone());
                continue;
            };
            let objects: Objects = nodes.into_iter().map(|node| build.add(node)).collect();
            if let Some(origin) = &self.origin {
                set_origins(build, &objects, Some(&origin.append(self.kustomization.1)))?;
            }
            build.append_all(&mut all.objects, &objects)?;
        }
        self.add_resources(build, memory, &mut all, &paths)?;
        Ok(all.objects)
    }

    fn run_transformers(
        &self,
        build: &mut Build<'_>,
        memory: &mut Memory,
        all: &mut Gathered,
    ) -> Result<(), BuildError> {
        let config = Arc::clone(&all.config);
        let mut planned = steps::plan(build, &self.loader, self.spec(), &config, &|kind| self.origin_of(kind))?;
        planned.extend(self.plugin_steps(build, memory, &self.spec().transformers)?);
        steps::take(build, &mut all.objects, &planned)
    }

    fn plugin_steps(
        &self,
        build: &mut Build<'_>,
        memory: &mut Memory,
        entries: &[String],
    ) -> Result<Vec<Planned<'static>>, BuildError> {
        let mut planned = Vec::new();
        for id in self.plugin_objects(build, memory, entries)? {
            let step = plugins::transformer(build, &self.loader, id)?;
            let origin = plugin_origin(build, id)?;
            planned.push(Planned { step, origin });
        }
        Ok(planned)
    }

    /// Validators may look at objects, and not change them.
    fn run_validators(&self, build: &mut Build<'_>, memory: &mut Memory, all: &mut Gathered) -> Result<(), BuildError> {
        for planned in self.plugin_steps(build, memory, &self.spec().validators)? {
            let before: Vec<String> = texts_without_mark(build, &all.objects);
            planned.step.apply(build, &mut all.objects)?;
            if before != texts_without_mark(build, &all.objects) {
                return Err(BuildError::new("validator shouldn't modify the resource map: nodes unequal"));
            }
        }
        Ok(())
    }
}

/// Puts words in front of a message, unless a limit was passed: that is told alone.
fn wrapped(error: BuildError, prefix: &str) -> BuildError {
    if error.is_final() { error } else { error.within(prefix) }
}

fn texts_without_mark(build: &Build<'_>, objects: &[ObjectId]) -> Vec<String> {
    let node_text = |node: NodeId| {
        let mut value = build.store.value(node).unwrap_or_default();
        let labels = value.get_mut("metadata").and_then(|metadata| metadata.get_mut("labels"));
        if let Some(labels) = labels.and_then(serde_json::Value::as_object_mut) {
            labels.remove("validated-by");
        }
        value.to_string()
    };
    objects.iter().filter_map(|id| build.node(*id).map(node_text)).collect()
}

fn plugin_origin(build: &Build<'_>, id: ObjectId) -> Result<Option<Origin>, BuildError> {
    let Some(node) = build.node(id) else { return Ok(None) };
    let Some(text) = build.store.annotation(node, ORIGIN) else { return Ok(None) };
    let own = build.store.current_id(node);
    let configured_by = ConfiguredBy {
        api_version: own.gvk.api_version(),
        kind: own.gvk.kind.clone(),
        name: own.name,
        namespace: own.namespace,
    };
    Origin::of_plugin(text, configured_by).map(Some)
}
