//! The last step of every reply: from the JSON that handlers make to what the client reads.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, VARY};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::negotiate::{self, Accepted, Endpoint, Media};
use super::reply::{self, Body};
use super::route::Query;
use crate::builtins::Builtins;

/// Replies shorter than this are not worth compressing.
const WORTH_COMPRESSING: u64 = 128 * 1024;

/// Writes a reply in the client's media type, indents and compresses it.
///
/// Streams, texts and documents of other types pass untouched. Handlers of objects attach what was agreed on; all other
/// replies, errors among them, are negotiated here.
pub(super) async fn finish(parts: &Parts, query: &Query, mut answer: Response<Body>) -> Response<Body> {
    let is_api = parts.uri.path().starts_with("/api");
    let is_json = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == Media::Json.name());
    let Some(size) = answer.body().size_hint().exact().filter(|_| is_api && is_json) else { return answer };
    let accept = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agreed = answer.extensions_mut().remove::<Accepted>();
    let is_refusal = !answer.status().is_success();
    let accepted = match agreed.filter(|_| !is_refusal).or_else(|| negotiate::accepted(accept, Endpoint::Plain)) {
        Some(accepted) => accepted,
        // A refusal is not hidden behind another.
        None if is_refusal => negotiate::PLAIN,
        None => {
            answer = reply::error(&negotiate::not_acceptable());
            negotiate::PLAIN
        }
    };
    let pretty = accepted.pretty || negotiate::wants_pretty(&parts.headers, query);
    let compressed = size > WORTH_COMPRESSING && wants_gzip(parts);
    if accepted.media == Media::Json && !pretty && !compressed && !accepted.beta {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes);
    let body = if accepted.beta && !is_refusal { in_beta(&body) } else { body };
    let mut body = match accepted.media {
        Media::Json if pretty => Bytes::from(indent(&body)),
        Media::Json => body,
        Media::Yaml => match serde_json::from_slice::<Value>(&body) {
            Ok(value) => {
                head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(Media::Yaml.name()));
                Bytes::from(bowline_yaml::to_yaml(&value))
            }
            Err(_) => body,
        },
        Media::Protobuf => {
            let encoded =
                serde_json::from_slice(&body).ok().and_then(|value: Value| Builtins::get().encode_protobuf(&value));
            match encoded {
                Some(encoded) => {
                    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(Media::Protobuf.name()));
                    Bytes::from(encoded)
                }
                None => body,
            }
        }
    };
    if wants_gzip(parts) && body.len() as u64 > WORTH_COMPRESSING {
        body = gzip(&body);
        head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        head.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    head.headers.remove(CONTENT_LENGTH);
    if head.status == StatusCode::NO_CONTENT {
        body = Bytes::new();
    }
    Response::from_parts(head, reply::full(body))
}

/// Says `meta.k8s.io/v1beta1` of a table or of metadata, and of what is in it.
pub(super) fn in_beta(body: &Bytes) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return body.clone() };
    let rename = |object: &mut Value| {
        if let Some(version) = object.get_mut("apiVersion").filter(|version| *version == "meta.k8s.io/v1") {
            *version = Value::from("meta.k8s.io/v1beta1");
        }
    };
    rename(&mut value);
    for row in value.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(object) = row.get_mut("object") {
            rename(object);
        }
    }
    value.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten().for_each(rename);
    crate::store::to_bytes(&value)
}

fn wants_gzip(parts: &Parts) -> bool {
    let header = parts.headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    header.split(',').any(|token| token.trim() == "gzip")
}

pub(super) fn gzip(body: &[u8]) -> Bytes {
    // The level upstream chose: others cost far more time for little less size.
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::new(1));
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("holds because memory takes all writes").into()
}

/// Indents JSON by two spaces, keeping the order of fields.
fn indent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut depth = 0;
    let (mut in_string, mut escaped) = (false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + depth * 2, b' ');
    };
    for (at, byte) in text.iter().copied().enumerate() {
        if in_string {
            out.push(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => {
                in_string = true;
                out.push(byte);
            }
            b'{' | b'[' => {
                out.push(byte);
                if !matches!(text.get(at + 1), Some(b'}' | b']')) {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                if !matches!(at.checked_sub(1).map(|before| text[before]), Some(b'{' | b'[')) {
                    depth -= 1;
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indenting_keeps_the_order() {
        let text = br#"{"b":[1,{"x":"a,\"{"}],"a":{},"c":[]}"#;
        let want = "{\n  \"b\": [\n    1,\n    {\n      \"x\": \"a,\\\"{\"\n    }\n  ],\n  \"a\": {},\n  \"c\": []\n}";
        assert_eq!(String::from_utf8(indent(text)).expect("it is text"), want);
    }
}
