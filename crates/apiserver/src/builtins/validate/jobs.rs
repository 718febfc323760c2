//! Jobs and their schedules (`pkg/apis/batch/validation`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::errors::at;
use super::{Errors, internal, items, meta, names, non_negative, number, pods, schedule, selects, text};

const MAX_INDEXED_PARALLELISM: i64 = 100_000;
const MAX_FAILED_INDEXES: i64 = 100_000;
const MANY_COMPLETIONS: i64 = 100_000;
const PARALLELISM_OF_MANY: i64 = 10_000;
const FAILED_INDEXES_OF_MANY: i64 = 10_000;
const MAX_POLICY_RULES: usize = 20;
const MAX_EXIT_CODES: usize = 255;
const MAX_INDEXES_BYTES: usize = 64 * 1024;

pub(super) fn job(job: &Value, errors: &mut Errors) {
    generated_selector(job, errors);
    selecting_spec(job, errors);
    index_names(job, errors);
}

/// Checks a job that takes the place of another: upstream looks at its spec as of a new one, and as of a successor.
pub(super) fn successor(job: &Value, errors: &mut Errors) {
    self::job(job, errors);
    selecting_spec(job, errors);
}

/// Checks a job's spec, which unlike a template's selects its pods.
fn selecting_spec(job: &Value, errors: &mut Errors) {
    let spec = &job["spec"];
    job_spec(spec, "spec", errors);
    let chosen = &spec["selector"];
    if chosen.is_null() {
        errors.required("spec.selector", "");
    }
    meta::selector(chosen, "spec.selector", errors);
    meta::must_match(chosen, &spec["template"]["metadata"]["labels"], "spec.template.metadata.labels", errors);
}

/// Checks that the pods of all indexes can have names.
fn index_names(job: &Value, errors: &mut Errors) {
    let spec = &job["spec"];
    let completions = number(spec, "completions").unwrap_or(0);
    if spec["completionMode"] == "Indexed" && completions > 0 {
        let name = text(&job["metadata"], "name");
        let last = format!("{name}-{}", completions - 1);
        for _ in names::dns_label(&last).iter().take(1) {
            let detail = format!("will not able to create pod with invalid DNS label: {last}");
            errors.invalid_text("metadata.name", name, &detail);
        }
    }
}

fn generated_selector(job: &Value, errors: &mut Errors) {
    let (spec, meta) = (&job["spec"], &job["metadata"]);
    if spec["manualSelector"] == true || spec["selector"].is_null() {
        return;
    }
    let labels = &spec["template"]["metadata"]["labels"];
    let (uid, name) = (text(meta, "uid"), text(meta, "name"));
    let mut wanted = serde_json::Map::new();
    for (key, value) in [
        ("controller-uid", uid),
        ("job-name", name),
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
    ] {
        let field = format!("spec.template.metadata.labels[{key}]");
        wanted.insert(key.to_owned(), json!(value));
        match labels.get(key).and_then(Value::as_str) {
            None => errors.required(&field, &format!("must be '{value}'")),
            Some(have) if have != value => errors.invalid_object(&field, labels, &format!("must be '{value}'")),
            Some(_) => {}
        }
    }
    if meta::is_usable(&spec["selector"]) && !selects(&spec["selector"], &Value::Object(wanted)) {
        errors.invalid_object("spec.selector", &spec["selector"], "`selector` not auto-generated");
    }
}

fn job_spec(spec: &Value, path: &str, errors: &mut Errors) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    non_negative(spec, &counts, path, errors);
    if !spec["maxFailedIndexes"].is_null() && spec["backoffLimitPerIndex"].is_null() {
        errors.required(&at(path, "backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if let Some(manager) = spec["managedBy"].as_str() {
        super::prefixed_path(manager, &at(path, "managedBy"), errors);
        if manager.len() > 63 {
            errors.too_long(&at(path, "managedBy"), 63);
        }
    }
    let mode = spec["completionMode"].as_str();
    errors.one_of(&at(path, "completionMode"), &spec["completionMode"], &["NonIndexed", "Indexed"]);
    match mode {
        Some("Indexed") => indexed(spec, path, errors),
        None | Some("NonIndexed") => {
            for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
                if let Some(count) = number(spec, field) {
                    errors.invalid_number(&at(path, field), count, "requires indexed completion mode");
                }
            }
        }
        Some(_) => {}
    }
    failure_policy(spec, &at(path, "podFailurePolicy.rules"), errors);
    let success = &spec["successPolicy"];
    if !success.is_null() {
        let field = at(path, "successPolicy");
        if mode == Some("Indexed") {
            success_policy(success, number(spec, "completions").unwrap_or(0), &at(&field, "rules"), errors);
        } else {
            let printed = internal::print("io.k8s.api.batch.v1.SuccessPolicy", success);
            errors.invalid_printed(&field, &printed, "requires indexed completion mode");
        }
    }
    let replacements: &[&str] =
        if spec["podFailurePolicy"].is_null() { &["Failed", "TerminatingOrFailed"] } else { &["Failed"] };
    errors.one_of(&at(path, "podReplacementPolicy"), &spec["podReplacementPolicy"], replacements);
    pods::template(&spec["template"], &at(path, "template"), errors);
    let restart = &spec["template"]["spec"]["restartPolicy"];
    let field = at(path, "template.spec.restartPolicy");
    match restart.as_str().unwrap_or_default() {
        "" | "Always" => errors.required(&field, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if !spec["podFailurePolicy"].is_null() => {
            errors.invalid(&field, restart, "only \"Never\" is supported when podFailurePolicy is specified");
        }
        "OnFailure" | "Never" => {}
        _ => errors.not_supported(&field, restart, &["OnFailure", "Never"]),
    }
}

fn indexed(spec: &Value, path: &str, errors: &mut Errors) {
    let (completions, parallelism) = (number(spec, "completions"), number(spec, "parallelism"));
    let failed = number(spec, "maxFailedIndexes");
    let (parallelism_field, failed_field) = (at(path, "parallelism"), at(path, "maxFailedIndexes"));
    if completions.is_none() {
        errors.required(&at(path, "completions"), "when completion mode is Indexed");
    }
    if let Some(count) = parallelism.filter(|count| *count > MAX_INDEXED_PARALLELISM) {
        let detail = format!("must be less than or equal to {MAX_INDEXED_PARALLELISM} when completion mode is Indexed");
        errors.invalid_number(&parallelism_field, count, &detail);
    }
    if let (Some(completions), Some(failed)) = (completions, failed)
        && failed > completions
    {
        errors.invalid_number(&failed_field, failed, "must be less than or equal to completions");
    }
    if let Some(count) = failed.filter(|count| *count > MAX_FAILED_INDEXES) {
        errors.invalid_number(&failed_field, count, &format!("must be less than or equal to {MAX_FAILED_INDEXES}"));
    }
    if completions.is_some_and(|count| count > MANY_COMPLETIONS) && !spec["backoffLimitPerIndex"].is_null() {
        if failed.is_none() {
            let detail = format!("must be specified when completions is above {MANY_COMPLETIONS}");
            errors.required(&failed_field, &detail);
        }
        for (field, count, most) in
            [(parallelism_field, parallelism, PARALLELISM_OF_MANY), (failed_field, failed, FAILED_INDEXES_OF_MANY)]
        {
            if let Some(count) = count.filter(|count| *count > most) {
                let detail = format!(
                    "must be less than or equal to {most} when completions are above {MANY_COMPLETIONS} and used with \
                     backoff limit per index"
                );
                errors.invalid_number(&field, count, &detail);
            }
        }
    }
}

/// Prints words as Go's `%q` prints a list.
fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("[{}]", words.join(" "))
}

/// Demands one of some words; a missing one is told which there are.
fn chosen(owner: &Value, field: &str, words: &[&str], path: &str, errors: &mut Errors) {
    match text(owner, field) {
        "" => errors.required(&at(path, field), &format!("valid values: {}", quoted(words))),
        word if words.contains(&word) => {}
        _ => errors.not_supported(&at(path, field), &owner[field], words),
    }
}

fn failure_policy(spec: &Value, path: &str, errors: &mut Errors) {
    let rules = &spec["podFailurePolicy"]["rules"];
    let count = items(rules).count();
    if count > MAX_POLICY_RULES {
        errors.too_many(path, count, MAX_POLICY_RULES);
    }
    let pod = &spec["template"]["spec"];
    let containers: Vec<&str> = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| items(&pod[*list]))
        .map(|(_, container)| text(container, "name"))
        .collect();
    for (index, rule) in items(rules) {
        let path = format!("{path}[{index}]");
        if rule["action"] != "FailIndex" {
            chosen(rule, "action", &["Count", "FailIndex", "FailJob", "Ignore"], &path, errors);
        } else if spec["backoffLimitPerIndex"].is_null() {
            let detail = "requires the backoffLimitPerIndex to be set";
            errors.invalid(&at(&path, "action"), &rule["action"], detail);
        }
        let (codes, conditions) = (&rule["onExitCodes"], &rule["onPodConditions"]);
        if !codes.is_null() {
            exit_codes(codes, &containers, &at(&path, "onExitCodes"), errors);
        }
        let conditions_path = at(&path, "onPodConditions");
        let count = items(conditions).count();
        if count > MAX_POLICY_RULES {
            errors.too_many(&conditions_path, count, MAX_POLICY_RULES);
        }
        for (index, pattern) in items(conditions) {
            let path = format!("{conditions_path}[{index}]");
            meta::label_key(pattern, "type", &path, errors);
            chosen(pattern, "status", &["False", "True", "Unknown"], &path, errors);
        }
        match (codes.is_null(), count == 0) {
            (false, false) => {
                errors.invalid_unshown(&path, "specifying both OnExitCodes and OnPodConditions is not supported");
            }
            (true, true) => {
                errors.invalid_unshown(&path, "specifying one of OnExitCodes and OnPodConditions is required");
            }
            _ => {}
        }
    }
}

fn exit_codes(codes: &Value, containers: &[&str], path: &str, errors: &mut Errors) {
    chosen(codes, "operator", &["In", "NotIn"], path, errors);
    if let Some(name) = codes["containerName"].as_str().filter(|name| !containers.contains(name)) {
        let detail = "must be one of the container or initContainer names in the pod template";
        errors.invalid_text(&at(path, "containerName"), name, detail);
    }
    let (field, list) = (at(path, "values"), &codes["values"]);
    let values: Vec<i64> = items(list).filter_map(|(_, value)| value.as_i64()).collect();
    if values.is_empty() {
        errors.invalid_object(&field, list, "at least one value is required");
    } else if values.len() > MAX_EXIT_CODES {
        errors.too_many(&field, values.len(), MAX_EXIT_CODES);
    }
    let mut known = BTreeSet::new();
    for (index, value) in values.iter().enumerate() {
        let field = format!("{field}[{index}]");
        if codes["operator"] == "In" && *value == 0 {
            errors.invalid_number(&field, 0, "must not be 0 for the In operator");
        }
        if !known.insert(value) {
            errors.duplicate(&field, &json!(value));
        }
    }
    if !values.is_sorted() {
        errors.invalid_object(&field, list, "must be ordered");
    }
}

fn success_policy(policy: &Value, completions: i64, path: &str, errors: &mut Errors) {
    let rules = &policy["rules"];
    let count = items(rules).count();
    if count == 0 {
        errors.required(path, "at least one rules must be specified when the successPolicy is specified");
    }
    if count > MAX_POLICY_RULES {
        errors.too_many(path, count, MAX_POLICY_RULES);
    }
    for (index, rule) in items(rules) {
        let path = format!("{path}[{index}]");
        let (indexes, count) = (rule["succeededIndexes"].as_str(), number(rule, "succeededCount"));
        if indexes.is_none() && count.is_none() {
            errors.required(&path, "at least one of succeededCount or succeededIndexes must be specified");
        }
        let mut total = 0;
        if let Some(indexes) = indexes {
            let field = at(&path, "succeededIndexes");
            if indexes.len() > MAX_INDEXES_BYTES {
                errors.too_long(&field, MAX_INDEXES_BYTES);
            }
            match count_indexes(indexes, completions) {
                Ok(count) => total = count,
                Err(why) => {
                    errors.invalid_text(&field, indexes, &format!("error parsing succeededIndexes: {why}"));
                }
            }
        }
        let Some(count) = count else { continue };
        let field = at(&path, "succeededCount");
        non_negative(rule, &["succeededCount"], &path, errors);
        if count > completions {
            let detail = format!("must be less than or equal to {completions} (the number of specified completions)");
            errors.invalid_number(&field, count, &detail);
        }
        if indexes.is_some() && count > total {
            let detail = format!(
                "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            );
            errors.invalid_number(&field, count, &detail);
        }
    }
}

fn count_indexes(text: &str, completions: i64) -> Result<i64, String> {
    let (mut last, mut total) = (None, 0);
    for interval in text.split(',').filter(|_| !text.is_empty()) {
        let (first, end) = interval_of(interval, completions)?;
        if let Some(last) = last.filter(|last| *last >= first) {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

fn interval_of(text: &str, completions: i64) -> Result<(i64, i64), String> {
    let parts: Vec<&str> = text.split('-').collect();
    if parts.len() > 2 {
        return Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        ));
    }
    let read = |part: &str| {
        let index = part.parse::<i64>().map_err(|_| format!("cannot convert string to integer for index: {part:?}"))?;
        if index >= completions { Err(format!("too large index: {part:?}")) } else { Ok(index) }
    };
    let first = read(parts[0])?;
    let Some(end) = parts.get(1) else { return Ok((first, first)) };
    let end = read(end)?;
    if first >= end {
        return Err(format!("non-increasing order, previous: {first}, current: {end}"));
    }
    Ok((first, end))
}

pub(super) fn cron_job(cron: &Value, errors: &mut Errors) {
    let spec = &cron["spec"];
    let plan = text(spec, "schedule");
    if plan.is_empty() {
        errors.required("spec.schedule", "");
    } else {
        if let Err(why) = schedule::check(plan) {
            errors.invalid_text("spec.schedule", plan, &why);
        }
        if plan.contains("TZ") {
            let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            errors.invalid_text("spec.schedule", plan, detail);
        }
    }
    non_negative(spec, &["startingDeadlineSeconds"], "spec", errors);
    time_zone(spec, errors);
    let policies = ["Allow", "Forbid", "Replace"];
    errors.needs_one_of("spec.concurrencyPolicy", &spec["concurrencyPolicy"], &policies);
    let template = &spec["jobTemplate"]["spec"];
    job_spec(template, "spec.jobTemplate.spec", errors);
    if !template["selector"].is_null() {
        let detail = "`selector` will be auto-generated";
        errors.invalid_object("spec.jobTemplate.spec.selector", &template["selector"], detail);
    }
    if template["manualSelector"] == true {
        let field = "spec.jobTemplate.spec.manualSelector";
        errors.not_supported(field, &template["manualSelector"], &["nil", "false"]);
    }
    non_negative(spec, &["successfulJobsHistoryLimit", "failedJobsHistoryLimit"], "spec", errors);
    let name = text(&cron["metadata"], "name");
    if name.len() > 52 {
        errors.invalid_text("metadata.name", name, "must be no more than 52 characters");
    }
}

fn time_zone(spec: &Value, errors: &mut Errors) {
    const PATH: &str = "spec.timeZone";
    let Some(zone) = spec["timeZone"].as_str() else { return };
    if zone.is_empty() {
        return errors.invalid_text(PATH, zone, "timeZone must be nil or non-empty string");
    }
    let sound = |part: &str| {
        !part.is_empty()
            && ![".", ".."].contains(&part)
            && !part.starts_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
    };
    let unknown = format!("unknown time zone {zone}");
    if !zone.split('/').all(sound) {
        return errors.invalid_text(PATH, zone, &unknown);
    }
    if zone.eq_ignore_ascii_case("Local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid_text(PATH, zone, detail);
    }
    if zone != "Local" && zone.parse::<chrono_tz::Tz>().is_err() {
        errors.invalid_text(PATH, zone, &unknown);
    }
}
