//! Public charts: what an Application and a HelmRelease make of them on the real control plane is what Helm makes there.
//!
//! `BOWLINE_CORPUS` names the folder with the charts, `BOWLINE_CLIENTS` the one with the real Helm; without either the
//! story says that it was skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use bowline_model::{Gvk, Object};
use bowline_yaml::{Limits, parse_documents};
use serde_json::{Value, json};

use crate::git::Repository;
use crate::stage::{Stage, condition};

/// The charts, by their folders in the corpus.
const CHARTS: [&str; 10] = [
    "bitnami+charts/bitnami/nginx-ingress-controller",
    "bitnami+charts/bitnami/zookeeper",
    "crossplane+crossplane/cluster/charts/crossplane",
    "falcosecurity+charts/charts/falcosidekick",
    "grafana+helm-charts/charts/promtail",
    "nats-io+k8s/helm/charts/nats",
    "oauth2-proxy+manifests/helm/oauth2-proxy",
    "prometheus-community+helm-charts/charts/kube-state-metrics",
    "stefanprodan+podinfo/charts/podinfo",
    "strimzi+strimzi-kafka-operator/helm-charts/helm3/strimzi-kafka-operator",
];

/// An object's API version, kind, namespace and name.
type Name = (String, String, String, String);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_public_charts_are_what_helm_makes_of_them() {
    let story = "ten_public_charts_are_what_helm_makes_of_them";
    let Some((corpus, helm)) = referees(story) else { return };
    let Some(stage) = Stage::real(story).await else { return };
    let mut repository = Vec::new();
    for chart in CHARTS {
        let name = chart.rsplit('/').next().unwrap_or(chart);
        gather(&corpus.join(chart), name, &mut repository);
    }
    let repository = Repository::of_bytes(&repository);
    let kubeconfig = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(kubeconfig.path(), stage.kubeconfig().await).expect("a file can be written");
    stage.start();
    stage.apply(stage.git_repository_value("charts", &repository.url())).await;
    let play = Play { stage: &stage, helm, kubeconfig: kubeconfig.path(), url: repository.url() };
    let mut wrong = Vec::new();
    let mut objects = 0;
    for chart in CHARTS {
        let name = chart.rsplit('/').next().unwrap_or(chart);
        let by_helm = play.by_helm(&corpus.join(chart)).await;
        let by_application = play.by_application(name, &by_helm).await;
        let by_release = play.by_release(name, &by_helm).await;
        objects += by_helm.len();
        for (who, have) in [("Application", by_application), ("HelmRelease", by_release)] {
            differences(&format!("{chart} by {who}"), &by_helm, &have, &mut wrong);
        }
    }
    stage.close().await;
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(objects > 80, "{objects} objects were compared");
}

#[expect(clippy::print_stderr, reason = "a story that did not run must say so")]
fn referees(story: &str) -> Option<(PathBuf, PathBuf)> {
    let named = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let charts = named("BOWLINE_CORPUS").map(|corpus| corpus.join("helm/charts"));
    let helm = named("BOWLINE_CLIENTS").map(|clients| clients.join("helm4"));
    let found = charts.zip(helm).filter(|(charts, helm)| charts.is_dir() && helm.is_file());
    if found.is_none() {
        eprintln!("skipped: {story} needs charts at $BOWLINE_CORPUS and helm4 at $BOWLINE_CLIENTS");
    }
    found
}

/// Takes the files of a folder, with their paths below `name`.
fn gather(folder: &Path, name: &str, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the corpus") {
        let path = entry.expect("is readable").path();
        let below = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            gather(&path, &below, files);
        } else {
            files.push((below, std::fs::read(&path).expect("is readable")));
        }
    }
}

struct Play<'a> {
    stage: &'a Stage,
    helm: PathBuf,
    kubeconfig: &'a Path,
    url: String,
}

impl Play<'_> {
    fn run_helm(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(&self.helm)
            .args(arguments)
            .args(["--namespace", &self.stage.target(), "--kubeconfig"])
            .arg(self.kubeconfig)
            .output()
            .expect("Helm runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Installs a chart by Helm, takes down what it made, and takes it away again.
    async fn by_helm(&self, chart: &Path) -> BTreeMap<Name, Value> {
        let chart = chart.to_string_lossy().into_owned();
        self.run_helm(&["install", "rel", &chart, "--no-hooks"]);
        let mut names = self.names(&self.run_helm(&["get", "manifest", "rel"])).await;
        names.extend(self.names(&self.run_helm_locally(&["show", "crds", &chart])).await);
        let found = self.read(&names).await;
        self.run_helm(&["uninstall", "rel", "--no-hooks"]);
        self.until_gone(&names).await;
        found
    }

    fn run_helm_locally(&self, arguments: &[&str]) -> Vec<u8> {
        Command::new(&self.helm).args(arguments).output().expect("Helm runs").stdout
    }

    async fn by_application(&self, chart: &str, by_helm: &BTreeMap<Name, Value>) -> BTreeMap<Name, Value> {
        let mut app = self.stage.application_value("one", &self.url, chart);
        app["spec"]["source"]["helm"] = json!({"releaseName": "rel", "skipTests": true});
        app["metadata"]["finalizers"] = json!(["resources-finalizer.argocd.argoproj.io/background"]);
        let app = self.stage.apply(app).await;
        self.stage
            .until(&format!("{chart} is synced"), async || {
                let app = self.stage.application("one").await;
                app.text("/status/sync/status") == Some("Synced")
                    && app.text("/status/operationState/phase") == Some("Succeeded")
            })
            .await;
        let status = self.stage.application("one").await;
        let resources = status.at("/status/resources").and_then(Value::as_array).into_iter().flatten();
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let names = resources.map(|entry| {
            let api_version = Gvk::new(text(entry, "group"), text(entry, "version"), "").api_version();
            (api_version, text(entry, "kind"), text(entry, "namespace"), text(entry, "name"))
        });
        let names: BTreeSet<Name> = names.collect();
        let found = self.read(&names).await;
        self.stage.delete(&app).await;
        self.until_gone(&names).await;
        self.stage
            .until("the Application is gone", async || {
                self.stage.get("argoproj.io/v1alpha1", "Application", &self.stage.home(), "one").await.is_none()
            })
            .await;
        assert!(!by_helm.is_empty());
        found
    }

    async fn by_release(&self, chart: &str, by_helm: &BTreeMap<Name, Value>) -> BTreeMap<Name, Value> {
        let release = json!({
            "apiVersion": "helm.toolkit.fluxcd.io/v2",
            "kind": "HelmRelease",
            "metadata": {"name": "one", "namespace": self.stage.home()},
            "spec": {
                "interval": "10m", "timeout": "30s", "releaseName": "rel", "targetNamespace": self.stage.target(),
                "chart": {"spec": {"chart": chart, "sourceRef": {"kind": "GitRepository", "name": "charts"}}},
                "install": {"disableWait": true, "disableHooks": true, "crds": "CreateReplace"},
            },
        });
        let release = self.stage.apply(release).await;
        let live = async || self.stage.get("helm.toolkit.fluxcd.io/v2", "HelmRelease", &self.stage.home(), "one").await;
        let is_ready = |live: &Object| condition(live, "Ready").is_some_and(|ready| ready["status"] == "True");
        self.stage.until(&format!("{chart} is ready"), async || live().await.is_some_and(|live| is_ready(&live))).await;
        let status = live().await.expect("is there");
        let count = status.at("/status/inventory/entries").and_then(Value::as_array).map_or(0, Vec::len);
        assert_eq!(count, by_helm.len(), "{chart}: the inventory has what Helm has");
        let names: BTreeSet<Name> = by_helm.keys().cloned().collect();
        let found = self.read(&names).await;
        self.stage.delete(&release).await;
        self.until_gone(&names).await;
        self.stage.until("the HelmRelease is gone", async || live().await.is_none()).await;
        found
    }

    /// Names the objects of a text, with the namespaces that they go to.
    async fn names(&self, text: &[u8]) -> BTreeSet<Name> {
        let (documents, problems) = parse_documents(text, &Limits::default());
        assert!(problems.is_empty(), "{problems:?}");
        let mut names = BTreeSet::new();
        for document in documents {
            let Ok(object) = Object::from_value(document.value) else { continue };
            let resource = self.stage.hands.resource(&object.gvk()).await.expect("discovery").expect("a known kind");
            let namespace = match (resource.namespaced, object.namespace()) {
                (false, _) => String::new(),
                (true, "") => self.stage.target(),
                (true, namespace) => namespace.to_owned(),
            };
            names.insert((
                object.api_version().to_owned(),
                object.kind().to_owned(),
                namespace,
                object.name().to_owned(),
            ));
        }
        names
    }

    /// Reads live objects, without what is another one each time.
    async fn read(&self, names: &BTreeSet<Name>) -> BTreeMap<Name, Value> {
        let mut found = BTreeMap::new();
        for name in names {
            let (api_version, kind, namespace, own) = name;
            if let Some(object) = self.stage.get(api_version, kind, namespace, own).await {
                found.insert(name.clone(), plain(object.into_value()));
            }
        }
        found
    }

    /// Waits until objects are gone; definitions stay.
    async fn until_gone(&self, names: &BTreeSet<Name>) {
        for (api_version, kind, namespace, name) in names {
            if kind == "CustomResourceDefinition" {
                continue;
            }
            self.stage
                .until(&format!("{kind} {name} is gone"), async || {
                    match self.stage.get(api_version, kind, namespace, name).await {
                        None => true,
                        Some(object) => {
                            if is_aggregate_alone(&object) {
                                self.stage.delete(&object).await;
                            }
                            false
                        }
                    }
                })
                .await;
        }
    }
}

/// Tells whether a role is the work of the controller that aggregates roles and of nobody else: it applies what it has
/// gathered, and makes a role anew that was deleted in between.
fn is_aggregate_alone(object: &Object) -> bool {
    let managers = object.at("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    object.kind() == "ClusterRole"
        && managers.map(|entry| &entry["manager"]).all(|manager| manager == "clusterrole-aggregation-controller")
}

/// Takes off what differs from one creation to the next, and the marks of whose an object is.
fn plain(mut object: Value) -> Value {
    const OWNERSHIP: [&str; 7] = [
        "app.kubernetes.io/managed-by",
        "argocd.argoproj.io/installation-id",
        "argocd.argoproj.io/tracking-id",
        "helm.toolkit.fluxcd.io/name",
        "helm.toolkit.fluxcd.io/namespace",
        "meta.helm.sh/release-name",
        "meta.helm.sh/release-namespace",
    ];
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let Some(fields) = object.as_object_mut() else { return object };
    fields.remove("status");
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
            metadata.remove(field);
        }
        for map in ["labels", "annotations"] {
            if let Some(marks) = metadata.get_mut(map).and_then(Value::as_object_mut) {
                // Controllers write theirs when they come to it.
                marks.retain(|name, _| {
                    !OWNERSHIP.contains(&name.as_str())
                        && !name.starts_with("deployment.kubernetes.io/")
                        && !name.starts_with("deprecated.daemonset.")
                });
                if marks.is_empty() {
                    metadata.remove(map);
                }
            }
        }
    }
    if let ("Service", Some(spec)) = (kind.as_str(), fields.get_mut("spec").and_then(Value::as_object_mut)) {
        for field in ["clusterIP", "clusterIPs", "healthCheckNodePort"] {
            // A headless one is chosen, not given.
            if spec.get(field).is_some_and(|value| *value != json!("None") && *value != json!(["None"])) {
                spec.remove(field);
            }
        }
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port.as_object_mut().map(|port| port.remove("nodePort"));
        }
    }
    object
}

/// Tells which objects are not the same.
fn differences(what: &str, want: &BTreeMap<Name, Value>, have: &BTreeMap<Name, Value>, wrong: &mut Vec<String>) {
    let names: BTreeSet<&Name> = want.keys().chain(have.keys()).collect();
    for name in names {
        let (want, have) = (want.get(name), have.get(name));
        if want != have {
            let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
            wrong.push(format!("{what}: {name:?}\n  want {}\n  have {}", show(want), show(have)));
        }
    }
}
