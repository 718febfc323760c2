//! Label and field selectors.

mod fields;
mod labels;

use serde_json::Value;

use crate::error::ApiError;
use crate::resource::Resource;

/// Which objects a list or watch is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selectors {
    labels: Vec<labels::Requirement>,
    fields: Vec<fields::Term>,
}

impl Selectors {
    /// Reads the two query parameters; what they mean for a kind is left to [`Selectors::translate`].
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Self, ApiError> {
        Ok(Self {
            labels: labels::parse(labels).map_err(ApiError::bad_request)?,
            fields: fields::parse(fields).map_err(ApiError::bad_request)?,
        })
    }

    /// Gives the fields the names the kind stores them by, or refuses those it cannot be selected by.
    pub(crate) fn translate(&mut self, resource: &Resource) -> Result<(), ApiError> {
        fields::translate(resource, &mut self.fields).map_err(ApiError::bad_request)
    }

    /// Narrows the choice to one name; refuses when the fields ask for anything else.
    pub(crate) fn require_name(&mut self, name: &str) -> Result<(), ApiError> {
        if self.fields.is_empty() {
            self.fields.push(fields::Term::name(name));
        }
        if self.name() == Some(name) {
            Ok(())
        } else {
            Err(ApiError::bad_request("fieldSelector metadata.name doesn't match requested name"))
        }
    }

    /// Returns the one name that is chosen, if only one can be.
    pub(crate) fn name(&self) -> Option<&str> {
        self.fields.iter().find_map(|term| term.required("metadata.name"))
    }

    /// Returns the one namespace that is chosen, if only one can be.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.fields.iter().find_map(|term| term.required("metadata.namespace")).filter(|name| !name.is_empty())
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Returns whether an object, in the version the selectors were written for, is chosen.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.holds(labels.get(requirement.key()).and_then(Value::as_str)))
            && self.fields.iter().all(|term| term.holds(object))
    }
}

/// Prints a `metav1.LabelSelector` as the text `/scale` shows.
pub(crate) fn print_label_selector(selector: &Value) -> String {
    let is_typed = selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some();
    let labels = if is_typed { &selector["matchLabels"] } else { selector };
    // By key, as upstream sorts its requirements.
    let mut terms: Vec<(String, String)> = labels
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| value.as_str().map(|value| (key.clone(), format!("{key}={value}"))))
        .collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let mut values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let term = match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        terms.push((key.to_owned(), term));
    }
    terms.sort_by(|a, b| a.0.cmp(&b.0));
    let terms: Vec<String> = terms.into_iter().map(|(_, term)| term).collect();
    terms.join(",")
}
