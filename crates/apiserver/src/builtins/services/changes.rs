//! What of a Service may not change (`ValidateServiceUpdate`).

use serde_json::{Value, json};

use super::{is_balanced, needs_address, needs_health_port, text, texts};
use crate::builtins::FieldError;
use crate::builtins::validate::{balancer_class, forbidden, invalid};

const SET_ONCE: &str = "may not change once set";

/// Returns what changed that may not, and what is wrong with who balances the load.
pub(in crate::builtins) fn changes(old: &Value, new: &Value) -> Vec<FieldError> {
    let mut problems = Vec::new();
    if needs_address(old) && needs_address(new) {
        addresses(old, new, &mut problems);
        families(old, new, &mut problems);
    }
    let (before, after) = (&old["spec"], &new["spec"]);
    if is_balanced(old) && is_balanced(new) && before["loadBalancerClass"] != after["loadBalancerClass"] {
        problems.push(invalid("spec.loadBalancerClass", &after["loadBalancerClass"], SET_ONCE));
    }
    problems.extend(balancer_class(new));
    if needs_health_port(old) && needs_health_port(new) && before["healthCheckNodePort"] != after["healthCheckNodePort"]
    {
        problems.push(forbidden("spec.healthCheckNodePort", "field is immutable"));
    }
    problems
}

fn is_headless(service: &Value) -> bool {
    texts(service, "clusterIPs") == ["None"]
}

/// Returns where two lists differ that are of one length, or whether the first of each differ where they are not.
fn differing(before: &[String], after: &[String]) -> Vec<usize> {
    let all = before.iter().zip(after).enumerate().filter(|(_, (before, after))| before != after).map(|(at, _)| at);
    all.filter(|at| *at == 0 || before.len() == after.len()).collect()
}

fn releases_second(new: &Value, what: &str) -> Option<FieldError> {
    let why = format!("must be set to 'SingleStack' when releasing the secondary {what}");
    (text(new, "ipFamilyPolicy") != "SingleStack")
        .then(|| invalid("spec.ipFamilyPolicy", &new["spec"]["ipFamilyPolicy"], &why))
}

fn addresses(old: &Value, new: &Value, problems: &mut Vec<FieldError>) {
    if is_headless(old) && is_headless(new) {
        return;
    }
    let (before, after) = (texts(old, "clusterIPs"), texts(new, "clusterIPs"));
    if after.is_empty() && !before.is_empty() {
        problems.push(invalid("spec.clusterIPs[0]", &new["spec"]["clusterIPs"], "primary clusterIP can not be unset"));
    }
    for at in differing(&before, &after) {
        problems.push(invalid(&format!("spec.clusterIPs[{at}]"), &json!(after), SET_ONCE));
    }
    if after.len() == 1 && before.len() > 1 {
        problems.extend(releases_second(new, "clusterIP"));
    }
}

fn families(old: &Value, new: &Value, problems: &mut Vec<FieldError>) {
    const PATH: &str = "spec.ipFamilies[0]";
    if is_headless(old) || is_headless(new) {
        return;
    }
    let (before, after) = (texts(old, "ipFamilies"), texts(new, "ipFamilies"));
    let shorter = after.len() < before.len();
    if shorter && texts(new, "clusterIPs").is_empty() {
        problems.push(invalid(PATH, &new["spec"]["ipFamilies"], "primary ipFamily can not be unset"));
    }
    for _ in differing(&before, &after) {
        // Upstream shows the addresses where the lists are not of one length.
        let shown = if before.len() == after.len() { json!(after) } else { new["spec"]["clusterIPs"].clone() };
        problems.push(invalid(PATH, &shown, SET_ONCE));
    }
    if shorter && after.len() == 1 {
        problems.extend(releases_second(new, "ipFamily"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stays_and_a_class_is_for_balanced_ones() {
        let service = |spec: Value| json!({ "spec": spec });
        let old = service(json!({ "type": "ClusterIP", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"] }));
        let new = service(json!({
            "type": "ClusterIP", "clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.2"], "loadBalancerClass": "a/b",
        }));
        let told: Vec<String> = changes(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                r#"spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set"#,
                "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
            ]
        );
        assert_eq!(changes(&old, &old), []);
    }
}
