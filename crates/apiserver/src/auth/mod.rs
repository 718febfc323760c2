//! Identity: who asks, as whom, and whether they may.
//!
//! A request is authenticated ([`authn`]), may ask to be somebody else's ([`impersonate`]), and is then authorized
//! ([`authorize`]). With [`Authorization::AlwaysAllow`] only the first and second step are taken; with
//! [`Authorization::Rbac`] the roles and bindings stored in the cluster decide, as in a real one.

mod access;
mod authn;
mod impersonate;
mod rbac;
pub(crate) mod requests;
pub(crate) mod selectors;
pub(crate) mod tokens;
mod user;

pub(crate) use access::{Access, Subject, authorize, forbidden};
pub(crate) use authn::{Peer, authenticate, credentials_warning, of_token};
pub(crate) use impersonate::impersonate;
pub(crate) use rbac::aggregate::aggregated_rules;
pub(crate) use rbac::escalation;
pub(crate) use rbac::rules::PolicyRule;
pub(crate) use rbac::rules_for;
pub use user::User;

/// The group of those who may do everything.
pub(crate) const MASTERS: &str = "system:masters";

/// The group of everybody who told who they are.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";

/// The group of everybody else.
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";

/// The user of a request without credentials.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// The API group of roles and bindings.
pub(crate) const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// Who decides what a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authorization {
    /// Everybody who is let in may do everything.
    #[default]
    AlwaysAllow,
    /// The roles and bindings stored in the cluster, as a real one decides.
    Rbac,
}
