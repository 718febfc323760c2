//! Random objects.

use std::fmt::Write as _;

use super::{Chance, NAMES, entries, scalar, text};

/// An object that was made: enough to name it again.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) namespace: &'static str,
}

const KINDS: [(&str, &str); 28] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("v1", "Namespace"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("networking.k8s.io/v1", "Ingress"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("example.com/v1", "Widget"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("v1", "PersistentVolumeClaim"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ("apiregistration.k8s.io/v1", "APIService"),
    ("apps/v1", "ReplicaSet"),
];

/// Makes an object.
pub(crate) fn object(chance: &mut Chance) -> (Made, String) {
    let (api_version, kind) = KINDS[chance.below(KINDS.len() as u64) as usize];
    let name = chance.pick(&NAMES).to_owned();
    let namespace = if chance.once_in(4) { chance.pick(&["default", "other", "ns"]) } else { "" };
    let made = Made { api_version, kind, name, namespace };
    let mut yaml = head(&made);
    if chance.once_in(2) {
        let _ = write!(yaml, "  labels:\n{}", entries(chance, 4, text));
    }
    match chance.below(10) {
        0 => yaml.push_str("  annotations: {}\n"),
        1 => yaml.push_str("  annotations:\n    config.kubernetes.io/local-config: \"true\"\n"),
        2..5 => {
            let _ = write!(yaml, "  annotations:\n{}", entries(chance, 4, scalar));
        }
        5 if chance.once_in(4) => yaml.push_str(chance.pick(&[
            "  annotations: null\n",
            "  annotations:\n    kustomize.config.k8s.io/needs-hash: \"true\"\n",
            "  annotations:\n    kustomize.config.k8s.io/behavior: merge\n",
            "  creationTimestamp: null\n",
            "  # a comment\n  generateName: x-\n",
            "  finalizers: [a, b]\n",
            "  annotations: {long: \"a text that is longer than what fits within a line of eighty characters, with: colons\"}\n",
        ])),
        _ => {}
    }
    yaml.push_str(&body(chance, kind));
    (made, yaml)
}

/// A name as it stands in YAML.
pub(crate) fn quoted(name: &str) -> String {
    if name == "0" { "\"0\"".to_owned() } else { name.to_owned() }
}

/// The first lines of an object.
pub(crate) fn head(made: &Made) -> String {
    let name = quoted(&made.name);
    let mut yaml = format!("apiVersion: {}\nkind: {}\nmetadata:\n  name: {name}\n", made.api_version, made.kind);
    if !made.namespace.is_empty() {
        let _ = writeln!(yaml, "  namespace: {}", made.namespace);
    }
    yaml
}

fn body(chance: &mut Chance, kind: &str) -> String {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" => {
            let replicas = if chance.once_in(2) { "  replicas: 1\n" } else { "" };
            let selector =
                if chance.once_in(2) { format!("  selector:\n    matchLabels:\n{}", entries(chance, 6, text)) } else { String::new() };
            let more = match kind {
                "StatefulSet" if chance.once_in(2) => format!(
                    "  serviceName: {}\n  volumeClaimTemplates:\n  - metadata:\n      name: data\n      labels:\n{}    spec: {{}}\n",
                    name(chance),
                    entries(chance, 8, text)
                ),
                _ => String::new(),
            };
            format!("spec:\n{replicas}{selector}{more}  template:\n{}", template(chance, 4))
        }
        "Job" => format!("spec:\n  template:\n{}", template(chance, 4)),
        "CronJob" => format!("spec:\n  schedule: \"* * * * *\"\n  jobTemplate:\n    spec:\n      template:\n{}", template(chance, 8)),
        "Pod" => format!("spec:\n{}", pod_spec(chance, 2)),
        "Service" => {
            let selector = if chance.once_in(2) { format!("  selector:\n{}", entries(chance, 4, text)) } else { String::new() };
            format!(
                "spec:\n{selector}  ports:\n  - port: {}\n    name: http\n  - port: 443\n    protocol: {}\n    targetPort: {}\n",
                chance.pick(&["80", "443", "\"80\""]),
                chance.pick(&["TCP", "UDP"]),
                scalar(chance)
            )
        }
        "ConfigMap" => match chance.below(12) {
            0 => format!("data:\n  text: |\n    one\n    two {}\n\n  folded: >-\n    a\n    b\n", chance.pick(&["", "$(VAR)"])),
            1 => "data: {}\n".to_owned(),
            2 => "data:\n  a: \"x\" # note\n  # above\n  b: 'it''s'\n".to_owned(),
            3 => format!("binaryData:\n  b: aGk=\nimmutable: {}\n", chance.pick(&["true", "false"])),
            _ => format!("data:\n{}", entries(chance, 2, scalar)),
        },
        "Secret" => format!("type: Opaque\n{}:\n{}", chance.pick(&["stringData", "data"]), entries(chance, 2, text)),
        "Role" | "ClusterRole" => {
            format!("rules:\n- apiGroups: [\"\"]\n  resources: [configmaps]\n  resourceNames: [{}, {}]\n", name(chance), name(chance))
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            let namespace =
                if chance.once_in(2) { format!("  namespace: {}\n", chance.pick(&["default", "other", "ns"])) } else { String::new() };
            let role = chance.pick(&["Role", "ClusterRole"]);
            format!(
                "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {role}\n  name: {}\nsubjects:\n- kind: ServiceAccount\n  name: {}\n{namespace}",
                name(chance),
                if chance.once_in(3) { "default" } else { name(chance) }
            )
        }
        "Ingress" => format!(
            "spec:\n  rules:\n  - host: {}\n    http:\n      paths:\n      - path: /\n        backend:\n          service:\n            name: {}\n            port:\n              number: 80\n  tls:\n  - secretName: {}\n",
            chance.pick(&["a.example.com", "\"*.example.com\""]),
            name(chance),
            name(chance)
        ),
        "HorizontalPodAutoscaler" => format!(
            "spec:\n  minReplicas: 1\n  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: {}\n    name: {}\n",
            chance.pick(&["Deployment", "StatefulSet"]),
            name(chance)
        ),
        "Widget" => format!(
            "spec:\n  value: {}\n  containers:\n  - name: main\n    image: {}\n  list: [{}, {}]\n  map:\n{}",
            scalar(chance),
            image(chance),
            scalar(chance),
            scalar(chance),
            entries(chance, 4, scalar)
        ),
        "ReplicaSet" => format!("spec:\n  template:\n{}", template(chance, 4)),
        "PersistentVolumeClaim" => format!(
            "spec:\n  volumeName: {}\n  storageClassName: {}\n  accessModes: [ReadWriteOnce]\n",
            name(chance),
            name(chance)
        ),
        "NetworkPolicy" => format!(
            "spec:\n  podSelector:\n    matchLabels:\n{}  ingress:\n  - from:\n    - podSelector:\n        matchLabels:\n{}",
            entries(chance, 6, text),
            entries(chance, 10, text)
        ),
        "PodDisruptionBudget" => {
            format!("spec:\n  minAvailable: {}\n  selector:\n    matchLabels:\n{}", scalar(chance), entries(chance, 6, text))
        }
        "ValidatingWebhookConfiguration" => format!(
            "webhooks:\n- name: a.example.com\n  clientConfig:\n    service:\n      name: {}\n      namespace: {}\n",
            name(chance),
            chance.pick(&["default", "other"])
        ),
        "APIService" => format!(
            "spec:\n  group: example.com\n  version: v1\n  service:\n    name: {}\n    namespace: {}\n",
            name(chance),
            chance.pick(&["default", "other"])
        ),
        "CustomResourceDefinition" => "spec:\n  group: example.com\n  names:\n    kind: Widget\n  conversion:\n    webhook:\n      clientConfig:\n        service:\n          name: web\n          namespace: default\n".to_owned(),
        _ => String::new(),
    }
}

fn name(chance: &mut Chance) -> &'static str {
    match chance.pick(&NAMES) {
        "0" => "\"0\"",
        name => name,
    }
}

pub(crate) fn image(chance: &mut Chance) -> &'static str {
    chance.pick(&["nginx", "nginx:1.25", "reg.io:5000/app:v1", "app@sha256:abc", "nginx:1@sha256:abc", "\"redis:7\""])
}

fn template(chance: &mut Chance, indent: usize) -> String {
    let mut yaml = String::new();
    if chance.once_in(2) {
        let _ = write!(yaml, "{:indent$}metadata:\n{:indent$}  labels:\n{}", "", "", entries(chance, indent + 4, text));
    }
    let _ = write!(yaml, "{:indent$}spec:\n{}", "", pod_spec(chance, indent + 2));
    yaml
}

fn pod_spec(chance: &mut Chance, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut yaml = String::new();
    if chance.once_in(3) {
        let _ = writeln!(yaml, "{pad}serviceAccountName: {}", name(chance));
    }
    let _ = writeln!(yaml, "{pad}containers:");
    for container in ["main", "side"].iter().take(1 + chance.below(2) as usize) {
        let _ = writeln!(yaml, "{pad}- name: {container}\n{pad}  image: {}", image(chance));
        if chance.once_in(2) {
            let _ = writeln!(yaml, "{pad}  args: [--x, $(VAR), \"{}\"]", chance.pick(&["$(OTHER)", "$$(VAR)", "y"]));
        }
        if chance.once_in(2) {
            let _ = writeln!(yaml, "{pad}  env:\n{pad}  - name: A\n{pad}    value: {}", text(chance));
            let _ = writeln!(
                yaml,
                "{pad}  - name: B\n{pad}    valueFrom:\n{pad}      {}:\n{pad}        name: {}\n{pad}        key: k",
                chance.pick(&["configMapKeyRef", "secretKeyRef"]),
                name(chance)
            );
        }
        if chance.once_in(3) {
            let _ = writeln!(
                yaml,
                "{pad}  ports:\n{pad}  - containerPort: 80\n{pad}  - containerPort: 81\n{pad}    protocol: UDP"
            );
        }
        if chance.once_in(4) {
            let _ = writeln!(yaml, "{pad}  envFrom:\n{pad}  - configMapRef:\n{pad}      name: {}", name(chance));
        }
    }
    if chance.once_in(3) {
        let _ = writeln!(
            yaml,
            "{pad}volumes:\n{pad}- name: v\n{pad}  configMap:\n{pad}    name: {}\n{pad}- name: w\n{pad}  emptyDir: {{}}",
            name(chance)
        );
    }
    if chance.once_in(6) {
        let _ = writeln!(yaml, "{pad}nodeSelector: null");
    }
    if chance.once_in(8) {
        let _ = writeln!(
            yaml,
            "{pad}initContainers:\n{pad}- name: main\n{pad}  image: {}\n{pad}imagePullSecrets:\n{pad}- name: {}",
            image(chance),
            name(chance)
        );
    }
    if chance.once_in(12) {
        let _ = writeln!(
            yaml,
            "{pad}tolerations:\n{pad}- key: a\n{pad}  operator: Exists\n{pad}hostAliases:\n{pad}- ip: 1.2.3.4\n{pad}  hostnames: [a]\n{pad}topologySpreadConstraints:\n{pad}- labelSelector:\n{pad}    matchLabels:\n{pad}      app: x"
        );
    }
    if chance.once_in(10) {
        let _ = writeln!(
            yaml,
            "{pad}affinity:\n{pad}  podAntiAffinity:\n{pad}    requiredDuringSchedulingIgnoredDuringExecution:\n{pad}    - labelSelector:\n{pad}        matchLabels:\n{pad}          app: x\n{pad}      topologyKey: zone"
        );
    }
    yaml
}
