//! How Go sees each type: the fields it knows, and what its encoder keeps or drops.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

static TABLE: &[u8] = include_bytes!("../../data/types.zst");

/// A type's place in [`Types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TypeId(u32);

impl TypeId {
    pub(super) fn at(index: usize) -> Self {
        Self(u32::try_from(index).expect("holds because there are a few hundred types"))
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    String,
    Bool,
    Int32,
    Int64,
    Float,
    /// Base64 text.
    Bytes,
    Quantity,
    IntOrString,
    Time,
    MicroTime,
    Duration,
    /// Any JSON, kept as it is.
    Any,
    /// A JSON schema, or a list, boolean or list of strings in its place (CRD schemas).
    SchemaOr,
    List(Box<Shape>),
    Map(Box<Shape>),
    Struct(TypeId),
}

/// One field of a Go struct.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) pointer: bool,
    pub(super) omitempty: bool,
    pub(super) omitzero: bool,
    pub(super) shape: Shape,
    /// What Go calls the type, where the shape does not say it.
    pub(super) spelled: Option<Box<str>>,
    /// The structs the field is inlined from, as the errors of Go's decoder name them.
    pub(super) inside: Option<Box<str>>,
    /// The default that the type declares; those that live in Go functions are in `defaults`.
    pub(super) default: Option<Value>,
}

/// One Go struct.
#[derive(Debug)]
pub(super) struct Struct {
    /// Its OpenAPI name, e.g. `io.k8s.api.apps.v1.DeploymentSpec`.
    pub(super) name: String,
    /// Its fields by name.
    pub(super) fields: Vec<Field>,
    /// The fields' places in the order in which Go declares them.
    pub(super) declared: Vec<usize>,
}

#[derive(Deserialize)]
struct Table {
    kinds: BTreeMap<String, String>,
    types: BTreeMap<String, Vec<Row>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    Plain(String, String, String),
    WithDefault(String, String, String, Value),
}

/// All types, by kind.
#[derive(Debug)]
pub(super) struct Types {
    structs: Vec<Struct>,
    kinds: BTreeMap<String, TypeId>,
    /// The type of JSON schemas, which [`Shape::SchemaOr`] refers to.
    pub(super) json_schema: TypeId,
}

impl Types {
    pub(super) fn load() -> Self {
        let bytes = zstd::stream::decode_all(TABLE).expect("the table is made by `cargo xtask apidata`");
        let table: Table = serde_json::from_slice(&bytes).expect("the table is made by `cargo xtask apidata`");
        let ids: BTreeMap<&str, TypeId> =
            table.types.keys().enumerate().map(|(at, name)| (name.as_str(), TypeId(at as u32))).collect();
        let kinds = table.kinds.iter().map(|(kind, name)| (kind.clone(), ids[name.as_str()])).collect();
        let json_schema = ids["io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"];
        let structs = table.types.iter().map(|(name, rows)| {
            let mut fields: Vec<Field> = rows.iter().map(|row| field(row, &ids)).collect();
            let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
            fields.sort_by(|a, b| a.name.cmp(&b.name));
            let place = |name: &String| fields.binary_search_by(|field| field.name.cmp(name)).ok();
            let declared = names.iter().filter_map(place).collect();
            Struct { name: name.clone(), fields, declared }
        });
        Self { structs: structs.collect(), kinds, json_schema }
    }

    pub(super) fn of_kind(&self, group: &str, version: &str, kind: &str) -> Option<TypeId> {
        let key = if group.is_empty() { format!("{version}/{kind}") } else { format!("{group}/{version}/{kind}") };
        self.kinds.get(&key).copied()
    }

    /// Finds a type by its OpenAPI name.
    pub(super) fn find(&self, name: &str) -> Option<TypeId> {
        let at = self.structs.binary_search_by(|have| have.name.as_str().cmp(name)).ok()?;
        Some(TypeId(at as u32))
    }

    pub(super) fn len(&self) -> usize {
        self.structs.len()
    }

    pub(super) fn get(&self, id: TypeId) -> &Struct {
        &self.structs[id.index()]
    }
}

impl Struct {
    /// Returns the bare Go name, e.g. `DeploymentSpec`.
    pub(super) fn go_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// Returns the Go name with its package, e.g. `v1.DeploymentSpec`.
    pub(super) fn go_path(&self) -> &str {
        self.name.rmatch_indices('.').nth(1).map_or(&self.name, |(at, _)| &self.name[at + 1..])
    }

    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok().map(|at| &self.fields[at])
    }
}

fn field(row: &Row, ids: &BTreeMap<&str, TypeId>) -> Field {
    let (name, flags, shape, default) = match row {
        Row::Plain(name, flags, shape) => (name, flags, shape, None),
        Row::WithDefault(name, flags, shape, default) => (name, flags, shape, Some(default.clone())),
    };
    let mut words = shape.split(' ');
    let shape = parse_shape(words.next().unwrap_or_default(), ids);
    let (mut spelled, mut inside) = (None, None);
    for word in words {
        match word.strip_prefix('@') {
            Some(structs) => inside = Some(structs.into()),
            None => spelled = Some(word.into()),
        }
    }
    Field {
        name: name.clone(),
        pointer: flags.contains('p'),
        omitempty: flags.contains('o'),
        omitzero: flags.contains('z'),
        shape,
        spelled,
        inside,
        default,
    }
}

fn parse_shape(text: &str, ids: &BTreeMap<&str, TypeId>) -> Shape {
    if let Some(element) = text.strip_prefix("[]") {
        return Shape::List(Box::new(parse_shape(element, ids)));
    }
    if let Some(element) = text.strip_prefix("{}") {
        return Shape::Map(Box::new(parse_shape(element, ids)));
    }
    if let Some(name) = text.strip_prefix('&') {
        return Shape::Struct(ids[name]);
    }
    match text {
        "string" => Shape::String,
        "bool" => Shape::Bool,
        "int32" => Shape::Int32,
        "int64" | "int" => Shape::Int64,
        "float32" | "float64" => Shape::Float,
        "bytes" => Shape::Bytes,
        "Quantity" => Shape::Quantity,
        "IntOrString" => Shape::IntOrString,
        "Time" => Shape::Time,
        "MicroTime" => Shape::MicroTime,
        "Duration" => Shape::Duration,
        "SchemaOr" => Shape::SchemaOr,
        _ => Shape::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_in_the_table_is_known() {
        let bytes = zstd::stream::decode_all(TABLE).expect("it is zstd");
        let text = String::from_utf8(bytes).expect("it is text");
        let table: Value = serde_json::from_str(&text).expect("it is JSON");
        let ids = BTreeMap::new();
        for (name, rows) in table["types"].as_object().expect("types") {
            for row in rows.as_array().expect("rows") {
                let shape = row[2].as_str().expect("a shape").split(' ').next().unwrap_or_default();
                let shape = shape.trim_start_matches("[]").trim_start_matches("{}");
                let shape = shape.trim_start_matches("[]");
                let known = shape.starts_with('&') || shape == "Any" || parse_shape(shape, &ids) != Shape::Any;
                assert!(known, "{name}: {row}");
            }
        }
    }
}
