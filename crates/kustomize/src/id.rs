//! What objects are called: group, version and kind, name and namespace.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

/// The kinds that Kustomize knows to be outside namespaces, and their versions, sorted.
static CLUSTER_SCOPED: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let lines = include_str!("data/cluster-scoped.txt").lines();
    let mut kinds: Vec<_> =
        lines.filter_map(|line| line.split_once(' ').map(|(version, kind)| (kind, version))).collect();
    kinds.sort_unstable();
    kinds
});

/// Tells whether objects of a kind are known to be outside namespaces.
pub(crate) fn is_cluster_scoped(api_version: &str, kind: &str) -> bool {
    CLUSTER_SCOPED.binary_search(&(kind, api_version)).is_ok()
}

/// A kind. Two are equal whether it is known or not that they are outside namespaces.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gvk {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) is_cluster_scoped: bool,
}

impl PartialEq for Gvk {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.group == other.group && self.version == other.version
    }
}

impl Eq for Gvk {}

impl Hash for Gvk {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.kind, &self.group, &self.version).hash(state);
    }
}

/// Takes an API version apart into group and version.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

impl Gvk {
    /// A kind of which it is found out whether it is outside namespaces.
    pub(crate) fn known(api_version: &str, kind: &str) -> Self {
        let is_cluster_scoped = is_cluster_scoped(api_version, kind);
        Self { is_cluster_scoped, ..Self::plain(api_version, kind) }
    }

    /// A kind that counts as inside namespaces, as those of previous names do.
    pub(crate) fn plain(api_version: &str, kind: &str) -> Self {
        let (group, version) = split_api_version(api_version);
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned(), is_cluster_scoped: false }
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Tells whether every part that a selector names is the same.
    pub(crate) fn is_selected_by(&self, selector: &Self) -> bool {
        let fits = |want: &str, have: &str| want.is_empty() || want == have;
        fits(&selector.kind, &self.kind) && fits(&selector.group, &self.group) && fits(&selector.version, &self.version)
    }

    /// A text that kinds are sorted by, with the given words for what is empty.
    pub(crate) fn sort_text(&self) -> String {
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        format!("{}_{}_{}", or(&self.group, "~G"), or(&self.version, "~V"), or(&self.kind, "~K"))
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        let (kind, version) = (or(&self.kind, "[noKind]"), or(&self.version, "[noVer]"));
        write!(f, "{kind}.{version}.{}", or(&self.group, "[noGrp]"))
    }
}

/// An object's kind, name and namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResId {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// Stands for the namespace of what has none.
pub(crate) const NOT_A_NAMESPACE: &str = "_non_namespaceable_";
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

impl ResId {
    pub(crate) fn effective_namespace(&self) -> &str {
        if self.gvk.is_cluster_scoped {
            NOT_A_NAMESPACE
        } else if self.namespace.is_empty() {
            DEFAULT_NAMESPACE
        } else {
            &self.namespace
        }
    }

    /// Tells whether both name the same object, whichever way its namespace is written.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.is_of_same_name(other) && self.is_in_same_namespace(other)
    }

    pub(crate) fn is_of_same_name(&self, other: &Self) -> bool {
        self.name == other.name && self.gvk == other.gvk
    }

    pub(crate) fn is_in_same_namespace(&self, other: &Self) -> bool {
        self.effective_namespace() == other.effective_namespace()
    }

    /// Tells whether every part that a selector names is the same.
    pub(crate) fn is_selected_by(&self, selector: &Self) -> bool {
        (selector.name.is_empty() || selector.name == self.name)
            && (selector.namespace.is_empty() || selector.is_in_same_namespace(self))
            && self.gvk.is_selected_by(&selector.gvk)
    }

    /// Tells whether it names nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.gvk == Gvk::default() && self.name.is_empty() && self.namespace.is_empty()
    }
}

impl fmt::Display for ResId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        write!(f, "{}/{}.{}", self.gvk, or(&self.name, "[noName]"), or(&self.namespace, "[noNs]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_outside_namespaces_are_known_by_version() {
        assert!(Gvk::known("v1", "Namespace").is_cluster_scoped);
        assert!(!Gvk::known("example.com/v1", "Namespace").is_cluster_scoped);
        assert!(!Gvk::known("v1", "Service").is_cluster_scoped);
    }

    #[test]
    fn ids_are_told_as_kustomize_tells_them() {
        let gvk = Gvk::known("apps/v1", "Deployment");
        let id = ResId { gvk, name: "foo".to_owned(), namespace: String::new() };
        assert_eq!(id.to_string(), "Deployment.v1.apps/foo.[noNs]");
        let other = ResId { namespace: "default".to_owned(), ..id.clone() };
        assert!(id.equals(&other));
    }
}
