//! Selectors in reviews of access: checked and read, although no rule of RBAC looks at them.

use serde_json::{Value, json};

use crate::error::Cause;
use crate::selector::Selectors;

/// Returns what is wrong with a `fieldSelector` or `labelSelector` of a review.
pub(crate) fn mistakes(selector: &Value, path: &str) -> Vec<Cause> {
    let raw = selector["rawSelector"].as_str().unwrap_or_default();
    let requirements = selector["requirements"].as_array().map_or(&[][..], Vec::as_slice);
    let mut out = Vec::new();
    if !raw.is_empty() && !requirements.is_empty() {
        let why = "may not specified at the same time as requirements";
        out.push(Cause::invalid(format!("{path}.rawSelector"), &json!(raw), why));
    }
    if raw.is_empty() && requirements.is_empty() {
        let why = format!("when {path} is specified, requirements or rawSelector is required");
        out.push(Cause::required(format!("{path}.requirements"), &why));
    }
    for (at, requirement) in requirements.iter().enumerate() {
        let path = format!("{path}.requirements[{at}]");
        let key = requirement["key"].as_str().unwrap_or_default();
        if path.contains("fieldSelector") && key.is_empty() {
            out.push(Cause::required(format!("{path}.key"), "must be specified"));
        }
        let has_values = requirement["values"].as_array().is_some_and(|values| !values.is_empty());
        match requirement["operator"].as_str().unwrap_or_default() {
            "In" | "NotIn" if !has_values => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                out.push(Cause::required(format!("{path}.values"), why));
            }
            "Exists" | "DoesNotExist" if has_values => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                out.push(Cause::forbidden(format!("{path}.values"), why));
            }
            // Words of servers to come are let pass, so that those can ask this one.
            _ => {}
        }
        if path.contains("labelSelector") {
            let problems = crate::builtins::label_key(key);
            out.extend(problems.into_iter().map(|why| Cause::invalid(format!("{path}.key"), &json!(key), why)));
        }
    }
    out
}

/// Returns how much of a selector is ignored because it cannot be read: `None` when nothing is.
pub(crate) fn ignored_part(key: &str, selector: &Value) -> Option<&'static str> {
    let requirements = selector["requirements"].as_array().map_or(&[][..], Vec::as_slice);
    if requirements.is_empty() {
        let raw = selector["rawSelector"].as_str().unwrap_or_default();
        let is_read = match key {
            "labelSelector" => Selectors::parse(raw, "").is_ok(),
            _ => Selectors::parse("", raw).is_ok(),
        };
        return (!is_read).then_some("ignored");
    }
    let is_read = |requirement: &&Value| {
        let count = requirement["values"].as_array().map_or(0, Vec::len);
        match requirement["operator"].as_str().unwrap_or_default() {
            "In" | "NotIn" => key == "labelSelector" || count == 1,
            "Exists" | "DoesNotExist" => key == "labelSelector",
            _ => false,
        }
    };
    let read = requirements.iter().filter(is_read).count();
    if read == requirements.len() {
        None
    } else if read == 0 {
        Some("ignored")
    } else {
        Some("partially ignored")
    }
}
