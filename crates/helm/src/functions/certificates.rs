//! Certificates, of the form in which Go makes them.

use std::borrow::Cow;
use std::net::IpAddr;

use aws_lc_rs::rsa::KeySize;
use bowline_gotmpl::{Context, Field, FuncError, Function, Object, Shape, Type, Value, sprint};
use sha2::Digest as _;

use super::args::{Gives, STRING, fail, int, string, text};
use super::der::{self, OCTETS, OID, SEQUENCE, SET, bits, children, element, nested, pem, unsigned};
use super::encoding::base64_decoded;
use super::host::host;
use super::keys::Key;
use super::layout::Civil;

const C: Type = Type::Host("sprig.certificate");
const L: Type = Type::LIST;
const N: Type = Type::INT;

pub(super) static TABLE: [Function; 8] = [
    Function::new("buildCustomCert", &[STRING, STRING], C, build),
    Function::new("genCA", &[STRING, N], C, |ctx, args| authority(ctx, args, None)),
    Function::new("genCAWithKey", &[STRING, N, STRING], C, |ctx, args| {
        let key = given_key(&args[2])?;
        authority(ctx, args, Some(key))
    }),
    Function::new("genPrivateKey", &[STRING], STRING, |ctx, args| {
        // The keys come from the library's own source of chance; that they differ each time is noted all the same.
        host(ctx).used.random = true;
        let kind = text(&args[0]);
        let key = match &kind[..] {
            b"" | b"rsa" => Key::rsa(KeySize::Rsa4096),
            b"ecdsa" => Key::ec(),
            b"ed25519" => Key::ed25519(),
            b"dsa" => return string("failed to generate dsa params: DSA keys are not supported"),
            _ => return string(format!("Unknown type {}", kind.to_text())),
        };
        string(key.map_or_else(|| "failed to generate private key".to_owned(), |key| key.to_pem()))
    }),
    Function::new("genSelfSignedCert", &[STRING, L, L, N], C, |ctx, args| self_signed(ctx, args, None)),
    Function::new("genSelfSignedCertWithKey", &[STRING, L, L, N, STRING], C, |ctx, args| {
        let key = given_key(&args[4])?;
        self_signed(ctx, args, Some(key))
    }),
    Function::new("genSignedCert", &[STRING, L, L, N, C], C, |ctx, args| signed(ctx, args, None)),
    Function::new("genSignedCertWithKey", &[STRING, L, L, N, C, STRING], C, |ctx, args| {
        let key = given_key(&args[5])?;
        signed(ctx, args, Some(key))
    }),
];

/// A certificate with its key, as templates have it.
struct Certificate {
    cert: String,
    key: String,
}

impl Object for Certificate {
    fn type_name(&self) -> Cow<'_, str> {
        "sprig.certificate".into()
    }

    fn shape(&self) -> Shape {
        let field = |name, text: &str| Field { name, ty: Type::String, value: Value::str(text) };
        Shape::Struct(vec![field("Cert", &self.cert), field("Key", &self.key)])
    }

    fn is_comparable(&self) -> bool {
        true
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

/// What is to be certified.
struct Subject {
    name: Vec<u8>,
    ips: Vec<IpAddr>,
    dns: Vec<Vec<u8>>,
    days: i64,
    is_authority: bool,
}

/// Who certifies.
struct Issuer {
    key: Option<Key>,
    name: Vec<u8>,
    key_id: Option<Vec<u8>>,
}

fn given_key(value: &Value) -> Result<Key, FuncError> {
    Key::from_pem(&text(value)).map_err(|error| FuncError::new(format!("parsing private key: {error}")))
}

fn new_key(ctx: &mut Context<'_, '_>) -> Result<Key, FuncError> {
    ctx.charge(NEW_KEY)?;
    host(ctx).used.random = true;
    Key::rsa(KeySize::Rsa2048).ok_or_else(|| FuncError::new("error generating rsa key"))
}

/// A new key takes as long as so many steps.
const NEW_KEY: u64 = 500_000;

fn subject(args: &[Value]) -> Result<Subject, FuncError> {
    let mut ips = Vec::new();
    for ip in args[1].as_list().into_iter().flat_map(|list| list.iter()) {
        let Some(text) = ip.as_str() else {
            return fail(format!("error parsing ip: {} is not a string", sprint(std::slice::from_ref(ip)).to_text()));
        };
        match text.to_text().parse() {
            Ok(ip) => ips.push(ip),
            Err(_) => return fail(format!("error parsing ip: {}", text.to_text())),
        }
    }
    let mut dns = Vec::new();
    for name in args[2].as_list().into_iter().flat_map(|list| list.iter()) {
        let Some(text) = name.as_str() else {
            let shown = sprint(std::slice::from_ref(name));
            return fail(format!("error processing alternate dns name: {} is not a string", shown.to_text()));
        };
        dns.push(text.to_vec());
    }
    Ok(Subject { name: text(&args[0]).to_vec(), ips, dns, days: int(&args[3]), is_authority: false })
}

fn authority(ctx: &mut Context<'_, '_>, args: &[Value], key: Option<Key>) -> Gives {
    let key = match key {
        Some(key) => key,
        None => new_key(ctx)?,
    };
    let name = text(&args[0]).to_vec();
    let subject = Subject { name, ips: Vec::new(), dns: Vec::new(), days: int(&args[1]), is_authority: true };
    let issuer = Issuer { key: None, name: common_name(&subject.name), key_id: None };
    certify(ctx, &subject, &key, &issuer)
}

fn self_signed(ctx: &mut Context<'_, '_>, args: &[Value], key: Option<Key>) -> Gives {
    let key = match key {
        Some(key) => key,
        None => new_key(ctx)?,
    };
    let subject = subject(args)?;
    let issuer = Issuer { key: None, name: common_name(&subject.name), key_id: None };
    certify(ctx, &subject, &key, &issuer)
}

fn signed(ctx: &mut Context<'_, '_>, args: &[Value], key: Option<Key>) -> Gives {
    let key = match key {
        Some(key) => key,
        None => new_key(ctx)?,
    };
    let authority = match &args[4] {
        Value::Object(object) => object.as_any().and_then(|any| any.downcast_ref::<Certificate>()),
        _ => None,
    };
    let Some((_, bytes)) = authority.and_then(|authority| der::from_pem(authority.cert.as_bytes())) else {
        return fail("unable to decode certificate");
    };
    let Some((name, key_id)) = issuer_of(&bytes) else {
        return fail("error parsing certificate: decodedSignerCert.Bytes: x509: malformed certificate");
    };
    let key_text = authority.map(|authority| authority.key.clone()).unwrap_or_default();
    let issuer_key = Key::from_pem(key_text.as_bytes())
        .map_err(|error| FuncError::new(format!("error parsing private key: {error}")))?;
    let subject = subject(args)?;
    certify(ctx, &subject, &key, &Issuer { key: Some(issuer_key), name, key_id })
}

fn build(_: &mut Context<'_, '_>, args: &mut [Value]) -> Gives {
    let Ok(cert) = base64_decoded(&text(&args[0])) else { return fail("unable to decode base64 certificate") };
    let Ok(key) = base64_decoded(&text(&args[1])) else { return fail("unable to decode base64 private key") };
    let Some((_, bytes)) = der::from_pem(&cert) else { return fail("unable to decode certificate") };
    if issuer_of(&bytes).is_none() {
        return fail("error parsing certificate: decodedCert.Bytes: x509: malformed certificate");
    }
    if let Err(error) = Key::from_pem(&key) {
        return fail(format!("error parsing private key: {error}"));
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Value::object(Certificate { cert: text(cert), key: text(key) }))
}

/// Returns the subject of a certificate, and the id of its key.
fn issuer_of(bytes: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let parts = children(der::read(bytes)?.content)?;
    let parts = children(parts.first()?.content)?;
    // The version comes first, if it is told.
    let first = usize::from(parts.first()?.tag == 0xa0);
    let name = parts.get(first + 4)?.whole.to_vec();
    let extensions = parts.iter().find(|part| part.tag == 0xa3);
    let key_id = extensions.and_then(|extensions| {
        children(der::read(extensions.content)?.content)?.iter().find_map(|extension| {
            let parts = children(extension.content)?;
            (parts.first()?.content == [0x55, 0x1d, 14]).then_some(())?;
            Some(der::read(parts.last()?.content)?.content.to_vec())
        })
    });
    Some((name, key_id))
}

/// Writes a name that has only a common name.
fn common_name(name: &[u8]) -> Vec<u8> {
    if name.is_empty() {
        return element(SEQUENCE, &[]);
    }
    let printable = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(byte));
    let text = element(if printable { 0x13 } else { 0x0c }, name);
    let part = nested(SEQUENCE, &[&element(OID, &[0x55, 4, 3]), &text]);
    nested(SEQUENCE, &[&element(SET, &part)])
}

fn time(secs: i64) -> Vec<u8> {
    let civil = Civil::new(secs, 0, 0, "UTC");
    if (1950..2050).contains(&civil.year) {
        element(0x17, &civil.format(b"060102150405Z"))
    } else {
        element(0x18, &civil.format(b"20060102150405Z"))
    }
}

fn extension(id: u8, critical: bool, content: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    nested(SEQUENCE, &[&element(OID, &[0x55, 0x1d, id]), critical, &element(OCTETS, content)])
}

fn extensions(subject: &Subject, public: &[u8], issuer: &Issuer) -> Vec<u8> {
    const PURPOSE: [u8; 7] = [0x2b, 6, 1, 5, 5, 7, 3];
    let purpose = |number: u8| element(OID, &[&PURPOSE[..], &[number]].concat());
    let usage: &[u8] = if subject.is_authority { &[2, 0xa4] } else { &[5, 0xa0] };
    let mut all = vec![
        extension(15, true, &element(der::BITS, usage)),
        extension(37, false, &nested(SEQUENCE, &[&purpose(1), &purpose(2)])),
        extension(19, true, &element(SEQUENCE, if subject.is_authority { &[1, 1, 0xff] } else { &[] })),
    ];
    // The key's id is the first 160 bits of the hash of its bits.
    let own_id = subject.is_authority.then(|| {
        let key =
            der::read(public).and_then(|info| children(info.content)?.pop().map(|bits| bits.content[1..].to_vec()));
        sha2::Sha256::digest(key.unwrap_or_default())[..20].to_vec()
    });
    if let Some(id) = &own_id {
        all.push(extension(14, false, &element(OCTETS, id)));
    }
    if let Some(id) = &issuer.key_id {
        all.push(extension(35, false, &nested(SEQUENCE, &[&element(0x80, id)])));
    }
    let mut names: Vec<Vec<u8>> = subject.dns.iter().map(|name| element(0x82, name)).collect();
    names.extend(subject.ips.iter().map(|ip| match ip.to_canonical() {
        IpAddr::V4(ip) => element(0x87, &ip.octets()),
        IpAddr::V6(ip) => element(0x87, &ip.octets()),
    }));
    if !names.is_empty() {
        all.push(extension(17, subject.name.is_empty(), &element(SEQUENCE, &names.concat())));
    }
    element(0xa3, &element(SEQUENCE, &all.concat()))
}

fn certify(ctx: &mut Context<'_, '_>, subject: &Subject, key: &Key, issuer: &Issuer) -> Gives {
    let host = host(ctx);
    let mut serial = [0; 16];
    host.fill(&mut serial);
    let (now, _) = host.now();
    let end = now.saturating_add(subject.days.saturating_mul(86_400));
    if end > 253_402_300_799 {
        return fail("error creating certificate: asn1: structure error: cannot represent time as GeneralizedTime");
    }
    let signer = issuer.key.as_ref().unwrap_or(key);
    let public = key.public_info();
    let body = nested(
        SEQUENCE,
        &[
            &element(0xa0, &element(der::INTEGER, &[2])),
            &unsigned(&serial),
            &signer.signature_algorithm(),
            &issuer.name,
            &nested(SEQUENCE, &[&time(now), &time(end)]),
            &common_name(&subject.name),
            &public,
            &extensions(subject, &public, issuer),
        ],
    );
    let Some(signature) = signer.sign(&body) else { return fail("error creating certificate: cannot sign") };
    let whole = nested(SEQUENCE, &[&body, &signer.signature_algorithm(), &bits(&signature)]);
    Ok(Value::object(Certificate { cert: pem("CERTIFICATE", &whole), key: key.to_pem() }))
}
