//! The resource `Application`, whole: what clusters store, field by field.
//!
//! Every field of the peer's definition is here, used or not, so that one definition serves both. All that the
//! definition does not require is an `Option`: an absent field and an empty one are told apart where the
//! peer does. Values that are copied into status are copied as stored, never through these types.

mod definition;
mod operation;
mod scalar;
mod source;
mod spec;
mod status;

pub use definition::{GROUP, KIND, PLURAL, VERSION, definition};
pub use operation::*;
pub use scalar::{AnyObject, IntOrString, Time};
pub use source::*;
pub use spec::*;
pub use status::*;

use schemars::JsonSchema;
use serde::Deserialize;

/// An application: files of a Git repository that a cluster is to be kept equal to.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// The version of the resource's shape: `argoproj.io/v1alpha1`.
    pub api_version: Option<String>,
    /// The kind: `Application`.
    pub kind: Option<String>,
    /// Name, namespace, labels, annotations and finalizers.
    #[schemars(with = "scalar::PlainObject")]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// What is wanted.
    pub spec: ApplicationSpec,
    /// What is; written by the controller alone.
    pub status: Option<ApplicationStatus>,
    /// A sync that is asked for by writing it here; taken off when it starts.
    pub operation: Option<Operation>,
}
