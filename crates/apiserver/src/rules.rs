//! What a kind asks of a write: one face for built-in kinds, whose rules are in [`crate::builtins`], and custom ones,
//! whose rules are in their schemas.

use std::borrow::Cow;
use std::sync::Arc;

use bowline_smd::PatchError;
use serde_json::{Value, json};

use crate::autoscaler;
use crate::builtins::{Builtins, FieldError, Refusal, WriteContext};
use crate::catalog::Catalog;
use crate::crd;
use crate::error::{ApiError, Cause};
use crate::ownership;
use crate::policies;
use crate::registry::{
    DeleteOptions, FieldValidation, Registry, Target, WriteOptions, meta_text, metadata, validate_meta,
};
use crate::resource::Resource;
use crate::webhooks;
use crate::webhooks::convert::convert;

const RBAC: &str = "rbac.authorization.k8s.io";
const EXTENSIONS: &str = "apiextensions.k8s.io";

/// Reads a body by its schema: unknown fields go, with a word or a refusal as the client asked.
pub(crate) fn decode(resource: &Resource, object: &mut Value, options: &mut WriteOptions) -> Result<(), ApiError> {
    // An empty list of owners is not the same as none: it takes all owners away.
    let forgets_owners =
        resource.custom().is_none() && object["metadata"]["managedFields"].as_array().is_some_and(Vec::is_empty);
    decode_fields(resource, object, options)?;
    if forgets_owners {
        metadata(object).insert("managedFields".to_owned(), json!([]));
    }
    Ok(())
}

fn decode_fields(resource: &Resource, object: &mut Value, options: &mut WriteOptions) -> Result<(), ApiError> {
    let refuse = |why: &dyn std::fmt::Display| {
        ApiError::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {why}",
            kind = resource.kind,
            version = resource.version,
        ))
    };
    options.unsettled = is_kept_otherwise(resource, object, options);
    if resource.custom().is_some() {
        tidy_metadata(object);
    }
    options.shares_labels = resource.is("batch", "jobs")
        && object["metadata"]["labels"].as_object().is_none_or(serde_json::Map::is_empty)
        && object["spec"]["template"]["metadata"]["labels"].is_object();
    options.empties.clear();
    options.empty_texts.clear();
    if resource.custom().is_none() {
        empties(object, &Way::Top, options);
    }
    let unknown = match resource.custom() {
        Some(custom) if custom.preserve_unknown => Vec::new(),
        // What an apply merges is not read as a body is, and keeps its nulls.
        Some(custom) if options.applied => crd::prune_fields(object, &custom.schema, true),
        Some(custom) => crd::prune(object, &custom.schema),
        None => Builtins::get()
            .normalize(&resource.group, &resource.version, &resource.kind, object)
            .map_err(|error| refuse(&error))?,
    };
    let told = std::mem::take(&mut options.mistakes);
    if options.validation != FieldValidation::Ignore {
        // Upstream passes over what it does not know, and so over the duplicates in it.
        let is_in_unknown = |mistake: &str| {
            let path = mistake.strip_prefix("duplicate field \"").and_then(|rest| rest.strip_suffix('"'));
            path.is_some_and(|path| {
                unknown
                    .iter()
                    .filter_map(|unknown| path.strip_prefix(unknown.as_str()))
                    .any(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
        };
        let is_custom = resource.custom().is_some();
        let mistakes: Vec<String> = told
            .into_iter()
            .filter(|mistake| is_custom || !is_in_unknown(mistake))
            .chain(unknown.iter().map(|path| format!("unknown field {path:?}")))
            .collect();
        if options.validation == FieldValidation::Strict && !mistakes.is_empty() {
            // A configuration is merged before its text is read strictly.
            let of_text = mistakes.iter().find(|mistake| mistake.starts_with(crate::http::body::YAML_ERRORS));
            if let (true, Some(mistake)) = (options.applied, of_text) {
                let why = format!("error strict decoding YAML: error converting YAML to JSON: {mistake}");
                return Err(ApiError::bad_request(why));
            }
            return Err(refuse(&format!("strict decoding error: {}", mistakes.join(", "))));
        }
        for mistake in mistakes {
            match mistake.strip_prefix(crate::http::body::YAML_ERRORS) {
                Some(lines) => options.warnings.extend(lines.split("\n  ").map(str::to_owned)),
                None => options.warnings.push(mistake),
            }
        }
    }
    if resource.is("", "pods") {
        agree_on_addresses(object);
    }
    if let Some(custom) = resource.custom() {
        crd::apply_defaults(object, &custom.schema);
    }
    Ok(())
}

/// Makes a pod's one address the first of all its addresses, as the one that counts.
fn agree_on_addresses(pod: &mut Value) {
    let Some(status) = pod.get_mut("status").filter(|status| status.is_object()) else { return };
    let one = status["podIP"].as_str().unwrap_or_default().to_owned();
    let first = status["podIPs"][0]["ip"].as_str().map(str::to_owned);
    match (one.is_empty(), first) {
        (false, first) if first.as_ref() != Some(&one) => status["podIPs"] = json!([{ "ip": one }]),
        (true, Some(first)) => status["podIP"] = json!(first),
        _ => {}
    }
}

/// Where a walk through a body is: borrowed, for few of its ways are noted.
#[derive(Clone, Copy)]
enum Way<'a> {
    Top,
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl Way<'_> {
    /// Tells whether this is an entry of the object's own `managedFields`.
    fn is_owner(&self) -> bool {
        matches!(self, Self::Index(Self::Key(Self::Key(Self::Top, "metadata"), "managedFields"), _))
    }

    fn pointer(&self) -> String {
        match self {
            Self::Top => String::new(),
            Self::Key(parent, key) => format!("{}/{}", parent.pointer(), key.replace('~', "~0").replace('/', "~1")),
            Self::Index(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

/// Notes where a body has empty lists, maps and texts.
fn empties(value: &Value, way: &Way<'_>, out: &mut WriteOptions) {
    match value {
        Value::Object(map) if map.is_empty() => out.empties.push(way.pointer()),
        Value::Array(list) if list.is_empty() => out.empties.push(way.pointer()),
        Value::String(text) if text.is_empty() => out.empty_texts.push(way.pointer()),
        // What somebody owns is written as hundreds of empty maps, which are nobody's mistakes.
        Value::Object(map) if map.contains_key("fieldsV1") && way.is_owner() => {}
        Value::Object(map) => map.iter().for_each(|(key, value)| empties(value, &Way::Key(way, key), out)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| empties(value, &Way::Index(way, index), out));
        }
        _ => {}
    }
}

/// Puts empty lists where the body had them and storage has nothing; returns where.
pub(crate) fn restore_empties<'a>(object: &mut Value, options: &'a WriteOptions) -> Vec<&'a str> {
    let mut restored = Vec::new();
    for pointer in &options.empties {
        if let Some(value) = object.pointer_mut(pointer).filter(|value| value.is_null()) {
            *value = json!([]);
            restored.push(pointer.as_str());
        }
    }
    restored
}

/// Returns an object as Go judges it: with the empty lists, maps and bytes of the body, which storage knows nothing of.
pub(crate) fn as_given<'a>(resource: &Resource, object: &'a Value, options: &WriteOptions) -> Cow<'a, Value> {
    if resource.custom().is_some() {
        return Cow::Borrowed(object);
    }
    let pointers = options.empties.iter().chain(&options.empty_texts);
    match Builtins::get().with_empties(&resource.group, &resource.version, &resource.kind, object, pointers) {
        Some(given) => Cow::Owned(given),
        None => Cow::Borrowed(object),
    }
}

/// Returns whether upstream stores an object otherwise than it reads it back.
///
/// Metadata of applied custom resources is stored as it was merged, with what is empty; bytes that are null are stored
/// as none at all, and read as empty; a Job takes the labels of its pods when it is read.
fn is_kept_otherwise(resource: &Resource, object: &Value, options: &WriteOptions) -> bool {
    // Nulls go, or become empty texts.
    let is_odd =
        |value: &Value| value.as_object().is_some_and(|map| map.is_empty() || map.values().any(Value::is_null));
    let has_null = |field: &str| object[field].as_object().is_some_and(|map| map.values().any(Value::is_null));
    let has_labels = |meta: &Value| meta["labels"].as_object().is_some_and(|labels| !labels.is_empty());
    if resource.custom().is_some() {
        return options.applied
            && ["labels", "annotations"]
                .iter()
                .any(|field| object["metadata"].get(field).is_some_and(|value| value.is_null() || is_odd(value)));
    }
    let is_new = object["metadata"].get("uid").is_none_or(Value::is_null);
    match (resource.group.as_str(), resource.plural.as_str()) {
        // Even a write that changes nothing stores a new claim once more.
        ("", "persistentvolumeclaims") => is_new,
        ("", "secrets") => has_null("data"),
        ("", "configmaps") => has_null("binaryData"),
        ("batch", "jobs") => {
            let selects = object["spec"]["manualSelector"] != true;
            is_new
                && selects
                && !has_labels(&object["metadata"])
                && !has_labels(&object["spec"]["template"]["metadata"])
        }
        _ => false,
    }
}

/// Takes out of a custom resource's metadata what its Go type would not write: what is empty or null.
fn tidy_metadata(object: &mut Value) {
    let is_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.retain(|_, value| !is_nothing(value));
        for field in ["labels", "annotations"] {
            let texts = meta.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten();
            texts.filter(|(_, text)| text.is_null()).for_each(|(_, text)| *text = json!(""));
        }
        let names = meta.get_mut("finalizers").and_then(Value::as_array_mut).into_iter().flatten();
        names.filter(|name| name.is_null()).for_each(|name| *name = json!(""));
    }
}

/// Merges a strategic merge patch.
pub(crate) fn strategic(resource: &Resource, current: &Value, patch: &Value) -> Result<Value, ApiError> {
    bowline_smd::strategic_merge(&ownership::type_of(resource), current, patch).map_err(|error| match error {
        PatchError::DeleteList | PatchError::RetainKeys | PatchError::SetElementOrder => {
            ApiError::bad_request(error.to_string())
        }
        PatchError::ListOfLists => {
            let message = "the server rejected our request due to an error in our request";
            ApiError::new(422, "Invalid", message).with_causes(Vec::new())
        }
        _ => ApiError::unforeseen(error.to_string()),
    })
}

/// Returns what is wrong with an object, or with its succeeding `old`; what is wrong but may stay is a warning.
///
/// Of an object there is what is stored, and what was [given](as_given).
pub(crate) fn validate(
    resource: &Resource,
    subresource: &str,
    (object, given): (&Value, &Value),
    old: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Vec<Cause> {
    let Some(custom) = resource.custom() else {
        let builtins = Builtins::get();
        if let Some(causes) = validate_extension(resource, subresource, given, old, warnings) {
            return causes;
        }
        let (group, kind) = (&resource.group, &resource.kind);
        let mut mistakes = builtins.validate(group, kind, given, old);
        if let Some(old) = old {
            let more = match subresource {
                "status" => builtins.validate_status(group, kind, old, object),
                // Only the parts of a pod that these may change are taken from what is written.
                "ephemeralcontainers" | "resize" => Vec::new(),
                _ => builtins.check_immutable((group, kind), old, object, given),
            };
            let is_first = subresource != "status" && builtins.tells_changes_first(group, kind);
            let at = match mistakes.iter().position(|mistake| !mistake.field.starts_with("metadata")) {
                Some(at) if is_first => at,
                _ => mistakes.len(),
            };
            mistakes.splice(at..at, more);
        }
        return mistakes.into_iter().map(Cause::from).collect();
    };
    let verdict = custom.validate(object, old, subresource);
    warnings.extend(verdict.warnings);
    verdict.causes
}

/// Does the same for the kinds that change what the server does; `None` for all others.
fn validate_extension(
    resource: &Resource,
    subresource: &str,
    object: &Value,
    old: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Option<Vec<Cause>> {
    let is_admission = resource.group == "admissionregistration.k8s.io" && subresource.is_empty();
    let found = match resource.plural.as_str() {
        _ if is_definition(resource) && subresource == "status" => crd::check_status(object),
        _ if is_definition(resource) => crd::check(object, old),
        "validatingadmissionpolicies" if is_admission => policies::check_policy(object),
        "validatingadmissionpolicybindings" if is_admission => policies::check_binding(object),
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" if is_admission => {
            webhooks::check_configuration(object, resource.plural.starts_with("mutating"))
        }
        _ => return None,
    };
    let mut causes = if is_admission {
        let mistakes = Builtins::get().validate(&resource.group, &resource.kind, object, old);
        mistakes.into_iter().map(Cause::from).collect()
    } else {
        validate_meta(resource, object, old)
    };
    causes.extend(found);
    if causes.is_empty() && is_definition(resource) && subresource.is_empty() {
        warnings.extend(crd::warnings(object, old));
    }
    Some(causes)
}

/// Returns what the client is warned of when it creates a valid object.
pub(crate) fn warnings(resource: &Resource, object: &Value) -> Vec<String> {
    match resource.custom() {
        Some(_) => crd::finalizer_warnings(object, None),
        None => Builtins::get().warnings(&resource.group, &resource.kind, object),
    }
}

/// Returns what the client is warned of when a valid object replaces `old`.
pub(crate) fn update_warnings(target: &Target<'_>, old: &Value, object: &Value) -> Vec<String> {
    let resource = target.resource;
    match (resource.custom(), target.subresource) {
        (Some(_), "") => return crd::finalizer_warnings(object, Some(old)),
        (None, "" | "scale") => {}
        _ => return Vec::new(),
    }
    Builtins::get().update_warnings(&resource.group, &resource.kind, old, object)
}

impl From<FieldError> for Cause {
    fn from(error: FieldError) -> Self {
        Self { reason: error.reason, message: error.message, field: error.field }
    }
}

/// Takes what a write through `subresource` may not touch from the live object.
pub(crate) fn keep_other_parts(resource: &Resource, subresource: &str, live: &Value, object: &mut Value) {
    match subresource {
        "status" if resource.custom().is_some() => {
            let mut next = live.clone();
            set(&mut next, "status", object.get("status").cloned());
            set(&mut next["metadata"], "managedFields", object["metadata"].get("managedFields").cloned());
            *object = next;
        }
        "status" => {
            let mut next = live.clone();
            set(&mut next, "status", object.get("status").cloned());
            let mut meta = object["metadata"].take();
            let kept: &[&str] = if ownership::status_stands_alone(resource) {
                &["labels", "annotations", "finalizers", "ownerReferences"]
            } else if resource.is("apps", "deployments") {
                &["labels"]
            } else if resource.is("", "pods") {
                &["ownerReferences"]
            } else {
                &[]
            };
            for key in kept {
                set(&mut meta, key, live["metadata"].get(*key).cloned());
            }
            next["metadata"] = meta;
            let unclassed = resource.is("", "pods") && next["status"]["qosClass"].as_str().is_none_or(str::is_empty);
            if unclassed && let Some(class) = live["status"].get("qosClass") {
                next["status"]["qosClass"] = class.clone();
            }
            *object = next;
        }
        "ephemeralcontainers" | "resize" => keep_pod(subresource, live, object),
        // Conditions are all it writes, which [`crate::auth::requests::keep`] sees to.
        "approval" => {}
        _ if resource.has_status() => set(object, "status", live.get("status").cloned()),
        _ => {}
    }
}

/// Leaves of a changed pod what its subresource may change.
fn keep_pod(subresource: &str, live: &Value, object: &mut Value) {
    let names = |pod: &Value, list: &str| -> Vec<Value> {
        pod["spec"][list].as_array().into_iter().flatten().map(|container| container["name"].clone()).collect()
    };
    let moved = |list: &str| names(live, list) != names(object, list);
    if subresource == "resize" && (moved("containers") || moved("initContainers")) {
        // What is wrong with it is told when it is validated.
        return;
    }
    let mut next = live.clone();
    set(&mut next["metadata"], "managedFields", object["metadata"].get("managedFields").cloned());
    if subresource == "ephemeralcontainers" {
        set(&mut next["spec"], "ephemeralContainers", object["spec"].get("ephemeralContainers").cloned());
    } else {
        for list in ["containers", "initContainers"] {
            let containers = next["spec"].get_mut(list).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                let changed = object["spec"][list].as_array().into_iter().flatten();
                let Some(changed) = changed.into_iter().find(|changed| changed["name"] == container["name"]) else {
                    continue;
                };
                for key in ["resources", "resizePolicy"] {
                    set(container, key, changed.get(key).cloned());
                }
            }
        }
    }
    *object = next;
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
        let ctx = WriteContext {
            uid: &uid,
            now: &now,
            allocator: &self.state.allocator,
            dry_run: options.dry_run,
            shares_labels: options.shares_labels,
        };
        Builtins::get()
            .prepare_create(&resource.group, &resource.version, &resource.kind, object, &ctx)
            .map_err(|refusal| refuse(resource, meta_text(object, "name"), refusal))?;
        if is_definition(resource) {
            crd::prepare_create(object);
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
        if resource.custom().is_none() && target.subresource == "status" {
            Builtins::clean_status(&resource.group, &resource.kind, object);
        }
        if resource.custom().is_some() || !matches!(target.subresource, "" | "scale") {
            return Ok(());
        }
        let now = self.clock.now_seconds();
        let ctx = WriteContext {
            uid: meta_text(old, "uid"),
            now: &now,
            allocator: &self.state.allocator,
            dry_run: options.dry_run,
            shares_labels: false,
        };
        Builtins::get()
            .prepare_update(&resource.group, &resource.version, &resource.kind, old, object, &ctx)
            .map_err(|refusal| refuse(resource, target.name, refusal))?;
        if is_definition(resource) {
            crd::prepare_update(object);
        }
        Ok(())
    }
}

fn refuse(resource: &Resource, name: &str, refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Invalid(mistakes) => {
            let causes = mistakes.into_iter().map(Cause::from).collect();
            ApiError::invalid(&resource.group, &resource.kind, name, causes)
        }
        Refusal::Internal(why) => ApiError::internal(why),
        Refusal::Unforeseen(why) => ApiError::unforeseen(why),
    }
}

/// Returns whether a new object of a kind is of generation 1.
pub(crate) fn starts_generations(resource: &Resource) -> bool {
    resource.custom().is_some() || Builtins::get().sets_generation(&resource.group, &resource.kind)
}

/// Returns whether the server raises a kind's `metadata.generation`.
pub(crate) fn counts_generations(resource: &Resource) -> bool {
    resource.custom().is_some() || Builtins::get().raises_generation(&resource.group, &resource.kind)
}

/// Returns whether a change is one of what is wanted, not only of metadata or status.
pub(crate) fn starts_generation(resource: &Resource, old: &Value, new: &Value, options: &WriteOptions) -> bool {
    const TELLS_EMPTY_FROM_NONE: [(&str, &str); 3] = [
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("networking.k8s.io", "networkpolicies"),
    ];
    let given = if TELLS_EMPTY_FROM_NONE.contains(&(resource.group.as_str(), resource.plural.as_str())) {
        as_given(resource, new, options)
    } else {
        Cow::Borrowed(new)
    };
    let new = &*given;
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
                | ("storage.k8s.io", "csidrivers" | "csinodes" | "csistoragecapacities" | "volumeattachments")
        )
}

/// Returns whether a PUT creates what is missing (k8s: `AllowCreateOnUpdate`), be it for its status alone.
pub(crate) fn creates_on_update(resource: &Resource, subresource: &str) -> bool {
    let is_whole = subresource.is_empty() || (subresource == "status" && resource.has_status());
    is_whole
        && matches!(
            (resource.group.as_str(), resource.plural.as_str()),
            (RBAC | "coordination.k8s.io", _)
                | ("", "events" | "endpoints" | "services" | "limitranges")
                | ("events.k8s.io", "events")
                | ("node.k8s.io", "runtimeclasses")
        )
}

/// Returns whether a custom resource is written to storage as the one that is there: Go's `2.0` is written as `2`.
pub(crate) fn is_printed_alike(resource: &Resource, object: &Value, stored: &Value) -> bool {
    resource.custom().is_some() && {
        let mut printed = object.clone();
        crd::whole_numbers(&mut printed);
        printed == *stored
    }
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
    if let Some(custom) = resource.custom() {
        let shown = custom.as_stored(stored);
        if shown["apiVersion"] == want {
            return shown;
        }
        if let Some(conversion) = &custom.conversion
            && let Some(mut object) = convert(conversion, &shown, &want)
        {
            if !custom.preserve_unknown {
                crd::prune(&mut object, &custom.schema);
            }
            return Arc::new(object);
        }
        let mut object = Value::clone(&shown);
        object["apiVersion"] = json!(want);
        return Arc::new(object);
    }
    if stored["apiVersion"] == want {
        return Arc::clone(stored);
    }
    let mut object = Value::clone(stored);
    object["apiVersion"] = json!(want);
    if resource.is("events.k8s.io", "events") {
        rename(&mut object, &EVENT_FIELDS);
    } else if resource.is("autoscaling", "horizontalpodautoscalers") {
        match resource.version.as_str() {
            "v1" => autoscaler::to_v1(&mut object),
            _ => autoscaler::to_v2(&mut object),
        }
    }
    if let Err(error) = Builtins::get().normalize(&resource.group, &resource.version, &resource.kind, &mut object) {
        tracing::debug!(%error, kind = resource.kind, "A stored object does not fit the version asked for");
    }
    Arc::new(object)
}

/// Returns an object of `resource` in the version it is stored in.
pub(crate) fn to_storage(resource: &Resource, mut object: Value, catalog: &Catalog) -> Value {
    if let Some(custom) = resource.custom() {
        let version = catalog.storage_version(resource);
        if version != resource.version {
            let want = crate::resource::api_version(&resource.group, &version);
            if let Some(conversion) = &custom.conversion
                && let Some(converted) = convert(conversion, &object, &want)
            {
                object = converted;
            }
            custom.fit_storage(&mut object);
        }
        object["apiVersion"] = json!(crate::resource::api_version(&resource.group, &version));
        // Whoever reads it gets what the stored version's schema makes of it.
        custom.fill_in(&mut object);
        crd::whole_numbers(&mut object);
    } else if resource.is("events.k8s.io", "events") {
        object["apiVersion"] = json!("v1");
        rename(&mut object, &EVENT_FIELDS.map(|(core, events)| (events, core)));
        tidy(&mut object, "", "v1", "Event");
    } else if resource.is("autoscaling", "horizontalpodautoscalers") && object["apiVersion"] == "autoscaling/v1" {
        autoscaler::to_v2(&mut object);
        tidy(&mut object, "autoscaling", "v2", "HorizontalPodAutoscaler");
    }
    object
}

/// Returns whether a custom resource is stored otherwise than it is read: without fields that the stored version's schema
/// has defaults for, or with nulls it does not allow.
///
/// That is so where it was written in another version, or as a scale, which no schema is applied to, or where nulls were
/// applied.
pub(crate) fn is_read_otherwise(resource: &Resource, object: &Value, catalog: &Catalog) -> bool {
    fn has_null(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Array(items) => items.iter().any(has_null),
            Value::Object(map) => map.values().any(has_null),
            _ => false,
        }
    }
    let custom = resource.custom().filter(|custom| custom.storage_defaults || has_null(object));
    let Some(custom) = custom else { return false };
    let mut kept = object.clone();
    if catalog.storage_version(resource) != resource.version {
        custom.prune_to_storage(&mut kept);
    }
    let filled = custom.filled_in(&kept);
    filled != kept
}

/// Writes a converted object as its new type is written.
fn tidy(object: &mut Value, group: &str, version: &str, kind: &str) {
    if let Err(error) = Builtins::get().normalize(group, version, kind, object) {
        tracing::debug!(%error, kind, "A converted object does not fit its type");
    }
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
