//! Which Kustomizations, or HelmReleases, must be ready first.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bowline_engine::{LowerError, World};
use bowline_model::{Failure, Object, ObjectKey, Reason, Revision, SourceSpec};
use serde_json::Value;

use super::{invalid, unsupported};
use crate::api::{CrossNamespaceSourceReference, DependencyReference};
use crate::source_key;

/// When to look again though no event came: Flux's `--requeue-dependency`. Events come first, always.
pub(super) const REQUEUE: Duration = Duration::from_secs(30);

/// What dependencies are judged for.
pub(super) struct Dependent<'a> {
    pub(super) resource: &'a Object,
    pub(super) depends_on: &'a [DependencyReference],
    /// The source of `resource`.
    pub(super) source_key: &'a ObjectKey,
    pub(super) source: &'a SourceSpec,
    /// What the source's own status says it has.
    pub(super) artifact_revision: Option<&'a str>,
}

/// Answers whether everything `dependent` waits for is ready.
///
/// A dependency is ready when it exists, its status answers its spec, `Ready` is true and, where both use one
/// source, it has applied the newest revision of it: so a commit passes along the chain in order.
pub(super) fn check(dependent: &Dependent<'_>, world: &dyn World) -> Result<(), LowerError> {
    for (key, live) in ready(dependent.resource, dependent.depends_on, world)? {
        if source_key_of(&live).as_ref() == Some(dependent.source_key) && !is_current(&live, dependent, world) {
            return Err(waiting(format!("dependency '{}/{}' revision is not up to date", key.namespace, key.name)));
        }
    }
    Ok(())
}

/// Answers whether the HelmReleases that one waits for are ready: their status answers their spec, and `Ready` is true.
pub(super) fn check_releases(
    resource: &Object,
    depends_on: &[DependencyReference],
    world: &dyn World,
) -> Result<(), LowerError> {
    ready(resource, depends_on, world).map(|_| ())
}

/// Returns the dependencies of a resource, once all are ready.
fn ready(
    resource: &Object,
    depends_on: &[DependencyReference],
    world: &dyn World,
) -> Result<Vec<(ObjectKey, Arc<Object>)>, LowerError> {
    let is_expression = |dep: &DependencyReference| dep.ready_expr.as_deref().is_some_and(|expr| !expr.is_empty());
    if let Some(index) = depends_on.iter().position(is_expression) {
        return Err(unsupported(&[format!("`spec.dependsOn[{index}].readyExpr`")]));
    }
    let own = resource.key();
    let keys: Vec<_> = depends_on.iter().map(|dep| key_of(dep, &own)).collect();
    if let Some(path) = cycle(&own, &keys, world)? {
        let path: Vec<_> = path.iter().map(|key| format!("{}/{}", key.namespace, key.name)).collect();
        return Err(invalid(Reason::InvalidSpec, format!("`spec.dependsOn` goes round: {}", path.join(" → "))));
    }
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let name = format!("'{}/{}'", key.namespace, key.name);
        let Some(live) = world.get(&key)? else {
            return Err(waiting(format!("dependency {name} not found")));
        };
        if !is_ready(&live) {
            return Err(waiting(format!("dependency {name} is not ready")));
        }
        found.push((key, live));
    }
    Ok(found)
}

/// Names a dependency: a resource of the same kind.
fn key_of(dependency: &DependencyReference, own: &ObjectKey) -> ObjectKey {
    let namespace = dependency.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    ObjectKey::new(&*own.group, &*own.kind, namespace.unwrap_or(&own.namespace), &*dependency.name)
}

fn is_ready(live: &Object) -> bool {
    let observed = live.at("/status/observedGeneration").and_then(Value::as_i64);
    let conditions = live.at("/status/conditions").and_then(Value::as_array);
    observed == Some(live.generation())
        && conditions.into_iter().flatten().any(|condition| {
            condition.get("type").and_then(Value::as_str) == Some("Ready")
                && condition.get("status").and_then(Value::as_str) == Some("True")
        })
}

fn is_current(live: &Object, dependent: &Dependent<'_>, world: &dyn World) -> bool {
    let applied = live.text("/status/lastAppliedRevision");
    let newest = match &dependent.source.pinned {
        Some(pinned) => Some(pinned.clone()),
        None => world.revision(dependent.source),
    };
    match newest.as_ref().map(Revision::to_string).as_deref().or(dependent.artifact_revision) {
        Some(newest) => applied == Some(newest),
        // Nobody knows the newest revision: whether the dependency has applied it cannot be told.
        None => false,
    }
}

fn source_key_of(live: &Object) -> Option<ObjectKey> {
    let reference = live.at("/spec/sourceRef")?.clone();
    let reference: CrossNamespaceSourceReference = serde_json::from_value(reference).ok()?;
    Some(source_key(&reference.kind, reference.namespace.as_deref(), &reference.name, live.namespace()))
}

fn waiting(message: String) -> LowerError {
    LowerError::Waiting(Failure::new(Reason::DependencyNotReady, message).transient(), Some(REQUEUE))
}

/// Finds a way along `dependsOn` from `own` back to itself.
///
/// A round that `own` only leads to is not reported here: its members report it.
fn cycle(own: &ObjectKey, first: &[ObjectKey], world: &dyn World) -> Result<Option<Vec<ObjectKey>>, LowerError> {
    let mut seen = BTreeSet::new();
    let mut ways: Vec<Vec<ObjectKey>> = first.iter().rev().map(|key| vec![own.clone(), key.clone()]).collect();
    while let Some(way) = ways.pop() {
        let here = &way[way.len() - 1];
        if here == own {
            return Ok(Some(way));
        }
        if !seen.insert(here.clone()) {
            continue;
        }
        let Some(live) = world.get(here)? else { continue };
        let next = live.at("/spec/dependsOn").and_then(Value::as_array);
        for dependency in next.into_iter().flatten() {
            let Ok(dependency) = serde_json::from_value::<DependencyReference>(dependency.clone()) else { continue };
            let mut longer = way.clone();
            longer.push(key_of(&dependency, here));
            ways.push(longer);
        }
    }
    Ok(None)
}
