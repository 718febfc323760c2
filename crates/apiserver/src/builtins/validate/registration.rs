//! Aggregated APIs (`kube-aggregator`).

use base64::Engine as _;
use serde_json::Value;

use super::{Errors, names, number, text};

pub(super) fn api_service(service: &Value, errors: &mut Errors) {
    let spec = &service["spec"];
    let (group, version, name) = (text(spec, "group"), text(spec, "version"), text(&service["metadata"], "name"));
    let wanted = format!("{version}.{group}");
    if names::path_segment(name).is_empty() && !name.is_empty() && name != wanted {
        let detail = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        errors.invalid_text("metadata.name", name, &detail);
    }
    if group.is_empty() && version != "v1" {
        errors.required("spec.group", "only v1 may have an empty group and it better be legacy kube");
    }
    if !group.is_empty() {
        errors.invalid_each("spec.group", group, names::dns_subdomain(group));
    }
    errors.invalid_each("spec.version", version, names::dns_1035_label(version));
    for (field, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let priority = number(spec, field).unwrap_or(0);
        if !(1..=most).contains(&priority) {
            errors.invalid_number(
                &format!("spec.{field}"),
                priority,
                &format!("must be positive and less than {most}"),
            );
        }
    }
    let bundle = text(spec, "caBundle");
    let insecure = spec["insecureSkipTLSVerify"] == true;
    let skip = "spec.insecureSkipTLSVerify";
    let target = &spec["service"];
    if target.is_null() {
        if !bundle.is_empty() {
            let size = base64::engine::general_purpose::STANDARD.decode(bundle).map_or(0, |bytes| bytes.len());
            errors.invalid_text("spec.caBundle", &format!("{size} bytes"), "local APIServices may not have a caBundle");
        }
        if insecure {
            let detail = "local APIServices may not have insecureSkipTLSVerify";
            errors.invalid_object(skip, &spec["insecureSkipTLSVerify"], detail);
        }
        return;
    }
    errors.wants_text(target, "namespace", "spec.service");
    errors.wants_text(target, "name", "spec.service");
    let port = number(target, "port").unwrap_or(0);
    let problems = names::port_number(port);
    if !problems.is_empty() {
        errors.invalid_number("spec.service.port", port, &format!("port is not valid: {}", problems.join(", ")));
    }
    if insecure && !bundle.is_empty() {
        errors.invalid_object(skip, &spec["insecureSkipTLSVerify"], "may not be true if caBundle is present");
    }
}
