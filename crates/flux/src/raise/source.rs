use bowline_engine::{EventDraft, Raised, SourceReport};
use bowline_model::{Commit, Failure, Object, Revision};
use sha2::{Digest as _, Sha256};

use super::draft::Draft;
use super::refusal::refuse;
use super::{
    ARTIFACT_IN_STORAGE, FETCH_FAILED, IN_PROGRESS, PROGRESSING, READY, RECONCILING, STALLED, SUCCEEDED, TRUE, UNKNOWN,
    time_text,
};
use crate::FluxOptions;
use crate::api::Artifact;

const EVENT_REVISION: &str = "source.toolkit.fluxcd.io/revision";
const EVENT_DIGEST: &str = "source.toolkit.fluxcd.io/digest";

/// Writes what is known of a Git source.
pub(crate) fn raise_git_repository(resource: &Object, report: &SourceReport, options: &FluxOptions) -> Raised {
    let mut draft = Draft::of(resource, report.generation, report.now);
    let events = match (&report.failure, &report.revision) {
        (Some(failure), _) => failed(&mut draft, failure),
        (None, Some(revision)) => fetched(&mut draft, revision, report, options),
        (None, None) => {
            // The first fetch of a big repository takes a while: say that it goes on, once.
            if draft.condition(READY).is_none() {
                draft.mark(READY, UNKNOWN, PROGRESSING, IN_PROGRESS);
                draft.mark(RECONCILING, TRUE, PROGRESSING, IN_PROGRESS);
            }
            Vec::new()
        }
    };
    draft.finish(events)
}

/// Marks that the last look failed; what was fetched before stays.
fn failed(draft: &mut Draft<'_>, failure: &Failure) -> Vec<EventDraft> {
    refuse(draft, failure, failure.transient);
    if !draft.ready_changed() {
        return Vec::new();
    }
    let reason = draft.condition(READY).map(|ready| ready.reason.clone()).unwrap_or_default();
    vec![EventDraft { warning: true, reason, message: failure.one_line(), annotations: Vec::new() }]
}

fn fetched(
    draft: &mut Draft<'_>,
    revision: &Revision,
    report: &SourceReport,
    options: &FluxOptions,
) -> Vec<EventDraft> {
    let had: Option<Artifact> = draft.field("artifact");
    let text = revision.to_string();
    let mut events = Vec::new();
    if had.is_none_or(|had| had.revision != text) {
        let artifact = artifact(draft.resource, revision, report, options);
        events.push(new_artifact(&artifact, report.commit.as_ref()));
        draft.set("artifact", artifact);
    }
    let message = format!("stored artifact for revision '{text}'");
    draft.mark(READY, TRUE, SUCCEEDED, &message);
    draft.mark(ARTIFACT_IN_STORAGE, TRUE, SUCCEEDED, &message);
    for kind in [FETCH_FAILED, RECONCILING, STALLED] {
        draft.remove(kind);
    }
    draft.observe_generation();
    draft.answer_request();
    events
}

fn artifact(resource: &Object, revision: &Revision, report: &SourceReport, options: &FluxOptions) -> Artifact {
    let path = format!("gitrepository/{}/{}/{}.tar.gz", resource.namespace(), resource.name(), revision.digest);
    Artifact {
        digest: commit_digest(&revision.digest),
        last_update_time: time_text(report.now),
        metadata: None,
        url: format!("http://{}/{path}", options.storage_host),
        path,
        revision: revision.to_string(),
        size: None,
    }
}

fn new_artifact(artifact: &Artifact, commit: Option<&Commit>) -> EventDraft {
    let message = match commit {
        Some(commit) => format!("stored artifact for commit '{}'", commit.subject),
        None => format!("stored artifact for revision '{}'", artifact.revision),
    };
    EventDraft {
        warning: false,
        reason: "NewArtifact".to_owned(),
        message,
        annotations: vec![
            (EVENT_REVISION.to_owned(), artifact.revision.clone()),
            (EVENT_DIGEST.to_owned(), artifact.digest.clone()),
        ],
    }
}

/// Returns the digest that stands for the files of a commit: `sha256:` and the SHA-256 of the commit id's text.
///
/// There is no archive whose bytes could be hashed. A commit id names its files for good, so its hash does
/// what consumers want of a digest: it is the same for the same files, and another for others.
pub fn commit_digest(commit: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(commit.as_bytes()) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
