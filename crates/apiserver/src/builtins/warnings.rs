//! What a client is warned of when it creates or changes a valid object (`WarningsOnCreate` and `WarningsOnUpdate` of each
//! strategy, `pkg/api/*/warnings.go`).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use serde_json::{Value, json};

use super::paths;
use super::quantity::Quantity;
use super::{names, validate};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    value[field].as_array().into_iter().flatten().enumerate()
}

fn at(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// Returns the warnings about a new object.
pub(super) fn of_new(group: &str, kind: &str, object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let spec = &object["spec"];
    match (group, kind) {
        ("", "Pod") => {
            host_name(object, "the Pod's hostname", &mut out);
            pod(object, "", &mut out);
        }
        ("", "Node") => {
            if !text(spec, "externalID").is_empty() {
                out.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned());
            }
            for (index, range) in items(spec, "podCIDRs") {
                let field = format!("spec.podCIDRs[{index}]");
                validate::unusual_cidr(range.as_str().unwrap_or_default(), &field, &mut out);
            }
        }
        ("", "PodTemplate") => pod(&object["template"], "template", &mut out),
        ("", "ReplicationController") | ("apps", "Deployment" | "ReplicaSet") | ("batch", "Job") => {
            host_name(object, "Pod names and hostnames", &mut out);
            pod(&spec["template"], "spec.template", &mut out);
        }
        ("batch", "CronJob") => {
            host_name(object, "Pod names and hostnames", &mut out);
            pod(&spec["jobTemplate"]["spec"]["template"], "spec.jobTemplate.spec.template", &mut out);
        }
        ("apps", "DaemonSet") => pod(&spec["template"], "spec.template", &mut out),
        ("apps", "StatefulSet") => {
            pod(&spec["template"], "spec.template", &mut out);
            for (index, claim) in items(spec, "volumeClaimTemplates") {
                self::claim(&claim["spec"], &format!("spec.volumeClaimTemplates[{index}]"), &mut out);
            }
            negative_history(spec, &mut out);
        }
        ("", "PersistentVolume") => volume(object, &mut out),
        ("", "PersistentVolumeClaim") => {
            const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
            if object["metadata"]["annotations"].get(CLASS).is_some() {
                out.push(format!(
                    "metadata.annotations[{CLASS}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
                ));
            }
            claim(spec, "spec", &mut out);
        }
        ("", "Secret") if text(object, "type") == "kubernetes.io/tls" => out.extend(key_pair(&object["data"])),
        ("", "Service") => service(object, &mut out),
        ("discovery.k8s.io", "EndpointSlice") if object["addressType"] == "FQDN" => {
            out.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
        }
        ("networking.k8s.io", "Ingress") => {
            const CLASS: &str = "kubernetes.io/ingress.class";
            if object["metadata"]["annotations"].get(CLASS).is_some() {
                out.push(format!("annotation {CLASS:?} is deprecated, please use 'spec.ingressClassName' instead"));
            }
        }
        ("networking.k8s.io", "NetworkPolicy") => policy(spec, &mut out),
        ("node.k8s.io", "RuntimeClass") => {
            for (_, why) in deprecated_labels(&object["scheduling"]["nodeSelector"]) {
                out.push(format!("scheduling.nodeSelector: {why}"));
            }
        }
        ("storage.k8s.io", "CSIDriver")
            if items(spec, "tokenRequests").next().is_some() && spec["serviceAccountTokenInSecrets"].is_null() =>
        {
            let why = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent \
                       possible logging of tokens in volume attributes";
            out.push(why.to_owned());
        }
        _ => {}
    }
    out
}

/// Returns the warnings about an object that takes the place of `old`.
pub(super) fn of_successor(group: &str, kind: &str, old: &Value, object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let is_wanted_anew = old["metadata"]["generation"] != object["metadata"]["generation"];
    let (before, spec) = (&old["spec"], &object["spec"]);
    match (group, kind) {
        ("", "Node" | "PersistentVolume" | "PersistentVolumeClaim" | "Secret" | "Service")
        | ("networking.k8s.io", "NetworkPolicy")
        | ("node.k8s.io", "RuntimeClass") => return of_new(group, kind, object),
        ("", "PodTemplate") if is_wanted_anew => pod(&object["template"], "template", &mut out),
        // Upstream takes one for the other.
        ("", "ReplicationController") if is_wanted_anew => pod(&before["template"], "spec.template", &mut out),
        ("apps", "Deployment" | "ReplicaSet") | ("batch", "Job") if is_wanted_anew => {
            pod(&spec["template"], "spec.template", &mut out);
        }
        ("apps", "DaemonSet") if before["template"] != spec["template"] => {
            pod(&spec["template"], "spec.template", &mut out);
        }
        ("apps", "StatefulSet") => {
            if is_wanted_anew {
                pod(&spec["template"], "spec.template", &mut out);
            }
            for (index, claim) in items(spec, "volumeClaimTemplates") {
                self::claim(&claim["spec"], &format!("spec.volumeClaimTemplates[{index}].Spec"), &mut out);
            }
            negative_history(spec, &mut out);
        }
        ("batch", "CronJob") if is_wanted_anew => {
            pod(&spec["jobTemplate"]["spec"]["template"], "spec.jobTemplate.spec.template", &mut out);
        }
        ("storage.k8s.io", "CSIDriver") if before["tokenRequests"] != spec["tokenRequests"] => {
            return of_new(group, kind, object);
        }
        _ => {}
    }
    out
}

fn negative_history(spec: &Value, out: &mut Vec<String>) {
    if spec["revisionHistoryLimit"].as_i64().is_some_and(|limit| limit < 0) {
        let why = "a negative value retains all historical revisions; a value >= 0 is recommended";
        out.push(format!("spec.revisionHistoryLimit: {why}"));
    }
}

fn host_name(object: &Value, used: &str, out: &mut Vec<String>) {
    let problems = names::dns_label(text(&object["metadata"], "name"));
    if !problems.is_empty() {
        out.push(format!(
            "metadata.name: this is used in {used}, which can result in surprising behavior; a DNS label is recommended: [{}]",
            problems.join(" ")
        ));
    }
}

/// Labels of nodes that have newer names, sorted.
const OLD_LABELS: [(&str, &str); 8] = [
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    ("failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
    ("scheduler.alpha.kubernetes.io/preferAvoidPods", "deprecated since v1.22; use Taints and Tolerations instead"),
];

fn deprecated_label(key: &str) -> Option<&'static str> {
    OLD_LABELS.iter().find(|(label, _)| *label == key).map(|(_, why)| *why)
}

fn deprecated_labels(selector: &Value) -> Vec<(&str, &'static str)> {
    let keys = selector.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    keys.filter_map(|key| Some((key, deprecated_label(key)?))).collect()
}

fn node_term(term: &Value, check_values: bool, path: &str, out: &mut Vec<String>) {
    for (index, expression) in items(term, "matchExpressions") {
        let path = at(path, &format!("matchExpressions[{index}]"));
        let key = text(expression, "key");
        if let Some(why) = deprecated_label(key) {
            out.push(format!("{path}.key: {key} is {why}"));
        }
        for (index, value) in items(expression, "values").filter(|_| check_values) {
            let value = value.as_str().unwrap_or_default();
            for problem in names::label_value(value) {
                out.push(format!("{path}.values[{index}]: {value} is invalid, {problem}"));
            }
        }
    }
}

fn fraction(amounts: &Value, resource: &str, path: &str, out: &mut Vec<String>) {
    let Some(text) = amounts[resource].as_str() else { return };
    let whole = text.parse::<Quantity>().is_ok_and(|amount| amount.nanos() % 1_000_000_000 == 0);
    if !whole {
        out.push(format!("{path}[{resource}]: fractional byte value {text:?} is invalid, must be an integer"));
    }
}

fn claim(spec: &Value, path: &str, out: &mut Vec<String>) {
    for list in ["requests", "limits"] {
        fraction(&spec["resources"][list], "storage", &format!("{path}.resources.{list}"), out);
    }
}

/// Sources of volumes that are on their way out, in the order in which they are told.
const OLD_SOURCES: [(&str, &str, &str); 9] = [
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

fn volume(volume: &Value, out: &mut Vec<String>) {
    let spec = &volume["spec"];
    if spec["persistentVolumeReclaimPolicy"] == "Recycle" {
        let why = "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended \
                   approach is to use dynamic provisioning.";
        out.push(why.to_owned());
    }
    for (index, term) in items(&spec["nodeAffinity"]["required"], "nodeSelectorTerms") {
        node_term(term, false, &format!("spec.nodeAffinity.required.nodeSelectorTerms[{index}]"), out);
    }
    for kind in ["cephfs", "photonPersistentDisk", "scaleIO", "storageos", "glusterfs", "rbd"] {
        let (_, field, why) = OLD_SOURCES.iter().find(|(have, ..)| *have == kind).expect("the table has all six");
        if !spec[kind].is_null() {
            out.push(format!("spec.{field}: {why}"));
        }
    }
}

fn key_pair(data: &Value) -> Option<String> {
    let decoded = |key: &str| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text(data, key)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    for (key, named) in [("tls.crt", "certificate"), ("tls.key", "key")] {
        if !decoded(key).contains("-----BEGIN ") {
            return Some(format!("tls: failed to find any PEM data in {named} input"));
        }
    }
    None
}

fn service(service: &Value, out: &mut Vec<String>) {
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    let spec = &service["spec"];
    if service["metadata"]["annotations"].get(HINTS).is_some() {
        out.push(format!("annotation {HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead"));
    }
    let kind = text(spec, "type");
    let addresses = |field: &str, out: &mut Vec<String>| {
        for (index, address) in items(spec, field) {
            validate::unusual_ip(address.as_str().unwrap_or_default(), &format!("spec.{field}[{index}]"), out);
        }
    };
    if kind != "ExternalName" && spec["clusterIP"] != "None" {
        addresses("clusterIPs", out);
    }
    let outside = items(spec, "externalIPs").next().is_some();
    if kind == "ClusterIP" && spec["clusterIP"] == "None" {
        if !text(spec, "loadBalancerIP").is_empty() {
            out.push("spec.loadBalancerIP is ignored for headless services".to_owned());
        }
        if outside {
            out.push("spec.externalIPs is ignored for headless services".to_owned());
        }
        if spec["sessionAffinity"] != "None" {
            out.push("spec.SessionAffinity is ignored for headless services".to_owned());
        }
    }
    addresses("externalIPs", out);
    let balancer = text(spec, "loadBalancerIP");
    if !balancer.is_empty() {
        validate::unusual_ip(balancer, "spec.loadBalancerIP", out);
    }
    for (index, range) in items(spec, "loadBalancerSourceRanges") {
        let field = format!("spec.loadBalancerSourceRanges[{index}]");
        validate::unusual_cidr(range.as_str().unwrap_or_default(), &field, out);
    }
    if kind == "ExternalName" && outside {
        out.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if kind != "ExternalName" && !text(spec, "externalName").is_empty() {
        out.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if spec["trafficDistribution"] == "PreferClose" {
        out.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".to_owned());
    }
}

fn policy(spec: &Value, out: &mut Vec<String>) {
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in items(spec, direction) {
            for (peer_index, peer) in items(rule, peers) {
                let path = format!("spec.{direction}[{index}].{peers}[{peer_index}].ipBlock");
                let block = &peer["ipBlock"];
                if block.is_null() {
                    continue;
                }
                validate::unusual_cidr(text(block, "cidr"), &at(&path, "cidr"), out);
                for (index, range) in items(block, "except") {
                    let field = format!("{path}.except[{index}]");
                    validate::unusual_cidr(range.as_str().unwrap_or_default(), &field, out);
                }
            }
        }
    }
}

fn pod(pod: &Value, path: &str, out: &mut Vec<String>) {
    let (spec, inner) = (&pod["spec"], at(path, "spec"));
    for (key, why) in deprecated_labels(&spec["nodeSelector"]) {
        out.push(format!("{inner}.nodeSelector[{key}]: {why}"));
    }
    scheduling(spec, &inner, out);
    old_annotations(&pod["metadata"]["annotations"], &at(path, "metadata.annotations"), out);
    for (index, volume) in items(spec, "volumes") {
        for (kind, field, why) in OLD_SOURCES {
            if !volume[kind].is_null() {
                out.push(format!("{inner}.volumes[{index}].{field}: {why}"));
            }
            let template = &volume["ephemeral"]["volumeClaimTemplate"];
            if kind == "glusterfs" && !template.is_null() {
                claim(&template["spec"], &format!("{inner}.volumes[{index}].ephemeral.volumeClaimTemplate.spec"), out);
            }
        }
    }
    for (_, volume) in items(spec, "volumes") {
        paths::warn(volume, out);
    }
    for (list, field, word) in [("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")] {
        let mut known = BTreeSet::new();
        for (index, item) in items(spec, list) {
            let value = text(item, field);
            if !known.insert(value) {
                out.push(format!("{inner}.{list}[{index}].{field}: duplicate {word} {value:?}"));
            }
        }
    }
    for (index, _) in items(spec, "imagePullSecrets").filter(|(_, secret)| text(secret, "name").is_empty()) {
        out.push(format!("{inner}.imagePullSecrets[{index}].name: invalid empty name \"\""));
    }
    for resource in ["memory", "ephemeral-storage"] {
        fraction(&spec["overhead"], resource, &format!("{inner}.overhead"), out);
    }
    let (annotations, annotations_path) = (&pod["metadata"]["annotations"], at(path, "metadata.annotations"));
    unprofiled(spec, SECCOMP_POD, annotations, &annotations_path, out);
    let all = validate::every_container(spec, &inner);
    for (path, container) in &all {
        let name = text(container, "name");
        unprofiled(container, &format!("{SECCOMP_CONTAINER}{name}"), annotations, &annotations_path, out);
        let key = format!("{APP_ARMOR}{name}");
        if !inner.starts_with("spec")
            && container["securityContext"]["appArmorProfile"].is_null()
            && let Some(annotation) = annotations[&key].as_str()
            && app_armor(annotation).is_none_or(|profile| profile != spec["securityContext"]["appArmorProfile"])
        {
            let why = "deprecated since v1.30; use the \"appArmorProfile\" field instead";
            out.push(format!("{annotations_path}[{key}]: {why}"));
        }
        for resource in ["memory", "ephemeral-storage"] {
            for list in ["limits", "requests"] {
                fraction(&container["resources"][list], resource, &format!("{path}.resources.{list}"), out);
            }
        }
        environment(container, path, out);
    }
    ports(&all, out);
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|secs| secs < 0) {
        let why = "must be >= 0; negative values are invalid and will be treated as 1";
        out.push(format!("{inner}.terminationGracePeriodSeconds: {why}"));
    }
    affinity(&spec["affinity"], &inner, out);
    for (index, server) in items(&spec["dnsConfig"], "nameservers") {
        let field = format!("{inner}.dnsConfig.nameservers[{index}]");
        validate::unusual_ip(server.as_str().unwrap_or_default(), &field, out);
    }
    for (index, alias) in items(spec, "hostAliases") {
        validate::unusual_ip(text(alias, "ip"), &format!("{inner}.hostAliases[{index}].ip"), out);
    }
}

fn scheduling(spec: &Value, path: &str, out: &mut Vec<String>) {
    let affinity = &spec["affinity"]["nodeAffinity"];
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in items(&affinity[required], "nodeSelectorTerms") {
        node_term(term, false, &format!("{path}.affinity.nodeAffinity.{required}.nodeSelectorTerms[{index}]"), out);
    }
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in items(affinity, preferred) {
        let path = format!("{path}.affinity.nodeAffinity.{preferred}[{index}].preference");
        node_term(&term["preference"], true, &path, out);
    }
    for (index, spread) in items(spec, "topologySpreadConstraints") {
        let path = format!("{path}.topologySpreadConstraints[{index}]");
        let key = text(spread, "topologyKey");
        if let Some(why) = deprecated_label(key) {
            out.push(format!("{path}.topologyKey: {key} is {why}"));
        }
        if spread["labelSelector"].is_null() {
            out.push(format!("{path}.labelSelector: a null labelSelector results in matching no pod"));
        }
    }
}

fn affinity(affinity: &Value, path: &str, out: &mut Vec<String>) {
    const NONE: &str = "a null labelSelector results in matching no pod";
    for kind in ["podAffinity", "podAntiAffinity"] {
        let required = "requiredDuringSchedulingIgnoredDuringExecution";
        for (index, _) in items(&affinity[kind], required).filter(|(_, term)| term["labelSelector"].is_null()) {
            out.push(format!("{path}.affinity.{kind}.{required}[{index}].labelSelector: {NONE}"));
        }
        let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
        for (index, term) in items(&affinity[kind], preferred) {
            if term["podAffinityTerm"]["labelSelector"].is_null() {
                out.push(format!("{path}.affinity.{kind}.{preferred}[{index}].podAffinityTerm.labelSelector: {NONE}"));
            }
        }
    }
}

const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Warns of an annotation that is no longer looked at, where no field says the same.
fn unprofiled(owner: &Value, key: &str, annotations: &Value, path: &str, out: &mut Vec<String>) {
    if owner["securityContext"]["seccompProfile"].is_null() && annotations.get(key).is_some() {
        let why = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
        out.push(format!("{path}[{key}]: {why}"));
    }
}

/// Returns the profile that an annotation stands for.
fn app_armor(annotation: &str) -> Option<Value> {
    match annotation {
        "unconfined" => Some(json!({ "type": "Unconfined" })),
        "runtime/default" => Some(json!({ "type": "RuntimeDefault" })),
        other => {
            let profile = other.strip_prefix("localhost/").filter(|profile| !profile.is_empty())?;
            Some(json!({ "type": "Localhost", "localhostProfile": profile }))
        }
    }
}

fn old_annotations(annotations: &Value, path: &str, out: &mut Vec<String>) {
    for (key, why) in [
        (
            "scheduler.alpha.kubernetes.io/critical-pod",
            "non-functional in v1.16+; use the \"priorityClassName\" field instead",
        ),
        ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
        ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ] {
        if annotations.get(key).is_some() {
            out.push(format!("{path}[{key}]: {why}"));
        }
    }
}

fn environment(container: &Value, path: &str, out: &mut Vec<String>) {
    let mut known = BTreeSet::new();
    for (index, variable) in items(container, "env") {
        let (name, value) = (text(variable, "name"), text(variable, "value"));
        if known.insert(name) {
            continue;
        }
        let reference = format!("$({name})");
        if !variable["valueFrom"].is_null() || value == reference || !value.contains(&reference) {
            out.push(format!(
                "{path}.env[{index}]: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
    }
}

fn ports(containers: &[(String, &Value)], out: &mut Vec<String>) {
    let mut all = BTreeMap::<(i64, &str), Vec<(String, &str, i64)>>::new();
    for (path, container) in containers {
        for (index, port) in items(container, "ports") {
            let path = format!("{path}.ports[{index}]");
            let number = |field: &str| port[field].as_i64().unwrap_or(0);
            let (ip, host) = (text(port, "hostIP"), number("hostPort"));
            if !ip.is_empty() && host == 0 {
                out.push(format!(
                    "{path}: hostIP set without hostPort: {{Name:{} HostPort:0 ContainerPort:{} Protocol:{} HostIP:{ip}}}",
                    text(port, "name"),
                    number("containerPort"),
                    text(port, "protocol"),
                ));
            }
            let others = all.entry((number("containerPort"), text(port, "protocol"))).or_default();
            for (other, other_ip, other_host) in others.iter() {
                if ip == *other_ip && host == *other_host {
                    out.push(format!("{path}: duplicate port definition with {other}"));
                } else if host == 0 || *other_host == 0 {
                    out.push(format!("{path}: overlapping port definition with {other}"));
                } else if host == *other_host && ip.is_empty() != other_ip.is_empty() {
                    out.push(format!("{path}: dangerously ambiguous port definition with {other}"));
                }
            }
            others.push((path, ip, host));
        }
    }
    let mut names = BTreeMap::new();
    for (path, container) in containers {
        for (index, port) in items(container, "ports") {
            let name = text(port, "name");
            let path = format!("{path}.ports[{index}]");
            if name.is_empty() {
                continue;
            }
            match names.get(name) {
                Some(first) => out.push(format!(
                    "{path}: duplicate port name {name:?} with {first}, services and probes that select ports by name will \
                     use {first}"
                )),
                None => drop(names.insert(name, path)),
            }
        }
    }
}
