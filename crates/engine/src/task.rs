//! One task for each resource: asleep until something it depends on changes, then one pass over everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bowline_cluster::{ApiError, Known};
use bowline_model::{
    Activity, App, AppId, BegunSync, Commit, Explain as _, Failure, GitRef, HealthStatus, Object, ObjectKey,
    ObjectOutcome, ObjectReport, Reason, Remote, Report, Revision, SourceSpec, SyncPhase, SyncReport, WaitFor,
};
use bowline_plan::Accepted;
use bowline_source::Subscription;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::carry::{Carry, End};
use crate::decide::{Decision, Mandate, Situation, decide, may_prune};
use crate::dialect::{LowerError, Lowered, Refusal, SourceReport};
use crate::farewell::{Farewell, farewell};
use crate::happening::{Cause, Counters, Happening};
use crate::index::{Interests, Mailbox};
use crate::look::{Circumstances, Look, Wanted, look, want};
use crate::publish::publish;
use crate::render::{Rendered, Written, render_tree};
use crate::rest::Rest;
use crate::shared::{Shared, Speaker};
use crate::world::{CachedWorld, Kinds, read};

/// What lowering may ask for before it is taken for endless.
const LOWERING_READS: usize = 64;

/// The first and the longest wait before a pass that the cluster broke off is made again.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A pass is made this often even if nothing woke the task. It makes no request when all is well: it is
/// there for what nobody thought of.
const SAFETY_NET: Duration = Duration::from_mins(10);

/// After the last of a sync's retries, a sync that still would be needed is begun again after this time.
/// Argo CD would never try again; a cluster that has recovered should not need somebody to notice.
const AFTER_GIVING_UP: Duration = Duration::from_mins(5);

/// After a definition came or went, kinds that are missing are looked for this often, and for this long: a server
/// serves a new kind a moment after it says so.
const KINDS_EVERY: Duration = Duration::from_secs(1);
const KINDS_PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Task {
    shared: Arc<Shared>,
    speaker: Speaker,
    id: AppId,
    mailbox: Arc<Mailbox>,
    kinds: Kinds,
    interests: Interests,
    source: Option<SourceInterest>,
    rendered: Option<(Revision, Rendered)>,
    rest: Option<Rest>,
    wanted: Option<(App, Wanted)>,
    memory: Memory,
    /// Until then, kinds that are missing may turn up by themselves.
    kinds_may_come: Option<Instant>,
    /// Passes that the cluster broke off, one after another.
    broken_off: u32,
    has_seen_refresh: bool,
}

/// The subscription to the app's source.
struct SourceInterest {
    remote: Remote,
    git_ref: GitRef,
    interval: Duration,
    subscription: Subscription,
    /// When the newest outcome was first seen.
    seen: Instant,
    known: Option<Revision>,
    commit: Option<(Revision, Commit)>,
}

/// What a task remembers from one pass to the next, and reads back from the resource when it starts.
#[derive(Default)]
struct Memory {
    is_recalled: bool,
    /// What was applied, and in which API version: the licence to prune.
    inventory: BTreeMap<ObjectKey, String>,
    /// The last revision whose sync wrote everything.
    written: Option<Revision>,
    /// The same, and everything that is waited for became healthy.
    applied: Option<Revision>,
    accepted: Accepted,
    sync: Option<SyncReport>,
    syncs: u64,
    retries: u32,
    retry_at: Option<Instant>,
    /// What the last sync tried in vain, and how.
    tried: Option<(Revision, App)>,
    /// Why the last sync failed; forgotten when one succeeds or everything is in sync by itself.
    failure: Option<Failure>,
    /// A sync that a former process began and did not end.
    begun: Option<BegunSync>,
    handled_request: Option<String>,
    waits_for_health_since: Option<Instant>,
}

impl Memory {
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
            source: None,
            rendered: None,
            rest: None,
            wanted: None,
            memory: Memory::default(),
            kinds_may_come: None,
            broken_off: 0,
            has_seen_refresh: false,
        }
    }

    pub(crate) async fn run(mut self) {
        let shutdown = self.shared.shutdown.clone();
        loop {
            let next = match self.pass().await {
                Ok(next) => {
                    self.broken_off = 0;
                    next
                }
                Err(error) if error.is_not_found() && self.resource().is_none() => Next::End,
                Err(error) => {
                    self.broken_off += 1;
                    let wait = FIRST_WAIT.saturating_mul(1 << self.broken_off.min(10)).min(LONGEST_WAIT);
                    if self.broken_off > 2 {
                        warn!(app = %self.id, %error, "A pass was broken off by the cluster");
                    } else {
                        debug!(app = %self.id, %error, "A pass was broken off by the cluster");
                    }
                    Next::After(self.shared.jitter(wait))
                }
            };
            let wait = match next {
                Next::End => break,
                Next::Now => continue,
                Next::After(wait) => wait,
            };
            let source_changed = async {
                match &mut self.source {
                    Some(source) => {
                        source.subscription.changed().await;
                        source.seen = Instant::now();
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.mailbox.wait() => {}
                () = source_changed => {}
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => break,
            }
        }
        self.shared.index.remove_task(&self.id, &self.interests);
        self.shared.hide(&self.id);
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
            self.memory.inventory = recalled.inventory.into_iter().map(|entry| (entry.key, entry.version)).collect();
            self.memory.written.clone_from(&recalled.applied);
            self.memory.applied = recalled.applied;
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
            Ok(Lowered::Source(spec)) => self.watch_source(&resource, &spec).await,
            Ok(Lowered::Suspended) => {
                self.source = None;
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

    /// Looks at the source right now when the resource asks for it.
    async fn look_at_refresh(&mut self, resource: &Object) {
        let wants = self.speaker.dialect.wants_refresh(resource);
        if wants
            && !self.has_seen_refresh
            && let Some(source) = &mut self.source
        {
            source.subscription.fresh().await;
        }
        self.has_seen_refresh = wants;
    }

    async fn lower(&mut self, resource: &Object) -> Result<Result<Lowered, LowerError>, ApiError> {
        for _ in 0..LOWERING_READS {
            let world = CachedWorld { shared: &self.shared, kinds: &self.kinds, asked: Mutex::default() };
            let lowered = self.speaker.dialect.lower(resource, &world);
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

    /// Subscribes to a source, unless the subscription at hand is to the same.
    fn follow(&mut self, spec: &SourceSpec) {
        let is_same = self.source.as_ref().is_some_and(|source| {
            source.remote == spec.remote && source.git_ref == spec.git_ref && source.interval == spec.interval
        });
        if is_same {
            return;
        }
        let subscription = self.shared.sources.subscribe(
            &crate::remote::remote(&spec.remote),
            &crate::remote::git_ref(&spec.git_ref),
            spec.interval,
            spec.timeout,
        );
        self.source = Some(SourceInterest {
            remote: spec.remote.clone(),
            git_ref: spec.git_ref.clone(),
            interval: spec.interval,
            subscription,
            seen: Instant::now(),
            known: None,
            commit: None,
        });
    }

    /// Returns the newest revision that is known, and what is wrong with the source.
    async fn resolve(&mut self, spec: &SourceSpec) -> (Option<Revision>, Option<Failure>) {
        self.follow(spec);
        let shared = self.shared.clone();
        let Some(source) = &mut self.source else { return (None, None) };
        if let Some(pinned) = &spec.pinned {
            return (Some(pinned.clone()), None);
        }
        let Some(polled) = source.subscription.latest() else { return (None, None) };
        let failure = polled.outcome.as_ref().err().map(|error| source_failure(error));
        let revision = polled.outcome.ok().or(polled.last_good);
        if let Some(revision) = &revision {
            if source.known.as_ref() != Some(revision) {
                shared.note_revision(&spec.remote, &spec.git_ref, revision);
                source.known = Some(revision.clone());
            }
            if source.commit.as_ref().is_none_or(|(of, _)| of.commit != revision.commit) {
                let info = shared.sources.commit_info(&crate::remote::remote(&spec.remote), revision).await;
                source.commit = info.ok().map(|info| {
                    let commit =
                        Commit { author: info.author.clone(), subject: info.subject().to_owned(), date: info.date };
                    (revision.clone(), commit)
                });
            }
        }
        (revision, failure)
    }

    async fn watch_source(&mut self, resource: &Object, spec: &SourceSpec) -> Result<Next, ApiError> {
        let (revision, failure) = self.resolve(spec).await;
        let report = SourceReport {
            generation: resource.generation(),
            revision,
            failure,
            commit: self.source.as_ref().and_then(|source| source.commit.clone()).map(|(_, commit)| commit),
            now: self.shared.now(),
        };
        let raised = self.speaker.dialect.raise_source(resource, &report);
        if !raised.is_quiet() {
            publish(&self.shared, &self.speaker, resource, raised).await?;
        }
        Ok(Next::After(SAFETY_NET))
    }

    async fn leave(&mut self, resource: &Object) -> Result<Next, ApiError> {
        self.source = None;
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
        Report {
            id: self.id.clone(),
            generation,
            activity,
            revision: self.source.as_ref().and_then(|source| source.known.clone()),
            applied: self.memory.applied.clone(),
            commit: self.source.as_ref().and_then(|source| source.commit.clone()).map(|(_, commit)| commit),
            objects: Vec::new(),
            render_digest: self.rendered.as_ref().map(|(_, rendered)| rendered.digest.clone()),
            sync: self.memory.sync.clone(),
            failure: None,
            now: self.shared.now(),
        }
    }

    /// Writes a report to the resource. What has nothing else to write waits for what has.
    async fn publish(&mut self, resource: &Object, report: Report, is_urgent: bool) -> Result<Object, ApiError> {
        let raised = self.speaker.dialect.raise(resource, &report);
        self.shared.show(self.speaker.dialect.name(), Arc::new(report));
        if raised.is_quiet() {
            return Ok(resource.clone());
        }
        let _permit = if is_urgent { None } else { self.shared.background.acquire().await.ok() };
        let latest = publish(&self.shared, &self.speaker, resource, raised).await?;
        Ok(latest.unwrap_or_else(|| resource.clone()))
    }

    async fn reconcile(&mut self, resource: &Object, app: App, seen: Option<Instant>) -> Result<Next, ApiError> {
        let request =
            app.sync.request.clone().filter(|request| self.memory.handled_request.as_ref() != Some(&request.id));
        let lowered_at = self.source.as_ref().and_then(|source| source.known.clone());
        let (revision, source_failure) = self.resolve(&app.source).await;
        if lowered_at.is_some() && self.source.as_ref().and_then(|source| source.known.clone()) != lowered_at {
            // Lowering compared dependencies with the revision before: what they wait for may be newer now.
            return Ok(Next::Now);
        }
        let shows_source = self.speaker.dialect.shows_source_failures();
        let revision = match self.requested_revision(&app, request.as_ref()).await {
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
                self.memory.written = Some(revision.clone());
            }
            let failure = source_failure.filter(|_| shows_source);
            return self.settle(resource, &app, &revision, objects, failure, false).await;
        }
        self.rest = None;
        let rendered = match self.render(&app, &revision).await {
            Ok(rendered) => rendered,
            Err(failure) => return self.stand_still(resource, &app, failure).await,
        };
        if self.wanted.as_ref().is_none_or(|(for_app, _)| !same_wants(for_app, &app)) {
            let wanted = want(&self.shared, &*self.speaker.dialect, &app, &revision, &rendered).await?;
            self.wanted = Some((app.clone(), wanted));
        }
        let (_, wanted) = self.wanted.clone().expect("holds because it was just made");
        self.reconcile_with(resource, &app, &wanted, &revision, request, seen, source_failure.filter(|_| shows_source))
            .await
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one pass, found one after another")]
    async fn reconcile_with(
        &mut self,
        resource: &Object,
        app: &App,
        wanted: &Wanted,
        revision: &Revision,
        request: Option<bowline_model::SyncRequest>,
        seen: Option<Instant>,
        source_failure: Option<Failure>,
    ) -> Result<Next, ApiError> {
        // A wait is for what was tried before: what is newer, or asked for otherwise, begins afresh and at once.
        let is_tried = |tried: &(Revision, App)| tried.0 == *revision && same_rules(&tried.1, app);
        if self.memory.retry_at.is_some() && !self.memory.tried.as_ref().is_some_and(is_tried) {
            self.memory.retry_at = None;
            self.memory.retries = 0;
            self.memory.failure = None;
        }
        let looked = self.look(app, wanted, may_prune(app, request.as_ref())).await?;
        let situation = Situation {
            revision,
            written: self.memory.written.as_ref(),
            is_begun: self.memory.begun.is_some() || self.memory.is_unfinished(),
            request: request.as_ref(),
            retry_at: self.memory.retry_at,
            given_up: false,
            now: Instant::now(),
        };
        match decide(app, &looked.plan, &situation) {
            Decision::Sync(mandate) => {
                let seen = match mandate.cause {
                    Cause::Drift | Cause::Request => seen,
                    Cause::Revision => self.source.as_ref().map(|source| source.seen),
                    // What it waited for was time.
                    Cause::Retry => None,
                };
                self.sync(resource, app, wanted, &looked, revision, mandate, seen.unwrap_or_else(Instant::now)).await
            }
            Decision::InSync => {
                if app.sync.automatic.is_some() {
                    self.memory.written = Some(revision.clone());
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

    async fn look(&mut self, app: &App, wanted: &Wanted, may_prune: bool) -> Result<Look, ApiError> {
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

    /// Resolves the revision that a request names instead of the app's own.
    async fn requested_revision(
        &mut self,
        app: &App,
        request: Option<&bowline_model::SyncRequest>,
    ) -> Result<Option<Revision>, Failure> {
        let Some(git_ref) = request.and_then(|request| request.git_ref.as_ref()) else { return Ok(None) };
        if *git_ref == app.source.git_ref {
            return Ok(None);
        }
        let mut subscription = self.shared.sources.subscribe(
            &crate::remote::remote(&app.source.remote),
            &crate::remote::git_ref(git_ref),
            app.source.interval,
            app.source.timeout,
        );
        subscription.fresh().await.outcome.map(Some).map_err(|error| source_failure(&error))
    }

    /// Returns the render of a revision: the one at hand where nothing that it read has changed.
    async fn render(&mut self, app: &App, revision: &Revision) -> Result<Written, Failure> {
        let is_current = |of: &Revision, rendered: &Rendered| *of == *revision && rendered.how == app.render;
        if let Some((of, rendered)) = &self.rendered
            && is_current(of, rendered)
            && let Some(objects) = &rendered.objects
        {
            return objects.clone();
        }
        let remote = crate::remote::remote(&app.source.remote);
        let tree = self.shared.sources.open(&remote, revision).await.map_err(|error| source_failure(&error))?;
        let before = self.rendered.take();
        let how = app.render.clone();
        // Reading a tree blocks on the disk.
        let (rendered, was_spared) = tokio::task::spawn_blocking(move || match before {
            Some((_, before)) if before.how == how && before.objects.is_some() && before.reads.holds_in(&*tree) => {
                (before, true)
            }
            _ => (render_tree(&*tree, &how), false),
        })
        .await
        .map_err(|error| Failure::new(Reason::Internal, format!("a render broke off: {error}")))?;
        let counters = &self.shared.counters;
        Counters::add(if was_spared { &counters.renders_spared } else { &counters.renders });
        if !was_spared {
            self.wanted = None;
        }
        let objects = rendered.objects.clone().expect("holds because it was just rendered, or found to be there");
        self.rendered = Some((revision.clone(), rendered));
        objects
    }

    /// Tells whether a revision renders to the same objects as the one before, by what the render read.
    async fn renders_the_same(&mut self, app: &App, revision: &Revision) -> Result<bool, Failure> {
        let Some((of, rendered)) = &self.rendered else { return Ok(false) };
        if rendered.how != app.render {
            return Ok(false);
        }
        if of == revision {
            return Ok(true);
        }
        let remote = crate::remote::remote(&app.source.remote);
        let tree = self.shared.sources.open(&remote, revision).await.map_err(|error| source_failure(&error))?;
        let reads = rendered.reads.clone();
        let holds = tokio::task::spawn_blocking(move || reads.holds_in(&*tree)).await.unwrap_or(false);
        if holds {
            Counters::add(&self.shared.counters.renders_spared);
            if let Some((of, _)) = &mut self.rendered {
                of.clone_from(revision);
            }
        }
        Ok(holds)
    }

    /// Returns what was reported of each object, when nothing at all has changed since the app came to rest.
    async fn at_rest(&mut self, app: &App, revision: &Revision) -> Option<Vec<ObjectReport>> {
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
    fn come_to_rest(&mut self, app: &App, looked: &Look) {
        self.rest = Rest::after(&self.shared.cluster, app, looked);
        if self.rest.is_some() {
            self.wanted = None;
            if let Some((_, rendered)) = &mut self.rendered {
                rendered.objects = None;
            }
        }
    }

    /// Reports that nothing can be done, without touching what is there.
    async fn stand_still(&mut self, resource: &Object, app: &App, failure: Failure) -> Result<Next, ApiError> {
        let is_transient = failure.transient;
        self.shared.tell(Happening::Failed { app: self.id.clone(), failure: failure.clone() });
        let mut report = self.report(app.generation, Activity::Settled);
        report.failure = Some(failure);
        self.publish(resource, report, false).await?;
        // The poller tries again by itself and wakes this task; a local failure is looked at again here.
        Ok(Next::After(if is_transient { LONGEST_WAIT } else { SAFETY_NET }))
    }

    /// Reports a pass that wrote nothing, or that has just finished writing.
    async fn settle(
        &mut self,
        resource: &Object,
        app: &App,
        revision: &Revision,
        objects: Vec<ObjectReport>,
        failure: Option<Failure>,
        is_urgent: bool,
    ) -> Result<Next, ApiError> {
        let mut next = SAFETY_NET;
        let mut activity = Activity::Settled;
        let mut failure = failure;
        let is_written = self.memory.written.as_ref().is_some_and(|written| written.commit == revision.commit);
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

    #[expect(clippy::too_many_arguments, reason = "the facts of one pass, found one after another")]
    async fn sync(
        &mut self,
        resource: &Object,
        app: &App,
        wanted: &Wanted,
        looked: &Look,
        revision: &Revision,
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
        let begun = self.memory.begun.take().filter(|begun| begun.revision.commit == revision.commit);
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
        if !heals_only && !mandate.dry_run {
            let mut report = self.report(app.generation, Activity::Syncing);
            report.revision = Some(revision.clone());
            report.objects.clone_from(&looked.objects);
            resource = self.publish(&resource, report, true).await?;
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
                        self.memory.written = Some(revision.clone());
                    }
                    self.keep_inventory(looked, wanted);
                }
                let after = self.look(app, wanted, may_prune(app, None)).await?;
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

    async fn carry(
        &mut self,
        app: &App,
        wanted: &Wanted,
        looked: &Look,
        revision: &Revision,
        mandate: &Mandate,
    ) -> (End, Vec<bowline_model::ObjectResult>) {
        let is_pinned = app.source.pinned.is_some() || mandate.request.is_some();
        let subscription = self.source.as_ref().map(|source| &source.subscription);
        let superseded = || {
            let newest = subscription.and_then(Subscription::latest).and_then(|polled| polled.outcome.ok());
            !is_pinned && newest.is_some_and(|newest| newest != *revision)
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
    async fn fail(
        &mut self,
        resource: &Object,
        app: &App,
        wanted: &Wanted,
        revision: &Revision,
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
    fn keep_inventory(&mut self, looked: &Look, wanted: &Wanted) {
        let mut kept = BTreeMap::new();
        for item in &looked.plan.items {
            let is_ours = item.desired.is_some() && !item.is_hook;
            // With pruning off, an object that is no longer desired is let go for good where only the inventory
            // licenses to prune: turning it on later must not delete what was meant to stay.
            let is_let_go = item.action == bowline_plan::Action::Skip(bowline_plan::Skip::PruneDisabled)
                && !self.speaker.dialect.marks_are_proof();
            if is_ours && !wanted.blocked.contains_key(&item.key) || item.requires_pruning() && !is_let_go {
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

/// Tells whether two lowerings of a resource want the same of a render.
fn same_wants(a: &App, b: &App) -> bool {
    a.destination == b.destination && a.render == b.render && a.field_manager == b.field_manager
}

/// Tells whether two lowerings of a resource ask for the same, apart from a request in hand.
fn same_rules(a: &App, b: &App) -> bool {
    let mut b = b.clone();
    b.generation = a.generation;
    b.sync.request.clone_from(&a.sync.request);
    *a == b
}

fn source_failure(error: &bowline_source::SourceError) -> Failure {
    let failure = Failure::of(error);
    debug_assert_eq!(failure.reason, error.reason());
    if error.is_transient() { failure.transient() } else { failure }
}

/// Returns an object that the app waits for and that is not healthy.
fn unready<'a>(app: &App, objects: &'a [ObjectReport]) -> Option<&'a ObjectReport> {
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

fn not_healthy(object: &ObjectReport, after: Duration) -> Failure {
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

fn tally(sync: &SyncReport) -> (usize, usize, usize) {
    let count = |wanted: ObjectOutcome| sync.results.iter().filter(|result| result.outcome == wanted).count();
    (count(ObjectOutcome::Created), count(ObjectOutcome::Configured), count(ObjectOutcome::Pruned))
}
