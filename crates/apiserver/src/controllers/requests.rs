//! CertificateSigningRequests: kubelets' own are approved, approved ones are signed, old ones go.
//!
//! After the `csrapproving`, `csrsigning` and `csrcleaner` controllers of kube-controller-manager. Upstream looks for old
//! requests once an hour; here they go when their time comes.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use x509_parser::pem::parse_x509_pem;

use super::Simulation;
use super::object::{is_deleted, items, name, text, time};
use super::world::{Id, Kind};
use crate::auth::{self, Access, User};
use crate::authority::Request;
use crate::clock::rfc3339_seconds;
use crate::error::ApiError;
use crate::patch::PatchKind;

/// How long after their end answered requests are kept.
const KEPT_ANSWERED: SignedDuration = SignedDuration::from_hours(1);
/// How long those are kept that wait for an approval or a certificate.
const KEPT_WAITING: SignedDuration = SignedDuration::from_hours(24);

const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const LEGACY: &str = "kubernetes.io/legacy-unknown";

impl Simulation {
    pub(super) fn signing_request(&mut self, request_name: &str) -> Result<(), ApiError> {
        let Some(object) = self.world.get(Kind::SigningRequest, "", request_name) else { return Ok(()) };
        if is_deleted(&object) {
            return Ok(());
        }
        let now = self.admin.now();
        match end_of(&object) {
            Some(end) if end <= now => return self.delete(Kind::SigningRequest, &object),
            Some(end) => {
                let wait_ms = u64::try_from(end.as_millisecond() - now.as_millisecond()).unwrap_or(0);
                let id = Id::new(Kind::SigningRequest, "", request_name);
                self.later(id, Duration::from_millis(wait_ms.max(1000)));
            }
            None => {}
        }
        let pem = STANDARD.decode(text(&object, "/spec/request")).unwrap_or_default();
        let Some(request) = Request::from_pem(&pem) else { return Ok(()) };
        let usages: Vec<String> = items(&object, "/spec/usages").filter_map(Value::as_str).map(str::to_owned).collect();
        if !has(&object, "Approved") {
            return if has(&object, "Denied") { Ok(()) } else { self.approve(&object, &request, &usages) };
        }
        if has(&object, "Failed") || is_issued(&object) {
            return Ok(());
        }
        let Some(verdict) = judge(text(&object, "/spec/signerName"), &request, &usages) else { return Ok(()) };
        let mut status = object["status"].clone();
        match verdict {
            Err(why) => {
                let failed = json!({
                    "type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why,
                    "lastUpdateTime": rfc3339_seconds(now),
                });
                if let Some(conditions) = status["conditions"].as_array_mut() {
                    conditions.push(failed);
                }
            }
            Ok(()) => {
                let secs = object["spec"]["expirationSeconds"].as_i64();
                let Some(made) = self.admin.authority().and_then(|own| own.sign(&request, &usages, secs, now)) else {
                    return Ok(());
                };
                status["certificate"] = json!(STANDARD.encode(made));
            }
        }
        self.write_status(Kind::SigningRequest, &object, status)
    }

    /// Approves a kubelet's request, if who makes it may have it.
    fn approve(&self, object: &Value, request: &Request, usages: &[String]) -> Result<(), ApiError> {
        if text(object, "/spec/signerName") != KUBELET_CLIENT || mistake_of_kubelet_client(request, usages).is_some() {
            return Ok(());
        }
        let user = User::from_json(&object["spec"]);
        let mut ways = vec![("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")];
        if user.name == request.common_name {
            let own = "Auto approving self kubelet client certificate after SubjectAccessReview.";
            ways.insert(0, ("selfnodeclient", own));
        }
        for (subresource, message) in ways {
            let resource = format!("certificatesigningrequests/{subresource}");
            let access = Access::resource("create", "certificates.k8s.io", &resource, "", "");
            if !self.admin.with_state(|state| auth::authorize(state, &user, &access).is_ok()) {
                continue;
            }
            let mut conditions: Vec<Value> = items(object, "/status/conditions").cloned().collect();
            conditions
                .push(json!({ "type": "Approved", "status": "True", "reason": "AutoApproved", "message": message }));
            let patch = json!({ "status": { "conditions": conditions } });
            let at = ("", name(object));
            return self.admin.patch(&Kind::SigningRequest.gvr(), at, "approval", PatchKind::Merge, &patch).map(drop);
        }
        Ok(())
    }
}

fn has(object: &Value, kind: &str) -> bool {
    items(object, "/status/conditions").any(|condition| condition["type"] == kind && condition["status"] == "True")
}

fn is_issued(object: &Value) -> bool {
    !text(object, "/status/certificate").is_empty()
}

/// Returns when a request is to go.
fn end_of(object: &Value) -> Option<Timestamp> {
    let after = |since: &Value, kept: SignedDuration| time(since)?.checked_add(kept).ok();
    if items(object, "/status/conditions").next().is_none() {
        return after(&object["metadata"]["creationTimestamp"], KEPT_WAITING);
    }
    let issued = is_issued(object);
    let ends = items(object, "/status/conditions").filter_map(|condition| match condition["type"].as_str()? {
        "Approved" if issued => {
            let by_age = after(&condition["lastUpdateTime"], KEPT_ANSWERED);
            by_age.into_iter().chain(expiry(object)).min()
        }
        "Approved" => after(&condition["lastUpdateTime"], KEPT_WAITING),
        "Denied" | "Failed" => after(&condition["lastUpdateTime"], KEPT_ANSWERED),
        _ => None,
    });
    ends.min()
}

fn expiry(object: &Value) -> Option<Timestamp> {
    let bytes = STANDARD.decode(text(object, "/status/certificate")).ok()?;
    let (_, pem) = parse_x509_pem(&bytes).ok()?;
    let certificate = pem.parse_x509().ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

/// Decides whether a signer signs a request; `None` when no signer here is meant.
fn judge(signer: &str, request: &Request, usages: &[String]) -> Option<Result<(), String>> {
    let mistake = match signer {
        KUBELET_CLIENT => mistake_of_kubelet_client(request, usages),
        KUBELET_SERVING => mistake_of_kubelet_serving(request, usages),
        CLIENT => mistake_of_client(usages),
        LEGACY => None,
        _ => return None,
    };
    Some(mistake.map_or(Ok(()), Err))
}

/// Returns whether the usages are those of a list, in which key encipherment may be missing.
fn are(usages: &[String], wanted: &[&str; 3]) -> bool {
    let known = usages.iter().all(|usage| wanted.contains(&usage.as_str()));
    known && wanted.iter().all(|want| *want == "key encipherment" || usages.iter().any(|usage| usage == want))
}

fn mistake_of_kubelet_client(request: &Request, usages: &[String]) -> Option<String> {
    let why = if request.organizations != ["system:nodes"] {
        "subject organization is not system:nodes"
    } else if request.dns_names > 0 {
        "DNS subjectAltNames are not allowed"
    } else if request.emails > 0 {
        "Email subjectAltNames are not allowed"
    } else if request.addresses > 0 {
        "IP subjectAltNames are not allowed"
    } else if request.uris > 0 {
        "URI subjectAltNames are not allowed"
    } else if !request.common_name.starts_with("system:node:") {
        "subject common name does not begin with system:node:"
    } else if !are(usages, &["client auth", "digital signature", "key encipherment"]) {
        "usages did not match [client auth digital signature key encipherment]"
    } else {
        return None;
    };
    Some(why.to_owned())
}

fn mistake_of_kubelet_serving(request: &Request, usages: &[String]) -> Option<String> {
    let why = if request.organizations != ["system:nodes"] {
        "subject organization is not system:nodes"
    } else if request.dns_names == 0 && request.addresses == 0 {
        "DNS or IP subjectAltName is required"
    } else if request.emails > 0 {
        "Email subjectAltNames are not allowed"
    } else if request.uris > 0 {
        "URI subjectAltNames are not allowed"
    } else if !are(usages, &["digital signature", "key encipherment", "server auth"]) {
        "usages did not match [digital signature key encipherment server auth]"
    } else if !request.common_name.starts_with("system:node:") {
        "subject common name does not begin with system:node:"
    } else {
        return None;
    };
    Some(why.to_owned())
}

fn mistake_of_client(usages: &[String]) -> Option<String> {
    let wrong =
        usages.iter().find(|usage| !["client auth", "digital signature", "key encipherment"].contains(&usage.as_str()));
    if let Some(wrong) = wrong {
        return Some(format!("invalid usage for client certificate: {wrong}"));
    }
    let has = usages.iter().any(|usage| usage == "client auth");
    (!has).then(|| "missing required usage for client certificate: client auth".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_when_their_time_comes() {
        let request =
            |status: Value| json!({ "metadata": { "creationTimestamp": "2026-01-01T00:00:00Z" }, "status": status });
        let at = "2026-01-01T01:00:00Z";
        let condition = |kind: &str| json!({ "conditions": [{ "type": kind, "lastUpdateTime": at }] });
        let rows = [
            (request(json!({})), "2026-01-02T00:00:00Z"),
            (request(condition("Approved")), "2026-01-02T01:00:00Z"),
            (request(condition("Denied")), "2026-01-01T02:00:00Z"),
            (request(condition("Failed")), "2026-01-01T02:00:00Z"),
        ];
        for (request, want) in rows {
            assert_eq!(end_of(&request).map(|end| end.to_string()).as_deref(), Some(want), "{request}");
        }
    }
}
