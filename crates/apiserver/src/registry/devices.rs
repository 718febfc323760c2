//! Claims of devices that want them for administration: the namespace must allow it.

use serde_json::Value;

use super::{Registry, Target};
use crate::error::Cause;
use crate::resource::Gvr;

const ALLOWED_BY: &str = "resource.kubernetes.io/admin-access";

/// Returns what is wrong with a new claim, or template of claims, before its spec is looked at.
pub(super) fn mistakes(registry: &mut Registry<'_>, target: &Target<'_>, object: &Value) -> Vec<Cause> {
    let resource = target.resource;
    let requests = if resource.is("resource.k8s.io", "resourceclaims") {
        &object["spec"]["devices"]["requests"]
    } else if resource.is("resource.k8s.io", "resourceclaimtemplates") {
        &object["spec"]["spec"]["devices"]["requests"]
    } else {
        return Vec::new();
    };
    let mut requests = requests.as_array().into_iter().flatten();
    let Some(at) = requests.position(|request| request["exactly"]["adminAccess"] == true) else { return Vec::new() };
    let Ok(namespaces) = registry.resource(&Gvr::new("", "v1", "namespaces")) else { return Vec::new() };
    let namespace = registry.find(&namespaces, "", target.namespace);
    if namespace.is_some_and(|namespace| namespace.value["metadata"]["labels"][ALLOWED_BY] == "true") {
        return Vec::new();
    }
    let why = format!("admin access to devices requires the `{ALLOWED_BY}: true` label on the containing namespace");
    vec![Cause::forbidden(format!("spec.devices.requests[{at}].adminAccess"), &why)]
}
