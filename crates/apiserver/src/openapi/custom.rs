//! The OpenAPI v3 document of one group version of custom resources.
//!
//! What upstream says of every custom resource it also says of Deployments, so the parameters of requests are theirs.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};

use crate::builtins::Builtins;
use crate::resource::Resource;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const SCALE: &str = "io.k8s.api.autoscaling.v1.Scale";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/{namespace}/deployments";
const CONVENTIONS: &str = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";
const OBJECTS: [&str; 2] = ["application/json", "application/yaml"];
const PATCHES: [&str; 3] =
    ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];

/// The parts of the built-in documents that custom resources use.
struct Template {
    schemas: Map<String, Value>,
    /// The parameters of each operation on Deployments, by action.
    parameters: Map<String, Value>,
}

fn template() -> &'static Template {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        let bytes = Builtins::get().openapi_v3("apis/apps/v1");
        let mut document: Value =
            bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_else(|| json!({}));
        let all = match document["components"]["schemas"].take() {
            Value::Object(all) => all,
            _ => Map::new(),
        };
        let mut wanted: Vec<String> =
            ["ObjectMeta", "ListMeta", "Status", "DeleteOptions", "Patch"].map(|name| format!("{META}.{name}")).into();
        wanted.push(SCALE.to_owned());
        let mut schemas = Map::new();
        let mut seen = BTreeSet::new();
        while let Some(name) = wanted.pop() {
            if let Some(schema) = all.get(&name).filter(|_| seen.insert(name.clone())) {
                references(schema, &mut wanted);
                schemas.insert(name, schema.clone());
            }
        }
        let many = &document["paths"][DEPLOYMENTS];
        let one = &document["paths"][format!("{DEPLOYMENTS}/{{name}}")];
        let parameters = [
            ("list", &many["get"]["parameters"]),
            ("post", &many["post"]["parameters"]),
            ("put", &one["put"]["parameters"]),
            ("patch", &one["patch"]["parameters"]),
            ("delete", &one["delete"]["parameters"]),
            ("path", &one["parameters"]),
        ];
        let parameters = parameters.map(|(action, parameters)| (action.to_owned(), parameters.clone()));
        Template { schemas, parameters: parameters.into_iter().collect() }
    });
    &TEMPLATE
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
pub(super) fn schema_name(resource: &Resource, kind: &str) -> String {
    let mut parts: Vec<&str> = resource.group.split('.').collect();
    parts.reverse();
    format!("{}.{}.{kind}", parts.join("."), resource.version)
}

/// Makes the document of resources that share a group version.
pub(super) fn document(resources: &[&Arc<Resource>]) -> Value {
    let mut schemas = template().schemas.clone();
    if !resources.iter().any(|resource| resource.subresource("scale").is_some()) {
        schemas.retain(|name, _| !name.starts_with(SCALE));
    }
    let mut paths = Map::new();
    for resource in resources {
        let Some(custom) = resource.custom() else { continue };
        let name = schema_name(resource, &resource.kind);
        let list_name = schema_name(resource, &resource.list_kind);
        schemas.insert(list_name.clone(), list_schema(resource, &name));
        schemas.insert(name.clone(), object_schema(resource, custom.schema.clone()));
        Paths { resource, name: &name, list_name: &list_name }.add(&mut paths);
    }
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes CRD Swagger", "version": "v0.1.0" },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn gvk(resource: &Resource, kind: &str) -> Value {
    json!({ "group": resource.group, "kind": kind, "version": resource.version })
}

fn api_version() -> Value {
    json!({ "type": "string", "description": format!(
        "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized \
         schemas to the latest internal value, and may reject unrecognized values. More info: {CONVENTIONS}#resources"
    ) })
}

fn kind() -> Value {
    json!({ "type": "string", "description": format!(
        "Kind is a string value representing the REST resource this object represents. Servers may infer this from the \
         endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: {CONVENTIONS}#types-kinds"
    ) })
}

/// Says in a schema what its extensions imply.
fn imply(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    for key in ["items", "additionalProperties", "not"] {
        if let Some(schema) = fields.get_mut(key) {
            imply(schema);
        }
    }
    for schema in fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        imply(schema);
    }
    if fields.get("x-kubernetes-int-or-string") == Some(&json!(true)) && !fields.contains_key("anyOf") {
        fields.insert("anyOf".to_owned(), json!([{ "type": "integer" }, { "type": "string" }]));
    }
    if fields.get("x-kubernetes-embedded-resource") == Some(&json!(true)) {
        let properties = fields.entry("properties").or_insert_with(|| json!({}));
        properties["apiVersion"] = json!({ "type": "string", "description": format!(
            "apiVersion defines the versioned schema of this representation of an object. More info: {CONVENTIONS}#resources"
        ) });
        properties["kind"] = json!({ "type": "string", "description": format!(
            "kind is a string value representing the type of this object. In CamelCase. More info: {CONVENTIONS}#types-kinds"
        ) });
        properties["metadata"] = metadata();
        let required = fields.entry("required").or_insert_with(|| json!([]));
        if let Value::Array(names) = required {
            for name in ["kind", "apiVersion"] {
                if !names.iter().any(|have| have == name) {
                    names.push(json!(name));
                }
            }
        }
    }
}

fn metadata() -> Value {
    json!({
        "description": format!("Standard object's metadata. More info: {CONVENTIONS}#metadata"),
        "allOf": [reference(&format!("{META}.ObjectMeta"))],
    })
}

fn object_schema(resource: &Resource, mut schema: Value) -> Value {
    imply(&mut schema);
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    let properties = &mut schema["properties"];
    properties["apiVersion"] = api_version();
    properties["kind"] = kind();
    properties["metadata"] = metadata();
    schema["x-kubernetes-group-version-kind"] = json!([gvk(resource, &resource.kind)]);
    schema
}

fn list_schema(resource: &Resource, item: &str) -> Value {
    json!({
        "description": format!("{} is a list of {}", resource.list_kind, resource.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": api_version(),
            "kind": kind(),
            "metadata": {
                "description": format!("Standard list metadata. More info: {CONVENTIONS}#types-kinds"),
                "allOf": [reference(&format!("{META}.ListMeta"))],
            },
            "items": {
                "description": format!("List of {}. More info: {CONVENTIONS}", resource.plural),
                "type": "array",
                "items": reference(item),
            },
        },
        "x-kubernetes-group-version-kind": [gvk(resource, &resource.list_kind)],
    })
}

/// Makes a word's first letter great.
fn title(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// Returns `a Foo`, `an Apple` or, for what looks like a plural, the noun alone.
fn with_article(noun: &str) -> String {
    if noun.ends_with('s') && !noun.ends_with("ss") {
        return noun.to_owned();
    }
    let is_vowel = noun.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if is_vowel { "an" } else { "a" })
}

fn content(media: &[&str], schema: &Value) -> Value {
    media.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect::<Map<_, _>>().into()
}

/// The paths of one resource.
struct Paths<'a> {
    resource: &'a Resource,
    name: &'a str,
    list_name: &'a str,
}

/// One operation, besides what all have.
struct Operation<'a> {
    action: &'a str,
    /// The name's beginning and end, around the kind.
    id: (&'a str, &'a str),
    description: String,
    parameters: Value,
    /// Media types, schema and whether it must be there.
    body: Option<(&'a [&'a str], String, bool)>,
    /// Codes with their words.
    replies: &'a [(&'a str, &'a str)],
    schema: String,
}

const OK: &[(&str, &str)] = &[("200", "OK")];
const CREATED: &[(&str, &str)] = &[("200", "OK"), ("201", "Created")];
const POSTED: &[(&str, &str)] = &[("200", "OK"), ("201", "Created"), ("202", "Accepted")];
const DELETED: &[(&str, &str)] = &[("200", "OK"), ("202", "Accepted")];

impl Paths<'_> {
    fn parameters(action: &str) -> Value {
        template().parameters.get(action).cloned().unwrap_or_default()
    }

    /// Returns the parameters of a path with these names.
    fn path_parameters(&self, names: &[&str]) -> Vec<Value> {
        let all = Self::parameters("path");
        let wanted = |parameter: &&Value| names.iter().any(|name| parameter["name"] == **name);
        let mut found: Vec<Value> = all.as_array().into_iter().flatten().filter(wanted).cloned().collect();
        for parameter in &mut found {
            if parameter["name"] == "name" {
                parameter["description"] = json!(format!("name of the {}", self.resource.kind));
            }
        }
        found
    }

    fn operation(&self, operation: Operation<'_>) -> Value {
        let resource = self.resource;
        let groups: Vec<&str> = resource.group.split('.').collect();
        let camel: String = groups.iter().map(|part| title(part)).collect();
        let tag = format!(
            "{}{}_{}",
            groups[0],
            groups[1..].iter().map(|part| title(part)).collect::<String>(),
            resource.version
        );
        let (verb, rest) = operation.id;
        let scope = if resource.namespaced && !rest.ends_with("ForAllNamespaces") { "Namespaced" } else { "" };
        let (before, after) = match rest.strip_prefix("Collection") {
            Some(after) => ("Collection", after),
            None => ("", rest),
        };
        let id = format!("{verb}{camel}{}{before}{scope}{}{after}", title(&resource.version), resource.kind);
        let reply = reference(&operation.schema);
        let mut replies: Map<String, Value> = operation
            .replies
            .iter()
            .map(|(code, word)| {
                ((*code).to_owned(), json!({ "description": word, "content": content(&OBJECTS, &reply) }))
            })
            .collect();
        replies.insert("401".to_owned(), json!({ "description": "Unauthorized" }));
        let mut out = json!({
            "tags": [tag],
            "description": operation.description,
            "operationId": id,
            "responses": replies,
            "x-kubernetes-action": operation.action,
            "x-kubernetes-group-version-kind": gvk(resource, &resource.kind),
        });
        if operation.parameters.is_array() {
            out["parameters"] = operation.parameters;
        }
        if let Some((media, schema, required)) = operation.body {
            out["requestBody"] = json!({ "content": content(media, &reference(&schema)) });
            if required {
                out["requestBody"]["required"] = json!(true);
            }
        }
        out
    }

    fn add(&self, paths: &mut Map<String, Value>) {
        let resource = self.resource;
        let kind = &resource.kind;
        let root = format!("/apis/{}/{}", resource.group, resource.version);
        let base = if resource.namespaced {
            format!("{root}/namespaces/{{namespace}}/{}", resource.plural)
        } else {
            format!("{root}/{}", resource.plural)
        };
        let list = |suffix: &str, parameters: Value| {
            self.operation(Operation {
                action: "list",
                id: ("list", suffix),
                description: format!("list objects of kind {kind}"),
                parameters,
                body: None,
                replies: OK,
                schema: self.list_name.to_owned(),
            })
        };
        let status = format!("{META}.Status");
        let listing = Self::parameters("list");
        if resource.namespaced {
            let mut shared: Vec<Value> = listing.as_array().cloned().unwrap_or_default();
            shared.extend(self.path_parameters(&["pretty"]));
            shared.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
            let everywhere = json!({ "parameters": shared, "get": list("ForAllNamespaces", Value::Null) });
            paths.insert(format!("{root}/{}", resource.plural), everywhere);
        }
        let scope: &[&str] = if resource.namespaced { &["namespace", "pretty"] } else { &["pretty"] };
        let many = json!({
            "parameters": self.path_parameters(scope),
            "get": list("", listing.clone()),
            "post": self.operation(Operation {
                action: "post",
                id: ("create", ""),
                description: format!("create {}", with_article(kind)),
                parameters: Self::parameters("post"),
                body: Some((&OBJECTS, self.name.to_owned(), true)),
                replies: POSTED,
                schema: self.name.to_owned(),
            }),
            "delete": self.operation(Operation {
                action: "deletecollection",
                id: ("delete", "Collection"),
                description: format!("delete collection of {kind}"),
                parameters: listing,
                body: None,
                replies: OK,
                schema: status.clone(),
            }),
        });
        paths.insert(base.clone(), many);
        let mut one = self.read_and_write("", "", self.name);
        one["delete"] = self.operation(Operation {
            action: "delete",
            id: ("delete", ""),
            description: format!("delete {}", with_article(kind)),
            parameters: Self::parameters("delete"),
            body: Some((&OBJECTS, format!("{META}.DeleteOptions"), false)),
            replies: DELETED,
            schema: status,
        });
        paths.insert(format!("{base}/{{name}}"), one);
        for (subresource, schema) in [("status", self.name), ("scale", SCALE)] {
            if resource.subresource(subresource).is_some() {
                let one = self.read_and_write(&format!("{subresource} of "), &title(subresource), schema);
                paths.insert(format!("{base}/{{name}}/{subresource}"), one);
            }
        }
    }

    /// Returns the operations on one object, or on a part of it.
    fn read_and_write(&self, part: &str, suffix: &str, schema: &str) -> Value {
        let kind = &self.resource.kind;
        let what = format!("{part}the specified {kind}");
        let listing = Self::parameters("list");
        let revision: Vec<Value> =
            listing.as_array().into_iter().flatten().filter(|it| it["name"] == "resourceVersion").cloned().collect();
        let scope: &[&str] =
            if self.resource.namespaced { &["name", "namespace", "pretty"] } else { &["name", "pretty"] };
        json!({
            "parameters": self.path_parameters(scope),
            "get": self.operation(Operation {
                action: "get",
                id: ("read", suffix),
                description: format!("read {what}"),
                parameters: json!(revision),
                body: None,
                replies: OK,
                schema: schema.to_owned(),
            }),
            "put": self.operation(Operation {
                action: "put",
                id: ("replace", suffix),
                description: format!("replace {what}"),
                parameters: Self::parameters("put"),
                body: Some((&OBJECTS, schema.to_owned(), true)),
                replies: CREATED,
                schema: schema.to_owned(),
            }),
            "patch": self.operation(Operation {
                action: "patch",
                id: ("patch", suffix),
                description: format!("partially update {what}"),
                parameters: Self::parameters("patch"),
                body: Some((&PATCHES, format!("{META}.Patch"), true)),
                replies: OK,
                schema: schema.to_owned(),
            }),
        })
    }
}
