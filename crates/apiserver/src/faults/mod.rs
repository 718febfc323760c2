//! Faults on demand: a function consulted once a request, by tests that want a 409 storm or an API server gone away;
//! or a plan read from a file.

mod parse;
mod plan;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use parse::PlanProblem;
pub use plan::FaultPlan;

/// What a request asks for, in the words of Kubernetes' own audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `apply`, `delete`, `deletecollection`; lower-case HTTP method
    /// for requests that are not about resources.
    pub verb: String,
    /// The API group.
    pub group: String,
    /// The API version.
    pub version: String,
    /// The plural; empty when the request is not about resources.
    pub resource: String,
    /// The namespace, if one is named.
    pub namespace: Option<String>,
    /// The object's name, if one is named.
    pub name: Option<String>,
    /// The subresource; empty for the object itself.
    pub subresource: String,
    /// The path, without a cluster's prefix.
    pub path: String,
    /// The `User-Agent`.
    pub user_agent: String,
}

impl RequestInfo {
    /// Returns whether the request may change something.
    pub fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "apply" | "delete" | "deletecollection")
    }
}

/// What happens to a request instead of, or besides, its being served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing; it is served.
    None,
    /// It is answered with this code, reason and message, and does nothing else.
    Status {
        /// The HTTP status.
        code: u16,
        /// The reason.
        reason: &'static str,
        /// The message.
        message: String,
        /// The `Retry-After`, in seconds.
        retry_after_secs: Option<u32>,
    },
    /// It is served after this long, by tokio's clock.
    Delay(Duration),
    /// It meets another fault after this long.
    Delayed {
        /// How long.
        time: Duration,
        /// What it then meets.
        then: Box<Fault>,
    },
    /// The connection ends before anything is done.
    DropBefore,
    /// It is carried out, and the connection ends without a reply.
    DropAfterCommit,
    /// A watch is opened and stays silent for ever; other requests are served.
    HangWatch,
    /// A watch is opened and ends at once; other requests are served.
    CloseWatch,
    /// A watch ends after it has told so many events; other requests are served.
    CloseWatchAfter(usize),
    /// A watch waits this long before each event; other requests are served.
    SlowWatch(Duration),
    /// A watch or list is answered as though its revision had been forgotten; other requests are served.
    Expire,
}

impl Fault {
    /// Returns the lost race that every retrying client must survive.
    pub fn conflict() -> Self {
        Self::Status {
            code: 409,
            reason: "Conflict",
            message: "Operation cannot be fulfilled: the object has been modified; please apply your changes to the \
                      latest version and try again"
                .to_owned(),
            retry_after_secs: None,
        }
    }

    /// Returns the refusal of a server that has too much to do.
    pub fn too_many_requests(retry_after_secs: u32) -> Self {
        Self::Status {
            code: 429,
            reason: "TooManyRequests",
            message: "Too many requests, please try again later.".to_owned(),
            retry_after_secs: Some(retry_after_secs),
        }
    }

    /// Returns what every server says one day.
    pub fn internal() -> Self {
        Self::Status {
            code: 500,
            reason: "InternalError",
            message: "Internal error occurred: the fault plan says so".to_owned(),
            retry_after_secs: None,
        }
    }

    /// Returns the answer of a server that took too long.
    pub fn timeout() -> Self {
        Self::Status {
            code: 504,
            reason: "Timeout",
            message: "Timeout: request did not complete within the allotted timeout".to_owned(),
            retry_after_secs: None,
        }
    }

    /// Returns the answer of a server that is starting or stopping.
    pub fn unavailable() -> Self {
        Self::Status {
            code: 503,
            reason: "ServiceUnavailable",
            message: "the server is currently unable to handle the request".to_owned(),
            retry_after_secs: None,
        }
    }
}

/// The function that decides.
#[derive(Clone)]
pub struct Faults(Arc<dyn Fn(&RequestInfo) -> Fault + Send + Sync>);

impl Faults {
    /// Makes faults out of a function.
    pub fn new(decide: impl Fn(&RequestInfo) -> Fault + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    /// Decides about one request.
    pub fn decide(&self, request: &RequestInfo) -> Fault {
        (self.0)(request)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}
