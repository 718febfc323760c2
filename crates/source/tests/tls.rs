//! Git over HTTPS: whose certificates are trusted, and which are shown.

mod support;

use std::sync::Arc;

use bowline_model::{Explain as _, Reason, Remote, Secret, Wanted};
use bowline_source::SourceError;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use support::http::{Rules, Server};
use support::web::{Page, Web};
use support::{Hub, INTERVAL, Repo, TIMEOUT, branch, git_server};
use tokio_rustls::TlsAcceptor;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }
}

impl Authority {
    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        (params.signed_by(&key, &self.0).expect("signed"), key)
    }

    fn acceptor(&self, name: &str, clients: Option<&Self>) -> TlsAcceptor {
        let (certificate, key) = self.sign(name);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().expect("versions");
        let builder = match clients {
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.0.der().clone()).expect("a root");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier"))
            }
            None => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = builder.with_single_cert(vec![certificate.der().clone()], key).expect("a configuration");
        TlsAcceptor::from(Arc::new(config))
    }
}

#[tokio::test]
async fn a_server_is_trusted_through_the_given_authority_alone() {
    let Some(backend) = git_server() else { return };
    let (repo, hub, authority) = (Repo::default(), Hub::default(), Authority::default());
    repo.commit("main", &[("a", "1")]);
    let rules = Rules { tls: Some(authority.acceptor("localhost", None)), ..Rules::default() };
    let server = Server::start(&backend, repo.dir.path(), rules).await;
    let mut remote = Remote::new(server.url("repo.git"));

    let error = hub.fails(&remote, branch("main")).await;
    assert!(matches!(*error, SourceError::Tls { .. }), "{error:?}");
    assert_eq!((error.reason(), error.is_transient()), (Reason::Unreachable, false));

    remote.credentials.ca = Some(Authority::default().0.pem());
    let error = hub.fails(&remote, branch("main")).await;
    assert!(matches!(*error, SourceError::Tls { .. }), "{error:?}");

    remote.credentials.ca = Some("nonsense".into());
    let error = hub.fails(&remote, branch("main")).await;
    assert!(matches!(*error, SourceError::InvalidCredentials { what: "CA certificate", .. }), "{error:?}");

    remote.credentials.ca = Some(authority.0.pem());
    hub.check(&remote, branch("main")).await.outcome.expect("resolves");

    remote.credentials.ca = None;
    remote.credentials.insecure = true;
    hub.check(&remote, branch("main")).await.outcome.expect("resolves");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let Some(backend) = git_server() else { return };
    let (repo, hub, authority) = (Repo::default(), Hub::default(), Authority::default());
    repo.commit("main", &[("a", "1")]);
    let rules = Rules { tls: Some(authority.acceptor("elsewhere.example", None)), ..Rules::default() };
    let server = Server::start(&backend, repo.dir.path(), rules).await;
    let mut remote = Remote::new(server.url("repo.git"));
    remote.credentials.ca = Some(authority.0.pem());
    let error = hub.fails(&remote, branch("main")).await;
    assert!(matches!(*error, SourceError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let Some(backend) = git_server() else { return };
    let (repo, hub) = (Repo::default(), Hub::default());
    let (authority, clients) = (Authority::default(), Authority::default());
    repo.commit("main", &[("a", "1")]);
    let rules = Rules { tls: Some(authority.acceptor("localhost", Some(&clients))), ..Rules::default() };
    let server = Server::start(&backend, repo.dir.path(), rules).await;
    let mut remote = Remote::new(server.url("repo.git"));
    remote.credentials.ca = Some(authority.0.pem());
    hub.fails(&remote, branch("main")).await;

    let (certificate, key) = clients.sign("a client");
    let key = Secret::new(key.serialize_pem());
    remote.credentials.client_certificate = Some(certificate.pem());
    remote.credentials.client_key = Some(key);
    hub.check(&remote, branch("main")).await.outcome.expect("resolves");
}

#[tokio::test]
async fn repositories_of_charts_are_trusted_and_shown_certificates_alike() {
    let (hub, authority, clients) = (Hub::default(), Authority::default(), Authority::default());
    let web = Web::start_with(Some(authority.acceptor("localhost", Some(&clients)))).await;
    let index = "apiVersion: v1\nentries: {shop: [{name: shop, version: 1.0.0, urls: [a.tgz]}]}";
    web.put("/index.yaml", Page::of(index));
    web.put("/a.tgz", Page::of("archive"));
    let wanted = Wanted::Chart { name: "shop".into(), version: String::new() };
    let mut remote = Remote::new(web.url(""));
    let look = async |remote: &Remote| hub.sources.subscribe(remote, &wanted, INTERVAL, TIMEOUT).fresh().await.outcome;
    let error = look(&remote).await.expect_err("fails");
    assert!(matches!(*error, SourceError::Tls { .. }), "{error}");
    remote.credentials.ca = Some(authority.0.pem());
    look(&remote).await.expect_err("fails without a certificate");
    let (certificate, key) = clients.sign("me");
    remote.credentials.client_certificate = Some(certificate.pem());
    remote.credentials.client_key = Some(Secret::new(key.serialize_pem()));
    look(&remote).await.expect("resolves");
}
