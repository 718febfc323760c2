//! The families of a Service's addresses, of which the cluster has one: IPv4 (`initIPFamilyFields`).

use serde_json::{Value, json};

use super::{is_headless, kind, needs_address, selects_nothing, set, text, texts};
use crate::builtins::create::Refusal;
use crate::builtins::validate::{invalid, service_addresses};

const POLICY: &str = "spec.ipFamilyPolicy";

/// Gives a Service its families and their policy, if it can have them.
pub(super) fn settle(old: Option<&Value>, service: &mut Value) -> Result<(), Refusal> {
    if !needs_address(service) || old.is_some_and(|old| prefers_the_same(old, service)) {
        return Ok(());
    }
    if service["spec"]["ipFamilyPolicy"].is_null() {
        let before = old.and_then(|old| old["spec"].get("ipFamilyPolicy")).filter(|before| before.is_string());
        let policy = match before {
            Some(before) => before.clone(),
            // Whoever fills the endpoints of such a one may give it addresses of either family.
            None if is_headless(service) && selects_nothing(service) => json!("RequireDualStack"),
            None => json!("SingleStack"),
        };
        set(service, "ipFamilyPolicy", Some(policy));
    }
    let refuse = |mistakes: Vec<_>| if mistakes.is_empty() { Ok(()) } else { Err(Refusal::Invalid(mistakes)) };
    refuse(service_addresses(service))?;
    let is_single = text(service, "ipFamilyPolicy") == "SingleStack";
    let policy = service["spec"]["ipFamilyPolicy"].clone();
    let mut mistakes = Vec::new();
    for (field, second) in [("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")] {
        let after = texts(service, field);
        let Some(before) = old.map(|old| texts(old, field)) else { continue };
        if is_single && before == after && after.len() > 1 {
            set(service, field, Some(json!([after[0]])));
        } else if !is_single && !after.is_empty() && after.len() < before.len() {
            let why = format!("must be 'SingleStack' to release the secondary {second}");
            mistakes.push(invalid(POLICY, &policy, &why));
        }
    }
    for (field, many) in [("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")] {
        if is_single && texts(service, field).len() == 2 {
            let why = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {many} are specified");
            mistakes.push(invalid(POLICY, &policy, &why));
        }
    }
    let (addresses, mut families) = (texts(service, "clusterIPs"), texts(service, "ipFamilies"));
    for (at, address) in addresses.iter().enumerate().skip(families.len()).filter(|(_, address)| *address != "None") {
        if address.contains(':') {
            let why = "IPv6 is not configured on this cluster";
            mistakes.push(invalid(&format!("spec.clusterIPs[{at}]"), &json!(addresses), why));
        } else {
            families.push("IPv4".to_owned());
        }
    }
    refuse(mistakes)?;
    if families.is_empty() {
        families.push("IPv4".to_owned());
    }
    if is_headless(service) && selects_nothing(service) {
        if families.len() == 1 && !is_single {
            let other = if families[0] == "IPv4" { "IPv6" } else { "IPv4" };
            families.push(other.to_owned());
        }
    } else {
        refuse(not_served(service, &families))?;
    }
    set(service, "ipFamilies", Some(json!(families)));
    Ok(())
}

fn not_served(service: &Value, families: &[String]) -> Vec<crate::builtins::FieldError> {
    let mut mistakes = Vec::new();
    if text(service, "ipFamilyPolicy") == "RequireDualStack" {
        let why = "this cluster is not configured for dual-stack services";
        mistakes.push(invalid(POLICY, &json!("RequireDualStack"), why));
    }
    for (at, family) in families.iter().enumerate().filter(|(_, family)| *family != "IPv4") {
        mistakes.push(invalid(&format!("spec.ipFamilies[{at}]"), &json!(family), "not configured on this cluster"));
    }
    mistakes
}

/// Whoever takes two families where there are two is left alone as long as nothing of it changes.
fn prefers_the_same(old: &Value, service: &Value) -> bool {
    let prefers = |service: &Value| text(service, "ipFamilyPolicy") == "PreferDualStack";
    let is_same = |field: &str| texts(old, field) == texts(service, field);
    kind(old) == kind(service)
        && prefers(service)
        && (prefers(old) || old["spec"]["ipFamilyPolicy"].is_null())
        && is_same("clusterIPs")
        && is_same("ipFamilies")
}
