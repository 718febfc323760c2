//! Reading and writing `metadata.managedFields`.

use std::fmt;

use serde_json::{Map, Value};

use super::owners::{ManagerId, Owned, Owners};
use crate::set::{FieldsError, Set};
use crate::time;

/// How a manager came to own its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    /// The word in `managedFields`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One manager's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerEntry {
    /// Its name.
    pub manager: String,
    /// How it writes.
    pub operation: Operation,
    /// The version the fields are written in, such as `apps/v1`.
    pub api_version: String,
    /// When it last took a field, RFC 3339.
    pub time: Option<String>,
    /// The subresource it writes through; empty for the object itself.
    pub subresource: String,
    /// What it owns.
    pub fields: Set,
}

/// Every manager's fields, in the order in which the server writes them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ManagedFields(pub Vec<ManagerEntry>);

/// Why `metadata.managedFields` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagedFieldsError {
    /// Not a list of maps.
    #[error("managedFields is not a list of entries")]
    NotAList,
    /// An operation other than the two.
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    /// No version.
    #[error("apiVersion must not be empty")]
    ApiVersion,
    /// No format, at this position.
    #[error("missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    /// A format nobody knows.
    #[error("invalid fieldsType {} in managed fields entry {position}", crate::go::quote(.fields_type))]
    FieldsType {
        /// The format.
        fields_type: String,
        /// Where in the list.
        position: usize,
    },
    /// The fields themselves do not parse.
    #[error("error decoding set of `{manager}`")]
    Fields {
        /// Whose they are.
        manager: String,
        /// What is wrong.
        source: FieldsError,
    },
}

impl ManagedFields {
    /// Reads the value of `metadata.managedFields`; `null` and `[]` are no entries.
    ///
    /// Entries of the same identity are one: the last wins.
    pub fn decode(value: &Value) -> Result<Self, ManagedFieldsError> {
        Ok(Owners::decode(Some(value))?.entries())
    }

    /// Reads the entries of an object; none when it has no such field.
    pub fn of(object: &Value) -> Result<Self, ManagedFieldsError> {
        Ok(Owners::decode(super::managed_fields(object))?.entries())
    }

    /// Writes the value of `metadata.managedFields`, or `None` when there is nothing to write. Sorted by operation,
    /// time, manager, version, subresource.
    pub fn encode(&self) -> Option<Value> {
        let mut entries: Vec<&ManagerEntry> = self.0.iter().collect();
        entries.sort_by_cached_key(|entry| rank(entry));
        let entries: Vec<Value> = entries.into_iter().map(encode_entry).collect();
        (!entries.is_empty()).then_some(Value::Array(entries))
    }

    /// The entry of an applier of the object itself.
    pub fn applier(&self, manager: &str) -> Option<&ManagerEntry> {
        self.0.iter().find(|entry| {
            entry.operation == Operation::Apply && entry.manager == manager && entry.subresource.is_empty()
        })
    }
}

impl Owners {
    pub(super) fn decode(value: Option<&Value>) -> Result<Self, ManagedFieldsError> {
        let entries = match value {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(ManagedFieldsError::NotAList),
        };
        let mut owners = Self::default();
        for (position, entry) in entries.iter().enumerate() {
            let entry = entry.as_object().ok_or(ManagedFieldsError::NotAList)?;
            let (id, owned) = decode_entry(entry, position)?;
            owners.0.insert(id, owned);
        }
        Ok(owners)
    }

    pub(super) fn entries(self) -> ManagedFields {
        let mut entries: Vec<ManagerEntry> = self
            .0
            .into_iter()
            .map(|(id, owned)| ManagerEntry {
                manager: id.manager,
                operation: id.operation,
                api_version: owned.api_version,
                time: owned.time,
                subresource: id.subresource,
                fields: owned.fields,
            })
            .collect();
        entries.sort_by_cached_key(rank);
        ManagedFields(entries)
    }
}

fn decode_entry(entry: &Map<String, Value>, position: usize) -> Result<(ManagerId, Owned), ManagedFieldsError> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let operation = match text("operation").as_str() {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err(ManagedFieldsError::Operation),
    };
    let api_version = text("apiVersion");
    if api_version.is_empty() {
        return Err(ManagedFieldsError::ApiVersion);
    }
    match text("fieldsType") {
        fields_type if fields_type == "FieldsV1" => {}
        fields_type if fields_type.is_empty() => return Err(ManagedFieldsError::NoFieldsType(position)),
        fields_type => return Err(ManagedFieldsError::FieldsType { fields_type, position }),
    }
    let manager = text("manager");
    let fields = match entry.get("fieldsV1") {
        None | Some(Value::Null) => Set::new(),
        Some(fields) => Set::from_fields_v1(fields)
            .map_err(|source| ManagedFieldsError::Fields { manager: manager.clone(), source })?,
    };
    let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
    let id = ManagerId::new(&manager, operation, &api_version, &text("subresource"));
    Ok((id, Owned { fields, api_version, time }))
}

fn encode_entry(entry: &ManagerEntry) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, text: &str| {
        if !text.is_empty() {
            map.insert(name.to_owned(), Value::String(text.to_owned()));
        }
    };
    put("manager", &entry.manager);
    put("operation", entry.operation.as_str());
    put("apiVersion", &entry.api_version);
    put("time", entry.time.as_deref().unwrap_or_default());
    put("fieldsType", "FieldsV1");
    put("subresource", &entry.subresource);
    map.insert("fieldsV1".to_owned(), entry.fields.to_fields_v1());
    Value::Object(map)
}

/// What entries are sorted by.
fn rank(entry: &ManagerEntry) -> (Operation, i64, String, String, String) {
    let seconds = entry.time.as_deref().and_then(time::parse).map_or(0, |instant| instant.seconds);
    (entry.operation, seconds, entry.manager.clone(), entry.api_version.clone(), entry.subresource.clone())
}
