//! The four kinds of patch.

use serde_json::Value;

use crate::error::ApiError;
use crate::registry::Target;
use crate::resource::Resource;
use crate::rules;

/// How a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own merge, which knows list keys.
    Strategic,
    /// Server-side apply.
    Apply,
}

/// Largest number of operations in a JSON patch (k8s: `apiserver/pkg/endpoints/handlers/patch.go`).
const MAX_JSON_PATCH_OPERATIONS: usize = 10_000;

impl PatchKind {
    /// Finds the kind a media type names.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        Some(match media_type {
            "application/json-patch+json" => Self::Json,
            "application/merge-patch+json" => Self::Merge,
            "application/strategic-merge-patch+json" => Self::Strategic,
            "application/apply-patch+yaml" => Self::Apply,
            _ => return None,
        })
    }
}

/// Returns `current` changed by a patch that is no apply, of the JSON type that its kind asks for.
pub(crate) fn change(resource: &Resource, kind: PatchKind, current: &Value, body: &Value) -> Result<Value, ApiError> {
    match kind {
        PatchKind::Json => json_patch(current, body),
        PatchKind::Merge => {
            let mut out = current.clone();
            json_patch::merge(&mut out, body);
            Ok(out)
        }
        PatchKind::Strategic | PatchKind::Apply => rules::strategic(resource, current, body),
    }
}

fn json_patch(current: &Value, body: &Value) -> Result<Value, ApiError> {
    let operations = body.as_array().map(Vec::as_slice).unwrap_or_default();
    if operations.len() > MAX_JSON_PATCH_OPERATIONS {
        let message = format!(
            "Request entity too large: The allowed maximum operations in a JSON patch is {MAX_JSON_PATCH_OPERATIONS}, got {}",
            operations.len()
        );
        return Err(ApiError::new(413, "RequestEntityTooLarge", message));
    }
    crate::json_patch::apply(current, operations).ok_or_else(|| {
        ApiError::new(422, "Invalid", "the server rejected our request due to an error in our request")
            .with_causes(Vec::new())
    })
}

/// Refuses applies of something else than the target, and those that set owners.
pub(crate) fn check_apply(target: &Target<'_>, config: &Value) -> Result<(), ApiError> {
    let resource = target.resource;
    let (want, want_kind) = match resource.subresource(target.subresource) {
        Some(sub) if target.subresource == "scale" => (sub.gvk.api_version(), sub.gvk.kind.clone()),
        _ => (resource.api_version(), resource.kind.clone()),
    };
    let (version, kind) =
        (config["apiVersion"].as_str().unwrap_or_default(), config["kind"].as_str().unwrap_or_default());
    if version != want || kind != want_kind {
        // More than one slash is no version at all.
        let (group, version, kind) = match version.split_once('/') {
            Some((_, version)) if version.contains('/') => ("", "", ""),
            Some((group, version)) => (group, version, kind),
            None => ("", version, kind),
        };
        return Err(ApiError::bad_request(format!("invalid object type: {group}/{version}, Kind={kind}")));
    }
    if config["metadata"].get("managedFields").is_some_and(Value::is_array) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}
