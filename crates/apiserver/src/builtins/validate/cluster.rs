//! Small kinds: events, leases, priorities and workloads.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::errors::at;
use super::{Errors, items, meta, names, networking, number, text};
use crate::builtins::internals;

const SYSTEM: [(&str, i64); 2] = [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];
const HIGHEST_PRIORITY: i64 = 1_000_000_000;

/// Checks a class of priorities (`pkg/apis/scheduling/validation`).
pub(super) fn priority_class(class: &Value, errors: &mut Errors) {
    let name = text(&class["metadata"], "name");
    let value = number(class, "value").unwrap_or(0);
    if name.starts_with("system-") {
        let why = match SYSTEM.iter().find(|(have, _)| *have == name) {
            Some((_, wanted)) if *wanted != value => Some(format!("value of {name} PriorityClass must be {wanted}")),
            Some(_) if class["globalDefault"] == true => {
                Some(format!("globalDefault of {name} PriorityClass must be false"))
            }
            Some(_) => None,
            None => Some(format!("{name} is not a known system priority class")),
        };
        if let Some(why) = why {
            let detail =
                format!("priority class names with 'system-' prefix are reserved for system use only. error: {why}");
            errors.forbidden("metadata.name", &detail);
        }
    } else if value > HIGHEST_PRIORITY {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST_PRIORITY}");
        errors.forbidden("value", &detail);
    }
    if !class["preemptionPolicy"].is_null() {
        let policies = ["PreemptLowerPriority", "Never"];
        errors.needs_one_of("preemptionPolicy", &class["preemptionPolicy"], &policies);
    }
}

/// Checks a lease (`pkg/apis/coordination/validation`).
pub(super) fn lease(spec: &Value, errors: &mut Errors) {
    if let Some(secs) = number(spec, "leaseDurationSeconds").filter(|secs| *secs <= 0) {
        errors.invalid_number("spec.leaseDurationSeconds", secs, "must be greater than 0");
    }
    if let Some(count) = number(spec, "leaseTransitions").filter(|count| *count < 0) {
        errors.invalid_number("spec.leaseTransitions", count, super::NOT_NEGATIVE);
    }
    if spec["strategy"].is_string() {
        strategy(&spec["strategy"], errors);
    }
    if !text(spec, "preferredHolder").is_empty() && text(spec, "strategy").is_empty() {
        errors.forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined");
    }
}

fn strategy(strategy: &Value, errors: &mut Errors) {
    const PATH: &str = "spec.strategy.strategy";
    let name = strategy.as_str().unwrap_or_default();
    if name.contains('/') {
        errors.invalid_each(PATH, name, names::label_key(name));
    } else if name != "OldestEmulationVersion" {
        errors.not_supported(PATH, strategy, &["OldestEmulationVersion"]);
    }
}

pub(super) fn lease_candidate(spec: &Value, errors: &mut Errors) {
    errors.wants_text(spec, "leaseName", "spec");
    let versions = ["emulationVersion", "binaryVersion"].map(|field| {
        let version = text(spec, field);
        if version.is_empty() {
            if field == "binaryVersion" {
                errors.required("spec.binaryVersion", "");
            }
            return None;
        }
        let parsed = semantic(version);
        if parsed.is_none() {
            errors.invalid_text(&at("spec", field), version, "must be a valid semantic version");
        }
        Some(parsed.unwrap_or_default())
    });
    if let [Some(emulated), Some(binary)] = versions
        && binary < emulated
    {
        let detail = "must be greater than or equal to `emulationVersion`";
        errors.invalid("spec.binaryVersion", &spec["binaryVersion"], detail);
    }
    match text(spec, "strategy") {
        "" => errors.required("spec.strategy", ""),
        name => {
            if name == "OldestEmulationVersion" && versions[0].unwrap_or_default() == (0, 0, 0) {
                let detail = "must be specified when `strategy` is 'OldestEmulationVersion'";
                errors.required("spec.emulationVersion", detail);
            }
            strategy(&spec["strategy"], errors);
        }
    }
}

/// Returns whether a text is a semantic version.
pub(super) fn is_semantic(text: &str) -> bool {
    let marks = text.split(['-', '+']).skip(1);
    let sound = |mark: &str| {
        mark.split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
    };
    semantic(text).is_some() && marks.into_iter().all(sound)
}

fn semantic(text: &str) -> Option<(u64, u64, u64)> {
    let bare = text.split(['-', '+']).next()?;
    let mut parts = bare.splitn(3, '.').map(|part| {
        let sound = part == "0" || !part.starts_with('0');
        part.parse::<u64>().ok().filter(|_| sound && part.bytes().all(|byte| byte.is_ascii_digit()))
    });
    Some((parts.next()??, parts.next()??, parts.next()??))
}

const WORDS_LIMIT: usize = 128;
const NOTE_LIMIT: usize = 1024;

/// Checks an event (`pkg/apis/core/validation/events.go`); the group's own version is stricter than the core group's.
/// Checks what every event is checked for, in the words of the core group or of its own.
pub(super) fn legacy_event(event: &Value, core: bool, errors: &mut Errors) {
    let meta = &event["metadata"];
    let object = if core { &event["involvedObject"] } else { &event["regarding"] };
    let (own, its) = (text(meta, "namespace"), text(object, "namespace"));
    let differs = "does not match event.namespace";
    let wrong_namespace = |errors: &mut Errors| errors.invalid_text("involvedObject.namespace", its, differs);
    if text(event, "eventTime").is_empty() {
        if (its.is_empty() && !["", "default"].contains(&own)) || (!its.is_empty() && own != its) {
            wrong_namespace(errors);
        }
    } else {
        if its.is_empty() && !["default", "kube-system"].contains(&own) {
            wrong_namespace(errors);
        }
        let reporter = if core { "reportingComponent" } else { "reportingController" };
        errors.wants_text(event, reporter, "");
        let name = text(event, reporter);
        errors.invalid_each(reporter, name, names::label_key(name));
        for field in ["reportingInstance", "action", "reason"] {
            errors.wants_text(event, field, "");
            if text(event, field).len() > WORDS_LIMIT {
                errors.invalid_text(field, "", &format!("can have at most {WORDS_LIMIT} characters"));
            }
        }
        let note = if core { "message" } else { "note" };
        if text(event, note).len() > NOTE_LIMIT {
            errors.invalid_text("message", "", &format!("can have at most {NOTE_LIMIT} characters"));
        }
    }
    errors.invalid_each("namespace", own, names::dns_subdomain(own));
}

/// Checks an event that takes the place of `old`, through the group of its own: all but the series stays.
pub(super) fn event_successor(old: &Value, event: &Value, errors: &mut Errors) {
    const IMMUTABLE: &str = "field is immutable";
    legacy_event(event, false, errors);
    meta::of_kind("events.k8s.io", "Event", old, event, errors);
    if old["series"] != event["series"] {
        event_series(event, errors);
    }
    // What version 1 calls a field, what messages call it, and its type inside.
    for (field, named, ty) in [
        ("regarding", "involvedObject", "ObjectReference"),
        ("reason", "reason", "s"),
        ("note", "message", "s"),
        ("deprecatedSource", "source", "EventSource"),
        ("deprecatedFirstTimestamp", "firstTimestamp", "="),
        ("deprecatedLastTimestamp", "lastTimestamp", "="),
        ("deprecatedCount", "count", "i"),
        ("reason", "reason", "s"),
        ("type", "type", "s"),
        ("eventTime", "eventTime", "="),
        ("action", "action", "s"),
        ("related", "related", "*ObjectReference"),
        ("reportingController", "reportingController", "s"),
        ("reportingInstance", "reportingInstance", "s"),
    ] {
        let printed = |event: &Value| internals::compact(ty, &event[field]);
        if printed(old) != printed(event) {
            errors.invalid_printed(named, &printed(event), IMMUTABLE);
        }
    }
}

fn event_series(event: &Value, errors: &mut Errors) {
    let series = &event["series"];
    if !series.is_null() {
        if number(series, "count").unwrap_or(0) < 2 {
            errors.invalid_text("series.count", "", "should be at least 2");
        }
        if text(series, "lastObservedTime").is_empty() {
            errors.required("series.lastObservedTime", "");
        }
    }
}

/// Checks a new event of the group of its own.
pub(super) fn event(event: &Value, errors: &mut Errors) {
    legacy_event(event, false, errors);
    meta::of_new("events.k8s.io", "Event", event, errors);
    event_series(event, errors);
    if text(event, "eventTime").is_empty() {
        errors.required("eventTime", "");
    }
    let kind = text(event, "type");
    if !["Normal", "Warning"].contains(&kind) {
        errors.invalid_text("type", "", &format!("has invalid value: {kind}"));
    }
    for (field, named) in [("deprecatedFirstTimestamp", "firstTimestamp"), ("deprecatedLastTimestamp", "lastTimestamp")]
    {
        if !text(event, field).is_empty() {
            errors.invalid_text(named, "", "needs to be unset");
        }
    }
    if number(event, "deprecatedCount").unwrap_or(0) != 0 {
        errors.invalid_text("count", "", "needs to be unset");
    }
    let source = &event["deprecatedSource"];
    if ["component", "host"].iter().any(|field| !text(source, field).is_empty()) {
        errors.invalid_text("source", "", "needs to be unset");
    }
}

/// Checks a workload of pod groups (`pkg/apis/scheduling/validation`).
pub(super) fn workload(spec: &Value, errors: &mut Errors) {
    let owner = &spec["controllerRef"];
    if !owner.is_null() {
        let mut owner = owner.clone();
        if text(&owner, "apiGroup").is_empty() {
            owner["apiGroup"] = Value::Null;
        }
        networking::local_reference(&owner, "spec.controllerRef", errors);
    }
    let groups = &spec["podGroups"];
    match items(groups).count() {
        0 => return errors.required("spec.podGroups", "must have at least one item"),
        count if count > 8 => return errors.too_many("spec.podGroups", count, 8),
        _ => {}
    }
    let mut known = BTreeSet::new();
    for (index, group) in items(groups) {
        let path = format!("spec.podGroups[{index}]");
        let name = text(group, "name");
        errors.invalid_each(&at(&path, "name"), name, names::dns_label(name));
        if !known.insert(name) {
            errors.duplicate(&at(&path, "name"), &json!(name));
        }
        let policy = &group["policy"];
        let field = at(&path, "policy");
        match (policy["basic"].is_null(), policy["gang"].is_null()) {
            (true, true) => errors.required(&field, "exactly one of `basic`, `gang` is required"),
            (false, false) => {
                let detail = "exactly one of `basic`, `gang` is required, but multiple fields are set";
                errors.invalid_text(&field, "{`basic`, `gang`}", detail);
            }
            (true, false) => {
                let least = number(&policy["gang"], "minCount").unwrap_or(0);
                if least <= 0 {
                    errors.invalid_number(&at(&field, "gang.minCount"), least, super::POSITIVE);
                }
            }
            _ => {}
        }
    }
}
