//! Fields that belong to features that are off in a default 1.35 server, or that a kind's registry does not keep.
//!
//! Upstream drops them when an object is created, before it is validated (`dropDisabledFields` of each strategy).

use serde_json::{Map, Value};

fn remove(owner: &mut Value, fields: &[&str]) {
    if let Some(owner) = owner.as_object_mut() {
        for field in fields {
            owner.remove(*field);
        }
    }
}

fn each<'a>(owner: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    owner.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Drops from a new object what the server does not keep.
pub(super) fn clean(group: &str, kind: &str, object: &mut Value) {
    match (group, kind) {
        ("", "Node") => {
            at(object, "/spec", |spec| remove(spec, &["configSource"]));
            at(object, "/status", |status| remove(status, &["config", "declaredFeatures"]));
        }
        ("", "Pod") => at(object, "/spec", pod),
        ("", "PodTemplate") => at(object, "/template/spec", pod),
        ("", "PersistentVolumeClaim") => at(object, "/spec", claim),
        ("", "ServiceAccount") => {
            for secret in each(object, "secrets") {
                if let Some(secret) = secret.as_object_mut() {
                    secret.retain(|field, _| field == "name");
                }
            }
        }
        ("apps", "StatefulSet") => {
            at(object, "/spec/updateStrategy/rollingUpdate", |rolling| remove(rolling, &["maxUnavailable"]));
            at(object, "/spec/template/spec", pod);
        }
        ("", "ReplicationController") | ("apps", "DaemonSet" | "Deployment" | "ReplicaSet") | ("batch", "Job") => {
            at(object, "/spec/template/spec", pod);
        }
        ("batch", "CronJob") => at(object, "/spec/jobTemplate/spec/template/spec", pod),
        ("coordination.k8s.io", "Lease") => {
            at(object, "/spec", |spec| remove(spec, &["preferredHolder", "strategy"]));
        }
        ("discovery.k8s.io", "EndpointSlice") => {
            for endpoint in each(object, "endpoints") {
                topology(endpoint);
            }
        }
        ("resource.k8s.io", "DeviceClass") => at(object, "/spec", |spec| remove(spec, &["extendedResourceName"])),
        ("resource.k8s.io", "ResourceClaim") => at(object, "/spec/devices", requests),
        ("resource.k8s.io", "ResourceClaimTemplate") => at(object, "/spec/spec/devices", requests),
        ("resource.k8s.io", "ResourceSlice") => at(object, "/spec", slice),
        _ => {}
    }
}

/// Drops the same from a status that is written; it may tell more of a node than one that comes with a new node.
pub(super) fn clean_status(group: &str, kind: &str, object: &mut Value) {
    match (group, kind) {
        ("", "Node") => at(object, "/status", |status| remove(status, &["config"])),
        ("", "Pod") => at(object, "/status", |status| {
            remove(status, &["allocatedResources", "extendedResourceClaimStatus", "resources"]);
            for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
                for container in each(status, list) {
                    remove(container, &["allocatedResourcesStatus"]);
                }
            }
        }),
        ("resource.k8s.io", "ResourceClaim") => at(object, "/status", |status| {
            if let Some(devices) = status.pointer_mut("/allocation/devices") {
                for result in each(devices, "results") {
                    remove(result, &["bindingConditions", "bindingFailureConditions", "consumedCapacity", "shareID"]);
                }
            }
            for device in each(status, "devices") {
                remove(device, &["shareID"]);
            }
        }),
        _ => {}
    }
}

fn at(object: &mut Value, pointer: &str, change: fn(&mut Value)) {
    if let Some(part) = object.pointer_mut(pointer) {
        change(part);
    }
}

fn pod(spec: &mut Value) {
    remove(spec, &["workloadRef"]);
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in each(spec, list) {
            let Some(life) = container.get_mut("lifecycle") else { continue };
            let had = life.get("stopSignal").is_some();
            remove(life, &["stopSignal"]);
            if had && life.as_object().is_some_and(Map::is_empty) {
                remove(container, &["lifecycle"]);
            }
        }
    }
    for volume in each(spec, "volumes") {
        if let Some(projected) = volume.get_mut("projected") {
            for source in each(projected, "sources") {
                remove(source, &["clusterTrustBundle", "podCertificate"]);
            }
        }
    }
}

/// A source is a claim or a snapshot; both ways of naming it say the same.
fn claim(spec: &mut Value) {
    let names_namespace =
        |reference: &Value| reference["namespace"].as_str().is_some_and(|namespace| !namespace.is_empty());
    if spec.get("dataSourceRef").is_some_and(names_namespace) {
        remove(spec, &["dataSourceRef"]);
    }
    let old_kind = |source: &Value| {
        let group = source["apiGroup"].as_str().unwrap_or_default();
        match source["kind"].as_str().unwrap_or_default() {
            "PersistentVolumeClaim" => group.is_empty(),
            "VolumeSnapshot" => group == "snapshot.storage.k8s.io",
            _ => false,
        }
    };
    // Who names both ways is told what is wrong with them.
    let is_alone = spec.get("dataSourceRef").is_none_or(Value::is_null);
    if is_alone && spec.get("dataSource").is_some_and(|source| !old_kind(source)) {
        remove(spec, &["dataSource"]);
    }
    match (spec.get("dataSource").cloned(), spec.get("dataSourceRef").cloned()) {
        (Some(source), None) => spec["dataSourceRef"] = source,
        (None, Some(mut reference)) => {
            remove(&mut reference, &["namespace"]);
            spec["dataSource"] = reference;
        }
        _ => {}
    }
}

/// The first version of slices has fields for what older ones kept in topology.
fn topology(endpoint: &mut Value) {
    const HOST: &str = "kubernetes.io/hostname";
    let host = endpoint.get("deprecatedTopology").and_then(|topology| topology.get(HOST)).cloned();
    remove(endpoint, &["deprecatedTopology"]);
    if let (Some(host), None) = (host, endpoint.get("nodeName")) {
        endpoint["nodeName"] = host;
    }
}

fn requests(devices: &mut Value) {
    for request in each(devices, "requests") {
        if let Some(exactly) = request.get_mut("exactly") {
            remove(exactly, &["capacity", "tolerations"]);
        }
        for one in each(request, "firstAvailable") {
            remove(one, &["capacity", "tolerations"]);
        }
    }
    for constraint in each(devices, "constraints") {
        remove(constraint, &["distinctAttribute"]);
    }
}

fn slice(spec: &mut Value) {
    remove(spec, &["perDeviceNodeSelection", "sharedCounters"]);
    for device in each(spec, "devices") {
        const GATED: [&str; 9] = [
            "allNodes",
            "allowMultipleAllocations",
            "bindingConditions",
            "bindingFailureConditions",
            "bindsToNode",
            "consumesCounters",
            "nodeName",
            "nodeSelector",
            "taints",
        ];
        remove(device, &GATED);
        for capacity in device.get_mut("capacity").and_then(Value::as_object_mut).into_iter().flatten() {
            remove(capacity.1, &["requestPolicy"]);
        }
    }
}
