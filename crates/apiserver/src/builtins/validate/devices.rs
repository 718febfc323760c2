//! Claims of devices and what offers them (`pkg/apis/resource/validation`).
//!
//! Expressions are compiled, and never evaluated: nothing here allocates devices.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cel::Expression;
use crate::cel::types::Type;

use super::errors::at;
use super::{Errors, entries, internal, is_empty, items, meta, names, number, pods, text};

const MOST_REQUESTS: usize = 32;
const MOST_SELECTORS: usize = 32;
const MOST_ALTERNATIVES: usize = 8;
const EXPRESSION_BYTES: usize = 10 * 1024;
const PARAMETERS_BYTES: usize = 10 * 1024;
const ID_BYTES: usize = 32;
const POOL_BYTES: usize = 253;
const MOST_DEVICES: usize = 128;
const MOST_PROPERTIES: usize = 32;
const VALUE_BYTES: usize = 64;

/// Visits a list, unless it is too long.
pub(super) fn each(
    list: &Value,
    most: usize,
    path: &str,
    errors: &mut Errors,
    mut check: impl FnMut(&Value, &str, &mut Errors),
) {
    let count = items(list).count();
    if count > most {
        return errors.too_many(path, count, most);
    }
    for (index, item) in items(list) {
        check(item, &format!("{path}[{index}]"), errors);
    }
}

pub(super) fn distinct<'a>(keys: impl Iterator<Item = &'a str>, path: &str, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for (index, key) in keys.enumerate() {
        if !known.insert(key) {
            errors.duplicate(&format!("{path}[{index}]"), &json!(key));
        }
    }
}

pub(super) fn class(spec: &Value, errors: &mut Errors) {
    selectors(&spec["selectors"], "spec.selectors", errors);
    each(&spec["config"], MOST_REQUESTS, "spec.config", errors, opaque);
}

fn selectors(list: &Value, path: &str, errors: &mut Errors) {
    each(list, MOST_SELECTORS, path, errors, |selector, path, errors| {
        if selector["cel"].is_null() {
            errors.required(&at(path, "cel"), "");
        } else if text(&selector["cel"], "expression").len() > EXPRESSION_BYTES {
            errors.too_long(&at(path, "cel.expression"), EXPRESSION_BYTES);
        } else {
            let source = text(&selector["cel"], "expression");
            if let Some(why) = mistake_in_expression(source) {
                errors.invalid_text(&at(path, "cel.expression"), source, &why);
            }
        }
    });
}

/// Returns why an expression cannot choose devices (`dynamic-resource-allocation/cel`).
fn mistake_in_expression(source: &str) -> Option<String> {
    let named = |value: Type| Type::map(Type::String, Type::map(Type::String, value));
    let device = Type::object(
        "kubernetes.DRADevice",
        [
            ("driver", Type::String),
            ("attributes", named(Type::Dyn)),
            ("capacity", named(Type::opaque("kubernetes.Quantity"))),
        ],
    );
    match Expression::compile(source, &[("device", device)]) {
        Err(why) => Some(format!("compilation failed: {why}")),
        Ok(expression) if matches!(expression.ty, Type::Bool | Type::Dyn) => None,
        Ok(expression) => {
            let found = crate::cel::types::go_name(&expression.ty);
            Some(format!("must evaluate to bool or the unknown type, not {found}"))
        }
    }
}

pub(super) fn opaque(config: &Value, path: &str, errors: &mut Errors) {
    let (path, opaque) = (at(path, "opaque"), &config["opaque"]);
    if opaque.is_null() {
        return errors.required(&path, "");
    }
    pods::csi_driver_name(opaque, "driver", &path, errors);
    let (field, parameters) = (at(&path, "parameters"), &opaque["parameters"]);
    match parameters {
        Value::Null => errors.required(&field, ""),
        _ if parameters.to_string().len() > PARAMETERS_BYTES => errors.too_long(&field, PARAMETERS_BYTES),
        Value::Object(_) => {}
        _ => errors.invalid_text(&field, "<value omitted>", "must be a valid JSON object"),
    }
}

/// The names of requests, with those of their alternatives.
pub(super) type Requests<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Returns the requests of a claim of devices.
pub(super) fn requests(devices: &Value) -> Requests<'_> {
    items(&devices["requests"])
        .map(|(_, request)| {
            let alternatives = items(&request["firstAvailable"]).map(|(_, one)| text(one, "name")).collect();
            (text(request, "name"), alternatives)
        })
        .collect()
}

pub(super) fn claim(spec: &Value, path: &str, errors: &mut Errors) {
    let (devices, path) = (&spec["devices"], at(path, "devices"));
    let known = self::requests(devices);
    let requests = at(&path, "requests");
    each(&devices["requests"], MOST_REQUESTS, &requests, errors, request);
    if items(&devices["requests"]).count() <= MOST_REQUESTS {
        distinct(items(&devices["requests"]).map(|(_, request)| text(request, "name")), &requests, errors);
    }
    each(&devices["constraints"], MOST_REQUESTS, &at(&path, "constraints"), errors, |constraint, path, errors| {
        references(&constraint["requests"], &known, &at(path, "requests"), errors);
        match constraint["matchAttribute"].as_str() {
            None => errors.required(&at(path, "matchAttribute"), ""),
            Some(name) => {
                let field = at(path, "matchAttribute");
                qualified_name(name, &field, errors);
                if !name.contains('/') {
                    let detail = "a fully qualified name must be a domain and a name separated by a slash";
                    errors.invalid_text(&field, name, detail);
                }
            }
        }
    });
    each(&devices["config"], MOST_REQUESTS, &at(&path, "config"), errors, |config, path, errors| {
        references(&config["requests"], &known, &at(path, "requests"), errors);
        opaque(config, path, errors);
    });
}

pub(super) fn claim_template(spec: &Value, errors: &mut Errors) {
    meta::of_claim_template(&spec["metadata"], "spec.metadata", errors);
    claim(&spec["spec"], "spec.spec", errors);
}

fn request(request: &Value, path: &str, errors: &mut Errors) {
    let name = text(request, "name");
    errors.invalid_each(&at(path, "name"), name, names::dns_label(name));
    let (exactly, alternatives) = (&request["exactly"], &request["firstAvailable"]);
    let one = "exactly one of `exactly` or `firstAvailable` is required";
    match (exactly.is_null(), is_empty(alternatives)) {
        (true, true) => errors.required(path, one),
        (false, false) => {
            errors.invalid_object(path, &Value::Null, &format!("{one}, but multiple fields are set"));
        }
        (false, true) => asked(exactly, &at(path, "exactly"), errors),
        (true, false) => {
            let path = at(path, "firstAvailable");
            each(alternatives, MOST_ALTERNATIVES, &path, errors, |one, path, errors| {
                let name = text(one, "name");
                errors.invalid_each(&at(path, "name"), name, names::dns_label(name));
                asked(one, path, errors);
            });
            if items(alternatives).count() <= MOST_ALTERNATIVES {
                distinct(items(alternatives).map(|(_, one)| text(one, "name")), &path, errors);
            }
        }
    }
}

fn asked(request: &Value, path: &str, errors: &mut Errors) {
    let class = text(request, "deviceClassName");
    if errors.wants_text(request, "deviceClassName", path) {
        errors.invalid_each(&at(path, "deviceClassName"), class, names::dns_subdomain(class));
    }
    selectors(&request["selectors"], &at(path, "selectors"), errors);
    let count = number(request, "count").unwrap_or(0);
    let field = at(path, "count");
    match text(request, "allocationMode") {
        "All" if count != 0 => {
            errors.invalid_number(&field, count, "must not be specified when allocationMode is 'All'");
        }
        "ExactCount" if count <= 0 => errors.invalid_number(&field, count, super::POSITIVE),
        "All" | "ExactCount" => {}
        _ => {
            let modes = ["All", "ExactCount"];
            errors.not_supported(&at(path, "allocationMode"), &request["allocationMode"], &modes);
        }
    }
}

/// Checks the name of a request, or of one of its alternatives.
pub(super) fn reference(name: &str, known: &Requests<'_>, path: &str, errors: &mut Errors) {
    const UNKNOWN: &str =
        "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
    let parts: Vec<&str> = name.split('/').collect();
    if parts.len() > 2 {
        return errors.invalid_text(path, name, UNKNOWN);
    }
    for part in &parts {
        errors.invalid_each(path, part, names::dns_label(part));
    }
    let found =
        known.get(parts[0]).is_some_and(|alternatives| parts.get(1).is_none_or(|part| alternatives.contains(part)));
    if !found {
        errors.invalid_text(path, name, UNKNOWN);
    }
}

pub(super) fn references(list: &Value, known: &Requests<'_>, path: &str, errors: &mut Errors) {
    each(list, MOST_REQUESTS, path, errors, |name, path, errors| {
        reference(name.as_str().unwrap_or_default(), known, path, errors);
    });
    if items(list).count() <= MOST_REQUESTS {
        distinct(items(list).filter_map(|(_, name)| name.as_str()), path, errors);
    }
}

fn identifier(name: &str, path: &str, errors: &mut Errors) {
    if name.len() > ID_BYTES {
        errors.too_long(path, ID_BYTES);
    }
    errors.invalid_each(path, name, names::c_identifier(name));
}

fn qualified_name(name: &str, path: &str, errors: &mut Errors) {
    match name.split('/').collect::<Vec<_>>()[..] {
        [name] => identifier(name, path, errors),
        [domain, name] => {
            if domain.is_empty() {
                errors.invalid_text(path, "", "the domain must not be empty");
            } else {
                if domain.len() > 63 {
                    errors.too_long(path, 63);
                }
                errors.invalid_each(path, domain, names::dns_subdomain(&domain.to_lowercase()));
            }
            if name.is_empty() {
                errors.invalid_text(path, "", "the name must not be empty");
            } else {
                identifier(name, path, errors);
            }
        }
        _ => {}
    }
}

pub(super) fn pool_name(owner: &Value, field: &str, path: &str, errors: &mut Errors) {
    let name = text(owner, field);
    if errors.wants_text(owner, field, path) {
        let field = at(path, field);
        if name.len() > POOL_BYTES {
            errors.too_long(&field, POOL_BYTES);
        }
        for part in name.split('/') {
            errors.invalid_each(&field, part, names::dns_subdomain(part));
        }
    }
}

fn pool(pool: &Value, path: &str, errors: &mut Errors) {
    pool_name(pool, "name", path, errors);
    let count = number(pool, "resourceSliceCount").unwrap_or(0);
    if count <= 0 {
        errors.invalid_number(&at(path, "resourceSliceCount"), count, super::POSITIVE);
    }
    if let Some(generation) = number(pool, "generation").filter(|generation| *generation < 0) {
        errors.invalid_number(&at(path, "generation"), generation, "must be greater than or equal to zero");
    }
}

pub(super) fn slice(spec: &Value, old: Option<&Value>, errors: &mut Errors) {
    const IMMUTABLE: &str = "field is immutable";
    pods::csi_driver_name(spec, "driver", "spec", errors);
    pool(&spec["pool"], "spec.pool", errors);
    if let Some(old) = old {
        for (field, was, is) in
            [("pool.name", &old["pool"]["name"], &spec["pool"]["name"]), ("driver", &old["driver"], &spec["driver"])]
        {
            if was.as_str().unwrap_or_default() != is.as_str().unwrap_or_default() {
                errors.invalid(&at("spec", field), is, IMMUTABLE);
            }
        }
        if old["nodeName"] != spec["nodeName"] {
            errors.invalid_object("spec.nodeName", &spec["nodeName"], IMMUTABLE);
        }
    }
    let mut set = Vec::new();
    match spec["nodeName"].as_str() {
        Some("") => {
            errors.invalid_text("spec.nodeName", "", "must be either unset or set to a non-empty string");
        }
        Some(name) => {
            set.push("`nodeName`");
            errors.invalid_each("spec.nodeName", name, names::dns_subdomain(name));
        }
        None => {}
    }
    let selector = &spec["nodeSelector"];
    if !selector.is_null() {
        set.push("`nodeSelector`");
        pods::node_selector(selector, true, "spec.nodeSelector", errors);
        let terms = &selector["nodeSelectorTerms"];
        if items(terms).count() != 1 {
            let printed: Vec<String> =
                items(terms).map(|(_, term)| internal::print("io.k8s.api.core.v1.NodeSelectorTerm", term)).collect();
            let printed = if terms.is_null() { "null".to_owned() } else { format!("[{}]", printed.join(",")) };
            let detail = "must have exactly one node selector term";
            errors.invalid_printed("spec.nodeSelector.nodeSelectorTerms", &printed, detail);
        }
    }
    match spec["allNodes"].as_bool() {
        Some(true) => set.push("`allNodes`"),
        Some(false) => {
            errors.invalid_object("spec.allNodes", &spec["allNodes"], "must be either unset or set to true");
        }
        None => {}
    }
    let one = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    match set.len() {
        0 => errors.required("spec", one),
        1 => {}
        _ => {
            let shown = format!("{{{}}}", set.join(", "));
            errors.invalid_text("spec", &shown, &format!("{one}, but multiple fields are set"));
        }
    }
    each(&spec["devices"], MOST_DEVICES, "spec.devices", errors, device);
    if items(&spec["devices"]).count() <= MOST_DEVICES {
        distinct(items(&spec["devices"]).map(|(_, device)| text(device, "name")), "spec.devices", errors);
    }
}

fn device(device: &Value, path: &str, errors: &mut Errors) {
    let name = text(device, "name");
    errors.invalid_each(&at(path, "name"), name, names::dns_label(name));
    let count = entries(&device["attributes"]).count() + entries(&device["capacity"]).count();
    if count > MOST_PROPERTIES {
        let detail = format!("the total number of attributes and capacities must not exceed {MOST_PROPERTIES}");
        errors.invalid_object(path, &json!(count), &detail);
    }
    for (name, attribute) in entries(&device["attributes"]) {
        let path = format!("{path}.attributes[{name}]");
        qualified_name(name, &path, errors);
        self::attribute(attribute, &path, errors);
    }
    for (name, _) in entries(&device["capacity"]) {
        qualified_name(name, &format!("{path}.capacity[{name}]"), errors);
    }
}

fn attribute(attribute: &Value, path: &str, errors: &mut Errors) {
    let kinds = ["bool", "int", "string", "version"];
    for field in ["string", "version"] {
        let Some(value) = attribute[field].as_str() else { continue };
        let field_path = at(path, field);
        if field == "version" && !super::cluster::is_semantic(value) {
            let detail = "must be a string compatible with semver.org spec 2.0.0";
            errors.invalid_text(&field_path, value, detail);
        }
        if value.len() > VALUE_BYTES {
            errors.too_long(&field_path, VALUE_BYTES);
        }
    }
    match kinds.iter().filter(|kind| !attribute[**kind].is_null()).count() {
        0 => errors.invalid_text(path, "", "exactly one value must be specified"),
        1 => {}
        _ => {
            let names =
                [("IntValue", "int"), ("BoolValue", "bool"), ("StringValue", "string"), ("VersionValue", "version")];
            let printed = names.map(|(name, field)| format!("\"{name}\":{}", attribute[field]));
            let printed = format!("{{{}}}", printed.join(","));
            errors.invalid_printed(path, &printed, "exactly one value must be specified");
        }
    }
}
