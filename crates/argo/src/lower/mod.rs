//! From an `Application` to an [`App`].

mod build_options;
mod customizations;
mod helm;
mod kustomize;
mod operation;
mod repository;
mod source;
mod sync;

use bowline_engine::{LowerError, Lowered, World};
use bowline_model::{
    App, AppSource, Destination, Failure, HealthJudge, HealthRules, Object, ObjectKey, Reason, Render, SourceSpec,
    SyncRequest, WaitFor,
};
use serde::Deserialize;
use serde_json::Value;

use build_options::KustomizeSettings;

use crate::adopt::instance_name;
use crate::types::{ApplicationDestination, ApplicationSpec, Operation};
use crate::{ArgoOptions, words};

pub(crate) use operation::operation_id;

/// The API server of the cluster that the controller runs in.
pub const IN_CLUSTER_SERVER: &str = "https://kubernetes.default.svc";
/// The name of the cluster that the controller runs in.
pub const IN_CLUSTER_NAME: &str = "in-cluster";

pub(crate) fn lower(resource: &Object, options: &ArgoOptions, world: &dyn World) -> Result<Lowered, LowerError> {
    if resource.annotation(words::SKIP_RECONCILE).and_then(words::parse_bool) == Some(true) {
        return Ok(Lowered::Suspended);
    }
    let spec = read_spec(resource).map_err(LowerError::Invalid)?;
    let destination = destination(&spec.destination).map_err(LowerError::Invalid)?;
    let id = resource.key();
    let settings = world.get(&ObjectKey::new("", "ConfigMap", &*options.control_namespace, words::SETTINGS_MAP))?;
    let kustomize = KustomizeSettings::of(settings.as_deref());
    let subject = helm::Subject {
        name: resource.name(),
        instance: &instance_name(&id, &options.control_namespace),
        project: project(&spec),
        namespace: destination.namespace.as_deref().unwrap_or_default(),
        kustomize: &kustomize,
    };
    let lowered = source::lower(&spec, &subject).map_err(LowerError::Invalid)?;
    let operation = read_operation(resource).map_err(LowerError::Invalid)?;
    let request = request(resource, &spec).map_err(LowerError::Invalid)?;
    let sync = sync::rules(&spec, operation.as_ref(), request, options).map_err(LowerError::Invalid)?;
    if sync.create_namespace.is_some() && destination.namespace.is_none() {
        let failure = Failure::new(Reason::InvalidSpec, "`CreateNamespace=true` needs `spec.destination.namespace`");
        return Err(LowerError::Invalid(failure));
    }
    let mut sources = Vec::with_capacity(lowered.len());
    for source in lowered {
        let remote = repository::remote(source.source, project(&spec), options, world)?;
        let may_be_chart = !source.overrides.is_empty()
            || matches!(source.render, Some(bowline_model::Render::Chart(_) | bowline_model::Render::Detect(..)));
        let repositories = if may_be_chart {
            repository::for_dependencies(source.source, project(&spec), options, world)?
        } else {
            Vec::new()
        };
        sources.push(AppSource {
            spec: SourceSpec {
                remote,
                wanted: source::wanted(source.source, None),
                interval: options.poll_interval,
                timeout: options.fetch_timeout,
                pinned: None,
            },
            render: source.render,
            reference: filled(source.source.reference.as_deref()).map(str::to_owned),
            overrides: source.overrides,
            repositories,
        });
    }
    let customizations = customizations::Customizations::of(settings.as_deref()).map_err(LowerError::Invalid)?;
    let health = customizations.health.clone();
    let respects = sync::respects_ignored(&spec, operation.as_ref(), sync.request.is_some());
    let diff = customizations.diff(&spec, respects).map_err(LowerError::Invalid)?;
    Ok(Lowered::App(Box::new(App {
        id,
        uid: resource.uid().to_owned(),
        generation: resource.generation(),
        sources,
        destination,
        sync,
        health: HealthRules {
            judge: HealthJudge::ArgoCd,
            // A sync succeeds once its last wave is written, as with Argo CD; health follows on its own.
            wait_for: WaitFor::Nothing,
            timeout: options.sync_timeout,
            custom: health,
        },
        diff,
        field_manager: words::FIELD_MANAGER.to_owned(),
    })))
}

/// Returns how a source is rendered once the files in it that say so have been merged over what the resource says.
///
/// Where the files come from is not theirs to say: repository, path, chart and revision stay.
pub(crate) fn overridden(
    resource: &Object,
    source: usize,
    files: &[(String, Value)],
    render: &Render,
    options: &ArgoOptions,
) -> Result<Render, Failure> {
    let spec = read_spec(resource)?;
    let destination = destination(&spec.destination)?;
    let kustomize = KustomizeSettings::as_given(source::kustomize_version(&spec, source), render);
    let subject = helm::Subject {
        name: resource.name(),
        instance: &instance_name(&resource.key(), &options.control_namespace),
        project: project(&spec),
        namespace: destination.namespace.as_deref().unwrap_or_default(),
        kustomize: &kustomize,
    };
    source::overridden(resource, &spec, source, files, &subject)
}

/// Returns what the resource asks for by its `operation`, or asked for and still waits for; or why that cannot be
/// done.
pub(crate) fn request(resource: &Object, spec: &ApplicationSpec) -> Result<Option<SyncRequest>, Failure> {
    match read_operation(resource)? {
        Some(operation) => operation::request(resource, &operation, spec),
        None => Ok(operation::resumed(resource, spec)),
    }
}

pub(crate) fn read_spec(resource: &Object) -> Result<ApplicationSpec, Failure> {
    let spec = resource.at("/spec").ok_or_else(|| Failure::new(Reason::InvalidSpec, "`spec` is missing"))?;
    ApplicationSpec::deserialize(spec)
        .map_err(|error| Failure::new(Reason::InvalidSpec, format!("`spec` cannot be read: {error}")))
}

fn read_operation(resource: &Object) -> Result<Option<Operation>, Failure> {
    let Some(value) = resource.at("/operation").filter(|value| !value.is_null()) else { return Ok(None) };
    Operation::deserialize(value)
        .map(Some)
        .map_err(|error| Failure::new(Reason::InvalidSpec, format!("`operation` cannot be read: {error}")))
}

/// Returns the name of the project whose rules hold.
fn project(spec: &ApplicationSpec) -> &str {
    if spec.project.is_empty() { "default" } else { &spec.project }
}

fn destination(destination: &ApplicationDestination) -> Result<Destination, Failure> {
    let server = filled(destination.server.as_deref());
    let name = filled(destination.name.as_deref());
    let other = |cluster: &str| {
        Failure::new(Reason::Unsupported, format!("destination cluster `{cluster}` is not the one Bowline runs in"))
            .help(format!("set `spec.destination.server` to `{IN_CLUSTER_SERVER}`"))
    };
    match (server, name) {
        (Some(server), Some(name)) => Err(Failure::new(
            Reason::InvalidSpec,
            format!("`spec.destination` has both `server` `{server}` and `name` `{name}`"),
        )
        .help("keep one of them")),
        (None, None) => Err(Failure::new(Reason::InvalidSpec, "`spec.destination` has neither `server` nor `name`")
            .help(format!("set `spec.destination.server` to `{IN_CLUSTER_SERVER}`"))),
        (Some(server), None) if server.trim_end_matches('/') != IN_CLUSTER_SERVER => Err(other(server)),
        (None, Some(name)) if name != IN_CLUSTER_NAME => Err(other(name)),
        _ => Ok(Destination {
            namespace: filled(destination.namespace.as_deref()).map(str::to_owned),
            overrides_namespace: false,
        }),
    }
}

/// Says that a field asks for something that Bowline does not do.
fn unsupported(field: &str) -> Failure {
    Failure::new(Reason::Unsupported, format!("`{field}` is not supported by this version of Bowline"))
        .help(format!("remove `{field}`, or leave this application to Argo CD"))
}

/// An absent text and an empty one mean the same in this API.
fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// An absent list and an empty one mean the same in this API.
fn listed<T>(list: Option<&Vec<T>>) -> &[T] {
    list.map_or(&[], Vec::as_slice)
}
