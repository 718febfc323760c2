//! Label and field selectors.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::ApiError;
use crate::resource::Resource;

/// Which objects a list or watch is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selectors {
    labels: Vec<Requirement>,
    fields: Vec<FieldTerm>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldTerm {
    path: String,
    value: String,
    equal: bool,
}

/// Fields besides name and namespace that a built-in kind can be selected by.
const FIELDS: &[(&str, &str, &[&str])] = &[
    (
        "",
        "events",
        &[
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.resourceVersion",
            "involvedObject.uid",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
    ("", "namespaces", &["status.phase"]),
    ("", "nodes", &["spec.unschedulable"]),
    (
        "",
        "pods",
        &[
            "spec.hostNetwork",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.nominatedNodeName",
            "status.phase",
            "status.podIP",
            "status.podIPs",
        ],
    ),
    ("", "replicationcontrollers", &["status.replicas"]),
    ("", "secrets", &["type"]),
    ("", "services", &["spec.clusterIP", "spec.type"]),
    ("apps", "replicasets", &["status.replicas"]),
    ("batch", "jobs", &["status.successful"]),
    ("certificates.k8s.io", "certificatesigningrequests", &["spec.signerName"]),
    (
        "events.k8s.io",
        "events",
        &[
            "reason",
            "regarding.apiVersion",
            "regarding.fieldPath",
            "regarding.kind",
            "regarding.name",
            "regarding.namespace",
            "regarding.resourceVersion",
            "regarding.uid",
            "reportingController",
            "type",
        ],
    ),
];

impl Selectors {
    /// Reads the two query parameters.
    pub(crate) fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, ApiError> {
        let labels =
            parse_labels(labels).map_err(|why| ApiError::bad_request(format!("unable to parse requirement: {why}")))?;
        let fields = parse_fields(fields)
            .map_err(|term| ApiError::bad_request(format!("invalid selector: '{term}'; can't understand '{term}'")))?;
        for term in &fields {
            if !is_selectable(resource, &term.path) {
                return Err(ApiError::bad_request(unsupported_field(resource, &term.path)));
            }
        }
        Ok(Self { labels, fields })
    }

    /// Narrows the choice to one name.
    pub(crate) fn require_name(&mut self, name: &str) {
        self.fields.push(FieldTerm { path: "metadata.name".to_owned(), value: name.to_owned(), equal: true });
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Returns whether an object, in the version the selectors were written for, is chosen.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.holds(labels[&requirement.key].as_str()))
            && self.fields.iter().all(|term| (field(object, &term.path) == term.value) == term.equal)
    }
}

fn unsupported_field(resource: &Resource, path: &str) -> String {
    if resource.custom().is_some() {
        return format!("field label not supported: {path}");
    }
    if !FIELDS.iter().any(|(group, plural, _)| resource.is(group, plural)) {
        return format!("{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
    }
    format!("field label not supported: {path}")
}

fn is_selectable(resource: &Resource, path: &str) -> bool {
    if path == "metadata.name" || (path == "metadata.namespace") {
        return true;
    }
    if let Some(custom) = resource.custom() {
        return custom.selectable_fields.iter().any(|have| have == path);
    }
    FIELDS.iter().any(|(group, plural, paths)| resource.is(group, plural) && paths.contains(&path))
}

/// Reads a field as selectors compare it: absent texts are empty, absent numbers `0`, absent booleans `false`.
fn field(object: &Value, path: &str) -> String {
    let path = match path {
        "source" => "source.component",
        "status.podIPs" => "status.podIP",
        "status.successful" => "status.succeeded",
        path => path,
    };
    let found = path.split('.').fold(object, |at, step| &at[step]);
    match found {
        Value::String(text) => text.clone(),
        Value::Null => match path {
            "status.succeeded" | "status.replicas" => "0".to_owned(),
            "spec.unschedulable" | "spec.hostNetwork" => "false".to_owned(),
            "source.component" => field(object, "reportingComponent"),
            _ => String::new(),
        },
        other => other.to_string(),
    }
}

impl Requirement {
    fn holds(&self, label: Option<&str>) -> bool {
        match (&self.test, label) {
            (Test::In(values), Some(label)) => values.contains(label),
            (Test::NotIn(values), Some(label)) => !values.contains(label),
            (Test::Exists, label) => label.is_some(),
            (Test::Absent, label) => label.is_none(),
            (Test::Greater(bound), Some(label)) => label.parse::<i64>().is_ok_and(|number| number > *bound),
            (Test::Less(bound), Some(label)) => label.parse::<i64>().is_ok_and(|number| number < *bound),
            (Test::NotIn(_), None) => true,
            (Test::In(_) | Test::Greater(_) | Test::Less(_), None) => false,
        }
    }
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    split_terms(text)?.into_iter().map(|term| parse_requirement(term.trim())).collect()
}

/// Splits at commas outside parentheses.
fn split_terms(text: &str) -> Result<Vec<&str>, String> {
    let (mut terms, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or_else(|| "found ')', expected: identifier".to_owned())?,
            ',' if depth == 0 => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err("found '', expected: ',' or ')'".to_owned());
    }
    if !text.trim().is_empty() {
        terms.push(&text[start..]);
    }
    Ok(terms)
}

fn parse_requirement(term: &str) -> Result<Requirement, String> {
    let make = |key: &str, test| {
        let key = key.trim();
        let fits = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        if fits {
            Ok(Requirement { key: key.to_owned(), test })
        } else {
            Err(format!("found '{term}', expected: identifier"))
        }
    };
    let one = |value: &str| BTreeSet::from([value.trim().to_owned()]);
    let bound = |value: &str| {
        value.trim().parse::<i64>().map_err(|_| {
            format!("values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer")
        })
    };
    if let Some(key) = term.strip_prefix('!') {
        return make(key, Test::Absent);
    }
    if let Some((head, values)) = term.split_once('(') {
        let values = values.strip_suffix(')').ok_or_else(|| format!("found '{values}', expected: ',' or ')'"))?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next()) {
            (Some(key), Some("in")) => make(key, Test::In(values)),
            (Some(key), Some("notin")) => make(key, Test::NotIn(values)),
            _ => Err(format!("found '{head}', expected: in, notin, =, ==, !=, gt, lt")),
        };
    }
    if let Some((key, value)) = term.split_once("!=") {
        return make(key, Test::NotIn(one(value)));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return make(key, Test::In(one(value)));
    }
    if let Some((key, value)) = term.split_once('>') {
        return make(key, Test::Greater(bound(value)?));
    }
    if let Some((key, value)) = term.split_once('<') {
        return make(key, Test::Less(bound(value)?));
    }
    make(term, Test::Exists)
}

fn parse_fields(text: &str) -> Result<Vec<FieldTerm>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut terms = Vec::new();
    for term in text.split(',') {
        let parts = (term.split_once("!=").map(|(path, value)| (path, value, false)))
            .or_else(|| term.split_once("==").map(|(path, value)| (path, value, true)))
            .or_else(|| term.split_once('=').map(|(path, value)| (path, value, true)));
        let Some((path, value, equal)) = parts else { return Err(term.to_owned()) };
        terms.push(FieldTerm { path: path.trim().to_owned(), value: value.to_owned(), equal });
    }
    Ok(terms)
}

/// Prints a `metav1.LabelSelector` as the text `/scale` shows.
pub(crate) fn print_label_selector(selector: &Value) -> String {
    let is_typed = selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some();
    let labels = if is_typed { &selector["matchLabels"] } else { selector };
    let mut terms: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| value.as_str().map(|value| format!("{key}={value}")))
        .collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let mut values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        terms.push(match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    terms.sort();
    terms.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chooses(selector: &str, labels: &Value) -> bool {
        let labels = json!({"metadata": {"labels": labels}});
        let parsed = Selectors { labels: parse_labels(selector).expect("a valid selector"), fields: Vec::new() };
        parsed.matches(&labels)
    }

    #[test]
    fn label_selectors_choose_as_kubernetes_does() {
        let labels = json!({"app": "web", "tier": "front", "n": "7"});
        let rows = [
            ("", true),
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app!=web", false),
            ("missing!=web", true),
            ("app in (web, db)", true),
            ("app notin (web,db)", false),
            ("missing notin (x)", true),
            ("tier", true),
            ("!tier", false),
            ("!missing", true),
            ("n>6,n<8", true),
            ("n>7", false),
            ("app=", false),
        ];
        for (selector, want) in rows {
            assert_eq!(chooses(selector, &labels), want, "{selector}");
        }
        for bad in ["app in web)", "app in (web", "a b", "=x"] {
            assert!(parse_labels(bad).is_err(), "{bad}");
        }
    }
}
