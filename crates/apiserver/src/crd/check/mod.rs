//! What a CustomResourceDefinition must be before anything is served by it
//! (k8s: `apiextensions/validation/validation.go`).
//!
//! Versions whose schema, subresources, columns or selectable fields are all alike have them hoisted to the top of the
//! spec, since that is how the real server keeps them and names them in its messages.

mod costs;
mod defaults;
mod dump;
mod path;
mod schema;
mod structural;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::names::{dns_1035_label, dns_1123_subdomain};
use crate::error::Cause;

/// Follows a path through a schema; returns it as messages print it.
pub(crate) fn find_field(path: &str, schema: &Value) -> Option<String> {
    path::find(path, schema, true).ok().map(|found| found.path)
}

/// Most selectable fields of a version.
const MAX_SELECTABLE: usize = 8;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// Returns what is wrong with a CRD, or with its succeeding `old`.
pub(crate) fn check(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &object["spec"];
    if old.is_none() {
        let name = &object["metadata"]["name"];
        if *name != format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"])) {
            causes.push(Cause::invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group"));
        }
    }
    check_spec(spec, old, &mut causes);
    if let Some(old) = old {
        check_immutable(spec, old, &mut causes);
    }
    check_names(&object["status"]["acceptedNames"], "status.acceptedNames", &mut causes);
    check_stored_versions(object, &mut causes);
    check_approval(object, old, &mut causes);
    if spec["preserveUnknownFields"] == true && old.is_none_or(|old| old["spec"]["preserveUnknownFields"] != true) {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema \
                   instead";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &json!(true), why));
    }
    causes
}

/// Returns what is wrong with a CRD whose status is written.
pub(crate) fn check_status(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check_names(&object["status"]["acceptedNames"], "status.acceptedNames", &mut causes);
    causes
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The parts of versions that are hoisted when they are alike.
const PARTS: [&str; 4] = ["schema", "subresources", "additionalPrinterColumns", "selectableFields"];

fn hoisted(versions: &[Value]) -> [bool; 4] {
    PARTS.map(|part| versions.first().is_some_and(|first| versions.iter().all(|it| it[part] == first[part])))
}

fn check_spec(spec: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    check_group(spec, causes);
    check_choice("spec.scope", &spec["scope"], &["Cluster", "Namespaced"], causes);
    let versions = list(&spec["versions"]);
    let alike = hoisted(versions);
    let schema_of = |version: &Value| version["schema"].get("openAPIV3Schema").cloned().filter(Value::is_object);
    let top = versions.first().filter(|_| alike[0]).and_then(schema_of);
    if top.is_none() {
        for (at, version) in versions.iter().enumerate() {
            if alike[0] || schema_of(version).is_none() {
                causes.push(Cause::required(format!("spec.versions[{at}].schema.openAPIV3Schema"), ""));
            }
        }
    }
    let mut seen = BTreeSet::new();
    let mut unique = true;
    for (at, version) in versions.iter().enumerate() {
        unique &= seen.insert(text(&version["name"]));
        let path = format!("spec.versions[{at}]");
        if let Some(why) = dns_1035_label(text(&version["name"])) {
            causes.push(Cause::invalid(format!("{path}.name"), &version["name"], why));
        }
        check_deprecation(version, &path, causes);
        if !alike[0] {
            let has_status = version["subresources"].get("status").is_some();
            check_schema(version, &format!("{path}.schema"), (has_status, has_same_schema(version, old)), causes);
        }
        if !alike[1] {
            check_subresources(&version["subresources"], &format!("{path}.subresources"), causes);
        }
        if !alike[2] {
            check_columns(&version["additionalPrinterColumns"], &format!("{path}.additionalPrinterColumns"), causes);
        }
        if !alike[3] {
            let path = format!("{path}.selectableFields");
            let is_kept = kept_selectable(version, old);
            // With the schema hoisted, upstream finds none here.
            let schema = schema_of(version).filter(|_| !alike[0]);
            let why = "may only be set when `version.schema.openAPIV3Schema` is not included";
            check_selectable(&version["selectableFields"], schema.as_ref(), &path, why, is_kept, causes);
        }
    }
    let all = || dump::versions(versions, alike);
    if !unique {
        causes.push(invalid_dump("spec.versions", &all(), "must contain unique version names"));
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(invalid_dump("spec.versions", &all(), why));
    }
    if let Some(first) = versions.first()
        && let Some(why) = dns_1035_label(text(&first["name"])).filter(|_| !text(&first["name"]).is_empty())
    {
        causes.push(Cause::invalid("spec.version", &first["name"], why));
    }
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(&spec["names"][field]).is_empty() {
            causes.push(Cause::required(format!("spec.names.{field}"), ""));
        }
    }
    check_names(&spec["names"], "spec.names", causes);
    if let Some(first) = versions.first() {
        if alike[0] && top.is_some() {
            let has_status = versions.iter().any(|version| version["subresources"].get("status").is_some());
            check_schema(first, "spec.validation", (has_status, has_same_schema(first, old)), causes);
        }
        if alike[1] {
            check_subresources(&first["subresources"], "spec.subresources", causes);
        }
        if alike[2] {
            check_columns(&first["additionalPrinterColumns"], "spec.additionalPrinterColumns", causes);
        }
        if alike[3] {
            let why = "may only be set when validations.schema is included";
            let is_kept = kept_selectable(first, old);
            check_selectable(&first["selectableFields"], top.as_ref(), "spec.selectableFields", why, is_kept, causes);
        }
    }
    check_conversion(spec, causes);
}

/// Makes the cause for a value printed beforehand.
fn invalid_dump(field: &str, value: &str, why: &str) -> Cause {
    Cause { reason: "FieldValueInvalid", message: format!("Invalid value: {value}: {why}"), field: field.to_owned() }
}

fn check_group(spec: &Value, causes: &mut Vec<Cause>) {
    let group = text(&spec["group"]);
    let wrong = dns_1123_subdomain(group);
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else if !wrong.is_empty() {
        causes.push(Cause::invalid("spec.group", &spec["group"], wrong.join(",")));
    } else if !group.contains('.') {
        causes.push(Cause::invalid("spec.group", &spec["group"], "should be a domain with at least one dot"));
    }
}

fn check_choice(field: &str, value: &Value, allowed: &[&str], causes: &mut Vec<Cause>) {
    let chosen = text(value);
    if chosen.is_empty() {
        causes.push(Cause::required(field, ""));
    } else if !allowed.contains(&chosen) {
        let allowed: Vec<String> = allowed.iter().map(|word| (*word).to_owned()).collect();
        causes.push(Cause::unsupported(field, value, &allowed));
    }
}

fn check_deprecation(version: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(warning) = version["deprecationWarning"].as_str() else { return };
    let mut refuse = |why: String| {
        causes.push(Cause::invalid(format!("{path}.deprecationWarning"), &version["deprecationWarning"], why));
    };
    if version["deprecated"] != true {
        refuse("can only be set for deprecated versions".to_owned());
        return;
    }
    if warning.len() > 256 {
        refuse("must be <= 256 characters long".to_owned());
    }
    if warning.is_empty() {
        refuse("must not be an empty string".to_owned());
    }
    if let Some((at, _)) = warning.char_indices().find(|(_, letter)| letter.is_control()) {
        refuse(format!("must only contain printable UTF-8 characters; non-printable character found at index {at}"));
    }
}

/// Returns whether a version's schema is what it was in the old CRD.
fn has_same_schema(version: &Value, old: Option<&Value>) -> bool {
    let before = old.map(|old| list(&old["spec"]["versions"])).unwrap_or_default();
    before.iter().any(|old| old["name"] == version["name"] && old["schema"] == version["schema"])
}

fn check_schema(version: &Value, path: &str, (has_status, is_old): (bool, bool), causes: &mut Vec<Cause>) {
    let Some(schema) = version["schema"].get("openAPIV3Schema").filter(|schema| schema.is_object()) else { return };
    let path = format!("{path}.openAPIV3Schema");
    if has_status {
        check_root(schema, &path, causes);
    }
    if schema["nullable"] == true {
        causes.push(Cause::forbidden(format!("{path}.nullable"), "nullable cannot be true at the root"));
    }
    let mut wrong = structural::check(schema, &path);
    if wrong.is_empty() {
        wrong = defaults::check(schema, &path);
    }
    let with_rules = wrong.is_empty();
    causes.extend(wrong);
    causes.extend(schema::check(schema, &path, with_rules, is_old));
}

/// With a status of its own, the root may say only what can be said of the status apart.
fn check_root(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    const ALLOWED: [&str; 22] = [
        "Description",
        "Type",
        "Format",
        "Title",
        "Maximum",
        "ExclusiveMaximum",
        "Minimum",
        "ExclusiveMinimum",
        "MaxLength",
        "MinLength",
        "Pattern",
        "MaxItems",
        "MinItems",
        "UniqueItems",
        "MultipleOf",
        "Required",
        "Items",
        "Properties",
        "ExternalDocs",
        "Example",
        "XPreserveUnknownFields",
        "XValidations",
    ];
    for name in dump::set_fields(schema) {
        if name == "Type" && schema["type"] != "object" {
            let why =
                "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
            causes.push(Cause::invalid(format!("{path}.type"), &schema["type"], why));
            return;
        }
        if !ALLOWED.contains(&name) {
            let why = format!(
                "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
                ALLOWED.join(" ")
            );
            causes.push(invalid_dump(path, &dump::schema(schema), &why));
            return;
        }
    }
}

fn check_subresources(subresources: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(scale) = subresources.get("scale").filter(|scale| scale.is_object()) else { return };
    for (field, root) in [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")] {
        let (value, path) = (text(&scale[field]), format!("{path}.scale.{field}"));
        if value.is_empty() {
            causes.push(Cause::required(path, ""));
        } else if !value.starts_with('.') {
            causes.push(Cause::invalid(path, &scale[field], "must be a simple json path starting with ."));
        } else if !value.starts_with(root) {
            let why = format!("should be a json path under {}", root.trim_end_matches('.'));
            causes.push(Cause::invalid(path, &scale[field], why));
        }
    }
    let (value, path) = (text(&scale["labelSelectorPath"]), format!("{path}.scale.labelSelectorPath"));
    if value.is_empty() {
        return;
    }
    if !value.starts_with('.') {
        causes.push(Cause::invalid(path, &json!(value), "must be a simple json path starting with ."));
    } else if !value.starts_with(".spec.") && !value.starts_with(".status.") {
        causes.push(Cause::invalid(path, &json!(value), "should be a json path under either .spec or .status"));
    }
}

fn check_columns(columns: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (at, column) in list(columns).iter().enumerate() {
        let field = |name: &str| format!("{path}[{at}].{name}");
        if text(&column["name"]).is_empty() {
            causes.push(Cause::required(field("name"), ""));
        }
        let types = format!("must be one of {}", COLUMN_TYPES.join(","));
        let kind = text(&column["type"]);
        if kind.is_empty() {
            causes.push(Cause::required(field("type"), &types));
        } else if !COLUMN_TYPES.contains(&kind) {
            causes.push(Cause::invalid(field("type"), &column["type"], types));
        }
        let format = text(&column["format"]);
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            let why = format!("must be one of {}", COLUMN_FORMATS.join(","));
            causes.push(Cause::invalid(field("format"), &column["format"], why));
        }
        let path = text(&column["jsonPath"]);
        if path.is_empty() {
            causes.push(Cause::required(field("JSONPath"), ""));
        } else if !path.starts_with('.') {
            let why = "must be a simple json path starting with .";
            causes.push(Cause::invalid(field("JSONPath"), &column["jsonPath"], why));
        }
    }
}

/// Too many selectable fields may stay if they were there before.
fn kept_selectable(version: &Value, old: Option<&Value>) -> bool {
    old.is_some_and(|old| {
        list(&old["spec"]["versions"]).iter().any(|before| {
            before["name"] == version["name"]
                && list(&before["selectableFields"]).len() > MAX_SELECTABLE
                && before["selectableFields"] == version["selectableFields"]
        })
    })
}

fn check_selectable(
    fields: &Value,
    schema: Option<&Value>,
    path: &str,
    without_schema: &str,
    is_kept: bool,
    causes: &mut Vec<Cause>,
) {
    let fields = list(fields);
    if fields.is_empty() {
        return;
    }
    let Some(schema) = schema else {
        causes.push(Cause::invalid(path, &json!(""), without_schema));
        return;
    };
    let mut seen = BTreeSet::new();
    for (at, field) in fields.iter().enumerate() {
        let (value, path) = (&field["jsonPath"], format!("{path}[{at}].jsonPath"));
        if text(value).is_empty() {
            causes.push(Cause::required(path, ""));
            continue;
        }
        let found = match path::find(text(value), schema, false) {
            Ok(found) => found,
            Err(why) => {
                causes.push(Cause::invalid(path, value, format!("is an invalid path: {why}")));
                continue;
            }
        };
        if found.root == "metadata" {
            causes.push(Cause::invalid(path.clone(), value, "must not point to fields in metadata"));
        }
        if !["string", "boolean", "integer"].contains(&text(&found.schema["type"])) {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                       formats are allowed.";
            causes.push(Cause::invalid(path.clone(), value, why));
        }
        if !seen.insert(found.path) {
            causes.push(Cause::duplicate(path, value));
        }
    }
    if seen.len() > MAX_SELECTABLE && !is_kept {
        let message = format!("Too many: {}: must have at most {MAX_SELECTABLE} items", seen.len());
        causes.push(Cause { reason: "FieldValueTooMany", message, field: path.to_owned() });
    }
}

fn check_names(names: &Value, path: &str, causes: &mut Vec<Cause>) {
    let mixed = |why: String| format!("may have mixed case, but should otherwise match: {why}");
    for field in ["plural", "singular", "kind", "listKind"] {
        let value = text(&names[field]);
        let is_kind = field == "kind" || field == "listKind";
        let tested = if is_kind { value.to_lowercase() } else { value.to_owned() };
        if !value.is_empty()
            && let Some(why) = dns_1035_label(&tested)
        {
            let why = if is_kind { mixed(why) } else { why };
            causes.push(Cause::invalid(format!("{path}.{field}"), &names[field], why));
        }
    }
    let mut check_list = |field: &str| {
        for (at, name) in list(&names[field]).iter().enumerate() {
            if let Some(why) = dns_1035_label(text(name)) {
                causes.push(Cause::invalid(format!("{path}.{field}[{at}]"), name, why));
            }
        }
    };
    check_list("shortNames");
    check_list("categories");
    if !text(&names["kind"]).is_empty() && names["kind"] == names["listKind"] {
        let why = "kind and listKind may not be the same";
        let at = causes.iter().position(|cause| cause.field.starts_with(&format!("{path}.categories")));
        let cause = Cause::invalid(format!("{path}.listKind"), &names["listKind"], why);
        causes.insert(at.unwrap_or(causes.len()), cause);
    }
}

fn check_conversion(spec: &Value, causes: &mut Vec<Cause>) {
    let Some(conversion) = spec.get("conversion").filter(|conversion| conversion.is_object()) else { return };
    if spec["preserveUnknownFields"] == true && conversion["strategy"] != "None" {
        let why = "must be None if spec.preserveUnknownFields is true";
        causes.push(Cause::invalid("spec.conversion.strategy", &conversion["strategy"], why));
    }
    check_choice("spec.conversion.strategy", &conversion["strategy"], &["None", "Webhook"], causes);
    let (webhook, client) = (&conversion["webhook"], "spec.conversion.webhookClientConfig");
    let config = webhook.get("clientConfig").filter(|config| config.is_object());
    let reviewed = list(&webhook["conversionReviewVersions"]);
    let field = "spec.conversion.conversionReviewVersions";
    if conversion["strategy"] != "Webhook" {
        let why = "should not be set when strategy is not set to Webhook";
        if config.is_some() {
            causes.push(Cause::forbidden(client, why));
        }
        if !reviewed.is_empty() {
            causes.push(Cause::forbidden(field, why));
        }
        return;
    }
    match config {
        None => causes.push(Cause::required(client, "required when strategy is set to Webhook")),
        Some(config) => causes.extend(crate::webhooks::check_client(config, client)),
    }
    if reviewed.is_empty() {
        causes.push(Cause::required(field, ""));
        return;
    }
    let mut seen = BTreeSet::new();
    for (at, version) in reviewed.iter().enumerate() {
        if !seen.insert(text(version)) {
            causes.push(Cause::invalid(format!("{field}[{at}]"), version, "duplicate version"));
        } else if let Some(why) = dns_1035_label(text(version)) {
            causes.push(Cause::invalid(format!("{field}[{at}]"), version, why));
        }
    }
    if !seen.contains("v1") && !seen.contains("v1beta1") {
        causes.push(Cause::invalid(field, &json!(reviewed), "must include at least one of v1, v1beta1"));
    }
}

fn check_immutable(spec: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let mut keep = |field: &str| {
        let pointer = format!("/{}", field.replace('.', "/"));
        let (new, before) = (spec.pointer(&pointer), old["spec"].pointer(&pointer));
        if new != before {
            let value = new.cloned().unwrap_or_else(|| json!(""));
            causes.push(Cause::invalid(format!("spec.{field}"), &value, "field is immutable"));
        }
    };
    if super::has_condition(old, "Established") {
        keep("scope");
        keep("names.kind");
    }
    keep("group");
    keep("names.plural");
}

fn check_stored_versions(object: &Value, causes: &mut Vec<Cause>) {
    let field = "status.storedVersions";
    let stored = list(&object["status"]["storedVersions"]);
    if stored.is_empty() {
        let value = &object["status"]["storedVersions"];
        causes.push(Cause::invalid(field, value, "must have at least one stored version"));
        return;
    }
    let versions = list(&object["spec"]["versions"]);
    let mut awaited: Vec<&Value> = stored.iter().collect();
    for version in versions {
        let found = awaited.iter().position(|name| **name == version["name"]).map(|at| awaited.remove(at));
        if found.is_none() && version["storage"] == true {
            let why = format!("must have the storage version {}", text(&version["name"]));
            causes.push(Cause::invalid(field, &json!(stored), why));
        }
    }
    for (at, name) in stored.iter().enumerate() {
        if !versions.iter().any(|version| version["name"] == *name) {
            let name_text = text(name);
            let why = format!(
                "missing from spec.versions; {name_text} was previously a storage version, and must remain in \
                 spec.versions until a storage migration ensures no data remains persisted in {name_text} and removes \
                 {name_text} from status.storedVersions"
            );
            causes.push(Cause::invalid(format!("{field}[{at}]"), name, why));
        }
    }
}

const APPROVAL: &str = "api-approved.kubernetes.io";

/// How far a CRD in one of Kubernetes' own groups is approved of, with the words for it.
fn approval(object: &Value) -> (&'static str, String) {
    let given = text(&object["metadata"]["annotations"][APPROVAL]);
    if given.is_empty() {
        return (
            "missing",
            "protected groups must have approval annotation \"api-approved.kubernetes.io\", see \
             https://github.com/kubernetes/enhancements/pull/1111"
                .to_owned(),
        );
    }
    if given.starts_with("unapproved") {
        return ("bypassed", format!("not approved: {given:?}"));
    }
    let is_url = given
        .split_once("://")
        .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.split('/').next().unwrap_or_default().is_empty());
    if is_url {
        ("approved", format!("approved in {given}"))
    } else {
        (
            "invalid",
            "protected groups must have approval annotation \"api-approved.kubernetes.io\" with either a URL or a \
             reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111"
                .to_owned(),
        )
    }
}

/// Returns whether a group is one of Kubernetes' own, whose CRDs need approval.
fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"].iter().any(|suffix| group == *suffix || group.ends_with(&format!(".{suffix}")))
}

/// Returns the condition that tells of the approval.
pub(crate) fn approval_condition(object: &Value) -> Option<Value> {
    if !is_protected(text(&object["spec"]["group"])) {
        return None;
    }
    let (state, message) = approval(object);
    let (status, reason) = match state {
        "approved" => ("True", "ApprovedAnnotation"),
        "bypassed" => ("False", "UnapprovedAnnotation"),
        "invalid" => ("False", "InvalidAnnotation"),
        _ => ("False", "MissingAnnotation"),
    };
    Some(json!({
        "type": "KubernetesAPIApprovalPolicyConformant", "status": status, "reason": reason, "message": message,
    }))
}

fn check_approval(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    if !is_protected(text(&object["spec"]["group"])) {
        return;
    }
    let (state, why) = approval(object);
    if old.is_some_and(|old| approval(old).0 == state) {
        return;
    }
    let field = format!("metadata.annotations[{APPROVAL}]");
    match state {
        "missing" => causes.push(Cause::required(field, &why)),
        "invalid" => causes.push(Cause::invalid(field, &object["metadata"]["annotations"][APPROVAL], why)),
        _ => {}
    }
}
