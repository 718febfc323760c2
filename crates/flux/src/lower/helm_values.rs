//! The values of a HelmRelease, as far as they are in the cluster.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bowline_engine::{LowerError, World};
use bowline_model::{ChartValues, Failure, Object, ObjectKey, Reason, Secret, ValuePlace};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::depends::REQUEUE;
use crate::api::ValuesReference;

/// The key of values where `valuesKey` is left out.
const DEFAULT_KEY: &str = "values.yaml";

/// Reads the values that ConfigMaps and Secrets hold, in their order.
pub(super) fn values_from(
    release: &Object,
    references: &[ValuesReference],
    world: &dyn World,
) -> Result<Vec<ChartValues>, LowerError> {
    let mut values = Vec::with_capacity(references.len());
    for reference in references {
        values.extend(one(release, reference, world)?);
    }
    Ok(values)
}

fn one(release: &Object, reference: &ValuesReference, world: &dyn World) -> Result<Option<ChartValues>, LowerError> {
    let namespace = release.namespace();
    let name = format!("{} '{namespace}/{}'", reference.kind, reference.name);
    let not_there = |message: String| match reference.optional {
        Some(true) => Ok(None),
        _ => {
            let failure = Failure::new(Reason::DependencyNotReady, message).transient();
            Err(LowerError::Waiting(failure, Some(REQUEUE)))
        }
    };
    let Some(holder) = world.get(&ObjectKey::new("", &*reference.kind, namespace, &*reference.name))? else {
        return not_there(format!("could not resolve values: {name} is not there"));
    };
    let key = reference.values_key.as_deref().filter(|key| !key.is_empty()).unwrap_or(DEFAULT_KEY);
    let Some(text) = text(&holder, key).map_err(|why| {
        LowerError::Invalid(Failure::new(Reason::InvalidSpec, format!("key '{key}' of {name} {why}")))
    })?
    else {
        return not_there(format!("could not resolve values: {name} has no key '{key}'"));
    };
    let place = reference
        .target_path
        .as_deref()
        .filter(|path| !path.is_empty())
        .map(|path| ValuePlace { path: path.to_owned(), is_literal: reference.literal == Some(true) });
    Ok(Some(ChartValues {
        from: format!("key '{key}' of {name}"),
        is_secret: reference.kind == "Secret",
        text: Secret::new(text),
        place,
    }))
}

/// Returns the text of a key; `None` where there is no such key.
fn text(holder: &Object, key: &str) -> Result<Option<String>, &'static str> {
    // Keys hold dots: no JSON pointer.
    let field = |map: &str| holder.at(map).and_then(|map| map.get(key)).and_then(Value::as_str).map(str::to_owned);
    let decode = |text: String| {
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| "is not base64")?;
        String::from_utf8(bytes).map_err(|_| "is not UTF-8 text")
    };
    if holder.kind() == "Secret" {
        return field("/data").map(decode).transpose();
    }
    match field("/data") {
        Some(text) => Ok(Some(text)),
        None => field("/binaryData").map(decode).transpose(),
    }
}

/// Names the values that are given beside the chart's own: another name is another configuration.
pub(super) fn digest(from: &[ChartValues], inline: &str) -> String {
    let mut hasher = Sha256::new();
    let mut add = |text: &str| {
        hasher.update(text.len().to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for values in from {
        let (path, is_literal) = values.place.as_ref().map_or(("", false), |place| (&*place.path, place.is_literal));
        add(path);
        add(if is_literal { "literal" } else { "" });
        add(values.text.reveal());
    }
    add(inline);
    format!("sha256:{}", hex::encode(hasher.finalize()))
}
