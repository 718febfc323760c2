//! What only pods can do: tell their logs, run a command, be attached to, have ports forwarded, be evicted.
//!
//! Nothing really runs here. Logs are canned ([`lines`]), and so are the shell that answers `exec` ([`shell`]) and the page
//! that a forwarded connection reaches ([`responder`]).

mod connect;
mod evict;
mod exec;
mod forward;
mod line;
mod lines;
mod log;
mod responder;
mod shell;

use http::Response;
use serde_json::Value;

use super::reply::Body;
use super::service::Call;
use crate::auth::{self, Access};
use crate::error::{ApiError, Details};
use crate::faults::RequestInfo;

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
        "exec" | "attach" | "portforward" if connects => {
            may_connect(call)?;
            if info.subresource == "portforward" { forward::serve(call) } else { exec::serve(call) }.map(Some)
        }
        _ => Ok(None),
    }
}

/// Refuses those who may read the subresource and not create it, whichever method they connect by.
fn may_connect(call: &Call<'_>) -> Result<(), ApiError> {
    let info = call.info;
    if info.verb == "create" {
        return Ok(());
    }
    let asked = RequestInfo { verb: "create".to_owned(), ..info.clone() };
    let access = Access::of_request(&asked, "");
    let decided = call.cluster.with_state(|state, _| auth::authorize(state, call.user, &access));
    decided.map(drop).map_err(|reason| {
        let name = info.name.as_deref().unwrap_or_default();
        let details = Details { name: name.to_owned(), kind: info.resource.clone(), ..Details::default() };
        ApiError::new(403, "Forbidden", format!("pods {name:?} is forbidden: {reason}")).about(details)
    })
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
