//! A sync that somebody asks for.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ApplicationSource, Info, RetryStrategy};

/// What is asked of an application.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// A sync.
    pub sync: Option<SyncOperation>,
    /// Who asks.
    pub initiated_by: Option<OperationInitiator>,
    /// Facts for people.
    pub info: Option<Vec<Info>>,
    /// How a failure is tried again; not at all when absent.
    pub retry: Option<RetryStrategy>,
}

/// Who asks for an operation.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct OperationInitiator {
    /// The user.
    pub username: Option<String>,
    /// Nobody: the sync policy did.
    pub automated: Option<bool>,
}

/// A sync, and what may differ from the application's own policy.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncOperation {
    /// What to sync to; the application's own target when empty.
    pub revision: Option<String>,
    /// Deletes objects that the source no longer has.
    pub prune: Option<bool>,
    /// Asks the API server to check, not to store.
    pub dry_run: Option<bool>,
    /// How objects are written.
    pub sync_strategy: Option<SyncStrategy>,
    /// Only these objects; all when empty.
    pub resources: Option<Vec<SyncOperationResource>>,
    /// A source to use instead of the application's own, as a rollback does.
    pub source: Option<ApplicationSource>,
    /// Manifests to use instead of the source's.
    pub manifests: Option<Vec<String>>,
    /// Options to use instead of the policy's.
    pub sync_options: Option<Vec<String>>,
    /// Sources to use instead of the application's own.
    pub sources: Option<Vec<ApplicationSource>>,
    /// What to sync to, one for each source.
    pub revisions: Option<Vec<String>>,
    /// How often self-heal has tried.
    pub auto_heal_attempts_count: Option<i64>,
}

/// One object to sync.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct SyncOperationResource {
    /// The API group.
    pub group: Option<String>,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace; any when empty.
    pub namespace: Option<String>,
}

/// How objects are written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct SyncStrategy {
    /// Applies everything and runs no hook.
    pub apply: Option<SyncStrategyApply>,
    /// Applies everything and runs hooks; what happens when nothing is said.
    pub hook: Option<SyncStrategyHook>,
}

/// Applies everything and runs no hook.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct SyncStrategyApply {
    /// Deletes and creates again what cannot be changed.
    pub force: Option<bool>,
}

/// Applies everything and runs hooks.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
pub struct SyncStrategyHook {
    /// Deletes and creates again what cannot be changed.
    pub force: Option<bool>,
}
