//! Where an application's manifests come from, and how they are made.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{AnyObject, IntOrString};

/// One place that manifests come from.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSource {
    /// The URL of the Git or Helm repository.
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// The directory inside the repository; of a Git repository only.
    pub path: Option<String>,
    /// What to take: a branch, tag, commit or `HEAD` of a Git repository, a version or range of a chart.
    /// Empty means `HEAD`.
    pub target_revision: Option<String>,
    /// Settings for a Helm chart.
    pub helm: Option<ApplicationSourceHelm>,
    /// Settings for a Kustomize directory.
    pub kustomize: Option<ApplicationSourceKustomize>,
    /// Settings for a directory of plain manifests.
    pub directory: Option<ApplicationSourceDirectory>,
    /// Settings for a plugin that makes the manifests.
    pub plugin: Option<ApplicationSourcePlugin>,
    /// The name of a chart in a Helm repository.
    pub chart: Option<String>,
    /// A name by which other sources of the application refer to files of this one.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// A name for people, unique among the sources of the application.
    pub name: Option<String>,
    /// Considers only tags that begin with this, and reads versions behind it.
    pub tag_prefix: Option<String>,
}

/// Settings for a Helm chart.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSourceHelm {
    /// Files of values, later ones winning; relative to the chart, or with a leading `/` to the repository.
    pub value_files: Option<Vec<String>>,
    /// Single values, as `--set` takes them; they win over all other values.
    pub parameters: Option<Vec<HelmParameter>>,
    /// The name of the release; the application's own when empty.
    pub release_name: Option<String>,
    /// Values as a text of YAML; ignored when `valuesObject` is set.
    pub values: Option<String>,
    /// Single values read from files, as `--set-file` takes them.
    pub file_parameters: Option<Vec<HelmFileParameter>>,
    /// The version of Helm; kept for old resources.
    pub version: Option<String>,
    /// Sends the repository's credentials to every host that the chart comes from.
    pub pass_credentials: Option<bool>,
    /// Goes on when a file of `valueFiles` is not there.
    pub ignore_missing_value_files: Option<bool>,
    /// Leaves out the chart's `crds` directory.
    pub skip_crds: Option<bool>,
    /// Values as a map; wins over `values`.
    pub values_object: Option<AnyObject>,
    /// The namespace that templates see; the destination's when empty.
    pub namespace: Option<String>,
    /// The version of Kubernetes that templates see.
    pub kube_version: Option<String>,
    /// The API versions that templates see.
    pub api_versions: Option<Vec<String>>,
    /// Leaves out the chart's tests.
    pub skip_tests: Option<bool>,
    /// Does not check values against the chart's schema.
    pub skip_schema_validation: Option<bool>,
}

/// One value for a chart.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmParameter {
    /// The path of the value, with dots.
    pub name: Option<String>,
    /// The value.
    pub value: Option<String>,
    /// Takes the value as a text even when it looks like a number or a boolean.
    pub force_string: Option<bool>,
}

/// One value for a chart, read from a file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct HelmFileParameter {
    /// The path of the value, with dots.
    pub name: Option<String>,
    /// The file.
    pub path: Option<String>,
}

/// Settings for a Kustomize directory.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSourceKustomize {
    /// Put before every name.
    pub name_prefix: Option<String>,
    /// Put after every name.
    pub name_suffix: Option<String>,
    /// Images to replace: `[old=]name[:tag][@digest]`.
    pub images: Option<Vec<String>>,
    /// Labels for every object.
    pub common_labels: Option<BTreeMap<String, String>>,
    /// The version of Kustomize.
    pub version: Option<String>,
    /// Annotations for every object.
    pub common_annotations: Option<BTreeMap<String, String>>,
    /// Replaces labels that the directory sets already.
    pub force_common_labels: Option<bool>,
    /// Replaces annotations that the directory sets already.
    pub force_common_annotations: Option<bool>,
    /// The namespace for every object.
    pub namespace: Option<String>,
    /// Fills in variables of the build environment in the values of `commonAnnotations`.
    pub common_annotations_envsubst: Option<bool>,
    /// How many replicas workloads have.
    pub replicas: Option<Vec<KustomizeReplica>>,
    /// Patches, applied in this order.
    pub patches: Option<Vec<KustomizePatch>>,
    /// Components to add.
    pub components: Option<Vec<String>>,
    /// Goes on when a component is not there.
    pub ignore_missing_components: Option<bool>,
    /// Sets `commonLabels` on metadata only, not in selectors.
    pub label_without_selector: Option<bool>,
    /// The version of Kubernetes that charts inside see.
    pub kube_version: Option<String>,
    /// The API versions that charts inside see.
    pub api_versions: Option<Vec<String>>,
    /// Sets `commonLabels` in pod templates too.
    pub label_include_templates: Option<bool>,
}

/// How many replicas one workload has.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
pub struct KustomizeReplica {
    /// The workload's name.
    pub name: String,
    /// How many.
    pub count: IntOrString,
}

/// One patch of Kustomize's.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct KustomizePatch {
    /// A file that holds the patch.
    pub path: Option<String>,
    /// The patch itself.
    pub patch: Option<String>,
    /// The objects to patch.
    pub target: Option<KustomizeSelector>,
    /// Options such as `allowNameChange`.
    pub options: Option<BTreeMap<String, bool>>,
}

/// Which objects a patch is for; what is absent matches all.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizeSelector {
    /// The API group.
    pub group: Option<String>,
    /// The API version.
    pub version: Option<String>,
    /// The kind.
    pub kind: Option<String>,
    /// The name, as a regular expression.
    pub name: Option<String>,
    /// The namespace, as a regular expression.
    pub namespace: Option<String>,
    /// A selector of annotations.
    pub annotation_selector: Option<String>,
    /// A selector of labels.
    pub label_selector: Option<String>,
}

/// Settings for a directory of plain manifests.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSourceDirectory {
    /// Descends into sub-directories.
    pub recurse: Option<bool>,
    /// Settings for Jsonnet files.
    pub jsonnet: Option<ApplicationSourceJsonnet>,
    /// A glob of files to leave out; wins over `include`.
    pub exclude: Option<String>,
    /// A glob of files to take.
    pub include: Option<String>,
    /// Takes files whatever their extension.
    pub disable_extension_filter: Option<bool>,
}

/// Settings for Jsonnet files.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSourceJsonnet {
    /// External variables.
    pub ext_vars: Option<Vec<JsonnetVar>>,
    /// Top-level arguments.
    pub tlas: Option<Vec<JsonnetVar>>,
    /// Directories that imports are looked for in.
    pub libs: Option<Vec<String>>,
}

/// A variable for Jsonnet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct JsonnetVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The value is Jsonnet, not a text.
    pub code: Option<bool>,
}

/// Settings for a plugin that makes the manifests.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct ApplicationSourcePlugin {
    /// The plugin's name; found by what the directory holds when empty.
    pub name: Option<String>,
    /// Variables for the plugin's environment.
    pub env: Option<Vec<EnvEntry>>,
    /// Parameters for the plugin.
    pub parameters: Option<Vec<PluginParameter>>,
}

/// A variable of an environment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct EnvEntry {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A parameter for a plugin: one of a text, a list and a map.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct PluginParameter {
    /// Its name.
    pub name: Option<String>,
    /// Its value as a text.
    pub string: Option<String>,
    /// Its value as a map.
    pub map: Option<BTreeMap<String, String>>,
    /// Its value as a list.
    pub array: Option<Vec<String>>,
}
