//! Charts that a kustomization names.

use crate::build::{Build, Objects};
use crate::error::BuildError;
use crate::kustomization::HelmChart;
use crate::target::Target;

/// Refuses charts where they are not allowed, and those that are named wrongly.
pub(crate) fn check(build: &Build<'_>, chart: &HelmChart) -> Result<(), BuildError> {
    if !build.options.enable_helm {
        return Err(trouble(BuildError::new("must specify --enable-helm")));
    }
    let wrong = if chart.name.is_empty() {
        "chart name cannot be empty".to_owned()
    } else if chart.release_name.starts_with('-') {
        format!("releaseName must not start with '-', got {:?}", chart.release_name)
    } else if chart.name.starts_with('-') {
        format!("chart name must not start with '-', got {:?}", chart.name)
    } else if !matches!(chart.values_merge.as_str(), "" | "merge" | "override" | "replace") {
        "valuesMerge must be one of [merge override replace]".to_owned()
    } else {
        return Ok(());
    };
    Err(trouble(BuildError::new(wrong)))
}

fn trouble(error: BuildError) -> BuildError {
    error.within("trouble configuring builtin HelmChartInflationGenerator")
}

/// Renders a chart.
pub(crate) fn render(_build: &mut Build<'_>, target: &Target<'_>, chart: &HelmChart) -> Result<Objects, BuildError> {
    let at = target.loader.root();
    Err(BuildError::new(format!("the chart `{}` of {at} cannot be rendered here", chart.name)))
}
