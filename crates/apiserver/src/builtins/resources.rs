//! The resource table of discovery.

use std::collections::BTreeMap;

use serde::Deserialize;

static TABLE: &str = include_str!("../../data/resources.json");

/// A group and the versions it is served in, best first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Group {
    /// The group's name; empty for the core group.
    pub name: String,
    /// Its versions; the first is the preferred one.
    pub versions: Vec<String>,
}

/// One built-in resource in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind of its objects.
    pub kind: String,
    /// The plural, e.g. `deployments`.
    pub plural: String,
    /// The singular, e.g. `deployment`.
    pub singular: String,
    /// Short names, e.g. `deploy`.
    pub short_names: Vec<String>,
    /// Categories, e.g. `all`.
    pub categories: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Its verbs, sorted.
    pub verbs: Vec<String>,
    /// Its subresources, sorted by name.
    pub subresources: Vec<Subresource>,
    /// What discovery says of the storage version; empty for resources that are not stored.
    pub storage_version_hash: String,
}

/// A path below an object with verbs of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subresource {
    /// The last path segment, e.g. `scale`.
    pub name: String,
    /// The group of what it reads and writes; for `scale` that is `autoscaling`.
    pub group: String,
    /// The version of what it reads and writes.
    pub version: String,
    /// The kind of what it reads and writes.
    pub kind: String,
    /// Its verbs, sorted.
    pub verbs: Vec<String>,
}

#[derive(Deserialize)]
struct Table {
    groups: Vec<Group>,
    resources: Vec<Row>,
}

/// A row as `APIResourceList` spells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    group: Option<String>,
    version: Option<String>,
    kind: String,
    name: String,
    #[serde(default)]
    singular_name: String,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    namespaced: bool,
    verbs: Vec<String>,
    #[serde(default)]
    subresources: Vec<Row>,
    #[serde(default)]
    storage_version_hash: String,
}

pub(super) struct Resources {
    pub(super) groups: Vec<Group>,
    pub(super) all: Vec<Resource>,
    by_kind: BTreeMap<(String, String, String), usize>,
    by_plural: BTreeMap<(String, String, String), usize>,
}

impl Resources {
    pub(super) fn load() -> Self {
        let table: Table = serde_json::from_str(TABLE).expect("the table is made by `cargo xtask apidata`");
        let resources: Vec<Resource> = table.resources.into_iter().map(resource).collect();
        let index = |name: fn(&Resource) -> &String| {
            let key = |have: &Resource| (have.group.clone(), have.version.clone(), name(have).clone());
            resources.iter().enumerate().map(|(at, have)| (key(have), at)).collect()
        };
        let (by_kind, by_plural) = (index(|have| &have.kind), index(|have| &have.plural));
        Self { groups: table.groups, by_kind, by_plural, all: resources }
    }

    pub(super) fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Resource> {
        let at = self.by_kind.get(&(group.to_owned(), version.to_owned(), kind.to_owned()))?;
        Some(&self.all[*at])
    }

    pub(super) fn by_plural(&self, group: &str, version: &str, plural: &str) -> Option<&Resource> {
        let at = self.by_plural.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))?;
        Some(&self.all[*at])
    }
}

fn resource(row: Row) -> Resource {
    let (group, version) = (row.group.unwrap_or_default(), row.version.unwrap_or_default());
    let subresources = row.subresources.into_iter().map(|sub| Subresource {
        name: sub.name,
        // A subresource that names no group speaks of its parent's.
        version: sub.version.clone().unwrap_or_else(|| version.clone()),
        group: if sub.version.is_some() { sub.group.unwrap_or_default() } else { group.clone() },
        kind: sub.kind,
        verbs: sub.verbs,
    });
    Resource {
        subresources: subresources.collect(),
        group,
        version,
        kind: row.kind,
        plural: row.name,
        singular: row.singular_name,
        short_names: row.short_names,
        categories: row.categories,
        namespaced: row.namespaced,
        verbs: row.verbs,
        storage_version_hash: row.storage_version_hash,
    }
}
