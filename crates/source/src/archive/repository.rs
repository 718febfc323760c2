use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bowline_model::{Remote, Wanted};
use bytes::Bytes;
use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{StatusCode, Url};
use tokio::time::Instant;

use super::blobs::{Blobs, sha256};
use super::fetch::{Question, Web, without_user};
use super::index::{Index, Listed, Unlisted};
use super::manifest::Part;
use super::registry::Registry;
use crate::SourceError;
use crate::limits::{MAX_ARCHIVE_BYTES, MAX_INDEX_BYTES};
use crate::mirror::{Edge, blocking};
use crate::store::lock;

/// A Helm repository over HTTP: an index, and archives wherever that says.
pub(super) struct Repository {
    web: Web,
    base: Url,
    edge: Arc<Edge>,
    /// Held while the index is asked for: whoever waits is served by the same answer.
    index: tokio::sync::Mutex<Option<Known>>,
    /// Of archives that the index gives no digest of, by address. Forgotten with the index.
    digests: Mutex<HashMap<String, String>>,
}

/// An index, and what tells the server which one we have.
struct Known {
    index: Arc<Index>,
    /// When it was last asked for.
    asked: Instant,
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

impl Repository {
    pub(super) fn new(web: Web, remote: &Remote, edge: Arc<Edge>) -> Result<Self, SourceError> {
        let invalid = |why: String| SourceError::InvalidUrl { url: remote.shown_url(), why };
        let base = Url::parse(remote.url.trim()).map_err(|error| invalid(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(invalid("a Helm repository has an address that begins with https:// or oci://".into()));
        }
        Ok(Self {
            web,
            base: without_user(base),
            edge,
            index: tokio::sync::Mutex::default(),
            digests: Mutex::default(),
        })
    }

    /// Returns the index: the one at hand where it was asked for at or after `since`, or else what the server says.
    pub(super) async fn index(&self, since: Instant) -> Result<Arc<Index>, SourceError> {
        let mut known = self.index.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.asked >= since) {
            return Ok(Arc::clone(&known.index));
        }
        let asked = Instant::now();
        let mut url = self.base.clone();
        url.set_path(&format!("{}/index.yaml", self.base.path().trim_end_matches('/')));
        let mut question = Question { authorization: self.web.authorization()?, ..Question::get(url) };
        if let Some(known) = known.as_ref() {
            for (header, value) in [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.modified)] {
                if let Some(value) = value {
                    question.headers.insert(header, value.clone());
                }
            }
        }
        let is_asked = question.authorization.is_some();
        let response = self.web.send(question).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if known.is_some() => {
                let known = known.as_mut().expect("holds because the guard has looked");
                known.asked = asked;
                return Ok(Arc::clone(&known.index));
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(SourceError::RepositoryNotFound { url: self.web.shown.clone() });
            }
            status => return Err(self.web.refusal(status, is_asked)),
        }
        let (etag, modified) = (header(response.headers(), ETAG), header(response.headers(), LAST_MODIFIED));
        let data = self.web.body(response, "the index", MAX_INDEX_BYTES).await?;
        // Some have tens of megabytes.
        let read = blocking(move || Ok(Index::parse(&data))).await?;
        let index = Arc::new(read.map_err(|why| self.web.malformed("index", why))?);
        lock(&self.digests).clear();
        *known = Some(Known { index: Arc::clone(&index), asked, etag, modified });
        Ok(index)
    }

    pub(super) fn choose<'i>(&self, index: &'i Index, name: &str, version: &str) -> Result<&'i Listed, SourceError> {
        let wanted = Wanted::Chart { name: name.to_owned(), version: version.to_owned() };
        index.choose(name, version).map_err(|unlisted| match unlisted {
            Unlisted::Invalid(why) => SourceError::InvalidReference { wanted, why },
            Unlisted::NoChart | Unlisted::NoVersion => {
                SourceError::ReferenceNotFound { url: self.web.shown.clone(), wanted }
            }
        })
    }

    /// Returns a version that was chosen before.
    pub(super) fn published<'i>(&self, index: &'i Index, name: &str, version: &str) -> Result<&'i Listed, SourceError> {
        index.exact(name, version).ok_or_else(|| SourceError::ReferenceNotFound {
            url: self.web.shown.clone(),
            wanted: Wanted::Chart { name: name.to_owned(), version: version.to_owned() },
        })
    }

    /// Returns what the index says of an archive's content, or what was found out.
    pub(super) fn digest_of(&self, listed: &Listed) -> Option<String> {
        let learnt = || lock(&self.digests).get(listed.url.as_ref()?).cloned();
        listed.digest.clone().or_else(learnt)
    }

    /// Fetches an archive that the index gives no digest of.
    pub(super) async fn learn_digest(&self, listed: &Listed, blobs: &Arc<Blobs>) -> Result<String, SourceError> {
        let data = self.archive(listed).await?;
        let blobs = Arc::clone(blobs);
        let digest = blocking(move || {
            let digest = sha256(&data);
            blobs.put_as(&data, &digest)
        })
        .await?;
        if let Some(url) = &listed.url {
            lock(&self.digests).insert(url.clone(), digest.clone());
        }
        Ok(digest)
    }

    /// Fetches an archive.
    pub(super) async fn archive(&self, listed: &Listed) -> Result<Bytes, SourceError> {
        let missing = || self.web.malformed("index", format!("version {} has no address", listed.version));
        let text = listed.url.as_deref().ok_or_else(missing)?;
        let url = self.resolve(text).ok_or_else(|| self.web.malformed("index", format!("`{text}` is no address")))?;
        if url.scheme() == "oci" {
            return self.archive_in_registry(&url).await;
        }
        let authorization = if self.is_trusted(&url) { self.web.authorization()? } else { None };
        self.web.archive(Question { authorization, ..Question::get(without_user(url)) }).await
    }

    /// Some indexes lead to registries: `oci://host/path/name:1.2.3`.
    async fn archive_in_registry(&self, url: &Url) -> Result<Bytes, SourceError> {
        let text = url.as_str();
        let (place, tag) = text
            .rsplit_once(':')
            .filter(|(place, tag)| place.len() > 6 && !tag.contains('/'))
            .ok_or_else(|| self.web.malformed("index", format!("`{text}` names no version")))?;
        let remote = Remote { url: place.to_owned(), credentials: self.web.credentials.clone() };
        let web = if self.web.credentials.pass_credentials {
            Web::new(&remote, &self.edge.clients)?
        } else {
            self.web.anonymous()
        };
        let registry = Registry::new(web, &remote, None)?;
        let wanted = Wanted::Oci(bowline_model::OciRef::Tag(tag.to_owned()));
        let digest = registry.digest_of(&tag.replace('+', "_"), &wanted).await?;
        let manifest = registry.read_manifest(&registry.manifest(&digest).await?)?;
        registry.blob(&registry.part(&manifest, Part::Chart)?, MAX_ARCHIVE_BYTES).await
    }

    /// Returns where an entry of the index leads; a relative one keeps the query of the repository's address, as with
    /// Helm (`ResolveReferenceURL`).
    fn resolve(&self, text: &str) -> Option<Url> {
        if let Ok(url) = Url::parse(text) {
            return matches!(url.scheme(), "http" | "https" | "oci").then_some(url);
        }
        let mut base = self.base.clone();
        base.set_path(&format!("{}/", self.base.path().trim_end_matches('/')));
        let mut url = base.join(text).ok()?;
        url.set_query(self.base.query());
        Some(url)
    }

    /// Tells whether the credentials are meant for an address: the repository's own host, or any where that is wanted.
    fn is_trusted(&self, url: &Url) -> bool {
        let place =
            |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
        self.web.credentials.pass_credentials || place(url) == place(&self.base)
    }
}

fn header(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<HeaderValue> {
    headers.get(name).cloned()
}
