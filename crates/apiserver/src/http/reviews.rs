//! Requests that are no plain reads and writes: the verbs of pods, and what [`access`] answers.

use http::Response;
use serde_json::{Value, json};

use super::reply::{self, Body};
use super::service::Call;
use super::{access, objects};
use crate::error::ApiError;
use crate::registry::{Registry, Target};
use crate::resource::Resource;

/// Answers requests of these kinds; `None` for all others.
pub(super) fn serve(call: &Call<'_>, resource: &Resource) -> Result<Option<Response<Body>>, ApiError> {
    let info = call.info;
    let is_create = info.verb == "create";
    if let Some(answer) = access::serve(call, resource)? {
        return Ok(Some(answer));
    }
    match (info.group.as_str(), info.resource.as_str(), info.subresource.as_str()) {
        ("", "bindings", "") if is_create => bind_by_name(call).map(Some),
        ("", "pods", "binding") if is_create => bind(call).map(Some),
        _ => Ok(None),
    }
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
    call.with_registry(|registry| {
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

fn success() -> Response<Body> {
    reply::json(201, &json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 }))
}

/// Binds the pod that a `Binding` is named after; the way of old, before pods had the subresource.
fn bind_by_name(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let binding = read(call)?;
    let info = call.info;
    call.cluster.with_registry(|registry| {
        let pods = registry.resource(&crate::resource::Gvr::new("", "v1", "pods"))?;
        let namespace = info.namespace.as_deref().unwrap_or_default();
        let name = binding["metadata"]["name"].as_str().unwrap_or_default();
        registry.bind(&Target { resource: &pods, namespace, name, subresource: "" }, &binding)
    })?;
    Ok(success())
}

fn bind(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let binding = read(call)?;
    let mut options = objects::write_options(call, "CreateOptions")?;
    with_target(call, |registry, target| {
        let part = Target { subresource: "binding", ..*target };
        let mut binding = registry.receive_part(&part, binding, &options);
        registry.admit_action(&part, "CREATE", &mut binding, &mut options)?;
        registry.bind(target, &binding)
    })?;
    let mut answer = success();
    reply::warn(&mut answer, &options.warnings);
    Ok(answer)
}
