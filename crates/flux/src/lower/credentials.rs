use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bowline_engine::{LowerError, World};
use bowline_model::{Credentials, Object, ObjectKey, Reason, Secret};

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
    let key = ObjectKey::new("", "Secret", namespace, name);
    let Some(secret) = world.get(&key)? else {
        return Err(refused(format!("failed to get secret '{namespace}/{name}': secrets \"{name}\" not found")));
    };
    let fields = SecretData { secret: &secret, name: format!("{namespace}/{name}") };
    if url.starts_with("ssh://") { ssh(&fields) } else { http(&fields) }
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
