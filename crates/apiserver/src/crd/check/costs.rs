//! What the rules of a CRD may cost (k8s: `getCostErrorMessage`, `TotalCost`).

use crate::error::Cause;

/// The most one rule may cost, for all the values of an object it is asked about.
const MOST: u64 = 10_000_000;

/// The most all rules of a schema may cost.
const MOST_IN_ALL: u64 = 100_000_000;

/// Refuses a rule that costs too much.
pub(super) fn check_one(field: String, what: &str, cost: u64) -> Option<Cause> {
    (cost > MOST).then(|| Cause::forbidden(field, &message(what, cost, MOST)))
}

/// Refuses rules that cost too much together, and tells the dearest of them.
pub(super) fn check_total(path: &str, costs: Vec<(String, u64)>, causes: &mut Vec<Cause>) {
    let total = costs.iter().fold(0_u64, |total, (_, cost)| total.saturating_add(*cost));
    if total <= MOST_IN_ALL {
        return;
    }
    // Those are told that are a hundredth of the limit by themselves.
    let mut dear: Vec<(String, u64)> = costs.into_iter().filter(|(_, cost)| *cost >= MOST_IN_ALL / 100).collect();
    dear.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
    for (field, _) in dear.into_iter().take(4) {
        let why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        causes.push(Cause::forbidden(field, why));
    }
    let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
    causes.push(Cause::forbidden(path, &message(what, total, MOST_IN_ALL)));
}

fn message(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and \
         maxLength where arrays, maps, and strings are declared)"
    )
}
