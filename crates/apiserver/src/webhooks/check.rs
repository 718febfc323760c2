//! What a webhook configuration may say (k8s: `pkg/apis/admissionregistration/validation`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::check_client;
use crate::crd::names::{dns_1035_label, dns_1123_label, dns_1123_subdomain};
use crate::error::Cause;
use crate::policies::{check_conditions, check_rules, check_selectors};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Returns what is wrong with a MutatingWebhookConfiguration or ValidatingWebhookConfiguration.
pub(crate) fn check_configuration(object: &Value, is_mutating: bool) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut names = BTreeSet::new();
    for (at, hook) in list(&object["webhooks"]).iter().enumerate() {
        let path = format!("webhooks[{at}]");
        check_hook(hook, &path, is_mutating, &mut causes);
        check_versions(&hook["admissionReviewVersions"], &format!("{path}.admissionReviewVersions"), &mut causes);
        if !text(&hook["name"]).is_empty() && !names.insert(text(&hook["name"])) {
            causes.push(Cause::duplicate(format!("{path}.name"), &hook["name"]));
        }
    }
    causes
}

fn check_versions(versions: &Value, field: &str, causes: &mut Vec<Cause>) {
    let all = list(versions);
    if all.is_empty() {
        causes.push(Cause::required(field, "must specify one of v1, v1beta1"));
        return;
    }
    let mut seen = BTreeSet::new();
    for (at, version) in all.iter().enumerate() {
        let field = format!("{field}[{at}]");
        if !seen.insert(text(version)) {
            causes.push(Cause::invalid(field, version, "duplicate version"));
        } else if let Some(why) = dns_1035_label(text(version)) {
            causes.push(Cause::invalid(field, version, why));
        }
    }
    if !seen.contains("v1") && !seen.contains("v1beta1") {
        causes.push(Cause::invalid(field, versions, "must include at least one of v1, v1beta1"));
    }
}

fn check_hook(hook: &Value, path: &str, is_mutating: bool, causes: &mut Vec<Cause>) {
    let field = |name: &str| format!("{path}.{name}");
    check_name(&hook["name"], &field("name"), causes);
    for (at, rule) in list(&hook["rules"]).iter().enumerate() {
        check_rules(rule, &format!("{path}.rules[{at}]"), causes);
    }
    let choose = |key: &str, allowed: &[&str], causes: &mut Vec<Cause>| {
        if !hook[key].is_null() && !allowed.contains(&text(&hook[key])) {
            let allowed: Vec<String> = allowed.iter().map(|word| (*word).to_owned()).collect();
            causes.push(Cause::unsupported(field(key), &hook[key], &allowed));
        }
    };
    choose("failurePolicy", &["Fail", "Ignore"], causes);
    choose("matchPolicy", &["Equivalent", "Exact"], causes);
    if hook["sideEffects"].is_null() {
        causes.push(Cause::required(field("sideEffects"), "must specify one of None, NoneOnDryRun"));
    }
    choose("sideEffects", &["None", "NoneOnDryRun"], causes);
    if let Some(seconds) = hook["timeoutSeconds"].as_i64().filter(|seconds| !(1..=30).contains(seconds)) {
        let why = "the timeout value must be between 1 and 30 seconds";
        causes.push(Cause::invalid(field("timeoutSeconds"), &json!(seconds), why));
    }
    check_selectors(hook, path, causes);
    if is_mutating {
        choose("reinvocationPolicy", &["IfNeeded", "Never"], causes);
    }
    causes.extend(check_client(&hook["clientConfig"], &field("clientConfig")));
    check_conditions(&hook["matchConditions"], &field("matchConditions"), false, causes);
}

/// A webhook's name must be a domain of at least three parts.
fn check_name(name: &Value, field: &str, causes: &mut Vec<Cause>) {
    let given = text(name);
    if given.is_empty() {
        causes.push(Cause::required(field, ""));
        return;
    }
    let wrong = dns_1123_subdomain(given);
    if !wrong.is_empty() {
        causes.push(Cause::invalid(field, name, wrong.join(",")));
        return;
    }
    if given.split('.').count() < 3 {
        causes.push(Cause::invalid(field, name, "should be a domain with at least three segments separated by dots"));
        return;
    }
    for label in given.split('.') {
        let wrong = dns_1123_label(label);
        if !wrong.is_empty() {
            causes.push(Cause::invalid(field, &json!(label), wrong.join(",")));
            return;
        }
    }
}
