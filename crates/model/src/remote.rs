use crate::Secret;

/// A place that sources are fetched from, with what it takes to get in.
///
/// Dialects lower to it and `source` reads it; two equal remotes share one clone and its pollers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote {
    /// The URL as the user wrote it: `https://…`, `ssh://…`, `git@host:path`, `file:///…` or an absolute path.
    pub url: String,
    /// What it takes to get in; empty for a public repository.
    pub credentials: Credentials,
}

/// What a remote may ask for. All fields may be empty; which are used follows from the URL's scheme.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credentials {
    /// The user of HTTP basic authentication; of SSH where the URL names none.
    pub username: Option<String>,
    /// The password of HTTP basic authentication.
    pub password: Option<Secret>,
    /// A token sent as `Authorization: Bearer`.
    pub bearer_token: Option<Secret>,
    /// A private key for SSH: OpenSSH or PEM text.
    pub ssh_private_key: Option<Secret>,
    /// The passphrase of the private key.
    pub ssh_passphrase: Option<Secret>,
    /// Lines of a `known_hosts` file.
    pub known_hosts: Option<String>,
    /// Certificates to trust beside the system's, as PEM.
    pub ca: Option<String>,
    /// A certificate to show to the server, as PEM.
    pub client_certificate: Option<String>,
    /// The key of the certificate, as PEM.
    pub client_key: Option<Secret>,
    /// Trusts any host key or certificate. Only where the user's own resource says so.
    pub insecure: bool,
}

/// Which commit of a Git repository is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GitRef {
    /// Whatever the repository's `HEAD` points to.
    Head,
    /// The newest commit of a branch.
    Branch(String),
    /// The commit of a tag.
    Tag(String),
    /// The greatest tag that satisfies a semantic version constraint (Masterminds' rules).
    Semver(String),
    /// A full reference name, as `refs/pull/1/head`.
    Name(String),
    /// One commit, by its full id.
    Commit(String),
    /// Argo CD's `targetRevision`: `HEAD`, a branch, a tag, a full or short commit, or a constraint over tags.
    Any(String),
}

/// Where an app's files come from, and how often to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// The repository.
    pub remote: Remote,
    /// The commit wanted.
    pub git_ref: GitRef,
    /// How often to look for a newer commit when nothing says there is one.
    pub interval: std::time::Duration,
    /// How long one fetch may take.
    pub timeout: std::time::Duration,
    /// Stays at this revision whatever the remote says: the source is suspended.
    pub pinned: Option<crate::Revision>,
}
