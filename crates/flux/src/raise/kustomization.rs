use std::time::Duration;

use bowline_engine::{EventDraft, Raised};
use bowline_model::{
    Activity, Failure, HealthStatus, Object, ObjectKey, ObjectOutcome, ObjectReport, Reason, Report, Revisions,
    SyncPhase, SyncReport, format_go_duration, parse_go_duration,
};

use super::draft::Draft;
use super::history::{self, Attempt};
use super::inventory::{record_ahead, record_broken_off, record_final};
use super::reasons::{is_of_remote, words};
use super::refusal::{mark_retrying, refuse};
use super::{
    FALSE, HEALTHY, IN_PROGRESS, PROGRESSING, PROGRESSING_WITH_RETRY, READY, RECONCILIATION_SUCCEEDED, RECONCILING,
    STALLED, SUCCEEDED, TRUE, UNKNOWN, took,
};
use crate::api::{NamespacedObjectKindReference, Snapshot};
use crate::lower::effective_timeout;

const EVENT_REVISION: &str = "kustomize.toolkit.fluxcd.io/revision";

/// The longest list of changes in one Event: what the events API takes.
const MAX_EVENT_BYTES: usize = 1024;

/// Writes an app's report: nothing before a sync begins, once when it begins, once when it ends.
pub(crate) fn raise_kustomization(resource: &Object, report: &Report) -> Raised {
    let mut draft = Draft::of(resource, report.generation, report.now);
    let rules = Rules::of(resource);
    let events = match standing(report) {
        Standing::Unknown => Vec::new(),
        Standing::LastGood => {
            draft.answer_request();
            Vec::new()
        }
        Standing::Waiting(failure) => waiting(&mut draft, failure),
        Standing::Running(revision) => {
            running(&mut draft, report, revision, &rules);
            Vec::new()
        }
        Standing::Succeeded(revision) => succeeded(&mut draft, report, revision, &rules),
        Standing::Failed(failure) => failed(&mut draft, report, failure.as_ref(), &rules),
    };
    draft.finish(events)
}

/// How an app stands, in Flux's view of it.
pub(super) enum Standing<'a> {
    /// Nothing is known that status does not say already.
    Unknown,
    /// The source cannot be fetched; what was fetched and applied before stands.
    LastGood,
    Waiting(&'a Failure),
    /// A sync of this revision goes on.
    Running(&'a Revisions),
    Succeeded(&'a Revisions),
    /// `None`: the last sync itself says why.
    Failed(Option<Failure>),
}

pub(super) fn standing(report: &Report) -> Standing<'_> {
    if let Some(failure) = &report.failure {
        if report.activity == Activity::WaitingForDependency || failure.reason == Reason::DependencyNotReady {
            return Standing::Waiting(failure);
        }
        // As with Flux, an app whose source cannot be fetched any more goes on with what was fetched before;
        // the failure is told on the source. Nothing was rendered: a fetch may take too long as well.
        let is_of_remote =
            is_of_remote(failure.reason) || failure.reason == Reason::TimedOut && report.objects.is_empty();
        if is_of_remote && report.applied.is_some() {
            return Standing::LastGood;
        }
        return Standing::Failed(Some(failure.clone()));
    }
    match (report.activity, &report.sync) {
        (Activity::Syncing | Activity::WaitingForHealth, Some(sync)) => Standing::Running(&sync.revision),
        // What another process applied is being waited for.
        (Activity::WaitingForHealth, None) => report.revision.as_ref().map_or(Standing::Unknown, Standing::Running),
        (Activity::Settled, Some(sync)) if matches!(sync.phase, SyncPhase::Failed | SyncPhase::Error) => {
            Standing::Failed(None)
        }
        (Activity::Settled, Some(sync)) if sync.phase == SyncPhase::Running => Standing::Running(&sync.revision),
        (Activity::Settled, sync) if report.render_digest.is_some() => {
            let synced = sync.as_ref().map(|sync| &sync.revision);
            report.applied.as_ref().or(synced).map_or(Standing::Unknown, Standing::Succeeded)
        }
        _ => Standing::Unknown,
    }
}

/// What the resource asks for, as far as status depends on it. Read leniently: lowering has refused the rest.
struct Rules {
    interval: Duration,
    timeout: Duration,
    prune: bool,
    /// Health counts: `wait`, or the objects of `healthChecks`.
    waits: bool,
    only: Vec<NamespacedObjectKindReference>,
}

impl Rules {
    fn of(resource: &Object) -> Self {
        let duration = |field| resource.text(field).and_then(|text| parse_go_duration(text).ok());
        let is_on = |field| resource.at(field).and_then(serde_json::Value::as_bool).unwrap_or(false);
        let interval = duration("/spec/interval").unwrap_or_default();
        let wait = is_on("/spec/wait");
        let checks = resource.at("/spec/healthChecks").cloned().unwrap_or_default();
        let checks: Vec<NamespacedObjectKindReference> = serde_json::from_value(checks).unwrap_or_default();
        Self {
            interval,
            timeout: effective_timeout(interval, duration("/spec/timeout")),
            prune: is_on("/spec/prune"),
            waits: wait || !checks.is_empty(),
            only: if wait { Vec::new() } else { checks },
        }
    }

    /// Returns the objects that are waited for and are not healthy.
    fn unhealthy<'a>(&self, report: &'a Report) -> Vec<&'a ObjectReport> {
        let waits_for = |key: &ObjectKey| {
            let is = |check: &NamespacedObjectKindReference| {
                check.kind == key.kind
                    && check.name == key.name
                    && check.namespace.as_deref().unwrap_or("") == key.namespace
            };
            self.waits && (self.only.is_empty() || self.only.iter().any(is))
        };
        let sick = |object: &&ObjectReport| {
            object.health.as_ref().is_some_and(|health| health.status != HealthStatus::Healthy)
        };
        let desired = report.objects.iter().filter(|object| !object.requires_pruning && object.hook.is_none());
        desired.filter(|object| waits_for(&object.key)).filter(sick).collect()
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

fn running(draft: &mut Draft<'_>, report: &Report, revision: &Revisions, rules: &Rules) {
    let grows = record_ahead(draft, report);
    let is_applied = report.applied.as_ref() == Some(revision);
    let revision = revision.to_string();
    if is_applied && !grows && is_ready(draft, report) || is_retry(draft, report, &revision) {
        return;
    }
    let timeout = format_go_duration(rules.timeout);
    let step = if report.objects.is_empty() { "Building manifests" } else { "Detecting drift" };
    let step = format!("{step} for revision {revision} with a timeout of {timeout}");
    draft.mark(READY, UNKNOWN, PROGRESSING, IN_PROGRESS);
    draft.mark(RECONCILING, TRUE, PROGRESSING, &step);
    draft.remove(STALLED);
    if rules.waits {
        let message = format!("Running health checks for revision {revision} with a timeout of {timeout}");
        draft.mark(HEALTHY, UNKNOWN, PROGRESSING, &message);
    } else {
        draft.remove(HEALTHY);
    }
    draft.set("lastAttemptedRevision", revision);
}

/// Tells whether status says that this generation is applied and good.
///
/// It goes on saying so while drift is put back and while objects come and go: an app that is scaled is not
/// out of order. Only what does not become healthy in time is, and then it is told.
fn is_ready(draft: &Draft<'_>, report: &Report) -> bool {
    draft.is(READY, TRUE) && draft.field::<i64>("observedGeneration") == Some(report.generation)
}

/// Tells whether status says already that an attempt at this revision and generation failed and goes on: it
/// keeps saying why until the next attempt has ended.
fn is_retry(draft: &Draft<'_>, report: &Report, revision: &str) -> bool {
    let answers = |kind: &str| draft.condition(kind).and_then(|condition| condition.observed_generation);
    draft.is(READY, FALSE)
        && draft.condition(RECONCILING).is_some_and(|condition| condition.reason == PROGRESSING_WITH_RETRY)
        && answers(READY) == Some(report.generation)
        && draft.field::<String>("lastAttemptedRevision").as_deref() == Some(revision)
}

fn succeeded(draft: &mut Draft<'_>, report: &Report, revision: &Revisions, rules: &Rules) -> Vec<EventDraft> {
    let revision = revision.to_string();
    let ended = report.sync.as_ref().filter(|sync| sync.phase == SyncPhase::Succeeded);
    draft.mark(READY, TRUE, RECONCILIATION_SUCCEEDED, &format!("Applied revision: {revision}"));
    draft.remove(RECONCILING);
    draft.remove(STALLED);
    draft.observe_generation();
    draft.set("lastAppliedRevision", &revision);
    draft.set("lastAttemptedRevision", &revision);
    record_final(draft, report, rules.prune);
    let is_new = record_history(draft, report, RECONCILIATION_SUCCEEDED, &revision);
    draft.answer_request();
    // Waiting for health belongs to what it took; this is the first that is heard of its end.
    let took = ended.filter(|_| is_new).map(|sync| took(sync.started_at, report.now));
    mark_healthy(draft, took.as_deref(), rules);
    // A sync of an earlier revision has been told already.
    let (Some(sync), Some(took)) = (ended.filter(|sync| sync.revision.to_string() == revision), took) else {
        return Vec::new();
    };
    let mut events = Vec::from_iter(changes(sync));
    let next = format_go_duration(rules.interval);
    events.push(event(
        false,
        RECONCILIATION_SUCCEEDED,
        format!("Reconciliation finished in {took}, next run in {next}"),
        &revision,
    ));
    events
}

fn mark_healthy(draft: &mut Draft<'_>, took: Option<&str>, rules: &Rules) {
    if !rules.waits {
        draft.remove(HEALTHY);
        return;
    }
    let message = match (took, draft.condition(HEALTHY)) {
        (Some(took), _) => format!("Health check passed in {took}"),
        (None, Some(had)) if had.status == TRUE => had.message.clone(),
        (None, _) => "Health check passed".to_owned(),
    };
    draft.mark(HEALTHY, TRUE, SUCCEEDED, &message);
}

fn failed(draft: &mut Draft<'_>, report: &Report, failure: Option<&Failure>, rules: &Rules) -> Vec<EventDraft> {
    let attempted = match (&report.sync, &report.revision) {
        (Some(sync), _) if sync.phase != SyncPhase::Succeeded => Some(sync.revision.to_string()),
        (_, revision) => revision.as_ref().map(Revisions::to_string),
    };
    let (reason, message) = explain(report, failure, rules);
    draft.mark(READY, FALSE, reason, &message);
    if !rules.waits {
        draft.remove(HEALTHY);
    } else if reason == HEALTH_CHECK_FAILED {
        draft.mark(HEALTHY, FALSE, reason, &message);
    }
    mark_retrying(draft);
    record_broken_off(draft, report);
    if let Some(revision) = &attempted {
        draft.set("lastAttemptedRevision", revision);
    }
    let revision = attempted.unwrap_or_default();
    // Objects that do not become healthy fail a sync that has written everything.
    let has_failed = |sync: &&SyncReport| sync.phase != SyncPhase::Succeeded || reason == HEALTH_CHECK_FAILED;
    let ended = report.sync.as_ref().filter(has_failed).filter(|sync| sync.finished_at.is_some());
    let is_new = ended.is_some() && record_history(draft, report, reason, &revision);
    draft.answer_request();
    let mut events = Vec::from_iter(ended.filter(|_| is_new).and_then(changes));
    if draft.ready_changed() {
        events.push(event(true, reason, message, &revision));
    }
    events
}

const HEALTH_CHECK_FAILED: &str = "HealthCheckFailed";
const PRUNE_FAILED: &str = "PruneFailed";

/// Returns the reason and the message of a failure as Flux words them.
fn explain(report: &Report, failure: Option<&Failure>, rules: &Rules) -> (&'static str, String) {
    let sync = report.sync.as_ref().filter(|sync| sync.phase != SyncPhase::Succeeded);
    let Some(failure) = failure else {
        let message = sync.map(|sync| sync.message.clone()).unwrap_or_default();
        return (words(Reason::Rejected).kustomization, message);
    };
    let unhealthy = rules.unhealthy(report);
    let is_late = failure.reason == Reason::TimedOut && sync.is_some() && !unhealthy.is_empty();
    if failure.reason == Reason::Unhealthy || is_late {
        return (HEALTH_CHECK_FAILED, health_message(failure, &unhealthy, sync, rules));
    }
    match failure.reason {
        Reason::TimedOut if sync.is_none() => (words(Reason::Unreachable).kustomization, failure.one_line()),
        Reason::PathNotFound => {
            (words(Reason::PathNotFound).kustomization, format!("kustomization path not found: {}", failure.one_line()))
        }
        // The server refused an object, not the build.
        Reason::TooLarge if sync.is_some() && !report.objects.is_empty() => {
            (words(Reason::Rejected).kustomization, failure.one_line())
        }
        _ if sync.is_some_and(|sync| only_prunes_failed(report, sync)) => (PRUNE_FAILED, failure.one_line()),
        reason => (words(reason).kustomization, failure.one_line()),
    }
}

fn health_message(failure: &Failure, unhealthy: &[&ObjectReport], sync: Option<&SyncReport>, rules: &Rules) -> String {
    // All was written where no sync is in the way: then it is the wait that came to its end.
    let after = match sync.and_then(|sync| Some((sync.started_at, sync.finished_at?))) {
        Some((start, end)) => took(start, end),
        None => format_go_duration(rules.timeout),
    };
    if unhealthy.is_empty() {
        let is_told = failure.message.starts_with("health check failed");
        return if is_told {
            failure.one_line()
        } else {
            format!("health check failed after {after}: {}", failure.one_line())
        };
    }
    let status = |object: &ObjectReport| object.health.as_ref().map_or(HealthStatus::Unknown, |health| health.status);
    let all: Vec<_> =
        unhealthy.iter().map(|object| format!("{} status: '{}'", object.key, kstatus_word(status(object)))).collect();
    let has_stalled = sync.is_some() && unhealthy.iter().any(|object| status(object) == HealthStatus::Degraded);
    let what = if has_stalled { "failed early due to stalled resources" } else { "timeout waiting for" };
    format!("health check failed after {after}: {what}: [{}]", all.join(", "))
}

/// Translates to the words of kstatus.
fn kstatus_word(health: HealthStatus) -> &'static str {
    match health {
        HealthStatus::Healthy => "Current",
        HealthStatus::Suspended | HealthStatus::Progressing => "InProgress",
        HealthStatus::Missing => "NotFound",
        HealthStatus::Degraded => "Failed",
        HealthStatus::Unknown => "Unknown",
    }
}

/// Tells whether everything was applied and only deleting was refused.
fn only_prunes_failed(report: &Report, sync: &SyncReport) -> bool {
    let pruned = |key: &ObjectKey| report.objects.iter().any(|object| object.requires_pruning && object.key == *key);
    let mut failed = sync.results.iter().filter(|result| result.outcome == ObjectOutcome::Failed).peekable();
    failed.peek().is_some() && failed.all(|result| pruned(&result.key))
}

/// Adds the sync that ended to the history and tells whether it was not there yet.
///
/// A revision that changes nothing for this app needs no sync: it only moves the newest entry on.
fn record_history(draft: &mut Draft<'_>, report: &Report, status: &str, revision: &str) -> bool {
    let Some(digest) = report.render_digest.as_deref() else { return false };
    let mut history: Vec<Snapshot> = draft.field("history").unwrap_or_default();
    let ran = report.sync.as_ref().and_then(|sync| Some((sync, sync.finished_at?)));
    let (ended, duration) = match ran {
        Some((sync, end)) if sync.revision.to_string() == revision => (end, Some(took(sync.started_at, end))),
        _ => match history::position(&history, digest, status) {
            Some(place) if moved_on(&history[place], revision) => (report.now, None),
            _ => return false,
        },
    };
    let is_new = history::upsert(&mut history, &Attempt { digest, status, revision, ended, duration });
    if is_new {
        draft.set("history", history);
    }
    is_new
}

fn moved_on(snapshot: &Snapshot, revision: &str) -> bool {
    let told = snapshot.metadata.as_ref().and_then(|metadata| metadata.get("revision"));
    told.is_some_and(|told| told != revision)
}

/// Lists what a sync changed, one object a line; `None` when it changed nothing.
pub(super) fn changes(sync: &SyncReport) -> Option<EventDraft> {
    let word = |outcome| match outcome {
        ObjectOutcome::Created => Some("created"),
        ObjectOutcome::Configured => Some("configured"),
        ObjectOutcome::Pruned => Some("deleted"),
        _ => None,
    };
    let lines: Vec<_> =
        sync.results.iter().filter_map(|result| Some(format!("{} {}", result.key, word(result.outcome)?))).collect();
    if lines.is_empty() {
        return None;
    }
    Some(event(false, PROGRESSING, shorten(&lines), &sync.revision.to_string()))
}

/// Joins lines as far as an Event holds them, and counts the rest.
fn shorten(lines: &[String]) -> String {
    let mut text = String::new();
    for (n, line) in lines.iter().enumerate() {
        let rest = format!("\n… and {} more", lines.len() - n);
        if text.len() + 1 + line.len() + rest.len() > MAX_EVENT_BYTES {
            return text + &rest;
        }
        if n > 0 {
            text.push('\n');
        }
        text.push_str(line);
    }
    text
}

fn event(warning: bool, reason: &str, message: String, revision: &str) -> EventDraft {
    let annotations =
        if revision.is_empty() { Vec::new() } else { vec![(EVENT_REVISION.to_owned(), revision.to_owned())] };
    EventDraft { warning, reason: reason.to_owned(), message, annotations }
}
