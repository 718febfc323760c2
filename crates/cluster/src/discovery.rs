use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bowline_model::{GroupKind, Gvk};
use http::Method;
use serde_json::Value;

use crate::{ApiError, Cluster};

/// One kind that the cluster serves, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiResource {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// The plural, as in URLs.
    pub plural: String,
    /// The singular.
    pub singular: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether it can be listed and watched.
    pub watchable: bool,
}

impl ApiResource {
    /// Returns the URL of the collection, or of one object: `/apis/apps/v1/namespaces/shop/deployments/cart`.
    pub(crate) fn path(&self, namespace: &str, name: Option<&str>) -> String {
        let mut path = if self.gvk.group.is_empty() {
            format!("/api/{}", self.gvk.version)
        } else {
            format!("/apis/{}/{}", self.gvk.group, self.gvk.version)
        };
        if self.namespaced && !namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(&self.plural);
        if let Some(name) = name {
            path.push('/');
            path.push_str(&escape(name));
        }
        path
    }
}

/// Escapes what may stand in a name and not in a path (RBAC names hold colons and more).
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(DIGITS[usize::from(byte >> 4)] as char);
                out.push(DIGITS[usize::from(byte & 15)] as char);
            }
        }
    }
    out
}

/// Everything the cluster serves, at one moment.
#[derive(Debug, Default)]
pub struct Discovery {
    kinds: BTreeMap<Gvk, ApiResource>,
    /// Versions of each kind, the server's preferred one first.
    versions: BTreeMap<GroupKind, Vec<String>>,
    /// Groups whose own server did not answer: their kinds are not known, which is not the same as absent.
    stale: BTreeSet<String>,
    /// The version of Kubernetes, for example `v1.35.4`.
    version: String,
    /// What is served, as charts ask for it.
    api_versions: Arc<BTreeSet<String>>,
}

impl Discovery {
    /// Returns the kind in this very version; `None` says that the cluster does not have it.
    pub fn resource(&self, gvk: &Gvk) -> Result<Option<&ApiResource>, ApiError> {
        match self.kinds.get(gvk) {
            Some(resource) => Ok(Some(resource)),
            None if self.stale.contains(&gvk.group) => Err(ApiError::IncompleteDiscovery(gvk.group.clone())),
            None => Ok(None),
        }
    }

    /// Returns the kind in the version the server prefers.
    pub fn preferred(&self, kind: &GroupKind) -> Result<Option<&ApiResource>, ApiError> {
        match self.versions.get(kind).and_then(|versions| versions.first()) {
            Some(version) => self.resource(&Gvk::new(&*kind.group, &**version, &*kind.kind)),
            None if self.stale.contains(&kind.group) => Err(ApiError::IncompleteDiscovery(kind.group.clone())),
            None => Ok(None),
        }
    }

    /// Returns every kind, by group, version and kind.
    pub fn resources(&self) -> impl Iterator<Item = &ApiResource> {
        self.kinds.values()
    }

    /// Returns the version of Kubernetes, for example `v1.35.4`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns what is served, as charts ask for it: `apps/v1` and `apps/v1/Deployment`, sorted.
    ///
    /// Of groups whose own server did not answer the versions are there, and the kinds are not.
    pub fn api_versions(&self) -> Arc<BTreeSet<String>> {
        self.api_versions.clone()
    }

    /// Reads an aggregated discovery document (`APIGroupDiscoveryList`, v2).
    fn read(&mut self, document: &Value) {
        for group in document["items"].as_array().into_iter().flatten() {
            let name = group["metadata"]["name"].as_str().unwrap_or_default();
            for version in group["versions"].as_array().into_iter().flatten() {
                if version["freshness"].as_str() == Some("Stale") {
                    self.stale.insert(name.to_owned());
                }
                let version_name = version["version"].as_str().unwrap_or_default();
                Arc::make_mut(&mut self.api_versions).insert(Gvk::new(name, version_name, "").api_version());
                for resource in version["resources"].as_array().into_iter().flatten() {
                    self.read_resource(name, version_name, resource);
                }
            }
        }
    }

    fn read_resource(&mut self, group: &str, version: &str, resource: &Value) {
        let response = &resource["responseKind"];
        let Some(kind) = response["kind"].as_str() else { return };
        // A group may serve another group's kind only as a subresource, which is not listed here.
        let gvk = Gvk::new(group, version, kind);
        let verbs: Vec<_> = resource["verbs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let found = ApiResource {
            plural: resource["resource"].as_str().unwrap_or_default().to_owned(),
            singular: resource["singularResource"].as_str().unwrap_or_default().to_owned(),
            namespaced: resource["scope"].as_str() == Some("Namespaced"),
            watchable: verbs.contains(&"list") && verbs.contains(&"watch"),
            gvk: gvk.clone(),
        };
        Arc::make_mut(&mut self.api_versions).insert(format!("{}/{kind}", gvk.api_version()));
        let versions = self.versions.entry(gvk.group_kind()).or_default();
        if !versions.iter().any(|known| known == version) {
            versions.push(version.to_owned());
        }
        self.kinds.entry(gvk).or_insert(found);
    }
}

#[derive(Default)]
pub(crate) struct DiscoveryCache {
    known: Mutex<Option<Arc<Discovery>>>,
    /// One question at a time: those who wait for it take the answer of the one before.
    asking: tokio::sync::Mutex<()>,
}

impl Cluster {
    /// Returns what was discovered last, asking when nothing was.
    pub async fn discovery(&self) -> Result<Arc<Discovery>, ApiError> {
        match self.known_discovery() {
            Some(known) => Ok(known),
            None => self.rediscover(None).await,
        }
    }

    fn known_discovery(&self) -> Option<Arc<Discovery>> {
        self.0.discovery.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks again, unless somebody did since `outdated` was learnt.
    pub async fn rediscover(&self, outdated: Option<&Arc<Discovery>>) -> Result<Arc<Discovery>, ApiError> {
        let _turn = self.0.discovery.asking.lock().await;
        if let (Some(known), Some(outdated)) = (self.known_discovery(), outdated)
            && !Arc::ptr_eq(&known, outdated)
        {
            return Ok(known);
        }
        let mut discovery = Discovery::default();
        for path in ["/api", "/apis"] {
            const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
            let (_, body) = self.send(Method::GET, path, None, AGGREGATED, Vec::new(), self.0.timeouts.list).await?;
            let document: Value = serde_json::from_slice(&body)
                .map_err(|error| ApiError::Unreadable { what: format!("GET {path}"), why: error.to_string() })?;
            if document["kind"].as_str() != Some("APIGroupDiscoveryList") {
                return Err(ApiError::Unreadable {
                    what: format!("GET {path}"),
                    why: "the server does not know aggregated discovery (Kubernetes 1.30 or newer is needed)"
                        .to_owned(),
                });
            }
            discovery.read(&document);
        }
        let (_, body) =
            self.send(Method::GET, "/version", None, "application/json", Vec::new(), self.0.timeouts.list).await?;
        let version: Value = serde_json::from_slice(&body)
            .map_err(|error| ApiError::Unreadable { what: "GET /version".to_owned(), why: error.to_string() })?;
        version["gitVersion"].as_str().unwrap_or_default().clone_into(&mut discovery.version);
        let discovery = Arc::new(discovery);
        *self.0.discovery.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(discovery.clone());
        Ok(discovery)
    }

    /// Returns the kind in this version, asking the cluster once more when it was not known.
    pub async fn resource(&self, gvk: &Gvk) -> Result<Option<ApiResource>, ApiError> {
        let known = self.discovery().await?;
        if let Some(resource) = known.resource(gvk)? {
            return Ok(Some(resource.clone()));
        }
        let fresh = self.rediscover(Some(&known)).await?;
        Ok(fresh.resource(gvk)?.cloned())
    }

    /// Forgets what was discovered: a definition came or went.
    pub fn forget_discovery(&self) {
        *self.0.discovery.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stale_groups_are_not_absent() {
        let mut discovery = Discovery::default();
        discovery.read(&json!({"items": [
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "freshness": "Current", "resources": [
                {"resource": "deployments", "singularResource": "deployment", "scope": "Namespaced",
                 "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"}, "verbs": ["list", "watch"]}]}]},
            {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]},
        ]}));
        let deployment =
            discovery.resource(&Gvk::new("apps", "v1", "Deployment")).expect("is known").expect("is there");
        assert_eq!(deployment.path("shop", Some("a:b")), "/apis/apps/v1/namespaces/shop/deployments/a%3Ab");
        assert!(discovery.resource(&Gvk::new("apps", "v1", "Gone")).expect("is known").is_none());
        assert!(discovery.resource(&Gvk::new("metrics.k8s.io", "v1beta1", "PodMetrics")).is_err());
        let served = discovery.api_versions();
        assert!(served.iter().eq(["apps/v1", "apps/v1/Deployment", "metrics.k8s.io/v1beta1"]), "{served:?}");
    }
}
