//! CertificateSigningRequests: who asked is written in, conditions may only grow, and approval needs the right to it.
//!
//! After `pkg/registry/certificates` and `pkg/apis/certificates/validation` of Kubernetes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;

use super::{Access, MASTERS, User, authorize};
use crate::authority::mistake_in_signature;
use crate::cluster::State;
use crate::crd::names::{dns_1123_label, dns_1123_subdomain};
use crate::error::{ApiError, Cause};
use crate::registry::{Target, meta_text};
use crate::resource::Resource;

const GROUP: &str = "certificates.k8s.io";

/// The signer whose certificates this server takes for its users'.
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// Conditions that are true or absent, and stay.
const FINAL: [&str; 3] = ["Approved", "Denied", "Failed"];

const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// Returns whether a resource is that of these requests.
pub(crate) fn is_request(resource: &Resource) -> bool {
    resource.is(GROUP, "certificatesigningrequests")
}

/// Writes into a new request who made it, and takes out what others are to say of it.
pub(crate) fn begin(resource: &Resource, object: &mut Value, user: Option<&User>) -> Result<(), ApiError> {
    if !is_request(resource) {
        return Ok(());
    }
    let told = user.map(User::to_json).unwrap_or_default();
    if let Some(spec) = object["spec"].as_object_mut() {
        for key in ["username", "uid", "groups", "extra"] {
            match told.get(key) {
                Some(value) => drop(spec.insert(key.to_owned(), value.clone())),
                None => drop(spec.remove(key)),
            }
        }
    }
    object["status"] = json!({});
    if object["spec"]["signerName"] != CLIENT_SIGNER {
        return Ok(());
    }
    let Some(pem) = decoded(&object["spec"]["request"]) else { return Ok(()) };
    let Ok((_, request)) = X509CertificationRequest::from_der(&pem) else { return Ok(()) };
    let mut groups = request.certification_request_info.subject.iter_organization();
    if groups.any(|group| group.as_str() == Ok(MASTERS)) {
        let why = format!("use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed");
        return Err(ApiError::forbidden(resource, meta_text(object, "name"), &why));
    }
    Ok(())
}

/// Takes from the live request what a write through a path may not change, and dates new conditions.
pub(crate) fn keep(target: &Target<'_>, live: &Value, object: &mut Value, now: &str) {
    if !is_request(target.resource) {
        return;
    }
    object["spec"] = live["spec"].clone();
    let conditions = object.pointer("/status/conditions").cloned().unwrap_or_default();
    match target.subresource {
        "approval" => {
            object["status"] = live["status"].clone();
            if let Some(status) = object["status"].as_object_mut() {
                status.remove("conditions");
                if conditions.as_array().is_some_and(|all| !all.is_empty()) {
                    status.insert("conditions".to_owned(), conditions);
                }
            }
        }
        "status" => {
            for kind in ["Approved", "Denied"] {
                keep_conditions(live, object, kind);
            }
        }
        _ => {
            object["status"] = live["status"].clone();
            return;
        }
    }
    let old = list(live);
    for condition in object.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        if condition["lastUpdateTime"].is_null() {
            condition["lastUpdateTime"] = json!(now);
        }
        if condition["lastTransitionTime"].is_null() {
            let same = |have: &&Value| have["type"] == condition["type"] && have["status"] == condition["status"];
            let since = old.iter().find(same).map(|have| have["lastTransitionTime"].clone());
            condition["lastTransitionTime"] = since.filter(Value::is_string).unwrap_or_else(|| json!(now));
        }
    }
}

/// Takes the conditions of one type from the live request, unless their number changed.
fn keep_conditions(live: &Value, object: &mut Value, kind: &str) {
    let old: Vec<&Value> = of_type(live, kind);
    if of_type(object, kind).len() != old.len() {
        return;
    }
    let mut old = old.into_iter();
    for condition in object.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        if condition["type"] == kind
            && let Some(old) = old.next()
        {
            *condition = old.clone();
        }
    }
}

/// Refuses an approval by somebody who may not approve for the signer.
pub(crate) fn check_approval(state: &State, user: &User, target: &Target<'_>, live: &Value) -> Result<(), ApiError> {
    if !is_request(target.resource) || target.subresource != "approval" {
        return Ok(());
    }
    let signer = live["spec"]["signerName"].as_str().unwrap_or_default();
    let domain = signer.split('/').next().unwrap_or_default();
    let may = |name: &str| authorize(state, user, &Access::resource("approve", GROUP, "signers", "", name)).is_ok();
    if may(signer) || may(&format!("{domain}/*")) {
        return Ok(());
    }
    let why = format!("user not permitted to approve requests with signerName {signer:?}");
    Err(ApiError::forbidden(target.resource, target.name, &why))
}

fn list(request: &Value) -> &[Value] {
    request.pointer("/status/conditions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn of_type<'a>(request: &'a Value, kind: &str) -> Vec<&'a Value> {
    list(request).iter().filter(|condition| condition["type"] == kind).collect()
}

/// Returns the DER of a request, or `None` where it is no PEM block of that type.
fn decoded(request: &Value) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(request.as_str()?).ok()?;
    let (_, pem) = parse_x509_pem(&bytes).ok()?;
    (pem.label == "CERTIFICATE REQUEST").then_some(pem.contents)
}

/// Returns what is wrong with a request, or with its succeeding `old` through a path.
pub(crate) fn mistakes(target: &Target<'_>, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    if !is_request(target.resource) {
        return Vec::new();
    }
    let mut out = mistakes_in_spec(&object["spec"], old.map(|old| &old["spec"]));
    out.extend(mistakes_in_conditions(object, old));
    let certificate = &object["status"]["certificate"];
    if old.is_none_or(|old| old["status"]["certificate"] != *certificate)
        && let Some(why) = mistake_in_certificate(certificate)
    {
        out.push(Cause::invalid("status.certificate", &json!("<certificate data>"), why));
    }
    let Some(old) = old else { return out };
    let forbid = |why: String| Cause::forbidden("status.conditions", &why);
    for kind in FINAL {
        if of_type(object, kind).len() < of_type(old, kind).len() {
            out.push(forbid(format!("updates may not remove a condition of type {kind:?}")));
        }
    }
    if target.subresource != "approval" {
        for kind in ["Approved", "Denied"] {
            if of_type(object, kind).len() > of_type(old, kind).len() {
                out.push(forbid(format!("updates may not add a condition of type {kind:?}")));
            }
        }
    }
    let before = &old["status"]["certificate"];
    if before != certificate {
        if target.subresource != "status" {
            out.push(Cause::forbidden("status.certificate", "updates may not set certificate content"));
        } else if before.as_str().is_some_and(|text| !text.is_empty()) {
            out.push(Cause::forbidden("status.certificate", "updates may not modify existing certificate content"));
        }
    }
    out
}

fn mistakes_in_spec(spec: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut out = Vec::new();
    if old.is_some() {
        // The spec never changes.
        return out;
    }
    let request = &spec["request"];
    let why = match decoded(request) {
        None => Some("PEM block type must be CERTIFICATE REQUEST"),
        Some(der) => match X509CertificationRequest::from_der(&der) {
            Err(_) => Some("asn1: structure error"),
            Ok((_, request)) => mistake_in_signature(&request),
        },
    };
    if let Some(why) = why {
        out.push(Cause::invalid("spec.request", request, why));
    }
    let usages = crate::catalog::texts(&spec["usages"]);
    if usages.is_empty() {
        out.push(Cause::required("spec.usages", ""));
    }
    for (at, usage) in usages.iter().enumerate().filter(|(_, usage)| !USAGES.contains(&usage.as_str())) {
        out.push(Cause::unsupported(format!("spec.usages[{at}]"), &json!(usage), &USAGES.map(str::to_owned)));
    }
    for (at, usage) in usages.iter().enumerate().filter(|(at, usage)| usages[..*at].contains(usage)) {
        out.push(Cause::duplicate(format!("spec.usages[{at}]"), &json!(usage)));
    }
    out.extend(mistakes_in_signer(spec["signerName"].as_str().unwrap_or_default()));
    if let Some(secs) = spec["expirationSeconds"].as_i64().filter(|secs| *secs < 600) {
        let why = "may not specify a duration less than 600 seconds (10 minutes)";
        out.push(Cause::invalid("spec.expirationSeconds", &json!(secs), why));
    }
    out
}

/// A signer is a domain of two labels or more, and a path of one step (`ValidateSignerName`).
fn mistakes_in_signer(name: &str) -> Vec<Cause> {
    const FIELD: &str = "spec.signerName";
    const MOST_OF_DOMAIN: usize = 253;
    const MOST: usize = MOST_OF_DOMAIN + 1 + 253 + 63 + 1;
    let refuse = |value: &str, why: &str| Cause::invalid(FIELD, &json!(value), why);
    let too_long = |most: usize| Cause::too_long(FIELD, &Value::Null, &format!("may not be more than {most} bytes"));
    // The first label of a part that is wrong is enough.
    let first_wrong_label = |part: &str, check: fn(&str) -> Vec<String>| -> Vec<Cause> {
        let labels = part.split('.').map(|label| (label, check(label)));
        let wrong = labels.into_iter().find(|(_, whys)| !whys.is_empty());
        let told = wrong
            .into_iter()
            .flat_map(|(label, whys)| whys.into_iter().map(move |why| format!("validating label {label:?}: {why}")));
        told.map(|why| refuse(part, &why)).collect()
    };
    if name.is_empty() {
        return vec![Cause::required(FIELD, "")];
    }
    if name == "kubernetes.io/legacy-unknown" {
        return vec![refuse(name, "the legacy signerName is not allowed via this API version")];
    }
    let Some((domain, path)) = name.split_once('/').filter(|(_, path)| !path.contains('/')) else {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        return vec![refuse(name, why)];
    };
    let mut out = Vec::new();
    if domain.len() > MOST_OF_DOMAIN {
        out.push(too_long(MOST_OF_DOMAIN));
    }
    out.extend(first_wrong_label(domain, dns_1123_label));
    if !domain.contains('.') {
        out.push(refuse(domain, "should be a domain with at least two segments separated by dots"));
    }
    out.extend(first_wrong_label(path, dns_1123_subdomain));
    if name.len() > MOST {
        out.push(too_long(MOST));
    }
    out
}

fn mistakes_in_conditions(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut out = Vec::new();
    let both = |request: &Value| ["Approved", "Denied"].iter().all(|kind| !of_type(request, kind).is_empty());
    let allows_both = old.is_some_and(both);
    let conditions = list(object);
    for (at, condition) in conditions.iter().enumerate() {
        let kind = condition["type"].as_str().unwrap_or_default();
        let path = format!("status.conditions[{at}]");
        if kind.is_empty() {
            out.push(Cause::required(format!("{path}.type"), ""));
        }
        let allowed: &[&str] = if FINAL.contains(&kind) { &["True"] } else { &["False", "True", "Unknown"] };
        match condition["status"].as_str().unwrap_or_default() {
            "" => out.push(Cause::required(format!("{path}.status"), "")),
            status if !allowed.contains(&status) => {
                let allowed: Vec<String> = allowed.iter().map(|word| (*word).to_owned()).collect();
                out.push(Cause::unsupported(format!("{path}.status"), &json!(status), &allowed));
            }
            _ => {}
        }
        let seen = |other: &str| conditions[..at].iter().any(|have| have["type"] == other);
        let opposite = match kind {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !allows_both && !opposite.is_empty() && seen(opposite) {
            let why = "Approved and Denied conditions are mutually exclusive";
            out.push(Cause::invalid("status.conditions", &json!(kind), why));
        }
        if seen(kind) {
            out.push(Cause::duplicate(format!("{path}.type"), &json!(kind)));
        }
    }
    out
}

fn mistake_in_certificate(certificate: &Value) -> Option<String> {
    let text = certificate.as_str().filter(|text| !text.is_empty())?;
    let bytes = STANDARD.decode(text).unwrap_or_default();
    let mut blocks = 0;
    for pem in x509_parser::pem::Pem::iter_from_buffer(&bytes).map_while(Result::ok) {
        if pem.label != "CERTIFICATE" {
            return Some(format!("only CERTIFICATE PEM blocks are allowed, found {:?}", pem.label));
        }
        if let Err(error) = pem.parse_x509() {
            return Some(format!("x509: malformed certificate: {error}"));
        }
        blocks += 1;
    }
    (blocks == 0).then(|| "must contain at least one CERTIFICATE PEM block".to_owned())
}
