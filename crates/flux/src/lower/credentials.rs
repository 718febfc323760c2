use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bowline_engine::{LowerError, World};
use bowline_model::{Credentials, Object, ObjectKey, Reason, Secret};

use serde_json::Value;

use super::invalid;

/// Reads the Secret that a source gets in with.
///
/// Which keys must be there follows from the URL's scheme, as with Flux's source-controller: `identity` and
/// `known_hosts` for SSH; for HTTP any of basic authentication, a token and certificates, or none.
pub(super) fn credentials(
    url: &str,
    namespace: &str,
    name: &str,
    world: &dyn World,
) -> Result<Credentials, LowerError> {
    let secret = read(namespace, name, world)?;
    let fields = SecretData { secret: &secret, name: format!("{namespace}/{name}") };
    if url.starts_with("ssh://") { ssh(&fields) } else { http(&fields) }
}

/// Reads the Secret that a repository of charts, or a registry, is got into with: a user and a password, or what
/// `docker login` keeps of the registry.
pub(super) fn registry_credentials(
    url: &str,
    namespace: &str,
    name: &str,
    world: &dyn World,
) -> Result<Credentials, LowerError> {
    let secret = read(namespace, name, world)?;
    let fields = SecretData { secret: &secret, name: format!("{namespace}/{name}") };
    let Some(config) = fields.text(".dockerconfigjson")? else { return http(&fields) };
    let broken = || refused(format!("'.dockerconfigjson' in secret '{}' cannot be read", fields.name));
    let config: Value = serde_json::from_str(&config).map_err(|_| broken())?;
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    let host_of = |key: &str| {
        let key = key.split_once("://").map_or(key, |(_, rest)| rest);
        key.split('/').next().unwrap_or(key).to_owned()
    };
    let accounts = config["auths"].as_object().into_iter().flatten();
    let Some((_, account)) = accounts.into_iter().find(|(key, _)| host_of(key) == host) else {
        return Ok(Credentials::default());
    };
    let mut credentials = Credentials {
        username: account["username"].as_str().map(str::to_owned),
        password: account["password"].as_str().map(Secret::new),
        ..Credentials::default()
    };
    if let Some(both) = account["auth"].as_str().filter(|both| !both.is_empty()) {
        let both =
            BASE64_STANDARD.decode(both).ok().and_then(|both| String::from_utf8(both).ok()).ok_or_else(broken)?;
        let (username, password) = both.split_once(':').ok_or_else(broken)?;
        credentials.username = Some(username.to_owned());
        credentials.password = Some(Secret::new(password));
    }
    Ok(credentials)
}

/// Adds the certificates of another Secret.
pub(super) fn with_certificates(
    credentials: Credentials,
    namespace: &str,
    name: &str,
    world: &dyn World,
) -> Result<Credentials, LowerError> {
    let secret = read(namespace, name, world)?;
    let fields = SecretData { secret: &secret, name: format!("{namespace}/{name}") };
    let certificates = http(&fields)?;
    Ok(Credentials {
        ca: certificates.ca,
        client_certificate: certificates.client_certificate,
        client_key: certificates.client_key,
        ..credentials
    })
}

fn read(namespace: &str, name: &str, world: &dyn World) -> Result<Arc<Object>, LowerError> {
    let missing = || refused(format!("failed to get secret '{namespace}/{name}': secrets \"{name}\" not found"));
    world.get(&ObjectKey::new("", "Secret", namespace, name))?.ok_or_else(missing)
}

fn ssh(fields: &SecretData<'_>) -> Result<Credentials, LowerError> {
    let Some(identity) = fields.text("identity")? else {
        return Err(refused(format!("invalid 'ssh' auth option: 'identity' is required in secret '{}'", fields.name)));
    };
    let Some(known_hosts) = fields.text("known_hosts")? else {
        return Err(refused(format!(
            "invalid 'ssh' auth option: 'known_hosts' is required in secret '{}'",
            fields.name
        )));
    };
    Ok(Credentials {
        ssh_private_key: Some(Secret::new(identity)),
        ssh_passphrase: fields.text("password")?.map(Secret::new),
        known_hosts: Some(known_hosts),
        ..Credentials::default()
    })
}

fn http(fields: &SecretData<'_>) -> Result<Credentials, LowerError> {
    let username = fields.text("username")?;
    let password = fields.text("password")?;
    let bearer_token = fields.text("bearerToken")?;
    if username.is_none() && password.is_some() {
        return Err(refused(format!(
            "invalid 'https' auth option: 'password' requires 'username' to be set in secret '{}'",
            fields.name
        )));
    }
    if username.is_some() && password.is_none() {
        return Err(refused(format!(
            "invalid 'https' auth option: 'username' requires 'password' to be set in secret '{}'",
            fields.name
        )));
    }
    // Both would be sent in one header: Flux refuses the pair too.
    if username.is_some() && bearer_token.is_some() {
        return Err(refused(format!(
            "invalid 'https' auth option: only one of 'username' and 'bearerToken' may be set in secret '{}'",
            fields.name
        )));
    }
    let client_certificate = fields.text("tls.crt")?;
    let client_key = fields.text("tls.key")?;
    if client_certificate.is_some() != client_key.is_some() {
        return Err(refused(format!("'tls.crt' and 'tls.key' must both be set in secret '{}'", fields.name)));
    }
    // `caFile` is the older name of the same key; Flux reads it still.
    let ca = match fields.text("ca.crt")? {
        Some(ca) => Some(ca),
        None => fields.text("caFile")?,
    };
    Ok(Credentials {
        username,
        password: password.map(Secret::new),
        bearer_token: bearer_token.map(Secret::new),
        ca,
        client_certificate,
        client_key: client_key.map(Secret::new),
        ..Credentials::default()
    })
}

struct SecretData<'a> {
    secret: &'a Object,
    /// `namespace/name`, for messages.
    name: String,
}

impl SecretData<'_> {
    /// Returns one key's text; an empty one counts as absent.
    fn text(&self, field: &str) -> Result<Option<String>, LowerError> {
        // Keys hold dots and may hold slashes: no JSON pointer.
        let Some(encoded) = self.secret.at("/data").and_then(|data| data.get(field)).and_then(|value| value.as_str())
        else {
            return Ok(None);
        };
        let bytes = BASE64_STANDARD
            .decode(encoded)
            .map_err(|_| refused(format!("'{field}' in secret '{}' is not base64", self.name)))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| refused(format!("'{field}' in secret '{}' is not UTF-8 text", self.name)))?;
        Ok((!text.is_empty()).then_some(text))
    }
}

fn refused(message: String) -> LowerError {
    invalid(Reason::AuthenticationFailed, message)
}
