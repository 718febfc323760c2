//! What may be said in policies, bindings and the rules of webhooks
//! (k8s: `pkg/apis/admissionregistration/validation`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::compile::{Knows, compile, declared, variables, variables_type};
use crate::builtins::Builtins;
use crate::cel::types::Type;
use crate::crd::names::{dns_1035_label, dns_1123_subdomain, path_segment, qualified_name};
use crate::error::Cause;

/// Longest expression of an audit annotation, in bytes.
const MAX_ANNOTATION: usize = 5 * 1024;

/// Words that cannot be variables.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn choice(field: &str, value: &Value, allowed: &[&str], causes: &mut Vec<Cause>) {
    if value.is_null() {
        causes.push(Cause::required(field, ""));
    } else if !allowed.contains(&text(value)) {
        let allowed: Vec<String> = allowed.iter().map(|word| (*word).to_owned()).collect();
        causes.push(Cause::unsupported(field, value, &allowed));
    }
}

/// Returns what is wrong with a ValidatingAdmissionPolicy.
pub(crate) fn check_policy(object: &Value) -> Vec<Cause> {
    let (spec, mut causes) = (&object["spec"], Vec::new());
    choice("spec.failurePolicy", &spec["failurePolicy"], &["Fail", "Ignore"], &mut causes);
    let has_params = spec["paramKind"].is_object();
    if has_params {
        check_param_kind(&spec["paramKind"], &mut causes);
    }
    let constraints = &spec["matchConstraints"];
    if constraints.is_object() {
        check_resources(constraints, "spec.matchConstraints", &mut causes);
        if list(&constraints["resourceRules"]).is_empty() {
            causes.push(Cause::required("spec.matchConstraints.resourceRules", ""));
        }
    } else {
        causes.push(Cause::required("spec.matchConstraints", ""));
    }
    check_conditions(&spec["matchConditions"], "spec.matchConditions", has_params, &mut causes);
    let own = check_variables(&spec["variables"], has_params, &mut causes);
    let (validations, annotations) = (list(&spec["validations"]), list(&spec["auditAnnotations"]));
    if validations.is_empty() && annotations.is_empty() {
        let why = "validations or auditAnnotations must contain at least one item";
        causes.push(Cause::required("spec.validations", why));
        causes.push(Cause::required("spec.auditAnnotations", why));
        return causes;
    }
    for (at, validation) in validations.iter().enumerate() {
        check_validation(validation, &format!("spec.validations[{at}]"), has_params, own.as_ref(), &mut causes);
    }
    if annotations.len() > 20 {
        let why = "must not have more than 20 auditAnnotations";
        causes.push(Cause::invalid("spec.auditAnnotations", &spec["auditAnnotations"], why));
    }
    let mut keys = BTreeSet::new();
    for (at, annotation) in annotations.iter().enumerate() {
        let path = format!("spec.auditAnnotations[{at}]");
        check_annotation(object, annotation, &path, has_params, own.as_ref(), &mut causes);
        if !keys.insert(text(&annotation["key"])) {
            causes.push(Cause::duplicate(format!("{path}.key"), &annotation["key"]));
        }
    }
    causes
}

fn check_param_kind(kind: &Value, causes: &mut Vec<Cause>) {
    let version = text(&kind["apiVersion"]);
    let field = "spec.paramKind.apiVersion";
    match version.split('/').collect::<Vec<_>>()[..] {
        [""] => causes.push(Cause::required(field, "")),
        [version] => {
            causes.extend(dns_1035_label(version).map(|why| Cause::invalid(field, &json!(version), why)));
        }
        [group, version] => {
            let wrong = dns_1123_subdomain(group);
            if !group.is_empty() && !wrong.is_empty() {
                causes.push(Cause::invalid(field, &json!(group), wrong.join(",")));
            }
            if version.is_empty() {
                causes.push(Cause::invalid(field, &kind["apiVersion"], "version must be specified"));
            } else {
                causes.extend(dns_1035_label(version).map(|why| Cause::invalid(field, &json!(version), why)));
            }
        }
        _ => {
            let why = format!("unexpected GroupVersion string: {version}");
            causes.push(Cause::invalid(field, &kind["apiVersion"], why));
        }
    }
    let name = text(&kind["kind"]);
    if name.is_empty() {
        causes.push(Cause::required("spec.paramKind.kind", ""));
    } else if let Some(why) = dns_1035_label(&name.to_lowercase()) {
        let why = format!("may have mixed case, but should otherwise match: {why}");
        causes.push(Cause::invalid("spec.paramKind.kind", &kind["kind"], why));
    }
}

fn check_resources(resources: &Value, path: &str, causes: &mut Vec<Cause>) {
    choice(&format!("{path}.matchPolicy"), &resources["matchPolicy"], &["Equivalent", "Exact"], causes);
    check_selectors(resources, path, causes);
    for key in ["resourceRules", "excludeResourceRules"] {
        for (at, rule) in list(&resources[key]).iter().enumerate() {
            let path = format!("{path}.{key}[{at}]");
            let mut seen = BTreeSet::new();
            for (at, name) in list(&rule["resourceNames"]).iter().enumerate() {
                let field = format!("{path}.resourceNames[{at}]");
                causes.extend(path_segment(text(name)).into_iter().map(|why| Cause::invalid(field.clone(), name, why)));
                if !seen.insert(text(name)) {
                    causes.push(Cause::duplicate(field, name));
                }
            }
            check_rules(rule, &path, causes);
        }
    }
}

/// Checks the two selectors of a policy or webhook.
pub(crate) fn check_selectors(holder: &Value, path: &str, causes: &mut Vec<Cause>) {
    for key in ["namespaceSelector", "objectSelector"] {
        let wrong = Builtins::mistakes_in_selector(&holder[key], &format!("{path}.{key}"));
        causes.extend(wrong.into_iter().map(Cause::from));
    }
}

/// Checks a rule with its operations.
pub(crate) fn check_rules(rule: &Value, path: &str, causes: &mut Vec<Cause>) {
    const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    let lone_star = |key: &str, what: &str, causes: &mut Vec<Cause>| {
        let all = list(&rule[key]);
        let field = format!("{path}.{key}");
        if all.is_empty() {
            causes.push(Cause::required(field, ""));
        } else if all.len() > 1 && all.iter().any(|one| one == "*") {
            let why = format!("if '*' is present, must not specify other {what}");
            causes.push(Cause::invalid(field, &rule[key], why));
        }
    };
    lone_star("operations", "operations", causes);
    for (at, operation) in list(&rule["operations"]).iter().enumerate() {
        if !OPERATIONS.contains(&text(operation)) {
            let allowed = OPERATIONS.map(str::to_owned);
            causes.push(Cause::unsupported(format!("{path}.operations[{at}]"), operation, &allowed));
        }
    }
    lone_star("apiGroups", "API groups", causes);
    lone_star("apiVersions", "API versions", causes);
    for (at, version) in list(&rule["apiVersions"]).iter().enumerate() {
        if text(version).is_empty() {
            causes.push(Cause::required(format!("{path}.apiVersions[{at}]"), ""));
        }
    }
    check_rule_resources(&rule["resources"], &format!("{path}.resources"), causes);
    let scope = &rule["scope"];
    if !scope.is_null() && !["*", "Cluster", "Namespaced"].contains(&text(scope)) {
        let allowed = ["*", "Cluster", "Namespaced"].map(str::to_owned);
        causes.push(Cause::unsupported(format!("{path}.scope"), scope, &allowed));
    }
}

fn check_rule_resources(resources: &Value, path: &str, causes: &mut Vec<Cause>) {
    let all = list(resources);
    if all.is_empty() {
        causes.push(Cause::required(path, ""));
    }
    let (mut whole, mut subs) = (BTreeSet::new(), BTreeSet::new());
    let mut plain = false;
    for (at, resource) in all.iter().enumerate() {
        let (name, field) = (text(resource), format!("{path}[{at}]"));
        if name.is_empty() {
            causes.push(Cause::required(field, ""));
            continue;
        }
        let Some((plural, sub)) = name.split_once('/') else {
            plain = name != "*";
            continue;
        };
        if whole.contains(plural) {
            let why = format!("if '{plural}/*' is present, must not specify {name}");
            causes.push(Cause::invalid(field.clone(), resource, why));
        }
        if subs.contains(sub) {
            let why = format!("if '*/{sub}' is present, must not specify {name}");
            causes.push(Cause::invalid(field, resource, why));
        }
        if sub == "*" {
            whole.insert(plural);
        }
        if plural == "*" {
            subs.insert(sub);
        }
    }
    if all.len() > 1 && all.iter().any(|one| one == "*/*") {
        causes.push(Cause::invalid(path, resources, "if '*/*' is present, must not specify other resources"));
    }
    if plain && all.iter().any(|one| one == "*") {
        let why = "if '*' is present, must not specify other resources without subresources";
        causes.push(Cause::invalid(path, resources, why));
    }
}

/// Checks the match conditions of a policy or webhook.
pub(crate) fn check_conditions(conditions: &Value, path: &str, has_params: bool, causes: &mut Vec<Cause>) {
    let all = list(conditions);
    if all.len() > 64 {
        let message = format!("Too many: {}: must have at most 64 items", all.len());
        causes.push(Cause { reason: "FieldValueTooMany", message, field: path.to_owned() });
    }
    let known = variables(Knows { params: has_params, authorizer: true }, None);
    let mut seen = BTreeSet::new();
    for (at, condition) in all.iter().enumerate() {
        let field = |name: &str| format!("{path}[{at}].{name}");
        let source = text(&condition["expression"]).trim();
        if source.is_empty() {
            causes.push(Cause::required(field("expression"), ""));
        } else if let Err(why) = compile(source, &known, &[Type::Bool]) {
            causes.push(Cause::invalid(field("expression"), &json!(source), why));
        }
        let name = text(&condition["name"]);
        if name.is_empty() {
            causes.push(Cause::required(field("name"), ""));
            continue;
        }
        let wrong = qualified_name(name);
        causes.extend(wrong.into_iter().map(|why| Cause::invalid(field("name"), &condition["name"], why)));
        if !seen.insert(name) {
            causes.push(Cause::duplicate(field("name"), &condition["name"]));
        }
    }
}

/// Checks the variables of a policy, each of which knows those before it; returns the type of all.
fn check_variables(own: &Value, has_params: bool, causes: &mut Vec<Cause>) -> Option<Type> {
    let all = list(own);
    if all.is_empty() {
        return None;
    }
    let mut fields = BTreeMap::new();
    for (at, variable) in all.iter().enumerate() {
        let field = |name: &str| format!("spec.variables[{at}].{name}");
        let name = text(&variable["name"]);
        let is_word = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if name.trim().is_empty() {
            causes.push(Cause::required(field("name"), "name is not specified"));
        } else if !is_word || RESERVED.contains(&name) {
            causes.push(Cause::invalid(field("name"), &variable["name"], "must be a valid CEL identifier"));
        }
        let source = text(&variable["expression"]);
        if source.trim().is_empty() {
            causes.push(Cause::required(field("expression"), "expression is not specified"));
            continue;
        }
        let known = variables(Knows { params: has_params, authorizer: true }, Some(variables_type(&fields)));
        match compile(source, &known, &[]) {
            Ok(expression) => drop(fields.insert(name.to_owned(), declared(&expression.ty))),
            Err(why) => causes.push(Cause::invalid(field("expression"), &variable["expression"], why)),
        }
    }
    Some(variables_type(&fields))
}

fn check_validation(validation: &Value, path: &str, has_params: bool, own: Option<&Type>, causes: &mut Vec<Cause>) {
    let field = |name: &str| format!("{path}.{name}");
    let known = |authorizer: bool| variables(Knows { params: has_params, authorizer }, own.cloned());
    let source = text(&validation["expression"]);
    if source.trim().is_empty() {
        causes.push(Cause::required(field("expression"), "expression is not specified"));
    } else if let Err(why) = compile(source, &known(true), &[Type::Bool]) {
        causes.push(Cause::invalid(field("expression"), &validation["expression"], why));
    }
    let computed = text(&validation["messageExpression"]);
    if !computed.is_empty() {
        if computed.trim().is_empty() {
            let why = "must be non-empty if specified";
            causes.push(Cause::invalid(field("messageExpression"), &validation["messageExpression"], why));
        } else if let Err(why) = compile(computed, &known(false), &[Type::String]) {
            causes.push(Cause::invalid(field("messageExpression"), &validation["messageExpression"], why));
        }
    }
    let message = text(&validation["message"]);
    if !message.is_empty() && message.trim().is_empty() {
        causes.push(Cause::invalid(field("message"), &validation["message"], "must be non-empty if specified"));
    } else if message.trim().contains(['\n', '\r']) {
        causes.push(Cause::invalid(field("message"), &validation["message"], "must not contain line breaks"));
    }
    const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
    let reason = &validation["reason"];
    if !reason.is_null() && !REASONS.contains(&text(reason)) {
        causes.push(Cause::unsupported(field("reason"), reason, &REASONS.map(str::to_owned)));
    }
}

fn check_annotation(
    object: &Value,
    annotation: &Value,
    path: &str,
    has_params: bool,
    own: Option<&Type>,
    causes: &mut Vec<Cause>,
) {
    let name = format!("{}/{}", text(&object["metadata"]["name"]), text(&annotation["key"]));
    if text(&object["metadata"]["name"]).is_empty() {
        let why = "requires metadata.name be non-empty";
        causes.push(Cause::invalid(format!("{path}.key"), &json!(text(&annotation["key"])), why));
    } else {
        let wrong = qualified_name(&name);
        causes.extend(wrong.into_iter().map(|why| Cause::invalid(format!("{path}.key"), &json!(name), why)));
    }
    let (source, field) = (text(&annotation["valueExpression"]).trim(), format!("{path}.valueExpression"));
    let known = variables(Knows { params: has_params, authorizer: true }, own.cloned());
    if source.is_empty() {
        causes.push(Cause::required(field, "valueExpression is not specified"));
    } else if source.len() > MAX_ANNOTATION {
        causes.push(Cause::required(field, &format!("must not exceed {MAX_ANNOTATION} bytes in length")));
    } else if let Err(why) = compile(source, &known, &[Type::String, Type::Null]) {
        causes.push(Cause::invalid(field, &annotation["valueExpression"], why));
    }
}

/// Returns what is wrong with a ValidatingAdmissionPolicyBinding.
pub(crate) fn check_binding(object: &Value) -> Vec<Cause> {
    let (spec, mut causes) = (&object["spec"], Vec::new());
    let name = text(&spec["policyName"]);
    if name.is_empty() {
        causes.push(Cause::required("spec.policyName", ""));
    } else {
        let wrong = dns_1123_subdomain(name);
        causes.extend(wrong.into_iter().map(|why| Cause::invalid("spec.policyName", &spec["policyName"], why)));
    }
    if spec["paramRef"].is_object() {
        check_param_ref(&spec["paramRef"], &mut causes);
    }
    if spec["matchResources"].is_object() {
        check_resources(&spec["matchResources"], "spec.matchResources", &mut causes);
    }
    check_actions(&spec["validationActions"], &mut causes);
    causes
}

fn check_param_ref(reference: &Value, causes: &mut Vec<Cause>) {
    let (path, name) = ("spec.paramRef", text(&reference["name"]));
    let has_selector = !reference["selector"].is_null();
    let both = "name and selector are mutually exclusive";
    if !name.is_empty() {
        let wrong = path_segment(name);
        let field = format!("{path}.name");
        causes.extend(wrong.into_iter().map(|why| Cause::invalid(field.clone(), &reference["name"], why)));
        if has_selector {
            causes.push(Cause::forbidden(field, both));
        }
    } else if !has_selector {
        causes.push(Cause::required(path, "one of name or selector must be specified"));
    }
    if has_selector {
        let field = format!("{path}.selector");
        let wrong = Builtins::mistakes_in_selector(&reference["selector"], &field);
        causes.extend(wrong.into_iter().map(Cause::from));
        if !name.is_empty() {
            causes.push(Cause::forbidden(field, both));
        }
    }
    let action = &reference["parameterNotFoundAction"];
    let field = format!("{path}.parameterNotFoundAction");
    if text(action).is_empty() {
        causes.push(Cause::required(field, ""));
    } else if !["Deny", "Allow"].contains(&text(action)) {
        causes.push(Cause::unsupported(field, action, &["Deny", "Allow"].map(str::to_owned)));
    }
}

fn check_actions(actions: &Value, causes: &mut Vec<Cause>) {
    const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];
    let mut seen = BTreeSet::new();
    for (at, action) in list(actions).iter().enumerate() {
        let field = format!("spec.validationActions[{at}]");
        if !ACTIONS.contains(&text(action)) {
            causes.push(Cause::unsupported(field.clone(), action, &ACTIONS.map(str::to_owned)));
        }
        if !seen.insert(text(action)) {
            causes.push(Cause::duplicate(field, action));
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API \
                   response and headers serves no purpose)";
        causes.push(Cause::invalid("spec.validationActions", actions, why));
    }
    if seen.is_empty() {
        causes.push(Cause::required("spec.validationActions", "at least one validation action is required"));
    }
}
