//! The OpenAPI documents over HTTP: their media types, tags and addresses, as kube-openapi serves them.

use bytes::Bytes;
use http::header::{ACCEPT, ETAG, HeaderValue, IF_NONE_MATCH, LOCATION, VARY};
use http::{Response, StatusCode};

use super::negotiate;
use super::reply::{self, Body};
use super::service::Call;
use crate::discovery::Tagged;
use crate::openapi::{self, v2};

const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// What clients ask for; an older spelling than that of the replies.
const ASKED_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// Answers a path below `/openapi`; `None` when there is nothing.
pub(super) fn serve(call: &Call<'_>, parts: &[&str]) -> Option<Response<Body>> {
    let catalog = call.cluster.catalog();
    match parts {
        ["v2"] => {
            let media = negotiate::first_of(call.header(ACCEPT), &["application/json", ASKED_PROTOBUF, PROTOBUF]);
            let mut answer = match media {
                None => empty(StatusCode::NOT_ACCEPTABLE),
                Some(media) => {
                    let document = v2::of(&catalog);
                    if knows(call, &document.etag) {
                        tagged(call, &Tagged { body: Bytes::new(), etag: document.etag.clone() }, "application/json")
                    } else if media == "application/json" {
                        tagged(call, &document.json(), "application/json")
                    } else {
                        tagged(call, &document.protobuf(), PROTOBUF)
                    }
                }
            };
            answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
            Some(answer)
        }
        // A slash at the end asks for a document without a name.
        ["v3"] if call.info.path.ends_with('/') => Some(empty(StatusCode::NOT_FOUND)),
        ["v3"] => {
            let index = openapi::of(&catalog).index.body.clone();
            Some(reply::bytes(200, "text/plain; charset=utf-8", index))
        }
        ["v3", rest @ ..] => {
            let key = rest.join("/");
            let Some(document) = openapi::of(&catalog).document(&key) else {
                return Some(empty(StatusCode::NOT_FOUND));
            };
            let asked = call.query.text("hash");
            let mut answer = if asked.is_empty() || asked.eq_ignore_ascii_case(&document.etag) {
                tagged(call, &document, "application/json")
            } else {
                // The document has changed since the client read the index.
                let mut moved = reply::bytes(301, "application/json", Bytes::new());
                let place = HeaderValue::from_str(&format!("/openapi/v3/{key}?hash={}", document.etag)).ok()?;
                moved.headers_mut().insert(LOCATION, place);
                moved.headers_mut().insert(ETAG, HeaderValue::from_str(&format!("\"{}\"", document.etag)).ok()?);
                moved
            };
            answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
            Some(answer)
        }
        _ => None,
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(reply::full(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

fn knows(call: &Call<'_>, etag: &str) -> bool {
    call.header(IF_NONE_MATCH).split(',').any(|have| have.trim().trim_matches('"') == etag)
}

/// Sends a document, or 304 to a client that has it.
pub(super) fn tagged(call: &Call<'_>, document: &Tagged, content_type: &'static str) -> Response<Body> {
    let mut answer = if knows(call, &document.etag) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        reply::bytes(200, content_type, document.body.clone())
    };
    if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", document.etag)) {
        answer.headers_mut().insert(ETAG, value);
    }
    answer
}
