//! A Helm chart in a source, rendered as Argo CD has Helm render it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bowline_helm::capabilities::{Capabilities, KubeVersion};
use bowline_helm::chart::{LoadError, load_directory};
use bowline_helm::engine::{Execution, Release};
use bowline_helm::functions::{Host, Random};
use bowline_helm::template::{self, TemplateError};
use bowline_helm::values::ValueSources;
use bowline_manifest::{Limits, directory, read_printed};
use bowline_model::{ChartOptions, Failure, Location, ParameterKind, Reason, Revision, RevisionText};
use bowline_tree::{Tree, TreePath};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::values::{INLINE_VALUES, ValueFiles};
use super::{Written, complete};

/// What a chart sees beside its files and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// The version of Kubernetes.
    pub(crate) kube_version: String,
    /// What the cluster serves.
    pub(crate) api_versions: Arc<BTreeSet<String>>,
    /// The revision, where the options name it; every revision is the same to others.
    pub(crate) revision: Option<Revision>,
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

pub(super) fn chart(
    tree: &dyn Tree,
    options: &ChartOptions,
    surroundings: &Surroundings,
    chance: &Chance,
) -> Result<Written, Failure> {
    let capabilities = capabilities(options, surroundings)?;
    let top = directory(tree, &options.path).map_err(|problem| Failure::of(&problem))?;
    let files = ValueFiles::new(tree, &top, options);
    let values = sources(&files, options, surroundings)?
        .merge(&|name| files.read(name))
        .map_err(|error| invalid(error).help("mend the values, or the files of values that the source names"))?;
    let chart = load_directory(tree, &top).map_err(|error| not_loaded(&top, &error))?;
    let name = chart.name().to_owned();
    let rng = StdRng::from_seed(chance.seed);
    let mut host = Host::new((chance.now, 0), random(rng));
    let mut execution = Execution::new(&mut host);
    let namespace = if options.namespace.is_empty() { "default" } else { &options.namespace };
    let release =
        Release { name: options.release.clone(), namespace: namespace.to_owned(), is_upgrade: false, revision: 1 };
    let wanted = template::Options { release, capabilities, skip_schema: options.skip_schema };
    let rendered = template::template(chart, &values, &wanted, &mut execution)
        .map_err(|error| not_rendered(&name, &top, &error))?;
    let crds = rendered.crds.iter().filter(|_| !options.skip_crds).map(|(path, text)| (path.as_str(), &**text));
    let manifests = rendered.sorted.manifests.iter();
    let hooks = rendered.sorted.hooks.iter().filter(|hook| !(options.skip_tests && hook.is_test()));
    let texts = manifests.chain(hooks).map(|manifest| (manifest.path.as_str(), manifest.content.as_bytes()));
    // A line is one of what was rendered, not of the file: only the file is told.
    complete(read_printed(crds.chain(texts), &Limits::default())).map(|objects| {
        let here = |at: Location| Location { file: in_source(&name, &top, &at.file), line: None, column: None };
        objects.into_iter().map(|(object, at)| (object, here(at))).collect()
    })
}

fn random(mut rng: StdRng) -> Random {
    Box::new(move |bytes| rng.fill_bytes(bytes))
}

/// The chart's idea of a file, which begins with the chart's name, as a path of the source.
fn in_source(name: &str, top: &TreePath, file: &str) -> String {
    let below = file.strip_prefix(name).unwrap_or(file).trim_start_matches('/');
    if top.is_root() { below.to_owned() } else { format!("{top}/{below}") }
}

fn capabilities(options: &ChartOptions, surroundings: &Surroundings) -> Result<Capabilities, Failure> {
    let mut capabilities = Capabilities::default();
    let wanted = if options.kube_version.is_empty() { &surroundings.kube_version } else { &options.kube_version };
    if !wanted.is_empty() {
        let version = KubeVersion::parse(wanted)
            .map_err(|error| Failure::new(Reason::InvalidSpec, error.to_string()).help("say a version as `1.34.0`"))?;
        // A cluster's own suffix is not part of what charts are told.
        capabilities.kube_version = KubeVersion { version: version.normalized.clone(), ..version };
    }
    if options.api_versions.is_empty() {
        capabilities.api_versions.extend(surroundings.api_versions.iter().cloned());
    } else {
        capabilities.api_versions.extend(options.api_versions.iter().cloned());
    }
    Ok(capabilities)
}

/// Puts the options in the form of Helm's flags.
fn sources(
    files: &ValueFiles<'_>,
    options: &ChartOptions,
    surroundings: &Surroundings,
) -> Result<ValueSources, Failure> {
    let at = |text: &RevisionText| match &surroundings.revision {
        Some(revision) => text.at(revision),
        None => text.at(&Revision::of_commit("")),
    };
    let names: Vec<String> = options.value_files.iter().map(at).collect();
    let mut sources = ValueSources { files: files.expand(&names)?, ..ValueSources::default() };
    if !options.values.is_empty() {
        sources.files.push(INLINE_VALUES.to_owned());
    }
    for parameter in &options.parameters {
        let line = format!("{}={}", parameter.name, at(&parameter.value));
        match parameter.kind {
            ParameterKind::Guessed => sources.set.push(line),
            ParameterKind::Text => sources.strings.push(line),
            ParameterKind::File => sources.set_files.push(line),
        }
    }
    Ok(sources)
}

fn invalid(error: impl std::fmt::Display) -> Failure {
    Failure::new(Reason::InvalidSpec, error.to_string())
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
