//! The simulated controllers, watched through the same pipeline that clients use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bowline_apiserver::{Admin, Cluster, DeleteOptions, Gvr, Options, PatchKind};
use serde_json::{Value, json};

fn apps(plural: &str) -> Gvr {
    Gvr::new("apps", "v1", plural)
}

fn core(plural: &str) -> Gvr {
    Gvr::new("", "v1", plural)
}

/// Waits until an object is as wanted; the deadline only ends a test that fails.
async fn wait_for(admin: &Admin, gvr: &Gvr, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Arc<Value> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut watch = admin.watch(gvr).expect("the collection is served");
    loop {
        let namespace =
            if ["nodes", "persistentvolumes", "namespaces"].contains(&gvr.resource.as_str()) { "" } else { "default" };
        let have = admin.get(gvr, namespace, name).expect("reading works");
        if let Some(object) = have.as_ref().filter(|object| wanted(object)) {
            return Arc::clone(object);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let in_time = tokio::time::timeout(left, watch.next()).await.is_ok();
        let shown = have.map_or("it is not there".to_owned(), |have| format!("{have:#}"));
        assert!(in_time, "{name} never was {what}: {shown}");
    }
}

async fn wait_gone(admin: &Admin, gvr: &Gvr, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut watch = admin.watch(gvr).expect("the collection is served");
    while let Some(object) = admin.get(gvr, "default", name).expect("reading works") {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(tokio::time::timeout(left, watch.next()).await.is_ok(), "{name} stays: {object:#}");
    }
}

/// Waits until nothing is written any more, and returns the revision at which that was.
async fn rest(cluster: &Cluster) -> u64 {
    let mut before = cluster.resource_version();
    let mut still = 0;
    while still < 50 {
        tokio::task::yield_now().await;
        let now = cluster.resource_version();
        still = if now == before { still + 1 } else { 0 };
        before = now;
    }
    before
}

fn workload(kind: &str, name: &str, replicas: Option<u32>, image: &str) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "c", "image": image, "ports": [{ "name": "http", "containerPort": 8080 }] }] },
            },
        },
    });
    if let Some(replicas) = replicas {
        object["spec"]["replicas"] = json!(replicas);
    }
    object
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

fn is_rolled_out(deployment: &Value) -> bool {
    deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"]
        && condition(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"
        && deployment["status"]["updatedReplicas"] == deployment["spec"]["replicas"]
        && deployment["status"]["replicas"] == deployment["spec"]["replicas"]
        && deployment["status"]["availableReplicas"] == deployment["spec"]["replicas"]
}

fn merge(admin: &Admin, gvr: &Gvr, name: &str, patch: Value) {
    admin.patch(gvr, ("default", name), "", PatchKind::Merge, &patch).expect("the patch is good");
}

#[tokio::test]
async fn a_new_cluster_has_what_every_cluster_has() {
    let cluster = Cluster::new(Options::default());
    let admin = cluster.admin();
    rest(&cluster).await;
    let names: Vec<String> = (admin.list(&core("namespaces"), None).expect("namespaces").iter())
        .map(|object| object["metadata"]["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);
    let service = admin.get(&core("services"), "default", "kubernetes").expect("reading works").expect("it is there");
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.1");
    for namespace in &names {
        assert!(admin.get(&core("serviceaccounts"), namespace, "default").expect("reading works").is_some());
        assert!(admin.get(&core("configmaps"), namespace, "kube-root-ca.crt").expect("reading works").is_some());
    }
    admin
        .create(
            &core("namespaces"),
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "default2" } }),
        )
        .expect("a namespace is made");
    rest(&cluster).await;
    assert!(admin.get(&core("serviceaccounts"), "default2", "default").expect("reading works").is_some());
}

#[tokio::test]
async fn a_deployment_becomes_available_rolls_and_rests() {
    let cluster = Cluster::new(Options::default());
    let admin = cluster.admin().named("test");
    let deployments = apps("deployments");
    admin.create(&deployments, workload("Deployment", "web", Some(3), "a:1")).expect("it is made");
    let first = wait_for(&admin, &deployments, "web", "rolled out", is_rolled_out).await;
    assert_eq!(first["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    assert_eq!(condition(&first, "Available")["reason"], "MinimumReplicasAvailable");
    assert_eq!(condition(&first, "Available")["message"], "Deployment has minimum availability.");
    let quiet = rest(&cluster).await;
    merge(&admin, &deployments, "web", json!({ "spec": { "replicas": 3 } }));
    assert_eq!(rest(&cluster).await, quiet, "an edit that changes nothing wakes nobody");

    merge(
        &admin,
        &deployments,
        "web",
        json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "c", "image": "a:2" }
    ] } } } }),
    );
    let second = wait_for(&admin, &deployments, "web", "rolled out again", |object| {
        is_rolled_out(object) && object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    })
    .await;
    assert_eq!(second["metadata"]["generation"], 2);
    rest(&cluster).await;
    let pods = admin.list(&core("pods"), Some("default")).expect("pods");
    let images: Vec<&str> = pods.iter().filter_map(|pod| pod["spec"]["containers"][0]["image"].as_str()).collect();
    assert_eq!(images, ["a:2", "a:2", "a:2"]);
    assert_eq!(admin.list(&apps("replicasets"), Some("default")).expect("sets").len(), 2);

    merge(&admin, &deployments, "web", json!({ "spec": { "replicas": 5 } }));
    wait_for(&admin, &deployments, "web", "scaled up", |object| object["status"]["availableReplicas"] == 5).await;
    merge(&admin, &deployments, "web", json!({ "spec": { "replicas": 0 } }));
    wait_for(&admin, &deployments, "web", "scaled down", |object| object["status"].get("replicas").is_none()).await;
    admin.delete(&deployments, "default", "web", &DeleteOptions::default()).expect("it is deleted");
    rest(&cluster).await;
    assert!(admin.list(&apps("replicasets"), Some("default")).expect("sets").is_empty());
    assert!(admin.list(&core("pods"), Some("default")).expect("pods").is_empty());
}

#[tokio::test]
async fn a_rollout_to_a_broken_template_keeps_the_old_pods() {
    let cluster = Cluster::new(Options::default());
    let admin = cluster.admin().named("test");
    let deployments = apps("deployments");
    admin.create(&deployments, workload("Deployment", "web", Some(4), "a:1")).expect("it is made");
    wait_for(&admin, &deployments, "web", "rolled out", is_rolled_out).await;
    merge(
        &admin,
        &deployments,
        "web",
        json!({ "spec": { "template": { "metadata": { "annotations": {
        "sim.bowline.dev/fault": "crashloop"
    } } } } }),
    );
    rest(&cluster).await;
    let stuck = admin.get(&deployments, "default", "web").expect("reading works").expect("it is there");
    assert_eq!(stuck["status"]["availableReplicas"], 3, "{:#}", stuck["status"]);
    assert_eq!(stuck["status"]["updatedReplicas"], 2);
    assert_eq!(condition(&stuck, "Progressing")["reason"], "ReplicaSetUpdated");
    merge(
        &admin,
        &deployments,
        "web",
        json!({ "spec": { "template": { "metadata": { "annotations": {
        "sim.bowline.dev/fault": null
    } } } } }),
    );
    wait_for(&admin, &deployments, "web", "rolled back", is_rolled_out).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_past_its_deadline_says_so() {
    let start = "2026-01-01T00:00:00Z".parse().expect("a time");
    let cluster = Cluster::new(Options { clock: bowline_apiserver::Clock::tokio(start), ..Options::default() });
    let admin = cluster.admin().named("test");
    let mut broken = workload("Deployment", "web", Some(1), "a:1");
    broken["spec"]["progressDeadlineSeconds"] = json!(60);
    broken["spec"]["template"]["metadata"]["annotations"] = json!({ "sim.bowline.dev/fault": "imagepull" });
    admin.create(&apps("deployments"), broken).expect("it is made");
    tokio::time::sleep(Duration::from_secs(59)).await;
    let read = || admin.get(&apps("deployments"), "default", "web").expect("reading works").expect("it is there");
    assert_eq!(condition(&read(), "Progressing")["status"], "True");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let late = read();
    assert_eq!(condition(&late, "Progressing")["status"], "False");
    assert_eq!(condition(&late, "Progressing")["reason"], "ProgressDeadlineExceeded");
}

#[tokio::test]
async fn a_stateful_set_makes_its_pods_and_claims_in_order() {
    let cluster = Cluster::new(Options::default());
    let admin = cluster.admin().named("test");
    let sets = apps("statefulsets");
    let mut set = workload("StatefulSet", "db", Some(3), "a:1");
    set["spec"]["serviceName"] = json!("db");
    set["spec"]["volumeClaimTemplates"] = json!([{
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    }]);
    admin.create(&sets, set).expect("it is made");
    let ready = |object: &Value| {
        object["status"]["readyReplicas"] == 3
            && object["status"]["updatedReplicas"] == 3
            && object["status"]["currentRevision"] == object["status"]["updateRevision"]
    };
    let first = wait_for(&admin, &sets, "db", "ready", ready).await;
    let claim = wait_for(&admin, &core("persistentvolumeclaims"), "data-db-2", "bound", |claim| {
        claim["status"]["phase"] == "Bound"
    })
    .await;
    let volume = claim["spec"]["volumeName"].as_str().expect("a volume");
    wait_for(&admin, &core("persistentvolumes"), volume, "bound", |volume| volume["status"]["phase"] == "Bound").await;

    merge(
        &admin,
        &sets,
        "db",
        json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "c", "image": "a:2" }
    ] } } } }),
    );
    let revision = first["status"]["updateRevision"].clone();
    wait_for(&admin, &sets, "db", "updated", |object| ready(object) && object["status"]["updateRevision"] != revision)
        .await;
    let pod = admin.get(&core("pods"), "default", "db-0").expect("reading works").expect("it is there");
    assert_eq!(pod["spec"]["containers"][0]["image"], "a:2");
    let quiet = rest(&cluster).await;
    tokio::task::yield_now().await;
    assert_eq!(cluster.resource_version(), quiet);

    admin
        .delete(&core("persistentvolumeclaims"), "default", "data-db-2", &DeleteOptions::default())
        .expect("it begins to go");
    rest(&cluster).await;
    assert!(
        admin.get(&core("persistentvolumeclaims"), "default", "data-db-2").expect("reading works").is_some(),
        "a pod uses it"
    );
    merge(&admin, &sets, "db", json!({ "spec": { "replicas": 2 } }));
    wait_gone(&admin, &core("persistentvolumeclaims"), "data-db-2").await;
}

#[tokio::test]
async fn a_daemon_set_runs_on_every_node_and_rolls() {
    let cluster = Cluster::new(Options::default());
    let admin = cluster.admin().named("test");
    let sets = apps("daemonsets");
    admin.create(&sets, workload("DaemonSet", "agent", None, "a:1")).expect("it is made");
    let ready = |object: &Value, nodes: u32| {
        object["status"]["numberReady"] == nodes
            && object["status"]["updatedNumberScheduled"] == nodes
            && object["status"]["observedGeneration"] == object["metadata"]["generation"]
    };
    wait_for(&admin, &sets, "agent", "ready", |object| ready(object, 1)).await;
    let mut node = Value::clone(&admin.get(&core("nodes"), "", "node-1").expect("reading works").expect("it is there"));
    node["metadata"] = json!({ "name": "node-2", "labels": node["metadata"]["labels"] });
    admin.create(&core("nodes"), node).expect("a node joins");
    wait_for(&admin, &sets, "agent", "on both nodes", |object| ready(object, 2)).await;
    merge(
        &admin,
        &sets,
        "agent",
        json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "c", "image": "a:2" }
    ] } } } }),
    );
    wait_for(&admin, &sets, "agent", "rolled", |object| object["metadata"]["generation"] == 2 && ready(object, 2))
        .await;
}

fn job(name: &str, spec: Value, annotations: Value) -> Value {
    let mut spec = spec;
    spec["template"] = json!({
        "metadata": { "annotations": annotations },
        "spec": { "restartPolicy": "Never", "containers": [{ "name": "c", "image": "a:1" }] },
    });
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": name, "namespace": "default" },
        "spec": spec,
    })
}

#[tokio::test]
async fn jobs_complete_or_fail() {
    let cluster = Cluster::new(Options::default());
    let admin = cluster.admin().named("test");
    let jobs = Gvr::new("batch", "v1", "jobs");
    admin.create(&jobs, job("good", json!({ "completions": 3, "parallelism": 2 }), json!({}))).expect("it is made");
    let good = wait_for(&admin, &jobs, "good", "complete", |job| condition(job, "Complete")["status"] == "True").await;
    assert_eq!(good["status"]["succeeded"], 3);
    assert_eq!(condition(&good, "SuccessCriteriaMet")["reason"], "CompletionsReached");

    let fault = json!({ "sim.bowline.dev/fault": "fail-job" });
    admin.create(&jobs, job("bad", json!({ "backoffLimit": 1 }), fault)).expect("it is made");
    let bad = wait_for(&admin, &jobs, "bad", "failed", |job| condition(job, "Failed")["status"] == "True").await;
    assert_eq!(bad["status"]["failed"], 2);
    assert_eq!(condition(&bad, "Failed")["reason"], "BackoffLimitExceeded");
    assert_eq!(condition(&bad, "Failed")["message"], "Job has reached the specified backoff limit");

    admin.create(&jobs, job("idle", json!({ "suspend": true }), json!({}))).expect("it is made");
    wait_for(&admin, &jobs, "idle", "suspended", |job| condition(job, "Suspended")["status"] == "True").await;
    merge(&admin, &jobs, "idle", json!({ "spec": { "suspend": false } }));
    wait_for(&admin, &jobs, "idle", "complete", |job| condition(job, "Complete")["status"] == "True").await;
}

#[tokio::test(start_paused = true)]
async fn a_cron_job_starts_a_job_each_minute_and_forgets_old_ones() {
    let start = "2026-01-01T00:00:30Z".parse().expect("a time");
    let cluster = Cluster::new(Options { clock: bowline_apiserver::Clock::tokio(start), ..Options::default() });
    let admin = cluster.admin().named("test");
    let template = job("", json!({}), json!({}))["spec"].clone();
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": { "name": "tick", "namespace": "default" },
        "spec": { "schedule": "* * * * *", "successfulJobsHistoryLimit": 2, "jobTemplate": { "spec": template } },
    });
    admin.create(&Gvr::new("batch", "v1", "cronjobs"), cron).expect("it is made");
    tokio::time::sleep(Duration::from_mins(10)).await;
    let cron = admin
        .get(&Gvr::new("batch", "v1", "cronjobs"), "default", "tick")
        .expect("reading works")
        .expect("it is there");
    assert_eq!(cron["status"]["lastScheduleTime"], "2026-01-01T00:10:00Z");
    let jobs = admin.list(&Gvr::new("batch", "v1", "jobs"), Some("default")).expect("jobs");
    assert_eq!(jobs.len(), 2);
}

#[tokio::test]
async fn a_service_knows_its_pods_and_gets_an_address() {
    let cluster = Cluster::new(Options::default());
    let admin = cluster.admin().named("test");
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "type": "LoadBalancer", "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": "http" }] },
    });
    admin.create(&core("services"), service).expect("it is made");
    admin.create(&apps("deployments"), workload("Deployment", "web", Some(2), "a:1")).expect("it is made");
    wait_for(&admin, &core("services"), "web", "balanced", |service| {
        service["status"]["loadBalancer"]["ingress"][0]["ip"].is_string()
    })
    .await;
    let endpoints = wait_for(&admin, &core("endpoints"), "web", "complete", |endpoints| {
        endpoints["subsets"][0]["addresses"].as_array().is_some_and(|addresses| addresses.len() == 2)
    })
    .await;
    assert_eq!(endpoints["subsets"][0]["ports"][0]["port"], 8080);
    rest(&cluster).await;
    let slices = admin.list(&Gvr::new("discovery.k8s.io", "v1", "endpointslices"), Some("default")).expect("slices");
    let slice = slices
        .iter()
        .find(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == "web")
        .expect("a slice");
    assert_eq!(slice["endpoints"].as_array().map(Vec::len), Some(2));
    assert_eq!(slice["endpoints"][0]["conditions"]["ready"], true);
}

#[tokio::test]
async fn a_pod_falls_ill_and_recovers_with_its_annotation() {
    let cluster = Cluster::new(Options::default());
    let admin = cluster.admin().named("test");
    let pods = core("pods");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "p", "namespace": "default", "annotations": { "sim.bowline.dev/fault": "pending" } },
        "spec": { "containers": [{ "name": "c", "image": "a:1" }] },
    });
    admin.create(&pods, pod).expect("it is made");
    let reason = |pod: &Value, kind: &str| condition(pod, kind)["reason"].as_str().unwrap_or_default().to_owned();
    wait_for(&admin, &pods, "p", "unschedulable", |pod| reason(pod, "PodScheduled") == "Unschedulable").await;
    let set = |fault: Value| {
        merge(&admin, &pods, "p", json!({ "metadata": { "annotations": { "sim.bowline.dev/fault": fault } } }));
    };
    set(Value::Null);
    wait_for(&admin, &pods, "p", "ready", |pod| condition(pod, "Ready")["status"] == "True").await;
    set(json!("oom"));
    let ill = wait_for(&admin, &pods, "p", "ill", |pod| condition(pod, "Ready")["status"] == "False").await;
    let container = &ill["status"]["containerStatuses"][0];
    assert_eq!(container["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(container["lastState"]["terminated"]["reason"], "OOMKilled");
    set(Value::Null);
    wait_for(&admin, &pods, "p", "well", |pod| condition(pod, "Ready")["status"] == "True").await;
    admin.delete(&pods, "default", "p", &DeleteOptions::default()).expect("it begins to go");
    wait_gone(&admin, &pods, "p").await;
}

#[tokio::test]
async fn three_hundred_deployments_at_once_become_available() {
    let cluster = Cluster::new(Options::default());
    let admin = cluster.admin().named("test");
    let deployments = apps("deployments");
    for number in 0..300 {
        let name = format!("web-{number}");
        admin.create(&deployments, workload("Deployment", &name, Some(1), "a:1")).expect("it is made");
    }
    for number in 0..300 {
        wait_for(&admin, &deployments, &format!("web-{number}"), "rolled out", is_rolled_out).await;
    }
}

#[tokio::test]
async fn controllers_survive_a_history_that_is_too_short() {
    let cluster = Cluster::new(Options { watch_window: 1, ..Options::default() });
    let admin = cluster.admin().named("test");
    for number in 0..10 {
        let name = format!("web-{number}");
        admin.create(&apps("deployments"), workload("Deployment", &name, Some(3), "a:1")).expect("it is made");
    }
    for number in 0..10 {
        wait_for(&admin, &apps("deployments"), &format!("web-{number}"), "rolled out", is_rolled_out).await;
    }
    admin.delete(&apps("deployments"), "default", "web-0", &DeleteOptions::default()).expect("it is deleted");
    rest(&cluster).await;
    assert_eq!(admin.list(&core("pods"), Some("default")).expect("pods").len(), 27);
}

#[tokio::test(start_paused = true)]
async fn a_finished_job_goes_when_its_time_is_up() {
    let start = "2026-01-01T00:00:00Z".parse().expect("a time");
    let cluster = Cluster::new(Options { clock: bowline_apiserver::Clock::tokio(start), ..Options::default() });
    let admin = cluster.admin().named("test");
    let jobs = Gvr::new("batch", "v1", "jobs");
    admin.create(&jobs, job("brief", json!({ "ttlSecondsAfterFinished": 30 }), json!({}))).expect("it is made");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let there = admin.get(&jobs, "default", "brief").expect("reading works").expect("it is there");
    assert_eq!(condition(&there, "Complete")["status"], "True");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(admin.get(&jobs, "default", "brief").expect("reading works").is_none());
    assert!(admin.list(&core("pods"), Some("default")).expect("pods").is_empty());
}

#[tokio::test]
async fn budgets_and_autoscalers_report_on_what_they_watch() {
    let cluster = Cluster::new(Options::default());
    let admin = cluster.admin().named("test");
    admin.create(&apps("deployments"), workload("Deployment", "web", Some(2), "a:1")).expect("it is made");
    let budgets = Gvr::new("policy", "v1", "poddisruptionbudgets");
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } },
    });
    admin.create(&budgets, budget).expect("it is made");
    let budget = wait_for(&admin, &budgets, "web", "met", |budget| budget["status"]["disruptionsAllowed"] == 1).await;
    assert_eq!(condition(&budget, "DisruptionAllowed")["reason"], "SufficientPods");
    let scalers = Gvr::new("autoscaling", "v2", "horizontalpodautoscalers");
    let scaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "maxReplicas": 5, "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" } },
    });
    admin.create(&scalers, scaler).expect("it is made");
    wait_for(&admin, &scalers, "web", "informed", |scaler| {
        scaler["status"]["currentReplicas"] == 2 && condition(scaler, "ScalingActive")["status"] == "True"
    })
    .await;
}

#[tokio::test]
async fn a_recreated_deployment_has_no_two_versions_at_once_and_a_paused_one_stands_still() {
    let cluster = Cluster::new(Options::default());
    let admin = cluster.admin().named("test");
    let deployments = apps("deployments");
    let mut web = workload("Deployment", "web", Some(2), "a:1");
    web["spec"]["strategy"] = json!({ "type": "Recreate" });
    admin.create(&deployments, web).expect("it is made");
    wait_for(&admin, &deployments, "web", "rolled out", is_rolled_out).await;
    let image = |tag: &str| json!({ "template": { "spec": { "containers": [{ "name": "c", "image": tag }] } } });
    let mut pods = admin.watch(&core("pods")).expect("pods are served");
    // The first look is at what there is; the second tells all that happened since.
    let mut notices = pods.poll();
    merge(&admin, &deployments, "web", json!({ "spec": image("a:2") }));
    wait_for(&admin, &deployments, "web", "rolled out again", is_rolled_out).await;
    let mut live = std::collections::BTreeMap::new();
    notices.extend(pods.poll());
    assert!(notices.len() > 6, "the old pods went and the new ones came: {notices:?}");
    for notice in notices {
        let bowline_apiserver::Notice::Changed(change, pod) = notice else { continue };
        let name = pod["metadata"]["name"].to_string();
        if change == bowline_apiserver::Change::Deleted {
            live.remove(&name);
        } else {
            live.insert(name, pod["spec"]["containers"][0]["image"].to_string());
        }
        let versions: std::collections::BTreeSet<&String> = live.values().collect();
        assert!(versions.len() < 2, "both at once: {live:?}");
    }
    assert_eq!(live.len(), 2);

    merge(&admin, &deployments, "web", json!({ "spec": { "paused": true } }));
    merge(&admin, &deployments, "web", json!({ "spec": image("a:3") }));
    let paused = wait_for(&admin, &deployments, "web", "paused", |object| {
        condition(object, "Progressing")["reason"] == "DeploymentPaused"
    })
    .await;
    assert_eq!(paused["status"].get("updatedReplicas"), None);
    rest(&cluster).await;
    assert_eq!(admin.list(&apps("replicasets"), Some("default")).expect("sets").len(), 2);
    merge(&admin, &deployments, "web", json!({ "spec": { "paused": false } }));
    wait_for(&admin, &deployments, "web", "rolled out at last", is_rolled_out).await;
}
