use bowline_model::Reason;

use crate::api::{HELM_CHART, HELM_REPOSITORY, OCI_REPOSITORY};

/// What Flux calls one kind of failure.
pub(super) struct Words {
    /// The reason of a Kustomization's `Ready`.
    pub(super) kustomization: &'static str,
    /// The reason of a GitRepository's `Ready` and `FetchFailed`.
    pub(super) git_repository: &'static str,
    /// Only a change of the resource can mend it, where it was refused: `Stalled`.
    pub(super) stalls: bool,
}

impl Words {
    /// Returns the word for one kind of source: where Git has one of its own, so have others.
    pub(super) fn source(&self, kind: &str) -> &'static str {
        match (kind, self.git_repository) {
            (OCI_REPOSITORY, "GitOperationFailed") => "OCIArtifactPullFailed",
            (HELM_CHART, "GitOperationFailed") => "ChartPullError",
            (HELM_REPOSITORY, "GitOperationFailed") => "IndexationFailed",
            (_, word) => word,
        }
    }
}

/// Returns Flux's words. Where Flux has none for what Bowline does not do, Bowline's own word stands.
pub(super) fn words(reason: Reason) -> Words {
    let (kustomization, git_repository, stalls) = match reason {
        Reason::AccessDenied => ("AccessDenied", "AccessDenied", true),
        Reason::AuthenticationFailed => ("ArtifactFailed", "AuthenticationFailed", false),
        Reason::ClusterUnreachable => ("ReconciliationFailed", "Failed", false),
        Reason::Conflict => ("ReconciliationFailed", "Failed", false),
        Reason::DependencyNotReady => ("DependencyNotReady", "Failed", false),
        Reason::DuplicateOwner => ("ReconciliationFailed", "Failed", false),
        Reason::EmptyRender => ("PruneFailed", "Failed", false),
        Reason::HostKeyMismatch => ("ArtifactFailed", "AuthenticationFailed", false),
        Reason::HostKeyUnknown => ("ArtifactFailed", "AuthenticationFailed", false),
        Reason::Immutable => ("ReconciliationFailed", "Failed", false),
        Reason::Internal => ("ReconciliationFailed", "Failed", false),
        Reason::InvalidManifest => ("BuildFailed", "Failed", false),
        Reason::InvalidSpec => ("ReconciliationFailed", "Failed", true),
        Reason::InvalidUrl => ("ArtifactFailed", "URLInvalid", true),
        Reason::NamespaceTerminating => ("ReconciliationFailed", "Failed", false),
        Reason::PathNotFound => ("ArtifactFailed", "GitOperationFailed", false),
        Reason::ReferenceNotFound => ("ArtifactFailed", "GitOperationFailed", false),
        Reason::Rejected => ("ReconciliationFailed", "Failed", false),
        Reason::RepositoryNotFound => ("ArtifactFailed", "GitOperationFailed", false),
        Reason::SourceUnreadable => ("ArtifactFailed", "GitOperationFailed", false),
        Reason::TimedOut => ("ReconciliationFailed", "GitOperationFailed", false),
        Reason::TooLarge => ("BuildFailed", "GitOperationFailed", false),
        Reason::Unhealthy => ("HealthCheckFailed", "Failed", false),
        Reason::UnknownKind => ("ReconciliationFailed", "Failed", false),
        Reason::Unreachable => ("ArtifactFailed", "GitOperationFailed", false),
        Reason::Unsupported => ("Unsupported", "Unsupported", true),
    };
    Words { kustomization, git_repository, stalls }
}

/// Tells whether a failure is the remote's: it is told on the source, and what was fetched before still counts.
pub(super) fn is_of_remote(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::AuthenticationFailed
            | Reason::HostKeyMismatch
            | Reason::HostKeyUnknown
            | Reason::InvalidUrl
            | Reason::ReferenceNotFound
            | Reason::RepositoryNotFound
            | Reason::Unreachable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_may_stand_in_a_condition() {
        for reason in Reason::ALL {
            let words = words(*reason);
            for word in [words.kustomization, words.git_repository] {
                assert!(!word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic()), "{reason}: {word}");
            }
        }
    }
}
