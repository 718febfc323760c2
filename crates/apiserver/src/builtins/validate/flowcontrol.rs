//! Flows and priority levels (`pkg/apis/flowcontrol/validation`).

use serde_json::{Value, json};

use super::errors::at;
use super::{Errors, entries, internal, is_empty, items, names, number, text};

const VERBS: [&str; 9] = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

pub(super) fn flow_schema(schema: &Value, errors: &mut Errors) {
    let spec = &schema["spec"];
    let name = text(&schema["metadata"], "name");
    let precedence = number(spec, "matchingPrecedence").unwrap_or(0);
    let field = "spec.matchingPrecedence";
    if precedence <= 0 {
        errors.invalid_number(field, precedence, "must be a positive value");
    }
    if precedence > 10_000 {
        errors.invalid_number(field, precedence, "must not be greater than 10000");
    }
    if precedence == 1 && name != "exempt" {
        errors.invalid_number(field, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    let method = &spec["distinguisherMethod"];
    if !method.is_null() && !["ByNamespace", "ByUser"].contains(&text(method, "type")) {
        let printed = internal::print("io.k8s.api.flowcontrol.v1.FlowDistinguisherMethod", method);
        errors.not_supported_printed("spec.distinguisherMethod.type", &printed, &["ByNamespace", "ByUser"]);
    }
    let level = text(&spec["priorityLevelConfiguration"], "name");
    if level.is_empty() {
        errors.required("spec.priorityLevelConfiguration.name", "must reference a priority level");
    } else {
        errors.invalid_each("spec.priorityLevelConfiguration.name", level, names::dns_subdomain(level));
    }
    for (index, rule) in items(&spec["rules"]) {
        let path = format!("spec.rules[{index}]");
        if is_empty(&rule["subjects"]) {
            errors.required(&at(&path, "subjects"), "subjects must contain at least one value");
        }
        for (index, one) in items(&rule["subjects"]) {
            subject(one, &format!("{path}.subjects[{index}]"), errors);
        }
        if is_empty(&rule["resourceRules"]) && is_empty(&rule["nonResourceRules"]) {
            errors.required(&path, "at least one of resourceRules and nonResourceRules has to be non-empty");
        }
        for (index, rule) in items(&rule["resourceRules"]) {
            resource_rule(rule, &format!("{path}.resourceRules[{index}]"), errors);
        }
        for (index, rule) in items(&rule["nonResourceRules"]) {
            url_rule(rule, &format!("{path}.nonResourceRules[{index}]"), errors);
        }
    }
}

fn subject(subject: &Value, path: &str, errors: &mut Errors) {
    let kind = text(subject, "kind");
    let kinds = [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];
    let Some((_, own)) = kinds.iter().find(|(have, _)| *have == kind) else {
        let supported = ["Group", "ServiceAccount", "User"];
        return errors.not_supported(&at(path, "kind"), &subject["kind"], &supported);
    };
    let (value, field) = (&subject[*own], at(path, own));
    if value.is_null() {
        errors.required(&field, &format!("{own} is required when subject kind is '{kind}'"));
    } else {
        let name = text(value, "name");
        if errors.wants_text(value, "name", &field) && kind == "ServiceAccount" && name != "*" {
            errors.invalid_each(&at(&field, "name"), name, names::dns_subdomain(name));
        }
        if kind == "ServiceAccount" {
            let namespace = text(value, "namespace");
            if namespace.is_empty() {
                errors.required(&at(&field, "namespace"), "must specify namespace for service account");
            } else {
                errors.invalid_each(&at(&field, "namespace"), namespace, names::dns_label(namespace));
            }
        }
    }
    for (other_kind, other) in kinds.iter().filter(|(have, _)| *have != kind) {
        if !subject[*other].is_null() {
            let detail = format!("{other} is forbidden when subject kind is not '{other_kind}'");
            errors.forbidden(&at(path, other), &detail);
        }
    }
}

fn has_wildcard(list: &Value) -> bool {
    items(list).any(|(_, value)| value == "*")
}

fn verbs(rule: &Value, path: &str, errors: &mut Errors) {
    let (field, list) = (at(path, "verbs"), &rule["verbs"]);
    if is_empty(list) {
        errors.required(&field, "verbs must contain at least one value");
    } else if has_wildcard(list) {
        if items(list).count() > 1 {
            errors.invalid_object(&field, list, "if '*' is present, must not specify other verbs");
        }
    } else if items(list).any(|(_, verb)| !VERBS.contains(&verb.as_str().unwrap_or_default())) {
        errors.not_supported_printed(&field, &list.to_string(), &VERBS);
    }
}

fn resource_rule(rule: &Value, path: &str, errors: &mut Errors) {
    verbs(rule, path, errors);
    for (list, one, others) in [("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")] {
        let (field, value) = (at(path, list), &rule[list]);
        if is_empty(value) {
            errors.required(&field, &format!("resource rules must supply at least one {one}"));
        } else if items(value).count() > 1 && has_wildcard(value) {
            errors.invalid_object(&field, value, &format!("if '*' is present, must not specify other {others}"));
        }
    }
    let (field, list) = (at(path, "namespaces"), &rule["namespaces"]);
    if is_empty(list) && rule["clusterScope"] != true {
        let detail = "resource rules that are not cluster scoped must supply at least one namespace";
        errors.required(&field, detail);
    } else if has_wildcard(list) {
        if items(list).count() > 1 {
            errors.invalid_object(&field, list, "if '*' is present, must not specify other namespaces");
        }
    } else {
        for (index, name) in items(list) {
            let name = name.as_str().unwrap_or_default();
            for problem in names::dns_label(name) {
                let detail = format!("each member of this list must be '*' or a DNS-1123 label; {problem}");
                errors.invalid_text(&format!("{field}[{index}]"), name, &detail);
            }
        }
    }
}

fn url_rule(rule: &Value, path: &str, errors: &mut Errors) {
    verbs(rule, path, errors);
    let (field, list) = (at(path, "nonResourceURLs"), &rule["nonResourceURLs"]);
    if is_empty(list) {
        return errors.required(&field, "nonResourceURLs must contain at least one value");
    }
    if has_wildcard(list) {
        if items(list).count() > 1 {
            errors.invalid_object(&field, list, "if '*' is present, must not specify other non-resource URLs");
        }
        return;
    }
    for (index, url) in items(list) {
        let url = url.as_str().unwrap_or_default();
        let wildcards = url.matches('*').count();
        let why = match url {
            "" => "must not be empty",
            "/" => continue,
            _ if !url.starts_with('/') => "must start with slash",
            _ if url.contains(' ') => "must not contain white-space",
            _ if url.contains("//") => "must not contain double slash",
            _ if wildcards > 1 || (wildcards == 1 && !url.ends_with("/*")) => "wildcard can only do suffix matching",
            _ => continue,
        };
        errors.invalid_text(&format!("{field}[{index}]"), url, why);
    }
}

pub(super) fn priority_level(level: &Value, errors: &mut Errors) {
    let (spec, meta) = (&level["spec"], &level["metadata"]);
    const ANNOTATION: &str = "flowcontrol.k8s.io/preserve-zero-concurrency-shares";
    if entries(&meta["annotations"]).any(|(key, _)| key == ANNOTATION) {
        errors.forbidden("metadata.annotations", &format!("annotation '{ANNOTATION}' is forbidden"));
    }
    let kind = text(spec, "type");
    if (text(meta, "name") == "exempt") != (kind == "Exempt") {
        errors.invalid("spec.type", &spec["type"], "must be 'Exempt' if and only if `name` is 'exempt'");
    }
    let (exempt, limited) = (&spec["exempt"], &spec["limited"]);
    match kind {
        "Exempt" => {
            if !limited.is_null() {
                errors.forbidden("spec.limited", "must be nil if the type is not Limited");
            }
            shares(exempt, "spec.exempt", errors);
            percent(exempt, "spec.exempt", errors);
        }
        "Limited" => {
            if !exempt.is_null() {
                errors.forbidden("spec.exempt", "must be nil if the type is Limited");
            }
            if limited.is_null() {
                errors.required("spec.limited", "must not be empty when type is Limited");
            } else {
                shares(limited, "spec.limited", errors);
                limit_response(&limited["limitResponse"], "spec.limited.limitResponse", errors);
                percent(limited, "spec.limited", errors);
                if let Some(percent) = number(limited, "borrowingLimitPercent").filter(|percent| *percent < 0) {
                    let field = "spec.limited.borrowingLimitPercent";
                    errors.invalid_number(field, percent, "if specified, must be a non-negative integer");
                }
            }
        }
        _ => errors.not_supported("spec.type", &spec["type"], &["Exempt", "Limited"]),
    }
}

fn shares(level: &Value, path: &str, errors: &mut Errors) {
    if let Some(shares) = number(level, "nominalConcurrencyShares").filter(|shares| *shares < 0) {
        errors.invalid_number(&at(path, "nominalConcurrencyShares"), shares, "must be a non-negative integer");
    }
}

fn percent(level: &Value, path: &str, errors: &mut Errors) {
    if let Some(percent) = number(level, "lendablePercent").filter(|percent| !(0..=100).contains(percent)) {
        errors.invalid_number(&at(path, "lendablePercent"), percent, "must be between 0 and 100, inclusive");
    }
}

const MOST_QUEUES: i64 = 10_000_000;
const HASH_BITS: u32 = 60;

fn limit_response(response: &Value, path: &str, errors: &mut Errors) {
    let (field, queuing) = (at(path, "queuing"), &response["queuing"]);
    match text(response, "type") {
        "Reject" => {
            if !queuing.is_null() {
                errors.forbidden(&field, "must be nil if limited.limitResponse.type is not Limited");
            }
        }
        "Queue" if queuing.is_null() => {
            errors.required(&field, "must not be empty if limited.limitResponse.type is Limited");
        }
        "Queue" => {
            let get = |name: &str| number(queuing, name).unwrap_or(0);
            let (length, queues, hand) = (get("queueLengthLimit"), get("queues"), get("handSize"));
            if length <= 0 {
                errors.invalid_number(&at(&field, "queueLengthLimit"), length, "must be positive");
            }
            if queues <= 0 {
                errors.invalid_number(&at(&field, "queues"), queues, "must be positive");
            } else if queues > MOST_QUEUES {
                let detail = format!("must not be greater than {MOST_QUEUES}");
                errors.invalid_number(&at(&field, "queues"), queues, &detail);
            }
            let bits = ((queues.max(1) as f64).log2() * hand as f64).ceil();
            let why = if hand <= 0 {
                "must be positive".to_owned()
            } else if hand > queues {
                format!("should not be greater than queues ({queues})")
            } else if bits > f64::from(HASH_BITS) {
                format!(
                    "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
                )
            } else {
                return;
            };
            errors.invalid_number(&at(&field, "handSize"), hand, &why);
        }
        _ => errors.not_supported(&at(path, "type"), &json!(text(response, "type")), &["Queue", "Reject"]),
    }
}
