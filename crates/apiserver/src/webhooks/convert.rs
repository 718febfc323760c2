//! Conversion of custom resources between their versions by a webhook
//! (k8s: `apiextensions-apiserver/pkg/apiserver/conversion`).
//!
//! Objects are converted deep inside of reads and writes, where nobody can be asked, no more than in admission. So a
//! conversion that is not known is noted, and the object goes on unconverted: whoever runs the request lets nothing come
//! of that run, asks for all that was noted at once, and runs the request again. What a run has noted is kept with the
//! thread, since a run is one call that does not wait; [`run`] and [`settled`] are its two ends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::call::{self, Place};
use super::replay::unanswered;
use super::service;
use crate::cluster::Cluster;
use crate::error::ApiError;
use crate::registry::{meta_text, metadata, validate_embedded_metadata};

/// How long a conversion may take, as upstream.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Who converts the objects of a definition.
#[derive(Debug)]
pub(crate) struct Conversion {
    definition: String,
    client: Value,
    /// The versions of `ConversionReview` it understands.
    versions: Vec<String>,
}

impl Conversion {
    /// Reads it from the spec of a CustomResourceDefinition; `None` where nothing but the version is to change.
    pub(crate) fn of(spec: &Value) -> Option<Arc<Self>> {
        let conversion = &spec["conversion"];
        (conversion["strategy"] == "Webhook").then(|| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            Arc::new(Self {
                definition: format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"])),
                client: conversion["webhook"]["clientConfig"].clone(),
                versions: crate::catalog::texts(&conversion["webhook"]["conversionReviewVersions"]),
            })
        })
    }
}

#[derive(Debug)]
struct Wanted {
    conversion: Arc<Conversion>,
    to: String,
    object: Value,
}

/// The conversions of one request, or of one batch of events.
#[derive(Debug, Default)]
pub(crate) struct Conversions {
    done: BTreeMap<String, Result<Value, String>>,
    wanted: BTreeMap<String, Wanted>,
    failed: Option<String>,
}

thread_local! {
    static RUN: RefCell<Option<Conversions>> = const { RefCell::new(None) };
}

/// Does something with the conversions known so far, and notes those that are not.
pub(crate) fn run<T>(conversions: &mut Conversions, act: impl FnOnce() -> T) -> T {
    conversions.wanted.clear();
    conversions.failed = None;
    let outer = RUN.replace(Some(std::mem::take(conversions)));
    let out = act();
    *conversions = RUN.replace(outer).unwrap_or_default();
    out
}

/// Does what has nothing to do with the request at hand, such as garbage collection: nothing is converted.
pub(crate) fn suspended<T>(act: impl FnOnce() -> T) -> T {
    let outer = RUN.take();
    let out = act();
    RUN.set(outer);
    out
}

/// Refuses to go on with objects that could not be converted.
pub(crate) fn settled() -> Result<(), ApiError> {
    RUN.with_borrow(|run| match run {
        Some(Conversions { wanted, .. }) if !wanted.is_empty() => Err(unanswered()),
        Some(Conversions { failed: Some(why), .. }) => Err(ApiError::unforeseen(why.clone())),
        _ => Ok(()),
    })
}

/// Converts an object, or returns `None` when that is not known yet or cannot be.
pub(crate) fn convert(conversion: &Arc<Conversion>, object: &Value, to: &str) -> Option<Value> {
    // What is nothing but a kind needs no webhook.
    if object.as_object().is_none_or(|map| map.len() <= 2) {
        return None;
    }
    RUN.with_borrow_mut(|run| {
        let run = run.as_mut()?;
        let mut source = object.clone();
        // The revision is no part of what is stored.
        let rv = metadata(&mut source).remove("resourceVersion");
        let key = format!("{}/{to}/{source}", conversion.definition);
        match run.done.get(&key) {
            Some(Ok(converted)) => {
                let mut converted = converted.clone();
                if let Some(rv) = rv {
                    metadata(&mut converted).insert("resourceVersion".to_owned(), rv);
                }
                Some(converted)
            }
            Some(Err(why)) => {
                run.failed.get_or_insert_with(|| why.clone());
                None
            }
            None => {
                let wanted = Wanted { conversion: Arc::clone(conversion), to: to.to_owned(), object: source };
                run.wanted.insert(key, wanted);
                None
            }
        }
    })
}

impl Conversions {
    /// Returns why the last run cannot come to anything.
    pub(crate) fn failure(&self) -> Option<ApiError> {
        self.failed.clone().map(ApiError::unforeseen)
    }

    /// Takes what has to be asked, one review for all objects that go to one version.
    pub(crate) fn take_reviews(&mut self) -> Vec<Review> {
        let mut reviews: BTreeMap<(String, String), Review> = BTreeMap::new();
        for (key, wanted) in std::mem::take(&mut self.wanted) {
            let id = (wanted.conversion.definition.clone(), wanted.to.clone());
            let review = reviews.entry(id).or_insert_with(|| Review {
                conversion: Arc::clone(&wanted.conversion),
                to: wanted.to.clone(),
                keys: Vec::new(),
                objects: Vec::new(),
            });
            review.keys.push(key);
            review.objects.push(wanted.object);
        }
        reviews.into_values().collect()
    }

    pub(crate) fn remember(&mut self, done: Vec<(String, Result<Value, String>)>) {
        self.done.extend(done);
    }
}

/// Objects to convert to one version.
#[derive(Debug)]
pub(crate) struct Review {
    conversion: Arc<Conversion>,
    to: String,
    keys: Vec<String>,
    objects: Vec<Value>,
}

/// Asks for all conversions, none longer than `until`.
pub(crate) async fn ask_all(
    cluster: &Cluster,
    reviews: Vec<Review>,
    until: Instant,
) -> Vec<(String, Result<Value, String>)> {
    let asked = reviews.into_iter().map(|review| async move {
        let place = cluster.with_registry(|registry| service::find(registry, &review.conversion.client));
        let results = ask(&review, &place, &cluster.request_id(), until).await;
        review.keys.into_iter().zip(results).collect::<Vec<_>>()
    });
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}

async fn ask(review: &Review, place: &Place, uid: &str, until: Instant) -> Vec<Result<Value, String>> {
    let first = &review.objects[0];
    let version = first["apiVersion"].as_str().unwrap_or_default();
    let what = format!("conversion webhook for {version}, Kind={}", first["kind"].as_str().unwrap_or_default());
    let converted = match post(review, place, uid, until).await {
        Ok(converted) => converted,
        Err(why) => return vec![Err(format!("{what} failed: {why}")); review.objects.len()],
    };
    let (have, want) = (converted.len(), review.objects.len());
    if have != want {
        return vec![Err(format!("{what} returned {have} objects, expected {want}")); want];
    }
    let pairs = review.objects.iter().zip(converted);
    pairs.map(|(original, converted)| check(original, converted, &review.to, &what)).collect()
}

async fn post(review: &Review, place: &Place, uid: &str, until: Instant) -> Result<Vec<Value>, String> {
    const GROUP: &str = "apiextensions.k8s.io";
    let known = ["v1", "v1beta1"];
    let version = review.conversion.versions.iter().find_map(|asked| known.into_iter().find(|known| asked == known));
    let version = version.ok_or("no supported conversion review versions")?;
    let request = json!({
        "kind": "ConversionReview", "apiVersion": format!("{GROUP}/{version}"),
        "request": { "uid": uid, "desiredAPIVersion": review.to, "objects": review.objects },
        "response": { "uid": "", "convertedObjects": null, "result": { "metadata": {} } },
    });
    let tls = call::tls_config(place)?;
    let limit = until.saturating_duration_since(Instant::now()).min(PATIENCE);
    let answer = call::post(place, tls, &request, limit, PATIENCE).await?;
    let answer = call::read(&answer, (GROUP, version, "ConversionReview"))?;
    if version == "v1" {
        call::check_kind(&answer, "apiextensions.k8s.io/v1", "ConversionReview")?;
    }
    let response = &answer["response"];
    if response.is_null() {
        return Err("no response provided".to_owned());
    }
    let have = response["uid"].as_str().unwrap_or_default();
    if version == "v1" && have != uid {
        return Err(format!("expected response.uid={uid:?}, got {have:?}"));
    }
    let result = &response["result"];
    if result["status"] != "Success" {
        let message = result["message"].as_str().unwrap_or_default();
        let status = result["status"].as_str().unwrap_or_default();
        return Err(if message.is_empty() {
            format!("response.result.status was '{status}', not 'Success'")
        } else {
            message.to_owned()
        });
    }
    Ok(response["convertedObjects"].as_array().cloned().unwrap_or_default())
}

/// Refuses what a conversion may not do, and takes back what it may not change.
fn check(original: &Value, mut converted: Value, to: &str, what: &str) -> Result<Value, String> {
    let text = |object: &Value, key: &str| object[key].as_str().unwrap_or_default().to_owned();
    if text(&converted, "kind").is_empty() {
        return Err(format!("Object 'Kind' is missing in '{converted}'"));
    }
    let version = text(&converted, "apiVersion");
    if version != to {
        return Err(format!(
            "{what} returned invalid object at index 0: invalid groupVersion (expected {to}, received {version})"
        ));
    }
    let (want, have) = (text(original, "kind"), text(&converted, "kind"));
    if want != have {
        return Err(format!(
            "{what} returned invalid object at index 0: invalid kind (expected {want}, received {have})"
        ));
    }
    for (key, name) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let (want, have) = (meta_text(original, key), meta_text(&converted, key));
        if want != have {
            return Err(format!("{what} returned invalid object: must have the same {name}: {want} != {have}"));
        }
    }
    let invalid = |why: String| format!("{what} returned invalid metadata: {why}");
    let Some(given) = converted.get("metadata").cloned() else {
        return Err(invalid("missing metadata in converted object".to_owned()));
    };
    if !given.is_object() {
        let found = bowline_smd::go_type_name(&given);
        return Err(invalid(format!("invalid metadata of type {found} in converted object")));
    }
    converted["metadata"] = original["metadata"].clone();
    for field in ["labels", "annotations"] {
        let meta = metadata(&mut converted);
        match given.get(field).filter(|value| !value.is_null()) {
            None => drop(meta.remove(field)),
            Some(Value::Object(map)) => {
                if let Some((key, value)) = map.iter().find(|(_, value)| !value.is_string()) {
                    let found = bowline_smd::go_type_name(value);
                    return Err(invalid(format!(
                        "metadata.{field}[{key}] must be a string, but is {found} in converted object"
                    )));
                }
                meta.insert(field.to_owned(), Value::Object(map.clone()));
            }
            Some(other) => {
                let found = bowline_smd::go_type_name(other);
                return Err(invalid(format!("invalid metadata.{field} of type {found} in converted object")));
            }
        }
        if converted["metadata"][field] != original["metadata"][field] {
            let wrong: Vec<String> = validate_embedded_metadata(&converted)
                .into_iter()
                .filter(|cause| cause.field == format!("metadata.{field}"))
                // Upstream names the field of one annotation.
                .map(|cause| format!("{}: {}", cause.field.replace("annotations", "annotation"), cause.message))
                .collect();
            match &wrong[..] {
                [] => {}
                [one] => return Err(invalid(one.clone())),
                all => return Err(invalid(format!("[{}]", all.join(", ")))),
            }
        }
    }
    Ok(converted)
}
