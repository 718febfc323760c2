//! Where a webhook listens (k8s: `apiserver/pkg/util/webhook/client.go`, `pkg/util/proxy`).

use serde_json::Value;

use super::call::Place;
use crate::cluster::ServicePort;
use crate::registry::Registry;
use crate::resource::Gvr;

const HTTPS: u16 = 443;

/// Finds the place a client configuration names. `services` holds the addresses of services that really listen.
pub(super) fn find(registry: &mut Registry<'_>, client: &Value) -> Place {
    let ca = client["caBundle"].as_str().unwrap_or_default().to_owned();
    let service = &client["service"];
    if !service.is_object() {
        return of_url(client["url"].as_str().unwrap_or_default(), ca);
    }
    let text = |key: &str| service[key].as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (text("namespace"), text("name"));
    let port = u16::try_from(service["port"].as_i64().unwrap_or(0)).ok().filter(|port| *port > 0).unwrap_or(HTTPS);
    let host = format!("{name}.{namespace}.svc");
    let key = |port| ServicePort { namespace: namespace.clone(), name: name.clone(), port };
    let known = [key(port), key(0)].iter().find_map(|key| registry.services.get(key)).map(ToString::to_string);
    Place {
        origin: format!("https://{host}:{port}"),
        path: rooted(&text("path")),
        server_name: host,
        dial: match known {
            Some(address) => Ok(address),
            None => Err(nobody_listens(registry, &namespace, &name, port)),
        },
        ca,
    }
}

fn of_url(url: &str, ca: String) -> Place {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, has_port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (host, true),
        _ => (authority, false),
    };
    let dial = if has_port { authority.to_owned() } else { format!("{authority}:{HTTPS}") };
    Place {
        origin: format!("https://{authority}"),
        path: rooted(path),
        server_name: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        dial: Ok(dial),
        ca,
    }
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// Says what a real cluster says of a service that leads nowhere.
fn nobody_listens(registry: &mut Registry<'_>, namespace: &str, name: &str, port: u16) -> String {
    let found = registry.resource(&Gvr::new("", "v1", "services")).ok();
    let Some(service) = found.and_then(|services| registry.find(&services, namespace, name)) else {
        return format!("service {name:?} not found");
    };
    let spec = &service.value["spec"];
    if spec["type"] == "ExternalName" {
        let host = spec["externalName"].as_str().unwrap_or_default();
        return format!("dial tcp: lookup {host}: no such host");
    }
    let address = spec["clusterIP"].as_str().unwrap_or_default();
    if address == "None" {
        return "cannot route to service with ClusterIP \"None\"".to_owned();
    }
    let ports = spec["ports"].as_array().into_iter().flatten();
    if !ports.into_iter().any(|have| have["port"] == port) {
        return format!("no service port {port} found for service {name:?}");
    }
    // Where a service has no endpoints its address refuses connections.
    format!("dial tcp {address}:{port}: connect: connection refused")
}
