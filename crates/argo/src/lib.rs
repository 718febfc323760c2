//! The Argo CD dialect: `Application` as clusters store it, lowered to an `App` and raised to status.
//!
//! [`Argo`] implements the engine's `Dialect`. All of it is pure: repository Secrets and settings arrive through
//! the engine's `World`, the time through its reports.
//!
//! Beyond what Argo CD does, every wait of a sync has an end ([`ArgoOptions::sync_timeout`]). What it does and
//! this does not is refused by name, in the resource's conditions: plugins, Jsonnet, hydration,
//! other clusters, local manifests, the `apply` strategy.
//! Hooks of deletion are not run, and the rules of projects are not looked at.
#![warn(missing_docs)]

mod adopt;
mod argo;
mod deletion;
mod lower;
mod options;
mod raise;
mod recall;
pub mod types;
pub mod words;

pub use adopt::{app_id_of_instance, instance_name, tracking_id};
pub use argo::Argo;
pub use lower::{IN_CLUSTER_NAME, IN_CLUSTER_SERVER};
pub use options::{ArgoOptions, TrackingMethod};
pub use raise::{wants_hard_refresh, wants_refresh};
pub use types::definition;
