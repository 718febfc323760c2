use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bowline_argo::{Argo, ArgoOptions};
use bowline_cluster::Cluster;
use bowline_engine::{CacheOptions, Dialect, Engine, LedgerOptions};
use bowline_flux::{Flux, FluxOptions};
use bowline_model::parse_go_duration;
use bowline_source::Sources;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::logging::{self, LogFormat};

/// How long a stop may take before the process goes without waiting any more. Kubernetes kills after 30 s.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The kubeconfig of the cluster [default: the usual places, or the pod's service account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig [default: its current one]
    #[arg(long)]
    context: Option<String>,

    /// Where clones and renders are cached and drift is on record; it may be lost at any moment
    #[arg(long, value_name = "DIR", default_value = ".bowline")]
    state_dir: PathBuf,

    /// The most that renders may take there, in MiB; 0 keeps none
    #[arg(long, value_name = "MIB", default_value_t = RENDERS_MIB)]
    render_cache: u64,

    /// The address of the pages, the JSON, `/healthz`, `/readyz` and `/metrics`
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// How log lines look
    #[arg(long, value_enum, default_value = "pretty")]
    log_format: LogFormat,

    /// How often to look for commits of an Application's source when nothing says there are any
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_go_duration)]
    poll_interval: Duration,

    /// The namespace of Argo CD's repository Secrets and settings
    #[arg(long, value_name = "NAME", default_value = "argocd")]
    argocd_namespace: String,

    /// Looks after the resources of this namespace alone; may be given several times [default: all]
    #[arg(long = "namespace", value_name = "NAME")]
    namespaces: Vec<String>,

    /// Refuses kustomizations that name files or bases outside their source, in Flux's Kustomizations
    #[arg(long)]
    no_remote_bases: bool,

    /// Refuses sources by `file://` or an absolute path: on a shared cluster they would be this machine's files
    #[arg(long)]
    no_local_sources: bool,
}

/// What renders may take on disk: those of some ten thousand apps.
pub(crate) const RENDERS_MIB: u64 = 512;

/// Where what others changed is on record, below the state folder.
pub(crate) const DRIFT_FOLDER: &str = "drift";
/// What that record may take: years of it, where things are as they should be.
const DRIFT_BYTES: u64 = 16 << 20;

/// What it takes to make an engine.
pub(crate) struct Wiring {
    pub(crate) state_dir: PathBuf,
    /// The most that renders may take there, in MiB; 0 keeps none.
    pub(crate) renders_mib: u64,
    pub(crate) poll_interval: Duration,
    pub(crate) argocd_namespace: String,
    pub(crate) allow_local: bool,
    pub(crate) no_remote_bases: bool,
    pub(crate) namespaces: Vec<String>,
    pub(crate) seed: u64,
}

/// Makes an engine of a cluster, both dialects, and Git.
pub(crate) fn engine(cluster: Cluster, wiring: Wiring, shutdown: CancellationToken) -> Engine {
    let sources = Sources::new(
        wiring.state_dir.join("git"),
        bowline_source::Options { allow_local: wiring.allow_local, ..Default::default() },
    );
    let argo = Argo::new(ArgoOptions {
        control_namespace: wiring.argocd_namespace,
        poll_interval: wiring.poll_interval,
        ..ArgoOptions::default()
    });
    let flux = Flux::new(FluxOptions { no_remote_bases: wiring.no_remote_bases, ..FluxOptions::default() });
    let dialects: Vec<Arc<dyn Dialect>> = vec![Arc::new(argo), Arc::new(flux)];
    let options = bowline_engine::Options {
        seed: wiring.seed,
        only_namespaces: wiring.namespaces.into_iter().collect(),
        cache: (wiring.renders_mib > 0).then(|| CacheOptions {
            folder: wiring.state_dir.join("renders"),
            max_bytes: wiring.renders_mib << 20,
            build: build(),
        }),
        ledger: Some(LedgerOptions { folder: wiring.state_dir.join(DRIFT_FOLDER), max_bytes: DRIFT_BYTES }),
        ..Default::default()
    };
    Engine::new(cluster, sources, dialects, options, shutdown)
}

/// Names this program: what another one rendered may not be what this one would.
fn build() -> String {
    let file = std::env::current_exe().and_then(std::fs::metadata);
    let made = file.as_ref().ok().and_then(|file| file.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok());
    let size = file.as_ref().map_or(0, std::fs::Metadata::len);
    format!("{} {size} {}", env!("CARGO_PKG_VERSION"), made.unwrap_or_default().as_nanos())
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    logging::start(options.log_format, "info");
    let seed = rand::random();
    let cluster = match &options.kubeconfig {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the kubeconfig `{}`", file.display()))?;
            bowline_cluster::connect_kubeconfig(&text, options.context.as_deref(), seed).await
        }
        None => bowline_cluster::connect(seed).await,
    };
    let cluster = cluster.context("cannot connect to the cluster")?;
    let listener =
        TcpListener::bind(options.listen).await.with_context(|| format!("cannot listen on {}", options.listen))?;
    let shutdown = CancellationToken::new();
    let wiring = Wiring {
        state_dir: options.state_dir,
        renders_mib: options.render_cache,
        poll_interval: options.poll_interval,
        argocd_namespace: options.argocd_namespace,
        allow_local: !options.no_local_sources,
        no_remote_bases: options.no_remote_bases,
        namespaces: options.namespaces,
        seed,
    };
    let engine = engine(cluster, wiring, shutdown.clone());
    let stop = stop_signal();
    info!(address = %listener.local_addr()?, "Listening");
    let pages = serve(listener, engine.clone(), shutdown.clone());
    tokio::spawn(pages);
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            stop.await;
            info!("Stopping");
            shutdown.cancel();
        }
    });
    let running = engine.run();
    tokio::select! {
        done = running => done.context("the engine cannot run")?,
        () = async { shutdown.cancelled().await; tokio::time::sleep(STOP_PATIENCE).await } => {
            tracing::warn!("Some work did not stop in time");
        }
    }
    Ok(())
}

/// Serves the pages until the shutdown.
pub(crate) async fn serve(listener: TcpListener, engine: Engine, shutdown: CancellationToken) -> std::io::Result<()> {
    let stop = shutdown.cancelled_owned();
    let serving = axum::serve(listener, bowline_web::router(engine));
    // Live streams never end by themselves, so nothing waits for them.
    tokio::select! {
        done = async { serving.await } => done,
        () = stop => Ok(()),
    }
}

/// Waits for Ctrl-C, or for what Kubernetes sends to a pod that must go.
///
/// Such a signal is waited for from the call on, so whoever is told that the program is ready may stop it at once.
pub(crate) fn stop_signal() -> impl Future<Output = ()> {
    let listen = |kind| signal(kind).ok();
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt()), listen(SignalKind::terminate()));
    async move {
        tokio::select! {
            () = received(&mut interrupt) => {}
            () = received(&mut terminate) => {}
        }
    }
}

/// Waits for a signal; for ever where it cannot be listened for.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
