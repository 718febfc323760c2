//! The values every other crate speaks of.
//!
//! A dialect lowers its resources to an [`App`]; renderers make [`Object`]s; the engine answers with a
//! [`Report`], which the dialect raises to its own status. Nothing here does anything: no file, socket,
//! clock or random source.
#![warn(missing_docs)]

mod app;
mod chart;
pub mod crd;
mod duration;
mod failure;
mod key;
mod kustomize;
mod object;
mod planted;
mod remote;
mod report;
mod revision;
mod revisions;
mod secret;
pub mod semver;
mod wanted;

pub use app::*;
pub use chart::*;
pub use duration::{DurationError, format_go_duration, parse_go_duration};
pub use failure::{Explain, Failure, Location, Reason};
pub use key::{GroupKind, Gvk, ObjectKey};
pub use kustomize::{
    KUSTOMIZATION_FILES, KustomizeBuild, KustomizeCharts, KustomizeImage, KustomizeLabels, KustomizeOptions,
    KustomizePairs, RemoteBases,
};
pub use object::{Object, ObjectError};
#[cfg(feature = "planted")]
pub use planted::plant;
pub use planted::{Planted, is_planted};
pub use remote::{Credentials, Remote, SourceSpec};
pub use report::*;
pub use revision::{Algorithm, Revision, RevisionError};
pub use revisions::Revisions;
pub use secret::Secret;
pub use wanted::{GitRef, OciRef, Wanted};
