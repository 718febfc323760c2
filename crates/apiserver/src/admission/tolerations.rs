//! `DefaultTolerationSeconds`: a pod stays for five minutes on a node that went away.

use serde_json::{Value, json};

use super::Request;

pub(super) fn mutate(request: &Request<'_>, pod: &mut Value) {
    if !request.is_of("", "pods") {
        return;
    }
    let tolerations = &mut pod["spec"]["tolerations"];
    if !tolerations.is_array() {
        *tolerations = json!([]);
    }
    let Value::Array(tolerations) = tolerations else { return };
    let unset = |value: &Value| value.is_null() || value == "";
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = tolerations.iter().any(|have| {
            (have["key"] == key || unset(&have["key"])) && (have["effect"] == "NoExecute" || unset(&have["effect"]))
        });
        if !tolerated {
            tolerations
                .push(json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }));
        }
    }
}
