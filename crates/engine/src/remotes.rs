//! What kustomizations name by addresses: files, bases and charts, fetched and kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bowline_kustomize::{NotFetched, RemoteChart, Remotes, RepositoryUrl};
use bowline_model::{Credentials, Failure, GitRef, Reason, Remote, Revision, Wanted};
use bowline_source::{DEFAULT_TIMEOUT, SourceError, Sources};
use bowline_tree::Tree;
use bytes::Bytes;
use tokio::runtime::Handle;

/// What addresses meant when they were first asked for.
///
/// For as long as it is kept, the same addresses mean the same: a build that is made again gives the same objects, and
/// asks for nothing that is here.
#[derive(Debug, Default)]
pub struct Fetched {
    files: BTreeMap<String, Result<Bytes, u16>>,
    revisions: BTreeMap<(Remote, Asked), Revision>,
}

/// What was asked of a remote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Reference(String),
    Chart(Wanted),
}

impl Fetched {
    /// Tells whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.revisions.is_empty()
    }

    /// Forgets what was not there: it may have come.
    pub(crate) fn forget_missing(&mut self) {
        self.files.retain(|_, known| known.is_ok());
    }
}

/// Fetches what one build names by addresses.
///
/// Waits for the network, and so must be used where threads may wait.
pub struct RemoteFiles<'a> {
    /// Fetches.
    pub sources: &'a Sources,
    /// Runs what waits for the network.
    pub runtime: &'a Handle,
    /// Returns a Git repository with what it takes to get in, by its address; or why it is not asked.
    pub repository: &'a (dyn Fn(&str) -> Result<Remote, String> + 'a),
    /// What was asked for before.
    pub fetched: &'a Mutex<Fetched>,
    /// What could not be fetched last, once something could not.
    pub failed: Mutex<Option<Failure>>,
}

impl RemoteFiles<'_> {
    /// Returns what could not be fetched, unless something else was fetched in its place.
    pub fn failure(&self) -> Option<Failure> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn noted<T>(&self, outcome: Result<T, SourceError>) -> Result<T, SourceError> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed = outcome.as_ref().err().map(SourceError::to_failure);
        outcome
    }

    fn fetched<T>(&self, work: impl FnOnce(&mut Fetched) -> T) -> T {
        work(&mut self.fetched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn known(&self, remote: &Remote, asked: &Asked) -> Option<Revision> {
        self.fetched(|fetched| fetched.revisions.get(&(remote.clone(), asked.clone())).cloned())
    }

    fn note(&self, remote: &Remote, asked: Asked, revision: &Revision) {
        self.fetched(|fetched| fetched.revisions.insert((remote.clone(), asked), revision.clone()));
    }

    async fn tree_of(&self, remote: &Remote, url: &RepositoryUrl) -> Result<Arc<dyn Tree>, SourceError> {
        let asked = Asked::Reference(url.reference.clone());
        let revision = match self.known(remote, &asked) {
            Some(revision) => revision,
            None => {
                let revision = self.resolve(remote, url).await?;
                tracing::info!(url = %remote.shown_url(), %revision, "Remote base resolved");
                self.note(remote, asked, &revision);
                revision
            }
        };
        self.sources.open(remote, &GitRef::Head.into(), &revision).await
    }

    /// Finds what `git fetch` would: a commit by its full id, or a reference; a tag before a branch.
    async fn resolve(&self, remote: &Remote, url: &RepositoryUrl) -> Result<Revision, SourceError> {
        let timeout = url.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let text = &url.reference;
        let is_commit = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let ask = async |wanted: GitRef| self.sources.resolve_within(remote, &wanted.into(), timeout).await;
        match text.as_str() {
            "" | "HEAD" => ask(GitRef::Head).await,
            _ if is_commit => ask(GitRef::Commit(text.clone())).await,
            _ if text.starts_with("refs/") => ask(GitRef::Name(text.clone())).await,
            _ => match ask(GitRef::Tag(text.clone())).await {
                Err(SourceError::ReferenceNotFound { .. }) => ask(GitRef::Branch(text.clone())).await,
                found => found,
            },
        }
    }

    async fn chart_of(&self, remote: &Remote, wanted: Wanted) -> Result<Arc<dyn Tree>, SourceError> {
        let asked = Asked::Chart(wanted.clone());
        let revision = match self.known(remote, &asked) {
            Some(revision) => revision,
            None => {
                let revision = self.sources.resolve(remote, &wanted).await?;
                self.note(remote, asked, &revision);
                revision
            }
        };
        self.sources.open(remote, &wanted, &revision).await
    }
}

impl Remotes for RemoteFiles<'_> {
    fn file(&self, url: &str) -> Result<Bytes, NotFetched> {
        if let Some(known) = self.fetched(|fetched| fetched.files.get(url).cloned()) {
            return known.map_err(NotFetched::Status);
        }
        let outcome = self.runtime.block_on(self.sources.file(&Remote::new(url)));
        let known = match self.noted(outcome) {
            Ok(content) => Ok(content),
            // A server that is out of order may have it another time.
            Err(SourceError::Status { status, .. }) if status < 500 && status != 429 => Err(status),
            Err(SourceError::Status { status: code, .. }) => return Err(NotFetched::Status(code)),
            Err(error) => return Err(NotFetched::Failed(error.to_failure().message)),
        };
        self.fetched(|fetched| fetched.files.insert(url.to_owned(), known.clone()));
        known.map_err(NotFetched::Status)
    }

    fn repository(&self, url: &RepositoryUrl) -> Result<Arc<dyn Tree>, String> {
        let remote = (self.repository)(&url.address)?;
        let outcome = self.runtime.block_on(self.tree_of(&remote, url));
        self.noted(outcome).map_err(|error| error.to_failure().message)
    }

    fn chart(&self, chart: &RemoteChart<'_>) -> Result<Arc<dyn Tree>, String> {
        let version = match chart.version {
            "" if chart.takes_pre_releases => ">0.0.0-0",
            version => version,
        };
        let remote = Remote::new(chart.repository.trim_end_matches('/'));
        let wanted = Wanted::Chart { name: chart.name.to_owned(), version: version.to_owned() };
        let outcome = self.runtime.block_on(self.chart_of(&remote, wanted));
        self.noted(outcome).map_err(|error| error.to_failure().message)
    }
}

/// Returns a repository that a source's kustomization names, with what gets into the source where both are on one
/// server; or why it is not asked.
///
/// # Errors
///
/// Repositories of this machine are refused, unless the source itself is one.
pub(crate) fn beside(own: &Remote, address: &str, shares_credentials: bool) -> Result<Remote, String> {
    if is_local(address) && !is_local(&own.url) {
        return Err(format!("`{address}` is a local repository, and the source is none"));
    }
    let is_near = shares_credentials && server(address).is_some_and(|named| server(&own.url) == Some(named));
    let credentials = if is_near { own.credentials.clone() } else { Credentials::default() };
    Ok(Remote { url: address.to_owned(), credentials })
}

fn is_local(address: &str) -> bool {
    address.starts_with('/') || address.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("file://"))
}

/// The scheme and the host with its port: whoever is asked there may know the same secrets.
fn server(address: &str) -> Option<(String, String)> {
    let address = address.trim();
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest.split(['/', '?', '#']).next()?),
        None => ("ssh".to_owned(), address.split_once(':')?.0),
    };
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    (!host.is_empty()).then(|| (scheme, host.to_ascii_lowercase()))
}

/// Says that a build failed for what could not be fetched: it is tried again, for what is elsewhere may change.
pub(crate) fn not_fetched(failed: &Failure, message: String) -> Failure {
    let reason = match failed.reason {
        Reason::Internal => Reason::SourceUnreadable,
        reason => reason,
    };
    let failure = Failure::new(reason, message).transient();
    Failure { help: failed.help.clone(), ..failure }
}

#[cfg(test)]
mod tests {
    use bowline_model::Secret;

    use super::*;

    #[test]
    fn credentials_stay_with_the_server_of_the_source() {
        let password = Credentials { password: Some(Secret::new("x")), ..Credentials::default() };
        let own = Remote { url: "https://git.example/team/app.git".into(), credentials: password.clone() };
        let given =
            |own: &Remote, address: &str| beside(own, address, true).map(|remote| remote.credentials == password);
        assert_eq!(given(&own, "https://Git.example/other/base"), Ok(true));
        for elsewhere in [
            "https://evil.example/other/base",
            "http://git.example/other/base",
            "https://git.example:8443/other/base",
            "git@git.example:other/base",
            "https://git.example.evil/other/base",
            "https://git.example@evil.example/other/base",
        ] {
            assert_eq!(given(&own, elsewhere), Ok(false), "{elsewhere}");
        }
        let by_ssh = Remote { url: "git@git.example:team/app".into(), credentials: password.clone() };
        assert_eq!(given(&by_ssh, "git@git.example:other/base"), Ok(true));
        assert_eq!(given(&by_ssh, "ssh://git@git.example/other/base"), Ok(true));
        let other = beside(&own, "https://git.example/other/base", false).expect("may be asked");
        assert_eq!(other.credentials, Credentials::default());
    }

    #[test]
    fn repositories_of_this_machine_are_named_by_its_own_alone() {
        let near = Remote::new("file:///srv/app");
        assert!(beside(&near, "file:///srv/base", true).is_ok());
        let far = Remote::new("https://git.example/app");
        assert!(beside(&far, "FILE:///srv/base", true).is_err());
    }
}
