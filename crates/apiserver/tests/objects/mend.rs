//! What the schema does not say: of some fields only one may be set, and some must fit others.

use bowline_apiserver::builtins::Resource;
use serde_json::{Map, Value, json};

use super::generate::NAMESPACE;
use super::rng::Rng;
use super::words;

/// Types of which exactly one member is set, and members that do not count.
const UNIONS: &[(&str, &[&str])] = &[
    ("DeviceClassConfiguration", &[]),
    ("DeviceRequest", &["name"]),
    ("DeviceSelector", &[]),
    ("EnvFromSource", &["prefix"]),
    ("EnvVarSource", &[]),
    ("IngressBackend", &[]),
    ("LifecycleHandler", &[]),
    ("NetworkPolicyPeer", &[]),
    ("ServiceBackendPort", &[]),
    ("VolumeProjection", &[]),
    ("WebhookClientConfig", &["caBundle"]),
];

const SETTINGS: &[&str] = &[
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

const HANDLERS: &[&str] = &["exec", "grpc", "httpGet", "tcpSocket"];

fn keep_one(map: &mut Map<String, Value>, counts: impl Fn(&str) -> bool, rng: &mut Rng) {
    let members: Vec<String> = map.keys().filter(|key| counts(key)).cloned().collect();
    if members.len() > 1 && rng.chance(97) {
        let kept = members[rng.below(members.len())].clone();
        map.retain(|key, _| !members.contains(key) || *key == kept);
    }
}

/// Makes one structure whole, seen by itself.
pub(crate) fn structure(ty: &str, value: &mut Value, rng: &mut Rng) {
    let Value::Object(map) = value else { return };
    if let Some((_, apart)) = UNIONS.iter().find(|(name, _)| *name == ty) {
        keep_one(map, |key| !apart.contains(&key), rng);
    }
    match ty {
        "Volume" => {
            keep_one(map, |key| key != "name", rng);
            if map.len() < 2 {
                map.insert("emptyDir".to_owned(), json!({}));
            }
        }
        "PersistentVolumeSpec" => {
            keep_one(map, |key| !SETTINGS.contains(&key), rng);
            if map.keys().all(|key| SETTINGS.contains(&key.as_str())) {
                map.insert("hostPath".to_owned(), json!({ "path": "/var/x" }));
            }
        }
        "Probe" => {
            keep_one(map, |key| HANDLERS.contains(&key), rng);
            if !map.keys().any(|key| HANDLERS.contains(&key.as_str())) {
                map.insert("httpGet".to_owned(), json!({ "port": 8080 }));
            }
        }
        "LifecycleHandler" if map.is_empty() => drop(map.insert("exec".to_owned(), json!({ "command": ["true"] }))),
        "EnvVarSource" if map.is_empty() => {
            map.insert("fieldRef".to_owned(), json!({ "fieldPath": "metadata.name" }));
        }
        "EnvFromSource" if !map.contains_key("configMapRef") && !map.contains_key("secretRef") => {
            map.insert("configMapRef".to_owned(), json!({ "name": "cm" }));
        }
        "EnvVar" if map.contains_key("valueFrom") => drop(map.remove("value")),
        "IngressBackend" if map.is_empty() => {
            map.insert("service".to_owned(), json!({ "name": "web", "port": { "number": 80 } }));
        }
        "IngressServiceBackend" => {
            map.entry("port").or_insert_with(|| json!({ "number": 80 }));
        }
        "ServiceBackendPort" if map.is_empty() => drop(map.insert("number".to_owned(), json!(80))),
        "WebhookClientConfig" if map.is_empty() => {
            map.insert("url".to_owned(), json!("https://hooks.example.com/x"));
        }
        "NetworkPolicyPeer" if map.is_empty() => drop(map.insert("podSelector".to_owned(), json!({}))),
        "NetworkPolicyPort" if !map.get("port").is_some_and(Value::is_number) => {
            map.remove("endPort");
        }
        "ResourceRequirements" => resources(map, rng),
        "MetricSpec" => metric(map, rng),
        "MetricTarget" => {
            let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            for (name, field) in
                [("Utilization", "averageUtilization"), ("Value", "value"), ("AverageValue", "averageValue")]
            {
                if kind == name {
                    let value = if field == "averageUtilization" { json!(60) } else { json!("10") };
                    map.entry(field).or_insert(value);
                } else {
                    map.remove(field);
                }
            }
        }
        "Toleration" => {
            let exists = map.get("operator") == Some(&json!("Exists"));
            if exists {
                map.remove("value");
            } else {
                map.entry("key").or_insert(json!("dedicated"));
            }
            if map.get("effect") != Some(&json!("NoExecute")) {
                map.remove("tolerationSeconds");
            }
        }
        "NodeSelectorRequirement" | "LabelSelectorRequirement" | "ScopedResourceSelectorRequirement" => {
            match map.get("operator").and_then(Value::as_str).unwrap_or_default() {
                "Exists" | "DoesNotExist" => drop(map.remove("values")),
                "Gt" | "Lt" => drop(map.insert("values".to_owned(), json!(["5"]))),
                _ => drop(map.entry("values").or_insert(json!(["x"]))),
            }
        }
        "PolicyRule" => {
            if map.contains_key("nonResourceURLs") {
                map.retain(|key, _| ["nonResourceURLs", "verbs"].contains(&key.as_str()));
            } else {
                map.entry("apiGroups").or_insert(json!([""]));
                map.entry("resources").or_insert(json!(["pods"]));
            }
        }
        "Subject" => subject(map),
        "PodSpec" => pod_spec(map, rng),
        "Container" => {
            distinct(map, "ports", &["name", "containerPort"]);
            distinct(map, "volumeMounts", &["mountPath"]);
        }
        "DeploymentStrategy" | "DaemonSetUpdateStrategy" | "StatefulSetUpdateStrategy"
            if map.get("type").is_some_and(|kind| kind != "RollingUpdate") =>
        {
            map.remove("rollingUpdate");
        }
        "ServiceSpec" => service(map, rng),
        "SeccompProfile" | "AppArmorProfile" => drop(map.remove("localhostProfile")),
        "PriorityLevelConfigurationSpec" => {
            let limited = map.get("type") == Some(&json!("Limited"));
            map.remove(if limited { "exempt" } else { "limited" });
            if limited {
                map.entry("limited").or_insert_with(|| json!({ "limitResponse": { "type": "Reject" } }));
            }
        }
        "LimitResponse" => {
            if map.get("type") == Some(&json!("Reject")) {
                map.remove("queuing");
            } else {
                map.entry("queuing").or_insert_with(|| json!({}));
            }
        }
        "PodDisruptionBudgetSpec" if map.contains_key("minAvailable") => drop(map.remove("maxUnavailable")),
        _ => {}
    }
}

fn resources(map: &mut Map<String, Value>, rng: &mut Rng) {
    if !rng.chance(3) {
        map.remove("claims");
    }
    // What is asked for is rarely more than what is allowed.
    if let (Some(limits), true) = (map.get("limits").cloned(), rng.chance(80))
        && let Some(requests) = map.get_mut("requests").and_then(Value::as_object_mut)
    {
        for (name, limit) in limits.as_object().into_iter().flatten() {
            if requests.contains_key(name) {
                requests.insert(name.clone(), limit.clone());
            }
        }
    }
}

fn metric(map: &mut Map<String, Value>, rng: &mut Rng) {
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let target = match rng.below(2) {
        0 => json!({ "type": "AverageValue", "averageValue": words::quantity(rng) }),
        _ => json!({ "type": "Utilization", "averageUtilization": 70 }),
    };
    let average = json!({ "type": "AverageValue", "averageValue": "10" });
    let (field, value) = match kind.as_str() {
        "Resource" => ("resource", json!({ "name": "cpu", "target": target })),
        "ContainerResource" => ("containerResource", json!({ "name": "cpu", "container": "main", "target": target })),
        "Pods" => ("pods", json!({ "metric": { "name": "packets" }, "target": average })),
        "Object" => (
            "object",
            json!({ "metric": { "name": "hits" }, "target": { "type": "Value", "value": "2k" },
                    "describedObject": { "kind": "Ingress", "name": "main", "apiVersion": "networking.k8s.io/v1" } }),
        ),
        _ => (
            "external",
            json!({ "metric": { "name": "queue", "selector": { "matchLabels": { "a": "b" } } }, "target": average }),
        ),
    };
    map.retain(|key, _| key == "type" || key == field);
    map.entry(field).or_insert(value);
}

fn subject(map: &mut Map<String, Value>) {
    match map.get("kind").and_then(Value::as_str).unwrap_or_default() {
        "ServiceAccount" => {
            map.insert("namespace".to_owned(), json!("default"));
            map.remove("apiGroup");
        }
        _ => drop(map.remove("namespace")),
    }
}

/// Drops elements of a list that repeat an earlier one's value in a field.
fn distinct(map: &mut Map<String, Value>, list: &str, fields: &[&str]) {
    let Some(Value::Array(items)) = map.get_mut(list) else { return };
    for field in fields {
        let mut seen = Vec::new();
        items.retain(|item| {
            let Some(value) = item.get(field) else { return true };
            let fresh = !seen.contains(value);
            seen.push(value.clone());
            fresh
        });
    }
}

fn pod_spec(map: &mut Map<String, Value>, rng: &mut Rng) {
    distinct(map, "volumes", &["name"]);
    distinct(map, "imagePullSecrets", &["name"]);
    let volumes: Vec<Value> = map
        .get("volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|volume| volume["name"].clone())
        .collect();
    let mut at = 0;
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            at += 1;
            if let (true, Some(container)) = (rng.chance(97), container.as_object_mut()) {
                container.insert("name".to_owned(), json!(format!("c{at}")));
                if list == "initContainers" {
                    for probe in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] {
                        container.remove(probe);
                    }
                }
            }
            for mount in container["volumeMounts"].as_array_mut().into_iter().flatten() {
                if let (false, true) = (volumes.is_empty(), rng.chance(95)) {
                    mount["name"] = volumes[rng.below(volumes.len())].clone();
                }
                if let (true, Some(mount)) = (rng.chance(90), mount.as_object_mut()) {
                    mount.remove("subPathExpr");
                    mount.remove("recursiveReadOnly");
                }
            }
            if let (true, Some(container)) = (volumes.is_empty() && rng.chance(95), container.as_object_mut()) {
                container.remove("volumeMounts");
            }
            for empty in ["volumeMounts"] {
                if container[empty].is_null() {
                    drop(container.as_object_mut().map(|container| container.remove(empty)));
                }
            }
        }
    }
    if map.get("containers").and_then(Value::as_array).is_none_or(Vec::is_empty) && rng.chance(95) {
        map.insert("containers".to_owned(), json!([{ "name": "main", "image": "nginx:1.27" }]));
    }
    if map.get("dnsPolicy") == Some(&json!("None")) {
        map.entry("dnsConfig").or_insert_with(|| json!({ "nameservers": ["10.0.0.10"] }));
    }
}

fn service(map: &mut Map<String, Value>, rng: &mut Rng) {
    if map.get("sessionAffinity") != Some(&json!("ClientIP")) {
        map.remove("sessionAffinityConfig");
    }
    if rng.chance(90) {
        distinct(map, "ports", &["name", "port"]);
        let named = map.get("ports").and_then(Value::as_array).is_some_and(|ports| ports.len() > 1);
        for (at, port) in map.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
            if named && port["name"].as_str().is_none_or(str::is_empty) {
                port["name"] = json!(format!("p{at}"));
            }
        }
    }
    match map.get("type").and_then(Value::as_str).unwrap_or_default() {
        "ExternalName" => {
            map.insert("externalName".to_owned(), json!("db.example.com"));
            if rng.chance(90) {
                for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                    map.remove(field);
                }
            }
        }
        "LoadBalancer" | "NodePort" => {}
        _ => {
            if rng.chance(90) {
                for field in [
                    "allocateLoadBalancerNodePorts",
                    "externalTrafficPolicy",
                    "healthCheckNodePort",
                    "loadBalancerClass",
                    "loadBalancerSourceRanges",
                ] {
                    map.remove(field);
                }
            }
        }
    }
    if map.contains_key("clusterIPs") && rng.chance(80) {
        map.insert("clusterIP".to_owned(), json!("None"));
    }
}

/// Makes parts of an object fit one another.
pub(crate) fn object(kind: &Resource, body: &mut Value, rng: &mut Rng) {
    let template = match kind.kind.as_str() {
        "CronJob" => "/spec/jobTemplate/spec/template",
        "PodTemplate" => "/template",
        _ => "/spec/template",
    };
    let restart = match kind.kind.as_str() {
        "Job" | "CronJob" => Some(rng.pick(&["Never", "OnFailure"])),
        "DaemonSet" | "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" => None,
        _ => Some(""),
    };
    if let Some(Value::Object(pod)) = body.pointer_mut(&format!("{template}/spec"))
        && rng.chance(96)
    {
        match restart {
            Some("") => {}
            Some(policy) => drop(pod.insert("restartPolicy".to_owned(), json!(policy))),
            None => {
                pod.remove("restartPolicy");
                pod.remove("activeDeadlineSeconds");
            }
        }
        pod.remove("ephemeralContainers");
    }
    let labels = words::labels(rng);
    match kind.kind.as_str() {
        "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet" if rng.chance(96) && body["spec"].is_object() => {
            body["spec"]["selector"] = json!({ "matchLabels": { "app": labels["app"] } });
            body["spec"]["template"]["metadata"]["labels"] = labels;
        }
        "ReplicationController" if rng.chance(90) && body["spec"].is_object() => {
            body["spec"]["template"]["metadata"]["labels"] = labels.clone();
            if rng.chance(50) {
                body["spec"]["selector"] = json!({ "app": labels["app"] });
            } else if let Some(spec) = body["spec"].as_object_mut() {
                spec.remove("selector");
            }
        }
        "Job" | "CronJob" => {
            let spec = if kind.kind == "Job" { &mut body["spec"] } else { &mut body["spec"]["jobTemplate"]["spec"] };
            if spec["completionMode"] == "Indexed" {
                spec["completions"] = json!(3);
                spec["parallelism"] = json!(2);
            } else if let Some(spec) = spec.as_object_mut() {
                spec.remove("backoffLimitPerIndex");
                spec.remove("maxFailedIndexes");
            }
        }
        "Secret" => match body["type"].as_str() {
            Some("kubernetes.io/tls") => body["stringData"] = json!({ "tls.crt": "x", "tls.key": "y" }),
            Some("kubernetes.io/dockerconfigjson") => body["stringData"] = json!({ ".dockerconfigjson": "{}" }),
            Some("kubernetes.io/basic-auth") => body["stringData"] = json!({ "username": "x" }),
            _ => {}
        },
        "APIService" => {
            body["metadata"]["name"] = json!("v1.metrics.example.com");
            // There is only one of that name, which must be able to go.
            drop(body["metadata"].as_object_mut().map(|meta| meta.remove("finalizers")));
        }
        "IPAddress" => {
            let number = |letters: &str| letters.parse::<u64>().unwrap_or_default();
            let seed = body["metadata"]["name"].as_str().and_then(|name| name.rsplit('-').next()).map_or(0, number);
            let [.., a, b, c] = seed.to_be_bytes();
            body["metadata"]["name"] = json!(format!("172.{a}.{b}.{c}"));
        }
        "Event" => {
            for field in ["involvedObject", "regarding"] {
                if body[field].is_object() {
                    body[field]["namespace"] = json!(NAMESPACE);
                } else if let Some(body) = body.as_object_mut() {
                    body.remove(field);
                }
            }
        }
        "HorizontalPodAutoscaler" if body["spec"]["scaleTargetRef"].is_object() => {
            body["spec"]["scaleTargetRef"]["apiVersion"] = json!("apps/v1");
        }
        _ => {}
    }
}
