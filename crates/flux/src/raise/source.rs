use bowline_engine::{EventDraft, Raised, SourceReport};
use bowline_model::{Algorithm, Commit, Failure, Object, Revision};
use sha2::{Digest as _, Sha256};

use super::draft::Draft;
use super::refusal::refuse;
use super::{
    ARTIFACT_IN_STORAGE, FETCH_FAILED, IN_PROGRESS, PROGRESSING, READY, RECONCILING, STALLED, SUCCEEDED, TRUE, UNKNOWN,
    time_text,
};
use crate::FluxOptions;
use crate::api::{Artifact, HELM_CHART, HELM_REPOSITORY, OCI_REPOSITORY};

const EVENT_REVISION: &str = "source.toolkit.fluxcd.io/revision";
const EVENT_DIGEST: &str = "source.toolkit.fluxcd.io/digest";
const CHART_PULLED: &str = "ChartPullSucceeded";

/// Writes what is known of a source.
pub(crate) fn raise_source(resource: &Object, report: &SourceReport, options: &FluxOptions) -> Raised {
    if resource.kind() == HELM_REPOSITORY {
        return raise_helm_repository(resource, report);
    }
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

/// A repository of charts has nothing to be fetched by itself. One of a registry is not looked at by Flux either, and
/// has no status.
fn raise_helm_repository(resource: &Object, report: &SourceReport) -> Raised {
    if resource.text("/spec/type") == Some("oci") {
        return Raised::default();
    }
    let mut draft = Draft::of(resource, report.generation, report.now);
    draft.mark(READY, TRUE, SUCCEEDED, "the index is fetched for each chart that is asked for");
    for kind in [FETCH_FAILED, RECONCILING, STALLED] {
        draft.remove(kind);
    }
    draft.observe_generation();
    draft.answer_request();
    draft.finish(Vec::new())
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
    let stored = Stored::of(draft.resource, revision);
    let mut events = Vec::new();
    // A chart may be published anew under the version it had.
    if had.is_none_or(|had| had.revision != stored.revision || had.digest != stored.digest) {
        let artifact = stored.artifact(report, options);
        events.push(new_artifact(&artifact, &stored.message, report.commit.as_ref()));
        draft.set("artifact", artifact);
    }
    if let Some(chart) = &stored.chart {
        draft.set("observedChartName", chart);
    }
    draft.mark(READY, TRUE, stored.reason, &stored.message);
    draft.mark(ARTIFACT_IN_STORAGE, TRUE, stored.reason, &stored.message);
    for kind in [FETCH_FAILED, RECONCILING, STALLED] {
        draft.remove(kind);
    }
    draft.observe_generation();
    draft.answer_request();
    events
}

/// What is said of a revision that was fetched, for each kind of source in its own words.
struct Stored {
    revision: String,
    digest: String,
    path: String,
    reason: &'static str,
    message: String,
    /// The name of a chart that was fetched by its name.
    chart: Option<String>,
}

impl Stored {
    fn of(resource: &Object, revision: &Revision) -> Self {
        let (namespace, name) = (resource.namespace(), resource.name());
        let at = |kind: &str, file: &str| format!("{kind}/{namespace}/{name}/{file}");
        let text = revision.to_string();
        let digest = match revision.algorithm {
            Algorithm::Sha1 => commit_digest(&revision.digest),
            Algorithm::Sha256 => format!("sha256:{}", revision.digest),
        };
        match (resource.kind(), &revision.name) {
            (OCI_REPOSITORY, _) => Self {
                path: at("ocirepository", &format!("sha256:{}.tar.gz", revision.digest)),
                reason: SUCCEEDED,
                message: format!("stored artifact for digest '{text}'"),
                revision: text,
                digest,
                chart: None,
            },
            (HELM_CHART, Some(version)) if revision.algorithm == Algorithm::Sha256 => {
                let chart = resource.text("/spec/chart").unwrap_or_default();
                Self {
                    path: at("helmchart", &format!("{}-{version}.tgz", chart.rsplit('/').next().unwrap_or(chart))),
                    reason: CHART_PULLED,
                    message: format!("pulled '{chart}' chart with version '{version}'"),
                    revision: version.clone(),
                    digest,
                    chart: Some(chart.to_owned()),
                }
            }
            // The version of a chart in Git is known to who renders it.
            (kind, _) => Self {
                path: at(&kind.to_lowercase(), &format!("{}.tar.gz", revision.digest)),
                reason: SUCCEEDED,
                message: format!("stored artifact for revision '{text}'"),
                revision: text,
                digest,
                chart: None,
            },
        }
    }

    fn artifact(&self, report: &SourceReport, options: &FluxOptions) -> Artifact {
        Artifact {
            digest: self.digest.clone(),
            last_update_time: time_text(report.now),
            metadata: None,
            url: format!("http://{}/{}", options.storage_host, self.path),
            path: self.path.clone(),
            revision: self.revision.clone(),
            size: None,
        }
    }
}

fn new_artifact(artifact: &Artifact, stored: &str, commit: Option<&Commit>) -> EventDraft {
    let message = match commit {
        Some(commit) => format!("stored artifact for commit '{}'", commit.subject),
        None => stored.to_owned(),
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
    format!("sha256:{}", hex::encode(Sha256::digest(commit.as_bytes())))
}
