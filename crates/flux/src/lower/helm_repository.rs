//! Repositories of charts.

use std::time::Duration;

use bowline_engine::{LowerError, Lowered, World};
use bowline_model::{ChartRepository, Credentials, GroupKind, Object, Reason, Remote, SourceSpec, Wanted};

use super::credentials::{registry_credentials, with_certificates};
use super::source::is_suspended;
use super::{duration, invalid, optional_duration, refuse_unsupported, spec_of, unsupported};
use crate::api::{self, HelmRepositorySpec};

/// The longest fetch where `spec.timeout` is left out.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// Fields of a HelmRepository that say who may use it: not to follow them would let everybody.
const UNSUPPORTED: &[&str] = &["accessFrom"];

/// Lowers a HelmRepository for itself: nothing is fetched for it, for charts are asked for one by one.
pub(crate) fn lower_helm_repository(resource: &Object, world: &dyn World) -> Result<Lowered, LowerError> {
    if is_suspended(resource) {
        return Ok(Lowered::Suspended);
    }
    Repository::read(resource, world)?;
    Ok(Lowered::Reference)
}

/// As many repositories of a namespace give their credentials to the dependencies of charts: each is a Secret to read,
/// and lowering reads no more than so many things.
const MOST_WITH_CREDENTIALS: usize = 24;

/// Returns the repositories of a namespace that ask for credentials: what dependencies of its charts come from, by
/// their addresses. What is wrong with one of them is no matter to who may not need it.
pub(super) fn in_namespace(namespace: &str, world: &dyn World) -> Result<Vec<ChartRepository>, LowerError> {
    let kind = GroupKind::new(api::SOURCE_GROUP, api::HELM_REPOSITORY);
    let resources = world.labelled(&kind, namespace, "", "")?;
    let guarded = resources.iter().filter(|resource| {
        ["/spec/secretRef", "/spec/certSecretRef", "/spec/insecure"].iter().any(|field| resource.at(field).is_some())
    });
    let mut found = Vec::new();
    for resource in guarded.take(MOST_WITH_CREDENTIALS) {
        match Repository::read(resource, world) {
            Ok(repository) => {
                found.push(ChartRepository { name: None, remote: repository.remote, is_template: false });
            }
            Err(LowerError::Unread(unread)) => return Err(unread.into()),
            Err(_) => {}
        }
    }
    Ok(found)
}

/// A repository of charts, ready to be asked for one.
pub(super) struct Repository {
    remote: Remote,
    timeout: Duration,
}

impl Repository {
    /// Reads a HelmRepository.
    pub(super) fn read(resource: &Object, world: &dyn World) -> Result<Self, LowerError> {
        let spec: HelmRepositorySpec = spec_of(resource)?;
        refuse_unsupported(resource, UNSUPPORTED)?;
        if let Some(provider) = spec.provider.as_deref().filter(|provider| !matches!(*provider, "" | "generic")) {
            return Err(unsupported(&[format!("`spec.provider: {provider}`")]));
        }
        let is_oci = spec.kind.as_deref() == Some("oci");
        if is_oci != spec.url.starts_with("oci://") {
            let message = format!(
                "`spec.url` `{}` is no address of a repository of type `{}`",
                spec.url,
                if is_oci { "oci" } else { "default" }
            );
            return Err(invalid(Reason::InvalidUrl, message));
        }
        if let Some(interval) = &spec.interval {
            duration("interval", interval)?;
        }
        let namespace = resource.namespace();
        let secret = spec.secret_ref.as_ref().map(|secret| secret.name.as_str());
        let mut credentials = match secret {
            Some(name) => registry_credentials(&spec.url, namespace, name, world)?,
            None => Credentials::default(),
        };
        if let Some(secret) = &spec.cert_secret_ref {
            credentials = with_certificates(credentials, namespace, &secret.name, world)?;
        }
        credentials.plain_http = is_oci && spec.insecure == Some(true);
        credentials.pass_credentials = spec.pass_credentials == Some(true);
        Ok(Self {
            remote: Remote { url: spec.url, credentials },
            timeout: optional_duration("timeout", spec.timeout.as_deref())?.unwrap_or(DEFAULT_TIMEOUT),
        })
    }

    /// Asks for a chart.
    pub(super) fn chart(self, name: &str, version: Option<&str>, interval: Duration) -> SourceSpec {
        SourceSpec {
            remote: self.remote,
            wanted: Wanted::Chart { name: name.to_owned(), version: version.unwrap_or("*").to_owned() },
            interval,
            timeout: self.timeout,
            pinned: None,
        }
    }
}
