//! Paths and queries.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::error::Cause;
use crate::faults::RequestInfo;
use crate::registry::FieldValidation;

/// Query parameters: the first of each, which counts as in Go, and the others in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(BTreeMap<String, String>, Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let (mut first, mut more) = (BTreeMap::new(), Vec::new());
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            // Go leaves out what it cannot decode.
            if pair.contains(';') || !is_escaped_well(pair) {
                continue;
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match first.entry(decode(key, true)) {
                Entry::Vacant(entry) => drop(entry.insert(decode(value, true))),
                Entry::Occupied(entry) => more.push((entry.key().clone(), decode(value, true))),
            }
        }
        Self(first, more)
    }

    /// Returns every value of a parameter, in order.
    pub(super) fn all(&self, key: &str) -> Vec<String> {
        let more = self.1.iter().filter(|(have, _)| have == key).map(|(_, value)| value);
        self.0.get(key).into_iter().chain(more).cloned().collect()
    }

    /// Returns a parameter, empty when it is not there.
    pub(super) fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Returns whether a parameter is set; anything but `false` and `0` sets it.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.has(key) && !matches!(self.text(key).to_lowercase().as_str(), "false" | "0")
    }

    /// Reads `dryRun`.
    pub(super) fn dry_run(&self) -> Result<bool, Cause> {
        match self.text("dryRun") {
            "" if !self.has("dryRun") => Ok(false),
            "All" => Ok(true),
            other => Err(Cause::unsupported("dryRun", &serde_json::json!([other]), &["All".to_owned()])),
        }
    }

    pub(super) fn field_validation(&self) -> Result<FieldValidation, Cause> {
        match self.text("fieldValidation") {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            "Strict" => Ok(FieldValidation::Strict),
            other => {
                let allowed = ["", "Ignore", "Strict", "Warn"].map(str::to_owned);
                Err(Cause::unsupported("fieldValidation", &other.into(), &allowed))
            }
        }
    }
}

fn is_escaped_well(text: &str) -> bool {
    let is_hex = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    text.match_indices('%').all(|(at, _)| is_hex(at + 1) && is_hex(at + 2))
}

/// Decodes percent signs and, in queries, plus signs; what is no UTF-8 is replaced.
pub(super) fn decode(text: &str, is_query: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |offset: usize| bytes.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
        match bytes[at] {
            b'%' => match (hex(1), hex(2)) {
                (Some(high), Some(low)) => {
                    out.push((high * 16 + low) as u8);
                    at += 2;
                }
                _ => out.push(b'%'),
            },
            b'+' if is_query => out.push(b' '),
            byte => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Reads what a request is about from its method and path.
pub(super) fn parse(method: &str, path: &str, query: &Query, content_type: &str, user_agent: &str) -> RequestInfo {
    let mut info = RequestInfo {
        verb: method.to_lowercase(),
        path: path.to_owned(),
        user_agent: user_agent.to_owned(),
        ..RequestInfo::default()
    };
    // An escaped slash parts a path like any other, as Go sees it.
    let path = decode(path, false);
    let path = path.strip_prefix('/').unwrap_or(&path).trim_end_matches('/');
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    let prefix = match parts.first().map(String::as_str) {
        Some("api") if parts.len() > 2 => 2,
        Some("apis") if parts.len() > 3 && !parts[1].is_empty() => 3,
        _ => return info,
    };
    let mut head: Vec<String> = parts.drain(..prefix).collect();
    info.version = head.pop().unwrap_or_default();
    info.group = if prefix == 3 { head.pop().unwrap_or_default() } else { String::new() };
    let is_legacy_watch = parts[0] == "watch" && parts.len() > 1;
    if is_legacy_watch {
        parts.remove(0);
    }
    let is_namespaced = parts[0] == "namespaces"
        && parts.len() > 2
        && !(parts.len() == 3 && info.group.is_empty() && matches!(parts[2].as_str(), "status" | "finalize"));
    let mut rest = parts.into_iter();
    if is_namespaced {
        rest.next();
        // An empty one stands for all.
        info.namespace = rest.next().filter(|namespace| !namespace.is_empty());
    }
    info.resource = rest.next().unwrap_or_default();
    info.name = rest.next();
    info.subresource = rest.collect::<Vec<_>>().join("/");
    let is_watch = is_legacy_watch || (query.flag("watch") && info.name.is_none());
    let verb = match (method, &info.name) {
        ("GET", _) if is_watch => "watch",
        ("GET", Some(_)) => "get",
        ("GET", None) => "list",
        ("POST" | "PUT" | "PATCH" | "DELETE", _) if is_legacy_watch => return info,
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) if content_type.starts_with("application/apply-patch") => "apply",
        ("PATCH", _) => "patch",
        ("DELETE", Some(_)) => "delete",
        ("DELETE", None) => "deletecollection",
        _ => return info,
    };
    verb.clone_into(&mut info.verb);
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_what_is_asked() {
        let rows = [
            ("GET", "/api/v1/pods", "list", "", "pods", None, None, ""),
            ("GET", "/api/v1/namespaces/a/pods/x", "get", "", "pods", Some("a"), Some("x"), ""),
            ("GET", "/api/v1/namespaces/a/pods?watch=1", "watch", "", "pods", Some("a"), None, ""),
            ("PUT", "/api/v1/namespaces/a/status", "update", "", "namespaces", None, Some("a"), "status"),
            ("DELETE", "/api/v1/namespaces/a", "delete", "", "namespaces", None, Some("a"), ""),
            ("GET", "/apis/apps/v1/watch/deployments", "watch", "apps", "deployments", None, None, ""),
            (
                "PATCH",
                "/apis/apps/v1/namespaces/a/deployments/d/scale",
                "patch",
                "apps",
                "deployments",
                Some("a"),
                Some("d"),
                "scale",
            ),
            ("GET", "/version", "get", "", "", None, None, ""),
            ("GET", "/apis/apps/v1", "get", "", "", None, None, ""),
        ];
        for (method, url, verb, group, resource, namespace, name, subresource) in rows {
            let (path, query) = url.split_once('?').unwrap_or((url, ""));
            let info = parse(method, path, &Query::parse(query), "", "");
            assert_eq!(info.verb, verb, "{url}");
            assert_eq!((info.group.as_str(), info.resource.as_str()), (group, resource), "{url}");
            assert_eq!((info.namespace.as_deref(), info.name.as_deref()), (namespace, name), "{url}");
            assert_eq!(info.subresource, subresource, "{url}");
        }
        assert_eq!(Query::parse("a=b%2Cc+d&a=x").text("a"), "b,c d");
    }
}
