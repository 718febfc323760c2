//! `bowline render kustomization`: what `kustomize build DIR` prints, byte for byte.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use bowline_kustomize::{Charts, LoadRestrictions, Order, Printed, Remotes as _, RepositoryUrl, print};
use bowline_tree::{Tree, TreePath};
use rand::Rng as _;

use super::disk::DiskTree;
use super::network::Elsewhere;
use crate::trouble::{Reason, Trouble};

/// The version that the label of `--enable-managedby-label` tells.
const VERSION: &str = "v5.8.2";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Files, bases and charts that the kustomization names by addresses are fetched, and nothing else.\n\
                  Example: bowline render kustomization ./overlays/production"
)]
pub(crate) struct Options {
    /// The directory that holds the kustomization, or `https://github.com/org/repo//dir?ref=v1` and the like
    #[arg(value_name = "DIR|URL", default_value = ".", hide_default_value = true)]
    directory: String,

    /// From where files may be loaded
    #[arg(long, value_name = "WHICH", default_value = "LoadRestrictionsRootOnly")]
    #[arg(value_parser = ["LoadRestrictionsRootOnly", "LoadRestrictionsNone"])]
    load_restrictor: String,

    /// The order of the objects, where the kustomization says none
    #[arg(long, value_name = "ORDER", default_value = "legacy", value_parser = ["legacy", "none"])]
    reorder: String,

    /// Renders the charts that kustomizations name
    #[arg(long)]
    enable_helm: bool,

    /// The version of Kubernetes that charts see
    #[arg(long, value_name = "VERSION", default_value = "", hide_default_value = true)]
    helm_kube_version: String,

    /// API versions that charts see, beside those of Kubernetes itself
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    helm_api_versions: Vec<String>,

    /// Adds a label that says what built the objects
    #[arg(long)]
    enable_managedby_label: bool,

    /// Writes to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    without_effect: WithoutEffect,

    #[command(flatten)]
    refused: Refused,
}

/// Flags of `kustomize build` that change nothing here; taken so that a command line that is there keeps working.
#[derive(Debug, clap::Args)]
struct WithoutEffect {
    #[arg(long, hide = true)]
    as_current_user: bool,
    #[arg(long, hide = true)]
    helm_debug: bool,
    #[arg(long, hide = true)]
    network_name: Option<String>,
    #[arg(long, hide = true)]
    stack_trace: bool,
}

/// Flags of `kustomize build` that are refused, each with what is done instead.
#[derive(Debug, clap::Args)]
struct Refused {
    #[arg(long, hide = true)]
    enable_alpha_plugins: bool,
    #[arg(long, hide = true)]
    enable_exec: bool,
    #[arg(long, hide = true)]
    enable_star: bool,
    #[arg(long, hide = true)]
    helm_command: Option<String>,
    #[arg(long, hide = true)]
    network: bool,
    #[arg(long, short = 'e', hide = true)]
    env: Vec<String>,
    #[arg(long, hide = true)]
    mount: Vec<String>,
}

impl Refused {
    /// Returns the first refused flag that was given, and what to do instead.
    fn given(&self) -> Option<(&'static str, &'static str)> {
        const PLUGINS: &str =
            "no other program is run: use what Kustomize has built in, or build beforehand what plugins make";
        let flags = [
            (self.enable_alpha_plugins, "--enable-alpha-plugins", PLUGINS),
            (self.enable_exec, "--enable-exec", PLUGINS),
            (self.enable_star, "--enable-star", PLUGINS),
            (self.helm_command.is_some(), "--helm-command", "charts are rendered in this program: leave the flag out"),
            (self.network, "--network", PLUGINS),
            (!self.env.is_empty(), "--env", PLUGINS),
            (!self.mount.is_empty(), "--mount", PLUGINS),
        ];
        flags.into_iter().find(|(given, ..)| *given).map(|(_, flag, instead)| (flag, instead))
    }
}

pub(crate) fn kustomization(options: Options) -> anyhow::Result<()> {
    if let Some((flag, instead)) = options.refused.given() {
        return Err(Trouble::because(format!("`{flag}` is refused"), "it is no part of a rendering", instead)
            .of_usage()
            .into());
    }
    let elsewhere = Elsewhere::new();
    let url = RepositoryUrl::parse(&options.directory).ok();
    let shown = url.as_ref().map_or_else(|| options.directory.clone(), ToString::to_string);
    let trouble = |why: String, help: Option<&str>| {
        let help = help.map(str::to_owned).or_else(|| elsewhere.help());
        let reason = Reason { why, at: None, help };
        Trouble::new(format!("cannot build the kustomization `{shown}`"), vec![reason])
    };
    let place = match &url {
        Some(url) => Place::fetched(url, &elsewhere),
        None => Place::here(Path::new(&options.directory)),
    };
    let Place { tree, inside, shown_root } = place.map_err(|why| trouble(why, None))?;
    let charts = options.enable_helm.then(|| Charts {
        now: now(),
        random: Arc::new(|| Box::new(|bytes: &mut [u8]| rand::rng().fill_bytes(bytes))),
        kube_version: options.helm_kube_version.clone(),
        api_versions: options.helm_api_versions.clone(),
    });
    let restrictions = match options.load_restrictor.as_str() {
        // What comes from elsewhere never reads beside itself.
        "LoadRestrictionsNone" if url.is_none() => LoadRestrictions::None,
        _ => LoadRestrictions::RootOnly,
    };
    let wanted = bowline_kustomize::Options {
        restrictions,
        order: if options.reorder == "none" { Order::None } else { Order::Legacy },
        charts,
        managed_by_label: options.enable_managedby_label,
        version: VERSION.to_owned(),
        shown_root,
        remotes: Some(&elsewhere),
    };
    let printed = print(tree.as_ref(), &inside, &wanted).map_err(|error| trouble(error.to_string(), error.help))?;
    for warning in &printed.warnings {
        anstream::eprintln!("{}", crate::trouble::harmless(warning));
    }
    match &options.output {
        Some(file) => std::fs::File::create(file)
            .and_then(|mut file| write(&printed, &mut file))
            .with_context(|| format!("cannot write `{}`", file.display())),
        None => write(&printed, &mut std::io::stdout().lock()).context("cannot print"),
    }
}

/// Writes piece by piece: the whole is never there twice.
fn write(printed: &Printed, to: &mut dyn Write) -> io::Result<()> {
    let mut to = BufWriter::with_capacity(64 << 10, to);
    printed.pieces().try_for_each(|piece| to.write_all(piece.as_bytes()))?;
    to.flush()
}

/// The files of a kustomization, where its directory is among them, and how their top is told.
struct Place {
    tree: Arc<dyn Tree>,
    inside: TreePath,
    shown_root: String,
}

impl Place {
    fn here(directory: &Path) -> Result<Self, String> {
        let (tree, inside) = DiskTree::around(directory).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such directory".to_owned(),
            _ => error.to_string(),
        })?;
        let shown_root = tree.shown();
        Ok(Self { tree: Arc::new(tree), inside, shown_root })
    }

    fn fetched(url: &RepositoryUrl, elsewhere: &Elsewhere) -> Result<Self, String> {
        let tree = elsewhere.repository(url)?;
        let inside = TreePath::parse(&url.directory).map_err(|error| error.to_string())?;
        Ok(Self { tree, inside, shown_root: url.to_string() })
    }
}

/// The time, in seconds since 1970 and nanoseconds.
fn now() -> (i64, u32) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() as i64, since.subsec_nanos())
}
