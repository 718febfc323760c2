//! `cargo xtask bench reconcile`: N apps of M objects on a real control plane, beside a bare parallel loop of
//! server-side applies of the same objects, which is the limit of the machine.
//!
//! Bowline runs as a process of its own; what it costs is read from the kernel (`/proc`), when things happen from
//! a watch of this program's own.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bowline_cluster::{ApplyOptions, Change, Cluster, Known, WatchScope};
use bowline_model::{Gvk, Object, Propagation};
use clap::Parser;
use futures::StreamExt as _;
use serde_json::{Value, json};

/// Applies under way at once in the bare loop: more do not make it faster on two cores.
const BARE_AT_ONCE: usize = 32;

/// Thousands of apps take their time where the machine is shared.
const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Debug, Parser)]
#[command(args_override_self = true)]
struct Options {
    /// How many apps
    #[arg(long, default_value_t = 100)]
    apps: usize,
    /// How many objects each
    #[arg(long, default_value_t = 10)]
    objects: usize,
    /// How long Bowline is watched at rest
    #[arg(long, default_value_t = 20)]
    rest_secs: u64,
    /// Ends after the commit that changes one app
    #[arg(long)]
    one_commit: bool,
    /// Only this dialect: `argo` or `flux`
    #[arg(long)]
    dialect: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let control_plane = variable("BOWLINE_CONTROL_PLANE")?;
    let program = variable("BOWLINE_PROGRAM")?;
    let mut table = String::new();
    writeln!(table, "{} apps x {} objects, two cores shared with the API server\n", options.apps, options.objects)?;
    writeln!(table, "{:<52} {:>10} {:>10} {:>8}", "", "wall", "CPU", "ratio")?;
    for dialect in ["argo", "flux"] {
        if options.dialect.as_deref().is_some_and(|only| only != dialect) {
            continue;
        }
        // A fresh server for each: nobody pays for another's objects.
        let server = ControlPlane::start(&control_plane)?;
        let bench = Bench::new(&options, dialect, &server, &program).await?;
        bench.run(&mut table).await?;
    }
    say(&table);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is the output")]
fn say(text: &str) {
    println!("{text}");
}

fn variable(name: &str) -> anyhow::Result<PathBuf> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .with_context(|| format!("{name} is not set; run `cargo xtask bench reconcile`"))
}

struct ControlPlane {
    child: Child,
    commands: Option<ChildStdin>,
    kubeconfig: PathBuf,
}

impl ControlPlane {
    fn start(program: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let commands = child.stdin.take();
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("was piped")?).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).context("the control plane did not start")?;
        let kubeconfig = ready["kubeconfig"].as_str().context("no kubeconfig")?.into();
        Ok(Self { child, commands, kubeconfig })
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.commands.take();
        let _ = self.child.wait();
    }
}

/// A `bowline run` and what it says.
struct Bowline {
    child: Child,
    syncs: Arc<Mutex<Vec<Value>>>,
    address: String,
}

impl Bowline {
    fn start(program: &Path, kubeconfig: &Path, state: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(["run", "--log-format", "json", "--listen", "127.0.0.1:0", "--kubeconfig"])
            .arg(kubeconfig)
            .arg("--state-dir")
            .arg(state)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("was piped")?).lines();
        let mut address = String::new();
        for line in lines.by_ref() {
            let line: Value = serde_json::from_str(&line?).unwrap_or(Value::Null);
            if line["message"] == "Listening" {
                line["address"].as_str().unwrap_or_default().clone_into(&mut address);
                break;
            }
        }
        let syncs = Arc::new(Mutex::new(Vec::new()));
        let kept = syncs.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Ok(line) = serde_json::from_str::<Value>(&line)
                    && line["message"] == "Sync finished"
                {
                    kept.lock().expect("not poisoned").push(line);
                }
            }
        });
        Ok(Self { child, syncs, address })
    }

    /// CPU time since the start, user and system.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // The name in parentheses may hold blanks; what follows does not.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
        // `utime` and `stime`, in ticks of 10 ms.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    /// The same to the nanosecond, of the threads that live.
    fn cpu_of_threads(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let nanos = threads.filter_map(|thread| {
            let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// Resident memory now and at its highest, in MiB.
    fn memory(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    fn metric(&self, name: &str) -> anyhow::Result<u64> {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(&self.address)?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).context("no such metric")?;
        Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
    }

    fn forget_syncs(&self) {
        self.syncs.lock().expect("not poisoned").clear();
    }

    /// The longest time from seeing a cause to the end of the last write, of the syncs since the last call.
    fn slowest_sync(&self) -> f64 {
        let syncs = self.syncs.lock().expect("not poisoned");
        syncs.iter().filter_map(|sync| sync["took_ms"].as_f64()).fold(0.0, f64::max)
    }
}

impl Drop for Bowline {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Bench<'a> {
    options: &'a Options,
    dialect: &'a str,
    program: &'a Path,
    kubeconfig: &'a Path,
    cluster: Cluster,
    changes: tokio::sync::Mutex<tokio::sync::mpsc::Receiver<Change>>,
    dir: tempfile::TempDir,
    repository: git2::Repository,
}

impl<'a> Bench<'a> {
    async fn new(
        options: &'a Options,
        dialect: &'a str,
        server: &'a ControlPlane,
        program: &'a Path,
    ) -> anyhow::Result<Self> {
        let kubeconfig = std::fs::read_to_string(&server.kubeconfig)?;
        let cluster = bowline_cluster::connect_kubeconfig(&kubeconfig, None, 1).await?;
        let changes = cluster.changes().context("nobody else takes them")?;
        let dir = tempfile::tempdir()?;
        let mut init = git2::RepositoryInitOptions::new();
        init.initial_head("main").external_template(false);
        let repository = git2::Repository::init_opts(dir.path().join("repository"), &init)?;
        let changes = tokio::sync::Mutex::new(changes);
        Ok(Self { options, dialect, program, kubeconfig: &server.kubeconfig, cluster, changes, dir, repository })
    }

    async fn run(&self, table: &mut String) -> anyhow::Result<()> {
        writeln!(table, "\n{}", if self.dialect == "argo" { "Argo CD's dialect" } else { "Flux's dialect" })?;
        for app in 0..self.options.apps {
            for at in 0..self.options.objects {
                self.write(&format!("{}/{at:02}.yaml", app_name(app)), &manifest(app, at, 1))?;
            }
        }
        self.commit("all")?;

        // The limit, into a namespace of its own; the same objects.
        self.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bare"}})).await?;
        self.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "target"}})).await?;
        let bare = self.bare("bare").await?;
        writeln!(table, "{:<52} {:>8.2} s", "bare parallel server-side applies", bare.as_secs_f64())?;

        self.prepare().await?;
        let begin = Instant::now();
        let bowline = Bowline::start(self.program, self.kubeconfig, &self.dir.path().join("state"))?;
        self.until_all_are_at("").await?;
        let wall = begin.elapsed();
        let cpu = bowline.cpu();
        row(table, "install, from the start of the process", wall, cpu, Some(wall.as_secs_f64() / bare.as_secs_f64()))?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let per_app = |name: &str| Ok::<_, anyhow::Error>(bowline.metric(name)? as f64 / self.options.apps as f64);
        writeln!(
            table,
            "{:<52} {:>8.1} passes, {:.1} status writes",
            "  for each app",
            per_app("bowline_looks_total")?,
            per_app("bowline_status_writes_total")?,
        )?;
        let (resident, highest) = bowline.memory();

        let seconds = self.options.rest_secs;
        let (before, looks) = (bowline.cpu(), bowline.metric("bowline_looks_total")?);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let rest = bowline.cpu().saturating_sub(before);
        let looked = bowline.metric("bowline_looks_total")? - looks;

        let (before, renders) = (bowline.cpu(), bowline.metric("bowline_renders_total")?);
        let threads_before = bowline.cpu_of_threads();
        bowline.forget_syncs();
        self.write(&format!("{}/00.yaml", app_name(1)), &manifest(1, 0, 2))?;
        let commit = self.commit("one app")?;
        let begin = Instant::now();
        let is_new = |live: Option<&Object>| live.and_then(|live| live.text("/data/version")) == Some("2");
        let written = self.seen(&object_name(1, 0), is_new).await?;
        let until_written = bowline.cpu_of_threads().saturating_sub(threads_before);
        self.until_all_are_at(&commit).await?;
        let wall = begin.elapsed();
        let renders = bowline.metric("bowline_renders_total")? - renders;
        let label = format!("one-app commit: applied {:.0} ms after seen, {renders} rendered", bowline.slowest_sync());
        row(table, &label, wall, bowline.cpu().saturating_sub(before), None)?;
        let what = "  until its object was written, poll and fetch included";
        let (waited, millis) = ((written - begin).as_millis(), until_written.as_secs_f64() * 1000.0);
        writeln!(table, "{what:<52} {waited:>7} ms {millis:>8.1} ms")?;
        if self.options.one_commit {
            writeln!(table, "{:<52} {resident:>6.0} MiB (highest {highest:.0} MiB)", "resident after install")?;
            return Ok(());
        }

        let before = bowline.cpu();
        for app in 0..self.options.apps {
            self.write(&format!("{}/00.yaml", app_name(app)), &manifest(app, 0, 3))?;
        }
        let commit = self.commit("every app")?;
        let begin = Instant::now();
        self.until_all_are_at(&commit).await?;
        row(
            table,
            "all-apps commit (one object of each)",
            begin.elapsed(),
            bowline.cpu().saturating_sub(before),
            None,
        )?;

        let before = bowline.cpu();
        let took = self.median(async |at| self.delete_and_wait(at).await).await?;
        row(
            table,
            "deleted object: event to event, median of 9",
            took,
            bowline.cpu().saturating_sub(before) / 9,
            None,
        )?;
        let before = bowline.cpu();
        let took = self.median(async |at| self.edit_and_wait(at).await).await?;
        row(table, "edited object: event to event, median of 9", took, bowline.cpu().saturating_sub(before) / 9, None)?;

        let percent = rest.as_secs_f64() / Duration::from_secs(seconds).as_secs_f64() * 100.0;
        writeln!(table, "{:<52} {percent:>8.2} % of a core, {looked} passes", format!("at rest for {seconds} s"))?;
        writeln!(table, "{:<52} {resident:>6.0} MiB (highest {highest:.0} MiB)", "resident after install")?;
        Ok(())
    }

    fn write(&self, path: &str, content: &str) -> anyhow::Result<()> {
        let path = self.dir.path().join("repository").join(path);
        std::fs::create_dir_all(path.parent().context("has a parent")?)?;
        Ok(std::fs::write(path, content)?)
    }

    fn commit(&self, message: &str) -> anyhow::Result<String> {
        let mut index = self.repository.index()?;
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None)?;
        index.write()?;
        let tree = self.repository.find_tree(index.write_tree()?)?;
        let who = git2::Signature::now("Bench", "bench@bowline.example")?;
        let parent = self.repository.head().ok().and_then(|head| head.peel_to_commit().ok());
        let parents: Vec<_> = parent.iter().collect();
        Ok(self.repository.commit(Some("HEAD"), &who, &who, message, &tree, &parents)?.to_string())
    }

    async fn apply(&self, value: Value) -> anyhow::Result<()> {
        let object = Object::from_value(value)?;
        let begin = Instant::now();
        loop {
            if let Some(resource) = self.cluster.resource(&object.gvk()).await? {
                let options = ApplyOptions { manager: "bench", dry_run: false };
                self.cluster.apply(&resource, &object, options).await?;
                return Ok(());
            }
            anyhow::ensure!(begin.elapsed() < PATIENCE, "no kind {}", object.gvk());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn bare(&self, namespace: &str) -> anyhow::Result<Duration> {
        let mut objects = Vec::new();
        for app in 0..self.options.apps {
            for at in 0..self.options.objects {
                let text = manifest(app, at, 1);
                let mut object = Object::from_value(
                    bowline_yaml::parse_one(text.as_bytes(), &bowline_yaml::Limits::default())
                        .map_err(|problems| anyhow::anyhow!("{problems:?}"))?,
                )?;
                object.set_namespace(namespace);
                let resource = self.cluster.resource(&object.gvk()).await?.context("a built-in kind")?;
                objects.push((resource, object));
            }
        }
        let begin = Instant::now();
        let mut applies = futures::stream::iter(objects)
            .map(|(resource, object)| {
                let cluster = self.cluster.clone();
                async move {
                    cluster.apply(&resource, &object, ApplyOptions { manager: "bare", dry_run: false }).await.map(drop)
                }
            })
            .buffer_unordered(BARE_AT_ONCE);
        while let Some(applied) = applies.next().await {
            applied?;
        }
        Ok(begin.elapsed())
    }

    /// Installs the definitions and one resource an app.
    async fn prepare(&self) -> anyhow::Result<()> {
        for definition in std::iter::once(bowline_argo::definition()).chain(bowline_flux::definitions()) {
            self.apply(definition.to_value()).await?;
        }
        for namespace in ["argocd", "flux-system"] {
            self.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await?;
        }
        let url = format!("file://{}", self.dir.path().join("repository").display());
        if self.dialect == "flux" {
            self.apply(json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
                "metadata": {"name": "fleet", "namespace": "flux-system"},
                "spec": {"interval": "1m", "url": url, "ref": {"branch": "main"}},
            }))
            .await?;
        }
        for app in 0..self.options.apps {
            let name = app_name(app);
            self.apply(if self.dialect == "argo" {
                json!({
                    "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                    "metadata": {"name": name, "namespace": "argocd"},
                    "spec": {
                        "project": "default",
                        "source": {"repoURL": url, "targetRevision": "main", "path": name},
                        "destination": {"server": "https://kubernetes.default.svc", "namespace": "target"},
                        "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
                    },
                })
            } else {
                json!({
                    "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
                    "metadata": {"name": name, "namespace": "flux-system"},
                    "spec": {
                        "interval": "10m", "path": name, "prune": true, "targetNamespace": "target",
                        "sourceRef": {"kind": "GitRepository", "name": "fleet"},
                    },
                })
            })
            .await?;
        }
        self.watch(&self.app_gvk()).await?;
        self.watch(&Gvk::new("", "v1", "ConfigMap")).await
    }

    fn app_gvk(&self) -> Gvk {
        if self.dialect == "argo" {
            Gvk::new("argoproj.io", "v1alpha1", "Application")
        } else {
            Gvk::new("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")
        }
    }

    async fn watch(&self, gvk: &Gvk) -> anyhow::Result<()> {
        let resource = self.cluster.resource(gvk).await?.context("a known kind")?;
        let complete = self.cluster.watch_complete(WatchScope::all(gvk.clone()), resource);
        let mut changes = self.changes.lock().await;
        let drain = async { while changes.recv().await.is_some() {} };
        tokio::select! {
            () = complete => Ok(()),
            () = drain => bail!("the changes ended"),
        }
    }

    /// Waits until every app says that a commit (empty: any) is applied.
    async fn until_all_are_at(&self, commit: &str) -> anyhow::Result<()> {
        let begin = Instant::now();
        let mut changes = self.changes.lock().await;
        loop {
            let Known::Yes(apps) = self.cluster.list(&WatchScope::all(self.app_gvk())) else { bail!("not watched") };
            let done = apps.iter().filter(|app| self.is_at(&app.object(), commit)).count();
            if done == self.options.apps {
                return Ok(());
            }
            anyhow::ensure!(begin.elapsed() < PATIENCE, "only {done} apps of {} came there", self.options.apps);
            // Looking at each change would cost more than what is measured.
            let _ = tokio::time::timeout(Duration::from_secs(1), changes.recv()).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            while changes.try_recv().is_ok() {}
        }
    }

    fn is_at(&self, app: &Object, commit: &str) -> bool {
        if self.dialect == "argo" {
            app.text("/status/sync/status") == Some("Synced")
                && app.text("/status/health/status") == Some("Healthy")
                && app.text("/status/sync/revision").is_some_and(|at| at.ends_with(commit))
        } else {
            let conditions = app.at("/status/conditions").and_then(Value::as_array);
            let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
            conditions.is_some_and(|conditions| conditions.iter().any(is_ready))
                && app.text("/status/lastAppliedRevision").is_some_and(|at| at.ends_with(commit))
        }
    }

    async fn median(&self, measure: impl AsyncFn(usize) -> anyhow::Result<Duration>) -> anyhow::Result<Duration> {
        let mut times = Vec::new();
        for at in 0..9 {
            times.push(measure(at).await?);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    }

    /// Waits for a change of one ConfigMap that fits, and returns when it was seen.
    async fn seen(&self, name: &str, fits: impl Fn(Option<&Object>) -> bool) -> anyhow::Result<Instant> {
        let mut changes = self.changes.lock().await;
        let wait = async {
            while let Some(change) = changes.recv().await {
                if let Change::Object { before, after, .. } = change
                    && after.as_ref().or(before.as_ref()).is_some_and(|live| {
                        live.key.kind == "ConfigMap" && live.key.namespace == "target" && live.key.name == name
                    })
                    && fits(after.map(|live| live.object()).as_ref())
                {
                    return Ok(Instant::now());
                }
            }
            bail!("the changes ended")
        };
        tokio::time::timeout(PATIENCE, wait).await.context("nothing came")?
    }

    async fn delete_and_wait(&self, at: usize) -> anyhow::Result<Duration> {
        let name = object_name(at, 0);
        let resource = self.cluster.resource(&Gvk::new("", "v1", "ConfigMap")).await?.context("a built-in kind")?;
        let live = self.cluster.read(&resource, "target", &name).await?.context("is there")?;
        self.cluster.delete(&resource, "target", &name, live.uid(), Propagation::Background, false).await?;
        let gone = self.seen(&name, |after| after.is_none()).await?;
        let back = self.seen(&name, |after| after.is_some()).await?;
        Ok(back - gone)
    }

    async fn edit_and_wait(&self, at: usize) -> anyhow::Result<Duration> {
        let name = object_name(at, 0);
        let resource = self.cluster.resource(&Gvk::new("", "v1", "ConfigMap")).await?.context("a built-in kind")?;
        let patch = json!({"data": {"version": "by hand"}});
        self.cluster.merge_patch(&resource, "target", &name, "", "kubectl-edit", &patch).await?;
        let by_hand = |after: Option<&Object>| after.and_then(|after| after.text("/data/version")) == Some("by hand");
        // Our own write is in the cache already, so its event says nothing new, but it comes.
        let edited = self.seen(&name, by_hand).await?;
        let back = self.seen(&name, |after| !by_hand(after)).await?;
        Ok(back - edited)
    }
}

fn row(table: &mut String, what: &str, wall: Duration, cpu: Duration, ratio: Option<f64>) -> anyhow::Result<()> {
    let ratio = ratio.map(|ratio| format!("{ratio:>6.2} x")).unwrap_or_default();
    let wall = if wall < Duration::from_secs(1) {
        format!("{:>7.1} ms", wall.as_secs_f64() * 1000.0)
    } else {
        format!("{:>8.2} s", wall.as_secs_f64())
    };
    writeln!(table, "{what:<52} {wall} {:>8.2} s {ratio}", cpu.as_secs_f64())?;
    Ok(())
}

fn app_name(app: usize) -> String {
    format!("app-{app:03}")
}

fn object_name(app: usize, at: usize) -> String {
    format!("{}-{at:02}", app_name(app))
}

/// One object of an app: mostly ConfigMaps, and one each of what a workload has.
fn manifest(app: usize, at: usize, version: u32) -> String {
    let name = object_name(app, at);
    let head = |api_version: &str, kind: &str| {
        format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {name}\n  labels:\n    app: {name}\n")
    };
    match at {
        1 => head("v1", "ServiceAccount"),
        2 => {
            head("v1", "Service")
                + &format!("spec:\n  selector:\n    app: {name}\n  ports:\n    - port: 80\n      name: http\n")
        }
        3 => {
            head("apps/v1", "Deployment")
                + &format!(
                    "spec:\n  replicas: 0\n  selector:\n    matchLabels:\n      app: {name}\n  template:\n    metadata:\n      \
                     labels:\n        app: {name}\n    spec:\n      containers:\n        - name: main\n          \
                     image: registry.example/main:{version}\n          ports:\n            - containerPort: 8080\n          \
                     resources:\n            requests:\n              cpu: 100m\n              memory: 64Mi\n"
                )
        }
        4 => head("v1", "Secret") + &format!("stringData:\n  version: \"{version}\"\n"),
        _ => {
            head("v1", "ConfigMap")
                + &format!("data:\n  version: \"{version}\"\n  text: |\n    one line\n    and another\n")
        }
    }
}
