//! `ServiceAccount`: every pod runs as an account that exists, and finds its token at the usual place.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Request, containers, text};
use crate::error::ApiError;
use crate::registry::Registry;
use crate::resource::Gvr;

/// Where programs look for their token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What the token's volume is called, before the generated part.
const VOLUME: &str = "kube-api-access-";
/// The token is valid for an hour, but for a year to those who never look at it again.
const TOKEN_SECS: u64 = 3607;
/// Marks a pod that a kubelet made by itself.
const MIRROR: &str = "kubernetes.io/config.mirror";
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";

fn account(registry: &mut Registry<'_>, request: &Request<'_>, pod: &Value) -> Result<Arc<Value>, ApiError> {
    let (namespace, name) = (request.target.namespace, text(pod, "/spec/serviceAccountName"));
    let resource = registry.resource(&Gvr::new("", "v1", "serviceaccounts"))?;
    registry.find(&resource, namespace, name).map(|stored| Arc::clone(&stored.value)).ok_or_else(|| {
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
        request.forbid(pod, &why)
    })
}

fn is_mirror(pod: &Value) -> bool {
    pod["metadata"]["annotations"].get(MIRROR).is_some()
}

pub(super) fn mutate(registry: &mut Registry<'_>, request: &Request<'_>, pod: &mut Value) -> Result<(), ApiError> {
    if !request.is_create_of("", "pods") {
        return Ok(());
    }
    if is_mirror(pod) {
        return check_mirror(request, pod);
    }
    if text(pod, "/spec/serviceAccountName").is_empty() {
        pod["spec"]["serviceAccountName"] = json!("default");
    }
    // The field of old keeps the same value.
    pod["spec"]["serviceAccount"] = pod["spec"]["serviceAccountName"].clone();
    let account = account(registry, request, pod)?;
    let mounts = pod["spec"]["automountServiceAccountToken"]
        .as_bool()
        .or_else(|| account["automountServiceAccountToken"].as_bool())
        .unwrap_or(true);
    if mounts {
        mount_token(registry, &mut pod["spec"]);
    }
    let has_secrets = pod["spec"]["imagePullSecrets"].as_array().is_some_and(|secrets| !secrets.is_empty());
    let secrets = account["imagePullSecrets"].as_array().filter(|secrets| !secrets.is_empty());
    if let (false, Some(secrets)) = (has_secrets, secrets) {
        pod["spec"]["imagePullSecrets"] = json!(secrets);
    }
    check_secrets(request, pod, &account)
}

pub(super) fn validate(registry: &mut Registry<'_>, request: &Request<'_>, pod: &Value) -> Result<(), ApiError> {
    if request.target.resource.is("", "pods") && request.target.subresource == "ephemeralcontainers" {
        let account = account(registry, request, pod)?;
        return check_ephemeral(request, pod, &account);
    }
    if !request.is_create_of("", "pods") {
        return Ok(());
    }
    if is_mirror(pod) {
        return check_mirror(request, pod);
    }
    let account = account(registry, request, pod)?;
    check_secrets(request, pod, &account)
}

fn check_mirror(request: &Request<'_>, pod: &Value) -> Result<(), ApiError> {
    if !text(pod, "/spec/serviceAccountName").is_empty() {
        return Err(request.forbid(pod, "a mirror pod may not reference service accounts"));
    }
    let volumes = || pod["spec"]["volumes"].as_array().into_iter().flatten();
    let projections = || volumes().flat_map(|volume| volume["projected"]["sources"].as_array().into_iter().flatten());
    let of_env = containers(&pod["spec"], &["initContainers", "containers"]).any(|container| {
        items(container, "env").any(|env| env["valueFrom"]["secretKeyRef"].is_object())
            || items(container, "envFrom").any(|from| from["secretRef"].is_object())
    });
    let secrets = of_env
        || volumes().any(|volume| volume["secret"].is_object())
        || projections().any(|source| source["secret"].is_object())
        || items(&pod["spec"], "imagePullSecrets").next().is_some();
    if secrets {
        return Err(request.forbid(pod, "a mirror pod may not reference secrets"));
    }
    if projections().any(|source| source["serviceAccountToken"].is_object()) {
        return Err(request.forbid(pod, "a mirror pod may not use ServiceAccountToken volume projections"));
    }
    Ok(())
}

fn items<'a>(object: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    object[list].as_array().into_iter().flatten()
}

fn mount_token(registry: &mut Registry<'_>, spec: &mut Value) {
    let existing = items(spec, "volumes").map(|volume| text(volume, "/name")).find(|name| name.starts_with(VOLUME));
    let existing = existing.map(str::to_owned);
    let is_new = existing.is_none();
    let name = existing.unwrap_or_else(|| format!("{VOLUME}{}", registry.state.random.suffix(5)));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if items(container, "volumeMounts").any(|mount| mount["mountPath"] == MOUNT_PATH) {
                continue;
            }
            let mount = json!({ "name": name, "readOnly": true, "mountPath": MOUNT_PATH });
            push(&mut container["volumeMounts"], mount);
            mounted = true;
        }
    }
    if is_new && mounted {
        let sources = json!([
            { "serviceAccountToken": { "expirationSeconds": TOKEN_SECS, "path": "token" } },
            { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
            { "downwardAPI": { "items": [
                { "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } }
            ] } },
        ]);
        push(&mut spec["volumes"], json!({ "name": name, "projected": { "sources": sources, "defaultMode": 420 } }));
    }
}

fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(list) => list.push(item),
        other => *other = json!([item]),
    }
}

fn enforces(account: &Value) -> bool {
    let value = account["metadata"]["annotations"][ENFORCE].as_str().unwrap_or_default();
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

fn names<'a>(account: &'a Value, list: &str) -> BTreeSet<&'a str> {
    items(account, list).map(|reference| text(reference, "/name")).collect()
}

/// Refuses secrets the account does not list, for accounts that ask for it.
fn check_secrets(request: &Request<'_>, pod: &Value, account: &Value) -> Result<(), ApiError> {
    if !enforces(account) {
        return Ok(());
    }
    let (allowed, name) = (names(account, "secrets"), text(account, "/metadata/name"));
    let reason = format!("is not allowed because service account {name} does not reference that secret");
    for secret in items(&pod["spec"], "volumes").filter_map(|volume| volume["secret"]["secretName"].as_str()) {
        if !allowed.contains(secret) {
            return Err(request.forbid(pod, &format!("volume with secret.secretName=\"{secret}\" {reason}")));
        }
    }
    for (list, what) in [("initContainers", "init container"), ("containers", "container")] {
        check_env(request, pod, (list, what), &allowed, &reason)?;
    }
    let pulls = names(account, "imagePullSecrets");
    for (at, secret) in items(&pod["spec"], "imagePullSecrets").map(|secret| text(secret, "/name")).enumerate() {
        if !pulls.contains(secret) {
            let why = format!(
                "imagePullSecrets[{at}].name=\"{secret}\" is not allowed because service account {name} does not \
                 reference that imagePullSecret"
            );
            return Err(request.forbid(pod, &why));
        }
    }
    Ok(())
}

fn check_ephemeral(request: &Request<'_>, pod: &Value, account: &Value) -> Result<(), ApiError> {
    if !enforces(account) {
        return Ok(());
    }
    let name = text(account, "/metadata/name");
    let reason = format!("is not allowed because service account {name} does not reference that secret");
    check_env(request, pod, ("ephemeralContainers", "ephemeral container"), &names(account, "secrets"), &reason)
}

fn check_env(
    request: &Request<'_>,
    pod: &Value,
    (list, what): (&str, &str),
    allowed: &BTreeSet<&str>,
    reason: &str,
) -> Result<(), ApiError> {
    for container in items(&pod["spec"], list) {
        let name = text(container, "/name");
        for env in items(container, "env") {
            let Some(secret) = env["valueFrom"]["secretKeyRef"]["name"].as_str() else { continue };
            if !allowed.contains(secret) {
                let variable = text(env, "/name");
                let why =
                    format!("{what} {name} with envVar {variable} referencing secret.secretName=\"{secret}\" {reason}");
                return Err(request.forbid(pod, &why));
            }
        }
        for from in items(container, "envFrom") {
            let Some(secret) = from["secretRef"]["name"].as_str() else { continue };
            if !allowed.contains(secret) {
                let why = format!("{what} {name} with envFrom referencing secret.secretName=\"{secret}\" {reason}");
                return Err(request.forbid(pod, &why));
            }
        }
    }
    Ok(())
}
