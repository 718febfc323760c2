use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a chart is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Install {
    /// What becomes of the definitions in `crds`: `Create`, also when left out, makes those that are not there;
    /// `CreateReplace` writes all; `Skip` none.
    #[schemars(extend("enum" = ["Skip", "Create", "CreateReplace"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crds: Option<String>,
    /// Makes the release's namespace where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_namespace: Option<bool>,
    /// Runs no hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_hooks: Option<bool>,
    /// Does not check objects against the schemas of the cluster.
    #[serde(rename = "disableOpenAPIValidation")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_open_api_validation: Option<bool>,
    /// Does not check values against the chart's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_schema_validation: Option<bool>,
    /// Fails where an object is there that no release of this name made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_take_ownership: Option<bool>,
    /// Does not wait until objects are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait: Option<bool>,
    /// Does not wait until Jobs are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait_for_jobs: Option<bool>,
    /// What is done about a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<InstallRemediation>,
    /// Takes the name of a release that was deleted and is on record still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replace: Option<bool>,
    /// Writes by server-side apply; on when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<bool>,
    /// An old way to write `crds: Skip`.
    #[serde(rename = "skipCRDs")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_crds: Option<bool>,
    /// What is done about a failure, and when it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<InstallStrategy>,
    /// How long it may take; the release's own `timeout` when left out.
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// What is done about an install that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallRemediation {
    /// Tests that fail are no failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_test_failures: Option<bool>,
    /// Uninstalls after the last attempt too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediate_last_failure: Option<bool>,
    /// How often it is uninstalled and tried again; below 0 for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<isize>,
}

/// What is done about an install that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "message": ".retryInterval cannot be set when .name is 'RemediateOnFailure'",
    "rule": "!has(self.retryInterval) || self.name != 'RemediateOnFailure'"
}]))]
pub struct InstallStrategy {
    /// `RemediateOnFailure`, also when left out, or `RetryOnFailure`.
    #[schemars(extend("enum" = ["RemediateOnFailure", "RetryOnFailure"]))]
    pub name: String,
    /// How long to wait before it is tried again; `5m` when left out.
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<String>,
}

/// How a chart is brought to another version, or other values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// What becomes of a release whose chart goes by another name: `Reinstall`, also when left out, or `InPlaceUpdate`.
    #[schemars(extend("enum" = ["InPlaceUpdate", "Reinstall"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart_name_change_strategy: Option<String>,
    /// Deletes what a failed upgrade has made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleanup_on_fail: Option<bool>,
    /// What becomes of the definitions in `crds`: `Skip`, also when left out, lets them be; `Create` makes those that
    /// are not there; `CreateReplace` writes all.
    #[schemars(extend("enum" = ["Skip", "Create", "CreateReplace"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crds: Option<String>,
    /// Runs no hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_hooks: Option<bool>,
    /// Does not check objects against the schemas of the cluster.
    #[serde(rename = "disableOpenAPIValidation")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_open_api_validation: Option<bool>,
    /// Does not check values against the chart's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_schema_validation: Option<bool>,
    /// Fails where an object is there that no release of this name made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_take_ownership: Option<bool>,
    /// Does not wait until objects are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait: Option<bool>,
    /// Does not wait until Jobs are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait_for_jobs: Option<bool>,
    /// Replaces objects instead of changing them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
    /// Goes on with the values of the release before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preserve_values: Option<bool>,
    /// What is done about a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<UpgradeRemediation>,
    /// Whether to write by server-side apply.
    #[schemars(extend("enum" = ["enabled", "disabled", "auto"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<String>,
    /// What is done about a failure, and when it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<UpgradeStrategy>,
    /// How long it may take; the release's own `timeout` when left out.
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// What is done about an upgrade that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeRemediation {
    /// Tests that fail are no failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_test_failures: Option<bool>,
    /// Takes the last attempt back too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediate_last_failure: Option<bool>,
    /// How often it is taken back and tried again; below 0 for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<isize>,
    /// How it is taken back: `rollback`, also when left out, or `uninstall`.
    #[schemars(extend("enum" = ["rollback", "uninstall"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
}

/// What is done about an upgrade that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "message": ".retryInterval can only be set when .name is 'RetryOnFailure'",
    "rule": "!has(self.retryInterval) || self.name == 'RetryOnFailure'"
}]))]
pub struct UpgradeStrategy {
    /// `RemediateOnFailure`, also when left out, or `RetryOnFailure`.
    #[schemars(extend("enum" = ["RemediateOnFailure", "RetryOnFailure"]))]
    pub name: String,
    /// How long to wait before it is tried again; `5m` when left out.
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<String>,
}

/// How a failed upgrade is taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// Deletes what a failed rollback has made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleanup_on_fail: Option<bool>,
    /// Runs no hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_hooks: Option<bool>,
    /// Does not wait until objects are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait: Option<bool>,
    /// Does not wait until Jobs are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait_for_jobs: Option<bool>,
    /// Replaces objects instead of changing them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
    /// Restarts pods; kept for old resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recreate: Option<bool>,
    /// Whether to write by server-side apply.
    #[schemars(extend("enum" = ["enabled", "disabled", "auto"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<String>,
    /// How long it may take; the release's own `timeout` when left out.
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// How a chart's tests are run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Test {
    /// Runs them after each install and upgrade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable: Option<bool>,
    /// Which tests are run; all when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<Vec<TestFilter>>,
    /// Tests that fail are no failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_failures: Option<bool>,
    /// How long they may take; the release's own `timeout` when left out.
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// A test to run, or to leave out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestFilter {
    /// Leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<bool>,
    /// Its name.
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub name: String,
}

/// How a chart is taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Uninstall {
    /// How dependents of deleted objects go.
    #[schemars(extend("default" = "background", "enum" = ["background", "foreground", "orphan"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_propagation: Option<String>,
    /// Runs no hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_hooks: Option<bool>,
    /// Does not wait until objects are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait: Option<bool>,
    /// Keeps Helm's records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_history: Option<bool>,
    /// How long it may take; the release's own `timeout` when left out.
    #[schemars(extend("pattern" = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}
