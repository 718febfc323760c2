//! A whole chart, as `helm template` prints it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use bytes::Bytes;

use crate::capabilities::Capabilities;
use crate::chart::Chart;
use crate::dependencies::{MissingDependencies, check_dependencies, process_dependencies};
use crate::engine::{self, Execution, Release, RenderError};
use crate::functions::semver::is_compatible;
use crate::manifest::{Manifest, ManifestError, Sorted, sort_manifests};
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
    let sorted = sort_manifests(files).map_err(TemplateError::Manifest)?;
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
        // A document is its source and its text, with line ends around them.
        const AROUND: usize = "---\n# Source: \n\n".len();
        let documents = self.release(printing).chain(self.printed_hooks(printing));
        let size: usize = documents.map(|(path, content)| path.len() + content.len() + AROUND).sum();
        let mut out = Vec::with_capacity(size + 1);
        self.write(printing, &mut out).expect("holds because memory takes every write");
        out
    }

    /// Writes what `helm template` prints, document by document.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write(&self, printing: Printing, out: &mut dyn Write) -> io::Result<()> {
        let mut release = self.release(printing).peekable();
        while let Some((path, content)) = release.next() {
            if release.peek().is_some() {
                document(out, path, content)?;
                continue;
            }
            // White space at the end of all of it is left out.
            out.write_all(b"---\n# Source: ")?;
            match trim_end(content) {
                b"" => out.write_all(trim_end(path.as_bytes()))?,
                content => {
                    out.write_all(path.as_bytes())?;
                    out.write_all(b"\n")?;
                    out.write_all(content)?;
                }
            }
        }
        out.write_all(b"\n")?;
        self.printed_hooks(printing).try_for_each(|(path, content)| document(out, path, content))
    }

    /// Returns the paths and texts of what is no hook.
    fn release(&self, printing: Printing) -> impl Iterator<Item = (&str, &[u8])> {
        let crds = self.crds.iter().filter(move |_| printing.crds).map(|(path, content)| (path.as_str(), &**content));
        crds.chain(self.sorted.manifests.iter().map(path_and_content))
    }

    fn printed_hooks(&self, printing: Printing) -> impl Iterator<Item = (&str, &[u8])> {
        let is_printed = move |hook: &&Manifest| printing.hooks && (printing.tests || !hook.is_test());
        self.sorted.hooks.iter().filter(is_printed).map(path_and_content)
    }
}

fn path_and_content(manifest: &Manifest) -> (&str, &[u8]) {
    (&manifest.path, manifest.content.as_bytes())
}

fn document(out: &mut dyn Write, path: &str, content: &[u8]) -> io::Result<()> {
    [b"---\n# Source: ", path.as_bytes(), b"\n", content, b"\n"].into_iter().try_for_each(|part| out.write_all(part))
}

/// Go's `strings.TrimSpace` at the end of a text, of bytes that are mostly text.
fn trim_end(text: &[u8]) -> &[u8] {
    match std::str::from_utf8(text) {
        Ok(text) => text.trim_end().as_bytes(),
        Err(_) => text.trim_ascii_end(),
    }
}
