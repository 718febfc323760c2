//! Sensible values: what people write into fields that the schema only calls strings.

use serde_json::{Value, json};

use super::rng::Rng;

pub(crate) fn labels(rng: &mut Rng) -> Value {
    let mut map = json!({ "app": rng.pick(&["web", "db"]) });
    if rng.chance(30) {
        map["example.com/tier"] = json!(rng.pick(&["front", "back", ""]));
    }
    map
}

pub(crate) fn int_or_string(rng: &mut Rng) -> Value {
    match rng.below(4) {
        0 => json!("25%"),
        1 => json!("http"),
        _ => json!(rng.pick(&[0, 1, 2, 80, 8080])),
    }
}

pub(crate) fn quantity(rng: &mut Rng) -> Value {
    if rng.chance(15) {
        return json!(rng.pick(&[1, 2, 1000]));
    }
    json!(rng.pick(&["1", "100m", "1000m", "1Gi", "1024Mi", "500M", "0", "0.5", "1e3", "1.5Gi", "128974848"]))
}

/// Makes the whole value of types that are no plain structures.
pub(crate) fn whole(ty: &str, rng: &mut Rng) -> Option<Value> {
    Some(match ty {
        "Quantity" => quantity(rng),
        "IntOrString" => int_or_string(rng),
        "Time" => json!(rng.pick(&["2024-05-06T07:08:09Z", "2024-05-06T09:08:09+02:00"])),
        "MicroTime" => json!("2024-05-06T07:08:09.123456Z"),
        "RawExtension" => json!({ "apiVersion": "example.com/v1", "kind": "Thing", "a": [1, "b"] }),
        "ObjectMeta" => {
            let mut meta = json!({});
            if rng.chance(70) {
                meta["labels"] = labels(rng);
            }
            if rng.chance(20) {
                meta["annotations"] = json!({ "example.com/note": "x" });
            }
            if rng.chance(10) {
                meta["name"] = json!("inner");
            }
            meta
        }
        "LabelSelector" => match rng.below(5) {
            0 => json!({}),
            1 => {
                json!({ "matchExpressions": [{ "key": "app", "operator": rng.pick(&["In", "NotIn"]), "values": ["web", "db"] }] })
            }
            2 => json!({ "matchExpressions": [{ "key": "app", "operator": rng.pick(&["Exists", "DoesNotExist"]) }] }),
            _ => json!({ "matchLabels": labels(rng) }),
        },
        "ManagedFieldsEntry" => json!({}),
        "ListMeta" => json!({}),
        _ => return None,
    })
}

/// Returns how likely an optional field is, where the usual will not do.
pub(crate) fn likelihood(kind: &str, owner: &str, field: &str) -> Option<usize> {
    Some(match (owner, field) {
        // The token's volume has a random name; admission is asked about elsewhere.
        ("PodSpec", "automountServiceAccountToken") => 100,
        (
            "PodSpec",
            "ephemeralContainers" | "hostUsers" | "overhead" | "runtimeClassName" | "priority" | "preemptionPolicy",
        ) => 1,
        (
            "PodSpec",
            "resourceClaims" | "resources" | "schedulingGates" | "setHostnameAsFQDN" | "os" | "workloadRef",
        ) => 3,
        (
            "PodSpec",
            "nodeName" | "hostPID" | "hostIPC" | "shareProcessNamespace" | "hostNetwork" | "hostnameOverride",
        ) => 4,
        ("PodSpec", "volumes" | "initContainers") => 35,
        ("Container", "ports" | "env" | "volumeMounts" | "resources" | "livenessProbe") => 35,
        ("Container", "image") => 99,
        ("Container", "resizePolicy" | "restartPolicy" | "restartPolicyRules" | "volumeDevices") => 3,
        ("SecurityContext" | "PodSecurityContext", "windowsOptions" | "procMount" | "seLinuxChangePolicy") => 2,
        (_, "status") => 8,
        (_, "spec") => 98,
        (_, "managedFields" | "deletionTimestamp" | "selfLink") => 0,
        ("JobSpec", "selector" | "manualSelector" | "managedBy" | "podFailurePolicy" | "successPolicy") => 8,
        ("ServiceSpec", "clusterIP" | "clusterIPs" | "externalName" | "loadBalancerIP" | "healthCheckNodePort") => 4,
        ("ServiceSpec", "ports") => 95,
        (
            "ServiceSpec",
            "ipFamilies" | "externalTrafficPolicy" | "loadBalancerClass" | "allocateLoadBalancerNodePorts",
        ) => 8,
        ("ServicePort", "nodePort") => 4,
        ("PersistentVolumeSpec", "capacity" | "accessModes") => 97,
        ("PersistentVolumeClaimSpec", "accessModes" | "resources") => 97,
        ("PersistentVolumeClaimSpec", "dataSource" | "dataSourceRef" | "selector") => 10,
        ("VolumeResourceRequirements", "requests") => 99,
        ("DeploymentSpec", "paused") => 15,
        ("CronJobSpec", "timeZone") => 15,
        ("NodeSpec", _) => 10,
        ("NodeStatus", _) => 15,
        ("PodStatus", _) => 5,
        ("StatefulSetSpec", "volumeClaimTemplates") => 25,
        _ if kind == "Pod" && owner == "Pod" && field == "status" => 5,
        _ => return None,
    })
}

pub(crate) fn map_key(owner: &str, field: &str, at: usize, rng: &mut Rng) -> String {
    let resources = [
        "requests",
        "limits",
        "capacity",
        "allocatable",
        "hard",
        "used",
        "max",
        "min",
        "default",
        "defaultRequest",
        "maxLimitRequestRatio",
        "overhead",
    ];
    let key = match (owner, field) {
        ("PersistentVolumeSpec", "capacity") | ("VolumeResourceRequirements", _) => "storage",
        ("ResourceQuotaSpec", _) => ["pods", "requests.cpu"][at % 2],
        (_, field) if resources.contains(&field) => match rng.below(8) {
            0 => "ephemeral-storage",
            1 => "example.com/device",
            2..=4 => "memory",
            _ => "cpu",
        },
        ("Secret" | "ConfigMap", _) => ["key.txt", "tls.crt"][at % 2],
        (_, "nodeSelector" | "selector" | "labels" | "matchLabels") => ["app", "disk"][at % 2],
        _ => ["a", "b"][at % 2],
    };
    key.to_owned()
}

/// Makes the values of fields known by their names; lists and maps are asked for one element at a time, and as a whole.
#[expect(clippy::too_many_lines, reason = "one row a field")]
pub(crate) fn field(owner: &str, field: &str, rng: &mut Rng) -> Option<Value> {
    Some(match (owner, field) {
        ("PodSpec", "automountServiceAccountToken") => json!(false),
        ("PodSpec", "serviceAccountName" | "serviceAccount") => json!("default"),
        ("PodSpec", "priorityClassName") => json!(rng.pick(&["system-node-critical", "system-cluster-critical"])),
        ("PodSpec", "nodeName") => json!("node-1"),
        ("PodSpec", "activeDeadlineSeconds") => json!(rng.pick(&[10, 600])),
        ("PodSpec", "terminationGracePeriodSeconds") => json!(rng.pick(&[0, 5, 60])),
        ("Container" | "EphemeralContainer", "image") => json!(rng.pick(&[
            "nginx",
            "nginx:1.27",
            "nginx:latest",
            "r.example.com:5000/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000"
        ])),
        ("ContainerPort", "containerPort") => json!(rng.pick(&[80, 443, 8080])),
        ("ContainerPort", "hostPort") => json!(rng.pick(&[80, 443, 8080])),
        ("ContainerPort", "hostIP") => json!(rng.pick(&["10.0.0.1", "0.0.0.0"])),
        ("ContainerPort", "name") => json!(rng.pick(&["http", "web", "metrics-1"])),
        ("ServicePort" | "EndpointPort", "name") => json!(rng.pick(&["http", "web", "metrics"])),
        ("ServicePort" | "EndpointPort", "port") => json!(rng.pick(&[80, 443, 9090])),
        ("ServicePort", "nodePort") => json!(rng.pick(&[30080, 31000, 80])),
        ("ServicePort" | "EndpointPort" | "ContainerPort", "appProtocol") => {
            json!(rng.pick(&["http", "kubernetes.io/h2c"]))
        }
        ("ServiceSpec", "clusterIP") => json!(rng.pick(&["None", "10.0.0.77", ""])),
        ("ServiceSpec", "externalName") => json!("db.example.com"),
        ("ServiceSpec", "externalIPs" | "loadBalancerSourceRanges") => {
            if field == "externalIPs" {
                json!(["192.0.2.1"])
            } else {
                json!(["10.0.0.0/8"])
            }
        }
        ("ServiceSpec", "clusterIPs") => json!(["None"]),
        ("ServiceSpec", "loadBalancerIP") => json!("192.0.2.9"),
        ("ServiceSpec", "loadBalancerClass") => json!("example.com/lb"),
        ("ServiceSpec", "trafficDistribution") => json!(rng.pick(&["PreferClose", "PreferSameZone", "PreferSameNode"])),
        ("ServiceSpec", "ipFamilies") => json!(["IPv4"]),
        ("ClientIPConfig", "timeoutSeconds") => json!(rng.pick(&[10, 10800])),
        ("CronJobSpec", "schedule") => {
            json!(rng.pick(&["*/5 * * * *", "0 3 * * 1-5", "@daily", "@every 1h", "15 10 1 jan ?"]))
        }
        ("CronJobSpec", "timeZone") => json!(rng.pick(&["Europe/Berlin", "Etc/UTC"])),
        ("JobSpec", "managedBy") => json!("example.com/controller"),
        ("DeploymentSpec", "progressDeadlineSeconds") => json!(rng.pick(&[600, 60, 300])),
        (
            "DeploymentSpec" | "StatefulSetSpec" | "DaemonSetSpec" | "ReplicaSetSpec" | "ReplicationControllerSpec",
            "minReadySeconds",
        ) => json!(rng.pick(&[0, 5, 10])),
        (
            "RollingUpdateDeployment" | "RollingUpdateDaemonSet" | "RollingUpdateStatefulSetStrategy",
            "maxSurge" | "maxUnavailable",
        ) => json!(rng.pick(&["25%", "1", "10%"])),
        ("PodDisruptionBudgetSpec", "minAvailable" | "maxUnavailable") => {
            if rng.chance(50) {
                json!("50%")
            } else {
                json!(rng.pick(&[0, 1, 2]))
            }
        }
        ("HorizontalPodAutoscalerSpec", "minReplicas") => json!(rng.pick(&[1, 2])),
        ("HorizontalPodAutoscalerSpec", "maxReplicas") => json!(rng.pick(&[2, 10])),
        ("HorizontalPodAutoscalerSpec", "targetCPUUtilizationPercentage") => json!(rng.pick(&[50, 80])),
        ("CrossVersionObjectReference", "apiVersion") => json!("apps/v1"),
        ("CrossVersionObjectReference", "kind") => json!("Deployment"),
        ("HPAScalingPolicy", "periodSeconds") => json!(rng.pick(&[15, 60])),
        ("HPAScalingPolicy", "value") => json!(rng.pick(&[1, 4])),
        ("HPAScalingPolicy", "type") => json!(rng.pick(&["Pods", "Percent"])),
        ("HPAScalingRules", "selectPolicy") => json!(rng.pick(&["Max", "Min", "Disabled"])),
        ("MetricTarget", "type") => json!(rng.pick(&["Utilization", "Value", "AverageValue"])),
        ("MetricTarget", "averageUtilization") => json!(rng.pick(&[50, 80])),
        ("MetricSpec", "type") => json!(rng.pick(&["Resource", "Pods", "Object", "External", "ContainerResource"])),
        ("ResourceMetricSource" | "ContainerResourceMetricSource", "name") => json!(rng.pick(&["cpu", "memory"])),
        ("PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy") => {
            json!(rng.pick(&["IfHealthyBudget", "AlwaysAllow"]))
        }
        ("Secret", "type") => json!(rng.pick(&[
            "Opaque",
            "example.com/x",
            "kubernetes.io/basic-auth",
            "kubernetes.io/tls",
            "kubernetes.io/dockerconfigjson"
        ])),
        ("PersistentVolumeSpec" | "PersistentVolumeClaimSpec", "accessModes") => {
            json!([rng.pick(&["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"])])
        }
        ("PersistentVolumeSpec" | "PersistentVolumeClaimSpec", "storageClassName") => json!(rng.pick(&["fast", ""])),
        ("PersistentVolumeSpec" | "PersistentVolumeClaimSpec", "volumeAttributesClassName") => json!("gold"),
        ("PersistentVolumeClaimSpec", "volumeName") => json!("pv-1"),
        ("Taint" | "Toleration", "key") => {
            json!(rng.pick(&["dedicated", "example.com/gpu", "node.kubernetes.io/not-ready"]))
        }
        ("Toleration", "operator") => json!(rng.pick(&["Exists", "Equal"])),
        ("Toleration" | "Taint", "effect") => json!(rng.pick(&["NoSchedule", "NoExecute", "PreferNoSchedule"])),
        ("Toleration", "tolerationSeconds") => json!(rng.pick(&[0, 60])),
        ("EnvVar", "name") => json!(rng.pick(&["A", "LOG_LEVEL", "my.var"])),
        ("EnvVar", "value") => json!(rng.pick(&["", "x", "$(A)"])),
        ("EnvFromSource", "prefix") => json!(rng.pick(&["", "P_"])),
        ("ObjectFieldSelector", "fieldPath") => json!(rng.pick(&[
            "metadata.name",
            "metadata.namespace",
            "status.podIP",
            "spec.nodeName",
            "metadata.labels['app']"
        ])),
        ("ObjectFieldSelector", "apiVersion") => json!("v1"),
        ("ResourceFieldSelector", "resource") => {
            json!(rng.pick(&["limits.cpu", "requests.memory", "limits.ephemeral-storage"]))
        }
        ("ResourceFieldSelector", "divisor") => json!(rng.pick(&["1", "1m", "1Mi", "0"])),
        ("FileKeySelector", "path") => json!("env.txt"),
        ("VolumeMount", "mountPath") => json!(rng.pick(&["/data", "/etc/config", "relative"])),
        ("VolumeMount", "subPath" | "subPathExpr") => json!(rng.pick(&["sub", "a/b"])),
        ("VolumeMount", "mountPropagation") => json!(rng.pick(&["None", "HostToContainer"])),
        ("VolumeDevice", "devicePath") => json!("/dev/x"),
        ("KeyToPath" | "DownwardAPIVolumeFile" | "ClusterTrustBundleProjection", "path") => {
            json!(rng.pick(&["file", "a/b"]))
        }
        ("ServiceAccountTokenProjection", "path") => json!("token"),
        ("ServiceAccountTokenProjection", "expirationSeconds") => json!(rng.pick(&[3600, 600])),
        (_, "mode" | "defaultMode") => json!(rng.pick(&[420, 256, 0])),
        ("HTTPGetAction" | "HTTPIngressPath", "path") => json!(rng.pick(&["/", "/healthz", "/a/b"])),
        ("HTTPGetAction" | "TCPSocketAction", "port") => {
            if rng.chance(50) {
                json!(8080)
            } else {
                json!("http")
            }
        }
        ("HTTPHeader", "name") => json!("X-Header"),
        ("GRPCAction", "port") => json!(9000),
        ("Probe", "timeoutSeconds" | "periodSeconds" | "failureThreshold" | "successThreshold") => {
            json!(rng.pick(&[0, 1, 1, 5]))
        }
        ("Probe", "terminationGracePeriodSeconds") => json!(30),
        ("LifecycleHandler" | "Lifecycle", "stopSignal") => json!("SIGTERM"),
        ("SleepAction", "seconds") => json!(5),
        ("Capabilities", "add" | "drop") => json!([rng.pick(&["NET_ADMIN", "ALL"])]),
        ("SecurityContext" | "PodSecurityContext", "runAsUser" | "runAsGroup" | "fsGroup") => {
            json!(rng.pick(&[0, 1000]))
        }
        ("PodSecurityContext", "supplementalGroups") => json!([1000]),
        ("Sysctl", "name") => json!(rng.pick(&["net.core.somaxconn", "kernel.shm_rmid_forced"])),
        ("SeccompProfile" | "AppArmorProfile", "type") => json!(rng.pick(&["RuntimeDefault", "Unconfined"])),
        ("PodDNSConfig", "nameservers") => json!(["10.0.0.10"]),
        ("PodDNSConfig", "searches") => json!(["example.com"]),
        ("HostAlias", "ip") => json!("127.0.0.1"),
        ("HostAlias", "hostnames") => json!(["a.example.com"]),
        ("TopologySpreadConstraint", "maxSkew") => json!(rng.pick(&[1, 2])),
        ("TopologySpreadConstraint", "minDomains") => json!(2),
        ("TopologySpreadConstraint" | "PodAffinityTerm", "topologyKey") => {
            json!(rng.pick(&["kubernetes.io/hostname", "topology.kubernetes.io/zone"]))
        }
        ("TopologySpreadConstraint", "matchLabelKeys") => json!(["pod-template-hash"]),
        ("TopologySpreadConstraint", "nodeAffinityPolicy" | "nodeTaintsPolicy") => {
            json!(rng.pick(&["Honor", "Ignore"]))
        }
        ("WeightedPodAffinityTerm" | "PreferredSchedulingTerm", "weight") => json!(rng.pick(&[1, 50, 100])),
        ("PodAffinityTerm", "namespaces") => json!(["other"]),
        ("NodeSelectorRequirement", "key") => json!(rng.pick(&["disk", "kubernetes.io/arch"])),
        ("IngressSpec" | "IngressClassSpec", "ingressClassName") => json!("nginx"),
        ("IngressClassSpec", "controller") => json!("example.com/ingress"),
        ("IngressRule", "host") => json!(rng.pick(&["a.example.com", "*.example.com"])),
        ("IngressTLS", "hosts") => json!(["a.example.com"]),
        ("ServiceBackendPort", "number") => json!(80),
        ("ServiceBackendPort", "name") => json!("http"),
        ("IPBlock", "cidr") => json!(rng.pick(&["10.0.0.0/8", "fd00::/8"])),
        ("IPBlock", "except") => json!(["10.1.0.0/16"]),
        ("NetworkPolicyPort", "endPort") => json!(9000),
        ("NetworkPolicyPort", "port") => json!(8080),
        ("NetworkPolicySpec", "policyTypes") => json!([rng.pick(&["Ingress", "Egress"])]),
        ("ServiceCIDRSpec", "cidrs") => json!(["10.200.0.0/16"]),
        ("ParentReference", "resource") => json!("services"),
        ("PolicyRule", "verbs") => json!([rng.pick(&["get", "*", "list"])]),
        ("PolicyRule", "apiGroups") => json!([rng.pick(&["", "apps"])]),
        ("PolicyRule", "resources") => json!([rng.pick(&["pods", "deployments"])]),
        ("PolicyRule", "nonResourceURLs") => json!(["/healthz"]),
        ("RoleRef", "apiGroup") => json!(rng.pick(&["rbac.authorization.k8s.io", ""])),
        ("RoleRef", "kind") => json!("ClusterRole"),
        ("RoleRef", "name") => json!("view"),
        ("Subject", "kind") => json!(rng.pick(&["User", "Group", "ServiceAccount"])),
        ("Subject", "namespace") => json!("default"),
        ("Subject", "apiGroup") => json!(rng.pick(&["rbac.authorization.k8s.io", ""])),
        ("StorageClass", "provisioner") => json!("example.com/disk"),
        ("StorageClass" | "PersistentVolumeSpec", "mountOptions") => json!(["ro"]),
        ("TopologySelectorLabelRequirement", "key") => json!("topology.kubernetes.io/zone"),
        ("VolumeAttributesClass", "driverName") => json!("disk.example.com"),
        ("VolumeAttachmentSpec", "attacher") => json!("disk.example.com"),
        ("VolumeAttachmentSpec", "nodeName") => json!("node-1"),
        ("CSINodeDriver", "name") => json!(rng.pick(&["disk.example.com", "nfs.example.com"])),
        ("CSINodeDriver", "nodeID") => json!("node-1"),
        ("CSINodeDriver", "topologyKeys") => json!(["example.com/zone"]),
        ("CSIDriverSpec", "volumeLifecycleModes") => json!([rng.pick(&["Persistent", "Ephemeral"])]),
        ("CSIDriverSpec", "fsGroupPolicy") => json!(rng.pick(&["None", "File", "ReadWriteOnceWithFSType"])),
        ("CSIStorageCapacity", "storageClassName") => json!("fast"),
        ("LimitRangeItem", "type") => json!(rng.pick(&["Container", "Pod", "PersistentVolumeClaim"])),
        ("ResourceQuotaSpec", "scopes") => json!([rng.pick(&["BestEffort", "NotTerminating"])]),
        ("PriorityClass", "value") => json!(rng.pick(&[0, 1000, -5])),
        ("PriorityClass", "globalDefault") => json!(false),
        ("LeaseSpec", "leaseDurationSeconds") => json!(rng.pick(&[15, 40])),
        ("LeaseSpec", "holderIdentity") => json!("me"),
        ("LeaseSpec", "strategy") => return None,
        ("RuntimeClass", "handler") => json!("runc"),
        ("EndpointSlice", "addressType") => json!("IPv4"),
        ("Endpoint", "addresses") => json!(["10.1.2.3"]),
        ("Endpoint", "nodeName") => json!("node-1"),
        ("Endpoint", "hostname") => json!("web-0"),
        ("EndpointAddress", "ip") => json!(rng.pick(&["10.1.2.3", "192.0.2.7"])),
        ("FlowSchemaSpec", "matchingPrecedence") => json!(rng.pick(&[1000, 500])),
        ("PriorityLevelConfigurationReference", "name") => json!(rng.pick(&["workload-low", "global-default"])),
        ("FlowDistinguisherMethod", "type") => json!(rng.pick(&["ByUser", "ByNamespace"])),
        ("ResourcePolicyRule" | "NonResourcePolicyRule", "verbs") => json!(["*"]),
        ("ResourcePolicyRule", "apiGroups" | "resources") => json!(["*"]),
        ("ResourcePolicyRule", "namespaces") => json!(["*"]),
        ("ResourcePolicyRule", "clusterScope") => json!(true),
        ("NonResourcePolicyRule", "nonResourceURLs") => json!(["/healthz"]),
        ("LimitResponse", "type") => json!(rng.pick(&["Queue", "Reject"])),
        ("PriorityLevelConfigurationSpec", "type") => json!(rng.pick(&["Limited", "Limited", "Exempt"])),
        ("QueuingConfiguration", "handSize") => json!(rng.pick(&[1, 6])),
        ("QueuingConfiguration", "queues") => json!(rng.pick(&[16, 64])),
        ("QueuingConfiguration", "queueLengthLimit") => json!(50),
        ("LimitedPriorityLevelConfiguration", "lendablePercent") => json!(rng.pick(&[0, 50])),
        ("MutatingWebhook" | "ValidatingWebhook", "name") => json!(rng.pick(&["a.example.com", "b.hooks.example.com"])),
        ("MutatingWebhook" | "ValidatingWebhook", "sideEffects") => json!(rng.pick(&["None", "NoneOnDryRun"])),
        ("MutatingWebhook" | "ValidatingWebhook", "admissionReviewVersions") => json!(["v1"]),
        ("MutatingWebhook" | "ValidatingWebhook", "timeoutSeconds") => json!(rng.pick(&[1, 10, 30])),
        ("MutatingWebhook" | "ValidatingWebhook", "matchPolicy") => json!(rng.pick(&["Exact", "Equivalent"])),
        ("MutatingWebhook" | "ValidatingWebhook" | "ValidatingAdmissionPolicySpec", "failurePolicy") => {
            json!(rng.pick(&["Fail", "Ignore"]))
        }
        ("WebhookClientConfig", "url") => json!("https://hooks.example.com/x"),
        ("WebhookClientConfig", "caBundle") => return None,
        ("ServiceReference", "path") => json!("/hook"),
        ("ServiceReference", "port") => json!(8443),
        ("RuleWithOperations" | "NamedRuleWithOperations", "operations") => {
            json!([rng.pick(&["CREATE", "UPDATE", "*"])])
        }
        ("RuleWithOperations" | "NamedRuleWithOperations", "apiGroups") => json!([rng.pick(&["", "apps", "*"])]),
        ("RuleWithOperations" | "NamedRuleWithOperations", "apiVersions") => json!([rng.pick(&["v1", "*"])]),
        ("RuleWithOperations" | "NamedRuleWithOperations", "resources") => {
            json!([rng.pick(&["pods", "deployments", "*/*", "pods/*"])])
        }
        ("RuleWithOperations" | "NamedRuleWithOperations", "scope") => json!(rng.pick(&["*", "Namespaced", "Cluster"])),
        ("MatchCondition" | "Variable", "name") => json!(rng.pick(&["one", "two"])),
        ("MatchCondition" | "Variable" | "Validation", "expression") => {
            json!(rng.pick(&["true", "object.metadata.name != 'x'"]))
        }
        ("Validation", "messageExpression") => json!("'no: ' + object.metadata.name"),
        ("Validation", "reason") => json!(rng.pick(&["Invalid", "Forbidden"])),
        ("AuditAnnotation", "key") => json!("note"),
        ("AuditAnnotation", "valueExpression") => json!("'x'"),
        ("ValidatingAdmissionPolicyBindingSpec", "validationActions") => json!([rng.pick(&["Deny", "Warn", "Audit"])]),
        ("ValidatingAdmissionPolicyBindingSpec", "policyName") => json!("policy"),
        ("ParamKind", "apiVersion") => json!("v1"),
        ("ParamKind", "kind") => json!("ConfigMap"),
        ("ParamRef", "parameterNotFoundAction") => json!(rng.pick(&["Allow", "Deny"])),
        ("APIServiceSpec", "group") => json!("metrics.example.com"),
        ("APIServiceSpec", "version") => json!("v1"),
        ("APIServiceSpec", "groupPriorityMinimum") => json!(100),
        ("APIServiceSpec", "versionPriority") => json!(15),
        ("APIServiceSpec", "caBundle") => return None,
        ("APIServiceSpec", "insecureSkipTLSVerify") => json!(true),
        ("CertificateSigningRequestSpec", "signerName") => json!("example.com/signer"),
        ("CertificateSigningRequestSpec", "usages") => json!([rng.pick(&["client auth", "digital signature"])]),
        ("CertificateSigningRequestSpec", "expirationSeconds") => json!(3600),
        ("CertificateSigningRequestSpec", "request") => json!("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K"),
        ("NodeSpec", "podCIDR") => json!("10.244.0.0/24"),
        ("NodeSpec", "podCIDRs") => json!(["10.244.0.0/24"]),
        ("NodeSpec", "taints") => return None,
        ("DeviceRequest" | "DeviceSubRequest", "name") => json!(rng.pick(&["gpu", "nic"])),
        ("ExactDeviceRequest" | "DeviceSubRequest", "deviceClassName") => json!("gpu.example.com"),
        ("ExactDeviceRequest" | "DeviceSubRequest", "allocationMode") => json!(rng.pick(&["ExactCount", "All"])),
        ("CELDeviceSelector", "expression") => json!("device.driver == \"gpu.example.com\""),
        ("OpaqueDeviceConfiguration" | "ResourceSliceSpec" | "DeviceTaintSelector", "driver") => {
            json!("gpu.example.com")
        }
        ("ResourceSliceSpec", "nodeName") => json!("node-1"),
        ("ResourcePool", "name") => json!("pool"),
        ("ResourcePool", "resourceSliceCount") => json!(1),
        ("Event", "reportingComponent" | "reportingController") => json!("example.com/controller"),
        ("Event", "reportingInstance") => json!("controller-1"),
        ("Event", "action") => json!("Doing"),
        ("Event", "reason") => json!("Done"),
        ("Event", "type") => json!(rng.pick(&["Normal", "Warning"])),
        ("ControllerRevision", "data") => json!({ "a": 1 }),
        ("ImageVolumeSource", "reference") => json!("r.example.com/data:v1"),
        ("HostPathVolumeSource", "path") => json!("/var/x"),
        ("HostPathVolumeSource", "type") => json!(rng.pick(&["", "Directory", "File"])),
        ("NFSVolumeSource", "path") => json!("/exports"),
        ("LocalVolumeSource", "path") => json!("/mnt/disk"),
        ("CSIVolumeSource" | "CSIPersistentVolumeSource", "driver") => json!("disk.example.com"),
        ("ISCSIVolumeSource" | "ISCSIPersistentVolumeSource", "iqn") => json!("iqn.2001-04.com.example:storage"),
        ("ISCSIVolumeSource" | "ISCSIPersistentVolumeSource", "targetPortal") => json!("10.0.0.1:3260"),
        ("TypedLocalObjectReference" | "TypedObjectReference", "apiGroup") => json!("snapshot.storage.k8s.io"),
        ("TypedLocalObjectReference" | "TypedObjectReference", "kind") => json!("VolumeSnapshot"),
        ("PodFailurePolicyOnExitCodesRequirement", "operator") => json!(rng.pick(&["In", "NotIn"])),
        ("PodFailurePolicyOnExitCodesRequirement", "values") => json!([1, 2]),
        ("PodFailurePolicyRule", "action") => json!(rng.pick(&["FailJob", "Ignore", "Count"])),
        ("ScopedResourceSelectorRequirement", "scopeName") => json!(rng.pick(&["PriorityClass", "BestEffort"])),
        ("LabelSelectorRequirement" | "ScopedResourceSelectorRequirement" | "NodeSelectorRequirement", "values") => {
            json!(["x"])
        }
        (_, "ip" | "podIP" | "hostIP") => json!("10.1.2.3"),
        (_, "uid") => json!("9b0a1f3e-0000-4000-8000-000000000001"),
        (_, "resourceVersion") => json!("1"),
        (_, "namespace") => json!(super::generate::NAMESPACE),
        (_, "hostname" | "subdomain" | "claimName" | "secretName" | "serviceName" | "volumeName") => json!("thing"),
        (_, "name") => json!(rng.pick(&["a", "b-1", "main"])),
        _ => return None,
    })
}
