//! HTTP: requests in, replies out; what is between them is the registry's.

mod access;
pub(crate) mod body;
mod client_auth;
mod delete_options;
mod encode;
mod fleet;
mod health;
mod json;
mod list;
mod list_options;
mod negotiate;
mod objects;
mod openapi;
mod plain;
mod pods;
mod reply;
mod reviews;
mod route;
mod serve;
mod service;
mod spdy;
mod upgrade;
mod watch;

pub use fleet::{Fleet, FleetService};
pub use reply::{Body, ConnectionDropped};
pub use serve::{ClientCertificate, Identity, IdentityError, Transport};
pub use service::ClusterService;
