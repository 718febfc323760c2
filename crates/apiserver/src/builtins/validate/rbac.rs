//! Roles and bindings.

use serde_json::Value;

use super::{Errors, is_empty, items, meta, names, text};

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

/// Checks the selectors of the roles that a ClusterRole is made of.
pub(super) fn aggregation(role: &Value, errors: &mut Errors) {
    const PATH: &str = "aggregationRule.clusterRoleSelectors";
    let rule = &role["aggregationRule"];
    if rule.is_null() {
        return;
    }
    if is_empty(&rule["clusterRoleSelectors"]) {
        errors.required(PATH, "at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    for (index, selector) in items(&rule["clusterRoleSelectors"]) {
        let path = format!("{PATH}[{index}]");
        meta::selector(selector, &path, errors);
        if !meta::is_usable(selector) {
            errors.invalid_object(&path, &Value::Null, "invalid label selector.");
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

fn one_subject(subject: &Value, namespaced: bool, path: &str, errors: &mut Errors) {
    if text(subject, "name").is_empty() {
        errors.required(&format!("{path}.name"), "");
    }
    let group = text(subject, "apiGroup");
    match text(subject, "kind") {
        "ServiceAccount" => {
            let name = text(subject, "name");
            if !name.is_empty() {
                errors.invalid_each(&format!("{path}.name"), name, names::dns_subdomain(name));
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
