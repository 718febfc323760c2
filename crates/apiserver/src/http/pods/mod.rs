//! What only pods can do: tell their logs, run a command, be attached to, be evicted.
//!
//! Nothing really runs here. Logs are canned ([`lines`]), and so is the shell that answers `exec` ([`shell`]).
//! Port-forwarding is answered 501.

mod connect;
mod evict;
mod exec;
mod lines;
mod log;
mod shell;

use http::Response;
use serde_json::Value;

pub(super) use exec::Session;

use super::reply::Body;
use super::service::Call;
use crate::error::ApiError;

/// Answers requests for the subresources of pods that store nothing; `None` for all others.
pub(super) fn serve(call: &Call<'_>) -> Result<Option<Response<Body>>, ApiError> {
    let info = call.info;
    if !info.group.is_empty() || info.resource != "pods" || info.name.is_none() {
        return Ok(None);
    }
    let connects = matches!(info.verb.as_str(), "get" | "create");
    if connects && matches!(info.subresource.as_str(), "exec" | "attach" | "portforward") {
        connect::admit(call)?;
    }
    match info.subresource.as_str() {
        "log" if info.verb == "get" => log::serve(call).map(Some),
        "eviction" if info.verb == "create" => evict::serve(call).map(Some),
        "exec" | "attach" if connects => exec::serve(call).map(Some),
        "portforward" if connects => {
            Err(ApiError::new(501, "NotImplemented", "nothing listens in the pods of a cluster in memory"))
        }
        _ => Ok(None),
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the names of a pod's containers, those of each list in order.
fn names<'a>(pod: &'a Value, lists: &'a [&'static str]) -> impl Iterator<Item = &'a str> {
    let all = lists.iter().flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten());
    all.map(|container| text(container, "/name"))
}

/// Returns the container that is meant: the one named, or the only one.
fn choose_container(pod: &Value, asked: &str) -> Result<String, ApiError> {
    const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
    let pod_name = text(pod, "/metadata/name");
    let own: Vec<&str> = names(pod, &["containers"]).collect();
    if !asked.is_empty() {
        if names(pod, &LISTS).any(|name| name == asked) {
            return Ok(asked.to_owned());
        }
        return Err(ApiError::bad_request(format!("container {asked} is not valid for pod {pod_name}")));
    }
    match own.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(ApiError::bad_request(format!("a container name must be specified for pod {pod_name}"))),
        _ => {
            let all: Vec<&str> = names(pod, &LISTS).collect();
            let all = all.join(" ");
            let message = format!("a container name must be specified for pod {pod_name}, choose one of: [{all}]");
            Err(ApiError::bad_request(message))
        }
    }
}

/// Returns what the kubelet says of a container.
fn status_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
        .iter()
        .flat_map(|list| pod["status"][*list].as_array().into_iter().flatten())
        .find(|status| status["name"] == container)
}
