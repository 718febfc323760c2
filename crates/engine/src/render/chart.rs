//! A Helm chart in a source, rendered as Argo CD has Helm render it, or as Helm renders a release.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use bowline_helm::build::Locking;
use bowline_helm::capabilities::{Capabilities, KubeVersion};
use bowline_helm::chart::{Chart, LoadError, load_directory};
use bowline_helm::engine::{Execution, Release};
use bowline_helm::functions::{Host, Random, Used};
use bowline_helm::template::{self, TemplateError};
use bowline_helm::values::Table;
use bowline_manifest::{Limits, directory, read_printed};
use bowline_model::{
    ChartOptions, ChartReport, Failure, LastRelease, Location, PostRendering, Reason, ReleaseStep, Revision, Unstable,
};
use bowline_tree::{EntryKind, Tree, TreeError, TreePath};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::release::Step;
use super::unstable::differences;
use super::values::ValueFiles;
use super::{Written, complete};

/// What a chart sees beside its files and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// The version of Kubernetes.
    pub(crate) kube_version: String,
    /// What the cluster serves.
    pub(crate) api_versions: Arc<BTreeSet<String>>,
}

/// Time and chance, as templates see them.
///
/// Both are the same each time a revision is rendered for an app: what is rendered again, because nothing that
/// is wanted is kept at rest, must not differ.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chance {
    /// Seconds since 1970: when the commit was made.
    pub(crate) now: i64,
    /// What random values come from.
    pub(crate) seed: [u8; 32],
}

impl Chance {
    /// Another time and other chances, to find out what comes of them.
    fn other(&self) -> Self {
        Self { now: self.now + SOME_TIME_SECS, seed: self.seed.map(|byte| !byte) }
    }
}

/// Another second, minute, hour, day, month and year.
const SOME_TIME_SECS: i64 = 400 * 86_400 + 3_661;

/// What a chart was rendered to.
pub(super) struct RenderedChart {
    pub(super) objects: Vec<Written>,
    pub(super) report: ChartReport,
    /// Templates made use of chance: another render gives something else.
    pub(super) is_random: bool,
    /// What comes of time or chance.
    pub(super) unstable: Vec<Unstable>,
}

/// What a chart is rendered with, beside its files.
pub(super) struct Context<'a> {
    pub(super) surroundings: &'a Surroundings,
    /// The revision of the chart's source.
    pub(super) revision: Option<&'a Revision>,
    pub(super) chance: &'a Chance,
    /// The release before this one.
    pub(super) last: Option<&'a LastRelease>,
    /// Sources that files of values may be taken from, by name.
    pub(super) others: &'a [(&'a str, &'a dyn Tree)],
    /// Puts into a chart what it asks for and does not hold.
    pub(super) complete: &'a Complete<'a>,
}

type Complete<'a> = dyn Fn(&mut Chart, &TreePath, Locking) -> Result<(), Failure> + 'a;

/// Renders the chart of a source.
pub(super) fn chart(tree: &dyn Tree, options: &ChartOptions, context: &Context<'_>) -> Result<RenderedChart, Failure> {
    let capabilities = capabilities(options, context.surroundings)?;
    let top = top(tree, options)?;
    let files = ValueFiles::new(tree, &top, options, context.others);
    let values = files.values(context.revision)?;
    let mut chart = load_directory(tree, &top).map_err(|error| not_loaded(&top, &error))?;
    // Flux goes by whatever the lock says; Argo CD has Helm build, which wants a lock of these dependencies.
    let locking = if options.releases.is_some() { Locking::Trusted } else { Locking::Honoured };
    (context.complete)(&mut chart, &top, locking)?;
    if let Some(defaults) = files.defaults()? {
        chart.values = defaults;
    }
    let work = Work {
        options,
        capabilities: &capabilities,
        values: &values,
        chart: &chart,
        top: &top,
        context,
        chance: context.chance.clone(),
        used: Cell::default(),
    };
    let (objects, step) = work.objects()?;
    let used = work.used.get();
    let unstable = if used.is_deterministic() {
        Vec::new()
    } else {
        let other = Work { chance: work.chance.other(), used: Cell::default(), ..work };
        other.step(step).map(|other| differences(&objects, &other)).unwrap_or_default()
    };
    let report = ChartReport {
        name: chart.name().to_owned(),
        version: chart.metadata.version.clone(),
        app_version: chart.metadata.app_version.clone(),
        release: step.map_or(1, |(_, number)| number),
        config_digest: options.releases.as_ref().map(|rules| rules.config_digest.clone()).unwrap_or_default(),
    };
    Ok(RenderedChart { objects, report, is_random: used.random, unstable })
}

/// Finds the directory of the chart.
fn top(tree: &dyn Tree, options: &ChartOptions) -> Result<TreePath, Failure> {
    let top = directory(tree, &options.path).map_err(|problem| Failure::of(&problem))?;
    if !options.is_archive {
        return Ok(top);
    }
    let unreadable = |error: TreeError| Failure::new(Reason::SourceUnreadable, error.to_string());
    if tree.entry(&top.child("Chart.yaml")).map_err(unreadable)?.is_some() {
        return Ok(top);
    }
    let entries = tree.list(&top).map_err(unreadable)?;
    let mut directories = entries.iter().filter(|entry| entry.kind == EntryKind::Directory);
    match (directories.next(), directories.next()) {
        (Some(only), None) => Ok(top.child(&only.name)),
        _ => Err(Failure::new(Reason::InvalidManifest, "the artifact is no chart: it has no `Chart.yaml`")),
    }
}

/// A step of a release, and the release's number.
type Numbered<'a> = (&'a ReleaseStep, u32);

/// A chart and all that it is rendered with.
struct Work<'a> {
    options: &'a ChartOptions,
    capabilities: &'a Capabilities,
    values: &'a Table,
    chart: &'a Chart,
    top: &'a TreePath,
    context: &'a Context<'a>,
    chance: Chance,
    /// What templates made use of.
    used: Cell<Used>,
}

impl<'a> Work<'a> {
    /// Returns the objects, and the step of a release that they are, with its number; `None` where there are no
    /// releases.
    ///
    /// Where installs are told from upgrades, a chart that renders to what the last release is goes on being that one:
    /// it is rendered with that number, and again with the next where something else comes of it.
    fn objects(&self) -> Result<(Vec<Written>, Option<Numbered<'a>>), Failure> {
        let made = |step| Ok((self.step(step)?, step));
        let Some(rules) = &self.options.releases else { return made(None) };
        let Some(last) = self.context.last else { return made(Some((&rules.install, 1))) };
        let step = Some((if last.number > 1 { &rules.upgrade } else { &rules.install }, last.number));
        if let Ok(objects) = self.step(step)
            && super::digest(&objects) == last.digest
        {
            return Ok((objects, step));
        }
        made(Some((&rules.upgrade, last.number.saturating_add(1))))
    }

    fn step(&self, step: Option<Numbered<'_>>) -> Result<Vec<Written>, Failure> {
        match step {
            Some((rules, number)) => self.release(rules, number),
            None => self.template(),
        }
    }

    /// What `helm template` prints, with hooks among the objects.
    fn template(&self) -> Result<Vec<Written>, Failure> {
        let rendered = self.render(1, self.options.skip_schema)?;
        let crds =
            rendered.crds.iter().filter(|_| !self.options.skip_crds).map(|(path, text)| (path.as_str(), &**text));
        let manifests = rendered.sorted.manifests.iter();
        let hooks = rendered.sorted.hooks.iter().filter(|hook| !(self.options.skip_tests && hook.is_test()));
        let texts = manifests.chain(hooks).map(|manifest| (manifest.path.as_str(), manifest.content.as_bytes()));
        let objects = complete(read_printed(crds.chain(texts), &Limits::default()))?;
        Ok(objects.into_iter().map(|(object, at)| Written::new((object, self.here(at)))).collect())
    }

    fn release(&self, rules: &ReleaseStep, number: u32) -> Result<Vec<Written>, Failure> {
        let rendered = self.render(number, rules.skip_schema)?;
        let nothing = PostRendering::default();
        let step = Step {
            rules,
            post: self.options.releases.as_ref().map_or(&nothing, |releases| &releases.post),
            is_upgrade: number > 1,
            name: &self.options.release,
            namespace: self.namespace(),
        };
        step.objects(&rendered, &|at| self.here(at))
    }

    fn render(&self, number: u32, skip_schema: bool) -> Result<template::Rendered, Failure> {
        let rng = StdRng::from_seed(self.chance.seed);
        let mut host = Host::new((self.chance.now, 0), random(rng));
        let mut execution = Execution::new(&mut host);
        let release = Release {
            name: self.options.release.clone(),
            namespace: self.namespace().to_owned(),
            is_upgrade: number > 1,
            revision: i64::from(number),
        };
        let wanted = template::Options { release, capabilities: self.capabilities.clone(), skip_schema };
        let rendered = template::template(self.chart.clone(), self.values, &wanted, &mut execution);
        drop(execution);
        let used = self.used.get();
        self.used.set(Used {
            time: used.time || host.used.time,
            random: used.random || host.used.random,
            lookup: used.lookup || host.used.lookup,
        });
        rendered.map_err(|error| not_rendered(self.chart.name(), self.top, &error))
    }

    fn namespace(&self) -> &str {
        if self.options.namespace.is_empty() { "default" } else { &self.options.namespace }
    }

    /// A line is one of what was rendered, not of the file: only the file is told.
    fn here(&self, at: Location) -> Location {
        Location { file: in_source(self.chart.name(), self.top, &at.file), line: None, column: None }
    }
}

pub(super) fn random(mut rng: StdRng) -> Random {
    Box::new(move |bytes| rng.fill_bytes(bytes))
}

/// The chart's idea of a file, which begins with the chart's name, as a path of the source.
fn in_source(name: &str, top: &TreePath, file: &str) -> String {
    let below = file.strip_prefix(name).unwrap_or(file).trim_start_matches('/');
    if top.is_root() { below.to_owned() } else { format!("{top}/{below}") }
}

/// Reads a version of Kubernetes; `None` of an empty one. A cluster's own suffix is not part of what charts are told.
pub(super) fn kube_version(wanted: &str) -> Result<Option<KubeVersion>, Failure> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let version = KubeVersion::parse(wanted)
        .map_err(|error| Failure::new(Reason::InvalidSpec, error.to_string()).help("say a version as `1.34.0`"))?;
    Ok(Some(KubeVersion { version: version.normalized.clone(), ..version }))
}

fn capabilities(options: &ChartOptions, surroundings: &Surroundings) -> Result<Capabilities, Failure> {
    let mut capabilities = Capabilities::default();
    let wanted = if options.kube_version.is_empty() { &surroundings.kube_version } else { &options.kube_version };
    if let Some(version) = kube_version(wanted)? {
        capabilities.kube_version = version;
    }
    if options.api_versions.is_empty() {
        capabilities.api_versions.extend(surroundings.api_versions.iter().cloned());
    } else {
        capabilities.api_versions.extend(options.api_versions.iter().cloned());
    }
    Ok(capabilities)
}

fn not_loaded(top: &TreePath, error: &LoadError) -> Failure {
    let reason = match error {
        LoadError::Tree(_) => Reason::SourceUnreadable,
        _ => Reason::InvalidManifest,
    };
    Failure::new(reason, format!("the chart cannot be loaded: {error}")).at(Location {
        file: top.to_string(),
        line: None,
        column: None,
    })
}

fn not_rendered(name: &str, top: &TreePath, error: &TemplateError) -> Failure {
    let told = error.explain();
    let message = match told.at {
        Some(at) => format!("{}: {}", in_source(name, top, &at), told.why),
        None => told.why,
    };
    let failure = Failure::new(Reason::InvalidManifest, message);
    match told.help {
        Some(help) => failure.help(help),
        None => failure,
    }
}
