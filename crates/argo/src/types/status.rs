//! What is known of an application.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ApplicationDestination, ApplicationSource, ManagedNamespaceMetadata, Operation, OperationInitiator,
    ResourceIgnoreDifferences, SourceHydrator, Time,
};

/// What is known of an application.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// The objects of the application.
    pub resources: Option<Vec<ResourceStatus>>,
    /// Whether live state is as desired.
    pub sync: Option<SyncStatus>,
    /// How the application is.
    pub health: Option<AppHealthStatus>,
    /// The last syncs that succeeded, oldest first.
    pub history: Option<Vec<RevisionHistory>>,
    /// What stands in the way, or should be known.
    pub conditions: Option<Vec<ApplicationCondition>>,
    /// When desired and live state were last compared with a new result.
    pub reconciled_at: Option<Time>,
    /// The sync that runs, or the last one.
    pub operation_state: Option<OperationState>,
    /// Kept for old resources.
    pub observed_at: Option<Time>,
    /// How the source is rendered: `Directory`, `Helm`, `Kustomize` or `Plugin`.
    pub source_type: Option<String>,
    /// What the objects run and where they are reached.
    pub summary: Option<ApplicationSummary>,
    /// Where the health of single objects is kept: `inline` in `resources`, or `appTree`, not in the resource.
    pub resource_health_source: Option<String>,
    /// How each source is rendered.
    pub source_types: Option<Vec<String>>,
    /// The namespace of the controller that looks after the application.
    pub controller_namespace: Option<String>,
    /// What the hydrator does.
    pub source_hydrator: Option<SourceHydratorStatus>,
}

/// One object of an application.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    /// The API group; absent for the core group.
    pub group: Option<String>,
    /// The API version.
    pub version: Option<String>,
    /// The kind.
    pub kind: Option<String>,
    /// The namespace; absent for a cluster-scoped object.
    pub namespace: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// `Synced`, `OutOfSync` or `Unknown`; absent for hooks.
    pub status: Option<String>,
    /// How it is; only where `resourceHealthSource` is `inline`.
    pub health: Option<HealthStatus>,
    /// It is a hook.
    pub hook: Option<bool>,
    /// It is live and no longer desired.
    pub requires_pruning: Option<bool>,
    /// Its place in the order of a sync.
    pub sync_wave: Option<i64>,
    /// It is deleted only once a person says so.
    pub requires_deletion_confirmation: Option<bool>,
}

/// How one object is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthStatus {
    /// The verdict.
    pub status: Option<String>,
    /// Why.
    pub message: Option<String>,
    /// When the verdict changed.
    pub last_transition_time: Option<Time>,
}

/// How the application is: as the worst of its objects.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppHealthStatus {
    /// `Healthy`, `Suspended`, `Progressing`, `Missing`, `Degraded` or `Unknown`.
    pub status: Option<String>,
    /// When the verdict changed.
    pub last_transition_time: Option<Time>,
    /// Which objects are why.
    pub message: Option<String>,
}

/// Whether live state is as desired.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    /// `Synced`, `OutOfSync` or `Unknown`.
    pub status: String,
    /// What was compared.
    pub compared_to: Option<ComparedTo>,
    /// The commit that was compared.
    pub revision: Option<String>,
    /// The commits that were compared, one for each of `sources`.
    pub revisions: Option<Vec<String>>,
}

/// What was compared.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComparedTo {
    /// The source.
    pub source: Option<ApplicationSource>,
    /// The cluster and namespace.
    pub destination: ApplicationDestination,
    /// The sources.
    pub sources: Option<Vec<ApplicationSource>>,
    /// What did not count.
    pub ignore_differences: Option<Vec<ResourceIgnoreDifferences>>,
}

/// A sync that succeeded.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionHistory {
    /// The commit.
    pub revision: Option<String>,
    /// When the sync ended.
    pub deployed_at: Time,
    /// Counts up; never used twice.
    pub id: i64,
    /// The source.
    pub source: Option<ApplicationSource>,
    /// When the sync began.
    pub deploy_started_at: Option<Time>,
    /// The sources.
    pub sources: Option<Vec<ApplicationSource>>,
    /// The commits, one for each of `sources`.
    pub revisions: Option<Vec<String>>,
    /// Who asked for the sync.
    pub initiated_by: Option<OperationInitiator>,
}

/// Something that stands in the way, or should be known.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationCondition {
    /// One word; those that end in `Error` stand in the way.
    #[serde(rename = "type")]
    pub type_: String,
    /// For people.
    pub message: String,
    /// Since when.
    pub last_transition_time: Option<Time>,
}

/// A sync that runs, or the last one.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationState {
    /// What was asked.
    pub operation: Operation,
    /// `Running`, `Terminating`, `Failed`, `Error` or `Succeeded`.
    pub phase: String,
    /// For people.
    pub message: Option<String>,
    /// What was done.
    pub sync_result: Option<SyncOperationResult>,
    /// When it began.
    pub started_at: Time,
    /// When it ended; while a retry is awaited, when the last attempt ended.
    pub finished_at: Option<Time>,
    /// How often it was tried again.
    pub retry_count: Option<i64>,
}

/// What a sync did.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncOperationResult {
    /// What was done to each object.
    pub resources: Option<Vec<ResourceResult>>,
    /// The commit.
    pub revision: String,
    /// The source.
    pub source: Option<ApplicationSource>,
    /// The sources.
    pub sources: Option<Vec<ApplicationSource>>,
    /// The commits, one for each of `sources`.
    pub revisions: Option<Vec<String>>,
    /// What the created namespace carries.
    pub managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
}

/// What a sync did to one object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceResult {
    /// The API group; empty for the core group.
    pub group: String,
    /// The API version.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// `Synced`, `SyncFailed`, `Pruned` or `PruneSkipped`.
    pub status: Option<String>,
    /// In the words of the API server.
    pub message: Option<String>,
    /// The phase that the hook was made for; absent for what is no hook.
    pub hook_type: Option<String>,
    /// How far it got: `Running`, `Succeeded`, `Failed` or `Error`.
    pub hook_phase: Option<String>,
    /// The phase of the sync it was written in.
    pub sync_phase: Option<String>,
    /// The images it runs.
    pub images: Option<Vec<String>>,
}

/// What the objects run and where they are reached.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSummary {
    /// Addresses of the application.
    #[serde(rename = "externalURLs")]
    pub external_urls: Option<Vec<String>>,
    /// All images, sorted.
    pub images: Option<Vec<String>>,
    /// Applications are among the objects.
    pub is_app_of_apps: Option<bool>,
}

/// What the hydrator does.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceHydratorStatus {
    /// The last time that it succeeded.
    pub last_successful_operation: Option<SuccessfulHydrateOperation>,
    /// The last time that it ran.
    pub current_operation: Option<HydrateOperation>,
    /// The dry commit that was last compared.
    pub last_compared_dry_revision: Option<String>,
}

/// A run of the hydrator.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HydrateOperation {
    /// When it began.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// How it stands.
    #[schemars(extend("enum" = ["Hydrating", "Failed", "Hydrated"]))]
    pub phase: String,
    /// For people.
    pub message: String,
    /// The commit that was rendered.
    #[serde(rename = "drySHA")]
    pub dry_sha: Option<String>,
    /// The commit that was written.
    #[serde(rename = "hydratedSHA")]
    pub hydrated_sha: Option<String>,
    /// The settings.
    pub source_hydrator: Option<SourceHydrator>,
}

/// A run of the hydrator that succeeded.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuccessfulHydrateOperation {
    /// The commit that was rendered.
    #[serde(rename = "drySHA")]
    pub dry_sha: Option<String>,
    /// The commit that was written.
    #[serde(rename = "hydratedSHA")]
    pub hydrated_sha: Option<String>,
    /// The settings.
    pub source_hydrator: Option<SourceHydrator>,
}
