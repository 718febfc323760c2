//! Raising: whole lives of resources, where each report is written, and raised again to see that it is quiet.

use bowline_engine::{Dialect, EventDraft, Raised, Refusal, SourceReport};
use bowline_flux::{Flux, commit_digest};
use bowline_model::{
    Activity, Commit, Failure, Health, HealthStatus, Object, ObjectKey, ObjectOutcome, ObjectReport, ObjectResult,
    ObjectSync, Phase, Reason, Report, Revision, Revisions, SyncPhase, SyncReport,
};
use jiff::Timestamp;
use serde_json::{Value, json};

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";

/// A resource in a cluster that stores whatever is raised.
struct Stored(Object);

impl Stored {
    fn kustomization(spec: Value) -> Self {
        let mut spec = spec;
        spec["interval"] = json!("10m");
        spec["sourceRef"] = json!({"kind": "GitRepository", "name": "web"});
        Self::new("kustomize.toolkit.fluxcd.io/v1", "Kustomization", &spec)
    }

    fn git_repository() -> Self {
        let spec = json!({"interval": "1m", "url": "https://git.example.com/web.git"});
        Self::new("source.toolkit.fluxcd.io/v1", "GitRepository", &spec)
    }

    fn new(api_version: &str, kind: &str, spec: &Value) -> Self {
        let value = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": "web", "namespace": "apps", "generation": 1, "finalizers": ["other"]},
            "spec": spec, "status": {"observedGeneration": -1},
        });
        Self(Object::from_value(value).expect("is an object"))
    }

    fn set(&mut self, pointer: &str, value: Value) {
        *self.0.value_mut().pointer_mut(pointer).expect("is there") = value;
    }

    /// Writes what `raise` says and returns it; asked again, it has nothing more to say.
    fn write(&mut self, raise: impl Fn(&Object) -> Raised) -> Raised {
        let raised = raise(&self.0);
        if let Some(status) = &raised.status {
            self.0.value_mut()["status"] = status.clone();
        }
        if let Some(patch) = &raised.patch {
            self.set("/metadata/finalizers", patch["metadata"]["finalizers"].clone());
        }
        let again = raise(&self.0);
        assert!(again.is_quiet(), "raised twice: {again:#?}");
        raised
    }

    fn report(&mut self, report: &Report) -> Raised {
        self.write(|resource| Flux::default().raise(resource, report))
    }

    fn source(&mut self, report: &SourceReport) -> Raised {
        self.write(|resource| Flux::default().raise_source(resource, report))
    }

    fn refuse(&mut self, refusal: &Refusal) -> Raised {
        self.write(|resource| Flux::default().raise_refusal(resource, refusal, at(99)))
    }

    fn text(&self, field: &str) -> &str {
        self.0.text(&format!("/status/{field}")).unwrap_or_default()
    }

    fn observed(&self) -> i64 {
        self.0.at("/status/observedGeneration").and_then(Value::as_i64).expect("is a number")
    }

    /// One line a condition, in the order they stand in.
    fn conditions(&self) -> Vec<String> {
        let conditions = self.0.at("/status/conditions").and_then(Value::as_array);
        let text = |condition: &Value, field: &str| condition[field].as_str().expect("is a text").to_owned();
        let line = |condition| {
            let [kind, status, reason, message] =
                ["type", "status", "reason", "message"].map(|field| text(condition, field));
            format!("{kind} {status} {reason}: {message}")
        };
        conditions.into_iter().flatten().map(line).collect()
    }

    fn since(&self, kind: &str) -> String {
        let conditions = self.0.at("/status/conditions").and_then(Value::as_array).expect("are there");
        let condition = conditions.iter().find(|condition| condition["type"] == kind).expect("is there");
        condition["lastTransitionTime"].as_str().expect("is a text").to_owned()
    }

    fn inventory(&self) -> Vec<&str> {
        let entries = self.0.at("/status/inventory/entries").and_then(Value::as_array);
        entries.into_iter().flatten().map(|entry| entry["id"].as_str().expect("is a text")).collect()
    }

    /// Status and count of each snapshot, newest first.
    fn history(&self) -> Vec<(&str, i64)> {
        let history = self.0.at("/status/history").and_then(Value::as_array);
        let line = |snapshot: &'_ Value| snapshot["totalReconciliations"].as_i64().expect("is a number");
        history
            .into_iter()
            .flatten()
            .map(|snapshot| (snapshot["lastReconciledStatus"].as_str().expect("is a text"), line(snapshot)))
            .collect()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("is a time")
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("apps", "Deployment", "shop", name)
}

fn object(name: &str) -> ObjectReport {
    ObjectReport {
        key: key(name),
        version: "v1".to_owned(),
        sync: ObjectSync::Synced,
        health: Some(Health::new(HealthStatus::Healthy, "")),
        wave: 2,
        hook: None,
        requires_pruning: false,
        drift: Vec::new(),
        images: Vec::new(),
        origin: None,
    }
}

fn sick(name: &str, status: HealthStatus) -> ObjectReport {
    ObjectReport { health: Some(Health::new(status, "")), ..object(name) }
}

fn to_prune(name: &str) -> ObjectReport {
    ObjectReport { requires_pruning: true, ..object(name) }
}

fn result(name: &str, outcome: ObjectOutcome) -> ObjectResult {
    ObjectResult {
        key: key(name),
        version: "v1".to_owned(),
        phase: Phase::Sync,
        is_hook: false,
        outcome,
        message: String::new(),
        images: Vec::new(),
    }
}

fn revision(commit: &str) -> Revisions {
    Revision::named("main", commit).into()
}

fn starting() -> Report {
    Report {
        id: ObjectKey::new("kustomize.toolkit.fluxcd.io", "Kustomization", "apps", "web"),
        generation: 1,
        activity: Activity::Starting,
        revision: None,
        applied: None,
        commit: None,
        objects: Vec::new(),
        render_digest: None,
        renderers: Vec::new(),
        chart: None,
        repeated: Vec::new(),
        unstable: Vec::new(),
        sync: None,
        failure: None,
        now: at(0),
    }
}

fn sync(commit: &str, start: i64) -> SyncReport {
    SyncReport {
        number: 1,
        revision: revision(commit),
        phase: SyncPhase::Running,
        message: String::new(),
        started_at: at(start),
        finished_at: None,
        retries: 0,
        automatic: true,
        heals: false,
        request: None,
        prune: true,
        dry_run: false,
        results: Vec::new(),
    }
}

fn syncing(commit: &str, start: i64, objects: Vec<ObjectReport>) -> Report {
    Report {
        activity: Activity::Syncing,
        revision: Some(revision(commit)),
        objects,
        render_digest: Some(format!("sha256:{commit}")),
        renderers: Vec::new(),
        chart: None,
        repeated: Vec::new(),
        unstable: Vec::new(),
        sync: Some(sync(commit, start)),
        now: at(start),
        ..starting()
    }
}

/// The report at the end of the sync that `running` tells of, two and a half seconds after its start.
fn ended(running: Report, results: Vec<ObjectResult>) -> Report {
    let mut report = Report { activity: Activity::Settled, applied: running.revision.clone(), ..running };
    report.now = report.sync.as_ref().expect("runs").started_at + jiff::SignedDuration::from_millis(2500);
    let sync = report.sync.as_mut().expect("runs");
    sync.phase = SyncPhase::Succeeded;
    sync.finished_at = Some(report.now);
    sync.results = results;
    report
}

fn broken_off(running: Report, failure: Failure, results: Vec<ObjectResult>) -> Report {
    let applied = running.applied.clone();
    let mut report = Report { applied, failure: Some(failure), ..ended(running, results) };
    report.sync.as_mut().expect("runs").phase = SyncPhase::Failed;
    report
}

fn events(raised: &Raised) -> Vec<(bool, &str, &str)> {
    raised.events.iter().map(|event| (event.warning, &*event.reason, &*event.message)).collect()
}

const APPLIED_ONE: &str =
    "Ready True ReconciliationSucceeded: Applied revision: main@sha1:1111111111111111111111111111111111111111";

#[test]
fn a_first_sync_is_told_at_its_start_and_at_its_end() {
    let mut stored = Stored::kustomization(json!({"prune": true, "wait": true}));
    let raised = stored.report(&starting());
    assert_eq!(raised.patch, Some(json!({"metadata": {"finalizers": ["other", "finalizers.fluxcd.io"]}})));
    assert_eq!(raised.status, None);

    let running = syncing(ONE, 10, vec![sick("cart", HealthStatus::Missing), sick("web", HealthStatus::Missing)]);
    stored.report(&running);
    let revision = format!("main@sha1:{ONE}");
    assert_eq!(
        stored.conditions(),
        [
            format!("Reconciling True Progressing: Detecting drift for revision {revision} with a timeout of 9m30s"),
            "Ready Unknown Progressing: Reconciliation in progress".to_owned(),
            format!(
                "Healthy Unknown Progressing: Running health checks for revision {revision} with a timeout of 9m30s"
            ),
        ]
    );
    assert_eq!(stored.inventory(), ["shop_cart_apps_Deployment", "shop_web_apps_Deployment"], "written ahead");
    assert_eq!((stored.text("lastAttemptedRevision"), stored.observed()), (&*revision, -1));

    let waiting = Report { activity: Activity::WaitingForHealth, now: at(12), ..running.clone() };
    assert!(stored.report(&waiting).is_quiet(), "what happens in between is not told");

    let results = vec![result("cart", ObjectOutcome::Created), result("web", ObjectOutcome::Created)];
    let settled = Report { objects: vec![object("cart"), object("web")], ..ended(running, results) };
    let raised = stored.report(&settled);
    assert_eq!(
        stored.conditions(),
        [APPLIED_ONE.to_owned(), "Healthy True Succeeded: Health check passed in 2.5s".to_owned()]
    );
    assert_eq!(
        events(&raised),
        [
            (false, "Progressing", "Deployment/shop/cart created\nDeployment/shop/web created"),
            (false, "ReconciliationSucceeded", "Reconciliation finished in 2.5s, next run in 10m0s"),
        ]
    );
    let annotation = ("kustomize.toolkit.fluxcd.io/revision".to_owned(), revision.clone());
    assert!(raised.events.iter().all(|event: &EventDraft| event.annotations == [annotation.clone()]));
    assert_eq!((stored.text("lastAppliedRevision"), stored.observed()), (&*revision, 1));
    assert_eq!(
        stored.0.at("/status/history"),
        Some(&json!([{
            "digest": format!("sha256:{ONE}"),
            "firstReconciled": "2027-01-15T08:00:12Z",
            "lastReconciled": "2027-01-15T08:00:12Z",
            "lastReconciledDuration": "2.5s",
            "lastReconciledStatus": "ReconciliationSucceeded",
            "metadata": {"revision": revision},
            "totalReconciliations": 1,
        }]))
    );

    // Another process begins, finds everything in place, and has nothing to say.
    assert!(stored.report(&starting()).is_quiet());
    assert!(stored.report(&Report { sync: None, now: at(500), ..settled }).is_quiet());
    let recalled = Flux::default().recall(&stored.0);
    assert_eq!(recalled.applied.as_ref().map(|applied| applied.digest.as_str()), Some(ONE));
    assert_eq!(recalled.inventory.len(), 2);
}

#[test]
fn a_failed_sync_says_why_until_a_later_attempt_has_ended() {
    let mut stored = Stored::kustomization(json!({"prune": true, "wait": true}));
    let objects = vec![object("cart"), sick("web", HealthStatus::Progressing)];
    let running = syncing(ONE, 10, objects.clone());
    stored.report(&running);
    let unhealthy = Failure::new(Reason::Unhealthy, "1 object is not healthy");
    let raised = stored.report(&broken_off(running, unhealthy.clone(), Vec::new()));
    let message = "health check failed after 2.5s: timeout waiting for: [Deployment/shop/web status: 'InProgress']";
    assert_eq!(events(&raised), [(true, "HealthCheckFailed", message)]);
    let step = format!("Detecting drift for revision main@sha1:{ONE} with a timeout of 9m30s");
    let failed = [
        format!("Reconciling True ProgressingWithRetry: {step}"),
        format!("Ready False HealthCheckFailed: {message}"),
        format!("Healthy False HealthCheckFailed: {message}"),
    ];
    assert_eq!(stored.conditions(), failed);
    assert_eq!((stored.observed(), stored.text("lastAppliedRevision")), (-1, ""));
    let since = stored.since("Ready");

    let mut retry = syncing(ONE, 20, objects);
    retry.sync.as_mut().expect("runs").retries = 1;
    assert!(stored.report(&retry).is_quiet(), "a retry does not hide why it is made");
    stored.report(&broken_off(retry.clone(), unhealthy, Vec::new()));
    assert_eq!(stored.since("Ready"), since);
    assert_eq!(stored.history(), [("HealthCheckFailed", 2)]);

    retry.sync.as_mut().expect("runs").started_at = at(30);
    stored.report(&ended(retry, Vec::new()));
    assert_eq!(
        stored.conditions(),
        [APPLIED_ONE.to_owned(), "Healthy True Succeeded: Health check passed in 2.5s".to_owned()]
    );
    assert_eq!(stored.history(), [("ReconciliationSucceeded", 1), ("HealthCheckFailed", 2)]);
}

/// A resource whose first sync, of `cart` and `web`, went well.
fn applied(spec: Value) -> (Stored, Report) {
    let mut stored = Stored::kustomization(spec);
    let running = syncing(ONE, 10, vec![object("cart"), object("web")]);
    stored.report(&running);
    let settled = ended(running, Vec::new());
    stored.report(&settled);
    (stored, settled)
}

#[test]
fn inventory_holds_old_and_new_until_the_sync_has_ended() {
    let (mut stored, before) = applied(json!({"prune": true}));
    let objects = vec![object("api"), object("cart"), to_prune("web")];
    let running = Report { applied: before.applied, ..syncing(TWO, 20, objects) };
    stored.report(&running);
    let all = ["shop_api_apps_Deployment", "shop_cart_apps_Deployment", "shop_web_apps_Deployment"];
    assert_eq!(stored.inventory(), all);

    // The prune is refused: nothing is forgotten, and it is told as what it is.
    let refused = Failure::new(Reason::Rejected, "a webhook says no");
    let failed = broken_off(running.clone(), refused, vec![result("web", ObjectOutcome::Failed)]);
    stored.report(&failed);
    assert_eq!(stored.inventory(), all);
    assert_eq!(stored.conditions()[1], "Ready False PruneFailed: a webhook says no");

    let done = Report { objects: vec![object("api"), object("cart")], ..running };
    let raised = stored.report(&ended(done, vec![result("web", ObjectOutcome::Pruned)]));
    assert_eq!(stored.inventory(), all[..2]);
    assert_eq!(events(&raised)[0], (false, "Progressing", "Deployment/shop/web deleted"));
}

#[test]
fn what_may_not_be_pruned_leaves_the_inventory() {
    for (spec, results) in [
        (json!({"prune": true}), vec![result("web", ObjectOutcome::PruneSkipped)]),
        (json!({"prune": false}), Vec::new()),
    ] {
        let (mut stored, _) = applied(spec);
        let running = syncing(TWO, 20, vec![object("cart"), to_prune("web")]);
        stored.report(&running);
        stored.report(&ended(running, results));
        assert_eq!(stored.inventory(), ["shop_cart_apps_Deployment"]);
    }
}

#[test]
fn a_failure_before_the_render_forgets_nothing() {
    let (mut stored, before) = applied(json!({"prune": true}));
    let failure = Failure::new(Reason::InvalidManifest, "`kind` is missing");
    let report = Report {
        activity: Activity::Settled,
        revision: Some(revision(TWO)),
        applied: before.applied,
        failure: Some(failure),
        now: at(30),
        ..starting()
    };
    let raised = stored.report(&report);
    assert_eq!(stored.conditions()[1], "Ready False BuildFailed: `kind` is missing");
    assert_eq!(events(&raised), [(true, "BuildFailed", "`kind` is missing")]);
    assert_eq!(stored.inventory().len(), 2);
    assert_eq!(stored.text("lastAttemptedRevision"), format!("main@sha1:{TWO}"));
    assert_eq!(stored.text("lastAppliedRevision"), format!("main@sha1:{ONE}"));
}

#[test]
fn drift_that_is_healed_is_one_write() {
    let (mut stored, settled) = applied(json!({"prune": true, "wait": true}));
    let mut healing = Report { activity: Activity::Syncing, now: at(40), ..settled };
    healing.sync = Some(SyncReport { heals: true, number: 2, ..sync(ONE, 40) });
    assert!(stored.report(&healing).is_quiet());
    let waiting = Report { activity: Activity::WaitingForHealth, ..healing.clone() };
    assert!(stored.report(&waiting).is_quiet(), "all is healthy already");
    let raised = stored.report(&ended(healing, vec![result("cart", ObjectOutcome::Configured)]));
    assert_eq!(events(&raised)[0], (false, "Progressing", "Deployment/shop/cart configured"));
    assert_eq!(stored.history(), [("ReconciliationSucceeded", 2)]);
    assert_eq!(stored.since("Ready"), "2027-01-15T08:00:12Z", "it was ready all the time");
}

#[test]
fn objects_may_come_and_go_for_as_long_as_a_sync_may_take() {
    let (mut stored, settled) = applied(json!({"prune": true, "wait": true, "timeout": "1m"}));
    let objects = vec![sick("cart", HealthStatus::Progressing), object("web")];
    let waiting = Report { activity: Activity::WaitingForHealth, objects, now: at(40), ..settled.clone() };
    assert!(stored.report(&waiting).is_quiet());
    let late =
        Failure::new(Reason::Unhealthy, "health check failed after 1m0.123s: Deployment/shop/cart is Progressing");
    stored.report(&Report { activity: Activity::Settled, failure: Some(late), now: at(100), ..waiting });
    let message = "health check failed after 1m0s: timeout waiting for: [Deployment/shop/cart status: 'InProgress']";
    assert_eq!(
        stored.conditions()[1..],
        ["Ready", "Healthy"].map(|kind| format!("{kind} False HealthCheckFailed: {message}"))
    );
    assert_eq!(stored.history(), [("HealthCheckFailed", 1), ("ReconciliationSucceeded", 1)]);
    stored.report(&Report { now: at(200), ..settled });
    assert_eq!(stored.conditions(), [APPLIED_ONE, "Healthy True Succeeded: Health check passed"]);
}

#[test]
fn health_counts_to_the_time_a_sync_took() {
    let mut stored = Stored::kustomization(json!({"prune": true, "wait": true}));
    let running = syncing(ONE, 10, vec![sick("cart", HealthStatus::Missing)]);
    stored.report(&running);
    let settled = ended(running, vec![result("cart", ObjectOutcome::Created)]);
    let objects = vec![sick("cart", HealthStatus::Progressing)];
    let waiting = Report { activity: Activity::WaitingForHealth, applied: None, objects, ..settled.clone() };
    assert!(stored.report(&waiting).is_quiet(), "all is written, and the app is not ready yet");
    let raised = stored.report(&Report { objects: vec![object("cart")], now: at(70), ..settled.clone() });
    assert_eq!(stored.conditions()[1], "Healthy True Succeeded: Health check passed in 1m0s");
    assert_eq!(events(&raised)[1].2, "Reconciliation finished in 1m0s, next run in 10m0s");
    assert!(stored.report(&Report { objects: vec![object("cart")], now: at(80), ..settled }).is_quiet());
}

#[test]
fn a_revision_that_changes_nothing_moves_the_revision_on() {
    let (mut stored, settled) = applied(json!({"prune": true}));
    let moved = Report { revision: Some(revision(TWO)), applied: Some(revision(TWO)), now: at(50), ..settled };
    let raised = stored.report(&moved);
    assert_eq!(stored.conditions(), [format!("Ready True ReconciliationSucceeded: Applied revision: main@sha1:{TWO}")]);
    assert_eq!(stored.text("lastAppliedRevision"), format!("main@sha1:{TWO}"));
    assert!(raised.events.is_empty());
}

#[test]
fn a_source_that_fails_later_changes_nothing() {
    let (mut stored, settled) = applied(json!({"prune": true}));
    let gone = Failure::new(Reason::Unreachable, "connection refused").transient();
    // The engine says nothing of objects then: that is not the same as none.
    let silent = Report { failure: Some(gone.clone()), objects: Vec::new(), now: at(60), ..settled };
    assert!(stored.report(&silent).is_quiet());
    assert_eq!(stored.inventory().len(), 2);

    let mut fresh = Stored::kustomization(json!({"prune": true}));
    fresh.report(&Report { failure: Some(gone), activity: Activity::Settled, ..starting() });
    assert_eq!(fresh.conditions()[1], "Ready False ArtifactFailed: connection refused");
}

#[test]
fn requests_for_a_look_are_answered() {
    let (mut stored, settled) = applied(json!({"prune": true}));
    assert!(!Flux::default().wants_refresh(&stored.0));
    stored.0.set_annotation("reconcile.fluxcd.io/requestedAt", "2027-01-15T09:00:00Z");
    assert!(Flux::default().wants_refresh(&stored.0));
    stored.report(&Report { activity: Activity::Starting, ..settled.clone() });
    assert!(Flux::default().wants_refresh(&stored.0), "not before something was found out");
    stored.report(&settled);
    assert_eq!(stored.text("lastHandledReconcileAt"), "2027-01-15T09:00:00Z");
    assert!(!Flux::default().wants_refresh(&stored.0));
}

#[test]
fn a_new_generation_is_observed_when_it_is_applied() {
    let (mut stored, settled) = applied(json!({"prune": true}));
    stored.set("/metadata/generation", json!(2));
    stored.report(&Report { generation: 2, ..settled });
    assert_eq!(stored.observed(), 2);
}

#[test]
fn a_status_written_by_flux_is_taken_over_in_silence() {
    let (mut stored, settled) = applied(json!({"prune": true}));
    // Flux sorts neither entries nor, always, conditions, and hashes its own rendering.
    let entries = stored.0.at("/status/inventory/entries").and_then(Value::as_array).expect("are there");
    let turned: Vec<_> = entries.iter().rev().cloned().collect();
    stored.set("/status/inventory/entries", json!(turned));
    stored.set("/status/history/0/digest", json!("sha256:of-flux"));
    let report = Report { sync: None, now: at(900), ..settled };
    assert!(stored.report(&report).is_quiet());
}

#[test]
fn refusals_stall_wait_or_say_nothing() {
    let mut stored = Stored::kustomization(json!({"prune": true}));
    let waiting = Failure::new(Reason::DependencyNotReady, "dependency 'apps/base' is not ready").transient();
    let raised = stored.refuse(&Refusal::Waiting(waiting));
    assert_eq!(
        stored.conditions(),
        [
            "Reconciling True ProgressingWithRetry: Reconciliation in progress",
            "Ready False DependencyNotReady: dependency 'apps/base' is not ready",
        ]
    );
    assert_eq!(events(&raised), [(false, "DependencyNotReady", "dependency 'apps/base' is not ready")]);
    assert!(raised.patch.is_some(), "the finalizer comes first");
    assert_eq!(stored.observed(), -1);

    let wrong = Failure::new(Reason::Unsupported, "`spec.patches` is not supported");
    let raised = stored.refuse(&Refusal::Invalid(wrong));
    assert_eq!(
        stored.conditions(),
        [
            "Stalled True Unsupported: `spec.patches` is not supported",
            "Ready False Unsupported: `spec.patches` is not supported",
        ]
    );
    assert_eq!(events(&raised), [(true, "Unsupported", "`spec.patches` is not supported")]);
    assert_eq!(stored.observed(), 1, "refused for good");

    assert!(stored.refuse(&Refusal::Suspended).is_quiet());
    stored.report(&ended(syncing(ONE, 200, vec![object("cart")]), Vec::new()));
    assert_eq!(stored.conditions(), [APPLIED_ONE], "mended");
}

#[test]
fn a_resource_that_goes_away_gets_no_finalizer() {
    let mut stored = Stored::kustomization(json!({"prune": true}));
    stored.0.value_mut()["metadata"]["deletionTimestamp"] = json!("2027-01-15T09:00:00Z");
    assert!(stored.report(&starting()).is_quiet());
}

fn looked(commit: Option<&str>, failure: Option<Failure>, second: i64) -> SourceReport {
    SourceReport {
        generation: 1,
        revision: commit.map(|commit| Revision::named("main", commit)),
        failure,
        commit: commit.map(|_| Commit {
            author: "Ada <ada@example.com>".to_owned(),
            subject: "Add the cart".to_owned(),
            date: at(0),
        }),
        now: at(second),
    }
}

#[test]
fn a_source_lives_through_fetch_failure_and_recovery() {
    let mut stored = Stored::git_repository();
    let raised = stored.source(&looked(None, None, 0));
    assert!(raised.patch.is_some());
    assert_eq!(stored.conditions()[1], "Ready Unknown Progressing: Reconciliation in progress");

    let raised = stored.source(&looked(Some(ONE), None, 5));
    let stored_one = format!("stored artifact for revision 'main@sha1:{ONE}'");
    let good =
        [format!("Ready True Succeeded: {stored_one}"), format!("ArtifactInStorage True Succeeded: {stored_one}")];
    assert_eq!(stored.conditions(), good);
    assert_eq!(events(&raised), [(false, "NewArtifact", "stored artifact for commit 'Add the cart'")]);
    let path = format!("gitrepository/apps/web/{ONE}.tar.gz");
    let artifact = json!({
        "digest": commit_digest(ONE),
        "lastUpdateTime": "2027-01-15T08:00:05Z",
        "path": path,
        "revision": format!("main@sha1:{ONE}"),
        "url": format!("http://source-controller.flux-system.svc.cluster.local./{path}"),
    });
    assert_eq!(stored.0.at("/status/artifact"), Some(&artifact));
    assert!(stored.source(&looked(Some(ONE), None, 65)).is_quiet(), "a look that finds nothing new");

    let failure = Failure::new(Reason::AuthenticationFailed, "the server wants credentials").transient();
    let raised = stored.source(&looked(Some(ONE), Some(failure), 70));
    assert_eq!(events(&raised), [(true, "AuthenticationFailed", "the server wants credentials")]);
    let told = stored.conditions();
    assert_eq!(told[1], "Ready False AuthenticationFailed: the server wants credentials");
    assert_eq!(told[3], "FetchFailed True AuthenticationFailed: the server wants credentials");
    assert_eq!(told[2], good[1], "what was fetched is still there");
    assert_eq!(stored.0.at("/status/artifact"), Some(&artifact));

    let raised = stored.source(&looked(Some(ONE), None, 80));
    assert_eq!(stored.conditions(), good);
    assert!(raised.events.is_empty());
    stored.source(&looked(Some(TWO), None, 90));
    assert_eq!(stored.text("artifact/lastUpdateTime"), "2027-01-15T08:01:30Z");
}

#[test]
fn a_source_that_cannot_be_lowered_says_why() {
    let mut stored = Stored::git_repository();
    let missing = Failure::new(Reason::AuthenticationFailed, "failed to get secret 'apps/creds': not found");
    stored.refuse(&Refusal::Invalid(missing));
    assert_eq!(
        stored.conditions(),
        [
            "Reconciling True ProgressingWithRetry: Reconciliation in progress",
            "Ready False AuthenticationFailed: failed to get secret 'apps/creds': not found",
            "FetchFailed True AuthenticationFailed: failed to get secret 'apps/creds': not found",
        ]
    );
    assert_eq!(stored.observed(), -1, "the Secret may come");
}

#[test]
fn digests_are_told_apart_and_match_the_definition() {
    let (one, two) = (commit_digest(ONE), commit_digest(TWO));
    assert_ne!(one, two);
    assert_eq!(one.len(), "sha256:".len() + 64);
}

#[test]
fn long_lists_of_changes_are_cut() {
    let (mut stored, _) = applied(json!({"prune": true}));
    let running = syncing(TWO, 20, vec![object("cart")]);
    let results: Vec<_> = (0..100).map(|n| result(&format!("object-{n:03}"), ObjectOutcome::Created)).collect();
    stored.report(&running);
    let raised = stored.report(&ended(running, results));
    let message = &raised.events[0].message;
    assert!(message.len() <= 1024, "{} bytes", message.len());
    let told = message.lines().filter(|line| line.ends_with(" created")).count();
    assert!(message.ends_with(&format!("\n… and {} more", 100 - told)), "{message}");
}
