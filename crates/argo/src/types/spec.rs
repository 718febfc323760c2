//! What is wanted of an application.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ApplicationSource, ApplicationSourceDirectory, ApplicationSourceHelm, ApplicationSourceKustomize,
    ApplicationSourcePlugin,
};

/// What is wanted of an application.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSpec {
    /// Where the manifests come from. Not read when `sources` has any.
    pub source: Option<ApplicationSource>,
    /// The cluster and namespace that the manifests go to.
    pub destination: ApplicationDestination,
    /// The project whose rules hold; empty means `default`.
    pub project: String,
    /// When and how to sync.
    pub sync_policy: Option<SyncPolicy>,
    /// Fields whose differences do not count.
    pub ignore_differences: Option<Vec<ResourceIgnoreDifferences>>,
    /// Facts for people; addresses become links.
    pub info: Option<Vec<Info>>,
    /// How many entries `status.history` keeps; 10 when absent, none at 0.
    pub revision_history_limit: Option<i64>,
    /// Where the manifests come from, when from several places. Wins over `source`.
    pub sources: Option<Vec<ApplicationSource>>,
    /// Renders from one branch and syncs from another. Wins over `sources` and `source`.
    pub source_hydrator: Option<SourceHydrator>,
}

/// The cluster and namespace that manifests go to. One of `server` and `name` says which cluster.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct ApplicationDestination {
    /// The URL of the cluster's API server.
    pub server: Option<String>,
    /// The namespace for namespaced objects that name none.
    pub namespace: Option<String>,
    /// The cluster's name.
    pub name: Option<String>,
}

/// A fact about an application, for people.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct Info {
    /// What it is about.
    pub name: String,
    /// What is so.
    pub value: String,
}

/// Fields whose differences do not count, of the objects that match.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceIgnoreDifferences {
    /// The API group, as a glob.
    pub group: Option<String>,
    /// The kind, as a glob.
    pub kind: String,
    /// The name; any when absent.
    pub name: Option<String>,
    /// The namespace; any when absent.
    pub namespace: Option<String>,
    /// The fields, as JSON pointers.
    pub json_pointers: Option<Vec<String>>,
    /// The fields, as expressions of jq.
    #[serde(rename = "jqPathExpressions")]
    pub jq_path_expressions: Option<Vec<String>>,
    /// Field managers whose fields do not count.
    pub managed_fields_managers: Option<Vec<String>>,
}

/// When and how to sync.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncPolicy {
    /// Syncs without being asked.
    pub automated: Option<SyncPolicyAutomated>,
    /// Options such as `CreateNamespace=true`.
    pub sync_options: Option<Vec<String>>,
    /// How a failed sync is tried again.
    pub retry: Option<RetryStrategy>,
    /// Labels and annotations of the namespace that `CreateNamespace=true` makes.
    pub managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
}

/// What syncs that nobody asked for may do.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncPolicyAutomated {
    /// Deletes objects that the source no longer has.
    pub prune: Option<bool>,
    /// Puts back what was changed in the cluster.
    pub self_heal: Option<bool>,
    /// Deletes even when the source has no object left at all.
    pub allow_empty: Option<bool>,
    /// Whether any of this holds; true when absent.
    pub enabled: Option<bool>,
}

/// How a failed sync is tried again.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct RetryStrategy {
    /// How many times; below 0 for ever.
    pub limit: Option<i64>,
    /// How long to wait between attempts.
    pub backoff: Option<Backoff>,
    /// Tries again with the newest revision instead of the one that failed.
    pub refresh: Option<bool>,
}

/// How long to wait between attempts: `duration`, growing by `factor` up to `maxDuration`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// The first wait, as `5s`, or in seconds.
    pub duration: Option<String>,
    /// What each wait is multiplied by.
    pub factor: Option<i64>,
    /// The longest wait, as `3m`, or in seconds.
    pub max_duration: Option<String>,
}

/// What a created namespace carries.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct ManagedNamespaceMetadata {
    /// Its labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Its annotations.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Renders from one branch, writes the manifests to another, and syncs from there.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceHydrator {
    /// What is rendered.
    pub dry_source: DrySource,
    /// What is synced.
    pub sync_source: SyncSource,
    /// A branch to write to first, so that a person can merge it.
    pub hydrate_to: Option<HydrateTo>,
}

/// What a hydrator renders.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrySource {
    /// The URL of the Git repository.
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// The branch, tag or commit.
    pub target_revision: String,
    /// The directory inside the repository.
    pub path: String,
    /// Settings for a Helm chart.
    pub helm: Option<ApplicationSourceHelm>,
    /// Settings for a Kustomize directory.
    pub kustomize: Option<ApplicationSourceKustomize>,
    /// Settings for a directory of plain manifests.
    pub directory: Option<ApplicationSourceDirectory>,
    /// Settings for a plugin that makes the manifests.
    pub plugin: Option<ApplicationSourcePlugin>,
}

/// What a hydrated application syncs from.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncSource {
    /// The URL of the Git repository; the dry source's when absent.
    #[serde(rename = "repoURL")]
    pub repo_url: Option<String>,
    /// The branch that holds the manifests.
    pub target_branch: String,
    /// The directory that holds the manifests; never the root.
    #[schemars(length(min = 1), extend("pattern" = "^.{2,}|[^./]$"))]
    pub path: String,
}

/// A branch that manifests are written to first.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HydrateTo {
    /// Its name.
    pub target_branch: String,
}
