//! `GET pods/NAME/log`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::lines::{Line, Run};
use super::{choose_container, status_of, text};
use crate::cluster::Cluster;
use crate::error::{ApiError, Cause};
use crate::http::reply::{self, Body};
use crate::http::service::Call;
use crate::registry::is_terminating;
use crate::resource::Gvr;

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
struct Wanted {
    container: String,
    previous: bool,
    follow: bool,
    timestamps: bool,
    tail_lines: Option<u64>,
    limit_bytes: Option<usize>,
    since: Option<Timestamp>,
}

pub(super) fn serve(call: &Call<'_>) -> Result<Response<Body>, ApiError> {
    let name = call.info.name.as_deref().unwrap_or_default();
    let namespace = call.info.namespace.as_deref().unwrap_or_default();
    let mut wanted = read(call, name)?;
    let pods = call.cluster.admin();
    let pod = find(call.cluster, namespace, name).ok_or_else(|| missing(call, name))?;
    wanted.container = choose_container(&pod, &wanted.container)?;
    if text(&pod, "/spec/nodeName").is_empty() {
        // Nobody can have written anything yet.
        let mut answer = reply::bytes(204, "text/plain", Bytes::new());
        answer.headers_mut().remove(CONTENT_TYPE);
        return Ok(answer);
    }
    let run = run_of(&pod, &wanted.container, wanted.previous)?;
    let now = pods.now();
    let text = print(&choose(run.lines(now), &wanted), &wanted);
    if !wanted.follow || run.ended.is_some() {
        return Ok(reply::bytes(200, "text/plain", Bytes::from(text)));
    }
    let follower = Follower {
        cluster: call.cluster.clone(),
        namespace: namespace.to_owned(),
        uid: text_of(&pod, "/metadata/uid"),
        name: name.to_owned(),
        left: wanted.limit_bytes.map(|limit| limit.saturating_sub(text.len())),
        wanted,
        told: now,
        first: Some(text),
    };
    let frames = stream::unfold(Some(follower), |follower| async move {
        let mut follower = follower?;
        let (bytes, more) = follower.next().await;
        Some((Ok(Frame::data(bytes)), more.then_some(follower)))
    });
    let mut answer = Response::new(StreamBody::new(frames).boxed_unsync());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(answer)
}

fn text_of(object: &Value, pointer: &str) -> String {
    text(object, pointer).to_owned()
}

pub(super) fn missing(call: &Call<'_>, name: &str) -> ApiError {
    let resource = call.cluster.catalog().find(&Gvr::new("", "v1", "pods"));
    resource.map_or_else(ApiError::no_such_resource, |resource| ApiError::not_found(&resource, name))
}

pub(super) fn find(cluster: &Cluster, namespace: &str, name: &str) -> Option<Arc<Value>> {
    cluster.admin().get(&Gvr::new("", "v1", "pods"), namespace, name).ok().flatten()
}

/// Reads the query; all that is wrong with it is told together.
fn read(call: &Call<'_>, name: &str) -> Result<Wanted, ApiError> {
    let query = call.query;
    let mut causes = Vec::new();
    let number = |key: &str| -> Result<Option<i64>, ApiError> {
        match query.text(key) {
            "" => Ok(None),
            given => given
                .parse()
                .map(Some)
                .map_err(|_| ApiError::bad_request(format!("strconv.ParseInt: parsing {given:?}: invalid syntax"))),
        }
    };
    let (tail, limit, secs) = (number("tailLines")?, number("limitBytes")?, number("sinceSeconds")?);
    if let Some(tail) = tail.filter(|tail| *tail < 0) {
        causes.push(Cause::invalid("tailLines", &json!(tail), "must be greater than or equal to 0"));
    }
    if let Some(limit) = limit.filter(|limit| *limit < 1) {
        causes.push(Cause::invalid("limitBytes", &json!(limit), "must be greater than 0"));
    }
    let since = match query.text("sinceTime") {
        "" => None,
        given => {
            let time: Result<Timestamp, _> = given.parse();
            Some(time.map_err(|_| {
                ApiError::bad_request(format!(
                    "parsing time {given:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {given:?} as \"2006\""
                ))
            })?)
        }
    };
    match (secs, since) {
        (Some(_), Some(_)) => {
            let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            causes.push(Cause::forbidden("[]", why));
        }
        (Some(secs), None) if secs < 1 => {
            causes.push(Cause::invalid("sinceSeconds", &json!(secs), "must be greater than 0"));
        }
        _ => {}
    }
    if query.has("stream") && !query.text("stream").is_empty() {
        // Streams apart are a feature that is off by default.
        causes.push(Cause::forbidden("stream", "may not be specified"));
    }
    if !causes.is_empty() {
        return Err(ApiError::invalid("", "PodLogOptions", name, causes));
    }
    let now = call.cluster.clock().now();
    let ago = secs.map(|secs| now.checked_sub(jiff::SignedDuration::from_secs(secs)).unwrap_or(Timestamp::MIN));
    Ok(Wanted {
        container: query.text("container").to_owned(),
        previous: query.flag("previous"),
        follow: query.flag("follow"),
        timestamps: query.flag("timestamps"),
        tail_lines: tail.and_then(|tail| u64::try_from(tail).ok()),
        limit_bytes: limit.and_then(|limit| usize::try_from(limit).ok()),
        since: since.or(ago),
    })
}

/// Returns the run whose log is wanted, or why there is none (k8s: `validateContainerLogStatus` of the kubelet).
pub(super) fn run_of<'a>(pod: &'a Value, container: &'a str, previous: bool) -> Result<Run<'a>, ApiError> {
    let name = text(pod, "/metadata/name");
    let refuse = |why: &str| Err(ApiError::bad_request(format!("container {container:?} in pod {name:?} {why}")));
    let Some(status) = status_of(pod, container) else { return refuse("is not available") };
    let time = |state: &Value, key: &str| state[key].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    let ended = |state: &Value| {
        let at = time(state, "finishedAt").or_else(|| time(state, "startedAt")).unwrap_or_default();
        Run {
            pod,
            container,
            started: time(state, "startedAt").unwrap_or(at),
            ended: Some((at, state["exitCode"].as_i64().unwrap_or(0))),
        }
    };
    let last = &status["lastState"]["terminated"];
    if previous {
        if last.is_object() {
            return Ok(ended(last));
        }
        let why = format!("previous terminated container {container:?} in pod {name:?} not found");
        return Err(ApiError::bad_request(why));
    }
    let state = &status["state"];
    if let Some(running) = state.get("running") {
        let started = time(running, "startedAt").unwrap_or_default();
        return Ok(Run { pod, container, started, ended: None });
    }
    if let Some(terminated) = state.get("terminated") {
        return Ok(ended(terminated));
    }
    if last.is_object() {
        return Ok(ended(last));
    }
    match state["waiting"]["reason"].as_str() {
        Some("ErrImagePull") => refuse("is waiting to start: image can't be pulled"),
        Some("ImagePullBackOff") => refuse("is waiting to start: trying and failing to pull image"),
        Some(reason) => refuse(&format!("is waiting to start: {reason}")),
        None => refuse("is waiting to start - no logs yet"),
    }
}

fn choose(mut lines: Vec<Line>, wanted: &Wanted) -> Vec<Line> {
    lines.retain(|line| wanted.since.is_none_or(|since| line.at >= since));
    let keep = wanted.tail_lines.map_or(lines.len(), |tail| usize::try_from(tail).unwrap_or(usize::MAX));
    lines.split_off(lines.len().saturating_sub(keep))
}

fn print(lines: &[Line], wanted: &Wanted) -> Vec<u8> {
    let mut out = String::new();
    for line in lines {
        if wanted.timestamps {
            let _ = write!(out, "{:.9} ", line.at);
        }
        out.push_str(&line.text);
        out.push('\n');
    }
    let mut out = out.into_bytes();
    out.truncate(wanted.limit_bytes.unwrap_or(usize::MAX));
    out
}

/// A client that reads on as lines come.
struct Follower {
    cluster: Cluster,
    namespace: String,
    name: String,
    uid: String,
    wanted: Wanted,
    /// Bytes that may still be sent.
    left: Option<usize>,
    /// Lines up to here were sent.
    told: Timestamp,
    first: Option<Vec<u8>>,
}

impl Follower {
    /// Waits for the next lines; `false` when they are the last.
    async fn next(&mut self) -> (Bytes, bool) {
        if let Some(first) = self.first.take() {
            return (first.into(), self.left != Some(0));
        }
        let mut pods = self.cluster.admin().watch(&Gvr::new("", "v1", "pods")).ok();
        loop {
            if let Some(pods) = &mut pods {
                pods.poll();
            }
            let pod = find(&self.cluster, &self.namespace, &self.name);
            let pod = pod.filter(|pod| text(pod, "/metadata/uid") == self.uid && !is_terminating(pod));
            let Some(pod) = pod else { return (Bytes::new(), false) };
            let Ok(run) = run_of(&pod, &self.wanted.container, false) else { return (Bytes::new(), false) };
            let now = self.cluster.clock().now();
            let fresh: Vec<Line> = run.lines(now).into_iter().filter(|line| line.at > self.told).collect();
            if !fresh.is_empty() || run.ended.is_some() {
                self.told = now;
                let mut out = print(&fresh, &Wanted { limit_bytes: None, ..self.wanted.clone() });
                if let Some(left) = &mut self.left {
                    out.truncate(*left);
                    *left -= out.len();
                }
                return (out.into(), run.ended.is_none() && self.left != Some(0));
            }
            let wait = run.next(now).map(|next| next.as_millisecond() - now.as_millisecond());
            let wait = wait.map(|wait| Duration::from_millis(u64::try_from(wait).unwrap_or(0).max(1)));
            tokio::select! {
                () = self.cluster.stopped().cancelled() => return (Bytes::new(), false),
                () = sleep(wait) => {}
                () = changed(pods.as_mut()) => {}
            }
        }
    }
}

/// Waits for a while, or for good.
pub(super) async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

async fn changed(pods: Option<&mut crate::admin::AdminWatch>) {
    match pods {
        Some(pods) => drop(pods.next().await),
        None => std::future::pending().await,
    }
}
