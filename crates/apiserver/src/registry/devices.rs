//! Claims of devices that want them for administration: the namespace must allow it.

use serde_json::Value;

use super::{Registry, Target};
use crate::error::Cause;
use crate::resource::Gvr;

const ALLOWED_BY: &str = "resource.kubernetes.io/admin-access";

/// Returns what is wrong with a new claim, or template of claims, or with the status of one, before it is looked at.
pub(super) fn mistakes(
    registry: &mut Registry<'_>,
    target: &Target<'_>,
    object: &Value,
    old: Option<&Value>,
) -> Vec<Cause> {
    let is_of = |plural: &str| target.resource.is("resource.k8s.io", plural);
    let wanted = |object: &Value, list: &str, field: &str| {
        let mut items = object.pointer(list).and_then(Value::as_array).into_iter().flatten();
        items.position(|item| item.pointer(field) == Some(&Value::Bool(true)))
    };
    const REQUESTED: &str = "/exactly/adminAccess";
    const GRANTED: (&str, &str) = ("/status/allocation/devices/results", "/adminAccess");
    let (path, at) = match old {
        None if is_of("resourceclaims") => {
            ("spec.devices.requests", wanted(object, "/spec/devices/requests", REQUESTED))
        }
        // Upstream says of a template where it would be in a claim.
        None if is_of("resourceclaimtemplates") => {
            ("spec.devices.requests", wanted(object, "/spec/spec/devices/requests", REQUESTED))
        }
        Some(old) if is_of("resourceclaims") && target.subresource == "status" => {
            let was_granted = wanted(old, GRANTED.0, GRANTED.1).is_some();
            let at = wanted(object, GRANTED.0, GRANTED.1).filter(|_| !was_granted);
            ("status.allocation.devices.results", at)
        }
        _ => return Vec::new(),
    };
    let Some(at) = at else { return Vec::new() };
    let Ok(namespaces) = registry.resource(&Gvr::new("", "v1", "namespaces")) else { return Vec::new() };
    let namespace = registry.find(&namespaces, "", target.namespace);
    if namespace.is_some_and(|namespace| namespace.value["metadata"]["labels"][ALLOWED_BY] == "true") {
        return Vec::new();
    }
    let why = format!("admin access to devices requires the `{ALLOWED_BY}: true` label on the containing namespace");
    vec![Cause::forbidden(format!("{path}[{at}].adminAccess"), &why)]
}
