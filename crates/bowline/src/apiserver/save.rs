//! The save file: clusters outlive the process, and a crash costs what happened since the last write.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bowline_apiserver::{Fleet, SnapshotError};

use crate::trouble::Trouble;

/// How often changes are written.
const EVERY: Duration = Duration::from_secs(5);

/// Brings back what a file holds; `None` when there is no file yet.
pub(super) fn restore(
    file: &Path,
    options: impl FnMut(&str) -> bowline_apiserver::Options,
) -> Result<Option<Fleet>, Trouble> {
    let what = || format!("cannot restore the clusters of `{}`", file.display());
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Trouble::because(what(), error, "give a file that can be read to `--save`")),
    };
    Fleet::restore(&bytes, options).map(Some).map_err(|error| {
        let help = match error {
            SnapshotError::Newer { .. } => "use the newer program that wrote it, or another file",
            _ => "move the file away to begin with new clusters; it is left as it is",
        };
        Trouble::because(what(), error, help)
    })
}

/// A fleet and the file that follows it.
pub(super) struct Saved {
    file: PathBuf,
    fleet: Fleet,
    /// What the clusters' revisions were when the file was written.
    written: Option<Vec<u64>>,
}

impl Saved {
    pub(super) fn new(file: &Path, fleet: &Fleet) -> Self {
        Self { file: file.to_owned(), fleet: fleet.clone(), written: None }
    }

    /// Writes the file whenever something has changed, for ever.
    pub(super) async fn keep_up(&mut self) {
        loop {
            // At the start too: revisions given out from now on must not be given out again after a crash.
            if let Err(error) = self.write() {
                tracing::warn!(%error, "The clusters could not be saved; it will be tried again");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Writes the file if something has changed.
    pub(super) fn write(&mut self) -> anyhow::Result<()> {
        let revisions: Vec<u64> =
            (self.fleet.names().iter()).filter_map(|name| Some(self.fleet.get(name)?.resource_version())).collect();
        if self.written.as_ref() == Some(&revisions) {
            return Ok(());
        }
        // What is written is as new as these revisions, or newer.
        let bytes = tokio::task::block_in_place(|| self.fleet.snapshot());
        super::write_secret(&self.file, &bytes, super::Outlives::Machine).map_err(|error| {
            let what = format!("cannot save the clusters to `{}`", self.file.display());
            Trouble::because(what, error, "see that the directory exists, can be written and is not full")
        })?;
        self.written = Some(revisions);
        Ok(())
    }
}
