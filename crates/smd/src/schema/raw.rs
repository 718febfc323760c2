//! OpenAPI v3 as written, as far as it is read.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

#[derive(serde::Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    pub(super) components: Components,
}

#[derive(serde::Deserialize, Default)]
pub(super) struct Components {
    #[serde(default)]
    pub(super) schemas: BTreeMap<String, RawSchema>,
}

#[derive(serde::Deserialize, Default, Clone)]
#[serde(default)]
pub(super) struct RawSchema {
    #[serde(rename = "type", deserialize_with = "text_or_nothing")]
    pub(super) kind: Option<String>,
    pub(super) format: Option<String>,
    #[serde(rename = "$ref")]
    pub(super) reference: Option<String>,
    #[serde(rename = "allOf")]
    pub(super) all_of: Vec<RawSchema>,
    pub(super) properties: BTreeMap<String, RawSchema>,
    #[serde(rename = "additionalProperties")]
    pub(super) additional: Additional,
    pub(super) items: Option<Box<RawSchema>>,
    #[serde(deserialize_with = "present")]
    pub(super) default: Option<Value>,
    pub(super) required: Vec<String>,
    pub(super) nullable: bool,
    #[serde(rename = "enum")]
    pub(super) allowed: Vec<Value>,
    pub(super) pattern: Option<Box<str>>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    #[serde(rename = "minLength")]
    pub(super) min_length: Option<u64>,
    #[serde(rename = "maxLength")]
    pub(super) max_length: Option<u64>,
    #[serde(rename = "minItems")]
    pub(super) min_items: Option<u64>,
    #[serde(rename = "maxItems")]
    pub(super) max_items: Option<u64>,
    #[serde(rename = "x-kubernetes-list-type")]
    pub(super) list_type: Option<String>,
    #[serde(rename = "x-kubernetes-list-map-keys")]
    pub(super) list_map_keys: Vec<String>,
    #[serde(rename = "x-kubernetes-map-type")]
    pub(super) map_type: Option<String>,
    #[serde(rename = "x-kubernetes-patch-strategy")]
    pub(super) patch_strategy: Option<String>,
    #[serde(rename = "x-kubernetes-patch-merge-key")]
    pub(super) patch_merge_key: Option<String>,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    pub(super) preserve_unknown: bool,
    #[serde(rename = "x-kubernetes-embedded-resource")]
    pub(super) embedded_resource: bool,
    #[serde(rename = "x-kubernetes-int-or-string")]
    pub(super) int_or_string: bool,
    #[serde(rename = "x-kubernetes-group-version-kind", deserialize_with = "kinds")]
    pub(super) kinds: Vec<RawGvk>,
}

#[derive(serde::Deserialize, Clone, Default)]
#[serde(default)]
pub(super) struct RawGvk {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
}

impl RawSchema {
    /// The component this schema stands for: its `$ref`, or that of its only `allOf` member.
    pub(super) fn referred(&self) -> Option<&str> {
        let reference = match (&self.reference, &self.all_of[..]) {
            (Some(reference), _) => reference,
            (None, [only]) => only.reference.as_ref()?,
            _ => return None,
        };
        reference.rsplit('/').next().filter(|name| !name.is_empty())
    }
}

/// `additionalProperties`: absent, a boolean, or a schema.
#[derive(Clone, Default)]
pub(super) enum Additional {
    #[default]
    Absent,
    Allowed(bool),
    Typed(Box<RawSchema>),
}

impl<'de> Deserialize<'de> for Additional {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoolOrSchema;
        impl<'de> Visitor<'de> for BoolOrSchema {
            type Value = Additional;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boolean or a schema")
            }
            fn visit_bool<E>(self, allowed: bool) -> Result<Additional, E> {
                Ok(Additional::Allowed(allowed))
            }
            fn visit_unit<E>(self) -> Result<Additional, E> {
                Ok(Additional::Absent)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Additional, A::Error> {
                let schema = RawSchema::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Additional::Typed(Box::new(schema)))
            }
        }
        deserializer.deserialize_any(BoolOrSchema)
    }
}

/// Keeps an explicit `null` apart from an absent default.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The type; a list of types (OpenAPI 3.1) counts as none.
fn text_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Text;
    impl<'de> Visitor<'de> for Text {
        type Value = Option<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a type name")
        }
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.to_owned()))
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(None)
        }
    }
    deserializer.deserialize_any(Text)
}

/// The extension is a list of maps in OpenAPI documents; a single map, as some servers write, is taken too.
fn kinds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RawGvk>, D::Error> {
    struct OneOrMany;
    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<RawGvk>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a group, version and kind, or a list of them")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Ok(vec![RawGvk::deserialize(serde::de::value::MapAccessDeserializer::new(map))?])
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut kinds = Vec::new();
            while let Some(kind) = items.next_element()? {
                kinds.push(kind);
            }
            Ok(kinds)
        }
    }
    deserializer.deserialize_any(OneOrMany)
}
