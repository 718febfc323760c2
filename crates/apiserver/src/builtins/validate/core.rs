//! What the core group configures: maps, secrets, namespaces, nodes, limits and quotas (`pkg/apis/core/validation`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::errors::at;
use super::{Errors, entries, internal, is_empty, items, meta, names, network, pods, text};
use crate::builtins::Quantity;

/// The most that a ConfigMap or Secret may hold.
const DATA_LIMIT_BYTES: usize = 1024 * 1024;

fn keys(map: &Value, field: &str, errors: &mut Errors) {
    for (key, _) in entries(map) {
        for problem in names::config_key(key) {
            errors.invalid(&format!("{field}[{key}]"), &json!(key), &problem);
        }
    }
}

fn decoded_len(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count()
}

pub(super) fn config_map(map: &Value, errors: &mut Errors) {
    for (key, _) in entries(&map["data"]) {
        let field = format!("data[{key}]");
        errors.invalid_each(&field, key, names::config_key(key));
        if map["binaryData"].get(key.as_str()).is_some() {
            errors.invalid_text(&field, key, "duplicate of key present in binaryData");
        }
    }
    keys(&map["binaryData"], "binaryData", errors);
    let plain: usize = entries(&map["data"]).map(|(_, value)| value.as_str().unwrap_or_default().len()).sum();
    let binary: usize = entries(&map["binaryData"]).map(|(_, value)| decoded_len(value)).sum();
    if plain + binary > DATA_LIMIT_BYTES {
        errors.too_long("[]", DATA_LIMIT_BYTES);
    }
}

pub(super) fn secret(secret: &Value, errors: &mut Errors) {
    let data = &secret["data"];
    keys(data, "data", errors);
    let size: usize = entries(data).map(|(_, value)| decoded_len(value)).sum();
    if size > DATA_LIMIT_BYTES {
        errors.too_long("data", DATA_LIMIT_BYTES);
    }
    let required = |keys: &[&str], errors: &mut Errors| {
        for key in keys.iter().filter(|key| data.get(**key).is_none()) {
            errors.required(&format!("data[{key}]"), "");
        }
    };
    match text(secret, "type") {
        "kubernetes.io/dockercfg" => docker_config(data, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => docker_config(data, ".dockerconfigjson", errors),
        "kubernetes.io/ssh-auth" if text(data, "ssh-privatekey").is_empty() => {
            errors.required("data[ssh-privatekey]", "");
        }
        "kubernetes.io/tls" => required(&["tls.crt", "tls.key"], errors),
        "kubernetes.io/basic-auth" if data.get("username").is_none() && data.get("password").is_none() => {
            required(&["username", "password"], errors);
        }
        "kubernetes.io/service-account-token" => {
            let key = "kubernetes.io/service-account.name";
            if text(&secret["metadata"]["annotations"], key).is_empty() {
                errors.required(&format!("metadata.annotations[{key}]"), "");
            }
        }
        _ => {}
    }
}

fn docker_config(data: &Value, key: &str, errors: &mut Errors) {
    use base64::Engine as _;
    let field = format!("data[{key}]");
    let Some(encoded) = data.get(key).and_then(Value::as_str) else { return errors.required(&field, "") };
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
    if let Some(why) = unreadable_object(&bytes) {
        errors.invalid_text(&field, "<secret contents redacted>", &why);
    }
}

/// Returns in Go's words why bytes are no JSON object.
fn unreadable_object(bytes: &[u8]) -> Option<String> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(_) | Value::Null) => None,
        Ok(other) => {
            let kind = match other {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                _ => "number",
            };
            Some(format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"))
        }
        // Go reads a space behind the end, which no word goes on with.
        Err(error) if error.is_eof() => {
            let in_word = broken_word(&[bytes, b" "].concat());
            Some(in_word.unwrap_or_else(|| "unexpected end of JSON input".to_owned()))
        }
        Err(error) => {
            let letter = bytes.get(error.column().saturating_sub(1)).copied().map_or(' ', char::from);
            if error.to_string().starts_with("trailing characters") {
                return Some(format!("invalid character '{letter}' after top-level value"));
            }
            if let Some(why) = broken_word(bytes) {
                return Some(why);
            }
            Some(format!("invalid character '{letter}' looking for beginning of value"))
        }
    }
}

/// Go names the word whose letters do not go on.
fn broken_word(bytes: &[u8]) -> Option<String> {
    let word = ["null", "true", "false"].into_iter().find(|word| bytes.first() == word.as_bytes().first())?;
    let (have, want) = bytes.iter().zip(word.as_bytes()).find(|(have, want)| have != want)?;
    Some(format!("invalid character '{}' in literal {word} (expecting '{}')", char::from(*have), char::from(*want)))
}

pub(super) fn namespace(namespace: &Value, errors: &mut Errors) {
    for (_, name) in items(&namespace["spec"]["finalizers"]) {
        let text = name.as_str().unwrap_or_default();
        errors.invalid_each("spec.finalizers", text, names::label_key(text));
        meta::one_kubernetes_finalizer(name, "spec.finalizers", errors);
    }
}

const TAINT_EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn taints(taints: &Value, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for (index, taint) in items(taints) {
        let path = format!("metadata.taints[{index}]");
        meta::label_key(taint, "key", &path, errors);
        let problems = names::label_value(text(taint, "value"));
        if !problems.is_empty() {
            errors.invalid(&at(&path, "value"), &taint["value"], &problems.join(";"));
        }
        errors.needs_one_of(&at(&path, "effect"), &taint["effect"], &TAINT_EFFECTS);
        if !known.insert((text(taint, "effect"), text(taint, "key"))) {
            let printed = internal::print("io.k8s.api.core.v1.Taint", taint);
            errors.duplicate_printed(&path, &printed, "taints must be unique by key and effect pair");
        }
    }
}

pub(super) fn node(node: &Value, is_new: bool, errors: &mut Errors) {
    taints(&node["spec"]["taints"], errors);
    for list in ["capacity", "allocatable"] {
        for (name, value) in entries(&node["status"][list]) {
            pods::quantity_value(name, value, &format!("status.{list}.{name}"), errors);
        }
    }
    let swap = &node["status"]["nodeInfo"]["swap"]["capacity"];
    if let Some(capacity) = swap.as_i64().filter(|capacity| is_new && *capacity <= 0) {
        errors.invalid_number("metadata.nodeSwapStatus.capacity", capacity, super::POSITIVE);
    }
    if is_new {
        declared_features(&node["status"]["declaredFeatures"], errors);
    }
    const PATH: &str = "spec.podCIDRs";
    let list = &node["spec"]["podCIDRs"];
    let ranges: Vec<&str> = items(list).filter_map(|(_, range)| range.as_str()).collect();
    for (index, range) in ranges.iter().enumerate() {
        network::legacy_cidr(range, &format!("{PATH}[{index}]"), errors);
    }
    if ranges.len() > 1 {
        if let Some(bad) = ranges.iter().find(|range| network::sloppy_cidr(range).is_none()) {
            let detail =
                format!("invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR address: {bad}");
            errors.internal(PATH, &detail);
        }
        let families: BTreeSet<bool> =
            ranges.iter().filter_map(|range| network::sloppy_cidr(range)).map(|range| range.0.is_ipv4()).collect();
        if families.len() < 2 || ranges.len() > 2 {
            errors.invalid_object(PATH, list, "may specify no more than one CIDR for each IP family");
        }
    }
}

/// Checks what a node says of itself when its status is written.
pub(super) fn node_status(status: &Value, errors: &mut Errors) {
    declared_features(&status["declaredFeatures"], errors);
    let mut known = BTreeSet::new();
    for (index, address) in items(&status["addresses"]) {
        if !known.insert((text(address, "type"), text(address, "address"))) {
            let printed = internal::print("io.k8s.api.core.v1.NodeAddress", address);
            errors.duplicate_printed(&format!("status.addresses[{index}]"), &printed, "");
        }
    }
}

fn declared_features(list: &Value, errors: &mut Errors) {
    const PATH: &str = "status.declaredFeatures";
    const MOST_BYTES: usize = 253;
    let names: Vec<&str> = items(list).filter_map(|(_, name)| name.as_str()).collect();
    for (index, name) in names.iter().enumerate() {
        let is_segment = |(at, part): (usize, &str)| {
            let first = part.bytes().next();
            let starts = |byte: u8| byte.is_ascii_uppercase() || at > 0 && byte.is_ascii_lowercase();
            first.is_some_and(starts) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let why = if name.len() > MOST_BYTES {
            Some(format!("must be no more than {MOST_BYTES} characters"))
        } else if name.split('/').enumerate().all(is_segment) {
            None
        } else {
            let form = "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., \
                        MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes";
            Some(form.to_owned())
        };
        if let Some(why) = why {
            let detail = format!("invalid feature name {name:?}: {why}");
            errors.invalid_text(&format!("{PATH}[{index}]"), name, &detail);
        }
        let path = format!("{PATH}[{}]", index + 1);
        match names.get(index + 1) {
            Some(next) if next == name => errors.duplicate(&path, &Value::from(*next)),
            Some(next) if next < name => errors.invalid_text(&path, next, "list must be sorted alphabetically"),
            _ => {}
        }
    }
}

const LIMITS: [&str; 5] = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];

pub(super) fn limit_range(range: &Value, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for (index, item) in items(&range["spec"]["limits"]) {
        let path = format!("spec.limits[{index}]");
        let kind = text(item, "type");
        let problems = names::label_key(kind);
        if problems.is_empty() && !kind.contains('/') && !["Container", "PersistentVolumeClaim", "Pod"].contains(&kind)
        {
            let detail = "must be a standard limit type or fully qualified";
            errors.invalid(&at(&path, "type"), &item["type"], detail);
        }
        errors.invalid_each(&at(&path, "type"), kind, problems);
        if !known.insert(kind) {
            errors.duplicate(&at(&path, "type"), &item["type"]);
        }
        let mut resources = BTreeSet::new();
        for list in LIMITS {
            if kind == "Pod" && list.starts_with("default") {
                if !is_empty(&item[list]) {
                    errors.forbidden(&at(&path, list), "may not be specified when `type` is 'Pod'");
                }
                continue;
            }
            if list == "maxLimitRequestRatio"
                && kind == "PersistentVolumeClaim"
                && item["min"].get("storage").is_none()
                && item["max"].get("storage").is_none()
            {
                let detail = "either minimum or maximum storage value is required, but neither was provided";
                errors.required(&at(&path, "limits"), detail);
            }
            for (name, _) in entries(&item[list]) {
                let field = format!("{path}.{list}[{name}]");
                if ["Container", "Pod"].contains(&kind) {
                    pods::container_resource_name(name, &field, errors);
                } else {
                    pods::resource_name(name, &field, errors);
                }
                resources.insert(name.as_str());
            }
        }
        for name in resources {
            limits_agree(item, name, &path, errors);
        }
    }
}

fn limits_agree(item: &Value, name: &str, path: &str, errors: &mut Errors) {
    let pod = text(item, "type") == "Pod";
    let amounts: BTreeMap<&str, Quantity> = (LIMITS.into_iter())
        .filter(|list| !(pod && list.starts_with("default")))
        .filter_map(|list| Some((list, item[list].get(name)?.as_str()?.parse().ok()?)))
        .collect();
    let get = |list: &str| amounts.get(list).copied();
    // The smaller, the larger, whose field is blamed, whose value is shown, and how upstream calls the two.
    let pairs = [
        ("min", "max", "min", "min", "min", "max"),
        ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min", "default request"),
        ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request", "max"),
        ("defaultRequest", "default", "defaultRequest", "defaultRequest", "default request", "default limit"),
        ("min", "default", "default", "min", "min", "default"),
        ("default", "max", "default", "max", "default", "max"),
    ];
    for (small, large, blamed, shown, small_words, large_words) in pairs {
        if let (Some(low), Some(high)) = (get(small), get(large))
            && low.nanos() > high.nanos()
        {
            let shown = amounts[shown].to_string();
            let detail = format!("{small_words} value {low} is greater than {large_words} value {high}");
            errors.invalid_text(&format!("{path}.{blamed}[{name}]"), &shown, &detail);
        }
    }
    if let Some(ratio) = get("maxLimitRequestRatio") {
        let field = format!("{path}.maxLimitRequestRatio[{name}]");
        if ratio.nanos() < 1_000_000_000 {
            errors.invalid_text(&field, &ratio.to_string(), &format!("ratio {ratio} is less than 1"));
        }
        if let (Some(min), Some(max)) = (get("min"), get("max")) {
            let most = max.nanos() as f64 / min.nanos() as f64;
            if ratio.nanos() as f64 / 1e9 > most {
                let detail = format!("ratio {ratio} is greater than max/min = {most:.6}");
                errors.invalid_text(&field, &ratio.to_string(), &detail);
            }
        }
    }
    if let (Some(limit), Some(request)) = (get("default"), get("defaultRequest"))
        && !pods::allows_overcommit(name)
        && limit.nanos() != request.nanos()
    {
        let detail = format!("default value {limit} must equal to defaultRequest value {request} in {name}");
        errors.invalid_text(&format!("{path}.defaultRequest[{name}]"), &request.to_string(), &detail);
    }
}

/// What is counted or measured, and has no domain.
pub(super) const QUOTA_RESOURCES: [&str; 19] = [
    "configmaps",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

fn is_quota_resource(name: &str) -> bool {
    QUOTA_RESOURCES.contains(&name) || name.starts_with("hugepages-") || name.starts_with("requests.hugepages-")
}

const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];

fn scope_counts(scope: &str, resource: &str) -> bool {
    let computes =
        ["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"].contains(&resource);
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => ["persistentvolumeclaims", "requests.storage"].contains(&resource),
        scope if SCOPES.contains(&scope) => resource == "pods" || computes,
        _ => true,
    }
}

pub(super) fn quota(quota: &Value, errors: &mut Errors) {
    let spec = &quota["spec"];
    for (name, value) in entries(&spec["hard"]) {
        quota_amount(name, value, &format!("spec.hard[{name}]"), errors);
    }
    let limited: Vec<&str> =
        entries(&spec["hard"]).map(|(name, _)| name.as_str()).filter(|name| is_quota_resource(name)).collect();
    let list = &spec["scopes"];
    let scopes: Vec<&str> = items(list).filter_map(|(_, scope)| scope.as_str()).collect();
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            errors.invalid_object("spec.scopes", list, "unsupported scope");
        }
        for _ in limited.iter().filter(|resource| !scope_counts(scope, resource)) {
            errors.invalid_object("spec.scopes", list, "unsupported scope applied to resource");
        }
    }
    conflicts(&scopes, "spec.scopes", list, errors);
    if !spec["scopeSelector"].is_null() {
        scope_selector(spec, &limited, errors);
    }
}

/// Checks what a quota is said to allow and to have given.
pub(super) fn quota_status(status: &Value, errors: &mut Errors) {
    for list in ["hard", "used"] {
        for (name, value) in entries(&status[list]) {
            quota_amount(name, value, &format!("status.{list}[{name}]"), errors);
        }
    }
}

fn quota_amount(name: &str, value: &Value, path: &str, errors: &mut Errors) {
    pods::resource_name(name, path, errors);
    if !name.contains('/') && !is_quota_resource(name) {
        errors.invalid_text(path, name, "must be a standard resource for quota");
    }
    pods::quantity_value(name, value, path, errors);
}

fn conflicts(scopes: &[&str], path: &str, shown: &Value, errors: &mut Errors) {
    for pair in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
        if pair.iter().all(|scope| scopes.contains(scope)) {
            errors.invalid_object(path, shown, "conflicting scopes");
        }
    }
}

fn scope_selector(spec: &Value, limited: &[&str], errors: &mut Errors) {
    const PATH: &str = "spec.scopeSelector.matchExpressions";
    let selector = &spec["scopeSelector"];
    let mut scopes = Vec::new();
    for (_, requirement) in items(&selector["matchExpressions"]) {
        let (scope, operator) = (text(requirement, "scopeName"), text(requirement, "operator"));
        if !SCOPES.contains(&scope) {
            errors.invalid(&at(PATH, "scopeName"), &requirement["scopeName"], "unsupported scope");
        }
        for _ in limited.iter().filter(|resource| !scope_counts(scope, resource)) {
            let printed = internal::print("io.k8s.api.core.v1.ScopeSelector", selector);
            errors.invalid_printed(PATH, &printed, "unsupported scope applied to resource");
        }
        let named = ["PriorityClass", "VolumeAttributesClass"].contains(&scope) || !SCOPES.contains(&scope);
        if !named && operator != "Exists" {
            let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                          ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, \
                          ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(&at(PATH, "operator"), &requirement["operator"], detail);
        }
        let values = &requirement["values"];
        match operator {
            "In" | "NotIn" if is_empty(values) => {
                let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                errors.required(&at(PATH, "values"), detail);
            }
            "Exists" | "DoesNotExist" if !is_empty(values) => {
                let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                errors.invalid_object(&at(PATH, "values"), values, detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.invalid(&at(PATH, "operator"), &requirement["operator"], "not a valid selector operator"),
        }
        scopes.push(scope);
    }
    conflicts(&scopes, PATH, &spec["scopes"], errors);
}
