//! What runs pods and keeps them running (`pkg/apis/apps/validation`, replication controllers, disruption budgets).

use serde_json::{Value, json};

use super::errors::at;
use super::{
    Errors, entries, internal, is_empty, is_empty_selector, items, meta, names, non_negative, number, pods, storage,
    text,
};

const DOES_NOT_MATCH: &str = "`selector` does not match template `labels`";

pub(super) fn deployment(spec: &Value, errors: &mut Errors) {
    non_negative(spec, &["replicas"], "spec", errors);
    if strict_selector(spec, "deployment", errors) {
        labels_match(spec, errors);
        pods::template(&spec["template"], "spec.template", errors);
        always_runs(spec, "ReplicaSet", errors);
    } else {
        errors.invalid_object("spec.selector", &spec["selector"], "invalid label selector");
    }
    strategy(&spec["strategy"], errors);
    non_negative(spec, &["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"], "spec", errors);
    let ready_secs = number(spec, "minReadySeconds").unwrap_or(0);
    if let Some(secs) = number(spec, "progressDeadlineSeconds").filter(|secs| *secs <= ready_secs) {
        errors.invalid_number("spec.progressDeadlineSeconds", secs, "must be greater than minReadySeconds");
    }
}

pub(super) fn replica_set(spec: &Value, errors: &mut Errors) {
    non_negative(spec, &["replicas", "minReadySeconds"], "spec", errors);
    if strict_selector(spec, "deployment", errors) {
        labels_match(spec, errors);
        pods::template(&spec["template"], "spec.template", errors);
        always_runs(spec, "ReplicaSet", errors);
    } else {
        errors.invalid_object("spec.selector", &spec["selector"], "invalid label selector");
    }
}

pub(super) fn replication_controller(spec: &Value, errors: &mut Errors) {
    non_negative(spec, &["minReadySeconds"], "spec", errors);
    if is_empty(&spec["selector"]) {
        errors.required("spec.selector", "");
    }
    non_negative(spec, &["replicas"], "spec", errors);
    let template = &spec["template"];
    if template.is_null() {
        return errors.required("spec.template", "");
    }
    let labels = &template["metadata"]["labels"];
    if entries(&spec["selector"]).any(|(key, value)| labels.get(key) != Some(value)) {
        errors.invalid_object("spec.template.metadata.labels", labels, DOES_NOT_MATCH);
    }
    pods::template(template, "spec.template", errors);
    always_runs(spec, "ReplicationController", errors);
}

/// Checks the selector that a controller must have; returns whether it can be used.
fn strict_selector(spec: &Value, noun: &str, errors: &mut Errors) -> bool {
    let chosen = &spec["selector"];
    if chosen.is_null() {
        errors.required("spec.selector", "");
        return true;
    }
    meta::selector(chosen, "spec.selector", errors);
    if is_empty_selector(chosen) {
        errors.invalid_object("spec.selector", chosen, &format!("empty selector is invalid for {noun}"));
    }
    meta::is_usable(chosen)
}

/// An empty selector matches all; a missing one nothing, and says so.
fn labels_match(spec: &Value, errors: &mut Errors) {
    let (chosen, labels) = (&spec["selector"], &spec["template"]["metadata"]["labels"]);
    if chosen.is_null() || !super::selects(chosen, labels) {
        errors.invalid_object("spec.template.metadata.labels", labels, DOES_NOT_MATCH);
    }
}

fn always_runs(spec: &Value, controller: &str, errors: &mut Errors) {
    let pod = &spec["template"]["spec"];
    if text(pod, "restartPolicy") != "Always" {
        errors.not_supported("spec.template.spec.restartPolicy", &pod["restartPolicy"], &["Always"]);
    }
    if !pod["activeDeadlineSeconds"].is_null() {
        let detail = format!("activeDeadlineSeconds in {controller} is not Supported");
        errors.forbidden("spec.template.spec.activeDeadlineSeconds", &detail);
    }
}

pub(super) fn stateful_set(spec: &Value, is_new: bool, errors: &mut Errors) {
    match text(spec, "podManagementPolicy") {
        "" => errors.required("spec.podManagementPolicy", ""),
        "OrderedReady" | "Parallel" => {}
        _ => {
            let detail = "must be 'OrderedReady' or 'Parallel'";
            errors.invalid("spec.podManagementPolicy", &spec["podManagementPolicy"], detail);
        }
    }
    stateful_strategy(&spec["updateStrategy"], errors);
    let retention = &spec["persistentVolumeClaimRetentionPolicy"];
    for field in ["whenDeleted", "whenScaled"].iter().filter(|_| !retention.is_null()) {
        if !["Retain", "Delete"].contains(&text(retention, field)) {
            let path = format!("spec.persistentVolumeClaimRetentionPolicy.{field}");
            errors.not_supported(&path, &retention[*field], &["Retain", "Delete"]);
        }
    }
    // What may not change is told to have changed, not what is wrong with it.
    for (index, claim) in items(&spec["volumeClaimTemplates"]).filter(|_| is_new) {
        storage::claim_spec(&claim["spec"], &format!("spec.volumeClaimTemplates[{index}].spec"), errors);
    }
    non_negative(spec, &["replicas", "minReadySeconds"], "spec", errors);
    non_negative(&spec["ordinals"], &["start"], "spec.ordinals", errors);
    let service = text(spec, "serviceName");
    if is_new && !service.is_empty() {
        errors.invalid_each("spec.serviceName", service, names::dns_label(service));
    }
    if strict_selector(spec, "statefulset", errors) {
        labels_match(spec, errors);
        let template = with_claims(spec);
        pods::template(&template, "spec.template", errors);
        let meta = &template["metadata"];
        meta::labels(&meta["labels"], "spec.template.labels", errors);
        meta::annotations(&meta["annotations"], "spec.template.annotations", errors);
        pods::annotations(&meta["annotations"], &template["spec"], "spec.template.annotations", errors);
    } else {
        errors.invalid_object("spec.selector", &spec["selector"], "");
    }
    always_runs(spec, "StatefulSet", errors);
}

/// Returns the template as the controller will use it: with the claims' volumes, without names of its own.
fn with_claims(spec: &Value) -> Value {
    let mut template = spec["template"].clone();
    let Some(pod) = template["spec"].as_object_mut() else { return template };
    pod.remove("subdomain");
    pod.remove("hostname");
    // Upstream takes them from a map, most often in the order in which they came.
    let mut claims: Vec<&str> = Vec::new();
    for name in items(&spec["volumeClaimTemplates"]).map(|(_, claim)| text(&claim["metadata"], "name")) {
        if !claims.contains(&name) {
            claims.push(name);
        }
    }
    if !claims.is_empty() {
        let own = pod.remove("volumes").unwrap_or_default();
        let mut volumes: Vec<Value> = (claims.iter())
            .map(|name| json!({ "name": name, "persistentVolumeClaim": { "claimName": name } }))
            .collect();
        volumes
            .extend(items(&own).filter(|(_, volume)| !claims.contains(&text(volume, "name"))).map(|(_, v)| v.clone()));
        pod.insert("volumes".to_owned(), Value::Array(volumes));
    }
    template
}

fn stateful_strategy(strategy: &Value, errors: &mut Errors) {
    const PATH: &str = "spec.updateStrategy";
    let rolling = &strategy["rollingUpdate"];
    match text(strategy, "type") {
        "" => errors.required(PATH, ""),
        "OnDelete" => {
            if !rolling.is_null() {
                let printed = internal::print("io.k8s.api.apps.v1.RollingUpdateStatefulSetStrategy", rolling);
                let detail = "only allowed for updateStrategy 'RollingUpdate'";
                errors.invalid_printed(&at(PATH, "rollingUpdate"), &printed, detail);
            }
        }
        "RollingUpdate" => {
            let path = at(PATH, "rollingUpdate");
            non_negative(rolling, &["partition"], &path, errors);
            let most = &rolling["maxUnavailable"];
            if !most.is_null() {
                let field = at(&path, "maxUnavailable");
                int_or_percent(most, &field, errors);
                if share(most) == 0 {
                    errors.invalid(&field, most, "cannot be 0");
                }
                at_most_all(most, &field, errors);
            }
        }
        _ => {
            let printed = internal::print("io.k8s.api.apps.v1.StatefulSetUpdateStrategy", strategy);
            errors.invalid_printed(PATH, &printed, "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
}

pub(super) fn daemon_set(spec: &Value, errors: &mut Errors) {
    let (chosen, template) = (&spec["selector"], &spec["template"]);
    meta::selector(chosen, "spec.selector", errors);
    if meta::is_usable(chosen) {
        labels_match(spec, errors);
    }
    if !chosen.is_null() && is_empty_selector(chosen) {
        errors.invalid_object("spec.selector", chosen, "empty selector is invalid for daemonset");
    }
    pods::template(template, "spec.template", errors);
    always_runs(spec, "DaemonSet", errors);
    non_negative(spec, &["minReadySeconds"], "spec", errors);
    daemon_strategy(&spec["updateStrategy"], errors);
    non_negative(spec, &["revisionHistoryLimit"], "spec", errors);
}

fn daemon_strategy(strategy: &Value, errors: &mut Errors) {
    const PATH: &str = "spec.updateStrategy";
    let rolling = &strategy["rollingUpdate"];
    match text(strategy, "type") {
        "OnDelete" => {}
        "RollingUpdate" if rolling.is_null() => errors.required(&at(PATH, "rollingUpdate"), ""),
        "RollingUpdate" => {
            let (most, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
            let path = at(PATH, "rollingUpdate");
            let (most_field, surge_field) = (at(&path, "maxUnavailable"), at(&path, "maxSurge"));
            int_or_percent(most, &most_field, errors);
            int_or_percent(surge, &surge_field, errors);
            at_most_all(most, &most_field, errors);
            at_most_all(surge, &surge_field, errors);
            match (share(most) != 0, share(surge) != 0) {
                (true, true) => {
                    errors.invalid(&surge_field, surge, "may not be set when maxUnavailable is non-zero");
                }
                (false, false) => errors.required(&most_field, "cannot be 0 when maxSurge is 0"),
                _ => {}
            }
        }
        _ => {
            let printed = internal::print("io.k8s.api.apps.v1.DaemonSetUpdateStrategy", strategy);
            errors.not_supported_printed(PATH, &printed, &["RollingUpdate", "OnDelete"]);
        }
    }
}

fn strategy(strategy: &Value, errors: &mut Errors) {
    const PATH: &str = "spec.strategy";
    let rolling = &strategy["rollingUpdate"];
    match text(strategy, "type") {
        "Recreate" => {
            if !rolling.is_null() {
                let detail = "may not be specified when strategy `type` is 'Recreate'";
                errors.forbidden(&at(PATH, "rollingUpdate"), detail);
            }
        }
        "RollingUpdate" => {
            let (most, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
            let path = at(PATH, "rollingUpdate");
            let field = at(&path, "maxUnavailable");
            int_or_percent(most, &field, errors);
            int_or_percent(surge, &at(&path, "maxSurge"), errors);
            if share(most) == 0 && share(surge) == 0 {
                errors.invalid(&field, most, "may not be 0 when `maxSurge` is 0");
            }
            at_most_all(most, &field, errors);
        }
        _ => {
            let printed = internal::print("io.k8s.api.apps.v1.DeploymentStrategy", strategy);
            errors.not_supported_printed(PATH, &printed, &["Recreate", "RollingUpdate"]);
        }
    }
}

/// Checks a count or a share in percent.
fn int_or_percent(value: &Value, field: &str, errors: &mut Errors) {
    match value {
        Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
            errors.invalid(field, value, super::NOT_NEGATIVE);
        }
        Value::String(text) => errors.invalid_each(field, text, names::percent(text)),
        _ => {}
    }
}

fn percentage(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    if names::percent(text).is_empty() { text.trim_end_matches('%').parse().ok() } else { None }
}

/// Returns the number in a count or share; what is neither is 0.
fn share(value: &Value) -> i64 {
    percentage(value).or_else(|| value.as_i64()).or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

fn at_most_all(value: &Value, field: &str, errors: &mut Errors) {
    if percentage(value).is_some_and(|percentage| percentage > 100) {
        errors.invalid(field, value, "must not be greater than 100%");
    }
}

pub(super) fn disruption_budget(spec: &Value, errors: &mut Errors) {
    let bounds = ["minAvailable", "maxUnavailable"];
    if bounds.iter().all(|field| !spec[*field].is_null()) {
        let printed = internal::print("io.k8s.api.policy.v1.PodDisruptionBudgetSpec", spec);
        errors.invalid_printed("spec", &printed, "minAvailable and maxUnavailable cannot be both set");
    }
    for field in bounds {
        int_or_percent(&spec[field], &at("spec", field), errors);
        at_most_all(&spec[field], &at("spec", field), errors);
    }
    meta::selector(&spec["selector"], "spec.selector", errors);
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    errors.one_of("spec.unhealthyPodEvictionPolicy", &spec["unhealthyPodEvictionPolicy"], &policies);
}

pub(super) fn revision(revision: &Value, is_new: bool, errors: &mut Errors) {
    non_negative(revision, &["revision"], "", errors);
    if is_new && revision["data"].is_null() {
        errors.required("data", "data is mandatory");
    }
}
