//! Requests about objects: from the query's words to the registry's, and the registry's results to replies.

use std::sync::Arc;

use http::Response;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use super::body::{self, Expected};
use super::list_options::{ListOptions, parse_rv};
use super::negotiate::{self, Accepted, Endpoint, Form, Media};
use super::reply::{self, Body};
use super::service::Call;
use super::{delete_options, list, pods, reviews, watch};
use crate::builtins::{Builtins, names};
use crate::error::{ApiError, Cause};
use crate::patch::PatchKind;
use crate::present;
use crate::registry::{Deleted, FieldValidation, Outcome, Target, WriteOptions};
use crate::resource::{Gvr, Resource};
use crate::store::Stored;
use crate::stored::Shown;
use crate::webhooks::convert::settled;

pub(super) fn serve(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let info = call.info;
    let catalog = call.cluster.catalog();
    if matches!(info.resource.as_str(), "watch" | "proxy") && info.name.is_none() {
        let path = &info.path;
        return Ok(reply::text(
            500,
            &format!(
                "Internal Server Error: {path:?}: failed to create RequestInfo: unable to determine kind and namespace from \
                 url, {path}\n"
            ),
        ));
    }
    let Some(resource) = catalog.find(&Gvr::new(&info.group, &info.version, &info.resource)) else {
        return nothing_at(&info.path);
    };
    let is_custom = resource.custom().is_some();
    if (!resource.namespaced && info.namespace.is_some())
        || (resource.namespaced && info.namespace.is_none() && info.name.is_some())
    {
        return nothing_at(&info.path);
    }
    if resource.namespaced && info.namespace.is_none() && !matches!(info.verb.as_str(), "list" | "watch") {
        // What is listed across namespaces has a path without one, though not for this.
        let is_listed = resource.verbs.iter().any(|verb| verb == "list");
        return if is_custom || !is_listed { nothing_at(&info.path) } else { Err(ApiError::method_not_allowed()) };
    }
    if let Some(answer) = pods::serve(call)? {
        return Ok(answer);
    }
    let accepted = negotiate(call, &resource)?;
    if let Some(mut answer) = reviews::serve(call, &resource)? {
        answer.extensions_mut().insert(accepted);
        return Ok(answer);
    }
    check_verb(call, &resource)?;
    let problems = info.name.as_deref().map(names::path_segment).unwrap_or_default();
    if !problems.is_empty() {
        let name = info.name.as_deref().unwrap_or_default();
        return Err(ApiError::bad_request(format!("Name parameter invalid: {name:?}: {}", problems.join(";"))));
    }
    let target = Target {
        resource: &resource,
        namespace: info.namespace.as_deref().unwrap_or_default(),
        name: info.name.as_deref().unwrap_or_default(),
        subresource: &info.subresource,
    };
    let answer = act(call, &target, accepted);
    let Some(deprecation) = resource.deprecation() else { return answer };
    // Refusals warn as well.
    let mut answer = match answer {
        Err(error) if !error.is_too_large_resource_version() => reply::error(&error),
        answer => answer?,
    };
    reply::warn_first(&mut answer, deprecation);
    Ok(answer)
}

/// The 404 of a path: below the built-in groups a `Status`, elsewhere text.
pub(super) fn nothing_at(path: &str) -> Result<Response<Body>, ApiError> {
    let mut parts = path.split('/').skip(1);
    let is_builtin = match parts.next() {
        Some("api") => true,
        Some("apis") => {
            let group = parts.next().unwrap_or_default();
            parts.next().is_some()
                && Builtins::get().groups().iter().any(|have| !group.is_empty() && have.name == group)
        }
        _ => false,
    };
    if is_builtin { Err(ApiError::no_such_resource()) } else { Ok(reply::no_such_path()) }
}

fn act(call: &Call<'_>, target: &Target<'_>, accepted: Accepted) -> Result<Response<Body>, ApiError> {
    let form = accepted.form;
    let mut answer = match call.info.verb.as_str() {
        "get" => {
            check_read(call)?;
            let shown = call.cluster.with_registry(|registry| registry.show(target))?;
            match shown {
                Shown::AsStored(stored) if form == Form::Objects => Ok(stored_text(200, &stored)),
                shown => show(call, target.resource, form, 200, shown.value()),
            }
        }
        "list" => list::serve(call, target, form),
        "watch" => return watch::serve(call, target, accepted),
        "create" => create(call, target, form),
        "update" => update(call, target, form),
        "patch" | "apply" => patch(call, target, form),
        "delete" => delete(call, target, form),
        "deletecollection" => delete_collection(call, target, form),
        _ => Err(ApiError::method_not_allowed()),
    }?;
    answer.extensions_mut().insert(accepted);
    Ok(answer)
}

/// The media types of patches, in the order in which messages list them.
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// Agrees with the client on what the reply is written as.
fn negotiate(call: &Call<'_>, resource: &Resource) -> Result<Accepted, ApiError> {
    let is_custom = resource.custom().is_some();
    let verb = call.info.verb.as_str();
    let content_type = call.header(CONTENT_TYPE);
    let is_patch = matches!(verb, "patch" | "apply");
    if is_custom {
        if is_patch {
            patch_kind(call, resource)?;
        }
    } else {
        let is_list = matches!(verb, "list" | "watch");
        let consumes: &[&str] = if is_patch { &PATCHES } else { &[] };
        negotiate::check_route(call.headers, content_type, negotiate::produced(is_list), consumes)?;
    }
    let endpoint = match resource.group.as_str() {
        // What is not stored has no columns.
        "authentication.k8s.io" | "authorization.k8s.io" => Endpoint::Plain,
        _ if is_custom => Endpoint::Custom,
        _ => Endpoint::Builtin,
    };
    let accepted = negotiate::accepted(call.header(ACCEPT), endpoint).ok_or_else(negotiate::not_acceptable)?;
    if verb == "watch" && accepted.media == Media::Yaml {
        return Err(negotiate::not_streamable());
    }
    Ok(accepted)
}

fn patch_kind(call: &Call<'_>, resource: &Resource) -> Result<PatchKind, ApiError> {
    let content_type = call.header(CONTENT_TYPE);
    let media_type = match content_type.find(';') {
        Some(at) if at > 0 => &content_type[..at],
        _ => content_type,
    };
    let is_custom = resource.custom().is_some();
    let allowed = |kind: &PatchKind| !is_custom || *kind != PatchKind::Strategic;
    PatchKind::of_media_type(media_type).filter(allowed).ok_or_else(|| {
        let names: Vec<&str> = PATCHES.into_iter().filter(|name| !is_custom || !name.contains("strategic")).collect();
        negotiate::unsupported(&names.join(", "))
    })
}

/// Checks the options of a read of one object.
fn check_read(call: &Call<'_>) -> Result<(), ApiError> {
    if call.query.flag("export") {
        return Err(ApiError::bad_request("the export parameter, deprecated since v1.14, is no longer supported"));
    }
    let current = call.cluster.resource_version();
    match parse_rv(call.query.text("resourceVersion"))? {
        Some(asked) if asked > current => Err(ApiError::too_large_resource_version(asked, current)),
        _ => Ok(()),
    }
}

fn check_verb(call: &Call<'_>, resource: &Resource) -> Result<(), ApiError> {
    let verb = match call.info.verb.as_str() {
        "apply" => "patch",
        verb => verb,
    };
    let wants_name = matches!(verb, "update" | "patch");
    if (wants_name && call.info.name.is_none())
        || (verb == "create" && call.info.name.is_some() && call.info.subresource.is_empty())
    {
        return Err(ApiError::method_not_allowed());
    }
    let verbs = if call.info.subresource.is_empty() {
        &resource.verbs
    } else {
        &resource.subresource(&call.info.subresource).ok_or_else(|| missing_subresource(call, resource))?.verbs
    };
    if verbs.iter().any(|have| have == verb) { Ok(()) } else { Err(ApiError::method_not_allowed()) }
}

/// A custom resource without `status` or `scale` has the path, but nothing at it.
fn missing_subresource(call: &Call<'_>, resource: &Resource) -> ApiError {
    let name = call.info.name.as_deref().unwrap_or_default();
    match (resource.custom(), call.info.subresource.as_str()) {
        (Some(_), _) => ApiError::not_found(resource, name),
        _ => ApiError::no_such_resource(),
    }
}

/// Sends one object in the form the client asked for.
fn show(
    call: &Call<'_>,
    resource: &Resource,
    form: Form,
    code: u16,
    object: &Value,
) -> Result<Response<Body>, ApiError> {
    Ok(match form {
        Form::Objects => reply::json(code, object),
        Form::Metadata => reply::json(code, &present::metadata_only(object)),
        Form::MetadataList if resource.custom().is_some() => return Err(ApiError::unforeseen("content is not a list")),
        Form::MetadataList => {
            let ty = go_type(resource, &resource.kind);
            let message =
                format!("you requested PartialObjectMetadataList, but the requested object is not a list ({ty})");
            return Err(ApiError::new(406, "NotAcceptable", message));
        }
        Form::Table => {
            let include = included(call)?;
            let rows = [object].into_iter();
            let meta = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
            let now = call.cluster.clock().now();
            reply::json(code, &present::table(resource, rows, meta, include, true, now))
        }
    })
}

/// Sends one object that was written, in the form the client asked for.
fn show_written(
    call: &Call<'_>,
    resource: &Resource,
    form: Form,
    code: u16,
    (object, options): (&Arc<Value>, &WriteOptions),
) -> Result<Response<Body>, ApiError> {
    match &options.came_to {
        // What is shown is what was stored, which was encoded for that.
        Some(stored) if form == Form::Objects && Arc::ptr_eq(&stored.value, object) => Ok(stored_text(code, stored)),
        _ => show(call, resource, form, code, object),
    }
}

fn stored_text(code: u16, stored: &Stored) -> Response<Body> {
    reply::bytes(code, "application/json", stored.json())
}

/// Returns what a table's rows hold besides their cells.
pub(super) fn included<'a>(call: &'a Call<'_>) -> Result<&'a str, ApiError> {
    let include = call.query.text("includeObject");
    if matches!(include, "" | "None" | "Metadata" | "Object") {
        return Ok(include);
    }
    let why = "must be 'Metadata', 'Object', 'None', or empty";
    let cause = Cause::invalid("includeObject", &include.into(), why);
    let message = format!("Unable to convert to Table as requested: {}: {}", cause.field, cause.message);
    Err(ApiError::bad_request(message))
}

/// Names the Go type upstream holds a kind's objects in.
pub(super) fn go_type(resource: &Resource, kind: &str) -> String {
    if resource.custom().is_some() {
        return if kind == resource.kind { "*unstructured.Unstructured" } else { "*unstructured.UnstructuredList" }
            .to_owned();
    }
    let package = resource.storage_group.split('.').next().filter(|name| !name.is_empty()).unwrap_or("core");
    format!("*{package}.{kind}")
}

pub(super) fn write_options(call: &Call<'_>, kind: &str) -> Result<WriteOptions, ApiError> {
    let mut causes = check_manager(call.query.text("fieldManager"));
    let dry_run = call.query.dry_run().unwrap_or_else(|cause| {
        causes.push(cause);
        false
    });
    let validation = call.query.field_validation().unwrap_or_else(|cause| {
        causes.push(cause);
        FieldValidation::Warn
    });
    if !causes.is_empty() {
        return Err(ApiError::invalid("meta.k8s.io", kind, "", causes));
    }
    let mut sent = json!({});
    for key in ["fieldManager", "fieldValidation"] {
        if !call.query.text(key).is_empty() {
            sent[key] = json!(call.query.text(key));
        }
    }
    if dry_run {
        sent["dryRun"] = json!(["All"]);
    }
    Ok(WriteOptions {
        sent,
        manager: call.manager(),
        user: Some(Arc::clone(call.user)),
        dry_run,
        validation,
        force: call.query.flag("force"),
        ..WriteOptions::default()
    })
}

/// Longest name of a field manager, in bytes (k8s: `apimachinery/pkg/apis/meta/v1/validation`).
const MAX_MANAGER_BYTES: usize = 128;

fn check_manager(manager: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if manager.len() > MAX_MANAGER_BYTES {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {MAX_MANAGER_BYTES} bytes"),
            field: "fieldManager".to_owned(),
        });
    }
    // Go calls a character printable when it is a letter, mark, number, punctuation, symbol or the ASCII space.
    for (at, found) in manager.char_indices() {
        if found.is_control() || (found.is_whitespace() && found != ' ') {
            let why = format!("invalid character U+{:04X} (at position {at})", found as u32);
            causes.push(Cause::invalid("fieldManager", &json!(manager), why));
        }
    }
    causes
}

/// Reads the object that a request brings.
pub(super) fn read(call: &Call<'_>, resource: &Resource) -> Result<body::Decoded, ApiError> {
    let media = negotiate::sent(call.header(CONTENT_TYPE))?;
    let is_custom = resource.custom().is_some();
    match resource.subresource(&call.info.subresource).filter(|subresource| subresource.gvk != resource.gvk()) {
        Some(subresource) => {
            let (api_version, kind) = (subresource.gvk.api_version(), subresource.gvk.kind.as_str());
            body::object(media, call.body, Expected { api_version: &api_version, kind, is_custom: false })
        }
        None => {
            let api_version = resource.api_version();
            body::object(media, call.body, Expected { api_version: &api_version, kind: &resource.kind, is_custom })
        }
    }
}

fn create(call: &Call<'_>, target: &Target<'_>, form: Form) -> Result<Response<Body>, ApiError> {
    let mut options = write_options(call, "CreateOptions")?;
    let decoded = read(call, target.resource)?;
    options.mistakes = decoded.mistakes;
    let target = Target { name: "", ..*target };
    let object = call.with_registry(|registry| registry.create(&target, decoded.value, &mut options));
    let shown = object.and_then(|object| show_written(call, target.resource, form, 201, (&object, &options)));
    warned(shown, &options.warnings)
}

fn update(call: &Call<'_>, target: &Target<'_>, form: Form) -> Result<Response<Body>, ApiError> {
    let mut options = write_options(call, "UpdateOptions")?;
    let decoded = read(call, target.resource)?;
    options.mistakes = decoded.mistakes;
    let written = call.with_registry(|registry| registry.update(target, decoded.value, &mut options));
    let shown = written
        .and_then(|(object, outcome)| show_written(call, target.resource, form, code(outcome), (&object, &options)));
    warned(shown, &options.warnings)
}

/// Tells the writer what else there is to know; refusals warn as well.
fn warned(answer: Result<Response<Body>, ApiError>, warnings: &[String]) -> Result<Response<Body>, ApiError> {
    let mut answer = match answer {
        Err(error) if !warnings.is_empty() => reply::error(&error),
        answer => answer?,
    };
    reply::warn(&mut answer, warnings);
    Ok(answer)
}

fn code(outcome: Outcome) -> u16 {
    match outcome {
        Outcome::Created => 201,
        Outcome::Updated => 200,
    }
}

fn patch(call: &Call<'_>, target: &Target<'_>, form: Form) -> Result<Response<Body>, ApiError> {
    let kind = patch_kind(call, target.resource)?;
    let mut options = write_options(call, "PatchOptions")?;
    if kind == PatchKind::Apply {
        call.query.text("fieldManager").clone_into(&mut options.manager);
        if options.manager.is_empty() {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            return Err(ApiError::invalid_options("PatchOptions", cause));
        }
    } else if call.query.has("force") {
        let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
        return Err(ApiError::invalid_options("PatchOptions", cause));
    }
    let decoded = match body::patch(kind, call.body) {
        Ok(decoded) => decoded,
        Err(error) if kind == PatchKind::Apply => return Err(error),
        Err(error) => {
            // Upstream reads a patch only once it has found what to change.
            call.cluster.with_registry(|registry| registry.read(target))?;
            return Err(error);
        }
    };
    options.mistakes = decoded.mistakes;
    if kind == PatchKind::Apply {
        options.ahead = call.cluster.apply_ahead(target, &decoded.value, &options);
    }
    let written = call.with_registry(|registry| registry.patch(target, kind, &decoded.value, &mut options));
    let shown = written
        .and_then(|(object, outcome)| show_written(call, target.resource, form, code(outcome), (&object, &options)));
    warned(shown, &options.warnings)
}

fn delete(call: &Call<'_>, target: &Target<'_>, form: Form) -> Result<Response<Body>, ApiError> {
    let (delete, mut options) = delete_options::read(call)?;
    let deleted = match call.with_registry(|registry| registry.delete(target, &delete, &mut options)) {
        Ok(deleted) => deleted,
        Err(error) => return warned(Err(error), &options.warnings),
    };
    let (code, object) = match deleted {
        Deleted::Gone(told) => (200, told),
        // What is only about to go, though asked to go with all that depends on it, is merely accepted.
        Deleted::Terminating(object) if delete.orphan_dependents == Some(false) => (202, object),
        Deleted::Terminating(object) => (200, object),
    };
    let mut answer = if object["kind"] == "Status" && object["apiVersion"] == "v1" {
        reply::json(code, &object)
    } else {
        show(call, target.resource, form, code, &object)?
    };
    reply::warn(&mut answer, &options.warnings);
    Ok(answer)
}

fn delete_collection(call: &Call<'_>, target: &Target<'_>, form: Form) -> Result<Response<Body>, ApiError> {
    let list = ListOptions::read(call.query)?.checked(target)?;
    let (delete, mut options) = delete_options::read(call)?;
    let page = match call.memory.page.get() {
        Some(page) => page,
        None => {
            let page = list::choose_page(call, target, &list)?;
            settled()?;
            call.memory.page.get_or_init(|| page)
        }
    };
    call.with_registry(|registry| registry.delete_all(target, &page.values(), &delete, &mut options))?;
    let mut answer = list::show(call, target.resource, form, page)?;
    reply::warn(&mut answer, &options.warnings);
    Ok(answer)
}
