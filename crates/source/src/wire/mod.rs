//! The client side of Git's smart protocol, for reading: list references, fetch a pack.
//!
//! Version 2 is asked for, because there a server lists only the references that matter and gives any
//! commit by its id; version 0 is spoken with servers that know nothing better. The rules are those of
//! Git's `Documentation/gitprotocol-{common,pack,v2,http}.adoc`. No program is run, and the pack goes
//! to the caller as it comes.

mod http;
mod known_hosts;
mod pkt;
mod session;
mod ssh;

pub(crate) use http::{HttpClients, authorization, network_failure, redirection};
pub(crate) use session::{Depth, PackPart, Session, Want};

/// What a conversation is at, for whoever gives it up.
#[derive(Debug, Clone)]
pub(crate) struct Stage(Arc<Mutex<&'static str>>);

impl Stage {
    pub(crate) fn new(name: &'static str) -> Self {
        Self(Arc::new(Mutex::new(name)))
    }

    pub(crate) fn get(&self) -> &'static str {
        *lock(&self.0)
    }

    fn set(&self, name: &'static str) {
        *lock(&self.0) = name;
    }
}

use std::io;
use std::sync::{Arc, Mutex};

use bowline_model::Remote;
use bytes::Bytes;
use tokio::io::AsyncRead;

use crate::SourceError;
use crate::remote::{Address, Located as _};
use crate::store::lock;
use http::HttpLink;
use pkt::PktReader;
use ssh::SshLink;

/// Bytes from the remote.
type Body = Box<dyn AsyncRead + Send + Unpin>;

/// The one service ever asked for.
const SERVICE: &str = "git-upload-pack";

/// A way to talk to one repository.
enum Link {
    Http(HttpLink),
    Ssh(SshLink),
}

impl Link {
    async fn open(remote: &Remote, clients: &HttpClients) -> Result<Self, SourceError> {
        match remote.address()? {
            Address::Http(url, basic) => HttpLink::open(remote, url, basic, clients).await.map(Self::Http),
            Address::Ssh(address) => SshLink::open(remote, &address).await.map(Self::Ssh),
            Address::Local(_) => Err(SourceError::Internal { why: "a local repository has no wire".into() }),
        }
    }

    /// Whether each request starts a new exchange with a server that has forgotten the last.
    fn is_stateless(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    async fn send(&mut self, request: Bytes) -> Result<(), SourceError> {
        match self {
            Self::Http(link) => link.send(request).await,
            Self::Ssh(link) => link.send(request).await,
        }
    }

    fn reader(&mut self) -> &mut PktReader {
        match self {
            Self::Http(link) => link.reader(),
            Self::Ssh(link) => link.reader(),
        }
    }

    /// Says what a failed read means for this link.
    async fn explain(&mut self, error: io::Error) -> SourceError {
        match self {
            Self::Http(link) => link.explain(error),
            Self::Ssh(link) => link.explain(error).await,
        }
    }
}
