//! Ingresses, policies and addresses (`pkg/apis/networking/validation`).

use serde_json::Value;

use super::errors::at;
use super::{Errors, internal, is_empty, items, meta, names, network, number, pods, text};

pub(super) fn ingress(ingress: &Value, errors: &mut Errors) {
    let spec = &ingress["spec"];
    if is_empty(&spec["rules"]) && spec["defaultBackend"].is_null() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.invalid_object("spec", &spec["rules"], detail);
    }
    if !spec["defaultBackend"].is_null() {
        backend(&spec["defaultBackend"], "spec.defaultBackend", errors);
    }
    for (index, rule) in items(&spec["rules"]) {
        rule_of(rule, &format!("spec.rules[{index}]"), errors);
    }
    for (index, tls) in items(&spec["tls"]) {
        let path = format!("spec.tls[{index}]");
        for (index, host) in items(&tls["hosts"]) {
            let host = host.as_str().unwrap_or_default();
            errors.invalid_each(&format!("{path}.hosts[{index}]"), host, host_problems(host));
        }
        let secret = text(tls, "secretName");
        if !secret.is_empty() {
            errors.invalid_each(&at(&path, "secretName"), secret, names::dns_subdomain(secret));
        }
    }
    let class = spec["ingressClassName"].as_str();
    if let Some(class) = class {
        errors.invalid_each("spec.ingressClassName", class, names::dns_subdomain(class));
    }
    const ANNOTATION: &str = "kubernetes.io/ingress.class";
    let annotated = ingress["metadata"]["annotations"][ANNOTATION].as_str();
    if let (Some(annotated), Some(class)) = (annotated, class)
        && annotated != class
    {
        let detail = "must match `ingressClassName` when both are specified";
        errors.invalid_text(&format!("annotations.{ANNOTATION}"), annotated, detail);
    }
}

fn host_problems(host: &str) -> Vec<String> {
    if host.contains('*') { names::wildcard_subdomain(host) } else { names::dns_subdomain(host) }
}

fn rule_of(rule: &Value, path: &str, errors: &mut Errors) {
    let host = text(rule, "host");
    if !host.is_empty() {
        let field = at(path, "host");
        if network::sloppy_ip(host).is_some() {
            errors.invalid_text(&field, host, "must be a DNS name, not an IP address");
        }
        errors.invalid_each(&field, host, host_problems(host));
    }
    let http = &rule["http"];
    if http.is_null() {
        return;
    }
    let paths = at(path, "http.paths");
    if is_empty(&http["paths"]) {
        errors.required(&paths, "");
    }
    for (index, route) in items(&http["paths"]) {
        http_path(route, &format!("{paths}[{index}]"), errors);
    }
}

fn http_path(route: &Value, path: &str, errors: &mut Errors) {
    let (own, field) = (text(route, "path"), at(path, "path"));
    match route["pathType"].as_str() {
        None => return errors.required(&at(path, "pathType"), "pathType must be specified"),
        Some("Exact" | "Prefix") => {
            if !own.starts_with('/') {
                errors.invalid_text(&field, own, "must be an absolute path");
            }
            for wrong in ["//", "/./", "/../", "%2f", "%2F"].iter().filter(|wrong| own.contains(**wrong)) {
                errors.invalid_text(&field, own, &format!("must not contain '{wrong}'"));
            }
            for wrong in ["/..", "/."].iter().filter(|wrong| own.ends_with(**wrong)) {
                errors.invalid_text(&field, own, &format!("cannot end with '{wrong}'"));
            }
        }
        Some("ImplementationSpecific") => {
            if !own.is_empty() && !own.starts_with('/') {
                errors.invalid_text(&field, own, "must be an absolute path");
            }
        }
        Some(_) => {
            let supported = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.not_supported(&at(path, "pathType"), &route["pathType"], &supported);
        }
    }
    backend(&route["backend"], &at(path, "backend"), errors);
}

fn backend(backend: &Value, path: &str, errors: &mut Errors) {
    let (resource, service) = (&backend["resource"], &backend["service"]);
    match (resource.is_null(), service.is_null()) {
        (false, false) => errors.invalid_text(path, "", "cannot set both resource and service backends"),
        (false, true) => local_reference(resource, &at(path, "resource"), errors),
        (true, true) => errors.invalid_text(path, "", "resource or service backend is required"),
        (true, false) => {
            let name = text(service, "name");
            if errors.wants_text(service, "name", &at(path, "service")) {
                errors.invalid_each(&at(path, "service.name"), name, names::dns_1035_label(name));
            }
            let port = &service["port"];
            let (name, number) = (text(port, "name"), number(port, "number").unwrap_or(0));
            match (name.is_empty(), number == 0) {
                (false, false) => errors.invalid_text(path, "", "cannot set both port name & port number"),
                (false, true) => errors.invalid_each(&at(path, "service.port.name"), name, names::port_name(name)),
                (true, false) => {
                    for problem in names::port_number(number) {
                        errors.invalid_number(&at(path, "service.port.number"), number, &problem);
                    }
                }
                (true, true) => errors.required(path, "port name or number is required"),
            }
        }
    }
}

fn path_segment(owner: &Value, field: &str, path: &str, errors: &mut Errors) {
    if errors.wants_text(owner, field, path) {
        let name = text(owner, field);
        errors.invalid_each(&at(path, field), name, names::path_segment(name));
    }
}

pub(super) fn local_reference(reference: &Value, path: &str, errors: &mut Errors) {
    if let Some(group) = reference["apiGroup"].as_str() {
        errors.invalid_each(&at(path, "apiGroup"), group, names::dns_subdomain(group));
    }
    path_segment(reference, "kind", path, errors);
    path_segment(reference, "name", path, errors);
}

pub(super) fn ingress_class(spec: &Value, errors: &mut Errors) {
    let controller = text(spec, "controller");
    if controller.len() > 250 {
        errors.too_long("spec.controller", 250);
    }
    super::prefixed_path(controller, "spec.controller", errors);
    let parameters = &spec["parameters"];
    if parameters.is_null() {
        return;
    }
    const PATH: &str = "spec.parameters";
    local_reference(parameters, PATH, errors);
    let field = at(PATH, "namespace");
    let namespace = parameters["namespace"].as_str();
    match (parameters["scope"].as_str(), namespace) {
        (None, _) => errors.required(&at(PATH, "scope"), ""),
        (Some("Namespace"), None) => errors.required(&field, "`parameters.scope` is set to 'Namespace'"),
        (Some("Namespace"), Some(namespace)) => errors.invalid_each(&field, namespace, names::dns_label(namespace)),
        (Some("Cluster"), Some(_)) => errors.forbidden(&field, "`parameters.scope` is set to 'Cluster'"),
        (Some("Cluster"), None) => {}
        _ => errors.not_supported(&at(PATH, "scope"), &parameters["scope"], &["Cluster", "Namespace"]),
    }
}

pub(super) fn network_policy(spec: &Value, errors: &mut Errors) {
    meta::selector(&spec["podSelector"], "spec.podSelector", errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in items(&spec[direction]) {
            let path = format!("spec.{direction}[{index}]");
            for (index, port) in items(&rule["ports"]) {
                policy_port(port, &format!("{path}.ports[{index}]"), errors);
            }
            for (index, one) in items(&rule[peers]) {
                peer(one, &format!("{path}.{peers}[{index}]"), errors);
            }
        }
    }
    let types = &spec["policyTypes"];
    if items(types).count() > 2 {
        return errors.invalid_object("spec.policyTypes", types, "may not specify more than two policyTypes");
    }
    for (index, kind) in items(types) {
        errors.one_of(&format!("spec.policyTypes[{index}]"), kind, &["Ingress", "Egress"]);
    }
}

fn policy_port(port: &Value, path: &str, errors: &mut Errors) {
    errors.one_of(&at(path, "protocol"), &port["protocol"], &["TCP", "UDP", "SCTP"]);
    let (field, end_field, end) = (at(path, "port"), at(path, "endPort"), number(port, "endPort"));
    match (&port["port"], end) {
        (Value::Number(_), _) => {
            let own = number(port, "port").unwrap_or(0);
            for problem in names::port_number(own) {
                errors.invalid_number(&field, own, &problem);
            }
            let Some(end) = end else { return };
            if end < own {
                errors.invalid_number(&end_field, own, "must be greater than or equal to `port`");
            }
            for problem in names::port_number(end) {
                errors.invalid_number(&end_field, end, &problem);
            }
        }
        (Value::String(name), end) => {
            if let Some(end) = end {
                errors.invalid_number(&end_field, end, "may not be specified when `port` is non-numeric");
            }
            errors.invalid_each(&field, name, names::port_name(name));
        }
        (_, Some(end)) => {
            errors.invalid_number(&end_field, end, "may not be specified when `port` is not specified");
        }
        (_, None) => {}
    }
}

fn peer(peer: &Value, path: &str, errors: &mut Errors) {
    let mut count = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if !peer[field].is_null() {
            count += 1;
            meta::selector(&peer[field], &at(path, field), errors);
        }
    }
    let block = &peer["ipBlock"];
    if !block.is_null() {
        count += 1;
        ip_block(block, &at(path, "ipBlock"), errors);
    }
    if count == 0 {
        errors.required(path, "must specify a peer");
    } else if count > 1 && !block.is_null() {
        errors.forbidden(path, "may not specify both ipBlock and another peer");
    }
}

fn ip_block(block: &Value, path: &str, errors: &mut Errors) {
    let cidr = text(block, "cidr");
    if !errors.wants_text(block, "cidr", path) {
        return;
    }
    network::legacy_cidr(cidr, &at(path, "cidr"), errors);
    let Some(range) = network::sloppy_cidr(cidr) else { return };
    for (index, except) in items(&block["except"]) {
        let (field, except) = (format!("{path}.except[{index}]"), except.as_str().unwrap_or_default());
        network::legacy_cidr(except, &field, errors);
        let Some(inner) = network::sloppy_cidr(except) else { continue };
        let same_family = inner.0.is_ipv4() == range.0.is_ipv4();
        let first = network::first_of(inner);
        let within = same_family && network::first_of((first, range.1)) == network::first_of(range);
        if !within || range.1 >= inner.1 {
            errors.invalid_text(&field, except, "must be a strict subset of `cidr`");
        }
    }
}

pub(super) fn ip_address(address: &Value, errors: &mut Errors) {
    const PATH: &str = "spec.parentRef";
    let parent = &address["spec"]["parentRef"];
    if parent.is_null() {
        return errors.required(PATH, "");
    }
    let group = text(parent, "group");
    if !group.is_empty() {
        errors.invalid_each(&at(PATH, "group"), group, names::dns_subdomain(group));
    }
    path_segment(parent, "resource", PATH, errors);
    path_segment(parent, "name", PATH, errors);
    let namespace = text(parent, "namespace");
    errors.invalid_each(&at(PATH, "namespace"), namespace, names::path_segment(namespace));
}

pub(super) fn service_cidr(spec: &Value, errors: &mut Errors) {
    const PATH: &str = "spec.cidrs";
    let ranges: Vec<&str> = items(&spec["cidrs"]).filter_map(|(_, range)| range.as_str()).collect();
    if ranges.is_empty() {
        return errors.required(PATH, "at least one CIDR required");
    }
    if ranges.len() > 2 {
        let printed = internal::print("io.k8s.api.networking.v1.ServiceCIDRSpec", spec);
        return errors.invalid_printed(PATH, &printed, "may only hold up to 2 values");
    }
    for (index, range) in ranges.iter().enumerate() {
        network::strict_cidr(range, &format!("{PATH}[{index}]"), errors);
    }
    let families: Vec<bool> =
        ranges.iter().filter_map(|range| network::sloppy_cidr(range)).map(|(address, _)| address.is_ipv4()).collect();
    if families.len() == 2 && families[0] == families[1] {
        let detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        errors.invalid_object(PATH, &spec["cidrs"], detail);
    }
}

/// Checks ranges that take the place of others: they stay, and one of the other family may be added.
pub(super) fn service_cidr_successor(old: &Value, spec: &Value, errors: &mut Errors) {
    const PATH: &str = "spec.cidrs";
    const IMMUTABLE: &str = "field is immutable";
    let ranges = |spec: &Value| spec["cidrs"].as_array().cloned().unwrap_or_default();
    let (before, after) = (ranges(old), ranges(spec));
    match (before.len(), after.len()) {
        (were, are) if were == are || (were, are) == (1, 2) => {
            for (index, (_, is)) in before.iter().zip(&after).enumerate().filter(|(_, (was, is))| was != is) {
                errors.invalid(&format!("{PATH}[{index}]"), is, IMMUTABLE);
            }
            if were != are {
                service_cidr(spec, errors);
            }
        }
        _ => errors.invalid_object(PATH, &spec["cidrs"], IMMUTABLE),
    }
}

/// Checks the slices of `discovery.k8s.io` (`pkg/apis/discovery/validation`).
pub(super) fn endpoint_slice(slice: &Value, errors: &mut Errors) {
    errors.needs_one_of("addressType", &slice["addressType"], &["FQDN", "IPv4", "IPv6"]);
    let ports = &slice["ports"];
    if items(ports).count() > 20_000 {
        errors.too_many("ports", items(ports).count(), 20_000);
    } else {
        slice_ports(ports, errors);
    }
    let count = items(&slice["endpoints"]).count();
    if count > 1000 {
        return errors.too_many("endpoints", count, 1000);
    }
    for (index, endpoint) in items(&slice["endpoints"]) {
        self::endpoint(endpoint, text(slice, "addressType"), &format!("endpoints[{index}]"), errors);
    }
}

fn slice_ports(ports: &Value, errors: &mut Errors) {
    let mut known = std::collections::BTreeSet::new();
    for (index, port) in items(ports) {
        let path = format!("ports[{index}]");
        let name = text(port, "name");
        if !name.is_empty() {
            errors.invalid_each(&at(&path, "name"), name, names::dns_label(name));
        }
        if !known.insert(name) {
            errors.duplicate(&at(&path, "name"), &port["name"]);
        }
        if port["protocol"].is_null() {
            errors.required(&at(&path, "protocol"), "");
        }
        errors.one_of(&at(&path, "protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
        app_protocol(port, &path, errors);
    }
}

pub(super) fn app_protocol(port: &Value, path: &str, errors: &mut Errors) {
    if let Some(protocol) = port["appProtocol"].as_str() {
        errors.invalid_each(&at(path, "appProtocol"), protocol, names::label_key(protocol));
    }
}

fn endpoint(endpoint: &Value, family: &str, path: &str, errors: &mut Errors) {
    let field = at(path, "addresses");
    match items(&endpoint["addresses"]).count() {
        0 => errors.required(&field, "must contain at least 1 address"),
        count if count > 100 => errors.too_many(&field, count, 100),
        _ => {}
    }
    for (index, address) in items(&endpoint["addresses"]) {
        let (own, address) = (format!("{field}[{index}]"), address.as_str().unwrap_or_default());
        let before = errors.len();
        match family {
            "IPv4" => network::legacy_ip(address, &own, errors),
            "IPv6" => network::strict_ip(address, &own, errors),
            "FQDN" => fully_qualified(address, &own, errors),
            _ => continue,
        }
        if family == "FQDN" || errors.len() > before {
            continue;
        }
        if network::sloppy_ip(address).is_some_and(|address| address.is_ipv4() != (family == "IPv4")) {
            errors.invalid_text(&field, address, &format!("must be an {family} address"));
        }
        network::endpoint_ip(address, &own, errors);
    }
    if let Some(node) = endpoint["nodeName"].as_str() {
        errors.invalid_each(&at(path, "nodeName"), node, names::dns_subdomain(node));
    }
    let topology = &endpoint["deprecatedTopology"];
    let count = super::entries(topology).count();
    if count > 16 {
        errors.too_many(&at(path, "deprecatedTopology"), count, 16);
    }
    meta::labels(topology, &at(path, "deprecatedTopology"), errors);
    if let Some(name) = endpoint["hostname"].as_str() {
        errors.invalid_each(&at(path, "hostname"), name, names::dns_label(name));
    }
    type Check = fn(&str) -> Vec<String>;
    let checks: [(&str, Check); 2] = [("forZones", names::label_value), ("forNodes", names::dns_subdomain)];
    for (list, check) in checks {
        let (field, hints) = (at(path, &format!("hints.{list}")), &endpoint["hints"][list]);
        let count = items(hints).count();
        if count > 8 {
            return errors.too_many(&field, count, 8);
        }
        let mut known = std::collections::BTreeSet::new();
        for (index, hint) in items(hints) {
            let (field, name) = (format!("{field}[{index}].name"), text(hint, "name"));
            if !known.insert(name) {
                errors.duplicate(&field, &hint["name"]);
            }
            errors.invalid_each(&field, name, check(name));
        }
    }
}

fn fully_qualified(name: &str, path: &str, errors: &mut Errors) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let problems = names::dns_subdomain(name);
    if !problems.is_empty() {
        return errors.invalid_each(path, name, problems);
    }
    if !name.contains('.') {
        return errors.invalid_text(path, name, "should be a domain with at least two segments separated by dots");
    }
    for label in name.split('.') {
        errors.invalid_each(path, label, names::dns_label(label));
    }
}

/// Checks the older form of endpoints, of the core group.
pub(super) fn endpoints(endpoints: &Value, errors: &mut Errors) {
    for (index, subset) in items(&endpoints["subsets"]) {
        let path = format!("subsets[{index}]");
        if is_empty(&subset["addresses"]) && is_empty(&subset["notReadyAddresses"]) {
            errors.required(&path, "must specify `addresses` or `notReadyAddresses`");
        }
        for list in ["addresses", "notReadyAddresses"] {
            for (index, address) in items(&subset[list]) {
                let path = format!("{path}.{list}[{index}]");
                network::legacy_ip(text(address, "ip"), &at(&path, "ip"), errors);
                let host = text(address, "hostname");
                if !host.is_empty() {
                    errors.invalid_each(&at(&path, "hostname"), host, names::dns_label(host));
                }
                if let Some(node) = address["nodeName"].as_str() {
                    errors.invalid_each(&at(&path, "nodeName"), node, names::dns_subdomain(node));
                }
                network::endpoint_ip(text(address, "ip"), &at(&path, "ip"), errors);
            }
        }
        let named = items(&subset["ports"]).count() > 1;
        for (index, port) in items(&subset["ports"]) {
            let path = format!("{path}.ports[{index}]");
            let name = text(port, "name");
            if name.is_empty() && named {
                errors.required(&at(&path, "name"), "");
            } else if !name.is_empty() {
                errors.invalid_each(&at(&path, "name"), name, names::dns_label(name));
            }
            let own = number(port, "port").unwrap_or(0);
            for problem in names::port_number(own) {
                errors.invalid_number(&at(&path, "port"), own, &problem);
            }
            errors.needs_one_of(&at(&path, "protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
            app_protocol(port, &path, errors);
        }
    }
}

/// Checks the classes of container runtimes (`pkg/apis/node/validation`).
pub(super) fn runtime_class(class: &Value, errors: &mut Errors) {
    let handler = text(class, "handler");
    errors.invalid_each("handler", handler, names::dns_label(handler));
    let overhead = &class["overhead"];
    if !overhead.is_null() {
        let limits = serde_json::json!({ "limits": overhead["podFixed"] });
        pods::requirements(&limits, pods::container_resource_name, &[], "overhead", errors);
    }
    let scheduling = &class["scheduling"];
    if scheduling.is_null() {
        return;
    }
    const PATH: &str = "scheduling.tolerations";
    meta::labels(&scheduling["nodeSelector"], "scheduling.nodeSelector", errors);
    pods::tolerations(&scheduling["tolerations"], PATH, errors);
    let mut known: Vec<[&str; 4]> = Vec::new();
    for (index, toleration) in items(&scheduling["tolerations"]) {
        let key = ["key", "operator", "value", "effect"].map(|field| text(toleration, field));
        if known.contains(&key) {
            let printed = internal::print("io.k8s.api.core.v1.Toleration", toleration);
            errors.duplicate_printed(&format!("{PATH}[{index}]"), &printed, "");
        } else {
            known.push(key);
        }
    }
}
