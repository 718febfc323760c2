//! One cluster as a service: from bytes to a reply.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, USER_AGENT, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::body::MAX_BODY_BYTES;
use super::health;
use super::list::Page;
use super::reply::{self, Body, ConnectionDropped};
use super::route::{self, Query};
use super::upgrade::Upgrade;
use super::{access, encode, negotiate, objects, openapi};
use crate::auth::{self, Access, Authorization, Peer, User};
use crate::catalog::Catalog;
use crate::cluster::{Cluster, lock};
use crate::discovery::{self, Tagged};
use crate::error::ApiError;
use crate::faults::{Fault, RequestInfo};
use crate::registry::Registry;
use crate::webhooks::convert::{self, Conversions};
use crate::webhooks::{self, MAX_ROUNDS, REQUEST_PATIENCE, Replay, out_of_time, outrun};

/// The header that names a request.
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// How long a read waits for a revision that has not happened, as upstream's watch cache does.
const REVISION_PATIENCE: Duration = Duration::from_secs(3);

/// How often it looks.
const REVISION_TICK: Duration = Duration::from_millis(50);

/// Longest name of a field manager.
const LONGEST_MANAGER_BYTES: usize = 128;

/// A cluster as a `tower::Service`; clones share it.
#[derive(Debug, Clone)]
pub struct ClusterService {
    cluster: Cluster,
}

/// One request, read.
pub(super) struct Call<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) info: &'a RequestInfo,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    pub(super) user: &'a Arc<User>,
    pub(super) fault: &'a Fault,
    pub(super) memory: &'a Memory,
}

/// What is kept of a request that has to run again, once webhooks have been asked.
#[derive(Default)]
pub(super) struct Memory {
    replay: Mutex<Replay>,
    conversions: Mutex<Conversions>,
    /// The objects that a deletion of many is about, some of which may be gone the next time.
    pub(super) page: OnceLock<Page>,
}

impl Call<'_> {
    /// Runs against the registry what webhooks may have to be asked about.
    pub(super) fn with_registry<T>(&self, act: impl FnOnce(&mut Registry<'_>) -> T) -> T {
        self.cluster.with_replay(&mut lock(&self.memory.replay), act)
    }

    pub(super) fn header(&self, name: http::header::HeaderName) -> &str {
        header(self.headers, name)
    }

    /// Returns the field manager: the one named, or the client's name up to the slash.
    pub(super) fn manager(&self) -> String {
        match self.query.text("fieldManager") {
            "" => {
                let name = self.info.user_agent.split('/').next().unwrap_or_default();
                let mut manager = String::new();
                for letter in name.chars().filter(|letter| !letter.is_control()) {
                    if manager.len() + letter.len_utf8() > LONGEST_MANAGER_BYTES {
                        break;
                    }
                    manager.push(letter);
                }
                if manager.is_empty() { "unknown".to_owned() } else { manager }
            }
            named => named.to_owned(),
        }
    }
}

fn header(headers: &HeaderMap, name: http::header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl ClusterService {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// Answers one request whose path has no cluster prefix.
    pub(super) async fn answer(
        self,
        parts: Parts,
        body: Result<Bytes, ApiError>,
    ) -> Result<Response<Body>, ConnectionDropped> {
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let content_type = header(&parts.headers, CONTENT_TYPE);
        let user_agent = header(&parts.headers, USER_AGENT);
        let info = route::parse(parts.method.as_str(), parts.uri.path(), &query, content_type, user_agent);
        self.cluster.count(&info);
        let mut fault = self.cluster.faults().map_or(Fault::None, |faults| faults.decide(&info));
        if let Fault::Delayed { time, then } = fault {
            tokio::time::sleep(time).await;
            fault = *then;
        }
        match &fault {
            Fault::DropBefore => return Err(ConnectionDropped),
            Fault::Delay(time) => tokio::time::sleep(*time).await,
            Fault::Status { code, reason, message, retry_after_secs } => {
                let mut error = ApiError::new(*code, reason, message.clone());
                if let Some(secs) = retry_after_secs {
                    error = error.with_retry_after(*secs);
                }
                return Ok(reply::error(&error));
            }
            _ => {}
        }
        let admitted = admit(&self.cluster, &parts, &info, &query).and_then(|user| Ok((Arc::new(user), body?)));
        let answer = match admitted {
            Ok((user, body)) => {
                let (cluster, headers) = (&self.cluster, &parts.headers);
                let (info, query, memory) = (&info, &query, &Memory::default());
                let call = Call { cluster, info, query, headers, body: &body, user: &user, fault: &fault, memory };
                serve_in_time(&call).await
            }
            Err(error) => Err(error),
        };
        if fault == Fault::DropAfterCommit {
            return Err(ConnectionDropped);
        }
        let answer = answer.unwrap_or_else(|error| reply::error(&error));
        let mut answer = encode::finish(&parts, &query, answer).await;
        // What has no word of its own about caches is for nobody else to keep.
        answer.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
        if let Some(warning) = auth::credentials_warning(&parts.headers) {
            reply::warn_first(&mut answer, warning);
        }
        answer.headers_mut().entry(AUDIT_ID).or_insert_with(|| audit_id(&self.cluster, &parts.headers));
        if let Some(upgrade) = answer.extensions_mut().remove::<Upgrade>() {
            let mut request = Request::from_parts(parts, ());
            tokio::spawn(async move {
                match hyper::upgrade::on(&mut request).await {
                    Ok(connection) => upgrade.hold(connection).await,
                    Err(error) => tracing::debug!(%error, "A connection did not change its protocol"),
                }
            });
            return Ok(answer);
        }
        if parts.method == http::Method::HEAD {
            *answer.body_mut() = reply::full(Bytes::new());
        }
        Ok(answer)
    }
}

impl<B> tower::Service<Request<B>> for ClusterService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = ConnectionDropped;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            service.answer(parts, read(body).await).await
        })
    }
}

/// Reads a body of bounded size.
pub(super) async fn read<B>(body: B) -> Result<Bytes, ApiError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("Request entity too large: limit is {MAX_BODY_BYTES}");
            Err(ApiError::new(413, "RequestEntityTooLarge", message))
        }
        Err(_) => Err(ApiError::bad_request("the request body ended early")),
    }
}

/// Serves a request, and once more while it asks for a revision that has not happened but may be about to.
async fn serve_in_time(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let deadline = Instant::now() + REVISION_PATIENCE;
    loop {
        match serve_asking(call).await {
            Err(error) if error.is_too_large_resource_version() && Instant::now() < deadline => {
                tokio::time::sleep(REVISION_TICK).await;
            }
            answer => return answer,
        }
    }
}

/// Serves a request, and again as often as webhooks have to be asked first.
async fn serve_asking(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let until = Instant::now() + REQUEST_PATIENCE;
    let memory = || lock(&call.memory.replay);
    for _ in 0..MAX_ROUNDS {
        let (answer, reviews, failure) = {
            let mut conversions = lock(&call.memory.conversions);
            let answer = convert::run(&mut conversions, || serve(call));
            (answer, conversions.take_reviews(), conversions.failure())
        };
        let questions = memory().take_wanted();
        if !reviews.is_empty() {
            // What was asked about objects that were not converted yet was no question.
            let done = convert::ask_all(call.cluster, reviews, until).await;
            lock(&call.memory.conversions).remember(done);
            continue;
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        if questions.is_empty() {
            // What was handed out to an object that came to nothing is there for others.
            if let Some(left) = memory().take_prepared() {
                call.cluster.with_state(|state, _| state.allocator.release(&left));
            }
            return answer;
        }
        if Instant::now() >= until {
            return Err(out_of_time());
        }
        let answers = webhooks::call::ask_all(questions, until, || call.cluster.request_id()).await;
        memory().remember(answers);
    }
    Err(outrun())
}

/// Finds out who asks and on whose behalf, and refuses what they may not do.
fn admit(cluster: &Cluster, parts: &Parts, info: &RequestInfo, query: &Query) -> Result<User, ApiError> {
    let asker = match auth::authenticate(cluster, &parts.headers, parts.extensions.get::<Peer>()) {
        Ok(user) => user,
        // Where nothing is decided, load balancers need no credentials.
        Err(error) => {
            let is_open = cluster.options().authorization == Authorization::AlwaysAllow && is_health(&info.path);
            return if is_open { Ok(User::anonymous()) } else { Err(error) };
        }
    };
    let user = auth::impersonate(cluster, asker, &parts.headers)?;
    let access = Access::of_request(info, query.text("fieldSelector"));
    cluster
        .with_state(|state, _| auth::authorize(state, &user, &access))
        .map_err(|reason| auth::forbidden(&user, &access, &reason))?;
    Ok(user)
}

/// Returns the name of this request in an audit log: the one the client chose, or a new one.
fn audit_id(cluster: &Cluster, headers: &HeaderMap) -> HeaderValue {
    match headers.get(AUDIT_ID) {
        Some(chosen) if !chosen.is_empty() && chosen.len() <= 64 => chosen.clone(),
        _ => HeaderValue::from_str(&cluster.request_id()).unwrap_or(HeaderValue::from_static("")),
    }
}

fn is_health(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    matches!(first, "livez" | "readyz" | "healthz") || path.trim_end_matches('/') == "/version"
}

fn serve(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let path = call.info.path.as_str();
    let is_get = call.info.verb == "get";
    if call.info.resource.is_empty() {
        if let Some(answer) = health::health(path, call.query) {
            return Ok(answer);
        }
        if path.trim_end_matches('/') == "/version" {
            return if is_get { Ok(health::version()) } else { Err(ApiError::method_not_allowed()) };
        }
    }
    if !call.info.resource.is_empty() {
        return objects::serve(call);
    }
    let path = path.trim_end_matches('/');
    // What is served as one document whoever asks how; the lists of resources are only to be got.
    let is_shared = path.is_empty()
        || path == "/apis"
        || path.starts_with("/openapi/")
        || path.matches('/').count() == 2 && path.starts_with("/apis/");
    if let Some(answer) = access::discovery(call, path) {
        return Ok(answer);
    }
    match describe(call, path) {
        Some(_) if !is_get && !is_shared => Err(ApiError::method_not_allowed()),
        Some(answer) => Ok(answer),
        None => objects::nothing_at(path),
    }
}

/// Answers discovery and OpenAPI.
fn describe(call: &Call<'_>, path: &str) -> Option<Response<Body>> {
    let catalog: Arc<Catalog> = call.cluster.catalog();
    let aggregated = negotiate::wants_aggregated_discovery(call.header(ACCEPT));
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    Some(match parts[..] {
        [] | [""] => reply::json(200, &paths(&catalog)),
        ["api"] if aggregated => tagged_discovery(call, &discovery::aggregated(&catalog, true)),
        ["apis"] if aggregated => tagged_discovery(call, &discovery::aggregated(&catalog, false)),
        ["api"] => vary(reply::json(200, &discovery::core_versions(call.header(http::header::HOST)))),
        ["apis"] => vary(reply::json(200, &discovery::group_list(&catalog))),
        ["api", version] => reply::json(200, &discovery::resource_list(&catalog, "", version)?),
        ["apis", group] => reply::json(200, &discovery::group(&catalog, group)?),
        ["apis", group, version] => reply::json(200, &discovery::resource_list(&catalog, group, version)?),
        ["openapi", ref rest @ ..] => openapi::serve(call, rest)?,
        ["metrics"] => health::metrics(call.cluster),
        _ => return None,
    })
}

fn paths(catalog: &Catalog) -> Value {
    let mut paths: Vec<String> =
        ["/api", "/api/v1", "/apis", "/apis/", "/openapi/v2", "/openapi/v3", "/openapi/v3/"].map(str::to_owned).into();
    paths.extend(health::paths());
    paths.extend(["/.well-known/openid-configuration", "/openid/v1/jwks"].map(str::to_owned));
    for (group, versions) in catalog.groups.iter().filter(|(group, _)| !group.is_empty()) {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
    }
    paths.sort();
    json!({ "paths": paths })
}

fn vary(mut reply: Response<Body>) -> Response<Body> {
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    reply
}

fn tagged_discovery(call: &Call<'_>, document: &Tagged) -> Response<Body> {
    let mut answer =
        vary(openapi::tagged(call, document, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    answer
}
