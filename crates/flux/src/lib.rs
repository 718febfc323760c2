//! The Flux dialect: Kustomizations and HelmReleases lowered to apps, GitRepositories, OCIRepositories,
//! HelmRepositories and HelmCharts to sources; all raised to their status.
//!
//! A HelmRelease's chart is rendered and applied like any other app, hooks included. Nothing is written to Helm's
//! storage, so that `helm list` knows nothing of it, and what works on stored releases is not done: no rollback, no
//! test, no uninstall to mend a failure. No HelmChart is made for a HelmRelease, and `status.helmChart` is not written:
//! its chart is fetched for the HelmRelease itself. `status.history` counts the installs and upgrades that were made.
//!
//! Everything here is pure. What is written has Flux's own shape, words, field managers and ids, so that its
//! command line reads it, and a cluster may go over from Flux and back.
#![warn(missing_docs)]

mod adopt;
mod adopt_release;
pub mod api;
mod definitions;
mod deletion;
mod inventory;
mod lower;
mod raise;
mod recall;

use bowline_engine::{Dialect, LowerError, Lowered, Raised, Refusal, ResourceKind, SourceReport, World};
use bowline_model::{
    AppId, Deletion, Failure, Gvk, LiveMarks, Object, ObjectKey, ObjectRules, Reason, Recalled, Report, Revision,
    Revisions,
};
use jiff::Timestamp;

pub use definitions::definitions;
pub use raise::commit_digest;

/// The Flux dialect.
#[derive(Debug, Clone, Default)]
pub struct Flux {
    options: FluxOptions,
}

/// What an operator may choose for the whole dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FluxOptions {
    /// Refuses Kustomizations whose source is in another namespace: Flux's `--no-cross-namespace-refs`.
    pub no_cross_namespace_refs: bool,
    /// Refuses kustomizations that name files or bases elsewhere: Flux's `--no-remote-bases`.
    pub no_remote_bases: bool,
    /// The host that `status.artifact.url` names: Flux's `--storage-adv-addr`.
    pub storage_host: String,
}

impl Default for FluxOptions {
    fn default() -> Self {
        Self {
            no_cross_namespace_refs: false,
            no_remote_bases: false,
            storage_host: "source-controller.flux-system.svc.cluster.local.".to_owned(),
        }
    }
}

impl Flux {
    /// Makes the dialect.
    pub fn new(options: FluxOptions) -> Self {
        Self { options }
    }
}

impl Dialect for Flux {
    fn name(&self) -> &'static str {
        "flux"
    }

    fn resources(&self) -> Vec<ResourceKind> {
        let kind = |group: &str, version: &str, kind: &str, plural: &str, controller: &str| ResourceKind {
            gvk: Gvk::new(group, version, kind),
            plural: plural.to_owned(),
            status_subresource: true,
            is_optional: !matches!(kind, api::GIT_REPOSITORY | api::KUSTOMIZATION),
            manager: format!("gotk-{controller}"),
            component: controller.to_owned(),
        };
        let source =
            |name: &str, plural: &str| kind(api::SOURCE_GROUP, api::VERSION, name, plural, "source-controller");
        vec![
            source(api::GIT_REPOSITORY, "gitrepositories"),
            source(api::OCI_REPOSITORY, "ocirepositories"),
            source(api::HELM_REPOSITORY, "helmrepositories"),
            source(api::HELM_CHART, "helmcharts"),
            kind(api::KUSTOMIZE_GROUP, api::VERSION, api::KUSTOMIZATION, "kustomizations", "kustomize-controller"),
            kind(api::HELM_GROUP, api::HELM_VERSION, api::HELM_RELEASE, "helmreleases", "helm-controller"),
        ]
    }

    fn lower(&self, resource: &Object, world: &dyn World) -> Result<Lowered, LowerError> {
        match resource.kind() {
            api::GIT_REPOSITORY => lower::lower_git_repository(resource, world),
            api::OCI_REPOSITORY => lower::lower_oci_repository(resource, world),
            api::HELM_REPOSITORY => lower::lower_helm_repository(resource, world),
            api::HELM_CHART => lower::lower_helm_chart(resource, world),
            api::HELM_RELEASE => lower::lower_helm_release(resource, world, &self.options),
            api::KUSTOMIZATION => lower::lower_kustomization(resource, world, &self.options),
            kind => {
                let message = format!("`{kind}` is not a kind of the Flux dialect");
                Err(LowerError::Invalid(Failure::new(Reason::Unsupported, message)))
            }
        }
    }

    fn adopt(&self, app: &AppId, _destination: Option<&str>, object: &mut Object) -> ObjectRules {
        match app.kind.as_str() {
            api::HELM_RELEASE => adopt_release::adopt(app, object),
            _ => adopt::adopt(app, object),
        }
    }

    fn marks(&self, live: &Object) -> LiveMarks {
        adopt_release::marks(live).unwrap_or_else(|| adopt::marks(live))
    }

    fn recall(&self, resource: &Object) -> Recalled {
        if resource.kind() == api::HELM_RELEASE {
            return recall::release(resource);
        }
        let applied: Option<Revision> = resource.text("/status/lastAppliedRevision").and_then(|text| text.parse().ok());
        Recalled {
            inventory: inventory::recall(resource),
            applied: applied.map(Revisions::from),
            begun: inventory::begun(resource),
            release: None,
        }
    }

    fn deletion(&self, resource: &Object) -> Option<Deletion> {
        deletion::deletion(resource)
    }

    fn raise(&self, resource: &Object, report: &Report) -> Raised {
        match resource.kind() {
            api::HELM_RELEASE => raise::raise_helm_release(resource, report),
            _ => raise::raise_kustomization(resource, report),
        }
    }

    fn raise_source(&self, resource: &Object, report: &SourceReport) -> Raised {
        raise::raise_source(resource, report, &self.options)
    }

    fn wants_refresh(&self, resource: &Object) -> bool {
        let handled = resource.text("/status/lastHandledReconcileAt");
        resource.annotation(api::REQUESTED_AT).is_some_and(|token| !token.is_empty() && Some(token) != handled)
    }

    /// The owner's labels are no proof: controllers copy labels to the objects they make.
    fn marks_are_proof(&self) -> bool {
        false
    }

    /// They are shown on the source.
    fn shows_source_failures(&self) -> bool {
        false
    }

    fn raise_refusal(&self, resource: &Object, refusal: &Refusal, now: Timestamp) -> Raised {
        raise::raise_refusal(resource, refusal, now)
    }
}

/// Names a Kustomization.
fn kustomization_key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(api::KUSTOMIZE_GROUP, api::KUSTOMIZATION, namespace, name)
}

/// Names a HelmRelease.
fn helm_release_key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(api::HELM_GROUP, api::HELM_RELEASE, namespace, name)
}

/// Names the source that a reference in `own_namespace` means.
fn source_key(kind: &str, namespace: Option<&str>, name: &str, own_namespace: &str) -> ObjectKey {
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    ObjectKey::new(api::SOURCE_GROUP, kind, namespace.unwrap_or(own_namespace), name)
}
