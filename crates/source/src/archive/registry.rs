use std::net::IpAddr;
use std::sync::Mutex;

use bowline_model::{OciRef, Remote, Secret, Wanted};
use bytes::Bytes;
use regex::Regex;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, LINK, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::blobs::{is_digest, sha256};
use super::fetch::{Question, Web};
use super::manifest::{ACCEPTED, Manifest, Part, bare};
use crate::SourceError;
use crate::limits::{MAX_MANIFEST_BYTES, MAX_TAG_PAGES, MAX_TAGS, MAX_TOKEN_BYTES};
use crate::store::lock;
use crate::wire::authorization;
use bowline_model::semver::{Constraint, Version, VersionError};

/// One repository of an OCI registry (`https://github.com/opencontainers/distribution-spec`, version 1.1).
pub(super) struct Registry {
    web: Web,
    /// The registry: scheme and host.
    base: Url,
    /// The path of the repository.
    name: String,
    /// What the registry and we have agreed on.
    agreed: Mutex<Option<HeaderValue>>,
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Token { realm: String, service: Option<String>, scope: Option<String> },
}

#[derive(Deserialize)]
struct TagList {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

impl Registry {
    /// Reads `oci://host/path`; a chart is one step further down.
    pub(super) fn new(web: Web, remote: &Remote, chart: Option<&str>) -> Result<Self, SourceError> {
        let invalid = |why: &str| SourceError::InvalidUrl { url: remote.shown_url(), why: why.into() };
        let text = remote.shown_url();
        let rest = text.trim().strip_prefix("oci://").ok_or_else(|| invalid("it does not begin with oci://"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut name = path.trim_matches('/').to_owned();
        if let Some(chart) = chart.filter(|chart| !chart.is_empty()) {
            name = if name.is_empty() { chart.to_owned() } else { format!("{name}/{chart}") };
        }
        // The public registry goes by another name than its images, and keeps those of one step apart.
        let host = if matches!(host, "docker.io" | "index.docker.io") { "registry-1.docker.io" } else { host };
        if host == "registry-1.docker.io" && !name.contains('/') {
            name = format!("library/{name}");
        }
        if !is_name(&name) {
            return Err(invalid(&format!("`{name}` names no repository of a registry")));
        }
        let is_plain = web.credentials.plain_http || (is_local(host) && !web.uses_tls());
        let scheme = if is_plain { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{host}/")).map_err(|error| invalid(&error.to_string()))?;
        Ok(Self { web, base, name, agreed: Mutex::default() })
    }

    /// Returns the tag of a chart's version: that very version, or the greatest that meets the constraint.
    pub(super) async fn chart_tag(&self, name: &str, version: &str) -> Result<String, SourceError> {
        // A tag cannot hold a plus sign: Helm writes an underscore.
        if Version::parse(version).is_ok() {
            return Ok(version.replace('+', "_"));
        }
        let wanted = Wanted::Chart { name: name.to_owned(), version: version.to_owned() };
        let versions: Vec<String> = self.tags(&wanted).await?.iter().map(|tag| tag.replace('_', "+")).collect();
        let read = |text: &str| {
            if text.starts_with('v') { Err(VersionError::Invalid) } else { Version::parse_strict(text) }
        };
        self.greatest(&versions, if version.is_empty() { "*" } else { version }, read, &wanted)
            .map(|version| version.replace('+', "_"))
    }

    /// Returns the greatest tag that meets a constraint, of those that a regular expression lets take part.
    pub(super) async fn artifact_tag(&self, range: &str, filter: Option<&str>) -> Result<String, SourceError> {
        let wanted = Wanted::Oci(OciRef::Semver { range: range.to_owned(), filter: filter.map(str::to_owned) });
        let filter = filter.filter(|filter| !filter.is_empty()).map(Regex::new).transpose();
        let filter =
            filter.map_err(|error| SourceError::InvalidReference { wanted: wanted.clone(), why: error.to_string() })?;
        let mut tags = self.tags(&wanted).await?;
        tags.retain(|tag| filter.as_ref().is_none_or(|filter| filter.is_match(tag)));
        self.greatest(&tags, range, Version::parse_strict, &wanted)
    }

    fn greatest(
        &self,
        tags: &[String],
        constraint: &str,
        read: impl Fn(&str) -> Result<Version, VersionError>,
        wanted: &Wanted,
    ) -> Result<String, SourceError> {
        let constraint = Constraint::parse(constraint)
            .map_err(|error| SourceError::InvalidReference { wanted: wanted.clone(), why: error.to_string() })?;
        let greatest = constraint.highest(tags.iter().map(String::as_str), read);
        greatest.map(str::to_owned).ok_or_else(|| self.not_found(wanted))
    }

    /// Lists the tags, page by page.
    async fn tags(&self, wanted: &Wanted) -> Result<Vec<String>, SourceError> {
        let mut tags = Vec::new();
        let mut next = Some(self.url("tags/list?n=1000")?);
        for _ in 0..MAX_TAG_PAGES {
            let Some(url) = next.take() else { return Ok(tags) };
            let response = self.ask(Method::GET, url.clone(), "application/json").await?;
            let response = self.found(response, wanted)?;
            next = self.next_page(&url, response.headers())?;
            let data = self.web.body(response, "the list of tags", MAX_MANIFEST_BYTES).await?;
            let page: TagList = self.read("list of tags", &data)?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > MAX_TAGS {
                break;
            }
        }
        Err(SourceError::TooLarge { url: self.web.shown.clone(), what: "the number of tags", limit: MAX_TAGS as u64 })
    }

    fn next_page(&self, url: &Url, headers: &HeaderMap) -> Result<Option<Url>, SourceError> {
        let Some(link) = headers.get(LINK).and_then(|link| link.to_str().ok()) else { return Ok(None) };
        let target =
            link.split_once('<').and_then(|(_, rest)| rest.split_once('>')).filter(|(_, rest)| rest.contains("next"));
        let Some((target, _)) = target else { return Ok(None) };
        match url.join(target) {
            // What we have agreed on is meant for this registry alone.
            Ok(next) if next.origin() == url.origin() => Ok(Some(next)),
            _ => Err(self.web.malformed("list of tags", "it goes on at another host")),
        }
    }

    /// Returns the digest of what a tag or digest names.
    pub(super) async fn digest_of(&self, reference: &str, wanted: &Wanted) -> Result<String, SourceError> {
        if let Some(digest) = reference.strip_prefix("sha256:").filter(|digest| is_digest(digest)) {
            return Ok(digest.to_owned());
        }
        if !is_tag(reference) {
            let why = "it is neither a tag nor a SHA-256 digest".into();
            return Err(SourceError::InvalidReference { wanted: wanted.clone(), why });
        }
        let url = self.url(&format!("manifests/{reference}"))?;
        let response = self.ask(Method::HEAD, url.clone(), ACCEPTED).await?;
        // Some registries answer this question to GET alone.
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            return self.digest_by_content(url, wanted).await;
        }
        let response = self.found(response, wanted)?;
        let told = response.headers().get("docker-content-digest").and_then(|digest| digest.to_str().ok());
        match told.map(bare).filter(|digest| is_digest(digest)) {
            Some(digest) => Ok(digest),
            None => self.digest_by_content(url, wanted).await,
        }
    }

    async fn digest_by_content(&self, url: Url, wanted: &Wanted) -> Result<String, SourceError> {
        let response = self.ask(Method::GET, url, ACCEPTED).await?;
        let data = self.web.body(self.found(response, wanted)?, "the manifest", MAX_MANIFEST_BYTES).await?;
        Ok(sha256(&data))
    }

    /// Fetches a manifest by its digest.
    pub(super) async fn manifest(&self, digest: &str) -> Result<Bytes, SourceError> {
        let wanted = Wanted::Oci(OciRef::Digest(format!("sha256:{digest}")));
        let response = self.ask(Method::GET, self.url(&format!("manifests/sha256:{digest}"))?, ACCEPTED).await?;
        self.web.body(self.found(response, &wanted)?, "the manifest", MAX_MANIFEST_BYTES).await
    }

    pub(super) fn read_manifest(&self, data: &[u8]) -> Result<Manifest, SourceError> {
        self.read("manifest", data)
    }

    /// Returns the digest of the layer that holds the files.
    pub(super) fn part(&self, manifest: &Manifest, part: Part) -> Result<String, SourceError> {
        let layer = manifest.layer(part).map_err(|why| self.web.malformed("manifest", why))?;
        if is_digest(&layer) {
            Ok(layer)
        } else {
            Err(self.web.malformed("manifest", "its layer has no SHA-256 digest"))
        }
    }

    /// Fetches a layer.
    pub(super) async fn blob(&self, digest: &str, limit: u64) -> Result<Bytes, SourceError> {
        let wanted = Wanted::Oci(OciRef::Digest(format!("sha256:{digest}")));
        let response = self.ask(Method::GET, self.url(&format!("blobs/sha256:{digest}"))?, "*/*").await?;
        self.web.body(self.found(response, &wanted)?, "the archive", limit).await
    }

    fn url(&self, end: &str) -> Result<Url, SourceError> {
        let joined = self.base.join(&format!("/v2/{}/{end}", self.name));
        joined.map_err(|error| SourceError::InvalidUrl { url: self.web.shown.clone(), why: error.to_string() })
    }

    fn read<'d, T: Deserialize<'d>>(&self, what: &'static str, data: &'d [u8]) -> Result<T, SourceError> {
        serde_json::from_slice(data).map_err(|error| self.web.malformed(what, error.to_string()))
    }

    fn not_found(&self, wanted: &Wanted) -> SourceError {
        SourceError::ReferenceNotFound { url: self.web.shown.clone(), wanted: wanted.clone() }
    }

    fn found(&self, response: Response, wanted: &Wanted) -> Result<Response, SourceError> {
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::NOT_FOUND => Err(self.not_found(wanted)),
            status => Err(self.web.refusal(status, self.web.authorization()?.is_some())),
        }
    }

    /// Asks, and asks again when the registry says how it wants to be asked.
    async fn ask(&self, method: Method, url: Url, accept: &'static str) -> Result<Response, SourceError> {
        let question = |authorization| {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            Question { method: method.clone(), url: url.clone(), headers, authorization }
        };
        let agreed = lock(&self.agreed).clone();
        let response = self.web.send(question(agreed)).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let Some(challenge) = Challenge::read(response.headers()) else { return Ok(response) };
        let Some(agreed) = self.agree(challenge).await? else { return Ok(response) };
        *lock(&self.agreed) = Some(agreed.clone());
        self.web.send(question(Some(agreed))).await
    }

    /// Does what a registry asks for; `None` when there is nothing to show it.
    async fn agree(&self, challenge: Challenge) -> Result<Option<HeaderValue>, SourceError> {
        let Challenge::Token { realm, service, scope } = challenge else { return self.web.authorization() };
        if self.web.credentials.bearer_token.is_some() {
            return self.web.authorization();
        }
        let mut url = self.base.join(&realm).map_err(|_| self.web.malformed("challenge", "its realm is no address"))?;
        let own = authorization(None, self.web.basic())?;
        if own.is_some() && self.base.scheme() == "https" && url.scheme() != "https" {
            return Err(self.web.malformed("challenge", "it wants the password at an unprotected address"));
        }
        let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.name));
        let service = service.map(|service| ("service", service));
        url.query_pairs_mut().extend_pairs(service).append_pair("scope", &scope);
        let is_asked = own.is_some();
        let response = self.web.send(Question { authorization: own, ..Question::get(url) }).await?;
        if response.status() != StatusCode::OK {
            return Err(self.web.refusal(response.status(), is_asked));
        }
        let data = self.web.body(response, "the token", MAX_TOKEN_BYTES).await?;
        let token: Token = self.read("token", &data)?;
        let token = token.token.or(token.access_token).filter(|token| !token.is_empty());
        let token = token.map(Secret::new).ok_or_else(|| self.web.malformed("token", "it is empty"))?;
        authorization(Some(token.reveal()), None)
    }
}

impl Challenge {
    /// Reads what a registry says beside `401`; a token is preferred to a password.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let all = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let mut found = None;
        for text in all {
            let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
            if scheme.eq_ignore_ascii_case("basic") {
                found = found.or(Some(Self::Basic));
            } else if scheme.eq_ignore_ascii_case("bearer") {
                let get = |name: &str| parameter(rest, name);
                if let Some(realm) = get("realm") {
                    return Some(Self::Token { realm, service: get("service"), scope: get("scope") });
                }
            }
        }
        found
    }
}

/// Returns one of `name="value", other=value`.
fn parameter(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    while let Some((name, tail)) = rest.split_once('=') {
        let (value, tail) = match tail.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => tail.split_once(',').unwrap_or((tail, "")),
        };
        if name.trim_matches([' ', ',']).eq_ignore_ascii_case(wanted) {
            return Some(value.trim().to_owned());
        }
        rest = tail;
    }
    None
}

/// Tells whether a text is the path of a repository: parts of small letters and digits, joined by `.`, `_`, `-`.
fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let inner = |byte: u8| letter(byte) || matches!(byte, b'.' | b'_' | b'-');
        part.bytes().all(inner) && part.bytes().next().is_some_and(letter) && part.bytes().last().is_some_and(letter)
    };
    !text.is_empty() && text.len() <= 255 && text.split('/').all(is_part)
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

/// Tells whether a host is this machine, with which registries' clients speak HTTP without being told to.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let read = |texts: &[&str]| {
            let mut headers = HeaderMap::new();
            for text in texts {
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(text).expect("is one"));
            }
            Challenge::read(&headers)
        };
        let token = |service: Option<&str>, scope: Option<&str>| {
            let (service, scope) = (service.map(str::to_owned), scope.map(str::to_owned));
            Some(Challenge::Token { realm: "https://a.example/token".into(), service, scope })
        };
        let full = r#"Bearer realm="https://a.example/token",service="r.example",scope="repository:a/b:pull,push""#;
        assert_eq!(read(&[full]), token(Some("r.example"), Some("repository:a/b:pull,push")));
        assert_eq!(read(&["Basic realm=\"x\"", "bearer realm=https://a.example/token"]), token(None, None));
        assert_eq!(read(&["Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(read(&["Bearer service=\"x\"", "Digest a=b"]), None);
        assert_eq!(read(&["Bearer realm=\"unclosed"]), None);
    }

    #[test]
    fn names_and_tags_are_those_that_registries_take() {
        for (text, want) in
            [("a", true), ("a/b-c/d__e.f", true), ("A", false), ("a//b", false), ("../a", false), ("", false)]
        {
            assert_eq!(is_name(text), want, "{text}");
        }
        for (text, want) in [("1.2.3_build", true), ("latest", true), ("-a", false), ("a/b", false), ("1+2", false)] {
            assert_eq!(is_tag(text), want, "{text}");
        }
        for (host, want) in [
            ("localhost:5000", true),
            ("127.1.2.3", true),
            ("[::1]:5000", true),
            ("example.com", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_local(host), want, "{host}");
        }
    }
}
