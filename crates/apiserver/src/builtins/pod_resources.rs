//! What a pod asks for as a whole, where it says so of some resources (`SetDefaults_Pod`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::quantity::Quantity;

type Amounts = BTreeMap<String, Quantity>;

/// Completes the resources of a whole pod: large pages are limited by what its containers are limited to, and requests
/// are those of its containers, or else the limits.
pub(super) fn complete(spec: &mut Map<String, Value>) {
    let Some(resources) = spec.get("resources").filter(|resources| resources.is_object()) else { return };
    let given = |which: &str| resources[which].as_object().cloned().unwrap_or_default();
    let (mut limits, mut requests) = (given("limits"), given("requests"));
    if !limits.is_empty() || !requests.is_empty() {
        let pages = total(spec, "limits").into_iter().filter(|(name, _)| is_large_pages(name));
        for (name, amount) in pages.filter(|(name, _)| !requests.contains_key(name)) {
            limits.entry(name).or_insert_with(|| json!(amount.to_string()));
        }
    }
    if !limits.is_empty() {
        for (name, amount) in total(spec, "requests").into_iter().filter(|(name, _)| is_shared(name)) {
            requests.entry(name).or_insert_with(|| json!(amount.to_string()));
        }
        for (name, amount) in limits.iter().filter(|(name, _)| is_shared(name) || is_large_pages(name)) {
            requests.entry(name.clone()).or_insert_with(|| amount.clone());
        }
    }
    for (which, amounts) in [("limits", limits), ("requests", requests)] {
        if let (false, Some(resources)) = (amounts.is_empty(), spec.get_mut("resources")) {
            resources[which] = Value::Object(amounts);
        }
    }
}

/// Gives containers of a pod whose limits are none, but there, requests that are so, too.
pub(super) fn request_empty_limits(pod: &mut Value) {
    for list in ["containers", "initContainers"] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let resources = container.get_mut("resources").and_then(Value::as_object_mut);
            if let Some(resources) = resources.filter(|resources| resources.get("limits").is_some_and(Value::is_object))
            {
                resources.entry("requests").or_insert_with(|| json!({}));
            }
        }
    }
}

/// Returns whether more of a resource may be promised than there is.
fn is_shared(name: &str) -> bool {
    matches!(name, "cpu" | "memory")
}

fn is_large_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Adds up what the containers of a pod ask for, or are limited to (`AggregateContainerRequests`).
///
/// Those that go before the others count while they run: each alone with the ones before it that go on.
fn total(spec: &Map<String, Value>, which: &str) -> Amounts {
    let containers = |list: &str| spec.get(list).and_then(Value::as_array).into_iter().flatten();
    let mut sum = Amounts::new();
    for container in containers("containers") {
        add(&mut sum, &amounts(container, which));
    }
    let (mut lasting, mut most) = (Amounts::new(), Amounts::new());
    for container in containers("initContainers") {
        let mut own = amounts(container, which);
        if container["restartPolicy"] == "Always" {
            add(&mut sum, &own);
            add(&mut lasting, &own);
            raise(&mut most, &lasting);
        } else {
            add(&mut own, &lasting);
            raise(&mut most, &own);
        }
    }
    raise(&mut sum, &most);
    sum
}

fn amounts(container: &Value, which: &str) -> Amounts {
    let given = container["resources"][which].as_object().into_iter().flatten();
    given.filter_map(|(name, amount)| Some((name.clone(), amount.as_str()?.parse().ok()?))).collect()
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let had = sum.get(name).copied().filter(|had| had.nanos() != 0);
        // The first that is something says how the sum is written.
        let now = had.map_or(*amount, |had| had.with_nanos(had.nanos() + amount.nanos()));
        sum.insert(name.clone(), now);
    }
}

fn raise(most: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        if most.get(name).is_none_or(|had| had < amount) {
            most.insert(name.clone(), *amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_is_limited_asks_for_what_its_containers_ask_for() {
        let container = |cpu: &str| json!({ "resources": { "requests": { "cpu": cpu, "example.com/gpu": "1" } } });
        let mut spec = json!({
            "resources": { "limits": { "memory": "1Gi" } },
            "containers": [container("100m"), container("200m")],
            "initContainers": [container("1"), { "restartPolicy": "Always", "resources": { "limits": { "hugepages-2Mi": "4Mi" } } }],
        });
        complete(spec.as_object_mut().expect("holds because it was written so"));
        assert_eq!(
            spec["resources"],
            json!({
                "limits": { "memory": "1Gi", "hugepages-2Mi": "4Mi" },
                "requests": { "cpu": "1", "memory": "1Gi", "hugepages-2Mi": "4Mi" },
            })
        );
    }

    #[test]
    fn a_pod_that_says_nothing_of_itself_is_left_alone() {
        let mut spec = json!({ "resources": {}, "containers": [{ "resources": { "requests": { "cpu": "1" } } }] });
        complete(spec.as_object_mut().expect("holds because it was written so"));
        assert_eq!(spec["resources"], json!({}));
    }
}
