//! Objects made at random: well typed, otherwise with any mixture of what their kinds' controllers write.

use serde_json::{Map, Value, json};

/// A small generator of numbers (xorshift), so that a seed gives the same objects for ever.
pub(crate) struct Random(u64);

/// Beyond every clock: such a pod was never created so long ago that kstatus gives up on it.
const FAR_AWAY: &str = "2999-01-01T00:00:00Z";

const CONDITIONS: [&str; 24] = [
    "Ready",
    "Reconciling",
    "Stalled",
    "Available",
    "Progressing",
    "ReplicaFailure",
    "Complete",
    "Failed",
    "Suspended",
    "PodScheduled",
    "NamesAccepted",
    "Established",
    "Terminating",
    "NonStructuralSchema",
    "AbleToScale",
    "ScalingActive",
    "ScalingLimited",
    "ContainersReady",
    "Initialized",
    "FailureTarget",
    "SuccessCriteriaMet",
    "Synced",
    "Healthy",
    "Resizing",
];

const REASONS: [&str; 16] = [
    "",
    "NewReplicaSetAvailable",
    "ProgressDeadlineExceeded",
    "ReplicaSetUpdated",
    "MinimumReplicasAvailable",
    "Unschedulable",
    "Installing",
    "FailedGetScale",
    "FailedUpdateScale",
    "FailedGetResourceMetric",
    "InvalidSelector",
    "SucceededGetScale",
    "ValidMetricFound",
    "DesiredWithinRange",
    "BackoffLimitExceeded",
    "PodFailed",
];

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// Puts a field there, two times in three.
    fn maybe(&mut self, map: &mut Map<String, Value>, field: &str, value: Value) {
        if !self.one_in(3) {
            map.insert(field.to_owned(), value);
        }
    }

    fn few(&mut self) -> Value {
        json!(self.below(4))
    }

    fn condition(&mut self) -> Value {
        let kind = self.pick(&CONDITIONS);
        self.condition_of(kind)
    }

    fn condition_of(&mut self, kind: &str) -> Value {
        let mut condition = json!({"type": kind, "status": self.pick(&["True", "True", "False", "Unknown"])});
        let reason = self.pick(&REASONS);
        if !reason.is_empty() {
            condition["reason"] = json!(reason);
        }
        if !self.one_in(3) {
            condition["message"] = json!(self.pick(&["all is well", "something \"happened\"", ""]));
        }
        condition
    }

    /// Conditions of a kind's own types, with others between them.
    fn conditions(&mut self, own: &[&str]) -> Value {
        let count = self.below(4);
        (0..count)
            .map(|_| {
                if self.one_in(4) {
                    self.condition()
                } else {
                    let kind = self.pick(own);
                    self.condition_of(kind)
                }
            })
            .collect()
    }

    pub(crate) fn object(&mut self) -> Value {
        let mut object = match self.below(16) {
            0 => self.deployment(),
            1 => self.replica_set(),
            2 => self.stateful_set(),
            3 => self.daemon_set(),
            4..=6 => self.pod(),
            7 => self.job(),
            8 => self.service(),
            9 => self.ingress(),
            10 => self.claim(),
            11 => self.autoscaler(),
            12 => self.api_service(),
            13 => self.definition(),
            14 => self.workflow(),
            _ => self.other(),
        };
        let metadata = object["metadata"].as_object_mut().expect("is a map");
        metadata.insert("name".to_owned(), json!("web"));
        metadata.insert("namespace".to_owned(), json!("shop"));
        metadata.entry("creationTimestamp").or_insert_with(|| json!(FAR_AWAY));
        let generation = json!(self.below(3) + 1);
        self.maybe(metadata, "generation", generation);
        if self.one_in(15) {
            metadata.insert("deletionTimestamp".to_owned(), json!(FAR_AWAY));
            let finalizers = [json!([]), json!(["foregroundDeletion"]), json!(["argocd.argoproj.io/hook-finalizer"])];
            metadata.insert("finalizers".to_owned(), finalizers[self.below(3)].clone());
        }
        if self.one_in(12) {
            object["status"]["observedGeneration"] = json!(self.below(4));
        }
        object
    }

    /// Counts of a workload: seen, then wanted or missing.
    fn counts(&mut self, fields: &[&str]) -> Map<String, Value> {
        let mut status = Map::new();
        let usual = self.below(4);
        for field in fields {
            let count = if self.one_in(3) { self.few() } else { json!(usual) };
            self.maybe(&mut status, field, count);
        }
        let observed = json!(self.below(4));
        self.maybe(&mut status, "observedGeneration", observed);
        status
    }

    fn deployment(&mut self) -> Value {
        let mut spec = Map::new();
        let (replicas, deadline) = (self.few(), json!(self.pick(&[600, i32::MAX])));
        self.maybe(&mut spec, "replicas", replicas);
        self.maybe(&mut spec, "progressDeadlineSeconds", deadline);
        if self.one_in(10) {
            spec.insert("paused".to_owned(), json!(true));
        }
        let mut status = self.counts(&["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]);
        status.insert("conditions".to_owned(), self.conditions(&["Progressing", "Available", "ReplicaFailure"]));
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": spec, "status": status})
    }

    fn replica_set(&mut self) -> Value {
        let mut spec = Map::new();
        let replicas = self.few();
        self.maybe(&mut spec, "replicas", replicas);
        let mut status = self.counts(&["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"]);
        status.insert("conditions".to_owned(), self.conditions(&["ReplicaFailure"]));
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {}, "spec": spec, "status": status})
    }

    fn stateful_set(&mut self) -> Value {
        let mut spec = Map::new();
        let replicas = self.few();
        self.maybe(&mut spec, "replicas", replicas);
        let mut strategy = json!({"type": self.pick(&["RollingUpdate", "RollingUpdate", "OnDelete"])});
        if self.one_in(2) {
            strategy["rollingUpdate"] = if self.one_in(3) { json!({}) } else { json!({"partition": self.below(3)}) };
        }
        self.maybe(&mut spec, "updateStrategy", strategy);
        let mut status = self.counts(&["replicas", "readyReplicas", "updatedReplicas", "currentReplicas"]);
        for field in ["currentRevision", "updateRevision"] {
            let revision = json!(self.pick(&["web-1", "web-1", "web-2"]));
            self.maybe(&mut status, field, revision);
        }
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {}, "spec": spec, "status": status})
    }

    fn daemon_set(&mut self) -> Value {
        let strategy = self.pick(&["RollingUpdate", "RollingUpdate", "OnDelete"]);
        let status = self.counts(&[
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberReady",
        ]);
        let spec = json!({"updateStrategy": {"type": strategy}});
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {}, "spec": spec, "status": status})
    }

    fn container(&mut self, name: &str) -> Value {
        let ended = json!({
            "exitCode": self.pick(&[0, 1, 137]), "reason": self.pick(&["Error", "OOMKilled", "Completed", ""]),
            "message": self.pick(&["", "", "it broke"]),
        });
        let reasons =
            ["CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError", "ContainerCreating"];
        let state = match self.below(3) {
            0 => json!({"running": {"startedAt": FAR_AWAY}}),
            1 => json!({"waiting": {"reason": self.pick(&reasons), "message": self.pick(&["", "back-off 10s"])}}),
            _ => json!({"terminated": ended.clone()}),
        };
        let mut status = json!({"name": name, "ready": self.one_in(2), "state": state, "image": "web:1", "imageID": "",
            "restartCount": self.below(3)});
        if self.one_in(3) {
            status["lastState"] = json!({"terminated": ended});
        }
        status
    }

    fn pod(&mut self) -> Value {
        let policy = self.pick(&["Always", "Always", "OnFailure", "Never"]);
        let mut status = Map::new();
        let phase = json!(self.pick(&["Pending", "Running", "Running", "Running", "Succeeded", "Failed", "Unknown"]));
        self.maybe(&mut status, "phase", phase);
        if self.one_in(3) {
            status.insert("message".to_owned(), json!("the node is gone"));
        }
        let count = self.below(3);
        let containers: Value = (0..count).map(|at| self.container(&format!("c{at}"))).collect();
        status.insert("containerStatuses".to_owned(), containers);
        if self.one_in(3) {
            let first = self.container("init");
            status.insert("initContainerStatuses".to_owned(), json!([first]));
        }
        status.insert("conditions".to_owned(), self.conditions(&["Ready", "PodScheduled", "ContainersReady"]));
        let spec = json!({"restartPolicy": policy, "containers": [{"name": "c0", "image": "web:1"}]});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": spec, "status": status})
    }

    fn job(&mut self) -> Value {
        let mut spec = Map::new();
        for field in ["completions", "parallelism"] {
            let count = json!(self.below(3) + 1);
            self.maybe(&mut spec, field, count);
        }
        let mut status = Map::new();
        for field in ["succeeded", "active", "failed"] {
            let count = self.few();
            self.maybe(&mut status, field, count);
        }
        self.maybe(&mut status, "startTime", json!(FAR_AWAY));
        status.insert("conditions".to_owned(), self.conditions(&["Complete", "Failed", "Suspended", "FailureTarget"]));
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {}, "spec": spec, "status": status})
    }

    fn service(&mut self) -> Value {
        let mut spec = Map::new();
        let kind = json!(self.pick(&["LoadBalancer", "LoadBalancer", "ClusterIP", "NodePort", "ExternalName"]));
        self.maybe(&mut spec, "type", kind);
        self.maybe(&mut spec, "clusterIP", json!("10.0.0.1"));
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": spec, "status": self.load_balancer()})
    }

    fn load_balancer(&mut self) -> Value {
        match self.below(4) {
            0 => json!({}),
            1 => json!({"loadBalancer": {"ingress": []}}),
            2 => json!({"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}),
            _ => json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}),
        }
    }

    fn ingress(&mut self) -> Value {
        let version = self.pick(&["networking.k8s.io/v1", "networking.k8s.io/v1beta1", "extensions/v1beta1"]);
        json!({"apiVersion": version, "kind": "Ingress", "metadata": {}, "spec": {}, "status": self.load_balancer()})
    }

    fn claim(&mut self) -> Value {
        let mut status = Map::new();
        let phase = json!(self.pick(&["Bound", "Pending", "Lost", "Strange"]));
        self.maybe(&mut status, "phase", phase);
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {}, "spec": {}, "status": status})
    }

    fn autoscaler(&mut self) -> Value {
        let version = self.pick(&["v1", "v2", "v2beta1", "v2beta2", "v3"]);
        let conditions = self.conditions(&["AbleToScale", "ScalingActive", "ScalingLimited"]);
        let mut metadata = json!({});
        let mut status = json!({"currentReplicas": 1, "desiredReplicas": 1});
        if version == "v1" {
            if !self.one_in(4) {
                let text = if self.one_in(8) { "no list".to_owned() } else { conditions.to_string() };
                metadata["annotations"] = json!({"autoscaling.alpha.kubernetes.io/conditions": text});
            }
        } else {
            status["conditions"] = conditions;
        }
        let spec = json!({"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "web"}});
        json!({"apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler", "metadata": metadata,
            "spec": spec, "status": status})
    }

    fn api_service(&mut self) -> Value {
        let version = self.pick(&["v1", "v1", "v1beta1", "v2"]);
        let status = json!({"conditions": self.conditions(&["Available"])});
        json!({"apiVersion": format!("apiregistration.k8s.io/{version}"), "kind": "APIService", "metadata": {},
            "spec": {}, "status": status})
    }

    fn definition(&mut self) -> Value {
        let status = json!({"conditions": self.conditions(&["NamesAccepted", "Established", "Terminating"])});
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {}, "spec": {},
            "status": status})
    }

    fn workflow(&mut self) -> Value {
        let phases = ["", "Pending", "Running", "Succeeded", "Failed", "Error", "Skipped"];
        let status = json!({"phase": self.pick(&phases), "message": self.pick(&["", "step 2 failed"])});
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {}, "spec": {}, "status": status})
    }

    /// Kinds of which only kstatus has something to say.
    fn other(&mut self) -> Value {
        let kinds = [
            ("v1", "ConfigMap"),
            ("v1", "Secret"),
            ("v1", "Namespace"),
            ("v1", "ReplicationController"),
            ("batch/v1", "CronJob"),
            ("policy/v1", "PodDisruptionBudget"),
            ("example.org/v1", "Widget"),
            ("example.org/v1", "Widget"),
            ("cert-manager.io/v1", "Certificate"),
        ];
        let (version, kind) = self.pick(&kinds);
        let mut status = Map::new();
        status.insert("conditions".to_owned(), self.conditions(&["Ready", "Reconciling", "Stalled"]));
        let observed = self.few();
        self.maybe(&mut status, "observedGeneration", observed);
        json!({"apiVersion": version, "kind": kind, "metadata": {}, "status": status})
    }
}
