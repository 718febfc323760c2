//! HorizontalPodAutoscalers between `autoscaling/v1` and `v2`: what version 1 has no field for stands in annotations.
//!
//! After Kubernetes' `pkg/apis/autoscaling/v1` conversions, 1.35.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// What version 1 scales by when it names no target.
const DEFAULT_CPU_UTILIZATION: i64 = 80;

/// A field of the old form, and where the new one has it, from the source's own map.
type Row = (&'static str, &'static [&'static str]);

/// The sources of metrics: their name, the old form's fields in Go's order, and which of them are written when empty.
const SOURCES: [(&str, &[Row], &[&str]); 5] = [
    (
        "object",
        &[
            ("target", &["describedObject"]),
            ("metricName", &["metric", "name"]),
            ("targetValue", &["target", "value"]),
            ("selector", &["metric", "selector"]),
            ("averageValue", &["target", "averageValue"]),
        ],
        &["metricName", "targetValue"],
    ),
    (
        "pods",
        &[
            ("metricName", &["metric", "name"]),
            ("targetAverageValue", &["target", "averageValue"]),
            ("selector", &["metric", "selector"]),
        ],
        &["metricName", "targetAverageValue"],
    ),
    (
        "resource",
        &[
            ("name", &["name"]),
            ("targetAverageUtilization", &["target", "averageUtilization"]),
            ("targetAverageValue", &["target", "averageValue"]),
        ],
        &["name"],
    ),
    (
        "containerResource",
        &[
            ("name", &["name"]),
            ("targetAverageUtilization", &["target", "averageUtilization"]),
            ("targetAverageValue", &["target", "averageValue"]),
            ("container", &["container"]),
        ],
        &["name", "container"],
    ),
    (
        "external",
        &[
            ("metricName", &["metric", "name"]),
            ("metricSelector", &["metric", "selector"]),
            ("targetValue", &["target", "value"]),
            ("targetAverageValue", &["target", "averageValue"]),
        ],
        &["metricName"],
    ),
];

/// The same for what a status reports.
const STATUSES: [(&str, &[Row], &[&str]); 5] = [
    (
        "object",
        &[
            ("target", &["describedObject"]),
            ("metricName", &["metric", "name"]),
            ("currentValue", &["current", "value"]),
            ("selector", &["metric", "selector"]),
            ("averageValue", &["current", "averageValue"]),
        ],
        &["metricName", "currentValue"],
    ),
    (
        "pods",
        &[
            ("metricName", &["metric", "name"]),
            ("currentAverageValue", &["current", "averageValue"]),
            ("selector", &["metric", "selector"]),
        ],
        &["metricName", "currentAverageValue"],
    ),
    (
        "resource",
        &[
            ("name", &["name"]),
            ("currentAverageUtilization", &["current", "averageUtilization"]),
            ("currentAverageValue", &["current", "averageValue"]),
        ],
        &["name", "currentAverageValue"],
    ),
    (
        "containerResource",
        &[
            ("name", &["name"]),
            ("currentAverageUtilization", &["current", "averageUtilization"]),
            ("currentAverageValue", &["current", "averageValue"]),
            ("container", &["container"]),
        ],
        &["name", "currentAverageValue", "container"],
    ),
    (
        "external",
        &[
            ("metricName", &["metric", "name"]),
            ("metricSelector", &["metric", "selector"]),
            ("currentValue", &["current", "value"]),
            ("currentAverageValue", &["current", "averageValue"]),
        ],
        &["metricName", "currentValue"],
    ),
];

/// Turns a version 2 autoscaler into version 1.
pub(crate) fn to_v1(object: &mut Value) {
    let mut annotations = annotations(object);
    let spec = object.get_mut("spec").and_then(Value::as_object_mut);
    let (mut metrics, mut behavior) = (Value::Null, Value::Null);
    if let Some(spec) = spec {
        metrics = spec.remove("metrics").unwrap_or_default();
        behavior = spec.remove("behavior").unwrap_or_default();
        if let Some(target) = items(&metrics).find_map(cpu_target) {
            spec.insert("targetCPUUtilizationPercentage".to_owned(), target.clone());
        }
    }
    let others: Vec<String> = items(&metrics)
        .filter(|metric| cpu_target(metric).is_none())
        .map(|metric| old_metric(metric, &SOURCES))
        .collect();
    if !others.is_empty() {
        annotations.insert(METRICS.to_owned(), json!(format!("[{}]", others.join(","))));
    }
    if behavior.is_object() {
        annotations.insert(BEHAVIOR.to_owned(), json!(internal_behavior(&behavior)));
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        let current = status.remove("currentMetrics").unwrap_or_default();
        let conditions = status.remove("conditions").unwrap_or_default();
        let utilization = items(&current)
            .filter(|metric| metric["type"] == "Resource" && metric["resource"]["name"] == "cpu")
            .filter_map(|metric| metric["resource"]["current"].get("averageUtilization"))
            .next_back();
        if let Some(utilization) = utilization {
            status.insert("currentCPUUtilizationPercentage".to_owned(), utilization.clone());
        }
        let reported: Vec<String> = items(&current).map(|metric| old_metric(metric, &STATUSES)).collect();
        if !reported.is_empty() {
            annotations.insert(CURRENT_METRICS.to_owned(), json!(format!("[{}]", reported.join(","))));
        }
        let conditions: Vec<String> = items(&conditions).map(condition).collect();
        if !conditions.is_empty() {
            annotations.insert(CONDITIONS.to_owned(), json!(format!("[{}]", conditions.join(","))));
        }
        // Version 1 always says how many there are.
        status.entry("currentReplicas").or_insert(json!(0));
        status.entry("desiredReplicas").or_insert(json!(0));
    }
    set_annotations(object, annotations);
    object["apiVersion"] = json!("autoscaling/v1");
}

/// Turns a version 1 autoscaler into version 2.
pub(crate) fn to_v2(object: &mut Value) {
    let said = object["metadata"]["annotations"].clone();
    let said = |name: &str| -> Option<Value> { serde_json::from_str(said[name].as_str()?).ok() };
    let annotations = annotations(object);
    if !object["spec"].is_object() {
        object["spec"] = json!({});
    }
    let mut metrics: Vec<Value> =
        said(METRICS).iter().flat_map(items).map(|metric| new_metric(metric, &SOURCES)).collect();
    if let Some(target) = object["spec"].as_object_mut().and_then(|spec| spec.remove("targetCPUUtilizationPercentage"))
        && !target.is_null()
    {
        metrics.push(cpu_metric(&target));
    }
    if metrics.is_empty() {
        metrics.push(cpu_metric(&json!(DEFAULT_CPU_UTILIZATION)));
    }
    object["spec"]["metrics"] = json!(metrics);
    if let Some(behavior) = said(BEHAVIOR).filter(Value::is_object) {
        object["spec"]["behavior"] = external_behavior(&behavior);
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        let utilization = status.remove("currentCPUUtilizationPercentage").filter(|value| !value.is_null());
        let reported = match (said(CURRENT_METRICS), utilization) {
            (Some(reported), _) => items(&reported).map(|metric| new_metric(metric, &STATUSES)).collect(),
            (None, Some(utilization)) => {
                let current = json!({ "averageUtilization": utilization });
                vec![json!({ "type": "Resource", "resource": { "name": "cpu", "current": current } })]
            }
            (None, None) => Vec::new(),
        };
        if !reported.is_empty() {
            status.insert("currentMetrics".to_owned(), json!(reported));
        }
        if let Some(conditions) = said(CONDITIONS).filter(Value::is_array) {
            status.insert("conditions".to_owned(), conditions);
        }
    }
    set_annotations(object, annotations);
    object["apiVersion"] = json!("autoscaling/v2");
}

fn items(list: &Value) -> std::slice::Iter<'_, Value> {
    list.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

/// Returns the annotations that are not of this conversion's making.
fn annotations(object: &Value) -> Map<String, Value> {
    let mut annotations = object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    for name in [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR] {
        annotations.remove(name);
    }
    annotations
}

fn set_annotations(object: &mut Value, annotations: Map<String, Value>) {
    let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if annotations.is_empty() {
        meta.remove("annotations");
    } else {
        meta.insert("annotations".to_owned(), Value::Object(annotations));
    }
}

fn cpu_target(metric: &Value) -> Option<&Value> {
    let resource = metric.get("resource").filter(|_| metric["type"] == "Resource")?;
    resource["target"].get("averageUtilization").filter(|target| resource["name"] == "cpu" && !target.is_null())
}

fn cpu_metric(target: &Value) -> Value {
    let target = json!({ "type": "Utilization", "averageUtilization": target });
    json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } })
}

/// Writes a metric as version 1's encoder does.
fn old_metric(metric: &Value, sources: &[(&str, &[Row], &[&str])]) -> String {
    let mut text = format!("{{\"type\":{}", metric["type"]);
    for (source, rows, always) in sources {
        let Some(of) = metric.get(*source).filter(|of| of.is_object()) else { continue };
        let mut fields = Vec::new();
        for (name, path) in *rows {
            let value = path.iter().fold(of, |value, step| &value[*step]);
            if *name == "target" {
                fields.push(format!("\"target\":{}", reference(value)));
            } else if !value.is_null() {
                fields.push(format!("\"{name}\":{value}"));
            } else if always.contains(name) {
                let empty = if name.ends_with("Value") { "\"0\"" } else { "\"\"" };
                fields.push(format!("\"{name}\":{empty}"));
            }
        }
        write!(text, ",\"{source}\":{{{}}}", fields.join(",")).expect("writing to a string does not fail");
    }
    text.push('}');
    text
}

fn reference(object: &Value) -> String {
    let text = |key: &str| object.get(key).filter(|value| !value.is_null()).cloned().unwrap_or_else(|| json!(""));
    let version = text("apiVersion");
    let version = if version == "" { String::new() } else { format!(",\"apiVersion\":{version}") };
    format!("{{\"kind\":{},\"name\":{}{version}}}", text("kind"), text("name"))
}

fn condition(condition: &Value) -> String {
    let mut text = format!("{{\"type\":{},\"status\":{}", condition["type"], condition["status"]);
    write!(text, ",\"lastTransitionTime\":{}", condition["lastTransitionTime"])
        .expect("writing to a string does not fail");
    for key in ["reason", "message"] {
        if condition[key].as_str().is_some_and(|value| !value.is_empty()) {
            write!(text, ",\"{key}\":{}", condition[key]).expect("writing to a string does not fail");
        }
    }
    text.push('}');
    text
}

/// Reads a metric of version 1.
fn new_metric(metric: &Value, sources: &[(&str, &[Row], &[&str])]) -> Value {
    let is_target = sources == SOURCES;
    let mut out = json!({ "type": metric["type"] });
    for (source, rows, _) in sources {
        let Some(of) = metric.get(*source).filter(|of| of.is_object()) else { continue };
        let mut new = json!({});
        for (name, path) in *rows {
            let Some(value) = of.get(*name).filter(|value| !value.is_null()) else { continue };
            let mut at = &mut new;
            for step in *path {
                at = &mut at[*step];
            }
            *at = value.clone();
        }
        if is_target {
            let has = |name: &str| of.get(name).is_some_and(|value| !value.is_null());
            let kind = match *source {
                "object" if has("averageValue") => "AverageValue",
                "object" => "Value",
                "external" if has("targetValue") => "Value",
                "resource" | "containerResource" if has("targetAverageUtilization") => "Utilization",
                _ => "AverageValue",
            };
            new["target"]["type"] = json!(kind);
        }
        out[*source] = new;
    }
    out
}

/// Writes scaling rules as Go writes its internal type, by field names.
fn internal_behavior(behavior: &Value) -> String {
    let rules = |name: &str| {
        let Some(rules) = behavior.get(name).filter(|rules| rules.is_object()) else { return "null".to_owned() };
        let policies = match rules.get("policies").and_then(Value::as_array) {
            None => "null".to_owned(),
            Some(policies) => {
                let policies: Vec<String> = policies
                    .iter()
                    .map(|policy| {
                        format!(
                            "{{\"Type\":{},\"Value\":{},\"PeriodSeconds\":{}}}",
                            policy["type"], policy["value"], policy["periodSeconds"]
                        )
                    })
                    .collect();
                format!("[{}]", policies.join(","))
            }
        };
        format!(
            "{{\"StabilizationWindowSeconds\":{},\"SelectPolicy\":{},\"Policies\":{policies},\"Tolerance\":{}}}",
            rules["stabilizationWindowSeconds"], rules["selectPolicy"], rules["tolerance"]
        )
    };
    format!("{{\"ScaleUp\":{},\"ScaleDown\":{}}}", rules("scaleUp"), rules("scaleDown"))
}

fn external_behavior(behavior: &Value) -> Value {
    const NAMES: [(&str, &str); 4] = [
        ("StabilizationWindowSeconds", "stabilizationWindowSeconds"),
        ("SelectPolicy", "selectPolicy"),
        ("Policies", "policies"),
        ("Tolerance", "tolerance"),
    ];
    let mut out = json!({});
    for (internal, name) in [("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")] {
        let Some(rules) = behavior.get(internal).filter(|rules| rules.is_object()) else { continue };
        let mut new = json!({});
        for (from, to) in NAMES {
            if let Some(value) = rules.get(from).filter(|value| !value.is_null()) {
                new[to] = value.clone();
            }
        }
        for policy in new["policies"].as_array_mut().into_iter().flatten() {
            let renamed = json!({
                "type": policy["Type"], "value": policy["Value"], "periodSeconds": policy["PeriodSeconds"],
            });
            *policy = renamed;
        }
        if new["policies"].is_null()
            && let Some(new) = new.as_object_mut()
        {
            new.remove("policies");
        }
        out[name] = new;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_version_1_cannot_say_comes_back_from_its_annotations() {
        let v2 = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "a" },
            "spec": {
                "maxReplicas": 3, "scaleTargetRef": { "kind": "Deployment", "name": "d" },
                "metrics": [
                    { "type": "Pods", "pods": { "metric": { "name": "m" }, "target": { "type": "AverageValue", "averageValue": "1" } } },
                    { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } },
                ],
                "behavior": { "scaleDown": { "selectPolicy": "Max", "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 60 }] } },
            },
        });
        let mut object = v2.clone();
        to_v1(&mut object);
        assert_eq!(object["spec"]["targetCPUUtilizationPercentage"], 50);
        assert_eq!(
            object["metadata"]["annotations"][METRICS],
            r#"[{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"1"}}]"#
        );
        to_v2(&mut object);
        assert_eq!(object, v2);
    }
}
