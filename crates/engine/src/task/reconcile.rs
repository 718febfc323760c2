//! One look at an app, what is decided, and how it is told when nothing is to be written.

use std::collections::BTreeSet;
use std::time::Duration;

use bowline_cluster::ApiError;
use bowline_model::{
    Activity, App, AppSource, Failure, HealthStatus, Object, ObjectReport, Reason, Revisions, WaitFor,
};
use tokio::time::Instant;
use tracing::debug;

use crate::decide::{Decision, Situation, decide, may_prune};
use crate::happening::{Cause, Happening};
use crate::look::{Circumstances, Look, Wanted, look, want};
use crate::rest::Rest;

use super::{LONGEST_WAIT, Next, SAFETY_NET, Task};

impl Task {
    pub(super) async fn reconcile(
        &mut self,
        resource: &Object,
        app: App,
        seen: Option<Instant>,
    ) -> Result<Next, ApiError> {
        let request =
            app.sync.request.clone().filter(|request| self.memory.handled_request.as_ref() != Some(&request.id));
        let lowered_at = self.known();
        let specs: Vec<_> = app.sources.iter().map(|source| &source.spec).collect();
        let (revision, source_failure) = self.resolve(&specs).await;
        if self.lowers_by_revision && lowered_at.is_some() && self.known() != lowered_at {
            // Lowering compared dependencies with the revision before: what they wait for may be newer now.
            return Ok(Next::Now);
        }
        let shows_source = self.speaker.dialect.shows_source_failures();
        let revision = match self.requested_revisions(&app, request.as_ref(), revision.as_ref()).await {
            Ok(Some(requested)) => Some(requested),
            Ok(None) => revision,
            Err(failure) => {
                // It ends here: what the sync before it came to is no longer the last word.
                self.memory.sync = None;
                self.memory.handled_request = request.map(|request| request.id);
                return self.stand_still(resource, &app, failure).await;
            }
        };
        let Some(revision) = revision else {
            return match source_failure {
                Some(failure) => self.stand_still(resource, &app, failure).await,
                // The first look at the source is under way, and wakes this task.
                None => Ok(Next::After(SAFETY_NET)),
            };
        };
        if request.is_none()
            && let Some(objects) = self.at_rest(&app, &revision).await
        {
            if app.sync.automatic.is_some() {
                self.note_written(&revision);
            }
            self.shared.standings.see(&app, &revision);
            let failure = source_failure.filter(|_| shows_source);
            return self.settle(resource, &app, &revision, objects, failure, false).await;
        }
        self.rest = None;
        self.turn = None;
        let has_wanted = self.wanted.as_ref().is_some_and(|(for_app, _)| same_wants(for_app, &app));
        let is_current = match self.renders_the_same(&app, &revision).await {
            Ok(is_same) => is_same && has_wanted,
            Err(failure) => return self.stand_still(resource, &app, failure).await,
        };
        if !is_current {
            let mut rendered = match self.render(resource, &app, &revision).await {
                Ok(rendered) => rendered,
                Err(failure) => return self.stand_still(resource, &app, failure).await,
            };
            if source_failure.is_some() && bowline_model::is_planted(bowline_model::Planted::HalfARenderPrunes) {
                rendered.truncate(rendered.len().div_ceil(2));
            }
            let wanted = want(&self.shared, &*self.speaker.dialect, &app, &revision, &rendered).await?;
            self.repeated.clone_from(&wanted.repeated);
            self.wanted = Some((app.clone(), wanted));
        }
        let (_, wanted) = self.wanted.clone().expect("holds because it was just made");
        self.reconcile_with(resource, &app, &wanted, &revision, request, seen, source_failure.filter(|_| shows_source))
            .await
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one pass, found one after another")]
    pub(super) async fn reconcile_with(
        &mut self,
        resource: &Object,
        app: &App,
        wanted: &Wanted,
        revision: &Revisions,
        request: Option<bowline_model::SyncRequest>,
        seen: Option<Instant>,
        source_failure: Option<Failure>,
    ) -> Result<Next, ApiError> {
        // A wait is for what was tried before: what is newer, or asked for otherwise, begins afresh and at once.
        let is_tried = |tried: &(Revisions, App)| tried.0 == *revision && same_rules(&tried.1, app);
        if self.memory.retry_at.is_some() && !self.memory.tried.as_ref().is_some_and(is_tried) {
            self.memory.retry_at = None;
            self.memory.retries = 0;
            self.memory.failure = None;
        }
        let looked = self.look(app, wanted, may_prune(app, request.as_ref())).await?;
        // A request may name another revision: the newest has been seen all the same, and nothing of it is desired.
        let newest = self.known().filter(|_| request.is_some());
        self.shared.standings.see(app, newest.as_ref().unwrap_or(revision));
        self.note_drift(resource, &looked, revision, false);
        let is_unknown = |failure: &Failure| failure.reason == Reason::UnknownKind;
        if self.memory.failure.as_ref().is_some_and(is_unknown) && !looked.blocked().is_some_and(is_unknown) {
            // What it waited for has come.
            self.memory.retry_at = None;
            self.memory.retries = 0;
        }
        let situation = Situation {
            revision,
            written: self.memory.written.as_ref(),
            renders_anew: self.renders_anew(),
            is_begun: self.memory.begun.is_some() || self.memory.is_unfinished(),
            request: request.as_ref(),
            retry_at: self.memory.retry_at,
            now: Instant::now(),
        };
        match decide(app, &looked.plan, &situation) {
            Decision::Sync(mandate) => {
                let seen = match mandate.cause {
                    Cause::Drift | Cause::Request => seen,
                    Cause::Revision => self.sources.iter().map(|source| source.seen).max(),
                    // What it waited for was time.
                    Cause::Retry => None,
                };
                self.sync(resource, app, wanted, &looked, revision, mandate, seen.unwrap_or_else(Instant::now)).await
            }
            Decision::InSync => {
                if app.sync.automatic.is_some() {
                    self.note_written(revision);
                }
                if looked.blocked().is_none() {
                    self.memory.failure = None;
                    self.memory.retries = 0;
                    self.memory.retry_at = None;
                }
                self.keep_inventory(&looked, wanted);
                self.come_to_rest(app, &looked);
                let failure = looked.blocked().cloned().or(source_failure);
                self.settle(resource, app, revision, looked.objects, failure, false).await
            }
            Decision::Leave => {
                let failure = looked.blocked().cloned().or(self.memory.failure.clone()).or(source_failure);
                self.settle(resource, app, revision, looked.objects, failure, false).await
            }
            Decision::Later(at) => {
                let failure = self.memory.failure.clone().or_else(|| looked.blocked().cloned());
                self.settle(resource, app, revision, looked.objects, failure, false).await?;
                Ok(Next::After(at.saturating_duration_since(Instant::now())))
            }
            Decision::Refuse(failure) => {
                if let Some(request) = request {
                    self.memory.sync = None;
                    self.memory.handled_request = Some(request.id);
                }
                self.settle(resource, app, revision, looked.objects, Some(failure), false).await
            }
        }
    }

    /// Remembers that everything is written.
    pub(super) fn note_written(&mut self, revisions: &Revisions) {
        let rendered = self.rendered.as_ref().map(|(_, rendered)| rendered);
        self.memory.note_written(revisions, rendered);
    }

    /// Tells whether something else is rendered than what was written last.
    pub(super) fn renders_anew(&self) -> bool {
        let now = self.rendered.as_ref().map(|(_, rendered)| &rendered.digest);
        now.zip(self.memory.written_digest.as_ref()).is_some_and(|(now, written)| now != written)
    }

    pub(super) async fn look(&mut self, app: &App, wanted: &Wanted, may_prune: bool) -> Result<Look, ApiError> {
        let mut inventory = self.memory.inventory.clone();
        if self.speaker.dialect.marks_are_proof() {
            for (key, version) in self.shared.index.marked(&self.id) {
                inventory.entry(key).or_insert(version);
            }
        }
        let claims: BTreeSet<_> = wanted
            .objects
            .iter()
            .filter(|desired| desired.rules.hook.is_none())
            .map(|desired| desired.object.key())
            .collect();
        let live = wanted.objects.iter().map(|desired| desired.object.key()).chain(inventory.keys().cloned()).collect();
        self.interest_in_objects(live, claims);
        let circumstances = Circumstances { app, inventory: &inventory, accepted: &self.memory.accepted, may_prune };
        look(&self.shared, &*self.speaker.dialect, wanted, &circumstances).await
    }

    /// Returns what was reported of each object, when nothing at all has changed since the app came to rest.
    pub(super) async fn at_rest(&mut self, app: &App, revision: &Revisions) -> Option<Vec<ObjectReport>> {
        let has_plans = self.memory.retry_at.is_some()
            || self.memory.failure.is_some()
            || self.memory.begun.is_some()
            || self.memory.is_unfinished();
        let rest = self.rest.as_ref().filter(|rest| !has_plans && rest.holds(&self.shared.cluster, app))?;
        if self.speaker.dialect.marks_are_proof() && !rest.covers(self.shared.index.marked(&self.id).keys()) {
            return None;
        }
        match self.renders_the_same(app, revision).await {
            Ok(true) => self.rest.as_ref().map(|rest| rest.objects.clone()),
            // A failure to read the source is told by the pass that follows.
            Ok(false) | Err(_) => None,
        }
    }

    /// Comes to rest after a pass that found nothing to do: lets go of the parsed objects, which are most of what
    /// an app costs in memory.
    pub(super) fn come_to_rest(&mut self, app: &App, looked: &Look) {
        self.rest = Rest::after(&self.shared.cluster, app, looked);
        if self.rest.is_some() {
            self.wanted = None;
        }
    }

    /// Reports that nothing can be done, without touching what is there.
    pub(super) async fn stand_still(
        &mut self,
        resource: &Object,
        app: &App,
        failure: Failure,
    ) -> Result<Next, ApiError> {
        let is_transient = failure.transient;
        // What it desires is what it desired before: nothing else is known of what it stands still at.
        match self.known() {
            Some(revisions) => self.shared.standings.see(app, &revisions),
            None => self.shared.standings.rest(&self.id),
        }
        self.shared.tell(Happening::Failed { app: self.id.clone(), failure: failure.clone() });
        let mut report = self.report(app.generation, Activity::Settled);
        report.failure = Some(failure);
        self.publish(resource, report, false).await?;
        // The poller tries again by itself and wakes this task; a local failure is looked at again here.
        Ok(Next::After(if is_transient { LONGEST_WAIT } else { SAFETY_NET }))
    }

    /// Reports a pass that wrote nothing, or that has just finished writing.
    pub(super) async fn settle(
        &mut self,
        resource: &Object,
        app: &App,
        revision: &Revisions,
        objects: Vec<ObjectReport>,
        failure: Option<Failure>,
        is_urgent: bool,
    ) -> Result<Next, ApiError> {
        let mut next = SAFETY_NET;
        let mut activity = Activity::Settled;
        let mut failure = failure;
        let is_written = self.memory.written.as_ref().is_some_and(|written| written.is_same(revision));
        if is_written && failure.is_none() {
            match unready(app, &objects) {
                Some(object) => {
                    let since = *self.memory.waits_for_health_since.get_or_insert_with(Instant::now);
                    let left = app.health.timeout.saturating_sub(since.elapsed());
                    if left.is_zero() {
                        failure = Some(not_healthy(object, since.elapsed()));
                    } else {
                        activity = Activity::WaitingForHealth;
                        next = left;
                    }
                }
                None => {
                    self.memory.waits_for_health_since = None;
                    if self.memory.applied.as_ref() != Some(revision) {
                        self.memory.applied = Some(revision.clone());
                        if app.health.wait_for != WaitFor::Nothing {
                            self.shared.tell(Happening::Healthy { app: self.id.clone(), revision: revision.clone() });
                        }
                    }
                }
            }
        }
        let mut report = self.report(app.generation, activity);
        report.revision = Some(revision.clone());
        report.objects = objects;
        if let Some(failure) = &failure {
            debug!(app = %self.id, %failure, "An app is not as desired");
        }
        report.failure = failure;
        self.publish(resource, report, is_urgent).await?;
        Ok(Next::After(self.shared.jitter(next)))
    }
}

/// Tells whether two lowerings of a resource want the same of a render.
pub(super) fn same_wants(a: &App, b: &App) -> bool {
    let renders_same = |(a, b): (&AppSource, &AppSource)| a.renders_as(b);
    a.destination == b.destination
        && a.field_manager == b.field_manager
        && a.sources.len() == b.sources.len()
        && a.sources.iter().zip(&b.sources).all(renders_same)
}

/// Tells whether two lowerings of a resource ask for the same, apart from a request in hand.
pub(super) fn same_rules(a: &App, b: &App) -> bool {
    let mut b = b.clone();
    b.generation = a.generation;
    b.sync.request.clone_from(&a.sync.request);
    *a == b
}

/// Returns an object that the app waits for and that is not healthy.
pub(super) fn unready<'a>(app: &App, objects: &'a [ObjectReport]) -> Option<&'a ObjectReport> {
    let waits = |object: &&ObjectReport| match &app.health.wait_for {
        WaitFor::Nothing => false,
        WaitFor::Everything => object.hook.is_none() && !object.requires_pruning,
        WaitFor::Objects(keys) => keys.contains(&object.key),
    };
    objects
        .iter()
        .filter(waits)
        .find(|object| object.health.as_ref().is_some_and(|health| health.status != HealthStatus::Healthy))
}

pub(super) fn not_healthy(object: &ObjectReport, after: Duration) -> Failure {
    let health = object.health.as_ref();
    let status = health.map_or("Unknown", |health| health.status.as_str());
    let message = health.map(|health| health.message.as_str()).unwrap_or_default();
    let seconds = Duration::from_millis(after.as_millis() as u64);
    Failure::new(
        Reason::Unhealthy,
        format!(
            "health check failed after {}: {} is {status}{}{message}",
            bowline_model::format_go_duration(seconds),
            object.key,
            if message.is_empty() { "" } else { ": " },
        ),
    )
    .transient()
}
