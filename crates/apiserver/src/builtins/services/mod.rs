//! What the registry does to Services, whose fields hang together (`pkg/registry/core/service`).

mod changes;
mod families;
mod ports;

use serde_json::{Map, Value, json};

use super::allocator;
use super::create::{Refusal, WriteContext};
use super::validate::invalid;

pub(super) use changes::changes;

pub(super) fn prepare_create(service: &mut Value, ctx: &WriteContext<'_>) -> Result<(), Refusal> {
    // Whoever gives one address need not give the list.
    let address = text(service, "clusterIP").to_owned();
    if !address.is_empty() && texts(service, "clusterIPs").is_empty() {
        set(service, "clusterIPs", Some(json!([address])));
    }
    families::settle(None, service)?;
    let taken = allocate_address(service, ctx)?;
    ports::allocate(service, ctx).inspect_err(|_| give_back(taken, ctx))
}

fn give_back(address: Option<u16>, ctx: &WriteContext<'_>) {
    if let Some(address) = address {
        ctx.allocator.release_address(address);
    }
}

pub(super) fn prepare_update(old: &Value, service: &mut Value, ctx: &WriteContext<'_>) -> Result<(), Refusal> {
    keep_addresses(old, service);
    ports::keep(old, service);
    match_addresses(old, service);
    families::settle(Some(old), service)?;
    let is_new_to_it = !needs_address(old) && needs_address(service);
    let taken = if is_new_to_it { allocate_address(service, ctx)? } else { None };
    ports::reallocate(old, service, ctx).inspect_err(|_| give_back(taken, ctx))?;
    drop_what_the_type_lost(old, service);
    Ok(())
}

fn text<'a>(service: &'a Value, field: &str) -> &'a str {
    service["spec"][field].as_str().unwrap_or_default()
}

fn texts(service: &Value, field: &str) -> Vec<String> {
    let list = service["spec"][field].as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Puts a value into the spec, or takes it out.
fn set(service: &mut Value, field: &str, value: Option<Value>) {
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
    match value {
        Some(value) => drop(spec.insert(field.to_owned(), value)),
        None => drop(spec.remove(field)),
    }
}

fn kind(service: &Value) -> &str {
    service["spec"]["type"].as_str().unwrap_or("ClusterIP")
}

fn needs_address(service: &Value) -> bool {
    kind(service) != "ExternalName"
}

fn is_headless(service: &Value) -> bool {
    text(service, "clusterIP") == "None"
}

fn selects_nothing(service: &Value) -> bool {
    service["spec"]["selector"].as_object().is_none_or(Map::is_empty)
}

fn is_balanced(service: &Value) -> bool {
    kind(service) == "LoadBalancer"
}

/// Returns whether others than the cluster's own can reach it.
fn is_reached_from_outside(service: &Value) -> bool {
    match kind(service) {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => !texts(service, "externalIPs").is_empty(),
        _ => false,
    }
}

fn needs_health_port(service: &Value) -> bool {
    is_balanced(service) && text(service, "externalTrafficPolicy") == "Local"
}

/// Carries over the addresses that an update does not name.
fn keep_addresses(old: &Value, service: &mut Value) {
    if !needs_address(old) || !needs_address(service) {
        return;
    }
    if text(service, "clusterIP").is_empty() {
        set(service, "clusterIP", old["spec"].get("clusterIP").cloned());
    }
    if texts(service, "clusterIPs").is_empty() {
        set(service, "clusterIPs", old["spec"].get("clusterIPs").cloned());
    }
}

/// Whoever changes the one address, and leaves the list as it was, means the list, too (`normalizeClusterIPs`).
fn match_addresses(old: &Value, service: &mut Value) {
    let [before, after] = [old, &*service].map(|service| text(service, "clusterIP").to_owned());
    let [list_before, list_after] = [old, &*service].map(|service| texts(service, "clusterIPs"));
    if before == after {
        if list_after.is_empty() && !list_before.is_empty() {
            set(service, "clusterIPs", Some(json!(list_before)));
        }
    } else if list_before == list_after {
        set(service, "clusterIPs", (!after.is_empty()).then(|| json!([after])));
    }
}

/// Takes the address that a Service asks for, or any, and returns it.
fn allocate_address(service: &mut Value, ctx: &WriteContext<'_>) -> Result<Option<u16>, Refusal> {
    let addresses = texts(service, "clusterIPs");
    let wanted = addresses.first().map(String::as_str).unwrap_or_default();
    if !needs_address(service) || wanted == "None" {
        return Ok(None);
    }
    if wanted.is_empty() {
        let free = if ctx.dry_run { ctx.allocator.next_ip() } else { ctx.allocator.cluster_ip() };
        let Some(free) = free else {
            return Err(Refusal::Internal("failed to allocate a serviceIP: range is full".to_owned()));
        };
        set(service, "clusterIP", Some(json!(free)));
        set(service, "clusterIPs", Some(json!([free])));
        return Ok(allocator::address(&free).filter(|_| !ctx.dry_run));
    }
    let problem = if allocator::address(wanted).is_none() && ctx.dry_run {
        format!("the provided IP ({wanted}) is not in the valid range. The range of valid IPs is 10.96.0.0/16")
    } else if allocator::address(wanted).is_none() {
        "the provided network does not match the current range".to_owned()
    } else if ctx.dry_run || ctx.allocator.take_ip(wanted) {
        return Ok(allocator::address(wanted).filter(|_| !ctx.dry_run));
    } else {
        "provided IP is already allocated".to_owned()
    };
    let why = format!("failed to allocate IP {wanted}: {problem}");
    Err(Refusal::Invalid(vec![invalid("spec.clusterIPs", &json!(addresses), &why)]))
}

/// Clears what the old type had, the new one has not, and the user did not touch (`dropTypeDependentFields`).
fn drop_what_the_type_lost(old: &Value, service: &mut Value) {
    let is_same = |field: &str| service["spec"].get(field) == old["spec"].get(field);
    let mut lost: Vec<&str> = Vec::new();
    if needs_address(old) && !needs_address(service) {
        if is_same("clusterIP") && is_same("clusterIPs") {
            lost.extend(["clusterIP", "clusterIPs"]);
        }
        lost.extend(["ipFamilies", "ipFamilyPolicy"].into_iter().filter(|field| is_same(field)));
    }
    let only_then = [
        ("healthCheckNodePort", needs_health_port as fn(&Value) -> bool),
        ("allocateLoadBalancerNodePorts", is_balanced),
        ("loadBalancerClass", is_balanced),
        ("externalTrafficPolicy", is_reached_from_outside),
    ];
    for (field, needs) in only_then {
        if needs(old) && !needs(service) && is_same(field) {
            lost.push(field);
        }
    }
    for field in lost {
        set(service, field, None);
    }
    ports::drop_lost(old, service);
    if !is_balanced(service) {
        service["status"]["loadBalancer"] = json!({});
    }
}
