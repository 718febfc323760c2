//! What is fuzzed: each target puts bytes where one decoder reads them, in a request to a cluster in memory.
//!
//! The targets are driven by libFuzzer from here, and by mutated examples from the tests of the server
//! (`tests/hostile.rs`), so that every build tries some of them.

use std::cell::OnceCell;
use std::fmt::Write as _;

use bowline_apiserver::{Cluster, Options};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;

/// One place where bytes of a client are decoded.
pub struct Target {
    /// What `cargo fuzz run` calls it.
    pub name: &'static str,
    /// Puts the bytes in their place; `None` when no client could send them there.
    pub request: fn(&[u8]) -> Option<Request<Full<Bytes>>>,
    /// Well-formed examples, to begin with.
    pub seeds: &'static [&'static [u8]],
}

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps?dryRun=All";
const CONFIG_MAP: &str = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt?dryRun=All&fieldManager=fuzz";
const FOOS: &str = "/apis/example.com/v1/namespaces/default/foos?dryRun=All&fieldValidation=Strict";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All";
const LIST: &str = "/api/v1/configmaps";

fn send(method: &str, path: &str, content_type: &str, body: &[u8]) -> Option<Request<Full<Bytes>>> {
    let request = Request::builder().method(method).uri(path).header("content-type", content_type);
    request.body(Full::new(Bytes::copy_from_slice(body))).ok()
}

/// Spells bytes as they may stand in a URL.
fn percent(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

fn get(path: &str) -> Option<Request<Full<Bytes>>> {
    Request::builder().uri(path).body(Full::new(Bytes::new())).ok()
}

/// Every decoder, by name.
pub const TARGETS: &[Target] = &[
    Target {
        name: "accept",
        request: |bytes| {
            let request = Request::builder().uri(LIST).header("accept", bytes);
            request.body(Full::new(Bytes::new())).ok()
        },
        seeds: &[
            b"application/json;as=Table;v=v1;g=meta.k8s.io,application/json;q=0.5, */*",
            b"application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        ],
    },
    Target {
        name: "apply",
        request: |bytes| send("PATCH", CONFIG_MAP, "application/apply-patch+yaml", bytes),
        seeds: &[b"apiVersion: v1\nkind: ConfigMap\nmetadata: {labels: &a {x: \"y\"}, annotations: *a}\ndata:\n  k: |\n    v\n"],
    },
    Target {
        name: "content_type",
        request: |bytes| {
            let request = Request::builder().method("POST").uri(CONFIG_MAPS).header("content-type", bytes);
            request.body(Full::new(Bytes::from_static(b"{}"))).ok()
        },
        seeds: &[b"application/json; charset=\"utf-8\"; a=b", b"application/yaml"],
    },
    Target {
        name: "custom",
        request: |bytes| send("POST", FOOS, "application/json", bytes),
        seeds: &[br#"{"apiVersion":"example.com/v1","kind":"Foo","metadata":{"name":"a"},"spec":{"n":1,"s":["x"],"u":{"a":1.5}}}"#],
    },
    Target {
        name: "definition",
        request: |bytes| send("POST", DEFINITIONS, "application/json", bytes),
        seeds: &[DEFINITION.as_bytes()],
    },
    Target {
        name: "delete_options",
        request: |bytes| send("DELETE", CONFIG_MAP, "application/json", bytes),
        seeds: &[br#"{"kind":"DeleteOptions","apiVersion":"v1","dryRun":["All"],"gracePeriodSeconds":0,"preconditions":{"uid":"x"}}"#],
    },
    Target {
        name: "json",
        request: |bytes| send("POST", CONFIG_MAPS, "application/json", bytes),
        seeds: &[br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{"x":"y"}},"data":{"k":"\u00fc\n"},"x":[1,-2.5e3,null,true]}"#],
    },
    Target {
        name: "json_patch",
        request: |bytes| send("PATCH", CONFIG_MAP, "application/json-patch+json", bytes),
        seeds: &[br#"[{"op":"add","path":"/data/a~1b","value":"c"},{"op":"test","path":"/kind","value":"ConfigMap"},{"op":"move","from":"/data/a~1b","path":"/data/-"}]"#],
    },
    Target {
        name: "merge_patch",
        request: |bytes| send("PATCH", CONFIG_MAP, "application/merge-patch+json", bytes),
        seeds: &[br#"{"metadata":{"labels":{"a":"b"},"annotations":null},"data":{"x":null,"y":"z"}}"#],
    },
    Target {
        name: "path",
        request: |bytes| get(&format!("/{}", String::from_utf8_lossy(bytes).replace([' ', '\n'], ""))),
        seeds: &[b"api/v1/namespaces/default/pods/a/log", b"apis/apps/v1/watch/deployments", b"openapi/v3/apis/apps/v1"],
    },
    Target {
        name: "protobuf",
        request: |bytes| send("POST", CONFIG_MAPS, "application/vnd.kubernetes.protobuf", bytes),
        seeds: &[b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x11\x0a\x03\x0a\x01a\x12\x0a\x0a\x01k\x12\x05value"],
    },
    Target {
        name: "query",
        request: |bytes| get(&format!("{LIST}?{}", String::from_utf8_lossy(bytes).replace([' ', '\n'], "+"))),
        seeds: &[b"limit=2&resourceVersion=5&resourceVersionMatch=Exact&pretty=1&timeoutSeconds=1"],
    },
    Target {
        name: "selectors",
        request: |bytes| get(&format!("{LIST}?labelSelector={0}&fieldSelector={0}", percent(bytes))),
        seeds: &[b"a=b,c in (d,e),!f,g!=h", b"metadata.name=a,metadata.namespace!=b"],
    },
    Target {
        name: "strategic_patch",
        request: |bytes| send("PATCH", CONFIG_MAP, "application/strategic-merge-patch+json", bytes),
        seeds: &[br#"{"metadata":{"$setElementOrder/finalizers":["a"],"finalizers":["a"],"labels":{"$patch":"replace","x":"y"}},"data":{"$retainKeys":["a"]}}"#],
    },
    Target {
        name: "token",
        request: |bytes| get(&format!("{LIST}?limit=1&continue={}", percent(bytes))),
        seeds: &[b"eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJkZWZhdWx0L2FcdTAwMDAifQ"],
    },
    Target {
        name: "yaml",
        request: |bytes| send("POST", CONFIG_MAPS, "application/yaml", bytes),
        seeds: &[b"apiVersion: v1\nkind: ConfigMap\nmetadata: &m {name: a}\ndata: {a: 'b', \"c\": >-\n  d}\nx: [*m, <<, 0x10]\n"],
    },
];

/// One place where bytes are decoded on a connection that has changed its protocol.
pub struct StreamTarget {
    /// What `cargo fuzz run` calls it.
    pub name: &'static str,
    /// The request that changes the protocol.
    pub head: &'static str,
    /// Well-formed examples of what follows.
    pub seeds: &'static [&'static [u8]],
}

/// A pod that runs, as far as its status says.
const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}]},"status":{"phase":"Running","podIP":"10.0.0.1","containerStatuses":[{"name":"c","image":"i","imageID":"","ready":true,"restartCount":0,"state":{"running":{}}}]}}"#;
const PODS: &str = "/api/v1/namespaces/default/pods";

/// Every such decoder, by name.
pub const STREAMS: &[StreamTarget] = &[
    StreamTarget {
        name: "spdy_exec",
        head: "POST /api/v1/namespaces/default/pods/web/exec?command=cat&stdin=true&stdout=true HTTP/1.1\r\nhost: x\r\n\
               connection: Upgrade\r\nupgrade: SPDY/3.1\r\nx-stream-protocol-version: v4.channel.k8s.io\r\n\r\n",
        seeds: &[EXEC_FRAMES],
    },
    StreamTarget {
        name: "spdy_forward",
        head: "POST /api/v1/namespaces/default/pods/web/portforward HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\n\
               upgrade: SPDY/3.1\r\nx-stream-protocol-version: portforward.k8s.io\r\n\r\n",
        seeds: &[FORWARD_FRAMES],
    },
    StreamTarget {
        name: "web_socket",
        head: "GET /api/v1/namespaces/default/pods/web/exec?command=cat&stdin=true&stdout=true HTTP/1.1\r\nhost: x\r\n\
               connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
               sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: v5.channel.k8s.io\r\n\r\n",
        seeds: &[b"\x82\x83\x00\x00\x00\x00\x00hi\x82\x82\x00\x00\x00\x00\xff\x00"],
    },
];

/// The streams `error`, `stdin` and `stdout`, input that ends, a ping and a window.
const EXEC_FRAMES: &[u8] = b"\x80\x03\x00\x01\x00\x00\x00\x31\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x78\x01\
\x00\x1b\x00\xe4\xff\x00\x00\x00\x01\x00\x00\x00\x0astreamtype\x00\x00\x00\x05error\x00\x00\x00\xff\xff\
\x80\x03\x00\x01\x00\x00\x00\x2f\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\
\x00\x1b\x00\xe4\xff\x00\x00\x00\x01\x00\x00\x00\x0astreamtype\x00\x00\x00\x05stdin\x00\x00\x00\xff\xff\
\x80\x03\x00\x01\x00\x00\x00\x30\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\
\x00\x1c\x00\xe3\xff\x00\x00\x00\x01\x00\x00\x00\x0astreamtype\x00\x00\x00\x06stdout\x00\x00\x00\xff\xff\
\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01\
\x80\x03\x00\x09\x00\x00\x00\x08\x00\x00\x00\x05\x00\x01\x00\x00\
\x00\x00\x00\x03\x01\x00\x00\x02hi";

/// The streams of one forwarded connection, and a request on it.
const FORWARD_FRAMES: &[u8] = b"\x80\x03\x00\x01\x01\x00\x00\x3f\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x78\x01\
\x00\x29\x00\xd6\xff\x00\x00\x00\x02\x00\x00\x00\x04port\x00\x00\x00\x0280\
\x00\x00\x00\x0astreamtype\x00\x00\x00\x05error\x00\x00\x00\xff\xff\
\x80\x03\x00\x01\x00\x00\x00\x3c\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\
\x00\x28\x00\xd7\xff\x00\x00\x00\x02\x00\x00\x00\x04port\x00\x00\x00\x0280\
\x00\x00\x00\x0astreamtype\x00\x00\x00\x04data\x00\x00\x00\xff\xff\
\x00\x00\x00\x03\x00\x00\x00\x12GET / HTTP/1.0\r\n\r\n";

const DEFINITION: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"foos.example.com"},"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"foos","kind":"Foo"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"n":{"type":"integer","default":1},"s":{"type":"array","items":{"type":"string","pattern":"^x"}},"u":{"type":"object","x-kubernetes-preserve-unknown-fields":true}},"x-kubernetes-validations":[{"rule":"self.n > 0"}]}}}},"additionalPrinterColumns":[{"name":"N","type":"integer","jsonPath":".spec.n"}]}]}}"#;

/// A cluster that serves `foos`.
pub struct Server(Cluster);

impl Server {
    /// Makes a cluster.
    pub async fn start() -> Self {
        let server = Self(Cluster::new(Options { controllers: false, ..Options::default() }));
        let path = DEFINITIONS.trim_end_matches("?dryRun=All");
        if let Some(request) = send("POST", path, "application/json", DEFINITION.as_bytes()) {
            server.ask(request).await;
        }
        for (method, path) in [("POST", PODS.to_owned()), ("PUT", format!("{PODS}/web/status"))] {
            if let Some(request) = send(method, &path, "application/json", POD.as_bytes()) {
                server.ask(request).await;
            }
        }
        server
    }

    /// Changes the protocol of a connection, sends some bytes and nothing more, and returns all that came back.
    pub async fn stream(&self, head: &str, bytes: &[u8]) -> Vec<u8> {
        let (near, far) = tokio::io::duplex(64 << 10);
        let served = tokio::spawn({
            let cluster = self.0.clone();
            async move { cluster.serve_connection(far).await }
        });
        let (mut read, mut write) = tokio::io::split(near);
        let mut answer = Vec::new();
        let _ = write.write_all(head.as_bytes()).await;
        // Who hangs up before the switch is told is not told it.
        while !answer.windows(4).any(|part| part == b"\r\n\r\n") {
            match read.read_buf(&mut answer).await {
                Ok(1..) => {}
                _ => break,
            }
        }
        let writing = async {
            let _ = write.write_all(bytes).await;
            let _ = write.shutdown().await;
        };
        let ((), _) = tokio::join!(writing, read.read_to_end(&mut answer));
        let _ = served.await;
        answer
    }

    /// Sends a request, reads the reply to its end, and returns its status.
    pub async fn ask(&self, request: Request<Full<Bytes>>) -> u16 {
        let Ok(reply): Result<Response<_>, _> = self.0.service().oneshot(request).await else { return 0 };
        let status = reply.status().as_u16();
        let is_watch = reply.headers().get("content-length").is_none() && status == 200;
        if !is_watch {
            let _ = reply.into_body().collect().await;
        }
        status
    }
}

/// Runs one target on one input; what libFuzzer calls.
pub fn run(name: &str, bytes: &[u8]) {
    thread_local! {
        static SERVER: OnceCell<(tokio::runtime::Runtime, Server)> = const { OnceCell::new() };
    }
    let stream = STREAMS.iter().find(|target| target.name == name);
    let request = TARGETS.iter().find(|target| target.name == name).and_then(|target| (target.request)(bytes));
    SERVER.with(|server| {
        let (runtime, server) = server.get_or_init(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("holds because a runtime of one thread needs nothing");
            let server = runtime.block_on(Server::start());
            (runtime, server)
        });
        if let Some(target) = stream {
            runtime.block_on(server.stream(target.head, bytes));
        }
        if let Some(request) = request {
            runtime.block_on(server.ask(request));
        }
    });
}
