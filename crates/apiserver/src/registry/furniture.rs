//! What every namespace is furnished with: the `default` ServiceAccount and the root certificate's ConfigMap.
//!
//! The real cluster's controllers do this a little after the namespace comes to be; here no pod need wait for its account.

use serde_json::{Value, json};

use super::{Registry, Target, WriteOptions, is_terminating};
use crate::error::ApiError;
use crate::resource::{Gvr, Resource};

/// The ConfigMap's name.
const ROOT_CA: &str = "kube-root-ca.crt";

const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such \
                           as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions \
                           of Kubernetes clusters.";

/// A certificate that nothing is signed with: no pod really runs that could need it.
pub(super) static CERTIFICATE: &str = include_str!("../../data/root-ca.crt");

/// Returns whether an object is furniture, which comes back when it goes.
pub(super) fn concerns(resource: &Resource, name: &str) -> bool {
    (name == "default" && resource.is("", "serviceaccounts")) || (name == ROOT_CA && resource.is("", "configmaps"))
}

impl Registry<'_> {
    /// Creates what a namespace lacks of its furniture, and puts the certificate right when somebody changed it.
    pub(super) fn furnish(&mut self, namespace: &str) {
        if let Err(error) = self.try_furnish(namespace) {
            tracing::debug!(%error, namespace, "A namespace could not be furnished");
        }
    }

    fn try_furnish(&mut self, namespace: &str) -> Result<(), ApiError> {
        let namespaces = self.resource(&Gvr::new("", "v1", "namespaces"))?;
        if self.find(&namespaces, "", namespace).is_none_or(|found| is_terminating(&found.value)) {
            return Ok(());
        }
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } });
        let data = json!({ "ca.crt": CERTIFICATE });
        let config = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": { "name": ROOT_CA, "annotations": { "kubernetes.io/description": DESCRIPTION } },
        });
        for (plural, name, object) in [("serviceaccounts", "default", account), ("configmaps", ROOT_CA, config)] {
            let resource = self.resource(&Gvr::new("", "v1", plural))?;
            let mut options = WriteOptions { manager: "kube-controller-manager".to_owned(), ..WriteOptions::default() };
            match self.find(&resource, namespace, name) {
                None => {
                    let target = Target { resource: &resource, namespace, name: "", subresource: "" };
                    self.create(&target, object, &mut options)?;
                }
                Some(found) if plural == "configmaps" && found.value["data"] != data => {
                    let mut next = Value::clone(&found.value);
                    next["data"] = data.clone();
                    let target = Target { resource: &resource, namespace, name, subresource: "" };
                    self.update(&target, next, &mut options)?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
