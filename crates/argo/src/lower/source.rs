//! Which source counts, and how its files become objects.

use bowline_model::{
    DirectoryOptions, DirectoryRules, Failure, GitRef, Location, Object, OciRef, Reason, Render, Wanted,
};
use serde_json::Value;

use super::helm::{self, Subject};
use super::kustomize;
use super::{filled, listed, unsupported};
use crate::types::{ApplicationSource, ApplicationSourceDirectory, ApplicationSpec};

/// A source of an application, and what it is lowered to.
pub(super) struct LoweredSource<'a> {
    pub(super) source: &'a ApplicationSource,
    /// `None` where the source only gives files to others.
    pub(super) render: Option<Render>,
    /// Files in the source that may say how it is rendered.
    pub(super) overrides: Vec<String>,
}

/// Returns the sources that count: the hydrator's before `sources` before `source`.
pub(super) fn effective(spec: &ApplicationSpec) -> Result<Vec<&ApplicationSource>, Failure> {
    if spec.source_hydrator.is_some() {
        return Err(unsupported("spec.sourceHydrator"));
    }
    match (listed(spec.sources.as_ref()), &spec.source) {
        ([], Some(source)) => Ok(vec![source]),
        ([], None) => Err(Failure::new(Reason::InvalidSpec, "`spec.source` is missing")),
        (sources, _) => Ok(sources.iter().collect()),
    }
}

/// Returns the version of Kustomize that a source names.
pub(super) fn kustomize_version(spec: &ApplicationSpec, at: usize) -> Option<&str> {
    let source = *effective(spec).ok()?.get(at)?;
    filled(source.kustomize.as_ref()?.version.as_deref())
}

/// Lowers all sources.
pub(super) fn lower<'a>(spec: &'a ApplicationSpec, subject: &Subject<'_>) -> Result<Vec<LoweredSource<'a>>, Failure> {
    let sources = effective(spec)?;
    let references = references(&sources)?;
    let lower = |source: &'a ApplicationSource| {
        let render = render(source, subject, &references)?;
        let overrides = if render.is_some() { override_files(source, subject) } else { Vec::new() };
        Ok(LoweredSource { source, render, overrides })
    };
    sources.into_iter().map(lower).collect()
}

/// The files that, in the directory of a source, say how it is rendered: one for all applications, one for this.
fn override_files(source: &ApplicationSource, subject: &Subject<'_>) -> Vec<String> {
    let directory = directory(source).trim_end_matches('/');
    [".argocd-source.yaml".to_owned(), format!(".argocd-source-{}.yaml", subject.instance)]
        .map(|name| format!("{directory}/{name}"))
        .into()
}

/// Merges files over what the resource says of a source, and lowers that.
pub(super) fn overridden(
    resource: &Object,
    spec: &ApplicationSpec,
    at: usize,
    files: &[(String, Value)],
    subject: &Subject<'_>,
) -> Result<Render, Failure> {
    let sources = effective(spec)?;
    let missing = || Failure::new(Reason::Internal, format!("there is no source {at}"));
    let source = *sources.get(at).ok_or_else(missing)?;
    let pointer =
        if listed(spec.sources.as_ref()).is_empty() { "/spec/source" } else { &*format!("/spec/sources/{at}") };
    let mut merged = resource.at(pointer).cloned().ok_or_else(missing)?;
    for (name, patch) in files {
        json_patch::merge(&mut merged, patch);
        if !merged.is_object() {
            let place = Location { file: name.clone(), line: None, column: None };
            return Err(Failure::new(Reason::InvalidManifest, "it is no map of a source's fields").at(place));
        }
    }
    let merged: ApplicationSource = serde_json::from_value(merged).map_err(|error| {
        let place = Location { file: files[files.len() - 1].0.clone(), line: None, column: None };
        Failure::new(Reason::InvalidManifest, format!("the source cannot be read: {error}")).at(place)
    })?;
    let merged = ApplicationSource {
        repo_url: source.repo_url.clone(),
        path: source.path.clone(),
        chart: source.chart.clone(),
        target_revision: source.target_revision.clone(),
        reference: source.reference.clone(),
        ..merged
    };
    let render = render(&merged, subject, &references(&sources)?)?;
    render.ok_or_else(|| Failure::new(Reason::Internal, "a source that is not rendered is asked how it is"))
}

/// Returns the names by which sources refer to others.
fn references<'a>(sources: &[&'a ApplicationSource]) -> Result<Vec<&'a str>, Failure> {
    let invalid = |message: String| Err(Failure::new(Reason::InvalidSpec, message));
    let mut names = Vec::new();
    for source in sources {
        let Some(name) = filled(source.reference.as_deref()) else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
            return invalid(format!("sources.ref {name} cannot contain any special characters except '_' and '-'"));
        }
        if filled(source.chart.as_deref()).is_some() {
            return invalid(format!("source `{name}` is a chart, whose files others cannot refer to"));
        }
        if names.contains(&name) {
            return invalid("invalid sources: multiple sources had the same `ref` key".to_owned());
        }
        names.push(name);
    }
    Ok(names)
}

/// Returns how the files become objects, `None` where they only serve others; or the field that cannot be followed.
fn render(source: &ApplicationSource, subject: &Subject<'_>, references: &[&str]) -> Result<Option<Render>, Failure> {
    if source.repo_url.trim().is_empty() {
        return Err(Failure::new(Reason::InvalidSpec, "`repoURL` of the source is missing"));
    }
    one_type(source)?;
    for (field, is_set) in [
        // An empty plugin is not nothing: it asks for the plugin to be found.
        ("plugin", source.plugin.is_some()),
        ("tagPrefix", filled(source.tag_prefix.as_deref()).is_some()),
    ] {
        if is_set {
            return Err(unsupported(field));
        }
    }
    let is_chart = filled(source.chart.as_deref()).is_some();
    let is_plain = filled(source.path.as_deref()).is_none();
    if is_plain && !is_chart {
        if filled(source.reference.as_deref()).is_some() {
            return Ok(None);
        }
        return Err(Failure::new(Reason::InvalidSpec, "`path` of the source is missing")
            .help("set it to `.` for the whole repository"));
    }
    if is_chart && filled(source.target_revision.as_deref()).is_none() {
        let message = "spec.source.targetRevision is required if the manifest source is a helm chart";
        return Err(Failure::new(Reason::InvalidSpec, message).help("set it to a version, or to `*` for the newest"));
    }
    let path = directory(source);
    check_path(path)?;
    let chart = helm::chart(source, path, subject, references);
    if is_used(source.helm.as_ref()) {
        return Ok(Some(Render::Chart(Box::new(chart))));
    }
    let kustomization = kustomize::options(source, path, subject)?;
    if is_used(source.kustomize.as_ref()) {
        return Ok(Some(Render::Kustomize(Box::new(kustomization))));
    }
    let directory = source.directory.clone().unwrap_or_default();
    check_jsonnet(&directory)?;
    let directory = DirectoryOptions {
        path: path.to_owned(),
        recurse: directory.recurse == Some(true),
        include: directory.include.unwrap_or_default(),
        exclude: directory.exclude.unwrap_or_default(),
        any_extension: directory.disable_extension_filter == Some(true),
        rules: DirectoryRules::ArgoCd,
    };
    let is_explicit =
        directory.recurse || directory.any_extension || !directory.include.is_empty() || !directory.exclude.is_empty();
    Ok(Some(if is_explicit {
        Render::Directory(directory)
    } else {
        Render::Detect(directory, Box::new(chart), Box::new(kustomization))
    }))
}

/// Returns the directory inside the source; a chart that is fetched by its name is all there is.
fn directory(source: &ApplicationSource) -> &str {
    match filled(source.chart.as_deref()) {
        Some(_) => ".",
        None => source.path.as_deref().unwrap_or_default(),
    }
}

/// Returns what is wanted of a source's repository, at `revision` where somebody asked for another than its own.
///
/// An empty one means `HEAD` of a Git repository, the newest version of a chart, and `latest` of an artifact.
pub(super) fn wanted(source: &ApplicationSource, revision: Option<&str>) -> Wanted {
    let revision = revision.or(source.target_revision.as_deref()).unwrap_or_default().trim();
    if let Some(name) = filled(source.chart.as_deref()) {
        return Wanted::Chart { name: name.to_owned(), version: revision.to_owned() };
    }
    if source.repo_url.trim().starts_with("oci://") {
        return Wanted::Oci(match revision {
            "" => OciRef::Tag("latest".to_owned()),
            text if text.starts_with("sha256:") => OciRef::Digest(text.to_owned()),
            text if is_constraint(text) => OciRef::Semver { range: text.to_owned(), filter: None },
            text => OciRef::Tag(text.to_owned()),
        });
    }
    Wanted::Git(GitRef::Any(if revision.is_empty() { "HEAD" } else { revision }.to_owned()))
}

/// No tag of a registry holds any of these signs; `x` stands for any number.
fn is_constraint(text: &str) -> bool {
    let is_wild = |part: &str| matches!(part, "x" | "X" | "*");
    text.contains(['*', '^', '~', '<', '>', '=', '!', '|', ',', ' ']) || text.split('.').any(is_wild)
}

/// Refuses a source that says in two ways how it is rendered, as Argo CD does.
fn one_type(source: &ApplicationSource) -> Result<(), Failure> {
    let types: Vec<&str> = [
        ("Kustomize", is_used(source.kustomize.as_ref())),
        ("Helm", is_used(source.helm.as_ref())),
        ("Directory", is_used(source.directory.as_ref())),
        ("Plugin", source.plugin.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_set)| is_set.then_some(name))
    .collect();
    if types.len() > 1 {
        let message = format!("multiple application sources defined: {}", types.join(","));
        return Err(Failure::new(Reason::InvalidSpec, message).help("keep one of them"));
    }
    Ok(())
}

/// Settings that are there but say nothing count as absent: Argo CD takes them off.
fn is_used<T: Default + PartialEq>(settings: Option<&T>) -> bool {
    settings.is_some_and(|settings| *settings != T::default())
}

fn check_path(path: &str) -> Result<(), Failure> {
    if path.starts_with('/') {
        return Err(Failure::new(Reason::InvalidSpec, format!("`{path}`: app path is absolute")).help("drop the `/`"));
    }
    let mut depth = 0_i32;
    for part in path.split('/') {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        if depth < 0 {
            return Err(Failure::new(Reason::InvalidSpec, format!("`{path}`: app path is outside the repository")));
        }
    }
    Ok(())
}

fn check_jsonnet(directory: &ApplicationSourceDirectory) -> Result<(), Failure> {
    let Some(jsonnet) = &directory.jsonnet else { return Ok(()) };
    let is_set = !listed(jsonnet.ext_vars.as_ref()).is_empty()
        || !listed(jsonnet.tlas.as_ref()).is_empty()
        || !listed(jsonnet.libs.as_ref()).is_empty();
    if is_set { Err(unsupported("directory.jsonnet")) } else { Ok(()) }
}
