//! One sync of an app, from what is put on record before it to what is told after it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bowline_cluster::ApiError;
use bowline_model::{Activity, App, Failure, Object, ObjectOutcome, Revision, Revisions, SyncPhase, SyncReport};
use bowline_source::Subscription;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::carry::{Carry, End};
use crate::decide::{Mandate, may_prune};
use crate::happening::{Cause, Counters, Happening};
use crate::look::{Look, Wanted};

use super::{Next, Task};

/// After the last of a sync's retries, a sync that still would be needed is begun again after this time.
/// Argo CD would never try again; a cluster that has recovered should not need somebody to notice.
const AFTER_GIVING_UP: Duration = Duration::from_mins(5);

impl Task {
    #[expect(clippy::too_many_arguments, reason = "the facts of one pass, found one after another")]
    pub(super) async fn sync(
        &mut self,
        resource: &Object,
        app: &App,
        wanted: &Wanted,
        looked: &Look,
        revision: &Revisions,
        mandate: Mandate,
        seen: Instant,
    ) -> Result<Next, ApiError> {
        let retry_at = self.memory.retry_at.take();
        let is_retry = retry_at.is_some() && mandate.request.as_ref().is_none_or(|request| request.resumes);
        let heals = mandate.cause == Cause::Drift;
        if !is_retry {
            self.memory.retries = 0;
            self.memory.syncs += 1;
        }
        let before = self.memory.sync.take().filter(|_| is_retry).map(|before| before.started_at);
        let begun = self.memory.begun.take().filter(|begun| begun.revision.is_same(revision));
        let started_at = before.or(begun.map(|begun| begun.started_at));
        let mut sync = SyncReport {
            number: self.memory.syncs,
            revision: revision.clone(),
            phase: SyncPhase::Running,
            message: "waiting for the objects to be applied".to_owned(),
            started_at: started_at.unwrap_or_else(|| self.shared.now()),
            finished_at: None,
            retries: self.memory.retries,
            automatic: mandate.request.is_none(),
            heals,
            request: mandate.request.as_ref().map(|request| (request.initiated_by.clone(), request.id.clone())),
            prune: may_prune(app, mandate.request.as_ref()),
            dry_run: mandate.dry_run,
            results: Vec::new(),
        };
        self.memory.sync = Some(sync.clone());
        self.memory.waits_for_health_since = None;
        let mut resource = resource.clone();
        // What is about to be applied is on record first, so that a crash loses no object. Putting back what
        // drifted applies nothing that is not on record already.
        let is_on_record = |item: &bowline_plan::Item| {
            item.desired.is_none() || item.is_hook || self.memory.inventory.contains_key(&item.key)
        };
        let heals_only = heals && looked.plan.items.iter().all(is_on_record);
        if !heals_only && !mandate.dry_run && !bowline_model::is_planted(bowline_model::Planted::RecordsAfterWriting) {
            let mut report = self.report(app.generation, Activity::Syncing);
            report.revision = Some(revision.clone());
            report.objects.clone_from(&looked.objects);
            if let Some(latest) = self.publish(&resource, report, true).await? {
                resource = latest.object()?;
            }
        }
        let syncs = self.shared.clone();
        syncs.events.syncs.fetch_add(1, Ordering::Relaxed);
        let (end, results) = self.carry(app, wanted, looked, revision, &mandate).await;
        syncs.events.syncs.fetch_sub(1, Ordering::Relaxed);
        let took = seen.elapsed();
        self.shared.tell(Happening::Synced {
            app: self.id.clone(),
            revision: revision.clone(),
            cause: mandate.cause,
            took,
            done: results
                .iter()
                .filter(|result| !matches!(result.outcome, ObjectOutcome::Unchanged | ObjectOutcome::PruneSkipped))
                .map(|result| (result.key.clone(), result.outcome))
                .collect(),
            failure: match &end {
                End::Failed(failure) => Some(failure.clone()),
                _ => None,
            },
        });
        sync.results = results;
        sync.finished_at = Some(self.shared.now());
        if let (Some(request), false) = (&mandate.request, matches!(end, End::Failed(_))) {
            self.memory.handled_request = Some(request.id.clone());
        }
        Counters::add(&self.shared.counters.syncs);
        if heals {
            Counters::add(&self.shared.counters.heals);
        }
        match end {
            End::Interrupted => Ok(Next::End),
            End::Superseded => {
                sync.phase = SyncPhase::Failed;
                "superseded by a newer revision".clone_into(&mut sync.message);
                self.memory.sync = Some(sync);
                Ok(Next::Now)
            }
            End::Done => {
                sync.phase = SyncPhase::Succeeded;
                "successfully synced (all tasks run)".clone_into(&mut sync.message);
                let (created, configured, pruned) = tally(&sync);
                let took_ms = took.as_secs_f64() * 1000.0;
                info!(app = %self.id, %revision, created, configured, pruned, heals, took_ms, "Sync finished");
                self.memory.sync = Some(sync);
                self.memory.failure = None;
                self.memory.retries = 0;
                if !mandate.dry_run {
                    let is_whole = mandate.request.as_ref().is_none_or(|request| request.only.is_empty());
                    if is_whole {
                        self.note_written(revision);
                    }
                    self.keep_inventory(looked, wanted);
                }
                let after = self.look(app, wanted, may_prune(app, None)).await?;
                self.note_drift(&resource, &after, revision, heals);
                if mandate.request.is_none() {
                    self.come_to_rest(app, &after);
                }
                let failure = after.blocked().cloned();
                self.settle(&resource, app, revision, after.objects, failure, true).await
            }
            End::Failed(failure) => {
                Counters::add(&self.shared.counters.syncs_failed);
                self.keep_inventory(looked, wanted);
                self.fail(&resource, app, wanted, revision, sync, failure, &mandate).await
            }
        }
    }

    pub(super) async fn carry(
        &mut self,
        app: &App,
        wanted: &Wanted,
        looked: &Look,
        revision: &Revisions,
        mandate: &Mandate,
    ) -> (End, Vec<bowline_model::ObjectResult>) {
        let is_pinned = mandate.request.is_some();
        let pinned = app.sources.iter().map(|source| source.spec.pinned.as_ref());
        let sources: Vec<_> =
            self.sources.iter().map(|source| &source.subscription).zip(pinned).zip(revision.all()).collect();
        let superseded = || {
            let is_newer = |((subscription, pinned), revision): &((&Subscription, Option<&Revision>), &Revision)| {
                let newest = subscription.latest().and_then(|polled| polled.outcome.ok());
                pinned.is_none() && newest.is_some_and(|newest| newest != **revision)
            };
            !is_pinned && sources.iter().any(is_newer)
        };
        let mut carry = Carry {
            shared: &self.shared,
            app,
            wanted,
            look: looked,
            mandate,
            mailbox: &self.mailbox,
            superseded: &superseded,
            deadline: Instant::now() + app.sync.timeout,
            accepted: &mut self.memory.accepted,
            results: Vec::new(),
        };
        let end = carry.run().await;
        (end, carry.results)
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one pass, found one after another")]
    pub(super) async fn fail(
        &mut self,
        resource: &Object,
        app: &App,
        wanted: &Wanted,
        revision: &Revisions,
        mut sync: SyncReport,
        failure: Failure,
        mandate: &Mandate,
    ) -> Result<Next, ApiError> {
        self.memory.retries += 1;
        let retry = mandate.request.as_ref().map_or(app.sync.retry, |request| request.retry);
        let wait = match retry.delay(self.memory.retries) {
            Some(wait) => {
                sync.phase = SyncPhase::Running;
                sync.retries = self.memory.retries;
                sync.message = format!("{}; retrying attempt #{}", failure.one_line(), self.memory.retries);
                wait
            }
            None => {
                self.memory.handled_request = mandate.request.as_ref().map(|request| request.id.clone());
                sync.phase = SyncPhase::Failed;
                sync.message = failure.one_line();
                AFTER_GIVING_UP
            }
        };
        debug!(app = %self.id, %failure, attempt = self.memory.retries, ?wait, "A sync failed");
        let wait = self.shared.jitter(wait);
        self.memory.retry_at = Some(Instant::now() + wait);
        self.memory.tried = Some((revision.clone(), app.clone()));
        self.memory.sync = Some(sync);
        self.memory.failure = Some(failure.clone());
        let after = self.look(app, wanted, may_prune(app, None)).await?;
        self.settle(resource, app, revision, after.objects, Some(failure), true).await?;
        Ok(Next::After(wait))
    }

    /// Brings the inventory up to date with a plan: what is desired and may be live belongs to it, and what is
    /// still to be pruned stays in it.
    pub(super) fn keep_inventory(&mut self, looked: &Look, wanted: &Wanted) {
        let mut kept = BTreeMap::new();
        for item in &looked.plan.items {
            let is_ours = item.desired.is_some() && !item.is_hook;
            // With pruning off, an object that is no longer desired is let go for good where only the inventory
            // licenses to prune: turning it on later must not delete what was meant to stay.
            let is_let_go = item.action == bowline_plan::Action::Skip(bowline_plan::Skip::PruneDisabled)
                && !self.speaker.dialect.marks_are_proof();
            let is_left =
                item.requires_pruning() && !bowline_model::is_planted(bowline_model::Planted::ForgetsWhatIsLeft);
            if is_ours && !wanted.blocked.contains_key(&item.key) || is_left && !is_let_go {
                let version = item.version.clone();
                kept.insert(item.key.clone(), version);
            }
            // What could not be read is neither ours nor gone: it stays as it was.
            if item.desired.is_none()
                && matches!(item.action, bowline_plan::Action::Blocked(_))
                && let Some(version) = self.memory.inventory.get(&item.key)
            {
                kept.insert(item.key.clone(), version.clone());
            }
        }
        self.memory.inventory = kept;
    }
}

pub(super) fn tally(sync: &SyncReport) -> (usize, usize, usize) {
    let count = |wanted: ObjectOutcome| sync.results.iter().filter(|result| result.outcome == wanted).count();
    (count(ObjectOutcome::Created), count(ObjectOutcome::Configured), count(ObjectOutcome::Pruned))
}
