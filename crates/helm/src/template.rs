//! A whole chart, as `helm template` prints it.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::capabilities::Capabilities;
use crate::chart::Chart;
use crate::dependencies::{MissingDependencies, check_dependencies, process_dependencies};
use crate::engine::{self, Execution, Release, RenderError};
use crate::functions::semver::is_compatible;
use crate::manifest::{ManifestError, Sorted, sort_manifests};
use crate::schema::{SchemaError, validate_values};
use crate::values::{CoalesceError, coalesce_values};
use crate::yaml::Table;

/// What a chart is rendered for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The release.
    pub release: Release,
    /// The cluster.
    pub capabilities: Capabilities,
    /// Whether values are taken whatever the chart's schema says.
    pub skip_schema: bool,
}

/// A rendered chart.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// The files of `crds/`, unrendered, with their paths.
    pub crds: Vec<(String, Bytes)>,
    /// The manifests and hooks.
    pub sorted: Sorted,
    /// The text that tells users what to do next, of the chart itself.
    pub notes: String,
    /// What Helm would log.
    pub warnings: Vec<String>,
}

/// What Helm says after errors of rendering itself.
const RENDERING: &str = "\n\nUse --debug flag to render out invalid YAML";

/// Why a chart could not be rendered, in Helm's words.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the variants are named for the errors they hold")]
pub enum TemplateError {
    #[error("release name check failed: release name {}: {why}", bowline_gotmpl::quote(.name))]
    Name { name: String, why: &'static str },
    #[error("{0} charts are not installable")]
    NotInstallable(String),
    #[error(transparent)]
    Missing(#[from] MissingDependencies),
    #[error("chart dependencies processing failed: {0}")]
    Dependencies(CoalesceError),
    #[error(transparent)]
    Values(#[from] CoalesceError),
    #[error("values don't meet the specifications of the schema(s) in the following chart(s):\n{0}")]
    Schema(#[from] SchemaError),
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {version}{RENDERING}")]
    KubeVersion { wanted: String, version: String },
    #[error("{0}{RENDERING}")]
    Render(RenderError),
    #[error("{0}{RENDERING}")]
    Manifest(ManifestError),
}

/// Renders a chart with the user's values.
pub fn template(
    mut chart: Chart,
    values: &Table,
    options: &Options,
    execution: &mut Execution<'_>,
) -> Result<Rendered, TemplateError> {
    let mut warnings = Vec::new();
    if !matches!(chart.metadata.chart_type.as_str(), "" | "application") {
        return Err(TemplateError::NotInstallable(chart.metadata.chart_type));
    }
    if chart.metadata.deprecated {
        warnings.push("this chart is deprecated".to_owned());
    }
    check_dependencies(&chart)?;
    check_name(&options.release.name)?;
    process_dependencies(&mut chart, values, &mut warnings).map_err(TemplateError::Dependencies)?;
    let values = coalesce_values(&chart, values, &mut warnings)?;
    if !options.skip_schema {
        validate_values(&chart, &values)?;
    }
    let wanted = &chart.metadata.kube_version;
    let kube_version = &options.capabilities.kube_version;
    if !wanted.is_empty() && !is_compatible(wanted, &kube_version.normalized) {
        let (wanted, version) = (wanted.clone(), kube_version.version.clone());
        return Err(TemplateError::KubeVersion { wanted, version });
    }
    let files = engine::render(&chart, &values, &options.release, &options.capabilities, execution)
        .map_err(TemplateError::Render)?;
    let (files, notes) = without_notes(&chart, files).map_err(TemplateError::Manifest)?;
    let sorted = sort_manifests(&files).map_err(TemplateError::Manifest)?;
    let crds = chart.crds().into_iter().map(|(path, file)| (path, file.data.clone())).collect();
    Ok(Rendered { crds, sorted, notes, warnings })
}

/// Takes the notes out, and makes texts of the rest.
fn without_notes(
    chart: &Chart,
    files: BTreeMap<String, Vec<u8>>,
) -> Result<(BTreeMap<String, String>, String), ManifestError> {
    const NOTES: &str = "NOTES.txt";
    let own = format!("{}/templates/{NOTES}", chart.name());
    let mut notes = String::new();
    let mut texts = BTreeMap::new();
    for (path, content) in files {
        if path.ends_with(NOTES) {
            if path == own {
                notes = String::from_utf8_lossy(&content).into_owned();
            }
            continue;
        }
        match String::from_utf8(content) {
            Ok(text) => {
                texts.insert(path, text);
            }
            Err(_) => {
                let why = "error converting YAML to JSON: yaml: invalid leading UTF-8 octet".to_owned();
                return Err(ManifestError { path, why });
            }
        }
    }
    Ok((texts, notes))
}

fn check_name(name: &str) -> Result<(), TemplateError> {
    const MAX_NAME: usize = 53;
    let is_label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inside)
    };
    let why = if name.is_empty() {
        "no name provided"
    } else if name.len() > MAX_NAME || !name.split('.').all(is_label) {
        "invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ \
         and the length must not be longer than 53"
    } else {
        return Ok(());
    };
    Err(TemplateError::Name { name: name.to_owned(), why })
}

/// What of a rendered chart is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Printing {
    /// `--include-crds`
    pub crds: bool,
    /// The opposite of `--no-hooks`.
    pub hooks: bool,
    /// The opposite of `--skip-tests`.
    pub tests: bool,
}

impl Default for Printing {
    /// What Argo CD asks for: everything.
    fn default() -> Self {
        Self { crds: true, hooks: true, tests: true }
    }
}

impl Rendered {
    /// Returns what `helm template` prints.
    pub fn print(&self, printing: Printing) -> Vec<u8> {
        let mut text = Vec::new();
        if printing.crds {
            for (path, content) in &self.crds {
                document(&mut text, path, content);
            }
        }
        for manifest in &self.sorted.manifests {
            document(&mut text, &manifest.path, manifest.content.as_bytes());
        }
        let mut out = trim(&text).to_vec();
        out.push(b'\n');
        if printing.hooks {
            for hook in self.sorted.hooks.iter().filter(|hook| printing.tests || !hook.is_test()) {
                document(&mut out, &hook.path, hook.content.as_bytes());
            }
        }
        out
    }
}

fn document(out: &mut Vec<u8>, path: &str, content: &[u8]) {
    out.extend_from_slice(format!("---\n# Source: {path}\n").as_bytes());
    out.extend_from_slice(content);
    out.push(b'\n');
}

/// Go's `strings.TrimSpace`, of bytes that are mostly text.
fn trim(text: &[u8]) -> &[u8] {
    match std::str::from_utf8(text) {
        Ok(text) => text.trim().as_bytes(),
        Err(_) => text.trim_ascii(),
    }
}
