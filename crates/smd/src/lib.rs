//! Structured merge and diff over OpenAPI schemas: fields, owners, server-side apply.
//!
//! Everything here is a function from values to values. Types come from OpenAPI v3 documents or a CRD's schema
//! ([`Schemas`], [`from_structural`]); [`validate`], [`compare`], [`merge`] and their kin read objects by their type;
//! [`apply`] and [`update`] keep `metadata.managedFields` as the API server does; [`drift`] says how a live object
//! departs from the desired one without asking a server; [`strategic_merge`] applies kubectl's patches, and
//! [`three_way_patch`] and [`three_way_json_patch`] compute them as `kubectl apply` and Helm 3 do.
//!
//! The rules are those of structured-merge-diff v6 and Kubernetes 1.35; messages are theirs word for word.

mod drift;
mod go;
mod json_patch;
mod managed;
pub mod normalize;
mod pairs;
mod path;
mod schema;
mod set;
mod strategic;
mod time;
mod typed;

pub use drift::{FieldDrift, Owner, drift, owners};
pub use go::plain as print_go;
pub use go::quote as quote_go;
pub use go::type_name as go_type_name;
pub use json_patch::{json_merge_patch, three_way_json_patch, values_conflict};
pub use managed::{
    Applied, ApplyError, ApplyRequest, Conflict, Conflicts, ManagedFields, ManagedFieldsError, ManagerEntry, Operation,
    ReplicasPath, UpdateError, UpdateRequest, VersionError, Versions, apply, keep_times_of_unchanged, parent_owners,
    scale_owners, unowned_fields, update,
};
pub use path::{Path, PathElement, PathElementError, Scalar};
pub use schema::{
    Field, Format, Gvk, Kind, Limits, ListRelation, PatchStrategy, ScalarKind, SchemaError, Schemas, TypeRef,
    from_structural,
};
pub use set::{FieldsError, Set};
pub use strategic::{
    PatchError, PatchLookup, Precondition, ThreeWay, ThreeWayError, patches_conflict, strategic_merge, three_way_patch,
    two_way_patch,
};
pub use typed::{
    Comparison, Duplicates, TypedError, ValidationError, compare, extract, merge, remove, to_set, validate,
    validate_with,
};
