//! Addresses taken apart, and what tells one remote from another.

use std::path::PathBuf;

use bowline_model::{Credentials, Remote, Secret};
use sha2::{Digest, Sha256};

use crate::SourceError;

/// A user's name and password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Basic {
    /// May be empty: many hosts look at the password alone.
    pub(crate) username: String,
    /// Or an access token.
    pub(crate) password: Secret,
}

/// A private key for SSH.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SshKey {
    /// In OpenSSH, PKCS#8, PKCS#1 or SEC 1 PEM form.
    pub(crate) private_key: Secret,
    /// What decrypts the key.
    pub(crate) passphrase: Option<Secret>,
}

/// A certificate and its key, both in PEM form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ClientCertificate {
    /// The chain, the client's own first.
    pub(crate) certificate: String,
    /// The private key.
    pub(crate) key: Secret,
}

/// Names a remote: a digest of the normalised address and the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RemoteKey(pub(crate) [u8; 32]);

/// An address taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Local(PathBuf),
    /// Without user and password; those are in the second part.
    Http(reqwest::Url, Option<Basic>),
    Ssh(SshAddress),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SshAddress {
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As the remote's shell gets it: absolute, or relative to the user's home.
    pub(crate) path: String,
}

/// What credentials hold, part by part.
pub(crate) trait Parts {
    /// User and password.
    fn basic(&self) -> Option<Basic>;
    /// The SSH key to authenticate with.
    fn ssh_key(&self) -> Option<SshKey>;
    /// The certificate shown to HTTPS servers.
    fn client(&self) -> Option<ClientCertificate>;
}

impl Parts for Credentials {
    fn basic(&self) -> Option<Basic> {
        let is_given = self.username.is_some() || self.password.is_some();
        is_given.then(|| Basic {
            username: self.username.clone().unwrap_or_default(),
            password: self.password.clone().unwrap_or_default(),
        })
    }

    fn ssh_key(&self) -> Option<SshKey> {
        let passphrase = self.ssh_passphrase.clone();
        self.ssh_private_key.clone().map(|private_key| SshKey { private_key, passphrase })
    }

    fn client(&self) -> Option<ClientCertificate> {
        let both = self.client_certificate.clone().zip(self.client_key.clone());
        both.map(|(certificate, key)| ClientCertificate { certificate, key })
    }
}

/// Where a remote is, and what tells it from others.
pub(crate) trait Located {
    /// Names the remote.
    fn key(&self) -> RemoteKey;
    /// Takes the address apart.
    fn address(&self) -> Result<Address, SourceError>;
}

impl Located for Remote {
    fn key(&self) -> RemoteKey {
        let address = match self.address() {
            Ok(address) => address.normalised(),
            Err(_) => self.url.clone(),
        };
        let mut digest = Sha256::new();
        let mut part = |text: Option<&str>| match text {
            // Lengths keep neighbouring parts apart.
            Some(text) => {
                digest.update((text.len() as u64 + 1).to_be_bytes());
                digest.update(text);
            }
            None => digest.update(0_u64.to_be_bytes()),
        };
        let Credentials {
            username,
            password,
            bearer_token,
            ssh_private_key,
            ssh_passphrase,
            known_hosts,
            ca,
            client_certificate,
            client_key,
            insecure,
            plain_http,
            pass_credentials,
        } = &self.credentials;
        part(Some(&address));
        part(username.as_deref());
        part(ca.as_deref());
        part(known_hosts.as_deref());
        part(client_certificate.as_deref());
        for secret in [password, bearer_token, ssh_private_key, ssh_passphrase, client_key] {
            part(secret.as_ref().map(Secret::reveal));
        }
        for (is_set, word) in [(insecure, "insecure"), (plain_http, "plain"), (pass_credentials, "pass")] {
            part(is_set.then_some(word));
        }
        RemoteKey(digest.finalize().into())
    }

    fn address(&self) -> Result<Address, SourceError> {
        let text = self.url.trim();
        let invalid = |why: &str| SourceError::InvalidUrl { url: self.shown_url(), why: why.into() };
        if text.starts_with('/') {
            return Ok(Address::Local(PathBuf::from(text)));
        }
        if !text.contains("://") {
            return scp_like(text).map(Address::Ssh).ok_or_else(|| invalid("it has no scheme and is no absolute path"));
        }
        let url = reqwest::Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        match url.scheme() {
            "file" => match url.host_str() {
                None | Some("" | "localhost") => Ok(Address::Local(PathBuf::from(decode(url.path())))),
                Some(_) => Err(invalid("a file address names no host")),
            },
            "http" | "https" => {
                let mut plain = url.clone();
                let basic = (!url.username().is_empty() || url.password().is_some()).then(|| Basic {
                    username: decode(url.username()),
                    password: Secret::new(decode(url.password().unwrap_or_default())),
                });
                let cleared = plain.set_username("").and_then(|()| plain.set_password(None));
                cleared.map_err(|()| invalid("it names no host"))?;
                plain.set_fragment(None);
                plain.set_query(None);
                Ok(Address::Http(plain, basic))
            }
            "ssh" | "git+ssh" | "ssh+git" => {
                let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| invalid("it names no host"))?;
                let path = decode(url.path());
                // `/~name/x` is a path of the user's home, as Git reads it.
                let path = if path.starts_with("/~") { path[1..].to_owned() } else { path };
                if path.trim_matches('/').is_empty() {
                    return Err(invalid("it names no repository"));
                }
                Ok(Address::Ssh(SshAddress {
                    user: if url.username().is_empty() { "git".into() } else { decode(url.username()) },
                    password: url.password().map(|password| Secret::new(decode(password))),
                    host: host.trim_matches(['[', ']']).to_ascii_lowercase(),
                    port: url.port().unwrap_or(22),
                    path,
                }))
            }
            scheme => Err(invalid(&format!("`{scheme}` is none of https, http, ssh and file"))),
        }
    }
}

/// Reads `user@host:path` and `host:path`.
fn scp_like(text: &str) -> Option<SshAddress> {
    let (front, path) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once("]:")?;
        (host.to_owned(), rest)
    } else {
        let at = text.find('@').map_or(0, |at| at + 1);
        match text[at..].strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
            Some((host, path)) => (format!("{}{host}", &text[..at]), path),
            None => text.split_once(':').map(|(front, path)| (front.to_owned(), path))?,
        }
    };
    let (user, host) = front.split_once('@').map_or(("git", front.as_str()), |(user, host)| (user, host));
    // A slash before the colon would be a local path, which must be absolute here.
    if host.is_empty() || user.is_empty() || path.is_empty() || front.contains('/') {
        return None;
    }
    Some(SshAddress {
        user: user.to_owned(),
        password: None,
        host: host.to_ascii_lowercase(),
        port: 22,
        path: path.to_owned(),
    })
}

/// Decodes `%41` and the like; what is not a code stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) if byte == b'%' => {
                bytes.push(value);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Address {
    /// One text for all ways to write the same place.
    fn normalised(&self) -> String {
        match self {
            Self::Local(path) => format!("file://{}", path.display().to_string().trim_end_matches('/')),
            // `Url` has lowered scheme and host and dropped the default port.
            Self::Http(url, basic) => {
                let basic = basic.as_ref().map(|basic| (basic.username.as_str(), basic.password.reveal()));
                format!("{}#{basic:?}", url.as_str().trim_end_matches('/'))
            }
            Self::Ssh(SshAddress { user, password, host, port, path }) => {
                let password = password.as_ref().map(Secret::reveal);
                format!("ssh://{user}@{host}:{port} {} {password:?}", path.trim_end_matches('/'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let ssh = |user: &str, host: &str, port: u16, path: &str| format!("ssh {user} {host} {port} {path}");
        for (text, want) in [
            ("/srv/a repo", "local /srv/a repo".to_owned()),
            ("file:///srv/a%20repo", "local /srv/a repo".into()),
            ("file://elsewhere/x", "invalid".into()),
            ("https://Example.com:443/a/b.git", "http https://example.com/a/b.git".into()),
            ("https://me:p%40ss@example.com/a", "http https://example.com/a me p@ss".into()),
            ("ssh://git@example.com/a/b.git", ssh("git", "example.com", 22, "/a/b.git")),
            ("ssh://example.com:2222/~me/b", ssh("git", "example.com", 2222, "~me/b")),
            ("ssh://me@[::1]:2222/b", ssh("me", "::1", 2222, "/b")),
            ("git@Example.com:a/b.git", ssh("git", "example.com", 22, "a/b.git")),
            ("git@[::1]:a/b.git", ssh("git", "::1", 22, "a/b.git")),
            ("example.com:a", ssh("git", "example.com", 22, "a")),
            ("ssh://example.com/", "invalid".into()),
            ("ftp://example.com/a", "invalid".into()),
            ("relative/path", "invalid".into()),
            ("./a:b", "invalid".into()),
            ("", "invalid".into()),
        ] {
            let have = match Remote::new(text).address() {
                Ok(Address::Local(path)) => format!("local {}", path.display()),
                Ok(Address::Http(url, None)) => format!("http {url}"),
                Ok(Address::Http(url, Some(basic))) => {
                    format!("http {url} {} {}", basic.username, basic.password.reveal())
                }
                Ok(Address::Ssh(at)) => ssh(&at.user, &at.host, at.port, &at.path),
                Err(_) => "invalid".into(),
            };
            assert_eq!(have, want, "{text}");
        }
    }

    #[test]
    fn equal_remotes_mean_the_same_place_and_credentials() {
        let plain = Remote::new("https://example.com/a");
        assert_eq!(plain.key(), Remote::new("HTTPS://EXAMPLE.com:443/a/").key());
        assert_ne!(plain.key(), Remote::new("https://example.com/b").key());
        let mut other = plain.clone();
        other.credentials.bearer_token = Some(Secret::new("one"));
        assert_ne!(plain.key(), other.key());
        let mut third = other.clone();
        third.credentials.bearer_token = Some(Secret::new("two"));
        assert_ne!(other.key(), third.key());
    }
}
