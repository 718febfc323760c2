//! What a cluster serves at the moment: the built-in resources, shared by all clusters, and those of its own CRDs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::builtins::Builtins;
use crate::crd::Definition;
use crate::discovery::Documents;
use crate::resource::{Gvk, Gvr, Origin, Resource, StoreKey, Subresource};

/// The resources in discovery order, with the documents that describe them.
#[derive(Debug)]
pub(crate) struct Catalog {
    /// Groups with their versions, the preferred first, in discovery order.
    pub(crate) groups: Vec<(String, Vec<String>)>,
    resources: BTreeMap<Gvr, Arc<Resource>>,
    definitions: BTreeMap<String, Arc<Definition>>,
    /// Whether webhooks convert objects of any definition.
    pub(crate) has_conversions: bool,
    pub(crate) documents: Documents,
}

impl Catalog {
    /// Returns what a cluster without CRDs serves.
    pub(crate) fn builtin() -> Arc<Self> {
        static BUILTIN: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
            let builtins = Builtins::get();
            let resources = builtins.resources().iter().map(|resource| Arc::new(of_builtin(resource)));
            let groups = builtins.groups().iter().map(|group| (group.name.clone(), group.versions.clone())).collect();
            Arc::new(Catalog {
                groups,
                resources: resources.map(|resource| (resource.gvr(), resource)).collect(),
                definitions: BTreeMap::new(),
                has_conversions: false,
                documents: Documents::default(),
            })
        });
        Arc::clone(&BUILTIN)
    }

    /// Returns what is served besides the built-in resources once these CRDs, and no others, are established.
    pub(crate) fn with_definitions(definitions: &BTreeMap<String, Arc<Definition>>) -> Arc<Self> {
        let builtin = Self::builtin();
        let mut groups = builtin.groups.clone();
        let mut resources = builtin.resources.clone();
        let mut custom: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for definition in definitions.values() {
            for resource in &definition.resources {
                custom.entry(resource.group.clone()).or_default().insert(resource.version.clone());
                resources.insert(resource.gvr(), Arc::clone(resource));
            }
        }
        for (group, versions) in custom {
            let mut versions: Vec<String> = versions.into_iter().collect();
            versions.sort_by(|a, b| version_rank(b).cmp(&version_rank(a)).then_with(|| a.cmp(b)));
            match groups.iter_mut().find(|(name, _)| *name == group) {
                Some((_, have)) => {
                    for version in versions {
                        if !have.contains(&version) {
                            have.push(version);
                        }
                    }
                }
                None => groups.push((group, versions)),
            }
        }
        let of_definitions = definitions.values().flat_map(|definition| &definition.resources);
        let has_conversions =
            of_definitions.filter_map(|resource| resource.custom()).any(|custom| custom.conversion.is_some());
        let definitions = definitions.clone();
        Arc::new(Self { groups, resources, definitions, has_conversions, documents: Documents::default() })
    }

    pub(crate) fn find(&self, gvr: &Gvr) -> Option<Arc<Resource>> {
        self.resources.get(gvr).cloned()
    }

    /// Returns the established CRDs by name.
    pub(crate) fn definitions(&self) -> &BTreeMap<String, Arc<Definition>> {
        &self.definitions
    }

    /// Returns everything that is served, by group, version and plural.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// Returns the resources of one group version, by plural.
    pub(crate) fn of_version<'a>(
        &'a self,
        group: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Resource>> {
        self.resources.values().filter(move |resource| resource.group == group && resource.version == version)
    }

    /// Returns a kind in all its versions.
    pub(crate) fn versions_of(&self, group: &str, plural: &str) -> Vec<Arc<Resource>> {
        self.resources.values().filter(|resource| resource.is(group, plural)).map(Arc::clone).collect()
    }

    pub(crate) fn has_version(&self, group: &str, version: &str) -> bool {
        self.groups.iter().any(|(name, versions)| name == group && versions.iter().any(|have| have == version))
    }

    /// Returns whether a kind is served.
    pub(crate) fn has_kind(&self, group: &str, version: &str, kind: &str) -> bool {
        self.of_version(group, version).any(|resource| resource.kind == kind)
    }

    /// Returns the resource in whose version a store's object is kept.
    pub(crate) fn storing(&self, store: &StoreKey, api_version: &str) -> Option<Arc<Resource>> {
        let (group, version) = crate::resource::split_api_version(api_version);
        let exact = Gvr::new(group, version, &store.1);
        if let Some(found) = self.resources.get(&exact).filter(|found| found.storage_group == store.0) {
            return Some(Arc::clone(found));
        }
        self.resources.values().find(|found| found.storage_group == store.0 && found.plural == store.1).cloned()
    }

    /// Returns the version a resource's objects are stored in.
    pub(crate) fn storage_version(&self, resource: &Resource) -> String {
        match resource.custom() {
            Some(_) => self
                .definitions
                .get(&resource.qualified())
                .map_or_else(|| resource.version.clone(), |definition| definition.storage_version.clone()),
            None => resource.version.clone(),
        }
    }
}

/// Orders versions as discovery does: `v2` before `v1` before `v1beta2` before `v1alpha1` before anything else.
pub(crate) fn version_rank(version: &str) -> (u8, u64, u64) {
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let Ok(major) = rest[..digits].parse() else { return (0, 0, 0) };
    let tail = &rest[digits..];
    let (rank, minor) = if tail.is_empty() {
        (3, "")
    } else if let Some(minor) = tail.strip_prefix("beta") {
        (2, minor)
    } else if let Some(minor) = tail.strip_prefix("alpha") {
        (1, minor)
    } else {
        return (0, 0, 0);
    };
    if rank == 3 { (3, major, 0) } else { minor.parse().map_or((0, 0, 0), |minor| (rank, major, minor)) }
}

fn of_builtin(from: &crate::builtins::Resource) -> Resource {
    let subresources = from.subresources.iter().map(|sub| Subresource {
        name: sub.name.clone(),
        gvk: Gvk::new(&sub.group, &sub.version, &sub.kind),
        verbs: sub.verbs.clone(),
    });
    // Both groups' events are one collection, as upstream.
    let storage_group = if from.group == "events.k8s.io" { String::new() } else { from.group.clone() };
    Resource {
        group: from.group.clone(),
        version: from.version.clone(),
        kind: from.kind.clone(),
        list_kind: format!("{}List", from.kind),
        plural: from.plural.clone(),
        singular: from.singular.clone(),
        short_names: from.short_names.clone(),
        categories: from.categories.clone(),
        namespaced: from.namespaced,
        verbs: from.verbs.clone(),
        subresources: subresources.collect(),
        origin: Origin::Builtin,
        storage_group,
        storage_version_hash: from.storage_version_hash.clone(),
    }
}

/// Returns a list of texts found in JSON.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_first() {
        let mut versions = vec!["foo", "v1alpha1", "v1", "v2beta1", "v11", "v2", "v1beta2"];
        versions.sort_by(|a, b| version_rank(b).cmp(&version_rank(a)).then_with(|| a.cmp(b)));
        assert_eq!(versions, ["v11", "v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo"]);
    }
}
