//! Reads and writes of objects: the pipeline every request goes through, from whichever side it comes.
//!
//! A write is decoded, admitted, defaulted, owned (managed fields), validated, stamped, stored and told to watchers, in this
//! order, under the cluster's lock; what follows from it (garbage collection, the end of namespaces) is done by
//! [`Registry::settle`] before the lock is released, so a client never sees the state in between.

mod account_secrets;
mod admit;
mod ahead;
mod bind;
mod concealed;
mod create;
mod delete;
mod devices;
mod evict;
mod furniture;
mod grant;
mod meta;
mod pods;
pub(crate) mod scale;
pub(crate) mod settle;
mod update;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

pub(crate) use ahead::Ahead;
pub(crate) use delete::Deleted;
pub(crate) use meta::{validate as validate_meta, validate_embedded as validate_embedded_metadata};

use crate::auth::User;
use crate::clock::Clock;
use crate::cluster::{ServicePort, State};
use crate::error::ApiError;
use crate::resource::{Gvr, Resource};
use crate::rules;
use crate::store::{Change, Key, Stored};
use crate::stored::{FieldOrder, Shown};
use crate::webhooks::Replay;
use crate::webhooks::convert::settled;

/// Largest object the store takes, as etcd's request limit: 1.5 MiB.
const MAX_STORED_BYTES: usize = 1_572_864;

/// Largest message the real server's etcd client sends: 2 MiB. Only the words of the refusal differ.
const MAX_SENT_BYTES: usize = 2_097_152;

/// What becomes of fields the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// They are dropped in silence.
    Ignore,
    /// They are dropped with a warning.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

/// What goes with every write.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// The field manager.
    pub manager: String,
    /// Who writes; `None` for the cluster's own hands, which may do everything.
    pub user: Option<Arc<User>>,
    /// Whether everything is done but the storing.
    pub dry_run: bool,
    /// What becomes of unknown fields.
    pub validation: FieldValidation,
    /// Whether an apply takes over fields of others.
    pub force: bool,
    /// What strict decoding says against the body, such as `duplicate field "spec.replicas"`.
    pub mistakes: Vec<String>,
    /// What the writer should be told besides the result.
    pub warnings: Vec<String>,
    /// The options as the client sent them, for those who judge the write.
    pub(crate) sent: Value,
    /// Where the body has empty lists and maps, as JSON pointers: Go tells them from none as long as nothing is stored.
    pub(crate) empties: Vec<String>,
    /// Where it has empty texts, which are empty bytes to some fields.
    pub(crate) empty_texts: Vec<String>,
    /// Whether the object is a Job that gets its labels from its template.
    pub(crate) shares_labels: bool,
    /// Whether the object is one of many the request is about, none of which it names.
    pub(crate) unnamed: bool,
    /// Whether the object was merged from a configuration, not read from a body.
    pub(crate) applied: bool,
    /// Whether a configuration was merged that changed nothing.
    pub(crate) applied_nothing: bool,
    /// Whether storage keeps the object otherwise than it is read back, so that the next write of it stores it anew.
    pub(crate) unsettled: bool,
    /// What an apply was found to come to before the lock was taken.
    pub(crate) ahead: Option<Box<Ahead>>,
    /// The state the object has now, if it was stored or left as it was.
    pub(crate) came_to: Option<Arc<Stored>>,
}

impl WriteOptions {
    /// Notes in the options what the server has found out, unless the client said so; the path is one or two keys.
    fn note(&mut self, path: &str, value: Value) {
        if !self.sent.is_object() {
            self.sent = json!({});
        }
        match path.split_once('/') {
            Some((outer, inner)) => {
                if !self.sent[outer].is_object() {
                    self.sent[outer] = json!({});
                }
                if self.sent[outer][inner].is_null() {
                    self.sent[outer][inner] = value;
                }
            }
            None => self.sent[path] = value,
        }
    }

    /// Returns the options as admission sees them, of the type that an operation has.
    pub(crate) fn typed(&self, operation: &str) -> Value {
        let kind = match operation {
            "CREATE" => "CreateOptions",
            "UPDATE" => "UpdateOptions",
            "DELETE" => "DeleteOptions",
            _ => return Value::Null,
        };
        let mut out = if self.sent.is_object() { self.sent.clone() } else { json!({}) };
        out["apiVersion"] = json!("meta.k8s.io/v1");
        out["kind"] = json!(kind);
        out
    }
}

/// What becomes of dependents when their owner is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They go after it.
    Background,
    /// They go before it.
    Foreground,
    /// They stay and forget it.
    Orphan,
}

/// What goes with a delete.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    /// What becomes of dependents; `None` leaves it to the kind.
    pub propagation: Option<Propagation>,
    /// The same in the words of old: whether they stay. Goes before `propagation`.
    pub orphan_dependents: Option<bool>,
    /// How long a pod may take; `None` leaves it to the pod.
    pub grace_period_secs: Option<i64>,
    /// The uid the object must have.
    pub uid: Option<String>,
    /// The revision the object must have.
    pub resource_version: Option<String>,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Created,
    Updated,
}

/// What a request is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) resource: &'a Arc<Resource>,
    /// Empty for cluster-scoped resources, and for lists across all namespaces.
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) subresource: &'a str,
}

impl Target<'_> {
    pub(crate) fn key(&self) -> Key {
        (self.namespace.to_owned(), self.name.to_owned())
    }

    /// Returns where the real server keeps the object in etcd, which some of its messages tell.
    fn storage_path(&self) -> String {
        let resource = self.resource;
        let folder = match (resource.group.as_str(), resource.plural.as_str()) {
            ("", "services") => "services/specs",
            ("", "endpoints") => "services/endpoints",
            ("", "nodes") => "minions",
            ("", "replicationcontrollers") => "controllers",
            ("networking.k8s.io", "ingresses") => "ingress",
            (group @ ("apiextensions.k8s.io" | "apiregistration.k8s.io"), plural) => {
                return format!("/registry/{group}/{plural}/{}", self.name);
            }
            (group, plural) if resource.custom().is_some() => &format!("{group}/{plural}"),
            (_, plural) => plural,
        };
        match self.namespace {
            "" => format!("/registry/{folder}/{}", self.name),
            namespace => format!("/registry/{folder}/{namespace}/{}", self.name),
        }
    }
}

/// The state of a cluster, while its lock is held.
pub(crate) struct Registry<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) clock: &'a Clock,
    /// Where services listen.
    pub(crate) services: &'a BTreeMap<ServicePort, SocketAddr>,
    /// What webhooks have answered so far; absent where nobody can be asked.
    pub(crate) replay: Option<&'a mut Replay>,
}

impl Registry<'_> {
    /// Finds what is served at an address.
    pub(crate) fn resource(&self, gvr: &Gvr) -> Result<Arc<Resource>, ApiError> {
        self.state.catalog.find(gvr).ok_or_else(ApiError::no_such_resource)
    }

    /// Returns the stored object, in the version it is stored in.
    pub(crate) fn find(&mut self, resource: &Resource, namespace: &str, name: &str) -> Option<Arc<Stored>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.state.store(&resource.store_key()).get(&key)
    }

    /// Returns the stored objects of one namespace, or of all.
    pub(crate) fn all(&mut self, resource: &Resource, namespace: Option<&str>) -> Vec<Arc<Stored>> {
        self.state.store(&resource.store_key()).iter(namespace, None).map(|(_, stored)| stored).collect()
    }

    /// Returns the target's stored object, or the 404.
    pub(crate) fn live(&mut self, target: &Target<'_>) -> Result<Arc<Stored>, ApiError> {
        self.find(target.resource, target.namespace, target.name)
            .ok_or_else(|| ApiError::not_found(target.resource, target.name))
    }

    /// Returns the target as a client of its version sees it; for `scale`, the `Scale`.
    pub(crate) fn read(&mut self, target: &Target<'_>) -> Result<Arc<Value>, ApiError> {
        Ok(Arc::clone(self.show(target)?.value()))
    }

    /// Returns the same, as text where the stored text will do.
    pub(crate) fn show(&mut self, target: &Target<'_>) -> Result<Shown, ApiError> {
        let live = self.live(target)?;
        match target.subresource {
            "scale" => {}
            "status" => return Ok(Shown::from(self.kept(target.resource, &live))),
            _ => return Ok(Shown::of(target.resource, &live)),
        }
        let object = rules::present(target.resource, &live.value);
        scale::check_present(target.resource, &object)?;
        Ok(Shown::from(Arc::new(scale::read(target.resource, &object)?)))
    }

    /// Stores a state of an object, tells watchers, and notes what may follow.
    ///
    /// What was there before is most likely never read again.
    fn commit(&mut self, resource: &Resource, key: Key, mut value: Value) -> Result<Arc<Stored>, ApiError> {
        let rv = self.state.rv + 1;
        value["metadata"]["resourceVersion"] = json!(rv.to_string());
        let concealed = concealed::conceal(resource, &mut value);
        let value = rules::to_storage(resource, value, &self.state.catalog);
        if resource.custom().is_some_and(|custom| custom.conversion.is_some()) {
            // Nothing is stored whose writer could not be shown it.
            let value = Arc::new(value.clone());
            rules::present(resource, &value);
        }
        settled()?;
        let store_key = resource.store_key();
        let old = self.state.store(&store_key).get(&key);
        let change = if old.is_some() { Change::Modified } else { Change::Added };
        let stored = Arc::new(Stored::new(value, rv, change, field_order(resource)));
        let size = stored.json_len();
        if size > MAX_SENT_BYTES {
            return Err(ApiError::unforeseen(format!(
                "rpc error: code = ResourceExhausted desc = trying to send message larger than max ({size} vs. {MAX_SENT_BYTES})"
            )));
        }
        if size > MAX_STORED_BYTES {
            return Err(ApiError::unforeseen("etcdserver: request is too large"));
        }
        self.state.next_rv();
        self.state.store(&store_key).put(key.clone(), &stored);
        self.state.owners.track(&(store_key, key), old.as_deref(), Some(&stored));
        if let Some(old) = &old {
            old.supersede();
        }
        // What is stored now was read before; who knows better says so.
        self.state.unsettled.remove(&*stored.uid);
        if let Some(concealed) = concealed {
            self.state.concealed.insert(stored.uid.to_string(), concealed);
        }
        self.follow(resource, change, &stored, old.as_deref());
        Ok(stored)
    }

    /// Returns an object that is not stored as it would be read after that: it is written and read again all the same.
    fn read_back(&self, resource: &Resource, object: Value) -> Result<Arc<Value>, ApiError> {
        let kept = Arc::new(rules::to_storage(resource, object, &self.state.catalog));
        let shown = rules::present(resource, &kept);
        settled()?;
        Ok(shown)
    }

    /// Notes whether storage keeps an object as it is read back.
    fn settle_form(&mut self, resource: &Resource, stored: &Stored, options: &WriteOptions, is_read_otherwise: bool) {
        // What is converted for storage is read on the way.
        let converted = resource.custom().is_some() && stored.value["apiVersion"] != resource.api_version();
        if is_read_otherwise || (options.unsettled && !converted) {
            self.state.unsettled.insert(stored.uid.to_string());
        } else {
            self.state.unsettled.remove(&*stored.uid);
        }
    }

    /// Removes an object, tells watchers, and notes what may follow.
    fn remove(&mut self, resource: &Resource, key: &Key) -> Option<Arc<Stored>> {
        let store_key = resource.store_key();
        let old = self.state.store(&store_key).get(key)?;
        let rv = self.state.next_rv();
        self.state.unsettled.remove(&*old.uid);
        self.state.reordered.remove(&*old.uid);
        self.state.concealed.remove(&*old.uid);
        let mut value = Value::clone(&old.value);
        value["metadata"]["resourceVersion"] = json!(rv.to_string());
        let last = Arc::new(Stored::new(value, rv, Change::Deleted, field_order(resource)));
        self.state.store(&store_key).remove(key, &last);
        self.state.owners.track(&(store_key, key.clone()), Some(&old), None);
        self.follow(resource, Change::Deleted, &last, Some(&old));
        Some(last)
    }
}

/// Returns in which order the objects of a collection are written.
pub(crate) fn field_order(resource: &Resource) -> FieldOrder {
    if resource.custom().is_some() { FieldOrder::Sorted } else { FieldOrder::KindFirst }
}

/// Returns an object's metadata, made when it is missing or no object.
pub(crate) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = json!({});
    }
    let meta = &mut object["metadata"];
    if !meta.is_object() {
        *meta = json!({});
    }
    meta.as_object_mut().expect("holds because it was just made one")
}

/// Returns a text of an object's metadata, empty when it is not there.
pub(crate) fn meta_text<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}

/// Returns an object's finalizers.
pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Returns whether an object is being deleted.
pub(crate) fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}
