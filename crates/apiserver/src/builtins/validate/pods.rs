//! Pods and pod templates.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Errors, annotations, items, labels, names, number, text};
use crate::builtins::Quantity;

pub(super) fn template(template: &Value, path: &str, errors: &mut Errors) {
    labels(&template["metadata"]["labels"], &format!("{path}.labels"), errors);
    annotations(&template["metadata"]["annotations"], errors);
    pod_spec(&template["spec"], &format!("{path}.spec"), errors);
}

pub(super) fn pod_spec(spec: &Value, path: &str, errors: &mut Errors) {
    let volumes = volumes(&spec["volumes"], &format!("{path}.volumes"), errors);
    containers(&spec["containers"], &format!("{path}.containers"), &volumes, true, errors);
    containers(&spec["initContainers"], &format!("{path}.initContainers"), &volumes, false, errors);
    if matches!(text(spec, "restartPolicy"), "Always" | "OnFailure" | "Never") {
    } else {
        errors.not_supported(
            &format!("{path}.restartPolicy"),
            &spec["restartPolicy"],
            &["Always", "OnFailure", "Never"],
        );
    }
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.one_of(&format!("{path}.dnsPolicy"), &spec["dnsPolicy"], &policies);
    labels(&spec["nodeSelector"], &format!("{path}.nodeSelector"), errors);
    for (field, check) in [
        ("serviceAccountName", names::dns_subdomain as fn(&str) -> Vec<String>),
        ("nodeName", names::dns_subdomain),
        ("hostname", names::dns_label),
        ("subdomain", names::dns_label),
        ("priorityClassName", names::dns_subdomain),
    ] {
        for problem in spec[field].as_str().map(check).unwrap_or_default() {
            errors.invalid(&format!("{path}.{field}"), &spec[field], &problem);
        }
    }
    if number(spec, "activeDeadlineSeconds").is_some_and(|seconds| !(1..=i64::from(i32::MAX)).contains(&seconds)) {
        let field = format!("{path}.activeDeadlineSeconds");
        errors.invalid(&field, &spec["activeDeadlineSeconds"], "must be between 1 and 2147483647, inclusive");
    }
}

fn volumes<'a>(list: &'a Value, path: &str, errors: &mut Errors) -> BTreeSet<&'a str> {
    let mut known = BTreeSet::new();
    for (at, volume) in items(list) {
        let path = format!("{path}[{at}]");
        let name = text(volume, "name");
        if name.is_empty() {
            errors.required(&format!("{path}.name"), "");
        } else {
            for problem in names::dns_label(name) {
                errors.invalid(&format!("{path}.name"), &volume["name"], &problem);
            }
        }
        if !known.insert(name) {
            errors.duplicate(&format!("{path}.name"), &volume["name"]);
        }
        let sources = volume.as_object().map_or(0, |volume| volume.keys().filter(|key| *key != "name").count());
        if sources > 1 {
            errors.forbidden(&path, "may not specify more than 1 volume type");
        }
        for (source, field) in [
            ("configMap", "name"),
            ("hostPath", "path"),
            ("nfs", "server"),
            ("persistentVolumeClaim", "claimName"),
            ("secret", "secretName"),
        ] {
            if volume[source].is_object() && text(&volume[source], field).is_empty() {
                errors.required(&format!("{path}.{source}.{field}"), "");
            }
        }
    }
    known
}

fn containers(list: &Value, path: &str, volumes: &BTreeSet<&str>, needed: bool, errors: &mut Errors) {
    if needed && list.as_array().is_none_or(Vec::is_empty) {
        errors.required(path, "");
    }
    let mut known = BTreeSet::new();
    for (at, container) in items(list) {
        let path = format!("{path}[{at}]");
        one_container(container, &path, volumes, errors);
        if !known.insert(text(container, "name")) {
            errors.duplicate(&format!("{path}.name"), &container["name"]);
        }
    }
}

fn one_container(container: &Value, path: &str, volumes: &BTreeSet<&str>, errors: &mut Errors) {
    let name = text(container, "name");
    if name.is_empty() {
        errors.required(&format!("{path}.name"), "");
    } else {
        for problem in names::dns_label(name) {
            errors.invalid(&format!("{path}.name"), &container["name"], &problem);
        }
    }
    if text(container, "image").is_empty() {
        errors.required(&format!("{path}.image"), "");
    }
    ports(&container["ports"], &format!("{path}.ports"), errors);
    environment(&container["env"], &format!("{path}.env"), errors);
    mounts(&container["volumeMounts"], &format!("{path}.volumeMounts"), volumes, errors);
    let policies = ["Always", "IfNotPresent", "Never"];
    errors.one_of(&format!("{path}.imagePullPolicy"), &container["imagePullPolicy"], &policies);
    resources(&container["resources"], &format!("{path}.resources"), errors);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[probe].is_object() {
            one_probe(&container[probe], &format!("{path}.{probe}"), errors);
        }
    }
}

fn ports(list: &Value, path: &str, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for (at, port) in items(list) {
        let path = format!("{path}[{at}]");
        let name = text(port, "name");
        if !name.is_empty() {
            let problems = names::port_name(name);
            for problem in &problems {
                errors.invalid(&format!("{path}.name"), &port["name"], problem);
            }
            if problems.is_empty() && !known.insert(name) {
                errors.duplicate(&format!("{path}.name"), &port["name"]);
            }
        }
        match number(port, "containerPort").unwrap_or(0) {
            0 => errors.required(&format!("{path}.containerPort"), ""),
            number => {
                for problem in names::port_number(number) {
                    errors.invalid(&format!("{path}.containerPort"), &port["containerPort"], &problem);
                }
            }
        }
        for problem in number(port, "hostPort").map(names::port_number).unwrap_or_default() {
            errors.invalid(&format!("{path}.hostPort"), &port["hostPort"], &problem);
        }
        errors.one_of(&format!("{path}.protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
    }
}

fn environment(list: &Value, path: &str, errors: &mut Errors) {
    for (at, variable) in items(list) {
        let path = format!("{path}[{at}]");
        match text(variable, "name") {
            "" => errors.required(&format!("{path}.name"), ""),
            name => {
                for problem in names::env_name(name) {
                    errors.invalid(&format!("{path}.name"), &variable["name"], &problem);
                }
            }
        }
        let from = &variable["valueFrom"];
        let sources = from.as_object().map_or(1, serde_json::Map::len);
        let path = format!("{path}.valueFrom");
        if !text(variable, "value").is_empty() && from.as_object().is_some_and(|from| !from.is_empty()) {
            errors.invalid(&path, &Value::Null, "may not be specified when `value` is not empty");
        }
        if sources == 0 {
            let every = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
            errors.invalid(&path, &Value::Null, every);
        } else if sources > 1 {
            errors.invalid(&path, &Value::Null, "may not have more than one field specified at a time");
        }
        for reference in ["configMapKeyRef", "secretKeyRef"] {
            if from[reference].is_object() && text(&from[reference], "key").is_empty() {
                errors.required(&format!("{path}.{reference}.key"), "");
            }
        }
    }
}

fn mounts(list: &Value, path: &str, volumes: &BTreeSet<&str>, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for (at, mount) in items(list) {
        let path = format!("{path}[{at}]");
        let name = text(mount, "name");
        if name.is_empty() {
            errors.required(&format!("{path}.name"), "");
        }
        if !volumes.contains(name) {
            errors.not_found(&format!("{path}.name"), &mount["name"]);
        }
        if text(mount, "mountPath").is_empty() {
            errors.required(&format!("{path}.mountPath"), "");
        }
        if !known.insert(text(mount, "mountPath")) {
            errors.invalid(&format!("{path}.mountPath"), &mount["mountPath"], "must be unique");
        }
    }
}

fn resources(resources: &Value, path: &str, errors: &mut Errors) {
    let limit_of = |name: &str| resources["limits"][name].as_str().and_then(|text| text.parse::<Quantity>().ok());
    for (name, value) in super::entries(&resources["requests"]) {
        let Some(request) = value.as_str().and_then(|text| text.parse::<Quantity>().ok()) else { continue };
        if request.nanos() < 0 {
            errors.invalid(&format!("{path}.requests[{name}]"), value, "must be greater than or equal to 0");
        }
        if let Some(limit) = limit_of(name).filter(|limit| request.nanos() > limit.nanos()) {
            let detail = format!("must be less than or equal to {name} limit of {limit}");
            errors.invalid(&format!("{path}.requests"), value, &detail);
        }
    }
}

fn one_probe(probe: &Value, path: &str, errors: &mut Errors) {
    let handlers: Vec<&str> =
        ["exec", "httpGet", "tcpSocket", "grpc"].into_iter().filter(|handler| probe[handler].is_object()).collect();
    match handlers.as_slice() {
        [] => errors.required(path, "must specify a handler type"),
        [_] => {}
        [_, rest @ ..] => {
            for handler in rest {
                errors.forbidden(&format!("{path}.{handler}"), "may not specify more than 1 handler type");
            }
        }
    }
    let fields = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
    super::non_negative(probe, &fields, path, errors);
}
