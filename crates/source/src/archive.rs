//! Charts and artifacts: what comes as one archive.

use std::sync::Arc;
use std::time::Duration;

use bowline_model::{Remote, Revision, Wanted};
use bowline_tree::Tree;

use crate::SourceError;
use crate::sources::Hub;

impl Hub {
    /// Finds the version of a chart or the artifact that is wanted.
    #[expect(clippy::unused_async, reason = "a registry is asked over the network")]
    pub(crate) async fn resolve_archive(
        &self,
        remote: &Remote,
        wanted: &Wanted,
        _timeout: Duration,
    ) -> Result<Revision, SourceError> {
        Err(SourceError::Unsupported { url: remote.shown_url(), what: wanted.to_string() })
    }

    /// Opens the files of an archive.
    #[expect(clippy::unused_async, reason = "an archive is fetched over the network")]
    pub(crate) async fn open_archive(
        &self,
        remote: &Remote,
        wanted: &Wanted,
        _revision: &Revision,
        _timeout: Duration,
    ) -> Result<Arc<dyn Tree>, SourceError> {
        Err(SourceError::Unsupported { url: remote.shown_url(), what: wanted.to_string() })
    }
}
