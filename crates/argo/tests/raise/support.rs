//! Reports, applications, and what a cluster makes of the two.

use bowline_argo::Argo;
use bowline_engine::{Dialect, Raised};
use bowline_model::{
    Activity, AppId, Failure, Health, HealthStatus, Object, ObjectKey, ObjectOutcome, ObjectReport, ObjectResult,
    ObjectSync, Phase, Reason, Report, Revision, SyncPhase, SyncReport,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) const COMMIT: &str = "3f786850e387550fdab836ed7e6dc881de23001b";
pub(crate) const NEXT_COMMIT: &str = "89e6c98d92887913cadf06b2adb97f26cde4849b";

/// A moment of the story, in seconds since it began.
pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-03-01T10:00:00.25Z".parse::<Timestamp>().expect("is a time") + SignedDuration::from_secs(seconds)
}

pub(crate) fn application() -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://git.example.com/shop.git", "path": "deploy", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "web"},
            "syncPolicy": {"automated": {"prune": true}, "syncOptions": ["CreateNamespace=true"]},
        },
    })
}

pub(crate) fn object(value: Value) -> Object {
    Object::from_value(value).expect("is an object")
}

pub(crate) fn report(activity: Activity, objects: Vec<ObjectReport>, seconds: i64) -> Report {
    Report {
        id: AppId::new("argoproj.io", "Application", "argocd", "shop"),
        generation: 1,
        activity,
        revision: Some(Revision::named("main", COMMIT).into()),
        applied: None,
        commit: None,
        render_digest: (activity != Activity::Starting).then(|| "sha256:1".to_owned()),
        renderers: vec![Some(bowline_model::Renderer::Directory)],
        chart: None,
        repeated: Vec::new(),
        unstable: Vec::new(),
        objects,
        sync: None,
        failure: None,
        now: at(seconds),
    }
}

pub(crate) fn deployment(sync: ObjectSync, health: HealthStatus) -> ObjectReport {
    one(ObjectKey::new("apps", "Deployment", "web", "cart"), sync, Some(health))
}

pub(crate) fn settings(sync: ObjectSync) -> ObjectReport {
    one(ObjectKey::new("", "ConfigMap", "web", "settings"), sync, None)
}

pub(crate) fn one(key: ObjectKey, sync: ObjectSync, health: Option<HealthStatus>) -> ObjectReport {
    let images = if key.kind == "Deployment" { vec!["cart:1".to_owned()] } else { Vec::new() };
    ObjectReport {
        key,
        version: "v1".to_owned(),
        sync,
        health: health.map(|status| Health::new(status, "because")),
        wave: 0,
        hook: None,
        requires_pruning: false,
        drift: Vec::new(),
        images,
        origin: None,
    }
}

pub(crate) fn both(sync: ObjectSync, health: HealthStatus) -> Vec<ObjectReport> {
    vec![settings(sync), deployment(sync, health)]
}

pub(crate) fn sync(phase: SyncPhase, start: i64, end: Option<i64>) -> SyncReport {
    SyncReport {
        number: 1,
        revision: Revision::named("main", COMMIT).into(),
        phase,
        message: "waiting for the objects to be applied".to_owned(),
        started_at: at(start),
        finished_at: end.map(at),
        retries: 0,
        automatic: true,
        heals: false,
        request: None,
        prune: true,
        dry_run: false,
        results: Vec::new(),
    }
}

pub(crate) fn result(key: ObjectKey, outcome: ObjectOutcome, message: &str) -> ObjectResult {
    ObjectResult {
        key,
        version: "v1".to_owned(),
        phase: Phase::Sync,
        is_hook: false,
        outcome,
        message: message.to_owned(),
        images: Vec::new(),
    }
}

pub(crate) fn failure(reason: Reason, message: &str) -> Failure {
    Failure::new(reason, message)
}

/// A cluster that holds one application, and checks at each step what every step must keep.
pub(crate) struct Cluster {
    pub(crate) application: Value,
    pub(crate) argo: Argo,
}

impl Cluster {
    pub(crate) fn new(application: Value) -> Self {
        Self { application, argo: Argo::default() }
    }

    pub(crate) fn resource(&self) -> Object {
        object(self.application.clone())
    }

    pub(crate) fn status(&self) -> &Value {
        &self.application["status"]
    }

    /// Raises a report and stores what comes of it; returns the Events as `reason: message`.
    ///
    /// The same report, made again an hour later, must then have nothing to say.
    pub(crate) fn raise(&mut self, report: &Report) -> Vec<String> {
        let raised = self.argo.raise(&self.resource(), report);
        let events = self.store(raised);
        let later = Report { now: report.now + SignedDuration::from_hours(1), ..report.clone() };
        let again = self.argo.raise(&self.resource(), &later);
        assert!(again.is_quiet(), "not quiet: {again:#?}");
        events
    }

    /// Stores what was raised, as the API server would.
    pub(crate) fn store(&mut self, raised: Raised) -> Vec<String> {
        if let Some(patch) = raised.patch {
            merge(&mut self.application, &patch);
        }
        if let Some(status) = raised.status {
            check_shape(&status);
            self.application["status"] = status;
        }
        let word = |warning| if warning { "! " } else { "" };
        let told =
            |event: bowline_engine::EventDraft| format!("{}{}: {}", word(event.warning), event.reason, event.message);
        raised.events.into_iter().map(told).collect()
    }
}

fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *value = patch.clone();
        return;
    };
    for (name, patch) in fields {
        if patch.is_null() {
            value.as_object_mut().expect("patches meet maps").remove(name);
        } else {
            merge(&mut value[name], patch);
        }
    }
}

/// Holds a status against the definition: no unknown field, no missing one, every type right.
fn check_shape(status: &Value) {
    let schema = bowline_argo::definition().schema;
    let mut wrong = Vec::new();
    walk("status", status, &schema["properties"]["status"], &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?} in {status:#}");
}

fn walk(path: &str, value: &Value, schema: &Value, wrong: &mut Vec<String>) {
    let is_right = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        _ => true,
    };
    if !is_right {
        wrong.push(format!("{path} is {value}"));
    }
    if schema["format"] == "date-time" && value.as_str().is_none_or(|text| text.len() != 20 || !text.ends_with('Z')) {
        wrong.push(format!("{path} is no time: {value}"));
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name).or_else(|| schema.get("additionalProperties")) {
            Some(schema) => walk(&format!("{path}.{name}"), value, schema, wrong),
            None => wrong.push(format!("{path}.{name} is unknown")),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            wrong.push(format!("{path}.{name} is missing"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        walk(&format!("{path}[{index}]"), item, &schema["items"], wrong);
    }
}
