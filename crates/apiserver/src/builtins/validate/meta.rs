//! Metadata of objects, and label selectors (`apimachinery/pkg/api/validation`, `…/apis/meta/v1/validation`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::errors::at;
use super::{Errors, entries, items, names, network, text};
use crate::builtins::Builtins;

/// The most that the annotations of one object may hold together.
const ANNOTATION_LIMIT_BYTES: usize = 256 * 1024;

/// Returns the check of a kind's names.
pub(super) fn name_check(group: &str, kind: &str) -> fn(&str) -> Vec<String> {
    match (group, kind) {
        ("", "Namespace") | ("apps", "StatefulSet") => names::dns_label,
        ("", "Service") => names::dns_1035_label,
        ("rbac.authorization.k8s.io" | "apiregistration.k8s.io", _) | ("policy", "PodDisruptionBudget") => {
            names::path_segment
        }
        // Only that its name can be part of a path is looked at.
        ("", "Event") => names::path_segment,
        ("networking.k8s.io", "IPAddress") => network::ip_name,
        ("certificates.k8s.io", "CertificateSigningRequest") => |_| Vec::new(),
        ("coordination.k8s.io", "LeaseCandidate") => names::config_key,
        _ => names::dns_subdomain,
    }
}

/// Checks the metadata of a new object.
pub(super) fn of_new(group: &str, kind: &str, object: &Value, errors: &mut Errors) {
    let meta = &object["metadata"];
    let check = name_check(group, kind);
    let prefix = text(meta, "generateName");
    if !prefix.is_empty() && kind != "ReplicationController" {
        // A prefix may end in a dash, as the letters that follow it do not.
        let masked = prefix.strip_suffix('-').map_or_else(|| prefix.to_owned(), |rest| format!("{rest}a"));
        errors.invalid_each("metadata.generateName", prefix, check(if masked.len() > 1 { &masked } else { prefix }));
    }
    let name = text(meta, "name");
    if name.is_empty() {
        errors.required("metadata.name", "name or generateName is required");
    } else {
        errors.invalid_each("metadata.name", name, check(name));
    }
    let namespaced = (Builtins::get().resources().iter())
        .find(|resource| resource.group == group && resource.kind == kind)
        .is_none_or(|resource| resource.namespaced);
    let namespace = text(meta, "namespace");
    match (namespaced, namespace) {
        // The registry has set it by now.
        (true, "") => {}
        (true, _) => errors.invalid_each("metadata.namespace", namespace, names::dns_label(namespace)),
        (false, "") => {}
        (false, _) => errors.forbidden("metadata.namespace", "not allowed on this type"),
    }
    if let Some(generation) = meta["generation"].as_i64().filter(|generation| *generation < 0) {
        errors.invalid_number("metadata.generation", generation, super::NOT_NEGATIVE);
    }
    labels(&meta["labels"], "metadata.labels", errors);
    annotations(&meta["annotations"], "metadata.annotations", errors);
    owners(&meta["ownerReferences"], errors);
    finalizers(&meta["finalizers"], errors);
    // Events are looked at as objects of any kind; those of the group of their own are looked at once more.
    if (group, kind) != ("", "Event") {
        kubernetes_finalizers(group, &meta["finalizers"], errors);
    }
}

/// A look at the metadata of a successor.
#[derive(Clone, Copy)]
enum Look {
    /// As if it were new.
    New,
    /// As what becomes of another.
    Next,
}

/// How each kind's own strategy looks at the metadata of a successor: which looks, in which order.
///
/// Kinds that are not here look once, at what becomes of it.
fn looks(group: &str, kind: &str) -> &'static [Look] {
    use Look::{New, Next};
    match (group, kind) {
        ("", "Namespace" | "Node")
        | ("batch", "Job")
        | ("networking.k8s.io", "IPAddress" | "NetworkPolicy")
        | ("node.k8s.io", "RuntimeClass")
        | ("rbac.authorization.k8s.io", _)
        | ("resource.k8s.io", "DeviceClass" | "ResourceClaim" | "ResourceClaimTemplate")
        | ("storage.k8s.io", "CSIStorageCapacity" | "StorageClass") => &[New, Next],
        ("", "ConfigMap" | "Endpoints" | "PersistentVolumeClaim" | "Pod" | "Secret" | "Service" | "ServiceAccount")
        | ("apps", "ControllerRevision")
        | ("networking.k8s.io", "Ingress" | "IngressClass")
        | ("storage.k8s.io", "VolumeAttributesClass") => &[Next, New],
        ("", "PersistentVolume") | ("storage.k8s.io", "CSINode") => &[New, New],
        ("", "LimitRange")
        | ("admissionregistration.k8s.io" | "flowcontrol.apiserver.k8s.io", _)
        | ("discovery.k8s.io", "EndpointSlice")
        | ("storage.k8s.io", "VolumeAttachment") => &[New],
        _ => &[Next],
    }
}

/// Checks the metadata of an object that replaces `old`: as of any new object, as of any successor
/// (`validateCommonFields` in `pkg/registry/rest`), and then as its own kind does.
pub(super) fn of_successor(group: &str, kind: &str, old: &Value, object: &Value, errors: &mut Errors) {
    of_any_successor(old, object, errors);
    if (group, kind) != ("policy", "PodDisruptionBudget") {
        of_kind(group, kind, old, object, errors);
    }
}

/// Checks the metadata of a successor as that of every kind.
pub(super) fn of_any_successor(old: &Value, object: &Value, errors: &mut Errors) {
    of_any(&object["metadata"], errors);
    succession(old, object, errors);
}

/// Checks the metadata of a successor as its kind does.
pub(super) fn of_kind(group: &str, kind: &str, old: &Value, object: &Value, errors: &mut Errors) {
    for look in looks(group, kind) {
        match look {
            Look::New => of_any(&object["metadata"], errors),
            Look::Next => succession(old, object, errors),
        }
        kubernetes_finalizers(group, &object["metadata"]["finalizers"], errors);
    }
}

/// Checks what the metadata of every object may hold.
fn of_any(meta: &Value, errors: &mut Errors) {
    labels(&meta["labels"], "metadata.labels", errors);
    annotations(&meta["annotations"], "metadata.annotations", errors);
    owners(&meta["ownerReferences"], errors);
    finalizers(&meta["finalizers"], errors);
}

/// Checks what becomes of the metadata of an object (`ValidateObjectMetaAccessorUpdate` in `apimachinery`).
fn succession(old: &Value, object: &Value, errors: &mut Errors) {
    let (meta, before) = (&object["metadata"], &old["metadata"]);
    if before["deletionTimestamp"].is_string() {
        let known: BTreeSet<&str> = items(&before["finalizers"]).filter_map(|(_, name)| name.as_str()).collect();
        let new: BTreeSet<&str> = items(&meta["finalizers"])
            .filter_map(|(_, name)| name.as_str())
            .filter(|name| !known.contains(name))
            .collect();
        if !new.is_empty() {
            let new: Vec<String> = new.into_iter().map(|name| format!("{name:?}")).collect();
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                new.join(", ")
            );
            errors.forbidden("metadata.finalizers", &detail);
        }
    }
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        if meta[field] != before[field] {
            errors.invalid(&format!("metadata.{field}"), &meta[field], "field is immutable");
        }
    }
    labels(&meta["labels"], "metadata.labels", errors);
    annotations(&meta["annotations"], "metadata.annotations", errors);
    owners(&meta["ownerReferences"], errors);
}

pub(super) fn labels(map: &Value, path: &str, errors: &mut Errors) {
    for (key, value) in entries(map) {
        errors.invalid_each(path, key, names::label_key(key));
        let value = value.as_str().unwrap_or_default();
        errors.invalid_each(path, value, names::label_value(value));
    }
}

pub(super) fn annotations(map: &Value, path: &str, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in entries(map) {
        errors.invalid_each(path, key, names::label_key(&key.to_lowercase()));
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > ANNOTATION_LIMIT_BYTES {
        errors.too_long(path, ANNOTATION_LIMIT_BYTES);
    }
}

fn owners(list: &Value, errors: &mut Errors) {
    const PATH: &str = "metadata.ownerReferences";
    let mut controller: Option<String> = None;
    for (_, owner) in items(list) {
        let version = text(owner, "apiVersion");
        let is_none = version.rsplit('/').next().is_none_or(str::is_empty) || version.matches('/').count() > 1;
        if is_none {
            errors.invalid_text(&format!("{PATH}.apiVersion"), version, "version must not be empty");
        }
        for field in ["kind", "name", "uid"] {
            if text(owner, field).is_empty() {
                errors.invalid_text(&format!("{PATH}.{field}"), "", "must not be empty");
            }
        }
        if (version, text(owner, "kind")) == ("v1", "Event") {
            errors.invalid_object(PATH, owner, "/v1, Kind=Event is disallowed from being an owner");
        }
        if owner["controller"] == true {
            let this = format!("{}/{}", text(owner, "kind"), text(owner, "name"));
            match &controller {
                Some(first) => {
                    let detail = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                    );
                    errors.invalid_printed(PATH, &print_owners(list), &detail);
                }
                None => controller = Some(this),
            }
        }
    }
}

/// Prints owners as Go does, the fields in the order of their declaration.
fn print_owners(list: &Value) -> String {
    const FIELDS: [&str; 6] = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let owners: Vec<String> = items(list)
        .map(|(_, owner)| {
            let fields = FIELDS.iter().filter(|field| owner.get(**field).is_some());
            let fields: Vec<String> = fields.map(|field| format!("\"{field}\":{}", owner[*field])).collect();
            format!("{{{}}}", fields.join(","))
        })
        .collect();
    format!("[{}]", owners.join(","))
}

fn finalizers(list: &Value, errors: &mut Errors) {
    const PATH: &str = "metadata.finalizers";
    for (_, name) in items(list) {
        let name = name.as_str().unwrap_or_default();
        errors.invalid_each(PATH, name, names::label_key(name));
    }
    let has = |wanted: &str| items(list).any(|(_, name)| name == wanted);
    if has("orphan") && has("foregroundDeletion") {
        errors.invalid_object(PATH, list, "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

/// Checks what Kubernetes' own kinds ask of finalizers; those of extensions ask less.
fn kubernetes_finalizers(group: &str, list: &Value, errors: &mut Errors) {
    // The strategies of these groups check their metadata as those of extensions do.
    const OTHERS: [&str; 5] = [
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "coordination.k8s.io",
        "node.k8s.io",
    ];
    if OTHERS.contains(&group) {
        return;
    }
    for (index, name) in items(list) {
        one_kubernetes_finalizer(name, &format!("metadata.finalizers[{index}]"), errors);
    }
}

pub(super) fn one_kubernetes_finalizer(name: &Value, path: &str, errors: &mut Errors) {
    let text = name.as_str().unwrap_or_default();
    if !text.contains('/') && !["kubernetes", "orphan", "foregroundDeletion"].contains(&text) {
        errors.invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified");
    }
}

/// Checks a label selector's own syntax.
pub(super) fn selector(selector: &Value, path: &str, errors: &mut Errors) {
    labels(&selector["matchLabels"], &at(path, "matchLabels"), errors);
    for (index, requirement) in items(&selector["matchExpressions"]) {
        let path = at(path, &format!("matchExpressions[{index}]"));
        let empty = super::is_empty(&requirement["values"]);
        match text(requirement, "operator") {
            "In" | "NotIn" if empty => {
                errors.required(&format!("{path}.values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !empty => {
                errors.forbidden(
                    &format!("{path}.values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                );
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.invalid(&format!("{path}.operator"), &requirement["operator"], "not a valid selector operator"),
        }
        label_key(requirement, "key", &path, errors);
        for (index, value) in items(&requirement["values"]) {
            let value = value.as_str().unwrap_or_default();
            errors.invalid_each(&format!("{path}.values[{index}]"), value, names::label_value(value));
        }
    }
}

/// Checks a field that holds the key of a label.
pub(super) fn label_key(owner: &Value, field: &str, path: &str, errors: &mut Errors) {
    let key = text(owner, field);
    errors.invalid_each(&at(path, field), key, names::label_key(key));
}

pub(super) fn is_empty_selector(selector: &Value) -> bool {
    super::is_empty(&selector["matchLabels"]) && super::is_empty(&selector["matchExpressions"])
}

/// Returns whether a selector can be used at all: every requirement is well formed.
pub(super) fn is_usable(chosen: &Value) -> bool {
    let mut errors = Errors::default();
    selector(chosen, "", &mut errors);
    errors.len() == 0
}

/// Says that a template's labels do not match a selector; no selector matches nothing.
pub(super) fn must_match(chosen: &Value, labels: &Value, path: &str, errors: &mut Errors) {
    if is_usable(chosen) && (chosen.is_null() || !super::selects(chosen, labels)) {
        errors.invalid_object(path, labels, "`selector` does not match template `labels`");
    }
}

/// Checks the metadata of a claim's template, of which only labels and annotations may be set.
pub(super) fn of_claim_template(meta: &Value, path: &str, errors: &mut Errors) {
    annotations(&meta["annotations"], &at(path, "annotations"), errors);
    labels(&meta["labels"], &at(path, "labels"), errors);
    const OTHERS: [&str; 8] =
        ["name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp"];
    let more = ["deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "finalizers", "managedFields"];
    for field in OTHERS.iter().chain(&more) {
        let set = match &meta[field] {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Number(number) => *number != json!(0).as_number().cloned().unwrap_or_else(|| 0.into()),
            value => !super::is_empty(value),
        };
        if set {
            let field = match *field {
                "uid" => "uID",
                field => field,
            };
            errors.forbidden(&at(path, field), "cannot be set");
        }
    }
}
