//! A certificate authority: the one whose certificates the servers of an identity trust, or a cluster's own.
//!
//! Certificates are made as the signers of kube-controller-manager make them
//! (k8s: `pkg/controller/certificates/authority`): the names and the key are the request's, all else the signer's.

mod der;
mod request;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
    SigningKey as _,
};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

pub(crate) use request::{Request, mistake_in_signature};

/// How far back a certificate's life begins, for clocks that are behind.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// Lives shorter than this are not shortened by what they begin earlier.
const SHORT: SignedDuration = SignedDuration::from_hours(8);

/// How long a certificate lives at most, and when nobody asks for less.
const LONGEST: SignedDuration = SignedDuration::from_hours(8760);

/// How long it lives at least.
const SHORTEST: SignedDuration = SignedDuration::from_mins(10);

/// The bits of the key usages, the first being the highest.
const KEY_USAGES: [(&str, u16); 10] = [
    ("cert sign", 1 << 10),
    ("content commitment", 1 << 14),
    ("crl sign", 1 << 9),
    ("data encipherment", 1 << 12),
    ("decipher only", 1 << 7),
    ("digital signature", 1 << 15),
    ("encipher only", 1 << 8),
    ("key agreement", 1 << 11),
    ("key encipherment", 1 << 13),
    ("signing", 1 << 15),
];

/// The identifiers of the extended usages, in the order in which Go writes them.
const EXTENDED_USAGES: [(&str, &[u32]); 13] = [
    ("any", &[2, 5, 29, 37, 0]),
    ("server auth", &[1, 3, 6, 1, 5, 5, 7, 3, 1]),
    ("client auth", &[1, 3, 6, 1, 5, 5, 7, 3, 2]),
    ("code signing", &[1, 3, 6, 1, 5, 5, 7, 3, 3]),
    ("email protection", &[1, 3, 6, 1, 5, 5, 7, 3, 4]),
    ("s/mime", &[1, 3, 6, 1, 5, 5, 7, 3, 4]),
    ("ipsec end system", &[1, 3, 6, 1, 5, 5, 7, 3, 5]),
    ("ipsec tunnel", &[1, 3, 6, 1, 5, 5, 7, 3, 6]),
    ("ipsec user", &[1, 3, 6, 1, 5, 5, 7, 3, 7]),
    ("timestamping", &[1, 3, 6, 1, 5, 5, 7, 3, 8]),
    ("ocsp signing", &[1, 3, 6, 1, 5, 5, 7, 3, 9]),
    ("microsoft sgc", &[1, 3, 6, 1, 4, 1, 311, 10, 3, 3]),
    ("netscape sgc", &[2, 16, 840, 1, 113_730, 4, 1]),
];

/// A certificate and the key to sign others with.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(•••)")
    }
}

/// An authority as a snapshot keeps it, in PEM.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    certificate: String,
    key: String,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(•••)")
    }
}

fn own_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "bowline-apiserver-ca");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

impl Authority {
    /// Makes an authority with a new key.
    pub(crate) fn generate() -> Result<Self, rcgen::Error> {
        let (params, key) = (own_params()?, KeyPair::generate()?);
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// Returns what [`Authority::restore`] makes the same authority of.
    pub(crate) fn keep(&self) -> Kept {
        Kept { certificate: self.pem(), key: self.issuer.key().serialize_pem() }
    }

    /// Makes an authority out of what was kept of it; `None` when that is damaged.
    pub(crate) fn restore(kept: &Kept) -> Option<Self> {
        let key = KeyPair::from_pem(&kept.key).ok()?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(kept.certificate.as_bytes()).ok()?;
        {
            let (_, certificate) = X509Certificate::from_der(&pem.contents).ok()?;
            if certificate.public_key().subject_public_key.data != key.der_bytes() {
                return None;
            }
        }
        Some(Self { certificate: pem.contents.into(), issuer: Issuer::new(own_params().ok()?, key) })
    }

    /// Returns the certificate.
    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Returns the certificate as clients read it.
    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// Returns who signs, for certificates that are not asked for by a request.
    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Makes the certificate that a request asks for, in PEM; `None` when a usage is unknown or the authority is at its end.
    pub(crate) fn sign(
        &self,
        request: &Request,
        usages: &[String],
        expiration_secs: Option<i64>,
        now: Timestamp,
    ) -> Option<String> {
        let (_, own) = X509Certificate::from_der(&self.certificate).ok()?;
        let life = expiration_secs.map_or(LONGEST, SignedDuration::from_secs).clamp(SHORTEST, LONGEST);
        let begin = now.checked_sub(BACKDATE).ok()?;
        let end = now.checked_add(if life < SHORT { life } else { life - BACKDATE }).ok()?;
        let last = Timestamp::from_second(own.validity().not_after.timestamp()).unwrap_or(Timestamp::MAX);
        if now >= last {
            return None;
        }
        let algorithm = der::sequence(&[&der::oid(&[1, 2, 840, 10045, 4, 3, 2])]);
        let mut serial = Sha256::digest([&request.public_key[..], now.to_string().as_bytes()].concat());
        serial[0] &= 0x7f;
        let key_id = own.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        let contents = der::sequence(&[
            &der::tagged(0xa0, &der::integer(&[2])),
            &der::integer(&serial[..16]),
            &algorithm,
            own.subject().as_raw(),
            &der::sequence(&[&der::time(begin), &der::time(end.min(last))]),
            &request.subject,
            &request.public_key,
            &der::tagged(0xa3, &extensions(request, usages, key_id.as_deref())?),
        ]);
        let signature = self.issuer.key().sign(&contents).ok()?;
        Some(pem("CERTIFICATE", &der::sequence(&[&contents, &algorithm, &der::bits(&signature)])))
    }
}

fn extensions(request: &Request, usages: &[String], key_id: Option<&[u8]>) -> Option<Vec<u8>> {
    let known = |usage: &String| {
        KEY_USAGES.iter().any(|(name, _)| name == usage) || EXTENDED_USAGES.iter().any(|(name, _)| name == usage)
    };
    if !usages.iter().all(known) {
        return None;
    }
    let extension = |last: u32, critical: bool, value: &[u8]| {
        let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
        der::sequence(&[&der::oid(&[2, 5, 29, last]), critical, &der::octets(value)])
    };
    let mut all = Vec::new();
    let named = |name: &str| usages.iter().any(|usage| usage == name);
    let bits = KEY_USAGES.iter().filter(|(name, _)| named(name)).fold(0, |bits, (_, bit)| bits | bit);
    if bits != 0 {
        all.push(extension(15, true, &der::named_bits(bits)));
    }
    let mut extended: Vec<Vec<u8>> =
        EXTENDED_USAGES.iter().filter(|(name, _)| named(name)).map(|(_, arcs)| der::oid(arcs)).collect();
    extended.dedup();
    if !extended.is_empty() {
        all.push(extension(37, false, &der::tagged(0x30, &extended.concat())));
    }
    all.push(extension(19, true, &der::sequence(&[])));
    if let Some(id) = key_id {
        all.push(extension(35, false, &der::sequence(&[&der::tagged(0x80, id)])));
    }
    if let Some(names) = &request.alternative_names {
        // A subject that says nothing leaves it all to the names.
        all.push(extension(17, request.subject == [0x30, 0], names));
    }
    Some(der::tagged(0x30, &all.concat()))
}

/// Spells bytes as PEM.
fn pem(label: &str, bytes: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(names: &[String], organizations: &str) -> Vec<u8> {
        let mut params = CertificateParams::new(names.to_vec()).expect("the names are good");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, organizations);
        params.distinguished_name.push(DnType::CommonName, "ann");
        let key = KeyPair::generate().expect("a key");
        params.serialize_request(&key).expect("a request").pem().expect("PEM").into_bytes()
    }

    fn usages(all: &[&str]) -> Vec<String> {
        all.iter().map(|usage| (*usage).to_owned()).collect()
    }

    #[test]
    fn a_request_becomes_a_certificate() {
        let authority = Authority::generate().expect("an authority");
        let read =
            Request::from_pem(&request(&["a.example".to_owned(), "10.0.0.1".to_owned()], "dev")).expect("it is read");
        assert_eq!((read.common_name.as_str(), read.dns_names, read.addresses, read.uris), ("ann", 1, 1, 0));
        assert_eq!(read.organizations, ["dev"]);
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let asked = usages(&["client auth", "digital signature", "key encipherment"]);
        let made = authority.sign(&read, &asked, Some(3600), now).expect("it is signed");
        let (_, made) = x509_parser::pem::parse_x509_pem(made.as_bytes()).expect("PEM");
        let made = made.parse_x509().expect("a certificate");
        assert_eq!(made.subject().to_string(), "O=dev, CN=ann");
        assert_eq!(made.issuer().to_string(), "CN=bowline-apiserver-ca");
        let life = (made.validity().not_before.timestamp(), made.validity().not_after.timestamp());
        assert_eq!(life, (now.as_second() - 300, now.as_second() + 3600));
        let usage = made.key_usage().expect("well-formed").expect("it is there").value;
        assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
        let extended = made.extended_key_usage().expect("well-formed").expect("it is there").value;
        assert!(extended.client_auth && !extended.server_auth);
        assert!(!made.is_ca());
        let names = made.subject_alternative_name().expect("well-formed").expect("it is there").value;
        assert_eq!(names.general_names.len(), 2);
        assert_eq!(authority.sign(&read, &usages(&["tea"]), None, now), None);
        let year = authority.sign(&read, &asked, None, now).expect("it is signed");
        let (_, year) = x509_parser::pem::parse_x509_pem(year.as_bytes()).expect("PEM");
        let end = year.parse_x509().expect("a certificate").validity().not_after.timestamp();
        assert_eq!(end, now.as_second() + 8760 * 3600 - 300);
    }

    #[test]
    fn an_authority_that_was_kept_is_the_same() {
        let authority = Authority::generate().expect("an authority");
        let mut kept = authority.keep();
        let again = Authority::restore(&kept).expect("it is whole");
        assert_eq!(again.pem(), authority.pem());
        kept.key = KeyPair::generate().expect("a key").serialize_pem();
        assert!(Authority::restore(&kept).is_none(), "the key is another's");
    }

    #[test]
    fn a_request_that_another_key_signed_is_told() {
        let wrong = |pem: &[u8], change: bool| {
            let (_, pem) = x509_parser::pem::parse_x509_pem(pem).expect("PEM");
            let mut der = pem.contents;
            if change {
                let at = der.windows(3).position(|part| part == b"dev").expect("the group is there");
                der[at] = b'D';
            }
            let (_, request) =
                x509_parser::certification_request::X509CertificationRequest::from_der(&der).expect("DER");
            mistake_in_signature(&request)
        };
        let pem = request(&[], "dev");
        assert_eq!(wrong(&pem, false), None);
        assert_eq!(wrong(&pem, true), Some("x509: ECDSA verification failure"));
    }
}
