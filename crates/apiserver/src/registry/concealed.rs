//! What storage keeps of an object and nobody is shown who reads it (`defaultOnRead` in `pkg/registry/core/service`).

use std::sync::Arc;

use serde_json::Value;

use super::{Registry, Target};
use crate::resource::Resource;
use crate::rules;
use crate::store::Stored;

const POLICY: &str = "internalTrafficPolicy";

/// Takes from a Service that is a name for something outside what is said of its traffic inside.
pub(super) fn conceal(resource: &Resource, object: &mut Value) -> Option<Value> {
    if !resource.is("", "services") || object["spec"]["type"] != "ExternalName" {
        return None;
    }
    object["spec"].as_object_mut()?.remove(POLICY)
}

impl Registry<'_> {
    /// Returns the live object as it is stored, which is what a write begins with.
    pub(super) fn kept(&self, resource: &Resource, live: &Stored) -> Arc<Value> {
        let shown = rules::present(resource, &live.value);
        let Some(policy) = self.state.concealed.get(&*live.uid) else { return shown };
        let mut kept = Value::clone(&shown);
        if let Some(spec) = kept["spec"].as_object_mut() {
            spec.insert(POLICY.to_owned(), policy.clone());
        }
        Arc::new(kept)
    }

    /// Returns what the writer of an object is shown of it; who writes its status is shown all of it.
    pub(super) fn shown(target: &Target<'_>, kept: Arc<Value>) -> Arc<Value> {
        if !target.resource.is("", "services") || target.subresource == "status" {
            return kept;
        }
        let mut shown = Value::clone(&kept);
        if conceal(target.resource, &mut shown).is_some() { Arc::new(shown) } else { kept }
    }
}
