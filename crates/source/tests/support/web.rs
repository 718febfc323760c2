//! A web server that holds pages: Helm repositories and registries are nothing more to those who read them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What is at an address.
#[derive(Clone, Default)]
pub struct Page {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Page {
    pub fn of(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[derive(Default)]
pub struct Site {
    /// By address, with its query where that matters.
    pub pages: HashMap<String, Page>,
    /// The one accepted `Authorization` for everything but `open`, and what to say to others.
    pub authorization: Option<(String, &'static str)>,
    pub open: Vec<String>,
}

pub struct Web {
    pub address: SocketAddr,
    scheme: &'static str,
    pub site: Arc<Mutex<Site>>,
    /// `METHOD target authorization`.
    pub log: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Web {
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    pub async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (site, log) = (Arc::<Mutex<Site>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let shared = (Arc::clone(&site), Arc::clone(&log));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let ((site, log), tls) = (shared.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &site, &log).await;
                            }
                        }
                        None => serve(stream, &site, &log).await,
                    }
                });
            }
        });
        Self { address, scheme, site, log, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}/{path}", self.scheme, self.address.port())
    }

    /// The address of a repository of a registry.
    pub fn oci(&self, path: &str) -> String {
        format!("oci://localhost:{}/{path}", self.address.port())
    }

    pub fn put(&self, target: &str, page: Page) {
        self.site.lock().expect("not poisoned").pages.insert(target.to_owned(), page);
    }

    pub fn remove(&self, target: &str) {
        self.site.lock().expect("not poisoned").pages.remove(target);
    }

    /// Wants this `Authorization` for all but what begins with one of `open`.
    pub fn guard(&self, authorization: &str, challenge: &'static str, open: &[&str]) {
        let mut site = self.site.lock().expect("not poisoned");
        site.authorization = Some((authorization.to_owned(), challenge));
        site.open = open.iter().map(|&text| text.to_owned()).collect();
    }

    /// How many requests began with this.
    pub fn count(&self, start: &str) -> usize {
        self.log.lock().expect("not poisoned").iter().filter(|line| line.starts_with(start)).count()
    }

    /// Publishes content under its digest and a tag; returns the digest of the manifest.
    pub fn push(&self, name: &str, tag: &str, media_type: &str, content: &[u8]) -> String {
        let layer = sha256(content);
        self.put(&format!("/v2/{name}/blobs/sha256:{layer}"), Page::of(content));
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/x","digest":"sha256:{layer}","size":1}},"layers":[{{"mediaType":"{media_type}","digest":"sha256:{layer}","size":{}}}]}}"#,
            content.len()
        );
        self.put_manifest(name, tag, &manifest)
    }

    pub fn put_manifest(&self, name: &str, tag: &str, manifest: &str) -> String {
        let digest = sha256(manifest.as_bytes());
        for reference in [tag, &format!("sha256:{digest}")] {
            let page = Page::of(manifest).with("Docker-Content-Digest", format!("sha256:{digest}"));
            self.put(&format!("/v2/{name}/manifests/{reference}"), page);
        }
        digest
    }
}

/// Answers one request and closes.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send, site: &Mutex<Site>, log: &Mutex<Vec<String>>) {
    let mut stream = BufReader::new(stream);
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        bytes.push(byte);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let authorization = headers.get("authorization").cloned().unwrap_or_default();
    log.lock().expect("not poisoned").push(format!("{method} {target} {authorization}").trim().to_owned());
    let page = {
        let site = site.lock().expect("not poisoned");
        let is_open = site.open.iter().any(|open| target.starts_with(open));
        let path = target.split('?').next().unwrap_or_default();
        match &site.authorization {
            Some((wanted, challenge)) if !is_open && *wanted != authorization => {
                Page { status: 401, ..Page::default() }
                    .with("WWW-Authenticate", challenge.replace("{host}", &headers["host"]))
            }
            _ => match site.pages.get(target).or_else(|| site.pages.get(path)) {
                Some(page) => page.clone(),
                None => Page { status: 404, ..Page::default() },
            },
        }
    };
    let known = page.headers.iter().find(|(name, _)| *name == "ETag").map(|(_, value)| value);
    let is_known = known.is_some() && known == headers.get("if-none-match");
    let (status, body) = if is_known { (304, &[][..]) } else { (page.status, &page.body[..]) };
    let mut answer = format!("HTTP/1.1 {status} As Told\r\nConnection: close\r\n");
    if !page.headers.iter().any(|(name, _)| *name == "Content-Length") && !is_known {
        write!(answer, "Content-Length: {}\r\n", body.len()).expect("a text takes all");
    }
    for (name, value) in &page.headers {
        write!(answer, "{name}: {value}\r\n").expect("a text takes all");
    }
    let _gone = stream.write_all(format!("{answer}\r\n").as_bytes()).await;
    if method != "HEAD" {
        let _gone = stream.write_all(body).await;
    }
    let _gone = stream.shutdown().await;
}

pub fn sha256(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

/// An archive with these files.
pub fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content.as_bytes()).expect("added");
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&builder.into_inner().expect("finished")).expect("packed");
    packed.finish().expect("packed")
}

/// A chart with one template.
pub fn chart(name: &str, version: &str) -> Vec<u8> {
    let about = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    packed(&[(&format!("{name}/Chart.yaml"), &about), (&format!("{name}/templates/a.yaml"), version)])
}
