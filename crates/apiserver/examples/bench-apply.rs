//! Server-side applies of a typical Deployment by N clients over loopback HTTPS: ours, beside the real kube-apiserver
//! in the same run on the same machine.
//!
//! `BOWLINE_CONTROL_PLANE` names the program that runs the real one (or the file it wrote when it was ready); without it
//! only ours is measured. `CLIENTS` (8), `OBJECTS` a client (25) and `SECONDS_EACH` (8) may be given. Every apply changes
//! the object. The clients are the same for both servers and share the machine with them.
//!
//! `IN_PROCESS` is a number of applies to carry out one after another without any sockets, and nothing else: for profilers,
//! and for counting instructions, which a busy machine does not change.

use std::io::{BufRead as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowline_apiserver::{Cluster, Identity, Options, Transport};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the program itself uses: figures of another allocator would be of another program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is typical of a Deployment: two containers with ports, variables, resources, probes and mounts.
fn deployment(name: &str, round: u64) -> Value {
    let container = |name: &str, port: u16| {
        json!({
            "name": name, "image": format!("registry.example/{name}:{round}"),
            "ports": [{ "name": "http", "containerPort": port }],
            "env": [{ "name": "ROUND", "value": round.to_string() }, { "name": "LEVEL", "value": "info" },
                    { "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
            "resources": { "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "256Mi" } },
            "readinessProbe": { "httpGet": { "path": "/ready", "port": "http" }, "periodSeconds": 5 },
            "livenessProbe": { "httpGet": { "path": "/alive", "port": "http" } },
            "volumeMounts": [{ "name": "config", "mountPath": "/etc/app", "readOnly": true }],
            "securityContext": { "runAsNonRoot": true, "allowPrivilegeEscalation": false },
        })
    };
    let labels = json!({ "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "bench" });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "labels": labels, "annotations": { "bench/round": round.to_string() } },
        "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app.kubernetes.io/name": name } },
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": 0 } },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "containers": [container("app", 8080), container("proxy", 15000)],
                    "volumes": [{ "name": "config", "configMap": { "name": "config" } }],
                    "serviceAccountName": "default", "terminationGracePeriodSeconds": 30,
                },
            },
        },
    })
}

#[derive(Clone)]
struct Server {
    address: String,
    token: String,
}

struct Load {
    clients: u64,
    objects: u64,
    time: Duration,
}

/// Returns how many applies a second a server carries out.
async fn measure(server: &Server, load: &Load) -> Result<f64, Failure> {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "bench" } });
    let made = client()?
        .post(format!("{}/api/v1/namespaces", server.address))
        .bearer_auth(&server.token)
        .header("content-type", "application/json")
        .body(namespace.to_string())
        .send()
        .await?;
    if made.status() != 201 {
        return Err(made.text().await?.into());
    }
    // Once round all objects first: creations are not what is measured.
    let mut tasks = Vec::new();
    for number in 0..load.clients {
        tasks.push(tokio::spawn(apply_for(server.clone(), number, load.objects, Duration::ZERO)));
    }
    for task in tasks.drain(..) {
        task.await??;
    }
    let start = Instant::now();
    for number in 0..load.clients {
        tasks.push(tokio::spawn(apply_for(server.clone(), number, load.objects, load.time)));
    }
    let mut applies = 0;
    for task in tasks {
        applies += task.await??;
    }
    Ok(applies as f64 / start.elapsed().as_secs_f64())
}

fn client() -> Result<reqwest::Client, Failure> {
    Ok(reqwest::Client::builder().danger_accept_invalid_certs(true).http1_only().build()?)
}

/// Applies a client's objects in turn for a time, at least once each.
async fn apply_for(server: Server, number: u64, objects: u64, time: Duration) -> Result<u64, Failure> {
    let client = client()?;
    let start = Instant::now();
    let mut applies = 0;
    while applies < objects || start.elapsed() < time {
        let name = format!("app-{number}-{}", applies % objects);
        let round = if time.is_zero() { 0 } else { 1 + applies / objects };
        let url = format!(
            "{}/apis/apps/v1/namespaces/bench/deployments/{name}?fieldManager=bench&force=true",
            server.address
        );
        let answer = client
            .patch(url)
            .bearer_auth(&server.token)
            .header("content-type", "application/apply-patch+yaml")
            .body(deployment(&name, round).to_string())
            .send()
            .await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if !status.is_success() {
            return Err(String::from_utf8_lossy(&body).into_owned().into());
        }
        applies += 1;
    }
    Ok(applies)
}

/// Starts the real control plane, or finds the one that runs; it ends when what is returned is dropped.
fn real() -> Result<Option<(Server, Option<Child>)>, Failure> {
    let Some(named) = variable("BOWLINE_CONTROL_PLANE") else { return Ok(None) };
    let (ready, process) = if std::path::Path::new(&named).extension().is_some_and(|ending| ending == "json") {
        (std::fs::read_to_string(named)?, None)
    } else {
        let mut process = Command::new(named)
            .args(["-housekeeping", "-service-accounts", "-nodes", "0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let out = process.stdout.take().ok_or("the control plane has no output")?;
        std::io::BufReader::new(out).read_line(&mut line)?;
        (line, Some(process))
    };
    let ready: Value = serde_json::from_str(&ready)?;
    let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
    Ok(Some((Server { address: text("server"), token: text("token") }, process)))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn number(name: &str, default: u64) -> u64 {
    variable(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Applies so many times by calling the server as a service, on one thread.
async fn in_process(applies: u64) -> Result<Duration, Failure> {
    // As many as the clients have together: what the server remembers of few is not what it remembers of many.
    let objects = number("CLIENTS", 8) * number("OBJECTS", 25);
    let cluster = Cluster::new(Options { controllers: false, ..Options::default() });
    let send = |name: String, round: u64| {
        let uri = format!("/apis/apps/v1/namespaces/default/deployments/{name}?fieldManager=bench&force=true");
        let body = deployment(&name, round).to_string();
        let request = http::Request::patch(uri).header("content-type", "application/apply-patch+yaml");
        let request = request.body(http_body_util::Full::new(bytes::Bytes::from(body)));
        let service = cluster.service();
        async move {
            let answer = tower::ServiceExt::oneshot(service, request?).await?;
            let is_fine = answer.status().is_success();
            let body = http_body_util::BodyExt::collect(answer.into_body()).await?.to_bytes();
            if is_fine { Ok(()) } else { Err(Failure::from(String::from_utf8_lossy(&body).into_owned())) }
        }
    };
    for number in 0..objects {
        send(format!("app-{number}"), 0).await?;
    }
    let start = Instant::now();
    for at in 0..applies {
        send(format!("app-{}", at % objects), 1 + at / objects).await?;
    }
    Ok(start.elapsed())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    if let applies @ 1.. = number("IN_PROCESS", 0) {
        let micros = in_process(applies).await?.as_secs_f64() * 1e6 / applies as f64;
        writeln!(std::io::stdout(), "{micros:.0} microseconds an apply, without sockets")?;
        return Ok(());
    }
    let load = Load {
        clients: number("CLIENTS", 8),
        objects: number("OBJECTS", 25),
        time: Duration::from_secs(number("SECONDS_EACH", 8)),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "server-side applies of a Deployment, {} clients over loopback HTTPS", load.clients)?;
    let theirs = match real()? {
        Some((server, _process)) => {
            let rate = measure(&server, &load).await?;
            writeln!(out, "{:<24}{rate:>10.0} applies/s", "kube-apiserver")?;
            Some(rate)
        }
        None => None,
    };
    let cluster = Cluster::new(Options { token: Some("bench".to_owned()), controllers: false, ..Options::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = Server { address: format!("https://{}", listener.local_addr()?), token: "bench".to_owned() };
    let stop = CancellationToken::new();
    let serving = {
        let (cluster, stop) = (cluster.clone(), stop.clone());
        let transport = Transport::Tls(Arc::new(Identity::generate(&[])?));
        tokio::spawn(async move { cluster.serve(listener, transport, stop).await })
    };
    let rate = measure(&server, &load).await?;
    stop.cancel();
    serving.await?;
    writeln!(out, "{:<24}{rate:>10.0} applies/s", "bowline apiserver")?;
    if let Some(theirs) = theirs {
        writeln!(out, "{:<24}{:>10.1}", "ratio", rate / theirs)?;
    }
    Ok(())
}
