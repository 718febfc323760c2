//! Watches: a cursor into a collection's history, drawn forward as fast as the client reads.
//!
//! Nothing is queued for a slow client but one batch. The watch of one that falls behind the window ends without a word, as
//! upstream's do; where it then wants to go on, history is gone, which it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _, stream};
use http::Response;
use http::header::{ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::encode::in_beta;
use super::list_options::{ListOptions, parse_rv};
use super::negotiate::{Accepted, Form, Media};
use super::objects::included;
use super::reply::{self, Body};
use super::service::Call;
use super::upgrade;
use crate::builtins::Builtins;
use crate::cluster::Cluster;
use crate::error::ApiError;
use crate::faults::Fault;
use crate::present;
use crate::registry::Target;
use crate::resource::{Resource, StoreKey};
use crate::rules;
use crate::selector::Selectors;
use crate::store::{Behind, Change, Event, Stored, to_bytes};
use crate::stored::frame;
use crate::webhooks::convert::{self, Conversions};

/// Events taken under the lock at a time.
const BATCH: usize = 128;

/// How often an idle watch says where it is, as upstream.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);

/// How long a watch lasts when the client does not say; upstream draws from 30 to 60 minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(45);

/// The annotation that ends the initial events of a streaming list.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

pub(super) fn serve(call: &Call<'_>, target: &Target<'_>, accepted: Accepted) -> Result<Response<Body>, ApiError> {
    let mut options = ListOptions::read(call.query)?;
    // The old paths watch without saying so in the query; what only watches may ask for is then not checked.
    options.watch = call.query.flag("watch");
    let options = options.checked(target)?;
    let rv = parse_rv(&options.resource_version)?;
    if accepted.form == Form::Table {
        included(call)?;
    }
    let timeout = options.timeout_secs.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
    let mut watcher = Watcher {
        cluster: call.cluster.clone(),
        resource: Arc::clone(target.resource),
        store: target.resource.store_key(),
        namespace: Some(target.namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
        selectors: options.selectors,
        form: accepted.form,
        is_beta: accepted.beta,
        media: accepted.media,
        include: call.query.text("includeObject").to_owned(),
        cursor: 0,
        wake: None,
        stop: call.cluster.stopped().clone(),
        ready: VecDeque::new(),
        deadline: Instant::now() + timeout,
        bookmark_at: (options.bookmarks && call.fault != &Fault::HangWatch).then(|| Instant::now() + BOOKMARK_EVERY),
        columns_sent: false,
        ended: false,
        events_left: usize::MAX,
        slowness: Duration::ZERO,
    };
    match call.fault {
        Fault::CloseWatchAfter(events) => watcher.events_left = *events,
        Fault::SlowWatch(time) => watcher.slowness = *time,
        _ => {}
    }
    match call.fault {
        Fault::CloseWatch => watcher.ended = true,
        Fault::HangWatch => {}
        Fault::Expire => watcher.fail(&ApiError::expired("too old resource version")),
        _ => watcher.start(rv, options.initial_events, options.bookmarks),
    }
    if upgrade::wants_web_socket(call.headers) {
        return Ok(over_web_socket(call, watcher));
    }
    let frames = stream::unfold(watcher, |mut watcher| async move {
        let bytes = watcher.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), watcher))
    });
    let content_type = match accepted.media {
        Media::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        _ => "application/json",
    };
    let mut answer = reply::bytes(200, content_type, Bytes::new());
    *answer.body_mut() = StreamBody::new(frames).boxed_unsync();
    Ok(answer)
}

/// Tells the events on a WebSocket, as browsers ask for them: a message each, whatever protocol they name.
///
/// Only browsers say where a page comes from, and a client that does not is taken for none (golang.org/x/net/websocket).
fn over_web_socket(call: &Call<'_>, mut watcher: Watcher) -> Response<Body> {
    if call.header(ORIGIN).is_empty() {
        return reply::text(403, "");
    }
    let protocols = upgrade::list(call.headers, &SEC_WEBSOCKET_PROTOCOL);
    if protocols.len() > 1 {
        return reply::text(400, "");
    }
    let protocol = protocols.first().copied().unwrap_or_default();
    upgrade::web_socket(call.headers, protocol, |socket| async move {
        let (mut out, mut heard) = socket.split();
        let gone =
            async { while heard.next().await.is_some_and(|message| message.is_ok_and(|one| !one.is_close())) {} };
        let telling = async {
            while let Some(bytes) = watcher.next().await {
                let message = match watcher.media {
                    // Messages have lengths of their own.
                    Media::Protobuf => Message::Binary(bytes.slice(bytes.len().min(4)..)),
                    _ => Message::Text(String::from_utf8_lossy(&bytes).into_owned().into()),
                };
                if out.send(message).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = gone => {}
            () = telling => {}
        }
        let end = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
        let _ = out.send(Message::Close(Some(end))).await;
        let _ = out.close().await;
    })
}

struct Watcher {
    cluster: Cluster,
    resource: Arc<Resource>,
    store: StoreKey,
    namespace: Option<String>,
    selectors: Selectors,
    form: Form,
    /// The form is wanted in `meta.k8s.io/v1beta1`.
    is_beta: bool,
    media: Media,
    include: String,
    cursor: u64,
    /// Absent while a fault keeps the watch silent.
    wake: Option<tokio::sync::watch::Receiver<u64>>,
    stop: CancellationToken,
    ready: VecDeque<Bytes>,
    deadline: Instant,
    bookmark_at: Option<Instant>,
    columns_sent: bool,
    ended: bool,
    /// After how many events a fault ends the watch.
    events_left: usize,
    /// How long a fault makes each event wait.
    slowness: Duration,
}

impl Watcher {
    /// Sets the cursor, and readies what the client is to be sent first.
    fn start(&mut self, rv: Option<u64>, initial: Option<bool>, bookmarks: bool) {
        let from = rv.filter(|rv| *rv > 0);
        let wants_all = initial.unwrap_or(from.is_none());
        let cluster = self.cluster.clone();
        let namespace = self.namespace.clone();
        let (wake, oldest, current, objects) = cluster.with_state(|state, _| {
            let current = state.rv;
            let store = state.store(&self.store);
            let objects: Vec<Arc<Stored>> = if wants_all {
                store.iter(namespace.as_deref(), None).map(|(_, stored)| stored).collect()
            } else {
                Vec::new()
            };
            (store.subscribe(), store.oldest(), current, objects)
        });
        self.wake = Some(wake);
        if wants_all {
            self.cursor = current;
            for stored in objects {
                let shown = rules::present(&self.resource, &stored.value);
                if self.selectors.matches(&shown) {
                    self.push("ADDED", &stored, &shown);
                }
            }
            if initial == Some(true) && bookmarks {
                self.push_bookmark(true);
            }
            return;
        }
        self.cursor = from.unwrap_or(current);
        if self.cursor < oldest {
            let message = format!("too old resource version: {} ({oldest})", self.cursor);
            self.fail(&ApiError::expired(message));
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.events_left == 0 {
                return None;
            }
            if let Some(bytes) = self.ready.pop_front() {
                self.events_left -= 1;
                if !self.slowness.is_zero() {
                    tokio::time::sleep(self.slowness).await;
                }
                return Some(bytes);
            }
            if self.ended {
                return None;
            }
            self.poll().await;
            if !self.ready.is_empty() || self.ended {
                continue;
            }
            let Some(wake) = &mut self.wake else {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(self.deadline) => {}
                    () = self.stop.cancelled() => {}
                }
                return None;
            };
            let bookmark_at = self.bookmark_at.unwrap_or(self.deadline);
            tokio::select! {
                biased;
                changed = wake.changed() => if changed.is_err() {
                    return None;
                },
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.deadline) => return None,
                () = tokio::time::sleep_until(bookmark_at), if self.bookmark_at.is_some() => {
                    self.push_bookmark(false);
                    self.bookmark_at = Some(Instant::now() + BOOKMARK_EVERY);
                }
            }
        }
    }

    /// Takes the next batch of events from the history.
    async fn poll(&mut self) {
        let Some(wake) = &mut self.wake else { return };
        wake.mark_unchanged();
        let cluster = self.cluster.clone();
        let (events, current) = cluster.with_state(|state, _| {
            let current = state.rv;
            (state.store(&self.store).events_after(self.cursor, BATCH), current)
        });
        let events = match events {
            Ok(events) => events,
            Err(Behind::Slow) => {
                self.ended = true;
                return;
            }
            Err(Behind::Forgotten) => {
                let message = format!("too old resource version: {} ({current})", self.cursor);
                return self.fail(&ApiError::expired(message));
            }
        };
        match self.convert(&events).await {
            Ok(mut conversions) => convert::run(&mut conversions, || events.iter().for_each(|event| self.tell(event))),
            Err(error) => return self.fail(&error),
        }
        self.cursor = match events.last() {
            Some(last) if events.len() == BATCH => last.rv,
            // A cursor ahead of the cluster waits there, as upstream.
            _ => self.cursor.max(current),
        };
    }

    /// Finds out how the objects of events are shown in the version that is watched.
    async fn convert(&self, events: &[Event]) -> Result<Conversions, ApiError> {
        let mut conversions = Conversions::default();
        if self.resource.custom().is_none_or(|custom| custom.conversion.is_none()) {
            return Ok(conversions);
        }
        let objects = || events.iter().flat_map(|event| [Some(&event.object), event.previous.as_ref()]).flatten();
        let show = || objects().for_each(|stored| drop(rules::present(&self.resource, &stored.value)));
        convert::run(&mut conversions, show);
        let reviews = conversions.take_reviews();
        if !reviews.is_empty() {
            let done = convert::ask_all(&self.cluster, reviews, Instant::now() + convert::PATIENCE).await;
            conversions.remember(done);
            convert::run(&mut conversions, show);
        }
        match conversions.failure() {
            Some(error) => Err(error),
            None => Ok(conversions),
        }
    }

    fn tell(&mut self, event: &Event) {
        let is_ours = |stored: &Arc<Stored>| {
            self.namespace.as_deref().is_none_or(|namespace| stored.value["metadata"]["namespace"] == namespace)
        };
        if !is_ours(&event.object) {
            return;
        }
        let shown = rules::present(&self.resource, &event.object.value);
        if self.selectors.is_everything() {
            return self.push(event.change.word(), &event.object, &shown);
        }
        let chosen = self.selectors.matches(&shown);
        let before = event.previous.as_ref().map(|previous| rules::present(&self.resource, &previous.value));
        let was_chosen = before.as_ref().is_some_and(|before| self.selectors.matches(before));
        match (event.change, was_chosen, chosen) {
            (Change::Deleted, true, _) => self.push("DELETED", &event.object, &shown),
            (Change::Added, _, true) | (Change::Modified, false, true) => self.push("ADDED", &event.object, &shown),
            (Change::Modified, true, true) => self.push("MODIFIED", &event.object, &shown),
            (Change::Modified, true, false) => {
                // The client is sent what it knew, at the revision at which it stopped being its business.
                let mut last = Value::clone(before.as_ref().unwrap_or(&shown));
                last["metadata"]["resourceVersion"] = json!(event.rv.to_string());
                self.push_value("DELETED", &last);
            }
            _ => {}
        }
    }

    fn push(&mut self, kind: &str, stored: &Arc<Stored>, shown: &Arc<Value>) {
        if self.media == Media::Json && self.form == Form::Objects && Arc::ptr_eq(shown, &stored.value) {
            self.ready.push_back(stored.frame(kind));
        } else {
            self.push_value(kind, shown);
        }
    }

    /// Writes one event around an object in JSON.
    fn frame(&self, word: &str, object: &[u8]) -> Bytes {
        if self.media == Media::Protobuf {
            let encoded = serde_json::from_slice(object).ok().and_then(|value| Builtins::get().encode_protobuf(&value));
            return Builtins::protobuf_watch_event(word, &encoded.unwrap_or_default()).into();
        }
        frame(word, object)
    }

    fn push_value(&mut self, kind: &str, object: &Value) {
        let value = match self.form {
            Form::Objects => to_bytes(object),
            Form::Metadata | Form::MetadataList => to_bytes(&present::metadata_only(object)),
            Form::Table => {
                let meta = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
                let now = self.cluster.clock().now();
                let rows = std::iter::once(object);
                let table = present::table(&self.resource, rows, meta, &self.include, !self.columns_sent, now);
                self.columns_sent = true;
                to_bytes(&table)
            }
        };
        let value = if self.is_beta { in_beta(&value) } else { value };
        let bytes = self.frame(kind, &value);
        self.ready.push_back(bytes);
    }

    fn push_bookmark(&mut self, ends_initial_events: bool) {
        let mut meta = json!({ "resourceVersion": self.cursor.to_string() });
        if ends_initial_events {
            meta["annotations"] = json!({ INITIAL_EVENTS_END: "true" });
        }
        let resource = &self.resource;
        // A bookmark is an object of the kind, as empty as Go writes one.
        let zero = Builtins::get().zero_value(&resource.group, &resource.version, &resource.kind);
        let mut object = zero.filter(|_| resource.custom().is_none()).unwrap_or_else(|| json!({}));
        object["kind"] = json!(resource.kind);
        object["apiVersion"] = json!(resource.api_version());
        object["metadata"] = meta;
        self.push_value("BOOKMARK", &object);
    }

    fn fail(&mut self, error: &ApiError) {
        let bytes = self.frame("ERROR", &to_bytes(&error.to_json()));
        self.ready.push_back(bytes);
        self.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpSocket};
    use tower::ServiceExt as _;

    use super::*;
    use crate::cluster::Options;
    use crate::http::Transport;
    use crate::resource::Gvr;

    const MAPS: &str = "/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=";
    const WINDOW: usize = 16;

    /// A cluster with one ConfigMap more than it was born with, and that one's revision.
    fn cluster() -> (Cluster, u64) {
        let cluster = Cluster::new(Options { controllers: false, watch_window: WINDOW, ..Options::default() });
        change(&cluster, 0);
        let rv = cluster.resource_version();
        (cluster, rv)
    }

    /// How long the ConfigMap is, and so each event about it.
    const BYTES: usize = 64 * 1024;

    /// Writes the ConfigMap once more.
    fn change(cluster: &Cluster, at: usize) {
        let data = json!({ "at": at.to_string(), "pad": "x".repeat(BYTES) });
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "busy" }, "data": data });
        let gvr = Gvr::new("", "v1", "configmaps");
        let kind = crate::patch::PatchKind::Apply;
        cluster.admin().patch(&gvr, ("default", "busy"), "", kind, &object).expect("it is valid");
    }

    async fn watch(cluster: &Cluster, rv: u64) -> Body {
        let request = http::Request::get(format!("{MAPS}{rv}")).body(Full::new(Bytes::new())).expect("it is valid");
        cluster.service().oneshot(request).await.expect("an answer").into_body()
    }

    async fn frames(mut body: Body) -> Vec<Bytes> {
        let mut out = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            out.extend(frame.into_data());
        }
        out
    }

    /// Returns what wakes the watchers of ConfigMaps, which knows whether they are there.
    fn wakers(cluster: &Cluster) -> Vec<tokio::sync::watch::Sender<u64>> {
        let store = (String::new(), "configmaps".to_owned());
        cluster.with_state(|state, _| state.store(&store).wakers())
    }

    #[tokio::test]
    async fn who_does_not_read_is_kept_no_more_than_a_batch_while_others_go_on() {
        let (cluster, rv) = cluster();
        let (mut idle, mut reader) = (watch(&cluster, rv).await, watch(&cluster, rv).await);
        change(&cluster, 1);
        idle.frame().await.expect("the first event").expect("no error");
        for at in 2..200 {
            change(&cluster, at);
            let told = reader.frame().await.expect("an event").expect("no error").into_data().expect("data");
            assert!(told.len() > BYTES, "every event reaches who reads");
        }
        let rest = frames(idle).await;
        assert!(rest.is_empty(), "what was missed is not kept for it: {} events", rest.len());
        let late = frames(watch(&cluster, rv).await).await;
        let told: Value = serde_json::from_slice(&late[0]).expect("JSON");
        assert_eq!(
            (late.len(), &told["object"]["code"]),
            (1, &json!(410)),
            "where it was there is nothing to go on from"
        );
    }

    #[tokio::test]
    async fn who_vanishes_leaves_nothing_behind() {
        let (cluster, rv) = cluster();
        let bodies = [watch(&cluster, rv).await, watch(&cluster, rv).await];
        let wakers = wakers(&cluster);
        assert_eq!(wakers.iter().map(tokio::sync::watch::Sender::receiver_count).sum::<usize>(), 2);
        drop(bodies);
        assert_eq!(wakers.iter().map(tokio::sync::watch::Sender::receiver_count).sum::<usize>(), 0);
    }

    #[tokio::test]
    async fn who_stops_reading_a_socket_is_let_go_and_so_is_who_closes_it() {
        let (cluster, rv) = cluster();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let (cluster, stop) = (cluster.clone(), stop.clone());
            async move { cluster.serve(listener, Transport::Plain, stop).await }
        });
        let mut sockets = Vec::new();
        for _ in 0..2 {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_recv_buffer_size(64 * 1024).expect("it is small");
            let mut socket = socket.connect(address).await.expect("it listens");
            let request = format!("GET {MAPS}{rv} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
            socket.write_all(request.as_bytes()).await.expect("it is read");
            socket.read_exact(&mut [0; 15]).await.expect("it answers");
            sockets.push(socket);
        }
        let wakers = wakers(&cluster);
        assert_eq!(wakers.len(), 2);
        // More than sockets hold. Changes come one at a time, so that the server has its turn between them.
        for at in 0..250 {
            change(&cluster, at);
            tokio::task::yield_now().await;
        }
        let mut told = Vec::new();
        let (closed, mut stalled) = (sockets.pop().expect("two"), sockets.pop().expect("two"));
        drop(closed);
        stalled.read_to_end(&mut told).await.expect("the end");
        assert!(told.len() < 190 * BYTES, "{} bytes were kept for one who does not read", told.len());
        assert!(told.ends_with(b"0\r\n\r\n"), "the reply ends in order");
        for waker in wakers {
            waker.closed().await;
        }
        stop.cancel();
        serving.await.expect("it ends");
    }
}
