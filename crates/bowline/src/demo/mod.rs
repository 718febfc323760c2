//! All of Bowline on one machine, with nothing to install: a cluster in memory, a real Git repository, one
//! Application and one Kustomization.

mod repository;
mod tour;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bowline_apiserver::{Identity, Transport};
use bowline_cluster::{ApplyOptions, Cluster, Timeouts};
use bowline_engine::{Cause, Engine, Happening};
use bowline_model::{Object, ObjectOutcome};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::logging::{self, LogFormat};
use crate::run::{Wiring, engine, serve, stop_signal};
use repository::Repository;

/// Who applies what the demo begins with.
const MANAGER: &str = "bowline-demo";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Plays the tour by itself, checks each result, prints the timings and exits
    #[arg(long)]
    check: bool,

    /// Where the repository and the kubeconfig are put [default: a directory that goes away with the demo]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// The address of the page
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// The demo as it runs: what the tour plays with.
struct Stage {
    repository: Repository,
    cluster: Cluster,
    engine: Engine,
}

pub(crate) async fn demo(options: Options) -> anyhow::Result<()> {
    logging::start(LogFormat::Pretty, "warn");
    let temporary;
    let dir = if let Some(dir) = &options.dir {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
        dir.canonicalize().with_context(|| format!("cannot use `{}`", dir.display()))?
    } else {
        temporary = tempfile::Builder::new().prefix("bowline-demo-").tempdir().context("cannot make a directory")?;
        temporary.path().to_owned()
    };
    let repository = Repository::create(&dir.join("repository"))?;

    let shutdown = CancellationToken::new();
    let server = bowline_apiserver::Cluster::new(bowline_apiserver::Options::default());
    let kubeconfig = listen_for_kubectl(&server, &dir, &shutdown).await?;
    let connect = || bowline_cluster::connect_service(server.service(), Timeouts::default(), rand::random());
    let visitor = connect();
    prepare(&visitor, &repository).await?;

    let wiring = Wiring {
        state_dir: dir.join("state"),
        renders_mib: crate::run::RENDERS_MIB,
        poll_interval: Duration::from_mins(1),
        argocd_namespace: "argocd".to_owned(),
        allow_local: true,
        no_remote_bases: false,
        namespaces: Vec::new(),
        seed: rand::random(),
    };
    let engine = engine(connect(), wiring, shutdown.clone());
    let pages = TcpListener::bind(options.listen).await.context("cannot listen for the page")?;
    let page = pages.local_addr()?;
    tokio::spawn(serve(pages, engine.clone(), shutdown.clone()));
    let mut happenings = engine.happenings();
    let running = tokio::spawn({
        let engine = engine.clone();
        async move { engine.run().await }
    });

    let stage = Stage { repository, cluster: visitor, engine };
    if options.check {
        let played = tour::play(&stage, page).await;
        shutdown.cancel();
        running.await?.context("the engine stopped")?;
        return played;
    }
    let mut stopped = std::pin::pin!(stop_signal());
    welcome(&stage, &kubeconfig, page);
    loop {
        tokio::select! {
            happening = happenings.recv() => match happening {
                Ok(happening) => tell(&happening),
                Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => {
                    anstream::println!("  … {missed} more");
                }
                Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
            },
            () = &mut stopped => break,
        }
    }
    shutdown.cancel();
    running.await?.context("the engine stopped")?;
    anstream::println!("\nThe cluster was in memory and is gone. Goodbye.");
    Ok(())
}

/// Serves the cluster on a loopback port for `kubectl`, and writes its kubeconfig.
async fn listen_for_kubectl(
    server: &bowline_apiserver::Cluster,
    dir: &std::path::Path,
    shutdown: &CancellationToken,
) -> anyhow::Result<PathBuf> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen for kubectl")?;
    let address = listener.local_addr()?;
    // TLS even on loopback: clients drop credentials over plain HTTP.
    let transport = Transport::Tls(Identity::generate(&[])?.into());
    let kubeconfig = dir.join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig(address, &transport))
        .with_context(|| format!("cannot write `{}`", kubeconfig.display()))?;
    let (server, shutdown) = (server.clone(), shutdown.clone());
    tokio::spawn(async move { server.serve(listener, transport, shutdown).await });
    Ok(kubeconfig)
}

/// Installs the definitions and the resources of `examples/`.
async fn prepare(cluster: &Cluster, repository: &Repository) -> anyhow::Result<()> {
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let mut objects = crate::install::definitions();
    objects.extend(["argocd", "flux-system", "podinfo"].map(namespace));
    for text in [include_str!("../../../../examples/argo-cd.yaml"), include_str!("../../../../examples/flux.yaml")] {
        let text = text.replace("REPOSITORY", &repository.url());
        let (documents, problems) = bowline_yaml::parse_documents(text.as_bytes(), &bowline_yaml::Limits::default());
        anyhow::ensure!(problems.is_empty(), "an example cannot be read: {problems:?}");
        objects.extend(documents.into_iter().map(|document| document.value));
    }
    for object in objects {
        let object = Object::from_value(object)?;
        apply(cluster, &object, MANAGER).await?;
    }
    Ok(())
}

/// Applies one object, waiting for its kind where that was defined just now.
async fn apply(cluster: &Cluster, object: &Object, manager: &str) -> anyhow::Result<Object> {
    let gvk = object.gvk();
    let resource = cluster.resource(&gvk).await?.with_context(|| format!("the cluster has no kind `{gvk}`"))?;
    let options = ApplyOptions { manager, dry_run: false };
    cluster.apply(&resource, object, options).await.with_context(|| format!("cannot apply {}", object.key()))
}

fn welcome(stage: &Stage, kubeconfig: &std::path::Path, page: SocketAddr) {
    let repository = stage.repository.path().display();
    anstream::println!(
        "Bowline keeps a cluster equal to a Git repository: here are both.

  page         http://{page}/
  repository   {repository}
  kubeconfig   {kubeconfig}

  It holds one app in Argo CD's words (Application argocd/shop) and one in Flux's (Kustomization
  flux-system/podinfo). Things to try, in another terminal:

    export KUBECONFIG={kubeconfig}
    kubectl get applications,kustomizations,gitrepositories -A

    # change something in Git, and see it applied
    cd {repository}
    sed -i 's/replicas: 2/replicas: 3/' shop/deployment.yaml && git commit -qam 'shop: one more'

    # delete something, and see it come back
    kubectl -n podinfo delete deployment podinfo

    # change something by hand, and see it put right
    kubectl -n shop scale deployment shop --replicas=7

  Ctrl-C ends it. What happens:
",
        kubeconfig = kubeconfig.display(),
    );
}

/// Tells one happening in one line.
fn tell(happening: &Happening) {
    match happening {
        // The first failure was told, and nothing is new about it.
        Happening::Synced { cause: Cause::Retry, failure: Some(_), .. } => {}
        Happening::Synced { app, revision, cause, took, done, failure } => {
            let cause = match cause {
                Cause::Revision => format!("commit {}", revision.short()),
                Cause::Drift => "drift".to_owned(),
                Cause::Request => "a request".to_owned(),
                Cause::Retry => format!("another try of {}", revision.short()),
            };
            let done: Vec<_> = done
                .iter()
                .map(|(key, outcome)| {
                    let verb = match outcome {
                        ObjectOutcome::Created => "created",
                        ObjectOutcome::Configured => "configured",
                        ObjectOutcome::Pruned => "pruned",
                        ObjectOutcome::Failed => "refused",
                        ObjectOutcome::Running => "running",
                        ObjectOutcome::Unchanged | ObjectOutcome::PruneSkipped => "left",
                    };
                    format!("{verb} {}/{}", key.kind, key.name)
                })
                .collect();
            let done = if done.is_empty() { "nothing to write".to_owned() } else { done.join(", ") };
            let millis = took.as_secs_f64() * 1000.0;
            anstream::println!("  {:<28} {cause}: {done}  [{millis:.0} ms]", format!("{}/{}", app.namespace, app.name));
            if let Some(failure) = failure {
                anstream::println!("  {:<28} failed: {failure}", "");
            }
        }
        Happening::Healthy { app, revision } => {
            anstream::println!("  {:<28} healthy at {}", format!("{}/{}", app.namespace, app.name), revision.short());
        }
        Happening::Failed { app, failure } => {
            anstream::println!("  {:<28} {}: {failure}", format!("{}/{}", app.namespace, app.name), failure.reason);
        }
        Happening::Removed { app } => anstream::println!("  {:<28} removed", format!("{}/{}", app.namespace, app.name)),
    }
}
