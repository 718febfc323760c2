use bowline_model::{Activity, HealthStatus, ObjectKey, ObjectOutcome, ObjectSync, Report, SyncPhase};
use serde_json::json;

use crate::support::*;

#[test]
fn a_new_application_becomes_healthy() {
    let mut cluster = Cluster::new(application());

    // Nothing is known yet, so nothing is said.
    let starting = Report { revision: None, ..report(Activity::Starting, Vec::new(), 0) };
    assert!(cluster.raise(&starting).is_empty());
    assert!(cluster.status().is_null());

    let objects = both(ObjectSync::OutOfSync, HealthStatus::Missing);
    let running = Report { sync: Some(sync(SyncPhase::Running, 2, None)), ..report(Activity::Syncing, objects, 2) };
    assert_eq!(
        cluster.raise(&running),
        [
            format!("OperationStarted: Initiated automated sync to '{COMMIT}'"),
            "ResourceUpdated: Updated sync status:  -> OutOfSync".to_owned(),
            "ResourceUpdated: Updated health status:  -> Missing".to_owned(),
        ]
    );

    let mut done = sync(SyncPhase::Succeeded, 2, Some(3));
    done.results = vec![
        result(ObjectKey::new("", "ConfigMap", "web", "settings"), ObjectOutcome::Unchanged, ""),
        result(ObjectKey::new("apps", "Deployment", "web", "cart"), ObjectOutcome::Created, "created"),
    ];
    let objects = both(ObjectSync::Synced, HealthStatus::Progressing);
    let applied = Report { sync: Some(done.clone()), ..report(Activity::WaitingForHealth, objects, 3) };
    assert_eq!(
        cluster.raise(&applied),
        [
            format!("OperationCompleted: Sync operation to {COMMIT} succeeded"),
            "ResourceUpdated: Updated sync status: OutOfSync -> Synced".to_owned(),
            "ResourceUpdated: Updated health status: Missing -> Progressing".to_owned(),
        ]
    );

    let objects = both(ObjectSync::Synced, HealthStatus::Healthy);
    let settled = Report { sync: Some(done), ..report(Activity::Settled, objects, 9) };
    assert_eq!(cluster.raise(&settled), ["ResourceUpdated: Updated health status: Progressing -> Healthy"]);

    let source = application()["spec"]["source"].clone();
    let destination = application()["spec"]["destination"].clone();
    assert_eq!(
        *cluster.status(),
        json!({
            "controllerNamespace": "argocd",
            "health": {"status": "Healthy", "lastTransitionTime": "2026-03-01T10:00:09Z"},
            "history": [{
                "id": 0, "revision": COMMIT, "source": source,
                "deployStartedAt": "2026-03-01T10:00:02Z", "deployedAt": "2026-03-01T10:00:03Z",
                "initiatedBy": {"automated": true},
            }],
            "operationState": {
                "operation": {
                    "initiatedBy": {"automated": true}, "retry": {"limit": 5},
                    "sync": {"revision": COMMIT, "prune": true, "syncOptions": ["CreateNamespace=true"]},
                },
                "phase": "Succeeded", "message": "successfully synced (all tasks run)",
                "startedAt": "2026-03-01T10:00:02Z", "finishedAt": "2026-03-01T10:00:03Z",
                "syncResult": {
                    "revision": COMMIT, "source": source,
                    "resources": [
                        {"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "web", "name": "settings",
                         "status": "Synced", "hookPhase": "Succeeded", "syncPhase": "Sync",
                         "message": "configmap/settings unchanged"},
                        {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "web", "name": "cart",
                         "status": "Synced", "hookPhase": "Succeeded", "syncPhase": "Sync",
                         "message": "deployment.apps/cart serverside-applied"},
                    ],
                },
            },
            "reconciledAt": "2026-03-01T10:00:09Z",
            "resourceHealthSource": "appTree",
            "resources": [
                {"version": "v1", "kind": "ConfigMap", "namespace": "web", "name": "settings", "status": "Synced"},
                {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "web", "name": "cart",
                 "status": "Synced"},
            ],
            "sourceType": "Directory",
            "summary": {"images": ["cart:1"]},
            "sync": {
                "status": "Synced", "revision": COMMIT,
                "comparedTo": {"source": source, "destination": destination},
            },
        })
    );
}

#[test]
fn a_list_of_sources_has_lists_of_revisions() {
    let mut value = application();
    let source = value["spec"].as_object_mut().and_then(|spec| spec.remove("source")).expect("has a source");
    value["spec"]["sources"] = json!([source]);
    let mut cluster = Cluster::new(value);
    let objects = both(ObjectSync::Synced, HealthStatus::Healthy);
    let done = sync(SyncPhase::Succeeded, 0, Some(1));
    cluster.raise(&Report { sync: Some(done), ..report(Activity::Settled, objects, 1) });
    let status = cluster.status();
    for pointer in ["/sync/revisions", "/history/0/revisions", "/operationState/syncResult/revisions"] {
        assert_eq!(status.pointer(pointer), Some(&json!([COMMIT])), "{pointer}");
    }
    assert_eq!(status.pointer("/sync/revision"), None);
    assert_eq!(status.pointer("/sync/comparedTo/sources"), Some(&json!([source])));
    assert_eq!(status["sourceTypes"], json!(["Directory"]));
}

#[test]
fn fields_that_nobody_here_knows_stay() {
    let mut value = application();
    value["status"] = json!({
        "sourceHydrator": {"lastComparedDryRevision": "x"},
        "summary": {"externalURLs": ["https://shop.example.com"]},
        "conditions": [{"type": "OrphanedResourceWarning", "message": "one", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    });
    let mut cluster = Cluster::new(value);
    cluster.raise(&report(Activity::Settled, both(ObjectSync::Synced, HealthStatus::Healthy), 1));
    let status = cluster.status();
    assert_eq!(status["sourceHydrator"]["lastComparedDryRevision"], "x");
    assert_eq!(status["summary"], json!({"externalURLs": ["https://shop.example.com"], "images": ["cart:1"]}));
    assert_eq!(status["conditions"][0]["type"], "OrphanedResourceWarning");
}

#[test]
fn an_empty_render_is_synced_and_has_no_objects() {
    let mut cluster = Cluster::new(application());
    cluster.raise(&report(Activity::Settled, both(ObjectSync::Synced, HealthStatus::Healthy), 1));
    cluster.raise(&report(Activity::Settled, Vec::new(), 2));
    assert_eq!(cluster.status()["sync"]["status"], "Synced");
    assert_eq!(cluster.status()["health"]["status"], "Healthy");
    assert!(cluster.status().get("resources").is_none());
}

#[test]
fn hooks_and_waves_are_told_in_resources() {
    let mut hook =
        one(ObjectKey::new("batch", "Job", "web", "migrate"), ObjectSync::OutOfSync, Some(HealthStatus::Healthy));
    hook.hook = Some(bowline_model::Hook::default());
    let mut gone = hook.clone();
    gone.key.name = "gone".to_owned();
    gone.health = Some(bowline_model::Health::new(HealthStatus::Missing, ""));
    let mut late = deployment(ObjectSync::Synced, HealthStatus::Healthy);
    late.wave = -3;
    let mut extra = settings(ObjectSync::OutOfSync);
    extra.requires_pruning = true;
    let mut cluster = Cluster::new(application());
    cluster.raise(&report(Activity::Settled, vec![extra, late, gone, hook], 1));
    assert_eq!(
        cluster.status()["resources"],
        json!([
            {"version": "v1", "kind": "ConfigMap", "namespace": "web", "name": "settings", "status": "OutOfSync",
             "requiresPruning": true},
            {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "web", "name": "cart",
             "status": "Synced", "syncWave": -3},
            {"group": "batch", "version": "v1", "kind": "Job", "namespace": "web", "name": "migrate", "hook": true},
        ])
    );
    assert_eq!(cluster.status()["sync"]["status"], "OutOfSync");
}
