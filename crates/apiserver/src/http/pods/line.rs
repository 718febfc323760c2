//! The line between a client and a command: the same five streams over WebSocket or SPDY.
//!
//! Over WebSocket each message begins with its channel: 0 input, 1 output, 2 errors, 3 the result, 4 the terminal's size
//! and, since version 5, 255 with the channel that ends; the `base64` protocols spell both in letters. Over SPDY each is a
//! stream whose header `streamType` names it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::shell::Effect;
use crate::http::spdy::{Connection, Gone, StreamReader, StreamWriter};
use crate::http::upgrade::Socket;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const RESULT: u8 = 3;
/// Version 5 says with this which channel ends.
const CLOSE: u8 = 255;

/// How long a client may take to begin the streams it asked for.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Which streams the client wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
}

/// How a version of the protocol tells the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Results {
    /// A Status in JSON.
    Status,
    /// A text when something went wrong, nothing otherwise.
    Text,
}

/// The connection; whatever goes wrong with it ends the session.
pub(super) struct Line {
    wire: Wire,
    pub(super) streams: Streams,
    results: Results,
}

enum Wire {
    WebSocket { socket: Box<Socket>, is_base64: bool },
    Spdy(Box<Spdy>),
}

struct Spdy {
    connection: Connection,
    stdin: Option<StreamReader>,
    stdout: Option<StreamWriter>,
    stderr: Option<StreamWriter>,
    result: Option<StreamWriter>,
}

impl Line {
    /// Opens the line over a WebSocket, and lets the client know that it is there.
    pub(super) async fn over_web_socket(socket: Socket, protocol: &str, streams: Streams) -> Result<Self, Gone> {
        let results = match protocol {
            "" | "channel.k8s.io" | "base64.channel.k8s.io" => Results::Text,
            _ => Results::Status,
        };
        let wire = Wire::WebSocket { socket: Box::new(socket), is_base64: protocol.contains("base64.") };
        let mut line = Self { wire, streams, results };
        let first = if streams.stdout {
            STDOUT
        } else if streams.stderr {
            STDERR
        } else {
            RESULT
        };
        line.send(first, b"").await?;
        Ok(line)
    }

    /// Opens the line over SPDY, once the client has begun every stream it asked for.
    pub(super) async fn over_spdy(connection: Connection, protocol: &str, streams: Streams) -> Result<Self, Gone> {
        let results = if protocol == "v4.channel.k8s.io" { Results::Status } else { Results::Text };
        let resizes = streams.tty && ["v4.channel.k8s.io", "v3.channel.k8s.io"].contains(&protocol);
        let wanted = [true, streams.stdin, streams.stdout, streams.stderr, resizes];
        let mut missing = wanted.iter().filter(|wanted| **wanted).count();
        let mut spdy = Spdy { connection, stdin: None, stdout: None, stderr: None, result: None };
        let deadline = Instant::now() + PATIENCE;
        while missing > 0 {
            let offer = tokio::time::timeout_at(deadline, spdy.connection.next()).await.map_err(|_| Gone)??;
            let kind = offer.header("streamtype").to_owned();
            let (reader, writer) = offer.take().await?;
            match kind.as_str() {
                "stdin" => spdy.stdin = Some(reader),
                "stdout" => spdy.stdout = Some(writer),
                "stderr" => spdy.stderr = Some(writer),
                "error" => spdy.result = Some(writer),
                // Nothing here has a size.
                "resize" => {}
                _ => continue,
            }
            missing -= 1;
        }
        Ok(Self { wire: Wire::Spdy(Box::new(spdy)), streams, results })
    }

    /// Sends output.
    pub(super) async fn out(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if self.streams.stdout { self.send(STDOUT, bytes).await } else { Ok(()) }
    }

    async fn err(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if self.streams.stderr { self.send(STDERR, bytes).await } else { Ok(()) }
    }

    async fn send(&mut self, channel: u8, bytes: &[u8]) -> Result<(), Gone> {
        match &mut self.wire {
            Wire::WebSocket { socket, is_base64 } => {
                let message = if *is_base64 {
                    Message::Text(format!("{}{}", char::from(b'0' + channel), STANDARD.encode(bytes)).into())
                } else {
                    Message::Binary([&[channel], bytes].concat().into())
                };
                socket.send(message).await.map_err(|_| Gone)
            }
            Wire::Spdy(spdy) => {
                let stream = match channel {
                    STDOUT => &spdy.stdout,
                    STDERR => &spdy.stderr,
                    _ => &spdy.result,
                };
                match stream {
                    Some(stream) => stream.send(bytes).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// Returns the next input; `None` when it has ended.
    pub(super) async fn read(&mut self) -> Result<Option<Vec<u8>>, Gone> {
        match &mut self.wire {
            Wire::WebSocket { socket, is_base64 } => loop {
                let Some(Ok(message)) = socket.next().await else { return Err(Gone) };
                let bytes = match message {
                    Message::Binary(bytes) => bytes.to_vec(),
                    Message::Text(text) => text.as_bytes().to_vec(),
                    Message::Close(_) => return Err(Gone),
                    _ => continue,
                };
                match bytes.split_first() {
                    Some((&CLOSE, [STDIN])) => return Ok(None),
                    Some((b'0', input)) if *is_base64 => match STANDARD.decode(input) {
                        Ok(input) if !input.is_empty() => return Ok(Some(input)),
                        _ => {}
                    },
                    Some((&STDIN, input)) if !input.is_empty() && !*is_base64 => return Ok(Some(input.to_vec())),
                    _ => {}
                }
            },
            Wire::Spdy(spdy) => {
                if let Some(stdin) = &mut spdy.stdin {
                    let input = stdin.next().await;
                    if input.is_none() {
                        spdy.stdin = None;
                    }
                    return Ok(input.map(|input| input.to_vec()));
                }
                // What else the client begins is none of the streams it may have.
                let offer = spdy.connection.next().await?;
                offer.refuse().await?;
                Ok(None)
            }
        }
    }

    /// Waits until the client is gone, hearing nothing of what it says; never, where that cannot be known.
    pub(super) async fn gone(&mut self) {
        loop {
            match self.read().await {
                Ok(Some(_)) => {}
                Ok(None) if matches!(self.wire, Wire::Spdy(_)) => {}
                Ok(None) => std::future::pending().await,
                Err(Gone) => return,
            }
        }
    }

    pub(super) async fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Gone> {
        // A terminal has one stream, whose lines begin at the left only when told so.
        let tty = self.streams.tty;
        let raw = |text: String| if tty { text.replace('\n', "\r\n") } else { text };
        for effect in effects {
            match effect {
                Effect::Out(text) => self.out(raw(text).as_bytes()).await?,
                Effect::Err(text) if tty => self.out(raw(text).as_bytes()).await?,
                Effect::Err(text) => self.err(text.as_bytes()).await?,
                Effect::Sleep(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                Effect::Copy => {
                    while let Some(input) = if self.streams.stdin { self.read().await? } else { None } {
                        self.out(&input).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells the result, and ends the line.
    pub(super) async fn end(mut self, status: &Value) {
        let told = match self.results {
            Results::Status => status.to_string(),
            Results::Text if status["status"] == "Success" => String::new(),
            Results::Text => status["message"].as_str().unwrap_or_default().to_owned(),
        };
        if !told.is_empty() && self.send(RESULT, told.as_bytes()).await.is_err() {
            return;
        }
        match self.wire {
            Wire::WebSocket { mut socket, .. } => {
                // Clients take an end without a code for an accident.
                let end = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
                let _ = Socket::close(&mut socket, Some(end)).await;
            }
            Wire::Spdy(spdy) => {
                for stream in [&spdy.stdout, &spdy.stderr, &spdy.result].into_iter().flatten() {
                    let _ = stream.finish().await;
                }
                spdy.connection.end().await;
            }
        }
    }
}
