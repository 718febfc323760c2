//! Private keys.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as Rsa, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256,
};

use super::der::{self, INTEGER, OCTETS, OID, SEQUENCE, bits, children, element, nested, pem};

const RSA_OID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const EC_OID: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[0x2b, 0x81, 4, 0, 34];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A private key that certificates can be made with.
pub(super) struct Key {
    pair: Pair,
    /// As it is shown: the label and the bytes of its PEM.
    shown: (&'static str, Vec<u8>),
}

enum Pair {
    Rsa(Box<Rsa>),
    Ec(Box<EcdsaKeyPair>, &'static [u8]),
    Ed25519(Box<Ed25519KeyPair>),
}

fn null() -> Vec<u8> {
    element(5, &[])
}

fn oid(bytes: &[u8]) -> Vec<u8> {
    element(OID, bytes)
}

/// Wraps a key as PKCS #8 does.
fn pkcs8(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    nested(SEQUENCE, &[&element(INTEGER, &[0]), &element(SEQUENCE, algorithm), &element(OCTETS, key)])
}

impl Key {
    /// Makes an RSA key.
    pub(super) fn rsa(size: KeySize) -> Option<Self> {
        let pair = Rsa::generate(size).ok()?;
        let wrapped = pair.as_der().ok()?;
        let inner = inner_key(wrapped.as_ref())?;
        Some(Self { shown: ("RSA PRIVATE KEY", inner), pair: Pair::Rsa(Box::new(pair)) })
    }

    /// Makes a key on the curve P-256.
    pub(super) fn ec() -> Option<Self> {
        let random = SystemRandom::new();
        let wrapped = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).ok()?;
        Self::from_ec(wrapped.as_ref(), P256)
    }

    fn from_ec(wrapped: &[u8], curve: &'static [u8]) -> Option<Self> {
        let algorithm = if curve == P256 { &ECDSA_P256_SHA256_ASN1_SIGNING } else { &ECDSA_P384_SHA384_ASN1_SIGNING };
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, wrapped).ok()?;
        let inner = inner_key(wrapped)?;
        let parts = children(der::read(&inner)?.content)?;
        let secret = parts.get(1)?.content;
        let shown = nested(
            SEQUENCE,
            &[
                &element(INTEGER, &[1]),
                &element(OCTETS, secret),
                &element(0xa0, &oid(curve)),
                &element(0xa1, &bits(pair.public_key().as_ref())),
            ],
        );
        Some(Self { pair: Pair::Ec(Box::new(pair), curve), shown: ("EC PRIVATE KEY", shown) })
    }

    /// Makes an Ed25519 key.
    pub(super) fn ed25519() -> Option<Self> {
        let pair = Ed25519KeyPair::generate().ok()?;
        let shown = pair.to_pkcs8v1().ok()?.as_ref().to_vec();
        Some(Self { pair: Pair::Ed25519(Box::new(pair)), shown: ("PRIVATE KEY", shown) })
    }

    /// Reads a key; the error is sprig's.
    pub(super) fn from_pem(text: &[u8]) -> Result<Self, String> {
        let Some((label, bytes)) = der::from_pem(text) else { return Err("no PEM data in input".to_owned()) };
        if label == "PRIVATE KEY" {
            return Self::from_pkcs8(&bytes)
                .ok_or_else(|| "decoding PEM as PKCS#8: asn1: structure error: not a supported key".to_owned());
        }
        let Some(kind) = label.strip_suffix(" PRIVATE KEY") else {
            return Err(format!("no private key data in PEM block of type {label}"));
        };
        let unread = |kind: &str| format!("parsing {kind} private key from PEM: asn1: structure error: not a key");
        match kind {
            "RSA" => {
                let pair = Rsa::from_der(&bytes).map_err(|_| unread("RSA"))?;
                Ok(Self { pair: Pair::Rsa(Box::new(pair)), shown: ("RSA PRIVATE KEY", bytes) })
            }
            "EC" => {
                let curve = if bytes.windows(P384.len()).any(|some| some == P384) { P384 } else { P256 };
                let wrapped = pkcs8(&[oid(EC_OID), oid(curve)].concat(), &bytes);
                Self::from_ec(&wrapped, curve).ok_or_else(|| unread("EC"))
            }
            "DSA" => Err("parsing DSA private key from PEM: DSA keys are not supported".to_owned()),
            other => Err(format!("invalid private key type {other}")),
        }
    }

    fn from_pkcs8(bytes: &[u8]) -> Option<Self> {
        let parts = children(der::read(bytes)?.content)?;
        let algorithm = children(parts.get(1)?.content)?;
        match algorithm.first()?.content {
            RSA_OID => {
                let pair = Rsa::from_pkcs8(bytes).ok()?;
                Some(Self { shown: ("RSA PRIVATE KEY", inner_key(bytes)?), pair: Pair::Rsa(Box::new(pair)) })
            }
            EC_OID => Self::from_ec(bytes, if algorithm.get(1)?.content == P384 { P384 } else { P256 }),
            ED25519 => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).ok()?;
                Some(Self { pair: Pair::Ed25519(Box::new(pair)), shown: ("PRIVATE KEY", bytes.to_vec()) })
            }
            _ => None,
        }
    }

    pub(super) fn to_pem(&self) -> String {
        pem(self.shown.0, &self.shown.1)
    }

    /// Returns the algorithm that signatures of this key name.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(_) => nested(SEQUENCE, &[&oid(RSA_SHA256), &null()]),
            Pair::Ec(_, curve) => element(SEQUENCE, &oid(if *curve == P256 { ECDSA_SHA256 } else { ECDSA_SHA384 })),
            Pair::Ed25519(_) => element(SEQUENCE, &oid(ED25519)),
        }
    }

    /// Returns the public key, as certificates hold it.
    pub(super) fn public_info(&self) -> Vec<u8> {
        let (algorithm, key) = match &self.pair {
            Pair::Rsa(pair) => ([oid(RSA_OID), null()].concat(), pair.public_key().as_ref().to_vec()),
            Pair::Ec(pair, curve) => ([oid(EC_OID), oid(curve)].concat(), pair.public_key().as_ref().to_vec()),
            Pair::Ed25519(pair) => (oid(ED25519), pair.public_key().as_ref().to_vec()),
        };
        nested(SEQUENCE, &[&element(SEQUENCE, &algorithm), &bits(&key)])
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ec(pair, _) => pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// Returns the key within PKCS #8.
fn inner_key(wrapped: &[u8]) -> Option<Vec<u8>> {
    Some(children(der::read(wrapped)?.content)?.get(2)?.content.to_vec())
}
