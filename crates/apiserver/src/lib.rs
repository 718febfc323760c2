//! A Kubernetes-compatible API server in memory; knows nothing of Bowline.
//!
//! A [`Cluster`] is a value: made in a millisecond, used through [`Cluster::service`] by any Kubernetes client without a
//! socket, or through [`Cluster::serve`] by programs outside. It keeps the real server's promises where clients depend
//! on them: resource versions, watches, field ownership, finalizers, garbage collection, the words of its refusals.
//! [`Faults`] break them on purpose.

mod admin;
mod admission;
mod auth;
mod authority;
mod autoscaler;
mod births;
#[cfg(test)]
mod bootstrap;
pub mod builtins;
mod catalog;
mod cel;
mod clock;
mod cluster;
mod controllers;
mod crd;
mod deferral;
mod discovery;
mod error;
mod faults;
mod http;
mod json_patch;
mod jsonpath;
mod openapi;
mod owners;
mod ownership;
mod patch;
mod policies;
mod present;
mod registry;
mod resource;
mod rules;
mod seeds;
mod selector;
mod snapshot;
mod store;
mod stored;
mod webhooks;

pub use self::http::{
    Body, ClientCertificate, ClusterService, ConnectionDropped, Fleet, FleetService, Identity, IdentityError, Transport,
};
pub use admin::{Admin, AdminWatch, Notice};
pub use auth::{Authorization, User};
pub use clock::Clock;
pub use cluster::{Cluster, Options, RequestLog, ServicePort};
pub use error::{ApiError, Cause, Details};
pub use faults::{Fault, FaultPlan, Faults, PlanProblem, RequestInfo};
pub use patch::PatchKind;
pub use registry::{DeleteOptions, FieldValidation, Propagation, WriteOptions};
pub use resource::{Gvk, Gvr};
pub use snapshot::SnapshotError;
pub use store::Change;
