//! What each judge says of small objects.

use bowline_health::{assess, worst};
use bowline_model::HealthStatus::{Degraded, Healthy, Missing, Progressing, Suspended, Unknown};
use bowline_model::{HealthJudge, HealthStatus, Object};
use serde_json::{Value, json};

type Case = (&'static str, &'static str, Value, HealthStatus, &'static str);

fn object(api_version: &str, kind: &str, rest: &Value) -> Object {
    let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}});
    for (field, content) in rest.as_object().expect("is a map") {
        if field == "metadata" {
            for (field, content) in content.as_object().expect("is a map") {
                value["metadata"][field] = content.clone();
            }
        } else {
            value[field] = content.clone();
        }
    }
    Object::from_value(value).expect("is an object")
}

fn check(judge: HealthJudge, cases: &[Case]) {
    for (api_version, kind, rest, status, message) in cases {
        let health = assess(judge, &object(api_version, kind, rest)).unwrap_or_else(|| panic!("{kind} has no health"));
        assert_eq!((health.status, health.message.as_str()), (*status, *message), "{kind} {rest}");
    }
}

fn conditions(list: &[(&str, &str, &str, &str)]) -> Value {
    list.iter()
        .map(|(kind, status, reason, message)| {
            json!({"type": kind, "status": status, "reason": reason, "message": message})
        })
        .collect()
}

fn with(list: &[(&str, &str, &str, &str)]) -> Value {
    json!({"status": {"conditions": conditions(list)}})
}

#[test]
fn argo_cd_on_workloads() {
    let rolled = |status: Value| json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status});
    check(
        HealthJudge::ArgoCd,
        &[
            ("apps/v1", "Deployment", json!({"spec": {"paused": true}}), Suspended, "Deployment is paused"),
            (
                "apps/v1",
                "Deployment",
                rolled(json!({"observedGeneration": 1})),
                Progressing,
                "Waiting for rollout to finish: observed deployment generation less than desired generation",
            ),
            (
                "apps/v1",
                "Deployment",
                rolled(json!({"observedGeneration": 2, "updatedReplicas": 1})),
                Progressing,
                "Waiting for rollout to finish: 1 out of 2 new replicas have been updated...",
            ),
            (
                "apps/v1",
                "Deployment",
                rolled(json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2})),
                Progressing,
                "Waiting for rollout to finish: 1 old replicas are pending termination...",
            ),
            (
                "apps/v1",
                "Deployment",
                rolled(json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1})),
                Progressing,
                "Waiting for rollout to finish: 1 of 2 updated replicas are available...",
            ),
            (
                "apps/v1",
                "Deployment",
                rolled(json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2})),
                Healthy,
                "",
            ),
            (
                "apps/v1",
                "Deployment",
                rolled(json!({"observedGeneration": 2, "conditions":
                    conditions(&[("Progressing", "False", "ProgressDeadlineExceeded", "")])})),
                Degraded,
                "Deployment \"web\" exceeded its progress deadline",
            ),
            (
                "apps/v1beta1",
                "Deployment",
                json!({}),
                Unknown,
                "unsupported Deployment GVK: apps/v1beta1, Kind=Deployment",
            ),
            (
                "apps/v1",
                "ReplicaSet",
                rolled(json!({"observedGeneration": 2, "availableReplicas": 1})),
                Progressing,
                "Waiting for rollout to finish: 1 out of 2 new replicas are available...",
            ),
            (
                "apps/v1",
                "ReplicaSet",
                rolled(json!({"observedGeneration": 2, "conditions":
                    conditions(&[("ReplicaFailure", "True", "FailedCreate", "quota")])})),
                Degraded,
                "quota",
            ),
            (
                "apps/v1",
                "DaemonSet",
                json!({"status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 1}}),
                Progressing,
                "Waiting for daemon set \"web\" rollout to finish: 1 out of 3 new pods have been updated...",
            ),
            (
                "apps/v1",
                "DaemonSet",
                json!({"status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2}}),
                Progressing,
                "Waiting for daemon set \"web\" rollout to finish: 2 of 3 updated pods are available...",
            ),
            (
                "apps/v1",
                "DaemonSet",
                json!({"spec": {"updateStrategy": {"type": "OnDelete"}}, "status": {"desiredNumberScheduled": 3}}),
                Healthy,
                "daemon set 0 out of 3 new pods have been updated",
            ),
            ("apps/v1", "StatefulSet", json!({}), Progressing, "Waiting for statefulset spec update to be observed..."),
            (
                "apps/v1",
                "StatefulSet",
                rolled(json!({"observedGeneration": 2, "readyReplicas": 1})),
                Progressing,
                "Waiting for 1 pods to be ready...",
            ),
            (
                "apps/v1",
                "StatefulSet",
                json!({
                    "spec": {"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}},
                    "status": {"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 1}
                }),
                Progressing,
                "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...",
            ),
            (
                "apps/v1",
                "StatefulSet",
                rolled(json!({"observedGeneration": 2, "readyReplicas": 2, "updatedReplicas": 1,
                    "currentRevision": "a", "updateRevision": "b"})),
                Progressing,
                "waiting for statefulset rolling update to complete 1 pods at revision b...",
            ),
            (
                "apps/v1",
                "StatefulSet",
                rolled(json!({"observedGeneration": 2, "readyReplicas": 2, "currentReplicas": 2,
                    "currentRevision": "b", "updateRevision": "b"})),
                Healthy,
                "statefulset rolling update complete 2 pods at revision b...",
            ),
        ],
    );
}

#[test]
fn argo_cd_on_other_kinds() {
    let balanced = json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}});
    check(
        HealthJudge::ArgoCd,
        &[
            ("networking.k8s.io/v1", "Ingress", json!({}), Progressing, ""),
            ("extensions/v1beta1", "Ingress", json!({"status": balanced}), Healthy, ""),
            ("v1", "Service", json!({}), Healthy, ""),
            ("v1", "Service", json!({"spec": {"type": "LoadBalancer"}}), Progressing, ""),
            ("v1", "Service", json!({"spec": {"type": "LoadBalancer"}, "status": balanced}), Healthy, ""),
            ("v1", "PersistentVolumeClaim", json!({"status": {"phase": "Bound"}}), Healthy, ""),
            ("v1", "PersistentVolumeClaim", json!({"status": {"phase": "Pending"}}), Progressing, ""),
            ("v1", "PersistentVolumeClaim", json!({"status": {"phase": "Lost"}}), Degraded, ""),
            ("v1", "PersistentVolumeClaim", json!({}), Unknown, ""),
            ("batch/v1", "Job", json!({}), Progressing, ""),
            ("batch/v1", "Job", with(&[("Complete", "True", "", "done")]), Healthy, "done"),
            (
                "batch/v1",
                "Job",
                with(&[("Failed", "True", "", "too often"), ("Complete", "False", "", "")]),
                Degraded,
                "too often",
            ),
            ("batch/v1", "Job", with(&[("Suspended", "True", "", "told so")]), Suspended, ""),
            ("batch/v1", "Job", with(&[("Suspended", "False", "", "resumed")]), Healthy, "resumed"),
            ("autoscaling/v2", "HorizontalPodAutoscaler", json!({}), Progressing, "Waiting to Autoscale"),
            (
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                with(&[
                    ("AbleToScale", "True", "SucceededRescale", "ok"),
                    ("ScalingActive", "False", "InvalidSelector", "bad"),
                ]),
                Healthy,
                "ok",
            ),
            (
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                with(&[("AbleToScale", "False", "FailedGetScale", "gone")]),
                Degraded,
                "gone",
            ),
            (
                "autoscaling/v1",
                "HorizontalPodAutoscaler",
                json!({"metadata": {"annotations": {"autoscaling.alpha.kubernetes.io/conditions":
                    r#"[{"type":"ScalingLimited","status":"True","message":"at most"}]"#}}}),
                Healthy,
                "at most",
            ),
            ("apiregistration.k8s.io/v1", "APIService", json!({}), Progressing, "Waiting to be processed"),
            (
                "apiregistration.k8s.io/v1",
                "APIService",
                with(&[("Available", "True", "Passed", "all checks")]),
                Healthy,
                "Passed: all checks",
            ),
            (
                "apiregistration.k8s.io/v1",
                "APIService",
                with(&[("Available", "False", "Missing", "no service")]),
                Progressing,
                "Missing: no service",
            ),
            ("argoproj.io/v1alpha1", "Workflow", json!({"status": {"phase": "Error", "message": "m"}}), Degraded, "m"),
            (
                "v1",
                "ConfigMap",
                json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
                Progressing,
                "Pending deletion",
            ),
            (
                "batch/v1",
                "Job",
                json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["argocd.argoproj.io/hook-finalizer"]},
                    "status": {"conditions": conditions(&[("Complete", "True", "", "done")])}}),
                Healthy,
                "done",
            ),
        ],
    );
}

#[test]
fn argo_cd_on_pods() {
    let pod = |policy: &str, status: Value| json!({"spec": {"restartPolicy": policy}, "status": status});
    let waits = |reason: &str| {
        json!({"phase": "Pending", "containerStatuses": [
        {"name": "a", "state": {"waiting": {"reason": reason, "message": "cannot pull"}}}]})
    };
    let ready = json!({"phase": "Running", "conditions": conditions(&[("Ready", "True", "", "")])});
    check(
        HealthJudge::ArgoCd,
        &[
            ("v1", "Pod", pod("Always", waits("ImagePullBackOff")), Degraded, "cannot pull"),
            ("v1", "Pod", pod("Always", waits("ContainerCreating")), Progressing, ""),
            ("v1", "Pod", pod("Never", waits("ImagePullBackOff")), Progressing, ""),
            ("v1", "Pod", pod("Always", ready.clone()), Healthy, ""),
            ("v1", "Pod", pod("Never", ready.clone()), Progressing, ""),
            (
                "v1",
                "Pod",
                json!({"metadata": {"annotations": {"argocd.argoproj.io/ignore-restart-policy": "true"}},
                    "spec": {"restartPolicy": "Never"}, "status": ready}),
                Healthy,
                "",
            ),
            (
                "v1",
                "Pod",
                pod("Always", json!({"phase": "Running", "containerStatuses": [{"lastState": {"terminated": {}}}]})),
                Degraded,
                "",
            ),
            ("v1", "Pod", pod("Always", json!({"phase": "Running"})), Progressing, ""),
            ("v1", "Pod", pod("Never", json!({"phase": "Succeeded"})), Healthy, ""),
            ("v1", "Pod", pod("Never", json!({"phase": "Failed", "message": "evicted"})), Degraded, "evicted"),
            (
                "v1",
                "Pod",
                pod(
                    "Never",
                    json!({"phase": "Failed", "containerStatuses": [
                    {"name": "a", "state": {"terminated": {"exitCode": 0}}},
                    {"name": "b", "state": {"terminated": {"exitCode": 3}}}]}),
                ),
                Degraded,
                "container \"b\" failed with exit code 3",
            ),
            (
                "v1",
                "Pod",
                pod(
                    "Never",
                    json!({"phase": "Failed", "initContainerStatuses": [
                    {"name": "a", "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]}),
                ),
                Degraded,
                "OOMKilled",
            ),
            ("v1", "Pod", json!({}), Unknown, ""),
        ],
    );
}

#[test]
fn argo_cd_on_custom_kinds() {
    let crd = ("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    check(
        HealthJudge::ArgoCd,
        &[
            (crd.0, crd.1, json!({}), Progressing, "CRD is not established yet"),
            (
                crd.0,
                crd.1,
                with(&[("Established", "False", "Installing", "")]),
                Progressing,
                "CRD is not established yet",
            ),
            (
                crd.0,
                crd.1,
                with(&[("NamesAccepted", "True", "", ""), ("Established", "True", "", "")]),
                Healthy,
                "CRD is healthy",
            ),
            (
                crd.0,
                crd.1,
                with(&[("NamesAccepted", "False", "", "taken")]),
                Degraded,
                "CRD names have not been accepted: taken",
            ),
            ("cert-manager.io/v1", "Certificate", json!({}), Progressing, "Waiting for certificate"),
            ("cert-manager.io/v1", "Certificate", with(&[("Ready", "True", "", "up to date")]), Healthy, "up to date"),
            (
                "cert-manager.io/v1",
                "Certificate",
                with(&[("Ready", "False", "", "none"), ("Issuing", "True", "", "asking")]),
                Progressing,
                "asking",
            ),
            (
                "cert-manager.io/v1",
                "ClusterIssuer",
                with(&[("Ready", "False", "", "no account")]),
                Degraded,
                "no account",
            ),
            (
                "kustomize.toolkit.fluxcd.io/v1",
                "Kustomization",
                json!({"spec": {"suspend": true}}),
                Suspended,
                "Kustomization is suspended",
            ),
            (
                "source.toolkit.fluxcd.io/v1",
                "GitRepository",
                with(&[("Ready", "False", "GitOperationFailed", "no")]),
                Degraded,
                "GitOperationFailed",
            ),
            (
                "source.toolkit.fluxcd.io/v1",
                "GitRepository",
                with(&[("Ready", "Unknown", "Progressing", "")]),
                Progressing,
                "Progressing",
            ),
            ("batch/v1", "CronJob", json!({}), Healthy, "CronJob has not been scheduled yet"),
            (
                "batch/v1",
                "CronJob",
                json!({"status": {"lastScheduleTime": "2026-01-02T00:00:00Z", "lastSuccessfulTime": "2026-01-01T00:00:05Z"}}),
                Degraded,
                "CronJob has not completed its last execution successfully",
            ),
            (
                "external-secrets.io/v1",
                "ExternalSecret",
                with(&[("Ready", "False", "", "no such key")]),
                Degraded,
                "no such key",
            ),
            (
                "argoproj.io/v1alpha1",
                "ApplicationSet",
                with(&[("ErrorOccurred", "True", "", "two generators")]),
                Degraded,
                "two generators",
            ),
        ],
    );
}

#[test]
fn argo_cd_has_no_verdict_on_most_kinds() {
    for (api_version, kind) in [("v1", "ConfigMap"), ("argoproj.io/v1alpha1", "Application"), ("example.com/v1", "Pod")]
    {
        assert_eq!(assess(HealthJudge::ArgoCd, &object(api_version, kind, &json!({}))), None, "{kind}");
    }
}

#[test]
fn kstatus_on_any_kind() {
    check(
        HealthJudge::Kstatus,
        &[
            ("example.com/v1", "Thing", json!({}), Healthy, "Resource is current"),
            (
                "example.com/v1",
                "Thing",
                json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
                Progressing,
                "Resource scheduled for deletion",
            ),
            (
                "example.com/v1",
                "Thing",
                json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1,
                    "conditions": conditions(&[("Ready", "True", "", "")])}}),
                Progressing,
                "Thing generation is 2, but latest observed generation is 1",
            ),
            (
                "example.com/v1",
                "Thing",
                with(&[("Ready", "True", "", ""), ("Reconciling", "True", "", "at it")]),
                Progressing,
                "at it",
            ),
            ("example.com/v1", "Thing", with(&[("Stalled", "True", "", "cannot")]), Degraded, "cannot"),
            ("example.com/v1", "Thing", with(&[("Stalled", "False", "", "cannot")]), Healthy, "Resource is current"),
            ("example.com/v1", "Thing", with(&[("Ready", "True", "", "x")]), Healthy, "Resource is Ready"),
            ("example.com/v1", "Thing", with(&[("Ready", "False", "", "not yet")]), Progressing, "not yet"),
            ("example.com/v1", "Thing", with(&[("Ready", "Unknown", "", "who knows")]), Progressing, "who knows"),
            (
                "example.com/v1",
                "Thing",
                json!({"status": {"conditions": "none"}}),
                Unknown,
                "`status.conditions` is not a list",
            ),
            ("v1", "ConfigMap", json!({}), Healthy, "Resource is always ready"),
        ],
    );
}

#[test]
fn kstatus_on_workloads() {
    let full = json!({"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1,
        "conditions": conditions(&[("Available", "True", "", ""), ("Progressing", "True", "NewReplicaSetAvailable", "")])});
    let mut not_rolled = full.clone();
    not_rolled["conditions"] = conditions(&[("Available", "True", "", "")]);
    let mut not_available = full.clone();
    not_available["conditions"] = conditions(&[("Progressing", "True", "NewReplicaSetAvailable", "")]);
    let deadline = |status: &Value| json!({"spec": {"progressDeadlineSeconds": 600}, "status": status});
    check(
        HealthJudge::Kstatus,
        &[
            ("apps/v1", "Deployment", json!({}), Progressing, "Replicas: 0/1"),
            ("apps/v1", "Deployment", json!({"status": {"replicas": 1}}), Progressing, "Updated: 0/1"),
            (
                "apps/v1",
                "Deployment",
                json!({"status": {"replicas": 2, "updatedReplicas": 1}}),
                Progressing,
                "Pending termination: 1",
            ),
            (
                "apps/v1",
                "Deployment",
                json!({"status": {"replicas": 1, "updatedReplicas": 1}}),
                Progressing,
                "Available: 0/1",
            ),
            (
                "apps/v1",
                "Deployment",
                json!({"status": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}}),
                Progressing,
                "Ready: 0/1",
            ),
            ("apps/v1", "Deployment", deadline(&not_rolled), Progressing, "ReplicaSet not Available"),
            ("apps/v1", "Deployment", deadline(&not_available), Progressing, "Deployment not Available"),
            ("apps/v1", "Deployment", deadline(&full), Healthy, "Deployment is available. Replicas: 1"),
            (
                "apps/v1",
                "Deployment",
                with(&[("Progressing", "False", "ProgressDeadlineExceeded", "")]),
                Degraded,
                "Progress deadline exceeded",
            ),
            (
                "apps/v1",
                "StatefulSet",
                json!({"spec": {"updateStrategy": {"type": "OnDelete"}}}),
                Healthy,
                "StatefulSet is using the ondelete update strategy",
            ),
            ("apps/v1", "StatefulSet", json!({"status": {"replicas": 1}}), Progressing, "Ready: 0/1"),
            (
                "apps/v1",
                "StatefulSet",
                json!({"status": {"replicas": 1, "readyReplicas": 1}}),
                Progressing,
                "current: 0/1",
            ),
            (
                "apps/v1",
                "StatefulSet",
                json!({"spec": {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
                    "status": {"replicas": 2, "readyReplicas": 2}}),
                Progressing,
                "updated: 0/1",
            ),
            (
                "apps/v1",
                "StatefulSet",
                json!({"status": {"replicas": 1, "readyReplicas": 1, "currentReplicas": 1, "currentRevision": "a", "updateRevision": "b"}}),
                Progressing,
                "Waiting for updated revision to match current",
            ),
            (
                "apps/v1",
                "StatefulSet",
                json!({"status": {"replicas": 1, "readyReplicas": 1, "currentReplicas": 1}}),
                Healthy,
                "All replicas scheduled as expected. Replicas: 1",
            ),
            ("apps/v1", "ReplicaSet", json!({}), Progressing, "Labelled: 0/1"),
            (
                "apps/v1",
                "ReplicaSet",
                with(&[("ReplicaFailure", "True", "", "")]),
                Progressing,
                "Replica Failure condition. Check Pods",
            ),
            ("apps/v1", "DaemonSet", json!({}), Progressing, "DaemonSet metadata.generation not found"),
            (
                "apps/v1",
                "DaemonSet",
                json!({"metadata": {"generation": 1}}),
                Progressing,
                "DaemonSet status.observedGeneration not found",
            ),
            (
                "apps/v1",
                "DaemonSet",
                json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "desiredNumberScheduled": 0}}),
                Healthy,
                "All replicas scheduled as expected. Replicas: 0",
            ),
        ],
    );
}

#[test]
fn kstatus_on_other_kinds() {
    let crash = json!({"status": {"phase": "Running", "containerStatuses": [
        {"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}, {"name": "b", "state": {}}]}});
    let unscheduled = json!({"status": {"phase": "Pending",
        "conditions": conditions(&[("PodScheduled", "False", "Unschedulable", "no node")])}});
    let crd = ("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    check(
        HealthJudge::Kstatus,
        &[
            ("v1", "Pod", json!({}), Progressing, "Pod phase not available"),
            ("v1", "Pod", json!({"status": {"phase": "Failed"}}), Healthy, "Pod has completed, but not successfully"),
            ("v1", "Pod", json!({"status": {"phase": "Running"}}), Progressing, "Pod is running but is not Ready"),
            ("v1", "Pod", crash, Degraded, "Containers in CrashLoop state: a"),
            ("v1", "Pod", unscheduled, Progressing, "Pod has not been scheduled"),
            ("v1", "PersistentVolumeClaim", json!({}), Progressing, "PVC is not Bound. phase: unknown"),
            ("v1", "PersistentVolumeClaim", json!({"status": {"phase": "Bound"}}), Healthy, "PVC is Bound"),
            (
                "v1",
                "Service",
                json!({"spec": {"type": "LoadBalancer"}}),
                Progressing,
                "ClusterIP not set. Service type: LoadBalancer",
            ),
            (
                "v1",
                "Service",
                json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}}),
                Healthy,
                "Service is ready",
            ),
            ("policy/v1", "PodDisruptionBudget", json!({}), Healthy, "AllowedDisruptions has been computed."),
            ("batch/v1", "Job", json!({}), Progressing, "Job not started"),
            (
                "batch/v1",
                "Job",
                json!({"status": {"startTime": "2026-01-01T00:00:00Z", "active": 1}}),
                Progressing,
                "Job in progress. success:0, active: 1, failed: 0",
            ),
            (
                "batch/v1",
                "Job",
                json!({"spec": {"parallelism": 2}, "status": {"succeeded": 2, "conditions": conditions(&[("Complete", "True", "", "")])}}),
                Healthy,
                "Job Completed. succeeded: 2/2",
            ),
            ("batch/v1", "Job", with(&[("Failed", "True", "", "")]), Degraded, "Job Failed. failed: 0/1"),
            (crd.0, crd.1, json!({}), Progressing, "Install in progress"),
            (crd.0, crd.1, with(&[("Established", "False", "Installing", "")]), Progressing, "Install in progress"),
            (crd.0, crd.1, with(&[("NamesAccepted", "False", "", "taken")]), Degraded, "taken"),
            (crd.0, crd.1, with(&[("Established", "True", "", "")]), Healthy, "CRD is established"),
        ],
    );
}

#[test]
fn the_worst_counts() {
    let cases: [(&[HealthStatus], HealthStatus); 7] = [
        (&[], Healthy),
        (&[Healthy, Suspended], Suspended),
        (&[Progressing, Suspended, Healthy], Progressing),
        (&[Healthy, Missing], Healthy),
        (&[Missing, Missing], Missing),
        (&[Degraded, Missing, Progressing], Degraded),
        (&[Degraded, Unknown], Unknown),
    ];
    for (statuses, want) in cases {
        assert_eq!(worst(statuses.iter().copied()), want, "{statuses:?}");
    }
}
