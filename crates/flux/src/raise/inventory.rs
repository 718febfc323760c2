use std::collections::{BTreeMap, BTreeSet};

use bowline_model::{ObjectKey, ObjectOutcome, ObjectReport, Report};

use super::draft::Draft;
use crate::api::{Inventory, ResourceRef};
use crate::inventory::{entries, id_of, parse_id};

/// Records what a running sync is about to apply beside what the last one did, so that a crash in the middle
/// forgets nothing.
///
/// Tells whether anything was added.
pub(super) fn record_ahead(draft: &mut Draft<'_>, report: &Report) -> bool {
    record_union(draft, report, &BTreeSet::new())
}

/// Records what a sync that was broken off leaves: everything old and new but what it has pruned.
pub(super) fn record_broken_off(draft: &mut Draft<'_>, report: &Report) {
    let gone = results(report, ObjectOutcome::Pruned).collect();
    record_union(draft, report, &gone);
}

fn record_union(draft: &mut Draft<'_>, report: &Report, gone: &BTreeSet<&ObjectKey>) -> bool {
    if report.objects.is_empty() {
        return false;
    }
    let had = entries(draft.resource);
    let mut union: BTreeMap<String, String> = had
        .iter()
        .filter(|entry| parse_id(&entry.id).is_none_or(|key| !gone.contains(&key)))
        .map(|entry| (entry.id.clone(), entry.v.clone()))
        .collect();
    union.extend(report.objects.iter().filter(|object| is_desired(object)).map(entry_of));
    let grows = union.keys().any(|id| had.iter().all(|entry| entry.id != *id));
    write(draft, &had, union);
    grows
}

/// Records what a finished sync has left behind: all that is desired, and what could not be pruned.
///
/// What may not be pruned is let go, as by Flux: it leaves the inventory and stays in the cluster. What was
/// pruned is let go though it may take a while to be gone.
pub(super) fn record_final(draft: &mut Draft<'_>, report: &Report, prunes: bool) {
    let skipped = results(report, ObjectOutcome::PruneSkipped);
    let let_go: BTreeSet<&ObjectKey> = skipped.chain(results(report, ObjectOutcome::Pruned)).collect();
    let had = entries(draft.resource);
    let kept = report
        .objects
        .iter()
        .filter(|object| is_desired(object) || (object.requires_pruning && prunes && !let_go.contains(&object.key)));
    write(draft, &had, kept.map(entry_of).collect());
}

fn results(report: &Report, outcome: ObjectOutcome) -> impl Iterator<Item = &ObjectKey> {
    let results = report.sync.iter().flat_map(|sync| &sync.results);
    results.filter(move |result| result.outcome == outcome).map(|result| &result.key)
}

fn is_desired(object: &ObjectReport) -> bool {
    !object.requires_pruning && object.hook.is_none()
}

fn entry_of(object: &ObjectReport) -> (String, String) {
    (id_of(&object.key), object.version.clone())
}

/// Writes entries sorted by id, or leaves them in the order they stand in when they are the same.
fn write(draft: &mut Draft<'_>, had: &[ResourceRef], want: BTreeMap<String, String>) {
    let same = had.len() == want.len() && had.iter().all(|entry| want.get(&entry.id) == Some(&entry.v));
    let recorded = draft.resource.at("/status/inventory/entries").is_some();
    if same && (recorded || want.is_empty()) {
        return;
    }
    let entries = want.into_iter().map(|(id, v)| ResourceRef { id, v }).collect();
    draft.set("inventory", Inventory { entries });
}
