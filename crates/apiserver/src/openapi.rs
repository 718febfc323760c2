//! OpenAPI v3: the index, the built-in documents as they are, and one document a group version of custom resources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::builtins::Builtins;
use crate::catalog::Catalog;
use crate::discovery::Tagged;
use crate::resource::Resource;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// The index of one catalog, and its documents of custom resources.
#[derive(Debug)]
pub(crate) struct OpenApi {
    pub(crate) index: Tagged,
    custom: BTreeMap<String, Tagged>,
}

/// Returns a catalog's documents, made at the first call.
pub(crate) fn of(catalog: &Arc<Catalog>) -> &OpenApi {
    catalog.documents.openapi.get_or_init(|| {
        let mut custom = BTreeMap::new();
        for (group, versions) in &catalog.groups {
            for version in versions {
                let resources: Vec<&Arc<Resource>> =
                    catalog.of_version(group, version).filter(|resource| resource.custom().is_some()).collect();
                if !resources.is_empty() {
                    custom.insert(format!("apis/{group}/{version}"), Tagged::new(&document(&resources)));
                }
            }
        }
        let mut hashes: BTreeMap<String, String> =
            Builtins::get().openapi_documents().map(|document| (document.key.clone(), document.hash.clone())).collect();
        hashes.extend(custom.iter().map(|(path, document)| (path.clone(), document.etag.clone())));
        let paths: Map<String, Value> = hashes
            .into_iter()
            .map(|(path, hash)| {
                let url = format!("/openapi/v3/{path}?hash={hash}");
                (path, json!({ "serverRelativeURL": url }))
            })
            .collect();
        OpenApi { index: Tagged::new(&json!({ "paths": paths })), custom }
    })
}

impl OpenApi {
    /// Returns one document, by its key in the index.
    pub(crate) fn document(&self, path: &str) -> Option<Tagged> {
        if let Some(document) = self.custom.get(path) {
            return Some(document.clone());
        }
        let builtins = Builtins::get();
        let hash = builtins.openapi_documents().find(|document| document.key == path)?.hash.clone();
        let body = builtins.openapi_v3(path)?;
        Some(Tagged { body: Bytes::from(body.to_vec()), etag: hash })
    }
}

/// The parts of the built-in documents that custom resources refer to.
fn shared_schemas() -> &'static Map<String, Value> {
    static SHARED: LazyLock<Map<String, Value>> = LazyLock::new(|| {
        let bytes = Builtins::get().openapi_v3("apis/apps/v1");
        let mut document: Value =
            bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_else(|| json!({}));
        let Value::Object(all) = document["components"]["schemas"].take() else { return Map::new() };
        let mut wanted: Vec<String> =
            ["ObjectMeta", "ListMeta", "Status", "DeleteOptions", "Patch"].map(|name| format!("{META}.{name}")).into();
        let mut kept = Map::new();
        let mut seen = BTreeSet::new();
        while let Some(name) = wanted.pop() {
            if let Some(schema) = all.get(&name).filter(|_| seen.insert(name.clone())) {
                references(schema, &mut wanted);
                kept.insert(name, schema.clone());
            }
        }
        kept
    });
    &SHARED
}

fn references(schema: &Value, into: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str) {
                into.extend(name.rsplit('/').next().map(str::to_owned));
            }
            map.values().for_each(|child| references(child, into));
        }
        Value::Array(items) => items.iter().for_each(|child| references(child, into)),
        _ => {}
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Returns `com.example.stable.v1.CronTab` for a kind of `stable.example.com`.
fn schema_name(resource: &Resource, kind: &str) -> String {
    let mut parts: Vec<&str> = resource.group.split('.').collect();
    parts.reverse();
    format!("{}.{}.{kind}", parts.join("."), resource.version)
}

fn document(resources: &[&Arc<Resource>]) -> Value {
    let mut schemas = shared_schemas().clone();
    let mut paths = Map::new();
    for resource in resources {
        let Some(custom) = resource.custom() else { continue };
        let gvk = json!([{ "group": resource.group, "version": resource.version, "kind": resource.kind }]);
        let mut schema = custom.schema.clone();
        if !schema["properties"].is_object() {
            schema["properties"] = json!({});
        }
        let properties = &mut schema["properties"];
        properties["apiVersion"] = json!({ "type": "string", "description": API_VERSION });
        properties["kind"] = json!({ "type": "string", "description": KIND });
        properties["metadata"] = json!({
            "description": "Standard object's metadata. More info: \
                            https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
            "allOf": [reference(&format!("{META}.ObjectMeta"))],
        });
        schema["x-kubernetes-group-version-kind"] = gvk;
        let name = schema_name(resource, &resource.kind);
        let list_name = schema_name(resource, &resource.list_kind);
        schemas.insert(list_name.clone(), list_schema(resource, &name));
        schemas.insert(name.clone(), schema);
        add_paths(resource, &name, &list_name, &mut paths);
    }
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes CRD Swagger", "version": "v0.1.0" },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should \
                           convert recognized schemas to the latest internal value, and may reject unrecognized values. \
                           More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this \
                    from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: \
                    https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

fn list_schema(resource: &Resource, item: &str) -> Value {
    json!({
        "description": format!("{} is a list of {}", resource.list_kind, resource.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": { "type": "string", "description": API_VERSION },
            "kind": { "type": "string", "description": KIND },
            "metadata": { "allOf": [reference(&format!("{META}.ListMeta"))] },
            "items": { "type": "array", "items": { "allOf": [reference(item)] } },
        },
        "x-kubernetes-group-version-kind": [
            { "group": resource.group, "version": resource.version, "kind": resource.list_kind },
        ],
    })
}

fn add_paths(resource: &Resource, name: &str, list_name: &str, paths: &mut Map<String, Value>) {
    let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let base = format!("/apis/{}/{}{scope}/{}", resource.group, resource.version, resource.plural);
    let gvk = json!({ "group": resource.group, "version": resource.version, "kind": resource.kind });
    let in_path = |name: &str| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    let mut shared: Vec<Value> = Vec::new();
    if resource.namespaced {
        shared.push(in_path("namespace"));
    }
    let operation = |action: &str, body: Option<&str>, reply: &str| {
        let parameters: Vec<Value> = if body.is_some() {
            let query = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string" } });
            let mut all: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation"].map(query).into();
            if action == "patch" {
                all.push(json!({ "name": "force", "in": "query", "schema": { "type": "boolean" } }));
            }
            all
        } else {
            Vec::new()
        };
        let mut out = json!({
            "tags": [resource.group],
            "parameters": parameters,
            "responses": { "200": {
                "description": "OK",
                "content": { "application/json": { "schema": reference(reply) } },
            } },
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk,
        });
        if let Some(body) = body {
            let media = if action == "patch" { "application/apply-patch+yaml" } else { "application/json" };
            out["requestBody"] = json!({ "content": { media: { "schema": reference(body) } }, "required": true });
        }
        out
    };
    let status = format!("{META}.Status");
    let patch = format!("{META}.Patch");
    paths.insert(
        base.clone(),
        json!({
            "parameters": shared,
            "get": operation("list", None, list_name),
            "post": operation("post", Some(name), name),
            "delete": operation("deletecollection", None, &status),
        }),
    );
    shared.push(in_path("name"));
    let object = json!({
        "parameters": shared,
        "get": operation("get", None, name),
        "put": operation("put", Some(name), name),
        "patch": operation("patch", Some(&patch), name),
        "delete": operation("delete", None, &status),
    });
    paths.insert(format!("{base}/{{name}}"), object);
    if resource.has_status() {
        let object = json!({
            "parameters": shared,
            "get": operation("get", None, name),
            "put": operation("put", Some(name), name),
            "patch": operation("patch", Some(&patch), name),
        });
        paths.insert(format!("{base}/{{name}}/status"), object);
    }
}
