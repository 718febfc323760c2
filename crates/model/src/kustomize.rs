//! How a kustomization in a source is built.

use std::collections::BTreeMap;

use serde_json::Value;

/// What the file of a kustomization may be called.
pub const KUSTOMIZATION_FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// How a kustomization is built: what is laid over its file before, and over its objects after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KustomizeOptions {
    /// The directory inside the source.
    pub path: String,
    /// Files may be read from all of the source, not only from the kustomization's own directory.
    pub reads_everywhere: bool,
    /// What a build may do.
    pub build: KustomizeBuild,
    /// The namespace, in place of the file's.
    pub namespace: Option<String>,
    /// What goes before names, in place of the file's.
    pub name_prefix: Option<String>,
    /// What goes after names, in place of the file's.
    pub name_suffix: Option<String>,
    /// Images, each in place of the file's for the same name.
    pub images: Vec<KustomizeImage>,
    /// How many replicas workloads have, by their names; each in place of the file's.
    pub replicas: Vec<(String, i64)>,
    /// Labels to add.
    pub labels: KustomizeLabels,
    /// Annotations to add.
    pub annotations: KustomizePairs,
    /// Patches to add, as a kustomization has them.
    pub patches: Vec<Value>,
    /// Components to add.
    pub components: Vec<String>,
    /// Leaves out those of them that are not in the source.
    pub ignore_missing_components: bool,
    /// What of `buildMetadata` is on, in place of the file's; empty for the file's own.
    pub build_metadata: Vec<String>,
    /// Labels of every object that was built, whatever it says itself; no selector is touched.
    pub common_labels: BTreeMap<String, String>,
    /// Annotations of every object that was built, whatever it says itself.
    pub common_annotations: BTreeMap<String, String>,
}

impl KustomizeOptions {
    /// Tells whether a kustomization is built as its file says, and no other way.
    pub fn is_plain(&self) -> bool {
        let plain = Self {
            path: self.path.clone(),
            reads_everywhere: self.reads_everywhere,
            build: self.build.clone(),
            ..KustomizeOptions::default()
        };
        *self == plain
    }
}

/// What a build may do beside reading the files of its source: the flags of `kustomize build`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KustomizeBuild {
    /// Whether files, bases and charts may be elsewhere.
    pub remotes: RemoteBases,
    /// What charts see; `None` refuses them.
    pub charts: Option<KustomizeCharts>,
    /// Leaves the objects in the order in which they are loaded, where the kustomization says none.
    pub keeps_order: bool,
    /// Adds a label that says what built the objects.
    pub managed_by_label: bool,
}

/// Whether files, bases and charts may be elsewhere than in the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RemoteBases {
    /// They may not.
    #[default]
    Refused,
    /// Anywhere where nobody asks who it is.
    Anonymous,
    /// Anywhere; a repository on the source's own host is asked with what gets into the source.
    AsSource,
}

/// What the charts that a kustomization names see of the world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KustomizeCharts {
    /// The version of Kubernetes; empty for the cluster's own.
    pub kube_version: String,
    /// What is served; empty for what the cluster serves.
    pub api_versions: Vec<String>,
    /// What is served beside these.
    pub more_api_versions: Vec<String>,
}

/// An image to put in another's place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KustomizeImage {
    /// The name that is looked for.
    pub name: String,
    /// The name in its place; `None` keeps it, or what the file says.
    pub new_name: Option<String>,
    /// The tag; with the digest, they are one: what is not set is none.
    pub new_tag: Option<String>,
    /// The digest.
    pub digest: Option<String>,
    /// Nothing is kept of what the file says of this image.
    pub replaces: bool,
}

/// Names and values to add to the file's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KustomizePairs {
    /// The names and values.
    pub pairs: BTreeMap<String, String>,
    /// Takes the place of what the file says; else that is a mistake.
    pub force: bool,
}

/// Labels to add to the file's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KustomizeLabels {
    /// The labels.
    pub labels: KustomizePairs,
    /// Leaves selectors alone.
    pub without_selectors: bool,
    /// Sets them in pod templates, where selectors are left alone.
    pub in_templates: bool,
}
