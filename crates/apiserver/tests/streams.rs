//! Connections that change their protocol: commands and forwarded ports over SPDY, tunnels and channels.

use std::collections::BTreeMap;
use std::time::Duration;

use bowline_apiserver::{Cluster, Gvr, Options};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const PODS: &str = "/api/v1/namespaces/default/pods";

async fn cluster(annotations: Value) -> Cluster {
    let cluster = Cluster::new(Options::default());
    let (admin, pods) = (cluster.admin(), Gvr::new("", "v1", "pods"));
    for (name, fault) in [("web", ""), ("stuck", "pending")] {
        let mut annotations = annotations.clone();
        annotations["sim.bowline.dev/fault"] = json!(fault);
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": "default", "annotations": annotations },
            "spec": { "containers": [{ "name": "c", "image": "i:1", "ports": [{ "containerPort": 80 }] }] },
        });
        admin.create(&pods, pod).expect("the pod is made");
    }
    let mut watch = admin.watch(&pods).expect("pods are served");
    let running = async {
        while admin.get(&pods, "default", "web").expect("served").expect("there")["status"]["phase"] != "Running" {
            watch.next().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), running).await.expect("it runs");
    cluster
}

fn connect(cluster: &Cluster) -> DuplexStream {
    let (near, far) = tokio::io::duplex(64 << 10);
    let cluster = cluster.clone();
    tokio::spawn(async move { cluster.serve_connection(far).await });
    near
}

/// A client of SPDY, which packs its headers as simply as can be.
struct Spdy<S> {
    io: S,
    streams: u32,
}

/// What a frame says of a stream.
#[derive(Debug, PartialEq)]
enum Frame {
    Data { stream: u32, last: bool, bytes: Vec<u8> },
    Control { kind: u16, stream: u32 },
}

impl Spdy<DuplexStream> {
    /// Asks for SPDY, and returns the head of the answer too.
    async fn open(cluster: &Cluster, path: &str, protocol: &str) -> (Self, String) {
        let mut io = connect(cluster);
        let head = format!(
            "POST {PODS}/{path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\n\
             x-stream-protocol-version: {protocol}\r\n\r\n"
        );
        io.write_all(head.as_bytes()).await.expect("it is sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(io.read_u8().await.expect("an answer"));
        }
        (Self { io, streams: 0 }, String::from_utf8(answer).expect("a head"))
    }
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Spdy<S> {
    async fn begin(&mut self, headers: &[(&str, &str)]) -> u32 {
        let id = self.streams * 2 + 1;
        self.streams += 1;
        let mut block = (headers.len() as u32).to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            block.extend((text.len() as u32).to_be_bytes());
            block.extend(text.as_bytes());
        }
        let length = (block.len() as u16).to_le_bytes();
        let mut packed = if id == 1 { vec![0x78, 0x01] } else { Vec::new() };
        packed.extend([0, length[0], length[1], !length[0], !length[1]]);
        packed.extend(block);
        packed.extend([0, 0, 0, 0xff, 0xff]);
        let mut frame = vec![0x80, 3, 0, 1];
        frame.extend((packed.len() as u32 + 10).to_be_bytes());
        frame.extend(id.to_be_bytes());
        frame.extend([0; 6]);
        frame.extend(packed);
        self.io.write_all(&frame).await.expect("it is sent");
        id
    }

    async fn send(&mut self, stream: u32, bytes: &[u8], last: bool) {
        let mut frame = stream.to_be_bytes().to_vec();
        frame.extend((u32::from(last) << 24 | bytes.len() as u32).to_be_bytes());
        frame.extend(bytes);
        self.io.write_all(&frame).await.expect("it is sent");
    }

    async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 8];
        self.io.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[5], head[6], head[7]]) as usize;
        let mut bytes = vec![0; length];
        self.io.read_exact(&mut bytes).await.ok()?;
        let word = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
        if head[0] & 0x80 == 0 {
            return Some(Frame::Data { stream: word(&head), last: head[4] & 1 == 1, bytes });
        }
        Some(Frame::Control { kind: u16::from_be_bytes([head[2], head[3]]), stream: word(&bytes) })
    }

    /// Reads to the end of the connection, and returns what came on each stream.
    async fn all(&mut self) -> BTreeMap<u32, String> {
        let mut out = BTreeMap::new();
        while let Some(frame) = self.frame().await {
            if let Frame::Data { stream, bytes, .. } = frame {
                let text: &mut String = out.entry(stream).or_default();
                text.push_str(std::str::from_utf8(&bytes).expect("a text"));
            }
        }
        out
    }

    async fn pair(&mut self, port: &str, id: &str) -> (u32, u32) {
        let error = self.begin(&[("port", port), ("requestid", id), ("streamtype", "error")]).await;
        let data = self.begin(&[("port", port), ("requestid", id), ("streamtype", "data")]).await;
        self.send(error, b"", true).await;
        (error, data)
    }

    /// Asks for a page over a new pair, and returns what came of it and the error.
    async fn page(&mut self, port: &str, id: &str) -> (String, String) {
        let (error, data) = self.pair(port, id).await;
        self.send(data, b"GET /a%3Cb HTTP/1.0\r\n\r\n", true).await;
        let (mut page, mut why) = (Vec::new(), Vec::new());
        let (mut open, mut frames) = (2, 0);
        while open > 0 {
            frames += 1;
            assert!(frames < 100, "it comes to an end");
            match self.frame().await.expect("the connection lasts") {
                Frame::Data { stream, last, bytes } => {
                    (if stream == data { &mut page } else { &mut why }).extend(bytes);
                    open -= usize::from(last && (stream == data || stream == error));
                }
                Frame::Control { kind: 3, stream } if stream == data || stream == error => open -= 1,
                Frame::Control { .. } => {}
            }
        }
        (String::from_utf8(page).expect("a text"), String::from_utf8(why).expect("a text"))
    }
}

#[tokio::test]
async fn commands_run_over_spdy() {
    let cluster = cluster(json!({})).await;
    let query = "web/exec?command=cat&stdin=true&stdout=true&stderr=true";
    for (protocol, wants_status) in
        [("v4.channel.k8s.io", true), ("v3.channel.k8s.io", false), ("channel.k8s.io", false)]
    {
        let asked = format!("v9.channel.k8s.io, {protocol}");
        let (mut spdy, head) = Spdy::open(&cluster, query, &asked).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains(&format!("x-stream-protocol-version: {protocol}\r\n")), "{head}");
        let error = spdy.begin(&[("streamtype", "error")]).await;
        let stdin = spdy.begin(&[("streamtype", "stdin")]).await;
        let stdout = spdy.begin(&[("streamtype", "stdout")]).await;
        spdy.begin(&[("streamtype", "stderr")]).await;
        // More than windows and queues hold at a time.
        let input = "0123456789abcdef".repeat(10_000);
        let (first, rest) = input.split_at(100_000);
        spdy.send(stdin, first.as_bytes(), false).await;
        spdy.send(stdin, rest.as_bytes(), true).await;
        let said = spdy.all().await;
        assert!(said[&stdout] == input, "all of it comes back");
        let status = said[&error].as_str();
        if wants_status {
            assert_eq!(serde_json::from_str::<Value>(status).expect("a Status")["status"], "Success");
        } else {
            assert_eq!(status, "");
        }
    }
    let query = "web/exec?command=sh&command=-c&command=exit+3&stdout=true";
    let (mut spdy, _) = Spdy::open(&cluster, query, "v4.channel.k8s.io").await;
    let error = spdy.begin(&[("streamtype", "error")]).await;
    spdy.begin(&[("streamtype", "stdout")]).await;
    let status: Value = serde_json::from_str(&spdy.all().await[&error]).expect("a Status");
    assert_eq!(status["details"]["causes"][0], json!({ "reason": "ExitCode", "message": "3" }));

    let (_, head) = Spdy::open(&cluster, query, "v9.channel.k8s.io").await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert!(head.contains("x-accepted-stream-protocol-versions: v4.channel.k8s.io\r\n"), "{head}");
    let (_, head) = Spdy::open(&cluster, "stuck/exec?command=ls&stdout=true", "v4.channel.k8s.io").await;
    assert!(head.starts_with("HTTP/1.1 400 "), "it has no node: {head}");
}

#[tokio::test]
async fn ports_are_forwarded_over_spdy() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.write_all(b"own program").await;
        }
    });
    let cluster = cluster(json!({ "sim.bowline.dev/port-forward": format!("81={address}") })).await;
    let (mut spdy, head) = Spdy::open(&cluster, "web/portforward", "portforward.k8s.io").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let (page, error) = spdy.page("80", "0").await;
    assert!(page.contains("pod web in namespace default, port 80") && page.contains("GET /a%3Cb"), "{page}");
    assert_eq!(error, "");
    let (page, error) = spdy.page("82", "1").await;
    assert_eq!(page, "");
    assert!(error.starts_with("error forwarding port 82 to pod web, uid "), "{error}");
    assert!(error.ends_with(": dial tcp4 127.0.0.1:82: connect: connection refused"), "{error}");
    let (answer, error) = spdy.page("81", "2").await;
    assert_eq!((answer.as_str(), error.as_str()), ("own program", ""));
    // A stream that is for nothing is reset.
    let odd = spdy.begin(&[("port", "x"), ("streamtype", "data")]).await;
    assert_eq!(spdy.frame().await, Some(Frame::Control { kind: 3, stream: odd }));

    let (_, head) = Spdy::open(&cluster, "stuck/portforward", "portforward.k8s.io").await;
    assert!(head.starts_with("HTTP/1.1 400 "), "it has no node: {head}");
    let (_, head) = Spdy::open(&cluster, "web/portforward", "v4.channel.k8s.io").await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
}

async fn web_socket(cluster: &Cluster, path: &str, protocol: &str) -> WebSocketStream<DuplexStream> {
    let mut request = format!("ws://localhost{PODS}/{path}").into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a value"));
    tokio_tungstenite::client_async(request, connect(cluster)).await.expect("it speaks WebSocket").0
}

#[tokio::test]
async fn ports_are_forwarded_through_a_tunnel() {
    let cluster = cluster(json!({})).await;
    let socket = web_socket(&cluster, "web/portforward", "SPDY/3.1+portforward.k8s.io").await;
    let (near, far) = tokio::io::duplex(64 << 10);
    let (mut out, mut messages) = socket.split();
    let (mut read, mut write) = tokio::io::split(far);
    tokio::spawn(async move {
        let mut buffer = vec![0; 100];
        while let Ok(count) = read.read(&mut buffer).await {
            if count == 0 || out.send(Message::Binary(buffer[..count].to_vec().into())).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some(Ok(Message::Binary(bytes))) = messages.next().await {
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut spdy = Spdy { io: near, streams: 0 };
    for id in ["0", "1"] {
        let (page, error) = spdy.page("80", id).await;
        assert!(page.contains("pod web in namespace default, port 80"), "{page}");
        assert_eq!(error, "");
    }
}

#[tokio::test]
async fn ports_are_forwarded_over_channels() {
    let cluster = cluster(json!({})).await;
    let mut socket = web_socket(&cluster, "web/portforward?ports=80&ports=81", "v4.channel.k8s.io").await;
    let mut said: [Vec<u8>; 4] = Default::default();
    socket.send(Message::Binary(b"\0GET / HTTP/1.0\r\n\r\n".to_vec().into())).await.expect("it is sent");
    while let Some(Ok(message)) = socket.next().await {
        let Message::Binary(bytes) = message else { continue };
        said[usize::from(bytes[0])].extend(&bytes[1..]);
    }
    assert_eq!(said[0][..2], 80_u16.to_le_bytes());
    assert!(String::from_utf8_lossy(&said[0]).contains("pod web in namespace default, port 80"));
    assert_eq!((said[1].as_slice(), said[2].as_slice()), (&[80, 0][..], &[81, 0][..]));
    assert!(String::from_utf8_lossy(&said[3][2..]).ends_with("connect: connection refused"));
}

#[tokio::test]
async fn attaching_shows_what_is_written_from_now_on() {
    let cluster = cluster(json!({ "sim.bowline.dev/log": "one\ntwo\nthree\nfour" })).await;
    let mut socket = web_socket(&cluster, "web/attach?stdout=true", "v5.channel.k8s.io").await;
    let mut said = String::new();
    while !said.contains("four\n") {
        let message = tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("it goes on");
        let Some(Ok(Message::Binary(bytes))) = message else { continue };
        assert_eq!(bytes[0], 1);
        said.push_str(&String::from_utf8_lossy(&bytes[1..]));
    }
    assert!(!said.contains("one\n"), "that was written before: {said}");
}

#[tokio::test]
async fn browsers_watch_over_web_sockets() {
    let cluster = cluster(json!({})).await;
    let path = "/api/v1/namespaces?watch=1&fieldSelector=metadata.name%3Ddefault&timeoutSeconds=1";
    let ask = |origin: Option<&'static str>, protocol: Option<&'static str>, accept: &'static str| {
        let io = connect(&cluster);
        let mut request = format!("ws://localhost{path}").into_client_request().expect("a request");
        let headers = request.headers_mut();
        headers.insert("accept", accept.parse().expect("a value"));
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().expect("a value"));
        }
        if let Some(protocol) = protocol {
            headers.insert("sec-websocket-protocol", protocol.parse().expect("a value"));
        }
        tokio_tungstenite::client_async(request, io)
    };
    let (mut socket, _) = ask(Some("http://x"), Some("base64.binary.k8s.io"), "*/*").await.expect("it changes");
    let Some(Ok(Message::Text(event))) = socket.next().await else { panic!("it is told in a text") };
    assert!(event.ends_with("}\n"), "{event}");
    let event: Value = serde_json::from_str(&event).expect("JSON");
    assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("default")));
    let Some(Ok(Message::Close(Some(end)))) = socket.next().await else { panic!("it ends in time") };
    assert_eq!(u16::from(end.code), 1000);
    let protobuf = "application/vnd.kubernetes.protobuf";
    let (mut socket, _) = ask(Some("http://x"), None, protobuf).await.expect("it changes");
    let Some(Ok(Message::Binary(event))) = socket.next().await else { panic!("it is told in bytes") };
    assert!(event.starts_with(b"\x0a\x05ADDED"), "{event:?}");
    for (origin, protocol, want) in [(None, None, 403), (Some("http://x"), Some("a, b"), 400)] {
        let refused = ask(origin, protocol, "*/*").await.expect_err("it is refused");
        let tokio_tungstenite::tungstenite::Error::Http(answer) = refused else { panic!("{refused}") };
        assert_eq!(answer.status().as_u16(), want);
    }
}
