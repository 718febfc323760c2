//! Reports to status: conditions, reasons and messages in Flux's own words.
//!
//! Every function here answers with the whole status as it should be; nothing is written where that is what
//! stands there. All times are to the second, as Kubernetes writes them.

mod draft;
mod helm_release;
mod history;
mod inventory;
mod kustomization;
mod reasons;
mod refusal;
mod source;

use std::time::Duration;

use bowline_model::format_go_duration;
use jiff::Timestamp;

pub(crate) use helm_release::raise_helm_release;
pub(crate) use kustomization::raise_kustomization;
pub(crate) use refusal::raise_refusal;
pub use source::commit_digest;
pub(crate) use source::raise_source;

const READY: &str = "Ready";
const RECONCILING: &str = "Reconciling";
const STALLED: &str = "Stalled";
const HEALTHY: &str = "Healthy";
const FETCH_FAILED: &str = "FetchFailed";
const ARTIFACT_IN_STORAGE: &str = "ArtifactInStorage";

const TRUE: &str = "True";
const FALSE: &str = "False";
const UNKNOWN: &str = "Unknown";

const PROGRESSING: &str = "Progressing";
const PROGRESSING_WITH_RETRY: &str = "ProgressingWithRetry";
const SUCCEEDED: &str = "Succeeded";
const RECONCILIATION_SUCCEEDED: &str = "ReconciliationSucceeded";

/// What `Ready` and `Reconciling` say while nothing more is known.
const IN_PROGRESS: &str = "Reconciliation in progress";

/// Writes a time as Kubernetes does: `2026-01-31T12:00:00Z`.
fn time_text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Writes how long something took, to the millisecond: `1.204s`.
fn took(start: Timestamp, end: Timestamp) -> String {
    let millis = end.duration_since(start).as_millis();
    format_go_duration(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}
