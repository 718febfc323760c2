//! What webhooks are asked about a connection to a pod.

use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::http::objects;
use crate::http::service::Call;
use crate::registry::Target;
use crate::resource::Gvr;

/// Lets webhooks refuse a connection.
pub(super) fn admit(call: &Call<'_>) -> Result<(), ApiError> {
    let info = call.info;
    let catalog = call.cluster.catalog();
    let resource = catalog.find(&Gvr::new("", "v1", "pods")).ok_or_else(ApiError::no_such_resource)?;
    let kind = match info.subresource.as_str() {
        "exec" => "PodExecOptions",
        "attach" => "PodAttachOptions",
        _ => "PodPortForwardOptions",
    };
    let mut asked = Map::from_iter([("apiVersion".to_owned(), json!("v1")), ("kind".to_owned(), json!(kind))]);
    if kind == "PodPortForwardOptions" {
        let ports: Vec<i64> = call.query.all("ports").iter().filter_map(|port| port.parse().ok()).collect();
        if !ports.is_empty() {
            asked.insert("ports".to_owned(), json!(ports));
        }
    } else {
        for stream in ["stdin", "stdout", "stderr", "tty"].into_iter().filter(|stream| call.query.flag(stream)) {
            asked.insert(stream.to_owned(), json!(true));
        }
        if !call.query.text("container").is_empty() {
            asked.insert("container".to_owned(), json!(call.query.text("container")));
        }
        let command = call.query.all("command");
        if kind == "PodExecOptions" && !command.is_empty() {
            asked.insert("command".to_owned(), json!(command));
        }
    }
    let target = Target {
        resource: &resource,
        namespace: info.namespace.as_deref().unwrap_or_default(),
        name: info.name.as_deref().unwrap_or_default(),
        subresource: &info.subresource,
    };
    let mut options = objects::write_options(call, "CreateOptions")?;
    call.with_registry(|registry| registry.admit_action(&target, "CONNECT", &mut Value::Object(asked), &mut options))
}
