use anyhow::Context as _;
use serde_json::{Value, json};
use std::io::Write as _;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: bowline install | kubectl apply --server-side -f -")]
pub(crate) struct Options {
    /// Prints the CustomResourceDefinitions alone
    #[arg(long)]
    crds: bool,

    /// The namespace Bowline runs in
    #[arg(long, value_name = "NAME", default_value = "bowline-system")]
    namespace: String,

    /// The image Bowline runs from
    #[arg(long, value_name = "IMAGE", default_value = concat!("ghcr.io/bowline/bowline:", env!("CARGO_PKG_VERSION")))]
    image: String,
}

/// Returns the definitions of every kind that Bowline reads.
pub(crate) fn definitions() -> Vec<Value> {
    let argo = std::iter::once(bowline_argo::definition());
    argo.chain(bowline_flux::definitions()).map(|definition| definition.to_value()).collect()
}

pub(crate) fn install(options: &Options) -> anyhow::Result<()> {
    let mut objects = definitions();
    if !options.crds {
        objects.extend(deployment(&options.namespace, &options.image));
    }
    let mut out = std::io::stdout().lock();
    for object in objects {
        write!(out, "---\n{}", bowline_yaml::to_yaml(&object)).context("cannot print")?;
    }
    Ok(())
}

fn deployment(namespace: &str, image: &str) -> Vec<Value> {
    let labels = json!({"app.kubernetes.io/name": "bowline"});
    let metadata = json!({"name": "bowline", "namespace": namespace, "labels": labels});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
        // Bowline applies whatever the sources hold, so it may do what they may need: everything. The peers'
        // controllers hold the same role.
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "bowline", "labels": labels},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "bowline", "namespace": namespace}],
        }),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        }),
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": 1,
                // Two at once would do everything twice.
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "serviceAccountName": "bowline",
                        "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "fsGroup": 65532,
                            "seccompProfile": {"type": "RuntimeDefault"}},
                        "containers": [{
                            "name": "bowline",
                            "image": image,
                            "args": ["run", "--listen=0.0.0.0:8080", "--state-dir=/state", "--log-format=json",
                                "--no-local-sources"],
                            "ports": [{"name": "http", "containerPort": 8080}],
                            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
                            "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}},
                            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
                            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                                "capabilities": {"drop": ["ALL"]}},
                            "volumeMounts": [{"name": "state", "mountPath": "/state"}, {"name": "tmp", "mountPath": "/tmp"}],
                        }],
                        "volumes": [{"name": "state", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
                    },
                },
            },
        }),
    ]
}
