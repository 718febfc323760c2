//! Requests about objects: from the query's words to the registry's, and the registry's results to replies.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use super::accept::{self, Form};
use super::reply::{self, Body};
use super::service::Call;
use super::{body, reviews, watch};
use crate::builtins::{Builtins, DefaultKind};
use crate::error::{ApiError, Cause};
use crate::faults::Fault;
use crate::patch::PatchKind;
use crate::present;
use crate::registry::{DeleteOptions, Deleted, Outcome, Propagation, Target, WriteOptions};
use crate::resource::{Gvr, Resource};
use crate::rules;
use crate::selector::Selectors;
use crate::store::{Key, Stored};

pub(super) fn serve(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let info = call.info;
    let catalog = call.cluster.catalog();
    if !catalog.has_version(&info.group, &info.version) {
        return Ok(reply::no_such_path());
    }
    let Some(resource) = catalog.find(&Gvr::new(&info.group, &info.version, &info.resource)) else {
        let is_builtin = Builtins::get().groups().iter().any(|group| group.name == info.group);
        return if is_builtin { Err(ApiError::no_such_resource()) } else { Ok(reply::no_such_path()) };
    };
    if (!resource.namespaced && info.namespace.is_some())
        || (resource.namespaced && info.namespace.is_none() && info.name.is_some())
    {
        return Err(ApiError::no_such_resource());
    }
    if resource.namespaced && info.namespace.is_none() && !matches!(info.verb.as_str(), "list" | "watch") {
        // Reviews of other users live in a namespace, all other writes need one.
        return Err(ApiError::method_not_allowed());
    }
    if let Some(answer) = reviews::serve(call, &resource)? {
        return Ok(answer);
    }
    check_verb(call, &resource)?;
    let target = Target {
        resource: &resource,
        namespace: info.namespace.as_deref().unwrap_or_default(),
        name: info.name.as_deref().unwrap_or_default(),
        subresource: &info.subresource,
    };
    let form = accept::form(call.header(ACCEPT))?;
    match info.verb.as_str() {
        "get" => {
            let object = call.cluster.with_registry(|registry| registry.read(&target))?;
            Ok(show(call, &resource, form, 200, &object))
        }
        "list" => list(call, &target, form),
        "watch" => watch::serve(call, &target, form),
        "create" => create(call, &target, form),
        "update" => update(call, &target, form),
        "patch" | "apply" => patch(call, &target, form),
        "delete" => delete(call, &target),
        "deletecollection" => delete_collection(call, &target),
        _ => Err(ApiError::method_not_allowed()),
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
        (Some(_), "scale" | "status") => ApiError::not_found(resource, name),
        _ => ApiError::no_such_resource(),
    }
}

/// Sends one object in the form the client asked for.
fn show(call: &Call<'_>, resource: &Resource, form: Form, code: u16, object: &Value) -> Response<Body> {
    match form {
        Form::Objects => reply::json(code, object),
        Form::Metadata => reply::json(code, &present::metadata_only(object)),
        Form::Table => {
            let include = call.query.text("includeObject");
            let rows = [object].into_iter();
            let meta = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
            let now = call.cluster.clock().now();
            reply::json(code, &present::table(resource, rows, meta, include, true, now))
        }
    }
}

fn write_options(call: &Call<'_>, kind: &str) -> Result<WriteOptions, ApiError> {
    Ok(WriteOptions {
        manager: call.manager(),
        dry_run: call.query.dry_run(kind)?,
        validation: call.query.field_validation(kind)?,
        force: call.query.flag("force"),
        ..WriteOptions::default()
    })
}

fn read(call: &Call<'_>, resource: &Resource) -> Result<body::Decoded, ApiError> {
    let (api_version, kind) = match resource.subresource(&call.info.subresource) {
        Some(subresource) => (subresource.gvk.api_version(), subresource.gvk.kind.as_str()),
        None => (resource.api_version(), resource.kind.as_str()),
    };
    let default = DefaultKind { api_version: &api_version, kind };
    body::decode(call.header(CONTENT_TYPE), call.body, default).map_err(|mut error| {
        if error.code == 400 {
            error.message =
                format!("the object provided is unrecognized (must be of type {}): {}", resource.kind, error.message);
        }
        error
    })
}

fn create(call: &Call<'_>, target: &Target<'_>, form: Form) -> Result<Response<Body>, ApiError> {
    let mut options = write_options(call, "CreateOptions")?;
    let decoded = read(call, target.resource)?;
    options.duplicates = decoded.duplicates;
    let target = Target { name: "", ..*target };
    let object = call.cluster.with_registry(|registry| registry.create(&target, decoded.value, &mut options))?;
    let mut answer = show(call, target.resource, form, 201, &object);
    reply::warn(&mut answer, &options.warnings);
    Ok(answer)
}

fn update(call: &Call<'_>, target: &Target<'_>, form: Form) -> Result<Response<Body>, ApiError> {
    let mut options = write_options(call, "UpdateOptions")?;
    let decoded = read(call, target.resource)?;
    options.duplicates = decoded.duplicates;
    let (object, outcome) =
        call.cluster.with_registry(|registry| registry.update(target, decoded.value, &mut options))?;
    let mut answer = show(call, target.resource, form, code(outcome), &object);
    reply::warn(&mut answer, &options.warnings);
    Ok(answer)
}

fn code(outcome: Outcome) -> u16 {
    match outcome {
        Outcome::Created => 201,
        Outcome::Updated => 200,
    }
}

fn patch(call: &Call<'_>, target: &Target<'_>, form: Form) -> Result<Response<Body>, ApiError> {
    let content_type = call.header(CONTENT_TYPE);
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let kind = PatchKind::of_media_type(media_type).ok_or_else(|| {
        let accepted = "application/json-patch+json, application/merge-patch+json, \
                        application/strategic-merge-patch+json, application/apply-patch+yaml";
        let accepted = match target.resource.custom() {
            Some(_) => accepted.replace("application/strategic-merge-patch+json, ", ""),
            None => accepted.to_owned(),
        };
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        ApiError::new(415, "UnsupportedMediaType", message)
    })?;
    let mut options = write_options(call, "PatchOptions")?;
    if kind == PatchKind::Apply {
        call.query.text("fieldManager").clone_into(&mut options.manager);
    } else if call.query.has("force") {
        let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
        return Err(ApiError::invalid_options("PatchOptions", cause));
    }
    let decoded = body::decode(media_type, call.body, DefaultKind { api_version: "", kind: "" })?;
    options.duplicates = decoded.duplicates;
    let (object, outcome) =
        call.cluster.with_registry(|registry| registry.patch(target, kind, &decoded.value, &mut options))?;
    let mut answer = show(call, target.resource, form, code(outcome), &object);
    reply::warn(&mut answer, &options.warnings);
    Ok(answer)
}

const DELETE_OPTIONS: DefaultKind<'_> = DefaultKind { api_version: "v1", kind: "DeleteOptions" };

/// Reads delete options from the body, and from the query what the body leaves out.
fn delete_options(call: &Call<'_>) -> Result<(DeleteOptions, WriteOptions), ApiError> {
    let given = if call.body.is_empty() {
        Value::Null
    } else {
        body::decode(call.header(CONTENT_TYPE), call.body, DELETE_OPTIONS)?.value
    };
    let text = |key: &str| {
        given[key]
            .as_str()
            .map(str::to_owned)
            .or_else(|| Some(call.query.text(key).to_owned()))
            .filter(|it| !it.is_empty())
    };
    let propagation = match text("propagationPolicy").as_deref() {
        None => match given["orphanDependents"].as_bool() {
            Some(true) => Some(Propagation::Orphan),
            Some(false) => Some(Propagation::Background),
            None if call.query.has("orphanDependents") => {
                Some(if call.query.flag("orphanDependents") { Propagation::Orphan } else { Propagation::Background })
            }
            None => None,
        },
        Some("Background") => Some(Propagation::Background),
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(other) => {
            let allowed = ["Foreground", "Background", "Orphan", "nil"].map(str::to_owned);
            let cause = Cause::unsupported("propagationPolicy", &other.into(), &allowed);
            return Err(ApiError::invalid_options("DeleteOptions", cause));
        }
    };
    let precondition = |key: &str| given["preconditions"][key].as_str().map(str::to_owned);
    let dry_run = match given["dryRun"].as_array().and_then(|all| all.first()) {
        Some(Value::String(all)) if all == "All" => true,
        Some(other) => {
            let cause = Cause::unsupported("dryRun", &json!([other]), &["All".to_owned()]);
            return Err(ApiError::invalid_options("DeleteOptions", cause));
        }
        None => call.query.dry_run("DeleteOptions")?,
    };
    let delete = DeleteOptions {
        propagation,
        grace_period_secs: given["gracePeriodSeconds"].as_u64().or_else(|| call.query.number("gracePeriodSeconds")),
        uid: precondition("uid"),
        resource_version: precondition("resourceVersion"),
    };
    Ok((delete, WriteOptions { manager: call.manager(), dry_run, ..WriteOptions::default() }))
}

fn delete(call: &Call<'_>, target: &Target<'_>) -> Result<Response<Body>, ApiError> {
    let (delete, mut options) = delete_options(call)?;
    let deleted = call.cluster.with_registry(|registry| registry.delete(target, &delete, &mut options))?;
    let mut answer = match deleted {
        Deleted::Gone(status) => reply::json(200, &status),
        Deleted::Terminating(object) => reply::json(200, &object),
    };
    reply::warn(&mut answer, &options.warnings);
    Ok(answer)
}

fn delete_collection(call: &Call<'_>, target: &Target<'_>) -> Result<Response<Body>, ApiError> {
    let (delete, mut options) = delete_options(call)?;
    let selectors = selectors(call, target.resource)?;
    let (objects, rv) = call.cluster.with_registry(|registry| {
        let deleted = registry.delete_collection(target, &selectors, &delete, &mut options)?;
        Ok::<_, ApiError>((deleted, registry.state.rv))
    })?;
    let meta = json!({ "resourceVersion": rv.to_string() });
    Ok(reply::bytes(200, "application/json", present::list(target.resource, &objects, &meta)))
}

pub(super) fn selectors(call: &Call<'_>, resource: &Resource) -> Result<Selectors, ApiError> {
    Selectors::parse(resource, call.query.text("labelSelector"), call.query.text("fieldSelector"))
}

/// Where a list goes on.
struct Continue {
    /// The revision it shows; `None` shows the newest.
    rv: Option<u64>,
    after: Key,
}

impl Continue {
    fn parse(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok()?;
        let token: Value = serde_json::from_slice(&bytes).ok()?;
        let (namespace, name) = token["start"].as_str()?.strip_prefix('/')?.strip_suffix('\0')?.split_once('/')?;
        let rv = token["rv"].as_i64()?;
        Some(Self { rv: u64::try_from(rv).ok(), after: (namespace.to_owned(), name.to_owned()) })
    }

    fn token(rv: i64, after: &Key) -> String {
        let start = format!("/{}/{}\0", after.0, after.1);
        URL_SAFE_NO_PAD.encode(json!({ "v": "meta.k8s.io/v1", "rv": rv, "start": start }).to_string())
    }
}

fn list(call: &Call<'_>, target: &Target<'_>, form: Form) -> Result<Response<Body>, ApiError> {
    let resource = target.resource;
    if call.query.has("sendInitialEvents") {
        let cause = Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
        return Err(ApiError::invalid_options("ListOptions", cause));
    }
    if call.fault == &Fault::Expire {
        return Err(ApiError::expired(CONTINUE_TOO_OLD));
    }
    let selectors = selectors(call, resource)?;
    let page = choose_page(call, target, &selectors)?;
    let mut meta = json!({ "resourceVersion": page.rv.to_string() });
    if let Some(token) = &page.next {
        meta["continue"] = json!(token);
        if let Some(remaining) = page.remaining {
            meta["remainingItemCount"] = json!(remaining);
        }
    } else if resource.custom().is_some() && form == Form::Objects {
        meta["continue"] = json!("");
    }
    let body = match form {
        Form::Objects => present::list(resource, &page.objects, &meta),
        Form::Metadata => present::metadata_list(&page.objects, &meta),
        Form::Table => {
            let include = call.query.text("includeObject");
            let now = call.cluster.clock().now();
            let rows = page.objects.iter().map(Arc::as_ref);
            crate::store::to_bytes(&present::table(resource, rows, meta, include, true, now))
        }
    };
    Ok(reply::bytes(200, "application/json", body))
}

const CONTINUE_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can \
                                start a new list without the continue parameter, or use the continue token in this response \
                                to retrieve the remainder of the results. Continuing with the provided token results in an \
                                inconsistent list - objects that were created, modified, or deleted between the time the \
                                first chunk was returned and now may show up in the list.";

struct Page {
    objects: Vec<Arc<Value>>,
    rv: u64,
    next: Option<String>,
    remaining: Option<u64>,
}

fn choose_page(call: &Call<'_>, target: &Target<'_>, selectors: &Selectors) -> Result<Page, ApiError> {
    let query = call.query;
    if query.has("limit") && query.text("limit").parse::<i64>().is_err() {
        let message = format!("strconv.ParseInt: parsing {:?}: invalid syntax", query.text("limit"));
        return Err(ApiError::bad_request(message));
    }
    let wanted = Wanted::parse(call)?;
    let limit = query
        .number("limit")
        .filter(|limit| *limit > 0)
        .filter(|_| wanted.limited)
        .map_or(usize::MAX, |it| it as usize);
    let token = match query.text("continue") {
        "" => None,
        token => Some(Continue::parse(token).ok_or_else(|| {
            ApiError::bad_request("invalid continue token: continue key is not valid: the token is malformed")
        })?),
    };
    let namespace = Some(target.namespace).filter(|namespace| !namespace.is_empty());
    let (candidates, rv) = call.cluster.with_state(|state, _| {
        let current = state.rv;
        if let Some(asked) = wanted.not_older_than.filter(|asked| *asked > current) {
            return Err(ApiError::too_large_resource_version(asked, current));
        }
        let store = state.store(&target.resource.store_key());
        let exact = token.as_ref().map_or(wanted.exact, |token| token.rv);
        let after = token.as_ref().map(|token| &token.after);
        let of = |objects: &mut dyn Iterator<Item = (&Key, Arc<Stored>)>| -> Vec<Arc<Stored>> {
            objects
                .filter(|(key, _)| namespace.is_none_or(|namespace| key.0 == namespace))
                .filter(|(key, _)| after.is_none_or(|after| *key > after))
                .map(|(_, stored)| stored)
                .collect()
        };
        match exact {
            Some(rv) if rv < current => {
                let past = store.at(rv).ok_or_else(|| expired(token.as_ref()))?;
                Ok((of(&mut past.iter().map(|(key, stored)| (key, Arc::clone(stored)))), rv))
            }
            Some(rv) if rv > current => Err(ApiError::too_large_resource_version(rv, current)),
            _ => Ok((of(&mut store.iter(namespace, after)), current)),
        }
    })?;
    let total = candidates.len();
    let mut objects = Vec::new();
    let mut looked_at = 0;
    let mut last = None;
    for stored in &candidates {
        if objects.len() == limit {
            break;
        }
        looked_at += 1;
        last = Some(stored);
        let shown = rules::present(target.resource, &stored.value);
        if selectors.matches(&shown) {
            objects.push(shown);
        }
    }
    let rest = total - looked_at;
    let next = last.filter(|_| rest > 0).map(|stored| Continue::token(rv as i64, &stored.key()));
    Ok(Page { objects, rv, next, remaining: selectors.is_everything().then_some(rest as u64) })
}

fn expired(token: Option<&Continue>) -> ApiError {
    match token {
        // The token in the answer goes on with the newest state.
        Some(token) => {
            let mut error = ApiError::expired(CONTINUE_TOO_OLD);
            error.resume = Some(Continue::token(-1, &token.after));
            error
        }
        None => ApiError::expired("The resourceVersion for the provided list is too old."),
    }
}

/// Which revision a list shows.
struct Wanted {
    exact: Option<u64>,
    not_older_than: Option<u64>,
    limited: bool,
}

impl Wanted {
    fn parse(call: &Call<'_>) -> Result<Self, ApiError> {
        let query = call.query;
        let (rv, rule) = (query.text("resourceVersion"), query.text("resourceVersionMatch"));
        let refuse = |why: &str| {
            let cause = Cause::forbidden("resourceVersionMatch", why);
            Err(ApiError::invalid_options("ListOptions", cause))
        };
        if !rule.is_empty() {
            if rv.is_empty() {
                return refuse("resourceVersionMatch is forbidden unless resourceVersion is provided");
            }
            if query.has("continue") && !query.text("continue").is_empty() {
                return refuse("resourceVersionMatch is forbidden when continue is provided");
            }
            if rule != "Exact" && rule != "NotOlderThan" {
                let allowed = ["Exact", "NotOlderThan"].map(str::to_owned);
                let cause = Cause::unsupported("resourceVersionMatch", &rule.into(), &allowed);
                return Err(ApiError::invalid_options("ListOptions", cause));
            }
            if rule == "Exact" && rv == "0" {
                let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                return refuse(why);
            }
        }
        let number = parse_rv(rv)
            .map_err(|error| ApiError::bad_request(format!("invalid resource version: {}", error.message)))?;
        let is_exact = rule == "Exact" || (rule.is_empty() && query.number("limit").is_some_and(|limit| limit > 0));
        let asked = number.filter(|rv| *rv > 0);
        Ok(Self {
            exact: asked.filter(|_| is_exact),
            not_older_than: asked.filter(|_| !is_exact),
            // A list from the watch cache at any revision is whole, whatever the limit.
            limited: rv != "0",
        })
    }
}

/// Reads a revision.
pub(super) fn parse_rv(text: &str) -> Result<Option<u64>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let cause = Cause::invalid(
            "resourceVersion",
            &text.into(),
            format!("strconv.ParseUint: parsing {text:?}: invalid syntax"),
        );
        ApiError::unforeseen(format!("{}: {}", cause.field, cause.message))
    })
}
