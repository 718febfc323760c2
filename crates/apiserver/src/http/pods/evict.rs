//! `POST pods/NAME/eviction`.

use http::Response;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::http::objects;
use crate::http::reply::{self, Body};
use crate::http::service::Call;
use crate::registry::{DeleteOptions, Propagation, Target, WriteOptions};
use crate::resource::Gvr;

pub(super) fn serve(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let info = call.info;
    let dry_run = call.query.dry_run().map_err(|cause| ApiError::invalid_options("CreateOptions", cause))?;
    let catalog = call.cluster.catalog();
    let resource = catalog.find(&Gvr::new("", "v1", "pods")).ok_or_else(ApiError::no_such_resource)?;
    let eviction = objects::read(call, &resource)?.value;
    let name = info.name.as_deref().unwrap_or_default();
    if eviction["metadata"]["name"] != name {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let options = &eviction["deleteOptions"];
    let precondition = |key: &str| options["preconditions"][key].as_str().map(str::to_owned);
    let delete = DeleteOptions {
        grace_period_secs: options["gracePeriodSeconds"].as_i64(),
        orphan_dependents: options["orphanDependents"].as_bool(),
        uid: precondition("uid"),
        resource_version: precondition("resourceVersion"),
        propagation: match options["propagationPolicy"].as_str() {
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Background") => Some(Propagation::Background),
            _ => None,
        },
    };
    let dry_run = dry_run || options["dryRun"].as_array().is_some_and(|all| all.contains(&json!("All")));
    let mut write = WriteOptions { manager: call.manager(), dry_run, ..WriteOptions::default() };
    let mut asked = WriteOptions { dry_run, ..objects::write_options(call, "CreateOptions")? };
    call.with_registry(|registry| {
        let namespace = info.namespace.as_deref().unwrap_or_default();
        let target = Target { resource: &resource, namespace, name, subresource: "eviction" };
        let mut object = registry.receive_part(&target, eviction.clone(), &asked);
        registry.admit_action(&target, "CREATE", &mut object, &mut asked)?;
        registry.evict(&Target { subresource: "", ..target }, &delete, &mut write)
    })?;
    let mut answer = reply::json(201, &success());
    reply::warn(&mut answer, &asked.warnings);
    Ok(answer)
}

fn success() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 })
}
