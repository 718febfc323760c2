//! Requests about identity, which store nothing: reviews of access and of tokens, tokens of service accounts, and the
//! keys those are signed with.

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::Arc;

use super::objects::{self, write_options};
use super::reply::{self, Body};
use super::service::Call;
use crate::auth::tokens::{self, Binding, Wish};
use crate::auth::{self, Access, Authorization, Subject, User};
use crate::clock::rfc3339_seconds;
use crate::error::{ApiError, Cause};
use crate::registry::{Target, WriteOptions, meta_text, metadata};
use crate::resource::{Gvr, Resource};

/// Answers what has to do with identity alone; `None` for all other requests.
pub(super) fn serve(call: &Call<'_>, resource: &Resource) -> Result<Option<Response<Body>>, ApiError> {
    let info = call.info;
    let is_review = matches!(info.group.as_str(), "authorization.k8s.io" | "authentication.k8s.io");
    if is_review && info.name.is_some() {
        return Err(ApiError::no_such_resource());
    }
    if info.verb != "create" {
        return Ok(None);
    }
    match (info.group.as_str(), info.resource.as_str(), info.subresource.as_str()) {
        ("", "serviceaccounts", "token") => token(call, resource).map(Some),
        _ if is_review => review(call, resource).map(Some),
        _ => Ok(None),
    }
}

/// Reads the body as the kind it must be, and notes its writer in it.
fn receive(call: &Call<'_>, resource: &Resource) -> Result<(Value, WriteOptions), ApiError> {
    let info = call.info;
    let mut options = write_options(call, "CreateOptions")?;
    let decoded = objects::read(call, resource)?;
    options.mistakes = decoded.mistakes;
    let resource = Arc::new(resource.clone());
    let target = Target {
        resource: &resource,
        namespace: info.namespace.as_deref().unwrap_or_default(),
        name: "",
        subresource: &info.subresource,
    };
    let object = call.cluster.with_registry(|registry| registry.receive(&target, decoded.value, &mut options))?;
    Ok((object, options))
}

fn review(call: &Call<'_>, resource: &Resource) -> Result<Response<Body>, ApiError> {
    let (mut object, options) = receive(call, resource)?;
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.retain(|_, value| !value.is_null());
    }
    let user = call.user;
    match resource.plural.as_str() {
        "selfsubjectreviews" => {
            object = json!({
                "kind": resource.kind, "apiVersion": resource.api_version(),
                "metadata": { "creationTimestamp": call.cluster.clock().now_seconds() },
                "status": { "userInfo": user.to_json() },
            });
        }
        "selfsubjectrulesreviews" => {
            let namespace = object["spec"]["namespace"].as_str().unwrap_or_default();
            if namespace.is_empty() {
                return Err(ApiError::bad_request("no namespace on request"));
            }
            object = json!({
                "kind": resource.kind, "apiVersion": resource.api_version(),
                "metadata": {}, "spec": {}, "status": rules(call, namespace),
            });
        }
        "tokenreviews" => object["status"] = of_token(call, &object)?,
        _ => object["status"] = access(call, resource, &object)?,
    }
    let mut answer = reply::json(201, &object);
    reply::warn(&mut answer, &options.warnings);
    Ok(answer)
}

fn rules(call: &Call<'_>, namespace: &str) -> Value {
    if call.cluster.options().authorization == Authorization::AlwaysAllow {
        return json!({
            "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }],
            "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
            "incomplete": false,
        });
    }
    let (rules, error) = call.cluster.with_state(|state, _| auth::rules_for(state, call.user, namespace));
    let listed = |keys: &[&str], applies: &dyn Fn(&auth::PolicyRule) -> bool| -> Vec<Value> {
        rules.iter().filter(|rule| applies(rule)).map(|rule| rule.to_json(keys)).collect()
    };
    let mut status = json!({
        "resourceRules": listed(&["verbs", "apiGroups", "resources", "resourceNames"], &|rule| !rule.resources.is_empty()),
        "nonResourceRules": listed(&["verbs", "nonResourceURLs"], &|rule| !rule.urls.is_empty()),
        "incomplete": false,
    });
    if let Some(error) = error {
        status["evaluationError"] = json!(error);
    }
    status
}

fn of_token(call: &Call<'_>, review: &Value) -> Result<Value, ApiError> {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
    }
    let audiences = crate::catalog::texts(&review["spec"]["audiences"]);
    let audiences = (!audiences.is_empty()).then_some(&audiences[..]);
    Ok(match auth::of_token(call.cluster, token, audiences) {
        Ok(known) => json!({ "authenticated": true, "user": known.user.to_json(), "audiences": known.audiences }),
        Err(why) => json!({ "user": {}, "error": why }),
    })
}

/// Decides what a review of access asks.
fn access(call: &Call<'_>, resource: &Resource, review: &Value) -> Result<Value, ApiError> {
    let spec = &review["spec"];
    let is_self = resource.plural == "selfsubjectaccessreviews";
    let mistakes = mistakes(resource, review);
    if !mistakes.is_empty() {
        // Upstream asks the decoded object for its kind, which it does not hold.
        return Err(ApiError::invalid(&resource.group, "", "", mistakes));
    }
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let user = if is_self {
        User::clone(call.user)
    } else {
        let extra = spec["extra"].as_object().into_iter().flatten();
        User {
            name: text(spec, "user"),
            uid: text(spec, "uid"),
            groups: crate::catalog::texts(&spec["groups"]),
            extra: extra.map(|(key, values)| (key.clone(), crate::catalog::texts(values))).collect(),
        }
    };
    let wanted = &spec["resourceAttributes"];
    let access = if wanted.is_object() {
        let subject = Subject::Resource {
            group: text(wanted, "group"),
            resource: text(wanted, "resource"),
            subresource: text(wanted, "subresource"),
            namespace: text(wanted, "namespace"),
            name: text(wanted, "name"),
        };
        Access { verb: text(wanted, "verb"), subject }
    } else {
        let wanted = &spec["nonResourceAttributes"];
        Access { verb: text(wanted, "verb"), subject: Subject::Path(text(wanted, "path")) }
    };
    let verdict = call.cluster.with_state(|state, _| auth::authorize(state, &user, &access));
    let mut status = json!({ "allowed": verdict.is_ok() });
    let reason = verdict.unwrap_or_else(|reason| reason);
    if !reason.is_empty() {
        status["reason"] = json!(reason);
    }
    let ignored: Vec<String> = ["fieldSelector", "labelSelector"]
        .into_iter()
        .filter_map(|key| {
            let how = auth::selectors::ignored_part(key, &wanted[key])?;
            Some(format!("spec.resourceAttributes.{key} {how} due to parse error"))
        })
        .collect();
    if !ignored.is_empty() {
        status["evaluationError"] = json!(ignored.join("; "));
    }
    Ok(status)
}

/// Returns what is wrong with a review of access (k8s: `pkg/apis/authorization/validation`).
fn mistakes(resource: &Resource, review: &Value) -> Vec<Cause> {
    let spec = &review["spec"];
    let (wanted, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let mut out = Vec::new();
    let printed_path = || {
        let text = |key: &str| path[key].as_str().unwrap_or_default();
        json!({ "Path": text("path"), "Verb": text("verb") })
    };
    if wanted.is_object() && path.is_object() {
        let why = "cannot be specified in combination with resourceAttributes";
        out.push(Cause::invalid("spec.nonResourceAttributes", &printed_path(), why));
    }
    if !wanted.is_object() && !path.is_object() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        out.push(Cause::invalid("spec.resourceAttributes", &Value::Null, why));
    }
    let is_self = resource.plural == "selfsubjectaccessreviews";
    let names_nobody =
        spec["user"].as_str().unwrap_or_default().is_empty() && crate::catalog::texts(&spec["groups"]).is_empty();
    if !is_self && names_nobody {
        out.push(Cause::invalid("spec.user", &json!(""), "at least one of user or group must be specified"));
    }
    for key in ["fieldSelector", "labelSelector"] {
        if wanted[key].is_object() {
            out.extend(auth::selectors::mistakes(&wanted[key], &format!("spec.resourceAttributes.{key}")));
        }
    }
    let is_local = resource.plural == "localsubjectaccessreviews";
    let allowed: &[&str] = if is_local { &["managedFields", "namespace"] } else { &["managedFields"] };
    let meta = review["metadata"].as_object().into_iter().flatten();
    if meta.clone().any(|(key, value)| !allowed.contains(&key.as_str()) && !value.is_null()) {
        let why = if is_local { "must be empty except for namespace" } else { "must be empty" };
        let message = format!("Invalid value: {}: {why}", in_go_order(&review["metadata"]));
        out.push(Cause { reason: "FieldValueInvalid", message, field: "metadata".to_owned() });
    }
    if is_local {
        let namespace = meta_text(review, "namespace");
        let asked = wanted["namespace"].as_str().unwrap_or_default();
        if wanted.is_object() && asked != namespace {
            let field = "spec.resourceAttributes.namespace";
            out.push(Cause::invalid(field, &json!(asked), "must match metadata.namespace"));
        }
        if path.is_object() {
            let why = "disallowed on this kind of request";
            out.push(Cause::invalid("spec.nonResourceAttributes", &printed_path(), why));
        }
    }
    out
}

/// Prints metadata with its fields in the order Go has them.
fn in_go_order(meta: &Value) -> String {
    const FIELDS: [&str; 15] = [
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ];
    const ENTRY: [&str; 7] = ["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"];
    let object = |value: &Value, fields: &[&str], print: &dyn Fn(&str, &Value) -> String| {
        let told = fields.iter().filter_map(|key| {
            let value = value.get(*key).filter(|value| !value.is_null())?;
            Some(format!("{key:?}:{}", print(key, value)))
        });
        format!("{{{}}}", told.collect::<Vec<_>>().join(","))
    };
    object(meta, &FIELDS, &|key, value| match (key, value.as_array()) {
        ("managedFields", Some(entries)) => {
            let entries = entries.iter().map(|entry| object(entry, &ENTRY, &|_, value| value.to_string()));
            format!("[{}]", entries.collect::<Vec<_>>().join(","))
        }
        _ => value.to_string(),
    })
}

/// Makes a token for a service account (k8s: `pkg/registry/core/serviceaccount/storage/token.go`).
fn token(call: &Call<'_>, accounts: &Resource) -> Result<Response<Body>, ApiError> {
    let resource = Resource {
        group: "authentication.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "TokenRequest".to_owned(),
        ..accounts.clone()
    };
    let (mut request, options) = receive(call, &resource)?;
    let namespace = call.info.namespace.as_deref().unwrap_or_default();
    let name = call.info.name.as_deref().unwrap_or_default();
    let invalid = |name: &str, cause: Cause| ApiError::invalid(&resource.group, &resource.kind, name, vec![cause]);
    let asked = meta_text(&request, "name");
    if !asked.is_empty() && asked != name {
        let why = "must match the service account name if specified";
        return Err(invalid(name, Cause::invalid("metadata.name", &json!(asked), why)));
    }
    let find = |plural: &str, namespace: &str, name: &str| {
        call.cluster.with_registry(|registry| {
            let resource = registry.resource(&Gvr::new("", "v1", plural))?;
            registry.live(&Target { resource: &resource, namespace, name, subresource: "" })
        })
    };
    find("namespaces", "", namespace)?;
    let account = find("serviceaccounts", namespace, name)?;
    let asked = meta_text(&request, "uid");
    if !asked.is_empty() && asked != &*account.uid {
        let why = format!(
            "the UID in the token request ({asked}) does not match the UID of the service account ({})",
            account.uid
        );
        return Err(ApiError::kind_conflict(&resource.group, &resource.kind, name, &why));
    }
    if crate::catalog::texts(&request["spec"]["audiences"]).is_empty() {
        request["spec"]["audiences"] = json!([tokens::ISSUER]);
    }
    let now = call.cluster.clock().now();
    let meta = metadata(&mut request);
    meta.insert("name".to_owned(), json!(name));
    meta.insert("namespace".to_owned(), json!(namespace));
    meta.insert("uid".to_owned(), json!(account.uid.to_string()));
    meta.insert("creationTimestamp".to_owned(), json!(rfc3339_seconds(now)));
    let secs = request["spec"]["expirationSeconds"].as_i64().unwrap_or(tokens::DEFAULT_SECS);
    if secs < 600 {
        let why = "may not specify a duration less than 10 minutes";
        return Err(invalid("", Cause::invalid("spec.expirationSeconds", &json!(secs), why)));
    }
    if secs > 1 << 32 {
        let why = "may not specify a duration larger than 2^32 seconds";
        return Err(invalid("", Cause::invalid("spec.expirationSeconds", &json!(secs), why)));
    }
    let bound = &request["spec"]["boundObjectRef"];
    let mut binding = Binding::None;
    if bound.is_object() {
        let text = |key: &str| bound[key].as_str().unwrap_or_default();
        let (group, version) = crate::resource::split_api_version(text("apiVersion"));
        let (kind, to) = (text("kind"), text("name"));
        let live = match (group, kind) {
            ("", "Pod") => find("pods", namespace, to)?,
            ("", "Node") => find("nodes", "", to)?,
            ("", "Secret") => find("secrets", namespace, to)?,
            _ => {
                let message = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
                return Err(ApiError::bad_request(message));
            }
        };
        if kind == "Pod" && live.value.pointer("/spec/serviceAccountName") != Some(&json!(name)) {
            return Err(ApiError::bad_request(format!(
                "cannot bind token for serviceaccount {name:?} to pod running with different serviceaccount name."
            )));
        }
        let uid = text("uid");
        if !uid.is_empty() && uid != &*live.uid {
            let why = format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been \
                 deleted and then recreated"
            );
            return Err(ApiError::kind_conflict("", kind, to, &why));
        }
        let reference = (to.to_owned(), live.uid.to_string());
        binding = match kind {
            "Pod" => {
                let node = live.value["spec"]["nodeName"].as_str().unwrap_or_default();
                let node = (!node.is_empty()).then(|| {
                    let uid = find("nodes", "", node).map_or_else(|_| String::new(), |node| node.uid.to_string());
                    (node.to_owned(), uid)
                });
                Binding::Pod { pod: reference, node }
            }
            "Node" => Binding::Node(reference),
            _ => Binding::Secret(reference),
        };
    }
    let wish = Wish {
        namespace,
        account: (name, &account.uid),
        audiences: crate::catalog::texts(&request["spec"]["audiences"]),
        secs,
        binding,
        id: call.cluster.request_id(),
        now: now.as_second(),
    };
    let token = call.cluster.signing_key().sign(&tokens::claims(&wish));
    let token = token.ok_or_else(|| ApiError::unforeseen("failed to generate token: no randomness"))?;
    let until = now.checked_add(SignedDuration::from_secs(secs)).unwrap_or(jiff::Timestamp::MAX);
    request["status"] = json!({ "token": token, "expirationTimestamp": rfc3339_seconds(until) });
    let mut answer = reply::json(201, &request);
    reply::warn(&mut answer, &options.warnings);
    Ok(answer)
}

/// Answers what verifiers of tokens outside the cluster ask.
pub(super) fn discovery(call: &Call<'_>, path: &str) -> Option<Response<Body>> {
    let (value, content_type) = match path {
        "/.well-known/openid-configuration" => {
            let host = call.header(http::header::HOST);
            let value = json!({
                "issuer": tokens::ISSUER,
                "jwks_uri": format!("https://{host}/openid/v1/jwks"),
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            });
            (value, "application/json")
        }
        "/openid/v1/jwks" => (call.cluster.signing_key().to_jwks(), "application/jwk-set+json"),
        _ => return None,
    };
    let mut answer = reply::bytes(200, content_type, crate::store::to_bytes(&value));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Some(answer)
}
