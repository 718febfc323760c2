//! The wire between one engine and its API server: everything is seen here, and everything goes wrong here.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bowline_apiserver::{ClusterService, Gvr};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use kube::client::Body;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service as _};

use crate::dice::mix;
use crate::promises::{Seen, item_of};
use crate::script::{Fault, Trouble};
use crate::stage::Shared;

type Answer = UnsyncBoxBody<Bytes, BoxError>;

/// Where the power goes: at which request, and on which side of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Counted from the moment the cut was set, from 0.
    pub request: u64,
    pub moment: Moment,
}

/// When, around one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before it reaches the server.
    Before,
    /// It is carried out, and the reply is lost.
    During,
    /// The reply has arrived.
    After,
}

/// What one wire remembers, whichever engine is at its end.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    /// Requests that are no watches.
    pub(crate) asked: u64,
    pub(crate) cut: Option<Cut>,
    /// Requests since the cut was set.
    since_cut: u64,
}

impl Counts {
    /// Sets where the power goes next.
    pub(crate) fn set_cut(&mut self, cut: Option<Cut>) {
        self.cut = cut;
        self.since_cut = 0;
    }

    pub(crate) fn since_cut(&self) -> u64 {
        self.since_cut
    }
}

/// One engine's end of the wire: dead with the engine.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) cluster: usize,
    /// How many engines there were before this one.
    pub(crate) engine: usize,
    pub(crate) server: bowline_apiserver::Cluster,
    pub(crate) service: ClusterService,
    pub(crate) shared: Arc<Shared>,
    pub(crate) counts: Arc<Mutex<Counts>>,
    /// Ends the engine at this end.
    pub(crate) life: CancellationToken,
    /// Ends the watches that are open.
    pub(crate) watches: Arc<Mutex<CancellationToken>>,
}

impl tower::Service<Request<Body>> for Wire {
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let wire = self.clone();
        Box::pin(async move {
            let life = wire.life.clone();
            tokio::select! {
                biased;
                () = life.cancelled() => Err("the process is dead".into()),
                answer = wire.carry(request) => answer,
            }
        })
    }
}

fn broken(why: &'static str) -> Result<Response<Answer>, BoxError> {
    Err(why.into())
}

impl Wire {
    async fn carry(mut self, request: Request<Body>) -> Result<Response<Answer>, BoxError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let is_watch = parts.uri.query().unwrap_or_default().contains("watch=1");
        let (number, cut) = self.count(is_watch);
        let is_write = parts.method != http::Method::GET;
        let fault = self.shared.fault(self.cluster, number, is_watch, is_write);
        let moment = cut.or(match fault {
            Some(Fault::PowerBefore) => Some(Moment::Before),
            Some(Fault::PowerDuring) => Some(Moment::During),
            Some(Fault::PowerAfter) => Some(Moment::After),
            _ => None,
        });
        if moment == Some(Moment::Before) {
            self.shared.trace.line(&format!("c{} e{} the power goes before #{number}", self.cluster, self.engine));
            self.life.cancel();
            return broken("the power is gone");
        }
        let name = self.name(number, &parts, &body);
        if let Some(fault) = fault {
            self.shared.trace.line(&format!("{name} meets {fault:?}"));
        }
        let chance = mix(self.shared.seed ^ number.wrapping_mul(0x9e37_79b9));
        match fault {
            Some(Fault::Drop | Fault::Away) => return broken("the wire is cut before the server"),
            Some(Fault::SlowRequest) => tokio::time::sleep(Duration::from_millis(chance % 20_000)).await,
            Some(Fault::Conflict) if is_write => return refused(409, "Conflict", None),
            Some(Fault::TooMany) => return refused(429, "TooManyRequests", Some(chance % 5 + 1)),
            Some(Fault::Internal) => return refused(500, "InternalError", None),
            Some(Fault::Unavailable) => return refused(503, "ServiceUnavailable", None),
            Some(Fault::Gone) if is_watch => return refused(410, "Expired", None),
            _ => {}
        }
        if is_watch {
            let answer = self.service.call(Request::from_parts(parts, Full::new(body))).await?;
            self.shared.trace.line(&format!("{name} -> {}", answer.status().as_u16()));
            if moment.is_some() {
                self.life.cancel();
            }
            return Ok(self.watch(answer, fault, chance));
        }
        if fault == Some(Fault::Twice) {
            let again = Request::from_parts(parts.clone(), Full::new(body.clone()));
            let uid_before = self.uid_before(&parts);
            let (status, answer) = self.ask(again).await?;
            self.judge(&parts, &body, status, &answer, uid_before);
        }
        let uid_before = self.uid_before(&parts);
        let method_and_path = (parts.method.clone(), parts.uri.clone());
        let headers = parts.headers.clone();
        let (status, answer) = self.ask(Request::from_parts(parts, Full::new(body.clone()))).await?;
        let (method, uri) = method_and_path;
        let mut again = Request::builder().method(method).uri(uri).body(())?;
        *again.headers_mut() = headers;
        let (parts, ()) = again.into_parts();
        self.judge(&parts, &body, status, &answer, uid_before);
        self.shared.trace.line(&format!("{name} -> {status}"));
        match (moment, fault) {
            (Some(Moment::During), _) => {
                self.shared.trace.line(&format!("c{} e{} the power goes in #{number}", self.cluster, self.engine));
                self.life.cancel();
                return broken("the power is gone");
            }
            (_, Some(Fault::Lose)) => return broken("the wire is cut after the server"),
            (_, Some(Fault::TimedOut)) => return refused(504, "Timeout", None),
            (_, Some(Fault::SlowReply)) => tokio::time::sleep(Duration::from_millis(chance % 20_000)).await,
            _ => {}
        }
        if moment == Some(Moment::After) {
            self.shared.trace.line(&format!("c{} e{} the power goes after #{number}", self.cluster, self.engine));
            // The engine takes its reply, and what it makes of that is its last thought.
            let life = self.life.clone();
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                life.cancel();
            });
        }
        let body = Full::new(answer).map_err(|never| match never {}).boxed_unsync();
        Ok(Response::builder().status(status).header(http::header::CONTENT_TYPE, "application/json").body(body)?)
    }

    fn count(&self, is_watch: bool) -> (u64, Option<Moment>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let number = counts.requests;
        counts.requests += 1;
        if !is_watch {
            counts.asked += 1;
        }
        let since = counts.since_cut;
        counts.since_cut += 1;
        let moment = counts.cut.filter(|cut| cut.request == since).map(|cut| cut.moment);
        if moment.is_some() {
            counts.cut = None;
        }
        (number, moment)
    }

    /// Names a request in the trace: what it is, and what it carries.
    fn name(&self, number: u64, parts: &http::request::Parts, body: &[u8]) -> String {
        let Self { cluster, engine, .. } = self;
        let digest = match body {
            [] => String::new(),
            body => {
                let digest = Sha256::digest(body);
                format!(" {:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
            }
        };
        format!("c{cluster} e{engine} #{number} {} {}{digest}", parts.method, parts.uri)
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<(u16, Bytes), BoxError> {
        let answer = self.service.call(request).await?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// Returns the UID of the item that a deletion names.
    fn uid_before(&self, parts: &http::request::Parts) -> Option<String> {
        if parts.method != http::Method::DELETE {
            return None;
        }
        let (key, _) = item_of(parts.uri.path())?;
        let gvr = Gvr::new(key.kind.group(), "v1", key.kind.plural());
        let live = self.server.admin().get(&gvr, crate::model::TARGET, &key.name).ok()??;
        Some(live["metadata"]["uid"].as_str()?.to_owned())
    }

    fn judge(&self, parts: &http::request::Parts, body: &[u8], status: u16, answer: &[u8], uid_before: Option<String>) {
        self.shared.judge(&Seen {
            cluster: self.cluster,
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            body,
            is_success: (200..300).contains(&status),
            answer,
            uid_before,
        });
    }

    fn watch<B>(&self, answer: Response<B>, fault: Option<Fault>, chance: u64) -> Response<Answer>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = answer.into_parts();
        let cut = self.watches.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let life = self.life.clone();
        let end = async move {
            tokio::select! {
                biased;
                () = life.cancelled() => {}
                () = cut.cancelled() => {}
            }
        };
        let frames = http_body_util::BodyStream::new(body).map(|frame| frame.map_err(Into::into));
        let take = match fault {
            Some(Fault::CutWatch) => (chance % 6) as usize,
            Some(Fault::SilentWatch) => 0,
            _ => usize::MAX,
        };
        let is_silent = fault == Some(Fault::SilentWatch);
        let late = (fault == Some(Fault::StaleWatch)).then(|| Duration::from_millis(chance % 30_000));
        let copies = if fault == Some(Fault::EchoWatch) { 2 } else { 1 };
        let frames = frames
            .take(take)
            .then(move |frame| async move {
                if let Some(late) = late {
                    tokio::time::sleep(late).await;
                }
                frame
            })
            .flat_map(move |frame: Result<http_body::Frame<Bytes>, BoxError>| {
                let again: Vec<_> = match &frame {
                    Ok(frame) => (1..copies)
                        .filter_map(|_| frame.data_ref().cloned())
                        .map(|data| Ok(http_body::Frame::data(data)))
                        .collect(),
                    Err(_) => Vec::new(),
                };
                futures::stream::iter(std::iter::once(frame).chain(again))
            });
        // A silent watch stays open.
        let rest = futures::stream::pending().take(usize::from(is_silent));
        let frames = frames.chain(rest).take_until(Box::pin(end));
        Response::from_parts(parts, StreamBody::new(frames).boxed_unsync())
    }
}

fn refused(code: u16, reason: &str, after: Option<u64>) -> Result<Response<Answer>, BoxError> {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "reason": reason, "message": format!("{reason}, by the wire"), "code": code,
    });
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::builder().status(code).header(http::header::CONTENT_TYPE, "application/json");
    if let Some(after) = after {
        answer = answer.header(http::header::RETRY_AFTER, after.to_string());
    }
    Ok(answer.body(body)?)
}

impl Trouble {
    /// Tells whether it befalls a request at this time.
    pub(crate) fn befalls(&self, at: Duration, chance: u64) -> bool {
        at >= self.from && at < self.from + self.lasts && chance % 100 < self.percent
    }
}
