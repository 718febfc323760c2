//! From a HelmRelease to an app whose files are a chart.

use std::time::Duration;

use bowline_engine::{LowerError, Lowered, World};
use bowline_model::{
    App, AppSource, Automatic, ChartOptions, Definitions, Destination, HealthJudge, HealthRules, KustomizeOptions,
    NamespaceMetadata, Object, PostRenderedHooks, PostRendering, Propagation, Reason, ReleaseRules, ReleaseStep,
    Render, Retry, SyncRules, WaitFor,
};
use sha2::{Digest as _, Sha256};

use super::depends;
use super::helm_chart::Chart;
use super::helm_values::{digest, values_from};
use super::ignore::diff_rules;
use super::kustomization::image;
use super::source::is_suspended;
use super::{custom_health, duration, invalid, optional_duration, refuse_unsupported, spec_of, unsupported};
use crate::FluxOptions;
use crate::api::{HelmReleaseSpec, Install, KustomizePostRenderer, Upgrade};

/// The field manager of objects that HelmReleases apply: Flux's own, so that hand-overs change no owner.
const FIELD_MANAGER: &str = "helm-controller";

/// How long a step may take where `timeout` is left out.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);

/// The first wait before a failed sync is tried again: Flux's `--min-retry-delay`.
const FIRST_RETRY: Duration = Duration::from_millis(750);

/// The longest name of a release, and what one that is too long is cut to before its digest.
const MAX_RELEASE_NAME: usize = 53;
const CUT_RELEASE_NAME: usize = 40;
const DIGEST_DIGITS: usize = 12;

/// Fields that would change what is applied, to where, or when it counts as done.
const UNSUPPORTED: &[&str] = &[
    "install/disableTakeOwnership",
    "install/disableWaitForJobs",
    "kubeConfig",
    "serviceAccountName",
    "test/enable",
    "upgrade/disableTakeOwnership",
    "upgrade/disableWaitForJobs",
    "upgrade/force",
    "upgrade/preserveValues",
];

/// Lowers a HelmRelease.
///
/// No release is written to Helm's storage, so what works on stored releases is never done: rollbacks, tests, and
/// uninstalls to mend a failure. `rollback`, `uninstall`, `remediation`, `strategy`, `maxHistory`,
/// `storageNamespace`, `persistentClient`, `install.replace` and `upgrade.cleanupOnFail` say how those go, and change
/// nothing; a sync that fails is tried again for ever. What would make a sync that succeeds another one is refused.
pub(crate) fn lower_helm_release(
    resource: &Object,
    world: &dyn World,
    options: &FluxOptions,
) -> Result<Lowered, LowerError> {
    if is_suspended(resource) {
        return Ok(Lowered::Suspended);
    }
    let spec: HelmReleaseSpec = spec_of(resource)?;
    refuse_unsupported(resource, UNSUPPORTED)?;
    if spec.wait_strategy.as_ref().is_some_and(|strategy| strategy.name == "legacy") {
        return Err(unsupported(&["`spec.waitStrategy.name: legacy`".to_owned()]));
    }
    let interval = duration("interval", &spec.interval)?;
    let chart = match (&spec.chart, &spec.chart_ref) {
        (Some(template), None) => Chart::of_template(resource, &template.spec, interval, options, world)?,
        (None, Some(reference)) => Chart::of_reference(resource, reference, options, world)?,
        _ => return Err(invalid(Reason::InvalidSpec, "one of `spec.chart` and `spec.chartRef` must be set")),
    };
    depends::check_releases(resource, spec.depends_on.as_deref().unwrap_or_default(), world)?;
    let values_from = values_from(resource, spec.values_from.as_deref().unwrap_or_default(), world)?;
    // JSON is YAML.
    let values = spec.values.as_ref().map(|values| values.0.to_string()).unwrap_or_default();
    let rules = ReleaseRules {
        install: install_step(spec.install.as_ref())?,
        upgrade: upgrade_step(spec.upgrade.as_ref())?,
        config_digest: digest(&values_from, &values),
        post: post_rendering(&spec)?,
    };
    let step = Step::of(resource, &spec)?;
    let namespace = namespace(resource, &spec);
    let creates = spec.install.as_ref().is_some_and(|install| install.create_namespace == Some(true));
    let render = Render::Chart(Box::new(ChartOptions {
        path: chart.path,
        is_archive: chart.is_archive,
        release: release_name(resource, &spec),
        namespace: namespace.clone(),
        default_value_files: chart.values_files,
        ignore_missing_value_files: chart.ignores_missing,
        values_from,
        values,
        releases: Some(rules),
        ..ChartOptions::default()
    }));
    Ok(Lowered::App(Box::new(App {
        id: resource.key(),
        uid: resource.uid().to_owned(),
        generation: resource.generation(),
        sources: vec![AppSource { repositories: chart.repositories, ..AppSource::rendered(chart.source, render) }],
        destination: Destination { namespace: Some(namespace), overrides_namespace: false },
        sync: SyncRules {
            automatic: Some(Automatic { prune: true, self_heal: heals(&spec), allow_empty: false }),
            request: None,
            create_namespace: creates.then(NamespaceMetadata::default),
            prune_last: true,
            propagation: Propagation::Background,
            force: false,
            fail_on_shared: false,
            wait_between_waves: step.waits,
            retry: Retry { limit: None, first: FIRST_RETRY, factor: 2, max: interval.max(FIRST_RETRY) },
            timeout: step.timeout,
        },
        health: HealthRules {
            judge: HealthJudge::Kstatus,
            wait_for: if step.waits { WaitFor::Everything } else { WaitFor::Nothing },
            timeout: step.timeout,
            custom: custom_health(spec.health_check_exprs.as_deref())?,
        },
        diff: diff_rules(
            "driftDetection.ignore",
            spec.drift_detection.as_ref().and_then(|drift| drift.ignore.as_ref()),
        )?,
        field_manager: FIELD_MANAGER.to_owned(),
    })))
}

/// How long the step at hand may take, and whether its objects must become ready.
pub(crate) struct Step {
    pub(crate) timeout: Duration,
    pub(crate) waits: bool,
}

impl Step {
    /// An install until there is a release, an upgrade ever after.
    pub(crate) fn of(resource: &Object, spec: &HelmReleaseSpec) -> Result<Self, LowerError> {
        let is_upgrade = resource.at("/status/history/0").is_some();
        let (field, timeout, disables) = if is_upgrade {
            let upgrade = spec.upgrade.as_ref();
            ("upgrade.timeout", upgrade.and_then(|step| step.timeout.as_deref()), upgrade.and_then(|s| s.disable_wait))
        } else {
            let install = spec.install.as_ref();
            ("install.timeout", install.and_then(|step| step.timeout.as_deref()), install.and_then(|s| s.disable_wait))
        };
        let timeout = match optional_duration(field, timeout)? {
            Some(timeout) => timeout,
            None => optional_duration("timeout", spec.timeout.as_deref())?.unwrap_or(DEFAULT_TIMEOUT),
        };
        Ok(Self { timeout, waits: disables != Some(true) })
    }
}

/// Tells whether what others change is put back.
fn heals(spec: &HelmReleaseSpec) -> bool {
    spec.drift_detection.as_ref().and_then(|drift| drift.mode.as_deref()) == Some("enabled")
}

/// Returns the namespace of the release.
pub(crate) fn namespace(resource: &Object, spec: &HelmReleaseSpec) -> String {
    let target = spec.target_namespace.as_deref().filter(|namespace| !namespace.is_empty());
    target.unwrap_or_else(|| resource.namespace()).to_owned()
}

/// Returns the name of the release: as it is written, else the target namespace and the resource's name; a name that
/// is too long is cut and ends in a digest of the whole.
pub(crate) fn release_name(resource: &Object, spec: &HelmReleaseSpec) -> String {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let name = match (given(&spec.release_name), given(&spec.target_namespace)) {
        (Some(name), _) => name,
        (None, Some(namespace)) => format!("{namespace}-{}", resource.name()),
        (None, None) => resource.name().to_owned(),
    };
    if name.len() <= MAX_RELEASE_NAME {
        return name;
    }
    let digest = Sha256::digest(name.as_bytes());
    let cut = format!("{}-", name.get(..CUT_RELEASE_NAME).unwrap_or(&name));
    cut + &hex::encode(&digest[..DIGEST_DIGITS / 2])
}

/// Returns what is done to the objects once they are rendered.
fn post_rendering(spec: &HelmReleaseSpec) -> Result<PostRendering, LowerError> {
    let renderers = spec.post_renderers.iter().flatten().filter_map(|renderer| renderer.kustomize.as_ref());
    let kustomization = |renderer: &KustomizePostRenderer| KustomizeOptions {
        images: renderer.images.iter().flatten().map(image).collect(),
        patches: renderer
            .patches
            .iter()
            .flatten()
            .map(|patch| serde_json::to_value(patch).unwrap_or_default())
            .collect(),
        ..KustomizeOptions::default()
    };
    let metadata = spec.common_metadata.clone().unwrap_or_default();
    Ok(PostRendering {
        kustomizations: renderers.map(kustomization).collect(),
        common_labels: metadata.labels.unwrap_or_default(),
        common_annotations: metadata.annotations.unwrap_or_default(),
        hooks: match spec.post_render_strategy.as_deref() {
            None | Some("" | "combined") => PostRenderedHooks::Together,
            Some("separate") => PostRenderedHooks::Apart,
            Some("nohooks") => PostRenderedHooks::Never,
            Some(other) => return Err(unsupported(&[format!("`spec.postRenderStrategy: {other}`")])),
        },
    })
}

fn install_step(install: Option<&Install>) -> Result<ReleaseStep, LowerError> {
    let nothing = Install::default();
    let install = install.unwrap_or(&nothing);
    let skips = install.skip_crds == Some(true) && install.crds.is_none();
    Ok(ReleaseStep {
        definitions: if skips { Definitions::Skip } else { definitions(install.crds.as_deref(), Definitions::Create)? },
        runs_hooks: install.disable_hooks != Some(true),
        skip_schema: install.disable_schema_validation == Some(true),
    })
}

fn upgrade_step(upgrade: Option<&Upgrade>) -> Result<ReleaseStep, LowerError> {
    let nothing = Upgrade::default();
    let upgrade = upgrade.unwrap_or(&nothing);
    Ok(ReleaseStep {
        definitions: definitions(upgrade.crds.as_deref(), Definitions::Skip)?,
        runs_hooks: upgrade.disable_hooks != Some(true),
        skip_schema: upgrade.disable_schema_validation == Some(true),
    })
}

fn definitions(word: Option<&str>, default: Definitions) -> Result<Definitions, LowerError> {
    match word {
        None | Some("") => Ok(default),
        Some("Skip") => Ok(Definitions::Skip),
        Some("Create") => Ok(Definitions::Create),
        Some("CreateReplace") => Ok(Definitions::Replace),
        Some(word) => Err(invalid(Reason::InvalidSpec, format!("`crds: {word}` is no policy"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn name(name: &str, spec: &Value) -> String {
        let mut value = json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": {"name": name, "namespace": "home"}, "spec": {"interval": "1m"}});
        value["spec"].as_object_mut().expect("is a map").extend(spec.as_object().cloned().unwrap_or_default());
        let resource = Object::from_value(value).expect("is an object");
        release_name(&resource, &spec_of(&resource).expect("can be read"))
    }

    #[test]
    fn releases_have_names_that_helm_takes() {
        assert_eq!(name("shop", &json!({})), "shop");
        assert_eq!(name("shop", &json!({"targetNamespace": "web"})), "web-shop");
        assert_eq!(name("shop", &json!({"targetNamespace": "web", "releaseName": "cart"})), "cart");
        let long = "a".repeat(53);
        assert_eq!(name(&long, &json!({})), long);
        let cut = name(&"a".repeat(54), &json!({}));
        assert_eq!((cut.len(), cut.starts_with(&"a".repeat(40)), cut.as_bytes()[40]), (53, true, b'-'));
        assert_ne!(cut, name(&"a".repeat(55), &json!({})));
    }
}
