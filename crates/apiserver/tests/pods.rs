//! What clients do with a pod that seems to run: read its log, follow it, run commands in it.

use std::time::Duration;

use bowline_apiserver::{Cluster, Gvr, Options, Transport};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

fn pods() -> Gvr {
    Gvr::new("", "v1", "pods")
}

/// Starts a pod and waits till it is in a phase.
async fn start(cluster: &Cluster, name: &str, annotations: Value, policy: &str, phase: &str) {
    let admin = cluster.admin();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "annotations": annotations },
        "spec": { "restartPolicy": policy, "containers": [{ "name": "c", "image": "i:1", "ports": [{ "containerPort": 80 }] }] },
    });
    admin.create(&pods(), pod).expect("the pod is made");
    let mut watch = admin.watch(&pods()).expect("pods are served");
    let wait = async {
        loop {
            let pod = admin.get(&pods(), "default", name).expect("pods are served").expect("it is there");
            if pod["status"]["phase"] == phase {
                return;
            }
            watch.next().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it gets there");
}

async fn get(cluster: &Cluster, path: &str) -> (u16, String) {
    let request = Request::get(path).body(Full::new(Bytes::new())).expect("a request");
    let answer = cluster.service().oneshot(request).await.expect("it answers");
    let code = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (code, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn logs_are_those_of_a_program() {
    let cluster = Cluster::new(Options::default());
    let path = "/api/v1/namespaces/default/pods";
    start(&cluster, "done", json!({ "sim.bowline.dev/log": "one\ntwo\nthree" }), "Never", "Succeeded").await;
    assert_eq!(get(&cluster, &format!("{path}/done/log")).await, (200, "one\ntwo\nthree\n".to_owned()));
    assert_eq!(get(&cluster, &format!("{path}/done/log?tailLines=1")).await.1, "three\n");
    assert_eq!(get(&cluster, &format!("{path}/done/log?limitBytes=5")).await.1, "one\nt");
    let follow = format!("{path}/done/log?follow=true");
    let followed = tokio::time::timeout(Duration::from_secs(5), get(&cluster, &follow));
    assert_eq!(followed.await.expect("what has ended is not waited for").1, "one\ntwo\nthree\n");

    start(&cluster, "loops", json!({ "sim.bowline.dev/fault": "crashloop" }), "Always", "Running").await;
    let (code, text) = get(&cluster, &format!("{path}/loops/log?previous=true&timestamps=true")).await;
    assert_eq!(code, 200);
    assert!(text.lines().last().is_some_and(|line| line.ends_with("exiting with code 1")), "{text}");

    start(&cluster, "stuck", json!({ "sim.bowline.dev/fault": "imagepull" }), "Always", "Pending").await;
    let admin = cluster.admin();
    let mut watch = admin.watch(&pods()).expect("pods are served");
    while admin.get(&pods(), "default", "stuck").expect("served").expect("there")["status"]["containerStatuses"]
        .is_null()
    {
        watch.next().await;
    }
    let (code, text) = get(&cluster, &format!("{path}/stuck/log")).await;
    assert_eq!(code, 400);
    assert!(text.contains("is waiting to start: trying and failing to pull image"), "{text}");
}

/// Runs a command and returns what it wrote, what it complained of, and its result.
async fn exec(address: &str, query: &str, input: Option<&str>) -> (String, String, Value) {
    let url = format!("ws://{address}/api/v1/namespaces/default/pods/web/exec?{query}");
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "v5.channel.k8s.io".parse().expect("a value"));
    let socket = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let (mut socket, _) = tokio_tungstenite::client_async(request, socket).await.expect("it speaks WebSocket");
    if let Some(input) = input {
        socket.send(Message::Binary([b"\0", input.as_bytes()].concat().into())).await.expect("it is sent");
        socket.send(Message::Binary(vec![255, 0].into())).await.expect("it is sent");
    }
    let (mut out, mut err, mut result) = (String::new(), String::new(), Value::Null);
    while let Some(Ok(message)) = socket.next().await {
        let Message::Binary(bytes) = message else { continue };
        let text = String::from_utf8_lossy(&bytes[1..]).into_owned();
        match bytes[0] {
            1 => out.push_str(&text),
            2 => err.push_str(&text),
            3 => result = serde_json::from_str(&text).expect("a Status"),
            other => panic!("nobody asked for channel {other}"),
        }
    }
    (out, err, result)
}

#[tokio::test]
async fn commands_run_over_websocket() {
    let cluster = Cluster::new(Options::default());
    start(&cluster, "web", json!({}), "Always", "Running").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let stop = CancellationToken::new();
    let served = tokio::spawn({
        let (cluster, stop) = (cluster.clone(), stop.clone());
        async move { cluster.serve(listener, Transport::Plain, stop).await }
    });
    let streams = "stdout=true&stderr=true";
    let (out, err, result) = exec(&address, &format!("command=echo&command=hi&{streams}"), None).await;
    assert_eq!((out.as_str(), err.as_str(), &result["status"]), ("hi\n", "", &json!("Success")));

    let (out, err, result) =
        exec(&address, &format!("command=sh&command=-c&command=hostname%3B+nope%3B+exit+3&{streams}"), None).await;
    assert_eq!((out.as_str(), err.as_str()), ("web\n", "sh: nope: not found\n"));
    assert_eq!(result["reason"], "NonZeroExitCode");
    assert_eq!(result["details"]["causes"][0], json!({ "reason": "ExitCode", "message": "3" }));

    let (out, _, result) = exec(&address, &format!("command=cat&stdin=true&{streams}"), Some("through")).await;
    assert_eq!((out.as_str(), &result["status"]), ("through", &json!("Success")));

    let (out, _, result) =
        exec(&address, &format!("command=sh&stdin=true&{streams}"), Some("cd /etc\npwd\nexit 4\n")).await;
    assert_eq!((out.as_str(), &result["details"]["causes"][0]["message"]), ("/etc\n", &json!("4")));

    let (_, _, result) = exec(&address, &format!("command=vim&{streams}"), None).await;
    assert_eq!(result["reason"], "InternalError");
    stop.cancel();
    served.await.expect("it ends");
}
