//! What a cluster is born with besides [`crate::seeds`]: namespaces, the API server's own service and nodes.
//!
//! Only the test of `births` goes this way; clusters are given what came of it.

use serde_json::{Value, json};

use crate::admin::Admin;
use crate::births::node_address;
use crate::clock::rfc3339_seconds;
use crate::error::ApiError;
use crate::resource::Gvr;

/// The namespaces every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Creates the objects of a new cluster.
///
/// # Panics
///
/// Never on an empty cluster: the objects are constant and valid, as a test shows.
pub(crate) fn populate(admin: &Admin) {
    try_populate(admin).expect("holds because an empty cluster takes these objects");
}

fn try_populate(admin: &Admin) -> Result<(), ApiError> {
    let server = admin.named("kube-apiserver");
    let core = |plural: &str| Gvr::new("", "v1", plural);
    for name in NAMESPACES {
        server.create(
            &core("namespaces"),
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
        )?;
    }
    server.create(&core("services"), service())?;
    server.create(&core("endpoints"), endpoints())?;
    server.create(&Gvr::new("discovery.k8s.io", "v1", "endpointslices"), endpoint_slice())?;
    let kubelet = admin.named("kubelet");
    let now = rfc3339_seconds(admin.now());
    for number in 1..=admin.cluster_options().nodes {
        kubelet.create(&core("nodes"), node(number, &now))?;
    }
    Ok(())
}

fn labels() -> Value {
    json!({ "component": "apiserver", "provider": "kubernetes" })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "kubernetes", "namespace": "default", "labels": labels() },
        "spec": {
            "clusterIP": "10.96.0.1",
            "ipFamilyPolicy": "SingleStack",
            "ports": [{ "name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443 }],
        },
    })
}

fn endpoints() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" },
        },
        "subsets": [{
            "addresses": [{ "ip": "10.1.0.1" }],
            "ports": [{ "name": "https", "port": 6443, "protocol": "TCP" }],
        }],
    })
}

fn endpoint_slice() -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": { "name": "kubernetes", "namespace": "default", "labels": { "kubernetes.io/service-name": "kubernetes" } },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["10.1.0.1"], "conditions": { "ready": true } }],
        "ports": [{ "name": "https", "port": 6443, "protocol": "TCP" }],
    })
}

/// Makes a node that is ready for good and large enough for anything.
fn node(number: u32, now: &str) -> Value {
    let name = format!("node-{number}");
    let capacity = json!({ "cpu": "64", "ephemeral-storage": "1Ti", "memory": "256Gi", "pods": "10k" });
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
            },
        },
        "spec": {},
        "status": {
            "addresses": [
                { "type": "InternalIP", "address": node_address(number) },
                { "type": "Hostname", "address": name },
            ],
            "allocatable": capacity,
            "capacity": capacity,
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "nodeInfo": {
                "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "simulated://0", "kernelVersion": "",
                "kubeProxyVersion": "", "kubeletVersion": "v1.35.4", "machineID": "", "operatingSystem": "linux",
                "osImage": "simulated", "systemUUID": "",
            },
        },
    })
}
