//! The two servers, asked alike.

use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;

use bowline_apiserver::{Authorization, Cluster, Options};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tower::ServiceExt as _;

use super::script::Plane;

const ADMIN_TOKEN: &str = "parity-admin";
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) enum Credentials {
    Admin,
    None,
    Token(String),
}

pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) credentials: Credentials,
}

type Chunks = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Chunks,
}

impl Answer {
    /// Reads the whole body; what has not come after a while is left out.
    pub(super) async fn whole(mut self) -> Bytes {
        let mut all = BytesMut::new();
        while let Ok(Some(chunk)) = tokio::time::timeout(PATIENCE, self.body.next()).await {
            all.extend_from_slice(&chunk);
        }
        all.freeze()
    }
}

/// The lines of a watch.
pub(super) struct Lines {
    body: Chunks,
    rest: BytesMut,
}

impl Lines {
    pub(super) fn new(body: Chunks) -> Self {
        Self { body, rest: BytesMut::new() }
    }

    /// Returns the next line, or `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                return Some(self.rest.split_to(end + 1).freeze());
            }
            match self.body.next().await {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None if self.rest.is_empty() => return None,
                None => return Some(self.rest.split().freeze()),
            }
        }
    }
}

pub(super) enum Server {
    Ours(Cluster),
    Real { client: reqwest::Client, base: String, token: String },
}

impl Server {
    /// Makes a cluster of this crate.
    pub(super) fn ours(plane: Plane) -> Self {
        let options = Options {
            controllers: plane == Plane::Busy,
            token: Some(ADMIN_TOKEN.to_owned()),
            authorization: Authorization::Rbac,
            ..Options::default()
        };
        Self::Ours(Cluster::new(options))
    }

    pub(super) async fn ask(&self, asked: &Asked) -> Answer {
        let token = match (&asked.credentials, self) {
            (Credentials::None, _) => None,
            (Credentials::Token(token), _) => Some(token.clone()),
            (Credentials::Admin, Self::Ours(_)) => Some(ADMIN_TOKEN.to_owned()),
            (Credentials::Admin, Self::Real { token, .. }) => Some(token.clone()),
        };
        let mut request = http::Request::builder().method(asked.method.as_str());
        request = match self {
            Self::Ours(_) => request.uri(asked.path.as_str()).header("host", "127.0.0.1:1"),
            Self::Real { base, .. } => request.uri(format!("{base}{}", asked.path)),
        };
        for (name, value) in &asked.headers {
            request = request.header(name, value);
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = asked.body.clone();
        match self {
            Self::Ours(cluster) => {
                let request = request.body(Full::new(body)).unwrap_or_else(|error| panic!("{}: {error}", asked.path));
                let answer = cluster.service().oneshot(request).await.expect("no fault is set");
                let (parts, body) = answer.into_parts();
                let body = body.into_data_stream().filter_map(|chunk| async { chunk.ok() });
                Answer { status: parts.status.as_u16(), headers: parts.headers, body: Box::pin(body) }
            }
            Self::Real { client, .. } => {
                let request = request.body(body).unwrap_or_else(|error| panic!("{}: {error}", asked.path));
                let request = reqwest::Request::try_from(request).expect("an HTTP request is one");
                let answer = client.execute(request).await.expect("the real server answers");
                let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                let body = answer.bytes_stream().filter_map(|chunk| async { chunk.ok() });
                Answer { status, headers, body: Box::pin(body) }
            }
        }
    }

    async fn value(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let answer = self
            .ask(&Asked {
                method: method.to_owned(),
                path: path.to_owned(),
                headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                body: if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) },
                credentials: Credentials::Admin,
            })
            .await;
        let status = answer.status;
        (status, serde_json::from_slice(&answer.whole().await).unwrap_or(Value::Null))
    }

    /// Makes a namespace, and waits until it has what every namespace gets.
    pub(super) async fn make_namespace(&self, name: &str) {
        let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        let (status, answer) = self.value("POST", "/api/v1/namespaces?fieldManager=setup", body).await;
        assert_eq!(status, 201, "cannot make namespace {name}: {answer}");
        if matches!(self, Self::Ours(_)) {
            // It makes them with the namespace; cases about them would show if it did not.
            return;
        }
        for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
            let mut looks = 0;
            while self.value("GET", &format!("/api/v1/namespaces/{name}/{path}"), Value::Null).await.0 != 200 {
                looks += 1;
                assert!(looks < 400, "namespace {name} does not get its {path}");
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        }
    }
}

/// The real control planes, for as long as this lives.
pub(super) struct Planes {
    quiet: Option<(Server, tokio::process::Child)>,
    busy: Option<(Server, tokio::process::Child)>,
}

impl Planes {
    pub(super) async fn start(program: &Path, quiet: bool, busy: bool) -> Self {
        let quiet = async {
            if !quiet {
                return None;
            }
            Some(start(program, &["-housekeeping", "-service-accounts", "-nodes", "0"]).await)
        };
        let busy = async {
            if !busy {
                return None;
            }
            Some(start(program, &["-service-accounts", "-nodes", "1"]).await)
        };
        let (quiet, busy) = futures::join!(quiet, busy);
        Self { quiet, busy }
    }

    pub(super) fn of(&self, plane: Plane) -> &Server {
        let plane = if plane == Plane::Quiet { &self.quiet } else { &self.busy };
        &plane.as_ref().expect("holds because every plane that a case needs was started").0
    }
}

async fn start(program: &Path, arguments: &[&str]) -> (Server, tokio::process::Child) {
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(false)
        .spawn()
        .expect("the control plane can be started");
    let output = child.stdout.take().expect("holds because it is piped");
    let mut lines = BufReader::new(output).lines();
    let line = tokio::time::timeout(Duration::from_mins(2), lines.next_line())
        .await
        .expect("the control plane is ready in time")
        .expect("its output can be read")
        .expect("it says when it is ready");
    let ready: Value = serde_json::from_str(&line).expect("it says so in JSON");
    let client = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client can be made");
    let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
    (Server::Real { client, base: text("server"), token: text("token") }, child)
}
