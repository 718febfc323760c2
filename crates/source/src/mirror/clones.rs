//! The clones of a mirror on the disk, and how one takes another's place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{Oid, Repository};

use super::Mirror;
use crate::store::{Store, lock};
use crate::{SourceError, local};

impl Mirror {
    pub(super) fn store(&self) -> Result<Arc<Store>, SourceError> {
        let mut current = lock(&self.store);
        if let Some(store) = current.as_ref() {
            if store.is_sound() {
                return Ok(Arc::clone(store));
            }
            tracing::warn!(dir = %store.dir().display(), "Local clone is damaged or gone and is made anew");
            store.doom();
        }
        let dir = match current.take() {
            // The damaged one goes with its last user; the next lies beside it.
            Some(store) => next_dir(store.dir()),
            None => newest_dir(&self.dir).map_err(|error| SourceError::store(&error))?,
        };
        let store = Arc::new(Store::open(&dir)?);
        *current = Some(Arc::clone(&store));
        Ok(store)
    }

    /// Writes the store anew, with what was fetched lately and what references mean now, when it has become scattered.
    pub(super) fn tidy(&self) -> Result<(), SourceError> {
        let old = self.store()?;
        if !old.is_scattered() {
            return Ok(());
        }
        let fresh = Store::open(&next_dir(old.dir()))?;
        let source = Repository::open_bare(old.dir()).map_err(|error| SourceError::damaged(&error))?;
        let mut commits = old.haves();
        let current: BTreeSet<Oid> = lock(&self.current).values().copied().collect();
        commits.extend(current.into_iter().filter(|commit| old.has_commit(*commit)));
        let mut seen = BTreeSet::new();
        commits.retain(|commit| seen.insert(*commit));
        local::copy(&source, &commits, &fresh, &self.url)?;
        for commit in commits.iter().rev() {
            fresh.keep(*commit, true)?;
        }
        tracing::debug!(url = %self.url, commits = commits.len(), "Local clone was written anew");
        old.doom();
        *lock(&self.store) = Some(Arc::new(fresh));
        Ok(())
    }

    pub(super) fn history(&self) -> Result<Arc<Store>, SourceError> {
        let mut current = lock(&self.history);
        if let Some(store) = current.as_ref().filter(|store| store.is_sound()) {
            return Ok(Arc::clone(store));
        }
        let dir = self.dir.join("history.git");
        if current.take().is_some() {
            // What cannot be removed cannot be opened either, and then opening says why.
            let _gone = std::fs::remove_dir_all(&dir);
        }
        let store = Arc::new(Store::open(&dir)?);
        *current = Some(Arc::clone(&store));
        Ok(store)
    }
}

/// Clones are numbered, so that a new one can be made while an old one is still read: `clone-7.git`.
const PREFIX: &str = "clone-";

fn number(dir: &Path) -> Option<u64> {
    dir.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(".git")?.parse().ok()
}

fn next_dir(dir: &Path) -> PathBuf {
    dir.with_file_name(format!("{PREFIX}{}.git", number(dir).map_or(1, |number| number + 1)))
}

/// Finds the clone of the highest number, and removes those a former process left behind.
fn newest_dir(parent: &Path) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(parent)?;
    let mut clones: Vec<(u64, PathBuf)> =
        std::fs::read_dir(parent)?.flatten().filter_map(|file| Some((number(&file.path())?, file.path()))).collect();
    clones.sort();
    let newest = clones.pop().map_or_else(|| parent.join(format!("{PREFIX}1.git")), |(_, dir)| dir);
    for (_, old) in clones {
        // What cannot be removed takes room and does no other harm.
        let _kept = std::fs::remove_dir_all(old);
    }
    Ok(newest)
}
