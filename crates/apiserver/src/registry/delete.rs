//! Deletion: preconditions, finalizers, grace, and what becomes of dependents.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{DeleteOptions, Propagation, Registry, Target, WriteOptions, finalizers, is_terminating, metadata};
use crate::crd;
use crate::error::{ApiError, Details, deleted_status};
use crate::rules;
use crate::selector::Selectors;
use crate::store::Stored;

/// How long a scheduled pod may take to end when nothing says otherwise.
const POD_GRACE_SECS: u64 = 30;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// What a delete left.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone.
    Gone(Value),
    /// The object is still there, waiting for finalizers or its grace period.
    Terminating(Arc<Value>),
}

impl Registry<'_> {
    /// Deletes one object, or begins to.
    pub(crate) fn delete(
        &mut self,
        target: &Target<'_>,
        delete: &DeleteOptions,
        options: &mut WriteOptions,
    ) -> Result<Deleted, ApiError> {
        let live = self.live(target)?;
        check_preconditions(target, &live, delete)?;
        let resource = target.resource;
        rules::check_delete(resource, &live.value)?;
        let mut next = Value::clone(&rules::present(resource, &live.value));
        let grace = rules::grace_period(resource, &next, delete.grace_period_secs, POD_GRACE_SECS);
        let mut left = finalizers_after(target, &next, delete, options);
        if rules::is_definition(resource) && !is_terminating(&next) {
            // Its objects go first; see `end_definition`.
            left.push(crd::CLEANUP_FINALIZER.to_owned());
            crd::begin_termination(&mut next, &self.clock.now_seconds());
        }
        let status = deleted_status(resource, target.name, &live.uid);

        if is_terminating(&next) {
            let shorter = next["metadata"]["deletionGracePeriodSeconds"].as_u64().is_some_and(|have| grace < have);
            if grace == 0 && left.is_empty() && rules::is_graceful(resource) {
                if !options.dry_run {
                    self.remove(resource, &target.key());
                }
                return Ok(Deleted::Gone(status));
            }
            if !shorter && left == finalizers(&next) {
                return Ok(Deleted::Terminating(rules::present(resource, &live.value)));
            }
            if shorter {
                metadata(&mut next).insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
            }
        } else if left.is_empty() && grace == 0 && !rules::is_namespace(resource) {
            if !options.dry_run {
                self.remove(resource, &target.key());
            }
            return Ok(Deleted::Gone(status));
        } else {
            let at = self.clock.now().checked_add(jiff::SignedDuration::from_secs(grace as i64));
            let at = crate::clock::rfc3339_seconds(at.unwrap_or(jiff::Timestamp::MAX));
            let generation = next["metadata"]["generation"].as_i64();
            let meta = metadata(&mut next);
            let is_bare = rules::is_namespace(resource) || rules::is_definition(resource);
            if !is_bare {
                meta.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
            }
            meta.insert("deletionTimestamp".to_owned(), json!(at));
            if let Some(generation) = generation.filter(|generation| *generation > 0 && !is_bare) {
                meta.insert("generation".to_owned(), json!(generation + 1));
            }
            if rules::is_namespace(resource) {
                next["status"]["phase"] = json!("Terminating");
            }
        }
        let names: Vec<Value> = left.iter().map(|name| json!(name)).collect();
        if names.is_empty() {
            metadata(&mut next).remove("finalizers");
        } else {
            metadata(&mut next).insert("finalizers".to_owned(), Value::Array(names));
        }
        if options.dry_run {
            return Ok(Deleted::Terminating(Arc::new(next)));
        }
        let stored = self.commit(resource, target.key(), next)?;
        Ok(Deleted::Terminating(rules::present(resource, &stored.value)))
    }

    /// Deletes all objects the selectors choose and returns them as they were.
    pub(crate) fn delete_collection(
        &mut self,
        target: &Target<'_>,
        selectors: &Selectors,
        delete: &DeleteOptions,
        options: &mut WriteOptions,
    ) -> Result<Vec<Arc<Value>>, ApiError> {
        let namespace = Some(target.namespace).filter(|ns| !ns.is_empty());
        let mut deleted = Vec::new();
        for stored in self.all(target.resource, namespace) {
            let shown = rules::present(target.resource, &stored.value);
            if !selectors.matches(&shown) {
                continue;
            }
            let (ns, name) = stored.key();
            let one = Target { resource: target.resource, namespace: &ns, name: &name, subresource: "" };
            match self.delete(&one, delete, options) {
                Ok(_) => deleted.push(shown),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(deleted)
    }
}

/// Returns the finalizers once the propagation policy has had its say.
fn finalizers_after(
    target: &Target<'_>,
    object: &Value,
    delete: &DeleteOptions,
    options: &mut WriteOptions,
) -> Vec<String> {
    let mut left: Vec<String> = finalizers(object).into_iter().map(str::to_owned).collect();
    let policy = delete.propagation.or_else(|| {
        if left.iter().any(|name| name == ORPHAN) {
            Some(Propagation::Orphan)
        } else if left.iter().any(|name| name == FOREGROUND) {
            Some(Propagation::Foreground)
        } else {
            rules::default_propagation(target.resource, options)
        }
    });
    left.retain(|name| name != ORPHAN && name != FOREGROUND);
    match policy {
        Some(Propagation::Orphan) => left.push(ORPHAN.to_owned()),
        Some(Propagation::Foreground) => left.push(FOREGROUND.to_owned()),
        Some(Propagation::Background) | None => {}
    }
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
