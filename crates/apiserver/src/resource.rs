//! What the server serves: one [`Resource`] a group, version and plural, whether built in or from a CRD.

use std::fmt;
use std::sync::Arc;

use crate::crd::CrdVersion;

/// A group, version and plural: the address of a collection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gvr {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version, such as `v1`.
    pub version: String,
    /// The plural, such as `deployments`.
    pub resource: String,
}

impl Gvr {
    /// Names a collection.
    pub fn new(group: &str, version: &str, resource: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), resource: resource.to_owned() }
    }
}

impl fmt::Display for Gvr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", api_version(&self.group, &self.version), self.resource)
    }
}

/// A group, version and kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gvk {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
}

impl Gvk {
    /// Names a kind.
    pub fn new(group: &str, version: &str, kind: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// Returns the `apiVersion` of objects of this kind.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }
}

/// Joins a group and version to an `apiVersion`.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Splits an `apiVersion` into group and version.
pub(crate) fn split_api_version(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or(("", text))
}

/// A group and plural: what one store holds, whichever version a client speaks.
pub(crate) type StoreKey = (String, String);

/// A path below an object with its own verbs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subresource {
    /// The last path segment, such as `scale`.
    pub name: String,
    /// What it reads and writes; for `scale` that is `autoscaling/v1 Scale`.
    pub gvk: Gvk,
    /// Its verbs.
    pub verbs: Vec<String>,
}

/// Where a resource comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// It is part of Kubernetes.
    Builtin,
    /// A CustomResourceDefinition of this cluster made it.
    Custom(Arc<CrdVersion>),
}

/// One served collection.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind of its objects.
    pub kind: String,
    /// The kind of its lists.
    pub list_kind: String,
    /// The plural.
    pub plural: String,
    /// The singular.
    pub singular: String,
    /// Short names, such as `deploy`.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Its verbs, sorted.
    pub verbs: Vec<String>,
    /// Its subresources, sorted by name.
    pub subresources: Vec<Subresource>,
    /// Where it comes from.
    pub origin: Origin,
    /// The group whose store holds the objects: `events.k8s.io` keeps its events in the core group's store.
    pub storage_group: String,
    /// What discovery says of the storage version; empty for resources that are not stored.
    pub storage_version_hash: String,
}

impl Resource {
    /// Returns `deployments.apps`, the name error messages use.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Returns `Deployment.apps`.
    pub(crate) fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// Returns the kind's full name.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(&self.group, &self.version, &self.kind)
    }

    /// Returns the collection's address.
    pub fn gvr(&self) -> Gvr {
        Gvr::new(&self.group, &self.version, &self.plural)
    }

    /// Returns the `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// Returns the CRD version behind it, if it is a custom resource.
    pub fn custom(&self) -> Option<&Arc<CrdVersion>> {
        match &self.origin {
            Origin::Builtin => None,
            Origin::Custom(version) => Some(version),
        }
    }

    /// Finds a subresource.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// Returns whether `/status` is written apart from the rest.
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// Returns whether this is the given group's plural, in any version.
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }

    /// Returns what every reply about a deprecated resource warns of.
    pub(crate) fn deprecation(&self) -> Option<&str> {
        match self.custom() {
            Some(custom) => custom.deprecation.as_deref(),
            None => match (self.group.as_str(), self.plural.as_str()) {
                ("", "componentstatuses") => Some("v1 ComponentStatus is deprecated in v1.19+"),
                ("", "endpoints") => {
                    Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
                }
                _ => None,
            },
        }
    }

    pub(crate) fn store_key(&self) -> StoreKey {
        (self.storage_group.clone(), self.plural.clone())
    }
}
