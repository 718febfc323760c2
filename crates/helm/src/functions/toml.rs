//! TOML, as Helm reads and writes it: by BurntSushi's package.

use bowline_gotmpl::{Function, Type, Value};

use super::args::{ANY, STRING, fail, string, text};
use super::{toml_read, toml_write};

pub(super) static TABLE: [Function; 3] = [
    Function::new("fromToml", &[STRING], Type::MAP, |ctx, args| {
        let source = text(&args[0]);
        // A key costs as much as what it is written in: each of its parts is looked up.
        ctx.charge(source.len() as u64)?;
        Ok(match toml_read::read(&source) {
            Ok(map) => map,
            Err(error) => super::encoding::error_map(error),
        })
    }),
    Function::new("mustToToml", &[ANY], STRING, |ctx, args| match toml_write::write(ctx, &args[0])? {
        Ok(made) => string(made),
        Err(error) => fail(error),
    }),
    Function::new("toToml", &[ANY], STRING, |ctx, args| match toml_write::write(ctx, &args[0])? {
        Ok(made) => string(made),
        Err(error) => string(error),
    }),
];

/// Writes the inside of a text between double quotes.
pub(super) fn escape(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 | 0x7f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
}

/// Writes a part of a key, in quotes where it needs them.
pub(super) fn key_part(out: &mut Vec<u8>, part: &[u8]) {
    let bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !part.is_empty() && part.iter().all(bare) {
        out.extend_from_slice(part);
        return;
    }
    out.push(b'"');
    escape(out, part);
    out.push(b'"');
}

/// Writes a key, its parts joined by dots.
pub(super) fn key<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push(b'.');
        }
        key_part(&mut out, part.as_ref());
    }
    out
}

/// The names of the zones that local dates and times are in, as they print.
pub(super) const LOCAL_DATETIME: &str = "datetime-local";
pub(super) const LOCAL_DATE: &str = "date-local";
pub(super) const LOCAL_TIME: &str = "time-local";

/// What Go says to a nil at the top.
pub(super) const NOTHING: &str = "reflect: call of reflect.Value.Type on zero Value";

/// Levels beyond which a value is taken to contain itself, and a text is refused.
pub(super) const DEEPEST: usize = 1000;

/// Returns what a value of the host is written as, if it is one scalar.
pub(super) enum Scalar {
    /// As it is.
    Plain(Vec<u8>),
    /// In quotes.
    Quoted(Vec<u8>),
}

/// Returns how an object that writes itself is written.
pub(super) fn own_text(value: &Value) -> Option<Scalar> {
    let Value::Object(object) = value else { return None };
    if let Some(time) = super::dates::to_toml(object.as_ref()) {
        return Some(Scalar::Plain(time));
    }
    match &*object.type_name() {
        "*semver.Version" | "time.Duration" => {
            Some(Scalar::Quoted(object.text().map(|text| text.to_vec()).unwrap_or_default()))
        }
        _ => None,
    }
}
