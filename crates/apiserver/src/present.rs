//! Objects as clients like to read them: lists, metadata alone, tables.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::builtins::{Builtins, Column};
use crate::crd::{self, CrdColumn};
use crate::jsonpath;
use crate::resource::Resource;
use crate::store::to_bytes;
use crate::stored::Shown;

/// Encodes a list.
pub(crate) fn list(resource: &Resource, objects: &[Shown], meta: &Value) -> Bytes {
    let is_custom = resource.custom().is_some();
    let head = json!(resource.list_kind);
    let head = format!(r#"{{"kind":{head},"apiVersion":"{}","metadata":{meta},"items":["#, resource.api_version());
    let mut bytes = head.into_bytes();
    for (at, object) in objects.iter().enumerate() {
        if at > 0 {
            bytes.push(b',');
        }
        object.write_item(is_custom, &mut bytes);
    }
    bytes.extend_from_slice(b"]}\n");
    bytes.into()
}

/// Returns an object's metadata, as `PartialObjectMetadata`.
pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

/// Encodes a list of metadata.
pub(crate) fn metadata_list(objects: &[Arc<Value>], meta: &Value) -> Bytes {
    let items: Vec<Value> = objects.iter().map(|object| metadata_only(object)).collect();
    let items = if items.is_empty() { Value::Null } else { Value::Array(items) };
    to_bytes(&json!({
        "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": items,
    }))
}

/// Returns a table of objects; `with_columns` is false for the later events of a watch.
pub(crate) fn table<'a>(
    resource: &Resource,
    objects: impl Iterator<Item = &'a Value>,
    meta: Value,
    include: &str,
    with_columns: bool,
    now: Timestamp,
) -> Value {
    let mut objects = objects.peekable();
    let is_scale = objects.peek().is_some_and(|object| object["kind"] == "Scale" && resource.kind != "Scale");
    let columns = if is_scale { Columns::Scale } else { columns(resource) };
    let rows: Vec<Value> = objects
        .map(|object| {
            let shown = match include {
                "None" => Value::Null,
                "Object" => object.clone(),
                _ => metadata_only(object),
            };
            json!({ "cells": columns.cells(resource, object, now), "object": shown })
        })
        .collect();
    let definitions = if with_columns { columns.definitions() } else { Value::Null };
    // Where no printer is written for a kind, no rows are null.
    let rows = if rows.is_empty() && columns.is_unprinted() { Value::Null } else { Value::Array(rows) };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta,
        "columnDefinitions": definitions, "rows": rows,
    })
}

/// Where a kind's columns come from.
enum Columns<'a> {
    Custom(&'a [CrdColumn]),
    Builtin(&'static [Column]),
    /// A `Scale`, whatever it scales.
    Scale,
    /// Name and age, the columns of everything else.
    Generic,
}

fn columns(resource: &Resource) -> Columns<'_> {
    match resource.custom() {
        Some(custom) if !custom.columns.is_empty() => Columns::Custom(&custom.columns),
        Some(_) => Columns::Generic,
        None => Builtins::get()
            .columns(&resource.group, &resource.version, &resource.kind)
            .map_or(Columns::Generic, Columns::Builtin),
    }
}

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources \
                    may allow a client to request the generation of an appropriate name automatically. Name is primarily \
                    intended for creation idempotence and configuration definition. Cannot be updated. More info: \
                    https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const AGE: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not \
                   guaranteed to be set in happens-before order across separate operations. Clients may not set this value. \
                   It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. \
                   More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

fn definition(name: &str, kind: &str, format: &str, description: &str, priority: i64) -> Value {
    json!({ "name": name, "type": kind, "format": format, "description": description, "priority": priority })
}

impl Columns<'_> {
    fn is_unprinted(&self) -> bool {
        matches!(self, Self::Builtin(columns) if columns.iter().any(|column| column.name == "Created At"))
    }

    fn definitions(&self) -> Value {
        let name = definition("Name", "string", "name", NAME, 0);
        match self {
            Self::Custom(columns) => std::iter::once(name)
                .chain(columns.iter().map(|column| {
                    definition(&column.name, &column.kind, &column.format, &column.description, column.priority)
                }))
                .collect(),
            Self::Builtin(columns) => columns
                .iter()
                .map(|column| {
                    definition(&column.name, &column.kind, &column.format, &column.description, column.priority)
                })
                .collect(),
            Self::Scale => json!([
                definition("Name", "string", "", NAME, 0),
                definition(
                    "Desired",
                    "integer",
                    "",
                    "replicas is the desired number of instances for the scaled object.",
                    0
                ),
                definition(
                    "Available",
                    "integer",
                    "",
                    "replicas is the actual number of observed instances of the scaled object.",
                    0
                ),
                definition("Age", "string", "", AGE, 0),
            ]),
            Self::Generic => json!([name, definition("Age", "date", "", AGE, 0)]),
        }
    }

    fn cells(&self, resource: &Resource, object: &Value, now: Timestamp) -> Value {
        let name = object["metadata"]["name"].clone();
        match self {
            Self::Custom(columns) => {
                std::iter::once(name).chain(columns.iter().map(|column| custom_cell(column, object, now))).collect()
            }
            Self::Builtin(_) => {
                let cells = Builtins::get().cells(&resource.group, &resource.version, &resource.kind, object, now);
                json!(cells.expect("holds because the kind has columns"))
            }
            Self::Scale => json!([
                name,
                object["spec"]["replicas"].as_i64().unwrap_or(0),
                object["status"]["replicas"].as_i64().unwrap_or(0),
                age(&object["metadata"]["creationTimestamp"], now),
            ]),
            Self::Generic => json!([name, age(&object["metadata"]["creationTimestamp"], now)]),
        }
    }
}

fn custom_cell(column: &CrdColumn, object: &Value, now: Timestamp) -> Value {
    let found = jsonpath::find(object, &column.path);
    let Some(first) = found.first() else { return Value::Null };
    match column.kind.as_str() {
        "integer" => {
            first.as_i64().or_else(|| first.as_f64().map(|number| number as i64)).map_or(Value::Null, |it| json!(it))
        }
        "number" => {
            let mut number = (**first).clone();
            crd::whole_numbers(&mut number);
            if number.is_number() { number } else { Value::Null }
        }
        "boolean" => first.as_bool().map_or(Value::Null, |flag| json!(flag)),
        "date" => json!(age(first, now)),
        _ => json!(first.as_str().map_or_else(|| first.to_string(), str::to_owned)),
    }
}

/// Says how long ago a time was, as `kubectl` does: `5s`, `3m20s`, `47h`, `12d`.
pub(crate) fn age(since: &Value, now: Timestamp) -> String {
    let Some(since) = since.as_str().filter(|text| !text.is_empty()) else { return "<unknown>".to_owned() };
    let Ok(since) = since.parse::<Timestamp>() else { return "<invalid>".to_owned() };
    human_duration(now.as_second() - since.as_second())
}

/// Prints seconds with as much detail as matters (k8s: `apimachinery/pkg/util/duration`).
pub(crate) fn human_duration(secs: i64) -> String {
    if secs < -1 {
        return "<invalid>".to_owned();
    }
    if secs < 0 {
        return "0s".to_owned();
    }
    let (minutes, hours) = (secs / 60, secs / 3600);
    let with = |big: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{small_unit}") }
    };
    if secs < 120 {
        format!("{secs}s")
    } else if minutes < 10 {
        with(minutes, "m", secs % 60, "s")
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        with(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if hours < 24 * 8 {
        with(hours / 24, "d", hours % 24, "h")
    } else if hours < 24 * 365 * 2 {
        format!("{}d", hours / 24)
    } else if hours < 24 * 365 * 8 {
        with(hours / 24 / 365, "y", hours / 24 % 365, "d")
    } else {
        format!("{}y", hours / 24 / 365)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_as_kubectl_tells_them() {
        let rows = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (3600, "60m"),
            (3 * 3600 + 60, "3h1m"),
            (47 * 3600, "47h"),
            (49 * 3600, "2d1h"),
            (12 * 86400, "12d"),
            (800 * 86400, "2y70d"),
            (2515 * 86400, "6y325d"),
            (3000 * 86400, "8y"),
        ];
        for (secs, want) in rows {
            assert_eq!(human_duration(secs), want, "{secs}");
        }
    }
}
