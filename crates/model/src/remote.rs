use std::fmt;
use std::time::Duration;

use crate::{Revision, Secret, Wanted};

/// A place that sources are fetched from, with what it takes to get in.
///
/// Dialects lower to it and `source` reads it. Remotes that mean the same place with the same credentials share one
/// clone and its pollers; other credentials mean another remote, so that nobody reads out of a shared clone what the
/// server would not give them.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote {
    /// The URL as the user wrote it. Of Git: `https://…`, `http://…`, `ssh://…`, `user@host:path`, `file:///…` or an
    /// absolute path; of a Helm repository `https://…` or `http://…`; of a registry `oci://…`. A user and password in it
    /// count as those of HTTP basic authentication.
    pub url: String,
    /// What it takes to get in; empty for what is public.
    pub credentials: Credentials,
}

/// What a remote may ask for. All fields may be empty; which are used follows from the URL's scheme.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credentials {
    /// The user of HTTP basic authentication; of SSH where the URL names none. Many hosts look at the password alone.
    pub username: Option<String>,
    /// The password of HTTP basic authentication, or of SSH where there is no key.
    pub password: Option<Secret>,
    /// A token sent as `Authorization: Bearer`; it wins over user and password.
    pub bearer_token: Option<Secret>,
    /// A private key for SSH: OpenSSH or PEM text.
    pub ssh_private_key: Option<Secret>,
    /// The passphrase of the private key.
    pub ssh_passphrase: Option<Secret>,
    /// Lines of a `known_hosts` file: the only keys that a server may present.
    pub known_hosts: Option<String>,
    /// Certificates to trust beside the system's, as PEM.
    pub ca: Option<String>,
    /// A certificate to show to the server, as PEM: the chain, the client's own first.
    pub client_certificate: Option<String>,
    /// The key of the certificate, as PEM.
    pub client_key: Option<Secret>,
    /// Trusts any host key or certificate. Only where the user's own resource says so.
    pub insecure: bool,
    /// Speaks HTTP with a registry where it would be HTTPS.
    pub plain_http: bool,
    /// Sends them to the hosts of a Helm repository's archives too, where those are others (Helm's `--pass-credentials`).
    pub pass_credentials: bool,
}

/// Where an app's files come from, and how often to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// The repository.
    pub remote: Remote,
    /// What of it is wanted.
    pub wanted: Wanted,
    /// How often to look for something newer when nothing says there is.
    pub interval: Duration,
    /// How long one fetch may take.
    pub timeout: Duration,
    /// Stays at this revision whatever the remote says: the source is suspended.
    pub pinned: Option<Revision>,
}

impl Remote {
    /// Names a repository that needs no credentials.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), credentials: Credentials::default() }
    }

    /// Returns the address without its password, fit for logs and errors.
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
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("url", &self.shown_url()).field("credentials", &self.credentials).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let remote = Remote::new("https://me:hunter2@example.com/a@b");
        assert_eq!(remote.shown_url(), "https://example.com/a@b");
        assert!(!format!("{remote:?}").contains("hunter2"));
        assert_eq!(Remote::new("ssh://git:hunter2@example.com/a").shown_url(), "ssh://git@example.com/a");
        assert_eq!(Remote::new("git@example.com:a").shown_url(), "git@example.com:a");
    }
}
