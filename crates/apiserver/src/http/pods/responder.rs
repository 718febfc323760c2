//! What a forwarded connection reaches, since nothing runs in a pod: a page that names the pod, or what its annotation
//! `sim.bowline.dev/port-forward` says.
//!
//! The annotation lists ports with addresses of this machine, `80=127.0.0.1:8080,5432=[::1]:15432`; others than loopback
//! addresses are refused, so that a pod cannot be used to reach what its maker cannot. A pod that declares ports answers at
//! those alone, as a program that listens there would; one that declares none answers at all of them.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::net::TcpStream;

use super::text;

/// The annotation that leads connections elsewhere.
const ANNOTATION: &str = "sim.bowline.dev/port-forward";

/// Where a connection to a port of a pod ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// At the page.
    Page { pod: String, namespace: String, port: u16 },
    /// At a program of this machine.
    Address(SocketAddr),
}

impl Target {
    /// Finds out who listens; the error is that of a connection nobody takes.
    pub(super) fn of(pod: &Value, port: u16) -> Result<Self, String> {
        let refused = || format!("dial tcp4 127.0.0.1:{port}: connect: connection refused");
        let annotation = pod["metadata"]["annotations"][ANNOTATION].as_str().unwrap_or_default();
        for entry in annotation.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (key, address) = entry.split_once('=').unwrap_or((entry, ""));
            if key.trim().parse() != Ok(port) {
                continue;
            }
            let address: SocketAddr =
                address.trim().parse().map_err(|_| format!("annotation {ANNOTATION}: {address:?} is no address"))?;
            if !address.ip().is_loopback() {
                return Err(format!("annotation {ANNOTATION}: {address} is no loopback address"));
            }
            return Ok(Self::Address(address));
        }
        if !listens(pod, port) {
            return Err(refused());
        }
        let of = |pointer| text(pod, pointer).to_owned();
        Ok(Self::Page { pod: of("/metadata/name"), namespace: of("/metadata/namespace"), port })
    }

    /// Opens a connection.
    pub(super) async fn connect(self, buffer_bytes: usize) -> Result<DuplexStream, String> {
        let (near, mut far) = tokio::io::duplex(buffer_bytes);
        match self {
            Self::Address(address) => {
                let mut program = TcpStream::connect(address)
                    .await
                    .map_err(|error| format!("dial tcp {address}: connect: {}", said(&error)))?;
                tokio::spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut far, &mut program).await;
                });
            }
            page @ Self::Page { .. } => {
                tokio::spawn(async move {
                    let answer = |request: Request<Incoming>| {
                        let answer = page.page(&request);
                        async move { Ok::<_, Infallible>(answer) }
                    };
                    let service = hyper::service::service_fn(answer);
                    let mut builder = hyper::server::conn::http1::Builder::new();
                    // Whoever has said all it has to say still waits for the answer.
                    builder.half_close(true);
                    if let Err(error) = builder.serve_connection(TokioIo::new(far), service).await {
                        tracing::debug!(%error, "A forwarded connection ended early");
                    }
                });
            }
        }
        Ok(near)
    }

    fn page<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let Self::Page { pod, namespace, port } = self else { return Response::new(Full::default()) };
        let mut page = String::from("<!doctype html>\n<meta charset=\"utf-8\">\n");
        let _ = write!(
            page,
            "<title>{pod}</title>\n<h1>{pod}</h1>\n<p>pod {pod} in namespace {namespace}, port {port}</p>\n<p>{} {}</p>\n",
            request.method(),
            plain(request.uri().path()),
        );
        let mut answer = Response::new(Full::new(Bytes::from(page)));
        let kind = http::HeaderValue::from_static("text/html; charset=utf-8");
        answer.headers_mut().insert(http::header::CONTENT_TYPE, kind);
        answer
    }
}

/// Spells a refusal as Go does.
fn said(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

/// Keeps what the client sent from being read as markup.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Returns whether a container of the pod would listen on a port.
fn listens(pod: &Value, port: u16) -> bool {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let declared: Vec<&Value> =
        containers.flat_map(|container| container["ports"].as_array().into_iter().flatten()).collect();
    declared.is_empty()
        || declared.iter().any(|declared| declared["containerPort"] == port && declared["protocol"] != "UDP")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ports_lead_where_the_pod_says() {
        let pod = json!({
            "metadata": { "name": "web", "namespace": "shop", "annotations": {
                ANNOTATION: "81=127.0.0.1:9000, 82=10.0.0.1:80,83=nowhere"
            } },
            "spec": { "containers": [{ "ports": [{ "containerPort": 80 }, { "containerPort": 53, "protocol": "UDP" }] }] },
        });
        let page = Target::Page { pod: "web".to_owned(), namespace: "shop".to_owned(), port: 80 };
        assert_eq!(Target::of(&pod, 80), Ok(page));
        assert_eq!(Target::of(&pod, 81), Ok(Target::Address("127.0.0.1:9000".parse().expect("an address"))));
        let refused = |port| Target::of(&pod, port).expect_err("nobody listens");
        assert_eq!(refused(53), "dial tcp4 127.0.0.1:53: connect: connection refused");
        assert_eq!(refused(82), "annotation sim.bowline.dev/port-forward: 10.0.0.1:80 is no loopback address");
        assert_eq!(refused(83), "annotation sim.bowline.dev/port-forward: \"nowhere\" is no address");
        assert!(Target::of(&json!({}), 7).is_ok(), "a pod that declares no port may listen on any");
    }
}
