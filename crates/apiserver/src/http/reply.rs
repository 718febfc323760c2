//! Replies and their bodies.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use crate::error::ApiError;
use crate::store::to_bytes;

/// The body of every reply.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A connection that a [`Fault`](crate::Fault) ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection was dropped")]
pub struct ConnectionDropped;

pub(super) fn full(bytes: Bytes) -> Body {
    Full::new(bytes).boxed_unsync()
}

pub(super) fn bytes(code: u16, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut reply = Response::new(full(body));
    *reply.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(super) fn json(code: u16, value: &Value) -> Response<Body> {
    bytes(code, "application/json", to_bytes(value))
}

pub(super) fn text(code: u16, body: &str) -> Response<Body> {
    bytes(code, "text/plain; charset=utf-8", Bytes::copy_from_slice(body.as_bytes()))
}

/// The 404 of a path nobody serves, which is text as in Go.
pub(super) fn no_such_path() -> Response<Body> {
    text(404, "404 page not found\n")
}

pub(super) fn error(error: &ApiError) -> Response<Body> {
    let mut reply = json(error.code, &error.to_json());
    if let Some(secs) = error.details.as_ref().and_then(|details| details.retry_after_secs) {
        reply.headers_mut().insert(http::header::RETRY_AFTER, secs.into());
    }
    reply
}

/// Adds a `Warning` header a message, as RFC 7234 spells it.
pub(super) fn warn(reply: &mut Response<Body>, warnings: &[String]) {
    let mut told: Vec<&String> = Vec::new();
    for warning in warnings {
        if told.contains(&warning) {
            continue;
        }
        told.push(warning);
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            reply.headers_mut().append(http::header::WARNING, value);
        }
    }
}

/// Adds a `Warning` header before those there are.
pub(super) fn warn_first(reply: &mut Response<Body>, warning: &str) {
    let name = http::header::WARNING;
    let after: Vec<HeaderValue> = reply.headers().get_all(&name).iter().cloned().collect();
    reply.headers_mut().remove(&name);
    warn(reply, &[warning.to_owned()]);
    for value in after {
        reply.headers_mut().append(&name, value);
    }
}
