//! What runs pods: deployments, sets, jobs; and what watches over them.

use serde_json::Value;

use super::{Errors, is_empty_selector, items, names, non_negative, number, pods, selector, selects, text};

const DOES_NOT_MATCH: &str = "`selector` does not match template `labels`";

pub(super) fn deployment(spec: &Value, errors: &mut Errors) {
    non_negative(spec, &["replicas"], "spec", errors);
    selector_and_template(spec, "deployment", "ReplicaSet", errors);
    strategy(&spec["strategy"], errors);
    non_negative(spec, &["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"], "spec", errors);
    let ready_secs = number(spec, "minReadySeconds").unwrap_or(0);
    if number(spec, "progressDeadlineSeconds").is_some_and(|deadline_secs| deadline_secs <= ready_secs) {
        let field = "spec.progressDeadlineSeconds";
        errors.invalid(field, &spec["progressDeadlineSeconds"], "must be greater than minReadySeconds");
    }
}

pub(super) fn replica_set(spec: &Value, errors: &mut Errors) {
    non_negative(spec, &["replicas", "minReadySeconds"], "spec", errors);
    selector_and_template(spec, "deployment", "ReplicaSet", errors);
}

pub(super) fn replication_controller(spec: &Value, errors: &mut Errors) {
    non_negative(spec, &["replicas", "minReadySeconds"], "spec", errors);
    if spec["selector"].as_object().is_none_or(serde_json::Map::is_empty) {
        errors.required("spec.selector", "");
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if super::entries(&spec["selector"]).any(|(key, value)| labels.get(key) != Some(value)) {
        errors.invalid("spec.template.metadata.labels", labels, DOES_NOT_MATCH);
    }
    pods::template(&spec["template"], "spec.template", errors);
}

pub(super) fn stateful_set(spec: &Value, errors: &mut Errors) {
    let policy = &spec["podManagementPolicy"];
    if !["OrderedReady", "Parallel"].contains(&text(spec, "podManagementPolicy")) {
        errors.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'");
    }
    let strategy = &spec["updateStrategy"];
    if !["RollingUpdate", "OnDelete"].contains(&text(strategy, "type")) {
        errors.invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'");
    }
    for (at, claim) in items(&spec["volumeClaimTemplates"]) {
        super::core::claim_spec(&claim["spec"], &format!("spec.volumeClaimTemplates[{at}].spec"), errors);
    }
    non_negative(spec, &["replicas", "minReadySeconds"], "spec", errors);
    for problem in spec["serviceName"].as_str().map(names::dns_label).unwrap_or_default() {
        errors.invalid("spec.serviceName", &spec["serviceName"], &problem);
    }
    // The claims' volumes exist in the pods, though not in the template.
    let mut spec = spec.clone();
    let claims: Vec<Value> =
        items(&spec["volumeClaimTemplates"]).map(|(_, claim)| claim["metadata"]["name"].clone()).collect();
    if !claims.is_empty() {
        let volumes = &mut spec["template"]["spec"]["volumes"];
        let mut list = volumes.as_array().cloned().unwrap_or_default();
        list.retain(|volume| !claims.contains(&volume["name"]));
        list.extend(claims.into_iter().map(|name| serde_json::json!({ "name": name, "emptyDir": {} })));
        *volumes = Value::Array(list);
    }
    selector_and_template(&spec, "statefulset", "StatefulSet", errors);
}

pub(super) fn daemon_set(spec: &Value, errors: &mut Errors) {
    selector_and_template(spec, "daemonset", "DaemonSet", errors);
    non_negative(spec, &["minReadySeconds", "revisionHistoryLimit"], "spec", errors);
    let kind = text(&spec["updateStrategy"], "type");
    if !["RollingUpdate", "OnDelete"].contains(&kind) {
        let field = "spec.updateStrategy.type";
        errors.not_supported(field, &spec["updateStrategy"]["type"], &["OnDelete", "RollingUpdate"]);
    }
}

fn selector_and_template(spec: &Value, noun: &str, controller: &str, errors: &mut Errors) {
    let (chosen, template) = (&spec["selector"], &spec["template"]);
    let labels = &template["metadata"]["labels"];
    // A DaemonSet without a selector merely matches nothing; elsewhere that is said too.
    if chosen.is_null() && controller != "DaemonSet" {
        errors.required("spec.selector", "");
    }
    selector(chosen, "spec.selector", errors);
    if !chosen.is_null() && is_empty_selector(chosen) {
        errors.invalid("spec.selector", chosen, &format!("empty selector is invalid for {noun}"));
    } else if chosen.is_null() || !selects(chosen, labels) {
        errors.invalid_object("spec.template.metadata.labels", labels, DOES_NOT_MATCH);
    }
    pods::template(template, "spec.template", errors);
    let pod = &template["spec"];
    if text(pod, "restartPolicy") != "Always" {
        errors.not_supported("spec.template.spec.restartPolicy", &pod["restartPolicy"], &["Always"]);
    }
    if !pod["activeDeadlineSeconds"].is_null() {
        let detail = format!("activeDeadlineSeconds in {controller} is not Supported");
        errors.forbidden("spec.template.spec.activeDeadlineSeconds", &detail);
    }
}

fn strategy(strategy: &Value, errors: &mut Errors) {
    let rolling = &strategy["rollingUpdate"];
    match text(strategy, "type") {
        "Recreate" if !rolling.is_null() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.forbidden("spec.strategy.rollingUpdate", detail);
        }
        "RollingUpdate" => {
            for field in ["maxUnavailable", "maxSurge"] {
                int_or_percent(&rolling[field], &format!("spec.strategy.rollingUpdate.{field}"), errors);
            }
            let zero = |field: &str| [Value::from(0), Value::from("0%")].contains(&rolling[field]);
            if zero("maxUnavailable") && zero("maxSurge") {
                let field = "spec.strategy.rollingUpdate.maxUnavailable";
                errors.invalid(field, &rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0");
            }
        }
        "Recreate" => {}
        _ => errors.not_supported("spec.strategy.type", &strategy["type"], &["Recreate", "RollingUpdate"]),
    }
}

fn int_or_percent(value: &Value, field: &str, errors: &mut Errors) {
    match value {
        Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
            errors.invalid(field, value, "must be greater than or equal to 0");
        }
        Value::String(text) => {
            let digits = text.strip_suffix('%').unwrap_or_default();
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                              regex used for validation is '[0-9]+%')";
                errors.invalid(field, value, detail);
            }
        }
        _ => {}
    }
}

pub(super) fn job(spec: &Value, path: &str, errors: &mut Errors) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
    ];
    non_negative(spec, &counts, path, errors);
    errors.one_of(&format!("{path}.completionMode"), &spec["completionMode"], &["Indexed", "NonIndexed"]);
    if spec["completionMode"] == "Indexed" && spec["completions"].is_null() {
        errors.required(&format!("{path}.completions"), "when completion mode is Indexed");
    }
    pods::template(&spec["template"], &format!("{path}.template"), errors);
    let field = format!("{path}.template.spec.restartPolicy");
    match text(&spec["template"]["spec"], "restartPolicy") {
        "OnFailure" | "Never" => {}
        "Always" | "" => errors.required(&field, r#"valid values: "OnFailure", "Never""#),
        _ => errors.not_supported(&field, &spec["template"]["spec"]["restartPolicy"], &["OnFailure", "Never"]),
    }
}

pub(super) fn cron_job(spec: &Value, errors: &mut Errors) {
    match text(spec, "schedule") {
        "" => errors.required("spec.schedule", ""),
        schedule => {
            if let Err(problem) = crate::controllers::parse_schedule(schedule) {
                errors.invalid("spec.schedule", &spec["schedule"], &problem);
            }
        }
    }
    let policies = ["Allow", "Forbid", "Replace"];
    errors.one_of("spec.concurrencyPolicy", &spec["concurrencyPolicy"], &policies);
    let limits = ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"];
    non_negative(spec, &limits, "spec", errors);
    job(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", errors);
}

pub(super) fn autoscaler(spec: &Value, errors: &mut Errors) {
    let least = number(spec, "minReplicas").unwrap_or(1);
    if least < 1 {
        errors.invalid("spec.minReplicas", &spec["minReplicas"], "must be greater than or equal to 1");
    }
    let most = number(spec, "maxReplicas").unwrap_or(0);
    if most < 1 {
        errors.invalid("spec.maxReplicas", &spec["maxReplicas"], "must be greater than 0");
    }
    if most < least {
        errors.invalid("spec.maxReplicas", &spec["maxReplicas"], "must be greater than or equal to `minReplicas`");
    }
    let target = &spec["scaleTargetRef"];
    for field in ["kind", "name"] {
        if text(target, field).is_empty() {
            errors.required(&format!("spec.scaleTargetRef.{field}"), "");
        }
    }
    if text(target, "apiVersion").is_empty() {
        let field = "spec.scaleTargetRef.apiVersion";
        errors.invalid(field, &target["apiVersion"], "apiVersion must specify API group");
    }
}

pub(super) fn disruption_budget(spec: &Value, errors: &mut Errors) {
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        errors.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for field in ["minAvailable", "maxUnavailable"] {
        int_or_percent(&spec[field], &format!("spec.{field}"), errors);
    }
    selector(&spec["selector"], "spec.selector", errors);
}
