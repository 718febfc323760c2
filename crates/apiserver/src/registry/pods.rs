//! What the parts of a pod that have their own endpoints may become.

use serde_json::Value;

use crate::builtins::quality_of_service;
use crate::error::Cause;

/// Returns what is wrong with a pod changed through `ephemeralcontainers` or `resize`.
pub(super) fn validate_part(subresource: &str, live: &Value, next: &Value) -> Vec<Cause> {
    match subresource {
        "ephemeralcontainers" => ephemeral(live, next),
        "resize" if quality_of_service(&live["spec"]) != quality_of_service(&next["spec"]) => {
            let class = &live["status"]["qosClass"];
            vec![Cause::invalid("spec", class, "Pod QOS Class may not change as a result of resizing")]
        }
        _ => Vec::new(),
    }
}

fn list<'a>(pod: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    pod["spec"][key].as_array().into_iter().flatten()
}

/// Ephemeral containers come, and stay as they came.
fn ephemeral(live: &Value, next: &Value) -> Vec<Cause> {
    const FIELD: &str = "spec.ephemeralContainers";
    let mut causes = Vec::new();
    for before in list(live, "ephemeralContainers") {
        let name = &before["name"];
        match list(next, "ephemeralContainers").find(|after| after["name"] == *name) {
            None => {
                causes.push(Cause::forbidden(
                    FIELD,
                    &format!("existing ephemeral containers {name} may not be removed\n"),
                ));
            }
            // Upstream adds a comparison of two dumps of its internal types, which is not made up here.
            Some(after) if after != before => {
                causes.push(Cause::forbidden(
                    FIELD,
                    &format!("existing ephemeral containers {name} may not be changed\n"),
                ));
            }
            Some(_) => {}
        }
    }
    causes
}
