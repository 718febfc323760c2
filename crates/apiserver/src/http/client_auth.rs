//! Client certificates: asked for, never demanded, and told to who answers the request.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::auth::{Peer, User};

/// Takes any certificate whose key its sender has, as Go's `RequestClientCert`: whether it is worth something is found out
/// request by request, so that a wrong one is answered 401 and not by the end of the connection.
#[derive(Debug)]
pub(super) struct ClientAuth {
    authority: Arc<dyn ClientCertVerifier>,
}

impl ClientAuth {
    /// Trusts one authority.
    pub(super) fn of(
        authority: CertificateDer<'static>,
        provider: &Arc<rustls::crypto::CryptoProvider>,
    ) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(authority)?;
        let authority = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { authority })
    }

    /// Returns who is at the other end; `None` when no certificate was shown, or one that names nobody.
    pub(super) fn peer(&self, shown: Option<&[CertificateDer<'_>]>) -> Option<Peer> {
        let (own, rest) = shown?.split_first()?;
        if self.authority.verify_client_cert(own, rest, UnixTime::now()).is_err() {
            return Some(Peer::Doubtful);
        }
        let (_, certificate) = X509Certificate::from_der(own).ok()?;
        let subject = certificate.subject();
        let name = subject.iter_common_name().next()?.as_str().ok()?;
        let groups = subject.iter_organization().filter_map(|group| group.as_str().ok());
        let mut user = User::new(name).in_groups(groups);
        let digest = hex::encode(Sha256::digest(own));
        user.extra
            .insert("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("X509SHA256={digest}")]);
        (!name.is_empty()).then(|| Peer::Known(Box::new(user)))
    }
}

impl ClientCertVerifier for ClientAuth {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authority.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authority.supported_verify_schemes()
    }
}
