//! `cargo xtask bench api`: how fast the server starts, what clusters and objects weigh, and how fast it answers beside
//! the real server.
//!
//! Each weight is taken in a process of its own (this program, started again with `measure`), so that no figure holds
//! another's leftovers. `BOWLINE_PROGRAM` is the program whose start is measured and that serves; without
//! `BOWLINE_CONTROL_PLANE` there is nothing to compare the throughput with.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use bowline_apiserver::{Cluster, Fleet, Gvr, Options};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What the program itself uses: figures of another allocator would be of another program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STARTS: usize = 15;
const CLUSTERS: usize = 1000;
const WATCHERS: usize = 1000;

fn main() -> Result<()> {
    // As the program does: huge pages make small heaps large.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["measure", "clusters", controllers] => runtime.block_on(clusters(controllers == "controllers")),
        ["measure", "objects", kind] => runtime.block_on(objects(kind)),
        ["measure", "watchers"] => runtime.block_on(watchers()),
        _ => {
            say("");
            start()?;
            weights()?;
            runtime.block_on(throughput())
        }
    }
}

#[expect(clippy::print_stdout, reason = "the figures are the output")]
fn say(line: &str) {
    println!("{line}");
}

/// From the start of the process until it says that it is ready, as whoever starts it sees it.
fn start() -> Result<()> {
    let mut millis = Vec::new();
    for _ in 0..STARTS {
        let begin = Instant::now();
        let server = Server::start(&[])?;
        millis.push(begin.elapsed().as_secs_f64() * 1000.0);
        drop(server);
    }
    millis.sort_by(f64::total_cmp);
    let (median, worst) = (millis[STARTS / 2], millis[STARTS - 1]);
    say(&format!("start: {median:.0} ms (median of {STARTS}; slowest {worst:.0} ms)"));
    Ok(())
}

/// Runs this program again for the figures that need a process of their own.
fn weights() -> Result<()> {
    let program = std::env::current_exe()?;
    let rows: [&[&str]; 7] = [
        &["clusters", "controllers"],
        &["clusters", "quiet"],
        &["objects", "configmaps"],
        &["objects", "deployments"],
        &["objects", "pods"],
        &["objects", "mixed"],
        &["watchers"],
    ];
    for row in rows {
        let done = Command::new(&program).arg("measure").args(row).status()?;
        if !done.success() {
            return Err(format!("`measure {}` failed", row.join(" ")).into());
        }
    }
    Ok(())
}

/// Returns the resident set, in bytes.
fn resident() -> Result<f64> {
    // What the allocator holds for nobody would be weighed with the rest.
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(kib * 1024.0)
}

async fn clusters(controllers: bool) -> Result<()> {
    let fleet = Fleet::new();
    let make = |from: usize, to: usize| {
        for at in from..to {
            let options = Options { seed: at as u64, controllers, ..Options::default() };
            fleet.insert(&format!("cluster-{at:04}"), Cluster::new(options));
        }
    };
    // The first few bring what all share.
    make(0, 10);
    settle().await;
    let before = resident()?;
    let begin = Instant::now();
    make(10, CLUSTERS);
    let each_ms = begin.elapsed().as_secs_f64() * 1000.0 / (CLUSTERS - 10) as f64;
    settle().await;
    let after = resident()?;
    let each = (after - before) / (CLUSTERS - 10) as f64 / 1000.0;
    let total = after / 1e6;
    let what = if controllers { "with controllers" } else { "without controllers" };
    say(&format!(
        "idle cluster {what}: {each:.0} kB, made in {each_ms:.2} ms; {CLUSTERS} in one process: {total:.0} MB resident"
    ));
    Ok(())
}

/// Waits until the controllers have let go of what they looked at.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(4)).await;
}

fn gvr(kind: &str) -> Gvr {
    match kind {
        "deployments" => Gvr::new("apps", "v1", kind),
        _ => Gvr::new("", "v1", kind),
    }
}

/// Makes one object; the sizes are those of common charts.
fn object(kind: &str, at: usize) -> Value {
    let labels = json!({
        "app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": format!("shop-{at}"),
        "app.kubernetes.io/version": "1.2.3", "app.kubernetes.io/managed-by": "bowline",
    });
    let meta = json!({ "name": format!("shop-{at}"), "namespace": "default", "labels": labels });
    let template = json!({
        "containers": [{
            "name": "app", "image": format!("registry.example.com/shop/app:{at}"),
            "ports": [{ "name": "http", "containerPort": 8080 }],
            "env": [{ "name": "LOG_LEVEL", "value": "info" }, { "name": "REGION", "value": "eu-central-1" }],
            "readinessProbe": { "httpGet": { "path": "/healthz", "port": "http" } },
            "resources": { "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "256Mi" } },
            "volumeMounts": [{ "name": "config", "mountPath": "/etc/app" }],
        }],
        "volumes": [{ "name": "config", "configMap": { "name": format!("shop-{at}") } }],
    });
    match kind {
        "configmaps" => json!({
            "metadata": meta,
            "data": { "app.yaml": format!("listen: 0.0.0.0:8080\nregion: eu-central-1\nshop: {at}\nfeatures:\n- cart\n- search\n") },
        }),
        "pods" => json!({ "metadata": meta, "spec": template }),
        _ => json!({
            "metadata": meta,
            "spec": {
                "replicas": 2, "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": template },
            },
        }),
    }
}

/// What objects weigh beyond their text, in all the forms the server keeps them in.
async fn objects(kind: &str) -> Result<()> {
    const OBJECTS: usize = 20_000;
    /// As many as fill the memory of decoded objects, which a process has once.
    const BEFORE: usize = 10_000;
    let cluster = Cluster::new(Options { controllers: false, ..Options::default() });
    let admin = cluster.admin();
    let kinds: &[&str] = if kind == "mixed" { &["configmaps", "deployments", "pods"] } else { &[kind] };
    let mut text = 0;
    let mut make = |from: usize, to: usize| -> Result<()> {
        for at in from..to {
            let kind = kinds[at % kinds.len()];
            text += serde_json::to_vec(&*admin.create(&gvr(kind), object(kind, at))?)?.len();
        }
        Ok(())
    };
    make(0, BEFORE)?;
    settle().await;
    let before = resident()?;
    text = 0;
    let mut make = |from: usize, to: usize| -> Result<()> {
        for at in from..to {
            let kind = kinds[at % kinds.len()];
            text += serde_json::to_vec(&*admin.create(&gvr(kind), object(kind, at))?)?.len();
        }
        Ok(())
    };
    make(BEFORE, BEFORE + OBJECTS)?;
    settle().await;
    let grown = resident()? - before;
    let each = text / OBJECTS;
    say(&format!("object ({kind}): {:.2} x its JSON of {each} bytes", grown / text as f64));
    Ok(())
}

/// Many watchers of one busy kind: how many events they are told a second, and how many copies of each there are.
async fn watchers() -> Result<()> {
    const EVENTS: usize = 200;
    let cluster = Cluster::new(Options { controllers: false, ..Options::default() });
    let admin = cluster.admin();
    let uri = "/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=&timeoutSeconds=600";
    let mut bodies = Vec::new();
    for _ in 0..WATCHERS {
        let request = http::Request::get(uri).body(http_body_util::Full::new(Bytes::new()))?;
        let mut body = tower::ServiceExt::oneshot(cluster.service(), request).await?.into_body();
        // The configmap every namespace has.
        body.frame().await.ok_or("the watch ended")?.map_err(|_| "the watch broke")?;
        bodies.push(body);
    }
    let readers: Vec<_> = (bodies.into_iter())
        .map(|mut body| {
            tokio::spawn(async move {
                let mut told = Vec::with_capacity(EVENTS);
                while told.len() < EVENTS {
                    let Some(Ok(frame)) = body.frame().await else { break };
                    if let Ok(bytes) = frame.into_data() {
                        told.push((bytes.as_ptr().addr(), bytes.len()));
                    }
                }
                told
            })
        })
        .collect();
    let begin = Instant::now();
    for at in 0..EVENTS {
        admin.create(&gvr("configmaps"), object("configmaps", at))?;
        tokio::task::yield_now().await;
    }
    let mut copies = std::collections::BTreeSet::new();
    let mut told = 0;
    for reader in readers {
        let events = reader.await?;
        told += events.len();
        copies.extend(events);
    }
    let rate = told as f64 / begin.elapsed().as_secs_f64();
    let copies = copies.len() as f64 / EVENTS as f64;
    say(&format!("{WATCHERS} watchers: {rate:.0} events told a second; copies of each event: {copies:.2}"));
    Ok(())
}

/// A server in a process of its own, ours or the real one.
struct Server {
    child: Child,
    commands: Option<ChildStdin>,
    url: String,
    token: String,
}

impl Server {
    fn start(more: &[&str]) -> Result<Self> {
        let program = std::env::var_os("BOWLINE_PROGRAM").map(PathBuf::from).ok_or("BOWLINE_PROGRAM is not set")?;
        let mut command = Command::new(program);
        command.args(["apiserver", "--output", "json"]).args(more);
        Self::spawn(command, "server")
    }

    fn real() -> Result<Option<Self>> {
        let Some(program) = std::env::var_os("BOWLINE_CONTROL_PLANE") else { return Ok(None) };
        let mut command = Command::new(program);
        command.args(["-housekeeping", "-nodes", "0"]);
        Self::spawn(command, "server").map(Some)
    }

    fn spawn(mut command: Command, url: &str) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let commands = child.stdin.take();
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("it was piped")?).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line)?;
        let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
        Ok(Self { child, commands, url: text(url), token: text("token") })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.commands.take();
        // Ours goes by signal, the real one when its input ends; both are waited for.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Creates, gets and lists a second: many at once over one TLS connection each.
async fn throughput() -> Result<()> {
    let ours = rates(Server::start(&["--no-controllers"])?).await?;
    let real = match Server::real()? {
        Some(server) => Some(rates(server).await?),
        None => None,
    };
    for (at, (name, rate)) in ours.iter().enumerate() {
        let beside = real.as_ref().map_or_else(String::new, |real| {
            format!("; the real server {:.0}; ratio {:.1}", real[at].1, rate / real[at].1)
        });
        say(&format!("{name}: {rate:.0} a second{beside}"));
    }
    Ok(())
}

async fn rates(server: Server) -> Result<Vec<(&'static str, f64)>> {
    const AT_ONCE: usize = 16;
    const OBJECTS: usize = 2000;
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .user_agent("bench/1")
        .default_headers(
            std::iter::once((reqwest::header::AUTHORIZATION, format!("Bearer {}", server.token).parse()?)).collect(),
        )
        .build()?;
    let base = format!("{}/api/v1/namespaces/default/configmaps", server.url);
    let run = |count: usize, send: std::sync::Arc<dyn Fn(usize) -> reqwest::RequestBuilder + Send + Sync>| async move {
        let begin = Instant::now();
        let workers = (0..AT_ONCE).map(|worker| {
            let send = std::sync::Arc::clone(&send);
            tokio::spawn(async move {
                for at in (worker..count).step_by(AT_ONCE) {
                    let reply = send(at).send().await.map_err(|error| error.to_string())?;
                    if !reply.status().is_success() {
                        return Err(format!("{}: {}", reply.status(), reply.text().await.unwrap_or_default()));
                    }
                    reply.bytes().await.map_err(|error| error.to_string())?;
                }
                Ok(())
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.map_err(|error| error.to_string())??;
        }
        Ok::<f64, String>(count as f64 / begin.elapsed().as_secs_f64())
    };
    let of = |make: Box<dyn Fn(usize) -> reqwest::RequestBuilder + Send + Sync>| std::sync::Arc::from(make);
    let (c, url) = (client.clone(), base.clone());
    let create = of(Box::new(move |at| {
        let mut body = object("configmaps", at);
        body["kind"] = json!("ConfigMap");
        body["apiVersion"] = json!("v1");
        c.post(&url).header("content-type", "application/json").body(body.to_string())
    }));
    let (c, url) = (client.clone(), base.clone());
    let get = of(Box::new(move |at| c.get(format!("{url}/shop-{at}"))));
    let (c, url) = (client, base);
    let list = of(Box::new(move |_| c.get(&url)));
    Ok(vec![
        ("create", run(OBJECTS, create).await?),
        ("get", run(OBJECTS, get).await?),
        ("list of 2000", run(100, list).await?),
    ])
}
