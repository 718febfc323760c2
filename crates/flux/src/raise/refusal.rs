use bowline_engine::{EventDraft, Raised, Refusal};
use bowline_model::{Failure, Object, Reason};
use jiff::Timestamp;

use super::draft::Draft;
use super::reasons::words;
use super::{FALSE, FETCH_FAILED, IN_PROGRESS, PROGRESSING_WITH_RETRY, READY, RECONCILING, STALLED, TRUE};
use crate::api::{HELM_RELEASE, KUSTOMIZATION};

/// Writes why nothing is done with a resource.
///
/// A suspended resource keeps the status it has: Flux does not look at it at all.
pub(crate) fn raise_refusal(resource: &Object, refusal: &Refusal, now: Timestamp) -> Raised {
    let mut draft = Draft::of(resource, resource.generation(), now);
    let (failure, waits) = match refusal {
        Refusal::Suspended => return draft.finish(Vec::new()),
        Refusal::Invalid(failure) => (failure, false),
        Refusal::Waiting(failure) => (failure, true),
    };
    refuse(&mut draft, failure, waits);
    let events = if draft.ready_changed() { vec![event(&draft, failure)] } else { Vec::new() };
    draft.finish(events)
}

/// Marks a failure that no sync ran into.
pub(super) fn refuse(draft: &mut Draft<'_>, failure: &Failure, waits: bool) {
    let words = words(failure.reason);
    let message = failure.one_line();
    let kind = draft.resource.kind();
    let is_source = !matches!(kind, KUSTOMIZATION | HELM_RELEASE);
    let reason = if is_source { words.source(kind) } else { words.kustomization };
    if is_source {
        draft.mark(FETCH_FAILED, TRUE, reason, &message);
    }
    draft.mark(READY, FALSE, reason, &message);
    if words.stalls && !waits {
        draft.mark(STALLED, TRUE, reason, &message);
        draft.remove(RECONCILING);
        draft.observe_generation();
    } else {
        mark_retrying(draft);
    }
    draft.answer_request();
}

/// Says that it will be tried again, in the words of the step that it broke off at.
pub(super) fn mark_retrying(draft: &mut Draft<'_>) {
    let step = draft.condition(RECONCILING).map_or_else(|| IN_PROGRESS.to_owned(), |had| had.message.clone());
    draft.mark(RECONCILING, TRUE, PROGRESSING_WITH_RETRY, &step);
    draft.remove(STALLED);
}

fn event(draft: &Draft<'_>, failure: &Failure) -> EventDraft {
    let reason = draft.condition(READY).map(|ready| ready.reason.clone()).unwrap_or_default();
    // To wait for another app is no fault of anybody.
    let warning = failure.reason != Reason::DependencyNotReady;
    EventDraft { warning, reason, message: failure.one_line(), annotations: Vec::new() }
}
