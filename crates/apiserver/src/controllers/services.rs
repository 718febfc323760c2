//! Services and Ingresses: endpoints of the pods behind them, and an address from the simulated load balancer.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Simulation;
use super::object::{is_deleted, is_ready, items, label, name, namespace, owner_reference, text, uid};
use super::pods::endpoint_of;
use super::world::Kind;
use crate::builtins::selects;
use crate::error::ApiError;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const CONTROLLER: &str = "endpointslice-controller.k8s.io";

/// The most endpoints one slice holds, as upstream has it by default.
const SLICE_LIMIT: usize = 100;

impl Simulation {
    pub(super) fn service(&mut self, namespace: &str, service_name: &str) -> Result<(), ApiError> {
        let Some(service) = self.world.get(Kind::Service, namespace, service_name) else {
            // Endpoints made by hand stay; those made here go with their Service.
            return match self.world.get(Kind::Endpoints, namespace, service_name) {
                Some(left) if label(&left, "endpoints.kubernetes.io/managed-by").is_some() => {
                    self.delete(Kind::Endpoints, &left)
                }
                _ => Ok(()),
            };
        };
        if is_deleted(&service) {
            return Ok(());
        }
        self.balance(&service)?;
        let selector = &service["spec"]["selector"];
        let selected = selector.as_object().is_some_and(|map| !map.is_empty());
        if !selected || service["spec"]["type"] == "ExternalName" {
            return Ok(());
        }
        let matcher = json!({ "matchLabels": selector });
        let mut pods = self.world.list(Kind::Pod, namespace);
        pods.retain(|pod| {
            let over = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
            !over && selects(&matcher, &pod["metadata"]["labels"])
        });
        self.slices(&service, &pods)?;
        self.endpoints(&service, &pods)
    }

    fn balance(&self, service: &Value) -> Result<(), ApiError> {
        if service["spec"]["type"] != "LoadBalancer" || service["spec"].get("loadBalancerClass").is_some() {
            return Ok(());
        }
        let ip = outside_address(text(service, "/spec/clusterIP"));
        let mut status = service["status"].clone();
        status["loadBalancer"] = json!({ "ingress": [{ "ip": ip, "ipMode": "VIP" }] });
        self.write_status(Kind::Service, service, status)
    }

    fn slices(&self, service: &Value, pods: &[Arc<Value>]) -> Result<(), ApiError> {
        let mut have = self.world.owned(uid(service), Kind::EndpointSlice);
        have.retain(|slice| label(slice, MANAGED_BY) == Some(CONTROLLER));
        let publish_all = service["spec"]["publishNotReadyAddresses"] == true;
        let mut endpoints: Vec<Value> = pods.iter().filter_map(|pod| endpoint_of(pod)).collect();
        for endpoint in endpoints.iter_mut().filter(|_| publish_all) {
            endpoint["conditions"]["ready"] = json!(true);
        }
        endpoints.sort_by(|a, b| a["targetRef"]["name"].as_str().cmp(&b["targetRef"]["name"].as_str()));
        let ports = if endpoints.is_empty() { Value::Null } else { ports_of(service, pods.first()) };
        let mut chunks: Vec<&[Value]> = endpoints.chunks(SLICE_LIMIT).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        labels.insert(MANAGED_BY.to_owned(), json!(CONTROLLER));
        labels.insert(SERVICE_NAME.to_owned(), json!(name(service)));
        if service["spec"]["clusterIP"] == "None" {
            labels.insert("service.kubernetes.io/headless".to_owned(), json!(""));
        }
        for chunk in &chunks {
            let body = |mut slice: Value| {
                slice["metadata"]["labels"] = json!(labels);
                // An empty list is stored as null.
                slice["endpoints"] = if chunk.is_empty() { Value::Null } else { json!(chunk) };
                slice["ports"] = ports.clone();
                slice
            };
            match have.pop() {
                Some(slice) => {
                    let next = body(Value::clone(&slice));
                    if next != *slice {
                        self.update(Kind::EndpointSlice, next)?;
                    }
                }
                None => {
                    let slice = json!({
                        "metadata": {
                            "generateName": format!("{}-", name(service)),
                            "namespace": namespace(service),
                            "ownerReferences": [owner_reference(service, "v1", "Service")],
                        },
                        "addressType": "IPv4",
                    });
                    self.create(Kind::EndpointSlice, body(slice))?;
                }
            }
        }
        have.iter().try_for_each(|slice| self.delete(Kind::EndpointSlice, slice))
    }

    fn endpoints(&self, service: &Value, pods: &[Arc<Value>]) -> Result<(), ApiError> {
        let address = |pod: &Arc<Value>| {
            let ip = pod["status"].get("podIP")?.clone();
            let target = json!({ "kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod) });
            Some(json!({ "ip": ip, "nodeName": pod["spec"]["nodeName"], "targetRef": target }))
        };
        let publish_all = service["spec"]["publishNotReadyAddresses"] == true;
        let (ready, waiting): (Vec<&Arc<Value>>, Vec<&Arc<Value>>) =
            pods.iter().filter(|pod| !is_deleted(pod)).partition(|pod| publish_all || is_ready(pod));
        let mut subset = json!({});
        for (field, pods) in [("addresses", ready), ("notReadyAddresses", waiting)] {
            let addresses: Vec<Value> = pods.into_iter().filter_map(address).collect();
            if !addresses.is_empty() {
                subset[field] = json!(addresses);
            }
        }
        let empty = subset.as_object().is_none_or(serde_json::Map::is_empty);
        let ports = ports_of(service, pods.first());
        if ports.is_array() {
            subset["ports"] = ports;
        }
        let subsets = if empty { None } else { Some(json!([subset])) };
        let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        labels.insert("endpoints.kubernetes.io/managed-by".to_owned(), json!("endpoint-controller"));
        if service["spec"]["clusterIP"] == "None" {
            labels.insert("service.kubernetes.io/headless".to_owned(), json!(""));
        }
        let body = |mut endpoints: Value| {
            endpoints["metadata"]["labels"] = json!(labels);
            match &subsets {
                Some(subsets) => endpoints["subsets"] = subsets.clone(),
                None => drop(endpoints.as_object_mut().map(|endpoints| endpoints.remove("subsets"))),
            }
            endpoints
        };
        match self.world.get(Kind::Endpoints, namespace(service), name(service)) {
            Some(have) => {
                let next = body(Value::clone(&have));
                if next != *have {
                    self.update(Kind::Endpoints, next)?;
                }
            }
            None => {
                let metadata = json!({ "name": name(service), "namespace": namespace(service) });
                self.create(Kind::Endpoints, body(json!({ "metadata": metadata })))?;
            }
        }
        Ok(())
    }

    pub(super) fn ingress(&mut self, namespace: &str, ingress_name: &str) -> Result<(), ApiError> {
        let Some(ingress) = self.world.get(Kind::Ingress, namespace, ingress_name) else { return Ok(()) };
        if is_deleted(&ingress) {
            return Ok(());
        }
        let status = json!({ "loadBalancer": { "ingress": [{ "ip": INGRESS_ADDRESS }] } });
        self.write_status(Kind::Ingress, &ingress, status)
    }
}

/// The one address at which the simulated ingress controller listens (a documentation range, RFC 5737).
const INGRESS_ADDRESS: &str = "203.0.113.1";

/// Maps a cluster address to one of the load balancer's, so that no second pool has to be kept.
fn outside_address(cluster_ip: &str) -> String {
    cluster_ip.strip_prefix("10.96.").map_or_else(|| "198.18.0.1".to_owned(), |rest| format!("198.18.{rest}"))
}

/// Returns the ports that endpoints listen at: numbers stay, names are looked up in the first pod.
fn ports_of(service: &Value, pod: Option<&Arc<Value>>) -> Value {
    let named = |wanted: &str| {
        let containers = pod.into_iter().flat_map(|pod| items(pod, "/spec/containers"));
        let ports = containers.flat_map(|container| items(container, "/ports"));
        ports.into_iter().find(|port| port["name"] == wanted).map(|port| port["containerPort"].clone())
    };
    let ports: Vec<Value> = items(service, "/spec/ports")
        .filter_map(|port| {
            let number = match &port["targetPort"] {
                Value::String(wanted) => named(wanted)?,
                number => number.clone(),
            };
            let mut out = json!({ "port": number, "protocol": port["protocol"] });
            out["name"] = port.get("name").cloned().unwrap_or_else(|| json!(""));
            if let Some(protocol) = port.get("appProtocol") {
                out["appProtocol"] = protocol.clone();
            }
            Some(out)
        })
        .collect();
    if ports.is_empty() { Value::Null } else { Value::Array(ports) }
}
