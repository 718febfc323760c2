use bowline_model::{Activity, HealthStatus, ObjectSync, Report, Revision, SyncPhase, SyncReport};
use serde_json::{Value, json};

use crate::support::*;

fn settled(sync: SyncReport, seconds: i64) -> Report {
    let objects = both(ObjectSync::Synced, HealthStatus::Healthy);
    Report { sync: Some(sync), ..report(Activity::Settled, objects, seconds) }
}

fn ids(cluster: &Cluster) -> Vec<i64> {
    let history = cluster.status()["history"].as_array().cloned().unwrap_or_default();
    history.iter().filter_map(|entry| entry["id"].as_i64()).collect()
}

fn with_limit(limit: Value) -> Cluster {
    let mut value = application();
    value["spec"]["revisionHistoryLimit"] = limit;
    Cluster::new(value)
}

#[test]
fn the_history_keeps_as_many_as_it_may() {
    for (limit, want) in [(Value::Null, (2..12).collect()), (json!(3), vec![9, 10, 11]), (json!(0), vec![])] {
        let mut cluster = with_limit(limit.clone());
        for round in 0..12 {
            let mut done = sync(SyncPhase::Succeeded, round * 10, Some(round * 10 + 1));
            done.revision = Revision::named("main", format!("{round:040}")).into();
            cluster.raise(&settled(done, round * 10 + 1));
        }
        // Without any entry there is nothing to count on from.
        assert_eq!(ids(&cluster), want, "{limit}");
    }
}

#[test]
fn what_is_no_whole_sync_leaves_no_entry() {
    let mut cluster = Cluster::new(application());
    let changes: [fn(&mut SyncReport); 4] = [
        |sync| sync.heals = true,
        |sync| sync.dry_run = true,
        |sync| sync.phase = SyncPhase::Failed,
        |sync| {
            sync.phase = SyncPhase::Running;
            sync.finished_at = None;
        },
    ];
    for (round, change) in (0..).zip(changes) {
        let mut done = sync(SyncPhase::Succeeded, round * 10, Some(round * 10 + 1));
        change(&mut done);
        cluster.raise(&settled(done, round * 10 + 1));
        assert_eq!(ids(&cluster), [0_i64; 0], "change {round}");
    }
}

#[test]
fn a_sync_of_some_objects_leaves_no_entry() {
    let mut value = application();
    value["operation"] = json!({"sync": {"resources": [{"kind": "ConfigMap", "name": "settings"}]}});
    let mut cluster = Cluster::new(value);
    let mut done = sync(SyncPhase::Succeeded, 0, Some(1));
    done.automatic = false;
    done.request = Some((String::new(), cluster.requested()));
    let events = cluster.raise(&settled(done, 1));
    assert!(
        events.contains(&format!("OperationCompleted: Partial sync operation to {COMMIT} succeeded")),
        "{events:?}"
    );
    assert_eq!(ids(&cluster), [0_i64; 0]);
    assert_eq!(bowline_engine::Dialect::recall(&cluster.argo, &cluster.resource()).applied, None);
}

#[test]
fn a_restart_adds_no_entry_twice() {
    let mut cluster = Cluster::new(application());
    let done = sync(SyncPhase::Succeeded, 0, Some(1));
    cluster.raise(&settled(done.clone(), 1));
    // The new process has seen no sync; then the same revision is synced again.
    cluster.raise(&report(Activity::Settled, both(ObjectSync::Synced, HealthStatus::Healthy), 5));
    assert_eq!(ids(&cluster), [0]);
    cluster.raise(&settled(sync(SyncPhase::Succeeded, 10, Some(11)), 11));
    assert_eq!(ids(&cluster), [0, 1]);
    let recalled = bowline_engine::Dialect::recall(&cluster.argo, &cluster.resource());
    assert_eq!(recalled.applied.as_ref().map(|revisions| revisions.digest.as_str()), Some(COMMIT));
    assert_eq!(recalled.inventory.len(), 2);
}
