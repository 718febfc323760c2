//! A chart's dependencies, fetched from where the chart says they are.

use bowline_helm::build::{Build, BuildError, Locking, Needed};
use bowline_helm::chart::Chart;
use bowline_model::{Failure, Reason, Remote, Wanted};
use bowline_source::{SourceError, Sources};
use bowline_tree::{Tree, TreePath};
use tokio::runtime::Handle;

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
            let revision = around.sources.resolve(&remote, &wanted).await?;
            around.sources.archive(&remote, &wanted, &revision).await
        })
    };
    let build = Build { tree, top, locking, alias: around.alias, fetch: &fetch };
    build.complete(chart).map_err(|error| explain(&error))
}

fn explain(error: &BuildError<SourceError>) -> Failure {
    let failure = |reason| Failure::new(reason, format!("the chart's dependencies cannot be built: {error}"));
    match error {
        BuildError::Fetch { why, .. } => {
            let cause = why.to_failure();
            let message = format!("the chart's dependencies cannot be built: {error}: {}", cause.message);
            Failure { message, ..cause }
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
