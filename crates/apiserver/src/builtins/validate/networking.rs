//! Ingresses and network policies.

use serde_json::Value;

use super::{Errors, items, names, number, selector, text};

pub(super) fn ingress(spec: &Value, errors: &mut Errors) {
    let (rules, backend) = (&spec["rules"], &spec["defaultBackend"]);
    if rules.as_array().is_none_or(Vec::is_empty) && backend.is_null() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.invalid_object("spec", rules, detail);
    }
    if !backend.is_null() {
        one_backend(backend, "spec.defaultBackend", errors);
    }
    for (at, rule) in items(rules) {
        let path = format!("spec.rules[{at}]");
        host(rule, &format!("{path}.host"), errors);
        let http = &rule["http"];
        if http.is_object() && http["paths"].as_array().is_none_or(Vec::is_empty) {
            errors.required(&format!("{path}.http.paths"), "");
        }
        for (at, entry) in items(&http["paths"]) {
            one_path(entry, &format!("{path}.http.paths[{at}]"), errors);
        }
    }
    for problem in spec["ingressClassName"].as_str().map(names::dns_subdomain).unwrap_or_default() {
        errors.invalid("spec.ingressClassName", &spec["ingressClassName"], &problem);
    }
}

fn host(rule: &Value, field: &str, errors: &mut Errors) {
    let name = text(rule, "host");
    if name.is_empty() {
        return;
    }
    if name.parse::<std::net::IpAddr>().is_ok() {
        errors.invalid(field, &rule["host"], "must be a DNS name, not an IP address");
    }
    for problem in names::dns_subdomain(name.strip_prefix("*.").unwrap_or(name)) {
        errors.invalid(field, &rule["host"], &problem);
    }
}

fn one_path(entry: &Value, path: &str, errors: &mut Errors) {
    if entry["pathType"].is_null() {
        errors.required(&format!("{path}.pathType"), "pathType must be specified");
        return;
    }
    let field = format!("{path}.path");
    let absolute = text(entry, "path").starts_with('/');
    match text(entry, "pathType") {
        "Exact" | "Prefix" => {
            if !absolute {
                errors.invalid(&field, &entry["path"], "must be an absolute path");
            }
            for bad in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|bad| text(entry, "path").contains(bad)) {
                errors.invalid(&field, &entry["path"], &format!("must not contain '{bad}'"));
            }
        }
        "ImplementationSpecific" => {
            if !absolute && !text(entry, "path").is_empty() {
                errors.invalid(&field, &entry["path"], "must be an absolute path");
            }
        }
        _ => {
            let supported = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.not_supported(&format!("{path}.pathType"), &entry["pathType"], &supported);
        }
    }
    one_backend(&entry["backend"], &format!("{path}.backend"), errors);
}

fn one_backend(backend: &Value, path: &str, errors: &mut Errors) {
    let (resource, service) = (&backend["resource"], &backend["service"]);
    match (resource.is_object(), service.is_object()) {
        (true, true) => errors.invalid(path, &Value::Null, "cannot set both resource and service backends"),
        (true, false) => {}
        (false, false) => errors.invalid(path, &Value::Null, "resource or service backend is required"),
        (false, true) => {
            let field = format!("{path}.service.name");
            match text(service, "name") {
                "" => errors.required(&field, ""),
                name => {
                    for problem in names::dns_1035_label(name) {
                        errors.invalid(&field, &service["name"], &problem);
                    }
                }
            }
            let port = &service["port"];
            match (
                port["name"].as_str().filter(|name| !name.is_empty()),
                number(port, "number").filter(|port| *port != 0),
            ) {
                (Some(_), Some(_)) => errors.invalid(path, &Value::Null, "cannot set both port name & port number"),
                (Some(name), None) => {
                    for problem in names::port_name(name) {
                        errors.invalid(&format!("{path}.service.port.name"), &port["name"], &problem);
                    }
                }
                (None, Some(number)) => {
                    for problem in names::port_number(number) {
                        errors.invalid(&format!("{path}.service.port.number"), &port["number"], &problem);
                    }
                }
                (None, None) => errors.required(path, "port name or number is required"),
            }
        }
    }
}

pub(super) fn network_policy(spec: &Value, errors: &mut Errors) {
    selector(&spec["podSelector"], "spec.podSelector", errors);
    for (at, kind) in items(&spec["policyTypes"]) {
        errors.one_of(&format!("spec.policyTypes[{at}]"), kind, &["Ingress", "Egress"]);
    }
}
