use bowline_model::{Explain, Reason};
use serde_json::Value;

/// Why the cluster did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    /// The API server answered with a `Status`.
    #[error("{message}")]
    Refused {
        /// The HTTP status code.
        code: u16,
        /// The server's own one word, as `Invalid` or `Conflict`; empty when it gave none.
        reason: String,
        /// The server's own words.
        message: String,
        /// `details.causes`: reason, message and field of each.
        causes: Vec<Cause>,
        /// How long the server wants to be left alone.
        retry_after_secs: Option<u64>,
    },
    /// No answer came: the connection failed, or its deadline passed. What was asked may have been done.
    #[error("cannot reach the API server: {0}")]
    Unreachable(String),
    /// The answer could not be read.
    #[error("cannot read the API server's answer to {what}: {why}")]
    Unreadable { what: String, why: String },
    /// The cluster has no such kind.
    #[error("the cluster has no kind `{0}`")]
    UnknownKind(String),
    /// Some API groups could not be discovered, so absence proves nothing.
    #[error("discovery is incomplete: {0}")]
    IncompleteDiscovery(String),
}

/// One cause of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

impl ApiError {
    /// Reads a failed answer's body, which is a `Status` unless something between us and the server wrote it.
    pub(crate) fn from_response(code: u16, retry_after_secs: Option<u64>, body: &[u8]) -> Self {
        let status: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let causes = status.pointer("/details/causes").and_then(Value::as_array).into_iter().flatten();
        let field = |cause: &Value, name: &str| cause[name].as_str().unwrap_or_default().to_owned();
        let mut message = text("/message");
        if message.is_empty() {
            let body = String::from_utf8_lossy(body);
            message = format!("HTTP {code}: {}", body.trim().chars().take(200).collect::<String>());
        }
        Self::Refused {
            code,
            reason: text("/reason"),
            message,
            causes: causes
                .map(|cause| Cause {
                    reason: field(cause, "reason"),
                    message: field(cause, "message"),
                    field: field(cause, "field"),
                })
                .collect(),
            retry_after_secs: status.pointer("/details/retryAfterSeconds").and_then(Value::as_u64).or(retry_after_secs),
        }
    }

    /// Returns the HTTP status of a refusal.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Tells whether the object, or what holds it, is not there.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Tells whether another write came first, or a precondition did not hold.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// Tells whether the watch or list began too long ago and must begin again.
    pub fn is_expired(&self) -> bool {
        self.code() == Some(410)
    }

    /// Tells whether the server says a field cannot be changed, in any of the ways it says so.
    pub fn is_immutable(&self) -> bool {
        let Self::Refused { code: 422, message, causes, .. } = self else { return false };
        let says = |text: &str| text.contains("field is immutable") || text.contains("is immutable");
        let forbidden_update = |text: &str| {
            text.contains("updates to statefulset spec for fields other than")
                || text.contains("spec is immutable after creation")
                || text.contains("may not change once set")
                || text.contains("cannot change roleRef")
        };
        says(message)
            || forbidden_update(message)
            || causes.iter().any(|cause| says(&cause.message) || forbidden_update(&cause.message))
    }

    /// Tells whether the namespace is on its way out.
    pub fn is_namespace_terminating(&self) -> bool {
        matches!(self, Self::Refused { code: 403, causes, message, .. }
            if causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
                || message.contains("because it is being terminated"))
    }

    /// Tells whether the same request may succeed later without any change.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Unreadable { .. } | Self::IncompleteDiscovery(_) => true,
            Self::Refused { code, .. } => matches!(code, 408 | 409 | 429 | 500 | 502 | 503 | 504),
            Self::UnknownKind(_) => false,
        }
    }
}

impl Explain for ApiError {
    fn reason(&self) -> Reason {
        match self {
            Self::Unreachable(_) | Self::Unreadable { .. } | Self::IncompleteDiscovery(_) => Reason::ClusterUnreachable,
            Self::UnknownKind(_) => Reason::UnknownKind,
            Self::Refused { .. } if self.is_immutable() => Reason::Immutable,
            Self::Refused { .. } if self.is_namespace_terminating() => Reason::NamespaceTerminating,
            Self::Refused { code: 401 | 403, .. } => Reason::AccessDenied,
            Self::Refused { code: 409, .. } => Reason::Conflict,
            Self::Refused { code: 413, .. } => Reason::TooLarge,
            Self::Refused { message, .. } if message.contains("request is too large") => Reason::TooLarge,
            Self::Refused { .. } => Reason::Rejected,
        }
    }

    fn help(&self) -> Option<String> {
        match self.reason() {
            Reason::Immutable => Some("delete the live object, or allow replacing it with the force option".to_owned()),
            Reason::UnknownKind => {
                Some("install its CustomResourceDefinition, or put that into the same source".to_owned())
            }
            Reason::NamespaceTerminating => Some(
                "wait for the namespace to go, and see what holds it with `kubectl get namespace -o yaml`".to_owned(),
            ),
            Reason::AccessDenied => Some("grant Bowline's service account this permission".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_whole() {
        let body = br#"{"kind":"Status","message":"Deployment.apps \"a\" is invalid: spec.selector: Invalid value: {}: field is immutable","reason":"Invalid","details":{"causes":[{"reason":"FieldValueInvalid","message":"Invalid value: {}: field is immutable","field":"spec.selector"}]},"code":422}"#;
        let error = ApiError::from_response(422, None, body);
        assert!(error.is_immutable() && !error.is_transient());
        assert_eq!(error.reason(), Reason::Immutable);
    }

    #[test]
    fn other_bodies_are_quoted() {
        let error = ApiError::from_response(503, Some(2), b"upstream is down\n");
        assert_eq!(error.to_string(), "HTTP 503: upstream is down");
        assert!(error.is_transient());
    }
}
