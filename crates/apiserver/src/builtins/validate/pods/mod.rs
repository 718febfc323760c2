//! Pods and pod templates (`pkg/apis/core/validation`).

mod containers;
mod resources;
mod scheduling;
mod security;
mod volumes;

use serde_json::Value;

use super::errors::at;
use super::{Errors, is_empty, items, meta, names, network, number, text};

pub(super) use containers::port_or_name;
pub(super) use resources::{
    allows_overcommit, container_resource_name, is_storage_or_foreign, quantity_value, requirements, resource_name,
};
pub(super) use scheduling::{node_selector, tolerations};
pub(super) use volumes::{csi_driver_name, one_persistent_source};

/// What differs between a pod and the template of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Pod,
    Template,
}

/// Checks a new pod, metadata apart.
pub(super) fn pod(pod: &Value, is_new: bool, errors: &mut Errors) {
    let spec = &pod["spec"];
    annotations(&pod["metadata"]["annotations"], spec, "metadata.annotations", errors);
    pod_spec(spec, &pod["metadata"], Of::Pod, "spec", errors);
    if text(spec, "serviceAccountName").is_empty() {
        for (index, volume) in items(&spec["volumes"]) {
            for (source, projection) in items(&volume["projected"]["sources"]) {
                if !projection["serviceAccountToken"].is_null() {
                    let field = format!("spec.volumes[{index}].projected.sources[{source}].serviceAccountToken");
                    errors.forbidden(&field, "must not be specified when serviceAccountName is not set");
                }
            }
        }
    }
    for list in ["containers", "initContainers"] {
        for (index, container) in items(&spec[list]) {
            containers::image_is_trimmed(container, &format!("spec.{list}[{index}]"), errors);
        }
    }
    if !is_new {
        return;
    }
    if !is_empty(&spec["ephemeralContainers"]) {
        errors.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    if !text(spec, "nodeName").is_empty() && !is_empty(&spec["schedulingGates"]) {
        errors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared");
    }
}

pub(super) fn template(template: &Value, path: &str, errors: &mut Errors) {
    let (inner, spec) = (&template["metadata"], &template["spec"]);
    meta::labels(&inner["labels"], &at(path, "labels"), errors);
    meta::annotations(&inner["annotations"], &at(path, "annotations"), errors);
    annotations(&inner["annotations"], spec, &at(path, "annotations"), errors);
    pod_spec(spec, &Value::Null, Of::Template, &at(path, "spec"), errors);
    if !is_empty(&spec["ephemeralContainers"]) {
        let field = at(path, "spec.ephemeralContainers");
        errors.forbidden(&field, "ephemeral containers not allowed in pod template");
    }
}

pub(super) fn annotations(annotations: &Value, spec: &Value, path: &str, errors: &mut Errors) {
    const MIRROR: &str = "kubernetes.io/config.mirror";
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    if let Some(value) = annotations.get(MIRROR).and_then(Value::as_str)
        && text(spec, "nodeName").is_empty()
    {
        let detail = "must set spec.nodeName if mirror pod annotation is set";
        errors.invalid_text(&format!("{path}[{MIRROR}]"), value, detail);
    }
    if let Some(value) = annotations.get(COST).and_then(Value::as_str)
        && !is_deletion_cost(value)
    {
        errors.invalid_text(&format!("{path}[{COST}]"), value, "must be a 32bit integer");
    }
}

fn is_deletion_cost(text: &str) -> bool {
    let leading = text.strip_prefix('-').unwrap_or(text);
    !leading.starts_with('+') && (leading == "0" || !leading.starts_with('0')) && text.parse::<i32>().is_ok()
}

pub(super) fn pod_spec(spec: &Value, pod: &Value, of: Of, path: &str, errors: &mut Errors) {
    let context = containers::Context {
        spec,
        volumes: volumes::volumes(&spec["volumes"], pod, of, &at(path, "volumes"), errors),
        claims: resources::claim_names(&spec["resourceClaims"]),
        grace_secs: number(spec, "terminationGracePeriodSeconds"),
        host_users: spec["hostUsers"] != false,
        restart_policy: text(spec, "restartPolicy"),
        os: &spec["os"],
    };
    resources::pod_claims(&spec["resourceClaims"], &at(path, "resourceClaims"), errors);
    context.containers(&at(path, "containers"), errors);
    context.init_containers(&at(path, "initContainers"), errors);
    context.ephemeral_containers(&at(path, "ephemeralContainers"), errors);
    resources::of_pod(&context, path, errors);
    host_ports(spec, of, path, errors);
    errors.needs_one_of(&at(path, "restartPolicy"), &spec["restartPolicy"], &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.needs_one_of(&at(path, "dnsPolicy"), &spec["dnsPolicy"], &policies);
    meta::labels(&spec["nodeSelector"], &at(path, "nodeSelector"), errors);
    security::of_pod(spec, &at(path, "securityContext"), errors);
    scheduling::affinity(&spec["affinity"], &at(path, "affinity"), errors);
    dns(spec, &at(path, "dnsConfig"), errors);
    for (index, gate) in items(&spec["readinessGates"]) {
        let kind = text(gate, "conditionType");
        errors.invalid_each(&at(path, &format!("readinessGates[{index}].conditionType")), kind, names::label_key(kind));
    }
    scheduling_gates(&spec["schedulingGates"], &at(path, "schedulingGates"), errors);
    scheduling::spread(&spec["topologySpreadConstraints"], &at(path, "topologySpreadConstraints"), errors);
    security::windows_host_process(spec, path, errors);
    security::host_users(spec, path, errors);
    host_name(spec, path, errors);
    named(spec, path, errors);
    let checked = errors.len();
    operating_system(spec, path, errors);
    if errors.len() == checked {
        match text(&spec["os"], "name") {
            "linux" => security::linux(spec, path, errors),
            "windows" => security::windows(spec, path, errors),
            _ => {}
        }
    }
    file_keys(spec, path, errors);
}

fn named(spec: &Value, path: &str, errors: &mut Errors) {
    for field in ["serviceAccountName", "nodeName"] {
        let name = text(spec, field);
        if !name.is_empty() {
            errors.invalid_each(&at(path, field), name, names::dns_subdomain(name));
        }
    }
    if let Some(secs) = number(spec, "activeDeadlineSeconds") {
        for problem in names::in_range(secs, 1, i64::from(i32::MAX)) {
            errors.invalid_number(&at(path, "activeDeadlineSeconds"), secs, &problem);
        }
    }
    for field in ["hostname", "subdomain"] {
        let name = text(spec, field);
        if !name.is_empty() {
            errors.invalid_each(&at(path, field), name, names::dns_label(name));
        }
    }
    tolerations(&spec["tolerations"], &at(path, "tolerations"), errors);
    for (index, alias) in items(&spec["hostAliases"]) {
        let path = at(path, &format!("hostAliases[{index}]"));
        network::legacy_ip(text(alias, "ip"), &format!("{path}.ip"), errors);
        for (index, name) in items(&alias["hostnames"]) {
            let name = name.as_str().unwrap_or_default();
            errors.invalid_each(&format!("{path}.hostnames[{index}]"), name, names::dns_subdomain(name));
        }
    }
    let class = text(spec, "priorityClassName");
    if !class.is_empty() {
        errors.invalid_each(&at(path, "priorityClassName"), class, names::dns_subdomain(class));
    }
    if let Some(class) = spec["runtimeClassName"].as_str() {
        errors.invalid_each(&at(path, "runtimeClassName"), class, names::dns_subdomain(class));
    }
    if !spec["preemptionPolicy"].is_null() {
        let policies = ["PreemptLowerPriority", "Never"];
        errors.needs_one_of(&at(path, "preemptionPolicy"), &spec["preemptionPolicy"], &policies);
    }
    if !spec["overhead"].is_null() {
        let overhead = serde_json::json!({ "limits": spec["overhead"] });
        resources::requirements(&overhead, resources::container_resource_name, &[], &at(path, "overhead"), errors);
    }
}

fn host_ports(spec: &Value, of: Of, path: &str, errors: &mut Errors) {
    if spec["hostNetwork"] != true {
        return;
    }
    for (index, container) in items(&spec["containers"]) {
        for (port_index, port) in items(&container["ports"]) {
            let (host, own) = (number(port, "hostPort").unwrap_or(0), number(port, "containerPort").unwrap_or(0));
            if (of == Of::Pod || host != 0) && host != own {
                let field = at(path, &format!("containers[{index}].ports[{port_index}].hostPort"));
                errors.invalid_number(&field, host, "must match `containerPort` when `hostNetwork` is true");
            }
        }
    }
}

const MAX_NAME_SERVERS: usize = 3;
const MAX_SEARCH_PATHS: usize = 32;
const MAX_SEARCH_CHARACTERS: usize = 2048;

fn dns(spec: &Value, path: &str, errors: &mut Errors) {
    let config = &spec["dnsConfig"];
    let servers = config["nameservers"].as_array().map_or(0, Vec::len);
    if text(spec, "dnsPolicy") == "None" {
        if config.is_null() {
            errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
            return;
        }
        if servers == 0 {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.required(&at(path, "nameservers"), detail);
            return;
        }
    }
    if servers > MAX_NAME_SERVERS {
        let detail = format!("must not have more than {MAX_NAME_SERVERS} nameservers");
        errors.invalid_object(&at(path, "nameservers"), &config["nameservers"], &detail);
    }
    for (index, server) in items(&config["nameservers"]) {
        network::legacy_ip(server.as_str().unwrap_or_default(), &at(path, &format!("nameservers[{index}]")), errors);
    }
    let searches: Vec<&str> = items(&config["searches"]).filter_map(|(_, search)| search.as_str()).collect();
    if searches.len() > MAX_SEARCH_PATHS {
        let detail = format!("must not have more than {MAX_SEARCH_PATHS} search paths");
        errors.invalid_object(&at(path, "searches"), &config["searches"], &detail);
    }
    if searches.join(" ").len() > MAX_SEARCH_CHARACTERS {
        let detail =
            format!("must not have more than {MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list");
        errors.invalid_object(&at(path, "searches"), &config["searches"], &detail);
    }
    for (index, search) in searches.into_iter().enumerate().filter(|(_, search)| *search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        errors.invalid_each(&at(path, &format!("searches[{index}]")), search, names::search_domain(search));
    }
    for (index, option) in items(&config["options"]) {
        if text(option, "name").is_empty() {
            errors.required(&at(path, &format!("options[{index}]")), "must not be empty");
        }
    }
}

fn scheduling_gates(list: &Value, path: &str, errors: &mut Errors) {
    let mut seen = std::collections::BTreeSet::new();
    for (index, gate) in items(list) {
        let (field, name) = (format!("{path}[{index}]"), text(gate, "name"));
        errors.invalid_each(&field, name, names::label_key(name));
        if !seen.insert(name) {
            errors.duplicate(&field, &gate["name"]);
        }
    }
}

fn host_name(spec: &Value, path: &str, errors: &mut Errors) {
    let Some(name) = spec["hostnameOverride"].as_str() else { return };
    let field = at(path, "hostnameOverride");
    if spec["setHostnameAsFQDN"] == true {
        errors.forbidden(&field, "may not be specified when setHostnameAsFQDN is true");
    }
    if spec["hostNetwork"] == true {
        errors.forbidden(&field, "may not be specified when hostNetwork is true");
    }
    if name.len() > 64 {
        errors.too_long(&field, 64);
    }
    errors.invalid_each(&field, name, names::dns_subdomain(name));
}

fn operating_system(spec: &Value, path: &str, errors: &mut Errors) {
    let os = &spec["os"];
    if os.is_null() {
        return;
    }
    match text(os, "name") {
        "" => errors.required(&at(path, "os.name"), ""),
        "linux" | "windows" => {}
        _ => errors.not_supported(&at(path, "os"), &os["name"], &["linux", "windows"]),
    }
}

/// Visits every container with its path: init containers first, as upstream does.
pub(in crate::builtins) fn every_container<'a>(spec: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .flat_map(|list| items(&spec[list]).map(move |(index, container)| (list, index, container)))
        .map(|(list, index, container)| (at(path, &format!("{list}[{index}]")), container))
        .collect()
}

fn file_keys(spec: &Value, path: &str, errors: &mut Errors) {
    for (path, container) in every_container(spec, path) {
        for (index, variable) in items(&container["env"]) {
            let key = &variable["valueFrom"]["fileKeyRef"];
            if key.is_null() {
                continue;
            }
            let field = format!("{path}.env[{index}].valueFrom.fileKeyRef.volumeName");
            let name = text(key, "volumeName");
            match items(&spec["volumes"]).filter(|(_, volume)| text(volume, "name") == name).last() {
                None => errors.not_found(&field, &key["volumeName"], ""),
                Some((_, volume)) if volume["emptyDir"].is_null() => {
                    errors.invalid_text(&field, name, "referenced volume must be of type emptyDir");
                }
                Some(_) => {}
            }
        }
    }
}
