//! The watch cache: what the cluster holds of the kinds that matter, kept current by watches.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bowline_model::{Gvk, Object, ObjectKey};
use bytes::{Buf as _, BytesMut};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc};
use tracing::{debug, warn};

use crate::{ApiError, ApiResource, Cluster};

/// Changes that may wait to be looked at. Watches stop reading when it is full, so the server's own
/// buffers take over; 4,096 is a burst of a large sync.
const CHANGES: usize = 4096;

/// Objects asked for at once when listing. The peers use 500 as well.
const PAGE: usize = 500;

/// The longest line of a watch: the largest object the server stores, twice as JSON, and its frame.
const LINE_LIMIT: usize = 8 << 20;

/// The first and the longest wait before a failed list or watch is begun again.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// One watch: a kind, and which of its objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchScope {
    /// The kind, in the version to read it in.
    pub gvk: Gvk,
    /// One namespace; empty for all.
    pub namespace: String,
    /// One name; empty for all.
    pub name: String,
    /// A label selector, as `app=web`; empty for all.
    pub labels: String,
    /// Whether only metadata is read: what matters is that objects come and go.
    pub is_metadata_only: bool,
}

impl WatchScope {
    /// All objects of a kind.
    pub fn all(gvk: Gvk) -> Self {
        Self { gvk, namespace: String::new(), name: String::new(), labels: String::new(), is_metadata_only: false }
    }

    /// One object.
    pub fn one(gvk: Gvk, namespace: &str, name: &str) -> Self {
        Self {
            gvk,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            labels: String::new(),
            is_metadata_only: false,
        }
    }

    /// The objects of a namespace with a label.
    pub fn labelled(gvk: Gvk, namespace: &str, labels: String) -> Self {
        Self { gvk, namespace: namespace.to_owned(), name: String::new(), labels, is_metadata_only: false }
    }

    /// The same objects, without anything but their metadata.
    pub fn metadata_only(self) -> Self {
        Self { is_metadata_only: true, ..self }
    }

    fn accept_list(&self) -> &'static str {
        if self.is_metadata_only {
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
        } else {
            "application/json"
        }
    }

    fn accept_watch(&self) -> &'static str {
        if self.is_metadata_only {
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
        } else {
            "application/json"
        }
    }

    fn query(&self) -> String {
        let select = |selector: &str, text: &str| match text {
            "" => String::new(),
            text => format!("{selector}{}", crate::discovery::escape(text)),
        };
        select("&fieldSelector=metadata.name%3D", &self.name) + &select("&labelSelector=", &self.labels)
    }
}

/// An answer of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<T> {
    /// This is what the cluster holds, as far as its own watch has told.
    Yes(T),
    /// Nobody has read that yet: neither presence nor absence is known.
    NotYet,
}

/// One live object, kept as the text the server sent: a third of the size of a parsed one.
#[derive(PartialEq, Eq)]
pub struct Live {
    /// The object.
    pub key: ObjectKey,
    /// Its UID.
    pub uid: String,
    /// Its resource version; Kubernetes 1.35 documents that these compare as numbers.
    pub version: u64,
    gvk: Gvk,
    raw: Box<[u8]>,
}

impl Live {
    /// Reads the object.
    pub fn object(&self) -> Object {
        let mut value: Value = serde_json::from_slice(&self.raw).expect("holds because it was read as JSON before");
        // Items of a list leave out what the list says already.
        value["apiVersion"] = Value::String(self.gvk.api_version());
        value["kind"] = Value::String(self.gvk.kind.clone());
        Object::from_value(value).expect("holds because it has a name, and was just given the rest")
    }

    /// Reads name, labels and annotations alone: enough to tell whose the object is, and cheap.
    pub fn marks(&self) -> Object {
        #[derive(Deserialize)]
        struct OnlyMetadata {
            metadata: Metadata,
        }
        #[derive(Deserialize, Serialize)]
        struct Metadata {
            name: String,
            #[serde(default, skip_serializing_if = "String::is_empty")]
            namespace: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            labels: Option<BTreeMap<String, String>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            annotations: Option<BTreeMap<String, String>>,
        }
        let read: OnlyMetadata = serde_json::from_slice(&self.raw)
            .expect("holds because it was read as JSON before, and the server keeps labels and annotations as texts");
        let value = serde_json::json!({
            "apiVersion": self.gvk.api_version(), "kind": self.gvk.kind, "metadata": read.metadata,
        });
        Object::from_value(value).expect("holds because it has a name, and was just given the rest")
    }

    /// Returns the size of the text, in bytes.
    pub fn size(&self) -> usize {
        self.raw.len()
    }

    fn read(gvk: &Gvk, raw: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Head {
            metadata: HeadMetadata,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct HeadMetadata {
            name: String,
            #[serde(default)]
            namespace: String,
            #[serde(default)]
            uid: String,
            #[serde(default)]
            resource_version: String,
        }
        let Head { metadata } = serde_json::from_str(raw).ok()?;
        Some(Self {
            key: ObjectKey::new(&*gvk.group, &*gvk.kind, metadata.namespace, metadata.name),
            uid: metadata.uid,
            version: metadata.resource_version.parse().unwrap_or(0),
            gvk: gvk.clone(),
            raw: raw.as_bytes().into(),
        })
    }
}

impl fmt::Debug for Live {
    /// Writes the key and version only: the object may be a Secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Live({}@{})", self.key, self.version)
    }
}

/// Something that changed in the cluster, or in what is known of it.
#[derive(Debug, Clone)]
pub enum Change {
    /// An object came, changed or went.
    Object {
        /// The watch that told.
        scope: Arc<WatchScope>,
        /// What was known before.
        before: Option<Arc<Live>>,
        /// What is there now.
        after: Option<Arc<Live>>,
    },
    /// A watch has told everything there is, for the first time.
    Complete(Arc<WatchScope>),
}

struct Scope {
    objects: Mutex<Objects>,
    /// Whether everything there is has been read, and what wakes those who wait for that, the first first.
    complete: AtomicBool,
    completed: Notify,
}

impl Scope {
    fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }
}

#[derive(Default)]
struct Objects {
    by_name: BTreeMap<(String, String), Arc<Live>>,
    /// The newest version the watch has told of: an older object that is absent was deleted.
    newest: u64,
}

pub(crate) struct WatchCache {
    scopes: Mutex<BTreeMap<WatchScope, Arc<Scope>>>,
    sender: mpsc::Sender<Change>,
    receiver: Mutex<Option<mpsc::Receiver<Change>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WatchCache {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(CHANGES);
        Self { scopes: Mutex::default(), sender, receiver: Mutex::new(Some(receiver)) }
    }

    pub(crate) fn take_changes(&self) -> Option<mpsc::Receiver<Change>> {
        lock(&self.receiver).take()
    }

    fn scope(&self, scope: &WatchScope) -> Option<Arc<Scope>> {
        lock(&self.scopes).get(scope).cloned()
    }
}

impl Cluster {
    /// Begins to watch, unless somebody did; returns at once.
    ///
    /// Watches last as long as somebody takes the changes they tell of: kinds that were managed once are few, and likely managed again.
    pub fn watch(&self, scope: WatchScope, resource: ApiResource) {
        let mut scopes = lock(&self.0.cache.scopes);
        if scopes.contains_key(&scope) {
            return;
        }
        let (complete, completed) = (AtomicBool::new(false), Notify::new());
        let state = Arc::new(Scope { objects: Mutex::default(), complete, completed });
        scopes.insert(scope.clone(), state.clone());
        drop(scopes);
        let task = WatchTask { cluster: self.clone(), scope: Arc::new(scope), resource, state, failures: 0 };
        tokio::spawn(task.run());
    }

    /// Begins to watch and waits until everything there is has been read.
    pub async fn watch_complete(&self, scope: WatchScope, resource: ApiResource) {
        self.watch(scope.clone(), resource);
        let state = self.0.cache.scope(&scope).expect("holds because it was just made");
        let completed = state.completed.notified();
        if !state.is_complete() {
            completed.await;
        }
    }

    /// Tells whether a watch has read everything there is.
    pub fn is_complete(&self, scope: &WatchScope) -> bool {
        self.0.cache.scope(scope).is_some_and(|scope| scope.is_complete())
    }

    /// Returns one object as the cache knows it.
    pub fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Known<Option<Arc<Live>>> {
        for scope in [WatchScope::all(gvk.clone()), WatchScope::one(gvk.clone(), namespace, name)] {
            if let Some(state) = self.0.cache.scope(&scope)
                && state.is_complete()
            {
                let objects = lock(&state.objects);
                return Known::Yes(objects.by_name.get(&(namespace.to_owned(), name.to_owned())).cloned());
            }
        }
        Known::NotYet
    }

    /// Returns all objects of a watch, by namespace and name.
    pub fn list(&self, scope: &WatchScope) -> Known<Vec<Arc<Live>>> {
        match self.0.cache.scope(scope) {
            Some(state) if state.is_complete() => Known::Yes(lock(&state.objects).by_name.values().cloned().collect()),
            _ => Known::NotYet,
        }
    }

    /// Returns the watches that run.
    pub fn scopes(&self) -> Vec<WatchScope> {
        lock(&self.0.cache.scopes).keys().cloned().collect()
    }

    /// Returns how many objects are held, and how many bytes their texts take.
    pub fn cache_size(&self) -> (usize, usize) {
        let scopes: Vec<_> = lock(&self.0.cache.scopes).values().cloned().collect();
        scopes.iter().fold((0, 0), |(count, bytes), scope| {
            let objects = lock(&scope.objects);
            let size: usize = objects.by_name.values().map(|live| live.size()).sum();
            (count + objects.by_name.len(), bytes + size)
        })
    }

    /// Takes the server's answer to a write into the cache, so that nobody decides by what it replaced.
    pub(crate) fn learn(&self, gvk: &Gvk, raw: &[u8]) {
        let Some(live) = std::str::from_utf8(raw).ok().and_then(|raw| Live::read(gvk, raw)) else { return };
        for scope in [WatchScope::all(gvk.clone()), WatchScope::one(gvk.clone(), &live.key.namespace, &live.key.name)] {
            let Some(state) = self.0.cache.scope(&scope) else { continue };
            let mut objects = lock(&state.objects);
            let name = (live.key.namespace.clone(), live.key.name.clone());
            let outdated = match objects.by_name.get(&name) {
                Some(known) => known.version >= live.version,
                None => objects.newest >= live.version,
            };
            if !outdated {
                objects.by_name.insert(name, Arc::new(live));
            }
            return;
        }
    }
}

struct WatchTask {
    cluster: Cluster,
    scope: Arc<WatchScope>,
    resource: ApiResource,
    state: Arc<Scope>,
    failures: u32,
}

/// Why a watch ended.
enum End {
    /// The server ends each watch after some minutes: go on from the last version.
    Closed,
    /// The server no longer knows what happened since: list again.
    Expired,
}

impl WatchTask {
    async fn run(mut self) {
        while !self.is_over() {
            match self.list().await {
                Ok(version) => {
                    self.failures = 0;
                    self.follow(version).await;
                }
                Err(error) => self.pause(&error).await,
            }
        }
    }

    /// Tells whether nobody takes changes any more: who looked on has stopped.
    fn is_over(&self) -> bool {
        self.cluster.0.cache.sender.is_closed()
    }

    /// Reads everything there is, and tells of what differs from what was known.
    async fn list(&self) -> Result<String, ApiError> {
        let collection = self.resource.path(&self.scope.namespace, None);
        let mut found: BTreeMap<(String, String), Arc<Live>> = BTreeMap::new();
        let mut next = String::new();
        let version = loop {
            let from =
                if next.is_empty() { String::new() } else { format!("&continue={}", crate::discovery::escape(&next)) };
            let path = format!("{collection}?limit={PAGE}{}{from}", self.scope.query());
            let page = match self.page(&path).await {
                // The definition is gone, and its objects with it.
                Err(error) if error.is_not_found() => {
                    self.replace(BTreeMap::new(), 0).await;
                    return Err(error);
                }
                page => page?,
            };
            for live in page.items {
                found.insert((live.key.namespace.clone(), live.key.name.clone()), Arc::new(live));
            }
            if page.next.is_empty() {
                break page.version;
            }
            next = page.next;
        };
        self.replace(found, version.parse().unwrap_or(0)).await;
        Ok(version)
    }

    async fn page(&self, path: &str) -> Result<Page, ApiError> {
        #[derive(Deserialize)]
        struct List<'a> {
            #[serde(default)]
            metadata: ListMetadata,
            #[serde(borrow, default)]
            items: Option<Vec<&'a RawValue>>,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct ListMetadata {
            #[serde(default)]
            resource_version: String,
            #[serde(default, rename = "continue")]
            next: String,
        }
        let (_, body) = self
            .cluster
            .send(http::Method::GET, path, None, self.scope.accept_list(), Vec::new(), self.cluster.0.timeouts.list)
            .await?;
        let unreadable = |why: String| ApiError::Unreadable { what: format!("GET {path}"), why };
        let list: List<'_> = serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
        let items = list.items.unwrap_or_default();
        let items = items
            .into_iter()
            .map(|raw| {
                Live::read(&self.scope.gvk, raw.get()).ok_or_else(|| unreadable("an item has no name".to_owned()))
            })
            .collect::<Result<_, _>>()?;
        Ok(Page { items, version: list.metadata.resource_version, next: list.metadata.next })
    }

    /// Puts a whole new listing in place of what was known.
    async fn replace(&self, found: BTreeMap<(String, String), Arc<Live>>, version: u64) {
        let mut changes = Vec::new();
        {
            let mut objects = lock(&self.state.objects);
            for (name, live) in &found {
                let before = objects.by_name.get(name);
                // A write of ours may have been answered after the list was made.
                if before.is_some_and(|before| before.version >= live.version) {
                    continue;
                }
                changes.push((before.cloned(), Some(live.clone())));
            }
            for (name, before) in &objects.by_name {
                let is_told = !bowline_model::is_planted(bowline_model::Planted::ListingForgetsDeletions);
                if is_told && !found.contains_key(name) && before.version <= version.max(1) {
                    changes.push((Some(before.clone()), None));
                }
            }
            for (before, after) in &changes {
                match (before, after) {
                    (_, Some(live)) => {
                        objects.by_name.insert((live.key.namespace.clone(), live.key.name.clone()), live.clone());
                    }
                    (Some(gone), None) => {
                        objects.by_name.remove(&(gone.key.namespace.clone(), gone.key.name.clone()));
                    }
                    (None, None) => {}
                }
            }
            objects.newest = objects.newest.max(version);
        }
        let first = !self.state.complete.swap(true, Ordering::AcqRel);
        self.state.completed.notify_waiters();
        for (before, after) in changes {
            self.tell(Change::Object { scope: self.scope.clone(), before, after }).await;
        }
        if first {
            self.tell(Change::Complete(self.scope.clone())).await;
        }
    }

    async fn tell(&self, change: Change) {
        // Fails only when nobody takes changes any more: the process is going down.
        let _ = self.cluster.0.cache.sender.send(change).await;
    }

    /// Watches from a version on until a new list is needed.
    async fn follow(&mut self, mut version: String) {
        while !self.is_over() {
            let path = format!(
                "{}?watch=1&allowWatchBookmarks=true&resourceVersion={version}{}",
                self.resource.path(&self.scope.namespace, None),
                self.scope.query(),
            );
            let ended = match self.cluster.open_watch(&path, self.scope.accept_watch()).await {
                Ok(body) => self.read_events(body, &mut version).await,
                Err(error) => Err(error),
            };
            match ended {
                Ok(End::Closed) => self.failures = 0,
                Ok(End::Expired) if bowline_model::is_planted(bowline_model::Planted::WatchGoesOnAfterGone) => {
                    version.clear();
                }
                Err(error)
                    if error.is_expired()
                        && bowline_model::is_planted(bowline_model::Planted::WatchGoesOnAfterGone) =>
                {
                    version.clear();
                }
                Ok(End::Expired) => return,
                Err(error) if error.is_expired() || error.is_not_found() => return,
                Err(error) => self.pause(&error).await,
            }
        }
    }

    async fn read_events(&mut self, mut body: Body, version: &mut String) -> Result<End, ApiError> {
        let mut buffer = BytesMut::new();
        // Where the search for the end of the line goes on.
        let mut searched = 0;
        loop {
            let Ok(frame) = tokio::time::timeout(self.cluster.0.timeouts.silence, body.frame()).await else {
                debug!(kind = %self.scope.gvk, "A watch was silent for too long and is begun again");
                return Ok(End::Closed);
            };
            let Some(frame) = frame else { return Ok(End::Closed) };
            // A broken connection is how a restarted server says goodbye: what came before it counts.
            let frame = frame.map_err(|error| ApiError::Unreachable(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            self.failures = 0;
            buffer.extend_from_slice(&data);
            while let Some(end) = buffer[searched..].iter().position(|byte| *byte == b'\n').map(|at| at + searched) {
                let line = buffer.split_to(end);
                buffer.advance(1);
                searched = 0;
                if let Some(end) = self.event(&line, version).await? {
                    return Ok(end);
                }
            }
            searched = buffer.len();
            if buffer.len() > LINE_LIMIT {
                return Err(ApiError::Unreadable {
                    what: format!("watch of {}", self.scope.gvk),
                    why: format!("an event is larger than {LINE_LIMIT} bytes"),
                });
            }
        }
    }

    async fn event(&self, line: &[u8], version: &mut String) -> Result<Option<End>, ApiError> {
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            #[serde(borrow)]
            object: &'a RawValue,
        }
        let unreadable = |why: String| ApiError::Unreadable { what: format!("watch of {}", self.scope.gvk), why };
        let event: Event<'_> = serde_json::from_slice(line).map_err(|error| unreadable(error.to_string()))?;
        match event.kind {
            "ADDED" | "MODIFIED" | "DELETED" => {
                let live = Live::read(&self.scope.gvk, event.object.get())
                    .ok_or_else(|| unreadable("an object has no name".to_owned()))?;
                *version = live.version.to_string();
                self.take(live, event.kind == "DELETED").await;
            }
            "BOOKMARK" => {
                let object: Value = serde_json::from_str(event.object.get()).unwrap_or(Value::Null);
                if let Some(told) = object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
                    told.clone_into(version);
                    let mut objects = lock(&self.state.objects);
                    objects.newest = objects.newest.max(told.parse().unwrap_or(0));
                }
            }
            "ERROR" => {
                let object: Value = serde_json::from_str(event.object.get()).unwrap_or(Value::Null);
                let code = object["code"].as_u64().unwrap_or(500) as u16;
                let error = ApiError::from_response(code, None, event.object.get().as_bytes());
                return if error.is_expired() { Ok(Some(End::Expired)) } else { Err(error) };
            }
            other => debug!(kind = other, "A watch event of an unknown type"),
        }
        Ok(None)
    }

    async fn take(&self, live: Live, is_deletion: bool) {
        let name = (live.key.namespace.clone(), live.key.name.clone());
        let change = {
            let mut objects = lock(&self.state.objects);
            objects.newest = objects.newest.max(live.version);
            let before = objects.by_name.get(&name).cloned();
            if is_deletion {
                match before {
                    // The answer to a later creation came before this event did.
                    Some(before) if before.version > live.version => None,
                    Some(before) => {
                        objects.by_name.remove(&name);
                        Some((Some(before), None))
                    }
                    None => None,
                }
            } else if before.as_ref().is_some_and(|before| before.version > live.version) {
                None
            } else {
                // An equal version is our own write come back. It is told, because others may watch too.
                let live = Arc::new(live);
                objects.by_name.insert(name, live.clone());
                Some((before, Some(live)))
            }
        };
        if let Some((before, after)) = change {
            self.tell(Change::Object { scope: self.scope.clone(), before, after }).await;
        }
    }

    async fn pause(&mut self, error: &ApiError) {
        self.failures = self.failures.saturating_add(1);
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(10)).min(LONGEST_WAIT);
        if self.failures == 1 {
            debug!(kind = %self.scope.gvk, %error, "A watch is interrupted");
        } else {
            warn!(kind = %self.scope.gvk, %error, failures = self.failures, "A watch is interrupted");
        }
        tokio::time::sleep(self.cluster.jitter(wait)).await;
    }
}

struct Page {
    items: Vec<Live>,
    version: String,
    next: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_objects_get_back_what_lists_leave_out() {
        let gvk = Gvk::new("apps", "v1", "Deployment");
        let raw = r#"{"metadata":{"name":"cart","namespace":"shop","uid":"u","resourceVersion":"12"},"spec":{}}"#;
        let live = Live::read(&gvk, raw).expect("is an object");
        assert_eq!((live.version, live.uid.as_str()), (12, "u"));
        assert_eq!(live.object().key(), ObjectKey::new("apps", "Deployment", "shop", "cart"));
        assert_eq!(live.object().api_version(), "apps/v1");
        assert!(live.marks().at("/spec").is_none());
    }
}
