//! The Flux dialect: `GitRepository` and `Kustomization`, lowered to apps and sources, and raised to their status.
//!
//! Everything here is pure. What is written has Flux's own shape, words, field managers and ids, so that its
//! command line reads it, and a cluster may go over from Flux and back.
#![warn(missing_docs)]

mod adopt;
pub mod api;
mod definitions;
mod deletion;
mod inventory;
mod lower;
mod raise;

use bowline_engine::{Dialect, LowerError, Lowered, Raised, Refusal, ResourceKind, SourceReport, World};
use bowline_model::{
    AppId, Deletion, Failure, Gvk, LiveMarks, Object, ObjectKey, ObjectRules, Reason, Recalled, Report,
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
    /// The host that `status.artifact.url` names: Flux's `--storage-adv-addr`.
    pub storage_host: String,
}

impl Default for FluxOptions {
    fn default() -> Self {
        Self {
            no_cross_namespace_refs: false,
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
        let kind = |group: &str, kind: &str, plural: &str, controller: &str| ResourceKind {
            gvk: Gvk::new(group, api::VERSION, kind),
            plural: plural.to_owned(),
            status_subresource: true,
            manager: format!("gotk-{controller}"),
            component: controller.to_owned(),
        };
        vec![
            kind(api::SOURCE_GROUP, api::GIT_REPOSITORY, "gitrepositories", "source-controller"),
            kind(api::KUSTOMIZE_GROUP, api::KUSTOMIZATION, "kustomizations", "kustomize-controller"),
        ]
    }

    fn lower(&self, resource: &Object, world: &dyn World) -> Result<Lowered, LowerError> {
        match resource.kind() {
            api::GIT_REPOSITORY => lower::lower_git_repository(resource, world),
            api::KUSTOMIZATION => lower::lower_kustomization(resource, world, &self.options),
            kind => {
                let message = format!("`{kind}` is not a kind of the Flux dialect");
                Err(LowerError::Invalid(Failure::new(Reason::Unsupported, message)))
            }
        }
    }

    fn adopt(&self, app: &AppId, _destination: Option<&str>, object: &mut Object) -> ObjectRules {
        adopt::adopt(app, object)
    }

    fn marks(&self, live: &Object) -> LiveMarks {
        adopt::marks(live)
    }

    fn recall(&self, resource: &Object) -> Recalled {
        Recalled {
            inventory: inventory::recall(resource),
            applied: resource.text("/status/lastAppliedRevision").and_then(|text| text.parse().ok()),
            begun: inventory::begun(resource),
        }
    }

    fn deletion(&self, resource: &Object) -> Option<Deletion> {
        deletion::deletion(resource)
    }

    fn raise(&self, resource: &Object, report: &Report) -> Raised {
        raise::raise_kustomization(resource, report)
    }

    fn raise_source(&self, resource: &Object, report: &SourceReport) -> Raised {
        raise::raise_git_repository(resource, report, &self.options)
    }

    fn wants_refresh(&self, resource: &Object) -> bool {
        let handled = resource.text("/status/lastHandledReconcileAt");
        resource.annotation(api::REQUESTED_AT).is_some_and(|token| !token.is_empty() && Some(token) != handled)
    }

    /// The owner's labels are no proof: controllers copy labels to the objects they make.
    fn marks_are_proof(&self) -> bool {
        false
    }

    /// They are shown on the GitRepository.
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

/// Names a GitRepository.
fn git_repository_key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(api::SOURCE_GROUP, api::GIT_REPOSITORY, namespace, name)
}
