//! What a kustomization names by addresses, fetched when it is first asked for.

use std::sync::{Arc, Mutex, PoisonError};

use bowline_engine::{Fetched, RemoteFiles};
use bowline_kustomize::{NotFetched, RemoteChart, Remotes, RepositoryUrl};
use bowline_model::{Failure, Remote};
use bowline_tree::Tree;
use bytes::Bytes;

use super::locate::Fetcher;

/// Fetches for one build.
pub(super) struct Elsewhere {
    fetcher: Fetcher,
    fetched: Mutex<Fetched>,
    failed: Mutex<Option<Failure>>,
}

impl Elsewhere {
    pub(super) fn new() -> Self {
        Self { fetcher: Fetcher::of_this_machine_too(), fetched: Mutex::default(), failed: Mutex::default() }
    }

    /// Returns what to do about what could not be fetched last.
    pub(super) fn help(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.help.clone()
    }

    fn ask<T>(&self, ask: impl FnOnce(&RemoteFiles<'_>) -> T) -> Result<T, String> {
        let network = self.fetcher.network().map_err(|failure| failure.why)?;
        let files = RemoteFiles {
            sources: &network.sources,
            runtime: network.runtime.handle(),
            repository: &|address| Ok(Remote::new(address)),
            fetched: &self.fetched,
            failed: Mutex::default(),
        };
        let answer = ask(&files);
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = files.failure();
        Ok(answer)
    }
}

impl Remotes for Elsewhere {
    fn file(&self, url: &str) -> Result<Bytes, NotFetched> {
        self.ask(|files| files.file(url)).map_err(NotFetched::Failed)?
    }

    fn repository(&self, url: &RepositoryUrl) -> Result<Arc<dyn Tree>, String> {
        self.ask(|files| files.repository(url))?
    }

    fn chart(&self, chart: &RemoteChart<'_>) -> Result<Arc<dyn Tree>, String> {
        self.ask(|files| files.chart(chart))?
    }
}
