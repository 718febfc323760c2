//! Volumes, claims, and the kinds of `storage.k8s.io` (`pkg/apis/core/validation`, `pkg/apis/storage/validation`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::errors::at;
use super::pods::{self, one_persistent_source};
use super::{Errors, NOT_NEGATIVE, POSITIVE, entries, is_empty, items, meta, names, number, text};
use crate::builtins::Quantity;

const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];

fn access_modes(spec: &Value, path: &str, errors: &mut Errors) {
    let field = at(path, "accessModes");
    let (mut alone, mut others) = (false, false);
    for (_, mode) in items(&spec["accessModes"]) {
        if !ACCESS_MODES.iter().any(|have| mode == have) {
            errors.not_supported(&field, mode, &ACCESS_MODES);
        } else if mode == "ReadWriteOncePod" {
            alone = true;
        } else {
            others = true;
        }
    }
    if alone && others {
        errors.forbidden(&field, "may not use ReadWriteOncePod with other access modes");
    }
}

fn subdomain(owner: &Value, field: &str, path: &str, errors: &mut Errors) {
    let name = text(owner, field);
    if !name.is_empty() {
        errors.invalid_each(&at(path, field), name, names::dns_subdomain(name));
    }
}

fn quantity(value: &Value) -> Option<Quantity> {
    value.as_str()?.parse().ok()
}

pub(super) fn claim_spec(spec: &Value, path: &str, errors: &mut Errors) {
    if is_empty(&spec["accessModes"]) {
        errors.required(&at(path, "accessModes"), "at least 1 access mode is required");
    }
    if !spec["selector"].is_null() {
        meta::selector(&spec["selector"], &at(path, "selector"), errors);
    }
    access_modes(spec, path, errors);
    let storage = &spec["resources"]["requests"]["storage"];
    let field = at(path, "resources[storage]");
    match quantity(storage) {
        None => errors.required(&field, ""),
        Some(size) if size.nanos() <= 0 => errors.invalid(&field, storage, POSITIVE),
        Some(_) => pods::quantity_value("storage", storage, &field, errors),
    }
    subdomain(spec, "storageClassName", path, errors);
    errors.one_of(&at(path, "volumeMode"), &spec["volumeMode"], &VOLUME_MODES);
    let (source, reference) = (&spec["dataSource"], &spec["dataSourceRef"]);
    for (field, value) in [("dataSource", source), ("dataSourceRef", reference)] {
        if !value.is_null() {
            data_source(value, &at(path, field), errors);
        }
    }
    // Upstream names the field where the value should be, which prints as nothing.
    if !source.is_null() && !text(reference, "namespace").is_empty() {
        errors.invalid_printed(path, "{}", "may not be specified when dataSourceRef.namespace is specified");
    } else if !source.is_null()
        && !reference.is_null()
        && ["apiGroup", "kind", "name"].iter().any(|field| source[field] != reference[field])
    {
        errors.invalid_printed(path, "{}", "must match dataSourceRef");
    }
    subdomain(spec, "volumeAttributesClassName", path, errors);
}

fn data_source(source: &Value, path: &str, errors: &mut Errors) {
    for field in ["name", "kind"] {
        errors.wants_text(source, field, path);
    }
    let group = text(source, "apiGroup");
    if group.is_empty() {
        if text(source, "kind") != "PersistentVolumeClaim" {
            let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            errors.invalid(path, &source["kind"], detail);
        }
    } else {
        errors.invalid_each(&at(path, "apiGroup"), group, names::dns_subdomain(group));
    }
    let namespace = text(source, "namespace");
    if !namespace.is_empty() {
        errors.invalid_each(&at(path, "namespace"), namespace, names::dns_label(namespace));
    }
}

/// The sources of a persistent volume in the order in which they are checked, with the names errors give them.
const SOURCES: [(&str, &str, &str); 21] = [
    ("hostPath", "hostPath", "hostPath"),
    ("gcePersistentDisk", "persistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore"),
    ("glusterfs", "glusterfs", "glusterfs"),
    ("flocker", "flocker", "flocker"),
    ("nfs", "nfs", "nfs"),
    ("rbd", "rbd", "rbd"),
    ("quobyte", "quobyte", "quobyte"),
    ("cephfs", "cephfs", "cephFS"),
    ("iscsi", "iscsi", "iscsi"),
    ("cinder", "cinder", "cinder"),
    ("fc", "fc", "fc"),
    ("flexVolume", "flexVolume", ""),
    ("azureFile", "azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk", "azureDisk"),
    ("scaleIO", "scaleIO", "scaleIO"),
    ("local", "local", "local"),
    ("storageos", "storageos", "storageos"),
];

const INLINE: &str = "in the context of inline volumes";

/// Checks the spec of a volume, or of one that stands in a VolumeAttachment.
pub(super) fn volume_spec(spec: &Value, name: &str, inline: bool, path: &str, errors: &mut Errors) {
    if inline {
        for field in ["claimRef", "capacity"] {
            if !is_empty(&spec[field]) || spec[field].is_object() && field == "claimRef" {
                errors.forbidden(&at(path, field), &format!("may not be specified {INLINE}"));
            }
        }
        if spec["csi"].is_null() {
            errors.required(&at(path, "csi"), &format!("has to be specified {INLINE}"));
        }
    }
    if is_empty(&spec["accessModes"]) {
        errors.required(&at(path, "accessModes"), "");
    }
    access_modes(spec, path, errors);
    if !inline {
        capacity(&spec["capacity"], &at(path, "capacity"), errors);
    }
    let policy = text(spec, "persistentVolumeReclaimPolicy");
    let policy_field = at(path, "persistentVolumeReclaimPolicy");
    if !policy.is_empty() {
        if !inline {
            let supported = ["Delete", "Recycle", "Retain"];
            errors.one_of(&policy_field, &spec["persistentVolumeReclaimPolicy"], &supported);
        } else if policy != "Retain" {
            errors.forbidden(&policy_field, &format!("may only be Retain {INLINE}"));
        }
    }
    let affinity = &spec["nodeAffinity"];
    if !affinity.is_null() {
        let field = at(path, "nodeAffinity");
        if inline {
            errors.forbidden(&field, &format!("may not be specified {INLINE}"));
        } else if affinity["required"].is_null() {
            errors.required(&at(&field, "required"), "must specify required node constraints");
        } else {
            pods::node_selector(&affinity["required"], true, &at(&field, "required"), errors);
        }
    }
    sources(spec, name, inline, path, errors);
    let root = |host: &str| !host.is_empty() && host.split('/').all(|part| part.is_empty() || part == ".");
    if policy == "Recycle" && root(text(&spec["hostPath"], "path")) {
        errors.forbidden(&policy_field, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = text(spec, "storageClassName");
    if !class.is_empty() && inline {
        errors.forbidden(&at(path, "storageClassName"), &format!("may not be specified {INLINE}"));
    } else {
        subdomain(spec, "storageClassName", path, errors);
    }
    if let Some(mode) = spec["volumeMode"].as_str() {
        if !inline {
            errors.one_of(&at(path, "volumeMode"), &spec["volumeMode"], &VOLUME_MODES);
        } else if mode != "Filesystem" {
            let detail = format!("may not specify volumeMode other than Filesystem {INLINE}");
            errors.forbidden(&at(path, "volumeMode"), &detail);
        }
    }
    if let Some(class) = spec["volumeAttributesClassName"].as_str().filter(|_| !inline) {
        if class.is_empty() {
            errors.required(&at(path, "volumeAttributesClassName"), "an empty string is disallowed");
        }
        subdomain(spec, "volumeAttributesClassName", path, errors);
        if spec["csi"].is_null() {
            errors.required(&at(path, "csi"), "has to be specified when using volumeAttributesClassName");
        }
    }
}

fn capacity(capacity: &Value, path: &str, errors: &mut Errors) {
    if is_empty(capacity) {
        errors.required(path, "");
    }
    if capacity["storage"].is_null() || entries(capacity).count() > 1 {
        errors.not_supported_printed(path, &capacity.to_string(), &["storage"]);
    }
    for (name, value) in entries(capacity) {
        let (field, Some(amount)) = (format!("{path}[{name}]"), quantity(value)) else { continue };
        if amount.nanos() <= -1_000_000_000 {
            let whole = (amount.nanos() / 1_000_000_000) as i64;
            errors.invalid_number(&field, whole, "must be a valid resource quantity");
        }
        if amount.nanos() <= 0 {
            errors.invalid(&field, value, POSITIVE);
        }
    }
}

fn sources(spec: &Value, name: &str, inline: bool, path: &str, errors: &mut Errors) {
    let mut count = 0;
    for (kind, field, forbidden) in SOURCES.into_iter().chain([("csi", "csi", "csi")]) {
        let source = &spec[kind];
        if source.is_null() {
            continue;
        }
        if count > 0 && !forbidden.is_empty() {
            errors.forbidden(&at(path, forbidden), "may not specify more than 1 volume type");
            continue;
        }
        count += 1;
        one_persistent_source(kind, source, name, &at(path, field), errors);
        if kind == "local" && (spec["nodeAffinity"].is_null() || inline) {
            errors.required(&at(path, "nodeAffinity"), "Local volume requires node affinity");
        }
    }
    if count == 0 {
        errors.required(path, "must specify a volume type");
    }
}

const MAX_PARAMETERS: usize = 512;
const MAX_PARAMETER_BYTES: usize = 256 * 1024;

fn provisioner(object: &Value, field: &str, errors: &mut Errors) {
    if errors.wants_text(object, field, "") {
        let name = text(object, field).to_lowercase();
        errors.invalid_each(field, &name, names::label_key(&name));
    }
}

fn parameters(map: &Value, may_be_empty: bool, errors: &mut Errors) {
    if entries(map).count() > MAX_PARAMETERS {
        return errors.too_long("parameters", MAX_PARAMETERS);
    }
    let mut size = 0;
    for (key, value) in entries(map) {
        if key.is_empty() {
            errors.invalid_text("parameters", key, "field can not be empty.");
        }
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > MAX_PARAMETER_BYTES {
        errors.too_long("parameters", MAX_PARAMETER_BYTES);
    }
    if !may_be_empty && is_empty(map) {
        errors.required("parameters", "must contain at least one key/value pair");
    }
}

pub(super) fn class(class: &Value, errors: &mut Errors) {
    provisioner(class, "provisioner", errors);
    parameters(&class["parameters"], true, errors);
    if !text(class, "reclaimPolicy").is_empty() {
        errors.one_of("reclaimPolicy", &class["reclaimPolicy"], &["Delete", "Retain"]);
    }
    let modes = ["Immediate", "WaitForFirstConsumer"];
    if class["volumeBindingMode"].is_null() {
        errors.required("volumeBindingMode", "");
    }
    errors.one_of("volumeBindingMode", &class["volumeBindingMode"], &modes);
    topologies(&class["allowedTopologies"], errors);
}

fn topologies(list: &Value, errors: &mut Errors) {
    // Upstream compares with as many empty terms as there are terms, before those it has seen.
    let mut seen = vec![BTreeMap::new(); items(list).count()];
    for (index, term) in items(list) {
        let path = format!("allowedTopologies[{index}].matchLabelExpressions");
        let mut terms = BTreeMap::new();
        for (index, requirement) in items(&term["matchLabelExpressions"]) {
            let path = format!("{path}[{index}]");
            let mut values = BTreeSet::new();
            if is_empty(&requirement["values"]) {
                errors.required(&at(&path, "values"), "");
            }
            for (index, value) in items(&requirement["values"]) {
                if !values.insert(value.as_str().unwrap_or_default()) {
                    errors.duplicate(&at(&path, &format!("values[{index}]")), value);
                }
            }
            meta::label_key(requirement, "key", &path, errors);
            if terms.insert(text(requirement, "key"), values).is_some() {
                errors.duplicate(&at(&path, "key"), &requirement["key"]);
            }
        }
        for _ in seen.iter().filter(|have| **have == terms) {
            errors.duplicate(&path, &json!(""));
        }
        seen.push(terms);
    }
}

pub(super) fn attributes_class(class: &Value, errors: &mut Errors) {
    provisioner(class, "driverName", errors);
    parameters(&class["parameters"], false, errors);
}

pub(super) fn attachment(attachment: &Value, is_new: bool, errors: &mut Errors) {
    let spec = &attachment["spec"];
    errors.wants_text(spec, "attacher", "spec");
    let (inline, volume) = (&spec["source"]["inlineVolumeSpec"], &spec["source"]["persistentVolumeName"]);
    let one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (inline.is_null(), volume.as_str()) {
        (true, None) => errors.required("spec.source", one),
        (false, Some(_)) => errors.forbidden("spec.source", one),
        (true, Some("")) => {
            errors.required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName");
        }
        (true, Some(_)) => {}
        (false, None) => volume_spec(inline, "", true, "spec.source.inlineVolumeSpec", errors),
    }
    let node = text(spec, "nodeName");
    errors.invalid_each("spec.nodeName", node, names::dns_subdomain(node));
    // The names were looked at when it was made.
    if !is_new {
        return;
    }
    pods::csi_driver_name(spec, "attacher", "spec", errors);
    if let Some(name) = volume.as_str() {
        errors.invalid_each("spec.source.persistentVolumeName", name, names::dns_subdomain(name));
    }
}

const NODE_ID_BYTES: usize = 256;

pub(super) fn csi_node(node: &Value, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for (index, driver) in items(&node["spec"]["drivers"]) {
        let path = format!("spec.drivers[{index}]");
        pods::csi_driver_name(driver, "name", &path, errors);
        errors.wants_text(driver, "nodeID", &path);
        if text(driver, "nodeID").len() > NODE_ID_BYTES {
            let detail = format!("must be {NODE_ID_BYTES} characters or less");
            errors.invalid(&at(&path, "nodeID"), &driver["nodeID"], &detail);
        }
        if let Some(count) = number(&driver["allocatable"], "count").filter(|count| *count < 0) {
            errors.invalid_number(&at(&path, "allocatable.count"), count, NOT_NEGATIVE);
        }
        if !known.insert(text(driver, "name")) {
            errors.duplicate(&at(&path, "name"), &driver["name"]);
        }
        let mut keys = BTreeSet::new();
        for (_, key) in items(&driver["topologyKeys"]) {
            let text = key.as_str().unwrap_or_default();
            if text.is_empty() {
                errors.required(&path, "");
            }
            if !keys.insert(text) {
                errors.duplicate(&path, key);
            }
            errors.invalid_each(&path, text, names::label_key(text));
        }
    }
}

pub(super) fn csi_driver(driver: &Value, errors: &mut Errors) {
    let spec = &driver["spec"];
    for (field, named) in [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ] {
        if spec[field].is_null() {
            errors.required(&at("spec", named), "");
        }
    }
    errors.one_of("spec.fsGroupPolicy", &spec["fsGroupPolicy"], &["File", "None", "ReadWriteOnceWithFSType"]);
    let mut audiences = BTreeSet::new();
    for (index, request) in items(&spec["tokenRequests"]) {
        let path = format!("spec.tokenRequests[{index}]");
        if !audiences.insert(text(request, "audience")) {
            errors.duplicate(&at(&path, "audience"), &request["audience"]);
            continue;
        }
        let secs = number(request, "expirationSeconds");
        if let Some(secs) = secs.filter(|secs| *secs < 600) {
            let detail = "may not specify a duration less than 10 minutes";
            errors.invalid_number(&at(&path, "expirationSeconds"), secs, detail);
        }
        if let Some(secs) = secs.filter(|secs| *secs > 1 << 32) {
            let detail = "may not specify a duration larger than 2^32 seconds";
            errors.invalid_number(&at(&path, "expirationSeconds"), secs, detail);
        }
    }
    for (_, mode) in items(&spec["volumeLifecycleModes"]) {
        errors.one_of("spec.volumeLifecycleModes", mode, &["Persistent", "Ephemeral"]);
    }
    if spec["seLinuxMount"].is_null() {
        errors.required("spec.seLinuxMount", "");
    }
    if let Some(secs) = number(spec, "nodeAllocatableUpdatePeriodSeconds").filter(|secs| *secs < 10) {
        let field = "spec.nodeAllocatableUpdatePeriodSeconds";
        errors.invalid_number(field, secs, "must be greater than or equal to 10 seconds");
    }
    let in_secrets = &spec["serviceAccountTokenInSecrets"];
    if !in_secrets.is_null() && is_empty(&spec["tokenRequests"]) {
        let detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        errors.invalid_object("spec.serviceAccountTokenInSecrets", in_secrets, detail);
    }
}

pub(super) fn csi_capacity(capacity: &Value, errors: &mut Errors) {
    meta::selector(&capacity["nodeTopology"], "nodeTopology", errors);
    let class = text(capacity, "storageClassName");
    errors.invalid_each("storageClassName", class, names::dns_subdomain(class));
    if quantity(&capacity["capacity"]).is_some_and(|amount| amount.nanos() < 0) {
        errors.invalid("capacity", &capacity["capacity"], NOT_NEGATIVE);
    }
}
