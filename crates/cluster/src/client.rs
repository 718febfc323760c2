use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use serde_json::Value;
use std::sync::Mutex;
use tower::ServiceBuilder;

use crate::discovery::DiscoveryCache;
use crate::gate::Gate;
use crate::schemas::SchemaCache;
use crate::watch::WatchCache;
use crate::{ApiError, Change};

/// How long requests may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// A read or a write of one object.
    pub request: Duration,
    /// One page of a list, or a document of the OpenAPI schema.
    pub list: Duration,
    /// How long a watch may stay silent before it is taken for dead and begun again. The server sends a
    /// bookmark about each minute, so three minutes of silence mean that nothing is on the other side.
    pub silence: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { request: Duration::from_secs(30), list: Duration::from_mins(1), silence: Duration::from_mins(3) }
    }
}

/// A Kubernetes cluster: the one way to read it and the one way to write it. Cheap to clone.
#[derive(Clone)]
pub struct Cluster(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    /// For requests that end.
    requests: kube::Client,
    /// For watches: a connection of their own, so that they use up no streams of the other.
    watches: kube::Client,
    pub(crate) timeouts: Timeouts,
    pub(crate) gate: Gate,
    pub(crate) discovery: DiscoveryCache,
    pub(crate) schemas: SchemaCache,
    pub(crate) cache: WatchCache,
    /// Where jitter comes from: seeded, so that a simulated run can be repeated.
    pub(crate) random: Mutex<SmallRng>,
}

/// Connects by the usual rules: `$KUBECONFIG`, `~/.kube/config`, or the pod's own service account.
pub async fn connect(seed: u64) -> Result<Cluster, ApiError> {
    let config = kube::Config::infer().await.map_err(|error| ApiError::Unreachable(error.to_string()))?;
    from_config(config, seed)
}

/// Connects by the given kubeconfig text, to its current context.
pub async fn connect_kubeconfig(kubeconfig: &str, context: Option<&str>, seed: u64) -> Result<Cluster, ApiError> {
    let unusable = |error: &dyn std::fmt::Display| ApiError::Unreachable(format!("kubeconfig: {error}"));
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(|error| unusable(&error))?;
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unusable(&error))?;
    from_config(config, seed)
}

/// Connects to an API server in this process, or to anything else that answers HTTP requests: no socket is
/// needed, and faults may be put in between.
pub fn connect_service<S, B>(service: S, timeouts: Timeouts, seed: u64) -> Cluster
where
    S: tower::Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<tower::BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tower::BoxError>,
{
    let client = || kube::Client::new(service.clone(), "default");
    Cluster::new(client(), client(), timeouts, seed)
}

fn from_config(mut config: kube::Config, seed: u64) -> Result<Cluster, ApiError> {
    // Deadlines are ours, per request; kube's would cut watches short.
    config.read_timeout = None;
    config.write_timeout = None;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let unusable = |error: kube::Error| ApiError::Unreachable(error.to_string());
    if config.proxy_url.is_some() {
        // A proxy speaks HTTP/1; kube's own stack knows how.
        let client = || kube::Client::try_from(config.clone()).map_err(unusable);
        return Ok(Cluster::new(client()?, client()?, Timeouts::default(), seed));
    }
    Ok(Cluster::new(http2(&config).map_err(unusable)?, http2(&config).map_err(unusable)?, Timeouts::default(), seed))
}

/// A client that speaks HTTP/2 where the server does: one connection for all requests.
fn http2(config: &kube::Config) -> Result<kube::Client, kube::Error> {
    let mut tcp = hyper_util::client::legacy::connect::HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(Duration::from_secs(10)));
    let mut tls =
        hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = rustls::pki_types::ServerName::try_from(name.clone())
            .map_err(|error| kube::Error::Service(Box::new(error)))?;
        tls = tls.with_server_name_resolver(hyper_rustls::FixedServerNameResolver::new(name));
    }
    let connector = tls.enable_http1().enable_http2().wrap_connector(tcp);
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_adaptive_window(true)
        .timer(hyper_util::rt::TokioTimer::new())
        .pool_timer(hyper_util::rt::TokioTimer::new())
        .http2_keep_alive_interval(Duration::from_secs(30))
        .http2_keep_alive_while_idle(true)
        .build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .service(client);
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).build())
}

impl Cluster {
    /// Makes a cluster of two clients, one of them for watches; they may be the same.
    pub fn new(requests: kube::Client, watches: kube::Client, timeouts: Timeouts, seed: u64) -> Self {
        Self(Arc::new(Inner {
            requests,
            watches,
            timeouts,
            gate: Gate::new(),
            discovery: DiscoveryCache::default(),
            schemas: SchemaCache::default(),
            cache: WatchCache::new(),
            random: Mutex::new(SmallRng::seed_from_u64(seed)),
        }))
    }

    /// Returns the stream of changes of everything watched. There is one; the second call gets `None`.
    pub fn changes(&self) -> Option<tokio::sync::mpsc::Receiver<Change>> {
        self.0.cache.take_changes()
    }

    /// Sends one request and reads the whole answer; anything but success is an error.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&'static str>,
        accept: &'static str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<(http::response::Parts, Bytes), ApiError> {
        let what = || format!("{method} {}", path.split('?').next().unwrap_or(path));
        let mut request = Request::builder().method(method.clone()).uri(path).header(header::ACCEPT, accept);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let request = request
            .header(header::USER_AGENT, USER_AGENT)
            .body(Body::from(body))
            .map_err(|error| ApiError::Unreadable { what: what(), why: error.to_string() })?;
        let exchange = async {
            let response = self.0.requests.send(request).await.map_err(|error| unreachable_error(&error))?;
            read(response).await
        };
        let (parts, body) = tokio::time::timeout(timeout, exchange)
            .await
            .map_err(|_| ApiError::Unreachable(format!("{} took longer than {timeout:?}", what())))??;
        if parts.status.is_success() || parts.status == StatusCode::NOT_MODIFIED {
            Ok((parts, body))
        } else {
            Err(ApiError::from_response(parts.status.as_u16(), retry_after(&parts.headers), &body))
        }
    }

    /// Gets a JSON document.
    pub(crate) async fn get_json(&self, path: &str, timeout: Duration) -> Result<Value, ApiError> {
        let (_, body) = self.send(Method::GET, path, None, "application/json", Vec::new(), timeout).await?;
        serde_json::from_slice(&body)
            .map_err(|error| ApiError::Unreadable { what: format!("GET {path}"), why: error.to_string() })
    }

    /// Starts a watch: returns the answer's body once the server has accepted it.
    pub(crate) async fn open_watch(&self, path: &str, accept: &'static str) -> Result<Body, ApiError> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(path)
            .header(header::ACCEPT, accept)
            .header(header::USER_AGENT, USER_AGENT)
            .body(Body::empty())
            .map_err(|error| ApiError::Unreadable { what: format!("GET {path}"), why: error.to_string() })?;
        let opened = tokio::time::timeout(self.0.timeouts.request, self.0.watches.send(request));
        let response = opened
            .await
            .map_err(|_| ApiError::Unreachable(format!("a watch was not accepted in {:?}", self.0.timeouts.request)))?
            .map_err(|error| unreachable_error(&error))?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let (parts, body) = read(response).await?;
        Err(ApiError::from_response(parts.status.as_u16(), retry_after(&parts.headers), &body))
    }

    /// Spreads a wait over half to one and a half of its length, so that many do not come back at once.
    pub(crate) fn jitter(&self, wait: Duration) -> Duration {
        use rand::RngExt as _;
        let mut random = self.0.random.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        wait.mul_f64(random.random_range(0.5..1.5))
    }
}

/// Every request says who asks: it is the field manager of last resort.
const USER_AGENT: &str = concat!("bowline/", env!("CARGO_PKG_VERSION"));

async fn read(response: Response<Body>) -> Result<(http::response::Parts, Bytes), ApiError> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| ApiError::Unreachable(error.to_string()))?.to_bytes();
    Ok((parts, body))
}

fn retry_after(headers: &http::HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

/// The first cause says what happened; the wrappers around it only that something did.
fn unreachable_error(error: &kube::Error) -> ApiError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    ApiError::Unreachable(text)
}
