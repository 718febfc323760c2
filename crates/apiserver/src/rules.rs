//! What a kind asks of a write: one face for built-in kinds, whose rules are in [`crate::builtins`], and custom ones,
//! whose rules are in their schemas.

use std::sync::Arc;

use bowline_smd::{ApplyError, ApplyRequest, Path, Set, TypeRef, UpdateRequest};
use serde_json::{Value, json};

use crate::builtins::{Builtins, FieldError, WriteContext};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::crd;
use crate::error::{ApiError, Cause};
use crate::registry::{DeleteOptions, FieldValidation, Registry, Target, WriteOptions, meta_text, metadata};
use crate::resource::Resource;

const RBAC: &str = "rbac.authorization.k8s.io";
const EXTENSIONS: &str = "apiextensions.k8s.io";

/// Reads a body by its schema: unknown fields go, with a word or a refusal as the client asked.
pub(crate) fn decode(resource: &Resource, object: &mut Value, options: &mut WriteOptions) -> Result<(), ApiError> {
    let refuse = |why: &dyn std::fmt::Display| {
        ApiError::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {why}",
            kind = resource.kind,
            version = resource.version,
        ))
    };
    let unknown = match resource.custom() {
        Some(custom) if custom.preserve_unknown => Vec::new(),
        Some(custom) => crd::prune(object, &custom.schema),
        None => Builtins::get()
            .normalize(&resource.group, &resource.version, &resource.kind, object)
            .map_err(|error| refuse(&error))?,
    };
    let told = std::mem::take(&mut options.mistakes);
    if options.validation != FieldValidation::Ignore {
        let mistakes: Vec<String> =
            (told.into_iter()).chain(unknown.iter().map(|path| format!("unknown field {path:?}"))).collect();
        if options.validation == FieldValidation::Strict && !mistakes.is_empty() {
            return Err(refuse(&format!("strict decoding error: {}", mistakes.join(", "))));
        }
        options.warnings.extend(mistakes);
    }
    if let Some(custom) = resource.custom() {
        crd::apply_defaults(object, &custom.schema);
    }
    Ok(())
}

/// Returns the type whose fields are owned, or the shape of anything when there is none.
fn type_of(resource: &Resource) -> TypeRef {
    if let Some(custom) = resource.custom() {
        return custom.ty.clone();
    }
    let gvk = bowline_smd::Gvk::new(resource.group.clone(), resource.version.clone(), resource.kind.clone());
    let schemas = Builtins::get().schemas(&resource.group, &resource.version);
    schemas.and_then(|schemas| schemas.type_of(&gvk)).unwrap_or_else(TypeRef::deduced)
}

/// Returns the fields an endpoint does not write.
fn reset_fields(resource: &Resource, subresource: &str) -> Set {
    match subresource {
        "" if resource.has_status() => std::iter::once(Path::of_fields(["status"])).collect(),
        "status" => match resource.custom() {
            Some(custom) => custom.schema["properties"]
                .as_object()
                .into_iter()
                .flat_map(|properties| properties.keys())
                .filter(|name| !["apiVersion", "kind", "metadata", "status"].contains(&name.as_str()))
                .map(|name| Path::of_fields([name.as_str()]))
                .collect(),
            None => std::iter::once(Path::of_fields(["spec"])).collect(),
        },
        _ => Set::new(),
    }
}

/// Records who wrote what in a create, replacement or patch.
pub(crate) fn own(
    resource: &Resource,
    subresource: &str,
    live: Option<&Value>,
    object: Value,
    options: &WriteOptions,
    clock: &Clock,
) -> Value {
    let (ty, reset_fields) = (type_of(resource), reset_fields(resource, subresource));
    let (object, unset) = without_unset_times(resource, object);
    let request = UpdateRequest {
        ty: &ty,
        live,
        new: &object,
        manager: &options.manager,
        api_version: &resource.api_version(),
        subresource,
        now: &clock.now_seconds(),
        reset_fields: &reset_fields,
    };
    // Where ownership cannot be told, the real server writes the object without it.
    let mut object = bowline_smd::update(request).unwrap_or_else(|error| {
        tracing::debug!(%error, kind = resource.kind, "Field owners could not be recorded");
        let mut object = object;
        metadata(&mut object).remove("managedFields");
        object
    });
    for key in unset {
        object[key] = Value::Null;
    }
    object
}

/// Takes out the times of an Event that are written as null: to Go they are not there, so nobody owns them.
fn without_unset_times(resource: &Resource, mut object: Value) -> (Value, Vec<String>) {
    let mut unset = Vec::new();
    if resource.plural == "events" && resource.custom().is_none() {
        let map = object.as_object_mut().into_iter().flatten();
        unset = map.filter(|(_, value)| value.is_null()).map(|(key, _)| key.clone()).collect();
        for key in &unset {
            set(&mut object, key, None);
        }
    }
    (object, unset)
}

/// Merges an applied configuration into the live object, or into nothing; tells whether anything changed.
pub(crate) fn apply(
    resource: &Resource,
    subresource: &str,
    live: Option<&Value>,
    config: &Value,
    options: &WriteOptions,
    clock: &Clock,
) -> Result<(Value, bool), ApiError> {
    let (ty, reset_fields) = (type_of(resource), reset_fields(resource, subresource));
    let request = ApplyRequest {
        ty: &ty,
        live,
        config,
        manager: &options.manager,
        api_version: &resource.api_version(),
        subresource,
        force: options.force,
        now: &clock.now_seconds(),
        reset_fields: &reset_fields,
    };
    match bowline_smd::apply(request) {
        Ok(applied) => Ok((applied.object, applied.changed)),
        Err(ApplyError::Conflicts(conflicts)) => {
            let causes = conflicts.0.iter().map(|conflict| Cause {
                reason: "FieldManagerConflict",
                message: conflict.cause(),
                field: conflict.path.to_string(),
            });
            Err(ApiError::new(409, "Conflict", conflicts.to_string()).with_causes(causes.collect()))
        }
        Err(error @ (ApplyError::WrongVersion { .. } | ApplyError::SetsManagedFields)) => {
            Err(ApiError::bad_request(error.to_string()))
        }
        Err(error) => Err(ApiError::unforeseen(error.to_string())),
    }
}

/// Merges a strategic merge patch.
pub(crate) fn strategic(resource: &Resource, current: &Value, patch: &Value) -> Result<Value, ApiError> {
    if resource.custom().is_some() {
        let message = "the body of the request was in an unknown format - accepted media types include: \
                       application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
        return Err(ApiError::new(415, "UnsupportedMediaType", message));
    }
    bowline_smd::strategic_merge(&type_of(resource), current, patch)
        .map_err(|error| ApiError::bad_request(error.to_string()))
}

/// Returns what is wrong with an object, or with its succeeding `old`.
pub(crate) fn validate(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let Some(custom) = resource.custom() else {
        let builtins = Builtins::get();
        let mut causes = Vec::new();
        if is_definition(resource) {
            causes = crd::check(object);
        }
        let mut mistakes = builtins.validate(&resource.group, &resource.kind, object);
        if let Some(old) = old {
            mistakes.extend(builtins.check_immutable(&resource.group, &resource.kind, old, object));
        }
        causes.extend(mistakes.into_iter().map(Cause::from));
        return causes;
    };
    let mut causes = crd::validate(object, &custom.schema);
    if let Some(old) = old.filter(|_| !causes.is_empty()) {
        // What was wrong before and is unchanged does not stand in the way of other changes.
        let before = crd::validate(old, &custom.schema);
        causes.retain(|cause| !before.contains(cause));
    }
    causes
}

impl From<FieldError> for Cause {
    fn from(error: FieldError) -> Self {
        Self { reason: error.reason, message: error.message, field: error.field }
    }
}

/// Takes what a write through `subresource` may not touch from the live object.
pub(crate) fn keep_other_parts(resource: &Resource, subresource: &str, live: &Value, object: &mut Value) {
    match subresource {
        "status" => {
            let mut next = live.clone();
            set(&mut next, "status", object.get("status").cloned());
            let mut meta = if resource.custom().is_some() {
                live["metadata"].clone()
            } else {
                let mut meta = object["metadata"].take();
                for key in ["labels", "ownerReferences"] {
                    set(&mut meta, key, live["metadata"].get(key).cloned());
                }
                meta
            };
            if resource.custom().is_some() {
                set(&mut meta, "managedFields", object["metadata"].get("managedFields").cloned());
            }
            next["metadata"] = meta;
            *object = next;
        }
        "finalize" => {
            let finalizers = object.pointer("/spec/finalizers").cloned();
            *object = live.clone();
            match finalizers {
                Some(finalizers) if finalizers.as_array().is_some_and(|names| !names.is_empty()) => {
                    object["spec"]["finalizers"] = finalizers;
                }
                _ => object["spec"] = json!({}),
            }
        }
        _ if resource.has_status() => set(object, "status", live.get("status").cloned()),
        _ => {}
    }
}

fn set(object: &mut Value, key: &str, value: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) => drop(map.insert(key.to_owned(), value)),
        None => drop(map.remove(key)),
    }
}

impl Registry<'_> {
    /// Does to a new object what its kind asks for, such as giving a Service its address.
    pub(crate) fn prepare_create(
        &mut self,
        target: &Target<'_>,
        object: &mut Value,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        let resource = target.resource;
        if resource.custom().is_some() {
            return Ok(());
        }
        let uid = meta_text(object, "uid").to_owned();
        let now = self.clock.now_seconds();
        let ctx = WriteContext { uid: &uid, now: &now, allocator: &self.state.allocator, dry_run: options.dry_run };
        Builtins::get()
            .prepare_create(&resource.group, &resource.version, &resource.kind, object, &ctx)
            .map_err(|mistakes| refuse(resource, meta_text(object, "name"), mistakes))?;
        if is_definition(resource) {
            crd::establish(object, &self.clock.now_seconds());
        }
        Ok(())
    }

    /// Does to a replacement what its kind asks for.
    pub(crate) fn prepare_update(
        &mut self,
        target: &Target<'_>,
        old: &Value,
        object: &mut Value,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        let resource = target.resource;
        if resource.custom().is_some() || !matches!(target.subresource, "" | "scale") {
            return Ok(());
        }
        let now = self.clock.now_seconds();
        let ctx = WriteContext {
            uid: meta_text(old, "uid"),
            now: &now,
            allocator: &self.state.allocator,
            dry_run: options.dry_run,
        };
        Builtins::get()
            .prepare_update(&resource.group, &resource.version, &resource.kind, old, object, &ctx)
            .map_err(|mistakes| refuse(resource, target.name, mistakes))?;
        if is_definition(resource) {
            crd::establish(object, &self.clock.now_seconds());
        }
        Ok(())
    }
}

fn refuse(resource: &Resource, name: &str, mistakes: Vec<FieldError>) -> ApiError {
    let causes = mistakes.into_iter().map(Cause::from).collect();
    ApiError::invalid(&resource.group, &resource.kind, name, causes)
}

/// Returns whether the server counts a kind's `metadata.generation`.
pub(crate) fn counts_generations(resource: &Resource) -> bool {
    resource.custom().is_some() || Builtins::get().sets_generation(&resource.group, &resource.kind)
}

/// Returns whether a change is one of what is wanted, not only of metadata or status.
pub(crate) fn starts_generation(resource: &Resource, old: &Value, new: &Value) -> bool {
    let status_counts = !resource.has_status();
    let is_wanted = |key: &str| key != "metadata" && (key != "status" || status_counts);
    let keys = |object: &Value| {
        object
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.clone())
            .filter(|key| is_wanted(key))
            .collect::<Vec<_>>()
    };
    let mut all = keys(old);
    all.extend(keys(new));
    let meta_counts = match (resource.group.as_str(), resource.plural.as_str()) {
        ("apps", "deployments") => old["metadata"]["annotations"] != new["metadata"]["annotations"],
        ("discovery.k8s.io", "endpointslices") => old["metadata"]["labels"] != new["metadata"]["labels"],
        _ => false,
    };
    meta_counts || all.iter().any(|key| old.get(key) != new.get(key))
}

/// Returns whether a PUT without `resourceVersion` is refused (k8s: `AllowUnconditionalUpdate`).
pub(crate) fn needs_resource_version(resource: &Resource) -> bool {
    resource.custom().is_some()
        || matches!(
            (resource.group.as_str(), resource.plural.as_str()),
            (EXTENSIONS | "admissionregistration.k8s.io", _)
                | ("apiregistration.k8s.io", "apiservices")
                | ("coordination.k8s.io", "leases" | "leasecandidates")
                | ("node.k8s.io", "runtimeclasses")
                | ("policy", "poddisruptionbudgets")
                | ("storage.k8s.io", "csidrivers" | "csinodes")
        )
}

/// Returns whether a PUT creates what is missing (k8s: `AllowCreateOnUpdate`).
pub(crate) fn creates_on_update(resource: &Resource) -> bool {
    matches!(
        (resource.group.as_str(), resource.plural.as_str()),
        (RBAC | "coordination.k8s.io", _)
            | ("", "events" | "endpoints" | "services" | "limitranges")
            | ("events.k8s.io", "events")
            | ("node.k8s.io", "runtimeclasses")
    )
}

/// Returns whether dependents stay when nobody says what becomes of them.
pub(crate) fn orphans_by_default(resource: &Resource) -> bool {
    resource.is("batch", "jobs") || resource.is("", "replicationcontrollers")
}

/// Warns whoever deletes a Job without saying what becomes of its pods.
pub(crate) fn warn_of_default_propagation(resource: &Resource, delete: &DeleteOptions, options: &mut WriteOptions) {
    if resource.is("batch", "jobs") && delete.propagation.is_none() && delete.orphan_dependents.is_none() {
        let warning = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to \
                       remove them or set propagationPolicy=Orphan to suppress this warning";
        if !options.warnings.iter().any(|have| have == warning) {
            options.warnings.push(warning.to_owned());
        }
    }
}

/// Returns whether a delete answers with the object's last state (k8s: `ReturnDeletedObject`).
pub(crate) fn shows_deleted(resource: &Resource) -> bool {
    resource.custom().is_none()
        && match resource.group.as_str() {
            "" => matches!(
                resource.plural.as_str(),
                "namespaces"
                    | "persistentvolumeclaims"
                    | "persistentvolumes"
                    | "pods"
                    | "podtemplates"
                    | "resourcequotas"
                    | "serviceaccounts"
                    | "services"
            ),
            "resource.k8s.io" => true,
            "storage.k8s.io" => resource.plural != "csistoragecapacities",
            _ => false,
        }
}

pub(crate) fn is_definition(resource: &Resource) -> bool {
    resource.is(EXTENSIONS, "customresourcedefinitions")
}

pub(crate) fn is_namespace(resource: &Resource) -> bool {
    resource.is("", "namespaces")
}

/// Returns whether a kind's objects end after a grace period.
pub(crate) fn is_graceful(resource: &Resource) -> bool {
    resource.is("", "pods")
}

/// Returns how many seconds a pod may take to end.
pub(crate) fn grace_period(pod: &Value, asked: Option<i64>) -> i64 {
    let is_running = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty())
        && !matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
    if !is_running {
        return 0;
    }
    let secs = asked.or_else(|| pod["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(0);
    if secs < 0 { 1 } else { secs }
}

/// Returns whether a terminating object without finalizers still has something to wait for.
pub(crate) fn waits_for_grace(resource: &Resource, object: &Value) -> bool {
    if is_namespace(resource) {
        return object["spec"]["finalizers"].as_array().is_some_and(|names| !names.is_empty());
    }
    object["metadata"]["deletionGracePeriodSeconds"].as_u64().is_some_and(|secs| secs > 0)
}

/// Refuses to delete what a cluster cannot do without.
pub(crate) fn check_delete(resource: &Resource, name: &str) -> Result<(), ApiError> {
    const KEPT: [&str; 3] = ["default", "kube-system", "kube-public"];
    if is_namespace(resource) && KEPT.contains(&name) {
        return Err(ApiError::forbidden(resource, name, "this namespace may not be deleted"));
    }
    Ok(())
}

/// Returns a stored object in the version of `resource`.
pub(crate) fn present(resource: &Resource, stored: &Arc<Value>) -> Arc<Value> {
    let want = resource.api_version();
    if stored["apiVersion"] == want {
        return Arc::clone(stored);
    }
    let mut object = Value::clone(stored);
    object["apiVersion"] = json!(want);
    if let Some(custom) = resource.custom() {
        crd::apply_defaults(&mut object, &custom.schema);
    } else if resource.is("events.k8s.io", "events") {
        rename(&mut object, &EVENT_FIELDS);
    } else if resource.is("autoscaling", "horizontalpodautoscalers") {
        convert_autoscaler(&mut object, &resource.version);
    }
    if resource.custom().is_none()
        && let Err(error) = Builtins::get().normalize(&resource.group, &resource.version, &resource.kind, &mut object)
    {
        tracing::debug!(%error, kind = resource.kind, "A stored object does not fit the version asked for");
    }
    Arc::new(object)
}

/// Returns an object of `resource` in the version it is stored in.
pub(crate) fn to_storage(resource: &Resource, mut object: Value, catalog: &Catalog) -> Value {
    if resource.custom().is_some() {
        let version = catalog.storage_version(resource);
        object["apiVersion"] = json!(crate::resource::api_version(&resource.group, &version));
    } else if resource.is("events.k8s.io", "events") {
        object["apiVersion"] = json!("v1");
        rename(&mut object, &EVENT_FIELDS.map(|(core, events)| (events, core)));
    } else if resource.is("autoscaling", "horizontalpodautoscalers") && resource.version == "v1" {
        object["apiVersion"] = json!("autoscaling/v2");
        convert_autoscaler(&mut object, "v2");
    }
    object
}

/// What the core group and `events.k8s.io` call the same field of an Event.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

fn rename(object: &mut Value, names: &[(&str, &str)]) {
    let Some(map) = object.as_object_mut() else { return };
    for (from, to) in names {
        if let Some(value) = map.remove(*from) {
            map.insert((*to).to_owned(), value);
        }
    }
}

/// Converts an autoscaler's CPU target, the one metric version 1 knows; other metrics are not shown in version 1.
fn convert_autoscaler(object: &mut Value, version: &str) {
    let Some(spec) = object["spec"].as_object_mut() else { return };
    if version == "v1" {
        let target = spec.get("metrics").and_then(Value::as_array).into_iter().flatten().find_map(|metric| {
            let resource = metric.get("resource").filter(|resource| resource["name"] == "cpu")?;
            resource["target"].get("averageUtilization").cloned()
        });
        spec.remove("metrics");
        spec.remove("behavior");
        if let Some(target) = target {
            spec.insert("targetCPUUtilizationPercentage".to_owned(), target);
        }
    } else if let Some(target) = spec.remove("targetCPUUtilizationPercentage") {
        let metric = json!([{
            "type": "Resource",
            "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": target } },
        }]);
        spec.insert("metrics".to_owned(), metric);
    }
}
