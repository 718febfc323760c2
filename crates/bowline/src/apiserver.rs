//! `bowline apiserver`: Kubernetes-compatible clusters in memory, for whoever wants one for a test.

mod save;

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bowline_apiserver::{Authorization, Cluster, FaultPlan, Fleet, Identity, ServicePort, Transport};
use bowline_model::parse_go_duration;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::logging::{self, LogFormat};
use crate::run::stop_signal;
use crate::trouble::{Reason, Trouble};
use save::Saved;

/// More than this many clusters in one process are a mistake rather than a wish.
const MAX_CLUSTERS: usize = 10_000;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: bowline apiserver --kubeconfig dev.kubeconfig & kubectl --kubeconfig dev.kubeconfig get all -A"
)]
pub(crate) struct Options {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// How many clusters, or their names with commas between them; each is served at /clusters/NAME, the first also at /
    /// [default: one, or those of the save file]
    #[arg(long, value_name = "N|NAMES")]
    clusters: Option<Names>,

    /// Where to write the kubeconfig, which has a context for each cluster [default: a file that goes away at the end]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// What goes wrong, and how often: a fault plan, see docs/apiserver.md
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,

    /// Keeps the clusters in this file: read at the start if it is there, written while they change and at the end
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// How many nodes a new cluster has
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=5000))]
    nodes: u32,

    /// How long a pod takes to become ready
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_go_duration)]
    start_delay: Duration,

    /// What uids and generated names start from [default: chance]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Where a service that admission or conversion webhooks name really listens; without a port, for all of its ports.
    /// May be given several times
    #[arg(long = "service", value_name = "NS/NAME[:PORT]=HOST:PORT")]
    services: Vec<ServiceAddress>,

    /// Speaks plain HTTP, and takes everybody for the administrator; on loopback addresses alone
    #[arg(long)]
    http: bool,

    /// Leaves Deployments, Jobs, Pods and the like alone, as an API server without controllers does
    #[arg(long)]
    no_controllers: bool,

    /// How to say that it is ready
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// In words, and as a line for the shell
    Text,
    /// As one line of JSON
    Json,
}

/// A service, and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ServiceAddress(ServicePort, SocketAddr);

impl FromStr for ServiceAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is not of the form NS/NAME[:PORT]=HOST:PORT");
        let (service, address) = text.split_once('=').ok_or_else(form)?;
        let (namespace, name) = service.split_once('/').ok_or_else(form)?;
        let (name, port) = match name.split_once(':') {
            Some((name, port)) => (name, port.parse().ok().filter(|port| *port > 0).ok_or_else(form)?),
            None => (name, 0),
        };
        if namespace.is_empty() || name.is_empty() {
            return Err(form());
        }
        let mut found = address.to_socket_addrs().map_err(|error| format!("cannot find `{address}`: {error}"))?;
        let address = found.next().ok_or_else(|| format!("`{address}` has no address"))?;
        Ok(Self(ServicePort { namespace: namespace.to_owned(), name: name.to_owned(), port }, address))
    }
}

/// The clusters asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Names(Vec<String>);

impl FromStr for Names {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(count) = text.parse::<usize>() {
            if !(1..=MAX_CLUSTERS).contains(&count) {
                return Err(format!("want from 1 to {MAX_CLUSTERS} clusters"));
            }
            return Ok(Self((1..=count).map(|number| format!("cluster-{number:04}")).collect()));
        }
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        for (at, name) in names.iter().enumerate() {
            let is_label = (1..=63).contains(&name.len())
                && name.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-')
                && !name.starts_with('-')
                && !name.ends_with('-');
            if !is_label {
                return Err(format!("`{name}` is no name: want lower-case letters, digits and `-`, at most 63"));
            }
            if names[..at].contains(name) {
                return Err(format!("`{name}` is there twice"));
            }
        }
        Ok(Self(names))
    }
}

pub(crate) async fn apiserver(options: Options, began: Instant) -> anyhow::Result<()> {
    logging::start(LogFormat::Pretty, "warn");
    if options.http && !options.listen.ip().is_loopback() {
        let why =
            format!("over plain HTTP everybody is the administrator, and {} is open to others", options.listen.ip());
        let help = "listen on 127.0.0.1, or leave `--http` out";
        return Err(Trouble::because("cannot serve plain HTTP", why, help).of_usage().into());
    }
    let plan = options.faults.as_deref().map(read_plan).transpose()?;
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        let help = "choose another address with `--listen`; port 0 takes a free one";
        Trouble::because(format!("cannot listen on {}", options.listen), error, help)
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    let identity = if options.http { None } else { Some(Arc::new(identity(address, options.save.as_deref())?)) };
    let transport = identity.clone().map_or(Transport::Plain, Transport::Tls);

    let setup = Setup::of(&options, identity);
    let fleet = start(&options, &setup)?;
    if let Some(plan) = &plan {
        for name in fleet.names() {
            if let Some(cluster) = fleet.get(&name) {
                cluster.set_faults(Some(plan.faults(&name)));
            }
        }
    }
    let kubeconfig = Kubeconfig::write(options.kubeconfig.as_deref(), &fleet.kubeconfig_of_all(address, &transport))?;
    let stop = CancellationToken::new();
    let serving = tokio::spawn({
        let (fleet, stop, transport) = (fleet.clone(), stop.clone(), transport.clone());
        async move { fleet.serve(listener, transport, stop).await }
    });
    let stopped = stop_signal();
    say_ready(&options, &setup, &fleet, &transport.url(address), &kubeconfig.path, began)?;

    let mut saved = options.save.as_deref().map(|file| Saved::new(file, &fleet));
    match &mut saved {
        Some(saved) => tokio::select! {
            () = stopped => {}
            () = saved.keep_up() => {}
        },
        None => stopped.await,
    }
    stop.cancel();
    serving.await.context("the listener broke")?;
    fleet.shutdown();
    match &mut saved {
        Some(saved) => saved.write(),
        None => Ok(()),
    }
}

/// What every cluster of the process is made with.
struct Setup {
    seed: u64,
    token: Option<String>,
    options: bowline_apiserver::Options,
}

impl Setup {
    fn of(options: &Options, identity: Option<Arc<Identity>>) -> Self {
        let token = (!options.http).then(|| format!("{:032x}", rand::random::<u128>()));
        let of_all = bowline_apiserver::Options {
            controllers: !options.no_controllers,
            token: token.clone(),
            // As a real server: whoever has no token is let in as `system:anonymous`, who may do next to nothing.
            allow_anonymous: true,
            identity,
            authorization: if options.http { Authorization::AlwaysAllow } else { Authorization::Rbac },
            nodes: options.nodes,
            start_delay: options.start_delay,
            services: (options.services.iter())
                .map(|ServiceAddress(service, address)| (service.clone(), *address))
                .collect(),
            ..bowline_apiserver::Options::default()
        };
        Self { seed: options.seed.unwrap_or_else(rand::random), token, options: of_all }
    }

    /// Returns the options of one cluster: no two have the same uids.
    fn named(&self, name: &str) -> bowline_apiserver::Options {
        let seed = name.bytes().fold(self.seed, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        bowline_apiserver::Options { seed, ..self.options.clone() }
    }
}

/// Brings the saved clusters back, and makes those that are missing.
fn start(options: &Options, setup: &Setup) -> anyhow::Result<Fleet> {
    let fleet = match &options.save {
        Some(file) => save::restore(file, |name| setup.named(name))?.unwrap_or_default(),
        None => Fleet::new(),
    };
    let wanted = match &options.clusters {
        Some(Names(names)) => names.clone(),
        None if fleet.names().is_empty() => vec!["cluster-0001".to_owned()],
        None => fleet.names(),
    };
    for name in &wanted {
        if fleet.get(name).is_none() {
            fleet.insert(name, Cluster::new(setup.named(name)));
        }
    }
    if let Some(first) = wanted.first() {
        fleet.set_root(first);
    }
    Ok(fleet)
}

/// Makes the server's certificate, signed by the authority of the save file if there is one.
fn identity(address: SocketAddr, save: Option<&Path>) -> anyhow::Result<Identity> {
    let names = if address.ip().is_unspecified() { Vec::new() } else { vec![address.ip().to_string()] };
    // What is wrong with the file is told when the clusters are read from it.
    let file = save.and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
    let identity = match Identity::of_snapshot(&file, &names) {
        Ok(Some(kept)) => Ok(kept),
        Ok(None) => Identity::generate(&names),
        Err(error) => Err(error),
    };
    identity.context("cannot make a certificate")
}

fn read_plan(file: &Path) -> anyhow::Result<FaultPlan> {
    let what = format!("cannot use the fault plan `{}`", file.display());
    let text = std::fs::read(file)
        .map_err(|error| Trouble::because(&*what, error, "give a file that can be read to `--faults`"))?;
    FaultPlan::parse(&text).map_err(|problems| {
        let reasons = problems.into_iter().map(|problem| Reason {
            at: Some(format!("{}:{}", file.display(), problem.line)),
            why: match problem.path.as_str() {
                "" => problem.message,
                path => format!("`{path}` {}", problem.message),
            },
            help: problem.help,
        });
        Trouble::new(what, reasons.collect()).into()
    })
}

/// The kubeconfig on disk; one that nobody asked for goes away with this.
struct Kubeconfig {
    path: PathBuf,
    _dir: Option<tempfile::TempDir>,
}

impl Kubeconfig {
    fn write(asked: Option<&Path>, text: &str) -> anyhow::Result<Self> {
        let (path, dir) = if let Some(path) = asked {
            (path.to_owned(), None)
        } else {
            let dir =
                tempfile::Builder::new().prefix("bowline-apiserver-").tempdir().context("cannot make a directory")?;
            (dir.path().join("kubeconfig"), Some(dir))
        };
        // Its server does not outlive the machine either, and a disk may take longer than all else of a start.
        write_secret(&path, text.as_bytes(), Outlives::Process).map_err(|error| {
            let help = "give a path that can be written to `--kubeconfig`";
            Trouble::because(format!("cannot write the kubeconfig `{}`", path.display()), error, help)
        })?;
        Ok(Self { path: path.canonicalize().unwrap_or(path), _dir: dir })
    }
}

/// What a file has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outlives {
    /// The end of the process.
    Process,
    /// The end of the machine.
    Machine,
}

/// Replaces a file that only its owner may read; a reader sees the old one or the new one, never a part.
fn write_secret(path: &Path, bytes: &[u8], outlives: Outlives) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Temporary files are made for their owner alone.
    // Its error names a file nobody asked for; what is wrong is enough.
    let mut file = tempfile::NamedTempFile::new_in(parent).map_err(|error| std::io::Error::from(error.kind()))?;
    file.write_all(bytes)?;
    if outlives == Outlives::Machine {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn say_ready(
    options: &Options,
    setup: &Setup,
    fleet: &Fleet,
    server: &str,
    kubeconfig: &Path,
    began: Instant,
) -> anyhow::Result<()> {
    let names = fleet.names();
    let millis = began.elapsed().as_secs_f64() * 1000.0;
    let mut out = std::io::stdout().lock();
    let said = match options.output {
        Output::Json => {
            let ready = json!({
                "startMs": (millis * 10.0).round() / 10.0,
                "server": server,
                "kubeconfig": kubeconfig,
                "token": setup.token,
                "clusters": names,
            });
            writeln!(out, "{ready}")
        }
        Output::Text => {
            let clusters = match &names[..] {
                [one] => format!("cluster `{one}`"),
                [first, .., last] => format!("{} clusters, `{first}` to `{last}`,", names.len()),
                [] => "no cluster".to_owned(),
            };
            anstream::eprintln!("Ready after {millis:.0} ms: {clusters} at {server}");
            writeln!(out, "export KUBECONFIG={}", kubeconfig.display())
        }
    };
    said.and_then(|()| out.flush()).context("cannot print")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_counted_or_named() {
        let names = |text: &str| text.parse::<Names>().map(|names| names.0);
        assert_eq!(names("2"), Ok(vec!["cluster-0001".to_owned(), "cluster-0002".to_owned()]));
        assert_eq!(names("eu, us-1"), Ok(vec!["eu".to_owned(), "us-1".to_owned()]));
        assert_eq!(names("0"), Err("want from 1 to 10000 clusters".to_owned()));
        assert_eq!(names("a,a"), Err("`a` is there twice".to_owned()));
        assert!(names("a,").is_err());
        assert!(names("A").is_err());
    }
}
