//! Charts and artifacts: what comes as one archive, from a Helm repository or a registry.
//!
//! Archives and manifests are kept by digest and checked whenever they are read, so that one fetch serves all who want
//! them, whichever way they asked.

mod blobs;
mod fetch;
mod index;
mod manifest;
mod registry;
mod repository;
mod unpack;

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bowline_model::{OciRef, Remote, Revision, Wanted};
use bowline_tree::Tree;
use bytes::Bytes;
use tokio::time::Instant;

use crate::SourceError;
use crate::limits::MAX_ARCHIVE_BYTES;
use crate::mirror::{Edge, blocking};
use crate::remote::{Located as _, RemoteKey};
use crate::resolve::{flaw, shortened};
use crate::store::lock;
use blobs::Blobs;
use fetch::Web;
use manifest::{Manifest, Part};
use registry::Registry;
use repository::Repository;
use unpack::{Root, unpack};

/// All Helm repositories and registries of this process, and the archives that came from them.
pub(crate) struct Archives {
    blobs: Arc<Blobs>,
    edge: Arc<Edge>,
    places: Mutex<HashMap<PlaceKey, Arc<Place>>>,
    /// Held while content comes in, by its digest: who else wants it waits for the same.
    fetching: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

/// A registry is asked for one repository at a time, which a chart's name is part of.
type PlaceKey = (RemoteKey, Option<String>);

/// Where archives come from.
enum Place {
    Repository(Repository),
    Registry(Registry),
}

impl Archives {
    pub(crate) fn new(cache_dir: &Path, edge: Arc<Edge>) -> Self {
        Self {
            blobs: Arc::new(Blobs::new(cache_dir.join("charts"))),
            edge,
            places: Mutex::default(),
            fetching: Mutex::default(),
        }
    }

    /// Finds the revision that is wanted, and sees to it that its archive is here. An index that was asked for at or
    /// after `since` is new enough.
    pub(crate) async fn resolve(
        &self,
        remote: &Remote,
        wanted: &Wanted,
        since: Instant,
        timeout: Duration,
    ) -> Result<Revision, SourceError> {
        if let Some(why) = flaw_of(wanted) {
            return Err(SourceError::InvalidReference { wanted: cut(wanted), why });
        }
        self.within(remote, timeout, async {
            match (&*self.place(remote, wanted)?, wanted) {
                (Place::Repository(repository), Wanted::Chart { name, version }) => {
                    let index = repository.index(since).await?;
                    let listed = repository.choose(&index, name, version)?;
                    let digest = match repository.digest_of(listed) {
                        Some(digest) => digest,
                        None => repository.learn_digest(listed, &self.blobs).await?,
                    };
                    let revision = Revision::of_archive(Some(listed.version.clone()), digest);
                    self.keep(&revision.digest, || repository.archive(listed)).await?;
                    Ok(revision)
                }
                (Place::Registry(registry), Wanted::Chart { name, version }) => {
                    let tag = registry.chart_tag(name, version).await?;
                    let manifest = self.manifest(registry, &registry.digest_of(&tag, wanted).await?).await?;
                    let layer = registry.part(&manifest, Part::Chart)?;
                    self.keep(&layer, || registry.blob(&layer, MAX_ARCHIVE_BYTES)).await?;
                    Ok(Revision::of_archive(Some(tag.replace('_', "+")), layer))
                }
                (Place::Registry(registry), Wanted::Oci(reference)) => {
                    let (name, digest) = match reference {
                        OciRef::Digest(digest) => (None, registry.digest_of(digest, wanted).await?),
                        OciRef::Tag(tag) => (Some(tag.clone()), registry.digest_of(tag, wanted).await?),
                        OciRef::Semver { range, filter } => {
                            let tag = registry.artifact_tag(range, filter.as_deref()).await?;
                            let digest = registry.digest_of(&tag, wanted).await?;
                            (Some(tag), digest)
                        }
                    };
                    let manifest = self.manifest(registry, &digest).await?;
                    let layer = registry.part(&manifest, Part::Artifact)?;
                    self.keep(&layer, || registry.blob(&layer, MAX_ARCHIVE_BYTES)).await?;
                    Ok(Revision::of_archive(name, digest))
                }
                (_, wanted) => Err(not_to_be_had(remote, wanted)),
            }
        })
        .await
    }

    /// Opens the files of a revision; fetches its archive when it is not here any more.
    pub(crate) async fn open(
        &self,
        remote: &Remote,
        wanted: &Wanted,
        revision: &Revision,
        timeout: Duration,
    ) -> Result<Arc<dyn Tree>, SourceError> {
        let data = self.archive(remote, wanted, revision, timeout).await?;
        let root = if wanted.is_chart() { Root::TopFolder } else { Root::Archive };
        let url = remote.shown_url();
        blocking(move || Ok(Arc::new(unpack(&data, root, &url)?) as Arc<dyn Tree>)).await
    }

    /// Returns the archive of a revision, as it was published.
    pub(crate) async fn archive(
        &self,
        remote: &Remote,
        wanted: &Wanted,
        revision: &Revision,
        timeout: Duration,
    ) -> Result<Bytes, SourceError> {
        let resolved;
        let revision = if revision.digest.is_empty() {
            // No more is known than the version: whatever is published under it.
            let exact = exactly(wanted, revision);
            resolved = self.resolve(remote, &exact, Instant::now(), timeout).await?;
            &resolved
        } else {
            revision
        };
        let digest = revision.digest.to_ascii_lowercase();
        self.within(remote, timeout, async {
            match (&*self.place(remote, wanted)?, wanted) {
                (Place::Repository(repository), Wanted::Chart { name, .. }) => {
                    let fetch = async || {
                        let index = repository.index(Instant::now()).await?;
                        let version = revision.name.as_deref().unwrap_or_default();
                        repository.archive(repository.published(&index, name, version)?).await
                    };
                    self.keep(&digest, fetch).await
                }
                (Place::Registry(registry), Wanted::Chart { .. }) => {
                    self.keep(&digest, || registry.blob(&digest, MAX_ARCHIVE_BYTES)).await
                }
                (Place::Registry(registry), Wanted::Oci(_)) => {
                    let layer = registry.part(&self.manifest(registry, &digest).await?, Part::Artifact)?;
                    self.keep(&layer, || registry.blob(&layer, MAX_ARCHIVE_BYTES)).await
                }
                (_, wanted) => Err(not_to_be_had(remote, wanted)),
            }
        })
        .await
    }

    /// Fetches a file from its own address.
    pub(crate) async fn file(&self, remote: &Remote, timeout: Duration) -> Result<Bytes, SourceError> {
        self.within(remote, timeout, async { Web::new(remote, &self.edge.clients)?.file(remote).await }).await
    }

    /// Fetches an archive from its own address.
    pub(crate) async fn download(&self, remote: &Remote, timeout: Duration) -> Result<Bytes, SourceError> {
        self.within(remote, timeout, async { Web::new(remote, &self.edge.clients)?.download(remote).await }).await
    }

    /// Returns a manifest by its digest; of an index, the manifest of the platform that Flux too takes.
    async fn manifest(&self, registry: &Registry, digest: &str) -> Result<Manifest, SourceError> {
        let read = async |digest: &str| {
            let data = self.keep(digest, || registry.manifest(digest)).await?;
            registry.read_manifest(&data)
        };
        let manifest = read(digest).await?;
        match manifest.platform() {
            Some(digest) => read(&digest).await,
            None => Ok(manifest),
        }
    }

    /// Returns content by its digest: from the disk, or fetched, checked and kept.
    async fn keep(
        &self,
        digest: &str,
        fetch: impl AsyncFnOnce() -> Result<Bytes, SourceError>,
    ) -> Result<Bytes, SourceError> {
        let turn = self.turn(digest);
        let _turn = turn.lock().await;
        let (blobs, wanted) = (Arc::clone(&self.blobs), digest.to_owned());
        if let Some(data) = blocking(move || blobs.get(&wanted)).await? {
            return Ok(data);
        }
        let data = fetch().await?;
        let (blobs, wanted, kept) = (Arc::clone(&self.blobs), digest.to_owned(), data.clone());
        let have = blocking(move || blobs.put_as(&kept, &wanted)).await?;
        if have == digest { Ok(data) } else { Err(SourceError::DigestMismatch { want: digest.to_owned(), have }) }
    }

    fn turn(&self, digest: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut fetching = lock(&self.fetching);
        if let Some(turn) = fetching.get(digest).and_then(Weak::upgrade) {
            return turn;
        }
        fetching.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        fetching.insert(digest.to_owned(), Arc::downgrade(&turn));
        turn
    }

    fn place(&self, remote: &Remote, wanted: &Wanted) -> Result<Arc<Place>, SourceError> {
        let is_registry = remote.url.trim().starts_with("oci://");
        let name = match wanted {
            Wanted::Chart { name, .. } if is_registry => Some(name.clone()),
            _ => None,
        };
        let key = (remote.key(), name);
        if let Some(place) = lock(&self.places).get(&key) {
            return Ok(Arc::clone(place));
        }
        let web = Web::new(remote, &self.edge.clients);
        let place = Arc::new(if is_registry {
            Place::Registry(Registry::new(web?, remote, key.1.as_deref())?)
        } else {
            Place::Repository(Repository::new(web?, remote, Arc::clone(&self.edge))?)
        });
        // Another may have come first; both hold the same.
        lock(&self.places).insert(key, Arc::clone(&place));
        Ok(place)
    }

    async fn within<T>(
        &self,
        remote: &Remote,
        timeout: Duration,
        work: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let permitted = async {
            let _permit = self.edge.permit().await;
            work.await
        };
        match tokio::time::timeout(timeout, permitted).await {
            Ok(result) => result,
            Err(_) => {
                Err(SourceError::TimedOut { url: remote.shown_url(), after: timeout, doing: "fetching an archive" })
            }
        }
    }

    /// Forgets places that nobody polls, and archives that nobody has read for long.
    pub(crate) fn sweep(&self, is_polled: impl Fn(&RemoteKey) -> bool) -> std::io::Result<()> {
        lock(&self.places).retain(|(key, _), _| is_polled(key));
        self.blobs.sweep()
    }
}

/// The same thing, by the version that a revision names.
fn exactly(wanted: &Wanted, revision: &Revision) -> Wanted {
    match (wanted, &revision.name) {
        (Wanted::Chart { name, .. }, Some(version)) => Wanted::Chart { name: name.clone(), version: version.clone() },
        (Wanted::Oci(_), Some(tag)) => Wanted::Oci(OciRef::Tag(tag.clone())),
        (wanted, _) => wanted.clone(),
    }
}

fn not_to_be_had(remote: &Remote, wanted: &Wanted) -> SourceError {
    let why = match wanted {
        Wanted::Oci(_) => "an artifact comes from a registry (`oci://…`)",
        _ => "a chart comes from a Helm repository (`https://…`) or a registry (`oci://…`)",
    };
    SourceError::InvalidUrl { url: remote.shown_url(), why: why.into() }
}

/// Says why no place can have this.
fn flaw_of(wanted: &Wanted) -> Option<String> {
    match wanted {
        Wanted::Git(_) => Some("it is no archive".into()),
        Wanted::Chart { name, version } => {
            let named = flaw(name, false).map(|why| format!("of its name, {why}"));
            named.or_else(|| flaw(version, true).filter(|_| !version.is_empty()))
        }
        Wanted::Oci(OciRef::Tag(text) | OciRef::Digest(text)) => flaw(text, false),
        Wanted::Oci(OciRef::Semver { range, filter }) => {
            flaw(range, true).or_else(|| filter.as_ref().and_then(|filter| flaw(filter, true)))
        }
    }
}

fn cut(wanted: &Wanted) -> Wanted {
    match wanted {
        Wanted::Chart { name, version } => Wanted::Chart { name: shortened(name), version: shortened(version) },
        Wanted::Oci(OciRef::Tag(text)) => Wanted::Oci(OciRef::Tag(shortened(text))),
        Wanted::Oci(OciRef::Digest(text)) => Wanted::Oci(OciRef::Digest(shortened(text))),
        Wanted::Oci(OciRef::Semver { range, filter }) => {
            Wanted::Oci(OciRef::Semver { range: shortened(range), filter: filter.as_deref().map(shortened) })
        }
        Wanted::Git(wanted) => Wanted::Git(crate::resolve::Resolve::shortened(wanted)),
    }
}
