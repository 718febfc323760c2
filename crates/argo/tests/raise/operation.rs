use bowline_argo::{wants_hard_refresh, wants_refresh};
use bowline_engine::{Dialect, LowerError, Lowered, Refusal, Unread, World};
use bowline_model::{
    Activity, GroupKind, HealthStatus, Object, ObjectKey, ObjectSync, Reason, Report, Revision, SourceSpec, SyncPhase,
};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::*;

/// A world with nothing in it.
struct Nothing;

impl World for Nothing {
    fn get(&self, _: &ObjectKey) -> Result<Option<Arc<Object>>, Unread> {
        Ok(None)
    }
    fn labelled(&self, _: &GroupKind, _: &str, _: &str, _: &str) -> Result<Vec<Arc<Object>>, Unread> {
        Ok(Vec::new())
    }
    fn revision(&self, _: &SourceSpec) -> Option<Revision> {
        None
    }
}

impl Cluster {
    /// Returns the id of the sync that is asked for.
    pub(crate) fn requested(&self) -> String {
        match self.argo.lower(&self.resource(), &Nothing) {
            Ok(Lowered::App(app)) => app.sync.request.expect("a sync is asked for").id,
            other => panic!("{other:?}"),
        }
    }
}

fn asking(operation: Value) -> Cluster {
    let mut value = application();
    value["operation"] = operation;
    Cluster::new(value)
}

fn objects() -> Vec<bowline_model::ObjectReport> {
    both(ObjectSync::OutOfSync, HealthStatus::Healthy)
}

#[test]
fn an_operation_moves_to_status_when_it_starts() {
    let operation = json!({"initiatedBy": {"username": "ada"}, "info": [{"name": "why", "value": "because"}],
        "sync": {"revision": COMMIT}});
    let mut cluster = asking(operation.clone());
    let mut running = sync(SyncPhase::Running, 1, None);
    running.automatic = false;
    running.request = Some(("ada".to_owned(), cluster.requested()));

    // A report from before it was taken up leaves it.
    cluster.raise(&report(Activity::Settled, objects(), 0));
    assert_eq!(cluster.application["operation"], operation);

    let events = cluster.raise(&Report { sync: Some(running.clone()), ..report(Activity::Syncing, objects(), 1) });
    assert_eq!(events, [format!("OperationStarted: ada initiated sync to '{COMMIT}'")]);
    assert!(cluster.application.get("operation").is_none());
    assert_eq!(cluster.status()["operationState"]["operation"], operation);
    assert_eq!(cluster.status()["operationState"]["phase"], "Running");

    // What was asked stays told although it is no longer on the resource.
    running.phase = SyncPhase::Succeeded;
    running.finished_at = Some(at(2));
    cluster.raise(&Report { sync: Some(running), ..report(Activity::Settled, objects(), 2) });
    assert_eq!(cluster.status()["operationState"]["operation"], operation);
    assert_eq!(cluster.status()["history"][0]["initiatedBy"], json!({"username": "ada"}));
}

#[test]
fn an_operation_that_cannot_begin_ends_in_error() {
    let mut cluster = asking(json!({"sync": {"revision": "gone"}}));
    let failed = Report {
        failure: Some(failure(Reason::ReferenceNotFound, "`gone` is not in the repository")),
        ..report(Activity::Settled, Vec::new(), 1)
    };
    let events = cluster.raise(&failed);
    assert!(events[0].starts_with("! OperationCompleted: Sync operation to  failed: `gone` is not"), "{events:?}");
    assert!(cluster.application.get("operation").is_none());
    assert_eq!(cluster.status()["operationState"]["phase"], "Error");
    assert_eq!(cluster.status()["operationState"]["message"], "`gone` is not in the repository");
}

#[test]
fn an_operation_that_cannot_be_read_is_refused_and_the_application_goes_on() {
    let mut cluster = asking(json!({"sync": {"manifests": ["{}"]}}));
    cluster.application["status"] = json!({"health": {"status": "Healthy"}, "sync": {"status": "Synced"}});
    let Err(LowerError::Invalid(refused)) = cluster.argo.lower(&cluster.resource(), &Nothing) else {
        panic!("is refused")
    };
    let raised = cluster.argo.raise_refusal(&cluster.resource(), &Refusal::Invalid(refused), at(1));
    let events = cluster.store(raised);
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(cluster.application.get("operation").is_none());
    let status = cluster.status();
    assert_eq!(status["operationState"]["phase"], "Error");
    assert_eq!((&status["sync"]["status"], &status["health"]["status"]), (&json!("Synced"), &json!("Healthy")));
    assert!(matches!(cluster.argo.lower(&cluster.resource(), &Nothing), Ok(Lowered::App(_))));
}

#[test]
fn an_operation_that_asks_for_nothing_is_taken_off() {
    let mut cluster = asking(json!({"info": []}));
    cluster.raise(&report(Activity::Settled, objects(), 1));
    assert!(cluster.application.get("operation").is_none());
}

#[test]
fn a_sync_that_a_former_process_began_is_ended() {
    let mut cluster = Cluster::new(application());
    let running = sync(SyncPhase::Running, 0, None);
    cluster.raise(&Report { sync: Some(running), ..report(Activity::Syncing, objects(), 0) });
    cluster.raise(&Report { revision: None, ..report(Activity::Starting, Vec::new(), 5) });
    assert_eq!(cluster.status()["operationState"]["phase"], "Running");
    cluster.raise(&report(Activity::Settled, objects(), 6));
    assert_eq!(cluster.status()["operationState"]["phase"], "Error");
    assert_eq!(cluster.status()["operationState"]["finishedAt"], "2026-03-01T10:00:06Z");
}

#[test]
fn a_refresh_is_taken_off_once_it_is_answered() {
    let annotation = "argocd.argoproj.io/refresh";
    let mut cluster = Cluster::new(application());
    cluster.raise(&report(Activity::Settled, objects(), 0));
    cluster.application["metadata"]["annotations"] = json!({annotation: "hard", "other": "stays"});
    cluster.application["metadata"]["managedFields"] = json!([{"manager": "kubectl", "time": "2026-03-01T10:00:10Z",
        "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, "f:argocd.argoproj.io/refresh": {}}}}}]);
    assert!(wants_refresh(&cluster.resource()) && wants_hard_refresh(&cluster.resource()));
    assert!(cluster.argo.wants_refresh(&cluster.resource()));

    // This report was made before anybody asked.
    assert!(cluster.argo.raise(&cluster.resource(), &report(Activity::Settled, objects(), 9)).is_quiet());
    // This one knows nothing yet.
    let starting = Report { revision: None, ..report(Activity::Starting, Vec::new(), 11) };
    assert!(cluster.argo.raise(&cluster.resource(), &starting).is_quiet());

    let events = cluster.raise(&report(Activity::Settled, objects(), 11));
    assert_eq!(events, [""; 0]);
    assert_eq!(cluster.application["metadata"]["annotations"], json!({"other": "stays"}));
    assert_eq!(cluster.status()["reconciledAt"], "2026-03-01T10:00:11Z");
}
