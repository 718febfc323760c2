use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;

use bowline_model::Secret;
use sha2::{Digest, Sha256};

use crate::SourceError;

/// A repository somewhere, and what is needed to read it.
///
/// Two remotes are equal when they mean the same place with the same credentials, however the address is
/// written; equal remotes share one clone and their pollers. Other credentials mean another remote, so
/// that nobody reads out of a shared clone what the server would not give them.
#[derive(Clone, Default)]
pub struct Remote {
    /// The address as the user wrote it: `https://…`, `http://…`, `ssh://…`, `user@host:path`, `file://…` or an
    /// absolute path. A user and password in it count as basic credentials.
    pub url: String,
    /// What proves who asks, and who answers.
    pub credentials: Credentials,
}

/// What proves who asks, and who answers. All parts are optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// User and password: of HTTP, or of SSH when there is no key.
    pub basic: Option<Basic>,
    /// A token sent as `Authorization: Bearer`; it wins over `basic`.
    pub bearer: Option<Secret>,
    /// The SSH key to authenticate with.
    pub ssh_key: Option<SshKey>,
    /// Lines of OpenSSH's `known_hosts`: the only keys a server may present.
    pub known_hosts: Option<String>,
    /// Certificates (PEM) of authorities trusted beside the system's.
    pub ca: Option<String>,
    /// The certificate shown to HTTPS servers.
    pub client_certificate: Option<ClientCertificate>,
    /// Skips the checks of the server's certificate and host key (Argo CD's `insecure`).
    pub insecure: bool,
}

/// A user's name and password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Basic {
    /// May be empty: many hosts look at the password alone.
    pub username: String,
    /// Or an access token.
    pub password: Secret,
}

/// A private key for SSH.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SshKey {
    /// In OpenSSH, PKCS#8, PKCS#1 or SEC 1 PEM form.
    pub private_key: Secret,
    /// What decrypts the key.
    pub passphrase: Option<Secret>,
}

/// A certificate and its key, both in PEM form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// The chain, the client's own first.
    pub certificate: String,
    /// The private key.
    pub key: Secret,
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

impl Remote {
    /// Names a repository that needs no credentials.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), credentials: Credentials::default() }
    }

    /// The address without its password, fit for logs and errors.
    pub fn shown_url(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else { return self.url.clone() };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        match rest[..end].rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or_default();
                // A lone user in an HTTP address is often a token.
                let user = if scheme.eq_ignore_ascii_case("ssh") { format!("{user}@") } else { String::new() };
                format!("{scheme}://{user}{host}{}", &rest[end..])
            }
            None => self.url.clone(),
        }
    }

    pub(crate) fn key(&self) -> RemoteKey {
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
        let Credentials { basic, bearer, ssh_key, known_hosts, ca, client_certificate, insecure } = &self.credentials;
        part(Some(&address));
        part(basic.as_ref().map(|basic| basic.username.as_str()));
        part(basic.as_ref().map(|basic| basic.password.reveal()));
        part(bearer.as_ref().map(Secret::reveal));
        part(ssh_key.as_ref().map(|key| key.private_key.reveal()));
        part(ssh_key.as_ref().and_then(|key| key.passphrase.as_ref()).map(Secret::reveal));
        part(known_hosts.as_deref());
        part(ca.as_deref());
        part(client_certificate.as_ref().map(|client| client.certificate.as_str()));
        part(client_certificate.as_ref().map(|client| client.key.reveal()));
        part(insecure.then_some("insecure"));
        RemoteKey(digest.finalize().into())
    }

    /// Takes the address apart.
    pub(crate) fn address(&self) -> Result<Address, SourceError> {
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
fn decode(text: &str) -> String {
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

impl PartialEq for Remote {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Remote {}

impl Hash for Remote {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("url", &self.shown_url()).finish_non_exhaustive()
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
        assert_eq!(plain, Remote::new("HTTPS://EXAMPLE.com:443/a/"));
        assert_ne!(plain, Remote::new("https://example.com/b"));
        let mut other = plain.clone();
        other.credentials.bearer = Some(Secret::new("one"));
        assert_ne!(plain, other);
        let mut third = other.clone();
        third.credentials.bearer = Some(Secret::new("two"));
        assert_ne!(other, third);
    }

    #[test]
    fn passwords_are_not_shown() {
        let remote = Remote::new("https://me:hunter2@example.com/a@b");
        assert_eq!(remote.shown_url(), "https://example.com/a@b");
        assert!(!format!("{remote:?}").contains("hunter2"));
        assert_eq!(Remote::new("ssh://git:hunter2@example.com/a").shown_url(), "ssh://git@example.com/a");
        assert_eq!(Remote::new("git@example.com:a").shown_url(), "git@example.com:a");
    }
}
