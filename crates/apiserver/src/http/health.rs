//! What load balancers, probes and impatient clients ask: health by checks, the version, a page of metrics.
//!
//! All of it is open to everybody, as upstream; whichever method asks is answered.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use http::Response;
use serde_json::json;

use super::reply::{self, Body};
use super::route::Query;
use crate::cluster::{Cluster, RequestLog};

/// The version this server speaks for.
pub(super) const GIT_VERSION: &str = "v1.35.4";

/// The checks of a real server. Here they hold as soon as there is a cluster.
const HOOKS: [&str; 28] = [
    "poststarthook/start-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/priority-and-fairness-config-consumer",
    "poststarthook/priority-and-fairness-filter",
    "poststarthook/storage-object-count-tracker-hook",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/start-kube-apiserver-identity-lease-controller",
    "poststarthook/start-kube-apiserver-identity-lease-garbage-collector",
    "poststarthook/start-legacy-token-tracking-controller",
    "poststarthook/start-service-ip-repair-controllers",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/bootstrap-controller",
    "poststarthook/start-kubernetes-service-cidr-controller",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-status-local-available-controller",
    "poststarthook/apiservice-status-remote-available-controller",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-discovery-controller",
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
    "poststarthook/apiservice-openapiv3-controller",
];

const FAMILIES: [&str; 3] = ["healthz", "livez", "readyz"];

/// Returns a family's checks in the order they are told.
fn checks(family: &str) -> Vec<&'static str> {
    let is_readiness = family == "readyz";
    let mut out = vec!["ping", "log", "etcd"];
    if is_readiness {
        out.extend(["etcd-readiness", "informer-sync"]);
    }
    out.extend(HOOKS);
    if is_readiness {
        out.push("shutdown");
    }
    out
}

/// Returns every path answered here, for the index.
pub(super) fn paths() -> Vec<String> {
    let mut out = Vec::new();
    for family in FAMILIES {
        out.push(format!("/{family}"));
        out.extend(checks(family).into_iter().map(|check| format!("/{family}/{check}")));
    }
    out.extend(["/metrics", "/metrics/slis", "/version"].map(str::to_owned));
    out
}

/// Answers a health check, if the path is one.
pub(super) fn health(path: &str, query: &Query) -> Option<Response<Body>> {
    let (family, check) = path.strip_prefix('/')?.split_once('/').unwrap_or((&path[1..], ""));
    if !FAMILIES.contains(&family) {
        return None;
    }
    let checks = checks(family);
    if path.len() > family.len() + 1 {
        let answer = if checks.contains(&check) { reply::text(200, "ok") } else { reply::no_such_path() };
        return Some(answer);
    }
    if !query.has("verbose") {
        return Some(reply::text(200, "ok"));
    }
    let mut body = String::new();
    let excluded = query.all("exclude");
    for check in &checks {
        let word = if excluded.iter().any(|name| name == check) { "excluded: ok" } else { "ok" };
        let _ = writeln!(body, "[+]{check} {word}");
    }
    let mut unknown: Vec<String> =
        excluded.iter().filter(|name| !checks.contains(&name.as_str())).map(|name| format!("{name:?}")).collect();
    unknown.sort();
    if !unknown.is_empty() {
        let _ = writeln!(body, "warn: some health checks cannot be excluded: no matches for {}", unknown.join(", "));
    }
    let _ = writeln!(body, "{family} check passed");
    Some(reply::text(200, &body))
}

/// Answers `/version`.
pub(super) fn version() -> Response<Body> {
    reply::json(
        200,
        &json!({
            "major": "1", "minor": "35",
            "emulationMajor": "1", "emulationMinor": "35",
            "minCompatibilityMajor": "1", "minCompatibilityMinor": "34",
            "gitVersion": GIT_VERSION, "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "", "compiler": "rustc", "platform": "linux/amd64",
        }),
    )
}

/// Answers `/metrics`: how many requests came, by verb and resource; of the real server's page no more is kept.
pub(super) fn metrics(cluster: &Cluster) -> Response<Body> {
    let RequestLog { counts } = cluster.requests();
    let mut body = String::from(
        "# HELP apiserver_request_total Requests that came, by verb and resource.\n# TYPE apiserver_request_total counter\n",
    );
    for (verb, resources) in counts {
        let mut by_resource: BTreeMap<String, u64> = BTreeMap::new();
        for (name, count) in resources {
            let name = if name.starts_with('/') { String::new() } else { name };
            *by_resource.entry(name).or_default() += count;
        }
        for (name, count) in by_resource {
            let (resource, group) = name.split_once('.').unwrap_or((&name, ""));
            let verb = verb.to_uppercase();
            let _ = writeln!(
                body,
                "apiserver_request_total{{group=\"{group}\",resource=\"{resource}\",verb=\"{verb}\"}} {count}"
            );
        }
    }
    let content_type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    reply::bytes(200, content_type, Bytes::from(body))
}
