//! Writes to a resource what came of looking after it.

use bowline_cluster::{Answer, ApiError};
use bowline_model::Object;
use serde_json::{Map, Value, json};

use crate::dialect::Raised;
use crate::happening::Counters;
use crate::shared::{Shared, Speaker};

/// Writes what a dialect raised, and returns what the server answered to the last write.
pub(crate) async fn publish(
    shared: &Shared,
    speaker: &Speaker,
    resource: &Object,
    raised: Raised,
) -> Result<Option<Answer>, ApiError> {
    let status = raised.status.as_ref().and_then(|status| difference(resource.at("/status"), status));
    let mut latest = None;
    let served = shared.cluster.resource(&speaker.kind.gvk).await?;
    let served = served.ok_or_else(|| ApiError::UnknownKind(speaker.kind.gvk.to_string()))?;
    let write = async |subresource: &str, patch: &Value| {
        Counters::add(&shared.counters.status_writes);
        let manager = &speaker.kind.manager;
        shared.cluster.merge_patch(&served, resource.namespace(), resource.name(), subresource, manager, patch).await
    };
    match (raised.patch, status) {
        // One write where status has no endpoint of its own.
        (patch, Some(status)) if !speaker.kind.status_subresource => {
            let mut whole = patch.unwrap_or_else(|| json!({}));
            whole["status"] = status;
            latest = Some(write("", &whole).await?);
        }
        (patch, status) => {
            if let Some(patch) = patch {
                latest = Some(write("", &patch).await?);
            }
            if let Some(status) = status {
                latest = Some(write("status", &json!({ "status": status })).await?);
            }
        }
    }
    if !raised.events.is_empty() {
        let latest = latest.as_ref().map(Answer::object).transpose()?;
        shared.events.send(speaker, latest.as_ref().unwrap_or(resource), raised.events, shared.now());
    }
    Ok(latest)
}

/// Returns the JSON merge patch that makes `want` of `have`, or `None` when they are equal.
pub(crate) fn difference(have: Option<&Value>, want: &Value) -> Option<Value> {
    match (have, want) {
        (Some(have), want)
            if have == want && !bowline_model::is_planted(bowline_model::Planted::WritesStatusAlways) =>
        {
            None
        }
        (Some(Value::Object(have)), Value::Object(want)) => {
            let mut patch = Map::new();
            for (key, want) in want {
                // A merge patch cannot store a null: both mean that there is nothing.
                if want.is_null() && !have.contains_key(key) {
                    continue;
                }
                if let Some(change) = difference(have.get(key), want) {
                    patch.insert(key.clone(), change);
                }
            }
            for key in have.keys().filter(|key| !want.contains_key(*key)) {
                patch.insert(key.clone(), Value::Null);
            }
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        _ => Some(want.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_makes_one_of_the_other() {
        let cases = [
            (json!({"a": 1}), json!({"a": 1}), None),
            (json!({"a": 1, "b": 2}), json!({"a": 1}), Some(json!({"b": null}))),
            (json!({"a": {"x": 1, "y": [1]}}), json!({"a": {"x": 1, "y": [2]}}), Some(json!({"a": {"y": [2]}}))),
            (json!({}), json!({"a": {"b": 1}}), Some(json!({"a": {"b": 1}}))),
            (json!({"a": 1}), json!({"a": 1, "b": null}), None),
        ];
        for (have, want, patch) in cases {
            assert_eq!(difference(Some(&have), &want), patch, "{have} -> {want}");
        }
        assert_eq!(difference(None, &json!({"a": 1})), Some(json!({"a": 1})));
    }
}
