//! Services (`ValidateServiceCreate` in `pkg/apis/core/validation`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::errors::at;
use super::{Errors, internal, is_empty, items, meta, names, network, networking, number, pods, text};

const BALANCED_ONLY: &str = "may only be used when `type` is 'LoadBalancer'";

pub(super) fn service(service: &Value, errors: &mut Errors) {
    let (spec, annotations) = (&service["spec"], &service["metadata"]["annotations"]);
    let kind = text(spec, "type");
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    const MODE: &str = "service.kubernetes.io/topology-mode";
    if let (Some(hints), Some(mode)) = (annotations[HINTS].as_str(), annotations[MODE].as_str())
        && hints != mode
    {
        let detail = format!("must match annotations[{HINTS}] when both are specified");
        errors.invalid_text(&format!("metadata.annotations[{MODE}]"), mode, &detail);
    }
    let headless = spec["clusterIPs"] == json!(["None"]);
    if is_empty(&spec["ports"]) && !headless && kind != "ExternalName" {
        errors.required("spec.ports", "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.invalid_text("spec.clusterIPs[0]", "None", &detail);
        }
        "ExternalName" => external_name(spec, errors),
        _ => {}
    }
    ports(&spec["ports"], errors);
    meta::labels(&spec["selector"], "spec.selector", errors);
    affinity(spec, errors);
    if kind != "ExternalName" {
        addresses(spec, errors);
    }
    for (index, address) in items(&spec["externalIPs"]) {
        let (field, address) = (format!("spec.externalIPs[{index}]"), address.as_str().unwrap_or_default());
        if network::sloppy_ip(address).is_some() {
            network::endpoint_ip(address, &field, errors);
        } else {
            network::legacy_ip(address, &field, errors);
        }
    }
    errors.needs_one_of("spec.type", &spec["type"], &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    port_conflicts(&spec["ports"], kind, errors);
    source_ranges(spec, annotations, kind, errors);
    let balanced = kind == "LoadBalancer";
    match (balanced, spec["allocateLoadBalancerNodePorts"].is_null()) {
        (false, false) => errors.forbidden("spec.allocateLoadBalancerNodePorts", BALANCED_ONLY),
        (true, true) => errors.required("allocateLoadBalancerNodePorts", ""),
        _ => {}
    }
    balancer_class(spec, errors);
    traffic(spec, kind, errors);
}

/// Checks who balances the load of a Service.
pub(super) fn balancer_class(spec: &Value, errors: &mut Errors) {
    const PATH: &str = "spec.loadBalancerClass";
    if let Some(class) = spec["loadBalancerClass"].as_str() {
        if text(spec, "type") == "LoadBalancer" {
            errors.invalid_each(PATH, class, names::label_key(class));
        } else {
            errors.forbidden(PATH, BALANCED_ONLY);
        }
    }
}

fn traffic(spec: &Value, kind: &str, errors: &mut Errors) {
    let balanced = kind == "LoadBalancer";
    let outside = balanced || kind == "NodePort" || (kind == "ClusterIP" && !is_empty(&spec["externalIPs"]));
    let external = &spec["externalTrafficPolicy"];
    if outside {
        errors.needs_one_of("spec.externalTrafficPolicy", external, &["Cluster", "Local"]);
    } else if !is_empty(external) {
        let detail = "may only be set for externally-accessible services";
        errors.invalid("spec.externalTrafficPolicy", external, detail);
    }
    let health = number(spec, "healthCheckNodePort").unwrap_or(0);
    if !(balanced && external == "Local") && health != 0 {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.invalid_number("spec.healthCheckNodePort", health, detail);
    } else if health != 0 {
        for problem in names::port_number(health) {
            errors.invalid_number("spec.healthCheckNodePort", health, &problem);
        }
    }
    let policy = &spec["internalTrafficPolicy"];
    if policy.is_null() && ["NodePort", "LoadBalancer", "ClusterIP"].contains(&kind) {
        errors.required("spec.internalTrafficPolicy", "");
    }
    errors.one_of("spec.internalTrafficPolicy", policy, &["Cluster", "Local"]);
    let ways = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    errors.one_of("spec.trafficDistribution", &spec["trafficDistribution"], &ways);
}

fn external_name(spec: &Value, errors: &mut Errors) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if !is_empty(&spec[field]) || (field == "ipFamilyPolicy" && spec[field].is_string()) {
            errors.forbidden(&at("spec", field), "may not be set for ExternalName services");
        }
    }
    let name = text(spec, "externalName");
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        errors.required("spec.externalName", "");
    } else {
        errors.invalid_each("spec.externalName", name, names::dns_subdomain(name));
    }
}

fn ports(list: &Value, errors: &mut Errors) {
    let named = items(list).count() > 1;
    let mut known = BTreeSet::new();
    for (index, port) in items(list) {
        let path = format!("spec.ports[{index}]");
        let name = text(port, "name");
        if name.is_empty() {
            if named {
                errors.required(&at(&path, "name"), "");
            }
        } else {
            errors.invalid_each(&at(&path, "name"), name, names::dns_label(name));
            if !known.insert(name) {
                errors.duplicate(&at(&path, "name"), &port["name"]);
            }
        }
        let own = number(port, "port").unwrap_or(0);
        for problem in names::port_number(own) {
            errors.invalid_number(&at(&path, "port"), own, &problem);
        }
        errors.needs_one_of(&at(&path, "protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
        pods::port_or_name(&port["targetPort"], &at(&path, "targetPort"), errors);
        networking::app_protocol(port, &path, errors);
    }
}

fn affinity(spec: &Value, errors: &mut Errors) {
    errors.needs_one_of("spec.sessionAffinity", &spec["sessionAffinity"], &["ClientIP", "None"]);
    const PATH: &str = "spec.sessionAffinityConfig";
    let config = &spec["sessionAffinityConfig"];
    match text(spec, "sessionAffinity") {
        "None" if !config.is_null() => errors.forbidden(PATH, "must not be set when session affinity is None"),
        "ClientIP" => {
            const NEEDED: &str = "when session affinity type is ClientIP";
            const FIELD: &str = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
            match (&config["clientIP"], number(&config["clientIP"], "timeoutSeconds")) {
                (Value::Null, _) if config.is_null() => errors.required(PATH, NEEDED),
                (Value::Null, _) => errors.required(&at(PATH, "clientIP"), NEEDED),
                (_, None) => errors.required(FIELD, NEEDED),
                (_, Some(secs)) if !(1..=86400).contains(&secs) => {
                    errors.invalid_number(FIELD, secs, "must be greater than 0 and less than 86400");
                }
                _ => {}
            }
        }
        _ => {}
    }
}

pub(super) fn addresses(spec: &Value, errors: &mut Errors) {
    let headless = spec["clusterIPs"] == json!(["None"]);
    const PATH: &str = "spec.clusterIPs";
    let list = &spec["clusterIPs"];
    let ips: Vec<&str> = items(list).filter_map(|(_, ip)| ip.as_str()).collect();
    let first = text(spec, "clusterIP");
    if !first.is_empty() {
        match ips.first() {
            None => errors.required(PATH, ""),
            Some(ip) if *ip != first => errors.invalid_object(PATH, list, "first value must match `clusterIP`"),
            Some(_) => {}
        }
    } else if !ips.is_empty() {
        errors.invalid_object(PATH, list, "must be empty when `clusterIP` is not specified");
    }
    let mut seen = BTreeSet::new();
    let families: Vec<&str> = items(&spec["ipFamilies"]).filter_map(|(_, family)| family.as_str()).collect();
    for (index, family) in families.iter().enumerate() {
        let field = format!("spec.ipFamilies[{index}]");
        errors.one_of(&field, &json!(family), &["IPv4", "IPv6"]);
        if !seen.insert(family) {
            errors.duplicate(&field, &json!(family));
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    errors.one_of("spec.ipFamilyPolicy", &spec["ipFamilyPolicy"], &policies);
    let mut wrong = false;
    for (index, ip) in ips.iter().enumerate() {
        if index == 0 && *ip == "None" {
            if ips.len() > 1 {
                wrong = true;
                errors.invalid_object(PATH, list, "'None' must be the first and only value");
            }
            continue;
        }
        wrong |= network::sloppy_ip(ip).is_none();
        network::legacy_ip(ip, &format!("{PATH}[{index}]"), errors);
    }
    if ips.len() > 2 {
        errors.invalid_object(PATH, list, "may only hold up to 2 values");
    }
    if wrong {
        return;
    }
    let is_v4 = |ip: &str| network::sloppy_ip(ip).is_some_and(|ip| ip.is_ipv4());
    if ips.len() > 1 && (ips.iter().all(|ip| is_v4(ip)) || !ips.iter().any(|ip| is_v4(ip))) {
        errors.invalid_object(PATH, list, "may specify no more than one IP for each IP family");
    }
    if headless {
        return;
    }
    for (index, (ip, family)) in ips.iter().zip(&families).enumerate() {
        if ["IPv4", "IPv6"].contains(family) && is_v4(ip) != (*family == "IPv4") {
            let detail = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            errors.invalid_text(&format!("{PATH}[{index}]"), ip, &detail);
        }
    }
}

fn port_conflicts(list: &Value, kind: &str, errors: &mut Errors) {
    let node_port = |port: &Value| number(port, "nodePort").filter(|port| *port != 0);
    for (index, _) in items(list).filter(|(_, port)| kind == "ClusterIP" && node_port(port).is_some()) {
        errors.forbidden(&format!("spec.ports[{index}].nodePort"), "may not be used when `type` is 'ClusterIP'");
    }
    let mut node_ports = BTreeSet::new();
    for (index, port) in items(list) {
        if let Some(own) = node_port(port)
            && !node_ports.insert((text(port, "protocol"), own))
        {
            errors.duplicate(&format!("spec.ports[{index}].nodePort"), &json!(own));
        }
    }
    let mut numbers = BTreeSet::new();
    for (index, port) in items(list) {
        let own = number(port, "port").unwrap_or(0);
        if !numbers.insert((text(port, "protocol"), own)) {
            let key = json!({ "port": own, "protocol": port["protocol"], "targetPort": 0 });
            let printed = internal::print("io.k8s.api.core.v1.ServicePort", &key);
            errors.duplicate_printed(&format!("spec.ports[{index}]"), &printed, "");
        }
    }
}

fn source_ranges(spec: &Value, annotations: &Value, kind: &str, errors: &mut Errors) {
    const ANNOTATION: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let ranges = &spec["loadBalancerSourceRanges"];
    if !is_empty(ranges) {
        const PATH: &str = "spec.LoadBalancerSourceRanges";
        if kind != "LoadBalancer" {
            errors.forbidden(PATH, BALANCED_ONLY);
        }
        for (index, range) in items(ranges) {
            let range = range.as_str().unwrap_or_default().trim();
            network::legacy_cidr(range, &format!("{PATH}[{index}]"), errors);
        }
    } else if let Some(ranges) = annotations[ANNOTATION].as_str() {
        let field = format!("metadata.annotations[{ANNOTATION}]");
        if kind != "LoadBalancer" {
            errors.forbidden(&field, BALANCED_ONLY);
        }
        for range in ranges.trim().split(',').filter(|_| !ranges.trim().is_empty()) {
            network::legacy_cidr(range.trim(), &field, errors);
        }
    }
}
