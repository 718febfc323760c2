//! Field selectors: `status.phase=Running,metadata.name!=a`, and which fields each kind can be selected by.
//!
//! Follows `apimachinery/pkg/fields`, the kinds' field label conversions and the registries' field sets, v1.35.4.

use serde_json::Value;

use crate::resource::Resource;

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    path: String,
    value: String,
    equal: bool,
}

/// The fields of a kind, and the words for one that is not among them.
struct Selectable {
    group: &'static str,
    plural: &'static str,
    /// Fields besides the name; of one written `a>b` clients say `a` and objects `b`.
    fields: &'static [&'static str],
    refusal: Refusal,
}

#[derive(Clone, Copy)]
enum Refusal {
    Plain,
    Job,
    ResourceSlice,
}

const fn row(group: &'static str, plural: &'static str, fields: &'static [&'static str]) -> Selectable {
    Selectable { group, plural, fields, refusal: Refusal::Plain }
}

/// Kinds with fields of their own, or without a namespace to be selected by.
const KINDS: &[Selectable] = &[
    row(
        "",
        "events",
        &[
            "metadata.namespace",
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.resourceVersion",
            "involvedObject.uid",
            "reason",
            "reportingComponent",
            "source>source.component",
            "type",
        ],
    ),
    row("", "namespaces", &["status.phase"]),
    row("", "nodes", &["spec.unschedulable"]),
    row(
        "",
        "pods",
        &[
            "metadata.namespace",
            "spec.host>spec.nodeName",
            "spec.hostNetwork",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.nominatedNodeName",
            "status.phase",
            "status.podIP",
            // Taken, but no pod is ever known by it.
            "status.podIPs>",
        ],
    ),
    row("", "replicationcontrollers", &["metadata.namespace", "status.replicas"]),
    row("", "secrets", &["metadata.namespace", "type"]),
    row("", "services", &["metadata.namespace", "spec.clusterIP", "spec.type"]),
    Selectable {
        group: "batch",
        plural: "jobs",
        fields: &["metadata.namespace", "status.successful>status.succeeded"],
        refusal: Refusal::Job,
    },
    row("certificates.k8s.io", "certificatesigningrequests", &["spec.signerName"]),
    row(
        "events.k8s.io",
        "events",
        &[
            "metadata.namespace",
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
    Selectable {
        group: "resource.k8s.io",
        plural: "resourceslices",
        fields: &["spec.driver", "spec.nodeName"],
        refusal: Refusal::ResourceSlice,
    },
];

/// Reads a selector; the error is the whole message.
pub(super) fn parse(text: &str) -> Result<Vec<Term>, String> {
    let mut parts = split_terms(text);
    parts.sort_unstable();
    parts.into_iter().filter(|part| !part.is_empty()).map(|part| parse_term(text, part)).collect()
}

/// Splits at commas that no backslash stands before.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_term(whole: &str, part: &str) -> Result<Term, String> {
    let at = part.char_indices().find_map(|(at, _)| {
        ["!=", "==", "="].into_iter().find(|operator| part[at..].starts_with(operator)).map(|operator| (at, operator))
    });
    let Some((at, operator)) = at else {
        return Err(format!("invalid selector: '{whole}'; can't understand '{part}'"));
    };
    let value = unescape(&part[at + operator.len()..])?;
    Ok(Term { path: part[..at].to_owned(), value, equal: operator != "!=" })
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(next @ ('\\' | ',' | '=')) => out.push(next),
                Some(next) => return Err(format!("invalid field selector: invalid escape sequence: \\{next}")),
                None => return Err("invalid field selector: invalid escape sequence: \\".to_owned()),
            },
            ',' | '=' => {
                return Err(format!("invalid field selector: unescaped character in value: {}", u32::from(letter)));
            }
            _ => out.push(letter),
        }
    }
    Ok(out)
}

/// Puts the stored names of fields in place of those clients use; the error is the whole message.
pub(super) fn translate(resource: &Resource, terms: &mut [Term]) -> Result<(), String> {
    terms.iter_mut().try_for_each(|term| {
        term.path = stored_name(resource, &term.path)?;
        Ok(())
    })
}

fn stored_name(resource: &Resource, path: &str) -> Result<String, String> {
    if path == "metadata.name" {
        return Ok(path.to_owned());
    }
    if let Some(custom) = resource.custom() {
        let known = (path == "metadata.namespace" && resource.namespaced)
            || custom.selectable_fields.iter().any(|have| have == path);
        return if known { Ok(path.to_owned()) } else { Err(format!("field label not supported: {path}")) };
    }
    let Some(kind) = KINDS.iter().find(|kind| resource.is(kind.group, kind.plural)) else {
        if path == "metadata.namespace" {
            return Ok(path.to_owned());
        }
        return Err(format!("{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""));
    };
    let found = kind.fields.iter().find_map(|field| {
        let (said, stored) = field.split_once('>').unwrap_or((field, field));
        (said == path).then(|| stored.to_owned())
    });
    found.ok_or_else(|| match kind.refusal {
        Refusal::Plain => format!("field label not supported: {path}"),
        Refusal::Job => format!("field label {path:?} not supported for Job"),
        Refusal::ResourceSlice => {
            format!("field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {path}")
        }
    })
}

impl Term {
    /// Asks for one name.
    pub(super) fn name(name: &str) -> Self {
        Self { path: "metadata.name".to_owned(), value: name.to_owned(), equal: true }
    }

    /// Returns the value a field must have, if this asks for one.
    pub(super) fn required(&self, path: &str) -> Option<&str> {
        (self.equal && self.path == path).then_some(self.value.as_str())
    }

    pub(super) fn holds(&self, object: &Value) -> bool {
        (read(object, &self.path) == self.value) == self.equal
    }
}

/// Reads a field as selectors compare it: absent texts are empty, absent numbers `0`, absent booleans `false`.
fn read(object: &Value, path: &str) -> String {
    match path.split('.').fold(object, |at, step| &at[step]) {
        Value::String(text) => text.clone(),
        Value::Null => match path {
            "status.succeeded" | "status.replicas" => "0".to_owned(),
            "spec.unschedulable" | "spec.hostNetwork" => "false".to_owned(),
            "source.component" => read(object, "reportingComponent"),
            _ => String::new(),
        },
        Value::Object(_) | Value::Array(_) => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_unescaped_and_terms_sorted() {
        let terms = parse(r"b!=x\,y,,a==p\\q").expect("a valid selector");
        let told: Vec<_> = terms.iter().map(|term| (term.path.as_str(), term.value.as_str(), term.equal)).collect();
        assert_eq!(told, [("a", r"p\q", true), ("b", "x,y", false)]);
        assert_eq!(parse("a=b=c"), Err("invalid field selector: unescaped character in value: 61".to_owned()));
        assert_eq!(parse(r"a=b\"), Err(r"invalid field selector: invalid escape sequence: \".to_owned()));
        assert_eq!(parse("x,y=1"), Err("invalid selector: 'x,y=1'; can't understand 'x'".to_owned()));
    }
}
