//! One task for each resource: asleep until something it depends on changes, then one pass over everything.

mod drift;
mod elsewhere;
mod reconcile;
mod source;
mod sync;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bowline_cluster::{Answer, ApiError, Known};
use bowline_model::{
    Activity, App, AppId, BegunSync, Failure, LastRelease, Object, ObjectKey, Reason, Report, Revisions, SyncPhase,
    SyncReport,
};
use bowline_plan::Accepted;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::dependencies::Pins;
use crate::dialect::{LowerError, Lowered, Refusal};
use crate::drifts::Drifts;
use crate::farewell::{Farewell, farewell};
use crate::happening::{Counters, Happening};
use crate::index::{Interests, Mailbox};
use crate::look::Wanted;
use crate::publish::publish;
use crate::render::Rendered;
use crate::rest::Rest;
use crate::shared::{Shared, Speaker};
use crate::world::{CachedWorld, Kinds, read};

use elsewhere::Elsewhere;
use source::{SourceInterest, any_changed};

/// What lowering may ask for before it is taken for endless.
const LOWERING_READS: usize = 64;

/// The first and the longest wait before a pass that the cluster broke off is made again.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A pass is made this often even if nothing woke the task. It makes no request when all is well: it is
/// there for what nobody thought of.
const SAFETY_NET: Duration = Duration::from_mins(10);

/// After a definition came or went, kinds that are missing are looked for this often, and for this long: a server
/// serves a new kind a moment after it says so.
const KINDS_EVERY: Duration = Duration::from_secs(1);
const KINDS_PATIENCE: Duration = Duration::from_mins(1);

/// A deletion looks this often whether those who came a moment ago have made known what they desire.
const NEWCOMERS_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Task {
    shared: Arc<Shared>,
    speaker: Speaker,
    id: AppId,
    mailbox: Arc<Mailbox>,
    kinds: Kinds,
    interests: Interests,
    sources: Vec<SourceInterest>,
    rendered: Option<(Revisions, Rendered)>,
    remotes: Elsewhere,
    /// What the dependencies of charts came to, for as long as these revisions are rendered.
    pins: Vec<Arc<Pins>>,
    rest: Option<Rest>,
    wanted: Option<(App, Wanted)>,
    /// What others changed, as far as it was told.
    drifted: Drifts,
    /// Objects that the last render had more than once.
    repeated: Vec<(ObjectKey, usize)>,
    memory: Memory,
    /// Until then, kinds that are missing may turn up by themselves.
    kinds_may_come: Option<Instant>,
    /// Passes that the cluster broke off, one after another.
    broken_off: u32,
    has_seen_refresh: bool,
    /// Lowering compared something with the newest revision: a newer one lowers again.
    lowers_by_revision: bool,
    /// The right to a pass of an app that a new revision does not touch; given back as soon as there is more to do.
    turn: Option<OwnedSemaphorePermit>,
}

/// What a task remembers from one pass to the next, and reads back from the resource when it starts.
#[derive(Default)]
struct Memory {
    is_recalled: bool,
    /// What was applied, and in which API version: the licence to prune.
    inventory: BTreeMap<ObjectKey, String>,
    /// The last revisions whose sync wrote everything.
    written: Option<Revisions>,
    /// Names what they were rendered to, where that is known.
    written_digest: Option<String>,
    /// The same revisions, and everything that is waited for became healthy.
    applied: Option<Revisions>,
    /// The release of a chart that was made last.
    release: Option<LastRelease>,
    accepted: Accepted,
    sync: Option<SyncReport>,
    syncs: u64,
    retries: u32,
    retry_at: Option<Instant>,
    /// What the last sync tried in vain, and how.
    tried: Option<(Revisions, App)>,
    /// Why the last sync failed; forgotten when one succeeds or everything is in sync by itself.
    failure: Option<Failure>,
    /// A sync that a former process began and did not end.
    begun: Option<BegunSync>,
    handled_request: Option<String>,
    waits_for_health_since: Option<Instant>,
}

impl Memory {
    /// Remembers that a sync wrote everything, or that everything was as it should be.
    fn note_written(&mut self, revisions: &Revisions, rendered: Option<&Rendered>) {
        self.written = Some(revisions.clone());
        let Some(rendered) = rendered else { return };
        self.written_digest = Some(rendered.digest.clone());
        if let Some(chart) = &rendered.chart {
            self.release = Some(LastRelease { number: chart.release, digest: rendered.digest.clone() });
        }
    }

    /// Tells whether the last sync has come to no end: it is to be tried again.
    fn is_unfinished(&self) -> bool {
        self.sync.as_ref().is_some_and(|sync| sync.phase == SyncPhase::Running)
    }
}

/// When the next pass is made, if nothing wakes the task before.
enum Next {
    After(Duration),
    Now,
    End,
}

impl Task {
    pub(crate) fn new(shared: Arc<Shared>, speaker: Speaker, id: AppId, mailbox: Arc<Mailbox>) -> Self {
        Self {
            shared,
            speaker,
            id,
            mailbox,
            kinds: Kinds::default(),
            interests: Interests::default(),
            sources: Vec::new(),
            rendered: None,
            remotes: Elsewhere::default(),
            pins: Vec::new(),
            rest: None,
            wanted: None,
            drifted: Drifts::new(),
            repeated: Vec::new(),
            memory: Memory::default(),
            kinds_may_come: None,
            broken_off: 0,
            has_seen_refresh: false,
            lowers_by_revision: false,
            turn: None,
        }
    }

    pub(crate) async fn run(mut self) {
        let shutdown = self.shared.shutdown.clone();
        let mut is_by_source = false;
        loop {
            let by_source = std::mem::take(&mut is_by_source);
            self.turn = self.turn(by_source).await;
            if by_source && shutdown.is_cancelled() {
                break;
            }
            let next = match Box::pin(self.pass()).await {
                Ok(next) => {
                    self.broken_off = 0;
                    next
                }
                Err(error) if error.is_not_found() && self.resource().is_none() => Next::End,
                Err(error) => {
                    self.broken_off += 1;
                    if self.broken_off > 2 && bowline_model::is_planted(bowline_model::Planted::TaskEndsWithItsFailure)
                    {
                        return;
                    }
                    let wait = FIRST_WAIT.saturating_mul(1 << self.broken_off.min(10)).min(LONGEST_WAIT);
                    if self.broken_off > 2 {
                        warn!(app = %self.id, %error, "A pass was broken off by the cluster");
                    } else {
                        debug!(app = %self.id, %error, "A pass was broken off by the cluster");
                    }
                    Next::After(self.shared.jitter(wait))
                }
            };
            self.turn = None;
            let wait = match next {
                Next::End => break,
                Next::Now => continue,
                Next::After(wait) => wait,
            };
            if self.mailbox.is_full() && !shutdown.is_cancelled() {
                continue;
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.mailbox.wait() => {}
                () = any_changed(&mut self.sources) => is_by_source = true,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.shared.index.remove_task(&self.id, &self.interests);
        self.shared.standings.remove(&self.id);
        self.shared.hide(&self.id);
    }

    /// Waits for this task's turn, where nothing but a new revision woke it: one that does not touch the app may wait,
    /// for thousands are woken by one commit, and those that it is about should not be held up by the others.
    async fn turn(&mut self, is_by_source: bool) -> Option<OwnedSemaphorePermit> {
        if !is_by_source || self.mailbox.is_full() || !self.is_untouched().await {
            return None;
        }
        let mailbox = self.mailbox.clone();
        tokio::select! {
            biased;
            () = self.shared.shutdown.cancelled() => None,
            // Something else has come that may not wait.
            () = mailbox.wait() => None,
            turn = self.shared.untouched.clone().acquire_owned() => turn.ok(),
        }
    }

    fn resource(&self) -> Option<Object> {
        match self.shared.cluster.get(&self.speaker.kind.gvk, &self.id.namespace, &self.id.name) {
            Known::Yes(live) => live.map(|live| live.object()),
            Known::NotYet => None,
        }
    }

    async fn pass(&mut self) -> Result<Next, ApiError> {
        Counters::add(&self.shared.counters.looks);
        let wake = self.mailbox.take();
        if wake.kinds {
            // What the render wants may be served now, or no longer.
            self.wanted = None;
            self.rest = None;
            self.kinds.forget_absent();
            self.kinds_may_come = Some(Instant::now() + KINDS_PATIENCE);
        }
        let Some(resource) = self.resource() else { return Ok(Next::End) };
        if !self.memory.is_recalled {
            let recalled = self.speaker.dialect.recall(&resource);
            let forgets = bowline_model::is_planted(bowline_model::Planted::ForgetsInventory);
            let recalled_inventory = if forgets { Vec::new() } else { recalled.inventory };
            self.memory.inventory = recalled_inventory.into_iter().map(|entry| (entry.key, entry.version)).collect();
            self.memory.written.clone_from(&recalled.applied);
            self.memory.applied = recalled.applied;
            self.memory.written_digest = recalled.release.as_ref().map(|release| release.digest.clone());
            self.memory.release = recalled.release;
            self.memory.begun = recalled.begun;
            self.memory.is_recalled = true;
        }
        if resource.is_deleting() {
            return self.leave(&resource).await;
        }
        self.look_at_refresh(&resource).await;
        match self.lower(&resource).await? {
            Ok(Lowered::App(app)) => {
                let seen = wake.live.into_iter().chain(wake.resource).min();
                let next = self.reconcile(&resource, *app, seen).await?;
                Ok(self.look_for_kinds(next))
            }
            Ok(Lowered::Source(spec)) => {
                self.shared.standings.rest(&self.id);
                self.watch_source(&resource, Some(&spec)).await
            }
            Ok(Lowered::Reference) => {
                self.shared.standings.rest(&self.id);
                self.watch_source(&resource, None).await
            }
            Ok(Lowered::Suspended) => {
                self.sources.clear();
                self.refuse(&resource, Refusal::Suspended).await?;
                Ok(Next::After(SAFETY_NET))
            }
            Err(LowerError::Invalid(failure)) => {
                self.refuse(&resource, Refusal::Invalid(failure)).await?;
                Ok(Next::After(SAFETY_NET))
            }
            Err(LowerError::Waiting(failure, wait)) => {
                self.refuse(&resource, Refusal::Waiting(failure)).await?;
                Ok(Next::After(wait.unwrap_or(SAFETY_NET)))
            }
            Err(LowerError::Unread(unread)) => {
                let failure = Failure::new(Reason::Internal, format!("lowering never stops asking: {unread:?}"));
                self.refuse(&resource, Refusal::Invalid(failure)).await?;
                Ok(Next::After(SAFETY_NET))
            }
        }
    }

    /// Brings the next pass forward while kinds are missing that may turn up.
    fn look_for_kinds(&mut self, next: Next) -> Next {
        let may_come = self.kinds_may_come.is_some_and(|until| Instant::now() < until);
        if !may_come || !self.wanted.as_ref().is_some_and(|(_, wanted)| wanted.lacks_kinds()) {
            return next;
        }
        self.wanted = None;
        match next {
            Next::After(wait) => Next::After(wait.min(KINDS_EVERY)),
            other => other,
        }
    }

    async fn lower(&mut self, resource: &Object) -> Result<Result<Lowered, LowerError>, ApiError> {
        for _ in 0..LOWERING_READS {
            let world = CachedWorld {
                shared: &self.shared,
                kinds: &self.kinds,
                asked: Mutex::default(),
                asked_revision: AtomicBool::new(false),
            };
            let lowered = self.speaker.dialect.lower(resource, &world);
            self.lowers_by_revision = world.asked_revision.load(Ordering::Relaxed);
            let asked = world.asked.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            let interests = Interests {
                references: asked,
                live: std::mem::take(&mut self.interests.live),
                claims: std::mem::take(&mut self.interests.claims),
            };
            self.interest(interests);
            match lowered {
                Err(LowerError::Unread(unread)) => {
                    let reading = read(&self.shared.cluster, &mut self.kinds, &unread);
                    tokio::time::timeout(self.shared.options.patience, reading).await.map_err(|_| {
                        ApiError::Unreachable(format!(
                            "{unread:?} could not be read in {:?}",
                            self.shared.options.patience
                        ))
                    })??;
                }
                other => return Ok(other),
            }
        }
        let unread = crate::dialect::Unread::Object(self.id.clone());
        Ok(Err(LowerError::Unread(unread)))
    }

    fn interest(&mut self, mut interests: Interests) {
        // `lower` lends its parts out; the index still holds what was there before.
        std::mem::swap(&mut self.interests, &mut interests);
        let before =
            Interests { live: self.interests.live.clone(), claims: self.interests.claims.clone(), ..interests };
        self.shared.index.exchange(&self.id, &before, &self.interests);
    }

    fn interest_in_objects(&mut self, live: BTreeSet<ObjectKey>, claims: BTreeSet<ObjectKey>) {
        let new = Interests { live, claims, references: self.interests.references.clone() };
        self.shared.index.exchange(&self.id, &self.interests, &new);
        self.interests = new;
    }

    async fn refuse(&mut self, resource: &Object, refusal: Refusal) -> Result<(), ApiError> {
        self.shared.standings.rest(&self.id);
        if let Refusal::Invalid(failure) = &refusal {
            debug!(app = %self.id, %failure, "A resource is not accepted");
        }
        let raised = self.speaker.dialect.raise_refusal(resource, &refusal, self.shared.now());
        if !raised.is_quiet() {
            publish(&self.shared, &self.speaker, resource, raised).await?;
        }
        let failure = match refusal {
            Refusal::Suspended => None,
            Refusal::Invalid(failure) | Refusal::Waiting(failure) => Some(failure),
        };
        let mut report = self.report(resource.generation(), Activity::Settled);
        report.failure = failure;
        self.shared.show(self.speaker.dialect.name(), Arc::new(report));
        Ok(())
    }

    async fn leave(&mut self, resource: &Object) -> Result<Next, ApiError> {
        self.sources.clear();
        self.shared.standings.rest(&self.id);
        // Who came a moment ago may desire what would be deleted.
        if self.shared.standings.has_newcomers(&self.id) {
            return Ok(Next::After(NEWCOMERS_EVERY));
        }
        let Some(deletion) = self.speaker.dialect.deletion(resource) else {
            return Ok(Next::After(SAFETY_NET));
        };
        let mut inventory = self.memory.inventory.clone();
        if self.speaker.dialect.marks_are_proof() {
            inventory.extend(self.shared.index.marked(&self.id));
        }
        self.interest_in_objects(inventory.keys().cloned().collect(), BTreeSet::new());
        match farewell(&self.shared, &self.speaker, resource, &deletion, &inventory).await? {
            Farewell::Waiting => Ok(Next::After(Duration::from_secs(5))),
            Farewell::Done => {
                self.shared.tell(Happening::Removed { app: self.id.clone() });
                Ok(Next::After(Duration::from_secs(5)))
            }
        }
    }

    fn report(&self, generation: i64, activity: Activity) -> Report {
        let rendered = self.rendered.as_ref().map(|(_, rendered)| rendered);
        Report {
            id: self.id.clone(),
            generation,
            activity,
            revision: self.known(),
            applied: self.memory.applied.clone(),
            commit: self.commit(),
            objects: Vec::new(),
            render_digest: rendered.map(|rendered| rendered.digest.clone()),
            renderers: rendered.map(|rendered| rendered.by.clone()).unwrap_or_default(),
            chart: rendered.and_then(|rendered| rendered.chart.clone()),
            repeated: self.repeated.clone(),
            unstable: rendered.map(|rendered| rendered.unstable.clone()).unwrap_or_default(),
            sync: self.memory.sync.clone(),
            failure: None,
            now: self.shared.now(),
        }
    }

    /// Writes a report to the resource, and returns what the server answered if there was something to write. What has
    /// nothing else to write waits for what has.
    async fn publish(
        &mut self,
        resource: &Object,
        report: Report,
        is_urgent: bool,
    ) -> Result<Option<Answer>, ApiError> {
        let raised = self.speaker.dialect.raise(resource, &report);
        self.shared.show(self.speaker.dialect.name(), Arc::new(report));
        if raised.is_quiet() {
            return Ok(None);
        }
        let _permit = if is_urgent { None } else { self.shared.background.acquire().await.ok() };
        publish(&self.shared, &self.speaker, resource, raised).await
    }
}
