//! What a webhook's answer says, and what is wrong with it
//! (k8s: `apiserver/pkg/admission/plugin/webhook/{request,errors}`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::error::{ApiError, Details};

/// What a webhook decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// A JSON patch; empty when nothing is to change.
    pub(super) patch: Vec<u8>,
    pub(super) patch_type: String,
    /// The `metav1.Status` that comes with a refusal.
    pub(super) status: Option<Value>,
    pub(super) warnings: Vec<String>,
}

/// Reads the response of a review; `asked` is the review's version.
pub(super) fn verify(review: &Value, uid: &str, is_mutating: bool, asked: &str) -> Result<Verdict, String> {
    let response = &review["response"];
    if response.is_null() {
        return Err("webhook response was absent".to_owned());
    }
    let text = |key: &str| response[key].as_str().unwrap_or_default();
    let patch = STANDARD.decode(text("patch")).unwrap_or_default();
    let mut verdict = Verdict {
        allowed: response["allowed"] == true,
        status: response.get("status").filter(|status| status.is_object()).map(tidy_status),
        warnings: crate::catalog::texts(&response["warnings"]),
        ..Verdict::default()
    };
    if asked == "v1beta1" {
        // Nothing else was checked in this version, and only one kind of patch was known.
        if is_mutating && !patch.is_empty() {
            "JSONPatch".clone_into(&mut verdict.patch_type);
            verdict.patch = patch;
        }
        return Ok(verdict);
    }
    if text("uid") != uid {
        return Err(format!("expected response.uid={uid:?}, got {:?}", text("uid")));
    }
    super::call::check_kind(review, "admission.k8s.io/v1", "AdmissionReview")?;
    let patch_type = response.get("patchType").filter(|value| !value.is_null());
    if !is_mutating {
        if !patch.is_empty() {
            return Err("validating webhook may not return response.patch".to_owned());
        }
        if patch_type.is_some() {
            return Err("validating webhook may not return response.patchType".to_owned());
        }
        return Ok(verdict);
    }
    match (patch.is_empty(), patch_type) {
        (false, None) => return Err("webhook returned response.patch but not response.patchType".to_owned()),
        (true, Some(_)) => return Err("webhook returned response.patchType but not response.patch".to_owned()),
        (_, Some(value)) if value == "" => {
            return Err("webhook returned invalid response.patchType of \"\"".to_owned());
        }
        _ => {}
    }
    verdict.patch = patch;
    text("patchType").clone_into(&mut verdict.patch_type);
    Ok(verdict)
}

/// Leaves of a status what its Go type has.
fn tidy_status(status: &Value) -> Value {
    fn pick(from: &Value, keys: &[&str]) -> Map<String, Value> {
        let is_there = |value: &&Value| !value.is_null() && **value != "" && **value != json!(0);
        keys.iter().filter_map(|key| Some(((*key).to_owned(), from.get(*key).filter(is_there)?.clone()))).collect()
    }
    let mut out = pick(status, &["status", "message", "reason", "code"]);
    let meta = pick(&status["metadata"], &["selfLink", "resourceVersion", "continue", "remainingItemCount"]);
    out.insert("metadata".to_owned(), Value::Object(meta));
    if status["details"].is_object() {
        let given = &status["details"];
        let mut details = pick(given, &["name", "group", "kind", "uid", "retryAfterSeconds"]);
        let causes = given["causes"].as_array().filter(|causes| !causes.is_empty());
        if let Some(causes) = causes {
            let causes = causes.iter().map(|cause| Value::Object(pick(cause, &["reason", "message", "field"])));
            details.insert("causes".to_owned(), causes.collect());
        }
        out.insert("details".to_owned(), Value::Object(details));
    }
    Value::Object(out)
}

/// Makes of a webhook's status the refusal its client is sent.
pub(super) fn refusal(name: &str, status: Option<Value>) -> ApiError {
    let mut status = status.unwrap_or_else(|| json!({ "metadata": {} }));
    let code = u16::try_from(status["code"].as_u64().unwrap_or(0)).unwrap_or(0).max(400);
    let denied = format!("admission webhook {name:?} denied the request");
    let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
    let message = match (text("message"), text("reason")) {
        (message, _) if !message.is_empty() => format!("{denied}: {message}"),
        (_, reason) if !reason.is_empty() => format!("{denied}: {reason}"),
        _ => format!("{denied} without explanation"),
    };
    if matches!(text("status").as_str(), "" | "Success") {
        status["status"] = json!("Failure");
    }
    status["kind"] = json!("Status");
    status["apiVersion"] = json!("v1");
    status["code"] = json!(code);
    status["message"] = json!(message);
    let retry = status["details"]["retryAfterSeconds"].as_u64().and_then(|secs| u32::try_from(secs).ok());
    let mut error = ApiError::new(code, "", message);
    if retry.is_some() {
        error = error.about(Details { retry_after_secs: retry, ..Details::default() });
    }
    error.given = Some(Box::new(status));
    error
}
