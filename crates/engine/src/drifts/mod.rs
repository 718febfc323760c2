//! What others changed, on record: which field, by whom, when, and how it ended.
//!
//! The record may be lost, as all that is on disk: what is desired and what is live never depends on it.

mod ledger;

use std::collections::BTreeMap;

use bowline_model::{Drifted, ObjectKey};
use bowline_plan::{Action, Plan};

pub(crate) use ledger::Ledger;
pub use ledger::{DriftEnd, DriftLine, LedgerOptions, read_ledger};

/// Fields that are told of one object in one Event.
const FIELDS_TOLD: usize = 4;

/// The fields of an app that somebody else changed, by object and path. An object that is gone has the empty path.
pub(crate) type Drifts = BTreeMap<(ObjectKey, String), Drifted>;

/// Finds what drifted: what departs from a revision that was wholly written. `was_applied` tells whether an object was
/// there at all.
pub(crate) fn drifts(plan: &Plan, was_applied: &dyn Fn(&ObjectKey) -> bool) -> Drifts {
    let mut found = Drifts::new();
    for item in plan.items.iter().filter(|item| item.desired.is_some() && !item.is_hook) {
        match item.action {
            Action::Create if was_applied(&item.key) => {
                found.insert((item.key.clone(), String::new()), Drifted::default());
            }
            _ => {
                for field in &item.drift {
                    found.insert((item.key.clone(), field.path.clone()), field.clone());
                }
            }
        }
    }
    found
}

/// Writes what drifted of each object as a sentence.
pub(crate) fn sentences<'a>(
    drifts: impl IntoIterator<Item = (&'a (ObjectKey, String), &'a Drifted)>,
) -> Vec<(ObjectKey, String)> {
    let mut by_object: BTreeMap<&ObjectKey, Vec<String>> = BTreeMap::new();
    for ((key, _), field) in drifts {
        by_object.entry(key).or_default().push(sentence(field));
    }
    let told = |(key, fields): (&ObjectKey, Vec<String>)| {
        let more = fields.len().saturating_sub(FIELDS_TOLD);
        let fields = fields[..fields.len() - more].join("; ");
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        (key.clone(), format!("{key}: {fields}{more}"))
    };
    by_object.into_iter().map(told).collect()
}

fn sentence(field: &Drifted) -> String {
    if field.path.is_empty() {
        return "was deleted".to_owned();
    }
    let (path, have) = (&field.path, field.have.as_deref());
    let change = match (have, field.want.as_deref()) {
        (Some(have), Some(want)) => format!("`{path}` is {have}, not {want}"),
        (Some(have), None) => format!("`{path}` is {have}, and should not be there"),
        (None, _) => format!("`{path}` is gone"),
    };
    let Some(manager) = &field.manager else { return change };
    let operation = field.operation.map(|operation| format!(" ({})", operation.as_str())).unwrap_or_default();
    let since = field.since.as_ref().map(|since| format!(" at {since}")).unwrap_or_default();
    format!("{change}, by {manager}{operation}{since}")
}

#[cfg(test)]
mod tests {
    use bowline_model::DriftOperation;

    use super::*;

    #[test]
    fn drift_is_told_with_who_and_when() {
        let key = ObjectKey::new("apps", "Deployment", "shop", "web");
        let field = |path: &str| Drifted {
            path: path.to_owned(),
            want: Some("2".to_owned()),
            have: Some("7".to_owned()),
            manager: Some("kubectl-edit".to_owned()),
            operation: Some(DriftOperation::Update),
            since: Some("2026-01-02T03:04:05Z".to_owned()),
        };
        assert_eq!(sentence(&field(".a")), "`.a` is 7, not 2, by kubectl-edit (Update) at 2026-01-02T03:04:05Z");
        assert_eq!(sentence(&Drifted { have: None, manager: None, ..field(".a") }), "`.a` is gone");
        let unwanted = Drifted { want: None, manager: None, ..field(".a") };
        assert_eq!(sentence(&unwanted), "`.a` is 7, and should not be there");
        assert_eq!(sentence(&Drifted::default()), "was deleted");
        let bare = |path: String| ((key.clone(), path.clone()), Drifted { manager: None, ..field(&path) });
        let many: Drifts = (0..6).map(|at| bare(format!(".f{at}"))).collect();
        let told = sentences(&many);
        assert_eq!(told.len(), 1, "one for each object");
        assert!(told[0].1.ends_with("`.f3` is 7, not 2 (and 2 more)"), "{}", told[0].1);
    }
}
