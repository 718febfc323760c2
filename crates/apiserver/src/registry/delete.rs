//! Deletion: preconditions, finalizers, grace, and what becomes of dependents.
//!
//! Follows `apiserver/pkg/registry/generic/registry/store.go` and `pkg/api/rest/delete.go` of v1.35.4, step by step: which of
//! a write, a removal or both happens decides what watchers see.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    DeleteOptions, Propagation, Registry, Target, WriteOptions, finalizers, is_terminating, meta_text, metadata,
};
use crate::clock::rfc3339_seconds;
use crate::crd;
use crate::error::{ApiError, Details, deleted_status};
use crate::resource::Resource;
use crate::rules;
use crate::store::Stored;
use crate::webhooks::convert::settled;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// What a delete left.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; the value is what the client is told, a `Status` or the object's last state.
    Gone(Arc<Value>),
    /// The object is still there, waiting for finalizers or its grace period.
    Terminating(Arc<Value>),
}

/// How a deletion begins.
#[derive(Debug, PartialEq, Eq)]
enum Begun {
    /// The kind knows no grace.
    Graceless,
    /// The object was marked, and may take this many seconds.
    Graceful(i64),
    /// It was marked before, and nothing changes.
    Pending,
}

impl Registry<'_> {
    /// Deletes one object, or begins to.
    pub(crate) fn delete(
        &mut self,
        target: &Target<'_>,
        delete: &DeleteOptions,
        options: &mut WriteOptions,
    ) -> Result<Deleted, ApiError> {
        let resource = target.resource;
        rules::check_delete(resource, target.name)?;
        rules::warn_of_default_propagation(resource, delete, options);
        let live = self.live(target)?;
        let is_container = rules::is_namespace(resource) || rules::is_definition(resource);
        if is_container {
            check_container(target, &live, delete)?;
            // It is this one, whatever the client knows of it.
            options.note("preconditions/uid", json!(&*live.uid));
            self.judge_delete(target, &rules::present(resource, &live.value), options)?;
            if !is_terminating(&live.value) {
                return self.begin_container(target, &live, delete, options);
            }
            let holds = match live.value.pointer("/spec/finalizers") {
                Some(names) if rules::is_namespace(resource) => names.as_array().is_some_and(|names| !names.is_empty()),
                _ => !finalizers(&live.value).is_empty(),
            };
            if holds {
                return Ok(Deleted::Terminating(rules::present(resource, &live.value)));
            }
        } else {
            check_preconditions(target, &live, delete)?;
        }

        let mut next = Value::clone(&rules::present(resource, &live.value));
        let now = self.clock.now();
        let begun = begin(resource, &mut next, delete, now);
        if begun == Begun::Pending {
            let shown = rules::present(resource, &live.value);
            return Ok(Deleted::Terminating(told(target, &live, shown)));
        }
        if let Begun::Graceful(grace) = begun {
            options.note("gracePeriodSeconds", json!(grace));
        }
        if !is_container {
            self.judge_delete(target, &rules::present(resource, &live.value), options)?;
        }
        let left = finalizers_after(resource, &next, delete);
        set_finalizers(&mut next, &left);
        if begun == Begun::Graceful(0) && left.is_empty() && !options.dry_run {
            // What is marked and goes at once is asked about twice, and here before either is done.
            self.judge_delete(target, &next, options)?;
        }
        match begun {
            Begun::Graceful(grace) => {
                let stored = self.mark(target, &live, next, options)?;
                if !left.is_empty() || grace > 0 || options.dry_run {
                    return Ok(Deleted::Terminating(stored));
                }
            }
            _ if !left.is_empty() => {
                mark_as_deleting(&mut next, now);
                return Ok(Deleted::Terminating(self.mark(target, &live, next, options)?));
            }
            _ => {}
        }
        settled()?;
        let last = if options.dry_run { Some(Arc::clone(&live)) } else { self.remove(resource, &target.key()) };
        let last = last.map_or_else(|| Arc::clone(&live.value), |last| Arc::clone(&last.value));
        let shown = rules::present(resource, &last);
        Ok(Deleted::Gone(told(target, &live, shown)))
    }

    fn judge_delete(&mut self, target: &Target<'_>, live: &Value, options: &mut WriteOptions) -> Result<(), ApiError> {
        // One of many that go at once is not named.
        let name = if options.unnamed { "" } else { target.name };
        self.admit_deletion(target, name, live, options)
    }

    /// Stores a new state, unless it is the old one or nothing is to be stored.
    fn mark(
        &mut self,
        target: &Target<'_>,
        live: &Arc<Stored>,
        next: Value,
        options: &WriteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        let shown = rules::present(target.resource, &live.value);
        if options.dry_run || next == *shown {
            return Ok(Arc::new(next));
        }
        let stored = self.commit(target.resource, target.key(), next)?;
        Ok(rules::present(target.resource, &stored.value))
    }

    /// Begins the end of a namespace or CRD, whose contents go first.
    fn begin_container(
        &mut self,
        target: &Target<'_>,
        live: &Arc<Stored>,
        delete: &DeleteOptions,
        options: &WriteOptions,
    ) -> Result<Deleted, ApiError> {
        let resource = target.resource;
        let mut next = Value::clone(&rules::present(resource, &live.value));
        let now = self.clock.now_seconds();
        metadata(&mut next).insert("deletionTimestamp".to_owned(), json!(now));
        let mut left: Vec<String> = finalizers(&next).into_iter().map(str::to_owned).collect();
        if rules::is_namespace(resource) {
            next["status"]["phase"] = json!("Terminating");
            left = container_finalizers(left, delete);
        } else {
            if !left.iter().any(|name| name == crd::CLEANUP_FINALIZER) {
                left.push(crd::CLEANUP_FINALIZER.to_owned());
            }
            crd::begin_termination(&mut next, &now);
        }
        set_finalizers(&mut next, &left);
        Ok(Deleted::Terminating(self.mark(target, live, next, options)?))
    }

    /// Deletes the given objects of one collection; those gone meanwhile are no mistake.
    pub(crate) fn delete_all(
        &mut self,
        target: &Target<'_>,
        objects: &[Arc<Value>],
        delete: &DeleteOptions,
        options: &mut WriteOptions,
    ) -> Result<(), ApiError> {
        rules::warn_of_default_propagation(target.resource, delete, options);
        options.unnamed = true;
        for object in objects {
            let (namespace, name) = (meta_text(object, "namespace"), meta_text(object, "name"));
            let one = Target { resource: target.resource, namespace, name, subresource: "" };
            match self.delete(&one, delete, options) {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns what a client is told of an object that goes: some kinds show its last state.
fn told(target: &Target<'_>, live: &Stored, last: Arc<Value>) -> Arc<Value> {
    if rules::shows_deleted(target.resource) {
        last
    } else {
        Arc::new(deleted_status(target.resource, target.name, &live.uid))
    }
}

/// Marks an object that may take its time to end.
fn begin(resource: &Resource, next: &mut Value, delete: &DeleteOptions, now: jiff::Timestamp) -> Begun {
    if !rules::is_graceful(resource) {
        return Begun::Graceless;
    }
    // A negative period stands for the shortest one.
    let asked = delete.grace_period_secs.map(|secs| if secs < 0 { 1 } else { secs });
    let at = |from: jiff::Timestamp, secs: i64| {
        rfc3339_seconds(from.checked_add(jiff::SignedDuration::from_secs(secs)).unwrap_or(jiff::Timestamp::MAX))
    };
    let marked = next["metadata"]["deletionTimestamp"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    if let Some(marked) = marked {
        let Some(have) = next["metadata"]["deletionGracePeriodSeconds"].as_i64() else { return Begun::Graceless };
        let Some(asked) = asked.filter(|asked| *asked < have) else { return Begun::Pending };
        metadata(next).insert("deletionTimestamp".to_owned(), json!(at(marked, asked - have)));
        metadata(next).insert("deletionGracePeriodSeconds".to_owned(), json!(asked));
        return Begun::Graceful(asked);
    }
    let grace = rules::grace_period(next, asked);
    let generation = next["metadata"]["generation"].as_i64().filter(|generation| *generation > 0);
    let meta = metadata(next);
    meta.insert("deletionTimestamp".to_owned(), json!(at(now, grace)));
    meta.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
    if let Some(generation) = generation {
        meta.insert("generation".to_owned(), json!(generation + 1));
    }
    Begun::Graceful(grace)
}

/// Marks an object that waits for its finalizers.
fn mark_as_deleting(next: &mut Value, now: jiff::Timestamp) {
    let generation = next["metadata"]["generation"].as_i64().filter(|generation| *generation > 0);
    let marked = next["metadata"]["deletionTimestamp"].as_str().map(str::parse::<jiff::Timestamp>);
    let meta = metadata(next);
    if let (None, Some(generation)) = (&marked, generation) {
        meta.insert("generation".to_owned(), json!(generation + 1));
    }
    if !matches!(marked, Some(Ok(at)) if at <= now) {
        meta.insert("deletionTimestamp".to_owned(), json!(rfc3339_seconds(now)));
    }
    meta.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
}

fn set_finalizers(object: &mut Value, names: &[String]) {
    let have: BTreeSet<&str> = finalizers(object).into_iter().collect();
    if have == names.iter().map(String::as_str).collect() {
        return;
    }
    if names.is_empty() {
        metadata(object).remove("finalizers");
    } else {
        metadata(object).insert("finalizers".to_owned(), json!(names));
    }
}

/// Returns the finalizers once the propagation policy has had its say.
fn finalizers_after(resource: &Resource, object: &Value, delete: &DeleteOptions) -> Vec<String> {
    let mut left: Vec<String> = finalizers(object).into_iter().map(str::to_owned).collect();
    let has = |name: &str| left.iter().any(|have| have == name);
    let policy = match (delete.orphan_dependents, delete.propagation) {
        // Events have no dependents.
        _ if resource.plural == "events" && resource.custom().is_none() => None,
        (Some(true), _) => Some(Propagation::Orphan),
        (Some(false), _) => None,
        (None, Some(asked)) => Some(asked),
        (None, None) if has(ORPHAN) => Some(Propagation::Orphan),
        (None, None) if has(FOREGROUND) => Some(Propagation::Foreground),
        (None, None) => rules::orphans_by_default(resource).then_some(Propagation::Orphan),
    };
    left.retain(|name| name != ORPHAN && name != FOREGROUND);
    match policy {
        Some(Propagation::Orphan) => left.push(ORPHAN.to_owned()),
        Some(Propagation::Foreground) => left.push(FOREGROUND.to_owned()),
        Some(Propagation::Background) | None => {}
    }
    left
}

/// Does the same for a namespace, which has rules of its own.
fn container_finalizers(have: Vec<String>, delete: &DeleteOptions) -> Vec<String> {
    let decide =
        |name: &str, by_orphaning: bool, policy: Propagation| match (delete.orphan_dependents, delete.propagation) {
            (Some(orphan), _) => orphan == by_orphaning,
            (None, Some(asked)) => asked == policy,
            (None, None) => have.iter().any(|have| have == name),
        };
    let wanted = [
        (ORPHAN, decide(ORPHAN, true, Propagation::Orphan)),
        (FOREGROUND, decide(FOREGROUND, false, Propagation::Foreground)),
    ];
    let mut left: Vec<String> = have.iter().filter(|name| *name != ORPHAN && *name != FOREGROUND).cloned().collect();
    left.extend(wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name.to_owned()));
    left
}

fn check_preconditions(target: &Target<'_>, live: &Stored, delete: &DeleteOptions) -> Result<(), ApiError> {
    let refuse = |what: &str, want: &str, have: &str, how: &str| {
        let why = format!(
            "the {what} in the precondition ({want}) does not match the {what} in record ({have}). The object might have \
             been {how}"
        );
        let resource = target.resource;
        let message =
            format!("Operation cannot be fulfilled on {} {:?}: {why}", resource.qualified_kind(), target.name);
        let details = Details {
            name: target.name.to_owned(),
            group: resource.group.clone(),
            kind: resource.kind.clone(),
            ..Details::default()
        };
        Err(ApiError::new(409, "Conflict", message).about(details))
    };
    if let Some(uid) = delete.uid.as_deref().filter(|uid| *uid != &*live.uid) {
        return refuse("UID", uid, &live.uid, "deleted and then recreated");
    }
    let have = live.rv.to_string();
    if let Some(rv) = delete.resource_version.as_deref().filter(|rv| *rv != have) {
        return refuse("ResourceVersion", rv, &have, "modified");
    }
    Ok(())
}

/// Checks the preconditions of a namespace's or CRD's deletion, which are told in other words.
fn check_container(target: &Target<'_>, live: &Stored, delete: &DeleteOptions) -> Result<(), ApiError> {
    let refuse = |what: &str, want: &str, have: &str| {
        let why = format!("Precondition failed: {what} in precondition: {want}, {what} in object meta: {have}");
        Err(ApiError::conflict(target.resource, target.name, &why))
    };
    if let Some(uid) = delete.uid.as_deref().filter(|uid| *uid != &*live.uid) {
        return refuse("UID", uid, &live.uid);
    }
    let have = live.rv.to_string();
    match delete.resource_version.as_deref().filter(|rv| *rv != have) {
        Some(rv) => refuse("ResourceVersion", rv, &have),
        None => Ok(()),
    }
}
