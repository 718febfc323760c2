//! Configuration, services and storage.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Errors, entries, items, labels, names, number, text};
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
    keys(&map["data"], "data", errors);
    keys(&map["binaryData"], "binaryData", errors);
    for (key, _) in entries(&map["data"]).filter(|(key, _)| map["binaryData"].get(key.as_str()).is_some()) {
        errors.invalid(&format!("data[{key}]"), &json!(key), "duplicate of key present in binaryData");
    }
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
    let needed: &[&str] = match text(secret, "type") {
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/basic-auth" if data.get("username").is_none() && data.get("password").is_none() => {
            &["username", "password"]
        }
        "kubernetes.io/service-account-token" => {
            let key = "kubernetes.io/service-account.name";
            if text(&secret["metadata"]["annotations"], key).is_empty() {
                errors.required(&format!("metadata.annotations[{key}]"), "");
            }
            &[]
        }
        _ => &[],
    };
    for key in needed.iter().filter(|key| data.get(**key).is_none()) {
        errors.required(&format!("data[{key}]"), "");
    }
}

pub(super) fn service(service: &Value, errors: &mut Errors) {
    let spec = &service["spec"];
    let kind = text(spec, "type");
    let headless = spec["clusterIP"] == "None";
    let count = spec["ports"].as_array().map_or(0, Vec::len);
    if count == 0 && !headless && kind != "ExternalName" {
        errors.required("spec.ports", "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.invalid("spec.clusterIPs[0]", &json!("None"), &detail);
        }
        "ExternalName" => external_name(spec, errors),
        _ => {}
    }
    service_ports(&spec["ports"], count > 1, errors);
    labels(&spec["selector"], "spec.selector", errors);
    errors.one_of("spec.sessionAffinity", &spec["sessionAffinity"], &["ClientIP", "None"]);
    errors.one_of("spec.type", &spec["type"], &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    errors.one_of(
        "spec.ipFamilyPolicy",
        &spec["ipFamilyPolicy"],
        &["SingleStack", "PreferDualStack", "RequireDualStack"],
    );
    for (at, port) in items(&spec["ports"]).filter(|_| kind == "ClusterIP") {
        if !port["nodePort"].is_null() {
            errors.forbidden(&format!("spec.ports[{at}].nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
    }
    if !spec["allocateLoadBalancerNodePorts"].is_null() && kind != "LoadBalancer" {
        let detail = "may only be used when `type` is 'LoadBalancer'";
        errors.forbidden("spec.allocateLoadBalancerNodePorts", detail);
    }
    let policies = ["Cluster", "Local"];
    for field in ["externalTrafficPolicy", "internalTrafficPolicy"] {
        errors.one_of(&format!("spec.{field}"), &spec[field], &policies);
    }
}

fn external_name(spec: &Value, errors: &mut Errors) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if !spec[field].is_null() {
            errors.forbidden(&format!("spec.{field}"), "may not be set for ExternalName services");
        }
    }
    let name = text(spec, "externalName");
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        errors.required("spec.externalName", "");
    } else {
        for problem in names::dns_subdomain(name) {
            errors.invalid("spec.externalName", &json!(name), &problem);
        }
    }
}

fn service_ports(list: &Value, named: bool, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for (at, port) in items(list) {
        let path = format!("spec.ports[{at}]");
        let name = text(port, "name");
        if name.is_empty() {
            if named {
                errors.required(&format!("{path}.name"), "");
            }
        } else {
            for problem in names::dns_label(name) {
                errors.invalid(&format!("{path}.name"), &port["name"], &problem);
            }
            if !known.insert(name) {
                errors.duplicate(&format!("{path}.name"), &port["name"]);
            }
        }
        let number = number(port, "port").unwrap_or(0);
        for problem in names::port_number(number) {
            errors.invalid(&format!("{path}.port"), &json!(number), &problem);
        }
        errors.one_of(&format!("{path}.protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
        let target = &port["targetPort"];
        let problems = match target {
            Value::Number(_) => names::port_number(target.as_i64().unwrap_or(0)),
            Value::String(name) => names::port_name(name),
            _ => Vec::new(),
        };
        for problem in problems {
            errors.invalid(&format!("{path}.targetPort"), target, &problem);
        }
        if !numbers.insert((text(port, "protocol"), number)) {
            errors.duplicate(&path, &json!({ "port": number, "protocol": port["protocol"] }));
        }
    }
}

const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

fn access_modes(spec: &Value, path: &str, errors: &mut Errors) {
    let field = format!("{path}.accessModes");
    for (_, mode) in items(&spec["accessModes"]) {
        errors.one_of(&field, mode, &ACCESS_MODES);
    }
}

fn volume_mode(spec: &Value, path: &str, errors: &mut Errors) {
    errors.one_of(&format!("{path}.volumeMode"), &spec["volumeMode"], &["Block", "Filesystem"]);
}

pub(super) fn claim_spec(spec: &Value, path: &str, errors: &mut Errors) {
    if spec["accessModes"].as_array().is_none_or(Vec::is_empty) {
        errors.required(&format!("{path}.accessModes"), "at least 1 access mode is required");
    }
    access_modes(spec, path, errors);
    let storage = &spec["resources"]["requests"]["storage"];
    let field = format!("{path}.resources[storage]");
    match storage.as_str().and_then(|text| text.parse::<Quantity>().ok()) {
        None => errors.required(&field, ""),
        Some(size) if size.nanos() <= 0 => errors.invalid(&field, storage, "must be greater than zero"),
        Some(_) => {}
    }
    volume_mode(spec, path, errors);
}

pub(super) fn volume(spec: &Value, errors: &mut Errors) {
    if spec["accessModes"].as_array().is_none_or(Vec::is_empty) {
        errors.required("spec.accessModes", "");
    }
    access_modes(spec, "spec", errors);
    volume_mode(spec, "spec", errors);
    if spec["capacity"]["storage"].is_null() {
        errors.not_supported("spec.capacity", &spec["capacity"], &["storage"]);
    }
    let policies = ["Delete", "Recycle", "Retain"];
    errors.one_of("spec.persistentVolumeReclaimPolicy", &spec["persistentVolumeReclaimPolicy"], &policies);
}
