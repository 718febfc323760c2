//! ValidatingAdmissionPolicies: what type checking finds is told in their statuses.

use serde_json::json;

use super::Simulation;
use super::object::int;
use super::world::Kind;
use crate::error::ApiError;

/// The manager of these statuses (k8s: `validatingadmissionpolicystatus`).
const MANAGER: &str = "validatingadmissionpolicy-status";

impl Simulation {
    pub(super) fn policy(&self, name: &str) -> Result<(), ApiError> {
        let Some(policy) = self.world.get(Kind::Policy, "", name) else { return Ok(()) };
        let generation = int(&policy, "/metadata/generation");
        if generation <= int(&policy, "/status/observedGeneration") {
            return Ok(());
        }
        let warnings = self.admin.policy_warnings(&policy["spec"]);
        let checking = if warnings.is_empty() { json!({}) } else { json!({ "expressionWarnings": warnings }) };
        let config = json!({
            "apiVersion": Kind::Policy.api_version(), "kind": Kind::Policy.api_kind(), "metadata": { "name": name },
            "status": { "observedGeneration": generation, "typeChecking": checking },
        });
        self.admin.named(MANAGER).apply_status(&Kind::Policy.gvr(), &config).map(drop)
    }
}
