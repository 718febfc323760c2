//! The Kubernetes API: discovery, watch cache, apply, delete.
//!
//! The only crate that talks to a cluster, and the only one that writes to it. A [`Cluster`] is reached
//! through a `tower` service, so the embedded API server needs no socket and a test can put faults in
//! between. Whatever answers "what is there" answers completely or with an error: "not known yet" and
//! "nothing" are different answers ([`Known`]).

mod client;
mod discovery;
mod error;
mod gate;
mod schemas;
mod watch;
mod write;

pub use client::{Cluster, Timeouts, connect, connect_kubeconfig, connect_service};
pub use discovery::{ApiResource, Discovery};
pub use error::{ApiError, Cause};
pub use watch::{Change, Known, Live, WatchScope};
pub use write::{Answer, ApplyOptions, Deleted, EventRecord};
