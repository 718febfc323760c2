//! Raising reports to HelmReleases: what each says, and that nothing is written twice.

use bowline_engine::{Dialect as _, SourceReport};
use bowline_flux::Flux;
use bowline_model::{
    Activity, ChartReport, Failure, Object, ObjectKey, ObjectReport, ObjectSync, Reason, Report, Revision,
};
use jiff::Timestamp;
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).expect("is a time")
}

fn resource(status: Value) -> Object {
    Object::from_value(json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {
            "name": "one", "namespace": "home", "generation": 2, "uid": "u", "resourceVersion": "1",
            "finalizers": ["finalizers.fluxcd.io"],
        },
        "spec": {
            "interval": "1m", "targetNamespace": "web",
            "chart": {"spec": {"chart": "shop", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}},
            "upgrade": {"remediation": {"retries": 3}}, "driftDetection": {"mode": "warn"},
        },
        "status": status,
    }))
    .expect("is an object")
}

fn report(release: u32, digest: &str, second: i64) -> Report {
    let config = ObjectReport {
        key: ObjectKey::new("", "ConfigMap", "web", "config"),
        version: "v1".to_owned(),
        sync: ObjectSync::Synced,
        health: None,
        wave: 0,
        hook: None,
        requires_pruning: false,
        drift: Vec::new(),
        images: Vec::new(),
        origin: None,
    };
    let revision = Revision::of_archive(Some("1.2.3".to_owned()), "aa");
    Report {
        id: ObjectKey::new("helm.toolkit.fluxcd.io", "HelmRelease", "home", "one"),
        generation: 2,
        activity: Activity::Settled,
        revision: Some(revision.clone().into()),
        applied: Some(revision.into()),
        commit: None,
        objects: vec![config],
        render_digest: Some(digest.to_owned()),
        renderers: Vec::new(),
        chart: Some(ChartReport {
            name: "shop".to_owned(),
            version: "1.2.3".to_owned(),
            app_version: String::new(),
            release,
            config_digest: "sha256:cc".to_owned(),
        }),
        repeated: Vec::new(),
        unstable: Vec::new(),
        sync: None,
        failure: None,
        now: at(second),
    }
}

/// Raises a report and returns the status as it is afterwards; a second time nothing must be written.
fn raised(status: &Value, report: &Report) -> Value {
    let raised = Flux::default().raise(&resource(status.clone()), report);
    let after = raised.status.unwrap_or_else(|| status.clone());
    let later = Report { now: at(9_999), ..report.clone() };
    assert!(Flux::default().raise(&resource(after.clone()), &later).is_quiet(), "the same is written once: {after}");
    after
}

fn ready(status: &Value) -> (String, String) {
    let conditions = status["conditions"].as_array().expect("there are some");
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").expect("is there");
    let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

#[test]
fn installs_and_upgrades_are_counted_and_recalled() {
    let first = raised(&json!({"observedGeneration": -1}), &report(1, "sha256:1", 1));
    let message = "Helm install succeeded for release web/web-one.v1 with chart shop@1.2.3";
    assert_eq!(ready(&first), ("InstallSucceeded".to_owned(), message.to_owned()));
    assert_eq!(first["inventory"]["entries"], json!([{"id": "web_config__ConfigMap", "v": "v1"}]));
    assert_eq!((&first["observedGeneration"], &first["lastAttemptedRevisionDigest"]), (&json!(2), &json!("sha256:aa")));

    let second = raised(&first, &report(2, "sha256:2", 2));
    assert_eq!(ready(&second).0, "UpgradeSucceeded");
    let told: Vec<_> = second["history"]
        .as_array()
        .expect("is told")
        .iter()
        .map(|one| (one["version"].as_i64(), one["status"].as_str(), one["firstDeployed"].clone()))
        .collect();
    let since = json!("2026-01-01T00:00:01Z");
    assert_eq!(told, [(Some(2), Some("deployed"), since.clone()), (Some(1), Some("superseded"), since)]);

    let recalled = Flux::default().recall(&resource(second));
    let release = recalled.release.expect("is known");
    assert_eq!((release.number, release.digest.as_str()), (2, "sha256:2"));
    assert_eq!(recalled.applied.map(|applied| applied.to_string()).as_deref(), Some("sha256:aa"));
    assert_eq!((recalled.inventory.len(), recalled.begun), (1, None));
}

#[test]
fn what_fails_says_what_is_not_done_about_it() {
    let good = raised(&json!({}), &report(1, "sha256:1", 1));
    let failure = Failure::new(Reason::Rejected, "ConfigMap/web/config: no");
    let failed = raised(&good, &Report { failure: Some(failure), ..report(2, "sha256:2", 2) });
    let (reason, message) = ready(&failed);
    assert_eq!(reason, "UpgradeFailed");
    assert!(message.starts_with("Helm upgrade failed for release web/web-one with chart shop@1.2.3:"), "{message}");
    assert!(message.ends_with("(it is tried again; nothing is rolled back or uninstalled)"), "{message}");
    assert_eq!(failed["history"], good["history"], "what failed is no release");
    let recalled = Flux::default().recall(&resource(failed.clone()));
    assert_eq!((recalled.applied, recalled.release.map(|release| release.number)), (None, Some(1)));

    // The chart cannot be had: what is there stays, and the source says so.
    let gone = Failure::new(Reason::RepositoryNotFound, "the index is not there");
    let unknown = Report { applied: None, objects: Vec::new(), failure: Some(gone), ..report(2, "sha256:2", 3) };
    assert_eq!(ready(&raised(&good, &unknown)).0, "ArtifactFailed");
    // After a restart nothing is known but what was applied: that is good still, unless something else is asked for.
    let known = Report { revision: None, chart: None, ..unknown };
    let known = Report { applied: report(1, "sha256:1", 1).applied, ..known };
    assert_eq!(ready(&raised(&good, &known)).0, "InstallSucceeded");
    let mut older = good.clone();
    older["observedGeneration"] = json!(1);
    assert_eq!(ready(&raised(&older, &known)).0, "ArtifactFailed");
}

#[test]
fn drift_is_told_where_it_is_asked_for() {
    let mut drifted = report(1, "sha256:1", 1);
    drifted.objects[0].sync = ObjectSync::OutOfSync;
    let status = raised(&json!({}), &drifted);
    let conditions = status["conditions"].as_array().expect("there are some");
    let drift = conditions.iter().find(|condition| condition["type"] == "Drifted").expect("is told");
    assert_eq!((&drift["status"], &drift["reason"]), (&json!("True"), &json!("DriftDetected")));
    assert_eq!(drift["message"], "Drift detected for release web/web-one.v1: ConfigMap/web/config");
    assert_eq!(ready(&status).0, "InstallSucceeded", "the release is what it was");
}

#[test]
fn sources_of_charts_say_what_they_have() {
    let source = |kind: &str, spec: Value, status: Value| {
        let value = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": kind,
            "metadata": {"name": "one", "namespace": "home", "generation": 1, "finalizers": ["finalizers.fluxcd.io"]},
            "spec": spec, "status": status,
        });
        Object::from_value(value).expect("is an object")
    };
    for (kind, spec, revision, want) in [
        ("HelmChart", json!({"chart": "shop"}), Some("1.2.3@sha256:aa"), "pulled 'shop' chart with version '1.2.3'"),
        ("OCIRepository", json!({}), Some("latest@sha256:aa"), "stored artifact for digest 'latest@sha256:aa'"),
        ("HelmRepository", json!({}), None, "the index is fetched for each chart that is asked for"),
        ("HelmRepository", json!({"type": "oci"}), None, ""),
    ] {
        let report = SourceReport {
            generation: 1,
            revision: revision.map(|text| text.parse().expect("is a revision")),
            failure: None,
            commit: None,
            now: at(1),
        };
        let raised = Flux::default().raise_source(&source(kind, spec.clone(), json!({})), &report);
        let Some(status) = raised.status else {
            assert_eq!(want, "", "{kind}");
            continue;
        };
        assert_eq!(ready(&status).1, want, "{kind}");
        let again = Flux::default().raise_source(&source(kind, spec, status), &SourceReport { now: at(2), ..report });
        assert!(again.is_quiet(), "{kind}");
    }
}
