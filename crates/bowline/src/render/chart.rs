//! `bowline render chart`: what `helm template NAME CHART` prints, byte for byte.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use bowline_engine::{ChartPins, ChartSurroundings, Locking, complete_chart};
use bowline_gotmpl::Limits;
use bowline_helm::capabilities::{Capabilities, KubeVersion};
use bowline_helm::chart::{Chart, LoadError, load_archive, load_directory};
use bowline_helm::dependencies::check_dependencies;
use bowline_helm::engine::{Execution, Release};
use bowline_helm::functions::{self, Host};
use bowline_helm::template::{self, Printing, Rendered};
use bowline_helm::values::ValueSources;
use bowline_helm::{release_name, show_only};
use bowline_tree::TreePath;
use rand::Rng as _;

use super::disk::DiskTree;
use super::locate::{Fetcher, Found, Network, Place};
use super::output::Output;
use super::without_effect::{Refused, WithoutEffect};
use crate::trouble::{Reason, Trouble};

/// So many bytes are printed at once.
const WRITTEN_AT_ONCE: usize = 32 << 10;
/// The most that a template may write, with all that it includes: the largest public chart prints 8 MB.
const MAX_OUTPUT_BYTES: usize = 256 << 20;
/// The most that an archive of a chart may have, packed.
const MAX_ARCHIVE_BYTES: u64 = 100 << 20;
/// The most that a file of values may have.
const MAX_VALUES_BYTES: u64 = 100 << 20;

#[derive(Debug, clap::Args)]
#[command(
    // The chart's, as with Helm.
    disable_version_flag = true,
    after_help = "Example: bowline render chart ./web --name shop --namespace shop -f prod.yaml --set image.tag=1.2"
)]
pub(crate) struct Options {
    /// The chart: a directory, an archive (.tgz), `oci://…`, `https://…/chart.tgz`, `REPO/CHART`, or a name with `--repo`
    chart: String,

    #[command(flatten)]
    place: Place,

    /// Fetches dependencies that `charts/` lacks, at the newest versions that Chart.yaml allows; nothing is written
    #[arg(long)]
    dependency_update: bool,

    /// The release's name
    #[arg(long, value_name = "NAME", default_value = "release-name", hide_default_value = true)]
    name: String,

    /// A template that gives the release's name
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "name")]
    name_template: Option<String>,

    /// Names the release for the chart and the time
    #[arg(long, short, conflicts_with_all = ["name", "name_template"])]
    generate_name: bool,

    /// The namespace that the release goes to
    #[arg(long, short, value_name = "NAME", default_value = "default")]
    namespace: String,

    #[command(flatten)]
    values: Values,

    /// The version of Kubernetes that templates see
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,

    /// API versions that templates see, beside those of Kubernetes itself
    #[arg(long, short, value_name = "LIST", value_delimiter = ',')]
    api_versions: Vec<String>,

    /// Prints the files of `crds/`, too
    #[arg(long)]
    include_crds: bool,

    /// Leaves hooks out
    #[arg(long)]
    no_hooks: bool,

    /// Leaves hooks that are tests out
    #[arg(long)]
    skip_tests: bool,

    /// Prints only what the files that match render to, for example `templates/*.yaml`
    #[arg(long, short, value_name = "PATTERN")]
    show_only: Vec<String>,

    #[command(flatten)]
    output: Output,

    /// Lets templates see an upgrade, not an install
    #[arg(long)]
    is_upgrade: bool,

    /// Takes values whatever the chart's schema says
    #[arg(long)]
    skip_schema_validation: bool,

    #[command(flatten)]
    without_effect: WithoutEffect,

    #[command(flatten)]
    refused: Refused,
}

/// Where values come from; the later of this list win.
#[derive(Debug, clap::Args)]
struct Values {
    /// Files of values; `-` is standard input
    #[arg(long = "values", short = 'f', value_name = "FILE", value_delimiter = ',')]
    files: Vec<String>,

    /// Values in JSON: `a.b={"c":1}`, or one object
    #[arg(long, value_name = "VALUES")]
    set_json: Vec<String>,

    /// Values: `a.b=1,c[0]=x`
    #[arg(long, value_name = "VALUES")]
    set: Vec<String>,

    /// Values that are texts, whatever they look like
    #[arg(long, value_name = "VALUES")]
    set_string: Vec<String>,

    /// Values that are the contents of files: `a.b=FILE`
    #[arg(long, value_name = "VALUES")]
    set_file: Vec<String>,

    /// A value that is all that follows the `=`
    #[arg(long, value_name = "VALUE")]
    set_literal: Vec<String>,
}

pub(crate) fn chart(options: Options) -> anyhow::Result<()> {
    if let Some((flag, instead)) = options.refused.given() {
        return Err(Trouble::because(format!("`{flag}` is refused"), "it is no part of a rendering", instead)
            .of_usage()
            .into());
    }
    let shown = bowline_model::Remote::new(options.chart.clone()).shown_url();
    let printed = render(options).map_err(|failure| {
        let Failure { why, at, help } = failure;
        Trouble::new(format!("cannot render the chart `{shown}`"), vec![Reason { why, at, help }])
    })?;
    print(&printed).context("cannot print")
}

/// What is printed.
enum Printed {
    Whole(Rendered, Printing),
    Chosen(String),
}

/// Prints without a copy of all of it, and without standard output's own buffer, which ends at each line.
fn print(printed: &Printed) -> io::Result<()> {
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut out = BufWriter::with_capacity(WRITTEN_AT_ONCE, stdout);
    match printed {
        Printed::Whole(rendered, printing) => rendered.write(*printing, &mut out)?,
        Printed::Chosen(text) => out.write_all(text.as_bytes())?,
    }
    out.flush()
}

/// Why a chart is not rendered.
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) at: Option<String>,
    pub(super) help: Option<String>,
}

impl Failure {
    pub(super) fn new(why: impl ToString) -> Self {
        Self { why: why.to_string(), at: None, help: None }
    }

    pub(super) fn with_help(why: impl ToString, help: &str) -> Self {
        Self { help: Some(help.to_owned()), ..Self::new(why) }
    }
}

/// Asks in the order in which Helm asks, so that of two mistakes the same one is told.
fn render(options: Options) -> Result<Printed, Failure> {
    let mut capabilities = Capabilities::default();
    if let Some(version) = &options.kube_version {
        capabilities.kube_version =
            KubeVersion::parse(version).map_err(|error| Failure::with_help(error, "say a version as `1.34.0`"))?;
    }
    capabilities.api_versions.extend(options.api_versions);
    let mut host = Host::new(now(), Box::new(|bytes| rand::rng().fill_bytes(bytes)));
    let name = match &options.name_template {
        None if options.generate_name => generated_name(&options.chart),
        None => options.name,
        Some(template) => release_name(template, functions::table(), &mut host).map_err(Failure::new)?,
    };
    // A chart that is not there is told before anything about values.
    let fetcher = Fetcher::default();
    let found = options.place.locate(&options.chart, &fetcher)?;
    let sources = ValueSources {
        files: options.values.files,
        json: options.values.set_json,
        set: options.values.set,
        strings: options.values.set_string,
        set_files: options.values.set_file,
        literals: options.values.set_literal,
    };
    let values = sources.merge(&read_values).map_err(Failure::new)?;
    let update = options.dependency_update.then_some(Update { place: &options.place, fetcher: &fetcher });
    let chart = load(&found, update)?;
    let of_release = name.clone();
    let release = Release { name, namespace: options.namespace, is_upgrade: options.is_upgrade, revision: 1 };
    let skip_schema = options.skip_schema_validation;
    let limits = Limits { output_bytes: MAX_OUTPUT_BYTES, ..Limits::default() };
    let mut execution = Execution { functions: functions::table(), host: &mut host, limits };
    let options_of_chart = template::Options { release, capabilities, skip_schema };
    let rendered = template::template(chart, &values, &options_of_chart, &mut execution).map_err(|error| {
        let told = error.explain();
        Failure { why: told.why, at: told.at, help: told.help }
    })?;
    for warning in &rendered.warnings {
        anstream::eprintln!("warning: {}", crate::trouble::harmless(warning));
    }
    let printing = Printing { crds: options.include_crds, hooks: !options.no_hooks, tests: !options.skip_tests };
    if let Some(directory) = &options.output.directory {
        // Helm writes all the same, and then finds nothing to show.
        if let Some(pattern) = options.show_only.first() {
            let why = format!("could not find template {pattern} in chart");
            return Err(Failure::with_help(why, "leave `--show-only` out: with `--output-dir` every file is written"));
        }
        let told = options.output.write(directory, &of_release, &rendered, printing).map_err(Failure::new)?;
        return Ok(Printed::Chosen(told));
    }
    if options.show_only.is_empty() {
        return Ok(Printed::Whole(rendered, printing));
    }
    let printed = rendered.print(printing);
    let text = String::from_utf8_lossy(&printed);
    let help =
        "patterns begin below the chart, as in `templates/service.yaml`; files that render to nothing do not count";
    show_only(&text, &options.show_only).map(Printed::Chosen).map_err(|error| Failure::with_help(error, help))
}

/// Where dependencies are fetched from.
struct Update<'a> {
    place: &'a Place,
    fetcher: &'a Fetcher,
}

impl Update<'_> {
    fn complete(&self, chart: &mut Chart, tree: &DiskTree, top: &TreePath) -> Result<(), Failure> {
        if check_dependencies(chart).is_ok() {
            return Ok(());
        }
        let Network { runtime, sources, .. } = self.fetcher.network()?;
        let around = ChartSurroundings {
            sources,
            runtime: runtime.handle(),
            remote: &|url| self.place.remote_of_dependency(url),
            alias: &|name| self.place.alias(name),
            pins: &ChartPins::default(),
        };
        complete_chart(chart, tree, top, Locking::Ignored, &around)
            .map_err(|failure| Failure { help: failure.help, ..Failure::new(failure.message) })
    }
}

fn load(found: &Found, update: Option<Update<'_>>) -> Result<Chart, Failure> {
    let path = match found {
        Found::Directory(path) | Found::File(path) => path,
        Found::Archive(data) => return load_archive(data).map_err(Failure::new),
    };
    if matches!(found, Found::Directory(_)) {
        let (tree, inside) = DiskTree::around(path).map_err(Failure::new)?;
        let mut chart = load_directory(&tree, &inside).map_err(|error| {
            let help = match &error {
                LoadError::Symlink { .. } => {
                    Some("links are followed inside the Git work tree around the chart, or inside the chart where there is none")
                }
                LoadError::NoChartYaml => Some("name the directory that holds the chart's Chart.yaml"),
                _ => None,
            };
            Failure { help: help.map(str::to_owned), ..Failure::new(error) }
        })?;
        if let Some(update) = update {
            update.complete(&mut chart, &tree, &inside)?;
        }
        return Ok(chart);
    }
    let data =
        read_at_most(path, MAX_ARCHIVE_BYTES).map_err(|why| Failure::new(format!("open {}: {why}", path.display())))?;
    load_archive(&data).map_err(Failure::new)
}

/// Reads a file of values, or standard input.
fn read_values(name: &str) -> Result<Vec<u8>, String> {
    if name.trim() == "-" {
        let mut text = Vec::new();
        std::io::stdin().lock().take(MAX_VALUES_BYTES).read_to_end(&mut text).map_err(|error| error.to_string())?;
        return Ok(text);
    }
    if ["http://", "https://", "oci://"].iter().any(|scheme| name.starts_with(scheme)) {
        return Err(format!("{name}: values are not fetched; save them as a file"));
    }
    read_at_most(Path::new(name), MAX_VALUES_BYTES).map_err(|why| format!("open {name}: {why}"))
}

/// Reads a file, unless it is larger than it may be; pipes are read as well.
fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let words = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    };
    let file = std::fs::File::open(path).map_err(words)?;
    let mut data = Vec::with_capacity(file.metadata().map_or(0, |metadata| metadata.len().min(limit)) as usize);
    file.take(limit + 1).read_to_end(&mut data).map_err(words)?;
    if data.len() as u64 > limit { Err(format!("it is larger than {limit} bytes")) } else { Ok(data) }
}

/// Returns a name as Helm makes it: the chart's, up to the first dot, and the time.
fn generated_name(chart: &(impl AsRef<Path> + ?Sized)) -> String {
    let name =
        chart.as_ref().file_name().map_or_else(|| "chart".to_owned(), |name| name.to_string_lossy().into_owned());
    let name = name.split('.').next().unwrap_or_default();
    format!("{name}-{}", now().0)
}

/// The time, in seconds since 1970 and nanoseconds.
fn now() -> (i64, u32) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() as i64, since.subsec_nanos())
}
