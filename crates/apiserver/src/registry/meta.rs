//! Metadata: what a body may claim about itself, and which names, labels and finalizers are allowed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Target, WriteOptions, finalizers, is_terminating, meta_text, metadata};
use crate::builtins::Builtins;
use crate::builtins::names::{self, is_dns_label};
use crate::error::{ApiError, Cause};
use crate::resource::Resource;

/// Largest total of annotation keys and values (k8s: `apimachinery/pkg/api/validation`).
const MAX_ANNOTATION_BYTES: usize = 256 * 1024;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                         and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                         validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                     start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
                     validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                             alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or \
                             'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

/// How a warning goes on about owners that were there twice after others had changed an object.
pub(super) const AFTER_ADMISSION: &str = " after mutating admission happens";

/// Takes out owners that a list names again, with a word to whoever wrote it.
pub(super) fn tell_owners_apart(object: &mut Value, when: &str, options: &mut WriteOptions) {
    let Some(owners) = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) else { return };
    let mut kept: Vec<Value> = Vec::new();
    let (once, again): (Vec<Value>, Vec<Value>) = std::mem::take(owners).into_iter().partition(|owner| {
        let is_new = !kept.contains(owner);
        if is_new {
            kept.push(owner.clone());
        }
        is_new
    });
    *owners = once;
    if !again.is_empty() {
        let uids: Vec<&str> = again.iter().filter_map(|owner| owner["uid"].as_str()).collect();
        options.warnings.push(format!(
            ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and \
             may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            uids.join(", ")
        ));
    }
}

/// Refuses a body that is about something else than the target, and fills in what it leaves out.
pub(super) fn check_identity(target: &Target<'_>, object: &mut Value) -> Result<(), ApiError> {
    check_kind_of(target, object)?;
    check_names_given(target, object)
}

/// Refuses a body that is no object of the target's kind.
pub(super) fn check_kind_of(target: &Target<'_>, object: &mut Value) -> Result<(), ApiError> {
    let resource = target.resource;
    if !object.is_object() {
        return Err(ApiError::bad_request("couldn't get version/kind; json parse error: the body is no object"));
    }
    check_kind(resource, object)?;
    if resource.custom().is_some() {
        check_types(resource, object)?;
    }
    object["apiVersion"] = json!(resource.api_version());
    object["kind"] = json!(resource.kind);
    Ok(())
}

/// Refuses a body with other names than the target's.
pub(super) fn check_names_given(target: &Target<'_>, object: &mut Value) -> Result<(), ApiError> {
    let resource = target.resource;
    let name = meta_text(object, "name");
    if !name.is_empty() && !target.name.is_empty() && name != target.name {
        let message = format!("the name of the object ({name}) does not match the name on the URL ({})", target.name);
        return Err(ApiError::bad_request(message));
    }
    let namespace = meta_text(object, "namespace");
    if resource.namespaced && !namespace.is_empty() && namespace != target.namespace {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(message));
    }
    let namespace = target.namespace;
    if resource.namespaced && !namespace.is_empty() {
        metadata(object).insert("namespace".to_owned(), json!(namespace));
    }
    Ok(())
}

/// Refuses an object of another namespace than the request's.
pub(super) fn check_request_namespace(target: &Target<'_>, object: &Value) -> Result<(), ApiError> {
    let namespace = meta_text(object, "namespace");
    if target.resource.namespaced && !namespace.is_empty() && namespace != target.namespace {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(message));
    }
    Ok(())
}

/// Refuses an object whose names are not those of the URL.
pub(super) fn check_names(target: &Target<'_>, object: &Value) -> Result<(), ApiError> {
    check_request_namespace(target, object)?;
    let url = target.name;
    match meta_text(object, "name") {
        "" => Err(ApiError::bad_request(format!(
            "the name of the object ({url} based on URL) was undeterminable: name must be provided"
        ))),
        name if name != url => {
            let message = format!("the name of the object ({name}) does not match the name on the URL ({url})");
            Err(ApiError::bad_request(message))
        }
        _ => Ok(()),
    }
}

fn check_kind(resource: &Resource, object: &Value) -> Result<(), ApiError> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let want = resource.api_version();
    let is_custom = resource.custom().is_some();
    if is_custom && kind.is_empty() {
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing in '{object}'",
            resource.kind
        )));
    }
    let given = if version.is_empty() && !is_custom { &want } else { version };
    let (group, bare_version) = crate::resource::split_api_version(given);
    if given != want {
        let known = is_custom || Builtins::get().knows(group, bare_version, kind);
        let message = if known {
            format!("the API version in the data ({given}) does not match the expected API version ({want})")
        } else {
            format!(
                "{kind} in version {bare_version:?} cannot be handled as a {}: no kind {kind:?} is registered for version \
                 {given:?} in scheme \"pkg/runtime/scheme.go:111\"",
                resource.kind
            )
        };
        return Err(ApiError::bad_request(message));
    }
    if kind.is_empty() || kind == resource.kind {
        return Ok(());
    }
    if is_custom {
        let cause = Cause::invalid("kind", &json!(kind), format!("must be {}", resource.kind));
        return Err(ApiError::invalid(&resource.group, kind, meta_text(object, "name"), vec![cause]));
    }
    // It is read as what it says it is before that turns out to be something else.
    if let Err(error) = Builtins::get().normalize(group, bare_version, kind, &mut object.clone()) {
        return Err(ApiError::bad_request(format!(
            "{kind} in version {bare_version:?} cannot be handled as a {}: {error}",
            resource.kind
        )));
    }
    let package = group.split('.').next().filter(|name| !name.is_empty()).unwrap_or("core");
    Err(ApiError::bad_request(format!(
        "{kind} in version {bare_version:?} cannot be handled as a {want}: converting ({bare_version}.{kind}) to \
         ({package}.{want}): unknown conversion",
        want = resource.kind
    )))
}

/// Refuses metadata of the wrong JSON types, which would otherwise be taken for absent.
fn check_types(resource: &Resource, object: &Value) -> Result<(), ApiError> {
    let prefix = if resource.custom().is_some() { "" } else { "metadata." };
    let wrong = |field: &str, found: &Value, want: &str| {
        let found = match found {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) | Value::Null => "object",
        };
        ApiError::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: json: cannot unmarshal {found} into Go struct \
             field ObjectMeta.{prefix}{field} of type {want}",
            kind = resource.kind,
            version = resource.version,
        ))
    };
    let Some(meta) = object.get("metadata").and_then(Value::as_object) else { return Ok(()) };
    for field in ["name", "namespace", "generateName", "uid", "resourceVersion"] {
        if let Some(value) = meta.get(field).filter(|value| !value.is_null() && !value.is_string()) {
            return Err(wrong(field, value, "string"));
        }
    }
    for field in ["annotations", "labels"] {
        let Some(value) = meta.get(field).filter(|value| !value.is_null()) else { continue };
        let Some(map) = value.as_object() else { return Err(wrong(field, value, "map[string]string")) };
        if let Some(value) = map.values().find(|value| !value.is_string() && !value.is_null()) {
            return Err(wrong(field, value, "string"));
        }
    }
    for field in ["finalizers", "ownerReferences"] {
        if let Some(value) = meta.get(field).filter(|value| !value.is_null() && !value.is_array()) {
            return Err(wrong(field, value, "[]string"));
        }
    }
    Ok(())
}

/// Returns what is wrong with an object's metadata, or with that of its successor.
///
/// Upstream looks at a successor three times: as at any object, as at any successor, and as at one of its kind.
pub(crate) fn validate(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if old.is_none() {
        validate_name(resource, meta_text(object, "name"), &mut causes);
    }
    validate_whole(object, &mut causes);
    for old in old.into_iter().flat_map(|old| [old, old]) {
        validate_new_finalizers(object, old, &mut causes);
        validate_parts(object, &mut causes);
    }
    causes
}

/// Checks what any object may have.
fn validate_whole(object: &Value, causes: &mut Vec<Cause>) {
    validate_parts(object, causes);
    for name in finalizers(object) {
        validate_key("metadata.finalizers", name, name, causes);
    }
}

/// Checks labels, annotations and owners.
fn validate_parts(object: &Value, causes: &mut Vec<Cause>) {
    let labels = object["metadata"]["labels"].as_object();
    for (key, value) in labels.into_iter().flatten() {
        validate_key("metadata.labels", key, key, causes);
        let problems = names::label_value(value.as_str().unwrap_or_default());
        causes.extend(problems.into_iter().map(|problem| Cause::invalid("metadata.labels", value, problem)));
    }
    let mut bytes = 0;
    for (key, value) in object["metadata"]["annotations"].as_object().into_iter().flatten() {
        validate_key("metadata.annotations", key, &key.to_lowercase(), causes);
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > MAX_ANNOTATION_BYTES {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {MAX_ANNOTATION_BYTES} bytes"),
            field: "metadata.annotations".to_owned(),
        });
    }
    validate_owners(object, causes);
}

/// Checks that what is being deleted waits for nothing new.
fn validate_new_finalizers(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    if !is_terminating(old) {
        return;
    }
    let before: BTreeSet<&str> = finalizers(old).into_iter().collect();
    let new: Vec<String> =
        finalizers(object).into_iter().filter(|name| !before.contains(name)).map(|name| format!("{name:?}")).collect();
    if !new.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            new.join(", ")
        );
        causes.push(Cause::forbidden("metadata.finalizers", &why));
    }
}

/// Returns what is wrong with the metadata of a resource inside of another; its name is checked elsewhere.
pub(crate) fn validate_embedded(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    validate_whole(object, &mut causes);
    causes
}

fn validate_owners(object: &Value, causes: &mut Vec<Cause>) {
    let owners: Vec<&Value> = crate::owners::references(object).collect();
    for owner in &owners {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner[field].as_str().unwrap_or_default().is_empty() {
                let field = format!("metadata.ownerReferences.{field}");
                let why = if field.ends_with("apiVersion") { "version must not be empty" } else { "must not be empty" };
                causes.push(Cause::invalid(field, &json!(""), why));
            }
        }
    }
    if owners.iter().filter(|owner| owner["controller"] == true).count() > 1 {
        let why = "Only one reference can have Controller set to true";
        causes.push(Cause::invalid("metadata.ownerReferences", &json!(owners), why));
    }
}

fn validate_name(resource: &Resource, name: &str, causes: &mut Vec<Cause>) {
    let path_only = resource.group == "rbac.authorization.k8s.io" || resource.plural == "apiservices";
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
        return;
    }
    let mut refuse = |why: &str| causes.push(Cause::invalid("metadata.name", &json!(name), why));
    if path_only {
        if name == "." || name == ".." {
            refuse(&format!("may not be '{name}'"));
        } else if name.contains('/') {
            refuse("may not contain '/'");
        } else if name.contains('%') {
            refuse("may not contain '%'");
        }
        return;
    }
    let (is_label, why) = match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => (true, LABEL),
        ("", "services") => (true, SERVICE_LABEL),
        _ => (false, SUBDOMAIN),
    };
    let longest = if is_label { 63 } else { 253 };
    if name.len() > longest {
        refuse(&format!("must be no more than {longest} characters"));
        return;
    }
    let starts_well = resource.plural != "services" || name.starts_with(|letter: char| letter.is_ascii_lowercase());
    let fits = if is_label { is_dns_label(name) && starts_well } else { name.split('.').all(is_dns_label) };
    if !fits {
        refuse(why);
    }
}

/// Checks a qualified name; `shown` is what it was before it was read.
fn validate_key(field: &str, shown: &str, key: &str, causes: &mut Vec<Cause>) {
    let problems = names::label_key(key).into_iter();
    causes.extend(problems.map(|problem| Cause::invalid(field, &json!(shown), problem)));
}
