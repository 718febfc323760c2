//! What a cluster has only once: service addresses and node ports.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

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

pub(super) const FIRST_PORT: u16 = 30000;
pub(super) const LAST_PORT: u16 = 32767;

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
    pub(super) fn cluster_ip(&self) -> Option<String> {
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
    pub(super) fn next_ip(&self) -> Option<String> {
        let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (0..u16::MAX).map(|step| pools.next_address.wrapping_add(step));
        let address = next.into_iter().find(|address| *address < u16::MAX && !pools.addresses.contains(address))?;
        Some(format!("10.96.{}.{}", address >> 8, address & 0xff))
    }

    pub(super) fn node_port(&self) -> Option<u16> {
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
    pub(super) fn take_ip(&self, text: &str) -> bool {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        address(text).is_none_or(|address| address == 1 || pools.addresses.insert(address))
    }

    pub(super) fn take_port(&self, port: u16) -> bool {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.ports.insert(port)
    }

    pub(super) fn has_port(&self, port: u16) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ports.contains(&port)
    }

    /// Gives back what a deleted Service held.
    pub fn release(&self, service: &Value) {
        self.release_dropped(service, &Value::Null);
    }

    /// Gives back what one state of a Service holds and another does not: after an update, and after one that failed.
    pub(crate) fn release_dropped(&self, had: &Value, has: &Value) {
        let (ports, addresses) = (held_ports(has), held_addresses(has));
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for port in held_ports(had).into_iter().filter(|port| !ports.contains(port)) {
            pools.ports.remove(&port);
        }
        for address in held_addresses(had).into_iter().filter(|address| !addresses.contains(address)) {
            pools.addresses.remove(&address);
        }
    }

    pub(super) fn release_address(&self, address: u16) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).addresses.remove(&address);
    }

    pub(super) fn release_ports(&self, ports: &BTreeSet<u16>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ports.retain(|port| !ports.contains(port));
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
        for port in held_ports(service) {
            self.take_port(port);
        }
    }
}

pub(super) fn address(text: &str) -> Option<u16> {
    let address: std::net::Ipv4Addr = text.parse().ok()?;
    let [10, 96, high, low] = address.octets() else { return None };
    Some(u16::from_be_bytes([high, low]))
}

pub(super) fn node_ports(service: &Value) -> Vec<u16> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
    ports.filter_map(|port| port["nodePort"].as_u64()).filter_map(|port| u16::try_from(port).ok()).collect()
}

/// Returns the node ports of a Service, and the one where its health is asked for.
fn held_ports(service: &Value) -> Vec<u16> {
    let health = service.pointer("/spec/healthCheckNodePort").and_then(Value::as_u64);
    let health = health.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    node_ports(service).into_iter().chain(health).collect()
}

/// Returns the addresses of a Service, but for that of the API server, which nobody gives back.
fn held_addresses(service: &Value) -> Vec<u16> {
    let all = service.pointer("/spec/clusterIPs").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|ip| ip.as_str().and_then(address)).filter(|address| *address > 1).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_service_lets_go_of_can_be_had_again() {
        let allocator = Allocator::default();
        let service = |address: &str, port: u16, health: u16| {
            json!({ "spec": {
                "clusterIPs": [address], "ports": [{ "nodePort": port }], "healthCheckNodePort": health,
            } })
        };
        let old = service("10.96.0.9", 30001, 30002);
        allocator.adopt(&old);
        assert!(!allocator.take_ip("10.96.0.9") && !allocator.take_port(30001) && !allocator.take_port(30002));
        allocator.release_dropped(&old, &service("10.96.0.9", 30001, 30003));
        assert!(!allocator.take_ip("10.96.0.9") && !allocator.take_port(30001) && allocator.take_port(30002));
        allocator.release(&old);
        assert!(allocator.take_ip("10.96.0.9") && allocator.take_port(30001) && allocator.take_port(30002));
    }
}
