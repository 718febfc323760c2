//! Every write to a cluster.

use std::fmt;
use std::time::Duration;

use bowline_model::{Gvk, Object, Propagation};
use http::Method;
use serde_json::{Value, json};

use crate::discovery::escape;
use crate::{ApiError, ApiResource, Cluster};

/// How one object is applied.
#[derive(Debug, Clone, Copy)]
pub struct ApplyOptions<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// Asks the server to check, not to store.
    pub dry_run: bool,
}

/// What came of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The server took it: the object is gone, or on its way out.
    Yes,
    /// There was nothing to delete.
    WasGone,
    /// There is an object of that name, but not the one that was meant.
    WasAnother,
}

/// An Event to write.
#[derive(Debug, Clone)]
pub struct EventRecord<'a> {
    /// The object it is about.
    pub about: &'a Object,
    /// `Normal` or `Warning`.
    pub is_warning: bool,
    /// One word.
    pub reason: &'a str,
    /// One sentence; cut at 1,024 bytes, the server's limit.
    pub message: &'a str,
    /// Annotations of the Event.
    pub annotations: &'a [(String, String)],
    /// The component that tells.
    pub component: &'a str,
    /// When it happened.
    pub at: jiff::Timestamp,
    /// Tells this Event's name from others'.
    pub suffix: String,
}

/// What the server answered to a write. Most who write have no need to read it: the cache knows it already.
#[derive(Clone)]
pub struct Answer {
    body: bytes::Bytes,
    path: String,
}

impl Answer {
    /// Reads the object as the server keeps it now.
    pub fn object(&self) -> Result<Object, ApiError> {
        read_object(&self.body, &self.path)
    }
}

impl fmt::Debug for Answer {
    /// Writes the path only: the object may be a Secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({})", self.path)
    }
}

/// How often a write is tried again while the server says that it has too much to do.
const BUSY_RETRIES: u32 = 5;

impl Cluster {
    /// Writes one object by server-side apply, taking over fields that others hold.
    ///
    /// Returns the object as the server keeps it. The cache knows it from then on.
    pub async fn apply(
        &self,
        resource: &ApiResource,
        object: &Object,
        options: ApplyOptions<'_>,
    ) -> Result<Object, ApiError> {
        let path = format!(
            "{}?fieldManager={}&force=true{}",
            resource.path(object.namespace(), Some(object.name())),
            escape(options.manager),
            dry_run(options.dry_run),
        );
        let body = json_bytes(object.value());
        let answer = self.write(Method::PATCH, &path, "application/apply-patch+yaml", body).await?;
        self.take_answer(&resource.gvk, &path, &answer, options.dry_run)
    }

    /// Creates one object; fails when there is one of that name. `generateName` is honoured.
    pub async fn create(
        &self,
        resource: &ApiResource,
        object: &Object,
        options: ApplyOptions<'_>,
    ) -> Result<Object, ApiError> {
        let path = format!(
            "{}?fieldManager={}{}",
            resource.path(object.namespace(), None),
            escape(options.manager),
            dry_run(options.dry_run),
        );
        let answer = self.write(Method::POST, &path, "application/json", json_bytes(object.value())).await?;
        self.take_answer(&resource.gvk, &path, &answer, options.dry_run)
    }

    /// Deletes one object, and only the one with this UID.
    pub async fn delete(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
        uid: &str,
        propagation: Propagation,
        is_dry_run: bool,
    ) -> Result<Deleted, ApiError> {
        let path = resource.path(namespace, Some(name));
        let mut options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "propagationPolicy": propagation.as_str(),
            "preconditions": {"uid": uid},
        });
        if bowline_model::is_planted(bowline_model::Planted::DeletesWhateverUid) {
            options["preconditions"] = json!(null);
        }
        if is_dry_run {
            options["dryRun"] = json!(["All"]);
        }
        match self.write(Method::DELETE, &path, "application/json", json_bytes(&options)).await {
            Ok(_) => Ok(Deleted::Yes),
            Err(error) if error.is_not_found() => Ok(Deleted::WasGone),
            Err(error) if error.is_conflict() => Ok(Deleted::WasAnother),
            Err(error) => Err(error),
        }
    }

    /// Changes one object by a JSON merge patch; `subresource` as `status`, or empty.
    ///
    /// A `metadata.resourceVersion` in the patch makes it fail with a conflict when the object changed.
    pub async fn merge_patch(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
        subresource: &str,
        manager: &str,
        patch: &Value,
    ) -> Result<Answer, ApiError> {
        let object = resource.path(namespace, Some(name));
        let slash = if subresource.is_empty() { "" } else { "/" };
        let path = format!("{object}{slash}{subresource}?fieldManager={}", escape(manager));
        let body = self.write(Method::PATCH, &path, "application/merge-patch+json", json_bytes(patch)).await?;
        self.learn(&resource.gvk, &body);
        Ok(Answer { body, path })
    }

    /// Reads one object from the server itself, past the cache.
    pub async fn read(&self, resource: &ApiResource, namespace: &str, name: &str) -> Result<Option<Object>, ApiError> {
        let path = resource.path(namespace, Some(name));
        match self.get_json(&path, self.0.timeouts.request).await {
            Ok(value) => object(value, &path).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Records an Event.
    pub async fn record(&self, event: EventRecord<'_>) -> Result<(), ApiError> {
        let about = event.about;
        let namespace = if about.namespace().is_empty() { "default" } else { about.namespace() };
        let time = event.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut message = event.message;
        while message.len() > 1024 {
            let end = (0..=1024).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
            message = &message[..end];
        }
        let annotations: serde_json::Map<String, Value> =
            event.annotations.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
        let body = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": format!("{}.{}", about.name(), event.suffix),
                "namespace": namespace,
                "annotations": annotations,
            },
            "involvedObject": {
                "apiVersion": about.api_version(), "kind": about.kind(), "name": about.name(),
                "namespace": about.namespace(), "uid": about.uid(), "resourceVersion": about.resource_version(),
            },
            "type": if event.is_warning { "Warning" } else { "Normal" },
            "reason": event.reason,
            "message": message,
            "source": {"component": event.component},
            "reportingComponent": event.component,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        });
        let path = format!("/api/v1/namespaces/{namespace}/events");
        self.write(Method::POST, &path, "application/json", json_bytes(&body)).await.map(drop)
    }

    /// Sends a write through the gate, and again while the server is too busy for it.
    async fn write(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<bytes::Bytes, ApiError> {
        let mut attempt = 0;
        loop {
            let answer = {
                let _permit = self.0.gate.enter().await;
                self.send(
                    method.clone(),
                    path,
                    Some(content_type),
                    "application/json",
                    body.clone(),
                    self.0.timeouts.request,
                )
                .await
            };
            match answer {
                Ok((_, body)) => {
                    self.0.gate.widen();
                    return Ok(body);
                }
                Err(ApiError::Refused { code: 429, retry_after_secs, .. }) if attempt < BUSY_RETRIES => {
                    self.0.gate.narrow();
                    attempt += 1;
                    let wait = retry_after_secs.map_or(Duration::from_millis(200 << attempt), Duration::from_secs);
                    tokio::time::sleep(self.jitter(wait)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn take_answer(&self, gvk: &Gvk, path: &str, answer: &[u8], is_dry_run: bool) -> Result<Object, ApiError> {
        if !is_dry_run {
            self.learn(gvk, answer);
        }
        read_object(answer, path)
    }
}

fn read_object(text: &[u8], path: &str) -> Result<Object, ApiError> {
    let value = serde_json::from_slice(text)
        .map_err(|error| ApiError::Unreadable { what: path.to_owned(), why: error.to_string() })?;
    object(value, path)
}

fn object(value: Value, path: &str) -> Result<Object, ApiError> {
    Object::from_value(value).map_err(|error| ApiError::Unreadable { what: path.to_owned(), why: error.to_string() })
}

fn dry_run(is_dry_run: bool) -> &'static str {
    if is_dry_run { "&dryRun=All" } else { "" }
}

fn json_bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("holds because a JSON value can always be written")
}
