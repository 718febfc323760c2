use bowline_engine::AppView;
use bowline_model::{Activity, Health, HealthStatus, ObjectSync, Report, SyncPhase};
use serde::Serialize;

/// One app, as people see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppRow {
    pub dialect: &'static str,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    /// `Synced`, `OutOfSync` or `Unknown`.
    pub sync: &'static str,
    /// The worst health of its objects.
    pub health: &'static str,
    /// What the loop is doing, in one word.
    pub activity: &'static str,
    pub revision: String,
    pub applied: String,
    pub author: String,
    pub subject: String,
    pub failure: String,
    /// What to do about the failure.
    pub help: String,
    pub last_sync: String,
    pub last_sync_phase: &'static str,
    pub objects: Vec<ObjectRow>,
}

/// One object of an app, as people see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRow {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub sync: &'static str,
    pub health: &'static str,
    pub message: String,
    /// File and line it was written in.
    pub origin: String,
    pub requires_pruning: bool,
    pub drift: Vec<DriftRow>,
}

/// One field that departs from the desired state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftRow {
    pub path: String,
    pub want: Option<String>,
    pub have: Option<String>,
    pub manager: Option<String>,
    pub since: Option<String>,
}

/// Makes the rows of all apps; what needs a look comes first.
pub fn rows(apps: &[AppView]) -> Vec<AppRow> {
    let mut rows: Vec<AppRow> = apps.iter().map(row).collect();
    rows.sort_by(|a, b| {
        let trouble = |row: &AppRow| row.failure.is_empty() && row.sync == "Synced" && row.health == "Healthy";
        (trouble(a), &a.namespace, &a.name, &a.kind).cmp(&(trouble(b), &b.namespace, &b.name, &b.kind))
    });
    rows
}

fn row(app: &AppView) -> AppRow {
    let report = &*app.report;
    let failure = report.failure.as_ref();
    AppRow {
        dialect: app.dialect,
        kind: report.id.kind.clone(),
        namespace: report.id.namespace.clone(),
        name: report.id.name.clone(),
        sync: sync_word(report),
        health: health_word(report),
        activity: match report.activity {
            Activity::Starting => "starting",
            Activity::WaitingForDependency => "waiting",
            Activity::Syncing => "syncing",
            Activity::WaitingForHealth => "becoming healthy",
            Activity::Settled => "settled",
        },
        revision: report.revision.as_ref().map(ToString::to_string).unwrap_or_default(),
        applied: report.applied.as_ref().map(ToString::to_string).unwrap_or_default(),
        author: report.commit.as_ref().map(|commit| commit.author.clone()).unwrap_or_default(),
        subject: report.commit.as_ref().map(|commit| commit.subject.clone()).unwrap_or_default(),
        failure: failure
            .map(|failure| match &failure.at {
                Some(at) => format!("{at}: {}", failure.message),
                None => failure.message.clone(),
            })
            .unwrap_or_default(),
        help: failure.and_then(|failure| failure.help.clone()).unwrap_or_default(),
        last_sync: report.sync.as_ref().map(|sync| sync.message.clone()).unwrap_or_default(),
        last_sync_phase: report.sync.as_ref().map_or("", |sync| match sync.phase {
            SyncPhase::Running => "Running",
            SyncPhase::Succeeded => "Succeeded",
            SyncPhase::Failed => "Failed",
            SyncPhase::Error => "Error",
        }),
        objects: report
            .objects
            .iter()
            .map(|object| ObjectRow {
                kind: object.key.kind.clone(),
                namespace: object.key.namespace.clone(),
                name: object.key.name.clone(),
                sync: object_sync_word(object.sync),
                health: object.health.as_ref().map_or("", |health| health.status.as_str()),
                message: object.health.as_ref().map(|health| health.message.clone()).unwrap_or_default(),
                origin: object.origin.as_ref().map(ToString::to_string).unwrap_or_default(),
                requires_pruning: object.requires_pruning,
                drift: object
                    .drift
                    .iter()
                    .map(|field| DriftRow {
                        path: field.path.clone(),
                        want: field.want.clone(),
                        have: field.have.clone(),
                        manager: field.manager.clone(),
                        since: field.since.clone(),
                    })
                    .collect(),
            })
            .collect(),
    }
}

fn object_sync_word(sync: ObjectSync) -> &'static str {
    match sync {
        ObjectSync::Synced => "Synced",
        ObjectSync::OutOfSync => "OutOfSync",
        ObjectSync::Unknown => "Unknown",
    }
}

fn sync_word(report: &Report) -> &'static str {
    if report.revision.is_none() || report.objects.is_empty() && report.failure.is_some() {
        return "Unknown";
    }
    let counted = report.objects.iter().filter(|object| object.hook.is_none());
    object_sync_word(counted.map(|object| object.sync).max().unwrap_or(ObjectSync::Synced))
}

fn health_word(report: &Report) -> &'static str {
    if report.revision.is_none() {
        return "Unknown";
    }
    let counted = report.objects.iter().filter(|object| object.hook.is_none() && !object.requires_pruning);
    let health = |health: &Health| health.status;
    counted.filter_map(|object| object.health.as_ref().map(health)).max().unwrap_or(HealthStatus::Healthy).as_str()
}
