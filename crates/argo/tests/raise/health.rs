use bowline_model::{Activity, HealthStatus, Hook, ObjectKey, ObjectReport, ObjectSync};

use crate::support::*;

fn healths(statuses: &[HealthStatus]) -> Vec<ObjectReport> {
    let object = |(index, status): (usize, &HealthStatus)| {
        one(ObjectKey::new("apps", "Deployment", "web", format!("d{index}")), ObjectSync::Synced, Some(*status))
    };
    statuses.iter().enumerate().map(object).collect()
}

fn verdict(objects: Vec<ObjectReport>) -> (String, Option<String>) {
    let mut cluster = Cluster::new(application());
    cluster.raise(&report(Activity::Settled, objects, 0));
    let health = &cluster.status()["health"];
    (health["status"].as_str().unwrap_or_default().to_owned(), health["message"].as_str().map(str::to_owned))
}

#[test]
fn the_worst_object_decides() {
    use HealthStatus::{Degraded, Healthy, Missing, Progressing, Suspended, Unknown};
    let cases: [(&[HealthStatus], &str, Option<&str>); 7] = [
        (&[Healthy, Healthy], "Healthy", None),
        (&[Healthy, Suspended], "Suspended", Some("Caused by Deployment/web/d1")),
        (&[Suspended, Progressing], "Progressing", Some("Caused by Deployment/web/d1")),
        (&[Degraded, Progressing], "Degraded", Some("Caused by Deployment/web/d0: because")),
        (
            &[Degraded; 5],
            "Degraded",
            Some("Caused by Deployment/web/d0, Deployment/web/d1, Deployment/web/d2 and 2 more: because"),
        ),
        (&[Unknown, Degraded], "Unknown", Some("Caused by Deployment/web/d0: because")),
        (&[Missing, Missing], "Missing", None),
    ];
    for (statuses, want, message) in cases {
        assert_eq!(verdict(healths(statuses)), (want.to_owned(), message.map(str::to_owned)), "{statuses:?}");
    }
}

#[test]
fn what_is_missing_counts_only_when_everything_is() {
    use HealthStatus::{Healthy, Missing};
    assert_eq!(verdict(healths(&[Healthy, Missing])).0, "Healthy");
    let absent = |key: ObjectKey| one(key, ObjectSync::OutOfSync, None);
    let map = || absent(ObjectKey::new("", "ConfigMap", "web", "settings"));
    assert_eq!(verdict(vec![map()]).0, "Missing");
    let live = one(ObjectKey::new("", "ConfigMap", "web", "other"), ObjectSync::Synced, None);
    assert_eq!(verdict(vec![map(), live]).0, "Healthy");
}

#[test]
fn hooks_and_silent_children_do_not_count() {
    let mut hook = healths(&[HealthStatus::Degraded]);
    hook[0].hook = Some(Hook::default());
    let app = |name: &str| ObjectKey::new("argoproj.io", "Application", "argocd", name);
    let child = one(app("child"), ObjectSync::Synced, Some(HealthStatus::Unknown));
    let itself = one(app("shop"), ObjectSync::Synced, Some(HealthStatus::Degraded));
    assert_eq!(verdict(vec![hook.remove(0), child, itself, settings(ObjectSync::Synced)]).0, "Healthy");
}
