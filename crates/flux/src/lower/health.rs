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

#[cfg(test)]
mod tests {
    use bowline_engine::LowerError;

    use super::custom_health;
    use crate::api::CustomHealthCheck;

    fn check(current: &str) -> CustomHealthCheck {
        CustomHealthCheck {
            api_version: "example.org/v1".to_owned(),
            current: current.to_owned(),
            failed: Some("status.phase == 'Broken'".to_owned()),
            in_progress: None,
            kind: None,
        }
    }

    #[test]
    fn expressions_are_handed_on() {
        let custom = custom_health(Some(&[check("status.phase == 'Up'")])).expect("compiles");
        let [expressions] = &custom.expressions[..] else { panic!("{custom:?}") };
        assert_eq!((expressions.kind.as_str(), expressions.in_progress.as_str()), ("", ""));
        assert_eq!(expressions.failed, "status.phase == 'Broken'");
        assert!(custom_health(None).expect("is nothing").expressions.is_empty());
    }

    #[test]
    fn expressions_that_cannot_be_compiled_refuse_the_resource() {
        let Err(LowerError::Invalid(failure)) = custom_health(Some(&[check("status.phase ==")])) else {
            panic!("it compiled");
        };
        let line = failure.one_line();
        assert!(line.contains("`spec.healthCheckExprs`: expression `current` for `example.org/v1`: "), "{line}");
    }
}
