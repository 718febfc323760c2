//! The power cut: Bowline is killed at every write of a sync, and begins again with nothing but the cluster to
//! remember by. M8 (partial apply), M4 (unknown outcome) and N2 (killed at every crash point) of the catalogue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::faults::Fault;
use crate::git::Repository;
use crate::stage::{Stage, condition, config_map, deployment};

/// Where the power goes: at which write, and on which side of the server.
#[derive(Debug, Clone, Copy)]
struct Cut {
    write: usize,
    after_commit: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Argo,
    Flux,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// Nothing is there yet.
    Install,
    /// One object changes, one comes, one goes.
    Upgrade,
    /// The same, where nothing is automatic and a person asked for it.
    Asked,
    /// An upgrade, and while the power is away Git moves on: what came goes again, and what went comes back.
    Overtaken,
    /// Nothing is there yet, and hooks run before and after.
    Hooks,
    /// The app is deleted, and its objects with it.
    Removal,
}

/// Cuts the wire for good at a write, and tells when that has happened.
fn cut(stage: &Stage, cut: Cut) -> Arc<AtomicBool> {
    let is_cut = Arc::new(AtomicBool::new(false));
    let writes = AtomicUsize::new(0);
    stage.wire.set({
        let is_cut = is_cut.clone();
        move |request| {
            if is_cut.load(Ordering::SeqCst) {
                return Fault::DropBefore;
            }
            if !request.is_write() || writes.fetch_add(1, Ordering::SeqCst) + 1 < cut.write {
                return Fault::None;
            }
            is_cut.store(true, Ordering::SeqCst);
            if cut.after_commit { Fault::DropAfter } else { Fault::DropBefore }
        }
    });
    is_cut
}

/// One app on a stage of its own, or on its own names of a shared one.
struct Play<'a> {
    stage: &'a Stage,
    dialect: Dialect,
    scenario: Scenario,
    repository: Repository,
    name: String,
}

impl<'a> Play<'a> {
    fn new(stage: &'a Stage, dialect: Dialect, scenario: Scenario, name: &str) -> Self {
        let repository = Repository::new(&[
            ("app/keep.yaml", &config_map(&format!("{name}-keep"), "1")),
            ("app/change.yaml", &config_map(&format!("{name}-change"), "1")),
            ("app/go.yaml", &config_map(&format!("{name}-go"), "1")),
            ("app/web.yaml", &deployment(&format!("{name}-web"), 1)),
        ]);
        if scenario == Scenario::Hooks {
            for (hook, policy) in [("PreSync", "HookSucceeded"), ("PostSync", "BeforeHookCreation")] {
                let suffix = hook.to_lowercase();
                let annotations = format!(
                    "\n  annotations:\n    argocd.argoproj.io/hook: {hook}\n    argocd.argoproj.io/hook-delete-policy: {policy}\ndata:"
                );
                let manifest = config_map(&format!("{name}-{suffix}"), "1").replace("\ndata:", &annotations);
                repository.change(&format!("app/{suffix}.yaml"), &manifest);
            }
        }
        Self { stage, dialect, scenario, repository, name: name.to_owned() }
    }

    fn upgrade(&self) -> String {
        self.repository.remove("app/go.yaml");
        self.repository.write("app/change.yaml", &config_map(&format!("{}-change", self.name), "2"));
        self.repository.change("app/come.yaml", &config_map(&format!("{}-come", self.name), "1"))
    }

    fn move_on(&self) -> String {
        self.repository.remove("app/come.yaml");
        self.repository.write("app/go.yaml", &config_map(&format!("{}-go", self.name), "1"));
        self.repository.change("app/change.yaml", &config_map(&format!("{}-change", self.name), "3"))
    }

    async fn create_app(&self) {
        let Self { stage, name, .. } = self;
        match self.dialect {
            Dialect::Argo => {
                let mut app = stage.application_value(name, &self.repository.url(), "app");
                app["metadata"]["finalizers"] = json!(["resources-finalizer.argocd.argoproj.io"]);
                if self.scenario == Scenario::Asked {
                    app["spec"]["syncPolicy"] = json!({});
                }
                stage.apply(app).await;
            }
            Dialect::Flux => {
                stage.flux_app(name, &self.repository.url(), "./app").await;
            }
        }
    }

    async fn until_done(&self, commit: &str) {
        match self.dialect {
            Dialect::Argo => self.stage.until_synced(&self.name, commit).await,
            Dialect::Flux => self.stage.until_ready(&self.name, commit).await,
        }
    }

    async fn app(&self) -> Option<bowline_model::Object> {
        let (api_version, kind) = match self.dialect {
            Dialect::Argo => ("argoproj.io/v1alpha1", "Application"),
            Dialect::Flux => ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
        };
        self.stage.get(api_version, kind, &self.stage.home(), &self.name).await
    }

    async fn uid(&self, kind: &str, suffix: &str) -> Option<String> {
        let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
        let object = self.stage.object(api_version, kind, &format!("{}-{suffix}", self.name)).await;
        object.map(|object| object.uid().to_owned())
    }

    /// Tells whether the scenario is over: in the resource's own status, where a person looks.
    async fn is_over(&self, commit: &str) -> bool {
        let Some(app) = self.app().await else { return self.scenario == Scenario::Removal };
        if self.scenario == Scenario::Removal {
            return false;
        }
        match self.dialect {
            Dialect::Argo => {
                app.text("/status/sync/status") == Some("Synced")
                    && app.text("/status/health/status") == Some("Healthy")
                    && app.text("/status/sync/revision") == Some(commit)
                    && app.text("/status/operationState/phase") == Some("Succeeded")
                    && app.text("/status/operationState/syncResult/revision") == Some(commit)
            }
            Dialect::Flux => {
                condition(&app, "Ready").is_some_and(|ready| ready["status"] == "True")
                    && app.text("/status/lastAppliedRevision").is_some_and(|applied| applied.ends_with(commit))
            }
        }
    }

    async fn is_out_of_sync(&self) -> bool {
        self.app().await.is_some_and(|app| app.text("/status/sync/status") == Some("OutOfSync"))
    }

    /// Plays with one power cut; tells whether the scenario was long enough for it.
    async fn play(&self, at: Cut) -> bool {
        let Self { stage, .. } = self;
        // Somebody else's, with a name and labels as ours might have: nobody may touch it.
        let foreign = format!("{}-go-not", self.name);
        let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": foreign, "namespace": stage.target(),
            "labels": {"app.kubernetes.io/instance": self.name}}, "data": {"key": "theirs"}});
        let foreign = stage.apply(foreign).await;

        stage.start();
        let head = self.repository.head();
        let (is_cut, commit) = if matches!(self.scenario, Scenario::Install | Scenario::Hooks) {
            let is_cut = cut(stage, at);
            self.create_app().await;
            (is_cut, head)
        } else if self.scenario == Scenario::Asked {
            self.create_app().await;
            stage.until("it is compared", async || self.is_out_of_sync().await).await;
            let is_cut = cut(stage, at);
            let app = self.app().await.expect("is there");
            let operation = json!({"initiatedBy": {"username": "somebody"}, "sync": {"revision": head}});
            stage.patch(&app, "", json!({"operation": operation})).await;
            (is_cut, head)
        } else {
            self.create_app().await;
            self.until_done("").await;
            stage
                .until("the install is on record", async || {
                    self.is_over(&head).await || self.scenario == Scenario::Removal
                })
                .await;
            let is_cut = cut(stage, at);
            if matches!(self.scenario, Scenario::Upgrade | Scenario::Overtaken) {
                (is_cut, self.upgrade())
            } else {
                let app = self.app().await.expect("is there");
                stage.delete(&app).await;
                (is_cut, head)
            }
        };
        let kept = (self.uid("ConfigMap", "keep").await, self.uid("Deployment", "web").await);
        stage
            .until("the power goes, or there is nothing more to do", async || {
                is_cut.load(Ordering::SeqCst) || self.is_over(&commit).await
            })
            .await;
        stage.kill();
        stage.wire.clear();
        let kept = match self.scenario {
            // What the cut sync has made stays the same object.
            Scenario::Install | Scenario::Asked | Scenario::Hooks => {
                (self.uid("ConfigMap", "keep").await, self.uid("Deployment", "web").await)
            }
            _ => kept,
        };
        let commit = if self.scenario == Scenario::Overtaken { self.move_on() } else { commit };
        stage.start();
        stage.until(&format!("it is done in spite of {at:?}"), async || self.is_over(&commit).await).await;
        self.check(kept, at).await;
        let still = stage.object("v1", "ConfigMap", foreign.name()).await.expect("foreign objects stay");
        assert_eq!(still.resource_version(), foreign.resource_version(), "foreign objects stay as they are");
        let was_cut = is_cut.load(Ordering::SeqCst);
        stage.kill();
        if let Some(app) = self.app().await {
            // The next play is alone.
            stage.patch(&app, "", json!({"metadata": {"finalizers": null}})).await;
            stage.delete(&app).await;
        }
        was_cut
    }

    async fn check(&self, kept: (Option<String>, Option<String>), at: Cut) {
        let (keep, web) = (self.uid("ConfigMap", "keep").await, self.uid("Deployment", "web").await);
        let is_live = async |suffix: &str| self.uid("ConfigMap", suffix).await.is_some();
        if self.scenario == Scenario::Removal {
            for suffix in ["keep", "change", "go"] {
                assert!(!is_live(suffix).await, "{suffix} is removed, {at:?}");
            }
            assert_eq!(web, None, "{at:?}");
            return;
        }
        assert!(kept.0.is_none() || kept.0 == keep, "the same object, {at:?}");
        assert!(kept.1.is_none() || kept.1 == web, "the same object, {at:?}");
        let is_upgrade = self.scenario == Scenario::Upgrade;
        if self.scenario == Scenario::Hooks {
            assert!(!is_live("presync").await && is_live("postsync").await, "{at:?}");
        }
        for (suffix, want) in [("keep", true), ("change", true), ("come", is_upgrade), ("go", !is_upgrade)] {
            assert_eq!(is_live(suffix).await, want, "{suffix}, {at:?}");
        }
        let changed = self.stage.object("v1", "ConfigMap", &format!("{}-change", self.name)).await.expect("is there");
        let change = match self.scenario {
            Scenario::Upgrade => "2",
            Scenario::Overtaken => "3",
            _ => "1",
        };
        assert_eq!(changed.text("/data/key"), Some(change), "{at:?}");
        let app = self.app().await.expect("is there");
        let history = app.at("/status/history").and_then(|history| history.as_array());
        let history = history
            .unwrap_or_else(|| panic!("a history, {at:?}: {:#}", app.at("/status").cloned().unwrap_or_default()));
        match self.dialect {
            Dialect::Argo => {
                let revisions: Vec<_> = history.iter().filter_map(|entry| entry["revision"].as_str()).collect();
                let mut once = revisions.clone();
                once.dedup();
                assert_eq!(revisions, once, "each revision once, {at:?}: {history:#?}");
                let least = if matches!(self.scenario, Scenario::Upgrade | Scenario::Overtaken) { 2 } else { 1 };
                assert!(revisions.len() >= least, "{at:?}: {history:#?}");
                assert_eq!(app.at("/operation"), None, "{at:?}");
            }
            Dialect::Flux => {
                let entries = app.at("/status/inventory/entries").and_then(|entries| entries.as_array());
                assert_eq!(entries.map(Vec::len), Some(4), "{at:?}: {entries:#?}");
            }
        }
    }
}

/// Cuts at every write on both sides of the server until the scenario is shorter than that.
async fn sweep(dialect: Dialect, scenario: Scenario) {
    let stage = Stage::embedded(&format!("crash {dialect:?} {scenario:?}").to_lowercase().replace(' ', "-")).await;
    let mut write = 0;
    'sweep: loop {
        write += 1;
        for after_commit in [false, true] {
            let play =
                Play::new(&stage, dialect, scenario, &format!("p{write}{}", if after_commit { "a" } else { "b" }));
            if !play.play(Cut { write, after_commit }).await {
                break 'sweep;
            }
        }
    }
    // An install is at least the inventory, four objects and the outcome.
    let least = if scenario == Scenario::Removal { 4 } else { 5 };
    assert!(write > least, "the sweep ended early, at write {write}");
    stage.close().await;
}

macro_rules! sweeps {
    ($($name:ident: $dialect:ident $scenario:ident),* $(,)?) => {
        mod embedded {
            use super::{Dialect, Scenario, sweep};
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    sweep(Dialect::$dialect, Scenario::$scenario).await;
                }
            )*
        }
    };
}

sweeps!(
    an_application_survives_a_cut_in_its_install: Argo Install,
    an_application_survives_a_cut_in_a_sync_that_was_asked_for: Argo Asked,
    an_application_survives_a_cut_in_an_upgrade: Argo Upgrade,
    an_application_that_is_overtaken_survives_a_cut: Argo Overtaken,
    an_application_with_hooks_survives_a_cut: Argo Hooks,
    a_kustomization_that_is_overtaken_survives_a_cut: Flux Overtaken,
    an_application_survives_a_cut_in_its_removal: Argo Removal,
    a_kustomization_survives_a_cut_in_its_install: Flux Install,
    a_kustomization_survives_a_cut_in_an_upgrade: Flux Upgrade,
    a_kustomization_survives_a_cut_in_its_removal: Flux Removal,
);

mod real {
    use super::*;

    /// A handful of the cuts that the embedded cluster is swept with.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_cut_is_survived() {
        for dialect in [Dialect::Argo, Dialect::Flux] {
            for (scenario, write, after_commit) in [
                (Scenario::Install, 2, true),
                (Scenario::Install, 4, false),
                (Scenario::Upgrade, 2, true),
                (Scenario::Upgrade, 4, true),
                (Scenario::Removal, 2, false),
            ] {
                let name = format!("crash-{dialect:?}-{scenario:?}-{write}").to_lowercase();
                let Some(stage) = Stage::real(&name).await else { return };
                let play = Play::new(&stage, dialect, scenario, "play");
                assert!(play.play(Cut { write, after_commit }).await, "{name} is long enough");
                stage.close().await;
            }
        }
    }
}
