use std::time::Duration;

use bowline_engine::{LowerError, Lowered, World};
use bowline_model::{
    App, AppSource, Automatic, Destination, DirectoryOptions, DirectoryRules, Failure, Gvk, HealthJudge, HealthRules,
    KustomizeBuild, KustomizeImage, KustomizeOptions, Object, ObjectKey, Propagation, Reason, RemoteBases, Render,
    Retry, SourceSpec, SyncRules, WaitFor,
};

use super::depends::{self, Dependent};
use super::ignore::diff_rules;
use super::oci_repository::oci_source_spec;
use super::source::{is_suspended, source_spec};
use super::{
    check_namespace, custom_health, duration, invalid, optional_duration, pin_if_suspended, refuse_unsupported,
    spec_of, unsupported,
};
use crate::api::{GIT_REPOSITORY, Image, KustomizationSpec, OCI_REPOSITORY};
use crate::{FluxOptions, source_key};

/// The field manager of objects that Kustomizations apply: Flux's own, so that hand-overs change no owner.
const FIELD_MANAGER: &str = "kustomize-controller";

/// No sync gets less time than this, whatever `timeout` and `interval` say.
const MIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The first wait before a failed sync is tried again: Flux's `--min-retry-delay`.
const FIRST_RETRY: Duration = Duration::from_millis(750);

/// Fields of a Kustomization that would change what is applied, or how.
const UNSUPPORTED: &[&str] = &["decryption", "kubeConfig", "postBuild", "serviceAccountName"];

/// Lowers a Kustomization.
pub(crate) fn lower_kustomization(
    resource: &Object,
    world: &dyn World,
    options: &FluxOptions,
) -> Result<Lowered, LowerError> {
    if is_suspended(resource) {
        return Ok(Lowered::Suspended);
    }
    let spec: KustomizationSpec = spec_of(resource)?;
    refuse_unsupported(resource, UNSUPPORTED)?;
    let interval = duration("interval", &spec.interval)?;
    let timeout = effective_timeout(interval, optional_duration("timeout", spec.timeout.as_deref())?);
    let retry_interval = optional_duration("retryInterval", spec.retry_interval.as_deref())?.unwrap_or(interval);

    let source_key = find_source(resource, &spec, options)?;
    let (source, artifact_revision) = read_source(&source_key, &spec, retry_interval, world)?;
    let dependent = Dependent {
        resource,
        depends_on: spec.depends_on.as_deref().unwrap_or_default(),
        source_key: &source_key,
        source: &source,
        artifact_revision: artifact_revision.as_deref(),
    };
    depends::check(&dependent, world)?;

    let target_namespace = spec.target_namespace.clone().filter(|namespace| !namespace.is_empty());
    let directory = DirectoryOptions {
        path: spec.path.clone().unwrap_or_default(),
        recurse: true,
        include: String::new(),
        exclude: String::new(),
        any_extension: false,
        rules: DirectoryRules::Flux,
    };
    let kustomization = kustomize_options(&spec, options)?;
    Ok(Lowered::App(Box::new(App {
        id: resource.key(),
        uid: resource.uid().to_owned(),
        generation: resource.generation(),
        sources: vec![AppSource::rendered(source, Render::Generate(directory, Box::new(kustomization)))],
        destination: Destination { overrides_namespace: target_namespace.is_some(), namespace: target_namespace },
        sync: SyncRules {
            automatic: Some(Automatic { prune: spec.prune, self_heal: true, allow_empty: false }),
            request: None,
            create_namespace: None,
            prune_last: true,
            propagation: Propagation::Background,
            force: spec.force.unwrap_or(false),
            fail_on_shared: false,
            wait_between_waves: true,
            retry: Retry { limit: None, first: FIRST_RETRY, factor: 2, max: retry_interval.max(FIRST_RETRY) },
            timeout,
        },
        health: HealthRules {
            judge: HealthJudge::Kstatus,
            wait_for: wait_for(resource, &spec),
            timeout,
            custom: custom_health(spec.health_check_exprs.as_deref())?,
        },
        diff: diff_rules("ignore", spec.ignore.as_ref())?,
        field_manager: FIELD_MANAGER.to_owned(),
    })))
}

/// Returns an image to put in another's place.
pub(super) fn image(image: &Image) -> KustomizeImage {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    KustomizeImage {
        name: image.name.clone(),
        new_name: filled(&image.new_name),
        new_tag: filled(&image.new_tag),
        digest: filled(&image.digest),
        replaces: false,
    }
}

/// Returns what is laid over the kustomization before it is built, and over its objects after.
fn kustomize_options(spec: &KustomizationSpec, options: &FluxOptions) -> Result<KustomizeOptions, LowerError> {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let components = spec.components.clone().unwrap_or_default();
    if let Some(path) = components.iter().find(|path| path.starts_with('/') || path.contains("://")) {
        let message = format!("component path '{path}' must be local and relative");
        return Err(invalid(Reason::InvalidSpec, message));
    }
    let metadata = spec.common_metadata.clone().unwrap_or_default();
    let patches = spec.patches.iter().flatten().map(|patch| serde_json::to_value(patch).unwrap_or_default());
    Ok(KustomizeOptions {
        path: spec.path.clone().unwrap_or_default(),
        reads_everywhere: true,
        build: KustomizeBuild {
            remotes: if options.no_remote_bases { RemoteBases::Refused } else { RemoteBases::Anonymous },
            keeps_order: true,
            ..KustomizeBuild::default()
        },
        namespace: filled(&spec.target_namespace),
        name_prefix: filled(&spec.name_prefix),
        name_suffix: filled(&spec.name_suffix),
        images: spec.images.iter().flatten().map(image).collect(),
        patches: patches.collect(),
        components,
        ignore_missing_components: spec.ignore_missing_components.unwrap_or(false),
        build_metadata: spec.build_metadata.clone().unwrap_or_default(),
        common_labels: metadata.labels.unwrap_or_default(),
        common_annotations: metadata.annotations.unwrap_or_default(),
        ..KustomizeOptions::default()
    })
}

/// Returns how long a sync may take: `timeout`, or `interval` less 30 seconds; 30 seconds at least.
pub(crate) fn effective_timeout(interval: Duration, timeout: Option<Duration>) -> Duration {
    timeout.unwrap_or_else(|| interval.saturating_sub(Duration::from_secs(30))).max(MIN_TIMEOUT)
}

fn find_source(resource: &Object, spec: &KustomizationSpec, options: &FluxOptions) -> Result<ObjectKey, LowerError> {
    let reference = &spec.source_ref;
    if !matches!(reference.kind.as_str(), GIT_REPOSITORY | OCI_REPOSITORY) {
        return Err(unsupported(&[format!("`spec.sourceRef.kind: {}`", reference.kind)]));
    }
    let key = source_key(&reference.kind, reference.namespace.as_deref(), &reference.name, resource.namespace());
    check_namespace(resource, &key, options)?;
    Ok(key)
}

/// Reads the source as it is now, and the revision that its own status has.
fn read_source(
    key: &ObjectKey,
    spec: &KustomizationSpec,
    retry_interval: Duration,
    world: &dyn World,
) -> Result<(SourceSpec, Option<String>), LowerError> {
    let shown = match &spec.source_ref.namespace {
        Some(namespace) if !namespace.is_empty() => format!("{}/{namespace}/{}", key.kind, key.name),
        _ => format!("{}/{}", key.kind, key.name),
    };
    let not_there = |message: String, again: Duration| {
        LowerError::Waiting(Failure::new(Reason::SourceUnreadable, message).transient(), Some(again))
    };
    let Some(resource) = world.get(key)? else {
        return Err(not_there(format!("Source '{shown}' not found"), retry_interval));
    };
    let read = if key.kind == GIT_REPOSITORY { source_spec } else { oci_source_spec };
    let source = read(&resource, world).map_err(|error| match error {
        // What is wrong is told on the source itself; this app can only wait for it to be mended.
        LowerError::Invalid(failure) | LowerError::Waiting(failure, _) => {
            not_there(format!("Source '{shown}' is not ready: {}", failure.message), retry_interval)
        }
        unread @ LowerError::Unread(_) => unread,
    })?;
    let artifact_revision = resource.text("/status/artifact/revision").map(str::to_owned);
    Ok((pin_if_suspended(&resource, source)?, artifact_revision))
}

fn wait_for(resource: &Object, spec: &KustomizationSpec) -> WaitFor {
    if spec.wait.unwrap_or(false) {
        return WaitFor::Everything;
    }
    let own = resource.key();
    let keys: Vec<_> = spec
        .health_checks
        .iter()
        .flatten()
        .map(|check| {
            let api_version = check.api_version.as_deref().unwrap_or_default();
            let gvk = Gvk::from_api_version(api_version, &check.kind);
            ObjectKey::new(gvk.group, gvk.kind, check.namespace.clone().unwrap_or_default(), &*check.name)
        })
        // It is ready only when its checks are: one that names itself would wait for ever.
        .filter(|key| *key != own)
        .collect();
    if keys.is_empty() { WaitFor::Nothing } else { WaitFor::Objects(keys) }
}
