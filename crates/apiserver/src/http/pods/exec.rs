//! `exec` and `attach`, over WebSocket (`v5.channel.k8s.io` and those before it) and over SPDY.

use std::sync::Arc;
use std::time::Duration;

use http::header::{SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderValue, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::line::{Line, Streams};
use super::shell::{End, Shell};
use super::{choose_container, log, status_of, text};
use crate::cluster::Cluster;
use crate::error::ApiError;
use crate::http::reply::{self, Body};
use crate::http::service::Call;
use crate::http::spdy::Gone;
use crate::http::upgrade::{self, STREAM_PROTOCOL};
use crate::registry::is_terminating;

/// The version of the protocol that the API server itself speaks; all others it passes on to the kubelet.
const NEWEST: &str = "v5.channel.k8s.io";

/// What kubelets speak over WebSocket.
const WEB_SOCKET: [&str; 4] =
    ["v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io"];

/// What kubelets speak over SPDY, in the order in which they say so.
const SPDY: [&str; 4] = ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];

/// A conversation that begins once the connection has changed its protocol.
#[derive(Debug)]
struct Session {
    cluster: Cluster,
    pod: Arc<Value>,
    container: String,
    /// The program to run; empty for an `attach`.
    command: Vec<String>,
    streams: Streams,
    is_running: bool,
}

pub(super) fn serve(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let name = call.info.name.as_deref().unwrap_or_default();
    let namespace = call.info.namespace.as_deref().unwrap_or_default();
    let pod = log::find(call.cluster, namespace, name).ok_or_else(|| log::missing(call, name))?;
    let container = choose_container(&pod, call.query.text("container"))?;
    if text(&pod, "/spec/nodeName").is_empty() {
        return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
    }
    if !upgrade::wants(call.headers) {
        return Err(ApiError::bad_request("Upgrade request required"));
    }
    let tty = call.query.flag("tty");
    let streams = Streams {
        stdin: call.query.flag("stdin"),
        stdout: call.query.flag("stdout"),
        // A terminal shows both as one.
        stderr: call.query.flag("stderr") && !tty,
        tty,
    };
    let command = match call.info.subresource.as_str() {
        "exec" => call.query.all("command"),
        _ => Vec::new(),
    };
    let is_running = status_of(&pod, &container).is_some_and(|status| status["state"].get("running").is_some());
    let session = Session { cluster: call.cluster.clone(), pod, container, command, streams, is_running };
    let is_web_socket = upgrade::wants_web_socket(call.headers);
    Ok(if is_web_socket { over_web_socket(call, session) } else { over_spdy(call, session) })
}

/// Refuses what a kubelet refuses before it changes the protocol.
fn refuse(session: &Session) -> Option<Response<Body>> {
    let Streams { stdin, stdout, stderr, .. } = session.streams;
    if !stdin && !stdout && !stderr {
        return Some(reply::text(400, "you must specify at least 1 of stdin, stdout, stderr"));
    }
    (!session.is_running).then(|| reply::text(500, &session.no_container()))
}

fn over_web_socket(call: &Call<'_>, session: Session) -> Response<Body> {
    let asked = upgrade::list(call.headers, &SEC_WEBSOCKET_PROTOCOL);
    let protocol = if asked.contains(&NEWEST) {
        NEWEST
    } else {
        if let Some(refusal) = refuse(&session) {
            return refusal;
        }
        match asked.iter().find_map(|asked| WEB_SOCKET.into_iter().find(|known| known == asked)) {
            Some(known) => known,
            None if asked.is_empty() => "",
            None => return reply::text(403, ""),
        }
    };
    upgrade::web_socket(call.headers, protocol, move |socket| async move {
        let stop = session.cluster.stopped().clone();
        let talk = async {
            if let Ok(line) = Line::over_web_socket(socket, protocol, session.streams).await {
                session.hold(line).await;
            }
        };
        let _ = stop.run_until_cancelled(talk).await;
    })
}

fn over_spdy(call: &Call<'_>, session: Session) -> Response<Body> {
    if let Some(refusal) = refuse(&session) {
        return refusal;
    }
    let protocol = match agree(call, &SPDY) {
        Ok(protocol) => protocol,
        Err(refusal) => return *refusal,
    };
    upgrade::spdy(protocol, move |connection| async move {
        let stop = session.cluster.stopped().clone();
        let talk = async {
            if let Ok(line) = Line::over_spdy(connection, protocol, session.streams).await {
                session.hold(line).await;
            }
        };
        let _ = stop.run_until_cancelled(talk).await;
    })
}

/// Finds the protocol to speak inside SPDY: the first of the client's that is known (k8s: `httpstream.Handshake`).
pub(super) fn agree(call: &Call<'_>, known: &[&'static str]) -> Result<&'static str, Box<Response<Body>>> {
    if !call.headers.contains_key(&STREAM_PROTOCOL) {
        let count = call.headers.len();
        let why = format!(
            "unable to upgrade: header X-Stream-Protocol-Version does not exist in request with {count} headers"
        );
        return Err(Box::new(reply::text(400, &(why + "\n"))));
    }
    let asked = upgrade::list(call.headers, &STREAM_PROTOCOL);
    if let Some(agreed) = asked.iter().find_map(|asked| known.iter().find(|known| *known == asked)) {
        if call.header(UPGRADE).to_ascii_lowercase().contains("spdy/3.1") {
            return Ok(agreed);
        }
        return Err(Box::new(reply::text(400, "unable to upgrade: missing upgrade headers in request\n")));
    }
    let why = format!(
        "unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{}]\n",
        asked.join(" "),
        known.join(" ")
    );
    let mut refusal = reply::text(403, &why);
    for protocol in known {
        refusal.headers_mut().append("x-accepted-stream-protocol-versions", HeaderValue::from_static(protocol));
    }
    Err(Box::new(refusal))
}

impl Session {
    fn no_container(&self) -> String {
        format!("container not found ({:?})", self.container)
    }

    async fn hold(&self, mut line: Line) {
        let status = if !self.is_running {
            Ok(internal(&format!("unable to upgrade connection: {}", self.no_container())))
        } else if self.command.is_empty() {
            self.attach(&mut line).await
        } else {
            self.exec(&mut line).await
        };
        if let Ok(status) = status {
            line.end(&status).await;
        }
    }

    async fn exec(&self, line: &mut Line) -> Result<Value, Gone> {
        let mut shell = Shell::new(&self.pod, &self.container, self.cluster.clock().now());
        let is_shell = self.command.len() == 1 && ["sh", "bash"].contains(&last_part(&self.command[0]));
        if is_shell && self.streams.stdin {
            return self.converse(line, &mut shell).await.map(ended);
        }
        let (effects, end) = shell.run(&self.command);
        line.carry_out(effects).await?;
        Ok(match end {
            End::Code(code) => ended(code),
            End::NoProgram(program) => internal(&format!(
                "error executing command in container: exec: {program:?}: executable file not found in $PATH"
            )),
        })
    }

    /// Reads commands line by line until the input ends or `exit` is said.
    async fn converse(&self, line: &mut Line, shell: &mut Shell) -> Result<i32, Gone> {
        let tty = self.streams.tty;
        let mut pending = String::new();
        if tty {
            line.out(b"/ # ").await?;
        }
        loop {
            let Some(input) = line.read().await? else { return Ok(shell.last()) };
            for letter in String::from_utf8_lossy(&input).chars() {
                match letter {
                    '\u{4}' if pending.is_empty() => return Ok(shell.last()),
                    '\u{3}' => pending.clear(),
                    '\u{7f}' | '\u{8}' => {
                        if pending.pop().is_some() && tty {
                            line.out(b"\x08 \x08").await?;
                        }
                    }
                    '\r' | '\n' => {
                        if tty {
                            line.out(b"\r\n").await?;
                        }
                        let (effects, exit) = shell.line(&std::mem::take(&mut pending));
                        line.carry_out(effects).await?;
                        if let Some(code) = exit {
                            return Ok(code);
                        }
                        if tty {
                            line.out(b"/ # ").await?;
                        }
                    }
                    letter => {
                        pending.push(letter);
                        if tty {
                            line.out(letter.encode_utf8(&mut [0; 4]).as_bytes()).await?;
                        }
                    }
                }
            }
        }
    }

    /// Shows what the container writes from now on until it ends or the client goes; what is said to it, it does not hear.
    async fn attach(&self, line: &mut Line) -> Result<Value, Gone> {
        let (namespace, name) = (text(&self.pod, "/metadata/namespace"), text(&self.pod, "/metadata/name"));
        let mut pods = self.cluster.admin().watch(&crate::resource::Gvr::new("", "v1", "pods")).map_err(|_| Gone)?;
        let mut told = self.cluster.clock().now();
        loop {
            pods.poll();
            let pod = log::find(&self.cluster, namespace, name);
            let same = pod.filter(|pod| pod["metadata"]["uid"] == self.pod["metadata"]["uid"] && !is_terminating(pod));
            let Some(pod) = same else { return Ok(ended(0)) };
            let status = status_of(&pod, &self.container);
            let state = status.map_or(&Value::Null, |status| &status["state"]);
            let now = self.cluster.clock().now();
            let next = self.show(line, &pod, told, now).await?;
            told = now;
            if state.get("running").is_none() {
                let code = state["terminated"]["exitCode"].as_i64().unwrap_or(0);
                return Ok(ended(i32::try_from(code).unwrap_or(1)));
            }
            tokio::select! {
                _ = pods.next() => {}
                () = log::sleep(next) => {}
                () = line.gone() => return Err(Gone),
            }
        }
    }

    /// Sends the lines written since `told`, and returns how long it is until the next.
    async fn show(
        &self,
        line: &mut Line,
        pod: &Value,
        told: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Duration>, Gone> {
        let Ok(run) = log::run_of(pod, &self.container, false) else { return Ok(None) };
        let end = if self.streams.tty { "\r\n" } else { "\n" };
        for fresh in run.lines(now).into_iter().filter(|line| line.at > told) {
            line.out((fresh.text + end).as_bytes()).await?;
        }
        let wait = run.next(now).map(|next| next.as_millisecond() - now.as_millisecond());
        Ok(wait.map(|wait| Duration::from_millis(u64::try_from(wait).unwrap_or(0).max(1))))
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
fn internal(why: &str) -> Value {
    json!({
        "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
        "message": format!("Internal error occurred: {why}"),
        "details": { "causes": [{ "message": why }] },
    })
}
