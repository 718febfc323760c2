//! One look at everything: desired state, live state, and the plan between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bowline_cluster::{ApiError, ApiResource, Known, WatchScope};
use bowline_health::Rules;
use bowline_model::{
    App, ApplyRule, Desired, Failure, Gvk, Health, HealthStatus, InventoryEntry, Object, ObjectKey, ObjectReport,
    ObjectSync, Reason, Revision,
};
use bowline_plan::{Accepted, Action, Input, LiveObject, Plan, plan};
use bowline_smd::TypeRef;
use serde_json::Value;

use crate::dialect::Dialect;
use crate::render::Written;
use crate::shared::Shared;

/// What an app desires of this cluster: its render, with namespaces, marks and rules.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) objects: Arc<Vec<Desired>>,
    /// Where each kind is served. Kinds whose definition is part of the render may be absent.
    pub(crate) resources: BTreeMap<Gvk, ApiResource>,
    pub(crate) types: BTreeMap<Gvk, TypeRef>,
    /// Objects that cannot be written.
    pub(crate) blocked: BTreeMap<ObjectKey, Failure>,
    /// Objects that were rendered more than once, and how often.
    pub(crate) repeated: Vec<(ObjectKey, usize)>,
}

impl Wanted {
    /// Tells whether some objects are of kinds that the cluster did not have.
    pub(crate) fn lacks_kinds(&self) -> bool {
        self.blocked.values().any(|failure| failure.reason == Reason::UnknownKind)
    }
}

/// Prepares a render for this cluster.
pub(crate) async fn want(
    shared: &Shared,
    dialect: &dyn Dialect,
    app: &App,
    revision: &Revision,
    rendered: &[Written],
) -> Result<Wanted, ApiError> {
    let mut wanted = Wanted {
        objects: Arc::default(),
        resources: BTreeMap::new(),
        types: BTreeMap::new(),
        blocked: BTreeMap::new(),
        repeated: Vec::new(),
    };
    let definitions = definitions(rendered);
    let mut unknown = BTreeSet::new();
    let mut objects: Vec<Desired> = Vec::with_capacity(rendered.len());
    for written in rendered {
        let origin = &written.origin;
        let mut object = written.object.clone();
        let gvk = object.gvk();
        if !wanted.resources.contains_key(&gvk) && !unknown.contains(&gvk) {
            match shared.cluster.resource(&gvk).await? {
                Some(resource) => {
                    wanted.types.insert(gvk.clone(), shared.cluster.type_of(&gvk).await?);
                    wanted.resources.insert(gvk.clone(), resource);
                }
                None => {
                    unknown.insert(gvk.clone());
                }
            }
        }
        let namespaced = match wanted.resources.get(&gvk) {
            Some(resource) => Some(resource.namespaced),
            None => definitions.get(&(gvk.group.clone(), gvk.kind.clone())).copied(),
        };
        let problem = place(app, &mut object, namespaced);
        yield_to_controllers(&mut object);
        let mut rules = dialect.adopt(&app.id, app.destination.namespace.as_deref(), &mut object);
        if let Some(hook) = &written.hook {
            (rules.phase, rules.wave, rules.hook) = (hook.phase, hook.wave, Some(hook.hook));
        }
        if let (ApplyRule::Always, Some(apply)) = (rules.apply, written.apply) {
            rules.apply = apply;
        }
        if object.name().is_empty() {
            name(&mut object, revision, rules.phase.as_str());
        }
        if let Some(problem) = problem {
            wanted.blocked.insert(object.key(), problem.at(origin.clone()));
        }
        objects.push(Desired { object, rules, origin: Some(origin.clone()) });
    }
    let (objects, repeated) = last_of_each(objects);
    wanted.objects = Arc::new(objects);
    wanted.repeated = repeated;
    Ok(wanted)
}

/// Returns the kinds that the render itself defines, and whether they live in namespaces.
fn definitions(rendered: &[Written]) -> BTreeMap<(String, String), bool> {
    rendered
        .iter()
        .map(|written| &written.object)
        .filter(|object| object.kind() == "CustomResourceDefinition")
        .filter_map(|object| {
            let group = object.text("/spec/group")?;
            let kind = object.text("/spec/names/kind")?;
            Some(((group.to_owned(), kind.to_owned()), object.text("/spec/scope") == Some("Namespaced")))
        })
        .collect()
}

/// Gives an object its namespace, or says why it cannot be placed.
fn place(app: &App, object: &mut Object, namespaced: Option<bool>) -> Option<Failure> {
    match namespaced {
        None => {
            let failure = Failure::new(Reason::UnknownKind, format!("the cluster has no kind `{}`", object.gvk()));
            return Some(failure.help("install its CustomResourceDefinition, or put that into the same source"));
        }
        Some(false) => object.set_namespace(""),
        Some(true) => {
            if let Some(namespace) = &app.destination.namespace
                && (app.destination.overrides_namespace || object.namespace().is_empty())
            {
                object.set_namespace(namespace);
            }
            if object.namespace().is_empty() {
                let failure = Failure::new(Reason::InvalidManifest, format!("{} has no namespace", object.key()));
                return Some(failure.help("set `metadata.namespace`, or a destination namespace on the app"));
            }
        }
    }
    None
}

/// Takes out what the control plane fills in and overwrites, so that nobody fights it.
///
/// The rules of an aggregated ClusterRole are the sum of others', by the API's own description; manifests carry
/// an empty list there, because its Go type has no other way to write it.
fn yield_to_controllers(object: &mut Object) {
    let is_cluster_role =
        object.kind() == "ClusterRole" && object.api_version().starts_with("rbac.authorization.k8s.io/");
    if is_cluster_role
        && object.at("/aggregationRule").is_some_and(Value::is_object)
        && let Some(fields) = object.value_mut().as_object_mut()
    {
        fields.remove("rules");
    }
}

/// Names an object that only has a `generateName`: the same for the same revision, so that a sync that was
/// broken off and begun again does not make a second one.
fn name(object: &mut Object, revision: &Revision, phase: &str) {
    let prefix = object.text("/metadata/generateName").unwrap_or_default();
    let name = format!("{prefix}{}-{}", revision.short(), phase.to_lowercase());
    object.value_mut()["metadata"]["name"] = Value::String(name);
    if let Some(metadata) = object.value_mut()["metadata"].as_object_mut() {
        metadata.remove("generateName");
    }
}

/// Keeps the last of objects with one key, in the place of the first, and tells which there were more of.
fn last_of_each(objects: Vec<Desired>) -> (Vec<Desired>, Vec<(ObjectKey, usize)>) {
    let mut places: BTreeMap<ObjectKey, (usize, usize)> = BTreeMap::new();
    let mut kept: Vec<Desired> = Vec::with_capacity(objects.len());
    for desired in objects {
        match places.entry(desired.object.key()) {
            std::collections::btree_map::Entry::Occupied(mut place) => {
                let (at, count) = place.get_mut();
                kept[*at] = desired;
                *count += 1;
            }
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert((kept.len(), 1));
                kept.push(desired);
            }
        }
    }
    let counts = places.into_iter().map(|(key, (_, count))| (key, count));
    (kept, counts.filter(|(_, count)| *count > 1).collect())
}

/// What one look saw.
pub(crate) struct Look {
    pub(crate) plan: Plan,
    pub(crate) objects: Vec<ObjectReport>,
    /// What the cluster holds of each object that was looked at.
    pub(crate) live: BTreeMap<ObjectKey, Option<LiveObject>>,
    /// What judged them: users' own rules go before the judge's. Those that cannot be compiled were told when lowered,
    /// or are told by the health of what they are for.
    pub(crate) rules: Rules,
}

impl Look {
    /// Returns the first reason why something cannot be written.
    pub(crate) fn blocked(&self) -> Option<&Failure> {
        self.plan.items.iter().find_map(|item| match &item.action {
            Action::Blocked(failure) => Some(failure),
            _ => None,
        })
    }
}

/// What a look goes by, beside what is wanted.
pub(crate) struct Circumstances<'a> {
    pub(crate) app: &'a App,
    pub(crate) inventory: &'a BTreeMap<ObjectKey, String>,
    pub(crate) accepted: &'a Accepted,
    pub(crate) may_prune: bool,
}

/// Looks at the live objects and makes the plan. Waits for the first answer of watches that are new.
pub(crate) async fn look(
    shared: &Shared,
    dialect: &dyn Dialect,
    wanted: &Wanted,
    circumstances: &Circumstances<'_>,
) -> Result<Look, ApiError> {
    let Circumstances { app, inventory, accepted, may_prune } = *circumstances;
    let mut live = BTreeMap::new();
    for desired in wanted.objects.iter() {
        let key = desired.object.key();
        if wanted.blocked.contains_key(&key) {
            continue;
        }
        let gvk = desired.object.gvk();
        let found = match wanted.resources.get(&gvk) {
            Some(resource) => read(shared, resource, &key).await?,
            // Its definition comes with this very sync, and discovery was complete: there can be none.
            None => None,
        };
        live.insert(key, found.map(|object| live_object(shared, dialect, app, object, false)));
    }
    let mut entries = Vec::with_capacity(inventory.len());
    for (key, version) in inventory {
        entries.push(InventoryEntry { key: key.clone(), version: version.clone() });
        if live.contains_key(key) || wanted.blocked.contains_key(key) {
            continue;
        }
        let found = match served(shared, key, version).await? {
            Some(resource) => read(shared, &resource, key).await?,
            None => None,
        };
        live.insert(key.clone(), found.map(|object| live_object(shared, dialect, app, object, true)));
    }
    let plan = plan(&Input {
        app: &app.id,
        desired: &wanted.objects,
        live: &live,
        inventory: &entries,
        types: &wanted.types,
        blocked: &wanted.blocked,
        claims: &|key| shared.index.claimed_by_others(key, &app.id),
        manager: &app.field_manager,
        accepted,
        diff: &app.diff,
        may_prune,
    });
    let (rules, _) = Rules::new(&app.health.custom);
    let judge = |object: &Object| rules.assess(app.health.judge, object, shared.now().as_second());
    let objects = reports(&judge, wanted, &plan, &live);
    Ok(Look { plan, objects, live, rules })
}

fn live_object(shared: &Shared, dialect: &dyn Dialect, app: &App, object: Object, is_leaving: bool) -> LiveObject {
    let marks = dialect.marks(&object);
    let order = if is_leaving {
        let rules = dialect.adopt(&app.id, None, &mut object.clone());
        (rules.wave, rules.rank)
    } else {
        (0, 0)
    };
    let owners = shared.dialects.iter().filter_map(|dialect| dialect.marks(&object).owner).collect();
    LiveObject { object, marks, owners, order }
}

/// Finds where an inventoried object is served: in the version it was applied in, or the preferred one.
pub(crate) async fn served(shared: &Shared, key: &ObjectKey, version: &str) -> Result<Option<ApiResource>, ApiError> {
    let gvk = Gvk::new(&*key.group, version, &*key.kind);
    if !version.is_empty()
        && let Some(resource) = shared.cluster.resource(&gvk).await?
    {
        return Ok(Some(resource));
    }
    Ok(shared.cluster.discovery().await?.preferred(&key.group_kind())?.cloned())
}

/// Reads one object from the cache, watching its kind from now on.
pub(crate) async fn read(shared: &Shared, resource: &ApiResource, key: &ObjectKey) -> Result<Option<Object>, ApiError> {
    if !resource.watchable {
        return shared.cluster.read(resource, &key.namespace, &key.name).await;
    }
    match shared.cluster.get(&resource.gvk, &key.namespace, &key.name) {
        Known::Yes(live) => Ok(live.map(|live| live.object())),
        Known::NotYet => {
            let watch = shared.cluster.watch_complete(WatchScope::all(resource.gvk.clone()), resource.clone());
            tokio::time::timeout(shared.options.patience, watch).await.map_err(|_| {
                ApiError::Unreachable(format!(
                    "`{}` could not be listed in {:?}",
                    resource.gvk, shared.options.patience
                ))
            })?;
            match shared.cluster.get(&resource.gvk, &key.namespace, &key.name) {
                Known::Yes(live) => Ok(live.map(|live| live.object())),
                Known::NotYet => Err(ApiError::Unreachable(format!("`{}` was not listed", resource.gvk))),
            }
        }
    }
}

fn reports(
    judge: &dyn Fn(&Object) -> Option<Health>,
    wanted: &Wanted,
    plan: &Plan,
    live: &BTreeMap<ObjectKey, Option<LiveObject>>,
) -> Vec<ObjectReport> {
    let mut reports: Vec<ObjectReport> = plan
        .items
        .iter()
        .filter(|item| item.sync().is_some() || item.is_hook)
        .map(|item| {
            let desired = item.desired.map(|at| &wanted.objects[at]);
            let found = live.get(&item.key).and_then(Option::as_ref);
            let ignores_health = desired.is_some_and(|desired| desired.rules.ignore_health);
            let health = match found {
                Some(_) if ignores_health => None,
                Some(found) => judge(&found.object),
                None => Some(Health::new(HealthStatus::Missing, "")),
            };
            ObjectReport {
                key: item.key.clone(),
                version: item.version.clone(),
                sync: item.sync().unwrap_or(ObjectSync::Synced),
                health,
                wave: item.wave,
                hook: desired.and_then(|desired| desired.rules.hook),
                requires_pruning: item.requires_pruning(),
                drift: item.drift.clone(),
                images: desired.map(|desired| images(&desired.object)).unwrap_or_default(),
                origin: desired.and_then(|desired| desired.origin.clone()),
            }
        })
        .collect();
    reports.sort_by(|a, b| a.key.cmp(&b.key));
    reports
}

/// Returns the images of an object's pod template, or of the pod it is, sorted.
pub(crate) fn images(object: &Object) -> Vec<String> {
    const PODS: [&str; 4] =
        ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec/template/spec/template/spec"];
    let mut images = BTreeSet::new();
    for pod in PODS {
        for list in ["containers", "initContainers"] {
            let containers = object.at(&format!("{pod}/{list}")).and_then(Value::as_array);
            for container in containers.into_iter().flatten() {
                if let Some(image) = container["image"].as_str() {
                    images.insert(image.to_owned());
                }
            }
        }
    }
    images.into_iter().collect()
}
