//! Random objects of every built-in kind: shaped by the OpenAPI documents, filled with sensible words, mostly valid.

use std::collections::BTreeMap;

use bowline_apiserver::builtins::{Builtins, Resource};
use serde_json::{Map, Value, json};

use super::mend;
use super::rng::Rng;
use super::words;

/// One object to be created.
pub(crate) struct Sample {
    pub(crate) path: String,
    pub(crate) body: Value,
    /// Whether it is sent as protobuf, which holds nothing that is of a wrong type.
    pub(crate) is_protobuf: bool,
    /// What is done to it once it is there.
    pub(crate) life: Option<Life>,
}

/// What is done to an object that was created.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Life {
    /// What a PUT puts in place of the fields of the same names, beside `metadata`.
    pub(crate) variant: Map<String, Value>,
    pub(crate) patch: Value,
    /// What `/status` is asked to become, where there is such a subresource.
    pub(crate) status: Option<Value>,
}

/// Kinds whose creation is no storing of an object, or that other suites ask about.
const LEFT_OUT: &[&str] = &[
    "bindings",
    "componentstatuses",
    "customresourcedefinitions",
    "localsubjectaccessreviews",
    "selfsubjectaccessreviews",
    "selfsubjectreviews",
    "selfsubjectrulesreviews",
    "subjectaccessreviews",
    "tokenreviews",
];

/// The namespace the objects are created in.
pub(crate) const NAMESPACE: &str = "random";

/// Makes objects from the server's own documents.
pub(crate) struct Generator {
    documents: BTreeMap<String, Value>,
    kinds: Vec<&'static Resource>,
}

impl Generator {
    /// Reads the documents; `only` narrows the kinds by plural.
    pub(crate) fn new(only: Option<&str>) -> Self {
        let builtins = Builtins::get();
        let kinds: Vec<&'static Resource> = (builtins.resources().iter())
            .filter(|kind| kind.verbs.iter().any(|verb| verb == "create"))
            .filter(|kind| !LEFT_OUT.contains(&kind.plural.as_str()))
            .filter(|kind| only.is_none_or(|only| only.split(',').any(|only| only == kind.plural)))
            .collect();
        let mut documents = BTreeMap::new();
        for kind in &kinds {
            let gv = api_version(kind);
            documents.entry(gv.clone()).or_insert_with(|| {
                let bytes = builtins.openapi_v3(&gv).expect("every group version has a document");
                serde_json::from_slice(&bytes).expect("documents are JSON")
            });
        }
        Self { documents, kinds }
    }

    /// Makes the object that belongs to a seed.
    pub(crate) fn sample(&self, seed: u64) -> Sample {
        let mut rng = Rng::new(seed);
        let kind = self.kinds[rng.below(self.kinds.len())];
        let gv = api_version(kind);
        let schemas = self.documents[&gv]["components"]["schemas"].as_object().expect("a document has schemas");
        let name =
            (schemas.iter())
                .find(|(_, schema)| {
                    schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten().any(|gvk| {
                        gvk["group"] == kind.group && gvk["version"] == kind.version && gvk["kind"] == kind.kind
                    })
                })
                .map(|(name, _)| name.clone())
                .expect("every kind has a schema");
        let mut walk = Walk { schemas, rng: &mut rng, kind: &kind.kind };
        let mut body = walk.structure(&name, 0);
        body["apiVersion"] = json!(gv);
        body["kind"] = json!(kind.kind);
        body["metadata"] = metadata(&mut rng, kind.namespaced, seed);
        mend::object(kind, &mut body, &mut rng);
        let mut query = String::from("dryRun=All");
        let is_spoilt = rng.chance(30);
        let is_protobuf = !is_spoilt && seed.is_multiple_of(8);
        // An owner that is not there, and roles made of others, keep controllers busy at times of their own.
        let is_left_alone = body["metadata"]["ownerReferences"].is_null() && body["aggregationRule"].is_null();
        let life = (!is_spoilt && is_left_alone && seed.is_multiple_of(3))
            .then(|| Self::life(kind, &name, schemas, &body, seed));
        if is_spoilt {
            for _ in 0..=rng.below(2) {
                spoil(&mut body, &mut rng);
            }
        }
        match rng.below(5) {
            0 => query.push_str("&fieldValidation=Strict"),
            1 => query.push_str("&fieldValidation=Ignore"),
            _ => {}
        }
        let place = if kind.namespaced { format!("/namespaces/{NAMESPACE}") } else { String::new() };
        let root = if kind.group.is_empty() { "api" } else { "apis" };
        Sample { path: format!("/{root}/{gv}{place}/{}?{query}", kind.plural), body, is_protobuf, life }
    }

    /// Makes up what becomes of an object: one field changed, or all fields those of another object of the kind.
    fn life(kind: &Resource, name: &str, schemas: &Map<String, Value>, body: &Value, seed: u64) -> Life {
        let mut rng = Rng::new(seed ^ 0x11fe_5eed);
        let mut next = if rng.chance(50) {
            let mut next = Walk { schemas, rng: &mut rng, kind: &kind.kind }.structure(name, 0);
            mend::object(kind, &mut next, &mut rng);
            next
        } else {
            let mut next = body.clone();
            drop(next.as_object_mut().map(|next| next.remove("metadata")));
            spoil(&mut next, &mut rng);
            next
        };
        let fields = next.as_object_mut().map(std::mem::take).unwrap_or_default();
        let variant: Map<String, Value> = fields
            .into_iter()
            .filter(|(key, _)| !["apiVersion", "kind", "metadata", "status"].contains(&key.as_str()))
            .collect();
        let mut patch = json!({ "metadata": { "labels": { "patched": "yes" } } });
        if let Some((key, value)) = variant.iter().nth(rng.below(variant.len().max(1))).filter(|_| rng.chance(50)) {
            patch[key] = value.clone();
        }
        let has_status = kind.subresources.iter().any(|sub| sub.name == "status");
        let schema = schemas[name]["properties"].get("status").filter(|_| has_status);
        let status = schema
            .map(|schema| Walk { schemas, rng: &mut rng, kind: &kind.kind }.field(&kind.kind, "status", schema, 1));
        Life { variant, patch, status }
    }

    /// Returns the kinds that objects are made of, as `group/version plural`.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.kinds.iter().map(|kind| format!("{} {}", api_version(kind), kind.plural)).collect()
    }
}

fn api_version(kind: &Resource) -> String {
    if kind.group.is_empty() { kind.version.clone() } else { format!("{}/{}", kind.group, kind.version) }
}

fn metadata(rng: &mut Rng, namespaced: bool, seed: u64) -> Value {
    let mut meta = json!({ "name": format!("{}-{seed}", rng.pick(&["web", "db", "a", "cache"])) });
    if namespaced && rng.chance(30) {
        meta["namespace"] = json!(NAMESPACE);
    }
    if rng.chance(30) {
        meta["labels"] = words::labels(rng);
    }
    if rng.chance(20) {
        meta["annotations"] = json!({ "example.com/note": rng.pick(&["a", "", "some text: é"]) });
    }
    if rng.chance(5) {
        meta["finalizers"] = json!(["example.com/finalizer"]);
    }
    if rng.chance(3) {
        meta["ownerReferences"] = json!([{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "owner",
            "uid": "9b0a1f3e-0000-4000-8000-000000000000", "controller": rng.chance(50),
        }]);
    }
    meta
}

struct Walk<'a> {
    schemas: &'a Map<String, Value>,
    rng: &'a mut Rng,
    kind: &'a str,
}

const DEEPEST: usize = 9;

impl Walk<'_> {
    fn structure(&mut self, name: &str, depth: usize) -> Value {
        let short = name.rsplit('.').next().unwrap_or(name);
        if let Some(value) = words::whole(short, self.rng) {
            return value;
        }
        let schema = &self.schemas[name];
        let mut out = Map::new();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            if depth == 0 && ["apiVersion", "kind", "metadata"].contains(&field.as_str()) {
                continue;
            }
            let percent = if required.contains(&field.as_str()) {
                98
            } else if depth > DEEPEST {
                0
            } else {
                words::likelihood(self.kind, short, field).unwrap_or(if depth < 3 { 35 } else { 15 })
            };
            if self.rng.chance(percent) {
                out.insert(field.clone(), self.field(short, field, schema, depth + 1));
            }
        }
        let mut value = Value::Object(out);
        mend::structure(short, &mut value, self.rng);
        value
    }

    fn field(&mut self, owner: &str, field: &str, schema: &Value, depth: usize) -> Value {
        if let Some(value) = words::field(owner, field, self.rng) {
            return value;
        }
        if let Some(name) = reference(schema) {
            return self.structure(name, depth);
        }
        if let Some(words) = schema["enum"].as_array() {
            return words[self.rng.below(words.len())].clone();
        }
        match schema["type"].as_str().unwrap_or_default() {
            "array" => {
                let most = if depth < 4 { 3 } else { 2 };
                let count = if self.rng.chance(8) { 0 } else { 1 + self.rng.below(most) };
                (0..count).map(|_| self.field(owner, field, &schema["items"], depth + 1)).collect()
            }
            "object" if schema["additionalProperties"].is_object() => {
                let mut map = Map::new();
                for at in 0..self.rng.below(3) {
                    let key = words::map_key(owner, field, at, self.rng);
                    let value = self.field(owner, field, &schema["additionalProperties"], depth + 1);
                    map.insert(key, value);
                }
                Value::Object(map)
            }
            "object" => json!({}),
            "boolean" => json!(self.rng.chance(60)),
            "integer" => json!(self.rng.pick(&[0, 1, 2, 3, 10, 30])),
            "number" => json!(1.5),
            "string" => match schema["format"].as_str() {
                Some("byte") => json!(self.rng.pick(&["aGVsbG8=", "eA==", ""])),
                Some("date-time") => json!("2024-05-06T07:08:09Z"),
                Some("int-or-string") => words::int_or_string(self.rng),
                _ => json!(self.rng.pick(&["a", "b-1", "value", "x.example.com", ""])),
            },
            _ => words::int_or_string(self.rng),
        }
    }
}

fn reference(schema: &Value) -> Option<&str> {
    let direct = schema["$ref"].as_str();
    let wrapped = schema["allOf"][0]["$ref"].as_str();
    direct.or(wrapped).map(|path| path.trim_start_matches("#/components/schemas/"))
}

/// Changes one thing somewhere in the object, most often for the worse.
fn spoil(body: &mut Value, rng: &mut Rng) {
    let mut pointers = Vec::new();
    collect(body, String::new(), &mut pointers);
    pointers.retain(|pointer| {
        !pointer.is_empty() && pointer != "/metadata" && pointer != "/kind" && pointer != "/apiVersion"
    });
    if pointers.is_empty() {
        return;
    }
    let pointer = pointers[rng.below(pointers.len())].clone();
    let (parent, last) = pointer.rsplit_once('/').unwrap_or(("", ""));
    match rng.below(20) {
        0..=3 => {
            if let Some(Value::Object(map)) = body.pointer_mut(parent) {
                map.remove(&last.replace("~1", "/").replace("~0", "~"));
            }
        }
        4 => {
            if let Some(Value::Object(map)) = body.pointer_mut(parent) {
                map.insert("mystery".to_owned(), json!(1));
            }
        }
        5 => {
            if let Some(Value::Array(items)) = body.pointer_mut(parent)
                && let Some(first) = items.first().cloned()
            {
                items.push(first);
            }
        }
        6 => {
            if let Some(value) = body.pointer_mut(&pointer) {
                *value = Value::Null;
            }
        }
        7 => {
            if let Some(value) = body.pointer_mut(&pointer) {
                *value = match rng.below(5) {
                    0 => json!("text"),
                    1 => json!(7),
                    2 => json!(true),
                    3 => json!(["x"]),
                    _ => json!({ "x": "y" }),
                };
            }
        }
        _ => {
            if let Some(value) = body.pointer_mut(&pointer) {
                worsen(value, rng);
            }
        }
    }
}

fn worsen(value: &mut Value, rng: &mut Rng) {
    match value {
        Value::String(text) => {
            let long = "a".repeat(70);
            let worse = rng.pick(&[
                "",
                "Bad_Name",
                "-x",
                "a b",
                "a/b",
                long.as_str(),
                "1.2.3.4",
                "a.b",
                "Always",
                "..",
                "http://x",
                "a:b",
            ]);
            worse.clone_into(text);
        }
        Value::Number(number) => {
            let other = rng.pick(&[-1_i64, 0, 70_000, 1, 65_535, 99_999_999]);
            *number = other.into();
        }
        Value::Bool(flag) => *flag = !*flag,
        Value::Array(items) => items.clear(),
        Value::Object(map) => map.clear(),
        Value::Null => {}
    }
}

fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                collect(value, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), pointers);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect(value, format!("{at}/{index}"), pointers);
            }
        }
        _ => {}
    }
    pointers.push(at);
}
