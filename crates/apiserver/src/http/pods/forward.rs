//! `portforward`: connections to a pod's ports, over SPDY, over SPDY in a WebSocket, and over WebSocket channels.
//!
//! A forwarded connection is a pair of streams: data, and an error that ends it. Over WebSocket channels each port has one
//! such pair from the beginning, whose first two bytes are the port.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::Response;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::exec::agree;
use super::line::PATIENCE;
use super::responder::Target;
use super::{log, text};
use crate::cluster::Cluster;
use crate::error::ApiError;
use crate::http::reply::{self, Body};
use crate::http::service::Call;
use crate::http::spdy::{Connection, Gone, Offer, StreamReader, StreamWriter};
use crate::http::upgrade::{self, Socket};

const PROTOCOL: &str = "portforward.k8s.io";

/// What stands before the name of a protocol that is spoken in SPDY inside a WebSocket.
const TUNNEL: &str = "SPDY/3.1+";

/// What kubelets speak over WebSocket.
const CHANNELS: [&str; 2] = ["v4.channel.k8s.io", "v4.base64.channel.k8s.io"];

/// Bytes on their way between two parts of the server.
const BUFFER_BYTES: usize = 64 << 10;

/// More pairs than this at a time make no sense in one request.
const MAX_PORTS: usize = 64;

/// The pod a connection was forwarded to.
#[derive(Clone)]
struct Pod {
    cluster: Cluster,
    namespace: String,
    name: String,
    uid: String,
}

pub(super) fn serve(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let name = call.info.name.as_deref().unwrap_or_default();
    let namespace = call.info.namespace.as_deref().unwrap_or_default();
    let ports = ports(call)?;
    let found = log::find(call.cluster, namespace, name).ok_or_else(|| log::missing(call, name))?;
    if text(&found, "/spec/nodeName").is_empty() {
        return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
    }
    if !upgrade::wants(call.headers) {
        return Err(ApiError::bad_request("Upgrade request required"));
    }
    let uid = text(&found, "/metadata/uid").to_owned();
    let pod = Pod { cluster: call.cluster.clone(), namespace: namespace.to_owned(), name: name.to_owned(), uid };
    let asked = upgrade::list(call.headers, &SEC_WEBSOCKET_PROTOCOL);
    let is_web_socket = upgrade::wants_web_socket(call.headers);
    let tunnelled: Vec<&str> = asked.iter().filter_map(|asked| asked.strip_prefix(TUNNEL)).collect();
    if is_web_socket && tunnelled.is_empty() {
        if ports.is_empty() {
            return Ok(reply::text(400, "query parameter \"port\" is required"));
        }
        if ports.contains(&0) {
            return Ok(reply::text(400, "port \"0\" must be > 0"));
        }
    }
    if !has_sandbox(&found) {
        let why = format!("failed to find sandboxID for pod {name}_{namespace}({})", pod.uid);
        return Ok(reply::text(500, &why));
    }
    if !is_web_socket {
        return Ok(match agree(call, &[PROTOCOL]) {
            Ok(protocol) => upgrade::spdy(protocol, move |connection| async move {
                pod.until_stopped(over_spdy(pod.clone(), connection)).await;
            }),
            Err(refusal) => *refusal,
        });
    }
    if tunnelled.contains(&PROTOCOL) {
        let talk = move |socket| async move {
            let (near, far) = tokio::io::duplex(BUFFER_BYTES);
            let streams = over_spdy(pod.clone(), Connection::new(far));
            let both = async {
                tokio::join!(tunnel(socket, near), streams);
            };
            pod.until_stopped(both).await;
        };
        return Ok(upgrade::web_socket(call.headers, &format!("{TUNNEL}{PROTOCOL}"), talk));
    }
    let protocol = match asked.iter().find_map(|asked| CHANNELS.into_iter().find(|known| known == asked)) {
        Some(known) => known,
        None if asked.is_empty() => "",
        None => return Ok(reply::text(403, "")),
    };
    let is_base64 = protocol.contains("base64.");
    let talk =
        move |socket| async move { pod.until_stopped(over_channels(pod.clone(), socket, ports, is_base64)).await };
    Ok(upgrade::web_socket(call.headers, protocol, talk))
}

/// Reads the ports of the query, which clients of channels must name.
fn ports(call: &Call<'_>) -> Result<Vec<u16>, ApiError> {
    let mut ports = Vec::new();
    for given in call.query.all("ports").iter().flat_map(|given| given.split(',')) {
        let port = given.parse::<u16>().map_err(|error| {
            let why = match error.kind() {
                std::num::IntErrorKind::PosOverflow => "value out of range",
                _ => "invalid syntax",
            };
            ApiError::bad_request(format!("cannot convert to []int32: strconv.ParseUint: parsing {given:?}: {why}"))
        })?;
        ports.push(port);
    }
    ports.truncate(MAX_PORTS);
    Ok(ports)
}

/// Returns whether a pod has ever been begun, and not been ended since.
fn has_sandbox(pod: &Value) -> bool {
    !text(pod, "/status/podIP").is_empty() && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

impl Pod {
    async fn until_stopped(&self, talk: impl Future<Output = ()>) {
        let _ = self.cluster.stopped().run_until_cancelled(talk).await;
    }

    /// Opens a connection to a port; the error is for the client.
    async fn connect(&self, port: u16) -> Result<DuplexStream, String> {
        let refused = |why: &str| format!("error forwarding port {port} to pod {}, uid {}: {why}", self.name, self.uid);
        let pod = log::find(&self.cluster, &self.namespace, &self.name);
        let pod = pod.filter(|pod| text(pod, "/metadata/uid") == self.uid && has_sandbox(pod));
        let Some(pod) = pod else { return Err(refused("network namespace for sandbox is closed")) };
        let target = Target::of(&pod, port).map_err(|why| refused(&why))?;
        target.connect(BUFFER_BYTES).await.map_err(|why| refused(&why))
    }
}

/// Passes the bytes of a tunnel on, until one side ends.
async fn tunnel(socket: Socket, near: DuplexStream) {
    let (mut out, mut messages) = socket.split();
    let (mut read, mut write) = tokio::io::split(near);
    let inwards = async {
        while let Some(Ok(message)) = messages.next().await {
            match message {
                Message::Binary(bytes) if write.write_all(&bytes).await.is_err() => return,
                Message::Close(_) | Message::Text(_) => return,
                _ => {}
            }
        }
    };
    let outwards = async {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Ok(count) = read.read(&mut buffer).await {
            let message = Message::Binary(bytes::Bytes::copy_from_slice(&buffer[..count]));
            if count == 0 || out.send(message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = inwards => {}
        () = outwards => {}
    }
    // Without a code the client takes the end for an accident.
    let end = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
    let _ = out.send(Message::Close(Some(end))).await;
    let _ = out.close().await;
}

/// The streams of one connection that is to be.
#[derive(Default)]
struct Pair {
    data: Option<(StreamReader, StreamWriter, u16)>,
    error: Option<StreamWriter>,
}

async fn over_spdy(pod: Pod, mut connection: Connection) {
    let mut waiting: BTreeMap<String, (Pair, Instant)> = BTreeMap::new();
    let mut forwards = JoinSet::new();
    loop {
        let deadline = waiting.values().map(|(_, deadline)| *deadline).min();
        let offer = tokio::select! {
            offer = connection.next() => offer,
            Some(_) = forwards.join_next() => continue,
            () = log::sleep(deadline.map(|at| at.saturating_duration_since(Instant::now()))) => {
                forget_late(&mut waiting).await;
                continue;
            }
        };
        let Ok(offer) = offer else { break };
        let Some((id, port, is_data)) = kind_of(&offer) else {
            if offer.refuse().await.is_err() {
                break;
            }
            continue;
        };
        let Ok((reader, writer)) = offer.take().await else { break };
        let (pair, _) = waiting.entry(id.clone()).or_insert_with(|| (Pair::default(), Instant::now() + PATIENCE));
        let is_taken = if is_data { pair.data.is_some() } else { pair.error.is_some() };
        if is_taken {
            let which = if is_data { "data" } else { "error" };
            let why = format!("error processing stream for request {id}: {which} stream already assigned");
            if let Some(error) = &pair.error {
                let _ = error.send(why.as_bytes()).await;
            }
        } else if is_data {
            pair.data = Some((reader, writer, port));
        } else {
            pair.error = Some(writer);
        }
        if pair.data.is_some() && pair.error.is_some() {
            let Some((Pair { data: Some(data), error: Some(error) }, _)) = waiting.remove(&id) else { continue };
            let pod = pod.clone();
            forwards.spawn(async move { forward(&pod, data, error).await });
        }
    }
}

/// Tells the clients of pairs that did not become whole in time.
async fn forget_late(waiting: &mut BTreeMap<String, (Pair, Instant)>) {
    let now = Instant::now();
    let late: Vec<String> = waiting.iter().filter(|(_, (_, at))| *at <= now).map(|(id, _)| id.clone()).collect();
    for id in late {
        let Some((pair, _)) = waiting.remove(&id) else { continue };
        if let Some(error) = &pair.error {
            let _ = error.send(format!("(request={id}) timed out waiting for streams").as_bytes()).await;
            let _ = error.reset().await;
        }
        if let Some((_, data, _)) = &pair.data {
            let _ = data.reset().await;
        }
    }
}

/// Reads what a stream is for: the request it belongs to, the port, and whether it is the one for data.
fn kind_of(offer: &Offer) -> Option<(String, u16, bool)> {
    let port: u16 = offer.header("port").parse().ok().filter(|port| *port > 0)?;
    let is_data = match offer.header("streamtype") {
        "data" => true,
        "error" => false,
        _ => return None,
    };
    let id = match offer.header("requestid") {
        // Old clients begin the error's stream first and the data's next.
        "" => offer.id.saturating_sub(if is_data { 2 } else { 0 }).to_string(),
        given => given.to_owned(),
    };
    Some((id, port, is_data))
}

async fn forward(pod: &Pod, data: (StreamReader, StreamWriter, u16), error: StreamWriter) {
    let (mut reader, writer, port) = data;
    match pod.connect(port).await {
        Ok(connection) => {
            let (mut from_pod, mut to_pod) = tokio::io::split(connection);
            let inwards = async {
                while let Some(bytes) = reader.next().await {
                    if to_pod.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
                let _ = to_pod.shutdown().await;
                // The answer to what was asked last is still to come.
                std::future::pending::<()>().await;
            };
            let outwards = async {
                let mut buffer = vec![0; 16 << 10];
                while let Ok(count) = from_pod.read(&mut buffer).await {
                    if count == 0 || writer.send(&buffer[..count]).await.is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                () = inwards => {}
                () = outwards => {}
            }
            let _ = writer.finish().await;
            let _ = error.finish().await;
        }
        Err(why) => {
            let _ = error.send(why.as_bytes()).await;
            let _ = error.finish().await;
            let _ = writer.reset().await;
        }
    }
}

type Sink = Arc<Mutex<SplitSink<Socket, Message>>>;

/// Sends a message on one channel.
async fn tell(sink: &Sink, channel: u8, bytes: &[u8], is_base64: bool) -> Result<(), Gone> {
    let message = if is_base64 {
        Message::Text(format!("{}{}", char::from(b'0' + channel), STANDARD.encode(bytes)).into())
    } else {
        Message::Binary([&[channel], bytes].concat().into())
    };
    sink.lock().await.send(message).await.map_err(|_| Gone)
}

async fn over_channels(pod: Pod, socket: Socket, ports: Vec<u16>, is_base64: bool) {
    let (sink, messages) = socket.split();
    let sink: Sink = Arc::new(Mutex::new(sink));
    let mut connections = JoinSet::new();
    let mut inputs = Vec::new();
    for (at, port) in ports.into_iter().enumerate() {
        let (data, error) = (at as u8 * 2, at as u8 * 2 + 1);
        for channel in [data, error] {
            if tell(&sink, channel, &port.to_le_bytes(), is_base64).await.is_err() {
                return;
            }
        }
        match pod.connect(port).await {
            Ok(connection) => {
                let (read, write) = tokio::io::split(connection);
                inputs.push(Some(write));
                connections.spawn(copy_out(read, Arc::clone(&sink), data, is_base64));
            }
            Err(why) => {
                inputs.push(None);
                let _ = tell(&sink, error, why.as_bytes(), is_base64).await;
            }
        }
    }
    tokio::select! {
        () = copy_in(messages, &mut inputs, is_base64) => {}
        () = async { while connections.join_next().await.is_some() {} } => {}
    }
    let _ = sink.lock().await.close().await;
}

async fn copy_out(mut read: ReadHalf<DuplexStream>, sink: Sink, channel: u8, is_base64: bool) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count) = read.read(&mut buffer).await {
        if count == 0 || tell(&sink, channel, &buffer[..count], is_base64).await.is_err() {
            return;
        }
    }
}

async fn copy_in(mut messages: SplitStream<Socket>, inputs: &mut [Option<WriteHalf<DuplexStream>>], is_base64: bool) {
    while let Some(Ok(message)) = messages.next().await {
        let bytes = match message {
            Message::Binary(bytes) => bytes.to_vec(),
            Message::Text(text) => text.as_bytes().to_vec(),
            Message::Close(_) => return,
            _ => continue,
        };
        let Some((channel, input)) = bytes.split_first() else { continue };
        let channel = if is_base64 { channel.wrapping_sub(b'0') } else { *channel };
        let input = if is_base64 { STANDARD.decode(input).unwrap_or_default() } else { input.to_vec() };
        let place = inputs.get_mut(usize::from(channel / 2)).filter(|_| channel % 2 == 0);
        if let Some(Some(write)) = place
            && write.write_all(&input).await.is_err()
        {
            return;
        }
    }
}
