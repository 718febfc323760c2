//! Real clients: kube-rs on the service without a socket, and `kubectl` over TLS.
//!
//! Where there is no `kubectl`, its test says so and passes, unless `CI=true`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bowline_apiserver::{Cluster, Fleet, Identity, Options, Transport};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchParams,
};
use kube::core::{GroupVersionKind, WatchEvent};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up.
const DEADLINE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn kube_rs_needs_no_socket() {
    let cluster = Cluster::new(Options { controllers: false, ..Options::default() });
    let client = kube::Client::new(cluster.service(), "default");
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());

    let made: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "a"}, "data": {"k": "v"}})).expect("a ConfigMap");
    let made = maps.create(&PostParams::default(), &made).await.expect("created");
    assert!(made.metadata.uid.is_some());
    let named = ListParams::default().fields("metadata.name=a");
    assert_eq!(maps.list(&named).await.expect("listed").items.len(), 1);

    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "w"}});
    let applied = maps.patch("a", &PatchParams::apply("other"), &Patch::Apply(&config)).await;
    let Err(kube::Error::Api(status)) = applied else { panic!("no conflict: {applied:?}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let forced = maps.patch("a", &PatchParams::apply("other").force(), &Patch::Apply(&config)).await.expect("forced");
    assert_eq!(forced.data.and_then(|data| data.get("k").cloned()).as_deref(), Some("w"));

    let rv = made.metadata.resource_version.expect("a revision");
    let events = maps.watch(&WatchParams::default(), &rv).await.expect("watched");
    let mut events = std::pin::pin!(events);
    let next = futures::future::poll_fn(|cx| futures::Stream::poll_next(events.as_mut(), cx));
    let event = tokio::time::timeout(DEADLINE, next).await.expect("in time").expect("an event").expect("readable");
    assert!(matches!(event, WatchEvent::Modified(map) if map.metadata.name.as_deref() == Some("a")));

    maps.delete("a", &DeleteParams::default()).await.expect("deleted");
    assert!(maps.get_opt("a").await.expect("asked").is_none());

    let groups = client.list_api_groups_aggregated().await.expect("discovered");
    assert!(
        groups
            .items
            .iter()
            .any(|group| { group.metadata.as_ref().and_then(|meta| meta.name.as_deref()) == Some("apps") })
    );
    let gvk = GroupVersionKind::gvk("apps", "v1", "Deployment");
    let dynamic: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&gvk));
    assert!(dynamic.list_metadata(&ListParams::default()).await.expect("listed").items.is_empty());
    let deployments: Api<Deployment> = Api::default_namespaced(client);
    assert!(deployments.get_opt("none").await.expect("asked").is_none());
}

/// `kubectl` with a home and a kubeconfig of its own.
struct Kubectl {
    home: tempfile::TempDir,
}

impl Kubectl {
    fn new(kubeconfig: &str) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        std::fs::write(home.path().join("config"), kubeconfig).expect("written");
        Self { home }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Runs `kubectl` and returns its exit code and output, errors included.
    async fn run(&self, arguments: &str) -> (i32, String) {
        let mut command = Command::new("kubectl");
        command
            .args(arguments.split_whitespace())
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.home.path().join("config"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(DEADLINE, command.output()).await.expect("in time").expect("started");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }
}

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: nginx, ports: [{containerPort: 80}]}
";

const WIDGETS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}}
    additionalPrinterColumns: [{name: Color, type: string, jsonPath: .spec.color}]
    schema:
      openAPIV3Schema:
        type: object
        description: A widget.
        properties:
          spec:
            type: object
            required: [color]
            properties:
              color: {type: string, enum: [red, blue], description: What it looks like.}
              size: {type: integer, default: 3}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
";

const WIDGET: &str = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: one}\nspec: {color: red}\n";

/// What is run, in order; the exit code; what the output must hold.
const STORY: &[(&str, i32, &[&str])] = &[
    ("version", 0, &["Server Version: v1.35.4"]),
    ("api-resources", 0, &["deployments", "apps/v1", "customresourcedefinitions"]),
    ("apply -f deployment.yaml", 0, &["deployment.apps/web created"]),
    ("apply -f deployment.yaml", 0, &["deployment.apps/web unchanged"]),
    ("rollout status deployment web --timeout=30s", 0, &["successfully rolled out"]),
    ("wait --for=condition=Available deployment/web --timeout=30s", 0, &["condition met"]),
    ("get deployments -o wide", 0, &["NAME", "web"]),
    ("get deployment web -o yaml", 0, &["progressDeadlineSeconds: 600", "imagePullPolicy: Always"]),
    ("diff -f deployment.yaml", 0, &[]),
    ("apply --server-side -f deployment.yaml", 0, &["serverside-applied"]),
    ("patch deployment web -p {\"spec\":{\"replicas\":3}}", 0, &["patched"]),
    ("scale deployment web --replicas=1", 0, &["scaled"]),
    ("diff -f deployment.yaml", 1, &["-  replicas: 1", "+  replicas: 2"]),
    ("explain deployment.spec.replicas", 0, &["Number of desired pods"]),
    ("label deployment web tier=front", 0, &["labeled"]),
    ("get deployments -l tier=front -o name", 0, &["deployment.apps/web"]),
    ("apply -f crd.yaml", 0, &["created"]),
    ("wait --for=condition=Established crd/widgets.example.com --timeout=30s", 0, &["condition met"]),
    ("apply -f widget.yaml", 0, &["widget.example.com/one created"]),
    ("get wd", 0, &["NAME   COLOR", "one    red"]),
    ("scale widget one --replicas=5", 0, &["scaled"]),
    ("get widget one -o jsonpath={.spec.size}", 0, &["5"]),
    ("explain widget.spec.color", 0, &["What it looks like."]),
    ("apply -f bad.yaml", 1, &["spec.color: Unsupported value: \"green\": supported values: \"red\", \"blue\""]),
    ("apply -f typo.yaml", 1, &["unknown field \"spec.colour\""]),
    ("delete crd widgets.example.com", 0, &["deleted"]),
    ("get wd", 1, &["the server"]),
    ("delete deployment web", 0, &["deleted"]),
    ("wait --for=delete pod -l app=web --timeout=30s", 0, &[]),
    ("get deployment web", 1, &["deployments.apps \"web\" not found"]),
    ("get pods -A", 0, &["No resources found"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_lives_here() {
    if !has_kubectl("kubectl_lives_here").await {
        return;
    }
    let cluster =
        Cluster::new(Options { token: Some("secret".to_owned()), allow_anonymous: false, ..Options::default() });
    let transport = Transport::Tls(Arc::new(Identity::generate(&[]).expect("a certificate")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let kubectl = Kubectl::new(&cluster.kubeconfig(address, &transport));
    let stop = CancellationToken::new();
    let server = tokio::spawn({
        let (cluster, stop) = (cluster.clone(), stop.clone());
        async move { cluster.serve(listener, transport, stop).await }
    });
    kubectl.file("deployment.yaml", DEPLOYMENT);
    kubectl.file("crd.yaml", WIDGETS);
    kubectl.file("widget.yaml", WIDGET);
    kubectl.file("bad.yaml", &WIDGET.replace("red", "green"));
    kubectl.file("typo.yaml", &WIDGET.replace("color", "colour"));
    let mut wrong = Vec::new();
    for (arguments, code, says) in STORY {
        let (have, output) = kubectl.run(arguments).await;
        if have != *code || !says.iter().all(|said| output.contains(said)) {
            wrong.push(format!("kubectl {arguments}: exit {have}, want {code} and {says:?}\n{output}"));
        }
    }
    stop.cancel();
    cluster.shutdown();
    server.await.expect("the server ends");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_reaches_each_cluster_of_a_fleet() {
    if !has_kubectl("kubectl_reaches_each_cluster_of_a_fleet").await {
        return;
    }
    let fleet = Fleet::new();
    for name in ["east", "west"] {
        fleet.insert(name, Cluster::new(Options { controllers: false, ..Options::default() }));
    }
    let transport = Transport::Tls(Arc::new(Identity::generate(&[]).expect("a certificate")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let kubectl = |name: &str| Kubectl::new(&fleet.kubeconfig(name, address, &transport).expect("a cluster"));
    let (east, west) = (kubectl("east"), kubectl("west"));
    let stop = CancellationToken::new();
    let server = tokio::spawn({
        let (fleet, transport, stop) = (fleet.clone(), transport.clone(), stop.clone());
        async move { fleet.serve(listener, transport, stop).await }
    });
    east.file("deployment.yaml", DEPLOYMENT);
    let (code, output) = east.run("apply --server-side -f deployment.yaml").await;
    assert_eq!(code, 0, "{output}");
    let (code, output) = west.run("get deployment web").await;
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("deployments.apps \"web\" not found"), "{output}");
    stop.cancel();
    server.await.expect("the server ends");
}

/// Returns whether there is a `kubectl`; where there is none, says that the test is skipped.
async fn has_kubectl(test: &str) -> bool {
    let is_there = Command::new("kubectl").args(["version", "--client"]).output().await.is_ok();
    if !is_there {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "kubectl must be there in CI");
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "skipped: {test} (there is no kubectl)");
    }
    is_there
}
