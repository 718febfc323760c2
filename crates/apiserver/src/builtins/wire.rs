//! Kubernetes protobuf: the envelope `k8s\0` + `runtime.Unknown`, and any built-in type in it, to JSON and back.
//!
//! There is no code per kind: a table of field numbers (`data/wire.zst`) lies over the table of Go types, and one walker
//! each way reads the two side by side.

mod decode;
mod encode;
mod reader;
mod table;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::Builtins;
use crate::resource::split_api_version;
use decode::Decoder;
use encode::{Encoder, put_tag};
pub(crate) use encode::{put_bytes, put_double, put_number};
pub use reader::WireError;
use reader::{Reader, Wire};
use table::Table;

/// What every protobuf body of the API begins with.
const PREFIX: &[u8] = b"k8s\0";

/// The kind of an object whose envelope names none.
#[derive(Debug, Clone, Copy)]
pub struct DefaultKind<'a> {
    /// E.g. `apps/v1`.
    pub api_version: &'a str,
    /// E.g. `Deployment`.
    pub kind: &'a str,
}

/// Why a protobuf body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// It is no envelope, or the envelope is malformed: nothing is known of what it holds.
    #[error("{0}")]
    Envelope(String),
    /// The envelope names this kind, but what it holds is malformed.
    #[error("{why}")]
    Object {
        /// The version as the envelope names it.
        api_version: String,
        /// The kind as the envelope names it.
        kind: String,
        /// What is wrong.
        why: WireError,
    },
    /// The envelope names a kind that is not built in.
    #[error(
        "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
    )]
    UnknownKind {
        /// The version as the envelope names it.
        api_version: String,
        /// The kind as the envelope names it.
        kind: String,
    },
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::load(&Builtins::get().types().0))
}

impl Builtins {
    /// Returns whether bytes are a protobuf body of the API.
    pub fn is_protobuf(bytes: &[u8]) -> bool {
        bytes.starts_with(PREFIX)
    }

    /// Reads a protobuf body into the JSON that Go would write of it.
    ///
    /// Lists come without the kinds of their items, as JSON lists of built-in kinds do.
    pub fn decode_protobuf(&self, bytes: &[u8], default: DefaultKind<'_>) -> Result<Value, ProtobufError> {
        self.decode_at_depth(bytes, default, 0)
    }

    fn decode_at_depth(&self, bytes: &[u8], default: DefaultKind<'_>, depth: u32) -> Result<Value, ProtobufError> {
        if bytes.is_empty() {
            return Err(ProtobufError::Envelope("empty data".to_owned()));
        }
        let Some(data) = bytes.strip_prefix(PREFIX) else {
            let why = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
            return Err(ProtobufError::Envelope(why.to_owned()));
        };
        if data.is_empty() {
            return Err(ProtobufError::Envelope("empty body".to_owned()));
        }
        let envelope = Envelope::read(data).map_err(|error| ProtobufError::Envelope(error.to_string()))?;
        let or = |own: String, default: &str| if own.is_empty() { default.to_owned() } else { own };
        let kind = or(envelope.kind, default.kind);
        let api_version = or(envelope.api_version, default.api_version);
        let missing = match (kind.is_empty(), api_version.is_empty()) {
            (true, _) => Some("Kind"),
            (false, true) => Some("apiVersion"),
            _ => None,
        };
        if let Some(missing) = missing {
            let why = format!(
                "Object '{missing}' is missing in 'runtime.TypeMeta{{APIVersion:{api_version:?}, Kind:{kind:?}}}'"
            );
            return Err(ProtobufError::Envelope(why));
        }
        let (group, version) = split_api_version(&api_version);
        let types = &self.types().0;
        let Some(id) = types.of_kind(group, version, &kind) else {
            return Err(ProtobufError::UnknownKind { api_version, kind });
        };
        match Decoder::new(types, table(), depth).object(id, envelope.raw) {
            Ok(fields) => {
                let mut object =
                    Map::from_iter([("kind".to_owned(), json!(kind)), ("apiVersion".to_owned(), json!(api_version))]);
                object.extend(fields);
                Ok(Value::Object(object))
            }
            Err(why) => Err(ProtobufError::Object { api_version, kind, why }),
        }
    }

    /// Encodes an object, list or `Status`; `None` when its kind is not built in or has no protobuf form.
    pub fn encode_protobuf(&self, object: &Value) -> Option<Vec<u8>> {
        let (api_version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
        let (group, version) = split_api_version(api_version);
        let types = &self.types().0;
        let id = types.of_kind(group, version, kind).filter(|id| table().has_wire_form(*id))?;
        let raw = Encoder::new(types, table()).object(id, object);
        Some(envelope(api_version, kind, &raw))
    }

    /// Frames one event of a watch: a big-endian length and a `WatchEvent` around an object that is already encoded.
    pub fn protobuf_watch_event(change: &str, object: &[u8]) -> Vec<u8> {
        let mut extension = Vec::with_capacity(object.len() + 8);
        put_bytes(&mut extension, 1, object);
        let mut event = Vec::with_capacity(extension.len() + 24);
        put_bytes(&mut event, 1, change.as_bytes());
        put_bytes(&mut event, 2, &extension);
        let length = u32::try_from(event.len()).expect("holds because an object is far smaller than 4 GiB");
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend(event);
        frame
    }
}

fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut meta = Vec::new();
    put_bytes(&mut meta, 1, api_version.as_bytes());
    put_bytes(&mut meta, 2, kind.as_bytes());
    let mut out = Vec::with_capacity(raw.len() + meta.len() + 24);
    out.extend_from_slice(PREFIX);
    put_bytes(&mut out, 1, &meta);
    put_bytes(&mut out, 2, raw);
    // The encoding and the type of the content are always there, and empty.
    for number in [3, 4] {
        put_tag(&mut out, number, Wire::Bytes);
        out.push(0);
    }
    out
}

/// `runtime.Unknown`.
struct Envelope<'a> {
    api_version: String,
    kind: String,
    raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(data: &'a [u8]) -> Result<Self, WireError> {
        let mut envelope = Self { api_version: String::new(), kind: String::new(), raw: &[] };
        let mut reader = Reader::new(data, "Unknown");
        while let Some((number, wire)) = reader.tag()? {
            match number {
                1 => {
                    let mut meta = Reader::new(reader.bytes(wire, "TypeMeta")?, "TypeMeta");
                    while let Some((number, wire)) = meta.tag()? {
                        match number {
                            1 => envelope.api_version = meta.text(wire, "APIVersion")?,
                            2 => envelope.kind = meta.text(wire, "Kind")?,
                            _ => meta.skip(wire)?,
                        }
                    }
                }
                2 => envelope.raw = reader.bytes(wire, "Raw")?,
                3 => drop(reader.bytes(wire, "ContentEncoding")?),
                4 => drop(reader.bytes(wire, "ContentType")?),
                _ => reader.skip(wire)?,
            }
        }
        Ok(envelope)
    }
}
