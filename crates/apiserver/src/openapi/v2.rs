//! OpenAPI v2, derived from the v3 documents: the same definitions and paths in the older words.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::gnostic;
use crate::builtins::Builtins;
use crate::catalog::Catalog;
use crate::discovery::{Tagged, hex_upper};
use crate::resource::Resource;
use crate::store::to_bytes;

/// One catalog's document. It is kept compressed: two megabytes of text are asked for once in a client's life.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) etag: String,
    compressed: Vec<u8>,
}

impl Document {
    fn new(document: &Value) -> Self {
        use sha2::Digest as _;
        let text = to_bytes(document);
        let etag = hex_upper(&sha2::Sha512::digest(&text));
        let compressed = zstd::encode_all(&text[..], 3).expect("holds because memory takes all writes");
        Self { etag, compressed }
    }

    fn text(&self) -> Vec<u8> {
        zstd::decode_all(&self.compressed[..]).expect("holds because it was compressed here")
    }

    /// Returns the document in JSON.
    pub(crate) fn json(&self) -> Tagged {
        Tagged { body: Bytes::from(self.text()), etag: self.etag.clone() }
    }

    /// Returns the document as gnostic's protobuf.
    pub(crate) fn protobuf(&self) -> Tagged {
        let document = serde_json::from_slice(&self.text()).expect("holds because it was written here");
        Tagged { body: Bytes::from(gnostic::encode(&document)), etag: self.etag.clone() }
    }
}

/// Returns a catalog's document, made at the first call; clusters without CRDs share one.
pub(crate) fn of(catalog: &Arc<Catalog>) -> &Document {
    catalog.documents.openapi_v2.get_or_init(|| {
        let mut document = builtin();
        let customs: Vec<(&String, &String, Vec<&Arc<Resource>>)> = catalog
            .groups
            .iter()
            .flat_map(|(group, versions)| versions.iter().map(move |version| (group, version)))
            .map(|(group, version)| {
                let resources = catalog.of_version(group, version).filter(|resource| resource.custom().is_some());
                (group, version, resources.collect())
            })
            .filter(|(_, _, resources): &(_, _, Vec<_>)| !resources.is_empty())
            .collect();
        for (_, _, resources) in customs {
            let mut v3 = super::custom::document(&resources);
            for resource in resources {
                let name = super::custom::schema_name(resource, &resource.kind);
                let schema = &mut v3["components"]["schemas"][&name];
                without_what_is_new(schema, true);
            }
            merge(&mut document, &v3);
        }
        Document::new(&document)
    })
}

/// Derives the document of the built-in resources.
fn builtin() -> Value {
    static BUILTIN: LazyLock<Document> = LazyLock::new(|| {
        let mut document = json!({
            "swagger": "2.0",
            "info": { "title": "Kubernetes", "version": "v1.35.4" },
            "paths": {},
            "definitions": {},
            "parameters": {},
            "securityDefinitions": {
                "BearerToken": {
                    "description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header",
                },
            },
            "security": [{ "BearerToken": [] }],
        });
        let builtins = Builtins::get();
        for entry in builtins.openapi_documents() {
            let v3 = builtins.openapi_v3(&entry.key).and_then(|text| serde_json::from_slice::<Value>(&text).ok());
            if let Some(v3) = v3 {
                merge(&mut document, &v3);
            }
        }
        Document::new(&document)
    });
    serde_json::from_slice(&BUILTIN.text()).expect("holds because it was written here")
}

fn merge(into: &mut Value, v3: &Value) {
    for (name, schema) in v3["components"]["schemas"].as_object().into_iter().flatten() {
        if into["definitions"].get(name).is_none() {
            into["definitions"][name] = definition(schema);
        }
    }
    let mut shared = match into["parameters"].take() {
        Value::Object(shared) => shared,
        _ => Map::new(),
    };
    for (path, item) in v3["paths"].as_object().into_iter().flatten() {
        into["paths"][path] = path_item(path, item, &mut shared);
    }
    into["parameters"] = shared.into();
}

fn reference(target: &Value) -> Value {
    json!(target.as_str().unwrap_or_default().replace("#/components/schemas/", "#/definitions/"))
}

/// Says a schema in the words of version 2.
fn definition(schema: &Value) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut out = Map::new();
    for (key, value) in fields {
        match key.as_str() {
            "$ref" => drop(out.insert(key.clone(), reference(value))),
            // No definition of version 2 has a default.
            "default" => {}
            "allOf" if value.as_array().is_some_and(|all| all.len() == 1 && all[0].get("$ref").is_some()) => {
                out.insert("$ref".to_owned(), reference(&value[0]["$ref"]));
            }
            // Quantities and numbers that may be texts.
            "oneOf" => drop(out.insert("type".to_owned(), json!("string"))),
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let properties: Map<String, Value> =
                    properties.map(|(name, schema)| (name.clone(), definition(schema))).collect();
                out.insert(key.clone(), properties.into());
            }
            "items" | "additionalProperties" | "not" => drop(out.insert(key.clone(), definition(value))),
            _ => drop(out.insert(key.clone(), value.clone())),
        }
    }
    out.into()
}

/// Takes from a custom resource's schema what version 2 has no words for
/// (k8s: `apiextensions-apiserver/pkg/controller/openapi/v2/conversion.go`).
fn without_what_is_new(schema: &mut Value, is_root: bool) {
    const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
    let Value::Object(fields) = schema else { return };
    if is_root && fields.get(PRESERVE) == Some(&json!(true)) {
        fields.retain(|key, _| key == "x-kubernetes-group-version-kind");
        fields.insert("type".to_owned(), json!("object"));
        return;
    }
    for key in ["allOf", "oneOf", "anyOf", "not", "default"] {
        // The metadata of the root refers to its type by `allOf`, which stays.
        let is_reference = fields.get(key).is_some_and(|all| all[0].get("$ref").is_some());
        if !is_reference {
            fields.remove(key);
        }
    }
    let preserves = fields.get(PRESERVE) == Some(&json!(true));
    let nullable = fields.remove("nullable") == Some(json!(true));
    if nullable || preserves {
        fields.remove("items");
        fields.remove("properties");
    }
    if preserves && fields.get("x-kubernetes-embedded-resource") == Some(&json!(true)) {
        // What an object must have is said with its properties, and so not here.
        if let Some(required) = fields.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| name != "kind" && name != "apiVersion");
        }
        if fields.get("required") == Some(&json!([])) {
            fields.remove("required");
        }
    }
    let is = |fields: &Map<String, Value>, ty: &str| fields.get("type").is_some_and(|have| have == ty);
    if nullable || (preserves && is(fields, "object")) || (is(fields, "array") && !fields.contains_key("items")) {
        fields.remove("type");
    }
    let nullables: Vec<String> = fields
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_, schema)| schema["nullable"] == true)
        .map(|(name, _)| name.clone())
        .collect();
    if let Some(required) = fields.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !nullables.iter().any(|nullable| name == nullable));
        if required.is_empty() {
            fields.remove("required");
        }
    }
    if fields.get("additionalProperties").is_some_and(|schema| schema["nullable"] == true) {
        fields.remove("required");
    }
    for key in ["items", "additionalProperties"] {
        if let Some(schema) = fields.get_mut(key) {
            without_what_is_new(schema, false);
        }
    }
    for schema in fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        without_what_is_new(schema, false);
    }
}

fn path_item(path: &str, item: &Value, shared: &mut Map<String, Value>) -> Value {
    let mut out = Map::new();
    for (key, value) in item.as_object().into_iter().flatten() {
        let value = match key.as_str() {
            "parameters" => parameters(value).into_iter().map(|it| share(it, shared)).collect(),
            _ => operation(path, value, shared),
        };
        out.insert(key.clone(), value);
    }
    out.into()
}

/// Moves a parameter that is not about one kind to the list of shared ones, and refers to it there
/// (kube-openapi: `pkg/builder/parameters.go`).
fn share(parameter: Value, shared: &mut Map<String, Value>) -> Value {
    let text = |key: &str| parameter[key].as_str().unwrap_or_default();
    let own = match (text("in"), text("name")) {
        ("query" | "path", "name") | ("query", "fieldValidation" | "dryRun") => true,
        ("body", _) => {
            let target = parameter["schema"]["$ref"].as_str().unwrap_or_default();
            !target.starts_with("#/definitions/io.k8s.apimachinery")
        }
        _ => false,
    };
    if own {
        return parameter;
    }
    // The name ends with a hash of the parameter as Go writes it.
    let fields = ["uniqueItems", "type", "description", "name", "in", "required", "schema"];
    let written: Vec<String> =
        fields.iter().filter_map(|field| parameter.get(field).map(|value| format!("\"{field}\":{value}"))).collect();
    let written = format!("{{{}}}", written.join(","));
    let written = written.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    let name = format!("{}-{}", text("name"), URL_SAFE.encode(&fnv1(written.as_bytes()).to_be_bytes()[..6]));
    let reference = json!({ "$ref": format!("#/parameters/{name}") });
    shared.insert(name, parameter);
    reference
}

/// Hashes bytes as Go's `fnv.New64`.
fn fnv1(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte))
}

fn parameters(all: &Value) -> Vec<Value> {
    let all = all.as_array().into_iter().flatten();
    all.map(|parameter| {
        let mut out = Map::new();
        for (key, value) in parameter.as_object().into_iter().flatten() {
            match value {
                Value::Object(schema) if key == "schema" => out.extend(schema.clone()),
                value => drop(out.insert(key.clone(), value.clone())),
            }
        }
        Value::Object(out)
    })
    .collect()
}

/// The order in which upstream lists media types.
const ORDER: [&str; 11] = [
    "text/plain",
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "*/*",
];

fn media(content: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = content.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.sort_by_key(|name| (ORDER.iter().position(|have| have == name).unwrap_or(ORDER.len()), *name));
    names
}

fn operation(path: &str, v3: &Value, shared: &mut Map<String, Value>) -> Value {
    let mut out = Map::new();
    let body = &v3["requestBody"];
    let first_schema = |content: &Value| {
        content.as_object().and_then(|content| content.values().next()).map(|media| definition(&media["schema"]))
    };
    for (key, value) in v3.as_object().into_iter().flatten() {
        match key.as_str() {
            "requestBody" | "parameters" => {}
            "responses" => {
                let replies = value.as_object().into_iter().flatten().map(|(code, reply)| {
                    let mut told = json!({ "description": reply["description"] });
                    if let Some(schema) = first_schema(&reply["content"]) {
                        told["schema"] = schema;
                    }
                    (code.clone(), told)
                });
                out.insert(key.clone(), replies.collect::<Map<_, _>>().into());
            }
            _ => drop(out.insert(key.clone(), value.clone())),
        }
    }
    let mut all: Vec<Value> = Vec::new();
    if let Some(schema) = first_schema(&body["content"]) {
        let mut parameter = json!({ "name": "body", "in": "body", "schema": schema });
        if body["required"] == true {
            parameter["required"] = json!(true);
        }
        all.push(parameter);
    }
    all.extend(parameters(&v3["parameters"]));
    let all: Vec<Value> = all.into_iter().map(|parameter| share(parameter, shared)).collect();
    if !all.is_empty() {
        out.insert("parameters".to_owned(), all.into());
    }
    let replies = v3["responses"].as_object().into_iter().flatten();
    let produces =
        replies.map(|(_, reply)| media(&reply["content"])).find(|names| !names.is_empty()).unwrap_or_default();
    let is_builtin_resource = v3.get("x-kubernetes-action").is_some() && produces != ORDER[1..3];
    let consumes = match media(&body["content"]) {
        names if !names.is_empty() => names,
        _ if is_builtin_resource => vec!["*/*"],
        // What is served beside the API says nothing of what it reads.
        _ if path.starts_with("/api") || path.starts_with("/version") => produces.clone(),
        _ => Vec::new(),
    };
    out.insert("schemes".to_owned(), json!(["https"]));
    if !produces.is_empty() {
        out.insert("produces".to_owned(), json!(produces));
    }
    if !consumes.is_empty() {
        out.insert("consumes".to_owned(), json!(consumes));
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_parameters_are_named_as_upstream_names_them() {
        let document = builtin();
        let parameters = document["parameters"].as_object().expect("a map");
        for name in ["namespace-vgWSWtn3", "pretty-tJGM1-ng", "body-78PwaGsr", "force-tOGGb0Yi", "watch-XNNPZGbK"] {
            assert!(parameters.contains_key(name), "{name}");
        }
        assert_eq!(document["definitions"].as_object().map(Map::len), Some(570));
        assert!(gnostic::encode(&document).starts_with(b"\x0a\x032.0"));
    }
}
