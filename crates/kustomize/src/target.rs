//! A kustomization and all that it names, put together.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use bowline_model::KUSTOMIZATION_FILES;

use crate::build::{Build, Names, ObjectId, Objects};
use crate::config::Config;
use crate::configurations::{load_configurations, load_crds};
use crate::error::BuildError;
use crate::generate::{Generated, generate};
use crate::id::{Gvk, ResId};
use crate::kustomization::{self, COMPONENT, GeneratorArgs, GeneratorOptions, Kustomization, Var};
use crate::loader::Loader;
use crate::node::NodeId;
use crate::origin::{ConfiguredBy, Origin, set_origins};
use crate::plugins::{self, Generator};
use crate::read::read_objects;
use crate::resource::ORIGIN;
use crate::steps::{self, Planned, in_file};

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

/// What was put together of a base, kept for the next that names it.
pub(crate) struct Kept {
    nodes: Vec<(NodeId, Vec<String>)>,
    config: Arc<Config>,
    vars: BTreeMap<String, Var>,
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
            if as_file.is_final() {
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

    fn run_generators(&self, build: &mut Build<'_>, memory: &mut Memory, all: &mut Gathered) -> Result<(), BuildError> {
        let spec = self.spec();
        let mut generators: Vec<(Generator, Option<Origin>)> = Vec::new();
        for (what, kind, entries) in [
            (Generated::ConfigMap, "ConfigMapGenerator", &spec.config_map_generator),
            (Generated::Secret, "SecretGenerator", &spec.secret_generator),
        ] {
            for args in entries {
                let options = GeneratorOptions::with_global(args.options.clone(), spec.generator_options.as_ref());
                let args = GeneratorArgs { options, ..args.clone() };
                generators.push((Generator::Pairs(what, Box::new(args)), self.origin_of(kind)));
            }
        }
        for chart in &spec.helm_charts {
            crate::helm::check(build, chart)?;
            generators.push((Generator::Chart(Box::new(chart.clone())), self.origin_of("HelmChartInflationGenerator")));
        }
        let within = |error: BuildError| error.within("loading generator plugins");
        for id in self.plugin_objects(build, memory, &spec.generators).map_err(within)? {
            let load = |error: BuildError| within(error.within("failed to load generator"));
            let generator = plugins::generator(build, id).map_err(load)?;
            let origin = plugin_origin(build, id)?;
            generators.push((generator, origin));
        }
        for (generator, origin) in generators {
            let objects = self.generated(build, &generator)?;
            set_origins(build, &objects, origin.as_ref())?;
            let id = objects.first().map(|id| build.current_id(*id));
            build.absorb_all(&mut all.objects, &objects).map_err(|error| {
                let what = id.map_or_else(String::new, |id| id.to_string());
                error.within(format!("merging from generator {what}"))
            })?;
        }
        Ok(())
    }

    fn generated(&self, build: &mut Build<'_>, generator: &Generator) -> Result<Objects, BuildError> {
        match generator {
            Generator::Pairs(what, args) => {
                let node = generate(&mut build.store, &self.loader, *what, args)?;
                Ok(vec![build.add(node)])
            }
            Generator::IamPolicy(policy) => {
                let nodes = read_objects(&mut build.store, policy.text()?.as_bytes())?;
                Ok(nodes.into_iter().map(|node| build.add(node)).collect())
            }
            Generator::Chart(chart) => crate::helm::render(build, self, chart),
        }
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

    fn merge_vars(&self, build: &mut Build<'_>, all: &mut Gathered) -> Result<(), BuildError> {
        let Some(vars) = &self.spec().vars else { return Ok(()) };
        let shown: Vec<String> = vars.iter().map(crate::transform::vars::shown).collect();
        let within = |error: BuildError| error.within(format!("merging vars [{}]", shown.join(" ")));
        for var in vars {
            let target = var_id(var);
            let by_name = target.namespace.is_empty() && !target.gvk.is_cluster_scoped;
            let fits = |id: &ResId| if by_name { target.is_of_same_name(id) } else { target.equals(id) };
            let matched = build.matching_any_id(&all.objects, &fits);
            if matched.len() > 1 {
                return Err(within(BuildError::new(format!(
                    "found {} resId matches for var {} (unable to disambiguate)",
                    matched.len(),
                    crate::transform::vars::shown(&with_gvk(var))
                ))));
            }
            if let [one] = matched[..] {
                build.add_var_name(one, &var.name);
            }
        }
        for var in vars {
            let mut var = with_gvk(var);
            if var.fieldref.field_path.is_empty() {
                "metadata.name".clone_into(&mut var.fieldref.field_path);
            }
            all.merge_var(var).map_err(within)?;
        }
        Ok(())
    }
}

/// A var with the group and version that its API version says.
fn with_gvk(var: &Var) -> Var {
    let gvk = var_id(var).gvk;
    let mut var = var.clone();
    (var.objref.group, var.objref.version) = (gvk.group, gvk.version);
    var
}

/// Puts words in front of a message, unless a limit was passed: that is told alone.
fn wrapped(error: BuildError, prefix: &str) -> BuildError {
    if error.is_final() { error } else { error.within(prefix) }
}

fn var_id(var: &Var) -> ResId {
    let target = &var.objref;
    let mut gvk = Gvk {
        group: target.group.clone(),
        version: target.version.clone(),
        kind: target.kind.clone(),
        is_cluster_scoped: false,
    };
    match target.api_version.split('/').collect::<Vec<_>>()[..] {
        [""] => {}
        [version] => version.clone_into(&mut gvk.version),
        [group, version] => {
            group.clone_into(&mut gvk.group);
            version.clone_into(&mut gvk.version);
        }
        _ => {}
    }
    ResId { gvk, name: target.name.clone(), namespace: target.namespace.clone() }
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

/// Reads the one kustomization file of a directory.
fn read_kustomization(build: &mut Build<'_>, loader: &Loader<'_>) -> Result<(Kustomization, &'static str), BuildError> {
    let mut found = None;
    for name in KUSTOMIZATION_FILES {
        if loader.may_have(name)
            && let Ok(content) = loader.load(name)
            && found.replace((content, name)).is_some()
        {
            return Err(BuildError::new(format!("Found multiple kustomization files under: {}\n", loader.root())));
        }
    }
    let Some((content, name)) = found else {
        let names = KUSTOMIZATION_FILES.map(|name| format!("'{name}'"));
        return Err(BuildError::new(format!(
            "unable to find one of {}, {} or {} in directory '{}'",
            names[0],
            names[1],
            names[2],
            loader.root()
        )));
    };
    let (spec, warnings) = kustomization::parse(&content)?;
    build.warnings.extend(warnings);
    let wrong = spec.enforce_fields();
    if !wrong.is_empty() {
        return Err(BuildError::new(format!(
            "Failed to read kustomization file under {}:\n{}",
            loader.root(),
            wrong.join("\n")
        )));
    }
    Ok((spec, name))
}

fn keep(build: &mut Build<'_>, gathered: &Gathered) -> Kept {
    let mut copies = HashMap::new();
    let objects: Vec<_> =
        gathered.objects.iter().filter_map(|id| Some((build.node(*id)?, build.var_names(*id).to_vec()))).collect();
    let nodes = objects.into_iter().map(|(node, names)| (build.store.copy_exactly(node, &mut copies), names)).collect();
    Kept { nodes, config: Arc::clone(&gathered.config), vars: gathered.vars.clone() }
}

fn restore(build: &mut Build<'_>, kept: &Kept) -> Gathered {
    let mut copies = HashMap::new();
    let mut objects = Objects::with_capacity(kept.nodes.len());
    for (node, names) in &kept.nodes {
        let node = build.store.copy_exactly(*node, &mut copies);
        let id = build.add(node);
        for name in names {
            build.add_var_name(id, name);
        }
        objects.push(id);
    }
    Gathered { objects, config: Arc::clone(&kept.config), vars: kept.vars.clone() }
}
