//! What a CustomResourceDefinition must be before anything is served by it.

use serde_json::{Value, json};

use crate::error::Cause;

/// Returns what is wrong with a CRD: its name, its versions, and schemas that are not structural.
pub(crate) fn check(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let mut causes = Vec::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let name = &object["metadata"]["name"];
    if *name != format!("{plural}.{group}") {
        causes.push(Cause::invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group"));
    }
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else if !group.contains('.') {
        causes.push(Cause::invalid("spec.group", &spec["group"], "should be a domain with at least one dot"));
    }
    for field in ["kind", "plural"] {
        if text(&spec["names"][field]).is_empty() {
            causes.push(Cause::required(format!("spec.names.{field}"), ""));
        }
    }
    match spec["scope"].as_str().unwrap_or_default() {
        "Cluster" | "Namespaced" => {}
        "" => causes.push(Cause::required("spec.scope", "")),
        _ => {
            let allowed = ["Cluster", "Namespaced"].map(str::to_owned);
            causes.push(Cause::unsupported("spec.scope", &spec["scope"], &allowed));
        }
    }
    check_versions(spec, &mut causes);
    causes
}

fn check_versions(spec: &Value, causes: &mut Vec<Cause>) {
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &spec["versions"], why));
        causes.push(Cause::invalid("status.storedVersions", &json!([]), "must have at least one stored version"));
    }
    for (at, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{at}].schema.openAPIV3Schema");
        let Some(schema) = version["schema"].get("openAPIV3Schema").filter(|schema| schema.is_object()) else {
            causes.push(Cause::required(path, ""));
            continue;
        };
        // Upstream hoists the schema of an only version, and names it so.
        let path = if versions.len() == 1 { "spec.validation.openAPIV3Schema".to_owned() } else { path };
        check_schema(schema, &path, causes);
        match schema["type"].as_str().unwrap_or_default() {
            "object" => {}
            "" => causes.push(Cause::required(format!("{path}.type"), "must not be empty at the root")),
            _ => causes.push(Cause::invalid(format!("{path}.type"), &schema["type"], "must be object at the root")),
        }
    }
}

/// Refuses fields without a type, which could be neither pruned nor owned.
fn check_schema(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let has_type = |schema: &Value| {
        schema["type"].as_str().is_some_and(|kind| !kind.is_empty())
            || schema["x-kubernetes-int-or-string"] == true
            || schema["x-kubernetes-preserve-unknown-fields"] == true
    };
    let mut visit = |child: &Value, path: String, of: &str| {
        if !has_type(child) {
            let why = format!("must not be empty for specified {of}");
            causes.push(Cause::required(format!("{path}.type"), &why));
        }
        check_schema(child, &path, causes);
    };
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        visit(property, format!("{path}.properties[{name}]"), "object fields");
    }
    if schema["items"].is_object() {
        visit(&schema["items"], format!("{path}.items"), "array items");
    }
    if schema["additionalProperties"].is_object() {
        visit(&schema["additionalProperties"], format!("{path}.additionalProperties"), "object fields");
    }
}
