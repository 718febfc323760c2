//! What the registry does to an object as it is created or replaced: allocation, generated fields.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::FieldError;
use super::quantity::Quantity;

/// Hands out what a cluster has only once: service addresses and node ports.
///
/// Addresses come from 10.96.0.0/16 in order, node ports from 30000-32767, which are Kubernetes' usual ranges; a
/// released one is used again only after the others, so that a stale reader is not sent to a newcomer.
#[derive(Debug)]
pub struct Allocator(Mutex<Pools>);

#[derive(Debug)]
struct Pools {
    addresses: BTreeSet<u16>,
    next_address: u16,
    ports: BTreeSet<u16>,
    next_port: u16,
}

const FIRST_PORT: u16 = 30000;
const LAST_PORT: u16 = 32767;

impl Default for Allocator {
    fn default() -> Self {
        // 10.96.0.1 is the service `kubernetes`.
        Self(Mutex::new(Pools {
            addresses: BTreeSet::from([0, 1]),
            next_address: 2,
            ports: BTreeSet::new(),
            next_port: FIRST_PORT,
        }))
    }
}

impl Allocator {
    fn cluster_ip(&self) -> Option<String> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..u16::MAX {
            let address = pools.next_address;
            pools.next_address = address.wrapping_add(1);
            if address < u16::MAX && pools.addresses.insert(address) {
                return Some(format!("10.96.{}.{}", address >> 8, address & 0xff));
            }
        }
        None
    }

    /// Returns the address that would come next, and leaves it where it is.
    fn next_ip(&self) -> Option<String> {
        let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (0..u16::MAX).map(|step| pools.next_address.wrapping_add(step));
        let address = next.into_iter().find(|address| *address < u16::MAX && !pools.addresses.contains(address))?;
        Some(format!("10.96.{}.{}", address >> 8, address & 0xff))
    }

    fn node_port(&self) -> Option<u16> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in FIRST_PORT..=LAST_PORT {
            let port = pools.next_port;
            pools.next_port = if port == LAST_PORT { FIRST_PORT } else { port + 1 };
            if pools.ports.insert(port) {
                return Some(port);
            }
        }
        None
    }

    /// Takes a given address; addresses outside the range belong to nobody and are left alone.
    fn take_ip(&self, text: &str) -> bool {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        address(text).is_none_or(|address| address == 1 || pools.addresses.insert(address))
    }

    fn take_port(&self, port: u16) -> bool {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.ports.insert(port)
    }

    /// Gives back what a deleted Service held.
    pub fn release(&self, service: &Value) {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ip in service.pointer("/spec/clusterIPs").and_then(Value::as_array).into_iter().flatten() {
            if let Some(address) = ip.as_str().and_then(address).filter(|address| *address > 1) {
                pools.addresses.remove(&address);
            }
        }
        for port in node_ports(service) {
            pools.ports.remove(&port);
        }
    }

    /// Gives back what an update let go of.
    fn release_dropped(&self, old: &Value, new: &Value) {
        let kept = node_ports(new);
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for port in node_ports(old).into_iter().filter(|port| !kept.contains(port)) {
            pools.ports.remove(&port);
        }
        let address = old["spec"]["clusterIP"].as_str().and_then(address).filter(|address| *address > 1);
        if let Some(address) = address.filter(|_| new["spec"].get("clusterIP") != old["spec"].get("clusterIP")) {
            pools.addresses.remove(&address);
        }
    }

    /// Returns where the search for the next address and port begins.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (pools.next_address, pools.next_port)
    }

    /// Goes on at a cursor of before.
    pub(crate) fn resume(&self, (address, port): (u16, u16)) {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.next_address = address;
        pools.next_port = port.clamp(FIRST_PORT, LAST_PORT);
    }

    /// Marks what a Service that was not created here holds, such as one of a restored snapshot.
    pub fn adopt(&self, service: &Value) {
        for ip in service.pointer("/spec/clusterIPs").and_then(Value::as_array).into_iter().flatten() {
            self.take_ip(ip.as_str().unwrap_or_default());
        }
        for port in node_ports(service) {
            self.take_port(port);
        }
    }
}

fn address(text: &str) -> Option<u16> {
    let address: std::net::Ipv4Addr = text.parse().ok()?;
    let [10, 96, high, low] = address.octets() else { return None };
    Some(u16::from_be_bytes([high, low]))
}

fn node_ports(service: &Value) -> Vec<u16> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
    ports.filter_map(|port| port["nodePort"].as_u64()).filter_map(|port| u16::try_from(port).ok()).collect()
}

/// What a write may draw on.
#[derive(Debug, Clone, Copy)]
pub struct WriteContext<'a> {
    /// The uid of the object.
    pub uid: &'a str,
    /// The time, as `metadata.creationTimestamp` spells it.
    pub now: &'a str,
    /// The cluster's pools.
    pub allocator: &'a Allocator,
    /// A dry run takes nothing from the pools.
    pub dry_run: bool,
    /// Whether a Job got its labels from its template: to Go they are then one map, and what is added to one is in both.
    pub shares_labels: bool,
}

type Object = Map<String, Value>;

pub(super) fn prepare_create(
    group: &str,
    kind: &str,
    object: &mut Value,
    ctx: &WriteContext<'_>,
) -> Result<(), Vec<FieldError>> {
    match (group, kind) {
        ("", "Namespace") => {
            let finalizers = &mut object["spec"]["finalizers"];
            match finalizers.as_array_mut() {
                Some(names) if names.contains(&json!("kubernetes")) => {}
                Some(names) => names.push(json!("kubernetes")),
                None => *finalizers = json!(["kubernetes"]),
            }
            object["status"]["phase"] = json!("Active");
        }
        ("", "PersistentVolume") => {
            object["status"]["phase"] = json!("Pending");
            object["status"]["lastPhaseTransitionTime"] = json!(ctx.now);
        }
        ("", "PersistentVolumeClaim") => object["status"]["phase"] = json!("Pending"),
        // What is served here, and by no service, is there from the start.
        ("apiregistration.k8s.io", "APIService") if !object["spec"]["service"].is_object() => {
            object["status"]["conditions"] = json!([{
                "type": "Available", "status": "True", "lastTransitionTime": ctx.now, "reason": "Local",
                "message": "Local APIServices are always available",
            }]);
        }
        ("", "Pod") => {
            let class = quality_of_service(&object["spec"]);
            object["status"]["phase"] = json!("Pending");
            object["status"]["qosClass"] = json!(class);
            if object["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
                object["status"]["conditions"] = json!([{
                    "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": ctx.now,
                    "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates",
                }]);
            }
        }
        ("", "Service") => allocate_service(object, None, ctx)?,
        ("apps", "DaemonSet") => set_annotation(object, TEMPLATE_GENERATION, "1"),
        ("autoscaling", "HorizontalPodAutoscaler") => forget_reported(object),
        ("batch", "Job") => {
            select_by_uid(object, ctx.uid);
            if ctx.shares_labels {
                object["metadata"]["labels"] = object["spec"]["template"]["metadata"]["labels"].clone();
            }
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn prepare_update(
    group: &str,
    kind: &str,
    old: &Value,
    object: &mut Value,
    ctx: &WriteContext<'_>,
) -> Result<(), Vec<FieldError>> {
    match (group, kind) {
        ("", "Namespace") => {
            let finalizers = old["spec"].get("finalizers").cloned();
            match finalizers {
                Some(finalizers) => object["spec"]["finalizers"] = finalizers,
                None => drop(object["spec"].as_object_mut().map(|spec| spec.remove("finalizers"))),
            }
        }
        ("", "Service") => {
            rename_first_address(old, object);
            keep_allocated(old, object);
            drop_what_the_type_lost(old, object);
            allocate_service(object, Some(old), ctx)?;
            if !ctx.dry_run {
                ctx.allocator.release_dropped(old, object);
            }
        }
        ("apps", "DaemonSet") => {
            let before =
                old.pointer("/metadata/annotations").and_then(|annotations| annotations[TEMPLATE_GENERATION].as_str());
            let before: u64 = before.and_then(|text| text.parse().ok()).unwrap_or(1);
            let changed = old.pointer("/spec/template") != object.pointer("/spec/template");
            set_annotation(object, TEMPLATE_GENERATION, &(before + u64::from(changed)).to_string());
        }
        _ => {}
    }
    Ok(())
}

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

fn set_annotation(object: &mut Value, key: &str, value: &str) {
    let annotations = &mut object["metadata"]["annotations"];
    if annotations.is_null() {
        *annotations = json!({});
    }
    annotations[key] = json!(value);
}

/// Takes out of a new autoscaler of version 1 what its annotations say of a status, which it does not have yet.
fn forget_reported(autoscaler: &mut Value) {
    let Some(meta) = autoscaler.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("autoscaling.alpha.kubernetes.io/current-metrics");
        annotations.remove("autoscaling.alpha.kubernetes.io/conditions");
        if annotations.is_empty() {
            meta.remove("annotations");
        }
    }
}

/// Gives a Job the selector and labels that carry its uid, unless its owner selects by hand.
fn select_by_uid(job: &mut Value, uid: &str) {
    if job["spec"]["manualSelector"] == json!(true) {
        return;
    }
    let name = json!(job["metadata"]["name"].as_str().unwrap_or_default());
    let metadata = &mut job["spec"]["template"]["metadata"];
    if metadata["labels"].is_null() {
        metadata["labels"] = json!({});
    }
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", json!(uid)),
        ("batch.kubernetes.io/job-name", name.clone()),
        ("controller-uid", json!(uid)),
        ("job-name", name),
    ] {
        metadata["labels"][key] = value;
    }
    let selector = &mut job["spec"]["selector"];
    if selector.is_null() {
        *selector = json!({ "matchLabels": {} });
    }
    selector["matchLabels"]["batch.kubernetes.io/controller-uid"] = json!(uid);
}

/// Returns the class of a pod by what it asks for and what it is limited to: processors and memory, more than nothing.
pub(crate) fn quality_of_service(spec: &Value) -> &'static str {
    const COUNTED: [&str; 2] = ["cpu", "memory"];
    let amount = |resources: &Value, which: &str, what: &str| {
        let quantity = resources[which][what].as_str()?.parse::<Quantity>().ok()?;
        Some(quantity.nanos()).filter(|nanos| *nanos > 0)
    };
    let whole_pod = &spec["resources"];
    let containers: Vec<&Value> = if whole_pod.is_object() {
        vec![whole_pod]
    } else {
        let lists = ["containers", "initContainers"].into_iter();
        lists
            .flat_map(|list| spec[list].as_array().into_iter().flatten())
            .map(|container| &container["resources"])
            .collect()
    };
    let limits_no_pod = whole_pod.is_object() && whole_pod["limits"].as_object().is_none_or(Map::is_empty);
    let limits_all =
        |resources: &&Value| limits_no_pod || COUNTED.iter().all(|what| amount(resources, "limits", what).is_some());
    let every_limited = containers.iter().all(limits_all);
    let sum = |which: &str, what: &str| {
        let amounts = containers.iter().filter_map(|resources| amount(resources, which, what));
        amounts.fold(None, |sum: Option<i128>, amount| Some(sum.unwrap_or(0) + amount))
    };
    let sums = |which: &str| COUNTED.map(|what| sum(which, what));
    let (requests, limits) = (sums("requests"), sums("limits"));
    if requests.iter().chain(&limits).all(Option::is_none) {
        "BestEffort"
    } else if every_limited && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

fn service_type(service: &Value) -> &str {
    service["spec"]["type"].as_str().unwrap_or("ClusterIP")
}

fn needs_cluster_ip(service: &Value) -> bool {
    service_type(service) != "ExternalName"
}

fn needs_node_port(service: &Value) -> bool {
    match service_type(service) {
        "NodePort" => true,
        "LoadBalancer" => service["spec"]["allocateLoadBalancerNodePorts"] != json!(false),
        _ => false,
    }
}

fn needs_health_port(service: &Value) -> bool {
    service_type(service) == "LoadBalancer" && service["spec"]["externalTrafficPolicy"] == "Local"
}

fn allocate_service(service: &mut Value, old: Option<&Value>, ctx: &WriteContext<'_>) -> Result<(), Vec<FieldError>> {
    let mut problems = Vec::new();
    if service_type(service) == "ExternalName"
        && let Some(spec) = service["spec"].as_object_mut()
        && spec.get("internalTrafficPolicy").is_some_and(|policy| policy == "Cluster" || policy == "Local")
    {
        // Upstream keeps what it was, and shows it to nobody.
        spec.remove("internalTrafficPolicy");
    }
    if needs_cluster_ip(service) {
        if old.is_none() {
            name_first_address(service);
            let wrong = super::validate::service_addresses(service);
            if !wrong.is_empty() {
                return Err(wrong);
            }
        }
        if old.is_none_or(|old| !needs_cluster_ip(old)) {
            families_are_served(service, &mut problems);
            if !problems.is_empty() {
                return Err(problems);
            }
        }
        allocate_addresses(service, old, ctx, &mut problems);
    }
    allocate_ports(service, old, ctx, &mut problems);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Whoever gives one address need not give the list (`NormalizeClusterIPs`).
fn name_first_address(service: &mut Value) {
    let Some(spec) = service["spec"].as_object_mut() else { return };
    let empty =
        |value: Option<&Value>| value.is_none_or(|value| value.is_null() || *value == "" || *value == json!([]));
    if !empty(spec.get("clusterIP")) && empty(spec.get("clusterIPs")) {
        let address = spec["clusterIP"].clone();
        spec.insert("clusterIPs".to_owned(), json!([address]));
    }
}

/// Whoever changes the one address means the first of the list, which was left as it was (`NormalizeClusterIPs`).
fn rename_first_address(old: &Value, service: &mut Value) {
    name_first_address(service);
    let (before, Some(spec)) = (&old["spec"], service["spec"].as_object_mut()) else { return };
    let address = spec.get("clusterIP").cloned().unwrap_or(Value::Null);
    if address == before["clusterIP"] || spec.get("clusterIPs") != before.get("clusterIPs") {
        return;
    }
    if address.is_null() || address == "" {
        spec.remove("clusterIPs");
    } else if let Some(first) = spec.get_mut("clusterIPs").and_then(|list| list.get_mut(0)) {
        *first = address;
    }
}

/// The cluster has addresses of one family, IPv4 (`initIPFamilyFields`).
fn families_are_served(service: &Value, problems: &mut Vec<FieldError>) {
    let spec = &service["spec"];
    let items = |field: &str| spec[field].as_array().cloned().unwrap_or_default();
    for (at, address) in items("clusterIPs").iter().enumerate() {
        if address.as_str().is_some_and(|address| address.contains(':')) {
            let field = format!("spec.clusterIPs[{at}]");
            problems.push(super::validate::invalid(&field, address, "IPv6 is not configured on this cluster"));
        }
    }
    let selected = spec["selector"].as_object().is_some_and(|selector| !selector.is_empty());
    if !problems.is_empty() || (spec["clusterIP"] == "None" && !selected) {
        return;
    }
    let doubled = items("clusterIPs").len() == 2 || items("ipFamilies").len() == 2;
    let policy = &spec["ipFamilyPolicy"];
    if policy == "RequireDualStack" || (policy.is_null() && doubled) {
        let why = "this cluster is not configured for dual-stack services";
        problems.push(super::validate::invalid("spec.ipFamilyPolicy", &json!("RequireDualStack"), why));
    }
    for (at, family) in items("ipFamilies").iter().enumerate().filter(|(_, family)| **family != "IPv4") {
        let field = format!("spec.ipFamilies[{at}]");
        problems.push(super::validate::invalid(&field, family, "not configured on this cluster"));
    }
}

fn allocate_addresses(
    service: &mut Value,
    old: Option<&Value>,
    ctx: &WriteContext<'_>,
    problems: &mut Vec<FieldError>,
) {
    // That an address may not change once there is one is for validation to say.
    let kept = old.is_some_and(needs_cluster_ip);
    let Some(spec) = service["spec"].as_object_mut() else { return };
    let wanted = spec.get("clusterIP").or_else(|| spec.get("clusterIPs").and_then(|ips| ips.get(0))).cloned();
    let headless = wanted == Some(json!("None"));
    match wanted {
        Some(ip) if ip != "" => {
            let text = ip.as_str().unwrap_or_default();
            let problem = if headless || kept {
                None
            } else if self::address(text).is_none() && ctx.dry_run {
                let range = "The range of valid IPs is 10.96.0.0/16";
                Some(format!("the provided IP ({text}) is not in the valid range. {range}"))
            } else if self::address(text).is_none() {
                Some("the provided network does not match the current range".to_owned())
            } else {
                let is_free = ctx.dry_run || ctx.allocator.take_ip(text);
                (!is_free).then(|| "provided IP is already allocated".to_owned())
            };
            if let Some(problem) = problem {
                problems.push(FieldError {
                    field: "spec.clusterIPs".to_owned(),
                    reason: "FieldValueInvalid",
                    message: format!("Invalid value: [{ip}]: failed to allocate IP {text}: {problem}"),
                });
            }
            spec.insert("clusterIP".to_owned(), ip.clone());
            spec.entry("clusterIPs").or_insert_with(|| json!([ip]));
        }
        _ => match if ctx.dry_run { ctx.allocator.next_ip() } else { ctx.allocator.cluster_ip() } {
            Some(ip) => {
                spec.insert("clusterIP".to_owned(), json!(ip));
                spec.insert("clusterIPs".to_owned(), json!([ip]));
            }
            None => problems.push(FieldError {
                field: "spec.clusterIPs".to_owned(),
                reason: "InternalError",
                message: "Internal error: failed to allocate a serviceIP: range is full".to_owned(),
            }),
        },
    }
    // A headless service without a selector may be given addresses of either family by whoever fills its endpoints.
    let unselected = headless && spec.get("selector").and_then(Value::as_object).is_none_or(Object::is_empty);
    let (families, policy) =
        if unselected { (json!(["IPv4", "IPv6"]), "RequireDualStack") } else { (json!(["IPv4"]), "SingleStack") };
    if !(unselected && spec.contains_key("ipFamilies")) {
        spec.entry("ipFamilies").or_insert(families);
    }
    spec.entry("ipFamilyPolicy").or_insert(json!(policy));
}

fn allocate_ports(service: &mut Value, old: Option<&Value>, ctx: &WriteContext<'_>, problems: &mut Vec<FieldError>) {
    let held: BTreeSet<u16> = old.map(node_ports).unwrap_or_default().into_iter().collect();
    let wanted = needs_node_port(service);
    // What has no use for node ports may not have any, which is for validation to say.
    let may_have = ["NodePort", "LoadBalancer"].contains(&service_type(service));
    let ports = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    let mut pool = NodePorts { ctx, taken: held, next_dry: LAST_PORT + 2 };
    if let Some(ports) = ports.filter(|_| may_have) {
        for at in 0..ports.len() {
            let given = number_of(&ports[at], "nodePort");
            let shared = if old.is_none() { pool_of_port(ports, at) } else { None };
            let number = match (given, shared) {
                // Ports of one number share a node port, whatever their protocols.
                (None, Some(shared)) if wanted => Ok(Some(shared)),
                (None, _) if wanted => Ok(pool.next()),
                (None, _) => Ok(None),
                (Some(given), _) => pool.take(given).map(|()| Some(given)),
            };
            match number {
                Ok(Some(number)) => ports[at]["nodePort"] = json!(number),
                Ok(None) => {}
                Err(why) => problems.push(FieldError {
                    field: format!("spec.ports[{at}].nodePort"),
                    reason: "FieldValueInvalid",
                    message: format!("Invalid value: {}: {why}", given.unwrap_or_default()),
                }),
            }
        }
    }
    let dry_port = pool.next_dry;
    let unhealthy = needs_health_port(service) && service["spec"]["healthCheckNodePort"].is_null();
    if unhealthy && ctx.dry_run {
        service["spec"]["healthCheckNodePort"] = json!(dry_port);
    } else if let Some(number) = unhealthy.then(|| ctx.allocator.node_port()).flatten() {
        service["spec"]["healthCheckNodePort"] = json!(number);
    }
}

fn number_of(port: &Value, field: &str) -> Option<u16> {
    port[field].as_u64().and_then(|number| u16::try_from(number).ok()).filter(|number| *number != 0)
}

/// Returns the node port of a port of the same number: of an earlier one, or one that the client asked for.
fn pool_of_port(ports: &[Value], at: usize) -> Option<u16> {
    let same = |port: &&Value| port["port"] == ports[at]["port"];
    let mut known = ports.iter().filter(same).filter_map(|port| number_of(port, "nodePort"));
    known.next()
}

/// The node ports that one write takes.
struct NodePorts<'a> {
    ctx: &'a WriteContext<'a>,
    taken: BTreeSet<u16>,
    /// Upstream shows numbers that no real port will have when nothing is to be stored.
    next_dry: u16,
}

impl NodePorts<'_> {
    fn take(&mut self, number: u16) -> Result<(), String> {
        if self.ctx.dry_run || self.taken.contains(&number) {
            return Ok(());
        }
        if !(FIRST_PORT..=LAST_PORT).contains(&number) {
            return Err(format!(
                "provided port is not in the valid range. The range of valid ports is {FIRST_PORT}-{LAST_PORT}"
            ));
        }
        self.taken.insert(number);
        if self.ctx.allocator.take_port(number) { Ok(()) } else { Err("provided port is already allocated".to_owned()) }
    }

    fn next(&mut self) -> Option<u16> {
        if self.ctx.dry_run {
            self.next_dry += 1;
            return Some(self.next_dry - 1);
        }
        self.ctx.allocator.node_port()
    }
}

/// Carries over what an update does not name (`patchAllocatedValues` in `pkg/registry/core/service`).
fn keep_allocated(old: &Value, service: &mut Value) {
    if needs_cluster_ip(old) && needs_cluster_ip(service) {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            let empty =
                service["spec"].get(field).is_none_or(|value| value.is_null() || value == "" || *value == json!([]));
            if let (true, Some(value)) = (empty, old["spec"].get(field)) {
                service["spec"][field] = value.clone();
            }
        }
    }
    if needs_node_port(old) && needs_node_port(service) {
        let used: BTreeSet<u16> = node_ports(service).into_iter().collect();
        let by_name: Vec<(Value, Value)> = (old.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten())
            .map(|port| (port["name"].clone(), port["nodePort"].clone()))
            .collect();
        let ports = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten();
        for port in ports.filter(|port| port["nodePort"].is_null()) {
            let before = by_name.iter().find(|(name, _)| *name == port["name"]).map(|(_, number)| number);
            let free = before.and_then(Value::as_u64).is_some_and(|number| !used.contains(&(number as u16)));
            if let (true, Some(number)) = (free, before) {
                port["nodePort"] = number.clone();
            }
            if port["nodePort"].is_null() {
                drop(port.as_object_mut().map(|port| port.remove("nodePort")));
            }
        }
    }
    let unnamed = service["spec"].get("healthCheckNodePort").is_none();
    let kept = old["spec"].get("healthCheckNodePort").filter(|_| needs_health_port(old) && needs_health_port(service));
    if let (true, Some(number)) = (unnamed, kept) {
        service["spec"]["healthCheckNodePort"] = number.clone();
    }
}

/// Clears what the old type had, the new one has not, and the user did not touch (`dropTypeDependentFields`).
fn drop_what_the_type_lost(old: &Value, service: &mut Value) {
    let same = |service: &Value, field: &str| service["spec"].get(field) == old["spec"].get(field);
    let mut lost: Vec<&str> = Vec::new();
    if needs_cluster_ip(old) && !needs_cluster_ip(service) {
        lost.extend(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
    }
    if needs_health_port(old) && !needs_health_port(service) {
        lost.push("healthCheckNodePort");
    }
    let balanced = |service: &Value| service_type(service) == "LoadBalancer";
    if balanced(old) && !balanced(service) {
        lost.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    let external = |service: &Value| ["LoadBalancer", "NodePort"].contains(&service_type(service));
    if external(old) && !external(service) {
        lost.push("externalTrafficPolicy");
    }
    lost.retain(|field| same(service, field));
    let ports_lost = needs_node_port(old) && !needs_node_port(service) && node_ports(old) == node_ports(service);
    if let Some(spec) = service["spec"].as_object_mut() {
        for field in lost {
            spec.remove(field);
        }
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
        for port in ports.filter(|_| ports_lost).filter_map(Value::as_object_mut) {
            port.remove("nodePort");
        }
    }
    if !balanced(service) {
        service["status"]["loadBalancer"] = json!({});
    }
}
