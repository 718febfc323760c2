//! Where an app's files come from: its subscriptions, their revisions, and its render.

use std::sync::Arc;
use std::time::Duration;

use bowline_cluster::ApiError;
use bowline_model::{
    App, AppSource, Commit, Explain as _, Failure, Object, Reason, Remote, RemoteBases, Render, Revision, Revisions,
    SourceSpec, Unstable, Wanted,
};
use bowline_source::Subscription;
use bowline_tree::Tree;
use futures::future::select_all;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::dependencies::Fetcher;
use crate::dialect::{EventDraft, SourceReport};
use crate::happening::Counters;
use crate::publish::publish;
use crate::render::{Chance, Net, Rendered, Rendering, Surroundings, Written};
use crate::shared::Shared;

use super::{Next, SAFETY_NET, Task};

/// The subscription to one of the app's sources.
pub(super) struct SourceInterest {
    remote: Remote,
    wanted: Wanted,
    interval: Duration,
    pub(super) subscription: Subscription,
    /// When the newest outcome was first seen.
    pub(super) seen: Instant,
    pub(super) known: Option<Revision>,
    commit: Option<(Revision, Commit)>,
    /// The first revision ever seen: for a planted bug alone.
    oldest: Option<Revision>,
}

impl SourceInterest {
    fn new(shared: &Shared, spec: &SourceSpec) -> Self {
        Self {
            remote: spec.remote.clone(),
            wanted: spec.wanted.clone(),
            interval: spec.interval,
            subscription: shared.sources.subscribe(&spec.remote, &spec.wanted, spec.interval, spec.timeout),
            seen: Instant::now(),
            known: None,
            commit: None,
            oldest: None,
        }
    }

    fn is_of(&self, spec: &SourceSpec) -> bool {
        self.remote == spec.remote && self.wanted == spec.wanted && self.interval == spec.interval
    }

    /// Returns the newest revision that is known, and what is wrong with the source.
    async fn newest(&mut self, shared: &Shared, spec: &SourceSpec) -> (Option<Revision>, Option<Failure>) {
        if let Some(pinned) = &spec.pinned {
            return (Some(pinned.clone()), None);
        }
        let Some(polled) = self.subscription.latest() else { return (None, None) };
        let failure = polled.outcome.as_ref().err().map(|error| source_failure(error));
        let mut revision = polled.outcome.ok().or(polled.last_good);
        if bowline_model::is_planted(bowline_model::Planted::FallsBackToOldest) {
            if failure.is_some() {
                revision = self.oldest.clone().or(revision);
            }
            self.oldest = self.oldest.take().or_else(|| revision.clone());
        }
        if let Some(revision) = &revision {
            if self.known.as_ref() != Some(revision) {
                shared.note_revision(&spec.remote, &spec.wanted, revision);
                self.known = Some(revision.clone());
            }
            if self.commit.as_ref().is_none_or(|(of, _)| !of.is_same(revision)) {
                let commit = shared.commit(spec, revision).await;
                self.commit = commit.map(|commit| (revision.clone(), commit));
            }
        }
        (revision, failure)
    }
}

/// Waits until one of the subscriptions has something new.
pub(super) async fn any_changed(sources: &mut [SourceInterest]) {
    if sources.is_empty() {
        return std::future::pending().await;
    }
    let changes = sources.iter_mut().map(|source| Box::pin(source.subscription.changed()));
    let (_, at, rest) = select_all(changes).await;
    drop(rest);
    sources[at].seen = Instant::now();
}

impl Task {
    /// Subscribes to sources; a subscription at hand to the same is kept.
    fn follow(&mut self, specs: &[&SourceSpec]) {
        let mut had = std::mem::take(&mut self.sources);
        let follow = |spec: &&SourceSpec| match had.iter().position(|source| source.is_of(spec)) {
            Some(at) => had.swap_remove(at),
            None => SourceInterest::new(&self.shared, spec),
        };
        self.sources = specs.iter().map(follow).collect();
    }

    /// Looks at the sources right now when the resource asks for it.
    pub(super) async fn look_at_refresh(&mut self, resource: &Object) {
        let wants = self.speaker.dialect.wants_refresh(resource);
        if wants && !self.has_seen_refresh {
            for source in &mut self.sources {
                source.subscription.fresh().await;
            }
            // What is elsewhere is looked at, too.
            if self.remotes.forget() || self.rendered.as_ref().is_some_and(|(_, rendered)| rendered.named.is_some()) {
                self.remotes.is_fresh = true;
                self.rendered = None;
                self.wanted = None;
                self.rest = None;
            }
        }
        self.has_seen_refresh = wants;
    }

    /// Returns the newest revisions that are known, once all are, and what is wrong with a source.
    pub(super) async fn resolve(&mut self, specs: &[&SourceSpec]) -> (Option<Revisions>, Option<Failure>) {
        self.follow(specs);
        let shared = self.shared.clone();
        let mut known = Vec::with_capacity(specs.len());
        let mut failure = None;
        for (source, spec) in self.sources.iter_mut().zip(specs) {
            let (revision, trouble) = source.newest(&shared, spec).await;
            known.push(revision);
            failure = failure.or(trouble);
        }
        let known: Option<Vec<Revision>> = known.into_iter().collect();
        (known.and_then(Revisions::of), failure)
    }

    /// Returns the newest revisions that were seen.
    pub(super) fn known(&self) -> Option<Revisions> {
        let known: Option<Vec<Revision>> = self.sources.iter().map(|source| source.known.clone()).collect();
        Revisions::of(known?)
    }

    /// Returns the commit behind the first source's revision.
    pub(super) fn commit(&self) -> Option<Commit> {
        self.sources.first()?.commit.clone().map(|(_, commit)| commit)
    }

    /// Keeps the status of a resource that is a source, or that only others need.
    pub(super) async fn watch_source(
        &mut self,
        resource: &Object,
        spec: Option<&SourceSpec>,
    ) -> Result<Next, ApiError> {
        let specs: Vec<&SourceSpec> = spec.into_iter().collect();
        let (revisions, failure) = self.resolve(&specs).await;
        let report = SourceReport {
            generation: resource.generation(),
            revision: revisions.map(|revisions| (*revisions).clone()),
            failure,
            commit: self.commit(),
            now: self.shared.now(),
        };
        let raised = self.speaker.dialect.raise_source(resource, &report);
        if !raised.is_quiet() {
            publish(&self.shared, &self.speaker, resource, raised).await?;
        }
        Ok(Next::After(SAFETY_NET))
    }

    /// Resolves the revisions that a request names instead of the app's own; `resolved` are those.
    pub(super) async fn requested_revisions(
        &mut self,
        app: &App,
        request: Option<&bowline_model::SyncRequest>,
        resolved: Option<&Revisions>,
    ) -> Result<Option<Revisions>, Failure> {
        let Some(request) = request else { return Ok(None) };
        let mut revisions = Vec::with_capacity(app.sources.len());
        let mut is_own = true;
        for (at, source) in app.sources.iter().enumerate() {
            let spec = &source.spec;
            match request.wanted.get(at).and_then(Option::as_ref).filter(|wanted| **wanted != spec.wanted) {
                Some(wanted) => {
                    is_own = false;
                    let mut subscription =
                        self.shared.sources.subscribe(&spec.remote, wanted, spec.interval, spec.timeout);
                    revisions.push(Some(subscription.fresh().await.outcome.map_err(|error| source_failure(&error))?));
                }
                None => revisions.push(resolved.and_then(|resolved| resolved.all().nth(at)).cloned()),
            }
        }
        if is_own {
            return Ok(None);
        }
        let revisions: Option<Vec<Revision>> = revisions.into_iter().collect();
        Ok(revisions.and_then(Revisions::of))
    }

    /// Tells whether the newest revisions change nothing of what an app at rest is rendered from.
    pub(super) async fn is_untouched(&mut self) -> bool {
        let Some(app) = self.rest.as_ref().map(|rest| rest.app.clone()) else { return false };
        let newest = self.sources.iter().zip(&app.sources).map(|(source, wanted)| {
            let polled = source.subscription.latest();
            wanted.spec.pinned.clone().or_else(|| polled.and_then(|polled| polled.outcome.ok()))
        });
        let Some(newest) = newest.collect::<Option<Vec<_>>>().and_then(Revisions::of) else { return false };
        let is_same = matches!(self.renders_the_same(&app, &newest).await, Ok(true));
        if is_same {
            // It desires what it desired: who waits to prune need not wait for its turn.
            self.shared.standings.see(&app, &newest);
        }
        is_same
    }

    /// Opens the files of all sources.
    async fn trees(&self, app: &App, revisions: &Revisions) -> Result<Vec<Arc<dyn Tree>>, Failure> {
        let mut trees = Vec::with_capacity(app.sources.len());
        for (source, revision) in app.sources.iter().zip(revisions.all()) {
            let tree = self.shared.tree(&source.spec, revision).await.map_err(|error| source_failure(&error))?;
            trees.push(tree);
        }
        Ok(trees)
    }

    /// Renders revisions. What was wrong with the files of these very ones is not found out twice; that they
    /// could not be read may have been the clone's fault.
    pub(super) async fn render(
        &mut self,
        resource: &Object,
        app: &App,
        revisions: &Revisions,
    ) -> Result<Vec<Written>, Failure> {
        let surroundings = self.surroundings(app).await?;
        if let Some((of, rendered)) = &self.rendered
            && of == revisions
            && rendered.is_of(&app.sources)
            && rendered.is_for(surroundings.as_ref())
            && let Err(failure) = &rendered.outcome
            && failure.reason != Reason::SourceUnreadable
            && !failure.transient
        {
            return Err(failure.clone());
        }
        let net = self.net(app, revisions);
        if let Some(failure) = net.as_ref().and_then(|_| self.remotes.still_failing()) {
            return Err(failure);
        }
        if let Some(pinned) = self.pinned(app, revisions).await? {
            return Ok(pinned);
        }
        let trees = self.trees(app, revisions).await?;
        self.wanted = None;
        let rendering = Rendering {
            sources: app.sources.clone(),
            trees,
            chances: match &surroundings {
                Some(_) => self.chances(app, revisions).await,
                None => vec![Chance::default(); app.sources.len()],
            },
            surroundings,
            net,
            is_fresh: std::mem::take(&mut self.remotes.is_fresh),
            revisions: revisions.clone(),
            last: self.memory.release.clone(),
            fetcher: Some(self.fetcher(app, revisions)),
            dialect: self.speaker.dialect.clone(),
            resource: resource.clone(),
        };
        // Reading a tree blocks on the disk.
        let shared = self.shared.clone();
        let (rendered, objects) = self
            .shared
            .options
            .workplace
            .run(move || kept_or_made(&shared, &rendering))
            .await
            .map_err(|error| Failure::new(Reason::Internal, format!("a render broke off: {error}")))?;
        if rendered.outcome.is_err() {
            // Whatever is wrong may be wrong with the clone.
            for (source, revision) in app.sources.iter().zip(revisions.all()) {
                self.shared.forget_tree(&source.spec, revision);
            }
        }
        self.tell_unstable(resource, &rendered.unstable);
        let outcome = rendered.outcome.clone();
        self.remotes.note(outcome.as_ref().err());
        self.rendered = Some((revisions.clone(), rendered));
        outcome.map(|()| objects)
    }

    /// Returns the objects of the last render where chance had a part in them and these revisions are no others.
    async fn pinned(&mut self, app: &App, revisions: &Revisions) -> Result<Option<Vec<Written>>, Failure> {
        let pinned = self.rendered.as_ref().and_then(|(_, rendered)| rendered.pinned.clone());
        let Some(pinned) = pinned else { return Ok(None) };
        Ok(self.renders_the_same(app, revisions).await?.then(|| pinned.to_vec()))
    }

    /// Says once what comes of time or chance: nobody can tell from the files what will be applied.
    fn tell_unstable(&self, resource: &Object, unstable: &[Unstable]) {
        let told = self.rendered.as_ref().map_or(&[][..], |(_, rendered)| &rendered.unstable);
        if told == unstable {
            return;
        }
        let event = |unstable: &Unstable| EventDraft {
            warning: true,
            reason: "NonDeterministic".to_owned(),
            message: unstable.to_string(),
            annotations: Vec::new(),
        };
        let events = unstable.iter().filter(|unstable| !told.contains(unstable)).map(event).collect();
        self.shared.events.send(&self.speaker, resource, events, self.shared.now());
    }

    /// Returns what fetches for kustomizations, with what was fetched for these revisions before; `None` where none of
    /// the sources may be one.
    fn net(&mut self, app: &App, revisions: &Revisions) -> Option<Net> {
        let may_name_others = |source: &AppSource| {
            let options = source.render.as_ref().and_then(Render::kustomization);
            options.is_some_and(|options| options.build.remotes != RemoteBases::Refused)
        };
        let fetched = app.sources.iter().any(may_name_others).then(|| self.remotes.of(revisions))?;
        let (sources, runtime) = (self.shared.sources.clone(), Handle::current());
        Some(Net { sources, runtime, fetched })
    }

    /// Returns what a chart would see of the world; `None` where there is no chart.
    async fn surroundings(&self, app: &App) -> Result<Option<Surroundings>, Failure> {
        // Files in a source may say that what was to be plain files is a chart.
        let may_be_chart = |source: &AppSource| {
            let has_charts = source
                .render
                .as_ref()
                .and_then(Render::kustomization)
                .is_some_and(|options| options.build.charts.is_some());
            has_charts
                || !source.overrides.is_empty()
                || matches!(source.render, Some(Render::Chart(_) | Render::Detect(..)))
        };
        if !app.sources.iter().any(may_be_chart) {
            return Ok(None);
        }
        let discovery = self.shared.cluster.discovery().await.map_err(|error| {
            let failure =
                Failure::new(Reason::ClusterUnreachable, format!("what the cluster serves is not known: {error}"));
            failure.transient()
        })?;
        Ok(Some(Surroundings { kube_version: discovery.version().to_owned(), api_versions: discovery.api_versions() }))
    }

    /// Gets what charts ask for, the same for all renders of these revisions.
    fn fetcher(&mut self, app: &App, revisions: &Revisions) -> Fetcher {
        let pin = |(source, revision): (&AppSource, &Revision)| self.shared.pins.of(&source.spec.remote, revision);
        let pins: Vec<_> = app.sources.iter().zip(revisions.all()).map(pin).collect();
        self.pins.clone_from(&pins);
        Fetcher::new(self.shared.sources.clone(), Handle::current(), pins)
    }

    /// Returns the time and the chance that templates of each source see.
    async fn chances(&self, app: &App, revisions: &Revisions) -> Vec<Chance> {
        let mut chances = Vec::with_capacity(app.sources.len());
        for (at, (source, revision)) in app.sources.iter().zip(revisions.all()).enumerate() {
            let commit = self.shared.commit(&source.spec, revision).await;
            let mut hasher = Sha256::new();
            hasher.update(self.shared.options.seed.to_le_bytes());
            hasher.update(app.uid.as_bytes());
            if at > 0 {
                hasher.update(at.to_le_bytes());
            }
            let now = commit.map_or(0, |commit| commit.date.as_second());
            chances.push(Chance { now, seed: hasher.finalize().into() });
        }
        chances
    }

    /// Tells whether revisions render to the same objects as those before, by what the render read.
    pub(super) async fn renders_the_same(&mut self, app: &App, revisions: &Revisions) -> Result<bool, Failure> {
        let Some((of, rendered)) = &self.rendered else { return Ok(false) };
        if !rendered.is_of(&app.sources) || rendered.outcome.is_err() {
            return Ok(false);
        }
        let surroundings = match rendered.surroundings {
            Some(_) => self.surroundings(app).await?,
            None => None,
        };
        if !rendered.is_for(surroundings.as_ref()) || rendered.named.as_ref().is_some_and(|named| named != revisions) {
            return Ok(false);
        }
        if of == revisions {
            return Ok(true);
        }
        let trees = self.trees(app, revisions).await?;
        let workplace = self.shared.options.workplace;
        let holds = self.shared.checks.holds(workplace, rendered.reads.clone(), trees).await;
        if holds {
            Counters::add(&self.shared.counters.renders_spared);
            if let Some((of, _)) = &mut self.rendered {
                of.clone_from(revisions);
            }
        }
        Ok(holds)
    }
}

/// Returns a render from the cache, or makes and keeps it. Blocks.
fn kept_or_made(shared: &Shared, rendering: &Rendering) -> (Rendered, Vec<Written>) {
    if let Some(found) = shared.cache.as_ref().and_then(|cache| cache.find(rendering)) {
        Counters::add(&shared.counters.renders_kept);
        return found;
    }
    let (rendered, objects) = rendering.run();
    Counters::add(&shared.counters.renders);
    if let Some(cache) = &shared.cache {
        cache.keep(rendering, &rendered, &objects);
    }
    (rendered, objects)
}

pub(super) fn source_failure(error: &bowline_source::SourceError) -> Failure {
    let failure = Failure::of(error);
    debug_assert_eq!(failure.reason, error.reason());
    if error.is_transient() { failure.transient() } else { failure }
}
