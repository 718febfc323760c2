//! Cells of the rarer kinds, and the texts several printers share.

use serde_json::{Value, json};

use super::columns::{count, flag, int, items, or, plain, text};
use crate::present::human_duration;

/// Returns the cells other than name and age of a kind that [`super::columns`] leaves to this module.
pub(super) fn middle(group: &str, kind: &str, object: &Value) -> Option<Vec<Value>> {
    let cells = match (group, kind) {
        ("", "PodTemplate") => {
            let containers = items(object, "/template/spec/containers");
            let told = |field: &str| {
                let all: Vec<&str> = containers.iter().map(|container| text(container, field)).collect();
                json!(all.join(","))
            };
            vec![told("/name"), told("/image"), json!(labels(&object["template"]["metadata"]["labels"]))]
        }
        ("", "ResourceQuota") => quota(object).to_vec(),
        ("", "ServiceAccount") | ("resource.k8s.io", "DeviceClass" | "ResourceClaimTemplate") => Vec::new(),
        ("", "LimitRange")
        | ("rbac.authorization.k8s.io", "Role" | "ClusterRole")
        | ("storage.k8s.io", "CSIStorageCapacity")
        | ("apiextensions.k8s.io", "CustomResourceDefinition") => Vec::new(),
        ("autoscaling", "Scale") => vec![json!(int(object, "/spec/replicas")), json!(int(object, "/status/replicas"))],
        ("storage.k8s.io", "CSINode") => vec![json!(count(object, "/spec/drivers"))],
        ("storage.k8s.io", "CSIDriver") => driver(object),
        ("storage.k8s.io", "VolumeAttachment") => vec![
            json!(text(object, "/spec/attacher")),
            json!(text(object, "/spec/source/persistentVolumeName")),
            json!(text(object, "/spec/nodeName")),
            json!(flag(object, "/status/attached")),
        ],
        ("storage.k8s.io", "VolumeAttributesClass") => vec![json!(text(object, "/driverName"))],
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            let of = &object["spec"]["paramKind"];
            let param = if of.is_object() {
                format!("{}/{}", text(of, "/apiVersion"), text(of, "/kind"))
            } else {
                "<unset>".to_owned()
            };
            vec![json!(count(object, "/spec/validations")), json!(param)]
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            let of = &object["spec"]["paramRef"];
            let param = match (text(of, "/name"), text(of, "/namespace")) {
                ("", _) => "<unset>".to_owned(),
                (name, "") => format!("*/{name}"),
                (name, namespace) => format!("{namespace}/{name}"),
            };
            vec![json!(text(object, "/spec/policyName")), json!(param)]
        }
        ("certificates.k8s.io", "CertificateSigningRequest") => request(object),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => {
            let dangling = items(object, "/status/conditions").into_iter().find(|have| have["type"] == "Dangling");
            vec![
                json!(text(object, "/spec/priorityLevelConfiguration/name")),
                json!(int(object, "/spec/matchingPrecedence")),
                json!(or(text(object, "/spec/distinguisherMethod/type"), "<none>")),
                json!(dangling.map_or("?", |condition| text(condition, "/status"))),
            ]
        }
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => {
            let number = |pointer: &str| match object.pointer(pointer) {
                Some(found) if found.is_number() => found.clone(),
                _ => json!("<none>"),
            };
            vec![
                json!(text(object, "/spec/type")),
                number("/spec/limited/nominalConcurrencyShares"),
                number("/spec/limited/limitResponse/queuing/queues"),
                number("/spec/limited/limitResponse/queuing/handSize"),
                number("/spec/limited/limitResponse/queuing/queueLengthLimit"),
            ]
        }
        ("networking.k8s.io", "ServiceCIDR") => {
            let all: Vec<String> = items(object, "/spec/cidrs").into_iter().map(|cidr| plain(cidr, "")).collect();
            vec![json!(all.join(","))]
        }
        ("networking.k8s.io", "IPAddress") => vec![json!(parent(&object["spec"]["parentRef"]))],
        ("resource.k8s.io", "ResourceClaim") => {
            let going = object["metadata"]["deletionTimestamp"].is_string();
            let allocated = object["status"]["allocation"].is_object();
            let reserved = allocated && count(object, "/status/reservedFor") > 0;
            let states = [
                ("deleted", going),
                ("pending", !allocated && !going),
                ("allocated", allocated),
                ("reserved", reserved),
            ];
            let told: Vec<&str> = states.into_iter().filter(|(_, holds)| *holds).map(|(word, _)| word).collect();
            vec![json!(told.join(","))]
        }
        ("resource.k8s.io", "ResourceSlice") => vec![
            json!(text(object, "/spec/nodeName")),
            json!(text(object, "/spec/driver")),
            json!(text(object, "/spec/pool/name")),
        ],
        _ => return None,
    };
    Some(cells)
}

/// Prints `a=b,c=d` in order, or `<none>`.
pub(super) fn labels(map: &Value) -> String {
    let mut pairs: Vec<String> =
        map.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", plain(value, ""))).collect();
    pairs.sort();
    or(&pairs.join(","), "<none>").to_owned()
}

/// Prints a label selector as `kubectl -l` takes it, in the order of its keys; empty for one that chooses all or nothing.
pub(super) fn selector(selector: &Value) -> String {
    let mut parts: Vec<(String, String)> = (selector["matchLabels"].as_object().into_iter().flatten())
        .map(|(key, value)| (key.clone(), format!("{key}={}", plain(value, ""))))
        .collect();
    for rule in items(selector, "/matchExpressions") {
        let key = text(rule, "/key");
        let mut values: Vec<String> = items(rule, "/values").into_iter().map(|value| plain(value, "")).collect();
        values.sort();
        let told = match text(rule, "/operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        parts.push((key.to_owned(), told));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    parts.into_iter().map(|(_, told)| told).collect::<Vec<_>>().join(",")
}

/// Prints what an autoscaler goes by: `cpu: 50%/80%, <unknown>/10 + 1 more...`.
pub(super) fn metrics(scaler: &Value) -> String {
    let specs = items(scaler, "/spec/metrics");
    let statuses = items(scaler, "/status/currentMetrics");
    // Version 1 knows one metric.
    if let Some(percent) = scaler["spec"]["targetCPUUtilizationPercentage"].as_i64() {
        let now = scaler["status"]["currentCPUUtilizationPercentage"].as_i64();
        let now = now.map_or("<unknown>".to_owned(), |now| format!("{now}%"));
        return format!("cpu: {now}/{percent}%");
    }
    if specs.is_empty() {
        return "<none>".to_owned();
    }
    let told: Vec<String> = specs
        .iter()
        .enumerate()
        .map(|(at, spec)| metric(spec, statuses.get(at).copied().unwrap_or(&Value::Null)))
        .collect();
    match told.len() {
        1 | 2 => told.join(", "),
        more => format!("{} + {} more...", told[..2].join(", "), more - 2),
    }
}

fn metric(spec: &Value, status: &Value) -> String {
    const UNKNOWN: &str = "<unknown>";
    let (field, is_named) = match text(spec, "/type") {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let (target, current) = (&spec[field]["target"], &status[field]["current"]);
    let is_told = status[field].is_object();
    let quantity = |key: &str, missing: &str| or(text(current, &format!("/{key}")), missing).to_owned();
    let average = target["averageValue"].as_str();
    if is_named {
        let name = text(&spec[field], "/name");
        if let Some(average) = average {
            let now = if is_told { quantity("averageValue", "<nil>") } else { UNKNOWN.to_owned() };
            return format!("{name}: {now}/{average}");
        }
        let percent = |value: &Value| value.as_i64().map(|percent| format!("{percent}%"));
        let now = percent(&current["averageUtilization"]).unwrap_or_else(|| UNKNOWN.to_owned());
        let want = percent(&target["averageUtilization"]).unwrap_or_else(|| "<auto>".to_owned());
        return format!("{name}: {now}/{want}");
    }
    match (average, field) {
        (Some(average), "pods") => {
            let now = if is_told { quantity("averageValue", "<nil>") } else { UNKNOWN.to_owned() };
            format!("{now}/{average}")
        }
        (Some(average), _) => format!("{}/{average} (avg)", quantity("averageValue", UNKNOWN)),
        (None, _) => {
            let now = if is_told { quantity("value", "<nil>") } else { UNKNOWN.to_owned() };
            format!("{now}/{}", or(text(target, "/value"), "<nil>"))
        }
    }
}

fn quota(object: &Value) -> [Value; 2] {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    let mut hard: Vec<(&String, &Value)> = object["status"]["hard"].as_object().into_iter().flatten().collect();
    hard.sort_by_key(|(name, _)| *name);
    for (name, hard) in hard {
        let used = object["status"]["used"].get(name).and_then(Value::as_str).unwrap_or("0");
        let told = format!("{name}: {used}/{}", plain(hard, "0"));
        if name.starts_with("limits.") { limits.push(told) } else { requests.push(told) }
    }
    [json!(requests.join(", ")), json!(limits.join(", "))]
}

fn driver(object: &Value) -> Vec<Value> {
    let spec = &object["spec"];
    let told = |pointer: &str, key: &str| {
        let all: Vec<String> = items(object, pointer)
            .into_iter()
            .map(|item| plain(if key.is_empty() { item } else { &item[key] }, ""))
            .collect();
        all.join(",")
    };
    let tokens =
        if spec["tokenRequests"].is_array() { told("/spec/tokenRequests", "audience") } else { "<unset>".to_owned() };
    vec![
        json!(spec["attachRequired"].as_bool().unwrap_or(true)),
        json!(flag(object, "/spec/podInfoOnMount")),
        json!(flag(object, "/spec/storageCapacity")),
        json!(tokens),
        json!(flag(object, "/spec/requiresRepublish")),
        json!(or(&told("/spec/volumeLifecycleModes", ""), "<none>")),
    ]
}

fn request(object: &Value) -> Vec<Value> {
    let conditions = items(object, "/status/conditions");
    let has = |kind: &str| conditions.iter().any(|have| have["type"] == kind);
    let mut status = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied".to_owned(),
        (_, true) => "Approved".to_owned(),
        _ => "Pending".to_owned(),
    };
    if has("Failed") {
        status.push_str(",Failed");
    }
    if !text(object, "/status/certificate").is_empty() {
        status.push_str(",Issued");
    }
    let asked = object["spec"]["expirationSeconds"].as_i64();
    vec![
        json!(or(text(object, "/spec/signerName"), "<none>")),
        json!(text(object, "/spec/username")),
        json!(asked.map_or("<none>".to_owned(), human_duration)),
        json!(status),
    ]
}

fn parent(of: &Value) -> String {
    if !of.is_object() {
        return "<none>".to_owned();
    }
    let (group, resource) = (text(of, "/group"), text(of, "/resource"));
    let mut told =
        if group.is_empty() { resource.to_lowercase() } else { format!("{resource}.{group}").to_lowercase() };
    for part in [text(of, "/namespace"), text(of, "/name")] {
        if !part.is_empty() {
            told.push('/');
            told.push_str(part);
        }
    }
    told
}
