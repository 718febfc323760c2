//! Autoscalers (`pkg/apis/autoscaling/validation`).

use serde_json::{Value, json};

use super::errors::at;
use super::{Errors, is_empty, items, names, number, pods, text};
use crate::builtins::Quantity;

pub(super) fn autoscaler(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    let least = number(spec, "minReplicas");
    let most = number(spec, "maxReplicas").unwrap_or(0);
    if let Some(least) = least.filter(|least| *least < 1) {
        errors.invalid_number("spec.minReplicas", least, "must be greater than or equal to 1");
    }
    if most < 1 {
        errors.invalid_number("spec.maxReplicas", most, "must be greater than 0");
    }
    if least.is_some_and(|least| most < least) {
        errors.invalid_number("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`");
    }
    reference(&spec["scaleTargetRef"], true, "spec.scaleTargetRef", errors);
    let metrics = match number(spec, "targetCPUUtilizationPercentage") {
        Some(percent) => json!([{
            "type": "Resource",
            "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": percent } },
        }]),
        None => spec["metrics"].clone(),
    };
    for (index, metric) in items(&metrics) {
        self::metric(metric, &format!("spec.metrics[{index}]"), errors);
    }
    let scales_to_zero = items(&metrics).any(|(_, metric)| ["Object", "External"].contains(&text(metric, "type")));
    if least == Some(0) && !scales_to_zero {
        let detail = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.forbidden("spec.metrics", detail);
    }
    for direction in ["scaleUp", "scaleDown"] {
        let rules = &spec["behavior"][direction];
        if !rules.is_null() {
            self::rules(rules, &format!("spec.behavior.{direction}"), errors);
        }
    }
}

fn reference(reference: &Value, needs_group: bool, path: &str, errors: &mut Errors) {
    for field in ["kind", "name"] {
        if errors.wants_text(reference, field, path) {
            let name = text(reference, field);
            errors.invalid_each(&at(path, field), name, names::path_segment(name));
        }
    }
    let version = text(reference, "apiVersion");
    let field = at(path, "apiVersion");
    if version.matches('/').count() > 1 {
        let detail = format!("unexpected GroupVersion string: {version}");
        errors.invalid_text(&field, version, &detail);
    } else if needs_group && !version.contains('/') && text(reference, "kind") != "ReplicationController" {
        errors.invalid_text(&field, version, "apiVersion must specify API group");
    }
}

fn rules(rules: &Value, path: &str, errors: &mut Errors) {
    let window = number(rules, "stabilizationWindowSeconds").unwrap_or(0);
    let field = at(path, "stabilizationWindowSeconds");
    if window < 0 {
        errors.invalid_number(&field, window, "must be greater than or equal to zero");
    }
    if window > 3600 {
        errors.invalid_number(&field, window, "must be less than or equal to 3600");
    }
    errors.one_of(&at(path, "selectPolicy"), &rules["selectPolicy"], &["Disabled", "Max", "Min"]);
    if is_empty(&rules["policies"]) {
        errors.required(&at(path, "policies"), "must specify at least one Policy");
    }
    for (index, policy) in items(&rules["policies"]) {
        let path = at(path, &format!("policies[{index}]"));
        if !["Percent", "Pods"].contains(&text(policy, "type")) {
            errors.not_supported(&at(&path, "type"), &policy["type"], &["Percent", "Pods"]);
        }
        for field in ["value", "periodSeconds"] {
            let number = number(policy, field).unwrap_or(0);
            if number <= 0 {
                errors.invalid_number(&at(&path, field), number, super::POSITIVE);
            }
            if field == "periodSeconds" && number > 1800 {
                errors.invalid_number(&at(&path, field), number, "must be less than or equal to 1800");
            }
        }
    }
    let negative = |text: &str| text.parse::<Quantity>().is_ok_and(|amount| amount.nanos() < 0);
    if rules["tolerance"].as_str().is_some_and(negative) {
        errors.invalid(&at(path, "tolerance"), &rules["tolerance"], super::NOT_NEGATIVE);
    }
}

/// The sources of metrics, sorted by the words that choose them, and in the order in which they are checked.
const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];
const SOURCES: [&str; 5] = ["object", "external", "pods", "resource", "containerResource"];

fn metric(metric: &Value, path: &str, errors: &mut Errors) {
    let kind = text(metric, "type");
    let field = at(path, "type");
    if kind.is_empty() {
        errors.required(&field, "must specify a metric source type");
    }
    let known = TYPES.contains(&kind);
    if !known {
        errors.not_supported(&field, &metric["type"], &TYPES);
    }
    let present: Vec<&str> = SOURCES.into_iter().filter(|source| !metric[*source].is_null()).collect();
    if let Some(first) = present.first() {
        source(first, &metric[*first], &at(path, first), errors);
    }
    let wanted = SOURCES.into_iter().find(|source| source.eq_ignore_ascii_case(kind)).unwrap_or_default();
    if known && metric[wanted].is_null() {
        errors.required(&at(path, wanted), "must populate information for the given metric source");
    } else if !known {
        errors.not_supported(&field, &metric["type"], &TYPES);
    }
    if present.len() != 1 {
        let mut others: Vec<&str> = present.into_iter().filter(|source| *source != wanted).collect();
        others.sort_unstable();
        for other in others {
            errors.forbidden(&at(path, other), "must populate the given metric source only");
        }
    }
}

fn source(kind: &str, source: &Value, path: &str, errors: &mut Errors) {
    if kind == "object" {
        reference(&source["describedObject"], false, &at(path, "describedObject"), errors);
    }
    if kind.ends_with("esource") {
        if text(source, "name").is_empty() {
            errors.required(&at(path, "name"), "must specify a resource name");
        } else if kind == "containerResource" {
            pods::container_resource_name(text(source, "name"), &at(path, "name"), errors);
        }
        if kind == "containerResource" {
            let name = text(source, "container");
            if name.is_empty() {
                errors.required(&at(path, "container"), "must specify a container");
            } else {
                errors.invalid_each(&at(path, "container"), name, names::dns_label(name));
            }
        }
    } else {
        let name = text(&source["metric"], "name");
        let field = at(path, "metric.name");
        if name.is_empty() {
            errors.required(&field, "must specify a metric name");
        } else {
            errors.invalid_each(&field, name, names::path_segment(name));
        }
    }
    let target = &source["target"];
    let path = at(path, "target");
    self::target(target, &path, errors);
    let has = |field: &str| !target[field].is_null();
    let average = at(&path, "averageValue");
    match kind {
        "object" if !has("value") && !has("averageValue") => {
            errors.required(&average, "must set either a target value or averageValue");
        }
        "external" if !has("value") && !has("averageValue") => {
            errors.required(&average, "must set either a target value for metric or a per-pod target");
        }
        "external" if has("value") && has("averageValue") => {
            let detail = "may not set both a target value for metric and a per-pod target";
            errors.forbidden(&at(&path, "value"), detail);
        }
        "pods" if !has("averageValue") => errors.required(&average, "must specify a positive target averageValue"),
        "resource" | "containerResource" => match (has("averageUtilization"), has("averageValue")) {
            (false, false) => {
                let detail = "must set either a target raw value or a target utilization";
                errors.required(&at(&path, "averageUtilization"), detail);
            }
            (true, true) => errors.forbidden(&average, "may not set both a target raw value and a target utilization"),
            _ => {}
        },
        _ => {}
    }
}

fn target(target: &Value, path: &str, errors: &mut Errors) {
    let field = at(path, "type");
    if text(target, "type").is_empty() {
        errors.required(&field, "must specify a metric target type");
    }
    if !["Utilization", "Value", "AverageValue"].contains(&text(target, "type")) {
        errors.invalid(&field, &target["type"], "must be either Utilization, Value, or AverageValue");
    }
    for name in ["value", "averageValue"] {
        let value = &target[name];
        if value.as_str().and_then(|text| text.parse::<Quantity>().ok()).is_some_and(|amount| amount.nanos() <= 0) {
            errors.invalid(&at(path, name), value, "must be positive");
        }
    }
    if let Some(percent) = number(target, "averageUtilization").filter(|percent| *percent < 1) {
        errors.invalid_number(&at(path, "averageUtilization"), percent, "must be greater than 0");
    }
}
