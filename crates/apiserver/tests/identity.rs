//! Who asks, by which credentials, and what it means for each way of deciding.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowline_apiserver::{Authorization, Cluster, Gvr, Identity, Options, Transport, User};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

fn options() -> Options {
    Options { controllers: false, token: Some("secret".to_owned()), ..Options::default() }
}

fn deciding() -> Cluster {
    let ann = User::new("ann").in_groups(["dev"]);
    Cluster::new(Options {
        authorization: Authorization::Rbac,
        users: BTreeMap::from([("ann-token".to_owned(), ann)]),
        ..options()
    })
}

async fn ask(cluster: &Cluster, method: &str, path: &str, token: Option<&str>, body: Value) -> (u16, Value) {
    let mut request = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let answer =
        cluster.service().oneshot(request.body(Full::new(body)).expect("a request")).await.expect("no fault is set");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

const REVIEW: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const PODS: &str = "/api/v1/namespaces/default/pods";

#[tokio::test]
async fn where_nothing_is_decided_everybody_is_the_administrator() {
    let cluster = Cluster::new(options());
    for token in [None, Some("secret"), Some("whatever")] {
        let (status, review) = ask(&cluster, "POST", REVIEW, token, json!({})).await;
        assert_eq!((status, &review["status"]["userInfo"]["username"]), (201, &json!("admin")), "{token:?}");
    }
    let closed = Cluster::new(Options { allow_anonymous: false, ..options() });
    for (token, want) in [(None, 401), (Some("whatever"), 401), (Some("secret"), 200)] {
        assert_eq!(ask(&closed, "GET", PODS, token, Value::Null).await.0, want, "{token:?}");
    }
    assert_eq!(ask(&closed, "GET", "/healthz", None, Value::Null).await.0, 200, "load balancers have no token");
}

#[tokio::test]
async fn where_roles_decide_each_user_has_their_own_rights() {
    let cluster = deciding();
    for (token, want) in [(None, 403), (Some("whatever"), 401), (Some("secret"), 200), (Some("ann-token"), 403)] {
        assert_eq!(ask(&cluster, "GET", PODS, token, Value::Null).await.0, want, "{token:?}");
    }
    let binding = json!({
        "metadata": { "name": "dev" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
        "subjects": [{ "kind": "Group", "name": "dev" }],
    });
    let path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
    assert_eq!(ask(&cluster, "POST", path, Some("secret"), binding).await.0, 201);
    assert_eq!(ask(&cluster, "GET", PODS, Some("ann-token"), Value::Null).await.0, 200);
    let (_, review) = ask(&cluster, "POST", REVIEW, Some("ann-token"), json!({})).await;
    assert_eq!(review["status"]["userInfo"], json!({ "username": "ann", "groups": ["dev", "system:authenticated"] }));
}

#[tokio::test]
async fn a_token_is_good_for_its_own_cluster_only() {
    let (one, other) = (deciding(), deciding());
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let (status, answer) = ask(&one, "POST", path, Some("secret"), json!({})).await;
    assert_eq!(status, 201, "{answer}");
    let token = answer["status"]["token"].as_str().expect("a token");
    let (status, review) = ask(&one, "POST", REVIEW, Some(token), json!({})).await;
    assert_eq!(status, 201, "{review}");
    assert_eq!(review["status"]["userInfo"]["username"], "system:serviceaccount:default:default");
    assert_eq!(ask(&other, "POST", REVIEW, Some(token), json!({})).await.0, 401);
}

#[tokio::test]
async fn a_client_certificate_says_who_asks() {
    let cluster = deciding();
    let (identity, stranger) = (Identity::generate(&[]), Identity::generate(&[]));
    let (identity, stranger) = (identity.expect("an identity"), stranger.expect("an identity"));
    let admin = identity.client_certificate("root", Some("system:masters")).expect("a certificate");
    let ann = identity.client_certificate("ann", None).expect("a certificate");
    let forged = stranger.client_certificate("root", Some("system:masters")).expect("a certificate");
    let authority = reqwest::Certificate::from_pem(identity.ca_pem().as_bytes()).expect("a certificate");
    let transport = Transport::Tls(Arc::new(identity));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let server = tokio::spawn({
        let (cluster, stop) = (cluster.clone(), stop.clone());
        async move { cluster.serve(listener, transport, stop).await }
    });
    for (shown, want) in [(Some(&admin), 200), (Some(&ann), 403), (Some(&forged), 401), (None, 403)] {
        let mut client = reqwest::Client::builder().tls_certs_only([authority.clone()]).no_proxy();
        if let Some(shown) = shown {
            let pem = format!("{}{}", shown.certificate_pem, shown.key_pem);
            client = client.identity(reqwest::Identity::from_pem(pem.as_bytes()).expect("an identity"));
        }
        let client = client.build().expect("a client");
        let answer = client.get(format!("https://{address}{PODS}")).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), want);
    }
    stop.cancel();
    server.await.expect("the server ends");
}

/// Makes a request for a certificate, and its key.
fn request(name: &str, groups: &[&str]) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names are good names");
    params.distinguished_name = rcgen::DistinguishedName::new();
    for group in groups {
        params.distinguished_name.push(rcgen::DnType::OrganizationName, *group);
    }
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().expect("a key");
    let request = params.serialize_request(&key).expect("a request").pem().expect("PEM");
    (STANDARD.encode(request), key.serialize_pem())
}

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// Asks for a certificate, has it approved, and returns the request once something has come of it.
async fn asked(cluster: &Cluster, name: &str, spec: Value, approves: bool) -> Value {
    let (code, made) =
        ask(cluster, "POST", REQUESTS, Some("secret"), json!({ "metadata": { "name": name }, "spec": spec })).await;
    assert_eq!(code, 201, "{made}");
    let mut made = made;
    if approves {
        made["status"] = json!({ "conditions": [{ "type": "Approved", "status": "True", "reason": "Test" }] });
        let path = format!("{REQUESTS}/{name}/approval");
        let (code, answer) = ask(cluster, "PUT", &path, Some("secret"), made).await;
        assert_eq!(code, 200, "{answer}");
    }
    let requests = Gvr::new("certificates.k8s.io", "v1", "certificatesigningrequests");
    let admin = cluster.admin();
    let mut watch = admin.watch(&requests).expect("they are served");
    let wait = async {
        loop {
            let have = admin.get(&requests, "", name).expect("they are served").expect("it is there");
            let failed = have["status"]["conditions"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["type"] == "Failed"));
            if failed || have["status"]["certificate"].is_string() {
                return Value::clone(&have);
            }
            watch.next().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.expect("something comes of it")
}

#[tokio::test]
async fn a_certificate_that_was_asked_for_says_who_asks() {
    let identity = Arc::new(Identity::generate(&[]).expect("an identity"));
    let authority = reqwest::Certificate::from_pem(identity.ca_pem().as_bytes()).expect("a certificate");
    let options = Options {
        identity: Some(Arc::clone(&identity)),
        authorization: Authorization::Rbac,
        controllers: true,
        ..options()
    };
    let cluster = Cluster::new(options.clone());
    let (pem, key) = request("eve", &["system:view"]);
    let signer = "kubernetes.io/kube-apiserver-client";
    let spec = json!({ "request": pem, "signerName": signer, "usages": ["client auth"], "expirationSeconds": 3600 });
    let made = asked(&cluster, "eve", spec.clone(), true).await;
    let certificate = STANDARD.decode(made["status"]["certificate"].as_str().expect("a text")).expect("base64");

    // An identity made of the snapshot goes on as the one before.
    let file = cluster.snapshot();
    let again = Identity::of_snapshot(&file, &[]).expect("TLS takes it").expect("it keeps one");
    let cluster = Cluster::restore(options, &file).expect("it is whole");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let transport = Transport::Tls(Arc::new(again));
    let server = tokio::spawn({
        let (cluster, stop) = (cluster.clone(), stop.clone());
        async move { cluster.serve(listener, transport, stop).await }
    });
    let pem = [certificate.as_slice(), key.as_bytes()].concat();
    let client = reqwest::Client::builder().tls_certs_only([authority]).no_proxy();
    let client = client.identity(reqwest::Identity::from_pem(&pem).expect("an identity")).build().expect("a client");
    let review =
        client.post(format!("https://{address}{REVIEW}")).header("content-type", "application/json").body("{}");
    let review: Value =
        serde_json::from_slice(&review.send().await.expect("an answer").bytes().await.expect("a body")).expect("JSON");
    assert_eq!(review["status"]["userInfo"]["username"], "eve", "{review}");
    assert_eq!(review["status"]["userInfo"]["groups"], json!(["system:view", "system:authenticated"]));
    stop.cancel();
    server.await.expect("the server ends");

    let mut wrong = spec;
    wrong["usages"] = json!(["client auth", "server auth"]);
    let made = asked(&cluster, "wrong", wrong, true).await;
    let failed = &made["status"]["conditions"][1];
    assert_eq!(failed["message"], "invalid usage for client certificate: server auth");
    assert_eq!(made["status"]["certificate"], Value::Null);

    // The administrator may have what kubelets have, so nobody need approve it.
    let (pem, _) = request("system:node:one", &["system:nodes"]);
    let kubelet = json!({
        "request": pem, "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
        "usages": ["client auth", "digital signature"],
    });
    let made = asked(&cluster, "kubelet", kubelet, false).await;
    assert_eq!(made["status"]["conditions"][0]["reason"], "AutoApproved");
}

#[tokio::test]
async fn tokens_outlive_the_process() {
    let cluster = deciding();
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let file = cluster.snapshot();
    let (status, answer) = ask(&cluster, "POST", path, Some("secret"), json!({})).await;
    assert_eq!(status, 201, "{answer}");
    let token = answer["status"]["token"].as_str().expect("a token");
    let options = Options { authorization: Authorization::Rbac, ..options() };
    let after = Cluster::restore(options, &file).expect("it is whole");
    let (status, review) = ask(&after, "POST", REVIEW, Some(token), json!({})).await;
    assert_eq!(status, 201, "{review}");
    assert_eq!(review["status"]["userInfo"]["username"], "system:serviceaccount:default:default");
}
