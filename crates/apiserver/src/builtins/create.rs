//! What the registry does to an object as it is created or replaced: generated fields, and what is allocated.

use serde_json::{Map, Value, json};

use super::allocator::Allocator;
use super::quantity::Quantity;
use super::{FieldError, services};

/// What a write may draw on.
#[derive(Debug, Clone, Copy)]
pub struct WriteContext<'a> {
    /// The uid of the object.
    pub uid: &'a str,
    /// The time, as `metadata.creationTimestamp` spells it.
    pub now: &'a str,
    /// The cluster's pools.
    pub allocator: &'a Allocator,
    /// A dry run takes nothing from the pools.
    pub dry_run: bool,
    /// Whether a Job got its labels from its template: to Go they are then one map, and what is added to one is in both.
    pub shares_labels: bool,
}

/// Why what a write asks for cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Fields ask for it that may not.
    Invalid(Vec<FieldError>),
    /// The server failed, and says so.
    Internal(String),
    /// The server failed, and says nothing but why.
    Unforeseen(String),
}

impl From<Vec<FieldError>> for Refusal {
    fn from(mistakes: Vec<FieldError>) -> Self {
        Self::Invalid(mistakes)
    }
}

pub(super) fn prepare_create(
    group: &str,
    kind: &str,
    object: &mut Value,
    ctx: &WriteContext<'_>,
) -> Result<(), Refusal> {
    match (group, kind) {
        ("", "Namespace") => {
            let finalizers = &mut object["spec"]["finalizers"];
            match finalizers.as_array_mut() {
                Some(names) if names.contains(&json!("kubernetes")) => {}
                Some(names) => names.push(json!("kubernetes")),
                None => *finalizers = json!(["kubernetes"]),
            }
            object["status"]["phase"] = json!("Active");
        }
        ("", "PersistentVolume") => {
            object["status"]["phase"] = json!("Pending");
            object["status"]["lastPhaseTransitionTime"] = json!(ctx.now);
        }
        ("", "PersistentVolumeClaim") => object["status"]["phase"] = json!("Pending"),
        // What is served here, and by no service, is there from the start.
        ("apiregistration.k8s.io", "APIService") if !object["spec"]["service"].is_object() => {
            object["status"]["conditions"] = json!([{
                "type": "Available", "status": "True", "lastTransitionTime": ctx.now, "reason": "Local",
                "message": "Local APIServices are always available",
            }]);
        }
        ("", "Pod") => {
            let class = quality_of_service(&object["spec"]);
            object["status"]["phase"] = json!("Pending");
            object["status"]["qosClass"] = json!(class);
            if object["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
                object["status"]["conditions"] = json!([{
                    "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": ctx.now,
                    "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates",
                }]);
            }
        }
        ("", "Service") => services::prepare_create(object, ctx)?,
        ("apps", "DaemonSet") => set_annotation(object, TEMPLATE_GENERATION, "1"),
        ("autoscaling", "HorizontalPodAutoscaler") => forget_reported(object),
        ("batch", "Job") => {
            select_by_uid(object, ctx.uid);
            if ctx.shares_labels {
                object["metadata"]["labels"] = object["spec"]["template"]["metadata"]["labels"].clone();
            }
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn prepare_update(
    group: &str,
    kind: &str,
    old: &Value,
    object: &mut Value,
    ctx: &WriteContext<'_>,
) -> Result<(), Refusal> {
    match (group, kind) {
        ("", "Namespace") => {
            let finalizers = old["spec"].get("finalizers").cloned();
            match finalizers {
                Some(finalizers) => object["spec"]["finalizers"] = finalizers,
                None => drop(object["spec"].as_object_mut().map(|spec| spec.remove("finalizers"))),
            }
        }
        ("", "Service") => services::prepare_update(old, object, ctx)?,
        ("apps", "DaemonSet") => {
            let before =
                old.pointer("/metadata/annotations").and_then(|annotations| annotations[TEMPLATE_GENERATION].as_str());
            let before: u64 = before.and_then(|text| text.parse().ok()).unwrap_or(1);
            let changed = old.pointer("/spec/template") != object.pointer("/spec/template");
            set_annotation(object, TEMPLATE_GENERATION, &(before + u64::from(changed)).to_string());
        }
        _ => {}
    }
    Ok(())
}

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

fn set_annotation(object: &mut Value, key: &str, value: &str) {
    let annotations = &mut object["metadata"]["annotations"];
    if annotations.is_null() {
        *annotations = json!({});
    }
    annotations[key] = json!(value);
}

/// Takes out of a new autoscaler of version 1 what its annotations say of a status, which it does not have yet.
fn forget_reported(autoscaler: &mut Value) {
    let Some(meta) = autoscaler.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("autoscaling.alpha.kubernetes.io/current-metrics");
        annotations.remove("autoscaling.alpha.kubernetes.io/conditions");
        if annotations.is_empty() {
            meta.remove("annotations");
        }
    }
}

/// Gives a Job the selector and labels that carry its uid, unless its owner selects by hand.
fn select_by_uid(job: &mut Value, uid: &str) {
    if job["spec"]["manualSelector"] == json!(true) {
        return;
    }
    let name = json!(job["metadata"]["name"].as_str().unwrap_or_default());
    let metadata = &mut job["spec"]["template"]["metadata"];
    if metadata["labels"].is_null() {
        metadata["labels"] = json!({});
    }
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", json!(uid)),
        ("batch.kubernetes.io/job-name", name.clone()),
        ("controller-uid", json!(uid)),
        ("job-name", name),
    ] {
        metadata["labels"][key] = value;
    }
    let selector = &mut job["spec"]["selector"];
    if selector.is_null() {
        *selector = json!({ "matchLabels": {} });
    }
    selector["matchLabels"]["batch.kubernetes.io/controller-uid"] = json!(uid);
}

/// Returns the class of a pod by what it asks for and what it is limited to: processors and memory, more than nothing.
pub(crate) fn quality_of_service(spec: &Value) -> &'static str {
    const COUNTED: [&str; 2] = ["cpu", "memory"];
    let amount = |resources: &Value, which: &str, what: &str| {
        let quantity = resources[which][what].as_str()?.parse::<Quantity>().ok()?;
        Some(quantity.nanos()).filter(|nanos| *nanos > 0)
    };
    let whole_pod = &spec["resources"];
    let containers: Vec<&Value> = if whole_pod.is_object() {
        vec![whole_pod]
    } else {
        let lists = ["containers", "initContainers"].into_iter();
        lists
            .flat_map(|list| spec[list].as_array().into_iter().flatten())
            .map(|container| &container["resources"])
            .collect()
    };
    let limits_no_pod = whole_pod.is_object() && whole_pod["limits"].as_object().is_none_or(Map::is_empty);
    let limits_all =
        |resources: &&Value| limits_no_pod || COUNTED.iter().all(|what| amount(resources, "limits", what).is_some());
    let every_limited = containers.iter().all(limits_all);
    let sum = |which: &str, what: &str| {
        let amounts = containers.iter().filter_map(|resources| amount(resources, which, what));
        amounts.fold(None, |sum: Option<i128>, amount| Some(sum.unwrap_or(0) + amount))
    };
    let sums = |which: &str| COUNTED.map(|what| sum(which, what));
    let (requests, limits) = (sums("requests"), sums("limits"));
    if requests.iter().chain(&limits).all(Option::is_none) {
        "BestEffort"
    } else if every_limited && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}
