//! Service-account tokens: signed claims about a service account and, maybe, the object the token dies with.
//!
//! The claims and their checks are those of `pkg/serviceaccount` of Kubernetes; the signature is ES256, with a key each
//! cluster makes for itself when the first token is asked for.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::User;
use super::authn::Known;
use super::rbac::rules::quoted;
use super::user::service_account_name;
use crate::cluster::{Cluster, State};

/// Who signs, and whom tokens are for unless they say otherwise.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc";

/// Who signs the tokens of Secrets.
const SECRET_ISSUER: &str = "kubernetes/serviceaccount";

/// How long a token lives when its wisher does not say.
pub(crate) const DEFAULT_SECS: i64 = 3600;

/// How long the tokens kubelets mount are to live, and how long they do.
const MOUNTED_SECS: i64 = 3607;
const EXTENDED_SECS: i64 = 365 * 24 * 60 * 60;

/// Base64 as Go reads it: bits too many at the end are no mistake.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// How far clocks may be apart.
const LEEWAY_SECS: i64 = 60;

/// What comes before the point of a P-256 public key in its PKIX form: the algorithm, in DER.
const PKIX_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A cluster's signing key, made at first use.
#[derive(Debug, Default)]
pub(crate) struct SigningKey(OnceLock<Option<(EcdsaKeyPair, String)>>);

impl SigningKey {
    fn get(&self) -> Option<&(EcdsaKeyPair, String)> {
        let made = self.0.get_or_init(|| {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
            let id = id_of(&key);
            Some((key, id))
        });
        made.as_ref()
    }

    /// Returns the key in PKCS #8; made now, if need be.
    pub(crate) fn to_pkcs8(&self) -> Option<Vec<u8>> {
        let (key, _) = self.get()?;
        Some(key.to_pkcs8v1().ok()?.as_ref().to_vec())
    }

    /// Takes up an earlier process' key, before any is made; `false` when it is none.
    pub(crate) fn restore(&self, pkcs8: &[u8]) -> bool {
        let Ok(key) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8) else { return false };
        let id = id_of(&key);
        self.0.set(Some((key, id))).is_ok()
    }

    /// Signs claims; `None` when the machine has no randomness to give.
    pub(crate) fn sign(&self, claims: &Value) -> Option<String> {
        let (key, id) = self.get()?;
        let header = json!({ "alg": "ES256", "kid": id });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }

    /// Returns the public key as a JSON web key set.
    pub(crate) fn to_jwks(&self) -> Value {
        let keys: Vec<Value> = (self.get().into_iter())
            .map(|(key, id)| {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(32);
                json!({
                    "use": "sig", "kty": "EC", "kid": id, "crv": "P-256", "alg": "ES256",
                    "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
                })
            })
            .collect();
        json!({ "keys": keys })
    }
}

/// Returns the name of a key: the digest of its public half.
fn id_of(key: &EcdsaKeyPair) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest([&PKIX_PREFIX, key.public_key().as_ref()].concat()))
}

/// What a token dies with; each is a name and a uid.
#[derive(Debug)]
pub(crate) enum Binding {
    /// The account alone.
    None,
    /// A pod, and the node it runs on if it does.
    Pod { pod: (String, String), node: Option<(String, String)> },
    /// A Secret.
    Secret((String, String)),
    /// A node.
    Node((String, String)),
}

/// A token somebody wishes for.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) namespace: &'a str,
    /// Name and uid.
    pub(crate) account: (&'a str, &'a str),
    pub(crate) audiences: Vec<String>,
    pub(crate) secs: i64,
    pub(crate) binding: Binding,
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) now: i64,
}

/// Returns the claims of a token.
pub(crate) fn claims(wish: &Wish<'_>) -> Value {
    let named = |(name, uid): &(String, String)| {
        if uid.is_empty() { json!({ "name": name }) } else { json!({ "name": name, "uid": uid }) }
    };
    let (name, uid) = wish.account;
    let mut private = json!({ "namespace": wish.namespace, "serviceaccount": { "name": name, "uid": uid } });
    let mut until = wish.now + wish.secs;
    match &wish.binding {
        Binding::None => {}
        Binding::Secret(secret) => private["secret"] = named(secret),
        Binding::Node(node) => private["node"] = named(node),
        Binding::Pod { pod, node } => {
            private["pod"] = named(pod);
            if let Some(node) = node {
                private["node"] = named(node);
            }
            // Kubelets ask for this odd number; their pods' clients may be too old to read the token again in time.
            if wish.secs == MOUNTED_SECS && wish.audiences.iter().all(|audience| audience == ISSUER) {
                private["warnafter"] = json!(until);
                until = wish.now + EXTENDED_SECS;
            }
        }
    }
    json!({
        "aud": wish.audiences, "exp": until, "iat": wish.now, "iss": ISSUER, "jti": wish.id,
        "kubernetes.io": private, "nbf": wish.now, "sub": service_account_name(wish.namespace, name),
    })
}

/// Checks a token; `None` when it is no service account's of this server, an error when it is but not good.
pub(super) fn verify(cluster: &Cluster, token: &str, audiences: &[String]) -> Result<Option<Known>, String> {
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { return Ok(None) };
    let Some(claims) = decode(payload).filter(|claims| claims["iss"] == ISSUER || claims["iss"] == SECRET_ISSUER)
    else {
        return Ok(None);
    };
    let (Some(head), Ok(signature)) = (decode(header), LENIENT.decode(signature)) else { return Ok(None) };
    let Some((key, id)) = cluster.signing_key().get() else { return Ok(None) };
    if head["kid"].as_str().is_some_and(|kid| !kid.is_empty() && kid != id) {
        return Err("invalid signature, no keys found".to_owned());
    }
    let signed = &token[..header.len() + 1 + payload.len()];
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref());
    if head["alg"] != "ES256" || public.verify(signed.as_bytes(), &signature).is_err() {
        return Err("go-jose/go-jose: error in cryptographic primitive".to_owned());
    }
    let mut meant_for = match &claims["aud"] {
        Value::String(one) => vec![one.clone()],
        many => crate::catalog::texts(many),
    };
    if meant_for.is_empty() {
        // Tokens of Secrets are for the server itself.
        meant_for = vec![ISSUER.to_owned()];
    }
    let common: Vec<String> = audiences.iter().filter(|one| meant_for.contains(one)).cloned().collect();
    if common.is_empty() {
        return Err(format!(
            "token audiences {} is invalid for the target audiences {}",
            quoted(&meant_for),
            quoted(audiences)
        ));
    }
    check_times(&claims, cluster.clock().now().as_second())?;
    let user = cluster.with_state(|state, _| whose(state, &claims))?;
    Ok(Some(Known { user: user.authenticated(), audiences: common }))
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn check_times(claims: &Value, now: i64) -> Result<(), String> {
    let time = |key: &str| claims[key].as_f64().map(|secs| secs as i64);
    if time("nbf").is_some_and(|from| now + LEEWAY_SECS < from) {
        return Err("service account token is not valid yet".to_owned());
    }
    if time("exp").is_some_and(|until| now - LEEWAY_SECS > until) {
        return Err("service account token has expired".to_owned());
    }
    if time("iat").is_some_and(|issued| now + LEEWAY_SECS < issued) {
        return Err("service account token is issued in the future".to_owned());
    }
    Ok(())
}

/// Returns the account a token's claims are about, if it and what the token is bound to still are the same.
fn whose(state: &State, claims: &Value) -> Result<User, String> {
    const INVALIDATED: &str = "service account token has been invalidated";
    let mut claims = claims.clone();
    if claims.get("kubernetes.io").is_none() {
        claims = modern(&claims);
    }
    let private = &claims["kubernetes.io"];
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let namespace = text(private, "namespace");
    let find = |plural: &str, namespace: &str, name: &str| {
        let key = (namespace.to_owned(), name.to_owned());
        state.stores.get(&(String::new(), plural.to_owned())).and_then(|store| store.get(&key))
    };
    let account = &private["serviceaccount"];
    let (name, uid) = (text(account, "name"), text(account, "uid"));
    let live =
        find("serviceaccounts", &namespace, &name).ok_or_else(|| format!("serviceaccounts {name:?} not found"))?;
    if *live.uid != *uid {
        return Err(format!("service account UID ({}) does not match claim ({uid})", live.uid));
    }
    let mut user = User::service_account(&namespace, &name);
    user.uid = uid;
    if let Some(id) = claims["jti"].as_str() {
        user.extra.insert("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("JTI={id}")]);
    }
    let bound_to_pod = private["pod"].is_object();
    for (kind, plural) in [("secret", "secrets"), ("pod", "pods"), ("node", "nodes")] {
        let bound = &private[kind];
        if !bound.is_object() {
            continue;
        }
        let (name, uid) = (text(bound, "name"), text(bound, "uid"));
        // The node of a pod's token is only told.
        if kind != "node" || !bound_to_pod {
            let namespace = if kind == "node" { "" } else { &namespace };
            let live = find(plural, namespace, &name).ok_or_else(|| INVALIDATED.to_owned())?;
            // Tokens of Secrets from before bound tokens name no uid.
            if !uid.is_empty() && *live.uid != *uid {
                let claim = format!("service account {kind} ref claim ({uid})");
                return Err(format!("{kind} UID ({}) does not match {claim}", live.uid));
            }
        }
        if kind != "secret" {
            for (key, value) in [("name", name), ("uid", uid)] {
                if !value.is_empty() {
                    user.extra.insert(format!("authentication.kubernetes.io/{kind}-{key}"), vec![value]);
                }
            }
        }
    }
    Ok(user)
}

/// Returns the claims of a Secret's token in the form of the bound ones.
fn modern(claims: &Value) -> Value {
    let claim = |key: &str| claims[format!("kubernetes.io/serviceaccount/{key}")].clone();
    json!({
        "kubernetes.io": {
            "namespace": claim("namespace"),
            "serviceaccount": { "name": claim("service-account.name"), "uid": claim("service-account.uid") },
            "secret": { "name": claim("secret.name") },
        },
    })
}

/// Returns the claims of a Secret's token, which lives as long as the Secret.
pub(crate) fn secret_claims(namespace: &str, account: (&str, &str), secret: &str) -> Value {
    json!({
        "iss": SECRET_ISSUER,
        "kubernetes.io/serviceaccount/namespace": namespace,
        "kubernetes.io/serviceaccount/secret.name": secret,
        "kubernetes.io/serviceaccount/service-account.name": account.0,
        "kubernetes.io/serviceaccount/service-account.uid": account.1,
        "sub": service_account_name(namespace, account.0),
    })
}
