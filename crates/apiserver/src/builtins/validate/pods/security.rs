//! Security contexts, and what of them an operating system knows.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::errors::at;
use super::super::{Errors, internal, is_empty, items, names, number, text};
use super::every_container;
use super::volumes::descending_path;

fn user_ids(context: &Value, fields: &[&str], path: &str, errors: &mut Errors) {
    for field in fields {
        if let Some(id) = number(context, field) {
            for problem in names::user_id(id) {
                errors.invalid_number(&format!("{path}.{field}"), id, &problem);
            }
        }
    }
}

pub(super) fn of_pod(spec: &Value, path: &str, errors: &mut Errors) {
    let context = &spec["securityContext"];
    user_ids(context, &["fsGroup", "runAsUser", "runAsGroup"], path, errors);
    for (index, group) in items(&context["supplementalGroups"]) {
        let id = group.as_i64().unwrap_or(0);
        for problem in names::user_id(id) {
            errors.invalid_number(&format!("{path}.supplementalGroups[{index}]"), id, &problem);
        }
    }
    if spec["shareProcessNamespace"] == true && spec["hostPID"] == true {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid_object(&format!("{path}.shareProcessNamespace"), &Value::Bool(true), detail);
    }
    sysctls(&context["sysctls"], spec, &format!("{path}.sysctls"), errors);
    let policies = ["Always", "OnRootMismatch"];
    errors.one_of(&format!("{path}.fsGroupChangePolicy"), &context["fsGroupChangePolicy"], &policies);
    seccomp(&context["seccompProfile"], &format!("{path}.seccompProfile"), errors);
    windows_options(&context["windowsOptions"], &format!("{path}.windowsOptions"), errors);
    app_armor(&context["appArmorProfile"], &format!("{path}.appArmorProfile"), errors);
    let policies = ["Merge", "Strict"];
    errors.one_of(&format!("{path}.supplementalGroupsPolicy"), &context["supplementalGroupsPolicy"], &policies);
    // The other, `MountOption`, belongs to a feature that is off.
    errors.one_of(&format!("{path}.seLinuxChangePolicy"), &context["seLinuxChangePolicy"], &["Recursive"]);
}

fn is_sysctl(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 253
        && name.split(['.', '/']).all(|part| {
            let bytes = part.as_bytes();
            matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if inner(*first) && inner(*last))
                && bytes.iter().all(|byte| inner(*byte) || b"-_".contains(byte))
        })
}

fn sysctls(list: &Value, spec: &Value, path: &str, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for (index, sysctl) in items(list) {
        let (field, name) = (format!("{path}[{index}].name"), text(sysctl, "name"));
        if name.is_empty() {
            errors.required(&field, "");
        } else if !is_sysctl(name) {
            const SEGMENT: &str = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
            let detail = format!("must have at most 253 characters and match regex ^({SEGMENT}[\\./])*{SEGMENT}$");
            errors.invalid_text(&field, name, &detail);
        } else if known.contains(name) {
            errors.duplicate(&field, &sysctl["name"]);
        }
        let normal = name.replace('/', ".");
        if spec["hostNetwork"] == true && normal.starts_with("net.") {
            errors.invalid_text(&field, name, "may not be specified when 'hostNetwork' is true");
        }
        let ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|start| normal.starts_with(start));
        if spec["hostIPC"] == true && (ipc || normal == "kernel.sem") {
            errors.invalid_text(&field, name, "may not be specified when 'hostIPC' is true");
        }
        known.insert(name);
    }
}

fn seccomp(profile: &Value, path: &str, errors: &mut Errors) {
    if profile.is_null() {
        return;
    }
    let own = &profile["localhostProfile"];
    match text(profile, "type") {
        "" => errors.required(&format!("{path}.type"), "type is required when seccompProfile is set"),
        "Localhost" | "RuntimeDefault" | "Unconfined" => {}
        _ => errors.not_supported(
            &format!("{path}.type"),
            &profile["type"],
            &["Localhost", "RuntimeDefault", "Unconfined"],
        ),
    }
    let field = format!("{path}.localhostProfile");
    match (text(profile, "type") == "Localhost", own.as_str()) {
        (true, None) => errors.required(&field, "must be set when seccomp type is Localhost"),
        (true, Some(file)) => descending_path(file, &field, errors),
        (false, Some(_)) => {
            let printed = internal::print("io.k8s.api.core.v1.SeccompProfile", profile);
            errors.invalid_printed(&field, &printed, "can only be set when seccomp type is Localhost");
        }
        (false, None) => {}
    }
}

fn app_armor(profile: &Value, path: &str, errors: &mut Errors) {
    if profile.is_null() {
        return;
    }
    let field = format!("{path}.localhostProfile");
    let own = profile["localhostProfile"].as_str();
    match text(profile, "type") {
        "Localhost" => {
            let needed = "must be set when AppArmor type is Localhost";
            match own {
                None => errors.required(&field, needed),
                Some(name) if name.trim() != name => {
                    errors.invalid_text(&field, name, "must not be padded with whitespace");
                }
                Some("") => errors.required(&field, needed),
                Some(_) => {}
            }
            if own.is_some_and(|name| name.len() > 4095) {
                errors.too_long(&field, 4095);
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if let Some(name) = own {
                errors.invalid_text(&field, name, "can only be set when AppArmor type is Localhost");
            }
        }
        "" => errors.required(&format!("{path}.type"), "type is required when appArmorProfile is set"),
        _ => errors.not_supported(
            &format!("{path}.type"),
            &profile["type"],
            &["Localhost", "RuntimeDefault", "Unconfined"],
        ),
    }
}

pub(super) fn of_container(context: &Value, host_users: bool, path: &str, errors: &mut Errors) {
    if context.is_null() {
        return;
    }
    user_ids(context, &["runAsUser", "runAsGroup"], path, errors);
    if let Some(mount) = context["procMount"].as_str() {
        let field = format!("{path}.procMount");
        errors.one_of(&field, &context["procMount"], &["Default", "Unmasked"]);
        if host_users && mount == "Unmasked" {
            errors.invalid_text(&field, mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    seccomp(&context["seccompProfile"], &format!("{path}.seccompProfile"), errors);
    if context["allowPrivilegeEscalation"] == false {
        let printed = || internal::print("io.k8s.api.core.v1.SecurityContext", context);
        if context["privileged"] == true {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid_printed(path, &printed(), detail);
        }
        if items(&context["capabilities"]["add"]).any(|(_, name)| name == "CAP_SYS_ADMIN") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.invalid_printed(path, &printed(), detail);
        }
    }
    windows_options(&context["windowsOptions"], &format!("{path}.windowsOptions"), errors);
    app_armor(&context["appArmorProfile"], &format!("{path}.appArmorProfile"), errors);
}

fn windows_options(options: &Value, path: &str, errors: &mut Errors) {
    if let Some(name) = options["gmsaCredentialSpecName"].as_str() {
        errors.invalid_each(&format!("{path}.gmsaCredentialSpecName"), name, names::dns_subdomain(name));
    }
    if let Some(spec) = options["gmsaCredentialSpec"].as_str() {
        let field = format!("{path}.gmsaCredentialSpec");
        if spec.is_empty() {
            errors.invalid_text(&field, spec, "gmsaCredentialSpec cannot be an empty string");
        } else if spec.len() > 64 * 1024 {
            errors.invalid_text(&field, spec, "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    if let Some(name) = options["runAsUserName"].as_str() {
        windows_user(name, &format!("{path}.runAsUserName"), errors);
    }
}

fn windows_user(name: &str, field: &str, errors: &mut Errors) {
    let mut refuse = |why: &str| errors.invalid_text(field, name, why);
    if name.is_empty() {
        return refuse("runAsUserName cannot be an empty string");
    }
    if name.bytes().any(|byte| byte.is_ascii_control()) {
        return refuse("runAsUserName cannot contain control characters");
    }
    let parts: Vec<&str> = name.split('\\').collect();
    let (domain, user) = match parts.as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return refuse("runAsUserName cannot contain more than one backslash"),
    };
    if domain.is_some_and(|domain| domain.len() >= 256) {
        refuse("runAsUserName's Domain length must be under 256 characters");
    }
    if domain.is_some_and(|domain| !is_net_bios(domain) && !is_windows_domain(domain)) {
        refuse("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
    }
    if user.is_empty() {
        refuse("runAsUserName's User cannot be empty");
    } else if user.len() > 104 {
        refuse("runAsUserName's User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|letter| ". ".contains(letter)) {
        refuse("runAsUserName's User cannot contain only periods or spaces");
    }
    if user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']']) {
        refuse(r#"runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]"#);
    }
}

fn is_net_bios(domain: &str) -> bool {
    const BANNED: &str = "\\/:*?\"<>|";
    let length = domain.chars().count();
    (1..=15).contains(&length) && !domain.starts_with('.') && !domain.contains(|letter| BANNED.contains(letter))
}

fn is_windows_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        let bytes = label.as_bytes();
        bytes.len() <= 63
            && matches!((bytes.first(), bytes.last()), (Some(a), Some(z)) if a.is_ascii_alphanumeric() && z.is_ascii_alphanumeric())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    })
}

pub(super) fn windows_host_process(spec: &Value, path: &str, errors: &mut Errors) {
    let pods = spec["securityContext"]["windowsOptions"]["hostProcess"].as_bool();
    let (mut all, mut processes) = (0, 0);
    for (path, container) in every_container(spec, path) {
        all += 1;
        let own = container["securityContext"]["windowsOptions"]["hostProcess"].as_bool();
        if let (Some(pods), Some(own)) = (pods, own)
            && pods != own
        {
            let detail = format!("pod hostProcess value must be identical if both are specified, was {pods}");
            let field = format!("{path}.securityContext.windowsOptions.hostProcess");
            errors.invalid_object(&field, &Value::Bool(own), &detail);
        }
        if own.or(pods) == Some(true) {
            processes += 1;
        }
    }
    if processes == 0 {
        return;
    }
    if processes != all {
        let detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.invalid_text(path, "", detail);
    }
    if spec["hostNetwork"] != true {
        let detail = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.invalid_object(&at(path, "hostNetwork"), &Value::Bool(false), detail);
    }
}

pub(super) fn host_users(spec: &Value, path: &str, errors: &mut Errors) {
    if spec["hostUsers"] != false {
        return;
    }
    const DETAIL: &str = "when `hostUsers` is false";
    for (field, name) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec[field] == true {
            errors.forbidden(&at(path, name), DETAIL);
        }
    }
    for (path, container) in every_container(spec, path) {
        if !is_empty(&container["volumeDevices"]) {
            errors.forbidden(&format!("{path}.volumeDevices"), DETAIL);
        }
    }
}

pub(super) fn linux(spec: &Value, path: &str, errors: &mut Errors) {
    const DETAIL: &str = "windows options cannot be set for a linux pod";
    if !spec["securityContext"]["windowsOptions"].is_null() {
        errors.forbidden(&at(path, "securityContext.windowsOptions"), DETAIL);
    }
    for (path, container) in every_container(spec, path) {
        if !container["securityContext"]["windowsOptions"].is_null() {
            errors.forbidden(&format!("{path}.securityContext.windowsOptions"), DETAIL);
        }
    }
}

/// What a Windows pod may not say: whether it stands in the pod's security context, and its name.
const NOT_ON_WINDOWS: [(bool, &str); 15] = [
    (true, "appArmorProfile"),
    (true, "seLinuxOptions"),
    (false, "hostUsers"),
    (false, "hostPID"),
    (false, "hostIPC"),
    (true, "seccompProfile"),
    (true, "fsGroup"),
    (true, "fsGroupChangePolicy"),
    (true, "sysctls"),
    (false, "shareProcessNamespace"),
    (true, "runAsUser"),
    (true, "runAsGroup"),
    (true, "supplementalGroups"),
    (true, "supplementalGroupsPolicy"),
    (true, "seLinuxChangePolicy"),
];

pub(super) fn windows(spec: &Value, path: &str, errors: &mut Errors) {
    const DETAIL: &str = "cannot be set for a windows pod";
    for (in_context, field) in NOT_ON_WINDOWS {
        let value = if in_context { &spec["securityContext"][field] } else { &spec[field] };
        let unset = value.is_null() || (["hostPID", "hostIPC"].contains(&field) && *value == false);
        if !unset {
            let field = if in_context { format!("securityContext.{field}") } else { field.to_owned() };
            errors.forbidden(&at(path, &field), DETAIL);
        }
    }
    for (path, container) in every_container(spec, path) {
        const FIELDS: [&str; 10] = [
            "appArmorProfile",
            "seLinuxOptions",
            "seccompProfile",
            "capabilities",
            "readOnlyRootFilesystem",
            "privileged",
            "allowPrivilegeEscalation",
            "procMount",
            "runAsUser",
            "runAsGroup",
        ];
        for field in FIELDS {
            if !container["securityContext"][field].is_null() {
                errors.forbidden(&format!("{path}.securityContext.{field}"), DETAIL);
            }
        }
    }
}
