//! Roles and bindings.

use serde_json::Value;

use super::{Errors, items, names, selector, text};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn rules(role: &Value, namespaced: bool, errors: &mut Errors) {
    for (at, rule) in items(&role["rules"]) {
        let path = format!("rules[{at}]");
        let empty = |field: &str| rule[field].as_array().is_none_or(Vec::is_empty);
        if empty("verbs") {
            errors.required(&format!("{path}.verbs"), "verbs must contain at least one value");
        }
        if !empty("nonResourceURLs") {
            let field = format!("{path}.nonResourceURLs");
            if namespaced {
                let detail = "namespaced rules cannot apply to non-resource URLs";
                errors.invalid(&field, &rule["nonResourceURLs"], detail);
            }
            if !empty("apiGroups") || !empty("resources") || !empty("resourceNames") {
                let detail = "rules cannot apply to both regular resources and non-resource URLs";
                errors.invalid(&field, &rule["nonResourceURLs"], detail);
            }
            continue;
        }
        if empty("apiGroups") {
            errors.required(&format!("{path}.apiGroups"), "resource rules must supply at least one api group");
        }
        if empty("resources") {
            errors.required(&format!("{path}.resources"), "resource rules must supply at least one resource");
        }
    }
}

pub(super) fn binding(binding: &Value, namespaced: bool, errors: &mut Errors) {
    let role = &binding["roleRef"];
    if text(role, "apiGroup") != GROUP {
        errors.not_supported("roleRef.apiGroup", &role["apiGroup"], &[GROUP]);
    }
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&text(role, "kind")) {
        errors.not_supported("roleRef.kind", &role["kind"], kinds);
    }
    match text(role, "name") {
        "" => errors.required("roleRef.name", ""),
        name => {
            for problem in names::path_segment(name) {
                errors.invalid("roleRef.name", &role["name"], &problem);
            }
        }
    }
    for (at, subject) in items(&binding["subjects"]) {
        one_subject(subject, namespaced, &format!("subjects[{at}]"), errors);
    }
}

/// Checks what a ClusterRole is made of.
pub(super) fn aggregation(role: &Value, errors: &mut Errors) {
    let rule = &role["aggregationRule"];
    if !rule.is_object() {
        return;
    }
    let path = "aggregationRule.clusterRoleSelectors";
    let mut selectors = items(&rule["clusterRoleSelectors"]).peekable();
    if selectors.peek().is_none() {
        errors.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    for (at, one) in selectors {
        let path = format!("{path}[{at}]");
        let before = errors.len();
        selector(one, &path, errors);
        if errors.len() > before {
            errors.invalid_object(&path, &Value::Null, "invalid label selector.");
        }
    }
}

fn one_subject(subject: &Value, namespaced: bool, path: &str, errors: &mut Errors) {
    if text(subject, "name").is_empty() {
        errors.required(&format!("{path}.name"), "");
    }
    let group = text(subject, "apiGroup");
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !text(subject, "name").is_empty() {
                for problem in names::dns_subdomain(text(subject, "name")) {
                    errors.invalid(&format!("{path}.name"), &subject["name"], &problem);
                }
            }
            if !group.is_empty() {
                errors.not_supported(&format!("{path}.apiGroup"), &subject["apiGroup"], &[""]);
            }
            if !namespaced && text(subject, "namespace").is_empty() {
                errors.required(&format!("{path}.namespace"), "");
            }
        }
        "User" | "Group" if group != GROUP => {
            errors.not_supported(&format!("{path}.apiGroup"), &subject["apiGroup"], &[GROUP]);
        }
        "User" | "Group" => {}
        _ => errors.not_supported(&format!("{path}.kind"), &subject["kind"], &["ServiceAccount", "User", "Group"]),
    }
}
