//! The cluster's own hands: in-process access for controllers and tests, through the very same pipeline as HTTP.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::auth::User;
use crate::authority::Authority;
use crate::cluster::{Cluster, Options, State};
use crate::deferral::Deferral;
use crate::error::ApiError;
use crate::patch::PatchKind;
use crate::registry::{DeleteOptions, Registry, Target, WriteOptions};
use crate::resource::{Gvr, StoreKey};
use crate::store::{Change, Stored};

/// How many events a watch takes at a time; more are taken at the next call.
const BATCH: usize = 256;

/// Reads and writes objects without HTTP, as a named field manager who may do anything.
///
/// Calls are short and do not wait, so they may be made from async code. Namespaces are `""` for cluster-scoped objects.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Cluster,
    manager: String,
    /// Whom policies and webhooks are told of; `None` asks nobody.
    user: Option<Arc<User>>,
    /// What becomes of writes that webhooks have to be asked about.
    deferral: Option<Deferral>,
    /// Whether nobody waits for what is written.
    is_aside: bool,
}

impl Admin {
    pub(crate) fn new(cluster: Cluster, manager: &str) -> Self {
        Self { cluster, manager: manager.to_owned(), user: None, deferral: None, is_aside: false }
    }

    /// Returns the same access under another field manager's name.
    pub fn named(&self, manager: &str) -> Self {
        Self { manager: manager.to_owned(), ..self.clone() }
    }

    /// Returns the same access as a controller has it: policies judge what it writes, and webhooks are asked.
    pub(crate) fn controlled(&self, deferral: &Deferral) -> Self {
        Self { deferral: Some(deferral.clone()), ..self.clone() }
    }

    /// Returns the same access for writes that nobody waits for.
    pub(crate) fn aside(&self) -> Self {
        Self { is_aside: true, ..self.clone() }
    }

    /// Tells policies and webhooks who writes from now on.
    pub(crate) fn act_as(&mut self, user: Option<&Arc<User>>) {
        self.user = user.cloned();
    }

    pub(crate) fn cluster_options(&self) -> &Options {
        self.cluster.options()
    }

    /// Returns the cluster's time.
    pub fn now(&self) -> Timestamp {
        self.cluster.clock().now()
    }

    /// Returns the next letters fit for a generated name.
    pub fn suffix(&self, length: usize) -> String {
        self.cluster.with_state(|state, _| state.random.suffix(length))
    }

    /// Returns whether the collection is served.
    pub fn serves(&self, gvr: &Gvr) -> bool {
        self.cluster.with_state(|state, _| state.catalog.find(gvr).is_some())
    }

    /// Returns an object, or `None` when it does not exist.
    pub fn get(&self, gvr: &Gvr, namespace: &str, name: &str) -> Result<Option<Arc<Value>>, ApiError> {
        self.cluster.with_registry(|registry| {
            let resource = registry.resource(gvr)?;
            Ok(registry.find(&resource, namespace, name).map(|stored| Arc::clone(&stored.value)))
        })
    }

    /// Returns the objects of one namespace, or of all, in order of namespace and name.
    pub fn list(&self, gvr: &Gvr, namespace: Option<&str>) -> Result<Vec<Arc<Value>>, ApiError> {
        self.cluster.with_registry(|registry| {
            let resource = registry.resource(gvr)?;
            Ok(registry.all(&resource, namespace).into_iter().map(|stored| Arc::clone(&stored.value)).collect())
        })
    }

    /// Creates an object; its namespace and name (or `generateName`) are in its metadata.
    pub fn create(&self, gvr: &Gvr, object: Value) -> Result<Arc<Value>, ApiError> {
        let gvr = gvr.clone();
        self.write(false, move |registry, options| {
            let resource = registry.resource(&gvr)?;
            let namespace = text(&object, "namespace");
            let target = Target { resource: &resource, namespace: &namespace, name: "", subresource: "" };
            registry.create(&target, object.clone(), options)
        })
    }

    /// Replaces an object; its `resourceVersion`, when set, must be the live one.
    pub fn update(&self, gvr: &Gvr, object: Value) -> Result<Arc<Value>, ApiError> {
        self.put(gvr, "", object)
    }

    /// Replaces an object's status.
    pub fn update_status(&self, gvr: &Gvr, object: Value) -> Result<Arc<Value>, ApiError> {
        self.put(gvr, "status", object)
    }

    /// Gives a pod its node, as a scheduler does.
    pub fn bind(&self, (namespace, name): (&str, &str), node: &str) -> Result<(), ApiError> {
        self.cluster.with_registry(|registry| {
            let resource = registry.resource(&Gvr::new("", "v1", "pods"))?;
            let target = Target { resource: &resource, namespace, name, subresource: "" };
            let to = json!({ "apiVersion": "v1", "kind": "Node", "name": node });
            registry.bind(&target, &json!({ "metadata": { "name": name }, "target": to }))
        })
    }

    fn put(&self, gvr: &Gvr, subresource: &'static str, object: Value) -> Result<Arc<Value>, ApiError> {
        let gvr = gvr.clone();
        self.write(false, move |registry, options| {
            let resource = registry.resource(&gvr)?;
            let (namespace, name) = (text(&object, "namespace"), text(&object, "name"));
            let target = Target { resource: &resource, namespace: &namespace, name: &name, subresource };
            registry.update(&target, object.clone(), options).map(|(object, _)| object)
        })
    }

    /// Patches an object or, with a `subresource` such as `"status"`, that part of it.
    pub fn patch(
        &self,
        gvr: &Gvr,
        (namespace, name): (&str, &str),
        subresource: &str,
        kind: PatchKind,
        body: &Value,
    ) -> Result<Arc<Value>, ApiError> {
        let (gvr, namespace, name) = (gvr.clone(), namespace.to_owned(), name.to_owned());
        let (subresource, body) = (subresource.to_owned(), body.clone());
        self.write(false, move |registry, options| {
            let resource = registry.resource(&gvr)?;
            let target = Target { resource: &resource, namespace: &namespace, name: &name, subresource: &subresource };
            registry.patch(&target, kind, &body, options).map(|(object, _)| object)
        })
    }

    /// Applies a configuration under this manager's name, taking over fields of others.
    pub fn apply(&self, gvr: &Gvr, config: &Value) -> Result<Arc<Value>, ApiError> {
        self.apply_part(gvr, "", config)
    }

    /// Applies a status under this manager's name, taking over fields of others.
    pub(crate) fn apply_status(&self, gvr: &Gvr, config: &Value) -> Result<Arc<Value>, ApiError> {
        self.apply_part(gvr, "status", config)
    }

    fn apply_part(&self, gvr: &Gvr, subresource: &'static str, config: &Value) -> Result<Arc<Value>, ApiError> {
        let (gvr, config) = (gvr.clone(), config.clone());
        self.write(true, move |registry, options| {
            let resource = registry.resource(&gvr)?;
            let (namespace, name) = (text(&config, "namespace"), text(&config, "name"));
            let target = Target { resource: &resource, namespace: &namespace, name: &name, subresource };
            registry.patch(&target, PatchKind::Apply, &config, options).map(|(object, _)| object)
        })
    }

    /// Returns what type checking says of a policy's expressions.
    pub(crate) fn policy_warnings(&self, spec: &Value) -> Vec<Value> {
        let catalog = self.cluster.with_state(|state, _| Arc::clone(&state.catalog));
        crate::policies::type_warnings(&catalog, spec)
    }

    /// Deletes an object; `false` when there was none.
    pub fn delete(&self, gvr: &Gvr, namespace: &str, name: &str, options: &DeleteOptions) -> Result<bool, ApiError> {
        let (gvr, namespace, name) = (gvr.clone(), namespace.to_owned(), name.to_owned());
        let how = options.clone();
        self.write(false, move |registry, options| {
            let resource = registry.resource(&gvr)?;
            let target = Target { resource: &resource, namespace: &namespace, name: &name, subresource: "" };
            match registry.delete(&target, &how, options) {
                Ok(_) => Ok(true),
                Err(error) if error.is_not_found() => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    /// Watches a collection, beginning with an `Added` for every object there is.
    pub fn watch(&self, gvr: &Gvr) -> Result<AdminWatch, ApiError> {
        self.cluster.with_registry(|registry| {
            let resource = registry.resource(gvr)?;
            let key = resource.store_key();
            let wake = registry.state.store(&key).subscribe();
            Ok(AdminWatch { cluster: self.cluster.clone(), key, seen: None, wake })
        })
    }

    /// Returns who signs certificates.
    pub(crate) fn authority(&self) -> Option<Arc<Authority>> {
        self.cluster.authority()
    }

    pub(crate) fn with_state<T>(&self, act: impl FnOnce(&State) -> T) -> T {
        self.cluster.with_state(|state, _| act(state))
    }

    fn write<T>(
        &self,
        force: bool,
        write: impl Fn(&mut Registry<'_>, &mut WriteOptions) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let options =
            WriteOptions { manager: self.manager.clone(), user: self.user.clone(), force, ..WriteOptions::default() };
        match &self.deferral {
            Some(deferral) => deferral.run(&self.cluster, self.is_aside, options, write),
            None => self.cluster.with_registry(|registry| write(registry, &mut { options })),
        }
    }
}

fn text(object: &Value, key: &str) -> String {
    object["metadata"][key].as_str().unwrap_or_default().to_owned()
}

/// What a watch of [`Admin`] tells.
#[derive(Debug, Clone)]
pub enum Notice {
    /// History was lost; `Changed(Added, …)` for every object there is follows in the same batch.
    Restarted,
    /// Something happened to an object.
    Changed(Change, Arc<Value>),
}

/// What a watch tells, undecoded.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Restarted,
    Changed(Change, Arc<Stored>),
}

impl From<Told> for Notice {
    fn from(told: Told) -> Self {
        match told {
            Told::Restarted => Self::Restarted,
            Told::Changed(change, object) => Self::Changed(change, Arc::clone(&object.value)),
        }
    }
}

/// A watch of one collection, for controllers.
#[derive(Debug)]
pub struct AdminWatch {
    cluster: Cluster,
    key: StoreKey,
    seen: Option<u64>,
    wake: watch::Receiver<u64>,
}

impl AdminWatch {
    /// Waits for something to happen and returns it all; `None` when the collection is no longer served.
    pub async fn next(&mut self) -> Option<Vec<Notice>> {
        Some(self.next_told().await?.into_iter().map(Notice::from).collect())
    }

    /// Returns what has happened since the last call, without waiting.
    pub fn poll(&mut self) -> Vec<Notice> {
        self.poll_told().into_iter().map(Notice::from).collect()
    }

    pub(crate) async fn next_told(&mut self) -> Option<Vec<Told>> {
        loop {
            let told = self.poll_told();
            if !told.is_empty() {
                return Some(told);
            }
            self.wake.changed().await.ok()?;
        }
    }

    pub(crate) fn poll_told(&mut self) -> Vec<Told> {
        self.wake.mark_unchanged();
        let (key, seen) = (self.key.clone(), self.seen);
        let (notices, rv) = self.cluster.with_state(|state, _| {
            let rv = state.rv;
            let store = state.store(&key);
            let events = seen.and_then(|seen| store.events_after(seen, BATCH).ok());
            let Some(events) = events else {
                let mut notices: Vec<Told> =
                    store.iter(None, None).map(|(_, object)| Told::Changed(Change::Added, object)).collect();
                if seen.is_some() {
                    notices.insert(0, Told::Restarted);
                }
                return (notices, rv);
            };
            let rv = if events.len() == BATCH { events.last().map_or(rv, |event| event.rv) } else { rv };
            (events.into_iter().map(|event| Told::Changed(event.change, event.object)).collect(), rv)
        });
        self.seen = Some(rv);
        notices
    }
}
