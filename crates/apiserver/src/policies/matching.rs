//! Which requests a policy or webhook is about (k8s: `admission/plugin/webhook/predicates`).

use std::sync::Arc;

use serde_json::Value;

use super::Review;
use crate::registry::Registry;
use crate::resource::{Gvr, Resource};

/// Configurations of admission, which nothing but the server itself may refuse.
const EXEMPT: [&str; 6] = [
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "mutatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
];

/// Returns whether nothing may stand in the way of a request.
pub(crate) fn is_exempt(resource: &Resource) -> bool {
    resource.group == "admissionregistration.k8s.io" && EXEMPT.contains(&resource.plural.as_str())
}

/// Returns the resource, in the version the rules name, that a request is about, if the rules choose it.
///
/// `constraints` holds `namespaceSelector`, `objectSelector`, `excludeResourceRules`, `matchPolicy`, and `rules_key` names
/// its rules.
pub(crate) fn choose(
    registry: &mut Registry<'_>,
    review: &Review<'_>,
    constraints: &Value,
    rules_key: &str,
) -> Option<Arc<Resource>> {
    if !selected(registry, review, constraints) {
        return None;
    }
    let rules = |key: &str| constraints[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_exact = constraints["matchPolicy"] == "Exact";
    if find(registry, review, rules("excludeResourceRules"), is_exact).is_some() {
        return None;
    }
    // A binding without rules leaves it to the policy.
    if rules(rules_key).is_empty() && rules_key == "resourceRules" {
        return Some(Arc::clone(review.target.resource));
    }
    find(registry, review, rules(rules_key), is_exact)
}

/// Returns whether both selectors choose a request.
pub(crate) fn selected(registry: &mut Registry<'_>, review: &Review<'_>, constraints: &Value) -> bool {
    matches_namespace(registry, review, &constraints["namespaceSelector"]) && matches_object(review, constraints)
}

/// Returns the resource, in the version the rules name, that a request is about, if the rules choose it.
pub(crate) fn find(
    registry: &Registry<'_>,
    review: &Review<'_>,
    rules: &[Value],
    is_exact: bool,
) -> Option<Arc<Resource>> {
    let own = review.target.resource;
    if rules.iter().any(|rule| matches_rule(rule, review, own)) {
        return Some(Arc::clone(own));
    }
    if is_exact {
        return None;
    }
    let others = equivalents(registry, own);
    // Earlier rules go before later ones, whichever version they name.
    rules.iter().find_map(|rule| others.iter().find(|other| matches_rule(rule, review, other)).cloned())
}

/// Returns the other versions and groups the same objects are served in.
fn equivalents(registry: &Registry<'_>, own: &Resource) -> Vec<Arc<Resource>> {
    let catalog = &registry.state.catalog;
    let mut out = Vec::new();
    for (group, versions) in &catalog.groups {
        for version in versions {
            let found = catalog.find(&Gvr::new(group, version, &own.plural));
            out.extend(found.filter(|other| other.store_key() == own.store_key() && other.gvr() != own.gvr()));
        }
    }
    out
}

fn matches_rule(rule: &Value, review: &Review<'_>, resource: &Resource) -> bool {
    let has =
        |key: &str, wanted: &str| rule[key].as_array().into_iter().flatten().any(|have| have == "*" || have == wanted);
    let scope = match rule["scope"].as_str() {
        Some("Namespaced") => resource.namespaced,
        Some("Cluster") => !resource.namespaced,
        _ => true,
    };
    let sub = review.target.subresource;
    let resources = rule["resources"].as_array().into_iter().flatten().filter_map(Value::as_str).any(|text| {
        let (plural, wanted) = text.split_once('/').unwrap_or((text, ""));
        (plural == "*" || plural == resource.plural) && (wanted == "*" || wanted == sub)
    });
    let names = rule["resourceNames"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = names.is_empty() || names.iter().any(|name| name == review.name);
    scope
        && resources
        && named
        && has("operations", review.operation)
        && has("apiGroups", &resource.group)
        && has("apiVersions", &resource.version)
}

fn matches_namespace(registry: &mut Registry<'_>, review: &Review<'_>, selector: &Value) -> bool {
    let is_everything = |selector: &Value| selector.as_object().is_none_or(serde_json::Map::is_empty);
    if is_everything(selector) {
        return true;
    }
    let resource = review.target.resource;
    if resource.is("", "namespaces") {
        let object = if review.operation == "DELETE" { review.old } else { review.object };
        return selects(selector, &object.unwrap_or(&Value::Null)["metadata"]["labels"]);
    }
    if !resource.namespaced {
        return true;
    }
    let namespace = super::namespace(registry, review.target.namespace);
    namespace.is_some_and(|namespace| selects(selector, &namespace["metadata"]["labels"]))
}

fn matches_object(review: &Review<'_>, constraints: &Value) -> bool {
    let selector = &constraints["objectSelector"];
    if selector.as_object().is_none_or(serde_json::Map::is_empty) {
        return true;
    }
    let objects = [review.object, review.old].into_iter().flatten();
    // The options of a connection have no labels, not even none.
    let mut objects = objects.filter(|object| object.get("metadata").is_some());
    objects.any(|object| selects(selector, &object["metadata"]["labels"]))
}

/// Returns whether a `metav1.LabelSelector` chooses labels.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector["matchLabels"].as_object().into_iter().flatten();
    let all = wanted.into_iter().all(|(key, value)| labels.get(key) == Some(value));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    all && expressions.into_iter().all(|one| {
        let have = one["key"].as_str().and_then(|key| labels.get(key));
        let among = || one["values"].as_array().into_iter().flatten().any(|value| Some(value) == have);
        match one["operator"].as_str() {
            Some("In") => have.is_some() && among(),
            Some("NotIn") => have.is_none() || !among(),
            Some("Exists") => have.is_some(),
            Some("DoesNotExist") => have.is_none(),
            _ => false,
        }
    })
}
