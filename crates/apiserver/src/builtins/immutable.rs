//! Fields that may not change once an object exists.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::validate::{forbidden, invalid, mistakes_in_taints, mistakes_in_tolerations, printed_inside};
use super::{FieldError, Quantity, internals, services};

const IMMUTABLE: &str = "field is immutable";

/// Kinds and the fields that stay as they were made, by group and kind.
const FIELDS: &[(&str, &str, &[&str])] = &[
    ("", "Secret", &["type"]),
    ("apps", "ControllerRevision", &["data"]),
    ("apps", "DaemonSet", &["spec.selector"]),
    ("apps", "Deployment", &["spec.selector"]),
    ("apps", "ReplicaSet", &["spec.selector"]),
    ("discovery.k8s.io", "EndpointSlice", &["addressType"]),
    ("networking.k8s.io", "IngressClass", &["spec.controller"]),
    ("node.k8s.io", "RuntimeClass", &["handler"]),
    ("storage.k8s.io", "CSIStorageCapacity", &["nodeTopology", "storageClassName"]),
];

/// Kinds whose changes are told before what else is wrong with them, sorted.
const TOLD_FIRST: [(&str, &str); 6] = [
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "Service"),
    ("apps", "DaemonSet"),
    ("networking.k8s.io", "IngressClass"),
    ("storage.k8s.io", "VolumeAttributesClass"),
];

pub(super) fn is_told_first(group: &str, kind: &str) -> bool {
    TOLD_FIRST.contains(&(group, kind))
}

/// Whole specs that stay as they were made, with the type that messages print, by group and kind.
const SPECS: [(&str, &str, &str); 3] = [
    ("resource.k8s.io", "ResourceClaim", "ResourceClaimSpec"),
    ("resource.k8s.io", "ResourceClaimTemplate", "ResourceClaimTemplateSpec"),
    ("storage.k8s.io", "VolumeAttachment", "VolumeAttachmentSpec"),
];

/// Says that a field may not change, printing it as its internal type prints.
fn changed(field: &str, ty: &str, value: &Value) -> FieldError {
    let message = format!("Invalid value: {}: {IMMUTABLE}", internals::compact(ty, value));
    FieldError { field: field.to_owned(), reason: "FieldValueInvalid", message }
}

/// Returns what changed that may not; `given` is the new object with the empty lists and maps of the body, which messages
/// show, and which some fields are compared with.
pub(super) fn check(group: &str, kind: &str, old: &Value, new: &Value, given: &Value) -> Vec<FieldError> {
    let mut problems = Vec::new();
    let row = FIELDS.iter().find(|(have_group, have_kind, _)| (*have_group, *have_kind) == (group, kind));
    for path in row.map(|(_, _, paths)| *paths).unwrap_or_default() {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (before, after) = (old.pointer(&pointer), new.pointer(&pointer));
        if before != after {
            // A text that is not there is the empty one in Go.
            let none = if before.is_some_and(Value::is_string) { json!("") } else { Value::Null };
            problems.push(invalid(path, given.pointer(&pointer).or(after).unwrap_or(&none), IMMUTABLE));
        }
    }
    let spec = SPECS.iter().find(|(have_group, have_kind, _)| (*have_group, *have_kind) == (group, kind));
    if let Some((_, _, ty)) = spec
        && old["spec"] != new["spec"]
    {
        problems.push(changed("spec", ty, &given["spec"]));
    }
    match (group, kind) {
        ("", "ConfigMap" | "Secret") => data(kind, old, given, &mut problems),
        ("", "Node") => node(old, new, &mut problems),
        ("", "PersistentVolume") => volume(old, new, given, &mut problems),
        ("", "PersistentVolumeClaim") => claim(old, new, given, &mut problems),
        ("", "Pod") => pod(old, new, given, &mut problems),
        ("", "ResourceQuota") => {
            let scopes = |quota: &Value| -> BTreeSet<String> {
                let list = quota["spec"]["scopes"].as_array().into_iter().flatten();
                list.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            if scopes(old) != scopes(new) {
                problems.push(invalid("spec.scopes", &given["spec"]["scopes"], IMMUTABLE));
            }
        }
        ("", "Service") => problems.extend(services::changes(old, new)),
        ("apps", "StatefulSet") => stateful_set(old, new, &mut problems),
        ("batch", "Job") => job(old, new, given, &mut problems),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding" | "RoleBinding") if old["roleRef"] != new["roleRef"] => {
            // Upstream prints its internal type, whose fields have no names but Go's.
            let role = &new["roleRef"];
            let role = json!({ "APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"] });
            problems.push(invalid("roleRef", &role, "cannot change roleRef"));
        }
        ("storage.k8s.io", "CSINode") => drivers(old, new, &mut problems),
        ("networking.k8s.io", "IPAddress") => {
            let (before, after) = (&old["spec"]["parentRef"], &new["spec"]["parentRef"]);
            let text = |parent: &Value, field: &str| parent[field].as_str().unwrap_or_default().to_owned();
            let fields = [("Group", "group"), ("Resource", "resource"), ("Namespace", "namespace"), ("Name", "name")];
            let is_same = before.is_null() == after.is_null()
                && fields.iter().all(|(_, field)| text(before, field) == text(after, field));
            if !is_same {
                let printed = fields.map(|(shown, field)| format!("\"{shown}\":{}", json!(text(after, field))));
                let printed = if after.is_null() { "null".to_owned() } else { format!("{{{}}}", printed.join(",")) };
                let message = format!("Invalid value: {printed}: {IMMUTABLE}");
                problems.push(FieldError { field: "spec.parentRef".to_owned(), reason: "FieldValueInvalid", message });
            }
        }
        ("storage.k8s.io", "StorageClass") => {
            for field in ["parameters", "provisioner", "reclaimPolicy"] {
                if old[field] != given[field] {
                    problems.push(forbidden(field, &format!("updates to {field} are forbidden.")));
                }
            }
            if old["volumeBindingMode"] != new["volumeBindingMode"] {
                problems.push(invalid("volumeBindingMode", &new["volumeBindingMode"], IMMUTABLE));
            }
        }
        ("storage.k8s.io", "CSIDriver") => {
            // Upstream gives one of the fields another name here.
            for (field, named) in
                [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")]
            {
                if old["spec"][field] != new["spec"][field] {
                    problems.push(invalid(&format!("spec.{named}"), &new["spec"][field], IMMUTABLE));
                }
            }
        }
        ("storage.k8s.io", "VolumeAttributesClass") => {
            for field in ["driverName", "parameters"] {
                if old[field] != given[field] {
                    problems.push(forbidden(field, &format!("updates to {field} are forbidden.")));
                }
            }
        }
        ("scheduling.k8s.io", "PriorityClass") => {
            if old["value"] != new["value"] {
                problems.push(forbidden("value", "may not be changed in an update."));
            }
            if old["preemptionPolicy"] != new["preemptionPolicy"] {
                problems.push(invalid("preemptionPolicy", &new["preemptionPolicy"], IMMUTABLE));
            }
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            for field in ["group", "scope"] {
                if old["spec"][field] != new["spec"][field] {
                    problems.push(invalid(&format!("spec.{field}"), &new["spec"][field], IMMUTABLE));
                }
            }
            // Stored keys hold the plural; the kind is free until the names are accepted.
            if old["spec"]["names"]["plural"] != new["spec"]["names"]["plural"] {
                problems.push(invalid("spec.names.plural", &new["spec"]["names"]["plural"], IMMUTABLE));
            }
        }
        _ => {}
    }
    problems
}

fn same_but_for_placement(old: &Value, new: &Value) -> bool {
    let strip = |template: &Value| {
        let mut template = template.clone();
        for (part, fields) in [
            ("metadata", &["labels", "annotations"][..]),
            ("spec", &["nodeSelector", "tolerations", "affinity", "schedulingGates"]),
        ] {
            if let Some(part) = template[part].as_object_mut() {
                part.retain(|key, _| !fields.contains(&key.as_str()));
            }
        }
        template
    };
    strip(old) == strip(new)
}

fn data(kind: &str, old: &Value, new: &Value, problems: &mut Vec<FieldError>) {
    const DETAIL: &str = "field is immutable when `immutable` is set";
    if old["immutable"] != true {
        return;
    }
    if new["immutable"] != true {
        problems.push(forbidden("immutable", DETAIL));
    }
    for field in ["data", "binaryData"] {
        // The data of a ConfigMap, and no other, are an empty map where there are none.
        let is_there = |object: &'_ Value| {
            let map = object[field].as_object();
            map.is_some_and(|map| (kind, field) != ("ConfigMap", "data") || !map.is_empty())
        };
        let is_same = old.get(field) == new.get(field) || (!is_there(old) && !is_there(new));
        if !is_same {
            problems.push(forbidden(field, DETAIL));
        }
    }
}

/// The fields of a volume's spec that say what it is, rather than where its data lie.
const VOLUME_SETTINGS: [&str; 10] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
    "",
];

fn volume(old: &Value, new: &Value, given: &Value, problems: &mut Vec<FieldError>) {
    let source = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(spec) = spec.as_object_mut() {
            spec.retain(|key, _| !VOLUME_SETTINGS.contains(&key.as_str()));
        }
        spec
    };
    let before = source(old);
    let after = |object: &Value| {
        let mut after = source(object);
        // The secret for growing a volume may be named later.
        if before["csi"].is_object() && before["csi"].get("controllerExpandSecretRef").is_none() {
            drop(after["csi"].as_object_mut().map(|csi| csi.remove("controllerExpandSecretRef")));
        }
        after
    };
    if before != after(new) {
        let diff = internals::difference("PersistentVolumeSource", &before, &after(given));
        let detail = format!("spec.persistentvolumesource is immutable after creation\n{diff}");
        problems.push(forbidden("spec.persistentvolumesource", &detail));
    }
    if old["spec"]["volumeMode"] != new["spec"]["volumeMode"] {
        problems.push(invalid("volumeMode", &new["spec"]["volumeMode"], IMMUTABLE));
    }
    node_affinity(&old["spec"]["nodeAffinity"], &new["spec"]["nodeAffinity"], &given["spec"]["nodeAffinity"], problems);
    if old["spec"]["volumeAttributesClassName"].is_string() && new["spec"]["volumeAttributesClassName"].is_null() {
        problems.push(forbidden(CLASS_NAME, "update from non-nil value to nil is forbidden"));
    }
}

/// What labels that tell of nodes were called before, and are.
const LABELS: [(&str, &str); 5] = [
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
];

/// Where a volume is stays, but for the names of labels.
fn node_affinity(old: &Value, new: &Value, given: &Value, problems: &mut Vec<FieldError>) {
    const TYPE: &str = "io.k8s.api.core.v1.VolumeNodeAffinity";
    if old.is_null() || old == new {
        return;
    }
    let terms = |affinity: &Value| affinity["required"]["nodeSelectorTerms"].as_array().cloned().unwrap_or_default();
    let (mut before, after) = (terms(old), terms(new));
    for (before, after) in before.iter_mut().zip(&after) {
        let list = before.get_mut("matchExpressions").and_then(Value::as_array_mut).into_iter().flatten();
        for (before, after) in list.zip(after["matchExpressions"].as_array().into_iter().flatten()) {
            let renamed = LABELS.iter().find(|(was, _)| before["key"] == *was).map(|(_, is)| *is);
            if let Some(renamed) = renamed.filter(|renamed| after["key"] == *renamed) {
                before["key"] = json!(renamed);
            }
        }
    }
    if new.is_null() || before != after {
        let shown = printed_inside(TYPE, given);
        let message = format!("Invalid value: {shown}: {IMMUTABLE}, except for updating from beta label to GA");
        problems.push(FieldError { field: "nodeAffinity".to_owned(), reason: "FieldValueInvalid", message });
    }
}

const CLASS_NAME: &str = "spec.volumeAttributesClassName";

/// What tells a node from others is set once.
fn node(old: &Value, new: &Value, problems: &mut Vec<FieldError>) {
    let (before, after) = (&old["spec"], &new["spec"]);
    let ranges = |spec: &Value| spec["podCIDRs"].as_array().cloned().unwrap_or_default();
    let (were, are) = (ranges(before), ranges(after));
    if !were.is_empty() {
        let changed = if were.len() == are.len() { were.iter().zip(&are).filter(|(a, b)| a != b).count() } else { 1 };
        for _ in 0..changed {
            let why = "node updates may not change podCIDR except from \"\" to valid";
            problems.push(forbidden("spec.podCIDRs", why));
        }
    }
    let text = |spec: &Value, field: &str| spec[field].as_str().unwrap_or_default().to_owned();
    if !text(before, "providerID").is_empty() && text(before, "providerID") != text(after, "providerID") {
        let why = "node updates may not change providerID except from \"\" to valid";
        problems.push(forbidden("spec.providerID", why));
    }
    // Upstream looks at the taints of a node that is changed twice.
    problems.extend(mistakes_in_taints(new));
    if text(before, "externalID") != text(after, "externalID") {
        problems.push(forbidden("spec.externalID", "may not be updated"));
    }
}

fn quantity(value: &Value) -> Option<Quantity> {
    value.as_str()?.parse().ok()
}

/// Returns the specs of a claim as they are compared: without what may change.
fn compared_claims(old: &Value, new: &Value) -> (Value, Value) {
    let bound = new["status"]["phase"] == "Bound";
    let (mut before, mut after) = (old["spec"].clone(), new["spec"].clone());
    let put = |spec: &mut Value, field: &str, value: Option<&Value>| {
        if let Some(map) = spec.as_object_mut() {
            match value {
                Some(value) => drop(map.insert(field.to_owned(), value.clone())),
                None => drop(map.remove(field)),
            }
        }
    };
    if before.get("volumeName").is_none() {
        put(&mut before, "volumeName", new["spec"].get("volumeName"));
    }
    // A class may be given to a claim that has none.
    if before.get("storageClassName").is_none() {
        let class = after["storageClassName"].as_str();
        let annotated = old["metadata"]["annotations"].get("volume.beta.kubernetes.io/storage-class");
        if class.is_some() && annotated.is_none_or(|annotated| annotated.as_str() == class) {
            put(&mut after, "storageClassName", None);
        }
    }
    if bound {
        put(&mut after, "volumeAttributesClassName", old["spec"].get("volumeAttributesClassName"));
        if let Some(requests) = after.pointer_mut("/resources/requests") {
            put(requests, "storage", old.pointer("/spec/resources/requests/storage"));
        }
    }
    (before, after)
}

fn claim(old: &Value, new: &Value, given: &Value, problems: &mut Vec<FieldError>) {
    let (before, after) = compared_claims(old, new);
    if before != after {
        let (_, after) = compared_claims(old, given);
        let diff = internals::difference("PersistentVolumeClaimSpec", &before, &after);
        let detail = format!(
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound \
             claims\n{diff}"
        );
        problems.push(forbidden("spec", &detail));
    }
    let size = |object: &Value| quantity(&object["spec"]["resources"]["requests"]["storage"]);
    let capacity = quantity(&new["status"]["capacity"]["storage"]);
    let none = || "0".parse::<Quantity>().expect("holds because nought is a quantity");
    let (before, after) = (size(old).unwrap_or_else(none), size(new).unwrap_or_else(none));
    if after < before && after <= capacity.unwrap_or_else(none) {
        problems.push(forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"));
    }
    if old["spec"]["volumeMode"] != new["spec"]["volumeMode"] {
        problems.push(invalid("volumeMode", &new["spec"]["volumeMode"], IMMUTABLE));
    }
    if old["status"]["currentVolumeAttributesClassName"].is_string() {
        let (was, is) = (&old["spec"]["volumeAttributesClassName"], &new["spec"]["volumeAttributesClassName"]);
        let to = match is.as_str() {
            None => "nil",
            Some("") => "empty string",
            Some(_) => return,
        };
        if was != is {
            let why = format!("update to {to} is forbidden when status.currentVolumeAttributesClassName is not nil");
            problems.push(forbidden(CLASS_NAME, &why));
        }
    }
}

/// Returns the names of what a pod waits for before it is scheduled.
fn gates(pod: &Value) -> Vec<&str> {
    pod["spec"]["schedulingGates"].as_array().into_iter().flatten().filter_map(|gate| gate["name"].as_str()).collect()
}

/// A pod is what it was made; only its images and deadlines change, and tolerations are added.
fn pod(old: &Value, new: &Value, given: &Value, problems: &mut Vec<FieldError>) {
    for list in ["containers", "initContainers"] {
        let length = |pod: &Value| pod["spec"][list].as_array().map_or(0, Vec::len);
        if length(old) != length(new) {
            let why = "pod updates may not add or remove containers";
            return problems.push(forbidden(&format!("spec.{list}"), why));
        }
        for (at, container) in new["spec"][list].as_array().into_iter().flatten().enumerate() {
            let image = container["image"].as_str().unwrap_or_default();
            let field = format!("spec.{list}[{at}].image");
            if image.is_empty() {
                let message = "Required value".to_owned();
                problems.push(FieldError { field, reason: "FieldValueRequired", message });
            } else if image.trim() != image {
                problems.push(invalid(&field, &json!(image), "must not have leading or trailing whitespace"));
            }
        }
    }
    const DEADLINE: &str = "spec.activeDeadlineSeconds";
    match [old, new].map(|pod| pod["spec"]["activeDeadlineSeconds"].as_i64()) {
        [_, Some(after)] if !(0..=i64::from(i32::MAX)).contains(&after) => {
            return problems.push(invalid(DEADLINE, &json!(after), "must be between 0 and 2147483647, inclusive"));
        }
        [Some(before), Some(after)] if before < after => {
            return problems.push(invalid(DEADLINE, &json!(after), "must be less than or equal to previous value"));
        }
        [Some(_), None] => {
            let why = "must not update from a positive integer to nil value";
            problems.push(invalid(DEADLINE, &Value::Null, why));
        }
        _ => {}
    }
    let untimed = |toleration: &Value| {
        let mut toleration = toleration.clone();
        drop(toleration.as_object_mut().map(|map| map.remove("tolerationSeconds")));
        toleration
    };
    let tolerations = |pod: &Value| -> Vec<Value> {
        pod["spec"]["tolerations"].as_array().into_iter().flatten().map(untimed).collect()
    };
    let after = tolerations(new);
    if tolerations(old).iter().all(|toleration| after.contains(toleration)) {
        // Upstream looks at the tolerations of a pod that is changed twice.
        problems.extend(mistakes_in_tolerations(new));
    } else {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        problems.push(forbidden("spec.tolerations", why));
    }
    let before = gates(old);
    for (at, gate) in gates(new).into_iter().enumerate().filter(|(_, gate)| !before.contains(gate)) {
        let why = format!("only deletion is allowed, but found new scheduling gate '{gate}'");
        problems.push(forbidden(&format!("spec.schedulingGates[{at}].name"), &why));
    }
    let frozen = |object: &Value| {
        let mut spec = object["spec"].clone();
        let Some(map) = spec.as_object_mut() else { return spec };
        for list in ["containers", "initContainers"] {
            let list = map.get_mut(list).and_then(Value::as_array_mut);
            for container in list.into_iter().flatten().filter_map(Value::as_object_mut) {
                container.remove("image");
            }
        }
        let free = ["activeDeadlineSeconds", "schedulingGates", "tolerations"];
        map.retain(|key, value| !free.contains(&key.as_str()) && *value != json!([]));
        // Upstream made negative periods a second long, and lets others do so.
        let negative = old["spec"]["terminationGracePeriodSeconds"].as_i64().is_some_and(|secs| secs < 0);
        if negative && map.get("terminationGracePeriodSeconds") == Some(&json!(1)) {
            map.insert(
                "terminationGracePeriodSeconds".to_owned(),
                old["spec"]["terminationGracePeriodSeconds"].clone(),
            );
        }
        if !gates(old).is_empty() {
            map.remove("nodeSelector");
            map.remove("affinity");
        }
        spec
    };
    if frozen(old) != frozen(new) {
        let detail = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
                      `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
                      `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        let diff = internals::difference("PodSpec", &old["spec"], &as_if_allowed(old, given));
        problems.push(forbidden("spec", &format!("{detail}\n{diff}")));
    }
}

/// Returns a pod's new spec with what may change as it was.
fn as_if_allowed(old: &Value, new: &Value) -> Value {
    let (before, mut spec) = (&old["spec"], new["spec"].clone());
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for (at, container) in containers.into_iter().flatten().enumerate() {
            container["image"] = before[list][at]["image"].clone();
        }
    }
    let gated = ["nodeSelector", "affinity"].into_iter().filter(|_| !gates(old).is_empty());
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"].into_iter().chain(gated) {
        if let Some(map) = spec.as_object_mut() {
            match before.get(field) {
                Some(value) => drop(map.insert(field.to_owned(), value.clone())),
                None => drop(map.remove(field)),
            }
        }
    }
    let negative = before["terminationGracePeriodSeconds"].as_i64().is_some_and(|secs| secs < 0);
    if negative && spec["terminationGracePeriodSeconds"] == 1 {
        spec["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"].clone();
    }
    spec
}

fn stateful_set(old: &Value, new: &Value, problems: &mut Vec<FieldError>) {
    const FREE: [&str; 7] = [
        "minReadySeconds",
        "ordinals",
        "persistentVolumeClaimRetentionPolicy",
        "replicas",
        "revisionHistoryLimit",
        "template",
        "updateStrategy",
    ];
    let frozen = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(spec) = spec.as_object_mut() {
            spec.retain(|key, _| !FREE.contains(&key.as_str()));
        }
        spec
    };
    if frozen(old) != frozen(new) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
                      'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        problems.push(forbidden("spec", detail));
    }
}

/// A job keeps its pods as they are; one that is suspended and has not run may still be told where.
fn job(old: &Value, new: &Value, given: &Value, problems: &mut Vec<FieldError>) {
    completions(old, new, problems);
    let (before, after) = (&old["spec"], &new["spec"]);
    if before["selector"] != after["selector"] {
        problems.push(invalid("spec.selector", &given["spec"]["selector"], IMMUTABLE));
    }
    let is_free = before["suspend"] == true && old["status"]["startTime"].is_null();
    let (was, is) = (&before["template"], &after["template"]);
    if was != is && !(is_free && same_but_for_placement(was, is)) {
        problems.push(changed("spec.template", "PodTemplateSpec", &given["spec"]["template"]));
    }
    for (field, ty) in [
        ("completionMode", "*s"),
        ("podFailurePolicy", "*PodFailurePolicy"),
        ("backoffLimitPerIndex", "*i"),
        ("managedBy", "*s"),
        ("successPolicy", "*SuccessPolicy"),
    ] {
        if before[field] != after[field] {
            problems.push(changed(&format!("spec.{field}"), ty, &given["spec"][field]));
        }
    }
}

fn completions(old: &Value, new: &Value, problems: &mut Vec<FieldError>) {
    let (before, after) = (&old["spec"], &new["spec"]);
    let (was, is) = (&before["completions"], &after["completions"]);
    if was == is {
        return;
    }
    if after["completionMode"] != "Indexed" {
        problems.push(invalid("spec.completions", is, IMMUTABLE));
    } else if !is.is_null() && *is != after["parallelism"] {
        problems.push(invalid("spec.completions", is, "can only be modified in tandem with spec.parallelism"));
    }
}

/// A driver that a node has keeps everything but how much it can take.
fn drivers(old: &Value, new: &Value, problems: &mut Vec<FieldError>) {
    let all = |node: &Value| node["spec"]["drivers"].as_array().cloned().unwrap_or_default();
    let fixed = |driver: &Value| {
        let mut driver = driver.clone();
        drop(driver.as_object_mut().map(|driver| driver.remove("allocatable")));
        driver
    };
    for before in all(old) {
        for after in all(new).iter().filter(|after| after["name"] == before["name"]) {
            if fixed(&before) != fixed(after) {
                problems.push(changed("spec.drivers", "CSINodeDriver", &fixed(after)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        assert!(FIELDS.is_sorted_by_key(|row| (row.0, row.1)));
        assert!(SPECS.is_sorted());
        assert!(TOLD_FIRST.is_sorted());
    }

    #[test]
    fn a_deployment_keeps_its_selector() {
        let make = |app: &str| json!({ "spec": { "selector": { "matchLabels": { "app": app } } } });
        assert_eq!(check("apps", "Deployment", &make("a"), &make("a"), &make("a")), []);
        let problems = check("apps", "Deployment", &make("a"), &make("b"), &make("b"));
        assert_eq!(
            problems[0].to_string(),
            r#"spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable"#
        );
    }

    #[test]
    fn a_bound_claim_grows_but_does_not_shrink() {
        let make = |size: &str| {
            json!({
                "spec": { "resources": { "requests": { "storage": size } }, "volumeName": "v" },
                "status": { "phase": "Bound", "capacity": { "storage": "2Gi" } },
            })
        };
        assert_eq!(check("", "PersistentVolumeClaim", &make("2Gi"), &make("3Gi"), &make("3Gi")), []);
        assert_eq!(check("", "PersistentVolumeClaim", &make("2Gi"), &make("1Gi"), &make("1Gi")).len(), 1);
    }
}
