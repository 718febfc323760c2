use std::time::Duration;

use bowline_engine::{LowerError, Lowered, World};
use bowline_model::{Credentials, GitRef, Object, Remote, SourceSpec, Wanted};

use super::credentials::credentials;
use super::{duration, optional_duration, refuse_unsupported, spec_of, unsupported};
use crate::api::{GitRepositoryRef, GitRepositorySpec};

/// The longest fetch where `spec.timeout` is left out: the definition's own default.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// The branch where `spec.ref` is left out.
const DEFAULT_BRANCH: &str = "master";

/// Fields of a GitRepository that would change which files there are, or how to get them.
const UNSUPPORTED: &[&str] =
    &["ignore", "include", "proxySecretRef", "recurseSubmodules", "serviceAccountName", "sparseCheckout", "verify"];

/// Lowers a GitRepository for itself.
pub(crate) fn lower_git_repository(resource: &Object, world: &dyn World) -> Result<Lowered, LowerError> {
    if is_suspended(resource) {
        return Ok(Lowered::Suspended);
    }
    Ok(Lowered::Source(Box::new(source_spec(resource, world)?)))
}

/// Tells whether a resource is told to pause.
pub(super) fn is_suspended(resource: &Object) -> bool {
    resource.at("/spec/suspend").and_then(serde_json::Value::as_bool).unwrap_or(false)
}

/// Reads where a GitRepository's files come from, whether it is suspended or not.
pub(super) fn source_spec(resource: &Object, world: &dyn World) -> Result<SourceSpec, LowerError> {
    let spec: GitRepositorySpec = spec_of(resource)?;
    refuse_unsupported(resource, UNSUPPORTED)?;
    if let Some(provider) = spec.provider.as_deref().filter(|provider| !matches!(*provider, "" | "generic")) {
        return Err(unsupported(&[format!("`spec.provider: {provider}`")]));
    }
    let interval = duration("interval", &spec.interval)?;
    let timeout = optional_duration("timeout", spec.timeout.as_deref())?.unwrap_or(DEFAULT_TIMEOUT);
    let credentials = match &spec.secret_ref {
        Some(secret) => credentials(&spec.url, resource.namespace(), &secret.name, world)?,
        None => Credentials::default(),
    };
    Ok(SourceSpec {
        remote: Remote { url: spec.url, credentials },
        wanted: Wanted::Git(git_ref(spec.reference.unwrap_or_default())),
        interval,
        timeout,
        pinned: None,
    })
}

/// Picks the field that counts: commit, name, semver, tag, branch, in this order.
fn git_ref(reference: GitRepositoryRef) -> GitRef {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    if let Some(commit) = given(reference.commit) {
        GitRef::Commit(commit)
    } else if let Some(name) = given(reference.name) {
        GitRef::Name(name)
    } else if let Some(range) = given(reference.semver) {
        GitRef::Semver(range)
    } else if let Some(tag) = given(reference.tag) {
        GitRef::Tag(tag)
    } else {
        GitRef::Branch(given(reference.branch).unwrap_or_else(|| DEFAULT_BRANCH.to_owned()))
    }
}
