//! What people want, kept apart from everything under test: the judge's own book.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use serde_json::{Value, json};

/// The namespace that everything desired lives in.
pub(crate) const TARGET: &str = "shop";

/// Names the version of an item's content; grows with every change of it, so that going back shows.
pub(crate) const VERSION: &str = "simulator.example/version";

/// What secret values begin with: found anywhere else, one has leaked.
pub(crate) const CANARY: &str = "canary-";

/// One of the dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    Argo,
    Flux,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ItemKind {
    ConfigMap,
    Secret,
    Service,
    ServiceAccount,
    Deployment,
}

/// All kinds of items.
pub(crate) const KINDS: [ItemKind; 5] =
    [ItemKind::ConfigMap, ItemKind::Secret, ItemKind::Service, ItemKind::ServiceAccount, ItemKind::Deployment];

impl ItemKind {
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmaps",
            Self::Secret => "secrets",
            Self::Service => "services",
            Self::ServiceAccount => "serviceaccounts",
            Self::Deployment => "deployments",
        }
    }

    pub(crate) fn group(self) -> &'static str {
        if self == Self::Deployment { "apps" } else { "" }
    }
}

/// Names an item within a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ItemKey {
    pub(crate) kind: ItemKind,
    pub(crate) name: String,
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.plural(), self.name)
    }
}

/// One desired object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) version: u64,
    pub(crate) wave: i64,
}

impl Item {
    /// Returns the object as Git holds it.
    pub(crate) fn object(&self, key: &ItemKey) -> Value {
        let version = self.version.to_string();
        let mut annotations = json!({ VERSION: version });
        if self.wave != 0 {
            annotations["argocd.argoproj.io/sync-wave"] = json!(self.wave.to_string());
        }
        let metadata = json!({"name": key.name, "namespace": TARGET, "annotations": annotations});
        match key.kind {
            ItemKind::ConfigMap => {
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": version}})
            }
            ItemKind::Secret => {
                let value = base64::engine::general_purpose::STANDARD.encode(format!("{CANARY}{}-{version}", key.name));
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"value": value}})
            }
            ItemKind::Service => json!({
                "apiVersion": "v1", "kind": "Service", "metadata": metadata,
                "spec": {"selector": {"app": key.name}, "ports": [{"name": "main", "port": 1000 + self.version % 50000}]},
            }),
            ItemKind::ServiceAccount => {
                json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
            }
            ItemKind::Deployment => json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": {"app": key.name}},
                    "template": {
                        "metadata": {"labels": {"app": key.name}},
                        "spec": {"containers": [
                            {"name": "main", "image": format!("registry.example/{}:{version}", key.name)},
                        ]},
                    },
                },
            }),
        }
    }

    /// Tells whether a live object is as desired, in all that Git says of it.
    pub(crate) fn is_met_by(&self, key: &ItemKey, live: &Value) -> bool {
        contains(live, &self.object(key))
    }
}

/// Tells whether everything in `want` is in `have`; lists go item by item.
fn contains(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => {
            want.iter().all(|(key, want)| have.get(key).is_some_and(|have| contains(have, want)))
        }
        (Value::Array(have), Value::Array(want)) => {
            have.len() == want.len() && have.iter().zip(want).all(|(have, want)| contains(have, want))
        }
        (have, want) => have == want,
    }
}

/// The files of one app at one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) items: BTreeMap<ItemKey, Item>,
    /// One of its files is no YAML.
    pub(crate) is_broken: bool,
    /// Further files by name, of which the judge knows no more than that the app must take them.
    pub(crate) extras: BTreeMap<String, String>,
}

impl Directory {
    /// Tells whether it renders to nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.extras.is_empty()
    }
}

/// Everything in Git at one commit, by directory.
pub(crate) type Snapshot = BTreeMap<String, Directory>;

/// One app, as its owner wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) dialect: Dialect,
    pub(crate) cluster: usize,
    pub(crate) directory: String,
    /// The commit at which it was suspended.
    pub(crate) suspended_at: Option<usize>,
    /// When that was.
    pub(crate) suspended_since: Option<tokio::time::Instant>,
    /// Its resource was deleted.
    pub(crate) is_deleted: bool,
    /// Its objects go with it.
    pub(crate) takes_objects_along: bool,
}

/// What people want, at every commit so far.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) apps: Vec<App>,
    /// By commit.
    pub(crate) snapshots: Vec<Snapshot>,
    /// The same as a careful renderer takes it: what is broken or wiped is as it was before.
    pub(crate) careful: Vec<Snapshot>,
    next_version: u64,
    next_name: u64,
}

impl Book {
    pub(crate) fn next_version(&mut self) -> u64 {
        self.next_version += 1;
        self.next_version
    }

    pub(crate) fn next_name(&mut self, prefix: &str) -> String {
        self.next_name += 1;
        format!("{prefix}{}", self.next_name)
    }

    pub(crate) fn head(&self) -> Snapshot {
        self.snapshots.last().cloned().unwrap_or_default()
    }

    /// Notes a commit.
    pub(crate) fn note(&mut self, snapshot: Snapshot) {
        let mut careful = snapshot.clone();
        if let Some(before) = self.careful.last() {
            for (name, directory) in &mut careful {
                let is_wiped = directory.is_empty();
                if let (true, Some(before)) = (directory.is_broken || is_wiped, before.get(name)) {
                    directory.items.clone_from(&before.items);
                }
            }
        }
        self.snapshots.push(snapshot);
        self.careful.push(careful);
    }

    /// Returns the apps that desire an item at a commit.
    fn claimants(&self, cluster: usize, key: &ItemKey, commit: usize) -> impl Iterator<Item = &App> {
        self.apps.iter().filter(move |app| {
            let desires = |commit: usize| {
                let directory = self.careful.get(commit).and_then(|snapshot| snapshot.get(&app.directory));
                directory.is_some_and(|directory| directory.items.contains_key(key))
            };
            // A suspended app desires nothing that came later, and what went since it does not hold on to either.
            app.cluster == cluster
                && !app.is_deleted
                && desires(commit)
                && app.suspended_at.is_none_or(|at| desires(at.min(commit)))
        })
    }

    /// Tells whether somebody desired an item at every commit from `floor` on: then nothing licenses its deletion.
    pub(crate) fn is_always_desired(&self, cluster: usize, key: &ItemKey, floor: usize) -> bool {
        (floor..self.careful.len()).all(|commit| self.claimants(cluster, key, commit).next().is_some())
    }

    /// Returns everything that was ever desired on a cluster.
    pub(crate) fn ever_desired(&self, cluster: usize) -> BTreeSet<ItemKey> {
        let mut keys = BTreeSet::new();
        for snapshot in &self.snapshots {
            for (name, directory) in snapshot {
                if self.apps.iter().any(|app| app.cluster == cluster && app.directory == *name) {
                    keys.extend(directory.items.keys().cloned());
                }
            }
        }
        keys
    }

    /// Tells whether an item was ever desired on a cluster.
    pub(crate) fn was_desired(&self, cluster: usize, key: &ItemKey) -> bool {
        self.snapshots.iter().any(|snapshot| {
            snapshot.iter().any(|(name, directory)| {
                directory.items.contains_key(key)
                    && self.apps.iter().any(|app| app.cluster == cluster && app.directory == *name)
            })
        })
    }
}

/// Returns the files that hold a snapshot.
pub(crate) fn files(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for (name, directory) in snapshot {
        files.insert(format!("{name}/README.md"), "What this app consists of.\n".to_owned());
        for (key, item) in &directory.items {
            let path = format!("{name}/{}-{}.yaml", key.kind.plural(), key.name);
            // JSON is YAML too.
            files.insert(path, format!("{:#}\n", item.object(key)));
        }
        for (file, content) in &directory.extras {
            files.insert(format!("{name}/{file}"), content.clone());
        }
        if directory.is_broken {
            files.insert(format!("{name}/broken.yaml"), "kind: [unfinished\n".to_owned());
        }
    }
    files
}
