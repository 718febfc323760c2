//! `healthCheckExprs`: users' own rules of health, in CEL.

use std::sync::Arc;

use bowline_engine::LowerError;
use bowline_health::Rules;
use bowline_model::{CustomHealth, HealthExpressions, Reason};

use crate::api::CustomHealthCheck;

/// Lowers expressions; those that cannot be compiled refuse the resource, as at Flux.
pub(crate) fn custom_health(checks: Option<&[CustomHealthCheck]>) -> Result<Arc<CustomHealth>, LowerError> {
    let expressions = checks.unwrap_or_default().iter().map(|check| HealthExpressions {
        api_version: check.api_version.clone(),
        kind: check.kind.clone().unwrap_or_default(),
        current: check.current.clone(),
        in_progress: check.in_progress.clone().unwrap_or_default(),
        failed: check.failed.clone().unwrap_or_default(),
    });
    let custom = CustomHealth { expressions: expressions.collect(), ..CustomHealth::default() };
    match Rules::new(&custom).1.first() {
        Some(error) => Err(super::invalid(Reason::InvalidSpec, format!("`spec.healthCheckExprs`: {error}"))),
        None => Ok(Arc::new(custom)),
    }
}
