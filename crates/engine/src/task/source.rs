//! Where an app's files come from: its subscription, its revision, and its render.

use std::time::Duration;

use bowline_cluster::ApiError;
use bowline_model::{App, Commit, Explain as _, Failure, Object, Reason, Remote, Render, Revision, SourceSpec, Wanted};
use bowline_source::Subscription;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::dialect::SourceReport;
use crate::happening::Counters;
use crate::publish::publish;
use crate::render::{Chance, Surroundings, Written, render_tree};

use super::{Next, SAFETY_NET, Task};

/// The subscription to the app's source.
pub(super) struct SourceInterest {
    pub(super) remote: Remote,
    pub(super) wanted: Wanted,
    pub(super) interval: Duration,
    pub(super) subscription: Subscription,
    /// When the newest outcome was first seen.
    pub(super) seen: Instant,
    pub(super) known: Option<Revision>,
    pub(super) commit: Option<(Revision, Commit)>,
}

impl Task {
    /// Subscribes to a source, unless the subscription at hand is to the same.
    pub(super) fn follow(&mut self, spec: &SourceSpec) {
        let is_same = self.source.as_ref().is_some_and(|source| {
            source.remote == spec.remote && source.wanted == spec.wanted && source.interval == spec.interval
        });
        if is_same {
            return;
        }
        let subscription = self.shared.sources.subscribe(&spec.remote, &spec.wanted, spec.interval, spec.timeout);
        self.source = Some(SourceInterest {
            remote: spec.remote.clone(),
            wanted: spec.wanted.clone(),
            interval: spec.interval,
            subscription,
            seen: Instant::now(),
            known: None,
            commit: None,
        });
    }

    /// Looks at the source right now when the resource asks for it.
    pub(super) async fn look_at_refresh(&mut self, resource: &Object) {
        let wants = self.speaker.dialect.wants_refresh(resource);
        if wants
            && !self.has_seen_refresh
            && let Some(source) = &mut self.source
        {
            source.subscription.fresh().await;
        }
        self.has_seen_refresh = wants;
    }

    /// Returns the newest revision that is known, and what is wrong with the source.
    pub(super) async fn resolve(&mut self, spec: &SourceSpec) -> (Option<Revision>, Option<Failure>) {
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
                shared.note_revision(&spec.remote, &spec.wanted, revision);
                source.known = Some(revision.clone());
            }
            if source.commit.as_ref().is_none_or(|(of, _)| !of.is_same(revision)) {
                let commit = shared.commit(spec, revision).await;
                source.commit = commit.map(|commit| (revision.clone(), commit));
            }
        }
        (revision, failure)
    }

    pub(super) async fn watch_source(&mut self, resource: &Object, spec: &SourceSpec) -> Result<Next, ApiError> {
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

    /// Resolves the revision that a request names instead of the app's own.
    pub(super) async fn requested_revision(
        &mut self,
        app: &App,
        request: Option<&bowline_model::SyncRequest>,
    ) -> Result<Option<Revision>, Failure> {
        let Some(wanted) = request.and_then(|request| request.wanted.as_ref()) else { return Ok(None) };
        if *wanted == app.source.wanted {
            return Ok(None);
        }
        let mut subscription =
            self.shared.sources.subscribe(&app.source.remote, wanted, app.source.interval, app.source.timeout);
        subscription.fresh().await.outcome.map(Some).map_err(|error| source_failure(&error))
    }

    /// Renders a revision. What was wrong with the files of this very revision is not found out twice; that they
    /// could not be read may have been the clone's fault.
    pub(super) async fn render(&mut self, app: &App, revision: &Revision) -> Result<Written, Failure> {
        let surroundings = self.surroundings(app, revision).await?;
        if let Some((of, rendered)) = &self.rendered
            && of == revision
            && rendered.how == app.render
            && rendered.is_for(surroundings.as_ref())
            && let Err(failure) = &rendered.outcome
            && failure.reason != Reason::SourceUnreadable
        {
            return Err(failure.clone());
        }
        let tree = self.shared.tree(&app.source, revision).await.map_err(|error| source_failure(&error))?;
        self.wanted = None;
        let how = app.render.clone();
        let chance = match &surroundings {
            Some(_) => self.chance(app, revision).await,
            None => Chance::default(),
        };
        // Reading a tree blocks on the disk.
        let (rendered, objects) = tokio::task::spawn_blocking(move || render_tree(&*tree, &how, surroundings, &chance))
            .await
            .map_err(|error| Failure::new(Reason::Internal, format!("a render broke off: {error}")))?;
        Counters::add(&self.shared.counters.renders);
        if rendered.outcome.is_err() {
            // Whatever is wrong may be wrong with the clone.
            self.shared.forget_tree(&app.source, revision);
        }
        let outcome = rendered.outcome.clone();
        self.rendered = Some((revision.clone(), rendered));
        outcome.map(|()| objects)
    }

    /// Returns what a chart would see of the world; `None` where there is no chart.
    async fn surroundings(&self, app: &App, revision: &Revision) -> Result<Option<Surroundings>, Failure> {
        let options = match &app.render {
            Render::Directory(_) => return Ok(None),
            Render::Chart(options) | Render::Detect(_, options) => options,
        };
        let discovery = self.shared.cluster.discovery().await.map_err(|error| {
            let failure =
                Failure::new(Reason::ClusterUnreachable, format!("what the cluster serves is not known: {error}"));
            failure.transient()
        })?;
        Ok(Some(Surroundings {
            kube_version: discovery.version().to_owned(),
            api_versions: discovery.api_versions(),
            revision: options.names_revision().then(|| revision.clone()),
        }))
    }

    /// Returns the time and the chance that templates see.
    async fn chance(&self, app: &App, revision: &Revision) -> Chance {
        let commit = self.shared.commit(&app.source, revision).await;
        let mut hasher = Sha256::new();
        hasher.update(self.shared.options.seed.to_le_bytes());
        hasher.update(app.uid.as_bytes());
        Chance { now: commit.map_or(0, |commit| commit.date.as_second()), seed: hasher.finalize().into() }
    }

    /// Tells whether a revision renders to the same objects as the one before, by what the render read.
    pub(super) async fn renders_the_same(&mut self, app: &App, revision: &Revision) -> Result<bool, Failure> {
        let Some((of, rendered)) = &self.rendered else { return Ok(false) };
        if rendered.how != app.render || rendered.outcome.is_err() {
            return Ok(false);
        }
        let surroundings = match rendered.surroundings {
            Some(_) => self.surroundings(app, revision).await?,
            None => None,
        };
        if !rendered.is_for(surroundings.as_ref()) {
            return Ok(false);
        }
        if of == revision {
            return Ok(true);
        }
        let tree = self.shared.tree(&app.source, revision).await.map_err(|error| source_failure(&error))?;
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
}

pub(super) fn source_failure(error: &bowline_source::SourceError) -> Failure {
    let failure = Failure::of(error);
    debug_assert_eq!(failure.reason, error.reason());
    if error.is_transient() { failure.transient() } else { failure }
}
