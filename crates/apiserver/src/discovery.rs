//! Discovery documents: the legacy lists and the aggregated one, made once a catalog and shared by its readers.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

use crate::catalog::Catalog;
use crate::openapi::OpenApi;
use crate::resource::{Gvk, Resource, api_version};
use crate::store::to_bytes;

/// A document with the tag that names its content.
#[derive(Debug, Clone)]
pub(crate) struct Tagged {
    pub(crate) body: Bytes,
    pub(crate) etag: String,
}

impl Tagged {
    pub(crate) fn new(value: &Value) -> Self {
        Self::of_bytes(to_bytes(value))
    }

    pub(crate) fn of_bytes(body: Bytes) -> Self {
        let etag = hex_upper(&Sha512::digest(&body));
        Self { body, etag }
    }
}

/// Prints a digest as upstream's `ETag`s do.
pub(crate) fn hex_upper(bytes: &[u8]) -> String {
    hex::encode_upper(bytes)
}

/// What one catalog's documents are, once somebody asked.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    core: OnceLock<Tagged>,
    groups: OnceLock<Tagged>,
    pub(crate) openapi: OnceLock<OpenApi>,
    pub(crate) openapi_v2: OnceLock<crate::openapi::v2::Document>,
}

/// Returns what discovery says of the version a kind is stored in (k8s: `apiserver/pkg/endpoints/discovery/storageversionhash.go`).
pub(crate) fn storage_version_hash(group: &str, version: &str, kind: &str) -> String {
    let digest = Sha256::digest(format!("{group}/{version}/{kind}"));
    base64::engine::general_purpose::STANDARD.encode(&digest[..8])
}

/// Returns `APIGroupDiscoveryList` for `/api` or `/apis`.
pub(crate) fn aggregated(catalog: &Arc<Catalog>, is_core: bool) -> Tagged {
    let slot = if is_core { &catalog.documents.core } else { &catalog.documents.groups };
    slot.get_or_init(|| {
        let groups = catalog.groups.iter().filter(|(name, _)| name.is_empty() == is_core);
        let items: Vec<Value> = groups.map(|(name, versions)| aggregated_group(catalog, name, versions)).collect();
        Tagged::new(&json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
        }))
    })
    .clone()
}

fn aggregated_group(catalog: &Catalog, name: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| {
            let resources: Vec<Value> = catalog.of_version(name, version).map(|it| aggregated_resource(it)).collect();
            json!({ "version": version, "resources": resources, "freshness": "Current" })
        })
        .collect();
    let mut metadata = json!({});
    if !name.is_empty() {
        metadata["name"] = json!(name);
    }
    json!({ "metadata": metadata, "versions": versions })
}

/// Names a kind; built-in ones leave out the group version they share with their resource, as upstream.
fn kind_of(resource: &Resource, gvk: &Gvk) -> Value {
    let is_implied = resource.custom().is_none() && gvk.group == resource.group && gvk.version == resource.version;
    let (group, version) = if is_implied { ("", "") } else { (gvk.group.as_str(), gvk.version.as_str()) };
    json!({ "group": group, "version": version, "kind": gvk.kind })
}

fn aggregated_resource(resource: &Resource) -> Value {
    let mut out = json!({
        "resource": resource.plural,
        "responseKind": kind_of(resource, &resource.gvk()),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        out["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        out["categories"] = json!(resource.categories);
    }
    if !resource.subresources.is_empty() {
        let subresources = resource.subresources.iter().map(
            |sub| json!({ "subresource": sub.name, "responseKind": kind_of(resource, &sub.gvk), "verbs": sub.verbs }),
        );
        out["subresources"] = subresources.collect();
    }
    out
}

/// Returns `APIVersions` for `/api`.
pub(crate) fn core_versions(host: &str) -> Value {
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": host }],
    })
}

/// Returns `APIGroupList` for `/apis`.
pub(crate) fn group_list(catalog: &Catalog) -> Value {
    let groups = catalog.groups.iter().filter(|(name, _)| !name.is_empty());
    let groups: Vec<Value> = groups.map(|(name, versions)| group_body(name, versions)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// Returns `APIGroup` for `/apis/GROUP`.
pub(crate) fn group(catalog: &Catalog, name: &str) -> Option<Value> {
    let (name, versions) = catalog.groups.iter().find(|(have, _)| have == name && !have.is_empty())?;
    let mut out = group_body(name, versions);
    out["kind"] = json!("APIGroup");
    out["apiVersion"] = json!("v1");
    Some(out)
}

fn group_body(name: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": api_version(name, version), "version": version }))
        .collect();
    json!({ "name": name, "versions": versions, "preferredVersion": versions.first() })
}

/// Returns `APIResourceList` for a group version.
pub(crate) fn resource_list(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    if !catalog.has_version(group, version) {
        return None;
    }
    let mut rows: BTreeMap<String, Value> = BTreeMap::new();
    for resource in catalog.of_version(group, version) {
        let mut row = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": resource.verbs,
        });
        if !resource.short_names.is_empty() {
            row["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            row["categories"] = json!(resource.categories);
        }
        if !resource.storage_version_hash.is_empty() {
            row["storageVersionHash"] = json!(resource.storage_version_hash);
        }
        rows.insert(resource.plural.clone(), row);
        for (position, sub) in resource.subresources.iter().enumerate() {
            let name = format!("{}/{}", resource.plural, sub.name);
            // Those of custom resources come as the apiextensions server appends them, all others by name.
            let place = match resource.custom() {
                Some(_) => format!("{}/{position}", resource.plural),
                None => name.clone(),
            };
            let mut row = json!({
                "name": name, "singularName": "", "namespaced": resource.namespaced, "kind": sub.gvk.kind,
                "verbs": sub.verbs,
            });
            if sub.gvk.group != group || sub.gvk.version != version {
                row["group"] = json!(sub.gvk.group);
                row["version"] = json!(sub.gvk.version);
            }
            rows.insert(place, row);
        }
    }
    let resources: Vec<Value> = rows.into_values().collect();
    let mut list = json!({
        "kind": "APIResourceList", "groupVersion": api_version(group, version), "resources": resources,
    });
    // The core group's list is the one without.
    if !group.is_empty() {
        list["apiVersion"] = json!("v1");
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_version_hashes_are_upstreams() {
        // As `kubectl get --raw /api/v1` tells of pods on any cluster.
        assert_eq!(storage_version_hash("", "v1", "Pod"), "xPOwRZ+Yhw8=");
    }
}
