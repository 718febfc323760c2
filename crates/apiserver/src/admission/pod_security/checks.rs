//! What the levels forbid, one function a rule, in the order violations are told.

use std::collections::BTreeSet;

use serde_json::Value;

use super::policy::{Level, LevelVersion, Version};
use crate::admission::{containers, text};

/// The newest minor version that changed a rule; later ones have the same rules.
const NEWEST: u32 = 35;

/// One rule a pod breaks.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

type Check = fn(&Pod<'_>) -> Option<Violation>;

/// A rule from a minor version on; the last row that has come holds.
struct Rule {
    level: Level,
    versions: &'static [(u32, Check)],
    /// From when on the restricted level has a stricter rule in its place.
    replaced: u32,
}

const NEVER: u32 = u32::MAX;

/// Baseline rules, then restricted ones, each by upstream's id.
const RULES: [Rule; 19] = [
    Rule { level: Level::Baseline, versions: &[(0, app_armor)], replaced: NEVER },
    Rule { level: Level::Baseline, versions: &[(0, capabilities)], replaced: 22 },
    Rule { level: Level::Baseline, versions: &[(0, host_namespaces)], replaced: NEVER },
    Rule { level: Level::Baseline, versions: &[(0, host_path)], replaced: 0 },
    Rule { level: Level::Baseline, versions: &[(0, host_ports)], replaced: NEVER },
    Rule { level: Level::Baseline, versions: &[(34, probe_hosts)], replaced: NEVER },
    Rule { level: Level::Baseline, versions: &[(0, privileged)], replaced: NEVER },
    Rule { level: Level::Baseline, versions: &[(0, proc_mount), (35, proc_mount_of_host_users)], replaced: 35 },
    Rule { level: Level::Baseline, versions: &[(0, selinux), (31, selinux_with_engine)], replaced: NEVER },
    Rule { level: Level::Baseline, versions: &[(0, seccomp_annotations), (19, seccomp)], replaced: 19 },
    Rule {
        level: Level::Baseline,
        versions: &[(0, sysctls_0), (27, sysctls_27), (29, sysctls_29), (32, sysctls_32)],
        replaced: NEVER,
    },
    Rule { level: Level::Baseline, versions: &[(0, host_process)], replaced: NEVER },
    Rule { level: Level::Restricted, versions: &[(8, escalation), (25, escalation_on_linux)], replaced: NEVER },
    Rule { level: Level::Restricted, versions: &[(22, dropped), (25, dropped_on_linux)], replaced: NEVER },
    Rule { level: Level::Restricted, versions: &[(35, proc_mount)], replaced: NEVER },
    Rule { level: Level::Restricted, versions: &[(0, volumes)], replaced: NEVER },
    Rule { level: Level::Restricted, versions: &[(0, non_root), (35, non_root_of_host_users)], replaced: NEVER },
    Rule { level: Level::Restricted, versions: &[(23, user_zero), (35, user_zero_of_host_users)], replaced: NEVER },
    Rule {
        level: Level::Restricted,
        versions: &[(19, seccomp_required), (25, seccomp_required_on_linux)],
        replaced: NEVER,
    },
];

/// Returns what a pod, or a pod template, breaks.
pub(super) fn evaluate(asked: LevelVersion, pod: &Value) -> Vec<Violation> {
    let minor = match asked.version {
        Version::Minor(minor) => minor.min(NEWEST),
        Version::Latest => NEWEST,
    };
    let pod = Pod { meta: &pod["metadata"], spec: &pod["spec"] };
    let applies =
        |rule: &&Rule| rule.level <= asked.level && !(asked.level == Level::Restricted && minor >= rule.replaced);
    let rules = RULES.iter().filter(|_| asked.level != Level::Privileged).filter(applies);
    rules
        .filter_map(|rule| rule.versions.iter().rev().find(|(since, _)| *since <= minor))
        .filter_map(|(_, check)| check(&pod))
        .collect()
}

struct Pod<'a> {
    meta: &'a Value,
    spec: &'a Value,
}

impl<'a> Pod<'a> {
    fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        containers(self.spec, &["initContainers", "containers", "ephemeralContainers"])
    }

    /// Returns the names of the containers that a rule blames.
    fn blamed(&self, mut is_bad: impl FnMut(&'a Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|container| is_bad(container)).map(|container| text(container, "/name")).collect()
    }

    fn is_windows(&self) -> bool {
        self.spec["os"]["name"] == "windows"
    }

    /// Returns whether the pod's users are not those of the host, so that root within it is nobody outside.
    fn has_own_users(&self) -> bool {
        self.spec["hostUsers"] == false
    }

    fn annotations(&self) -> impl Iterator<Item = (&'a String, &'a str)> + use<'a> {
        let all = self.meta["annotations"].as_object().into_iter().flatten();
        all.map(|(key, value)| (key, value.as_str().unwrap_or_default()))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every check that finds something ends with it")]
fn broken(reason: &'static str, detail: String) -> Option<Violation> {
    Some(Violation { reason, detail })
}

fn quoted<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| format!("\"{}\"", item.as_ref())).collect::<Vec<_>>().join(", ")
}

fn plural(word: &str, count: usize) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn those(names: &[&str]) -> String {
    format!("{} {}", plural("container", names.len()), quoted(names))
}

/// Names who set something: the pod, containers, or both.
fn setters(pod: bool, names: &[&str]) -> Vec<String> {
    let pod = pod.then(|| "pod".to_owned());
    pod.into_iter().chain((!names.is_empty()).then(|| those(names))).collect()
}

fn context(holder: &Value) -> &Value {
    &holder["securityContext"]
}

fn app_armor(pod: &Pod<'_>) -> Option<Violation> {
    let bad = |holder: &Value| {
        let kind = context(holder)["appArmorProfile"].get("type")?.as_str()?;
        (!["RuntimeDefault", "Localhost"].contains(&kind)).then(|| kind.to_owned())
    };
    let mut values: BTreeSet<String> = bad(pod.spec).into_iter().collect();
    let of_pod = !values.is_empty();
    let names = pod.blamed(|container| bad(container).map(|kind| values.insert(kind)).is_some());
    let mut who = setters(of_pod, &names);
    let allowed = |value: &str| value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
    let mut annotations: Vec<String> = pod
        .annotations()
        .filter(|(key, value)| key.starts_with("container.apparmor.security.beta.kubernetes.io/") && !allowed(value))
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    annotations.sort();
    if !annotations.is_empty() {
        who.push(plural("annotation", annotations.len()));
    }
    let values: Vec<String> = values.into_iter().chain(annotations).collect();
    if who.is_empty() {
        return None;
    }
    let reason = if values.len() == 1 { "forbidden AppArmor profile" } else { "forbidden AppArmor profiles" };
    broken(reason, format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(values)))
}

fn list<'a>(holder: &'a Value, pointer: &str) -> impl Iterator<Item = &'a str> {
    holder.pointer(pointer).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn capabilities(pod: &Pod<'_>) -> Option<Violation> {
    const ALLOWED: [&str; 13] = [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
    let mut found = BTreeSet::new();
    let names = pod.blamed(|container| {
        let added = list(container, "/securityContext/capabilities/add");
        let bad: Vec<&str> = added.filter(|capability| !ALLOWED.contains(capability)).collect();
        found.extend(bad.iter().copied());
        !bad.is_empty()
    });
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} must not include {} in securityContext.capabilities.add", those(&names), quoted(found));
    broken("non-default capabilities", detail)
}

fn host_namespaces(pod: &Pod<'_>) -> Option<Violation> {
    let fields = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|field| pod.spec[*field] == true);
    let found: Vec<String> = fields.map(|field| format!("{field}=true")).collect();
    if found.is_empty() { None } else { broken("host namespaces", found.join(", ")) }
}

fn volume_list<'a>(pod: &Pod<'a>) -> impl Iterator<Item = &'a Value> {
    pod.spec["volumes"].as_array().into_iter().flatten()
}

fn host_path(pod: &Pod<'_>) -> Option<Violation> {
    let names: Vec<&str> =
        volume_list(pod).filter(|volume| volume["hostPath"].is_object()).map(|volume| text(volume, "/name")).collect();
    if names.is_empty() {
        return None;
    }
    broken("hostPath volumes", format!("{} {}", plural("volume", names.len()), quoted(&names)))
}

fn host_ports(pod: &Pod<'_>) -> Option<Violation> {
    let mut ports = BTreeSet::new();
    let names = pod.blamed(|container| {
        let all = container["ports"].as_array().into_iter().flatten();
        let bad: Vec<String> = all
            .filter_map(|port| port["hostPort"].as_i64())
            .filter(|port| *port != 0)
            .map(|port| port.to_string())
            .collect();
        ports.extend(bad.iter().cloned());
        !bad.is_empty()
    });
    if names.is_empty() {
        return None;
    }
    let uses = if names.len() == 1 { "uses" } else { "use" };
    let told = ports.iter().cloned().collect::<Vec<_>>().join(", ");
    broken("hostPort", format!("{} {uses} {} {told}", those(&names), plural("hostPort", ports.len())))
}

fn probe_hosts(pod: &Pod<'_>) -> Option<Violation> {
    const HANDLERS: [&str; 5] =
        ["/livenessProbe", "/readinessProbe", "/startupProbe", "/lifecycle/postStart", "/lifecycle/preStop"];
    let mut hosts = BTreeSet::new();
    let names = pod.blamed(|container| {
        let handlers = HANDLERS.iter().filter_map(|path| container.pointer(path));
        let bad: Vec<&str> = handlers
            .flat_map(|handler| ["/httpGet/host", "/tcpSocket/host"].map(|path| text(handler, path)))
            .filter(|host| !host.is_empty())
            .collect();
        hosts.extend(bad.iter().copied());
        !bad.is_empty()
    });
    if names.is_empty() {
        return None;
    }
    let names: BTreeSet<&str> = names.into_iter().collect();
    let uses = if names.len() == 1 { "uses" } else { "use" };
    let what = plural("probe or lifecycle host", hosts.len());
    let who = format!("{} {}", plural("container", names.len()), quoted(&names));
    broken("probe or lifecycle host", format!("{who} {uses} {what} {}", quoted(hosts)))
}

fn privileged(pod: &Pod<'_>) -> Option<Violation> {
    let names = pod.blamed(|container| context(container)["privileged"] == true);
    if names.is_empty() {
        return None;
    }
    broken("privileged", format!("{} must not set securityContext.privileged=true", those(&names)))
}

fn proc_mount(pod: &Pod<'_>) -> Option<Violation> {
    let mut kinds = BTreeSet::new();
    let names = pod.blamed(|container| match context(container)["procMount"].as_str() {
        Some(kind) if kind != "Default" => {
            kinds.insert(kind);
            true
        }
        _ => false,
    });
    if names.is_empty() {
        return None;
    }
    broken("procMount", format!("{} must not set securityContext.procMount to {}", those(&names), quoted(kinds)))
}

fn proc_mount_of_host_users(pod: &Pod<'_>) -> Option<Violation> {
    if pod.has_own_users() { None } else { proc_mount(pod) }
}

fn selinux(pod: &Pod<'_>) -> Option<Violation> {
    selinux_types(pod, &["", "container_t", "container_init_t", "container_kvm_t"])
}

fn selinux_with_engine(pod: &Pod<'_>) -> Option<Violation> {
    selinux_types(pod, &["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"])
}

fn selinux_types(pod: &Pod<'_>, allowed: &[&str]) -> Option<Violation> {
    let (mut types, mut user, mut role) = (BTreeSet::new(), false, false);
    let mut is_bad = |holder: &Value| {
        let options = &context(holder)["seLinuxOptions"];
        let kind = text(options, "/type");
        let (bad_user, bad_role) = (!text(options, "/user").is_empty(), !text(options, "/role").is_empty());
        let bad_type = !allowed.contains(&kind);
        if bad_type {
            types.insert(kind.to_owned());
        }
        user |= bad_user;
        role |= bad_role;
        bad_type || bad_user || bad_role
    };
    let of_pod = is_bad(pod.spec);
    let names = pod.blamed(is_bad);
    let who = setters(of_pod, &names);
    if who.is_empty() {
        return None;
    }
    let mut what = Vec::new();
    if !types.is_empty() {
        what.push(format!("{} {}", plural("type", types.len()), quoted(&types)));
    }
    what.extend(user.then(|| "user may not be set".to_owned()));
    what.extend(role.then(|| "role may not be set".to_owned()));
    let detail = format!("{} set forbidden securityContext.seLinuxOptions: {}", who.join(" and "), what.join("; "));
    broken("seLinuxOptions", detail)
}

fn seccomp_annotations(pod: &Pod<'_>) -> Option<Violation> {
    let allowed =
        |value: &str| ["runtime/default", "docker/default"].contains(&value) || value.starts_with("localhost/");
    let of_containers = pod
        .containers()
        .map(|container| format!("container.seccomp.security.alpha.kubernetes.io/{}", text(container, "/name")));
    let keys: BTreeSet<String> =
        std::iter::once("seccomp.security.alpha.kubernetes.io/pod".to_owned()).chain(of_containers).collect();
    let mut found: Vec<String> = pod
        .annotations()
        .filter(|(key, value)| keys.contains(*key) && !allowed(value))
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    found.sort();
    if found.is_empty() {
        return None;
    }
    broken("seccompProfile", format!("forbidden {} {}", plural("annotation", found.len()), found.join(", ")))
}

fn profile(holder: &Value) -> Option<&str> {
    let profile = context(holder).get("seccompProfile").filter(|profile| profile.is_object())?;
    Some(text(profile, "/type"))
}

fn is_safe_profile(kind: &str) -> bool {
    ["Localhost", "RuntimeDefault"].contains(&kind)
}

fn seccomp(pod: &Pod<'_>) -> Option<Violation> {
    let bad = |holder: &Value| profile(holder).filter(|kind| !is_safe_profile(kind)).map(str::to_owned);
    let mut values: BTreeSet<String> = bad(pod.spec).into_iter().collect();
    let of_pod = !values.is_empty();
    let names = pod.blamed(|container| bad(container).map(|kind| values.insert(kind)).is_some());
    let who = setters(of_pod, &names);
    if who.is_empty() {
        return None;
    }
    let detail =
        format!("{} must not set securityContext.seccompProfile.type to {}", who.join(" and "), quoted(values));
    broken("seccompProfile", detail)
}

const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

fn sysctls_0(pod: &Pod<'_>) -> Option<Violation> {
    sysctls(pod, &SYSCTLS[..5])
}

fn sysctls_27(pod: &Pod<'_>) -> Option<Violation> {
    sysctls(pod, &SYSCTLS[..6])
}

fn sysctls_29(pod: &Pod<'_>) -> Option<Violation> {
    sysctls(pod, &SYSCTLS[..10])
}

fn sysctls_32(pod: &Pod<'_>) -> Option<Violation> {
    sysctls(pod, &SYSCTLS)
}

fn sysctls(pod: &Pod<'_>, allowed: &[&str]) -> Option<Violation> {
    let all = context(pod.spec)["sysctls"].as_array().into_iter().flatten().map(|sysctl| text(sysctl, "/name"));
    let found: Vec<&str> = all.filter(|name| !allowed.contains(name)).collect();
    if found.is_empty() { None } else { broken("forbidden sysctls", found.join(", ")) }
}

fn host_process(pod: &Pod<'_>) -> Option<Violation> {
    let bad = |holder: &Value| context(holder)["windowsOptions"]["hostProcess"] == true;
    let who = setters(bad(pod.spec), &pod.blamed(bad));
    if who.is_empty() {
        return None;
    }
    broken("hostProcess", format!("{} must not set securityContext.windowsOptions.hostProcess=true", who.join(" and ")))
}

fn escalation(pod: &Pod<'_>) -> Option<Violation> {
    let names = pod.blamed(|container| context(container)["allowPrivilegeEscalation"] != false);
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", those(&names));
    broken("allowPrivilegeEscalation != false", detail)
}

fn escalation_on_linux(pod: &Pod<'_>) -> Option<Violation> {
    if pod.is_windows() { None } else { escalation(pod) }
}

fn dropped(pod: &Pod<'_>) -> Option<Violation> {
    let missing =
        pod.blamed(|container| !list(container, "/securityContext/capabilities/drop").any(|name| name == "ALL"));
    let mut found = BTreeSet::new();
    let adding = pod.blamed(|container| {
        let added = list(container, "/securityContext/capabilities/add");
        let bad: Vec<&str> = added.filter(|name| *name != "NET_BIND_SERVICE").collect();
        found.extend(bad.iter().copied());
        !bad.is_empty()
    });
    let mut details = Vec::new();
    if !missing.is_empty() {
        details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", those(&missing)));
    }
    if !adding.is_empty() {
        let what = quoted(found);
        details.push(format!("{} must not include {what} in securityContext.capabilities.add", those(&adding)));
    }
    if details.is_empty() { None } else { broken("unrestricted capabilities", details.join("; ")) }
}

fn dropped_on_linux(pod: &Pod<'_>) -> Option<Violation> {
    if pod.is_windows() { None } else { dropped(pod) }
}

fn volumes(pod: &Pod<'_>) -> Option<Violation> {
    const ALLOWED: [&str; 9] = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    let has = |volume: &Value, kind: &str| volume.get(kind).is_some_and(|source| !source.is_null());
    let (mut names, mut kinds) = (Vec::new(), BTreeSet::new());
    for volume in volume_list(pod).filter(|volume| !ALLOWED.iter().any(|kind| has(volume, kind))) {
        names.push(text(volume, "/name"));
        let kind = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).find(|key| *key != "name");
        kinds.insert(kind.unwrap_or("unknown"));
    }
    if names.is_empty() {
        return None;
    }
    let uses = if names.len() == 1 { "uses" } else { "use" };
    let (who, what) = (plural("volume", names.len()), plural("restricted volume type", kinds.len()));
    broken("restricted volume types", format!("{who} {} {uses} {what} {}", quoted(&names), quoted(kinds)))
}

fn non_root(pod: &Pod<'_>) -> Option<Violation> {
    let of_pod = context(pod.spec)["runAsNonRoot"].as_bool();
    let explicit = pod.blamed(|container| context(container)["runAsNonRoot"] == false);
    let who = setters(of_pod == Some(false), &explicit);
    if !who.is_empty() {
        let detail = format!("{} must not set securityContext.runAsNonRoot=false", who.join(" and "));
        return broken("runAsNonRoot != true", detail);
    }
    let implicit = pod.blamed(|container| of_pod != Some(true) && !context(container)["runAsNonRoot"].is_boolean());
    if implicit.is_empty() {
        return None;
    }
    let detail = format!("pod or {} must set securityContext.runAsNonRoot=true", those(&implicit));
    broken("runAsNonRoot != true", detail)
}

fn non_root_of_host_users(pod: &Pod<'_>) -> Option<Violation> {
    if pod.has_own_users() { None } else { non_root(pod) }
}

fn user_zero(pod: &Pod<'_>) -> Option<Violation> {
    let bad = |holder: &Value| context(holder)["runAsUser"] == 0;
    let who = setters(bad(pod.spec), &pod.blamed(bad));
    if who.is_empty() { None } else { broken("runAsUser=0", format!("{} must not set runAsUser=0", who.join(" and "))) }
}

fn user_zero_of_host_users(pod: &Pod<'_>) -> Option<Violation> {
    if pod.has_own_users() { None } else { user_zero(pod) }
}

fn seccomp_required(pod: &Pod<'_>) -> Option<Violation> {
    if let Some(violation) = seccomp(pod) {
        return Some(violation);
    }
    let of_pod = profile(pod.spec).is_some();
    let implicit = pod.blamed(|container| !of_pod && profile(container).is_none());
    if implicit.is_empty() {
        return None;
    }
    let must = "must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"";
    broken("seccompProfile", format!("pod or {} {must}", those(&implicit)))
}

fn seccomp_required_on_linux(pod: &Pod<'_>) -> Option<Violation> {
    if pod.is_windows() { None } else { seccomp_required(pod) }
}
