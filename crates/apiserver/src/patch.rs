//! The four kinds of patch.

use serde_json::{Map, Value};

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
            merge(&mut out, body);
            Ok(out)
        }
        PatchKind::Strategic | PatchKind::Apply => rules::strategic(resource, current, body),
    }
}

/// Merges as upstream's library does: what replaces something else than an object loses the nulls in its lists, too.
fn merge(out: &mut Value, patch: &Value) {
    let (Value::Object(have), Value::Object(changes)) = (&mut *out, patch) else {
        let was_object = out.is_object();
        *out = patch.clone();
        if !was_object {
            drop_nulls(out);
        }
        return;
    };
    for (key, change) in changes {
        match have.get_mut(key).filter(|have| !have.is_null()) {
            _ if change.is_null() => drop(have.remove(key)),
            Some(have) => merge(have, change),
            None => {
                let mut new = change.clone();
                drop_nulls(&mut new);
                have.insert(key.clone(), new);
            }
        }
    }
}

/// Takes the fields out that are null, in lists as well.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, below| !below.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Returns what a JSON patch or a merge patch names, as nested fields and indexes.
pub(crate) fn touched(kind: PatchKind, body: &Value) -> Value {
    if kind != PatchKind::Json {
        return body.clone();
    }
    let mut root = Value::Object(Map::new());
    for operation in body.as_array().into_iter().flatten() {
        let is_test = operation["op"] == "test";
        let paths = ["path", "from"].into_iter().filter_map(|key| operation[key].as_str()?.strip_prefix('/'));
        for path in paths {
            let mut at = &mut root;
            let mut steps = path.split('/').peekable();
            while let Some(step) = steps.next() {
                if is_test && steps.peek().is_none() {
                    break;
                }
                if !at.is_object() {
                    *at = Value::Object(Map::new());
                }
                at = &mut at[step.replace("~1", "/").replace("~0", "~")];
            }
        }
    }
    root
}

/// Returns a strategic merge patch as merging it leaves it: without the directives that were followed.
pub(crate) fn spent(patch: &Value, current: &Value) -> Value {
    const ORDER: &str = "$setElementOrder/";
    let Value::Object(map) = patch else { return patch.clone() };
    let mut left = map.clone();
    if map.get("$patch").is_some() {
        if map["$patch"] == "replace" {
            left.remove("$patch");
        }
        return Value::Object(left);
    }
    left.remove("$retainKeys");
    for list in map.keys().filter_map(|key| key.strip_prefix(ORDER)) {
        left.remove(&format!("{ORDER}{list}"));
        left.remove(list);
    }
    for (key, below) in &mut left {
        if let Some(current) = current.get(key).filter(|current| current.is_object()) {
            *below = spent(below, current);
        }
    }
    Value::Object(left)
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

/// Refuses applies of something else than the target.
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
    Ok(())
}
