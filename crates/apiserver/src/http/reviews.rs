//! Requests that store nothing: reviews of access and tokens, and the verbs of pods and service accounts.

use std::sync::Arc;

use http::Response;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::objects;
use super::reply::{self, Body};
use super::service::Call;
use crate::clock::rfc3339_seconds;
use crate::error::ApiError;
use crate::patch::PatchKind;
use crate::registry::{DeleteOptions, Registry, Target, WriteOptions};
use crate::resource::Resource;
use crate::store::Stored;

/// How long a requested token claims to live when the request does not say.
const TOKEN_SECS: i64 = 3600;

/// Answers requests of these kinds; `None` for all others.
pub(super) fn serve(call: &Call<'_>, resource: &Resource) -> Result<Option<Response<Body>>, ApiError> {
    let info = call.info;
    let is_create = info.verb == "create";
    if is_create
        && info.name.is_none()
        && matches!(info.group.as_str(), "authorization.k8s.io" | "authentication.k8s.io")
    {
        return review(call, resource).map(Some);
    }
    match (info.group.as_str(), info.resource.as_str(), info.subresource.as_str()) {
        ("", "pods", "log") if info.verb == "get" => log(call).map(Some),
        ("", "pods", "eviction") if is_create => evict(call).map(Some),
        ("", "pods", "binding") if is_create => bind(call).map(Some),
        ("", "serviceaccounts", "token") if is_create => token(call).map(Some),
        _ => Ok(None),
    }
}

/// Everybody who is let in is the administrator, who may do everything.
fn review(call: &Call<'_>, resource: &Resource) -> Result<Response<Body>, ApiError> {
    let mut object = read(call)?;
    object["kind"] = json!(resource.kind);
    object["apiVersion"] = json!(resource.api_version());
    object["metadata"]["creationTimestamp"] = Value::Null;
    let user = json!({ "username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"] });
    object["status"] = match resource.plural.as_str() {
        "selfsubjectreviews" => json!({ "userInfo": user }),
        "selfsubjectrulesreviews" => json!({
            "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }],
            "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
            "incomplete": false,
        }),
        "tokenreviews" => {
            let given = object["spec"]["token"].as_str();
            let known = given.is_some() && given == call.cluster.options().token.as_deref();
            if known {
                json!({ "authenticated": true, "user": user })
            } else {
                json!({ "user": {}, "error": "[invalid bearer token]" })
            }
        }
        _ => json!({ "allowed": true }),
    };
    Ok(reply::json(201, &object))
}

fn read(call: &Call<'_>) -> Result<Value, ApiError> {
    let info = call.info;
    let catalog = call.cluster.catalog();
    let resource = catalog.find(&crate::resource::Gvr::new(&info.group, &info.version, &info.resource));
    let resource = resource.ok_or_else(ApiError::no_such_resource)?;
    let object = objects::read(call, &resource)?.value;
    if object.is_object() { Ok(object) } else { Err(ApiError::bad_request("the body is no object")) }
}

fn with_target<T>(
    call: &Call<'_>,
    act: impl FnOnce(&mut Registry<'_>, &Target<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let info = call.info;
    call.cluster.with_registry(|registry| {
        let resource = registry.resource(&crate::resource::Gvr::new(&info.group, &info.version, &info.resource))?;
        let target = Target {
            resource: &resource,
            namespace: info.namespace.as_deref().unwrap_or_default(),
            name: info.name.as_deref().unwrap_or_default(),
            subresource: "",
        };
        act(registry, &target)
    })
}

fn live(call: &Call<'_>) -> Result<Arc<Stored>, ApiError> {
    with_target(call, |registry, target| {
        let live = registry.live(target)?;
        Ok(live)
    })
}

fn log(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let pod = live(call)?;
    let name = pod.value["metadata"]["name"].as_str().unwrap_or_default();
    Ok(reply::text(200, &format!("{name}: nothing runs here; this is a cluster in memory\n")))
}

fn evict(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let eviction = read(call)?;
    let options = &eviction["deleteOptions"];
    let delete = DeleteOptions {
        grace_period_secs: options["gracePeriodSeconds"].as_u64(),
        uid: options["preconditions"]["uid"].as_str().map(str::to_owned),
        ..DeleteOptions::default()
    };
    let mut write = WriteOptions { manager: call.manager(), ..WriteOptions::default() };
    with_target(call, |registry, target| registry.delete(target, &delete, &mut write))?;
    Ok(success())
}

fn success() -> Response<Body> {
    reply::json(201, &json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 }))
}

fn bind(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let binding = read(call)?;
    let patch = json!({ "spec": { "nodeName": binding["target"]["name"] } });
    let mut write = WriteOptions { manager: call.manager(), ..WriteOptions::default() };
    with_target(call, |registry, target| {
        let live = registry.live(target)?;
        let name = target.name;
        if let Some(node) = live.value["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
            let message = format!(
                "Operation cannot be fulfilled on pods/binding {name:?}: pod {name} is already assigned to node {node:?}"
            );
            return Err(ApiError::new(409, "Conflict", message));
        }
        registry.patch(target, PatchKind::Merge, &patch, &mut write)
    })?;
    Ok(success())
}

/// Hands out a token that says whose it is; this server does not check it.
fn token(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let mut request = read(call)?;
    let account = live(call)?;
    let secs = request["spec"]["expirationSeconds"].as_i64().unwrap_or(TOKEN_SECS);
    let until = call.cluster.clock().now().checked_add(jiff::SignedDuration::from_secs(secs));
    let until = rfc3339_seconds(until.unwrap_or(jiff::Timestamp::MAX));
    let meta = &account.value["metadata"];
    let text = |key: &str| meta[key].as_str().unwrap_or_default();
    request["kind"] = json!("TokenRequest");
    request["apiVersion"] = json!("authentication.k8s.io/v1");
    request["metadata"] =
        json!({ "name": text("name"), "namespace": text("namespace"), "creationTimestamp": text("creationTimestamp") });
    let token = match (call.header(AUTHORIZATION).strip_prefix("Bearer "), &call.cluster.options().token) {
        (_, Some(token)) => token.clone(),
        (Some(given), None) => given.to_owned(),
        (None, None) => format!("{}:{}:{until}", text("namespace"), text("name")),
    };
    request["status"] = json!({ "token": token, "expirationTimestamp": until });
    Ok(reply::json(201, &request))
}
