//! Where a pod may run: affinity, tolerations, spreading.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::errors::at;
use super::super::{Errors, is_empty, items, meta, names, number, text};

pub(in super::super) fn label_name(owner: &Value, field: &str, path: &str, errors: &mut Errors) {
    meta::label_key(owner, field, path, errors);
}

pub(super) fn affinity(affinity: &Value, path: &str, errors: &mut Errors) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let node = &affinity["nodeAffinity"];
    if !node[REQUIRED].is_null() {
        node_selector(&node[REQUIRED], true, &at(path, &format!("nodeAffinity.{REQUIRED}")), errors);
    }
    for (index, term) in items(&node[PREFERRED]) {
        let path = at(path, &format!("nodeAffinity.{PREFERRED}[{index}]"));
        weight(term, &path, errors);
        node_selector_term(&term["preference"], false, &format!("{path}.preference"), errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        for (index, term) in items(&affinity[kind][REQUIRED]) {
            pod_term(term, &at(path, &format!("{kind}.{REQUIRED}[{index}]")), errors);
        }
        for (index, term) in items(&affinity[kind][PREFERRED]) {
            let path = at(path, &format!("{kind}.{PREFERRED}[{index}]"));
            weight(term, &path, errors);
            pod_term(&term["podAffinityTerm"], &format!("{path}.podAffinityTerm"), errors);
        }
    }
}

fn weight(term: &Value, path: &str, errors: &mut Errors) {
    let weight = number(term, "weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.invalid_number(&format!("{path}.weight"), weight, "must be in the range 1-100");
    }
}

fn pod_term(term: &Value, path: &str, errors: &mut Errors) {
    for field in ["labelSelector", "namespaceSelector"] {
        meta::selector(&term[field], &at(path, field), errors);
    }
    for (_, name) in items(&term["namespaces"]) {
        let name = name.as_str().unwrap_or_default();
        errors.invalid_each(&at(path, "namespace"), name, names::dns_label(name));
    }
    match_label_keys(&term["matchLabelKeys"], &term["mismatchLabelKeys"], &term["labelSelector"], path, errors);
    if text(term, "topologyKey").is_empty() {
        errors.required(&at(path, "topologyKey"), "can not be empty");
    }
    label_name(term, "topologyKey", path, errors);
}

fn match_label_keys(keys: &Value, others: &Value, selector: &Value, path: &str, errors: &mut Errors) {
    for (field, keys) in [("matchLabelKeys", keys), ("mismatchLabelKeys", others)] {
        if is_empty(keys) {
            continue;
        }
        if selector.is_null() {
            errors.forbidden(&at(path, field), "must not be specified when labelSelector is not set");
            continue;
        }
        for (index, key) in items(keys) {
            let key = key.as_str().unwrap_or_default();
            errors.invalid_each(&at(path, &format!("{field}[{index}]")), key, names::label_key(key));
        }
    }
    let mut known: BTreeSet<&str> =
        super::super::entries(&selector["matchLabels"]).map(|(key, _)| key.as_str()).collect();
    for (_, expression) in items(&selector["matchExpressions"]) {
        let key = text(expression, "key");
        let listed = items(keys).filter(|(_, have)| *have == key).last();
        if let (Some((index, _)), true) = (listed, known.contains(key)) {
            let detail = "exists in both matchLabelKeys and labelSelector";
            errors.invalid_text(&format!("{path}[{index}]"), key, detail);
        }
        known.insert(key);
    }
    for (index, key) in items(keys) {
        if items(others).any(|(_, other)| other == key) {
            let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.invalid(&at(path, &format!("matchLabelKeys[{index}]")), key, detail);
        }
    }
}

pub(in super::super) fn node_selector(selector: &Value, check_values: bool, path: &str, errors: &mut Errors) {
    let path = at(path, "nodeSelectorTerms");
    if is_empty(&selector["nodeSelectorTerms"]) {
        errors.required(&path, "must have at least one node selector term");
    }
    for (index, term) in items(&selector["nodeSelectorTerms"]) {
        node_selector_term(term, check_values, &format!("{path}[{index}]"), errors);
    }
}

pub(in super::super) fn node_selector_term(term: &Value, check_values: bool, path: &str, errors: &mut Errors) {
    for (index, requirement) in items(&term["matchExpressions"]) {
        expression(requirement, check_values, &at(path, &format!("matchExpressions[{index}]")), errors);
    }
    for (index, requirement) in items(&term["matchFields"]) {
        node_field(requirement, &at(path, &format!("matchFields[{index}]")), errors);
    }
}

fn expression(requirement: &Value, check_values: bool, path: &str, errors: &mut Errors) {
    let values = &requirement["values"];
    let field = format!("{path}.values");
    match text(requirement, "operator") {
        "In" | "NotIn" if is_empty(values) => {
            errors.required(&field, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !is_empty(values) => {
            errors.forbidden(&field, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        "Gt" | "Lt" if values.as_array().map_or(0, Vec::len) != 1 => {
            errors.required(&field, "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        _ => errors.invalid(&format!("{path}.operator"), &requirement["operator"], "not a valid selector operator"),
    }
    label_name(requirement, "key", path, errors);
    for (index, value) in items(values).filter(|_| check_values) {
        let value = value.as_str().unwrap_or_default();
        errors.invalid_each(&format!("{field}[{index}]"), value, names::label_value(value));
    }
}

fn node_field(requirement: &Value, path: &str, errors: &mut Errors) {
    let values = &requirement["values"];
    match text(requirement, "operator") {
        "In" | "NotIn" if values.as_array().map_or(0, Vec::len) != 1 => {
            let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.required(&format!("{path}.values"), detail);
        }
        "In" | "NotIn" => {}
        _ => errors.invalid(&format!("{path}.operator"), &requirement["operator"], "not a valid selector operator"),
    }
    if text(requirement, "key") != "metadata.name" {
        errors.invalid(&format!("{path}.key"), &requirement["key"], "not a valid field selector key");
        return;
    }
    for (index, value) in items(values) {
        let value = value.as_str().unwrap_or_default();
        errors.invalid_each(&format!("{path}.values[{index}]"), value, names::dns_subdomain(value));
    }
}

pub(in super::super) const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(in super::super) fn tolerations(list: &Value, path: &str, errors: &mut Errors) {
    for (index, toleration) in items(list) {
        let path = format!("{path}[{index}]");
        let (key, operator, value) = (text(toleration, "key"), text(toleration, "operator"), text(toleration, "value"));
        if !key.is_empty() {
            label_name(toleration, "key", &path, errors);
        }
        let field = format!("{path}.operator");
        if key.is_empty() && operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid_text(&field, operator, detail);
        }
        if !toleration["tolerationSeconds"].is_null() && text(toleration, "effect") != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(&format!("{path}.effect"), &toleration["effect"], detail);
        }
        match operator {
            "Equal" | "" => {
                let problems = names::label_value(value);
                if !problems.is_empty() {
                    errors.invalid_text(&field, value, &problems.join(";"));
                }
            }
            "Exists" if !value.is_empty() => {
                errors.invalid_text(&field, value, "value must be empty when `operator` is 'Exists'");
            }
            "Exists" => {}
            "Lt" | "Gt" => errors.not_supported(&field, &toleration["operator"], &["Equal", "Exists", "Lt", "Gt"]),
            _ => errors.not_supported(&field, &toleration["operator"], &["Equal", "Exists"]),
        }
        if !text(toleration, "effect").is_empty() {
            errors.one_of(&format!("{path}.effect"), &toleration["effect"], &EFFECTS);
        }
    }
}

pub(super) fn spread(list: &Value, path: &str, errors: &mut Errors) {
    for (index, constraint) in items(list) {
        let path = format!("{path}[{index}]");
        let skew = number(constraint, "maxSkew").unwrap_or(0);
        if skew <= 0 {
            errors.invalid_number(&format!("{path}.maxSkew"), skew, super::super::POSITIVE);
        }
        let (key, action) = (text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable"));
        if key.is_empty() {
            errors.required(&format!("{path}.topologyKey"), "can not be empty");
        }
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&action) {
            let field = format!("{path}.whenUnsatisfiable");
            errors.not_supported(&field, &constraint["whenUnsatisfiable"], &["DoNotSchedule", "ScheduleAnyway"]);
        }
        let repeats = |other: &Value| text(other, "topologyKey") == key && text(other, "whenUnsatisfiable") == action;
        if items(list).skip(index + 1).any(|(_, other)| repeats(other)) {
            let value = Value::from(format!("{{{key}, {action}}}"));
            errors.duplicate(&format!("{path}.{{topologyKey, whenUnsatisfiable}}"), &value);
        }
        if let Some(domains) = number(constraint, "minDomains") {
            let field = format!("{path}.minDomains");
            if domains <= 0 {
                errors.invalid_number(&field, domains, super::super::POSITIVE);
            }
            if action != "DoNotSchedule" {
                let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                errors.invalid_number(&field, domains, &detail);
            }
        }
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            errors.one_of(&format!("{path}.{field}"), &constraint[field], &["Honor", "Ignore"]);
        }
        let selector = &constraint["labelSelector"];
        match_label_keys(&constraint["matchLabelKeys"], &Value::Null, selector, &path, errors);
        meta::selector(selector, &format!("{path}.labelSelector"), errors);
    }
}
