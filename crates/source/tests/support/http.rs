//! A web server in front of `git http-backend`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// How the server behaves.
#[derive(Default)]
pub struct Rules {
    /// The one accepted `Authorization`; all are welcome without.
    pub authorization: Option<String>,
    pub tls: Option<TlsAcceptor>,
    /// Sends this many bytes of a pack and then nothing more.
    pub hang_after: Option<usize>,
    /// Sends this many bytes of a pack and then hangs up.
    pub cut_after: Option<usize>,
    /// Changes bytes in the midst of every pack.
    pub garble: bool,
    /// Ignores the wish for version 2, as old servers do.
    pub version_zero: bool,
    /// Sends whoever asks for the first to the second.
    pub redirect: Option<(String, String)>,
    /// Answers everything with this status.
    pub status: Option<u16>,
}

pub struct Server {
    pub address: SocketAddr,
    scheme: &'static str,
    pub log: Arc<Mutex<Vec<String>>>,
    pub rules: Arc<Mutex<Rules>>,
    pub sent: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Shared {
    backend: PathBuf,
    root: PathBuf,
    rules: Arc<Mutex<Rules>>,
    log: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
}

impl Server {
    pub async fn start(backend: &Path, root: &Path, rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let tls = rules.tls.clone();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let rules = Arc::new(Mutex::new(rules));
        let log = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::new(AtomicUsize::new(0));
        let shared = Arc::new(Shared {
            backend: backend.into(),
            root: root.into(),
            rules: Arc::clone(&rules),
            log: Arc::clone(&log),
            sent: Arc::clone(&sent),
        });
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &shared).await;
                            }
                        }
                        None => serve(stream, &shared).await,
                    }
                });
            }
        });
        Self { address, scheme, log, rules, sent, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}/{path}", self.scheme, self.address.port())
    }

    /// How many requests began with this.
    pub fn count(&self, start: &str) -> usize {
        self.log.lock().expect("not poisoned").iter().filter(|line| line.starts_with(start)).count()
    }
}

/// Answers one request and closes.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    let Some((line, headers)) = head(&mut stream).await else { return };
    let mut body = vec![0; headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    shared.log.lock().expect("not poisoned").push(format!("{method} {target} {}", String::from_utf8_lossy(&body)));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (refusal, hang_after, cut_after, version_zero, garble) = {
        let rules = shared.rules.lock().expect("not poisoned");
        let refusal = if let Some(status) = rules.status {
            Some(format!("HTTP/1.1 {status} As Told\r\n"))
        } else if let Some((from, to)) = rules.redirect.as_ref().filter(|(from, _)| path.starts_with(from)) {
            Some(format!("HTTP/1.1 301 Moved\r\nLocation: {}?{query}\r\n", path.replacen(from, to, 1)))
        } else if rules.authorization.is_some() && rules.authorization.as_ref() != headers.get("authorization") {
            Some("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\n".to_owned())
        } else {
            None
        };
        (refusal, rules.hang_after, rules.cut_after, rules.version_zero, rules.garble)
    };
    if let Some(refusal) = refusal {
        let answer = format!("{refusal}Content-Length: 0\r\nConnection: close\r\n\r\n");
        let _gone = stream.write_all(answer.as_bytes()).await;
        let _gone = stream.shutdown().await;
        return;
    }
    let mut command = Command::new(&shared.backend);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", method)
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(kind) = headers.get("content-type") {
        command.env("CONTENT_TYPE", kind);
    }
    if let Some(version) = headers.get("git-protocol").filter(|_| !version_zero) {
        command.env("GIT_PROTOCOL", version);
    }
    let mut child = command.spawn().expect("git-http-backend runs");
    child.stdin.take().expect("is piped").write_all(&body).await.expect("is read");
    let mut output = BufReader::new(child.stdout.take().expect("is piped"));
    let mut answer = Vec::new();
    output.read_to_end(&mut answer).await.expect("is written");
    child.wait().await.expect("ends");
    shared.sent.fetch_add(answer.len(), Ordering::Relaxed);
    let split = answer.windows(4).position(|part| part == b"\r\n\r\n").expect("CGI has headers") + 4;
    let (head, content) = answer.split_at(split);
    let head = String::from_utf8_lossy(head).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let is_pack = content.windows(4).any(|part| part == b"PACK");
    let mut content = content.to_vec();
    if garble && is_pack {
        let start = content.windows(4).position(|part| part == b"PACK").expect("is there") + 12;
        content[start..].iter_mut().take(20).for_each(|byte| *byte = !*byte);
    }
    let limit = hang_after.or(cut_after).filter(|_| is_pack).unwrap_or(content.len()).min(content.len());
    let start = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{head}", content.len());
    let _gone = stream.write_all(start.as_bytes()).await;
    let _gone = stream.write_all(&content[..limit]).await;
    let _gone = stream.flush().await;
    if is_pack && hang_after.is_some() {
        // Until the client hangs up.
        let _end = stream.read(&mut [0; 1]).await;
    }
    let _gone = stream.shutdown().await;
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, HashMap<String, String>)> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines = text.lines();
    let line = lines.next()?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Some((line, headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()))
}
