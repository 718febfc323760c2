//! What `kubectl get` shows of the built-in kinds: columns as recorded from a real server, cells as its printers fill them.
//!
//! Follows `pkg/printers/internalversion/printers.go` of Kubernetes v1.35.4.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::printers;
use crate::present::{age, human_duration};

static TABLE: &[u8] = include_bytes!("../../data/columns.zst");

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// Its JSON type: `string`, `integer`, `boolean`, `date`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its format, e.g. `name`; empty when it has none.
    #[serde(default)]
    pub format: String,
    /// What it tells.
    pub description: String,
    /// Columns above 0 are shown by `-o wide` alone.
    pub priority: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Table {
    group: String,
    version: String,
    kind: String,
    columns: Vec<Column>,
}

pub(super) fn load() -> Vec<Table> {
    let bytes = zstd::stream::decode_all(TABLE).expect("the table is recorded by `tests/defaults/record.sh`");
    serde_json::from_slice(&bytes).expect("the table is recorded by `tests/defaults/record.sh`")
}

pub(super) fn find<'a>(tables: &'a [Table], group: &str, version: &str, kind: &str) -> Option<&'a [Column]> {
    let table = tables.iter().find(|table| table.group == group && table.version == version && table.kind == kind)?;
    Some(&table.columns)
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn int(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer) == Some(&Value::Bool(true))
}

pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> Vec<&'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten().collect()
}

pub(super) fn count(object: &Value, pointer: &str) -> usize {
    match object.pointer(pointer) {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    }
}

pub(super) fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// Prints a number or text as it is, without quotes.
pub(super) fn plain(value: &Value, otherwise: &str) -> String {
    match value {
        Value::Null => otherwise.to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// Fills one object's cells in the order of `columns`.
///
/// A kind without a printer here has its name and age, and `<unknown>` in between.
pub(super) fn cells(group: &str, kind: &str, columns: &[Column], object: &Value, now: Timestamp) -> Vec<Value> {
    let created = || age(&object["metadata"]["creationTimestamp"], now);
    let middle = middle(group, kind, object, now);
    if kind == "Event" {
        return middle.unwrap_or_default();
    }
    let mut middle = middle.into_iter().flatten();
    let cell = |column: &Column| match column.name.as_str() {
        "Name" => json!(name_of(kind, object)),
        "Age" => json!(created()),
        "Created At" => object["metadata"]["creationTimestamp"].clone(),
        _ => middle.next().unwrap_or_else(|| json!("<unknown>")),
    };
    columns.iter().map(cell).collect()
}

fn name_of(kind: &str, object: &Value) -> String {
    let name = text(object, "/metadata/name");
    let key = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";
    if kind == "StorageClass" && text(object, key) == "true" { format!("{name} (default)") } else { name.to_owned() }
}

/// Returns the cells other than name and age, in the columns' order.
fn middle(group: &str, kind: &str, object: &Value, now: Timestamp) -> Option<Vec<Value>> {
    let cells = match (group, kind) {
        ("", "ConfigMap") => vec![json!(count(object, "/data") + count(object, "/binaryData"))],
        ("", "Endpoints") => vec![json!(endpoints(object))],
        ("" | "events.k8s.io", "Event") => event(object, now),
        ("", "Namespace") => vec![json!(text(object, "/status/phase"))],
        ("", "Node") => node(object),
        ("", "PersistentVolume") => volume(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Pod") => pod(object, now),
        ("", "ReplicationController") | ("apps", "ReplicaSet") => {
            let mut cells = vec![
                json!(int(object, "/spec/replicas")),
                json!(int(object, "/status/replicas")),
                json!(int(object, "/status/readyReplicas")),
            ];
            cells.extend(containers(object, "/spec/template/spec/containers"));
            let selector = &object["spec"]["selector"];
            cells.push(json!(if group.is_empty() { printers::labels(selector) } else { selector_text(selector) }));
            cells
        }
        ("", "Secret") => vec![json!(text(object, "/type")), json!(count(object, "/data"))],
        ("", "Service") => service(object),
        ("apiregistration.k8s.io", "APIService") => {
            let service = &object["spec"]["service"];
            let at = if service.is_object() {
                format!("{}/{}", text(service, "/namespace"), text(service, "/name"))
            } else {
                "Local".to_owned()
            };
            let condition = items(object, "/status/conditions").into_iter().find(|have| have["type"] == "Available");
            vec![json!(at), json!(condition.map_or("Unknown", |condition| text(condition, "/status")))]
        }
        ("apps", "ControllerRevision") => {
            let owner =
                items(object, "/metadata/ownerReferences").into_iter().find(|owner| owner["controller"] == true);
            let owner = owner.map_or("<none>".to_owned(), |owner| {
                let group =
                    text(owner, "/apiVersion").split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
                format!("{}{group}/{}", text(owner, "/kind").to_lowercase(), text(owner, "/name"))
            });
            vec![json!(owner), json!(int(object, "/revision"))]
        }
        ("apps", "DaemonSet") => {
            let mut cells: Vec<Value> = [
                "/status/desiredNumberScheduled",
                "/status/currentNumberScheduled",
                "/status/numberReady",
                "/status/updatedNumberScheduled",
                "/status/numberAvailable",
            ]
            .map(|field| json!(int(object, field)))
            .to_vec();
            cells.push(json!(printers::labels(&object["spec"]["template"]["spec"]["nodeSelector"])));
            cells.extend(containers(object, "/spec/template/spec/containers"));
            cells.push(json!(selector_text(&object["spec"]["selector"])));
            cells
        }
        ("apps", "Deployment") => {
            let mut cells = vec![
                json!(format!("{}/{}", int(object, "/status/readyReplicas"), int(object, "/spec/replicas"))),
                json!(int(object, "/status/updatedReplicas")),
                json!(int(object, "/status/availableReplicas")),
            ];
            cells.extend(containers(object, "/spec/template/spec/containers"));
            cells.push(json!(printers::selector(&object["spec"]["selector"])));
            cells
        }
        ("apps", "StatefulSet") => {
            let ready = format!("{}/{}", int(object, "/status/readyReplicas"), int(object, "/spec/replicas"));
            std::iter::once(json!(ready)).chain(containers(object, "/spec/template/spec/containers")).collect()
        }
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(object),
        ("batch", "CronJob") => {
            let last = &object["status"]["lastScheduleTime"];
            let mut cells = vec![
                json!(text(object, "/spec/schedule")),
                json!(or(text(object, "/spec/timeZone"), "<none>")),
                json!(if flag(object, "/spec/suspend") { "True" } else { "False" }),
                json!(count(object, "/status/active")),
                json!(if last.is_null() { "<none>".to_owned() } else { age(last, now) }),
            ];
            cells.extend(containers(object, "/spec/jobTemplate/spec/template/spec/containers"));
            cells.push(json!(selector_text(&object["spec"]["jobTemplate"]["spec"]["selector"])));
            cells
        }
        ("batch", "Job") => job(object, now),
        ("coordination.k8s.io", "Lease") => vec![json!(text(object, "/spec/holderIdentity"))],
        ("discovery.k8s.io", "EndpointSlice") => {
            let ports = items(object, "/ports").into_iter().map(|port| match &port["port"] {
                Value::Null => or(text(port, "/name"), "*").to_owned(),
                number => number.to_string(),
            });
            let addresses = items(object, "/endpoints").into_iter().flat_map(|endpoint| items(endpoint, "/addresses"));
            let addresses = addresses.map(|address| plain(address, ""));
            vec![json!(text(object, "/addressType")), json!(first_three(ports)), json!(first_three(addresses))]
        }
        ("networking.k8s.io", "Ingress") => vec![
            json!(or(text(object, "/spec/ingressClassName"), "<none>")),
            json!(hosts(object)),
            json!(balancer(object)),
            json!(if count(object, "/spec/tls") > 0 { "80, 443" } else { "80" }),
        ],
        ("networking.k8s.io", "IngressClass") => {
            let of = &object["spec"]["parameters"];
            let group = text(of, "/apiGroup");
            let dot = if group.is_empty() { "" } else { "." };
            let shown = if of.is_object() {
                format!("{}{dot}{group}/{}", text(of, "/kind"), text(of, "/name"))
            } else {
                "<none>".to_owned()
            };
            vec![json!(text(object, "/spec/controller")), json!(shown)]
        }
        ("networking.k8s.io", "NetworkPolicy") => vec![json!(selector_text(&object["spec"]["podSelector"]))],
        ("node.k8s.io", "RuntimeClass") => vec![json!(text(object, "/handler"))],
        ("policy", "PodDisruptionBudget") => vec![
            json!(plain(&object["spec"]["minAvailable"], "N/A")),
            json!(plain(&object["spec"]["maxUnavailable"], "N/A")),
            json!(int(object, "/status/disruptionsAllowed")),
        ],
        ("rbac.authorization.k8s.io", "ClusterRoleBinding" | "RoleBinding") => binding(object),
        ("scheduling.k8s.io", "PriorityClass") => {
            let policy = text(object, "/preemptionPolicy");
            vec![json!(int(object, "/value")), json!(flag(object, "/globalDefault")), json!(policy)]
        }
        ("storage.k8s.io", "StorageClass") => vec![
            json!(text(object, "/provisioner")),
            json!(or(text(object, "/reclaimPolicy"), "Delete")),
            json!(or(text(object, "/volumeBindingMode"), "Immediate")),
            json!(flag(object, "/allowVolumeExpansion")),
        ],
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => {
            vec![json!(count(object, "/webhooks"))]
        }
        _ => return printers::middle(group, kind, object),
    };
    Some(cells)
}

/// Prints a label selector, or `<none>`.
fn selector_text(selector: &Value) -> String {
    or(&printers::selector(selector), "<none>").to_owned()
}

fn first_three(list: impl Iterator<Item = String>) -> String {
    let list: Vec<String> = list.collect();
    match list.len() {
        0 => "<unset>".to_owned(),
        1..=3 => list.join(","),
        more => format!("{} + {} more...", list[..3].join(","), more - 3),
    }
}

fn containers(object: &Value, pointer: &str) -> [Value; 2] {
    ["/name", "/image"].map(|field| {
        let list: Vec<&str> = items(object, pointer).into_iter().map(|container| text(container, field)).collect();
        json!(list.join(","))
    })
}

fn endpoints(object: &Value) -> String {
    let mut list = Vec::new();
    for subset in items(object, "/subsets") {
        let ports = items(subset, "/ports");
        let addresses: Vec<&str> =
            items(subset, "/addresses").into_iter().map(|address| text(address, "/ip")).collect();
        if ports.is_empty() {
            list.extend(addresses.iter().map(ToString::to_string));
        }
        for port in ports {
            list.extend(addresses.iter().map(|ip| format!("{ip}:{}", int(port, "/port"))));
        }
    }
    if count(object, "/subsets") == 0 {
        "<none>".to_owned()
    } else if list.is_empty() {
        String::new()
    } else {
        first_three(list.into_iter())
    }
}

fn event(event: &Value, now: Timestamp) -> Vec<Value> {
    // The newer group spells the same fields otherwise.
    let pick = |old: &str, new: &str| event.get(old).or_else(|| event.get(new)).cloned().unwrap_or(Value::Null);
    let first = [pick("firstTimestamp", "deprecatedFirstTimestamp"), event["eventTime"].clone()];
    let first = first.iter().find(|time| time.is_string()).map_or("<unknown>".to_owned(), |time| age(time, now));
    let last = pick("lastTimestamp", "deprecatedLastTimestamp");
    let last = if last.is_string() { age(&last, now) } else { first.clone() };
    let about = pick("involvedObject", "regarding");
    let kind = text(&about, "/kind").to_lowercase();
    let name = text(&about, "/name");
    let target = if name.is_empty() { kind } else { format!("{kind}/{name}") };
    let source = pick("source", "deprecatedSource");
    let component = or(text(&source, "/component"), text(event, "/reportingComponent")).to_owned();
    let host = or(text(&source, "/host"), text(event, "/reportingInstance")).to_owned();
    let source = if host.is_empty() { component } else { format!("{component}, {host}") };
    let series = &event["series"];
    let (last, times) = if series.is_object() {
        (age(&series["lastObservedTime"], now), int(series, "/count"))
    } else {
        (last, pick("count", "deprecatedCount").as_i64().unwrap_or(0).max(1))
    };
    let message = pick("message", "note");
    vec![
        json!(last),
        json!(text(event, "/type")),
        json!(text(event, "/reason")),
        json!(target),
        json!(text(&about, "/fieldPath")),
        json!(source),
        json!(message.as_str().unwrap_or_default().trim()),
        json!(first),
        json!(times),
        json!(text(event, "/metadata/name")),
    ]
}

fn node(node: &Value) -> Vec<Value> {
    let ready = items(node, "/status/conditions").into_iter().find(|condition| condition["type"] == "Ready");
    let mut status = match ready {
        Some(condition) if condition["status"] == "True" => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if flag(node, "/spec/unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let roles: BTreeSet<&str> = labels
        .filter_map(|(key, value)| match key.as_str() {
            "kubernetes.io/role" => value.as_str(),
            key => key.strip_prefix("node-role.kubernetes.io/"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    let roles = roles.into_iter().collect::<Vec<_>>().join(",");
    let address = |kind: &str| {
        let found = items(node, "/status/addresses").into_iter().find(|address| address["type"] == kind);
        found.map_or("<none>", |address| text(address, "/address")).to_owned()
    };
    let info = |field: &str| or(text(node, &format!("/status/nodeInfo/{field}")), "<unknown>").to_owned();
    vec![
        json!(status),
        json!(or(&roles, "<none>")),
        json!(text(node, "/status/nodeInfo/kubeletVersion")),
        json!(address("InternalIP")),
        json!(address("ExternalIP")),
        json!(info("osImage")),
        json!(info("kernelVersion")),
        json!(info("containerRuntimeVersion")),
    ]
}

fn modes(object: &Value, pointer: &str) -> String {
    let short = |mode: &Value| match mode.as_str().unwrap_or_default() {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    items(object, pointer).into_iter().map(short).collect::<Vec<_>>().join(",")
}

fn phase(object: &Value) -> &str {
    let going = object["metadata"]["deletionTimestamp"].is_string();
    if going { "Terminating" } else { text(object, "/status/phase") }
}

fn volume(volume: &Value) -> Vec<Value> {
    let claim = &volume["spec"]["claimRef"];
    let claim = if claim.is_object() {
        format!("{}/{}", text(claim, "/namespace"), text(claim, "/name"))
    } else {
        String::new()
    };
    vec![
        json!(or(text(volume, "/spec/capacity/storage"), "0")),
        json!(modes(volume, "/spec/accessModes")),
        json!(text(volume, "/spec/persistentVolumeReclaimPolicy")),
        json!(phase(volume)),
        json!(claim),
        json!(text(volume, "/spec/storageClassName")),
        json!(or(text(volume, "/spec/volumeAttributesClassName"), "<unset>")),
        json!(text(volume, "/status/reason")),
        json!(or(text(volume, "/spec/volumeMode"), "<unset>")),
    ]
}

fn claim(claim: &Value) -> Vec<Value> {
    let bound = !text(claim, "/spec/volumeName").is_empty();
    vec![
        json!(phase(claim)),
        json!(text(claim, "/spec/volumeName")),
        json!(if bound { or(text(claim, "/status/capacity/storage"), "0") } else { "" }),
        json!(if bound { modes(claim, "/status/accessModes") } else { String::new() }),
        json!(text(claim, "/spec/storageClassName")),
        json!(or(text(claim, "/spec/volumeAttributesClassName"), "<unset>")),
        json!(or(text(claim, "/spec/volumeMode"), "<unset>")),
    ]
}

/// What a pod's containers make of its status column.
#[derive(Default)]
struct PodTally {
    ready: usize,
    restarts: i64,
    last_restart: String,
    reason: String,
}

impl PodTally {
    fn add_restarts(&mut self, container: &Value) {
        self.restarts += int(container, "/restartCount");
        let finished = text(container, "/lastState/terminated/finishedAt");
        if finished > self.last_restart.as_str() {
            finished.clone_into(&mut self.last_restart);
        }
    }
}

/// Says why a container ended: its reason, or its signal or exit code.
fn ended(state: &Value) -> String {
    match (text(state, "/reason"), int(state, "/signal")) {
        ("", 0) => format!("ExitCode:{}", int(state, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn pod(pod: &Value, now: Timestamp) -> Vec<Value> {
    let is_sidecar = |name: &str| {
        let found = items(pod, "/spec/initContainers").into_iter().find(|container| text(container, "/name") == name);
        found.is_some_and(|container| container["restartPolicy"] == "Always")
    };
    let inits = items(pod, "/spec/initContainers");
    let sidecars = inits.iter().filter(|container| container["restartPolicy"] == "Always").count();
    let total = count(pod, "/spec/containers") + sidecars;
    let mut tally = PodTally {
        reason: or(text(pod, "/status/reason"), text(pod, "/status/phase")).to_owned(),
        ..PodTally::default()
    };
    if items(pod, "/status/conditions")
        .iter()
        .any(|have| have["type"] == "PodScheduled" && have["reason"] == "SchedulingGated")
    {
        "SchedulingGated".clone_into(&mut tally.reason);
    }
    let mut sidecar_tally = PodTally::default();
    let mut initializing = false;
    for (at, container) in items(pod, "/status/initContainerStatuses").into_iter().enumerate() {
        tally.add_restarts(container);
        let sidecar = is_sidecar(text(container, "/name"));
        if sidecar {
            sidecar_tally.add_restarts(container);
        }
        let (ended_state, waiting) = (&container["state"]["terminated"], text(container, "/state/waiting/reason"));
        if ended_state.is_object() && int(ended_state, "/exitCode") == 0 {
            continue;
        }
        if sidecar && flag(container, "/started") {
            tally.ready += usize::from(flag(container, "/ready"));
            continue;
        }
        tally.reason = if ended_state.is_object() {
            format!("Init:{}", ended(ended_state))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{at}/{}", inits.len())
        };
        initializing = true;
        break;
    }
    let initialized =
        items(pod, "/status/conditions").iter().any(|have| have["type"] == "Initialized" && have["status"] == "True");
    if !initializing || initialized {
        tally.restarts = sidecar_tally.restarts;
        tally.last_restart = sidecar_tally.last_restart;
        main_containers(pod, &mut tally);
    }
    let over = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
    if pod["metadata"]["deletionTimestamp"].is_string() && !over {
        "Terminating".clone_into(&mut tally.reason);
    }
    let restarts = match (tally.restarts, tally.last_restart.as_str()) {
        (0, _) | (_, "") => tally.restarts.to_string(),
        (restarts, last) => format!("{restarts} ({} ago)", age(&json!(last), now)),
    };
    let gates = items(pod, "/spec/readinessGates");
    let open = gates.iter().filter(|gate| {
        let met = |have: &&Value| have["type"] == gate["conditionType"] && have["status"] == "True";
        items(pod, "/status/conditions").iter().any(met)
    });
    let readiness = if gates.is_empty() { "<none>".to_owned() } else { format!("{}/{}", open.count(), gates.len()) };
    vec![
        json!(format!("{}/{total}", tally.ready)),
        json!(tally.reason),
        json!(restarts),
        json!(or(text(pod, "/status/podIP"), "<none>")),
        json!(or(text(pod, "/spec/nodeName"), "<none>")),
        json!(or(text(pod, "/status/nominatedNodeName"), "<none>")),
        json!(readiness),
    ]
}

fn main_containers(pod: &Value, tally: &mut PodTally) {
    let (mut running, mut failure) = (false, String::new());
    for container in items(pod, "/status/containerStatuses").into_iter().rev() {
        tally.add_restarts(container);
        let state = &container["state"];
        let waiting = text(state, "/waiting/reason");
        if !waiting.is_empty() {
            waiting.clone_into(&mut tally.reason);
        } else if state["terminated"].is_object() {
            tally.reason = ended(&state["terminated"]);
            if int(state, "/terminated/exitCode") != 0 {
                failure.clone_from(&tally.reason);
            }
        } else if flag(container, "/ready") && state["running"].is_object() {
            running = true;
            tally.ready += 1;
        }
    }
    if tally.reason == "Completed" {
        let ready =
            items(pod, "/status/conditions").iter().any(|have| have["type"] == "Ready" && have["status"] == "True");
        if running && ready {
            "Running".clone_into(&mut tally.reason);
        } else if !failure.is_empty() {
            tally.reason = failure;
        } else if running {
            "NotReady".clone_into(&mut tally.reason);
        }
    }
}

fn balancer(object: &Value) -> String {
    let list: BTreeSet<&str> = (items(object, "/status/loadBalancer/ingress").into_iter())
        .map(|ingress| or(text(ingress, "/ip"), text(ingress, "/hostname")))
        .filter(|address| !address.is_empty())
        .collect();
    list.into_iter().collect::<Vec<_>>().join(",")
}

fn service(service: &Value) -> Vec<Value> {
    let kind = text(service, "/spec/type");
    let outside: Vec<String> = items(service, "/spec/externalIPs").into_iter().map(|ip| plain(ip, "")).collect();
    let external = match kind {
        "ClusterIP" | "NodePort" => or(&outside.join(","), "<none>").to_owned(),
        "LoadBalancer" => {
            let all: Vec<String> =
                std::iter::once(balancer(service)).chain(outside).filter(|ip| !ip.is_empty()).collect();
            or(&all.join(","), "<pending>").to_owned()
        }
        "ExternalName" => text(service, "/spec/externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    };
    let ports = items(service, "/spec/ports").into_iter().map(|port| match int(port, "/nodePort") {
        0 => format!("{}/{}", int(port, "/port"), text(port, "/protocol")),
        node => format!("{}:{node}/{}", int(port, "/port"), text(port, "/protocol")),
    });
    let ports = ports.collect::<Vec<_>>().join(",");
    vec![
        json!(kind),
        json!(or(text(service, "/spec/clusterIPs/0"), "<none>")),
        json!(external),
        json!(or(&ports, "<none>")),
        json!(printers::labels(&service["spec"]["selector"])),
    ]
}

fn autoscaler(scaler: &Value) -> Vec<Value> {
    let target = &scaler["spec"]["scaleTargetRef"];
    vec![
        json!(format!("{}/{}", text(target, "/kind"), text(target, "/name"))),
        json!(printers::metrics(scaler)),
        json!(plain(&scaler["spec"]["minReplicas"], "<unset>")),
        json!(int(scaler, "/spec/maxReplicas")),
        json!(int(scaler, "/status/currentReplicas")),
    ]
}

fn job(job: &Value, now: Timestamp) -> Vec<Value> {
    let is_true = |kind: &str| {
        items(job, "/status/conditions").iter().any(|have| have["type"] == kind && have["status"] == "True")
    };
    let succeeded = int(job, "/status/succeeded");
    let parallel = int(job, "/spec/parallelism");
    let completions = match job["spec"]["completions"].as_i64() {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
        None => format!("{succeeded}/1"),
    };
    let time = |field: &str| job["status"][field].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let duration = time("startTime").map_or(String::new(), |start| {
        let end = time("completionTime").unwrap_or(now);
        human_duration(end.as_second() - start.as_second())
    });
    let going = job["metadata"]["deletionTimestamp"].is_string();
    let status = if is_true("Complete") {
        "Complete"
    } else if is_true("Failed") {
        "Failed"
    } else if going {
        "Terminating"
    } else {
        let known = [
            ("Suspended", "Suspended"),
            ("FailureTarget", "FailureTarget"),
            ("SuccessCriteriaMet", "SuccessCriteriaMet"),
        ];
        known.iter().find(|(kind, _)| is_true(kind)).map_or("Running", |(_, word)| word)
    };
    let mut cells = vec![json!(status), json!(completions), json!(duration)];
    cells.extend(containers(job, "/spec/template/spec/containers"));
    cells.push(json!(selector_text(&job["spec"]["selector"])));
    cells
}

fn hosts(ingress: &Value) -> String {
    let rules = items(ingress, "/spec/rules");
    let named: Vec<&str> =
        rules.iter().map(|rule| text(rule, "/host")).filter(|host| !host.is_empty()).take(3).collect();
    match (named.len(), rules.len()) {
        (0, _) => "*".to_owned(),
        (3, more) if more > 3 => format!("{} + {} more...", named.join(","), more - 3),
        _ => named.join(","),
    }
}

fn binding(binding: &Value) -> Vec<Value> {
    let of = |kind: &str| {
        let chosen = items(binding, "/subjects").into_iter().filter(|subject| subject["kind"] == kind);
        let names = chosen.map(|subject| match kind {
            "ServiceAccount" => format!("{}/{}", text(subject, "/namespace"), text(subject, "/name")),
            _ => text(subject, "/name").to_owned(),
        });
        json!(names.collect::<Vec<_>>().join(", "))
    };
    let role = &binding["roleRef"];
    vec![
        json!(format!("{}/{}", text(role, "/kind"), text(role, "/name"))),
        of("User"),
        of("Group"),
        of("ServiceAccount"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printer_fills_exactly_its_columns() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let object = json!({ "metadata": { "name": "x" } });
        let mut printed = 0;
        for table in load() {
            if table.kind == "Event" {
                assert_eq!(event(&object, now).len(), table.columns.len());
                continue;
            }
            let named = ["Name", "Age", "Created At"];
            let want = table.columns.iter().filter(|column| !named.contains(&column.name.as_str())).count();
            if let Some(cells) = middle(&table.group, &table.kind, &object, now) {
                assert_eq!(cells.len(), want, "{} {}", table.group, table.kind);
                printed += 1;
            }
        }
        assert!(printed >= 30, "only {printed} kinds have a printer");
    }

    #[test]
    fn a_pod_is_shown_as_kubectl_shows_it() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().expect("a time");
        let pod = json!({
            "metadata": { "name": "p", "creationTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "nodeName": "node-1", "containers": [{ "name": "c" }] },
            "status": { "phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [{
                "name": "c", "ready": false, "restartCount": 5,
                "state": { "waiting": { "reason": "CrashLoopBackOff" } },
                "lastState": { "terminated": { "exitCode": 1, "finishedAt": "2026-01-01T00:05:00Z" } },
            }] },
        });
        let tables = load();
        let columns = find(&tables, "", "v1", "Pod").expect("pods have columns");
        let cells = cells("", "Pod", columns, &pod, now);
        let want = ["p", "0/1", "CrashLoopBackOff", "5 (5m ago)", "10m", "10.0.0.1", "node-1", "<none>", "<none>"];
        assert_eq!(cells, want);
    }
}
