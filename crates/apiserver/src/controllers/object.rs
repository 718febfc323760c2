//! Small questions asked of objects.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub(super) fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

pub(super) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

pub(super) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"].get(key).and_then(Value::as_str)
}

pub(super) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"].get(key).and_then(Value::as_str)
}

pub(super) fn is_deleted(object: &Value) -> bool {
    object["metadata"].get("deletionTimestamp").is_some_and(|time| !time.is_null())
}

/// Returns an integer at a JSON pointer; 0 when there is none.
pub(super) fn int(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the elements of the list at a JSON pointer.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Returns the uid of the owner that controls an object.
pub(super) fn controller_of(object: &Value) -> Option<&str> {
    items(object, "/metadata/ownerReferences").find(|owner| owner["controller"] == true)?["uid"].as_str()
}

/// Makes the reference that a controlled object carries.
pub(super) fn owner_reference(owner: &Value, api_version: &str, kind: &str) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "name": name(owner),
        "uid": uid(owner),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(object, "/status/conditions").find(|condition| condition["type"] == kind)
}

pub(super) fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Puts a condition into a list, in place of one of its type; keeps the transition time of a status that stays.
pub(super) fn set_condition(conditions: &mut Vec<Value>, mut want: Value, now: &str) {
    want["lastTransitionTime"] = json!(now);
    match conditions.iter_mut().find(|have| have["type"] == want["type"]) {
        Some(have) => {
            if have["status"] == want["status"] {
                want["lastTransitionTime"] = have["lastTransitionTime"].clone();
            }
            *have = want;
        }
        None => conditions.push(want),
    }
}

pub(super) fn is_active(pod: &Value) -> bool {
    !is_deleted(pod) && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

pub(super) fn is_ready(pod: &Value) -> bool {
    is_true(pod, "Ready")
}

pub(super) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// Returns how long it is until `since` lies `span_secs` back; zero when it does already.
pub(super) fn left(since: &Value, span_secs: i64, now: Timestamp) -> Duration {
    let Some(since) = time(since) else { return Duration::ZERO };
    let passed_ms = now.as_millisecond() - since.as_millisecond();
    Duration::from_millis(u64::try_from(span_secs * 1000 - passed_ms).unwrap_or(0))
}

/// Resolves a number or percentage of `total`.
pub(super) fn int_or_percent(value: &Value, total: i64, round_up: bool) -> i64 {
    match value {
        Value::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            let scaled = percent * total;
            if round_up { (scaled + 99).div_euclid(100) } else { scaled / 100 }
        }
        value => value.as_i64().unwrap_or(0),
    }
}

/// Returns the hash that names a template's generation, in the letters of generated names.
///
/// Upstream hashes Go's own dump of the struct, which nothing else can reproduce; what matters is that equal templates
/// have equal hashes.
pub(super) fn template_hash(template: &Value, salt: i64) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hash: u32 = 0x811c_9dc5;
    for byte in template.to_string().bytes().chain(salt.to_le_bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// Makes a pod out of a template; the caller adds the name.
pub(super) fn pod_from(template: &Value, owner: &Value, api_version: &str, kind: &str) -> Value {
    let mut metadata = json!({
        "namespace": namespace(owner),
        "ownerReferences": [owner_reference(owner, api_version, kind)],
    });
    for field in ["annotations", "finalizers", "labels"] {
        if let Some(value) = template["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_as_asked() {
        assert_eq!(int_or_percent(&json!("25%"), 10, true), 3);
        assert_eq!(int_or_percent(&json!("25%"), 10, false), 2);
        assert_eq!(int_or_percent(&json!(4), 10, false), 4);
        assert_eq!(int_or_percent(&Value::Null, 10, true), 0);
    }

    #[test]
    fn a_condition_that_stays_keeps_its_time() {
        let mut conditions = Vec::new();
        set_condition(&mut conditions, json!({ "type": "Ready", "status": "True" }), "1");
        set_condition(&mut conditions, json!({ "type": "Ready", "status": "True", "reason": "R" }), "2");
        assert_eq!(
            conditions,
            [json!({ "type": "Ready", "status": "True", "reason": "R", "lastTransitionTime": "1" })]
        );
        set_condition(&mut conditions, json!({ "type": "Ready", "status": "False" }), "3");
        assert_eq!(conditions[0]["lastTransitionTime"], "3");
    }
}
