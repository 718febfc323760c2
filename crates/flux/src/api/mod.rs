//! The resources as clusters store them, field for field.
//!
//! These types are the reference of what a user may write and the origin of the definitions that
//! [`definitions`](crate::definitions) installs. Fields that a person may leave out are `Option`, so that
//! "left out" and "empty" stay different things.

mod git_repository;
mod helm_actions;
mod helm_chart;
mod helm_release;
mod helm_release_status;
mod helm_repository;
mod kustomization;
mod meta;
mod oci_repository;
mod values;

pub use git_repository::*;
pub use helm_actions::*;
pub use helm_chart::*;
pub use helm_release::*;
pub use helm_release_status::*;
pub use helm_repository::*;
pub use kustomization::*;
pub use meta::*;
pub use oci_repository::*;
pub use values::*;

/// The group of sources.
pub const SOURCE_GROUP: &str = "source.toolkit.fluxcd.io";
/// The group of [`KustomizationSpec`].
pub const KUSTOMIZE_GROUP: &str = "kustomize.toolkit.fluxcd.io";
/// The group of [`HelmReleaseSpec`].
pub const HELM_GROUP: &str = "helm.toolkit.fluxcd.io";
/// The one version of sources and Kustomizations.
pub const VERSION: &str = "v1";
/// The one version of [`HelmReleaseSpec`].
pub const HELM_VERSION: &str = "v2";
/// The kind of a Git source.
pub const GIT_REPOSITORY: &str = "GitRepository";
/// The kind of a repository of charts.
pub const HELM_REPOSITORY: &str = "HelmRepository";
/// The kind of one chart of a source.
pub const HELM_CHART: &str = "HelmChart";
/// The kind of an OCI source.
pub const OCI_REPOSITORY: &str = "OCIRepository";
/// The kind of an app of files.
pub const KUSTOMIZATION: &str = "Kustomization";
/// The kind of an app of a chart.
pub const HELM_RELEASE: &str = "HelmRelease";
/// Held by every resource of Flux until its controller has cleaned up.
pub const FINALIZER: &str = "finalizers.fluxcd.io";
/// The annotation by which a person asks for a look now; any new value asks.
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
