use bowline_model::{Reason, Report, SyncPhase};

/// Which part of the work a failure belongs to: Argo CD has a word for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Blame {
    /// Nothing failed.
    Nothing,
    /// Desired or live state could not be found out.
    Comparison(String),
    /// Writing went wrong.
    Sync(String),
    /// An object belongs to another application.
    Shared(String),
    /// Nobody knows.
    Unknown(String),
}

impl Blame {
    pub(super) fn of(report: &Report) -> Self {
        let Some(failure) = &report.failure else { return Self::Nothing };
        let message = failure.one_line();
        let has_failed = report.sync.as_ref().is_some_and(|sync| sync.phase != SyncPhase::Succeeded);
        match failure.reason {
            Reason::AuthenticationFailed
            | Reason::ClusterUnreachable
            | Reason::DependencyNotReady
            | Reason::HostKeyMismatch
            | Reason::HostKeyUnknown
            | Reason::InvalidManifest
            | Reason::InvalidSpec
            | Reason::InvalidUrl
            | Reason::PathNotFound
            | Reason::ReferenceNotFound
            | Reason::RepositoryNotFound
            | Reason::SourceUnreadable
            | Reason::Unreachable
            | Reason::Unsupported => Self::Comparison(message),
            Reason::AccessDenied
            | Reason::Conflict
            | Reason::EmptyRender
            | Reason::Immutable
            | Reason::NamespaceTerminating
            | Reason::Rejected
            | Reason::Unhealthy
            | Reason::UnknownKind => Self::Sync(message),
            // The source may have taken too long, or be too large; then nothing is known of objects.
            Reason::TimedOut | Reason::TooLarge if has_failed && !report.objects.is_empty() => Self::Sync(message),
            Reason::TimedOut | Reason::TooLarge => Self::Comparison(message),
            Reason::DuplicateOwner => Self::Shared(message),
            Reason::Internal => Self::Unknown(message),
        }
    }

    pub(super) fn is_comparison(&self) -> bool {
        matches!(self, Self::Comparison(_))
    }
}
