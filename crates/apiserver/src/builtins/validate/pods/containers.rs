//! Containers: ports, environment, mounts, probes, life cycle.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::errors::at;
use super::super::{Errors, is_empty, items, names, number, text};
use super::volumes::{descending_path, no_backsteps};
use super::{resources, security};
use crate::builtins::Quantity;

/// What a container is checked against.
pub(super) struct Context<'a> {
    pub(super) spec: &'a Value,
    /// The sound volumes by name.
    pub(super) volumes: BTreeMap<&'a str, &'a Value>,
    pub(super) claims: Vec<&'a str>,
    pub(super) grace_secs: Option<i64>,
    pub(super) host_users: bool,
    pub(super) restart_policy: &'a str,
    pub(super) os: &'a Value,
}

impl Context<'_> {
    pub(super) fn containers(&self, path: &str, errors: &mut Errors) {
        let list = &self.spec["containers"];
        if is_empty(list) {
            errors.required(path, "");
            return;
        }
        let mut known = BTreeSet::new();
        for (index, container) in items(list) {
            let path = format!("{path}[{index}]");
            self.common(container, &path, errors);
            if !known.insert(text(container, "name")) {
                errors.duplicate(&format!("{path}.name"), &container["name"]);
            }
            self.lifecycle(&container["lifecycle"], &format!("{path}.lifecycle"), errors);
            self.probes(container, &path, errors);
            restart_policy(container, &path, errors);
        }
        host_port_conflicts(items(list).map(|(_, container)| container), path, errors);
    }

    pub(super) fn init_containers(&self, path: &str, errors: &mut Errors) {
        let mut known: BTreeSet<&str> =
            items(&self.spec["containers"]).map(|(_, container)| text(container, "name")).collect();
        for (index, container) in items(&self.spec["initContainers"]) {
            let list_path = path;
            let path = format!("{path}[{index}]");
            self.common(container, &path, errors);
            let always = text(container, "restartPolicy") == "Always";
            let rules = &container["restartPolicyRules"];
            if container["restartPolicy"].is_null() {
                if !is_empty(rules) {
                    let detail = "must specify restartPolicy when restart rules are used";
                    errors.required(&format!("{path}.restartPolicy"), detail);
                }
            } else if always {
                if !is_empty(rules) {
                    let detail = "restartPolicyRules are not allowed for init containers with restart policy Always";
                    errors.forbidden(&format!("{path}.restartPolicyRules"), detail);
                }
            } else {
                restart_policy(container, &path, errors);
            }
            let name = text(container, "name");
            if known.contains(name) {
                errors.duplicate(&format!("{path}.name"), &container["name"]);
            } else if !name.is_empty() {
                known.insert(name);
            }
            host_port_conflicts(std::iter::once(container), list_path, errors);
            if always {
                self.lifecycle(&container["lifecycle"], &format!("{path}.lifecycle"), errors);
                self.probes(container, &path, errors);
            } else {
                for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                    if !container[field].is_null() {
                        let detail = "may not be set for init containers without restartPolicy=Always";
                        errors.forbidden(&format!("{path}.{field}"), detail);
                    }
                }
            }
        }
    }

    pub(super) fn ephemeral_containers(&self, path: &str, errors: &mut Errors) {
        let others: Vec<&str> = (["containers", "initContainers"].into_iter())
            .flat_map(|list| items(&self.spec[list]).map(|(_, container)| text(container, "name")))
            .collect();
        let mut known: BTreeSet<&str> = others.iter().copied().collect();
        for (index, container) in items(&self.spec["ephemeralContainers"]) {
            let path = format!("{path}[{index}]");
            self.common(container, &path, errors);
            image_is_trimmed(container, &path, errors);
            if !known.insert(text(container, "name")) {
                errors.duplicate(&format!("{path}.name"), &container["name"]);
            }
            let target = text(container, "targetContainerName");
            if !target.is_empty() && !others.contains(&target) {
                errors.not_found(&format!("{path}.targetContainerName"), &container["targetContainerName"], "");
            }
            const KEPT_OUT: [&str; 9] = [
                "ports",
                "resources",
                "resizePolicy",
                "restartPolicy",
                "restartPolicyRules",
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
                "lifecycle",
            ];
            for field in KEPT_OUT {
                let value = &container[field];
                let set = if field == "resources" {
                    value.as_object().is_some_and(|map| !map.is_empty())
                } else {
                    !value.is_null()
                };
                if set {
                    errors.forbidden(&format!("{path}.{field}"), "cannot be set for an Ephemeral Container");
                }
            }
            for (index, mount) in items(&container["volumeMounts"]) {
                for field in ["subPath", "subPathExpr"] {
                    if !text(mount, field).is_empty() {
                        let field = format!("{path}.volumeMounts[{index}].{field}");
                        errors.forbidden(&field, "cannot be set for an Ephemeral Container");
                    }
                }
            }
        }
    }

    fn common(&self, container: &Value, path: &str, errors: &mut Errors) {
        if errors.wants_text(container, "name", path) {
            let name = text(container, "name");
            errors.invalid_each(&format!("{path}.name"), name, names::dns_label(name));
        }
        errors.wants_text(container, "image", path);
        let policies = ["File", "FallbackToLogsOnError"];
        errors.needs_one_of(
            &format!("{path}.terminationMessagePolicy"),
            &container["terminationMessagePolicy"],
            &policies,
        );
        ports(&container["ports"], &format!("{path}.ports"), errors);
        environment(&container["env"], &format!("{path}.env"), errors);
        environment_from(&container["envFrom"], &format!("{path}.envFrom"), errors);
        self.mounts(container, &format!("{path}.volumeMounts"), errors);
        self.devices(container, &format!("{path}.volumeDevices"), errors);
        let policies = ["Always", "IfNotPresent", "Never"];
        errors.needs_one_of(&format!("{path}.imagePullPolicy"), &container["imagePullPolicy"], &policies);
        let check = resources::container_resource_name;
        resources::requirements(&container["resources"], check, &self.claims, &format!("{path}.resources"), errors);
        self.resize_policy(&container["resizePolicy"], &format!("{path}.resizePolicy"), errors);
        let context = &container["securityContext"];
        security::of_container(context, self.host_users, &format!("{path}.securityContext"), errors);
    }

    fn resize_policy(&self, list: &Value, path: &str, errors: &mut Errors) {
        let mut known = BTreeSet::new();
        for (index, policy) in items(list) {
            let (resource, restart) = (text(policy, "resourceName"), text(policy, "restartPolicy"));
            if !known.insert(resource) {
                errors.duplicate(&format!("{path}[{index}]"), &policy["resourceName"]);
            }
            errors.needs_one_of(path, &policy["resourceName"], &["cpu", "memory"]);
            errors.needs_one_of(path, &policy["restartPolicy"], &["NotRequired", "RestartContainer"]);
            if self.restart_policy == "Never" && restart != "NotRequired" {
                errors.invalid_text(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'");
            }
        }
    }

    fn mounts(&self, container: &Value, path: &str, errors: &mut Errors) {
        let mut points = BTreeSet::new();
        let device = |name: &str| items(&container["volumeDevices"]).any(|(_, device)| text(device, "name") == name);
        let device_path =
            |path: &str| items(&container["volumeDevices"]).any(|(_, device)| text(device, "devicePath") == path);
        for (index, mount) in items(&container["volumeMounts"]) {
            let own = format!("{path}[{index}]");
            let (name, point) = (text(mount, "name"), text(mount, "mountPath"));
            errors.wants_text(mount, "name", &own);
            if !self.volumes.contains_key(name) {
                errors.not_found(&format!("{own}.name"), &mount["name"], "");
            }
            errors.wants_text(mount, "mountPath", &own);
            if !points.insert(point) {
                errors.invalid_text(&format!("{own}.mountPath"), point, "must be unique");
            }
            if device(name) {
                errors.invalid_text(&format!("{own}.name"), name, "must not already exist in volumeDevices");
            }
            if device_path(point) {
                let detail = "must not already exist as a path in volumeDevices";
                errors.invalid_text(&format!("{own}.mountPath"), point, detail);
            }
            let (sub, expression) = (text(mount, "subPath"), text(mount, "subPathExpr"));
            if !sub.is_empty() {
                descending_path(sub, &at(path, "subPath"), errors);
            }
            if !expression.is_empty() {
                if !sub.is_empty() {
                    let detail = "subPathExpr and subPath are mutually exclusive";
                    errors.invalid_text(&format!("{own}.subPathExpr"), expression, detail);
                }
                descending_path(expression, &at(path, "subPathExpr"), errors);
            }
            propagation(mount, container, &at(path, "mountPropagation"), errors);
            recursive_read_only(mount, &at(path, "recursiveReadOnly"), errors);
        }
    }

    fn devices(&self, container: &Value, path: &str, errors: &mut Errors) {
        let (mut paths, mut known) = (BTreeSet::new(), BTreeSet::new());
        let mounts = &container["volumeMounts"];
        for (index, device) in items(&container["volumeDevices"]) {
            let path = format!("{path}[{index}]");
            let (name, place) = (text(device, "name"), text(device, "devicePath"));
            let (name_field, path_field) = (format!("{path}.name"), format!("{path}.devicePath"));
            errors.wants_text(device, "name", &path);
            if known.contains(name) {
                errors.invalid_text(&name_field, name, "must be unique");
            }
            match self.volumes.get(name) {
                None => errors.not_found(&name_field, &device["name"], ""),
                Some(volume) if volume["persistentVolumeClaim"].is_null() && volume["ephemeral"].is_null() => {
                    let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                    errors.invalid_text(&name_field, name, detail);
                }
                Some(_) => {}
            }
            errors.wants_text(device, "devicePath", &path);
            if paths.contains(place) {
                errors.invalid_text(&path_field, place, "must be unique");
            }
            if !place.is_empty() && place.split('/').any(|part| part == "..") {
                errors.invalid_text(&path_field, place, "can not contain backsteps ('..')");
            } else {
                paths.insert(place);
            }
            if items(mounts).any(|(_, mount)| text(mount, "name") == name) {
                errors.invalid_text(&name_field, name, "must not already exist in volumeMounts");
            }
            if items(mounts).any(|(_, mount)| text(mount, "mountPath") == place) {
                errors.invalid_text(&path_field, place, "must not already exist as a path in volumeMounts");
            }
            if !name.is_empty() {
                known.insert(name);
            }
        }
    }

    fn lifecycle(&self, lifecycle: &Value, path: &str, errors: &mut Errors) {
        for field in ["postStart", "preStop"] {
            if !lifecycle[field].is_null() {
                let kinds = ["exec", "httpGet", "tcpSocket", "sleep"];
                self.handler(&lifecycle[field], &kinds, &format!("{path}.{field}"), errors);
            }
        }
        let signal = &lifecycle["stopSignal"];
        if signal.is_null() {
            return;
        }
        let field = format!("{path}.stopSignal");
        match text(self.os, "name") {
            _ if self.os.is_null() => {
                errors.forbidden(&field, "may not be set for containers with empty `spec.os.name`");
            }
            "windows" => errors.one_of(&field, signal, &["SIGKILL", "SIGTERM"]),
            "linux" => {
                let all: Vec<String> = signals();
                let all: Vec<&str> = all.iter().map(String::as_str).collect();
                errors.one_of(&field, signal, &all);
            }
            _ => {}
        }
    }

    fn probes(&self, container: &Value, path: &str, errors: &mut Errors) {
        for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
            let probe = &container[name];
            if probe.is_null() {
                continue;
            }
            let path = format!("{path}.{name}");
            self.handler(probe, &["exec", "httpGet", "tcpSocket", "grpc"], &path, errors);
            let fields =
                ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
            super::super::non_negative(probe, &fields, &path, errors);
            let grace = format!("{path}.terminationGracePeriodSeconds");
            if let Some(secs) = number(probe, "terminationGracePeriodSeconds").filter(|secs| *secs <= 0) {
                errors.invalid_number(&grace, secs, "must be greater than 0");
            }
            if name == "readinessProbe" {
                if let Some(secs) = number(probe, "terminationGracePeriodSeconds") {
                    errors.invalid_number(&grace, secs, "must not be set for readinessProbes");
                }
            } else {
                let threshold = number(probe, "successThreshold").unwrap_or(0);
                if threshold != 1 {
                    errors.invalid_number(&format!("{path}.successThreshold"), threshold, "must be 1");
                }
            }
        }
    }

    fn handler(&self, handler: &Value, kinds: &[&str], path: &str, errors: &mut Errors) {
        let mut found = 0;
        for kind in kinds.iter().filter(|kind| !handler[**kind].is_null()) {
            let (action, path) = (&handler[*kind], format!("{path}.{kind}"));
            found += 1;
            if found > 1 {
                errors.forbidden(&path, "may not specify more than 1 handler type");
                continue;
            }
            match *kind {
                "exec" if is_empty(&action["command"]) => errors.required(&format!("{path}.command"), ""),
                "httpGet" => http_get(action, &path, errors),
                "tcpSocket" => port_or_name(&action["port"], &format!("{path}.port"), errors),
                "grpc" => port_or_name(&action["port"], &format!("{path}.port"), errors),
                "sleep" => {
                    let secs = number(action, "seconds").unwrap_or(0);
                    if let Some(grace) = self.grace_secs.filter(|grace| secs < 0 || secs > *grace) {
                        let detail =
                            format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                        errors.invalid_number(&path, secs, &detail);
                    }
                }
                _ => {}
            }
        }
        if found == 0 {
            errors.required(path, "must specify a handler type");
        }
    }
}

fn http_get(action: &Value, path: &str, errors: &mut Errors) {
    errors.wants_text(action, "path", path);
    port_or_name(&action["port"], &format!("{path}.port"), errors);
    if !["HTTP", "HTTPS"].contains(&text(action, "scheme")) {
        errors.not_supported(&format!("{path}.scheme"), &action["scheme"], &["HTTP", "HTTPS"]);
    }
    for (_, header) in items(&action["httpHeaders"]) {
        let name = text(header, "name");
        errors.invalid_each(&format!("{path}.httpHeaders"), name, names::header_name(name));
    }
}

pub(in super::super) fn port_or_name(port: &Value, path: &str, errors: &mut Errors) {
    if let Some(name) = port.as_str() {
        errors.invalid_each(path, name, names::port_name(name));
    } else {
        let number = port.as_i64().unwrap_or(0);
        for problem in names::port_number(number) {
            errors.invalid_number(path, number, &problem);
        }
    }
}

fn signals() -> Vec<String> {
    const PLAIN: [&str; 35] = [
        "SIGABRT",
        "SIGALRM",
        "SIGBUS",
        "SIGCHLD",
        "SIGCLD",
        "SIGCONT",
        "SIGFPE",
        "SIGHUP",
        "SIGILL",
        "SIGINT",
        "SIGIO",
        "SIGIOT",
        "SIGKILL",
        "SIGPIPE",
        "SIGPOLL",
        "SIGPROF",
        "SIGPWR",
        "SIGQUIT",
        "SIGRTMAX",
        "SIGRTMIN",
        "SIGSEGV",
        "SIGSTKFLT",
        "SIGSTOP",
        "SIGSYS",
        "SIGTERM",
        "SIGTRAP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGUSR1",
        "SIGUSR2",
        "SIGVTALRM",
        "SIGWINCH",
        "SIGXCPU",
    ];
    let mut all: Vec<String> = PLAIN.iter().map(|name| (*name).to_owned()).collect();
    all.push("SIGXFSZ".to_owned());
    all.extend((1..=14).map(|number| format!("SIGRTMAX-{number}")));
    all.extend((1..=15).map(|number| format!("SIGRTMIN+{number}")));
    all.sort();
    all
}

fn restart_policy(container: &Value, path: &str, errors: &mut Errors) {
    let rules = &container["restartPolicyRules"];
    if container["restartPolicy"].is_null() {
        if !is_empty(rules) {
            let detail = "must specify restartPolicy when restart rules are used";
            errors.required(&format!("{path}.restartPolicy"), detail);
        }
    } else {
        let policies = ["Always", "Never", "OnFailure"];
        errors.one_of(&format!("{path}.restartPolicy"), &container["restartPolicy"], &policies);
    }
    if rules.as_array().is_some_and(|rules| rules.len() > 20) {
        errors.too_long(&format!("{path}.restartPolicyRules"), 20);
    }
    for (index, rule) in items(rules) {
        let path = format!("{path}.restartPolicyRules[{index}]");
        if text(rule, "action") != "Restart" {
            errors.not_supported(&format!("{path}.action"), &rule["action"], &["Restart"]);
        }
        let codes = &rule["exitCodes"];
        if codes.is_null() {
            errors.required(&format!("{path}.exitCodes"), "must be specified");
            continue;
        }
        if !["In", "NotIn"].contains(&text(codes, "operator")) {
            errors.not_supported(&format!("{path}.exitCodes.operator"), &codes["operator"], &["In", "NotIn"]);
        }
        if codes["values"].as_array().is_some_and(|values| values.len() > 255) {
            errors.too_long(&format!("{path}.exitCodes.values"), 255);
        }
    }
}

fn host_port_conflicts<'a>(containers: impl Iterator<Item = &'a Value>, path: &str, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for (index, container) in containers.enumerate() {
        for (port_index, port) in items(&container["ports"]) {
            let Some(number) = number(port, "hostPort").filter(|number| *number != 0) else { continue };
            let key = format!("{}/{}/{number}", text(port, "protocol"), text(port, "hostIP"));
            if known.contains(&key) {
                let field = format!("{path}[{index}].ports[{port_index}].hostPort");
                errors.duplicate(&field, &Value::from(key.as_str()));
            }
            known.insert(key);
        }
    }
}

pub(super) fn image_is_trimmed(container: &Value, path: &str, errors: &mut Errors) {
    let image = text(container, "image");
    if image.trim() != image {
        errors.invalid_text(&format!("{path}.image"), image, "must not have leading or trailing whitespace");
    }
}

pub(in super::super) const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

fn ports(list: &Value, path: &str, errors: &mut Errors) {
    let mut known = BTreeSet::new();
    // Upstream's loop over a name's problems reuses the index of the loop over ports.
    for (index, port) in items(list) {
        let mut shown = format!("{path}[{index}]");
        let name = text(port, "name");
        if !name.is_empty() {
            let problems = names::port_name(name);
            if problems.is_empty() && !known.insert(name) {
                errors.duplicate(&format!("{shown}.name"), &port["name"]);
            }
            errors.invalid_each(&format!("{shown}.name"), name, problems);
        }
        shown = format!("{path}[{index}]");
        match number(port, "containerPort").unwrap_or(0) {
            0 => errors.required(&format!("{shown}.containerPort"), ""),
            number => {
                for problem in names::port_number(number) {
                    errors.invalid_number(&format!("{shown}.containerPort"), number, &problem);
                }
            }
        }
        if let Some(number) = number(port, "hostPort").filter(|number| *number != 0) {
            for problem in names::port_number(number) {
                errors.invalid_number(&format!("{shown}.hostPort"), number, &problem);
            }
        }
        errors.needs_one_of(&format!("{shown}.protocol"), &port["protocol"], &PROTOCOLS);
    }
}

fn environment(list: &Value, path: &str, errors: &mut Errors) {
    for (index, variable) in items(list) {
        let path = format!("{path}[{index}]");
        if errors.wants_text(variable, "name", &path) {
            let name = text(variable, "name");
            errors.invalid_each(&format!("{path}.name"), name, names::env_name(name));
        }
        let from = &variable["valueFrom"];
        if from.is_null() {
            continue;
        }
        let path = format!("{path}.valueFrom");
        let mut sources = 0;
        if !from["fieldRef"].is_null() {
            sources += 1;
            field_selector(&from["fieldRef"], &POD_FIELDS, &format!("{path}.fieldRef"), errors);
        }
        if !from["resourceFieldRef"].is_null() {
            sources += 1;
            resource_selector(&from["resourceFieldRef"], false, &format!("{path}.resourceFieldRef"), errors);
        }
        for reference in ["configMapKeyRef", "secretKeyRef"] {
            if !from[reference].is_null() {
                sources += 1;
                key_selector(&from[reference], &format!("{path}.{reference}"), errors);
            }
        }
        if !from["fileKeyRef"].is_null() {
            sources += 1;
            file_key(&from["fileKeyRef"], &format!("{path}.fileKeyRef"), errors);
        }
        if sources == 0 {
            let every = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
            errors.invalid_text(&path, "", every);
        } else if !text(variable, "value").is_empty() {
            errors.invalid_text(&path, "", "may not be specified when `value` is not empty");
        } else if sources > 1 {
            errors.invalid_text(&path, "", "may not have more than one field specified at a time");
        }
    }
}

fn key_selector(reference: &Value, path: &str, errors: &mut Errors) {
    let name = text(reference, "name");
    errors.invalid_each(&format!("{path}.name"), name, names::dns_subdomain(name));
    if errors.wants_text(reference, "key", path) {
        let key = text(reference, "key");
        errors.invalid_each(&format!("{path}.key"), key, names::config_key(key));
    }
}

fn file_key(reference: &Value, path: &str, errors: &mut Errors) {
    if errors.wants_text(reference, "key", path) {
        let key = text(reference, "key");
        errors.invalid_each(&format!("{path}.key"), key, names::env_name(key));
    }
    if errors.wants_text(reference, "volumeName", path) {
        let name = text(reference, "volumeName");
        errors.invalid_each(&format!("{path}.volumeName"), name, names::dns_label(name));
    }
    if errors.wants_text(reference, "path", path) {
        no_backsteps(text(reference, "path"), &format!("{path}.path"), errors);
    }
}

fn environment_from(list: &Value, path: &str, errors: &mut Errors) {
    for (index, source) in items(list) {
        let own = format!("{path}[{index}]");
        let prefix = text(source, "prefix");
        if !prefix.is_empty() {
            errors.invalid_each(&format!("{own}.prefix"), prefix, names::env_name(prefix));
        }
        let mut sources = 0;
        for reference in ["configMapRef", "secretRef"] {
            if source[reference].is_null() {
                continue;
            }
            sources += 1;
            let own = format!("{own}.{reference}");
            if errors.wants_text(&source[reference], "name", &own) {
                let name = text(&source[reference], "name");
                let masked = name.strip_suffix('-').filter(|rest| !rest.is_empty()).map(|rest| format!("{rest}a"));
                let problems = names::dns_subdomain(masked.as_deref().unwrap_or(name));
                errors.invalid_each(&format!("{own}.name"), name, problems);
            }
        }
        if sources == 0 {
            errors.invalid_text(path, "", "must specify one of: `configMapRef` or `secretRef`");
        } else if sources > 1 {
            errors.invalid_text(path, "", "may not have more than one field specified at a time");
        }
    }
}

/// What a variable may show of its pod.
const POD_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// What a file may show of its pod.
pub(super) const FILE_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// Fields of a pod that have a name for the outside (`ConvertDownwardAPIFieldLabel`).
const KNOWN_FIELDS: [&str; 13] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
];

pub(super) fn field_selector(reference: &Value, allowed: &[&str], path: &str, errors: &mut Errors) {
    let (version, field) = (text(reference, "apiVersion"), text(reference, "fieldPath"));
    if version.is_empty() {
        return errors.required(&format!("{path}.apiVersion"), "");
    }
    if field.is_empty() {
        return errors.required(&format!("{path}.fieldPath"), "");
    }
    let own = format!("{path}.fieldPath");
    if version != "v1" {
        let detail = format!("error converting fieldPath: unsupported pod version: {version}");
        return errors.invalid_text(&own, field, &detail);
    }
    let subscripted = field.strip_suffix("']").and_then(|rest| rest.split_once("['"));
    if let Some((path_of, key)) = subscripted {
        match path_of {
            "metadata.annotations" => errors.invalid_each(path, key, names::label_key(&key.to_lowercase())),
            "metadata.labels" => errors.invalid_each(path, key, names::label_key(key)),
            _ => {
                let detail = format!("error converting fieldPath: field label does not support subscript: {field}");
                errors.invalid_text(&own, field, &detail);
            }
        }
        return;
    }
    let renamed = if field == "spec.host" { "spec.nodeName" } else { field };
    if !KNOWN_FIELDS.contains(&renamed) && renamed != "status.podIPs" {
        let detail = format!("error converting fieldPath: field label not supported: {field}");
        return errors.invalid_text(&own, field, &detail);
    }
    if !allowed.contains(&renamed) {
        errors.not_supported(&own, &Value::from(renamed), allowed);
    }
}

const RESOURCE_FIELDS: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

pub(super) fn resource_selector(reference: &Value, in_volume: bool, path: &str, errors: &mut Errors) {
    let resource = text(reference, "resource");
    let huge = ["limits.hugepages-", "requests.hugepages-"].iter().any(|prefix| resource.starts_with(prefix));
    if in_volume && text(reference, "containerName").is_empty() {
        errors.required(&format!("{path}.containerName"), "");
    } else if resource.is_empty() {
        errors.required(&format!("{path}.resource"), "");
    } else if !RESOURCE_FIELDS.contains(&resource) && !huge {
        errors.not_supported(&format!("{path}.resource"), &reference["resource"], &RESOURCE_FIELDS);
    }
    let divisor = text(reference, "divisor");
    if divisor.parse::<Quantity>().map_or(true, |quantity| quantity.nanos() == 0) {
        return;
    }
    const SIZES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    let what = match resource.split_once('.').map(|(_, name)| name).unwrap_or_default() {
        "cpu" => {
            if !["1m", "1"].contains(&divisor) {
                let detail = "only divisor's values 1m and 1 are supported with the cpu resource";
                errors.invalid_text(&format!("{path}.divisor"), resource, detail);
            }
            return;
        }
        "memory" => "memory",
        "ephemeral-storage" => "local ephemeral storage",
        _ if huge => "hugepages",
        _ => return,
    };
    if !SIZES.contains(&divisor) {
        let detail = format!("only divisor's values {} are supported with the {what} resource", SIZES.join(", "));
        errors.invalid_text(&format!("{path}.divisor"), resource, &detail);
    }
}

fn propagation(mount: &Value, container: &Value, path: &str, errors: &mut Errors) {
    let Some(mode) = mount["mountPropagation"].as_str() else { return };
    errors.one_of(path, &mount["mountPropagation"], &["Bidirectional", "HostToContainer", "None"]);
    if mode == "Bidirectional" && container["securityContext"]["privileged"] != true {
        errors.forbidden(path, "Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursive_read_only(mount: &Value, path: &str, errors: &mut Errors) {
    match mount["recursiveReadOnly"].as_str() {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if mount["readOnly"] != true {
                errors.forbidden(path, "may only be specified when readOnly is true");
            }
            if mount["mountPropagation"].as_str().is_some_and(|mode| mode != "None") {
                let detail = "may only be specified when mountPropagation is None or not specified";
                errors.forbidden(path, detail);
            }
        }
        Some(_) => {
            errors.not_supported(path, &mount["recursiveReadOnly"], &["Disabled", "Enabled", "IfPossible"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signals_are_sorted() {
        assert!(signals().is_sorted());
    }
}
