//! CustomResourceDefinitions from Rust types.
//!
//! A dialect's structs derive `schemars::JsonSchema`; [`structural`] makes of that schema what the API
//! server wants to see: no references, no unions of types, `nullable` where Rust says `Option`. What a derive
//! cannot say (CEL rules, defaults of whole maps) the dialect adds to the value by hand.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// A CustomResourceDefinition with one version, served and stored.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The API group.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The plural, lower case.
    pub plural: &'static str,
    /// The singular, lower case.
    pub singular: &'static str,
    /// The short names.
    pub short_names: &'static [&'static str],
    /// The categories, as `all`.
    pub categories: &'static [&'static str],
    /// Whether status has an endpoint of its own.
    pub status_subresource: bool,
    /// What `kubectl get` shows, beside the name: the API's own maps.
    pub printer_columns: Value,
    /// The whole structural schema.
    pub schema: Value,
    /// Labels and annotations of the definition itself.
    pub metadata: Value,
}

impl Definition {
    /// Returns the definition as an object to apply.
    pub fn to_value(&self) -> Value {
        let mut metadata = self.metadata.as_object().cloned().unwrap_or_default();
        metadata.insert("name".to_owned(), json!(format!("{}.{}", self.plural, self.group)));
        let mut names = json!({
            "kind": self.kind, "listKind": format!("{}List", self.kind),
            "plural": self.plural, "singular": self.singular,
        });
        if !self.short_names.is_empty() {
            names["shortNames"] = json!(self.short_names);
        }
        if !self.categories.is_empty() {
            names["categories"] = json!(self.categories);
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": metadata,
            "spec": {
                "group": self.group,
                "names": names,
                "scope": "Namespaced",
                "versions": [{
                    "name": self.version,
                    "served": true,
                    "storage": true,
                    "additionalPrinterColumns": self.printer_columns,
                    "schema": {"openAPIV3Schema": self.schema},
                    "subresources": if self.status_subresource { json!({"status": {}}) } else { json!({}) },
                }],
            },
        })
    }
}

/// Returns the structural schema of a type.
pub fn structural<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let schema: Schema = settings.into_generator().into_root_schema_for::<T>();
    let mut value = schema.to_value();
    clean(&mut value);
    // The API server knows what metadata is, and refuses even a description of it.
    if let Some(metadata) = value.pointer_mut("/properties/metadata") {
        *metadata = json!({"type": "object"});
    }
    value
}

/// Takes off what a structural schema may not hold, and writes unions as Kubernetes does.
fn clean(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(map) => {
            for key in ["title", "$schema", "definitions", "components"] {
                map.remove(key);
            }
            flatten_option(map);
            // Rust's integer widths: the API knows two.
            if map
                .get("format")
                .is_some_and(|format| matches!(format.as_str(), Some("uint32" | "uint64" | "uint" | "int")))
            {
                map.remove("format");
            }
            for (key, value) in map {
                match (key.as_str(), value) {
                    // Its keys are names of fields, not words of the schema.
                    ("properties", Value::Object(fields)) => fields.values_mut().for_each(clean),
                    // Data, not schemas.
                    ("default" | "enum" | "const" | "x-kubernetes-validations", _) => {}
                    (_, value) => clean(value),
                }
            }
        }
        _ => {}
    }
}

/// `anyOf: [T, null]` is what `Option<T>` gives: the API server wants T alone.
fn flatten_option(map: &mut Map<String, Value>) {
    if let Some(Value::Array(options)) = map.get("anyOf") {
        let kept: Vec<_> = options.iter().filter(|option| !is_null_schema(option)).collect();
        if let ([Value::Object(only)], true) = (kept.as_slice(), kept.len() < options.len()) {
            let only = only.clone();
            map.remove("anyOf");
            for (key, value) in only {
                map.entry(key).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(types)) = map.get("type")
        && let [one] = types.iter().filter(|name| name.as_str() != Some("null")).collect::<Vec<_>>().as_slice()
    {
        let one = (*one).clone();
        map.insert("type".to_owned(), one);
    }
    if map.get("nullable") == Some(&Value::Bool(true)) {
        map.remove("nullable");
        if let Some(Value::Array(values)) = map.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
    }
    // A single reference wrapped to carry a description.
    if let Some(Value::Array(all)) = map.get("allOf")
        && let [Value::Object(only)] = all.as_slice()
    {
        let only = only.clone();
        map.remove("allOf");
        for (key, value) in only {
            map.entry(key).or_insert(value);
        }
    }
}

fn is_null_schema(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
        || schema.get("enum").and_then(Value::as_array).is_some_and(|values| values.iter().all(Value::is_null))
        || schema.get("const").is_some_and(Value::is_null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Inner {
        /// A count.
        count: i64,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Outer {
        inner: Option<Inner>,
        title: Option<String>,
        list: Option<Vec<Inner>>,
        components: Option<Vec<String>>,
        properties: Option<Inner>,
    }

    #[test]
    fn options_and_references_are_written_out() {
        let schema = structural::<Outer>();
        assert_eq!(schema.pointer("/properties/inner/type"), Some(&json!("object")));
        assert_eq!(schema.pointer("/properties/inner/properties/count/type"), Some(&json!("integer")));
        assert_eq!(schema.pointer("/properties/title/type"), Some(&json!("string")));
        assert_eq!(schema.pointer("/properties/list/items/properties/count/description"), Some(&json!("A count.")));
        assert_eq!(schema.pointer("/properties/components/items/type"), Some(&json!("string")), "a field's own name");
        assert_eq!(schema.pointer("/properties/properties/properties/count/type"), Some(&json!("integer")));
        let text = schema.to_string();
        assert!(!text.contains("$ref") && !text.contains("anyOf") && !text.contains("nullable"), "{text}");
    }
}
