//! Charts, and the sources that have them.

use std::time::Duration;

use bowline_engine::{LowerError, Lowered, World};
use bowline_model::{ChartRepository, Failure, Object, ObjectKey, Reason, Revision, SourceSpec};

use super::depends::REQUEUE;
use super::helm_repository::{self, Repository};
use super::oci_repository::oci_source_spec;
use super::source::{is_suspended, source_spec};
use super::{duration, refuse_unsupported, spec_of, unsupported};
use crate::api::{self, HelmChartSpec, HelmChartTemplateSpec};
use crate::{FluxOptions, source_key};

/// Fields of a HelmChart that would change whether it may be used.
const UNSUPPORTED: &[&str] = &["verify"];

/// Lowers a HelmChart for itself.
pub(crate) fn lower_helm_chart(resource: &Object, world: &dyn World) -> Result<Lowered, LowerError> {
    if is_suspended(resource) {
        return Ok(Lowered::Suspended);
    }
    Ok(Lowered::Source(Box::new(Chart::of_resource(resource, world)?.source)))
}

/// A chart, and where it is in its source.
pub(super) struct Chart {
    pub(super) source: SourceSpec,
    /// The directory of the chart.
    pub(super) path: String,
    /// The source is the chart's archive, as it was packed.
    pub(super) is_archive: bool,
    /// Files that take the place of the chart's own values.
    pub(super) values_files: Vec<String>,
    pub(super) ignores_missing: bool,
    /// Repositories that the chart's dependencies may come from.
    pub(super) repositories: Vec<ChartRepository>,
}

/// What is asked of a source, by a HelmChart or in a HelmRelease.
struct Asked<'a> {
    /// The source.
    key: ObjectKey,
    chart: &'a str,
    version: Option<&'a str>,
    interval: Duration,
    /// The version that whoever asks has had before: what it stays at while the repository is told to pause.
    had: Option<Revision>,
}

impl Chart {
    /// Finds the chart that `spec.chart` of a HelmRelease means.
    pub(super) fn of_template(
        release: &Object,
        spec: &HelmChartTemplateSpec,
        interval: Duration,
        options: &FluxOptions,
        world: &dyn World,
    ) -> Result<Self, LowerError> {
        if spec.verify.is_some() {
            return Err(unsupported(&["`spec.chart.spec.verify`".to_owned()]));
        }
        let reference = &spec.source_ref;
        let asked = Asked {
            key: source_key(&reference.kind, reference.namespace.as_deref(), &reference.name, release.namespace()),
            chart: &spec.chart,
            version: spec.version.as_deref(),
            interval: match &spec.interval {
                Some(text) => duration("chart.spec.interval", text)?,
                None => interval,
            },
            had: attempted(release),
        };
        super::check_namespace(release, &asked.key, options)?;
        let mut chart = Self::asked(&asked, world)?;
        chart.values_files = spec.values_files.clone().unwrap_or_default();
        chart.ignores_missing = spec.ignore_missing_values_files == Some(true);
        Ok(chart)
    }

    /// Finds the chart that `spec.chartRef` of a HelmRelease means.
    pub(super) fn of_reference(
        release: &Object,
        reference: &api::CrossNamespaceChartReference,
        options: &FluxOptions,
        world: &dyn World,
    ) -> Result<Self, LowerError> {
        let key = source_key(&reference.kind, reference.namespace.as_deref(), &reference.name, release.namespace());
        super::check_namespace(release, &key, options)?;
        match reference.kind.as_str() {
            api::HELM_CHART => {
                let resource = read(&key, world)?;
                Self::of_resource(&resource, world).map_err(|error| not_ready(&key, error))
            }
            api::OCI_REPOSITORY => {
                let resource = read(&key, world)?;
                let source = oci_source_spec(&resource, world).map_err(|error| not_ready(&key, error))?;
                let source = super::pin_if_suspended(&resource, source)?;
                Ok(Self { is_archive: true, ..Self::at(source, "") })
            }
            kind => Err(unsupported(&[format!("`spec.chartRef.kind: {kind}`")])),
        }
    }

    /// Finds the chart that a HelmChart means.
    fn of_resource(resource: &Object, world: &dyn World) -> Result<Self, LowerError> {
        let spec: HelmChartSpec = spec_of(resource)?;
        refuse_unsupported(resource, UNSUPPORTED)?;
        let asked = Asked {
            key: source_key(&spec.source_ref.kind, None, &spec.source_ref.name, resource.namespace()),
            chart: &spec.chart,
            version: spec.version.as_deref(),
            interval: duration("interval", &spec.interval)?,
            had: super::stored(resource),
        };
        let mut chart = Self::asked(&asked, world)?;
        chart.source = super::pin_if_suspended(resource, chart.source)?;
        chart.values_files = spec.values_files.unwrap_or_default();
        chart.ignores_missing = spec.ignore_missing_values_files == Some(true);
        Ok(chart)
    }

    fn asked(asked: &Asked<'_>, world: &dyn World) -> Result<Self, LowerError> {
        match asked.key.kind.as_str() {
            api::HELM_REPOSITORY => {
                let resource = read(&asked.key, world)?;
                let repository = Repository::read(&resource, world).map_err(|error| not_ready(&asked.key, error))?;
                let mut source = repository.chart(asked.chart, asked.version, asked.interval);
                if is_suspended(&resource) {
                    source.pinned = Some(asked.had.clone().ok_or_else(|| {
                        let (namespace, name) = (&asked.key.namespace, &asked.key.name);
                        waiting(format!("HelmRepository '{namespace}/{name}' is suspended, and has given no chart yet"))
                    })?);
                }
                Ok(Self::at(source, ""))
            }
            api::GIT_REPOSITORY => {
                let resource = read(&asked.key, world)?;
                let source = source_spec(&resource, world).map_err(|error| not_ready(&asked.key, error))?;
                let mut chart = Self::at(super::pin_if_suspended(&resource, source)?, asked.chart);
                chart.repositories = helm_repository::in_namespace(&asked.key.namespace, world)?;
                Ok(chart)
            }
            kind => Err(unsupported(&[format!("`sourceRef.kind: {kind}` of a chart")])),
        }
    }

    fn at(source: SourceSpec, path: &str) -> Self {
        Self {
            source,
            path: path.to_owned(),
            is_archive: false,
            values_files: Vec::new(),
            ignores_missing: false,
            repositories: Vec::new(),
        }
    }
}

fn read(key: &ObjectKey, world: &dyn World) -> Result<std::sync::Arc<Object>, LowerError> {
    world
        .get(key)?
        .ok_or_else(|| waiting(format!("could not get {} '{}/{}': it is not there", key.kind, key.namespace, key.name)))
}

fn waiting(message: String) -> LowerError {
    LowerError::Waiting(Failure::new(Reason::SourceUnreadable, message).transient(), Some(REQUEUE))
}

/// Returns the chart of a HelmRelease's last attempt, where it came out of an archive.
fn attempted(release: &Object) -> Option<Revision> {
    let digest = release.text("/status/lastAttemptedRevisionDigest")?.strip_prefix("sha256:")?;
    let version = release.text("/status/lastAttemptedRevision")?;
    Some(Revision::of_archive(Some(version.to_owned()), digest))
}

/// What is wrong with a source is told there; who refers to it can only wait for it to be mended.
fn not_ready(key: &ObjectKey, error: LowerError) -> LowerError {
    match error {
        LowerError::Invalid(failure) | LowerError::Waiting(failure, _) => {
            waiting(format!("{} '{}/{}' is not ready: {}", key.kind, key.namespace, key.name, failure.message))
        }
        unread @ LowerError::Unread(_) => unread,
    }
}
