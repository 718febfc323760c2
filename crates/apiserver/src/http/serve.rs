//! Listeners: HTTP/1.1 and HTTP/2, plain or with a certificate made for the occasion, and the kubeconfig that fits.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::danger::ClientCertVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::client_auth::ClientAuth;
use super::fleet::Fleet;
use super::reply::{Body, ConnectionDropped};
use crate::auth::Peer;
use crate::authority::Authority;
use crate::cluster::Cluster;

/// How long a new connection may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A certificate authority of its own and a server certificate signed by it.
pub struct Identity {
    authority: Arc<Authority>,
    config: Arc<rustls::ServerConfig>,
    clients: Arc<ClientAuth>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// A certificate by which a client is known, and its key.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key.
    pub key_pem: String,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(•••)")
    }
}

/// Why an identity could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// TLS does not take the certificate.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

impl Identity {
    /// Makes an authority and a certificate for `localhost`, the loopback addresses and `names`.
    pub fn generate(names: &[String]) -> Result<Self, IdentityError> {
        Self::under(Arc::new(Authority::generate()?), names)
    }

    /// Makes a certificate signed by the authority that a snapshot keeps, so that clients that trust it go on trusting the
    /// servers, and certificates that it signed are still known; `None` when the file keeps none.
    pub fn of_snapshot(file: &[u8], names: &[String]) -> Result<Option<Self>, IdentityError> {
        crate::snapshot::authority_of(file).map(|kept| Self::under(Arc::new(kept), names)).transpose()
    }

    fn under(authority: Arc<Authority>, names: &[String]) -> Result<Self, IdentityError> {
        let mut all: Vec<String> =
            ["localhost", "127.0.0.1", "::1", "kubernetes", "kubernetes.default.svc"].map(str::to_owned).into();
        all.extend(names.iter().filter(|name| !["localhost", "127.0.0.1", "::1"].contains(&name.as_str())).cloned());
        let mut params = CertificateParams::new(all)?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, authority.issuer())?;

        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone(), authority.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients = Arc::new(ClientAuth::of(authority.der().clone(), &provider)?);
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::clone(&clients) as Arc<dyn ClientCertVerifier>)
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { authority, config: Arc::new(config), clients })
    }

    pub(crate) fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.authority)
    }

    /// Returns the authority's certificate, for clients to trust.
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// Makes a certificate by which the servers of this identity know a user of a name and, maybe, in a group.
    pub fn client_certificate(&self, name: &str, group: Option<&str>) -> Result<ClientCertificate, IdentityError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, self.authority.issuer())?;
        Ok(ClientCertificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

/// How bytes travel.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Unencrypted. Kubernetes clients send no credentials over it, so it is of use only where everybody is admitted.
    Plain,
    /// TLS.
    Tls(Arc<Identity>),
}

impl Transport {
    /// Returns the URL of a server that listens at an address.
    pub fn url(&self, address: SocketAddr) -> String {
        base_url(address, self)
    }
}

impl Cluster {
    /// Serves the cluster until `stop` is cancelled; open connections end with it.
    pub async fn serve(&self, listener: TcpListener, transport: Transport, stop: CancellationToken) {
        let service = self.service();
        accept(listener, transport, stop, move |request| {
            let mut service = service.clone();
            async move { tower::Service::call(&mut service, request).await }
        })
        .await;
    }

    /// Serves one connection until it ends, over whatever carries bytes both ways.
    pub async fn serve_connection<S>(&self, connection: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = self.service();
        converse(connection, None, move |request| {
            let mut service = service.clone();
            async move { tower::Service::call(&mut service, request).await }
        })
        .await;
    }

    /// Returns a kubeconfig for the cluster served at `address`.
    pub fn kubeconfig(&self, address: SocketAddr, transport: &Transport) -> String {
        kubeconfig(address, "", transport, self.options().token.as_deref())
    }
}

impl Fleet {
    /// Serves all clusters, each below `/clusters/NAME`, until `stop` is cancelled.
    pub async fn serve(&self, listener: TcpListener, transport: Transport, stop: CancellationToken) {
        let service = self.service();
        accept(listener, transport, stop, move |request| {
            let mut service = service.clone();
            async move { tower::Service::call(&mut service, request).await }
        })
        .await;
    }

    /// Returns a kubeconfig for one cluster of the fleet served at `address`; `None` when there is no such cluster.
    pub fn kubeconfig(&self, name: &str, address: SocketAddr, transport: &Transport) -> Option<String> {
        let cluster = self.get(name)?;
        let path = format!("/clusters/{name}");
        Some(kubeconfig(address, &path, transport, cluster.options().token.as_deref()))
    }

    /// Returns a kubeconfig with a context for each cluster of the fleet served at `address`, the first being current.
    ///
    /// Contexts, clusters and users are called as the clusters are.
    pub fn kubeconfig_of_all(&self, address: SocketAddr, transport: &Transport) -> String {
        let names = self.names();
        let entries: Vec<Entry> = (names.iter())
            .filter_map(|name| {
                let token = self.get(name)?.options().token.clone();
                Some(Entry { name: name.clone(), path: format!("/clusters/{name}"), user: name.clone(), token })
            })
            .collect();
        kubeconfig_of(address, transport, &entries)
    }
}

async fn accept<F, R>(listener: TcpListener, transport: Transport, stop: CancellationToken, answer: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Result<Response<Body>, ConnectionDropped>> + Send + 'static,
{
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let socket = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                // Out of file descriptors, most likely: others may close theirs.
                Err(error) => {
                    tracing::warn!(%error, "A connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        // Small replies must not wait for acknowledgements of others.
        let _ = socket.set_nodelay(true);
        let (transport, answer) = (transport.clone(), answer.clone());
        connections.spawn(async move {
            match transport {
                Transport::Plain => converse(socket, None, answer).await,
                Transport::Tls(identity) => {
                    let handshake = TlsAcceptor::from(Arc::clone(&identity.config)).accept(socket);
                    match tokio::time::timeout(HANDSHAKE, handshake).await {
                        Ok(Ok(socket)) => {
                            let peer = identity.clients.peer(socket.get_ref().1.peer_certificates());
                            converse(socket, peer, answer).await;
                        }
                        Ok(Err(error)) => tracing::debug!(%error, "A client could not agree on TLS"),
                        Err(_) => tracing::debug!("A client took too long to agree on TLS"),
                    }
                }
            }
        });
    }
}

async fn converse<S, F, R>(socket: S, peer: Option<Peer>, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Result<Response<Body>, ConnectionDropped>> + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        if let Some(peer) = &peer {
            request.extensions_mut().insert(peer.clone());
        }
        answer(request)
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(socket), service).await {
        tracing::debug!(error, "A connection ended early");
    }
}

/// One context of a kubeconfig.
struct Entry {
    name: String,
    path: String,
    user: String,
    token: Option<String>,
}

fn kubeconfig(address: SocketAddr, path: &str, transport: &Transport, token: Option<&str>) -> String {
    let entry = Entry {
        name: "bowline".to_owned(),
        path: path.to_owned(),
        user: "admin".to_owned(),
        token: token.map(str::to_owned),
    };
    kubeconfig_of(address, transport, &[entry])
}

/// Returns the URL of a server, without a path.
fn base_url(address: SocketAddr, transport: &Transport) -> String {
    // A server that listens everywhere is reached at home.
    let host = match address.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    let scheme = match transport {
        Transport::Plain => "http",
        Transport::Tls(_) => "https",
    };
    format!("{scheme}://{host}:{}", address.port())
}

fn kubeconfig_of(address: SocketAddr, transport: &Transport, entries: &[Entry]) -> String {
    let url = base_url(address, transport);
    let authority = match transport {
        Transport::Plain => String::new(),
        Transport::Tls(identity) => {
            format!("    certificate-authority-data: {}\n", STANDARD.encode(identity.ca_pem()))
        }
    };
    let mut out = String::from("apiVersion: v1\nkind: Config\nclusters:\n");
    for Entry { name, path, .. } in entries {
        let _ = write!(out, "- name: {name}\n  cluster:\n    server: {url}{path}\n{authority}");
    }
    out.push_str("users:\n");
    for Entry { user, token, .. } in entries {
        // Without any credentials kubectl asks its user for some; a cluster without a token takes whatever it is given.
        let token = serde_json::Value::from(token.as_deref().unwrap_or("anonymous"));
        let _ = write!(out, "- name: {user}\n  user:\n    token: {token}\n");
    }
    out.push_str("contexts:\n");
    for Entry { name, user, .. } in entries {
        let _ = write!(out, "- name: {name}\n  context:\n    cluster: {name}\n    user: {user}\n");
    }
    if let Some(first) = entries.first() {
        let _ = writeln!(out, "current-context: {}", first.name);
    }
    out
}
