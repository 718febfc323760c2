//! From rendered files to manifests and hooks, in the order in which Helm prints them.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::yaml::{cannot_unmarshal, scalar_text, unmarshal_part};

/// A document of a rendered file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The file.
    pub path: String,
    /// The document as it was rendered, without what separates it from others.
    pub content: String,
    /// The object's `apiVersion`.
    pub version: String,
    /// The object's kind; empty if it says none.
    pub kind: String,
    /// The object's name; empty if it says none.
    pub name: String,
    /// What makes it a hook.
    pub hook: Option<Hook>,
}

impl Manifest {
    /// Tells whether it is a hook that `helm test` runs.
    pub fn is_test(&self) -> bool {
        self.hook.as_ref().is_some_and(|hook| hook.events.contains(&"test"))
    }
}

/// When a hook runs, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The events, for example `pre-install`.
    pub events: Vec<&'static str>,
    /// Its place among the hooks of one event.
    pub weight: i64,
    /// When it is deleted, in lower case.
    pub delete_policies: Vec<String>,
    /// When its output is kept, in lower case.
    pub output_log_policies: Vec<String>,
}

/// A document that is no YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("YAML parse error on {path}: {why}")]
pub struct ManifestError {
    /// The file.
    pub path: String,
    /// What is wrong.
    pub why: String,
}

/// The events of hooks, as charts write them and as Helm knows them.
const EVENTS: [(&str, &str); 10] = [
    ("pre-install", "pre-install"),
    ("post-install", "post-install"),
    ("pre-delete", "pre-delete"),
    ("post-delete", "post-delete"),
    ("pre-upgrade", "pre-upgrade"),
    ("post-upgrade", "post-upgrade"),
    ("pre-rollback", "pre-rollback"),
    ("post-rollback", "post-rollback"),
    ("test", "test"),
    ("test-success", "test"),
];

/// The order in which kinds are installed.
const INSTALL_ORDER: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// The manifests of a release, each list in the order of installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Objects that are part of the release.
    pub manifests: Vec<Manifest>,
    /// Objects that are hooks.
    pub hooks: Vec<Manifest>,
}

impl Sorted {
    /// Adds a document behind the others, unless it is a hook that nobody knows.
    fn add(&mut self, path: &str, content: String) -> Result<(), ManifestError> {
        let head = Head::read(&content).map_err(|why| ManifestError { path: path.to_owned(), why })?;
        let hook = match head.annotations.get("helm.sh/hook") {
            None => None,
            Some(events) => match head.hook(events) {
                None => return Ok(()),
                hook => hook,
            },
        };
        let list = if hook.is_some() { &mut self.hooks } else { &mut self.manifests };
        let Head { version, kind, name, .. } = head;
        list.push(Manifest { path: path.to_owned(), content, version, kind, name, hook });
        Ok(())
    }
}

/// Takes rendered files apart and sorts their documents; ones whose hooks nobody knows are dropped.
pub fn sort_manifests(files: BTreeMap<String, String>) -> Result<Sorted, ManifestError> {
    let mut sorted = Sorted::default();
    for (path, mut content) in files {
        let base = path.rsplit('/').next().unwrap_or(&path);
        if base.starts_with('_') || content.trim().is_empty() {
            continue;
        }
        let documents = split_manifests(&content);
        if let [only] = documents[..] {
            // The file becomes its document, without a copy.
            let start = only.as_ptr().addr() - content.as_ptr().addr();
            let end = start + only.len();
            content.truncate(end);
            content.drain(..start);
            sorted.add(&path, content)?;
            continue;
        }
        for document in documents {
            sorted.add(&path, document.to_owned())?;
        }
    }
    sorted.manifests.sort_by(|a, b| install_rank(&a.kind).cmp(&install_rank(&b.kind)));
    sorted.hooks.sort_by(|a, b| install_rank(&a.kind).cmp(&install_rank(&b.kind)));
    Ok(sorted)
}

/// Returns a kind's place in the order of installation; unknown kinds come last, by their names.
pub fn install_rank(kind: &str) -> (usize, &str) {
    match INSTALL_ORDER.iter().position(|known| *known == kind) {
        Some(place) => (place, ""),
        None => (INSTALL_ORDER.len(), kind),
    }
}

/// Cuts a file at every line that begins with `---`; what follows on that line belongs to the next document.
pub fn split_manifests(file: &str) -> Vec<&str> {
    let file = file.trim_start();
    let mut documents = Vec::new();
    let mut start = 0;
    let mut line_start = 0;
    while line_start < file.len() {
        if file[line_start..].starts_with("---") {
            documents.push(&file[start..line_start]);
            start = line_start + 3;
        }
        line_start = file[line_start..].find('\n').map_or(file.len(), |end| line_start + end + 1);
    }
    documents.push(&file[start..]);
    documents.retain(|document| !document.trim().is_empty());
    documents.into_iter().map(str::trim_start).collect()
}

#[derive(Default)]
struct Head {
    version: String,
    kind: String,
    name: String,
    annotations: BTreeMap<String, String>,
}

impl Head {
    fn read(content: &str) -> Result<Self, String> {
        let mut head = Self::default();
        let is_of_head =
            |key: &str| ["apiVersion", "kind", "metadata"].iter().any(|known| key.eq_ignore_ascii_case(known));
        let entries = match unmarshal_part(content.as_bytes(), &is_of_head)? {
            Json::Null => return Ok(head),
            Json::Object(entries) => entries,
            other => return Err(cannot_unmarshal(&other, "", "util.SimpleHead")),
        };
        for (key, value) in &entries {
            match key.to_ascii_lowercase().as_str() {
                "apiversion" => set(&mut head.version, value, "SimpleHead.apiVersion")?,
                "kind" => set(&mut head.kind, value, "SimpleHead.kind")?,
                "metadata" => head.metadata(value)?,
                _ => {}
            }
        }
        Ok(head)
    }

    fn metadata(&mut self, metadata: &Json) -> Result<(), String> {
        const TYPE: &str = "struct { Name string \"json:\\\"name\\\"\"; Annotations map[string]string \
                            \"json:\\\"annotations\\\"\" }";
        let entries = match metadata {
            Json::Null => return Ok(()),
            Json::Object(entries) => entries,
            other => return Err(cannot_unmarshal(other, "SimpleHead.metadata", TYPE)),
        };
        for (key, value) in entries {
            match key.to_ascii_lowercase().as_str() {
                "name" => set(&mut self.name, value, ".metadata.name")?,
                "annotations" => match value {
                    Json::Null => {}
                    Json::Object(annotations) => {
                        for (key, value) in annotations {
                            let mut text = String::new();
                            set(&mut text, value, ".metadata.annotations")?;
                            self.annotations.insert(key.clone(), text);
                        }
                    }
                    other => {
                        return Err(cannot_unmarshal(other, ".metadata.annotations", "map[string]string"));
                    }
                },
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns what makes the document a hook; `None` if one of its events is not known.
    fn hook(&self, events: &str) -> Option<Hook> {
        let events = events
            .split(',')
            .map(|event| {
                let event = event.trim().to_lowercase();
                EVENTS.iter().find(|(written, _)| *written == event).map(|(_, known)| *known)
            })
            .collect::<Option<Vec<_>>>()?;
        let weight = self.annotations.get("helm.sh/hook-weight");
        Some(Hook {
            events,
            weight: weight.and_then(|weight| weight.parse().ok()).unwrap_or(0),
            delete_policies: self.policies("helm.sh/hook-delete-policy"),
            output_log_policies: self.policies("helm.sh/hook-output-log-policy"),
        })
    }

    fn policies(&self, annotation: &str) -> Vec<String> {
        let written = self.annotations.get(annotation);
        written.map_or_else(Vec::new, |text| text.split(',').map(|policy| policy.trim().to_lowercase()).collect())
    }
}

fn set(into: &mut String, value: &Json, field: &str) -> Result<(), String> {
    if !value.is_null() {
        *into = scalar_text(value).ok_or_else(|| cannot_unmarshal(value, field, "string"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_cut_where_helm_cuts_them() {
        let cases: [(&str, &[&str]); 6] = [
            ("a: 1\n---\nb: 2\n", &["a: 1\n", "b: 2\n"]),
            ("---apiVersion: v1\n", &["apiVersion: v1\n"]),
            ("\n\n--- \t# note\na: 1", &["# note\na: 1"]),
            ("a: |\n  ---\n  x\n", &["a: |\n  ---\n  x\n"]),
            ("---\n---\n\n", &[]),
            ("----\na: 1\n", &["-\na: 1\n"]),
        ];
        for (file, want) in cases {
            assert_eq!(split_manifests(file), want, "{file:?}");
        }
    }

    #[test]
    fn kinds_are_sorted_as_they_are_installed() {
        let file = |kind: &str| format!("apiVersion: v1\nkind: {kind}\n");
        let files = [("a", "Zebra"), ("b", "Ape"), ("c", "Deployment"), ("d", "Namespace"), ("e", "Ape")]
            .map(|(path, kind)| (path.to_owned(), file(kind)));
        let sorted = sort_manifests(BTreeMap::from(files)).expect("is YAML");
        let order: Vec<_> = sorted.manifests.iter().map(|manifest| manifest.path.as_str()).collect();
        assert_eq!(order, ["d", "c", "b", "e", "a"]);
    }

    #[test]
    fn hooks_are_told_by_their_annotation() {
        let file = |annotations: &str| format!("kind: Job\nmetadata:\n  name: x\n  annotations:\n{annotations}");
        let files = [
            ("a", "    helm.sh/hook: Pre-Install, test-success\n    helm.sh/hook-weight: 5\n"),
            ("b", "    helm.sh/hook: crd-install\n"),
            ("c", "    other: thing\n"),
            (
                "d",
                "    helm.sh/hook: post-delete\n    helm.sh/hook-weight: high\n    helm.sh/hook-delete-policy: A, b\n",
            ),
        ]
        .map(|(path, annotations)| (path.to_owned(), file(annotations)));
        let sorted = sort_manifests(BTreeMap::from(files)).expect("is YAML");
        assert_eq!(sorted.manifests.len(), 1);
        let hooks: Vec<_> = sorted.hooks.iter().filter_map(|manifest| manifest.hook.clone()).collect();
        assert_eq!(hooks[0].events, ["pre-install", "test"]);
        assert_eq!(hooks[0].weight, 5);
        assert_eq!(hooks[1].weight, 0);
        assert_eq!(hooks[1].delete_policies, ["a", "b"]);
        assert_eq!(hooks.len(), 2);
    }
}
