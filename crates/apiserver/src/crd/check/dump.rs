//! How the real server prints its own types of a schema inside of an error message: with Go's field names, in Go's order,
//! nothing left out.

use std::fmt::Write as _;

use serde_json::Value;

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    /// Absent is `null`; what is there is printed as it is.
    Optional,
    Schema,
    Schemas,
    SchemaMap,
    Items,
    OrBool,
    Docs,
    Rules,
}

/// The fields of `apiextensions.JSONSchemaProps`.
const SCHEMA: [(&str, &str, Kind); 43] = [
    ("ID", "id", Kind::Text),
    ("Schema", "$schema", Kind::Text),
    ("Ref", "$ref", Kind::Optional),
    ("Description", "description", Kind::Text),
    ("Type", "type", Kind::Text),
    ("Nullable", "nullable", Kind::Flag),
    ("Format", "format", Kind::Text),
    ("Title", "title", Kind::Text),
    ("Default", "default", Kind::Optional),
    ("Maximum", "maximum", Kind::Optional),
    ("ExclusiveMaximum", "exclusiveMaximum", Kind::Flag),
    ("Minimum", "minimum", Kind::Optional),
    ("ExclusiveMinimum", "exclusiveMinimum", Kind::Flag),
    ("MaxLength", "maxLength", Kind::Optional),
    ("MinLength", "minLength", Kind::Optional),
    ("Pattern", "pattern", Kind::Text),
    ("MaxItems", "maxItems", Kind::Optional),
    ("MinItems", "minItems", Kind::Optional),
    ("UniqueItems", "uniqueItems", Kind::Flag),
    ("MultipleOf", "multipleOf", Kind::Optional),
    ("Enum", "enum", Kind::Optional),
    ("MaxProperties", "maxProperties", Kind::Optional),
    ("MinProperties", "minProperties", Kind::Optional),
    ("Required", "required", Kind::Optional),
    ("Items", "items", Kind::Items),
    ("AllOf", "allOf", Kind::Schemas),
    ("OneOf", "oneOf", Kind::Schemas),
    ("AnyOf", "anyOf", Kind::Schemas),
    ("Not", "not", Kind::Schema),
    ("Properties", "properties", Kind::SchemaMap),
    ("AdditionalProperties", "additionalProperties", Kind::OrBool),
    ("PatternProperties", "patternProperties", Kind::SchemaMap),
    ("Dependencies", "dependencies", Kind::Optional),
    ("AdditionalItems", "additionalItems", Kind::OrBool),
    ("Definitions", "definitions", Kind::SchemaMap),
    ("ExternalDocs", "externalDocs", Kind::Docs),
    ("Example", "example", Kind::Optional),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", Kind::Optional),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", Kind::Flag),
    ("XIntOrString", "x-kubernetes-int-or-string", Kind::Flag),
    ("XListMapKeys", "x-kubernetes-list-map-keys", Kind::Optional),
    ("XListType", "x-kubernetes-list-type", Kind::Optional),
    ("XMapType", "x-kubernetes-map-type", Kind::Optional),
];

/// Returns the Go names of the fields a schema sets, in Go's order.
pub(super) fn set_fields(schema: &Value) -> Vec<&'static str> {
    let is_set = |value: Option<&Value>| match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    };
    let mut names: Vec<&str> = SCHEMA
        .iter()
        .filter(|(_, key, kind)| match kind {
            // A pointer to false is not nil.
            Kind::Optional | Kind::OrBool => schema.get(*key).is_some_and(|value| !value.is_null()),
            _ => is_set(schema.get(*key)),
        })
        .map(|(name, _, _)| *name)
        .collect();
    if schema["x-kubernetes-validations"].as_array().is_some_and(|rules| !rules.is_empty()) {
        names.push("XValidations");
    }
    names
}

/// Prints a schema.
pub(super) fn schema(schema: &Value) -> String {
    let mut out = String::from("{");
    for (name, key, kind) in SCHEMA {
        let _ = write!(out, "{name:?}:{},", field(schema.get(key).unwrap_or(&Value::Null), kind));
    }
    let _ = write!(out, "\"XValidations\":{}}}", field(&schema["x-kubernetes-validations"], Kind::Rules));
    out
}

fn field(value: &Value, kind: Kind) -> String {
    match kind {
        Kind::Text => {
            if value.is_null() {
                "\"\"".to_owned()
            } else {
                crate::error::go_json(value)
            }
        }
        Kind::Flag => (*value == true).to_string(),
        _ if value.is_null() => "null".to_owned(),
        Kind::Optional => crate::error::go_json(value),
        Kind::Schema => schema(value),
        Kind::Schemas => list(value, schema),
        Kind::SchemaMap => {
            let entries = value.as_object().into_iter().flatten();
            let printed: Vec<String> = entries.map(|(name, child)| format!("{name:?}:{}", schema(child))).collect();
            format!("{{{}}}", printed.join(","))
        }
        Kind::Items if value.is_array() => format!("{{\"Schema\":null,\"JSONSchemas\":{}}}", list(value, schema)),
        Kind::Items => format!("{{\"Schema\":{},\"JSONSchemas\":null}}", schema(value)),
        Kind::OrBool if value.is_object() => format!("{{\"Allows\":true,\"Schema\":{}}}", schema(value)),
        Kind::OrBool => format!("{{\"Allows\":{value},\"Schema\":null}}"),
        Kind::Docs => format!(
            "{{\"Description\":{},\"URL\":{}}}",
            field(&value["description"], Kind::Text),
            field(&value["url"], Kind::Text)
        ),
        Kind::Rules => list(value, rule),
    }
}

fn list(value: &Value, print: fn(&Value) -> String) -> String {
    let printed: Vec<String> = value.as_array().into_iter().flatten().map(print).collect();
    format!("[{}]", printed.join(","))
}

/// Prints one of `x-kubernetes-validations`.
pub(super) fn rule(rule: &Value) -> String {
    let text = |key: &str| field(&rule[key], Kind::Text);
    format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        text("rule"),
        text("message"),
        text("messageExpression"),
        rule["reason"],
        text("fieldPath"),
        rule["optionalOldSelf"],
    )
}

/// Prints the versions of a CRD; `hoisted` tells which parts have moved to the top: schema, subresources, columns and
/// selectable fields.
pub(super) fn versions(versions: &[Value], hoisted: [bool; 4]) -> String {
    let printed: Vec<String> = versions.iter().map(|version| one_version(version, hoisted)).collect();
    format!("[{}]", printed.join(","))
}

fn one_version(version: &Value, hoisted: [bool; 4]) -> String {
    let part = |key: &str, at: usize, print: &dyn Fn(&Value) -> String| {
        let value = &version[key];
        if hoisted[at] || value.is_null() { "null".to_owned() } else { print(value) }
    };
    let schema_of =
        |value: &Value| format!("{{\"OpenAPIV3Schema\":{}}}", field(&value["openAPIV3Schema"], Kind::Schema));
    let subresources = |value: &Value| {
        let status = if value["status"].is_null() { "null" } else { "{}" };
        let scale = &value["scale"];
        let scale = if scale.is_null() {
            "null".to_owned()
        } else {
            format!(
                "{{\"SpecReplicasPath\":{},\"StatusReplicasPath\":{},\"LabelSelectorPath\":{}}}",
                field(&scale["specReplicasPath"], Kind::Text),
                field(&scale["statusReplicasPath"], Kind::Text),
                scale["labelSelectorPath"],
            )
        };
        format!("{{\"Status\":{status},\"Scale\":{scale}}}")
    };
    let columns = |value: &Value| {
        list(value, |column| {
            let text = |key: &str| field(&column[key], Kind::Text);
            format!(
                "{{\"Name\":{},\"Type\":{},\"Format\":{},\"Description\":{},\"Priority\":{},\"JSONPath\":{}}}",
                text("name"),
                text("type"),
                text("format"),
                text("description"),
                column["priority"].as_i64().unwrap_or(0),
                text("jsonPath"),
            )
        })
    };
    let selectable =
        |value: &Value| list(value, |one| format!("{{\"JSONPath\":{}}}", field(&one["jsonPath"], Kind::Text)));
    format!(
        "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":{},\
         \"Subresources\":{},\"AdditionalPrinterColumns\":{},\"SelectableFields\":{}}}",
        field(&version["name"], Kind::Text),
        version["served"] == true,
        version["storage"] == true,
        version["deprecated"] == true,
        version["deprecationWarning"],
        part("schema", 0, &schema_of),
        part("subresources", 1, &subresources),
        part("additionalPrinterColumns", 2, &columns),
        part("selectableFields", 3, &selectable),
    )
}
