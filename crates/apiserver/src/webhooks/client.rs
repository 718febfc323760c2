//! What a `clientConfig` may say (k8s: `apiserver/pkg/util/webhook/validation.go`).

use serde_json::{Value, json};

use super::url::Url;
use crate::error::Cause;

const NEITHER: &str = "exactly one of url or service is required";

/// Returns what is wrong with a client's configuration.
pub(crate) fn check_client(config: &Value, path: &str) -> Vec<Cause> {
    let (url, service) = (config.get("url"), config.get("service"));
    let is_there = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
    match (is_there(url), is_there(service)) {
        (true, false) => check_url(url.and_then(Value::as_str).unwrap_or_default(), &format!("{path}.url")),
        (false, true) => check_service(service.unwrap_or(&Value::Null), &format!("{path}.service")),
        _ => vec![Cause::required(path, NEITHER)],
    }
}

fn check_url(text: &str, path: &str) -> Vec<Cause> {
    const FORM: &str = "; desired format: https://host[/path]";
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(why) => return vec![Cause::required(path, &format!("url must be a valid URL: {why}{FORM}"))],
    };
    let mut causes = Vec::new();
    let mut refuse = |value: &str, why: &str| causes.push(Cause::invalid(path, &json!(value), why));
    if url.scheme != "https" {
        refuse(&url.scheme, &format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if url.host.is_empty() {
        refuse(&url.host, &format!("host must be specified{FORM}"));
    }
    if let Some(user) = &url.user {
        refuse(user, "user information is not permitted in the URL");
    }
    if !url.fragment.is_empty() {
        refuse(&url.fragment, "fragments are not permitted in the URL");
    }
    if !url.query.is_empty() {
        refuse(&url.query, "query parameters are not permitted in the URL");
    }
    causes
}

fn check_service(service: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let text = |key: &str| service[key].as_str().unwrap_or_default();
    // Upstream takes the name for the namespace here and the other way round.
    if text("namespace").is_empty() {
        causes.push(Cause::required(format!("{path}.name"), ""));
    }
    if text("name").is_empty() {
        causes.push(Cause::required(format!("{path}.namespace"), ""));
    }
    let port = service["port"].as_i64().unwrap_or(443);
    if !(1..=65535).contains(&port) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        causes.push(Cause::invalid(format!("{path}.port"), &json!(port), why));
    }
    let Some(url_path) = service["path"].as_str() else { return causes };
    let path = format!("{path}.path");
    if url_path == "/" || url_path.is_empty() {
        return causes;
    }
    if url_path == "//" {
        causes.push(Cause::invalid(path, &json!(url_path), "segment[0] may not be empty"));
        return causes;
    }
    if !url_path.starts_with('/') {
        causes.push(Cause::invalid(path.clone(), &json!(url_path), "must start with a '/'"));
    }
    let mut check = url_path.get(1..).unwrap_or_default();
    check = check.strip_suffix('/').unwrap_or(check);
    for (at, step) in check.split('/').enumerate() {
        if step.is_empty() {
            causes.push(Cause::invalid(path.clone(), &json!(url_path), format!("segment[{at}] may not be empty")));
            continue;
        }
        for why in crate::crd::names::dns_1123_subdomain(step) {
            causes.push(Cause::invalid(path.clone(), &json!(url_path), format!("segment[{at}]: {why}")));
        }
    }
    causes
}
