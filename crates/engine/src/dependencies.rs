//! A chart's dependencies, fetched from where the chart says they are.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use bowline_helm::build::{Build, BuildError, Locking, Needed};
use bowline_helm::chart::Chart;
use bowline_model::{ChartRepository, Credentials, Failure, Reason, Remote, Revision, Wanted};
use bowline_source::{SourceError, Sources};
use bowline_tree::{Tree, TreePath};
use tokio::runtime::Handle;

use crate::index::lock;

/// Where dependencies come from.
pub struct Surroundings<'a> {
    /// Fetches charts.
    pub sources: &'a Sources,
    /// Runs what waits for the network.
    pub runtime: &'a Handle,
    /// Returns a repository with what it takes to get in, by its address.
    pub remote: &'a dyn Fn(&str) -> Remote,
    /// Returns the address of a repository that is named by an alias (`@name`), which machines may have and
    /// clusters have not.
    pub alias: &'a dyn Fn(&str) -> Option<String>,
    /// What dependencies came to before.
    pub pins: &'a Pins,
}

/// The very archives that dependencies came to: whoever asks again gets the same, without asking the repository.
#[derive(Debug, Default)]
pub struct Pins(Mutex<BTreeMap<(Remote, Wanted), Revision>>);

impl Pins {
    fn get(&self, remote: &Remote, wanted: &Wanted) -> Option<Revision> {
        lock(&self.0).get(&(remote.clone(), wanted.clone())).cloned()
    }

    /// Keeps what was found, unless somebody was faster; returns what counts.
    fn keep(&self, remote: &Remote, wanted: &Wanted, found: Revision) -> Revision {
        lock(&self.0).entry((remote.clone(), wanted.clone())).or_insert(found).clone()
    }
}

/// The pins of the revisions that are rendered: all apps of a revision have the same, for as long as one of them
/// stays at it.
#[derive(Debug, Default)]
pub(crate) struct PinBoard(Mutex<BTreeMap<(String, String), Weak<Pins>>>);

impl PinBoard {
    /// Returns the pins of a revision of a place.
    pub(crate) fn of(&self, remote: &Remote, revision: &Revision) -> Arc<Pins> {
        let mut board = lock(&self.0);
        let key = (remote.shown_url(), revision.digest.clone());
        if let Some(pins) = board.get(&key).and_then(Weak::upgrade) {
            return pins;
        }
        board.retain(|_, pins| pins.strong_count() > 0);
        let pins = Arc::default();
        board.insert(key, Arc::downgrade(&pins));
        pins
    }
}

/// Completes the charts of a render.
pub(crate) struct Fetcher {
    sources: Sources,
    runtime: Handle,
    /// The pins of each source.
    pins: Vec<Arc<Pins>>,
    went_behind_doors: AtomicBool,
}

impl Fetcher {
    pub(crate) fn new(sources: Sources, runtime: Handle, pins: Vec<Arc<Pins>>) -> Self {
        Self { sources, runtime, pins, went_behind_doors: AtomicBool::new(false) }
    }

    /// Tells whether something came from where only some get in.
    pub(crate) fn went_behind_doors(&self) -> bool {
        self.went_behind_doors.load(Ordering::Relaxed)
    }

    /// Completes a chart of a source, which knows the repositories that ask for credentials.
    pub(crate) fn complete(
        &self,
        at: usize,
        repositories: &[ChartRepository],
        (chart, tree, top): (&mut Chart, &dyn Tree, &TreePath),
        locking: Locking,
    ) -> Result<(), Failure> {
        let named = |name: &str| repositories.iter().find(|known| known.name.as_deref() == Some(name));
        let around = Surroundings {
            sources: &self.sources,
            runtime: &self.runtime,
            remote: &|url| {
                let remote = remote(url, repositories);
                let is_open = remote.credentials == Credentials::default();
                self.went_behind_doors.fetch_or(!is_open, Ordering::Relaxed);
                remote
            },
            alias: &|name| Some(named(name)?.remote.url.clone()),
            pins: &self.pins[at],
        };
        complete_chart(chart, tree, top, locking, &around)
    }
}

/// Returns a repository with the credentials of the one that has its address, or else of the longest template.
fn remote(url: &str, repositories: &[ChartRepository]) -> Remote {
    let plain = |url: &str| url.trim_end_matches('/').to_owned();
    let want = plain(url);
    let own = repositories.iter().find(|known| !known.is_template && plain(&known.remote.url) == want);
    let begins = |known: &&ChartRepository| known.is_template && want.starts_with(&plain(&known.remote.url));
    let template = || repositories.iter().filter(begins).max_by_key(|known| known.remote.url.len());
    match own.or_else(template) {
        Some(known) => Remote { url: url.to_owned(), credentials: known.remote.credentials.clone() },
        None => Remote::new(url),
    }
}

/// Puts into a chart what it asks for and does not hold: what `helm dependency build` puts into its `charts/`, or
/// `helm dependency update` where the lock is passed over.
///
/// Waits for the network, and so must be called where threads may wait.
pub fn complete_chart(
    chart: &mut Chart,
    tree: &dyn Tree,
    top: &TreePath,
    locking: Locking,
    around: &Surroundings<'_>,
) -> Result<(), Failure> {
    let fetch = |needed: &Needed| {
        let remote = (around.remote)(&needed.repository);
        let wanted = Wanted::Chart { name: needed.name.clone(), version: needed.version.clone() };
        around.runtime.block_on(async {
            let revision = match around.pins.get(&remote, &wanted) {
                Some(pinned) => pinned,
                None => around.pins.keep(&remote, &wanted, around.sources.resolve(&remote, &wanted).await?),
            };
            around.sources.archive(&remote, &wanted, &revision).await
        })
    };
    let build = Build { tree, top, locking, alias: around.alias, fetch: &fetch };
    let name = chart.name().to_owned();
    build.complete(chart).map_err(|error| explain(&name, &error))
}

fn explain(chart: &str, error: &BuildError<SourceError>) -> Failure {
    let message = format!("the dependencies of chart `{chart}` cannot be built: {error}");
    let failure = |reason| Failure::new(reason, message.clone());
    match error {
        BuildError::Fetch { why, .. } => {
            // Not the source is at fault, which has been fetched, but what its files say; it may be another time.
            let cause = why.to_failure();
            Failure { reason: Reason::SourceUnreadable, message: format!("{message}: {}", cause.message), ..cause }
        }
        BuildError::OutOfSync { .. } => {
            failure(Reason::InvalidManifest).help("run `helm dependency update` and commit the lock")
        }
        BuildError::UnknownAlias(_) => {
            failure(Reason::InvalidManifest).help("write the repository's address instead of its name")
        }
        BuildError::Outside(_) => failure(Reason::InvalidManifest)
            .help("keep the chart that is meant in the same repository, and name it by a relative path"),
        _ => failure(Reason::InvalidManifest),
    }
}

#[cfg(test)]
mod tests {
    use bowline_model::Secret;

    use super::*;

    fn known(url: &str, password: &str, is_template: bool) -> ChartRepository {
        let credentials = Credentials { password: Some(Secret::new(password)), ..Credentials::default() };
        ChartRepository { name: None, remote: Remote { url: url.to_owned(), credentials }, is_template }
    }

    #[test]
    fn a_repository_has_its_own_credentials_or_those_of_the_longest_template() {
        let repositories = [
            known("https://example.com/charts/", "own", false),
            known("https://example.com", "short", true),
            known("https://example.com/team", "long", true),
        ];
        for (url, want) in [
            ("https://example.com/charts", Some("own")),
            ("https://example.com/charts/more", Some("short")),
            ("https://example.com/team/a", Some("long")),
            ("https://elsewhere.com/charts", None),
        ] {
            let have = remote(url, &repositories);
            assert_eq!(have.url, url);
            assert_eq!(have.credentials.password.as_ref().map(Secret::reveal), want, "{url}");
        }
    }

    #[test]
    fn pins_are_of_one_revision_and_the_first_counts() {
        let board = PinBoard::default();
        let (remote, wanted) =
            (Remote::new("https://example.com"), Wanted::Chart { name: "web".to_owned(), version: "*".to_owned() });
        let revision = |digest: &str| Revision::of_archive(Some("1.0.0".to_owned()), digest.to_owned());
        let (one, same) = (board.of(&remote, &revision("a")), board.of(&remote, &revision("a")));
        assert_eq!(one.keep(&remote, &wanted, revision("x")), revision("x"));
        assert_eq!(same.keep(&remote, &wanted, revision("y")), revision("x"));
        assert_eq!(board.of(&remote, &revision("b")).get(&remote, &wanted), None);
        drop((one, same));
        assert_eq!(board.of(&remote, &revision("a")).get(&remote, &wanted), None, "nobody is at it any more");
    }
}
