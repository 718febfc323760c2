//! Charts that a kustomization names, rendered from its chart home.

use std::fmt;
use std::sync::Arc;

use bowline_helm::capabilities::{Capabilities, KubeVersion};
use bowline_helm::chart::load_directory;
use bowline_helm::engine::{Execution, Release};
use bowline_helm::functions::{Host, Random};
use bowline_helm::template::{self, Printing};
use bowline_helm::values::ValueSources;
use bowline_helm::{functions, release_name};
use bowline_tree::{EntryKind, Tree, TreePath, resolve};
use serde_json::Value;

use crate::build::{Build, Objects};
use crate::error::BuildError;
use crate::kustomization::HelmChart;
use crate::merge::{NewItems, merge};
use crate::read::{read_objects, read_one};
use crate::remote::{RemoteChart, Remotes};
use crate::resource::HELM_GENERATED;
use crate::target::Target;

/// Lets charts be rendered: what their templates see of the world.
#[derive(Clone)]
pub struct Charts {
    /// The time, in seconds since 1970 and nanoseconds.
    pub now: (i64, u32),
    /// Makes a source of random bytes for each chart.
    pub random: Arc<dyn Fn() -> Random + Send + Sync>,
    /// The version of Kubernetes, in place of what charts are named with.
    pub kube_version: String,
    /// What the cluster serves, in place of what charts are named with.
    pub api_versions: Vec<String>,
}

impl fmt::Debug for Charts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charts").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Refuses charts where they are not allowed, and those that are named wrongly.
pub(crate) fn check(build: &Build<'_>, chart: &HelmChart) -> Result<(), BuildError> {
    let wrong = if build.options.charts.is_none() {
        "must specify --enable-helm".to_owned()
    } else if chart.name.is_empty() {
        "chart name cannot be empty".to_owned()
    } else if chart.release_name.starts_with('-') {
        format!("releaseName must not start with '-', got {:?}", chart.release_name)
    } else if chart.name.starts_with('-') {
        format!("chart name must not start with '-', got {:?}", chart.name)
    } else if !matches!(chart.values_merge.as_str(), "" | "merge" | "override" | "replace") {
        "valuesMerge must be one of [merge override replace]".to_owned()
    } else {
        return Ok(());
    };
    Err(BuildError::new(wrong).within("trouble configuring builtin HelmChartInflationGenerator"))
}

/// Renders a chart.
pub(crate) fn render(build: &mut Build<'_>, target: &Target<'_>, chart: &HelmChart) -> Result<Objects, BuildError> {
    let Some(charts) = build.options.charts.clone() else { return Err(BuildError::new("must specify --enable-helm")) };
    let home = home(target, chart);
    let found = find(target, build.options.remotes, chart, &home)?;
    let values = values(build, target, chart, &home, &found)?;
    let mut capabilities = Capabilities::default();
    let kube_version = if charts.kube_version.is_empty() { &chart.kube_version } else { &charts.kube_version };
    if !kube_version.is_empty() {
        capabilities.kube_version =
            KubeVersion::parse(kube_version).map_err(|error| BuildError::new(error.to_string()))?;
    }
    let api_versions = if charts.api_versions.is_empty() { &chart.api_versions } else { &charts.api_versions };
    capabilities.api_versions.extend(api_versions.iter().cloned());
    let loaded = match &found {
        Found::Here(directory) => load_directory(target.loader.tree(), directory),
        Found::Fetched(tree) => load_directory(tree.as_ref(), &TreePath::root()),
    };
    let loaded = loaded.map_err(|error| BuildError::new(error.to_string()))?;
    let mut host = Host::new(charts.now, (charts.random)());
    let name = match (chart.name_template.is_empty(), chart.release_name.is_empty()) {
        (false, _) => release_name(&chart.name_template, functions::table(), &mut host).map_err(BuildError::new)?,
        (true, false) => chart.release_name.clone(),
        // As Helm makes one of its own.
        (true, true) => format!("{}-{}", chart.name.rsplit('/').next().unwrap_or(&chart.name), charts.now.0),
    };
    let namespace =
        [&chart.namespace, &target.spec().namespace, &target.helm_namespace].into_iter().find(|it| !it.is_empty());
    let namespace = namespace.map_or("default", String::as_str).to_owned();
    let release = Release { name, namespace, is_upgrade: false, revision: 1 };
    let mut execution = Execution::new(&mut host);
    let wanted = template::Options { release, capabilities, skip_schema: false };
    let rendered = template::template(loaded, &values, &wanted, &mut execution).map_err(|error| {
        BuildError::new(error.to_string()).within(format!("chart `{}` in {}", chart.name, target.loader.root()))
    })?;
    build.is_random |= host.used.random;
    let printing = Printing { crds: chart.include_crds, hooks: !chart.skip_hooks, tests: !chart.skip_tests };
    let nodes = read_objects(&mut build.store, &rendered.print(printing))?;
    let objects: Objects = nodes.iter().map(|node| build.add(*node)).collect();
    build.append_all(&mut Objects::new(), &objects)?;
    for node in nodes {
        build.store.annotate(node, HELM_GENERATED, "true")?;
    }
    Ok(objects)
}

/// The directory that charts are in, from the kustomization's own.
fn home(target: &Target<'_>, chart: &HelmChart) -> String {
    let globals = target.spec().helm_globals.as_ref();
    let home = globals.map(|globals| globals.chart_home.as_str()).filter(|home| !home.is_empty()).unwrap_or("charts");
    if chart.version.is_empty() || chart.repo.is_empty() {
        home.to_owned()
    } else {
        format!("{home}/{}-{}", chart.name, chart.version)
    }
}

/// Where a chart is.
enum Found {
    /// In the chart home.
    Here(TreePath),
    /// In its repository: the top is the chart's own directory.
    Fetched(Arc<dyn Tree>),
}

/// Looks in the chart home first: a chart that is there is not fetched, as with Kustomize.
fn find(
    target: &Target<'_>,
    remotes: Option<&dyn Remotes>,
    chart: &HelmChart,
    home: &str,
) -> Result<Found, BuildError> {
    let outside = || {
        BuildError::new(format!(
            "security; chart home '{home}' is not in or below the source of '{}'",
            target.loader.root()
        ))
        .with_help("keep charts in the source itself")
    };
    if home.starts_with('/') {
        return Err(outside());
    }
    let path = target.loader.root_path().join(&format!("{home}/{}", chart.name)).map_err(|_| outside())?;
    match resolve(target.loader.tree(), &path) {
        Ok(found) if found.kind == Some(EntryKind::Directory) => return Ok(Found::Here(found.path)),
        Err(error) => return Err(BuildError::new(error.to_string())),
        Ok(_) if chart.repo.is_empty() => {
            return Err(BuildError::new("no repo specified for pull, no chart found at ''"));
        }
        Ok(_) => {}
    }
    let Some(remotes) = remotes else {
        let (name, repository) = (&chart.name, &chart.repo);
        return Err(BuildError::remote(format!(
            "the chart `{name}` of `{repository}` is remote, and nothing is fetched here"
        ))
        .with_help("put the chart into the kustomization's chart home"));
    };
    let wanted = RemoteChart {
        repository: &chart.repo,
        name: &chart.name,
        version: &chart.version,
        takes_pre_releases: chart.devel,
    };
    let within = |why: String| BuildError::new(why).within(format!("chart `{}` of `{}`", chart.name, chart.repo));
    remotes.chart(&wanted).map(Found::Fetched).map_err(within)
}

/// The values of a chart: those of a file, with those in the kustomization over or under them.
fn values(
    build: &mut Build<'_>,
    target: &Target<'_>,
    chart: &HelmChart,
    home: &str,
    found: &Found,
) -> Result<bowline_helm::Table, BuildError> {
    let load = || match found {
        _ if !chart.values_file.is_empty() => target.loader.load(&chart.values_file),
        Found::Here(_) => target.loader.load(&format!("{home}/{}/values.yaml", chart.name)),
        Found::Fetched(tree) => {
            tree.read(&TreePath::root().child("values.yaml")).map_err(|error| BuildError::new(error.to_string()))
        }
    };
    let own = if chart.values_inline.is_empty() {
        load()?.to_vec()
    } else if chart.values_merge == "replace" {
        bowline_yaml::to_yaml(&Value::Object(chart.values_inline.clone())).into_bytes()
    } else {
        let content = load()?;
        let text = String::from_utf8_lossy(&content).into_owned();
        let of_chart = read_one(&mut build.store, &text)
            .map_err(|error| error.within("could not parse values file into rnode"))?
            .ok_or_else(|| BuildError::new("could not parse values file into rnode: EOF"))?;
        let inline = build.store.add_value(&Value::Object(chart.values_inline.clone()));
        let (patch, into) = if chart.values_merge == "merge" { (of_chart, inline) } else { (inline, of_chart) };
        let schemas = build.schemas.known()?;
        let merged = merge(&mut build.store, &schemas, patch, into, NewItems::Last)
            .map_err(|error| error.within("could not merge values"))?;
        let value = merged.map_or(Ok(Value::Null), |merged| build.store.value(merged)).map_err(BuildError::new)?;
        bowline_yaml::to_yaml(&value).into_bytes()
    };
    let mut files = vec!["values.yaml".to_owned()];
    for file in &chart.additional_values_files {
        target.loader.load(file).map_err(|error| error.within("could not load additionalValuesFile"))?;
        files.push(format!("./{file}"));
    }
    let sources = ValueSources { files, ..ValueSources::default() };
    let read = |name: &str| match name.strip_prefix("./") {
        None => Ok(own.clone()),
        Some(path) => target.loader.load(path).map(|content| content.to_vec()).map_err(|error| error.to_string()),
    };
    sources.merge(&read).map_err(|error| BuildError::new(error.to_string()))
}
