//! Acts a script out, and judges it.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_apiserver::Gvr;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::dice::{Dice, mix};
use crate::model::{App, Dialect, Directory, Item, ItemKey, ItemKind, KINDS, Snapshot, TARGET, VERSION};
use crate::promises::{Broken, Promise};
use crate::script::{Act, Script, Step};
use crate::stage::{Stage, lock};
use crate::summary::Summary;
use crate::wire::Cut;

/// How a script is played.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Keeps every line of the trace, not only the last ones.
    pub keeps_trace: bool,
    /// Listens to the silence at the end for a few minutes only.
    pub is_brief: bool,
    /// The bug that is planted; none are there without the feature `planted`.
    pub planted: Option<bowline_model::Planted>,
    /// Where the power goes, counted from when everything that was there at the start had been brought about.
    pub cut: Option<Cut>,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The promises that were broken, the first first.
    pub broken: Vec<Broken>,
    /// The hash over the trace.
    pub hash: String,
    pub trace: Vec<String>,
    pub summary: Summary,
    /// Requests of the first cluster's engines from the moment a cut is counted from until everything had converged.
    pub requests: u64,
}

/// How long everything may take to converge once all faults have stopped. Retries wait for minutes, and intervals too.
const PATIENCE: Duration = Duration::from_mins(40);

/// How long silence is listened to.
const SILENCE: Duration = Duration::from_mins(61);

/// The same in a sweep, which has thousands of runs.
const BRIEF_SILENCE: Duration = Duration::from_mins(11);

/// How long a killed process stays away.
const RESTART: Duration = Duration::from_secs(3);

/// Plays a script in a world of its own, in this thread.
///
/// # Errors
///
/// When the machine cannot give a runtime, or a directory to put state in.
pub fn play(script: &Script, settings: Settings) -> std::io::Result<Outcome> {
    #[cfg(feature = "planted")]
    bowline_model::plant(settings.planted);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let stage = Stage::new(script.seed, script.clusters, settings.keeps_trace)?;
        let mut play = Play { stage, dice: Dice::new(mix(script.seed)) };
        let requests = play.act(script, settings).await;
        Ok(play.outcome(requests))
    })
}

struct Play {
    stage: Stage,
    dice: Dice,
}

impl Play {
    async fn act(&mut self, script: &Script, settings: Settings) -> u64 {
        let cut = settings.cut;
        self.begin(script);
        if cut.is_some() || script.troubles.is_empty() {
            // What is looked at begins from rest.
            self.converge("at the start").await;
        }
        let counts = self.stage.counts(0);
        lock(&counts).set_cut(cut);
        lock(&self.stage.shared.troubles).clone_from(&script.troubles);
        for step in &script.steps {
            self.pass(step.pause).await;
            self.step(*step);
            if !lock(&self.stage.shared.judged).broken.is_empty() {
                return lock(&counts).since_cut();
            }
        }
        let until = script.troubles.iter().map(|trouble| trouble.from + trouble.lasts).max().unwrap_or_default();
        self.pass(until.saturating_sub(self.stage.shared.trace.elapsed())).await;
        self.stage.shared.trace.line("all faults stop");
        self.converge("after all faults have stopped").await;
        let requests = lock(&counts).since_cut();
        lock(&counts).set_cut(None);
        if lock(&self.stage.shared.judged).broken.is_empty() {
            self.listen(if settings.is_brief { BRIEF_SILENCE } else { SILENCE }).await;
        }
        self.stage.look_through_disks();
        requests
    }

    fn outcome(self, requests: u64) -> Outcome {
        let shared = &self.stage.shared;
        let judged = lock(&shared.judged);
        let mut summary = lock(&shared.summary).clone();
        summary.writes = judged.writes;
        summary.deletions = judged.deletions;
        summary.simulated = shared.trace.elapsed();
        for broken in &judged.broken {
            shared.trace.line(&format!("BROKEN {broken}"));
        }
        Outcome {
            broken: judged.broken.clone(),
            hash: shared.trace.hash(),
            trace: shared.trace.lines(),
            summary,
            requests,
        }
    }

    /// Lets time pass, and brings back engines that lose their power meanwhile.
    async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            tokio::select! {
                biased;
                cluster = self.a_death() => {
                    self.stage.shared.trace.line(&format!("c{cluster} is without power"));
                    tokio::time::sleep(RESTART).await;
                    self.start(cluster);
                }
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }

    async fn a_death(&self) -> usize {
        let deaths = (0..self.stage.clusters()).map(|cluster| {
            Box::pin(async move {
                self.stage.until_dead(cluster).await;
                cluster
            })
        });
        futures::future::select_all(deaths).await.0
    }

    fn start(&mut self, cluster: usize) {
        lock(&self.stage.shared.summary).engines += 1;
        self.stage.start(cluster);
    }

    // ----- the beginning -----

    fn begin(&mut self, script: &Script) {
        let mut snapshot = Snapshot::new();
        let mut apps = Vec::new();
        for spec in &script.apps {
            let cluster = spec.cluster.min(script.clusters - 1);
            let name = lock(&self.stage.shared.book).next_name("app");
            let directory = format!("apps/{name}");
            let mut items = BTreeMap::new();
            for _ in 0..spec.items {
                let (key, mut item) = self.new_item();
                if spec.waves {
                    item.wave = self.dice.below(3) as i64;
                }
                items.insert(key, item);
            }
            snapshot.insert(directory.clone(), Directory { items, ..Directory::default() });
            apps.push(App {
                name,
                dialect: spec.dialect,
                cluster,
                directory,
                suspended_at: None,
                suspended_since: None,
                is_deleted: false,
                takes_objects_along: spec.dialect == Dialect::Flux || spec.finalizer,
            });
        }
        self.stage.commit(snapshot, "the beginning");
        for app in &apps {
            self.stage.create_app(app);
        }
        lock(&self.stage.shared.book).apps = apps;
        for cluster in 0..script.clusters {
            self.start(cluster);
        }
    }

    fn new_item(&mut self) -> (ItemKey, Item) {
        let mut book = lock(&self.stage.shared.book);
        // Deployments bring pods and controllers along, which cost time: one in eight.
        let kind = if self.dice.chance(12) { ItemKind::Deployment } else { *self.dice.pick(&KINDS[..4]) };
        (ItemKey { kind, name: book.next_name("i") }, Item { version: book.next_version(), wave: 0 })
    }

    // ----- steps -----

    fn step(&mut self, step: Step) {
        let which = step.which as usize;
        self.stage.shared.trace.line(&format!("step {:?} {}", step.act, step.which));
        match step.act {
            Act::Change
            | Act::Add
            | Act::Remove
            | Act::HandOver
            | Act::Break
            | Act::Mend
            | Act::Wipe
            | Act::Revert
            | Act::Hook
            | Act::Define => self.change_git(step),
            Act::LoseNamespace => self.stage.lose_namespace(which % self.stage.clusters()),
            Act::MakeNamespace => self.stage.make_namespace(which % self.stage.clusters()),
            Act::Edit | Act::Delete | Act::Copy | Act::Bystand => self.change_live(step),
            Act::Suspend | Act::Resume | Act::DeleteApp | Act::NewApp | Act::Rename | Act::Refresh => {
                self.change_apps(step);
            }
            Act::Kill => {
                let cluster = which % self.stage.clusters();
                self.stage.kill(cluster);
                self.start(cluster);
            }
            Act::Compact => self.stage.compact(which % self.stage.clusters()),
            Act::CutWatches => self.stage.cut_watches(which % self.stage.clusters()),
        }
    }

    /// Returns the apps that are there.
    fn apps(&self) -> Vec<App> {
        lock(&self.stage.shared.book).apps.iter().filter(|app| !app.is_deleted).cloned().collect()
    }

    fn change_git(&mut self, step: Step) {
        let apps = self.apps();
        if apps.is_empty() {
            return;
        }
        let which = step.which as usize;
        let app = &apps[which % apps.len()];
        let mut snapshot = lock(&self.stage.shared.book).head();
        let Some(directory) = snapshot.get_mut(&app.directory) else { return };
        let keys: Vec<ItemKey> = directory.items.keys().cloned().collect();
        let key = keys.get(which / 7 % keys.len().max(1)).cloned();
        let message = match (step.act, key) {
            (Act::Change, Some(key)) => {
                // Some commits change everything.
                let all = which.is_multiple_of(5);
                for (other, item) in &mut directory.items {
                    if all || *other == key {
                        item.version = lock(&self.stage.shared.book).next_version();
                    }
                }
                format!("{}: change {key}", app.name)
            }
            (Act::Add, _) => {
                let (key, item) = self.new_item();
                directory.items.insert(key.clone(), item);
                format!("{}: add {key}", app.name)
            }
            // The last one stays: to wipe an app is another thing.
            (Act::Remove, Some(key)) if keys.len() > 1 => {
                directory.items.remove(&key);
                format!("{}: remove {key}", app.name)
            }
            (Act::HandOver, Some(key)) if keys.len() > 1 => {
                let heirs: Vec<&App> =
                    apps.iter().filter(|heir| heir.cluster == app.cluster && heir.name != app.name).collect();
                let Some(heir) = heirs.get(which / 3 % heirs.len().max(1)) else { return };
                let Some(mut item) = directory.items.remove(&key) else { return };
                item.version = lock(&self.stage.shared.book).next_version();
                let Some(to) = snapshot.get_mut(&heir.directory) else { return };
                to.items.insert(key.clone(), item);
                format!("{} hands {key} over to {}", app.name, heir.name)
            }
            (Act::Hook, _) => {
                let name = lock(&self.stage.shared.book).next_name("hook");
                directory.extras.insert(format!("{name}.yaml"), hook(&name));
                format!("{}: add hook {name}", app.name)
            }
            (Act::Define, _) => {
                let name = lock(&self.stage.shared.book).next_name("thing");
                directory.extras.insert(format!("{name}-definition.yaml"), definition(&name));
                directory.extras.insert(format!("{name}.yaml"), resource(&name));
                format!("{}: define {name}", app.name)
            }
            (Act::Break, _) if !directory.is_broken => {
                directory.is_broken = true;
                format!("{}: break it", app.name)
            }
            (Act::Mend, _) => {
                if !snapshot.values().any(|directory| directory.is_broken) {
                    return;
                }
                for directory in snapshot.values_mut() {
                    directory.is_broken = false;
                }
                "mend everything".to_owned()
            }
            (Act::Wipe, Some(_)) => {
                directory.items.clear();
                directory.extras.clear();
                format!("{}: wipe it", app.name)
            }
            (Act::Revert, Some(_)) => {
                for item in directory.items.values_mut() {
                    item.version = lock(&self.stage.shared.book).next_version();
                }
                lock(&self.stage.shared.summary).rollbacks += 1;
                format!("{}: take it back", app.name)
            }
            _ => return,
        };
        self.stage.commit(snapshot, &message);
    }

    fn change_live(&mut self, step: Step) {
        let cluster = step.which as usize % self.stage.clusters();
        let desired: Vec<ItemKey> = {
            let book = lock(&self.stage.shared.book);
            let head = book.head();
            let of = |app: &&App| app.cluster == cluster && !app.is_deleted;
            let directories = book.apps.iter().filter(of).filter_map(|app| head.get(&app.directory));
            directories.flat_map(|directory| directory.items.keys().cloned()).collect()
        };
        let Some(key) = desired.get(step.which as usize / 11 % desired.len().max(1)).cloned() else { return };
        match step.act {
            Act::Edit => self.stage.patch_item(cluster, &key, &edit(&key, step.which)),
            Act::Delete => self.stage.delete_item(cluster, &key),
            Act::Copy => {
                let Some(live) = self.stage.item(cluster, &key) else { return };
                let mut copy = Value::clone(&live);
                let name = lock(&self.stage.shared.book).next_name("copy");
                copy["metadata"] = json!({
                    "name": name, "namespace": TARGET,
                    "labels": live["metadata"]["labels"], "annotations": live["metadata"]["annotations"],
                });
                if let Some(copy) = copy.as_object_mut() {
                    copy.remove("status");
                }
                if key.kind == ItemKind::Service {
                    copy["spec"] = json!({"ports": [{"port": 80}]});
                }
                self.stage.create_item(cluster, &ItemKey { kind: key.kind, name }, copy);
            }
            _ => {
                let name = lock(&self.stage.shared.book).next_name("bystander");
                let metadata = json!({"name": name, "namespace": TARGET});
                let object =
                    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"own": "1"}});
                self.stage.create(cluster, &Gvr::new("", "v1", "configmaps"), object);
            }
        }
    }

    fn change_apps(&mut self, step: Step) {
        let apps = self.apps();
        if apps.is_empty() {
            return;
        }
        let app = apps[step.which as usize % apps.len()].clone();
        let at = self.stage.shared.git.head();
        let change = |play: &Self, act: &dyn Fn(&mut App)| {
            let mut book = lock(&play.stage.shared.book);
            if let Some(app) = book.apps.iter_mut().find(|known| known.name == app.name) {
                act(app);
            }
        };
        match step.act {
            Act::Suspend if app.suspended_at.is_none() => {
                self.stage.suspend_app(&app, true);
                change(self, &|app| {
                    app.suspended_at = Some(at);
                    app.suspended_since = Some(Instant::now());
                });
            }
            Act::Resume => {
                for app in apps.iter().filter(|app| app.suspended_at.is_some()) {
                    self.stage.suspend_app(app, false);
                }
                for app in &mut lock(&self.stage.shared.book).apps {
                    app.suspended_at = None;
                    app.suspended_since = None;
                }
            }
            // Whether a suspended app takes its objects along is the dialect's own matter.
            Act::DeleteApp if apps.len() > 1 && app.suspended_at.is_none() => {
                change(self, &|app| app.is_deleted = true);
                self.stage.delete_app(&app);
            }
            Act::NewApp => {
                let name = lock(&self.stage.shared.book).next_name("app");
                let directory = format!("apps/{name}");
                let mut items = BTreeMap::new();
                for _ in 0..=step.which % 3 {
                    let (key, item) = self.new_item();
                    items.insert(key, item);
                }
                let mut snapshot = lock(&self.stage.shared.book).head();
                snapshot.insert(directory.clone(), Directory { items, ..Directory::default() });
                self.stage.commit(snapshot, &format!("{name}: new"));
                let dialect = if step.which.is_multiple_of(2) { Dialect::Argo } else { Dialect::Flux };
                let new = App { name, dialect, directory, suspended_at: None, suspended_since: None, ..app };
                let new = App { takes_objects_along: true, is_deleted: false, ..new };
                self.stage.create_app(&new);
                lock(&self.stage.shared.book).apps.push(new);
            }
            Act::Rename if app.suspended_at.is_none() => self.rename(&app),
            Act::Refresh => self.stage.refresh_app(&app),
            _ => {}
        }
    }

    /// Lets an app go without its objects, and gives them to another.
    fn rename(&mut self, app: &App) {
        match app.dialect {
            Dialect::Argo => self.stage.patch_app(app, &json!({"metadata": {"finalizers": null}})),
            Dialect::Flux => self.stage.patch_app(app, &json!({"spec": {"prune": false}})),
        }
        let name = lock(&self.stage.shared.book).next_name("app");
        let new = App { name, ..app.clone() };
        let mut book = lock(&self.stage.shared.book);
        if let Some(old) = book.apps.iter_mut().find(|known| known.name == app.name) {
            old.is_deleted = true;
            old.takes_objects_along = false;
        }
        book.apps.push(new.clone());
        drop(book);
        self.stage.create_app(&new);
        self.stage.delete_app(app);
    }

    // ----- the end -----

    /// Waits until everything is as desired; notes what is not.
    async fn converge(&mut self, when: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            self.pass(Duration::from_secs(7)).await;
            let missing = self.missing();
            if missing.is_none() || !lock(&self.stage.shared.judged).broken.is_empty() {
                return;
            }
            if let (Some(missing), true) = (missing, Instant::now() > until) {
                let how = format!("{PATIENCE:?} {when}, {missing}");
                return lock(&self.stage.shared.judged).breaks(Promise::Converge, how);
            }
        }
    }

    /// Returns something that is not as desired.
    fn missing(&self) -> Option<String> {
        let book = lock(&self.stage.shared.book);
        let head = book.head();
        for cluster in 0..self.stage.clusters() {
            if !self.stage.is_ready(cluster) {
                return Some(format!("c{cluster} is not ready"));
            }
        }
        for app in book.apps.iter().filter(|app| !app.is_deleted && app.suspended_at.is_none()) {
            let now = head.get(&app.directory)?;
            // What cannot be rendered, or renders to nothing, may never have been there, and what of it drifted is not
            // known. That nothing of it is deleted is judged where deletions are.
            if now.is_broken || now.is_empty() {
                continue;
            }
            for (key, item) in &now.items {
                let live = self.stage.item(app.cluster, key);
                let Some(live) = live else { return Some(format!("c{} has no {key} of {}", app.cluster, app.name)) };
                if !item.is_met_by(key, &live) {
                    let have = &live["metadata"]["annotations"][VERSION];
                    let want = item.version;
                    return Some(format!("c{} {key} of {} is not version {want} but {have}", app.cluster, app.name));
                }
            }
            if let Some(why) = self.is_not_told(app) {
                return Some(why);
            }
        }
        if let Some(app) = book.apps.iter().find(|app| app.is_deleted && self.stage.app(app).is_some()) {
            return Some(format!("c{} app {} is still there", app.cluster, app.name));
        }
        // What was pruned by nobody. Where an app goes without its objects, or stands still, they may stay.
        let lets_lie = |cluster: usize, key: &ItemKey| {
            book.apps.iter().any(|app| {
                let is_still = app.suspended_at.is_some()
                    || app.is_deleted && !app.takes_objects_along
                    || head.get(&app.directory).is_none_or(|now| now.is_broken || now.is_empty());
                let had = book.snapshots.iter().any(|snapshot| {
                    snapshot.get(&app.directory).is_some_and(|directory| directory.items.contains_key(key))
                });
                app.cluster == cluster && is_still && had
            })
        };
        for cluster in 0..self.stage.clusters() {
            for key in book.ever_desired(cluster) {
                let last = book.snapshots.len() - 1;
                if !book.is_always_desired(cluster, &key, last)
                    && !lets_lie(cluster, &key)
                    && self.stage.item(cluster, &key).is_some()
                {
                    return Some(format!("c{cluster} still has {key}, which nobody desires"));
                }
            }
        }
        None
    }

    /// Returns what is wrong with an app's own status.
    fn is_not_told(&self, app: &App) -> Option<String> {
        let head = self.stage.shared.git.id(self.stage.shared.git.head());
        let live = self.stage.app(app)?;
        let status = &live["status"];
        let is_told = match app.dialect {
            Dialect::Argo => status["sync"]["status"] == "Synced" && status["sync"]["revision"] == head.as_str(),
            Dialect::Flux => {
                let ready = status["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == "Ready");
                let applied = status["lastAppliedRevision"].as_str().unwrap_or_default();
                ready.is_some_and(|ready| ready["status"] == "True") && applied.ends_with(&head)
            }
        };
        if is_told {
            return None;
        }
        let said = match app.dialect {
            Dialect::Argo => {
                format!("{} at {}, {}", status["sync"]["status"], status["sync"]["revision"], status["conditions"])
            }
            Dialect::Flux => format!("{} at {}", status["conditions"], status["lastAppliedRevision"]),
        };
        Some(format!("c{} app {} does not say that it is in sync at {}: {said}", app.cluster, app.name, &head[..8]))
    }

    /// Listens to the silence of a world at rest.
    async fn listen(&mut self, silence: Duration) {
        // Events may wait a little, and watches end and begin.
        self.pass(Duration::from_secs(30)).await;
        let writes = lock(&self.stage.shared.judged).writes;
        let asked: Vec<u64> = (0..self.stage.clusters()).map(|at| lock(&self.stage.counts(at)).asked).collect();
        self.stage.shared.trace.line("silence");
        self.pass(silence).await;
        let written = lock(&self.stage.shared.judged).writes - writes;
        if written > 0 {
            let how = format!("{written} writes in {silence:?} at rest");
            return lock(&self.stage.shared.judged).breaks(Promise::Quiet, how);
        }
        for (cluster, before) in asked.into_iter().enumerate() {
            let asked = lock(&self.stage.counts(cluster)).asked - before;
            if asked > 0 {
                let how = format!("c{cluster} {asked} requests beside watches in {silence:?} at rest");
                lock(&self.stage.shared.judged).breaks(Promise::Quiet, how);
            }
        }
        if let Some(missing) = self.missing() {
            lock(&self.stage.shared.judged).breaks(Promise::Converge, format!("not for long: {missing}"));
        }
    }
}

/// Writes a hook: a Job in Argo CD's words, which Flux applies as any other.
fn hook(name: &str) -> String {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "namespace": TARGET,
            "annotations": {
                "argocd.argoproj.io/hook": "PreSync",
                "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
            },
        },
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "main", "image": "registry.example/hook:1"}],
        }}},
    });
    format!("{job:#}\n")
}

/// Writes a definition of a kind of its own.
fn definition(name: &str) -> String {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{name}s.simulator.example")},
        "spec": {
            "group": "simulator.example", "scope": "Namespaced",
            "names": {"kind": kind(name), "plural": format!("{name}s"), "singular": name},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
                }},
            }],
        },
    });
    format!("{definition:#}\n")
}

fn kind(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_uppercase() + rest
}

/// Writes a resource of the kind that [`definition`] defines.
fn resource(name: &str) -> String {
    let metadata = json!({"name": name, "namespace": TARGET});
    let resource = json!({
        "apiVersion": "simulator.example/v1", "kind": kind(name), "metadata": metadata, "spec": {"size": 1},
    });
    format!("{resource:#}\n")
}

/// Returns what somebody makes of a live item.
fn edit(key: &ItemKey, which: u64) -> Value {
    match key.kind {
        ItemKind::ConfigMap => json!({"data": {"value": format!("edited-{which}")}}),
        ItemKind::Secret => json!({"data": {"value": "ZWRpdGVk"}}),
        ItemKind::Service => json!({"spec": {"selector": {"app": format!("edited-{which}")}}}),
        ItemKind::ServiceAccount => json!({"metadata": {"annotations": {VERSION: null}}}),
        ItemKind::Deployment => json!({"spec": {"replicas": which % 3 + 2}}),
    }
}
