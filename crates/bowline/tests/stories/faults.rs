//! Faults between Bowline and a cluster, whichever cluster it is.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, BodyStream, StreamBody};
use kube::client::Body;
use tokio_util::sync::CancellationToken;

/// What is done to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: it goes through.
    None,
    /// It never reaches the server.
    DropBefore,
    /// The server carries it out, and the answer is lost.
    DropAfter,
    /// It is on its way for this long.
    Delay(Duration),
    /// It is answered with this status instead of being carried out.
    Status(u16, &'static str),
}

/// A request, as far as faults look at it.
pub(crate) struct Seen<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) is_watch: bool,
}

impl Seen<'_> {
    pub(crate) fn is_write(&self) -> bool {
        *self.method != Method::GET && *self.method != Method::HEAD
    }
}

type Rule = Arc<dyn Fn(&Seen<'_>) -> Fault + Send + Sync>;

#[derive(Default)]
struct State {
    rule: Option<Rule>,
    /// Method and path of every request that is no watch.
    log: Vec<(Method, String)>,
    /// Ends the watches that are open.
    watches: CancellationToken,
}

/// The place between Bowline and the cluster.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<State>>);

impl Wire {
    /// Puts a rule in place of the one before.
    pub(crate) fn set(&self, rule: impl Fn(&Seen<'_>) -> Fault + Send + Sync + 'static) {
        self.0.lock().expect("not poisoned").rule = Some(Arc::new(rule));
    }

    pub(crate) fn clear(&self) {
        self.0.lock().expect("not poisoned").rule = None;
    }

    /// Ends the watches that are open, as a restart of something in between would.
    pub(crate) fn cut_watches(&self) {
        std::mem::take(&mut self.0.lock().expect("not poisoned").watches).cancel();
    }

    fn watches(&self) -> CancellationToken {
        self.0.lock().expect("not poisoned").watches.clone()
    }

    /// Returns the requests since the last call, watches left out.
    pub(crate) fn take_log(&self) -> Vec<(Method, String)> {
        std::mem::take(&mut self.0.lock().expect("not poisoned").log)
    }

    fn decide(&self, method: &Method, path: &str, query: &str) -> Fault {
        let mut state = self.0.lock().expect("not poisoned");
        let is_watch = is_watch(query);
        if !is_watch {
            state.log.push((method.clone(), path.to_owned()));
        }
        let seen = Seen { method, path, is_watch };
        state.rule.clone().map_or(Fault::None, |rule| rule(&seen))
    }
}

fn is_watch(query: &str) -> bool {
    query.contains("watch=")
}

/// A client of the cluster with the wire in between.
#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) client: kube::Client,
    pub(crate) wire: Wire,
}

type Answer = UnsyncBoxBody<Bytes, tower::BoxError>;

impl tower::Service<Request<Body>> for Faulty {
    type Response = Response<Answer>;
    type Error = tower::BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { client, wire } = self.clone();
        Box::pin(async move {
            let fault = wire.decide(request.method(), request.uri().path(), request.uri().query().unwrap_or_default());
            match fault {
                Fault::None if is_watch(request.uri().query().unwrap_or_default()) => {
                    let cut = wire.watches();
                    let (parts, body) = client.send(request).await?.into_parts();
                    let frames = BodyStream::new(body).take_until(cut.cancelled_owned());
                    Ok(Response::from_parts(parts, StreamBody::new(frames).map_err(Into::into).boxed_unsync()))
                }
                Fault::None => Ok(client.send(request).await?.map(|body| body.map_err(Into::into).boxed_unsync())),
                Fault::Delay(delay) => {
                    tokio::time::sleep(delay).await;
                    Ok(client.send(request).await?.map(|body| body.map_err(Into::into).boxed_unsync()))
                }
                Fault::DropBefore => Err("the wire is cut before the server".into()),
                Fault::DropAfter => {
                    let answer = client.send(request).await?;
                    let _ = answer.into_body().collect().await;
                    Err("the wire is cut after the server".into())
                }
                Fault::Status(code, reason) => {
                    let body = serde_json::json!({
                        "kind": "Status", "apiVersion": "v1", "status": "Failure",
                        "reason": reason, "message": format!("{reason}, by the wire"), "code": code,
                    });
                    let body = Bytes::from(body.to_string());
                    let body = http_body_util::Full::new(body).map_err(|never| match never {}).boxed_unsync();
                    Ok(Response::builder().status(code).body(body)?)
                }
            }
        })
    }
}
