//! How large what fits a schema may be, for estimates of costs (k8s: `apiserver/pkg/cel/common/schemas.go`).

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::declare::{escape, whole};

/// The largest request (k8s: `celconfig.MaxRequestSizeBytes`).
const LARGEST_REQUEST: u64 = 3 * 1024 * 1024;

/// The bounds of a value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extent {
    /// The most letters, bytes, items or entries; nothing is said of objects and numbers.
    pub(super) most: u64,
    /// The least bytes in JSON.
    least_bytes: u64,
    pub(super) keys: Option<Box<Extent>>,
    pub(super) items: Option<Box<Extent>>,
    pub(super) fields: BTreeMap<String, Extent>,
}

impl Extent {
    fn simple(most: u64, least_bytes: u64) -> Self {
        Self { most, least_bytes, ..Self::default() }
    }

    /// Returns how many such values one request can hold.
    pub(crate) fn most_in_request(&self) -> u64 {
        LARGEST_REQUEST / (self.least_bytes + 1)
    }

    /// Returns the bounds of what fits a schema; `None` where expressions cannot reach it.
    pub(crate) fn of(schema: &Json, is_resource: bool) -> Option<Self> {
        let number = |key: &str| schema[key].as_i64().map(|number| u64::try_from(number).unwrap_or(0));
        // Lengths are in letters, of which each may be four bytes.
        let letters = number("maxLength").map(|most| most.saturating_mul(4));
        if schema["x-kubernetes-int-or-string"] == true {
            return Some(Self::simple(letters.unwrap_or(LARGEST_REQUEST - 2), 1));
        }
        let schema = &*whole(schema, is_resource);
        let below = |schema: &Json| Self::of(schema, schema["x-kubernetes-embedded-resource"] == true);
        Some(match schema["type"].as_str()? {
            "array" => {
                let items = below(schema.get("items").filter(|items| items.is_object())?)?;
                let most = number("maxItems").unwrap_or((LARGEST_REQUEST - 2) / (items.least_bytes + 1));
                Self { items: Some(Box::new(items)), ..Self::simple(most, 2) }
            }
            "object" if schema["additionalProperties"].is_object() => {
                let values = below(&schema["additionalProperties"])?;
                // A key of two letters with its quotes, a colon and a comma.
                let most = number("maxProperties").unwrap_or((LARGEST_REQUEST - 2) / (values.least_bytes + 6));
                let keys = Some(Box::default());
                Self { keys, items: Some(Box::new(values)), ..Self::simple(most, 2) }
            }
            "object" => Self::of_object(schema),
            "string" => match schema["format"].as_str().unwrap_or_default() {
                "byte" => Self::simple(number("maxLength").unwrap_or(LARGEST_REQUEST - 2), 2),
                "duration" => Self::simple(32, 3),
                "date" => Self::simple(12, 12),
                "date-time" => Self::simple(32, 21),
                _ => {
                    let of_choices = || {
                        let choices = schema["enum"].as_array().filter(|choices| !choices.is_empty())?;
                        Some(choices.iter().filter_map(Json::as_str).map(|text| text.len() as u64).max().unwrap_or(0))
                    };
                    Self::simple(letters.or_else(of_choices).unwrap_or(LARGEST_REQUEST - 2), 2)
                }
            },
            "boolean" => Self::simple(0, 4),
            "number" | "integer" => Self::simple(0, 1),
            _ => return None,
        })
    }

    fn of_object(schema: &Json) -> Self {
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut out = Self::simple(0, 2);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let Some(extent) = Self::of(property, property["x-kubernetes-embedded-resource"] == true) else { continue };
            // What has a default need not be in the request.
            if property["default"].is_null() && required.iter().any(|one| one == name) {
                out.least_bytes += name.len() as u64 + extent.least_bytes + 4;
            }
            if let Some(name) = escape(name) {
                out.fields.insert(name, extent);
            }
        }
        out
    }
}
