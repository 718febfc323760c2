//! Which webhooks a request may concern, told without a look at their configurations.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::policies::{Named, compile_conditions};
use crate::resource::{Gvr, Resource, StoreKey};
use crate::store::Store;

/// One webhook.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) configuration: String,
    /// What tells it from all others, also from those of the same name.
    pub(super) id: String,
    /// Its entry in the configuration.
    pub(super) spec: Value,
    pub(super) conditions: Vec<Named>,
}

impl Hook {
    /// Returns whether a failure to ask refuses the request.
    pub(super) fn fails(&self) -> bool {
        self.spec["failurePolicy"] != "Ignore"
    }
}

/// A webhook whose rules choose a request, with the resource in the version they name.
pub(super) type Chosen = (Arc<Hook>, Arc<Resource>);

type Question = (Gvr, String, &'static str);

/// All webhooks of one kind, in the order in which they are asked.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    pub(super) all: Vec<Arc<Hook>>,
    /// What rules choose does not depend on objects, and is found out once.
    pub(super) chosen: HashMap<Question, Arc<Vec<Chosen>>>,
}

/// The webhooks of a cluster; made anew when a configuration or what is served changes.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(super) mutating: Hooks,
    pub(super) validating: Hooks,
}

impl Index {
    /// Reads the stored configurations.
    pub(crate) fn read(stores: &HashMap<StoreKey, Store>) -> Self {
        Self {
            mutating: Hooks::read(stores, "mutatingwebhookconfigurations"),
            validating: Hooks::read(stores, "validatingwebhookconfigurations"),
        }
    }

    /// Returns whether nobody is ever asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.mutating.all.is_empty() && self.validating.all.is_empty()
    }
}

impl Hooks {
    fn read(stores: &HashMap<StoreKey, Store>, plural: &str) -> Self {
        let mut all = Vec::new();
        let store = stores.get(&("admissionregistration.k8s.io".to_owned(), plural.to_owned()));
        // A collection is in order of names, as webhooks are asked.
        for (key, stored) in store.into_iter().flat_map(|store| store.iter(None, None)) {
            for (at, spec) in stored.value["webhooks"].as_array().into_iter().flatten().enumerate() {
                let conditions = spec["matchConditions"].as_array().map(Vec::as_slice).unwrap_or_default();
                let name = spec["name"].as_str().unwrap_or_default().to_owned();
                all.push(Arc::new(Hook {
                    id: format!("{}/{name}/{at}", key.1),
                    configuration: key.1.clone(),
                    conditions: compile_conditions(conditions, false),
                    spec: spec.clone(),
                    name,
                }));
            }
        }
        Self { all, chosen: HashMap::new() }
    }
}
