use bowline_model::{Credentials, Remote};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Client, Method, Response, StatusCode, Url};

use crate::SourceError;
use crate::limits::{MAX_ARCHIVE_BYTES, MAX_ARCHIVE_REDIRECTS, MAX_BLOB_BYTES};
use crate::remote::{Basic, Parts as _};
use crate::wire::{HttpClients, authorization, network_failure, redirection};

/// What it takes to ask one remote's servers, and those they lead to.
pub(super) struct Web {
    encrypted: Client,
    plain: Client,
    pub(super) credentials: Credentials,
    /// Of the address, where it holds some.
    basic: Option<Basic>,
    pub(super) shown: String,
}

/// One question.
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// Sent to the host of `url` alone, wherever that redirects to.
    pub(super) authorization: Option<HeaderValue>,
}

impl Question {
    pub(super) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), authorization: None }
    }
}

impl Web {
    pub(super) fn new(remote: &Remote, clients: &HttpClients) -> Result<Self, SourceError> {
        let shown = remote.shown_url();
        let basic = Url::parse(remote.url.trim()).ok().and_then(|url| basic_of(&url));
        Ok(Self {
            encrypted: clients.get(true, &remote.credentials, &shown)?,
            plain: clients.get(false, &remote.credentials, &shown)?,
            credentials: remote.credentials.clone(),
            basic,
            shown,
        })
    }

    /// The same without what proves who asks, for servers that it is not meant for.
    pub(super) fn anonymous(&self) -> Self {
        let credentials = Credentials { ca: self.credentials.ca.clone(), ..Credentials::default() };
        Self {
            encrypted: self.encrypted.clone(),
            plain: self.plain.clone(),
            credentials: Credentials { insecure: self.credentials.insecure, ..credentials },
            basic: None,
            shown: self.shown.clone(),
        }
    }

    /// Whether something says that connections are to be protected.
    pub(super) fn uses_tls(&self) -> bool {
        self.credentials.ca.is_some() || self.credentials.client_certificate.is_some()
    }

    /// User and password, of the credentials or else of the address.
    pub(super) fn basic(&self) -> Option<Basic> {
        self.credentials.basic().or_else(|| self.basic.clone())
    }

    /// What is sent in the header `Authorization` when nothing else has been agreed on.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, SourceError> {
        authorization(self.credentials.bearer_token.as_ref().map(bowline_model::Secret::reveal), self.basic())
    }

    /// Asks, and follows redirects as Go's client does: credentials stay with the host they were meant for.
    pub(super) async fn send(&self, question: Question) -> Result<Response, SourceError> {
        let Question { method, mut url, headers, mut authorization } = question;
        for _ in 0..=MAX_ARCHIVE_REDIRECTS {
            let client = if url.scheme() == "https" { &self.encrypted } else { &self.plain };
            let mut request = client
                .request(method.clone(), url.clone())
                .headers(headers.clone())
                .header(USER_AGENT, concat!("bowline/", env!("CARGO_PKG_VERSION")));
            if let Some(value) = &authorization {
                request = request.header(AUTHORIZATION, value.clone());
            }
            // The address is in our own message already, and in reqwest's it may carry a signature.
            let sent = request.send().await;
            let response = sent.map_err(|error| network_failure(&self.shown, Box::new(error.without_url())))?;
            let Some(next) = redirection(&response, &url) else { return Ok(response) };
            if !is_same_host(&url, &next) {
                authorization = None;
            }
            url = next;
        }
        Err(self.malformed("answer", format!("it redirects more than {MAX_ARCHIVE_REDIRECTS} times")))
    }

    /// Fetches an archive from the remote's own address.
    pub(super) async fn download(&self, remote: &Remote) -> Result<Bytes, SourceError> {
        self.archive(self.question(remote)?).await
    }

    /// Fetches a file from the remote's own address.
    pub(super) async fn file(&self, remote: &Remote) -> Result<Bytes, SourceError> {
        let response = self.send(self.question(remote)?).await?;
        if !response.status().is_success() {
            return Err(SourceError::Status { url: self.shown.clone(), status: response.status().as_u16() });
        }
        self.body(response, "the file", MAX_BLOB_BYTES).await
    }

    /// Asks for what is at the remote's own address.
    fn question(&self, remote: &Remote) -> Result<Question, SourceError> {
        let invalid = |why: String| SourceError::InvalidUrl { url: self.shown.clone(), why };
        let url = Url::parse(remote.url.trim()).map_err(|error| invalid(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("it does not begin with https://".into()));
        }
        Ok(Question { authorization: self.authorization()?, ..Question::get(without_user(url)) })
    }

    /// Asks for an archive.
    pub(super) async fn archive(&self, mut question: Question) -> Result<Bytes, SourceError> {
        question.headers.insert(ACCEPT, HeaderValue::from_static("application/gzip,application/octet-stream"));
        let is_asked = question.authorization.is_some();
        let response = self.send(question).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response.status(), is_asked));
        }
        self.body(response, "the archive", MAX_ARCHIVE_BYTES).await
    }

    /// Reads the whole answer, up to a limit.
    pub(super) async fn body(&self, response: Response, what: &'static str, limit: u64) -> Result<Bytes, SourceError> {
        let too_large = || SourceError::TooLarge { url: self.shown.clone(), what, limit };
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut data = BytesMut::new();
        let mut stream = response.bytes_stream();
        while let Some(part) = stream.next().await {
            let part = part.map_err(|error| network_failure(&self.shown, Box::new(error.without_url())))?;
            if (data.len() + part.len()) as u64 > limit {
                return Err(too_large());
            }
            data.extend_from_slice(&part);
        }
        Ok(data.freeze())
    }

    /// Says what a status other than success means; `asked` is whether credentials were sent.
    pub(super) fn refusal(&self, status: StatusCode, asked: bool) -> SourceError {
        let url = self.shown.clone();
        match status {
            StatusCode::UNAUTHORIZED if !asked => SourceError::AuthenticationRequired { url },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => SourceError::AuthenticationRefused { url },
            status => SourceError::Status { url, status: status.as_u16() },
        }
    }

    pub(super) fn malformed(&self, what: &'static str, why: impl Into<String>) -> SourceError {
        SourceError::Malformed { url: self.shown.clone(), what, why: why.into() }
    }
}

/// Tells whether credentials for one address may be sent to another: the same host and port, or the same host with
/// more protection.
fn is_same_host(one: &Url, other: &Url) -> bool {
    let is_same = (one.host_str(), one.port_or_known_default()) == (other.host_str(), other.port_or_known_default());
    let protected = one.scheme() != "https" || other.scheme() == "https";
    let upgraded = one.host_str() == other.host_str() && one.scheme() == "http" && other.scheme() == "https";
    (is_same && protected) || upgraded
}

/// The user and password of an address.
fn basic_of(url: &Url) -> Option<Basic> {
    let decode = crate::remote::decode;
    (!url.username().is_empty() || url.password().is_some()).then(|| Basic {
        username: decode(url.username()),
        password: bowline_model::Secret::new(decode(url.password().unwrap_or_default())),
    })
}

/// The same address without user and password.
pub(super) fn without_user(mut url: Url) -> Url {
    // Fails for addresses without a host, which have no user either.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.set_fragment(None);
    url
}
