use bowline_engine::{Dialect, Refusal};
use bowline_model::{
    Activity, HealthStatus, Location, ObjectKey, ObjectOutcome, ObjectSync, Reason, Report, Revision, SyncPhase,
};
use serde_json::{Value, json};

use crate::support::*;

fn healthy() -> Vec<bowline_model::ObjectReport> {
    both(ObjectSync::Synced, HealthStatus::Healthy)
}

fn conditions(cluster: &Cluster) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = cluster.status()["conditions"].as_array().cloned().unwrap_or_default();
    list.iter().map(|one| (text(&one["type"]), text(&one["message"]), text(&one["lastTransitionTime"]))).collect()
}

#[test]
fn a_source_that_cannot_be_read_leaves_the_objects_listed() {
    let mut cluster = Cluster::new(application());
    cluster.raise(&report(Activity::Settled, healthy(), 0));
    let resources = cluster.status()["resources"].clone();

    let broken = failure(Reason::InvalidManifest, "`kind` is missing").at(Location::line("deploy/a.yaml", 3));
    let failing = Report {
        revision: Some(Revision::named("main", NEXT_COMMIT).into()),
        failure: Some(broken),
        ..report(Activity::Settled, Vec::new(), 5)
    };
    let events = cluster.raise(&failing);
    assert_eq!(events, ["ResourceUpdated: Updated sync status: Synced -> Unknown"]);
    let want = ("ComparisonError".to_owned(), "deploy/a.yaml:3: `kind` is missing".to_owned());
    assert_eq!(conditions(&cluster), [(want.0.clone(), want.1.clone(), "2026-03-01T10:00:05Z".to_owned())]);
    assert_eq!(cluster.status()["resources"], resources);
    assert_eq!(cluster.status()["sync"]["revision"], NEXT_COMMIT);
    assert_eq!(cluster.status()["health"]["status"], "Healthy");

    // The same trouble later keeps its time; another does not.
    cluster.raise(&Report { now: at(50), ..failing.clone() });
    assert_eq!(conditions(&cluster)[0].2, "2026-03-01T10:00:05Z");
    cluster.raise(&Report { failure: Some(failure(Reason::Unreachable, "no route")), now: at(60), ..failing });
    assert_eq!(conditions(&cluster)[0].1, "no route");
    assert_eq!(conditions(&cluster)[0].2, "2026-03-01T10:01:00Z");

    cluster.raise(&report(Activity::Settled, healthy(), 90));
    assert!(cluster.status().get("conditions").is_none());
    assert_eq!(cluster.status()["sync"]["status"], "Synced");
}

#[test]
fn an_application_that_never_worked_is_unknown() {
    let mut cluster = Cluster::new(application());
    let gone = failure(Reason::RepositoryNotFound, "repository not found");
    let mut first = Report { failure: Some(gone), ..report(Activity::Settled, Vec::new(), 0) };
    first.revision = None;
    first.render_digest = None;
    cluster.raise(&first);
    let status = cluster.status();
    assert_eq!((&status["sync"]["status"], &status["health"]["status"]), (&json!("Unknown"), &json!("Unknown")));
    assert!(status["sync"].get("revision").is_none());
}

#[test]
fn a_sync_that_failed_is_told_in_both_places() {
    let mut cluster = Cluster::new(application());
    let mut failed = sync(SyncPhase::Failed, 0, Some(1));
    failed.retries = 5;
    let key = ObjectKey::new("apps", "Deployment", "web", "cart");
    failed.results = vec![result(key, ObjectOutcome::Failed, "spec.replicas: must be at least 0")];
    let failing = Report {
        sync: Some(failed),
        failure: Some(failure(Reason::Rejected, "spec.replicas: must be at least 0")),
        ..report(Activity::Settled, both(ObjectSync::OutOfSync, HealthStatus::Healthy), 1)
    };
    let events = cluster.raise(&failing);
    assert!(events.iter().any(|event| event.starts_with("! OperationCompleted")), "{events:?}");
    let state = &cluster.status()["operationState"];
    assert_eq!(state["phase"], "Failed");
    assert_eq!(state["retryCount"], 5);
    assert_eq!(
        state["message"],
        "one or more objects failed to apply, reason: spec.replicas: must be at least 0 (retried 5 times)."
    );
    assert_eq!(state["syncResult"]["resources"][0]["status"], "SyncFailed");
    assert_eq!(state["syncResult"]["resources"][0]["hookPhase"], "Failed");
    let have = conditions(&cluster);
    assert_eq!(have.len(), 1);
    assert_eq!(
        (have[0].0.as_str(), have[0].1.as_str()),
        ("SyncError", &*format!("Failed last sync attempt to [{COMMIT}]: spec.replicas: must be at least 0"))
    );
    assert_eq!(cluster.status()["sync"]["status"], "OutOfSync");

    // A new process has not tried yet: the condition stands until the application is as desired.
    cluster.raise(&report(Activity::Settled, both(ObjectSync::OutOfSync, HealthStatus::Healthy), 20));
    assert_eq!(conditions(&cluster).len(), 1);
    cluster.raise(&report(Activity::Settled, healthy(), 30));
    assert_eq!(conditions(&cluster).len(), 0);
}

#[test]
fn an_object_of_another_application_is_a_warning() {
    let mut cluster = Cluster::new(application());
    let shared = failure(Reason::DuplicateOwner, "ConfigMap/web/settings is part of applications argocd/shop and cart");
    cluster.raise(&Report { failure: Some(shared), ..report(Activity::Settled, healthy(), 0) });
    assert_eq!(conditions(&cluster)[0].0, "SharedResourceWarning");
    assert_eq!(cluster.status()["sync"]["status"], "Synced");
}

#[test]
fn a_failure_without_objects_does_not_empty_the_list() {
    let mut cluster = Cluster::new(application());
    cluster.raise(&report(Activity::Settled, healthy(), 0));
    let resources = cluster.status()["resources"].clone();
    let denied = failure(Reason::AccessDenied, "namespaces is forbidden");
    cluster.raise(&Report { failure: Some(denied), ..report(Activity::Settled, Vec::new(), 1) });
    assert_eq!(cluster.status()["resources"], resources);
    assert_eq!(conditions(&cluster)[0].0, "SyncError");
}

#[test]
fn a_refusal_is_told_once() {
    let mut cluster = Cluster::new(application());
    cluster.raise(&report(Activity::Settled, healthy(), 0));
    let resources = cluster.status()["resources"].clone();
    let refusal = Refusal::Invalid(failure(Reason::InvalidSpec, "`spec.destination` has both"));
    let raised = cluster.argo.raise_refusal(&cluster.resource(), &refusal, at(1));
    let events = cluster.store(raised);
    assert_eq!(
        events,
        [
            "ResourceUpdated: Updated sync status: Synced -> Unknown",
            "ResourceUpdated: Updated health status: Healthy -> Unknown"
        ]
    );
    assert_eq!(conditions(&cluster)[0].0, "InvalidSpecError");
    assert_eq!(cluster.status()["resources"], resources);
    assert!(cluster.argo.raise_refusal(&cluster.resource(), &refusal, at(60)).is_quiet());
    cluster.raise(&report(Activity::Settled, healthy(), 70));
    assert_eq!(conditions(&cluster).len(), 0);
}

#[test]
fn a_refused_new_application_has_a_whole_status() {
    let mut cluster = Cluster::new(application());
    let refusal = Refusal::Waiting(failure(Reason::DependencyNotReady, "not yet"));
    let raised = cluster.argo.raise_refusal(&cluster.resource(), &refusal, at(1));
    cluster.store(raised);
    assert_eq!(conditions(&cluster)[0].0, "ComparisonError");
    assert!(cluster.argo.raise_refusal(&cluster.resource(), &refusal, at(60)).is_quiet());
}

#[test]
fn a_suspended_application_is_left_alone() {
    let cluster = Cluster::new(application());
    assert!(cluster.argo.raise_refusal(&cluster.resource(), &Refusal::Suspended, at(1)).is_quiet());
}
