//! `exec` and `attach` over WebSocket, in the protocols `v5.channel.k8s.io`, `v4.channel.k8s.io` and `channel.k8s.io`.
//!
//! Each message begins with its channel: 0 input, 1 output, 2 errors, 3 the result, 4 the terminal's size and, since version
//! 5, 255 with the channel that ends. The older SPDY protocol is refused; clients since 1.31 ask for WebSocket first.

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::shell::{Effect, End, Shell};
use super::{choose_container, log, status_of, text};
use crate::cluster::Cluster;
use crate::error::ApiError;
use crate::http::reply::{self, Body};
use crate::http::service::Call;
use crate::registry::is_terminating;

/// The protocols spoken here, best first.
const PROTOCOLS: [&str; 3] = ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"];

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const RESULT: u8 = 3;
/// Version 5 says with this which channel ends.
const CLOSE: u8 = 255;

/// A conversation that begins once the connection has changed its protocol.
#[derive(Debug, Clone)]
pub(in crate::http) struct Session {
    cluster: Cluster,
    pod: Arc<Value>,
    container: String,
    /// The program to run; empty for an `attach`.
    command: Vec<String>,
    streams: Streams,
}

/// Which streams the client wants.
#[derive(Debug, Clone, Copy)]
struct Streams {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
}

pub(super) fn serve(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let name = call.info.name.as_deref().unwrap_or_default();
    let namespace = call.info.namespace.as_deref().unwrap_or_default();
    let pod = log::find(call.cluster, namespace, name).ok_or_else(|| log::missing(call, name))?;
    let container = choose_container(&pod, call.query.text("container"))?;
    if text(&pod, "/spec/nodeName").is_empty() {
        return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
    }
    let protocol = protocol(call)?;
    let running = status_of(&pod, &container).is_some_and(|status| status["state"].get("running").is_some());
    if !running {
        let message = format!("unable to upgrade connection: container not found (\"{container}\")");
        return Err(ApiError::new(500, "InternalError", message));
    }
    let streams = Streams {
        stdin: call.query.flag("stdin"),
        stdout: call.query.flag("stdout"),
        stderr: call.query.flag("stderr"),
        tty: call.query.flag("tty"),
    };
    if !streams.stdin && !streams.stdout && !streams.stderr {
        return Err(ApiError::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    let command = match call.info.subresource.as_str() {
        "exec" => call.query.all("command"),
        _ => Vec::new(),
    };
    let mut answer = reply::bytes(101, "text/plain", bytes::Bytes::new());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.clear();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let key = derive_accept_key(call.header(SEC_WEBSOCKET_KEY).as_bytes());
    if let Ok(key) = HeaderValue::from_str(&key) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, key);
    }
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    let cluster = call.cluster.clone();
    answer.extensions_mut().insert(Session { cluster, pod, container, command, streams });
    Ok(answer)
}

fn protocol(call: &Call<'_>) -> Result<&'static str, ApiError> {
    if !call.header(UPGRADE).eq_ignore_ascii_case("websocket") {
        return Err(ApiError::bad_request("Upgrade request required"));
    }
    let asked: Vec<&str> = call.header(SEC_WEBSOCKET_PROTOCOL).split(',').map(str::trim).collect();
    let known = PROTOCOLS.into_iter().find(|protocol| asked.contains(protocol));
    known.ok_or_else(|| ApiError::bad_request(format!("unable to upgrade: none of {asked:?} is spoken here")))
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// The connection, or its end, which ends the session.
struct Line {
    socket: Socket,
    streams: Streams,
}

struct Gone;

impl Session {
    /// Holds the conversation on a connection that has changed its protocol.
    pub(in crate::http) async fn hold(self, upgraded: hyper::upgrade::Upgraded) {
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let mut line = Line { socket, streams: self.streams };
        let stop = self.cluster.stopped().clone();
        let talk = async {
            let status =
                if self.command.is_empty() { self.attach(&mut line).await } else { self.exec(&mut line).await };
            if let Ok(status) = status {
                let _ = line.send(RESULT, status.to_string().as_bytes()).await;
                // Clients take an end without a code for an accident.
                let end = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
                let _ = line.socket.close(Some(end)).await;
            }
        };
        let _ = stop.run_until_cancelled(talk).await;
    }

    async fn exec(&self, line: &mut Line) -> Result<Value, Gone> {
        line.greet().await?;
        let mut shell = Shell::new(&self.pod, &self.container, self.cluster.clock().now());
        let is_shell = self.command.len() == 1 && ["sh", "bash"].contains(&last_part(&self.command[0]));
        if is_shell && self.streams.stdin {
            return self.converse(line, &mut shell).await.map(ended);
        }
        let (effects, end) = shell.run(&self.command);
        line.carry_out(effects).await?;
        Ok(match end {
            End::Code(code) => ended(code),
            End::NoProgram(program) => no_program(&program),
        })
    }

    /// Reads commands line by line until the input ends or `exit` is said.
    async fn converse(&self, line: &mut Line, shell: &mut Shell) -> Result<i32, Gone> {
        let tty = self.streams.tty;
        let mut pending = String::new();
        if tty {
            line.send(STDOUT, b"/ # ").await?;
        }
        loop {
            let Some(input) = line.read().await? else { return Ok(shell.last()) };
            for letter in String::from_utf8_lossy(&input).chars() {
                match letter {
                    '\u{4}' if pending.is_empty() => return Ok(shell.last()),
                    '\u{3}' => pending.clear(),
                    '\u{7f}' | '\u{8}' => {
                        if pending.pop().is_some() && tty {
                            line.send(STDOUT, b"\x08 \x08").await?;
                        }
                    }
                    '\r' | '\n' => {
                        if tty {
                            line.send(STDOUT, b"\r\n").await?;
                        }
                        let (effects, exit) = shell.line(&std::mem::take(&mut pending));
                        line.carry_out(effects).await?;
                        if let Some(code) = exit {
                            return Ok(code);
                        }
                        if tty {
                            line.send(STDOUT, b"/ # ").await?;
                        }
                    }
                    letter => {
                        pending.push(letter);
                        if tty {
                            line.send(STDOUT, letter.encode_utf8(&mut [0; 4]).as_bytes()).await?;
                        }
                    }
                }
            }
        }
    }

    /// Stays with the container until it ends or the client goes; what is said to it, it does not hear.
    async fn attach(&self, line: &mut Line) -> Result<Value, Gone> {
        line.greet().await?;
        let (namespace, name) = (text(&self.pod, "/metadata/namespace"), text(&self.pod, "/metadata/name"));
        let mut pods = self.cluster.admin().watch(&crate::resource::Gvr::new("", "v1", "pods")).map_err(|_| Gone)?;
        loop {
            pods.poll();
            let pod = log::find(&self.cluster, namespace, name);
            let same = pod.filter(|pod| pod["metadata"]["uid"] == self.pod["metadata"]["uid"] && !is_terminating(pod));
            let status = same.as_deref().and_then(|pod| status_of(pod, &self.container));
            let state = status.map_or(&Value::Null, |status| &status["state"]);
            if state.get("running").is_none() {
                let code = state["terminated"]["exitCode"].as_i64().unwrap_or(0);
                return Ok(ended(i32::try_from(code).unwrap_or(1)));
            }
            tokio::select! {
                _ = pods.next() => {}
                input = line.read() => {
                    if input?.is_none() && !line.streams.stdout {
                        return Ok(ended(0));
                    }
                }
            }
        }
    }
}

impl Line {
    /// Sends an empty message, by which the client knows that the streams are there.
    async fn greet(&mut self) -> Result<(), Gone> {
        let channel = if self.streams.stdout {
            STDOUT
        } else if self.streams.stderr {
            STDERR
        } else {
            RESULT
        };
        self.send(channel, b"").await
    }

    async fn send(&mut self, channel: u8, bytes: &[u8]) -> Result<(), Gone> {
        let wanted = match channel {
            STDOUT => self.streams.stdout,
            STDERR => self.streams.stderr,
            _ => true,
        };
        if !wanted {
            return Ok(());
        }
        let mut message = Vec::with_capacity(bytes.len() + 1);
        message.push(channel);
        message.extend_from_slice(bytes);
        self.socket.send(Message::Binary(message.into())).await.map_err(|_| Gone)
    }

    /// Returns the next input; `None` when it has ended.
    async fn read(&mut self) -> Result<Option<Vec<u8>>, Gone> {
        loop {
            let Some(Ok(message)) = self.socket.next().await else { return Err(Gone) };
            let bytes = match message {
                Message::Binary(bytes) => bytes.to_vec(),
                Message::Text(text) => text.as_bytes().to_vec(),
                Message::Close(_) => return Err(Gone),
                _ => continue,
            };
            match bytes.split_first() {
                Some((&STDIN, input)) if !input.is_empty() => return Ok(Some(input.to_vec())),
                Some((&CLOSE, [STDIN])) => return Ok(None),
                _ => {}
            }
        }
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Gone> {
        // A terminal has one stream, whose lines begin at the left only when told so.
        let raw = |text: String, tty: bool| if tty { text.replace('\n', "\r\n") } else { text };
        let tty = self.streams.tty;
        for effect in effects {
            match effect {
                Effect::Out(text) => self.send(STDOUT, raw(text, tty).as_bytes()).await?,
                Effect::Err(text) => {
                    self.send(if tty { STDOUT } else { STDERR }, raw(text, tty).as_bytes()).await?;
                }
                Effect::Sleep(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                Effect::Copy => {
                    while let Some(input) = if self.streams.stdin { self.read().await? } else { None } {
                        self.send(STDOUT, &input).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The result of a command that ran.
fn ended(code: i32) -> Value {
    if code == 0 {
        return json!({ "metadata": {}, "status": "Success" });
    }
    json!({
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
    })
}

/// The result of a command that could not be started.
fn no_program(program: &str) -> Value {
    let why = format!("error executing command in container: exec: {program:?}: executable file not found in $PATH");
    json!({
        "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
        "message": format!("Internal error occurred: {why}"),
        "details": { "causes": [{ "message": why }] },
    })
}
