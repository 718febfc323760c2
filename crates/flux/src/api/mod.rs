//! The resources as clusters store them, field for field.
//!
//! These types are the reference of what a user may write and the origin of the definitions that
//! [`definitions`](crate::definitions) installs. Fields that a person may leave out are `Option`, so that
//! "left out" and "empty" stay different things.

mod git_repository;
mod kustomization;
mod meta;

pub use git_repository::*;
pub use kustomization::*;
pub use meta::*;

/// The group of sources.
pub const SOURCE_GROUP: &str = "source.toolkit.fluxcd.io";
/// The group of [`KustomizationSpec`].
pub const KUSTOMIZE_GROUP: &str = "kustomize.toolkit.fluxcd.io";
/// The one version of both groups.
pub const VERSION: &str = "v1";
/// The kind of a Git source.
pub const GIT_REPOSITORY: &str = "GitRepository";
/// The kind of an app.
pub const KUSTOMIZATION: &str = "Kustomization";
/// Held by every resource of Flux until its controller has cleaned up.
pub const FINALIZER: &str = "finalizers.fluxcd.io";
/// The annotation by which a person asks for a look now; any new value asks.
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
