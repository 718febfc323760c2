//! `LimitRanger`: a namespace's LimitRanges fill in what containers do not say and refuse what goes beyond.

use std::sync::Arc;

use serde_json::{Value, json};

use super::resources::{self, Amounts, comparable, fits_milli, milli, read};
use super::{Operation, Request, containers, text};
use crate::builtins::Quantity;
use crate::error::ApiError;
use crate::registry::{Registry, is_terminating};

/// Where a pod remembers what was filled in.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

fn ranges(registry: &mut Registry<'_>, namespace: &str) -> Vec<Arc<Value>> {
    super::all(registry, ("", "v1", "limitranges"), Some(namespace))
}

fn limits(range: &Value) -> impl Iterator<Item = &Value> {
    range["spec"]["limits"].as_array().into_iter().flatten()
}

fn applies(request: &Request<'_>) -> bool {
    let resource = request.target.resource;
    let goes = request.old.is_some_and(is_terminating);
    let resizes = request.target.subresource == "resize" && resource.is("", "pods");
    let judged = request.is_create_of("", "pods") || request.is_of("", "persistentvolumeclaims");
    !goes && (judged || (resizes && request.operation == Operation::Update))
}

pub(super) fn mutate(registry: &mut Registry<'_>, request: &Request<'_>, object: &mut Value) {
    if !applies(request) || !request.target.resource.is("", "pods") {
        return;
    }
    for range in ranges(registry, request.target.namespace) {
        let (mut requests, mut most) = (Amounts::new(), Amounts::new());
        for limit in limits(&range).filter(|limit| limit["type"] == "Container") {
            requests.extend(read(&limit["defaultRequest"]));
            most.extend(read(&limit["default"]));
        }
        fill_pod(object, &requests, &most);
    }
}

fn fill_pod(pod: &mut Value, requests: &Amounts, most: &Amounts) {
    let mut told = Vec::new();
    for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            for (which, defaults, word) in [("requests", requests, "request"), ("limits", most, "limit")] {
                let names = fill(container, which, defaults);
                if !names.is_empty() {
                    told.push(format!("{} {word} for {what} {}", names.join(", "), text(container, "/name")));
                }
            }
        }
    }
    if !told.is_empty() {
        let annotations = &mut pod["metadata"]["annotations"];
        if !annotations.is_object() {
            *annotations = json!({});
        }
        annotations[ANNOTATION] = json!(format!("LimitRanger plugin set: {}", told.join("; ")));
    }
}

/// Fills in what a container does not say and returns the names of it.
fn fill(container: &mut Value, which: &str, defaults: &Amounts) -> Vec<String> {
    let missing: Vec<(&String, &Quantity)> =
        defaults.iter().filter(|(name, _)| container["resources"][which].get(name.as_str()).is_none()).collect();
    if !missing.is_empty() && !container["resources"][which].is_object() {
        container["resources"][which] = json!({});
    }
    for (name, amount) in &missing {
        container["resources"][which][name.as_str()] = json!(amount.to_string());
    }
    missing.into_iter().map(|(name, _)| name.clone()).collect()
}

pub(super) fn validate(registry: &mut Registry<'_>, request: &Request<'_>, object: &Value) -> Result<(), ApiError> {
    if !applies(request) {
        return Ok(());
    }
    for range in ranges(registry, request.target.namespace) {
        let mut wrong: Vec<String> = Vec::new();
        for limit in limits(&range) {
            if request.target.resource.is("", "pods") {
                check_pod(limit, &object["spec"], &mut wrong);
            } else if limit["type"] == "PersistentVolumeClaim" {
                let asked = read(&object["spec"]["resources"]["requests"]);
                wrong.extend(check_claim(limit, &asked));
            }
        }
        if !wrong.is_empty() {
            return Err(request.forbid(object, &together(wrong)));
        }
    }
    Ok(())
}

/// Tells several mistakes as Go's aggregate error does: each once, in brackets when there are several.
fn together(wrong: Vec<String>) -> String {
    let mut told: Vec<String> = Vec::new();
    for message in wrong {
        if !told.contains(&message) {
            told.push(message);
        }
    }
    if told.len() == 1 { told.concat() } else { format!("[{}]", told.join(", ")) }
}

fn check_pod(limit: &Value, spec: &Value, wrong: &mut Vec<String>) {
    match text(limit, "/type") {
        "Container" => {
            for container in containers(spec, &["containers", "initContainers"]) {
                let have = &container["resources"];
                wrong.extend(Bounds { limit }.check(&read(&have["requests"]), &read(&have["limits"])));
            }
        }
        "Pod" => {
            let own = |name: &str| matches!(name, "cpu" | "memory");
            let requests = resources::of_pod(spec, "requests", false, own);
            let most = resources::of_pod(spec, "limits", false, own);
            wrong.extend(Bounds { limit }.check(&requests, &most));
        }
        _ => {}
    }
}

/// One item of a LimitRange, with the words of its refusals.
struct Bounds<'a> {
    limit: &'a Value,
}

impl Bounds<'_> {
    fn check(&self, requests: &Amounts, most: &Amounts) -> Vec<String> {
        let kind = text(self.limit, "/type");
        let mut wrong = Vec::new();
        for (name, bound) in read(&self.limit["min"]) {
            wrong.extend(too_little(kind, &name, &bound, requests.get(&name), most.get(&name)));
        }
        for (name, bound) in read(&self.limit["max"]) {
            wrong.extend(too_much(kind, &name, &bound, requests.get(&name), most.get(&name)));
        }
        for (name, bound) in read(&self.limit["maxLimitRequestRatio"]) {
            wrong.extend(too_steep(kind, &name, &bound, requests.get(&name), most.get(&name)));
        }
        wrong
    }
}

fn too_little(
    kind: &str,
    name: &str,
    bound: &Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let rule = format!("minimum {name} usage per {kind} is {bound}");
    let Some(request) = request else { return Some(format!("{rule}.  No request is specified")) };
    let [have, most, least] = comparable([Some(request), limit, Some(bound)]);
    if have < least {
        return Some(format!("{rule}, but request is {request}"));
    }
    limit.filter(|_| most < least).map(|limit| format!("{rule}, but limit is {limit}"))
}

fn too_much(
    kind: &str,
    name: &str,
    bound: &Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let rule = format!("maximum {name} usage per {kind} is {bound}");
    let Some(limit) = limit else { return Some(format!("{rule}.  No limit is specified")) };
    let [have, most, greatest] = comparable([request, Some(limit), Some(bound)]);
    if most > greatest {
        return Some(format!("{rule}, but limit is {limit}"));
    }
    request.filter(|_| have > greatest).map(|request| format!("{rule}, but request is {request}"))
}

fn too_steep(
    kind: &str,
    name: &str,
    bound: &Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let rule = format!("{name} max limit to request ratio per {kind} is {bound}");
    let [have, most, _] = comparable([request, limit, Some(bound)]);
    if have == 0 {
        return Some(format!("{rule}, but no request is specified or request is 0"));
    }
    if most == 0 {
        return Some(format!("{rule}, but no limit is specified or limit is 0"));
    }
    let ratio = most as f64 / have as f64;
    let (compared, greatest) =
        if fits_milli(bound) { (ratio * 1000.0, milli(bound) as f64) } else { (ratio, bound.value() as f64) };
    (compared > greatest).then(|| format!("{rule}, but provided ratio is {ratio:.6}"))
}

fn check_claim(limit: &Value, asked: &Amounts) -> Vec<String> {
    let kind = "PersistentVolumeClaim";
    let mut wrong = Vec::new();
    for (name, bound) in read(&limit["min"]) {
        wrong.extend(too_little(kind, &name, &bound, asked.get(&name), None));
    }
    for (name, bound) in read(&limit["max"]) {
        let rule = format!("maximum {name} usage per {kind} is {bound}");
        match asked.get(&name) {
            None => wrong.push(format!("{rule}.  No request is specified")),
            Some(request) => {
                let [have, greatest] = comparable([Some(request), Some(&bound)]);
                if have > greatest {
                    wrong.push(format!("{rule}, but request is {request}"));
                }
            }
        }
    }
    wrong
}
