//! The stage: API servers, the engines that look after them, Git, and the hands of people.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bowline_apiserver::{Admin, Clock, DeleteOptions, Gvr, PatchKind};
use bowline_argo::{Argo, ArgoOptions};
use bowline_cluster::Timeouts;
use bowline_engine::{Dialect as EngineDialect, Engine, Happening, Workplace};
use bowline_flux::{Flux, FluxOptions};
use bowline_source::Sources;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::dice::mix;
use crate::git::{Git, Road, URL};
use crate::model::{App, Book, Dialect, ItemKey, Snapshot, TARGET, files};
use crate::promises::{Judge, Seen};
use crate::script::{Fault, Trouble};
use crate::summary::Summary;
use crate::trace::Trace;
use crate::wire::{Counts, Wire};

/// When every simulated world begins.
const BEGIN: &str = "2030-01-01T00:00:00Z";

/// The namespaces of Applications and of Flux's resources.
const ARGO_HOME: &str = "argocd";
const FLUX_HOME: &str = "flux-system";

thread_local! {
    /// When this thread's world began, by tokio's clock.
    static ORIGIN: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
}

/// Tells the time of this thread's world.
fn now() -> Timestamp {
    let begin: Timestamp = BEGIN.parse().expect("holds because it is a timestamp");
    let passed = ORIGIN.get().map_or(Duration::ZERO, |origin| origin.elapsed());
    begin + SignedDuration::try_from(passed).unwrap_or_default()
}

/// What wires, Git and people share.
pub(crate) struct Shared {
    pub(crate) seed: u64,
    pub(crate) trace: Trace,
    pub(crate) git: Git,
    pub(crate) book: Mutex<Book>,
    pub(crate) judged: Mutex<Judge>,
    pub(crate) summary: Mutex<Summary>,
    pub(crate) troubles: Mutex<Vec<Trouble>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Returns what befalls a request.
    pub(crate) fn fault(&self, cluster: usize, number: u64, is_watch: bool, is_write: bool) -> Option<Fault> {
        let at = self.trace.elapsed();
        let troubles = lock(&self.troubles);
        troubles.iter().enumerate().find_map(|(which, trouble)| {
            let concerns = match trouble.fault {
                Fault::GitAway | Fault::GitSlow => false,
                Fault::CutWatch | Fault::SilentWatch | Fault::StaleWatch | Fault::EchoWatch | Fault::Gone => is_watch,
                Fault::Conflict | Fault::Twice => is_write,
                Fault::Away | Fault::Drop | Fault::Internal | Fault::Unavailable | Fault::TooMany => true,
                Fault::PowerBefore | Fault::PowerDuring | Fault::PowerAfter => is_write,
                Fault::Lose | Fault::SlowRequest | Fault::SlowReply | Fault::TimedOut => !is_watch,
            };
            let chance = mix(self.seed ^ mix(number) ^ mix(which as u64));
            (concerns && trouble.cluster == cluster && trouble.befalls(at, chance)).then_some(trouble.fault)
        })
    }

    fn road(&self, cluster: usize) -> Road {
        let at = self.trace.elapsed();
        let troubles = lock(&self.troubles);
        let here = troubles.iter().filter(|trouble| trouble.cluster == cluster && trouble.befalls(at, 0));
        let mut road = Road::Open;
        for trouble in here {
            match trouble.fault {
                Fault::GitAway => return Road::Away,
                Fault::GitSlow => road = Road::Slow(Duration::from_secs(20)),
                _ => {}
            }
        }
        road
    }

    pub(crate) fn judge(&self, seen: &Seen<'_>) {
        lock(&self.judged).look(seen, &lock(&self.book), &self.git);
        lock(&self.summary).note(seen);
    }
}

/// One cluster with its engine.
struct Site {
    server: bowline_apiserver::Cluster,
    counts: Arc<Mutex<Counts>>,
    watches: Arc<Mutex<CancellationToken>>,
    state: TempDir,
    engines: usize,
    running: Option<Running>,
}

struct Running {
    engine: Engine,
    life: CancellationToken,
}

/// All of a simulated world.
pub(crate) struct Stage {
    pub(crate) shared: Arc<Shared>,
    sites: Vec<Site>,
}

fn gvr(group: &str, version: &str, plural: &str) -> Gvr {
    Gvr::new(group, version, plural)
}

fn item_gvr(key: &ItemKey) -> Gvr {
    gvr(key.kind.group(), "v1", key.kind.plural())
}

/// The collection and the namespace of a dialect's apps.
fn app_place(dialect: Dialect) -> (Gvr, &'static str) {
    match dialect {
        Dialect::Argo => (gvr("argoproj.io", "v1alpha1", "applications"), ARGO_HOME),
        Dialect::Flux => (gvr("kustomize.toolkit.fluxcd.io", "v1", "kustomizations"), FLUX_HOME),
    }
}

impl Stage {
    /// Builds a world; must be called within a runtime whose clock is paused.
    pub(crate) fn new(seed: u64, clusters: usize, keeps_trace: bool) -> std::io::Result<Self> {
        ORIGIN.set(Some(Instant::now()));
        let shared = Arc::new(Shared {
            seed,
            trace: Trace::new(keeps_trace),
            git: Git::new(),
            book: Mutex::default(),
            judged: Mutex::default(),
            summary: Mutex::default(),
            troubles: Mutex::default(),
        });
        let sites = (0..clusters).map(|at| Site::new(seed, at)).collect::<std::io::Result<Vec<_>>>()?;
        Ok(Self { shared, sites })
    }

    pub(crate) fn clusters(&self) -> usize {
        self.sites.len()
    }

    // ----- engines -----

    /// Starts the engine of a cluster.
    pub(crate) fn start(&mut self, cluster: usize) {
        let site = &mut self.sites[cluster];
        let (life, engine_number) = (CancellationToken::new(), site.engines);
        site.engines += 1;
        self.shared.trace.line(&format!("c{cluster} e{engine_number} starts"));
        let wire = Wire {
            cluster,
            engine: engine_number,
            server: site.server.clone(),
            service: site.server.service(),
            shared: Arc::clone(&self.shared),
            counts: Arc::clone(&site.counts),
            life: life.clone(),
            watches: Arc::clone(&site.watches),
        };
        // An engine that begins anew is another one: its chance too.
        let seed = mix(self.shared.seed ^ mix(cluster as u64) ^ mix(engine_number as u64 + 7));
        let connection = bowline_cluster::connect_service(wire, Timeouts::default(), seed);
        let road = Arc::clone(&self.shared);
        let git = self.shared.git.seen_by(cluster, Arc::new(move || road.road(cluster)), self.shared.trace.clone());
        let chance = Arc::new(std::sync::atomic::AtomicU64::new(seed));
        let random = move || mix(chance.fetch_add(0x9e37_79b9_7f4a_7c15, std::sync::atomic::Ordering::Relaxed));
        let sources = bowline_source::Options {
            allow_local: false,
            now: Arc::new(now),
            random: Arc::new(random),
            git: Some(Arc::new(git)),
            ..bowline_source::Options::default()
        };
        let sources = Sources::new(site.state.path().join("sources"), sources);
        let argo = ArgoOptions { control_namespace: ARGO_HOME.to_owned(), ..ArgoOptions::default() };
        let dialects: Vec<Arc<dyn EngineDialect>> =
            vec![Arc::new(Argo::new(argo)), Arc::new(Flux::new(FluxOptions::default()))];
        let cache = bowline_engine::CacheOptions {
            folder: site.state.path().join("renders"),
            max_bytes: 16 << 20,
            build: "simulated".to_owned(),
        };
        let options = bowline_engine::Options {
            now,
            seed,
            workplace: Workplace::Here,
            cache: Some(cache),
            ..bowline_engine::Options::default()
        };
        let engine = Engine::new(connection, sources, dialects, options, life.clone());
        let mut happenings = engine.happenings();
        let (shared, ends) = (Arc::clone(&self.shared), life.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = ends.cancelled() => return,
                    happening = happenings.recv() => match happening {
                        Ok(happening) => tell(&shared, cluster, &happening),
                        Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                        Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
                    },
                }
            }
        });
        tokio::spawn({
            let engine = engine.clone();
            async move {
                // Whatever ends it, the promises are judged by what it wrote.
                let _ended = engine.run().await;
            }
        });
        site.running = Some(Running { engine, life });
    }

    /// Takes the power from an engine: from now on it reaches nothing.
    pub(crate) fn kill(&mut self, cluster: usize) {
        if let Some(running) = self.sites[cluster].running.take() {
            self.shared.trace.line(&format!("c{cluster} is killed"));
            running.life.cancel();
        }
    }

    /// Waits until an engine has lost its power.
    pub(crate) async fn until_dead(&self, cluster: usize) {
        if let Some(running) = &self.sites[cluster].running {
            running.life.cancelled().await;
        }
    }

    pub(crate) fn counts(&self, cluster: usize) -> Arc<Mutex<Counts>> {
        Arc::clone(&self.sites[cluster].counts)
    }

    pub(crate) fn is_ready(&self, cluster: usize) -> bool {
        self.sites[cluster].running.as_ref().is_some_and(|running| running.engine.is_ready())
    }

    /// Ends all watches of a cluster.
    pub(crate) fn cut_watches(&self, cluster: usize) {
        std::mem::take(&mut *lock(&self.sites[cluster].watches)).cancel();
    }

    pub(crate) fn compact(&self, cluster: usize) {
        self.sites[cluster].server.compact();
        self.cut_watches(cluster);
    }

    /// Looks through everything the engines keep on their disks for secret values.
    pub(crate) fn look_through_disks(&self) {
        for (cluster, site) in self.sites.iter().enumerate() {
            let mut open: Vec<PathBuf> = vec![site.state.path().to_owned()];
            while let Some(path) = open.pop() {
                if let Ok(entries) = std::fs::read_dir(&path) {
                    open.extend(entries.flatten().map(|entry| entry.path()));
                } else if std::fs::read(&path).is_ok_and(|content| crate::promises::leaks(&content)) {
                    let name = path.strip_prefix(site.state.path()).unwrap_or(&path).display().to_string();
                    let how = format!("c{cluster} keeps a secret value on its disk, in `{name}`");
                    lock(&self.shared.judged).breaks(crate::promises::Promise::KeepSecrets, how);
                }
            }
        }
    }

    // ----- hands -----

    fn admin(&self, cluster: usize) -> Admin {
        self.sites[cluster].server.admin().named("somebody")
    }

    /// Commits a snapshot.
    pub(crate) fn commit(&self, snapshot: Snapshot, message: &str) {
        let id = self.shared.git.commit(&files(&snapshot), message, now());
        self.shared.trace.line(&format!("commit {} {message}", &id[..8]));
        lock(&self.shared.summary).committed(&lock(&self.shared.book).head(), &snapshot);
        lock(&self.shared.book).note(snapshot);
    }

    /// Creates the resource of an app.
    pub(crate) fn create_app(&self, app: &App) {
        let (gvr, home) = app_place(app.dialect);
        let object = match app.dialect {
            Dialect::Argo => {
                let finalizers = if app.takes_objects_along {
                    json!(["resources-finalizer.argocd.argoproj.io"])
                } else {
                    json!(null)
                };
                json!({
                    "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                    "metadata": {"name": app.name, "namespace": home, "finalizers": finalizers},
                    "spec": {
                        "project": "default",
                        "source": {"repoURL": URL, "targetRevision": "main", "path": app.directory},
                        "destination": {"server": "https://kubernetes.default.svc", "namespace": TARGET},
                        "syncPolicy": argo_policy(),
                    },
                })
            }
            Dialect::Flux => json!({
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
                "metadata": {"name": app.name, "namespace": home},
                "spec": {
                    "interval": "10m", "retryInterval": "10s", "timeout": "2m", "path": format!("./{}", app.directory),
                    "prune": true, "wait": true, "targetNamespace": TARGET,
                    "sourceRef": {"kind": "GitRepository", "name": "fleet"},
                },
            }),
        };
        self.create(app.cluster, &gvr, object);
    }

    pub(crate) fn create(&self, cluster: usize, gvr: &Gvr, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let done = self.admin(cluster).create(gvr, object);
        self.told(cluster, &format!("creates {} {name}", gvr.resource), done.err());
    }

    fn told(&self, cluster: usize, what: &str, error: Option<bowline_apiserver::ApiError>) {
        let error = error.map(|error| format!(": {error:?}")).unwrap_or_default();
        self.shared.trace.line(&format!("c{cluster} somebody {what}{error}"));
    }

    pub(crate) fn patch_app(&self, app: &App, patch: &Value) {
        let (gvr, home) = app_place(app.dialect);
        let done = self.admin(app.cluster).patch(&gvr, (home, &app.name), "", PatchKind::Merge, patch);
        self.told(app.cluster, &format!("changes app {} by {patch}", app.name), done.err());
    }

    pub(crate) fn suspend_app(&self, app: &App, is_suspended: bool) {
        match app.dialect {
            Dialect::Argo if is_suspended => self.patch_app(app, &json!({"spec": {"syncPolicy": null}})),
            Dialect::Argo => self.patch_app(app, &json!({"spec": {"syncPolicy": argo_policy()}})),
            Dialect::Flux => self.patch_app(app, &json!({"spec": {"suspend": is_suspended}})),
        }
    }

    pub(crate) fn refresh_app(&self, app: &App) {
        let at = now().to_string();
        let annotations = match app.dialect {
            Dialect::Argo => json!({"argocd.argoproj.io/refresh": "normal"}),
            Dialect::Flux => json!({"reconcile.fluxcd.io/requestedAt": at}),
        };
        self.patch_app(app, &json!({"metadata": {"annotations": annotations}}));
    }

    pub(crate) fn delete_app(&self, app: &App) {
        let (gvr, home) = app_place(app.dialect);
        let done = self.admin(app.cluster).delete(&gvr, home, &app.name, &DeleteOptions::default());
        self.told(app.cluster, &format!("deletes app {}", app.name), done.err());
    }

    pub(crate) fn app(&self, app: &App) -> Option<Arc<Value>> {
        let (gvr, home) = app_place(app.dialect);
        self.admin(app.cluster).get(&gvr, home, &app.name).ok().flatten()
    }

    pub(crate) fn item(&self, cluster: usize, key: &ItemKey) -> Option<Arc<Value>> {
        self.admin(cluster).get(&item_gvr(key), TARGET, &key.name).ok().flatten()
    }

    pub(crate) fn patch_item(&self, cluster: usize, key: &ItemKey, patch: &Value) {
        let admin = self.admin(cluster);
        let done = admin.patch(&item_gvr(key), (TARGET, &key.name), "", PatchKind::Merge, patch);
        let is_done = done.is_ok();
        self.told(cluster, &format!("edits {key} by {patch}"), done.err());
        if is_done {
            lock(&self.shared.summary).drifted(cluster, key);
        }
    }

    pub(crate) fn delete_item(&self, cluster: usize, key: &ItemKey) {
        let done = self.admin(cluster).delete(&item_gvr(key), TARGET, &key.name, &DeleteOptions::default());
        self.told(cluster, &format!("deletes {key}"), done.err());
        lock(&self.shared.summary).drifted(cluster, key);
    }

    pub(crate) fn create_item(&self, cluster: usize, key: &ItemKey, object: Value) {
        self.create(cluster, &item_gvr(key), object);
    }

    pub(crate) fn lose_namespace(&self, cluster: usize) {
        let done = self.admin(cluster).delete(&gvr("", "v1", "namespaces"), "", TARGET, &DeleteOptions::default());
        self.told(cluster, "deletes the namespace", done.err());
    }

    pub(crate) fn make_namespace(&self, cluster: usize) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TARGET}});
        self.create(cluster, &gvr("", "v1", "namespaces"), namespace);
    }
}

fn argo_policy() -> Value {
    json!({
        "automated": {"prune": true, "selfHeal": true},
        "retry": {"limit": 5, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"}},
    })
}

fn tell(shared: &Shared, cluster: usize, happening: &Happening) {
    match happening {
        Happening::Synced { app, revision, cause, failure, .. } => {
            let failure = failure.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
            shared.trace.line(&format!("c{cluster} {} synced {} for {cause:?}{failure}", app.name, revision.short()));
            lock(&shared.summary).synced(*cause, failure.is_empty());
        }
        Happening::Failed { app, failure } => {
            shared.trace.line(&format!("c{cluster} {} fails: {failure}", app.name));
        }
        Happening::Healthy { .. } | Happening::Removed { .. } => {}
    }
}

impl Site {
    fn new(seed: u64, cluster: usize) -> std::io::Result<Self> {
        let begin: Timestamp = BEGIN.parse().expect("holds because it is a timestamp");
        let server = bowline_apiserver::Cluster::new(bowline_apiserver::Options {
            clock: Clock::tokio(begin),
            seed: mix(seed ^ mix(cluster as u64 + 1)),
            ..bowline_apiserver::Options::default()
        });
        let admin = server.admin().named("somebody");
        let create = |gvr: &Gvr, object: Value| {
            admin.create(gvr, object).expect("holds because the server is new and takes what is valid");
        };
        let definitions = gvr("apiextensions.k8s.io", "v1", "customresourcedefinitions");
        let dialects = std::iter::once(bowline_argo::definition()).chain(bowline_flux::definitions());
        for definition in dialects {
            create(&definitions, definition.to_value());
        }
        for name in [ARGO_HOME, FLUX_HOME, TARGET] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            create(&gvr("", "v1", "namespaces"), namespace);
        }
        create(
            &gvr("source.toolkit.fluxcd.io", "v1", "gitrepositories"),
            json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
                "metadata": {"name": "fleet", "namespace": FLUX_HOME},
                "spec": {"interval": "1m", "timeout": "30s", "url": URL, "ref": {"branch": "main"}},
            }),
        );
        Ok(Self {
            server,
            counts: Arc::default(),
            watches: Arc::default(),
            state: tempfile::Builder::new().prefix("bowline-simulated-").tempdir()?,
            engines: 0,
            running: None,
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for site in &self.sites {
            site.server.shutdown();
        }
    }
}
