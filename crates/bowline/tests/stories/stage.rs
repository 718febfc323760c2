//! What every story plays on: a cluster, Bowline beside it, and the eyes and hands of a person.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bowline_argo::{Argo, ArgoOptions};
use bowline_cluster::{ApplyOptions, Cluster, Timeouts};
use bowline_engine::{Dialect, Engine};
use bowline_flux::{Flux, FluxOptions};
use bowline_model::{Gvk, Object, Propagation};
use bowline_source::Sources;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::faults::{Faulty, Wire};

/// How long a story waits for anything before it has failed.
const PATIENCE: Duration = Duration::from_secs(45);

/// Stories share one cluster, and a new kind makes every Bowline ask what is served. Held by stories that bring
/// kinds, together, and alone by one that looks for silence.
pub(crate) static KINDS: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());

/// The real control plane, shared by all stories of this process.
struct ControlPlane {
    kubeconfig: String,
    child: Child,
    commands: Option<ChildStdin>,
    answers: Mutex<Option<BufReader<std::process::ChildStdout>>>,
}

impl ControlPlane {
    /// Starts one, or tells why it cannot.
    fn start() -> Result<Self, String> {
        let program =
            std::env::var_os("BOWLINE_CONTROL_PLANE")
                .map(PathBuf::from)
                .filter(|program| program.exists())
                .ok_or("BOWLINE_CONTROL_PLANE names no program; run `cargo xtask test`, which needs Go to build it")?;
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| error.to_string())?;
        let commands = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().expect("was piped"));
        let mut line = String::new();
        answers.read_line(&mut line).map_err(|error| error.to_string())?;
        let ready: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
        let path = ready["kubeconfig"].as_str().ok_or("no kubeconfig")?;
        let kubeconfig = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Ok(Self { kubeconfig, child, commands, answers: Mutex::new(Some(answers)) })
    }

    /// Sends one command (`stop-apiserver`, `start-apiserver`) and waits for its answer.
    fn command(&mut self, command: &str) {
        let commands = self.commands.as_mut().expect("stays open");
        writeln!(commands, "{command}").expect("the control plane listens");
        let mut answers = self.answers.lock().expect("not poisoned");
        let mut line = String::new();
        answers.as_mut().expect("stays open").read_line(&mut line).expect("the control plane answers");
        assert!(line.contains("true"), "{command}: {line}");
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // It ends when nobody can command it any more.
        self.commands.take();
        let _ = self.child.wait();
    }
}

fn shared_control_plane() -> Result<&'static str, &'static str> {
    static SHARED: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
    SHARED
        .get_or_init(ControlPlane::start)
        .as_ref()
        .map(|control_plane| control_plane.kubeconfig.as_str())
        .map_err(String::as_str)
}

enum Kind {
    Embedded(bowline_apiserver::Cluster),
    Real,
    /// A control plane for this story alone, which may stop it.
    RealAlone(Box<Mutex<ControlPlane>>),
}

/// One story's cluster, its namespaces, and Bowline when it runs.
pub(crate) struct Stage {
    kind: Kind,
    /// The story's own namespaces start with this: a name that no other story has.
    name: String,
    /// What faults are put on; Bowline alone speaks through it.
    pub(crate) wire: Wire,
    client: kube::Client,
    /// How to reach a real API server. An agent opens connections of its own: they end with its runtime.
    config: Option<kube::Config>,
    /// The person's own connection.
    pub(crate) hands: Cluster,
    state: TempDir,
    running: Mutex<Option<Running>>,
}

struct Running {
    engine: Engine,
    shutdown: CancellationToken,
    runtime: Option<tokio::runtime::Runtime>,
    done: std::sync::mpsc::Receiver<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Stage {
    /// A cluster in memory, for this story alone.
    pub(crate) async fn embedded(name: &str) -> Self {
        let server = bowline_apiserver::Cluster::new(bowline_apiserver::Options::default());
        let client = kube::Client::new(server.service(), "default");
        Self::new(Kind::Embedded(server), client, None, name).await
    }

    /// The real control plane that all stories share; `None` when it cannot run, which is said.
    pub(crate) async fn real(name: &str) -> Option<Self> {
        let kubeconfig = tokio::task::spawn_blocking(shared_control_plane).await.expect("does not panic");
        match kubeconfig {
            Ok(kubeconfig) => Some(Self::reached(Kind::Real, kubeconfig, name).await),
            Err(why) => skip(name, why),
        }
    }

    /// A real control plane for one story, which may stop its API server.
    pub(crate) async fn real_alone(name: &str) -> Option<Self> {
        let started = tokio::task::spawn_blocking(ControlPlane::start).await.expect("does not panic");
        match started {
            Ok(control_plane) => {
                let kubeconfig = control_plane.kubeconfig.clone();
                Some(Self::reached(Kind::RealAlone(Box::new(Mutex::new(control_plane))), &kubeconfig, name).await)
            }
            Err(why) => skip(name, &why),
        }
    }

    async fn reached(kind: Kind, kubeconfig: &str, name: &str) -> Self {
        let config = config(kubeconfig).await;
        Self::new(kind, connect(&config), Some(config), name).await
    }

    async fn new(kind: Kind, client: kube::Client, config: Option<kube::Config>, name: &str) -> Self {
        let hands = bowline_cluster::connect_service(
            Faulty { client: client.clone(), wire: Wire::default() },
            Timeouts::default(),
            1,
        );
        let stage = Self {
            kind,
            name: name.replace('_', "-").chars().take(40).collect::<String>().trim_end_matches('-').to_owned(),
            wire: Wire::default(),
            client,
            config,
            hands,
            state: tempfile::tempdir().expect("a directory can be made"),
            running: Mutex::new(None),
        };
        let definitions = std::iter::once(bowline_argo::definition()).chain(bowline_flux::definitions());
        for definition in definitions {
            stage.apply(definition.to_value()).await;
        }
        for namespace in [stage.home(), stage.target()] {
            stage.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await;
        }
        stage
    }

    /// Ends Bowline, and takes the story's traces off a shared cluster.
    pub(crate) async fn close(self) {
        self.kill();
        if matches!(self.kind, Kind::Real) {
            for (api_version, kind) in [
                ("argoproj.io/v1alpha1", "Application"),
                ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
                ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
                ("source.toolkit.fluxcd.io/v1", "GitRepository"),
                ("source.toolkit.fluxcd.io/v1", "HelmChart"),
                ("source.toolkit.fluxcd.io/v1", "HelmRepository"),
                ("source.toolkit.fluxcd.io/v1", "OCIRepository"),
            ] {
                for object in self.list(api_version, kind, &self.home()).await {
                    let clear = json!({"metadata": {"finalizers": null}});
                    self.patch(&object, "", clear).await;
                    self.delete(&object).await;
                }
            }
            for namespace in [self.home(), self.target()] {
                if let Some(namespace) = self.get("v1", "Namespace", "", &namespace).await {
                    self.delete(&namespace).await;
                }
            }
        }
    }

    /// Returns the namespace of the story's Applications, Kustomizations and Secrets.
    pub(crate) fn home(&self) -> String {
        format!("{}-home", self.name)
    }

    /// Returns the namespace that the story's objects go to.
    pub(crate) fn target(&self) -> String {
        self.name.clone()
    }

    /// Returns a name for something cluster-wide that no other story has.
    pub(crate) fn unique(&self, name: &str) -> String {
        format!("{name}-{}", self.name)
    }

    /// Returns a kubeconfig for programs; the cluster in memory is served on loopback from now on.
    pub(crate) async fn kubeconfig(&self) -> String {
        match &self.kind {
            Kind::Embedded(server) => {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let address = listener.local_addr().expect("an address");
                let identity = bowline_apiserver::Identity::generate(&[]).expect("a certificate can be made");
                let transport = bowline_apiserver::Transport::Tls(identity.into());
                let kubeconfig = server.kubeconfig(address, &transport);
                let server = server.clone();
                tokio::spawn(async move { server.serve(listener, transport, CancellationToken::new()).await });
                kubeconfig
            }
            Kind::Real => shared_control_plane().expect("it runs, since the story does").to_owned(),
            Kind::RealAlone(control_plane) => control_plane.lock().expect("not poisoned").kubeconfig.clone(),
        }
    }

    /// Tells whether the cluster is the one in memory.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.kind, Kind::Embedded(_))
    }

    /// Starts Bowline, as a process of its own would: with nothing but the cluster to remember by.
    pub(crate) fn start(&self) -> Engine {
        let (sender, receiver) = std::sync::mpsc::channel();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let shutdown = CancellationToken::new();
        let engine = runtime.block_on_here(async { self.engine(shutdown.clone()) });
        runtime.spawn({
            let engine = engine.clone();
            async move {
                engine.run().await.expect("the engine runs");
                let _ = sender.send(());
            }
        });
        let running = Running { engine: engine.clone(), shutdown, runtime: Some(runtime), done: receiver };
        *self.running.lock().expect("not poisoned") = Some(running);
        engine
    }

    fn engine(&self, shutdown: CancellationToken) -> Engine {
        let client = self.config.as_ref().map_or_else(|| self.client.clone(), connect);
        let faulty = Faulty { client, wire: self.wire.clone() };
        let timeouts = Timeouts { request: Duration::from_secs(10), ..Timeouts::default() };
        let cluster = bowline_cluster::connect_service(faulty, timeouts, 7);
        let options = bowline_source::Options { local_interval: Duration::from_millis(100), ..Default::default() };
        let sources = Sources::new(self.state.path().join("git"), options);
        let argo = ArgoOptions {
            control_namespace: self.home(),
            fetch_timeout: Duration::from_secs(5),
            // Stories share a cluster and their apps' names: this is what tells installations apart.
            installation_id: Some(self.name.clone()),
            ..ArgoOptions::default()
        };
        let dialects: Vec<Arc<dyn Dialect>> =
            vec![Arc::new(Argo::new(argo)), Arc::new(Flux::new(FluxOptions::default()))];
        let cache = bowline_engine::CacheOptions {
            folder: self.renders_folder(),
            max_bytes: 64 << 20,
            build: "stories".to_owned(),
        };
        let options = bowline_engine::Options {
            only_namespaces: [self.home()].into(),
            cache: Some(cache),
            ledger: Some(bowline_engine::LedgerOptions { folder: self.drift_folder(), max_bytes: 1 << 20 }),
            ..Default::default()
        };
        Engine::new(cluster, sources, dialects, options, shutdown)
    }

    /// Where renders are kept.
    pub(crate) fn renders_folder(&self) -> std::path::PathBuf {
        self.state.path().join("renders")
    }

    /// Where drift is on record.
    pub(crate) fn drift_folder(&self) -> std::path::PathBuf {
        self.state.path().join("drift")
    }

    /// Stops Bowline as Kubernetes would, and waits until it has stopped.
    pub(crate) fn stop(&self) {
        if let Some(running) = self.running.lock().expect("not poisoned").take() {
            running.shutdown.cancel();
            running.done.recv_timeout(PATIENCE).expect("stops in time");
        }
    }

    /// Kills Bowline, as a power cut would.
    pub(crate) fn kill(&self) {
        self.running.lock().expect("not poisoned").take();
    }

    /// Takes the API server away.
    pub(crate) fn stop_api_server(&self) {
        match &self.kind {
            Kind::RealAlone(control_plane) => control_plane.lock().expect("not poisoned").command("stop-apiserver"),
            _ => self.wire.set(|_| crate::faults::Fault::DropBefore),
        }
    }

    /// Brings the API server back.
    pub(crate) fn start_api_server(&self) {
        match &self.kind {
            Kind::RealAlone(control_plane) => control_plane.lock().expect("not poisoned").command("start-apiserver"),
            _ => self.wire.clear(),
        }
    }

    /// Makes the server forget its history, so that watches must begin again; only the cluster in memory can.
    pub(crate) fn forget_history(&self) {
        if let Kind::Embedded(server) = &self.kind {
            server.compact();
        }
    }

    // ----- hands -----

    pub(crate) async fn apply(&self, value: Value) -> Object {
        let object = Object::from_value(value).expect("a story writes objects");
        let gvk = object.gvk();
        let options = ApplyOptions { manager: "story", dry_run: false };
        let begin = Instant::now();
        loop {
            let applied = match self.hands.resource(&gvk).await {
                Ok(Some(resource)) => {
                    self.hands.apply(&resource, &object, options).await.map_err(|error| error.to_string())
                }
                Ok(None) => Err(format!("no kind {gvk}")),
                Err(error) => Err(error.to_string()),
            };
            match applied {
                Ok(applied) => return applied,
                Err(_) if begin.elapsed() < Duration::from_secs(10) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("cannot apply {}: {error}", object.key()),
            }
        }
    }

    /// Changes an object by a merge patch, as `kubectl edit` would; `subresource` may be empty.
    pub(crate) async fn patch(&self, object: &Object, subresource: &str, patch: Value) {
        let resource = self.hands.resource(&object.gvk()).await.expect("discovery").expect("a known kind");
        let (namespace, name) = (object.namespace(), object.name());
        self.hands
            .merge_patch(&resource, namespace, name, subresource, "kubectl-edit", &patch)
            .await
            .unwrap_or_else(|error| panic!("cannot patch {}: {error}", object.key()));
    }

    pub(crate) async fn delete(&self, object: &Object) {
        let resource = self.hands.resource(&object.gvk()).await.expect("discovery").expect("a known kind");
        let (namespace, name) = (object.namespace(), object.name());
        self.hands
            .delete(&resource, namespace, name, object.uid(), Propagation::Background, false)
            .await
            .unwrap_or_else(|error| panic!("cannot delete {}: {error}", object.key()));
    }

    // ----- eyes -----

    pub(crate) async fn get(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<Object> {
        let resource = self.hands.resource(&Gvk::from_api_version(api_version, kind)).await.ok()??;
        self.hands.read(&resource, namespace, name).await.unwrap_or_else(|error| panic!("cannot read {name}: {error}"))
    }

    pub(crate) async fn list(&self, api_version: &str, kind: &str, namespace: &str) -> Vec<Object> {
        let group =
            if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") };
        let resource = self.hands.resource(&Gvk::from_api_version(api_version, kind)).await.expect("discovery");
        let Some(resource) = resource else { return Vec::new() };
        let namespace = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        let path = format!("{group}{namespace}/{}", resource.plural);
        let request = http::Request::get(path).body(Vec::new()).expect("a request");
        let list: Value = self.client.request(request).await.expect("a list");
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items
            .into_iter()
            .map(|mut item| {
                item["apiVersion"] = json!(api_version);
                item["kind"] = json!(kind);
                Object::from_value(item).expect("an object")
            })
            .collect()
    }

    pub(crate) async fn application(&self, name: &str) -> Object {
        self.get("argoproj.io/v1alpha1", "Application", &self.home(), name).await.expect("the Application is there")
    }

    pub(crate) async fn kustomization(&self, name: &str) -> Object {
        let found = self.get("kustomize.toolkit.fluxcd.io/v1", "Kustomization", &self.home(), name).await;
        found.expect("the Kustomization is there")
    }

    /// Returns an object of the story's target namespace.
    pub(crate) async fn object(&self, api_version: &str, kind: &str, name: &str) -> Option<Object> {
        self.get(api_version, kind, &self.target(), name).await
    }

    /// Waits until something is so, and fails the story when it is not in time.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let begin = Instant::now();
        while !is_so().await {
            if begin.elapsed() > PATIENCE {
                let apps = self.running.lock().expect("not poisoned").as_ref().map(|running| running.engine.apps());
                panic!("never: {what}\n{apps:#?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an Application is synced and healthy at a commit; an empty commit stands for any.
    pub(crate) async fn until_synced(&self, name: &str, commit: &str) {
        self.until(&format!("Application {name} synced at {commit:?}"), async || {
            let app = self.application(name).await;
            app.text("/status/sync/status") == Some("Synced")
                && app.text("/status/health/status") == Some("Healthy")
                && (commit.is_empty() || app.text("/status/sync/revision") == Some(commit))
        })
        .await;
    }

    /// Waits until a Kustomization is ready at a commit; an empty commit stands for any.
    pub(crate) async fn until_ready(&self, name: &str, commit: &str) {
        self.until(&format!("Kustomization {name} ready at {commit:?}"), async || {
            let app = self.kustomization(name).await;
            condition(&app, "Ready").is_some_and(|ready| ready["status"] == "True")
                && app.text("/status/lastAppliedRevision").is_some_and(|applied| applied.ends_with(commit))
        })
        .await;
    }

    /// Waits until an Application has a condition of this type whose message contains a text, and returns it.
    pub(crate) async fn until_condition(&self, name: &str, kind: &str, text: &str) -> String {
        let mut message = String::new();
        self.until(&format!("Application {name} says {kind}: {text}"), async || {
            let app = self.application(name).await;
            let found = condition(&app, kind).and_then(|found| found["message"].as_str().map(str::to_owned));
            message = found.unwrap_or_default();
            message.contains(text)
        })
        .await;
        message
    }

    /// Waits until a Kustomization is not ready and its message contains a text, and returns the condition.
    pub(crate) async fn until_not_ready(&self, name: &str, text: &str) -> Value {
        let mut condition_found = Value::Null;
        self.until(&format!("Kustomization {name} is not ready: {text}"), async || {
            let app = self.kustomization(name).await;
            condition_found = condition(&app, "Ready").cloned().unwrap_or_default();
            condition_found["status"] == "False"
                && condition_found["message"].as_str().is_some_and(|message| message.contains(text))
        })
        .await;
        condition_found
    }

    // ----- what stories begin with -----

    /// Creates an Application over a path of a repository, with everything automatic.
    pub(crate) async fn argo_app(&self, name: &str, url: &str, path: &str) -> Object {
        self.apply(self.application_value(name, url, path)).await
    }

    /// Returns the Application that [`Stage::argo_app`] creates, for stories that change it first.
    pub(crate) fn application_value(&self, name: &str, url: &str, path: &str) -> Value {
        json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": self.home()},
            "spec": {
                "project": "default",
                "source": {"repoURL": url, "targetRevision": "main", "path": path},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": self.target()},
                "syncPolicy": {
                    "automated": {"prune": true, "selfHeal": true},
                    "retry": {"limit": 20, "backoff": {"duration": "200ms", "factor": 2, "maxDuration": "2s"}},
                },
            },
        })
    }

    /// Creates a GitRepository, and a Kustomization over a path of it that prunes and waits.
    pub(crate) async fn flux_app(&self, name: &str, url: &str, path: &str) -> Object {
        self.apply(self.git_repository_value(name, url)).await;
        self.apply(self.kustomization_value(name, path)).await
    }

    pub(crate) fn git_repository_value(&self, name: &str, url: &str) -> Value {
        json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": name, "namespace": self.home()},
            "spec": {"interval": "1m", "timeout": "5s", "url": url, "ref": {"branch": "main"}},
        })
    }

    pub(crate) fn kustomization_value(&self, name: &str, path: &str) -> Value {
        json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": name, "namespace": self.home()},
            "spec": {
                "interval": "10m", "retryInterval": "2s", "timeout": "30s", "path": path, "prune": true, "wait": true,
                "targetNamespace": self.target(), "sourceRef": {"kind": "GitRepository", "name": name},
            },
        })
    }
}

/// Returns a condition by its type.
pub(crate) fn condition<'a>(object: &'a Object, kind: &str) -> Option<&'a Value> {
    object.at("/status/conditions")?.as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Writes a ConfigMap with one value.
pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: \"{value}\"\n")
}

/// Writes a Deployment with an image.
pub(crate) fn deployment(name: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: {replicas}\n  \
         selector:\n    matchLabels:\n      app: {name}\n  template:\n    metadata:\n      labels:\n        app: {name}\n    \
         spec:\n      containers:\n        - name: main\n          image: registry.example/{name}:1\n          \
         ports:\n            - containerPort: 8080\n"
    )
}

async fn config(kubeconfig: &str) -> kube::Config {
    let kubeconfig = kube::config::Kubeconfig::from_yaml(kubeconfig).expect("a kubeconfig");
    let options = kube::config::KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a configuration");
    config.read_timeout = None;
    config
}

fn connect(config: &kube::Config) -> kube::Client {
    kube::Client::try_from(config.clone()).expect("a client")
}

/// Says that a story did not run on the real control plane. In CI it must.
#[expect(clippy::print_stderr, reason = "a story that did not run must say so")]
fn skip<T>(name: &str, why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{name} must run on the real control plane: {why}");
    eprintln!("skipped: {name} on the real control plane: {why}");
    None
}

/// Blocks on a future that is made within a runtime, from within another.
trait BlockOnHere {
    fn block_on_here<T: Send>(&self, future: impl Future<Output = T> + Send) -> T;
}

impl BlockOnHere for tokio::runtime::Runtime {
    fn block_on_here<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        let handle = self.handle().clone();
        std::thread::scope(|scope| scope.spawn(move || handle.block_on(future)).join().expect("does not panic"))
    }
}
