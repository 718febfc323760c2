//! From OpenAPI as written to the compact table, by the rules of kube-openapi's `schemaconv`.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde_json::Value;

use super::code_defaults::code_default;
use super::raw::{Additional, RawSchema};
use super::{
    Field, Format, Gvk, Limits, ListNode, ListRelation, MapNode, Node, PatchStrategy, Ref, ScalarKind, Table, Target,
    TypeRef,
};

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Metadata as the API server types it, for schemas that cannot refer to a component.
const META_COMPONENTS: &str = r#"{
  "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object", "properties": {
    "annotations": {"type": "object", "additionalProperties": {"type": "string", "default": ""}},
    "creationTimestamp": {"type": "string", "format": "date-time"},
    "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
    "deletionTimestamp": {"type": "string", "format": "date-time"},
    "finalizers": {"type": "array", "items": {"type": "string"},
      "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"},
    "generateName": {"type": "string"},
    "generation": {"type": "integer", "format": "int64"},
    "labels": {"type": "object", "additionalProperties": {"type": "string", "default": ""}},
    "managedFields": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "atomic"},
    "name": {"type": "string"},
    "namespace": {"type": "string"},
    "ownerReferences": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
      "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "uid",
      "items": {"type": "object", "x-kubernetes-map-type": "atomic", "required": ["apiVersion", "kind", "name", "uid"],
        "properties": {
          "apiVersion": {"type": "string", "default": ""}, "kind": {"type": "string", "default": ""},
          "name": {"type": "string", "default": ""}, "uid": {"type": "string", "default": ""},
          "controller": {"type": "boolean"}, "blockOwnerDeletion": {"type": "boolean"}}}},
    "resourceVersion": {"type": "string"},
    "selfLink": {"type": "string"},
    "uid": {"type": "string"}
  }}
}"#;

/// The table every other starts from: slot 0 is untyped, slot 1 deduced, then metadata.
pub(super) fn base_table() -> &'static Table {
    static BASE: OnceLock<Table> = OnceLock::new();
    BASE.get_or_init(|| {
        let any = |map_values: Ref, atomic: bool| Node {
            scalar: Some(ScalarKind::Untyped),
            list: Some(ListNode { relation: ListRelation::Atomic, item: Ref::UNTYPED }),
            map: Some(MapNode::new(Box::default(), Some(map_values), atomic)),
            ..Node::default()
        };
        let mut table = Table {
            slots: vec![Some(Arc::new(any(Ref::UNTYPED, true))), Some(Arc::new(any(Ref::DEDUCED, false)))],
            ..Table::default()
        };
        let components: BTreeMap<String, RawSchema> =
            serde_json::from_str(META_COMPONENTS).expect("holds because the text above is a constant");
        add_components(&mut table, components);
        table
    })
}

/// Adds components to the table, replacing those of the same name.
pub(super) fn add_components(table: &mut Table, components: BTreeMap<String, RawSchema>) {
    for (name, schema) in components {
        let slot = slot_of(table, &name);
        for kind in &schema.kinds {
            if !kind.kind.is_empty() {
                table.kinds.insert(Gvk::new(&*kind.group, &*kind.version, &*kind.kind), slot);
            }
        }
        let node = match name.as_str() {
            QUANTITY => Node { scalar: Some(ScalarKind::Untyped), format: Format::Quantity, ..Node::default() },
            RAW_EXTENSION => table.untyped().clone(),
            _ => match schema.referred() {
                // A component that only refers to another is that other.
                Some(other) if schema.properties.is_empty() && schema.kind.is_none() => {
                    let other = slot_of(table, other);
                    table.slots[other as usize].as_deref().cloned().unwrap_or_else(|| table.untyped().clone())
                }
                _ => with_code_defaults(build(table, schema, false), &name),
            },
        };
        let unchanged = table.slots[slot as usize].as_deref() == Some(&node);
        if !unchanged {
            table.slots[slot as usize] = Some(Arc::new(node));
        }
    }
}

fn with_code_defaults(mut node: Node, component: &str) -> Node {
    for field in node.map.iter_mut().flat_map(|map| &mut map.fields) {
        field.code_default = code_default(component, &field.name).map(Box::new);
    }
    node
}

/// The type of custom resources with this schema; `None` when it is not a schema.
pub(super) fn from_structural(schema: &Value) -> Option<TypeRef> {
    let mut schema = RawSchema::deserialize(schema).ok()?;
    schema.embedded_resource = true;
    let mut table = base_table().clone();
    let node = Arc::new(build(&mut table, schema, false));
    Some(TypeRef { table: Arc::new(table), node, atomic: None })
}

fn slot_of(table: &mut Table, name: &str) -> u32 {
    if let Some(slot) = table.names.get(name) {
        return *slot;
    }
    let slot = u32::try_from(table.slots.len()).expect("holds because a document has far fewer components");
    table.slots.push(None);
    table.names.insert(name.into(), slot);
    slot
}

/// Builds a reference to a schema's type: to the component it names, or to a type of its own.
fn reference(table: &mut Table, schema: RawSchema, preserve_unknown: bool) -> Ref {
    let atomic = map_is_atomic(schema.map_type.as_deref());
    if let Some(name) = schema.referred() {
        return Ref { target: Target::Slot(slot_of(table, name)), atomic };
    }
    Ref { target: Target::Inline(Arc::new(build(table, schema, preserve_unknown))), atomic: None }
}

fn build(table: &mut Table, mut schema: RawSchema, preserve_unknown: bool) -> Node {
    // Below a schema that preserves unknown fields, structs do so as well.
    let preserve_unknown = preserve_unknown || schema.preserve_unknown;
    if schema.embedded_resource {
        let text = RawSchema { kind: Some("string".to_owned()), ..RawSchema::default() };
        let metadata = RawSchema { reference: Some(OBJECT_META.to_owned()), ..RawSchema::default() };
        schema.properties.insert("apiVersion".to_owned(), text.clone());
        schema.properties.insert("kind".to_owned(), text);
        schema.properties.insert("metadata".to_owned(), metadata);
    }
    let mut node = Node {
        nullable: schema.nullable,
        preserve_unknown: schema.preserve_unknown,
        format: format(&schema),
        limits: limits(&mut schema),
        ..Node::default()
    };
    match schema.kind.as_deref() {
        Some("object") => node.map = Some(build_map(table, &mut schema, preserve_unknown)),
        Some("array") => node.list = Some(build_list(table, &mut schema, preserve_unknown)),
        Some("integer" | "number") => node.scalar = Some(ScalarKind::Numeric),
        Some("boolean") => node.scalar = Some(ScalarKind::Boolean),
        Some("string") => {
            let plain = schema.format.as_deref().is_none_or(|format| matches!(format, "" | "byte"));
            node.scalar = Some(if plain { ScalarKind::String } else { ScalarKind::Untyped });
        }
        Some(_) => node.scalar = Some(ScalarKind::Untyped),
        None => {
            node.scalar = Some(ScalarKind::Untyped);
            node.list = Some(build_list(table, &mut schema, preserve_unknown));
            node.map = Some(build_map(table, &mut schema, preserve_unknown));
        }
    }
    node
}

fn build_map(table: &mut Table, schema: &mut RawSchema, preserve_unknown: bool) -> MapNode {
    let additional = match std::mem::take(&mut schema.additional) {
        Additional::Absent => (preserve_unknown || schema.properties.is_empty()).then_some(Ref::DEDUCED),
        Additional::Allowed(allowed) => allowed.then_some(Ref::DEDUCED),
        Additional::Typed(values) => Some(reference(table, *values, preserve_unknown)),
    };
    let fields = std::mem::take(&mut schema.properties)
        .into_iter()
        .map(|(name, mut property)| Field {
            default: property.default.take().filter(|default| !default.is_null()),
            code_default: None,
            required: schema.required.contains(&name),
            patch: patch_strategy(&property),
            ty: reference(table, property, preserve_unknown),
            name: name.into(),
        })
        .collect();
    MapNode::new(fields, additional, map_is_atomic(schema.map_type.as_deref()).unwrap_or(false))
}

fn build_list(table: &mut Table, schema: &mut RawSchema, preserve_unknown: bool) -> ListNode {
    let relation = list_relation(schema);
    let item = match schema.items.take() {
        Some(items) => reference(table, *items, preserve_unknown),
        None => Ref::UNTYPED,
    };
    ListNode { relation, item }
}

fn list_relation(schema: &RawSchema) -> ListRelation {
    let by_keys = |keys: &[String]| ListRelation::Map(keys.iter().map(|key| key.as_str().into()).collect());
    match (schema.list_type.as_deref(), schema.patch_strategy.as_deref()) {
        (Some("set"), _) => ListRelation::Set,
        (Some("map"), _) => by_keys(&schema.list_map_keys),
        (Some(_), _) => ListRelation::Atomic,
        (None, Some("merge" | "merge,retainKeys")) => match &schema.patch_merge_key {
            Some(key) => by_keys(std::slice::from_ref(key)),
            None => ListRelation::Set,
        },
        (None, _) => ListRelation::Atomic,
    }
}

fn map_is_atomic(map_type: Option<&str>) -> Option<bool> {
    map_type.map(|map_type| map_type == "atomic")
}

fn patch_strategy(schema: &RawSchema) -> Option<Box<PatchStrategy>> {
    let strategies = schema.patch_strategy.as_deref()?;
    let has = |name: &str| strategies.split(',').any(|strategy| strategy == name);
    Some(Box::new(PatchStrategy {
        merge: has("merge"),
        replace: has("replace"),
        retain_keys: has("retainKeys"),
        merge_key: schema.patch_merge_key.as_deref().map(Into::into),
    }))
}

fn format(schema: &RawSchema) -> Format {
    if schema.int_or_string {
        return Format::IntOrString;
    }
    match schema.format.as_deref() {
        None | Some("") => Format::Plain,
        Some("int-or-string") => Format::IntOrString,
        Some("date-time") => Format::DateTime,
        Some("byte") => Format::Byte,
        Some("int32") => Format::Int32,
        Some("int64") => Format::Int64,
        Some("float" | "double") => Format::Float,
        Some(_) => Format::Other,
    }
}

fn limits(schema: &mut RawSchema) -> Option<Box<Limits>> {
    let limits = Limits {
        allowed: std::mem::take(&mut schema.allowed),
        pattern: schema.pattern.take(),
        minimum: schema.minimum,
        maximum: schema.maximum,
        min_length: schema.min_length,
        max_length: schema.max_length,
        min_items: schema.min_items,
        max_items: schema.max_items,
    };
    (limits != Limits::default()).then(|| Box::new(limits))
}
