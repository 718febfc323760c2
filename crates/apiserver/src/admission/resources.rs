//! Amounts of resources by name, with the arithmetic of Go's `resource.Quantity`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::builtins::Quantity;

/// Amounts by resource name.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// Beyond this many units Go compares whole units instead of thousandths.
const MAX_MILLI: i128 = (i64::MAX / 1000) as i128;

/// Reads a `ResourceList`; what is no quantity was refused before.
pub(super) fn read(list: &Value) -> Amounts {
    let entries = list.as_object().into_iter().flatten();
    entries.filter_map(|(name, amount)| Some((name.clone(), amount.as_str()?.parse().ok()?))).collect()
}

/// Writes a `ResourceList`.
pub(super) fn write(amounts: &Amounts) -> Value {
    amounts.iter().map(|(name, amount)| (name.clone(), json!(amount.to_string()))).collect()
}

/// Returns a plain number.
pub(super) fn count(number: usize) -> Quantity {
    number.to_string().parse().expect("holds because digits are a quantity")
}

pub(super) fn sum(left: Quantity, right: Quantity) -> Quantity {
    let nanos = left.nanos() + right.nanos();
    // Nothing plus something is written the way of the something.
    if left.nanos() == 0 { right.with_nanos(nanos) } else { left.with_nanos(nanos) }
}

/// Adds each amount of `more`.
pub(super) fn add(to: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let total = to.get(name).map_or(*amount, |have| sum(*have, *amount));
        to.insert(name.clone(), total);
    }
}

/// Keeps the larger of each two amounts.
fn raise(to: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        if to.get(name).is_none_or(|have| amount > have) {
            to.insert(name.clone(), *amount);
        }
    }
}

/// Returns `left - right`, never below zero.
pub(super) fn subtract(left: &Amounts, right: &Amounts) -> Amounts {
    let less = |name: &String, amount: &Quantity| {
        let nanos = amount.nanos() - right.get(name).map_or(0, Quantity::nanos);
        (name.clone(), amount.with_nanos(nanos.max(0)))
    };
    left.iter().map(|(name, amount)| less(name, amount)).collect()
}

/// Keeps the amounts whose names `of` has too.
pub(super) fn mask<T>(amounts: &Amounts, of: &BTreeMap<String, T>) -> Amounts {
    amounts.iter().filter(|(name, _)| of.contains_key(*name)).map(|(name, amount)| (name.clone(), *amount)).collect()
}

/// Returns amounts in thousandths when all of them fit, else in whole units.
pub(super) fn comparable<const N: usize>(amounts: [Option<&Quantity>; N]) -> [i128; N] {
    let whole = amounts.map(|amount| amount.map_or(0, Quantity::value));
    if whole.iter().any(|value| *value > MAX_MILLI) {
        return whole;
    }
    amounts.map(|amount| amount.map_or(0, milli))
}

/// Returns an amount in thousandths, rounded up.
pub(super) fn milli(amount: &Quantity) -> i128 {
    let nanos = amount.nanos();
    if nanos % 1_000_000 == 0 { nanos / 1_000_000 } else { nanos / 1_000_000 + nanos.signum() }
}

/// Whether an amount can be compared in thousandths.
pub(super) fn fits_milli(amount: &Quantity) -> bool {
    amount.value() <= MAX_MILLI
}

/// Returns what a pod asks for or may use at most (`which` is `requests` or `limits`).
///
/// Ordinary init containers run one after the other before the rest, restartable ones beside everything after them.
/// `overhead` and `pod_level` say which fields of the pod itself count.
pub(super) fn of_pod(spec: &Value, which: &str, overhead: bool, pod_level: fn(&str) -> bool) -> Amounts {
    let list = |container: &Value| read(&container["resources"][which]);
    let mut total = Amounts::new();
    for container in super::containers(spec, &["containers"]) {
        add(&mut total, &list(container));
    }
    let (mut beside, mut first) = (Amounts::new(), Amounts::new());
    for container in super::containers(spec, &["initContainers"]) {
        let mut own = list(container);
        if container["restartPolicy"] == "Always" {
            add(&mut total, &own);
            add(&mut beside, &own);
            own.clone_from(&beside);
        } else {
            add(&mut own, &beside);
        }
        raise(&mut first, &own);
    }
    raise(&mut total, &first);
    for (name, amount) in read(&spec["resources"][which]) {
        if pod_level(&name) {
            total.insert(name, amount);
        }
    }
    if overhead {
        let mut more = read(&spec["overhead"]);
        if which == "limits" {
            more = mask(&more, &total);
        }
        add(&mut total, &more);
    }
    total
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_needs_what_runs_at_once() {
        let uses = |cpu: &str| json!({ "requests": { "cpu": cpu } });
        let spec = json!({
            "initContainers": [
                { "resources": uses("3") },
                { "resources": uses("1"), "restartPolicy": "Always" },
                { "resources": uses("500m") },
            ],
            "containers": [{ "resources": uses("250m") }, { "resources": uses("250m") }],
            "overhead": { "cpu": "1" },
        });
        let cpu = |overhead| of_pod(&spec, "requests", overhead, |_| true)["cpu"].to_string();
        assert_eq!(cpu(false), "3");
        assert_eq!(cpu(true), "4");
    }

    #[test]
    fn subtraction_stops_at_nothing() {
        let (left, right) = (read(&json!({ "a": "3", "b": "1" })), read(&json!({ "a": "1", "b": "2" })));
        assert_eq!(write(&subtract(&left, &right)), json!({ "a": "2", "b": "0" }));
    }
}
