//! The node ports of Services, and the port where the health of balanced ones is asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{kind, needs_health_port};
use crate::builtins::allocator::{FIRST_PORT, LAST_PORT, node_ports};
use crate::builtins::create::{Refusal, WriteContext};
use crate::builtins::validate::invalid;

/// Returns whether a Service may have node ports.
fn may_have(service: &Value) -> bool {
    ["NodePort", "LoadBalancer"].contains(&kind(service))
}

/// Returns whether it gets those that nobody names.
fn wants(service: &Value) -> bool {
    match kind(service) {
        "NodePort" => true,
        "LoadBalancer" => service["spec"]["allocateLoadBalancerNodePorts"] != json!(false),
        _ => false,
    }
}

fn ports(service: &mut Value) -> &mut [Value] {
    service.pointer_mut("/spec/ports").and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default()
}

fn number_of(port: &Value, field: &str) -> Option<u16> {
    port[field].as_u64().and_then(|number| u16::try_from(number).ok()).filter(|number| *number != 0)
}

/// Carries over the ports that an update does not name (`patchAllocatedValues`).
pub(super) fn keep(old: &Value, service: &mut Value) {
    if wants(old) && wants(service) {
        let (before, after) = (node_ports(old), node_ports(service));
        let used: BTreeSet<u16> = before.into_iter().filter(|port| after.contains(port)).collect();
        let old_ports = old.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
        let name = |port: &Value| port["name"].as_str().unwrap_or_default().to_owned();
        let by_name: BTreeMap<String, Option<u16>> =
            old_ports.map(|port| (name(port), number_of(port, "nodePort"))).collect();
        for port in ports(service).iter_mut().filter(|port| number_of(port, "nodePort").is_none()) {
            let before = by_name.get(&name(port)).copied().flatten();
            if let Some(before) = before.filter(|before| !used.contains(before)) {
                port["nodePort"] = json!(before);
            }
        }
    }
    let unnamed = number_of(&service["spec"], "healthCheckNodePort").is_none();
    let kept = old["spec"].get("healthCheckNodePort").filter(|_| needs_health_port(old) && needs_health_port(service));
    if let (true, Some(number)) = (unnamed, kept) {
        service["spec"]["healthCheckNodePort"] = number.clone();
    }
}

/// Gives a new Service its ports: those of one number share one, if nobody says otherwise.
pub(super) fn allocate(service: &mut Value, ctx: &WriteContext<'_>) -> Result<(), Refusal> {
    let mut taking = Taking { ctx, taken: BTreeSet::new() };
    allocate_all(service, &mut taking).inspect_err(|_| taking.give_back())
}

fn allocate_all(service: &mut Value, taking: &mut Taking<'_>) -> Result<(), Refusal> {
    let (may_have, wants) = (may_have(service), wants(service));
    let list = ports(service);
    let mut shared = BTreeMap::<u64, u16>::new();
    for at in 0..if may_have { list.len() } else { 0 } {
        let (own, given) = (list[at]["port"].as_u64().unwrap_or_default(), number_of(&list[at], "nodePort"));
        if given.is_none() && !wants {
            continue;
        }
        let number = match (shared.get(&own), given) {
            (None, _) => {
                let of_same = list.iter().filter(|port| port["port"].as_u64().unwrap_or_default() == own);
                let asked = of_same.into_iter().find_map(|port| number_of(port, "nodePort"));
                let number = taking.asked_or_next(asked, at)?;
                shared.insert(own, number);
                number
            }
            (Some(shared), None) => *shared,
            (Some(shared), Some(given)) if given == *shared => given,
            (Some(_), given) => taking.asked_or_next(given, at)?,
        };
        list[at]["nodePort"] = json!(number);
    }
    if needs_health_port(service) {
        taking.health_port(service)?;
    }
    Ok(())
}

/// Gives a Service that changes the ports it does not have yet.
pub(super) fn reallocate(old: &Value, service: &mut Value, ctx: &WriteContext<'_>) -> Result<(), Refusal> {
    let mut taking = Taking { ctx, taken: BTreeSet::new() };
    reallocate_all(old, service, &mut taking).inspect_err(|_| taking.give_back())
}

fn reallocate_all(old: &Value, service: &mut Value, taking: &mut Taking<'_>) -> Result<(), Refusal> {
    let held = node_ports(old);
    let (may_have, wants) = (may_have(service), wants(service));
    let (mut known, mut seen) = (BTreeSet::<u16>::new(), Vec::new());
    for (at, port) in ports(service).iter_mut().enumerate().filter(|_| may_have) {
        let number = match number_of(port, "nodePort") {
            None if !wants => continue,
            Some(given) if held.contains(&given) || known.contains(&given) => given,
            given => taking.asked_or_next(given, at)?,
        };
        known.insert(number);
        port["nodePort"] = json!(number);
        let protocol = port["protocol"].as_str().unwrap_or_default().to_owned();
        if seen.contains(&(protocol.clone(), number)) {
            return Err(Refusal::Unforeseen(format!("duplicate nodePort: {{{protocol} {number}}}")));
        }
        seen.push((protocol, number));
    }
    if needs_health_port(service) && !needs_health_port(old) {
        taking.health_port(service)?;
    }
    Ok(())
}

/// Takes away the ports that a type has no use for, unless one of them is new.
pub(super) fn drop_lost(old: &Value, service: &mut Value) {
    let held = node_ports(old);
    let is_lost = may_have(old) && !may_have(service) && node_ports(service).iter().all(|port| held.contains(port));
    for port in ports(service).iter_mut().filter(|_| is_lost).filter_map(Value::as_object_mut) {
        port.remove("nodePort");
    }
}

/// The ports that one write takes.
struct Taking<'a> {
    ctx: &'a WriteContext<'a>,
    taken: BTreeSet<u16>,
}

impl Taking<'_> {
    fn take(&mut self, number: u16) -> Result<(), String> {
        let taken = "provided port is already allocated".to_owned();
        if self.ctx.dry_run {
            let is_free = !self.ctx.allocator.has_port(number) && self.taken.insert(number);
            return if is_free { Ok(()) } else { Err(taken) };
        }
        if !(FIRST_PORT..=LAST_PORT).contains(&number) {
            return Err(format!(
                "provided port is not in the valid range. The range of valid ports is {FIRST_PORT}-{LAST_PORT}"
            ));
        }
        if !self.ctx.allocator.take_port(number) {
            return Err(taken);
        }
        self.taken.insert(number);
        Ok(())
    }

    /// Gives back what was taken by a write that is refused.
    fn give_back(&self) {
        if !self.ctx.dry_run {
            self.ctx.allocator.release_ports(&self.taken);
        }
    }

    fn next(&mut self) -> Option<u16> {
        if !self.ctx.dry_run {
            let next = self.ctx.allocator.node_port();
            self.taken.extend(next);
            return next;
        }
        // Upstream shows numbers that no real port will have when nothing is to be stored.
        let next = self.taken.last().map_or(LAST_PORT + 2, |last| last.saturating_add(1));
        self.taken.insert(next);
        Some(next)
    }

    /// Takes the port that the one at an index asks for, or any.
    fn asked_or_next(&mut self, asked: Option<u16>, at: usize) -> Result<u16, Refusal> {
        let Some(asked) = asked else {
            let full = || Refusal::Internal("failed to allocate a nodePort: range is full".to_owned());
            return self.next().ok_or_else(full);
        };
        let refuse =
            |why: String| Refusal::Invalid(vec![invalid(&format!("spec.ports[{at}].nodePort"), &json!(asked), &why)]);
        self.take(asked).map(|()| asked).map_err(refuse)
    }

    fn health_port(&mut self, service: &mut Value) -> Result<(), Refusal> {
        let number = match number_of(&service["spec"], "healthCheckNodePort") {
            Some(asked) => self
                .take(asked)
                .map(|()| asked)
                .map_err(|why| format!("failed to allocate requested HealthCheck NodePort {asked}: {why}")),
            None => self.next().ok_or_else(|| "failed to allocate a HealthCheck NodePort 0: range is full".to_owned()),
        };
        service["spec"]["healthCheckNodePort"] = json!(number.map_err(Refusal::Internal)?);
        Ok(())
    }
}
