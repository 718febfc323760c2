//! Request bodies: JSON read with an eye on duplicate fields, YAML, and the limit on their size.

use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::builtins::{Builtins, DefaultKind, ProtobufError};
use crate::error::ApiError;
use crate::resource::split_api_version;

/// Largest request body, as upstream: 3 MiB.
pub(super) const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;

/// What the server reads.
const ACCEPTED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// A body and the paths of the fields it gives twice.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) value: Value,
    pub(super) duplicates: Vec<String>,
}

/// Reads a body of the given content type; `patch` types are JSON or, for applies, YAML.
///
/// `default` is the kind of a protobuf body that names none.
pub(super) fn decode(content_type: &str, bytes: &[u8], default: DefaultKind<'_>) -> Result<Decoded, ApiError> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    match media_type {
        "" | "application/json" | "*/*" => json(bytes),
        "application/yaml" | "application/apply-patch+yaml" => json(bytes).or_else(|_| yaml(bytes)),
        "application/vnd.kubernetes.protobuf" => protobuf(bytes, default),
        _ if media_type.ends_with("+json") => json(bytes),
        _ => Err(ApiError::new(
            415,
            "UnsupportedMediaType",
            format!("the body of the request was in an unknown format - accepted media types include: {ACCEPTED}"),
        )),
    }
}

fn json(bytes: &[u8]) -> Result<Decoded, ApiError> {
    let mut reader = Reader { path: String::new(), duplicates: Vec::new() };
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let refuse = |error: serde_json::Error| {
        let why = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
        ApiError::bad_request(format!("couldn't get version/kind; json parse error: {why}"))
    };
    let value = Node(&mut reader).deserialize(&mut from).map_err(refuse)?;
    from.end().map_err(refuse)?;
    Ok(Decoded { value, duplicates: reader.duplicates })
}

fn yaml(bytes: &[u8]) -> Result<Decoded, ApiError> {
    let value = bowline_yaml::parse_one(bytes, &bowline_yaml::Limits::default()).map_err(|problems| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        ApiError::bad_request(format!("error decoding YAML: {}", told.join("; ")))
    })?;
    Ok(Decoded { value, duplicates: Vec::new() })
}

fn protobuf(bytes: &[u8], default: DefaultKind<'_>) -> Result<Decoded, ApiError> {
    let value = Builtins::get().decode_protobuf(bytes, default).map_err(|error| {
        let message = error.to_string();
        match error {
            ProtobufError::Object { api_version, kind, .. } | ProtobufError::UnknownKind { api_version, kind } => {
                let (_, version) = split_api_version(&api_version);
                let want = default.kind;
                ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a {want}: {message}"))
            }
            ProtobufError::Envelope(_) => ApiError::bad_request(message),
        }
    })?;
    Ok(Decoded { value, duplicates: Vec::new() })
}

struct Reader {
    path: String,
    duplicates: Vec<String>,
}

/// Reads one value; the last of duplicate fields wins, as in Go.
struct Node<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let length = self.0.path.len();
        let mut out = Vec::new();
        loop {
            let _ = write!(self.0.path, "[{}]", out.len());
            let item = items.next_element_seed(Node(self.0))?;
            self.0.path.truncate(length);
            match item {
                Some(item) => out.push(item),
                None => return Ok(Value::Array(out)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let length = self.0.path.len();
        let mut out = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if length > 0 {
                self.0.path.push('.');
            }
            self.0.path.push_str(&key);
            if out.contains_key(&key) {
                self.0.duplicates.push(self.0.path.clone());
            }
            let value = fields.next_value_seed(Node(self.0))?;
            self.0.path.truncate(length);
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DEFAULT: DefaultKind<'_> = DefaultKind { api_version: "v1", kind: "ConfigMap" };

    #[test]
    fn duplicates_are_found_and_the_last_wins() {
        let body = br#"{"a": 1, "b": {"c": [{"d": 1, "d": 2}]}, "a": 3}"#;
        let decoded = decode("application/json; charset=utf-8", body, DEFAULT).expect("valid JSON");
        assert_eq!(decoded.value, json!({"a": 3, "b": {"c": [{"d": 2}]}}));
        assert_eq!(decoded.duplicates, ["b.c[0].d", "a"]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert_eq!(decode("application/json", b"{", DEFAULT).expect_err("cut off").code, 400);
        assert_eq!(decode("application/cbor", b"{}", DEFAULT).expect_err("CBOR").code, 415);
        let error = decode("application/vnd.kubernetes.protobuf", b"k8s\0", DEFAULT).expect_err("nothing in it");
        assert_eq!(error.message, "empty body");
    }
}
