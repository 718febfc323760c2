//! What every namespace is furnished with: the `default` ServiceAccount and the root certificate's ConfigMap.

use serde_json::{Value, json};

use super::Simulation;
use super::object::is_deleted;
use super::world::Kind;
use crate::admin::Admin;
use crate::error::ApiError;

/// The ConfigMap's name.
pub(super) const ROOT_CA: &str = "kube-root-ca.crt";

const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such \
                           as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions \
                           of Kubernetes clusters.";

/// A certificate that nothing is signed with: no pod really runs that could need it.
static CERTIFICATE: &str = include_str!("../../data/root-ca.crt");

/// Creates what a namespace lacks of its furniture.
pub(crate) fn furnish(admin: &Admin, namespace: &str) -> Result<(), ApiError> {
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "default", "namespace": namespace },
    });
    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": ROOT_CA,
            "namespace": namespace,
            "annotations": { "kubernetes.io/description": DESCRIPTION },
        },
        "data": { "ca.crt": CERTIFICATE },
    });
    for (kind, object) in [(Kind::ServiceAccount, account), (Kind::ConfigMap, config)] {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if admin.get(&kind.gvr(), namespace, &name)?.is_none() {
            admin.create(&kind.gvr(), object)?;
        }
    }
    Ok(())
}

impl Simulation {
    pub(super) fn namespace(&mut self, name: &str) -> Result<(), ApiError> {
        let Some(namespace) = self.world.get(Kind::Namespace, "", name) else { return Ok(()) };
        if is_deleted(&namespace) || namespace["status"]["phase"] == json!("Terminating") {
            return Ok(());
        }
        let config = self.world.get(Kind::ConfigMap, name, ROOT_CA);
        // Somebody's edit of the certificate is undone, as upstream does.
        if let Some(config) = config.filter(|config| config["data"]["ca.crt"] != json!(CERTIFICATE)) {
            let mut config = Value::clone(&config);
            config["data"] = json!({ "ca.crt": CERTIFICATE });
            self.update(Kind::ConfigMap, config)?;
        }
        furnish(&self.admin, name)
    }
}
