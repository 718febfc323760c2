//! Carries a plan out: the only code that changes a cluster's objects.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_cluster::{ApiError, ApiResource, ApplyOptions, Deleted, Known};
use bowline_model::{
    App, Desired, Explain as _, Failure, Gvk, HealthStatus, Object, ObjectKey, ObjectOutcome, ObjectResult, Phase,
    Reason,
};
use bowline_plan::{Accepted, Action, Item, Skip, Step, respected};
use bowline_smd::TypeRef;
use futures::stream::{self, StreamExt as _};
use serde_json::json;
use tokio::time::Instant;
use tracing::debug;

use crate::decide::Mandate;
use crate::happening::Counters;
use crate::index::Mailbox;
use crate::look::{Look, Wanted, images, served};
use crate::shared::Shared;
use crate::standing::all_have_looked;

/// Writes of one app under way at once. The gate of the cluster bounds all apps together.
const WRITES_AT_ONCE: usize = 16;

/// How often a write is tried again when another write came between.
const CONFLICT_RETRIES: u32 = 6;

/// How long a new definition may take to be served.
const DEFINITION_PATIENCE: Duration = Duration::from_mins(1);

/// How long a deleted object may take to make room for its replacement.
const REPLACE_PATIENCE: Duration = Duration::from_mins(1);

/// One sync being carried out.
pub(crate) struct Carry<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) app: &'a App,
    pub(crate) wanted: &'a Wanted,
    pub(crate) look: &'a Look,
    pub(crate) mandate: &'a Mandate,
    /// Wakes when live objects change, which is when waiting for health looks again.
    pub(crate) mailbox: &'a Mailbox,
    /// Tells whether something newer is desired, so that this sync need not go on.
    pub(crate) superseded: &'a (dyn Fn() -> bool + Sync),
    pub(crate) deadline: Instant,
    pub(crate) accepted: &'a mut Accepted,
    pub(crate) results: Vec<ObjectResult>,
}

/// How a sync ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// Everything was written, and every wave but the last became healthy.
    Done,
    /// Something could not be written, or did not become healthy.
    Failed(Failure),
    /// Something newer is desired.
    Superseded,
    /// The process is going down.
    Interrupted,
}

/// What came of one write.
struct Written {
    result: ObjectResult,
    answer: Option<Object>,
    failure: Option<Failure>,
}

impl Carry<'_> {
    /// Writes everything the plan says, wave after wave, and prunes last.
    pub(crate) async fn run(&mut self) -> End {
        let mut end = self.phases().await;
        if let End::Failed(_) = end {
            for step in self.look.plan.steps(Phase::SyncFail) {
                self.write_step(&step).await;
            }
        }
        if end == End::Done {
            end = self.prune().await;
        }
        self.remove_hooks(&end).await;
        end
    }

    async fn phases(&mut self) -> End {
        if let Err(failure) = self.create_namespace().await {
            return End::Failed(failure);
        }
        let steps: Vec<Step> = [Phase::PreSync, Phase::Sync, Phase::PostSync]
            .into_iter()
            .flat_map(|phase| self.look.plan.steps(phase))
            .collect();
        for (at, step) in steps.iter().enumerate() {
            if let Some(end) = self.stop() {
                return end;
            }
            if let Some(failure) = self.write_step(step).await {
                return End::Failed(failure);
            }
            let is_running = |at: &usize| self.look.plan.items[*at].is_hook && self.takes(&self.look.plan.items[*at]);
            let has_hooks = step.groups.iter().flatten().any(is_running);
            let is_followed = at + 1 < steps.len();
            if (is_followed && self.app.sync.wait_between_waves || has_hooks) && !self.mandate.dry_run {
                match self.wait_for_wave(step).await {
                    End::Done => {}
                    other => return other,
                }
            }
        }
        End::Done
    }

    fn stop(&self) -> Option<End> {
        if self.shared.shutdown.is_cancelled() {
            Some(End::Interrupted)
        } else if (self.superseded)() {
            Some(End::Superseded)
        } else {
            None
        }
    }

    /// Tells whether this sync has to do with an item.
    fn takes(&self, item: &Item) -> bool {
        (!item.is_hook || self.mandate.runs_hooks) && self.is_selected(&item.key)
    }

    fn is_selected(&self, key: &ObjectKey) -> bool {
        let only = self.mandate.request.as_ref().map_or(&[][..], |request| &request.only);
        only.is_empty()
            || only.iter().any(|one| {
                one.group == key.group
                    && one.kind == key.kind
                    && (one.name.is_empty() || one.name == key.name)
                    && (one.namespace.is_empty() || one.namespace == key.namespace)
            })
    }

    /// Makes the destination namespace where the app asks for it and there is none.
    async fn create_namespace(&mut self) -> Result<(), Failure> {
        let (Some(metadata), Some(name)) = (&self.app.sync.create_namespace, &self.app.destination.namespace) else {
            return Ok(());
        };
        let key = ObjectKey::new("", "Namespace", "", &**name);
        if self.wanted.objects.iter().any(|desired| desired.object.key() == key) {
            return Ok(());
        }
        let of = |error: ApiError| failure_of(&error);
        let Some(resource) = self.shared.cluster.resource(&Gvk::new("", "v1", "Namespace")).await.map_err(of)? else {
            return Ok(());
        };
        let live = crate::look::read(self.shared, &resource, &key).await.map_err(of)?;
        let has = |map: &BTreeMap<String, String>, field: &str| {
            live.as_ref().is_some_and(|live| {
                let have = live.at(&format!("/metadata/{field}"));
                map.iter().all(|(key, value)| have.and_then(|have| have.get(key)) == Some(&json!(value)))
            })
        };
        if live.is_some() && has(&metadata.labels, "labels") && has(&metadata.annotations, "annotations") {
            return Ok(());
        }
        let namespace = Object::from_value(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": metadata.labels, "annotations": metadata.annotations},
        }))
        .expect("holds because it has a kind and a name");
        let options = ApplyOptions { manager: &self.app.field_manager, dry_run: self.mandate.dry_run };
        match self.shared.cluster.apply(&resource, &namespace, options).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure_of(&error)),
        }
    }

    /// Writes one wave, kind after kind. Objects do not stand in each other's way: all of the wave is tried,
    /// and the first failure is returned at the end of it.
    async fn write_step(&mut self, step: &Step) -> Option<Failure> {
        let mut first_failure: Option<Failure> = None;
        let mut failures = 0;
        for group in &step.groups {
            let carry = &*self;
            let written: Vec<Written> = stream::iter(group.iter().copied())
                .filter(|at| std::future::ready(carry.takes(&carry.look.plan.items[*at])))
                .map(|at| carry.write(at))
                .buffered(WRITES_AT_ONCE)
                .collect()
                .await;
            let mut definitions = Vec::new();
            for written in written {
                if let (Some(answer), false) = (&written.answer, self.mandate.dry_run) {
                    self.learn(answer);
                    if answer.kind() == "CustomResourceDefinition" {
                        definitions.push(answer.clone());
                    }
                }
                if let Some(failure) = written.failure {
                    failures += 1;
                    first_failure.get_or_insert(failure);
                }
                self.results.push(written.result);
            }
            for definition in definitions {
                if let Err(failure) = self.wait_for_definition(&definition).await {
                    failures += 1;
                    first_failure.get_or_insert(failure);
                }
            }
        }
        let mut failure = first_failure?;
        if failures > 1 {
            failure.message = format!("{} (and {} more)", failure.message, failures - 1);
        }
        Some(failure)
    }

    /// Remembers what the server made of a write, so that it is no drift.
    fn learn(&mut self, answer: &Object) {
        let key = answer.key();
        let Some(desired) = self.wanted.objects.iter().find(|desired| desired.object.key() == key) else { return };
        let untyped = TypeRef::deduced();
        let ty = self.wanted.types.get(&desired.object.gvk()).unwrap_or(&untyped);
        // A field that was sent as it is was not refused by the server: it departs once it is no more left to others.
        let kept = self.respected(ty, desired);
        let sent = kept.as_ref().unwrap_or(&desired.object);
        self.accepted.note_answer(ty, sent, answer, &self.app.field_manager);
    }

    /// Returns what is sent of an object where it has fields that are left to others.
    fn respected(&self, ty: &TypeRef, desired: &Desired) -> Option<Object> {
        let live = self.look.live.get(&desired.object.key()).and_then(Option::as_ref);
        let live = live.map(|live| &live.object);
        respected(&self.app.diff, ty, &desired.object, live, &self.app.field_manager)
    }

    async fn write(&self, at: usize) -> Written {
        let item = &self.look.plan.items[at];
        let desired = &self.wanted.objects[item.desired.expect("holds because steps hold desired objects only")];
        let outcome = match &item.action {
            Action::Blocked(failure) => Err(failure.clone()),
            Action::Hook => self.run_hook(desired).await,
            _ => self.apply(item, desired).await,
        };
        let (outcome, answer, failure) = match outcome {
            Ok((outcome, answer)) => (outcome, Some(answer), None),
            Err(failure) => (ObjectOutcome::Failed, None, Some(failure)),
        };
        let failure = failure.map(|mut failure| {
            if bowline_model::is_planted(bowline_model::Planted::FailureQuotesSecret) {
                failure.message = format!("{}: {}", failure.message, desired.object.value());
            }
            failure.at = failure.at.or_else(|| desired.origin.clone());
            failure
        });
        Written {
            result: ObjectResult {
                key: item.key.clone(),
                version: item.version.clone(),
                phase: item.phase,
                is_hook: item.is_hook,
                outcome,
                message: failure.as_ref().map(Failure::one_line).unwrap_or_default(),
                images: images(&desired.object),
            },
            answer,
            failure: failure.map(|mut failure| {
                if !failure.message.contains(&item.key.name) {
                    failure.message = format!("{}: {}", item.key, failure.message);
                }
                failure
            }),
        }
    }

    async fn resource(&self, gvk: &Gvk) -> Result<ApiResource, Failure> {
        if let Some(resource) = self.wanted.resources.get(gvk) {
            return Ok(resource.clone());
        }
        match self.shared.cluster.resource(gvk).await {
            Ok(Some(resource)) => Ok(resource),
            Ok(None) => Err(failure_of(&ApiError::UnknownKind(gvk.to_string()))),
            Err(error) => Err(failure_of(&error)),
        }
    }

    async fn apply(&self, item: &Item, desired: &Desired) -> Result<(ObjectOutcome, Object), Failure> {
        let resource = self.resource(&desired.object.gvk()).await?;
        let options = ApplyOptions { manager: &self.app.field_manager, dry_run: self.mandate.dry_run };
        let before = self.look.live.get(&item.key).and_then(Option::as_ref);
        let untyped = TypeRef::deduced();
        let ty = self.wanted.types.get(&desired.object.gvk()).unwrap_or(&untyped);
        let kept = self.respected(ty, desired);
        let object = kept.as_ref().unwrap_or(&desired.object);
        let mut attempt = 0;
        let answer = loop {
            Counters::add(&self.shared.counters.applies);
            match self.shared.cluster.apply(&resource, object, options).await {
                Ok(answer) => break answer,
                Err(error) if error.is_conflict() && attempt < CONFLICT_RETRIES => {
                    attempt += 1;
                    tokio::time::sleep(self.shared.jitter(Duration::from_millis(10 << attempt))).await;
                }
                Err(error) if error.is_immutable() && (desired.rules.force || self.app.sync.force) => {
                    break self.replace(&resource, desired, &error).await?;
                }
                Err(error) => return Err(failure_of(&error)),
            }
        };
        let outcome = match before {
            None => ObjectOutcome::Created,
            Some(before) if before.object.resource_version() == answer.resource_version() => ObjectOutcome::Unchanged,
            Some(_) => ObjectOutcome::Configured,
        };
        Ok((outcome, answer))
    }

    /// Deletes an object that cannot be changed, and makes it anew.
    ///
    /// The replacement is checked by the server first: an object that could not be made again is not deleted.
    async fn replace(&self, resource: &ApiResource, desired: &Desired, refusal: &ApiError) -> Result<Object, Failure> {
        let key = desired.object.key();
        let of = |error: ApiError| failure_of(&error);
        if self.mandate.dry_run {
            return Err(failure_of(refusal));
        }
        let check = ApplyOptions { manager: &self.app.field_manager, dry_run: true };
        match self.shared.cluster.create(resource, &desired.object, check).await {
            // The name is taken, which is looked at after everything else was found good.
            Err(error) if error.is_conflict() => {}
            Ok(_) => {}
            Err(error) => return Err(failure_of(&error)),
        }
        let Some(live) = self.shared.cluster.read(resource, &key.namespace, &key.name).await.map_err(of)? else {
            let options = ApplyOptions { manager: &self.app.field_manager, dry_run: false };
            return self.shared.cluster.apply(resource, &desired.object, options).await.map_err(of);
        };
        self.shared
            .cluster
            .delete(resource, &key.namespace, &key.name, live.uid(), self.app.sync.propagation, false)
            .await
            .map_err(of)?;
        let until = Instant::now() + REPLACE_PATIENCE;
        loop {
            match self.shared.cluster.read(resource, &key.namespace, &key.name).await.map_err(of)? {
                Some(still) if still.uid() == live.uid() => {}
                _ => break,
            }
            if Instant::now() > until {
                return Err(Failure::new(
                    Reason::TimedOut,
                    format!("{key} was deleted to be replaced, and is still there after {REPLACE_PATIENCE:?}"),
                )
                .transient());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let options = ApplyOptions { manager: &self.app.field_manager, dry_run: false };
        self.shared.cluster.apply(resource, &desired.object, options).await.map_err(of)
    }

    /// Makes a hook's object, once: one that is there already from the same sync is left to run.
    async fn run_hook(&self, desired: &Desired) -> Result<(ObjectOutcome, Object), Failure> {
        let resource = self.resource(&desired.object.gvk()).await?;
        let key = desired.object.key();
        let of = |error: ApiError| failure_of(&error);
        let hook = desired.rules.hook.unwrap_or_default();
        if let Some(live) = crate::look::read(self.shared, &resource, &key).await.map_err(of)?
            && hook.delete_before_creation
            && !self.mandate.dry_run
        {
            self.shared
                .cluster
                .delete(&resource, &key.namespace, &key.name, live.uid(), bowline_model::Propagation::Background, false)
                .await
                .map_err(of)?;
            self.wait_until_gone(&resource, &key, live.uid()).await?;
        }
        let options = ApplyOptions { manager: &self.app.field_manager, dry_run: self.mandate.dry_run };
        let answer = self.shared.cluster.apply(&resource, &desired.object, options).await.map_err(of)?;
        Ok((ObjectOutcome::Running, answer))
    }

    async fn wait_until_gone(&self, resource: &ApiResource, key: &ObjectKey, uid: &str) -> Result<(), Failure> {
        let until = Instant::now() + REPLACE_PATIENCE;
        while let Known::Yes(Some(live)) = self.shared.cluster.get(&resource.gvk, &key.namespace, &key.name)
            && live.uid == uid
        {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || tokio::time::timeout(left, self.mailbox.wait()).await.is_err() {
                return Err(Failure::new(Reason::TimedOut, format!("{key} does not go away")).transient());
            }
        }
        Ok(())
    }

    /// Waits until a definition that was just applied is served, and its kind can be written.
    async fn wait_for_definition(&self, definition: &Object) -> Result<(), Failure> {
        let (Some(group), Some(kind)) = (definition.text("/spec/group"), definition.text("/spec/names/kind")) else {
            return Ok(());
        };
        let versions = definition.at("/spec/versions").and_then(serde_json::Value::as_array);
        let served: Vec<_> = versions
            .into_iter()
            .flatten()
            .filter(|version| version["served"].as_bool() == Some(true))
            .filter_map(|version| Some(Gvk::new(group, version["name"].as_str()?, kind)))
            .collect();
        let until = Instant::now() + DEFINITION_PATIENCE;
        let mut wait = Duration::from_millis(10);
        self.shared.cluster.forget_schemas(group);
        loop {
            let outdated = self.shared.cluster.discovery().await.map_err(|error| failure_of(&error))?;
            let mut all = true;
            for gvk in &served {
                all &= matches!(outdated.resource(gvk), Ok(Some(_)));
            }
            if all {
                return Ok(());
            }
            if Instant::now() > until {
                let what = format!("{} is not served {DEFINITION_PATIENCE:?} after it was applied", definition.name());
                return Err(Failure::new(Reason::TimedOut, what).transient());
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(1));
            self.shared.cluster.rediscover(Some(&outdated)).await.map_err(|error| failure_of(&error))?;
        }
    }

    /// Waits until all objects of a wave are healthy; fails when one of them has failed.
    async fn wait_for_wave(&mut self, step: &Step) -> End {
        let keys: Vec<(ObjectKey, Gvk)> = self
            .look
            .plan
            .items
            .iter()
            .filter(|item| item.phase == step.phase && item.wave == step.wave && item.desired.is_some())
            .filter(|item| !matches!(item.action, Action::Skip(Skip::LeftAlone)) && self.takes(item))
            .map(|item| (item.key.clone(), Gvk::new(&*item.key.group, &*item.version, &*item.key.kind)))
            .collect();
        loop {
            match self.wave_health(&keys) {
                WaveHealth::Healthy => return End::Done,
                WaveHealth::Failed(failure) => return End::Failed(failure),
                WaveHealth::Waiting(waits_for) => {
                    let left = self.deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        let what = format!("{waits_for} did not become healthy in time");
                        return End::Failed(Failure::new(Reason::Unhealthy, what).transient());
                    }
                    if let Some(end) = self.stop() {
                        return end;
                    }
                    tokio::select! {
                        biased;
                        () = self.shared.shutdown.cancelled() => return End::Interrupted,
                        () = self.mailbox.wait() => {}
                        // The source is asked now and then too: a newer revision does not wake a sync.
                        () = tokio::time::sleep(left.min(Duration::from_millis(500))) => {}
                    }
                }
            }
        }
    }

    fn wave_health(&self, keys: &[(ObjectKey, Gvk)]) -> WaveHealth {
        for (key, gvk) in keys {
            let ignores =
                self.wanted.objects.iter().any(|desired| desired.rules.ignore_health && desired.object.key() == *key);
            if ignores {
                continue;
            }
            let live = match self.shared.cluster.get(gvk, &key.namespace, &key.name) {
                Known::Yes(Some(live)) => live.object(),
                // Kinds that were defined just now are not watched yet; nothing is known against them.
                Known::NotYet => continue,
                Known::Yes(None) => return WaveHealth::Waiting(key.clone()),
            };
            match self.look.rules.assess(self.app.health.judge, &live, self.shared.now().as_second()) {
                None => {}
                Some(health) => match health.status {
                    HealthStatus::Healthy => {}
                    HealthStatus::Degraded => {
                        let what = format!("{key} is degraded: {}", health.message);
                        return WaveHealth::Failed(Failure::new(Reason::Unhealthy, what).transient());
                    }
                    _ => return WaveHealth::Waiting(key.clone()),
                },
            }
        }
        WaveHealth::Healthy
    }

    /// Deletes what is no longer desired, in the reverse of the order of making.
    async fn prune(&mut self) -> End {
        let prunes: Vec<(Item, String)> = self
            .look
            .plan
            .prunes()
            .filter(|(_, item, _)| self.is_selected(&item.key))
            .map(|(_, item, uid)| (item.clone(), uid.to_owned()))
            .collect();
        let mut first_failure = None;
        if !prunes.is_empty()
            && !self.mandate.dry_run
            && !bowline_model::is_planted(bowline_model::Planted::PrunesBeforeTheHeirLooks)
        {
            let looked = tokio::select! {
                biased;
                () = self.shared.shutdown.cancelled() => return End::Interrupted,
                looked = all_have_looked(self.shared, self.app) => looked,
            };
            if let Err(failure) = looked {
                return End::Failed(failure);
            }
        }
        for (item, uid) in prunes {
            if let Some(end) = self.stop() {
                return end;
            }
            // Another app may have come to desire it since the plan was made.
            if !bowline_model::is_planted(bowline_model::Planted::PrunesWhatOthersDesire)
                && !self.shared.index.claimed_by_others(&item.key, &self.app.id).is_empty()
            {
                continue;
            }
            let outcome = self.delete(&item, &uid).await;
            let (outcome, message) = match outcome {
                Ok(()) => (ObjectOutcome::Pruned, "pruned".to_owned()),
                Err(failure) => {
                    let message = failure.one_line();
                    first_failure.get_or_insert(failure);
                    (ObjectOutcome::Failed, message)
                }
            };
            self.results.push(ObjectResult {
                key: item.key,
                version: item.version,
                phase: Phase::Sync,
                is_hook: false,
                outcome,
                message,
                images: Vec::new(),
            });
        }
        for item in self.look.plan.items.iter().filter(|item| item.requires_pruning()) {
            if let Action::Skip(skip) = item.action {
                let message = match skip {
                    Skip::AsksToStay => "the object asks not to be pruned",
                    Skip::IsGoing => "the object is being deleted",
                    _ => "pruning is disabled",
                };
                self.results.push(ObjectResult {
                    key: item.key.clone(),
                    version: item.version.clone(),
                    phase: Phase::Sync,
                    is_hook: false,
                    outcome: ObjectOutcome::PruneSkipped,
                    message: message.to_owned(),
                    images: Vec::new(),
                });
            }
        }
        first_failure.map_or(End::Done, End::Failed)
    }

    async fn delete(&self, item: &Item, uid: &str) -> Result<(), Failure> {
        let of = |error: ApiError| failure_of(&error);
        let Some(resource) = served(self.shared, &item.key, &item.version).await.map_err(of)? else { return Ok(()) };
        Counters::add(&self.shared.counters.prunes);
        let (namespace, name) = (&item.key.namespace, &item.key.name);
        let propagation = self.app.sync.propagation;
        let deleted =
            self.shared.cluster.delete(&resource, namespace, name, uid, propagation, self.mandate.dry_run).await;
        match deleted.map_err(of)? {
            Deleted::Yes | Deleted::WasGone => Ok(()),
            Deleted::WasAnother => {
                debug!(object = %item.key, "An object was replaced before it could be pruned, and is left");
                Ok(())
            }
        }
    }

    /// Takes finished hooks away, as their policies say.
    async fn remove_hooks(&mut self, end: &End) {
        if self.mandate.dry_run {
            return;
        }
        let failed = matches!(end, End::Failed(_));
        for result in self.results.iter_mut().filter(|result| result.outcome == ObjectOutcome::Running) {
            let desired = self.wanted.objects.iter().find(|desired| desired.object.key() == result.key);
            let Some(hook) = desired.and_then(|desired| desired.rules.hook) else { continue };
            result.outcome = if failed { ObjectOutcome::Failed } else { ObjectOutcome::Created };
            if !(failed && hook.delete_when_failed || !failed && hook.delete_when_succeeded) {
                continue;
            }
            let removed = async {
                let Some(resource) = served(self.shared, &result.key, &result.version).await? else { return Ok(()) };
                let key = &result.key;
                if let Some(live) = self.shared.cluster.read(&resource, &key.namespace, &key.name).await? {
                    let background = bowline_model::Propagation::Background;
                    self.shared
                        .cluster
                        .delete(&resource, &key.namespace, &key.name, live.uid(), background, false)
                        .await?;
                }
                Ok::<_, ApiError>(())
            };
            if let Err(error) = removed.await {
                debug!(hook = %result.key, %error, "A finished hook could not be removed");
            }
        }
    }
}

enum WaveHealth {
    Healthy,
    Waiting(ObjectKey),
    Failed(Failure),
}

/// Takes over the facts of a refusal.
pub(crate) fn failure_of(error: &ApiError) -> Failure {
    let failure = Failure::of(error);
    debug_assert_eq!(failure.reason, error.reason());
    if error.is_transient() { failure.transient() } else { failure }
}
