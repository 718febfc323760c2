//! A Job's status as it is written: what has ended stays ended, and what is counted fits the rest (`ValidateJobStatusUpdate`
//! in `pkg/apis/batch/validation`, with what `pkg/registry/batch/job` asks of it).
//!
//! What was wrong before and is not changed may stay.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Errors, NOT_NEGATIVE, items, number, text};

fn is(status: &Value, kind: &str) -> bool {
    items(&status["conditions"]).any(|(_, condition)| condition["type"] == kind && condition["status"] == "True")
}

fn is_finished(status: &Value) -> bool {
    is(status, "Complete") || is(status, "Failed")
}

fn count(status: &Value, field: &str) -> i64 {
    number(status, field).unwrap_or(0)
}

fn conditions(detail: &str, errors: &mut Errors) {
    errors.invalid_unshown("status.conditions", detail);
}

pub(super) fn check(old: &Value, new: &Value, errors: &mut Errors) {
    let (before, status, spec) = (&old["status"], &new["status"], &new["spec"]);
    counts(status, errors);
    uncounted(&status["uncountedTerminatedPods"], errors);
    ends(before, status, spec, errors);
    indexes(before, status, spec, errors);
    let moved = |field: &str| before[field] != status[field];
    let finishes = is_finished(before) != is_finished(status);
    if (finishes || moved("terminating")) && is_finished(status) && count(status, "terminating") > 0 {
        let detail = "terminating>0 is invalid for finished job";
        errors.invalid("status.terminating", &status["terminating"], detail);
    }
    let active = count(status, "active");
    let ready = number(status, "ready").filter(|ready| *ready > active);
    if let Some(ready) = ready.filter(|_| moved("ready") || count(before, "active") != active) {
        errors.invalid_number("status.ready", ready, "cannot set more ready pods than active");
    }
    if is(status, "SuccessCriteriaMet") {
        for (kind, shown) in [("Failed", "Failed=true"), ("FailureTarget", "FailureTarget=true")] {
            if is(status, kind) {
                conditions(&format!("cannot set SuccessCriteriaMet=True and {shown} conditions"), errors);
            }
        }
    } else if !spec["successPolicy"].is_null() && is(status, "Complete") {
        let detail = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
        conditions(detail, errors);
    }
    stays(before, status, spec, errors);
}

fn counts(status: &Value, errors: &mut Errors) {
    for field in ["active", "succeeded", "failed", "ready", "terminating"] {
        if let Some(number) = number(status, field).filter(|number| *number < 0) {
            errors.invalid_number(&format!("status.{field}"), number, NOT_NEGATIVE);
        }
    }
}

/// No pod that is still to be counted is named twice.
fn uncounted(pods: &Value, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for list in ["succeeded", "failed"] {
        for (index, uid) in items(&pods[list]) {
            let path = format!("status.uncountedTerminatedPods.{list}[{index}]");
            match uid.as_str().unwrap_or_default() {
                "" => errors.invalid_text(&path, "", "must not be empty"),
                uid if known.insert(uid) => {}
                uid => errors.duplicate(&path, &json!(uid)),
            }
        }
    }
}

/// Checks how a job ends.
fn ends(before: &Value, status: &Value, spec: &Value, errors: &mut Errors) {
    let moved = |field: &str| before[field] != status[field];
    let turned = |kind: &str| is(before, kind) != is(status, kind);
    let (completes, finishes) = (turned("Complete"), is_finished(before) != is_finished(status));
    let (is_complete, is_failed, is_finished) = (is(status, "Complete"), is(status, "Failed"), is_finished(status));
    let (start, end) = (&status["startTime"], &status["completionTime"]);
    let ended = completes || moved("completionTime");
    const END: &str = "status.completionTime";
    if (completes || turned("Failed")) && is_complete && is_failed {
        conditions("cannot set Complete=True and Failed=true conditions", errors);
    }
    if (completes || turned("FailureTarget")) && is_complete && is(status, "FailureTarget") {
        conditions("cannot set Complete=True and FailureTarget=true conditions", errors);
    }
    if ended && !end.is_null() && !is_complete {
        errors.invalid(END, end, "cannot set completionTime when there is no Complete=True condition");
    }
    if ended && end.is_null() && is_complete {
        errors.required(END, "completionTime is required for Complete jobs");
    }
    if let (Some(started), Some(completed)) = (start.as_str(), end.as_str())
        && (moved("startTime") || moved("completionTime"))
        && completed < started
    {
        errors.invalid(END, end, "must be equal to or after `startTime`");
    }
    if (turned("Failed") || moved("failedIndexes")) && is_failed && !is(status, "FailureTarget") {
        conditions("cannot set Failed=True condition without the FailureTarget=true condition", errors);
    }
    if (completes || turned("SuccessCriteriaMet")) && is_complete && !is(status, "SuccessCriteriaMet") {
        conditions("cannot set Complete=True condition without the SuccessCriteriaMet=true condition", errors);
    }
    let active = count(status, "active");
    if (finishes || count(before, "active") != active) && active > 0 && is_finished {
        errors.invalid_number("status.active", active, "active>0 is invalid for finished job");
    }
    let has_nothing_to_do = spec["suspend"] == true && spec["completions"] == 0;
    if (finishes || moved("startTime")) && !has_nothing_to_do && start.is_null() && is_finished {
        errors.required("status.startTime", "startTime is required for finished job");
    }
    let pods = &status["uncountedTerminatedPods"];
    let is_uncounted = ["succeeded", "failed"].iter().any(|list| items(&pods[*list]).count() > 0);
    if (finishes || moved("uncountedTerminatedPods")) && is_finished && is_uncounted {
        let printed = format!("{{\"Succeeded\":{},\"Failed\":{}}}", pods["succeeded"], pods["failed"]);
        errors.invalid_printed("status.uncountedTerminatedPods", &printed, "must be empty for finished job");
    }
}

fn indexes(before: &Value, status: &Value, spec: &Value, errors: &mut Errors) {
    const COMPLETED: &str = "status.completedIndexes";
    const FAILED: &str = "status.failedIndexes";
    let (completed, failed) = (text(status, "completedIndexes"), status["failedIndexes"].as_str());
    let (completes, fails) =
        (text(before, "completedIndexes") != completed, before["failedIndexes"] != status["failedIndexes"]);
    let completions = number(spec, "completions");
    let per_index = !spec["backoffLimitPerIndex"].is_null();
    if let Some(completions) = completions.filter(|_| completes)
        && let Err(why) = check_format(completed, completions)
    {
        errors.invalid_text(COMPLETED, completed, &format!("error parsing completedIndexes: {why}"));
    }
    if let (true, true, Some(completions), Some(failed)) = (fails, per_index, completions, failed)
        && let Err(why) = check_format(failed, completions)
    {
        errors.invalid_text(FAILED, failed, &format!("error parsing failedIndexes: {why}"));
    }
    if completes && !completed.is_empty() && spec["completionMode"] != "Indexed" {
        let detail = "cannot set non-empty completedIndexes when non-indexed completion mode";
        errors.invalid_text(COMPLETED, completed, detail);
    }
    if let Some(failed) = failed.filter(|_| fails && !per_index) {
        let detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
        errors.invalid_text(FAILED, failed, detail);
    }
    if let (true, Some(completions), Some(failed)) = (fails || completes, completions, failed)
        && let Some(index) = overlap(completed, failed, completions)
    {
        let detail = format!("failedIndexes and completedIndexes overlap at index: {index}");
        errors.invalid_text(FAILED, failed, &detail);
    }
}

/// Reads `3` or `1-4`.
fn interval(text: &str, completions: i64) -> Result<(i64, i64), String> {
    let parts: Vec<&str> = text.split('-').collect();
    if parts.len() > 2 {
        return Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at most two parts separated by \
             '-'"
        ));
    }
    let read = |part: &str| match part.parse::<i64>() {
        Err(_) => Err(format!("cannot convert string to integer for index: {part:?}")),
        Ok(index) if index >= completions => Err(format!("too large index: {part:?}")),
        Ok(index) => Ok(index),
    };
    let first = read(parts[0])?;
    let Some(last) = parts.get(1) else { return Ok((first, first)) };
    let last = read(last)?;
    if first >= last {
        return Err(format!("non-increasing order, previous: {first}, current: {last}"));
    }
    Ok((first, last))
}

fn check_format(list: &str, completions: i64) -> Result<(), String> {
    let mut previous = None;
    for text in list.split(',').filter(|_| !list.is_empty()) {
        let (first, last) = interval(text, completions)?;
        if let Some(previous) = previous.filter(|previous| *previous >= first) {
            return Err(format!("non-increasing order, previous: {previous}, current: {first}"));
        }
        previous = Some(last);
    }
    Ok(())
}

/// Returns the first index that is in both lists; what cannot be read is in neither.
fn overlap(completed: &str, failed: &str, completions: i64) -> Option<i64> {
    if completed.is_empty() || failed.is_empty() {
        return None;
    }
    let read = |list: &str| -> Vec<(i64, i64)> {
        list.split(',').filter_map(|text| interval(text, completions).ok()).collect()
    };
    let (completed, failed) = (read(completed), read(failed));
    let (mut at, mut other) = (0, 0);
    while let (Some(one), Some(two)) = (completed.get(at), failed.get(other)) {
        if one.0 <= two.1 && two.0 <= one.1 {
            return Some(one.0.max(two.0));
        }
        if one.0 <= two.0 {
            at += 1;
        } else {
            other += 1;
        }
    }
    None
}

/// Checks what may not be taken back.
fn stays(before: &Value, status: &Value, spec: &Value, errors: &mut Errors) {
    for kind in ["Failed", "Complete", "FailureTarget"] {
        if is(before, kind) && !is(status, kind) {
            conditions(&format!("cannot disable the terminal {kind}=True condition"), errors);
        }
    }
    let is_scaled = spec["completionMode"] == "Indexed" && spec["completions"] == spec["parallelism"];
    for field in ["failed", "succeeded"] {
        let free = field == "succeeded" && is_scaled;
        if count(status, field) < count(before, field) && !free {
            let detail = format!("cannot decrease the {field} counter");
            errors.invalid_number(&format!("status.{field}"), count(status, field), &detail);
        }
    }
    let (had, has) = (&before["completionTime"], &status["completionTime"]);
    if !had.is_null() && !has.is_null() && had != has {
        errors.invalid("status.completionTime", has, "field is immutable");
    }
    let suspended = |status: &Value, truth: &str| {
        items(&status["conditions"])
            .any(|(_, condition)| condition["type"] == "Suspended" && condition["status"] == truth)
    };
    let resumes = suspended(before, "True") && suspended(status, "False");
    let restarts = !before["startTime"].is_null() && before["startTime"] != status["startTime"];
    if restarts && !resumes && spec["suspend"] != true {
        errors.required("status.startTime", "startTime cannot be removed for unsuspended job");
    }
    if is(before, "SuccessCriteriaMet") && !is(status, "SuccessCriteriaMet") {
        conditions("cannot disable the SuccessCriteriaMet=True condition", errors);
    }
    if is(before, "Complete") && !is(before, "SuccessCriteriaMet") && is(status, "SuccessCriteriaMet") {
        let detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        conditions(detail, errors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: Value, new: Value, spec: Value) -> Vec<String> {
        let mut errors = Errors::default();
        check(&json!({ "status": old, "spec": spec }), &json!({ "status": new, "spec": spec }), &mut errors);
        errors.into_list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_has_ended_stays_ended() {
        let done = json!({ "conditions": [{ "type": "Failed", "status": "True" }] });
        assert_eq!(
            told(done.clone(), json!({}), json!({})),
            ["status.conditions: Invalid value: cannot disable the terminal Failed=True condition"]
        );
        assert!(told(done.clone(), done, json!({})).is_empty());
    }

    #[test]
    fn indexes_are_in_order_and_in_one_list_only() {
        let spec = json!({ "completions": 9, "completionMode": "Indexed", "backoffLimitPerIndex": 1 });
        let status = |completed: &str, failed: &str| json!({ "completedIndexes": completed, "failedIndexes": failed });
        assert!(told(json!({}), status("1,3-5", "2,7"), spec.clone()).is_empty());
        assert_eq!(
            told(json!({}), status("1,3-5", "2-4"), spec.clone()),
            ["status.failedIndexes: Invalid value: \"2-4\": failedIndexes and completedIndexes overlap at index: 3"]
        );
        assert_eq!(told(json!({}), status("3-5,1", "9"), spec).len(), 2);
    }
}
