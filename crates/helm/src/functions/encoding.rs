//! Texts as other texts: bases, sums, JSON and YAML.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowline_gotmpl::{Function, List, Map, Type, Value};
use serde_json::Value as Json;
use sha1::Digest as _;

use super::args::{ANY, Gives, STRING, fail, string, text};
use super::json::{self, Style};
use super::json_read;

const S: &[Type] = &[STRING];
const A: &[Type] = &[ANY];

pub(super) static TABLE: [Function; 20] = [
    Function::new("adler32sum", S, STRING, |_, args| string(adler32(&text(&args[0])).to_string())),
    Function::new("b32dec", S, STRING, |_, args| {
        string(base32_decoded(&text(&args[0])).unwrap_or_else(|at| illegal(32, at)))
    }),
    Function::new("b32enc", S, STRING, |_, args| string(base32(&text(&args[0])))),
    Function::new("b64dec", S, STRING, |_, args| {
        string(base64_decoded(&text(&args[0])).unwrap_or_else(|at| illegal(64, at)))
    }),
    Function::new("fromJson", S, Type::MAP, |_, args| {
        Ok(match json_read::read(&text(&args[0])) {
            Ok((Json::Object(_), Some(error))) => error_map(error),
            Ok((Json::Object(map), None)) => Value::from_json(&Json::Object(map)),
            Ok((Json::Null, _)) => Value::Map(Map::nil(&Type::MAP)),
            Ok((other, _)) => error_map(mismatch(&other, "map[string]interface {}")),
            Err(error) => error_map(error),
        })
    }),
    Function::new("fromJsonArray", S, Type::LIST, |_, args| {
        Ok(match json_read::read(&text(&args[0])) {
            Ok((Json::Array(_), Some(error))) => error_list(error),
            Ok((Json::Array(items), None)) => Value::from_json(&Json::Array(items)),
            Ok((Json::Null, _)) => Value::List(List::nil(&Type::LIST)),
            Ok((other, _)) => error_list(mismatch(&other, "[]interface {}")),
            Err(error) => error_list(error),
        })
    }),
    Function::new("fromYaml", S, Type::MAP, |_, args| {
        Ok(match from_yaml(&text(&args[0])) {
            Ok(Json::Object(map)) => Value::from_json(&Json::Object(map)),
            Ok(Json::Null) => Value::Map(Map::new()),
            Ok(other) => error_map(unmarshaled(&other, "map[string]interface {}")),
            Err(error) => error_map(error),
        })
    }),
    Function::new("fromYamlArray", S, Type::LIST, |_, args| {
        Ok(match from_yaml(&text(&args[0])) {
            Ok(Json::Array(items)) => Value::from_json(&Json::Array(items)),
            Ok(Json::Null) => Value::List(List::new(Vec::new())),
            Ok(other) => error_list(unmarshaled(&other, "[]interface {}")),
            Err(error) => error_list(error),
        })
    }),
    Function::new("mustFromJson", S, ANY, |_, args| match json_read::read(&text(&args[0])) {
        Ok((json, None)) => Ok(Value::from_json(&json)),
        Ok((_, Some(error))) | Err(error) => fail(error),
    }),
    Function::new("mustToJson", A, STRING, |ctx, args| string(json::encode(ctx, &args[0], Style::Escaped)?)),
    Function::new("mustToPrettyJson", A, STRING, |ctx, args| string(json::encode(ctx, &args[0], Style::Pretty)?)),
    Function::new("mustToRawJson", A, STRING, |ctx, args| string(json::encode(ctx, &args[0], Style::Raw)?)),
    Function::new("mustToYaml", A, STRING, |ctx, args| {
        let yaml = yaml(ctx, &args[0])?;
        string(yaml)
    }),
    Function::new("sha1sum", S, STRING, |_, args| string(hex::encode(sha1::Sha1::digest(text(&args[0]).as_bytes())))),
    Function::new("sha256sum", S, STRING, |_, args| {
        string(hex::encode(sha2::Sha256::digest(text(&args[0]).as_bytes())))
    }),
    Function::new("sha512sum", S, STRING, |_, args| {
        string(hex::encode(sha2::Sha512::digest(text(&args[0]).as_bytes())))
    }),
    Function::new("toJson", A, STRING, |ctx, args| or_empty(json::encode(ctx, &args[0], Style::Escaped))),
    Function::new("toPrettyJson", A, STRING, |ctx, args| or_empty(json::encode(ctx, &args[0], Style::Pretty))),
    Function::new("toRawJson", A, STRING, |ctx, args| string(json::encode(ctx, &args[0], Style::Raw)?)),
    Function::new("toYaml", A, STRING, |ctx, args| or_empty(yaml(ctx, &args[0]))),
];

/// Errors are swallowed, those of limits apart.
fn or_empty(made: Result<Vec<u8>, bowline_gotmpl::FuncError>) -> Gives {
    match made {
        Err(error) if error.limit.is_some() => Err(error),
        made => string(made.unwrap_or_default()),
    }
}

fn yaml(ctx: &mut bowline_gotmpl::Context<'_, '_>, value: &Value) -> Result<Vec<u8>, bowline_gotmpl::FuncError> {
    let json = match json::tree(ctx, value) {
        Ok(json) => json,
        Err(mut error) => {
            error.message = format!("error marshaling into JSON: {}", error.message);
            return Err(error);
        }
    };
    if has_control(&json) {
        let why = "yaml: control characters are not allowed";
        return Err(bowline_gotmpl::FuncError::new(format!("error converting JSON to YAML: {why}")));
    }
    let mut text = bowline_yaml::to_yaml(&json);
    if text.ends_with('\n') {
        text.pop();
    }
    ctx.charge_bytes(text.len())?;
    Ok(text.into_bytes())
}

/// Tells whether a text holds a character that go-yaml does not read: YAML is made of JSON by reading it.
fn has_control(json: &Json) -> bool {
    let bad = |text: &str| {
        text.contains(|c| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}'))
    };
    stacker::maybe_grow(32 * 1024, 1024 * 1024, || match json {
        Json::String(text) => bad(text),
        Json::Array(items) => items.iter().any(has_control),
        Json::Object(map) => map.iter().any(|(key, value)| bad(key) || has_control(value)),
        _ => false,
    })
}

fn from_yaml(text: &[u8]) -> Result<Json, String> {
    crate::yaml::unmarshal(text)
}

fn mismatch(json: &Json, ty: &str) -> String {
    format!("json: cannot unmarshal {} into Go value of type {ty}", crate::yaml::json_kind(json))
}

fn unmarshaled(json: &Json, ty: &str) -> String {
    format!("error unmarshaling JSON: while decoding JSON: {}", mismatch(json, ty))
}

pub(super) fn error_map(message: String) -> Value {
    Value::Map([("Error", Value::str(message))].into_iter().collect())
}

fn error_list(message: String) -> Value {
    Value::List(List::new(vec![Value::str(message)]))
}

fn illegal(base: u32, at: usize) -> Vec<u8> {
    format!("illegal base{base} data at input byte {at}").into_bytes()
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1u32, 0u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65521;
        high = (high + low) % 65521;
    }
    high << 16 | low
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads base64 as Go does: line ends are skipped, and spare bits may be anything. The error is the place Go names.
pub(super) fn base64_decoded(text: &[u8]) -> Result<Vec<u8>, usize> {
    decoded(text, 4, 6, |byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    })
}

fn decoded(text: &[u8], group: usize, bits: u32, digit: impl Fn(u8) -> Option<u8>) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    loop {
        let mut number = 0u64;
        let mut count = 0;
        let mut padded = false;
        while count < group {
            let Some(byte) = text.get(at).copied() else {
                return if count == 0 { Ok(out) } else { Err(at - count) };
            };
            at += 1;
            if let Some(digit) = digit(byte) {
                number = number << bits | u64::from(digit);
                count += 1;
            } else if byte == b'=' {
                padded = true;
                break;
            } else if byte != b'\n' && byte != b'\r' {
                return Err(at - 1);
            }
        }
        if !padded {
            let size = group * bits as usize / 8;
            out.extend_from_slice(&number.to_be_bytes()[8 - size..]);
            continue;
        }
        // Only some numbers of digits make whole bytes.
        if count * bits as usize % 8 >= bits as usize || count == 0 {
            return Err(at - 1);
        }
        let mut missing = group - count - 1;
        while missing > 0 {
            match text.get(at).copied() {
                Some(b'\n' | b'\r') => at += 1,
                Some(b'=') => {
                    at += 1;
                    missing -= 1;
                }
                None => return Err(text.len()),
                // Go names the place of the sign before.
                Some(_) => return Err(at - 1),
            }
        }
        while matches!(text.get(at), Some(b'\n' | b'\r')) {
            at += 1;
        }
        if at < text.len() {
            return Err(at);
        }
        let whole = count * bits as usize / 8;
        number >>= count * bits as usize % 8;
        out.extend_from_slice(&number.to_be_bytes()[8 - whole..]);
        return Ok(out);
    }
}

fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let number = u64::from_be_bytes(block);
        let digits = (chunk.len() * 8).div_ceil(5);
        for at in 0..8 {
            let digit = DIGITS[(number >> (35 - 5 * at) & 31) as usize];
            out.push(if at < digits { char::from(digit) } else { '=' });
        }
    }
    out
}

fn base32_decoded(text: &[u8]) -> Result<Vec<u8>, usize> {
    // Unlike base64, base32 drops the line ends first, and so counts without them.
    let text: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let mut number = 0u64;
        let mut count = 0;
        let mut end = false;
        while count < 8 {
            let Some(byte) = text.get(at).copied() else { return Err(at - count) };
            let rest = text.len() - at - 1;
            at += 1;
            if byte == b'=' && count >= 2 && rest < 8 {
                if rest + count < 7 {
                    return Err(text.len());
                }
                for place in 0..7 - count {
                    if text.get(at + place) != Some(&b'=') {
                        return Err(at + place - 1);
                    }
                }
                if matches!(count, 1 | 3 | 6) {
                    return Err(at - 1);
                }
                end = true;
                break;
            }
            let digit = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'2'..=b'7' => byte - b'2' + 26,
                _ => return Err(at - 1),
            };
            number = number << 5 | u64::from(digit);
            count += 1;
        }
        let whole = count * 5 / 8;
        number >>= count * 5 % 8;
        out.extend_from_slice(&number.to_be_bytes()[8 - whole..]);
        if end {
            break;
        }
    }
    Ok(out)
}
