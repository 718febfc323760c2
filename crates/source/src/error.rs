use std::time::Duration;

use bowline_model::{Explain, Failure, Reason, Wanted};

/// Why a source could not be resolved, fetched or opened.
///
/// URLs in these facts carry no credentials.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The text is not an address this crate can speak to.
    #[error("`{url}` is not an address of a source: {why}")]
    InvalidUrl { url: String, why: String },
    /// Local repositories are switched off in [`crate::Options`].
    #[error("`{url}` is a local repository, and those are not allowed here")]
    LocalNotAllowed { url: String },
    /// The remote answers, and says that it has no such repository.
    #[error("there is no repository at `{url}`")]
    RepositoryNotFound { url: String },
    /// No credentials were given, and the remote wants some.
    #[error("`{url}` asks for credentials")]
    AuthenticationRequired { url: String },
    /// Credentials were given, and the remote did not accept them.
    #[error("`{url}` refused the credentials")]
    AuthenticationRefused { url: String },
    /// A credential is malformed: a key that does not parse, a wrong passphrase.
    #[error("the {what} cannot be used: {why}")]
    InvalidCredentials { what: &'static str, why: String },
    /// The known hosts have no entry for the host.
    #[error("the host key of `{host}` is unknown: it presented {key_type} {fingerprint}")]
    HostKeyUnknown { host: String, key_type: String, fingerprint: String },
    /// The known hosts have another key, or revoke this one.
    #[error("the host key of `{host}` is not the known one: it presented {key_type} {fingerprint}")]
    HostKeyMismatch { host: String, key_type: String, fingerprint: String },
    /// The repository has no such branch, tag, reference or commit.
    #[error("{wanted} is not in `{url}`")]
    ReferenceNotFound { url: String, wanted: Wanted },
    /// A short commit fits more than one.
    #[error("commit `{short}` is ambiguous in `{url}`")]
    AmbiguousCommit { url: String, short: String },
    /// The reference cannot be what it should be: a broken version constraint, say.
    #[error("{wanted} cannot be resolved: {why}")]
    InvalidReference { wanted: Wanted, why: String },
    /// The whole conversation took longer than allowed.
    #[error("`{url}` did not finish within {}s: it was still {doing}", .after.as_secs_f64())]
    TimedOut { url: String, after: Duration, doing: &'static str },
    /// The network failed, or nobody listens.
    #[error("`{url}` cannot be reached")]
    Unreachable {
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The two sides found no common trust: an unknown authority, a wrong name, an expired certificate.
    #[error("no trusted TLS connection to `{url}`")]
    Tls {
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An HTTP status that means neither success nor one of the cases above.
    #[error("`{url}` answered with HTTP status {status}")]
    Status { url: String, status: u16 },
    /// The answer is not Git's protocol.
    #[error("`{url}` does not speak Git as expected: {why}")]
    Protocol { url: String, why: String },
    /// An index, a manifest or an archive is not what it should be.
    #[error("the {what} of `{url}` cannot be used: {why}")]
    Malformed { url: String, what: &'static str, why: String },
    /// What came has another content than was promised.
    #[error("the archive has the digest sha256:{have}, and sha256:{want} was promised")]
    DigestMismatch { want: String, have: String },
    /// The remote gave up with a message of its own.
    #[error("`{url}` says: {message}")]
    Remote { url: String, message: String },
    /// The repository uses something that is not supported, such as SHA-256 object names.
    #[error("`{url}` uses {what}, which is not supported")]
    Unsupported { url: String, what: String },
    /// A named limit was passed.
    #[error("{what} of `{url}` is more than the limit of {limit}")]
    TooLarge { url: String, what: &'static str, limit: u64 },
    /// The clone on the local disk is damaged; it is built anew at the next fetch.
    #[error("the local clone is damaged: {why}")]
    Damaged { why: String },
    /// The local disk failed: full, read-only, gone.
    #[error("the local store failed: {why}")]
    Store { why: String },
    /// The task that did the work ended without a result.
    #[error("the work on the source was broken off: {why}")]
    Internal { why: String },
}

impl SourceError {
    /// Tells whether the same attempt may succeed later with nothing changed by a person.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Unreachable { .. } | Self::Damaged { .. } | Self::Store { .. } => true,
            Self::Status { status, .. } => *status == 408 || *status == 429 || *status >= 500,
            Self::Remote { .. }
            | Self::Internal { .. }
            | Self::Protocol { .. }
            | Self::Malformed { .. }
            | Self::DigestMismatch { .. } => true,
            _ => false,
        }
    }

    /// Returns the error as a value to keep and show.
    pub fn to_failure(&self) -> Failure {
        let failure = Failure::of(self);
        if self.is_transient() { failure.transient() } else { failure }
    }

    pub(crate) fn damaged(error: &git2::Error) -> Self {
        Self::Damaged { why: error.message().to_owned() }
    }

    pub(crate) fn store(error: &dyn std::fmt::Display) -> Self {
        Self::Store { why: error.to_string() }
    }

    /// Whether building the clone anew may help.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

impl Explain for SourceError {
    fn reason(&self) -> Reason {
        match self {
            Self::InvalidUrl { .. } | Self::LocalNotAllowed { .. } => Reason::InvalidUrl,
            Self::RepositoryNotFound { .. } => Reason::RepositoryNotFound,
            Self::AuthenticationRequired { .. }
            | Self::AuthenticationRefused { .. }
            | Self::InvalidCredentials { .. } => Reason::AuthenticationFailed,
            Self::HostKeyUnknown { .. } => Reason::HostKeyUnknown,
            Self::HostKeyMismatch { .. } => Reason::HostKeyMismatch,
            Self::ReferenceNotFound { .. } | Self::AmbiguousCommit { .. } => Reason::ReferenceNotFound,
            Self::InvalidReference { .. } => Reason::InvalidSpec,
            Self::TimedOut { .. } => Reason::TimedOut,
            Self::Unreachable { .. } | Self::Tls { .. } | Self::Status { .. } => Reason::Unreachable,
            Self::Protocol { .. }
            | Self::Malformed { .. }
            | Self::DigestMismatch { .. }
            | Self::Remote { .. }
            | Self::Damaged { .. }
            | Self::Store { .. } => Reason::SourceUnreadable,
            Self::Unsupported { .. } => Reason::Unsupported,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::Internal { .. } => Reason::Internal,
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::InvalidUrl { .. } => {
                "write https://…, ssh://…, user@host:path, file://… or an absolute path; oci://… of a registry".into()
            }
            Self::LocalNotAllowed { .. } => "use an https:// or ssh:// address".into(),
            Self::RepositoryNotFound { .. } => {
                "check the URL; hosts also say this when the credentials may not see the repository".into()
            }
            Self::AuthenticationRequired { .. } => "give credentials that may read the repository".into(),
            Self::AuthenticationRefused { .. } => "check that the credentials are current and may read it".into(),
            Self::HostKeyUnknown { .. } => {
                "compare the fingerprint with the host's published one and add its key to the known hosts".into()
            }
            Self::HostKeyMismatch { .. } => {
                "find out whether the host changed its key; if it did, update the known hosts".into()
            }
            Self::ReferenceNotFound { .. } => "check the spelling, and that it was pushed".into(),
            Self::AmbiguousCommit { .. } => "write more digits of the commit".into(),
            Self::TimedOut { .. } => "check the remote and the network, or allow more time".into(),
            Self::DigestMismatch { .. } => {
                "find out who published it anew: neither a chart nor a tag's content may change under its digest".into()
            }
            Self::Tls { .. } => "give the authority that signed the server's certificate as CA".into(),
            Self::Store { .. } => "check the free space and permissions of the cache directory".into(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use bowline_model::GitRef;

    use super::*;

    #[test]
    fn a_failure_has_the_causes_the_help_and_whether_to_wait() {
        let source = std::io::Error::other("connection refused").into();
        let error = SourceError::Unreachable { url: "https://example.com/a".into(), source };
        let failure = error.to_failure();
        assert_eq!(failure.message, "`https://example.com/a` cannot be reached: connection refused");
        assert!(failure.transient);

        let url = "https://example.com/a".into();
        let failure = SourceError::ReferenceNotFound { url, wanted: GitRef::Branch("mian".into()).into() }.to_failure();
        let want = "branch `mian` is not in `https://example.com/a` (check the spelling, and that it was pushed)";
        assert_eq!((failure.reason, failure.one_line().as_str()), (Reason::ReferenceNotFound, want));
        assert!(!failure.transient);
    }
}
