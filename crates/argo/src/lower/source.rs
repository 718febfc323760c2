//! Which source counts, and how its files become objects.

use bowline_model::{DirectoryOptions, DirectoryRules, Failure, GitRef, Reason, Render, Wanted};

use super::helm::{self, Subject};
use super::{filled, listed, unsupported};
use crate::types::{ApplicationSource, ApplicationSourceDirectory, ApplicationSpec};

/// Returns the source that counts: the hydrator's before the only one of `sources` before `source`.
pub(super) fn effective(spec: &ApplicationSpec) -> Result<&ApplicationSource, Failure> {
    if spec.source_hydrator.is_some() {
        return Err(unsupported("spec.sourceHydrator"));
    }
    match (listed(spec.sources.as_ref()), &spec.source) {
        ([one], _) => Ok(one),
        ([_, _, ..], _) => Err(Failure::new(
            Reason::Unsupported,
            "`spec.sources` has more than one source, which this version of Bowline does not support",
        )),
        ([], Some(source)) => Ok(source),
        ([], None) => Err(Failure::new(Reason::InvalidSpec, "`spec.source` is missing")),
    }
}

/// Returns how the files become objects, or the field that cannot be followed.
pub(super) fn render(source: &ApplicationSource, subject: &Subject<'_>) -> Result<Render, Failure> {
    let repo_url = source.repo_url.trim();
    if repo_url.is_empty() {
        return Err(Failure::new(Reason::InvalidSpec, "`repoURL` of the source is missing"));
    }
    one_type(source)?;
    for (field, is_set) in [
        ("chart", filled(source.chart.as_deref()).is_some()),
        ("kustomize", is_used(source.kustomize.as_ref())),
        // An empty plugin is not nothing: it asks for the plugin to be found.
        ("plugin", source.plugin.is_some()),
        ("tagPrefix", filled(source.tag_prefix.as_deref()).is_some()),
    ] {
        if is_set {
            return Err(unsupported(field));
        }
    }
    if repo_url.starts_with("oci://") {
        return Err(Failure::new(
            Reason::Unsupported,
            format!("`repoURL` `{repo_url}` is an OCI registry, which this version of Bowline does not support"),
        ));
    }
    let path = filled(source.path.as_deref()).ok_or_else(|| {
        Failure::new(Reason::InvalidSpec, "`path` of the source is missing")
            .help("set it to `.` for the whole repository")
    })?;
    check_path(path)?;
    let chart = helm::chart(source, path, subject);
    if is_used(source.helm.as_ref()) {
        return Ok(Render::Chart(chart));
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
    Ok(if is_explicit { Render::Directory(directory) } else { Render::Detect(directory, chart) })
}

/// Returns the commit wanted; an empty text means the remote's `HEAD`.
pub(super) fn wanted(target_revision: &str) -> Wanted {
    match target_revision.trim() {
        "" => Wanted::Git(GitRef::Any("HEAD".to_owned())),
        text => Wanted::Git(GitRef::Any(text.to_owned())),
    }
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
