//! Reports to the status of HelmReleases.
//!
//! What stands there is said of what was rendered and applied. No release of Helm's is behind it: `history` counts the
//! installs and upgrades, and `digest` names the rendered objects.

use bowline_engine::{EventDraft, Raised};
use bowline_model::{
    ChartReport, Failure, Object, ObjectSync, Reason, Report, Revisions, SyncPhase, format_go_duration,
};

use super::draft::Draft;
use super::inventory::{record_ahead, record_broken_off, record_final};
use super::kustomization::{Standing, changes, standing};
use super::reasons::words;
use super::refusal::{mark_retrying, refuse};
use super::{FALSE, PROGRESSING, READY, RECONCILING, STALLED, TRUE, UNKNOWN, time_text, took};
use crate::api::{HelmReleaseSpec, ReleaseSnapshot};
use crate::lower::{Step, release_name, release_namespace, spec_of};

const RELEASED: &str = "Released";
const DRIFTED: &str = "Drifted";
const EVENT_REVISION: &str = "helm.toolkit.fluxcd.io/revision";

/// How many releases are told: as many as Helm keeps where nobody says anything else.
const MAX_SNAPSHOTS: usize = 5;
/// How many objects a message names.
const NAMED: usize = 5;

/// Writes a release's report: nothing before a sync begins, once when it begins, once when it ends.
pub(crate) fn raise_helm_release(resource: &Object, report: &Report) -> Raised {
    let mut draft = Draft::of(resource, report.generation, report.now);
    // A resource that cannot be read is refused, and has no report.
    let Ok(spec) = spec_of::<HelmReleaseSpec>(resource) else { return Raised::default() };
    let release = Release::of(&draft, &spec, report);
    let events = match standing(report) {
        Standing::Unknown => Vec::new(),
        // What was applied is not what is asked for now, and that cannot be had.
        Standing::LastGood if draft.field::<i64>("observedGeneration") != Some(report.generation) => {
            failed(&mut draft, report, report.failure.as_ref(), &release)
        }
        Standing::LastGood => {
            draft.answer_request();
            Vec::new()
        }
        Standing::Waiting(failure) => waiting(&mut draft, failure),
        Standing::Running(revisions) => {
            running(&mut draft, report, revisions, &release);
            Vec::new()
        }
        Standing::Succeeded(revisions) => succeeded(&mut draft, report, revisions, &release),
        Standing::Failed(failure) => failed(&mut draft, report, failure.as_ref(), &release),
    };
    draft.finish(events)
}

/// The release that a report is about.
struct Release<'a> {
    spec: &'a HelmReleaseSpec,
    chart: Option<&'a ChartReport>,
    name: String,
    namespace: String,
    number: u32,
}

impl<'a> Release<'a> {
    fn of(draft: &Draft<'_>, spec: &'a HelmReleaseSpec, report: &'a Report) -> Self {
        let chart = report.chart.as_ref();
        let made = draft.resource.at("/status/history/0/version").and_then(serde_json::Value::as_u64);
        let made = made.and_then(|number| u32::try_from(number).ok());
        Self {
            spec,
            chart,
            name: release_name(draft.resource, spec),
            namespace: release_namespace(draft.resource, spec),
            // Before there is a render, it is the one that will be.
            number: chart.map_or_else(|| made.map_or(1, |number| number.saturating_add(1)), |chart| chart.release),
        }
    }

    fn is_upgrade(&self) -> bool {
        self.number > 1
    }

    fn action(&self) -> &'static str {
        if self.is_upgrade() { "upgrade" } else { "install" }
    }

    /// As `shop/cart.v2`.
    fn full_name(&self) -> String {
        format!("{}/{}.v{}", self.namespace, self.name, self.number)
    }

    /// As `cart@1.4.2`.
    fn chart_name(&self) -> String {
        self.chart.map(|chart| format!("{}@{}", chart.name, chart.version)).unwrap_or_default()
    }

    fn timeout(&self, resource: &Object) -> String {
        Step::of(resource, self.spec).map(|step| format_go_duration(step.timeout)).unwrap_or_default()
    }
}

fn waiting(draft: &mut Draft<'_>, failure: &Failure) -> Vec<EventDraft> {
    refuse(draft, failure, true);
    if !draft.ready_changed() {
        return Vec::new();
    }
    let reason = words(Reason::DependencyNotReady).kustomization.to_owned();
    vec![EventDraft { warning: false, reason, message: failure.one_line(), annotations: Vec::new() }]
}

fn running(draft: &mut Draft<'_>, report: &Report, revisions: &Revisions, release: &Release<'_>) {
    let grows = record_ahead(draft, report);
    let is_applied = report.applied.as_ref() == Some(revisions);
    let is_ready = draft.is(READY, TRUE) && draft.field::<i64>("observedGeneration") == Some(report.generation);
    if is_applied && !grows && is_ready && is_made(draft, report) || is_retry(draft, report, revisions) {
        return;
    }
    let message = format!("Running '{}' action with timeout of {}", release.action(), release.timeout(draft.resource));
    draft.mark(READY, UNKNOWN, PROGRESSING, &message);
    draft.mark(RECONCILING, TRUE, PROGRESSING, &message);
    draft.mark(RELEASED, UNKNOWN, PROGRESSING, &message);
    draft.remove(STALLED);
    attempted(draft, report, revisions, release);
}

/// Tells whether status has the release that was rendered.
fn is_made(draft: &Draft<'_>, report: &Report) -> bool {
    let made: Option<Vec<ReleaseSnapshot>> = draft.field("history");
    let newest = made.and_then(|made| made.into_iter().next()).map(|snapshot| snapshot.digest);
    newest.is_some() && newest == report.render_digest
}

/// Tells whether status says already that an attempt failed and goes on: it keeps saying why until the next has ended.
fn is_retry(draft: &Draft<'_>, report: &Report, revisions: &Revisions) -> bool {
    draft.is(READY, FALSE)
        && draft.is(RECONCILING, TRUE)
        && draft.field::<i64>("lastAttemptedGeneration") == Some(report.generation)
        && draft.field::<String>("lastAttemptedRevisionDigest") == Some(digest_of(revisions))
        && draft.condition(READY).is_some_and(|ready| ready.reason.ends_with("Failed"))
        && draft.is(RELEASED, FALSE)
}

fn digest_of(revisions: &Revisions) -> String {
    format!("{}:{}", revisions.algorithm.as_str(), revisions.digest)
}

/// Records what is being released, or was tried to.
fn attempted(draft: &mut Draft<'_>, report: &Report, revisions: &Revisions, release: &Release<'_>) {
    draft.set("lastAttemptedGeneration", report.generation);
    draft.set("lastAttemptedReleaseAction", release.action());
    draft.set("lastAttemptedRevisionDigest", digest_of(revisions));
    if let Some(chart) = release.chart {
        draft.set("lastAttemptedRevision", &chart.version);
        draft.set("lastAttemptedConfigDigest", &chart.config_digest);
    }
}

fn succeeded(draft: &mut Draft<'_>, report: &Report, revisions: &Revisions, release: &Release<'_>) -> Vec<EventDraft> {
    let (reason, word) =
        if release.is_upgrade() { ("UpgradeSucceeded", "upgrade") } else { ("InstallSucceeded", "install") };
    let is_new = record_history(draft, report, release);
    let message =
        format!("Helm {word} succeeded for release {} with chart {}", release.full_name(), release.chart_name());
    draft.mark(READY, TRUE, reason, &message);
    draft.mark(RELEASED, TRUE, reason, &message);
    draft.remove(RECONCILING);
    draft.remove(STALLED);
    draft.observe_generation();
    attempted(draft, report, revisions, release);
    let ended = report.sync.as_ref().filter(|sync| sync.phase == SyncPhase::Succeeded);
    if let Some(sync) = ended.filter(|_| is_new) {
        draft.set("lastAttemptedReleaseActionDuration", took(sync.started_at, report.now));
    }
    record_final(draft, report, true);
    mark_drift(draft, report, release);
    draft.answer_request();
    if !is_new {
        return Vec::new();
    }
    let revision = release.chart.map(|chart| chart.version.clone()).unwrap_or_default();
    let mut events = Vec::from_iter(ended.and_then(changes));
    events.push(event(false, reason, message, &revision));
    events
}

/// Says whether live objects depart from what was released, where the resource asks for it.
fn mark_drift(draft: &mut Draft<'_>, report: &Report, release: &Release<'_>) {
    let mode = release.spec.drift_detection.as_ref().and_then(|drift| drift.mode.as_deref());
    if !matches!(mode, Some("enabled" | "warn")) {
        draft.remove(DRIFTED);
        return;
    }
    let departs = |sync: ObjectSync| sync == ObjectSync::OutOfSync;
    let drifted = report.objects.iter().filter(|object| object.hook.is_none() && departs(object.sync));
    let drifted: Vec<String> = drifted.map(|object| object.key.to_string()).collect();
    let name = release.full_name();
    if drifted.is_empty() {
        draft.mark(DRIFTED, FALSE, "NoDriftDetected", &format!("No drift detected for release {name}"));
        return;
    }
    let more = match drifted.len() {
        count if count > NAMED => format!(", and {} more", count - NAMED),
        _ => String::new(),
    };
    let shown = drifted[..drifted.len().min(NAMED)].join(", ");
    draft.mark(DRIFTED, TRUE, "DriftDetected", &format!("Drift detected for release {name}: {shown}{more}"));
}

/// Adds the release that was made to the history, and tells whether it was not there yet.
fn record_history(draft: &mut Draft<'_>, report: &Report, release: &Release<'_>) -> bool {
    let (Some(chart), Some(digest)) = (release.chart, &report.render_digest) else { return false };
    let mut history: Vec<ReleaseSnapshot> = draft.field("history").unwrap_or_default();
    if history.first().is_some_and(|newest| newest.digest == *digest) {
        return false;
    }
    let now = time_text(report.now);
    for snapshot in &mut history {
        "superseded".clone_into(&mut snapshot.status);
    }
    let first = history.first().map_or_else(|| now.clone(), |newest| newest.first_deployed.clone());
    history.insert(
        0,
        ReleaseSnapshot {
            action: Some(release.action().to_owned()),
            api_version: None,
            app_version: Some(chart.app_version.clone()).filter(|version| !version.is_empty()),
            chart_name: chart.name.clone(),
            chart_version: chart.version.clone(),
            config_digest: chart.config_digest.clone(),
            deleted: None,
            digest: digest.clone(),
            first_deployed: first,
            last_deployed: now,
            name: release.name.clone(),
            namespace: release.namespace.clone(),
            oci_digest: None,
            status: "deployed".to_owned(),
            test_hooks: None,
            version: isize::try_from(release.number).unwrap_or(isize::MAX),
        },
    );
    history.truncate(MAX_SNAPSHOTS);
    draft.set("history", history);
    true
}

fn failed(draft: &mut Draft<'_>, report: &Report, failure: Option<&Failure>, release: &Release<'_>) -> Vec<EventDraft> {
    let said = failure.map(Failure::one_line);
    let said = said.or_else(|| report.sync.as_ref().map(|sync| sync.message.clone())).unwrap_or_default();
    let reason = failure.map_or(Reason::Rejected, |failure| failure.reason);
    let of_source = words(reason).kustomization;
    let (reason, message) = match of_source {
        "ArtifactFailed" | "AccessDenied" | "DependencyNotReady" | "Unsupported" => (of_source, said),
        _ => (if release.is_upgrade() { "UpgradeFailed" } else { "InstallFailed" }, failed_message(&said, release)),
    };
    draft.mark(READY, FALSE, reason, &message);
    if matches!(reason, "UpgradeFailed" | "InstallFailed") {
        draft.mark(RELEASED, FALSE, reason, &message);
        if let Some(revisions) = &report.revision {
            attempted(draft, report, revisions, release);
        }
    }
    mark_retrying(draft);
    record_broken_off(draft, report);
    draft.answer_request();
    if !draft.ready_changed() {
        return Vec::new();
    }
    let revision = release.chart.map(|chart| chart.version.clone()).unwrap_or_default();
    vec![event(true, reason, message, &revision)]
}

fn failed_message(why: &str, release: &Release<'_>) -> String {
    let chart = match release.chart_name() {
        chart if chart.is_empty() => String::new(),
        chart => format!(" with chart {chart}"),
    };
    let install = release.spec.install.as_ref().is_some_and(|step| step.remediation.is_some());
    let upgrade = release.spec.upgrade.as_ref();
    let asks = if release.is_upgrade() {
        upgrade.is_some_and(|step| step.remediation.is_some() || step.cleanup_on_fail == Some(true))
    } else {
        install
    };
    // Said where it would have happened.
    let remediation = if asks { " (it is tried again; nothing is rolled back or uninstalled)" } else { "" };
    let word = release.action();
    format!("Helm {word} failed for release {}/{}{chart}: {why}{remediation}", release.namespace, release.name)
}

fn event(warning: bool, reason: &str, message: String, revision: &str) -> EventDraft {
    let annotations =
        if revision.is_empty() { Vec::new() } else { vec![(EVENT_REVISION.to_owned(), revision.to_owned())] };
    EventDraft { warning, reason: reason.to_owned(), message, annotations }
}
