//! A cluster that is away, slow, busy or forgetful: nothing is lost, nothing is made twice, nothing is deleted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::faults::{Fault, Seen, Wire};
use crate::git::Repository;
use crate::stage::{Stage, condition, config_map, deployment};

crate::stories!(
    watches_that_expire_miss_nothing,
    watches_that_break_miss_nothing,
    a_storm_of_conflicts_is_outlasted,
    a_busy_server_is_given_time,
    a_failing_server_is_outlasted,
    a_slow_server_is_waited_for,
    answers_that_are_lost_make_nothing_twice,
    a_lost_answer_to_a_deletion_is_no_failure,
    a_group_that_cannot_be_discovered_concerns_nobody_else,
    a_kind_that_cannot_be_listed_concerns_nobody_else,
    a_namespace_that_is_stuck_is_told_and_outlasted,
    an_object_that_will_not_go_holds_up_nobody,
    a_definition_that_goes_and_comes_back_brings_its_objects_back,
    what_changed_while_nobody_looked_is_found,
);

/// One Application and one Kustomization of two ConfigMaps and a Deployment each.
struct Pair<'a> {
    stage: &'a Stage,
    repository: Repository,
}

impl<'a> Pair<'a> {
    fn new(stage: &'a Stage) -> Self {
        let files = |name: &str| {
            [
                (format!("{name}/a.yaml"), config_map(&format!("{name}-a"), "1")),
                (format!("{name}/b.yaml"), config_map(&format!("{name}-b"), "1")),
                (format!("{name}/web.yaml"), deployment(&format!("{name}-web"), 1)),
            ]
        };
        let files: Vec<_> = files("argo").into_iter().chain(files("flux")).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        Self { stage, repository: Repository::new(&files) }
    }

    async fn create(&self) {
        self.stage.argo_app("argo", &self.repository.url(), "argo").await;
        self.stage.flux_app("flux", &self.repository.url(), "flux").await;
    }

    async fn until_done(&self, commit: &str) {
        self.stage.until_synced("argo", commit).await;
        self.stage.until_ready("flux", commit).await;
    }

    /// Commits a new value of one object and the removal of none.
    fn commit(&self, value: &str) -> String {
        self.repository.write("argo/a.yaml", &config_map("argo-a", value));
        self.repository.write("flux/a.yaml", &config_map("flux-a", value));
        self.repository.commit(value)
    }

    async fn value(&self, name: &str) -> Option<String> {
        let object = self.stage.object("v1", "ConfigMap", name).await?;
        object.text("/data/key").map(str::to_owned)
    }

    async fn uids(&self) -> BTreeMap<String, String> {
        let mut uids = BTreeMap::new();
        for (api_version, kind) in [("v1", "ConfigMap"), ("apps/v1", "Deployment")] {
            for object in self.stage.list(api_version, kind, &self.stage.target()).await {
                if object.name().starts_with("argo") || object.name().starts_with("flux") {
                    uids.insert(format!("{kind}/{}", object.name()), object.uid().to_owned());
                }
            }
        }
        uids
    }

    /// Makes drift behind Bowline's back: one object edited, another deleted.
    async fn drift(&self) {
        for name in ["argo", "flux"] {
            let edited = self.stage.object("v1", "ConfigMap", &format!("{name}-a")).await.expect("is there");
            self.stage.patch(&edited, "", json!({"data": {"key": "wrong"}})).await;
            let deleted = self.stage.object("v1", "ConfigMap", &format!("{name}-b")).await.expect("is there");
            self.stage.delete(&deleted).await;
        }
    }

    async fn until_healed(&self, value: &str) {
        for name in ["argo", "flux"] {
            self.stage
                .until(&format!("{name} is healed"), async || {
                    self.value(&format!("{name}-a")).await.as_deref() == Some(value)
                        && self.value(&format!("{name}-b")).await.as_deref() == Some("1")
                })
                .await;
        }
    }
}

/// A write of a desired object: no status, no Event.
fn is_of_object(request: &Seen<'_>) -> bool {
    request.is_write() && (request.path.contains("/configmaps") || request.path.contains("/deployments"))
}

/// Answers a share of the writes with a status, until so many have been.
fn storm(wire: &Wire, every: usize, count: usize, code: u16, reason: &'static str) -> Arc<AtomicUsize> {
    let faults = Arc::new(AtomicUsize::new(0));
    let writes = AtomicUsize::new(0);
    wire.set({
        let faults = faults.clone();
        move |request| {
            let is_due = request.is_write() && writes.fetch_add(1, Ordering::SeqCst).is_multiple_of(every);
            if is_due && faults.load(Ordering::SeqCst) < count {
                faults.fetch_add(1, Ordering::SeqCst);
                Fault::Status(code, reason)
            } else {
                Fault::None
            }
        }
    });
    faults
}

/// M2: the server has forgotten what happened meanwhile, so everything is listed again.
async fn watches_that_expire_miss_nothing(stage: &Stage) {
    let pair = Pair::new(stage);
    stage.start();
    pair.create().await;
    pair.until_done("").await;

    // No watch is accepted while the world changes, and what was told until then is too old afterwards.
    let expired = Arc::new(AtomicUsize::new(0));
    let is_away = Arc::new(AtomicBool::new(true));
    stage.wire.set({
        let (expired, is_away) = (expired.clone(), is_away.clone());
        move |request| match request.is_watch {
            true if is_away.load(Ordering::SeqCst) => Fault::Status(503, "ServiceUnavailable"),
            true if expired.fetch_add(1, Ordering::SeqCst) < 40 => Fault::Status(410, "Expired"),
            _ => Fault::None,
        }
    });
    stage.wire.cut_watches();
    pair.drift().await;
    stage.forget_history();
    is_away.store(false, Ordering::SeqCst);
    pair.until_healed("1").await;
    assert!(expired.load(Ordering::SeqCst) > 0, "watches were refused as expired");
    pair.until_done(&pair.commit("2")).await;
    assert_eq!(pair.value("argo-a").await.as_deref(), Some("2"));
}

/// Watches that break go on from where they were.
async fn watches_that_break_miss_nothing(stage: &Stage) {
    let pair = Pair::new(stage);
    stage.start();
    pair.create().await;
    pair.until_done("").await;
    for round in 0..3 {
        let refused = Arc::new(AtomicUsize::new(0));
        stage.wire.set({
            let refused = refused.clone();
            move |request| {
                let fails = request.is_watch && refused.fetch_add(1, Ordering::SeqCst) < 10;
                if fails { Fault::DropBefore } else { Fault::None }
            }
        });
        stage.wire.cut_watches();
        pair.drift().await;
        pair.until_healed("1").await;
        assert!(refused.load(Ordering::SeqCst) > 0, "watches were refused in round {round}");
    }
}

/// M4: another writer is always first.
async fn a_storm_of_conflicts_is_outlasted(stage: &Stage) {
    let pair = Pair::new(stage);
    let faults = storm(&stage.wire, 2, 40, 409, "Conflict");
    stage.start();
    pair.create().await;
    pair.until_done("").await;
    let uids = pair.uids().await;
    pair.until_done(&pair.commit("2")).await;
    assert!(faults.load(Ordering::SeqCst) >= 5, "there was a storm");
    assert_eq!(pair.uids().await, uids, "nothing was made anew");
    assert_eq!(pair.value("flux-a").await.as_deref(), Some("2"));
}

/// M3: 429 narrows the gate and is tried again, with hardly more requests than were asked for.
async fn a_busy_server_is_given_time(stage: &Stage) {
    let pair = Pair::new(stage);
    let faults = storm(&stage.wire, 2, 12, 429, "TooManyRequests");
    stage.start();
    pair.create().await;
    pair.until_done("").await;
    pair.until_done(&pair.commit("2")).await;
    assert!(faults.load(Ordering::SeqCst) >= 5, "the server was busy");
    let app = stage.application("argo").await;
    assert_eq!(app.at("/status/operationState/retryCount"), None, "a busy server fails no sync");
}

async fn a_failing_server_is_outlasted(stage: &Stage) {
    let pair = Pair::new(stage);
    let faults = Arc::new(AtomicUsize::new(0));
    let requests = AtomicUsize::new(0);
    stage.wire.set({
        let faults = faults.clone();
        move |request| {
            // Reads fail as well as writes: a third of the first sixty requests, scattered so that no attempt
            // meets the same ones again.
            let number = requests.fetch_add(1, Ordering::SeqCst);
            let is_hit = (number.wrapping_mul(0x9E37_79B9) >> 16).is_multiple_of(3);
            if number >= 60 || !is_hit || request.is_watch {
                return Fault::None;
            }
            faults.fetch_add(1, Ordering::SeqCst);
            match number % 2 {
                0 => Fault::Status(500, "InternalError"),
                _ => Fault::Status(503, "ServiceUnavailable"),
            }
        }
    });
    stage.start();
    pair.create().await;
    pair.until_done("").await;
    let uids = pair.uids().await;
    pair.until_done(&pair.commit("2")).await;
    assert!(faults.load(Ordering::SeqCst) >= 5, "the server failed");
    assert_eq!(pair.uids().await, uids, "nothing was made anew");
}

/// Everything takes its time, and one write is never answered.
async fn a_slow_server_is_waited_for(stage: &Stage) {
    let pair = Pair::new(stage);
    let writes = Arc::new(AtomicUsize::new(0));
    stage.wire.set({
        let writes = writes.clone();
        move |request| {
            let hangs = is_of_object(request) && writes.fetch_add(1, Ordering::SeqCst) == 1;
            Fault::Delay(if hangs { Duration::from_hours(1) } else { Duration::from_millis(100) })
        }
    });
    stage.start();
    pair.create().await;
    pair.until_done("").await;
    assert!(writes.load(Ordering::SeqCst) > 6, "the write that was never answered was made again");
    assert_eq!(pair.uids().await.len(), 6);
}

/// M4: each write of an install is carried out, and its first answer is lost.
async fn answers_that_are_lost_make_nothing_twice(stage: &Stage) {
    let pair = Pair::new(stage);
    let seen = std::sync::Mutex::new(BTreeMap::<String, usize>::new());
    stage.wire.set(move |request| {
        if !request.is_write() {
            return Fault::None;
        }
        let mut seen = seen.lock().expect("not poisoned");
        let count = seen.entry(format!("{} {}", request.method, request.path)).or_default();
        *count += 1;
        if *count == 1 { Fault::DropAfter } else { Fault::None }
    });
    stage.start();
    pair.create().await;
    pair.until_done("").await;
    let uids = pair.uids().await;
    assert_eq!(uids.len(), 6, "{uids:?}");
    let web = stage.object("apps/v1", "Deployment", "argo-web").await.expect("is there");
    assert_eq!(web.at("/metadata/generation"), Some(&json!(1)), "it was written twice and changed once");
    let app = stage.application("argo").await;
    let history = app.at("/status/history").and_then(|history| history.as_array()).map(Vec::len);
    assert_eq!(history, Some(1), "one revision is one entry");
}

async fn a_lost_answer_to_a_deletion_is_no_failure(stage: &Stage) {
    let pair = Pair::new(stage);
    stage.start();
    pair.create().await;
    pair.until_done("").await;
    let lost = Arc::new(AtomicUsize::new(0));
    stage.wire.set({
        let lost = lost.clone();
        move |request| {
            let is_first = *request.method == Method::DELETE && lost.fetch_add(1, Ordering::SeqCst) < 2;
            if is_first { Fault::DropAfter } else { Fault::None }
        }
    });
    pair.repository.remove("argo/b.yaml");
    pair.repository.remove("flux/b.yaml");
    pair.until_done(&pair.repository.commit("fewer")).await;
    for gone in ["argo-b", "flux-b"] {
        stage.until("it is pruned", async || pair.value(gone).await.is_none()).await;
    }
    assert!(lost.load(Ordering::SeqCst) >= 2, "answers were lost");
}

fn definition(group: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

/// M7: what is served by somebody who is down is unknown, and only who needs it waits.
async fn a_group_that_cannot_be_discovered_concerns_nobody_else(stage: &Stage) {
    let group = format!("{}.example.com", stage.target());
    let definition = stage.apply(definition(&group)).await;
    let thing = |name: &str| format!("apiVersion: {group}/v1\nkind: Thing\nmetadata:\n  name: {name}\n");
    let repository = Repository::new(&[
        ("things/a.yaml", &thing("one")),
        ("things/b.yaml", &config_map("beside", "1")),
        ("other/a.yaml", &config_map("other", "1")),
    ]);
    stage.start();
    stage.argo_app("things", &repository.url(), "things").await;
    stage.argo_app("other", &repository.url(), "other").await;
    stage.until_synced("things", "").await;
    let thing_before = stage.object(&format!("{group}/v1"), "Thing", "one").await.expect("was applied");
    stage.kill();

    // A new process starts while the group answers nothing, and the thing has left Git meanwhile.
    let prefix = format!("/apis/{group}");
    stage.wire.set(move |request| {
        if request.path.starts_with(&prefix) { Fault::Status(503, "ServiceUnavailable") } else { Fault::None }
    });
    repository.remove("things/a.yaml");
    repository.write("other/a.yaml", &config_map("other", "2"));
    let commit = repository.commit("fewer");
    stage.start();
    stage.until_synced("other", &commit).await;
    let still = stage.object(&format!("{group}/v1"), "Thing", "one").await.expect("unknown is not absent");
    assert_eq!(still.uid(), thing_before.uid());

    stage.wire.clear();
    stage.until_synced("things", &commit).await;
    stage
        .until("it is pruned once it is known", async || {
            stage.object(&format!("{group}/v1"), "Thing", "one").await.is_none()
        })
        .await;
    stage.delete(&definition).await;
}

/// M7: a kind that the server will not list is unknown: whoever has it waits, and prunes nothing.
async fn a_kind_that_cannot_be_listed_concerns_nobody_else(stage: &Stage) {
    let secret = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: robot\n";
    let repository = Repository::new(&[
        ("one/a.yaml", secret),
        ("one/b.yaml", &config_map("one", "1")),
        ("two/a.yaml", &config_map("two", "1")),
    ]);
    stage.start();
    stage.argo_app("one", &repository.url(), "one").await;
    stage.argo_app("two", &repository.url(), "two").await;
    stage.until_synced("one", "").await;
    stage.until_synced("two", "").await;
    stage.kill();

    stage.wire.set(|request| {
        let is_list = *request.method == Method::GET && request.path.ends_with("/serviceaccounts");
        if is_list { Fault::Status(403, "Forbidden") } else { Fault::None }
    });
    repository.remove("one/a.yaml");
    repository.write("two/a.yaml", &config_map("two", "2"));
    let commit = repository.commit("fewer");
    stage.start();
    stage.until_synced("two", &commit).await;
    assert!(stage.object("v1", "ServiceAccount", "robot").await.is_some(), "unknown is not absent");

    stage.wire.clear();
    stage.until_synced("one", &commit).await;
    stage
        .until("it is pruned once it is known", async || stage.object("v1", "ServiceAccount", "robot").await.is_none())
        .await;
}

/// L12: a namespace that waits for somebody's finalizer.
async fn a_namespace_that_is_stuck_is_told_and_outlasted(stage: &Stage) {
    let stuck = stage.unique("stuck");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": stuck}});
    let namespace = stage.apply(namespace).await;
    let holder = stage
        .apply(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "holder", "namespace": stuck, "finalizers": ["example.com/never"]}}))
        .await;
    stage.delete(&namespace).await;

    let namespace_text = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {stuck}\n");
    let repository = Repository::new(&[
        ("argo/a.yaml", &config_map("argo", "1")),
        ("flux/namespace.yaml", &namespace_text),
        ("flux/a.yaml", &config_map("flux", "1")),
        ("beside/a.yaml", &config_map("beside", "1")),
    ]);
    stage.start();
    let mut argo = stage.application_value("argo", &repository.url(), "argo");
    argo["spec"]["destination"]["namespace"] = json!(stuck);
    argo["spec"]["syncPolicy"]["syncOptions"] = json!(["CreateNamespace=true"]);
    // A cluster with much to do takes its time to empty a namespace.
    argo["spec"]["syncPolicy"]["retry"]["limit"] = json!(-1);
    stage.apply(argo).await;
    stage.apply(stage.git_repository_value("flux", &repository.url())).await;
    let mut flux = stage.kustomization_value("flux", "flux");
    flux["spec"]["targetNamespace"] = json!(stuck);
    stage.apply(flux).await;
    stage.argo_app("beside", &repository.url(), "beside").await;

    stage.until_synced("beside", "").await;
    stage
        .until("the Application says that the namespace is going", async || {
            let app = stage.application("argo").await;
            let message = app.text("/status/operationState/message").unwrap_or_default();
            message.contains(&stuck) && message.contains("terminated")
        })
        .await;
    stage.until_not_ready("flux", "terminat").await;

    // Its finalizer is taken off, the namespace goes, and both come back by themselves.
    stage.patch(&holder, "", json!({"metadata": {"finalizers": null}})).await;
    stage.until_synced("argo", "").await;
    stage.until_ready("flux", "").await;
    for name in ["argo", "flux"] {
        assert!(stage.get("v1", "ConfigMap", &stuck, name).await.is_some(), "{name} is applied");
    }
    let app = stage.kustomization("flux").await;
    assert_eq!(condition(&app, "Stalled"), None);
    let namespace = stage.get("v1", "Namespace", "", &stuck).await.expect("is there again");
    stage.delete(&namespace).await;
}

/// L12: what is pruned and held by somebody's finalizer is neither forgotten nor in the way.
async fn an_object_that_will_not_go_holds_up_nobody(stage: &Stage) {
    let pair = Pair::new(stage);
    stage.start();
    pair.create().await;
    pair.until_done("").await;
    for name in ["argo-b", "flux-b"] {
        let held = stage.object("v1", "ConfigMap", name).await.expect("is there");
        stage.patch(&held, "", json!({"metadata": {"finalizers": ["example.com/held"]}})).await;
    }
    pair.repository.remove("argo/b.yaml");
    pair.repository.remove("flux/b.yaml");
    pair.commit("2");
    let is_going =
        async |name: &str| stage.object("v1", "ConfigMap", name).await.is_some_and(|held| held.is_deleting());
    for name in ["argo", "flux"] {
        stage.until("it is being deleted", async || is_going(&format!("{name}-b")).await).await;
        let value = async || pair.value(&format!("{name}-a")).await;
        stage.until("the rest is applied", async || value().await.as_deref() == Some("2")).await;
    }

    // A newer commit wants one of each back, while the old ones still go.
    pair.repository.write("argo/b.yaml", &config_map("argo-b", "1"));
    pair.repository.write("flux/b.yaml", &config_map("flux-b", "1"));
    let commit = pair.commit("3");
    for name in ["argo", "flux"] {
        let value = async || pair.value(&format!("{name}-a")).await;
        stage.until("the newer commit is applied", async || value().await.as_deref() == Some("3")).await;
        let held = stage.object("v1", "ConfigMap", &format!("{name}-b")).await.expect("is still there");
        let uid = held.uid().to_owned();
        stage.patch(&held, "", json!({"metadata": {"finalizers": null}})).await;
        stage
            .until("it goes, and comes again", async || {
                let now = stage.object("v1", "ConfigMap", &format!("{name}-b")).await;
                now.is_some_and(|now| now.uid() != uid && !now.is_deleting())
            })
            .await;
    }
    pair.until_done(&commit).await;
}

/// L12: a definition is deleted, and every object of its kind with it.
async fn a_definition_that_goes_and_comes_back_brings_its_objects_back(stage: &Stage) {
    let group = format!("{}.example.com", stage.target());
    let thing = |name: &str| format!("apiVersion: {group}/v1\nkind: Thing\nmetadata:\n  name: {name}\nspec:\n  a: 1\n");
    let repository = Repository::new(&[
        ("argo/a.yaml", &thing("argo")),
        ("flux/a.yaml", &thing("flux")),
        ("beside/a.yaml", &config_map("beside", "1")),
    ]);
    let applied = stage.apply(definition(&group)).await;
    stage.start();
    stage.argo_app("argo", &repository.url(), "argo").await;
    stage.flux_app("flux", &repository.url(), "flux").await;
    stage.argo_app("beside", &repository.url(), "beside").await;
    for app in ["argo", "beside"] {
        stage.until_synced(app, "").await;
    }
    stage.until_ready("flux", "").await;

    stage.delete(&applied).await;
    stage
        .until("the Application is out of sync", async || {
            stage.application("argo").await.text("/status/sync/status") == Some("OutOfSync")
        })
        .await;
    let commit = repository.change("beside/a.yaml", &config_map("beside", "2"));
    stage.until_synced("beside", &commit).await;

    let again = stage.apply(definition(&group)).await;
    stage.until_synced("argo", &commit).await;
    stage.until_ready("flux", &commit).await;
    for name in ["argo", "flux"] {
        let thing = async || stage.object(&format!("{group}/v1"), "Thing", name).await;
        stage.until(&format!("{name} is there again"), async || thing().await.is_some()).await;
    }
    stage.delete(&again).await;
}

/// M1 (unobserved state): the world changes while no process runs.
async fn what_changed_while_nobody_looked_is_found(stage: &Stage) {
    let pair = Pair::new(stage);
    stage.start();
    pair.create().await;
    pair.until_done("").await;
    stage.stop();
    pair.drift().await;
    for name in ["argo", "flux"] {
        pair.repository.remove(&format!("{name}/web.yaml"));
    }
    let commit = pair.commit("2");
    stage.start();
    pair.until_done(&commit).await;
    pair.until_healed("2").await;
    for name in ["argo-web", "flux-web"] {
        let web = async || stage.object("apps/v1", "Deployment", name).await;
        stage.until("it is pruned", async || web().await.is_none()).await;
    }
}

/// The API server goes away and comes back. Commits and drift of the time between are caught up with.
async fn an_absence_is_outlasted(stage: &Stage, absence: Duration) {
    let pair = Pair::new(stage);
    stage.start();
    pair.create().await;
    pair.until_done("").await;
    let uids = pair.uids().await;
    if stage.is_embedded() {
        // Its clients can be cut off while hands still reach it: drift of which no watch tells.
        stage.stop_api_server();
        stage.wire.cut_watches();
        for name in ["argo-web", "flux-web"] {
            let web = stage.object("apps/v1", "Deployment", name).await.expect("is there");
            stage.patch(&web, "", json!({"spec": {"replicas": 3}})).await;
        }
    } else {
        for name in ["argo-web", "flux-web"] {
            let web = stage.object("apps/v1", "Deployment", name).await.expect("is there");
            stage.patch(&web, "", json!({"spec": {"replicas": 3}})).await;
        }
        stage.stop_api_server();
    }
    let commit = pair.commit("2");
    // That nothing happens for a while is all there is to wait for.
    tokio::time::sleep(absence).await;
    stage.start_api_server();
    pair.until_done(&commit).await;
    for name in ["argo-a", "flux-a"] {
        assert_eq!(pair.value(name).await.as_deref(), Some("2"));
    }
    for name in ["argo-web", "flux-web"] {
        stage
            .until("the scale is put back", async || {
                let web = stage.object("apps/v1", "Deployment", name).await;
                web.is_some_and(|web| web.at("/spec/replicas") == Some(&json!(1)))
            })
            .await;
    }
    assert_eq!(pair.uids().await, uids, "nothing was deleted or made anew");
    let app = stage.application("argo").await;
    assert_eq!(app.at("/status/history").and_then(|history| history.as_array()).map(Vec::len), Some(2));
}

mod absence {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn embedded() {
        let stage = Stage::embedded("absence").await;
        an_absence_is_outlasted(&stage, Duration::from_secs(4)).await;
        stage.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn real() {
        let Some(stage) = Stage::real_alone("absence").await else { return };
        an_absence_is_outlasted(&stage, Duration::from_secs(8)).await;
        stage.close().await;
    }
}
