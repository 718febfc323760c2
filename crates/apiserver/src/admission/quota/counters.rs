//! How each kind is counted (k8s: `pkg/quota/v1/evaluator/core`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::admission::resources::{Amounts, add, count, of_pod, read};
use crate::admission::storage::class_of;
use crate::admission::{Operation, Request, containers, text};
use crate::builtins::Quantity;
use crate::registry::Registry;
use crate::resource::Resource;

const POD_NAMES: [&str; 11] = [
    "count/pods",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "pods",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
/// What every container must say when a quota counts it.
const MUST_SAY: [&str; 6] = ["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];
const SERVICE_NAMES: [&str; 4] = ["count/services", "services", "services.loadbalancers", "services.nodeports"];
const CLAIM_NAMES: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];
const BY_CLASS: &str = ".storageclass.storage.k8s.io/";
/// Kinds that were counted by their plain plural before there was `count/`.
const PLAIN: [&str; 4] = ["configmaps", "replicationcontrollers", "resourcequotas", "secrets"];

/// One way of counting.
pub(super) enum Counter {
    Pods,
    Services,
    Claims,
    /// Never counted.
    Ignored,
    /// Each object counts one, under these names.
    Objects(Vec<String>),
}

impl Counter {
    pub(super) fn of(resource: &Resource) -> Self {
        match (resource.group.as_str(), resource.plural.as_str()) {
            ("", "pods") => Self::Pods,
            ("", "services") => Self::Services,
            ("", "persistentvolumeclaims") => Self::Claims,
            ("" | "events.k8s.io", "events") | ("", "bindings") | ("authorization.k8s.io", _) => Self::Ignored,
            (group, plural) => {
                let mut names = vec![format!("count/{}", resource.qualified())];
                if group.is_empty() && PLAIN.contains(&plural) {
                    names.push(plural.to_owned());
                }
                Self::Objects(names)
            }
        }
    }

    /// Returns whether a write can change the count.
    pub(super) fn handles(&self, request: &Request<'_>, object: &Value) -> bool {
        let creates = request.operation == Operation::Create;
        match (self, request.target.subresource) {
            (Self::Pods, "") => creates || request.old.is_some_and(|old| has_deadline(old) != has_deadline(object)),
            (Self::Pods, "resize") => !creates,
            (Self::Services | Self::Claims, "") => true,
            (Self::Claims, "status") => true,
            (Self::Objects(_), "") => creates,
            _ => false,
        }
    }

    /// Returns whether a name in a quota is counted by this counter.
    pub(super) fn tracks(&self, name: &str) -> bool {
        match self {
            Self::Pods => {
                POD_NAMES.contains(&name)
                    || name.starts_with("hugepages-")
                    || name.starts_with("requests.hugepages-")
                    || is_extended_request(name)
            }
            Self::Services => SERVICE_NAMES.contains(&name),
            Self::Claims => {
                let of_class = name.split_once(BY_CLASS).is_some_and(|(_, rest)| CLAIM_NAMES.contains(&rest));
                name == "count/persistentvolumeclaims" || CLAIM_NAMES.contains(&name) || of_class
            }
            Self::Ignored => false,
            Self::Objects(names) => names.iter().any(|have| have == name),
        }
    }

    /// Tells what a pod must say and does not.
    pub(super) fn lacks(&self, restricted: &[&str], pod: &Value) -> Option<String> {
        let of_pod = pod["spec"]["resources"].as_object().is_some_and(|resources| !resources.is_empty());
        if !matches!(self, Self::Pods) || of_pod {
            return None;
        }
        let required: BTreeSet<&str> = restricted.iter().copied().filter(|name| MUST_SAY.contains(name)).collect();
        let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for container in containers(&pod["spec"], &["containers", "initContainers"]) {
            let resources = &container["resources"];
            let said = spread(&read(&resources["requests"]), &read(&resources["limits"]));
            for name in required.iter().filter(|name| !said.contains_key(**name)) {
                missing.entry(name).or_default().insert(text(container, "/name"));
            }
        }
        let told: Vec<String> = missing
            .into_iter()
            .map(|(name, containers)| format!("{name} for: {}", containers.into_iter().collect::<Vec<_>>().join(",")))
            .collect();
        if told.is_empty() { None } else { Some(format!("must specify {}", told.join("; "))) }
    }

    /// Returns whether a quota's scopes include an object; those of other kinds include none.
    pub(super) fn is_in_scope(&self, quota: &Value, object: &Value) -> bool {
        let plain = quota["spec"]["scopes"].as_array().into_iter().flatten();
        let plain = plain.filter_map(Value::as_str).map(|scope| (scope, "Exists", &Value::Null));
        let chosen = quota.pointer("/spec/scopeSelector/matchExpressions").and_then(Value::as_array);
        let chosen = chosen
            .into_iter()
            .flatten()
            .map(|expression| (text(expression, "/scopeName"), text(expression, "/operator"), &expression["values"]));
        plain.chain(chosen).all(|(scope, operator, values)| match self {
            Self::Pods => pod_is_in(scope, operator, values, object),
            Self::Claims if scope == "VolumeAttributesClass" => claim_is_in(operator, values, object),
            _ => false,
        })
    }

    /// Returns what an object uses.
    pub(super) fn usage(&self, object: &Value, now: Timestamp) -> Amounts {
        match self {
            Self::Pods => pod_usage(object, now),
            Self::Services => service_usage(object),
            Self::Claims => claim_usage(object),
            Self::Ignored => Amounts::new(),
            Self::Objects(names) => names.iter().map(|name| (name.clone(), count(1))).collect(),
        }
    }
}

/// Returns the resources that a quota counts.
pub(super) fn tracked(registry: &Registry<'_>, hard: &Amounts) -> Vec<Arc<Resource>> {
    let mut seen = BTreeSet::new();
    let all = registry.state.catalog.resources().filter(|resource| resource.namespaced);
    all.filter(|resource| {
        let counter = Counter::of(resource);
        hard.keys().any(|name| counter.tracks(name)) && seen.insert(resource.store_key())
    })
    .cloned()
    .collect()
}

fn is_extended_request(name: &str) -> bool {
    let Some(resource) = name.strip_prefix("requests.") else { return false };
    // Names without a domain, and those of Kubernetes' own, are not extended.
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    !native || resource.starts_with("deviceclass.resource.kubernetes.io/")
}

fn has_deadline(pod: &Value) -> bool {
    pod["spec"]["activeDeadlineSeconds"].as_i64().is_some_and(|secs| secs >= 0)
}

fn pod_is_in(scope: &str, operator: &str, values: &Value, pod: &Value) -> bool {
    let best_effort = pod["status"]["qosClass"] == "BestEffort";
    match scope {
        "Terminating" => has_deadline(pod),
        "NotTerminating" => !has_deadline(pod),
        "BestEffort" => best_effort,
        "NotBestEffort" => !best_effort,
        "PriorityClass" => {
            let class = text(pod, "/spec/priorityClassName");
            chooses(operator, values, Some(class).filter(|class| !class.is_empty()))
        }
        "CrossNamespacePodAffinity" => reaches_out(&pod["spec"]["affinity"]),
        _ => false,
    }
}

/// Returns whether a selector over one label chooses its value.
fn chooses(operator: &str, values: &Value, have: Option<&str>) -> bool {
    let listed = have.is_some_and(|have| values.as_array().into_iter().flatten().any(|value| value == have));
    match operator {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => have.is_some(),
        "DoesNotExist" => have.is_none(),
        _ => false,
    }
}

fn reaches_out(affinity: &Value) -> bool {
    const LISTS: [(&str, &str); 2] = [
        ("requiredDuringSchedulingIgnoredDuringExecution", ""),
        ("preferredDuringSchedulingIgnoredDuringExecution", "/podAffinityTerm"),
    ];
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        LISTS.iter().any(|(list, at)| {
            let terms = affinity[*kind][*list].as_array().into_iter().flatten();
            terms.filter_map(|term| term.pointer(at)).any(|term| {
                term["namespaceSelector"].is_object()
                    || term["namespaces"].as_array().is_some_and(|names| !names.is_empty())
            })
        })
    })
}

fn claim_is_in(operator: &str, values: &Value, claim: &Value) -> bool {
    let names = ["/spec/volumeAttributesClassName", "/status/currentVolumeAttributesClassName"];
    let target = "/status/modifyVolumeStatus/targetVolumeAttributesClassName";
    let names: Vec<&str> =
        names.iter().chain([&target]).map(|path| text(claim, path)).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return chooses(operator, values, None);
    }
    names.into_iter().any(|name| chooses(operator, values, Some(name)))
}

/// Returns amounts under every name a quota knows them by.
fn spread(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut out = Amounts::from([("pods".to_owned(), count(1))]);
    for name in ["cpu", "ephemeral-storage", "memory"] {
        if let Some(amount) = requests.get(name) {
            out.insert(name.to_owned(), *amount);
            out.insert(format!("requests.{name}"), *amount);
        }
        if let Some(amount) = limits.get(name) {
            out.insert(format!("limits.{name}"), *amount);
        }
    }
    for (name, amount) in requests {
        if name.starts_with("hugepages-") {
            out.insert(name.clone(), *amount);
            out.insert(format!("requests.{name}"), *amount);
        } else if is_extended_request(&format!("requests.{name}")) {
            out.insert(format!("requests.{name}"), *amount);
        }
    }
    out
}

fn pod_usage(pod: &Value, now: Timestamp) -> Amounts {
    let mut out = Amounts::from([("count/pods".to_owned(), count(1))]);
    if is_over(pod, now) {
        return out;
    }
    let own = |name: &str| matches!(name, "cpu" | "memory") || name.starts_with("hugepages-");
    let spec = &pod["spec"];
    add(&mut out, &spread(&of_pod(spec, "requests", true, own), &of_pod(spec, "limits", true, own)));
    out
}

/// Returns whether a pod uses nothing any more: it ended, or should have by now.
fn is_over(pod: &Value, now: Timestamp) -> bool {
    let meta = &pod["metadata"];
    let late = || {
        let due: Timestamp = meta["deletionTimestamp"].as_str()?.parse().ok()?;
        let grace = meta["deletionGracePeriodSeconds"].as_i64()?;
        Some(now > due.checked_add(jiff::SignedDuration::from_secs(grace)).ok()?)
    };
    matches!(text(pod, "/status/phase"), "Failed" | "Succeeded") || late() == Some(true)
}

fn service_usage(service: &Value) -> Amounts {
    let ports = service["spec"]["ports"].as_array().map_or(&[][..], Vec::as_slice);
    let (node_ports, balancers) = match text(service, "/spec/type") {
        "NodePort" => (ports.len(), 0),
        "LoadBalancer" if service["spec"]["allocateLoadBalancerNodePorts"] == false => {
            (ports.iter().filter(|port| port["nodePort"].as_u64().is_some_and(|port| port != 0)).count(), 1)
        }
        "LoadBalancer" => (ports.len(), 1),
        _ => (0, 0),
    };
    let amounts = [1, 1, balancers, node_ports];
    SERVICE_NAMES.iter().zip(amounts).map(|(name, amount)| ((*name).to_owned(), count(amount))).collect()
}

fn claim_usage(claim: &Value) -> Amounts {
    let mut out = Amounts::from([
        ("count/persistentvolumeclaims".to_owned(), count(1)),
        ("persistentvolumeclaims".to_owned(), count(1)),
    ]);
    let class = class_of(claim);
    if !class.is_empty() {
        out.insert(format!("{class}{BY_CLASS}persistentvolumeclaims"), count(1));
    }
    let size = |list: &Value| read(list).get("storage").copied();
    let whole = |amount: Quantity| amount.with_nanos(amount.value() * 1_000_000_000);
    if let Some(asked) = size(&claim["spec"]["resources"]["requests"]) {
        let given = size(&claim["status"]["allocatedResources"]).filter(|given| given.nanos() > asked.nanos());
        let amount = whole(given.unwrap_or(asked));
        out.insert("requests.storage".to_owned(), amount);
        if !class.is_empty() {
            out.insert(format!("{class}{BY_CLASS}requests.storage"), amount);
        }
    }
    out
}
