use std::collections::HashMap;
use std::io;
use std::sync::Mutex;

use base64::Engine as _;
use bowline_model::{Credentials, Remote};
use bytes::Bytes;
use futures::TryStreamExt as _;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, Identity, Response, StatusCode, Url};
use tokio_util::io::StreamReader;

use super::SERVICE;
use super::pkt::PktReader;
use crate::SourceError;
use crate::limits::MAX_REDIRECTS;
use crate::remote::{Basic, ClientCertificate, Parts as _};

/// Connections kept for later: one client for each set of trust and identity.
#[derive(Default)]
pub(crate) struct HttpClients {
    clients: Mutex<HashMap<Trust, Client>>,
}

/// What of the credentials shapes a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Trust {
    tls: bool,
    ca: Option<String>,
    client: Option<ClientCertificate>,
    insecure: bool,
}

impl HttpClients {
    pub(crate) fn get(&self, tls: bool, credentials: &Credentials, shown: &str) -> Result<Client, SourceError> {
        let Credentials { ca, insecure, .. } = credentials.clone();
        let trust = if tls {
            Trust { tls, ca, client: credentials.client(), insecure }
        } else {
            Trust { tls, ca: None, client: None, insecure: false }
        };
        let mut clients = self.clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(client) = clients.get(&trust) {
            return Ok(client.clone());
        }
        let client = trust.client(shown)?;
        clients.insert(trust, client.clone());
        Ok(client)
    }
}

impl Trust {
    fn client(&self, shown: &str) -> Result<Client, SourceError> {
        let invalid = |what| move |error: reqwest::Error| SourceError::InvalidCredentials { what, why: chain(&error) };
        let failed = |error: reqwest::Error| SourceError::Tls { url: shown.to_owned(), source: Box::new(error) };
        let builder = || {
            Client::builder()
                // Some hosts answer only to names that begin so.
                .user_agent(concat!("git/bowline-", env!("CARGO_PKG_VERSION")))
                // Redirects are followed by hand: they decide where later requests and credentials go.
                .redirect(reqwest::redirect::Policy::none())
        };
        if !self.tls {
            // No roots are loaded for plain HTTP, which must work where the system has none.
            return builder().tls_certs_only([]).build().map_err(failed);
        }
        let authorities = match &self.ca {
            Some(pem) => Certificate::from_pem_bundle(pem.as_bytes()).map_err(invalid("CA certificate"))?,
            None => Vec::new(),
        };
        if self.ca.is_some() && authorities.is_empty() {
            let why = "it holds no certificate in PEM form".into();
            return Err(SourceError::InvalidCredentials { what: "CA certificate", why });
        }
        let identity = match &self.client {
            Some(ClientCertificate { certificate, key }) => {
                let pem = format!("{certificate}\n{}", key.reveal());
                Some(Identity::from_pem(pem.as_bytes()).map_err(invalid("client certificate"))?)
            }
            None => None,
        };
        let builder = || match identity.clone() {
            Some(identity) => builder().identity(identity),
            None => builder(),
        };
        if self.insecure {
            return builder().tls_danger_accept_invalid_certs(true).build().map_err(failed);
        }
        match builder().tls_certs_merge(authorities.clone()).build() {
            Ok(client) => Ok(client),
            // A system without any authority of its own: the given ones are all there is.
            Err(_) if !authorities.is_empty() => builder().tls_certs_only(authorities).build().map_err(failed),
            Err(error) => Err(failed(error)),
        }
    }
}

/// A repository over HTTP: each request stands alone.
pub(super) struct HttpLink {
    client: Client,
    /// Where requests go: after redirects, without `/info/refs`.
    base: Url,
    authorization: Option<HeaderValue>,
    shown: String,
    reader: PktReader,
}

impl HttpLink {
    pub(super) async fn open(
        remote: &Remote,
        url: Url,
        basic: Option<Basic>,
        clients: &HttpClients,
    ) -> Result<Self, SourceError> {
        let shown = remote.shown_url();
        let client = clients.get(url.scheme() == "https", &remote.credentials, &shown)?;
        let basic = remote.credentials.basic().or(basic);
        let authorization =
            authorization(remote.credentials.bearer_token.as_ref().map(bowline_model::Secret::reveal), basic)?;
        let mut link =
            Self { client, base: url, authorization, shown, reader: PktReader::new(Box::new(tokio::io::empty())) };
        let response = link.greeting().await?;
        link.read(response);
        Ok(link)
    }

    /// Asks for the greeting, following redirects, and settles on the address that gave it.
    async fn greeting(&mut self) -> Result<Response, SourceError> {
        let mut target = self.base.clone();
        target.set_path(&format!("{}/info/refs", self.base.path().trim_end_matches('/')));
        target.set_query(Some(&format!("service={SERVICE}")));
        for _ in 0..=MAX_REDIRECTS {
            let request = self.client.get(target.clone()).header("Git-Protocol", "version=2");
            let response = self.authorize(request).send().await.map_err(|error| self.failed(error))?;
            let Some(next) = redirection(&response, &target) else {
                let response = self.check(response, "advertisement")?;
                let path = target.path().strip_suffix("/info/refs").map(str::to_owned);
                let path = path.ok_or_else(|| self.protocol("it redirects to an address that is no repository"))?;
                target.set_path(&path);
                target.set_query(None);
                self.base = target;
                return Ok(response);
            };
            if target.scheme() == "https" && next.scheme() != "https" {
                return Err(self.protocol("it redirects from HTTPS to an unprotected address"));
            }
            if (target.host_str(), target.port_or_known_default()) != (next.host_str(), next.port_or_known_default()) {
                // What was meant for one host is not shown to another; the same name with more protection is
                // the one exception.
                let upgraded = target.host_str() == next.host_str() && next.scheme() == "https";
                if !upgraded {
                    self.authorization = None;
                }
            }
            target = next;
        }
        Err(self.protocol(&format!("it redirects more than {MAX_REDIRECTS} times")))
    }

    pub(super) async fn send(&mut self, request: Bytes) -> Result<(), SourceError> {
        let mut target = self.base.clone();
        target.set_path(&format!("{}/{SERVICE}", self.base.path().trim_end_matches('/')));
        let request = self
            .client
            .post(target)
            .header("Git-Protocol", "version=2")
            .header(CONTENT_TYPE, format!("application/x-{SERVICE}-request"))
            .header(ACCEPT, format!("application/x-{SERVICE}-result"))
            .body(request);
        let response = self.authorize(request).send().await.map_err(|error| self.failed(error))?;
        let response = self.check(response, "result")?;
        self.read(response);
        Ok(())
    }

    pub(super) fn reader(&mut self) -> &mut PktReader {
        &mut self.reader
    }

    fn read(&mut self, response: Response) {
        let stream = response.bytes_stream().map_err(io::Error::other);
        self.reader = PktReader::new(Box::new(StreamReader::new(Box::pin(stream))));
    }

    fn authorize(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }

    fn check(&self, response: Response, kind: &str) -> Result<Response, SourceError> {
        let url = self.shown.clone();
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED if self.authorization.is_none() => {
                return Err(SourceError::AuthenticationRequired { url });
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(SourceError::AuthenticationRefused { url }),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(SourceError::RepositoryNotFound { url }),
            status => return Err(SourceError::Status { url, status: status.as_u16() }),
        }
        let want = format!("application/x-{SERVICE}-{kind}");
        let have = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if have.split(';').next().unwrap_or_default().trim() == want {
            return Ok(response);
        }
        Err(self.protocol(&format!("it answers with content of type `{have}`")))
    }

    fn failed(&self, error: reqwest::Error) -> SourceError {
        // The address is in our own message already, and in reqwest's it may carry a query.
        network_failure(&self.shown, Box::new(error.without_url()))
    }

    pub(super) fn explain(&self, error: io::Error) -> SourceError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.protocol("its answer ends too early"),
            io::ErrorKind::InvalidData => self.protocol(&error.to_string()),
            _ => network_failure(&self.shown, Box::new(error)),
        }
    }

    fn protocol(&self, why: &str) -> SourceError {
        SourceError::Protocol { url: self.shown.clone(), why: why.into() }
    }
}

/// Where a response sends us, if it does.
pub(crate) fn redirection(response: &Response, from: &Url) -> Option<Url> {
    let location = response.status().is_redirection().then(|| response.headers().get(LOCATION)).flatten()?;
    from.join(location.to_str().ok()?).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// The header `Authorization` of a token or else of user and password.
pub(crate) fn authorization(bearer: Option<&str>, basic: Option<Basic>) -> Result<Option<HeaderValue>, SourceError> {
    let text = match (bearer, basic) {
        (Some(token), _) => format!("Bearer {}", token.trim()),
        (None, Some(Basic { username, password })) => {
            let pair = format!("{username}:{}", password.reveal());
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        }
        (None, None) => return Ok(None),
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| SourceError::InvalidCredentials {
        what: "bearer token",
        why: "it holds characters that HTTP does not allow".into(),
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Tells a failure of trust from one of the network.
pub(crate) fn network_failure(shown: &str, error: Box<dyn std::error::Error + Send + Sync>) -> SourceError {
    let url = shown.to_owned();
    if is_tls(error.as_ref()) {
        SourceError::Tls { url, source: error }
    } else {
        SourceError::Unreachable { url, source: error }
    }
}

fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An `io::Error` shows what it wraps as itself, not as its source.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && is_tls(inner)
        {
            return true;
        }
        next = error.source();
    }
    false
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
