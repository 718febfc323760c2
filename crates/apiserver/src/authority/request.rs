//! What a certificate request asks for, and whether it is signed with the key it names.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::Oid;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;

/// A request, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) common_name: String,
    pub(crate) organizations: Vec<String>,
    /// How many alternative names it has of each kind.
    pub(crate) dns_names: usize,
    pub(crate) emails: usize,
    pub(crate) addresses: usize,
    pub(crate) uris: usize,
    /// The parts that go into the certificate as they are.
    pub(super) subject: Vec<u8>,
    pub(super) public_key: Vec<u8>,
    pub(super) alternative_names: Option<Vec<u8>>,
}

impl Request {
    /// Reads a request from PEM.
    pub(crate) fn from_pem(pem: &[u8]) -> Option<Self> {
        let (_, pem) = parse_x509_pem(pem).ok()?;
        if pem.label != "CERTIFICATE REQUEST" {
            return None;
        }
        let (_, request) = X509CertificationRequest::from_der(&pem.contents).ok()?;
        let info = &request.certification_request_info;
        let name = info.subject.iter_common_name().last().and_then(|name| name.as_str().ok());
        let organizations = info.subject.iter_organization().filter_map(|name| name.as_str().ok());
        let mut read = Self {
            common_name: name.unwrap_or_default().to_owned(),
            organizations: organizations.map(str::to_owned).collect(),
            dns_names: 0,
            emails: 0,
            addresses: 0,
            uris: 0,
            subject: info.subject.as_raw().to_vec(),
            public_key: info.subject_pki.raw.to_vec(),
            alternative_names: None,
        };
        for attribute in info.iter_attributes() {
            let ParsedCriAttribute::ExtensionRequest(asked) = attribute.parsed_attribute() else { continue };
            for extension in &asked.extensions {
                let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else { continue };
                read.alternative_names = Some(extension.value.to_vec());
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(_) => read.dns_names += 1,
                        GeneralName::RFC822Name(_) => read.emails += 1,
                        GeneralName::IPAddress(_) => read.addresses += 1,
                        GeneralName::URI(_) => read.uris += 1,
                        _ => {}
                    }
                }
            }
        }
        Some(read)
    }
}

/// The algorithms of one kind by the curve of the key, where that matters.
type Choices = &'static [(&'static str, &'static dyn VerificationAlgorithm)];

/// The algorithms by which requests are signed, with what Go says of a signature that does not fit.
const ALGORITHMS: [(&str, Choices, &str); 8] = [
    (
        "1.2.840.10045.4.3.2",
        &[
            ("1.2.840.10045.3.1.7", &signature::ECDSA_P256_SHA256_ASN1),
            ("1.3.132.0.34", &signature::ECDSA_P384_SHA256_ASN1),
            ("1.3.132.0.35", &signature::ECDSA_P521_SHA256_ASN1),
        ],
        "x509: ECDSA verification failure",
    ),
    (
        "1.2.840.10045.4.3.3",
        &[
            ("1.2.840.10045.3.1.7", &signature::ECDSA_P256_SHA384_ASN1),
            ("1.3.132.0.34", &signature::ECDSA_P384_SHA384_ASN1),
            ("1.3.132.0.35", &signature::ECDSA_P521_SHA384_ASN1),
        ],
        "x509: ECDSA verification failure",
    ),
    (
        "1.2.840.10045.4.3.4",
        &[("1.3.132.0.35", &signature::ECDSA_P521_SHA512_ASN1)],
        "x509: ECDSA verification failure",
    ),
    ("1.2.840.113549.1.1.11", &[("", &signature::RSA_PKCS1_2048_8192_SHA256)], "crypto/rsa: verification error"),
    ("1.2.840.113549.1.1.12", &[("", &signature::RSA_PKCS1_2048_8192_SHA384)], "crypto/rsa: verification error"),
    ("1.2.840.113549.1.1.13", &[("", &signature::RSA_PKCS1_2048_8192_SHA512)], "crypto/rsa: verification error"),
    ("1.2.840.113549.1.1.10", &[("", &signature::RSA_PSS_2048_8192_SHA256)], "crypto/rsa: verification error"),
    ("1.3.101.112", &[("", &signature::ED25519)], "x509: Ed25519 verification failure"),
];

/// Returns what is wrong with a request's signature; one of a kind that is not known here is believed.
pub(crate) fn mistake_in_signature(request: &X509CertificationRequest<'_>) -> Option<&'static str> {
    let key = &request.certification_request_info.subject_pki;
    let by = request.signature_algorithm.algorithm.to_id_string();
    let curve = key.algorithm.parameters.as_ref().and_then(|curve| Oid::try_from(curve).ok());
    let curve = curve.map(|curve| curve.to_id_string()).unwrap_or_default();
    let (_, choices, why) = ALGORITHMS.iter().find(|(id, ..)| *id == by)?;
    let (_, algorithm) = choices.iter().find(|(id, _)| id.is_empty() || *id == curve)?;
    let signer = UnparsedPublicKey::new(*algorithm, &key.subject_public_key.data);
    let fits = signer.verify(request.certification_request_info.raw, &request.signature_value.data);
    fits.is_err().then_some(why)
}
