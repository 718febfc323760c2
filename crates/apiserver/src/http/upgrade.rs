//! Connections that change their protocol: the answer that says so, and what is said afterwards.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{HeaderMap, Response, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::reply::{self, Body};
use crate::cluster::lock;

/// The header by which SPDY clients tell what they want to speak inside.
pub(super) const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// The largest message that is read from a WebSocket: what is sent is input and terminal sizes, piece by piece.
const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// A connection as a WebSocket.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

type Talk = Box<dyn FnOnce(Upgraded) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// What is to be said once the connection has changed its protocol; taken by the first that asks.
#[derive(Clone)]
pub(super) struct Upgrade(Arc<Mutex<Option<Talk>>>);

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgrade")
    }
}

impl Upgrade {
    fn new<F, R>(talk: F) -> Self
    where
        F: FnOnce(Upgraded) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let talk: Talk = Box::new(|connection| Box::pin(talk(connection)));
        Self(Arc::new(Mutex::new(Some(talk))))
    }

    /// Holds the conversation.
    pub(super) async fn hold(&self, connection: Upgraded) {
        let talk = lock(&self.0).take();
        if let Some(talk) = talk {
            talk(connection).await;
        }
    }
}

/// Returns whether the client asks for a WebSocket, as upstream finds out.
pub(super) fn wants_web_socket(headers: &HeaderMap) -> bool {
    wants(headers) && text(headers, UPGRADE).eq_ignore_ascii_case("websocket")
}

/// Returns whether the client asks for any other protocol.
pub(super) fn wants(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    all.any(|value| value.to_ascii_lowercase().contains("upgrade"))
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Returns the items of a header that is a list, over all its lines.
pub(super) fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty()).collect()
}

fn switching() -> Response<Body> {
    let mut answer = Response::new(reply::full(bytes::Bytes::new()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer
}

/// Changes to a WebSocket on which `talk` is held in `protocol`, which is empty when none was agreed on.
pub(super) fn web_socket<F, R>(headers: &HeaderMap, protocol: &str, talk: F) -> Response<Body>
where
    F: FnOnce(Socket) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let mut answer = switching();
    let out = answer.headers_mut();
    out.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(key) = HeaderValue::from_str(&derive_accept_key(text(headers, SEC_WEBSOCKET_KEY).as_bytes())) {
        out.insert(SEC_WEBSOCKET_ACCEPT, key);
    }
    if let Some(protocol) = HeaderValue::from_str(protocol).ok().filter(|_| !protocol.is_empty()) {
        out.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    answer.extensions_mut().insert(Upgrade::new(|connection| async {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let io = TokioIo::new(connection);
        talk(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await).await;
    }));
    answer
}

/// Changes to SPDY, in which `talk` is held in `protocol`.
pub(super) fn spdy<F, R>(protocol: &str, talk: F) -> Response<Body>
where
    F: FnOnce(super::spdy::Connection) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let mut answer = switching();
    answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    if let Ok(protocol) = HeaderValue::from_str(protocol) {
        answer.headers_mut().insert(STREAM_PROTOCOL, protocol);
    }
    let talk = |connection| talk(super::spdy::Connection::new(TokioIo::new(connection)));
    answer.extensions_mut().insert(Upgrade::new(talk));
    answer
}
