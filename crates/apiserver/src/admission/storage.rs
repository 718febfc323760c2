//! Claims and volumes: `DefaultStorageClass`, `StorageObjectInUseProtection` and `PersistentVolumeClaimResize`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::resources::read;
use super::{Operation, Request, text};
use crate::builtins::Quantity;
use crate::error::ApiError;
use crate::registry::Registry;

const GROUP: &str = "storage.k8s.io";
/// Either annotation makes a class the default; the second is older.
const IS_DEFAULT: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
/// The class of old, before there was a field.
const CLASS: &str = "volume.beta.kubernetes.io/storage-class";

fn classes(registry: &mut Registry<'_>) -> Vec<Arc<Value>> {
    super::all(registry, (GROUP, "v1", "storageclasses"), None)
}

/// Returns the class a claim asks for; empty when it asks for none.
pub(super) fn class_of(claim: &Value) -> &str {
    let annotated = claim["metadata"]["annotations"][CLASS].as_str();
    annotated.or_else(|| claim["spec"]["storageClassName"].as_str()).unwrap_or_default()
}

pub(super) fn mutate(registry: &mut Registry<'_>, request: &Request<'_>, object: &mut Value) {
    if request.is_create_of("", "persistentvolumeclaims") {
        let asked = object["spec"].get("storageClassName").is_some_and(|class| !class.is_null())
            || object["metadata"]["annotations"].get(CLASS).is_some();
        let default = if asked { None } else { super::classes::newest_default(classes(registry), &IS_DEFAULT) };
        if let Some(name) = default {
            object["spec"]["storageClassName"] = json!(name);
        }
        protect(object, "kubernetes.io/pvc-protection");
    } else if request.is_create_of("", "persistentvolumes") {
        protect(object, "kubernetes.io/pv-protection");
    } else if request.is_create_of(GROUP, "volumeattributesclasses") {
        protect(object, "kubernetes.io/vac-protection");
    }
}

fn protect(object: &mut Value, finalizer: &str) {
    let finalizers = &mut object["metadata"]["finalizers"];
    if !finalizers.is_array() {
        *finalizers = json!([]);
    }
    if let Value::Array(finalizers) = finalizers
        && !finalizers.contains(&json!(finalizer))
    {
        finalizers.push(json!(finalizer));
    }
}

pub(super) fn validate(registry: &mut Registry<'_>, request: &Request<'_>, claim: &Value) -> Result<(), ApiError> {
    let Some(old) = request.old.filter(|_| request.is_of("", "persistentvolumeclaims")) else { return Ok(()) };
    if request.operation != Operation::Update {
        return Ok(());
    }
    let size = |claim: &Value| read(&claim["spec"]["resources"]["requests"]).get("storage").map_or(0, Quantity::nanos);
    if size(claim) <= size(old) {
        return Ok(());
    }
    if old["status"]["phase"] != "Bound" {
        return Err(request.forbid(claim, "Only bound persistent volume claims can be expanded"));
    }
    let name = class_of(claim);
    let grows = !name.is_empty()
        && name == class_of(old)
        && classes(registry)
            .iter()
            .any(|class| text(class, "/metadata/name") == name && class["allowVolumeExpansion"] == true);
    if grows {
        return Ok(());
    }
    let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must \
               support resize";
    Err(request.forbid(claim, why))
}
