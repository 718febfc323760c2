//! Artifacts of OCI registries.

use std::time::Duration;

use bowline_engine::{LowerError, Lowered, World};
use bowline_model::{Credentials, Object, OciRef, Remote, SourceSpec, Wanted};

use super::credentials::{registry_credentials, with_certificates};
use super::source::is_suspended;
use super::{duration, optional_duration, refuse_unsupported, spec_of, unsupported};
use crate::api::{OciRepositoryRef, OciRepositorySpec};

/// The longest fetch where `spec.timeout` is left out: the definition's own default.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// The tag where `spec.ref` is left out.
const DEFAULT_TAG: &str = "latest";

/// Fields of an OCIRepository that would change which files there are, or how to get them.
const UNSUPPORTED: &[&str] = &["ignore", "proxySecretRef", "serviceAccountName", "verify"];

/// The layers that are taken anyhow: files as Flux packs them, and charts.
const KNOWN_LAYERS: &[&str] = &[
    "application/vnd.cncf.flux.content.v1.tar+gzip",
    "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+gzip",
];

/// Lowers an OCIRepository for itself.
pub(crate) fn lower_oci_repository(resource: &Object, world: &dyn World) -> Result<Lowered, LowerError> {
    if is_suspended(resource) {
        return Ok(Lowered::Suspended);
    }
    Ok(Lowered::Source(Box::new(oci_source_spec(resource, world)?)))
}

/// Reads where an OCIRepository's files come from, whether it is suspended or not.
pub(super) fn oci_source_spec(resource: &Object, world: &dyn World) -> Result<SourceSpec, LowerError> {
    let spec: OciRepositorySpec = spec_of(resource)?;
    refuse_unsupported(resource, UNSUPPORTED)?;
    if let Some(provider) = spec.provider.as_deref().filter(|provider| !matches!(*provider, "" | "generic")) {
        return Err(unsupported(&[format!("`spec.provider: {provider}`")]));
    }
    // Whether the archive is kept or taken apart is one where nobody but Bowline reads it.
    let layer = spec.layer_selector.as_ref().and_then(|selector| selector.media_type.as_deref());
    if let Some(layer) = layer.filter(|layer| !layer.is_empty() && !KNOWN_LAYERS.contains(layer)) {
        return Err(unsupported(&[format!("`spec.layerSelector.mediaType: {layer}`")]));
    }
    let namespace = resource.namespace();
    let mut credentials = match &spec.secret_ref {
        Some(secret) => registry_credentials(&spec.url, namespace, &secret.name, world)?,
        None => Credentials::default(),
    };
    if let Some(secret) = &spec.cert_secret_ref {
        credentials = with_certificates(credentials, namespace, &secret.name, world)?;
    }
    credentials.plain_http = spec.insecure == Some(true);
    Ok(SourceSpec {
        remote: Remote { url: spec.url, credentials },
        wanted: Wanted::Oci(oci_ref(spec.reference.unwrap_or_default())),
        interval: duration("interval", &spec.interval)?,
        timeout: optional_duration("timeout", spec.timeout.as_deref())?.unwrap_or(DEFAULT_TIMEOUT),
        pinned: None,
    })
}

/// Picks the field that counts: digest, semver, tag, in this order.
fn oci_ref(reference: OciRepositoryRef) -> OciRef {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    if let Some(digest) = given(reference.digest) {
        OciRef::Digest(digest)
    } else if let Some(range) = given(reference.semver) {
        OciRef::Semver { range, filter: given(reference.semver_filter) }
    } else {
        OciRef::Tag(given(reference.tag).unwrap_or_else(|| DEFAULT_TAG.to_owned()))
    }
}
